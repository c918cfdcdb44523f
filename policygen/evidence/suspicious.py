"""The calls that do not look like the workload, one by one: what each asked for, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from policygen.catalog import mapping
from policygen.catalog.knowledge import NOTHING_KNOWN, Knowledge
from policygen.evidence.anomalies import AnomalyRule, SplitCalls
from policygen.evidence.usage import denied_request_of
from policygen.iam.request import GRANTED
from policygen.logs.calls.call import CallBucket, CallSignature
from policygen.logs.calls.evidence import Evidence
from policygen.logs.events.outcome import Outcome, Result, result_of


class CallOutcome(NamedTuple):
    """A call on one day: what it asked for, and how it ended."""

    key: CallBucket
    evidence: Evidence
    asked: tuple[tuple[str, str], ...]
    """(action, resource), as AWS checked them or would have; empty where they are not known."""
    sign: AnomalyRule | None = None
    """The rule that it matches; None for a call that looks like the workload."""

    @property
    def result(self) -> Result:
        """How it ended, in a word."""
        return result_of(self.key.call.outcome, self.key.call.error)


def suspicious_calls(split: SplitCalls, knowledge: Knowledge = NOTHING_KNOWN) -> Sequence[CallOutcome]:
    """Return the calls that match a rule, accepted or not, by time.

    Args:
        split: a role's calls.
        knowledge: what other records and the account tell of the names in the calls.
    """
    found = [
        CallOutcome(key, split.evidence(key), asked_of(key.call, knowledge), rule)
        for key, rule in split.matched.items()
    ]
    return sorted(found, key=lambda one: (one.evidence.first, str(one.key)))


def asked_of(call: CallSignature, knowledge: Knowledge) -> tuple[tuple[str, str], ...]:
    """Return the actions that a call asked for, and on what; where it was denied, those that were."""
    answer = mapping.requests_for(call.call(knowledge))
    if call.outcome is Outcome.DENIED:
        denied = [(one.action, one.resource) for one in denied_request_of(call, answer) if one.action]
        return tuple(dict.fromkeys(denied))
    asked = [one.request for one in answer.requests if one.request.grade in GRANTED]
    return tuple(dict.fromkeys((one.action, one.resource) for one in asked))
