"""Every question about two patterns ends after a bounded number of steps, whatever the patterns."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from policygen.iam import arn, conjunction, containment, pattern
from policygen.iam.arn import arn_glob, overlaps, resource_glob, string_glob
from policygen.iam.containment import includes, includes_together
from policygen.iam.document import conditions_of
from policygen.iam.pattern import STEPS, StepBudget, compile_glob, intersection, meets
from tests.support import SHARED
from tests.support.effort import bounded

MOST = 5 * STEPS
"""Steps of one question: an intersection is two containments, two searches for parts and a comparison of them."""


class Steps:
    """Counts what takes time: the steps of automata, and the parts of an intersection."""

    def __init__(self) -> None:
        self.taken = 0

    def counting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any) -> Any:
            self.taken += 1
            return function(*args)

        return counted


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    counter = Steps()
    monkeypatch.setattr(containment, "closure", counter.counting(containment.closure))
    monkeypatch.setattr(pattern, "closure", counter.counting(pattern.closure))
    monkeypatch.setattr(pattern, "_product_steps", counter.counting(pattern._product_steps))
    for function in (arn.intersect, arn.contains, arn.overlaps, arn.resource_glob):
        function.cache_clear()
    return counter


def ask_everything(a: str, b: str) -> None:
    """Ask all that is asked about two Resource patterns, and check what needs no second opinion."""
    inside, around = arn.contains(a, b), arn.contains(b, a)
    common = arn.intersect(a, b)
    if inside or around:
        assert arn.overlaps(a, b)
    for part in common or ():
        assert arn.contains(a, part)
        assert arn.contains(b, part)
    if common == ():
        assert not arn.overlaps(a, b)
    arn.contained_in_union(a, [b, f"{b}a", f"{b}?*"])


# --- Hostile pairs -----------------------------------------------------------------------------------

HOSTILE = [
    ("*a*a*a*a*b", "*a*b*a*b*a*b*"),
    ("*a*" * 13, "*b*" * 13),
    ("*a" * 20 + "b", "*b" * 20 + "a"),
    ("*a" + "?" * 60 + "*", "*b" + "?" * 60),
    ("*?" * 30 + "*x", "*?" * 40),
    ("*a" + "?" * 24 + "b", "*b" + "?" * 24 + "a*"),
    ("?*" * 39, "*?" * 39 + "a"),
    ("*ab" * 20 + "*", "*ba" * 20 + "*"),
    ("a*b?c" * 15, "*" * 1 + "b?" * 30),
]


@pytest.mark.parametrize("scale", [1, 10])
@pytest.mark.parametrize(("one", "other"), HOSTILE)
def test_a_hostile_pair_takes_a_bounded_number_of_steps(
    steps: Steps, one: str, other: str, scale: int
) -> None:
    a, b = f"arn:aws:s3:::{one * scale}", f"arn:aws:s3:::{other * scale}"
    ask_everything(a, b)
    assert steps.taken <= 4 * MOST + 60 * (len(a) + len(b))


def test_patterns_as_long_as_a_policy_take_steps_in_proportion(steps: Steps) -> None:
    for one, other in HOSTILE:
        a, b = (f"arn:aws:s3:::{text * (6_000 // len(text))}" for text in (one, other))
        arn.intersect(a, b)
    assert steps.taken <= len(HOSTILE) * (MOST + 20 * 12_000)


pieces = st.lists(st.sampled_from(["*a", "*b", "?", "*", "a", "b", "*?", "ab", ":", "*:"]), max_size=40)


@bounded(200)
@given(a=pieces.map("".join), b=pieces.map("".join))
@example(a="*a*a*a*a*b", b="*a*b*a*")
def test_any_pair_takes_a_bounded_number_of_steps(a: str, b: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        counter = Steps()
        patch.setattr(containment, "closure", counter.counting(containment.closure))
        patch.setattr(pattern, "closure", counter.counting(pattern.closure))
        patch.setattr(pattern, "_product_steps", counter.counting(pattern._product_steps))
        ask_everything(f"arn:aws:s3:::{a}", f"arn:aws:s3:::{b}")
        ask_everything(f"arn:aws:sqs:*:{a}", f"arn:*:*:{b}")
    assert counter.taken <= 8 * MOST


@pytest.mark.parametrize(("one", "other"), HOSTILE)
def test_conditions_with_hostile_values_take_a_bounded_number_of_steps(
    steps: Steps, one: str, other: str
) -> None:
    blocks = [conditions_of({"StringLike": {"aws:PrincipalTag/team": [value]}}) for value in (one, other)]
    joined = conjunction.conjoin(*blocks)
    assert steps.taken <= 3 * MOST
    # What cannot be written stays inside both, or is named as lost, and is never called a contradiction.
    assert joined.lost or joined.conditions is not None or joined.contradiction
    assert not (
        joined.lost and joined.contradiction and meets(string_glob(one).tokens, string_glob(other).tokens)
    )


def test_the_patterns_of_the_attack_take_a_bounded_number_of_steps(steps: Steps) -> None:
    folder = SHARED / "attack" / "C3_pattern_hang"
    if not folder.is_dir():
        pytest.skip("the shared inputs are not here")
    for file in sorted(folder.glob("p*.json")):
        (statement,) = json.loads(file.read_text("utf-8"))["Statement"]
        found = statement["Resource"]
        texts = [found] if isinstance(found, str) else found[:8]
        for one in texts:
            for other in texts:
                steps.taken = 0
                ask_everything(one, other)
                assert steps.taken <= 4 * MOST


# --- Matching ----------------------------------------------------------------------------------------


def test_a_name_with_many_colons_costs_no_more_than_its_length(steps: Steps) -> None:
    wild = "arn:*:x*y:*:x*y:*x"
    assert not arn.resource_matches(wild, "arn:" + "x:y:" * 500)
    assert arn.resource_matches("arn:*:b*c:q:q:q", "arn:z:bx:b-c:q:q:q")
    assert steps.taken <= 100


def test_a_long_pattern_is_matched_in_one_pass(steps: Steps) -> None:
    wild = "arn:aws:s3:::*" + "?" * 5_000 + "b"
    assert not arn.resource_matches(wild, "arn:aws:s3:::" + "a" * 20_000)
    assert arn.resource_matches(wild, "arn:aws:s3:::" + "a" * 5_000 + "b")
    assert steps.taken <= 20_000


@bounded(300)
@given(st.text(alphabet="ab*?:", max_size=8), st.text(alphabet="ab:", max_size=9))
def test_both_ways_of_matching_agree(text: str, value: str) -> None:
    for glob in (string_glob(text), arn_glob(f"a:b:{text}:c:d:e"), resource_glob(f"a:b:{text}")):
        for name in (value, f"a:b:{value}:c:d:e", f"a:b:{value}"):
            assert glob.matches(name) == meets(glob.tokens, tuple(name))


pieces = st.lists(st.sampled_from(["a", "b", "?", "*", ":", "${v}", "${*}"]), max_size=6).map("".join)


@bounded(300)
@given(pieces, pieces)
def test_a_name_overlaps_what_matches_it(one: str, other: str) -> None:
    a, b = f"a:b:::a:{one}", f"a:b:::a:{other}"
    assert overlaps(a, b) == meets(resource_glob(a).tokens, resource_glob(b).tokens)


# --- What is given up is on the safe side ---------------------------------------------------------------


def test_a_search_without_steps_proves_nothing() -> None:
    # Contained in truth; neither one pass nor a few strings show it.
    wide, narrow = string_glob("*a?*"), string_glob("*a*a*")
    assert includes(wide, narrow)
    halves = [string_glob(f"?*a{'?' * 8}"), string_glob(f"a{'?' * 8}")]
    assert includes_together(halves, string_glob(f"*a{'?' * 8}"))
    assert (
        containment._included(string_glob("*a?a").tokens, [h.tokens for h in halves], StepBudget(0)) is False
    )
    assert intersection(string_glob("*a*").tokens, string_glob("*b*").tokens, StepBudget(3)) is None


@bounded(300)
@given(st.lists(st.text(alphabet="ab*?", max_size=5), min_size=2, max_size=4), st.integers(0, 200))
def test_with_fewer_steps_no_other_answer_is_proved(texts: list[str], most: int) -> None:
    narrow, *wides = [compile_glob(string_glob(text).tokens) for text in texts]
    sure = containment._included(narrow.tokens, [wide.tokens for wide in wides], StepBudget(10**6))
    assert sure or not containment._included(narrow.tokens, [w.tokens for w in wides], StepBudget(most))
    whole = intersection(narrow.tokens, wides[0].tokens, StepBudget(10**6))
    assert intersection(narrow.tokens, wides[0].tokens, StepBudget(most)) in (whole, None)
