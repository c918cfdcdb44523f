"""The events that the use of a permission makes, and how much of them the trails log.

A set of events is described by what is known of the permission's action: category, source, names, data event type and
whether it reads; and by the resources that it is granted on. Fields that no selector filters by are left open, so that
thousands of permissions have a few event sets between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import product
from typing import Any, Literal, NamedTuple

from policygen.account.model import Trail
from policygen.catalog.action_events import event_names
from policygen.catalog.rules import rules_for_service
from policygen.catalog.service_names import aliases, botocore_facts, service_prefix
from policygen.catalog.visibility import Visibility, event_arns, visibility_table
from policygen.evidence.coverage.selectors import Answer, Probe, both, either, every, logged
from policygen.iam import reference
from policygen.iam.arn import overlaps, parse

# Recorded in one region, whatever region the caller works in (2.1.4).
GLOBAL = frozenset(
    {"iam", "organizations", "cloudfront", "route53", "account", "support", "globalaccelerator"}
)
GLOBAL_LEADERS = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
"""Partition -> the region in which the events of global services are recorded (3.4.1)."""
GLOBAL_EVENT_REGIONS = frozenset(GLOBAL_LEADERS.values())

Ignoring = frozenset[Literal["delivery", "place", "source", "identity"]]
"""Restrictions to ignore, in order to find out which of them hides events."""

_NOBODY = "arn:aws:sts::000000000000:assumed-role/-/-"


class EventSet(NamedTuple):
    """A set of events that trails may log. "" and None stand for a field that is unknown or does not matter."""

    data_type: str = ""
    """"" for management events."""
    sources: tuple[str, ...] = ("",)
    names: tuple[str, ...] = ("",)
    read_only: bool | None = None
    resource: str = ""
    region: str = ""
    is_global: bool = False
    identity: str = ""


def logged_share(
    asked: EventSet, trails: Iterable[Sequence[Trail]], relaxed: Ignoring = frozenset()
) -> Answer:
    """Return how much of a set of events the trails log together.

    Args:
        asked: the events.
        trails: for each trail its state, or the alternatives of which one holds; empty where that is not known.
        relaxed: restrictions to ignore.
    """
    states = tuple(trails)
    return every(
        either(_of_one(asked, one, probe, relaxed) for one in states) for probe in _probes(asked, relaxed)
    )


def _probes(asked: EventSet, relaxed: Ignoring) -> Iterator[Probe]:
    """Yield a probe for each source, name, and reads or writes: one selector may log the reads and one the writes."""
    sources = ("-",) if "source" in relaxed else asked.sources
    flags = (True, False) if asked.read_only is None else (asked.read_only,)
    for source, name, flag in product(sources, asked.names, flags):
        yield Probe(
            "Data" if asked.data_type else "Management",
            source,
            name,
            flag,
            asked.data_type,
            asked.resource,
            _NOBODY if "identity" in relaxed else asked.identity,
        )


def _of_one(asked: EventSet, states: Sequence[Trail], probe: Probe, relaxed: Ignoring) -> Answer:
    if not states:
        return "part"
    return every(_of_state(asked, state, probe, relaxed) for state in states)


def _of_state(asked: EventSet, trail: Trail, probe: Probe, relaxed: Ignoring) -> Answer:
    if trail.logging is False:
        return "none"
    if trail.delivery_error and "delivery" not in relaxed:
        return "part"
    placed: Answer = "all" if "place" in relaxed else _place(asked, trail)
    if trail.selectors is None and trail.advanced is None:
        # Not read. Management events are logged by default, data events are not known (3.1).
        return both([placed, "part" if asked.data_type else "all"])
    if trail.logging is None and asked.data_type:
        placed = both([placed, "part"])  # its status was refused; of management events, those read tell
    return both([placed, logged(probe, trail.selectors, trail.advanced)])


def _place(asked: EventSet, trail: Trail) -> Answer:
    if asked.is_global:
        leads = trail.multi_region or trail.home_region in GLOBAL_EVENT_REGIONS
        return "all" if trail.global_events and leads else "none"
    if trail.multi_region or asked.region == trail.home_region:
        return "all"
    return "none" if asked.region else "part"


# --- What a permission's use looks like ------------------------------------------------------------


def filters_of(trails: Iterable[Trail]) -> frozenset[str]:
    """Return the fields by which any selector filters, and ``region`` where a trail does not log all regions."""
    found: set[str] = set()
    for trail in trails:
        found |= set() if trail.multi_region else {"region"}
        for selector in trail.advanced or ():
            found |= {str(field.get("Field")) for field in _mappings(selector.get("FieldSelectors"))}
        for selector in trail.selectors or ():
            found |= {"readOnly"} if selector.get("ReadWriteType", "All") != "All" else set()
            found |= {"eventSource"} if selector.get("ExcludeManagementEventSources") else set()
            found |= {"resources.ARN"} if selector.get("DataResources") else set()
    return frozenset(found)


def types_of(trails: Iterable[Trail]) -> set[str]:
    """Return the data event types that the trails' selectors name."""
    found: set[str] = set()
    for trail in trails:
        for selector in trail.selectors or ():
            found |= {str(entry.get("Type")) for entry in _mappings(selector.get("DataResources"))}
        for selector in trail.advanced or ():
            for field in _mappings(selector.get("FieldSelectors")):
                if field.get("Field") == "resources.type":
                    values = field.get("Equals")
                    found |= {str(value) for value in values} if isinstance(values, list) else set()
    return found


def left_out(trails: Iterable[Trail]) -> list[str]:
    """Return the event sources that any selector of the trails excludes, sorted."""
    found: list[Any] = []
    for trail in trails:
        for selector in trail.selectors or ():
            found += _list(selector.get("ExcludeManagementEventSources"))
        for selector in trail.advanced or ():
            for field in _mappings(selector.get("FieldSelectors")):
                found += _list(field.get("NotEquals")) if field.get("Field") == "eventSource" else []
    return sorted({source for source in found if isinstance(source, str)})


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


@lru_cache(maxsize=1 << 16)
def event_sets_of(
    action: str, seen: Visibility, resource: str, reads_only: bool, filters: frozenset[str], identity: str
) -> tuple[EventSet, ...]:
    """Return the events that the use of a permission makes; the trails must log all of them.

    Args:
        action: ``service:Name``.
        seen: how CloudTrail shows the action.
        resource: the permission's Resource pattern.
        reads_only: whether IAM says that the action only reads.
        filters: the result of `filters_of`; fields that are not in it are left open.
        identity: the ARNs of the role's sessions.
    """
    prefix, _, name = action.partition(":")
    prefix = prefix.lower()
    place = parse(resource)
    region = place.region if place and "region" in filters and not set(place.region) & set("*?$") else ""
    asked = EventSet(
        sources=event_sources(prefix) if "eventSource" in filters else ("",),
        names=(event_names(action) or ("",)) if "eventName" in filters else ("",),
        read_only=read_only(name, reads_only) if "readOnly" in filters else reads_only,
        region="" if prefix in GLOBAL else region,
        is_global=prefix in GLOBAL,
        identity=identity if "userIdentity.arn" in filters else "",
    )
    if not seen.data_types:
        return (asked,)
    found = [
        asked._replace(
            data_type=kind, resource=pattern if "resources.ARN" in filters else "", is_global=False
        )
        for kind, pattern in _on(action, seen, resource)
    ]
    return (*found, asked) if seen.management_too else tuple(found)


_ACCESS_POINT = re.compile(r"arn:[^:]*:s3:[^:]+:[^:]*:accesspoint")
_INDEX = re.compile(r"(:table/[^/]+)/index/.*", re.DOTALL)


def _on(action: str, seen: Visibility, resource: str) -> list[tuple[str, str]]:
    """Return the data event types that a permission's use may have, each with the pattern of resources.ARN."""
    arns = event_arns()
    found = [
        (kind, _event_arn(kind, action, resource))
        for kind in seen.data_types
        if resource == "*" or kind not in arns or overlaps(arns[kind], _event_arn(kind, action, resource))
    ]
    if "AWS::S3::Object" in seen.data_types and _ACCESS_POINT.match(resource):
        return [("AWS::S3::AccessPoint", "")]
    return found or [(kind, "") for kind in seen.data_types]


def _event_arn(kind: str, action: str, resource: str) -> str:
    """Return resources.ARN of the events of a permission; "" where the permission does not decide it."""
    if resource == "*" or kind not in event_arns():
        return "*" if resource == "*" else ""
    if kind == "AWS::DynamoDB::Table":
        return _INDEX.sub(r"\1", resource)  # events of an index have the table's ARN
    known = reference.action(action)
    if kind == "AWS::S3::Object" and "/" not in resource and not (known and "object" in known.types):
        # A permission on a bucket, as to list it: its events are about the bucket's objects or a prefix of them.
        return resource if resource.endswith("*") else f"{resource}/*"
    return resource


@cache
def _verbs() -> tuple[tuple[str, ...], tuple[str, ...]]:
    found = visibility_table()["read_only"]
    return tuple(found["reads"]), tuple(found["writes"])


def read_only(name: str, reads_only: bool) -> bool | None:
    """Return whether CloudTrail marks an action's events as reads; None where its name and IAM disagree.

    IAM calls ``kms:Decrypt`` a write, CloudTrail a read (3.3): it is certain only where both agree.
    """
    reads, writes = _verbs()
    if reads_only:
        return True if name.startswith(reads) else None
    return False if name.startswith(writes) else None


@lru_cache(maxsize=1024)
def event_sources(prefix: str) -> tuple[str, ...]:
    """Return the event sources under which a service's calls may be logged; ("",) where none is known."""
    rules = rules_for_service(prefix)
    if rules:
        return tuple(rules.event_sources)
    labels = {prefix} | {one for one, known in aliases().items() if known == prefix}
    for endpoint, signing in botocore_facts()["signing_names"].items():
        labels |= {endpoint} if signing in labels else set()
    found = sorted(one for one in labels if service_prefix(f"{one}.amazonaws.com") == prefix)
    return tuple(f"{one}.amazonaws.com" for one in found) or ("",)
