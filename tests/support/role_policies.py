"""Plans of a sample role with other policies, today and proposed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from policygen.plan.io import parse_plan
from policygen.plan.model import Plan
from tests.support.reviews import plan

ACCOUNT = "arn:aws:iam::111122223333:policy"
State = dict[tuple[str, str], Mapping[str, Any]]
"""(name, ARN) of each policy of a role -> its document."""


def document(word: str, **more: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": f"s3:{word}", "Resource": "*"} | more
    return {"Version": "2012-10-17", "Statement": [statement]}


def old(name: str, size: int = 100, *, managed: bool = False, **more: Any) -> dict[str, Any]:
    kind = {"kind": "managed", "arn": f"{ACCOUNT}/{name}"} if managed else {"kind": "inline", "arn": ""}
    return {"name": name, "document": document(name), "size": size, **kind, **more}


def new(name: str, size: int = 100) -> dict[str, Any]:
    return {"name": name, "document": document("New"), "size": size}


def changed(policies: list[dict[str, Any]], today: list[dict[str, Any]] | None, **more: Any) -> Plan:
    """A plan of a sample with other policies."""
    made = json.loads(json.dumps(plan("orders-api").document))
    return parse_plan(made | {"policies": policies, "today": today} | more)


def state(made: Plan) -> State:
    """What the role has today."""
    return {(one.name, one.arn): one.document for one in made.today or ()}


def proposed(made: Plan) -> State:
    arn = "" if len(made.policies) == 1 else f"{ACCOUNT}/"
    return {(one.name, f"{arn}{one.name}" if arn else ""): one.document for one in made.policies}


PLANS = {
    "a first policy": ([new("policygen")], []),
    "one of each kind goes": ([new("policygen")], [old("a"), old("b", managed=True)]),
    "a policy of the same name is replaced": ([new("policygen")], [old("policygen"), old("a")]),
    "managed ones": ([new("p-1"), new("p-2")], [old("policygen"), old("b", managed=True)]),
    "a managed one is replaced": (
        [new("p-1"), new("p-2")],
        [old("p-1", managed=True), old("c", managed=True)],
    ),
    "no room for two inline ones": (
        [new("policygen", 6_000)],
        [old("a", 2_000), old("b", 3_000), old("c", 10)],
    ),
    "no room for more managed ones": (
        [new("p-1"), new("p-2"), new("p-3")],
        [old(f"m{number}", managed=True) for number in range(19)],
    ),
}
EVERY_PLAN = pytest.mark.parametrize(("policies", "today"), PLANS.values(), ids=PLANS)
