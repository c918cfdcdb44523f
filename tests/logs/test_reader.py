"""The engine: however logs are read, the calls of a role are the same; and what is searched for cannot be forged."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import policygen.logs.cache
import policygen.logs.chunk
import policygen.logs.reader
from policygen.errors import AwsError
from policygen.evidence.role import names_caller, parse_role
from policygen.logs.cache import Cache
from policygen.logs.calls.counts import CallCounts, no_role
from policygen.logs.calls.spill import SpillStore, unpack_calls
from policygen.logs.chunk import ChunkResult, ReadRequest
from policygen.logs.decode.selection import select_records
from policygen.logs.decode.trail_file import decode_trail_file
from policygen.logs.events.record import UserIdentity
from policygen.logs.reader import Progress, ReadOptions, read_source
from policygen.logs.registry import open_source
from policygen.logs.source import (
    EVERYTHING,
    Batch,
    Damage,
    LogObject,
    Reader,
    Scope,
    Wanted,
)
from policygen.logs.sources.files import FileSource, read_file
from policygen.logs.window_end import WindowEnd
from tests.support import ROOT
from tests.support.command import run
from tests.support.records import record

KILLS = int(os.environ.get("POLICYGEN_KILLS", "4"))
"""How often a reading is killed; more on demand."""

TRAIL = ROOT / "samples" / "trail"
ROLE = parse_role("orders-api")
EVERY_RECORD = ReadRequest(ROLE.matches)
ONE_ROLE = ReadRequest(ROLE.matches, search=ROLE.record_filter)


@pytest.fixture(autouse=True)
def _nothing_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policygen.logs.reader, "MIN_CACHED_BYTES", 0)
    monkeypatch.setattr(policygen.logs.reader, "MIN_PARALLEL_BYTES", 0)


class Shuffled(FileSource):
    """The same files in any order."""

    def objects(self, scope: Scope = EVERYTHING) -> Iterator[LogObject | Batch]:
        found = list(super().objects(scope))
        random.Random(7).shuffle(found)
        yield from found


@pytest.fixture(scope="module")
def whole() -> ChunkResult:
    return read_source(open_source(TRAIL), EVERY_RECORD)


class ReaderOf(Reader):
    """Reads with a function."""

    def __init__(self, function: Callable[[LogObject], Iterator[Batch]]) -> None:
        self.function = function

    def read(self, one: LogObject) -> Iterator[Batch]:
        return self.function(one)


def same(one: ChunkResult, other: ChunkResult) -> bool:
    assert one.counts.calls == other.counts.calls
    assert {day for day, n in one.counts.totals.days.items() if n} == set(other.counts.totals.days)
    assert set(one.counts.totals.regions) == set(other.counts.totals.regions)
    assert one.counts.totals.last == other.counts.totals.last
    assert set(one.counts.totals.management) == set(other.counts.totals.management)
    assert sorted(one.counts.totals.change_events) == sorted(other.counts.totals.change_events)
    return bool(one.counts.calls)


def test_a_role_that_is_searched_for_has_the_calls_that_all_records_give(whole: ChunkResult) -> None:
    found = read_source(open_source(TRAIL), ONE_ROLE)
    assert found.counts.totals.searched > 0.9 * found.read_report.files
    assert same(found, whole)


@pytest.mark.parametrize("job", [EVERY_RECORD, ONE_ROLE], ids=["every record", "one role"])
@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor], ids=["threads", "processes"])
def test_several_workers_give_the_same(
    job: ReadRequest, pool: Callable[[int], Executor], whole: ChunkResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policygen.logs.chunk, "CHUNK_OBJECTS", 3)
    with pool(2) as executor:
        assert same(read_source(open_source(TRAIL), job, options=ReadOptions(executor)), whole)


def test_the_order_of_the_files_changes_nothing(whole: ChunkResult) -> None:
    assert same(read_source(Shuffled([TRAIL]), EVERY_RECORD), whole)
    assert same(read_source(Shuffled([TRAIL]), ONE_ROLE), whole)


def copied(path: Path, folder: Path) -> str:
    """The name of a copy, as if the trail had delivered the file again."""
    other = path.name[: -len("0000000000000000.json.gz")] + "zzzzzzzzzzzzzzzz.json.gz"
    (folder / other).write_bytes(path.read_bytes())
    return other


def test_a_copy_of_a_file_counts_once_whoever_reads_it(
    whole: ChunkResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policygen.logs.chunk, "CHUNK_OBJECTS", 1)
    path = max(TRAIL.rglob("*.json.gz"), key=lambda one: one.stat().st_size)
    copied(path, tmp_path)
    for means in (ReadOptions(), ReadOptions(ThreadPoolExecutor(2))):
        found = read_source(open_source([TRAIL, tmp_path]), EVERY_RECORD, options=means)
        assert same(found, whole)
        assert found.counts.totals.duplicates > whole.counts.totals.duplicates
        assert found.counts.totals.roles == whole.counts.totals.roles
        assert found.counts.totals.days == whole.counts.totals.days


def test_a_copy_counts_once_where_calls_were_packed_before_it_was_known(
    whole: ChunkResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policygen.logs.chunk, "CHUNK_OBJECTS", 5)
    for path in TRAIL.rglob("*.json.gz"):
        copied(path, tmp_path)
    with SpillStore() as spill, ProcessPoolExecutor(2) as executor:
        found = read_source(
            open_source([TRAIL, tmp_path]),
            EVERY_RECORD,
            options=ReadOptions(executor, spill=spill, max_in_flight=3),
        )
        calls = {role: calls for _, own in spill.by_name() for role, calls in unpack_calls(own.calls).items()}
    assert calls == whole.counts.calls
    assert found.counts.totals.roles == whole.counts.totals.roles
    one, other = found.counts.totals, whole.counts.totals
    assert one.records - one.duplicates == other.records - other.duplicates


def test_only_the_file_of_a_record_that_came_twice_is_read_twice(
    whole: ChunkResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policygen.logs.chunk, "CHUNK_OBJECTS", 5)
    path = max(TRAIL.rglob("*_20261110T*.json.gz"), key=lambda one: one.stat().st_size)
    other = path.name.replace("_20261110T", "_20261111T")
    shutil.copyfile(path, tmp_path / other)
    read: Counter[str] = Counter()

    def reader(one: LogObject) -> Iterator[Batch]:
        read[Path(one.locator).name] += 1
        yield from read_file(one)

    source = FileSource([TRAIL, tmp_path])
    source.reader = ReaderOf(reader)
    found = read_source(source, EVERY_RECORD, options=ReadOptions(ThreadPoolExecutor(2)))
    assert same(found, whole)
    assert {name for name, times in read.items() if times > 1} == {other}


def test_a_copy_that_cannot_be_read_again_is_damage_and_counts_nothing_twice(
    whole: ChunkResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policygen.logs.chunk, "CHUNK_OBJECTS", 1)
    path = max(TRAIL.rglob("*.json.gz"), key=lambda one: one.stat().st_size)
    other = copied(path, tmp_path)
    read: set[str] = set()

    def reader(one: LogObject) -> Iterator[Batch]:
        gone = one.locator in read and Path(one.locator).name in {path.name, other}
        read.add(one.locator)
        yield from [Batch.damaged(one.name, Damage(None, "gone"))] if gone else read_file(one)

    source = FileSource([TRAIL, tmp_path])
    source.reader = ReaderOf(reader)
    found = read_source(source, EVERY_RECORD, options=ReadOptions(ThreadPoolExecutor(2)))
    assert [reason for _, _, reason in found.read_report.damaged] == ["gone"]
    assert found.counts.calls == whole.counts.calls
    assert found.counts.totals.roles == whole.counts.totals.roles


def test_chunks_hold_one_day_and_no_more_than_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policygen.logs.chunk, "CHUNK_OBJECTS", 4)
    handed: list[list[LogObject]] = []

    class Spy(ThreadPoolExecutor):
        def submit(self, *arguments: Any, **named: Any) -> Future[Any]:
            handed.append(list(arguments[2]))
            return super().submit(*arguments, **named)

    told: list[Progress] = []
    with Spy(1) as executor:
        read_source(open_source(TRAIL), EVERY_RECORD, options=ReadOptions(executor, on_progress=told.append))
    assert all(len(chunk) <= 4 and len({one.day for one in chunk}) == 1 for chunk in handed)
    days = [chunk[0].day for chunk in handed]
    assert days == sorted(days)
    assert told[-1].objects == told[-1].of_objects == sum(map(len, handed))
    assert [state.size for state in told] == sorted(state.size for state in told)


class Elsewhere(Reader):
    """Reads files, but in any process but the one that made it: there something happens instead. Picklable."""

    def __init__(self, happens: Callable[[], None]) -> None:
        self.here, self.happens = os.getpid(), happens

    def read(self, one: LogObject) -> Iterator[Batch]:
        if os.getpid() != self.here and "20261110T" in one.name:
            self.happens()
        return read_file(one)


def expire() -> None:
    raise AwsError("the session expired", "log in again", code="PG-E102")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_is_killed_costs_time_and_nothing_else(
    whole: ChunkResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policygen.logs.chunk, "CHUNK_OBJECTS", 3)
    source, said = open_source(TRAIL), list[str]()
    source.reader = Elsewhere(die)
    with ProcessPoolExecutor(2) as executor:
        found = read_source(source, EVERY_RECORD, options=ReadOptions(executor, on_message=said.append))
    assert same(found, whole)
    assert found.counts.totals.records == whole.counts.totals.records
    assert [line.partition(":")[0] for line in said] == ["warning"]
    assert "BrokenProcessPool" in said[0]


def test_what_the_source_says_in_another_process_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policygen.logs.chunk, "CHUNK_OBJECTS", 3)
    source = open_source(TRAIL)
    source.reader = Elsewhere(expire)
    with ProcessPoolExecutor(2) as executor, pytest.raises(AwsError) as caught:
        read_source(source, EVERY_RECORD, options=ReadOptions(executor))
    assert (caught.value.message, caught.value.hints) == ("the session expired", ("log in again",))
    assert caught.value.code == "PG-E102"


def test_jobs_and_readers_cross_processes() -> None:
    assert pickle.loads(pickle.dumps((ONE_ROLE, ReadRequest(no_role), read_file)))


# --- choosing records of a file --------------------------------------------------------------------------


def text_of(*records: dict[str, Any], **form: Any) -> bytes:
    return json.dumps({"Records": list(records)}, **({"separators": (",", ":")} | form)).encode()


def by(role: str, **more: Any) -> dict[str, Any]:
    made = record({"source": "s3", "name": "GetObject", "role": role, "params": more}, 0)
    return {"eventVersion": "1.11", **made}


def wanting(*roles: str) -> list[Wanted]:
    return [Wanted(role, partial(names_caller, role)) for role in roles]


def nobody(_: UserIdentity) -> bool:
    return False


def chosen(text: bytes, wanted: Sequence[Wanted]) -> list[Any]:
    """The records that are chosen; all others were checked."""
    found = select_records(text, wanted)
    assert found is not None
    table, others = found
    assert others.number == len(json.loads(text)["Records"]) - len(table)
    return list(table)


def names(found: list[Any] | None) -> list[str]:
    return [one.userIdentity.sessionContext.sessionIssuer.userName for one in found or []]


def test_only_the_records_of_the_callers_are_chosen() -> None:
    text = text_of(by("other"), by("wanted"), by("third"), by("wanted"))
    assert names(chosen(text, wanting("wanted"))) == ["wanted", "wanted"]
    assert chosen(text, wanting("nobody")) == []
    assert names(chosen(text, wanting("third", "wanted"))) == ["wanted", "third", "wanted"]


def test_records_of_an_event_are_chosen_by_what_their_parameters_hold() -> None:
    text = text_of(by("a", note="/b/"), by("b"), {**by("c", note="/b/"), "eventName": "PutObject"})

    def of_event(*texts: bytes) -> list[Wanted]:
        return [
            Wanted(
                str(texts), nobody, lambda source, name: texts if source[:2] + name == "s3GetObject" else ()
            )
        ]

    assert names(chosen(text, of_event(b""))) == ["a", "b"]
    assert names(chosen(text, of_event(b"/x/", b"/b/"))) == ["a"]
    assert chosen(text, of_event()) == []
    assert names(chosen(text, [*of_event(b"/b/"), *wanting("c")])) == ["a", "c"]


def test_in_another_account_s_log_only_copies_are_looked_for() -> None:
    sought = ROLE.record_filter._replace(account="111122223333")
    assert sought.of("111122223333") == (sought.own,)
    assert sought.of("444455556666") == (sought.others,)
    assert sought._replace(account="").of("444455556666") == (sought.own, sought.others)
    assert sought.of("") == (sought.own, sought.others)


def test_the_copy_of_a_call_in_another_account_s_log_is_found() -> None:
    copy = {"type": "AWSAccount", "principalId": "AROA1EXAMPLE:some-session", "accountId": "111122223333"}
    copied = {**by("other"), "userIdentity": copy, "eventName": "Copied"}
    owned = by("other", resources=[{"accountId": "111122223333"}])
    sought = parse_role("arn:aws:iam::111122223333:role/orders-api").record_filter.of("444455556666")
    (found,) = chosen(text_of(owned, copied, by("third")), sought)
    assert found.eventName == "Copied"


def test_what_looks_like_a_record_inside_a_record_is_none() -> None:
    forged = by("wanted")
    text = text_of(by("thief", list=[{"a": 1}, forged, forged, forged]), by("other"))
    assert chosen(text, wanting("wanted")) == []


def test_a_name_is_found_however_json_spells_it() -> None:
    text = text_of(by("wanted"), by("other")).replace(b"wanted", rb"w\u0061nted")
    assert names(chosen(text, wanting("wanted"))) == ["wanted"]
    assert names(chosen(text_of(by("a=b@c"), by("other")), parse_role("a=b@c").record_filter.of(""))) == [
        "a=b@c"
    ]


ODD: dict[str, bytes] = {
    "cut": text_of(by("wanted"))[:-9],
    "cut, without the role": text_of(by("other"), by("other"))[:-1],
    "two lists": text_of(by("other"))[:-1] + b',"Records":[]}',
    "more than a list": text_of(by("other"))[:-1] + b',"more":[]}',
    "no UTF-8": text_of(by("wanted")).replace(b"GetObject", b"Get\xff"),
    "a record alone": json.dumps(by("wanted")).encode(),
    "a record without a name": text_of(by("other"), {**by("other"), "eventName": None}),
    "a record that is no call": text_of(by("other"), {**by("other"), "eventType": "AwsCloudTrailInsight"}),
    "a record without a caller": text_of(by("other"), {**by("other"), "userIdentity": None}),
    "a caller that is none": text_of(by("other"), {**by("other"), "userIdentity": {"type": 1}}),
    "a time that is none": text_of(by("other"), {**by("other"), "eventTime": "long ago"}),
    "a time of another form": text_of(by("wanted"), {**by("other"), "eventTime": "2026-11-20 04:00:00"}),
    "no time": text_of({key: one for key, one in by("other").items() if key != "eventTime"}),
    "a field of another type": text_of(by("other"), {**by("other"), "vpcEndpointId": ["a list"]}),
}


@pytest.mark.parametrize("name", ODD)
def test_what_cannot_be_used_is_left_to_the_full_reading(name: str) -> None:
    assert select_records(ODD[name], wanting("wanted")) is None


FORMS = {
    "indented": text_of(by("wanted"), by("other"), indent=1),
    "spaced": text_of(by("wanted"), by("other"), separators=(", ", ": ")),
    "a space before": b" " + text_of(by("wanted"), by("other")),
    "a line break behind": text_of(by("wanted"), by("other")) + b" \r\n",
    "in another order": text_of(dict(reversed(by("wanted").items())), by("other")),
}


@pytest.mark.parametrize("name", FORMS)
def test_any_form_of_the_records_gives_the_same(name: str) -> None:
    assert names(chosen(FORMS[name], wanting("wanted"))) == ["wanted"]


TOLD = ("days", "regions", "region_days", "account_days", "management", "first", "last")


def test_the_others_tell_what_all_records_told() -> None:
    """Days, regions, accounts and kinds of events are those that a reading of every record counts."""
    data = {"eventCategory": "Data", "resources": [{"type": "AWS::S3::Object"}, {"type": "AWS::S3::Bucket"}]}
    service = {"userIdentity": {"type": "AWSService", "invokedBy": "s3.amazonaws.com"}}
    text = text_of(
        by("wanted"),
        by("a"),
        {**by("b"), **data},
        {**by("c"), "eventTime": "2026-11-21T00:00:00Z", "readOnly": False, "awsRegion": "us-east-1"},
        {**by("d"), **service},
        {**by("e"), "recipientAccountId": "999900001111"},
        {**by("f"), "eventCategory": "NetworkActivity"},
    )
    for until in (None, WindowEnd.parse("2026-11-20")):
        few, whole = CallCounts(no_role, until), CallCounts(no_role, until)
        found = select_records(text, wanting("wanted"))
        assert found is not None
        table, others = found
        whole.add_all(decode_trail_file(text) or [])
        few.add_all(table)
        few.totals.add_others(others, until)
        of_few, of_all = few.totals, whole.totals
        for name in TOLD:
            assert getattr(of_few, name) == getattr(of_all, name), name
        assert set(of_few.data_types) == set(of_all.data_types) == {"AWS::S3::Object", "AWS::S3::Bucket"}


def test_a_file_of_another_form_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(ODD["a time that is none"]))
    (batch,) = read_file(LogObject("a", str(path), wanted=tuple(wanting("wanted"))))
    assert batch.others is None
    assert names(batch.records) == ["other", "other"]


# --- the cache -------------------------------------------------------------------------------------------


class Counting(Reader):
    """Reads files, and counts how many. Picklable as long as nobody pickles it."""

    def __init__(self) -> None:
        self.locators: list[str] = []

    def read(self, one: LogObject) -> Iterator[Batch]:
        self.locators.append(one.locator)
        return read_file(one)


def cached(
    at: Path, logs: Path = TRAIL, job: ReadRequest = ONE_ROLE, **means: Any
) -> tuple[ChunkResult, list[str]]:
    source = open_source(logs)
    counting = Counting()
    if "executor" not in means:
        source.reader = counting
    job = job._replace(name="a role")
    keep = ReadOptions(cache=lambda one: Cache.open(at, one.name, one.select, lambda _: None), **means)
    return read_source(source, job, options=keep), counting.locators


def packs(at: Path) -> list[Path]:
    return sorted((at / "calls").glob("*/*"))


@pytest.mark.parametrize("job", [EVERY_RECORD, ONE_ROLE], ids=["every record", "one role"])
def test_what_was_read_once_is_not_read_again(job: ReadRequest, whole: ChunkResult, tmp_path: Path) -> None:
    cold, first = cached(tmp_path, job=job)
    warm, second = cached(tmp_path, job=job)
    assert same(cold, whole)
    assert same(warm, whole)
    assert (len(first) > 100, second) == (True, [])
    assert warm.counts == cold.counts
    assert warm.read_report == cold.read_report


def test_of_new_files_only_they_are_read(whole: ChunkResult, tmp_path: Path) -> None:
    logs, later = tmp_path / "logs", tmp_path / "later"
    shutil.copytree(TRAIL, logs)
    moved = [path for path in sorted(logs.rglob("*20261124T*.json.gz")) if "Digest" not in path.name]
    for path in moved:
        (later / path.relative_to(logs)).parent.mkdir(parents=True, exist_ok=True)
        path.rename(later / path.relative_to(logs))
    cached(tmp_path / "cache", logs)
    for path in moved:
        (later / path.relative_to(logs)).rename(path)
    found, read = cached(tmp_path / "cache", logs)
    assert same(found, whole)
    assert sorted(read) == sorted(map(str, moved))


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    shutil.copytree(TRAIL, logs)
    cached(tmp_path / "cache", logs)
    path = max(logs.rglob("*.json.gz"), key=lambda one: one.stat().st_size)
    path.write_bytes(gzip.compress(text_of(by("orders-api"))))
    found, read = cached(tmp_path / "cache", logs)
    assert str(path) in read
    assert found.counts.calls == read_source(open_source(logs), ONE_ROLE).counts.calls


def test_of_a_removed_file_nothing_counts(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    shutil.copytree(TRAIL, logs)
    before, _ = cached(tmp_path / "cache", logs, EVERY_RECORD)
    max(logs.rglob("*.json.gz"), key=lambda one: one.stat().st_size).unlink()
    found, _ = cached(tmp_path / "cache", logs, EVERY_RECORD)
    without = read_source(open_source(logs), EVERY_RECORD)
    assert found.counts.calls == without.counts.calls
    assert found.counts.totals == without.counts.totals
    assert found.counts.totals.records < before.counts.totals.records


def test_half_a_pack_that_a_killed_run_left_is_passed_over(whole: ChunkResult, tmp_path: Path) -> None:
    cached(tmp_path)
    for pack in packs(tmp_path):
        pack.with_name(".half").write_bytes(pack.read_bytes()[:99])
    found, read = cached(tmp_path)
    assert same(found, whole)
    assert read == []


@pytest.mark.parametrize(
    "spoil",
    [lambda data: data[:-20], lambda data: data[:99] + bytes([data[99] ^ 1]) + data[100:], lambda _: b""],
    ids=["cut", "one bit", "empty"],
)
def test_a_spoilt_pack_is_not_trusted_and_made_again(
    spoil: Callable[[bytes], bytes], whole: ChunkResult, tmp_path: Path
) -> None:
    cached(tmp_path)
    for pack in packs(tmp_path):
        pack.write_bytes(spoil(pack.read_bytes()))
    found, read = cached(tmp_path)
    assert same(found, whole)
    assert len(read) > 100
    assert cached(tmp_path)[1] == []


def test_another_catalog_does_not_use_what_an_older_one_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached(tmp_path)
    monkeypatch.setattr(policygen.logs.cache, "catalog_version", lambda: "another")
    assert len(cached(tmp_path)[1]) > 100


def test_many_packs_become_one(whole: ChunkResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policygen.logs.chunk, "CHUNK_OBJECTS", 8)
    monkeypatch.setattr(policygen.logs.reader, "FLUSHED", 1)
    cached(tmp_path)
    assert len(packs(tmp_path)) == 1
    found, read = cached(tmp_path)
    assert same(found, whole)
    assert read == []


def test_a_cache_that_cannot_be_written_costs_time_and_nothing_else(
    whole: ChunkResult, tmp_path: Path
) -> None:
    (tmp_path / "calls").write_text("a file where the folder should be")
    said: list[str] = []
    source = open_source(TRAIL)
    keep = ReadOptions(cache=lambda one: Cache.open(tmp_path, one.name, one.select, said.append))
    assert same(read_source(source, ONE_ROLE._replace(name="a role"), options=keep), whole)
    assert len(said) == 1


def test_what_ends_in_the_middle_goes_on_from_there(whole: ChunkResult, tmp_path: Path) -> None:
    class Expiring(Counting):
        def read(self, one: LogObject) -> Iterator[Batch]:
            if len(self.locators) == 60:
                raise AwsError("the session expired", code="PG-E102")
            return super().read(one)

    source, expiring = open_source(TRAIL), Expiring()
    assert isinstance(source, FileSource)
    source.reader = expiring
    keep = ReadOptions(cache=lambda one: Cache.open(tmp_path, one.name, one.select, lambda _: None))
    with pytest.raises(AwsError):
        read_source(source, ONE_ROLE._replace(name="a role"), options=keep)
    found, read = cached(tmp_path)
    assert same(found, whole)
    assert len(read) < 120 - 40


def test_a_damaged_file_is_never_remembered(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    shutil.copytree(TRAIL, logs)
    path = max(logs.rglob("*.json.gz"), key=lambda one: one.stat().st_size)
    path.write_bytes(path.read_bytes()[:-9])
    for _ in range(2):
        found, read = cached(tmp_path / "cache", logs)
        assert len(found.read_report.damaged) == 1
    assert str(path) in read
    assert len(read) < 20


def test_what_is_delivered_again_days_later_counts_once_from_the_cache_too(
    whole: ChunkResult, tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    shutil.copytree(TRAIL, logs)
    cached(tmp_path / "cache", logs)
    path = sorted(one for one in logs.rglob("*.json.gz") if "Digest" not in one.name)[-40]
    stamp = path.name.split("_")[3]
    again = path.with_name(path.name.replace(stamp, f"{int(stamp[:8]) + 1}{stamp[8:]}"))
    again.write_bytes(path.read_bytes())
    found, _ = cached(tmp_path / "cache", logs)
    assert same(found, whole)
    # Both are kept now, each without what the other counts; and when the first is gone, the second counts.
    warm, read = cached(tmp_path / "cache", logs)
    assert same(warm, whole)
    assert read == []
    path.unlink()
    assert same(cached(tmp_path / "cache", logs)[0], whole)


def test_what_a_window_cut_off_is_not_kept_as_the_whole(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    for path in TRAIL.rglob("*_20261124T*.json.gz"):
        (logs / f"{path.stat().st_ino}.json.gz").write_bytes(path.read_bytes())  # no name tells its day
        (logs / path.name).write_bytes(path.read_bytes())
    early = ONE_ROLE._replace(until=WindowEnd.parse("2026-11-24T09:00:00Z"))
    cut, _ = cached(tmp_path / "cache", logs, early)
    found, _ = cached(tmp_path / "cache", logs)
    assert found.counts.calls == read_source(open_source(logs), ONE_ROLE).counts.calls
    assert cut.counts.calls == read_source(open_source(logs), early).counts.calls != found.counts.calls
    assert cached(tmp_path / "cache", logs, early)[0].counts.calls == cut.counts.calls


KILLED = """
import sys, policygen.logs.reader as engine, policygen.logs.chunk as chunk
from pathlib import Path
from policygen.logs.cache import Cache
from policygen.evidence.role import names_caller, parse_role
from policygen.logs.registry import open_source
engine.MIN_CACHED_BYTES, chunk.CHUNK_OBJECTS, engine.FLUSHED = 0, 8, 1
role = parse_role("orders-api")
job = chunk.ReadRequest(role.matches, "a role", search=role.record_filter)
def wait(_):
    print("state", flush=True)
    sys.stdin.readline()
cache = lambda one: Cache.open(Path(sys.argv[2]), one.name, one.select, print)
keep = engine.ReadOptions(cache=cache, on_progress=wait)
engine.read_source(open_source(sys.argv[1]), job, options=keep)
print("done", flush=True)
"""
"""Reads a trail with a cache, and waits after each chunk until it may go on."""


def read_and_kill(command: list[str], after: int) -> tuple[int, bool]:
    """Kills a reading in the work after so many chunks; how many it did, and whether it came to its end."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdin
        assert process.stdout
        chunks = 0
        while process.stdout.readline() == "state\n":
            chunks += 1
            process.stdin.write("\n")
            process.stdin.flush()
            if chunks > after:
                process.kill()
                return chunks, "done" in process.stdout.read()
    return chunks, True


@pytest.mark.system
def test_killed_at_any_point_and_started_again_the_calls_are_the_same(
    whole: ChunkResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance, killed = random.Random(11), 0
    command = [sys.executable, "-c", KILLED, str(TRAIL), str(tmp_path)]
    every, _ = read_and_kill(command, 10**6)
    assert every > 10
    shutil.rmtree(tmp_path / "calls")
    for _ in range(KILLS):
        _, done = read_and_kill(command, chance.randrange(every))
        killed += not done
        if done:
            shutil.rmtree(tmp_path / "calls")
    assert killed >= KILLS // 3
    monkeypatch.setattr(policygen.logs.chunk, "CHUNK_OBJECTS", 8)
    found, _ = cached(tmp_path)
    assert same(found, whole)


# --- the command line ------------------------------------------------------------------------------------


def policygen_says(at: Path, *arguments: str) -> tuple[int, str]:
    made = run(ROOT, *arguments, POLICYGEN_CACHE=str(at))
    return made.code, made.stdout + made.stderr


def test_the_cache_is_shown_and_cleared(tmp_path: Path) -> None:
    cached(tmp_path)
    assert policygen_says(tmp_path, "cache")[1].startswith("kept: 1 role, ")
    (tmp_path / "other").write_text("not the cache's")
    assert policygen_says(tmp_path, "cache", "--clear")[1].startswith("removed: 1 role, ")
    assert policygen_says(tmp_path, "cache")[1].startswith("kept: 0 roles, 0 packs, 0.0 MB")
    assert (tmp_path / "other").exists()


def test_a_second_process_finds_what_the_first_one_kept(tmp_path: Path) -> None:
    code = "import policygen.logs.reader as one; one.MIN_CACHED_BYTES = 0; from policygen.cli.app import main; main()"
    command = [sys.executable, "-c", code, "suggest", "orders-api", "--logs", str(TRAIL), "-q", "--no-plan"]
    env = {**os.environ, "POLICYGEN_CACHE": str(tmp_path)}
    said = [subprocess.run(command, env=env, capture_output=True, check=False).stdout for _ in range(2)]
    assert said[0] == said[1] != b""
    assert len([*(tmp_path / "calls").iterdir()]) == 1


def test_a_cache_that_cannot_be_removed_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "calls").write_text("a file where the folder should be")
    code, said = policygen_says(tmp_path, "cache", "--clear")
    assert (code, "PG-E223" in said) == (2, True)
