"""The changes section says what the new policy does, in words that cannot be read the other way round."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from policygen.plan.build import plan_from_analysis
from policygen.report.terminal.changes import render_changes
from policygen.report.terminal.layout import Layout
from policygen.report.terminal.questions import render_questions
from tests.support import ROOT
from tests.support.golden import run

CASES = json.loads((ROOT / "tests/cases/changes_section/cases.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_case(case: dict[str, Any], tmp_path: Path) -> None:
    plan = plan_from_analysis(run(case, tmp_path))
    lines = [*render_changes(plan, Layout()), *render_questions(plan, Layout())]
    screen = re.sub(r"\s+", " ", "\n".join(lines))
    for words in case["shows"]:
        assert words in screen
    for words in case["hides"]:
        assert words not in screen
