"""Calls that traces show, for the role whose program made them, and what they prove.

Presence proves use: such a call counts like one of CloudTrail, mapped by the same rules. Absence proves nothing: traces
are samples, and not every library is traced. Whose call it is has to be told by the trace: by a function's ARN, or by
a name that one role's function or task has. What cannot be told belongs to nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from policygen.account.model import Account, Role, unqualified
from policygen.catalog.knowledge import Knowledge
from policygen.evidence.usage import Usage, request_order, usage_from_calls
from policygen.iam.request import AccessRequest, RoleKey
from policygen.logs.calls.call import CallBucket, Calls, count_in
from policygen.logs.calls.evidence import Evidence
from policygen.logs.window import Window
from policygen.text import pluralize, sanitize

if TYPE_CHECKING:
    from policygen.logs.traces.read import Traces
    from policygen.logs.traces.traced_call import Caller

SEEN = "seen in a trace"
"""How what a trace shows is marked wherever it is shown."""
_HOSTS = frozenset({"ecs-tasks.amazonaws.com", "ec2.amazonaws.com"})


class TraceOwners:
    """Tells whose calls traces hold, from the account's functions and roles."""

    def __init__(self, account: Account | None, role: RoleKey, functions: Iterable[str] = ()) -> None:
        """Take the account, or where it is not known the role and the functions that the logs show with its rights."""
        self._account = account
        self._role = role
        self._functions = {unqualified(arn) for arn in functions}
        if account is not None:
            every = (*(account.functions or ()), *(account.versions or ()))
            self._owners = {one.arn: one.role_arn for one in every}
            self._by_name: dict[str, set[str]] = {}
            for one in every:
                self._by_name.setdefault(one.name, set()).add(one.role_arn)
            self._hosts = {one.name: one.key.arn for one in account.roles if _HOSTS & {*one.trusted_services}}

    def is_of_role(self, caller: Caller) -> bool:
        """Return whether a caller worked with the role's rights."""
        if caller.account and self._role.account and caller.account != self._role.account:
            return False
        if caller.role:
            return caller.role.casefold() in {self._role.name.casefold(), self._role.arn.casefold()}
        if self._account is None:
            return bool(caller.function) and unqualified(caller.function) in self._functions
        return self.owner(caller) == self._role.arn

    def owner(self, caller: Caller) -> str:
        """Return the ARN of the role whose program a caller is; "" where the trace does not tell."""
        if self._account is None:
            return ""
        if caller.account and caller.account != self._account.account_id:
            return ""
        if caller.role:
            named = [one for one in self._account.roles if caller.role.casefold() in _names(one)]
            return named[0].key.arn if len(named) == 1 else ""
        if caller.function:
            plain = unqualified(caller.function)
            return self._owners.get(caller.function) or self._owners.get(plain, "")
        owners = self._by_name.get(caller.name) or {self._hosts.get(caller.name, "")}
        return next(iter(owners)) if len(owners) == 1 else ""


def _names(role: Role) -> set[str]:
    return {role.name.casefold(), role.key.arn.casefold()}


class TraceReport(msgspec.Struct, frozen=True):
    """What became of the calls of traces."""

    files: int
    count: int
    """Calls of AWS that were read."""
    nobodys: Mapping[str, int]
    """Name of a caller that belongs to no role of the account -> its calls."""
    unknown: Mapping[str, int]
    """Why calls cannot be mapped -> calls."""
    missing: int = 0
    """Traces that X-Ray did not give, or cut."""
    own: int = 0
    """Calls of the role within the window."""
    outside: int = 0
    """Calls of the role outside the window."""

    def sentences(self) -> list[str]:
        """Say what was read and what of it counts for nobody, a sentence each."""
        said = [f"traces: {pluralize(self.count, 'call')} of AWS in {pluralize(self.files, 'file')}"]
        if self.nobodys:
            names = list(self.nobodys)
            more = f" and {len(names) - _NAMES:,} more" if len(names) > _NAMES else ""
            said.append(
                f"traces: {pluralize(sum(self.nobodys.values()), 'call')} not counted, because nothing tells "
                f"which role made them: {', '.join(names[:_NAMES])}{more}; --traces ROLE=PATH tells it"
            )
        said += [f"traces: {pluralize(n, 'call')} not counted: {why}" for why, n in self.unknown.items()]
        if self.missing:
            said.append(f"traces: {pluralize(self.missing, 'trace')} missing, or cut by X-Ray")
        return said

    @property
    def of_role(self) -> str:
        """What counts for the role, in a sentence."""
        if not self.own and not self.outside:
            return "the traces have no call of it, which proves nothing"
        outside = f", {self.outside:,} outside it are left out" if self.outside else ""
        return f"traces show {pluralize(self.own, 'call')} of it in the window{outside}"


_NAMES = 5


def report_of(traces: Traces, accounts: Iterable[Account]) -> TraceReport:
    """Return what became of the calls of traces; without an account it is not known whose they are."""
    lost: Counter[str] = Counter()
    owners = [TraceOwners(one, RoleKey(one.account_id, "", "", "")) for one in accounts]
    if owners:
        for caller, calls in traces.calls.items():
            if not any(one.owner(caller) for one in owners):
                lost[_shown(caller)] += _count(calls.values())
    return TraceReport(
        traces.files,
        traces.count,
        dict(sorted(lost.items(), key=lambda item: (-item[1], item[0]))),
        dict(sorted(traces.unknown.items())),
        traces.missing,
    )


def _count(evidence: Iterable[Evidence]) -> int:
    return sum(seen.count for seen in evidence)


def _shown(caller: Caller) -> str:
    return sanitize(caller.role or caller.function or caller.name or "no name", 80)


def traced_calls(traces: Traces | None, owners: TraceOwners, role: RoleKey, window: Window) -> Calls:
    """Return the calls of a role, as CloudTrail would have logged them.

    What has no time counts for the whole window: it was given for it.
    """
    found: Calls = {}
    for caller, calls in (traces.calls if traces else {}).items():
        if not owners.is_of_role(caller):
            continue
        for bucket, seen in calls.items():
            call = (
                bucket.call
                if bucket.call.account
                else msgspec.structs.replace(bucket.call, account=role.account)
            )
            count_in(
                found, CallBucket(call, bucket.day or window.last_day, bucket.user), _dated(seen, window)
            )
    return found


def report_of_role(traces: Traces, account: Account | None, calls: Calls, window: Window) -> TraceReport:
    """Return what became of the calls of traces, with how many of them are the role's."""
    own = _count(_inside(calls, window).values())
    return replace(
        report_of(traces, [account] if account else ()), own=own, outside=_count(calls.values()) - own
    )


def _inside(calls: Calls, window: Window) -> Calls:
    """Return the calls within a window, whose last day may end at any time."""
    return {
        bucket: seen
        for bucket, seen in calls.items()
        if window.holds(bucket.day) and not (window.until.excludes(seen.first) and seen.days)
    }


def _dated(seen: Evidence, window: Window) -> Evidence:
    if seen.first:
        return seen
    first, last = f"{window.start}T00:00:00Z", f"{window.last_day}T23:59:59Z"
    samples = tuple((first, name) for _, name in seen.samples)
    return msgspec.structs.replace(seen, first=first, last=last, samples=samples)


def with_traces(usage: Usage, calls: Calls, knowledge: Knowledge) -> Usage:
    """Return the usage of a role with the requests behind the calls that traces show.

    A request that the logs show as well stays as it is. Where a trace names no resource, and the logs show the action
    with its resources, these are meant: they replace nothing.
    """
    inside = _inside(calls, usage.window)
    if not inside:
        return usage
    traced = _anywhere(usage_from_calls(usage.role, inside, usage.window, knowledge))
    logged = {request.action for request in usage.requests}
    fresh = {
        request: seen
        for request, seen in traced.requests.items()
        if request not in usage.requests and not (request.wild and request.action in logged)
    }
    told = {
        request: seen for request, seen in traced.informational.items() if request not in usage.informational
    }
    return replace(
        usage,
        requests=_in_order({**usage.requests, **fresh}),
        informational=_in_order({**usage.informational, **told}),
        reasons={**_marked(traced.reasons, (*fresh, *told)), **usage.reasons},
        sources={**_marked(traced.sources, (*fresh, *told)), **usage.sources},
        denied={**traced.denied, **usage.denied},
        unmapped={**traced.unmapped, **usage.unmapped},
        regions=tuple(sorted({*usage.regions, *traced.regions})),
        traced=traced.requests,
        traced_only=frozenset(request.action for request in fresh) - logged,
    )


def _anywhere(traced: Usage) -> Usage:
    """Return the usage with requests of no region on any resource: a pattern of a region without a name fits none."""

    def widened(request: AccessRequest) -> AccessRequest:
        placed = any(key == "aws:RequestedRegion" for key, _ in request.context)
        return request if placed or not request.wild else request._replace(resource="*", resource_type="")

    if all(widened(request) == request for request in traced.requests):
        return traced
    requests: dict[AccessRequest, Evidence] = {}
    for request, seen in traced.requests.items():
        wide = widened(request)
        requests[wide] = requests[wide] + seen if wide in requests else seen
    return replace(
        traced,
        requests=requests,
        reasons={widened(request): why for request, why in traced.reasons.items()},
        sources={widened(request): names for request, names in traced.sources.items()},
    )


def _marked(
    texts: Mapping[AccessRequest, tuple[str, ...]], requests: Collection[AccessRequest]
) -> dict[AccessRequest, tuple[str, ...]]:
    return {one: tuple(f"{text}, {SEEN}" for text in texts.get(one, ())) for one in requests}


def _in_order(requests: Mapping[AccessRequest, Evidence]) -> dict[AccessRequest, Evidence]:
    return dict(sorted(requests.items(), key=lambda item: request_order(item[0])))


def traced_actions(usage: Usage) -> dict[str, str]:
    """Return the actions that traces prove to be used -> what they say of it, a clause."""
    found: dict[str, list[str]] = {}
    for request in usage.traced:
        if request.grade == "required":
            found.setdefault(request.action, []).append("" if request.wild else request.resource)
    return {action: _clause(sorted({*names} - {""})) for action, names in found.items()}


def _clause(resources: list[str]) -> str:
    if not resources:
        return f"{SEEN}, which names no resource: all of today stay"
    more = f" and {len(resources) - 1} more" if len(resources) > 1 else ""
    return (
        f"{SEEN} on {sanitize(resources[0], 120)}{more}; others stay as today, since traces prove no absence"
    )
