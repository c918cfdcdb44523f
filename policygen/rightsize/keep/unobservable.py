"""What stays without evidence, each with its reason; here, what nobody can know.

A permission that the evidence could not have shown is kept as today's policies have it: "not seen" is not "not
used". What AWS itself needs of a role is in `platform`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date

from policygen.catalog.visibility import hidden_pass_role
from policygen.evidence.coverage.blind_spot import BlindSpot
from policygen.evidence.coverage.coverage import Coverage
from policygen.evidence.coverage.last_accessed import LastAccessedFinding
from policygen.iam import reference
from policygen.iam.arn import service_of
from policygen.iam.document import Conditions, Statement
from policygen.iam.grants import Grant
from policygen.iam.request import AccessRequest
from policygen.rightsize.keep.model import Keep, UnobservedAccess


def keep_unobservable(
    today: Mapping[str, Sequence[Statement]],
    coverage: Coverage,
    settled: frozenset[str],
    used: Collection[AccessRequest],
    unmapped: Collection[str] = (),
    *,
    services: Collection[str] = (),
    testify: Callable[[str], LastAccessedFinding] | None = None,
    min_days: int = 0,
) -> UnobservedAccess:
    """Judges the permissions of today: what the evidence cannot speak about is kept as today's statements grant it.

    Args:
        today: action -> the Allow statements that grant it.
        coverage: what the logs could have shown.
        settled: actions whose need is known from configuration, so that they are not kept whole.
        used: observed requests.
        unmapped: IAM prefixes of services of which a call could not be mapped.
        services: IAM prefixes of services of which any event of the role was read.
        testify: what IAM's last-accessed report says of an action; None where it was not read.
        min_days: days for which a permission must have been visible before its absence means anything.
    """
    judge = _Judge(coverage, used, unmapped, services, testify, min_days)
    for action, statements in today.items():
        if action not in settled:
            judge.action(action, statements)
    return judge.judged


_Place = tuple[str, Conditions, tuple[str, ...]]
"""Resource, conditions and excluded resources: where a statement grants its actions."""


class _Judge:
    """Judges actions one by one, each on the resources that today's statements name."""

    def __init__(
        self,
        coverage: Coverage,
        used: Collection[AccessRequest],
        unmapped: Collection[str],
        services: Collection[str],
        testify: Callable[[str], LastAccessedFinding] | None,
        min_days: int,
    ) -> None:
        self.judged = UnobservedAccess([], {}, {}, {})
        self._coverage, self._unmapped, self._testify = coverage, unmapped, testify
        self._services = {*services, *unmapped}
        self._places: dict[int, list[_Place]] = {}
        self._absent: dict[str, bool] = {}
        self._passing = sorted({request.action for request in used} & hidden_pass_role())
        self._creating = {service_of(r.action) for r in used if _CREATES.match(r.action.split(":", 1)[1])}
        self._doubted = {*unmapped, *self._creating, *(("iam",) if self._passing else ())}
        self._min_days = min_days

    def action(self, action: str, statements: Sequence[Statement]) -> None:
        """Judges one action."""
        known = reference.action(action)
        doubt = None
        if known is None or service_of(action) in self._doubted:
            doubt = self._doubt(action, known)
        said = self._testify(action) if self._testify else None
        if said and said.kind != "silent":
            self.judged.said[action] = said.why
        # Thousands of actions stand in the same few statements.
        places = self._places.get(id(statements))
        if places is None:
            places = self._places[id(statements)] = _places(statements)
        for resource, conditions, excluded in places:
            spot, why = (doubt, "") if doubt else self._seen(action, resource, said)
            if spot:
                grant = Grant(action, resource, conditions, excluded)
                self.judged.keeps.append(Keep(grant, "unknown", spot.why, spot))
            else:
                self.judged.removed.setdefault(action, why)
        if action in self.judged.removed and said and said.kind == "seasonal":
            self.judged.seasonal[action] = said.why

    def _doubt(self, action: str, known: reference.Action | None) -> BlindSpot | None:
        """Doubts about an action on whatever resource."""
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

    def _seen(
        self, action: str, resource: str, said: LastAccessedFinding | None
    ) -> tuple[BlindSpot | None, str]:
        """Why the use on a resource could not be known; else None and why its absence means something."""
        if said and said.kind == "used_unseen":
            return BlindSpot("used-unseen", action, said.why, "find the log that holds it"), ""
        found = self._coverage.absence(action, resource, self._min_days)
        spot = found.blind_spot
        if spot and said and said.kind == "idle":
            visible = self._coverage.observability(action, resource, reference.reads_only(action)).visible
            if not visible and self._speaks(said):
                return None, said.why
        if spot and spot.id == "no-event" and self._without(service_of(action)):
            return None, "no event of it is known, and the role never used its service"
        return found

    def _without(self, service: str) -> bool:
        """Whether the role did not use a service at all: none of its events was read, and some would have been."""
        if service in self._services:
            return False
        if service not in self._absent:
            verdicts = map(self._coverage.observability, reference.action_names(service))
            self._absent[service] = any(one.visible and one.days >= self._min_days for one in verdicts)
        return self._absent[service]

    def _speaks(self, said: LastAccessedFinding) -> bool:
        """Whether an absence lasts to the window's end, and long enough: a role of yesterday was idle as well."""
        first, last = date.fromisoformat(said.since[:10]), date.fromisoformat(said.until[:10])
        end = self._coverage.window.until.day
        return last >= end and (last - first).days + 1 >= self._min_days


def _places(statements: Sequence[Statement]) -> list[_Place]:
    found: list[_Place] = []
    for statement in statements:
        excluded = statement.resources if statement.not_resources else ()
        found += ((r, statement.conditions, excluded) for r in (("*",) if excluded else statement.resources))
    return found


_CREATES = re.compile(r"(Create|Run|Register|Allocate|Request|Copy|Restore|Import)[A-Z]")
