"""Figures of frames: the charts of the report, each with its numbers as a frame and as a table below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from policygen.report.html import charts
from policygen.report.html.charts import ChartBar
from policygen.report.html.heatmap import HeatRow, edges
from policygen.report.html.notebook import NotebookFigure, framed
from policygen.text import pluralize

if TYPE_CHECKING:
    import pandas as pd

MOST = 30
"""Rows that are drawn; the others are in `data`."""


class Figured(NamedTuple):
    """A figure, which a notebook shows in both colour schemes and without scripts."""

    caption: str
    data: pd.DataFrame
    """The numbers that it shows."""
    parts: tuple[NotebookFigure, ...]

    def __repr__(self) -> str:
        """Return what it shows in a line."""
        return f"<Figure: {self.caption}, {pluralize(len(self.data), 'row')}>"

    def _repr_html_(self) -> str:
        """Return it as a small page, for notebooks."""
        return framed(self.caption, figures=self.parts)


def strips(caption: str, table: pd.DataFrame) -> Figured:
    """Draw a row of cells for each row of a table of counts, of which a column is a day."""
    days = [str(day)[:10] for day in table.columns]
    rows = [
        HeatRow(str(name), tuple(map(int, counts)), (False,) * len(days), 0)
        for name, counts in zip(table.index, table.to_numpy(), strict=True)
    ][:MOST]
    levels = edges(rows)
    cells = [charts.strip(row, days, levels) for row in rows]
    drawn: list[tuple[Any, ...]] = [
        (row.service, cell, f"{row.total:,}") for row, cell in zip(rows, cells, strict=True)
    ]
    if drawn:  # the patterns that all cells share, and the days below them
        drawn.append(("", charts.definitions(len(days)) + charts.axis(days), ""))
    part = NotebookFigure(f"{_drawn(len(rows), len(table))}; darker is more", ("", "days", "calls"), drawn)
    return Figured(caption, table, (part,))


def learning(caption: str, table: pd.DataFrame) -> Figured:
    """Draw the column ``known`` as steps over the days."""
    known, days = [int(one) for one in table["known"]], [str(day)[:10] for day in table.index]
    rows = [(day, f"{new:,}", f"{n:,}") for day, new, n in zip(days, table["new"], known, strict=True)]
    picture = charts.curve(known) + charts.axis(days) if any(known) else ""
    return Figured(caption, table, (NotebookFigure(caption, ("day", "new", "known"), rows, picture),))


def lengths(caption: str, counts: pd.Series[int]) -> Figured:
    """Draw a bar for each count."""
    top = int(counts.max()) if len(counts) else 0
    rows = [
        (str(name), charts.bars(ChartBar("", int(n), 0, 0, 0), top), f"{n:,}")
        for name, n in counts.head(MOST).items()
    ]
    part = NotebookFigure(_drawn(len(rows), len(counts)), ("", "calls", "number"), rows)
    return Figured(caption, counts.to_frame(), (part,))


def _drawn(shown: int, there: int) -> str:
    return (
        f"{pluralize(there, 'row')}" if shown == there else f"The first {shown} of {pluralize(there, 'row')}"
    )
