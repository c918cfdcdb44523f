"""The words of README, the pages, --help and errors: our own list (docs/words.toml), and proselint's checks."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache

import pytest

from policygen.cli.app import COMMANDS
from tests.project.test_docs import EXITS, SOURCES, calls
from tests.support import ROOT
from tests.support.command import run_in_root

AVOID = [
    (re.compile(r"\b(?:" + one["word"].replace(" ", r"\s+") + r")\b", re.I), one["write"])
    for one in tomllib.loads((ROOT / "docs" / "words.toml").read_text("utf-8"))["avoid"]
]
PAGES = [
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if "dev" not in page.parts),
    ROOT / "samples" / "README.md",
]
NOT_PROSE = re.compile(r"<!--.*?-->|^```.*?^```$|`[^`\n]*`|(?<=\])\([^)\s]*\)|<https?:[^>]*>", re.S | re.M)
"""Comments, blocks of code, code, where links lead."""

PROSELINT = {
    "archaism", "cliches", "malapropisms", "mondegreens", "needless_variants", "nonwords",
    "oxymorons", "redundancy", "spelling", "terms", "uncomparables", "weasel_words",
}  # fmt: skip


def prose(text: str) -> str:
    """A page without its code, each line where it was."""
    return NOT_PROSE.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), text)


ERRORS = "error messages"
HELPS = [f"policygen {command} --help" for command in ("", *COMMANDS)]
PLACES = [*(str(page.relative_to(ROOT)) for page in PAGES), *HELPS, ERRORS]


@cache
def text_of(place: str) -> str:
    """What people read in a page, as the help of a command, or when something fails."""
    if place == ERRORS:
        return "\n".join(messages())
    if place in HELPS:
        return run_in_root(*place.split()[1:]).stdout
    return prose((ROOT / place).read_text("utf-8"))


def messages() -> Iterator[str]:
    """The messages and hints that errors are made with; what is filled in is left out."""
    for path in SOURCES:
        for name, call in calls(ast.parse(path.read_text("utf-8"))):
            if name in EXITS:
                for argument in call.args:
                    parts = [one for one in ast.walk(argument) if isinstance(one, ast.Constant)]
                    yield "".join(str(one.value) for one in parts)


def avoided(text: str) -> list[str]:
    """The words in a text that are on the list, with their line and what to write."""
    return [
        f"line {len(text[: found.start()].splitlines() or [''])}: {' '.join(found.group().split())!r}, write: {better}"
        for word, better in AVOID
        for found in word.finditer(text)
    ]


@pytest.mark.parametrize("place", PLACES)
def test_no_word_of_the_list_is_used(place: str) -> None:
    assert "\n".join(avoided(text_of(place))) == ""


def test_a_word_of_the_list_is_found_over_the_end_of_a_line_but_not_in_code() -> None:
    assert avoided("one\ncalls were set\napart")[0].startswith("line 2: 'set apart'")
    assert avoided(prose("`set apart` [x](set-apart.md)\n```\nset apart\n```\n<!-- set apart -->")) == []
    assert avoided("setting apartments") == []


def test_proselint_finds_nothing() -> None:
    pytest.importorskip("proselint")
    from proselint.checks import __register__
    from proselint.registry import CheckRegistry
    from proselint.tools import LintFile

    registry = CheckRegistry()
    if not registry.checks:
        registry.register_many(__register__)
    config = {"max_errors": 1000, "checks": dict.fromkeys(sorted(PROSELINT, reverse=True), True)}
    found = [
        f"{place}, line {result.pos[0]}: {result.check_result.message}"
        for place in PLACES
        for result in LintFile(place, text_of(place)).lint(config)
    ]
    assert "\n".join(found) == ""
