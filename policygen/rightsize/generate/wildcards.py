"""Write many kept actions by few patterns, where their names would not fit into IAM's quotas.

This is done only for actions that are kept as a current statement grants them, on its resource and under its
conditions. A pattern is one that the current statement has, or one inside it: a whole service, or the first word of a
name. It is used only where each known action that it matches is kept. Actions that IAM's data does not know yet may
match as well: the current statement allows them and no log could have shown them, so they are kept too.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache

from policygen.iam import arn
from policygen.iam.actions import actions_matching
from policygen.iam.document import Conditions, Statement
from policygen.iam.grants import Grant, is_pattern

_Place = tuple[str, Conditions, tuple[str, ...]]
"""Resource, conditions and excluded resources: where an action is granted."""

_FIRST_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def by_wildcards(kept: Collection[Grant], statements: Sequence[Statement]) -> list[Grant]:
    """Return grants for the same known actions, fewer where patterns can replace names. Sorted.

    Args:
        kept: grants of single actions, as the current statements grant them.
        statements: the current Allow statements.
    """
    resources: dict[str, list[Grant]] = defaultdict(list)
    places: dict[_Place, set[str]] = defaultdict(set)
    for grant in kept:
        resources[grant.action.lower()].append(grant)
        places[grant.resource, grant.conditions, grant.excluded].add(grant.action)
    found: list[Grant] = []
    for place, names in places.items():
        origin = [s for s in statements if _writes(s, place)]
        found += (Grant(action, *place) for action in _patterns(names, place, origin, resources))
    return sorted(found)


def _writes(statement: Statement, place: _Place) -> bool:
    """Return whether a statement grants its actions in exactly this place."""
    resource, conditions, excluded = place
    if statement.effect != "Allow" or statement.conditions != conditions:
        return False
    if excluded:
        return statement.not_resources and statement.resources == excluded
    return not statement.not_resources and resource in statement.resources


def _patterns(
    names: set[str], place: _Place, origin: Sequence[Statement], kept: dict[str, list[Grant]]
) -> list[str]:
    """Return patterns and names that match all of `names`, and no known action that is not kept in this place."""

    @cache
    def held(action: str) -> bool:
        grant = Grant(action, *place)
        return any(grant.inside(other) for other in kept.get(action.lower(), ()))

    def whole(pattern: str) -> bool:
        return all(map(held, actions_matching(pattern)))

    own = {p for s in origin if not s.not_actions for p in s.actions if is_pattern(p)}
    if "*" in own and whole("*"):
        return ["*"]
    found: list[str] = []
    for service, members in _by_service(names).items():
        mine = sorted(p for p in own if p.lower().startswith(f"{service}:"))
        inside = [p for p in _narrower(service, members) if any(_holds(s, p) for s in origin)]
        found += _cover(members, [*sorted(mine, key=len), *inside], whole)
    return found


def _by_service(names: Iterable[str]) -> dict[str, set[str]]:
    groups: dict[str, set[str]] = defaultdict(set)
    for name in names:
        groups[name.split(":", 1)[0].lower()].add(name)
    return groups


def _cover(names: set[str], candidates: Iterable[str], whole: Callable[[str], bool]) -> list[str]:
    """Choose candidates that match several of `names` and only kept actions; return them and the names left over."""
    left, chosen = set(names), list[str]()
    folded = {name: name.lower() for name in names}
    for pattern in candidates:
        matches = arn.action_glob(pattern).matches
        matched = {name for name in left if matches(folded[name])}
        if len(matched) > 1 and whole(pattern):
            left -= matched
            chosen.append(pattern)
    for pattern in list(chosen):
        rest = [other for other in chosen if other != pattern]
        mine = (name for name in names - left if arn.action_matches(pattern, name))
        if all(any(arn.action_matches(other, name) for other in rest) for name in mine):
            chosen.remove(pattern)
    return [*chosen, *left]


def _narrower(service: str, names: Iterable[str]) -> list[str]:
    """Return patterns for the whole service, then for the first words of its names: ``s3:*``, ``s3:Get*``."""
    words = {word.group() for name in names if (word := _FIRST_WORD.match(name.partition(":")[2]))}
    return [f"{service}:*", *(f"{service}:{word}*" for word in sorted(words))]


def _holds(statement: Statement, pattern: str) -> bool:
    """Return whether the Action or NotAction element of a statement contains a pattern."""
    patterns = arn.actions_about(statement.actions, pattern)
    if statement.not_actions:
        return not any(arn.action_overlaps(other, pattern) for other in patterns)
    return any(arn.action_contains(other, pattern) for other in patterns)
