"""Changes by service, and within it by what becomes of them and why: what most readers of a plan ask for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from policygen.iam.arn import service_of
from policygen.rightsize.assess import changes as diff

if TYPE_CHECKING:
    from policygen.plan import model

Change: TypeAlias = "diff.Change | model.Change"
"""What becomes of one action, in a suggestion or in a plan."""


class Alike(NamedTuple):
    """Changes of one service and one kind, for one reason: those that leave an action as it is, or the others."""

    service: str
    kind: diff.Kind
    why: str
    changes: Sequence[Change]
    """In the order of all; the groups are in that of their first."""


def alike(changes: Iterable[Change]) -> tuple[Alike, ...]:
    """All changes, each in one group; an administrator's are some 22,000 in 800 groups."""
    groups: dict[tuple[str, diff.Kind, str, bool], list[Change]] = defaultdict(list)
    for one in changes:
        groups[service_of(one.action), one.kind, one.why, one.now == one.proposed].append(one)
    return tuple(Alike(service, kind, why, members) for (service, kind, why, _), members in groups.items())


def number(groups: Iterable[Alike]) -> int:
    """How many changes there are in some groups."""
    return sum(len(one.changes) for one in groups)
