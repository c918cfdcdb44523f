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
from policygen.cli import progress
from policygen.cli.console import LINE, ProgressLine
from policygen.cli.progress import ProgressBar, describe, describe_reports, describe_roles
from policygen.evidence.role import parse_role
from policygen.logs.calls.counts import no_role
from policygen.logs.chunk import ReadRequest
from policygen.logs.reader import Progress, ReadOptions, read_source
from policygen.logs.registry import open_source
from tests.support import ROOT

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
        """What stood in the line that changes, one state after the other, without colours."""
        plain = re.sub(r"\x1b\[[0-9;]*m", "", self.getvalue()).replace("\x1b[2K", "\r")
        return [text.rstrip() for text in plain.split("\r") if text.strip()]


@contextmanager
def terminal() -> Iterator[Terminal]:
    """A terminal in the place of stderr."""
    with redirect_stderr(Terminal()) as made:
        yield made


class Clock:
    """What `time.monotonic` says, in seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("policygen.cli.progress.time.monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


# --- what it says ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (Progress(0, 10, 0, 0, 0, 0), "read 0/10 files, 0 events, 0 matches"),
        (Progress(4, 10, 0, 0, 7), "read 4/10 files, 7 events (0.7/s), 0:15 left"),
        (
            Progress(1_204, 3_112, 30_000_000, 120_000_000, 412_000, 1_204),
            "read 1,204/3,112 files, 30/120 MB, 412k events (41k/s), 1,204 matches, 0:30 left",
        ),
        (
            Progress(10, 20, 1_000_000, 2_000_000, 5_000, 7, 2),
            "read 10/20 files in 2 processes, 1/2 MB, 5,000 events (500/s), 7 matches, 0:10 left",
        ),
        (
            Progress(98_765, 312_000, 1, 4_000, 999_499, 999_500),
            "read 99k/312k files, 0/0 MB, 999k events (100k/s), 1M matches, 11:06:30 left",
        ),
        (
            Progress(9, 9, 20_000_000_000, 20_000_000_000, 41_118_204, 812_390),
            "read 9/9 files, 20/20 GB, 41.1M events (4.11M/s), 812k matches",
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
    assert told[-1] == Progress(files, files, size, size, found.read_report.items, own)
    assert [one.matches for one in told] == sorted(one.matches or 0 for one in told)
    read_source(open_source(TRAIL), ReadRequest(no_role), options=ReadOptions(on_progress=told.append))
    assert told[-1].matches is None


# --- on a terminal ---------------------------------------------------------------------------------------


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar is shown from the first moment on."""
    monkeypatch.setattr(progress, "DELAY", 0.0)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("TERM", raising=False)


def shown_in_time(shown: Terminal, text: str) -> bool:
    """Whether a text comes onto the terminal, which is drawn by a thread of its own."""
    end = time.monotonic() + 20
    while text not in "\n".join(shown.lines) and time.monotonic() < end:
        time.sleep(0.01)
    return text in "\n".join(shown.lines)


def test_a_terminal_shows_a_bar_with_rate_and_time_left_and_at_the_end_nothing(patience: None) -> None:
    with terminal() as shown:
        bar = ProgressBar()
        bar._begin -= 10
        bar(Progress(50, 100, 50_000_000, 100_000_000, 4_000, 12))
        assert shown_in_time(shown, "read 50/100 files, 50/100 MB, 4,000 events (")
        bar.close()
    states = {text for text in shown.lines if "files" in text}
    assert all(re.fullmatch(r"━+╺━+ read 50/100 .*\([234]\d\d/s\), 0:1\d left", state) for state in states)
    assert shown.getvalue().endswith("\x1b[2K")


def test_a_short_work_shows_no_bar_and_imports_nothing_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "policygen.cli.terminal_bar")
    with terminal() as shown:
        bar = ProgressBar()
        for step in range(101):
            bar(Progress(step, 100, step, 100, step, step))
        bar.close()
    assert shown.lines == []
    assert "policygen.cli.terminal_bar" not in sys.modules


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_a_line_is_no_longer_than_the_terminal(
    columns: int, patience: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    with terminal() as shown:
        bar = ProgressBar()
        bar._begin -= 10
        bar(Progress(300_000, 312_000, 10**15, 10**16, 10**12, 10**12))
        assert shown_in_time(shown, "read 300k/312k")
        bar.close()
        ProgressLine().show("x" * 500)
    assert all(len(text) <= columns or text.startswith("xxx") for text in shown.lines)
    states = " ".join(shown.lines)
    assert (" MB" in states or " GB" in states, "left" in states) == (columns >= 120, columns >= 60)


def test_what_is_said_meanwhile_has_a_line_of_its_own(patience: None) -> None:
    with terminal() as shown:
        LINE.show("a long line that changes")
        cli.log_line("warning: short")
        *_, blank, said = shown.getvalue().split("\r")
        assert (blank, said) == (" " * len("a long line that changes"), "warning: short\n")
        bar = ProgressBar()
        bar(Progress(1, 4, 0, 0, 5))
        assert shown_in_time(shown, "1/4")
        cli.log_line("warning: [red]no[/] markup " + "x" * 100 + "\x1b[2J")
        bar.close()
    assert "warning: [red]no[/] markup " + "x" * 100 + "\\x1b[2J\n" in shown.getvalue()


def test_time_goes_on_although_nothing_is_done(patience: None) -> None:
    with terminal() as shown:
        bar = ProgressBar()
        bar(Progress(1, 4, 0, 0, 5))
        begin = bar._begin
        assert shown_in_time(shown, "5 events")
        bar._begin = begin - 20
        assert shown_in_time(shown, "5 events (0.2/s), 1:0")
        bar.close()
        states = shown.getvalue()
        bar(Progress(2, 4, 0, 0, 6))
        time.sleep(0.2)
    assert shown.getvalue() == states


def test_a_terminal_that_cannot_redraw_gets_lines(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with terminal() as shown:
        bar = ProgressBar()
        clock.now = 11
        bar(Progress(1, 4, 0, 0, 5))
        bar.close()
    assert shown.getvalue() == "policygen: read 1/4 files, 5 events (0.5/s), 0:33 left\n"


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
        "policygen: read 10/25 files, 0/0 MB, 10 events (1.0/s), 0 matches, 0:15 left",
        "policygen: read 20/25 files, 0/0 MB, 20 events (1.0/s), 0 matches, 0:05 left",
    ]


@pytest.mark.parametrize(
    ("done", "already", "line"),
    [
        (0, 0, "read what IAM saw of 0 of 400 roles"),
        (100, 0, "read what IAM saw of 100 of 400 roles (1.7/s), 3:00 left"),
        (250, 150, "read what IAM saw of 250 of 400 roles (1.7/s), 1:30 left"),
        (150, 150, "read what IAM saw of 150 of 400 roles"),
        (400, 0, "read what IAM saw of 400 of 400 roles (6.7/s)"),
    ],
)
def test_progress_of_reports_counts_the_time_of_those_that_were_read_now(
    done: int, already: int, line: str
) -> None:
    assert describe_reports(done, 400, already, 60) == line


def test_roles_have_a_rate_and_a_time_left() -> None:
    assert describe_roles(30, 120, 60) == "right-sized 30 of 120 roles (0.5/s), 3:00 left"
    assert describe_roles(120, 120, 2) == "right-sized 120 of 120 roles (60/s)"


def test_reports_and_roles_are_shown_as_they_come_in(patience: None) -> None:
    with terminal() as seen:
        for count in (ProgressBar.reports, ProgressBar.roles):
            bar = ProgressBar()
            count(bar, 2, 3)
            assert shown_in_time(seen, "of 3 roles")
            bar.close()
            seen.truncate(0)
    assert LINE.say_above is None


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
made = cli.program(sys.argv[1:])
(suggest,) = made.registered_commands
work = suggest.callback
@wraps(work)
def timed(*arguments, **options):
    global begin
    begin = time.process_time()
    work(*arguments, **options)
suggest.callback = timed
cli.program = lambda words: made
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


def test_a_real_terminal_sees_the_start_and_at_the_end_the_summary_alone(tmp_path: Path) -> None:
    shown = on_a_terminal(tmp_path, *SUGGEST)
    states = [text.strip() for text in shown.split("\r") if text.strip()]
    assert states[:2] == ["starting", "looking for log files"]
    last = re.split("\r|\x1b\\[2K", shown.rstrip())[-1]
    assert last.startswith("read ")
    assert "records in" in last


def test_quiet_shows_nothing(tmp_path: Path) -> None:
    assert on_a_terminal(tmp_path, *SUGGEST, "-q") == ""
