"""Read what exists in the account: the resources of the types in resource_lists.toml, in every enabled region.

A type is complete where each region answered. A region in which no type at all is shown was denied as a whole, as
control policies do: it is not among the regions that were read. Neither AWS Config nor Resource Explorer is asked: what
is missing there proves nothing, since a recorder may leave types out and an index regions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Lock
from typing import Any, NamedTuple

import msgspec

from policygen.account.aws_errors import error_code
from policygen.account.snapshot_schema import Json
from policygen.errors import AwsError
from policygen.files import read_package_table

WORKERS = 8
"""Calls at a time."""

TOKENS = ("NextToken", "nextToken")
"""Members of an answer that ask for the next page, by the same name, where botocore has no paginator."""

_CLUSTERS = ("AWS::RDS::DBCluster", "AWS::Neptune::DBCluster")
_INSTANCES = "AWS::RDS::DBInstance"
# The operations of RDS and Neptune list the clusters of each other, and DocumentDB's.
_ENGINES = {"AWS::Neptune::DBCluster": ("neptune",)}
_NOT_RDS = ("neptune", "docdb")


class ResourceList(msgspec.Struct, frozen=True):
    """How the resources of one type are listed; see the table."""

    type: str
    service: str
    operation: str
    action: str
    rows: str
    source: str
    arn: str = ""
    resource: str = "*"
    arguments: Json = msgspec.field(default_factory=dict)
    names: str = ""
    details: Json = msgspec.field(default_factory=dict)
    everywhere: bool = False
    also: str = ""


class UnknownTypes(NamedTuple):
    """Types that are not known to be complete, for one reason."""

    action: str
    """Of the first type."""
    code: str
    message: str
    """AWS's, of the first type."""
    regions: tuple[str, ...]
    """Where the first type was refused."""
    types: tuple[str, ...]


class ListPlace(msgspec.Struct, frozen=True):
    """Where a list is read; region "" for the list of all regions."""

    partition: str
    account: str
    region: str


class _Answer(msgspec.Struct):
    """What one list said in one region: items, or why there are none."""

    listed: ResourceList
    region: str
    items: list[Json] | None = None
    error: Exception | None = None
    absent: bool = False
    """Whether the service is not in the region, so that nothing of the type exists there."""


@cache
def resource_lists() -> tuple[ResourceList, ...]:
    """Return the types that are read, as the table resource_lists.toml has them."""
    return tuple(
        ResourceList(**row) for row in read_package_table("policygen.account", "resource_lists.toml")["list"]
    )


class ListPermission(NamedTuple):
    """A permission that lists need."""

    resource: str
    types: tuple[str, ...]


def list_actions() -> dict[str, ListPermission]:
    """Return the permissions that the lists need, sorted by action."""
    found: dict[str, ListPermission] = {}
    for one in resource_lists():
        rows = {one.action: one.resource} | ({one.details["action"]: "*"} if one.details else {})
        rows |= {one.also: "*"} if one.also else {}
        for action, resource in rows.items():
            types = found[action].types if action in found else ()
            found[action] = ListPermission(resource, (*types, one.type))
    return dict(sorted(found.items()))


class ResourceReader(msgspec.Struct, frozen=True):
    """Reads the resources of one account."""

    partition: str
    account: str
    client: Callable[[str, str], Any]
    """Returns the client of a service in a region; called by several threads, one at a time."""
    offered: Callable[[str], Iterable[str]]
    """Returns the regions in which a service is, as far as the SDK knows."""
    _lock: Lock = msgspec.field(default_factory=Lock)

    def read(
        self, lists: Sequence[ResourceList], regions: Sequence[str], *, every: bool
    ) -> tuple[Json, list[UnknownTypes]]:
        """Return the snapshot's part ``resources``, and what is not known.

        Args:
            lists: the types.
            regions: where they are read.
            every: whether these are all regions that are enabled in the account.
        """
        tasks = [(one, region) for one in lists for region in (("",) if one.everywhere else regions)]
        with ThreadPoolExecutor(WORKERS) as pool:
            answers = list(pool.map(lambda task: self._answer(*task), tasks))
        shown = {one.region for one in answers if one.items is not None and one.region and not one.absent}
        counted = [one for one in answers if not one.region or one.region in shown]
        failed = {one.listed.type for one in counted if one.items is None}
        items = _with_clusters([item for one in answers for item in one.items or ()])
        resources = {
            "complete": [one.type for one in lists if one.type not in failed] if shown else [],
            "regions": "all" if every and shown == set(regions) else sorted(shown),
            "items": sorted(items, key=lambda item: (item["type"], item["arn"])),
        }
        return resources, _unknown([one for one in answers if one.items is None])

    def _answer(self, listed: ResourceList, region: str) -> _Answer:
        try:
            with self._lock:
                client = self.client(listed.service, region)
            return _Answer(listed, region, list(self._items(listed, client, region)))
        except Exception as error:  # each way to fail has its own class: botocore's, a parser's
            if isinstance(error, AwsError) and isinstance(error.__cause__, Exception):
                error = error.__cause__
            if type(error).__name__ == "EndpointConnectionError" and not self._has(listed, region):
                return _Answer(listed, region, [], absent=True)
            return _Answer(listed, region, error=error)

    def _has(self, listed: ResourceList, region: str) -> bool:
        """Return whether a service may be in a region: one without an endpoint, of which the SDK knows none, is not."""
        with self._lock:
            return not region or region in set(self.offered(listed.service))

    def _items(self, listed: ResourceList, client: Any, region: str) -> Iterator[Json]:
        import jmespath

        place = ListPlace(self.partition, self.account, region)
        for page in _pages(client, listed.operation, listed.arguments):
            answers = [page]
            if listed.details:
                answers = list(_details(client, listed, jmespath.search(listed.names, page) or ()))
            for answer in answers:
                for row in jmespath.search(listed.rows, answer) or ():
                    if _is_of(listed.type, row):
                        yield _item(listed, row, place)


def _pages(client: Any, operation: str, arguments: Json) -> Iterator[Json]:
    """Yield the pages of a list operation."""
    if client.can_paginate(operation):
        yield from client.get_paginator(operation).paginate(**arguments)
        return
    more = dict(arguments)
    while True:
        page: Json = getattr(client, operation)(**more)
        yield page
        token = next((one for one in TOKENS if page.get(one)), "")
        if not token:
            return
        more[token] = page[token]


def _details(client: Any, listed: ResourceList, names: Sequence[str]) -> Iterator[Json]:
    """Yield the answers of the second call, a few names at a time."""
    size = listed.details["chunk"]
    for begin in range(0, len(names), size):
        argument = {listed.details["argument"]: names[begin : begin + size]}
        yield getattr(client, listed.details["operation"])(**argument)


def _is_of(type_: str, row: Json) -> bool:
    """Return whether a row is of the type; databases of other engines are in the same lists."""
    engine = row.get("engine")
    if engine is None or type_ == _INSTANCES:
        return True
    wanted = _ENGINES.get(type_)
    return engine in wanted if wanted else engine not in _NOT_RDS


def _item(listed: ResourceList, row: Json, place: ListPlace) -> Json:
    """Return one item in the snapshot's form; ``cluster`` and ``engine`` are for `_with_clusters`."""
    name = row.get("name") or str(row.get("url") or "").rpartition("/")[2]
    arn = row.get("arn") or listed.arn.format(
        partition=place.partition, region=place.region, account=place.account, name=name
    )
    item = {"type": listed.type, "arn": arn, "region": row.get("region") or place.region}
    return item | {
        key: row[key] for key in ("public", "auth", "cluster", "engine") if row.get(key) is not None
    }


def _with_clusters(items: Sequence[Json]) -> list[Json]:
    """Return items, where a cluster of databases is public if an instance is; without instances of other engines."""
    members: dict[tuple[str, str], list[bool]] = {}
    for item in items:
        if item["type"] == _INSTANCES and "cluster" in item:
            members.setdefault((item["region"], item["cluster"]), []).append(bool(item.get("public")))
    found = []
    for item in items:
        made = {key: value for key, value in item.items() if key not in {"cluster", "engine"}}
        own = members.get((item["region"], item.get("cluster", "")))
        if item["type"] in _CLUSTERS and "public" not in item and own:
            made["public"] = any(own)
        if not (item["type"] == _INSTANCES and item.get("engine") in _NOT_RDS):
            found.append(made)
    return found


def _unknown(answers: Iterable[_Answer]) -> list[UnknownTypes]:
    """Return the lists that were refused, one entry for each of AWS's codes."""
    by_code: dict[str, list[_Answer]] = {}
    for one in answers:
        code = (one.error and (error_code(one.error) or type(one.error).__name__)) or ""
        by_code.setdefault(code, []).append(one)
    found = []
    for code, rows in sorted(by_code.items()):
        first = rows[0]
        found.append(
            UnknownTypes(
                first.listed.action,
                code,
                " ".join(str(first.error).split()),
                tuple(one.region for one in rows if one.listed == first.listed),
                tuple(dict.fromkeys(one.listed.type for one in rows)),
            )
        )
    return found
