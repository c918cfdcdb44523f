"""Which policy files belong to which role: the ``[[role]]`` tables of ``policygen.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from policygen.errors import UsageError
from policygen.text import escape_controls

_KEYS = {"name", "policy"}


def read_role_map(file: Path) -> dict[str, list[Path]]:
    """Return the policy files of each role, by its name, in the order of the file.

    Args:
        file: the configuration; paths in it are relative to its folder.

    Raises:
        UsageError: PG-E247, it cannot be read, has no role, or a table that is not as it should be.
    """
    try:
        tables = tomllib.loads(file.read_text("utf-8-sig")).get("role")
    except OSError as error:
        raise _no_map(file, f"it cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # TOML's and UTF-8's errors are ValueErrors
        raise _no_map(file, f"it is not TOML: {error}") from None
    if not isinstance(tables, list) or not tables:
        raise _no_map(file, "it has no [[role]]")
    found: dict[str, list[Path]] = {}
    for number, table in enumerate(tables):
        name, policies = _row(file, number, table)
        if name in found:
            raise _no_map(file, f"role[{number}].name {name[:64]!r} is there twice")
        found[name] = [file.parent / one for one in policies]
    return found


def _row(file: Path, number: int, table: Any) -> tuple[str, Sequence[str]]:
    if not isinstance(table, Mapping) or set(table) != _KEYS:
        raise _no_map(file, f"role[{number}] needs a name and a policy, and nothing else")
    name, policy = table["name"], table["policy"]
    policies = [policy] if isinstance(policy, str) else policy
    if not isinstance(name, str) or not name:
        raise _no_map(file, f"role[{number}].name must be the name of a role")
    if not isinstance(policies, list) or not policies or not all(isinstance(one, str) for one in policies):
        raise _no_map(file, f"role[{number}].policy must be a file, or a list of files")
    return name, policies


def _no_map(file: Path, reason: str) -> UsageError:
    return UsageError(
        f"{escape_controls(str(file))} does not say which policy a role has: {escape_controls(reason)}",
        'write into it, for each role: [[role]], name = "orders-api", policy = "iam/orders-api.json"',
        code="PG-E247",
    )
