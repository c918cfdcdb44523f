"""Measure how long it takes to read a month of logs: policygen, plain Python and other tools, each on one core.

    python bench/bench_reader.py [EVENTS] [REPEATS] [--others REPEATS] [--roles 400] [--accounts 5] [--corpus FOLDER]
        [--only WORD] [--write]

Makes the corpus (or uses the one in FOLDER), then runs all contenders in turn, REPEATS times, the other programs
``--others`` times, each in a fresh process pinned to one core. Prints a table in Markdown; ``--write`` writes
docs/concepts/performance.md around it. Tools that are not installed are left out, and a line names them.
"""

from __future__ import annotations

import argparse
import gzip
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

import msgspec
from baselines.contenders import PLAIN, POLICYGEN, Contender, contenders
from bench_page import Measured, Setting, page, sections_of, table, with_sections

SMALL = 10
"""Records in a small file."""


class _Pieces(msgspec.Struct):
    Records: list[msgspec.Raw]


_pieces = msgspec.json.Decoder(_Pieces)

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "concepts" / "performance.md"


class Corpus(NamedTuple):
    """The logs, and the content of corpus.json."""

    logs: Path
    about: dict[str, Any]
    small: Path
    """The same logs, in small files."""


class Run(NamedTuple):
    """One process: its costs, and the JSON that it printed."""

    seconds: float
    cpu: float
    """Seconds of CPU time, of all its processes together."""
    peak: float
    """Peak memory in MB, of its largest process."""
    output: dict[str, Any]


# ---- the corpus -----------------------------------------------------------------------------------------


def corpus_in(folder: Path, events: int, roles: int, accounts: int) -> Corpus:
    """Return the corpus in a folder; make it if there is none.

    Raises:
        SystemExit: the folder has another corpus, or an incomplete one.
    """
    logs, about = folder / "AWSLogs", folder / "corpus.json"
    if not about.exists():
        if logs.exists():
            raise SystemExit(f"{logs} was not finished: remove it first")
        log_line(f"making {events:,} events of {roles:,} roles")
        # In a process of its own: the system never reports a child's peak memory as less than its parent's.
        maker = [sys.executable, "-m", "bench.corpora.trail", str(folder.resolve()), str(events)]
        options = ["--roles", str(roles), "--accounts", str(accounts)]
        subprocess.run([*maker, *options], cwd=ROOT, check=True, stdout=sys.stderr)
    content = json.loads(about.read_text("utf-8"))
    if (content["events"], content["roles"], content["accounts"]) != (events, roles, accounts):
        raise SystemExit(f"{about} is about another corpus: name another folder")
    return Corpus(logs, content, folder / "small" / "AWSLogs")


def link(corpus: Corpus, target: Path, *, last: bool) -> None:
    """Link the files of the last day, or those of all other days, into another folder."""
    for file in corpus.logs.rglob("*.json.gz"):
        path = file.relative_to(corpus.logs)
        if (corpus.about["last_day"] in path.as_posix()) == last:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            os.link(file, target / path)


def small_files(corpus: Corpus, folder: Path) -> Path:
    """Return a folder with the same records in files of ten; make it if there is none."""
    logs = folder / "small" / "AWSLogs"
    if logs.exists():
        return logs
    log_line(f"making files of {SMALL} records")
    for file in sorted(corpus.logs.rglob("*.json.gz")):
        records = _pieces.decode(gzip.decompress(file.read_bytes())).Records
        place = logs.with_name("unfinished") / file.relative_to(corpus.logs).parent
        place.mkdir(parents=True, exist_ok=True)
        head, end = file.name.removesuffix(".json.gz")[:-5], ".json.gz"
        for number, start in enumerate(range(0, len(records), SMALL)):
            text = msgspec.json.encode({"Records": records[start : start + SMALL]})
            (place / f"{head}{number:05}{end}").write_bytes(gzip.compress(text, 6, mtime=0))
    logs.with_name("unfinished").rename(logs)
    return logs


# ---- measuring ------------------------------------------------------------------------------------------


def run(command: Sequence[str]) -> Run:
    """Run a command and wait for it.

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


def measure(contender: Contender, corpus: Corpus, work: Path) -> Run:
    """Run a contender once, with an empty cache; for the job ``again`` with a cache of all days but the last."""
    cache, grown = work / "cache", work / "grown"
    for folder in (cache, grown):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    logs = corpus.small if contender.small else corpus.logs
    if contender.job == "again":
        logs = grown
        link(corpus, logs, last=False)
        run(_command(contender, corpus, logs, cache))
        link(corpus, logs, last=True)
    return run(_command(contender, corpus, logs, cache))


def _command(contender: Contender, corpus: Corpus, logs: Path, cache: Path) -> list[str]:
    role = corpus.about["rare_role" if contender.job.startswith("rare") else "hot_role"]
    words = {"{logs}": str(logs), "{role}": role, "{cache}": str(cache)}
    return [words.get(word, word) for word in contender.command]


def measure_all(
    wanted: Sequence[Contender], repeats: int, others: int, corpus: Corpus, work: Path
) -> list[Measured]:
    """Run all contenders in turn, `repeats` times; the other programs `others` times."""
    for file in (*corpus.logs.rglob("*.json.gz"), *corpus.small.rglob("*.json.gz")):
        file.read_bytes()  # into the page cache, so that no run waits for the disk
    runs: list[list[Run]] = [[] for _ in wanted]
    for number in range(max(repeats, others)):
        for contender, own_runs in zip(wanted, runs, strict=True):
            if number >= (repeats if contender.is_ours or "floor" in contender.job else others):
                continue
            latest = measure(contender, corpus, work)
            own_runs.append(latest)
            costs = f"{latest.seconds:.2f} s, {latest.peak:.0f} MB"
            log_line(f"{number + 1} {contender.name}, {contender.job}: {costs}")
    return [
        Measured(
            contender.name,
            contender.job,
            tuple(run.seconds for run in own_runs),
            tuple(run.cpu for run in own_runs),
            max(run.peak for run in own_runs),
            own_runs[0].output.get("events"),
            own_runs[0].output.get("groups"),
        )
        for contender, own_runs in zip(wanted, runs, strict=True)
    ]


def check(measured: Sequence[Measured]) -> None:
    """Stop if policygen and plain Python count different numbers of events: one of them does less work.

    Raises:
        SystemExit: the counts differ; the message has both.
    """
    plain = {one.job: one.events for one in measured if one.name == PLAIN}
    for one in measured:
        expected = plain.get("one role" if one.job in {"again", "small files"} else one.job)
        if one.name == POLICYGEN and expected is not None and one.events != expected:
            raise SystemExit(f"{one.job}: policygen counts {one.events} events, plain Python {expected}")


def pin() -> None:
    """Pin this process and the processes that it starts to one core, if the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    else:
        log_line("this system cannot pin a process to a core")


def log_line(text: str) -> None:
    """Print a line of progress."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measures reading a month of logs.")
    parser.add_argument("events", type=int, nargs="?", default=1_000_000)
    parser.add_argument("repeats", type=int, nargs="?", default=3)
    parser.add_argument("--others", type=int, help="repeats of the other programs; as many by default")
    parser.add_argument("--roles", type=int, default=400)
    parser.add_argument(
        "--accounts", type=int, default=5, help="1, with --roles 1000: an account of many roles"
    )
    parser.add_argument("--corpus", type=Path, help="where the corpus is, or is to be kept")
    parser.add_argument("--only", default="", help="only what has this word in its name or job")
    parser.add_argument("--write", action="store_true", help="write docs/concepts/performance.md")
    options = parser.parse_args()
    if options.write and options.only:
        parser.error("--write is for the whole table, not for --only a part")
    wanted = [one for one in contenders() if options.only in f"{one.name}, {one.job}"]
    missing = [f"{one.name}, {one.job}: no {one.lacks}" for one in wanted if one.lacks]
    for line in missing:
        log_line(f"left out: {line}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.corpus or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        corpus = corpus_in(folder, options.events, options.roles, options.accounts)
        if any(one.small for one in wanted):
            small_files(corpus, folder)
        packed = sum(file.stat().st_size for file in corpus.logs.rglob("*.json.gz"))
        pin()
        with tempfile.TemporaryDirectory(
            dir=folder
        ) as work:  # on the disk of the logs, since these are hard-linked
            installed = [one for one in wanted if not one.lacks]
            others = options.repeats if options.others is None else options.others
            measured = measure_all(installed, options.repeats, others, corpus, Path(work))
    check(measured)
    print(table(measured))
    if options.write:
        setting = Setting(corpus.about, packed, os.cpu_count() or 1, options.repeats, others, tuple(missing))
        PAGE.write_text(with_sections(page(setting, measured), sections_of(PAGE.read_text("utf-8"))), "utf-8")
        log_line(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
