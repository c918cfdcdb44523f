"""Golden cases: events in, an analysis out. A new case is a new object in tests/cases/suggest."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from policygen.account.snapshot import to_account
from policygen.plan.build import plan_from_analysis
from policygen.report import formats as report
from policygen.rightsize.analysis import Analysis, analyse
from policygen.rightsize.decisions.load import parse_decisions, with_flags
from policygen.rightsize.decisions.model import Decisions
from tests.support import ROOT
from tests.support.accounts import snapshot, trails_of
from tests.support.effort import THOROUGH
from tests.support.options import analysis_options
from tests.support.records import ROLE, crowd, write_logs

Case = dict[str, Any]

FILES = sorted((ROOT / "tests" / "cases" / "suggest").glob("*.json"))
EVERY = {f"{file.stem}: {case['name']}": case for file in FILES for case in json.loads(file.read_text())}


def _those(*, refused: bool) -> list[Any]:
    """Cases as parameters; those that take long are of a thorough run only."""
    return [
        pytest.param(case, id=name, marks=pytest.mark.sweep if "slow" in case else ())
        for name, case in EVERY.items()
        if ("error" in case["expect"]) == refused and (THOROUGH or "slow" not in case)
    ]


CASES, REFUSED = _those(refused=False), _those(refused=True)


class Golden(NamedTuple):
    """A case, and what came of it."""

    case: Case
    analysis: Analysis


def run(case: Case, folder: Path) -> Analysis:
    """The analysis of a case, whose logs are written into a folder."""
    events = case["events"]
    logs = write_logs(folder, crowd(events, case.get("days", 30)) if case.get("crowd", True) else events)
    account = None
    if "today" in case:
        today = dict(case["today"])
        if "trails" in today:
            today["trails"] = trails_of(today["trails"])
        account = to_account(snapshot(today))
    return analyse(
        [logs],
        case.get("role", ROLE),
        account=account,
        **analysis_options(
            days=case.get("days", 30),
            decisions=decisions_of(case),
            on=date.fromisoformat(case["on"]) if "on" in case else None,
            **case.get("options", {}),
        ),
    )


def decisions_of(case: Case) -> Decisions:
    """The decisions of a case: ``decisions``, lines of a policygen.toml; ``keep`` and ``drop``, values of the flags."""
    found = parse_decisions("\n".join(case.get("decisions", ())))
    return with_flags(found, case.get("keep", ()), case.get("drop", ()))


def rendered(name: str, analysis: Analysis, **options: bool | int) -> str:
    """What an analysis looks like in a format."""
    return report.render(name, plan_from_analysis(analysis), **options)
