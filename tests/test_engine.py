"""The engine: however logs are read, the calls of a role are the same; and what is searched for cannot be forged."""

from __future__ import annotations

import gzip
import json
import pickle
import random
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import policygen.engine
from policygen.engine import Job, Means, Portion, Progress, run
from policygen.ledger import nobody
from policygen.selection import parse_role
from policygen.sources import EVERYTHING, Batch, LogObject, Scope, envelope, open_source
from policygen.sources.files import FileSource, read_file
from tests.support import ROOT, record

TRAIL = ROOT / "samples" / "trail"
ROLE = parse_role("orders-api")
EVERY_RECORD = Job(ROLE.fits)
ONE_ROLE = Job(ROLE.fits, search=ROLE.marks)


@pytest.fixture(autouse=True)
def _nothing_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policygen.engine, "SMALL", 0)


class Shuffled(FileSource):
    """The same files in any order."""

    def objects(self, scope: Scope = EVERYTHING) -> Iterator[LogObject | Batch]:
        found = list(super().objects(scope))
        random.Random(7).shuffle(found)
        yield from found


@pytest.fixture(scope="module")
def whole() -> Portion:
    return run(open_source(TRAIL), EVERY_RECORD)


def same(one: Portion, other: Portion) -> bool:
    assert one.ledger.calls == other.ledger.calls
    assert {day for day, n in one.ledger.days.items() if n} == set(other.ledger.days)
    assert set(one.ledger.regions) == set(other.ledger.regions)
    assert one.ledger.last == other.ledger.last
    assert set(one.ledger.management) == set(other.ledger.management)
    assert sorted(one.ledger.notices) == sorted(other.ledger.notices)
    return bool(one.ledger.calls)


def test_a_role_that_is_searched_for_has_the_calls_that_all_records_give(whole: Portion) -> None:
    found = run(open_source(TRAIL), ONE_ROLE)
    assert found.ledger.searched > 0.9 * found.reading.files
    assert same(found, whole)


@pytest.mark.parametrize("job", [EVERY_RECORD, ONE_ROLE], ids=["every record", "one role"])
@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor], ids=["threads", "processes"])
def test_several_workers_give_the_same(
    job: Job, pool: Callable[[int], Executor], whole: Portion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policygen.engine, "CHUNK_OBJECTS", 3)
    with pool(2) as executor:
        assert same(run(open_source(TRAIL), job, means=Means(executor)), whole)


def test_the_order_of_the_files_changes_nothing(whole: Portion) -> None:
    assert same(run(Shuffled([TRAIL]), EVERY_RECORD), whole)
    assert same(run(Shuffled([TRAIL]), ONE_ROLE), whole)


def test_a_copy_of_a_file_counts_once_whoever_reads_it(
    whole: Portion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policygen.engine, "CHUNK_OBJECTS", 1)
    path = max(TRAIL.rglob("*.json.gz"), key=lambda one: one.stat().st_size)
    other = path.name[: -len("0000000000000000.json.gz")] + "zzzzzzzzzzzzzzzz.json.gz"
    (tmp_path / other).write_bytes(path.read_bytes())
    for means in (Means(), Means(ThreadPoolExecutor(2))):
        found = run(open_source([TRAIL, tmp_path]), EVERY_RECORD, means=means)
        assert same(found, whole)
        assert found.ledger.duplicates > whole.ledger.duplicates


def test_chunks_hold_one_day_and_no_more_than_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policygen.engine, "CHUNK_OBJECTS", 4)
    handed: list[list[LogObject]] = []

    class Spy(ThreadPoolExecutor):
        def submit(self, *arguments: Any, **named: Any) -> Future[Any]:
            handed.append(list(arguments[2]))
            return super().submit(*arguments, **named)

    told: list[Progress] = []
    with Spy(1) as executor:
        run(open_source(TRAIL), EVERY_RECORD, means=Means(executor, say=told.append))
    assert all(len(chunk) <= 4 and len({one.day for one in chunk}) == 1 for chunk in handed)
    days = [chunk[0].day for chunk in handed]
    assert days == sorted(days)
    assert told[-1].objects == told[-1].of_objects == sum(map(len, handed))
    assert [state.size for state in told] == sorted(state.size for state in told)


def test_jobs_and_readers_cross_processes() -> None:
    assert pickle.loads(pickle.dumps((ONE_ROLE, Job(nobody), read_file)))


# --- searching in a file ---------------------------------------------------------------------------------


def text_of(*records: dict[str, Any], **form: Any) -> bytes:
    return json.dumps({"Records": list(records)}, **({"separators": (",", ":")} | form)).encode()


def by(role: str, **more: Any) -> dict[str, Any]:
    made = record({"source": "s3", "name": "GetObject", "role": role, "params": more}, 0)
    return {"eventVersion": "1.11", **made}


def names(found: list[Any] | None) -> list[str]:
    return [one.userIdentity.sessionContext.sessionIssuer.userName for one in found or []]


def test_only_the_records_that_hold_the_text_are_decoded() -> None:
    text = text_of(by("other"), by("wanted"), by("third"), by("wanted"))
    assert names(envelope.search(text, (b"wanted",))) == ["wanted", "wanted"]
    assert envelope.search(text, (b"nobody",)) == []
    assert names(envelope.search(text, (b"third", b"wanted"))) == ["wanted", "third", "wanted"]


def test_what_looks_like_a_record_inside_a_record_is_none() -> None:
    forged = by("wanted")
    text = text_of(by("thief", list=[{"a": 1}, forged, forged, forged]), by("other"))
    assert names(envelope.search(text, (b"wanted",))) == ["thief"]


@pytest.mark.parametrize(
    "text",
    [
        text_of(by("wanted"), by("other"), indent=1),
        text_of(by("wanted"), by("other"), separators=(", ", ": ")),
        b" " + text_of(by("wanted")),
        text_of(by("wanted"))[:-9],
        text_of(by("wanted")).replace(b"GetObject", b"Get\xff"),
        json.dumps(by("wanted")).encode(),
    ],
    ids=["indented", "spaced", "a space before", "cut", "no UTF-8", "a record alone"],
)
def test_any_other_form_is_left_to_the_full_reading(text: bytes) -> None:
    assert envelope.search(text, (b"wanted",)) is None


def test_spaces_between_the_records_do_not_shift_what_is_found() -> None:
    first, rest = text_of(by("wanted", a="x" * 50), by("other"), by("wanted")).split(b',{"eventVersion"', 1)
    for space in (b" ", b"\n\n\n"):
        spaced = first + b"," + space + b'{"eventVersion"' + rest
        assert envelope.search(spaced, (b"wanted",)) is None


def test_a_file_of_another_form_is_read_whole_when_searched(tmp_path: Path) -> None:
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(text_of(by("wanted"), by("other"), indent=1)))
    (batch,) = read_file(LogObject("a", str(path), search=(b"wanted",)))
    assert not batch.searched
    assert names(batch.records) == ["wanted", "other"]


def test_a_name_that_json_may_escape_is_not_searched_for() -> None:
    assert parse_role("a=b@c").marks == ()
    assert b"orders-api" in ROLE.marks
