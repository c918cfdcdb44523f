"""policygen roles: lists the roles that the logs and the account have."""

from __future__ import annotations

from typing import Annotated

from policygen.cli.inputs import message_sink, open_logs, read_options
from policygen.cli.option_groups import (
    DigestInput,
    LogInput,
    ReadInput,
    WindowInput,
    with_option_groups,
)
from policygen.cli.options import IncompleteOption, QuietOption, format_option
from policygen.cli.several_accounts import AccountsInput, open_accounts


@with_option_groups
def command(
    *,
    logs: LogInput,
    window: WindowInput,
    account: AccountsInput,
    format_: Annotated[str, format_option("text", "json")] = "text",
    allow_incomplete: IncompleteOption = False,
    digests: DigestInput,
    read: ReadInput,
    quiet: QuietOption = False,
) -> None:
    """List the roles of the logs and the accounts, with their calls.

    policygen roles --logs ./trail --snapshot account.json
    """
    from policygen.cli.output import write_stdout
    from policygen.cli.screen import screen_width
    from policygen.evidence.role_calls import collect_role_calls
    from policygen.report.formats import require_format
    from policygen.report.terminal.roles import render_roles_json, render_roles_text, role_rows

    require_format(format_, ("json", "text"))
    observe = window.observe(allow_incomplete=allow_incomplete)
    notify = message_sink(quiet=quiet)
    accounts = open_accounts(account.live_by_default(logs), notify, quiet=quiet)
    source = open_logs(logs, account.profile, read, digests, notify)
    with read_options(read, quiet=quiet) as options:
        days, calls = collect_role_calls(source, observe, options)
    rows = role_rows(calls, tuple(accounts.values()))
    if format_ == "json":
        write_stdout(render_roles_json(rows), utf8=True)
    else:
        write_stdout(render_roles_text(rows, days, screen_width()))
