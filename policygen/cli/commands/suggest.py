"""policygen suggest: suggests a least-privilege policy for one role."""

from __future__ import annotations

from datetime import UTC, datetime

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
    PlanOutput,
    ReadInput,
    RoleGrantInput,
    RoleInput,
    RoleWindowInput,
    WitnessInput,
    with_option_groups,
)
from policygen.cli.options import (
    LEFT_OUT,
    AlthoughUsedOption,
    DetailsOption,
    IncompleteOption,
    NoPlanOption,
    PlansOption,
    QuietOption,
    given_options,
)
from policygen.cli.screen import Color, ColorOption

_LEFT_OUT = LEFT_OUT | {"role_given", "role_option"}
"""The role has a form of its own."""


@with_option_groups
def command(
    *,
    context: typer.Context,
    role: RoleInput,
    logs: LogInput,
    window: RoleWindowInput,
    account: AccountInput,
    witnesses: WitnessInput,
    output: PlanOutput,
    allow_incomplete: IncompleteOption = False,
    grants: RoleGrantInput,
    decisions: DecisionInput,
    although_used: AlthoughUsedOption = False,
    show_all: DetailsOption = False,
    digests: DigestInput,
    read: ReadInput,
    plans: PlansOption = None,
    no_plan: NoPlanOption = False,
    color: ColorOption = Color.AUTO,
    quiet: QuietOption = False,
) -> None:
    """Suggest a least-privilege policy for one role, with proof.

    policygen suggest orders-api --logs ./trail --snapshot account.json

    policygen suggest orders-api -f terraform > orders-api.tf
    """
    from policygen.cli.output import (
        add_to_summary,
        ascii_only,
        plan_targets,
        report_losses,
        summarise,
        unknown_today,
        warn_of_age,
    )
    from policygen.cli.plans import plan_file, save_plan
    from policygen.cli.screen import screen_width, write_formatted
    from policygen.files import write_file
    from policygen.plan.build import plan_from_analysis
    from policygen.report.formats import render
    from policygen.rightsize.analysis import analyse

    wanted = role.required
    inputs = [*(logs.logs or ()), account.snapshot, decisions.decisions]
    targets = plan_targets(output, inputs, quiet=quiet)
    on = datetime.now(UTC).date()
    traces = open_traces(witnesses)
    observe = window.observe(
        allow_incomplete=allow_incomplete, accepted=decisions.accepted, on=on, traces=traces
    )
    notify = message_sink(quiet=quiet)
    suggest = grants.suggest(open_decisions(decisions), on)
    current = open_account(account.live_by_default(logs), notify, wanted)
    current = with_witnesses(current, witnesses, traces, notify)
    source = open_logs(logs, account.profile, read, digests, notify)
    with read_options(read, quiet=quiet) as options:
        analysis = for_role(
            wanted,
            current,
            source,
            options,
            lambda name: analyse(
                source, name, observe=observe, suggest=suggest, account=current, read=options, to_edit=True
            ),
        )
    if not quiet:
        summarise(analysis.observed)
        warn_of_age([current] if current else [], analysis.observed.usage.window.end)
    plan = plan_from_analysis(analysis, [("--role", wanted), *given_options(context, but=_LEFT_OUT)])
    if warning := unknown_today([plan], targets.format_):
        notify(warning)
    plan.unsaved = no_plan
    folder = None if no_plan else plans
    plan.file = str(plan_file(folder, plan)) if folder else ""
    texts = {"show_all": show_all, "ascii_only": ascii_only()}
    for path, kind in targets.exports:
        write_file(path, render(kind, plan, **texts))
        notify(f"wrote {path} ({kind})")
    if not no_plan:
        save_plan(plan, folder, notify)
    if targets.step:
        notify(add_to_summary(targets.step, [render("markdown", plan)]))
    if targets.format_:
        write_formatted(
            render(targets.format_, plan, show_all=show_all, width=screen_width()), targets.format_, color
        )
    report_losses([(plan.role.name, one) for one in plan.decisions.losses], although_used=although_used)
