"""What a probation has shown: which of the denied permissions were asked for, by IAM's report and by the logs.

IAM's report counts denied attempts and ignores boundaries, so it tells of each service, data planes included, within
hours, and of single actions where it tracks them (3.5). Denied management events are in the trail. Protocols, as a
connection to a database, are in neither: they show as errors of the workload only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from policygen.account.model import LastAccessed, ServiceUse
from policygen.catalog.visibility import visibility_of
from policygen.evidence.coverage.event_set import GLOBAL_LEADERS
from policygen.evidence.coverage.last_accessed import is_counted
from policygen.evidence.coverage.tracked_regions import ANY_REGION, untracked_region
from policygen.iam import arn
from policygen.iam.arn import service_of
from policygen.plan.model import Plan, PlanKeep

Answer = Literal["asked", "silent", "unknown"]


class SeenSince(NamedTuple):
    """What was read after the probation began."""

    since: str
    """The first day of the probation, ISO 8601."""
    report: LastAccessed | None = None
    """IAM's last-accessed report of the role; None where it was not read."""
    asked: Mapping[str, str] = {}
    """Action in lower case -> the day of its last call, denied or not, in the logs since then."""
    visible: Collection[str] = frozenset()
    """Actions in lower case that the logs would have shown on every day since then."""
    until: str = ""
    """The last day of the logs, ISO 8601; "" where none were read."""


class ProbationOutcome(NamedTuple):
    """What the probation says of one permission."""

    keep: PlanKeep
    answer: Answer
    """``asked``: keep it; ``silent``: it can go; ``unknown``: it is not known."""
    why: str


def outcomes(plan: Plan, denied: Sequence[PlanKeep], seen: SeenSince) -> list[ProbationOutcome]:
    """Return what the probation says of each permission that was denied, in order.

    Args:
        plan: the plan that the probation was made from.
        denied: the permissions that were denied.
        seen: what was read since.
    """
    needed = {service_of(one.action) for one in plan.evidence.requests}
    needed |= {service_of(one.action) for one in plan.missing}
    needed |= {service_of(keep.action) for keep in plan.keeps if keep not in denied}
    places = _places(plan)
    return [ProbationOutcome(keep, *_answer(keep, needed, places, seen)) for keep in denied]


class _Places(NamedTuple):
    """Where the role works."""

    regions: Collection[str]
    leader: str
    """The region of its partition's global services."""


def _places(plan: Plan) -> _Places:
    regions = {one for one in plan.evidence.regions if one}
    if plan.coverage.logged_regions is not None:  # not all of them, or not known
        regions.add(ANY_REGION)
    place = arn.parse(plan.role.arn)
    return _Places(regions, GLOBAL_LEADERS.get(place.partition if place else "aws", "us-east-1"))


def _answer(keep: PlanKeep, needed: Collection[str], places: _Places, seen: SeenSince) -> tuple[Answer, str]:
    """Return what is known of one permission, and why."""
    action = keep.action
    if day := seen.asked.get(action.lower()):
        return "asked", f"the log has a call of {day}"
    by_iam = _by_report(action, needed, seen)
    if by_iam and by_iam[0] == "asked":
        return by_iam
    if action.lower() in seen.visible:
        return "silent", f"no event of it from {seen.since} to {seen.until}, and the trail logs it"
    if by_iam and by_iam[0] == "silent":
        elsewhere = untracked_region(action, keep.resource, places.regions, places.leader, seen.since)
        if elsewhere:
            return "unknown", f"{by_iam[1]}, but it does not track {elsewhere}"
    return by_iam or ("unknown", _nothing_tells(action, seen))


def _by_report(action: str, needed: Collection[str], seen: SeenSince) -> tuple[Answer, str] | None:
    """Return what IAM's report says; None where it says nothing."""
    report = seen.report
    if report is None or report.generated_at[:10] <= seen.since or visibility_of(action).kind == "implied":
        return None
    service = service_of(action)
    use = report.services.get(service)
    if use is None:
        return None
    tracked = _tracked(use, action)
    if tracked[:10] >= seen.since:
        return "asked", f"IAM saw an attempt at it on {tracked[:10]}"
    if not is_counted(action):
        return None
    if use.last[:10] < seen.since:
        return "silent", f"IAM saw no attempt at {service} from {seen.since} to {report.generated_at[:10]}"
    if tracked != _UNTRACKED and visibility_of(action).kind != "data":
        return "silent", f"IAM saw no attempt at it from {seen.since} to {report.generated_at[:10]}"
    if service in needed or any(time[:10] >= seen.since for time in (use.actions or {}).values()):
        return "unknown", f"IAM saw {service} used on {use.last[:10]}, for other permissions or for this one"
    return "asked", f"IAM saw an attempt at {service} on {use.last[:10]}, and nothing else of it is granted"


_UNTRACKED = "-"
"""In place of a time: IAM does not track the action by itself. It is before every day."""


def _tracked(use: ServiceUse, action: str) -> str:
    """Return the time of the last attempt at an action, "" for none; `_UNTRACKED` where IAM does not track it."""
    name = action.partition(":")[2].lower()
    return next((time for one, time in (use.actions or {}).items() if one.lower() == name), _UNTRACKED)


def _nothing_tells(action: str, seen: SeenSince) -> str:
    if visibility_of(action).kind == "never" or not is_counted(action):
        return "neither IAM's report nor a trail shows it: look at the errors of the workload"
    if seen.report is None:
        return "IAM's report was not read: --snapshot with a new snapshot, or --live"
    if seen.report.generated_at[:10] <= seen.since:
        return "IAM's report is not younger than the probation: take a new snapshot"
    return "IAM's report does not tell of it"


def toml_lines(role: str, found: Iterable[ProbationOutcome], since: str) -> list[str]:
    """Return the outcome as lines of policygen.toml: what to keep, what can go, and comments for what is not known."""
    by_answer: dict[Answer, list[ProbationOutcome]] = {"asked": [], "silent": [], "unknown": []}
    for one in found:
        by_answer[one.answer].append(one)
    written: list[str] = []
    for kind, members in (("keep", by_answer["asked"]), ("drop", by_answer["silent"])):
        for one in members:
            written += [
                f"[[{kind}]]",
                f'role = "{_plain(role)}"',
                f'action = "{_plain(one.keep.action)}"',
                f'resource = "{_plain(one.keep.resource)}"',
                f'reason = "probation since {since}: {_plain(one.why)}"',
                "",
            ]
    if by_answer["unknown"]:
        written.append("# Not known:")
        written += [f"# {_plain(one.keep.action)}: {_plain(one.why)}" for one in by_answer["unknown"]]
    return written


def _plain(text: str) -> str:
    """Return a text as it may stand in a TOML string, in printable ASCII."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return "".join(char if " " <= char <= "~" else f"\\U{ord(char):08x}" for char in escaped)
