"""A Dask cluster that really runs: a scheduler and two workers, one of which is killed while it reads."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from distributed import Client
from distributed.cfexecutor import ClientExecutor

import policygen.logs.chunk
import policygen.logs.reader
from policygen.api.suggest import suggest_role
from policygen.cli import dask as module
from policygen.cli.dask import cluster_at
from policygen.cli.inputs import read_options
from policygen.cli.option_groups import ReadInput
from policygen.errors import UsageError
from policygen.logs.chunk import ChunkResult, ReadRequest
from policygen.logs.reader import ReadOptions, read_source
from policygen.logs.registry import open_source
from policygen.logs.source import Batch, LogObject, Reader
from policygen.logs.sources.files import read_file
from tests.logs.test_reader import EVERY_RECORD, ONE_ROLE, TRAIL, same
from tests.support import ROOT

pytestmark = pytest.mark.system
SOON = 300
"""Seconds after which a test gives up, also on a machine with much else to do."""


class Started(NamedTuple):
    """The processes of a cluster."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]


@pytest.fixture(autouse=True)
def _nothing_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policygen.logs.reader, "MIN_CACHED_BYTES", 0)
    monkeypatch.setattr(policygen.logs.reader, "MIN_PARALLEL_BYTES", 0)
    monkeypatch.setattr(policygen.logs.chunk, "CHUNK_OBJECTS", 3)


@pytest.fixture(scope="module")
def whole() -> ChunkResult:
    return read_source(open_source(TRAIL), EVERY_RECORD)


def wait_for(ready: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not ready():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.01)


@contextmanager
def started(at: Path, *, failures: int = 3) -> Iterator[Started]:
    """A scheduler that lets a task kill so many workers, and two workers without a nanny: a killed one stays away."""
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(failures),
        # How long a result is asked for of a worker that may be dead.
        "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "2s",
    }
    local = ("--host", "127.0.0.1", "--no-dashboard")
    told = at / "address"

    def start(*words: str | Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", *map(str, words)]
        return subprocess.Popen(command, cwd=at, env=env, stderr=subprocess.DEVNULL)

    scheduler = start("distributed.cli.dask_scheduler", *local, "--port", "0", "--scheduler-file", told)
    processes = [scheduler]
    try:
        wait_for(lambda: told.exists() and told.stat().st_size > 0)
        worker = ("distributed.cli.dask_worker", *local, "--scheduler-file", told)
        processes += [start(*worker, "--no-nanny", "--nthreads", "1") for _ in range(2)]
        with Client(scheduler_file=str(told), timeout=SOON, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=SOON)
            address = client.scheduler.address
        yield Started(address, scheduler, processes[1:])
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    with started(tmp_path_factory.mktemp("cluster")) as one:
        yield one


class Halting(Reader):
    """Reads files in workers; each tells what it begins to read, and waits in the middle of some until it may go on.

    Picklable. `at` is a folder that all can see.
    """

    def __init__(self, at: Path) -> None:
        self.at = at

    def read(self, one: LogObject) -> Iterator[Batch]:
        with (self.at / "begun").open("a") as log:  # a short line is written at once
            log.write(f"{os.getpid()} {Path(one.locator).name}\n")
        yield from read_file(one)
        if len(self.begun()) > 20:
            wait_for((self.at / "go on").exists)

    def begun(self) -> list[tuple[int, str]]:
        """Who began to read what, in order."""
        path = self.at / "begun"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(int(pid), name) for pid, _, name in (line.partition(" ") for line in lines)]


def killing(reader: Halting, victims: Callable[[], list[int]]) -> threading.Thread:
    """Kills, when the work is well under way and stands still, and then lets it go on."""

    def kill() -> None:
        wait_for(lambda: len(reader.begun()) > 20)
        for pid in victims():
            os.kill(pid, signal.SIGKILL)
        (reader.at / "go on").touch()

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def read_with(
    at: Path, means: ReadOptions, victims: Callable[[Halting], list[int]]
) -> tuple[ChunkResult, Halting]:
    source, reader = open_source(TRAIL), Halting(at)
    source.reader = reader  # type: ignore[union-attr]
    thread = killing(reader, lambda: victims(reader))
    try:
        return read_source(source, EVERY_RECORD, options=means), reader
    finally:
        thread.join()


@pytest.mark.parametrize("job", [EVERY_RECORD, ONE_ROLE], ids=["every record", "one role"])
def test_a_cluster_gives_what_one_process_gives(
    job: ReadRequest, cluster: Started, whole: ChunkResult
) -> None:
    with read_options(ReadInput(no_cache=True, dask=cluster.address), quiet=True) as means:
        found = read_source(open_source(TRAIL), job, options=means)
    assert same(found, whole)
    assert found.read_report.files == whole.read_report.files


def test_the_executor_of_a_client_is_all_that_the_engine_needs(cluster: Started, whole: ChunkResult) -> None:
    with Client(cluster.address, set_as_default=False) as client:
        assert same(
            read_source(open_source(TRAIL), EVERY_RECORD, options=ReadOptions(client.get_executor())), whole
        )


def test_the_python_of_the_page_runs(cluster: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "reference" / "logs.md").read_text("utf-8"), re.S
    )
    block = block.replace("tcp://scheduler:8786", cluster.address).replace("/mnt/trail", str(TRAIL))
    handed: list[str] = []
    submit = ClientExecutor.submit
    monkeypatch.setattr(
        ClientExecutor,
        "submit",
        lambda self, *words: handed.append(words[0].__name__) or submit(self, *words),
    )
    names: dict[str, Any] = {}
    exec(compile(block, "logs.md", "exec"), names)
    assert names["found"].usage.events == suggest_role("orders-api", TRAIL).usage.events
    assert set(handed) == {"count_chunk"}


@pytest.mark.parametrize("failures", [3, 0], ids=["another worker reads it", "the run itself reads it"])
def test_a_worker_that_is_killed_while_it_reads_costs_nothing_and_nothing_counts_twice(
    failures: int, whole: ChunkResult, tmp_path: Path
) -> None:
    said: list[str] = []

    def reading(reader: Halting) -> list[int]:
        return [reader.begun()[-1][0]]

    with started(tmp_path, failures=failures) as one, cluster_at(one.address) as (executor, threads):
        assert threads == 2
        found, reader = read_with(tmp_path, ReadOptions(executor, on_message=said.append), reading)
        (killed,) = [worker for worker in one.workers if worker.poll() is not None]
    assert killed.returncode == -signal.SIGKILL
    assert same(found, whole)
    assert found.counts.totals.records == whole.counts.totals.records
    # What the dead one was at was read again: by the other worker, or by this process when Dask gives the part up.
    begun = reader.begun()
    last = max(at for at, (pid, _) in enumerate(begun) if pid == killed.pid)
    later = {pid for pid, name in begun[last + 1 :] if name == begun[last][1]}
    if failures:
        assert later == {worker.pid for worker in one.workers} - {killed.pid}
        assert said == []
    else:
        assert later == {os.getpid()}
        assert len(said) == 1
        assert said[0].startswith("warning: a worker failed (KilledWorker: ")


def test_a_scheduler_that_is_killed_leaves_the_rest_to_the_run_itself(
    whole: ChunkResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 1)
    said: list[str] = []
    with started(tmp_path) as one, cluster_at(one.address) as (executor, _):
        means = ReadOptions(executor, on_message=said.append)
        found, reader = read_with(tmp_path, means, lambda _: [one.scheduler.pid])
    assert same(found, whole)
    assert found.counts.totals.records == whole.counts.totals.records
    assert os.getpid() in {pid for pid, _ in reader.begun()}
    assert [line for line in said if not line.startswith("warning: a worker failed (")] == []
    assert said


# --- what cannot be asked --------------------------------------------------------------------------------


def refusal(address: str, *, jobs: int = 0) -> UsageError:
    reading = ReadInput(dask=address, jobs=jobs)
    with pytest.raises(UsageError) as caught, read_options(reading, quiet=True):
        pass
    return caught.value


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    error = refusal("tcp://127.0.0.1:8786")
    assert error.code == "PG-E225"
    assert error.hints == (
        "pip install '.[dask]' in the checkout, with the Python that runs policygen",
        "pipx inject policygen distributed, where pipx installed it",
    )


# In a process of its own: what is left of a client that could not connect closes itself when it is collected, and
# waits for ever if that is while the next one is being made (seen with distributed 2026.8).
REFUSED = """
import sys, policygen.cli.dask as cluster
from policygen.cli.inputs import read_options
from policygen.cli.option_groups import ReadInput
from policygen.errors import UsageError
cluster.PATIENCE = 0.5
try:
    with read_options(ReadInput(dask=sys.argv[1]), quiet=True):
        pass
except UsageError as error:
    print(error.code, error.exit_code, ascii(error.message))
"""


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://x", "tcp://no\x1bwhere:x"])
def test_a_scheduler_that_does_not_answer_is_an_error(address: str) -> None:
    command = [sys.executable, "-c", REFUSED, address]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SOON, check=False)
    assert made.stdout.startswith("PG-E226 2 ")
    assert re.search(r"(?<!\\)\\x1b", made.stdout) is None


def test_workers_of_another_version_are_not_asked(cluster: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "VERSION", "9.9.9")
    error = refusal(cluster.address)
    assert (error.code, error.hints[0].split(",")[0]) == ("PG-E227", "install policygen 9.9.9")
    assert policygen.version.VERSION in error.message


def test_workers_that_have_no_policygen_are_not_asked(
    cluster: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    def versions() -> tuple[str, str]:
        raise ModuleNotFoundError("No module named 'policygen'")

    monkeypatch.setattr(module, "versions", versions)
    error = refusal(cluster.address)
    assert error.code == "PG-E227"
    assert error.message == "a worker of the cluster cannot run policygen: No module named 'policygen'"


def test_processes_and_a_cluster_exclude_each_other() -> None:
    assert refusal("tcp://127.0.0.1:8786", jobs=2).code == "PG-E208"
