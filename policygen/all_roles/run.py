"""Every role: one pass over the logs, one suggestion a role, and a row for each role whatever became of it.

`select` chooses the roles, `rightsize_role` makes one role's row and plan, `right_size_all` goes through them. A role
that cannot be right-sized is a row with its reason: no role is left out, and no data never becomes an empty policy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future

from policygen.all_roles.rightsize_role import BatchSettings, Result, right_size
from policygen.all_roles.role_trust import sightings_of
from policygen.all_roles.row import RowDecision, row_of
from policygen.all_roles.select import RoleTarget
from policygen.logs.calls.spill import SpillStore, StoredRoles, unpack_calls
from policygen.parallel import gc_paused, keep_for_good, map_ahead
from policygen.plan.batch_table import BatchRow

Work = tuple[RoleTarget, StoredRoles]
"""A role, and what was read of it, on disk: the process that right-sizes it unpacks it."""

AHEAD = 32
"""Roles submitted before the first result is taken, so that memory stays bounded."""

WriteResult = Callable[[Result], None]
"""Writes the files of a role."""

_worker: tuple[BatchSettings, WriteResult] | None = None


def init_worker(settings: BatchSettings, write_result: WriteResult) -> None:
    """Give a worker process what all roles have in common; a pool's initializer.

    Args:
        settings: what all roles have in common.
        write_result: writes a role's files, some megabytes, in the worker itself; only its row is sent back.
    """
    global _worker  # noqa: PLW0603 - a worker's only state, set once before its first role
    _worker = settings, write_result
    keep_for_good()  # the settings


def _right_size_in_worker(target: RoleTarget, stored: StoredRoles) -> Result:
    if _worker is None:
        raise RuntimeError("init_worker() was not called in this process")
    settings, write_result = _worker
    result = _right_size(settings, target, stored)
    write_result(result)
    return result._replace(texts={})


def _right_size(settings: BatchSettings, target: RoleTarget, stored: StoredRoles) -> Result:
    try:
        with gc_paused():
            sightings = sightings_of(target, stored)
            return right_size(settings, target, unpack_calls(stored.calls), sightings)
    except Exception as error:  # a bug with one role stops no other; log content must not be shown
        why = f"policygen has a bug: {type(error).__name__}; suggest -r {target.arn or target.name} shows it"
        return Result(row_of(target, RowDecision("failed", why, "PG-E999")), file=target.file)


def right_size_all(
    settings: BatchSettings,
    targets: Iterable[RoleTarget],
    spill: SpillStore,
    executor: Executor | None = None,
    on_message: Callable[[str], None] = lambda _: None,
) -> Iterator[Result]:
    """Yield the result of each role: first those that the disk has, in its order, then the others.

    A result from a worker has no texts: the worker has written them.

    Args:
        settings: what all roles have in common.
        targets: the roles.
        spill: their calls, and who assumed them.
        executor: runs `init_worker`'s processes; None to right-size in this process.
        on_message: gets a warning where a worker was lost; its roles are right-sized here.
    """
    waiting: dict[str, list[RoleTarget]] = {}
    for target in targets:
        waiting.setdefault(target.name.lower(), []).append(target)

    def submit(work: Work) -> Future[Result] | None:
        return executor.submit(_right_size_in_worker, *work) if executor else None

    works = _works(waiting, spill)
    for (target, stored), result in map_ahead(works, submit, AHEAD if executor else 1, on_message):
        yield result or _right_size(settings, target, stored)
    for members in waiting.values():
        for target in members:
            yield _right_size(settings, target, StoredRoles({}, {}))


def _works(waiting: dict[str, list[RoleTarget]], spill: SpillStore) -> Iterator[Work]:
    """Yield each role that the disk has, and take it from `waiting`."""
    for name, stored in spill.by_name():
        for target in waiting.pop(name, ()):
            yield target, stored.in_account(target.account)


__all__ = [
    "AHEAD",
    "BatchRow",
    "BatchSettings",
    "Result",
    "RoleTarget",
    "WriteResult",
    "init_worker",
    "right_size",
    "right_size_all",
]
