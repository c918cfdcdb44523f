"""The errors for roles that made no call that counts, each with what the logs and IAM say in place of it."""

from __future__ import annotations

from collections.abc import Sequence

from policygen.account.model import Account, Role
from policygen.days import days_between
from policygen.errors import NothingFoundError
from policygen.evidence.anomalies import ANOMALY_RULES, SplitCalls
from policygen.evidence.coverage.role_report import recent_attempts
from policygen.evidence.role import ResolvedRole, RoleSelector
from policygen.iam.request import RoleKey
from policygen.logs.calls.call import CallBucket
from policygen.logs.calls.counts import CallCounts
from policygen.logs.calls.totals import LATE
from policygen.logs.window import Window
from policygen.text import pluralize

_NO_GUESS = "no policy was written: an empty one would be a guess, not a finding"


class NoCallsInWindowError(NothingFoundError):
    """The role made no call at all in the window (PG-E301), not even one that looks suspicious."""


def use_seen_by_iam(role: Role | None, window: Window) -> str:
    """Say that IAM saw a role used of which no call was read in the window; "" where it did not."""
    used = role.last_used[:10] if role else ""
    if not used:
        return ""
    if window.holds(used):
        return (
            f"IAM saw it used on {used}, but the logs show no call: are the files of all trails and regions here, "
            "or was it used only for what no trail logs?"
        )
    when = "before" if used < window.start else "after"
    return f"IAM saw it used last on {used}, {when} the window: it is in use, at another time"


def nothing_read(
    counts: CallCounts, wanted: RoleSelector, window: Window, current: Role | None
) -> NothingFoundError:
    """Return the error for a window in which nobody made a call: that says nothing of any role."""
    late = counts.totals.ignored[LATE]
    return NoCallsInWindowError(
        f"no call by {current.name if current else wanted.name} in {_span(window)}: "
        "the logs have no event of anyone in these days",
        *([f"left out, because after --until: {pluralize(late, 'record')}"] if late else []),
        "give the logs of these days, or a window of which there are logs",
        _NO_GUESS,
        code="PG-E301",
    )


def unused_role(counts: CallCounts, account: Account, role: Role, window: Window) -> NothingFoundError:
    """Return the error for a role of the account that the logs do not have, and of which IAM saw no use."""
    report = account.last_accessed_of(role)
    silent = report is not None and bool(report.generated_at) and not any(recent_attempts(report))
    others = sorted(
        {key.account for key in counts.totals.roles if key.name.lower() == role.name.lower()}
        - {role.key.account, ""}
    )
    hints = [
        *([f"IAM saw no attempt either, until {report.generated_at[:10]}"] if report and silent else []),
        *filter(None, [use_seen_by_iam(role, window)]),
        *([f"the logs have calls by a role of that name in account {', '.join(others)}"] if others else []),
        f"read {pluralize(counts.totals.records, 'record')} of {pluralize(len(counts.totals.roles), 'role')}",
    ]
    return NoCallsInWindowError(
        f"no call by {role.name} in {_span(window)}: account {role.key.account} has the role, the logs do not",
        *hints,
        _NO_GUESS,
        code="PG-E301",
    )


def no_call_counts(
    counts: CallCounts,
    resolved: ResolvedRole,
    window: Window,
    split: SplitCalls,
    apart: Sequence[CallBucket],
    current: Role | None,
) -> NothingFoundError:
    """Return the error for a role without a call in the window that looks like its workload.

    Args:
        counts: all calls that were read.
        resolved: the role and its calls, of any time.
        window: the days that count.
        split: its calls, by whether they look like the workload.
        apart: its suspicious calls in the window.
        current: the role as it is in the account; None where it is not known.
    """
    if apart:
        signs = sorted({one.sign for one in split.anomalies} - split.accepted)
        calls = sum(split.anomalous[key].count for key in apart)
        return NothingFoundError(
            f"no call by {resolved.role.name} looks like the workload: {pluralize(calls, 'suspicious call')} left out",
            *(f"{sign}: {ANOMALY_RULES[sign]}; if legitimate: --accept {sign}" for sign in signs),
            _NO_GUESS,
            code="PG-E301",
        )
    last = max((evidence.last for evidence in resolved.calls.values()), default="")
    role: RoleKey = resolved.role
    needed = days_between(last[:10], counts.totals.last[:10]) + 1 if last else 0
    read = (
        f"read {pluralize(counts.totals.records, 'record')} of {pluralize(len(counts.totals.roles), 'role')}"
    )
    hints = [f"{read}, so the logs are there"]
    if last:
        hints.append(f"its last call in the logs is {last}: try --days {needed}, or --until {last[:10]}")
    if seen := use_seen_by_iam(current, window):
        hints.append(seen)
    hints.append(_NO_GUESS)
    return NoCallsInWindowError(
        f"no call by {role.name} in {_span(window)}",
        *hints,
        code="PG-E301",
        instead=("", f"--days={needed}") if last else None,
    )


def _span(window: Window) -> str:
    return f"{pluralize(window.days, 'day')}, {window.start} to {window.last_day}"
