"""Run work ahead in threads and return the results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_in_order(work: Callable[[T], R], items: Iterable[T], pool: Executor, ahead: int) -> Iterator[R]:
    """Yield the result of ``work`` for each item, in the order of the items; an error is raised in its item's place.

    Args:
        work: runs in the pool.
        items: taken one by one, when there is room.
        pool: runs the work; may be shared.
        ahead: greatest number of items that are waiting or done and not yet yielded, to bound the memory.
    """
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
