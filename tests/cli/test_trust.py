"""policygen trust at the command line: what it prints, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from policygen.rightsize.trust import generate
from tests.support.command import run
from tests.support.trust_world import ACCOUNT, TARGET, VENDOR, all_records, lets_in, snapshot

ROOT_OF_OWN = {
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    "Action": "sts:AssumeRole",
}
CASE: dict[str, Any] = {"today": [ROOT_OF_OWN], "log": [{"by": "role/ci"}, {"by": "role/ops", "days": 2}]}


def arguments(folder: Path, case: dict[str, Any]) -> list[str]:
    """Write a case into a folder; return the command that asks about it."""
    (folder / "trail.json").write_text(json.dumps({"Records": all_records(case)}))
    (folder / "account.json").write_text(json.dumps(snapshot(case["today"], **case.get("snapshot", {}))))
    (folder / "vendor.json").write_text(json.dumps(snapshot([], VENDOR)))
    given = [
        "-l",
        str(folder / "trail.json"),
        "-s",
        str(folder / "account.json"),
        "-s",
        str(folder / "vendor.json"),
    ]
    return ["trust", "target", *given, "--until", "2026-11-24", "-j", "1"]


def test_the_document_alone(tmp_path: Path) -> None:
    made = run(tmp_path, *arguments(tmp_path, CASE), "-f", "policy")
    document = json.loads(made.stdout)
    assert made.code == 0
    assert lets_in(document, "role/ci", {})
    assert not lets_in(document, "role/developer", {})


def test_json_has_what_came_with_each_assumption(tmp_path: Path) -> None:
    tags = {
        "tags": [{"key": "team", "value": "a"}],
        "policyArns": [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}],
    }
    case = {
        **CASE,
        "log": [{"by": "role/ci", "parameters": {**tags, "externalId": "e", "durationSeconds": 900}}],
    }
    found = json.loads(run(tmp_path, *arguments(tmp_path, case), "-f", "json").stdout)
    one = found["assumptions"][0]
    assert one["principal"] == f"arn:aws:iam::{ACCOUNT}:role/ci"
    assert (one["external_id"], one["tags"], one["duration"]) == ("e", {"team": "a"}, 900)
    assert one["session_policies"] == ["arn:aws:iam::aws:policy/ReadOnlyAccess"]
    assert one["event_ids"][0] == "event-0-2026-10-26"
    assert one["count"] == one["days"] == 20
    assert found["max_session_duration"] == {"now": None, "proposed": 3600}
    assert {"policy", "blind_spots", "findings", "promises"} <= set(found)


def test_the_screen_is_clean_and_fits(tmp_path: Path) -> None:
    hostile = "x\x1b[2J\u202e"
    log = [
        {"by": f"{VENDOR}:role/scanner", "parameters": {"externalId": hostile}},
        {"by": f"github:repo:a/{hostile}:x"},
    ]
    made = run(
        tmp_path,
        *arguments(
            tmp_path, {"today": [{"Effect": "Allow", "Principal": "*", "Action": "sts:*"}], "log": log}
        ),
    )
    assert made.code == 0
    assert "\x1b" not in made.stdout
    assert "\u202e" not in made.stdout
    assert "PG701" in made.stdout
    assert not [line for line in made.stdout.splitlines() if len(line) > 80 and " " in line.strip()]


def test_the_screen_names_who_came_and_who_may_in_full(tmp_path: Path) -> None:
    branch = "repo:warehouse-tools/shelf-planner:ref:refs/heads/release/2026-autumn"
    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
    trusted = {
        "Effect": "Allow",
        "Principal": {"Federated": provider, "Service": "ec2.amazonaws.com"},
        "Action": "sts:*",
        "Condition": {
            "StringLike": {"token.actions.githubusercontent.com:sub": "repo:warehouse-tools/shelf-planner:*"}
        },
    }
    made = run(
        tmp_path, *arguments(tmp_path, {"today": [trusted], "log": [{"by": f"github:{branch}"}]}), "-q"
    )
    words = " ".join(made.stdout.split())
    assert branch in words
    assert "…" not in made.stdout
    may = words.partition("Who may, by today's policy")[2].partition("Changes")[0]
    assert f"{provider}, ec2.amazonaws.com if token.actions.githubusercontent.com:sub StringLike repo:" in may


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["--require", "zz"], 2, "PG-E384"),
        (["--keep-principal", f"arn:aws:iam::{VENDOR}:role/x"], 2, "PG-E364"),
        (["--role", "other"], 2, "PG-E236"),
        (["-f", "yaml"], 2, "PG-E"),
    ],
)
def test_what_cannot_be_done(tmp_path: Path, words: list[str], code: int, error: str) -> None:
    made = run(tmp_path, *arguments(tmp_path, CASE), *words)
    assert (made.code, made.stdout) == (code, "")
    assert error in made.stderr


def test_decisions_about_principals(tmp_path: Path) -> None:
    words = [*arguments(tmp_path, CASE), "-f", "policy"]
    arn, file = f"arn:aws:iam::{ACCOUNT}:role/", tmp_path / "policygen.toml"
    file.write_text(
        f'[[keep]]\nprincipal = ["{arn}developer"]\nrole = "tar*"\nreason = "on call"\n'
        f'[[keep]]\nprincipal = "arn:aws:iam::{VENDOR}:role/x"\nrole = "*"\nreason = "of others"\n'
    )
    kept = json.loads(run(tmp_path, *words).stdout)
    assert lets_in(kept, "role/developer", {})
    assert not lets_in(kept, "user/ana", {})
    file.write_text(f'[[drop]]\nprincipal = "{arn}ops"\nreason = "it ended"\n')
    dropped = run(tmp_path, *words)
    assert (dropped.code, "PG-E480" in dropped.stderr) == (1, True)
    assert not lets_in(json.loads(run(tmp_path, *words, "--although-used").stdout), "role/ops", {})
    file.write_text('[[protect]]\nrole = "tar*"\nreason = "emergencies"\n')
    refused = run(tmp_path, *words)
    assert (refused.code, refused.stdout, "PG-E365" in refused.stderr) == (1, "", True)
    file.write_text('[[keep]]\nprincipal = "x"\naction = "s3:GetObject"\nreason = "y"\n')
    assert "PG-E361" in run(tmp_path, *words).stderr


def test_a_planted_defect_stops_the_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wider = {**ROOT_OF_OWN, "Condition": {"StringEquals": {"sts:ExternalId": "e"}}}
    case = {"today": [wider], "log": [{"by": "role/ci", "parameters": {"externalId": "e"}}]}
    words = [*arguments(tmp_path, case), "-f", "policy"]
    assert run(tmp_path, *words).code == 0
    for broken, promise in (
        (lambda *_: (), "never wider"),
        (lambda *_: (("StringEquals", (("sts:ExternalId", ("zz",)),)),), "sufficient"),
    ):
        monkeypatch.setattr(generate, "narrowed", broken)
        made = run(tmp_path, *words)
        assert (made.code, made.stdout) == (1, "")
        assert "PG-E401" in made.stderr
        assert promise in made.stderr


def test_a_role_of_a_name_in_two_accounts(tmp_path: Path) -> None:
    words = arguments(tmp_path, CASE)
    other = snapshot([ROOT_OF_OWN])
    other["account_id"] = VENDOR
    text = json.dumps(other).replace(ACCOUNT, VENDOR)
    (tmp_path / "vendor.json").write_text(text)
    assert "PG-E204" in run(tmp_path, *words).stderr
    words[1] = TARGET
    assert run(tmp_path, *words, "-f", "policy").code == 0
