"""The table of changes: a row for each permission that was used, a row for what else a service has for one reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from policygen.plan import Plan
from policygen.plan.model import Change, Request
from policygen.policy.diff import SYMBOLS
from policygen.report.figures import all_changes
from policygen.report.pages import fair
from policygen.report.pages.charts import Bar

WORDS: Mapping[str, str] = {
    "narrowed": "narrowed",
    "unchanged": "unchanged",
    "added": "added",
    "granted": "granted",
    "kept": "kept",
    "unknown": "your call",
    "missing": "not allowed",
    "removed": "removed",
}
"""Kind of change -> what the page calls it, in the page's order."""

ROWS, NAMES, PATTERNS = 150, 1_200, 140
"""Most rows, names of permissions, and resource patterns with their evidence."""
_USED = {"narrowed", "unchanged", "added", "granted"}
_SIGNS: Mapping[str, str] = {
    **{str(kind): sign for kind, sign in SYMBOLS.items()},
    "removed": "−",
    "granted": "+",
}


@dataclass(frozen=True, slots=True)
class Pattern:
    """A resource pattern of the proposal, and what was seen of it."""

    pattern: str
    names: int
    times: int
    last: str
    rule: str
    event_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One row."""

    kind: str
    service: str
    actions: tuple[str, ...]
    now: tuple[str, ...]
    proposed: tuple[str, ...]
    whys: tuple[str, ...]
    times: int = 0
    last: str = ""
    patterns: tuple[Pattern, ...] = ()

    @property
    def symbol(self) -> str:
        """As on the screen."""
        return _SIGNS[self.kind]

    @property
    def word(self) -> str:
        """The kind in words."""
        return WORDS[self.kind]

    @property
    def names(self) -> tuple[str, ...]:
        """The actions without their service."""
        return tuple(action.split(":", 1)[1] for action in self.actions)


@dataclass(frozen=True, slots=True)
class Changes:
    """The table, and how much of it is shown."""

    lines: tuple[Line, ...]
    omitted: tuple[Line, ...]
    names: int
    """Names shown of one row."""
    patterns: int
    """Patterns with evidence shown of one row."""


def changes_of(plan: Plan) -> Changes:
    """The table of a plan; without today's policies, what is granted stands for what changes."""
    changes = all_changes(plan)
    requests = _granted_requests(plan.evidence.requests)
    lines = [
        _used(plan, change, requests.get(change.action.lower(), ()))
        for change in changes
        if change.kind in _USED
    ]
    lines += _grouped((change for change in changes if change.kind not in _USED), requests)
    order = list(WORDS)
    lines.sort(
        key=lambda one: (
            order.index(one.kind),
            -len(one.actions) if one.kind not in _USED else 0,
            one.actions,
        )
    )
    shown = lines[:ROWS]
    return Changes(
        tuple(shown),
        tuple(lines[ROWS:]),
        fair((len(line.actions) for line in shown), NAMES),
        fair((len(line.patterns) for line in shown), PATTERNS),
    )


def bars_of(plan: Plan) -> tuple[Bar, ...]:
    """Permissions by service, now and proposed; the widest first."""
    alike = Counter((one.service, one.kind, bool(one.now), bool(one.proposed)) for one in all_changes(plan))
    found: dict[str, Counter[str]] = {}
    for (service, kind, now, proposed), number in alike.items():
        numbers = found.setdefault(service, Counter())
        numbers["now"] += number * now
        numbers["used" if kind in _USED else kind] += number * proposed
    made = [Bar(name, n["now"], n["used"], n["kept"], n["unknown"]) for name, n in found.items()]
    return tuple(sorted(made, key=lambda bar: (-max(bar.now, bar.proposed), -bar.proposed, bar.service)))


def place(pattern: str, account: str) -> str:
    """A resource pattern in few words: the name alone where it is in the role's own account."""
    if pattern.startswith("!"):
        return f"everything but {place(pattern[1:], account)}"
    pieces = pattern.split(":", 5)
    plain = len(pieces) == 6 and pieces[4] in {"", account} and pieces[5] != "*"
    return pieces[5] if plain else pattern


def _used(plan: Plan, change: Change, requests: Sequence[Request]) -> Line:
    whys = [] if change.why == "observed" else [change.why]
    if requests and all(request.grade == "optional" for request in requests):
        whys.append("the records do not tell whether AWS asked for it")
    if plan.strength:
        whys += [f"seen {one.sentence}" for one in plan.strength.rhythms if one.action == change.action]
        whys += ["seen on one day only"] if change.action in plan.strength.once else []
    groups: dict[str, list[Request]] = {}
    for request in requests:
        groups.setdefault(request.written_as or "", []).append(request)
    return Line(
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
        len({request.resource for request in requests}),
        sum(request.count for request in requests),
        latest.last,
        next((request.rule for request in requests if request.rule), ""),
        requests[0].event_ids[:3],
    )


def _grouped(changes: Iterable[Change], requests: Mapping[str, Sequence[Request]]) -> list[Line]:
    groups: dict[tuple[str, str, str, bool], list[Change]] = {}
    for change in changes:
        same = change.now == change.proposed
        groups.setdefault((change.kind, change.service, change.why, same), []).append(change)
    lines = []
    for (kind, service, why, _), members in groups.items():
        actions = tuple(change.action for change in members)
        seen = [one for action in actions for one in requests.get(action.lower(), ())]
        now, proposed = _all(change.now for change in members), _all(change.proposed for change in members)
        times, last = sum(one.count for one in seen), max((one.last for one in seen), default="")
        lines.append(Line(kind, service, actions, now, proposed, (why,), times, last))
    return lines


def _all(places: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({pattern for patterns in set(places) for pattern in patterns}))


def _granted_requests(requests: Iterable[Request]) -> dict[str, list[Request]]:
    found: dict[str, list[Request]] = {}
    for request in requests:
        if request.written_as is not None:
            found.setdefault(request.action.lower(), []).append(request)
    return found
