"""Opens what the options name: logs, account, decisions, workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from policygen.account.model import Account
    from policygen.evidence.anomalies import AnomalyRule
    from policygen.logs.cache import Cache
    from policygen.logs.reader import ReadOptions, ReadRequest
    from policygen.logs.source import Source
    from policygen.rightsize.decisions.model import Decisions


def message_sink(*, quiet: bool) -> Callable[[str], None]:
    """Where progress goes: stderr, or nowhere."""
    from policygen.cli.console import log_line

    return (lambda _: None) if quiet else log_line


def cores() -> int:
    """Cores that this process may use."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ignore_sigint() -> None:
    """Lets Ctrl-C stop the command and not its workers one by one, each with a word of its own."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def read_options(*, quiet: bool, jobs: int = 0, cached: bool = True, dask: str = "") -> Iterator[ReadOptions]:
    """By what means logs are read, for as long as they are: progress, and processes where there is much to read.

    Raises:
        UsageError: PG-E208, both processes and a cluster were asked for; what `cluster_at` raises.
    """
    from policygen.cli.console import LINE, ProgressBar
    from policygen.logs.reader import ReadOptions

    bar = ProgressBar()
    if not quiet:
        LINE.show("looking for log files")

    def keep(job: ReadRequest) -> Cache | None:
        from policygen.cli.console import log_line as warn
        from policygen.logs.cache import Cache, cache_folder

        return Cache.open(cache_folder(), f"{job.name}\0{job.search}", job.select, warn) if cached else None

    say = (lambda _: None) if quiet else bar
    with _workers(jobs, dask) as (executor, workers):
        try:
            yield ReadOptions(executor, 2 * workers, keep, say, message_sink(quiet=quiet))
        finally:
            bar.close()


@contextmanager
def _workers(jobs: int, dask: str) -> Iterator[tuple[Executor | None, int]]:
    """Where logs are read, None for this process, and by how many at once."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    from policygen.errors import UsageError

    if dask and jobs:
        raise UsageError("--jobs and --dask exclude each other", "give one of them", code="PG-E208")
    if dask:
        from policygen.cli.dask import cluster_at

        with cluster_at(dask) as (executor, threads):
            yield executor, max(threads, 4)  # a cluster may grow while it is asked
        return
    workers = jobs or cores()
    if workers == 1:
        yield None, 1
        return
    # Not by fork: the parent may have threads, as those of an HTTP client.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=ignore_sigint) as pool:
        try:
            yield pool, workers
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def log_source(
    logs: list[str] | None,
    profile: str,
    talk: Callable[[str], None],
    max_scan: str = "",
    *,
    verify: bool = False,
    keys: Path | None = None,
) -> Source:
    """The log source that was named, by default the trails of the caller's account; what it says of itself is talk.

    Raises:
        PolicygenError: there is no such source, it cannot be opened, or it has no digests to verify it by.
    """
    from policygen.errors import UsageError
    from policygen.logs.registry import AwsOptions, open_source

    if keys and not verify:
        raise UsageError(
            "--public-keys without --verify-digests: there is nothing to check with them",
            "give both, or neither",
            code="PG-E234",
        )
    source = open_source(logs or ["auto"], AwsOptions(profile, _bytes(max_scan)))
    for note in source.notes:
        talk(note)
    if not verify:
        return source
    from policygen.logs.verify.verified_source import verify_source

    return verify_source(source, keys, talk)


def _bytes(text: str) -> int | None:
    """A size as people write it: ``50GB``; None for "".

    Raises:
        UsageError: PG-E224, it is none.
    """
    import re

    from policygen.errors import UsageError
    from policygen.text import escape_controls

    if not text:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", text.strip(), re.IGNORECASE)
    if not found:
        raise UsageError(
            f"--max-scan is not a size: {escape_controls(text)[:40]!r}", "for example 50GB", code="PG-E224"
        )
    return int(float(found[1]) * 1000 ** " KMGT".index(found[2].upper() or " "))


def account_of(
    snapshot: Path | None, role: str, profile: str, talk: Callable[[str], None], *, live: bool
) -> Account | None:
    """The account of the snapshot, or what AWS says now; None where neither was asked for.

    Args:
        snapshot: a file.
        role: the one role that is read from AWS; "" for the account with all its roles.
        profile: of AWS.
        talk: told what is read.
        live: whether AWS is asked.

    Raises:
        PolicygenError: PG-E208, both were asked for; what reading them raises.
    """
    from policygen.errors import UsageError

    if snapshot and live:
        raise UsageError("--snapshot and --live exclude each other", "give one of them", code="PG-E208")
    if snapshot:
        from policygen.account.snapshot import load_snapshot

        return load_snapshot(snapshot)
    if live and not role:
        from policygen.account.aws_session import open_session
        from policygen.account.live import take_snapshot
        from policygen.account.snapshot import to_account

        return to_account(take_snapshot(open_session(profile or None), say=talk))
    if live:
        from policygen.account.aws_session import open_session
        from policygen.account.live import read_role
        from policygen.evidence.role import parse_role

        parse_role(role)
        return read_role(role, open_session(profile or None), say=talk, last_accessed=True)
    return None


def signs_of(accept: list[str] | None) -> list[AnomalyRule]:
    """The signs to accept; `analysis.observe` checks that they exist."""
    return cast("list[AnomalyRule]", accept or [])


def decisions_of(path: Path | None, keep: list[str] | None, drop: list[str] | None) -> Decisions:
    """The decisions of a file, of ``policygen.toml`` in this folder by default, and those of the command line.

    Raises:
        UsageError: PG-E360 to PG-E366, they cannot be read or contradict each other.
    """
    from policygen.rightsize.decisions.load import load_decisions, with_flags
    from policygen.rightsize.decisions.model import FILE, Decisions

    place = path or (Path(FILE) if Path(FILE).is_file() else None)
    return with_flags(load_decisions(place) if place else Decisions(), keep or (), drop or ())
