"""Calls that do not look like the workload: poisoned logs, stolen credentials, people who borrow a function's role.

A call that succeeded counts as needed, whoever made it. Calls that somebody else made with the credentials of a
function, a task or an instance are anomalous: they are shown, and left out of the policy until a person accepts them.
There are five rules, each over what the records say. None of them is a proof, and a careful thief matches none of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from ipaddress import ip_address, ip_network
from typing import Literal, NamedTuple

import msgspec

from policygen.days import days_between
from policygen.logs.calls.call import CallBucket, Calls
from policygen.logs.calls.evidence import SAMPLES, Evidence
from policygen.logs.calls.templates import may_be_of
from policygen.logs.calls.totals import ChangeEvent
from policygen.logs.events.credentials import CredentialUse
from policygen.logs.events.outcome import Outcome

AnomalyRule = Literal["interactive-agent", "not-the-host", "not-the-function", "foreign-agent", "after-quiet"]

ANOMALY_RULES: Mapping[AnomalyRule, str] = {
    "interactive-agent": "a function's credentials in a command line, console or browser",
    "not-the-host": "a task's or an instance's credentials on a personal computer, or in a command line elsewhere",
    "not-the-function": "a session that was not issued to a function, of a role that functions use",
    "foreign-agent": "user agent lacks the Lambda runtime tag that this function always sends",
    "after-quiet": "a first call of its kind after weeks without a new one, on one day, with no deployment",
}

SHOWN_ONLY: frozenset[AnomalyRule] = frozenset({"after-quiet"})
"""Rules whose calls are shown but stay in the policy: a job that runs once a month looks like them."""
SET_APART = "used only in suspicious calls"
"""The reason of a removal where only anomalous calls used the permission."""
_BY_SESSION: frozenset[AnomalyRule] = frozenset({"not-the-host", "not-the-function"})
"""Rules that look at sessions and addresses; the others look at the user of a call alone."""
HABIT_DAYS = 5
"""Days with one kind of user agent and the same function that make it a habit of the workload …"""
HABIT_SHARE = 0.1
"""… if they are at least this share of the days with a call of the role."""
RUNTIME_SHARE = 0.95
"""Share of a function's calls that name Lambda's runtime from which on a user agent that does not is foreign."""
RUNTIME_CALLS = 10
"""Calls of a function below which its user agents do not show what is usual."""
RUNTIME_DAYS = 5
"""Days with calls that name the runtime that are needed as well."""
QUIET_DAYS = 21
"""Days without any new kind of call before a new one stands out."""
ACTIVE_DAYS = 14
"""Days among the quiet ones on which the role must have worked: a job that rarely runs is not quiet."""
DEPLOYED_DAYS = 7
"""Days after a deployment within which new calls are expected."""


_BY_HAND = frozenset({"console", "interactive", "desktop"})
_INSTANCE = re.compile(r"i-[0-9a-f]{8}(?:[0-9a-f]{9})?", re.I)
"""The session of an instance's credentials has its id as name (1.6.5): nobody else chooses such a name."""


class Anomaly(NamedTuple):
    """One kind of call that matches a rule."""

    sign: AnomalyRule
    source: str
    event: str
    function: str
    """The function that the credentials were issued to; "" for none."""


class SplitCalls(msgspec.Struct, frozen=True):
    """A role's calls, split by whether they look like the workload."""

    workload: Calls
    """The calls that the policy is made from."""
    anomalous: Calls
    """The calls that are left out of it."""
    anomalies: Mapping[Anomaly, Evidence]
    """The kinds of calls that match a rule, accepted or not."""
    accepted: frozenset[AnomalyRule] = frozenset()
    """Rules whose calls a person accepted."""
    matched: Mapping[CallBucket, AnomalyRule] = msgspec.field(default_factory=dict)
    """The calls that `anomalies` sums up, each with its rule."""

    def __repr__(self) -> str:
        """Return the numbers in a line; a call here is a distinct one, on one day, of one user."""
        calls, others = len(self.workload), len(self.anomalous)
        return f"<SplitCalls: {calls:,} by call and day of the workload, {others:,} suspicious>"

    def evidence(self, key: CallBucket) -> Evidence:
        """Return the evidence of a call, wherever it counts."""
        return self.anomalous[key] if key in self.anomalous else self.workload[key]


def split_anomalies(
    calls: Calls,
    *,
    of_functions: bool | None = None,
    of_hosts: bool | None = None,
    notices: Sequence[ChangeEvent] = (),
    accepted: Collection[AnomalyRule] = (),
    until: str = "",
    names: Collection[str] = (),
) -> SplitCalls:
    """Split a role's calls into those of the workload and anomalous ones.

    Args:
        calls: all calls of one role that were read, within and before the window.
        of_functions: whether only Lambda can assume the role; None where its trust policy is not known.
        of_hosts: whether only functions, tasks and instances can assume it; None likewise.
        notices: deployments seen in the logs.
        accepted: rules whose calls a person accepted.
        until: the last day that counts; "" for all days.
        names: the functions that run with the role, where they are known: their sessions have their names.
    """
    rules = _matching_rules(
        calls,
        of_functions=of_functions,
        hosts=_Hosts(calls, only=bool(of_hosts)),
        notices=notices,
        names=frozenset(names),
    )
    found: dict[Anomaly, Evidence] = {}
    matched = {key: rule for key, rule in rules.items() if not until or key.day <= until}
    for key, rule in matched.items():
        anomaly = anomaly_of(key, rule)
        found[anomaly] = found[anomaly] + calls[key] if anomaly in found else calls[key]
    left_out = {rule for rule in ANOMALY_RULES if rule not in accepted and rule not in SHOWN_ONLY}
    anomalous = {key: calls[key] for key, rule in rules.items() if rule in left_out}
    return SplitCalls(
        workload={key: seen for key, seen in calls.items() if key not in anomalous},
        anomalous=anomalous,
        anomalies=dict(sorted(found.items())),
        accepted=frozenset(accepted),
        matched=matched,
    )


def anomaly_of(key: CallBucket, rule: AnomalyRule) -> Anomaly:
    """Return the kind of a call that matches a rule."""
    return Anomaly(rule, key.call.source, key.call.name, key.user.function)


def _matching_rules(
    calls: Calls,
    *,
    of_functions: bool | None,
    hosts: _Hosts,
    notices: Sequence[ChangeEvent],
    names: frozenset[str],
) -> dict[CallBucket, AnomalyRule]:
    functions, habits = _usual(calls), _habits(calls)
    mine = of_functions if of_functions is not None else _mostly_functions(calls)
    found: dict[CallBucket, AnomalyRule] = {}
    for key, seen in calls.items():
        user = key.user
        if user in habits:
            continue
        if user.channel in _BY_HAND and (user.of_function or mine):
            found[key] = "interactive-agent"
        elif hosts.is_foreign(key, seen):
            found[key] = "not-the-host"
        elif (
            user.channel == "other"
            and not user.function
            and mine
            and functions
            and not seen.sessions <= names
        ):
            found[key] = "not-the-function"
        elif user.channel == "other" and user.function in functions:
            found[key] = "foreign-agent"
    _judge_by_sample(calls, found)
    rest = {key: seen for key, seen in calls.items() if key not in found}
    if not mine:
        return found
    return found | dict.fromkeys(_after_quiet(rest, notices), "after-quiet")


def _judge_by_sample(calls: Calls, found: dict[CallBucket, AnomalyRule]) -> None:
    """Judge calls that were counted together as most of those that are known one by one, in place.

    Sessions and addresses of a sum are those of several callers. The calls of its class that stayed are a fair sample:
    where less than half of them are the workload's, the names of strangers made it so many.
    """
    operations = {
        (key.call.source, key.call.name, key.user) for key, rule in found.items() if rule in _BY_SESSION
    }
    alike: dict[object, list[CallBucket]] = {}
    for key in calls:
        if (operation := (key.call.source, key.call.name, key.user)) in operations:
            alike.setdefault(operation, []).append(key)
    for keys in alike.values():
        single = [key for key in keys if not key.call.folded]
        for key in keys:
            if key.call.folded:
                rules = [found.get(one) for one in single if may_be_of(one.call, key.call)]
                odd = [rule for rule in rules if rule]
                if 2 * len(odd) > len(rules):
                    found[key] = odd[0]
                elif rules:
                    found.pop(key, None)


class _Hosts:
    """Sessions of functions, tasks and instances, and the addresses from which each session's programs called."""

    def __init__(self, calls: Calls, *, only: bool) -> None:
        """Take a role's calls, and whether none but such hosts can assume the role."""
        self._only = only
        self._habits = _habits(calls, by_hand=True)
        self._calls = calls

    @cached_property
    def _own(self) -> Mapping[str, set[str]]:
        """Session -> the addresses from which its programs called. Few roles have a call by hand, so few are asked."""
        own: dict[str, set[str]] = {}
        for key, seen in self._calls.items():
            if key.user.channel not in _BY_HAND:
                for session in seen.sessions:
                    own.setdefault(session, set()).update(_public(seen.addresses))
        return own

    def is_foreign(self, key: CallBucket, seen: Evidence) -> bool:
        """Return whether calls were made by hand, and not on the host that the credentials were issued to.

        A command line is no sign by itself, since scripts of instances and tasks use it. It has to run where no host
        does, or to call from addresses from which no program of the same sessions called.
        """
        if key.user.channel not in _BY_HAND or key.user in self._habits:
            return False
        if not (self._only or (seen.sessions and all(map(_INSTANCE.fullmatch, seen.sessions)))):
            return False
        return key.user.channel == "desktop" or self._is_elsewhere(seen)

    def _is_elsewhere(self, seen: Evidence) -> bool:
        """Return whether all addresses are known, and none is one of the sessions' own."""
        if max(len(seen.addresses), len(seen.sessions)) >= SAMPLES or not seen.sessions:
            return False  # perhaps not all
        own = [self._own.get(session, set()) for session in seen.sessions]
        addresses = _public(seen.addresses)
        return (
            all(own)
            and len(addresses) == len(seen.addresses) > 0
            and all(
                not ours & addresses and {":" in one for one in addresses} <= {":" in one for one in ours}
                for ours in own
            )
        )


_PRIVATE = tuple(
    map(
        ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "fc00::/7"),
    )
)


def _public(addresses: Iterable[str]) -> set[str]:
    """Return the public IP addresses: a private one is that of some network with an endpoint of the service."""
    return {one for one in addresses if _is_public(one)}


@lru_cache(maxsize=8192)
def _is_public(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:  # the name of a service
        return False
    return not any(address in network for network in _PRIVATE if network.version == address.version)


def _habits(calls: Calls, *, by_hand: bool = False) -> frozenset[CredentialUse]:
    """Find credentials and user agents that come again and again: an extension, a tool in the function's image.

    Args:
        calls: of one role.
        by_hand: look at what hosts other than functions do by hand.
    """
    days: dict[CredentialUse, set[str]] = {}
    for key in calls:
        if key.user.channel in _BY_HAND if by_hand else key.user.of_function:
            days.setdefault(key.user, set()).add(key.day)
    worked = len({key.day for key in calls})
    return frozenset(
        user for user, seen in days.items() if len(seen) >= HABIT_DAYS and len(seen) >= HABIT_SHARE * worked
    )


def _usual(calls: Calls) -> frozenset[str]:
    """Find functions whose calls name Lambda's runtime so regularly that another user agent is foreign."""
    runtime: Counter[str] = Counter()
    every: Counter[str] = Counter()
    days: dict[str, set[str]] = {}
    for key, seen in calls.items():
        if key.user.of_function and key.user.channel in {"runtime", "other"}:
            every[key.user.function] += seen.count
            if key.user.channel == "runtime":
                runtime[key.user.function] += seen.count
                days.setdefault(key.user.function, set()).add(key.day)
    return frozenset(
        name
        for name, n in every.items()
        if n >= RUNTIME_CALLS
        and len(days.get(name, ())) >= RUNTIME_DAYS
        and runtime[name] >= RUNTIME_SHARE * n
    )


def _mostly_functions(calls: Calls) -> bool:
    """Return whether nearly all calls were made with functions' credentials; for an unknown trust policy."""
    own = sum(seen.count for key, seen in calls.items() if key.user.channel != "service")
    issued = sum(
        seen.count for key, seen in calls.items() if key.user.of_function and key.user.channel != "service"
    )
    return own > 0 and issued >= RUNTIME_SHARE * own


def _after_quiet(calls: Calls, notices: Sequence[ChangeEvent]) -> Iterable[CallBucket]:
    """Find calls of a kind that was seen on one day only, after `QUIET_DAYS` without a new kind."""
    kinds: dict[tuple[str, str], list[CallBucket]] = {}
    for key in calls:
        if key.call.outcome is not Outcome.DENIED and key.user.channel not in {"service", "platform"}:
            kinds.setdefault((key.call.source, key.call.name), []).append(key)
    firsts = sorted({min(key.day for key in keys) for keys in kinds.values()})
    active = sorted({key.day for key in calls})
    functions = frozenset(key.user.function for key in calls) - {""}
    deployed = {notice.time[:10] for notice in notices if _deploys(notice, functions)}
    for keys in kinds.values():
        days = {key.day for key in keys}
        day = min(days)
        before = max((first for first in firsts if first < day), default="")
        if len(days) > 1 or not before or days_between(before, day) <= QUIET_DAYS:
            continue
        worked = sum(1 for one in active if before < one < day)
        expected = any(0 <= days_between(one, day) <= DEPLOYED_DAYS for one in deployed)
        if worked >= ACTIVE_DAYS and not expected:
            yield from keys


def _deploys(notice: ChangeEvent, functions: Collection[str]) -> bool:
    """Return whether an event changed the code of a function that used the role, or may have."""
    if notice.source != "lambda.amazonaws.com" or notice.error:
        return False
    name = notice.parameters.get("functionName")
    if not isinstance(name, str) or not functions:
        return True
    short = name.rsplit(":function:", 1)[-1].split(":")[0]
    return any(function.rsplit(":function:", 1)[-1] == short for function in functions)
