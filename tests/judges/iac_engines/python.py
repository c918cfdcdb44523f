"""CDK in Python: the real library in an interpreter that has it, and Python itself with classes that only remember."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

from tests.judges.iac_engines import Document
from tests.judges.iac_engines.meaning import deployed
from tests.judges.iac_engines.stacks import documents

_SYNTH = """
import importlib, json, sys
import aws_cdk as cdk
app = cdk.App(analytics_reporting=False, context={"@aws-cdk/core:validateAgainstDefaultRules": False})
stacks = [cdk.Stack(app, f"S{number}") for number in range(int(sys.argv[1]))]
for number, stack in enumerate(stacks):
    module = importlib.import_module(f"m{number}")
    (made,) = [value for name, value in vars(module).items() if name.endswith("Permissions")]
    made(stack, "Permissions")
assembly = app.synth()
json.dump([assembly.get_stack_by_name(one.stack_name).template for one in stacks], open("templates.json", "w"))
"""


def interpreter() -> str:
    """A Python that has aws-cdk-lib: the one that POLICYGEN_CDK_PYTHON names, or this one; "" for none."""
    return os.environ.get("POLICYGEN_CDK_PYTHON", "") or (sys.executable if find_spec("aws_cdk") else "")


def synthesised(texts: Sequence[str]) -> list[list[Document]]:
    """The policies of the templates that CDK makes of constructs in Python, each in a stack of its own."""
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(texts):
            Path(folder, f"m{number}.py").write_text(text, "utf-8")
        Path(folder, "synth.py").write_text(_SYNTH)
        command = [interpreter(), "synth.py", str(len(texts))]
        made = subprocess.run(
            command, cwd=folder, capture_output=True, encoding="utf-8", timeout=300, check=False
        )
        assert made.returncode == 0, made.stderr[-4000:]
        templates = json.loads(Path(folder, "templates.json").read_text("utf-8"))
    return [documents(template) for template in templates]


def executed(texts: Sequence[str]) -> list[list[Document]]:
    """The documents of constructs in Python whose library only remembers what it was given."""
    return [[document for _, document in _executed(text)] for text in texts]


def roles(text: str) -> list[str]:
    """The role of each policy of a construct in Python."""
    return [role for role, _ in _executed(text)]


def names_of(text: str) -> dict[str, Any]:
    """What a module in Python defines, where the library remembers resources of IAM: in ``made`` of the scope."""

    def remembered(scope: Any, construct_id: str, **properties: Any) -> None:
        scope.made[construct_id] = properties

    library = ModuleType("aws_cdk")
    iam = SimpleNamespace(CfnRolePolicy=remembered, CfnUserPolicy=remembered, Role=object)
    gateway = SimpleNamespace(RestApi=object)
    vars(library).update(aws_iam=iam, aws_apigateway=gateway, Fn=SimpleNamespace(sub=_sub))
    constructs = ModuleType("constructs")
    vars(constructs).update(Construct=_Scope)
    names: dict[str, Any] = {}
    with patch.dict(sys.modules, {"constructs": constructs, "aws_cdk": library}):
        exec(compile(text, "rendered.py", "exec"), names)
    return names


class _Scope:
    """A construct that remembers what was made in it."""

    def __init__(self, scope: object, construct_id: str) -> None:
        self.made: dict[str, dict[str, Any]] = {}


def _sub(body: str, variables: dict[str, str] | None = None) -> dict[str, Any]:
    return {"Fn::Sub": [body, variables or {}]}


def _executed(text: str) -> list[tuple[str, Document]]:
    made: list[tuple[str, Document]] = []

    class Construct:
        def __init__(self, scope: object, construct_id: str) -> None:
            pass

    class Effect:
        ALLOW, DENY = "Allow", "Deny"

    class Role:
        @staticmethod
        def from_role_name(scope: object, construct_id: str, name: Any) -> Any:
            return name

    def policy(scope: object, construct_id: str, **properties: Any) -> None:
        (role,) = deployed(properties["roles"])
        made.append((role, deployed(properties["document"])))

    def document(statements: list[dict[str, Any]], minimize: bool) -> Document:
        assert not minimize
        return {"Version": "2012-10-17", "Statement": statements}

    elements = {
        "sid": "Sid",
        "effect": "Effect",
        "actions": "Action",
        "not_actions": "NotAction",
        "resources": "Resource",
        "not_resources": "NotResource",
        "conditions": "Condition",
    }
    constructs, library, iam = ModuleType("constructs"), ModuleType("aws_cdk"), ModuleType("aws_iam")
    vars(constructs).update(Construct=Construct)
    vars(library).update(aws_iam=iam, Fn=SimpleNamespace(sub=_sub))
    vars(iam).update(
        Effect=Effect,
        Role=Role,
        Policy=policy,
        ManagedPolicy=policy,
        PolicyDocument=document,
        PolicyStatement=lambda **given: {elements[name]: value for name, value in given.items()},
    )
    names: dict[str, Any] = {}
    with patch.dict(sys.modules, {"constructs": constructs, "aws_cdk": library}):
        exec(compile(text, "rendered.py", "exec"), names)
        (construct,) = [value for name, value in names.items() if name.endswith("Permissions")]
        construct(None, "Permissions")
    return made
