"""How a call's parameters are called, and which of them name a resource.

AWS's services write the same thing in many ways: ``TableName`` is tableName, table or tableId. Names are compared by
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
    """A parameter's or placeholder's name for comparison: letters and digits in lower case."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


@lru_cache(maxsize=4096)
def parameter_names(placeholder: str) -> frozenset[str]:
    """Normalised parameter names that mean a placeholder: ``TableName`` is tableName, table, tableId …"""
    whole = normalise(placeholder)
    stem = next((whole.removesuffix(s) for s in _SUFFIXES if whole.endswith(s) and whole != s), whole)
    return frozenset({whole, stem} | {stem + suffix for suffix in _SUFFIXES if suffix != "arn"})


# Placeholders that any type's pattern may have: the parameter is then called like the type.
_ANY_RESOURCE = frozenset({"resourceid", "resourcename", "id", "name"})

EXACT, NEAR, GENERAL = range(3)
"""How a parameter is called that fills a placeholder: like it, much like it, or plainly a name or an id."""


def is_id(placeholder: str) -> bool:
    """Whether a placeholder is for an id, which the service makes: ``FlowId``, ``JobID``, ``ClusterIdentifier``."""
    return normalise(placeholder).endswith(("id", "identifier"))


def thing(kind: str) -> str:
    """What a type is called in names of operations and parameters: ``TaskResource`` is a task."""
    name = normalise(kind)
    return name.removesuffix("resource") or name


@lru_cache(maxsize=16384)
def names_operation(kind: str, operation: str) -> bool:
    """Whether an operation is called by a type, in words of its own: ``DescribeClusters`` by cluster, not by ``es``."""
    return bool(thing(kind)) and any(
        not one.group()[0].islower() and not re.match("(?!s)[a-z]", operation[one.end() :])
        for one in _letters(thing(kind)).finditer(operation)
    )


@lru_cache(maxsize=4096)
def _letters(name: str) -> re.Pattern[str]:
    return re.compile("".join(f"{letter}[^A-Za-z0-9]*" for letter in name), re.I)


@lru_cache(maxsize=16384)
def creates(kind: str, operation: str) -> bool:
    """Whether an operation makes a thing of the type, which has no ARN before: one in the request is another's."""
    return normalise(operation) == f"create{thing(kind)}"


@lru_cache(maxsize=16384)
def wanted_names(
    kind: str, placeholder: str, operation: str, *, generic: bool, how: int = GENERAL
) -> frozenset[str]:
    """Normalised names of parameters that fill a placeholder of a type's pattern.

    Args:
        kind: the resource type.
        placeholder: of its pattern.
        operation: the event's name without the API's date.
        generic: whether a plain name or id may be meant, which it is only where the operation names the type.
        how: up to which likeness.
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
        # An id is made by the service: a name that the caller gives, or the thing itself, is not it.
        wanted = {name for name in wanted if name == like or name.endswith(("id", "identifier"))}
    return frozenset(wanted)


@lru_cache(maxsize=16384)
def filling(
    kind: str, own: tuple[str, ...], operation: str, how: int
) -> tuple[tuple[str, str, frozenset[str]], ...]:
    """By placeholder of a pattern: the name that is preferred and all that fill it; no name fills two of them."""
    taken: frozenset[str] = frozenset()
    found = []
    for placeholder in own:
        wanted = wanted_names(kind, placeholder, operation, generic=len(own) == 1, how=how)
        first = min(wanted_names(kind, placeholder, operation, generic=False, how=EXACT), key=len)
        found.append((placeholder, first, wanted - taken))
        taken |= wanted
    return tuple(found)


def shallow(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Scalar parameters, and those one map deeper, as (normalised name, value); lists give each element.

    A deeper ``name`` or ``id`` is that of a part and not of what the call is about.
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


# Members whose content a caller writes as it likes: an ARN there is text and not what the call is about.
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
"""Members of a request that tag what it creates, in lower case."""


def arns_in(value: Any, depth: int = 6) -> Iterator[str]:
    """Strings among the parameters that begin like an ARN, except in members of free text."""
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
