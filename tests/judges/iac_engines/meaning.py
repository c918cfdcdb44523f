"""What a policy document means, whatever form an engine gave it: the measure by which two are equal."""

from __future__ import annotations

import re
from typing import Any

from tests.judges.iac_engines import Document

_SETS = {"Action", "NotAction", "Resource", "NotResource"}


def meaning(document: Document) -> Document:
    """The document with lists for single values, sorted, and each statement once; their order stays."""
    statements: list[Document] = []
    for one in document["Statement"]:
        statement = {name: _element(name, value) for name, value in one.items()}
        if statement not in statements:
            statements.append(statement)
    return {**document, "Statement": statements}


def _element(name: str, value: Any) -> Any:
    if name in _SETS:
        return _values(value)
    if name == "Condition":
        return {
            operator: {key: _values(each) for key, each in keys.items()} for operator, keys in value.items()
        }
    return value


def _values(value: Any) -> list[str]:
    return sorted(set([value] if isinstance(value, str) else value))


def deployed(value: Any) -> Any:
    """A part of a template as CloudFormation would hand it to IAM: its two functions that join texts are done.

    Source: CloudFormation User Guide, intrinsic-function-reference-join and -sub.
    """
    if isinstance(value, list):
        return [deployed(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"Fn::Join"}:
        between, parts = value["Fn::Join"]
        return between.join(deployed(part) for part in parts)
    if value.keys() == {"Fn::Sub"}:
        body, variables = value["Fn::Sub"] if isinstance(value["Fn::Sub"], list) else (value["Fn::Sub"], {})
        return re.sub(r"\$\{([^!}][^}]*)\}", lambda name: variables[name[1]], body)
    assert not any(key.startswith("Fn::") or key == "Ref" for key in value), value
    return {key: deployed(each) for key, each in value.items()}
