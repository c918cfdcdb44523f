"""A suggested trust policy in each format: the same document, read by the program that will read it."""

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

from policygen.errors import UsageError
from policygen.report.formats import TRUST_FORMATS, render_trust
from policygen.rightsize.trust.suggest import TrustSuggestion
from tests.judges.iac_engines import node, python, stacks, terraform
from tests.judges.iac_engines.meaning import deployed
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


OF_FUNCTION = {
    "today": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
        ROOT_OF_VENDOR,
    ],
    "log": [
        {"by": "lambda.amazonaws.com"},
        *({"by": f"{VENDOR}:role/scanner", "parameters": {"externalId": one}} for one in HOSTILE),
    ],
    "vendor_known": True,
}


def in_sam(template: Any) -> Any:
    """Return the trust policy of a SAM template, or of what SAM makes of it."""
    found = [one["Properties"] for one in template["Resources"].values()]
    (document,) = [one["AssumeRolePolicyDocument"] for one in found if "AssumeRolePolicyDocument" in one]
    return document


def test_sam_has_it_in_the_function_or_in_the_role(tmp_path: Path) -> None:
    for case, kind in (
        (OF_FUNCTION, "AWS::Serverless::Function"),
        *((case, "") for case in GIVEN[::12]),
        (hostile(*HOSTILE), "AWS::IAM::Role"),
    ):
        found = suggestion_of(case, tmp_path)
        template = yaml.safe_load(render_trust("sam", found))
        assert in_sam(template) == found.policy.to_dict()
        assert kind in {"", *(one["Type"] for one in template["Resources"].values())}


@pytest.mark.system
@pytest.mark.skipif(not stacks.AVAILABLE, reason="see tests/judges/iac_engines/README.md")
def test_sam_makes_a_role_with_the_document(tmp_path: Path) -> None:
    for case in (OF_FUNCTION, *GIVEN[::24], hostile(*HOSTILE)):
        found = suggestion_of(case, tmp_path)
        assert in_sam(stacks.transformed(render_trust("sam", found))) == found.policy.to_dict()
    assert stacks.errors(render_trust("sam", suggestion_of(OF_FUNCTION, tmp_path))) == []


IN_STACK = """
import { aws_iam as own } from "aws-cdk-lib";
import { Construct } from "constructs";

export class Any extends Construct {
  constructor(scope: Construct, id: string) {
    super(scope, id);
    const role = new own.Role(this, "Role", { assumedBy: new own.AccountRootPrincipal() });
    NAME(role);
  }
}
"""
TOKENS = ["#{Token[TOKEN.1]}", "-1.8881545897087626e+289"]
ODD = [one for one in (*HOSTILE, *TOKENS) if one != "\u202e`|<b>"]


@pytest.mark.system
@pytest.mark.skipif(not node.available(), reason="see tests/judges/iac_engines/README.md")
def test_the_cdk_writes_the_document_into_the_role_of_the_stack(tmp_path: Path) -> None:
    settings = {"role_settings": {TARGET: {"MaxSessionDuration": 43200}}}
    given = [suggestion_of(case, tmp_path) for case in (*GIVEN[::12], hostile(*ODD, **settings))]
    texts = [render_trust("cdk-ts", one).replace("export ", "") for one in given]
    made = node.templates([text + IN_STACK.replace("NAME", "trustTarget") for text in texts])
    for found, template in zip(given, made, strict=True):
        (role,) = (one["Properties"] for one in template["Resources"].values())
        assert deployed(role["AssumeRolePolicyDocument"]) == found.policy.to_dict()
        assert role.get("MaxSessionDuration") == (found.length.now and found.length.proposed)


def test_python_sets_the_document_of_the_role(tmp_path: Path) -> None:
    settings = {"role_settings": {TARGET: {"MaxSessionDuration": 43200}}}
    for case in (*GIVEN[::12], hostile(*ODD, **settings)):
        found = suggestion_of(case, tmp_path)
        made = SimpleNamespace()
        role = SimpleNamespace(node=SimpleNamespace(default_child=made))
        python.names_of(render_trust("cdk-py", found))["trust_target"](role)
        assert deployed(made.assume_role_policy_document) == found.policy.to_dict()
        assert vars(made).get("max_session_duration") == (found.length.now and found.length.proposed)


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


def test_the_table_has_a_row_for_each_kind_of_assumption(tmp_path: Path) -> None:
    table = list(
        csv.DictReader(io.StringIO(render_trust("csv", suggestion_of(hostile("=1+1", "e"), tmp_path))))
    )
    assert {(one["role"], one["account"], one["count"]) for one in table} == {("target", ACCOUNT, "20")}
    assert sorted(one["external_id"] for one in table) == ["'=1+1", "e"]
    assert {one["principal"] for one in table} == {f"arn:aws:iam::{VENDOR}:role/scanner"}


def test_findings_are_about_todays_policy_and_go_with_the_new_one(tmp_path: Path) -> None:
    found = suggestion_of(hostile("e"), tmp_path)
    run = json.loads(render_trust("sarif", found))["runs"][0]
    assert run["automationDetails"]["id"] == f"policygen/trust/{ACCOUNT}/target/"
    assert [one["ruleId"] for one in run["results"]] == ["PG102"]
    assert Xml.fromstring(render_trust("junit", found))[0].get("failures") == "1"
    assert "file=plans/trust/target.json" in render_trust("github", found)
    done = suggestion_of({**hostile("e"), "today": found.policy.to_dict()["Statement"]}, tmp_path)
    assert json.loads(render_trust("sarif", done))["runs"][0]["results"] == []


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
    assert f'"aws:PrincipalArn": [\n            "arn:aws:iam::{ACCOUNT}:role/ci"\n' in text
