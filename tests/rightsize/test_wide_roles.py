"""A role that may do nearly everything gets a policy: within IAM's quotas, no wider, with all that is unverified.

`tests/support/wide_accounts.py` makes the roles; `bench/wide_accounts.py` does the same with hundreds of them.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.judges.iam_simulate.judge import available, judge
from tests.support.effort import THOROUGH
from tests.support.wide_accounts import Judged, judged, objections, random_case

SEEDS = [str(number) for number in range(40)] if THOROUGH else ["4", "7"]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("with_report", [True, False], ids=["with a report", "without a report"])
def test_a_role_of_administrators_gets_a_policy_that_fits_and_is_no_wider(
    seed: str, with_report: bool
) -> None:
    found = judged(seed, with_report=with_report)
    assert found.problems == []
    assert found.sizes
    assert _against(found) == []


def _against(found: Judged) -> list[str]:
    if not available():
        return []
    asked = [{key: one[key] for key in one if key not in ("which", "kept", "ours")} for one in found.rows]
    return objections(found.rows, judge(asked))


def test_the_accounts_are_of_every_kind() -> None:
    made = [random_case(str(seed)) for seed in range(200)]
    texts = [str(one["today"]) for one in made]
    for part in ("NotAction", "NotResource", "Deny", "Condition", "boundary", "'Action': '*'"):
        assert sum(part in text for text in texts) >= 10, part
    assert sum(len(_attached(one)) >= 10 for one in made) >= 10


def _attached(case: dict[str, Any]) -> dict[str, Any]:
    return dict(case["today"].get("attached", {}))
