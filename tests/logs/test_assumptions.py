"""Who assumed the roles: the same whichever way the records are read, in whatever order, and however often."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import policygen.logs.chunk
import policygen.logs.reader
from policygen.iam.request import RoleKey
from policygen.logs.cache import Cache
from policygen.logs.calls.counts import CallCounts, no_role
from policygen.logs.calls.spill import SpillStore, unpack_sightings
from policygen.logs.calls.table_count import TableCounter
from policygen.logs.chunk import ReadRequest
from policygen.logs.decode.trail_file import decode_trail_file
from policygen.logs.events.assumption import Sightings, role_of_arn
from policygen.logs.reader import ReadOptions, read_source
from policygen.logs.registry import open_source
from policygen.rightsize.trust.asked import as_asked
from tests.rightsize.test_trust import CASES
from tests.support.trust_world import ACCOUNT, TARGET, VENDOR, all_records


def everybody(_: RoleKey) -> bool:
    return True


EVERY = ReadRequest(no_role, assumed=everybody)
OTHER = f"arn:aws:iam::{VENDOR}:role/target"


def everything() -> list[dict[str, Any]]:
    """The records of all cases, each case's role with a number; and those of a role of the same name elsewhere."""
    found = []
    for number, case in enumerate(CASES[::9]):
        text = json.dumps([one | {"eventID": f"{one['eventID']}-{number}"} for one in all_records(case)])
        found += json.loads(text.replace("role/app/target", f"role/app/target-{number % 4}"))
    found += json.loads(json.dumps(all_records({"log": [{"by": "role/ci"}]})).replace(TARGET, OTHER))
    return found


RECORDS = everything()


def counted(records: list[dict[str, Any]], *, by_column: bool) -> Sightings:
    counts = CallCounts(no_role, assumed=everybody)
    table = decode_trail_file(json.dumps({"Records": records}).encode())
    assert table is not None
    if by_column:
        assert TableCounter(counts).add(table)
    else:
        counts.add_all(list(table))
    return counts.sightings


WHOLE = counted(RECORDS, by_column=False)


def test_counting_by_column_sees_what_counting_record_by_record_sees() -> None:
    assert counted(RECORDS, by_column=True) == WHOLE
    assert len({role_of_arn(said.role_arn) for said in WHOLE}) > 4
    assert {said.event for said in WHOLE} == {
        "AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "role"),
    [
        ({"requestParameters": {"roleArn": OTHER}}, RoleKey(VENDOR, "", "", "target")),
        ({"requestParameters": {"roleArn": "arn:aws:iam::1:user/ana"}}, None),
        ({"requestParameters": {"roleArn": ["x"]}, "resources": [{"ARN": OTHER}]}, RoleKey(VENDOR, "", "", "target")),
        ({"requestParameters": None, "responseElements": "x", "additionalEventData": [1]}, None),
    ],
    ids=["another account", "no role", "the resource tells", "nothing tells"],
)  # fmt: skip
def test_the_role_is_the_one_that_was_asked_for(change: dict[str, Any], role: RoleKey | None) -> None:
    for by_column in (True, False):
        found = counted([all_records(CASES[0])[0] | change], by_column=by_column)
        assert {role_of_arn(said.role_arn) for said in found} == ({role} if role else set())


def write(folder: Path, files: int, seed: int) -> Path:
    """The records in some files of trails, in any order; some of them twice."""
    rng = random.Random(seed)
    mixed = rng.sample([*RECORDS, *RECORDS[::5]], len(RECORDS) + len(RECORDS[::5]))
    for number in range(files):
        day = f"2026/11/{22 + number % 3}"
        place = folder / f"AWSLogs/{ACCOUNT}/CloudTrail/eu-west-1/{day}"
        place.mkdir(parents=True, exist_ok=True)
        stamp = f"{day.replace('/', '')}T{number % 24:02}05Z_{number:016d}"
        name = place / f"{ACCOUNT}_CloudTrail_eu-west-1_{stamp}.json.gz"
        name.write_bytes(gzip.compress(json.dumps({"Records": mixed[number::files]}).encode(), mtime=0))
    return folder


def on_disk(folder: Path, **means: Any) -> dict[tuple[str, str], Sightings]:
    with SpillStore() as spill:
        result = read_source(open_source([folder]), EVERY, options=ReadOptions(spill=spill, **means))
        assert result.counts.sightings == {}
        return {
            (name, account): unpack_sightings(pieces)
            for name, packed in spill.by_name()
            for account, pieces in packed.assumptions.items()
        }


def by_role(sightings: Sightings) -> dict[tuple[str, str], Sightings]:
    found: dict[tuple[str, str], Sightings] = {}
    for said, seen in sightings.items():
        role = role_of_arn(said.role_arn)
        assert role is not None
        found.setdefault((role.name.lower(), role.account), {})[said] = seen
    return found


@pytest.mark.parametrize("room", [0, 100, 1_000_000])
@pytest.mark.parametrize("files", [1, 7])
def test_what_waits_on_disk_is_what_memory_would_have_held(
    room: int, files: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policygen.logs.reader, "ROOM", room)
    monkeypatch.setattr(policygen.logs.chunk, "CHUNK_OBJECTS", 2)
    assert on_disk(write(tmp_path, files, seed=room)) == by_role(WHOLE)


def test_other_processes_see_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policygen.logs.reader, "MIN_PARALLEL_BYTES", 0)
    monkeypatch.setattr(policygen.logs.chunk, "CHUNK_OBJECTS", 2)
    with ThreadPoolExecutor(2) as executor:
        assert on_disk(write(tmp_path, 9, seed=1), executor=executor) == by_role(WHOLE)


def test_the_cache_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policygen.logs.reader, "MIN_CACHED_BYTES", 0)
    logs, opened = write(tmp_path / "logs", 5, seed=2), list[int]()
    source = open_source([logs])
    inner = source.reader.read_many

    def read_many(objects: Any) -> Any:
        opened.append(len(objects))
        return inner(objects)

    monkeypatch.setattr(type(source.reader), "read_many", lambda _, objects: read_many(objects))
    keep: dict[str, Callable[[ReadRequest], Cache]] = {
        "cache": lambda one: Cache.open(tmp_path / "cache", one.name, one.select, lambda _: None)
    }
    job = EVERY._replace(name="every role")
    for _ in range(2):
        with SpillStore() as spill:
            read_source(source, job, options=ReadOptions(spill=spill, **keep))
            found = {
                (name, account): unpack_sightings(pieces)
                for name, packed in spill.by_name()
                for account, pieces in packed.assumptions.items()
            }
        assert found == by_role(WHOLE)
    assert sum(opened) == 5, "the second reading read no file"


ASKED = [
    ([{"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, {}], 1),
    ([{"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}], 3),
    ([{"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, {"StringEquals": {"aws:SourceVpce": "vpce-1"}}], 3),
    ([{"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, {"StringLike": {"sts:RoleSessionName": "x*"}}], 9),
    ([{"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, {"StringLike": {"aws:userid": "AROA*:x"}}], 9),
    ([{"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/a"}, {}], 9),
    ([{"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, {"StringLike": {"aws:PrincipalTag/x": "${aws:SourceIp}"}}], 3),
    ([{"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, {"StringEquals": {"sts:ExternalId": "e"}}], 1),
]  # fmt: skip


@pytest.mark.parametrize(("policy", "number"), ASKED)
def test_only_what_a_trust_policy_can_ask_for_tells_assumptions_apart(policy: Any, number: int) -> None:
    log = [
        {"by": f"role/ci@c{i}", "session": f"s{j}", "address": f"203.0.113.{j}", "days": 2}
        for i in range(3)
        for j in range(3)
    ]
    principal, condition = policy
    document = {"Statement": [{"Effect": "Allow", "Principal": principal, "Condition": condition}]}
    seen = counted(all_records({"log": log}), by_column=True)
    assert len(seen) == 9
    assert len({as_asked(document)(said) for said in seen}) == number


def test_a_caller_known_by_its_id_alone_keeps_the_name_of_its_session() -> None:
    log = [{"by": f"{VENDOR}:role/scanner@{name}", "copies": "owner", "days": 1} for name in ("a", "b")]
    seen = counted(all_records({"log": log}), by_column=True)
    document = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": VENDOR}}]}
    assert {as_asked(document)(said).principal_id[-2:] for said in seen} == {":a", ":b"}
