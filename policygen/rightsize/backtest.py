"""Back-test of one role: what policies that were learnt on the first days deny later, by how names are written."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from policygen.account.current import CurrentAccess
from policygen.days import dates_from
from policygen.errors import UsageError, no_such
from policygen.evidence.coverage.coverage import Coverage
from policygen.evidence.usage import Usage
from policygen.iam.request import AccessRequest, RoleKey
from policygen.logs.window import Window
from policygen.rightsize.assess.replay import (
    Replay,
    WindowParts,
    parts_of,
    replay,
    split_of,
    timed_calls,
    unused_grants,
)
from policygen.rightsize.current_access import split_by_current_access
from policygen.rightsize.generate.generalise import MODES, Mode
from policygen.rightsize.generate.names import NameUse, all_uses, name_uses
from policygen.rightsize.observed_grants import learner
from policygen.rightsize.suggestion import SuggestOptions
from policygen.text import escape_controls, pluralize, sanitize

CURVE = (3, 5, 7, 10, 14, 21, 30, 45, 60)
"""Days after which the curve is looked at, as far as the window is longer."""


class ModeResult(msgspec.Struct, frozen=True):
    """What a policy that was learnt on some days denies on the others."""

    mode: Mode
    replay: Replay
    grants: int
    """Grants of the policy."""
    unused: int
    """Those of them that no later call used."""


class Backtest(msgspec.Struct, frozen=True):
    """The back-test of one role.

    The modes are the ways to write names: ``auto``, ``exact``, ``pattern`` and ``type``, as in `policygen.suggest`.

    Example:
        >>> import policygen as pg
        >>> pg.backtest("orders-api", "samples/trail", snapshot="samples/account.json")
        <Backtest of orders-api: learnt on days 1-20: 0 of 636 calls of days 21-30 denied>
    """

    role: RoleKey
    """Whose calls were replayed."""
    window: Window
    """All days, those that were learnt from first."""
    outcomes: tuple[ModeResult, ...]
    """One for each mode, learnt on the same days."""
    curve: tuple[ModeResult, ...]
    """By days learnt, then by mode; () where it was not asked for."""
    names: tuple[NameUse, ...]
    """How the names were used in the whole window."""

    def __repr__(self) -> str:
        """Return its answer in a line; the fields hold a hundred thousand characters."""
        return f"<Backtest of {sanitize(self.role.name, 128)}: {self.outcome().replay.sentence}>"

    def outcome(self, mode: Mode = MODES[0]) -> ModeResult:
        """Return the outcome of a mode: its `replay`, its `grants`, and how many were `unused` later.

        Args:
            mode: ``auto``, ``exact``, ``pattern`` or ``type``.

        Raises:
            UsageError: PG-E215, there is no such mode.

        Example:
            >>> found = pg.backtest("orders-api", "samples/trail", snapshot="samples/account.json")
            >>> found.outcome("exact").replay.denied
            94
        """
        _check_mode(mode)
        return next(one for one in self.outcomes if one.mode == mode)

    def days_until_none(self, mode: Mode) -> int | None:
        """Return the days of the curve from which on no later call was denied; None for none, or without a curve.

        Args:
            mode: ``auto``, ``exact``, ``pattern`` or ``type``.

        Raises:
            UsageError: PG-E215, there is no such mode.

        Example:
            >>> found = pg.backtest("orders-api", "samples/trail", snapshot="samples/account.json", curve=True)
            >>> found.days_until_none("type"), found.days_until_none("exact")
            (10, None)
        """
        _check_mode(mode)
        found = None
        for one in reversed([one for one in self.curve if one.mode == mode and one.replay.made]):
            if one.replay.denied:
                break
            found = one.replay.learnt
        return found


def _check_mode(mode: str) -> None:
    if mode not in MODES:
        raise no_such(f"mode is {escape_controls(str(mode))[:40]!r}", str(mode), MODES, code="PG-E215")


def check_learn(learn: int, days: int) -> None:
    """Refuse a number of days to learn from that leaves nothing to learn from, or nothing to replay.

    Args:
        learn: days to learn from.
        days: days of the window.

    Raises:
        UsageError: PG-E205, the window cannot be split so.
    """
    if days < 2:
        raise UsageError(
            f"a window of {pluralize(days, 'day')} cannot be split into days to learn from and days to replay",
            "give a longer window, for example 30 days",
            code="PG-E205",
        )
    if not (isinstance(learn, int) and 0 < learn < days):
        raise UsageError(
            f"learn must be 1 to {days - 1} of {days} days, not {repr(learn)[:40]}",
            f"for example {max(1, 2 * days // 3)}",
            code="PG-E205",
        )


def backtest(
    usage: Usage,
    coverage: Coverage,
    current: CurrentAccess | None = None,
    *,
    learnt: int = 0,
    curve: bool = False,
) -> Backtest:
    """Learn on the first days of the window and replay the others, for each way to write names.

    Args:
        usage: the requests that the role made.
        coverage: what the logs could have shown.
        current: the role's policies and bounds, which leave out calls that something else allowed; None for none.
        learnt: days that are learnt from; 0 for two thirds of the window.
        curve: whether to look at other numbers of days as well.

    Raises:
        UsageError: PG-E205, nothing is left to learn from or to replay.
    """
    if learnt:
        check_learn(learnt, usage.window.days)
    allowed, missing = split_by_current_access(usage.requests, current)
    unmeant = {one.request for one in missing}

    def meant(request: AccessRequest) -> bool:
        return request in allowed or (request.wild and request not in unmeant)

    window = usage.window
    dates, calls = window.dates(), timed_calls(usage, meant)
    first = coverage.first_day or window.start
    split = learnt or split_of(window.days)
    return Backtest(
        usage.role,
        window,
        outcomes=_outcomes(parts_of(calls, dates, split), first),
        curve=tuple(
            outcome
            for days in sorted({*CURVE, split} if curve else ())
            if 0 < days < window.days
            for outcome in _outcomes(parts_of(calls, dates, days), first)
        ),
        names=names_in_window(usage, coverage, current),
    )


def names_in_window(
    usage: Usage, coverage: Coverage, current: CurrentAccess | None = None
) -> tuple[NameUse, ...]:
    """Return how the names in the requests of a role were used; arguments as `backtest` has them."""
    allowed, _ = split_by_current_access(usage.requests, current)
    dates = dates_from(coverage.first_day or usage.window.start, usage.window.last_day)
    return tuple(all_uses(name_uses({one: seen.days for one, seen in allowed.items()}, dates)))


def _outcomes(parts: WindowParts, first: str) -> tuple[ModeResult, ...]:
    found: Sequence[ModeResult] = [_outcome(parts, mode, first) for mode in MODES]
    return tuple(found)


def _outcome(parts: WindowParts, mode: Mode, first: str) -> ModeResult:
    grants = learner(SuggestOptions(resources=mode), first)(parts.known, parts.dates[: parts.learnt])
    return ModeResult(mode, replay(parts, lambda *_: grants), len(set(grants)), unused_grants(parts, grants))
