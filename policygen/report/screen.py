"""The screen of `suggest`: the verdict before the detail, 80 columns, nothing that has no data behind it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta

from policygen.access import AccessRequest
from policygen.analysis import Analysis
from policygen.catalog.visibility import data_types
from policygen.policy.diff import Change
from policygen.policy.pack import INLINE_LIMIT, MANAGED_LIMIT
from policygen.suggestion import Suggestion
from policygen.text import printable
from policygen.usage import Evidence, total

WIDTH = 80
_SPARKS = "▁▂▃▄▅▆▇█"
_ASCII = str.maketrans(
    {"✔": "v", "✘": "x", "→": ">", "−": "-", "…": ".", "·": "-", **dict(zip(_SPARKS, "._-~=+*#", strict=True))}
)
_LISTED = 6


def render(analysis: Analysis, *, show_all: bool = False, ascii_only: bool = False, **_: bool) -> str:
    """The screen.

    Args:
        analysis: what to show.
        show_all: list every service and every resource; else the long lists are cut, with their number.
        ascii_only: for terminals without Unicode.
    """
    lines = [
        *_head(analysis),
        "",
        *_result(analysis.suggestion),
        "",
        *_changes(analysis.suggestion, show_all=show_all),
        *_findings(analysis.suggestion, show_all=show_all),
        *_next(analysis),
    ]
    text = "\n".join(printable(line).rstrip() for line in lines) + "\n"
    return text.translate(_ASCII).encode("ascii", "replace").decode() if ascii_only else text


def _head(analysis: Analysis) -> Iterator[str]:
    made, usage = analysis.suggestion, analysis.suggestion.usage
    name, role_arn = made.role.name, made.role.arn or f"account {made.role.account}, path not in the logs"
    yield from [f"{name}  {role_arn}"] if len(name) + len(role_arn) + 2 <= WIDTH else [name, f"  {role_arn}"]
    window = usage.window
    end = "" if analysis.until_given else " (the newest event read)"
    yield f"Window    {_count(window.days, 'day')}, {window.start} to {window.end[:10]} UTC{end}"
    seen = usage.events
    if seen:
        yield (
            f"Evidence  {_count(seen.count, 'event')}, {_count(usage.calls, 'distinct call')}, "
            f"{_count(len(usage.regions), 'region')}, last {_minute(seen.last)}"
        )
    yield from _coverage(made)
    if curve := _learning(made):
        yield curve
    if made.today is None:
        yield "Today     not known: this rests on the evidence alone (--snapshot, --live)"
    for note in made.notes:
        yield from _wrapped("Note      ", note)


def _coverage(made: Suggestion) -> Iterator[str]:
    seen = made.coverage
    trails = "trail not known" if seen.trails is None else f"trail {', '.join(seen.trails) or 'none that logs'}"
    yield from _wrapped("Coverage  ", f"{seen.days_with_events}/{seen.window.days} days with events, {trails}")
    if seen.data_types is not None:
        concerned = {action.split(":")[0] for action in made.now or ()} | {
            request.action.split(":")[0] for request in made.usage.requests
        }
        by_service: dict[str, list[bool]] = {}
        for data_type, service in sorted(data_types().items()):
            if service in concerned:
                by_service.setdefault(service, []).append(data_type in seen.data_types)
        states = [f"{name} {_state(flags)}" for name, flags in sorted(by_service.items())]
        # With a policy that allows everything the list would be all of AWS; what is on says it as well.
        if len(states) > 2 * _LISTED:
            states = [state for state in states if not state.endswith(" off")] + ["all others off"]
        if states:
            yield from _wrapped("          ", f"data events: {', '.join(states)}")
    for hole in seen.incomplete[:_LISTED]:
        yield from _wrapped("          ", f"not read whole: {hole}")
    if len(seen.incomplete) > _LISTED:
        yield f"          and {len(seen.incomplete) - _LISTED} more"


def _state(flags: Sequence[bool]) -> str:
    return "on" if all(flags) else "partly" if any(flags) else "off"


def _learning(made: Suggestion) -> str:
    """The learning curve: distinct permissions seen so far, a mark per day of the window."""
    window = made.usage.window
    firsts: dict[str, str] = {}
    for request, seen in made.usage.requests.items():
        day = min(seen.days)
        firsts[request.action] = min(firsts.get(request.action, day), day)
    if not firsts or window.days < 2:
        return ""
    start = date.fromisoformat(window.start)
    days = [(start + timedelta(days=i)).isoformat() for i in range(window.days)]
    counts = [sum(1 for first in firsts.values() if first <= day) for day in days]
    step = max(1, -(-len(counts) // 31))
    marks = "".join(_SPARKS[min(7, 7 * n // len(firsts))] for n in counts[step - 1 :: step])
    ago = (date.fromisoformat(window.end[:10]) - date.fromisoformat(max(firsts.values()))).days
    return f"Learning  last new permission {_count(ago, 'day')} before the end  {marks}"


def _result(made: Suggestion) -> Iterator[str]:
    new_actions = {grant.action.lower() for grant in made.grants}
    stars = _stars(statement.resources for policy in made.policies for statement in policy.statements)
    size = sum(policy.size for policy in made.policies)
    room = f"of {INLINE_LIMIT:,}" if len(made.policies) == 1 else f"in {len(made.policies)} of {MANAGED_LIMIT:,}"
    if made.now is None or made.today is None:
        yield f"{'Result':<20}{'':>12}{'proposed':>11}"
        yield f"{'  actions allowed':<20}{'':>12}{len(new_actions):>11,}"
        yield f"{'  statements on *':<20}{'':>12}{stars:>11,}"
        yield f"{'  characters':<20}{'':>12}{size:>11,}  {room}"
    else:
        before = len(made.now)
        cut = f"−{100 * (before - len(new_actions)) / before:.1f} %" if before else ""
        old_stars = _stars(s.resources for policy in made.today for s in policy.statements if s.effect == "Allow")
        old_size = sum(policy.size for policy in made.today)
        yield f"{'Result':<20}{'now':>12}{'proposed':>11}{'change':>11}"
        yield f"{'  actions allowed':<20}{before:>12,}{len(new_actions):>11,}{cut:>11}"
        yield f"{'  statements on *':<20}{old_stars:>12,}{stars:>11,}{_signed(stars - old_stars):>11}"
        yield f"{'  characters':<20}{old_size:>12,}{size:>11,}  {room}"
    for check in made.proof.checks:
        yield from _wrapped(f"  {'✔' if check.held else '✘'} ", f"{check.promise}: {check.finding}", "    ")


def _stars(resources: Iterable[Sequence[str]]) -> int:
    return sum(1 for one in resources if "*" in one)


def _signed(number: int) -> str:
    return f"−{-number}" if number < 0 else f"+{number}" if number else "0"


def _changes(made: Suggestion, *, show_all: bool) -> Iterator[str]:
    if made.now is None:
        yield "Grants"
        for service, requests in _by_service(made.grants_by_request()):
            yield from _used(made, service, requests, made.grants_by_request(), show_all=show_all)
        return
    yield "Changes  ~ narrowed  - removed  = kept without evidence  ? your call"
    services: dict[str, list[Change]] = {}
    for change in made.changes:
        services.setdefault(change.service, []).append(change)
    removed: dict[str, int] = {}
    asked: list[str] = []
    for service, changes in services.items():
        kinds = {change.kind for change in changes}
        if kinds == {"removed"}:
            removed[service] = len(changes)
            continue
        yield from _service(made, service, changes, show_all=show_all)
        if "unknown" in kinds:
            asked.append(service)
    if removed:
        yield from _removed(removed, show_all=show_all)
    yield from _questions(made, asked)


def _service(made: Suggestion, service: str, changes: Sequence[Change], *, show_all: bool) -> Iterator[str]:
    used = [c for c in changes if c.kind in {"narrowed", "unchanged", "added"}]
    gone = [c for c in changes if c.kind == "removed"]
    kept = [c for c in changes if c.kind == "kept"]
    unknown = [c for c in changes if c.kind == "unknown"]
    if used or not (kept or unknown):
        before = [c for c in (*used, *gone) if c.now]
        yield from _wrapped(
            f"  ~ {service}  ",
            f"{_count(len(before), 'action')} on {_places(c.now for c in before)} → "
            f"{len(used)} on {_places(c.proposed for c in used)}",
            "      ",
        )
        yield from _evidence_lines(made, used, show_all=show_all)
    if gone:
        lead = "drop" if used or kept or unknown else "-"
        yield _right(f"      {lead}  {_count(len(gone), 'action')}", "visible, 0 calls")
    for symbol, members in (("=", kept), ("?", unknown)):
        if members:
            names = _names(members, show_all=show_all)
            place = _places(c.proposed for c in members)
            same = all(c.now == c.proposed for c in members)
            yield from _wrapped(
                f"  {symbol} {service}  ", f"{names} on {place}{', unchanged' if same else ''}", "      "
            )
            for why in sorted({c.why for c in members}):
                yield from _wrapped("      why   ", why)


def _evidence_lines(made: Suggestion, used: Sequence[Change], *, show_all: bool) -> Iterator[str]:
    names = {change.action for change in used}
    requests = [r for r in made.usage.requests if r.action in names]
    seen = total(made.usage.requests[request] for request in requests)
    tail = f"{_count(seen.count, 'call')}, last {_minute(seen.last)}" if seen else ""
    words = textwrap.wrap(" ".join(c.action.split(":", 1)[1] for c in used), 36)
    shown = words if show_all else words[:4]
    for i, line in enumerate(shown):
        yield _right(f"      {'keep' if i == 0 else '    '}  {line}", tail if i == 0 else "")
    if len(shown) < len(words):
        yield f"            and more (--all lists them; {len(used)} in all)"
    yield from _rules(made, requests, show_all=show_all)


def _rules(made: Suggestion, requests: Sequence[AccessRequest], *, show_all: bool) -> Iterator[str]:
    """The declared generalisations in use: the rule and the patterns that it wrote."""
    rules: dict[str, set[str]] = {}
    for request in requests:
        written = made.written.get(request)
        if written and written.rule:
            rules.setdefault(written.rule, set()).add(_short(written.pattern))
    for rule, patterns in sorted(rules.items()):
        shown = sorted(patterns) if show_all else sorted(patterns)[:3]
        more = f" and {len(patterns) - len(shown)} more" if len(shown) < len(patterns) else ""
        yield from _wrapped("      rule  ", f"{rule}: {'  '.join(shown)}{more}", "            ")


def _removed(removed: dict[str, int], *, show_all: bool) -> Iterator[str]:
    names = sorted(removed, key=lambda name: (-removed[name], name))
    shown = names if show_all else names[:_LISTED]
    more = "" if len(shown) == len(names) else " … (--all lists them)"
    yield from _wrapped("  - ", f"{_count(len(names), 'service')}  {' '.join(shown)}{more}", "      ")
    yield _right(f"      drop  {_count(sum(removed.values()), 'action')}", "visible, 0 calls")


def _questions(made: Suggestion, asked: Sequence[str]) -> Iterator[str]:
    remedies = sorted({k.blind_spot.remedy for k in made.keeps if k.blind_spot and k.blind_spot.id == "data-events-off"})
    if not asked:
        return
    yield ""
    yield f"Your call ({len(asked)})"
    yield from _wrapped(
        "  ? ", f"{', '.join(asked)}: kept as they are, because the logs could not have shown their use.", "    "
    )
    for remedy in remedies[:_LISTED]:
        yield from _wrapped("      ", remedy)
    if len(remedies) > _LISTED:
        yield f"      and {len(remedies) - _LISTED} more data event types"


def _findings(made: Suggestion, *, show_all: bool) -> Iterator[str]:
    usage = made.usage
    limit = None if show_all else _LISTED
    if made.missing:
        yield from ("", f"Observed, but not allowed by today's policies ({len(made.missing)}): not granted")
        for one in made.missing[:limit]:
            yield from _wrapped("  ! ", f"{one.request.action} on {one.request.resource}", "    ")
            yield from _wrapped("      why   ", f"{one.cause} ({_count(one.evidence.count, 'call')})")
        yield from _more(len(made.missing), limit)
    if usage.wanted:
        yield from ("", f"Wanted but denied ({len(usage.wanted)}): not granted")
        for wanted, seen in list(usage.wanted.items())[:limit]:
            what = f"{wanted.action} on {wanted.resource}" if wanted.action else f"{wanted.source} {wanted.event}"
            yield from _wrapped("  x ", what, "    ")
            yield from _wrapped("      why   ", f"{_denied_by(wanted.policy_type, explicit=wanted.explicit)} ({_count(seen.count, 'call')})")
        yield from _more(len(usage.wanted), limit)
    if usage.unmapped:
        yield from ("", f"Not mapped to IAM actions ({len(usage.unmapped)}): decide by hand")
        for unmapped, seen in list(usage.unmapped.items())[:limit]:
            yield from _wrapped("  ? ", f"{unmapped.source} {unmapped.event} ({_count(seen.count, 'call')})", "    ")
            yield from _wrapped("      why   ", unmapped.why)
        yield from _more(len(usage.unmapped), limit)
    for before in made.predecessors:
        yield ""
        yield from _wrapped(
            "Left out  ",
            f"{_count(before.events, 'event')} of a deleted role of the same name ({before.role.role_id}), "
            f"last {_minute(before.last)}",
        )
    if usage.events and usage.events.weak:
        yield from _wrapped(
            "Weak      ", f"{_count(usage.events.weak, 'event')} throttled or invalid: they may precede the permission check"
        )
    if usage.unauthenticated:
        yield from _wrapped(
            "Refused   ", f"{_count(usage.unauthenticated.count, 'event')} with expired or wrong credentials: no evidence"
        )


def _denied_by(policy_type: str, *, explicit: bool) -> str:
    if not policy_type:
        return "the message names no policy"
    if explicit:
        return f"explicit deny in a {policy_type} policy"
    if policy_type == "identity-based":
        return "no identity-based policy allows it"
    return f"{policy_type}: an identity policy would not help"


def _next(analysis: Analysis) -> Iterator[str]:
    role = analysis.suggestion.role.name
    yield from ("", "Next")
    yield f"  policygen suggest -r {role} … -f policy   the policy itself"
    yield f"  policygen suggest -r {role} … -f json     everything, with eventIDs"
    yield "Nothing in AWS was changed."


def _more(count: int, limit: int | None) -> Iterator[str]:
    if limit is not None and count > limit:
        yield f"    and {count - limit} more (--all lists them)"


def _by_service(requests: dict[AccessRequest, Evidence]) -> Iterator[tuple[str, list[AccessRequest]]]:
    groups: dict[str, list[AccessRequest]] = {}
    for request in requests:
        groups.setdefault(request.action.split(":", 1)[0], []).append(request)
    yield from sorted(groups.items())


def _used(
    made: Suggestion,
    service: str,
    requests: Sequence[AccessRequest],
    evidence: dict[AccessRequest, Evidence],
    *,
    show_all: bool,
) -> Iterator[str]:
    patterns = {grant.resource for grant in made.grants if grant.action.split(":", 1)[0] == service}
    actions = sorted({request.action for request in requests}, key=str.lower)
    seen = total(evidence[request] for request in requests)
    tail = f"{_count(seen.count, 'call')}, last {_minute(seen.last)}" if seen else ""
    yield from _wrapped(f"  + {service}  ", f"{_count(len(actions), 'action')} on {_places([tuple(sorted(patterns))])}", "      ")
    words = textwrap.wrap(" ".join(action.split(":", 1)[1] for action in actions), 36)
    for i, line in enumerate(words):
        yield _right(f"      {'    ' if i else 'keep'}  {line}", "" if i else tail)
    yield from _rules(made, requests, show_all=show_all)


def _places(patterns: Iterable[Sequence[str]]) -> str:
    """Resources in words: short names of a few, the number of many."""
    distinct = sorted({text for one in patterns for text in one})
    if "*" in distinct:
        return "*" if len(distinct) == 1 else f"* and {_count(len(distinct) - 1, 'resource')}"
    if len(distinct) <= 2:
        return " and ".join(_short(text) for text in distinct)
    return _count(len(distinct), "resource")


def _short(pattern: str) -> str:
    """The resource part of an ARN pattern."""
    pieces = pattern.split(":", 5)
    return pieces[5] if len(pieces) == 6 else pattern


def _names(changes: Sequence[Change], *, show_all: bool) -> str:
    names = [change.action.split(":", 1)[1] for change in changes]
    if show_all or len(names) <= _LISTED:
        return " ".join(names)
    return f"{' '.join(names[:_LISTED])} and {len(names) - _LISTED} more"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")


def _right(left: str, right: str) -> str:
    gap = WIDTH - len(left) - len(right)
    return left + " " * max(2, gap) + right if right else left


def _wrapped(lead: str, text: str, indent: str | None = None) -> Iterator[str]:
    """`text` after `lead`, wrapped at the width; an ARN longer than a line is not cut."""
    yield from textwrap.wrap(
        printable(text),
        WIDTH,
        initial_indent=lead,
        subsequent_indent=" " * len(lead) if indent is None else indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
