"""policygen check --kind trust: what fails a trust policy, and what does not."""

from __future__ import annotations

import json
import xml.etree.ElementTree as Xml
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_trust import arguments
from tests.support.command import run
from tests.support.trust_world import ACCOUNT, GITHUB, TARGET, VENDOR

OWN = f"arn:aws:iam::{ACCOUNT}"
SUB, AUD = "token.actions.githubusercontent.com:sub", "token.actions.githubusercontent.com:aud"


def allow(principal: Any, action: Any = "sts:AssumeRole", **condition: Any) -> dict[str, Any]:
    found = {"Effect": "Allow", "Principal": principal, "Action": action}
    return found | ({"Condition": condition} if condition else {})


ROOT_OF_OWN = allow({"AWS": f"{OWN}:root"})
DENY = {"Effect": "Deny", "Principal": {"AWS": f"{OWN}:user/ana"}, "Action": "sts:AssumeRole"}
CI = {"by": "role/ci"}


def gate(folder: Path, case: dict[str, Any], policy: list[dict[str, Any]], *words: str) -> dict[str, Any]:
    """Return what the gate says, as JSON, with the exit code."""
    (folder / "trust.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": policy}, indent=1))
    _, target, *given = arguments(folder, case)
    done = run(folder, "check", "trust.json", "--kind", "trust", "-r", target, *given, "-f", "json", *words)
    said: dict[str, Any] = json.loads(done.stdout)
    return said | {"code": done.code}


def rules(said: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["rule"], one["subject"]) for one in said["findings"] if one["against"]]


CASES: dict[str, tuple[list[Any], list[Any], list[Any], list[tuple[str, str]]]] = {
    "what is suggested passes": ([ROOT_OF_OWN], [CI], [allow({"AWS": f"{OWN}:role/ci"})], []),
    "what is suggested for a caller that needs policies of its own passes": (
        [ROOT_OF_OWN],
        [CI],
        [allow({"AWS": f"{OWN}:root"}, ArnEquals={"aws:PrincipalArn": f"{OWN}:role/ci"})],
        [],
    ),
    "a caller is left out": (
        [ROOT_OF_OWN],
        [CI, {"by": "role/ops"}],
        [allow({"AWS": f"{OWN}:role/ci"})],
        [("PG201", f"{OWN}:role/ops")],
    ),
    "a caller that was deleted is left out": (
        [ROOT_OF_OWN],
        [CI, {"by": "role/gone"}],
        [allow({"AWS": f"{OWN}:role/ci"})],
        [],
    ),
    "a caller that today names is left to its own policies": (
        [allow({"AWS": [f"{OWN}:root", f"{OWN}:role/ci"]})],
        [CI],
        [ROOT_OF_OWN],
        [("PG201", f"{OWN}:role/ci"), ("PG102", f"{OWN}:root")],
    ),
    "tags are left out": (
        [allow({"AWS": f"{OWN}:root"}, ["sts:AssumeRole", "sts:TagSession"])],
        [{**CI, "parameters": {"tags": [{"key": "t", "value": "v"}]}}],
        [allow({"AWS": f"{OWN}:role/ci"})],
        [("PG201", f"{OWN}:role/ci")],
    ),
    "a condition that not all meet": (
        [ROOT_OF_OWN],
        [CI, {**CI, "parameters": {"externalId": "e"}}],
        [allow({"AWS": f"{OWN}:role/ci"}, StringEquals={"sts:ExternalId": "e"})],
        [("PG201", f"{OWN}:role/ci")],
    ),
    "somebody new": (
        [allow({"AWS": f"{OWN}:role/ci"})],
        [CI],
        [allow({"AWS": [f"{OWN}:role/ci", f"{OWN}:role/ops"]})],
        [("PG105", f"{OWN}:role/ops")],
    ),
    "a condition of today is gone": (
        [allow({"AWS": f"{OWN}:role/ci"}, StringEquals={"sts:ExternalId": "e"})],
        [{**CI, "parameters": {"externalId": "e"}}],
        [allow({"AWS": f"{OWN}:role/ci"})],
        [("PG105", f"{OWN}:role/ci")],
    ),
    "a Deny of today is gone": (
        [ROOT_OF_OWN, DENY],
        [CI],
        [allow({"AWS": f"{OWN}:role/ci"})],
        [("PG105", f"{OWN}:user/ana")],
    ),
    "today's policy is wider than it need be": (
        [ROOT_OF_OWN],
        [CI],
        [ROOT_OF_OWN],
        [("PG102", f"{OWN}:root")],
    ),
    "a principal that did not come": (
        [allow({"AWS": [f"{OWN}:role/ci", f"{OWN}:role/ops"]})],
        [CI],
        [allow({"AWS": [f"{OWN}:role/ci", f"{OWN}:role/ops"]})],
        [("PG101", f"{OWN}:role/ops")],
    ),
    "subjects beyond those that came": (
        [allow({"Federated": GITHUB}, "sts:AssumeRoleWithWebIdentity", StringLike={SUB: "repo:a/*"})],
        [{"by": "github:repo:a/b:environment:prod"}],
        [allow({"Federated": GITHUB}, "sts:AssumeRoleWithWebIdentity", StringLike={SUB: "repo:a/*"})],
        [("PG702", GITHUB), ("PG102", GITHUB)],
    ),
    "any account": (
        [allow("*")],
        [CI],
        [allow("*")],
        [("PG701", "*"), ("PG102", "*")],
    ),
    "a partner without an external id": (
        [allow({"AWS": f"arn:aws:iam::{VENDOR}:root"})],
        [{"by": f"{VENDOR}:role/scanner"}],
        [allow({"AWS": f"arn:aws:iam::{VENDOR}:role/scanner"})],
        [],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_against_a_trust_policy(name: str, tmp_path: Path) -> None:
    today, log, policy, expected = CASES[name]
    said = gate(tmp_path, {"today": today, "log": log}, policy)
    assert rules(said) == expected
    assert said["code"] == (1 if expected else 0)


def test_who_is_left_to_policies_that_allow_it_is_not_denied(tmp_path: Path) -> None:
    own = {"role/ci": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": TARGET}]}
    today = [allow({"AWS": [f"{OWN}:root", f"{OWN}:role/ci"]})]
    found = {}
    for name, snapshot in {"allowed": {"own": own}, "silent": {}}.items():
        said = gate(tmp_path, {"today": today, "log": [CI], "snapshot": snapshot}, [ROOT_OF_OWN])
        found[name] = [one["message"] for one in said["findings"] if one["rule"] == "PG201"]
    assert found["allowed"] == []
    (message,) = found["silent"]
    assert "would be denied without a permission of its own" in message


def test_what_the_suggestion_has_too_is_shown_and_fails_no_level(tmp_path: Path) -> None:
    today, log, policy, _ = CASES["a partner without an external id"]
    said = gate(tmp_path, {"today": today, "log": log}, policy, "--fail-on", "note")
    assert [(one["rule"], one["against"]) for one in said["findings"]] == [("PG703", False)]
    assert said["code"] == 0


def test_where_the_logs_cannot_tell_nothing_is_called_unused(tmp_path: Path) -> None:
    case = {"today": [ROOT_OF_OWN], "log": [{**CI, "days": 3}], "read": {"days": 5}}
    said = gate(tmp_path, case, [ROOT_OF_OWN], "--fail-on", "note")
    assert rules(said) == []
    assert [one["rule"] for one in said["findings"]] == ["PG301"]
    assert "visible on 5 days only" in said["findings"][0]["message"]


def test_long_sessions_are_a_note(tmp_path: Path) -> None:
    settings = {"role_settings": {TARGET: {"MaxSessionDuration": 43200}}}
    case = {"today": [ROOT_OF_OWN], "log": [CI], "snapshot": settings}
    said = gate(tmp_path, case, [allow({"AWS": f"{OWN}:role/ci"})])
    assert [(one["rule"], one["level"]) for one in said["findings"]] == [("PG704", "note")]
    assert said["code"] == 0


def test_a_finding_stands_at_the_line_of_its_principal(tmp_path: Path) -> None:
    case = {"today": [allow({"AWS": [f"{OWN}:role/ci", f"{OWN}:role/ops"]})], "log": [CI]}
    policy = [allow({"AWS": f"{OWN}:role/ci"}), allow({"AWS": f"{OWN}:role/ops"})]
    (found,) = gate(tmp_path, case, policy)["findings"]
    lines = (tmp_path / "trust.json").read_text().splitlines()
    assert "Principal" in lines[found["line"] - 1]
    assert found["line"] > 10


def test_every_format_of_the_gate_and_a_baseline(tmp_path: Path) -> None:
    case = {"today": [ROOT_OF_OWN], "log": [CI]}
    gate(tmp_path, case, [ROOT_OF_OWN])
    _, target, *given = arguments(tmp_path, case)
    words = ["check", "trust.json", "--kind", "trust", "-r", target, *given]
    for name in ("text", "markdown", "sarif", "junit", "github"):
        shown = run(tmp_path, *words, "-f", name)
        assert shown.code == 1
        assert "PG102" in shown.stdout
    assert Xml.fromstring(run(tmp_path, *words, "-f", "junit").stdout)[0].get("failures") == "1"
    assert run(tmp_path, *words, "--write-baseline", "b.json").code == 0
    assert run(tmp_path, *words, "--baseline", "b.json").code == 0


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["trust.json", "--kind", "resource-policy"], "PG-E248"),
        (["trust.json", "--kind", "trust", "--plan", "x"], "PG-E248"),
        (["trust.json", "trust.json", "--kind", "trust"], "PG-E248"),
        (["none.json", "--kind", "trust"], "PG-E219"),
        (["bad.json", "--kind", "trust"], "PG-E210"),
        (["trust.json"], "PG-E248"),
    ],
)
def test_what_cannot_be_checked(words: list[str], error: str, tmp_path: Path) -> None:
    case = {"today": [ROOT_OF_OWN], "log": [CI]}
    (tmp_path / "trust.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": [ROOT_OF_OWN]}))
    (tmp_path / "bad.json").write_text(
        json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow"}]})
    )
    _, target, *given = arguments(tmp_path, case)
    logs = [] if "--plan" in words else given
    done = run(tmp_path, "check", *words, "-r", target, *logs)
    assert (done.code, done.stdout) == (2, "")
    assert error in done.stderr


def test_nobody_came_is_no_pass(tmp_path: Path) -> None:
    case: dict[str, Any] = {"today": [ROOT_OF_OWN], "log": []}
    (tmp_path / "trust.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": [ROOT_OF_OWN]}))
    _, target, *given = arguments(tmp_path, case)
    done = run(tmp_path, "check", "trust.json", "--kind", "trust", "-r", target, *given)
    assert (done.code, done.stdout, "PG-E385" in done.stderr) == (4, "", True)
