"""Writes a back-test as JSON and as CSV."""

from __future__ import annotations

import json
from typing import Any

from policygen.report.data.cells import csv_table
from policygen.rightsize.backtest import Backtest, ModeResult
from policygen.rightsize.generate.generalise import MODES, Mode
from policygen.text import visible_json

COLUMNS = (
    "role",
    "mode",
    "learnt",
    "calls",
    "denied",
    "days_broken",
    "grants",
    "unused_grants",
    "denied_share",
)
"""``learnt`` in days. What was denied is empty where nothing was learnt or replayed."""


def backtest_to_json(found: Backtest, mode: Mode = MODES[0]) -> str:
    """Return a back-test as one JSON object with sorted keys.

    Args:
        found: the back-test.
        mode: the way to write names that ``claim`` and ``sentence`` are about.
    """
    text = json.dumps(backtest_dict(found, mode), indent=2, sort_keys=True, ensure_ascii=False)
    return visible_json(text) + "\n"


def backtest_dict(found: Backtest, mode: Mode = MODES[0]) -> dict[str, Any]:
    """Return a back-test as plain values; ``claim`` is ``none`` where nothing was learnt or replayed."""
    chosen, window = found.outcome(mode).replay, found.window
    return {
        "role": found.role._asdict(),
        "window": {"start": window.start, "end": window.end, "days": window.days},
        "learnt": chosen.learnt,
        "learnt_calls": chosen.learnt_calls,
        "claim": "made" if chosen.made else "none",
        "sentence": chosen.sentence,
        "modes": {one.mode: _numbers(one) | {"denied_by": _denied_by(one)} for one in found.outcomes},
        "curve": [
            {
                "mode": one.mode,
                "learnt": one.replay.learnt,
                "claim": "made" if one.replay.made else "none",
            }
            | _numbers(one)
            for one in found.curve
        ],
        "days_until_0": {one: found.days_until_none(one) for one in MODES} if found.curve else {},
        "choices": [
            {
                "action": one.action,
                "resource_type": one.resource_type,
                "parent": one.parent,
                "names": one.seen,
                "active_days": one.active_days,
                "new_days": one.new_days,
                "late_days": one.late_days,
                "choice": one.choice,
                "declared": one.declared,
                "why": one.why,
            }
            for one in found.names
        ],
    }


def _numbers(one: ModeResult) -> dict[str, Any]:
    return {
        "calls": one.replay.calls,
        "denied": one.replay.denied,
        "days_broken": len(one.replay.days_broken),
        "denied_share": round(one.replay.share, 6),
        "grants": one.grants,
        "unused_grants": one.unused,
    }


def _denied_by(one: ModeResult) -> list[dict[str, Any]]:
    return [
        {
            "action": use.action,
            "resource_type": use.resource_type,
            "resources": list(use.resources),
            "calls": use.calls,
            "days": list(use.days),
            "new_action": use.new_action,
        }
        for use in one.replay.uses
    ]


def backtest_to_csv(found: Backtest) -> str:
    """Return one row for each way to write names and each number of days learnt (RFC 4180)."""
    rows = []
    for one in found.curve or found.outcomes:
        replay, made = one.replay, one.replay.made
        rows.append(
            (
                found.role.name,
                one.mode,
                replay.learnt,
                replay.calls,
                replay.denied if made else None,
                len(replay.days_broken) if made else None,
                one.grants,
                one.unused,
                round(replay.share, 6) if made else None,
            )
        )
    return csv_table(COLUMNS, rows)
