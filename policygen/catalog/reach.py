"""Data planes whose actions need a resource that exists, and from where it can be reached: the table reach.toml."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cache, lru_cache
from typing import Literal

import msgspec

from policygen.files import read_package_table
from policygen.iam.arn import action_glob

Reach = Literal["anywhere", "vpc", "vpc-unless-public"]


class DataPlane(msgspec.Struct, frozen=True):
    """Actions on the resources of some types."""

    name: str
    actions: tuple[str, ...]
    """Patterns of names."""
    types: tuple[str, ...]
    """``AWS::MSK::Cluster``: a resource of one of them is enough."""
    reach: Reach
    """``vpc``: only from within a VPC; ``vpc-unless-public``: unless the resource was made public."""
    creates: frozenset[tuple[str, str]]
    """eventSource and name, without version, of the events that make such a resource."""
    source: str
    """The page that says so."""
    resources: tuple[str, ...] = ()
    """How IAM names what is within a resource, made from its ARN; () where the ARN does not tell it."""

    def patterns_of(self, arn: str, types: Collection[str] = ()) -> tuple[str, ...]:
        """Return the Resource patterns of a resource by its ARN; () where they are not known.

        Args:
            arn: of the resource.
            types: IAM's types of an action; where rows name several, only theirs. All where it is empty.
        """
        pieces = arn.split(":", 5)
        if len(pieces) != 6:
            return ()
        _, partition, _, region, account, tail = pieces
        name = tail.partition("/")[2] or tail.rpartition(":")[2]
        facts = {"arn": arn, "partition": partition, "region": region, "account": account, "name": name}
        named = {one: one.rsplit(":", 1)[-1].partition("/")[0] for one in self.resources}
        own = [one for one in self.resources if named[one] in types] or self.resources
        return tuple(one.format_map(facts) for one in own)


@cache
def data_planes() -> tuple[DataPlane, ...]:
    """Return the data planes that are known, in the order of the table."""
    return tuple(
        DataPlane(
            name,
            tuple(row["actions"]),
            tuple(row["types"]),
            row["reach"],
            frozenset((source, event) for source, events in row["creates"].items() for event in events),
            row["source"],
            tuple(row.get("resources", ())),
        )
        for name, row in read_package_table("policygen.catalog", "data/reach.toml").items()
    )


@lru_cache(maxsize=65536)
def data_plane(action: str) -> DataPlane | None:
    """Return the data plane of an action, in any letter case; None for one that needs no such resource."""
    asked = action.lower()
    for plane in data_planes():
        if any(action_glob(pattern).matches(asked) for pattern in plane.actions):
            return plane
    return None


@cache
def creating_events() -> Mapping[str, frozenset[str]]:
    """Return eventSource -> names of the events that make a resource of any data plane."""
    found: dict[str, set[str]] = {}
    for plane in data_planes():
        for source, name in plane.creates:
            found.setdefault(source, set()).add(name)
    return {source: frozenset(names) for source, names in sorted(found.items())}


def services_of(types: Iterable[str]) -> frozenset[str]:
    """Return the IAM prefixes of the data planes that resources of some types have."""
    wanted = set(types)
    return frozenset(
        action.partition(":")[0]
        for plane in data_planes()
        if wanted & set(plane.types)
        for action in plane.actions
    )
