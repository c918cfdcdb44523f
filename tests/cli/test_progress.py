"""What a person sees while the work goes on: a sign of life at once, how far it is, and nothing left over."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

import pytest

import policygen.logs.chunk
import policygen.logs.reader
from policygen.cli import app as cli
from policygen.cli import console as progress
from policygen.cli.console import LINE, ProgressBar, ProgressLine, describe, describe_reports
from policygen.evidence.role import parse_role
from policygen.logs.calls.counts import no_role
from policygen.logs.chunk import ReadRequest
from policygen.logs.reader import Progress, ReadOptions, read_source
from policygen.logs.registry import open_source
from tests.support import ROOT
from tests.support.command import LONG

TRAIL, SNAPSHOT = ROOT / "samples" / "trail", ROOT / "samples" / "account.json"
SUGGEST = ("suggest", "-r", "orders-api", "-l", TRAIL, "-s", SNAPSHOT, "--no-plan")
ROLE = parse_role("orders-api")

AT_ONCE = 0.1
"""Seconds of work before a terminal shows something, from the moment at which the command begins."""


class Terminal(io.StringIO):
    """A stderr that is a terminal of 80 columns."""

    def isatty(self) -> bool:
        return True

    @property
    def lines(self) -> list[str]:
        """What stood in the line that changes, one state after the other."""
        return [text.rstrip() for text in self.getvalue().split("\r") if text.strip()]


@contextmanager
def terminal() -> Iterator[Terminal]:
    """A terminal in the place of stderr."""
    with redirect_stderr(Terminal()) as made:
        yield made


class Clock:
    """What `time.monotonic` says, in seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("policygen.cli.console.time.monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


# --- what it says ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (Progress(0, 10, 0, 0, 0, 0), "read 0/10 files, 0 events, 0 matches"),
        (Progress(4, 10, 0, 0, 7), "read 4/10 files, 7 events, 0:15 left"),
        (
            Progress(1_204, 3_112, 30_000_000, 120_000_000, 412_000, 1_204),
            "read 1,204/3,112 files, 30/120 MB, 412k events, 1,204 matches, 0:30 left",
        ),
        (
            Progress(98_765, 312_000, 1, 4_000, 999_499, 999_500),
            "read 99k/312k files, 0/0 MB, 999k events, 1M matches, 11:06:30 left",
        ),
        (
            Progress(9, 9, 20_000_000_000, 20_000_000_000, 41_118_204, 812_390),
            "read 9/9 files, 20/20 GB, 41.1M events, 812k matches",
        ),
    ],
)
def test_progress_says_how_far_it_is_and_how_long_it_takes(state: Progress, line: str) -> None:
    assert describe(state, 10.0) == line


def test_the_engine_tells_files_megabytes_events_and_those_of_the_role(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(policygen.logs.chunk, "CHUNK_OBJECTS", 8)
    told: list[Progress] = []
    found = read_source(
        open_source(TRAIL),
        ReadRequest(ROLE.matches, role=ROLE.name),
        options=ReadOptions(on_progress=told.append),
    )
    files, size = told[0].of_objects, told[0].of_size
    assert told[0] == Progress(0, files, 0, size, 0, 0)
    own = sum(one.count for calls in found.counts.calls.values() for one in calls.values())
    assert told[-1] == Progress(files, files, size, size, found.counts.totals.records, own)
    assert [one.matches for one in told] == sorted(one.matches or 0 for one in told)
    read_source(open_source(TRAIL), ReadRequest(no_role), options=ReadOptions(on_progress=told.append))
    assert told[-1].matches is None


# --- on a terminal ---------------------------------------------------------------------------------------


def test_a_terminal_shows_the_first_state_at_once_and_then_not_too_many(clock: Clock) -> None:
    with terminal() as shown:
        bar = ProgressBar()
        for step in range(101):
            clock.now = step / 100
            bar(Progress(step, 100, step, 100, step, step))
        states = shown.lines
        bar.close()
    assert states[0] == "[........] 0/100 files, 0/0 MB, 0 events, 0 matches"
    assert 8 <= len(states) <= 11
    assert re.match(r"\[####\.\.\.\.\] 5\d/100 files", states[5])
    assert shown.getvalue().endswith(f"\r{'':{len(states[-1])}}\r")


def test_a_line_is_no_longer_than_the_terminal(clock: Clock) -> None:
    with terminal() as shown:
        bar = ProgressBar()
        bar(Progress(312_000, 312_000, 10**16, 10**16, 10**12, 10**12))
        ProgressLine().show("x" * 500)
        bar.close()
    assert all(len(text) <= 79 for text in shown.lines)
    assert "[" not in shown.lines[0]  # no room for a bar


def test_what_is_said_meanwhile_has_a_line_of_its_own() -> None:
    with terminal() as shown:
        LINE.show("a long line that changes")
        cli.log_line("warning: short")
    *_, blank, said = shown.getvalue().split("\r")
    assert (blank, said) == (" " * len("a long line that changes"), "warning: short\n")


def test_time_goes_on_although_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "TICK", 0.02)
    monkeypatch.setattr(progress, "REDRAW", 0.0)
    with terminal() as shown:
        bar = ProgressBar()
        bar(Progress(1, 4, 0, 0, 5))
        end = time.monotonic() + LONG
        while len(shown.lines) < 4 and time.monotonic() < end:
            time.sleep(0.01)
        bar.close()
        states = len(shown.lines)
        assert states >= 4
        time.sleep(0.1)
    assert len(shown.lines) == states


# --- where nobody looks ----------------------------------------------------------------------------------


def test_progress_is_a_line_every_ten_seconds_where_nobody_looks(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    bar = ProgressBar()
    for second in range(25):
        clock.now = float(second)
        bar(Progress(second, 25, second, 25, second, 0))
    bar.close()
    assert capsys.readouterr().err.splitlines() == [
        "policygen: read 10/25 files, 0/0 MB, 10 events, 0 matches, 0:15 left",
        "policygen: read 20/25 files, 0/0 MB, 20 events, 0 matches, 0:05 left",
    ]


@pytest.mark.parametrize(
    ("done", "already", "line"),
    [
        (0, 0, "read what IAM saw of 0 of 400 roles"),
        (100, 0, "read what IAM saw of 100 of 400 roles, 3:00 left"),
        (250, 150, "read what IAM saw of 250 of 400 roles, 1:30 left"),
        (150, 150, "read what IAM saw of 150 of 400 roles"),
        (400, 0, "read what IAM saw of 400 of 400 roles"),
    ],
)
def test_progress_of_reports_counts_the_time_of_those_that_were_read_now(
    done: int, already: int, line: str
) -> None:
    assert describe_reports(done, 400, already, 60) == line


def test_reports_are_shown_as_they_come_in(clock: Clock) -> None:
    with terminal() as seen:
        bar = ProgressBar()
        for done in range(4):
            bar.reports(done, 3)
            clock.now += 1
        bar.close()
    assert seen.lines[0] == "read what IAM saw of 0 of 3 roles"
    assert seen.lines[-1] == "read what IAM saw of 3 of 3 roles"


def test_a_line_that_changes_is_for_terminals(capsys: pytest.CaptureFixture[str]) -> None:
    ProgressLine().show("starting")
    assert capsys.readouterr().err == ""


# --- the first sign of life ------------------------------------------------------------------------------

MEASURED = """
import io, sys, time
from functools import wraps
from policygen.cli import app as cli
class Terminal(io.StringIO):
    first, loaded = 0.0, set()
    def isatty(self):
        return True
    def write(self, text):
        if not self.first:
            self.first, self.loaded = time.process_time(), set(sys.modules)
        return super().write(text)
(suggest,) = [one for one in cli.app.registered_commands if one.name == "suggest"]
work = suggest.callback
@wraps(work)
def timed(*arguments, **options):
    global begin
    begin = time.process_time()
    work(*arguments, **options)
suggest.callback = timed
sys.stderr = Terminal()
try:
    cli.main()
finally:
    heavy = {"boto3", "msgspec", "pandas", "pyarrow", "policygen.rightsize.analysis"} & sys.stderr.loaded
    print(sys.stderr.first - begin, *heavy, file=sys.__stderr__)
"""


def test_the_first_sign_of_life_comes_before_what_takes_time_to_import() -> None:
    command = [sys.executable, "-c", MEASURED, *map(str, SUGGEST)]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, *heavy = made.stderr.split()
    assert 0 < float(seconds) < AT_ONCE
    assert heavy == []


def on_a_terminal(at: Path, *words: str | Path) -> str:
    """What a command writes to a terminal that is its stderr."""
    ours, theirs = pty.openpty()
    with (at / "out").open("wb") as out:
        command = [sys.executable, "-m", "policygen", *map(str, words)]
        environment = {**os.environ, "POLICYGEN_CACHE": str(at)}
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=theirs, env=environment)
    os.close(theirs)
    text = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # Linux's word for the end
            break
        if not piece:
            break
        text += piece
    os.close(ours)
    assert process.wait() == 0, text
    return text.decode()


def test_a_real_terminal_sees_the_start_the_bar_and_at_the_end_the_summary_alone(tmp_path: Path) -> None:
    shown = on_a_terminal(tmp_path, *SUGGEST)
    states = [text.strip() for text in shown.split("\r") if text.strip()]
    assert states[:2] == ["starting", "looking for log files"]
    assert states[2].startswith("[")
    assert " files, " in states[2]
    last = shown.rstrip().rpartition("\r")[2]
    assert last.startswith("read ")
    assert "records in" in last


def test_quiet_shows_nothing(tmp_path: Path) -> None:
    assert on_a_terminal(tmp_path, *SUGGEST, "-q") == ""
