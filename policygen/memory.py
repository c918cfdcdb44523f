"""The collector of cycles, out of the way where none are made."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
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


def sweep() -> None:
    """Frees the cycles made lately, as clients of a network do, without a walk through all that is kept for long."""
    gc.collect(1)
