"""Figures of frames: the charts of the report, each with its numbers as a frame, and as axes of matplotlib to style."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from policygen.report.html import charts
from policygen.report.html.charts import ChartBar
from policygen.report.html.heatmap import DAILY, HeatRow, edges
from policygen.report.html.notebook import NotebookFigure, framed
from policygen.text import pluralize, sanitize

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from policygen.api.plot import Shape

WEEKDAYS = "Mon Tue Wed Thu Fri Sat Sun".split()

MOST = 30
"""Rows that are drawn; the others are in `data`."""
_NUMBERS = 800
"""Most cells that also stand as numbers below the picture; those of a larger table are in `data`."""


class Figured(NamedTuple):
    """A figure, which a notebook shows in light and dark, without scripts.

    Its numbers are `data`, a frame; `plot` draws the same with matplotlib.

    Example:
        >>> import policygen as pg
        >>> log = pg.load("samples/trail", "orders-api", snapshot="samples/account.json")
        >>> log.calls.iam.heatmap()
        <Figure: Calls by service and day, UTC: orders-api, 8 rows>
    """

    caption: str
    data: pd.DataFrame
    """The numbers that it shows."""
    parts: tuple[NotebookFigure, ...]
    shape: Shape
    unit: str = ""
    """What a number counts; "" where the columns of `data` say it."""

    def __repr__(self) -> str:
        """Return what it shows in a line."""
        return f"<Figure: {self.caption}, {pluralize(len(self.data), 'row')}>"

    def _repr_html_(self) -> str:
        """Return it as a small page, for notebooks."""
        return framed(self.caption, figures=self.parts, height=_height(self.parts))

    def plot(self, ax: Axes | None = None, *, title: str = "", **style: Any) -> Axes:
        """Draw it with matplotlib, in the style that is set there. A cell with nothing is empty.

        Args:
            ax: where to draw; None for a new figure.
            title: above it; "" for the caption, which names the role.
            style: what matplotlib takes for this shape: of `pcolormesh` (heat maps), `step`, `barh` or `plot`.

        Returns:
            The axes, to go on with.

        Raises:
            UsageError: PG-E258, matplotlib is not installed.
        """
        from policygen.api.plot import draw_axes

        return draw_axes(self.shape, title or self.caption, self.data.head(MOST), ax, style, self.unit)


def of_roles(caption: str, rows: pd.DataFrame) -> str:
    """Return a caption with the role whose rows are drawn, or the number of roles."""
    who = [one for one in ("account", "role") if one in rows]
    roles = rows[who].drop_duplicates()["role"].astype(str).tolist() if "role" in who else []
    if not roles:
        return caption
    return f"{caption}: {sanitize(roles[0], 64) if len(roles) == 1 else f'{len(roles):,} roles'}"


def cells_by_day(caption: str, table: pd.DataFrame, unit: str = "calls") -> Figured:
    """Draw a row of cells for each row of a table of counts, of which a column is a day; in a long one, a week."""
    drawn, note = table, ""
    if len(table.columns) > DAILY:
        weeks = [i // 7 for i in range(len(table.columns))]
        drawn, note = table.T.groupby(weeks).sum().T, "; a cell is a week"
        drawn.columns = table.columns[::7]
    labels = [charts.day_label(str(day)[:10]) for day in drawn.columns]
    totals = [f"{n:,}" for n in table.sum(axis=1)]
    cells = _cells(drawn, labels, ("days", unit), totals, note=note)
    return Figured(caption, table, cells, "cells", unit)


def cells_by_hour(caption: str, table: pd.DataFrame) -> Figured:
    """Draw a row of cells for each weekday; a column is an hour of the day."""
    totals = [f"{n:,}" for n in table.sum(axis=1)]
    named = table.set_axis(WEEKDAYS).rename_axis("weekday")
    labels = [str(hour) for hour in table.columns]
    return Figured(caption, named, _cells(named, labels, ("hours, UTC", "rows"), totals), "cells", "rows")


def cells_of_shares(caption: str, table: pd.DataFrame) -> Figured:
    """Draw a square of shares, from 0 to 1: rows and columns are the same, and numbered."""
    percent = (100 * table).round().astype("int64")
    numbered = [f"{number} {name}" for number, name in enumerate(percent.index, 1)]
    percent = percent.set_axis(numbered).rename_axis(str(table.index.name))
    few = percent.iloc[:MOST, :MOST]
    labels = [str(number) for number in range(1, len(few.columns) + 1)]
    closest = [max([0, *(n for j, n in enumerate(row) if j != i)]) for i, row in enumerate(few.to_numpy())]
    heads = ("with the action of this number, in percent", "most with another")
    cells = _cells(few, labels, heads, [f"{n} %" for n in closest], levels=(20, 40, 60, 80, 100))
    return Figured(caption, table, cells, "cells", "share of days")


def _cells(
    table: pd.DataFrame,
    labels: Sequence[str],
    heads: tuple[str, str],
    totals: Sequence[str],
    *,
    note: str = "",
    levels: Sequence[int] = (),
) -> tuple[NotebookFigure, ...]:
    """Return rows of cells, with a text at the end of each; and their numbers, where these are not too many."""
    shown = table.head(MOST)
    rows = [
        HeatRow((str(name),), tuple(map(int, counts)), (False,) * len(labels), 0)
        for name, counts in zip(shown.index, shown.to_numpy(), strict=True)
    ]
    levels = levels or edges(rows)
    drawn: list[tuple[Any, ...]] = [
        (row.services[0], charts.strip(row, labels, levels), total)
        for row, total in zip(rows, totals, strict=False)
    ]
    if drawn:  # the patterns that all cells share, and the labels below them
        drawn.append(("", charts.definitions(len(labels)) + charts.axis(labels), ""))
    head = str(table.index.name or "row")
    caption = f"{_drawn(len(rows), len(table))}; a stronger color is more{note}"
    picture = NotebookFigure(caption, (head, *heads), drawn)
    if len(rows) * len(labels) > _NUMBERS:
        return (picture,)
    numbers = [(row.services[0], *(f"{n:,}" if n else "" for n in row.events)) for row in rows]
    return picture, NotebookFigure("In numbers", (head, *labels), numbers, folded=True)


def learning(caption: str, table: pd.DataFrame) -> Figured:
    """Draw the column ``known`` as steps over the days."""
    known, days = [int(one) for one in table["known"]], [str(day)[:10] for day in table.index]
    rows = [(day, f"{new:,}", f"{n:,}") for day, new, n in zip(days, table["new"], known, strict=True)]
    picture = charts.curve(known) + charts.axis([charts.day_label(day) for day in days]) if any(known) else ""
    part = NotebookFigure(caption, ("day", "new", "known"), rows, picture)
    return Figured(caption, table[["known"]], (part,), "steps")


def shares(caption: str, table: pd.DataFrame) -> Figured:
    """Draw a line for each column of shares, from 0 to 1, over the places that the index has."""
    found = table.dropna()
    rows = [
        (str(place), *(f"{100 * share:.1f} %" for share in line))
        for place, line in zip(found.index, found.to_numpy(), strict=True)
    ]
    lines = [found[name].tolist() for name in found]
    picture = charts.share_lines(lines) + charts.ticks([str(one) for one in found.index]) if rows else ""
    key = [str(name) for name in found]
    part = NotebookFigure("Share of later calls, by days learnt", ("days", *key), rows, picture, key=key)
    return Figured(caption, found, (part,), "lines")


def lengths(caption: str, counts: pd.Series[int]) -> Figured:
    """Draw a bar for each count."""
    top = int(counts.max()) if len(counts) else 0
    rows = [
        (str(name), charts.bars(ChartBar("", int(n), 0, 0, 0), top), f"{n:,}")
        for name, n in counts.head(MOST).items()
    ]
    heads = (str(counts.index.name or "row"), str(counts.name), "number")
    part = NotebookFigure(_drawn(len(rows), len(counts)), heads, rows)
    return Figured(caption, counts.to_frame(), (part,), "bars")


def _height(parts: Sequence[NotebookFigure]) -> int:
    """Return the height in rem that shows the pictures whole, with what is folded left folded."""
    return sum(0 if one.folded else 20 if one.picture else 13 + 9 * len(one.rows) // 4 for one in parts)


def _drawn(shown: int, there: int) -> str:
    return (
        f"{pluralize(there, 'row')}" if shown == there else f"The first {shown} of {pluralize(there, 'row')}"
    )
