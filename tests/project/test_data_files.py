"""The build's form of the tables says what the TOML files say, and never more than that."""

from __future__ import annotations

import importlib.util
import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

import pytest

from policygen import files
from policygen.catalog.rules import without_examples
from policygen.files import parse_table, read_package_table
from tests.support.command import ROOT

TEXTS = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in ROOT.glob("policygen/**/*.toml")
}


@pytest.fixture(scope="module")
def hook() -> Any:
    """hatch_build.py, without hatchling, which only a build has."""

    class Interface(Generic[TypeVar("T")]):
        root = str(ROOT)

    interface = ModuleType("hatchling.builders.hooks.plugin.interface")
    interface.BuildHookInterface = Interface  # type: ignore[attr-defined]
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, interface.__name__, interface)
        spec.loader.exec_module(module)
    return module


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file that the build writes, in a folder of its own; it is not there yet."""
    monkeypatch.setattr(files, "package_folder", lambda _: tmp_path)
    files._built.cache_clear()
    yield tmp_path / files.BUILT
    files._built.cache_clear()


def test_the_build_knows_what_every_file_says(
    hook: Any, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {name: tomllib.loads(without_examples(text)) for name, text in TEXTS.items()}
    heads = {name: tomllib.loads(text.split("\n[", 1)[0]) for name, text in TEXTS.items()}
    assert len(said) > 170
    built.write_text(json.dumps(hook.tables(ROOT / "policygen")))
    monkeypatch.setattr(tomllib, "loads", lambda text: pytest.fail(f"parsed: {text[:60]}"))
    assert {name: parse_table(without_examples(text)) for name, text in TEXTS.items()} == said
    assert {name: parse_table(text.split("\n[", 1)[0]) for name, text in TEXTS.items()} == heads


def test_an_edited_file_counts_at_once(built: Path) -> None:
    built.write_text(json.dumps({files.text_digest("a = 1\n"): {"a": 1}}))
    (built.parent / "own.toml").write_text("a = 2\n")
    assert read_package_table("policygen", "own.toml") == {"a": 2}
    (built.parent / "own.toml").write_text("a = 1\n")
    assert read_package_table("policygen", "own.toml") == {"a": 1}


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"a": tru}', "\0"])
def test_without_a_whole_file_of_the_build_the_texts_are_parsed(built: Path, content: str | None) -> None:
    if content is not None:
        built.write_text(content)
    assert parse_table("a = 2\n") == {"a": 2}


def test_the_hook_writes_the_file_and_tells_hatch(hook: Any, tmp_path: Path) -> None:
    (tmp_path / "policygen").mkdir()
    (tmp_path / "policygen" / "own.toml").write_text('a = 2\n\n[[example]]\nb = "c"\n')
    made, told = hook.Tables(), {"artifacts": []}
    made.root = str(tmp_path)
    made.initialize("standard", told)
    assert told == {"artifacts": ["policygen/tables.json"]}
    written = json.loads((tmp_path / "policygen" / files.BUILT).read_text())
    assert written == {files.text_digest("a = 2\n"): {"a": 2}}
