"""Write the samples, the same bytes on every run: ``python samples/make.py``.

These are trail/, the snapshots of two accounts, account.json and staging.json, repository/, which has the policy of
a role, and api/, an API with its access log.
README.md describes the shop; shop/ has its events. A file whose content is already right is not written again.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import struct
import sys
import zlib
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

from shop import account as production
from shop import cast, functions, gateway, others, pipeline, staging, storefront
from shop.record import Record, letters, stamp, uid

SCENES = (
    functions.orders_api,
    functions.stock_sync,
    functions.report_monthly,
    functions.image_resizer,
    functions.legacy_export,
    storefront.payments_webhook,
    storefront.catalog_search,
    storefront.newsletter,
    storefront.cart_cleanup,
    pipeline.deploy_ci,
    others.thief,
    others.cross_account,
    others.staging,
    others.people,
    others.machinery,
)
LATE = timedelta(days=2)
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def main(target: Path) -> None:
    """Write all files below `target`."""
    snapshots = {
        "account.json": production.snapshot(),
        "staging.json": staging.snapshot(),
        **gateway.snapshots(),
    }
    texts = ((name, _json(one, indent=2)) for name, one in (snapshots | repository()).items())
    access = ("api/access/orders-prod.log.gz", _gzip(gateway.access_log().encode()))
    for path, data in chain(trail(), texts, [access]):
        file = target / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if not (file.exists() and _content(file.read_bytes()) == _content(data)):
            file.write_bytes(data)


def repository() -> dict[str, Any]:
    """Return the files of a repository that holds the inline policy of a role, as it is in the account."""
    roles = production.snapshot()["authorization"]["RoleDetailList"]
    return {
        f"repository/iam/{role['RoleName']}.json": role["RolePolicyList"][0]["PolicyDocument"]
        for role in roles
        if role["RoleName"] == "image-resizer"
    }


def trail() -> Iterator[tuple[str, bytes]]:
    """Yield every file of the trail: path below the samples, and content."""
    delivered: dict[tuple[str, str, datetime], list[Record]] = defaultdict(list)
    for record in chain.from_iterable(scene() for scene in SCENES):
        when = datetime.fromisoformat(record["eventTime"])
        if cast.START <= when < cast.END:
            place = record["recipientAccountId"], record["awsRegion"], _published(record, when)
            delivered[place].append(record)
    logs = {}
    for (account, region, published), records in sorted(delivered.items()):
        # Records of a file are not sorted by time (1.1.3).
        records.sort(key=lambda record: (record["eventTime"][:15], record["eventID"]))
        path = _path(account, "CloudTrail", region, f"{published:%Y%m%dT%H%MZ}", published)
        logs[path] = _json({"Records": records})
    for path, text in logs.items():
        yield path, _gzip(text)
    # The same file again under another name, as CloudTrail does after a failed delivery (2.1.7).
    for path in [path for path in logs if f"{cast.PRODUCTION}_CloudTrail_{cast.REGION}_20261112T" in path]:
        yield _renamed(path), _gzip(logs[path])
    yield digest(logs)
    yield insight()


def _published(record: Record, when: datetime) -> datetime:
    """Return when a record's file is written: at 00:05 or 12:05, so that there are few files; the last one at once.

    The day in a path is the day of this time, not the day of the event (2.1.2).
    """
    if "addendum" in record:
        when += LATE
    noon = when.replace(hour=12, minute=0, second=0)
    boundary = noon if when < noon else noon + timedelta(hours=12)
    return min(boundary, cast.END) + timedelta(minutes=5)


def _path(account: str, kind: str, region: str, name: str, published: datetime) -> str:
    stem = f"{account}_{kind}_{region}_{name}"
    if kind == "CloudTrail":
        stem += f"_{letters(Random(stem), 16, _SUFFIX)}"
    return f"trail/AWSLogs/{cast.ORGANISATION}/{account}/{kind}/{region}/{published:%Y/%m/%d}/{stem}.json.gz"


def _renamed(path: str) -> str:
    stem, _, _ = path.rpartition("_")
    return f"{stem}_{letters(Random(path), 16, _SUFFIX)}.json.gz"


def digest(logs: dict[str, bytes]) -> tuple[str, bytes]:
    """Return the digest of the last hour, with the hash of the last file's text (2.2)."""
    published = cast.END + timedelta(minutes=5)
    name = "org-trail_eu-west-1_" + published.strftime("%Y%m%dT%H%M%SZ")
    path = _path(cast.PRODUCTION, "CloudTrail-Digest", cast.REGION, name, published)
    files = [
        {
            "s3Bucket": cast.TRAIL_BUCKET,
            "s3Object": log.removeprefix("trail/"),
            "hashValue": hashlib.sha256(text).hexdigest(),
            "hashAlgorithm": "SHA-256",
            "newestEventTime": max(times),
            "oldestEventTime": min(times),
        }
        for log, text in logs.items()
        if f"{cast.PRODUCTION}_CloudTrail_{cast.REGION}_{published:%Y%m%dT%H%MZ}" in log
        for times in [[record["eventTime"] for record in json.loads(text)["Records"]]]
    ]
    content = {
        "awsAccountId": cast.PRODUCTION,
        "digestStartTime": stamp(published - timedelta(hours=1)),
        "digestEndTime": stamp(published),
        "digestS3Bucket": cast.TRAIL_BUCKET,
        "digestS3Object": path.removeprefix("trail/"),
        "digestPublicKeyFingerprint": "31e8b5433410dfb61a9dc45cc65b22ff",
        "digestSignatureAlgorithm": "SHA256withRSA",
        "newestEventTime": files[0]["newestEventTime"],
        "oldestEventTime": files[0]["oldestEventTime"],
        "previousDigestS3Bucket": None,
        "previousDigestS3Object": None,
        "previousDigestHashValue": None,
        "previousDigestHashAlgorithm": None,
        "previousDigestSignature": None,
        "logFiles": files,
    }
    return path, _gzip(_json(content))


def insight() -> tuple[str, bytes]:
    """Return an Insights record about an unusual rate. It is not a call, and has no userIdentity (1.7)."""
    when = datetime(2026, 11, 18, 2, 58, tzinfo=UTC)
    rng = Random("insight")
    record = {
        "eventVersion": "1.08",
        "eventTime": stamp(when),
        "awsRegion": cast.REGION,
        "eventID": uid(rng),
        "eventType": "AwsCloudTrailInsight",
        "recipientAccountId": cast.PRODUCTION,
        "sharedEventID": uid(rng),
        "insightDetails": {
            "state": "Start",
            "eventSource": "s3.amazonaws.com",
            "eventName": "DeleteBucket",
            "insightType": "ApiErrorRateInsight",
            "errorCode": "AccessDenied",
            "insightContext": {
                "statistics": {
                    "baseline": {"average": 0.0001},
                    "insight": {"average": 1},
                    "insightDuration": 1,
                }
            },
        },
        "eventCategory": "Insight",
    }
    name = when.strftime("%Y%m%dT%H%MZ") + "_" + letters(rng, 16, _SUFFIX)
    path = _path(cast.PRODUCTION, "CloudTrail-Insight", cast.REGION, name, when)
    return path, _gzip(_json({"Records": [record]}))


def _json(value: Any, indent: int | None = None) -> bytes:
    text = json.dumps(
        value, indent=indent, separators=None if indent else (",", ":"), ensure_ascii=bool(indent is None)
    )
    return (text + "\n" if indent else text).encode()


def _content(data: bytes) -> bytes:
    """Return the text of a file. Different builds of zlib compress the same text to different bytes."""
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data


def _gzip(data: bytes) -> bytes:
    """Return a gzip file without name and time. Python's own header differs between releases and systems."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = squeeze.compress(data) + squeeze.flush()
    return (
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff" + body + struct.pack("<II", zlib.crc32(data), len(data))
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
