"""Renders a plan for the AWS CDK in Python: a construct that gives the existing role its policies."""

from __future__ import annotations

from policygen.plan.model import Plan
from policygen.report.iac.cdk import (
    OLD_LINES,
    Language,
    Properties,
    cdk_string,
    checked,
    class_name,
    classes,
    constructs,
)
from policygen.report.iac.common import apply_comment, header_comment, quoted
from policygen.report.iac.layout import block

PY_STEP = "    "


def render(plan: Plan) -> str:
    """Return a module with one class; a stack uses it as ``NAME(self, "NAME")``.

    Raises:
        UsageError: PG-E241, a name that the CDK or CloudFormation would read as something else.
    """
    name = class_name(checked(plan))
    role = f'role = iam.Role.from_role_name(self, "Role", {cdk_string(plan.role.name, PYTHON)})'
    body = "\n".join(["super().__init__(scope, construct_id)", role, *constructs(plan, PYTHON)])
    method = f"def __init__(self, scope: Construct, construct_id: str) -> None:\n{nested(body)}"
    class_ = f"class {name}(Construct):\n{nested(method)}"
    imports = f"from aws_cdk import {classes(body)}\nfrom constructs import Construct\n"
    return f"{header_comment(plan, '#', *apply_comment(plan, OLD_LINES))}{imports}\n\n{class_}\n"


def nested(text: str) -> str:
    """Return lines indented by one step."""
    return "\n".join(f"{PY_STEP}{line}" for line in text.split("\n"))


def _call(kind: str, arguments: list[str]) -> str:
    return block(f"iam.{kind}(", (f"{argument}," for argument in arguments), ")", PY_STEP)


def _keywords(properties: Properties) -> list[str]:
    return [f"{name}={value}" for name, value in properties]


PYTHON = Language(
    step=PY_STEP,
    quote=quoted,
    false="False",
    make=lambda kind, properties: _call(kind, _keywords(properties)),
    construct=lambda kind, id_, properties: _call(kind, ["self", f'"{id_}"', *_keywords(properties)]),
)
