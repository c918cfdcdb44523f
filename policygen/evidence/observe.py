"""Collect what the logs and the account say of one role, before anything is proposed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from policygen.account.current import CurrentAccess, current_access
from policygen.account.model import Account, Role
from policygen.catalog.knowledge import Knowledge
from policygen.errors import NothingFoundError, UsageError, no_such
from policygen.evidence.anomalies import ANOMALY_RULES, AnomalyRule, SplitCalls, split_anomalies
from policygen.evidence.coverage.coverage import Coverage, coverage_of
from policygen.evidence.coverage.role_report import recent_attempts
from policygen.evidence.coverage.trail_history import EVENTS, SOURCE, TrailChange
from policygen.evidence.known_names import knowledge_of, with_calls
from policygen.evidence.no_calls import no_call_counts, nothing_read, unused_role
from policygen.evidence.passed_services import with_passed_services
from policygen.evidence.record_audit import audit_role
from policygen.evidence.role import ResolvedRole, RoleSelector, matching_roles, parse_role, resolve_role
from policygen.evidence.traced import TraceOwners, TraceReport, report_of_role, traced_calls, with_traces
from policygen.evidence.usage import Usage, usage_from_calls
from policygen.iam.request import RoleKey
from policygen.logs.audit import RecordAudit
from policygen.logs.calls.call import Calls
from policygen.logs.calls.counts import CallCounts, no_role
from policygen.logs.chunk import ReadRequest
from policygen.logs.read_report import ReadReport, require_complete
from policygen.logs.reader import ReadOptions, read_source
from policygen.logs.registry import open_source
from policygen.logs.source import RecordFilter, Source
from policygen.logs.window import Window, end_of, limit_of, scope_of, window_of
from policygen.logs.window_end import WindowEnd
from policygen.text import escape_controls, pluralize

if TYPE_CHECKING:
    from policygen.logs.traces.read import Traces

Logs = Source | Sequence[str | Path]


class ObserveOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of the logs counts as evidence."""

    days: int = 30
    """Length of the window, in whole UTC days."""
    until: str = ""
    """ISO date or time in UTC at which the window ends; "" for the newest event read."""
    allow_incomplete: bool = False
    """Continue where files are damaged or documents of the account are missing."""
    accepted: Collection[AnomalyRule] = ()
    """Anomaly rules whose calls a person accepted as the workload's."""
    on: date | None = None
    """Today's date, on which a window of logs from AWS ends; None to end it with the newest event."""
    traces: Traces | None = None
    """Calls that traces show; None without any."""
    all_accounts: bool | None = None
    """Whether to read the logs of other accounts than the role's; None for those that may have calls its own lack."""


class RoleEvidence(msgspec.Struct, frozen=True):
    """Everything that is known of one role before a policy is suggested."""

    read_report: ReadReport
    counts: CallCounts
    resolved: ResolvedRole
    split: SplitCalls
    usage: Usage
    """The requests behind calls that look like the workload, or were accepted."""
    anomalous_usage: Usage | None
    """The requests behind anomalous calls; None where there are none."""
    earlier_usage: Usage | None
    """The requests behind calls of the workload that were read, before the window or after it; None without any."""
    coverage: Coverage
    role: Role | None
    """The role as it is in the account; None without one."""
    current_access: CurrentAccess | None
    until_given: bool
    """Whether the user named the window's end."""
    audit: RecordAudit
    """What became of every record that was read."""
    traces: TraceReport | None = None
    """What became of the calls of traces; None without any."""


def collect_evidence(
    logs: Logs,
    role: str,
    options: ObserveOptions | None = None,
    *,
    account: Account | None = None,
    read: ReadOptions | None = None,
) -> RoleEvidence:
    """Read the logs and collect what they and the account say of one role.

    Args:
        logs: a log source, or files, folders and URLs as `logs.registry.open_source` takes them.
        role: name or ARN.
        options: which part of the logs counts.
        account: the account as it is today; None to rest on the evidence alone.
        read: how to read the logs.

    Raises:
        PolicygenError: nothing found, incomplete evidence; see each function.
    """
    options = options or ObserveOptions()
    wanted = parse_role(role)
    limit = limit_of(options.days, options.until)
    _check_accepted(options.accepted)
    today_role = account.role(wanted.arn or wanted.name) if account else None
    source = open_source(logs)
    limit = limit or end_of(source, options.on)
    key = today_role.key if today_role else None
    read_report, counts = _read(source, wanted, options, limit, key, read)
    require_complete(read_report, allow_incomplete=options.allow_incomplete)
    return evidence_for_role(
        read_report, counts, wanted, options, limit=limit, account=account, current=today_role
    )


def evidence_for_role(
    read_report: ReadReport,
    counts: CallCounts,
    wanted: RoleSelector,
    options: ObserveOptions,
    *,
    limit: WindowEnd | None = None,
    account: Account | None = None,
    current: Role | None = None,
    similar: Coverage | None = None,
    knowledge: Knowledge | None = None,
) -> RoleEvidence:
    """Collect the evidence for one role from logs that have been read.

    Args:
        read_report: what was read.
        counts: the calls of this role, among others; copies from other accounts resolved.
        wanted: the role.
        options: which part of the logs counts.
        limit: the window's end; None for the newest event read.
        account: the account as it is today; None to rest on the evidence alone.
        current: the role as it is in the account; None where it is not known.
        similar: the coverage of another role, made from the same arguments; reused where it holds for this role too.
        knowledge: what `known_names.knowledge_of` returns for the same logs and account, if it was made before.

    Raises:
        PolicygenError: the role did nothing that counts; see each function.
        BugError: PG-E351, a record was lost.
    """
    try:
        return _evidence_for_role(
            read_report, counts, wanted, options, limit, account, current, similar, knowledge
        )
    except NothingFoundError as error:
        if gaps := read_report.gaps:
            error.hints = (
                f"evidence is missing, and its calls may be in it: {escape_controls(gaps[0])}",
                *error.hints,
            )
        raise


def _evidence_for_role(
    read_report: ReadReport,
    counts: CallCounts,
    wanted: RoleSelector,
    options: ObserveOptions,
    limit: WindowEnd | None,
    account: Account | None,
    current: Role | None,
    similar: Coverage | None,
    knowledge: Knowledge | None,
) -> RoleEvidence:
    """Collect the evidence for one role, as `evidence_for_role`, whatever could not be read."""
    if not (limit or counts.totals.last):  # without any event there is no window, and no role
        resolve_role(counts, wanted, current.key if current else None)
    window = window_of(options.days, limit, counts.totals.last)
    traced = _traced(options.traces, counts, wanted, account, current, window)
    seen = bool(traced or matching_roles(counts, wanted, current.key if current else None))
    if not seen and not any(map(window.holds, counts.totals.days)):
        raise nothing_read(counts, wanted, window, current)
    used = bool(traced or (account and current and is_used_unseen(counts, account, current)))
    if account and current and not (seen or used):
        raise unused_role(counts, account, current, window)
    resolved = resolve_role(counts, wanted, current.key if current else None, may_be_unseen=used)
    split = split_anomalies(
        resolved.calls,
        of_functions=current.only_functions if current else None,
        of_hosts=current.only_hosts if current else None,
        notices=counts.totals.change_events,
        accepted=options.accepted,
        until=window.last_day,
        names=_function_names(account, current),
    )
    audit = audit_role(read_report, counts, wanted, resolved, split, window)
    audit.check()
    known = knowledge or knowledge_of(counts.totals, account)
    known = with_calls(known, {bucket.call for bucket in (*resolved.calls, *traced)})
    usage = with_traces(usage_from_calls(resolved.role, split.workload, window, known), traced, known)
    if account:
        passed = {request.resource for request in usage.requests if request.action == "iam:PassRole"}
        usage = with_passed_services(
            usage, {role.key.arn: role.trusted_services for role in account.roles if role.key.arn in passed}
        )
    apart = [key for key in split.anomalous if window.holds(key.day)]
    if usage.events is None and (not used or apart):
        raise no_call_counts(counts, resolved, window, split, apart, current)
    coverage = similar.of(resolved.role) if similar else None
    if coverage is None:
        coverage = coverage_of_counts(counts, read_report, window, account, resolved.role)
    today: CurrentAccess | None = None
    if account and current:
        today = current_access(current, account, allow_incomplete=options.allow_incomplete)
    anomalous = usage_from_calls(resolved.role, split.anomalous, window, known) if split.anomalous else None
    start = window.start
    earlier = {key: seen for key, seen in split.workload.items() if key.day < start}
    return RoleEvidence(
        read_report,
        counts,
        resolved,
        split,
        usage,
        anomalous,
        usage_from_calls(resolved.role, earlier, _window_around(earlier), known) if earlier else None,
        coverage,
        current,
        today,
        bool(options.until),
        audit,
        report_of_role(options.traces, account, traced, window) if options.traces else None,
    )


def _window_around(calls: Calls) -> Window:
    """Return the window from the first day of some calls to the last."""
    days = {key.day for key in calls}
    return Window(date.fromisoformat(min(days)), WindowEnd.parse(max(days)))


def _traced(
    traces: Traces | None,
    counts: CallCounts,
    wanted: RoleSelector,
    account: Account | None,
    current: Role | None,
    window: Window,
) -> Calls:
    """Return the calls of the role that traces show; without the account, of the functions that its events name."""
    if traces is None:
        return {}
    keys = [current.key] if current else sorted(role for role in counts.calls if wanted.matches(role))
    if not keys:
        return {}
    functions = {bucket.user.function for key in keys for bucket in counts.calls.get(key, ())}
    owners = TraceOwners(account if current else None, keys[-1], functions)
    return traced_calls(traces, owners, keys[-1], window)


def _read(
    source: Source,
    wanted: RoleSelector,
    observe: ObserveOptions,
    until: WindowEnd | None,
    role: RoleKey | None,
    options: ReadOptions | None,
) -> tuple[ReadReport, CallCounts]:
    """Read only records with the role's name; where there is none read all, whose roles give hints.

    Raises:
        UsageError: PG-E267, only the role's account is wanted, and it is not known.
    """
    account = wanted.account or (role.account if role else "")
    if observe.all_accounts is False and not account:
        raise UsageError(
            f"--own-account, and it is not known which account {wanted.name} is in",
            "give the role's ARN, or --snapshot",
            code="PG-E267",
        )
    scope = scope_of(observe.days, until, account)._replace(all_accounts=observe.all_accounts)
    name = f"{wanted.name} {wanted.account} {wanted.arn}"
    # By the name in the account's own spelling; roles of that name in other accounts are found as well.
    record_filter = (replace(wanted, name=role.name) if role else wanted).record_filter
    request = ReadRequest(wanted.matches, name, wanted.name, until, record_filter, (role,) if role else ())
    result = read_source(source, request, scope, options)
    if result.counts.totals.searched and not result.counts.calls:
        result = read_source(source, request._replace(search=RecordFilter()), scope, options)
    return result.read_report, result.counts


def _function_names(account: Account | None, role: Role | None) -> frozenset[str]:
    functions = account.configurations_of(role) if account and role else None
    return frozenset(function.name for function in functions or ())


def collect_coverage(
    logs: Logs,
    options: ObserveOptions | None = None,
    *,
    account: Account | None = None,
    role: str = "",
    read: ReadOptions | None = None,
) -> tuple[ReadReport, CallCounts, Coverage]:
    """Read the logs and work out what they can show in a window, for any caller.

    Args:
        logs: as for `collect_evidence`.
        options: which part of the logs counts.
        account: the account as it is today; None where it is not known.
        role: a role whose sessions a trail may exclude; "" for any caller.
        read: how to read the logs.

    Raises:
        NothingFoundError: PG-E302, no event of any caller.
        PolicygenError: as `collect_evidence` raises.
    """
    options = options or ObserveOptions()
    limit = limit_of(options.days, options.until)
    key = account.role(role).key if account and role else None
    source = open_source(logs)
    limit = limit or end_of(source, options.on)
    request = ReadRequest(no_role, "nobody", until=limit)
    result = read_source(source, request, scope_of(options.days, limit), read)
    read_report, counts = result.read_report, result.counts
    require_complete(read_report, allow_incomplete=options.allow_incomplete)
    if not (limit or counts.totals.last):
        raise no_events_error(read_report)
    window = window_of(options.days, limit, counts.totals.last)
    return read_report, counts, coverage_of_counts(counts, read_report, window, account, key)


def no_events_error(read_report: ReadReport, window: Window | None = None) -> NothingFoundError:
    """Return the error for logs without any event, in a window or at all."""
    when = f" from {window.start} to {window.last_day}" if window else ""
    return NothingFoundError(
        f"no event of any caller{when} in {pluralize(read_report.files, 'file')}",
        "give the folder that the trail delivers to: its AWSLogs, or any part of it",
        code="PG-E302",
    )


def coverage_of_counts(
    counts: CallCounts, read_report: ReadReport, window: Window, account: Account | None, role: RoleKey | None
) -> Coverage:
    """Return what the logs that were read could show in a window.

    Args:
        counts: what was counted.
        read_report: what was read.
        window: the days that count.
        account: the account as it is today; None where it is not known.
        role: the role whose own calls are in question; None for any caller's.
    """
    trails = account.trails if account else None
    return coverage_of(
        window,
        counts.totals.days,
        counts.totals.regions,
        trails if read_report.trails is None else read_report.trails,
        read_report.gaps,
        role=role,
        changes=_trail_changes(counts),
        data_seen=counts.totals.data_types,
        management=counts.totals.management,
        region_days=counts.totals.region_days,
        created=counts.totals.created,
        tracked=account.tracked_actions if account else (),
        account_known=account is not None,
    )


def _trail_changes(counts: CallCounts) -> list[TrailChange]:
    return [
        TrailChange(one.time, one.region, one.account, one.name, one.parameters, one.error)
        for one in counts.totals.change_events
        if one.source == SOURCE and one.name in EVENTS
    ]


def _check_accepted(accepted: Collection[str]) -> None:
    for name in accepted:
        if name not in ANOMALY_RULES:
            shown = escape_controls(name)[:60]
            raise no_such(f"no kind of suspicious call {shown!r}", name, ANOMALY_RULES, code="PG-E216")


def is_used_unseen(counts: CallCounts, account: Account, role: Role) -> bool:
    """Return whether a role without a call is judged by IAM's last-accessed report, because this has an attempt by it.

    Not if records of other accounts only were read, which say nothing of the role.
    """
    days = counts.totals.account_days
    if days and not any(day.startswith(f"{role.key.account} ") for day in days):
        return False
    report = (account.last_accessed or {}).get(role.key.arn)
    return report is not None and any(recent_attempts(report))
