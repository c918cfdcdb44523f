"""What IAM's last-accessed report says of one role's permissions, beside what was read of its logs (3.5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from policygen.account.model import LastAccessed
from policygen.days import days_between
from policygen.evidence.coverage.event_set import GLOBAL
from policygen.evidence.coverage.last_accessed import (
    LastAccessedFinding,
    Sightings,
    is_forgotten,
    last_accessed_finding,
)
from policygen.evidence.coverage.tracked_regions import region_of, untracked_region
from policygen.evidence.coverage.workplaces import Workplaces
from policygen.iam.arn import service_of
from policygen.logs.window import Window


class Attempt(NamedTuple):
    """The last attempt that IAM saw at an action or a service."""

    what: str
    time: str
    """ISO 8601, UTC."""
    region: str
    """"" where unknown."""


class RoleReport(msgspec.Struct, frozen=True):
    """IAM's last-accessed report of a role, and what it takes to read it: the logs, and where the role may work."""

    report: LastAccessed
    window: Window
    seen: Sightings
    """The events of the role in the window, denied ones too."""
    earlier: Sightings = msgspec.field(default_factory=dict)
    """Those before the window that were read."""
    created: str = ""
    """When the role was made, ISO 8601; "" where unknown."""
    workplaces: Workplaces = msgspec.field(default_factory=Workplaces)
    """The regions in which the role may have worked."""
    leader: str = "us-east-1"
    """The region of the partition's global services."""
    found: dict[str, LastAccessedFinding] = msgspec.field(default_factory=dict)
    """Answers given before, by action: each is asked about several times."""

    def find(self, action: str) -> LastAccessedFinding:
        """Compare the report with the logs, for one permission."""
        if action not in self.found:
            self.found[action] = last_accessed_finding(
                action, self.report, self.window, self.seen, earlier=self.earlier, created=self.created
            )
        return self.found[action]

    def untracked(self, finding: LastAccessedFinding, resource: str) -> str:
        """Return a region of which the silence about a permission says nothing; "" where there is none."""
        places = self.workplaces.of(finding.action)
        return untracked_region(finding.action, resource, places, self.leader, finding.since)

    def ruled_out(self, action: str, resource: str) -> str:
        """Return a region that IAM does not track, and where others work but not the role; "" where there is none."""
        if service_of(action) in GLOBAL or (region_of(resource) or "*") != "*":
            return ""
        return self.workplaces.ruled_out(action)

    def is_long_enough(self, finding: LastAccessedFinding, min_days: int) -> bool:
        """Return whether an absence lasts to the window's end, and for the days needed.

        A role that was made yesterday had no attempt before either.
        """
        since, until = finding.since[:10], finding.until[:10]
        return until >= self.window.last_day and days_between(since, until) + 1 >= min_days


def attempts(report: LastAccessed) -> Iterator[Attempt]:
    """Yield every attempt in a report, at services and at actions, sorted."""
    for service, use in sorted(report.services.items()):
        if use.last:
            yield Attempt(service, use.last, use.region)
        for name, when in sorted((use.actions or {}).items()):
            if when:
                yield Attempt(f"{service}:{name}", when, use.action_regions.get(name, ""))


def recent_attempts(report: LastAccessed) -> Iterator[Attempt]:
    """Yield the attempts within the period of which a report certainly tells."""
    return (one for one in attempts(report) if not is_forgotten(one.time, report.generated_at))


def unread_regions(found: Iterable[Attempt], window: Window, read: Iterable[str]) -> dict[str, str]:
    """Return the regions in which IAM saw a role and of which no event of anyone was read -> how that is known.

    Args:
        found: what IAM saw of the role.
        window: the days of the log.
        read: the regions of the events read.
    """
    known = set(read)
    regions: dict[str, str] = {}
    for one in found if known else ():
        if one.region in {"", *known} or one.what.partition(":")[0] in GLOBAL:
            continue
        if window.holds(one.time[:10]):
            regions[one.region] = f"IAM saw an attempt at {one.what} there on {one.time[:10]}"
    return regions
