"""A bounded search for input that breaks a command; `nox -s fuzz` searches for longer."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.properties import fuzz
from tests.support.command import Done
from tests.support.effort import MORE, THOROUGH

pytestmark = pytest.mark.sweep

LENGTH = (fuzz.SECONDS if THOROUGH else 4.0) * MORE
"""Seconds of each search: a few in the default run, a minute in a thorough one."""


@pytest.mark.parametrize("kind", fuzz.SEARCHES)
def test_no_input_makes_a_command_end_as_the_documents_do_not_say(kind: str) -> None:
    assert fuzz.SEARCHES[kind](LENGTH, 1) >= 3


def test_the_seeds_are_of_many_kinds() -> None:
    assert len(fuzz.seed_records()) >= 30
    assert len(fuzz.seed_policies()) >= 8
    assert fuzz.seed_accounts()


def test_the_search_finds_a_command_that_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(folder: Path, *words: object) -> Done:
        data = (folder / "log.json").read_bytes() if words[0] == "map" else b""
        return (
            Done("", "error: policygen has a bug  PG-E999, exit 70", 70)
            if b"\\ud800" in data
            else Done("", "", 0)
        )

    def planted(folder: Path, *words: object) -> Done:
        if words[0] != "map":
            (folder / "out.json").write_text("{}")
            return Done("{}", "", 0)
        return broken(folder, *words)

    monkeypatch.setattr(fuzz, "run", planted)
    with pytest.raises(AssertionError, match="PG-E999"):
        fuzz.search_records(20, 1)


@pytest.mark.parametrize(
    ("left", "done", "says"),
    [
        ({".out.json.tmp": "{"}, Done("", "error: x", 2), "temporary file"),
        ({}, Done("", "Traceback (most recent call last)", 2), "Traceback"),
        ({}, Done("", "", 2), "said nothing"),
        ({}, Done("", "error: x", 99), "error: x"),
        ({}, Done("", "error: not sufficient  PG-E401, exit 1", 1), "PG-E401"),
    ],
)
def test_each_way_to_end_badly_is_seen(left: dict[str, str], done: Done, says: str, tmp_path: Path) -> None:
    for name, text in left.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(AssertionError, match=says):
        fuzz.check_end(done, 0, tmp_path)


def test_half_a_file_is_seen(tmp_path: Path) -> None:
    (tmp_path / "out.json").write_text('{"a": ')
    with pytest.raises(json.JSONDecodeError):
        fuzz.check_end(Done("", "error: x", 2), 0, tmp_path, "out.json")


def test_the_codes_are_those_of_the_page() -> None:
    assert fuzz.exit_codes() == {0, 1, 2, 3, 4, 5, 130, 141}


def test_a_search_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "try_records", lambda _: time.sleep(0.05))
    start = time.monotonic()
    assert fuzz.search_records(0.5, 1) >= 1
    assert time.monotonic() - start < 30
