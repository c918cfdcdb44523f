"""The screen of policygen api: who calls an API from where, what changes, and what is risky."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from policygen.account.apis import Api
from policygen.iam import arn
from policygen.iam.document import Conditions
from policygen.iam.party import account_named
from policygen.iam.resource_policy import ResourcePolicy
from policygen.logs.calls.evidence import Evidence, sum_of
from policygen.report.terminal.layout import LISTED, Layout
from policygen.report.wording import nearly_full
from policygen.rightsize.api.length import RAISE_LENGTH, longest
from policygen.rightsize.api.resource import WrittenAccess
from policygen.rightsize.api.routing import method_pattern
from policygen.rightsize.api.sight import StageSight
from policygen.rightsize.api.suggest import ApiSuggestion
from policygen.rightsize.api.usage import Invoked
from policygen.rightsize.api.uses import LET_IN
from policygen.rightsize.principals.values import address_blocks
from policygen.text import escape_controls, pluralize

_NAME = 33
"""Columns of a caller's name."""
_MANY = 256
"""Addresses that are not put into one block: no network of one client has more."""
_FROM = 17
"""Columns of where a caller comes from."""


def api_screen(suggestion: ApiSuggestion, width: int = 80) -> str:
    """Return the screen, without control characters."""
    layout = Layout(width)
    lines = [
        *_head(suggestion, layout),
        "",
        *_callers(suggestion, layout),
        "",
        *_result(suggestion, layout),
        "",
        "Changes  ~ narrowed  - removed  = kept without evidence",
        *(list(_changes(suggestion, layout)) or ["  none"]),
        *_questions(suggestion, layout),
        *_findings(suggestion, layout),
        *_blind(suggestion, layout),
        *(["The policy holds from the next deployment on."] if suggestion.policy else []),
        "Nothing in AWS was changed.",
    ]
    return "\n".join(escape_controls(line) for line in lines) + "\n"


# ---- what was read ------------------------------------------------------------------------------------


def _head(suggestion: ApiSuggestion, layout: Layout) -> Iterator[str]:
    api, window = suggestion.api, suggestion.window
    kind = ", ".join(filter(None, [api.protocol, api.endpoint_type, api.region]))
    stages = " ".join(one.name for one in api.stages)
    yield from layout.wrapped("", f"{api.name}  {api.id}, {kind}, stages {stages or 'none'}")
    yield from layout.wrapped(
        "Window    ", f"{pluralize(window.days, 'day')}, {window.start} to {window.last_day} UTC"
    )
    usage = suggestion.usage
    own = [seen for one, seen in usage.invoked.items() if one.api == api.id]
    last = max((seen.last for seen in own), default="")[:16].replace("T", " ")
    callers = len({_who(one) for one in usage.invoked if one.api == api.id and one.status in LET_IN})
    since = ", ".join(f"{one.stage} since {one.since[5:]}" for one in suggestion.sights.values() if one.since)
    entries = pluralize(usage.entries, "entry")
    read = f"{entries}, {pluralize(callers, 'caller')}" + (f", last {last}" if last else "")
    yield from layout.wrapped("Evidence  ", "; ".join(filter(None, [read, since])))
    if left_out := list(_left_out(suggestion)):
        yield from layout.wrapped("Left out  ", ", ".join(left_out))
    yield from layout.wrapped("Coverage  ", "; ".join(map(_shows, suggestion.sights.values())) or "no stage")
    yield from layout.wrapped("Verdict   ", _verdict(suggestion))


def _left_out(suggestion: ApiSuggestion) -> Iterator[str]:
    numbers: dict[str, int] = defaultdict(int)
    for one, seen in suggestion.usage.invoked.items():
        if one.api == suggestion.api.id and one.status in {"denied", "unauthenticated", "weak"}:
            numbers[one.status] += seen.count
    yield from (f"{number:,} {status}" for status, number in sorted(numbers.items()))
    if unread := sum(suggestion.usage.unread.values()):
        yield f"{unread:,} that tell nothing"
    if suggestion.uses.untold:
        yield f"{sum(suggestion.uses.untold.values()):,} by callers that are not known"


def _shows(one: StageSight) -> str:
    if one.spot:
        return f"{one.stage}: {one.spot.why}"
    told = [
        name
        for name, fields in (
            ("callers", {"identity.userArn", "identity.caller", "identity.user"}),
            ("paths", {"resourcePath", "path", "routeKey"}),
            ("addresses", {"identity.sourceIp"}),
            ("endpoints", {"identity.vpceId"}),
            ("keys", {"identity.apiKeyId"}),
        )
        if not one.fields.isdisjoint(fields)
    ]
    return f"{one.stage}: {', '.join(told)}"


def _verdict(suggestion: ApiSuggestion) -> str:
    blind = [one.stage for one in suggestion.sights.values() if one.spot]
    if blind:
        verb, logs = ("keeps its", "log cannot") if len(blind) == 1 else ("keep their", "logs cannot")
        return f"review: {', '.join(blind)} {verb} grants, the {logs} show them"
    if suggestion.refused:
        return "review: today's policy does not allow some calls that came"
    if any(one.level == "error" and one.remains for one in suggestion.findings):
        return "review: the findings below remain"
    return "ready: the logs show every caller"


# ---- who calls ----------------------------------------------------------------------------------------


def _who(one: Invoked) -> str:
    if one.status == "authorizer":
        return "users of an authorizer"
    if one.status != "mapped":
        return "anybody (open methods)"
    account, _, name = one.principal.partition(":iam::")[2].partition(":")
    kind, _, path = name.partition("/")
    return (
        f"{account} {kind}/{path.rpartition('/')[2]}"
        if path
        else f"{account} {name}"
        if name
        else f"{one.account} {one.principal}".strip()
    )


def _callers(suggestion: ApiSuggestion, layout: Layout) -> Iterator[str]:
    groups: dict[str, list[tuple[Invoked, Evidence]]] = defaultdict(list)
    for one, seen in suggestion.usage.invoked.items():
        if one.api == suggestion.api.id and one.status in LET_IN:
            groups[_who(one)].append((one, seen))
    yield f"{'Who calls':<{_NAME}} {'calls':>9}  {'methods':<7}  {'from':<{_FROM}} last"
    if not groups:
        yield "  nobody whom the logs show"
    ranked = sorted(groups.items(), key=lambda item: (-_times(item[1]), item[0]))
    for name, members in ranked[: 3 * LISTED]:
        total = sum_of([seen for _, seen in members])
        methods = len({(one.stage, one.verb, one.path) for one, _ in members})
        place = _from([one for one, _ in members])
        lead = f"  {_clipped(name, _NAME - 2):<{_NAME - 2}}"
        line = f"{lead} {total.count:>9,}  {methods:<7}  {_clipped(place, _FROM):<{_FROM}} {total.last[5:10]}"
        yield line[: layout.width]
    if len(ranked) > 3 * LISTED:
        yield f"  and {len(ranked) - 3 * LISTED:,} more"


def _times(members: Sequence[tuple[Invoked, Evidence]]) -> int:
    return sum(seen.count for _, seen in members)


def _from(members: Sequence[Invoked]) -> str:
    """Return where calls came from: one endpoint, one block of addresses, or how many there are."""
    endpoints = sorted({one.endpoint for one in members} - {""})
    addresses = sorted({one.address for one in members} - {""})
    if endpoints:
        return endpoints[0] if len(endpoints) == 1 else f"{len(endpoints):,} endpoints"
    if not addresses:
        return "not logged"
    try:
        blocks = address_blocks(addresses, 1) if len(addresses) <= _MANY else []
    except ValueError:  # the log has something else in its place
        blocks = []
    if not all(one.address for one in members):
        return f"over {len(addresses):,} addresses"
    if len(addresses) == 1:
        return addresses[0]
    return blocks[0] if blocks else f"{len(addresses):,} addresses"


def _clipped(text: str, room: int) -> str:
    shown = escape_controls(text)
    return shown if len(shown) <= room else f"{shown[: room - 1]}…"


# ---- what changes -------------------------------------------------------------------------------------


def _result(suggestion: ApiSuggestion, layout: Layout) -> Iterator[str]:
    today = suggestion.api.policy
    if suggestion.policy and today:
        yield f"{'Result':<25} {'now':>22}   {'proposed':>8}"
        yield f"{'  principals let in':<25} {_principals(today):>22}   {_principals(suggestion.policy):>8}"
        before, after = (_methods(suggestion.api, one) for one in (today, suggestion.policy))
        yield f"{'  methods let in':<25} {before:>22,}   {after:>8,}"
    elif suggestion.policy is None:
        yield from layout.wrapped("Resource policy  ", f"left as it is: {suggestion.why}")
    documents = suggestion.policy or any(one.policy for one in suggestion.callers)
    for one in suggestion.promises if documents else ():
        yield from layout.wrapped("  ✔ ", f"{one.name}: {one.finding}", "    ")
    if any(one.shared for one in suggestion.written):
        room = longest(today)
        text = f"callers do not fit into {room:,} characters: they share methods, or principals stay"
        yield from layout.wrapped("  ! ", f"{text}; {RAISE_LENGTH}", "    ")
    elif suggestion.policy and (full := nearly_full(suggestion.policy.size, longest(today), RAISE_LENGTH)):
        yield from layout.wrapped("  ! ", full, "    ")


def _principals(policy: ResourcePolicy) -> str:
    names = {name for one in policy.allows for _, name in one.principals.entries}
    if "*" in names:
        return "everybody"
    accounts = sum(1 for name in names if account_named(name))
    if accounts:
        return f"any of {pluralize(accounts, 'account')}" if accounts == len(names) else f"{len(names):,}"
    return f"{len(names):,}"


def _methods(api: Api, policy: ResourcePolicy) -> int:
    """Return how many methods of stages a policy lets somebody call."""
    patterns = [
        method_pattern(api, stage.name, one.verb, one.path) for stage in api.stages for one in api.methods
    ]
    own = [resource for one in policy.allows for resource in one.statement.resources]
    return sum(1 for pattern in patterns if any(arn.overlaps(pattern, resource) for resource in own))


def _changes(suggestion: ApiSuggestion, layout: Layout) -> Iterator[str]:
    for one in suggestion.written:
        yield from _change(suggestion, one, layout)
    for what, why in suggestion.removed:
        yield from layout.wrapped("  - ", f"{what}  {why}", "      ")
    for lost, rule in suggestion.losses:
        yield from layout.wrapped("  - ", f"{lost.party.name}  {rule.where}: {rule.reason}", "      ")
    for caller in suggestion.callers:
        name = caller.party.name.partition("::")[2] or caller.party.name
        if caller.policy is None:
            yield from layout.wrapped("  = ", f"policy of {name}  {caller.why}", "      ")
            continue
        count = len({use.resource for use in caller.uses})
        note = f", {caller.why}" if caller.why else ""
        yield from layout.wrapped("  ~ ", f"policy of {name}: {pluralize(count, 'method')}{note}", "      ")
        for kept in caller.kept:
            shown = f"{kept.grant.action} on {_short(suggestion.api, kept.grant.resource)}  {kept.why}"
            yield from layout.wrapped("  = ", f"policy of {name}: {shown}", "      ")


def _change(suggestion: ApiSuggestion, one: WrittenAccess, layout: Layout) -> Iterator[str]:
    methods = _methods_of(suggestion.api, one.resources)
    name = "everybody" if one.entry[1] == "*" else one.entry[1].partition("::")[2] or one.entry[1]
    if one.kept:
        yield from layout.wrapped("  = ", f"{name} on {methods}  {one.kept.why}", "      ")
        return
    today = suggestion.api.policy
    before = today.statements[one.statement] if today else None
    yield from layout.wrapped("  ~ ", f"{name} on {methods}", "      ")
    for key, values in _conditions(before.statement.conditions if before else (), one.conditions):
        yield from layout.wrapped("      ", f"{key} {', '.join(values)}", "        ")


def _conditions(before: Conditions, after: Conditions) -> Iterator[tuple[str, tuple[str, ...]]]:
    known = {(operator, key): values for operator, keys in before for key, values in keys}
    for operator, keys in after:
        for key, values in keys:
            if set(known.get((operator, key), ())) != set(values):
                yield key, values


def _short(api: Api, resource: str) -> str:
    """Return a resource as people write it: ``prod GET /pets``."""
    place = resource.removeprefix(f"{api.arn}/")
    if place == resource or api.protocol == "WEBSOCKET":
        return place
    stage, _, rest = place.partition("/")
    verb, slash, path = rest.partition("/")
    return f"{stage} {verb} /{path}" if slash else f"{stage} {verb}"


def _methods_of(api: Api, resources: Sequence[str]) -> str:
    """Return resources as people write them, each stage once: ``prod GET /pets, GET /pets/*``."""
    shown, last = list[str](), ""
    for one in resources[: 2 * LISTED]:
        stage, _, rest = _short(api, one).partition(" ")
        shown.append(rest if stage == last and rest else f"{stage} {rest}".rstrip())
        last = stage
    more = len(resources) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def _questions(suggestion: ApiSuggestion, layout: Layout) -> Iterator[str]:
    for who, name in suggestion.not_required:
        text = f"{name} is not required of {who}: not all of its calls allow it"
        yield from layout.wrapped("  ? ", text, "    ")


def _findings(suggestion: ApiSuggestion, layout: Layout) -> Iterator[str]:
    yield from ["Findings"] if suggestion.findings else []
    for one in suggestion.findings:
        after = "" if one.remains else "; not with the new policy"
        yield from layout.wrapped("  ! ", f"{one.rule} {one.text}{after}", "    ")


def _blind(suggestion: ApiSuggestion, layout: Layout) -> Iterator[str]:
    """Yield what would let the logs show more; commands are too long for a screen."""
    spots = [one for one in suggestion.blind_spots if one.id != "kept"]
    yield from ["What the logs cannot show"] if spots else []
    for one in spots:
        remedy = f"{one.remedy}, by the command in -f json" if one.command else one.remedy
        yield from layout.wrapped("  = ", f"{one.about}: {one.why}; {remedy}", "    ")
