"""Compare the time to right-size every role of an account with the time to read its log for one role.

    python bench/bench_batch.py [EVENTS] [ROLES] [REPEATS] [--corpus FOLDER]

Makes the corpus of one account (or uses the one in FOLDER) and its snapshot. Then it reads the log for the busiest role
and runs `policygen batch` twice into an empty folder, in alternation, REPEATS times. All are fresh processes; a batch
uses all cores.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import bench_account
from baselines.contenders import OURS
from bench_reader import Corpus, Run, corpus_in, log_line, run
from corpora.organization.roles import Shape

ACCOUNT = "111122223333"

_BATCH = """
import contextlib, csv, json, sys
from pathlib import Path
from policygen.cli.start import start_command_line
logs, snapshot, out = sys.argv[1:]
sys.argv = ["policygen", "batch", "--logs", logs, "--snapshot", snapshot, "--out", out, "--no-cache", "--quiet"]
with open(Path(out).with_suffix(".txt"), "w") as screen, contextlib.redirect_stdout(screen):
    with contextlib.suppress(SystemExit):
        start_command_line()
with open(Path(out) / "roles.csv", newline="") as file:
    rows = list(csv.DictReader(file))
print(json.dumps({"roles": len(rows), "plans": sum(1 for row in rows if row["plan"])}))
"""


def write_snapshot(corpus: Corpus, path: Path) -> None:
    """Write the snapshot of the corpus's account."""
    about = corpus.about
    shape = Shape(about["events"], about["roles"], about["accounts"], about["seed"])
    path.write_text(json.dumps(bench_account.snapshot(shape, ACCOUNT)), "utf-8")


def report(one: Sequence[Run], every: Sequence[Run], again: Sequence[Run], out: Path) -> str:
    """Return the medians, the time of a batch beyond three passes over the log for each plan, and the folder's size."""
    counts, pages = every[0].output, [page.stat().st_size for page in (out / "roles").glob("*.html")]
    beyond = (_median(every) - 3 * _median(one)) / counts["plans"]
    return "\n".join(
        (
            f"the log for one role: {_seconds(one)}",
            f"batch of {counts['roles']:,} roles, {counts['plans']:,} plans: {_seconds(every)}",
            f"beyond 3 x the log for one role: {1000 * beyond:.1f} ms a plan",
            f"the same batch again: {_seconds(again)}, {100 * _median(again) / _median(every):.0f} % of the first",
            f"folder: {sum(path.stat().st_size for path in out.rglob('*') if path.is_file()) / 1e6:.0f} MB",
            f"computing: {statistics.median(run.cpu for run in every):.1f} s",
            f"largest process: {max(run.peak for run in every):.0f} MB",
            f"index: {(out / 'index.html').stat().st_size / 1e3:.0f} kB, largest page: {max(pages) / 1e3:.0f} kB",
        )
    )


def _median(runs: Sequence[Run]) -> float:
    return statistics.median(run.seconds for run in runs)


def _seconds(runs: Sequence[Run]) -> str:
    seconds = [run.seconds for run in runs]
    return f"{_median(runs):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measures right-sizing every role of an account.")
    parser.add_argument("events", type=int, nargs="?", default=1_000_000)
    parser.add_argument("roles", type=int, nargs="?", default=1_000)
    parser.add_argument("repeats", type=int, nargs="?", default=3)
    parser.add_argument("--corpus", type=Path, help="where the corpus is, or is to be kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.corpus or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        corpus = corpus_in(folder, options.events, options.roles, accounts=1)
        snapshot, out = Path(temporary) / "account.json", Path(temporary) / "out"
        write_snapshot(corpus, snapshot)
        for file in corpus.logs.rglob("*.json.gz"):
            file.read_bytes()  # into the page cache, so that no run waits for the disk
        one, every, again = list[Run](), list[Run](), list[Run]()
        batch = [sys.executable, "-c", _BATCH, str(corpus.logs), str(snapshot), str(out)]
        for number in range(options.repeats):
            words = {"{logs}": str(corpus.logs), "{role}": corpus.about["hot_role"]}
            one.append(run([words.get(word, word) for word in OURS["one role"]]))
            shutil.rmtree(out, ignore_errors=True)
            every.append(run(batch))
            again.append(run(batch))
            seconds = [f"{runs[-1].seconds:.2f} s" for runs in (one, every, again)]
            log_line(f"{number + 1}/{options.repeats} one role, batch, batch again: {', '.join(seconds)}")
        print(report(one, every, again, out))


if __name__ == "__main__":
    main()
