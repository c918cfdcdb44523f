"""The public Python API: one role's suggestion, and the roles that logs hold."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import Executor
from pathlib import Path

from policygen.account.model import Account
from policygen.account.snapshot import load_snapshot
from policygen.evidence.anomalies import AnomalyRule
from policygen.evidence.observe import ObserveOptions
from policygen.iam.request import RoleKey
from policygen.logs.calls.counts import nobody
from policygen.logs.chunk import ReadRequest
from policygen.logs.reader import ReadOptions, read_source
from policygen.logs.registry import open_source
from policygen.rightsize.analysis import analyse
from policygen.rightsize.generate.generalise import Mode
from policygen.rightsize.suggestion import Suggestion, SuggestOptions


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
    accepted: Collection[AnomalyRule] = (),
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
        accepted: rules of odd usage that a person has looked at; `policygen.evidence.anomalies.ANOMALY_RULES` has
            their names.
        executor: where the logs are read, if they are large: processes, or a cluster's; None for this process.

    Raises:
        PolicygenError: as the command line would print it.
    """
    account = load_snapshot(snapshot) if isinstance(snapshot, str | Path) else snapshot
    return analyse(
        _paths(logs),
        role,
        observe=ObserveOptions(days=days, until=until, allow_incomplete=allow_incomplete, accepted=accepted),
        suggest=SuggestOptions(add_observed=add_observed, resources=resources, opened=opened),
        account=account,
        read=_means(executor),
    ).suggestion


def roles_in(
    logs: str | Path | Sequence[str | Path], *, executor: Executor | None = None
) -> dict[RoleKey, int]:
    """The roles seen in logs and the number of events of each, most first; `executor` as for `suggest_role`."""
    counts = read_source(open_source(_paths(logs)), ReadRequest(nobody), options=_means(executor)).counts
    return dict(sorted(counts.totals.roles.items(), key=lambda one: (-one[1], one[0])))


def _paths(logs: str | Path | Sequence[str | Path]) -> list[str | Path]:
    return [logs] if isinstance(logs, str | Path) else list(logs)


def _means(executor: Executor | None) -> ReadOptions:
    """Enough for an executor of many workers, since none tells how many it has."""
    return ReadOptions(executor, max_in_flight=32)
