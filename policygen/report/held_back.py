"""What holds back many roles of a batch alike, and what takes it away: the same words on screen and index."""

from __future__ import annotations

from policygen.plan.batch_table import BatchTable, SharedReason
from policygen.report.wording import DO
from policygen.text import pluralize


def held_words(batch: BatchTable) -> str:
    """Say how many roles are held back alike: ``2 things hold back 357 of 358 roles that are not yes``."""
    number, waiting = len(batch.shared_reasons), _waiting(batch)
    some = f"{batch.held_back:,} of " if batch.held_back < waiting else ""
    hold = "1 thing holds" if number == 1 else f"{number:,} things hold"
    return f"{hold} back {some}{pluralize(waiting, 'role')} to look at or to wait for"


def reason_words(one: SharedReason, batch: BatchTable) -> str:
    """Return a reason, with the number of roles where it does not hold back all of them."""
    return one.sentence + (f" ({pluralize(one.roles, 'role')})" if one.roles < batch.held_back else "")


def to_do(one: SharedReason) -> str:
    """Say what takes a reason away."""
    if one.id == "no-report":
        return one.command or "make a new snapshot of each account: policygen snapshot"
    if one.id == "policies-unknown":
        return "give a snapshot of the account: policygen snapshot makes it"
    return DO[one.id]


def without_words(batch: BatchTable) -> str:
    """Say how many roles nothing else holds back, as far as is known by now, and how many have more reasons."""
    free, rest = batch.ready_without, batch.held_back - batch.ready_without
    nothing = f"Nothing else that is known holds back {pluralize(free, 'role')}"
    return (
        f"{nothing}; {rest:,} {'has reasons of its' if rest == 1 else 'have reasons of their'} own"
        if rest
        else nothing
    )


def _waiting(batch: BatchTable) -> int:
    return sum(1 for row in batch.rows if row.verdict in {"review", "wait"})
