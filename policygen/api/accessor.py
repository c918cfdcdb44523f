"""The accessor ``.iam`` of frames of calls and requests: the questions that analysts ask of them, answered in one word.

It is there once `policygen.load` was called. Each answer is a frame, a figure or a policy, and the frame is left as it
is. What a frame lacks for an answer is an `AttributeError` that names the columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Literal

import pandas as pd

from policygen.api import answers, figure
from policygen.api.figure import Figured
from policygen.iam.document import Policy
from policygen.rightsize.backtest import check_learn

Unit = Literal["session", "day", "hour"]
Cells = Literal["by_service_day", "weekday_hour", "co_access", "new_names"]


def _columns(by: str | Sequence[str]) -> list[str]:
    return [by] if isinstance(by, str) else list(by)


@pd.api.extensions.register_dataframe_accessor("iam")
class IamAccessor:
    """Answers about a frame of calls or of requests, as `Log.calls` and `Log.requests` are, or a part of one.

    What was done is the ``action`` of requests, and the ``event_name`` of calls. Days are UTC; a day is
    ``datetime64[us, UTC]``. A frame that lacks a column raises an `AttributeError`. In the examples, ``log`` and
    ``every`` are those below.

    Example:
        >>> import policygen as pg
        >>> log = pg.load("samples/trail", "orders-api", snapshot="samples/account.json")
        >>> every = pg.load("samples/trail", snapshot="samples/account.json")
        >>> int(log.requests.iam.saturation()["known"].iloc[-1])
        331
        >>> log.calls.iam.to_policy()
        Traceback (most recent call last):
        ...
        AttributeError: this frame has no column action, resource, parent, denied
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def _need(self, *columns: str) -> pd.DataFrame:
        lacking = [name for name in columns if name not in self._frame]
        if lacking:
            raise AttributeError(answers.lacks(lacking, self._frame))
        return self._frame

    @property
    def _what(self) -> str:
        if "action" not in self._frame and "event_name" in self._frame:
            return "event_name"
        self._need("action")
        return "action"

    @property
    def _counted(self) -> str:
        """What ``n`` adds up to: a call that asks for several permissions is in several rows of requests."""
        return "calls" if "event_name" in self._frame else "uses"

    @property
    def _uses(self) -> str:
        return "Calls" if self._counted == "calls" else "Permission uses"

    def _caption(self, text: str) -> str:
        return figure.of_roles(text, self._frame)

    def by_action(self) -> pd.DataFrame:
        """Return the ``calls`` and ``days`` (int64) of each action, and its ``first`` and ``last`` day.

        Of requests the first column is ``uses``: a call counts once for each resource that it asked for, so that they
        are more than the calls.

        Example:
            >>> log.calls.iam.by_action().loc["BatchGetItem", ["calls", "days"]].tolist()
            [127, 30]
            >>> log.requests.iam.by_action().loc["dynamodb:BatchGetItem", ["uses", "days"]].tolist()
            [254, 30]
        """
        rows = self._need("day", "n").groupby(self._what, observed=True)
        found = rows.agg(n=("n", "sum"), days=("day", "nunique"), first=("day", "min"), last=("day", "max"))
        found = found.sort_values("n", ascending=False, kind="stable")
        return found.rename(columns={"n": self._counted})

    def by_service_day(self) -> pd.DataFrame:
        """Return the calls (int64) of each service, a row, on each day, a column; days without any call are there.

        Of requests it counts uses of permissions: a call that asks for several counts for each.

        Example:
            >>> int(log.calls.iam.by_service_day().loc["s3.amazonaws.com"].sum())
            205
            >>> int(log.requests.iam.by_service_day().loc["s3"].sum())
            245
        """
        service = "service" if "service" in self._frame else "event_source"
        return self._by_day(service)

    def _by_day(self, index: str) -> pd.DataFrame:
        rows = self._need(index, "day", "n")
        table = rows.pivot_table(
            index=index, columns="day", values="n", aggfunc="sum", fill_value=0, observed=True
        )
        return table.reindex(columns=self._days(), fill_value=0).astype("int64")

    def first_seen(
        self, by: str | Sequence[str] = ("action", "resource"), since: str | date = ""
    ) -> pd.DataFrame:
        """Return each action and resource with the day on which it was ``first`` seen in this frame, in that order.

        Rows that AWS denied count too, unless they are filtered out before.

        Args:
            by: columns that say what is seen, such as ``action`` alone, or ``["role", "account", "action"]``.
            since: a day in UTC, as an ISO text, a date or a time within it; only what was first seen on that day or
                later; "" for all.

        Returns:
            The columns of `by`, and ``first`` (datetime64[us, UTC]).

        Raises:
            UsageError: PG-E206, `since` is not a date.

        Example:
            >>> log.requests.iam.first_seen("action", since="2026-10-29").values.tolist()[0]
            ['s3:ListBucket', Timestamp('2026-10-29 00:00:00+0000', tz='UTC')]
        """
        names, start = _columns(by), answers.day_since(since) if since != "" else None
        rows = self._need(*names, "day")
        first = rows.groupby(names, observed=True)["day"].min().rename("first")
        found = first.reset_index().sort_values(["first", *names], ignore_index=True)
        return found if start is None else found[found["first"] >= start].reset_index(drop=True)

    def saturation(self) -> pd.DataFrame:
        """Return for each day how many actions on resources were ``new``, and how many ``known`` by then (int64).

        Example:
            >>> log.requests.iam.saturation().iloc[-1].to_dict()
            {'new': 11, 'known': 331}
        """
        new = self.first_seen()["first"].value_counts().reindex(self._days(), fill_value=0)
        return pd.DataFrame({"new": new, "known": new.cumsum()}).rename_axis("day").astype("int64")

    def gaps(self, by: str | Sequence[str] = "") -> pd.DataFrame:
        """Return when each action was used: on how many days, how far apart, and on which days of the week.

        A gap that is longer than the window of a policy is a permission that the policy would lack. A job that runs
        once a week has a usual gap of 7.

        Args:
            by: columns to group by, such as ``["role", "account", "action", "parent"]``; "" for the action.

        Returns:
            ``active_days``, ``longest_gap`` (int64, days between two active days; 0 for one day), ``usual_gap``
            (float64, their median) and ``weekdays`` (str, ``Mon Thu``), the longest gap first.

        Example:
            >>> log.requests.iam.gaps().query("usual_gap == 7")["weekdays"].to_dict()
            {'s3:GetObjectTagging': 'Mon', 's3:PutObjectTagging': 'Mon'}
        """
        groups = _columns(by or self._what)
        return answers.rhythm(self._need(*groups, "day"), groups)

    def alike(self, by: str = "action") -> pd.DataFrame:
        """Return the pairs of roles that use the same actions or resources, those most alike first.

        Rows that AWS denied count too, unless they are filtered out before.

        Args:
            by: the column with what they share: ``action``, ``resource``, or ``container`` (bucket, table, queue ...).

        Returns:
            ``role``, ``account``, ``other``, ``other_account`` (str), ``shared`` (int64, how many they both use),
            ``share`` (float64, 0 to 1: of all that either uses), ``actions``, ``resources`` or ``containers`` (tuples
            of str: which).

        Example:
            >>> tables = every.requests.query("service == 'dynamodb' and not denied")
            >>> tables.iam.alike("container")["containers"].tolist()
            [('arn:aws:dynamodb:eu-west-1:111122223333:table/stock',)]
        """
        return answers.alike_roles(self._need("role", "account", by), by)

    def names(self) -> pd.DataFrame:
        """Return for each action, type and parent its ``names``, ``active_days`` and ``new_days`` (int64).

        A day is new if a name came up that was never seen before; the first active day does not count.

        Example:
            >>> log.requests.iam.names().loc["sts:AssumeRole"].values.tolist()
            [[1, 3, 0]]
        """
        rows = self._need("action", "resource_type", "parent", "resource", "day")
        by = ["action", "resource_type", "parent"]
        groups = rows.groupby(by, observed=True)
        first = rows.groupby([*by, "resource"], observed=True)["day"].min()
        new = first.groupby(by, observed=True).nunique() - 1
        found = groups.agg(names=("resource", "nunique"), active_days=("day", "nunique"))
        return found.assign(new_days=new).astype("int64")

    def co_access(self, unit: Unit = "session") -> pd.DataFrame:
        """Return how often two actions come together: of the units with either, the share with both (float64, 0 to 1).

        Args:
            unit: ``session`` (of those that were kept, a sample), ``day``, or ``hour`` (of the first and the last call
                of a day, which is all that calls keep of the hour).

        Example:
            >>> float(log.requests.iam.co_access("day").loc["s3:GetObject", "s3:PutObject"].round(2))
            0.93
        """
        what = self._what
        if unit == "session":
            rows = self._need("sessions")[[what, "sessions"]].explode("sessions").dropna()
            units: Any = rows["sessions"]
        elif unit == "day":
            rows = self._need("day")
            units = rows["day"]
        elif unit == "hour":
            rows = self._need("first", "last")[[what, "first", "last"]].melt(id_vars=what)
            units = pd.to_datetime(rows["value"], utc=True).dt.floor("h")
        else:
            raise ValueError(f"unit is {unit!r}: session, day or hour")
        if units.empty:
            return pd.DataFrame(dtype="float64").rename_axis(index=what, columns=what)
        there = pd.crosstab(units, rows[what].astype(str)).gt(0).astype("int64")
        both = there.T @ there
        alone = there.sum()
        either = both.rsub(alone, axis=0).add(alone, axis=1)
        return (both / either).rename_axis(index=what, columns=what)

    def weekday_hour(self) -> pd.DataFrame:
        """Return how many rows of calls began in each hour of the day (columns 0 to 23) on each weekday (0 is Monday).

        Counts are int64; hours are UTC. A row is a distinct call on one day, of which the time of the first is known:
        jobs stand out, volumes do not.

        Example:
            >>> log.calls.iam.weekday_hour().shape
            (7, 24)
        """
        first = self._need("first")["first"]
        table = pd.crosstab(first.dt.day_of_week, first.dt.hour)
        found = table.reindex(index=range(7), columns=range(24), fill_value=0)
        return found.rename_axis(index="weekday", columns="hour").astype("int64")

    def backtest(self, learn: int = 0) -> pd.DataFrame:
        """Learn names on the first days, and count what later days ask beyond them; by this frame alone.

        `Log.backtest` knows the declared rules, and counts calls; here each row of requests is asked for by itself.

        Args:
            learn: how many of the first days to learn from; 0 for two thirds.

        Returns:
            A row for each mode, ``exact`` (the same names) and ``parent`` (any name below the same parent): ``learnt``
            days, later ``uses``, those ``denied`` (int64), and ``denied_share`` (float64).

        Raises:
            UsageError: PG-E205, nothing is left to learn from or to replay.

        Example:
            >>> log.requests.iam.backtest()[["mode", "uses", "denied"]].values.tolist()
            [['exact', 756, 100], ['parent', 756, 0]]
        """
        rows = self._need("action", "resource", "parent", "day", "n", "denied")
        days = self._days()
        learnt = learn or 2 * len(days) // 3
        check_learn(learnt, len(days))
        rows = rows[~rows["denied"]]
        early, later = rows[rows["day"] < days[learnt]], rows[rows["day"] >= days[learnt]]
        found = []
        for mode, name in (("exact", "resource"), ("parent", "parent")):
            known = set(zip(early["action"], early[name], strict=True))
            new = [one not in known for one in zip(later["action"], later[name], strict=True)]
            uses, denied = int(later["n"].sum()), int(later["n"][new].sum())
            found.append((mode, learnt, uses, denied, denied / uses if uses else float("nan")))
        return pd.DataFrame(found, columns=["mode", "learnt", "uses", "denied", "denied_share"])

    def to_policy(self) -> Policy:
        """Return the policy that allows exactly what these rows asked for and got: names as seen, and no condition.

        It is for questions such as "what did this session need?". `policygen.suggest` writes one to apply, with proof.

        Raises:
            ValueError: no row was allowed.

        Example:
            >>> log.requests.query("service == 'states'").iam.to_policy().statements[0].actions
            ('states:StartExecution',)
        """
        rows = self._need("action", "resource", "parent", "denied")
        rows = rows[~rows["denied"]]
        if rows.empty:
            raise ValueError("no row was allowed, so there is nothing to grant")
        return answers.policy_as_seen(rows)

    def new_names(self) -> pd.DataFrame:
        """Return how many names of each resource type, a row, were seen for the first time on each day, a column.

        Counts are int64. Everything is new on the first day.

        Example:
            >>> log.requests.iam.new_names().sum(axis=1)[["object", "table"]].to_dict()
            {'object': 201, 'table': 2}
        """
        rows = self._need("resource_type", "resource", "parent", "day")
        named = rows[rows["resource"] != rows["parent"]]
        first = named.groupby(["resource_type", "resource"], observed=True)["day"].min().reset_index()
        table = pd.crosstab(first["resource_type"].astype(str), first["day"])
        return table.reindex(columns=self._days(), fill_value=0).astype("int64")

    def heatmap(self, of: Cells = "by_service_day") -> Figured:
        """Draw one of the tables as cells, of a stronger color where there is more.

        Args:
            of: ``by_service_day``, ``weekday_hour``, ``co_access`` (of days; neighbours go together) or ``new_names``.

        Raises:
            ValueError: there is no such table.

        Example:
            >>> log.requests.iam.heatmap("new_names")
            <Figure: New names by type and day, UTC: orders-api, 10 rows>
        """
        if of == "by_service_day":
            return figure.cells_by_day(
                self._caption(f"{self._uses} by service and day, UTC"), self.by_service_day(), self._counted
            )
        if of == "weekday_hour":
            return figure.cells_by_hour(
                self._caption("Rows of calls by the hour of the first, UTC"), self.weekday_hour()
            )
        if of == "co_access":
            return figure.cells_of_shares(
                self._caption("Actions that come on the same days"), self._in_chains()
            )
        if of == "new_names":
            return figure.cells_by_day(
                self._caption("New names by type and day, UTC"), self.new_names(), "names"
            )
        raise ValueError(f"of is {of!r}: by_service_day, weekday_hour, co_access or new_names")

    def _in_chains(self) -> pd.DataFrame:
        """Return the shares of days with both actions, each action beside one that it goes with."""
        first = self._need("day").groupby(self._what, observed=True)["day"].min()
        return answers.in_chains(self.co_access("day"), first)

    def timeline(self) -> Figured:
        """Draw the days on which each action was used, in the order of their first use.

        Example:
            >>> log.requests.iam.timeline()
            <Figure: Use of each action by day, UTC: orders-api, 19 rows>
        """
        table = self._by_day(self._what)
        first = self._frame.groupby(self._what, observed=True)["day"].min().sort_values(kind="stable")
        return figure.cells_by_day(
            self._caption("Use of each action by day, UTC"), table.loc[first.index], self._counted
        )

    def curve(self) -> Figured:
        """Draw how many actions on resources were known by each day.

        Of a frame of back-tests, as `backtest_frame` makes it, draw the share of later calls that would be denied, by
        the days learnt from, a line for each way to write names.

        Example:
            >>> shown = pg.backtest_frame(log.backtest(curve=True)).iam.curve()
            >>> float(shown.data.loc[20, "exact"].round(3))
            0.148
        """
        if "denied_share" in self._frame:
            rows = self._need("learnt", "mode", "denied_share")
            table = rows.pivot_table(index="learnt", columns="mode", values="denied_share", observed=True)
            return figure.shares(self._caption("Calls that would be denied"), table)
        return figure.learning(
            self._caption("Actions on resources that were known by each day, UTC"), self.saturation()
        )

    def bars(self) -> Figured:
        """Draw the calls of each action, or of requests the uses of each permission; the most first.

        Example:
            >>> int(log.calls.iam.bars().data["calls"].max())
            313
        """
        return figure.lengths(self._caption(f"{self._uses} of each action"), self.by_action()[self._counted])

    def _days(self) -> pd.DatetimeIndex:
        day = self._need("day")["day"]
        return pd.DatetimeIndex(pd.date_range(day.min(), day.max(), freq="D") if len(day) else day)
