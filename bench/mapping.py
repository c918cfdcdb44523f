"""How many distinct calls a second the catalog maps, on one core, beside decoding the same calls from JSON.

    python bench/mapping.py [CALLS] [REPEATS]

Two mixes: *trail*, the calls of `trail.py` (S3, DynamoDB, KMS, SSM, STS, EC2; nearly all distinct), and *examples*,
every example of every service file, each time in another account. Prints the median of the repeats.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random
from typing import Any

from trail import ACCOUNT, REGION, _params

from policygen import catalog
from policygen.access import Call, ResourceEntry
from policygen.catalog.projection import project
from policygen.catalog.rules import all_rules


def trail_calls(count: int) -> list[Call]:
    """Distinct calls in the proportions of the bench's trail."""
    random = Random(20261124)
    kinds = random.choices(["s3", "dynamodb", "kms", "ssm", "sts", "ec2"], [30, 30, 15, 8, 5, 12], k=count)
    return [_call(*_params(random, kind)) for kind in kinds]


def _call(service: str, name: str, params: dict[str, Any], resources: list[dict[str, str]]) -> Call:
    entries = tuple(ResourceEntry(r.get("type", ""), r["ARN"], r.get("accountId", "")) for r in resources)
    source = f"{service}.amazonaws.com"
    return Call(source, name, REGION, ACCOUNT, "aws", project(source, name, params), entries)


def example_calls(count: int) -> list[Call]:
    """The examples of the service files in turn, each time in another account."""
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
    """Time to do the work on every item, once."""
    begin = time.perf_counter()
    for item in items:
        work(item)
    return time.perf_counter() - begin


def main() -> None:
    """Measures and prints."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    result: dict[str, Any] = {"calls": count}
    for name, calls in (("trail", trail_calls(count)), ("examples", example_calls(count))):
        seconds(catalog.requests_for, calls[:5000])  # the service files and IAM's data are read once
        texts = [json.dumps(dict(call.params)) for call in calls]
        ours, plain = [], []
        for _ in range(repeats):
            ours.append(seconds(catalog.requests_for, calls))
            plain.append(seconds(json.loads, texts))
        best = statistics.median(ours)
        result[name] = {
            "calls_per_second": round(count / best),
            "mapping_to_json_loads": round(best / statistics.median(plain), 1),
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
