"""All roles in Python: one pass over the logs; and a row for each role, as the command batch makes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from policygen.account.model import Account
from policygen.all_roles.read import read_logs
from policygen.all_roles.rightsize_role import BatchSettings, evidence_of_target, right_size
from policygen.all_roles.role_trust import sightings_of
from policygen.all_roles.select import RoleFilter, RoleTarget, targets
from policygen.api.options import account_of, read_options_of, source_of, suggest_options
from policygen.evidence.observe import ObserveOptions, RoleEvidence
from policygen.iam.request import RoleKey
from policygen.logs.calls.call import Calls
from policygen.logs.calls.spill import SpillStore, StoredRoles, unpack_calls
from policygen.logs.source import Source
from policygen.plan.batch_table import BatchRow
from policygen.report.data.batch import batch_frame
from policygen.rightsize.decisions.model import Decisions, Unverified
from policygen.rightsize.generate.generalise import Mode
from policygen.rightsize.suggestion import SuggestOptions

if TYPE_CHECKING:
    import pandas as pd


class EveryRole(NamedTuple):
    """All roles of an account and its logs, their calls, and who assumed them."""

    settings: BatchSettings
    targets: Sequence[RoleTarget]
    stored: Mapping[str, StoredRoles]
    """Name of a role in lower case -> what was read of all roles of that name."""
    spill: SpillStore
    """Where that is stored, until nobody asks for a role any more."""

    def calls_of(self, target: RoleTarget) -> dict[RoleKey, Calls]:
        """Return the calls of one role."""
        return unpack_calls(self._stored_of(target).calls)

    def right_sized(self, target: RoleTarget) -> BatchRow:
        """Return the row of one role."""
        sightings = sightings_of(target, self._stored_of(target))
        return right_size(self.settings, target, self.calls_of(target), sightings).row

    def _stored_of(self, target: RoleTarget) -> StoredRoles:
        return self.stored.get(target.name.lower(), StoredRoles({}, {})).in_account(target.account)

    def evidence_of(self, target: RoleTarget) -> RoleEvidence:
        """Return the evidence of one role.

        Raises:
            PolicygenError: there is none.
        """
        return evidence_of_target(self.settings, target, self.calls_of(target))


def read_every_role(
    source: Source,
    observe: ObserveOptions,
    account: Account | None,
    *,
    suggest: SuggestOptions | None = None,
    choice: RoleFilter = RoleFilter(),  # noqa: B008 - immutable
    executor: Executor | None = None,
) -> EveryRole:
    """Read the logs once.

    Args:
        source: the logs.
        observe: which part of the logs counts.
        account: the account as it is; None where it is not known.
        suggest: how to write policies.
        choice: which roles.
        executor: where to read large logs; None for this process.

    Raises:
        PolicygenError: nothing found, or the evidence has gaps.
    """
    accounts = {account.account_id: account} if account else {}
    known = [one.key for one in account.roles] if account else []
    spill = SpillStore()
    found = read_logs(source, spill, choice, observe, read_options_of(executor), known)
    settings = BatchSettings(
        read_report=found.read_report,
        counts=found.counts,
        observe=observe,
        suggest=suggest or SuggestOptions(),
        limit=found.limit,
        accounts=accounts,
    )
    chosen = targets(found.counts.totals.roles, accounts, choice)
    return EveryRole(settings, chosen, dict(spill.by_name()), spill)


def batch(
    logs: str | Path | Sequence[str | Path],
    *,
    days: int = 30,
    until: str = "",
    snapshot: str | Path | Account | None = None,
    names: Sequence[str] = (),
    paths: Sequence[str] = (),
    tags: Sequence[str] = (),
    trusts: Sequence[str] = (),
    allow_incomplete: bool = False,
    add_observed: bool = False,
    resources: Mode = "auto",
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
    decisions: str | Path | Decisions | None = None,
    unverified: Unverified | None = None,
    profile: str = "",
    region: str = "",
    max_scan: int | None = None,
    executor: Executor | None = None,
) -> pd.DataFrame:
    """Right-size every role, and return a row for each, whatever became of it. No file is written.

    Args:
        logs: a file or folder of CloudTrail logs, or several.
        days: length of the window in whole UTC days.
        until: ISO date or time in UTC at which the window ends; "" for the newest event read.
        snapshot: account snapshot or its path; None to use the logs alone.
        names: globs of role names; () for all roles.
        paths: prefixes of IAM paths, ``/service-role/``.
        tags: ``KEY`` or ``KEY=VALUE``, where the value is a glob.
        trusts: services that may assume the role, ``lambda``.
        allow_incomplete: continue where files are damaged.
        add_observed: grant observed requests that the current policies do not allow.
        resources: how to write observed names, as in `suggest`.
        keep: permissions to keep, ``ACTION`` or ``ACTION on ARN``.
        drop: permissions to drop, likewise.
        decisions: file of decisions, such as ``policygen.toml``; it is read only where it is named.
        unverified: what becomes of permissions whose use the logs cannot show: ``keep``, ``drop`` or ``split``.
        profile: AWS profile to read logs with; "" for the default one.
        region: AWS region to read logs from; "" for AWS_REGION, or the profile's.
        max_scan: most bytes that Athena queries may scan; None for no limit.
        executor: where to read large logs, in processes or on a cluster; None for this process.

    It reads the logs by itself, also where `policygen.load` has read them.

    Columns: those of roles.csv, whose lists are text with commas here. ``role``, ``account``, ``verdict``
    (categories: ready, review, wait, unchanged, unused, fixed, failed); ``arn``, ``path``, ``reason`` (the
    role's own), ``reasons`` (the ids of all that keep it from ready), ``code`` (of the error), ``last_call``,
    ``rules`` (of people, which drop something), ``plan`` (the name of its files), ``owner``, ``tags``,
    ``trusts`` (services that may assume it), ``services`` (of the needed actions), ``services_unused`` (of which
    today's policies allow actions, and the proposal none),
    ``risks_closed``, ``risks_left`` (by family), ``trust``, ``trust_reason``, ``trust_code``, ``trust_policy``,
    ``trust_findings`` (as `policygen trust` has them), ``last_assumed`` (str); ``events``, ``days`` (with an
    event), ``actions_now``, ``actions_proposed``, ``needed``, ``unverified``, ``questions``,
    ``escalations_closed``, ``escalations_left``, ``losses`` (needed permissions that a decision drops),
    ``replay_calls``, ``replay_denied`` (as `backtest` counts them), ``trust_changes``, ``trust_losses``,
    ``assumptions``, ``session_now``, ``session_proposed`` (seconds; Int64, missing where not known);
    ``cut_percent`` (float64, of today's actions).

    Raises:
        PolicygenError: nothing found, or the evidence has gaps. What one role lacks is in its row.

    Example:
        >>> import policygen as pg
        >>> rows = pg.batch("samples/trail", snapshot="samples/account.json", names=["orders-*"])
        >>> rows[["role", "actions_now", "needed"]].values.tolist()
        [['orders-api', 519, 26]]
    """
    every = read_every_role(
        source_of(logs, profile=profile, region=region, max_scan=max_scan),
        ObserveOptions(days=days, until=until, allow_incomplete=allow_incomplete),
        account_of(snapshot, ""),
        suggest=suggest_options(
            add_observed=add_observed,
            resources=resources,
            keep=keep,
            drop=drop,
            decisions=decisions,
            unverified=unverified,
        ),
        choice=RoleFilter(names, paths, tags, trusts),
        executor=executor,
    )
    return batch_frame([every.right_sized(target) for target in every.targets])
