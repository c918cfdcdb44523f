"""Which roles: all of an account and of its logs, or those that a person names by name, path, tag, trust or account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from policygen.account.model import Account, Role
from policygen.errors import NothingFoundError, UsageError
from policygen.iam.request import RoleKey
from policygen.text import escape_controls, file_name, pluralize


class RoleTarget(NamedTuple):
    """A role to right-size."""

    name: str
    account: str
    arn: str = ""
    current: Role | None = None
    """As it is in the account; None where it is not known."""
    file: str = ""
    """Name of its files: the role's, with the account where two have it."""


class RoleFilter(NamedTuple):
    """What a person asked for; empty for all. A role must fit each that is given, and one of its values."""

    names: Sequence[str] = ()
    """Globs of role names, without regard to case."""
    paths: Sequence[str] = ()
    """Prefixes of IAM paths, ``/service-role/``."""
    tags: Sequence[str] = ()
    """``KEY=VALUE``, the value a glob, or ``KEY``."""
    trusts: Sequence[str] = ()
    """Service principals, ``lambda`` for ``lambda.amazonaws.com``."""
    accounts: Sequence[str] = ()

    def fits(self, target: RoleTarget) -> bool:
        """Whether a role is asked for."""
        if not _any(self.names, lambda glob: fnmatchcase(target.name.lower(), glob.lower())):
            return False
        if self.accounts and target.account not in self.accounts:
            return False
        role = target.current
        if role is None:
            return not (self.paths or self.tags or self.trusts)
        return (
            _any(self.paths, role.path.startswith)
            and _any(self.tags, lambda tag: _has_tag(role.tags, tag))
            and _any(self.trusts, lambda name: _principal(name) in role.trusted_services)
        )


def _any(values: Sequence[str], fits: Callable[[str], bool]) -> bool:
    return not values or any(map(fits, values))


def _has_tag(tags: Mapping[str, str], wanted: str) -> bool:
    key, equals, value = wanted.partition("=")
    return key in tags and (not equals or fnmatchcase(tags[key], value))


def _principal(name: str) -> str:
    return name if "." in name else f"{name}.amazonaws.com"


def targets(seen: Iterable[RoleKey], account: Account | None, choice: RoleFilter) -> list[RoleTarget]:
    """The roles that are asked for, of the account as it is and of the logs, by name.

    A role of the logs that the account no longer has is left out: there is nothing to right-size.

    Args:
        seen: roles with calls.
        account: as it is today; None where it is not known.
        choice: which of them.

    Raises:
        UsageError: PG-E274, a choice that only an account can answer, without one.
        NothingFoundError: PG-E312, no role fits.
    """
    if account is None and (choice.paths or choice.tags or choice.trusts):
        raise UsageError(
            "--path, --tag and --trust ask for what only the account tells",
            "give it: --snapshot account.json, or --live",
            code="PG-E274",
        )
    found = (
        {(role.key.account, role.name.lower()): _of_account(role) for role in account.roles}
        if account
        else {}
    )
    own = {one for one, _ in found}
    for role in sorted(seen):
        if role.name and role.account not in own:
            key = (role.account, role.name.lower())
            known = found.get(key)
            found[key] = RoleTarget(
                known.name if known else role.name, role.account, role.arn or (known.arn if known else "")
            )
    chosen = [target for target in found.values() if choice.fits(target)]
    if not chosen:
        raise NothingFoundError(
            f"none of {pluralize(len(found), 'role')} fits"
            + (f" --name {escape_controls(choice.names[0])[:60]!r}" if choice.names else ""),
            f"there are: {', '.join(sorted(one.name for one in found.values())[:8]) or 'none'}",
            code="PG-E312",
        )
    return _with_files(sorted(chosen, key=lambda one: (one.name.lower(), one.account)))


def _of_account(role: Role) -> RoleTarget:
    return RoleTarget(role.name, role.key.account, role.key.arn, role)


def _with_files(found: Sequence[RoleTarget]) -> list[RoleTarget]:
    """Names of files, which no two share on any file system: with the account where two roles have the name."""
    plain = Counter(file_name(target.name).lower() for target in found)
    used: set[str] = set()
    named = []
    for one in found:
        name = file_name(one.name)
        if plain[name.lower()] > 1:
            name = f"{name}-{file_name(one.account)}"
        file, number = name, 2
        while file.lower() in used or (file != file_name(one.name) and plain[file.lower()]):
            file, number = f"{name}-{number}", number + 1
        used.add(file.lower())
        named.append(one._replace(file=file))
    return named
