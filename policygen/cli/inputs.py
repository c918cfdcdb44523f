"""Opens what the option groups name: logs, account, decisions, workers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from policygen.account.function_code import FunctionCode
    from policygen.account.model import Account
    from policygen.account.report_reader import ReportOptions
    from policygen.all_roles.select import RoleFilter
    from policygen.cli.option_groups import (
        AccountInput,
        DecisionInput,
        DigestInput,
        LogInput,
        ReadInput,
        WitnessInput,
    )
    from policygen.logs.cache import Cache
    from policygen.logs.chunk import ReadRequest
    from policygen.logs.reader import ReadOptions
    from policygen.logs.source import Source
    from policygen.logs.traces.read import Traces
    from policygen.rightsize.decisions.model import Decisions


def message_sink(*, quiet: bool) -> Callable[[str], None]:
    """Return the function that takes messages: it prints to stderr, or does nothing."""
    from policygen.cli.console import log_line

    return (lambda _: None) if quiet else log_line


def cores() -> int:
    """Return how many cores this process may use."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ignore_sigint() -> None:
    """Ignore Ctrl-C in a worker: the command stops its workers, and only the command reports it."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def read_options(read: ReadInput, *, quiet: bool) -> Iterator[ReadOptions]:
    """Return how to read logs: executor, cache, progress. Workers and the progress line end with the context.

    Raises:
        UsageError: PG-E208, both processes and a cluster are given; what `cluster_at` raises.
    """

    from policygen.cli.console import LINE
    from policygen.cli.progress import ProgressBar
    from policygen.logs.reader import ReadOptions

    bar = ProgressBar()
    if not quiet:
        LINE.show("looking for log files")

    def cache_of(request: ReadRequest) -> Cache | None:
        from policygen.cli.console import log_line
        from policygen.files import cache_folder
        from policygen.logs.cache import Cache

        if read.no_cache:
            return None
        return Cache.open(cache_folder(), f"{request.name}\0{request.search.name}", request.select, log_line)

    on_progress = (lambda _: None) if quiet else bar
    with _workers(read.jobs, read.dask) as (executor, workers):
        try:
            yield ReadOptions(
                executor, workers, 2 * workers, cache_of, on_progress, message_sink(quiet=quiet)
            )
        finally:
            bar.close()


@contextmanager
def _workers(jobs: int, dask: str) -> Iterator[tuple[Executor | None, int]]:
    """Start or connect to the workers; yield their executor, None for this process, and their number."""
    from policygen.errors import UsageError

    if dask and jobs:
        raise UsageError("--jobs and --dask cannot be used together", "give one of them", code="PG-E208")
    if dask:
        from policygen.cli.dask import cluster_at

        with cluster_at(dask) as (executor, threads):
            yield executor, max(threads, 4)  # the cluster may grow while it works
        return
    workers = jobs or cores()
    if workers == 1:
        yield None, 1
        return
    with process_pool(workers, ignore_sigint) as pool:
        yield pool, workers


PATIENCE = 1.0
"""Seconds after Ctrl-C before a word is said about what is waited for."""


@contextmanager
def process_pool(workers: int, initializer: Callable[..., None], *initargs: object) -> Iterator[Executor]:
    """Yield a pool that starts when it gets work; when the context ends, cancel the work that still waits.

    A second Ctrl-C kills the processes.

    Args:
        workers: how many.
        initializer: called once in each process.
        initargs: arguments of the initializer; they must be picklable.
    """
    from policygen.cli.late_pool import LatePool

    pool = LatePool(workers, initializer, initargs)
    try:
        yield cast("Executor", pool)
    except BaseException as error:
        import multiprocessing
        from threading import Timer

        from policygen.cli.console import log_line

        # Work that has begun is finished, so that it leaves no temporary file. Who presses Ctrl-C again does not want
        # to wait for it; at the end of the process Python would wait all the same, so the workers have to go.
        waiting = "stopping when the work that has begun is done; Ctrl-C again stops at once"
        word = Timer(PATIENCE, log_line, [waiting])
        if isinstance(error, KeyboardInterrupt):
            word.start()
        try:
            pool.shutdown(wait=True, cancel_futures=True)
        except KeyboardInterrupt:
            for process in multiprocessing.active_children():
                process.kill()
            raise
        finally:
            word.cancel()
        raise
    pool.shutdown(wait=False, cancel_futures=True)


def open_logs(
    logs: LogInput, profile: str, read: ReadInput, digests: DigestInput, notify: Callable[[str], None]
) -> Source:
    """Open the log source, by default the trails of the caller's account, and pass its notes on.

    Args:
        logs: where the logs are.
        profile: AWS profile; "" for the default one.
        read: how they are read.
        digests: whether their files are checked first.
        notify: takes the notes of the source.

    Raises:
        PolicygenError: there is no such source, it cannot be opened, or it has no digests to verify it by.
    """
    from policygen.errors import UsageError
    from policygen.logs.registry import AwsOptions, open_source

    if digests.public_keys and not digests.verify_digests:
        raise UsageError(
            "--public-keys without --verify-digests: there is nothing to check with them",
            "give both, or neither",
            code="PG-E234",
        )
    source = open_source(logs.logs or ["auto"], AwsOptions(profile, max_scan=_bytes(read.max_scan)))
    for note in source.notes:
        notify(note)
    if not digests.verify_digests:
        return source
    from policygen.logs.verify.verified_source import verify_source

    return verify_source(source, digests.public_keys, notify)


def _bytes(text: str) -> int | None:
    """Parse a size like ``50GB``; return bytes, or None for "".

    Raises:
        UsageError: PG-E224, the text is not a size.
    """
    import re

    from policygen.errors import UsageError
    from policygen.text import escape_controls

    if not text:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", text.strip(), re.IGNORECASE)
    if not match:
        raise UsageError(
            f"--max-scan is not a size: {escape_controls(text)[:40]!r}", "for example 50GB", code="PG-E224"
        )
    return int(float(match[1]) * 1000 ** " KMGT".index(match[2].upper() or " "))


@contextmanager
def report_options(journal: Path, notify: Callable[[str], None], *, quiet: bool) -> Iterator[ReportOptions]:
    """Yield how last-accessed reports are read; the progress line ends with the context.

    Args:
        journal: the file that keeps what was read until all of it is there. It is removed at the end of the context,
            but for one that ends by an error or by Ctrl-C.
        notify: takes messages.
        quiet: whether to show no progress.
    """
    from msgspec.structs import replace

    from policygen.account.report_journal import ReportJournal
    from policygen.account.report_reader import ReportOptions
    from policygen.cli.progress import ProgressBar

    bar = ProgressBar()
    kept = ReportJournal(journal)
    options = ReportOptions(journal=kept)
    try:
        yield options if quiet else replace(options, on_progress=bar.reports)
    except KeyboardInterrupt:
        if journal.exists():
            notify("what IAM said so far is kept: the same command goes on from there")
        raise
    finally:
        bar.close()
    kept.clear()


def open_account(
    account: AccountInput,
    notify: Callable[[str], None],
    role: str = "",
    choice: RoleFilter | None = None,
    *,
    quiet: bool = False,
) -> Account | None:
    """Read the account from the snapshot or from AWS; return None if neither is given.

    Args:
        account: the snapshot, or whether to read from AWS, and the AWS profile.
        notify: takes messages about what is being read.
        role: the only role to read from AWS; "" for the account with all its roles.
        choice: the roles whose last-accessed reports are read from AWS; None for no report.
        quiet: whether to show no progress.

    Raises:
        PolicygenError: PG-E208, both are given; what reading them raises.
    """
    from policygen.errors import UsageError

    if account.region:  # every client of this process, those of log sources too
        os.environ["AWS_REGION"] = account.region
    if account.snapshot and account.live:
        raise UsageError(
            "--snapshot and --live cannot be used together",
            "give one of them",
            code="PG-E208",
            instead=("--live", ""),
        )
    if account.snapshot:
        from policygen.account.snapshot import load_snapshot

        return load_snapshot(account.snapshot)
    if not account.live:
        return None
    from policygen.account.aws_session import open_session

    session = open_session(account.profile or None)
    if role:
        from policygen.account.live import read_role
        from policygen.evidence.role import parse_role

        parse_role(role)
        return read_role(
            role,
            session,
            on_message=notify,
            last_accessed=account.last_accessed,
            resources=account.inventory,
        )
    from policygen.account.live import take_snapshot
    from policygen.account.snapshot import to_account
    from policygen.files import cache_folder
    from policygen.text import file_name

    journal = cache_folder() / "reports" / f"{file_name(account.profile or 'default')}.jsonl"
    with report_options(journal, notify, quiet=quiet) as options:
        asked = choice.role_names if choice and account.last_accessed else False
        snapshot = take_snapshot(
            session, on_message=notify, last_accessed=asked, resources=account.inventory, reports=options
        )
    return to_account(snapshot, "the account")


def open_decisions(decisions: DecisionInput) -> Decisions:
    """Read the file of decisions, by default the configuration file, and add those of the command line.

    A file that was found and not asked for is named even to whoever wants no progress, because it changes the answer.

    Raises:
        UsageError: PG-E360 to PG-E366, they cannot be read or contradict each other.
    """
    from datetime import UTC, datetime

    from msgspec.structs import replace

    from policygen.cli.console import log_line
    from policygen.configuration import read_configuration
    from policygen.rightsize.decisions.load import decisions_of, load_decisions, with_flags
    from policygen.rightsize.decisions.model import Decisions

    configured, found = read_configuration(), Decisions()
    if decisions.decisions:
        found = load_decisions(decisions.decisions)
        found = replace(found, unverified=found.unverified or configured.settings.get("unverified"))
    elif configured.decides:
        found = decisions_of(configured.table, str(configured.path))
        log_line(found.note)
    found.refuse_reports_to_come(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    return with_flags(found, decisions.keep or (), decisions.drop or ())


def open_traces(witnesses: WitnessInput) -> Traces | None:
    """Read the traces; None without any.

    Raises:
        UsageError: PG-E264, PG-E265, as `read_traces`.
    """
    if not witnesses.traces:
        return None
    from policygen.logs.traces.read import read_traces

    return read_traces(witnesses.traces)


def with_witnesses(
    account: Account | None, witnesses: WitnessInput, traces: Traces | None, notify: Callable[[str], None]
) -> Account | None:
    """Return the account with what was analysed of its code; say what was read of traces, and what counts for nobody.

    Args:
        account: as `open_account` returns it.
        witnesses: what is handed over beside the logs.
        traces: as `open_traces` returns them.
        notify: takes messages.

    Raises:
        UsageError: PG-E266, a file of code cannot be read, or there is no account whose functions it could be of.
    """
    from msgspec.structs import replace

    code = open_code(witnesses, account_known=account is not None)
    say_traces(traces, [account] if account else [], notify)
    return replace(account, code=code) if account else None


def say_traces(traces: Traces | None, accounts: Iterable[Account], notify: Callable[[str], None]) -> None:
    """Say what was read of traces, and what of it counts for nobody.

    Args:
        traces: as `open_traces` returns them.
        accounts: those that are known.
        notify: takes messages.
    """
    if traces is None:
        return
    from policygen.evidence.traced import report_of

    for sentence in report_of(traces, accounts).sentences():
        notify(sentence)


def open_code(witnesses: WitnessInput, *, account_known: bool) -> tuple[FunctionCode, ...]:
    """Read what was analysed of functions' code; () without any.

    Raises:
        UsageError: PG-E266, a file cannot be read, or there is no account whose functions it could be of.
    """
    if not witnesses.code:
        return ()
    from policygen.account.function_code import read_code
    from policygen.errors import UsageError

    code = read_code(witnesses.code)
    if not account_known:
        raise UsageError(
            "--code needs the account, to know the role of each function",
            "add --snapshot FILE, or --live",
            code="PG-E266",
        )
    return code
