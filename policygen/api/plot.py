"""Draws the numbers of figures with matplotlib, for who wants to style them. It is imported when it is first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from policygen.errors import missing_extra
from policygen.text import sanitize

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Shape = Literal["cells", "steps", "bars", "lines"]

_TICKS = 8
_NAME = 60
"""Most characters of a name beside a row."""


def draw_axes(
    shape: Shape,
    caption: str,
    table: pd.DataFrame,
    ax: Axes | None,
    style: Mapping[str, Any],
    unit: str = "",
) -> Axes:
    """Draw a table.

    Args:
        shape: how.
        caption: above it.
        table: its numbers; the index names rows, of ``cells`` and ``bars`` from top to bottom.
        ax: where; None for a new figure.
        style: for matplotlib's function of this shape.
        unit: what a number counts, beside the colours of ``cells``.

    Raises:
        UsageError: PG-E258, matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot
    except ImportError:
        raise missing_extra(
            "a figure that can be styled needs matplotlib, which is not installed",
            "notebook",
            "matplotlib",
            "show the figure as it is: that needs nothing else",
            code="PG-E258",
        ) from None
    if ax is None:
        height = 1.5 + 0.25 * len(table) if shape in {"cells", "bars"} else 4
        ax = pyplot.subplots(figsize=(9, height), layout="constrained")[1]
    _SHAPES[shape](ax, table, dict(style))
    if shape == "cells":
        bar = ax.figure.colorbar(ax.collections[-1], ax=ax, label=unit)
        if _scale(table, style):
            bar.ax.set_ylim(bottom=0 if _is_of_shares(table) else 1)
    ax.set_title(caption, parse_math=False)
    return ax


def _cells(ax: Axes, table: pd.DataFrame, style: dict[str, Any]) -> None:
    ax.pcolormesh(_filled(table), **{"cmap": "Blues", **_scale(table, style), **style})
    columns = [_text(name) for name in table.columns]
    step = max(1, -(-len(columns) // _TICKS))
    ax.set_xticks([i + 0.5 for i in range(0, len(columns), step)], columns[::step], parse_math=False)
    if max(map(len, columns), default=0) > 5:
        ax.tick_params(axis="x", rotation=20)
    _name_rows(ax, [i + 0.5 for i in range(len(table))], table)


def _filled(table: pd.DataFrame) -> Any:
    """Return the numbers, with none in a cell that has nothing: it is left empty, and so differs from a small one."""
    return table.where(table > 0).to_numpy(dtype="float64")


def _scale(table: pd.DataFrame, style: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scale of the colours: logarithmic for counts, and the least number can be told from an empty cell."""
    from matplotlib.colors import LogNorm, Normalize

    if {"norm", "vmin", "vmax"} & style.keys():
        return {}
    if _is_of_shares(table):
        return {"norm": Normalize(-0.25, 1)}
    top = max(2.0, float(table.to_numpy().max(initial=1)))
    return {"norm": LogNorm(top**-0.5, top)}


def _is_of_shares(table: pd.DataFrame) -> bool:
    return all(kind == "float64" for kind in table.dtypes)


def _bars(ax: Axes, table: pd.DataFrame, style: dict[str, Any]) -> None:
    ax.barh(range(len(table)), table.iloc[:, 0].tolist(), **style)
    _name_rows(ax, range(len(table)), table)
    ax.set_xlabel(str(table.columns[0]))


def _name_rows(ax: Axes, places: Sequence[float], table: pd.DataFrame) -> None:
    ax.set_yticks(places, [_text(name) for name in table.index], parse_math=False)
    ax.invert_yaxis()


def _steps(ax: Axes, table: pd.DataFrame, style: dict[str, Any]) -> None:
    days = [day.replace(tzinfo=None) for day in table.index]
    for name in table:
        ax.step(days, table[name].tolist(), where="post", **{"label": str(name), **style})
    ax.set_ylim(bottom=0)
    ax.tick_params(axis="x", rotation=30)


def _lines(ax: Axes, table: pd.DataFrame, style: dict[str, Any]) -> None:
    for name in table:
        ax.plot(table.index.tolist(), table[name].tolist(), **{"label": str(name), "marker": "o", **style})
    # Square roots, as on the page: a small share can be told from none.
    ax.set_yscale("function", functions=(lambda share: share.clip(0) ** 0.5, lambda height: height**2))
    ax.set_ylim(bottom=0)
    ax.set_xlabel(str(table.index.name))
    ax.legend()


def _text(name: object) -> str:
    """Return a name from a log in one line; that of a day without its time."""
    return sanitize(str(name).removesuffix(" 00:00:00+00:00"), _NAME)


_SHAPES: Mapping[Shape, Callable[[Axes, pd.DataFrame, dict[str, Any]], None]] = {
    "cells": _cells,
    "steps": _steps,
    "bars": _bars,
    "lines": _lines,
}
