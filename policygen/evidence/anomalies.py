"""Usage that does not look like the workload: poison, theft, and people who borrow a function's role.

Calls that succeeded say "needed", whoever made them. What a function's credentials did in other hands is set apart,
shown, and left out of the policy until somebody accepts it. Four signs, each a stated rule over what the records say;
none of them is a proof, and a careful thief shows none of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from policygen.days import days_between
from policygen.logs.calls.call import CallBucket, Calls
from policygen.logs.calls.evidence import Evidence
from policygen.logs.calls.totals import ChangeEvent
from policygen.logs.events.credentials import CredentialUse
from policygen.logs.events.outcome import Outcome

AnomalyRule = Literal["interactive-agent", "not-the-function", "foreign-agent", "after-quiet"]

ANOMALY_RULES: Mapping[AnomalyRule, str] = {
    "interactive-agent": "a function's credentials in a command line, console or browser",
    "not-the-function": "a session that was not issued to a function, of a role that functions use",
    "foreign-agent": "an agent without Lambda's environment, of a function that otherwise always names it",
    "after-quiet": "a first call of its kind after weeks without a new one, on one day, with no deployment",
}

SHOWN_ONLY: frozenset[AnomalyRule] = frozenset({"after-quiet"})
"""Signs that are put to a person and leave nothing out: by themselves they look like a job that runs once a month."""
SET_APART = "seen only in calls that were set apart"
"""Why a permission goes that only odd usage shows."""
HABIT_DAYS = 5
"""Days on which one manner was seen with the same function, from which on it is a habit of the workload …"""
HABIT_SHARE = 0.1
"""… if these are at least this share of the days on which the role worked."""
RUNTIME_SHARE = 0.95
"""Share of a function's own calls that name Lambda's runtime, above which an agent that does not is foreign."""
RUNTIME_CALLS = 10
"""Calls of a function below which its agents say nothing of what is usual."""
RUNTIME_DAYS = 5
"""Days with such calls that are needed as well."""
QUIET_DAYS = 21
"""Days without any new kind of call, before a new one stands out."""
ACTIVE_DAYS = 14
"""Of the quiet days, those on which the role must have worked: a job that rarely runs is not quiet."""
DEPLOYED_DAYS = 7
"""Days after a deployment within which new calls are expected."""


class Anomaly(NamedTuple):
    """One kind of call that shows a sign."""

    sign: AnomalyRule
    source: str
    event: str
    function: str
    """What the credentials were issued to, or ""."""


@dataclass(frozen=True, slots=True)
class SplitCalls:
    """A role's calls, parted."""

    workload: Calls
    """What the policy is made from."""
    anomalous: Calls
    """What is left out of it."""
    anomalies: Mapping[Anomaly, Evidence]
    """What shows a sign, accepted or not."""
    accepted: frozenset[AnomalyRule] = frozenset()


def split_anomalies(
    calls: Calls,
    *,
    of_functions: bool | None = None,
    notices: Sequence[ChangeEvent] = (),
    accepted: Collection[AnomalyRule] = (),
    until: str = "",
    names: Collection[str] = (),
) -> SplitCalls:
    """Sets apart what does not look like the workload.

    Args:
        calls: all calls of one role that were read, within and before the window.
        of_functions: whether only Lambda can assume the role; None where its trust policy is not known.
        notices: deployments seen in the logs.
        accepted: signs that a person has looked at.
        until: last day that counts, "" for all.
        names: of the functions that run with the role, where they are known: their sessions are called like them.
    """
    signs = _signs(calls, of_functions=of_functions, notices=notices, names=frozenset(names))
    found: dict[Anomaly, Evidence] = {}
    for key, sign in signs.items():
        if not until or key.day <= until:
            anomaly = Anomaly(sign, key.call.source, key.call.name, key.user.function)
            found[anomaly] = found[anomaly] + calls[key] if anomaly in found else calls[key]
    left_out = {sign for sign in ANOMALY_RULES if sign not in accepted and sign not in SHOWN_ONLY}
    anomalous = {key: calls[key] for key, sign in signs.items() if sign in left_out}
    return SplitCalls(
        workload={key: seen for key, seen in calls.items() if key not in anomalous},
        anomalous=anomalous,
        anomalies=dict(sorted(found.items())),
        accepted=frozenset(accepted),
    )


def _signs(
    calls: Calls, *, of_functions: bool | None, notices: Sequence[ChangeEvent], names: frozenset[str]
) -> dict[CallBucket, AnomalyRule]:
    functions, habits = _usual(calls), _habits(calls)
    mine = of_functions if of_functions is not None else _mostly_functions(calls)
    found: dict[CallBucket, AnomalyRule] = {}
    for key, seen in calls.items():
        user = key.user
        if user in habits:
            continue
        if user.channel == "interactive" and (user.of_function or mine):
            found[key] = "interactive-agent"
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
    rest = {key: seen for key, seen in calls.items() if key not in found}
    if not mine:
        return found
    return found | dict.fromkeys(_after_quiet(rest, notices), "after-quiet")


def _habits(calls: Calls) -> frozenset[CredentialUse]:
    """Functions and manners that come again and again: an extension, a tool in the function's image."""
    days: dict[CredentialUse, set[str]] = {}
    for key in calls:
        if key.user.of_function:
            days.setdefault(key.user, set()).add(key.day)
    worked = len({key.day for key in calls})
    return frozenset(
        user for user, seen in days.items() if len(seen) >= HABIT_DAYS and len(seen) >= HABIT_SHARE * worked
    )


def _usual(calls: Calls) -> frozenset[str]:
    """Functions whose own calls name Lambda's runtime so regularly that others are foreign."""
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
    """Whether the records show nearly only functions at work, where the trust policy is not known."""
    own = sum(seen.count for key, seen in calls.items() if key.user.channel != "service")
    issued = sum(
        seen.count for key, seen in calls.items() if key.user.of_function and key.user.channel != "service"
    )
    return own > 0 and issued >= RUNTIME_SHARE * own


def _after_quiet(calls: Calls, notices: Sequence[ChangeEvent]) -> Iterable[CallBucket]:
    """Calls of a kind that was first and only seen on one day, after `QUIET_DAYS` without a new kind."""
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
    """Whether it changed the code of one of the functions that used the role, or may have."""
    if notice.source != "lambda.amazonaws.com" or notice.error:
        return False
    name = notice.parameters.get("functionName")
    if not isinstance(name, str) or not functions:
        return True
    short = name.rsplit(":function:", 1)[-1].split(":")[0]
    return any(function.rsplit(":function:", 1)[-1] == short for function in functions)
