"""Work handed out to an executor, some of it ahead. What a lost worker does not give is left to who asked."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

from policygen.errors import PolicygenError
from policygen.text import sanitize

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_ahead(
    items: Iterable[Item],
    submit: Callable[[Item], Future[Result] | None],
    max_in_flight: int,
    on_message: Callable[[str], None],
) -> Iterator[tuple[Item, Result | None]]:
    """Each item, in order, with what a worker gave; None where none did, or none was asked.

    Args:
        items: what is to be worked on.
        submit: hands an item out; gives None for one that is not.
        max_in_flight: how many are handed out before the first is taken back.
        on_message: told once of each kind of failure of workers.

    Raises:
        PolicygenError: what the work itself raised.
    """
    told: set[str] = set()

    def lost(error: Exception) -> None:
        kind = type(error).__name__
        if kind not in told:
            told.add(kind)
            words = sanitize(" ".join(str(error).split()), 200)
            on_message(f"warning: a worker failed ({kind}: {words}): what it had to do is done here")

    def handed(item: Item) -> Future[Result] | None:
        try:
            return submit(item)
        except Exception as error:  # a pool or a cluster that is gone
            lost(error)
            return None

    def taken(item: Item, coming: Future[Result] | None) -> tuple[Item, Result | None]:
        try:
            return item, coming.result() if coming else None
        except PolicygenError:
            raise
        except Exception as error:  # each kind of executor has its own for a worker that is lost
            lost(error)
            return item, None

    waiting: deque[tuple[Item, Future[Result] | None]] = deque()
    try:
        for item in items:
            waiting.append((item, handed(item)))
            if len(waiting) >= max_in_flight:
                yield taken(*waiting.popleft())
        while waiting:
            yield taken(*waiting.popleft())
    finally:
        for _, coming in waiting:
            if coming:
                coming.cancel()


@contextmanager
def gc_paused() -> Iterator[None]:
    """Adding up calls makes no cycles, and the collector would walk through all of them again and again.

    A third of the time of reading a million events of all roles was spent so.
    """
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def collect_young() -> None:
    """Frees the cycles made lately, as clients of a network do, without a walk through all that is kept for long."""
    gc.collect(1)
