"""The longer answers of the accessor: frames from frames, whose columns it has checked."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import pandas as pd

from policygen.api.figure import WEEKDAYS
from policygen.errors import UsageError
from policygen.iam.arn import quote
from policygen.iam.document import Policy, Statement
from policygen.text import sanitize

# Python reads more forms of ISO 8601, but a bare number may be a typing error.
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]|$)")


def lacks(names: Sequence[str], rows: pd.DataFrame) -> str:
    """Return the message for columns that a frame has not, with those that it has."""
    there = [sanitize(str(one), 64) for one in rows.columns]
    close = [one for name in names for one in difflib.get_close_matches(str(name), there, 1)]
    meant = f"; did you mean {close[0]}?" if close else "."
    return f"this frame has no column {', '.join(map(str, names))}{meant} It has: {', '.join(there)}"


def _weekdays(days: pd.Series[Any]) -> str:
    return " ".join(WEEKDAYS[number] for number in sorted(days.dt.day_of_week.unique()))


def day_since(since: str | date) -> pd.Timestamp:
    """Return the beginning, in UTC, of the day of a date or a time; a time without a zone is UTC.

    Raises:
        UsageError: PG-E206, it is neither a date nor a time, nor an ISO text of one.
    """
    try:
        if isinstance(since, str) and _ISO.match(since):
            since = datetime.fromisoformat(since)
        if isinstance(since, date) and not pd.isna(since):
            day = pd.Timestamp(since)
            return (day.tz_convert("UTC") if day.tzinfo else day.tz_localize("UTC")).normalize()
    except (ValueError, OverflowError):
        pass
    raise UsageError(
        f"since is not a date: {repr(since)[:60]}", "for example since='2026-11-24'", code="PG-E206"
    )


def rhythm(rows: pd.DataFrame, groups: Sequence[str]) -> pd.DataFrame:
    """Return the active days of each group, the gaps between them in days, and the days of the week."""
    groups = list(groups)
    rows = rows[[*groups, "day"]].drop_duplicates().sort_values("day")
    rows = rows.assign(gap=rows.groupby(groups, observed=True)["day"].diff().dt.days)
    days = rows.groupby(groups, observed=True)
    found = days.agg(active_days=("day", "size"), longest_gap=("gap", "max"), usual_gap=("gap", "median"))
    found["weekdays"] = days["day"].agg(_weekdays)
    found = found.astype({"active_days": "int64"}).assign(
        longest_gap=found["longest_gap"].fillna(0).astype("int64")
    )
    return found.sort_values("longest_gap", ascending=False, kind="stable")


def alike_roles(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return the pairs of roles that share values of a column, those most alike first."""
    who, both = ["role", "account"], ["other", "other_account"]
    rows = rows[[*who, by]].dropna().drop_duplicates().astype(str)
    sizes = rows.groupby(who).size()
    pairs = rows.merge(rows.rename(columns={"role": "other", "account": "other_account"}), on=by)
    pairs = pairs[pairs["role"] + "\n" + pairs["account"] < pairs["other"] + "\n" + pairs["other_account"]]
    found = pairs.groupby([*who, *both])[by].agg(_shared).rename("names").reset_index()
    found["shared"] = found["names"].map(len).astype("int64")
    each = [sizes.reindex(pd.MultiIndex.from_frame(found[names])).to_numpy() for names in (who, both)]
    found["share"] = (found["shared"] / (sum(each) - found["shared"])).astype("float64")
    columns = [*who, *both, "shared", "share"]
    found = found[[*columns, "names"]].rename(columns={"names": f"{by}s"})
    return found.sort_values(["share", "shared"], ascending=False, kind="stable", ignore_index=True)


def _shared(names: pd.Series[str]) -> tuple[str, ...]:
    return tuple(sorted(names))


def in_chains(table: pd.DataFrame, first: pd.Series[Any]) -> pd.DataFrame:
    """Return the shares of days with both actions, each action beside one that it goes with."""
    seen = sorted(table.index, key=lambda name: (first[name], name))
    shares = table.loc[seen, seen].to_numpy(copy=True)
    chain = [0] if seen else []
    while len(chain) < len(seen):
        shares[:, chain[-1]] = -1  # it has its place
        chain.append(int(shares[chain[-1]].argmax()))  # of equals the one that was seen first
    order = [seen[number] for number in chain]
    return table.loc[order, order]


def policy_as_seen(rows: pd.DataFrame) -> Policy:
    """Return the policy that allows each action on what it was asked for, in the rows of what was allowed."""
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
