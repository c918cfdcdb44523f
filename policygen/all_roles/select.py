"""The roles of a batch: all of an account and its logs, or those that a person selects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from policygen.account.model import Account, Accounts, Role
from policygen.errors import NothingFoundError, UsageError
from policygen.iam.request import RoleKey
from policygen.text import escape_controls, file_name, pluralize


class RoleTarget(NamedTuple):
    """A role to right-size."""

    name: str
    account: str
    arn: str = ""
    current: Role | None = None
    """The role as it is in the account; None where it is not known."""
    file: str = ""
    """Name of its files, without a suffix: the role's name, with the account where two roles have that name."""


class RoleFilter(NamedTuple):
    """The roles that a person selects; empty for all. A role must match one value of each field that is given."""

    names: Sequence[str] = ()
    """Globs of role names; case does not count."""
    paths: Sequence[str] = ()
    """Prefixes of IAM paths, ``/service-role/``."""
    tags: Sequence[str] = ()
    """``KEY=VALUE``, where the value is a glob, or ``KEY``."""
    trusts: Sequence[str] = ()
    """Service principals that may assume the role; ``lambda`` stands for ``lambda.amazonaws.com``."""
    accounts: Sequence[str] = ()

    def matches(self, target: RoleTarget) -> bool:
        """Return whether a role is selected."""
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

    def role_names(self, account: Account) -> list[str]:
        """Return the names of an account's roles that are selected."""
        return [role.name for role in account.roles if self.matches(_of_account(role))]


def unselected(earlier: Iterable[tuple[str, str]], accounts: Accounts, choice: RoleFilter) -> list[str]:
    """Return the names of roles of an earlier batch that still exist, as far as is known, and are not selected.

    Args:
        earlier: name and account of each role of that batch.
        accounts: those that are known, as they are today.
        choice: which roles are selected.
    """
    if choice == RoleFilter():
        return []
    roles = {(role.name, role.key.account): role for one in accounts.values() for role in one.roles}
    own_accounts = {account_id for _, account_id in roles}
    return [
        name
        for name, account_id in earlier
        for role in [roles.get((name, account_id))]
        if (role or account_id not in own_accounts)
        and not choice.matches(RoleTarget(name, account_id, current=role))
    ]


def _any(values: Sequence[str], matches: Callable[[str], bool]) -> bool:
    return not values or any(map(matches, values))


def _has_tag(tags: Mapping[str, str], wanted: str) -> bool:
    key, equals, value = wanted.partition("=")
    return key in tags and (not equals or fnmatchcase(tags[key], value))


def _principal(name: str) -> str:
    return name if "." in name else f"{name}.amazonaws.com"


def targets(seen: Iterable[RoleKey], accounts: Accounts, choice: RoleFilter) -> list[RoleTarget]:
    """Return the selected roles, of the accounts as they are and of the logs, by name.

    A role of the logs that its account no longer has is left out: there is nothing to right-size.

    Args:
        seen: roles with calls in the logs.
        accounts: those that are known, as they are today.
        choice: which roles are selected.

    Raises:
        UsageError: PG-E274, a selection that needs the account, without one.
        NothingFoundError: PG-E312, no role matches.
    """
    if not accounts and (choice.paths or choice.tags or choice.trusts):
        raise UsageError(
            "--path, --tag and --trust need the account",
            "give it: --snapshot account.json, or --live",
            code="PG-E274",
        )
    known = {
        (role.key.account, role.name.lower()): _of_account(role)
        for one in accounts.values()
        for role in one.roles
    }
    own_accounts = {account_id for account_id, _ in known}
    for role in sorted(seen):
        if role.name and role.account not in own_accounts:
            key = (role.account, role.name.lower())
            other = known.get(key)
            name, arn = (other.name, role.arn or other.arn) if other else (role.name, role.arn)
            known[key] = RoleTarget(name, role.account, arn)
    selected = [target for target in known.values() if choice.matches(target)]
    if not selected:
        raise NothingFoundError(
            f"none of {pluralize(len(known), 'role')} fits"
            + (f" --name {escape_controls(choice.names[0])[:60]!r}" if choice.names else ""),
            f"there are: {', '.join(sorted(target.name for target in known.values())[:8]) or 'none'}",
            code="PG-E312",
        )
    return _with_files(sorted(selected, key=lambda target: (target.name.lower(), target.account)))


def _of_account(role: Role) -> RoleTarget:
    return RoleTarget(role.name, role.key.account, role.key.arn, role)


def _with_files(targets: Sequence[RoleTarget]) -> list[RoleTarget]:
    """Give each role a name for its files, unique on file systems that ignore case."""
    plain = Counter(file_name(target.name).lower() for target in targets)
    used: set[str] = set()
    named = []
    for target in targets:
        name = file_name(target.name)
        if plain[name.lower()] > 1:
            name = f"{name}-{file_name(target.account)}"
        file, number = name, 2
        while file.lower() in used or (file != file_name(target.name) and plain[file.lower()]):
            file, number = f"{name}-{number}", number + 1
        used.add(file.lower())
        named.append(target._replace(file=file))
    return named
