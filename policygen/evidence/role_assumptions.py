"""Collect who assumed a role, from the logs of its own account and of its callers'."""

from __future__ import annotations

from functools import partial

import msgspec
from msgspec.structs import astuple

from policygen.account.model import Account, Role
from policygen.errors import UsageError
from policygen.evidence.coverage.coverage import Coverage
from policygen.evidence.observe import Logs, ObserveOptions, coverage_of_counts, no_events_error
from policygen.evidence.role import changes_what_logs_show, names_caller
from policygen.iam.request import RoleKey
from policygen.logs.calls.counts import CallCounts, no_role
from policygen.logs.calls.totals import Totals
from policygen.logs.chunk import ReadRequest
from policygen.logs.events.assumption import Sightings, is_assumption
from policygen.logs.events.session_use import SessionUses
from policygen.logs.read_report import ReadReport, require_complete
from policygen.logs.reader import ReadOptions, read_source
from policygen.logs.registry import open_source
from policygen.logs.source import QuerySource, RecordFilter, Wanted
from policygen.logs.window import Window, end_of, limit_of, scope_of, window_of
from policygen.logs.window_end import WindowEnd


class AssumptionsShown(msgspec.Struct, frozen=True):
    """What the logs show, and could have shown, of who assumes the roles of one account."""

    window: Window
    coverage: Coverage
    read_report: ReadReport
    events: int
    """Records that were read, of anybody."""
    until_given: bool
    """Whether the user named the window's end."""
    own_days: frozenset[str]
    """Days on which a record of the account was read; all days with records where not each was looked at."""


class AssumptionEvidence(AssumptionsShown, frozen=True, kw_only=True):
    """The assumptions of one role that were read, and what the logs could have shown."""

    role: Role
    sightings: Sightings
    """Those of the window, of any role of that name."""
    session_uses: SessionUses
    """Where sessions of the role were used in the window, by anybody who had them."""


def collect_assumptions(
    logs: Logs,
    role: Role,
    account: Account,
    options: ObserveOptions | None = None,
    *,
    read: ReadOptions | None = None,
) -> AssumptionEvidence:
    """Read the logs and collect the assumptions of one role, by anybody and in any account's log.

    Args:
        logs: as for `observe.collect_evidence`.
        role: as it is today.
        account: the role's account.
        options: which part of the logs counts.
        read: how to read the logs.

    Raises:
        UsageError: PG-E202, the source gives sums and no records.
        NothingFoundError: PG-E302, no event of anybody.
        PolicygenError: as `observe.collect_evidence` raises.
    """
    options = options or ObserveOptions()
    limit = limit_of(options.days, options.until)
    source = open_source(logs)
    if isinstance(source, QuerySource):
        raise UsageError(
            "trust needs single records, and this source returns counts",
            "give files, s3:// or lookup:",
            code="PG-E202",
        )
    limit = limit or end_of(source, options.on)
    everyone = options.all_accounts is not False
    scope = scope_of(options.days, limit, role.key.account)._replace(all_accounts=everyone)
    request = ReadRequest(
        no_role,
        until=limit,
        search=_records_about(role.key),
        assumed=partial(is_same_role, role.key),
        sessions_of=role.key,
    )
    result = read_source(source, request, scope, read)
    require_complete(result.read_report, allow_incomplete=options.allow_incomplete)
    if not (limit or result.counts.totals.last):
        raise no_events_error(result.read_report)
    shown = assumptions_shown(result.counts, result.read_report, account, options, limit, role.key.account)
    return assumption_evidence(shown, role, result.counts.sightings, result.counts.session_uses)


def is_same_role(role: RoleKey, other: RoleKey) -> bool:
    """Return whether two roles have the same account and name, of which case does not count (1.3.8)."""
    return other.account == role.account and other.name.lower() == role.name.lower()


def assumptions_shown(
    counts: CallCounts,
    read_report: ReadReport,
    account: Account,
    options: ObserveOptions,
    limit: WindowEnd | None,
    own: str,
) -> AssumptionsShown:
    """Return what logs that were read show of the assumptions of an account's roles.

    Args:
        counts: what was counted.
        read_report: what was read.
        account: the roles' account.
        options: which part of the logs counts.
        limit: the window's end; None for the newest event.
        own: the account's id.
    """
    window = window_of(options.days, limit, counts.totals.last)
    return AssumptionsShown(
        window,
        coverage_of_counts(counts, read_report, window, account, None),
        read_report,
        counts.totals.records,
        bool(options.until),
        _own_days(counts.totals, own, window),
    )


def assumption_evidence(
    shown: AssumptionsShown, role: Role, sightings: Sightings, uses: SessionUses
) -> AssumptionEvidence:
    """Return the evidence of one role.

    Args:
        shown: what the logs show of its account's roles.
        role: as it is today.
        sightings: its assumptions, of the window or not.
        uses: where its sessions were used, likewise.
    """
    window = shown.window
    inside = {
        one: {key: seen for key, seen in found.items() if window.holds(seen.time[:10])}
        for one, found in sightings.items()
    }
    return AssumptionEvidence(
        *astuple(shown),
        role=role,
        sightings={one: found for one, found in inside.items() if found},
        session_uses=_inside(uses, window),
    )


def _inside(uses: SessionUses, window: Window) -> SessionUses:
    """Return the uses on days of the window."""
    days = {use: frozenset(filter(window.holds, found)) for use, found in uses.days.items()}
    return SessionUses({use: found for use, found in sorted(days.items()) if found}, uses.is_cut)


def _own_days(totals: Totals, account: str, window: Window) -> frozenset[str]:
    """Return the days of the window on which the account's own log was read."""
    if totals.searched or not totals.account_days:
        return frozenset(filter(window.holds, totals.days))
    own = (place.partition(" ") for place, events in totals.account_days.items() if events > 0)
    return frozenset(day for of, _, day in own if of == account and window.holds(day))


def _records_about(role: RoleKey) -> RecordFilter:
    """Return which records tell of the role's assumptions, of where its sessions were used, and of what logs show."""
    called = partial(names_caller, role.name.lower())
    return RecordFilter(
        Wanted(f"assumptions of {role.name}", called, _assumes_or_changes),
        Wanted(f"assumptions of {role.name} elsewhere", called, _assumes),
        role.account,
    )


def _assumes_or_changes(source: str, name: str) -> tuple[bytes, ...]:
    return (b"",) if changes_what_logs_show(source, name) else _assumes(source, name)


def _assumes(source: str, name: str) -> tuple[bytes, ...]:
    return (b"",) if is_assumption(source, name) else ()
