"""A large log is searched for one role's records: damage in it is named as in a small one."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import policygen.logs.reader
from policygen.evidence.role import parse_role
from policygen.logs.chunk import ChunkResult, ReadRequest
from policygen.logs.reader import read_source
from policygen.logs.registry import open_source
from tests.support.effort import bounded
from tests.support.records import record

ROLE = parse_role("orders")
FILES = 6
DAMAGED = 2
"""The file that is damaged: neither the first, nor the largest, nor one of the last, which are read whole."""


@pytest.fixture(autouse=True)
def _every_log_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policygen.logs.reader, "MIN_CACHED_BYTES", 0)


def event(number: int, role: str, **more: Any) -> dict[str, Any]:
    short = {
        "source": "kms" if role == "orders" else "ec2",
        "name": "Decrypt" if role == "orders" else "DescribeInstances",
        "role": role,
        "params": {"note": "x" * 40},
        "id": f"id-{number}",
        **more,
    }
    return {"eventVersion": "1.11", **record(short, number)}


def trail_file(hour: int, *records: dict[str, Any]) -> bytes:
    made = records or (event(10 * hour, "other"), event(10 * hour + 1, "other"))
    return json.dumps({"Records": made}, separators=(",", ":")).encode()


def write(folder: Path, damaged: bytes, *, packed: bool = False) -> None:
    folder.mkdir(exist_ok=True)
    for hour in range(FILES):
        others = (
            [event(0, "orders")]
            if hour == 0
            else [event(100 + n, "other") for n in range(20 if hour == 1 else 2)]
        )
        data = damaged if hour == DAMAGED else trail_file(hour, *others)
        name = f"123456789012_CloudTrail_us-east-1_20261103T0{hour}05Z_0123456789abcde{hour}.json"
        if packed and hour != DAMAGED:
            data = gzip.compress(data)
        (folder / (name + (".gz" if packed else ""))).write_bytes(data)


def read_both(folder: Path) -> tuple[ChunkResult, ChunkResult]:
    """What a log gives that is read whole, and one that is searched."""
    requests = (ReadRequest(ROLE.matches), ReadRequest(ROLE.matches, search=ROLE.record_filter))
    whole, searched = (read_source(open_source(folder), request) for request in requests)
    return whole, searched


def both_answers(folder: Path) -> tuple[bool, bool]:
    """Whether damage is named by the reading of all records, and by the search; what both count is the same."""
    whole, searched = read_both(folder)
    assert searched.counts.totals.searched
    assert searched.read_report.items == whole.read_report.items
    assert whole.counts.calls == searched.counts.calls
    return bool(whole.read_report.gaps), bool(searched.read_report.gaps)


SOUND = trail_file(2, event(1, "other"), event(2, "orders"), event(3, "other"))
WHERE = SOUND.index(b"orders") - 30, SOUND.rindex(b"orders") + 30


def overwritten(sign: bytes) -> bytes:
    start, end = WHERE
    return SOUND[:start] + sign * (end - start) + SOUND[end:]


DAMAGES: dict[str, bytes] = {
    "zeros where the role stood": overwritten(b"\0"),
    "bytes that are no UTF-8 where the role stood": overwritten(b"\xff"),
    "a part is gone": overwritten(b""),
    "cut": SOUND[:-200],
    "cut behind a record": SOUND[: SOUND.index(b'},{"eventVersion"') + 1],
    "bytes behind the end": SOUND + b"junk",
    "no UTF-8 in one record of another role": SOUND.replace(b"DescribeInstances", b"Describe\xffnstances", 1),
    "a NUL in one record of another role": SOUND.replace(b"DescribeInstances", b"Describe\0nstances", 1),
    "a record without a name": SOUND.replace(b'"eventName":"Describe', b'"eventNbme":"Describe', 1),
    "a record that is no object": SOUND.replace(b'{"Records":[', b'{"Records":[7,'),
    "an empty record": SOUND.replace(b'{"Records":[', b'{"Records":[{},'),
    "a time of another role's record that cannot be read": SOUND.replace(
        b"2026-11-03T08:00:10Z", b"2026-11-03T08:0 :10Z"
    ).replace(b'"eventTime":"2026-11-03T08:00:01Z"', b'"eventTime":"2026-11-03T08:0x:01Z"', 1),
    "a time of another role's record that is no day": SOUND.replace(
        b'"eventTime":"2026-11-03T', b'"eventTime":"2026-11-33T', 1
    ),
    "another role's record without who called": SOUND.replace(b'"userIdentity":{', b'"userIdentitx":{', 1),
    "an error of a wrong type": SOUND.replace(
        b'"eventName":"Describe', b'"errorCode":5,"eventName":"Describe', 1
    ),
    "an identity of a wrong type": SOUND.replace(b'"userIdentity":{', b'"userIdentity":7,"was":{', 1),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_that_hides_the_role_is_named_in_a_large_log_as_in_a_small_one(
    damage: str, tmp_path: Path
) -> None:
    write(tmp_path, DAMAGES[damage])
    whole, searched = both_answers(tmp_path)
    assert whole is searched is True


PACKED = gzip.compress(SOUND)
PACKED_DAMAGES: dict[str, bytes] = {
    "bytes behind the end": PACKED + b"junk",
    "cut": PACKED[:-30],
    "cut within the checksum": PACKED[:-3],
    "a wrong checksum": PACKED[:-8] + bytes(4) + PACKED[-4:],
    "a wrong length": PACKED[:-4] + bytes(4),
    "no gzip": b"\0" * len(PACKED),
}


@pytest.mark.parametrize("damage", PACKED_DAMAGES)
def test_a_damaged_gzip_is_named_in_a_large_log_as_in_a_small_one(damage: str, tmp_path: Path) -> None:
    write(tmp_path, PACKED_DAMAGES[damage], packed=True)
    whole, searched = both_answers(tmp_path)
    assert whole is searched is True


def escaped(text: bytes, word: bytes, spell: Callable[[int], str]) -> bytes:
    return text.replace(word, "".join(map(spell, word)).encode())


SPELLINGS: dict[str, bytes] = {
    "all letters of the role": escaped(SOUND, b"orders", lambda sign: f"\\u{sign:04x}"),
    "in upper case": escaped(SOUND, b"orders", lambda sign: f"\\u{sign:04X}"),
    "one letter of the role": SOUND.replace(b"orders", rb"\u006frders"),
    "the names of fields": SOUND.replace(b'"userName"', rb'"user\u004eame"').replace(
        b"orders", rb"order\u0073"
    ),
    "another order of fields": json.dumps(
        {"Records": [dict(reversed(one.items())) for one in json.loads(SOUND)["Records"]]},
        separators=(",", ":"),
    ).encode(),
    "with spaces": json.dumps(json.loads(SOUND)).encode(),
    "with line breaks": json.dumps(json.loads(SOUND), indent=1).encode(),
    "a second text behind the end": SOUND + SOUND,
    "two lists": SOUND.replace(b',{"eventVersion"', b'],"Records":[{"eventVersion"'),
    "two lists, the first without the role": re.sub(
        rb'^(\{"Records":\[)', rb'{"Records":[],"Records":[', SOUND
    ),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_call_counts_however_its_json_is_spelt(spelling: str, tmp_path: Path) -> None:
    write(tmp_path, SPELLINGS[spelling])
    assert both_answers(tmp_path) == (False, False)
    _, searched = read_both(tmp_path)
    assert sum(found.count for calls in searched.counts.calls.values() for found in calls.values()) == 2


CHANGES: dict[str, dict[str, Any]] = {
    "a trail's logging stops": {
        "source": "cloudtrail",
        "name": "StopLogging",
        "params": {"name": "trail", "filler": "x" * 900},
    },
    "a function gets new code": {
        "source": "lambda",
        "name": "UpdateFunctionCode20150331v2",
        "params": {"functionName": "f"},
    },
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("reverse", [False, True], ids=["in AWS's order", "in another order"])
def test_a_change_of_trails_or_functions_is_found_in_any_order_of_fields(
    change: str, reverse: bool, tmp_path: Path
) -> None:
    made = event(7, "admin", **CHANGES[change])
    changed = dict(reversed(made.items())) if reverse else made
    write(tmp_path, trail_file(2, event(1, "other"), changed))
    whole, searched = read_both(tmp_path)
    assert searched.counts.totals.change_events == whole.counts.totals.change_events != []


@bounded(300)
@given(data=st.data())
def test_random_damage_is_named_by_the_search_wherever_the_full_reading_names_it(data: st.DataObject) -> None:
    import tempfile

    broken = bytearray(SOUND)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(broken) - 1))
        length = data.draw(st.sampled_from([1, 2, 30, 400]))
        put = data.draw(st.sampled_from([b"\0", b"\xff", b" ", b'"', b"}", b"{", b",", b"\\", b""]))
        broken[at : at + length] = put * data.draw(st.sampled_from([1, length]))
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), bytes(broken))
        policygen.logs.reader.MIN_CACHED_BYTES = 0
        whole, searched = both_answers(Path(folder))
        assert whole is searched
