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

from msgspec.structs import replace

from policygen.errors import GateError
from policygen.iam import reference
from policygen.iam.document import Conditions, Policy, Statement
from policygen.iam.grants import Grant

INLINE_LIMIT = 10_240
"""Characters of all inline policies of a role together (4.2)."""
MANAGED_LIMIT = 6_144
"""Characters of one managed policy (4.2)."""
MANAGED_COUNT = 20
"""Managed policies per role without a raised quota (4.2)."""


def statements_of(grants: Iterable[Grant]) -> list[Statement]:
    """Return Allow statements for exactly these grants, one service each, in a stable order."""
    by_resource: dict[tuple[str, Conditions, tuple[str, ...], str], set[str]] = defaultdict(set)
    by_exception: list[Grant] = []
    for grant in grants:
        if grant.unless:
            by_exception.append(grant)
            continue
        service = grant.action.split(":", 1)[0]
        by_resource[service, grant.conditions, grant.excluded, grant.resource].add(grant.action)
    groups: dict[tuple[str, tuple[str, ...], Conditions, tuple[str, ...], bool], list[str]] = defaultdict(
        list
    )
    for (service, under, except_, resource), names in by_resource.items():
        # "*" has a statement of its own: actions that take no resource must not share one with ARNs.
        alone = resource == "*"
        groups[service, tuple(sorted(names)), under, except_, alone].append(resource)
    statements = _all_but(by_exception)
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
    return sorted(statements, key=_order)


def statements_by_resource(grants: Iterable[Grant]) -> list[Statement]:
    """Return Allow statements for exactly these grants, one for all services with the same resources.

    They are fewer, and harder to read, than those of `statements_of`.
    """
    by_action: dict[tuple[str, Conditions, tuple[str, ...], bool], set[str]] = defaultdict(set)
    by_exception: list[Grant] = []
    for grant in grants:
        if grant.unless:
            by_exception.append(grant)
            continue
        alone = grant.resource == "*"
        by_action[grant.action, grant.conditions, grant.excluded, alone].add(grant.resource)
    groups: dict[tuple[tuple[str, ...], Conditions, tuple[str, ...]], list[str]] = defaultdict(list)
    for (action, conditions, excluded, _), resources in by_action.items():
        groups[tuple(sorted(resources)), conditions, excluded].append(action)
    statements = _all_but(by_exception)
    for (places, conditions, excluded), actions in groups.items():
        statements.append(
            Statement(
                effect="Allow",
                actions=tuple(sorted(actions)),
                resources=excluded or places,
                not_resources=bool(excluded),
                conditions=conditions,
            )
        )
    return sorted(statements, key=_order)


def _all_but(grants: Iterable[Grant]) -> list[Statement]:
    """Return statements with NotAction, for grants of all actions but some."""
    groups: dict[tuple[tuple[str, ...], Conditions, tuple[str, ...], bool], list[str]] = defaultdict(list)
    for grant in grants:
        groups[grant.unless, grant.conditions, grant.excluded, grant.resource == "*"].append(grant.resource)
    return [
        Statement("Allow", unless, excluded or tuple(sorted(places)), True, bool(excluded), conditions)
        for (unless, conditions, excluded, _), places in groups.items()
    ]


def _order(statement: Statement) -> tuple[object, ...]:
    service = statement.actions[0].split(":")[0]
    return service, statement.resources, statement.actions, statement.conditions


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
            sid = effect + _service_word(statement) + _resource_words(statement)
        number = 2
        unique = sid
        while unique in taken:
            unique, number = f"{sid}{number}", number + 1
        taken.add(unique)
        named.append(replace(statement, sid=unique))
    return named


def _service_word(statement: Statement) -> str:
    """Return the name of a statement's service; a word for several ones, or for all but some actions."""
    if statement.not_actions:
        return "AllBut"
    services = {action.split(":")[0] for action in statement.actions}
    return "Various" if len(services) > 1 else title(statement.actions[0].split(":")[0])


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
    full = re.sub(r"^(Amazon|AWS)\s+", "", reference.titles().get(prefix, ""))
    plain = re.sub(r"[^A-Za-z0-9]", "", full)
    if plain.lower() == re.sub(r"[^a-z0-9]", "", prefix):
        return plain
    short = re.sub(r"[^A-Za-z0-9]", "", prefix)
    return short.upper() if len(short) <= 3 else short[:1].upper() + short[1:]


def pack(
    statements: Sequence[Statement],
    name: str,
    managed: str = "",
    *,
    with_sids: bool = True,
    inline: bool = True,
    most: int | None = None,
) -> tuple[Policy, ...]:
    """Return one policy with the statements if it fits inline, else several managed ones.

    Args:
        statements: the statements, in order.
        name: the policy's name.
        managed: the name of managed policies, to which their number is added; managed policies' names must be unique in
            the account. The same as `name` by default.
        with_sids: give the statements of managed policies names of their own.
        inline: whether one policy may be inline; a managed one holds less.
        most: managed policies that there may be; None for `MANAGED_COUNT`.

    Raises:
        GateError: PG-E402, more managed policies than there may be, or one statement that fits none.
    """
    whole = Policy(tuple(statements), name=name)
    if inline and whole.size <= INLINE_LIMIT:
        return (whole,)
    if not inline and whole.size <= MANAGED_LIMIT:
        return (replace(whole, name=managed or name),)
    bins: list[list[Statement]] = []
    room: list[int] = []
    for piece in _pieces(statements, with_sids):
        size = piece.size + len(",")
        fitting = next((i for i, left in enumerate(room) if size <= left), len(bins))
        if fitting == len(bins):
            bins.append([])
            room.append(MANAGED_LIMIT - Policy(()).size + len(","))
        bins[fitting].append(piece)
        room[fitting] -= size
    if len(bins) > (MANAGED_COUNT if most is None else most):
        raise GateError(
            f"the policy needs {len(bins)} managed policies of {MANAGED_LIMIT:,} characters, "
            f"a role takes {MANAGED_COUNT}",
            "a role that does so much is several roles: split it by function",
            code="PG-E402",
        )
    return tuple(
        Policy(tuple(_renamed(members)), name=f"{managed or name}-{i}") for i, members in enumerate(bins, 1)
    )


def _pieces(statements: Sequence[Statement], with_sids: bool) -> list[Statement]:
    """Return statements cut to fit managed policies, with unique Sids where these fit as well."""
    pieces = [piece for statement in statements for piece in _cut(replace(statement, sid=""), with_sids)]
    if not with_sids:
        return pieces
    named = name_statements(pieces)
    return [
        long if Policy((long,)).size <= MANAGED_LIMIT else short
        for long, short in zip(named, pieces, strict=True)
    ]


def _cut(statement: Statement, with_sids: bool) -> list[Statement]:
    """Split a statement, with room for a Sid where that is possible."""
    try:
        return _split(statement, MANAGED_LIMIT - _SID_ROOM if with_sids else MANAGED_LIMIT)
    except GateError:
        return _split(statement, MANAGED_LIMIT)


_SID_ROOM = 80


def _renamed(members: Sequence[Statement]) -> list[Statement]:
    """Return the statements of one document, with Sids that are unique in it alone."""
    fresh = iter(name_statements([replace(one, sid="") for one in members if one.sid]))
    return [next(fresh) if one.sid else one for one in members]


def _split(statement: Statement, limit: int) -> list[Statement]:
    """Split a statement into equivalent ones that each fit a policy, and fill it but for the last."""
    if Policy((statement,)).size <= limit:
        return [statement]
    # A negated list (NotAction, NotResource) cannot be split without changing the meaning.
    actions = () if statement.not_actions else statement.actions
    resources = () if statement.not_resources else statement.resources
    if len(actions) < 2 and len(resources) < 2:
        raise GateError(
            f"a statement about {statement.actions[0]} alone is larger than {MANAGED_LIMIT:,} characters",
            "its condition or negated list would have to be shortened by hand",
            code="PG-E402",
        )
    by_actions = len(resources) < 2 or (
        len(actions) > 1 and sum(map(len, actions)) > sum(map(len, resources))
    )
    items = actions if by_actions else resources

    def part(chosen: tuple[str, ...]) -> Statement:
        return replace(statement, actions=chosen) if by_actions else replace(statement, resources=chosen)

    alone = Policy((part(items[:1]),)).size - _listed(items[0])
    return [piece for chosen in _chunks(items, limit - alone) for piece in _split(part(chosen), limit)]


def _listed(item: str) -> int:
    """Return the characters of an item in a list, with the comma."""
    return len(json.dumps(item, ensure_ascii=False)) + len(",")


def _chunks(items: Sequence[str], room: int) -> list[tuple[str, ...]]:
    """Cut a list that does not fit a room into parts that do, or that are single items."""
    parts: list[list[str]] = [[]]
    left = room
    for item in items:
        left -= _listed(item)
        if left < 0 and parts[-1]:
            parts.append([])
            left = room - _listed(item)
        parts[-1].append(item)
    return [tuple(part) for part in parts]
