"""Names of a call's parameters, and which of them name a resource.

AWS's services name the same thing in many ways: ``TableName`` is tableName, table or tableId. Names are compared by
letters and digits alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from policygen.catalog.template import scalar

_SUFFIXES = ("identifier", "name", "id", "arn")
GENERIC = {"name", "id", "identifier", "arn", "resourcename", "resourceid"}


@lru_cache(maxsize=16384)
def normalise(name: str) -> str:
    """Return the name of a parameter or placeholder for comparison: letters and digits in lower case."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


@lru_cache(maxsize=4096)
def parameter_names(placeholder: str) -> frozenset[str]:
    """Return the normalised names of parameters for a placeholder: ``TableName`` is tableName, table, tableId …"""
    whole = normalise(placeholder)
    stem = next((whole.removesuffix(s) for s in _SUFFIXES if whole.endswith(s) and whole != s), whole)
    return frozenset({whole, stem} | {stem + suffix for suffix in _SUFFIXES if suffix != "arn"})


# Placeholders without the name of the type: the parameter has the name of the type then.
_ANY_RESOURCE = frozenset({"resourceid", "resourcename", "id", "name"})

EXACT, NEAR, GENERAL = range(3)
"""How the name of a parameter matches a placeholder: the same, similar, or a plain name or id."""


def is_id(placeholder: str) -> bool:
    """Whether a placeholder is for an id that the service makes: ``FlowId``, ``JobID``, ``ClusterIdentifier``."""
    return normalise(placeholder).endswith(("id", "identifier"))


def thing(kind: str) -> str:
    """Return the name of a type in operations and parameters: ``TaskResource`` is a task."""
    name = normalise(kind)
    return name.removesuffix("resource") or name


@lru_cache(maxsize=16384)
def names_operation(kind: str, operation: str) -> bool:
    """Whether the name of an operation has a type as whole words: ``DescribeClusters`` has cluster, but not ``es``."""
    return bool(thing(kind)) and any(
        not match.group()[0].islower() and not re.match("(?!s)[a-z]", operation[match.end() :])
        for match in _letters(thing(kind)).finditer(operation)
    )


@lru_cache(maxsize=4096)
def _letters(name: str) -> re.Pattern[str]:
    return re.compile("".join(f"{letter}[^A-Za-z0-9]*" for letter in name), re.I)


@lru_cache(maxsize=16384)
def creates(kind: str, operation: str) -> bool:
    """Whether an operation creates a resource of the type: it has no ARN yet, so an ARN in the request is another's."""
    return normalise(operation) == f"create{thing(kind)}"


@lru_cache(maxsize=16384)
def wanted_names(
    kind: str, placeholder: str, operation: str, *, generic: bool, how: int = GENERAL
) -> frozenset[str]:
    """Return the normalised names of parameters that fill a placeholder in the ARN pattern of a type.

    Args:
        kind: the resource type.
        placeholder: a placeholder of its pattern.
        operation: name of the event without the date of the API.
        generic: whether a plain name or id counts, if the operation names the type.
        how: the weakest match that counts: `EXACT`, `NEAR` or `GENERAL`.
    """
    own = normalise(placeholder)
    plain = own in _ANY_RESOURCE
    like = normalise(f"{thing(kind)}{'name' if own.endswith('name') else 'id'}" if plain else placeholder)
    wanted = {like}
    if like.endswith("id"):
        wanted.add(f"{like}entifier")
    if how >= NEAR:
        wanted |= parameter_names(like)
    if how >= GENERAL:
        if plain:
            wanted |= parameter_names(placeholder)
        if generic and names_operation(kind, operation):
            wanted |= GENERIC
    if is_id(placeholder):
        # The service makes ids: a name that the caller chose is not one.
        wanted = {name for name in wanted if name == like or name.endswith(("id", "identifier"))}
    return frozenset(wanted)


@lru_cache(maxsize=16384)
def filling(
    kind: str, own: tuple[str, ...], operation: str, how: int
) -> tuple[tuple[str, str, frozenset[str]], ...]:
    """Return for each placeholder its preferred parameter name and all that fill it; no name fills two placeholders."""
    taken: frozenset[str] = frozenset()
    choices = []
    for placeholder in own:
        wanted = wanted_names(kind, placeholder, operation, generic=len(own) == 1, how=how)
        first = min(wanted_names(kind, placeholder, operation, generic=False, how=EXACT), key=len)
        choices.append((placeholder, first, wanted - taken))
        taken |= wanted
    return tuple(choices)


def shallow(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield scalar parameters, and those one map deeper, as (normalised name, value); lists yield each element.

    A deeper ``name`` or ``id`` is left out: it belongs to a part and not to the resource of the call.
    """
    for name, value in params.items():
        if isinstance(value, Mapping):
            for inner, deeper in value.items():
                if normalise(inner) not in GENERIC:
                    yield from _scalars(inner, deeper)
        else:
            yield from _scalars(name, value)


def _scalars(name: str, value: Any) -> Iterator[tuple[str, str]]:
    for one in value if isinstance(value, list) else [value]:
        if text := scalar(one):
            yield normalise(name), text


# Members with free text of the caller: an ARN there need not be a resource of the call.
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
"""Members of a request with tags for the resource that it creates, in lower case."""


def arns_in(value: Any, depth: int = 6) -> Iterator[str]:
    """Yield strings among the parameters that begin like an ARN, except in members with free text."""
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
