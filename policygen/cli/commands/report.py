"""policygen report: renders saved plans in any format, without logs and without AWS."""

from __future__ import annotations

from collections.abc import Sequence
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
            help="Names of roles with a saved plan, plan files, or folders of plans.",
            autocompletion=complete_role,
        ),
    ],
    output: PlanOutput,
    account: Annotated[
        str,
        typer.Option("--account", metavar="ID", help="Only plans of an account.", rich_help_panel="Input"),
    ] = "",
    show_all: DetailsOption = False,
    plans: PlansOption = None,
    color: ColorOption = Color.AUTO,
    quiet: QuietOption = False,
) -> None:
    """Print saved plans in any format, without logs or AWS.

    policygen report orders-api -f terraform > orders-api.tf

    policygen report out/plans -f sarif > policygen.sarif
    """
    from policygen.cli.output import (
        add_to_summary,
        ascii_only,
        plan_targets,
        report_losses,
    )
    from policygen.cli.plans import find_plan, told_of
    from policygen.cli.screen import screen_width, write_formatted
    from policygen.errors import UsageError
    from policygen.files import write_file
    from policygen.report.formats import render, render_all
    from policygen.report.iac.aws_cli_roles import left_out_message
    from policygen.text import escape_controls

    targets = plan_targets(output, quiet=quiet)
    found = _of_account([plan for text in saved for plan in find_plan(text, plans)], account)
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
    try:
        files = [(path, kind, render(kind, found[0], **options)) for path, kind in targets.exports]
        pages = [render("markdown", one) for one in found] if targets.step else []
        text = ""
        if targets.format_:
            text = render_all(targets.format_, found, show_all=show_all, width=screen_width())
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        # A plan that policygen saved raises none of these; an edited one may raise any.
        names = ", ".join(escape_controls(text) for text in saved[:3])
        raise UsageError(
            f"a plan cannot be rendered: {names}: {escape_controls(str(error))[:80]} ({type(error).__name__})",
            "it was changed after suggest or batch saved it: make it again",
            code="PG-E270",
        ) from None
    for path, kind, written in files:
        write_file(path, written)
        notify(f"wrote {path} ({kind})")
    if targets.step:
        notify(add_to_summary(targets.step, pages))
    if targets.format_:
        write_formatted(text, targets.format_, color)
    if targets.format_ == "aws-cli" and (left_out := left_out_message(found)):
        notify(left_out)
    losses = [(plan.role.name, one) for plan in found for one in plan.decisions.losses]
    report_losses(losses, although_used=True)  # the plan was made like this; whoever renders it has to know


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
