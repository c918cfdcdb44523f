"""The difference of a batch to the one before in the same folder."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from policygen.plan.batch_table import BatchChange, BatchRow, BatchSince, BatchTable, sorted_rows


def since_last(last: BatchTable | None, rows: Iterable[BatchRow], start: str, end: str) -> BatchSince | None:
    """Return the difference of rows to the last table in their folder; that table's own where they are the same.

    Args:
        last: the last table; None for none.
        rows: the new rows.
        start: first day of their window.
        end: end of their window.
    """
    if last is None:
        return None
    found = sorted_rows(rows)
    if (last.start, last.end, sorted_rows(last.rows)) == (start, end, found):
        return last.since
    unverified = sum(row.unverified or 0 for row in last.rows)
    return BatchSince(
        start=last.start,
        end=last.end,
        roles=len(last.rows),
        unverified=unverified,
        changes=_changes(last.rows, found),
    )


def since_retried(last: BatchTable, rows: Iterable[BatchRow]) -> BatchSince | None:
    """Return the difference that the last table tells, with other rows of some of its roles.

    Args:
        last: the table of which some roles are made again.
        rows: all rows, as they are now.
    """
    since = last.since
    if since is None:
        return None
    changes = {(one.role, one.account): one for one in since.changes}
    for new in _changes(last.rows, rows):
        key = new.role, new.account
        changes[key] = _as_before(new, changes[key]) if key in changes else new
    told = tuple(one for _, one in sorted(changes.items()) if _differs(one))
    return msgspec.structs.replace(since, changes=told)


def _changes(before: Iterable[BatchRow], after: Iterable[BatchRow]) -> tuple[BatchChange, ...]:
    """Return how each role differs, by name and account; those that do not are left out."""
    then, now = ({(row.role, row.account): row for row in some} for some in (before, after))
    made = (_change(*key, then.get(key), now.get(key)) for key in sorted(then | now))
    return tuple(one for one in made if _differs(one))


def _change(role: str, account: str, old: BatchRow | None, new: BatchRow | None) -> BatchChange:
    return BatchChange(
        role=role,
        account=account,
        plan=new.plan if new else "",
        before=old.verdict if old else None,
        after=new.verdict if new else None,
        actions_before=old.actions_now if old else None,
        actions_after=new.actions_now if new else None,
        proposed_before=old.actions_proposed if old else None,
        proposed_after=new.actions_proposed if new else None,
        paths_before=old.paths_now if old else None,
        paths_after=new.paths_now if new else None,
        why=new.reason if new else "",
        denied="replay" in new.reasons if new else False,
        rules=new.rules if new else (),
    )


def _as_before(one: BatchChange, earlier: BatchChange) -> BatchChange:
    """Return a change with what an earlier one says of the time before."""
    return msgspec.structs.replace(
        one,
        before=earlier.before,
        actions_before=earlier.actions_before,
        proposed_before=earlier.proposed_before,
        paths_before=earlier.paths_before,
    )


def _differs(one: BatchChange) -> bool:
    then = one.before, one.actions_before, one.proposed_before, one.paths_before
    return then != (one.after, one.actions_after, one.proposed_after, one.paths_after)
