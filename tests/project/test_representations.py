"""What a notebook shows of the objects that it holds: the answer in a few lines, and an error with its way out."""

from __future__ import annotations

import pytest

import policygen
from policygen.errors import UsageError
from policygen.iam.document import parse_policy
from policygen.plan.build import plan_from_analysis
from tests.support import ROOT
from tests.support.samples import EVERY_SAMPLE, sample

LONGEST = 2000


@EVERY_SAMPLE
def test_what_a_cell_shows_is_short_and_has_the_answer(role: str, today: bool) -> None:
    analysis = sample(role, today)
    found = analysis.suggestion
    for shown in (repr(found), repr(plan_from_analysis(analysis))):
        assert len(shown) <= LONGEST
        assert found.role.name in shown
        assert "safe to apply?" in shown
    assert f"{found.tightness.needed} needed" in repr(found)
    assert max(len(repr(policy)) for policy in (*found.policies, found.policy)) <= LONGEST


def test_a_small_policy_is_shown_whole() -> None:
    policy = parse_policy({"Version": "2012-10-17", "Statement": []}, name="p\x1b[31m")
    assert policy.to_json() in repr(policy)
    assert "\x1b" not in repr(policy)


def test_a_public_error_shows_its_code_and_its_hints() -> None:
    with pytest.raises(policygen.PolicygenError) as caught:
        policygen.load_snapshot(ROOT / "nowhere.json")
    shown = str(caught.value)
    assert caught.value.message in shown
    assert caught.value.code in shown
    assert all(f"hint: {hint}" in shown for hint in caught.value.hints)
    assert str(UsageError("a 'b'", code="PG-E200")) == "a 'b'  PG-E200"
