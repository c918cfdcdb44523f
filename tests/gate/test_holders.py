"""To whom else than roles a template grants: users, groups, permission sets, and managed policies of nobody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from policygen.gate.repository.files import template_of
from policygen.gate.repository.other_templates import without_plan
from policygen.gate.templates.model import TemplateContext


def granting(action: str) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": [action], "Resource": "*"}],
    }


CLOUDFORMATION = {
    "Resources": {
        "U": {
            "Type": "AWS::IAM::User",
            "Properties": {"UserName": "ann", "Policies": [{"PolicyDocument": granting("*")}]},
        },
        "G": {
            "Type": "AWS::IAM::Policy",
            "Properties": {"Groups": ["admins"], "PolicyDocument": granting("iam:PassRole")},
        },
        "S": {
            "Type": "AWS::SSO::PermissionSet",
            "Properties": {"Name": "Ops", "InlinePolicy": granting("*")},
        },
        "M": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": granting("iam:PassRole")}},
    }
}


def resource(address: str, **values: Any) -> dict[str, Any]:
    return {"address": address, "type": address.partition(".")[0], "values": values}


TERRAFORM = {
    "format_version": "1.2",
    "planned_values": {
        "root_module": {
            "resources": [
                resource("aws_iam_user.U", name="ann"),
                resource("aws_iam_user_policy.u", user="ann", policy=json.dumps(granting("*"))),
                resource(
                    "aws_iam_group_policy.g", group="admins", policy=json.dumps(granting("iam:PassRole"))
                ),
                resource("aws_ssoadmin_permission_set.S", name="Ops"),
                resource(
                    "aws_ssoadmin_permission_set_inline_policy.s", inline_policy=json.dumps(granting("*"))
                ),
                resource("aws_iam_policy.M", name="M", policy=json.dumps(granting("iam:PassRole"))),
            ]
        }
    },
    "configuration": {
        "root_module": {
            "resources": [
                {
                    "address": "aws_ssoadmin_permission_set_inline_policy.s",
                    "expressions": {
                        "permission_set_arn": {
                            "references": [
                                "aws_ssoadmin_permission_set.S.arn",
                                "aws_ssoadmin_permission_set.S",
                            ]
                        }
                    },
                }
            ]
        }
    },
}


@pytest.mark.parametrize("template", [CLOUDFORMATION, TERRAFORM], ids=["cloudformation", "terraform"])
def test_who_is_no_role_is_judged_as_a_role_without_a_plan(template: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    file.write_text(json.dumps(template), "utf-8")
    seen = template_of(file, TemplateContext(""))
    assert seen is not None
    assert seen.rest is not None
    found = {}
    for holder in seen.rest.holders:
        subject = without_plan(holder.part, "111122223333", [file], "it is no role", kind=holder.kind)
        assert subject
        found[holder.kind, holder.name] = [(one.rule.id, one.subject) for one in subject.findings()]
    assert found == {
        ("user", "ann"): [("PG107", "all actions")],
        ("group", "admins"): [("PG401", "iam:PassRole")],
        ("permission set", "Ops"): [("PG107", "all actions")],
        ("policy", "M"): [("PG401", "iam:PassRole")],
    }
