"""API Gateway's control plane: the IAM action is an HTTP verb, the resource the request's path (1.8.6).

Both follow from botocore's models: ``CreateUsagePlanKey`` is ``apigateway:POST`` on
``arn:aws:apigateway:REGION::/usageplans/ID/keys``. Two APIs share the event source; operations that both
have are told apart by the parameters, ``restApiId`` being the older one's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from policygen.access import Call
from policygen.catalog.names import botocore_facts
from policygen.catalog.resources import normalise
from policygen.catalog.template import Text, join, scalar

_PART = re.compile(r"\{([^}]+)\}")
_V1_MEMBERS = {"restapiid", "usageplanid", "apikey", "clientcertificateid"}


def verb_and_path(call: Call, operation: str) -> tuple[str, Text] | None:
    """The HTTP verb and the ARN of a control-plane operation, or None when it is not one.

    A path member that the record does not hold becomes ``*``.
    """
    found = _operation(operation, call.params)
    if not found:
        return None
    verb, uri = found
    members = {normalise(name): value for name, value in _members(call.params)}
    texts = [Text(f"arn:{call.partition}:apigateway:{call.region}::")]
    path = uri.removeprefix("/v2").split("?")[0]
    for i, piece in enumerate(_PART.split(path)):
        if i % 2 == 0:
            texts.append(Text(piece))
        else:
            value = members.get(normalise(piece.removesuffix("+")), "")
            texts.append(Text(value) if value else Text("*", wild=True))
    return verb, join(texts)


def _operation(operation: str, params: Mapping[str, Any]) -> tuple[str, str] | None:
    table = botocore_facts()["apigateway"]
    first, second = table.get(operation), table.get(f"v2:{operation}")
    if first and second:
        names = {normalise(name) for name in params}
        chosen = second if "apiid" in names and not names & _V1_MEMBERS else first
    else:
        chosen = first or second
    return (chosen[0], chosen[1]) if chosen else None


def _members(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Scalars of the request, the outer ones winning over those inside its input object."""
    for value in params.values():
        if isinstance(value, Mapping):
            for name, inner in value.items():
                if text := scalar(inner):
                    yield name, text
    for name, value in params.items():
        if text := scalar(value):
            yield name, text
