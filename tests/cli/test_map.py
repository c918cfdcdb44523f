"""`policygen map`: the records of a role, or of all callers, each with who called, when and from where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT
from tests.support.command import run, run_in_root
from tests.support.gateway_world import FORMATS, HTTP, LENDER, OWNER, REST, SIGNED, UNSIGNED, entry, snapshots

LOGS = "samples/trail"


def test_a_role_filters_the_records() -> None:
    everything = run_in_root("map", LOGS)
    rows = [json.loads(line) for line in everything.stdout.splitlines()]
    own = run_in_root("map", LOGS, "--role", "orders-api")
    mine = [json.loads(line) for line in own.stdout.splitlines()]
    assert (own.code, everything.code) == (0, 0)
    assert {row["role"].rsplit("/", 1)[-1] for row in mine} == {"orders-api"}
    assert mine == [row for row in rows if (row["role"] or "").endswith("/orders-api")]
    assert f"{len(mine):,} records: " in own.stderr
    assert f"left out: {len(rows) - len(mine):,} records of others" in own.stderr


def test_a_row_says_who_called_when_from_where_and_with_what_outcome() -> None:
    rows = [
        json.loads(line) for line in run_in_root("map", LOGS, "-r", "orders-api", "-q").stdout.splitlines()
    ]
    for row in rows:
        assert row["time"].startswith("2026-")
        assert row["caller"].startswith("orders-api/")
        assert row["address"]
    assert {row["outcome"] for row in rows} >= {"used", "denied"}


@pytest.mark.parametrize(
    ("role", "says"),
    [
        ("nobody", "there are: "),
        ("order-api", "hint: policygen map samples/trail --role orders-api"),
        ("arn:aws:iam::999999999999:role/orders-api", "in account 999999999999 in the logs"),
    ],
)
def test_a_role_without_a_record_is_an_error(role: str, says: str) -> None:
    done = run_in_root("map", LOGS, "--role", role)
    assert (done.stdout, done.code) == ("", 4)
    assert "PG-E310, exit 4" in done.stderr
    assert says in done.stderr


# --- access logs of API Gateway ------------------------------------------------------------------------


def access(tmp_path: Path, lines: list[str], *words: str, log_format: str = "all") -> Any:
    """Run `map` on a file of lines, with the snapshots of the library and its partner."""
    (tmp_path / "access.log").write_text("".join(f"{line}\n" for line in lines))
    shots = []
    for number, one in enumerate(snapshots(FORMATS.get(log_format, ""))):
        (tmp_path / f"{number}.json").write_text(json.dumps(one))
        shots += ["--snapshot", str(tmp_path / f"{number}.json")]
    return run(tmp_path, "map", str(tmp_path / "access.log"), *shots, *words)


def test_each_entry_of_an_access_log_is_a_row(tmp_path: Path) -> None:
    lines = [
        entry(FORMATS["all"], SIGNED),
        "",
        entry(FORMATS["all"], SIGNED)[:50],
        entry(FORMATS["all"], {**UNSIGNED, "extendedRequestId": "Xq2="}),
        entry(FORMATS["all"], SIGNED),
    ]
    done = access(tmp_path, lines)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.code == 0
    assert [(row["event_id"], row["line"], row["status"], row["principal"]) for row in rows] == [
        (SIGNED["extendedRequestId"], 1, "mapped", LENDER),
        (None, 3, "unreadable", None),
        ("Xq2=", 4, "anonymous", "*"),
    ]
    assert rows[0]["requests"] == [
        {
            "action": "execute-api:Invoke",
            "resource": f"arn:aws:execute-api:eu-north-1:{OWNER}:{REST}/live/GET/books",
            "context": {"aws:SourceIp": SIGNED["identity.sourceIp"]},
        }
    ]
    assert "3 lines: 1 anonymous, 1 mapped, 1 unreadable" in done.stderr
    assert "left out: 1 that came again" in done.stderr


def test_an_entry_as_text(tmp_path: Path) -> None:
    done = access(tmp_path, [entry(FORMATS["all"], SIGNED)], "-f", "text", "-q")
    assert done.stdout.startswith(f"mapped           {LENDER}: execute-api:Invoke arn:aws:execute-api:")
    assert done.stderr == ""


def test_the_api_is_named_where_entries_do_not_name_it(tmp_path: Path) -> None:
    line = entry(FORMATS["console"], SIGNED)
    unnamed = access(tmp_path, [line], log_format="")
    assert json.loads(unnamed.stdout)["status"] == "unmapped"
    named = access(tmp_path, [line], "--api", f"{REST}/live", log_format="")
    assert json.loads(named.stdout)["status"] == "mapped"
    named = access(tmp_path, [line], "--api", "library-REGIONAL", log_format="")
    assert json.loads(named.stdout)["status"] == "mapped"


@pytest.mark.parametrize(
    ("api", "says"),
    [("library-REGIONL", "did you mean library-REGIONAL?"), (f"{HTTP}/prod", "there are: $default")],
)
def test_an_api_or_stage_that_there_is_not(tmp_path: Path, api: str, says: str) -> None:
    done = access(tmp_path, ["x"], "--api", api)
    assert (done.stdout, done.code) == ("", 4)
    assert "PG-E381" in done.stderr
    assert says in done.stderr


def test_an_api_needs_a_snapshot(tmp_path: Path) -> None:
    done = run(tmp_path, "map", ".", "--api", REST)
    assert (done.stdout, done.code) == ("", 2)
    assert "PG-E211" in done.stderr


def test_a_log_of_cloudtrail_is_told_by_its_content() -> None:
    plain = run_in_root("map", LOGS, "-q")
    given = run_in_root("map", LOGS, "-q", "--snapshot", "samples/account.json")
    assert given.stdout == plain.stdout
    assert given.code == plain.code == 0


def test_a_folder_without_a_log_and_access_logs_without_a_snapshot(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    snapshot = str(ROOT / "samples/api/account.json")
    made = run(tmp_path, "map", "empty", "--snapshot", snapshot)
    assert (made.code, made.stdout) == (4, "")
    assert "no access log file under 'empty'  PG-E302" in made.stderr
    bare = run(tmp_path, "map", str(ROOT / "samples/api/access"))
    assert (bare.code, bare.stdout) == (4, "")
    assert "hint: for access logs of API Gateway, add --snapshot account.json" in bare.stderr
