"""Log sources by name, and the log source "s3" against a bucket of moto."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

import policygen.sources
from policygen.errors import UsageError
from policygen.sources import LogSource, open_source
from policygen.sources.files import FileSource

# --- Which source a spec names -------------------------------------------------------------------


class Named(FileSource):
    """A source that remembers what it was opened with."""


def opened(spec: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The specs that the sources `stream` and `whole` of this test were opened with, [] for a path."""
    seen: list[str] = []

    def opener(specs: Sequence[str]) -> LogSource:
        seen.extend(specs)
        return Named([])

    for name in ("stream", "whole"):
        monkeypatch.setitem(policygen.sources.SCHEMES, name, opener)
    source = open_source(spec)
    return seen if isinstance(source, Named) else []


@pytest.mark.parametrize("spec", ["stream:", "stream:a/b:c", "stream://bucket/x", "STREAM:x", "whole"])
def test_a_source_is_named_before_the_colon_or_alone(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert opened(spec, monkeypatch) == [spec]


@pytest.mark.parametrize("name", ["whole", "stream:x", "logs", "c:x", "a.json:1"])
def test_a_path_that_exists_is_a_path_whatever_it_is_called(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert opened(name, monkeypatch) == []


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ("C:\\logs\\a.json", "PG-E201"),
        ("c:/logs", "PG-E201"),
        ("logz", "PG-E201"),
        ("./whole", "PG-E201"),
        ("2026:11", "PG-E201"),
        ("streem:x", "PG-E202"),
        ("gopher://x", "PG-E202"),
    ],
)
def test_what_names_neither_a_path_nor_a_source_is_refused(
    spec: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        opened(spec, monkeypatch)
    assert caught.value.code == code
