"""Names that a record gives in part: real records, and what must come out of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from policygen.account.snapshot import load_snapshot
from policygen.iam.document import Policy
from policygen.rightsize.analysis import analyse
from tests.support import SHARED
from tests.support.command import run
from tests.support.options import analysis_options

FOUND = SHARED / "trails" / "found"
pytestmark = pytest.mark.skipif(not FOUND.is_dir(), reason="the real records are not here")


def grants(file: str, role: str, snapshot: str = "") -> dict[str, list[Any]]:
    """Action -> [resource, conditions] of each Allow, of the policy that comes out for a role."""
    account = load_snapshot(FOUND / snapshot) if snapshot else None
    analysis = analyse([FOUND / file], role, account=account, **analysis_options(days=4000))
    found: dict[str, list[Any]] = {}
    for policy in analysis.suggestion.policies:
        for action, resource, conditions in _allowed(policy):
            found.setdefault(action, []).append((resource, conditions))
    return found


def _allowed(policy: Policy) -> list[tuple[str, str, dict[str, Any]]]:
    statements = [one.to_dict() for one in policy.statements if one.effect == "Allow"]
    return [
        (action, resource, one.get("Condition", {}))
        for one in statements
        for action in _list(one["Action"])
        for resource in _list(one["Resource"])
    ]


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else value


def mapped(file: str, folder: Path) -> list[dict[str, Any]]:
    done = run(folder, "map", FOUND / file, "--format", "jsonl", "-q")
    assert done.code == 0
    return [json.loads(line) for line in done.stdout.splitlines()]


LOGS_ROLE = "arn:aws:iam::342082656213:role/service-role/CloudTrailRoleForCloudWatchLogs"


@pytest.mark.parametrize(
    ("file", "snapshot"),
    [
        ("02-role-path-lost.json", ""),
        ("02b-role-path-25days.json", ""),
        ("02b-role-path-25days.json", "02-role-path-lost.snapshot.json"),
    ],
)
def test_a_role_keeps_its_path(file: str, snapshot: str) -> None:
    found = grants(file, "U-root", snapshot)
    for action in ("iam:AttachRolePolicy", "iam:CreateRole"):
        assert [resource for resource, _ in found[action]] == [LOGS_ROLE]


def test_a_throttled_call_widens_nothing() -> None:
    found = grants("01-throttled-widens.json", "U-bert-jan")
    assert [resource for resource, _ in found["ssm:PutParameter"]] == [
        "arn:aws:ssm:us-east-1:123837392027:parameter/credentials/stratus-red-team/credentials-34"
    ]


def test_percent_encoded_names_are_those_of_plain_ones(tmp_path: Path) -> None:
    rows = mapped("03-percent-encoded-names.json", tmp_path)
    named = {row["event_name"]: {r["resource"] for r in row["requests"]} for row in rows}
    assert named["GetFunction20150331v2"] == {"arn:aws:lambda:us-east-1:123837392027:function:f1"}
    assert (
        "arn:aws:securityhub:us-east-1:200802171337:finding-aggregator/dcc10183-006c-cedf-582e-6bb5f3a6b9d2"
        in (named["GetFindingAggregator"])
    )
    assert not [name for names in named.values() for name in names if "%" in name]
    rows = [
        row for row in mapped("07-eks-simulate.json", tmp_path) if row["event_name"].endswith("AccessPolicy")
    ]
    assert {r["resource"] for row in rows for r in row["requests"]} == {
        "arn:aws:eks:us-east-1:111111111111:access-entry/beta-fish/role/111122223333/TrailDiscover/*"
    }


def test_the_channel_of_the_agent_is_asked_for_at_the_message_gateway(tmp_path: Path) -> None:
    rows = mapped("05-ssmmessages-control-channel.json", tmp_path)
    asked = {row["event_name"]: [r["action"] for r in row["requests"]] for row in rows}
    assert asked["OpenControlChannel"] == ["ssmmessages:OpenControlChannel"]
    assert asked["CreateControlChannel"] == ["ssmmessages:CreateControlChannel"]


def test_the_role_of_an_instance_profile_is_passed() -> None:
    found = grants("04b-runinstances-25days.json", "U-bert-jan", "04b.snapshot.json")
    assert found["iam:PassRole"] == [
        (
            "arn:aws:iam::123837392027:role/stratus-red-team-ec2-steal-credentials-role",
            {"StringEquals": {"iam:PassedToService": ["ec2.amazonaws.com"]}},
        )
    ]


def test_a_key_that_aws_manages_is_not_granted() -> None:
    assert not [a for a in grants("09-aws-managed-key.json", "U-bert-jan") if a.startswith("kms:")]


def test_what_a_key_policy_allowed_is_not_granted() -> None:
    found = grants("h1-awslabs.json", "AWSLabsController", "h1-awslabs.snapshot.json")
    assert "kms:Decrypt" not in found
    assert "cloudtrail:LookupEvents" in found
