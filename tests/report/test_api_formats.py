"""The suggested policies of an API in each format: the same documents, read by the program that will read them."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as Xml
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from policygen.errors import NothingFoundError, UsageError
from policygen.report.formats import API_FORMATS, render_api
from policygen.rightsize.api.suggest import ApiSuggestion
from tests.judges.iac_engines import node, python, stacks, terraform
from tests.judges.iac_engines.meaning import deployed
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


def in_sam(template: Any) -> tuple[Any, dict[str, Any]]:
    """Return the documents of a SAM template, or of what SAM makes of it."""
    policy, own = None, {}
    for one in template["Resources"].values():
        properties = one["Properties"]
        if one["Type"] == "AWS::Serverless::Api":
            statements = properties["Auth"]["ResourcePolicy"]["CustomStatements"]
            policy = {"Version": "2012-10-17", "Statement": statements}
        elif one["Type"] == "AWS::ApiGateway::RestApi":
            policy = properties["Body"]["x-amazon-apigateway-policy"]
        elif "PolicyDocument" in properties:
            kind = "role" if one["Type"] == "AWS::IAM::RolePolicy" else "user"
            own[f"{kind} {properties[f'{kind.capitalize()}Name']}"] = properties["PolicyDocument"]
    return policy, own


def test_sam_has_the_documents(tmp_path: Path) -> None:
    for case in (*GIVEN[::6], three_callers(*HOSTILE)):
        found = suggestion_of(case, tmp_path)
        if anything(found):
            assert in_sam(yaml.safe_load(render_api("sam", found))) == documents(found)


@pytest.mark.system
@pytest.mark.skipif(not stacks.AVAILABLE, reason="see tests/judges/iac_engines/README.md")
def test_sam_makes_an_api_with_the_policy(tmp_path: Path) -> None:
    for case in (*GIVEN[::12], three_callers(*HOSTILE)):
        found = suggestion_of(case, tmp_path)
        if anything(found):
            text = render_api("sam", found)
            assert in_sam(stacks.transformed(text)) == documents(found)
    assert stacks.errors(render_api("sam", suggestion_of(three_callers("e"), tmp_path))) == []


IN_STACK = """
import { aws_apigateway as gateway } from "aws-cdk-lib";

export class Any extends Construct {
  constructor(scope: Construct, id: string) {
    super(scope, id);
    const api = new gateway.RestApi(this, "Api", { cloudWatchRole: false });
    api.root.addMethod("GET");
    GIVEN
  }
}
"""


@pytest.mark.system
@pytest.mark.skipif(not node.available(), reason="see tests/judges/iac_engines/README.md")
def test_the_cdk_gives_the_documents_to_the_api_of_the_stack(tmp_path: Path) -> None:
    odd = [one for one in (*HOSTILE, "#{Token[TOKEN.1]}") if one != "\u202e`|<b>"]
    given = [suggestion_of(case, tmp_path) for case in (*GIVEN[::12], three_callers(*odd))]
    given = [found for found in given if anything(found)]
    texts = []
    for found in given:
        made = f'new ApiOrdersAccess(this, "Access"{", api" if found.policy else ""});'
        texts.append(render_api("cdk-ts", found).replace("export ", "") + IN_STACK.replace("GIVEN", made))
    for found, template in zip(given, node.templates(texts), strict=True):
        resources = list(template["Resources"].values())
        (policy,) = [one["Properties"].get("Policy") for one in resources if one["Type"].endswith("RestApi")]
        own = in_sam({"Resources": {n: o for n, o in enumerate(resources) if "IAM" in o["Type"]}})[1]
        assert (policy and deployed(policy), deployed(own)) == documents(found)


@pytest.mark.system
@pytest.mark.skipif(not node.available(), reason="see tests/judges/iac_engines/README.md")
def test_the_cdk_makes_a_new_deployment_of_a_new_policy(tmp_path: Path) -> None:
    made = IN_STACK.replace("GIVEN", 'new ApiOrdersAccess(this, "Access", api);')
    texts = [
        render_api("cdk-ts", suggestion_of(three_callers(name), tmp_path)).replace("export ", "") + made
        for name in ("a", "b")
    ]
    first, second = (
        {name for name in one["Resources"] if "Deployment" in name} for one in node.templates(texts)
    )
    assert first != second


def test_python_gives_the_documents_to_the_api(tmp_path: Path) -> None:
    added = []
    for case in (*GIVEN[::12], three_callers(*HOSTILE, "#{Token[TOKEN.1]}")):
        found = suggestion_of(case, tmp_path)
        if not anything(found):
            continue
        deployment = SimpleNamespace(add_to_logical_id=added.append)
        api = SimpleNamespace(
            node=SimpleNamespace(default_child=SimpleNamespace()), latest_deployment=deployment
        )
        given = [api] if found.policy else []
        scope = python.names_of(render_api("cdk-py", found))["ApiOrdersAccess"](None, "Access", *given)
        own = {
            f"{kind} {one[f'{kind}_name']}": deployed(one["policy_document"])
            for one in scope.made.values()
            for kind in ("role", "user")
            if f"{kind}_name" in one
        }
        policy = deployed(vars(api.node.default_child).get("policy"))
        assert (policy, own) == documents(found)
        assert not found.policy or deployed(added[-1]) == policy


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


def full(*sizes: int, methods: int = 1) -> dict[str, Any]:
    """Return a case whose caller has an inline policy of about so many characters for each of some sizes."""
    paths = [f"GET /{'p' * 60}-{number:03}" for number in range(methods)]
    own = [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::b/{'x' * size}"}
        for size in sizes
    ]
    return {
        "methods": dict.fromkeys(paths, "IAM"),
        "people": {ROLE: [*ANYTHING, *own], USER: ANYTHING},
        "log": [{"by": by, "call": f"prod {path}", "days": 15} for by in (ROLE, USER) for path in paths],
    }


def managed(found: ApiSuggestion) -> dict[str, list[str]]:
    """Return the names of the managed policies of each caller in a template."""
    names: dict[str, list[str]] = {}
    for one in yaml.safe_load(render_api("cloudformation", found))["Resources"].values():
        if one["Type"] == "AWS::IAM::ManagedPolicy":
            assert len(json.dumps(one["Properties"]["PolicyDocument"], separators=(",", ":"))) <= 6144
            (whose,) = one["Properties"].get("Roles") or one["Properties"]["Users"]
            names.setdefault(whose, []).append(one["Properties"]["ManagedPolicyName"])
    return names


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (full(9000), {}),
        (full(9900), {"caller": [f"caller-invoke-{API}"]}),
        (full(methods=20), {"till": [f"till-invoke-{API}"]}),
        (
            full(6000, methods=60),
            {name: [f"{name}-invoke-{API}-{n}" for n in (1, 2)] for name in ("caller", "till")},
        ),
    ],
)
def test_a_policy_without_room_among_inline_ones_is_managed(
    case: dict[str, Any], expected: dict[str, list[str]], tmp_path: Path
) -> None:
    found = suggestion_of(case, tmp_path)
    assert managed(found) == expected
    told = {
        one["principal"].rpartition("/")[2]: one for one in json.loads(render_api("json", found))["callers"]
    }
    for name, one in told.items():
        assert [policy["name"] for policy in one["placed"]] == expected.get(name, [f"invoke-{API}"])
        assert (one["is_managed"], "managed polic" in one["note"]) == (name in expected,) * 2
        whole = {(action, place) for part in one["placed"] for action, place in granted(part["document"])}
        assert whole == set(granted(one["policy"]))
    for format_, resource in (
        ("terraform", "aws_iam_policy"),
        ("cdk-ts", "CfnManagedPolicy"),
        ("cdk-py", "CfnManagedPolicy"),
    ):
        text = render_api(format_, found)
        assert all(f'"{name}"' in text for several in expected.values() for name in several)
        assert (f"{resource}" in text.replace("aws_iam_policy_", "")) == bool(expected)
    screen = " ".join(render_api("text", found).split())
    assert ("of 10,240 characters of inline policies are taken" in screen) == ("caller" in expected)


@pytest.mark.system
@pytest.mark.skipif(
    not (stacks.AVAILABLE and terraform.AVAILABLE and node.available()),
    reason="see tests/judges/iac_engines/README.md",
)
def test_the_engines_read_managed_policies(tmp_path: Path) -> None:
    found = suggestion_of(full(6000, methods=60), tmp_path)
    expected = sorted(
        (part.name, json.dumps(part.to_dict(), sort_keys=True))
        for one in found.callers
        for part in one.placed
    )
    text = render_api("cdk-ts", found).replace("export ", "")
    (in_cdk,) = node.templates([text + IN_STACK.replace("GIVEN", 'new ApiOrdersAccess(this, "Access");')])
    for template in (in_cdk, stacks.transformed(render_api("sam", found))):
        made = [
            one["Properties"]
            for one in template["Resources"].values()
            if one["Type"].endswith("ManagedPolicy")
        ]
        read = [(one["ManagedPolicyName"], json.dumps(one["PolicyDocument"], sort_keys=True)) for one in made]
        assert sorted(read) == expected
        assert sorted((*one.get("Roles", ()), *one.get("Users", ())) for one in made) == [
            ("caller",), ("caller",), ("till",), ("till",),
        ]  # fmt: skip
    blocks = terraform.blocks(render_api("terraform", found))
    read = [
        (one["name"], json.dumps(json.loads(one["policy"]), sort_keys=True))
        for one in blocks["aws_iam_policy"]
    ]
    assert sorted(read) == expected
    assert [one["role"] for one in blocks["aws_iam_role_policy_attachment"]] == ["caller"] * 2
    assert stacks.errors(render_api("cloudformation", found)) == []


def granted(document: Any) -> list[tuple[str, str]]:
    return [
        (action, place)
        for one in document["Statement"]
        for action in one["Action"]
        for place in one["Resource"]
    ]


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


def test_the_table_has_a_row_for_each_kind_of_call(tmp_path: Path) -> None:
    table = list(csv.DictReader(io.StringIO(render_api("csv", suggestion_of(three_callers(), tmp_path)))))
    assert sorted(one["principal"] for one in table) == sorted([who(one)[0] for one in (ROLE, USER, FOREIGN)])
    assert {(one["api"], one["stage"], one["method"], one["path"], one["count"]) for one in table} == {
        ("orders", "prod", "GET", "/items", "30")
    }


def test_findings_are_about_the_api_as_it_is_and_go_with_the_new_policy(tmp_path: Path) -> None:
    case = three_callers() | {
        "plans": [{"id": "p1", "name": "gold", "apiStages": [{"apiId": API, "stage": "prod"}]}]
    }
    found = suggestion_of(case, tmp_path)
    run = json.loads(render_api("sarif", found))["runs"][0]
    assert run["automationDetails"]["id"] == f"policygen/api/{OWNER}/API orders ({API})/"
    assert sorted(one["ruleId"] for one in run["results"]) == ["PG102", "PG102", "PG605", "PG611"]
    assert f"file=plans/api/{API}.json" in render_api("github", found)
    assert Xml.fromstring(render_api("junit", found))[0].get("failures") == "2"
    new = found.policy.to_dict()["Statement"] if found.policy else []
    done = suggestion_of({**case, "policy": new}, tmp_path)
    left = json.loads(render_api("sarif", done))["runs"][0]["results"]
    assert sorted(one["ruleId"] for one in left) == ["PG605", "PG611"]


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
