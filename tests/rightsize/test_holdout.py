"""Time hold-out: a policy from the first 30 days of the samples, asked about the last 15.

The policies rest on the evidence alone, so that nothing is kept from today's which evidence does not ask for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from policygen.evidence.anomalies import ANOMALY_RULES
from policygen.iam.evaluate import Evaluator
from policygen.iam.grants import Grant
from policygen.iam.request import AccessRequest
from policygen.rightsize.analysis import analyse
from policygen.rightsize.suggestion import Suggestion
from tests.support import ROOT
from tests.support.options import analysis_options

TRAIL = ROOT / "samples" / "trail"
SHOP = "arn:aws:s3:::shop-orders-111122223333"
PATH = "role/service-role"

# What the last 15 days have that the first 30 had not: all of it is the intruder's (samples/README.md).
NEW: dict[str, set[tuple[str, str]]] = {
    "orders-api": {
        ("dynamodb:Scan", "arn:aws:dynamodb:eu-west-1:111122223333:table/customers"),
        ("s3:GetObject", f"{SHOP}/config/payment-keys.json"),
        ("s3:GetObject", f"{SHOP}/config/prod.env"),
        ("s3:ListAllMyBuckets", "*"),
    },
    f"arn:aws:iam::111122223333:{PATH}/stock-sync": set(),
    f"arn:aws:iam::444455556666:{PATH}/stock-sync": set(),
    "image-resizer": set(),
    "deploy-ci": set(),
    "bastion": set(),
}


def learned(role: str) -> Suggestion:
    return analyse([TRAIL], role, **analysis_options(days=30, until="2026-11-09")).suggestion


def later(role: str) -> list[AccessRequest]:
    return list(
        analyse(
            [TRAIL], role, **analysis_options(days=15, until="2026-11-24", accepted=tuple(ANOMALY_RULES))
        ).suggestion.usage.requests
    )


@pytest.mark.parametrize("role", NEW)
def test_the_first_30_days_allow_all_of_the_last_15_but_what_is_new(role: str) -> None:
    evaluator = Evaluator(learned(role).policies)
    requests = later(role)
    denied = {(r.action, r.resource) for r in requests if evaluator.evaluate(r).outcome != "ALLOWED"}
    assert requests
    assert denied == NEW[role]


def neighbours(request: AccessRequest) -> Iterator[tuple[str, bool]]:
    """Resources that were never touched, each with whether a declared pattern may hold it.

    Another bucket, another folder of it, another account: never. Another name of the same type: where such names
    are declared to be made anew (log streams, executions).
    """
    head, _, name = request.resource.rpartition(":")
    kind, slash, rest = name.partition("/")
    if request.resource.startswith("arn:aws:s3:::"):
        yield f"{head}:{kind}-other{slash}{rest}", False
        if slash:
            yield f"{head}:{kind}/never-touched/{rest}", False
    else:
        yield f"{request.resource}-other", True
    if found := re.match(r"(arn:[^:]*:[^:]*:[^:]*:)(\d{12})(:.*)", request.resource):
        yield f"{found[1]}999988887777{found[3]}", False


@pytest.mark.parametrize("role", NEW)
def test_nothing_beside_what_was_seen_is_allowed_but_by_a_declared_pattern(role: str) -> None:
    made = learned(role)
    evaluator = Evaluator(made.policies)
    declared = [
        Grant(request.action, written.pattern) for request, written in made.written.items() if written.rule
    ]
    tried, open_ = 0, set()
    for request in later(role):
        for resource, by_pattern in (
            neighbours(request) if not request.wild and request.resource != "*" else ()
        ):
            tried += 1
            other = request._replace(resource=resource)
            if evaluator.evaluate(other).outcome == "ALLOWED" and not (
                by_pattern and any(grant.covers(other) for grant in declared)
            ):
                open_.add((other.action, other.resource))
    assert open_ == set()
    assert tried > 0


def test_another_bucket_and_a_folder_that_was_never_touched_are_denied() -> None:
    evaluator = Evaluator(learned("orders-api").policies)
    for resource in (
        "arn:aws:s3:::shop-orders/incoming/2026-11-30.csv",
        f"{SHOP}/config/prod.env",
        f"{SHOP}/x/a.csv",
    ):
        assert evaluator.evaluate(AccessRequest("s3:GetObject", resource)).outcome != "ALLOWED"
    for day in ("2026-12-07", "2027-01-04"):
        assert (
            evaluator.evaluate(AccessRequest("s3:GetObject", f"{SHOP}/incoming/{day}.csv")).outcome
            == "ALLOWED"
        )
