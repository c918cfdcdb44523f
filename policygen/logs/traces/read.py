"""Reads files of traces, whatever their format, and adds their calls up by caller."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from policygen.errors import UsageError
from policygen.files import LARGEST, UnreadableJson, files_in, json_documents
from policygen.logs.calls.call import Calls, count_in
from policygen.logs.traces import iamlive, otlp, sdk_monitoring, xray
from policygen.logs.traces.traced_call import Caller, TracedCall, call_bucket_of, evidence_of_trace
from policygen.text import escape_controls, pluralize


class TraceFormat(NamedTuple):
    """One format of traces."""

    name: str
    holds: Callable[[object], bool]
    """Tells its documents."""
    calls: Callable[[Mapping[str, Any]], Iterator[TracedCall]]


FORMATS = (
    TraceFormat(xray.NAME, xray.holds_segments, xray.segment_calls),
    TraceFormat(otlp.NAME, otlp.holds_spans, otlp.span_calls),
    TraceFormat(sdk_monitoring.NAME, sdk_monitoring.holds_messages, sdk_monitoring.message_calls),
    TraceFormat(iamlive.NAME, iamlive.holds_policy, iamlive.policy_calls),
)
"""The formats that are read."""

_SUFFIXES = (".json", ".jsonl", ".ndjson", ".log", ".txt")
_KNOWN = "what is read: X-Ray's batch-get-traces, OTLP in JSON lines, messages of SDK monitoring, policies of iamlive"


class Traces(msgspec.Struct):
    """The calls of AWS in files of traces, by caller; those that no event source is known for are counted apart."""

    calls: dict[Caller, Calls] = msgspec.field(default_factory=dict)
    files: int = 0
    count: int = 0
    """Calls of AWS that were read."""
    unknown: Counter[str] = msgspec.field(default_factory=Counter)
    """Why a call cannot be mapped -> calls."""
    missing: int = 0
    """Traces that X-Ray did not give, or cut."""

    def add(self, call: TracedCall) -> None:
        """Add one call."""
        self.count += 1
        bucket = call_bucket_of(call)
        if isinstance(bucket, str):
            self.unknown[bucket] += 1
        else:
            count_in(self.calls.setdefault(call.caller, {}), bucket, evidence_of_trace(call))


def read_traces(specs: Sequence[str]) -> Traces:
    """Read files and folders of traces.

    Args:
        specs: paths; ``ROLE=PATH`` for files that do not say whose calls they hold.

    Raises:
        UsageError: PG-E264, a file cannot be read or holds something else; PG-E265, there is no such file, or none in
            a folder.
    """
    traces = Traces()
    for spec in specs:
        role, path = _split(spec)
        found = files_in(path, _SUFFIXES)
        if not found:
            raise UsageError(
                f"--traces: no file in {escape_controls(str(path))!r}"
                if path.is_dir()
                else f"--traces: no file or folder {escape_controls(str(path))!r}",
                f"files that end in {', '.join(_SUFFIXES)} are read in a folder",
                code="PG-E265",
            )
        for file in found:
            traces.files += 1
            for call in _calls_in(file, traces):
                traces.add(_named(call, role) if role else call)
    return traces


def _split(spec: str) -> tuple[str, Path]:
    """Split ``ROLE=PATH``; the role is "" in a plain path."""
    role, mark, rest = spec.partition("=")
    if mark and role and "/" not in role and not os.path.lexists(spec):
        return role, Path(rest)
    return "", Path(spec)


def _named(call: TracedCall, role: str) -> TracedCall:
    return replace(call, caller=Caller(role=role))


def _calls_in(file: Path, traces: Traces) -> Iterator[TracedCall]:
    """Yield the calls of a file; attempts last, and only those of which nothing else tells the calls.

    Raises:
        UsageError: PG-E264, it cannot be read, or holds something else.
    """
    attempts: list[TracedCall] = []
    whole: set[tuple[str, str]] = set()
    number = 0
    try:
        for document in json_documents(file, LARGEST):
            number += 1
            form = _format_of(document)
            if form.name == xray.NAME:
                traces.missing += xray.missing_traces(document)
            for call in form.calls(document):
                if call.attempt:
                    attempts.append(call)
                else:
                    whole.add((call.service, call.operation))
                    yield call
    except (UnreadableJson, ValueError) as error:
        where = f"document {number:,}: " if isinstance(error, ValueError) else ""
        raise UsageError(
            f"--traces: {escape_controls(str(file))}: {where}{error}",
            _KNOWN,
            "nothing of it was used",
            code="PG-E264",
        ) from None
    if number == 0:
        raise UsageError(f"--traces: {escape_controls(str(file))} is empty", _KNOWN, code="PG-E264")
    yield from (call for call in attempts if (call.service, call.operation) not in whole)


def _format_of(document: object) -> TraceFormat:
    """Return the format of a document.

    Raises:
        ValueError: none is known that looks like this.
    """
    found = next((one for one in FORMATS if one.holds(document)), None)
    if found is None:
        raise ValueError(f"{_shape(document)}, none of the formats that are read")
    return found


def _shape(document: object) -> str:
    """Say what a document is."""
    if isinstance(document, dict):
        keys = [escape_controls(str(key))[:30] for key in list(document)[:4]]
        return f"an object with {', '.join(map(repr, keys))}" if keys else "an empty object"
    return f"a list of {pluralize(len(document), 'value')}" if isinstance(document, list) else "no object"
