"""policygen api: says who calls an API from where, and suggests the smallest policies for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from policygen.cli.option_groups import (
    LogInput,
    PrincipalDecisionInput,
    PrincipalOutput,
    WindowInput,
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

if TYPE_CHECKING:
    from policygen.account.apis import Api


@dataclass(frozen=True)
class AccessLogInput(LogInput):
    """Where the access logs are."""

    logs: Annotated[
        list[str] | None,
        typer.Option(
            "--logs",
            "-l",
            metavar="LOGS",
            envvar="POLICYGEN_LOGS",
            help="Access logs of the API's stages: files, folders, s3://BUCKET or logs:GROUP. Repeatable.",
            show_default="the log groups of its stages",
        ),
    ] = None


@with_option_groups
def command(
    api: Annotated[
        str,
        typer.Argument(metavar="API", help="Id or name of the API.", show_default=False),
    ],
    *,
    context: typer.Context,
    logs: AccessLogInput,
    window: WindowInput,
    snapshots: SnapshotsOption = None,
    allow_incomplete: IncompleteOption = False,
    require: Annotated[
        list[str] | None,
        typer.Option(
            "--require",
            metavar="NAME",
            help="Require what all calls of a caller satisfy: source-ip, vpce or org. Repeatable.",
            rich_help_panel="Decisions",
        ),
    ] = None,
    keep_principal: Annotated[
        list[str] | None,
        typer.Option(
            "--keep-principal",
            metavar="ARN",
            help="Keep a principal that the resource policy lets in today, seen or not. Repeatable.",
            rich_help_panel="Decisions",
        ),
    ] = None,
    max_cidrs: MaxCidrsOption = 10,
    decisions: PrincipalDecisionInput,
    although_used: AlthoughUsedOption = False,
    output: PrincipalOutput,
    plans: PlansOption = None,
    no_plan: NoPlanOption = False,
    color: ColorOption = Color.AUTO,
    quiet: QuietOption = False,
) -> None:
    """Suggest the smallest policies of an API and its callers.

    Reads the access logs of its stages, and says who calls which method from where.
    A snapshot of a caller's account tells which role it is, and its policies.

    policygen api orders --logs ./access --snapshot account.json

    policygen api orders -s account.json -s partner.json -f policy
    """
    from policygen.cli.inputs import message_sink, open_decisions
    from policygen.cli.output import plan_targets, warn_or_refuse
    from policygen.cli.principal_plans import save_api_plan, write_targets
    from policygen.cli.several_accounts import read_snapshots
    from policygen.logs.registry import open_source
    from policygen.report.formats import API_FORMATS, render_api
    from policygen.rightsize.api.entries.collect import read_api_usage
    from policygen.rightsize.api.entries.reader import StageRef
    from policygen.rightsize.api.invocations import find_api
    from policygen.rightsize.api.question import World
    from policygen.rightsize.api.suggest import check_api_requirements, suggest_api
    from policygen.rightsize.principals.options import PrincipalOptions
    from policygen.text import escape_controls

    inputs = [*(logs.logs or ()), *(snapshots or ()), decisions.decisions]
    targets = plan_targets(output, inputs, quiet=quiet, formats=API_FORMATS)
    on = datetime.now(UTC).date()
    check_api_requirements(require or ())
    decided = open_decisions(decisions)
    world = World(read_snapshots(snapshots))
    target = find_api(world, api)
    notify = message_sink(quiet=quiet)
    source = open_source(logs.logs or _own_groups(target))
    for note in source.notes:
        notify(note)
    observe = window.observe(allow_incomplete=allow_incomplete, on=on)
    usage = read_api_usage(source, world, [StageRef(target)], observe)
    suggestion = suggest_api(
        usage,
        target,
        world,
        PrincipalOptions(
            require=require or (), keep=keep_principal or (), max_blocks=max_cidrs, decisions=decided, on=on
        ),
    )
    suggestion = replace(suggestion, inputs=given_options(context, but=LEFT_OUT | {"api"}))
    if not no_plan:
        save_api_plan(suggestion, plans, notify)
    write_targets(targets, lambda name, width: render_api(name, suggestion, width=width), color, notify)
    lines = [f"{rule.where} drops {use.party.name}, which called the API" for use, rule in suggestion.losses]
    what = f"{len(lines)} calls of principals that are dropped: they will fail"
    warn_or_refuse(what, [escape_controls(line) for line in lines], "more", although_used=although_used)


def _own_groups(api: Api) -> list[str]:
    """Return the log groups of an API's stages, as ``--logs`` takes them.

    Raises:
        UsageError: PG-E389, no stage writes to a log group.
    """
    from policygen.errors import UsageError
    from policygen.text import escape_controls

    groups = sorted(
        {one.log_destination.partition(":log-group:")[2].removesuffix(":*") for one in api.stages} - {""}
    )
    if not groups:
        raise UsageError(
            f"no stage of {escape_controls(api.name or api.id)} writes to a log group",
            "give its access logs: --logs ./access, or turn them on",
            code="PG-E389",
        )
    return [f"logs:{one}" for one in groups]
