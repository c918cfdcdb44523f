"""The options of `policygen check` that are about the gate, and which of them go together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from policygen.cli.options import PlansOption
from policygen.cli.several_accounts import AccountsInput


@dataclass(frozen=True)
class GateInput:
    """What the policies are compared with where no logs are read, and what fails the gate."""

    PANEL: ClassVar[str] = "Output"

    plan: Annotated[
        list[str] | None,
        typer.Option(
            "--plan",
            metavar="PLAN",
            help="Check without logs, by a saved plan: its file, or the name of the role or API. Repeatable.",
            rich_help_panel="Input",
        ),
    ] = None
    every: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Check each [[role]] of policygen.toml without logs, by its saved plan.",
            rich_help_panel="Input",
        ),
    ] = False
    plans: PlansOption = None
    fail_on: Annotated[
        str,
        typer.Option(
            "--fail-on",
            metavar="error|warning|note|never",
            help="Lowest level that fails the gate.",
        ),
    ] = "warning"
    before: Annotated[
        str | None,
        typer.Option(
            "--before",
            metavar="REF",
            help="Compare with policygen.toml and the baseline of this git branch, as in a pull request.",
        ),
    ] = None
    baseline: Annotated[
        Path | None,
        typer.Option("--baseline", metavar="FILE", help="Report only what this file does not accept."),
    ] = None
    baseline_before: Annotated[
        Path | None,
        typer.Option(
            "--baseline-before",
            metavar="FILE",
            help="Count only what this older baseline accepts too, and name what is new.",
        ),
    ] = None
    roles_before: Annotated[
        Path | None,
        typer.Option(
            "--roles-before",
            metavar="FILE",
            help="Fail for what this older policygen.toml has checked and the new one has not.",
        ),
    ] = None
    write_baseline: Annotated[
        Path | None,
        typer.Option(
            "--write-baseline",
            metavar="FILE",
            help="Write a baseline of all that is found today; it keeps what --baseline accepts.",
        ),
    ] = None
    accept_denied: Annotated[
        bool,
        typer.Option("--accept-denied", help="With --write-baseline, accept calls that would be denied too."),
    ] = False
    write_roles: Annotated[
        bool,
        typer.Option(
            "--write-roles",
            help="Write a [[role]] for each saved plan that has none: its files, at or below POLICY, and ARNs.",
        ),
    ] = False
    max_plan_age: Annotated[
        int | None,
        typer.Option("--max-plan-age", metavar="DAYS", min=0, help="Refuse a plan that is older (exit 3)."),
    ] = None
    notes: Annotated[
        bool, typer.Option("--notes", help="Show notes too, and what the suggestion also has.")
    ] = False


_OF_LOGS = ("logs", "snapshots", "live", "traces", "code", "accept")
"""Options that say how a plan is made, by the names of their parameters."""


def given_about_logs(ctx: typer.Context) -> list[str]:
    """Name the options of `_OF_LOGS` that stand on the command line; what is configured is no contradiction."""
    sources = {name: getattr(ctx.get_parameter_source(name), "name", "") for name in _OF_LOGS}
    named = [name for name, source in sources.items() if source == "COMMANDLINE"]
    return [f"--{name.replace('snapshots', 'snapshot')}" for name in named]


_OF_OUTCOME = frozenset(
    (
        *(
            "fail_on",
            "before",
            "baseline",
            "baseline_before",
            "roles_before",
            "write_baseline",
            "accept_denied",
        ),
        *("write_roles", "max_plan_age", "notes", "format_", "export", "summary", "color", "quiet"),
    )
)
"""Options that change nothing of what is compared, by the names of their parameters."""


def words_of_comparison(ctx: typer.Context) -> list[str]:
    """Return the command line without the options of `_OF_OUTCOME`: what is compared with what."""
    words = ["policygen", str(ctx.info_name)]
    for param in sorted(ctx.command.params, key=lambda one: one.param_type_name):  # arguments first
        name = str(param.name)
        source = getattr(ctx.get_parameter_source(name), "name", "")
        if name in _OF_OUTCOME or source != "COMMANDLINE":
            continue
        value = ctx.params[name]
        option = [param.opts[0]] if param.param_type_name == "option" else []
        if getattr(param, "is_flag", False):
            words += option if value else param.secondary_opts[:1]
        else:
            values = value if isinstance(value, list | tuple) else [value]
            words += [word for one in values for word in (*option, str(one))]
    return words


KINDS = ("permissions", "trust", "resource")
"""What a policy under check may be."""


def refuse_kind(kind: str, gate: GateInput, account: AccountsInput, *, role: str, api: str) -> None:
    """Refuse a kind of policy that is not known, and what goes with one kind only.

    Raises:
        UsageError: PG-E248.
    """
    from policygen.errors import UsageError, no_such
    from policygen.text import escape_controls

    if kind not in KINDS:
        shown = escape_controls(kind)[:40]
        raise no_such(f"--kind is {shown!r}", kind, KINDS, code="PG-E248")
    wanted = kind == "resource" and not gate.plan
    if wanted != bool(api) or (kind == "resource" and role):
        given = "--kind resource without --api or --plan" if wanted else "--role" if role else "--api"
        raise UsageError(
            f"{given}: the resource policy of an API is checked by --kind resource, and --api or a plan",
            "policygen check POLICY --kind resource --api orders --snapshot account.json",
            code="PG-E248",
        )
    if kind != "permissions" and (gate.every or account.live or len(gate.plan or ()) > 1):
        other = "--all" if gate.every else "--live" if account.live else "several --plan"
        raise UsageError(
            f"--kind {kind} and {other} cannot be used together",
            "give one plan, --plan NAME; or the logs and a snapshot: --logs LOGS --snapshot account.json",
            code="PG-E248",
        )
    if kind == "trust" and gate.plan and role:
        raise UsageError(
            "--kind trust, --plan and --role cannot be used together: the plan is of one role",
            "leave --role out",
            code="PG-E248",
        )
    if kind == "permissions" and len(account.snapshots or ()) > 1:
        raise UsageError(
            "more than one --snapshot: permissions of a role are checked in its own account",
            "give that account's alone; --kind trust and resource take those of callers too",
            code="PG-E248",
        )


def refuse_mixed(gate: GateInput, role: str, policies: Sequence[Path], given: Sequence[str]) -> None:
    """Refuse options that cannot be used together, or of which one is missing.

    Raises:
        UsageError: PG-E248.
    """
    from policygen.errors import UsageError

    offline = "--plan" if gate.plan else "--all" if gate.every else ""
    if offline and given:
        raise UsageError(
            f"{offline} and {given[0]} cannot be used together: a plan holds what was read and decided",
            f"leave {given[0]} out to check by the plan, or {offline} to read the logs",
            code="PG-E248",
        )
    if gate.every and (role or gate.plan or policies):
        other = "--role" if role else "--plan" if gate.plan else "POLICY"
        raise UsageError(
            f"--all and {other} cannot be used together",
            "--all takes every role of policygen.toml, and its plan from --plans DIR",
            code="PG-E248",
            instead=(str(policies[0]), "") if len(policies) == 1 and other == "POLICY" else None,
        )
    if gate.before is not None and (gate.baseline_before or gate.roles_before):
        other = "--baseline-before" if gate.baseline_before else "--roles-before"
        raise UsageError(
            f"--before and {other} cannot be used together",
            "--before REF takes both files from git; give it alone",
            code="PG-E248",
        )
    if gate.roles_before and (policies or not offline):
        raise UsageError(
            f"--roles-before and {'POLICY' if policies else 'logs'} cannot be used together",
            "it compares what policygen.toml has checked: --all, or --plan without POLICY",
            code="PG-E248",
        )
    if gate.accept_denied and not gate.write_baseline:
        raise UsageError(
            "--accept-denied is about what --write-baseline writes, and that is missing",
            "give a file: --write-baseline policygen-baseline.json",
            code="PG-E248",
        )
    if len(gate.plan or ()) > 1 and (role or policies):
        raise UsageError(
            f"several --plan and {'--role' if role else 'POLICY'} cannot be used together",
            "policygen.toml says which policy each role has: [[role]]",
            code="PG-E248",
        )
    if not (offline or role):
        raise UsageError(
            "no role given",
            "a saved plan needs no logs: --plan ROLE",
            "or name the role and its logs: --role ROLE --logs LOGS --snapshot account.json",
            code="PG-E248",
        )


def refuse_beside_write_roles(gate: GateInput, kind: str, role: str, given: Sequence[str]) -> None:
    """Refuse what says nothing of the tables that ``--write-roles`` writes.

    Raises:
        UsageError: PG-E248.
    """
    from policygen.errors import UsageError

    named = {
        f"--kind {kind}": kind != KINDS[0],
        "--role": role,
        "--all": gate.every,
        "--baseline": gate.baseline,
        "--write-baseline": gate.write_baseline,
        "--roles-before": gate.roles_before,
    }
    others = [*(name for name, value in named.items() if value), *given]
    if others:
        raise UsageError(
            f"--write-roles and {others[0]} cannot be used together: it checks nothing, and reads saved plans alone",
            "policygen check --write-roles, for some of the roles --plan NAME",
            code="PG-E248",
        )
