"""Names of a call's parameters, and which of them name a resource.

AWS's services have many names for the same parameter: ``TableName`` is tableName, table or tableId. Only letters and
digits count in a comparison.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from policygen.catalog.template import scalar

_SUFFIXES = ("identifier", "name", "id", "arn")
GENERIC = {"name", "id", "identifier", "arn", "resourcename", "resourceid"}


@lru_cache(maxsize=16384)
def normalise(name: str) -> str:
    """Return a parameter's or placeholder's name for comparison: its letters and digits in lower case."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


@lru_cache(maxsize=4096)
def parameter_names(placeholder: str) -> frozenset[str]:
    """Return the normalised parameter names for a placeholder: ``TableName`` is tableName, table, tableId …"""
    whole = normalise(placeholder)
    stem = next((whole.removesuffix(s) for s in _SUFFIXES if whole.endswith(s) and whole != s), whole)
    return frozenset({whole, stem} | {stem + suffix for suffix in _SUFFIXES if suffix != "arn"})


# Placeholders that do not say which type they name: the parameter is then called like the type.
_ANY_RESOURCE = frozenset({"resourceid", "resourcename", "id", "name"})

EXACT, NEAR, GENERAL = range(3)
"""How similar a parameter's name is to the placeholder that it fills: equal, similar, or just ``name`` or ``id``."""


def is_id(placeholder: str) -> bool:
    """Whether a placeholder stands for an id that the service makes: ``FlowId``, ``JobID``, ``ClusterIdentifier``."""
    return normalise(placeholder).endswith(("id", "identifier"))


def noun_of(type_name: str) -> str:
    """Return the word for a type in names of operations and parameters: ``task`` for ``TaskResource``."""
    name = normalise(type_name)
    return name.removesuffix("resource") or name


@lru_cache(maxsize=16384)
def names_operation(type_name: str, operation: str) -> bool:
    """Whether an operation's name contains a type as a word of its own: ``DescribeClusters`` has cluster, not es."""
    noun = noun_of(type_name)
    return any(
        not operation[start].islower() and not re.match("(?!s)[a-z]", operation[end:])
        for start, end in (_places(noun, operation) if noun else ())
    )


def _places(noun: str, operation: str) -> Iterator[tuple[int, int]]:
    """Yield where an operation's name contains a word, in any letter case, with any marks between its letters."""
    if not (operation.isascii() and operation.isalnum()):
        if operation.isascii() and noun not in normalise(operation):
            return  # to compile a pattern takes longer
        pattern = "".join(f"{letter}[^A-Za-z0-9]*" for letter in noun)
        yield from (match.span() for match in re.finditer(pattern, operation, re.I))
        return
    folded, end = operation.lower(), 0
    while (start := folded.find(noun, end)) >= 0:
        end = start + len(noun)
        yield start, end


@lru_cache(maxsize=16384)
def creates(type_name: str, operation: str) -> bool:
    """Whether an operation creates a resource of the type. The new resource's ARN cannot be in the request yet."""
    return normalise(operation) == f"create{noun_of(type_name)}"


@lru_cache(maxsize=16384)
def names_for_placeholder(
    type_name: str, placeholder: str, operation: str, *, generic: bool, likeness: int = GENERAL
) -> frozenset[str]:
    """Return the normalised names of parameters that fill a placeholder of a type's pattern.

    Args:
        type_name: the resource type.
        placeholder: a placeholder of its pattern.
        operation: the event's name without the API's date.
        generic: whether a plain ``name`` or ``id`` counts, provided that the operation names the type.
        likeness: the least similar names that count.
    """
    folded = normalise(placeholder)
    untyped = folded in _ANY_RESOURCE
    suffix = "name" if folded.endswith("name") else "id"
    exact = normalise(f"{noun_of(type_name)}{suffix}") if untyped else folded
    wanted = {exact}
    if exact.endswith("id"):
        wanted.add(f"{exact}entifier")
    if likeness >= NEAR:
        wanted |= parameter_names(exact)
    if likeness >= GENERAL:
        if untyped:
            wanted |= parameter_names(placeholder)
        if generic and names_operation(type_name, operation):
            wanted |= GENERIC
    if is_id(placeholder):
        # The service makes ids: neither a name that the caller gives nor a parameter called like the type is one.
        wanted = {name for name in wanted if name == exact or name.endswith(("id", "identifier"))}
    return frozenset(wanted)


@lru_cache(maxsize=16384)
def placeholder_names(
    type_name: str, placeholders: tuple[str, ...], operation: str, likeness: int
) -> tuple[tuple[str, str, frozenset[str]], ...]:
    """Return, for each placeholder of a pattern, the preferred parameter name and all names that may fill it.

    No name is in the list of two placeholders: the first one takes it.
    """
    taken: frozenset[str] = frozenset()
    found = []
    for placeholder in placeholders:
        wanted = names_for_placeholder(
            type_name, placeholder, operation, generic=len(placeholders) == 1, likeness=likeness
        )
        exact = names_for_placeholder(type_name, placeholder, operation, generic=False, likeness=EXACT)
        found.append((placeholder, min(exact, key=len), wanted - taken))
        taken |= wanted
    return tuple(found)


def as_api_names(params: Mapping[str, Any], names: frozenset[str]) -> Mapping[str, Any]:
    """Return the parameters with what comes in a URI as the API has it: it is logged as it came (1.9.13).

    Values are decoded, and a name with hyphens, as `broker-id`, is replaced by the member's, without regard to case.

    Args:
        params: requestParameters.
        names: normalised names of the members that the operation carries in its URI.
    """
    logged = [
        name
        for name, value in params.items()
        if type(value) is str and ("%" in value or "-" in name) and normalise(name) in names
    ]
    if not logged:
        return params
    changed = dict(params)
    for name in logged:
        value = changed.pop(name) if "-" in name else changed[name]
        changed[normalise(name) if "-" in name else name] = _percent_decoded(value)
    return changed


def _percent_decoded(value: str) -> str:
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:  # not what a client encodes
        return value


def begins_like_arn(value: str) -> bool:
    """Whether a text begins like an ARN, as it is or percent-encoded."""
    return value.startswith("arn:") or value[:6].lower() == "arn%3a"


def shallow_scalars(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield normalised name and value of scalar parameters at the top and one map below. A list gives each element.

    A ``name`` or ``id`` in a map below is skipped: it belongs to a part of the resource.
    """
    for name, value in params.items():
        if isinstance(value, Mapping):
            for inner_name, inner_value in value.items():
                if normalise(inner_name) not in GENERIC:
                    yield from _scalars(inner_name, inner_value)
        else:
            yield from _scalars(name, value)


def _scalars(name: str, value: Any) -> Iterator[tuple[str, str]]:
    for element in value if isinstance(value, list) else [value]:
        if text := scalar(element):
            yield normalise(name), text


# Members with free text: an ARN in them does not name a resource of the call.
FREE_TEXT = frozenset(
    """
    tags tag tagset tagspecificationset key item items expressionattributevalues
    attributes messageattributes message subject body environment variables parameters
    metadata description policy policydocument assumerolepolicydocument definition input payload
    overrides containeroverrides usermetadata userdata templatebody query querystring statement
    entries
    """.split()
)


TAG_MEMBERS = frozenset({"tags", "taglist", "tagset"})
"""Members that hold the tags of a resource which the request creates, in lower case."""


def arns_in(value: Any, depth: int = 6) -> Iterator[str]:
    """Yield the strings among the parameters that begin like an ARN, except in members with free text."""
    if isinstance(value, str):
        if value.startswith("arn:"):
            yield value
    elif depth and isinstance(value, Mapping):
        for name, inner in value.items():
            if normalise(name) not in FREE_TEXT:
                yield from arns_in(inner, depth - 1)
    elif depth and isinstance(value, list):
        for inner in value:
            yield from arns_in(inner, depth - 1)


_INSTEAD = frozenset({"omitted", "originalSize", "reason"})

LEFT_OUT: Mapping[str, bool] = {"omitted": True}
"""What stands for parameters that CloudTrail left out."""


def is_left_out(params: Mapping[str, Any]) -> bool:
    """Return whether CloudTrail left the parameters out, as it does above 100 KB, and says so in their place.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
    """
    return "omitted" in params and params.keys() <= _INSTEAD and params["omitted"] in (True, "true")
