"""What the logs and the account say of one role, before anything is proposed."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from policygen.access import RoleKey
from policygen.account.model import Account, Role
from policygen.conduct import SIGNS, Conduct, Sign, part
from policygen.coverage import Coverage, coverage_of
from policygen.decisions import Decisions
from policygen.engine import Job, Means, run
from policygen.errors import NothingFoundError, UsageError
from policygen.gate import Evidenced
from policygen.history import EVENTS, SOURCE, TrailChange
from policygen.ledger import Ledger, nobody
from policygen.policy.expand import allowed_actions
from policygen.reading import Reading, check_whole
from policygen.retain import retain
from policygen.selection import Chosen, RoleName, choose, parse_role
from policygen.sources import Scope, Search, Source, open_source
from policygen.strength import days_asked
from policygen.text import count, printable
from policygen.today import Today, allowed_today, today_of
from policygen.usage import Usage, Window, usage_of, window_of, with_passed_services

# Python reads more forms of ISO 8601, but a week is no day and a bare number may be a typing error.
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]")

Logs = Source | Sequence[str | Path]

LONGEST = 36_500
"""Days of the longest window; CloudTrail began in 2013."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What the logs and the account say of one role, before anything is proposed."""

    reading: Reading
    ledger: Ledger
    chosen: Chosen
    conduct: Conduct
    usage: Usage
    """Of the calls that look like the workload, or were accepted."""
    apart: Usage | None
    """Of the calls that were set apart; None where there are none."""
    coverage: Coverage
    role: Role | None
    """The role as it is in the account; None without one."""
    today: Today | None
    until_given: bool


def observe(
    logs: Logs,
    role: str,
    *,
    days: int = 30,
    until: str = "",
    account: Account | None = None,
    allow_incomplete: bool = False,
    accepted: Collection[Sign] = (),
    on: date | None = None,
    means: Means | None = None,
) -> Observed:
    """What a role did in a window, what the logs could have shown, and what it may do today.

    Args:
        logs: a log source, or files, folders and URLs as `sources.open_source` takes them.
        role: name or ARN.
        days: length of the window, in whole days.
        until: ISO date or time in UTC at which the window ends; "" for the newest event read.
        account: the account as it is today; None to rest on the evidence alone.
        allow_incomplete: go on where files are damaged.
        accepted: signs of odd usage (`conduct.SIGNS`) that a person has looked at.
        on: the day it is, on which a window of logs from AWS ends.
        means: by which the logs are read.

    Raises:
        PolicygenError: nothing found, incomplete evidence; see each function.
    """
    wanted = parse_role(role)
    limit = limit_of(days, until)
    _check_accepted(accepted)
    today_role = account.role(wanted.arn or wanted.name) if account else None
    source = open_source(logs)
    limit = limit or end_of(source, on)
    reading, ledger = _read(source, wanted, days, limit, today_role.key if today_role else None, means)
    check_whole(reading, allow_incomplete=allow_incomplete)
    return attribute(
        reading,
        ledger,
        wanted,
        days=days,
        limit=limit,
        account=account,
        current=today_role,
        allow_incomplete=allow_incomplete,
        accepted=accepted,
        until_given=bool(until),
    )


def attribute(
    reading: Reading,
    ledger: Ledger,
    wanted: RoleName,
    *,
    days: int,
    limit: str = "",
    account: Account | None = None,
    current: Role | None = None,
    allow_incomplete: bool = False,
    accepted: Collection[Sign] = (),
    until_given: bool = False,
    alike: Coverage | None = None,
) -> Observed:
    """What was read, as it concerns one role; of several roles' calls, those of the one that is meant.

    Args:
        reading: what was read.
        ledger: settled, with the role's calls among others.
        wanted: the role.
        days: length of the window.
        limit: where it ends; "" for the newest event read.
        account: as for `observe`.
        current: the role as it is in the account; None where it is not known.
        allow_incomplete: as for `observe`.
        accepted: as for `observe`.
        until_given: whether a person named the window's end.
        alike: the coverage of another role, made from the same arguments.

    Raises:
        PolicygenError: the role did nothing that counts; see each function.
    """
    chosen = choose(ledger, wanted, current.key if current else None)
    window = window_of(days, limit or ledger.last)
    conduct = part(
        chosen.calls,
        of_functions=current.only_functions if current else None,
        notices=ledger.notices,
        accepted=accepted,
        until=window.end,
        names=_function_names(account, current),
    )
    usage = usage_of(chosen.role, conduct.workload, window)
    if account:
        passed = {request.resource for request in usage.requests if request.action == "iam:PassRole"}
        usage = with_passed_services(
            usage, {role.key.arn: role.trusted_services for role in account.roles if role.key.arn in passed}
        )
    if usage.events is None:
        raise _no_events(ledger, chosen, window, conduct)
    coverage = alike.of(chosen.role) if alike else None
    if coverage is None:
        coverage = _coverage(ledger, reading, window, account, chosen.role)
    today: Today | None = None
    if account and current:
        today = today_of(current, account, allow_incomplete=allow_incomplete)
    apart = usage_of(chosen.role, conduct.apart, window) if conduct.apart else None
    return Observed(reading, ledger, chosen, conduct, usage, apart, coverage, current, today, until_given)


def end_of(source: Source, on: date | None) -> str:
    """The window's end where the user gave none: what is read from AWS ends today, files with their newest event."""
    return on.isoformat() if on and source.remote else ""


def _read(
    source: Source,
    wanted: RoleName,
    days: int,
    until: str,
    role: RoleKey | None,
    means: Means | None,
) -> tuple[Reading, Ledger]:
    """Looks only at records that hold the role's name, and at all where none does: then the others give hints."""
    account = wanted.account or (role.account if role else "")
    scope = scope_of(days, until, account)
    name = f"{wanted.name} {wanted.account} {wanted.arn}"
    # By its name as the account has it, letters' case and all; namesakes in other accounts are found as well.
    sought = (replace(wanted, name=role.name) if role else wanted).sought
    job = Job(wanted.fits, name, wanted.name, until, sought)
    portion = run(source, job, scope, means)
    if portion.ledger.searched and not portion.ledger.calls:
        portion = run(source, job._replace(search=Search()), scope, means)
    return portion.reading, portion.ledger


def scope_of(days: int, until: str, account: str = "") -> Scope:
    """What of a source a window needs."""
    if not until:
        return Scope(account=account)
    window = window_of(days, until)
    return Scope(window.start, until[:10], account, until if len(until) > len("2026-11-24") else "")


def _function_names(account: Account | None, role: Role | None) -> frozenset[str]:
    functions = account.configurations_of(role) if account and role else None
    return frozenset(function.name for function in functions or ())


def examine(
    logs: Logs,
    *,
    days: int = 30,
    until: str = "",
    account: Account | None = None,
    role: str = "",
    allow_incomplete: bool = False,
    on: date | None = None,
    means: Means | None = None,
) -> tuple[Reading, Ledger, Coverage]:
    """What logs can show in a window, whoever called; arguments as for `observe`.

    Args:
        role: judge by this role's sessions, which a trail may leave out; "" for nobody in particular.

    Raises:
        NothingFoundError: PG-E302, no event of anybody.
        PolicygenError: as `observe` raises.
    """
    limit = limit_of(days, until)
    key = account.role(role).key if account and role else None
    source = open_source(logs)
    limit = limit or end_of(source, on)
    portion = run(source, Job(nobody, "nobody", until=limit), scope_of(days, limit), means)
    reading, ledger = portion.reading, portion.ledger
    check_whole(reading, allow_incomplete=allow_incomplete)
    if not (limit or ledger.last):
        raise nobody_seen(reading)
    window = window_of(days, limit or ledger.last)
    return reading, ledger, _coverage(ledger, reading, window, account, key)


def nobody_seen(reading: Reading) -> NothingFoundError:
    """The error for logs without one event of anybody."""
    return NothingFoundError(
        f"no event of any caller in {count(reading.files, 'file')}",
        "give the folder that the trail delivers to: its AWSLogs, or any part of it",
        code="PG-E302",
    )


def limit_of(days: int, until: str) -> str:
    """Where a window ends, as a date or time in UTC; "" where the newest event says it.

    Raises:
        UsageError: PG-E205 and PG-E206, no such window.
    """
    if not 1 <= days <= LONGEST:
        raise UsageError(f"--days is {days}: a window has 1 to {LONGEST:,} days", code="PG-E205")
    return _until(until)


def _coverage(
    ledger: Ledger, reading: Reading, window: Window, account: Account | None, role: RoleKey | None
) -> Coverage:
    trails = account.trails if account else None
    return coverage_of(
        window,
        ledger.days,
        ledger.regions,
        trails if reading.trails is None else reading.trails,
        reading.holes,
        role=role,
        changes=_trail_changes(ledger),
        data_seen=ledger.data_types,
        management=ledger.management,
    )


def _trail_changes(ledger: Ledger) -> list[TrailChange]:
    return [
        TrailChange(one.time, one.region, one.account, one.name, one.parameters, one.error)
        for one in ledger.notices
        if one.source == SOURCE and one.name in EVENTS
    ]


def evidenced(seen: Observed, decisions: Decisions | None = None, on: date | None = None) -> Evidenced:
    """What the gate's findings rest on.

    Args:
        seen: of the role.
        decisions: what people decided to keep is no finding.
        on: the day on which decisions expire or not; by default the window's last.
    """
    today, usage = seen.today, seen.usage
    now = allowed_actions(today.policies) if today else None
    day = on or date.fromisoformat(usage.window.end[:10])
    rules = decisions.for_role(usage.role.name, day) if decisions else ()
    bounds = today.policies if today else None
    apart = (seen.apart,) if seen.apart else ()
    min_days = days_asked(decisions.min_days if decisions else None, usage.window.days)
    kept = retain(usage, seen.coverage, today, now, bounds, rules=rules, seen=apart, min_days=min_days)
    requests, missing = allowed_today(usage, today)
    return Evidenced(
        usage=usage,
        coverage=seen.coverage,
        min_days=min_days,
        requests=requests,
        missing=missing,
        keeps=kept.keeps,
        apart=seen.apart,
        today=bounds,
        boundary=today.boundary if today else None,
        guardrails=today.guardrails if today else (),
        account=today.account if today else "",
    )


def _check_accepted(accepted: Collection[str]) -> None:
    for name in accepted:
        if name not in SIGNS:
            raise UsageError(
                f"no sign {printable(name)[:60]!r}", f"there are: {', '.join(SIGNS)}", code="PG-E216"
            )


def _until(text: str) -> str:
    """The end of the window in the log's own form: a date, or a time in UTC to the second."""
    if not text:
        return ""
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text).isoformat()
        if _TIME.match(text):
            moment = datetime.fromisoformat(text)
            utc = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
            return utc.isoformat(timespec="seconds") + "Z"
    except (ValueError, OverflowError):
        pass
    raise UsageError(
        f"--until is not a date: {printable(text)[:40]!r}",
        "for example --until 2026-11-24",
        code="PG-E206",
    )


def _no_events(ledger: Ledger, chosen: Chosen, window: Window, conduct: Conduct) -> NothingFoundError:
    apart = [key for key in conduct.apart if window.holds(key.day)]
    if apart:
        signs = sorted({one.sign for one in conduct.suspects} - conduct.accepted)
        calls = sum(conduct.apart[key].count for key in apart)
        return NothingFoundError(
            f"no call by {chosen.role.name} looks like the workload: {count(calls, 'call')} set apart",
            *(f"{sign}: {SIGNS[sign]}; if it is the workload's: --accept {sign}" for sign in signs),
            "no policy was written: an empty one would be a guess, not a finding",
            code="PG-E301",
        )
    last = max((evidence.last for evidence in chosen.calls.values()), default="")
    role: RoleKey = chosen.role
    needed = (date.fromisoformat(ledger.last[:10]) - date.fromisoformat(last[:10])).days + 1 if last else 0
    hints = [f"read {ledger.records:,} records of {len(ledger.roles):,} roles, so the logs are there"]
    if last:
        hints.append(f"its last call in the logs is {last}: try --days {needed}, or --until {last[:10]}")
    hints.append("no policy was written: an empty one would be a guess, not a finding")
    return NothingFoundError(
        f"no call by {role.name} in {window.days} days, {window.start} to {window.end[:10]}",
        *hints,
        code="PG-E301",
    )
