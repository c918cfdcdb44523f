"""A pool of processes that starts when the first work comes: small logs need none, and only to be ready takes time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class LatePool:
    """Passes work to a pool of processes that do not hear Ctrl-C, and makes the pool for the first of it.

    It has what is used of an `Executor`, and is none, since that takes longer to import than a small log to unpack.

    Args:
        workers: how many processes.
        initializer: called once in each process.
        initargs: arguments of the initializer; they must be picklable.
    """

    def __init__(self, workers: int, initializer: Callable[..., None], initargs: tuple[object, ...]) -> None:
        self._settings = (workers, initializer, initargs)
        self._pool: Executor | None = None

    def submit(
        self, fn: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Result]:
        """Hand work to a process."""
        if self._pool is None:
            from concurrent.futures import ProcessPoolExecutor

            from policygen.cli.deaf_processes import DeafContext

            workers, initializer, initargs = self._settings
            self._pool = ProcessPoolExecutor(workers, DeafContext(), initializer, initargs)
        return self._pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes, if there are any."""
        if self._pool:
            self._pool.shutdown(wait, cancel_futures=cancel_futures)
