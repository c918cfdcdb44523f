"""Wait for AWS: retry requests that it throttles, poll queries, and stop queries that nobody will read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from policygen.errors import AwsError

T = TypeVar("T")

RETRY_DELAYS = (1, 2, 4, 8, 8, 8, 8, 8, 8, 8)
"""Seconds to wait after each throttled request, on top of botocore's own retries."""

_THROTTLED = "PG-E104"
_FIRST_POLL, _LONGEST_POLL = 0.5, 8.0


def retry_throttled(request: Callable[[], T], sleep: Callable[[float], None]) -> T:
    """Return the result of a request, which is repeated for about a minute while AWS throttles it.

    Raises:
        AwsError: still throttled at the end (PG-E104), or any other error of the request.
    """
    for seconds in RETRY_DELAYS:
        try:
            return request()
        except AwsError as error:
            if error.code != _THROTTLED:
                raise
        sleep(seconds)
    return request()


def poll_delays() -> Iterator[float]:
    """Yield, without end, the seconds to wait before the state of a query is requested again."""
    delay = _FIRST_POLL
    while True:
        yield delay
        delay = min(delay * 1.5, _LONGEST_POLL)


@contextmanager
def stopped_on_error(stop: Callable[[], object]) -> Iterator[None]:
    """Call `stop` when the block raises, Ctrl-C included: a query whose result nobody reads still costs money."""
    try:
        yield
    except BaseException:
        with suppress(Exception):
            stop()
        raise
