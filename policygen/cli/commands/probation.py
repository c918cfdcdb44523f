"""policygen probation: denies what is unverified for some days, and reads afterwards what was asked for."""

from __future__ import annotations

import shlex
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, cast

import typer

from policygen.cli.completion import complete_role
from policygen.cli.inputs import message_sink, open_account, open_logs, read_options
from policygen.cli.option_groups import AccountInput, DigestInput, LogInput, ReadInput, with_option_groups
from policygen.cli.options import PlansOption, QuietOption

if TYPE_CHECKING:
    from policygen.account.model import Account
    from policygen.evidence.observe import RoleEvidence
    from policygen.logs.reader import ReadOptions
    from policygen.logs.source import Source
    from policygen.plan.model import Plan
    from policygen.plan.probation import Form, Probation
    from policygen.plan.probation_outcome import SeenSince

_LONGEST = 3650
"""Days of the longest probation."""


@with_option_groups
def command(
    *,
    role: Annotated[
        str,
        typer.Argument(
            metavar="ROLE",
            help="Name of a role with a saved plan, or the plan's file.",
            autocompletion=complete_role,
        ),
    ],
    days: Annotated[
        int,
        typer.Option(
            "--days",
            "-d",
            metavar="DAYS",
            help="Days after which the denial ends by itself.",
            min=1,
            max=_LONGEST,
        ),
    ] = 30,
    form: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="boundary|deny",
            help="Permissions boundary, or policies to attach.",
            show_default="boundary, if it fits",
        ),
    ] = "",
    question: Annotated[
        str,
        typer.Option(
            "--question", metavar="ID", help="Deny only what one question of the plan asks, as no-event."
        ),
    ] = "",
    read_outcome: Annotated[
        bool, typer.Option("--read", help="Afterwards: read what was requested since --since.")
    ] = False,
    since: Annotated[
        str,
        typer.Option(
            "--since", metavar="DATE", help="With --read: first day of the probation, such as 2026-11-28."
        ),
    ] = "",
    logs: LogInput,
    account: AccountInput,
    digests: DigestInput,
    read: ReadInput,
    plans: PlansOption = None,
    quiet: QuietOption = False,
) -> None:
    """Deny unverified permissions for a while, to test the need.

    Prints the policy and the commands that apply it; nothing in AWS is changed.

    policygen probation orders-api --days 30 > probation.json

    policygen probation orders-api --read --since 2026-11-28 -s later.json
    """
    from policygen.cli.output import write_stdout
    from policygen.plan.fast_json import indented
    from policygen.plan.probation import documents, of_question, on_probation, probation_of
    from policygen.plan.probation_outcome import outcomes, toml_lines
    from policygen.plan.saved import find_plan
    from policygen.text import visible_json

    plan = find_plan(role, plans)[0]
    plan = of_question(plan, question) if question else plan
    notify = message_sink(quiet=quiet)
    if read_outcome:
        begun = _day(since)
        current = open_account(account, notify, plan.role.name)
        source = open_logs(logs, account.profile, read, digests, notify) if logs.logs else None
        with read_options(read, quiet=quiet) as options:
            seen = _seen(plan, begun, current, source, options)
        found = outcomes(plan, on_probation(plan)[0], seen)
        for line in _summary(plan, [one.answer for one in found], begun):
            notify(line)
        write_stdout("\n".join(toml_lines(plan.role.name, found, begun)) + "\n", utf8=True)
        return
    first = datetime.now(UTC).date()
    # Whole days: the day on which it begins does not count.
    made = probation_of(plan, f"{first + timedelta(days=days + 1)}T00:00:00Z", _form(form))
    for line in _steps(plan, made, first, question):
        notify(line)
    policies = documents(made)
    document = policies[0]["document"] if len(policies) == 1 else {"policies": policies}
    write_stdout(visible_json(indented(document)) + "\n", utf8=True)


def _form(text: str) -> Form | None:
    """Return what the option asks for.

    Raises:
        UsageError: PG-E372, there is no such form.
    """
    from policygen.errors import no_such
    from policygen.text import escape_controls

    if text not in ("", "boundary", "deny"):
        raise no_such(f"--as is {escape_controls(text)[:40]!r}", text, ("boundary", "deny"), code="PG-E372")
    return cast("Form", text) if text else None


def _day(text: str) -> str:
    """Return the day on which the probation began.

    Raises:
        UsageError: PG-E372, it is missing, no day, or none on which a probation can have begun.
    """
    from policygen.errors import UsageError
    from policygen.logs.events.event_time import FIRST_DAY
    from policygen.text import escape_controls

    today = datetime.now(UTC).date().isoformat()
    try:
        day = date.fromisoformat(text).isoformat()
        problem = "which is yet to come" if day > today else "before CloudTrail" if day < FIRST_DAY else ""
    except ValueError:
        day, problem = "", "no day"
    if problem:
        raise UsageError(
            f"--since is {escape_controls(text)[:40]!r}, {problem}",
            "with --read, give the day on which the probation began: --since 2026-11-28",
            code="PG-E372",
        )
    return day


# --- The probation ---------------------------------------------------------------------------------


def _steps(plan: Plan, made: Probation, first: date, question: str) -> list[str]:
    """Return what is denied, and the commands that begin and end it."""
    from policygen.text import pluralize

    names = [policy.name for policy in made.policies]
    asked = f" --question {shlex.quote(question)}" if question else ""
    arn = f"arn:{_partition(plan)}:iam::{plan.role.account}:policy/{names[0]}"
    actions = len({keep.action for keep in made.denied})
    left = (
        f"; {len(made.left_out):,} left out, of which something says that they are used"
        if made.left_out
        else ""
    )
    found = [
        f"{made.role}: {pluralize(actions, 'unverified permission')} denied until {made.until[:10]}{left}",
        "  what is needed is not denied; apply the policy of the plan first, or at the same time",
    ]
    if made.boundary:
        found.append(f"  the boundary contains today's, {made.boundary}")
    if made.form == "boundary":
        begin = f"aws iam put-role-permissions-boundary --role-name {made.role} --permissions-boundary {arn}"
        end = f"aws iam delete-role-permissions-boundary --role-name {made.role}"
        if made.boundary:
            end = f"put {made.boundary} back by the same command"
    else:
        begin = f"aws iam attach-role-policy --role-name {made.role} --policy-arn {arn}"
        end = f"aws iam detach-role-policy --role-name {made.role} --policy-arn {arn}"
        if len(names) > 1:
            found.append(
                f"  the document holds {len(names)} policies, {names[0]} to {names[-1]}: steps 1, 2, 5 for each"
            )
        found.append(
            "  IAM's report follows identity policies; after a Deny of a whole service it may leave it out"
        )
    return [
        *found,
        "Steps",
        f"  1  aws iam create-policy --policy-name {names[0]} --policy-document file://probation.json",
        f"  2  {begin}",
        "  3  watch the errors of the workload: connections to databases and other protocols show nowhere else",
        f"  4  policygen probation {made.role}{asked} --read --since {first} --snapshot LATER.json --logs LOGS",
        "     with a snapshot taken some hours after the last day: IAM's report lags about four hours",
        f"  5  {end}",
        "Keep the plan until then. Nothing in AWS was changed.",
    ]


def _partition(plan: Plan) -> str:
    from policygen.iam.arn import parse

    place = parse(plan.role.arn)
    return place.partition if place else "aws"


# --- The outcome -----------------------------------------------------------------------------------


def _seen(
    plan: Plan, begun: str, account: Account | None, source: Source | None, options: ReadOptions
) -> SeenSince:
    """Read what was asked for since the probation began, from IAM's report and from the logs."""
    from policygen.plan.probation_outcome import SeenSince

    last = account.last_accessed_of(account.role(plan.role.arn or plan.role.name)) if account else None
    seen = SeenSince(begun, last)
    return seen if source is None else _with_logs(plan, seen, account, source, options)


def _with_logs(
    plan: Plan, seen: SeenSince, account: Account | None, source: Source, options: ReadOptions
) -> SeenSince:
    from policygen.cli.console import log_line
    from policygen.errors import NothingFoundError
    from policygen.evidence.observe import ObserveOptions, collect_evidence

    days = (datetime.now(UTC).date() - date.fromisoformat(seen.since)).days + 1
    try:
        found = collect_evidence(
            source,
            plan.role.arn or plan.role.name,
            ObserveOptions(days=max(days, 1), on=datetime.now(UTC).date()),
            account=account,
            read=options,
        )
    except NothingFoundError as error:
        log_line(f"the logs say nothing of the probation: {error.message}")
        return seen
    last_day = found.coverage.window.last_day
    asked: dict[str, str] = {}
    calls = [(one.action, evidence) for one, evidence in found.usage.denied.items()]
    calls += [(request.action, evidence) for request, evidence in found.usage.requests.items()]
    for action, evidence in calls:
        if evidence.last[:10] >= seen.since:
            asked[action.lower()] = max(asked.get(action.lower(), ""), evidence.last[:10])
    return seen._replace(asked=asked, visible=_visible(plan, found, seen.since, days), until=last_day)


def _visible(plan: Plan, found: RoleEvidence, since: str, days: int) -> frozenset[str]:
    """Return the actions, in lower case, that the logs would have shown on all days of the probation.

    There are none where the logs end with its first day. What was set apart or not mapped may be a call of them.
    """
    from policygen.catalog.service_names import label, service_prefix
    from policygen.iam.arn import service_of

    coverage, apart = found.coverage, found.anomalous_usage
    if coverage.window.last_day <= since or not {*plan.evidence.regions} - {""} <= {*coverage.regions}:
        return frozenset()
    usages = [found.usage, apart] if apart else [found.usage]
    unmapped = {service_prefix(one.source) or label(one.source) for usage in usages for one in usage.unmapped}
    doubted = {one.action.lower() for one in apart.requests} if apart else set()
    doubted |= {one.action.lower() for one in apart.denied} if apart else set()
    unverified = [keep for keep in plan.keeps if keep.kind == "unknown"]
    for keep in unverified:
        hidden = coverage.absence(keep.action, keep.resource, days).blind_spot
        if hidden or service_of(keep.action) in unmapped:
            doubted.add(keep.action.lower())
    return frozenset(keep.action.lower() for keep in unverified) - doubted


def _summary(plan: Plan, answers: list[str], begun: str) -> list[str]:
    numbers = {one: answers.count(one) for one in ("asked", "silent", "unknown")}
    told = (
        f"{plan.role.name}: {len(answers):,} permissions on probation since {begun}: {numbers['asked']:,} were asked "
        f"for, {numbers['silent']:,} were not and can go, {numbers['unknown']:,} are not known"
    )
    return [
        told,
        "stdout has the lines for policygen.toml; what is not known stays until you decide",
    ]
