"""Changes in groups: by service, by what becomes of the actions and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from itertools import chain
from typing import Self

import msgspec

from policygen.iam.arn import service_of
from policygen.rightsize.assess.changes import Change, Kind


class ChangeGroup(msgspec.Struct, frozen=True, dict=True):
    """Changes of one service, kind and reason; actions that stay as they are have groups of their own."""

    service: str
    kind: Kind
    why: str
    same: bool
    """Whether the new policies allow the actions exactly where those of today do."""
    changes: tuple[Change, ...]
    """In the order of all changes; the groups are in the order of their first change."""

    @cached_property
    def actions(self) -> tuple[str, ...]:
        """The actions."""
        return tuple([one.action for one in self.changes])

    @cached_property
    def allowed_today(self) -> int:
        """How many of the actions today's policies allow."""
        return sum([1 for one in self.changes if one.now])

    @cached_property
    def now(self) -> tuple[str, ...]:
        """Where today's policies allow some of the actions, sorted."""
        return _all(one.now for one in self.changes)

    @cached_property
    def proposed(self) -> tuple[str, ...]:
        """Where the new policies allow some of them, sorted."""
        return _all(one.proposed for one in self.changes)

    @cached_property
    def sure(self) -> tuple[str, ...]:
        """How sure it is that they go, each answer once; () where that was not asked."""
        return tuple(sorted({one.decided_by.confidence for one in self.changes if one.decided_by}))


def _all(places: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({pattern for patterns in set(places) for pattern in patterns}))


def group_changes(changes: Iterable[Change]) -> tuple[ChangeGroup, ...]:
    """Return all changes, each in one group; an administrator's are some 22,000 in 800 groups."""
    groups: dict[tuple[str, Kind, str, bool], list[Change]] = defaultdict(list)
    for one in changes:
        groups[service_of(one.action), one.kind, one.why, one.now == one.proposed].append(one)
    return tuple(
        ChangeGroup(service, kind, why, same, tuple(members))
        for (service, kind, why, same), members in groups.items()
    )


def count_changes(groups: Iterable[ChangeGroup]) -> int:
    """Count the changes of some groups."""
    return sum(len(one.changes) for one in groups)


class ServiceChanges(msgspec.Struct, frozen=True, dict=True):
    """What becomes of the actions of one service. Many roles share it, and so what is made of it."""

    changes: tuple[Change, ...]
    """Sorted by action."""

    @cached_property
    def groups(self) -> tuple[ChangeGroup, ...]:
        """The same in groups."""
        return group_changes(self.changes)

    @cached_property
    def json(self) -> bytes:
        """The same as JSON with sorted keys, without brackets: most of a plan."""
        return _encode(self.changes)[1:-1]


_encode = msgspec.json.Encoder(order="sorted").encode


class RoleChanges(tuple[Change, ...]):
    """What becomes of each action, sorted by action, and the services of which it was put together."""

    services: tuple[ServiceChanges, ...]

    @classmethod
    def of(cls, services: Iterable[ServiceChanges]) -> Self:
        """Put the changes of services together."""
        services = tuple(services)
        changes = cls(chain.from_iterable([one.changes for one in services]))
        changes.services = services
        return changes

    @property
    def groups(self) -> tuple[ChangeGroup, ...]:
        """The same in groups, as `group_changes` makes them."""
        return tuple(chain.from_iterable([one.groups for one in self.services]))

    @property
    def json(self) -> bytes:
        """The same as one list in JSON."""
        return b"[%b]" % b",".join([one.json for one in self.services])
