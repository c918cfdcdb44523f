"""Logs that are damaged: what is not known is said, and is never taken for a role that made no call."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.command import run
from tests.support.records import write_logs

ACCOUNT = ROOT / "samples" / "account.json"
COMMANDS = {
    "suggest": ("suggest", "-r", "orders-api"),
    "explain": ("explain", "s3:GetObject", "-r", "orders-api"),
    "batch": ("batch", "--out", "out"),
    "doctor": ("doctor",),
    "roles": ("roles",),
}


@pytest.mark.parametrize(
    "content", [b"\x1f\x8b\x08cut", b"no JSON", b'{"Records": ["", 7]}'], ids=["cut", "text", "odd"]
)
@pytest.mark.parametrize("command", COMMANDS)
def test_where_nothing_could_be_read_no_role_is_judged(command: str, content: bytes, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.json.gz").write_bytes(content)
    words = (*COMMANDS[command], "-l", logs, "-s", ACCOUNT, "-q")
    refused, accepted = (run(tmp_path, *words, *more) for more in ((), ("--allow-incomplete",)))
    for done in (refused, accepted):
        assert (done.code, done.stdout) == (3, "")
        assert "PG-W311, exit 3" in done.stderr
        assert "a.json.gz" in done.stderr
    assert "or accept the gap with --allow-incomplete" in refused.stderr
    assert accepted.stderr.startswith("error: no record was read: ")
    assert "no role can be judged" in accepted.stderr
    assert "accept the gap" not in accepted.stderr
    assert not (tmp_path / "out").exists()


def test_a_role_that_was_not_found_may_be_in_what_was_not_read(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    write_logs(logs, [{"source": "sqs", "name": "ListQueues", "role": "other"}])
    (logs / "lost.json.gz").write_bytes(b"\x1f\x8b\x08cut")
    words = ("suggest", "-r", "orders-api", "-l", logs, "--allow-incomplete", "-q")
    for more in ((), ("-s", ACCOUNT)):
        done = run(tmp_path, *words, *more)
        assert (done.code, done.stdout) == (4, "")
        assert (
            "hint: evidence is missing, and its calls may be in it: not read whole: lost.json.gz: "
            in done.stderr
        )
    (logs / "lost.json.gz").unlink()
    assert "evidence is missing" not in run(tmp_path, *words).stderr


def test_doctor_says_how_many_of_the_records_are_after_the_window(tmp_path: Path) -> None:
    words = ("doctor", "-l", ROOT / "samples" / "trail", "-q")
    whole, part = (run(tmp_path, *words, *more).stdout for more in ((), ("--until", "2026-11-01")))
    assert "8,500 records in 123 files, 2026-10-10" in whole
    assert "8,500 records in 123 files, 3,814 of them after the window; the others" in " ".join(part.split())
