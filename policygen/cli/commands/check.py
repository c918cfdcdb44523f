"""policygen check: compares policies with what the role did, and fails for findings of a level."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
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
from policygen.cli.inputs import (
    message_sink,
    open_account,
    open_decisions,
    open_logs,
    open_traces,
    read_options,
    with_witnesses,
)
from policygen.cli.named_role import for_role
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
    from policygen.cli.gate import GateOptions
    from policygen.cli.gate_subjects import Checked, GateSubject, Unchecked
    from policygen.iam.resource_policy import Kind
    from policygen.report.findings.report import FindingsReport
    from policygen.rightsize.check.findings import Level


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
    from policygen.cli.base_branch import of_base_branch
    from policygen.cli.console import log_line
    from policygen.cli.gate_run import gate_reports, write_baseline
    from policygen.cli.output import add_to_summary, summary_file
    from policygen.files import check_writable, write_file
    from policygen.report.findings.report import render
    from policygen.report.formats import format_of, require_format

    notify = message_sink(quiet=quiet)
    if gate.write_roles:
        from policygen.cli.write_roles import write_roles

        refuse_beside_write_roles(gate, kind, role or api, given_about_logs(ctx))
        write_roles(gate.plan or (), gate.plans, policies or (), notify, log_line)
        return
    refuse_kind(kind, gate, account, role=role, api=api)
    refuse_mixed(gate, role or api, policies or [], given_about_logs(ctx))
    folder = ctx.with_resource(TemporaryDirectory()) if gate.before is not None else ""
    gate = of_base_branch(gate, Path(folder), roles=bool(gate.plan or gate.every) and not policies)
    options = _options(gate, shlex.join(words_of_comparison(ctx)))
    require_format(format_, FORMATS)
    exports = [(path, require_format(format_of(str(path)), FORMATS)) for path in export or ()]
    for path, _ in exports:
        check_writable(path)
    step = summary_file() if summary else None

    def subjects() -> Iterator[Checked | Unchecked]:
        if kind in {"trust", "resource"} and gate.plan:
            from policygen.cli.principal_gate import planned_subject

            yield planned_subject(cast("Kind", kind), policies or [], gate.plan[0], gate.plans)
        elif kind == "trust":
            from policygen.cli.principal_gate import trust_subject

            yield trust_subject(
                policies or [], role, logs, window, account.snapshots, decisions, digests, read,
                allow_incomplete=allow_incomplete, quiet=quiet,
            )  # fmt: skip
        elif kind == "resource":
            from policygen.cli.principal_gate import resource_subject

            yield resource_subject(
                policies or [], api, logs, window, account.snapshots, decisions,
                allow_incomplete=allow_incomplete, quiet=quiet,
            )  # fmt: skip
        elif gate.plan or gate.every:
            yield from _from_plans(policies or [], role, gate)
        else:
            yield _from_logs(
                policies or [], role, logs, window, account, witnesses, decisions, digests, read,
                allow_incomplete=allow_incomplete, quiet=quiet,
            )  # fmt: skip

    if gate.write_baseline:
        kept = [one for one in (gate.baseline, gate.baseline_before) if one]
        notify(write_baseline(gate.write_baseline, list(subjects()), kept, denied_too=gate.accept_denied))
        return
    reports, errors = gate_reports(subjects(), options)
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


def _options(gate: GateInput, words: str) -> GateOptions:
    """Return what fails the gate, and read the baseline.

    Args:
        gate: the options.
        words: as `FindingsReport` has them.

    Raises:
        UsageError: PG-E218, there is no such level; PG-E246, a baseline cannot be read; PG-E248, the older one alone;
            PG-E247, as `read_role_map`.
    """
    from policygen.cli.gate import GateOptions
    from policygen.cli.gate_run import read_baselines, today
    from policygen.cli.role_map import unread_beside
    from policygen.text import escape_controls

    level = _level(gate.fail_on)
    pages = os.environ.get("POLICYGEN_RULES_URL", "").rstrip("/")
    return GateOptions(
        level,
        gate.notes,
        read_baselines(gate.baseline, gate.baseline_before),
        escape_controls(str(gate.baseline or "")),
        escape_controls(gate.before or str(gate.baseline_before or "")),
        pages,
        today(),
        gate.max_plan_age,
        unread_beside() if gate.every else (),
        gate.every,
        words,
    )


def _level(fail_on: str) -> Level | None:
    """Return the level from which a finding fails the gate; None for never.

    Raises:
        UsageError: PG-E218, there is no such level.
    """
    from policygen.errors import no_such
    from policygen.rightsize.check.findings import LEVELS
    from policygen.text import escape_controls

    if fail_on not in {*LEVELS, "never"}:
        known = ("error", "warning", "note", "never")
        raise no_such(f"--fail-on is {escape_controls(fail_on)[:40]!r}", fail_on, known, code="PG-E218")
    return None if fail_on == "never" else cast("Level", fail_on)


def _from_plans(policies: Sequence[Path], role: str, gate: GateInput) -> Iterator[Checked | Unchecked]:
    """Yield the roles of the plans, or every role of the configuration, and what stands beside their files.

    Raises:
        UsageError: PG-E247, the configuration names no role, or one role twice; as `read_older_role_map`.
        NothingFoundError: PG-E349, there is no plan at all.
    """
    from policygen.cli.gate import account_of_plan, by_plan, without_table
    from policygen.cli.gate_subjects import GateSubject
    from policygen.cli.other_templates import OtherTemplates, UnlistedRoles
    from policygen.cli.plans import require_plans
    from policygen.cli.role_map import (
        GateRole,
        read_older_role_map,
        read_role_map,
        unnamed_policies,
        wrong_role_map,
    )
    from policygen.cli.taken_out import of_same_role, removed_roles
    from policygen.cli.unnamed_policies import UnnamedFiles

    older = read_older_role_map(gate.roles_before) if gate.roles_before else []
    if not gate.every:
        roles = [GateRole("", policies, configured=False)] if policies else read_role_map()
        tables, beside = ([], []) if policies else (roles, unnamed_policies())
        others = OtherTemplates(tables, beside, lambda name: account_of_plan(name, gate.plans))
        for text in gate.plan or ():
            yield by_plan(text, gate.plans, role, roles, () if policies else older, others)
        return
    roles = read_role_map()
    if not (roles or older):
        raise wrong_role_map("", "there is no [[role]]", "of saved plans: policygen check --write-roles")
    if any(one.planned for one in roles):
        require_plans(gate.plans)
    others = OtherTemplates(roles, unnamed_policies(), lambda name: account_of_plan(name, gate.plans))
    unlisted = UnlistedRoles(others)
    checked = set[tuple[str, str]]()
    for number, one in enumerate(roles):
        own = [one._replace(name="")]
        subject = by_plan(one.name, gate.plans, "", own, of_same_role(older, one), others)
        if (
            subject.account,
            subject.role,
        ) in checked:  # each would be checked without what the other one grants
            shown = f"role[{number}].name {one.name!r} is {subject.role}, which is there before"
            raise wrong_role_map("", shown)
        checked.add((subject.account, subject.role))
        if isinstance(subject, GateSubject):
            named = (one for one in subject.sources if one.name not in others.beside)
            unlisted.see(subject.account, named)
        yield subject
    unnamed = UnnamedFiles(others)
    unlisted.see(others.account, unnamed.templates)
    yield from unlisted.subjects()
    yield from unnamed.subjects()
    yield from (without_table(one, gate.plans) for one in removed_roles(older, roles))


def _from_logs(
    policies: Sequence[Path],
    role: str,
    logs: LogInput,
    window: RoleWindowInput,
    account: AccountsInput,
    witnesses: WitnessInput,
    decisions: DecisionInput,
    digests: DigestInput,
    read: ReadInput,
    *,
    allow_incomplete: bool,
    quiet: bool,
) -> GateSubject:
    """Read the logs and the account."""
    from policygen.cli.gate import of_evidence
    from policygen.cli.gate_policies import context_of_account, policies_of_role
    from policygen.cli.output import summarise
    from policygen.cli.role_map import GateRole, configured_role, read_role_map
    from policygen.evidence.observe import collect_evidence
    from policygen.rightsize.check.from_logs import check_basis

    notify = message_sink(quiet=quiet)
    traces = open_traces(witnesses)
    observe = window.observe(allow_incomplete=allow_incomplete, accepted=decisions.accepted, traces=traces)
    decided = open_decisions(decisions)
    files = account.snapshots or (None,)
    current = open_account(account.live_by_default(logs).of_file(files[0]), notify, role)
    roles = [GateRole("", policies, configured=False)] if policies else read_role_map()
    sources = policies_of_role(context_of_account(current, role), roles)
    current = with_witnesses(current, witnesses, traces, notify)
    source = open_logs(logs, account.profile, read, digests, notify)
    with read_options(read, quiet=quiet) as options:
        evidence = for_role(
            role,
            current,
            source,
            options,
            lambda name: collect_evidence(source, name, observe, account=current, read=options),
        )
    if not quiet:
        summarise(evidence)
    subject = of_evidence(evidence, sources, check_basis(evidence, decided, datetime.now(UTC).date()))
    name, held_by = subject.role, subject.account
    return subject._replace(table=configured_role(roles, name, held_by))


def _write(reports: Sequence[FindingsReport], format_: str, color: Color) -> None:
    """Write the reports to stdout."""
    from policygen.cli.screen import write_formatted
    from policygen.report.findings.report import render

    write_formatted(render(format_, *reports), format_, color)
