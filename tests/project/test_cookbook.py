"""The page of questions runs, block by block, and shows what each prints. POLICYGEN_UPDATE=1 writes it anew."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.support import ROOT

PAGE = ROOT / "docs" / "guides" / "cookbook.md"
PYTHON_PAGE = ROOT / "docs" / "reference" / "python.md"
BLOCK = re.compile(r"```python ?(?P<needs>\w*)\n(?P<code>.*?)```\n\n```output\n(?P<shown>.*?)```\n", re.S)


def printed(code: str, names: dict[str, Any]) -> str:
    """What a cell with this code shows: the value of its last expression."""
    *lines, last = ast.parse(code).body
    if not isinstance(last, ast.Expr):
        lines.append(last)
    exec(compile(ast.Module(lines, []), PAGE.name, "exec"), names)
    if not isinstance(last, ast.Expr):
        return ""
    value = eval(compile(ast.Expression(last.value), PAGE.name, "eval"), names)
    return "" if value is None else "\n".join(line.rstrip() for line in str(value).splitlines()) + "\n"


def test_every_question_has_the_answer_that_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = PAGE.read_text("utf-8")
    names: dict[str, Any] = {}
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")

    def made(found: re.Match[str]) -> str:
        if found["needs"]:
            try:
                __import__(found["needs"])
            except ImportError:
                return found.group()  # shown as it was made where it is installed
        head = found.group().partition("```output\n")[0]
        return f"{head}```output\n{printed(found['code'], names)}```\n"

    with pd.option_context("display.width", 110, "display.max_columns", 10, "display.max_colwidth", 60):
        shown = BLOCK.sub(made, text)
    if os.environ.get("POLICYGEN_UPDATE"):
        PAGE.write_text(shown, "utf-8")
    else:
        assert text == shown


def test_there_are_twenty_questions_of_few_lines_each() -> None:
    text = PAGE.read_text("utf-8")
    assert re.findall(r"^## (\d+)\. .+\?$", text, re.M) == [str(number) for number in range(1, 21)]
    assert text.count("```python") == len(BLOCK.findall(text))
    answers = BLOCK.findall(text.partition("## 1. ")[2].partition("## As pictures")[0])
    assert len(answers) >= 20
    assert max(code.count("\n") for _, code, _ in answers) <= 3
    assert all(shown for _, _, shown in answers)


def test_the_answers_leave_out_no_role_and_no_call_that_they_ask_for() -> None:
    text = PAGE.read_text("utf-8")
    questions = dict(re.findall(r"^## (\d+)\. (.*?)(?=^## )", text, re.M | re.S))
    assert questions["1"].startswith("Which permissions does the role hold and never use?")
    assert re.search(r"^True .*?seen +1$", questions["1"], re.M)
    reasons = set(re.findall(r"^[\w ]+ ([a-z-]+) +\d+$", questions["1"], re.M))
    (explained,) = re.findall(r"^## changes_frame$(.*?)^## ", PYTHON_PAGE.read_text("utf-8"), re.M | re.S)
    assert len(reasons) > 10
    assert {one for one in reasons if f"`{one}`" not in explained} == set()
    assert "legacy-export" not in questions["20"]  # it was denied
    assert {"s3:ListAllMyBuckets", "dynamodb:Scan"} <= set(questions["9"].split())
    assert "arn:aws:s3:::shop-partner-drop/*" in questions["10"]
