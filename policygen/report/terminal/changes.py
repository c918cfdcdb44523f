"""Renders the changes section of the screen: what becomes of the permissions of each service."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from policygen.iam.arn import service_of
from policygen.plan.change_groups import ChangeGroup, PlanChange, count_changes
from policygen.plan.model import Plan
from policygen.plan.model_evidence import Request
from policygen.report.figures import grouped
from policygen.report.terminal.layout import LISTED, WIDTH, right, wrapped
from policygen.report.terminal.questions import render_questions
from policygen.report.wording import list_resources, minute, short, where
from policygen.rightsize.assess.changes import Kind
from policygen.text import pluralize


@dataclass(frozen=True, slots=True)
class _Section:
    """The plan, whether everything is listed, and the plan's requests and grants indexed for the section."""

    plan: Plan
    show_all: bool
    requests: Mapping[str, Sequence[Request]]
    """Service -> its observed requests, in order."""
    granted: Container[tuple[str, str]]
    """(action, resource pattern) of all grants."""


def render_changes(plan: Plan, *, show_all: bool) -> Iterator[str]:
    """Render the section; with `show_all` every service and resource is listed."""
    requests = grouped((service_of(one.action), one) for one in plan.evidence.observed)
    granted = {(grant.action, grant.resource) for grant in plan.grants}
    section = _Section(plan, show_all, requests, granted)
    yield from _grants(section) if plan.today is None else _changes(section)


def _grants(section: _Section) -> Iterator[str]:
    """Render what is granted, where today's policies are not known."""
    yield "Grants"
    by_service = grouped((one.action.split(":", 1)[0], one) for one in section.plan.evidence.granted)
    for service, requests in sorted(by_service.items()):
        yield from _granted_service(section, service, requests)
    for keep in section.plan.keeps:
        yield from wrapped(f"  = {keep.action}  ", f"on {short(keep.resource)}", "      ")
        yield from wrapped("      why   ", keep.why)


def _changes(section: _Section) -> Iterator[str]:
    """Render each service: first those that stay, last those that go.

    What is unverified stands in the questions; with `show_all` also here, service by service.
    """
    yield "Changes  ~ narrowed  - removed  = kept without evidence  ? unverified"
    services = grouped((group.service, group) for group in section.plan.change_groups)
    removed: dict[str, list[ChangeGroup]] = {}
    hidden: frozenset[Kind] = frozenset() if section.show_all else frozenset({"unknown"})
    for service, groups in services.items():
        if {group.kind for group in groups} - hidden <= {"removed", "missing"}:
            removed[service] = [group for group in groups if group.kind == "removed"]
        else:
            yield from _service(section, service, groups)
    removed = {name: gone for name, gone in removed.items() if gone}
    if removed:
        yield from _removed_services(removed, show_all=section.show_all)
    yield from render_questions(section.plan, show_all=section.show_all)


def _removals(gone: Sequence[ChangeGroup], *, show_all: bool) -> Iterator[str]:
    """Count the actions that go, a line for each reason, the most frequent first.

    Reasons that need more than a line are told with `show_all` alone, and else counted together.
    """
    reasons = Counter[str]()
    for group in gone:
        reasons[group.why] += len(group.changes)
    ordered = sorted(reasons.items(), key=lambda one: (-one[1], one[0]))
    leads = [f"      {'    ' if i else 'drop'}  {pluralize(n, 'action')}" for i, (_, n) in enumerate(ordered)]
    long = [i for i, (why, _) in enumerate(ordered) if len(leads[i]) + len(why) + 2 > WIDTH]
    if show_all or len(long) == 1:
        long = []
    for i, (why, _) in enumerate(ordered):
        if i in long:
            continue
        if len(leads[i]) + len(why) + 2 <= WIDTH:
            yield right(leads[i], why)
        else:
            yield from wrapped(f"{leads[i]}: ", why, "            ")
    if long:
        lead = "      drop  " if len(long) == len(ordered) else "            "
        number = pluralize(sum(ordered[i][1] for i in long), "action")
        yield right(f"{lead}{number}", f"for {len(long)} other reasons (--details)")


def _changes_of(groups: Sequence[ChangeGroup], *kinds: Kind) -> list[PlanChange]:
    """Return the changes of some kinds, in the order of all changes: by action."""
    return sorted((c for g in groups if g.kind in kinds for c in g.changes), key=lambda c: c.action.lower())


def _service(section: _Section, service: str, groups: Sequence[ChangeGroup]) -> Iterator[str]:
    """Render a service: what was used, what is kept without evidence, what goes; with `show_all` what is unverified."""
    used = _changes_of(groups, "narrowed", "unchanged", "added")
    drop = list(_removals([group for group in groups if group.kind == "removed"], show_all=section.show_all))
    if used:
        before = [c for c in (*used, *_changes_of(groups, "removed")) if c.now]
        yield from wrapped(
            f"  ~ {service}  ",
            f"{pluralize(len(before), 'action')} on {where(c.now for c in before)} → "
            f"{len(used)} on {where(c.proposed for c in used)}",
            "      ",
        )
        yield from _evidence_lines(section, service, used)
        for change in used:
            if change.kind == "added":
                yield from wrapped(f"  + {change.action}  ", f"on {where([change.proposed])}", "      ")
                yield from wrapped("      why   ", change.why)
        yield from drop
        drop = []
    kinds: tuple[tuple[str, Kind], ...] = ("=", "kept"), ("?", "unknown")
    for symbol, kind in kinds if section.show_all else kinds[:1]:
        if members := _changes_of(groups, kind):
            yield from _kept_actions(section, symbol, service, members)
            yield from drop
            drop = []


def _kept_actions(
    section: _Section, symbol: str, service: str, members: Sequence[PlanChange]
) -> Iterator[str]:
    names = {c.action for c in members}
    same = all(c.now == c.proposed for c in members)
    place = "kept as today" if same else f"narrowed to {where(c.proposed for c in members)}"
    yield from wrapped(f"  {symbol} {service}  ", f"{pluralize(len(members), 'action')} {place}", "      ")
    yield from wrapped("      keep  ", _names(members, show_all=section.show_all))
    for why in sorted({c.why for c in members}):
        yield from wrapped("      why   ", why)
    for note in sorted({keep.note for keep in section.plan.keeps if keep.note and keep.action in names}):
        yield from wrapped("      note  ", note)


def _evidence_lines(section: _Section, service: str, used: Sequence[PlanChange]) -> Iterator[str]:
    names = {change.action for change in used}
    requests = [request for request in section.requests.get(service, ()) if request.action in names]
    tail = _call_totals(requests)
    words = textwrap.wrap(" ".join(c.action.split(":", 1)[1] for c in used), 36)
    shown = words if section.show_all else words[:4]
    for i, line in enumerate(shown):
        yield right(f"      {'keep' if i == 0 else '    '}  {line}", tail if i == 0 else "")
    if len(shown) < len(words):
        yield f"            and more (--details lists them; {len(used)} in all)"
    yield from _uncertain(requests, show_all=section.show_all)
    yield from _generalisations(section, requests)


def _call_totals(requests: Sequence[Request]) -> str:
    if not requests:
        return ""
    calls, last = sum(one.count for one in requests), max(one.last for one in requests)
    return f"{pluralize(calls, 'call')}, last {minute(last)}"


def _uncertain(requests: Sequence[Request], *, show_all: bool) -> Iterator[str]:
    """Name the actions that AWS may have checked, without those that it certainly checked."""
    sure = {request.action for request in requests if request.grade in {"required", "alternative"}}
    names = sorted({request.action.split(":", 1)[1] for request in requests if request.action not in sure})
    if names:
        shown = names if show_all else names[:LISTED]
        rest = f" and {len(names) - len(shown)} more" if len(shown) < len(names) else ""
        yield from wrapped(
            "      maybe ",
            f"{' '.join(shown)}{rest}: the records do not tell whether AWS asked",
            "            ",
        )


def _generalisations(section: _Section, requests: Sequence[Request]) -> Iterator[str]:
    """Name the generalisation rules in use, each with the patterns that it wrote.

    Patterns are cut to today's policies, so a pattern counts only where a grant still has it.
    """
    rules: dict[str, set[str]] = {}
    for request in requests:
        pattern = request.written_as
        if pattern is not None and request.rule and (request.action, pattern) in section.granted:
            rules.setdefault(request.rule, set()).add(short(pattern))
    for rule, patterns in sorted(rules.items()):
        shown = sorted(patterns) if section.show_all else sorted(patterns)[:3]
        more = f" and {len(patterns) - len(shown)} more" if len(shown) < len(patterns) else ""
        yield from wrapped("      rule  ", f"{rule}: {'  '.join(shown)}{more}", "            ")


def _removed_services(removed: Mapping[str, Sequence[ChangeGroup]], *, show_all: bool) -> Iterator[str]:
    names = sorted(removed, key=lambda name: (-count_changes(removed[name]), name))
    shown = names if show_all else names[:LISTED]
    more = "" if len(shown) == len(names) else " … (--details lists them)"
    yield from wrapped("  - ", f"{pluralize(len(names), 'service')}  {' '.join(shown)}{more}", "      ")
    yield from _removals([group for gone in removed.values() for group in gone], show_all=show_all)


def _granted_service(section: _Section, service: str, requests: Sequence[Request]) -> Iterator[str]:
    """Render what is granted of a service, where today's policies are not known."""
    patterns = {grant.resource for grant in section.plan.grants if grant.action.split(":", 1)[0] == service}
    actions = sorted({request.action for request in requests}, key=str.lower)
    yield from wrapped(
        f"  + {service}  ",
        f"{pluralize(len(actions), 'action')} on {list_resources([tuple(sorted(patterns))])}",
        "      ",
    )
    words = textwrap.wrap(" ".join(action.split(":", 1)[1] for action in actions), 36)
    for i, line in enumerate(words):
        yield right(f"      {'    ' if i else 'keep'}  {line}", "" if i else _call_totals(requests))
    yield from _uncertain(requests, show_all=section.show_all)
    yield from _generalisations(section, requests)


def _names(changes: Sequence[PlanChange], *, show_all: bool) -> str:
    names = [change.action.split(":", 1)[1] for change in changes]
    if show_all or len(names) <= LISTED:
        return " ".join(names)
    return f"{' '.join(names[:LISTED])} and {len(names) - LISTED} more"
