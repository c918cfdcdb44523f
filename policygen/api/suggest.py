"""The public functions of one role: suggest a policy, test it on later days; and list the roles in logs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import Executor
from pathlib import Path

from policygen.account.model import Account
from policygen.api.load import load
from policygen.api.options import (
    account_of,
    paths_of,
    read_options_of,
    role_named,
    source_of,
    suggest_options,
)
from policygen.evidence.anomalies import AnomalyRule
from policygen.evidence.observe import ObserveOptions
from policygen.iam.request import RoleKey
from policygen.logs.calls.counts import no_role
from policygen.logs.chunk import ReadRequest
from policygen.logs.reader import read_source
from policygen.logs.traces.read import read_traces
from policygen.rightsize.analysis import analyse
from policygen.rightsize.backtest import Backtest
from policygen.rightsize.decisions.model import Decisions, Unverified
from policygen.rightsize.generate.generalise import Mode
from policygen.rightsize.suggestion import Suggestion


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
    keep: Collection[str] = (),
    drop: Collection[str] = (),
    decisions: str | Path | Decisions | None = None,
    unverified: Unverified | None = None,
    policy_name: str = "policygen",
    live: bool = False,
    last_accessed: bool = True,
    inventory: bool = True,
    profile: str = "",
    region: str = "",
    max_scan: int | None = None,
    verify_digests: bool = False,
    public_keys: str | Path | None = None,
    executor: Executor | None = None,
) -> Suggestion:
    """Suggest the smallest policy for one role, as the command line does.

    Args:
        role: name or ARN, or a Lambda function that runs as it, where the account is known.
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
        keep: permissions to keep, ``ACTION`` or ``ACTION on ARN``.
        drop: permissions to drop, likewise.
        decisions: file of decisions, such as ``policygen.toml``; it is read only where it is named. Rules expire by the
            last day of the window.
        unverified: what becomes of permissions whose use the logs cannot show: ``keep`` (as by default), ``drop``, or
            ``split``, which writes them as policies of their own.
        policy_name: name of the new policy.
        live: read the role's policies from AWS (read-only), instead of a snapshot.
        last_accessed: with `live`, also read IAM's last-accessed report.
        inventory: with `live`, also list the resources of every region.
        profile: AWS profile to read logs and the account with; "" for the default one.
        region: AWS region to read from; "" for AWS_REGION, or the profile's.
        max_scan: most bytes that Athena queries may scan; None for no limit.
        verify_digests: check log files against CloudTrail's digests.
        public_keys: folder of CloudTrail's public keys, for digests of logs in folders.
        executor: where to read large logs, in processes or on a cluster; None for this process.

    Raises:
        PolicygenError: what the command line prints as an error; each subclass has its exit code.

    Example:
        >>> import policygen as pg
        >>> pg.suggest("orders-api", "samples/trail", snapshot="samples/account.json")
        <Suggestion for orders-api: safe to apply? look first
         window 2026-10-26 to 2026-11-24T22:36:06Z, 30 days
         actions: 26 needed + 13 unverified; today 519
         policies: policygen (4,144 characters)>
    """
    account = account_of(
        snapshot,
        role,
        live=live,
        profile=profile,
        region=region,
        last_accessed=last_accessed,
        inventory=inventory,
        code=code,
    )
    return analyse(
        source_of(
            logs,
            profile=profile,
            region=region,
            max_scan=max_scan,
            verify_digests=verify_digests,
            public_keys=public_keys,
        ),
        role_named(role, account),
        observe=ObserveOptions(
            days=days,
            until=until,
            all_accounts=all_accounts,
            allow_incomplete=allow_incomplete,
            accepted=accepted,
            traces=read_traces([str(one) for one in paths_of(traces)]) if traces else None,
        ),
        suggest=suggest_options(
            policy_name=policy_name,
            add_observed=add_observed,
            resources=resources,
            opened=opened,
            exact=exact,
            keep=keep,
            drop=drop,
            decisions=decisions,
            unverified=unverified,
        ),
        account=account,
        read=read_options_of(executor),
        to_edit=True,
    ).suggestion


def backtest_role(
    role: str,
    logs: str | Path | Sequence[str | Path],
    *,
    days: int = 30,
    learn: int = 0,
    curve: bool = False,
    until: str = "",
    snapshot: str | Path | Account | None = None,
    allow_incomplete: bool = False,
    profile: str = "",
    region: str = "",
    max_scan: int | None = None,
    executor: Executor | None = None,
) -> Backtest:
    """Learn on the first days of the window, and replay the calls of the others, for each way to write names.

    Args:
        role: name or ARN.
        logs: a file or folder of CloudTrail logs, or several.
        days: length of the window in whole UTC days.
        learn: how many of the first days to learn from; 0 for two thirds of the window.
        curve: whether to look at other numbers of days as well.
        until: ISO date or time in UTC at which the window ends; "" for the newest event read.
        snapshot: account snapshot or its path; None to use the logs alone.
        allow_incomplete: continue where files are damaged.
        profile: AWS profile to read logs with; "" for the default one.
        region: AWS region to read logs from; "" for AWS_REGION, or the profile's.
        max_scan: most bytes that Athena queries may scan; None for no limit.
        executor: where to read large logs, in processes or on a cluster; None for this process.

    Returns:
        The back-test; `backtest_frame` and `denied_frame` are its tables.

    Raises:
        PolicygenError: what the command line prints as an error; each subclass has its exit code.

    Example:
        >>> import policygen as pg
        >>> found = pg.backtest("orders-api", "samples/trail", snapshot="samples/account.json")
        >>> found.outcome("exact").replay.sentence
        'learnt on days 1-20: 94 of 636 calls of days 21-30 denied, on 10 days'
    """
    log = load(
        logs,
        role,
        days,
        snapshot,
        until=until,
        allow_incomplete=allow_incomplete,
        profile=profile,
        region=region,
        max_scan=max_scan,
        executor=executor,
    )
    return log.backtest(learn=learn, curve=curve)


def roles_in(
    logs: str | Path | Sequence[str | Path],
    *,
    profile: str = "",
    region: str = "",
    max_scan: int | None = None,
    executor: Executor | None = None,
) -> dict[RoleKey, int]:
    """Count the events of each role in logs, most first.

    All events count, for there is no window here: `Log.roles` counts those of its days, of ``orders-api`` 1,961.

    Args:
        logs: a file or folder of CloudTrail logs, or several.
        profile: AWS profile to read logs with; "" for the default one.
        region: AWS region to read logs from; "" for AWS_REGION, or the profile's.
        max_scan: most bytes that Athena queries may scan; None for no limit.
        executor: where to read large logs, in processes or on a cluster; None for this process.

    Example:
        >>> import policygen as pg
        >>> {role.name: n for role, n in pg.roles("samples/trail").items()}["orders-api"]
        2914
    """
    counts = read_source(
        source_of(logs, profile=profile, region=region, max_scan=max_scan),
        ReadRequest(no_role),
        options=read_options_of(executor),
    ).counts
    return dict(sorted(counts.totals.roles.items(), key=lambda item: (-item[1], item[0])))
