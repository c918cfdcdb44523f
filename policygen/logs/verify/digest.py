"""One digest file of CloudTrail's log file integrity validation (2.2): its content, and whether it is genuine.

Once an hour CloudTrail writes a digest for each region. It lists the log files that were delivered in that hour with
their hashes, and the hash and the signature of the digest before. Pure. Sources: AWS CloudTrail User Guide, "CloudTrail
digest file structure" and "Custom implementations of CloudTrail log file integrity validation".
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import NamedTuple

import msgspec

from policygen.errors import missing_extra
from policygen.logs.decode.checksum import unpacked_pieces
from policygen.text import sanitize

ALGORITHM = "SHA256withRSA"
"""How digests are signed: RSA with PKCS #1 v1.5 padding over a SHA-256."""

HASH = "SHA-256"

MAX_DIGEST_BYTES = 256 << 20
"""Greatest size of an unpacked digest, in bytes: half a million log files in an hour."""

_NAME = re.compile(
    r"(?P<account>\d{12})_CloudTrail-Digest_(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)"
    r"_(?P<trail>.+_[a-z]{2}(?:-[a-z]+)+-\d)"
    r"_(?P<end>20\d{6}T\d{6}Z)(?P<backfill>_backfill)?\.json(?:\.gz)?"
)
_SEPARATOR = re.compile(r"[/\\]")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class LoggedFile(msgspec.Struct, frozen=True, rename="camel"):
    """A log file that a digest lists; the hash, in hex, is of its unpacked content."""

    s3_bucket: str
    s3_object: str
    hash_value: str
    hash_algorithm: str = HASH


class Digest(msgspec.Struct, frozen=True, rename="camel"):
    """A digest file; times are in UTC, hashes and signatures in hex.

    The fields of the previous digest are null in the first digest of a chain (2.2.6).
    """

    aws_account_id: str
    digest_start_time: str
    digest_end_time: str
    digest_s3_bucket: str
    digest_s3_object: str
    digest_public_key_fingerprint: str
    digest_signature_algorithm: str
    log_files: list[LoggedFile]
    previous_digest_s3_bucket: str | None
    previous_digest_s3_object: str | None
    previous_digest_hash_value: str | None
    previous_digest_signature: str | None
    previous_digest_hash_algorithm: str | None = None


class DigestName(NamedTuple):
    """What the name of a digest file says (2.1)."""

    account: str
    region: str
    """The region of the listed log files and of the key."""
    trail: str
    """The trail's name, an underscore and its home region."""
    backfill: bool
    """Whether it lists log files that the digests of their time left out (2.2.7)."""
    end: str
    """The end of its time, ISO 8601 in UTC."""


class DigestFile(NamedTuple):
    """A digest file as it was fetched."""

    key: str
    """Where it was fetched from: its key in a bucket, or the path of a copy."""
    data: bytes
    """The bytes as stored."""
    bucket: str = ""
    """The bucket it was fetched from; "" for a copy outside S3."""
    signature: str | None = None
    """In hex; "" where its metadata has none, None for a copy, which has no metadata."""
    generated: str = ""
    """When a backfill digest was made, from its metadata."""


class ParsedDigest(NamedTuple):
    """A digest file, unpacked and decoded."""

    file: DigestFile
    name: DigestName
    digest: Digest | None
    """None where it cannot be read; `fault` says why."""
    sha256: str = ""
    """SHA-256 of its unpacked content, in hex."""
    fault: str = ""


_DIGEST = msgspec.json.Decoder(Digest)


def parse_digest_name(key: str) -> DigestName | None:
    """Return what a digest's name says; None for the name of another file."""
    match = _NAME.fullmatch(digest_file_name(key))
    if match is None:
        return None
    end = iso_time(match["end"])
    return (
        DigestName(match["account"], match["region"], match["trail"], bool(match["backfill"]), end)
        if end
        else None
    )


def iso_time(text: str) -> str:
    """Convert a time in a name, ``20261103T081500Z``, to ISO 8601; return "" for anything else."""
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%S%z").strftime("%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return ""


def digest_file_name(key: str) -> str:
    """Return the last part of a key or path. Trails never repeat a file name, so it identifies a copy in any folder."""
    return _SEPARATOR.split(key)[-1]


def unpacked_name(key: str) -> str:
    """Return `digest_file_name` without ``.gz``."""
    return digest_file_name(key).removesuffix(".gz")


def parse_digest(file: DigestFile, name: DigestName) -> ParsedDigest:
    """Unpack and decode a digest file; anything wrong with it is its `fault`."""
    try:
        text = bytearray()
        for piece in unpacked_pieces(file.data):
            text += piece
            if len(text) > MAX_DIGEST_BYTES:
                return ParsedDigest(
                    file, name, None, fault=f"unpacks to more than {MAX_DIGEST_BYTES:,} bytes"
                )
        digest = _DIGEST.decode(text)
    except (ValueError, RecursionError) as error:
        return ParsedDigest(file, name, None, fault=f"cannot be read: {sanitize(str(error))}")
    if not (_TIME.fullmatch(digest.digest_start_time) and _TIME.fullmatch(digest.digest_end_time)):
        return ParsedDigest(file, name, None, fault="has a time that cannot be read")
    return ParsedDigest(file, name, digest, hashlib.sha256(text).hexdigest())


def was_moved(file: DigestFile, digest: Digest) -> bool:
    """Return whether a digest was fetched from another place than its content names (2.2.2).

    Of a copy's path, only the part below the parent of ``AWSLogs`` is known, or only the file name.
    """
    if file.bucket:
        return (file.bucket, file.key) != (digest.digest_s3_bucket, digest.digest_s3_object)
    stated_key = f"/{digest.digest_s3_object}".removesuffix(".gz")
    path = file.key.removesuffix(".gz")
    _, mark, below = path.rpartition("/AWSLogs/")
    return not stated_key.endswith(f"{mark}{below}" if mark else f"/{digest_file_name(path)}")


def signing_string(digest: Digest, sha256: str) -> bytes:
    """Return the bytes that CloudTrail signed (2.2.3).

    Args:
        digest: the digest.
        sha256: of its unpacked bytes, in hex.
    """
    location = f"{digest.digest_s3_bucket}/{digest.digest_s3_object}"
    # CloudTrail's Java writes "null" for a missing signature.
    lines = (digest.digest_end_time, location, sha256, digest.previous_digest_signature or "null")
    return "\n".join(lines).encode()


def require_cryptography() -> None:
    """Raise an error if signatures cannot be checked.

    Raises:
        UsageError: the package cryptography is not installed (PG-E231).
    """
    try:
        import cryptography.exceptions
        import cryptography.hazmat.primitives.asymmetric.rsa  # noqa: F401
    except ImportError as error:
        raise missing_extra(
            "signatures of digests cannot be checked: the package cryptography is not installed",
            "verify",
            "cryptography",
            code="PG-E231",
        ) from error


def verify_signature(key: bytes, signed: bytes, signature: str) -> bool:
    """Return whether `signature` was made over `signed` with the private half of `key` (2.2.4).

    Args:
        key: RSA public key in DER, as PKCS #1 (as ListPublicKeys gives it) or SubjectPublicKeyInfo.
        signed: the signing string.
        signature: in hex.

    Raises:
        UsageError: the package cryptography is not installed (PG-E231).
    """
    require_cryptography()
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        public = load_der_public_key(key)
        if not isinstance(public, RSAPublicKey):
            return False
        public.verify(bytes.fromhex(signature), signed, PKCS1v15(), SHA256())
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True
