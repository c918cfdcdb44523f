"""A key that stands twice in a record: readers of JSON take the last of them, policygen cannot use the record."""

from __future__ import annotations

import gzip
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from policygen.evidence.role import names_caller
from policygen.logs.decode.repeated_keys import has_repeated_key
from policygen.logs.decode.unpack import StoredFile, read_bytes
from policygen.logs.source import Batch, Wanted
from tests.support.command import run
from tests.support.effort import examples
from tests.support.records import record

GOOD = json.dumps(
    record({"source": "s3", "name": "GetObject", "params": {"key": "k"}}), separators=(",", ":")
)
INNER = '"requestParameters":{"key":"a",'
DOUBLED = {
    "what was called": GOOD.replace('"eventName":', '"eventName":"DeleteBucket","eventName":', 1),
    "who called, at the end": GOOD[:-1] + ',"userIdentity":{"type":"Root"}}',
    "a key with an escape": GOOD[:-1] + r',"event\u004eame":"PutObject"}',
    "an inner key": GOOD.replace('"requestParameters":{', INNER, 1),
    "an inner key in a list": GOOD[:-1] + ',"more":[[{"a":1,"a":1}]]}',
    "the same value": GOOD.replace('"eventSource":', '"eventSource":"s3.amazonaws.com","eventSource":', 1),
    "with numbers that come out longer": GOOD[:-1] + ',"x":1e5,"y":1e5,"z":1,"z":1}',
}
WRAPPINGS = {
    "a trail's file": lambda records: f'{{"Records":[{",".join(records)}]}}',
    "a file that was made readable": lambda records: f'{{\n "Records" : [\n{", ".join(records)} ] }}\n',
    "lines": "\n".join,
    "a list": lambda records: f"[{','.join(records)}]",
    "messages": lambda records: "\n".join(json.dumps({"Message": one}) for one in records),
    "events of EventBridge": lambda records: "\n".join(
        f'{{"detail-type":"AWS API Call via CloudTrail","source":"aws.s3","detail":{one}}}' for one in records
    ),
}


def read(text: str, **file: Any) -> list[Batch]:
    data = gzip.compress(text.encode())
    return list(read_bytes(StoredFile("x.json.gz", True, **file), data, len(data)))


def told(batches: list[Batch]) -> tuple[int, list[str]]:
    """How many records are used, and why the others are not."""
    return sum(len(one.records) for one in batches), [bad.reason for one in batches for bad in one.unreadable]


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("name", DOUBLED)
def test_the_record_is_not_used_and_the_others_are(name: str, wrapping: str) -> None:
    used, unreadable = told(read(WRAPPINGS[wrapping]([GOOD, DOUBLED[name], GOOD])))
    assert (used, len(unreadable)) == (2, 1)
    assert "stands twice in it" in unreadable[0]


def test_a_search_for_a_role_finds_it_too() -> None:
    text = WRAPPINGS["a trail's file"]([GOOD, DOUBLED["what was called"], GOOD])
    wanted = Wanted("orders", partial(names_caller, "orders"))
    assert told(read(text, wanted=(wanted,)))[1] == ["the key eventName stands twice in it"]


@pytest.mark.parametrize("place", [0, 1])
def test_in_a_large_log_the_first_record_of_a_file_tells_of_the_others(place: int) -> None:
    """To look at all of them would take longer than to decode them."""
    doubled = DOUBLED["what was called"]
    records = [GOOD, doubled, doubled] if place else [doubled, doubled, GOOD]
    assert told(read(WRAPPINGS["a trail's file"](records), sampled=True)) == (
        (3, []) if place else (1, ["the key eventName stands twice in it"] * 2)
    )


def test_lists_of_records_under_one_key_are_all_read() -> None:
    assert told(read(f'{{"Records":[{GOOD}],"Records":[{GOOD}]}}')) == (2, [])


@pytest.mark.parametrize("header", ["eventName,eventName", "eventName,event_name"])
def test_a_table_that_has_a_column_twice_is_damaged(header: str) -> None:
    (batch,) = read(f"eventSource,{header}\ns3.amazonaws.com,GetObject,PutObject\n")
    assert batch.damage is not None
    assert batch.damage.reason == "the column eventName stands twice in it"


def test_the_command_ends_as_with_any_record_that_cannot_be_read(tmp_path: Path) -> None:
    text = WRAPPINGS["a trail's file"]([GOOD, DOUBLED["what was called"]])
    (tmp_path / "log.json").write_text(text, "utf-8")
    done = run(tmp_path, "suggest", "--role", "orders", "--logs", "log.json")
    assert done.code == 3
    assert "1 record of 1 log file cannot be read: the key eventName stands twice in it" in done.stderr


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(st.text(max_size=2), inner), max_size=4).map(tuple),
    max_leaves=12,
)  # fmt: skip


def written(value: Any, *, spaced: bool) -> str:
    """JSON of a value in which an object is a tuple of its pairs."""
    between, after = (", ", ": ") if spaced else (",", ":")
    if isinstance(value, tuple):
        return (
            "{"
            + between.join(f"{json.dumps(key)}{after}{written(one, spaced=spaced)}" for key, one in value)
            + "}"
        )
    if isinstance(value, list):
        return "[" + between.join(written(one, spaced=spaced) for one in value) + "]"
    return (
        json.dumps(value)
        if value == value and abs(value if isinstance(value, float) else 0) < 1e300
        else "1e5"
    )


def repeats(value: Any) -> bool:
    """Whether an object has a key twice."""
    if isinstance(value, tuple):
        return len(dict(value)) < len(value) or any(repeats(one) for _, one in value)
    return isinstance(value, list) and any(map(repeats, value))


@settings(max_examples=examples(300))
@given(value=values, spaced=st.booleans())
@example(value=(("a", 1), ("a", 1), ("x", float("inf"))), spaced=False)
def test_a_key_is_found_in_any_json(value: Any, spaced: bool) -> None:
    assert has_repeated_key(written(value, spaced=spaced).encode()) == repeats(value)
