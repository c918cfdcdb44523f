"""Right-size hundreds of roles that may do nearly everything: a policy each, within IAM's quotas, no wider than today.

    python bench/wide_accounts.py [ACCOUNTS] [--first SEED] [--jobs N]

Each account is made from its seed by `tests/support/wide_accounts.py` and judged twice, with IAM's last-accessed report
and without. The outside judge is asked as well where it is installed (tests/judges/iam_simulate/README.md). Exit 1 if a
role has no policy, or one that does not fit, is wider, or lacks what is needed or unverified.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from policygen.rightsize.generate.pack import INLINE_LIMIT
from tests.judges.iam_simulate.judge import available, judge
from tests.support.wide_accounts import Judged, judged, objections


def main() -> int:
    """Judge the accounts, print what was found, and return the exit code."""
    parser = argparse.ArgumentParser(description="right-size roles that may do nearly everything")
    parser.add_argument("accounts", nargs="?", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    parser.add_argument("--jobs", type=int, default=1, metavar="N")
    options = parser.parse_args()
    begun = time.monotonic()
    seeds = [str(options.first + number) for number in range(options.accounts)]
    failed = 0
    with ProcessPoolExecutor(options.jobs) as pool:
        for name, how in (("with a report", judged), ("without a report", _without_report)):
            found = list(pool.map(how, seeds))
            problems = [problem for one in found for problem in one.problems]
            problems += [problem for one in found for problem in _against(one)] if available() else []
            for problem in problems:
                print(problem)
            failed += len(problems)
            sizes = [sum(one.sizes) for one in found if one.sizes]
            print(
                f"{name}: {len(sizes):,} policies for {len(seeds):,} accounts, {len(problems):,} problems; characters "
                f"median {statistics.median(sizes):,.0f}, most {max(sizes):,}; "
                f"{sum(size <= INLINE_LIMIT for size in sizes):,} within {INLINE_LIMIT:,}; "
                f"{sum(one.besides > 0 for one in found):,} keep more than is asked for; "
                f"{time.monotonic() - begun:,.0f} s",
                flush=True,
            )
    return 1 if failed else 0


def _without_report(seed: str) -> Judged:
    return judged(seed, with_report=False)


def _against(found: Judged) -> list[str]:
    asked = [{key: one[key] for key in one if key not in ("which", "kept", "ours")} for one in found.rows]
    return objections(found.rows, judge(asked))


if __name__ == "__main__":
    sys.exit(main())
