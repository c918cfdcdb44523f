"""Which policy files belong to which role: the ``[[role]]`` tables of the configuration."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from policygen.configuration import OWN, Configuration, read_configuration, table_of
from policygen.errors import UsageError
from policygen.gate.repository.files import is_arn
from policygen.plan.saved import names_role
from policygen.text import escape_controls

if TYPE_CHECKING:
    from policygen.iam.locations import Location

_KEYS = ("name", "policy")
_KNOWN = (*_KEYS, "planned")


class GateRole(NamedTuple):
    """One role of the configuration: a ``[[role]]`` table."""

    name: str
    """Its name or ARN; "" for policies of the command line, which are those of any role."""
    policies: Sequence[Path]
    """Files and folders as seen from the current folder, also ``FILE#NAME``, and ARNs of attached policies."""
    planned: bool = True
    """Whether a plan is to be expected: none can be made of a role that makes no calls."""
    configured: bool = True
    """Whether the configuration names them, and not the command line."""


def read_role_map() -> list[GateRole]:
    """Return the roles of the configuration, in its order; [] without any.

    Files are relative to the folder of the configuration.

    Raises:
        UsageError: PG-E247, a table that is not as it should be; and what `read_configuration` raises.
    """
    configuration = read_configuration()
    return _roles(configuration.name, configuration.table, configuration)


def read_older_role_map(path: Path) -> list[GateRole]:
    """Return the roles of an older configuration, which stood where that of this folder stands; [] without any.

    Raises:
        UsageError: as `read_role_map`.
    """
    return _roles(escape_controls(str(path)), table_of(path), read_configuration())


def _roles(name: str, table: Mapping[str, Any], configuration: Configuration) -> list[GateRole]:
    tables = table.get("role", [])
    folder = configuration.path.parent if configuration.path else Path()
    if not isinstance(tables, list):
        raise wrong_role_map(name, "role must be tables, each under [[role]]")
    roles = [_role(name, folder, number, one) for number, one in enumerate(tables)]
    for number, role in enumerate(roles):
        if role.name in [one.name for one in roles[:number]]:
            raise wrong_role_map(name, f"role[{number}].name {role.name[:64]!r} is there twice")
    return roles


def configured_role(roles: Sequence[GateRole], name: str, account: str) -> GateRole | None:
    """Return what the configuration says of a role: by its ARN, or else by its name; None where it says nothing.

    Args:
        roles: those of the configuration.
        name: the role's name.
        account: the role's account; "" where it is not known.
    """
    fitting = [one for one in roles if not one.name or names_role(one.name, name, account)]
    return next((one for one in fitting if one.name != name), next(iter(fitting), None))


def unnamed_policies() -> list[Path]:
    """Return the files beside the policies of the configuration that seem to be policies, and that no role has.

    Raises:
        UsageError: as `read_role_map`.
    """
    from policygen.gate.repository.files import unnamed_files

    return unnamed_files(*_named_and_root())


def unread_beside() -> list[str]:
    """Return a sentence for each kind of code beside the policies of the configuration that is not read.

    Raises:
        UsageError: as `read_role_map`.
    """
    from policygen.gate.repository.unread_code import unread_code

    return unread_code(*_named_and_root())


def _named_and_root() -> tuple[list[Path], Path]:
    """Return the files and folders that the tables name, and the folder of the configuration."""
    named = [one for role in read_role_map() for one in role.policies if not is_arn(one)]
    path = read_configuration().path
    return named, path.parent if path else Path()


def _role(file: str, folder: Path, number: int, table: Any) -> GateRole:
    if not isinstance(table, Mapping):
        raise wrong_role_map(file, f"role[{number}] must be a table")
    for key in table:
        if key not in _KNOWN:
            close = difflib.get_close_matches(key, _KNOWN, 1)
            meant = f"did you mean {close[0]}?" if close else f"there are {', '.join(_KNOWN)}"
            raise wrong_role_map(file, f"role[{number}].{key[:64]} is not a key: {meant}")
    for key in _KEYS:
        if key not in table:
            raise wrong_role_map(file, f"role[{number}].{key} is missing")
    name, policy = table["name"], table["policy"]
    policies = [policy] if isinstance(policy, str) else policy
    if not isinstance(name, str) or not name:
        raise wrong_role_map(file, f"role[{number}].name must be the name of a role")
    if not isinstance(policies, list) or not policies or not all(isinstance(one, str) for one in policies):
        raise wrong_role_map(file, f"role[{number}].policy must be a file or an ARN, or a list of them")
    planned = table.get("planned", True)
    if not isinstance(planned, bool):
        raise wrong_role_map(file, f"role[{number}].planned must be true or false")
    return GateRole(name, [Path(one) if is_arn(one) else folder / one for one in policies], planned)


def place_in_configuration(text: str) -> tuple[str, Location]:
    """Return the file of the configuration, and the first line with a text that ends a string there; else line 1."""
    from policygen.iam.locations import Location

    configuration = read_configuration()
    lines = configuration.path.read_text("utf-8-sig").splitlines() if configuration.path else []
    found = (number for number, line in enumerate(lines, 1) if f'{text}"' in line or f"{text}'" in line)
    return configuration.name, Location(next(found, 1), 1)


def policy_key_of(policies: Iterable[Path | str]) -> str:
    """Return the key of a ``[[role]]`` that names policies: ``policy = ["iam/orders-api.json", "arn:..."]``."""
    path = read_configuration().path
    folder = path.parent if path else Path()
    named = (str(one) if is_arn(one) else os.path.relpath(one, folder) for one in policies)
    return f"policy = {json.dumps([*named], ensure_ascii=False)}"


def wrong_role_map(file: str, reason: str, *hints: str) -> UsageError:
    """Return the error for a configuration that does not say which policy a role has; the hints say what else helps."""
    return UsageError(
        f"{file or OWN} does not say which policy a role has: {escape_controls(reason)}",
        'write into it, for each role: [[role]], name = "orders-api", policy = "iam/orders-api.json"',
        *hints,
        code="PG-E247",
    )
