"""What a notebook shows of the objects that it holds: the answer in a few lines, and an error with its way out."""

from __future__ import annotations

import html
import re

import pytest

import policygen
from policygen.errors import UsageError
from policygen.iam.document import Policy, Statement, parse_policy
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
    seen = next(iter(found.usage.requests)).action
    explained = repr(policygen.explain(found, seen))
    assert len(explained) <= LONGEST
    assert seen in explained
    assert max(len(repr(policy)) for policy in (*found.policies, found.policy)) <= LONGEST


def test_a_back_test_shows_its_sentence_and_not_its_calls() -> None:
    log = policygen.load(
        ROOT / "samples" / "trail", "cart-cleanup", snapshot=ROOT / "samples" / "account.json"
    )
    shown = repr(log.backtest(curve=True))
    assert shown == "<Backtest of cart-cleanup: learnt on days 1-20: 0 of 30 calls of days 21-30 denied>"


def test_what_a_public_object_holds_is_shown_in_a_line() -> None:
    found = sample("orders-api", today=True).suggestion
    log = policygen.load(ROOT / "samples" / "trail", "orders-api")
    account = policygen.load_snapshot(ROOT / "samples" / "account.json")
    explained = policygen.explain(found, "s3:GetObject")
    held = [
        (found.usage, "<Usage of orders-api: "),
        (found.apart, "<Usage of orders-api: 8 distinct calls"),
        (found.coverage, "<Coverage: events on 45 of 45 days, 2 regions, 1 trail"),
        (found.split, "<SplitCalls: "),
        (log.backtest().outcome("exact"), "denied, on 10 days"),
        (account, "<Account 111122223333: 1"),
        (explained.use, "<ObservedUse: "),
    ]
    for thing, said in held:
        assert said in repr(thing)
        assert len(repr(thing)) <= 200
        assert "\n" not in repr(thing)


def test_a_small_policy_is_shown_whole() -> None:
    policy = parse_policy({"Version": "2012-10-17", "Statement": []}, name="p\x1b[31m")
    assert policy.to_json() in repr(policy)
    assert "\x1b" not in repr(policy)


HOSTILE = "<script>alert(1)</script>\u202e"


def inner(shown: str) -> str:
    """The page in a frame, after checking that it is nothing but a frame in which no script runs."""
    frame = re.fullmatch(r'<iframe sandbox title="[^"<>]*" style="[^"]*" srcdoc="([^"<>]*)"></iframe>', shown)
    assert frame
    return html.unescape(frame[1])


@EVERY_SAMPLE
def test_a_notebook_shows_a_small_page_that_fetches_nothing(role: str, today: bool) -> None:
    analysis = sample(role, today)
    found = analysis.suggestion
    for thing in (found, plan_from_analysis(analysis), found.policy, *found.policies):
        page = inner(thing._repr_html_())
        assert len(page) < 80_000
        assert "<script" not in page
        assert "prefers-color-scheme:dark" in page
        assert not re.search(r"(?:src|href)=\"(?!#)|url\((?!#)|@import", page)
    page = inner(found._repr_html_())
    assert "Safe to apply?" in page
    assert all(check.finding in html.unescape(page) for check in found.proof.checks)


def test_a_hostile_name_stays_text_on_the_page() -> None:
    page = inner(Policy((Statement("Allow", (HOSTILE,), (HOSTILE,)),), name=HOSTILE)._repr_html_())
    assert "<script" not in page
    assert "\u202e" not in page
    assert page.count("&lt;script&gt;alert(1)") >= 3


def test_a_document_that_is_too_long_is_named_and_not_shown() -> None:
    many = tuple(Statement("Allow", (f"s3:Get{number}",), ("*",)) for number in range(2000))
    page = inner(Policy(many, name="wide")._repr_html_())
    assert "wide is too long to be shown here" in page
    assert "s3:Get7" not in page


def test_a_public_error_shows_its_code_and_its_hints() -> None:
    with pytest.raises(policygen.PolicygenError) as caught:
        policygen.load_snapshot(ROOT / "nowhere.json")
    shown = str(caught.value)
    assert caught.value.message in shown
    assert caught.value.code in shown
    assert all(f"hint: {hint}" in shown for hint in caught.value.hints)
    assert str(UsageError("a 'b'", code="PG-E200")) == "a 'b'  PG-E200"
