"""Groups of options that commands share, and the decorator that lets a command take them.

A group is a frozen dataclass, and each of its fields is one option, declared as
``name: Annotated[type, typer.Option(...)] = default``. A command takes a group as one parameter, and
`with_option_groups` puts the group's options where that parameter stands, so the order of the parameters is the order
of the help. A new option of a group is therefore one field here, and the code that uses it.

A command that needs another text or default derives its own group and declares the field again; the option keeps its
place. A field with ``init=False`` is no option: so a derived group leaves one out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self, cast, get_type_hints

import typer

from policygen.cli.options import SummaryOption
from policygen.report.formats import FORMATS, SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date

    from policygen.evidence.anomalies import AnomalyRule
    from policygen.evidence.observe import ObserveOptions
    from policygen.logs.traces.read import Traces
    from policygen.rightsize.decisions.model import Decisions, Unverified
    from policygen.rightsize.generate.generalise import Mode
    from policygen.rightsize.suggestion import SuggestOptions


def with_option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command as typer reads it: each group replaced by its options, in place.

    The command itself gets the groups, filled with the values of their options.

    Raises:
        TypeError: two parameters or options of the command have the same name.
    """
    groups: dict[str, type[Any]] = {}
    parameters: list[Parameter] = []
    hints = get_type_hints(command, include_extras=True)
    for name, parameter in signature(command).parameters.items():
        if is_dataclass(hints[name]):
            groups[name] = hints[name]
            parameters += _options(hints[name])
        else:
            parameters.append(parameter.replace(annotation=hints[name], kind=Parameter.KEYWORD_ONLY))
    names = [parameter.name for parameter in parameters]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise TypeError(f"{command.__module__} declares an option twice: {', '.join(twice)}")

    @wraps(command)
    def run(**values: Any) -> None:
        filled = {
            name: group(**{option.name: values.pop(option.name) for option in _options(group)})
            for name, group in groups.items()
        }
        command(**values, **filled)

    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # typer reads this one first
    return run


def _options(group: type[Any]) -> Iterator[Parameter]:
    """Yield the options of a group as parameters of a function, in the order of its fields."""
    hints = get_type_hints(group, include_extras=True)
    for field in fields(group):
        if field.init:
            default = Parameter.empty if field.default is MISSING else field.default
            yield Parameter(field.name, Parameter.KEYWORD_ONLY, default=default, annotation=hints[field.name])


@dataclass(frozen=True)
class RoleInput:
    """The role, as an argument or as an option."""

    role_given: Annotated[
        str,
        typer.Argument(metavar="ROLE", help="The role's name or ARN, or a function's.", show_default=False),
    ] = ""
    role_option: Annotated[
        str, typer.Option("--role", "-r", metavar="ROLE", help="The same, as an option.")
    ] = ""

    @property
    def name(self) -> str:
        """What the user wrote; "" for nothing.

        Raises:
            UsageError: PG-E236, the argument and the option are different roles.
        """
        from policygen.errors import UsageError
        from policygen.text import escape_controls

        if self.role_given and self.role_option and self.role_given != self.role_option:
            raise UsageError(
                f"two roles: {escape_controls(self.role_given)[:80]!r} and --role "
                f"{escape_controls(self.role_option)[:80]!r}",
                "give one of them; batch does several",
                code="PG-E236",
                instead=(self.role_given, ""),
            )
        return self.role_given or self.role_option

    @property
    def required(self) -> str:
        """What the user wrote.

        Raises:
            UsageError: PG-E236, there is no role, or two.
        """
        from policygen.errors import UsageError

        if not self.name:
            raise UsageError(
                "no role given",
                "name it after the command: policygen suggest ROLE",
                "policygen roles lists the roles that the logs and the account have",
                code="PG-E236",
            )
        return self.name


@dataclass(frozen=True)
class LogInput:
    """Where the logs are."""

    logs: Annotated[
        list[str] | None,
        typer.Option(
            "--logs",
            "-l",
            help="Files, folders, s3://BUCKET, lookup:, logs:GROUP, athena:DATABASE.TABLE, lake:ARN or auto (the "
            "account's trails); repeatable.",
            show_default="auto",
        ),
    ] = None


@dataclass(frozen=True)
class WindowInput:
    """The days that count."""

    days: Annotated[int, typer.Option("--days", "-d", help="Length of the window in whole UTC days.")] = 30
    until: Annotated[
        str,
        typer.Option("--until", help="Last day (or time, UTC) of the window; default: the newest event."),
    ] = ""

    def observe(
        self,
        *,
        allow_incomplete: bool,
        accepted: Collection[AnomalyRule] = (),
        on: date | None = None,
        traces: Traces | None = None,
    ) -> ObserveOptions:
        """Return which part of the logs counts; arguments as `ObserveOptions` has them."""
        from policygen.evidence.observe import ObserveOptions

        return ObserveOptions(
            days=self.days,
            until=self.until,
            allow_incomplete=allow_incomplete,
            accepted=accepted,
            on=on,
            traces=traces,
        )


@dataclass(frozen=True)
class WitnessInput:
    """What a person hands over besides the logs."""

    traces: Annotated[
        list[str] | None,
        typer.Option(
            "--traces",
            help="Traces that show calls: X-Ray, OTLP, SDK monitoring, iamlive; files, folders, ROLE=PATH; "
            "repeatable.",
        ),
    ] = None
    code: Annotated[
        list[str] | None,
        typer.Option(
            "--code",
            help="What the code of functions calls, as iam-policy-autopilot finds it; files, folders, ROLE=PATH; "
            "repeatable.",
        ),
    ] = None


@dataclass(frozen=True)
class AccountInput:
    """The account as it is today: from a snapshot, or from AWS."""

    snapshot: Annotated[
        Path | None,
        typer.Option("--snapshot", "-s", help="Account snapshot: today's policies, functions, trails."),
    ] = None
    live: Annotated[
        bool,
        typer.Option(
            "--live", help="Read today's policies from AWS (read-only); so without --logs and --snapshot."
        ),
    ] = False
    last_accessed: Annotated[
        bool,
        typer.Option(
            "--last-accessed/--no-last-accessed",
            help="With --live: also IAM's own record of what was used last.",
        ),
    ] = True
    inventory: Annotated[
        bool,
        typer.Option("--inventory/--no-inventory", help="With --live: also what exists in every region."),
    ] = True
    profile: Annotated[str, typer.Option("--profile", help="AWS profile, for what is read from AWS.")] = ""

    def live_by_default(self, logs: LogInput) -> Self:
        """Return the same account, read from AWS where neither logs nor a snapshot are given."""
        return replace(self, live=self.live or not (logs.logs or self.snapshot))


@dataclass(frozen=True)
class DigestInput:
    """Whether log files are checked against CloudTrail's digests."""

    verify_digests: Annotated[
        bool,
        typer.Option(
            "--verify-digests", help="Check log files against CloudTrail's digests; needs policygen[verify]."
        ),
    ] = False
    public_keys: Annotated[
        Path | None,
        typer.Option("--public-keys", help="Folder of CloudTrail's public keys, for digests in folders."),
    ] = None


@dataclass(frozen=True)
class ReadInput:
    """How logs are read: limits, processes, cache."""

    max_scan: Annotated[
        str, typer.Option("--max-scan", help="What queries of Athena may read, as 50GB; default: no limit.")
    ] = ""
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", help="Processes that read logs; 0: one a core.", min=0)
    ] = 0
    dask: Annotated[
        str, typer.Option("--dask", help="Scheduler of a Dask cluster that reads logs, as tcp://HOST:8786.")
    ] = ""
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Read all logs again, and keep nothing of them.")
    ] = False


@dataclass(frozen=True)
class DecisionInput:
    """What a person decided about the role's calls and permissions."""

    accept: Annotated[
        list[str] | None,
        typer.Option("--accept", help="Count odd usage of this sign as the workload's; repeatable."),
    ] = None
    keep: Annotated[
        list[str] | None,
        typer.Option("--keep", help="Keep an action of today, or 'ACTION on ARN'; repeatable."),
    ] = None
    drop: Annotated[
        list[str] | None, typer.Option("--drop", help="Drop an action, or 'ACTION on ARN'; repeatable.")
    ] = None
    decisions: Annotated[
        Path | None,
        typer.Option("--decisions", help="File of decisions; default: policygen.toml here, if there is one."),
    ] = None

    @property
    def accepted(self) -> tuple[AnomalyRule, ...]:
        """The anomaly rules to accept; `evidence.observe` checks that they exist."""
        return tuple(cast("list[AnomalyRule]", self.accept or []))


@dataclass(frozen=True)
class GrantInput:
    """How the policy grants what was observed."""

    add_observed: Annotated[
        bool,
        typer.Option("--add-observed", help="Also grant what was seen but today's policies do not allow."),
    ] = False
    resources: Annotated[
        str,
        typer.Option("--resources", help="How names are written: exact, pattern (declared rules), type."),
    ] = "pattern"
    unverified: Annotated[
        str,
        typer.Option(
            "--unverified",
            help="What the logs cannot show: keep, drop, or split into a policy of its own.",
            show_default="keep, or as policygen.toml says",
        ),
    ] = ""

    def suggest(self, decisions: Decisions, on: date, opened: Collection[str] = ()) -> SuggestOptions:
        """Return how to write the policy; arguments as `SuggestOptions` has them.

        Raises:
            UsageError: PG-E215, there is no such way to write names, or to treat what is unverified.
        """
        from policygen.errors import UsageError
        from policygen.rightsize.decisions.model import UNVERIFIED
        from policygen.rightsize.suggestion import SuggestOptions
        from policygen.text import escape_controls

        if self.resources not in {"exact", "pattern", "type"}:
            raise UsageError(
                f"--resources is {escape_controls(self.resources)[:40]!r}",
                "there are: exact, pattern, type",
                code="PG-E215",
            )
        if self.unverified not in ("", *UNVERIFIED):
            raise UsageError(
                f"--unverified is {escape_controls(self.unverified)[:40]!r}",
                f"there are: {', '.join(UNVERIFIED)}",
                code="PG-E215",
            )
        return SuggestOptions(
            add_observed=self.add_observed,
            resources=cast("Mode", self.resources),
            opened=opened,
            decisions=decisions,
            on=on,
            unverified=cast("Unverified", self.unverified) if self.unverified else None,
        )


@dataclass(frozen=True)
class PlanOutput:
    """The formats of a plan, and the files that they go to."""

    format_: Annotated[
        str,
        typer.Option("--format", "-f", help=f"What stdout gets: {', '.join(FORMATS)}.", show_default="text"),
    ] = ""
    export: Annotated[
        list[Path] | None,
        typer.Option("--export", help=f"Also write a file; {', '.join(SUFFIXES)}; repeatable."),
    ] = None
    summary: SummaryOption = False
