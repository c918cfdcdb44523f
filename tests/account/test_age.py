"""A snapshot and logs of different times: what today's policies are, and what the logs could show, may have changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from policygen.account.age import far_apart
from policygen.account.model import Account
from tests.support import ROOT
from tests.support.command import run_in_root

END = "2026-11-24T22:36:06Z"


@pytest.mark.parametrize(
    ("read", "said"),
    [
        ("2026-11-24T22:45:00Z", ""),
        ("2026-11-17T00:00:00Z", ""),
        ("2026-12-01T23:59:59Z", ""),
        ("", ""),
        ("some day", ""),
        ("2026-99-99T00:00:00Z", ""),
        ("20261101T00:00:00Z", ""),
        ("2026-11-16T23:59:59Z", "of 2026-11-16, 8 days before the last event"),
        ("2027-01-02T00:00:00Z", "the last event is of 2026-11-24, 39 days before the snapshot"),
    ],
    ids=[
        "the same day",
        "a week before",
        "a week after",
        "no day",
        "no date",
        "a day that is none",
        "another form",
        "long before",
        "long after",
    ],
)
def test_a_snapshot_far_from_the_logs_is_named(read: str, said: str) -> None:
    sentence = far_apart(Account("111122223333", "aws", (), generated_at=read), END)
    assert said in sentence
    assert bool(sentence) == bool(said)


def test_suggest_and_batch_warn_of_an_old_snapshot(tmp_path: Path) -> None:
    old = json.loads((ROOT / "samples/account.json").read_text())
    old["generated_at"] = "2026-09-01T08:00:00Z"
    path = tmp_path / "old.json"
    path.write_text(json.dumps(old))
    files = ("-l", "samples/trail", "-s", str(path))
    for done in (
        run_in_root("suggest", "newsletter", *files, "--no-plan"),
        run_in_root("batch", "-o", str(tmp_path / "out"), *files),
    ):
        assert "warning: the snapshot of 111122223333 is of 2026-09-01, 84 days before" in done.stderr
