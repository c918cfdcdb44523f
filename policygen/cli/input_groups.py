"""Groups of options that say what is read: role, logs, window, witnesses, account, digests, and how.

No group is compared or printed, and a method that a dataclass makes for it takes longer than all of its options.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

import typer

from policygen.cli.completion import complete_role

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date

    from policygen.evidence.anomalies import AnomalyRule
    from policygen.evidence.observe import ObserveOptions
    from policygen.logs.traces.read import Traces


@dataclass(frozen=True, eq=False, repr=False)
class RoleInput:
    """The role, as an argument or as an option."""

    PANEL: ClassVar[str] = "Input"

    role_given: Annotated[
        str,
        typer.Argument(
            metavar="ROLE",
            help="Name or ARN of the role, or of a Lambda function that runs as it.",
            show_default=False,
            autocompletion=complete_role,
        ),
    ] = ""
    role_option: Annotated[
        str,
        typer.Option(
            "--role", "-r", metavar="ROLE", help="The same, as an option.", autocompletion=complete_role
        ),
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
                "name it after the command, by its name or ARN",
                code="PG-E236",
            )
        return self.name


@dataclass(frozen=True, eq=False, repr=False)
class LogInput:
    """Where the logs are."""

    PANEL: ClassVar[str] = "Input"

    logs: Annotated[
        list[str] | None,
        typer.Option(
            "--logs",
            "-l",
            metavar="LOGS",
            envvar="POLICYGEN_LOGS",
            help="Files, folders, s3://BUCKET, lookup:, logs:GROUP, athena:DATABASE.TABLE, lake:ARN, or auto for the "
            "account's own trails. Repeatable.",
            show_default="auto",
        ),
    ] = None


@dataclass(frozen=True, eq=False, repr=False)
class WindowInput:
    """The days that count."""

    PANEL: ClassVar[str] = "Window"

    days: Annotated[
        int,
        typer.Option(
            "--days",
            "-d",
            metavar="DAYS",
            envvar="POLICYGEN_DAYS",
            help="Length of the window, in whole UTC days.",
        ),
    ] = 30
    until: Annotated[
        str,
        typer.Option(
            "--until",
            metavar="DATE",
            help="Last day, or time in UTC, of the window.",
            show_default="the newest event",
        ),
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


@dataclass(frozen=True, eq=False, repr=False)
class RoleWindowInput(WindowInput):
    """The days, and the accounts, whose logs count for one role."""

    all_accounts: Annotated[
        bool | None,
        typer.Option(
            "--all-accounts/--own-account",
            envvar="POLICYGEN_ALL_ACCOUNTS",
            help="Read the logs of all accounts, or only of the role's.",
            show_default="and of others where they may have calls that its own lack",
            rich_help_panel="Input",
        ),
    ] = None

    def observe(
        self,
        *,
        allow_incomplete: bool,
        accepted: Collection[AnomalyRule] = (),
        on: date | None = None,
        traces: Traces | None = None,
    ) -> ObserveOptions:
        """As `WindowInput.observe`, with the accounts."""
        from msgspec.structs import replace as replace_fields

        found = super().observe(allow_incomplete=allow_incomplete, accepted=accepted, on=on, traces=traces)
        return replace_fields(found, all_accounts=self.all_accounts)


@dataclass(frozen=True, eq=False, repr=False)
class WitnessInput:
    """What a person hands over besides the logs."""

    PANEL: ClassVar[str] = "Input"

    traces: Annotated[
        list[str] | None,
        typer.Option(
            "--traces",
            metavar="PATH",
            help="Traces of calls: X-Ray, OTLP, SDK monitoring or iamlive; files, folders or ROLE=PATH. Repeatable.",
        ),
    ] = None
    code: Annotated[
        list[str] | None,
        typer.Option(
            "--code",
            metavar="PATH",
            help="What functions' code calls, as iam-policy-autopilot reports it; files, folders or ROLE=PATH. "
            "Repeatable.",
        ),
    ] = None


@dataclass(frozen=True, eq=False, repr=False)
class AccountInput:
    """The account as it is today: from a snapshot, or from AWS."""

    PANEL: ClassVar[str] = "AWS"

    snapshots: Annotated[
        list[Path] | None,
        typer.Option(
            "--snapshot",
            "-s",
            metavar="FILE",
            envvar="POLICYGEN_SNAPSHOT",
            help="Account snapshot (policygen snapshot): current policies, functions and trails.",
            rich_help_panel="Input",
        ),
    ] = None
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Read current policies from AWS (read-only). Default when neither --logs nor --snapshot is given.",
        ),
    ] = False
    last_accessed: Annotated[
        bool,
        typer.Option(
            "--last-accessed/--no-last-accessed",
            help="With --live: also read IAM's last-accessed report.",
        ),
    ] = True
    inventory: Annotated[
        bool,
        typer.Option(
            "--inventory/--no-inventory", help="With --live: also list the resources of every region."
        ),
    ] = True
    profile: Annotated[
        str,
        typer.Option(
            "--profile", metavar="NAME", envvar="POLICYGEN_PROFILE", help="AWS profile to read with."
        ),
    ] = ""
    region: Annotated[
        str,
        typer.Option(
            "--region",
            metavar="REGION",
            envvar="POLICYGEN_REGION",
            help="AWS region to read from.",
            show_default="AWS_REGION, or the profile's",
        ),
    ] = ""

    def live_by_default(self, logs: LogInput) -> Self:
        """Return the same account, read from AWS where neither logs nor a snapshot are given."""
        return replace(self, live=self.live or not (logs.logs or self.snapshots))

    @property
    def snapshot(self) -> Path | None:
        """The one snapshot; None without any.

        Raises:
            UsageError: PG-E285, several: with the last of them alone, a role of another account could be taken.
        """
        from policygen.errors import UsageError

        if len(self.snapshots or ()) > 1:
            raise UsageError(
                f"{len(self.snapshots or ())} snapshots are given, and this command reads one",
                "give that of the role's account",
                "batch, roles, trust, api and may read one for each account",
                code="PG-E285",
            )
        return next(iter(self.snapshots or ()), None)


@dataclass(frozen=True, eq=False, repr=False)
class DigestInput:
    """Whether log files are checked against CloudTrail's digests."""

    PANEL: ClassVar[str] = "Input"

    verify_digests: Annotated[
        bool,
        typer.Option(
            "--verify-digests",
            help="Check log files against CloudTrail's digests. Needs policygen[verify].",
        ),
    ] = False
    public_keys: Annotated[
        Path | None,
        typer.Option(
            "--public-keys",
            metavar="DIR",
            help="With --verify-digests: folder of CloudTrail's public keys, for logs in folders.",
        ),
    ] = None


@dataclass(frozen=True, eq=False, repr=False)
class ReadInput:
    """How logs are read: limits, processes, cache."""

    PANEL: ClassVar[str] = "Performance"

    max_scan: Annotated[
        str,
        typer.Option(
            "--max-scan",
            metavar="SIZE",
            help="Most that Athena queries may scan, such as 50GB.",
            show_default="no limit",
        ),
    ] = ""
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs", "-j", metavar="N", help="Processes that read logs; 0 for one per core.", min=0
        ),
    ] = 0
    dask: Annotated[
        str,
        typer.Option("--dask", metavar="URL", help="Read logs on a Dask cluster: tcp://HOST:8786."),
    ] = ""
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Read all logs again, and cache nothing.")] = (
        False
    )
