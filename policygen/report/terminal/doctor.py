"""Renders `doctor`: what an account's logs can show, what would let them show more, what could not be read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from policygen.account.model import Account, Trail
from policygen.evidence.coverage.cost import data_event_price, metric_of, monthly_costs
from policygen.evidence.coverage.coverage import Coverage
from policygen.evidence.coverage.table import CoverageRow, one_command
from policygen.logs.calls.counts import CallCounts
from policygen.logs.calls.totals import LATE
from policygen.logs.read_report import ReadReport
from policygen.report.terminal.layout import LISTED, WIDTH, Layout, finished, more
from policygen.rightsize.api.sight import StageLog, stage_logs
from policygen.text import escape_controls, minute, pluralize, visible_json

_SIGNS = {"on": "✔", "partly": "~", "off": "✘", "unknown": "?"}


class Health(msgspec.Struct, frozen=True):
    """What `doctor` found."""

    read_report: ReadReport
    counts: CallCounts
    coverage: Coverage
    account: Account | None
    lines: Sequence[CoverageRow]
    listed: bool = False
    """Whether the lines are of the services that the user named."""


def render_doctor_text(
    health: Health, *, show_all: bool = False, ascii_only: bool = False, width: int = WIDTH
) -> str:
    """Return the screen; with `show_all` it lists all data event types."""
    layout = Layout(width)
    lines = [
        *_logs(health, layout),
        *_trails(health, layout),
        "",
        *_table(health, layout, show_all=show_all),
        *_stages(health, layout, show_all=show_all),
        *_costs(health, layout),
        *_remedies(health, layout),
        *_refused(health, layout),
    ]
    return finished(lines, ascii_only=ascii_only)


def _logs(health: Health, layout: Layout) -> Iterator[str]:
    totals, window = health.counts.totals, health.coverage.window
    late = f", {totals.ignored[LATE]:,} of them after the window" if totals.ignored[LATE] else ""
    then = f"; the others {minute(totals.first)}" if late else f", {minute(totals.first)}"
    yield from layout.wrapped(
        "Logs      ",
        f"{pluralize(totals.records, 'record')} in {pluralize(health.read_report.files, 'file')}"
        f"{late}{then} to {minute(totals.last)} UTC, {pluralize(len(totals.regions), 'region')}, "
        f"{pluralize(len(totals.roles), 'role')}",
    )
    yield from layout.wrapped(
        "Window    ",
        f"{pluralize(window.days, 'day')}, {window.start} to {window.last_day}; "
        f"{health.coverage.days_with_events} with events",
    )
    if health.coverage.gaps:
        yield from layout.wrapped("          ", f"no event by anyone on {_few(health.coverage.gaps)}")
    for gap in health.read_report.gaps[:LISTED]:
        yield from layout.wrapped("          ", gap)
    yield from more(len(health.read_report.gaps), LISTED)


def _trails(health: Health, layout: Layout) -> Iterator[str]:
    if health.account is None:
        yield from layout.wrapped(
            "Trails    ", "not known, so data events count as not logged: give --snapshot FILE or --live"
        )
        return
    date = f", as of {health.account.generated_at}" if health.account.generated_at else ""
    yield from layout.wrapped(
        "Account   ", f"{health.account.account_id}, {pluralize(len(health.account.roles), 'role')}{date}"
    )
    if health.account.trails is None:
        yield "Trails    not read"
    elif not health.account.trails:
        yield "Trails    none"
    for trail in health.account.trails or ():
        yield from layout.wrapped("Trail     ", _trail(trail))
    for gap in health.coverage.stopped:
        yield from layout.wrapped(
            "          ", f"{gap.trail} did not log from {minute(gap.start)} to {minute(gap.end)}"
        )


def _trail(trail: Trail) -> str:
    where = "all regions" if trail.multi_region else f"{trail.home_region} only"
    state = {True: "logs", False: "does not log", None: "status not read"}[trail.logging]
    parts = [f"{trail.name}: {state}, {where}"]
    if trail.organization:
        parts.append("of the organization")
    if trail.started:
        parts.append(f"started {minute(trail.started)}")
    if trail.delivery_error:
        parts.append(f"fails to deliver: {trail.delivery_error}")
    return ", ".join(parts)


def _table(health: Health, layout: Layout, *, show_all: bool) -> Iterator[str]:
    yield "What the logs can show"
    lines = list(health.lines)
    whole = show_all or health.listed
    shown = (
        lines
        if whole
        else [line for line in lines if line.kind != "data" or line.state == "on" or line.events]
    )
    for line in shown:
        since = f"since {line.since}" if line.since else ""
        seen = f"{pluralize(line.events, 'event')} read" if line.events else ""
        name = f"{line.kind} {line.name}" if line.kind != "regions" else line.name
        state = f"{line.state}{f', {since}' if since else ''}{f', {seen}' if seen else ''}"
        yield layout.right(f"  {_SIGNS[line.state]} {name}", state)
    if hidden := [line.name for line in lines if line not in shown]:
        known = health.coverage.trails is not None
        state = "not logged, or in part" if known else "not known whether logged"
        yield from layout.wrapped(
            f"  {'✘' if known else '?'} ",
            f"data events of {pluralize(len(hidden), 'type')}: {state}: {_few(hidden)} (--details lists them)",
            "    ",
        )


def _stages(health: Health, layout: Layout, *, show_all: bool) -> Iterator[str]:
    """Say which stages of APIs log who calls which method from where; the commands are too long for a screen."""
    logs = _stage_logs(health)
    if not logs:
        return
    yield ""
    yield "What the access logs of APIs can show"
    listed = logs if show_all else sorted(logs, key=lambda one: not one.missing)[:_STAGES]
    for one in listed:
        state = "on" if not one.missing else "partly" if one.logged else "off"
        name = f"{_clipped(one.api)} {_clipped(one.stage)}"
        yield from layout.wrapped(f"  {_SIGNS[state]} ", f"{name}: {_answers(one)}", "    ")
    yield from more(len(logs), len(listed))
    if any(one.command for one in logs):
        text = "-f json has the command that makes a stage log all of it. It changes the stage, and logs cost"
        yield from layout.wrapped("  ", f"{text} money.")


_STAGES = 3 * LISTED
"""Stages that are listed; those that show less come first."""
_NAME = 30
"""Most columns of the name of an API or a stage."""


def _stage_logs(health: Health) -> list[StageLog]:
    return stage_logs(health.account.gateway.apis or ()) if health.account else []


def _clipped(name: str) -> str:
    shown = escape_controls(name)
    return shown if len(shown) <= _NAME else f"{shown[: _NAME - 1]}…"


def _answers(log: StageLog) -> str:
    if not log.logged:
        return "no access log"
    return ", ".join([*log.answers, *(f"not {one}" for one in log.missing)])


def _costs(health: Health, layout: Layout) -> Iterator[str]:
    """Say what data events cost a month, as they were read, and what decides it where they are off."""
    price, costs = data_event_price(), monthly_costs(health.coverage, health.lines)
    off = [line for line in health.lines if line.kind == "data" and line.state == "off"]
    if not costs and not off:
        return
    yield ""
    yield f"What data events cost: {dollars(price.dollars)} per {price.events:,}, for each trail"
    for one in costs:
        yield layout.right(
            f"  {one.data_type}", f"{pluralize(one.events, 'event')} a month: {dollars(one.dollars)}"
        )
    if costs:
        days = min(one.days for one in costs)
        measured = f"counted over {pluralize(days, 'day')} of the log"
        yield from layout.wrapped("  ", f"{measured}, all callers; S3 storage not included")
    for line in off if health.listed else ():
        if metric := metric_of(line.name):
            text = f"{line.name} is off; CloudWatch counts its calls as {metric}"
            yield from layout.wrapped("  ", text, "    ")
    if off:
        million = (
            f"data events that are off would cost {dollars(price.of(1_000_000))} per million calls a month"
        )
        more = "" if health.listed else "; --service NAME says how to count them"
        yield from layout.wrapped("  ", million + more)
    yield f"  {price.source}"


def dollars(amount: float) -> str:
    """Return an amount for people, ``$1,234.56``; below a cent it says so."""
    return "under $0.01" if 0 < amount < 0.01 else f"${amount:,.2f}"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")


def _remedies(health: Health, layout: Layout) -> Iterator[str]:
    """Print one command that turns on what is off and was asked for; it changes the account's trail."""
    lines = [line for line in health.lines if line.kind != "data" or health.listed]
    command = one_command(health.coverage, lines)
    wider = next((line.command for line in health.lines if line.kind == "regions" and line.command), "")
    if command or wider:
        yield ""
        yield from layout.wrapped(
            "", "To see more, run this. It changes what the trail logs, and data events cost money:", "  "
        )
        for text in filter(None, (wider, command)):
            yield from _pasted(text, layout)
    elif not health.listed and any(line.command for line in health.lines):
        yield ""
        yield from layout.wrapped(
            "", "Add --service NAME or --role NAME to get the command that turns data events on.", "  "
        )


def _pasted(command: str, layout: Layout) -> Iterator[str]:
    """Render a command of AWS in lines that a shell takes as one; a note after it stands before it."""
    line, _, note = command.partition("  # ")
    yield from layout.wrapped("  # ", note, "  # ") if note else ()
    found = _WITH_JSON.fullmatch(line)
    if not found:
        yield from layout.command("  ", line)
        return
    *lead, last = layout.command("  ", found["options"].rstrip())
    yield from (*lead, f"{last} \\")
    first, *others = broken_json(found["json"], layout.width - 6)
    ends = [f"    '{first}", *(f"     {text}" for text in others)]
    yield from (*ends[:-1], f"{ends[-1]}'")


_WITH_JSON = re.compile(r"(?P<options>[^']+)'(?P<json>\[[^']*\])'")


def broken_json(text: str, width: int) -> list[str]:
    """Return JSON in lines of a width, which break after a comma; no string is broken."""
    lines = [""]
    for token in re.findall(r'(?:"(?:[^"\\]|\\.)*"|[^",])+,?', text):
        if lines[-1] and len(lines[-1]) + len(token) > width:
            lines.append("")
        lines[-1] += token
    return lines


def _refused(health: Health, layout: Layout) -> Iterator[str]:
    errors = health.account.errors if health.account else ()
    if not errors:
        return
    yield ""
    yield f"AWS denied policygen ({len(errors)})"
    for error in errors[:LISTED]:
        yield from layout.wrapped(
            "  ✘ ", f"{error.operation} {error.region}: {error.code}".replace("  ", " "), "    "
        )
    yield from more(len(errors), LISTED)
    yield "  policygen permissions prints the policy that policygen needs"


def render_doctor_json(health: Health) -> str:
    """Return the findings as one JSON object with sorted keys, every command included."""
    return visible_json(json.dumps(doctor_dict(health), indent=2, sort_keys=True, ensure_ascii=False)) + "\n"


def doctor_dict(health: Health) -> dict[str, Any]:
    """Return the findings as plain values."""
    window = health.coverage.window
    costs = {one.data_type: round(one.dollars, 4) for one in monthly_costs(health.coverage, health.lines)}
    return {
        "window": {"start": window.start, "end": window.end, "days": window.days},
        "records": health.counts.totals.records,
        "files": health.read_report.files,
        "first": health.counts.totals.first,
        "last": health.counts.totals.last,
        "regions": sorted(health.counts.totals.regions),
        "roles": len(health.counts.totals.roles),
        "days_with_events": health.coverage.days_with_events,
        "days_without_events": list(health.coverage.gaps),
        "incomplete": list(health.read_report.gaps),
        "account": health.account.account_id if health.account else None,
        "trails": None if health.coverage.trails is None else list(health.coverage.trails),
        "stopped": [
            {"trail": gap.trail, "start": gap.start, "end": gap.end} for gap in health.coverage.stopped
        ],
        "can_show": [
            {
                "kind": line.kind,
                "name": line.name,
                "service": line.service,
                "state": line.state,
                "since": line.since,
                "events": line.events,
                "dollars_a_month": costs.get(line.name) if line.kind == "data" else None,
                "counted_by": metric_of(line.name),
                "command": line.command,
            }
            for line in health.lines
        ],
        "api_stages": _stage_rows(health),
        "data_event_price": data_event_price()._asdict(),
        "command": one_command(
            health.coverage, [line for line in health.lines if line.kind != "data" or health.listed]
        ),
        "refused": [
            {"operation": error.operation, "region": error.region, "code": error.code}
            for error in (health.account.errors if health.account else ())
        ],
    }


def _stage_rows(health: Health) -> list[dict[str, Any]] | None:
    """Return the stages of APIs; None where APIs were not read."""
    if health.account is None or health.account.gateway.apis is None:
        return None
    return [msgspec.to_builtins(one) for one in _stage_logs(health)]
