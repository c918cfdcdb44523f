"""`policygen map`: the records of a role, or of all callers, each with who called, when and from where."""

from __future__ import annotations

import json

import pytest

from tests.support.command import run_in_root

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
