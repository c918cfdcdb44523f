"""Work done ahead by threads, with its results in the order of what it was asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_in_order(work: Callable[[T], R], items: Iterable[T], pool: Executor, ahead: int) -> Iterator[R]:
    """``work`` of each item, in the order of the items; an error is raised where its item would have come.

    Args:
        work: runs in the pool.
        items: taken one by one, as there is room.
        pool: where the work is done; may be shared.
        ahead: the greatest number of items that are waiting or done and not yet asked for, which bounds the memory.
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
