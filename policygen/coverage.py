"""What the evidence could have shown: "not seen" means something only where it would have been seen.

Three verdicts for a permission that was not used: *visible* (the trail logs it, and there was nothing),
*cannot tell* (data events are off, or CloudTrail never logs it), and nothing in between. Without the trail's
configuration a data event type counts as off: its events in the log may come from a selector that names one
bucket only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policygen.account.model import Trail
from policygen.catalog.names import service_prefix
from policygen.catalog.visibility import Visibility, visibility_of
from policygen.text import clean
from policygen.usage import Window

_BASIC_TYPES = {
    "AWS::S3::Object": ("arn:aws:s3", "arn:aws:s3:::"),
    "AWS::Lambda::Function": ("arn:aws:lambda",),
    "AWS::DynamoDB::Table": ("arn:aws:dynamodb",),
}
"""Basic selectors know these types only; these values mean all of them (3.4.2)."""

# Recorded in one region, whatever region the caller works in (2.1.4).
_GLOBAL = frozenset(
    {"iam", "organizations", "cloudfront", "route53", "account", "support", "globalaccelerator"}
)

REFERENCE = (
    "https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-data-events-with-cloudtrail.html"
)


@dataclass(frozen=True, slots=True)
class BlindSpot:
    """A permission of today that the evidence cannot speak about."""

    id: str
    """As in docs/blind-spots.md: ``data-events-off``, ``never-logged``, ``trail-unknown`` …"""
    action: str
    why: str
    remedy: str
    url: str = REFERENCE


@dataclass(frozen=True, slots=True)
class Logged:
    """Whether any trail logs a kind of management event, and the event sources that all of them leave out."""

    any: bool
    excluded: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a window of logs can show."""

    window: Window
    days_with_events: int
    """Days of the window on which any caller's event was read."""
    regions: tuple[str, ...]
    trails: tuple[str, ...] | None
    """Names of the trails that log; None where the account's trails are not known."""
    data_types: frozenset[str] | None
    """Data event types that are logged for every resource; None where the trails are not known."""
    reads: Logged
    """Management events that read."""
    writes: Logged
    """Management events that write."""
    logged_regions: frozenset[str] | None
    """Regions that are logged; None for all of them, or where the trails are not known."""
    global_services: bool = True
    """Whether events of global services are included."""
    late: str = ""
    """Why no trail covers the whole window; "" where one does."""
    incomplete: tuple[str, ...] = ()
    """Files that could not be read whole."""

    def blind_spot(self, action: str, *, reads_only: bool = False) -> BlindSpot | None:
        """Why the evidence cannot tell whether `action` is used, or None when it can.

        Args:
            action: ``service:Name``.
            reads_only: whether the action only reads.
        """
        seen = visibility_of(action)
        if seen.kind == "never":
            return BlindSpot("never-logged", action, "never in CloudTrail", "keep it, or drop it by hand")
        if seen.kind == "data":
            return self._data_blind_spot(action, seen)
        if seen.kind == "unknown":
            return BlindSpot(
                "no-event-known", action, "it is not known whether CloudTrail shows it", "decide by hand"
            )
        logged = self.reads if reads_only else self.writes
        service = action.split(":", 1)[0].lower()
        if not logged.any:
            kind = "read" if reads_only else "write"
            return BlindSpot(
                f"{kind}s-not-logged",
                action,
                f"no trail logs {kind} events",
                "log management events of type All",
            )
        if service in {service_prefix(source) for source in logged.excluded}:
            return BlindSpot("source-excluded", action, "the trails leave this service out", "log its events")
        if self.logged_regions is not None:
            return BlindSpot(
                "region-not-logged",
                action,
                f"only {', '.join(sorted(self.logged_regions))} is logged, the permission holds elsewhere too",
                "make the trail a multi-region trail",
            )
        if service in _GLOBAL and not self.global_services:
            return BlindSpot(
                "region-not-logged",
                action,
                f"no trail includes global service events, as those of {service}",
                "include global service events",
            )
        if self.late:
            return BlindSpot(
                "window-not-covered",
                action,
                f"no trail logs the whole window: {self.late}",
                "wait, or --days fewer",
            )
        return None

    def _data_blind_spot(self, action: str, seen: Visibility) -> BlindSpot | None:
        service = action.split(":", 1)[0]
        if self.data_types is None:
            return BlindSpot(
                "trail-unknown",
                action,
                f"{service} data events: the trail's selectors are not known",
                "give an account snapshot with --snapshot",
            )
        if seen.data_type in self.data_types:
            return None
        return BlindSpot(
            "data-events-off",
            action,
            f"{service} data events are off",
            f"log data events of type {seen.data_type}, wait, and run again",
        )


def coverage_of(
    window: Window,
    days: Mapping[str, int],
    regions: Iterable[str],
    trails: Sequence[Trail] | None,
    incomplete: Iterable[str] = (),
) -> Coverage:
    """The coverage of a window.

    Args:
        window: the days asked for.
        days: date -> events read, of any caller.
        regions: regions of the events read.
        trails: the account's trails, None where they are not known.
        incomplete: names of files that could not be read whole.
    """
    active = None if trails is None else [trail for trail in trails if trail.logging is not False]
    return Coverage(
        window=window,
        days_with_events=sum(1 for day in days if window.holds(day)),
        regions=tuple(sorted(regions)),
        trails=None if active is None else tuple(sorted(trail.name for trail in active)),
        data_types=None if active is None else frozenset().union(*map(logged_types, active)),
        reads=_management(active, "ReadOnly"),
        writes=_management(active, "WriteOnly"),
        logged_regions=_regions(active),
        global_services=active is None or any(trail.global_events for trail in active),
        late=_late(active, window),
        incomplete=tuple(incomplete),
    )


def logged_types(trail: Trail) -> frozenset[str]:
    """Data event types that a trail logs for every resource, in all regions, reading and writing (3.4.2, 3.4.3)."""
    found: set[str] = set()
    for selector in trail.selectors or ():
        if selector.get("ReadWriteType", "All") != "All" or not trail.multi_region:
            continue
        for entry in selector.get("DataResources") or ():
            kind = str(entry.get("Type", ""))
            if set(entry.get("Values") or ()) & set(_BASIC_TYPES.get(kind, ())):
                found.add(kind)
    for advanced in trail.advanced or ():
        if trail.multi_region:
            found |= _advanced_types(advanced)
    return frozenset(found)


def _advanced_types(selector: Mapping[str, Any]) -> set[str]:
    """Types of an advanced selector that has no further restriction; a restricted one shows only a part."""
    fields = {str(f.get("Field")): f for f in selector.get("FieldSelectors") or ()}
    if "Data" not in (fields.get("eventCategory", {}).get("Equals") or ()):
        return set()
    if set(fields) - {"eventCategory", "resources.type"}:
        return set()
    return set(fields.get("resources.type", {}).get("Equals") or ())


def _management(trails: Sequence[Trail] | None, kind: str) -> Logged:
    """What the trails together log of management events of one kind, ``ReadOnly`` or ``WriteOnly``."""
    if trails is None:
        return Logged(True)
    left_out = [one for trail in trails if (one := _left_out(trail, kind)) is not None]
    return Logged(bool(left_out), frozenset.intersection(*left_out) if left_out else frozenset())


def _left_out(trail: Trail, kind: str) -> frozenset[str] | None:
    """Event sources that a trail leaves out of its management events; None when it logs none of that kind.

    A selector with a restriction that is not understood here shows a part only, and counts as none.
    """
    if trail.selectors is None and trail.advanced is None:
        return frozenset()
    found = [
        frozenset(selector.get("ExcludeManagementEventSources") or ())
        for selector in trail.selectors or ()
        if selector.get("IncludeManagementEvents", True)
        and selector.get("ReadWriteType", "All") in {"All", kind}
    ]
    for advanced in trail.advanced or ():
        fields = {str(f.get("Field")): f for f in advanced.get("FieldSelectors") or ()}
        if "Management" not in (fields.pop("eventCategory", {}).get("Equals") or ()):
            continue
        reads = fields.pop("readOnly", {}).get("Equals") or (_flag(kind),)
        sources = fields.pop("eventSource", {})
        if set(sources) - {"Field", "NotEquals"} or fields or _flag(kind) not in reads:
            continue
        found.append(frozenset(sources.get("NotEquals") or ()))
    return frozenset.intersection(*found) if found else None


def _flag(kind: str) -> str:
    return "true" if kind == "ReadOnly" else "false"


def _late(trails: Sequence[Trail] | None, window: Window) -> str:
    """Why no trail covers the window from its start, or "". Only what the status tells: the last start."""
    reasons = []
    for trail in trails or ():
        if trail.started[:10] > window.start:
            reasons.append(f"{trail.name} logs since {trail.started[:10]}")
        elif trail.delivery_error:
            reasons.append(f"{trail.name} fails to deliver ({clean(trail.delivery_error, 64)})")
        else:
            return ""
    return "; ".join(reasons)


def _regions(trails: Sequence[Trail] | None) -> frozenset[str] | None:
    if trails is None or not trails or any(trail.multi_region for trail in trails):
        return None
    return frozenset(trail.home_region for trail in trails)
