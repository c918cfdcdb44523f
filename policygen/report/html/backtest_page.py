"""Renders a back-test as a page: the sentence, a table of modes, the curve, the calls that were denied, the names."""

from __future__ import annotations

from policygen.report.html import charts
from policygen.report.html.templating import fill_template
from policygen.rightsize.backtest import Backtest
from policygen.rightsize.generate.generalise import MODES, Mode

LIMIT = 40
"""Most rows of each table; the others are counted."""


def render(found: Backtest, mode: Mode = MODES[0]) -> str:
    """Return the page.

    Args:
        found: the back-test.
        mode: the way to write names that the sentence and the list of denied calls are about.
    """
    days = sorted({one.replay.learnt for one in found.curve if one.replay.made})
    shares = {
        name: [one.replay.share for one in found.curve if one.mode == name and one.replay.learnt in days]
        for name in MODES
    }
    return fill_template(
        "backtest.html.j2",
        extra=("backtest.css",),
        found=found,
        chosen=found.outcome(mode),
        days=days,
        shares=shares,
        until={name: found.days_until_none(name) for name in MODES},
        curve=charts.share_lines(list(shares.values())) if days else "",
        curve_axis=charts.ticks([str(day) for day in days]) if days else "",
        limit=LIMIT,
    )
