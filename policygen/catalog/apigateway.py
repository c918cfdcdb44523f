"""API Gateway's control plane: the IAM action is an HTTP verb, the resource the request's path (1.8.6).

Both follow from botocore's models: ``CreateUsagePlanKey`` is ``apigateway:POST`` on
``arn:aws:apigateway:REGION::/usageplans/ID/keys``. Two APIs share the event source; operations that both
have are told apart by the parameters: the newer one's say ``apiId``, the older one's ``restApiId``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from policygen.catalog.call import Call
from policygen.catalog.parameters import normalise
from policygen.catalog.service_names import botocore_facts
from policygen.catalog.template import Text, join, scalar

_PART = re.compile(r"\{([^}]+)\}")
_HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"


def verb_and_path(call: Call, operation: str) -> tuple[str, Text] | None:
    """The HTTP verb and the ARN of a control-plane operation, or None when it is not one.

    A path member that the record does not hold, or hides, becomes ``*``.
    """
    found = _operation(operation, call.params)
    if not found:
        return None
    verb, uri = found
    members = _members(call.params)
    texts = [Text(f"arn:{call.partition}:apigateway:{call.region}::")]
    path = uri.removeprefix("/v2").split("?")[0]
    for i, piece in enumerate(_PART.split(path)):
        if i % 2 == 0:
            texts.append(Text(piece))
        else:
            value = members.get(normalise(piece.removesuffix("+")), "")
            texts.append(Text(_segment(value)) if value else Text("*", wild=True))
    return verb, join(texts)


def _segment(value: str) -> str:
    """A member as it stands in the path: an ARN below ``/tags/`` is URL-encoded, so that it stays one segment."""
    return quote(value, safe="") if value.startswith("arn:") else value


def _operation(operation: str, params: Mapping[str, Any]) -> tuple[str, str] | None:
    table = botocore_facts()["apigateway"]
    first, second = table.get(operation), table.get(f"v2:{operation}")
    if first and second:
        names = {normalise(name) for name, value in params.items() if scalar(value)}
        chosen = second if "apiid" in names and "restapiid" not in names else first
    else:
        chosen = first or second
    return (chosen[0], chosen[1]) if chosen else None


def _members(params: Mapping[str, Any]) -> dict[str, str]:
    """The path's members by normalised name. They stand beside the input object, never in it: the
    ``httpMethod`` inside PutIntegration's input is the backend's and not the method's."""
    texts = ((normalise(name), scalar(value)) for name, value in params.items())
    return {name: text for name, text in texts if text and text != _HIDDEN}
