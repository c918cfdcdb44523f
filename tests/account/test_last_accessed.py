"""What IAM saw used last: reports that are waited for, refused or broken."""

from __future__ import annotations

from typing import Any

import pytest

from policygen.account.live import read_role, take_snapshot
from policygen.account.model import Account
from policygen.account.report_reader import PAGE, POLL_AGES, ReportOptions
from policygen.account.snapshot import to_account
from policygen.errors import NothingFoundError, UsageError
from tests.support.aws_stubs import IDENTITY, NO_FUNCTIONS, NOW, Stubbed, detail, reports, role_answers, told

# --- What IAM saw used last ----------------------------------------------------------------------

ROLE = "arn:aws-cn:iam::123456789012:role/role-name"


def finished(*services: dict[str, Any], **more: Any) -> dict[str, Any]:
    rows = [{"ServiceName": "x", **row} for row in services]
    return {
        "JobStatus": "COMPLETED",
        "JobCreationDate": NOW,
        "JobCompletionDate": NOW,
        "ServicesLastAccessed": rows,
        **more,
    }


RUNNING = finished(JobStatus="IN_PROGRESS")
FAILED = finished(JobStatus="FAILED", Error={"Code": "SERVICE_ERROR", "Message": "try again"})


def read_with(*answers: tuple[str, Any], pauses: list[float] | None = None) -> tuple[Account, Stubbed]:
    stubbed: Any = Stubbed(
        {
            "sts": [IDENTITY],
            "iam": [*role_answers(), *answers],
            **NO_FUNCTIONS,
        }
    )
    waited = pauses if pauses is not None else []
    reports = ReportOptions(waited.append, lambda: sum(waited))
    return read_role("role-name", stubbed, now=NOW, last_accessed=True, reports=reports), stubbed


def test_a_report_is_waited_for_and_read_page_by_page() -> None:
    pages = [
        finished(
            {"ServiceNamespace": "sns", "LastAuthenticated": NOW, "LastAuthenticatedRegion": "cn-north-1"},
            IsTruncated=True,
            Marker="next",
        ),
        finished(
            {
                "ServiceNamespace": "iam",
                "TrackedActionsLastAccessed": [
                    {"ActionName": "GetRole", "LastAccessedTime": NOW},
                    {"ActionName": "DeleteRole"},
                ],
            }
        ),
    ]
    pauses: list[float] = []
    read, stubbed = read_with(*reports(RUNNING, RUNNING, *pages), pauses=pauses)
    found = read.last_accessed_of(read.roles[0])
    assert found is not None
    assert found.generated_at == "2026-11-24T22:31:00Z"
    assert (found.services["sns"].last, found.services["sns"].region) == (
        "2026-11-24T22:31:00Z",
        "cn-north-1",
    )
    assert found.services["sns"].actions is None
    assert found.services["iam"].last == ""
    assert found.services["iam"].actions == {"GetRole": "2026-11-24T22:31:00Z", "DeleteRole": ""}
    assert (read.errors, sum(pauses)) == ((), POLL_AGES[2])
    assert stubbed.sent["GenerateServiceLastAccessedDetails"] == {"Arn": ROLE, "Granularity": "ACTION_LEVEL"}
    assert stubbed.sent["GetServiceLastAccessedDetails"] == {
        "JobId": "j" * 36,
        "MaxItems": PAGE,
        "Marker": "next",
    }


def test_a_report_that_is_never_ready_is_given_up_after_a_minute_and_named() -> None:
    pauses: list[float] = []
    read, _ = read_with(*reports(*[RUNNING] * len(POLL_AGES)), pauses=pauses)
    assert read.last_accessed is None
    assert [(one.operation, one.code) for one in read.errors] == [
        ("iam:GetServiceLastAccessedDetails", "Timeout")
    ]
    assert 30 <= sum(pauses) <= 90


def test_a_report_that_failed_is_none_and_named() -> None:
    read, _ = read_with(*reports(FAILED))
    assert read.last_accessed is None
    assert [(one.code, one.message) for one in read.errors] == [("SERVICE_ERROR", f"{ROLE}: try again")]


@pytest.mark.parametrize("code", ["AccessDenied", "ServiceFailure", "InvalidInput"])
def test_whatever_iam_answers_to_the_question_the_role_is_read(code: str) -> None:
    read, _ = read_with(("generate_service_last_accessed_details", code))
    assert [role.name for role in read.roles] == ["role-name"]
    assert read.last_accessed is None
    assert [(one.operation, one.code) for one in read.errors] == [
        ("iam:GenerateServiceLastAccessedDetails", code)
    ]


def test_a_report_that_may_be_asked_for_but_not_read_is_named() -> None:
    read, _ = read_with(*reports("AccessDenied"))
    assert [one.operation for one in read.errors] == ["iam:GetServiceLastAccessedDetails"]


def snapshot_of_roles(asked: bool | list[str], *answers: tuple[str, Any]) -> Account:
    rows = [
        detail(RoleName=name, Arn=f"arn:aws-cn:iam::123456789012:role/{name}")
        for name in ("role-b", "role-a")
    ]
    stubbed: Any = Stubbed(
        {
            "sts": [IDENTITY],
            "iam": [
                ("get_account_authorization_details", {"RoleDetailList": rows, "IsTruncated": False}),
                *answers,
            ],
            "lambda": [("list_functions", {}), ("list_event_source_mappings", {})],
            "cloudtrail": [("describe_trails", {"trailList": []})],
        }
    )
    return to_account(
        take_snapshot(stubbed, now=NOW, last_accessed=asked, reports=ReportOptions(lambda _: None))
    )


def test_a_snapshot_asks_for_all_reports_before_it_reads_the_first() -> None:
    start, row = reports(finished({"ServiceNamespace": "s3"}))
    read = snapshot_of_roles(True, start, start, row, row)
    assert [arn.rpartition("/")[2] for arn in read.last_accessed or ()] == ["role-a", "role-b"]


def test_a_snapshot_asks_about_the_roles_that_are_named_only() -> None:
    read = snapshot_of_roles(["role-b"], *reports(finished({"ServiceNamespace": "s3"})))
    assert [arn.rpartition("/")[2] for arn in read.last_accessed or ()] == ["role-b"]


def test_a_refusal_of_several_roles_is_noted_once() -> None:
    refusal = ("generate_service_last_accessed_details", "AccessDenied")
    read = snapshot_of_roles(True, refusal, refusal)
    (error,) = read.errors
    assert error.message.startswith("arn:aws-cn:iam::123456789012:role/role-a and 1 more role: ")


def test_a_refused_role_leaves_the_report_of_the_others() -> None:
    refusal = ("generate_service_last_accessed_details", "AccessDenied")
    read = snapshot_of_roles(True, refusal, *reports(finished({"ServiceNamespace": "s3"})))
    assert [arn.rpartition("/")[2] for arn in read.last_accessed or ()] == ["role-b"]
    assert [one.code for one in read.errors] == ["AccessDenied"]


def test_a_snapshot_may_ask_about_the_roles_that_a_function_chooses() -> None:
    stubbed: Any = Stubbed(
        {
            "sts": [IDENTITY],
            "iam": [*role_answers(), *reports(finished({"ServiceNamespace": "s3"}))],
            **NO_FUNCTIONS,
        }
    )
    chosen = take_snapshot(
        stubbed,
        now=NOW,
        last_accessed=lambda account: [role.name for role in account.roles],
        reports=ReportOptions(lambda _: None),
    )
    assert list(chosen["last_accessed"]) == [ROLE]


def test_a_name_that_no_role_has_is_refused_with_those_that_look_alike() -> None:
    with pytest.raises(NothingFoundError) as caught:
        snapshot_of_roles(["role-c"])
    assert (caught.value.code, "role-a" in told(caught.value)) == ("PG-E310", True)


def with_report(report: dict[str, Any], **more: Any) -> Account:
    content = {"policygen_snapshot": 1, "authorization": {"RoleDetailList": []}, **more}
    return to_account({**content, "last_accessed": {ROLE: report}})


@pytest.mark.parametrize(
    "change", [{"JobStatus": "IN_PROGRESS"}, {"JobStatus": "FAILED"}, {"IsTruncated": True}]
)
def test_a_report_of_the_command_line_that_is_not_whole_says_nothing(change: dict[str, Any]) -> None:
    # As `aws iam get-service-last-accessed-details` prints it.
    report = {
        "JobStatus": "COMPLETED",
        "JobCompletionDate": "2026-11-24T22:31:00+00:00",
        "ServicesLastAccessed": [
            {"ServiceNamespace": "SNS", "LastAuthenticated": "2026-11-22T11:00:00+01:00"}
        ],
    }
    whole = (with_report(report).last_accessed or {})[ROLE]
    assert (whole.generated_at, whole.services["sns"].last) == (
        "2026-11-24T22:31:00Z",
        "2026-11-22T10:00:00Z",
    )
    assert with_report(report | change).last_accessed == {}


def test_a_time_that_cannot_be_read_is_not_taken_for_no_use() -> None:
    report = {"ServicesLastAccessed": [{"ServiceNamespace": "sns", "LastAuthenticated": "last tuesday\x1b"}]}
    with pytest.raises(UsageError) as caught:
        with_report(report)
    assert caught.value.code == "PG-E341"
    assert "last tuesday" in told(caught.value)
    assert "\x1b" not in told(caught.value)
