"""A suggested trust policy in each format: the same document, read by the program that will read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from policygen.errors import UsageError
from policygen.report.formats import TRUST_FORMATS, render_trust
from policygen.rightsize.trust.suggest import TrustSuggestion
from tests.judges.iac_engines import stacks, terraform
from tests.rightsize.test_trust import CASES
from tests.support.trust_world import ACCOUNT, TARGET, VENDOR, suggestion_of

GIVEN = [case for case in CASES if "error" not in case]
HOSTILE = ["${aws:username}", "%{ if true }", "$${x}", "yes", "{{x}}", "\u202e`|<b>", "#{x}", "é", '"\\']
ROOT_OF_VENDOR = {
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{VENDOR}:root"},
    "Action": "sts:AssumeRole",
    "Condition": {"StringLike": {"sts:ExternalId": "*"}},
}


def hostile(*names: str, **fields: Any) -> dict[str, Any]:
    """Return a case whose caller passes these names as external ids."""
    log = [{"by": f"{VENDOR}:role/scanner", "parameters": {"externalId": name}} for name in names]
    return {"today": [ROOT_OF_VENDOR], "log": log, "vendor_known": True, "snapshot": fields}


def in_template(suggestion: TrustSuggestion) -> Any:
    template = yaml.safe_load(render_trust("cloudformation", suggestion))
    (role,) = template["Resources"].values()
    return role["Properties"]["AssumeRolePolicyDocument"]


@pytest.mark.parametrize("case", GIVEN[::5], ids=lambda case: case["name"])
def test_a_template_has_the_document(case: dict[str, Any], tmp_path: Path) -> None:
    found = suggestion_of(case, tmp_path)
    assert in_template(found) == json.loads(render_trust("policy", found)) == found.policy.to_dict()


def test_hostile_names_are_what_is_read(tmp_path: Path) -> None:
    found = suggestion_of(hostile(*HOSTILE), tmp_path)
    assert in_template(found) == found.policy.to_dict()
    for name in TRUST_FORMATS:
        assert "\u202e" not in render_trust(name, found)


@pytest.mark.system
@pytest.mark.skipif(not terraform.AVAILABLE, reason="see tests/judges/iac_engines/README.md")
def test_terraform_reads_the_document(tmp_path: Path) -> None:
    for case in (*GIVEN[::24], hostile(*[one for one in HOSTILE if one != "\u202e`|<b>"])):
        found = suggestion_of(case, tmp_path)
        text = render_trust("terraform", found)
        (role,) = terraform.blocks(text)["aws_iam_role"]
        assert json.loads(role["assume_role_policy"]) == found.policy.to_dict()
        assert not terraform.unformatted(text)


@pytest.mark.system
@pytest.mark.skipif(not stacks.AVAILABLE, reason="see tests/judges/iac_engines/README.md")
def test_cloudformation_has_nothing_against_the_template(tmp_path: Path) -> None:
    settings = {"role_settings": {TARGET: {"MaxSessionDuration": 43200}}}
    for case in (*GIVEN[::48], hostile("e", **settings)):
        assert stacks.errors(render_trust("cloudformation", suggestion_of(case, tmp_path))) == []


def test_the_length_of_sessions_is_there_where_it_is_known(tmp_path: Path) -> None:
    settings = {"role_settings": {TARGET: {"MaxSessionDuration": 43200}}}
    found = suggestion_of(hostile("e", **settings), tmp_path)
    assert "  max_session_duration = 3600\n" in render_trust("terraform", found)
    assert 'MaxSessionDuration: "3600"' in render_trust("cloudformation", found)
    unknown = suggestion_of(hostile("e"), tmp_path)
    assert "max_session" not in render_trust("terraform", unknown).lower()


def test_what_a_language_would_resolve_is_refused(tmp_path: Path) -> None:
    found = suggestion_of(hostile("{{resolve:ssm:x}}"), tmp_path)
    with pytest.raises(UsageError) as raised:
        render_trust("cloudformation", found)
    assert raised.value.code == "PG-E241"
    assert "{{resolve" in render_trust("policy", found)


def test_a_comment_has_callers_changes_and_the_document(tmp_path: Path) -> None:
    own = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "sts:AssumeRole",
    }
    gone = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    text = render_trust(
        "markdown", suggestion_of({"today": [own, gone], "log": [{"by": "role/ci"}]}, tmp_path)
    )
    assert f"| `arn:aws:iam::{ACCOUNT}:role/ci` | 20 | 20 | 2026-11-14 |" in text
    assert "- removed: `ec2.amazonaws.com`" in text
    assert f'"AWS": "arn:aws:iam::{ACCOUNT}:role/ci"' in text
