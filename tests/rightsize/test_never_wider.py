"""For random roles and logs: the new policy allows nothing that today's refuse, and keeps what was observed.

The roles and logs are those of `tests.judges.iam_simulate.pairs`, where they can be tried by the thousand.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policygen.iam.arn import resource_matches
from policygen.iam.document import Policy, allow_statements
from policygen.iam.evaluate import Decision, Evaluator
from policygen.iam.grants import Grant, inside_statements
from policygen.iam.request import AccessRequest
from policygen.rightsize import current_access, observed_grants
from policygen.rightsize.assess.proof import grants_in
from tests.judges.iam_simulate.cases import document
from tests.judges.iam_simulate.judge import available
from tests.judges.iam_simulate.pairs import (
    ALLOW_ALL,
    Observed,
    Pair,
    fault,
    questions,
    random_pair,
    suggested,
    verdict,
    witnesses,
)
from tests.support.effort import THOROUGH, bounded, every

TRIED = {"suggestions": 0, "requests": 0, "allowed": 0}


@settings(bounded(25), deadline=None)
@given(seed=st.integers(1, 10**9))
def test_what_the_new_policy_allows_today_s_allow_and_what_was_observed_stays(seed: int) -> None:
    chance = random.Random(seed)
    found, made = questions(0, random_pair(chance), chance)
    TRIED["suggestions"] += made is not None
    TRIED["requests"] += len(found)
    for question in found:
        TRIED["allowed"] += question.new == "ALLOWED"
        assert not fault(question, question.old, question.new)


def test_the_search_above_met_enough() -> None:
    """Guards the guard: runs after the search, or runs it."""
    if not TRIED["suggestions"]:
        test_what_the_new_policy_allows_today_s_allow_and_what_was_observed_stays()
    assert TRIED["suggestions"] > (12 if THOROUGH else 2)
    assert TRIED["allowed"] > (60 if THOROUGH else 12)
    assert TRIED["requests"] > TRIED["allowed"]


@pytest.mark.sweep
def test_each_grant_of_a_new_policy_lies_in_today_s_by_containment() -> None:
    grants = suggestions = 0
    for number in every(4, range(16)):
        chance = random.Random(number)
        pair = random_pair(chance)
        made = suggested(pair)
        if made is None:
            continue
        suggestions += 1
        today = allow_statements(pair.today().policies)
        for grant in grants_in(made.policies):
            grants += 1
            assert inside_statements(grant, today), grant
    assert suggestions > (7 if THOROUGH else 1)
    assert grants > (60 if THOROUGH else 10)


def test_calls_without_a_whole_name_are_proved_or_reported() -> None:
    found = verdict(range(400 if THOROUGH else 40), 20261127, judged=False)
    assert found.wrong == []
    assert found.unnamed > (150 if THOROUGH else 10)
    assert found.refused > (60 if THOROUGH else 4)


def test_the_search_finds_a_name_that_only_several_patterns_share() -> None:
    """It must meet the role's policies, a boundary with a variable, and what a Deny of the organization spares."""
    end_in_json = {"Effect": "Deny", "NotAction": "sqs:*", "NotResource": "arn:aws:s3:::*.json"}
    own_folder = {"Resource": "arn:aws:s3:::shop-eu/team/${aws:PrincipalTag/team}/*"}
    shop = AccessRequest("s3:GetObject", "arn:aws:s3:::sh*", "object", wild=True)
    pair = Pair(
        policies=[document([ALLOW_ALL | {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop-??/*"}])],
        boundary=document([ALLOW_ALL | own_folder]),
        scps=[[document([ALLOW_ALL, end_in_json])]],
        rcps=[],
        observed=(
            Observed(shop, shop._replace(resource="arn:aws:s3:::shop-eu/team/red/a.json", wild=False)),
        ),
        data_events=True,
    )
    made = suggested(pair)
    assert made
    (found,) = witnesses(pair, made)
    assert found.told == shop._replace(resource="arn:aws:s3:::shop-??/*")
    assert found.request
    assert resource_matches("arn:aws:s3:::shop-eu/team/*/*.json", found.request.resource)


def _nothing_is_refused(self: Evaluator, request: AccessRequest) -> Decision | None:
    decision = self.evaluate(request)
    return None if request.wild or decision.outcome == "ALLOWED" else decision


def _only_whole_patterns(request: AccessRequest, policies: Sequence[Policy]) -> list[AccessRequest]:
    return [request]


def _without_other_statements(request: AccessRequest, policies: Sequence[Policy]) -> list[Grant]:
    return []


@pytest.mark.parametrize(
    ("place", "name", "planted", "sign", "first"),
    [
        (Evaluator, "refusal", _nothing_is_refused, "sufficient", 0),
        (current_access, "current_parts", _only_whole_patterns, "lost", 85),
        (observed_grants, "statement_grants", _without_other_statements, "lost", 190),
    ],
)
def test_the_search_finds_planted_faults(
    monkeypatch: pytest.MonkeyPatch, place: object, name: str, planted: object, sign: str, first: int
) -> None:
    """`first` is a pair not far before the first one that shows the fault."""
    monkeypatch.setattr(place, name, planted)
    found: list[str] = []
    for number in range(first, first + 1_000):
        found += verdict([number], 20261127, judged=False).wrong
        if found:
            break
    assert {line.split(":")[0] for line in found} & {sign, "PG-E303", "PG-E401"}


@pytest.mark.oracle
@pytest.mark.system
@pytest.mark.skipif(not available(), reason="node or tests/judges/iam_simulate/node_modules is missing")
def test_the_judge_finds_no_fault_either() -> None:
    found = verdict(range(25), 20261126, judged=True)
    assert found.wrong == []
    assert found.judged_wrong == []
    assert found.differing == []
    assert found.suggestions > 12
    assert found.allowed > 50
