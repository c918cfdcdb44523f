"""What an earlier batch made of a role, and a digest of all that it rests on: from the same, the same is made again.

So a role whose digest is as it was, and whose files are as they were written, is left alone.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping, Set
from contextlib import suppress
from dataclasses import fields, is_dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from policygen.files import UnreadableJson, unpacked, write_file
from policygen.iam.reference import data_version
from policygen.plan.batch_table import BatchRow
from policygen.rightsize.assess.readiness import Reason
from policygen.rightsize.decisions.model import Decisions
from policygen.rightsize.questions import RoleTopic
from policygen.text import pluralize
from policygen.version import VERSION

if TYPE_CHECKING:
    from policygen.account.model import Account
    from policygen.all_roles.rightsize_role import BatchSettings
    from policygen.all_roles.select import RoleTarget
    from policygen.iam.request import RoleKey
    from policygen.logs.calls.call import Calls
    from policygen.logs.events.assumption import Sightings

NAME = ".batch-made.json.gz"


class MadeRole(msgspec.Struct, frozen=True, array_like=True):
    """What a batch made of one role."""

    inputs: str
    """The digest of all that it rests on, as `inputs_digest` gives it."""
    files: str
    """The digest of the files that were written; "" where there are none."""
    row: BatchRow
    topics: tuple[RoleTopic, ...] = ()
    """What the role asks about its unverified permissions."""
    shared: tuple[Reason, ...] = ()
    """What holds it back, and lies in what was read or given."""


def read_made(folder: Path) -> dict[str, MadeRole]:
    """Return what the last batch made, by the name of the role's files; nothing where that cannot be read.

    Anybody may have written the file, so a row that names the files of another role is left out.
    """
    with suppress(OSError, UnreadableJson, msgspec.DecodeError), (folder / NAME).open("rb") as stored:
        made = msgspec.json.decode(unpacked(stored), type=dict[str, MadeRole])
        return {name: one for name, one in made.items() if {one.row.plan, one.row.trust_policy} <= {"", name}}
    return {}


def write_made(folder: Path, made: Mapping[str, MadeRole]) -> None:
    """Write what a batch made, for the next one.

    Raises:
        UsageError: PG-E220, it cannot be written.
    """
    write_file(folder / NAME, gzip.compress(msgspec.json.encode(dict(sorted(made.items()))), 6, mtime=0))


def kept_message(kept: int, roles: int) -> str:
    """Say how many roles were left alone."""
    return (
        f"{kept:,} of {pluralize(roles, 'role')} did not change since the last batch in this folder: "
        "same calls, policies, window and options; their files were kept"
    )


def files_digest(paths: Iterable[Path]) -> str:
    """Return a digest of files; "" where one of them is not there."""
    total = blake2b(digest_size=16)
    try:
        for path in paths:
            total.update(blake2b(path.read_bytes()).digest())
    except OSError:
        return ""
    return total.hexdigest()


def shared_digests(settings: BatchSettings) -> dict[str, str]:
    """Return digests of what the results of all roles rest on: the reading, the options, what their account is like.

    By account; "" is for the roles of those that are not known. Of the other roles of its account, a result depends on
    their names and on who may assume them alone; of other accounts, on who may call from there; of today's date, on
    which decisions have expired.
    """
    suggest, decisions = settings.suggest, settings.suggest.decisions or Decisions()
    rules, principals = decisions.rules, decisions.principals
    common = _digest(
        VERSION,
        data_version(),
        settings.formats,
        settings.owner_tag,
        settings.read_report,
        settings.counts.totals,
        replace(settings.observe, on=None),  # `limit` is what came of it
        settings.limit,
        replace(suggest, on=None),
        [rule.expired(suggest.on) for rule in rules if suggest.on],
        [rule.expired(suggest.on) for rule in principals if suggest.on],
        [_callers_in(account) for _, account in sorted(settings.accounts.items())],
    )
    accounts = {
        account_id: _digest(
            common,
            replace(account, roles=(), last_accessed=None, generated_at=""),
            [(role.key, role.trusted_services) for role in account.roles],
        )
        for account_id, account in settings.accounts.items()
    }
    return {"": common} | accounts


def _callers_in(account: Account) -> tuple[object, ...]:
    """Return what an account tells of the callers of its own and of other accounts' roles."""
    users = [(user.unique_id, user.arn) for user in account.users]
    return account.account_id, account.organization_id, [role.key for role in account.roles], users


def inputs_digest(
    settings: BatchSettings, target: RoleTarget, calls: Mapping[RoleKey, Calls], sightings: Sightings
) -> str:
    """Return a digest of all that a role's result rests on.

    Args:
        settings: what all roles have in common, with what `shared_digests` gives.
        target: the role, as it is in the account.
        calls: its calls, and those of roles that had its name before.
        sightings: its assumptions, likewise.
    """
    account, role = settings.account_of(target), target.current
    report = account.last_accessed_of(role) if account and role else None
    seen = sorted((_encode(said), sorted(found.items())) for said, found in sightings.items())
    return _digest(settings.shared[target.account if account else ""], target, report, calls, seen)


def _digest(*values: object) -> str:
    return blake2b(b"".join(map(_canonical, values)), digest_size=16).hexdigest()


_encode = msgspec.msgpack.Encoder(order="deterministic").encode


def _pairs(table: Mapping[Any, Any]) -> list[tuple[bytes, bytes]]:
    try:
        return [(_encode(key), _encode(one)) for key, one in table.items()]
    except TypeError:
        return [(_canonical(key), _canonical(one)) for key, one in table.items()]


def _canonical(value: Any) -> bytes:
    """Return bytes that are the same for equal values, whatever the order of their sets and mappings."""
    try:
        return _encode(value)
    except TypeError:  # somewhere in it is a mapping whose keys are not texts
        pass
    if isinstance(value, Mapping):
        return _encode(sorted(_pairs(value)))
    if isinstance(value, Set):
        return _encode(sorted(map(_canonical, value)))
    if is_dataclass(value):
        value = [getattr(value, one.name) for one in fields(value)]
    elif isinstance(value, msgspec.Struct):
        value = [getattr(value, name) for name in value.__struct_fields__]
    if not isinstance(value, list | tuple):
        raise TypeError(f"a {type(value).__name__} has no digest")
    return _encode([*map(_canonical, value)])
