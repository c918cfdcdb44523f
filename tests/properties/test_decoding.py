"""Random wrappings of the same records give the same calls, and random damage is always named."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from policygen.errors import NothingFoundError
from policygen.logs.chunk import ReadRequest
from policygen.logs.decode.selection import select_records
from policygen.logs.events.record import UserIdentity
from policygen.logs.reader import read_source
from policygen.logs.registry import open_source
from policygen.logs.source import Wanted
from tests.support.effort import bounded
from tests.support.records import record

SHORT: list[dict[str, Any]] = [
    {
        "source": "dynamodb",
        "name": "GetItem",
        "params": {"tableName": f"täble-{number % 3}", "n": [1, {"a": "b"}]},
    }
    if number % 2
    else {"source": "kms", "name": "Decrypt", "error": "AccessDenied", "params": {"keyId": 'a"b\\c'}}
    for number in range(7)
]
RECORDS = [record(one, number) for number, one in enumerate(SHORT)]

Records = list[dict[str, Any]]


def text(value: Any) -> str:
    return json.dumps(value)


def b64(data: str) -> str:
    return base64.b64encode(data.encode()).decode()


def b64_packed(data: str) -> str:
    return base64.b64encode(gzip.compress(data.encode())).decode()


AROUND_ONE: dict[str, Callable[[Any], Any]] = {
    "nothing": lambda one: one,
    "a text": text,
    "EventBridge": lambda one: {"detail-type": "x via CloudTrail", "source": "aws.x", "detail": one},
    "SNS": lambda one: {"Type": "Notification", "Message": text(one)},
    "SQS": lambda one: {"messageId": "1", "eventSource": "aws:sqs", "body": text(one)},
    "LookupEvents": lambda one: {"EventId": "1", "EventName": "x", "CloudTrailEvent": text(one)},
    "Logstash": lambda one: {"@timestamp": "2031-01-01T00:00:00Z", "message": text(one)},
    "Elastic": lambda one: {"event": {"original": text(one), "action": "x"}},
    "Splunk": lambda one: {"result": {"_raw": text(one), "eventName": "x", "eventSource": "y"}},
    "Kinesis": lambda one: {"eventName": "aws:kinesis:record", "kinesis": {"data": b64(text(one))}},
    "Firehose": lambda one: {"recordId": "1", "data": b64_packed(text(one))},
}
AROUND_ALL: dict[str, Callable[[list[Any]], str]] = {
    "a trail file": lambda all_: text({"Records": all_}),
    "a trail file without spaces": lambda all_: json.dumps({"Records": all_}, separators=(",", ":")),
    "indented": lambda all_: json.dumps({"Records": all_}, indent=2),
    "lines": lambda all_: "\n".join(map(text, all_)),
    "a list": text,
    "one after the other": lambda all_: "".join(map(text, all_)),
    "CloudWatch Logs": lambda all_: text({"logEvents": [{"message": text(one)} for one in all_]}),
    "a function's CloudWatch Logs": lambda all_: text(
        {"awslogs": {"data": b64_packed(text({"logEvents": [{"message": text(one)} for one in all_]}))}}
    ),
    "two lists": lambda all_: f'{{"Records":{text(all_[:3])},"Records":{text(all_[3:])}}}',
}


def zipped(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../logs/a.json", data)
    return out.getvalue()


def tarred(data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("../logs/a.json")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zip": zipped,
    "tar": tarred,
}

some_packers = st.lists(st.sampled_from(sorted(PACKERS)), max_size=3)


@st.composite
def files(draw: st.DrawFn) -> dict[str, bytes]:
    """The same records, split, repeated, wrapped and packed in some way."""
    order = draw(st.permutations(RECORDS))
    order += draw(st.lists(st.sampled_from(RECORDS), max_size=3))
    split = draw(st.integers(0, len(order)))
    made = {}
    for number, part in enumerate((order[:split], order[split:])):
        if not part:
            continue
        inner, outer = AROUND_ONE[draw(st.sampled_from(sorted(AROUND_ONE)))], "lines"
        outer = draw(st.sampled_from(sorted(AROUND_ALL)))
        if outer == "one after the other" and isinstance(inner(part[0]), str):
            outer = "lines"
        data = AROUND_ALL[outer]([inner(one) for one in part]).encode()
        for packer in draw(some_packers):
            data = PACKERS[packer](data)
        made[f"{number}.{draw(st.sampled_from(['json', 'json.gz', 'zip', 'tgz', 'xz']))}"] = data
    return made


def counted(found: dict[str, bytes]) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        for name, data in found.items():
            (Path(folder) / name).write_bytes(data)
        result = read_source(open_source(folder), ReadRequest(lambda _: True))
    assert result.read_report.gaps == ()
    assert not result.read_report.passed_over
    return result.counts.calls


EXPECTED = counted({"a.json": text({"Records": RECORDS}).encode()})


@bounded(300)
@given(files())
def test_the_same_records_give_the_same_calls_however_they_are_wrapped(made: dict[str, bytes]) -> None:
    assert counted(made) == EXPECTED


def outcome(name: str, data: bytes) -> tuple[int, bool]:
    """How many calls a file gives, and whether a run would name what is missing or passed over, or find no log."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(data)
        try:
            result = read_source(open_source(folder), ReadRequest(lambda _: True))
        except NothingFoundError:
            return 0, True
    totals = result.counts.totals
    calls = sum(totals.roles.values()) + sum(totals.principals.values())
    return calls, bool(result.read_report.gaps or result.read_report.passed_over)


PLAIN = json.dumps({"Records": RECORDS}, separators=(",", ":")).encode()
PACKED = {
    "a.json.gz": gzip.compress(PLAIN, mtime=0),
    "a.json.bz2": bz2.compress(PLAIN),
    "a.json.xz": lzma.compress(PLAIN),
    "a.zip": zipped(PLAIN),
    "a.tgz": gzip.compress(tarred(PLAIN), mtime=0),
    "a.json": PLAIN,
    "a.jsonl": "\n".join(map(text, RECORDS)).encode(),
    "b.json": text({"awslogs": {"data": b64_packed(AROUND_ALL["CloudWatch Logs"](RECORDS))}}).encode(),
}


@bounded(500)
@given(name=st.sampled_from(sorted(PACKED)), data=st.data())
def test_random_damage_costs_no_record_in_silence(name: str, data: st.DataObject) -> None:
    broken = bytearray(PACKED[name])
    at = data.draw(st.integers(0, len(broken) - 1))
    match data.draw(st.sampled_from(["flip", "cut", "insert"])):
        case "flip":
            broken[at] ^= 1 << data.draw(st.integers(0, 7))
        case "cut":
            del broken[at:]
        case _:
            broken[at:at] = data.draw(st.binary(min_size=1, max_size=4))
    calls, named = outcome(name, bytes(broken))
    assert calls >= len(RECORDS) or named


# ---- searching in a file --------------------------------------------------------------------------------

TRAIL = [{"eventVersion": "1.11", **one} for one in RECORDS[:3]]
TRAIL[1]["requestParameters"] = {"list": [{"eventVersion": "1.0"}, {"eventVersion": "1.0"}]}


def is_decrypt(_: str, name: str) -> tuple[bytes, ...]:
    return (b"",) if name == "Decrypt" else ()


def is_of_role(who: UserIdentity) -> bool:
    return ":assumed-role/orders/" in (who.arn or "")


SOUGHT = [[Wanted("events", lambda _: False, is_decrypt)], [Wanted("role", is_of_role, is_decrypt)]]
SIGNS = [b'{"eventVersion":"9"},', b',{"eventVersion":"', b'{"Records":[', b'"Records":[', b"[{}],"]
SIGNS += [b"]}", b"},", b"{", b"}", b"[", b"]", b'"', b",", b"\\", b" "]


@bounded(2000)
@given(data=st.data())
def test_a_search_finds_what_the_parser_does_whatever_was_written_into_the_text(data: st.DataObject) -> None:
    order = data.draw(st.lists(st.sampled_from(TRAIL), min_size=1, max_size=4))
    edited = bytearray(json.dumps({"Records": order}, separators=(",", ":")).encode())
    for _ in range(data.draw(st.integers(0, 3))):
        sign = data.draw(st.sampled_from(SIGNS))
        places = [at for at in range(len(edited)) if edited[at] in b"{}[],"]
        at = data.draw(st.sampled_from(places)) if places else 0
        if data.draw(st.booleans()):
            del edited[at : at + len(sign)]
        edited[at:at] = sign
    text_ = bytes(edited)
    sought = data.draw(st.sampled_from(SOUGHT))
    found = select_records(text_, sought)
    try:
        parsed = json.loads(text_)["Records"]
    except (ValueError, TypeError, KeyError):
        assert found is None
        return
    if found is not None:
        table, others = found
        assert len(parsed) == len(table) + others.number
        of_role = sought[0].name == "role"
        wanted = [
            one["eventID"]
            for one in parsed
            if one["eventName"] == "Decrypt"
            or (of_role and ":assumed-role/orders/" in one["userIdentity"].get("arn", ""))
        ]
        assert [one.eventID for one in table] == wanted
