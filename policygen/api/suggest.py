"""The public functions: suggest a policy for a role, and list the roles in logs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import Executor
from pathlib import Path

from msgspec.structs import replace

from policygen.account.function_code import read_code
from policygen.account.model import Account
from policygen.account.snapshot import load_snapshot
from policygen.evidence.anomalies import AnomalyRule
from policygen.evidence.observe import ObserveOptions
from policygen.iam.request import RoleKey
from policygen.logs.calls.counts import no_role
from policygen.logs.chunk import ReadRequest
from policygen.logs.reader import ReadOptions, read_source
from policygen.logs.registry import open_source
from policygen.logs.traces.read import read_traces
from policygen.rightsize.analysis import analyse
from policygen.rightsize.decisions.model import Unverified
from policygen.rightsize.generate.generalise import Mode
from policygen.rightsize.suggestion import Suggestion, SuggestOptions


def suggest_role(
    role: str,
    logs: str | Path | Sequence[str | Path],
    *,
    days: int = 30,
    until: str = "",
    all_accounts: bool | None = None,
    snapshot: str | Path | Account | None = None,
    allow_incomplete: bool = False,
    add_observed: bool = False,
    resources: Mode = "auto",
    opened: Collection[str] = (),
    exact: Collection[str] = (),
    accepted: Collection[AnomalyRule] = (),
    traces: str | Path | Sequence[str | Path] = (),
    code: str | Path | Sequence[str | Path] = (),
    unverified: Unverified | None = None,
    executor: Executor | None = None,
) -> Suggestion:
    """Suggest the smallest policy for one role, as the command line does.

    Args:
        role: name or ARN.
        logs: a file or folder of CloudTrail logs, or several.
        days: length of the window in whole UTC days.
        until: ISO date or time in UTC at which the window ends; "" for the newest event read.
        all_accounts: whether to read the logs of other accounts too; None for those that may have calls that its own
            lack.
        snapshot: account snapshot or its path; None to use the logs alone.
        allow_incomplete: continue where files are damaged.
        add_observed: grant observed requests that the current policies do not allow.
        resources: how to write observed names: ``auto`` (by the declared rules, but as seen where the logs show that
            they are fixed), ``exact``, ``pattern`` (by the declared rules) or ``type``.
        opened: resource types (``ec2:image``) of which every resource is granted.
        exact: resource types (``s3:object``) of which the names are granted as seen.
        accepted: kinds of suspicious calls that count as the workload's: ``interactive-agent``, ``not-the-host``,
            ``not-the-function``, ``foreign-agent``.
        traces: files or folders of traces, or several; ``ROLE=PATH`` for those that do not say whose they are.
        code: files or folders of what the functions' code calls, or several; it needs a snapshot.
        unverified: what becomes of permissions whose use the logs cannot show: ``keep`` (as by default), ``drop``, or
            ``split``, which writes them as policies of their own.
        executor: where to read large logs, in processes or on a cluster; None for this process.

    Raises:
        PolicygenError: what the command line prints as an error; each subclass has its exit code.
    """
    account = load_snapshot(snapshot) if isinstance(snapshot, str | Path) else snapshot
    if account and code:
        account = replace(account, code=read_code([str(one) for one in _paths(code)]))
    return analyse(
        _paths(logs),
        role,
        observe=ObserveOptions(
            days=days,
            until=until,
            all_accounts=all_accounts,
            allow_incomplete=allow_incomplete,
            accepted=accepted,
            traces=read_traces([str(one) for one in _paths(traces)]) if traces else None,
        ),
        suggest=SuggestOptions(
            add_observed=add_observed,
            resources=resources,
            opened=opened,
            exact=exact,
            unverified=unverified,
        ),
        account=account,
        read=_read_options(executor),
        to_edit=True,
    ).suggestion


def roles_in(
    logs: str | Path | Sequence[str | Path], *, executor: Executor | None = None
) -> dict[RoleKey, int]:
    """Count the events of each role in logs, most first.

    Args:
        logs: a file or folder of CloudTrail logs, or several.
        executor: where to read large logs, in processes or on a cluster; None for this process.
    """
    counts = read_source(
        open_source(_paths(logs)), ReadRequest(no_role), options=_read_options(executor)
    ).counts
    return dict(sorted(counts.totals.roles.items(), key=lambda item: (-item[1], item[0])))


def _paths(logs: str | Path | Sequence[str | Path]) -> list[str | Path]:
    return [logs] if isinstance(logs, str | Path) else list(logs)


def _read_options(executor: Executor | None) -> ReadOptions:
    """Return options for an executor of many workers: an executor does not tell how many it has."""
    return ReadOptions(executor, max_in_flight=32)
