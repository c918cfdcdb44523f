"""No character that is not seen, or that reorders a line, stands raw in any output, wherever a stranger wrote it."""

from __future__ import annotations

import json
import re
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policygen.gate.findings import RULES
from policygen.plan.io import parse_plan
from policygen.report.findings.report import FORMATS as CHECK_FORMATS
from policygen.report.findings.report import render as render_check
from policygen.report.formats import API_FORMATS, FORMATS, TRUST_FORMATS, render, render_api, render_trust
from policygen.text import escape_controls, sanitize, visible_json
from tests.gate.test_check import named, report
from tests.report.test_api_formats import three_callers
from tests.report.test_trust_formats import hostile
from tests.support.api_world import suggestion_of as api_of
from tests.support.effort import bounded
from tests.support.reviews import everything, hostile_plan
from tests.support.trust_world import suggestion_of as trust_of

FILLERS = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180d\u180f\u2065\u3164\ufe00\ufe0f\uffa0\ufff0\U000e0100\U000e01ef"
)
"""Of Unicode's Default_Ignorable_Code_Point what is no format character: nothing is drawn where they stand."""

_LAYOUT = "\n\t"
"""Controls that lines of an output end with, or are indented by."""


@cache
def hidden() -> frozenset[str]:
    """The characters, by Unicode's own categories: controls, formats, halves of pairs, ends of lines."""
    kinds = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return frozenset(FILLERS) | {
        one for one in map(chr, range(0xE1000)) if unicodedata.category(one) in kinds
    }


def raw_in(text: str) -> set[str]:
    """What of them stands in an output; a CSV file ends its lines with both signs."""
    return set(text.replace("\r\n", "\n")) & hidden() - set(_LAYOUT)


ALL = "a" + "b".join(sorted(hidden() - {"\r"})) + "z"
NAMES = [
    "x".join(one for one in ALL[at : at + 80] if not "\ud800" <= one <= "\udfff") for at in range(0, 400, 80)
]
"""The same in names that a log can hold: half a pair is not UTF-8."""
texts = st.text(st.one_of(st.sampled_from(sorted(hidden())), st.characters()), min_size=1, max_size=30)


def test_all_of_them_are_escaped_and_json_keeps_its_value() -> None:
    assert raw_in(escape_controls(ALL)) == raw_in(sanitize(ALL, 100_000)) == set()
    written = json.dumps(ALL, ensure_ascii=False)
    assert raw_in(visible_json(written)) == set()
    assert json.loads(visible_json(written)) == ALL


READING = ("text", "cdk-ts", "cdk-py", "aws-cli", "html")
"""The formats that read times, kinds and names of a plan, and cannot be given just anything there."""


def with_text(value: Any, text: str) -> Any:
    """A plan's values with a text behind each sentence, and each ARN but those of roles and policies."""
    if isinstance(value, dict):
        return {name: with_text(one, text) for name, one in value.items()}
    if isinstance(value, list):
        return [with_text(one, text) for one in value]
    said = isinstance(value, str) and (" " in value or value.startswith("arn:")) and "/" in value
    return f"{value}{text}" if said and "role/" not in value and "policy/" not in value else value


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in READING])
@bounded(5)
@given(text=texts)
def test_no_format_of_a_plan_has_one_raw(name: str, text: str) -> None:
    assert raw_in(render(name, hostile_plan(text))) == set()


@pytest.mark.parametrize("name", READING)
def test_no_format_that_reads_a_plan_has_one_raw(name: str) -> None:
    made = parse_plan(with_text(json.loads(everything()), "".join(NAMES)), "x")
    text = render(name, made)
    assert raw_in(text) == set()
    assert re.search(r"\\u0?0?202e", text)  # it is there, and escaped


@pytest.mark.parametrize("name", CHECK_FORMATS)
@bounded(5)
@given(text=texts)
def test_no_format_of_the_gate_has_one_raw(name: str, text: str) -> None:
    found = report(*(named(rule, text) for rule in RULES))
    assert raw_in(render_check(name, found)) == set()


@pytest.mark.parametrize("name", TRUST_FORMATS)
def test_no_format_of_a_trust_policy_has_one_raw(name: str, tmp_path: Path) -> None:
    assert raw_in(render_trust(name, trust_of(hostile(*NAMES), tmp_path))) == set()


@pytest.mark.parametrize("name", API_FORMATS)
def test_no_format_of_an_api_has_one_raw(name: str, tmp_path: Path) -> None:
    assert raw_in(render_api(name, api_of(three_callers(*NAMES), tmp_path))) == set()
