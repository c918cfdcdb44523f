"""Log file integrity validation: digests signed with the test's own keys, over logs of the test's own."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from moto import mock_aws

from policygen.account.aws_session import Aws
from policygen.errors import AwsError, IncompleteError, UsageError
from policygen.logs.decode.checksum import check_content, content_hash
from policygen.logs.decode.object_key import parse_log_name
from policygen.logs.source import Batch, Damage, LogObject, Scope
from policygen.logs.sources.files import FileSource
from policygen.logs.verify.chain import (
    DigestReport,
    DigestWindow,
    Hour,
    Keys,
    add_hours,
    check_chain,
    check_digests,
)
from policygen.logs.verify.digest import (
    Digest,
    DigestFile,
    parse_digest,
    parse_digest_name,
    signing_string,
    verify_signature,
)
from policygen.logs.verify.store import (
    load_keys,
    local_digests,
    public_keys,
    s3_digests,
    verify_files,
    verify_s3,
)
from policygen.logs.verify.verification import verify

ACCOUNT = "111122223333"
BUCKET = "trail-bucket"
HERE, ELSEWHERE = "us-east-1", "eu-west-1"
DAY = Scope("2026-11-03", "2026-11-03", ACCOUNT)

# --- A trail of the test's own -------------------------------------------------------------------


@cache
def private(region: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def der(region: str, form: PublicFormat = PublicFormat.PKCS1) -> bytes:
    return private(region).public_key().public_bytes(Encoding.DER, form)


def fingerprint(region: str) -> str:
    return hashlib.md5(der(region)).hexdigest()


def keys() -> Keys:
    return {region: {fingerprint(region): der(region)} for region in (HERE, ELSEWHERE)}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def compact(time: str) -> str:
    return time.replace("-", "").replace(":", "")


@dataclass
class Trail:
    """Writes logs and digests as CloudTrail does: logs first, then the digest of their hour."""

    region: str = HERE
    name: str = "audit"
    bucket: str = BUCKET
    logs: dict[str, bytes] = field(default_factory=dict)
    digests: list[DigestFile] = field(default_factory=list)
    last: dict[bool, tuple[str, str, str, str] | None] = field(default_factory=dict)

    def path(self, kind: str, time: str) -> str:
        return f"AWSLogs/{ACCOUNT}/{kind}/{self.region}/{time[:10].replace('-', '/')}"

    def log(self, time: str) -> str:
        number = len(self.logs)
        stamp = compact(time)[:13] + "Z"
        key = (
            f"{self.path('CloudTrail', time)}/{ACCOUNT}_CloudTrail_{self.region}_{stamp}_{number:016}.json.gz"
        )
        self.logs[key] = gzip.compress(json.dumps({"Records": [{"eventID": str(number)}]}).encode())
        return key

    def digest(self, end: str, logs: list[str], *, backfill: bool = False, **changes: Any) -> DigestFile:
        key = (
            f"{self.path('CloudTrail-Digest', end)}/{ACCOUNT}_CloudTrail-Digest_{self.region}_{self.name}"
            f"_{HERE}_{compact(end)}{'_backfill' * backfill}.json.gz"
        )
        bucket, previous, hash_value, signature = self.last.get(backfill) or (None, None, None, None)
        said = {
            "awsAccountId": ACCOUNT,
            "digestStartTime": add_hours(end, -1),
            "digestEndTime": end,
            "digestS3Bucket": self.bucket,
            "digestS3Object": key,
            "digestPublicKeyFingerprint": fingerprint(self.region),
            "digestSignatureAlgorithm": "SHA256withRSA",
            "newestEventTime": None,
            "oldestEventTime": None,
            "previousDigestS3Bucket": bucket,
            "previousDigestS3Object": previous,
            "previousDigestHashValue": hash_value,
            "previousDigestHashAlgorithm": "SHA-256" if previous else None,
            "previousDigestSignature": signature,
            "logFiles": [
                {
                    "s3Bucket": self.bucket,
                    "s3Object": log,
                    "hashValue": sha256(gzip.decompress(self.logs[log])),
                    "hashAlgorithm": "SHA-256",
                    "newestEventTime": end,
                    "oldestEventTime": end,
                }
                for log in logs
            ],
        } | changes
        text = json.dumps(said).encode()
        # As the user guide says it, apart from the code under test.
        lines = [said["digestEndTime"], f"{said['digestS3Bucket']}/{said['digestS3Object']}", sha256(text)]
        signed = "\n".join([*lines, said["previousDigestSignature"] or "null"]).encode()
        made = private(self.region).sign(signed, PKCS1v15(), SHA256()).hex()
        self.last[backfill] = (self.bucket, key, sha256(text), made)
        generated = "2026-11-09T10:20:30.000Z" if backfill else ""
        self.digests.append(DigestFile(key, gzip.compress(text), self.bucket, made, generated))
        return self.digests[-1]

    def run(self, first: int, hours: int, logs: int = 2) -> Trail:
        """Some hours of 3 November, each with some logs."""
        for hour in range(first, first + hours):
            start = add_hours("2026-11-03T00:01:31Z", hour)
            self.digest(add_hours(start, 1), [self.log(add_hours(start, 0.1 * n + 0.1)) for n in range(logs)])
        return self

    @property
    def newest_first(self) -> list[DigestFile]:
        return self.digests[::-1]

    def objects(self) -> list[LogObject]:
        return [
            LogObject(key, f"s3://{self.bucket}/{key}", len(data), "", True, *parse_log_name(key))
            for key, data in self.logs.items()
        ]

    def copies(self) -> list[DigestFile]:
        """Digests as copies in a folder, without metadata."""
        return [DigestFile(f"/copy/{one.key}", one.data) for one in self.digests]


def edited(one: DigestFile, **changes: Any) -> DigestFile:
    """A digest with other content, and all else as it was."""
    said = json.loads(gzip.decompress(one.data)) | changes
    return one._replace(data=gzip.compress(json.dumps(said).encode()))


def told(report: DigestReport) -> list[tuple[str, str, str]]:
    """(start as hour, status, reason) of what is not valid."""
    return [(hour.start[11:16], hour.status, hour.reason) for hour in report.hours if hour.status != "valid"]


@pytest.fixture
def trail() -> Trail:
    return Trail().run(8, 4)


# --- One file ------------------------------------------------------------------------------------


def test_the_hash_is_of_the_unpacked_content() -> None:
    for text in (b"", b"x" * 3_000_000, bytes(range(256)) * 9):
        assert content_hash(gzip.compress(text)) == content_hash(text) == sha256(text)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data + b"more", "4 bytes follow the gzip stream"),
        (lambda data: data + bytes(512), "512 bytes follow the gzip stream"),
        (lambda data: data + gzip.compress(b"more"), "bytes follow the gzip stream"),
        (lambda data: data[:-3], "gzip ends early"),
        (lambda data: data[:-9] + b"?" + data[-8:], "gzip is corrupt"),
        (lambda data: data[:-8] + b"????" + data[-4:], "gzip is corrupt"),
    ],
)
def test_a_file_is_one_gzip_stream_and_nothing_after_it(
    change: Callable[[bytes], bytes], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        content_hash(change(gzip.compress(b"content")))


def test_the_signing_string_is_that_of_the_user_guide(trail: Trail) -> None:
    first, second = trail.digests[:2]
    for one, previous in ((first, "null"), (second, first.signature)):
        name = parse_digest_name(one.key)
        assert name
        opened = parse_digest(one, name)
        assert isinstance(opened.digest, Digest)
        text = signing_string(opened.digest, opened.sha256).decode()
        expected = [
            add_hours(name.end, 0),
            f"{BUCKET}/{one.key}",
            sha256(gzip.decompress(one.data)),
            previous,
        ]
        assert text.split("\n") == expected


@pytest.mark.parametrize("form", [PublicFormat.PKCS1, PublicFormat.SubjectPublicKeyInfo])
def test_a_signature_needs_its_key_and_its_text(form: PublicFormat) -> None:
    signature = private(HERE).sign(b"text", PKCS1v15(), SHA256()).hex()
    assert verify_signature(der(HERE, form), b"text", signature)
    assert not verify_signature(der(ELSEWHERE, form), b"text", signature)
    assert not verify_signature(der(HERE, form), b"other", signature)
    assert not verify_signature(der(HERE, form), b"text", signature[:-2])
    assert not verify_signature(der(HERE, form), b"text", "no hex")
    assert not verify_signature(b"no key", b"text", signature)


def test_a_key_that_is_not_of_rsa_verifies_nothing() -> None:
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    public = other.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert not verify_signature(public, b"text", "00")


def test_without_cryptography_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(UsageError, match="cryptography is not installed") as caught:
        verify_signature(der(HERE), b"text", "00")
    assert caught.value.code == "PG-E231"
    assert "pip install '.[verify]'" in caught.value.hints[0]


def test_the_key_of_the_user_guide_is_read_and_has_its_fingerprint() -> None:
    # "Custom implementations of CloudTrail log file integrity validation", sample response of ListPublicKeys.
    text = (
        "MIIBCgKCAQEAn11L2YZ9h7onug2ILi1MWyHiMRsTQjfWE+pHVRLk1QjfWhirG+lpOa8NrwQ/r7Ah5bNL6HepznOU9XTDSfmmnP97mqyc"
        "7z/upfZdS/AHhYcGaz7n6Wc/RRBU6VmiPCrAUojuSk6/GjvA8iOPFsYDuBtviXarvuLPlrT9kAd4Lb+rFfR5peEgBEkhlzc5HuWO7S0y"
        "+KunqxX6jQBnXGMtxmPBPP0FylgWGNdFtks/4YSKcgqwH0YDcawP9GGGDAeCIqPWIXDLG1jOjRRzWfCmD0iJUkz8vTsn4hq/5ZxRFE7U"
        "BAUiVcGbdnDdvVfhF9C3dQiDq3k7adQIziLT0cShgQIDAQAB"
    )
    public = base64.b64decode(text)
    assert hashlib.md5(public).hexdigest() == "8eba5db5bea9b640d1c96a77256fe7f2"
    assert public[:9] == der(HERE)[:9]  # the same form as the test's own keys have


@pytest.mark.parametrize(
    "name",
    [
        f"{ACCOUNT}_CloudTrail_us-east-1_20261103T0815Z_0000000000000000.json.gz",
        f"{ACCOUNT}_CloudTrail-Digest_us-east-1_t_us-east-1_20261399T080131Z.json.gz",
        f"{ACCOUNT}_CloudTrail-Digest_us-east-1_t_us-east-1_20261103T080131Z.json.gz.part",
        "digest.json.gz",
    ],
)
def test_what_is_no_digest_by_its_name_is_none(name: str) -> None:
    assert parse_digest_name(name) is None
    assert check_digests([DigestFile(name, b"")], None) == DigestReport()


def test_a_name_tells_account_region_trail_kind_and_end() -> None:
    stem = f"x/{ACCOUNT}_CloudTrail-Digest_us-gov-west-1_my_trail-1_us-gov-east-1_20261103T080131Z"
    for suffix, backfill in ((".json.gz", False), (".json", False), ("_backfill.json.gz", True)):
        name = parse_digest_name(stem + suffix)
        assert name == (
            ACCOUNT,
            "us-gov-west-1",
            "my_trail-1_us-gov-east-1",
            backfill,
            "2026-11-03T08:01:31Z",
        )


# --- A chain -------------------------------------------------------------------------------------


def test_a_whole_chain_is_valid_hour_by_hour(trail: Trail) -> None:
    report = check_chain(trail.newest_first, keys())
    assert [(hour.start, hour.end) for hour in report.hours] == [
        (f"2026-11-03T{hour:02}:01:31Z", f"2026-11-03T{hour + 1:02}:01:31Z") for hour in range(8, 12)
    ]
    assert {(hour.status, hour.signed, hour.region) for hour in report.hours} == {("valid", True, HERE)}
    assert len(report.logs) == 8
    assert all(verdict.status == "valid" for verdict in report.logs.values())


def test_hours_without_a_log_are_valid_too() -> None:
    report = check_chain(Trail().run(8, 3, logs=0).newest_first, keys())
    assert [hour.status for hour in report.hours] == ["valid"] * 3


def without(number: int) -> Callable[[list[DigestFile]], list[DigestFile]]:
    return lambda files: files[:number] + files[number + 1 :]


def changed(
    number: int, change: Callable[[DigestFile], DigestFile]
) -> Callable[[list[DigestFile]], list[DigestFile]]:
    return lambda files: [change(one) if place == number else one for place, one in enumerate(files)]


# The digests are those that end at 09, 10, 11 and 12 o'clock.
TAMPERING: dict[str, tuple[Callable[[list[DigestFile]], list[DigestFile]], str, str]] = {
    "a digest in the middle is gone": (without(1), "09:01", "is missing: "),
    "two digests are gone": (lambda files: [files[0], files[3]], "09:01", "is missing: "),
    "the newest is altered": (
        changed(3, lambda one: edited(one, logFiles=[])),
        "11:01",
        "signature is wrong",
    ),
    "one in the middle is altered": (
        changed(1, lambda one: edited(one, logFiles=[])),
        "09:01",
        "differs from the hash in the digest after it",
    ),
    "its time is altered": (
        changed(3, lambda one: edited(one, digestEndTime="2026-11-03T23:00:00Z")),
        "11:01",
        "signature is wrong",
    ),
    "it points to another one before": (
        changed(3, lambda one: edited(one, previousDigestS3Object=None, previousDigestSignature=None)),
        "11:01",
        "signature is wrong",
    ),
    "the hash of the one before is altered": (
        changed(3, lambda one: edited(one, previousDigestHashValue="0" * 64)),
        "11:01",
        "signature is wrong",
    ),
    "it has the signature of another": (
        lambda files: [*files[:3], files[3]._replace(signature=files[2].signature)],
        "11:01",
        "signature is wrong",
    ),
    "it has no signature": (changed(3, lambda one: one._replace(signature="")), "11:01", "no signature"),
    "its signature is no hex": (
        changed(3, lambda one: one._replace(signature="ü")),
        "11:01",
        "signature is wrong",
    ),
    "it lies under another key": (
        changed(3, lambda one: one._replace(key=f"moved/{one.key}")),
        "11:01",
        "another place than it says: s3://trail-bucket/AWSLogs",
    ),
    "it lies in another bucket": (
        changed(3, lambda one: one._replace(bucket="other")),
        "11:01",
        "another place than it says",
    ),
    "an older one is given again under a new name": (
        lambda files: [*files, files[0]._replace(key=files[3].key.replace("T120131Z", "T130131Z"))],
        "12:01",
        "another place than it says",
    ),
    "bytes follow it": (
        changed(1, lambda one: one._replace(data=one.data + b"x")),
        "09:01",
        "1 bytes follow",
    ),
    "it is cut": (changed(1, lambda one: one._replace(data=one.data[:-20])), "09:01", "cannot be read"),
    "it is no JSON": (changed(1, lambda one: one._replace(data=b"{")), "09:01", "cannot be read"),
    "it is other JSON": (changed(1, lambda one: one._replace(data=b"{}")), "09:01", "cannot be read"),
    "its times are no times": (
        changed(1, lambda one: edited(one, digestStartTime="\x1b[2J")),
        "09:01",
        "has a time that cannot be read",
    ),
    "its algorithm is another": (
        changed(3, lambda one: edited(one, digestSignatureAlgorithm="none")),
        "11:01",
        "is signed by none, not SHA256withRSA",
    ),
}


@pytest.mark.parametrize("case", TAMPERING)
def test_tampering_with_digests_is_invalid_and_the_rest_stays_valid(case: str, trail: Trail) -> None:
    change, start, reason = TAMPERING[case]
    report = check_digests(change(trail.digests), keys())
    found = told(report)
    assert [(at, status) for at, status, _ in found] == [(start, "invalid")]
    assert reason in found[0][2]
    assert found[0][2].isprintable()


def test_a_previous_hash_that_does_not_match_is_invalid_though_both_are_signed(trail: Trail) -> None:
    trail.digest("2026-11-03T13:01:31Z", [], previousDigestHashValue="0" * 64)
    assert told(check_digests(trail.digests, keys())) == [
        ("11:01", "invalid", "differs from the hash in the digest after it")
    ]


@pytest.mark.parametrize("held", [{}, {HERE: {}}, {ELSEWHERE: {"here": b""}}])
def test_a_digest_whose_key_is_not_known_is_invalid(held: Keys, trail: Trail) -> None:
    reasons = {(status, reason) for _, status, reason in told(check_digests(trail.digests, held))}
    assert reasons == {("invalid", f"no public key of us-east-1 has the fingerprint {fingerprint(HERE)}")}


def test_the_key_of_another_region_or_of_nobody_signs_nothing(trail: Trail) -> None:
    swapped = {HERE: keys()[ELSEWHERE], ELSEWHERE: keys()[HERE]}
    assert {status for _, status, _ in told(check_digests(trail.digests, swapped))} == {"invalid"}
    wrong = {HERE: {fingerprint(HERE): der(ELSEWHERE)}}
    assert {reason for *_, reason in told(check_digests(trail.digests, wrong))} == {"its signature is wrong"}


def test_a_digest_that_none_refers_to_is_invalid_though_its_hashes_are_right(trail: Trail) -> None:
    forged = Trail(name=trail.name)
    log = forged.log("2026-11-03T10:20:00Z")
    forged.digest("2026-11-03T10:30:00Z", [log])
    report = check_digests([*trail.digests, *forged.digests], None)
    assert told(report) == [("09:30", "invalid", "no later digest refers to it")]
    assert report.logs[log.rpartition("/")[2].removesuffix(".gz")].status == "invalid"


def test_copies_of_a_digest_are_one_and_of_two_that_differ_one_is_invalid(trail: Trail) -> None:
    assert told(check_digests([*trail.digests, *trail.digests], keys())) == []
    both = [*trail.digests, edited(trail.digests[2], logFiles=[])]
    assert [(start, status) for start, status, _ in told(check_digests(both, keys()))] == [
        ("10:01", "invalid")
    ]


def test_a_chain_that_starts_again_leaves_a_gap_and_no_suspicion(trail: Trail) -> None:
    trail.last.clear()
    trail.run(15, 2)
    report = check_digests(trail.digests, keys())
    assert told(report) == [("12:01", "gap", "no digest: validation or logging was off")]
    assert [(hour.start[11:13], hour.end[11:13]) for hour in report.hours if hour.status == "gap"] == [
        ("12", "15")
    ]


def test_a_chain_that_starts_again_at_once_leaves_no_gap(trail: Trail) -> None:
    trail.last.clear()
    assert told(check_digests(trail.run(12, 2).digests, keys())) == []


def test_the_window_before_the_first_and_after_the_last_digest_is_a_gap(trail: Trail) -> None:
    report = check_digests(
        trail.digests, keys(), DigestWindow("2026-11-03T00:00:00Z", "2026-11-04T00:00:00Z")
    )
    assert told(report) == [
        ("00:00", "gap", "no digest: validation or logging was off"),
        ("12:01", "gap", "no later digest: not written yet, or validation was turned off"),
    ]


def test_before_the_window_no_digest_is_missed_and_in_it_the_oldest_is(trail: Trail) -> None:
    later = trail.digests[2:]
    assert told(check_digests(later, keys(), DigestWindow("2026-11-03T10:01:32Z", ""))) == []
    assert told(check_digests(later, keys())) == []
    found = told(check_digests(later, keys(), DigestWindow("2026-11-03T09:00:00Z", "")))
    assert [(start, status) for start, status, _ in found] == [("09:00", "invalid")]


def test_a_chain_that_goes_on_in_another_bucket_says_so(trail: Trail) -> None:
    trail.bucket = "new-bucket"
    trail.run(12, 2)
    moved = [one for one in trail.digests if one.bucket == "new-bucket"]
    ((_, status, reason),) = told(check_digests(moved, keys(), DigestWindow("2026-11-03T08:00:00Z", "")))
    assert status == "gap"
    assert "in another bucket, trail-bucket" in reason
    assert told(check_digests(trail.digests, keys())) == []


def test_each_region_and_trail_has_a_chain_of_its_own(trail: Trail) -> None:
    other, second = Trail(region=ELSEWHERE).run(8, 4), Trail(name="second_one").run(8, 4)
    every = [*trail.digests, *other.digests, *second.digests]
    report = check_digests(every, keys())
    assert told(report) == []
    assert len(report.hours) == 12
    cut = check_digests([one for one in every if one is not other.digests[1]], keys())
    assert [(hour.region, hour.status) for hour in cut.hours if hour.status != "valid"] == [
        (ELSEWHERE, "invalid")
    ]


def test_backfill_digests_are_a_chain_of_their_own_without_gaps(trail: Trail) -> None:
    late = [trail.log("2026-11-03T09:30:00Z"), trail.log("2026-11-03T11:30:00Z")]
    trail.digest("2026-11-03T10:01:31Z", late[:1], backfill=True)
    trail.digest("2026-11-03T12:01:31Z", late[1:], backfill=True)
    report = check_digests(trail.digests, keys())
    assert told(report) == []
    assert all(report.logs[log.rpartition("/")[2][:-3]].status == "valid" for log in late)
    lost = check_digests(
        [one for one in trail.digests if one is not trail.digests[4]],
        keys(),
        DigestWindow("2026-11-03T00:00:00Z"),
    )
    assert [(start, status) for start, status, _ in told(lost) if status == "invalid"] == [
        ("09:01", "invalid")
    ]


def test_time_between_backfill_digests_is_no_gap(trail: Trail) -> None:
    for hour in (9, 12):
        trail.last.pop(True, None)
        trail.digest(f"2026-11-03T{hour:02}:01:31Z", [], backfill=True)
    assert (
        told(
            check_digests(trail.digests, keys(), DigestWindow("2026-11-03T08:01:31Z", "2026-11-03T12:01:31Z"))
        )
        == []
    )


def test_without_keys_hashes_and_the_chain_are_checked_and_no_digest_counts_as_signed(trail: Trail) -> None:
    report = check_digests(trail.copies(), None)
    assert told(report) == []
    assert not any(hour.signed for hour in report.hours)
    altered = [edited(one, logFiles=[]) if place == 1 else one for place, one in enumerate(trail.copies())]
    assert told(check_digests(altered, None)) == [
        ("09:01", "invalid", "differs from the hash in the digest after it")
    ]
    assert [status for _, status, _ in told(check_digests(without(1)(trail.copies()), None))] == ["invalid"]


def test_copies_are_verified_by_the_signatures_that_later_digests_hand_on(trail: Trail) -> None:
    report = check_digests(trail.copies(), keys())
    assert [hour.signed for hour in report.hours] == [True, True, True, False]
    assert told(report) == [
        ("11:01", "gap", "its signature is in the metadata of S3 only, which a copy has not")
    ]
    forged = [edited(one, logFiles=[]) if place == 2 else one for place, one in enumerate(trail.copies())]
    assert ("10:01", "invalid") in [
        (start, status) for start, status, _ in told(check_digests(forged, keys()))
    ]


@pytest.mark.parametrize(
    ("place", "accepted"),
    [
        ("/copy/{key}", True),
        ("flat/{name}", True),
        ("/copy/prefix/{key}", True),
        ("/copy/AWSLogs/999999999999/CloudTrail-Digest/us-east-1/2026/11/03/{name}", False),
        ("/copy/{other}", False),
    ],
)
def test_a_copy_lies_where_it_says_below_its_folder(place: str, accepted: bool, trail: Trail) -> None:
    one = trail.digests[0]
    other = one.key.replace("T090131Z", "T080131Z")
    path = place.format(key=one.key, name=one.key.rpartition("/")[2], other=other)
    report = check_digests([DigestFile(path, one.data)], None)
    assert [hour.status for hour in report.hours] == ["valid" if accepted else "invalid"]


# --- What it means for the logs ------------------------------------------------------------------


def damages(trail: Trail, digests: list[DigestFile] | None = None, scope: Scope = DAY) -> dict[str, str]:
    """Name of a log or stretch -> why it is a hole, after all logs were read."""
    found = verify(trail.objects(), trail.digests if digests is None else digests, keys(), scope)
    holes = {batch.name: batch.damage.reason for batch in found.damaged_batches() if batch.damage}
    for one in trail.objects():
        verdict = found.verdict(one)
        if verdict.status == "invalid":
            holes[one.name] = verdict.reason
        elif verdict.status == "valid" and (damage := check_content(trail.logs[one.name], verdict.hashes)):
            holes[one.name] = damage.reason
    return holes


def test_logs_that_are_as_their_digests_say_are_read(trail: Trail) -> None:
    assert damages(trail) == {}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: gzip.compress(gzip.decompress(data).replace(b"0", b"9")), "its SHA-256 begins "),
        (lambda data: data + b"x", "1 bytes follow the gzip stream"),
        (lambda data: data + gzip.compress(b'{"Records": []}'), "bytes follow the gzip stream"),
        (lambda data: data[:-1], "gzip ends early"),
        (lambda data: b"", "its SHA-256 begins "),
    ],
)
def test_an_altered_log_is_damage(change: Callable[[bytes], bytes], reason: str, trail: Trail) -> None:
    key = next(iter(trail.logs))
    trail.logs[key] = change(trail.logs[key])
    found = damages(trail)
    assert list(found) == [key]
    assert found[key].startswith("the log differs from its digest: ")
    assert reason in found[key]


def test_logs_that_changed_places_are_damage(trail: Trail) -> None:
    one, two, *_ = trail.logs
    trail.logs[one], trail.logs[two] = trail.logs[two], trail.logs[one]
    assert sorted(damages(trail)) == sorted([one, two])


def test_a_log_packed_anew_or_unpacked_is_the_same_log(trail: Trail) -> None:
    one, two, *_ = trail.logs
    trail.logs[one] = gzip.compress(gzip.decompress(trail.logs[one]), 1)
    trail.logs[two.removesuffix(".gz")] = gzip.decompress(trail.logs.pop(two))
    assert damages(trail) == {}


def test_a_log_that_is_listed_and_not_there_is_a_hole(trail: Trail) -> None:
    key = next(iter(trail.logs))
    del trail.logs[key]
    name = key.rpartition("/")[2].removesuffix(".gz")
    assert damages(trail) == {name: "a digest lists it, but it is not there"}
    for scope in (
        DAY._replace(first="2026-11-04"),
        DAY._replace(last="2026-11-02"),
        DAY._replace(account="9" * 12),
    ):
        assert verify(trail.objects(), trail.digests, keys(), scope).missing == ()


def test_a_log_that_no_digest_of_its_time_lists_is_refused(trail: Trail) -> None:
    key = trail.log("2026-11-03T09:30:00Z")
    found = damages(trail)
    assert list(found) == [key]
    assert found[key].startswith("no digest lists it")


@pytest.mark.parametrize("time", ["2026-11-03T07:30:00Z", "2026-11-03T11:30:00Z", "2026-11-03T13:00:00Z"])
def test_a_log_whose_digest_is_not_there_is_a_gap_and_is_read(time: str, trail: Trail) -> None:
    key = trail.log(time)
    found = verify(trail.objects(), trail.digests, keys(), DAY)
    (one,) = [one for one in trail.objects() if one.name == key]
    assert found.verdict(one).status == "gap"
    assert damages(trail) == {}
    assert "1 log file that no digest vouches for" in found.summary()


def test_a_log_with_a_name_of_its_own_is_a_gap(trail: Trail) -> None:
    one = LogObject("notes", "s3://b/AWSLogs/1/CloudTrail/x/2026/11/03/notes.json")
    assert verify([one], trail.digests, keys(), Scope()).verdict(one).status == "gap"


def test_logs_of_an_invalid_digest_are_refused_with_its_reason(trail: Trail) -> None:
    digests = [
        edited(one, digestEndTime="2026-11-03T10:01:32Z") if n == 1 else one
        for n, one in enumerate(trail.digests)
    ]
    found = damages(trail, digests)
    assert len(found) == 3  # the digest and its two logs
    assert sum("the digest that lists it is invalid" in reason for reason in found.values()) == 2
    unread = damages(
        trail, [one._replace(data=b"") if n == 1 else one for n, one in enumerate(trail.digests)]
    )
    assert len(unread) == 3
    assert sum("the digest of its time is invalid" in reason for reason in unread.values()) == 2


def test_a_log_that_a_lost_digest_listed_is_refused(trail: Trail) -> None:
    assert len(damages(trail, without(1)(trail.digests))) == 3


def test_of_two_digests_that_list_a_log_the_valid_one_speaks(trail: Trail) -> None:
    second = Trail(name="second", logs=trail.logs)
    second.digest("2026-11-03T10:01:31Z", list(trail.logs)[:2])
    bad = second.digests[0]._replace(signature="00")
    found = damages(trail, [*trail.digests, bad])
    assert list(found) == [bad.key.rpartition("/")[2]]


def test_a_log_that_was_delivered_again_may_be_as_either_digest_says(trail: Trail) -> None:
    log = next(iter(trail.logs))
    first = trail.logs[log]
    trail.logs[log] = gzip.compress(b'{"Records": []}')
    trail.digest("2026-11-03T13:01:31Z", [log])
    assert damages(trail) == {}
    trail.logs[log] = first
    assert damages(trail) == {}


def test_what_only_an_invalid_digest_lists_is_not_missed(trail: Trail) -> None:
    digests = [one._replace(signature="00") if n == 1 else one for n, one in enumerate(trail.digests)]
    found = verify(trail.objects()[:2] + trail.objects()[4:], digests, keys(), DAY)
    assert found.missing == ()
    assert [batch.damage.reason for batch in found.damaged_batches() if batch.damage] == [
        "the digest is invalid: its signature is wrong"
    ]


def test_an_invalid_digest_says_nothing_of_other_hours(trail: Trail) -> None:
    key = trail.log("2026-11-03T20:30:00Z")
    assert key not in damages(
        trail, [one._replace(data=b"") if n == 1 else one for n, one in enumerate(trail.digests)]
    )


def test_a_hash_of_another_kind_vouches_for_nothing(trail: Trail) -> None:
    log = trail.log("2026-11-03T12:30:00Z")
    listed = [{"s3Bucket": BUCKET, "s3Object": log, "hashValue": "0", "hashAlgorithm": "MD5"}]
    trail.digest("2026-11-03T13:01:31Z", [], logFiles=listed)
    assert damages(trail) == {log: "its hash is a MD5, not a SHA-256"}


def test_logs_without_any_digest_are_an_error() -> None:
    with pytest.raises(IncompleteError, match="no digest covers any of 2 log files") as caught:
        verify(Trail().run(8, 1).objects(), [], None, DAY)
    assert caught.value.code == "PG-E331"


def test_the_summary_tells_what_was_proved_and_what_was_not(trail: Trail) -> None:
    del trail.logs[next(iter(trail.logs))]
    trail.log("2026-11-03T09:30:00Z")
    trail.log("2026-11-03T20:30:00Z")
    found = verify(trail.objects(), trail.copies(), None, DAY)
    lines = found.summary()
    assert lines[:3] == (
        "7 of 9 log files listed by valid digests",
        "1 log file refused",
        "1 log file that no digest vouches for",
    )
    assert lines[3].startswith("1 log file missing, as ")
    assert lines[4] == "signatures of 4 of 4 digests were not checked"
    off = f"gap: {ACCOUNT} us-east-1 2026-11-03T00:00:00Z to 2026-11-03T08:01:31Z: no digest: validation"
    new = (
        f"gap: {ACCOUNT} us-east-1 2026-11-03T12:01:31Z to 2026-11-04T00:00:00Z: no later digest: not written"
    )
    assert [line[: len(text)] for line, text in zip(lines[5:], (off, new), strict=True)] == [off, new]


def test_a_verdict_goes_to_another_process(trail: Trail) -> None:
    one = trail.objects()[0]
    verdict = verify(trail.objects(), trail.digests, keys(), DAY).verdict(one)
    received = pickle.loads(pickle.dumps(verdict))
    assert received == verdict
    assert received.status == "valid"
    assert check_content(trail.logs[one.name], received.hashes) is None


# --- Files ---------------------------------------------------------------------------------------


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    for key, data in files.items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def laid_out(folder: Path, trail: Trail) -> list[LogObject]:
    write(folder, trail.logs | {one.key: one.data for one in trail.digests})
    return [one for one in FileSource([folder]).objects() if isinstance(one, LogObject)]


def test_digests_are_found_beside_the_logs(tmp_path: Path, trail: Trail) -> None:
    logs = laid_out(tmp_path, trail)
    assert len(logs) == 8
    found = verify_files(logs, DAY)
    assert {found.verdict(one).status for one in logs} == {"valid"}
    assert list(found.damaged_batches()) == []
    below = tmp_path / "AWSLogs" / ACCOUNT / "CloudTrail"
    inside = [one for one in FileSource([below]).objects() if isinstance(one, LogObject)]
    assert verify_files(inside, DAY).summary()[0] == "8 of 8 log files listed by valid digests"


@pytest.mark.parametrize(
    ("below", "missing"),
    [
        ("", 3),
        (f"AWSLogs/{ACCOUNT}", 3),
        (f"AWSLogs/{ACCOUNT}/CloudTrail", 3),
        (f"AWSLogs/{ACCOUNT}/CloudTrail/{HERE}", 1),
        (f"AWSLogs/{ACCOUNT}/CloudTrail/{HERE}/2026/11/03", 1),
        (f"AWSLogs/{ACCOUNT}/CloudTrail/{HERE}/2026/11/02", 0),
    ],
)
@pytest.mark.parametrize("organization", ["", "o-abc1234567/"])
def test_outside_of_what_was_asked_for_nothing_is_missed(
    below: str, missing: int, organization: str, tmp_path: Path, trail: Trail
) -> None:
    logs = laid_out(tmp_path, trail)[1:]
    other = Trail(region=ELSEWHERE).run(8, 1)
    write(tmp_path, {one.key: one.data for one in other.digests})
    place = tmp_path / below.replace("AWSLogs/", f"AWSLogs/{organization}")
    found = verify_files(logs, DAY, None, [str(place)])
    assert len(found.missing) == missing
    assert ({ELSEWHERE} <= {hour.region for hour in found.hours}) == (missing == 3)


def test_digests_in_the_folder_of_the_logs_are_found(tmp_path: Path, trail: Trail) -> None:
    flat = {key.rpartition("/")[2]: data for key, data in trail.logs.items()}
    write(tmp_path, flat | {one.key.rpartition("/")[2]: one.data for one in trail.digests})
    logs = [one for one in FileSource([tmp_path]).objects() if isinstance(one, LogObject)]
    assert verify_files(logs, DAY).summary()[0] == "8 of 8 log files listed by valid digests"


def test_of_copies_of_some_days_the_days_before_are_not_missed(tmp_path: Path, trail: Trail) -> None:
    other = Trail(last=trail.last)
    other.digest("2026-11-04T00:01:31Z", [other.log("2026-11-03T23:50:00Z")])
    other.digest("2026-11-04T01:01:31Z", [other.log("2026-11-04T00:50:00Z")])
    write(tmp_path, {key: data for key, data in other.logs.items() if "20261104" in key})
    write(tmp_path, {one.key: one.data for one in other.digests})
    logs = [one for one in FileSource([tmp_path]).objects() if isinstance(one, LogObject)]
    found = verify_files(logs, Scope("2026-08-01", "2026-11-04"))
    assert list(found.damaged_batches()) == []


def test_stored_keys_verify_signatures_of_copies(tmp_path: Path, trail: Trail) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    listed = {
        "PublicKeyList": [
            {
                "Value": base64.b64encode(der(HERE)).decode(),
                "ValidityStartTime": "2026-11-01T00:00:00+00:00",
                "Fingerprint": fingerprint(HERE),
            }
        ]
    }
    (folder / f"{HERE}.json").write_text(json.dumps(listed))
    assert load_keys(folder) == {HERE: {fingerprint(HERE): der(HERE)}}
    logs = laid_out(tmp_path / "logs", trail)
    found = verify_files(logs, DAY, load_keys(folder))
    assert "signatures of 1 of 4 digests were not checked" in found.summary()
    assert found.summary()[0] == "6 of 8 log files listed by valid digests"


@pytest.mark.parametrize(
    "content", [None, "[]", "{", '{"PublicKeyList": [{"Value": "?", "Fingerprint": ""}]}']
)
def test_a_folder_without_public_keys_is_an_error(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / f"{HERE}.json").write_text(content)
    with pytest.raises(UsageError, match="public keys") as caught:
        load_keys(tmp_path)
    assert caught.value.code == "PG-E232"


def test_a_digest_that_cannot_be_opened_is_an_error(tmp_path: Path, trail: Trail) -> None:
    logs = laid_out(tmp_path, trail)
    path = tmp_path / trail.digests[0].key
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="cannot be opened") as caught:
        list(local_digests(logs))
    assert caught.value.code == "PG-E233"


# --- S3 and CloudTrail ---------------------------------------------------------------------------


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(key, "testing")
    with mock_aws():
        yield Aws(boto3.Session(region_name=HERE), "", "aws", ACCOUNT, "reader")


def uploaded(aws: Aws, trail: Trail, prefix: str = "") -> Trail:
    """The trail's files in a bucket, digests with their metadata; keys are those of the trail."""
    client = aws.client("s3")
    client.create_bucket(Bucket=trail.bucket)
    for key, data in trail.logs.items():
        client.put_object(Bucket=trail.bucket, Key=prefix + key, Body=data)
    for one in trail.digests:
        metadata = {"signature": one.signature or "", "signature-algorithm": "SHA256withRSA"}
        if one.generated:
            metadata["backfill-generation-timestamp"] = one.generated
        client.put_object(Bucket=trail.bucket, Key=prefix + one.key, Body=one.data, Metadata=metadata)
    return trail


def answering(aws: Aws, region: str, times: list[tuple[str, str]]) -> Stubber:
    """CloudTrail of a region, which moto does not play: it expects these times, and gives the region's key."""
    client = aws.client("cloudtrail", region)
    stub = Stubber(client)
    for start, end in times:
        asked = {"StartTime": datetime.fromisoformat(start), "EndTime": datetime.fromisoformat(end)}
        row = {"Fingerprint": fingerprint(region), "Value": der(region)}
        stub.add_response("list_public_keys", {"PublicKeyList": [row]}, asked)
    stub.activate()
    return stub


def test_digests_of_a_bucket_come_with_their_metadata(aws: Aws, trail: Trail) -> None:
    trail.digest("2026-11-03T12:01:31Z", [], backfill=True)
    uploaded(aws, trail)
    found = list(s3_digests(aws, trail.objects(), DAY))
    assert sorted(found) == sorted(trail.digests)
    assert [one.generated for one in found if one.generated] == ["2026-11-09T10:20:30.000Z"]


def test_a_bucket_is_verified_with_the_keys_of_each_region(aws: Aws, trail: Trail) -> None:
    other = uploaded(aws, Trail(region=ELSEWHERE).run(20, 2))
    uploaded(aws, trail)
    stubs = [
        answering(aws, HERE, [("2026-11-03T08:01:31Z", "2026-11-03T14:01:31Z")]),
        answering(aws, ELSEWHERE, [("2026-11-03T20:01:31Z", "2026-11-04T00:01:31Z")]),
    ]
    objects = [*trail.objects(), *other.objects()]
    found = verify_s3(aws, objects, DAY)
    for stub in stubs:
        stub.assert_no_pending_responses()
    assert found.summary()[0] == "12 of 12 log files listed by valid digests"
    assert list(found.damaged_batches()) == []
    assert all(hour.signed for hour in found.hours if hour.status == "valid")


def test_a_region_without_a_log_left_is_verified_too(aws: Aws, trail: Trail) -> None:
    other = Trail(region=ELSEWHERE).run(9, 1)
    uploaded(aws, replace(other, logs={}))
    uploaded(aws, trail)
    answering(aws, HERE, [("2026-11-03T08:01:31Z", "2026-11-03T14:01:31Z")])
    answering(aws, ELSEWHERE, [("2026-11-03T09:01:31Z", "2026-11-03T12:01:31Z")])
    found = verify_s3(aws, trail.objects(), DAY)
    assert list(found.missing) == sorted(key.rpartition("/")[2].removesuffix(".gz") for key in other.logs)


def test_only_digests_of_the_scope_are_fetched(aws: Aws) -> None:
    trail = Trail()
    for day in range(1, 7):
        for hour in (0, 1, 2, 3, 12):
            trail.digest(f"2026-11-{day:02}T{hour:02}:01:31Z", [])
    trail.log("2026-11-03T12:30:00Z")
    uploaded(aws, trail)
    objects = trail.objects()
    ends = [parse_digest_name(one.key) for one in s3_digests(aws, objects, DAY)]
    assert [name.end for name in ends if name] == [
        *(f"2026-11-03T{hour:02}:01:31Z" for hour in (0, 1, 2, 3, 12)),
        "2026-11-04T00:01:31Z",
        "2026-11-04T01:01:31Z",
    ]
    assert list(s3_digests(aws, objects, DAY._replace(account="9" * 12))) == []
    assert len(list(s3_digests(aws, objects))) == 30


class Pages:
    """A bucket that lists two keys a page, and has lost one of its objects."""

    def __init__(self, trail: Trail, lost: str) -> None:
        self.files = {one.key: one for one in trail.digests}
        self.lost = lost
        self.pages = 0

    def get_paginator(self, operation: str) -> Pages:
        assert operation == "list_objects_v2"
        return self

    def paginate(
        self, Bucket: str, Prefix: str, Delimiter: str = "", StartAfter: str = ""
    ) -> Iterator[dict[str, Any]]:
        if Delimiter:
            yield {"CommonPrefixes": [{"Prefix": f"{Prefix}{HERE}/"}]}
            return
        found = [key for key in sorted(self.files) if key.startswith(Prefix) and key > StartAfter]
        for start in range(0, len(found), 2):
            self.pages += 1
            yield {"Contents": [{"Key": key} for key in found[start : start + 2]]}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        if Key == self.lost:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        one = self.files[Key]
        return {"Body": io.BytesIO(one.data), "Metadata": {"signature": one.signature}}


def test_a_long_listing_is_read_to_the_end_of_the_window_and_lost_digests_are_left_out(aws: Aws) -> None:
    trail = Trail()
    for day in range(1, 20):
        for hour in (0, 1, 6, 12, 18):
            trail.digest(f"2026-11-{day:02}T{hour:02}:01:31Z", [])
    trail.log("2026-11-03T12:30:00Z")
    lost = trail.digests[12].key
    client = Pages(trail, lost)
    aws._clients["s3", HERE] = client
    found = [one.key for one in s3_digests(aws, trail.objects(), DAY._replace(last="2026-11-04"))]
    wanted = [one.key for one in trail.digests if "20261103" in one.key or "20261104" in one.key]
    wanted += [one.key for one in trail.digests if "20261105T00" in one.key or "20261105T01" in one.key]
    assert found == [key for key in wanted if key != lost]
    assert client.pages < 10


def test_what_was_published_after_the_window_is_verified_too(aws: Aws, trail: Trail) -> None:
    trail.digest("2026-11-04T18:01:31Z", [trail.log("2026-11-04T17:10:00Z")])
    late = trail.log("2026-11-04T17:20:00Z")
    trail.digest("2026-11-04T19:01:31Z", [])
    uploaded(aws, trail)
    answering(aws, HERE, [("2026-11-03T08:01:31Z", "2026-11-04T21:01:31Z")])
    found = verify_s3(aws, trail.objects(), DAY)
    assert {one.name for one in trail.objects() if found.verdict(one).status != "valid"} == {late}
    assert found.verdicts[f"s3://{BUCKET}/{late}"].status == "invalid"


def test_a_digest_without_metadata_in_s3_is_invalid(aws: Aws, trail: Trail) -> None:
    uploaded(aws, trail)
    one = trail.digests[1]
    aws.client("s3").put_object(Bucket=BUCKET, Key=one.key, Body=one.data)
    answering(aws, HERE, [("2026-11-03T08:01:31Z", "2026-11-03T14:01:31Z")])
    found = verify_s3(aws, trail.objects(), DAY)
    assert [hour.reason for hour in found.hours if hour.status == "invalid"] == [
        "has no signature in its metadata"
    ]


def test_a_digest_copied_within_the_bucket_is_invalid(aws: Aws, trail: Trail) -> None:
    uploaded(aws, trail)
    one = trail.digests[3]
    metadata = {"signature": one.signature or ""}
    key = one.key.replace("T120131Z", "T130131Z")
    aws.client("s3").put_object(Bucket=BUCKET, Key=key, Body=one.data, Metadata=metadata)
    answering(aws, HERE, [("2026-11-03T08:01:31Z", "2026-11-03T15:01:31Z")])
    found = verify_s3(aws, trail.objects(), DAY)
    assert [(hour.digest[-24:-8], hour.reason[:39]) for hour in found.hours if hour.status == "invalid"] == [
        ("20261103T130131Z", "was got from another place than it says"[:39])
    ]


def test_keys_of_backfill_digests_are_asked_for_around_the_time_they_were_made(
    aws: Aws, trail: Trail
) -> None:
    trail.digest("2026-11-03T12:01:31Z", [], backfill=True)
    trail.digest("2026-11-03T13:01:31Z", [], backfill=True)
    late = trail.digests[4:]
    stub = answering(aws, HERE, [("2026-11-09T09:00:00Z", "2026-11-09T12:00:00Z")])
    assert public_keys(aws, late) == {HERE: {fingerprint(HERE): der(HERE)}}
    stub.assert_no_pending_responses()
    assert public_keys(aws, [one._replace(generated="soon") for one in late]) == {}


def test_a_refusal_names_what_is_not_allowed(aws: Aws, trail: Trail) -> None:
    client = aws.client("cloudtrail", HERE)
    with Stubber(client) as stub:
        stub.add_client_error("list_public_keys", "AccessDeniedException", "no")
        with pytest.raises(AwsError, match="reader may not call cloudtrail:ListPublicKeys") as caught:
            public_keys(aws, trail.digests)
    assert caught.value.code == "PG-E110"
    with pytest.raises(AwsError, match="NoSuchBucket"):
        list(s3_digests(aws, trail.objects(), DAY))


def test_holes_are_batches_that_count_as_damage(trail: Trail) -> None:
    found = verify(trail.objects(), without(1)(trail.digests), keys(), DAY)
    (batch,) = found.damaged_batches()
    assert isinstance(batch, Batch)
    assert isinstance(batch.damage, Damage)
    assert batch.damage.reason.startswith(
        "the digest is invalid: the digest before 2026-11-03T10:01:31Z is missing"
    )
    assert isinstance(found.hours[0], Hour)
