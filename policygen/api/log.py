"""A log in Python: read once, looked at as frames, of one role or of all."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from policygen.account.model import Account
from policygen.all_roles.rightsize_role import evidence_of_target
from policygen.all_roles.select import RoleTarget
from policygen.api.every_role import read_every_role
from policygen.api.options import account_of, paths_of, read_options_of, role_named
from policygen.errors import NothingFoundError, PolicygenError, UsageError
from policygen.evidence.observe import ObserveOptions, RoleEvidence, collect_evidence
from policygen.evidence.role import parse_role
from policygen.iam.request import RoleKey
from policygen.report.data import log_frames
from policygen.report.html.notebook import NotebookFigure, framed
from policygen.rightsize.analysis import conclude
from policygen.rightsize.backtest import Backtest, backtest
from policygen.rightsize.suggestion import Suggestion, SuggestOptions
from policygen.text import escape_controls, pluralize, sanitize

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import pandas as pd

_LISTED = 8
"""Roles that the representation names."""

Find = Callable[[RoleTarget], RoleEvidence]
_Key = tuple[str, str]


def _key(target: RoleTarget) -> _Key:
    return target.account, target.name


class Log:
    """The logs of some days, read once. Its frames are made when they are first looked at, and then kept.

    In each frame, ``role`` and ``account`` (categories) say whose a row is; times are ``datetime64[us, UTC]``, counts
    ``int64``; lists are tuples, which can be grouped by.

    Example:
        >>> import policygen as pg
        >>> log = pg.load("samples/trail", "orders-api", snapshot="samples/account.json")
        >>> log
        <Log: 1 role, orders-api; 30 days, 2026-10-26 to 2026-11-24>
        >>> log.backtest().outcome().replay.sentence
        'learnt on days 1-20: 0 of 636 calls of days 21-30 denied'
    """

    def __init__(self, roles: Sequence[RoleTarget], find: Find) -> None:
        import_module("policygen.api.accessor")  # it gives frames their `.iam`; pandas takes long to import

        self._roles, self._find = roles, find
        self._found: dict[_Key, RoleEvidence | PolicygenError] = {}
        self._suggested: dict[_Key, Suggestion] = {}

    def __repr__(self) -> str:
        """Return what was read in a line."""
        shown = ", ".join(sanitize(one.name, 64) for one in self._roles[:_LISTED])
        more = f" and {len(self._roles) - _LISTED:,} more" if len(self._roles) > _LISTED else ""
        return f"<Log: {pluralize(len(self._roles), 'role')}, {shown}{more}; {self._window}>"

    def _repr_html_(self) -> str:
        """Return a small page with the roles, for notebooks."""
        columns = ["role", "account", "events", "days", "error"]
        rows = self.roles[columns].astype(object).fillna("").itertuples(index=False)
        return framed(
            "Log",
            facts=[("Roles", f"{len(self._roles):,}"), ("Window", self._window)],
            figures=[NotebookFigure("Roles", columns, [tuple(map(str, row)) for row in rows])],
        )

    @property
    def _window(self) -> str:
        window = next((one.usage.window for one in self._evidence()), None)
        if window is None:
            return "no role has a call"
        return f"{pluralize(window.days, 'day')}, {window.start} to {window.last_day}"

    @cached_property
    def calls(self) -> pd.DataFrame:
        """One row for each distinct call, day and user: as `calls_frame`, with ``account`` and ``sessions``."""
        return log_frames.calls_of_log(self._evidence())

    @cached_property
    def requests(self) -> pd.DataFrame:
        """One row for each action, resource, day and user; what AWS denied too.

        Columns: ``role``, ``account``, ``service``, ``action``, ``resource_type`` (categories), ``resource``,
        ``parent`` (the ARN with ``*`` for the name; both str), ``day`` (datetime64[us, UTC]), ``n`` (int64, calls),
        ``denied`` (bool), ``user`` (category), ``sessions`` (tuple of str, a sample). A call that asks for several
        permissions is in several rows, so ``n`` must not be added up over actions.
        """
        return log_frames.requests_of_log(self._evidence())

    @cached_property
    def roles(self) -> pd.DataFrame:
        """One row for each role; a role without evidence says why in ``error``.

        Columns: ``role``, ``account`` (categories), ``arn`` (str), ``events``, ``calls`` (distinct ones), ``days``,
        ``services`` (int64), ``first``, ``last`` (datetime64[us, UTC]), ``error`` (category).
        """
        found = ((one.name, one.account, one.arn, self._of(one)) for one in self._roles)
        return log_frames.roles_of_log(found)

    @cached_property
    def names(self) -> pd.DataFrame:
        """One row for each action, type and parent with names: whether its names are fixed or made up.

        Columns: ``role``, ``account``, ``action``, ``resource_type`` (categories), ``parent`` (str), ``names``,
        ``active_days``, ``new_days``, ``late_days`` (int64), ``choice`` (category: open, closed, ask), ``declared``
        (bool).
        """
        return log_frames.names_of_log(self._evidence())

    @cached_property
    def sessions(self) -> pd.DataFrame:
        """One row for each session that was kept with a call: a sample, at most five for each call and day.

        Columns: ``role``, ``account`` (categories), ``session`` (str), ``user``, ``manner`` (categories), ``days``,
        ``events`` (int64, distinct operations), ``first_day``, ``last_day`` (datetime64[us, UTC]).
        """
        return log_frames.sessions_of_log(self._evidence())

    @cached_property
    def suspects(self) -> pd.DataFrame:
        """The calls that do not look like the workload: as `suspicious_frame`, with ``account`` and with tuples."""
        return log_frames.suspects_of_log(self._evidence())

    @cached_property
    def risks(self) -> pd.DataFrame:
        """One row for each named risk of a role.

        Columns: ``role``, ``account`` (categories), ``rule``, ``title`` (str), ``family`` (category: escalation,
        exfiltration, exposure), ``closed`` (bool: today's policies have it and the proposal has not), ``actions``,
        ``resources`` (tuples of str). A role for which no policy can be suggested is warned about.
        """
        return log_frames.risks_of_log(self._suggestions())

    @cached_property
    def changes(self) -> pd.DataFrame:
        """What becomes of each action: as `changes_frame`, with ``role`` and ``account``, and with tuples.

        A role for which no policy can be suggested is warned about.
        """
        return log_frames.changes_of_log(self._suggestions())

    @cached_property
    def coverage(self) -> pd.DataFrame:
        """One row for each role: what the logs could show of it.

        Columns: ``role``, ``account`` (categories), ``start``, ``end``, ``first_day`` (datetime64[us, UTC]), ``days``,
        ``days_with_events`` (int64), ``regions``, ``trails``, ``data_types``, ``gaps`` (tuples of str; None where not
        known).
        """
        return log_frames.coverage_of_log(self._evidence())

    def suggest(self, role: str = "", options: SuggestOptions | None = None) -> Suggestion:
        """Suggest the smallest policy for a role, from what was read.

        Args:
            role: name or ARN; "" for the only one.
            options: how to write the policy; None for the defaults. `pg.suggest` takes them one by one.

        Raises:
            PolicygenError: PG-E310, there is no such role; PG-E203, several, and none is named; what `pg.suggest`
                raises.
        """
        target = self._target(role)
        return conclude(self._require(target), options).suggestion if options else self._suggestion_of(target)

    def _suggestion_of(self, target: RoleTarget) -> Suggestion:
        if _key(target) not in self._suggested:
            self._suggested[_key(target)] = conclude(self._require(target)).suggestion
        return self._suggested[_key(target)]

    def backtest(self, role: str = "", *, learn: int = 0, curve: bool = False) -> Backtest:
        """Learn on the first days, and replay the calls of the others.

        Args:
            role: name or ARN; "" for the only one.
            learn: days to learn from; 0 for two thirds of the window.
            curve: whether to look at other numbers of days as well.

        Raises:
            PolicygenError: as `suggest`.
        """
        one = self._require(self._target(role))
        return backtest(one.usage, one.coverage, one.current_access, learnt=learn, curve=curve)

    def _target(self, role: str) -> RoleTarget:
        wanted = parse_role(role) if role else None
        found = [
            one
            for one in self._roles
            if not wanted or wanted.matches(RoleKey(one.account, "", one.arn, one.name))
        ]
        if len(found) == 1:
            return found[0]
        names = [f"{one.name} in account {one.account}" for one in found or self._roles]
        listed = f"there are: {', '.join(names[:_LISTED])}"
        if found:
            raise UsageError(
                f"{pluralize(len(found), 'role')}, and it is not said which", listed, code="PG-E203"
            )
        raise NothingFoundError(f"no role {escape_controls(role)[:80]!r} was read", listed, code="PG-E310")

    def _of(self, target: RoleTarget) -> RoleEvidence | PolicygenError:
        if _key(target) not in self._found:
            try:
                self._found[_key(target)] = self._find(target)
            except PolicygenError as error:
                self._found[_key(target)] = error
        return self._found[_key(target)]

    def _require(self, target: RoleTarget) -> RoleEvidence:
        found = self._of(target)
        if isinstance(found, PolicygenError):
            raise found
        return found

    def _evidence(self) -> Iterator[RoleEvidence]:
        return (found for one in self._roles if isinstance(found := self._of(one), RoleEvidence))

    def _suggestions(self) -> list[Suggestion]:
        found = []
        for one in self._roles:
            if isinstance(self._of(one), PolicygenError):
                continue
            try:
                found.append(self._suggestion_of(one))
            except PolicygenError as error:
                # The level of who looks at the frame.
                warnings.warn(f"{one.name}: {error.message}  {error.code}", stacklevel=4)
        return found


def load(
    logs: str | Path | Sequence[str | Path],
    role: str | None = None,
    days: int = 30,
    snapshot: str | Path | Account | None = None,
    *,
    until: str = "",
    allow_incomplete: bool = False,
    executor: Executor | None = None,
) -> Log:
    """Read logs once, to look at them as frames.

    Args:
        logs: a file or folder of CloudTrail logs, or several.
        role: name or ARN of one role, which is read much faster; None for all.
        days: length of the window in whole UTC days.
        snapshot: account snapshot or its path; None to use the logs alone.
        until: ISO date or time in UTC at which the window ends; "" for the newest event read.
        allow_incomplete: continue where files are damaged.
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
    if role is None:
        every = read_every_role(logs, observe, account, executor=executor)
        return Log(
            every.targets, lambda target: evidence_of_target(every.settings, target, every.calls_of(target))
        )
    found = collect_evidence(
        paths_of(logs), role_named(role, account), observe, account=account, read=read_options_of(executor)
    )
    key = found.usage.role
    return Log([RoleTarget(key.name, key.account, key.arn, found.role)], lambda _: found)
