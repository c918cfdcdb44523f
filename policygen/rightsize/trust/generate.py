"""Write the trust policy: for each way in, the callers that came through it and the principals that stay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from policygen.iam.document import Conditions, conditions_of
from policygen.iam.party import EVERYONE, Party, Principals, account_named
from policygen.iam.resource_policy import PrincipalStatement, ResourcePolicy
from policygen.rightsize.trust.assumptions import Observed
from policygen.rightsize.trust.keep import Kept
from policygen.rightsize.trust.letting_in import Entry, LetIn, Use, Way, lost
from policygen.rightsize.trust.narrow import narrowed
from policygen.rightsize.trust.required import required

USER_ID = "aws:userid"


class WrittenPrincipal(msgspec.Struct, frozen=True):
    """One principal of the new policy, and what it rests on."""

    statement: int
    """Number of the statement of today that it comes from."""
    entry: Entry
    actions: tuple[str, ...]
    conditions: Conditions
    seen: tuple[Observed, ...] = ()
    kept: Kept | None = None
    unmet: tuple[str, ...] = ()
    """Names of ``--require`` that not all of its assumptions satisfy."""


def written_of(
    today: ResourcePolicy,
    found: LetIn,
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
    through: dict[tuple[int, Entry, Extra], list[Use]] = defaultdict(list)
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
    today: ResourcePolicy, found: LetIn, written: list[WrittenPrincipal]
) -> list[WrittenPrincipal]:
    """Leave out what other statements let in as well."""
    unsure = {use.observed for use in found.unsure}
    uses = {use for several in found.uses.values() for use in several}
    left = written
    for one in written:
        if one.kept or not unsure.isdisjoint(one.seen) or len(left) == 1:
            continue
        rest = [other for other in left if other is not one]
        mine = [use for use in uses if use.observed in one.seen]
        if not any(lost(document_of(today, rest), today, mine)):
            left = rest
    return left


Extra = tuple[tuple[str, str, tuple[str, ...]], ...]
"""Operators, keys and values of conditions."""


def granted_id(party: Party) -> str:
    """Return the unique id of a caller of which nothing else is known; "" of any other."""
    return "" if party.is_named else party.unique_id


def granted(way: Way, party: Party) -> tuple[Entry, Extra]:
    """Return the principal that lets a caller in and nobody else, and conditions that it needs for that."""
    name = way.entry[1]
    account = account_named(name)
    if name != EVERYONE and not account:
        return way.entry, ()
    if party.kind != "AWS":
        return (party.kind, party.name), ()
    if party.name.endswith(":root"):
        return (way.entry if account else ("AWS", party.name)), ()
    if party.is_named:
        return ("AWS", party.name), ()
    root = f"{party.name.rpartition(':')[0]}:root"
    owner = way.entry if account else ("AWS", root)
    if not party.unique_id:
        return owner, ()
    if party.is_role:
        return owner, (("StringLike", USER_ID, (f"{party.unique_id}:*",)),)
    return owner, (("StringEquals", USER_ID, (party.unique_id,)),)


def _as_today(today: ResourcePolicy, kept: Kept) -> WrittenPrincipal:
    statement = today.statements[kept.way.statement].statement
    return WrittenPrincipal(
        kept.way.statement, kept.entry, statement.actions, statement.conditions, kept=kept
    )


def _narrow(today: ResourcePolicy, number: int, entry: Entry, uses: Sequence[Use]) -> WrittenPrincipal:
    seen = tuple(dict.fromkeys(use.observed for use in uses))
    actions = tuple(sorted({use.action for use in uses}))
    conditions = narrowed(today.statements[number].statement.conditions, seen)
    return WrittenPrincipal(number, entry, actions, conditions, seen)


def with_entries(conditions: Conditions, entries: Iterable[tuple[str, str, Sequence[str]]]) -> Conditions:
    """Return conditions with more entries; one of the same operator and key is asked besides, not instead."""
    block: dict[str, dict[str, tuple[str, ...]]] = {operator: dict(keys) for operator, keys in conditions}
    for operator, key, values in entries:
        names = [operator, {"StringEquals": "StringLike"}.get(operator, operator)]
        free = next((one for one in names if key.lower() not in map(str.lower, block.get(one, {}))), "")
        if free:
            block.setdefault(free, {})[key] = tuple(values)
    return conditions_of(block)


# ---- the document -------------------------------------------------------------------------------------


def document_of(today: ResourcePolicy, written: Sequence[WrittenPrincipal]) -> ResourcePolicy:
    """Return the new policy: statements in the order of today's, every Deny where it was."""
    statements: list[PrincipalStatement] = []
    for number, one in enumerate(today.statements):
        if one.statement.effect == "Deny":
            statements.append(one)
            continue
        parts = _grouped([piece for piece in written if piece.statement == number])
        for place, ((actions, conditions), entries) in enumerate(parts.items()):
            sid = (
                one.statement.sid
                if len(parts) == 1 or not one.statement.sid
                else f"{one.statement.sid}{place + 1}"
            )
            bare = replace(
                one.statement,
                actions=actions,
                not_actions=_is_negated(one, actions),
                conditions=conditions,
                sid=sid,
            )
            statements.append(replace(one, statement=bare).with_principals(entries))
    return ResourcePolicy(tuple(statements), "trust", today.name)


def _is_negated(statement: PrincipalStatement, actions: tuple[str, ...]) -> bool:
    return statement.statement.not_actions and actions == statement.statement.actions


def _grouped(written: Iterable[WrittenPrincipal]) -> Mapping[tuple[tuple[str, ...], Conditions], list[Entry]]:
    """Put principals together that have the same actions and conditions, and unique ids of one account."""
    found: dict[tuple[tuple[str, ...], Conditions], list[Entry]] = defaultdict(list)
    for one in _with_ids_together(list(written)):
        if one.entry not in found[one.actions, one.conditions]:
            found[one.actions, one.conditions].append(one.entry)
    return found


def _with_ids_together(written: list[WrittenPrincipal]) -> list[WrittenPrincipal]:
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
