"""IAM's last-accessed reports: request, wait, and read (3.5).

GenerateServiceLastAccessedDetails starts a job, GetServiceLastAccessedDetails returns its report page by page, to the
same session only. Source: IAM API Reference, API_GetServiceLastAccessedDetails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from policygen.account.model import LastAccessed, ServiceUse
from policygen.account.snapshot_schema import AccessReport, Json
from policygen.errors import UsageError
from policygen.text import sanitize

POLL_DELAYS = (0.5, 1.0, 1.0, 2.0, 2.0, 3.0, 5.0, 5.0, 10.0, 10.0, 20.0)
"""Seconds between polls of a job, one minute in all; then the job is given up. Jobs usually take a few seconds."""

START_REPORT = "iam:GenerateServiceLastAccessedDetails"
GET_REPORT = "iam:GetServiceLastAccessedDetails"


def start_reports(
    iam: Any, roles: Iterable[str], attempt: Callable[[Callable[[], str]], str | None]
) -> dict[str, str]:
    """Start a job for each role; return role ARN -> job id. The first failure ends it, because all others would follow.

    Args:
        iam: the IAM client.
        roles: role ARNs.
        attempt: makes the call, and returns None where it fails.
    """
    jobs: dict[str, str] = {}
    for role in roles:
        job = attempt(partial(_start, iam, role))
        if job is None:
            break
        jobs[role] = job
    return jobs


def fetch_report(iam: Any, job: str, pause: Callable[[float], None]) -> Json:
    """Return a job's finished report in the form of one page.

    If a job failed, or does not end in time, return AWS's last answer, with its ``JobStatus``.
    """
    answer: Json = iam.get_service_last_accessed_details(JobId=job)
    for seconds in POLL_DELAYS:
        if answer["JobStatus"] != "IN_PROGRESS":
            break
        pause(seconds)
        answer = iam.get_service_last_accessed_details(JobId=job)
    return _all_pages(iam, job, answer) if answer["JobStatus"] == "COMPLETED" else answer


def parse_report(report: AccessReport, name: str) -> LastAccessed:
    """Convert a report to a value.

    Raises:
        UsageError: PG-E341, a time in it cannot be read: without a time, the service would count as unused.
    """
    return LastAccessed(
        _utc(report.job_completion_date or report.job_creation_date, name),
        {
            sanitize(row.service_namespace).lower(): ServiceUse(
                _utc(row.last_authenticated, name),
                sanitize(row.last_authenticated_region or ""),
                _actions(row.tracked_actions_last_accessed, name),
                _action_regions(row.tracked_actions_last_accessed),
            )
            for row in report.services_last_accessed
        },
    )


def _start(iam: Any, role: str) -> str:
    job: str = iam.generate_service_last_accessed_details(Arn=role, Granularity="ACTION_LEVEL")["JobId"]
    return job


def _all_pages(iam: Any, job: str, answer: Json) -> Json:
    """Return the first page with the services of all pages."""
    rows, page = list(answer["ServicesLastAccessed"]), answer
    while page.get("IsTruncated"):
        page = iam.get_service_last_accessed_details(JobId=job, Marker=page["Marker"])
        rows += page["ServicesLastAccessed"]
    report = {key: value for key, value in answer.items() if key not in ("Marker", "IsTruncated")}
    return {**report, "ServicesLastAccessed": sorted(rows, key=lambda row: str(row["ServiceNamespace"]))}


def _actions(rows: list[Any] | None, name: str) -> Mapping[str, str] | None:
    """Return tracked actions by name; None where the report tracks no action of the service."""
    return {sanitize(row.action_name): _utc(row.last_accessed_time, name) for row in rows} if rows else None


def _action_regions(rows: list[Any] | None) -> Mapping[str, str]:
    """Return the regions of the last attempts at tracked actions by name, where the report has them."""
    regions = {sanitize(row.action_name): sanitize(row.last_accessed_region or "") for row in rows or ()}
    return {name: region for name, region in regions.items() if region}


def _utc(text: str | None, name: str) -> str:
    """Return a time as ISO 8601 in UTC with "Z", so that times compare as text; "" stays ""."""
    if not text:
        return ""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{name}: not a time: {sanitize(text)!r}",
            "take it as AWS gives it: aws iam get-service-last-accessed-details --output json",
            code="PG-E341",
        ) from error
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
