"""How much a run tries: a fixed sample, or everything with POLICYGEN_THOROUGH=1, as `.ci/run` does.

A search tries a fifth of its examples, the same in every run; a sweep takes every n-th of what there is.
POLICYGEN_EXAMPLES=10 multiplies the examples of either.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

from hypothesis import HealthCheck, settings

THOROUGH = bool(os.environ.get("POLICYGEN_THOROUGH"))
MORE = int(os.environ.get("POLICYGEN_EXAMPLES", "1"))

T = TypeVar("T")


def examples(number: int) -> int:
    """How many examples a search tries, given how many a thorough one does."""
    return (number if THOROUGH else max(number // 5, 5)) * MORE


def bounded(number: int) -> settings:
    """A search of so many examples when it is thorough, the same in every run."""
    return settings(
        max_examples=examples(number),
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        database=None,
    )


def every(nth: int, of: Sequence[T]) -> Sequence[T]:
    """Every n-th of something, or all of it in a thorough run."""
    return of if THOROUGH else of[::nth]
