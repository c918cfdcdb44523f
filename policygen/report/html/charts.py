"""Draws small SVG pictures. Colours come from the page's style, so that they follow the reader's scheme.

Positions are percentages and heights are pixels: a picture takes the width of its place, and its text and its
hatching keep their size. Pictures are hidden from screen readers; the numbers stand in tables beside them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Literal

import msgspec

from policygen.report.html.heatmap import LEVELS, HeatRow

if TYPE_CHECKING:
    from markupsafe import Markup

CELL, BAR, CURVE, ABOVE = 20, 9, 120, 18
"""Heights in pixels, as in the style; the room above the curve is for its numbers."""
NAMES = 12
"""Most services of a row that are named over a column of numbers."""
_LABELS = 5
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()

State = Literal["z", "x"] | int
"""A cell: ``z`` no event, ``x`` no event and no proof of anything, else a level, `LEVELS` for the most events."""


class ChartBar(msgspec.Struct, frozen=True):
    """How many permissions of one service there are, by what becomes of them."""

    service: str
    now: int
    used: int
    kept: int
    unknown: int

    @property
    def proposed(self) -> int:
        """Permissions that the proposal allows."""
        return self.used + self.kept + self.unknown


def day_label(day: str) -> str:
    """``26 Oct`` for an ISO date."""
    date_ = date.fromisoformat(day)
    return f"{date_.day} {_MONTHS[date_.month - 1]}"


def states(row: HeatRow, edges: Sequence[int]) -> list[State]:
    """Return the cells of a service; a day with events has a level even where further events may be missing."""
    lowest = LEVELS - len(edges) + 1
    return [
        lowest + bisect_left(edges, n) if n else "x" if blind else "z"
        for n, blind in zip(row.events, row.blind, strict=True)
    ]


def strip(row: HeatRow, columns: Sequence[str], edges: Sequence[int]) -> Markup:
    """Draw one row of the heat map: a path for each level, on a ground that tells what zero events mean."""
    levels: dict[int, list[str]] = {}
    cells = states(row, edges)
    for start, length in _runs(cells):
        if isinstance(state := cells[start], int):
            levels.setdefault(state, []).append(f"M{start} 0h{length}")
    # Hatching must keep its size, so it stays outside the part that is stretched.
    ground = [] if all(row.blind) else ["<rect class=z />"]
    for start, length in _runs(row.blind):
        if row.blind[start]:
            place = f" x={_part(start, len(columns))} width={_part(length, len(columns))}"
            ground.append(f"<rect class=x{'' if length == len(columns) else place} />")
    paths = "".join(f'<path class=h{level} d="{"".join(d)}"/>' for level, d in sorted(levels.items()))
    used = [_stretched(f"0 -.5 {len(columns)} 1", paths)] if paths else []
    return _svg("strip", [*ground, *used, "<rect class=gaps />"])


def axis(labels: Sequence[str]) -> Markup:
    """Draw a few of the labels under a strip: days, as `day_label` has them, or numbers."""
    step = max(1, -(-len(labels) // _LABELS))
    return _svg(
        "axis",
        (
            f"<text{f' x={_part(i, len(labels))}' if i else ''} y=13>{labels[i]}</text>"
            for i in range(0, len(labels), step)
        ),
    )


def definitions(columns: int) -> Markup:
    """Return the patterns that the pictures of a page share: the hatching, and the gaps between cells."""
    gap = 2 if columns <= 46 else 1
    hatch = (
        "<pattern id=hatch width=6 height=6 patternUnits=userSpaceOnUse patternTransform=rotate(45)>"
        "<rect class=hatch-ground width=6 height=6 /><rect class=hatch-line width=2 height=6 /></pattern>"
    )
    gaps = (
        f"<pattern id=gaps width={1 / max(1, columns):.6f} height=1>"
        f"<rect class=gap width={gap} height={CELL} /></pattern>"
    )
    return _svg("patterns", [hatch, gaps])


def numbers(rows: Sequence[HeatRow], columns: Sequence[str]) -> tuple[list[str], list[tuple[str, Markup]]]:
    """Return the heat map in numbers: the heads of a table, and a row of it for each of the map's columns.

    Services that have the same number in every row share a column: of a wide role most were never used.

    Returns:
        The services of each column (``sqs, xray``), and the day and the cells of each row.
    """
    from markupsafe import Markup

    services: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        cells = tuple(
            f"<td>{n:,}" if n else "<td>?" if blind else "<td>0"
            for n, blind in zip(row.events, row.blind, strict=True)
        )
        services.setdefault(cells, []).append(row.named(NAMES))
    lines = zip(columns, zip(*services, strict=True), strict=True) if services else ()
    return (
        [", ".join(names) for names in services.values()],
        [(day, Markup("".join(cells))) for day, cells in lines],  # noqa: S704
    )


def swatch(state: State) -> Markup:
    """Draw a single cell, for the legend."""
    name = f"h{state}" if isinstance(state, int) else state
    return _svg("swatch", [f"<rect class={name} width=100% height=14 />"])


def bars(bar: ChartBar, top: int) -> Markup:
    """Draw a service's permissions today above those proposed; `top` fills the width."""
    parts = [f"<rect class=now width={_part(bar.now, top)} />"] if bar.now else []
    start = 0
    for name, number in (("used", bar.used), ("kept", bar.kept), ("x", bar.unknown)):
        if number:
            left = f" x={_part(start, top)}" if start else ""
            parts.append(f"<rect class={name}{left} width={_part(number, top)} y={BAR + 2} />")
            start += number
    return _svg("bars", parts)


def stack(parts: Sequence[tuple[str, int]], top: int) -> Markup:
    """Draw numbers beside each other in one bar.

    Args:
        parts: (class of the style, number).
        top: the sum that fills the width.
    """
    rects, start = [], 0
    for name, number in parts:
        if number:
            left = f" x={_part(start, top)}" if start else ""
            rects.append(f"<rect class={name}{left} width={_part(number, top)} />")
            start += number
    return _svg("stack", rects)


def curve(numbers: Sequence[int]) -> Markup:
    """Draw the learning curve: the permissions known by each day, as steps."""
    top = max(numbers)
    line = f"M0 {CURVE}" + "".join(f"V{_height(numbers[at], top)}h{length}" for at, length in _runs(numbers))
    paths = f'<path class=area d="{line}V{CURVE}"/><path class=line d="{line}"/>'
    parts = [_stretched(f"0 0 {len(numbers)} {CURVE}", paths)]
    first, last = numbers[0], numbers[-1]
    if first and first != last:
        parts.append(f"<text y={_height(first, top) - 6}>{first:,}</text>")
    parts.append(f"<text class=end x=100% y={_height(last, top) - 6}>{last:,}</text>")
    return _svg("curve", parts)


def share_lines(series: Sequence[Sequence[float]]) -> Markup:
    """Draw shares as lines over the same places, each with a class of its own: ``line1``, ``line2`` …

    Heights are square roots, so that a small share can be told from none.
    """
    width = max(1, max(map(len, series)) - 1)
    top = max((share for one in series for share in one), default=0) or 1
    paths = []
    for number, shares in enumerate(series, 1):
        heights = [CURVE - round((CURVE - ABOVE) * (share / top) ** 0.5) for share in shares]
        points = "L".join(f"{i} {height}" for i, height in enumerate(heights))
        paths.append(f'<path class="line line{number}" d="M{points}"/>')
    label = f'<text y="{ABOVE - 6}">{100 * top:.1f} %</text>'
    return _svg("curve", [_stretched(f"0 0 {width} {CURVE}", "".join(paths)), label])


def ticks(labels: Sequence[str]) -> Markup:
    """Draw labels under lines, the first at the left edge and the last at the right one."""
    last = max(1, len(labels) - 1)
    ends = [' class="end"' if i == last else "" for i in range(len(labels))]
    return _svg(
        "axis",
        (
            f'<text{end} x="{_part(i, last)}" y="13">{label}</text>'
            for i, (label, end) in enumerate(zip(labels, ends, strict=True))
        ),
    )


def _runs(values: Sequence[State] | Sequence[int] | Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Yield (start, length) of each run of equal values."""
    start = 0
    for i in range(1, len(values) + 1):
        if i == len(values) or values[i] != values[start]:
            yield start, i - start
            start = i


def _height(number: int, top: int) -> int:
    """Return the distance from the upper edge, with room for the line."""
    return CURVE - round((CURVE - ABOVE) * number / top)


def _part(number: int, whole: int) -> str:
    """Return a share of the width, in percent."""
    return f"{100 * number / whole:.2f}".rstrip("0").rstrip(".") + "%"


def _stretched(box: str, paths: str) -> str:
    """Return a part of a picture in units of its columns, where one path replaces a rectangle for each day."""
    return f'<svg viewBox="{box}" preserveAspectRatio=none>{paths}</svg>'


def _svg(kind: str, parts: Iterable[str]) -> Markup:
    """Return a picture. It is built from numbers and dates alone: no text of a plan goes in, and few quotes."""
    from markupsafe import Markup

    return Markup(f"<svg class={kind} aria-hidden=true>{''.join(parts)}</svg>")  # noqa: S704
