"""Members of requests are found however deep they are."""

from __future__ import annotations

from typing import Any

import pytest

from policygen.catalog import mapping
from policygen.catalog.build.shapes import member_paths
from policygen.catalog.call import Call
from policygen.catalog.parameters import is_left_out
from policygen.catalog.projection import project

DEEP = 15


def nested(depth: int) -> dict[str, dict[str, object]]:
    """A shape in a shape, so many times; the innermost has a role, and each holds the outermost again."""
    shapes: dict[str, dict[str, object]] = {
        f"S{i}": {
            "type": "structure",
            "members": {"inner": {"shape": f"S{i + 1}"}, "again": {"shape": "S0"}},
        }
        for i in range(depth)
    }
    return shapes | {
        f"S{depth}": {"type": "list", "member": {"shape": "Last"}},
        "Last": {"type": "structure", "members": {"roleArn": {"shape": "Arn"}}},
        "Arn": {"type": "string"},
    }


def test_a_member_is_found_at_any_depth_and_a_shape_that_holds_itself_ends() -> None:
    found = list(member_paths(nested(DEEP), "S0", lambda name, kind: (name, kind) == ("roleArn", "string")))
    assert found == [".".join(["inner"] * DEEP) + "[].roleArn"]


def test_nothing_within_a_wanted_member_is_looked_at() -> None:
    assert list(member_paths(nested(1), "S0", lambda name, _: name == "inner")) == ["inner"]


def test_a_role_deep_in_a_pipeline_s_rules_is_passed() -> None:
    role = "arn:aws:iam::123456789012:role/pipeline-rule"
    rule = {
        "name": "r",
        "ruleTypeId": {"category": "Rule", "owner": "AWS", "provider": "LambdaInvoke"},
        "roleArn": role,
    }
    stage = {"name": "deploy", "onSuccess": {"conditions": [{"rules": [rule]}]}}
    params = {"pipeline": {"name": "shop", "stages": [stage]}}
    source, name = "codepipeline.amazonaws.com", "UpdatePipeline"
    call = Call(source, name, "eu-west-1", "123456789012", "aws", project(source, name, params))
    passed = {
        one.request.resource
        for one in mapping.requests_for(call).requests
        if one.request.action == "iam:PassRole"
    }
    assert role in passed


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"omitted": True, "reason": "requestParameters too large"}, True),
        ({"omitted": "true"}, True),
        ({"omitted": False}, False),
        ({"omitted": []}, False),
        ({"omitted": {"omitted": True}}, False),
        ({"omitted": True, "tableName": "orders"}, False),
    ],
)
def test_only_what_cloudtrail_writes_says_that_it_left_the_parameters_out(
    params: dict[str, Any], expected: bool
) -> None:
    assert is_left_out(params) is expected
    project("dynamodb.amazonaws.com", "CreateTable", params)
