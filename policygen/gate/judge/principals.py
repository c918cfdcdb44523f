"""What the gates of policies that name principals share: of trust policies, and of resource policies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from policygen.gate.findings import LEVELS, RULES, Finding, found_at
from policygen.gate.sources import PolicySource
from policygen.iam.document import Policy
from policygen.iam.locations import locations
from policygen.iam.party import Principals
from policygen.iam.resource_policy import PrincipalStatement, ResourcePolicy, not_inside
from policygen.rightsize.principals.kept import Kept, PolicyBlindSpot
from policygen.rightsize.principals.letting_in import Entry
from policygen.rightsize.principals.pieces import with_entries


class AnyPiece(Protocol):
    """A part of a suggested policy, which stays as today's has it or rests on what was seen."""

    @property
    def entry(self) -> Entry:
        """Its principal."""

    @property
    def kept(self) -> Kept | None:
        """Why it stays without having been seen; None where it was seen."""


class PlacedGrant(NamedTuple):
    """What one principal may do on one resource, and where the policy says so."""

    granted: PrincipalStatement
    number: int
    """Of the statement."""
    item: int
    """Of the resource in its element."""

    @property
    def names(self) -> str:
        """Whom it is about."""
        lead = "all but " if self.granted.principals.negated else ""
        return lead + ", ".join(name for _, name in self.granted.principals.entries)

    @property
    def what(self) -> str:
        """Actions, resource and conditions, the same in each run."""
        one = self.granted.statement
        lead = "all but " if one.not_actions else ""
        where = f" on {self._where}" if self.granted.has_resource else ""
        when = "; ".join(
            f"{operator} {key} {', '.join(values)}"
            for operator, entries in one.conditions
            for key, values in entries
        )
        return f"{lead}{', '.join(one.actions)}{where}" + (f" if {when}" if when else "")

    @property
    def _where(self) -> str:
        one = self.granted.statement
        return ("all but " if one.not_resources else "") + ", ".join(one.resources)


def principal_source(name: str, text: str, policy: ResourcePolicy) -> PolicySource:
    """Return a policy that names principals with the places of its elements."""
    bare = Policy(tuple(one.statement for one in policy.statements), name=policy.name)
    return PolicySource(name, text, bare, locations(text))


def grants_outside(policy: ResourcePolicy, inside: ResourcePolicy) -> list[PlacedGrant]:
    """Return what a policy grants that another one is not proven to grant."""
    allows = ResourcePolicy(tuple(inside.allows))
    beyond = [one for one in _grants(policy) if not_inside(ResourcePolicy((one.granted,)), allows)]
    return [one for one in beyond if not_inside(ResourcePolicy((_with_own_arn(one.granted),)), allows)]


def _with_own_arn(granted: PrincipalStatement) -> PrincipalStatement:
    """Return a grant to a role or a user with the condition that follows from it: on the principal's ARN."""
    (kind, name), *others = granted.principals.entries
    if others or granted.principals.negated or kind != "AWS" or not _NAMED.fullmatch(name):
        return granted
    own = [("ArnEquals", "aws:PrincipalArn", (name,))]
    bare = replace(granted.statement, conditions=with_entries(granted.statement.conditions, own))
    return replace(granted, statement=bare)


_NAMED = re.compile(r"arn:[^:*?$]+:iam::\d{12}:(role|user)/[^*?$]+")
"""The ARN of one role or user."""


def _grants(policy: ResourcePolicy) -> Iterator[PlacedGrant]:
    for number, one in enumerate(policy.statements):
        if one.statement.effect != "Allow":
            continue
        entries = one.principals.entries
        whose = [one] if one.principals.negated else map(one.with_principals, zip(entries))
        for piece in whose:
            if one.statement.not_resources:
                yield PlacedGrant(piece, number, 0)
                continue
            for item, resource in enumerate(one.statement.resources):
                bare = replace(piece.statement, resources=(resource,))
                yield PlacedGrant(replace(piece, statement=bare), number, item)


def gone_denies(source: PolicySource, policy: ResourcePolicy, today: ResourcePolicy) -> Iterator[Finding]:
    """Find the Deny statements of today that do not stand any more."""
    denies = (ResourcePolicy(tuple(one.denies)) for one in (policy, today))
    for deny in not_inside(*denies):
        one = PlacedGrant(deny, 0, 0)
        yield found_at(
            source.spot(0, "Statement", 0),
            RULES["PG105"],
            one.names,
            f"a Deny of today is gone: {', '.join(deny.statement.actions)}",
            "keep it word for word",
            key=f"Deny {deny.to_dict()}",
        )


def wider_grant(source: PolicySource, one: PlacedGrant) -> Finding:
    """Return the finding about a grant that today's policy does not contain."""
    return _at(
        source,
        one,
        "PG105",
        f"today's policy does not allow it: {one.what}",
        "take it out, or leave the conditions of today in",
    )


class WhoStays(NamedTuple):
    """Principals of the suggestion that a grant is about, or that hold those of the grant."""

    came: tuple[str, ...]
    kept: tuple[str, ...]
    """Those that stay without having been seen."""


def who_stays(one: PlacedGrant, written: Iterable[AnyPiece]) -> WhoStays:
    """Return whom of a suggestion's principals a grant is about.

    Args:
        one: the grant.
        written: parts of the suggestion that may be about the grant's resource.
    """
    mine, came, kept = one.granted.principals, list[str](), list[str]()
    for other in written:
        theirs = Principals((other.entry,))
        holds = theirs.contains(mine) and not theirs.everyone  # whom everybody lets in did not come for that
        if mine.contains(theirs) or holds:
            (kept if other.kept else came).append(other.entry[1])
    return WhoStays(tuple(dict.fromkeys(came)), tuple(dict.fromkeys(kept)))


def unused_grant(
    source: PolicySource, one: PlacedGrant, stays: WhoStays, never: str, command: str
) -> Finding:
    """Return the finding about a grant beyond the suggestion: its principal never came, or came with less.

    Args:
        source: the file.
        one: the grant.
        stays: whom of its principals the suggestion has.
        never: what its principal never did, ``did not assume the role in 30 days``.
        command: what writes the smallest policy.
    """
    narrower = f"name who came, with the values that came: {command}"
    if stays.came:
        message = f"{', '.join(stays.came)} came, and with less than {one.what}"
        return _at(source, one, "PG102", message, narrower)
    if stays.kept:
        message = f"{never}, and only a part of it stays, which the logs cannot show: {one.what}"
        return _at(source, one, "PG102", message, narrower)
    fix = "take it out, or keep it with a reason: [[keep]] in policygen.toml"
    return _at(source, one, "PG101", f"{never}: {one.what}", fix)


def _at(source: PolicySource, one: PlacedGrant, rule: str, message: str, fix: str) -> Finding:
    element = "Resource" if one.granted.has_resource else "Principal"
    spot = source.spot(one.number, element, one.item)
    return found_at(spot, RULES[rule], one.names, message, fix, resource=one.what)


def broken_rule(source: PolicySource, rule: str, where: str, text: str, *, against: bool) -> Finding:
    """Return the finding about a rule that a policy breaks whoever comes."""
    fix = RULES[rule].help
    spot = source.spot(0, "Statement", 0)
    return found_at(spot, RULES[rule], where, text, f"{fix[0].lower()}{fix[1:-1]}", against=against)


def untold(source: PolicySource, spots: Iterable[PolicyBlindSpot]) -> Iterator[Finding]:
    """Say what the logs could not have shown: nothing of today's policy is called unused then."""
    for one in spots:
        spot = source.spot(0, "Statement", 0)
        yield found_at(spot, RULES["PG301"], one.about, one.why, one.remedy, against=False)


def worst_first(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings in order: errors first, then by line and rule."""
    order = {level: -place for place, level in enumerate(LEVELS)}
    return tuple(sorted(found, key=lambda one: (order[one.level], one.place, one.rule.id, one.subject)))
