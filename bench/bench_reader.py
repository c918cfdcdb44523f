"""Measure how long it takes to read a month of logs: policygen, plain Python and other tools, each on one core.

    python bench/bench_reader.py [EVENTS] [REPEATS] [--roles 400] [--accounts 5] [--corpus FOLDER] [--only WORD]
        [--write]

Makes the corpus (or uses the one in FOLDER), then runs all contenders in turn, REPEATS times, each in a fresh process
pinned to one core. Prints a table in Markdown; ``--write`` writes docs/concepts/performance.md around it. Tools that
are not installed are left out, and a line names them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from baselines.contenders import PLAIN, POLICYGEN, Contender, contenders
from bench_page import Measured, Setting, page, table

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "concepts" / "performance.md"


class Corpus(NamedTuple):
    """The logs, and what corpus.json says of them."""

    logs: Path
    about: dict[str, Any]


class Run(NamedTuple):
    """One process and what it printed."""

    seconds: float
    cpu: float
    """Seconds of computing, all its processes together."""
    peak: float
    """MB of the largest of them."""
    said: dict[str, Any]


# ---- the corpus -----------------------------------------------------------------------------------------


def corpus_in(folder: Path, events: int, roles: int, accounts: int) -> Corpus:
    """The corpus in a folder, made where there is none.

    Raises:
        SystemExit: the folder holds another corpus, or one that was not finished.
    """
    logs, about = folder / "AWSLogs", folder / "corpus.json"
    if not about.exists():
        if logs.exists():
            raise SystemExit(f"{logs} was not finished: remove it first")
        say(f"making {events:,} events of {roles:,} roles")
        # In a process of its own: the system never reports a child's peak memory as less than its parent's.
        maker = [sys.executable, "-m", "bench.corpora.trail", str(folder.resolve()), str(events)]
        options = ["--roles", str(roles), "--accounts", str(accounts)]
        subprocess.run([*maker, *options], cwd=ROOT, check=True, stdout=sys.stderr)
    found = json.loads(about.read_text("utf-8"))
    if (found["events"], found["roles"], found["accounts"]) != (events, roles, accounts):
        raise SystemExit(f"{about} tells of another corpus: name another folder")
    return Corpus(logs, found)


def link(made: Corpus, target: Path, *, last: bool) -> None:
    """Links the files of the last day, or those of all the other days, into another folder."""
    for file in made.logs.rglob("*.json.gz"):
        path = file.relative_to(made.logs)
        if (made.about["last_day"] in path.as_posix()) == last:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            os.link(file, target / path)


# ---- measuring ------------------------------------------------------------------------------------------


def run(command: Sequence[str]) -> Run:
    """Runs a command and waits for it.

    Raises:
        SystemExit: it failed.
    """
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err, env={**os.environ, "PYTHONPATH": path})
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            raise SystemExit(f"exit {process.returncode}: {' '.join(command)}\n{err.read().decode()}")
        unit = 1 if sys.platform == "darwin" else 1024
        cpu = usage.ru_utime + usage.ru_stime
        return Run(seconds, cpu, usage.ru_maxrss * unit / 1e6, json.loads(out.read()))


def measure(one: Contender, made: Corpus, work: Path) -> Run:
    """Runs a contender once: with an empty cache, or with what it kept of all days but the last."""
    cache, grown = work / "cache", work / "grown"
    for folder in (cache, grown):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    logs = made.logs
    if one.job == "again":
        logs = grown
        link(made, logs, last=False)
        run(_filled(one, made, logs, cache))
        link(made, logs, last=True)
    return run(_filled(one, made, logs, cache))


def _filled(one: Contender, made: Corpus, logs: Path, cache: Path) -> list[str]:
    words = {"{logs}": str(logs), "{role}": made.about["hot_role"], "{cache}": str(cache)}
    return [words.get(word, word) for word in one.command]


def measure_all(asked: Sequence[Contender], repeats: int, made: Corpus, work: Path) -> list[Measured]:
    """Runs all contenders in turn, as often as asked, after a look at every file, so that none waits for the disk."""
    for file in made.logs.rglob("*.json.gz"):
        file.read_bytes()
    runs: list[list[Run]] = [[] for _ in asked]
    for number in range(repeats):
        for one, kept in zip(asked, runs, strict=True):
            kept.append(measure(one, made, work))
            say(
                f"{number + 1}/{repeats} {one.name}, {one.job}: {kept[-1].seconds:.2f} s, {kept[-1].peak:.0f} MB"
            )
    return [
        Measured(
            one.name,
            one.job,
            tuple(run.seconds for run in kept),
            tuple(run.cpu for run in kept),
            max(run.peak for run in kept),
            kept[0].said.get("events"),
            kept[0].said.get("groups"),
        )
        for one, kept in zip(asked, runs, strict=True)
    ]


def check(found: Sequence[Measured]) -> None:
    """Stops where policygen and plain Python do not count the same events: one of them did less work.

    Raises:
        SystemExit: with both counts.
    """
    plain = {one.job: one.events for one in found if one.name == PLAIN}
    for one in found:
        wanted = plain.get("one role" if one.job == "again" else one.job)
        if one.name == POLICYGEN and wanted is not None and one.events != wanted:
            raise SystemExit(f"{one.job}: policygen counts {one.events} events, plain Python {wanted}")


def pin() -> None:
    """Pins this process, and those that it will start, to one core, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    else:
        say("this system cannot pin a process to a core")


def say(text: str) -> None:
    """Progress."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="Measures reading a month of logs.")
    parser.add_argument("events", type=int, nargs="?", default=1_000_000)
    parser.add_argument("repeats", type=int, nargs="?", default=3)
    parser.add_argument("--roles", type=int, default=400)
    parser.add_argument(
        "--accounts", type=int, default=5, help="1, with --roles 1000: an account of many roles"
    )
    parser.add_argument("--corpus", type=Path, help="where the corpus is, or is to be kept")
    parser.add_argument("--only", default="", help="only what has this word in its name or job")
    parser.add_argument("--write", action="store_true", help="write docs/concepts/performance.md")
    asked = parser.parse_args()
    if asked.write and asked.only:
        parser.error("--write is for the whole table, not for --only a part")
    wanted = [one for one in contenders() if asked.only in f"{one.name}, {one.job}"]
    missing = [f"{one.name}, {one.job}: no {one.lacks}" for one in wanted if one.lacks]
    for line in missing:
        say(f"left out: {line}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.corpus or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        made = corpus_in(folder, asked.events, asked.roles, asked.accounts)
        packed = sum(file.stat().st_size for file in made.logs.rglob("*.json.gz"))
        pin()
        with tempfile.TemporaryDirectory(dir=folder) as work:  # beside the logs, since they are linked
            found = measure_all([one for one in wanted if not one.lacks], asked.repeats, made, Path(work))
    check(found)
    print(table(found))
    if asked.write:
        setting = Setting(made.about, packed, os.cpu_count() or 1, asked.repeats, tuple(missing))
        PAGE.write_text(page(setting, found), "utf-8")
        say(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
