"""policygen report: renders saved plans in any format, without logs and without AWS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policygen.cli.completion import complete_role
from policygen.cli.inputs import message_sink
from policygen.cli.option_groups import PlanOutput, with_option_groups
from policygen.cli.options import DetailsOption, PlansOption, QuietOption
from policygen.cli.screen import Color, ColorOption

if TYPE_CHECKING:
    from policygen.plan.model import Plan


@with_option_groups
def command(
    *,
    saved: Annotated[
        list[str],
        typer.Argument(
            metavar="ROLE",
            help="Names of roles or APIs with a saved plan, plan files, or folders of plans.",
            autocompletion=complete_role,
        ),
    ],
    output: PlanOutput,
    account: Annotated[
        str,
        typer.Option("--account", metavar="ID", help="Only plans of an account.", rich_help_panel="Input"),
    ] = "",
    roles: Annotated[
        list[str] | None,
        typer.Option(
            "--role",
            "-r",
            metavar="NAME",
            help="Only plans of a role that you have looked at: -f aws-cli applies it whatever the answer. Repeatable.",
            rich_help_panel="Input",
        ),
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            "--kind",
            metavar="permissions|trust|api",
            help="What plan ROLE names: of a role's permissions, of its trust policy, or of an API.",
            show_default="permissions, or what the file holds",
            rich_help_panel="Input",
        ),
    ] = "",
    show_all: DetailsOption = False,
    plans: PlansOption = None,
    color: ColorOption = Color.AUTO,
    quiet: QuietOption = False,
) -> None:
    """Print saved plans in any format, without logs or AWS.

    policygen report orders-api -f terraform > orders-api.tf

    policygen report out/plans -f sarif > policygen.sarif

    policygen report out --role orders-api --role deploy-ci -f aws-cli > apply.sh

    policygen report deploy-ci --kind trust -f terraform
    """
    from policygen.cli.output import (
        add_to_summary,
        ascii_only,
        plan_targets,
        report_losses,
        unknown_today,
    )
    from policygen.cli.plans import told_of
    from policygen.cli.screen import screen_width, write_formatted
    from policygen.errors import UsageError
    from policygen.files import write_file
    from policygen.plan.saved import find_plan
    from policygen.report.formats import render, render_all
    from policygen.report.iac.aws_cli_roles import left_out_message
    from policygen.text import escape_controls

    if principal := _principal_kind(saved, kind):
        _report_principals(saved, principal, output, plans, color, quiet=quiet)
        return
    targets = plan_targets(output, quiet=quiet)
    found = _of_account([plan for text in saved for plan in find_plan(text, plans)], account)
    found = _of_roles(found, roles or ())
    if targets.exports and len(found) > 1:
        raise UsageError(
            f"--export takes one plan, and {len(found)} are given",
            "give one plan at a time, or read stdout",
            code="PG-E271",
        )
    options = {"show_all": show_all, "ascii_only": ascii_only()}
    notify = message_sink(quiet=quiet)
    if len(found) == 1:
        notify(told_of(found[0]))
    if warning := unknown_today(found, targets.format_):
        notify(warning)
    try:
        files = [(path, name, render(name, found[0], **options)) for path, name in targets.exports]
        pages = [render("markdown", one) for one in found] if targets.step else []
        text = ""
        if targets.format_:
            text = render_all(
                targets.format_, found, show_all=show_all, width=screen_width(), approved=bool(roles)
            )
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        # A plan that policygen saved raises none of these; an edited one may raise any.
        names = ", ".join(escape_controls(text) for text in saved[:3])
        raise UsageError(
            f"a plan cannot be rendered: {names}: {escape_controls(str(error))[:80]} ({type(error).__name__})",
            "it was changed after suggest or batch saved it: make it again",
            code="PG-E270",
        ) from None
    for path, name, written in files:
        write_file(path, written)
        notify(f"wrote {path} ({name})")
    if targets.step:
        notify(add_to_summary(targets.step, pages))
    if targets.format_:
        write_formatted(text, targets.format_, color)
    if targets.format_ == "aws-cli" and (left_out := left_out_message(found, approved=bool(roles))):
        notify(left_out)
    losses = [(plan.role.name, one) for plan in found for one in plan.decisions.losses]
    report_losses(losses, although_used=True)  # the plan was made like this; whoever renders it has to know


def _principal_kind(saved: Sequence[str], kind: str) -> str:
    """Return the kind of plan that is asked for; "" for a role's.

    Raises:
        UsageError: PG-E248, there is no such kind; PG-E271, several plans of policies that name principals.
    """
    from policygen.errors import UsageError, no_such
    from policygen.plan.saved import kind_of_file
    from policygen.text import escape_controls

    kinds = ("permissions", "trust", "api")
    if kind and kind not in kinds:
        raise no_such(f"--kind is {escape_controls(kind)[:40]!r}", kind, kinds, code="PG-E248")
    found = kind or (kind_of_file(saved[0]) if len(saved) == 1 else "")
    if found not in {"trust", "api"}:
        return ""
    if len(saved) > 1:
        raise UsageError(
            f"--kind {found} takes one plan, and {len(saved)} are given",
            "give one plan at a time",
            code="PG-E271",
        )
    return found


def _report_principals(
    saved: Sequence[str], kind: str, output: PlanOutput, plans: Path | None, color: Color, *, quiet: bool
) -> None:
    """Print the saved plan of a trust policy or an API."""
    from policygen.cli.output import plan_targets
    from policygen.cli.principal_plans import write_targets
    from policygen.plan.saved import find_api_plan, find_trust_plan
    from policygen.report.formats import API_FORMATS, TRUST_FORMATS, render_api, render_trust

    targets = plan_targets(output, quiet=quiet, formats=TRUST_FORMATS if kind == "trust" else API_FORMATS)
    notify = message_sink(quiet=quiet)
    if kind == "trust":
        trust = find_trust_plan(saved[0], plans)
        write_targets(targets, lambda name, width: render_trust(name, trust, width=width), color, notify)
    else:
        api = find_api_plan(saved[0], plans)
        write_targets(targets, lambda name, width: render_api(name, api, width=width), color, notify)


def _of_account(found: Sequence[Plan], account: str) -> list[Plan]:
    """Return the plans of the account that is asked for; "" asks for all."""
    from policygen.errors import UsageError
    from policygen.text import escape_controls

    chosen = [plan for plan in found if account in {"", plan.role.account}]
    if found and not chosen:
        accounts = sorted({escape_controls(plan.role.account) for plan in found})
        raise UsageError(
            f"no plan is of account {escape_controls(account)!r}",
            f"the plans are of: {', '.join(accounts)}",
            code="PG-E272",
        )
    return chosen


_NEAR = 5
"""Most names of roles that an error lists."""


def _of_roles(found: Sequence[Plan], names: Sequence[str]) -> list[Plan]:
    """Return the plans of the roles that are asked for; without a name, all.

    Raises:
        UsageError: PG-E272, there is no plan of such a role.
    """
    import difflib

    from policygen.errors import no_such
    from policygen.text import escape_controls

    known = {plan.role.name.lower(): plan.role.name for plan in found}
    for name in names:
        if name.lower() not in known:
            near = difflib.get_close_matches(name, known.values(), _NEAR) or sorted(known.values())[:_NEAR]
            raise no_such(f"no plan is of role {escape_controls(name)[:80]!r}", name, near, code="PG-E272")
    wanted = {name.lower() for name in names}
    return [plan for plan in found if not wanted or plan.role.name.lower() in wanted]
