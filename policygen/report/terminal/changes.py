"""Renders the changes section of the screen: what becomes of the permissions of each service."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

import msgspec

from policygen.iam.arn import service_of
from policygen.plan.model import Plan
from policygen.plan.model_evidence import Request
from policygen.report.commands import show_command
from policygen.report.figures import grouped, uses_not_covered
from policygen.report.terminal.layout import Layout
from policygen.report.wording import also_needed, list_resources, short, where
from policygen.rightsize.assess.change_groups import ChangeGroup, count_changes
from policygen.rightsize.assess.changes import Change, Kind
from policygen.text import minute, pluralize


class _Section(msgspec.Struct, frozen=True):
    """The plan, with its requests and grants indexed for the section."""

    plan: Plan
    layout: Layout
    requests: Mapping[str, Sequence[Request]]
    """Service -> its observed requests, in order."""
    granted: Container[tuple[str, str]]
    """(action, resource pattern) of all grants."""
    per_service: Mapping[str, int]
    """Service -> its calls."""

    def calls(self, service: str, requests: Sequence[Request]) -> str:
        """Count the calls of a service, and say when its permissions were last used."""
        if not requests:
            return ""
        number = self.per_service.get(service, 0)
        # A call of one service may need a permission of another.
        calls = pluralize(number, "call") if number else "by calls of other services"
        if beyond := uses_not_covered(self.plan).get(service):
            calls += f", {pluralize(beyond, 'use')} not covered"
        return f"{calls}, last {minute(max(one.last for one in requests))}"


def render_changes(plan: Plan, layout: Layout) -> Iterator[str]:
    """Render the section: every service and resource."""
    requests = grouped((service_of(one.action), one) for one in plan.evidence.observed)
    granted = {(grant.action, grant.resource) for grant in plan.grants}
    calls = {row.service: sum(row.events) for row in plan.calendar.rows}
    section = _Section(plan, layout, requests, granted, calls)
    yield from _grants(section) if plan.today is None else _changes(section)
    yield from layout.command("Every action by name: ", show_command(plan, "-f csv"))


def _grants(section: _Section) -> Iterator[str]:
    """Render what is granted, where today's policies are not known."""
    yield "Grants"
    by_service = grouped((one.action.split(":", 1)[0], one) for one in section.plan.evidence.granted)
    for service, requests in sorted(by_service.items()):
        yield from _granted_service(section, service, requests)
    for keep in section.plan.keeps:
        yield from section.layout.wrapped(f"  = {keep.action}  ", f"on {short(keep.resource)}", "      ")
        yield from section.layout.wrapped("      why   ", keep.why)


def _changes(section: _Section) -> Iterator[str]:
    """Render each service: first those that stay, last those that go."""
    yield from section.layout.wrapped("Changes  ", "~ narrowed  = as today  - removed  ? unverified  + added")
    services = grouped((group.service, group) for group in section.plan.change_groups)
    removed: dict[str, list[ChangeGroup]] = {}
    for service, groups in services.items():
        if {group.kind for group in groups} <= {"removed", "missing"}:
            removed[service] = [group for group in groups if group.kind == "removed"]
        else:
            yield from _service(section, service, groups)
    removed = {name: gone for name, gone in removed.items() if gone}
    if removed:
        yield from _removed_services(section, removed)


_ATTEMPT_AT = re.compile(r"(?<=no attempt at )\S+")
"""What IAM saw no attempt at, in a reason."""


def _removals(section: _Section, gone: Sequence[ChangeGroup]) -> Iterator[str]:
    """Count the actions that go, a line or more for each reason, the most frequent first.

    Reasons that differ only in what IAM saw no attempt at are one, with its services.
    """
    reasons = grouped((_ATTEMPT_AT.sub("them", group.why), group) for group in gone)
    ordered = sorted(reasons.items(), key=lambda one: (-count_changes(one[1]), one[0]))
    for i, (shared, groups) in enumerate(ordered):
        services = Counter(one.service for one in groups for _ in one.changes)
        lead = f"      {'    ' if i else 'drop'}  {pluralize(count_changes(groups), 'action')}"
        why = shared if len({one.why for one in groups}) > 1 else groups[0].why
        if why == shared and len(services) > 1 and _ATTEMPT_AT.search(why):
            lead += f" in {pluralize(len(services), 'service')}"
            why += f": {' '.join(name for name, _ in services.most_common())}"
        if len(lead) + len(why) + 2 <= section.layout.width:
            yield section.layout.right(lead, why)
        else:
            yield from section.layout.wrapped(f"{lead}: ", why, "            ")


def _changes_of(groups: Sequence[ChangeGroup], *kinds: Kind) -> list[Change]:
    """Return the changes of some kinds, in the order of all changes: by action."""
    return sorted((c for g in groups if g.kind in kinds for c in g.changes), key=lambda c: c.action.lower())


def _service(section: _Section, service: str, groups: Sequence[ChangeGroup]) -> Iterator[str]:
    """Render a service: what was used, what is kept without evidence, what is unverified, what goes."""
    used = _changes_of(groups, "narrowed", "unchanged", "added")
    drop = list(_removals(section, [group for group in groups if group.kind == "removed"]))
    if used:
        before = [c for c in (*used, *_changes_of(groups, "removed")) if c.now]
        mark = "=" if len(before) == len(used) and _as_today(used) else "~"
        yield from section.layout.wrapped(
            f"  {mark} {service}  ",
            f"{pluralize(len(before), 'action')} on {where(c.now for c in before)} → "
            f"{len(used)} on {where(c.proposed for c in used)}",
            "      ",
        )
        yield from _evidence_lines(section, service, used)
        yield from drop
        yield from _added(section, used)
        drop = []
    kinds: tuple[Kind, ...] = "kept", "unknown"
    for kind in kinds:
        if members := _changes_of(groups, kind):
            mark = "?" if kind == "unknown" else "=" if _as_today(members) else "~"
            yield from _kept_actions(section, mark, service, members)
            yield from drop
            drop = []


def _as_today(changes: Iterable[Change]) -> bool:
    return all(one.now == one.proposed for one in changes)


def _added(section: _Section, used: Sequence[Change]) -> Iterator[str]:
    """Render what was added, on the resources that today's policies do not allow."""
    beyond = grouped((one.action, one.resource) for one in section.plan.added)
    for change in used:
        if change.kind == "added":
            places = beyond.get(change.action, change.proposed)
            yield from section.layout.wrapped(f"  + {change.action}  ", f"on {where([places])}", "      ")
            yield from section.layout.wrapped("      why   ", change.why)


def _kept_actions(section: _Section, mark: str, service: str, members: Sequence[Change]) -> Iterator[str]:
    names = {c.action for c in members}
    place = "kept as today" if _as_today(members) else f"narrowed to {where(c.proposed for c in members)}"
    place += also_needed(section.plan, names) if mark == "?" else ""
    yield from section.layout.wrapped(
        f"  {mark} {service}  ", f"{pluralize(len(members), 'action')} {place}", "      "
    )
    yield from section.layout.wrapped("      keep  ", _names(members))
    for why in sorted({c.why for c in members}):
        yield from section.layout.wrapped("      why   ", why)
    for note in sorted({keep.note for keep in section.plan.keeps if keep.note and keep.action in names}):
        yield from section.layout.wrapped("      note  ", note)


def _evidence_lines(section: _Section, service: str, used: Sequence[Change]) -> Iterator[str]:
    names = {change.action for change in used}
    requests = [request for request in section.requests.get(service, ()) if request.action in names]
    yield from _used_names(section, [one.action for one in used], section.calls(service, requests))
    yield from _uncertain(section, requests)
    yield from _generalisations(section, requests)


def _used_names(section: _Section, actions: Sequence[str], tail: str) -> Iterator[str]:
    """Render the names of actions, with a tail at the right of the first line, or below it where there is no room."""
    layout, names = section.layout, " ".join(action.split(":", 1)[1] for action in actions)
    for i, line in enumerate(textwrap.wrap(names, max(24, layout.width - 44))):
        left = f"      {'    ' if i else 'keep'}  {line}"
        if i or len(left) + 2 + len(tail) <= layout.width:
            yield layout.right(left, "" if i else tail)
        else:
            yield from (left, layout.right("", tail))


def _uncertain(section: _Section, requests: Sequence[Request]) -> Iterator[str]:
    """Name the actions that AWS may have checked, without those that it certainly checked."""
    sure = {request.action for request in requests if request.grade in {"required", "alternative"}}
    names = sorted({request.action.split(":", 1)[1] for request in requests if request.action not in sure})
    if names:
        yield from section.layout.wrapped(
            "      maybe ",
            f"{', '.join(names)}: possibly checked by the same calls; CloudTrail does not say",
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
        yield from section.layout.wrapped(
            "      rule  ", f"{rule}: {'  '.join(sorted(patterns))}", "            "
        )


def _removed_services(section: _Section, removed: Mapping[str, Sequence[ChangeGroup]]) -> Iterator[str]:
    names = sorted(removed, key=lambda name: (-count_changes(removed[name]), name))
    yield from section.layout.wrapped(
        "  - ", f"{pluralize(len(names), 'service')}  {' '.join(names)}", "      "
    )
    yield from _removals(section, [group for gone in removed.values() for group in gone])


def _granted_service(section: _Section, service: str, requests: Sequence[Request]) -> Iterator[str]:
    """Render what is granted of a service, where today's policies are not known."""
    patterns = {grant.resource for grant in section.plan.grants if grant.action.split(":", 1)[0] == service}
    actions = sorted({request.action for request in requests}, key=str.lower)
    yield from section.layout.wrapped(
        f"  + {service}  ",
        f"{pluralize(len(actions), 'action')} on {list_resources([tuple(sorted(patterns))])}",
        "      ",
    )
    yield from _used_names(section, actions, section.calls(service, requests))
    yield from _uncertain(section, requests)
    yield from _generalisations(section, requests)


def _names(changes: Sequence[Change]) -> str:
    return " ".join(change.action.split(":", 1)[1] for change in changes)
