"""Every role: one pass over the logs, one suggestion a role, and a row for each role whatever became of it.

`select` says which roles, `rightsize_role` makes one role's row and plan, `right_size_all` goes through them. A
role that cannot be right-sized is a row with its reason: nothing is left out, and no data never becomes an empty
policy.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future

from policygen.batch.rightsize_role import BatchSettings, Result, right_size, row_of
from policygen.batch.select import RoleTarget
from policygen.iam.request import RoleKey
from policygen.logs.calls.call import Calls
from policygen.logs.calls.spill import PackedCalls, SpillStore, unpack_calls
from policygen.parallel import gc_paused, map_ahead
from policygen.plan.batch_table import BatchRow

Work = tuple[RoleTarget, PackedCalls]
"""A role, and its calls as they lie on the disk: who right-sizes it unpacks them."""

AHEAD = 32
"""Roles handed out before the first is taken back, so that memory stays bounded."""

Put = Callable[[Result], None]
"""Writes the texts of a role."""

_shared: tuple[BatchSettings, Put] | None = None


def init_worker(sizing: BatchSettings, put: Put) -> None:
    """Gives a process what all roles have in common; a pool's initializer.

    Args:
        sizing: what all roles have in common.
        put: takes a role's texts, which are some megabytes, where they are made; its row alone goes back.
    """
    global _shared  # noqa: PLW0603 - a worker's only state, set once before its first role
    _shared = sizing, put
    gc.freeze()  # it stays: the collector need not walk through it


def _of_worker(target: RoleTarget, pieces: PackedCalls) -> Result:
    if _shared is None:
        raise RuntimeError("share() was not called in this process")
    sizing, put = _shared
    result = _right_size(sizing, target, unpack_calls(pieces))
    put(result)
    return Result(result.row)


def _right_size(sizing: BatchSettings, target: RoleTarget, calls: dict[RoleKey, Calls]) -> Result:
    try:
        with gc_paused():
            return right_size(sizing, target, calls)
    except Exception as error:  # a bug with one role stops no other; what was in the log is not shown
        why = f"policygen has a bug: {type(error).__name__}; suggest -r {target.arn or target.name} shows it"
        return Result(row_of(target, "failed", why, code="PG-E999"))


def right_size_all(
    sizing: BatchSettings,
    targets: Iterable[RoleTarget],
    spill: SpillStore,
    executor: Executor | None = None,
    talk: Callable[[str], None] = lambda _: None,
) -> Iterator[Result]:
    """The result of each role: first of those with calls, in the order of the disk, then of the others.

    What a worker put is not in its result.

    Args:
        sizing: what all roles have in common.
        targets: the roles.
        spill: their calls.
        executor: where roles are right-sized, of processes in which `init_worker` was called; None for this process.
        talk: told where a process was lost; what it had to do is done here.
    """
    waiting: dict[str, list[RoleTarget]] = {}
    for target in targets:
        waiting.setdefault(target.name.lower(), []).append(target)

    def submit(one: Work) -> Future[Result] | None:
        return executor.submit(_of_worker, *one) if executor else None

    work = _work(waiting, spill)
    for (target, pieces), result in map_ahead(work, submit, AHEAD if executor else 1, talk):
        yield result or _right_size(sizing, target, unpack_calls(pieces))
    yield from (_right_size(sizing, one, {}) for members in waiting.values() for one in members)


def _work(waiting: dict[str, list[RoleTarget]], spill: SpillStore) -> Iterator[Work]:
    for name, pieces in spill.by_name():
        for target in waiting.pop(name, ()):
            yield target, {role: own for role, own in pieces.items() if role.account == target.account}


__all__ = [
    "AHEAD",
    "BatchRow",
    "BatchSettings",
    "Put",
    "Result",
    "RoleTarget",
    "init_worker",
    "right_size",
    "right_size_all",
]
