"""Other accounts' logs are left out only where the log of the role's own account has the same calls."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from moto.s3.models import s3_backends

import policygen.logs.reader
from policygen.evidence.role import parse_role
from policygen.logs.cache import Cache
from policygen.logs.chunk import ChunkResult, ReadRequest
from policygen.logs.packs import read_packs
from policygen.logs.reader import ReadOptions, read_source
from policygen.logs.registry import open_source
from policygen.logs.source import Batch, LogObject, LogSource, Reader, Scope
from policygen.logs.sources.s3 import client as s3
from policygen.logs.sources.s3 import listing
from policygen.logs.sources.s3.client import drop_clients
from tests.support.records import ROLE_ID, record

OWN, OTHER, THIRD = "111111111111", "222222222222", "333333333333"
EAST, WEST = "us-east-1", "eu-west-1"
DAYS = ["2026-11-02", "2026-11-03", "2026-11-04", "2026-11-05", "2026-11-06"]
ROLE = parse_role(f"arn:aws:iam::{OWN}:role/orders")
REQUEST = ReadRequest(ROLE.matches, role=ROLE.name, search=ROLE.record_filter)
ORGANIZATION = "AWSLogs/o-exampleorg1/"

Record = dict[str, Any]


@pytest.fixture(autouse=True)
def _nothing_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policygen.logs.reader, "MIN_CACHED_BYTES", 0)


def call(source: str, name: str, account: str = OWN, **more: Any) -> Record:
    typed = {"s3": "AWS::S3::Object", "dynamodb": "AWS::DynamoDB::Table", "sqs": "AWS::SQS::Queue"}
    more |= {"typed": typed[source], "resources": [f"arn:aws:{source}:::x"]} if source in typed else {}
    return record({"source": source, "name": name, "account": account, "recipient": account, **more})


def noise(account: str, data: str = "s3") -> list[Record]:
    """Records of other roles, of all kinds that a trail with these data events logs."""
    made = [
        call("ec2", "DescribeVpcs", account, role="noise", reads=True),
        call("ec2", "RunInstances", account, role="noise"),
        call("kms", "Decrypt", account, role="noise", reads=True),
    ]
    return [*made, *(call(one, "GetObject", account, role="noise") for one in data.split())]


def by_role(source: str, name: str, **more: Any) -> Record:
    return call(source, name, role="orders", role_id=ROLE_ID, **more)


def copy_of(original: Record, account: str = OTHER) -> Record:
    """The record of the same call in the log of the account that owns the resource (1.4.3)."""
    who = {"type": "AWSAccount", "principalId": original["userIdentity"]["principalId"], "accountId": OWN}
    return original | {
        "userIdentity": who,
        "recipientAccountId": account,
        "eventID": original["eventID"][::-1],
        "sharedEventID": original["eventID"][:30],
    }


FOREIGN = by_role("s3", "GetObject", params={"bucketName": "theirs", "key": "a.txt"})


@dataclass
class Bucket:
    """What trails delivered: key -> records."""

    files: dict[str, list[Record]] = field(default_factory=dict)

    def put(
        self, account: str, region: str, day: str, clock: str, *records: Record, base: str = ORGANIZATION
    ) -> str:
        folder = f"{base}{account}/CloudTrail/{region}/{day.replace('-', '/')}"
        key = f"{folder}/{account}_CloudTrail_{region}_{day.replace('-', '')}T{clock}Z_abc.json.gz"
        time = f"{day}T{clock[:2]}:{clock[2:]}:00Z"
        self.files[key] = [
            one | {"eventTime": time, "awsRegion": region, "eventID": f"{number}{key[-50:]}{one['eventID']}"}
            for number, one in enumerate(records)
        ]
        return key

    def drop(self, wanted: Callable[[str], bool]) -> None:
        self.files = {key: records for key, records in self.files.items() if not wanted(key)}

    def only_own(self, change: Callable[[list[Record]], list[Record]], part: str = "") -> None:
        for key, records in self.files.items():
            if f"/{OWN}/" in key and part in key:
                self.files[key] = change(records)


def bucket() -> Bucket:
    """An organisation's trail: three accounts, two regions, five days, and the role in all of its own files."""
    made = Bucket()
    for region in (EAST, WEST):
        for day in DAYS:
            for clock in ("1000", "2200"):
                made.put(OWN, region, day, clock, *noise(OWN), by_role("ec2", "DescribeHosts"))
                for account in (OTHER, THIRD):
                    made.put(account, region, day, clock, *noise(account))
    return made


def packed(records: list[Record]) -> bytes:
    return gzip.compress(json.dumps({"Records": records}, separators=(",", ":")).encode(), mtime=0)


def in_folder(made: Bucket, folder: Path) -> LogSource:
    for key, records in made.files.items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(packed(records))
    return open_folder(folder)


def open_folder(folder: Path) -> LogSource:
    source = open_source([str(folder)])
    assert isinstance(source, LogSource)
    return source


IN_OWN = Scope(account=OWN)
WINDOW = Scope(DAYS[0], DAYS[-1])


def read(source: LogSource, scope: Scope = IN_OWN) -> ChunkResult:
    return read_source(source, REQUEST, scope, ReadOptions())


def unread(result: ChunkResult) -> int:
    return result.read_report.unread.total()


def test_the_logs_of_other_accounts_are_left_out_where_the_own_log_has_their_kinds_of_events(
    tmp_path: Path,
) -> None:
    source = in_folder(bucket(), tmp_path)
    found, whole = read(source), read(source, Scope(account=OWN, all_accounts=True))
    assert found.counts.calls == whole.counts.calls
    # The other accounts' files of the end of the log are read: they may hold its newest event.
    assert (found.read_report.files, unread(found)) == (20 + 4, 40 - 4)
    assert (whole.read_report.files, unread(whole)) == (60, 0)
    assert found.read_report.gaps == ()
    assert set(found.read_report.unread) == {
        (account, region, day) for account in (OTHER, THIRD) for region in (EAST, WEST) for day in DAYS
    }


def without(*kinds: str) -> Callable[[list[Record]], list[Record]]:
    def change(records: list[Record]) -> list[Record]:
        return [one for one in records if one["eventSource"].split(".")[0] not in kinds]

    return change


def dynamodb_for_s3(records: list[Record]) -> list[Record]:
    return [*without("s3")(records), call("dynamodb", "GetItem", role="noise")]


def writes_only(records: list[Record]) -> list[Record]:
    return [one for one in records if not one["readOnly"]]


def gap(*parts: str) -> Callable[[Bucket], None]:
    return lambda made: made.drop(lambda key: f"/{OWN}/" in key and any(part in key for part in parts))


def own(change: Callable[[list[Record]], list[Record]], part: str = "") -> Callable[[Bucket], None]:
    return lambda made: made.only_own(change, part)


ONLY_COPIES: Mapping[str, tuple[Callable[[Bucket], None], Record]] = {
    "the own trail logs no data events": (own(without("s3")), FOREIGN),
    "the own trail logs data events of another type": (own(dynamodb_for_s3), FOREIGN),
    "the own trail logged no data events on that day": (own(without("s3"), "/2026/11/04/"), FOREIGN),
    "the own trail logs no data events in that region": (own(without("s3"), WEST), FOREIGN),
    "the own trail leaves out KMS": (own(without("kms")), by_role("kms", "Decrypt", reads=True)),
    "the own trail logs only writes": (own(writes_only), by_role("kms", "Decrypt", reads=True)),
    "the own log lacks the day": (gap("/2026/11/04/"), FOREIGN),
    "the own log lacks the region": (gap(WEST), by_role("sts", "AssumeRole")),
    "the own log begins later": (gap("/11/02/", "/11/03/", "/11/04/"), by_role("sts", "AssumeRole")),
    "the own log ends sooner": (gap("/11/04/", "/11/05/", "/11/06/"), by_role("sts", "AssumeRole")),
}


@pytest.mark.parametrize("name", ONLY_COPIES)
@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_the_only_copy_of_a_call_is_read(name: str, place: str, tmp_path: Path, aws: Aws) -> None:
    change, original = ONLY_COPIES[name]
    made = bucket()
    made.put(OTHER, WEST, "2026-11-04", "1300", copy_of(original), *noise(OTHER))
    change(made)
    source, scope = (in_folder(made, tmp_path), Scope()) if place == "folder" else (aws.hold(made), WINDOW)
    found = read(source, scope._replace(account=OWN))
    whole = read(source, scope._replace(account=OWN, all_accounts=True))
    only = read(source, scope._replace(account=OWN, all_accounts=False))
    assert found.counts.calls == whole.counts.calls
    name_of = original["eventName"]
    assert called(found)[name_of] == 1
    assert name_of not in called(only)


def read_cached(source: LogSource, cache: Path) -> tuple[ChunkResult, int]:
    """Read with a cache; return how many files were read, too."""
    inner, files = source.reader, list[str]()

    class Counting(Reader):
        def read(self, one: LogObject) -> Iterator[Batch]:
            files.append(one.locator)
            return inner.read(one)

    source.reader = Counting()
    options = ReadOptions(cache=lambda one: Cache.open(cache, one.name, one.select, pytest.fail))
    return read_source(source, REQUEST._replace(name="a role"), IN_OWN, options), len(files)


def test_samples_are_read_once(tmp_path: Path) -> None:
    first, cold = read_cached(in_folder(bucket(), tmp_path / "logs"), tmp_path / "cache")
    second, warm = read_cached(open_folder(tmp_path / "logs"), tmp_path / "cache")
    assert second.counts == first.counts
    assert unread(first) == unread(second) > 0
    assert (cold > 20, warm) == (True, 0)


@pytest.mark.parametrize("name", ONLY_COPIES)
def test_what_samples_once_showed_hides_no_copy(name: str, tmp_path: Path) -> None:
    change, original = ONLY_COPIES[name]
    made = bucket()
    made.put(OTHER, WEST, "2026-11-04", "1300", copy_of(original), *noise(OTHER))
    before, _ = read_cached(in_folder(made, tmp_path / "logs"), tmp_path / "cache")
    change(made)
    shutil.rmtree(tmp_path / "logs")
    source = in_folder(made, tmp_path / "logs")
    found, _ = read_cached(source, tmp_path / "cache")
    assert found.counts.calls == read(in_folder(made, tmp_path / "logs")).counts.calls
    assert original["eventName"] not in called(before)
    assert called(found)[original["eventName"]] == 1


@pytest.mark.parametrize("spoil", [lambda data: data[:-9], lambda _: b""], ids=["cut", "empty"])
def test_spoilt_samples_are_read_again(spoil: Callable[[bytes], bytes], tmp_path: Path) -> None:
    first, _ = read_cached(in_folder(bucket(), tmp_path / "logs"), tmp_path / "cache")
    (pack,) = (tmp_path / "cache" / "kinds").glob("*/*")
    pack.write_bytes(spoil(pack.read_bytes()))
    second, again = read_cached(open_folder(tmp_path / "logs"), tmp_path / "cache")
    assert second.counts == first.counts
    assert again > 0
    assert read_cached(open_folder(tmp_path / "logs"), tmp_path / "cache")[1] == 0


def test_a_pack_of_something_else_says_nothing_of_samples(tmp_path: Path) -> None:
    first, _ = read_cached(in_folder(bucket(), tmp_path / "logs"), tmp_path / "cache")
    (pack,) = (tmp_path / "cache" / "kinds").glob("*/*")
    for calls in (tmp_path / "cache" / "calls").glob("*/*"):
        shutil.copy(calls, pack.parent)
    pack.unlink()
    second, again = read_cached(open_folder(tmp_path / "logs"), tmp_path / "cache")
    assert second.counts == first.counts
    assert again > 0


def test_damaged_samples_are_not_kept(tmp_path: Path) -> None:
    in_folder(bucket(), tmp_path / "logs")
    for path in (tmp_path / "logs").rglob(f"{OTHER}_*.gz"):
        path.write_bytes(path.read_bytes()[:-30])
    read_cached(open_folder(tmp_path / "logs"), tmp_path / "cache")
    kept = b"".join(read_packs(next((tmp_path / "cache" / "kinds").iterdir()), bytes))
    assert f"/{OWN}/".encode() in kept
    assert f"/{OTHER}/".encode() not in kept


def called(result: ChunkResult) -> dict[str, int]:
    made: dict[str, int] = {}
    for calls in result.counts.calls.values():
        for bucket_, evidence in calls.items():
            made[bucket_.call.name] = made.get(bucket_.call.name, 0) + evidence.count
    return made


def test_a_copy_counts_once_where_the_own_record_is_there_too(tmp_path: Path) -> None:
    made = bucket()
    original = by_role("sts", "AssumeRole")
    shared = original | {"sharedEventID": original["eventID"][:30]}
    made.put(OWN, EAST, "2026-11-04", "1200", shared, *noise(OWN))
    gap(WEST)(made)
    made.put(OTHER, WEST, "2026-11-04", "1205", copy_of(original))
    found = read(in_folder(made, tmp_path))
    assert called(found)["AssumeRole"] == 1


@pytest.mark.parametrize(
    ("copied", "clock", "lacking"),
    [("2026-11-04", "0005", "/11/03/"), ("2026-11-03", "2355", "/11/04/"), ("2026-11-02", "0010", "/11/01/")],
)
def test_around_midnight_the_own_log_has_both_days(
    copied: str, clock: str, lacking: str, tmp_path: Path
) -> None:
    made = bucket()
    key = made.put(OTHER, WEST, copied, clock, copy_of(by_role("sts", "AssumeRole")))
    gap(lacking)(made)
    result = read(in_folder(made, tmp_path))
    assert called(result)["AssumeRole"] == 1
    assert (OTHER, WEST, copied) in result.read_report.unread, f"only {key} of that day is needed"


BASES = {
    "another account's own trail": "AWSLogs/",
    "a trail with another prefix": f"audit/{ORGANIZATION}",
    "another organization's trail": "AWSLogs/o-exampleorg2/",
}


@pytest.mark.parametrize("name", BASES)
def test_what_another_trail_delivered_is_read(name: str, tmp_path: Path, aws: Aws) -> None:
    made = bucket()
    made.put(OTHER, WEST, "2026-11-04", "1300", copy_of(FOREIGN), base=BASES[name])
    assert called(read(in_folder(made, tmp_path)))["GetObject"] == 1
    assert called(read(aws.hold(made), WINDOW._replace(account=OWN)))["GetObject"] == 1


def test_nothing_is_left_out_where_the_account_is_not_known_or_no_role_is_searched_for(
    tmp_path: Path,
) -> None:
    source = in_folder(bucket(), tmp_path)
    assert read(source, Scope()).read_report.files == 60
    assert read_source(source, ReadRequest(ROLE.matches), IN_OWN).read_report.files == 60


def test_a_small_log_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policygen.logs.reader, "MIN_CACHED_BYTES", 8 << 20)
    source = in_folder(bucket(), tmp_path)
    assert read(source).read_report.files == 60
    assert read(source, Scope(account=OWN, all_accounts=False)).read_report.files == 20


def test_what_was_not_read_is_no_gap_and_counts_nowhere(tmp_path: Path) -> None:
    found = read(in_folder(bucket(), tmp_path), Scope(account=OWN, all_accounts=False))
    totals = found.counts.totals
    assert {one.partition(" ")[0] for one in totals.account_days} == {OWN}
    assert found.read_report.unread_summary == "left out 40 of the files of 2 other accounts"
    assert [one._asdict() for one in found.read_report.unread_accounts] == [
        {"account": account, "regions": [WEST, EAST], "days": 5, "files": 20} for account in (OTHER, THIRD)
    ]


OWNER = "123456789012"
"""The account of moto's credentials, which owns the bucket."""


# --- a bucket --------------------------------------------------------------------------------------


@dataclass
class Aws:
    """A bucket of moto, and the prefixes that were listed."""

    listed: list[str] = field(default_factory=list)

    def hold(self, made: Bucket) -> LogSource:
        backend = s3_backends[OWNER]["aws"]
        backend.create_bucket("trail", EAST)
        for key, records in made.files.items():
            backend.put_object("trail", key, packed(records))
        source = open_source(["s3://trail"])
        assert isinstance(source, LogSource)
        return source


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", EAST)
    watched = Aws()

    def list_page(access: Any, name: str, prefix: str, *rest: Any, **options: Any) -> Any:
        watched.listed.append(prefix)
        return s3.list_page(access, name, prefix, *rest, **options)

    monkeypatch.setattr(listing, "list_page", list_page)
    with mock_aws():
        drop_clients()
        yield watched
    drop_clients()


def test_of_a_bucket_only_a_sample_of_other_accounts_is_listed(aws: Aws) -> None:
    source = aws.hold(bucket())
    found = read(source, WINDOW._replace(account=OWN))
    days = [one for one in aws.listed if f"/{OWN}/" not in one and one.count("/") > 5]
    assert sorted(days) == [
        f"{ORGANIZATION}{account}/CloudTrail/{region}/2026/11/04/"
        for account in (OTHER, THIRD)
        for region in (WEST, EAST)
    ]
    assert found.read_report.files == 20
    assert len(found.read_report.unread) == 2 * 2 * 5
    assert found.read_report.unread_summary == "left out 8 of the files of 2 other accounts"
