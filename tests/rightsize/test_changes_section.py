"""The changes section says what the new policy does, in words that cannot be read the other way round."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from policygen.plan.build import plan_from_analysis
from policygen.report.terminal.changes import render_changes
from tests.support import ROOT
from tests.support.golden import run

CASES = json.loads((ROOT / "tests/cases/changes_section/cases.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_case(case: dict[str, Any], tmp_path: Path) -> None:
    plan = plan_from_analysis(run(case, tmp_path))
    screen = re.sub(r"\s+", " ", "\n".join(render_changes(plan, show_all=False)))
    for words in case["shows"]:
        assert words in screen
    for words in case["hides"]:
        assert words not in screen
