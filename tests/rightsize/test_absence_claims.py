"""What is said of a permission rests on the whole window, and on what the records cannot make up."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from policygen.account.snapshot import to_account
from policygen.errors import NothingFoundError
from policygen.evidence.coverage.last_accessed import is_counted
from policygen.logs.events.credentials import credential_use_of
from policygen.rightsize.analysis import analyse, conclude
from policygen.rightsize.keep import unobservable
from policygen.rightsize.keep.witness import RoleFacts
from policygen.rightsize.removal import Removal
from policygen.rightsize.suggestion import Suggestion
from tests.support.accounts import snapshot, trail
from tests.support.options import analysis_options
from tests.support.records import ROLE, write_logs
from tests.support.samples import sample

GET = {
    "source": "s3",
    "name": "GetObject",
    "params": {"bucketName": "b", "key": "k"},
    "resources": ["arn:aws:s3:::b/k"],
    "function": "orders",
    "on": ["2026-10-26", "2026-11-24", 3],
}
SERVICE = {"Service": "lambda.amazonaws.com"}
TRUST = {"Statement": [{"Effect": "Allow", "Principal": SERVICE, "Action": "sts:AssumeRole"}]}
TRAIL = trail({"name": "t", "on": {"AWS::S3::Object": ["arn:aws:s3"]}})


def suggested(
    folder: Path, events: list[Mapping[str, Any]], *actions: str, until: str = "", **last: str
) -> Suggestion:
    """`last`: generated and created, of a last-accessed report that has no attempt at sns."""
    policy = {"Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}
    made = snapshot({"policies": [policy], "trails": [TRAIL]})
    role = made["authorization"]["RoleDetailList"][0]
    role["AssumeRolePolicyDocument"] = TRUST
    if last:
        role["CreateDate"] = last["created"]
        report = {
            "JobStatus": "COMPLETED",
            "JobCreationDate": last["generated"],
            "JobCompletionDate": last["generated"],
            "IsTruncated": False,
            "ServicesLastAccessed": [{"ServiceName": "SNS", "ServiceNamespace": "sns"}],
        }
        made["last_accessed"] = {role["Arn"]: report}
    logs = [write_logs(folder, events)]
    return analyse(logs, ROLE, account=to_account(made), **analysis_options(days=20, until=until)).suggestion


def kept(made: Suggestion) -> set[str]:
    return {keep.grant.action for keep in made.keeps}


@pytest.mark.parametrize(
    ("created", "generated", "goes"),
    [
        ("2024-01-01T00:00:00Z", "2026-11-24T20:00:00Z", True),
        ("2024-01-01T00:00:00Z", "2026-09-01T20:00:00Z", False),
        ("2026-11-22T00:00:00Z", "2026-11-24T20:00:00Z", False),
    ],
    ids=["the whole window", "a report from before the window", "a role of three days"],
)
def test_idleness_removes_the_unseen_only_if_it_lasts(
    created: str, generated: str, goes: bool, tmp_path: Path
) -> None:
    made = suggested(tmp_path, [GET], "s3:GetObject", "sns:Publish", created=created, generated=generated)
    assert ("sns:Publish" not in kept(made)) is goes


@pytest.mark.parametrize("listed", [False, True], ids=["no report", "a report of another role"])
def test_what_iam_lists_for_any_role_is_a_management_event_for_all(tmp_path: Path, listed: bool) -> None:
    # In a service with data events of which no page says which operations they cover.
    action = "geo-places:Geocode"
    policy = {"Statement": [{"Effect": "Allow", "Action": ["s3:GetObject", action], "Resource": "*"}]}
    made = snapshot({"policies": [policy], "trails": [TRAIL]})
    if listed:
        row = {
            "ServiceNamespace": "geo-places",
            "TrackedActionsLastAccessed": [{"ActionName": action.partition(":")[2]}],
        }
        report = {"JobCompletionDate": "2026-11-24T20:00:00Z", "ServicesLastAccessed": [row]}
        made["last_accessed"] = {"arn:aws:iam::123456789012:role/another": report}
    logs = [write_logs(tmp_path, [GET])]
    found = analyse(logs, ROLE, account=to_account(made), **analysis_options(days=20)).suggestion
    assert (action in kept(found)) is not listed


def test_silence_is_less_sure_where_iam_does_not_look_and_others_work(tmp_path: Path) -> None:
    others = {"source": "ec2", "name": "DescribeInstances", "role": "admin", "region": "mx-central-1"}
    logs = [write_logs(tmp_path, [GET, others | {"on": GET["on"]}])]
    policy = {"Statement": [{"Effect": "Allow", "Action": ["s3:GetObject", "sns:Publish"], "Resource": "*"}]}
    told = {"last_accessed": {"sns": None}, "policies": [policy], "trails": [TRAIL], "functions": []}
    made = snapshot(told | {"trust": ["lambda.amazonaws.com"]}) | {"regions": ["us-east-1", "mx-central-1"]}
    (report,) = made["last_accessed"].values()
    report["JobCreationDate"] = report["JobCompletionDate"] = "2026-11-24T20:00:00Z"
    found = analyse(logs, ROLE, account=to_account(made), **analysis_options(days=20)).suggestion
    (gone,) = (change for change in found.changes if change.action == "sns:Publish")
    assert gone.decided_by is not None
    assert (gone.decided_by.rule, gone.decided_by.confidence) == ("last-accessed", "medium")
    assert "mx-central-1" in gone.why
    unread = analyse(
        logs, ROLE, account=to_account(made | {"regions": ["us-east-1"]}), **analysis_options(days=20)
    )
    assert "sns:Publish" in kept(unread.suggestion)


def test_selectors_that_were_set_after_the_window_say_nothing_of_it(tmp_path: Path) -> None:
    selectors = [
        {
            "readWriteType": "All",
            "includeManagementEvents": True,
            "dataResources": [{"type": "AWS::S3::Object", "values": ["arn:aws:s3"]}],
        }
    ]
    change = {
        "source": "cloudtrail",
        "name": "PutEventSelectors",
        "role": "admin",
        "time": "2026-11-21T10:00:00Z",
        "params": {"trailName": "t", "eventSelectors": selectors},
    }
    used = {"source": "ssm", "name": "GetParameter", "params": {"name": "/a"}, "function": "orders"}
    events = [used | {"on": GET["on"]}, change]
    made = suggested(tmp_path, events, "ssm:GetParameter", "s3:PutObject", until="2026-11-18")
    assert "s3:PutObject" in kept(made)


def test_a_permission_that_was_set_apart_is_not_called_unseen(tmp_path: Path) -> None:
    browser = GET | {"name": "PutObject", "agent": "[Mozilla/5.0]", "on": ["2026-11-10", "2026-11-10", 2]}
    made = suggested(tmp_path, [GET, browser], "s3:GetObject", "s3:PutObject")
    whys = {change.action: change.why for change in made.changes}
    assert whys["s3:PutObject"] == "used only in suspicious calls"


def test_a_role_of_which_all_is_set_apart_is_told_so(tmp_path: Path) -> None:
    odd = GET | {"agent": "aws-cli/2.15.0", "on": ["2026-11-10", "2026-11-10", 2]}
    with pytest.raises(NothingFoundError, match="2 suspicious calls left out") as caught:
        suggested(tmp_path, [odd], "s3:GetObject")
    assert caught.value.code == "PG-E301"
    assert any("--accept interactive-agent" in hint for hint in caught.value.hints)


def test_an_agent_that_names_a_service_is_believed_only_without_an_address() -> None:
    assert credential_use_of("f", "f", "s3.amazonaws.com", "").channel == "service"
    assert credential_use_of("f", "f", "s3.amazonaws.com", "", from_ip_address=True).channel == "other"
    assert (
        credential_use_of("f", "f", "s3.amazonaws.com", "s3.amazonaws.com", from_ip_address=True).channel
        == "service"
    )


@pytest.mark.parametrize(
    ("action", "counted"),
    [
        ("dynamodb:GetItem", True),
        ("quicksight:SearchUsers", True),
        ("bedrock-mantle:CreateInference", True),
        ("aws-external-anthropic:CreateInference", True),
        ("appsync:GraphQL", False),
        ("rds-db:connect", False),
        ("managedblockchain:POST", False),
        ("kinesisvideo:ConnectAsViewer", False),
        ("vpc-lattice-svcs:Invoke", False),
    ],
)
def test_iam_counts_calls_of_aws_and_not_those_to_what_an_account_runs(action: str, counted: bool) -> None:
    assert is_counted(action) is counted


def test_what_a_report_lists_without_a_time_was_not_used_unless_reports_list_it_anyway(
    tmp_path: Path,
) -> None:
    attempt, listed = "2026-11-20T09:00:00Z", {"GetObjectAcl": None, "ListBucketMultipartUploads": None}
    told = {"s3": [attempt, listed], "cloudwatch": [attempt, {"GetMetricStatistics": None}]}
    stays = {"s3:GetObject", "s3:GetObjectTagging", "s3:ListBucketMultipartUploads"}
    watched = [*sorted(stays), "s3:GetObjectAcl", "cloudwatch:GetMetricStatistics"]
    policy = {
        "Statement": [{"Effect": "Allow", "Action": [*watched, "ec2:DescribeInstances"], "Resource": "*"}]
    }
    logs_no_data = TRAIL | {"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": True}]}
    made = snapshot(
        {
            "policies": [policy],
            "trails": [logs_no_data],
            "last_accessed": told,
            "trust": ["ec2.amazonaws.com"],
        }
    )
    for report in made["last_accessed"].values():
        report.update(dict.fromkeys(("JobCreationDate", "JobCompletionDate"), "2026-11-24T20:00:00Z"))
    event = {
        "source": "ec2",
        "name": "DescribeInstances",
        "reads": True,
        "on": ["2026-10-26", "2026-11-24", 1],
    }
    logs = [write_logs(tmp_path, [event])]
    found = analyse(logs, ROLE, account=to_account(made), **analysis_options(days=20)).suggestion
    assert kept(found) == stays | {"cloudwatch:GetMetricStatistics"}
    gone = next(one.decided_by for one in found.changes if one.action == "s3:GetObjectAcl")
    assert gone is not None
    assert (gone.rule, gone.confidence) == ("last-accessed", "medium")


@pytest.mark.parametrize("role", ["orders-api", "deploy-ci", "image-resizer"])
def test_what_the_logs_alone_decide_is_what_is_decided_of_each_by_itself(
    role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    observed = sample(role, True).observed
    assert observed.current_access
    without_report = replace(observed, current_access=replace(observed.current_access, last=None))
    together = conclude(without_report).suggestion
    asked = set[str]()

    def nothing(facts: RoleFacts, *_: object) -> dict[str, Removal]:
        asked.update(facts.current_actions)
        return {}

    monkeypatch.setattr(unobservable, "plainly_unused", nothing)
    by_itself = conclude(without_report).suggestion
    assert asked
    assert together.changes == by_itself.changes
    assert together.keeps == by_itself.keeps
    assert together.questions == by_itself.questions
