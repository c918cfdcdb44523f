"""Which statement a finding points at."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from policygen.gate.sources import PolicySource, Spot
from policygen.iam import arn
from policygen.iam.document import Statement
from policygen.iam.locations import Location


def nearest(
    sources: Sequence[PolicySource],
    actions: Sequence[str],
    resources: Sequence[str] = (),
    known: Collection[Statement] = (),
) -> Spot:
    """Return the statement that grants one of some actions: on most of the resources, and if equal the added one.

    Where none grants any of them it is the first that speaks of the last one's service, else the first line.

    Args:
        sources: the policies.
        actions: of two that fit equally, the first counts.
        resources: patterns; () where they do not matter.
        known: statements that nobody added.
    """
    best: tuple[tuple[int, bool], Spot] | None = None
    for action in actions:
        for source, number, statement in _allows(sources):
            item = _granting(statement, action)
            if item is None:
                continue
            covered = sum(statement.resource_contains(one) for one in resources)
            rank = (covered, bool(known) and statement not in known)
            if best is None or rank > best[0]:
                element = "NotAction" if statement.not_actions else "Action"
                spot = source.spot(number, element, item)
                best = rank, spot._replace(negated=statement.not_actions)
    return best[1] if best else _of_service(sources, actions[-1].split(":", 1)[0].lower() + ":")


def _allows(sources: Sequence[PolicySource]) -> Iterator[tuple[PolicySource, int, Statement]]:
    for source in sources:
        for number, statement in enumerate(source.policy.statements):
            if statement.effect == "Allow":
                yield source, number, statement


def _granting(statement: Statement, action: str) -> int | None:
    """Return the first pattern of a statement that grants an action, 0 for a NotAction that does; None for none."""
    matching = (
        item for item, one in enumerate(statement.actions) if one == action or arn.action_matches(one, action)
    )
    found = next(matching, None)
    if statement.not_actions:
        return 0 if found is None else None
    return found


def _of_service(sources: Sequence[PolicySource], prefix: str) -> Spot:
    for source, number, statement in _allows(sources):
        for item, pattern in enumerate(statement.actions):
            if not statement.not_actions and pattern.lower().startswith(prefix):
                return source.spot(number, "Action", item)
    return Spot(sources[0].name, Location(1, 1))
