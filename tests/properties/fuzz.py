"""Fuzzing: records, policies and accounts with something changed, through the whole command line.

Whatever is in them, a command ends with an exit code that the documents name, never with a bug, a traceback or half a
file. Seeds are the samples, and the real records beside the project where these are there.

``python -m tests.properties.fuzz --seconds 600 records`` searches for ten minutes, with another seed every time.
"""

from __future__ import annotations

import argparse
import copy
import gzip
import json
import random
import re
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.support import ROOT
from tests.support.command import Done, run
from tests.support.records import ROLE, crowd, record

SHARED = ROOT.parent / "shared"
"""Real records and snapshots, beside the project; their seeds are left out where there are none."""
SECONDS = 60.0
"""How long a search takes by default."""
SLOW = 30.0
"""Seconds after which a command on a few kilobytes hangs."""
ROUND = 50
"""Examples with one seed; the time is looked at between rounds."""
_SEEDS = 400
_BYTES = 60_000
_LARGEST = 4_000_000

Value = Any


# --- Seeds ----------------------------------------------------------------------------------------


def _documents(folder: Path) -> Iterator[Value]:
    """Yield the JSON documents of a folder's smaller files, in a fixed order; some are broken, some unpack too far."""
    for path in sorted(folder.rglob("*.json*")) if folder.is_dir() else ():
        data = b""
        unpack = gzip.open if path.suffix == ".gz" else Path.open
        with suppress(OSError, EOFError, zlib.error), unpack(path, "rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            continue
        for text in [data] if path.suffix != ".jsonl" else data.splitlines():
            try:
                yield json.loads(text)
            except (ValueError, RecursionError):
                continue


def _records_in(document: Value) -> Iterator[Value]:
    if isinstance(document, dict) and isinstance(document.get("Records"), list):
        yield from document["Records"]
    elif isinstance(document, dict) and "eventName" in document:
        yield document
    elif isinstance(document, list):
        for one in document:
            yield from _records_in(one)


@cache
def seed_records() -> tuple[Value, ...]:
    """Return records of many kinds: one for each event name of the samples and of the real records."""
    found: dict[str, Value] = {}
    for folder in (ROOT / "samples" / "trail", SHARED / "trails", SHARED / "attack"):
        for document in _documents(folder):
            for one in _records_in(document):
                if isinstance(one, dict) and len(json.dumps(one)) < 20_000:
                    found.setdefault(f"{one.get('eventSource')} {one.get('eventName')}", one)
    return tuple(found.values())[:_SEEDS]


def _policies_in(document: Value) -> Iterator[Value]:
    """Yield every policy document within a value."""
    if isinstance(document, dict):
        if "Statement" in document:
            yield document
        for one in document.values():
            yield from _policies_in(one)
    elif isinstance(document, list):
        for one in document:
            yield from _policies_in(one)


def _seed_accounts() -> Iterator[Value]:
    yield json.loads((ROOT / "samples" / "account.json").read_text("utf-8"))
    for document in _documents(SHARED / "trails" / "found"):
        if isinstance(document, dict) and ("policygen_snapshot" in document or "RoleDetailList" in document):
            yield document


@cache
def seed_accounts() -> tuple[Value, ...]:
    """Return snapshots, the roles of each cut to a few."""
    found = []
    for account in _seed_accounts():
        small = copy.deepcopy(account)
        inner = small.get("authorization", small)
        inner["RoleDetailList"] = [*inner.get("RoleDetailList", ())][:2]
        if inner["RoleDetailList"]:
            first = inner["RoleDetailList"][0]
            first["Arn"] = re.sub(r"role/.*", f"role/{ROLE}", first["Arn"])
            first |= {"RoleName": ROLE, "Path": "/"}
        found.append(small)
    return tuple(found)


@cache
def seed_policies() -> tuple[Value, ...]:
    """Return policy documents of the samples' account and of the real snapshots."""
    found = {json.dumps(one): one for account in _seed_accounts() for one in _policies_in(account)}
    return tuple(one for text, one in found.items() if len(text) < 20_000)[:_SEEDS]


# --- Mutation -------------------------------------------------------------------------------------

_ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 1 << 63, 1e308, -0.0, float("inf"), float("nan"), 10**400]),
    st.sampled_from(
        [
            "", " ", "*", "?", "*:*", "${*}", "${aws:username}", "arn:aws:s3:::*", "arn:::::", "iam:*", "null", "\x00",
            "\ud800", "\u202e", "%00", "%2e%2e%2f", "../..", "2026-11-03T08:00:00Z", "9999-99-99", "A" * 5_000, "é",
            "AROA00000000000000001", "123456789012", "Allow", "Deny", "AccessDenied", "StringEquals",
        ]
    ),
    st.text(max_size=12),
    # Copied, so that a change to one value is not one to what is drawn later.
    st.sampled_from([[], {}, [[]], [{}], {"": ""}, [None], {"Statement": []}]).map(copy.deepcopy),
    st.integers(1, 400).map(lambda depth: json.loads("[" * depth + "]" * depth)),
)  # fmt: skip


def _places(value: Value, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items: Sequence[tuple[str | int, Value]] = ()
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, one in items[:200]:
        yield (*path, key)
        if len(path) < 12:
            yield from _places(one, (*path, key))


def _at(value: Value, path: Sequence[str | int]) -> Value:
    for key in path:
        value = value[key]
    return value


@st.composite
def mutated(draw: Callable[..., Any], seeds: Sequence[Value]) -> Value:
    """Draw a seed with one to five changes: a value replaced, removed, doubled, renamed or taken from another seed."""
    value = copy.deepcopy(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 5))):
        places = list(_places(value))
        if not places:
            return draw(_ODD)
        *parents, key = draw(st.sampled_from(places))
        parent = _at(value, parents)
        match draw(st.sampled_from(["odd", "odd", "remove", "double", "rename", "wrap", "splice"])):
            case "odd":
                parent[key] = draw(_ODD)
            case "remove":
                del parent[key]
            case "double" if isinstance(parent, list):
                parent.append(copy.deepcopy(parent[key]))
            case "rename" if isinstance(parent, dict):
                parent[draw(st.text(max_size=8))] = parent.pop(key)
            case "wrap":
                parent[key] = draw(
                    st.sampled_from([[parent[key]], {"a": parent[key]}, json.dumps(parent[key])])
                )
            case _:
                other = draw(st.sampled_from(seeds))
                elsewhere = list(_places(other))
                parent[key] = (
                    copy.deepcopy(_at(other, draw(st.sampled_from(elsewhere)))) if elsewhere else None
                )
    return value


@st.composite
def damaged(draw: Callable[..., Any], values: st.SearchStrategy[Value]) -> bytes:
    """Draw the text of a value, one in eight with some bytes cut out, put in or changed."""
    data = json.dumps(draw(values)).encode()[:_BYTES]
    if draw(st.integers(0, 7)):
        return data
    first, last = sorted(draw(st.tuples(st.integers(0, len(data)), st.integers(0, len(data)))))
    middle = draw(
        st.sampled_from([b"", b"\x00", b"\xff\xfe", b"[" * 3_000, b'"', b"}", data[first:last] * 2])
    )
    return data[:first] + middle + data[last:]


# --- What must hold -------------------------------------------------------------------------------


@cache
def exit_codes() -> frozenset[int]:
    """Return the exit codes that the documents name, without that of a bug."""
    page = (ROOT / "docs" / "reference" / "exit-codes.md").read_text("utf-8")
    table = page.partition("| code |")[0]
    return frozenset(map(int, re.findall(r"^\| (\d+) \|", table, re.M))) - {70}


def check_end(done: Done, seconds: float, folder: Path, export: str = "") -> None:
    """Check how a command ended, and what it left in its folder."""
    assert done.code in exit_codes(), done.stderr
    # As an error ends with them: hypothesis also draws texts that stand in the code, as "PG-E401".
    assert "  PG-E999, exit " not in done.stderr
    assert "  PG-E401, exit " not in done.stderr, (
        done.stderr
    )  # the error that calls itself a fault of policygen
    assert "Traceback (most recent call last)" not in done.stderr + done.stdout, "a Traceback is shown"
    assert done.code == 0 or done.stderr or done.stdout, "it ended with an error, and said nothing"
    assert seconds < SLOW
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")], (
        "a temporary file is left"
    )
    if export and (folder / export).exists():
        json.loads((folder / export).read_text("utf-8"))
    if export and done.code == 0:
        assert (folder / export).exists()


def _ended(folder: Path, *words: object, export: str = "") -> Done:
    start = time.monotonic()
    done = run(folder, *words)
    check_end(done, time.monotonic() - start, folder, export)
    return done


def try_records(data: bytes) -> None:
    """Suggest a policy from a log with strange records among usual ones, and map them."""
    usual = [record(event, number) for number, event in enumerate(_usual())]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "log.json").write_bytes(data)
        (folder / "usual.json").write_text(json.dumps({"Records": usual}))
        logs = (
            "-l",
            "log.json",
            "-l",
            "usual.json",
            "--days",
            "5000",
            "--no-plan",
            "--no-cache",
            "-j",
            1,
            "-q",
        )
        for more in ((), ("--allow-incomplete",)):
            done = _ended(
                folder,
                "suggest",
                "-r",
                ROLE,
                *logs,
                *more,
                "-f",
                "json",
                "--export",
                "out.json",
                export="out.json",
            )
            if done.code == 0:
                json.loads(done.stdout)
        for line in _ended(folder, "map", "log.json", "-q", "--allow-incomplete").stdout.splitlines():
            json.loads(line)


def try_policies(policy: bytes, account: bytes) -> None:
    """Check and compare a strange policy, and suggest one for a role of a strange account."""
    usual = [record(event, number) for number, event in enumerate(_usual())]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "policy.json").write_bytes(policy)
        (folder / "account.json").write_bytes(account)
        (folder / "good.json").write_text(json.dumps(_GOOD))
        (folder / "log.json").write_text(json.dumps({"Records": usual}))
        _ended(folder, "diff", "policy.json", "good.json")
        _ended(folder, "diff", "good.json", "policy.json", "-f", "json")
        logs = ("-r", ROLE, "-l", "log.json", "--no-cache", "-j", 1, "-q", "--allow-incomplete")
        _ended(folder, "check", "policy.json", *logs, "--fail-on", "note")
        known = (*logs, "-s", "account.json")
        _ended(folder, "check", "policy.json", *known, "-f", "sarif")
        _ended(
            folder, "suggest", *known, "--no-plan", "-f", "policy", "--export", "out.json", export="out.json"
        )


@cache
def _usual() -> list[Any]:
    return list(
        crowd(
            [
                {"source": "dynamodb", "name": "GetItem", "params": {"tableName": "carts"}},
                {"source": "s3", "name": "GetObject", "params": {"bucketName": "shop", "key": "a"}},
            ],
            3,
        )
    )


_GOOD = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]}


# --- The search -----------------------------------------------------------------------------------


def _as_ours(one: Value) -> Value:
    """Return a record as one of the role that is asked for, where it has an identity to change."""
    if isinstance(one, dict) and isinstance(one.get("userIdentity"), dict):
        own = record({"source": "s3", "name": "GetObject"})["userIdentity"]
        return one | {"userIdentity": own}
    return one


def search_records(seconds: float, first: int) -> int:
    """Search for records that break a command; return the number of logs tried."""
    strange = mutated(tuple(map(_as_ours, seed_records())))
    logs = st.lists(strange, min_size=1, max_size=6).map(lambda found: {"Records": found})
    return _search(seconds, first, damaged(logs), try_records)


def search_policies(seconds: float, first: int) -> int:
    """Search for policies and accounts that break a command; return the number of pairs tried."""
    policies = damaged(mutated(seed_policies()))
    accounts = damaged(mutated(seed_accounts()))
    return _search(seconds, first, st.tuples(policies, accounts), lambda pair: try_policies(*pair))


def _search(
    seconds: float, first: int, values: st.SearchStrategy[Any], attempt: Callable[[Any], None]
) -> int:
    end, tried, number = time.monotonic() + seconds, 0, first
    while time.monotonic() < end:

        @seed(number)
        @settings(
            max_examples=ROUND,
            database=None,
            phases=[Phase.generate],  # a smaller example would take longer than the search
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        )
        @given(values)
        def trial(value: Any) -> None:
            nonlocal tried
            if time.monotonic() < end:
                tried += 1
                attempt(value)

        trial()
        number += 1
    return tried


SEARCHES: dict[str, Callable[[float, int], int]] = {"records": search_records, "policies": search_policies}


def main() -> None:
    """Search as the arguments say, by default each kind for a minute."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "kinds", nargs="*", choices=[*SEARCHES, []], help="records, policies; by default both"
    )
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each kind")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30), help="the first seed")
    given_ = parser.parse_args()
    for kind in given_.kinds or SEARCHES:
        print(f"{kind}: {given_.seconds:g} s from seed {given_.seed}", flush=True)
        print(f"{kind}: {SEARCHES[kind](given_.seconds, given_.seed):,} tried, nothing found", flush=True)


if __name__ == "__main__":
    main()
