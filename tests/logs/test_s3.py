"""Log sources by name, and the log sources "s3" and "auto" against buckets of moto."""

from __future__ import annotations

import gzip
import itertools
import json
import pickle
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import botocore.exceptions
import botocore.handlers
import pytest
from botocore.awsrequest import AWSResponse
from moto import mock_aws
from moto.s3.models import s3_backends
from urllib3.response import HTTPResponse

import policygen.logs.registry
from policygen.account.required_permissions import NEEDS, actions
from policygen.errors import AwsError, NothingFoundError, PolicygenError, UsageError
from policygen.evidence.role import names_caller
from policygen.logs.registry import open_source
from policygen.logs.source import EVERYTHING, Batch, LogObject, LogSource, Scope, Wanted
from policygen.logs.sources.files import FileSource
from policygen.logs.sources.s3 import source as s3
from policygen.logs.sources.s3.auto import choose_trail, open_auto
from policygen.logs.sources.s3.client import S3Access, drop_clients
from policygen.logs.sources.s3.discovery import days_in
from policygen.logs.sources.s3.fetch import Boto3Fetcher, ObstoreFetcher, S3Reader, make_fetcher
from policygen.logs.sources.s3.prefetch import map_in_order
from tests.logs.test_envelope import record

# --- Which source a spec names -------------------------------------------------------------------


class Named(FileSource):
    """A source that remembers what it was opened with."""


def opened(spec: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The specs that the sources `stream` and `whole` of this test were opened with, [] for a path."""
    seen: list[str] = []

    def opener(specs: Sequence[str], _: str) -> LogSource:
        seen.extend(specs)
        return Named([])

    for name in ("stream", "whole"):
        monkeypatch.setitem(policygen.logs.registry.SCHEMES, name, opener)
    source = open_source(spec)
    return seen if isinstance(source, Named) else []


@pytest.mark.parametrize("spec", ["stream:", "stream:a/b:c", "stream://bucket/x", "STREAM:x", "whole"])
def test_a_source_is_named_before_the_colon_or_alone(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert opened(spec, monkeypatch) == [spec]


@pytest.mark.parametrize("name", ["whole", "stream:x", "logs", "c:x", "a.json:1"])
def test_a_path_that_exists_is_a_path_whatever_it_is_called(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert opened(name, monkeypatch) == []


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ("C:\\logs\\a.json", "PG-E201"),
        ("c:/logs", "PG-E201"),
        ("logz", "PG-E201"),
        ("./whole", "PG-E201"),
        ("2026:11", "PG-E201"),
        ("streem:x", "PG-E202"),
        ("gopher://x", "PG-E202"),
    ],
)
def test_what_names_neither_a_path_nor_a_source_is_refused(
    spec: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        opened(spec, monkeypatch)
    assert caught.value.code == code


# --- A bucket, and what goes over the wire -------------------------------------------------------

MOTO = "123456789012"
"""The account of moto's credentials, which owns the buckets."""
ORG = "o-exampleorg1"
ACCOUNTS = ("111111111111", "222222222222", "333333333333")
REGIONS = ("ap-southeast-2", "eu-west-1", "eu-west-2", "us-east-1", "us-gov-west-1")
BODY = gzip.compress(json.dumps({"Records": [record(1), record(2)]}).encode(), mtime=0)


@dataclass
class Wire:
    """All requests that botocore sends, and what is answered in the place of S3."""

    requests: list[tuple[str, str, str]] = field(default_factory=list)
    """(host, key, prefix)."""
    faults: list[tuple[re.Pattern[str], int, Callable[[], AWSResponse]]] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)

    def send(self, request: Any, **_: Any) -> AWSResponse | None:
        parts = urlsplit(request.url)
        prefix = parse_qs(parts.query).get("prefix", [""])[0]
        key = unquote(parts.path).lstrip("/")
        target = str(request.headers.get("X-Amz-Target", "")).rpartition(".")[2]
        asked = f"{'list' if 'list-type' in parts.query else target or 'get'} {key}{prefix}"
        with self.lock:
            self.requests.append((parts.netloc, key, prefix))
            for number, (pattern, times, answer) in enumerate(self.faults):
                if times and pattern.search(asked):
                    self.faults[number] = (pattern, times - 1, answer)
                    return answer()
        return None

    def fail(self, pattern: str, code: str, status: int, message: str = "no", times: int = 1 << 30) -> None:
        text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
        self.faults.append((re.compile(pattern), times, partial(response, status, text, len(text))))

    def cut(self, pattern: str, times: int = 1 << 30) -> None:
        self.faults.append((re.compile(pattern), times, partial(response, 200, BODY[:40], len(BODY))))

    @property
    def got(self) -> list[str]:
        return [key for _, key, _ in self.requests if key.endswith(".gz")]

    @property
    def listed(self) -> list[str]:
        return [prefix for _, key, prefix in self.requests if not key]


def response(status: int, body: bytes, length: int) -> AWSResponse:
    raw: Any = HTTPResponse(BytesIO(body), preload_content=False)
    return AWSResponse("https://s3.amazonaws.com", status, {"Content-Length": str(length)}, raw)


@pytest.fixture(scope="module")
def line() -> Iterator[list[Wire]]:
    """The wire in use: clients are made once, since that takes most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_RETRY_MODE"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_REGION", "us-east-1")
        patch.setenv("AWS_MAX_ATTEMPTS", "2")
        patch.setenv("AWS_CONFIG_FILE", "/nonexistent/config")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")
        # The Rust of obstore does not go through moto.
        patch.setattr("policygen.logs.sources.s3.fetch.find_spec", lambda _: None)
        patch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
        using = [Wire()]

        def send(**sent: Any) -> AWSResponse | None:
            return using[0].send(**sent)

        first = ("before-send", send, botocore.handlers.REGISTER_FIRST)
        patch.setattr(botocore.handlers, "BUILTIN_HANDLERS", [first, *botocore.handlers.BUILTIN_HANDLERS])
        drop_clients()
        yield using
        drop_clients()


@pytest.fixture
def wire(line: list[Wire]) -> Iterator[Wire]:
    with mock_aws():
        line[0] = Wire()
        yield line[0]


def put(bucket: str, *keys: str, body: bytes = BODY) -> None:
    """Objects straight into moto: thousands of requests would be slow."""
    backend = s3_backends[MOTO]["aws"]
    if bucket not in backend.buckets:
        backend.create_bucket(bucket, "us-east-1")
    for key in keys:
        backend.put_object(bucket, key, body)


def key_of(account: str, region: str, day: str, number: int = 0, base: str = "AWSLogs/") -> str:
    path, compact = day.replace("-", "/"), day.replace("-", "")
    name = f"{account}_CloudTrail_{region}_{compact}T{number:02}05Z_Q{number:015}.json.gz"
    return f"{base}{account}/CloudTrail/{region}/{path}/{name}"


def days(first: str, count: int) -> list[str]:
    return [str(date.fromisoformat(first) + timedelta(number)) for number in range(count)]


def objects(spec: str | Sequence[str], scope: Scope = EVERYTHING) -> list[LogObject | Batch]:
    return list(open_source(spec).objects(scope))


def keys(spec: str | Sequence[str], scope: Scope = EVERYTHING) -> list[str]:
    """The keys of the objects that a source gives; nothing else may be there."""
    found = objects(spec, scope)
    assert [one for one in found if isinstance(one, Batch)] == []
    return [one.locator.split("/", 3)[3] for one in found if isinstance(one, LogObject)]


def told(error: PolicygenError) -> str:
    return "\n".join((error.message, *error.hints))


def test_only_the_window_of_an_organisations_bucket_is_listed_and_fetched(wire: Wire) -> None:
    base = f"AWSLogs/{ORG}/"
    all_days = days("2026-10-20", 40)
    everything = [
        key_of(account, region, day, number, base)
        for account in ACCOUNTS
        for region in REGIONS
        for day in all_days
        for number in range(5)
    ]
    digests = [
        key.replace("CloudTrail", name)
        for key in everything[::40]
        for name in ("CloudTrail-Digest", "CloudTrail-Insight")
    ]
    put("trail", *everything, *digests, f"{base}{ACCOUNTS[0]}/Config/eu-west-1/2026/11/5/a.json.gz")
    scope = Scope("2026-10-30", "2026-11-03")
    late = {f"2026/{rest}" for rest in ("10/30", "10/31", "11/01", "11/02", "11/03", "11/04", "11/05")}
    wanted = [key for key in everything if re.search(r"\d{4}/\d\d/\d\d", key).group() in late]  # type: ignore[union-attr]
    assert keys("s3://trail", scope) == wanted
    assert len(everything) == 3_000
    assert len(wanted) == 3 * 5 * 7 * 5
    # The bucket twice, AWSLogs, organisation, 3 accounts; of each region 2 months and 7 days.
    assert len(wire.listed) <= 7 + 3 * 5 * (2 + 7)
    assert not [
        prefix for prefix in wire.listed if "Digest" in prefix or "Insight" in prefix or "Config" in prefix
    ]

    wire.requests.clear()
    own = scope._replace(account=ACCOUNTS[1])
    batches = list(open_source("s3://trail").read(own))
    assert sorted(wire.got) == [key for key in wanted if f"/{ACCOUNTS[1]}/" in key]
    assert [batch.name for batch in batches] == [f"s3://trail/{key}" for key in sorted(wire.got)]
    assert sum(len(batch.records) for batch in batches) == 2 * len(wire.got)
    assert not [prefix for prefix in wire.listed if ACCOUNTS[0] in prefix or ACCOUNTS[2] in prefix]
    # Nobody but AWS is asked.
    assert {host for host, _, _ in wire.requests} <= {
        "trail.s3.amazonaws.com",
        "trail.s3.us-east-1.amazonaws.com",
    }


def test_an_object_says_what_its_trail_said_and_what_tells_a_changed_one(wire: Wire) -> None:
    key = key_of(ACCOUNTS[0], "eu-west-1", "2026-11-24")
    put("trail", key)
    (one,) = objects("s3://trail/AWSLogs/")
    assert isinstance(one, LogObject)
    assert (one.name, one.locator, one.size) == (f"s3://trail/{key}", f"s3://trail/{key}", len(BODY))
    assert one[5:8] == (ACCOUNTS[0], "eu-west-1", "2026-11-24")
    assert re.fullmatch(rf"[0-9a-f]{{32}}-{len(BODY)}", one.version)
    put("trail", key, body=gzip.compress(b'{"Records": []}'))
    (other,) = objects("s3://trail")
    assert isinstance(other, LogObject)
    assert other.version != one.version


LAYOUTS = {
    "account": "AWSLogs/",
    "prefix": "audit/AWSLogs/",
    "deep prefix": "a/b/c/d/AWSLogs/",
    "organisation": f"AWSLogs/{ORG}/",
    "organisation with a prefix": f"audit/AWSLogs/{ORG}/",
    "Control Tower": f"{ORG}/AWSLogs/{ORG}/",
    "Control Tower before 3.0": f"{ORG}/AWSLogs/",
    "a prefix called AWSLogs": "AWSLogs/x/AWSLogs/",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_found_from_every_folder_of_it(layout: str, wire: Wire) -> None:
    base = LAYOUTS[layout]
    one, two = (key_of(ACCOUNTS[0], "eu-west-1", day, base=base) for day in ("2026-11-23", "2026-11-24"))
    put("trail", one, two, "other/2026/11/24/a.json.gz", f"{base}{ACCOUNTS[0]}/Config/eu-west-1/b.json.gz")
    folders = two.split("/")[:-1]
    found = {
        "/".join(folders[:depth]): keys(f"s3://trail/{'/'.join(folders[:depth])}")
        for depth in range(len(folders) + 1)
    }
    if layout == "a prefix called AWSLogs":  # what lies in AWSLogs is a trail's; it must be named
        assert found.pop("AWSLogs") == found.pop("") == []
        found.pop("AWSLogs/x")
        found = {prefix: names for prefix, names in found.items() if prefix}
    day = "/".join(folders)
    assert found.pop(day) == [two]
    assert set(map(tuple, found.values())) == {(one, two)}
    assert keys(f"s3://trail/{two}") == [two]


def test_several_trails_in_one_bucket_are_read_by_account_region_day_and_key(wire: Wire) -> None:
    made = [
        key_of(account, region, day, number, base)
        for account in ACCOUNTS[:2]
        for base in ("AWSLogs/", "audit/AWSLogs/")
        for region in REGIONS[:2]
        for day in ("2026-11-23", "2026-11-24")
        for number in range(2)
    ]
    put("trail", *reversed(made))
    assert keys("s3://trail") == made
    assert keys(["s3://trail/audit", "s3://trail", "s3://trail/AWSLogs/"]) == made
    assert keys(["s3://trail/AWSLogs", "s3://trail/audit"]) == made


def test_files_in_no_layout_are_listed_plainly_within_the_window(wire: Wire) -> None:
    named = key_of(ACCOUNTS[0], "eu-west-1", "2026-11-24").rsplit("/", 1)[1]
    old = key_of(ACCOUNTS[0], "eu-west-1", "2026-10-24").rsplit("/", 1)[1]
    put("copies", f"x/{named}", f"x/{old}", "x/2026/11/export-1", "x/z.json", "y/a.json")
    put("copies", "x/folder/", body=b"")
    put("copies", "w/\x1b[31m.json")
    found = objects("s3://copies/x", Scope("2026-11-20", "2026-11-24", ACCOUNTS[0]))
    assert [one.name for one in found] == [
        f"s3://copies/x/{name}" for name in (named, "2026/11/export-1", "folder/", "z.json")
    ]
    assert {one.name: one.kind for one in found if isinstance(one, Batch)} == {
        "s3://copies/x/folder/": "folder"
    }
    assert {one.name.rsplit("/", 1)[1]: one.expects_log for one in found if isinstance(one, LogObject)} == {
        named: True,
        "export-1": False,
        "z.json": True,
    }
    assert [one.name for one in objects("s3://copies/w")] == ["s3://copies/w/\\x1b[31m.json"]
    records = [one for batch in open_source("s3://copies/x").read() for one in batch.records]
    assert len(records) == 2 * 4


def test_a_bucket_without_the_account_names_those_that_it_has(wire: Wire) -> None:
    put("trail", *(key_of(account, "eu-west-1", "2026-11-24") for account in ACCOUNTS))
    with pytest.raises(NothingFoundError) as caught:
        objects("s3://trail", Scope(account="999999999999"))
    assert caught.value.code == "PG-E302"
    assert "no logs of account 999999999999 under s3://trail/" in told(caught.value)
    assert all(account in told(caught.value) for account in ACCOUNTS)


@pytest.mark.parametrize(
    ("spec", "scope", "says"),
    [
        ("s3://trail", Scope("2025-01-01", "2025-01-31"), "no CloudTrail log under s3://trail/"),
        ("s3://trail/nothing", EVERYTHING, "no CloudTrail log under s3://trail/nothing/"),
        (
            f"s3://trail/AWSLogs/{ACCOUNTS[0]}/CloudTrail-Digest/",
            EVERYTHING,
            "holds no log of calls (digest)",
        ),
    ],
)
def test_a_place_without_logs_is_an_error(spec: str, scope: Scope, says: str, wire: Wire) -> None:
    put("trail", key_of(ACCOUNTS[0], "eu-west-1", "2026-11-24"))
    with pytest.raises(NothingFoundError) as caught:
        list(open_source(spec).read(scope))
    assert (caught.value.code, caught.value.exit_code) == ("PG-E302", 4)
    assert says in told(caught.value)


@pytest.mark.parametrize("spec", ["s3://", "s3:", "s3", "s3:///AWSLogs", "s3://a", "s3://no spaces/x"])
def test_what_names_no_bucket_is_refused(spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="names no bucket") as caught:
        open_source(spec)
    assert caught.value.code == "PG-E202"


def test_a_url_that_a_path_library_has_tidied_still_names_its_bucket(wire: Wire) -> None:
    put("trail", key_of(ACCOUNTS[0], "eu-west-1", "2026-11-24"))
    assert len(keys(str(Path("s3://trail/AWSLogs/")))) == 1


def test_a_search_through_too_many_folders_asks_for_the_right_one(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("policygen.logs.sources.s3.discovery.MAX_FOLDERS", 20)
    put("lake", *(f"table/day={number}/a.json" for number in range(50)))
    assert len(keys("s3://lake")) == 50  # partitions are no prefixes of trails
    put("lake", *(f"team-{number}/a.json" for number in range(50)))
    with pytest.raises(UsageError) as caught:
        objects("s3://lake")
    assert "name the folder that holds AWSLogs" in told(caught.value)
    put("lake", key_of(ACCOUNTS[0], "eu-west-1", "2026-11-24"))
    lost, one = objects("s3://lake")
    assert isinstance(lost, Batch)
    assert lost.damage
    assert isinstance(one, LogObject)


@pytest.mark.parametrize(
    ("date_", "first", "last", "expected"),
    [
        ("", "", "", ["2025/12/31", "2026/01/01", "2026/02/03"]),
        ("", "2026/01/01", "", ["2026/01/01", "2026/02/03"]),
        ("", "", "2026/01/31", ["2025/12/31", "2026/01/01"]),
        ("", "2025/12/31", "2026/01/01", ["2025/12/31", "2026/01/01"]),
        ("2026", "", "", ["2026/01/01", "2026/02/03"]),
        ("2026", "2025/01/01", "2026/01/31", ["2026/01/01"]),
        ("2026/02", "2025/01/01", "2026/12/31", ["2026/02/03"]),
        ("2026/02/03", "", "", ["2026/02/03"]),
        ("2026/02/03", "2026/01/01", "2026/01/31", []),
        ("", "2026/03/01", "2026/02/01", []),
    ],
)
def test_the_days_of_a_region_are_those_of_the_window_that_have_a_folder(
    date_: str, first: str, last: str, expected: list[str]
) -> None:
    tree = {
        "r/": ["2025", "2026", "x"],
        "r/2025/": ["12"],
        "r/2025/12/": ["31"],
        "r/2026/": ["01", "02", "junk"],
        "r/2026/01/": ["01"],
        "r/2026/02/": ["03", "tmp"],
    }
    assert list(days_in("r/", date_, first, last, lambda prefix: tree.get(prefix, []))) == expected


# --- What AWS refuses ----------------------------------------------------------------------------


def some(count: int = 6) -> list[str]:
    made = [key_of(ACCOUNTS[0], "eu-west-1", "2026-11-24", number) for number in range(count)]
    put("trail", *made)
    return made


KMS = (
    "User: arn:aws:sts::1:assumed-role/reader/x is not authorized to perform: kms:Decrypt on the resource "
    "associated with this ciphertext because the resource does not exist in this Region"
)


@pytest.mark.parametrize(
    ("code", "status", "message", "kind", "says"),
    [
        ("NoSuchKey", 404, "gone", "log", "it was listed and is gone now"),
        ("AccessDenied", 403, "Access Denied", "denied", "s3:GetObject, or kms:Decrypt on the trail's key"),
        ("AccessDenied", 403, KMS, "denied", "may not use kms:Decrypt on the trail's key"),
        ("SlowDown", 503, "Please reduce your request rate.", "log", "limiting the rate of calls (SlowDown)"),
        ("InvalidObjectState", 403, "archived", "log", "restore it from Glacier"),
        ("InternalError", 500, "we \x1b[31mfailed", "log", "AWS did not give it"),
    ],
)
def test_an_object_that_aws_does_not_give_is_damage_and_the_rest_is_read(
    code: str, status: int, message: str, kind: str, says: str, wire: Wire
) -> None:
    made = some()
    wire.fail(r"get .*T0205Z", code, status, message.replace("\x1b", "&#155;"))
    batches = list(open_source("s3://trail").read())
    assert [batch.name for batch in batches] == [f"s3://trail/{key}" for key in made]
    (bad,) = (batch for batch in batches if batch.damage)
    assert bad.damage is not None
    assert (bad.name, bad.kind, bad.size) == (f"s3://trail/{made[2]}", kind, len(BODY))
    assert says in bad.damage.reason
    assert bad.damage.reason.isprintable()
    assert sum(len(batch.records) for batch in batches) == 2 * 5


def test_a_throttle_that_ends_costs_nothing(wire: Wire) -> None:
    some()
    wire.fail(r"get .*T0[24]05Z", "SlowDown", 503, times=1)
    assert not [batch for batch in open_source("s3://trail").read() if batch.damage]


@pytest.mark.parametrize(("times", "damaged"), [(2, 0), (3, 1)])
def test_a_stream_that_breaks_is_asked_for_again_and_then_damage(
    times: int, damaged: int, wire: Wire
) -> None:
    made = some()
    wire.cut(r"get .*T0305Z", times)
    batches = list(open_source("s3://trail").read())
    assert Counter(wire.got)[made[3]] == min(times + 1, 3)
    bad = [batch.damage.reason for batch in batches if batch.damage]
    assert len(bad) == damaged
    assert all("the connection broke again and again" in reason for reason in bad)


@pytest.mark.parametrize(
    ("code", "status", "kind"), [("AccessDenied", 403, "denied"), ("SlowDown", 503, "log")]
)
def test_a_prefix_that_aws_does_not_list_is_damage_and_the_rest_is_read(
    code: str, status: int, kind: str, wire: Wire
) -> None:
    made = [key_of(ACCOUNTS[0], region, "2026-11-24") for region in REGIONS]
    put("trail", *made, key_of(ACCOUNTS[1], "eu-west-1", "2026-11-24"))
    day = f"AWSLogs/{ACCOUNTS[0]}/CloudTrail/eu-west-1/2026/11/24/"
    account = f"AWSLogs/{ACCOUNTS[1]}/CloudTrail/"
    wire.fail(f"list {day}$", code, status)
    wire.fail(f"list {account}$", code, status)
    batches = list(open_source("s3://trail").read(Scope("2026-11-01", "2026-11-24")))
    bad = {
        batch.name: (batch.kind, "s3:ListBucket" in batch.damage.reason) for batch in batches if batch.damage
    }
    assert bad == {f"s3://trail/{name}": (kind, kind == "denied") for name in (day, account)}
    assert sum(len(batch.records) for batch in batches) == 2 * 4


def test_a_long_day_comes_in_pages_and_one_that_aws_does_not_list_is_damage(wire: Wire) -> None:
    made = [key_of(ACCOUNTS[0], "eu-west-1", "2026-11-24") + f"{n:05}.json.gz" for n in range(1_001)]
    put("trail", *made)
    found = open_source("s3://trail").objects()
    first = [one.name for one in islice(found, 1_000)]
    wire.fail("list ", "AccessDenied", 403)
    (last,) = found
    assert first == [f"s3://trail/{key}" for key in made[:1_000]]
    assert isinstance(last, Batch)
    wire.faults.clear()
    assert keys("s3://trail/AWSLogs/") == made


@pytest.mark.parametrize(
    ("code", "status", "exit_code"),
    [
        ("ExpiredToken", 400, "PG-E102"),
        ("TokenRefreshRequired", 400, "PG-E102"),
        ("InvalidAccessKeyId", 403, "PG-E101"),
        ("InvalidToken", 400, "PG-E101"),
        ("RequestTimeTooSkewed", 403, "PG-E101"),
    ],
)
def test_credentials_that_expire_on_the_way_stop_with_a_way_to_go_on(
    code: str, status: int, exit_code: str, wire: Wire
) -> None:
    made = some(40)
    wire.fail(r"get .*T(?!0)\d\d05Z", code, status)
    read: list[str] = []
    with pytest.raises(AwsError) as caught:
        read.extend(batch.name for batch in open_source("s3://trail").read())
    assert read == [f"s3://trail/{key}" for key in made[:10]]
    assert (caught.value.code, caught.value.exit_code) == (exit_code, 5)
    assert "run the same command again: it goes on from there" in caught.value.hints[-1]
    assert exit_code == "PG-E101" or "aws sso login" in told(caught.value)


def test_credentials_that_expire_while_listing_stop_as_well(wire: Wire) -> None:
    some()
    wire.fail(r"list .*/CloudTrail/", "ExpiredToken", 400)
    with pytest.raises(AwsError) as caught:
        objects("s3://trail")
    assert caught.value.code == "PG-E102"


@pytest.mark.parametrize(
    ("code", "status", "exit_code", "says"),
    [
        (
            "AccessDenied",
            403,
            "PG-E110",
            "s3:ListBucket on arn:aws:s3:::trail, s3:GetObject on arn:aws:s3:::trail/*",
        ),
        ("NoSuchBucket", 404, "PG-E105", "no bucket 'trail'"),
        ("ExpiredToken", 400, "PG-E102", "aws sso login"),
    ],
)
def test_a_bucket_that_cannot_be_listed_at_all_is_an_error_with_what_is_missing(
    code: str, status: int, exit_code: str, says: str, wire: Wire
) -> None:
    some()
    wire.fail("list $", code, status)
    with pytest.raises(AwsError) as caught:
        objects("s3://trail")
    assert (caught.value.code, caught.value.exit_code) == (exit_code, 5)
    assert says in told(caught.value)


def test_a_bucket_of_which_nothing_may_be_read_is_an_error(wire: Wire) -> None:
    some()
    wire.fail("get ", "AccessDenied", 403)
    source = open_source("s3://trail")
    with pytest.raises(AwsError) as caught:
        list(source.read())
    assert (caught.value.code, caught.value.exit_code) == ("PG-E110", 5)
    assert "kms:Decrypt on the trail's key" in told(caught.value)


def test_no_network_is_an_error(wire: Wire) -> None:
    def gone() -> AWSResponse:
        raise botocore.exceptions.EndpointConnectionError(endpoint_url="https://trail.s3.amazonaws.com")

    some()
    wire.faults.append((re.compile("get "), 1 << 30, gone))
    with pytest.raises(AwsError) as caught:
        list(open_source("s3://trail").read())
    assert caught.value.code == "PG-E103"


# --- Reading -------------------------------------------------------------------------------------


def test_a_reader_goes_to_another_process_and_gives_the_same(wire: Wire) -> None:
    some()
    source = open_source("s3://trail")
    copy = pickle.loads(pickle.dumps(source.reader))
    assert copy == source.reader
    found = [one for one in source.objects() if isinstance(one, LogObject)]
    assert [list(copy.read(one)) for one in found] == [list(source.reader.read(one)) for one in found]
    assert [one for batch in copy.read(found[0]) for one in batch.records][1].eventID == record(2)["eventID"]


@dataclass(frozen=True)
class Slow:
    """A fetcher that counts who is under way, and lets the first be last."""

    running: list[int] = field(default_factory=list)
    most: list[int] = field(default_factory=list)
    go: Any = field(default_factory=threading.Event)

    def fetch(self, bucket: str, key: str) -> bytes:
        self.running.append(1)
        self.most.append(len(self.running))
        if key == "0.json":
            assert self.go.wait(5)
        elif key == "7.json":
            self.go.set()
        self.running.pop()
        return self.body(int(key.partition(".")[0]))

    @staticmethod
    def body(number: int) -> bytes:
        return json.dumps({"Records": [record(number)]}).encode()


def test_many_objects_are_fetched_at_once_and_come_in_order_without_running_far_ahead() -> None:
    taken: list[int] = []

    def many() -> Iterator[LogObject]:
        for number in range(1_000):
            taken.append(number)
            yield LogObject(f"{number}", f"s3://b/{number}.json", len(Slow.body(number)))

    fetcher = Slow()
    read = S3Reader(fetcher).read_many(many(), threads=4)
    first = [next(read) for _ in range(20)]
    assert [batch.records[0].eventID for _, (batch,) in first] == [record(n)["eventID"] for n in range(20)]
    assert max(fetcher.most) > 1
    assert len(taken) <= 20 + 2 * 4
    read.close()


def test_an_error_comes_where_its_item_would_have_come() -> None:
    def work(number: int) -> int:
        if number == 3:
            raise ValueError(number)
        return number

    seen: list[int] = []
    with ThreadPoolExecutor(2) as pool, pytest.raises(ValueError, match="3"):
        seen.extend(map_in_order(work, range(100), pool, 4))
    assert seen == [0, 1, 2]


def test_a_bug_is_no_damage() -> None:
    @dataclass(frozen=True)
    class Broken:
        def fetch(self, bucket: str, key: str) -> bytes:
            raise KeyError(key)

    with pytest.raises(KeyError):
        list(S3Reader(Broken()).read(LogObject("a", "s3://b/a")))


def test_an_object_beyond_the_limit_is_not_fetched() -> None:
    (batch,) = S3Reader(Slow()).read(LogObject("a", "s3://b/a", size=3 << 30))
    assert batch.damage
    assert "larger than" in batch.damage.reason


def test_the_tools_own_calls_to_buckets_can_be_told_apart(wire: Wire) -> None:
    from policygen.logs.sources.s3.client import client_of

    config = client_of(S3Access()).meta.config
    assert config.user_agent_extra.startswith("policygen/")
    assert config.retries == {"mode": "standard", "total_max_attempts": 2}


def test_a_bucket_of_another_region_is_found(wire: Wire) -> None:
    some(1)

    def elsewhere() -> AWSResponse:
        text = b"<Error><Code>PermanentRedirect</Code><Message>m</Message></Error>"
        answer = response(301, text, len(text))
        answer.headers["x-amz-bucket-region"] = "eu-west-3"
        return answer

    wire.faults.append((re.compile("list $"), 1, elsewhere))
    assert len(list(s3.open_s3(["s3://trail"], region="eu-central-1").objects())) == 1
    hosts = [host for host, _, _ in wire.requests]
    assert hosts[0] == "trail.s3.eu-central-1.amazonaws.com"
    assert set(hosts[1:]) == {"trail.s3.eu-west-3.amazonaws.com"}


def test_what_is_called_is_what_is_declared(wire: Wire) -> None:
    some(1)
    bucket = actions(NEEDS["suggest --logs s3://BUCKET"])
    assert bucket == ("kms:Decrypt", "s3:GetObject", "s3:ListBucket")
    list(open_source("s3://trail").read())
    methods = {"get" if key else "list" for _, key, _ in wire.requests}
    assert methods == {"get", "list"}
    assert set(actions(NEEDS["suggest --logs auto"])) - set(bucket) == {
        "cloudtrail:DescribeTrails",
        "cloudtrail:GetEventSelectors",
        "cloudtrail:GetTrailStatus",
    }


def test_an_object_is_searched_for_what_is_wanted_of_it(wire: Wire) -> None:
    named = {"type": "IAMUser", "userName": "ana"}
    content = json.dumps({"Records": [record(1, userIdentity=named), record(2)]}, separators=(",", ":"))
    put("trail", key_of(ACCOUNTS[0], "eu-west-1", "2026-11-24"), body=gzip.compress(content.encode()))
    source = open_source("s3://trail")
    assert isinstance(source, LogSource)
    (one,) = source.objects()
    assert isinstance(one, LogObject)
    for name, found in (("ana", 1), ("nobody", 0)):
        sought = Wanted(name, partial(names_caller, name))
        (batch,) = source.reader.read(one._replace(wanted=(sought,)))
        assert batch.others is not None
        assert (len(batch.records), batch.others.number) == (found, 2 - found)


# --- obstore -------------------------------------------------------------------------------------


class Loopback(BaseHTTPRequestHandler):
    """As much of S3 as fetching needs."""

    seen: list[tuple[str, str]] = []  # noqa: RUF012

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("x-amz-bucket-region", "eu-west-1")
        self.end_headers()

    def do_GET(self) -> None:
        agent = self.headers["User-Agent"]
        self.seen.append((self.path.partition("?")[0], "obstore" if "obstore" in agent else "boto3"))
        known = self.path.startswith("/trail/AWSLogs/a.json.gz")
        body = BODY if known else b"<Error><Code>NoSuchKey</Code><Message>m</Message></Error>"
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", "Tue, 24 Nov 2026 00:00:00 GMT")
        self.send_header("ETag", '"x"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    pytest.importorskip("obstore")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Loopback)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name, value in (
        ("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}"),
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "testing"),
        ("AWS_REGION", "us-east-1"),
        ("NO_PROXY", "127.0.0.1"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    drop_clients()
    Loopback.seen.clear()
    yield server
    server.shutdown()
    server.server_close()
    drop_clients()


def test_obstore_fetches_and_boto3_says_what_is_wrong(loopback: Any) -> None:
    fetcher = ObstoreFetcher(S3Access())
    assert fetcher.fetch("trail", "AWSLogs/a.json.gz") == BODY
    assert Loopback.seen == [("/trail/AWSLogs/a.json.gz", "obstore")]
    (batch,) = S3Reader(pickle.loads(pickle.dumps(fetcher))).read(
        LogObject("gone", "s3://trail/AWSLogs/b.json.gz")
    )
    assert batch.damage
    assert "it was listed and is gone now" in batch.damage.reason
    assert [by for _, by in Loopback.seen] == ["obstore", "obstore", "boto3"]
    assert fetcher.fetch("trail", "AWSLogs/a.json.gz") == BODY
    assert Loopback.seen[-1][1] == "obstore"


def test_a_custom_endpoint_is_left_to_boto3_unless_obstore_is_asked_for(loopback: Any) -> None:
    assert make_fetcher("auto", S3Access()) == Boto3Fetcher(S3Access())
    assert make_fetcher("obstore", S3Access()) == ObstoreFetcher(S3Access())


def test_aws_itself_is_left_to_obstore_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("obstore")
    for name in (
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_CA_BUNDLE",
        "REQUESTS_CA_BUNDLE",
        "AWS_PROFILE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("policygen.logs.sources.s3.fetch.find_spec", lambda _: True)
    drop_clients()
    assert make_fetcher("auto", S3Access(region="eu-west-1")) == ObstoreFetcher(S3Access(region="eu-west-1"))
    assert make_fetcher("boto3", S3Access()) == Boto3Fetcher(S3Access())
    monkeypatch.setenv("AWS_CA_BUNDLE", "/company.pem")
    assert make_fetcher("auto", S3Access(region="eu-west-1")) == Boto3Fetcher(S3Access(region="eu-west-1"))


# --- auto ----------------------------------------------------------------------------------------


def trail_row(
    name: str,
    *,
    org: bool = False,
    multi: bool = True,
    region: str = "us-east-1",
    logging: bool | None = True,
    bucket: str = "trail",
    prefix: str = "",
    data: str = "",
    known: bool = True,
) -> dict[str, Any]:
    stopped = {} if logging else {"StopLoggingTime": datetime(2026, 3, 1)}
    return {
        "Trail": {
            "Name": name,
            "TrailARN": f"arn:aws:cloudtrail:{region}:{MOTO}:trail/{name}",
            "HomeRegion": region,
            "IsMultiRegionTrail": multi,
            "IsOrganizationTrail": org,
            "S3BucketName": bucket,
            **({"S3KeyPrefix": prefix} if prefix else {}),
        },
        "Status": None if logging is None else {"IsLogging": logging, **stopped},
        "EventSelectors": [{"ReadWriteType": "All", "DataResources": [data]}] if known else None,
        "AdvancedEventSelectors": None,
    }


CHOICES: list[tuple[str, list[dict[str, Any]], list[str], str]] = [
    (
        "the widest first",
        [
            trail_row("one", multi=False, data="s3", prefix="p"),
            trail_row("all", data="lambda", prefix="q"),
            trail_row("org", org=True),
        ],
        ["org", "all", "one"],
        "trail org (organisation, all regions): reading s3://trail/AWSLogs/",
    ),
    (
        "what does not log is left, and said",
        [trail_row("old", logging=False, prefix="old"), trail_row("new")],
        ["new"],
        "trail old (all regions): not read: it does not log since 2026-03-01; --logs s3://trail/old/AWSLogs/ reads",
    ),
    (
        "the same events are not read twice",
        [trail_row("team", prefix="team"), trail_row("org", org=True)],
        ["org"],
        "trail team (all regions): not read: it logs the same events as org",
    ),
    (
        "selectors that were refused may be other ones",
        [trail_row("team", prefix="team", known=False), trail_row("org", org=True, known=False)],
        ["org", "team"],
        "trail team (all regions): reading",
    ),
    (
        "one region does not stand for another",
        [
            trail_row("a", multi=False, region="eu-west-1", prefix="a"),
            trail_row("b", multi=False, prefix="b"),
            trail_row("c", multi=False, prefix="c"),
        ],
        ["a", "b"],
        "trail c (only us-east-1): not read: it logs the same events as b",
    ),
    (
        "one place is read once",
        [trail_row("a", data="s3"), trail_row("b", data="lambda")],
        ["a"],
        "trail b (all regions): not read: it delivers to the same place as a",
    ),
    ("a status that was refused may be good", [trail_row("org", logging=None)], ["org"], "reading"),
]


@pytest.mark.parametrize(
    ("rows", "read", "says"), [one[1:] for one in CHOICES], ids=[one[0] for one in CHOICES]
)
def test_the_trails_to_read(rows: list[dict[str, Any]], read: list[str], says: str) -> None:
    for order in (rows, rows[::-1]):
        chosen = choose_trail(order)
        assert [trail.name for trail in chosen if not trail.reason_skipped] == read
        assert says in "\n".join(trail.note() for trail in chosen)


def make_trail(name: str, bucket: str, prefix: str = "", *, logging: bool = True, multi: bool = True) -> None:
    client = boto3.client("cloudtrail", region_name="us-east-1")
    extra: Any = {"S3KeyPrefix": prefix} if prefix else {}
    client.create_trail(Name=name, S3BucketName=bucket, IsMultiRegionTrail=multi, **extra)
    if logging:
        client.start_logging(Name=name)


def test_auto_reads_the_trails_of_the_callers_account(wire: Wire) -> None:
    own = key_of(MOTO, "eu-west-1", "2026-11-24", base="audit/AWSLogs/")
    put("central", own, key_of(ACCOUNTS[0], "eu-west-1", "2026-11-24", base="audit/AWSLogs/"))
    make_trail("main", "central", "audit")
    make_trail("idle", "central", "idle", logging=False)
    source = open_source("auto")
    assert isinstance(source, s3.S3Source)
    assert [re.sub("; .*", "", note) for note in source.notes] == [
        "trail idle (all regions): not read: it does not log",
        "trail main (all regions): reading s3://central/audit/AWSLogs/",
    ]
    wire.requests.clear()
    assert [batch.name for batch in source.read(Scope("2026-11-24", "2026-11-24"))] == [f"s3://central/{own}"]
    assert wire.got == [own]
    with pytest.raises(NothingFoundError, match="no logs of account 999999999999"):
        list(source.read(Scope(account="999999999999")))


def test_auto_asks_nobody_but_aws(wire: Wire) -> None:
    put("central", key_of(MOTO, "eu-west-1", "2026-11-24"))
    make_trail("main", "central")
    wire.requests.clear()
    list(open_auto().read())
    assert all(re.search(r"(^|\.)amazonaws\.com$", host) for host, _, _ in wire.requests)
    assert {host.split(".")[0] for host, _, _ in wire.requests} == {"sts", "cloudtrail", "central"}


def test_auto_without_a_trail_tells_of_the_event_history(wire: Wire) -> None:
    put("central")
    make_trail("idle", "central", logging=False)
    with pytest.raises(NothingFoundError) as caught:
        open_source("auto")
    assert (caught.value.code, caught.value.exit_code) == ("PG-E302", 4)
    assert f"no trail logs account {MOTO}" in caught.value.message
    assert "--logs lookup:" in told(caught.value)
    assert "idle" in told(caught.value)


@pytest.mark.parametrize(
    ("bucket", "says"),
    [
        ("central", f"it is the bucket of trail main of account {MOTO}"),
        ("aws-controltower-logs-444444444444-eu-west-1", "account 444444444444's by its name"),
    ],
)
def test_auto_without_access_to_the_bucket_names_whose_it_is_and_what_is_missing(
    bucket: str, says: str, wire: Wire
) -> None:
    put(bucket)
    make_trail("main", bucket)
    wire.fail("list ", "AccessDenied", 403)
    with pytest.raises(AwsError) as caught:
        open_source("auto")
    assert (caught.value.code, caught.value.exit_code) == ("PG-E110", 5)
    assert says in told(caught.value)
    assert f"s3:ListBucket on arn:aws:s3:::{bucket}" in told(caught.value)


def test_auto_that_may_not_ask_for_trails_is_an_error(wire: Wire) -> None:
    text = json.dumps({"__type": "AccessDeniedException", "message": "no"}).encode()
    wire.faults.append((re.compile("DescribeTrails"), 1 << 30, partial(response, 400, text, len(text))))
    with pytest.raises(AwsError) as caught:
        open_source("auto")
    assert caught.value.code == "PG-E110"
    assert "may not call cloudtrail:DescribeTrails" in caught.value.message


def test_auto_takes_nothing_more() -> None:
    with pytest.raises(UsageError) as caught:
        open_source("auto:x")
    assert caught.value.code == "PG-E202"


# --- A server that is not to be trusted ----------------------------------------------------------


class Endless:
    """A client whose listings give these pages in turn: keys, and the token of the next page."""

    def __init__(self, pages: Iterator[tuple[list[str], str]], *, folders: bool = False) -> None:
        self.pages, self.folders, self.asked = pages, folders, 0
        self.meta = SimpleNamespace(partition="aws")

    def list_objects_v2(self, **asked: Any) -> dict[str, Any]:
        self.asked += 1
        assert self.asked < 50
        if ("Delimiter" in asked) != self.folders:
            return {}
        names, token = next(self.pages)
        more = {"IsTruncated": True, "NextContinuationToken": token} if token else {}
        if self.folders:
            return {"CommonPrefixes": [{"Prefix": f"x/{name}/"} for name in names], **more}
        return {"Contents": [{"Key": f"x/{name}.json.gz", "Size": 1} for name in names], **more}


def broken_listings(client: Endless, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The damage of a bucket that a client lists."""
    monkeypatch.setattr("policygen.logs.sources.s3.client.client_of", lambda _: client)
    found = objects("s3://copies/x/")
    return [one.damage.reason for one in found if isinstance(one, Batch) and one.damage]


NO_END = "its listing is broken: it repeats a page, so it has no end"


@pytest.mark.parametrize("folders", [False, True], ids=["files", "folders"])
@pytest.mark.parametrize("tokens", ["a", "ab", "abc"], ids=["one token", "two in turn", "three in turn"])
def test_a_listing_that_repeats_its_tokens_ends_with_an_error(
    tokens: str, folders: bool, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = itertools.count()
    pages = (([f"{next(number):05}"], token) for token in itertools.cycle(tokens))
    assert broken_listings(Endless(pages, folders=folders), monkeypatch) == [NO_END]


def test_a_listing_that_repeats_its_page_under_new_tokens_ends_too(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = ((["a"], f"t{number}") for number in itertools.count())
    assert broken_listings(Endless(pages), monkeypatch) == [NO_END]


def test_a_listing_that_says_more_and_not_how_is_not_taken_for_the_end(wire: Wire) -> None:
    put("copies", "x/a.json.gz")
    text = b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"
    wire.faults.append((re.compile(r"^list .*x/$"), 1 << 30, partial(response, 200, text, len(text))))
    with pytest.raises(AwsError, match="not how to go on"):
        objects("s3://copies/x/")


@pytest.mark.parametrize("came", [BODY[:-8], BODY + b"\0", b""], ids=["shorter", "longer", "nothing"])
def test_what_comes_is_compared_with_what_was_listed(wire: Wire, came: bytes) -> None:
    key = key_of(ACCOUNTS[0], "eu-west-1", "2026-11-24")
    put("trail", key)
    wire.faults.append((re.compile(r"\.gz$"), 1 << 30, lambda: response(200, came, len(came))))
    (batch,) = open_source("s3://trail").read(EVERYTHING)
    assert batch.damage is not None
    assert batch.damage.reason == f"{len(BODY):,} bytes were listed, and {len(came):,} came"
    assert list(batch.records) == []
