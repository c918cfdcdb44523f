"""A log in Python: read once, looked at as frames, of one role or of all."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Unpack

from policygen.account.current import CurrentAccess
from policygen.all_roles.select import RoleTarget
from policygen.api.options import Writing, suggest_options
from policygen.errors import NothingFoundError, PolicygenError, UsageError
from policygen.evidence.observe import RoleEvidence
from policygen.evidence.role import parse_role
from policygen.iam.request import RoleKey
from policygen.plan.model import Plan
from policygen.report.data import log_frames
from policygen.report.data.log_frames import Unjudged
from policygen.report.html.notebook import NotebookFigure, framed
from policygen.rightsize.analysis import Analysis, conclude
from policygen.rightsize.backtest import Backtest, backtest
from policygen.rightsize.suggestion import Suggestion, SuggestOptions
from policygen.text import escape_controls, pluralize, sanitize

if TYPE_CHECKING:
    import pandas as pd

_LISTED = 8
"""Roles that the representation, or a warning, names."""

_KEPT = 30_000
"""Calls by day and user, of all roles whose evidence is kept; that of others is made again for each frame."""

Find = Callable[[RoleTarget], RoleEvidence]
Access = Callable[[RoleTarget], CurrentAccess | None]
_Key = tuple[str, str]


def _key(target: RoleTarget) -> _Key:
    return target.account, target.name


class Log:
    """The logs of some days, read once. Its frames are made when they are first looked at, and then kept.

    In each frame, ``role`` and ``account`` (categories) say whose a row is; times are ``datetime64[us, UTC]``, counts
    ``int64``; what would be lists are tuples, which can be grouped by. In the examples, ``log`` is the one below.

    Example:
        >>> import policygen as pg
        >>> log = pg.load("samples/trail", "orders-api", snapshot="samples/account.json")
        >>> log
        <Log: 1 role, orders-api; 30 days, 2026-10-26 to 2026-11-24>
        >>> log.backtest().outcome().replay.sentence
        'learnt on days 1-20: 0 of 636 calls of days 21-30 denied'
    """

    def __init__(self, roles: Sequence[RoleTarget], find: Find, access: Access) -> None:
        import_module("policygen.api.accessor")  # it gives frames their `.iam`; pandas takes long to import

        self._roles, self._find, self._access = roles, find, access
        self._found: dict[_Key, RoleEvidence | PolicygenError] = {}
        self._concluded: dict[_Key, Analysis] = {}
        self._kept = 0

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
        """One row for each distinct call, day and user of the role's credentials; suspicious ones are in `suspects`.

        Columns: ``day`` (datetime64[us, UTC]), ``role``, ``account``, ``region``, ``event_source``, ``event_name``,
        ``outcome``, ``error``, ``via``, ``vpce``, ``user``, ``manner`` (categories, as in `calls_frame`), ``params``
        (str, JSON), ``n`` (int64, calls), ``first``, ``last`` (datetime64[us, UTC]), ``sessions``, ``addresses``,
        ``user_agents``, ``event_ids`` (tuples of str, a sample of at most five).

        Example:
            >>> log.calls.groupby("event_name", observed=True)["n"].sum().nlargest(2).to_dict()
            {'GetItem': 313, 'Decrypt': 264}
        """
        return log_frames.calls_of_log(self._evidence())

    @cached_property
    def requests(self) -> pd.DataFrame:
        """One row for each action, resource, day and user; what AWS denied too, suspicious calls not.

        ``pd.concat([log.requests, log.suspects])`` adds these, each with what it asked for first.

        Columns: ``role``, ``account``, ``service``, ``action``, ``resource_type`` (categories), ``resource``,
        ``parent`` (the ARN with ``*`` for the name), ``container`` (the bucket, table, queue or the like that it is, or
        is in; None where the record names none; all str), ``day`` (datetime64[us, UTC]), ``n`` (int64, calls),
        ``denied`` (bool), ``user`` (category), ``sessions`` (tuple of str, a sample). A call that asks for several
        permissions is in several rows, so that ``n`` adds up to calls only in the frame `calls`. Not all records
        tell whether AWS checked a permission: ``s3:GetObjectTagging`` of a copy is optional by its ``grade`` in
        `requests_frame`.

        Example:
            >>> log.requests.groupby("service", observed=True)["action"].nunique().nlargest(2).to_dict()
            {'dynamodb': 6, 's3': 6}
        """
        return log_frames.requests_of_log(self._evidence())

    @cached_property
    def roles(self) -> pd.DataFrame:
        """One row for each role; a role without evidence says why in ``error``.

        Columns: ``role``, ``account`` (categories), ``arn`` (str), ``events``, ``calls`` (distinct ones), ``days``
        (with an event), ``services`` (int64), ``first``, ``last`` (datetime64[us, UTC]), ``error`` (category).

        Example:
            >>> log.roles[["events", "days", "services"]].values.tolist()
            [[1961, 30, 8]]
        """
        found = ((one.name, one.account, one.arn, self._of(one)) for one in self._roles)
        return log_frames.roles_of_log(found)

    @cached_property
    def names(self) -> pd.DataFrame:
        """One row for each action, type and parent with names: whether its names are fixed or made up.

        Columns: ``role``, ``account``, ``action``, ``resource_type`` (categories), ``parent`` (str), ``names``,
        ``active_days``, ``new_days`` (with a name never seen before; the first day does not count), ``late_days``
        (those of them in the later half; int64), ``choice`` (category: open, closed, ask), ``declared`` (bool).

        Example:
            >>> log.names["choice"].value_counts().to_dict()
            {'closed': 13, 'open': 6, 'ask': 1}
        """
        return log_frames.names_of_log(self._evidence())

    @cached_property
    def sessions(self) -> pd.DataFrame:
        """One row for each session that was kept with a call: a sample, at most five for each call and day.

        Columns: ``role``, ``account`` (categories), ``session`` (str), ``user``, ``manner`` (categories), ``days``
        (int64), ``events`` (int64, distinct operations), ``first_day``, ``last_day`` (datetime64[us, UTC]).

        Example:
            >>> log.sessions[["session", "manner", "days"]].values.tolist()[-1]
            ['orders-api', 'service', 30]
        """
        return log_frames.sessions_of_log(self._evidence())

    @cached_property
    def suspects(self) -> pd.DataFrame:
        """One row for each distinct call, day and user that does not look like the workload.

        Only credentials of functions, tasks and instances are judged: a role of people has no row, whoever used it.
        Rows that are ``accepted``, and those of the sign ``after-quiet``, are in `calls` and `requests` too.

        Columns: ``day`` (datetime64[us, UTC]), ``role``, ``account``, ``sign``, ``region``, ``event_source``,
        ``event_name``, ``action``, ``result``, ``error``, ``user``, ``manner`` (categories, as in
        `suspicious_frame`), ``accepted`` (bool), ``resource`` (str, what it asked for first), ``n`` (int64, calls),
        ``first``, ``last`` (datetime64[us, UTC]), ``addresses``, ``user_agents``, ``sessions``, ``event_ids`` (tuples
        of str, at most five).

        Example:
            >>> log.suspects.explode("addresses").groupby("addresses")["n"].sum().to_dict()
            {'198.51.100.77': 6, '54.170.77.12': 2}
        """
        return log_frames.suspects_of_log(self._evidence())

    @cached_property
    def risks(self) -> pd.DataFrame:
        """One row for each named risk of a role.

        Columns: ``role``, ``account`` (categories), ``rule``, ``title`` (str), ``family`` (category: escalation,
        exfiltration, exposure), ``closed`` (bool: today's policies have it and the proposal has not), ``actions``,
        ``resources`` (tuples of str). A warning names the roles without a suggestion, and thus without a row.

        Example:
            >>> log.risks["closed"].value_counts().to_dict()
            {True: 16, False: 1}
        """
        return self._of_suggestions(log_frames.risks_of_log)

    @cached_property
    def changes(self) -> pd.DataFrame:
        """One row for each action that is allowed today or in the proposal.

        Columns: ``role``, ``account``, ``service``, ``action``, ``kind`` (categories), ``now``, ``proposed`` (tuples of
        str, patterns of resources), ``why`` (str), ``used`` (bool), ``calls`` (int64), ``last`` (datetime64[us, UTC]),
        ``support``, ``reason`` (categories), as `changes_frame` explains them. ``used`` counts possible uses too: see
        `requests`.

        The actions of a role without a suggestion are of the ``kind`` ``unjudged``: they are neither kept nor
        removed, and ``reason`` is the code of the error. A warning names these roles, and those that have no row
        since today's policies are not known. An administrator has 22,000 rows; 400 roles may have 1.5 million,
        which take a minute. For one role of many there is ``pg.changes_frame(log.suggest("NAME"))``.

        Example:
            >>> log.changes["support"].value_counts().to_dict()  # 26 needed + 13 unverified
            {'seen': 19, 'unverified': 13, 'required': 7}
        """
        return self._of_suggestions(log_frames.changes_of_log)

    @cached_property
    def coverage(self) -> pd.DataFrame:
        """One row for each role: what the logs could show of it.

        Columns: ``role``, ``account`` (categories), ``start``, ``end``, ``first_day`` (datetime64[us, UTC]), ``days``,
        ``days_with_events`` (int64), ``regions``, ``trails``, ``data_types``, ``gaps`` (tuples of str; None where not
        known).

        Example:
            >>> log.coverage[["days", "days_with_events", "regions"]].values.tolist()
            [[30, 30, ('eu-west-1', 'us-east-1')]]
        """
        return log_frames.coverage_of_log(self._evidence())

    def suggest(self, role: str = "", **how: Unpack[Writing]) -> Suggestion:
        """Suggest the smallest policy for a role, from what was read.

        Args:
            role: name or ARN; "" for the only one.
            how: ``policy_name``, ``add_observed``, ``resources``, ``opened``, ``exact``, ``keep``, ``drop``,
                ``decisions`` and ``unverified``, as `pg.suggest` has them.

        Raises:
            PolicygenError: PG-E310, there is no such role; PG-E203, several, and none is named; what `pg.suggest`
                raises.

        Example:
            >>> log.suggest().tightness.needed
            26
            >>> log.suggest(drop=["sqs:*"]).tightness.unverified < log.suggest().tightness.unverified
            True
        """
        return self._analysis(role, suggest_options(**how) if how else None).suggestion

    def plan(self, role: str = "") -> Plan:
        """Return the plan of a role, as `policygen suggest` saves it: for `pg.check`.

        Args:
            role: name or ARN; "" for the only one.

        Raises:
            PolicygenError: as `suggest`.

        Example:
            >>> [one for one in pg.check(log.suggest().policies, log.plan()) if one.level == "error"]
            []
        """
        from policygen.plan.build import plan_from_analysis

        return plan_from_analysis(self._analysis(role))

    def _analysis(self, role: str, options: SuggestOptions | None = None) -> Analysis:
        target = self._target(role)
        evidence = self._require(target)
        return conclude(evidence, options) if options else self._analysis_of(target, evidence)

    def _analysis_of(self, target: RoleTarget, evidence: RoleEvidence) -> Analysis:
        if found := self._concluded.get(_key(target)):
            return found
        found = conclude(evidence)
        if _key(target) in self._found:
            self._concluded[_key(target)] = found
        return found

    def backtest(self, role: str = "", *, learn: int = 0, curve: bool = False) -> Backtest:
        """Learn on the first days, and replay the calls of the others.

        Only what was seen is learnt. What a suggestion keeps besides, unverified or for AWS's own services, is left
        out, so that the suggested policy would deny no more than this.

        Args:
            role: name or ARN; "" for the only one.
            learn: how many of the first days of the window to learn from; 0 for two thirds of it.
            curve: whether to look at other numbers of days as well.

        Raises:
            UsageError: PG-E205, nothing is left to learn from or to replay.
            PolicygenError: as `suggest`.

        Example:
            >>> log.backtest(learn=14).outcome().replay.denied
            2
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
        if known := self._found.get(_key(target)):
            return known
        found: RoleEvidence | PolicygenError
        try:
            found = self._find(target)
        except PolicygenError as error:
            found = error
        calls = 0 if isinstance(found, PolicygenError) else len(found.usage.daily)
        if len(self._roles) == 1 or self._kept + calls <= _KEPT:
            self._found[_key(target)] = found
            self._kept += calls
        return found

    def _require(self, target: RoleTarget) -> RoleEvidence:
        found = self._of(target)
        if isinstance(found, PolicygenError):
            raise found
        return found

    def _evidence(self) -> Iterator[RoleEvidence]:
        return (found for one in self._roles if isinstance(found := self._of(one), RoleEvidence))

    def _of_suggestions(
        self, frame_of: Callable[[Iterator[Suggestion | Unjudged]], pd.DataFrame]
    ) -> pd.DataFrame:
        without: dict[str, list[str]] = {}
        frame = frame_of(self._suggestions(without))
        said = [f"{pluralize(len(some), 'role')} {what}: {_listed(some)}" for what, some in without.items()]
        if said:
            warnings.warn("\n".join(said), stacklevel=4)  # the level of who looks at the frame
        return frame

    def _suggestions(self, without: dict[str, list[str]]) -> Iterator[Suggestion | Unjudged]:
        """Yield what is suggested for each role, and collect the names of roles of which the frame does not say all."""
        for one in self._roles:
            found = self._suggestion_of(one)
            name = f"{sanitize(one.name, 64)} in account {one.account}"
            if isinstance(found, Unjudged):
                without.setdefault("without a suggestion", []).append(f"{name} ({found.why})")
            elif found.now is None:
                without.setdefault("whose policies of today are not known", []).append(name)
            yield found

    def _suggestion_of(self, target: RoleTarget) -> Suggestion | Unjudged:
        evidence = self._of(target)
        if isinstance(evidence, PolicygenError):
            return Unjudged(target.name, target.account, evidence, self._access(target))
        try:
            return self._analysis_of(target, evidence).suggestion
        except PolicygenError as error:
            return Unjudged(target.name, target.account, error, evidence.current_access, evidence.usage)


def _listed(names: Sequence[str]) -> str:
    more = f"; and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return "; ".join(names[:_LISTED]) + more
