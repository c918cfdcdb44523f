"""What stays because the logs could not have shown its use.

Such a permission is kept as the current policies grant it: "not seen" is not "not used". What AWS's own services need
of a role is in `platform`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence

from policygen.catalog.visibility import hidden_pass_role
from policygen.days import days_between
from policygen.evidence.coverage.blind_spot import BlindSpot
from policygen.evidence.coverage.coverage import Coverage
from policygen.evidence.coverage.last_accessed import LastAccessedFinding
from policygen.evidence.coverage.observability import AbsenceVerdict
from policygen.iam import reference
from policygen.iam.arn import service_of
from policygen.iam.document import Conditions, Statement
from policygen.iam.grants import Grant
from policygen.iam.request import AccessRequest
from policygen.rightsize.keep.model import Keep, KeepResult

FindLastAccessed = Callable[[str], LastAccessedFinding]
"""Looks an action up in IAM's last-accessed report."""


def keep_unobservable(
    current_actions: Mapping[str, Sequence[Statement]],
    coverage: Coverage,
    settled: frozenset[str],
    used: Collection[AccessRequest],
    unmapped: Collection[str] = (),
    *,
    services: Collection[str] = (),
    last_accessed: FindLastAccessed | None = None,
    min_days: int = 0,
) -> KeepResult:
    """Decide for each current permission whether its absence from the logs means that it is not used.

    Args:
        current_actions: action -> the current Allow statements that grant it.
        coverage: what the logs could have shown.
        settled: actions whose need is known from configuration, so that they are not kept whole.
        used: observed requests.
        unmapped: IAM prefixes of services with a call that could not be mapped.
        services: IAM prefixes of services of which any event of the role was read.
        last_accessed: looks an action up in IAM's last-accessed report; None where that was not read.
        min_days: days for which a permission must have been visible before its absence means anything.
    """
    builder = _KeepBuilder(coverage, used, unmapped, services, last_accessed, min_days)
    for action, statements in current_actions.items():
        if action not in settled:
            builder.add(action, statements)
    return builder.result()


_Place = tuple[str, Conditions, tuple[str, ...]]
"""Resource, conditions and excluded resources: where a statement grants its actions."""


class _KeepBuilder:
    """Sorts actions into kept and removed, one by one, each on the resources that its statements name."""

    def __init__(
        self,
        coverage: Coverage,
        used: Collection[AccessRequest],
        unmapped: Collection[str],
        services: Collection[str],
        last_accessed: FindLastAccessed | None,
        min_days: int,
    ) -> None:
        self._keeps: list[Keep] = []
        self._removed: dict[str, str] = {}
        self._seasonal: dict[str, str] = {}
        self._reports: dict[str, str] = {}
        self._coverage, self._unmapped, self._last_accessed = coverage, unmapped, last_accessed
        self._services = {*services, *unmapped}
        self._places: dict[int, list[_Place]] = {}
        self._unused_services: dict[str, bool] = {}
        hidden = hidden_pass_role()
        self._passing = sorted({r.action for r in used if hidden.get(r.action) in {"", r.resource_type}})
        self._creating = {service_of(r.action) for r in used if _CREATES.match(r.action.split(":", 1)[1])}
        self._doubted = {*unmapped, *self._creating, *(("iam",) if self._passing else ())}
        self._min_days = min_days

    def result(self) -> KeepResult:
        """Return what was decided of all actions added."""
        return KeepResult(tuple(self._keeps), self._removed, self._seasonal, self._reports)

    def add(self, action: str, statements: Sequence[Statement]) -> None:
        """Decide about one action and the statements that grant it."""
        known = reference.action(action)
        doubt = None
        if known is None or service_of(action) in self._doubted:
            doubt = self._doubt(action, known)
        report = self._last_accessed(action) if self._last_accessed else None
        if report and report.kind != "silent":
            self._reports[action] = report.why
        # Thousands of actions are granted by the same few statements.
        places = self._places.get(id(statements))
        if places is None:
            places = self._places[id(statements)] = _places(statements)
        for resource, conditions, excluded in places:
            blind_spot, why = (doubt, "") if doubt else self._absence(action, resource, report)
            if blind_spot:
                grant = Grant(action, resource, conditions, excluded)
                self._keeps.append(Keep(grant, "unknown", blind_spot.why, blind_spot))
            else:
                self._removed.setdefault(action, why)
        if action in self._removed and report and report.kind == "seasonal":
            self._seasonal[action] = report.why

    def _doubt(self, action: str, known: reference.Action | None) -> BlindSpot | None:
        """Return why an action may have been used unseen, whatever the resource; None where nothing says so."""
        service = service_of(action)
        if action == "iam:PassRole" and self._passing:
            why = f"{self._passing[0]} may pass a role that its record does not name"
            return BlindSpot("role-passed-by-name", action, why, "keep it")
        if service in self._unmapped:
            why = f"a call of {service} could not be mapped"
            return BlindSpot("unmapped-call", action, why, "map it, or decide")
        if known is None:
            return BlindSpot(
                "no-event-known", action, "IAM's data does not know this action", "decide by hand"
            )
        if service in self._creating and "Tagging" in known.access_level:
            why = "a call that creates may have carried tags"
            return BlindSpot("tags-on-create", action, why, "decide by hand")
        return None

    def _absence(self, action: str, resource: str, report: LastAccessedFinding | None) -> AbsenceVerdict:
        """Decide what the absence of calls on a resource means, by the logs and by IAM's report."""
        if report and report.kind == "used_unseen":
            return AbsenceVerdict(
                BlindSpot("used-unseen", action, report.why, "find the log that holds it"), ""
            )
        found = self._coverage.absence(action, resource, self._min_days)
        blind_spot = found.blind_spot
        if blind_spot and report and report.kind == "idle":
            seen = self._coverage.observability(action, resource, reference.reads_only(action))
            if not seen.visible and self._is_long_enough(report):
                return AbsenceVerdict(None, report.why)
        if blind_spot and blind_spot.id == "no-event" and self._is_unused_service(service_of(action)):
            return AbsenceVerdict(None, "no event of it is known, and the role never used its service")
        return found

    def _is_unused_service(self, service: str) -> bool:
        """Return whether no event of a service was read although the logs would have shown some of its actions."""
        if service in self._services:
            return False
        if service not in self._unused_services:
            answers = map(self._coverage.observability, reference.action_names(service))
            self._unused_services[service] = any(
                one.visible and one.days >= self._min_days for one in answers
            )
        return self._unused_services[service]

    def _is_long_enough(self, report: LastAccessedFinding) -> bool:
        """Return whether an absence in IAM's report lasts to the window's end, and for the days needed.

        A role that was made yesterday had no attempt before either.
        """
        since, until = report.since[:10], report.until[:10]
        reaches_end = until >= self._coverage.window.last_day
        return reaches_end and days_between(since, until) + 1 >= self._min_days


def _places(statements: Sequence[Statement]) -> list[_Place]:
    found: list[_Place] = []
    for statement in statements:
        excluded = statement.resources if statement.not_resources else ()
        found += ((r, statement.conditions, excluded) for r in (("*",) if excluded else statement.resources))
    return found


_CREATES = re.compile(r"(Create|Run|Register|Allocate|Request|Copy|Restore|Import)[A-Z]")
