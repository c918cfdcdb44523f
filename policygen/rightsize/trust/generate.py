"""Write the trust policy: for each way in, the callers that came through it and the principals that stay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from policygen.iam.document import Conditions, conditions_of
from policygen.iam.party import EVERYONE, Party, Principals, account_named
from policygen.iam.resource_policy import ResourcePolicy
from policygen.rightsize.principals.kept import Kept
from policygen.rightsize.principals.letting_in import Entry, LetIn, SpareParts, Way
from policygen.rightsize.principals.owner import Owner
from policygen.rightsize.principals.pieces import (
    PRINCIPAL_ARN,
    USER_ID,
    Extra,
    Piece,
    document_of,
    granted,
    with_entries,
)
from policygen.rightsize.trust.assumptions import AssumptionUse, Observed
from policygen.rightsize.trust.narrow import narrowed
from policygen.rightsize.trust.required import required


class WrittenPrincipal(Piece, frozen=True):
    """One principal of the new policy, and what it rests on."""

    seen: tuple[Observed, ...] = ()
    kept: Kept | None = None
    unmet: tuple[str, ...] = ()
    """Names of ``--require`` that not all of its assumptions satisfy."""


def written_of(
    today: ResourcePolicy,
    found: LetIn[AssumptionUse],
    kept: Sequence[Kept],
    owner: Owner,
    requirements: Sequence[str] = (),
    max_blocks: int = 10,
) -> list[WrittenPrincipal]:
    """Return the principals to write, each with its actions and conditions.

    Args:
        today: the trust policy as it is.
        found: who came in through which of its statements.
        kept: principals that stay as they are.
        owner: the role's account.
        requirements: names of conditions to ask for.
        max_blocks: how many blocks of addresses a condition may list.
    """
    stays = {(one.way.statement, one.entry): one for one in kept}
    written = [_as_today(today, one) for one in stays.values()]
    everything: dict[tuple[Entry, Extra], list[Observed]] = defaultdict(list)
    through: dict[tuple[int, Entry, Extra], list[AssumptionUse]] = defaultdict(list)
    for (way, party), uses in found.uses.items():
        entry, extra = granted(way, party, owner)
        everything[entry, extra] += [use.observed for use in uses]
        if not any(_stays_with(one, way, entry, party, owner) for one in kept):
            through[way.statement, entry, extra] += uses
    for (number, entry, extra), uses in through.items():
        piece = _narrow(today, number, entry, uses)
        asked = required(requirements, everything[entry, extra], piece.conditions, max_blocks)
        conditions = with_entries(piece.conditions, [*asked.entries, *extra])
        written.append(replace(piece, conditions=conditions, unmet=asked.unmet))
    ordered = sorted(written, key=lambda one: (one.statement, one.entry, one.actions, one.conditions))
    return _without_spare(today, found, ordered, owner)


def _stays_with(kept: Kept, way: Way, entry: Entry, party: Party, owner: Owner) -> bool:
    """Return whether a principal that stays lets a caller in by the same statement, and holds it as firmly."""
    return (
        kept.way.statement == way.statement
        and Principals((kept.entry,)).contains(Principals((entry,)))
        and owner.hold(kept.entry[1], party) >= owner.hold(way.entry[1], party)
    )


def _without_spare(
    today: ResourcePolicy, found: LetIn[AssumptionUse], written: list[WrittenPrincipal], owner: Owner
) -> list[WrittenPrincipal]:
    """Leave out what other statements let in as well."""
    uses = {use for several in found.uses.values() for use in several}
    parts = SpareParts(today, found.unsure, owner)
    left = written
    for one in written:
        if one.kept:
            continue
        rest = [other for other in left if other is not one]
        own = frozenset(one.seen)
        mine = [use for use in uses if use.observed in own]
        if parts.is_spare(trust_document_of(today, rest), mine):
            left = rest
    return left


def _as_today(today: ResourcePolicy, kept: Kept) -> WrittenPrincipal:
    statement = today.statements[kept.way.statement].statement
    return WrittenPrincipal(
        kept.way.statement, kept.entry, statement.actions, statement.conditions, kept=kept
    )


def _narrow(
    today: ResourcePolicy, number: int, entry: Entry, uses: Sequence[AssumptionUse]
) -> WrittenPrincipal:
    seen = tuple(dict.fromkeys(use.observed for use in uses))
    actions = tuple(sorted({use.action for use in uses}))
    conditions = narrowed(today.statements[number].statement.conditions, seen)
    return WrittenPrincipal(number, entry, actions, conditions, seen=seen)


def trust_document_of(today: ResourcePolicy, written: Sequence[WrittenPrincipal]) -> ResourcePolicy:
    """Return the new policy, in which callers that a condition tells stand together."""
    return document_of(today, _with_callers_together(written))


class _Told(NamedTuple):
    """The condition that was added to tell callers apart."""

    operator: str
    key: str
    values: tuple[str, ...]


def _with_callers_together(written: Sequence[WrittenPrincipal]) -> list[WrittenPrincipal]:
    together: dict[tuple[Entry, tuple[str, ...], Conditions, str, str], list[str]] = defaultdict(list)
    rest: list[WrittenPrincipal] = []
    first: dict[tuple[Entry, tuple[str, ...], Conditions, str, str], WrittenPrincipal] = {}
    for one in written:
        if (told := _told(one)) is None:
            rest.append(one)
            continue
        key = one.entry, one.actions, _without(one.conditions, told.key), told.operator, told.key
        together[key] += told.values
        first.setdefault(key, one)
    merged = [
        replace(first[key], conditions=with_entries(key[2], [(key[3], key[4], sorted(set(values)))]))
        for key, values in together.items()
    ]
    return sorted([*rest, *merged], key=lambda one: (one.entry, one.actions, one.conditions))


def _told(one: WrittenPrincipal) -> _Told | None:
    """Return what was added to tell callers; None where nothing was, or today asks for the key too."""
    name = one.entry[1]
    if not one.seen or not (name == EVERYONE or account_named(name)):
        return None
    tells = PRINCIPAL_ARN if one.seen[0].party.is_named else USER_ID
    found = [
        _Told(operator, key, values)
        for operator, keys in one.conditions
        for key, values in keys
        if key == tells
    ]
    return found[0] if len(found) == 1 else None


def _without(conditions: Conditions, key: str) -> Conditions:
    return conditions_of(
        {
            operator: rest
            for operator, keys in conditions
            if (rest := {name: values for name, values in keys if name != key})
        }
    )
