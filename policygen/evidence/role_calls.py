"""How often each role of the logs called in a window, how many of its calls were denied, and when it called last."""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from policygen.evidence.observe import ObserveOptions, no_events_error
from policygen.iam.request import RoleKey
from policygen.logs.calls.call import Calls
from policygen.logs.calls.spill import SpillStore, unpack_calls
from policygen.logs.chunk import ReadRequest
from policygen.logs.events.outcome import Outcome
from policygen.logs.read_report import require_complete
from policygen.logs.reader import ReadOptions, read_source
from policygen.logs.source import QuerySource, Source
from policygen.logs.window import Window, end_of, limit_of, scope_of, window_of


class RoleCalls(NamedTuple):
    """What a role did in a window."""

    events: int
    denied: int | None
    """Events among them that were denied; None where the source tells sums only."""
    last: str
    """Time of its last event in the window, ISO 8601 in UTC; "" where it is not known."""


def collect_role_calls(
    source: Source, options: ObserveOptions, read: ReadOptions | None = None
) -> tuple[Window, dict[RoleKey, RoleCalls]]:
    """Read the logs, and count the calls of each role in the window.

    Args:
        source: the logs.
        options: which part of the logs counts.
        read: how to read the logs.

    Raises:
        NothingFoundError: PG-E302, no event of any caller in the window.
        PolicygenError: incomplete evidence; see each function.
    """
    limit = limit_of(options.days, options.until) or end_of(source, options.on)
    scope = scope_of(options.days, limit)
    request = ReadRequest(_any_role, until=limit)
    with SpillStore() as spill:
        result = read_source(source, request, scope, replace(read or ReadOptions(), spill=spill))
        totals = result.counts.totals
        require_complete(result.read_report, allow_incomplete=options.allow_incomplete)
        if not (limit or totals.last):
            raise no_events_error(result.read_report)
        window = window_of(options.days, limit, totals.last)
        if not any(map(window.holds, totals.days)):
            raise no_events_error(result.read_report, window)
        if isinstance(source, QuerySource):
            return window, {role: RoleCalls(number, None, "") for role, number in totals.roles.items()}
        found = {
            role: _in_window(calls, window)
            for _, packed in spill.by_name()
            for role, calls in unpack_calls(packed.calls).items()
        }
    return window, found


def _any_role(_: RoleKey) -> bool:
    return True


def _in_window(calls: Calls, window: Window) -> RoleCalls:
    inside = [(bucket, seen) for bucket, seen in calls.items() if window.holds(bucket.day)]
    return RoleCalls(
        sum(seen.count for _, seen in inside),
        sum(seen.count for bucket, seen in inside if bucket.call.outcome is Outcome.DENIED),
        max((seen.last for _, seen in inside), default=""),
    )
