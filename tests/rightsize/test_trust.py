"""Trust policies: who may go on assuming a role, and who may not. The cases are data.

They follow the IAM User Guide: reference_policies_elements_principal, cloudtrail-integration, id_session-tags and
reference_policies_iam-condition-keys; GitHub's and Buildkite's pages say what the subjects of their tokens are.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from policygen.errors import PolicygenError
from policygen.report.data.trust import trust_json
from policygen.report.markdown.trust import trust_comment
from policygen.report.terminal.trust import trust_screen
from policygen.rightsize.trust.suggest import RAISE_TRUST_LENGTH
from tests.support import ROOT
from tests.support.trust_world import ACCOUNT, lets_in, suggestion_of

CASES = [
    case
    for file in sorted((ROOT / "tests/cases/trust").glob("*.json"))
    for case in json.loads(file.read_text())
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_trust_policy(case: dict[str, Any], tmp_path: Path) -> None:
    if error := case.get("error"):
        with pytest.raises(PolicygenError) as raised:
            suggestion_of(case, tmp_path)
        assert raised.value.code == error
        return
    found = suggestion_of(case, tmp_path)
    document = json.loads(found.policy.to_json().replace(f"arn:{case.get('partition')}:", "arn:aws:"))
    today = {"Statement": case["today"]}
    for asked in case["allow"]:
        assert _goes(document, asked), asked
        assert _goes(today, asked), "the case is wrong"
    for asked in case["deny"]:
        assert not _goes(document, asked), asked
    assert all(one.held for one in found.promises)
    assert len(found.policy.to_json()) <= 2048
    _check_claims(case, found, document)


def _goes(document: dict[str, Any], asked: dict[str, Any]) -> bool:
    silent = tuple(asked.get("silent", ()))
    return lets_in(document, asked["by"], asked.get("context", {}), asked.get("action", ""), silent)


def test_a_quota_that_was_raised_is_as_long_as_todays_policy(tmp_path: Path) -> None:
    names = [f"role/caller-{number:02}-{'x' * 30}" for number in range(30)]
    own = [
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:{name}"},
            "Action": "sts:AssumeRole",
        }
        for name in names
    ]
    long = suggestion_of({"today": own, "log": [{"by": name} for name in names], "absent": 1}, tmp_path)
    assert long.quota == long.today.size == len(long.policy.to_json()) > 2048
    assert {one.entry[1].rpartition(":")[2] for one in long.written if not one.kept} == set(names)
    account = [{**own[0], "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}]
    short = suggestion_of({"today": account, "log": [{"by": name} for name in names]}, tmp_path)
    (kept,) = [one.kept for one in short.written if one.kept]
    assert (kept.reason, short.quota) == ("size", 2048)
    for text in (trust_screen(short), trust_comment(short)):
        assert "do not fit into 2,048 characters" in " ".join(text.split())
        assert "Role trust policy length" in " ".join(text.split())
    assert [one.remedy for one in short.blind_spots] == [RAISE_TRUST_LENGTH]
    some = suggestion_of({"today": account, "log": [{"by": name} for name in names[:24]]}, tmp_path)
    assert f"! {some.policy.size:,} of 2,048 characters: the next caller may not fit" in trust_screen(some)
    assert json.loads(trust_json(some))["size"] == {"characters": some.policy.size, "quota": 2048}


def test_a_principal_goes_for_the_reason_that_is_true_of_it(tmp_path: Path) -> None:
    own, session = f"arn:aws:iam::{ACCOUNT}", f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/s1"
    names = [f"{own}:role/ci", f"{own}:role/ops", session]
    today = [{"Effect": "Allow", "Principal": {"AWS": names}, "Action": "sts:AssumeRole"}]
    found = suggestion_of({"today": today, "log": [{"by": "role/ci@s1", "session": "s1"}]}, tmp_path)
    assert dict(found.removed) == {
        f"{own}:role/ops": "visible, 0 assumptions",
        session: "whoever came comes in by another principal",
    }


def _check_claims(case: dict[str, Any], found: Any, document: dict[str, Any]) -> None:
    said = json.loads(trust_json(found))
    assert len(document["Statement"]) == case.get("statements", len(document["Statement"]))
    assert [one["id"] for one in said["blind_spots"] if one["id"] != "kept"] == (
        [case["blind"]] if "blind" in case else []
    )
    removed = {one["what"] for one in said["removed"]}
    assert set(case.get("says_removed", ())) <= removed
    assert {one["require"] for one in said["not_required"]} == set(case.get("not_required", ()))
    assert len(said["not_allowed_today"]) == case.get("not_allowed", 0)
    text = json.dumps(document, ensure_ascii=False)
    assert all(name in text for name in case.get("allow_written", ()))
    assert found.assumptions.count == case.get("count", found.assumptions.count)
    if "absent" in case:
        assert said["not_in_snapshot"] == case["absent"]
    if "findings" in case:
        assert [one["rule"] for one in said["findings"]] == case["findings"]
    if "length" in case:
        assert list(said["max_session_duration"].values()) == case["length"]
    screen = trust_screen(found)
    long = [line for line in screen.splitlines() if len(line) > 80 and " " in line.strip(" ~-=!?")]
    assert not long
    assert screen.replace("\n", "").isprintable()
