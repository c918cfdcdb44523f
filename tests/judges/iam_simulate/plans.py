"""Ask the outside judge about saved plans: do the policies of a plan allow the observed requests of its role?

    python -m tests.judges.iam_simulate.plans FOLDER [COUNT] [SEED]

asks about COUNT requests of the plans in FOLDER, drawn at random.

It prints how many requests were judged and allowed, and each one that was not. Requests with a star or question mark
in the resource are counted but not judged, because the judge reads these characters as wildcards.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.judges.iam_simulate.judge import judge, row

BATCH = 2_000
"""Requests for one process of the judge."""


def granted(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the observed requests that the plan's policies grant."""
    for request in plan["evidence"]["requests"]:
        if request["written_as"] is not None:
            yield request


def question(plan: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """Return a request as a row for the judge."""
    context = {key: [value] if isinstance(value, str) else value for key, value in request["context"].items()}
    documents = [policy["document"] for policy in plan["policies"]]
    return row(documents, request["action"], request["resource"], context)


def main() -> None:
    """Judge a random sample of requests and print the result."""
    folder, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    plans = {path.name: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))}
    asked = [(name, request) for name, plan in plans.items() for request in granted(plan)]
    plain = [one for one in asked if not set(one[1]["resource"].removeprefix("*")) & set("*?$")]
    drawn = sorted(rng.sample(range(len(plain)), min(count, len(plain))))
    answers: Counter[str] = Counter()
    for begin in range(0, len(drawn), BATCH):
        members = [plain[n] for n in drawn[begin : begin + BATCH]]
        said = judge([question(plans[name], request) for name, request in members])
        for (name, request), answer in zip(members, said, strict=True):
            answers[answer] += 1
            if answer != "ALLOWED":
                print(f"{name}: {request['action']} on {request['resource']}: {answer}")
    print(
        f"{len(plans):,} plans, {len(asked):,} requests, {len(asked) - len(plain):,} with a wildcard left out, "
        f"{len(drawn):,} asked: {dict(answers)}"
    )


if __name__ == "__main__":
    main()
