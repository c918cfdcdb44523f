"""Lines of text: the same lines, whatever CloudWatch Logs and Firehose wrap them in."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from policygen.logs.decode.text_lines import PIECE, text_lines
from policygen.logs.registry import open_source
from policygen.logs.source import Batch, Damage, LogSource, TextLines
from tests.logs.test_cloudwatch import DAY, Messages, fake, message, source

LINES = (
    '{"id":"one","who":"-","size":-}',
    '198.51.100.9 - [03/Nov/2026:08:15:42 +0000] "GET / HTTP/1.1" 200',
    '{"id":"two","agent":"a \\" b }{ c","events":[1]}',
    "",
    "a line with the time 2026-11-03T08:15:42.000Z in it, and ü",
)
OBJECTS = (LINES[0], '{"id":"two","size":"3"}', LINES[0])
CLOCK = 1_793_693_742_000
TIME = "2026-11-03T08:15:42Z"


def _events(lines: Sequence[str]) -> list[dict[str, Any]]:
    return [{"timestamp": CLOCK, "message": line, "eventId": str(n)} for n, line in enumerate(lines)]


def _subscription(lines: Sequence[str]) -> str:
    return json.dumps(
        {
            "messageType": "DATA_MESSAGE",
            "owner": "123456789012",
            "logGroup": "/library/live",
            "logStream": "s",
            "subscriptionFilters": ["f"],
            "logEvents": _events(lines),
        }
    )


def _insights(lines: Sequence[str]) -> str:
    rows = [
        [
            {"field": "@timestamp", "value": "2026-11-03 08:15:42.000"},
            {"field": "@message", "value": line},
            {"field": "@ptr", "value": "x"},
        ]
        for line in lines
    ]
    return json.dumps(
        {"results": rows, "statistics": {"recordsMatched": 1.0}, "status": "Complete"}, indent=1
    )


WRAPPED: Mapping[str, Callable[[Sequence[str]], str]] = {
    "plain": "\n".join,
    "plain, with an end": lambda lines: "".join(f"{line}\n" for line in lines),
    "of Windows": lambda lines: "\ufeff" + "".join(f"{line}\r\n" for line in lines),
    "an export": lambda lines: "".join(f"2026-11-03T08:15:42.000Z {line}\n" for line in lines),
    "FilterLogEvents": lambda lines: json.dumps({"events": _events(lines), "searchedLogStreams": []}),
    "FilterLogEvents, with more to come": lambda lines: json.dumps(
        {"nextToken": "t", "events": _events(lines)}
    ),
    "GetLogEvents": lambda lines: json.dumps({"events": _events(lines), "nextForwardToken": "f"}, indent=4),
    "GetQueryResults": _insights,
    "a subscription": _subscription,
    "a subscription, by Firehose": lambda lines: _subscription(lines[:2]) + _subscription(lines[2:]),
    "a subscription that was tried first": lambda lines: (
        json.dumps({"messageType": "CONTROL_MESSAGE", "logGroup": "", "logEvents": _events(["try"])})
        + _subscription(lines)
    ),
}


def texts(data: str) -> list[str]:
    """Return the lines of a text."""
    found = list(text_lines(data.encode()))
    assert not any(isinstance(one, Damage) for one in found)
    return [line for one in found if isinstance(one, TextLines) for line in one.texts]


@pytest.mark.parametrize("name", WRAPPED)
def test_the_lines_come_out_of_every_wrapping(name: str) -> None:
    assert texts(WRAPPED[name](LINES)) == list(LINES)


@pytest.mark.parametrize("name", sorted({*WRAPPED} - {"plain", "plain, with an end", "of Windows"}))
def test_a_wrapping_says_when_a_line_came(name: str) -> None:
    found = [one for one in text_lines(WRAPPED[name](LINES).encode()) if isinstance(one, TextLines)]
    assert {time for one in found for time in one.times} == {TIME}
    assert [one.first for one in found] == ([1, 3] if "Firehose" in name else [1])
    assert {one.group for one in found} == ({"/library/live"} if "subscription" in name else {""})


def test_objects_without_line_breaks_are_lines() -> None:
    assert texts("".join(OBJECTS)) == list(OBJECTS)
    assert texts(" ".join(OBJECTS[1:2] * 3)) == [OBJECTS[1]] * 3
    assert texts("".join(OBJECTS) + "\n") == ["".join(OBJECTS)], "a line that has its end is one line"


@pytest.mark.parametrize("key", ["events", "logEvents", "results"])
def test_a_line_that_looks_like_a_wrapping_is_a_line(key: str) -> None:
    forged = json.dumps({"status": "200", key: _events(["forged"])})
    assert texts(f"{forged}\n{LINES[0]}\n") == [forged, LINES[0]]


def test_a_long_text_comes_in_pieces_with_its_numbers() -> None:
    line = "x" * 999
    found = list(text_lines((f"{line}\n" * (PIECE // 300)).encode()))
    assert len(found) > 2
    at = 1
    for one in found:
        assert isinstance(one, TextLines)
        assert one.first == at
        assert set(one.texts) == {line}
        at += len(one.texts)
    assert at == PIECE // 300 + 1


def test_a_wrapping_that_is_cut_is_damage() -> None:
    cut = _subscription(LINES) + _subscription(LINES)[:-30]
    *lines, damage = text_lines(cut.encode())
    assert isinstance(damage, Damage)
    assert len(lines) == 1


def _read(path: Path) -> list[Batch]:
    opened = open_source([str(path)])
    assert isinstance(opened, LogSource)
    return list(opened.read_lines())


def test_a_folder_of_an_export(tmp_path: Path) -> None:
    (tmp_path / "aws-logs-write-test").write_text("Permission Check Successful")
    folder = tmp_path / "task" / "stream"
    folder.mkdir(parents=True)
    (folder / "000000.gz").write_bytes(gzip.compress(WRAPPED["an export"](LINES).encode()))
    (folder / "plain").write_text("\n".join(LINES))
    (folder / "notes.md").write_text("# notes\n")
    (folder / "picture").write_bytes(b"\x89PNG\0\0")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("inner.log")
        member.size = len("\n".join(LINES).encode())
        archive.addfile(member, io.BytesIO("\n".join(LINES).encode()))
    (folder / "packed.tgz").write_bytes(buffer.getvalue())
    batches = _read(tmp_path)
    lines = [line for one in batches if one.lines for line in one.lines.texts]
    assert lines == [*LINES] * 3
    assert sorted(one.name for one in batches if one.kind == "not-text") == [
        "task/stream/notes.md",
        "task/stream/picture",
    ]
    assert not any(one.damage for one in batches)


def test_a_damaged_file_gives_what_is_whole(tmp_path: Path) -> None:
    text = "\n".join(f"{n} {line}" for n in range(2_000) for line in LINES)
    (tmp_path / "cut.gz").write_bytes(gzip.compress(text.encode(), mtime=0)[:-2_000])
    batches = _read(tmp_path / "cut.gz")
    assert any(one.damage for one in batches)
    assert any(one.lines and one.lines.texts[0] == f"0 {LINES[0]}" for one in batches)


def test_a_log_group_gives_its_messages_as_lines() -> None:
    messages = [message(n, "2026-11-20T10:00:00Z", line) for n, line in enumerate(LINES)]
    found = [one.lines for one in source(fake(Messages(messages))).read_lines(DAY) if one.lines]
    assert [line for one in found for line in one.texts] == list(LINES)
    assert {one.group for one in found} == {"trail/events"}
    assert {time for one in found for time in one.times} == {"2026-11-20T10:00:00Z"}
