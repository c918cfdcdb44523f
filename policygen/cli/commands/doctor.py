"""policygen doctor: shows what this account's logs can show, and what policygen may read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import typer

from policygen.cli.inputs import message_sink, open_account, open_logs, read_options
from policygen.cli.option_groups import (
    AccountInput,
    DigestInput,
    LogInput,
    ReadInput,
    RoleInput,
    WindowInput,
    with_option_groups,
)
from policygen.cli.options import DetailsOption, IncompleteOption, QuietOption, format_option
from policygen.cli.screen import Color, ColorOption


@dataclass(frozen=True)
class DoctorAccountInput(AccountInput):
    """The account as it is today, read from AWS only with ``--live``, and then without what says nothing of trails."""

    live: Annotated[bool, typer.Option("--live", help="Read trails and roles from AWS (read-only).")] = False
    last_accessed: bool = field(default=False, init=False)
    inventory: bool = field(default=False, init=False)


@with_option_groups
def command(
    *,
    role: RoleInput,
    logs: LogInput,
    window: WindowInput,
    account: DoctorAccountInput,
    services: Annotated[
        list[str] | None,
        typer.Option(
            "--service",
            metavar="SERVICE",
            help="Only data events of a service. Repeatable.",
            rich_help_panel="Output",
        ),
    ] = None,
    format_: Annotated[str, format_option("text", "json")] = "text",
    allow_incomplete: IncompleteOption = False,
    show_all: DetailsOption = False,
    digests: DigestInput,
    read: ReadInput,
    color: ColorOption = Color.AUTO,
    quiet: QuietOption = False,
) -> None:
    """Show what the logs can confirm, and how to make them show more.

    policygen doctor -l ./trail -s account.json --service s3 --service dynamodb
    """
    from policygen.account.current import current_access
    from policygen.cli.output import write_stdout
    from policygen.cli.screen import screen_width, write_screen
    from policygen.evidence.coverage.table import coverage_rows
    from policygen.evidence.function_role import role_of_function
    from policygen.evidence.observe import collect_coverage
    from policygen.report.formats import require_format
    from policygen.report.terminal.doctor import Health, render_doctor_json, render_doctor_text

    require_format(format_, ("json", "text"))
    wanted = role.name
    observe = window.observe(allow_incomplete=allow_incomplete)
    notify = message_sink(quiet=quiet)
    current = open_account(account, notify)
    source = open_logs(logs, account.profile, read, digests, notify)
    with read_options(read, quiet=quiet) as options:
        if current and wanted:
            wanted = role_of_function(current, wanted) or wanted
        report, counts, coverage = collect_coverage(
            source, observe, account=current, role=wanted, read=options
        )
    listed = set(services or ())
    if current and wanted and not listed:
        listed = current_access(current.role(wanted), current, allow_incomplete=True).services()
    rows = coverage_rows(coverage, listed)
    health = Health(report, counts, coverage, current, rows, listed=bool(listed))
    if format_ == "json":
        write_stdout(render_doctor_json(health), utf8=True)
    else:
        write_screen(render_doctor_text(health, show_all=show_all, width=screen_width()), color)
