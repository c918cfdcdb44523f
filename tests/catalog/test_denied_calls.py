"""Real denied calls whose message names the action and the resource that AWS checked: ours must be among them."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from policygen.evidence.record_mapping import MappedRecord, map_batch
from policygen.iam import arn
from policygen.logs.registry import open_source
from tests.support import SHARED

TRAILS = SHARED / "trails"
TABLE = TRAILS / "oracle_denied.tsv"
needs_trails = pytest.mark.skipif(not TABLE.is_file(), reason="the shared trails are not here")


def oracle(folder: Path, *, message: bool = False) -> Iterator[tuple[dict[str, str], MappedRecord]]:
    """Each row of the table with its record as mapped; without its message, which tells the answer."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter="\t")):
            lines = (TRAILS / row["source"] / "events.jsonl").read_text("utf-8").splitlines()
            record = json.loads(lines[int(row["firstLine"]) - 1])
            if not message:
                record.pop("errorMessage", None)
            log = folder / f"{number}.json"
            log.write_text(json.dumps(record), encoding="utf-8")
            (mapped,) = (
                one for batch in open_source(str(log)).read() for one in map_batch(batch, None, set())
            )
            yield row, mapped


@needs_trails
def test_the_action_that_aws_named_is_the_one_the_record_maps_to(tmp_path: Path) -> None:
    wrong, seen = [], 0
    for row, mapped in oracle(tmp_path):
        seen += 1
        actions = {request["action"].lower() for request in mapped.requests}
        if mapped.status != "denied" or row["actionInMessage"].lower() not in actions:
            wrong.append((row["eventSource"], row["eventName"], row["actionInMessage"], mapped.why))
    assert wrong == []
    assert seen > 50


@needs_trails
def test_the_resource_that_aws_named_is_inside_the_one_the_record_maps_to(tmp_path: Path) -> None:
    """The accounts in messages and in records were made anonymous differently, so they are left out."""

    def masked(text: str) -> str:
        return re.sub(r":(?:\d{12}|<acct>):", ":account:", text)

    wrong, seen = [], 0
    for row, mapped in oracle(tmp_path):
        said = masked(row["resourceInMessage"])
        if not said:
            continue
        seen += 1
        action = row["actionInMessage"].lower()
        ours = [masked(one["resource"]) for one in mapped.requests if one["action"].lower() == action]
        # A list call is refused on every name there may be (`instance/*`), where the record may tell one of them.
        if not any(arn.contains(one, said) or arn.contains(said, one) for one in ours):
            wrong.append((row["eventName"], said, ours))
    assert wrong == []
    assert seen > 20


@needs_trails
def test_a_denied_call_names_what_the_message_of_aws_names(tmp_path: Path) -> None:
    rows = list(oracle(tmp_path, message=True))
    told = [(row["actionInMessage"].lower(), mapped) for row, mapped in rows]
    assert [
        mapped for action, mapped in told if {r["action"].lower() for r in mapped.requests} != {action}
    ] == []


# Invented for a test of another tool: no AWS service, no AWS API.
INVENTED = {"someSource SomeEvent"}
# Licence texts.
APART = {"LICENSES"}


@needs_trails
def test_every_genuine_call_of_the_real_trails_is_mapped_or_classed() -> None:
    unmapped = {
        f"{row.event_source} {row.event_name}"
        for folder in sorted(path for path in TRAILS.iterdir() if path.name not in APART and path.is_dir())
        for batch in open_source(str(folder)).read()
        for row in map_batch(batch, None, set())
        if row.status == "unmapped"
    }
    assert unmapped == INVENTED
