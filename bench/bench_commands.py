"""Measure whole commands: made-up names, a second run, a batch, the start; CPU time and memory of each.

    python bench/bench_commands.py [EVENTS] [REPEATS] [--names 500000] [--roles 400] [--corpus FOLDER] [--write]

Makes the corpora of EVENTS events (or uses those in FOLDER), then runs all commands in turn, REPEATS times, each in a
fresh process pinned to one core. Prints a table; ``--write`` writes it into docs/concepts/performance.md.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

from baselines.contenders import OURS
from bench_page import COMMANDS, with_sections
from bench_reader import PAGE, ROOT, Corpus, Run, corpus_in, link, log_line, pin, run
from bench_startup import SAMPLES

FOLDERS, KEYS = "suggest, names in as many folders", "suggest, names in one folder"
COLD, AGAIN, WARM = "suggest, cold", "suggest, one new day of 30", "suggest, nothing new"
WIDE, ALONE = "batch", "batch, no snapshot"
PASS, START = "its pass over the logs", "suggest on the samples"

_RUN = """
import contextlib, io, os, sys
from policygen.cli.start import start_command_line
folder, *words = sys.argv[1:]
os.chdir(folder)
os.environ["POLICYGEN_CACHE"] = folder + "/cache"
sys.argv = ["policygen", *words, "--quiet"]
try:
    with contextlib.redirect_stdout(io.StringIO()):
        start_command_line()
except SystemExit as done:
    if done.code:
        raise
print("{}")
"""


class Logs(NamedTuple):
    """What the commands read, and where they may write."""

    corpus: Corpus
    """Of several accounts."""
    one_account: Corpus
    snapshot: Path
    """Of that account."""
    names: Mapping[str, Path]
    """A kind of `corpora.names` -> its logs."""
    work: Path


def logs_in(folder: Path, events: int, names: int, roles: int, work: Path) -> Logs:
    """Return the corpora in a folder; make those that are missing."""
    found = {}
    for kind in ("digits", "folders"):
        found[kind] = folder / f"{kind}-{names}"
        if not found[kind].exists():
            log_line(f"making {names:,} names: {kind}")
            # In a process of its own: the system never reports a child's peak memory as less than its parent's.
            maker = [
                sys.executable,
                "-m",
                "bench.corpora.names",
                str(found[kind].resolve()),
                kind,
                str(names),
            ]
            subprocess.run(maker, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    account = folder / "account"
    account.mkdir(exist_ok=True)
    one_account = corpus_in(account, events // 5, roles, accounts=1)
    snapshot = work / "account.json"
    with snapshot.open("wb") as file:
        maker = [sys.executable, str(ROOT / "bench" / "bench_account.py"), str(account.resolve())]
        subprocess.run(maker, check=True, stdout=file)
    return Logs(corpus_in(folder, events, roles, accounts=5), one_account, snapshot, found, work)


def commands(logs: Logs) -> dict[str, Callable[[], Run]]:
    """Return what is measured, in the order in which it runs: a name, and what runs it once."""
    busiest, grown = logs.corpus.about["hot_role"], logs.work / "grown"

    def made_up(kind: str) -> Run:
        read = ("--role", "tenant-files", "--logs", str(logs.names[kind]), "--no-cache")
        return _policygen(logs.work, "suggest", *read, "--format", "policy")

    def suggest(folder: Path, role: str, *, new: bool = False) -> Run:
        if new:
            shutil.rmtree(logs.work / "cache", ignore_errors=True)
        return _policygen(logs.work, "suggest", "--role", role, "--logs", str(folder), "--format", "policy")

    def again() -> Run:
        shutil.rmtree(grown, ignore_errors=True)
        link(logs.corpus, grown, last=False)
        suggest(grown, busiest, new=True)
        link(logs.corpus, grown, last=True)
        return suggest(grown, busiest)

    def batch(*more: str) -> Run:
        out = logs.work / "out"
        shutil.rmtree(out, ignore_errors=True)
        account = ("--logs", str(logs.one_account.logs), *more)
        done = _policygen(logs.work, "batch", *account, "--out", str(out), "--jobs", "1", "--no-cache")
        return done._replace(output={"plans": len(list((out / "plans").iterdir()))})

    words = {"{logs}": str(logs.one_account.logs)}
    samples = ("--logs", str(SAMPLES / "trail"), "--snapshot", str(SAMPLES / "account.json"))
    return {
        KEYS: lambda: made_up("digits"),
        FOLDERS: lambda: made_up("folders"),
        COLD: lambda: suggest(logs.corpus.logs, busiest, new=True),
        AGAIN: again,
        WARM: lambda: suggest(grown, busiest),
        WIDE: lambda: batch("--snapshot", str(logs.snapshot)),
        ALONE: batch,
        PASS: lambda: run([words.get(word, word) for word in OURS["all roles"]]),
        START: lambda: _policygen(logs.work, "suggest", "--role", "orders-api", "--days", "30", *samples),
    }


def _policygen(work: Path, *words: str) -> Run:
    return run([sys.executable, "-c", _RUN, str(work), *words])


def table(runs: Mapping[str, Sequence[Run]]) -> str:
    """Return a Markdown table: medians of CPU time, peak memory, and what else is asked of a command."""
    cpu = {name: median(one.cpu for one in own) for name, own in runs.items()}
    beyond = {name: f"{cpu[name] / cpu[COLD]:.2f} of the cold run" for name in (AGAIN, WARM)}
    for name in (WIDE, ALONE):
        plans = runs[name][0].output["plans"]
        each = 1000 * (cpu[name] - cpu[PASS]) / plans
        beyond[name] = f"{each:.0f} ms for each of {plans} plans beyond the pass"
    lines = ["| command | CPU s | peak MB | |", "|---|--:|--:|---|"]
    for name, own in runs.items():
        peak = max(one.peak for one in own)
        lines.append(f"| {name} | {cpu[name]:.2f} | {peak:,.0f} | {beyond.get(name, '')} |")
    return "\n".join(lines)


def section(runs: Mapping[str, Sequence[Run]], names: int, logs: Logs, command: str) -> str:
    """Return the section of the page."""
    repeats, about = len(next(iter(runs.values()))), logs.one_account.about
    return f"""{COMMANDS}

What commands cost in all: reading, judging, writing.

```sh
{command}
```

{table(runs)}

Measured on {datetime.now(UTC).date()}: medians of {repeats}, each in a fresh process on the same one core.
*Names* are {names:,} objects that one role read, each once, with `--no-cache`. *Cold*, and what follows, is the
busiest role of the logs above. The batch is of an account of {about["roles"]} roles with {about["events"]:,} events,
in one process; by its snapshot most roles may do all of some services, so that their plans are long.
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measures whole commands.")
    parser.add_argument("events", type=int, nargs="?", default=1_000_000)
    parser.add_argument("repeats", type=int, nargs="?", default=3)
    parser.add_argument("--names", type=int, default=500_000)
    parser.add_argument("--roles", type=int, default=400)
    parser.add_argument("--corpus", type=Path, help="where the corpora are, or are to be kept")
    parser.add_argument("--write", action="store_true", help="write docs/concepts/performance.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.corpus or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=folder
        ) as work:  # on the disk of the logs, which are hard-linked
            logs = logs_in(folder, options.events, options.names, options.roles, Path(work))
            wanted = commands(logs)
            pin()
            runs: dict[str, list[Run]] = {name: [] for name in wanted}
            for _ in range(options.repeats):
                for name, command in wanted.items():
                    runs[name].append(command())
                    log_line(f"{name}: {runs[name][-1].cpu:.2f} s, {runs[name][-1].peak:.0f} MB")
    print(table(runs))
    if options.write:
        words = f"python bench/bench_commands.py {options.events} {options.repeats} --write"
        written = section(runs, options.names, logs, words)
        PAGE.write_text(with_sections(PAGE.read_text("utf-8"), {COMMANDS: written}), "utf-8")


if __name__ == "__main__":
    main()
