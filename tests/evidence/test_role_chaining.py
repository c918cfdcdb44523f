"""A session that assumes another role: its source identity and its transitive tags persist, and must be allowed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.accounts import snapshot, trails_of
from tests.support.command import run
from tests.support.records import ROLE, record

TARGET = "arn:aws:iam::999988887777:role/reader"
ACTIONS = ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"]
TODAY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ACTIONS, "Resource": "*"}]}


def granted(folder: Path, identity: str | None, **params: Any) -> list[str]:
    chained = {"roleArn": TARGET, "roleSessionName": "nightly"} | params
    event = {"source": "sts", "name": "AssumeRole", "params": chained}
    calls = [record(event | {"time": f"2026-11-{day:02}T08:00:00Z"}, day) for day in range(1, 21)]
    for one in calls:
        one["userIdentity"]["sessionContext"]["sourceIdentity"] = identity
    (folder / "log.json").write_text(json.dumps({"Records": calls}))
    (folder / "account.json").write_text(
        json.dumps(snapshot({"policies": [TODAY], "trails": trails_of("all")}))
    )
    asked = ("suggest", "-r", ROLE, "-l", "log.json", "-s", "account.json", "-f", "policy", "-q", "--no-plan")
    done = run(folder, *asked, "--no-cache", "--days", "20")
    assert done.code == 0, done.stderr
    (statement,) = json.loads(done.stdout)["Statement"]
    assert statement["Resource"] == [TARGET]
    return list(statement["Action"])


@pytest.mark.parametrize(
    ("identity", "params", "actions"),
    [
        (None, {}, ["sts:AssumeRole"]),
        ("mia", {}, ["sts:AssumeRole", "sts:SetSourceIdentity"]),
        ("mia", {"sourceIdentity": "mia"}, ["sts:AssumeRole", "sts:SetSourceIdentity"]),
        ("mia", {"sourceIdentity": None}, ["sts:AssumeRole", "sts:SetSourceIdentity"]),
        (None, {"incomingTransitiveTags": {"team": "shop"}}, ["sts:AssumeRole", "sts:TagSession"]),
        (None, {"incomingTransitiveTags": {}}, ["sts:AssumeRole"]),
    ],
)
def test_what_persists_in_a_chain_of_roles_is_granted(
    identity: str | None, params: dict[str, Any], actions: list[str], tmp_path: Path
) -> None:
    assert granted(tmp_path, identity, **params) == actions
