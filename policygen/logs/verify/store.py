"""Read digests and public keys: from S3 and CloudTrail, or from copies in files.

Digests lie beside the logs (2.1): logs below ``CloudTrail/`` have their digests below ``CloudTrail-Digest/``. All
wanted regions are searched for digests, even a region without a log file.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from policygen.account.aws_errors import error_code, is_aws_error
from policygen.account.aws_session import Aws
from policygen.errors import UsageError
from policygen.logs.decode.compression import reason_of
from policygen.logs.source import EVERYTHING, LogObject, Scope
from policygen.logs.verify.chain import Keys, add_hours
from policygen.logs.verify.digest import MAX_DIGEST_BYTES, DigestFile, parse_digest_name
from policygen.logs.verify.verification import (
    Verification,
    digest_window,
    is_wanted,
    verify,
    widen_to_published,
)
from policygen.text import escape_controls, sanitize

WORKERS = 10
"""Digests fetched at the same time: as many as botocore keeps connections."""

_LOGS = "CloudTrail"
_DIGESTS = "CloudTrail-Digest"
# ListPublicKeys finds the keys of digests that were made in its time. The last digests of the window are made after it,
# and a backfill digest is signed when it is made (2.2.4, 2.2.7).
_HOURS_AFTER = 2
_HOURS_AROUND = 1


def verify_s3(
    aws: Aws, objects: Iterable[LogObject], scope: Scope = EVERYTHING, places: Sequence[str] = ()
) -> Verification:
    """Verify log objects of buckets; `locator` is ``s3://BUCKET/KEY``.

    Args:
        aws: whose credentials are used.
        objects: log objects.
        scope: the wanted time and account.
        places: the searched ``s3://BUCKET/PREFIX``.

    Raises:
        AwsError: digests or public keys cannot be fetched.
        IncompleteError, UsageError: as `verify`.
    """
    logs = tuple(objects)
    digests = tuple(s3_digests(aws, logs, widen_to_published(scope, logs), places))
    return verify(logs, digests, public_keys(aws, digests), scope, places)


def verify_files(
    objects: Iterable[LogObject],
    scope: Scope = EVERYTHING,
    keys: Keys | None = None,
    places: Sequence[str] = (),
) -> Verification:
    """Verify log files; `locator` is a path. Days before the first file are no gap, because they were not copied.

    Args:
        objects: log files.
        scope: the wanted time and account.
        keys: public keys, as from `load_keys`; None leaves signatures unchecked.
        places: the searched files and folders.

    Raises:
        UsageError: a digest cannot be opened (PG-E233); or as `verify`.
        IncompleteError: as `verify`.
    """
    logs = tuple(objects)
    full = [str(Path(place).resolve()) for place in places]
    digests = local_digests(logs, widen_to_published(scope, logs), full)
    days = [one.day for one in logs if one.day]
    copied = scope._replace(first=max(scope.first, min(days, default="")))
    return verify(logs, digests, keys, copied, full)


# ---- S3 and CloudTrail ----------------------------------------------------------------------------------


class _StoredObject(NamedTuple):
    bucket: str
    key: str


def s3_digests(
    aws: Aws, objects: Iterable[LogObject], scope: Scope = EVERYTHING, places: Sequence[str] = ()
) -> Iterator[DigestFile]:
    """Yield the digests of a scope that lie beside log objects, in the order of their keys.

    Needs s3:ListBucket and s3:GetObject; kms:Decrypt where the trail encrypts them (2.1.9).

    Raises:
        AwsError: a bucket cannot be listed, or a digest cannot be read.
    """
    client = aws.client("s3")
    with aws.translating_errors("s3"):
        stored = [
            one for root in _digest_prefixes(objects) for one in _list_digests(client, root, scope, places)
        ]
        with ThreadPoolExecutor(WORKERS) as pool:
            yield from (one for one in pool.map(partial(_fetch, client), stored) if one)


def public_keys(aws: Aws, digests: Iterable[DigestFile]) -> Keys:
    """Return the public keys for the regions and times of digests; needs cloudtrail:ListPublicKeys.

    Raises:
        AwsError: CloudTrail refuses, or a region cannot be reached.
    """
    keys: dict[str, dict[str, bytes]] = {}
    for region, times in sorted(_key_windows(digests).items()):
        client = aws.client("cloudtrail", region)
        known = keys.setdefault(region, {})
        with aws.translating_errors("cloudtrail"):
            for start, end in times:
                pages = client.get_paginator("list_public_keys").paginate(StartTime=start, EndTime=end)
                for page in pages:
                    known.update((key["Fingerprint"], key["Value"]) for key in page["PublicKeyList"])
    return keys


def _digest_prefixes(objects: Iterable[LogObject]) -> list[_StoredObject]:
    """Return the prefixes of digests, with their buckets."""
    prefixes = set()
    for one in objects:
        bucket, _, key = one.locator.removeprefix("s3://").partition("/")
        before, mark, _ = f"/{key}".rpartition(f"/{_LOGS}/")
        if mark:
            prefixes.add(_StoredObject(bucket, f"{before}/{_DIGESTS}/"[1:]))
    return sorted(prefixes)


def _list_digests(
    client: Any, root: _StoredObject, scope: Scope, places: Sequence[str]
) -> Iterator[_StoredObject]:
    """Yield the keys of wanted digests below a prefix; within a region they are sorted by day."""
    listing = client.get_paginator("list_objects_v2")
    tops = listing.paginate(Bucket=root.bucket, Prefix=root.key, Delimiter="/")
    regions = [top["Prefix"] for page in tops for top in page.get("CommonPrefixes", ())]
    start, end = digest_window(scope)
    past = add_hours(end, 24)[:10].replace("-", "/") if end else "~"
    for region in regions:
        after = region + start[:10].replace("-", "/")
        for page in listing.paginate(Bucket=root.bucket, Prefix=region, StartAfter=after):
            keys = [entry["Key"] for entry in page.get("Contents", ())]
            yield from (_StoredObject(root.bucket, key) for key in keys if is_wanted(key, scope, places))
            if keys and keys[-1] > region + past:
                break


def _fetch(client: Any, one: _StoredObject) -> DigestFile | None:
    """Return a digest with its metadata; None if it was deleted after it was listed, which its chain will show."""
    try:
        answer = client.get_object(Bucket=one.bucket, Key=one.key)
    except Exception as error:
        if is_aws_error(error) and error_code(error) == "NoSuchKey":
            return None
        raise
    metadata = answer["Metadata"]
    return DigestFile(
        one.key,
        answer["Body"].read(MAX_DIGEST_BYTES + 1),
        one.bucket,
        metadata.get("signature", ""),
        metadata.get("backfill-generation-timestamp", ""),
    )


def _key_windows(digests: Iterable[DigestFile]) -> Mapping[str, set[tuple[datetime, datetime]]]:
    """Return, for each region, the time ranges in UTC for ListPublicKeys."""
    ends: dict[str, list[str]] = {}
    times: dict[str, set[tuple[datetime, datetime]]] = {}
    for one in digests:
        name = parse_digest_name(one.key)
        if name is None:
            continue
        if not name.backfill:
            ends.setdefault(name.region, []).append(name.end)
        elif (generated := _parse_time(one.generated)) is not None:
            hour = generated.replace(
                minute=0, second=0, microsecond=0
            )  # so that many digests share a request
            around = (hour - timedelta(hours=_HOURS_AROUND), hour + timedelta(hours=_HOURS_AROUND + 1))
            times.setdefault(name.region, set()).add(around)
    for region, region_ends in ends.items():
        first, last = add_hours(min(region_ends), -_HOURS_AROUND), add_hours(max(region_ends), _HOURS_AFTER)
        whole = (datetime.fromisoformat(first), datetime.fromisoformat(last))
        times.setdefault(region, set()).add(whole)
    return times


def _parse_time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else None


# ---- files ----------------------------------------------------------------------------------------------


class _PublicKey(msgspec.Struct, frozen=True, rename="pascal"):
    value: str
    fingerprint: str


class _PublicKeys(msgspec.Struct, frozen=True, rename="pascal"):
    """The output of ``aws cloudtrail list-public-keys``."""

    public_key_list: list[_PublicKey]


def local_digests(
    objects: Iterable[LogObject], scope: Scope = EVERYTHING, places: Sequence[str] = ()
) -> Iterator[DigestFile]:
    """Yield copies of digests beside copies of logs: in ``CloudTrail-Digest/``, or in the logs' own folder.

    A copy has no metadata; as in AWS's offline validation, each signature comes from the digest after it.

    Raises:
        UsageError: a digest cannot be opened (PG-E233).
    """
    for folder in sorted({_digest_folder(Path(one.locator)) for one in objects}):
        for path in sorted(_files_below(folder)):
            if is_wanted(path.name, scope, places):
                yield DigestFile(path.as_posix(), _read_digest(path))


def load_keys(folder: Path) -> Keys:
    """Load public keys that were saved before: a file REGION.json for each region.

    It has the output of ``aws cloudtrail list-public-keys --region REGION --start-time TIME --end-time TIME``.

    Raises:
        UsageError: there is no such file, or it has something else (PG-E232).
    """
    files = sorted(folder.glob("*.json"))
    if not files:
        raise _no_keys(f"no public keys in {escape_controls(str(folder))!r}")
    return {path.stem: _keys_of(path) for path in files}


def _keys_of(path: Path) -> dict[str, bytes]:
    try:
        keys = msgspec.json.decode(path.read_bytes(), type=_PublicKeys).public_key_list
        return {key.fingerprint: base64.b64decode(key.value, validate=True) for key in keys}
    except OSError as error:
        raise _no_keys(f"{escape_controls(str(path))}: {reason_of(error)}") from error
    except (ValueError, RecursionError) as error:
        raise _no_keys(
            f"{escape_controls(str(path))}: no public keys of CloudTrail: {sanitize(str(error))}"
        ) from error


def _no_keys(message: str) -> UsageError:
    return UsageError(
        message,
        "aws cloudtrail list-public-keys --region REGION --start-time TIME --end-time TIME > FOLDER/REGION.json",
        code="PG-E232",
    )


def _digest_folder(log: Path) -> Path:
    """Return the folder of a log file's digests; the log's own folder, if it is not in a trail's layout."""
    parts = log.parts[:-1]
    if _LOGS not in parts:
        return log.parent
    place = len(parts) - 1 - parts[::-1].index(_LOGS)
    return Path(*parts[:place], _DIGESTS)


def _files_below(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names)


def _read_digest(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_DIGEST_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"a digest cannot be opened: {escape_controls(str(path))}: {reason_of(error)}",
            "give yourself the right to read it, or fetch it again",
            code="PG-E233",
        ) from error
