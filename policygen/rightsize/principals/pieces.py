"""The parts of a new policy, each with one principal, and the document that they make."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from policygen.iam.document import Conditions, conditions_of
from policygen.iam.party import EVERYONE, Party, account_named
from policygen.iam.resource_policy import PrincipalStatement, ResourcePolicy
from policygen.rightsize.principals.letting_in import Entry, Way
from policygen.rightsize.principals.owner import Owner

PRINCIPAL_ARN = "aws:PrincipalArn"
USER_ID = "aws:userid"

Extra = tuple[tuple[str, str, tuple[str, ...]], ...]
"""Operators, keys and values of conditions."""


class Piece(msgspec.Struct, frozen=True):
    """What one principal may do by one statement of the new policy."""

    statement: int
    """Number of the statement of today that it comes from."""
    entry: Entry
    actions: tuple[str, ...]
    conditions: Conditions
    resources: tuple[str, ...] = ("*",)


def granted(way: Way, party: Party, owner: Owner) -> tuple[Entry, Extra]:
    """Return the principal that lets a caller in and nobody else, and conditions that it needs for that.

    It holds the caller as firmly as today's does, and no more firmly: where its name alone would not, its account or
    everyone stays, with a condition.
    """
    name = way.entry[1]
    account = account_named(name)
    if name != EVERYONE and not account:
        return way.entry, ()
    if not party.kind:
        return way.entry, ()
    if party.kind != "AWS":
        return (party.kind, party.name), ()
    if party.name.endswith(":root"):
        return (way.entry if account else ("AWS", party.name)), ()
    if party.is_named and owner.is_as_good(party.name, name, party):
        return ("AWS", party.name), ()
    whole = all_of_account(way, party, owner)
    if party.is_named:
        return whole, (("ArnEquals", PRINCIPAL_ARN, (party.name,)),)
    if not party.unique_id:
        return whole, ()
    if party.is_role:
        return whole, (("StringLike", USER_ID, (f"{party.unique_id}:*",)),)
    return whole, (("StringEquals", USER_ID, (party.unique_id,)),)


def all_of_account(way: Way, party: Party, owner: Owner) -> Entry:
    """Return the principal for a caller's account; everyone where that would hold the caller less firmly."""
    root = f"{party.name.rpartition(':')[0]}:root"
    if account_named(way.entry[1]) or owner.hold(root, party) < owner.hold(way.entry[1], party):
        return way.entry
    return "AWS", root


def with_entries(conditions: Conditions, entries: Iterable[tuple[str, str, Sequence[str]]]) -> Conditions:
    """Return conditions with more entries; one of the same operator and key is asked besides, not instead."""
    block: dict[str, dict[str, tuple[str, ...]]] = {operator: dict(keys) for operator, keys in conditions}
    for operator, key, values in entries:
        names = [operator, _SAME.get(operator, operator)]
        free = next((one for one in names if key.lower() not in map(str.lower, block.get(one, {}))), "")
        if free:
            block.setdefault(free, {})[key] = tuple(values)
    return conditions_of(block)


_SAME = {"StringEquals": "StringLike", "ArnEquals": "ArnLike", "ArnLike": "ArnEquals"}
"""Operators of the same meaning for values without wildcards."""


def document_of(
    today: ResourcePolicy, pieces: Sequence[Piece], denies: Mapping[int, PrincipalStatement] | None = None
) -> ResourcePolicy:
    """Return the new policy: statements in the order of today's, every Deny and NotPrincipal where it was.

    Args:
        today: the policy as it is.
        pieces: of its Allow statements, in order.
        denies: by number, the Deny statements that are written otherwise.
    """
    statements: list[PrincipalStatement] = []
    for number, one in enumerate(today.statements):
        if one.statement.effect == "Deny" or one.principals.negated:
            statements.append((denies or {}).get(number, one))
            continue
        parts = _grouped(piece for piece in pieces if piece.statement == number)
        for place, ((actions, resources, conditions), entries) in enumerate(parts.items()):
            sid = one.statement.sid
            bare = replace(
                one.statement,
                actions=actions,
                not_actions=one.statement.not_actions and actions == one.statement.actions,
                resources=resources,
                not_resources=one.statement.not_resources and resources == one.statement.resources,
                conditions=conditions,
                sid=sid if len(parts) == 1 or not sid else f"{sid}{place + 1}",
            )
            statements.append(replace(one, statement=bare).with_principals(entries))
    return ResourcePolicy(tuple(statements), today.kind, today.name)


def _grouped(
    pieces: Iterable[Piece],
) -> Mapping[tuple[tuple[str, ...], tuple[str, ...], Conditions], list[Entry]]:
    """Put principals together that may do the same under the same conditions."""
    found: dict[tuple[tuple[str, ...], tuple[str, ...], Conditions], list[Entry]] = defaultdict(list)
    for one in pieces:
        entries = found[one.actions, one.resources, one.conditions]
        if one.entry not in entries:
            entries.append(one.entry)
    return found
