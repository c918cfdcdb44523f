"""The usage of a role: the access requests behind its calls in a window, with their evidence."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cmp_to_key, lru_cache
from typing import Any, TypeVar

import msgspec

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
    calls_in_order = sorted(by_call, key=_order)
    cut_off = _cut_off_calls(by_call)
    # Last the calls that name nothing, for they may ask for less than they seem to.
    for call in calls_in_order:
        if call not in cut_off:
            builder.add(call, by_call[call])
    for call in calls_in_order if cut_off else ():
        if call in cut_off:
            builder.add(call, by_call[call], cut_off=True)
    in_order = sorted(builder.asked, key=request_order)
    by_user = {
        request: {user: sum_of(seen) for user, seen in builder.asked[request].seen.items()}
        for request in in_order
        if request.grade in GRANTED
    }
    together = {bucket.call for bucket, seen in daily.items() if seen.names}
    return Usage(
        role=role,
        window=window,
        requests={request: sum_of([*theirs.values()]) for request, theirs in by_user.items()},
        informational={
            request: sum_of(_every(builder.asked[request].seen))
            for request in in_order
            if request.grade not in GRANTED
        },
        reasons={one: _in_words(asked.origins) for one, asked in builder.asked.items()},
        sources={one: tuple(sorted(asked.events)) for one, asked in builder.asked.items()},
        denied=_summed(builder.denied),
        unmapped=_summed(builder.unmapped),
        no_permission=_summed(builder.no_permission),
        unauthenticated=sum_of(builder.unauthenticated) if builder.unauthenticated else None,
        events=sum_of([*daily.values()]) if daily else None,
        calls=len(by_call) + sum(_more_calls(by_call[call].values()) for call in together),
        regions=tuple(sorted({call.region for call in by_call})),
        daily=daily,
        needs=builder.needs,
        knowledge=knowledge,
        users={
            name: {request: theirs[name] for request, theirs in by_user.items() if name in theirs}
            for name in sorted({name for theirs in by_user.values() for name in theirs})
        },
        seen=builder.seen(),
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
    return call.has_parameters or bool(call.resources) or call.folded is not None


def _cut_off_calls(calls: Collection[CallSignature]) -> set[CallSignature]:
    """Return the calls that failed before their parameters were read, while others of their kind name what they touch.

    Their records have no parameters (1.9.12): "every resource" is what they can tell, and not what was asked for.
    """
    nameless = [call for call in calls if call.outcome is Outcome.WEAK and not _names_something(call)]
    if not nameless:
        return set()
    with_names = {_operation(call) for call in calls if _names_something(call)}
    return {call for call in nameless if _operation(call) in with_names}


def request_order(request: AccessRequest) -> tuple[str, str, str, tuple[Any, ...]]:
    """Return a sort key that gives access requests a stable order in output."""
    return (request.action.lower(), request.resource, request.grade, request.context)


def _order(call: CallSignature) -> tuple[object, ...]:
    """Return a sort key over all fields: the order of the log must not show."""
    begin = (call.source, call.name, call.region, call.error, call.via, call.vpce, call.params)
    return (*begin, _ByOtherFields(call))


def _compare_other_fields(one: CallSignature, other: CallSignature) -> int:
    a, b = _other_fields(one), _other_fields(other)
    return (a > b) - (a < b)


_ByOtherFields = cmp_to_key(_compare_other_fields)
"""Compares what few calls differ in alone, and what takes long to write."""


def _other_fields(call: CallSignature) -> tuple[str, ...]:
    written = repr(call.denial), repr(call.folded)
    return (repr(call.resources), call.account, call.partition, call.outcome, *written)


class _RequestSeen(msgspec.Struct):
    """What is known of one request."""

    seen: _ByUser
    origins: tuple[Provenance, ...]
    events: tuple[str, ...]


class _UsageBuilder(msgspec.Struct):
    """Collects the evidence of everything that a role's calls show; it is summed up once, at the end."""

    knowledge: Knowledge
    asked: dict[AccessRequest, _RequestSeen] = msgspec.field(default_factory=dict)
    denied: dict[DeniedRequest, list[Evidence]] = msgspec.field(default_factory=dict)
    unmapped: dict[Unmapped, list[Evidence]] = msgspec.field(default_factory=dict)
    no_permission: dict[str, list[Evidence]] = msgspec.field(default_factory=dict)
    unauthenticated: list[Evidence] = msgspec.field(default_factory=list)
    needs: dict[CallSignature, tuple[AccessRequest, ...]] = msgspec.field(default_factory=dict)
    days: dict[tuple[frozenset[str], str], set[str]] = msgspec.field(default_factory=dict)
    """Actions and services, and a region -> the days on which there was an event of them."""

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
        answer = mapping.requests_for(call.call(self.knowledge))
        self._see(_shown_by(call.source, *[one.request.action for one in answer.requests]), call, evidence)
        if call.outcome is Outcome.DENIED:
            self._deny(call, answer, evidence)
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
                by_user = {user: theirs.copy() for user, theirs in users.items()}
                self.asked[one.request] = _RequestSeen(by_user, (one.origin,), (name,))
            else:
                for user, theirs in users.items():
                    asked.seen.setdefault(user, []).extend(theirs)
                if one.origin not in asked.origins:
                    asked.origins += (one.origin,)
                if name not in asked.events:
                    asked.events += (name,)
            if one.request.grade in GRANTED:
                needs.append(one.request)
        if needs and call.outcome is not Outcome.DENIED:
            self.needs[call] = tuple(needs)

    def _is_granted(self, request: AccessRequest) -> bool:
        return request.grade in GRANTED and request in self.asked

    def _see(self, names: frozenset[str], call: CallSignature, evidence: Sequence[Evidence]) -> None:
        """Remember where and when there was an event of actions and services."""
        days = self.days.setdefault((names, call.region), set())
        for one in evidence:
            days |= one.days

    def seen(self) -> dict[str, frozenset[tuple[str, str]]]:
        """Return for each action and service the days and regions of its events."""
        places: dict[str, set[tuple[str, str]]] = {}
        for (names, region), days in self.days.items():
            for name in names:
                places.setdefault(name, set()).update((day, region) for day in days)
        return {name: frozenset(found) for name, found in places.items()}

    def _deny(self, call: CallSignature, answer: mapping.MappingResult, evidence: Sequence[Evidence]) -> None:
        for request in denied_request_of(call, answer):
            self.denied.setdefault(request, []).extend(evidence)
            self._see(_action_and_service(request.action), call, evidence)


@lru_cache(maxsize=4096)  # many requests have the same
def _in_words(origins: tuple[Provenance, ...]) -> tuple[str, ...]:
    return tuple(sorted(map(str, origins)))


@lru_cache(maxsize=16384)
def _action_and_service(action: str) -> frozenset[str]:
    """Return an action and its service in lower case; nothing for "", either one alone where there is no other."""
    folded = action.lower()
    return frozenset({folded, folded.partition(":")[0]} - {""})


@lru_cache(maxsize=16384)
def _shown_by(source: str, *actions: str) -> frozenset[str]:
    """Return what an event of actions shows: its service, and the actions with their services.

    It shows nothing of what only comes along, as iam:PassRole, which IAM ignores.
    """
    service = _action_and_service(service_prefix(source) or label(source))
    return service.union(
        *[_action_and_service(one) for one in actions if visibility_of(one).kind != "implied"]
    )


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
