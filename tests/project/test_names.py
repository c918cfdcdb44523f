"""One name, one thing: no class and no public function of policygen shares its name with another.

Where a name is a protocol's, that is, many modules must have one and callers choose the module, it is listed with the
reason.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator

from tests.support import ROOT

PACKAGE = ROOT / "policygen"

PROTOCOLS = {
    "command": "a command of the command line: each file of cli/commands has one",
    "render": "one plan or report in a format: the tables of formats choose the module",
}
"""Names that many modules must have -> why."""


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield (
            path.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."),
            ast.parse(path.read_text("utf-8")),
        )


def defined() -> Iterator[tuple[str, str]]:
    """Each class, at whatever depth, and each public function of a module: its name, and its module."""
    for module, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                yield node.name, module
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
                yield node.name, module


def shared() -> dict[str, list[str]]:
    """The names that stand for two things or more, with the modules of each."""
    found = defaultdict(list)
    for name, module in defined():
        found[name].append(module)
    return {name: places for name, places in found.items() if len(places) > 1}


def test_a_name_stands_for_one_thing() -> None:
    assert {name: places for name, places in shared().items() if name not in PROTOCOLS} == {}


def test_every_protocol_is_one_still() -> None:
    assert sorted(PROTOCOLS.keys() - shared().keys()) == []


def test_no_comment_cites_a_document_that_is_not_here() -> None:
    """Facts have numbers, those of docs/dev/cloudtrail-facts.md; decisions and references have none."""
    stray = re.compile(r"\b(?:reference \d+\.\d+|decision \d+)\b", re.I)
    files = [path for kind in ("*.py", "*.toml") for path in PACKAGE.rglob(kind)]
    found = {str(path.relative_to(ROOT)): stray.findall(path.read_text("utf-8")) for path in files}
    assert len(found) > 300
    assert {name: words for name, words in found.items() if words} == {}


def test_the_tests_have_the_folders_of_the_package() -> None:
    ours = {path.name for path in (ROOT / "tests").iterdir() if (path / "__init__.py").is_file()}
    packages = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert packages - ours == set()
    assert ours - packages == {"judges", "project", "properties", "support"}
