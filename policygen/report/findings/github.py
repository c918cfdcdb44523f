"""Renders findings as workflow commands of GitHub Actions, which become annotations on lines.

Sources: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policygen.gate.findings import Finding
from policygen.gate.report import FindingsReport
from policygen.report.findings.places import by_place, more_here
from policygen.text import escape_controls

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}
_NAMED = 8
"""Newly accepted entries that an annotation names."""


def render(report: FindingsReport) -> str:
    """Return a line for each place and rule, the worst first, then the verdict; GitHub shows ten of a level and step.

    What fails the gate is an error there, whatever its own level.
    """
    return "".join(f"{line}\n" for line in _lines(report))


def _lines(report: FindingsReport) -> Iterator[str]:
    failing = {id(one) for one in report.failing}
    for members in by_place(report, report.shown):
        yield _line(members, "error" if id(members[0]) in failing else _COMMANDS[members[0].level])
    if report.newly:
        place = f"file={_property(report.baseline)},line=1,title=policygen baseline"
        told = f"{report.name}: {report.newly_accepted}: {'; '.join(report.newly[:_NAMED])}"
        told += f" and {len(report.newly) - _NAMED:,} more" if len(report.newly) > _NAMED else ""
        yield f"::warning {place}::{_data(escape_controls(told))}"
    if report.command == "check" and report.outcome != "passed":
        file = f"file={_property(report.place[0])},line={report.place[1]}," if report.place[0] else ""
        verdict = escape_controls(f"{report.name}: {report.verdict}")
        level = "warning" if report.unplanned else "error"
        yield f"::{level} {file}title=policygen gate {report.outcome}::{_data(verdict)}"
    for one in report.unchecked:
        yield f"::warning title=policygen gate not checked::{_data(escape_controls(f'{report.name}: {one}'))}"
    for one in report.unnamed:
        place = f"file={_property(one)},line=1,title=policygen gate not checked"
        yield f"::warning {place}::no [[role]] of policygen.toml names it: add it to the policy of its role"
    # In a plain line the runner looks for commands of an older kind, at any position.
    hidden = f"not shown: {report.hidden}" * bool(report.hidden)
    told = "; ".join(filter(None, (report.verdict, report.plan_text, report.accepted, hidden)))
    outcome = f"gate {report.outcome}, " if report.command == "check" else ""
    yield f"policygen {escape_controls(report.name)}: {outcome}{escape_controls(told)}".replace("##[", "# #[")


def _line(members: Sequence[Finding], command: str) -> str:
    first, more = members[0], more_here(members)
    place = f"file={_property(first.file)},line={first.place.line},col={first.place.column}"
    title = _property(f"{first.rule.id} {first.rule.title}")
    text = f"{first.subject}: {first.message}. Fix: {first.fix}.{f' {more}' if more else ''}"
    return f"::{command} {place},title={title}::{_data(escape_controls(text))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(escape_controls(text)).replace(":", "%3A").replace(",", "%2C")
