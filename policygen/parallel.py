"""Work done ahead by an executor. Where a worker is lost, the caller does its work."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from policygen.errors import PolicygenError
from policygen.text import sanitize

if TYPE_CHECKING:
    from concurrent.futures import Future

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_ahead(
    items: Iterable[Item],
    submit: Callable[[Item], Future[Result] | None],
    max_in_flight: int,
    on_message: Callable[[str], None],
) -> Iterator[tuple[Item, Result | None]]:
    """Give each item, in order, with the result of a worker; None where the caller has to do the work itself.

    Args:
        items: to work on.
        submit: hands an item to a worker; returns None for an item that no worker gets.
        max_in_flight: how many items are submitted before the first result is taken.
        on_message: called with a warning, once for each kind of failure of workers.

    Raises:
        PolicygenError: the work itself raised it.
    """
    warned: set[str] = set()

    def warn(error: Exception) -> None:
        kind = type(error).__name__
        if kind not in warned:
            warned.add(kind)
            text = sanitize(" ".join(str(error).split()), 200)
            on_message(f"warning: a worker failed ({kind}: {text}): what it had to do is done here")

    def submitted(item: Item) -> Future[Result] | None:
        try:
            return submit(item)
        except Exception as error:  # the pool or the cluster is gone
            warn(error)
            return None

    def resolved(item: Item, future: Future[Result] | None) -> tuple[Item, Result | None]:
        try:
            return item, future.result() if future else None
        except PolicygenError:
            raise
        except Exception as error:  # each kind of executor has its own error for a lost worker
            warn(error)
            return item, None

    waiting: deque[tuple[Item, Future[Result] | None]] = deque()
    try:
        for item in items:
            waiting.append((item, submitted(item)))
            if len(waiting) >= max_in_flight:
                yield resolved(*waiting.popleft())
        while waiting:
            yield resolved(*waiting.popleft())
    finally:
        for _, future in waiting:
            if future:
                future.cancel()


_kept = False
"""Whether `keep_for_good` was called in this process."""


def keep_for_good() -> None:
    """Let the garbage collector leave alone all that there is, until the process ends."""
    global _kept  # noqa: PLW0603 - what the collector does is a state of the process
    _kept = True
    gc.freeze()


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause the garbage collector: adding up calls makes no cycles, yet the collector visits all calls over and over.

    It took a third of the time of reading a million events of all roles. What was made meanwhile counts as old at the
    end, so that the next collection does not visit all of it.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            # Nobody froze anything. To count what is frozen takes longer the more it is.
            if not _kept and not gc.get_freeze_count():
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def collect_young() -> None:
    """Free recent cycles, such as those of network clients, without visiting what has been kept for long."""
    gc.collect(1)
