"""What a review reads: as it was agreed, and clean in every format."""

from __future__ import annotations

import os
import re

import pytest

from policygen.report.formats import render
from policygen.version import VERSION
from tests.support import ROOT
from tests.support.reviews import HOSTILE, hostile_plan, plan

CASES = ROOT / "tests" / "cases" / "reviews"


# --- As it was agreed ------------------------------------------------------------------------------

GOLDENS = {
    "orders-api.md": ("orders-api", True),
    "image-resizer.md": ("image-resizer", True),
    "fulfilment-writer.md": ("fulfilment-writer", False),
    "bastion.csv": ("bastion", True),
    "fulfilment-writer.csv": ("fulfilment-writer", False),
    "image-resizer.sarif": ("image-resizer", True),
    "image-resizer.xml": ("image-resizer", True),
    "image-resizer.github": ("image-resizer", True),
    "bastion.github": ("bastion", True),
}
KINDS = {"md": "markdown", "csv": "csv", "sarif": "sarif", "xml": "junit", "github": "github"}


def agreed(name: str, text: str) -> None:
    golden = CASES / name
    text = text.replace(VERSION, "VERSION")
    if os.environ.get("POLICYGEN_UPDATE"):
        golden.write_bytes(text.encode())
    assert text == golden.read_bytes().decode(), (
        "if the change is meant: POLICYGEN_UPDATE=1 pytest tests/report/test_markdown.py"
    )


@pytest.mark.parametrize("name", GOLDENS)
def test_a_review_of_a_sample_is_as_it_was_agreed(name: str) -> None:
    role, today = GOLDENS[name]
    agreed(name, render(KINDS[name.rsplit(".", 1)[1]], plan(role, today)))


RAW = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


@pytest.mark.parametrize("name", ["markdown", "csv", "sarif", "junit", "github"])
@HOSTILE
def test_no_format_lets_a_raw_sign_out(name: str, text: str) -> None:
    made = render(name, hostile_plan(text)).replace("\r\n", "\n")
    made.encode("utf-8")
    assert RAW.findall(made) == []
    assert made.endswith("\n")
