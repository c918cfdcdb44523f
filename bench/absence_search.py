"""Search for needed permissions that a suggestion takes away, in thousands of random accounts of one role each.

    python bench/absence_search.py [ROLES] [--first SEED] [--jobs N] [--no-report]

Each account is made from its seed by `tests/support/absence_world.py` and `tests/support/decide_world.py`: calls, the
policy of today, a trail that logs a part, files that are missing, IAM's last-accessed report by IAM's rules, and what
exists in the account. `tests/support/absence_judge.py` asks whether the proposed policy still allows what the role
needs, where the evidence can tell of it. The outside judge is asked as well where it is installed
(tests/judges/iam_simulate/README.md). The same seed makes the same account, so that a finding can be looked at again:
`--first SEED 1`. Exit 1 if anything needed is gone.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.judges.iam_simulate.judge import available, judge
from tests.support.absence_judge import Verdict, judged

_BATCH = 5_000
"""Questions to the outside judge at a time."""
_SAID = 50
"""Roles between two words on how far the search is."""


def main() -> int:
    """Search, print what was found, and return the exit code."""
    parser = argparse.ArgumentParser(description="search for needed permissions that go")
    parser.add_argument("roles", nargs="?", type=int, default=2_000)
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    parser.add_argument("--jobs", type=int, default=1, metavar="N")
    parser.add_argument("--no-report", action="store_true", help="as if IAM had not been asked")
    options = parser.parse_args()
    begun = time.monotonic()
    seeds = [str(options.first + number) for number in range(options.roles)]
    with ProcessPoolExecutor(options.jobs) as pool:
        how = _without_report if options.no_report else judged
        verdicts = []
        for number, verdict in enumerate(pool.map(how, seeds, chunksize=8), 1):
            verdicts.append(verdict)
            for loss in verdict.losses:
                print(
                    f"seed {loss.seed}: {loss.what} in {loss.region or 'any region'} goes; {loss.why}",
                    flush=True,
                )
            if number % _SAID == 0:
                print(f"{number:,} of {len(seeds):,} roles", file=sys.stderr)
    losses = [loss for verdict in verdicts for loss in verdict.losses]
    rows = [row for verdict in verdicts for row in verdict.rows]
    refused = _refused(rows) if available() else []
    for row in refused:
        print(f"the outside judge: {row['action']} on {row['resource']} is not allowed")
    outcomes = Counter(verdict.outcome for verdict in verdicts)
    print(
        f"{len(seeds):,} roles, {len(rows):,} needs judged, {len(losses):,} lost"
        + (f", {len(refused):,} refused by the outside judge" if available() else ", no outside judge")
        + f"; {sum(verdict.undecided for verdict in verdicts):,} undecided; "
        + ", ".join(f"{number:,} {word}" for word, number in outcomes.most_common())
        + f"; {time.monotonic() - begun:,.0f} s"
    )
    return 1 if losses or refused else 0


def _without_report(seed: str) -> Verdict:
    return judged(seed, with_report=False)


def _refused(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the questions to which the outside judge does not answer that it is allowed."""
    found = []
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        found += [row for row, answer in zip(part, judge(part), strict=True) if answer != "ALLOWED"]
    return found


if __name__ == "__main__":
    sys.exit(main())
