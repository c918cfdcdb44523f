"""Attempts that IAM saw at a service and of which no event was read, explained by what no log would have shown.

Such an attempt proves a hole in the logs only where each action that the role may use would have left an event. Where
today's policies allow one that leaves none, that one explains it: the visible actions are unused, the hidden ones stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from policygen.evidence.coverage.last_accessed import LastAccessedFinding, explains_attempts
from policygen.evidence.coverage.observability import AbsenceVerdict
from policygen.iam.actions import by_service
from policygen.iam.arn import service_of
from policygen.rightsize.keep.model import places_of
from policygen.rightsize.keep.witness import RoleFacts


class ExplainedAttempts:
    """Which attempts at services what today's policies allow and no log shows explains; remembered by service."""

    def __init__(self, facts: RoleFacts, min_days: int) -> None:
        self._facts, self._min_days = facts, min_days
        self._known: dict[str, str] = {}

    @cached_property
    def _granted(self) -> Mapping[str, Sequence[str]]:
        """Service -> its actions that today's policies allow."""
        return by_service(self._facts.current_actions)

    def explaining(self, finding: LastAccessedFinding) -> str:
        """Return an action that explains the attempt of a finding; "" where the logs may have a hole."""
        if finding.kind != "used_unseen" or finding.level != "service":
            return ""
        service = service_of(finding.action)
        found = self._known.get(service)
        if found is None:
            found = self._known[service] = self._explaining(service, finding)
        return found

    def _explaining(self, service: str, finding: LastAccessedFinding) -> str:
        read = self._facts.coverage.has_read(finding.region, finding.last[:10])
        if not read or self._has_hole(service):
            return ""
        return next((one for one in sorted(self._granted.get(service, ())) if self._is_hidden(one)), "")

    def _has_hole(self, service: str) -> bool:
        """Return whether IAM saw an attempt at one action of the service, and its event was not read."""
        report = self._facts.report
        use = report.report.services.get(service) if report else None
        names = (use.actions or {}) if use else {}
        return report is not None and any(
            report.find(f"{service}:{name}").kind == "used_unseen" for name, when in names.items() if when
        )

    def _is_hidden(self, action: str) -> bool:
        """Return whether IAM counts an action by the service alone, and its use would not have been seen."""
        report = self._facts.report
        if report is None or report.find(action).level != "service":
            return False
        if not explains_attempts(action):
            return False
        places = places_of(self._facts.current_actions[action])
        return any(self._absence(action, resource).blind_spot for resource, _, _ in places)

    def _absence(self, action: str, resource: str) -> AbsenceVerdict:
        return self._facts.coverage.absence(action, resource, self._min_days)
