"""The accessor ``.iam`` of frames of calls and requests: the questions that analysts ask of them, answered in one word.

It is there once `policygen.load` was called. Each answer is a frame, a figure or a policy, and the frame is left as it
is. What a frame lacks for an answer is an `AttributeError` that names the columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from policygen.iam.arn import quote
from policygen.iam.document import Policy, Statement

if TYPE_CHECKING:
    from policygen.api.figure import Figured

Unit = Literal["session", "day", "hour"]


@pd.api.extensions.register_dataframe_accessor("iam")
class IamAccessor:
    """Answers about a frame of calls or of requests, as `Log.calls` and `Log.requests` are, or a part of one.

    What was done is the ``action`` of requests, and the ``event_name`` of calls.

    Example:
        >>> import policygen as pg
        >>> log = pg.load("samples/trail", "orders-api", snapshot="samples/account.json")
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
            raise AttributeError(f"this frame has no column {', '.join(lacking)}")
        return self._frame

    @property
    def _what(self) -> str:
        if "action" not in self._frame and "event_name" in self._frame:
            return "event_name"
        self._need("action")
        return "action"

    def by_action(self) -> pd.DataFrame:
        """Return the ``calls`` and ``days`` (int64) of each action, and its ``first`` and ``last`` day."""
        rows = self._need("day", "n").groupby(self._what, observed=True)
        found = rows.agg(
            calls=("n", "sum"), days=("day", "nunique"), first=("day", "min"), last=("day", "max")
        )
        return found.sort_values("calls", ascending=False, kind="stable")

    def by_service_day(self) -> pd.DataFrame:
        """Return the calls (int64) of each service, a row, on each day, a column; days without any call are there."""
        service = "service" if "service" in self._frame else "event_source"
        rows = self._need(service, "day", "n")
        table = rows.pivot_table(
            index=service, columns="day", values="n", aggfunc="sum", fill_value=0, observed=True
        )
        return table.reindex(columns=self._days(), fill_value=0).astype("int64")

    def first_seen(self) -> pd.DataFrame:
        """Return each action and resource with the day on which it was ``first`` seen, in that order."""
        rows = self._need("action", "resource", "day")
        first = rows.groupby(["action", "resource"], observed=True)["day"].min().rename("first")
        return first.reset_index().sort_values(["first", "action", "resource"], ignore_index=True)

    def saturation(self) -> pd.DataFrame:
        """Return for each day how many actions on resources were ``new``, and how many ``known`` by then (int64)."""
        new = self.first_seen()["first"].value_counts().reindex(self._days(), fill_value=0)
        return pd.DataFrame({"new": new, "known": new.cumsum()}).rename_axis("day").astype("int64")

    def gaps(self) -> pd.DataFrame:
        """Return for each action its ``active_days`` and its ``longest_gap``, days between two of them (int64).

        A gap that is longer than the window of a policy is a permission that the policy would lack.
        """
        rows = self._need("day")[[self._what, "day"]].drop_duplicates().sort_values("day")
        between = rows.groupby(self._what, observed=True)["day"].diff().dt.days.fillna(0)
        groups = rows.assign(gap=between).groupby(self._what, observed=True)
        found = groups.agg(active_days=("day", "size"), longest_gap=("gap", "max"))
        return found.astype("int64").sort_values("longest_gap", ascending=False, kind="stable")

    def names(self) -> pd.DataFrame:
        """Return for each action, type and parent its ``names``, ``active_days`` and ``new_days`` (int64).

        A day is new if a name came up that was never seen before; the first active day does not count.
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
            units = rows["value"].dt.floor("h")
        else:
            raise ValueError(f"unit is {unit!r}: session, day or hour")
        there = pd.crosstab(units, rows[what].astype(str)).gt(0).astype("int64")
        both = there.T @ there
        alone = there.sum()
        either = both.rsub(alone, axis=0).add(alone, axis=1)
        return (both / either).rename_axis(index=what, columns=what)

    def weekday_hour(self) -> pd.DataFrame:
        """Return how many rows of calls began in each hour of the day (columns 0 to 23) on each weekday (0 is Monday).

        A row is a distinct call on one day, of which the time of the first is known: jobs stand out, volumes do not.
        """
        first = self._need("first")["first"]
        table = pd.crosstab(first.dt.day_of_week, first.dt.hour)
        found = table.reindex(index=range(7), columns=range(24), fill_value=0)
        return found.rename_axis(index="weekday", columns="hour").astype("int64")

    def backtest(self, learn: int = 0) -> pd.DataFrame:
        """Learn names on the first days, and count what later days ask beyond them; by this frame alone.

        `Log.backtest` knows the declared rules, and counts calls; here each row of requests is asked for by itself.

        Args:
            learn: days to learn from; 0 for two thirds.

        Returns:
            A row for each mode, ``exact`` (the same names) and ``parent`` (any name below the same parent): ``learnt``
            days, later ``uses``, those ``denied`` (int64), and ``denied_share`` (float64).
        """
        rows = self._need("action", "resource", "parent", "day", "n", "denied")
        days = self._days()
        learnt = learn or 2 * len(days) // 3
        if not 0 < learnt < len(days):
            raise ValueError(f"learn is {learn}, of {len(days)} days")
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
        """
        rows = self._need("action", "resource", "parent", "denied")
        rows = rows[~rows["denied"]]
        if rows.empty:
            raise ValueError("no row was allowed, so there is nothing to grant")
        # Of a name that the record does not have whole, the parent is the resource: a pattern already.
        whole = [
            one if one == parent else quote(one)
            for one, parent in zip(rows["resource"], rows["parent"], strict=True)
        ]
        groups = rows.assign(resource=whole).groupby("action", observed=True)["resource"]
        actions: dict[tuple[str, ...], list[str]] = {}
        for action, names in groups:
            actions.setdefault(tuple(sorted(set(names))), []).append(str(action))
        statements = [Statement("Allow", tuple(some), resources) for resources, some in actions.items()]
        return Policy(tuple(statements), name="as-seen")

    def heatmap(self) -> Figured:
        """Draw the calls of each service on each day."""
        from policygen.api.figure import strips

        return strips("Calls by service and day", self.by_service_day())

    def timeline(self) -> Figured:
        """Draw the days on which each action was used, in the order of their first use."""
        from policygen.api.figure import strips

        rows = self._need("day", "n")
        table = rows.pivot_table(
            index=self._what, columns="day", values="n", aggfunc="sum", fill_value=0, observed=True
        )
        table = table.reindex(columns=self._days(), fill_value=0).astype("int64")
        order = table.gt(0).to_numpy().argmax(axis=1).argsort(kind="stable")
        return strips("Use of each action by day", table.iloc[order])

    def curve(self) -> Figured:
        """Draw how many actions on resources were known by each day."""
        from policygen.api.figure import learning

        return learning("Actions on resources that were known by each day", self.saturation())

    def bars(self) -> Figured:
        """Draw the calls of each action, the most first."""
        from policygen.api.figure import lengths

        return lengths("Calls of each action", self.by_action()["calls"])

    def _days(self) -> pd.DatetimeIndex:
        day = self._need("day")["day"]
        return pd.DatetimeIndex(pd.date_range(day.min(), day.max(), freq="D") if len(day) else day)
