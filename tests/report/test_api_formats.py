"""The suggested policies of an API in each format: the same documents, read by the program that will read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from policygen.errors import NothingFoundError, UsageError
from policygen.report.formats import API_FORMATS, render_api
from policygen.rightsize.api.suggest import ApiSuggestion
from tests.judges.iac_engines import stacks, terraform
from tests.rightsize.test_api import CASES
from tests.support.api_world import API, OWNER, PARTNER, suggestion_of, who

GIVEN = [case for case in CASES if "error" not in case]
HOSTILE = ["${aws:username}", "%{ if true }", "$${x}", "yes", "{{x}}", "\u202e`|<b>", "#{x}", "é", '"\\']
ROLE, USER, FOREIGN = "role/team/caller", "user/till", f"{PARTNER}:role/team/caller"
ANYTHING = [{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "arn:aws:execute-api:*:*:*"}]
LET_IN = {
    "Effect": "Allow",
    "Principal": {"AWS": [f"arn:aws:iam::{account}:root" for account in (OWNER, PARTNER)]},
    "Action": "execute-api:Invoke",
    "Resource": "execute-api:/*",
}


def three_callers(*names: str) -> dict[str, Any]:
    """Return a case with callers of two accounts, and a Deny of today for people with these tags."""
    tags = {"StringEquals": {"aws:PrincipalTag/team": list(names)}}
    deny = {**LET_IN, "Effect": "Deny", "Principal": "*", "Resource": "execute-api:/prod/GET/never"}
    return {
        "methods": {"GET /items": "IAM", "GET /never": "IAM"},
        "people": {ROLE: ANYTHING, USER: ANYTHING, FOREIGN: ANYTHING},
        "policy": [LET_IN, *([{**deny, "Condition": tags}] if names else [])],
        "log": [{"by": by, "call": "prod GET /items"} for by in (ROLE, USER, FOREIGN)],
    }


def documents(found: ApiSuggestion) -> tuple[Any, dict[str, Any]]:
    """Return the resource policy, and by ``role caller`` the policy of each caller that a file can hold."""
    own = {
        f"{'user' if ':user/' in one.party.name else 'role'} {one.party.name.rpartition('/')[2]}": (
            one.policy.to_dict()
        )
        for one in found.callers
        if one.policy and one.today and one.party.account == OWNER
    }
    return found.policy and found.policy.to_dict(), own


def in_template(found: ApiSuggestion) -> tuple[Any, dict[str, Any]]:
    policy, own = None, {}
    for one in yaml.safe_load(render_api("cloudformation", found))["Resources"].values():
        properties = one["Properties"]
        if one["Type"] == "AWS::ApiGateway::RestApi":
            policy = properties["Policy"]
        else:
            kind = "role" if one["Type"] == "AWS::IAM::RolePolicy" else "user"
            own[f"{kind} {properties[f'{kind.capitalize()}Name']}"] = properties["PolicyDocument"]
    return policy, own


def in_terraform(text: str) -> tuple[Any, dict[str, Any]]:
    blocks = terraform.blocks(text)
    policy = [json.loads(one["policy"]) for one in blocks.get("aws_api_gateway_rest_api_policy", ())]
    own = {
        f"{kind} {one[kind]}": json.loads(one["policy"])
        for kind in ("role", "user")
        for one in blocks.get(f"aws_iam_{kind}_policy", ())
    }
    return policy[0] if policy else None, own


def anything(found: ApiSuggestion) -> bool:
    return any(documents(found))


def test_a_template_has_the_documents(tmp_path: Path) -> None:
    count = 0
    for case in GIVEN:
        found = suggestion_of(case, tmp_path)
        if not anything(found):
            with pytest.raises(NothingFoundError) as raised:
                render_api("cloudformation", found)
            assert raised.value.code == "PG-E390"
            continue
        count += 1
        assert in_template(found) == documents(found)
        if found.policy:
            assert json.loads(render_api("policy", found)) == documents(found)[0]
    assert count > len(GIVEN) // 2


def test_hostile_names_are_what_is_read(tmp_path: Path) -> None:
    found = suggestion_of(three_callers(*HOSTILE), tmp_path)
    assert in_template(found) == documents(found)
    assert HOSTILE[0] in str(documents(found))
    for name in API_FORMATS:
        assert "\u202e" not in render_api(name, found)


def test_callers_of_the_account_have_policies_and_others_are_named(tmp_path: Path) -> None:
    found = suggestion_of(three_callers(), tmp_path)
    assert set(documents(found)[1]) == {"role caller", "user till"}
    for name in ("terraform", "cloudformation"):
        text = render_api(name, found)
        assert f"# - {who(FOREIGN)[0]}: of another account\n" in text
        assert f"invoke-{API}" in text
        assert "# It holds from the next deployment on" in text


def test_a_caller_that_is_not_written_is_named_with_the_reason(tmp_path: Path) -> None:
    case = three_callers() | {"known": []}
    case["people"][USER] = []
    case["policy"] = [LET_IN, {**LET_IN, "Principal": {"AWS": who(USER)[0]}}]
    found = suggestion_of(case, tmp_path)
    assert set(documents(found)[1]) == {"role caller"}
    for name in ("terraform", "cloudformation"):
        text = " ".join(render_api(name, found).replace("#", "").split())
        assert f"{who(USER)[0]}: its own policies do not let it in: the resource policy does" in text
        assert f"{PARTNER}:role/caller: a proposal: no snapshot of its account was given" in text


@pytest.mark.system
@pytest.mark.skipif(not terraform.AVAILABLE, reason="see tests/judges/iac_engines/README.md")
def test_terraform_reads_the_documents(tmp_path: Path) -> None:
    for case in (*GIVEN[::9], three_callers(*[one for one in HOSTILE if one != "\u202e`|<b>"])):
        found = suggestion_of(case, tmp_path)
        if anything(found):
            text = render_api("terraform", found)
            assert in_terraform(text) == documents(found)
            assert not terraform.unformatted(text)


@pytest.mark.system
@pytest.mark.skipif(not stacks.AVAILABLE, reason="see tests/judges/iac_engines/README.md")
def test_cloudformation_takes_the_callers_and_makes_no_second_api_of_the_part(tmp_path: Path) -> None:
    text = render_api("cloudformation", suggestion_of(three_callers("e"), tmp_path))
    (refused,) = stacks.errors(text)
    assert "'Name' is a required property" in refused
    own = text.replace("    Properties:\n      Policy:", "    Properties:\n      Name: orders\n      Policy:")
    assert stacks.errors(own) == []


def test_what_a_language_would_resolve_is_refused_by_its_format(tmp_path: Path) -> None:
    found = suggestion_of(three_callers("{{resolve:ssm:x}}"), tmp_path)
    with pytest.raises(UsageError) as raised:
        render_api("cloudformation", found)
    assert raised.value.code == "PG-E241"
    assert "{{resolve" in render_api("policy", found)


def test_a_comment_on_the_pull_request_has_callers_changes_and_documents(tmp_path: Path) -> None:
    case = three_callers()
    case["people"] |= {"role/idle": ANYTHING}
    case["stages"] = {"prod": None, "dev": {"none": 1}}
    text = render_api("markdown", suggestion_of(case, tmp_path))
    assert f"| `{who(ROLE)[0]}` | 30 | 1 | 2026-11-24 |" in text
    assert f"- kept: `arn:aws:iam::{PARTNER}:root` on " in text
    assert "- `dev`: has no access log; turn it on" in text
    assert f"`{who(FOREIGN)[0]}` needs of this API" in text
    assert f'"AWS": "{who(FOREIGN)[0]}"' in text
    assert "The policy holds from the next deployment on. Nothing in AWS was changed." in text
