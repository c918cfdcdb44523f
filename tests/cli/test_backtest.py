"""policygen backtest: its formats, what it claims, and when it fails."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT
from tests.support.command import run
from tests.support.records import ROLE, write_logs

SAMPLES = ("backtest", "orders-api", "-l", ROOT / "samples/trail", "-q")
READ = {"source": "dynamodb", "name": "GetItem"}


def some_days(folder: Path, first: str, last: str) -> Path:
    return write_logs(folder, [READ | {"params": {"tableName": "a"}, "on": [first, last, 1]}])


def printed(folder: Path, *args: object) -> dict[str, Any]:
    done = run(folder, *SAMPLES, "-f", "json", *args)
    assert done.code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_json_has_each_way_to_write_names_and_the_choices(tmp_path: Path) -> None:
    found = printed(tmp_path, "--learn", 20)
    assert found["claim"] == "made"
    assert found["sentence"] == "learnt on days 1-20: 0 of 636 calls of days 21-30 denied"
    assert {
        mode: (one["calls"], one["denied"], one["days_broken"]) for mode, one in found["modes"].items()
    } == {
        "auto": (636, 0, 0),
        "exact": (636, 94, 10),
        "pattern": (636, 0, 0),
        "type": (636, 0, 0),
    }
    assert sum(one["calls"] for one in found["modes"]["exact"]["denied_by"]) >= 94
    choices = {(one["action"], one["resource_type"]): one["choice"] for one in found["choices"]}
    assert choices["dynamodb:Query", "index"] == "closed"
    assert choices["s3:GetObject", "object"] == "open"
    assert found["curve"] == []


def test_the_curve_is_in_json_in_csv_and_on_the_page(tmp_path: Path) -> None:
    found = printed(tmp_path, "--curve")
    assert found["days_until_0"] == {"auto": 20, "exact": None, "pattern": 20, "type": 10}
    rows = list(csv.DictReader(io.StringIO(run(tmp_path, *SAMPLES, "--curve", "-f", "csv").stdout)))
    assert [(row["mode"], int(row["learnt"]), int(row["denied"])) for row in rows] == [
        (one["mode"], one["learnt"], one["denied"]) for one in found["curve"]
    ]
    page = run(tmp_path, *SAMPLES, "--curve", "-f", "html").stdout
    assert "Learnt on days 1-20: 0 of 636 calls of days 21-30 denied" in page
    assert page.count('<path class="line line') == 4
    assert len(page.encode()) < 40_000
    assert "http://" not in page
    assert "https://" not in page


def test_without_a_curve_csv_has_a_row_for_each_way_to_write_names(tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run(tmp_path, *SAMPLES, "-f", "csv").stdout)))
    assert [(row["mode"], row["learnt"]) for row in rows] == [
        (mode, "20") for mode in ("auto", "exact", "pattern", "type")
    ]


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("--fail-over", "0.5%"), 0, ""),
        (("--fail-over", "0 %"), 0, ""),
        (("--fail-over", "0.5%", "--resources", "exact"), 1, "94 of 636 replayed calls are denied"),
        (("--fail-over", "14.8%", "--resources", "exact"), 0, ""),
        (("--fail-over", "0.5%", "--days", "5"), 3, "5 days are too few"),
        (("--fail-over", "0.5"), 2, "is no share"),
        (("--fail-over", "101%"), 2, "is no share"),
        (("--learn", "30"), 2, "learn must be 1 to 29 of 30 days, not 30"),
        (("--learn", "0"), 2, "--learn"),
        (("--resources", "patern"), 2, "did you mean pattern"),
        (("-f", "sarif"), 2, "no format"),
    ],
)
def test_how_it_ends(tmp_path: Path, args: tuple[str, ...], code: int, says: str) -> None:
    done = run(tmp_path, *SAMPLES, *args)
    assert done.code == code, done.stderr
    assert says in done.stderr


def test_where_nothing_was_replayed_no_format_claims_that_nothing_is_denied(tmp_path: Path) -> None:
    logs = some_days(tmp_path, "2026-10-26", "2026-11-04")
    args = ("backtest", ROLE, "-l", logs, "--until", "2026-11-24", "-q")
    screen = run(tmp_path, *args).stdout
    assert "Replay  none: no call after day 20, so nothing to replay" in screen
    assert "denied" not in screen
    found = json.loads(run(tmp_path, *args, "-f", "json").stdout)
    assert (found["claim"], found["sentence"].split(":")[0]) == ("none", "none")
    rows = list(csv.DictReader(io.StringIO(run(tmp_path, *args, "-f", "csv").stdout)))
    assert {(row["denied"], row["denied_share"]) for row in rows} == {("", "")}
    assert "denied" not in run(tmp_path, *args, "-f", "html").stdout.partition("<main")[2]


def test_names_from_logs_are_text_on_screen_and_page(tmp_path: Path) -> None:
    name = "<script>alert(1)</script>\x1b[31m"
    get = {"source": "s3", "name": "GetObject", "params": {"bucketName": "b", "key": name}}
    logs = write_logs(
        tmp_path,
        [
            READ | {"params": {"tableName": "a"}, "on": ["2026-10-26", "2026-11-24", 1]},
            get | {"time": "2026-11-20T09:00:00Z"},
        ],
    )
    args = ("backtest", ROLE, "-l", logs, "-q")
    page, screen = run(tmp_path, *args, "-f", "html").stdout, run(tmp_path, *args).stdout
    assert "<script>alert" not in page
    assert "\x1b" not in page + screen
    assert "s3:GetObject" in screen
