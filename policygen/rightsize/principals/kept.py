"""Principals that stay without having been seen, and what people decide about principals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from policygen.errors import UsageError
from policygen.iam.party import EVERYONE, Principals
from policygen.iam.resource_policy import ResourcePolicy
from policygen.rightsize.principals.letting_in import Entry, Way
from policygen.text import escape_controls

Reason = Literal["decision", "configuration", "unverified", "size"]


class Kept(NamedTuple):
    """A principal that stays as today's statement has it."""

    way: Way
    entry: Entry
    """The principal to write; a part of the one of today."""
    reason: Reason
    why: str


class PolicyBlindSpot(NamedTuple):
    """What the logs could not have shown."""

    id: str
    about: str
    why: str
    remedy: str
    command: str = ""
    """What makes the logs show it; "" for none."""


def kept_by_decision(today: ResourcePolicy, name: str, why: str) -> list[Kept]:
    """Return what a person keeps: a principal, in the statements that name it; else in all that hold it.

    Raises:
        UsageError: PG-E364, today's policy does not trust it.
    """
    found = [
        Kept(way, (way.entry[0], name) if way.entry[1] != EVERYONE else entry, "decision", why)
        for entry in _as_entries(name)
        for way in _ways(today, entry)
    ]
    exact = [one for one in found if one.way.entry[1] == name]
    if not found:
        shown = escape_controls(name)[:120]
        trusted = sorted(
            {entry for one in today.allows for _, entry in one.principals.entries if entry != EVERYONE}
        )
        raise UsageError(
            f"today's {today.kind} policy does not trust {shown}, so it cannot be kept",
            f"it trusts: {escape_controls(', '.join(trusted))[:300]}",
            code="PG-E364",
        )
    return exact or found


def drops(name: str, entry: Entry) -> bool:
    """Return whether a principal that a person drops is, or holds, another."""
    return any(Principals((one,)).contains(Principals((entry,))) for one in _as_entries(name))


def is_trusted(today: ResourcePolicy, name: str) -> bool:
    """Return whether today's policy trusts a principal."""
    return any(True for entry in _as_entries(name) for _ in _ways(today, entry))


def _as_entries(name: str) -> Iterable[Entry]:
    """Return a name as each kind of principal that it may be."""
    if ":oidc-provider/" in name or ":saml-provider/" in name:
        return [("Federated", name)]
    if name.startswith("arn:") or name.isdigit() or name == EVERYONE:
        return [("AWS", name)]
    return [("Service", name), ("Federated", name), ("AWS", name)]


def _ways(today: ResourcePolicy, entry: Entry) -> Iterator[Way]:
    for number, one in enumerate(today.statements):
        if one.statement.effect != "Allow" or one.principals.negated:
            continue
        for listed in one.principals.entries:
            if Principals((listed,)).contains(Principals((entry,))):
                yield Way(number, listed)
