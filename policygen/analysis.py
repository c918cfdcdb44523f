"""From logs and an account to a suggestion: the flow that the command line and the Python API share."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from policygen.access import RoleKey
from policygen.account import load_snapshot
from policygen.account.model import Account
from policygen.catalog import reference
from policygen.conduct import Sign
from policygen.decisions import Decisions
from policygen.engine import Job, Means, run
from policygen.errors import UsageError
from policygen.ledger import Ledger, nobody
from policygen.observation import Logs, Observed, observe
from policygen.policy.generalise import Mode
from policygen.reading import Reading
from policygen.sources import open_source
from policygen.suggestion import Suggestion, suggest
from policygen.text import printable


@dataclass(frozen=True, slots=True)
class Analysis:
    """A suggestion and what it was made from."""

    suggestion: Suggestion
    observed: Observed

    @property
    def reading(self) -> Reading:
        """What was read."""
        return self.observed.reading

    @property
    def ledger(self) -> Ledger:
        """Everything that was read, added up."""
        return self.observed.ledger

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
    accepted: Collection[Sign] = (),
    decisions: Decisions | None = None,
    on: date | None = None,
    means: Means | None = None,
) -> Analysis:
    """A suggestion for one role; arguments as for `observe`, and those of the proposal.

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
    seen = observe(
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
    seen: Observed,
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
                f"no resource type {printable(name)[:60]!r}",
                "give a service and one of its types, as the screen names them: --open ec2:image",
                *([f"types of {prefix}: {', '.join(sorted(known.types)[:12])}"] if known else []),
                code="PG-E214",
            )


def suggest_role(
    role: str,
    logs: str | Path | Sequence[str | Path],
    *,
    days: int = 30,
    until: str = "",
    snapshot: str | Path | Account | None = None,
    allow_incomplete: bool = False,
    add_observed: bool = False,
    resources: Mode = "pattern",
    opened: Collection[str] = (),
    accepted: Collection[Sign] = (),
    executor: Executor | None = None,
) -> Suggestion:
    """The smallest policy for one role, as the command line suggests it.

    Args:
        role: name or ARN.
        logs: a file or folder of CloudTrail records, or several.
        days: length of the window, in whole UTC days.
        until: last day or time of the window; "" for the newest event read.
        snapshot: account snapshot, or the path of one; None to rest on the evidence alone.
        allow_incomplete: go on where files are damaged.
        add_observed: grant what was observed but is not allowed today.
        resources: how observed names are written: ``exact``, ``pattern`` (by the declared rules) or ``type``.
        opened: resource types, ``ec2:image``, that are written whole.
        accepted: signs of odd usage that a person has looked at; `policygen.conduct.SIGNS` names them.
        executor: where the logs are read, if they are large: processes, or a cluster's; None for this process.

    Raises:
        PolicygenError: as the command line would print it.
    """
    account = load_snapshot(snapshot) if isinstance(snapshot, str | Path) else snapshot
    return analyse(
        _paths(logs),
        role,
        days=days,
        until=until,
        account=account,
        allow_incomplete=allow_incomplete,
        add_observed=add_observed,
        resources=resources,
        opened=opened,
        accepted=accepted,
        means=_means(executor),
    ).suggestion


def roles_in(
    logs: str | Path | Sequence[str | Path], *, executor: Executor | None = None
) -> dict[RoleKey, int]:
    """The roles seen in logs and the number of events of each, most first; `executor` as for `suggest_role`."""
    ledger = run(open_source(_paths(logs)), Job(nobody), means=_means(executor)).ledger
    return dict(sorted(ledger.roles.items(), key=lambda one: (-one[1], one[0])))


def _paths(logs: str | Path | Sequence[str | Path]) -> list[str | Path]:
    return [logs] if isinstance(logs, str | Path) else list(logs)


def _means(executor: Executor | None) -> Means:
    """Enough for an executor of many workers, since none tells how many it has."""
    return Means(executor, ahead=32)
