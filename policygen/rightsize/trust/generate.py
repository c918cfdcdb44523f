"""Write the trust policy: for each way in, the callers that came through it and the principals that stay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from policygen.iam.document import Conditions, conditions_of
from policygen.iam.party import Party, Principals
from policygen.iam.resource_policy import ResourcePolicy
from policygen.rightsize.principals.kept import Kept
from policygen.rightsize.principals.letting_in import Entry, LetIn, lost
from policygen.rightsize.principals.pieces import USER_ID, Extra, Piece, document_of, granted, with_entries
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
    kept: Iterable[Kept],
    requirements: Sequence[str] = (),
    max_blocks: int = 10,
) -> list[WrittenPrincipal]:
    """Return the principals to write, each with its actions and conditions.

    Args:
        today: the trust policy as it is.
        found: who came in through which of its statements.
        kept: principals that stay as they are.
        requirements: names of conditions to ask for.
        max_blocks: how many blocks of addresses a condition may list.
    """
    stays = {(one.way.statement, one.entry): one for one in kept}
    written = [_as_today(today, one) for one in stays.values()]
    staying = {number: Principals(tuple(entry for of, entry in stays if of == number)) for number, _ in stays}
    everything: dict[Entry, list[Observed]] = defaultdict(list)
    through: dict[tuple[int, Entry, Extra], list[AssumptionUse]] = defaultdict(list)
    for (way, party), uses in found.uses.items():
        entry, extra = granted(way, party)
        everything[entry] += [use.observed for use in uses]
        through[way.statement, entry, extra] += uses
    for (number, entry, extra), uses in through.items():
        if not (number in staying and staying[number].contains(Principals((entry,)))):
            piece = _narrow(today, number, entry, uses)
            seen = [
                one for one in everything[entry] if granted_id(one.party) == granted_id(piece.seen[0].party)
            ]
            asked = required(requirements, seen, piece.conditions, max_blocks)
            conditions = with_entries(piece.conditions, [*asked.entries, *extra])
            written.append(replace(piece, conditions=conditions, unmet=asked.unmet))
    ordered = sorted(written, key=lambda one: (one.statement, one.entry, one.actions, one.conditions))
    return _without_spare(today, found, ordered)


def _without_spare(
    today: ResourcePolicy, found: LetIn[AssumptionUse], written: list[WrittenPrincipal]
) -> list[WrittenPrincipal]:
    """Leave out what other statements let in as well."""
    unsure = {use.observed for use in found.unsure}
    uses = {use for several in found.uses.values() for use in several}
    left = written
    for one in written:
        if one.kept or not unsure.isdisjoint(one.seen) or len(left) == 1:
            continue
        rest = [other for other in left if other is not one]
        own = frozenset(one.seen)
        mine = [use for use in uses if use.observed in own]
        if not any(lost(trust_document_of(today, rest), today, mine)):
            left = rest
    return left


def granted_id(party: Party) -> str:
    """Return the unique id of a caller of which nothing else is known; "" of any other."""
    return "" if party.is_named else party.unique_id


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
    """Return the new policy, in which unique ids of one account stand together."""
    return document_of(today, _with_ids_together(written))


def _with_ids_together(written: Sequence[WrittenPrincipal]) -> list[WrittenPrincipal]:
    together: dict[tuple[Entry, tuple[str, ...], Conditions, str], list[str]] = defaultdict(list)
    rest: list[WrittenPrincipal] = []
    first: dict[tuple[Entry, tuple[str, ...], Conditions, str], WrittenPrincipal] = {}
    for one in written:
        if (id_ := _id_of(one)) is None:
            rest.append(one)
            continue
        operator, values = id_
        key = one.entry, one.actions, _without_id(one.conditions), operator
        together[key] += values
        first.setdefault(key, one)
    merged = [
        replace(first[key], conditions=with_entries(key[2], [(key[3], USER_ID, sorted(set(values)))]))
        for key, values in together.items()
    ]
    return sorted([*rest, *merged], key=lambda one: (one.entry, one.actions, one.conditions))


def _id_of(one: WrittenPrincipal) -> tuple[str, tuple[str, ...]] | None:
    """Return the operator and the unique ids that were added; None where there is none, or today has some."""
    found = [
        (operator, values) for operator, keys in one.conditions for key, values in keys if key == USER_ID
    ]
    is_added = one.seen and all(not seen.party.is_named for seen in one.seen)
    return found[0] if is_added and len(found) == 1 else None


def _without_id(conditions: Conditions) -> Conditions:
    return conditions_of(
        {
            operator: rest
            for operator, keys in conditions
            if (rest := {key: values for key, values in keys if key != USER_ID})
        }
    )
