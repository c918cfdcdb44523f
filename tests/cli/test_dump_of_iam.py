"""With the dump of IAM alone, what was seen still counts as needed, and what the dump lacks is asked for by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.command import run

SAMPLES = ROOT / "samples"


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """What `aws iam get-account-authorization-details` prints."""
    whole = json.loads((SAMPLES / "account.json").read_text("utf-8"))
    (tmp_path / "dump.json").write_text(json.dumps(whole["authorization"]), "utf-8")
    return tmp_path


def test_what_was_seen_is_needed_whatever_else_is_known(dump: Path) -> None:
    asked = ("suggest", "orders-api", "-l", SAMPLES / "trail", "-q", "--no-plan", "-f", "json")
    numbers = {}
    for name, known in {
        "none": (),
        "dump": ("-s", "dump.json"),
        "all": ("-s", SAMPLES / "account.json"),
    }.items():
        done = run(dump, *asked, *known)
        assert done.code == 0, done.stderr
        numbers[name] = json.loads(done.stdout)["tightness"]
    assert {one["seen"] for one in numbers.values()} == {19}
    assert numbers["dump"]["unverified"] > numbers["all"]["unverified"]
    assert numbers["dump"]["broader"] > 0


def test_a_snapshot_without_trails_is_asked_for_what_it_lacks(dump: Path) -> None:
    done = run(
        dump,
        "suggest",
        "orders-api",
        "-l",
        SAMPLES / "trail",
        "-s",
        "dump.json",
        "-q",
        "--no-plan",
        "--details",
    )
    text = " ".join(done.stdout.split())
    assert "give a snapshot that has the trails" in text
    assert "give an account snapshot with --snapshot" not in text
