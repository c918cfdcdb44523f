"""Builds the table of changes: a row for each used permission, and a row for the others of a service and reason.

Where that is too long, services that share a reason share a row, so that no reason is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import msgspec
from msgspec.structs import replace

from policygen.iam.arn import service_of
from policygen.plan.model import Plan
from policygen.plan.model_evidence import Request
from policygen.report.figures import all_change_groups, all_changes, grouped, service_needs
from policygen.report.html.charts import ChartBar
from policygen.report.html.templating import fair_share
from policygen.report.wording import with_confidence
from policygen.rightsize.assess.change_groups import ChangeGroup
from policygen.rightsize.assess.changes import GONE, Change
from policygen.text import about_names, pluralize

WORDS: Mapping[str, str] = {
    "narrowed": "narrowed",
    "unchanged": "unchanged",
    "added": "added",
    "granted": "granted",
    "kept": "kept",
    "unknown": "unverified",
    "missing": "not allowed",
    "removed": "removed",
}
"""Kind of change -> its name on the page, in the page's order."""

ROWS, NAMES, PATTERNS, EVENT_IDS = 40, 300, 140, 100
"""Most rows, names of services and permissions, resource patterns with evidence, and eventIDs of these."""
_SAMPLES = 3
"""Most eventIDs of one pattern."""
_USED = {"narrowed", "unchanged", "added", "granted"}


class Pattern(msgspec.Struct, frozen=True):
    """A resource pattern of the proposal, and its evidence."""

    pattern: str
    names: str
    """How many names it was seen for; "" for one."""
    times: int
    last: str
    rule: str
    event_ids: tuple[str, ...]


class ChangeLine(msgspec.Struct, frozen=True):
    """One row of the table."""

    kind: str
    service: str
    actions: tuple[str, ...]
    now: tuple[str, ...]
    proposed: tuple[str, ...]
    whys: tuple[str, ...]
    times: int = 0
    last: str = ""
    patterns: tuple[Pattern, ...] = ()
    services: tuple[tuple[str, int], ...] = ()
    """In a row that several services share: each service, and how many of the actions are its own."""

    @property
    def word(self) -> str:
        """The name of the kind."""
        return WORDS[self.kind]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the actions without their service; in a shared row, the services."""
        if self.services:
            return tuple(f"{service} ({number:,})" for service, number in self.services)
        return tuple(action.split(":", 1)[1] for action in self.actions)


class Changes(msgspec.Struct, frozen=True):
    """The table, and how much of it is shown."""

    lines: tuple[ChangeLine, ...]
    omitted: tuple[ChangeLine, ...]
    names: int
    """Most actions that are named in one row of a service."""
    services: int
    """Most services that are named in one shared row."""
    patterns: int
    """Most patterns with evidence that are shown in one row."""
    event_ids: int
    """Most eventIDs that are shown of one pattern."""

    @property
    def shared(self) -> bool:
        """Whether services share rows."""
        return any(line.services for line in (*self.lines, *self.omitted))


def changes_of(plan: Plan) -> Changes:
    """Build the table of a plan; without today's policies it lists what is granted."""
    changes = all_changes(plan)
    requests = _granted_requests(plan.evidence.requests)
    used = [
        _used(plan, change, requests.get(change.service, {}).get(change.action.lower(), ()))
        for change in changes
        if change.kind in _USED
    ]
    others = [
        _unused(group, requests.get(group.service, {}))
        for group in all_change_groups(plan)
        if group.kind not in _USED
    ]
    if len(used) + len(others) > ROWS:
        others = _shared(others)
    order = list(WORDS)
    used.sort(key=lambda one: (order.index(one.kind), one.actions))
    others.sort(key=lambda one: (order.index(one.kind), -len(one.actions), one.actions))
    limit = fair_share((len(used), len(others)), ROWS)
    shown = (*used[:limit], *others[:limit])
    sharing = [len(line.services) for line in shown if line.services]
    services = min(sum(sharing), NAMES)
    patterns = fair_share((len(line.patterns) for line in shown), PATTERNS)
    return Changes(
        shown,
        (*used[limit:], *others[limit:]),
        fair_share((len(line.actions) for line in shown if not line.services), NAMES - services),
        fair_share(sharing, NAMES),
        patterns,
        fair_share((len(one.event_ids) for line in shown for one in line.patterns[:patterns]), EVENT_IDS),
    )


def bars_of(plan: Plan) -> tuple[ChartBar, ...]:
    """Count permissions by service, now and proposed; the most first."""
    bars = []
    for one in service_needs(plan):
        seen = sum(1 for why in one.needed.values() if why == "seen")
        bars.append(ChartBar(one.service, one.today, seen, len(one.needed) - seen, one.unverified))
    bars = [bar for bar in bars if bar.now or bar.proposed]
    return tuple(sorted(bars, key=lambda bar: (-max(bar.now, bar.proposed), -bar.proposed, bar.service)))


def shorten_pattern(pattern: str, account: str) -> str:
    """Return a resource pattern in few words: the name alone where it is in the role's own account."""
    if pattern.startswith("!"):
        return f"everything but {shorten_pattern(pattern[1:], account)}"
    pieces = pattern.split(":", 5)
    plain = len(pieces) == 6 and pieces[4] in {"", account} and pieces[5] != "*"
    return pieces[5] if plain else pattern


def _used(plan: Plan, change: Change, requests: Sequence[Request]) -> ChangeLine:
    whys = [] if change.why == "observed" else [change.why]
    if requests and all(request.grade == "optional" for request in requests):
        whys.append("possibly checked by the same calls; CloudTrail does not say")
    if plan.strength:
        whys += [f"seen {one.sentence}" for one in plan.strength.rhythms if one.action == change.action]
        whys += ["seen on one day only"] if change.action in plan.strength.once else []
    groups: dict[str, list[Request]] = {}
    for request in requests:
        groups.setdefault(request.written_as or "", []).append(request)
    return ChangeLine(
        change.kind if plan.today is not None else "granted",
        change.service,
        (change.action,),
        change.now,
        change.proposed,
        tuple(whys),
        sum(request.count for request in requests),
        max((request.last for request in requests), default=""),
        tuple(_pattern(pattern, members) for pattern, members in sorted(groups.items())),
    )


def _pattern(pattern: str, requests: Sequence[Request]) -> Pattern:
    latest = max(requests, key=lambda request: request.last)
    return Pattern(
        pattern,
        _names(requests),
        sum(request.count for request in requests),
        latest.last,
        next((request.rule for request in requests if request.rule), ""),
        requests[0].event_ids[:_SAMPLES],
    )


def _names(requests: Sequence[Request]) -> str:
    known = len({request.resource for request in requests if not request.names})
    together = sum(request.names for request in requests)
    if together:
        return about_names(known + together)
    return pluralize(known, "name") if known > 1 else ""


def _unused(group: ChangeGroup, requests: Mapping[str, Sequence[Request]]) -> ChangeLine:
    actions = group.actions
    asked = requests if group.kind not in GONE else {}
    seen = [one for action in actions for one in asked.get(action.lower(), ())] if asked else []
    times, last = sum(one.count for one in seen), max((one.last for one in seen), default="")
    kind, whys = group.changes[0].becomes, (with_confidence(group.why, group.sure),)
    return ChangeLine(kind, group.service, actions, group.now, group.proposed, whys, times, last)


def _shared(lines: Iterable[ChangeLine]) -> list[ChangeLine]:
    """Join the rows of services that have the same resources for the same reason."""
    groups = grouped(((one.kind, one.whys, one.now, one.proposed), one) for one in lines)
    return [_joined(members) if len(members) > 1 else members[0] for members in groups.values()]


def _joined(lines: Sequence[ChangeLine]) -> ChangeLine:
    numbers = Counter[str]()
    for one in lines:
        numbers[one.service] += len(one.actions)
    return replace(
        lines[0],
        service="",
        actions=tuple(sorted(chain.from_iterable([one.actions for one in lines]))),
        times=sum(one.times for one in lines),
        last=max(one.last for one in lines),
        services=tuple(sorted(numbers.items())),
    )


def _granted_requests(requests: Iterable[Request]) -> dict[str, dict[str, list[Request]]]:
    """Group the granted requests by service and by action in lower case."""
    by_service: dict[str, dict[str, list[Request]]] = {}
    for request in requests:
        if request.written_as is not None:
            actions = by_service.setdefault(service_of(request.action), {})
            actions.setdefault(request.action.lower(), []).append(request)
    return by_service
