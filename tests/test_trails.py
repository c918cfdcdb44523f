"""Real denied calls whose message names the action that AWS checked: ours must be among what we map."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from policygen.mapping import map_batch
from policygen.sources import open_source
from tests.support import SHARED

TABLE = SHARED / "trails" / "oracle_denied.tsv"


@pytest.mark.skipif(not TABLE.is_file(), reason="the shared trails are not here")
def test_the_action_that_aws_named_is_the_one_the_record_maps_to(tmp_path: Path) -> None:
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    wrong = []
    for number, row in enumerate(rows):
        lines = (TABLE.parent / row["source"] / "events.jsonl").read_text("utf-8").splitlines()
        log = tmp_path / f"{number}.json"
        log.write_text(lines[int(row["firstLine"]) - 1], encoding="utf-8")
        (mapped,) = (one for batch in open_source(str(log)).read() for one in map_batch(batch, None, set()))
        actions = {request["action"].lower() for request in mapped.requests}
        if mapped.status != "denied" or row["actionInMessage"].lower() not in actions:
            wrong.append((row["eventSource"], row["eventName"], row["actionInMessage"], mapped.why))
    assert wrong == []
    assert len(rows) > 50
