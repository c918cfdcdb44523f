"""Calls that differ in made-up names only are counted together, whatever the order, and nothing else is lost."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import policygen.logs.calls.spill
import policygen.logs.chunk
import policygen.logs.reader
from policygen.catalog.mapping import requests_for
from policygen.evidence.anomalies import split_anomalies
from policygen.iam import arn
from policygen.iam.request import AccessRequest, RoleKey
from policygen.logs.cache import Cache
from policygen.logs.calls import fold as folding
from policygen.logs.calls import table_count, templates
from policygen.logs.calls.call import Calls, count_in
from policygen.logs.calls.counts import CallCounts
from policygen.logs.calls.distinct import KEPT, hash_of, is_exact, number_of, union
from policygen.logs.calls.fold import KEEP, Bound, fold
from policygen.logs.calls.spill import SpillStore, unpack_calls
from policygen.logs.calls.stored_calls import CallReader
from policygen.logs.calls.table_count import TableCounter
from policygen.logs.chunk import ReadRequest
from policygen.logs.decode.trail_file import decode_trail_file
from policygen.logs.events.record import Record
from policygen.logs.reader import ReadOptions, read_source
from policygen.logs.registry import open_source
from tests.support.effort import bounded
from tests.support.records import record

Event = Mapping[str, Any]
DAYS = ["2026-11-03", "2026-11-04", "2026-11-05"]
AGENTS = ["Boto3/1.40.0 exec-env/AWS_Lambda_python3.13", "aws-cli/2.15.0"]
SFN = "arn:aws:states:us-east-1:123456789012"


def everybody(_: RoleKey) -> bool:
    return True


def calls_of(events: Sequence[Event]) -> Calls:
    """The calls of one role, not folded: they are too few for the bound."""
    counts = CallCounts(everybody)
    counts.add_all(
        msgspec.json.decode(json.dumps(record(event, n)), type=Record) for n, event in enumerate(events)
    )
    return next(iter(counts.calls.values()), {})


def added(*parts: Calls) -> Calls:
    total: Calls = {}
    for part in parts:
        for bucket, evidence in part.items():
            count_in(total, bucket, evidence)
    return total


def folded(calls: Calls) -> Calls:
    result = dict(calls)
    fold(result)
    return result


@pytest.fixture
def low(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from lowered(monkeypatch)


def lowered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Limits that a few events pass."""
    monkeypatch.setattr(folding, "KEEP", 3)
    monkeypatch.setattr(folding, "CLASSES", 6)
    monkeypatch.setattr(folding, "FOLDERS", 3)
    yield


# ---- events ---------------------------------------------------------------------------------------------

WORDS = [
    "a",
    "b",
    "cc",
    "data",
    "x1",
    "001",
    "2026-01-02",
    "20260102",
    "r-12345.json",
    "*",
    "?",
    "${aws:username}",
]
WORDS += ["${*}", "", " ", "é", "漢", "a\nb", "%41", "A", "tenants", "0a1b2c3d-0000-4000-8000-1b2c3d4e5f60"]
keys = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map("/".join)


def get(key: str, bucket: str = "shop", **more: Any) -> Event:
    entries = [f"arn:aws:s3:::{bucket}/{key}", f"arn:aws:s3:::{bucket}"]
    params = {"bucketName": bucket, "key": key}
    return {"source": "s3", "name": "GetObject", "params": params, "resources": entries, **more}


def denied(key: str) -> Event:
    message = (
        "User: arn:aws:sts::123456789012:assumed-role/orders/x is not authorized to perform: s3:GetObject on resource: "
        f'"arn:aws:s3:::shop/{key}" because no identity-based policy allows the s3:GetObject action'
    )
    return get(key, error="AccessDenied", message=message)


def copy(key: str, source: str, version: str) -> Event:
    params = {"bucketName": "shop", "key": key, "x-amz-copy-source": f"from/{source}{version}"}
    return {"source": "s3", "name": "CopyObject", "params": params}


def kms(value: str, key: str) -> Event:
    context = {"tenant": value, "app": "shop", "aws:s3:arn": f"arn:aws:s3:::shop/{key}"}
    params = {"keyId": "arn:aws:kms:us-east-1:123456789012:key/k", "encryptionContext": context}
    return {"source": "kms", "name": "Decrypt", "params": params, "via": "s3.amazonaws.com"}


def of_sts(name: str) -> Event:
    params = {"roleArn": "arn:aws:iam::123456789012:role/reader", "roleSessionName": name}
    return {"source": "sts", "name": "AssumeRole", "params": params}


def of_states(name: str) -> Event:
    params = {"executionArn": f"{SFN}:execution:orders:{name or 'x'}"}
    return {"source": "states", "name": "DescribeExecution", "params": params}


events = st.one_of(
    st.builds(get, keys, st.sampled_from(["shop", "shop", "logs"])),
    st.builds(denied, keys),
    st.builds(copy, keys, keys, st.sampled_from(["", "?versionId=1", "?versionId=2"])),
    st.builds(kms, st.sampled_from(WORDS), keys),
    st.builds(of_sts, st.sampled_from(WORDS)),
    st.builds(of_states, st.sampled_from(WORDS)),
    st.builds(
        lambda prefix: {
            "source": "s3",
            "name": "ListObjects",
            "params": {"bucketName": "shop", "prefix": prefix},
        },
        keys,
    ),
    st.builds(
        lambda name: {"source": "dynamodb", "name": "GetItem", "params": {"tableName": f"t{name}"}}, keys
    ),
)
placed = st.builds(
    lambda event, day, agent, second: {**event, "agent": agent, "time": f"{day}T09:00:{second:02}Z"},
    events,
    st.sampled_from(DAYS),
    st.sampled_from(AGENTS),
    st.integers(0, 59),
)
logs = st.lists(placed, max_size=80)


# ---- the sum --------------------------------------------------------------------------------------------


@bounded(300)
@given(log=logs, chance=st.randoms(use_true_random=False))
def test_whatever_is_folded_on_the_way_the_result_is_the_same(
    log: list[Event], chance: random.Random
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for _ in lowered(patch):
            whole = folded(calls_of(log))
            mixed = [calls_of([event]) for event in log]
            chance.shuffle(mixed)
            # Parts of random sizes, folded or not, are added to one another in a tree of random shape.
            while len(mixed) > 1:
                size = chance.randint(2, max(2, len(mixed) // 2))
                part, mixed = added(*mixed[:size]), mixed[size:]
                mixed.insert(chance.randint(0, len(mixed)), folded(part) if chance.random() < 0.7 else part)
            assert without_samples(folded(added(*mixed))) == without_samples(whole)


@bounded(100)
@given(log=logs)
def test_usual_calls_are_sorted_as_any_others(log: list[Event]) -> None:
    """Whether a name is cut out of the text of the parameters, or looked for in what they say."""
    with pytest.MonkeyPatch.context() as patch:
        for _ in lowered(patch):
            calls = calls_of(log)
            usual = folded(calls)
            patch.setattr(templates, "_MEMBERS", 0)
            assert folded(calls) == usual


@bounded(200)
@given(log=logs, held=st.sampled_from([1, 5, 1_000]))
def test_columns_are_folded_as_calls_are(log: list[Event], held: int) -> None:
    """Whether events become calls before they are folded, or what stands for many of them."""
    records = [record(event, n) for n, event in enumerate(log)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_count, "HELD", held)
        for _ in lowered(patch):
            counts = CallCounts(everybody)
            columns = TableCounter(counts)
            for one in records:
                table = decode_trail_file(json.dumps({"Records": [one]}).encode())
                assert table is not None
                assert columns.add(table)
            columns.flush()
            counts.fold()
            assert next(iter(counts.calls.values()), {}) == folded(calls_of(log))


def without_samples(calls: Calls) -> Calls:
    """The calls without eventIDs, of which a part that is made alone has others."""
    return {bucket: msgspec.structs.replace(evidence, samples=()) for bucket, evidence in calls.items()}


@bounded(200)
@given(log=logs)
def test_nothing_is_lost_but_names(log: list[Event]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for _ in lowered(patch):
            before = calls_of(log)
            after = folded(before)
            assert folded(after) == after
            assert sum(one.count for one in after.values()) == sum(one.count for one in before.values())
            for bucket, evidence in after.items():
                if bucket.call.folded is None:
                    assert evidence == before[bucket]  # what stays, stays exact
                else:
                    assert any(name.kind for name in bucket.call.folded.names)
                    assert 0 < evidence.name_count <= evidence.count
                    assert evidence.days == {bucket.day}
            assert {(b.call.source, b.call.name, b.day, b.user) for b in after} == {
                (b.call.source, b.call.name, b.day, b.user) for b in before
            }


def asked(calls: Calls) -> set[AccessRequest]:
    return {one.request for bucket in calls for one in requests_for(bucket.call.call()).requests}


@bounded(200)
@given(log=logs)
def test_each_request_lies_in_one_of_what_is_left(log: list[Event]) -> None:
    """With the same action, type and grade; and a pattern stays in the bucket, and in the machine, of its names."""
    with pytest.MonkeyPatch.context() as patch:
        for _ in lowered(patch):
            before = calls_of(log)
            exact, left = asked(before), asked(folded(before))
            for request in exact:
                assert any(_holds(other, request) for other in left), request
            for other in left - exact:
                assert other.wild
                assert any(_holds(other, request) for request in exact), other
                parents = [f"arn:aws:s3:::{name}/*" for name in ("shop", "logs", "from")]
                parents += [f"{SFN}:execution:orders:*"]
                assert any(arn.contains(parent, other.resource) for parent in parents), other


def _holds(wide: AccessRequest, narrow: AccessRequest) -> bool:
    if wide[0] != narrow[0] or wide[2] != narrow[2] or wide.grade != narrow.grade:
        return False
    known = dict(narrow.context)
    if any(known.get(key) != values for key, values in wide.context):
        return False  # a key may become unknown, and has no other value
    if wide.wild and narrow.wild:
        return arn.contains(wide.resource, narrow.resource)
    return (
        arn.resource_matches(wide.resource, narrow.resource)
        if wide.wild
        else wide.resource == narrow.resource
    )


# ---- limits ---------------------------------------------------------------------------------------------


def test_as_many_names_as_stay_are_all_there() -> None:
    few = calls_of([get(f"day/{n:04}") for n in range(KEEP)])
    assert folded(few) == few
    many = folded(calls_of([get(f"day/{n:04}") for n in range(KEEP + 2)]))
    (rest,) = [bucket for bucket in many if bucket.call.folded]
    assert (len(many), many[rest].count, number_of(many[rest].names)) == (KEEP + 1, 2, 2)
    assert [one.request.resource for one in requests_for(rest.call.call()).requests] == [
        "arn:aws:s3:::shop/day/*"
    ]


def test_infrastructure_is_never_folded() -> None:
    tables = [
        {"source": "dynamodb", "name": "GetItem", "params": {"tableName": f"orders-{n}"}} for n in range(200)
    ]
    queues = [
        {"source": "sqs", "name": "SendMessage", "params": {"queueUrl": f"https://sqs/123456789012/q{n}"}}
        for n in range(200)
    ]
    images = [
        {"source": "ec2", "name": "RunInstances", "params": {"imageId": f"ami-{n:08}"}} for n in range(200)
    ]
    calls = calls_of([*tables, *queues, *images])
    assert folded(calls) == calls


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("t-{n:06}/profile", "arn:aws:s3:::shop/t-*"),
        ("tenants/{word}/profile", "arn:aws:s3:::shop/tenants/*"),
        ("tenants/{word}.json", "arn:aws:s3:::shop/tenants/*"),
        ("{word}/profile", "arn:aws:s3:::shop/*"),
        ("eu/{word}/{word}", "arn:aws:s3:::shop/eu/*"),
        ("logs/2026-01-02/{word}/x", "arn:aws:s3:::shop/logs/20??-??-??/*"),
        ("tenants/{word}/{n:06}", "arn:aws:s3:::shop/tenants/*"),
    ],
)
def test_names_in_as_many_folders_become_one_pattern(name: str, pattern: str) -> None:
    words = ["".join("bcdfghjklm"[int(digit)] for digit in f"{n:05}") for n in range(1_200)]
    calls = folded(calls_of([get(name.format(n=n, word=word)) for n, word in enumerate(words)]))
    (rest,) = [bucket for bucket in calls if bucket.call.folded]
    assert [one.request.resource for one in requests_for(rest.call.call()).requests] == [pattern]
    assert len(calls) == KEEP + 1


def test_a_name_outside_the_many_folders_does_not_open_the_bucket() -> None:
    words = ["".join("bcdfghjklm"[int(digit)] for digit in f"{n:05}") for n in range(1_200)]
    calls = folded(
        calls_of([*(get(f"tenants/{word}/x") for word in words), get("index.html"), get("logo.png")])
    )
    found = {one.resource for one in asked(calls) if one.wild or "tenants" not in one.resource}
    assert found == {
        "arn:aws:s3:::shop/tenants/*",
        "arn:aws:s3:::shop/index.html",
        "arn:aws:s3:::shop/logo.png",
    }


def test_a_source_that_is_always_the_same_stays_exact() -> None:
    calls = folded(
        calls_of([copy(f"out/{n:05}", "templates/base.json", "?versionId=1") for n in range(2 * KEEP)])
    )
    (rest,) = [bucket for bucket in calls if bucket.call.folded]
    assert {
        (one.request.action, one.request.resource) for one in requests_for(rest.call.call()).requests
    } >= {
        ("s3:PutObject", "arn:aws:s3:::shop/out/*"),
        ("s3:GetObjectVersion", "arn:aws:s3:::from/templates/base.json"),
    }


def test_names_of_another_user_say_nothing_of_the_workloads() -> None:
    own = [get(f"day/{n:04}", agent=AGENTS[0]) for n in range(10)]
    theirs = [get(f"day/{n:04}", agent=AGENTS[1]) for n in range(2_000)]
    alone, together = calls_of(own), folded(calls_of([*own, *theirs]))
    mine = {bucket.user for bucket in alone}
    assert {b: e.count for b, e in together.items() if b.user in mine} == {
        b: e.count for b, e in alone.items()
    }


HOST, THIEF = "203.0.113.10", "198.51.100.7"


def on_instance(own: int, stolen: int) -> tuple[Calls, Calls]:
    """Calls of an instance's role: a script's, and a thief's with the same session; folded, by who made them."""
    session, day = "i-0123456789abcdef0", "2026-11-03T08:00:00Z"
    same: Event = {"session": session, "agent": "aws-cli/2.15.0", "time": day}
    log = [{**of_states("x"), "session": session, "agent": "Boto3/1.40.0", "address": HOST, "time": day}]
    log += [{**get(f"day/{n:05}"), **same, "address": HOST} for n in range(own)]
    log += [{**get(f"day/9{n:05}"), **same, "address": THIEF} for n in range(stolen)]
    split = split_anomalies(folded(calls_of(log)), of_hosts=True)
    return split.workload, split.anomalous


def test_names_of_a_thief_open_no_pattern_for_the_workload() -> None:
    workload, anomalous = on_instance(own=10, stolen=1_000)
    assert not any(request.wild for request in asked(workload))
    assert any(request.wild for request in asked(anomalous))
    assert sum(one.count for one in anomalous.values()) > 990


def test_a_thief_takes_nothing_from_the_workload() -> None:
    workload, anomalous = on_instance(own=1_000, stolen=10)
    assert any(request.wild for request in asked(workload))
    assert not any(request.wild for request in asked(anomalous))


def test_no_text_of_a_log_is_a_class_of_names(low: None) -> None:
    names = ["tenants/*", "*", "${*}", '{"…":"*"}', "\x00", "first folders: 1"]
    odd = [get(name) for name in names]
    odd += [
        {"source": "s3", "name": "GetObject", "params": {"bucketName": "shop", "key": value}}
        for value in ({"…": "tenants/*"}, {"folded": ["*"]}, ["*"], 7, None)
    ]
    assert not any(request.wild and "tenants" in request.resource for request in asked(calls_of(odd)))
    many = calls_of([*odd, *(get(f"tenants/{n:05}") for n in range(20))])
    stars = [request for request in asked(folded(many)) if request.wild and "*" in request.resource]
    assert {arn.contains("arn:aws:s3:::shop/*", request.resource) for request in stars} == {True}
    assert any(request.resource.endswith("/tenants/*") and not request.wild for request in asked(many))


# ---- through the reader ---------------------------------------------------------------------------------


def write(folder: Path, log: Sequence[Event], files: int) -> Path:
    """A log with each event in one file, and some of them in two."""
    records = [record(event, n) for n, event in enumerate(log)]
    folder.mkdir()
    for number in range(files):
        some = records[number::files] + records[(number + 1) % files :: files][:5]
        (folder / f"{number:03}.json").write_text(json.dumps({"Records": some}), "utf-8")
    return folder


def test_chunks_workers_cache_and_disk_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = [get(f"day/{n:05}", time=f"2026-11-0{3 + n % 3}T08:00:{n % 60:02}Z") for n in range(900)]
    log += [get(f"{'bcdfghjk'[n % 8]}{'bcdfghjk'[n // 8 % 8]}{'bcdf'[n // 64 % 4]}/x") for n in range(200)]
    log += [of_sts(f"session-{n}") for n in range(300)]
    logs_folder = write(tmp_path / "logs", log, files=12)
    request = ReadRequest(everybody, "all")

    def read(**how: Any) -> Mapping[RoleKey, Calls]:
        return read_source(open_source(logs_folder), request, options=ReadOptions(**how)).counts.calls

    whole = read()
    ((role, calls),) = whole.items()
    assert sum(one.count for one in calls.values()) == len(log)
    assert len(calls) < len(log) - 500
    monkeypatch.setattr(policygen.logs.chunk, "CHUNK_OBJECTS", 2)
    for name in ("MIN_PARALLEL_BYTES", "MIN_CACHED_BYTES"):
        monkeypatch.setattr(policygen.logs.reader, name, 0)
    monkeypatch.setattr(folding, "ROOM", 50)
    assert read() == whole
    with ThreadPoolExecutor(1) as executor:
        assert read(executor=executor) == whole
    for _ in range(2):
        assert read(cache=lambda one: Cache(tmp_path / "cache", one.select)) == whole
    monkeypatch.setattr(policygen.logs.reader, "ROOM", 100)
    with SpillStore() as spill:
        read(spill=spill)
        ((_, pieces),) = spill.by_name()
        assert unpack_calls(pieces.calls) == whole
    assert role.name == "orders"


def test_the_bound_folds_again_when_the_calls_have_doubled(monkeypatch: pytest.MonkeyPatch) -> None:
    every = calls_of([get(f"day/{n:04}") for n in range(900)])
    monkeypatch.setattr(folding, "ROOM", 100)
    done: list[int] = []
    monkeypatch.setattr(folding, "fold", lambda calls: done.append(len(calls)))
    bound = Bound()
    calls: Calls = {}
    for bucket, evidence in every.items():
        calls[bucket] = evidence
        bound.keep("role", calls)
    assert done == [101, 203, 407, 815]


def test_what_was_folded_while_a_role_is_read_back_is_held_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    readers = []

    class Reader(CallReader):
        __slots__ = ()

        def __init__(self) -> None:
            super().__init__()
            readers.append(self)

    monkeypatch.setattr(policygen.logs.calls.spill, "CallReader", Reader)
    monkeypatch.setattr(folding, "ROOM", 600)
    names = 3_000
    with SpillStore() as spill:
        for start in range(0, names, 100):
            part = calls_of([get(f"day/{n:05}") for n in range(start, start + 100)])
            spill.write({RoleKey("123456789012", "", "", "orders"): part}, {})
        ((_, pieces),) = spill.by_name()
        (calls,) = unpack_calls(pieces.calls).values()
    assert sum(one.count for one in calls.values()) == names
    assert len(readers) > 1
    assert all(len(one._parts) < names / 2 for one in readers)


# ---- counting names -------------------------------------------------------------------------------------


def test_few_names_are_counted_exactly_and_many_about() -> None:
    few = union(hash_of(f"name {n}") for n in range(KEPT - 1))
    assert (is_exact(few), number_of(few)) == (True, KEPT - 1)
    for number in (1_000, 20_000, 200_000):
        many = union(hash_of(f"name {n}") for n in range(number))
        assert not is_exact(many)
        assert abs(number_of(many) - number) < 0.25 * number


@bounded(50)
@given(parts=st.lists(st.lists(st.integers(0, 2_000), max_size=400), max_size=5))
def test_counts_add_up_in_any_order(parts: list[list[int]]) -> None:
    counts = [union(hash_of(str(n)) for n in part) for part in parts]
    assert union(counts) == union(reversed(counts)) == union(hash_of(str(n)) for part in parts for n in part)
