"""What became of the records of a reading, seen from one role: counted, set apart, outside the window, of others."""

from __future__ import annotations

from policygen.evidence.anomalies import SplitCalls
from policygen.evidence.role import ResolvedRole, RoleSelector, matching_roles
from policygen.evidence.usage import calls_within
from policygen.logs.audit import ROLES, RecordAudit, audit_of, events_of
from policygen.logs.calls.call import Calls
from policygen.logs.calls.counts import CallCounts
from policygen.logs.events.outcome import Outcome
from policygen.logs.read_report import ReadReport
from policygen.logs.window import Window

COUNTED = "counted: the role, in the window"


def audit_role(
    read_report: ReadReport,
    counts: CallCounts,
    wanted: RoleSelector,
    resolved: ResolvedRole,
    split: SplitCalls,
    window: Window,
) -> RecordAudit:
    """Return what became of all records that were read.

    The role's own are added up from its evidence, those of other roles from the totals; so evidence that was lost
    leaves a remainder.

    Args:
        read_report: what was read.
        counts: the calls of the role, and the totals of all callers.
        wanted: the role as it was asked for.
        resolved: its calls, and those of deleted roles of the same name.
        split: its calls, by whether they look like the workload.
        window: the days that count.
    """
    own = matching_roles(counts, wanted, resolved.role)
    within = calls_within(split.workload, window)
    refused = sum(seen.count for key, seen in within.items() if key.call.outcome is Outcome.UNAUTHENTICATED)
    apart = calls_within(split.anomalous, window)
    classes = {
        COUNTED: _events(within) - refused,
        "of the role, with expired or wrong credentials": refused,
        "of the role, suspicious": _events(apart),
        "of the role, outside the window": _events(split.workload)
        + _events(split.anomalous)
        - _events(within)
        - _events(apart),
        "of deleted roles of the same name": sum(before.events for before in resolved.predecessors),
        ROLES: events_of(counts.totals, counts.totals.roles.keys() - own.keys()),
    }
    return audit_of(read_report, counts.totals, classes)


def _events(calls: Calls) -> int:
    return sum([seen.count for seen in calls.values()])
