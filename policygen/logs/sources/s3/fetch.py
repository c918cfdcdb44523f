"""Fetch and read S3 objects, through boto3 or through obstore, which takes a tenth of the time for each."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from policygen.account.aws_errors import is_aws_error
from policygen.account.aws_session import open_session, user_agent
from policygen.logs.decode.compression import LIMIT
from policygen.logs.decode.unpack import read_stored
from policygen.logs.source import Batch, Damage, LogObject, Reader
from policygen.logs.sources.s3.client import S3Access, client_of, failure_batch, is_broken_connection
from policygen.logs.sources.s3.prefetch import map_in_order

ATTEMPTS = 3
"""How often an object is requested when its stream breaks; botocore itself repeats throttled requests."""

THREADS = 16
"""Number of objects that are fetched at the same time: a GET mostly waits."""

FetcherName = Literal["auto", "boto3", "obstore"]

Listed = TypeVar("Listed", bound=LogObject | Batch)


class Fetcher(Protocol):
    """Fetches the bytes of an object. Picklable; many threads may use it."""

    def fetch(self, bucket: str, key: str) -> bytes:
        """Return all bytes of one object, as stored.

        Raises:
            Exception: an error of botocore, or an ``OSError``; `client.failure_batch` says what it means.
        """
        ...


class Boto3Fetcher(msgspec.Struct, frozen=True):
    """Fetches through boto3."""

    access: S3Access = msgspec.field(default_factory=S3Access)

    def fetch(self, bucket: str, key: str) -> bytes:
        """Return all bytes of one object; a stream that breaks is requested again a few times."""
        for _ in range(ATTEMPTS - 1):
            try:
                return self._get_object(bucket, key)
            except Exception as error:
                if not is_broken_connection(error):
                    raise
        return self._get_object(bucket, key)

    def _get_object(self, bucket: str, key: str) -> bytes:
        from botocore.exceptions import IncompleteReadError

        answer = client_of(self.access).get_object(Bucket=bucket, Key=key)
        with closing(answer["Body"]) as body:
            data: bytes = body.read()
        expected = answer.get("ContentLength", len(data))
        if len(data) != expected:
            raise IncompleteReadError(actual_bytes=len(data), expected_bytes=expected)
        return data


class ObstoreFetcher(msgspec.Struct, frozen=True):
    """Fetches through obstore with the credentials of boto3.

    If obstore fails, boto3 fetches the object: its errors say why. If boto3 succeeds, obstore is not used for this
    bucket any more, because a proxy, a certificate or an endpoint that only boto3 knows would make it fail every time.
    """

    access: S3Access = msgspec.field(default_factory=S3Access)

    def fetch(self, bucket: str, key: str) -> bytes:
        """Return all bytes of one object."""
        boto3 = Boto3Fetcher(self.access)
        store = self._store(bucket) if _SAFE_KEY.fullmatch(key) else None
        if store is None:
            return boto3.fetch(bucket, key)
        try:
            return bytes(store.get(key).bytes())
        except Exception:  # obstore has many error classes of its own
            data = boto3.fetch(bucket, key)
            _stores[os.getpid(), self.access, bucket] = None
            return data

    def _store(self, bucket: str) -> Any:
        slot = (os.getpid(), self.access, bucket)
        with _lock:
            if slot not in _stores:
                _stores[slot] = _make_store(self.access, bucket)
            return _stores[slot]


_stores: dict[tuple[int, S3Access, str], Any] = {}
_lock = threading.Lock()

# obstore normalises keys that look like paths ("a//b"); boto3 fetches such keys.
_SAFE_KEY = re.compile(r"(?!\.)[\w=.-]+(?:/(?!\.)[\w=.-]+)*", re.ASCII)
_AWS_ENDPOINT = re.compile(r"https://s3(?:\.[a-z0-9-]+)?\.amazonaws\.com/?")


def _make_store(access: S3Access, bucket: str) -> Any:
    """Return a store of obstore in the bucket's region; None where the bucket's region is not known."""
    from obstore.auth.boto3 import Boto3CredentialProvider
    from obstore.store import S3Store

    client = client_of(access)
    try:
        region = client.head_bucket(Bucket=bucket)["BucketRegion"]
    except Exception as error:
        if isinstance(error, KeyError) or is_aws_error(error):
            return None
        raise
    endpoint = client.meta.endpoint_url
    is_aws = _AWS_ENDPOINT.fullmatch(endpoint)
    store: Any = S3Store
    return store(
        bucket,
        config={"region": region} if is_aws else {"region": region, "endpoint": endpoint},
        client_options={
            "user_agent": f"{user_agent()} obstore",
            "allow_http": endpoint.startswith("http://"),
        },
        credential_provider=Boto3CredentialProvider(
            open_session(access.profile or None, access.region or None)
        ),
    )


def make_fetcher(name: FetcherName, access: S3Access) -> Fetcher:
    """Return the fetcher of that name; "auto" takes obstore where it is installed and the endpoint is AWS's own.

    Raises:
        AwsError: no such profile, or a damaged configuration.
    """
    if name == "obstore" or (name == "auto" and find_spec("obstore") and _uses_aws_endpoint(access)):
        return ObstoreFetcher(access)
    return Boto3Fetcher(access)


def _uses_aws_endpoint(access: S3Access) -> bool:
    """Return whether the endpoint is AWS's usual one, without a company's certificate in front of it."""
    own = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
    return not any(os.environ.get(name) for name in own) and bool(
        _AWS_ENDPOINT.fullmatch(client_of(access).meta.endpoint_url)
    )


# ---- reading -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class S3Reader(Reader):
    """Reads objects of buckets; can be sent to another process, which makes its own client."""

    fetcher: Fetcher

    def read(self, one: LogObject) -> Iterator[Batch]:
        """Yield the batches of one object; an object that cannot be fetched or read becomes damage.

        Raises:
            AwsError: credentials have expired or AWS cannot be reached, so every other object would fail alike.
        """
        return self._decode(*self._fetch(one))

    def read_many(
        self, objects: Iterable[Listed], threads: int = THREADS
    ) -> Iterator[tuple[Listed, list[Batch]]]:
        """Yield each object with its batches, in the objects' order, while threads fetch ahead. Batches are passed on.

        Args:
            objects: what `S3Source.objects` yields.
            threads: number of simultaneous fetches; at most twice as many objects wait in memory, as stored.
        """
        pool = ThreadPoolExecutor(threads, "policygen-fetch")
        try:
            for listed, one, data in map_in_order(self._fetch_with, objects, pool, 2 * threads):
                yield listed, list(self._decode(one, data))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _fetch_with(self, listed: Listed) -> tuple[Listed, LogObject | Batch, bytes]:
        return (listed, *self._fetch(listed))

    def _fetch(self, one: LogObject | Batch) -> tuple[LogObject | Batch, bytes]:
        if isinstance(one, Batch):
            return one, b""
        if one.size > LIMIT:
            return Batch.damaged(one.name, Damage(LIMIT, f"larger than {LIMIT:,} bytes"), one.size), b""
        bucket, _, key = one.locator.removeprefix("s3://").partition("/")
        try:
            data = self.fetcher.fetch(bucket, key)
        except Exception as error:
            return failure_batch(one.name, error, "s3:GetObject", one.size), b""
        if len(data) != one.size:
            reason = f"{one.size:,} bytes were listed, and {len(data):,} came"
            return Batch.damaged(one.name, Damage(min(len(data), one.size), reason), one.size), b""
        return one, data

    def _decode(self, one: LogObject | Batch, data: bytes) -> Iterator[Batch]:
        if isinstance(one, Batch):
            yield one
        else:
            yield from read_stored(one, data)
