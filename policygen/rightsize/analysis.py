"""From logs and an account to a suggestion: the flow that the command line and the Python API share."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from policygen.account.model import Account
from policygen.errors import UsageError
from policygen.evidence.anomalies import AnomalyRule
from policygen.evidence.observe import Logs, RoleEvidence, collect_evidence
from policygen.iam import reference
from policygen.logs.calls.counts import CallCounts
from policygen.logs.read_report import ReadReport
from policygen.logs.reader import ReadOptions
from policygen.rightsize.decisions.model import Decisions
from policygen.rightsize.generate.generalise import Mode
from policygen.rightsize.suggest import suggest
from policygen.rightsize.suggestion import Suggestion
from policygen.text import escape_controls


@dataclass(frozen=True, slots=True)
class Analysis:
    """A suggestion and what it was made from."""

    suggestion: Suggestion
    observed: RoleEvidence

    @property
    def read_report(self) -> ReadReport:
        """What was read."""
        return self.observed.read_report

    @property
    def counts(self) -> CallCounts:
        """Everything that was read, added up."""
        return self.observed.counts

    @property
    def until_given(self) -> bool:
        """Whether the user named the window's end."""
        return self.observed.until_given


def analyse(
    logs: Logs,
    role: str,
    *,
    days: int = 30,
    until: str = "",
    account: Account | None = None,
    allow_incomplete: bool = False,
    add_observed: bool = False,
    resources: Mode = "pattern",
    opened: Collection[str] = (),
    accepted: Collection[AnomalyRule] = (),
    decisions: Decisions | None = None,
    on: date | None = None,
    means: ReadOptions | None = None,
) -> Analysis:
    """A suggestion for one role; arguments as for `collect_evidence`, and those of the proposal.

    Args:
        add_observed: grant what was observed but is not allowed today.
        resources: how observed names are written: ``exact``, ``pattern`` (by the declared rules) or ``type``.
        opened: resource types, ``ec2:image``, that are written whole.
        decisions: what people decided to keep, to drop and to protect.
        on: the day it is: a window of logs from AWS ends on it, and decisions expire; by default the window's last.

    Raises:
        PolicygenError: nothing found, incomplete evidence, a failed proof; see each function.
    """
    _check_opened(opened)
    seen = collect_evidence(
        logs,
        role,
        days=days,
        until=until,
        account=account,
        allow_incomplete=allow_incomplete,
        accepted=accepted,
        on=on,
        means=means,
    )
    return conclude(
        seen, add_observed=add_observed, resources=resources, opened=opened, decisions=decisions, on=on
    )


def conclude(
    seen: RoleEvidence,
    *,
    add_observed: bool = False,
    resources: Mode = "pattern",
    opened: Collection[str] = (),
    decisions: Decisions | None = None,
    on: date | None = None,
) -> Analysis:
    """The suggestion that follows from what was observed; arguments as for `analyse`."""
    made = suggest(
        seen.usage,
        seen.coverage,
        seen.today,
        add_observed=add_observed,
        resources=resources,
        opened=opened,
        predecessors=seen.chosen.predecessors,
        decisions=decisions,
        on=on,
        conduct=seen.conduct,
        apart=seen.apart,
    )
    return Analysis(made, seen)


def _check_opened(opened: Collection[str]) -> None:
    for name in opened:
        prefix, _, kind = name.partition(":")
        known = reference.service(prefix)
        if known is None or kind not in known.types:
            raise UsageError(
                f"no resource type {escape_controls(name)[:60]!r}",
                "give a service and one of its types, as the screen names them: --open ec2:image",
                *([f"types of {prefix}: {', '.join(sorted(known.types)[:12])}"] if known else []),
                code="PG-E214",
            )
