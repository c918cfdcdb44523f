"""What the trails log, row by row: kinds of events, services and regions, each with the command for what is missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import msgspec

from policygen.catalog.service_names import service_prefix
from policygen.catalog.visibility import data_types
from policygen.evidence.coverage.coverage import Coverage
from policygen.evidence.coverage.event_set import EventSet, left_out, logged_share
from policygen.evidence.coverage.remediation import (
    enable_events_command,
    multi_region_command,
    put_selectors,
    start_logging_command,
)
from policygen.evidence.coverage.selectors import Answer

State = Literal["on", "partly", "off", "unknown"]
_STATES: Mapping[Answer, State] = {"all": "on", "part": "partly", "none": "off"}


class CoverageRow(msgspec.Struct, frozen=True):
    """One kind of events and whether the trails log it."""

    kind: Literal["management", "source", "regions", "data"]
    name: str
    """``reads`` or ``writes``, an event source, ``all regions``, or a data event type."""
    service: str
    """IAM's prefix of a source or type, else ""."""
    state: State
    since: str
    """The first whole day from which it is logged; "" unless it is on."""
    events: int | None
    """Data events of the type that were read in the window, of any caller; None where they were not counted."""
    command: str
    """The command after which it is on; "" where it is on, or where there is no such command."""


def coverage_rows(coverage: Coverage, services: Collection[str] = ()) -> list[CoverageRow]:
    """Return the rows: management events first, then data events by type.

    Args:
        coverage: the coverage of a window.
        services: IAM prefixes whose data events are listed; empty for all.
    """
    lines = [_management(coverage, "reads", True), _management(coverage, "writes", False)]
    lines += [_source(coverage, source) for source in left_out(coverage.known)]
    lines.append(_regions(coverage))
    wanted = {prefix.lower() for prefix in services}
    for data_type, prefix in sorted(data_types().items()):
        if not wanted or prefix in wanted:
            lines.append(_data(coverage, data_type, prefix))
    return lines


def one_command(coverage: Coverage, lines: Sequence[CoverageRow]) -> str:
    """Return the command after which all rows are on that selectors decide; "" where there is none."""
    active = [trail for trail in coverage.known if trail.logging is not False]
    off = [
        line for line in lines if line.command and line.state in {"off", "partly"} and line.kind != "regions"
    ]
    added = [("Data", line.name) if line.kind == "data" else ("Management", "") for line in off]
    if not active or not added:
        return next((line.command for line in off), "")
    return enable_events_command(active, coverage.account, list(dict.fromkeys(added)))


def _management(coverage: Coverage, name: str, reads: bool) -> CoverageRow:
    # For a source that no selector excludes: excluded sources have rows of their own.
    asked = EventSet(sources=("-",), read_only=reads, identity=coverage.identity)
    return _line(coverage, "management", name, "", asked)


def _source(coverage: Coverage, source: str) -> CoverageRow:
    asked = EventSet(sources=(source,), identity=coverage.identity)
    return _line(coverage, "source", source, service_prefix(source), asked)


def _data(coverage: Coverage, data_type: str, prefix: str) -> CoverageRow:
    asked = EventSet(data_type=data_type, identity=coverage.identity)
    return _line(coverage, "data", data_type, prefix, asked)


def _regions(coverage: Coverage) -> CoverageRow:
    if coverage.trails is None:
        return CoverageRow("regions", "all regions", "", "unknown", "", None, "")
    if coverage.logged_regions is None and coverage.trails:
        return CoverageRow("regions", "all regions", "", "on", "", None, "")
    active = [trail for trail in coverage.known if trail.logging is not False]
    state: State = "partly" if active else "off"
    return CoverageRow(
        "regions", "all regions", "", state, "", None, multi_region_command(active, coverage.account)
    )


def _line(
    coverage: Coverage,
    kind: Literal["management", "source", "data"],
    name: str,
    service: str,
    asked: EventSet,
) -> CoverageRow:
    events = coverage.data_seen.get(name, 0) if kind == "data" and coverage.data_seen else None
    if coverage.trails is None:
        return CoverageRow(kind, name, service, "partly" if events else "unknown", "", events, "")
    state = _STATES[logged_share(asked, coverage.trail_periods[-1].trails)]
    if state == "on":
        return CoverageRow(kind, name, service, state, coverage.logged_since((asked,)), events, "")
    active = [trail for trail in coverage.known if trail.logging is not False]
    command = (
        put_selectors(active, coverage.account, "Data" if asked.data_type else "Management", asked.data_type)
        if active
        else start_logging_command(coverage.known, coverage.account)
    )
    return CoverageRow(kind, name, service, state, "", events, command)
