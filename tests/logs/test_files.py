"""The log source "files": every shape, every kind of damage, everything passed over."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import policygen.logs.registry
from policygen.errors import NothingFoundError, UsageError
from policygen.logs.decode import compression, unpack
from policygen.logs.decode.trail_file import decode_trail_file
from policygen.logs.events.record import Record
from policygen.logs.registry import open_source
from policygen.logs.source import Batch, Damage, Unreadable
from tests.logs.test_envelope import record
from tests.support import SHARED
from tests.support.effort import examples

ONE, TWO, THREE = (record(number, requestParameters={"tableName": f"täble-{number}"}) for number in (1, 2, 3))
RECORDS = [ONE, TWO, THREE]
TRAIL = json.dumps({"Records": RECORDS}).encode()
LINES = [json.dumps(one) for one in RECORDS]


def parquet(rows: list[dict[str, Any]]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet as format_

    out = io.BytesIO()
    format_.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue()


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), data)
    return out.getvalue()


def bridge(detail: Any) -> dict[str, Any]:
    return {
        "version": "0",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.dynamodb",
        "detail": detail,
    }


def text(*values: Any, sep: str = "\n") -> bytes:
    return sep.join(json.dumps(value) for value in values).encode()


SHAPES: dict[str, tuple[str, bytes]] = {
    "trail file": ("a.json", TRAIL),
    "trail file, gzip": ("a.json.gz", gzip.compress(TRAIL)),
    "trail file, gzip, wrong name": ("a.json", gzip.compress(TRAIL)),
    "trail file, plain, wrong name": ("a.json.gz", TRAIL),
    "trail file, no suffix": ("a", TRAIL),
    "trail file, indented": ("a.json", json.dumps({"Records": RECORDS}, indent=4).encode()),
    "trail file, byte order mark": ("a.json", b"\xef\xbb\xbf" + TRAIL),
    "packed twice": ("a.json.gz", gzip.compress(gzip.compress(TRAIL))),
    "gzip members, one record each": ("a.gz", b"".join(gzip.compress(line.encode()) for line in LINES)),
    "gzip members, one trail file each": (
        "a.gz",
        b"".join(gzip.compress(text({"Records": [r]})) for r in RECORDS),
    ),
    "gzip padded with zeros": ("a.json.gz", gzip.compress(TRAIL) + bytes(512)),
    "zip": (
        "a.zip",
        zipped(x__1_json=text(ONE), x__2_json_gz=gzip.compress(text(TWO)), x__3_jsonl=text(THREE)),
    ),
    "zip in zip": ("a.zip", zipped(in_zip=zipped(a_json=TRAIL))),
    "zip, wrong name": ("a.gz", zipped(a_json=TRAIL)),
    "lines": ("a.jsonl", text(*RECORDS)),
    "lines, Windows ends, blank lines": ("a.jsonl", text(*RECORDS, sep="\r\n\r\n") + b"\r\n"),
    "lines of trail files": ("a.jsonl", text({"Records": [ONE, TWO]}, {"Records": [THREE]})),
    "lines of mixed wrappers": ("a.jsonl", text(ONE, bridge(TWO), {"Records": [THREE]})),
    "lines, name of a text": ("a.txt", text(*RECORDS)),
    "list": ("a.json", text(RECORDS)),
    "list, indented": ("a.json", json.dumps(RECORDS, indent=1).encode()),
    "values, nothing between": ("a", text(*RECORDS, sep="")),
    "values, indented": ("a.json", "\n".join(json.dumps(one, indent=2) for one in RECORDS).encode()),
    "EventBridge": ("a.json", text(*map(bridge, RECORDS))),
    "EventBridge, list": ("a.json", text([bridge(one) for one in RECORDS])),
    "EventBridge, detail alone": ("a.json", text(*({"detail": one} for one in RECORDS))),
    "LookupEvents": (
        "a.json",
        text(
            {
                "Events": [{"EventId": "x", "EventName": "y", "CloudTrailEvent": line} for line in LINES],
                "NextToken": "t",
            }
        ),
    ),
    "LookupEvents, items": ("a.jsonl", text(*({"EventId": "x", "CloudTrailEvent": line} for line in LINES))),
    "CloudWatch Logs subscription": (
        "a.gz",
        gzip.compress(
            text({"messageType": "DATA_MESSAGE", "logEvents": [{"id": "1", "message": m} for m in LINES]})
        ),
    ),
    "CloudWatch Logs FilterLogEvents": (
        "a.json",
        text({"events": [{"message": m} for m in LINES], "nextToken": ""}),
    ),
    "CloudWatch Logs export": (
        "000000.gz",
        gzip.compress("\n".join(f"2026-11-24T00:00:00.000Z {line}" for line in LINES).encode()),
    ),
    "records as strings": ("a.json", text(*LINES)),
    "SNS": ("a.json", text(*({"Type": "Notification", "Message": line} for line in LINES))),
    "SNS to a function": ("a.json", text({"Records": [{"Sns": {"Message": line}} for line in LINES]})),
    "SQS to a function": ("a.json", text({"Records": [{"messageId": "1", "body": line} for line in LINES]})),
    "SQS receive-message": (
        "a.json",
        text({"Messages": [{"Body": json.dumps({"Message": line})} for line in LINES]}),
    ),
}


def batches(*paths: Path) -> list[Batch]:
    return list(open_source(list(paths)).read())


def plain(found: list[Record]) -> list[tuple[Any, ...]]:
    """Records without the white space of their raw parameters."""
    return [
        (one.eventID, one.eventName, one.userIdentity, json.loads(bytes(one.requestParameters)))
        for one in found
    ]


EXPECTED = plain(list(decode_trail_file(TRAIL) or []))


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_records(shape: str, tmp_path: Path) -> None:
    name, data = SHAPES[shape]
    (tmp_path / name).write_bytes(data)
    found = batches(tmp_path)
    assert plain([one for batch in found for one in batch.records]) == EXPECTED
    assert len(EXPECTED) == 3
    assert all(b.kind == "log" and not (b.unreadable or b.passed_over or b.damage) for b in found)


PACKED = gzip.compress(TRAIL, mtime=0)
BAD_CRC = PACKED[:-8] + bytes(4) + PACKED[-4:]

DAMAGE: list[tuple[str, bytes, int, int | None, str]] = [
    ("a.json", b"", 0, 0, "empty file"),
    ("a.json.gz", b"", 0, 0, "empty file"),
    ("a.json.gz", gzip.compress(b"", mtime=0), 0, 0, "empty file"),
    ("a.json", b" \n\n", 0, 0, "empty file"),
    ("a.json.gz", PACKED[:-3], 3, len(PACKED) - 3, f"gzip ends at byte {len(PACKED) - 3:,}"),
    ("a.json.gz", PACKED[:7], 0, 7, "gzip ends at byte 7"),
    (
        "a.json.gz",
        PACKED + b"junk",
        3,
        len(PACKED),
        f"4 bytes that are not gzip after the end at byte {len(PACKED):,}",
    ),
    ("a.json.gz", BAD_CRC, 0, 0, f"gzip is corrupt in the {len(PACKED):,} bytes from byte 0: CRC mismatch"),
    (
        "a.json.gz",
        PACKED[:-4] + b"\1\2\3\4",
        0,
        0,
        f"gzip is corrupt in the {len(PACKED):,} bytes from byte 0: length mismatch",
    ),
    ("a.json.gz", gzip.compress(text(ONE), mtime=0) + BAD_CRC, 1, None, "CRC mismatch"),
    ("a.json", b'{"Records": xx}', 0, 12, "not JSON at byte 12"),
    ("a.json", b"hello", 0, 0, "not JSON at byte 0"),
    (
        "a.json",
        TRAIL[:-20],
        2,
        len(TRAIL) - 20,
        f"JSON ends in the middle of a value at byte {len(TRAIL) - 20:,}",
    ),
    (
        "a.jsonl",
        (LINES[0] + "\n" + LINES[1][:-9]).encode(),
        1,
        len(LINES[0]) + len(LINES[1]) - 8,
        "JSON ends",
    ),
    ("a", TRAIL[:-20], 2, len(TRAIL) - 20, "JSON ends in the middle of a value"),
    ("a.json", TRAIL.decode().encode("utf-16"), 0, 0, "UTF-16 text, not JSON in UTF-8"),
    ("a.json", TRAIL.decode().encode("utf-16-le"), 0, 0, "UTF-16 text, not JSON in UTF-8"),
    ("a.gz", b"BZh91AY", 0, 7, "bzip2 ends at byte 7"),
    ("a.json.zst", b"\x28\xb5\x2f\xfd\0", 0, 0, "zstd, not JSON in UTF-8: unpack it first"),
    ("a.parquet", b"PAR1\x00\x01PAR1", 0, None, "Parquet is cut or corrupt"),
    ("a.zip", zipped(a_json=TRAIL)[:-30], 0, None, "zip is cut or corrupt"),
    ("a.zip", zipped(a_json=TRAIL[:-20]), 2, len(TRAIL) - 20, "JSON ends in the middle of a value"),
]


@pytest.mark.parametrize(("name", "data", "records", "byte", "reason"), DAMAGE)
def test_damage_is_named_with_byte_and_reason_and_the_rest_is_used(
    name: str, data: bytes, records: int, byte: int | None, reason: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)
    (batch,) = batches(tmp_path)
    assert batch.kind == "log"
    assert batch.name.startswith(name)
    assert batch.damage is not None
    assert reason in batch.damage.reason
    assert byte is None or batch.damage.byte == byte
    assert plain(batch.records) == EXPECTED[:records]


def test_a_corrupt_zip_member_costs_only_itself(tmp_path: Path) -> None:
    data = zipped(a_json=TRAIL, b_json=TRAIL)
    at = data.index(b"a.json") + 20
    (tmp_path / "x.zip").write_bytes(data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :])
    bad, good = batches(tmp_path)
    assert (bad.name, good.name) == ("x.zip/a.json", "x.zip/b.json")
    assert bad.damage is not None
    assert plain(good.records) == EXPECTED


def test_a_file_that_unpacks_beyond_the_limit_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "LIMIT", 100_000)
    monkeypatch.setattr(compression, "FREE", 100_000)
    monkeypatch.setattr(compression, "RATIO", 1)
    (tmp_path / "1.json.gz").write_bytes(gzip.compress(b"[" + b" " * 1_000_000 + b"]"))
    (tmp_path / "2.zip").write_bytes(zipped(a_json=b" " * 1_000_000))
    (tmp_path / "3.json").write_bytes(b" " * 1_000_000)
    found = batches(tmp_path)
    assert len(found) == 3
    assert all(b.damage and "100,000 bytes" in b.damage.reason and not b.records for b in found)


def test_a_bomb_of_gzip_in_gzip_is_damaged(tmp_path: Path) -> None:
    data = TRAIL
    for _ in range(9):
        data = gzip.compress(data)
    (tmp_path / "a.gz").write_bytes(data)
    (batch,) = batches(tmp_path)
    assert batch.damage == Damage(0, "packed more than 4 times")


def test_a_refusal_by_the_system_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json").write_bytes(TRAIL)
    (tmp_path / "b.json").symlink_to(tmp_path / "gone")

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    found = batches(tmp_path)
    assert [batch.damage for batch in found] == [
        Damage(None, "permission denied"),
        Damage(None, "no such file or directory"),
    ]


def test_parquet_without_pyarrow_stops_and_names_the_file_and_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.parquet").write_bytes(parquet([{"eventname": "GetObject"}]))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UsageError, match=r"'a\.parquet' .*pyarrow is not installed") as caught:
        batches(tmp_path)
    assert caught.value.code == "PG-E257"
    assert caught.value.hints[0].startswith("pip install '.[parquet]'")


PASSED: dict[str, tuple[bytes, str]] = {
    "1_CloudTrail-Digest_us-east-1_t_us-east-1_20261124T000000Z.json.gz": (b"x", "digest"),
    "CloudTrail-Digest/a.json.gz": (b"x", "digest"),
    "CloudTrail-Insight/a.json.gz": (b"x", "insight"),
    "insight.json": (text({"Records": [record(eventType="AwsCloudTrailInsight")]}), "insight"),
    "aggregated.json": (text(record(eventCategory="Aggregated")), "aggregated"),
    "s3.json": (
        text({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put"}]}),
        "s3-notification",
    ),
    "note.json": (text({"s3Bucket": "b", "s3ObjectKey": ["k"]}), "delivery-note"),
    "account.json": (text({"policygen_snapshot": 1}), "snapshot"),
    "README.md": (b"[![badge](x)](y)\n# Logs", "not-json"),
    "notes.txt": (b"hello", "not-json"),
    "history.csv": (b'"eventTime","eventName"\n"1","2"\n', "not-json"),
    "history.csv.gz": (gzip.compress(b'"eventTime","eventName"\n"1","2"\n'), "not-json"),
    "table.parquet": (parquet([{"service": "EC2", "cost": 1}]), "not-json"),
    "image.png": (b"\x89PNG\r\n\x1a\n", "not-json"),
    "_SUCCESS": (b"", "not-json"),
    ".DS_Store": (b"\x00", "hidden"),
    ".git/config": (b"[core]", "hidden"),
    "role.json": (text({"Version": "2012-10-17", "Statement": []}), "other-json"),
}


@pytest.mark.parametrize("name", PASSED)
def test_what_is_no_log_is_passed_over_by_kind_and_never_damage(name: str, tmp_path: Path) -> None:
    data, kind = PASSED[name]
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(data)
    (tmp_path / "log.json").write_bytes(TRAIL)
    (batch,) = (one for one in batches(tmp_path) if one.name != "log.json")
    assert (batch.kind, dict(batch.passed_over)) == (kind, {kind: 1})
    assert (batch.records, batch.unreadable, batch.damage) == ([], (), None)


def test_a_pipe_in_a_folder_is_passed_over_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "log.json").write_bytes(TRAIL)
    assert [batch.kind for batch in batches(tmp_path)] == ["log", "not-a-file"]


def test_a_folder_without_logs_is_an_error_that_counts_what_was_passed_over(tmp_path: Path) -> None:
    for name in ("README.md", "1_CloudTrail-Digest_a.json.gz", "2_CloudTrail-Digest_a.json.gz"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(NothingFoundError) as caught:
        batches(tmp_path)
    assert caught.value.code == "PG-E302"
    assert caught.value.message == (
        f"no CloudTrail log file under '{tmp_path}' (3 files passed over: 2 digest, 1 not-json)"
    )


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NothingFoundError, match=r"no CloudTrail log file under '[^']*'  PG"):
        batches(tmp_path)


def test_a_trail_file_of_an_idle_hour_is_a_log(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"Records": []}')
    assert batches(tmp_path) == [Batch("a.json", size=15)]


def test_a_missing_path_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    with pytest.raises(UsageError) as caught:
        open_source(tmp_path / "lgos")
    assert caught.value.code == "PG-E201"
    assert "lgos" in caught.value.message
    assert caught.value.hints[0] == f"did you mean '{tmp_path / 'logs'}'?"


def test_an_unknown_scheme_is_named_with_those_that_exist() -> None:
    with pytest.raises(UsageError, match="no log source for gopher://") as caught:
        open_source("gopher://bucket")
    assert caught.value.code == "PG-E202"
    assert "file://" in caught.value.hints[0]


def test_kinds_of_sources_are_not_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(policygen.logs.registry.SCHEMES, "fake", lambda specs, _: open_source(tmp_path))
    with pytest.raises(UsageError, match="different kinds"):
        open_source([tmp_path, "fake://x"])


def test_a_file_url_is_a_path(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(TRAIL)
    assert list(open_source(f"file://{tmp_path}").read()) == batches(tmp_path)


def test_files_come_once_and_in_the_order_of_their_relative_paths(tmp_path: Path) -> None:
    for name in ("b.json", "a/z.json", "a.json", "a/b/c.json", "c/a.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(TRAIL)
    (tmp_path / "c" / "loop").symlink_to(tmp_path)
    (tmp_path / "z.json").symlink_to(tmp_path / "b.json")
    names = [batch.name for batch in batches(tmp_path)]
    assert names == sorted(names) == ["a.json", "a/b/c.json", "a/z.json", "b.json", "c/a.json"]
    assert len(batches(tmp_path, tmp_path / "a.json", tmp_path)) == 5


def test_a_file_that_was_named_is_meant_as_a_log_whatever_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"hello")
    (batch,) = batches(tmp_path / "notes.txt")
    assert batch.damage is not None
    assert batch.damage.byte == 0


def test_names_are_shown_with_their_controls_written_out(tmp_path: Path) -> None:
    (tmp_path / "a\x1b[31m.json").write_bytes(b'{"Records": [7]}')
    (batch,) = batches(tmp_path)
    assert batch.name == "a\\x1b[31m.json"
    assert batch.unreadable == (Unreadable(batch.name, 1, "not an object: 7"),)


def test_a_long_file_comes_in_batches_with_one_size_and_running_positions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "BATCH", 2)
    data = text(ONE, TWO, THREE, 7)
    (tmp_path / "a.jsonl").write_bytes(data)
    first, second = batches(tmp_path)
    assert (first.size, second.size) == (len(data), 0)
    assert (first.continued, second.continued) == (False, True)
    assert plain(first.records + second.records) == EXPECTED
    assert [one.position for one in second.unreadable] == [4]


def test_a_cut_long_file_is_damaged_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "BATCH", 1)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(text(*RECORDS))[:-12])
    assert sum(batch.damage is not None for batch in batches(tmp_path)) == 1


def test_the_standard_library_unpacks_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, (name, data, *_) in enumerate(DAMAGE):
        (tmp_path / f"{number}-{name}").write_bytes(data)
    (tmp_path / "good.json.gz").write_bytes(PACKED)
    fast = batches(tmp_path)
    monkeypatch.setattr(compression, "_gunzip_whole", gzip.decompress)
    monkeypatch.setattr(compression, "_new_inflater", zlib.decompressobj)
    assert batches(tmp_path) == fast


MANY = [record(number, requestParameters={"key": f"{number * 7919:x}"}) for number in range(40)]
GOOD = gzip.compress(text({"Records": MANY}), mtime=0)
GOOD_ZIP = zipped(a_json=text({"Records": MANY}))


def read_all(folder: Path, name: str, data: bytes) -> tuple[list[str | None], list[Batch]]:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    found: list[Batch] = []
    # A changed member name may be one that is passed over; the batch that says so comes before the error.
    with contextlib.suppress(NothingFoundError):
        for batch in open_source(folder).read():
            found.append(batch)  # noqa: PERF402
    return [one.eventID for batch in found for one in batch.records], found


ALL_IDS = [one["eventID"] for one in MANY]
FUZZED = [(GOOD, "a.json.gz"), (GOOD_ZIP, "b.zip")]
fuzz = settings(max_examples=examples(200), suppress_health_check=[HealthCheck.function_scoped_fixture])


@fuzz
@given(data=st.data(), source=st.sampled_from(FUZZED))
def test_a_cut_file_gives_its_first_records_unchanged_and_is_named_damaged(
    data: st.DataObject, source: tuple[bytes, str], tmp_path: Path
) -> None:
    packed, name = source
    cut = data.draw(st.integers(0, len(packed) - 1))
    ids, found = read_all(tmp_path / name[0], name, packed[:cut])
    assert ids == ALL_IDS[: len(ids)]
    assert any(batch.damage for batch in found)


@fuzz
@given(data=st.data(), source=st.sampled_from(FUZZED))
def test_changed_bytes_are_reported_unless_every_record_is_whole(
    data: st.DataObject, source: tuple[bytes, str], tmp_path: Path
) -> None:
    packed, name = source
    broken = bytearray(packed)
    for _ in range(data.draw(st.integers(1, 3))):
        broken[data.draw(st.integers(0, len(broken) - 1))] ^= data.draw(st.integers(1, 255))
    ids, found = read_all(tmp_path / name[0], name, bytes(broken))
    assert ids == ALL_IDS or any(batch.damage or batch.passed_over for batch in found)
    checked = not any(batch.damage and "gzip ends" in batch.damage.reason for batch in found)
    assert not checked or ids == ALL_IDS[: len(ids)]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real records are not here")
def test_every_real_record_is_read() -> None:
    found = list(open_source(sorted((SHARED / "trails").glob("*/events.jsonl"))).read())
    lines = sum(len(path.read_text().splitlines()) for path in (SHARED / "trails").glob("*/events.jsonl"))
    assert not [batch.damage for batch in found if batch.damage]
    accounted = sum(len(b.records) + len(b.unreadable) + sum(b.passed_over.values()) for b in found)
    assert accounted == lines > 500
    assert [one for batch in found for one in batch.unreadable] == []


def test_a_file_is_read_from_a_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json").write_bytes(TRAIL)
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    (batch,) = open_source("../a.json").read()
    assert batch.records
    assert not batch.damage
