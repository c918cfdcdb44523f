"""Whether the record of a call that makes something shows the tags that were given with it.

IAM checks the service's tagging action too when tags are given at creation. A call whose operation takes no tags cannot
have given any; where its only member for tags is one that the catalog reads, its record would have shown them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Literal

from policygen.catalog.parameters import TAG_MEMBERS
from policygen.catalog.projection import projection
from policygen.catalog.service_names import model_names, strip_version
from policygen.files import read_package_table

FILE = "tag_members.json"

_MAKES = re.compile(r"(Create|Run|Register|Allocate|Request|Copy|Restore|Import)[A-Z]")


def makes_something(name: str) -> bool:
    """Return whether an action or operation makes a resource, by its name without a service."""
    return _MAKES.match(name) is not None


@cache
def _operations() -> Mapping[str, Mapping[str, list[str]]]:
    data = read_package_table("policygen.catalog", f"data/{FILE}")
    found: Mapping[str, Mapping[str, list[str]]] = data["operations"]
    return found


@lru_cache(maxsize=1024)
def operation_names(source: str) -> frozenset[str]:
    """Return the names of the operations of a service that the list of their members knows; by its eventSource."""
    return frozenset(name for service in model_names(source) for name in _operations().get(service, {}))


TagsShown = Literal["no-tags", "by-parameters", "unknown"]


@lru_cache(maxsize=8192)
def tags_shown(source: str, name: str) -> TagsShown:
    """Return whether a record of an event shows each tag that the call gave.

    Args:
        source: eventSource.
        name: eventName, with or without the API's date.

    Returns:
        ``no-tags``: such a call gives none. ``by-parameters``: they are among its parameters, where a rule reads them.
        ``unknown``: they may be elsewhere, as in a launch template, or the operation is not known.
    """
    operation = strip_version(name)
    members: set[str] = set()
    known = False
    for service in model_names(source):
        if operation in _operations().get(service, {}):
            known = True
            members.update(member.lower() for member in _operations()[service][operation])
    if not known:
        return "unknown"
    if not members:
        return "no-tags"
    read = projection(source, name).members
    return "by-parameters" if members <= TAG_MEMBERS and members <= set(read) else "unknown"
