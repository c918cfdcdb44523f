"""Renders a plan for the AWS CDK in TypeScript: a construct that gives the existing role its policies."""

from __future__ import annotations

import json
import re

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
from policygen.report.iac.common import apply_comment, header_comment
from policygen.report.iac.layout import block

TS_STEP = "  "


def render(plan: Plan) -> str:
    """Return a module with one class; a stack uses it as ``new NAME(this, "NAME")``.

    Raises:
        UsageError: PG-E241, a name that the CDK or CloudFormation would read as something else.
    """
    name = class_name(checked(plan))
    role = f'const role = iam.Role.fromRoleName(this, "Role", {cdk_string(plan.role.name, TYPESCRIPT)});'
    body = "\n".join(["super(scope, id);", role, *constructs(plan, TYPESCRIPT)])
    constructor = block("constructor(scope: Construct, id: string) {", [body], "}", TS_STEP)
    class_ = block(f"export class {name} extends Construct {{", [constructor], "}", TS_STEP)
    imports = f'import {{ {classes(body)} }} from "aws-cdk-lib";\nimport {{ Construct }} from "constructs";\n'
    return f"{header_comment(plan, '//', *apply_comment(plan, OLD_LINES))}{imports}\n{class_}\n"


def _object(properties: Properties) -> str:
    entries = (f"{_camel(name)}: {value}," for name, value in properties)
    return block("{", entries, "}", TS_STEP)


def _camel(name: str) -> str:
    return re.sub("_([a-z])", lambda found: found[1].upper(), name)


TYPESCRIPT = Language(
    step=TS_STEP,
    quote=json.dumps,
    false="false",
    make=lambda kind, properties: f"new iam.{kind}({_object(properties)})",
    construct=lambda kind, id_, properties: f'new iam.{kind}(this, "{id_}", {_object(properties)});',
)
