"""policygen check: compares policies with what the role did, and fails for findings of a level."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, cast

import typer

from policygen.cli.gate_input import (
    GateInput,
    given_about_logs,
    refuse_beside_write_roles,
    refuse_kind,
    refuse_mixed,
    words_of_comparison,
)
from policygen.cli.inputs import message_sink
from policygen.cli.option_groups import (
    DecisionInput,
    DigestInput,
    LogInput,
    ReadInput,
    RoleWindowInput,
    WitnessInput,
    with_option_groups,
)
from policygen.cli.options import (
    IncompleteOption,
    QuietOption,
    RoleOption,
    SummaryOption,
    format_option,
)
from policygen.cli.screen import Color, ColorOption
from policygen.cli.several_accounts import AccountsInput
from policygen.report.findings.report import FORMATS

if TYPE_CHECKING:
    from policygen.gate.report import FindingsReport
    from policygen.gate.repository.subjects import Checked, Unchecked
    from policygen.iam.resource_policy import Kind


@dataclass(frozen=True)
class CheckDecisionInput(DecisionInput):
    """What a person decided, without ``--keep`` and ``--drop``: the policies are checked as they are."""

    keep: list[str] | None = field(default=None, init=False)
    drop: list[str] | None = field(default=None, init=False)


@with_option_groups
def command(
    *,
    ctx: typer.Context,
    policies: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="POLICY",
            help="Policy files, and ARNs of attached policies, that apply together; - reads standard input.",
            show_default="those of policygen.toml",
        ),
    ] = None,
    role: RoleOption = "",
    kind: Annotated[
        str,
        typer.Option(
            "--kind",
            metavar="permissions|trust|resource",
            help="What POLICY is: permissions of the role, its trust policy, or an API's resource policy.",
            rich_help_panel="Input",
        ),
    ] = "permissions",
    api: Annotated[
        str,
        typer.Option(
            "--api",
            metavar="API",
            help="Id or name of the API whose resource policy POLICY is.",
            rich_help_panel="Input",
        ),
    ] = "",
    gate: GateInput,
    logs: LogInput,
    window: RoleWindowInput,
    account: AccountsInput,
    witnesses: WitnessInput,
    format_: Annotated[str, format_option(*FORMATS)] = "text",
    export: Annotated[
        list[Path] | None,
        typer.Option(
            "--export",
            metavar="FILE",
            help="Also write FILE: .md, .sarif, .xml or .json. Repeatable.",
            rich_help_panel="Output",
        ),
    ] = None,
    summary: SummaryOption = False,
    allow_incomplete: IncompleteOption = False,
    decisions: CheckDecisionInput,
    digests: DigestInput,
    read: ReadInput,
    color: ColorOption = Color.AUTO,
    quiet: QuietOption = False,
) -> None:
    """Check policies against what the role did; fail on findings.

    Findings are: calls that would be denied, permissions that are not needed, and what the logs can't tell.

    policygen check orders.json --plan orders-api

    policygen check orders.json -r orders-api -l ./trail -s account.json

    policygen check trust.json --kind trust -r ci -l ./trail -s account.json

    policygen check orders-api.json --kind resource --api orders -s account.json

    policygen check trust.json --kind trust --plan ci
    """
    from policygen.cli.console import log_line
    from policygen.cli.output import add_to_summary, summary_file
    from policygen.files import check_writable, write_file
    from policygen.gate.repository.base_branch import files_of_base
    from policygen.gate.run import gate_options, gate_reports, write_baseline
    from policygen.report.findings.report import render
    from policygen.report.formats import format_of, require_format

    notify = message_sink(quiet=quiet)
    if gate.write_roles:
        from policygen.gate.repository.write_roles import write_roles

        refuse_beside_write_roles(gate, kind, role or api, given_about_logs(ctx))
        write_roles(gate.plan or (), gate.plans, policies or (), notify, log_line)
        return
    refuse_kind(kind, gate, account, role=role, api=api)
    refuse_mixed(gate, role or api, policies or [], given_about_logs(ctx))
    if gate.before is not None:
        folder = Path(ctx.with_resource(TemporaryDirectory()))
        roles = bool(gate.plan or gate.every) and not policies
        base = files_of_base(gate.before, gate.baseline, folder, log_line, roles=roles)
        gate = replace(gate, **base._asdict())
    options = gate_options(
        gate.fail_on,
        gate.baseline,
        gate.baseline_before,
        before=gate.before or "",
        notes=gate.notes,
        max_plan_age=gate.max_plan_age,
        every=gate.every,
        words=shlex.join(words_of_comparison(ctx)),
    )
    require_format(format_, FORMATS)
    exports = [(path, require_format(format_of(str(path)), FORMATS)) for path in export or ()]
    for path, _ in exports:
        check_writable(path)
    step = summary_file() if summary else None

    def subjects() -> Iterator[Checked | Unchecked]:
        if kind in {"trust", "resource"} and gate.plan:
            from policygen.gate.principals import planned_subject

            yield planned_subject(cast("Kind", kind), policies or [], gate.plan[0], gate.plans)
        elif kind == "trust":
            from policygen.cli.check_logs import trust_subject

            yield trust_subject(
                policies or [], role, logs, window, account.snapshots, decisions, digests, read,
                allow_incomplete=allow_incomplete, quiet=quiet,
            )  # fmt: skip
        elif kind == "resource":
            from policygen.cli.check_logs import resource_subject

            yield resource_subject(
                policies or [], api, logs, window, account.snapshots, decisions,
                allow_incomplete=allow_incomplete, quiet=quiet,
            )  # fmt: skip
        elif gate.plan:
            from policygen.gate.by_plan import subjects_named

            yield from subjects_named(gate.plan, policies or [], role, gate.plans, gate.roles_before)
        elif gate.every:
            from policygen.gate.by_plan import every_subject

            yield from every_subject(gate.plans, gate.roles_before)
        else:
            from policygen.cli.check_logs import role_subject

            yield role_subject(
                policies or [], role, logs, window, account, witnesses, decisions, digests, read,
                allow_incomplete=allow_incomplete, quiet=quiet,
            )  # fmt: skip

    if gate.write_baseline:
        kept = [one for one in (gate.baseline, gate.baseline_before) if one]
        notify(write_baseline(gate.write_baseline, list(subjects()), kept, denied_too=gate.accept_denied))
        return
    reports, errors = gate_reports(subjects(), options, log_line)
    for path, name in exports:
        write_file(path, render(name, *reports))
        notify(f"wrote {path} ({name})")
    if step:
        notify(add_to_summary(step, [render("markdown", *reports)]))
    if format_ == "github" or not all(report.error and not report.unplanned for report in reports):
        _write(reports, format_, color)
    for error in errors[1:]:
        log_line(f"error: {error.message}  {error.code}")
    if errors:
        raise errors[0]
    if any(report.failed for report in reports):
        raise typer.Exit(1)


def _write(reports: Sequence[FindingsReport], format_: str, color: Color) -> None:
    """Write the reports to stdout."""
    from policygen.cli.screen import write_formatted
    from policygen.report.findings.report import render

    write_formatted(render(format_, *reports), format_, color)
