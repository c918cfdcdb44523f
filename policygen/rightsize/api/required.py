"""Conditions that a person asks of an API's callers (``--require``): what every call of a caller satisfied."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from policygen.account.apis import Api
from policygen.iam import arn
from policygen.rightsize.api.uses import ApiUse
from policygen.rightsize.principals.values import address_blocks, always_had, string_condition

SOURCE_IP = "source-ip"
API_REQUIREMENTS = (SOURCE_IP, "vpce", "org")
_LARGEST = {4: 16, 6: 32}
"""Bits of the largest block of addresses, by the version of IP: what one provider gives to one customer."""


class ApiRequired(NamedTuple):
    """Operators, keys and values of the conditions that are added, and the names that cannot be required."""

    entries: tuple[tuple[str, str, list[str]], ...]
    unmet: tuple[str, ...]


def met_requirements(
    names: Sequence[str], api: Api, uses: Sequence[ApiUse], asked: Collection[str], max_blocks: int
) -> ApiRequired:
    """Return what can be required of a caller.

    Args:
        names: of `API_REQUIREMENTS`.
        api: the API.
        uses: all calls of the caller.
        asked: keys in lower case that today's policy asks for; they are not asked for twice.
        max_blocks: how many address blocks may be listed.
    """
    facts = [use.facts for use in uses]
    entries: list[tuple[str, str, list[str]]] = []
    unmet: list[str] = []
    for name in dict.fromkeys(names):
        key = requirement_key(name, api)
        if key.lower() in asked:
            continue
        had = always_had(key, facts)
        if name == SOURCE_IP:
            blocks = address_blocks(had, max_blocks, _LARGEST)
            entry = ("IpAddress", key, blocks) if blocks else None
        else:
            entry = string_condition(key, list(map(arn.quote, had))) if had else None
        if entry:
            entries.append(entry)
        else:
            unmet.append(name)
    return ApiRequired(tuple(entries), tuple(unmet))


def requirement_key(name: str, api: Api) -> str:
    """Return the condition key that a name of ``--require`` stands for. Behind an endpoint, addresses have another."""
    if name == SOURCE_IP:
        return "aws:VpcSourceIp" if api.private else "aws:SourceIp"
    return {"vpce": "aws:SourceVpce", "org": "aws:PrincipalOrgID"}[name]
