"""API Gateway's control plane: the IAM action is an HTTP verb, the resource the request's path (1.8.6).

Both follow from botocore's models: ``CreateUsagePlanKey`` is ``apigateway:POST`` on
``arn:aws:apigateway:REGION::/usageplans/ID/keys``. Two APIs share the event source. The parameters distinguish
operations that both have: the newer API has ``apiId``, the older one ``restApiId``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from policygen.catalog.call import Call
from policygen.catalog.parameters import normalise
from policygen.catalog.rendered_text import Text, join
from policygen.catalog.service_names import botocore_facts
from policygen.catalog.template import scalar

_PART = re.compile(r"\{([^}]+)\}")
_HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"


def verb_and_path(call: Call, operation: str) -> tuple[str, Text] | None:
    """Return the HTTP verb and the ARN of a control-plane operation; None for another operation.

    A path member that the record does not have, or hides, becomes ``*``.
    """
    verb_and_uri = _operation(operation, call.params)
    if not verb_and_uri:
        return None
    verb, uri = verb_and_uri
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
    """Return a member as part of the path. An ARN below ``/tags/`` is URL-encoded, so that it stays one segment."""
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
    """Return the values of path members by normalised name.

    Members inside the input object do not count: the ``httpMethod`` in PutIntegration's input is the backend's.
    """
    texts = ((normalise(name), scalar(value)) for name, value in params.items())
    return {name: text for name, text in texts if text and text != _HIDDEN}
