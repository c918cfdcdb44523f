"""Access to buckets: one S3 client for each process, pages of listings, and the meaning of S3's errors."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

from policygen.account.aws_errors import error_code, is_aws_error, is_denied, translate
from policygen.account.aws_session import make_client, open_session
from policygen.errors import AwsError
from policygen.logs.source import Batch, Damage
from policygen.text import escape_controls, sanitize

CONNECTIONS = 64
"""Connections that a client keeps open; with more threads than that, threads wait for one another."""

_ATTEMPTS = (
    10  # botocore gives up after 3 attempts, and every object that is given up is missing from the evidence
)

# After these errors the next object would fail alike.
_FATAL = frozenset({"PG-E101", "PG-E102", "PG-E103", "PG-E106", "PG-E107"})

KMS_HINT = "kms:Decrypt on the trail's key, where its logs are encrypted with one"

_GONE = "it was listed and is gone now: a lifecycle rule or a person deleted it"
_REASONS = {
    "NoSuchKey": _GONE,
    "404": _GONE,
    "NoSuchBucket": "its bucket is gone",
    "InvalidObjectState": "it is archived: restore it from Glacier first",
}


class S3Access(NamedTuple):
    """The credentials to use, by name: a name can be sent to another process, a client cannot."""

    profile: str = ""
    """The AWS profile; "" for the default one."""
    region: str = ""
    """The AWS region; "" for that of the environment or the profile. S3 redirects to a bucket in another region."""


class BucketPrefix(NamedTuple):
    """A bucket and a prefix in it: a folder, which ends in a slash, one object, or "" for the whole bucket."""

    bucket: str
    prefix: str = ""

    def __str__(self) -> str:
        return url(*self)


_clients: dict[tuple[int, S3Access], Any] = {}
_lock = threading.Lock()


def client_of(access: S3Access) -> Any:
    """Return this process's client. Threads may share a client, but not a session, and a fork must not share sockets.

    Raises:
        AwsError: no such profile, or a damaged configuration.
    """
    key = (os.getpid(), access)
    with _lock:
        if key not in _clients:
            session = open_session(access.profile or None, access.region or None)
            _clients[key] = make_client(
                session, "s3", max_pool_connections=CONNECTIONS, retries=_retry_settings()
            )
        return _clients[key]


def drop_clients() -> None:
    """Drop the clients of all sessions, after credentials or the environment have changed."""
    with _lock:
        _clients.clear()


def _retry_settings() -> dict[str, Any]:
    mode, attempts = os.environ.get("AWS_RETRY_MODE"), os.environ.get("AWS_MAX_ATTEMPTS", "")
    return {
        "mode": mode or "standard",
        "total_max_attempts": int(attempts) if attempts.isdecimal() and int(attempts) else _ATTEMPTS,
    }


class ListedObject(NamedTuple):
    """One object in a listing."""

    key: str
    size: int
    version: str
    """Differs when the content does."""


class ListPage(NamedTuple):
    """Up to 1,000 entries of a listing; `folders` are prefixes that end in a slash, `token` is "" on the last page."""

    entries: list[ListedObject]
    folders: list[str]
    token: str


def list_page(
    access: S3Access, bucket: str, prefix: str, token: str = "", *, folders: bool = False
) -> ListPage:
    """Return one page of the keys that begin with `prefix`, in their order.

    Args:
        access: whose credentials are used.
        bucket: its name.
        prefix: of the keys.
        token: of the page, from the page before it; "" for the first.
        folders: list only one level, and return what is deeper as folders.
    """
    options = {"Delimiter": "/"} if folders else {}
    if token:
        options["ContinuationToken"] = token
    answer = client_of(access).list_objects_v2(Bucket=bucket, Prefix=prefix, **options)
    entries = [
        ListedObject(row["Key"], row["Size"], f"{row.get('ETag', '').strip(chr(34))}-{row['Size']}")
        for row in answer.get("Contents", ())
    ]
    names = [row["Prefix"] for row in answer.get("CommonPrefixes", ())]
    next_token = answer.get("NextContinuationToken", "")
    if answer.get("IsTruncated") and not next_token:
        raise BrokenListingError("it says that there is more, and not how to go on")
    return ListPage(entries, names, next_token)


class BrokenListingError(OSError):
    """A listing that cannot be read to its end: of some pages it is not known what they hold."""


class PageGuard:
    """Watches the pages of one listing, which S3 gives once each, in the order of their keys."""

    def __init__(self) -> None:
        self._tokens: set[str] = set()
        self._first = ""

    def check(self, page: ListPage) -> None:
        """Check that a page is not one that was there before; then it would never end.

        Raises:
            BrokenListingError: its token, or its first entry, is one of an earlier page.
        """
        first = page.entries[0].key if page.entries else page.folders[0] if page.folders else ""
        if (page.token and page.token in self._tokens) or (first and first == self._first):
            raise BrokenListingError("it repeats a page, so it has no end")
        self._tokens.add(page.token)
        self._first = first or self._first


def folders_in(access: S3Access, bucket: str, prefix: str) -> Iterator[str]:
    """Yield the names of the folders directly in `prefix`, sorted and without slashes."""
    token, guard = "", PageGuard()
    while True:
        page = list_page(access, bucket, prefix, token, folders=True)
        guard.check(page)
        for folder in page.folders:
            yield folder[len(prefix) :].rstrip("/")
        token = page.token
        if not token:
            return


def url(bucket: str, key: str = "") -> str:
    """Return ``s3://BUCKET/KEY``."""
    return f"s3://{bucket}/{key}"


# ---- refusals -------------------------------------------------------------------------------------------


def failure_batch(name: str, error: Exception, action: str, size: int = 0) -> Batch:
    """Return the batch for what AWS did not give; its kind is "denied" where a permission is missing.

    Args:
        name: of the object, or of the prefix that could not be listed.
        error: what was raised.
        action: the IAM action that was needed.
        size: bytes as stored.

    Raises:
        AwsError: credentials have expired or AWS cannot be reached, so every other request would fail alike.
    """
    _raise_if_fatal(error)
    kind = "denied" if is_denied(error) else "log"
    return Batch(escape_controls(name), damage=Damage(None, _reason(error, action)), kind=kind, size=size)


def _raise_if_fatal(error: Exception) -> None:
    if is_broken_connection(error):
        return
    if not is_aws_error(error):
        raise error
    translated = translate(error, service="s3")
    if translated.code in _FATAL:
        hint = "then run the same command again: it goes on from there"
        raise AwsError(translated.message, *translated.hints, hint, code=translated.code) from error


def is_broken_connection(error: Exception) -> bool:
    """Return whether a connection was lost after it was made, or brought other bytes than announced."""
    from botocore import exceptions
    from urllib3.exceptions import HTTPError

    broken = (exceptions.IncompleteReadError, exceptions.FlexibleChecksumError, exceptions.HTTPClientError)
    return isinstance(error, broken) or (
        isinstance(error, HTTPError | OSError) and not isinstance(error, exceptions.BotoCoreError)
    )


def _reason(error: Exception, action: str) -> str:
    code, text = error_code(error), sanitize(" ".join(str(error).split()), 300)
    if code in _REASONS:
        return f"{_REASONS[code]} ({code})"
    if is_denied(error):
        return f"AWS refuses it: the caller may not use {_denied_permission(text, action)}"
    if isinstance(error, BrokenListingError):
        return f"its listing is broken: {text}"
    if is_broken_connection(error):
        return f"the connection broke again and again: {text}"
    if is_aws_error(error) and translate(error).code == "PG-E104":
        return f"AWS went on limiting the rate of calls ({code}): try again later"
    return f"AWS did not give it: {text}"


def _denied_permission(text: str, action: str) -> str:
    """Return the missing permission. S3 may name the key's (2.1.9), or say no more than "Access Denied"."""
    if "kms:Decrypt" in text:
        return "kms:Decrypt on the trail's key"
    return f"{action}, or kms:Decrypt on the trail's key" if action == "s3:GetObject" else action


def listing_error(error: Exception, access: S3Access, bucket: str, prefix: str) -> AwsError:
    """Return the error for a bucket that cannot be listed at all, with the missing permission."""
    _raise_if_fatal(error)
    translated = translate(error, service="s3", profile=access.profile)
    where = escape_controls(bucket)
    if error_code(error) == "NoSuchBucket":
        return AwsError(f"no bucket {where!r}", "aws s3 ls shows those of this account", code="PG-E105")
    if not is_denied(error):
        return translated
    arn = f"arn:{client_of(access).meta.partition}:s3:::{where}"
    return AwsError(
        f"the caller may not list {escape_controls(url(bucket, prefix))}",
        f"needed: s3:ListBucket on {arn}, s3:GetObject on {arn}/{escape_controls(prefix)}*",
        KMS_HINT,
        "a bucket of another account must also allow it in its bucket policy",
        *(hint for hint in translated.hints if hint.startswith("AWS says")),
        code="PG-E110",
    )
