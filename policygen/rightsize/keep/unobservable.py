"""What stays because the logs could not have shown its use.

Such a permission is kept as the current policies grant it: "not seen" is not "not used". What AWS's own services need
of a role is in `platform`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from typing import Literal

from msgspec.structs import replace

from policygen.catalog.action_classes import class_of
from policygen.catalog.action_events import actions_named, event_names
from policygen.catalog.tag_members import makes_something
from policygen.catalog.visibility import comes_along, hidden_pass_role, passes_role, visibility_of
from policygen.evidence.coverage.blind_spot import BlindSpot
from policygen.evidence.coverage.event_set import GLOBAL
from policygen.evidence.coverage.last_accessed import (
    LAST_ACCESSED,
    LastAccessedFinding,
    explains_attempts,
)
from policygen.evidence.traced import traced_actions
from policygen.iam import reference
from policygen.iam.arn import service_of
from policygen.iam.document import Statement
from policygen.iam.grants import Grant
from policygen.rightsize.keep.explained import ExplainedAttempts
from policygen.rightsize.keep.model import Keep, KeepResult, Place, places_of
from policygen.rightsize.keep.plain import plainly_unused
from policygen.rightsize.keep.seen_before import keeps_seen_before
from policygen.rightsize.keep.witness import USE_PROVED, Asked, RoleFacts
from policygen.rightsize.keep.witnesses import OF_ASKERS, WITNESSES
from policygen.rightsize.keep.witnesses.existence import ONLY_EXISTING, existing_resources
from policygen.rightsize.removal import Confidence, Removal, unseen


def keep_unobservable(
    facts: RoleFacts,
    settled: frozenset[str],
    unmapped: Collection[str] = (),
    *,
    unread: Mapping[str, str] | None = None,
    min_days: int = 0,
) -> KeepResult:
    """Decide for each current permission whether its absence from the logs means that it is not used.

    Args:
        facts: the role, its current permissions, and what was read.
        settled: actions whose need is known from configuration, so that they are not kept whole.
        unmapped: IAM prefixes of services with a call that could not be mapped.
        unread: region in which the role works and of which nothing was read -> how that is known.
        min_days: days for which a permission must have been visible before its absence means anything.
    """
    builder = _KeepBuilder(facts, unmapped, unread or {}, min_days)
    # First what can be asked for by itself: what comes along with other calls is judged by them.
    along: list[str] = []
    left = builder.leave_to_logs(settled)
    for action in [one for one in facts.current_actions if one not in left and one not in settled]:
        if comes_along(action):
            along.append(action)
        else:
            builder.add(action, facts.current_actions[action])
    builder.ask_witnesses()
    builder.carry()
    for action in along:
        builder.add(action, facts.current_actions[action], along=True)
    builder.ask_witnesses()
    return builder.result()


class _KeepBuilder:
    """Sorts actions into kept and removed, one by one, each on the resources that its statements name."""

    def __init__(
        self, facts: RoleFacts, unmapped: Collection[str], unread: Mapping[str, str], min_days: int
    ) -> None:
        used = facts.usages[0].requests
        self._keeps: list[Keep] = []
        self._settled: dict[int, Keep] = {}
        """Keeps about which no witness will ever tell anything, by their identity."""
        self._waits = False
        """Whether a witness asked what else may have been used: what is decided later may change its answer."""
        self._removed: dict[str, Removal] = {}
        self._outside: dict[str, str] = {}
        self._reports: dict[str, str] = {}
        self._attempted: set[str] = set()
        self._tried: set[str] = set()
        self._facts = facts
        self._coverage, self._unmapped, self._last_accessed = facts.coverage, unmapped, facts.report
        self._unread = unread
        self._places: dict[int, list[Place]] = {}
        hidden = hidden_pass_role()
        self._passing = sorted({r.action for r in used if hidden.get(r.action) in {"", r.resource_type}})
        self._creating = {service_of(r.action) for r in used if makes_something(r.action.split(":", 1)[1])}
        self._doubted = {*unmapped, *self._creating, *(("iam",) if self._passing else ())}
        self._carriers: dict[tuple[str, str], str] = {}
        """(service, event) -> an action that may have been used, unseen, by such a call."""
        self._min_days = min_days
        self._explained = ExplainedAttempts(facts, min_days)
        self._seen = {request.action for usage in facts.usages for request in usage.requests}
        self._traced = traced_actions(facts.usages[0])
        self._used: set[str] = set()
        """Actions that may have been used, by all that was decided before the witnesses are asked."""

    def result(self) -> KeepResult:
        """Return what was decided of all actions added."""
        return KeepResult(
            tuple(self._keeps),
            self._removed,
            self._outside,
            self._reports,
            attempted=frozenset(self._attempted),
            tried=frozenset(self._tried),
        )

    def leave_to_logs(self, settled: frozenset[str]) -> Set[str]:
        """Decide about all actions about which nothing but the logs can tell, and return them."""
        if self._last_accessed is not None or self._unread:
            return frozenset()
        told = {*settled, *self._traced, *self._facts.earlier}
        self._removed = plainly_unused(self._facts, self._min_days, self._doubted, told)
        return self._removed.keys()

    def add(self, action: str, statements: Sequence[Statement], *, along: bool = False) -> None:
        """Decide about one action and the statements that grant it; `along`: it is checked along with other ones."""
        known = reference.action(action)
        doubt = None
        if known is None or service_of(action) in self._doubted:
            doubt = self._doubt(action, known)
        report = self._last_accessed.find(action) if self._last_accessed else None
        carried = self._carried(action) if along else None
        # Thousands of actions are granted by the same few statements.
        places = self._places.get(id(statements))
        if places is None:
            places = self._places[id(statements)] = places_of(statements)
        said = report.why if report and report.kind != "silent" else ""
        for resource, conditions, excluded in places:
            blind_spot, removal = (doubt, None) if doubt else self._absence(action, resource, report)
            blind_spot = blind_spot or carried
            traced = self._trace(action, blind_spot) if action in self._traced else None
            blind_spot = traced or blind_spot
            if blind_spot:
                grant = Grant(action, resource, conditions, excluded)
                kind: Literal["traced", "unknown"] = "traced" if traced else "unknown"
                self._keeps.append(Keep(grant, kind, blind_spot.why, blind_spot))
                if report and report.kind == "idle" and (elsewhere := self._untracked(report, resource)):
                    said = f"{report.why}; it does not track {elsewhere}"
            else:
                self._removed.setdefault(action, removal or unseen(action))
                if action in self._facts.earlier:
                    grant = Grant(action, resource, conditions, excluded)
                    self._keeps += keeps_seen_before(self._facts.earlier, grant)
        if said:
            self._reports[action] = said
        if report and report.kind == "used_outside":
            self._outside[action] = report.why
        if report and report.kind in _USED:
            self._tried.add(action)
            if report.level == "action":
                self._attempted.add(action)

    def _trace(self, action: str, blind_spot: BlindSpot | None) -> BlindSpot | None:
        """Return why an action stays that traces show used; None where they do not, or the logs tell all of its use."""
        shown = self._traced.get(action, "")
        hole = blind_spot is None and action in self._facts.usages[0].traced_only
        if not shown or not (blind_spot or hole):
            return None
        why = f"{shown}; the logs should hold it and do not: are all files here?" if hole else shown
        return BlindSpot("traced", action, why, "narrow it by hand, if you know what it is used on")

    # --- What witnesses know ---

    def ask_witnesses(self) -> None:
        """Ask the witnesses about all that is kept so far, until none decides anything more.

        What one decides may be what another waited for. Where none waited, the answer stays.
        """
        while True:
            self._used = {*self._seen, *self._facts.needed, *(keep.grant.action for keep in self._keeps)}
            decided: dict[Grant, Removal] = {}
            for keep in self._keeps:
                if id(keep) in self._settled:
                    continue
                self._waits = False
                if (removal := self._ask(keep)) is not None:
                    decided[keep.grant] = removal
                elif not self._waits:
                    self._settled[id(keep)] = keep
            self._leave_attempts_explained(decided)
            if not decided:
                break
            self._keeps = [keep for keep in self._keeps if keep.grant not in decided]
            for grant, removal in decided.items():
                self._removed.setdefault(grant.action, removal)
        if self._facts.current.inventory is not None:
            self._keeps = [part for keep in self._keeps for part in self._narrowed(keep)]

    def _narrowed(self, keep: Keep) -> list[Keep]:
        """Return a keep on every resource as keeps on the few that exist, where these are all known."""
        if keep.kind != "unknown" or keep.blind_spot is None or keep.blind_spot.id in USE_PROVED:
            return [keep]
        asked = Asked(
            keep.grant, keep.blind_spot, self._facts, self._may_have_been_used, self._was_attempted_unread
        )
        found = existing_resources(asked)
        return [
            replace(keep, grant=keep.grant._replace(resource=one), note=ONLY_EXISTING) for one in found
        ] or [keep]

    def _ask(self, keep: Keep) -> Removal | None:
        if keep.blind_spot is None:
            return None
        witnesses = WITNESSES
        if keep.blind_spot.id in USE_PROVED:
            witnesses = OF_ASKERS if self._is_attempt_at_service(keep.grant.action, keep.blind_spot) else ()
        asked = Asked(
            keep.grant, keep.blind_spot, self._facts, self._may_have_been_used, self._was_attempted_unread
        )
        for witness in witnesses:
            if (found := witness(asked)) is not None:
                return found
        return None

    def _leave_attempts_explained(self, decided: dict[Grant, Removal]) -> None:
        """Take out what would leave nothing that may have been an attempt that IAM saw at a service.

        What IAM saw was some action of the service. Where witnesses speak against each, one of them is wrong.
        """
        if self._last_accessed is None:
            return
        left = {keep.grant.action for keep in self._keeps if keep.grant not in decided} | self._facts.needed
        explained = {service_of(action) for action in left if self._may_be_the_attempt(action)}
        for grant, removal in list(decided.items()):
            found = self._last_accessed.find(grant.action)
            if found.kind not in _USED or removal.rule == "retired":
                continue
            if service_of(grant.action) not in explained:
                del decided[grant]

    def _may_be_the_attempt(self, action: str) -> bool:
        """Return whether an action may be what IAM saw at its service, by what may ask for it."""
        report = self._last_accessed.find(action) if self._last_accessed else None
        if report is not None and self._explained.explaining(report):
            return explains_attempts(action)
        return class_of(action) is None

    def _is_attempt_at_service(self, action: str, blind_spot: BlindSpot) -> bool:
        """Return whether IAM saw an attempt at the service and does not tell at which action."""
        if blind_spot.id not in {spot for spot, _ in _USED.values()} or self._last_accessed is None:
            return False
        return self._last_accessed.find(action).level == "service"

    def _may_have_been_used(self, *actions: str) -> bool:
        self._waits = True
        return not self._used.isdisjoint(actions)

    def _was_attempted_unread(self, action: str) -> bool:
        report = self._last_accessed.find(action) if self._last_accessed else None
        return report is not None and report.kind in _USED and not self._explained.explaining(report)

    # --- What comes along with other calls ---

    def carry(self) -> None:
        """Remember what still stays: it may have brought other permissions along."""
        for keep in self._keeps:
            if keep.blind_spot:
                self._carry(keep.grant.action, keep.blind_spot)

    def _carry(self, action: str, blind_spot: BlindSpot) -> None:
        """Remember an action that may have been used: what its calls ask for besides may have been used as well."""
        if blind_spot.id not in _MAY_BE_CALLED or comes_along(action):
            return
        events = [event for event in event_names(action) if self._may_have_been_called(event, action)]
        for event in events:
            self._carriers.setdefault((service_of(action), event), action)
        if passes_role(action) and (
            action in hidden_pass_role() or not set(event_names("iam:PassRole")).isdisjoint(events)
        ):
            self._carriers.setdefault(_PASSES, action)

    def _may_have_been_called(self, event: str, action: str) -> bool:
        """Return whether a call that asks for an action may have been made unseen.

        ``CreateTable`` asks for dynamodb:BatchWriteItem as well, but first for dynamodb:CreateTable, which would show.
        """
        if event.removesuffix("20*") == action.partition(":")[2]:
            return True
        first = actions_named(event)
        return not first or action in first or self._may_have_been_used(*first)

    def _carried(self, action: str) -> BlindSpot | None:
        """Return why an action may have come along with a call that the logs do not show; None where none may have."""
        keys = [(service_of(action), event) for event in event_names(action)]
        keys = [_PASSES] if action == "iam:PassRole" else keys
        carrier = next((self._carriers[one] for one in keys if one in self._carriers), "")
        if not carrier:
            return None
        why = f"it comes along with {carrier}, of which the logs cannot tell whether it was used"
        return BlindSpot("comes-along", action, why, f"decide about {carrier}")

    # --- Reasons to doubt, whatever the resource ---

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
        takes_away = action.partition(":")[2].startswith(("Untag", "Remove", "Delete"))
        if service in self._creating and "Tagging" in known.access_level and not takes_away:
            why = "a call that creates may have carried tags"
            return BlindSpot("tags-on-create", action, why, "decide by hand")
        return None

    # --- What an absence means ---

    def _absence(
        self, action: str, resource: str, report: LastAccessedFinding | None
    ) -> tuple[BlindSpot | None, Removal | None]:
        """Decide what the absence of calls on a resource means, by the logs and by IAM's report."""
        explaining = self._explained.explaining(report) if report else ""
        if report and report.kind in _USED and not explaining:
            spot, remedy = _USED[report.kind]
            return BlindSpot(spot, action, report.why, remedy), None
        found = self._coverage.absence(action, resource, self._min_days)
        blind_spot = found.blind_spot or self._unread_region(action, resource)
        if blind_spot is None and explaining:
            why = f"{found.why}; what IAM saw of {service_of(action)} may be {explaining}, which no log shows"
            return None, Removal(why, "explained-attempt", LAST_ACCESSED)
        if blind_spot is None:
            return None, unseen(action, found.why)
        if report and self._is_idle(action, resource, report):
            return None, self._idle(action, resource, report)
        return blind_spot, None

    def _idle(self, action: str, resource: str, report: LastAccessedFinding) -> Removal:
        """Return the removal of what IAM saw no attempt at: less sure where it does not look and others work."""
        elsewhere = self._last_accessed.ruled_out(action, resource) if self._last_accessed else ""
        if not elsewhere:
            # Without an operation, and of data events, it is less sure that IAM counts it.
            told = event_names(action) and (report.level == "service" or visibility_of(action).kind != "data")
            sure: Confidence = "high" if told else "medium"
            return Removal(report.why, "last-accessed", LAST_ACCESSED, sure)
        why = f"{report.why}; it does not track {elsewhere}, where others work and nothing tells of this role"
        return Removal(why, "last-accessed", LAST_ACCESSED, "medium")

    def _unread_region(self, action: str, resource: str) -> BlindSpot | None:
        """Return a blind spot where the role works in a region of which nothing was read; None where it does not."""
        if not self._unread or service_of(action) in GLOBAL:
            return None
        pieces = resource.split(":", 5)
        place = pieces[3] if len(pieces) == 6 else ""
        named = place if place and not set(place) & set("*?$") else ""
        for region, how in self._unread.items():
            if named in ("", region):
                why = f"no event of anyone was read in {region}, and {how}"
                return BlindSpot("region-not-read", action, why, f"give the files of {region} to --logs")
        return None

    def _is_idle(self, action: str, resource: str, report: LastAccessedFinding) -> bool:
        """Return whether IAM's silence proves that a permission that the logs do not show is not used."""
        if report.kind != "idle" or self._last_accessed is None:
            return False
        if not self._last_accessed.is_long_enough(report, self._min_days) or self._untracked(
            report, resource
        ):
            return False
        seen = self._coverage.observability(action, resource, reference.reads_only(action))
        return not seen.visible or self._unread_region(action, resource) is not None

    def _untracked(self, report: LastAccessedFinding, resource: str) -> str:
        return self._last_accessed.untracked(report, resource) if self._last_accessed else ""


_USED = {
    "used_unseen": ("used-unseen", "find the log that holds it"),
    "used_outside": ("used-outside-window", "keep it, or read the logs of that day: more --days"),
}
"""Kind of finding -> the blind spot that an attempt proves, and its remedy."""

_PASSES = ("iam", "any call that passes a role")

_MAY_BE_CALLED = frozenset(
    {
        "used-unseen", "used-outside-window", "region-not-read", "trail-not-read", "trail-unknown", "region-not-logged",
        "reads-not-logged", "writes-not-logged", "source-excluded", "caller-excluded", "window-not-covered",
        "data-events-off", "data-events-partly", "unmapped-call", "traced",
    }
)  # fmt: skip
"""Blind spots of actions that a call asks for, and not of those that are only checked along with others."""
