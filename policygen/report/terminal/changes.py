"""The changes section of the screen: what becomes of each service, most of it in one glance."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from policygen.iam.arn import service_of
from policygen.iam.request import AccessRequest
from policygen.logs.calls.evidence import Evidence
from policygen.plan.change_groups import Change, ChangeGroup, group_changes, number
from policygen.report.terminal.layout import LISTED, WIDTH, right, wrapped
from policygen.report.wording import list_resources, minute, short, where
from policygen.rightsize.assess.changes import Kind
from policygen.rightsize.suggestion import Suggestion
from policygen.text import pluralize

_FEW = 3
_MANY = 12


class ChangeSummary:
    """A suggestion as the section tells it, service by service: put together once for a short and a long screen."""

    def __init__(self, made: Suggestion) -> None:
        self.made = made
        self.groups = group_changes(made.changes)
        self.services: dict[str, list[ChangeGroup]] = {}
        for group in self.groups:
            self.services.setdefault(group.service, []).append(group)
        self.seasonal = _seasonal(made)
        self.evidence = made.usage.requests
        self.written = made.written
        self.granted = {(grant.action, grant.resource) for grant in made.grants}
        self.notes = [(keep.grant.action, keep.note) for keep in made.keeps if keep.note]
        self._requests: dict[str, list[AccessRequest]] = {}
        for request in self.evidence:
            self._requests.setdefault(service_of(request.action), []).append(request)

    def requests(self, service: str) -> Sequence[AccessRequest]:
        """The observed requests of a service, in order."""
        return self._requests.get(service, ())


def render_changes(told: ChangeSummary, *, show_all: bool) -> Iterator[str]:
    """The section; with ``show_all`` every service and resource is listed."""
    made = told.made
    if made.now is None:
        yield "Grants"
        evidence = made.grants_by_request()
        for service, requests in _by_service(evidence):
            yield from _used(told, service, requests, evidence, show_all=show_all)
        for keep in made.keeps:
            yield from wrapped(f"  = {keep.grant.action}  ", f"on {short(keep.grant.resource)}", "      ")
            yield from wrapped("      why   ", keep.why)
        return
    yield "Changes  ~ narrowed  - removed  = kept without evidence  ? your call"
    removed: dict[str, list[ChangeGroup]] = {}
    blind: dict[str, list[ChangeGroup]] = {}
    for service, groups in told.services.items():
        kinds = {group.kind for group in groups}
        if kinds <= {"removed", "missing"}:
            removed[service] = [group for group in groups if group.kind == "removed"]
        elif kinds <= {"removed", "unknown"}:
            blind[service] = groups
        else:
            yield from _service(told, service, groups, show_all=show_all)
    if show_all or len(blind) <= _FEW:
        for service, groups in blind.items():
            yield from _service(told, service, groups, show_all=show_all)
    else:
        yield from _blind(blind)
    removed = {name: gone for name, gone in removed.items() if gone}
    if removed:
        yield from _removed(removed, show_all=show_all)
    yield from _questions(told)


def _blind(services: Mapping[str, Sequence[ChangeGroup]]) -> Iterator[str]:
    """Services of which nothing was used and something could not have been seen, in one entry."""
    kept = {name: number(g for g in groups if g.kind == "unknown") for name, groups in services.items()}
    gone = [g for groups in services.values() for g in groups if g.kind == "removed"]
    names = " ".join(sorted(kept, key=lambda name: (-kept[name], name))[:LISTED])
    yield from wrapped("  ? ", f"{pluralize(len(kept), 'service')}  {names} … (--all lists them)", "      ")
    yield right(f"      keep  {pluralize(sum(kept.values()), 'action')} kept as today", "not visible")
    yield from _drops(gone)


def _drops(gone: Sequence[ChangeGroup]) -> Iterator[str]:
    """How many actions go, a line a reason, the commonest first."""
    reasons = Counter[str]()
    for group in gone:
        reasons[group.why] += len(group.changes)
    for i, (why, times) in enumerate(sorted(reasons.items(), key=lambda one: (-one[1], one[0]))):
        lead = f"      {'drop' if i == 0 else '    '}  {pluralize(times, 'action')}"
        if len(lead) + len(why) + 2 <= WIDTH:
            yield right(lead, why)
        else:
            yield from wrapped(f"{lead}: ", why, "            ")


def _of(groups: Sequence[ChangeGroup], *kinds: Kind) -> list[Change]:
    """The changes of some kinds, by action as all of them are."""
    return sorted((c for g in groups if g.kind in kinds for c in g.changes), key=lambda c: c.action.lower())


def _service(
    told: ChangeSummary, service: str, groups: Sequence[ChangeGroup], *, show_all: bool
) -> Iterator[str]:
    """What becomes of a service: what was used, what is kept without evidence, what goes."""
    used = _of(groups, "narrowed", "unchanged", "added")
    drop = list(_drops([group for group in groups if group.kind == "removed"]))
    if used:
        before = [c for c in (*used, *_of(groups, "removed")) if c.now]
        yield from wrapped(
            f"  ~ {service}  ",
            f"{pluralize(len(before), 'action')} on {where(c.now for c in before)} → "
            f"{len(used)} on {where(c.proposed for c in used)}",
            "      ",
        )
        yield from _evidence_lines(told, service, used, show_all=show_all)
        for change in used:
            if change.kind == "added":
                yield from wrapped(f"  + {change.action}  ", f"on {where([change.proposed])}", "      ")
                yield from wrapped("      why   ", change.why)
        yield from drop
        drop = []
    kinds: tuple[tuple[str, Kind], ...] = ("=", "kept"), ("?", "unknown")
    for symbol, kind in kinds:
        if members := _of(groups, kind):
            yield from _kept(told, symbol, service, members, show_all=show_all)
            yield from drop
            drop = []


def _kept(
    told: ChangeSummary, symbol: str, service: str, members: Sequence[Change], *, show_all: bool
) -> Iterator[str]:
    names = {c.action for c in members}
    same = all(c.now == c.proposed for c in members)
    place = "kept as today" if same else f"narrowed to {where(c.proposed for c in members)}"
    yield from wrapped(f"  {symbol} {service}  ", f"{pluralize(len(members), 'action')} {place}", "      ")
    yield from wrapped("      keep  ", _names(members, show_all=show_all))
    for why in sorted({c.why for c in members}):
        yield from wrapped("      why   ", why)
    for note in sorted({note for action, note in told.notes if action in names}):
        yield from wrapped("      note  ", note)


def _evidence_lines(
    told: ChangeSummary, service: str, used: Sequence[Change], *, show_all: bool
) -> Iterator[str]:
    names = {change.action for change in used}
    requests = [request for request in told.requests(service) if request.action in names]
    tail = _seen([told.evidence[request] for request in requests])
    words = textwrap.wrap(" ".join(c.action.split(":", 1)[1] for c in used), 36)
    shown = words if show_all else words[:4]
    for i, line in enumerate(shown):
        yield right(f"      {'keep' if i == 0 else '    '}  {line}", tail if i == 0 else "")
    if len(shown) < len(words):
        yield f"            and more (--all lists them; {len(used)} in all)"
    yield from _maybe(requests, show_all=show_all)
    yield from _rules(told, requests, show_all=show_all)


def _seen(evidence: Sequence[Evidence]) -> str:
    if not evidence:
        return ""
    calls, last = sum(one.count for one in evidence), max(one.last for one in evidence)
    return f"{pluralize(calls, 'call')}, last {minute(last)}"


def _maybe(requests: Sequence[AccessRequest], *, show_all: bool) -> Iterator[str]:
    """Actions that AWS may have asked for, as far as the records tell, and not one that it surely asked for."""
    sure = {request.action for request in requests if request.grade == "required"}
    names = sorted({request.action.split(":", 1)[1] for request in requests if request.action not in sure})
    if names:
        shown = names if show_all else names[:LISTED]
        rest = f" and {len(names) - len(shown)} more" if len(shown) < len(names) else ""
        yield from wrapped(
            "      maybe ",
            f"{' '.join(shown)}{rest}: the records do not tell whether AWS asked",
            "            ",
        )


def _rules(told: ChangeSummary, requests: Sequence[AccessRequest], *, show_all: bool) -> Iterator[str]:
    """The declared generalisations in use: the rule and the patterns that it wrote.

    What a rule writes is cut to today's policies, so a pattern is its work only where a grant still has it.
    """
    rules: dict[str, set[str]] = {}
    for request in requests:
        written = told.written.get(request)
        if written and written.rule and (request.action, written.pattern) in told.granted:
            rules.setdefault(written.rule, set()).add(short(written.pattern))
    for rule, patterns in sorted(rules.items()):
        shown = sorted(patterns) if show_all else sorted(patterns)[:3]
        more = f" and {len(patterns) - len(shown)} more" if len(shown) < len(patterns) else ""
        yield from wrapped("      rule  ", f"{rule}: {'  '.join(shown)}{more}", "            ")


def _removed(removed: Mapping[str, Sequence[ChangeGroup]], *, show_all: bool) -> Iterator[str]:
    names = sorted(removed, key=lambda name: (-number(removed[name]), name))
    shown = names if show_all else names[:LISTED]
    more = "" if len(shown) == len(names) else " … (--all lists them)"
    yield from wrapped("  - ", f"{pluralize(len(names), 'service')}  {' '.join(shown)}{more}", "      ")
    yield from _drops([group for gone in removed.values() for group in gone])


def _questions(told: ChangeSummary) -> Iterator[str]:
    """What a person must decide, and what would let the logs decide it."""
    made = told.made
    asked = [name for name, groups in told.services.items() if any(one.kind == "unknown" for one in groups)]
    total = len(asked) + len(made.questions) + len(told.seasonal)
    if not total:
        return
    yield ""
    yield f"Your call ({total})"
    for kind, (seen, reason) in made.questions.items():
        yield from wrapped("  ? ", f"{kind}: {pluralize(seen, 'name')} written as seen; {reason}", "    ")
        yield from wrapped(
            "      ", f"--open {kind} writes every {kind.split(':', 1)[1]} of the account and region"
        )
    for (service, why), actions in list(told.seasonal.items())[:LISTED]:
        names = ", ".join(actions[:2]) + (f" and {len(actions) - 2} more" if len(actions) > 2 else "")
        yield from wrapped("  ? ", f"{names} go; {why}", "    ")
        what = actions[0] if len(actions) == 1 else f"'{service}:*'"
        yield from wrapped("      ", f"--keep {what} keeps what today grants; more --days may show it")
    if not asked:
        return
    names = ", ".join(asked[:_MANY]) + (f" and {len(asked) - _MANY} more" if len(asked) > _MANY else "")
    yield from wrapped(
        "  ? ", f"{names}: kept as they are, because the logs could not have shown their use.", "    "
    )
    first = next(c for c in made.changes if c.kind == "unknown")
    yield from wrapped("      ", f"--drop {first.action} removes one; --drop '{first.service}:*' a service")
    selectors = {"data-events-off", "data-events-partly", "caller-excluded", "source-excluded"}
    off = {k.blind_spot.remedy for k in made.keeps if k.blind_spot and k.blind_spot.id in selectors}
    remedies = sorted(off)
    for remedy in remedies[:LISTED]:
        yield from wrapped("      ", remedy)
    if len(remedies) > LISTED:
        yield f"      and {len(remedies) - LISTED} more"
    if remedies and any(k.blind_spot.command for k in made.keeps if k.blind_spot):
        yield from wrapped(
            "      ", f"policygen doctor -r {made.role.name} … prints the command for all of them"
        )


def _seasonal(made: Suggestion) -> dict[tuple[str, str], list[str]]:
    """(service, what IAM saw before the window) -> the actions that go.

    One that loses some of its resources and stays on others does not go.
    """
    stays = {change.action for change in made.changes if change.proposed} if made.seasonal else set()
    groups: dict[tuple[str, str], list[str]] = {}
    for action, why in made.seasonal.items():
        if action in stays:
            continue
        groups.setdefault((action.split(":", 1)[0], why), []).append(action)
    return groups


def _by_service(requests: dict[AccessRequest, Evidence]) -> Iterator[tuple[str, list[AccessRequest]]]:
    groups: dict[str, list[AccessRequest]] = {}
    for request in requests:
        groups.setdefault(request.action.split(":", 1)[0], []).append(request)
    yield from sorted(groups.items())


def _used(
    told: ChangeSummary,
    service: str,
    requests: Sequence[AccessRequest],
    evidence: dict[AccessRequest, Evidence],
    *,
    show_all: bool,
) -> Iterator[str]:
    patterns = {grant.resource for grant in told.made.grants if grant.action.split(":", 1)[0] == service}
    actions = sorted({request.action for request in requests}, key=str.lower)
    tail = _seen([evidence[request] for request in requests])
    yield from wrapped(
        f"  + {service}  ",
        f"{pluralize(len(actions), 'action')} on {list_resources([tuple(sorted(patterns))])}",
        "      ",
    )
    words = textwrap.wrap(" ".join(action.split(":", 1)[1] for action in actions), 36)
    for i, line in enumerate(words):
        yield right(f"      {'    ' if i else 'keep'}  {line}", "" if i else tail)
    yield from _maybe(requests, show_all=show_all)
    yield from _rules(told, requests, show_all=show_all)


def _names(changes: Sequence[Change], *, show_all: bool) -> str:
    names = [change.action.split(":", 1)[1] for change in changes]
    if show_all or len(names) <= LISTED:
        return " ".join(names)
    return f"{' '.join(names[:LISTED])} and {len(names) - LISTED} more"
