"""What changes for the code of a role though no call that was seen is denied: everybody who merges must know it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec

from policygen.iam import arn
from policygen.iam.grants import Grant
from policygen.rightsize.assess.changes import Change


class Caution(msgspec.Struct, frozen=True):
    """One such change."""

    id: str
    """``missing-keys``."""
    action: str
    """The action whose loss it is about."""
    resources: tuple[str, ...]
    """Where it goes and is missed: ARN patterns, at least one."""
    says: str
    """What changes, a clause."""
    option: str
    """The option of `suggest` that leaves it as it is."""


_LIST = "s3:ListBucket"
_READS = frozenset({"s3:GetObject", "s3:GetObjectVersion"})


def cautions_of(
    changes: Sequence[Change], grants: Iterable[Grant], seen: Collection[str]
) -> tuple[Caution, ...]:
    """Return what changes for the code of a role.

    Args:
        changes: what becomes of each action; () where today's policies are not known.
        grants: what the new policies grant.
        seen: actions of the observed requests among them.
    """
    change = next((one for one in changes if one.action == _LIST), None)
    reads = [grant for grant in grants if grant.action in _READS]
    buckets = sorted({_bucket_of(grant) for grant in reads})
    lost = [one for one in buckets if change and _loses(change, one)]
    if change is None or not lost:
        return ()
    # S3 tells of a key that does not exist by another error, where the caller may not list: 1.10.8.
    where = f" from {', '.join(one.rpartition(':')[2] for one in lost)}" if change.proposed else ""
    says = f"{_LIST} goes{where}: S3 will answer 403, not 404, for keys that do not exist"
    # A call that met one would need the permission; without calls nobody knows.
    if not _READS.isdisjoint(seen):
        says += "; no call seen asked for one"
    return (Caution("missing-keys", _LIST, tuple(lost), says, f"--keep {_LIST}"),)


def _bucket_of(read: Grant) -> str:
    """Return the pattern of the bucket, or of the access point, that a grant to read objects is about."""
    if read.excluded:
        return "*"
    point, _, key = read.resource.partition("/object/")
    return point if key and ":accesspoint/" in point else read.resource.partition("/")[0]


def _loses(change: Change, bucket: str) -> bool:
    """Return whether today's policies let the role list a bucket, or some bucket of a pattern, and the new do not."""
    return _lists(change.now, bucket) and not _lists(change.proposed, bucket)


def _lists(patterns: Sequence[str], bucket: str) -> bool:
    """Return whether patterns are about a bucket; ``!`` stands before what a NotResource leaves out."""
    left_out = [one[1:] for one in patterns if one.startswith("!")]
    named = any(arn.overlaps(one, bucket) for one in patterns if not one.startswith("!"))
    return named or bool(left_out and not any(arn.contains(one, bucket) for one in left_out))
