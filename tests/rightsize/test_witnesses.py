"""Witnesses decide what the logs cannot: one after the other, and never against a sign of use."""

from __future__ import annotations

import json
from collections import Counter

import msgspec
import pytest

from policygen.iam.grants import Grant
from policygen.rightsize.analysis import Analysis, conclude
from policygen.rightsize.keep import unobservable
from policygen.rightsize.keep.witness import USE_PROVED, Asked, Witness
from policygen.rightsize.removal import Removal
from tests.support.golden import rendered
from tests.support.samples import sample

READS, ITERATOR = "dynamodb:GetRecords", "dynamodb:GetShardIterator"
"""Two data-plane actions of the sample role whose data events are off."""

WRITES_LOGS = "logs:PutLogEvents"
"""Lambda needs it; CloudTrail never shows it."""


def told(monkeypatch: pytest.MonkeyPatch, *witnesses: Witness) -> Analysis:
    observed = sample("orders-api", today=True).observed  # first: it is remembered for other tests
    monkeypatch.setattr(unobservable, "WITNESSES", witnesses)
    return conclude(observed)


def unverified(analysis: Analysis) -> set[str]:
    return {keep.grant.action for keep in analysis.suggestion.keeps if keep.kind == "unknown"}


def test_what_a_witness_decides_goes_and_the_plan_says_by_which_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_streams(asked: Asked) -> Removal | None:
        if asked.action != READS:
            return None
        return Removal("no table has a stream", "existence", "https://example.com/streams", "medium")

    before, after = told(monkeypatch), told(monkeypatch, no_streams)
    assert unverified(before) - unverified(after) == {READS}
    changes = {one["action"]: one for one in json.loads(rendered("json", after))["changes"]}
    assert changes[READS]["kind"] == "removed"
    assert changes[READS]["why"] == "no table has a stream"
    assert changes[READS]["decided_by"] == {
        "rule": "existence",
        "source": "https://example.com/streams",
        "confidence": "medium",
    }


def test_one_witness_may_wait_for_what_another_decides_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def reads_need_an_iterator(asked: Asked) -> Removal | None:
        if asked.action == READS and not asked.may_have_been_used(ITERATOR):
            return Removal("nobody can read without an iterator", "asked-with", "a page")
        return None

    def no_iterator(asked: Asked) -> Removal | None:
        return Removal("no table has a stream", "existence", "a page") if asked.action == ITERATOR else None

    alone = told(monkeypatch, reads_need_an_iterator)
    both = told(monkeypatch, reads_need_an_iterator, no_iterator)
    assert READS in unverified(alone)
    assert unverified(alone) - unverified(both) == {READS, ITERATOR}


def test_what_waits_for_nothing_is_asked_once_whatever_others_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_about: Counter[Grant] = Counter()
    waiting: Counter[Grant] = Counter()

    def counting(asked: Asked) -> Removal | None:
        asked_about[asked.grant] += 1
        if asked.action == READS and asked.may_have_been_used(ITERATOR):
            waiting[asked.grant] += 1
        return None

    def no_iterator(asked: Asked) -> Removal | None:
        return Removal("no table has a stream", "existence", "a page") if asked.action == ITERATOR else None

    told(monkeypatch, counting, no_iterator)
    assert {grant.action for grant, times in asked_about.items() if times > 1} == {READS}
    assert set(waiting.values()) == {1}


def test_what_two_statements_grant_is_not_used_once_it_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    def reads_need_an_iterator(asked: Asked) -> Removal | None:
        if asked.action == READS and not asked.may_have_been_used(ITERATOR):
            return Removal("nobody can read without an iterator", "asked-with", "a page")
        return None

    def no_iterator(asked: Asked) -> Removal | None:
        return Removal("no table has a stream", "existence", "a page") if asked.action == ITERATOR else None

    observed = sample("orders-api", today=True).observed
    current = observed.current_access
    assert current is not None
    twice = tuple(
        msgspec.structs.replace(
            policy,
            name=f"{policy.name}-again",
            statements=tuple(
                msgspec.structs.replace(one, actions=(*one.actions, "sqs:ListQueues"))
                for one in policy.statements
            ),
        )
        for policy in current.policies
    )
    both = msgspec.structs.replace(current, policies=(*current.policies, *twice))
    monkeypatch.setattr(unobservable, "WITNESSES", (reads_need_an_iterator, no_iterator))
    found = conclude(msgspec.structs.replace(observed, current_access=both))
    assert not unverified(found) & {READS, ITERATOR}


def test_no_witness_is_asked_where_something_says_that_the_permission_was_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    met: set[str] = set()

    def listening(asked: Asked) -> Removal | None:
        met.add(asked.blind_spot.id)
        return None

    kept = told(monkeypatch, listening).suggestion.keeps
    spots = {keep.blind_spot.id for keep in kept if keep.blind_spot and keep.kind == "unknown"}
    assert "used-outside-window" in spots
    assert "data-events-off" in met
    assert not met & USE_PROVED


def test_what_the_platform_needs_may_have_been_used_though_nothing_shows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers: set[tuple[bool, bool]] = set()

    def asking(asked: Asked) -> Removal | None:
        answers.add((asked.may_have_been_used(WRITES_LOGS), asked.may_have_been_used("glacier:ListVaults")))
        return None

    analysis = told(monkeypatch, asking)
    assert WRITES_LOGS in analysis.suggestion.needed
    assert WRITES_LOGS not in {request.action for request in analysis.suggestion.usage.requests}
    assert answers == {(True, False)}
