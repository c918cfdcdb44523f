"""From where sessions of an assumed role were used, joined to the assumption that made them."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from policygen.logs.events import session_use
from policygen.logs.events.session_use import SessionUse, SessionUses
from policygen.report.data.trust import trust_json
from policygen.report.terminal.trust import trust_screen
from tests.support.trust_world import ACCOUNT, suggestion_of

ROOT_OF_OWN = {
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    "Action": "sts:AssumeRole",
}


def places(folder: Path, log: list[dict[str, Any]], uses: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what JSON says of a role; `screen` is what the screen does."""
    found = suggestion_of({"today": [ROOT_OF_OWN], "log": log, "uses": uses}, folder)
    said: dict[str, Any] = json.loads(trust_json(found))
    return said | {"screen": trust_screen(found)}


def test_each_assumption_says_from_where_its_session_was_used(tmp_path: Path) -> None:
    log = [
        {"by": "role/ci", "session": "build"},
        {"by": "role/ops", "session": "ana", "address": "198.51.100.9"},
    ]
    uses = [
        {"session": "build", "address": "203.0.113.99", "days": 3},
        {"session": "build", "address": "cloudformation.amazonaws.com"},
        {"session": "build", "address": "10.0.0.5", "endpoint": "vpce-9"},
        {"session": "ana", "address": "192.0.2.7", "days": 4},
    ]
    said = places(tmp_path, log, uses)
    ci, ops = sorted(said["assumptions"], key=lambda one: str(one["principal"]))
    rows = [(one["address"], one["endpoint"], one["days"], one["elsewhere"]) for one in ci["used_from"]]
    assert rows == [
        ("10.0.0.5", "vpce-9", 2, True),
        ("203.0.113.99", "", 3, False),
        ("cloudformation.amazonaws.com", "", 2, False),
    ]
    assert [(one["address"], one["last"]) for one in ops["used_from"]] == [("192.0.2.7", "2026-10-29")]
    assert [one["address"] for one in said["used_elsewhere"]] == ["192.0.2.7", "10.0.0.5"]
    assert "! session ana: 192.0.2.7, 4 days, last 2026-10-29" in said["screen"]
    assert "! session build: vpce-9 10.0.0.5, 2 days" in said["screen"]


def test_a_place_where_anybody_assumes_is_no_other_place(tmp_path: Path) -> None:
    log = [
        {"by": "role/ci", "session": "build"},
        {"by": "role/ops", "session": "ana", "address": "198.51.100.9"},
    ]
    said = places(tmp_path, log, [{"session": "build", "address": "198.51.100.200"}])
    assert said["used_elsewhere"] == []
    assert "Used from" not in said["screen"]


def test_a_name_that_several_callers_use_is_said_to_be_of_several(tmp_path: Path) -> None:
    log = [{"by": "role/ci", "session": "s"}, {"by": "role/ops", "session": "s"}]
    said = places(tmp_path, log, [{"session": "s"}])
    assert [one["used_from"][0]["of_several_callers"] for one in said["assumptions"]] == [True, True]


def test_sessions_of_a_deleted_namesake_are_of_another_role(tmp_path: Path) -> None:
    uses = [{"session": "s1", "role_id": "AROABEFORE00000000001", "address": "192.0.2.7"}]
    said = places(tmp_path, [{"by": "role/ci"}], uses)
    assert said["assumptions"][0]["used_from"] == []
    assert said["used_elsewhere"] == []


def test_many_sessions_are_cut_to_the_same_ones_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_use, "KEPT", 3)
    uses = [SessionUse(f"AROAX:{number}", "203.0.113.7", "") for number in range(9)]
    kept = []
    for order in list(permutations(range(9)))[::40_000]:
        parts = SessionUses(), SessionUses()
        for place, number in enumerate(order):
            for _ in range(2):
                parts[place % 2].add(uses[number], "2026-11-24")
        parts[0].merge(parts[1])
        parts[0].cut()
        kept.append((sorted(parts[0].days), parts[0].is_cut))
    assert len(kept[0][0]) == 3
    assert all(one == kept[0] for one in kept)
    assert kept[0][1]
