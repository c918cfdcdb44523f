"""policygen check: compares policies with what the role did, and fails for findings of a level."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from policygen.cli.inputs import (
    message_sink,
    open_account,
    open_decisions,
    open_logs,
    open_traces,
    read_options,
    with_witnesses,
)
from policygen.cli.option_groups import (
    AccountInput,
    DecisionInput,
    DigestInput,
    LogInput,
    ReadInput,
    WindowInput,
    WitnessInput,
    with_option_groups,
)
from policygen.cli.options import IncompleteOption, QuietOption, SummaryOption
from policygen.report.findings.report import FORMATS

if TYPE_CHECKING:
    from policygen.cli.gate import GateOptions, GateSubject
    from policygen.report.findings.report import FindingsReport
    from policygen.rightsize.check.findings import Level


@dataclass(frozen=True)
class CheckDecisionInput(DecisionInput):
    """What a person decided, without ``--keep`` and ``--drop``: the policies are checked as they are."""

    keep: list[str] | None = field(default=None, init=False)
    drop: list[str] | None = field(default=None, init=False)


@dataclass(frozen=True)
class GateInput:
    """What the policies are compared with where no logs are read, and what fails the gate."""

    plan: Annotated[
        Path | None,
        typer.Option("--plan", metavar="PLAN", help="Check offline: a saved plan, or a folder of plans."),
    ] = None
    every: Annotated[
        bool, typer.Option("--all", help="Check every [[role]] of policygen.toml by its plan; needs --plan.")
    ] = False
    fail_on: Annotated[
        str,
        typer.Option(
            "--fail-on",
            metavar="LEVEL",
            help="Fail at error, warning or note, or never.",
            show_default="error; warning with --baseline",
        ),
    ] = ""
    baseline: Annotated[
        Path | None,
        typer.Option("--baseline", metavar="FILE", help="Report only what this file does not accept."),
    ] = None
    write_baseline: Annotated[
        Path | None,
        typer.Option("--write-baseline", metavar="FILE", help="Accept all that is found today, and exit 0."),
    ] = None
    notes: Annotated[
        bool, typer.Option("--notes", help="Also show notes, and what the suggestion has too.")
    ] = False


@with_option_groups
def command(
    *,
    policies: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[POLICY]...",
            help="Policy documents, which hold together; - is standard input. Default: those of policygen.toml.",
            show_default=False,
        ),
    ] = None,
    role: Annotated[
        str,
        typer.Option("--role", "-r", metavar="ROLE", help="The role's name or ARN; with a plan, its role."),
    ] = "",
    gate: GateInput,
    logs: LogInput,
    window: WindowInput,
    account: AccountInput,
    witnesses: WitnessInput,
    format_: Annotated[
        str, typer.Option("--format", "-f", help=f"What stdout gets: {', '.join(FORMATS)}.")
    ] = "text",
    export: Annotated[
        list[Path] | None,
        typer.Option(
            "--export", metavar="FILE", help="Also write .md, .sarif, .xml (JUnit) or .json; repeatable."
        ),
    ] = None,
    summary: SummaryOption = False,
    allow_incomplete: IncompleteOption = False,
    decisions: CheckDecisionInput,
    digests: DigestInput,
    read: ReadInput,
    quiet: QuietOption = False,
) -> None:
    """Check policies against what the role did: what would break, what is unused, what is wider than today.

    policygen check iam/orders.json -r orders-api -l ./trail -s account.json --fail-on warning

    policygen check iam/orders.json --plan plans/orders-api.json

    policygen check --all --plan plans/ --baseline policygen-baseline.json
    """
    from policygen.cli.gate import report_of
    from policygen.cli.output import add_to_summary, summary_file
    from policygen.files import check_writable, write_file
    from policygen.report.findings.report import render
    from policygen.report.formats import format_of, require_format

    options = _options(gate)
    require_format(format_, FORMATS)
    exports = [(path, require_format(format_of(str(path)), FORMATS)) for path in export or ()]
    for path, _ in exports:
        check_writable(path)
    step = summary_file() if summary else None
    notify = message_sink(quiet=quiet)
    _refuse_mixed(gate, role, _given(logs, account, witnesses, decisions))

    def subjects() -> Iterator[GateSubject]:
        if gate.plan:
            yield from _from_plans(policies or [], role, gate, decisions)
        else:
            yield _from_logs(
                policies or [], role, logs, window, account, witnesses, decisions, digests, read,
                allow_incomplete=allow_incomplete, quiet=quiet,
            )  # fmt: skip

    if gate.write_baseline:
        notify(_write_baseline(gate.write_baseline, list(subjects())))
        return
    reports = [report_of(subject, options) for subject in subjects()]
    for path, kind in exports:
        write_file(path, render(kind, *reports))
        notify(f"wrote {path} ({kind})")
    if step:
        notify(add_to_summary(step, [render("markdown", *reports)]))
    _write(reports, format_)
    if any(report.failed for report in reports):
        raise typer.Exit(1)


def _options(gate: GateInput) -> GateOptions:
    """Return what fails the gate, and read the baseline.

    Raises:
        UsageError: PG-E218, there is no such level; PG-E246, the baseline cannot be read.
    """
    from policygen.cli.gate import GateOptions

    level = _level(gate.fail_on or ("warning" if gate.baseline else "error"))
    pages = os.environ.get("POLICYGEN_RULES_URL", "").rstrip("/")
    if not gate.baseline:
        return GateOptions(level, gate.notes, rules_url=pages)
    from policygen.rightsize.check.baseline import no_baseline, parse_baseline
    from policygen.text import escape_controls

    name = str(gate.baseline)
    try:
        text = gate.baseline.read_text("utf-8-sig")
    except OSError as error:
        raise no_baseline(name, error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise no_baseline(name, "it is not UTF-8") from None
    return GateOptions(level, gate.notes, parse_baseline(text, name), escape_controls(name), pages)


def _level(fail_on: str) -> Level | None:
    """Return the level from which a finding fails the gate; None for never.

    Raises:
        UsageError: PG-E218, there is no such level.
    """
    from policygen.errors import UsageError
    from policygen.rightsize.check.findings import LEVELS
    from policygen.text import escape_controls

    if fail_on not in {*LEVELS, "never"}:
        raise UsageError(
            f"--fail-on is {escape_controls(fail_on)[:40]!r}",
            "there are: error, warning, note, never",
            code="PG-E218",
        )
    return None if fail_on == "never" else cast("Level", fail_on)


def _given(
    logs: LogInput, account: AccountInput, witnesses: WitnessInput, decisions: DecisionInput
) -> list[str]:
    """Name the options that say how a plan is to be made, among those that were given."""
    options = {
        "--logs": logs.logs,
        "--snapshot": account.snapshot,
        "--live": account.live,
        "--traces": witnesses.traces,
        "--code": witnesses.code,
        "--accept": decisions.accept,
    }
    return [name for name, value in options.items() if value]


def _refuse_mixed(gate: GateInput, role: str, given: Sequence[str]) -> None:
    """Refuse options that exclude each other, or of which one is missing.

    Raises:
        UsageError: PG-E248.
    """
    from policygen.errors import UsageError

    if gate.plan and given:
        raise UsageError(
            f"--plan and {given[0]} exclude each other: the plan holds what was read and decided",
            f"leave {given[0]} out to check by the plan, or --plan to read the logs",
            code="PG-E248",
        )
    if gate.every and (role or not gate.plan):
        raise UsageError(
            "--all needs --plan, a folder with a plan of each role" if not role else "--all excludes --role",
            "policygen batch out/ -l LOGS -s account.json makes the plans; then: policygen check --all --plan out/",
            code="PG-E248",
        )
    if not (gate.plan or role):
        raise UsageError(
            "no role given",
            "name it, and its logs: policygen check POLICY -r ROLE -l LOGS -s account.json",
            "or a saved plan, which needs no logs: policygen check POLICY --plan PLAN",
            code="PG-E248",
        )


def _from_plans(
    policies: Sequence[Path], role: str, gate: GateInput, decisions: DecisionInput
) -> Iterator[GateSubject]:
    """Yield the role of the plan, or every role of policygen.toml."""
    from policygen.cli.gate import of_plan, plan_of, policies_of_role
    from policygen.cli.role_map import read_role_map
    from policygen.rightsize.decisions.model import FILE

    path = cast("Path", gate.plan)
    file = decisions.decisions or Path(FILE)
    if gate.every:
        mapped = read_role_map(file)
        for name, files in mapped.items():
            yield of_plan(plan_of(path, name), policies_of_role(files, name, {}))
        return
    plan = plan_of(path, role)
    mapped = {} if policies or not file.is_file() else read_role_map(file)
    yield of_plan(plan, policies_of_role(policies, plan.role.name, mapped))


def _from_logs(
    policies: Sequence[Path],
    role: str,
    logs: LogInput,
    window: WindowInput,
    account: AccountInput,
    witnesses: WitnessInput,
    decisions: DecisionInput,
    digests: DigestInput,
    read: ReadInput,
    *,
    allow_incomplete: bool,
    quiet: bool,
) -> GateSubject:
    """Read the logs and the account."""
    from policygen.cli.gate import of_evidence, policies_of_role
    from policygen.cli.output import summarise
    from policygen.evidence.observe import collect_evidence
    from policygen.rightsize.check.basis import check_basis

    notify = message_sink(quiet=quiet)
    sources = policies_of_role(policies, role, {})
    traces = open_traces(witnesses)
    observe = window.observe(allow_incomplete=allow_incomplete, accepted=decisions.accepted, traces=traces)
    decided = open_decisions(decisions)
    current = open_account(account.live_by_default(logs), notify, role)
    current = with_witnesses(current, witnesses, traces, notify)
    source = open_logs(logs, account.profile, read, digests, notify)
    with read_options(read, quiet=quiet) as options:
        evidence = collect_evidence(source, role, observe, account=current, read=options)
    if not quiet:
        summarise(evidence)
    return of_evidence(evidence, sources, check_basis(evidence, decided, datetime.now(UTC).date()))


def _write_baseline(path: Path, subjects: Sequence[GateSubject]) -> str:
    """Write a file that accepts all that is found today; return the message.

    Raises:
        UsageError: PG-E220, it cannot be written.
    """
    from policygen.files import check_writable, write_file
    from policygen.rightsize.check.baseline import baseline_text
    from policygen.text import escape_controls, pluralize

    check_writable(path)
    found = {subject.role: subject.findings() for subject in subjects}
    write_file(path, baseline_text(found))
    findings = pluralize(sum(map(len, found.values())), "finding")
    return f"{escape_controls(str(path))} accepts {findings} of {pluralize(len(found), 'role')}"


def _write(reports: Sequence[FindingsReport], format_: str) -> None:
    """Write the reports to stdout."""
    from policygen.cli.output import ascii_only, write_stdout
    from policygen.report.findings.report import render
    from policygen.report.terminal.layout import in_ascii

    text = render(format_, *reports)
    if format_ == "text" and ascii_only():
        text = in_ascii(text)
    write_stdout(text, utf8=format_ != "text")
