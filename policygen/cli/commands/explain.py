"""policygen explain: shows why an action is kept, removed, in doubt, or not granted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

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
from policygen.cli.named_role import for_role
from policygen.cli.option_groups import (
    AccountInput,
    DecisionInput,
    DigestInput,
    LogInput,
    ReadInput,
    RoleGrantInput,
    RoleWindowInput,
    WitnessInput,
    with_option_groups,
)
from policygen.cli.options import IncompleteOption, QuietOption, RoleOption, format_option, given_options
from policygen.cli.screen import Color, ColorOption


@with_option_groups
def command(
    *,
    context: typer.Context,
    actions: Annotated[list[str], typer.Argument(metavar="ACTION", help="Actions, such as s3:GetObject.")],
    role: RoleOption,
    logs: LogInput,
    window: RoleWindowInput,
    account: AccountInput,
    witnesses: WitnessInput,
    format_: Annotated[str, format_option("text", "json")] = "text",
    events: Annotated[
        bool, typer.Option("--events", help="List the calls with their event IDs.", rich_help_panel="Output")
    ] = False,
    allow_incomplete: IncompleteOption = False,
    grants: RoleGrantInput,
    decisions: DecisionInput,
    digests: DigestInput,
    read: ReadInput,
    color: ColorOption = Color.AUTO,
    quiet: QuietOption = False,
) -> None:
    """Explain why an action is kept, removed or unverified.

    policygen explain s3:GetObject -r orders-api -l ./trail -s account.json
    """
    from policygen.cli.output import summarise, write_stdout
    from policygen.cli.plans import other_choices, saved_inputs_hint
    from policygen.cli.screen import screen_width, write_screen
    from policygen.report.commands import DOCTOR
    from policygen.report.data.explanation import render_explanation_json
    from policygen.report.formats import require_format
    from policygen.report.terminal.explain import render_explanation_text
    from policygen.rightsize.analysis import analyse
    from policygen.rightsize.explain import explain

    require_format(format_, ("json", "text"))
    on = datetime.now(UTC).date()
    traces = open_traces(witnesses)
    observe = window.observe(
        allow_incomplete=allow_incomplete, accepted=decisions.accepted, on=on, traces=traces
    )
    notify = message_sink(quiet=quiet)
    suggest = grants.suggest(open_decisions(decisions), on)
    with saved_inputs_hint(role, actions, logs):
        current = open_account(account.live_by_default(logs), notify, role)
    current = with_witnesses(current, witnesses, traces, notify)
    source = open_logs(logs, account.profile, read, digests, notify)
    with read_options(read, quiet=quiet) as options:
        analysis = for_role(
            role,
            current,
            source,
            options,
            lambda name: analyse(
                source, name, observe=observe, suggest=suggest, account=current, read=options
            ),
        )
    explanations = [explain(analysis.suggestion, action) for action in actions]
    if not quiet:
        summarise(analysis.observed)
        if told := other_choices(role, given_options(context, but=())):
            notify(told)
    if format_ == "json":
        write_stdout("".join(map(render_explanation_json, explanations)), utf8=True)
        return
    width = screen_width()
    inputs = [word for words in given_options(context, but=()) if words[0] in DOCTOR for word in words]
    screens = [
        render_explanation_text(one, show_events=events, width=width, inputs=inputs) for one in explanations
    ]
    write_screen("\n".join(screens), color)
