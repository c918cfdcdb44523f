"""Which policy files belong to which role: the ``[[role]]`` tables of the configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from policygen.cli.configuration import OWN, read_configuration
from policygen.errors import UsageError
from policygen.text import escape_controls

_KEYS = {"name", "policy"}


def read_role_map() -> dict[str, list[Path]]:
    """Return the policy files of each role, by its name, in the order of the configuration; {} without any.

    Files are relative to the folder of the configuration.

    Raises:
        UsageError: PG-E247, a table that is not as it should be; and what `read_configuration` raises.
    """
    configuration = read_configuration()
    tables = configuration.table.get("role", [])
    folder = configuration.path.parent if configuration.path else Path()
    if not isinstance(tables, list):
        raise wrong_role_map(configuration.name, "role must be tables, each under [[role]]")
    found: dict[str, list[Path]] = {}
    for number, table in enumerate(tables):
        name, policies = _row(configuration.name, number, table)
        if name in found:
            raise wrong_role_map(configuration.name, f"role[{number}].name {name[:64]!r} is there twice")
        found[name] = [folder / one for one in policies]
    return found


def unnamed_policies() -> list[str]:
    """Return the files beside the policies of the configuration that seem to be policies, and that no role has.

    Raises:
        UsageError: as `read_role_map`.
    """
    from policygen.cli.policy_files import unnamed_files

    named = [file for files in read_role_map().values() for file in files]
    path = read_configuration().path
    return unnamed_files(named, path.parent if path else Path())


def _row(file: str, number: int, table: Any) -> tuple[str, Sequence[str]]:
    if not isinstance(table, Mapping) or set(table) != _KEYS:
        raise wrong_role_map(file, f"role[{number}] needs a name and a policy, and nothing else")
    name, policy = table["name"], table["policy"]
    policies = [policy] if isinstance(policy, str) else policy
    if not isinstance(name, str) or not name:
        raise wrong_role_map(file, f"role[{number}].name must be the name of a role")
    if not isinstance(policies, list) or not policies or not all(isinstance(one, str) for one in policies):
        raise wrong_role_map(file, f"role[{number}].policy must be a file, or a list of files")
    return name, policies


def wrong_role_map(file: str, reason: str) -> UsageError:
    """Return the error for a configuration that does not say which policy a role has."""
    return UsageError(
        f"{file or OWN} does not say which policy a role has: {escape_controls(reason)}",
        'write into it, for each role: [[role]], name = "orders-api", policy = "iam/orders-api.json"',
        code="PG-E247",
    )
