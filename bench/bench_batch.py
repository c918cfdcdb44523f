"""What right-sizing every role of an account costs beside reading the log for one role alone, in one run.

    python bench/bench_batch.py [EVENTS] [ROLES] [REPEATS] [--corpus FOLDER]

Makes the corpus of one account (or uses the one in FOLDER) and its snapshot, then reads the log for the busiest role
and runs `policygen batch`, in turn, as often as asked. Both are fresh processes; batch takes the cores that it finds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import bench_account
from baselines.contenders import OURS
from bench_reader import Corpus, Run, corpus_in, run, say
from corpora.organization.roles import Shape

ACCOUNT = "111122223333"

_BATCH = """
import contextlib, csv, json, sys
from pathlib import Path
from policygen.cli.app import main
logs, snapshot, out = sys.argv[1:]
sys.argv = ["policygen", "batch", "--logs", logs, "--snapshot", snapshot, "--out", out, "--no-cache", "--quiet"]
with open(Path(out).with_suffix(".txt"), "w") as screen, contextlib.redirect_stdout(screen):
    with contextlib.suppress(SystemExit):
        main()
with open(Path(out) / "roles.csv", newline="") as file:
    rows = list(csv.DictReader(file))
print(json.dumps({"roles": len(rows), "plans": sum(1 for row in rows if row["plan"])}))
"""


def snapshot_of(made: Corpus, path: Path) -> None:
    """Writes the account whose log the corpus is."""
    about = made.about
    shape = Shape(about["events"], about["roles"], about["accounts"], about["seed"])
    path.write_text(json.dumps(bench_account.snapshot(shape, ACCOUNT)), "utf-8")


def report(one: Sequence[Run], every: Sequence[Run], out: Path) -> str:
    """The medians, and what is left of a batch for each plan beyond three such passes over the log."""
    said, pages = every[0].said, [page.stat().st_size for page in (out / "roles").glob("*.html")]
    beyond = (_median(every) - 3 * _median(one)) / said["plans"]
    return "\n".join(
        (
            f"the log for one role: {_seconds(one)}",
            f"batch of {said['roles']:,} roles, {said['plans']:,} plans: {_seconds(every)}",
            f"beyond 3 x the log for one role: {1000 * beyond:.1f} ms a plan",
            f"computing: {statistics.median(run.cpu for run in every):.1f} s",
            f"largest process: {max(run.peak for run in every):.0f} MB",
            f"index: {(out / 'index.html').stat().st_size / 1e3:.0f} kB, largest page: {max(pages) / 1e3:.0f} kB",
        )
    )


def _median(runs: Sequence[Run]) -> float:
    return statistics.median(run.seconds for run in runs)


def _seconds(runs: Sequence[Run]) -> str:
    every = [run.seconds for run in runs]
    return f"{_median(runs):.2f} s ({min(every):.2f} to {max(every):.2f})"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="Measures right-sizing every role of an account.")
    parser.add_argument("events", type=int, nargs="?", default=1_000_000)
    parser.add_argument("roles", type=int, nargs="?", default=1_000)
    parser.add_argument("repeats", type=int, nargs="?", default=3)
    parser.add_argument("--corpus", type=Path, help="where the corpus is, or is to be kept")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.corpus or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        made = corpus_in(folder, asked.events, asked.roles, accounts=1)
        snapshot, out = Path(temporary) / "account.json", Path(temporary) / "out"
        snapshot_of(made, snapshot)
        for file in made.logs.rglob("*.json.gz"):
            file.read_bytes()  # none waits for the disk
        one, every = list[Run](), list[Run]()
        for number in range(asked.repeats):
            words = {"{logs}": str(made.logs), "{role}": made.about["hot_role"]}
            one.append(run([words.get(word, word) for word in OURS["one role"]]))
            every.append(run([sys.executable, "-c", _BATCH, str(made.logs), str(snapshot), str(out)]))
            say(
                f"{number + 1}/{asked.repeats} one role {one[-1].seconds:.2f} s, batch {every[-1].seconds:.2f} s"
            )
        print(report(one, every, out))


if __name__ == "__main__":
    main()
