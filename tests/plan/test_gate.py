"""The gate on a plan: what a plan saves gives the findings that the logs give."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from policygen.account.snapshot import to_account
from policygen.errors import PolicygenError, UsageError
from policygen.evidence.observe import collect_evidence
from policygen.gate.findings import failing
from policygen.gate.judge.check import check
from policygen.gate.judge.from_logs import check_basis
from policygen.gate.sources import PolicySource, policy_source
from policygen.iam.document import parse_policy
from policygen.plan.build import build_plan_document
from policygen.plan.fast_json import to_bytes
from policygen.plan.gate import basis_from_plan
from policygen.plan.io import read_plan
from policygen.plan.model import Plan
from policygen.rightsize.analysis import Analysis, conclude
from policygen.rightsize.decisions.load import parse_decisions
from policygen.rightsize.suggestion import SuggestOptions
from tests.support import ROOT
from tests.support.accounts import ALL_DATA_EVENTS, snapshot
from tests.support.command import READ
from tests.support.records import ROLE, crowd, write_logs
from tests.support.samples import SAMPLED, sample

# What these have in their bases, and the samples have not.
TELLING = (
    "a condition on a key", "platform's need", "decided to keep", "IAM saw used", "allow either", "a boundary",
)  # fmt: skip
CASES = [
    case
    for case in json.loads((ROOT / "tests" / "cases" / "check" / "findings.json").read_text())
    if any(words in case["name"] for words in TELLING)
]
SMALL = [(role, today) for role, today in SAMPLED if role != "deploy-ci"]
WIDER = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["iam:PassRole", "s3:*", "sns:Publish", "dynamodb:*"], "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"},
    ],
}


def source(document: Any) -> PolicySource:
    text = json.dumps(document, indent=2)
    return policy_source("policy.json", text, parse_policy(text))


def saved(analysis: Analysis) -> Plan:
    """The plan as another process reads it."""
    return read_plan(to_bytes(build_plan_document(analysis)), "plans/orders.json")


@pytest.mark.parametrize(("role", "today"), SMALL)
def test_a_plan_gives_the_findings_that_the_logs_give(role: str, today: bool) -> None:
    seen = sample(role, today).observed
    plan = saved(sample(role, today))
    live, offline = check_basis(seen), basis_from_plan(plan)
    own = [source(one.document) for one in plan.policies]
    now = [source(one.document) for one in plan.today or ()]
    for policies in (own, now or own, [*own, source(WIDER)], [source(WIDER)]):
        found = check(policies, offline)
        assert found == check(policies, live)
        assert bool(failing(found, "note")) == (policies != own)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_plan_gives_the_findings_of_the_gate_s_own_cases(case: dict[str, Any], tmp_path: Path) -> None:
    account = None
    if "today" in case:
        today = dict(case["today"])
        if today.get("trails") == "all":
            today["trails"] = ALL_DATA_EVENTS
        account = to_account(snapshot(today))
    seen = collect_evidence([write_logs(tmp_path, crowd(case["events"]))], ROLE, account=account)
    decisions = parse_decisions(case.get("decisions", ""))
    try:
        plan = saved(conclude(seen, SuggestOptions(decisions=decisions)))
    except PolicygenError:
        pytest.skip("there is nothing to suggest, and so no plan")
    policies = [source(case["policy"])]
    assert check(policies, basis_from_plan(plan)) == check(policies, check_basis(seen, decisions))


@pytest.mark.parametrize("gate", [None, {}, {"coverage": {}, "min_days": "many"}])
def test_a_plan_without_what_the_gate_needs_is_refused(gate: Any, tmp_path: Path) -> None:
    seen = collect_evidence([write_logs(tmp_path, [READ])], ROLE)
    document = build_plan_document(conclude(seen)) | {"gate": gate}
    plan = read_plan(to_bytes(document), "plans/orders.json")
    with pytest.raises(UsageError, match=r"'plans/orders.json' does not hold what the gate needs") as caught:
        basis_from_plan(plan)
    assert caught.value.code == "PG-E245"
