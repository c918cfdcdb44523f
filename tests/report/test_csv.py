"""Tables: a row a permission, and no cell that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import json
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import example, given

from policygen.errors import UsageError
from policygen.report.data.cells import plain_cell
from policygen.report.data.csv import COLUMNS
from policygen.report.formats import render, render_all
from policygen.text import escape_controls
from tests.support.reviews import HOSTILE, any_text, hostile_plan, plan
from tests.support.samples import EVERY_SAMPLE

# --- CSV -------------------------------------------------------------------------------------------

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def rows(text: str, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=delimiter == ","))


@EVERY_SAMPLE
def test_a_table_has_a_row_a_permission(role: str, today: bool) -> None:
    made = plan(role, today)
    head, *body = rows(render("csv", made))
    assert tuple(head) == COLUMNS
    assert {len(one) for one in body} == {len(COLUMNS)}
    actions = [one.action for one in made.changes] if today else sorted({one.action for one in made.grants})
    shown = [dict(zip(head, one, strict=True)) for one in body]
    assert [
        one["action"] for one in shown if one["becomes"] not in {"missing", "denied"} or one["now"]
    ] == actions
    assert {one["role"] for one in shown} == {made.role.name}
    assert sum(int(one["uses"]) > 0 for one in shown) > 0


def test_a_permission_that_aws_may_not_have_checked_is_said_to_be_such() -> None:
    head, *body = rows(render("csv", plan("orders-api", True)))
    whys = {one[head.index("action")]: one[head.index("why")] for one in body}
    assert whys["s3:GetObjectTagging"] == "observed: possibly checked"
    assert whys["s3:GetObject"] == "observed"


def test_the_table_says_what_decides_that_an_action_goes_and_how_sure_that_is() -> None:
    made = plan("orders-api", True)
    head, *body = rows(render("csv", made))
    shown = {one["action"]: one for one in (dict(zip(head, line, strict=True)) for line in body)}
    for change in made.changes:
        decided = (change.decided_by.rule, change.decided_by.confidence) if change.decided_by else ("", "")
        assert (shown[change.action]["rule"], shown[change.action]["confidence"]) == decided
    assert {one["confidence"] for one in shown.values() if one["becomes"] == "removed"} == {"high", "medium"}


@HOSTILE
def test_no_cell_is_a_formula_whatever_separates_cells(text: str) -> None:
    made = render("csv", hostile_plan(text))
    assert {len(one) for one in rows(made)} == {len(COLUMNS)}
    assert "\n" not in made.replace("\r\n", "")
    for delimiter in ",;\t":
        assert [
            cell for line in rows(made, delimiter) for cell in line if cell.lstrip(" ").startswith(FORMULA)
        ] == []


@given(any_text)
@example(";=1")
@example(" =1")
def test_a_cell_is_its_text_with_apostrophes_where_a_formula_would_begin(text: str) -> None:
    cell = plain_cell(text)
    assert cell.replace("'", "") == escape_controls(text).replace("'", "")
    for piece in cell.split(";"):
        assert not piece.lstrip(" ").startswith(FORMULA)


def test_several_plans_are_one_table_and_one_document() -> None:
    both = [plan("bastion"), plan("image-resizer")]
    table = rows(render_all("csv", both))
    assert [line[0] for line in table].count("role") == 1
    assert {line[0] for line in table[1:]} == {"bastion", "image-resizer"}
    runs = json.loads(render_all("sarif", both))["runs"]
    assert [run["automationDetails"]["id"] for run in runs] == [
        f"policygen/suggest/111122223333/{role}/" for role in ("bastion", "image-resizer")
    ]
    assert [suite.get("name") for suite in Xml.fromstring(render_all("junit", both))] == [
        "policygen bastion",
        "policygen image-resizer",
    ]
    comments = render_all("markdown", both)
    assert comments == "\n".join(render("markdown", one) for one in both)


def test_more_plans_than_github_takes_in_a_file_are_refused() -> None:
    render_all("sarif", [plan("bastion")] * 20)
    with pytest.raises(UsageError, match="21 plans: GitHub refuses a file of more than 20 runs"):
        render_all("sarif", [plan("bastion")] * 21)
