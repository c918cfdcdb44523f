"""IAM's last-accessed reports as values (3.5); `report_reader` reads them from AWS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from policygen.account.model import LastAccessed, ServiceUse
from policygen.account.snapshot_schema import AccessReport
from policygen.errors import UsageError
from policygen.text import sanitize


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


def tracked_actions(reports: Iterable[LastAccessed]) -> frozenset[str]:
    """Return the actions, in lower case, that any of an account's reports lists one by one.

    Which ones IAM tracks is the same for all roles; a report lists those that its own role is granted.
    """
    names: dict[str, set[str]] = {}
    for report in reports:
        for service, use in report.services.items():
            names.setdefault(service, set()).update(use.actions or ())
    return frozenset(f"{service}:{name}".lower() for service in names for name in names[service])


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
