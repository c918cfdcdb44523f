"""What exists in the account, by type: the snapshot's part ``resources``.

It is read from AWS Config, Resource Explorer or the services themselves, so it may be a part of what exists. Only of a
type in `complete` is it known that nothing else exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from policygen.text import sanitize


class Item(msgspec.Struct, frozen=True):
    """One resource that exists."""

    type: str
    """As CloudFormation names it: ``AWS::MSK::Cluster``."""
    arn: str
    region: str = ""
    """"" for a global one."""
    public: bool | None = None
    """Whether it can be reached without its VPC; None where that is not known."""
    auth: str = ""
    """How callers prove who they are, ``AWS_IAM``; "" where that is not known."""
    attributes: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Inventory(msgspec.Struct, frozen=True):
    """The resources of an account, and of which types and regions they are all."""

    items: tuple[Item, ...]
    complete: frozenset[str] = frozenset()
    """Types of which every resource in `regions` is among the items."""
    regions: frozenset[str] | None = frozenset()
    """The regions that were read; None for all that are enabled in the account."""

    def is_complete(self, type_: str, region: str = "") -> bool:
        """Return whether all resources of a type are known, in one region or, without one, in all."""
        return type_ in self.complete and self.has_read(region)

    def has_read(self, region: str) -> bool:
        """Return whether a region was read for the types of `complete`; without a region, whether all were."""
        return self.regions is None or (region != "" and region in self.regions)

    def of(self, type_: str) -> tuple[Item, ...]:
        """Return the items of a type."""
        return tuple(item for item in self.items if item.type == type_)


class ResourceItem(msgspec.Struct, frozen=True):
    """One of the snapshot's ``resources.items``."""

    type: str
    arn: str
    region: str | None = None
    public: bool | None = None
    auth: str | None = None
    attributes: dict[str, Any] = {}


class Resources(msgspec.Struct, frozen=True):
    """The snapshot's ``resources``; without ``complete`` nothing follows from what is missing."""

    items: list[ResourceItem] = []
    complete: list[str] = []
    regions: list[str] | str = []
    """``all``, or the regions that were read."""


def inventory_of(wire: Resources) -> Inventory:
    """Return the inventory that a snapshot describes."""
    every = wire.regions == "all"
    named = [wire.regions] if isinstance(wire.regions, str) else wire.regions
    return Inventory(
        items=tuple(
            Item(
                sanitize(one.type, 256),
                sanitize(one.arn, 2048),
                sanitize(one.region or "", 64) or _region(one.arn),
                one.public,
                sanitize(one.auth or "", 64),
                one.attributes,
            )
            for one in sorted(wire.items, key=lambda one: (one.type, one.arn))
        ),
        complete=frozenset(wire.complete),
        regions=None if every else frozenset(named),
    )


def _region(arn: str) -> str:
    pieces = arn.split(":", 5)
    return sanitize(pieces[3], 64) if len(pieces) == 6 else ""
