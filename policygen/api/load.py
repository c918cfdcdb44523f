"""Logs in Python: read once, of one role or of all."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

from policygen.account.model import Account
from policygen.all_roles.select import RoleTarget
from policygen.api.every_role import read_every_role
from policygen.api.log import Log
from policygen.api.options import account_of, read_options_of, role_named, source_of
from policygen.evidence.observe import ObserveOptions, collect_evidence


def load(
    logs: str | Path | Sequence[str | Path],
    role: str | None = None,
    days: int = 30,
    snapshot: str | Path | Account | None = None,
    *,
    until: str = "",
    allow_incomplete: bool = False,
    profile: str = "",
    region: str = "",
    max_scan: int | None = None,
    executor: Executor | None = None,
) -> Log:
    """Read logs once, to look at them as frames.

    Args:
        logs: a file or folder of CloudTrail logs, or several; or what `--logs` takes, ``s3://BUCKET``.
        role: name or ARN of one role, which is read much faster; None for all.
        days: length of the window in whole UTC days.
        snapshot: account snapshot or its path; None to use the logs alone.
        until: ISO date or time in UTC at which the window ends; "" for the newest event read.
        allow_incomplete: continue where files are damaged.
        profile: AWS profile to read logs with; "" for the default one.
        region: AWS region to read logs from; "" for AWS_REGION, or the profile's.
        max_scan: most bytes that Athena queries may scan; None for no limit.
        executor: where to read large logs, in processes or on a cluster; None for this process.

    Raises:
        PolicygenError: what the command line prints as an error; each subclass has its exit code.

    Example:
        >>> import policygen as pg
        >>> log = pg.load("samples/trail", snapshot="samples/account.json")
        >>> len(log.roles), int(log.roles["events"].max())
        (16, 1961)
    """
    observe = ObserveOptions(days=days, until=until, allow_incomplete=allow_incomplete)
    account = account_of(snapshot, role or "")
    source = source_of(logs, profile=profile, region=region, max_scan=max_scan)
    if role is None:
        every = read_every_role(source, observe, account, executor=executor)
        return Log(every.targets, every.evidence_of, every.settings.access_of)
    found = collect_evidence(
        source, role_named(role, account), observe, account=account, read=read_options_of(executor)
    )
    key = found.usage.role
    return Log(
        [RoleTarget(key.name, key.account, key.arn, found.role)],
        lambda _: found,
        lambda _: found.current_access,
    )
