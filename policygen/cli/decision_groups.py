"""Groups of options that say what is decided about the role, and what is written."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, cast

import typer

from policygen.cli.completion import complete_format, complete_sign
from policygen.cli.options import SummaryOption
from policygen.report.formats import ALIASES, FORMATS, PRINCIPAL_SUFFIXES, SUFFIXES, TRUST_FORMATS

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date

    from policygen.evidence.anomalies import AnomalyRule
    from policygen.rightsize.decisions.model import Decisions, Unverified
    from policygen.rightsize.suggestion import SuggestOptions


@dataclass(frozen=True, eq=False, repr=False)
class DecisionInput:
    """What a person decided about the role's calls and permissions."""

    PANEL: ClassVar[str] = "Decisions"

    accept: Annotated[
        list[str] | None,
        typer.Option(
            "--accept",
            metavar="KIND",
            autocompletion=complete_sign,
            help="Treat this kind of suspicious call as legitimate. Repeatable.",
        ),
    ] = None
    keep: Annotated[
        list[str] | None,
        typer.Option(
            "--keep",
            metavar="ACTION",
            help="Keep a current permission: an action, or 'ACTION on ARN'. Repeatable.",
        ),
    ] = None
    drop: Annotated[
        list[str] | None,
        typer.Option(
            "--drop", metavar="ACTION", help="Drop a permission: an action, or 'ACTION on ARN'. Repeatable."
        ),
    ] = None
    decisions: Annotated[
        Path | None,
        typer.Option(
            "--decisions",
            metavar="FILE",
            envvar="POLICYGEN_DECISIONS",
            help="File with decisions (keep, drop, protect).",
            show_default="the configuration file",
        ),
    ] = None

    @property
    def accepted(self) -> tuple[AnomalyRule, ...]:
        """The anomaly rules to accept; `evidence.observe` checks that they exist."""
        return tuple(cast("list[AnomalyRule]", self.accept or []))


@dataclass(frozen=True, eq=False, repr=False)
class PrincipalDecisionInput(DecisionInput):
    """The file of decisions alone: the other options are about a role's own calls, and not about who calls."""

    accept: list[str] | None = field(default=None, init=False)
    keep: list[str] | None = field(default=None, init=False)
    drop: list[str] | None = field(default=None, init=False)


_LONGEST_NAME = 48
"""Characters of a policy's name: IAM allows 128, and a role's name, a word and a number may follow."""
_NOT_IN_NAMES = "[^A-Za-z0-9_+=,.@-]"


@dataclass(frozen=True, eq=False, repr=False)
class GrantInput:
    """How the policy grants what was observed."""

    PANEL: ClassVar[str] = "Decisions"

    add_observed: Annotated[
        bool,
        typer.Option(
            "--add-observed",
            help="Also grant calls that were seen but are not allowed by current policies, on the names seen.",
        ),
    ] = False
    resources: Annotated[
        str,
        typer.Option(
            "--resources",
            metavar="auto|exact|pattern|type",
            help="Resources as patterns by declared rules, but as seen where the logs show fixed names (auto); all as "
            "seen; all by the rules; or whole types.",
        ),
    ] = "auto"
    unverified: Annotated[
        str,
        typer.Option(
            "--unverified",
            metavar="keep|drop|split",
            envvar="POLICYGEN_UNVERIFIED",
            help="Permissions that the logs can't confirm: keep, drop, or split into their own policy.",
            show_default="keep",
        ),
    ] = ""
    policy_name: Annotated[
        str,
        typer.Option(
            "--policy-name",
            metavar="NAME",
            help="Name the new policy. Managed policies get the role's name and a number as well.",
        ),
    ] = "policygen"

    def suggest(
        self,
        decisions: Decisions,
        on: date,
        opened: Collection[str] = (),
        exact: Collection[str] = (),
    ) -> SuggestOptions:
        """Return how to write the policy; arguments as `SuggestOptions` has them.

        Raises:
            UsageError: PG-E215, there is no such way to write names, or to treat what is unverified; or IAM does not
                allow the policy's name.
        """
        from policygen.errors import UsageError, no_such
        from policygen.rightsize.decisions.model import UNVERIFIED
        from policygen.rightsize.generate.generalise import MODES
        from policygen.rightsize.suggestion import SuggestOptions
        from policygen.text import escape_controls

        if self.resources not in MODES:
            raise no_such(
                f"--resources is {escape_controls(self.resources)[:40]!r}",
                self.resources,
                MODES,
                code="PG-E215",
            )
        if self.unverified not in ("", *UNVERIFIED):
            raise no_such(
                f"--unverified is {escape_controls(self.unverified)[:40]!r}",
                self.unverified,
                UNVERIFIED,
                code="PG-E215",
            )
        allowed = re.sub(_NOT_IN_NAMES, "-", self.policy_name)[:_LONGEST_NAME]
        if not allowed or allowed != self.policy_name:
            raise UsageError(
                f"--policy-name is {escape_controls(self.policy_name)[:60]!r}",
                f"use at most {_LONGEST_NAME} letters, digits and signs of _+=,.@-",
                code="PG-E215",
                instead=(self.policy_name, allowed or "policygen"),
            )
        return SuggestOptions(
            name=self.policy_name,
            add_observed=self.add_observed,
            resources=self.resources,
            opened=opened,
            exact=exact,
            decisions=decisions,
            on=on,
            unverified=cast("Unverified", self.unverified) if self.unverified else None,
        )


@dataclass(frozen=True, eq=False, repr=False)
class RoleGrantInput(GrantInput):
    """How the policy of one role grants what was observed, and resource types that it grants whole or as seen."""

    opened: Annotated[
        list[str] | None,
        typer.Option(
            "--open", metavar="TYPE", help="Grant all resources of a type, such as ec2:image. Repeatable."
        ),
    ] = None
    exact: Annotated[
        list[str] | None,
        typer.Option(
            "--exact", metavar="TYPE", help="Grant names of a type as seen, such as s3:object. Repeatable."
        ),
    ] = None

    def suggest(
        self,
        decisions: Decisions,
        on: date,
        opened: Collection[str] = (),
        exact: Collection[str] = (),
    ) -> SuggestOptions:
        """Return how to write the policy, with the types that were given too."""
        return super().suggest(decisions, on, (*opened, *(self.opened or ())), (*exact, *(self.exact or ())))


@dataclass(frozen=True, eq=False, repr=False)
class PlanOutput:
    """The formats of a plan, and the files that they go to."""

    PANEL: ClassVar[str] = "Output"

    format_: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            envvar="POLICYGEN_FORMAT",
            help=f"Print as {', '.join(FORMATS)}; also {', '.join(ALIASES)}.",
            show_default="text",
            autocompletion=complete_format,
        ),
    ] = ""
    export: Annotated[
        list[Path] | None,
        typer.Option(
            "--export",
            metavar="FILE",
            help=f"Also write a file, in the format of its suffix: {', '.join(SUFFIXES)}. Repeatable.",
        ),
    ] = None
    summary: SummaryOption = False


@dataclass(frozen=True, eq=False, repr=False)
class PrincipalOutput(PlanOutput):
    """The formats of a plan of a trust policy or an API, and the files that they go to."""

    format_: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help=f"Print as {', '.join(TRUST_FORMATS)}.",
            show_default="text",
        ),
    ] = ""
    export: Annotated[
        list[Path] | None,
        typer.Option(
            "--export",
            metavar="FILE",
            help=f"Also write a file, in the format of its suffix: {', '.join(PRINCIPAL_SUFFIXES)}. Repeatable.",
        ),
    ] = None
