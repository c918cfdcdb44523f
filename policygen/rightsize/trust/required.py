"""Conditions that a person asks for (``--require``): only what every use of a caller satisfied is required."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from policygen.iam import arn
from policygen.iam.document import Conditions
from policygen.rightsize.principals.values import address_blocks, always_had, string_condition
from policygen.rightsize.trust.assumptions import Observed
from policygen.rightsize.trust.narrow import EXTERNAL_ID
from policygen.rightsize.trust.subjects import ENOUGH

Entry = tuple[str, str, list[str]]
"""Operator, key and values."""

_MFA = "aws:MultiFactorAuthPresent"


class Requirement(NamedTuple):
    """What a name of ``--require`` asks for."""

    key: str
    """The condition key, or the beginning of it."""
    make: Callable[[Sequence[Observed], int], Iterator[Entry]]
    """Takes the assumptions of one caller, and how many address blocks may be listed."""


def _came(key: str, seen: Sequence[Observed]) -> list[str]:
    return always_had(key, [one.facts for one in seen])


def _exact(key: str) -> Callable[[Sequence[Observed], int], Iterator[Entry]]:
    def make(seen: Sequence[Observed], _: int) -> Iterator[Entry]:
        if came := _came(key, seen):
            yield string_condition(key, [arn.quote(one) for one in came])

    return make


def _mfa(seen: Sequence[Observed], _: int) -> Iterator[Entry]:
    if _came(_MFA, seen) == ["true"]:
        yield "Bool", _MFA, ["true"]


def _source_identity(seen: Sequence[Observed], _: int) -> Iterator[Entry]:
    if came := _came("sts:SourceIdentity", seen):
        patterns = ["*"] if len(came) >= ENOUGH else [arn.quote(one) for one in came]
        yield string_condition("sts:SourceIdentity", patterns)


def _session_name(seen: Sequence[Observed], _: int) -> Iterator[Entry]:
    key = "sts:RoleSessionName"
    came = _came(key, seen)
    if came and all(one.facts.look_up("aws:username") == one.facts.look_up(key) for one in seen):
        yield "StringLike", key, ["${aws:username}"]
    elif came:
        pattern = _beginning(came)
        if len(came) < ENOUGH or pattern != "*":
            yield string_condition(key, [arn.quote(one) for one in came] if len(came) < ENOUGH else [pattern])


def _beginning(texts: Sequence[str]) -> str:
    """Return a pattern of what texts begin with."""
    shortest, longest = min(texts), max(texts)
    same = next((place for place, one in enumerate(shortest) if one != longest[place]), len(shortest))
    return f"{arn.quote(shortest[:same])}*"


def _tags(seen: Sequence[Observed], _: int) -> Iterator[Entry]:
    for name in sorted({key for one in seen for key, _ in one.said.tags}):
        key = f"aws:RequestTag/{name}"
        if came := _came(key, seen):
            patterns = ["*"] if len(came) >= ENOUGH else [arn.quote(one) for one in came]
            yield string_condition(key, patterns)


def _source_ip(seen: Sequence[Observed], blocks: int) -> Iterator[Entry]:
    key = "aws:SourceIp"
    if found := address_blocks(_came(key, seen), blocks):
        yield "IpAddress", key, found


REQUIREMENTS = {
    "external-id": Requirement(EXTERNAL_ID, _exact(EXTERNAL_ID)),
    "source-identity": Requirement("sts:SourceIdentity", _source_identity),
    "session-name": Requirement("sts:RoleSessionName", _session_name),
    "mfa": Requirement(_MFA, _mfa),
    "org": Requirement("aws:PrincipalOrgID", _exact("aws:PrincipalOrgID")),
    "tags": Requirement("aws:RequestTag/", _tags),
    "source-ip": Requirement("aws:SourceIp", _source_ip),
    "vpce": Requirement("aws:SourceVpce", _exact("aws:SourceVpce")),
}
"""Name -> what it asks for."""


class Required(NamedTuple):
    """The conditions that are added for one caller, and the names that cannot be required of it."""

    entries: tuple[Entry, ...]
    unmet: tuple[str, ...]


def required(
    names: Sequence[str], seen: Sequence[Observed], conditions: Conditions, max_blocks: int
) -> Required:
    """Return what can be required of a caller.

    Args:
        names: of `REQUIREMENTS`.
        seen: all assumptions of the caller.
        conditions: what today's policy asks of it; it is not asked twice.
        max_blocks: how many address blocks may be listed.
    """
    asked = {key.lower() for _, keys in conditions for key, _ in keys}
    entries: list[Entry] = []
    unmet: list[str] = []
    for name in names:
        key, make = REQUIREMENTS[name]
        if any(one.startswith(key.lower()) for one in asked):
            continue
        found = list(make(seen, max_blocks))
        entries += found
        if not found:
            unmet.append(name)
    return Required(tuple(entries), tuple(unmet))
