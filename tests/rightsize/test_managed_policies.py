"""AWS's own managed policies, as moto ships them: each is read, evaluated, and a role's only policy."""

from __future__ import annotations

import json
import time
from functools import cache
from typing import Any

import pytest
from moto.iam.aws_managed_policies import aws_managed_policies_data

from policygen.account.current import CurrentAccess
from policygen.account.snapshot import load_snapshot
from policygen.errors import PolicygenError
from policygen.iam.document import Policy, parse_policy
from policygen.iam.evaluate import Evaluator
from policygen.iam.request import AccessRequest
from policygen.rightsize.analysis import analyse
from policygen.rightsize.generate.pack import MANAGED_COUNT
from policygen.rightsize.suggest import suggest
from policygen.rightsize.suggestion import Suggestion, SuggestOptions
from tests.support import ROOT
from tests.support.effort import THOROUGH, every
from tests.support.options import analysis_options

SECONDS = 240
"""Of processor time, for all of them together. It takes half a minute; the rest is for a busy machine."""


@cache
def managed() -> dict[str, Policy]:
    found: dict[str, Any] = json.loads(aws_managed_policies_data)
    return {name: parse_policy(one["Document"], name) for name, one in sorted(found.items())}


@cache
def sample() -> Suggestion:
    """A role of the samples, whose logs are read once."""
    account = load_snapshot(ROOT / "samples" / "account.json")
    return analyse(
        [ROOT / "samples" / "trail"], "report-monthly", account=account, **analysis_options(days=45)
    ).suggestion


def test_every_managed_policy_is_read_and_written_back() -> None:
    assert len(managed()) > 1000
    for name, policy in managed().items():
        again = parse_policy(policy.to_json(), name)
        assert (again.statements, again.name) == (policy.statements, name)


@pytest.mark.sweep
def test_every_managed_policy_decides() -> None:
    requests = [*sample().usage.requests][:40]
    outcomes = set()
    for policy in every(20, [*managed().values()]):
        evaluator = Evaluator([policy])
        outcomes |= {evaluator.evaluate(request).outcome for request in requests}
    assert outcomes == {"ALLOWED", "IMPLICIT_DENY", "EXPLICIT_DENY"}


@pytest.mark.sweep
def test_every_managed_policy_survives_a_suggestion() -> None:
    usage, coverage = sample().usage, sample().coverage
    tried = every(40, [*managed().items()])
    start, failed, made = time.process_time(), dict[str, str](), 0
    for name, policy in tried:
        try:
            # What a policy does not allow is added, so that each is met with the whole of the logs.
            found = suggest(usage, coverage, CurrentAccess((policy,)), SuggestOptions(add_observed=True))
        except PolicygenError as error:
            failed[name] = error.code
            continue
        made += 1
        assert found.proof.held
    took = time.process_time() - start
    # Where a Deny takes all that was observed, there is nothing to suggest, which is an answer.
    assert set(failed.values()) <= {"PG-E304"}, failed
    assert all(any(s.effect == "Deny" for s in managed()[name].statements) for name in failed)
    assert len(failed) <= 12, failed
    assert made == len(tried) - len(failed)
    assert made > 1000 or not THOROUGH
    assert took < SECONDS, f"{took:.0f} s"


def test_a_deny_that_is_too_long_for_a_customer_s_policy_is_shortened_and_the_loss_named() -> None:
    policy = managed()["SageMakerStudioProjectUserRolePermissionsBoundary"]
    found = suggest(
        sample().usage, sample().coverage, CurrentAccess((policy,)), SuggestOptions(add_observed=True)
    )
    (loss,) = [one for one in found.losses if "NotAction" in one.why]
    assert loss.sid == "NotDeniedOperations"
    (deny,) = [s for s in found.policy.statements if s.effect == "Deny" and s.not_actions]
    (before,) = [s for s in policy.statements if s.sid == "NotDeniedOperations"]
    assert 0 < len(deny.actions) < len(before.actions)
    assert set(deny.actions) < set(before.actions)


def test_an_administrator_of_whom_little_is_known_fits_into_the_policies_that_a_role_takes() -> None:
    usage, coverage = sample().usage, sample().coverage
    today = CurrentAccess((managed()["AdministratorAccess"],))
    found = suggest(usage, coverage, today, SuggestOptions(add_observed=True))
    assert len(found.keeps) > 1000
    assert len(found.policies) <= MANAGED_COUNT
    evaluator = Evaluator(found.policies)
    for keep in found.keeps[::50]:
        request = AccessRequest(keep.grant.action, "arn:aws:s3:::any/name")
        assert evaluator.evaluate(request).outcome == "ALLOWED"


@pytest.mark.parametrize(
    "name", ["AWSLambdaBasicExecutionRole", "AmazonS3FullAccess", "ReadOnlyAccess", "PowerUserAccess"]
)
def test_well_known_policies_are_among_them(name: str) -> None:
    assert managed()[name].statements
