"""Measure how many distinct calls a second the catalog maps, on one core, compared with decoding them from JSON.

    python bench/bench_mapping.py [CALLS] [REPEATS]

There are two mixes: *trail*, the calls of the corpus, with few services and a long tail; and *examples*, every example
of every service file, each in another account. Prints the medians.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import chain, islice
from typing import Any

import msgspec
from corpora.organization.roles import Shape
from corpora.trail import contents, plan

from policygen.catalog import mapping
from policygen.catalog.call import Call, ResourceEntry
from policygen.catalog.projection import project
from policygen.catalog.rules import all_rules
from policygen.logs.calls.call import call_signature
from policygen.logs.decode.trail_file import decode_trail_file
from policygen.logs.events.event import Event, read_event

ACCOUNT = "111122223333"


def trail_calls(count: int) -> list[Call]:
    """Return calls of roles in the proportions of the corpus."""
    shape = Shape(count * 5 // 4)  # a tenth of the records are not calls of a role
    files = plan(shape)
    texts = (msgspec.json.encode({"Records": contents(shape, file, files)}) for file in files)
    records = chain.from_iterable(decode_trail_file(text) or () for text in texts)
    events = (one for one in map(read_event, records) if isinstance(one, Event) and one.principal.role)
    return [call_signature(event).call() for event in islice(events, count)]


def example_calls(count: int) -> list[Call]:
    """Return the examples of the service files in turn, each in another account."""
    examples = [
        Call(
            e.source,
            e.event,
            e.region,
            ACCOUNT,
            "aws",
            project(e.source, e.event, e.params),
            tuple(ResourceEntry("", arn, "") for arn in e.resources),
            e.error,
            e.via,
        )
        for rules in all_rules()
        for e in rules.examples
    ]
    return [replace(examples[i % len(examples)], account=f"{i:012d}") for i in range(count)]


def seconds(work: Callable[[Any], Any], items: Iterable[Any]) -> float:
    """Return the seconds to do the work once on every item."""
    begin = time.perf_counter()
    for item in items:
        work(item)
    return time.perf_counter() - begin


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    result: dict[str, Any] = {"calls": count}
    for name, calls in (("trail", trail_calls(count)), ("examples", example_calls(count))):
        seconds(mapping.requests_for, calls[:5000])  # reads the service files and IAM's data
        texts = [json.dumps(dict(call.params)) for call in calls]
        ours, plain = [], []
        for _ in range(repeats):
            ours.append(seconds(mapping.requests_for, calls))
            plain.append(seconds(json.loads, texts))
        typical = statistics.median(ours)
        result[name] = {
            "calls_per_second": round(count / typical),
            "mapping_to_json_loads": round(typical / statistics.median(plain), 1),
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
