"""`--verify-digests` as a user meets it: copies in folders, and a bucket of moto with keys of the test's own."""

from __future__ import annotations

import base64
import gzip
import json
import os
import pickle
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
from moto import mock_aws
from moto.cloudtrail.responses import CloudTrailResponse
from moto.core.exceptions import JsonRESTError
from moto.s3.models import s3_backends

import policygen.cli.app
import policygen.logs.chunk
import policygen.logs.reader
from policygen.account.required_permissions import NEEDS, actions
from policygen.logs.source import LogObject, Scope
from policygen.logs.sources.files import FileReader, FileSource, read_file
from policygen.logs.sources.s3.client import drop_clients
from policygen.logs.verify.chain import DigestWindow, add_hours
from policygen.logs.verify.verification import verify
from policygen.logs.verify.verified_source import VerifiedSource, unproved_batches, verify_source
from tests.logs.test_digests import (
    ACCOUNT,
    BUCKET,
    DAY,
    ELSEWHERE,
    HERE,
    Trail,
    der,
    edited,
    fingerprint,
    keys,
    sha256,
)
from tests.logs.test_s3 import MOTO
from tests.support.records import record


class Workload(Trail):
    """A trail of whose log files each holds one call of the role ``orders``, of a table of its own."""

    def log(self, time: str) -> str:
        number, key = len(self.logs), super().log(time)
        event = {
            "source": "dynamodb",
            "name": "GetItem",
            "params": {"tableName": f"carts{number:02}"},
            "time": time,
            "account": key.split("/")[1],
        }
        self.logs[key] = gzip.compress(json.dumps({"Records": [record(event, number)]}).encode(), mtime=0)
        return key


class Done(NamedTuple):
    """What a command left."""

    code: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def policygen_(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs a command in this process, where moto is, with a cache of its own."""
    monkeypatch.setenv("POLICYGEN_CACHE", str(tmp_path / "cache"))

    def run(*words: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["policygen", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            policygen.cli.app.main()
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    return run


def tables(done: Done) -> list[int]:
    """The numbers of the log files that the policy on stdout was made of."""
    return sorted(int(number) for number in re.findall(r"table/carts(\d\d)", done.stdout))


# --- Copies in a folder --------------------------------------------------------------------------


class Folder:
    """Copies of a trail and of its public keys. Of the newest digest a copy has no signature."""

    def __init__(self, at: Path, trail: Workload) -> None:
        self.at, self.trail, self.logs, self.keys = at, trail, at / "trail", at / "keys"
        self.write()
        self.keep({HERE: der(HERE), ELSEWHERE: der(ELSEWHERE)})

    def write(self) -> None:
        shutil.rmtree(self.logs, ignore_errors=True)
        for key, data in [*self.trail.logs.items(), *((one.key, one.data) for one in self.trail.digests)]:
            path = self.logs / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def keep(self, held: dict[str, bytes]) -> None:
        self.keys.mkdir(exist_ok=True)
        for region, key in held.items():
            row = {"Value": base64.b64encode(key).decode(), "Fingerprint": fingerprint(region)}
            (self.keys / f"{region}.json").write_text(json.dumps({"PublicKeyList": [row]}))

    def log(self, number: int) -> Path:
        return self.logs / list(self.trail.logs)[number]

    def digest(self, number: int) -> Path:
        return self.logs / self.trail.digests[number].key

    @property
    def words(self) -> list[str | Path]:
        return ["-l", self.logs, "--verify-digests", "--public-keys", self.keys]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Two log files an hour from 8 to 12 o'clock, and one hour more that hands the last signature on."""
    return Folder(tmp_path, Workload().run(8, 4).run(12, 1, logs=0))


SUGGEST = ("suggest", "-r", "orders", "-f", "policy")


def test_the_policy_of_verified_logs_is_the_same_as_without(folder: Folder, policygen_: Run) -> None:
    plain = policygen_(*SUGGEST, "-l", folder.logs)
    done = policygen_(*SUGGEST, *folder.words)
    assert (done.code, done.stdout) == (0, plain.stdout)
    assert tables(done) == list(range(8))
    assert done.stderr.splitlines()[:2] == [
        "reading the digests of 8 log files",
        "digests: 8 of 8 log files listed by valid digests",
    ]
    *rest, saved = done.stderr.splitlines()[2:]
    assert rest == plain.stderr.splitlines()[:-1]
    assert saved.startswith("Plan saved, in place of the one made without these options")


def altered(folder: Folder) -> None:
    path = folder.log(2)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b"carts02", b"carts99")))


def trailing(folder: Folder) -> None:
    with folder.log(2).open("ab") as stream:
        stream.write(gzip.compress(b'{"Records": []}'))


def altered_digest(folder: Folder) -> None:
    folder.digest(1).write_bytes(edited(folder.trail.digests[1], logFiles=[]).data)


def forged_chain(folder: Folder) -> None:
    """A log is altered, and so are its digest and all later ones; only signatures cannot be made."""
    altered(folder)
    digests = folder.trail.digests
    listed = json.loads(gzip.decompress(digests[1].data))["logFiles"]
    listed[0]["hashValue"] = sha256(gzip.decompress(folder.log(2).read_bytes()))
    forged = edited(digests[1], logFiles=listed)
    folder.digest(1).write_bytes(forged.data)
    for number in (2, 3, 4):
        forged = edited(digests[number], previousDigestHashValue=sha256(gzip.decompress(forged.data)))
        folder.digest(number).write_bytes(forged.data)


def added(folder: Folder) -> None:
    key = folder.trail.log("2026-11-03T09:30:00Z")
    folder.log(8).write_bytes(folder.trail.logs[key])


TAMPERING: dict[str, tuple[Callable[[Folder], None], str, list[int]]] = {
    "an altered log": (altered, "the log differs from its digest: its SHA-256 begins ", [2]),
    "bytes after a log": (trailing, "the log differs from its digest: ", [2]),
    "a log that is gone": (
        lambda folder: folder.log(2).unlink(),
        "a digest lists it, but it is not there",
        [2],
    ),
    "a log that no digest lists": (
        added,
        "no digest lists it, though those of its time are there",
        [8],
    ),
    "an altered digest": (
        altered_digest,
        "the digest is invalid: differs from the hash in the digest after it",
        [2, 3],
    ),
    "a missing digest": (lambda folder: folder.digest(1).unlink(), "is missing: ", [2, 3]),
    "a whole chain forged but for the signatures": (
        forged_chain,
        "its signature is wrong",
        [2, 3, 4, 5, 6, 7],
    ),
}


@pytest.mark.parametrize("case", TAMPERING)
def test_what_was_tampered_with_stops_the_run_and_is_never_read(
    case: str, folder: Folder, policygen_: Run
) -> None:
    change, reason, lost = TAMPERING[case]
    change(folder)
    stopped = policygen_(*SUGGEST, *folder.words)
    assert (stopped.code, stopped.stdout) == (3, "")
    assert reason in stopped.stderr
    assert "PG-W311, exit 3" in stopped.stderr
    going_on = policygen_(*SUGGEST, *folder.words, "--allow-incomplete")
    assert going_on.code == 0
    assert tables(going_on) == [number for number in range(8) if number not in lost]
    assert [line for line in going_on.stderr.splitlines() if line.startswith("warning: ") and reason in line]


@pytest.mark.parametrize("words", [("-f", "json"), ("-f", "text")])
def test_what_goes_on_says_in_the_result_what_it_goes_without(
    words: tuple[str, ...], folder: Folder, policygen_: Run
) -> None:
    altered(folder)
    done = policygen_("suggest", "-r", "orders", *folder.words, "--allow-incomplete", *words)
    assert done.code == 0
    assert "the log differs from its digest" in " ".join(done.stdout.split())


def test_a_key_that_signed_nothing_here_proves_nothing(folder: Folder, policygen_: Run) -> None:
    folder.keep({HERE: der(ELSEWHERE)})
    stopped = policygen_(*SUGGEST, *folder.words)
    assert (stopped.code, stopped.stdout) == (3, "")
    assert "the digest is invalid: its signature is wrong" in stopped.stderr
    # Not one log file is left to make a policy of.
    none = policygen_(*SUGGEST, *folder.words, "--allow-incomplete")
    assert (none.code, none.stdout) == (3, "")
    assert "error: no record was read: " in none.stderr
    assert "the digest is invalid: its signature is wrong  PG-W311, exit 3" in none.stderr


@pytest.mark.parametrize("command", ["check", "explain", "doctor"])
def test_every_command_that_reads_logs_verifies_them(command: str, folder: Folder, policygen_: Run) -> None:
    policy = folder.at / "policy.json"
    policy.write_text(policygen_(*SUGGEST, *folder.words).stdout)
    words: dict[str, tuple[str | Path, ...]] = {
        "check": ("check", policy, "-r", "orders"),
        "explain": ("explain", "dynamodb:GetItem", "-r", "orders"),
        "doctor": ("doctor",),
    }
    plain = policygen_(*words[command], "-l", folder.logs)
    done = policygen_(*words[command], *folder.words)
    assert (done.code, done.stdout) == (plain.code, plain.stdout) == (0, plain.stdout)
    altered(folder)
    stopped = policygen_(*words[command], *folder.words)
    assert (stopped.code, stopped.stdout) == (3, "")
    assert "PG-W311, exit 3" in stopped.stderr
    going_on = policygen_(*words[command], *folder.words, "--allow-incomplete")
    assert going_on.code == 0
    told = going_on.stdout if command == "doctor" else going_on.stderr
    assert "the log differs from its digest" in " ".join(told.split())


def test_without_keys_nothing_is_proved_and_hashes_are_checked_all_the_same(
    folder: Folder, policygen_: Run
) -> None:
    words = ["-l", folder.logs, "--verify-digests"]
    stopped = policygen_(*SUGGEST, *words)
    assert (stopped.code, stopped.stdout) == (3, "")
    assert "5 digests: their signatures were not checked: --public-keys FOLDER" in stopped.stderr
    assert "PG-W312, exit 3" in stopped.stderr
    accepted = policygen_(*SUGGEST, *words, "--allow-incomplete")
    assert (accepted.code, tables(accepted)) == (0, list(range(8)))
    assert "warning: not proved: 5 digests: their signatures were not checked" in accepted.stderr
    altered(folder)
    stopped = policygen_(*SUGGEST, *words)
    assert (stopped.code, "the log differs from its digest" in stopped.stderr) == (3, True)


# --- What no digest speaks of --------------------------------------------------------------------


def advised(done: Done) -> str:
    """The end of a window that an error advises; all must advise the same."""
    (until,) = set(re.findall(r"--until (\S+) ends the window before it", done.stderr))
    return str(until)


def test_the_newest_hour_has_no_digest_yet_and_the_error_says_where_to_end(
    tmp_path: Path, policygen_: Run
) -> None:
    trail = Workload().run(8, 4)
    trail.log("2026-11-03T12:20:00Z")
    folder = Folder(tmp_path, trail)
    stopped = policygen_(*SUGGEST, *folder.words)
    assert (stopped.code, stopped.stdout) == (3, "")
    # Of a copy the newest digest has no signature, so that what it lists is not proved either.
    copied = f"{ACCOUNT} us-east-1 2026-11-03T11:01:31Z to 2026-11-03T12:01:31Z, with 2 log files"
    assert f"error: no digest proves {copied}: its signature is in the metadata of S3 only" in stopped.stderr
    assert "T1220Z_0000000000000008.json.gz: no digest speaks of its time: --until" in stopped.stderr
    assert "PG-W312, exit 3" in stopped.stderr
    assert advised(stopped) == "2026-11-03T10:31:00Z"
    proved = policygen_(*SUGGEST, *folder.words, "--until", advised(stopped))
    assert (proved.code, tables(proved)) == (0, list(range(6)))
    assert "passed over 4 digest, 3 no-digest" in proved.stderr
    assert "gap" not in proved.stderr
    accepted = policygen_(*SUGGEST, *folder.words, "--allow-incomplete")
    assert (accepted.code, tables(accepted)) == (0, list(range(9)))
    assert "warning: not proved: " in accepted.stderr


def test_a_time_without_validation_is_explained_stretch_by_stretch(tmp_path: Path, policygen_: Run) -> None:
    trail = Workload().run(8, 2)
    trail.log("2026-11-03T11:20:00Z")
    trail.last.clear()
    folder = Folder(tmp_path, trail.run(13, 2).run(15, 1, logs=0))
    stopped = policygen_(*SUGGEST, *folder.words)
    assert (stopped.code, stopped.stdout) == (3, "")
    between = f"{ACCOUNT} us-east-1 2026-11-03T10:01:31Z to 2026-11-03T13:01:31Z, with 1 log file"
    assert f"{between}: no digest: validation or logging was off" in stopped.stderr
    # The first of the two chains ends with a copy that nobody hands a signature on for.
    assert "2026-11-03T09:01:31Z to 2026-11-03T10:01:31Z, with 2 log files: its signature" in stopped.stderr
    assert "ends the window before it" not in stopped.stderr
    accepted = policygen_(*SUGGEST, *folder.words, "--allow-incomplete")
    assert tables(accepted) == list(range(9))


def test_a_file_with_a_name_of_its_own_is_not_proved(folder: Folder, policygen_: Run) -> None:
    (folder.logs / "export\x1b[2J.json").write_bytes(gzip.decompress(folder.log(0).read_bytes()))
    stopped = policygen_(*SUGGEST, *folder.words)
    assert stopped.code == 3
    assert (
        "error: no digest proves export\\x1b[2J.json: its name is not one that a trail gives"
        in stopped.stderr
    )


def test_without_one_digest_the_flag_is_an_error_and_what_to_do_is_said(
    folder: Folder, policygen_: Run
) -> None:
    shutil.rmtree(folder.logs / "AWSLogs" / ACCOUNT / "CloudTrail-Digest")
    for more in ([], ["--allow-incomplete"]):
        done = policygen_(*SUGGEST, *folder.words, *more)
        assert (done.code, done.stdout) == (3, "")
        assert "no digest covers any of 8 log files  PG-E331" in done.stderr


def test_a_stretch_for_which_another_trail_vouches_is_proved(tmp_path: Path, policygen_: Run) -> None:
    trail = Workload().run(8, 5).run(13, 1, logs=0)
    stopped = Workload(name="stopped", logs=dict(trail.logs))
    stopped.digest("2026-11-03T09:01:31Z", list(trail.logs)[:2])
    stopped.digest("2026-11-03T10:01:31Z", [])
    trail.digests += stopped.digests
    folder = Folder(tmp_path, trail)
    done = policygen_(*SUGGEST, *folder.words, "--until", "2026-11-03T12:31:00Z")
    assert (done.code, tables(done)) == (0, list(range(10)))


def test_what_is_delivered_soon_after_the_window_is_missed_and_what_comes_later_is_not() -> None:
    trail = Trail().run(8, 2)
    until = DAY._replace(until="2026-11-03T08:50:00Z")
    near = list(trail.logs)[2]  # 09:07, seventeen minutes after the end
    far = list(trail.logs)[3]  # 09:13
    left = [one for one in trail.objects() if one.name not in (near, far)]
    found = verify(left, trail.digests, keys(), until)
    assert list(found.missing) == [near.rpartition("/")[2].removesuffix(".gz")]


def test_regions_whose_newest_digests_differ_get_one_advice() -> None:
    here, there = Trail().run(8, 5), Trail(region=ELSEWHERE).run(8, 3)
    for one in (here, there):
        one.log("2026-11-03T13:30:00Z")
    logs = [*here.objects(), *there.objects()]
    asked = DigestWindow("", "2026-11-04T00:20:00Z")
    found = verify(logs, [*here.digests, *there.digests], keys(), DAY)
    reasons = [batch.unproved for batch in unproved_batches(found, logs, asked)]
    advice = [reason.rpartition(": ")[2] for reason in reasons if "later digest" in reason]
    assert advice == ["--until 2026-11-03T10:31:00Z ends the window before it"] * 2
    # A region that fell silent long before is no question of waiting.
    asleep = verify(logs, [*here.digests, *there.digests[:1]], keys(), DAY)
    told = {batch.name.split()[1]: batch.unproved for batch in unproved_batches(asleep, logs, asked)}
    assert told[HERE].endswith("--until 2026-11-03T12:31:00Z ends the window before it")
    assert told[ELSEWHERE].endswith("validation was turned off")


def test_what_no_other_end_of_the_window_would_prove_gets_no_advice() -> None:
    trail = Trail().run(8, 4)
    trail.log("2026-11-03T11:20:00Z")  # perhaps it is listed at 13 o'clock
    logs = trail.objects()
    found = verify(logs, trail.digests, keys(), DAY)
    for end, advised in (("2026-11-03T11:52:00Z", True), ("2026-11-03T11:51:00Z", False)):
        told = [
            one for one in unproved_batches(found, logs, DigestWindow("", end)) if "2026" in one.name[:-40]
        ]
        assert [
            one.unproved.endswith("ends the window before it") for one in told if "T1120Z" in one.name
        ] == [advised]


# --- Cache and processes -------------------------------------------------------------------------


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What little there is is kept, too; gives the names of the files that are read."""
    monkeypatch.setattr(policygen.logs.reader, "MIN_CACHED_BYTES", 0)
    read: list[str] = []

    def reading(one: LogObject) -> Iterator[Any]:
        read.append(one.name)
        return read_file(one)

    monkeypatch.setattr("policygen.logs.sources.files.read_file", reading)
    return read


def until_next_day(folder: Folder) -> list[str | Path]:
    """Words that make a run keep what it reads: whole days before the window's last."""
    return [*folder.words, "--until", "2026-11-05", "--allow-incomplete"]


def same_size_and_time(path: Path, old: bytes, new: bytes) -> None:
    """Alters a log so that neither its size nor its time tells."""
    before, data = path.stat(), path.read_bytes()
    content = gzip.decompress(data).replace(old, new)
    packed = next(
        one for level in range(10) if len(one := gzip.compress(content, level, mtime=0)) == len(data)
    )
    with path.open("r+b") as stream:
        stream.write(packed)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (
        before.st_size,
        before.st_mtime_ns,
        before.st_ino,
    )


def test_a_second_run_reads_nothing_again_and_still_finds_an_altered_file(
    folder: Folder, policygen_: Run, kept: list[str]
) -> None:
    words = until_next_day(folder)
    first = policygen_(*SUGGEST, *words)
    assert (len(kept), tables(first)) == (8, list(range(8)))
    kept.clear()
    second = policygen_(*SUGGEST, *words)
    assert (kept, second.stdout) == ([], first.stdout)
    same_size_and_time(folder.log(2), b"carts02", b"carts20")
    third = policygen_(*SUGGEST, *words)
    assert "the log differs from its digest" in third.stderr
    assert tables(third) == [0, 1, 3, 4, 5, 6, 7]


def test_what_was_kept_without_digests_does_not_count_as_verified(
    folder: Folder, policygen_: Run, kept: list[str]
) -> None:
    altered(folder)
    plain = policygen_(*SUGGEST, "-l", folder.logs, "--until", "2026-11-05")
    assert 99 in tables(plain)
    kept.clear()
    policygen_(*SUGGEST, "-l", folder.logs, "--until", "2026-11-05")
    assert kept == []  # it is kept
    done = policygen_(*SUGGEST, *until_next_day(folder))
    assert "the log differs from its digest" in done.stderr
    assert tables(done) == [0, 1, 3, 4, 5, 6, 7]


def test_processes_check_what_they_read(
    folder: Folder, policygen_: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MIN_CACHED_BYTES", "MIN_PARALLEL_BYTES"):
        monkeypatch.setattr(policygen.logs.reader, name, 0)
    monkeypatch.setattr(policygen.logs.chunk, "CHUNK_OBJECTS", 3)
    whole = policygen_(*SUGGEST, *folder.words, "-j", "2")
    assert (whole.code, tables(whole)) == (0, list(range(8)))
    altered(folder)
    stopped = policygen_(*SUGGEST, *folder.words, "-j", "2")
    assert (stopped.code, stopped.stdout) == (3, "")
    assert "the log differs from its digest" in stopped.stderr


def test_an_object_takes_no_more_along_than_its_own_hashes(folder: Folder) -> None:
    said: list[str] = []
    source = verify_source(FileSource([folder.logs]), folder.keys, said.append)
    assert isinstance(source, VerifiedSource)
    assert isinstance(source.reader, FileReader)
    objects = [one for one in source.objects() if isinstance(one, LogObject)]
    assert [len(one.hashes) for one in objects] == [1] * 8
    assert max(len(pickle.dumps(one)) for one in objects) < 1_000
    assert list(source.objects()) == list(source.objects())
    assert said.count("reading the digests of 8 log files") == 1  # the same is verified once


# --- A bucket ------------------------------------------------------------------------------------


class Cloud:
    """What CloudTrail was asked for: the regions of which somebody wanted the keys."""

    def __init__(self) -> None:
        self.regions: list[str] = []
        self.refuses = False

    def list_public_keys(self, asked: CloudTrailResponse) -> str:
        self.regions.append(asked.region)
        if self.refuses:
            raise JsonRESTError("AccessDeniedException", "no")
        row = {
            "Value": base64.b64encode(der(asked.region)).decode(),
            "Fingerprint": fingerprint(asked.region),
        }
        return json.dumps({"PublicKeyList": [row]})


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """S3 of moto, and its CloudTrail, which knows no keys by itself."""
    made = Cloud()
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", HERE)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent/config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")
    monkeypatch.setattr(
        "policygen.logs.sources.s3.fetch.find_spec", lambda _: None
    )  # obstore's Rust passes moto by

    def asked(self: CloudTrailResponse) -> str:
        return made.list_public_keys(self)

    monkeypatch.setattr(CloudTrailResponse, "list_public_keys", asked, raising=False)
    with mock_aws():
        drop_clients()
        yield made
    drop_clients()


class Bucket:
    """A trail's bucket."""

    def __init__(self, trail: Workload) -> None:
        self.trail = trail
        self.backend = s3_backends[MOTO]["aws"]
        self.backend.create_bucket(BUCKET, HERE)
        for key, data in trail.logs.items():
            self.put(key, data)
        client = boto3.client("s3")
        for one in trail.digests:
            client.put_object(
                Bucket=BUCKET, Key=one.key, Body=one.data, Metadata={"signature": one.signature or ""}
            )

    def put(self, key: str, data: bytes) -> None:
        self.backend.put_object(BUCKET, key, data)

    def delete(self, key: str) -> None:
        self.backend.delete_object(BUCKET, key)


def a_day() -> Workload:
    """One log file an hour, from midnight to one o'clock in the afternoon."""
    return Workload().run(-1, 14, logs=1)


NOON = ("--days", "1", "--until", "2026-11-03T12:31:00Z", "--verify-digests")


def test_a_bucket_is_verified_and_its_policy_is_the_same(cloud: Cloud, policygen_: Run) -> None:
    Bucket(a_day())
    words = [*SUGGEST, "-l", f"s3://{BUCKET}"]
    plain = policygen_(*words, *NOON[:-1])
    assert cloud.regions == []
    done = policygen_(*words, *NOON)
    assert (done.code, done.stdout) == (0, plain.stdout)
    assert tables(done) == list(range(1, 14))  # that of 23:07 is of the day before
    assert cloud.regions == [HERE]
    assert "digests: 13 of 13 log files listed by valid digests" in done.stderr


BUCKET_TAMPERING: dict[str, tuple[Callable[[Bucket], None], str, list[int]]] = {
    "an altered log": (
        lambda one: one.put(list(one.trail.logs)[5], gzip.compress(b'{"Records": []}')),
        "the log differs from its digest",
        [5],
    ),
    "bytes after a log": (
        lambda one: one.put(list(one.trail.logs)[5], [*one.trail.logs.values()][5] + b"\0"),
        "1 bytes follow the gzip stream",
        [5],
    ),
    "a log that is gone": (
        lambda one: one.delete(list(one.trail.logs)[5]),
        "a digest lists it, but it is not there",
        [5],
    ),
    "a log that no digest lists": (
        lambda one: one.put(one.trail.log("2026-11-03T04:40:00Z"), [*one.trail.logs.values()][-1]),
        "no digest lists it",
        [],
    ),
    "a digest without a signature": (
        lambda one: one.put(one.trail.digests[5].key, one.trail.digests[5].data),
        "has no signature in its metadata",
        [5],
    ),
    "a missing digest": (lambda one: one.delete(one.trail.digests[5].key), "is missing: ", [5]),
}


@pytest.mark.parametrize("case", BUCKET_TAMPERING)
def test_what_was_tampered_with_in_a_bucket_stops_the_run_and_is_never_read(
    case: str, cloud: Cloud, policygen_: Run
) -> None:
    change, reason, lost = BUCKET_TAMPERING[case]
    change(Bucket(a_day()))
    words = [*SUGGEST, "-l", f"s3://{BUCKET}", *NOON]
    stopped = policygen_(*words)
    assert (stopped.code, stopped.stdout) == (3, "")
    assert reason in stopped.stderr
    going_on = policygen_(*words, "--allow-incomplete")
    assert going_on.code == 0
    assert tables(going_on) == [number for number in range(1, 14) if number not in lost]
    assert [line for line in going_on.stderr.splitlines() if line.startswith("warning: ") and reason in line]


def test_the_rest_of_the_day_has_no_digests_yet_and_the_advice_is_good(cloud: Cloud, policygen_: Run) -> None:
    trail = a_day()
    bucket = Bucket(trail)
    bucket.put(trail.log("2026-11-03T13:20:00Z"), [*trail.logs.values()][-1])
    words = [*SUGGEST, "-l", f"s3://{BUCKET}", "--days", "1", "--verify-digests"]
    stopped = policygen_(*words, "--until", "2026-11-03")
    assert (stopped.code, stopped.stdout) == (3, "")
    stretch = (
        "2026-11-03T13:01:31Z to 2026-11-04T00:00:00Z, with 1 log file: no later digest: not written yet"
    )
    assert stretch in stopped.stderr
    proved = policygen_(*words, "--until", advised(stopped))
    assert (proved.code, tables(proved)) == (0, list(range(1, 14)))
    assert "passed over 1 no-digest" in proved.stderr
    accepted = policygen_(*words, "--until", "2026-11-03", "--allow-incomplete")
    assert tables(accepted) == list(range(1, 15))


def test_a_second_run_still_finds_an_altered_object(cloud: Cloud, policygen_: Run) -> None:
    bucket = Bucket(a_day())
    words = [*SUGGEST, "-l", f"s3://{BUCKET}", "--days", "3", "--until", "2026-11-05"]
    words += ["--verify-digests", "--allow-incomplete"]
    first = policygen_(*words)
    again = policygen_(*words)
    assert tables(first) == tables(again) == list(range(1, 14))
    key = list(bucket.trail.logs)[5]
    bucket.put(key, gzip.compress(gzip.decompress(bucket.trail.logs[key]).replace(b"carts05", b"carts50")))
    third = policygen_(*words)
    assert "the log differs from its digest" in third.stderr
    assert tables(third) == [number for number in range(1, 14) if number != 5]


def test_the_trails_of_an_account_are_verified_too(
    cloud: Cloud, policygen_: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.logs.test_digests.ACCOUNT", MOTO)
    Bucket(a_day())
    client = boto3.client("cloudtrail", region_name=HERE)
    client.create_trail(Name="audit", S3BucketName=BUCKET, IsMultiRegionTrail=True)
    client.start_logging(Name="audit")
    done = policygen_(*SUGGEST, "-l", "auto", *NOON)
    assert (done.code, tables(done)) == (0, list(range(1, 14)))
    assert "digests: 13 of 13 log files listed by valid digests" in done.stderr


def test_keys_that_cloudtrail_refuses_are_an_error_that_names_the_action(
    cloud: Cloud, policygen_: Run
) -> None:
    Bucket(a_day())

    cloud.refuses = True
    done = policygen_(*SUGGEST, "-l", f"s3://{BUCKET}", *NOON)
    assert (done.code, done.stdout) == (5, "")
    assert "may not call cloudtrail:ListPublicKeys  PG-E110" in done.stderr
    assert "cloudtrail:ListPublicKeys" in actions(NEEDS["suggest --verify-digests"])


# --- What does not fit ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-l", "lookup:", "--verify-digests"], "this log source reads something else"),
        (["-l", "logs:group", "--verify-digests"], "this log source reads something else"),
        (["-l", "athena:db.table", "--verify-digests"], "this log source reads something else"),
        (["-l", f"s3://{BUCKET}", "--verify-digests", "--public-keys", "."], "--public-keys is for files"),
        (["-l", ".", "--public-keys", "."], "--public-keys without --verify-digests"),
    ],
)
def test_what_has_no_digests_is_refused(words: list[str], says: str, cloud: Cloud, policygen_: Run) -> None:
    done = policygen_(*SUGGEST, *words)
    assert (done.code, done.stdout) == (2, "")
    assert says in done.stderr
    assert "PG-E234, exit 2" in done.stderr


def test_a_folder_without_keys_is_refused(folder: Folder, policygen_: Run) -> None:
    done = policygen_(*SUGGEST, "-l", folder.logs, "--verify-digests", "--public-keys", folder.logs)
    assert done.code == 2
    assert "no public keys in" in done.stderr
    assert "PG-E232" in done.stderr


@pytest.mark.parametrize("logs", ["folder", f"s3://{BUCKET}"])
def test_without_cryptography_nothing_is_read_and_the_extra_is_named(
    logs: str, folder: Folder, policygen_: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    words = folder.words if logs == "folder" else ["-l", logs, "--verify-digests"]
    done = policygen_(*SUGGEST, *words)
    assert (done.code, done.stdout) == (2, "")
    assert "the package cryptography is not installed  PG-E231" in done.stderr
    assert "hint: pip install '.[verify]'" in done.stderr


def test_a_scope_with_a_time_ends_with_it() -> None:
    from policygen.logs.verify.verification import digest_window, widen_to_published

    scope = Scope("2026-11-03", "2026-11-03", until="2026-11-03T12:31:00Z")
    assert digest_window(scope) == DigestWindow("2026-11-03T00:00:00Z", "2026-11-03T12:31:00Z")
    late = LogObject("x", "x", day="2026-11-05")
    assert digest_window(widen_to_published(scope, [late])).end == add_hours("2026-11-05T00:00:00Z", 24)
