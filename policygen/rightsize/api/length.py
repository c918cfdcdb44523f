"""The length of a resource policy: what API Gateway stores, and how statements are written shorter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from msgspec.structs import replace

from policygen.iam.document import Conditions
from policygen.iam.resource_policy import ResourcePolicy
from policygen.rightsize.api.resource import WrittenAccess, widest
from policygen.rightsize.principals.kept import Kept
from policygen.rightsize.principals.letting_in import Way

QUOTA = 8192
"""Characters of a resource policy that API Gateway stores, unless the quota was raised.

Source: API Gateway Developer Guide, api-gateway-execution-service-limits-table.
"""
RAISE_LENGTH = (
    "give several callers one role, or have API Gateway's quota raised: length of resource policies"
)
"""What makes room in a resource policy."""
NOT_FITTING = "its methods do not fit into a resource policy"
"""Why a statement stays as it is."""


def longest(today: ResourcePolicy | None) -> int:
    """Return how many characters a resource policy may have: the quota, or those of today's where that was raised."""
    return max(QUOTA, today.size if today else 0)


def with_shared_methods(written: Sequence[WrittenAccess]) -> list[WrittenAccess]:
    """Return the parts of one statement, in which callers with the same conditions have each other's methods."""
    together: dict[Conditions, list[WrittenAccess]] = defaultdict(list)
    for one in written:
        together[one.conditions].append(one)
    return [
        replace(
            one, resources=tuple(widest(each for other in members for each in other.resources)), shared=True
        )
        for members in together.values()
        for one in members
    ]


def with_principals_of_today(
    today: ResourcePolicy, written: Sequence[WrittenAccess], requirements: Sequence[str]
) -> list[WrittenAccess]:
    """Return the parts of one statement, with today's principals and conditions on all methods that were called."""
    number = written[0].statement
    before = today.statements[number]
    seen = tuple(dict.fromkeys(use for one in written for use in one.seen))
    resources = tuple(widest(each for one in written for each in one.resources))
    return [
        WrittenAccess(
            number,
            entry,
            written[0].actions,
            before.statement.conditions,
            resources,
            seen=seen,
            unmet=tuple(requirements),
            shared=True,
        )
        for entry in before.principals.entries
    ]


def with_statement_of_today(
    today: ResourcePolicy, written: Sequence[WrittenAccess], requirements: Sequence[str]
) -> list[WrittenAccess]:
    """Return the parts of one statement as it is."""
    number = written[0].statement
    before = today.statements[number]
    return [
        WrittenAccess(
            number,
            entry,
            before.statement.actions,
            before.statement.conditions,
            before.statement.resources,
            kept=Kept(Way(number, entry), entry, "unverified", NOT_FITTING),
            unmet=tuple(requirements),
        )
        for entry in before.principals.entries
    ]
