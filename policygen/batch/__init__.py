"""Every role: one pass over the logs, one suggestion a role, and a row for each role whatever became of it.

`select` says which roles, `sizing` makes one role's row and plan, `run` goes through them. A role that cannot be
right-sized is a row with its reason: nothing is left out, and no data never becomes an empty policy.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import Any

from policygen.access import RoleKey
from policygen.batch.select import Target
from policygen.batch.sizing import Result, Sizing, right_size
from policygen.calls import Calls
from policygen.memory import uncollected
from policygen.plan.rows import Row
from policygen.spill import Spill

Work = tuple[Target, dict[RoleKey, Calls]]

AHEAD = 4
"""Roles handed out before the first is taken back, so that memory stays bounded."""

_shared: Sizing | None = None


def share(sizing: Sizing) -> None:
    """Gives a process what all roles have in common; a pool's initializer."""
    global _shared  # noqa: PLW0603 - a worker's only state, set once before its first role
    _shared = sizing
    gc.freeze()  # it stays: the collector need not walk through it


def _of_worker(target: Target, calls: dict[RoleKey, Calls]) -> Result:
    if _shared is None:
        raise RuntimeError("share() was not called in this process")
    return _right_size(_shared, target, calls)


def _right_size(sizing: Sizing, target: Target, calls: dict[RoleKey, Calls]) -> Result:
    with uncollected():
        return right_size(sizing, target, calls)


def run(
    sizing: Sizing, targets: Iterable[Target], spill: Spill, executor: Executor | None = None
) -> Iterator[Result]:
    """The result of each role: first of those with calls, in the order of the disk, then of the others.

    Args:
        sizing: what all roles have in common.
        targets: the roles.
        spill: their calls.
        executor: where roles are right-sized, of processes in which `share` was called; None for this process.
    """
    waiting: dict[str, list[Target]] = {}
    for target in targets:
        waiting.setdefault(target.name.lower(), []).append(target)
    work = _work(waiting, spill)
    if executor is None:
        yield from (_right_size(sizing, *one) for one in work)
    else:
        yield from _handed_out(work, executor)
    rest: dict[RoleKey, Calls] = {}
    yield from (right_size(sizing, one, rest) for members in waiting.values() for one in members)


def _work(waiting: dict[str, list[Target]], spill: Spill) -> Iterator[Work]:
    for name, calls in spill.by_name():
        for target in waiting.pop(name, ()):
            yield target, calls


def _handed_out(work: Iterable[Work], executor: Executor) -> Iterator[Result]:
    coming: deque[Future[Any]] = deque()
    try:
        for one in work:
            coming.append(executor.submit(_of_worker, *one))
            if len(coming) >= AHEAD:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
    finally:
        for future in coming:
            future.cancel()


__all__ = ["AHEAD", "Result", "Row", "Sizing", "Target", "right_size", "run", "share"]
