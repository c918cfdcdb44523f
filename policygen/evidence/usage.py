"""The usage of a role: the access requests behind its calls in a window, with their evidence."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from policygen.catalog import mapping
from policygen.catalog.call import MappedRequest, Provenance
from policygen.catalog.knowledge import NOTHING_KNOWN, Knowledge
from policygen.catalog.service_names import label, service_prefix
from policygen.catalog.visibility import visibility_of
from policygen.iam.request import GRANTED, AccessRequest, RoleKey
from policygen.logs.calls.call import CallBucket, Calls, CallSignature
from policygen.logs.calls.evidence import Evidence, sum_of
from policygen.logs.events.outcome import Denial, Outcome
from policygen.logs.window import Window
from policygen.text import pluralize, sanitize


class DeniedRequest(msgspec.Struct, frozen=True):
    """A permission that a denied call needed."""

    action: str
    resource: str
    policy_type: str
    explicit: bool
    source: str
    event: str


class Unmapped(msgspec.Struct, frozen=True):
    """A call that no rule maps to access requests: reported, never guessed."""

    source: str
    event: str
    why: str


class Usage(msgspec.Struct, frozen=True):
    """The access requests of one role in a window, and its calls that made none."""

    role: RoleKey
    window: Window
    requests: Mapping[AccessRequest, Evidence]
    """The requests that AWS checked, or may have checked."""
    informational: Mapping[AccessRequest, Evidence]
    """Requests that are shown and not granted: what such calls often need, and what is known indirectly."""
    reasons: Mapping[AccessRequest, tuple[str, ...]]
    sources: Mapping[AccessRequest, tuple[str, ...]]
    """Request -> the events it comes from, ``s3.amazonaws.com GetObject``."""
    denied: Mapping[DeniedRequest, Evidence]
    unmapped: Mapping[Unmapped, Evidence]
    no_permission: Mapping[str, Evidence]
    unauthenticated: Evidence | None
    events: Evidence | None
    """All events of the role in the window."""
    calls: int
    """Distinct calls; about, where some were counted together."""
    regions: tuple[str, ...]
    daily: Mapping[CallBucket, Evidence] = msgspec.field(default_factory=dict)
    """Evidence by call, day and user, within the window."""
    needs: Mapping[CallSignature, tuple[AccessRequest, ...]] = msgspec.field(default_factory=dict)
    """Authorised call -> the `requests` behind it, for calls that have any."""
    knowledge: Knowledge = NOTHING_KNOWN
    """What the calls were mapped with."""
    users: Mapping[str, Mapping[AccessRequest, Evidence]] = msgspec.field(default_factory=dict)
    """Function that the credentials were issued to, "" for none -> the requests made with them."""
    seen: Mapping[str, frozenset[tuple[str, str]]] = msgspec.field(default_factory=dict)
    """Action or service prefix in lower case -> (day, region) of the events of it, denied ones too."""
    traced: Mapping[AccessRequest, Evidence] = msgspec.field(default_factory=dict)
    """The requests that traces show, those among them that the logs show as well."""
    traced_only: frozenset[str] = frozenset()
    """The actions that traces show and the logs do not."""

    def __repr__(self) -> str:
        """Return what there is in a line; the fields hold millions of characters."""
        calls, requests = pluralize(self.calls, "distinct call"), pluralize(len(self.requests), "request")
        window = f"{self.window.start} to {self.window.last_day}"
        return f"<Usage of {sanitize(self.role.name, 128)}: {calls}, {requests}; {window}>"

    @property
    def days_seen(self) -> frozenset[str]:
        """The days on which the role worked: by its events, or where there are none by its traces."""
        if self.events:
            return self.events.days
        return frozenset(day for seen in self.traced.values() for day in seen.days)


def usage_from_calls(
    role: RoleKey, calls: Calls, window: Window, knowledge: Knowledge = NOTHING_KNOWN
) -> Usage:
    """Map a role's calls in a window to the access requests behind them.

    Args:
        role: the role that made the calls.
        calls: by day; days outside the window are left out.
        window: the days that count.
        knowledge: what other records and the account tell of the names in the calls.
    """
    daily = calls_within(calls, window)
    by_call: dict[CallSignature, _ByUser] = {}
    for key, evidence in daily.items():
        by_call.setdefault(key.call, {}).setdefault(key.user.function, []).append(evidence)
    builder = _UsageBuilder(knowledge)
    with_names = {_operation(call) for call in by_call if _names_something(call)}
    calls_in_order = sorted(by_call, key=_order)
    # Last the calls that name nothing, for they may ask for less than they seem to.
    for without_name in (False, True):
        for call in calls_in_order:
            if _is_cut_off(call, with_names) == without_name:
                builder.add(call, by_call[call], cut_off=without_name)
    granted = _in_order(one for one in builder.asked if one.grade in GRANTED)
    shown = _in_order(one for one in builder.asked if one.grade not in GRANTED)
    by_user = {
        request: {user: sum_of(seen) for user, seen in builder.asked[request].seen.items()}
        for request in granted
    }
    return Usage(
        role=role,
        window=window,
        requests={request: sum_of([*theirs.values()]) for request, theirs in by_user.items()},
        informational={request: sum_of(_every(builder.asked[request].seen)) for request in shown},
        reasons={one: tuple(sorted(map(str, asked.origins))) for one, asked in builder.asked.items()},
        sources={one: tuple(sorted(asked.events)) for one, asked in builder.asked.items()},
        denied=_summed(builder.denied),
        unmapped=_summed(builder.unmapped),
        no_permission=_summed(builder.no_permission),
        unauthenticated=sum_of(builder.unauthenticated) if builder.unauthenticated else None,
        events=sum_of([*daily.values()]) if daily else None,
        calls=len(by_call) + sum(_more_calls(users.values()) for users in by_call.values()),
        regions=tuple(sorted({call.region for call in by_call})),
        daily=daily,
        needs=builder.needs,
        knowledge=knowledge,
        users={
            name: {request: theirs[name] for request, theirs in by_user.items() if name in theirs}
            for name in sorted({name for theirs in by_user.values() for name in theirs})
        },
        seen={name: frozenset(places) for name, places in builder.seen.items()},
    )


def calls_within(calls: Calls, window: Window) -> Calls:
    """Return the calls of the days of a window."""
    first, last = window.start, window.last_day
    return {key: evidence for key, evidence in calls.items() if first <= key.day <= last}


_ByUser = dict[str, list[Evidence]]
"""Evidence by the function that the credentials were issued to, "" for none."""


def _every(users: _ByUser) -> list[Evidence]:
    return [one for seen in users.values() for one in seen]


_Key = TypeVar("_Key")


def _summed(table: Mapping[_Key, Sequence[Evidence]]) -> dict[_Key, Evidence]:
    return {key: sum_of(seen) for key, seen in table.items()}


def _more_calls(users: Iterable[Sequence[Evidence]]) -> int:
    """Return how many calls besides itself a call stands for."""
    return max(0, sum(sum_of(seen).name_count for seen in users if any(one.names for one in seen)) - 1)


def _operation(call: CallSignature) -> tuple[str, str, str]:
    return call.source, call.name, call.region


def _names_something(call: CallSignature) -> bool:
    return call.params != b"{}" or bool(call.resources) or call.folded is not None


def _is_cut_off(call: CallSignature, with_names: Collection[tuple[str, str, str]]) -> bool:
    """Return whether a call failed before its parameters were read, while others of its kind name what they touch.

    Its record has no parameters (1.9.12): "every resource" is what the record can tell, and not what was asked for.
    """
    return call.outcome is Outcome.WEAK and not _names_something(call) and _operation(call) in with_names


def _in_order(requests: Iterable[AccessRequest]) -> list[AccessRequest]:
    return sorted(requests, key=request_order)


_PASSED_TO = "iam:PassedToService"


def _without_region(service: str) -> str:
    """Return a service principal without region and partition: ``states`` of ``states.eu-west-1.amazonaws.com``."""
    return service.partition(".")[0]


def with_passed_services(usage: Usage, trusted: Mapping[str, Sequence[str]]) -> Usage:
    """Say to which service a role was passed, ``iam:PassedToService``, by the role's trust policy where that is known.

    CloudTrail does not say it; it can only be a service that the role trusts. Where the role trusts other services than
    the one that the operation is known for, it is left open: a wrong one would deny the call.

    Args:
        usage: the usage of any role.
        trusted: role ARN -> the service principals that its trust policy allows to assume it.
    """

    def with_service(request: AccessRequest) -> AccessRequest:
        services = trusted.get(request.resource, ()) if request.action == "iam:PassRole" else ()
        if not services:
            return request
        known = next((values for key, values in request.context if key == _PASSED_TO), ())
        if {_without_region(one) for one in known} & {_without_region(one) for one in services}:
            return request
        context = tuple(pair for pair in request.context if pair[0] != _PASSED_TO)
        if not known and len(services) == 1:
            context = (*context, (_PASSED_TO, tuple(services)))
        return request._replace(context=tuple(sorted(context)))

    if not any(request.action == "iam:PassRole" for request in usage.requests):
        return usage

    def with_services(table: Mapping[AccessRequest, Evidence]) -> dict[AccessRequest, Evidence]:
        found: dict[AccessRequest, Evidence] = {}
        for request, evidence in table.items():
            named = with_service(request)
            found[named] = found[named] + evidence if named in found else evidence
        return {request: found[request] for request in _in_order(found)}

    return replace(
        usage,
        requests=with_services(usage.requests),
        needs={call: tuple(map(with_service, asked)) for call, asked in usage.needs.items()},
        users={name: with_services(theirs) for name, theirs in usage.users.items()},
        reasons={with_service(request): why for request, why in usage.reasons.items()},
        sources={with_service(request): names for request, names in usage.sources.items()},
    )


def request_order(request: AccessRequest) -> tuple[str, str, str, tuple[Any, ...]]:
    """Return a sort key that gives access requests a stable order in output."""
    return (request.action.lower(), request.resource, request.grade, request.context)


def _order(call: CallSignature) -> tuple[str, ...]:
    """Return a sort key over all fields: the order of the log must not show."""
    return (
        call.source,
        call.name,
        call.region,
        call.error,
        call.via,
        call.vpce,
        call.params.decode(),
        repr(call.resources),
        call.account,
        call.partition,
        call.outcome,
        repr(call.denial),
        repr(call.folded),
    )


class _RequestSeen(msgspec.Struct):
    """What is known of one request."""

    seen: _ByUser = msgspec.field(default_factory=dict)
    origins: set[Provenance] = msgspec.field(default_factory=set)
    events: set[str] = msgspec.field(default_factory=set)


class _UsageBuilder(msgspec.Struct):
    """Collects the evidence of everything that a role's calls show; it is summed up once, at the end."""

    knowledge: Knowledge
    asked: dict[AccessRequest, _RequestSeen] = msgspec.field(default_factory=dict)
    denied: dict[DeniedRequest, list[Evidence]] = msgspec.field(default_factory=dict)
    unmapped: dict[Unmapped, list[Evidence]] = msgspec.field(default_factory=dict)
    no_permission: dict[str, list[Evidence]] = msgspec.field(default_factory=dict)
    unauthenticated: list[Evidence] = msgspec.field(default_factory=list)
    needs: dict[CallSignature, tuple[AccessRequest, ...]] = msgspec.field(default_factory=dict)
    seen: dict[str, set[tuple[str, str]]] = msgspec.field(default_factory=dict)

    def add(self, call: CallSignature, users: _ByUser, *, cut_off: bool = False) -> None:
        """Add a call, with its evidence by the function that its credentials were issued to.

        Args:
            call: the call.
            users: its evidence.
            cut_off: whether it asks for no pattern that the calls before it do not ask for.
        """
        evidence = _every(users) if len(users) > 1 else next(iter(users.values()))
        if call.outcome is Outcome.UNAUTHENTICATED:
            self.unauthenticated += evidence
            return
        places = {(day, call.region) for one in evidence for day in one.days}
        answer = mapping.requests_for(call.call(self.knowledge))
        own = {name for one in answer.requests for name in _shown_by(one.request.action)}
        self._see(own.union(_service_of(call.source)), places)
        if call.outcome is Outcome.DENIED:
            self._deny(call, answer, evidence, places)
            if not (call.denial and call.denial.is_dependency):
                return
        name = f"{call.source} {call.name}"
        if answer.status == "unmapped":
            self.unmapped.setdefault(Unmapped(call.source, call.name, answer.why), []).extend(evidence)
        elif answer.status != "mapped":
            self.no_permission.setdefault(f"{name}: {answer.why}", []).extend(evidence)
        needs: list[AccessRequest] = []
        for one in answer.requests:
            if cut_off and one.request.wild and not self._is_granted(one.request):
                one = _cut_off(one)  # noqa: PLW2901 - shown in its place
            asked = self.asked.get(one.request)
            if asked is None:
                asked = self.asked[one.request] = _RequestSeen()
            for user, theirs in users.items():
                asked.seen.setdefault(user, []).extend(theirs)
            asked.origins.add(one.origin)
            asked.events.add(name)
            if one.request.grade in GRANTED:
                needs.append(one.request)
        if needs and call.outcome is not Outcome.DENIED:
            self.needs[call] = tuple(needs)

    def _is_granted(self, request: AccessRequest) -> bool:
        return request.grade in GRANTED and request in self.asked

    def _see(self, names: Iterable[str], places: Collection[tuple[str, str]]) -> None:
        """Remember where and when there was an event of an action, or of a service."""
        for name in names:
            self.seen.setdefault(name, set()).update(places)

    def _deny(
        self,
        call: CallSignature,
        answer: mapping.MappingResult,
        evidence: Sequence[Evidence],
        places: Collection[tuple[str, str]],
    ) -> None:
        for request in denied_request_of(call, answer):
            self.denied.setdefault(request, []).extend(evidence)
            self._see(_action_and_service(request.action), places)


@lru_cache(maxsize=16384)
def _action_and_service(action: str) -> tuple[str, ...]:
    """Return an action and its service in lower case; () for "", either one alone where there is no other."""
    folded = action.lower()
    return tuple({folded, folded.partition(":")[0]} - {""})


def _shown_by(action: str) -> tuple[str, ...]:
    """Return what an event of an action shows: nothing of what only comes along, as iam:PassRole, which IAM ignores."""
    return () if visibility_of(action).kind == "implied" else _action_and_service(action)


def _service_of(source: str) -> tuple[str, ...]:
    return _action_and_service(service_prefix(source) or label(source))


def _cut_off(mapped: MappedRequest) -> MappedRequest:
    note = "it failed before its parameters were read; other calls name what they touch"
    return MappedRequest(mapped.request._replace(grade="hint"), mapped.origin._replace(note=note))


def denied_request_of(call: CallSignature, answer: mapping.MappingResult) -> Iterator[DeniedRequest]:
    """Yield the requests that were denied: the one that the error message names, else those behind the call."""
    denial = call.named_denial or Denial()
    base = (denial.policy_type, denial.explicit, call.source, call.name)
    if denial.action:
        for resource in denied_resources(denial, answer):
            yield DeniedRequest(denial.action, resource, *base)
    elif answer.requests and not denial.is_dependency:
        for one in answer.requests:
            if one.request.grade == "alternative":
                continue  # it would name the same denial twice
            yield DeniedRequest(one.request.action, one.request.resource, *base)
    else:
        yield DeniedRequest("", "", *base)


def denied_resources(denial: Denial, answer: mapping.MappingResult) -> tuple[str, ...]:
    """Return what the denied action was asked on: what the message names, else what the call's parameters name."""
    if denial.resource:
        return (denial.resource,)
    asked = [
        one.request.resource for one in answer.requests if one.request.action.lower() == denial.action.lower()
    ]
    return tuple(dict.fromkeys(asked)) or ("*",)
