"""Policies compared by meaning: golden cases as data, and witnesses that are what they are called."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policygen.iam.compare import Counterexample, compare_policies
from policygen.iam.document import Policy, parse_policy
from policygen.iam.evaluate import Evaluator
from tests.judges.iam_simulate.cases import document, policy_of
from tests.judges.iam_simulate.pairs import SERVICES, random_policy
from tests.support import ROOT
from tests.support.effort import bounded

FILES = sorted((ROOT / "tests" / "cases" / "compare").glob("*.json"))
CASES = [case for file in FILES for case in json.loads(file.read_text())]


def shown(witness: Counterexample) -> str:
    context = ", ".join(f"{key}={'|'.join(values)}" for key, values in witness.request.context)
    return f"{witness.request.action} {witness.request.resource}" + (f" if {context}" if context else "")


def test_there_are_cases_of_every_verdict_and_no_two_share_a_name() -> None:
    assert len(CASES) >= 25
    assert len({case["name"] for case in CASES}) == len(CASES)
    assert {case["expect"]["verdict"] for case in CASES} == {
        "equal",
        "narrower",
        "wider",
        "different",
        "unsure",
    }


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_golden_case(case: dict[str, Any]) -> None:
    found = compare_policies([policy_of(case["old"])], [policy_of(case["new"])])
    assert {
        "verdict": found.verdict,
        "gained": list(map(shown, found.gained)),
        "lost": list(map(shown, found.lost)),
        "unsure": [grant.sentence for grant in found.unsure],
    } == case["expect"]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_other_way_round_is_the_opposite(case: dict[str, Any]) -> None:
    turned = compare_policies([policy_of(case["new"])], [policy_of(case["old"])])
    opposite = {"narrower": "wider", "wider": "narrower"}
    assert turned.verdict == opposite.get(case["expect"]["verdict"], case["expect"]["verdict"])
    assert (list(map(shown, turned.lost)), list(map(shown, turned.gained))) == (
        case["expect"]["gained"],
        case["expect"]["lost"],
    )


def small_policy(chance: random.Random) -> Policy:
    services = [SERVICES[name] for name in chance.sample(["s3", "sqs", "dynamodb"], 2)]
    found = random_policy(chance, services, 3)
    statements = [s for s in found["Statement"] if s["Effect"] == "Deny" or "NotAction" not in s]
    return parse_policy(document(statements))


TRIED = {"equal": 0, "narrower": 0, "wider": 0, "different": 0, "unsure": 0}


@settings(bounded(300), deadline=None)
@given(chance=st.randoms(use_true_random=False))
def test_a_witness_is_allowed_by_one_side_only_and_a_proof_has_none(chance: random.Random) -> None:
    old = small_policy(chance)
    # A near relative: two policies made apart are nearly always different.
    kept = [s for s in old.statements if chance.random() < 0.7]
    new = Policy((*kept, *(small_policy(chance).statements[:1] if chance.random() < 0.3 else ())))
    found = compare_policies([old], [new])
    TRIED[found.verdict] += 1
    before, after = Evaluator([old], complete=True), Evaluator([new], complete=True)
    for witness in found.gained:
        assert after.evaluate(witness.request).outcome == "ALLOWED"
        assert before.evaluate(witness.request).outcome != "ALLOWED"
    for witness in found.lost:
        assert before.evaluate(witness.request).outcome == "ALLOWED"
        assert after.evaluate(witness.request).outcome != "ALLOWED"
    if found.verdict in ("equal", "narrower"):
        tries = compare_policies([Policy(())], [new]).gained
        assert all(before.evaluate(w.request).outcome == "ALLOWED" for w in tries)


def test_the_search_above_met_every_verdict() -> None:
    """Guards the guard: runs after the search, or runs it."""
    if not any(TRIED.values()):
        test_a_witness_is_allowed_by_one_side_only_and_a_proof_has_none()
    assert all(TRIED[verdict] for verdict in ("equal", "narrower", "wider", "different")), TRIED
    assert TRIED["unsure"] * 3 < sum(TRIED.values()), TRIED
