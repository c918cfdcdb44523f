"""A policy must come out: what does not fit by names is kept by whole services, as today, and it is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from policygen.errors import GateError
from policygen.iam.evaluate import evaluate
from policygen.iam.request import AccessRequest
from policygen.rightsize.generate import pack
from tests.support.golden import Case, run

TODAY = ["sqs:*", "sns:*", "ssm:*"]
EVENT = {"source": "ssm", "name": "GetParameter", "params": {"name": "/a"}, "reads": True}
READS = [
    {
        "advanced": [
            {
                "FieldSelectors": [
                    {"Field": "eventCategory", "Equals": ["Management"]},
                    {"Field": "readOnly", "Equals": ["true"]},
                ]
            }
        ]
    }
]
CASE: Case = {
    "name": "a trail of reads",
    "events": [EVENT],
    "today": {
        "policies": [{"Statement": [{"Effect": "Allow", "NotAction": ["iam:*", "sqs:*"], "Resource": "*"}]}],
        "trails": READS,
    },
}
NARROW = {
    "policies": [{"Statement": [{"Effect": "Allow", "Action": TODAY, "Resource": "*"}]}],
    "trails": READS,
}


@pytest.fixture
def small_quotas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quotas that the writes of three services do not fit into by name, nor by the first words of names."""
    monkeypatch.setattr("policygen.rightsize.propose.INLINE_LIMIT", 300)
    monkeypatch.setattr(pack, "INLINE_LIMIT", 300)
    monkeypatch.setattr(pack, "MANAGED_LIMIT", 420)
    monkeypatch.setattr(pack, "MANAGED_COUNT", 1)


@pytest.mark.usefixtures("small_quotas")
def test_services_stay_whole_where_their_unknown_rest_does_not_fit(tmp_path: Path) -> None:
    made = run(CASE | {"today": NARROW}, tmp_path).suggestion
    whole = {
        keep.grant.action for keep in made.keeps if keep.blind_spot and keep.blind_spot.id == "does-not-fit"
    }
    assert {"ssm:DescribeParameters", "ssm:PutParameter"} & whole
    assert made.proof.held
    changes = {change.action: change.why for change in made.changes}
    assert all("does not fit into IAM's quotas without it" in changes[action] for action in whole)
    assert not whole & {change.action for change in made.changes if change.kind == "removed"}


@pytest.mark.usefixtures("small_quotas")
def test_what_does_not_fit_even_so_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack, "INLINE_LIMIT", 60)
    monkeypatch.setattr(pack, "MANAGED_LIMIT", 60)
    with pytest.raises(GateError) as caught:
        run(CASE | {"today": NARROW}, tmp_path)
    assert caught.value.code == "PG-E402"


def test_a_role_that_may_do_all_but_a_few_things_gets_a_policy_that_is_no_wider(tmp_path: Path) -> None:
    made = run(CASE, tmp_path).suggestion
    assert made.proof.held
    assert not [grant for grant in made.grants if grant.action.lower().startswith(("iam:", "sqs:"))]
    assert len(made.policies) <= pack.MANAGED_COUNT


@pytest.mark.usefixtures("small_quotas")
@pytest.mark.parametrize("rule", ["ssm:GetParameters", "ssm:DescribeParameters"], ids=["used", "unverified"])
def test_what_a_decision_drops_does_not_come_back_with_its_service(
    rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack, "MANAGED_COUNT", 3)
    events = [EVENT, EVENT | {"name": "GetParameters", "params": {"names": ["/a"]}}]
    made = run(CASE | {"today": NARROW, "events": events, "drop": [rule]}, tmp_path).suggestion
    assert any(keep.blind_spot and keep.blind_spot.id == "does-not-fit" for keep in made.keeps)
    assert rule not in {keep.grant.action for keep in made.keeps}
    request = AccessRequest(rule, "arn:aws:ssm:us-east-1:123456789012:parameter/a")
    assert evaluate(request, made.policies).outcome != "ALLOWED"
