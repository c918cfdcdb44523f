"""Renders a back-test: what policies learnt on the first days deny later, by how names are written."""

from __future__ import annotations

from collections.abc import Iterator

from policygen.report.terminal.layout import LISTED, WIDTH, Layout, finished
from policygen.report.wording import percent, places, short
from policygen.rightsize.backtest import Backtest, ModeResult
from policygen.rightsize.generate.generalise import MODES, Mode
from policygen.text import pluralize

_ROOM = 44
"""Columns of the names of resources."""


def render_backtest_text(
    found: Backtest, mode: Mode = MODES[0], *, ascii_only: bool = False, width: int = WIDTH
) -> str:
    """Return the screen.

    Args:
        found: the back-test.
        mode: the way to write names that the sentence and the list of denied calls are about.
        ascii_only: for terminals without Unicode.
        width: columns.
    """
    layout, chosen = Layout(width), found.outcome(mode)
    role, window = found.role, found.window
    days = f"{pluralize(window.days, 'day')} to {window.last_day}"
    lines = layout.wrapped("", f"{role.name} · account {role.account} · {days}", "  ")
    lines += layout.wrapped("Replay  ", chosen.replay.sentence)
    if chosen.replay.made:
        lines += ["", *_modes(found), *_denied(chosen, role.account, layout)]
    lines += [*_curve(found), *_names(found, layout)]
    return finished(lines, ascii_only=ascii_only)


def _modes(found: Backtest) -> Iterator[str]:
    yield f"{'Names':<10}{'denied':>8}{'of':>9}{'share':>9}{'days':>6}{'permissions':>13}{'unused later':>14}"
    for one in found.outcomes:
        replay = one.replay
        yield (
            f"  {one.mode:<8}{replay.denied:>8,}{replay.calls:>9,}{_share(one):>9}{len(replay.days_broken):>6,}"
            f"{one.grants:>13,}{one.unused:>14,}"
        )


def _share(one: ModeResult) -> str:
    return percent(one.replay.share) if one.replay.made else "-"


def _denied(chosen: ModeResult, account: str, layout: Layout) -> Iterator[str]:
    uses = chosen.replay.uses
    if uses:
        yield from ("", f"Denied with names written as {chosen.mode}")
    for use in uses[:LISTED]:
        where = places(use.resources, _ROOM, account)
        on = "" if where == "*" else f" on {where}"
        calls = f"{pluralize(use.calls, 'call')} on {pluralize(len(use.days), 'day')}, {use.why}"
        yield from layout.wrapped("  ", f"{use.action}{on}: {calls}", "    ")
    if len(uses) > LISTED:
        yield f"  and {len(uses) - LISTED:,} more (-f json has all)"


def _curve(found: Backtest) -> Iterator[str]:
    """Render the share of the later calls that is denied after so many days."""
    days = sorted({one.replay.learnt for one in found.curve})
    if not days:
        return
    yield from ("", "Share of the later calls that would be denied, by days learnt")
    yield f"  {'':<8}" + "".join(f"{day:>8}" for day in days) + "   until 0"
    for mode in MODES:
        row = {one.replay.learnt: one for one in found.curve if one.mode == mode}
        until = found.days_until_none(mode)
        end = "never" if until is None else pluralize(until, "day")
        yield f"  {mode:<8}" + "".join(f"{_share(row[day]):>8}" for day in days) + f"   {end}"


def _names(found: Backtest, layout: Layout) -> Iterator[str]:
    """List how names were used: those that do not stay the same, first the ones of which to expect more."""
    order = {"open": 0, "ask": 1}
    names = sorted((one for one in found.names if one.choice in order), key=lambda one: order[one.choice])
    closed = len(found.names) - len(names)
    if found.names:
        yield from (
            "",
            f"Names in the whole window: {closed:,} of {pluralize(len(found.names), 'kind')} fixed",
        )
    for one in names[:LISTED]:
        yield from layout.wrapped(
            f"  {one.choice:<6}", f"{one.action} on {short(one.parent)}: {one.why}", " " * 10
        )
    if len(names) > LISTED:
        yield f"  and {len(names) - LISTED:,} more (-f json has all)"
