"""policygen trust: says who assumes a role, and suggests its smallest trust policy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated

import typer

from policygen.cli.completion import complete_role
from policygen.cli.inputs import message_sink, open_decisions, open_logs, read_options
from policygen.cli.option_groups import (
    DigestInput,
    LogInput,
    PrincipalDecisionInput,
    PrincipalOutput,
    ReadInput,
    RoleInput,
    RoleWindowInput,
    with_option_groups,
)
from policygen.cli.options import (
    LEFT_OUT,
    AlthoughUsedOption,
    IncompleteOption,
    MaxCidrsOption,
    NoPlanOption,
    PlansOption,
    QuietOption,
    SnapshotsOption,
    given_options,
)
from policygen.cli.screen import Color, ColorOption


@dataclass(frozen=True)
class TrustRoleInput(RoleInput):
    """The role that is assumed."""

    role_given: Annotated[
        str,
        typer.Argument(
            metavar="ROLE", help="Name or ARN of the role.", show_default=False, autocompletion=complete_role
        ),
    ] = ""


@with_option_groups
def command(
    *,
    context: typer.Context,
    role: TrustRoleInput,
    logs: LogInput,
    window: RoleWindowInput,
    snapshots: SnapshotsOption = None,
    allow_incomplete: IncompleteOption = False,
    require: Annotated[
        list[str] | None,
        typer.Option(
            "--require",
            metavar="NAME",
            help="Require what all observed uses satisfy: external-id, source-identity, session-name, mfa, org, tags, "
            "source-ip or vpce. Repeatable.",
            rich_help_panel="Decisions",
        ),
    ] = None,
    keep_principal: Annotated[
        list[str] | None,
        typer.Option(
            "--keep-principal",
            metavar="ARN",
            help="Keep a principal that is trusted today, seen or not. Repeatable.",
            rich_help_panel="Decisions",
        ),
    ] = None,
    max_cidrs: MaxCidrsOption = 10,
    decisions: PrincipalDecisionInput,
    although_used: AlthoughUsedOption = False,
    digests: DigestInput,
    read: ReadInput,
    output: PrincipalOutput,
    plans: PlansOption = None,
    no_plan: NoPlanOption = False,
    color: ColorOption = Color.AUTO,
    quiet: QuietOption = False,
) -> None:
    """Suggest the smallest trust policy of a role.

    Reads AssumeRole, AssumeRoleWithSAML and AssumeRoleWithWebIdentity of all accounts in the logs.
    A snapshot of a caller's account tells which role or user an id is.

    policygen trust deploy-ci --logs ./trail --snapshot account.json
    """
    from policygen.cli.output import plan_targets, warn_or_refuse
    from policygen.cli.principal_plans import save_trust_plan, write_targets
    from policygen.cli.several_accounts import read_snapshots
    from policygen.evidence.role_assumptions import collect_assumptions
    from policygen.report.formats import TRUST_FORMATS, render_trust
    from policygen.rightsize.principals.options import PrincipalOptions
    from policygen.rightsize.trust.suggest import (
        check_requirements,
        refuse_role,
        suggest_trust,
    )
    from policygen.rightsize.trust.target import role_in
    from policygen.text import escape_controls

    inputs = [*(logs.logs or ()), *(snapshots or ()), decisions.decisions]
    targets = plan_targets(output, inputs, quiet=quiet, formats=TRUST_FORMATS)
    wanted = role.required
    on = datetime.now(UTC).date()
    check_requirements(require or ())
    decided = open_decisions(decisions)
    accounts = read_snapshots(snapshots)
    account, target = role_in(accounts, wanted)
    refuse_role(target, decided)
    observe = window.observe(allow_incomplete=allow_incomplete, on=on)
    notify = message_sink(quiet=quiet)
    source = open_logs(logs, "", read, digests, notify)
    with read_options(read, quiet=quiet) as options:
        evidence = collect_assumptions(source, target, account, observe, read=options)
    suggestion = suggest_trust(
        evidence,
        account,
        accounts,
        PrincipalOptions(
            require=require or (), keep=keep_principal or (), max_blocks=max_cidrs, decisions=decided, on=on
        ),
    )
    given = given_options(context, but=LEFT_OUT | {"role_given", "role_option"})
    suggestion = replace(suggestion, inputs=(("--role", wanted), *given))
    if not no_plan:
        save_trust_plan(suggestion, plans, notify)
    write_targets(targets, lambda name, width: render_trust(name, suggestion, width=width), color, notify)
    lines = [
        f"{rule.where} drops {one.party.name}, which assumed the role" for one, rule in suggestion.losses
    ]
    what = f"{len(lines)} of the role's callers dropped: their calls will fail"
    warn_or_refuse(what, [escape_controls(line) for line in lines], "more", although_used=although_used)
