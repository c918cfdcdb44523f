"""Which services may call others with the caller's rights, so that an action is asked for that no code names."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache, lru_cache

from policygen.files import read_package_table

ANY = "*"
"""The pattern of every action."""
_ALWAYS = frozenset({"kms:*", "iam:passrole", "iam:createservicelinkedrole"})
"""Any service that keeps data may ask for a key with the caller's rights, or make its own role."""


@cache
def _table() -> Mapping[str, Mapping[str, str | list[str]]]:
    return read_package_table("policygen.catalog", "data/forwarding.toml")  # type: ignore[no-any-return]


@lru_cache(maxsize=8192)
def forwards_to(service: str, operation: str, granted: frozenset[str]) -> frozenset[str]:
    """Return the actions that an operation may ask for with its caller's rights, as patterns in lower case.

    Args:
        service: IAM prefix of the operation's service.
        operation: in any letter case, without underscores.
        granted: IAM prefixes of the services that the caller may use.
    """
    for pattern, others in _table().get(service, {}).items():
        if isinstance(others, list) and fnmatchcase(operation.lower(), pattern.lower()):
            split = [other.partition("?") for other in others]
            asked = {other for other, _, needed in split if not needed or needed in granted}
            return _ALWAYS | {(one if ":" in one or one == ANY else f"{one}:*").lower() for one in asked}
    return frozenset({ANY})
