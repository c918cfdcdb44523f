"""Condition keys that AWS sends with every request for an action (`data/sent_keys.toml`).

Only these can be required of a role without refusing a request whose record does not show the key.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache, lru_cache

import msgspec

from policygen.files import read_package_table
from policygen.iam.arn import action_matches
from policygen.iam.document import Conditions, conditions_of
from policygen.iam.request import AccessRequest


class SentKey(msgspec.Struct, frozen=True):
    """A condition key, and the actions whose requests always have it."""

    key: str
    actions: tuple[str, ...]
    values: re.Pattern[str]
    """What a value looks like that is known to be spelled as AWS sends it."""
    operator: str
    reference: str


@cache
def sent_keys() -> tuple[SentKey, ...]:
    """Return the table."""
    return tuple(
        SentKey(
            row["key"],
            tuple(row["actions"]),
            re.compile(row.get("values", ".+"), re.S),
            row.get("operator", "StringEquals"),
            row["reference"],
        )
        for row in read_package_table("policygen.catalog", "data/sent_keys.toml")["key"]
    )


@lru_cache(maxsize=8192)
def sent_keys_of(action: str) -> tuple[SentKey, ...]:
    """Return the keys that every request for an action has."""
    return tuple(
        one for one in sent_keys() if any(action_matches(pattern, action) for pattern in one.actions)
    )


def sent_conditions(action: str, requests: Collection[AccessRequest]) -> Conditions:
    """Return the conditions that all requests for an action satisfy, for keys that AWS always sends.

    Where the record of one of them does not show a key, or shows several values, there is no condition on it.
    """
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for sent in sent_keys_of(action):
        shown = [dict(request.context).get(sent.key, ()) for request in requests]
        if all(len(values) == 1 and sent.values.fullmatch(values[0]) for values in shown):
            found.setdefault(sent.operator, {})[sent.key] = tuple(sorted({values[0] for values in shown}))
    return conditions_of(found) if found else ()
