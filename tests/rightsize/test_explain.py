"""What `explain` says of an action: a verdict, the calls behind it, and the statements that grant it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from policygen.account.snapshot import to_account
from policygen.errors import PolicygenError
from policygen.report.data.explanation import explanation_dict
from policygen.report.terminal.explain import render_explanation_text
from policygen.rightsize.analysis import analyse
from policygen.rightsize.explain import Explanation, explain
from tests.support import ROOT
from tests.support.accounts import ALL_DATA_EVENTS, snapshot
from tests.support.records import ROLE, crowd, write_logs
from tests.support.samples import sample

CASES = json.loads((ROOT / "tests" / "cases" / "explain" / "verdicts.json").read_text())


def explained(case: dict[str, Any], folder: Path) -> Explanation:
    account = None
    if "today" in case:
        account = to_account(snapshot(case["today"] | {"trails": ALL_DATA_EVENTS}))
    made = analyse([write_logs(folder, crowd(case["events"]))], ROLE, account=account).suggestion
    return explain(made, case["action"])


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_verdict(case: dict[str, Any], tmp_path: Path) -> None:
    if "error" in case:
        with pytest.raises(PolicygenError) as caught:
            explained(case, tmp_path)
        assert caught.value.code == case["error"]
        assert case["says"] in "\n".join(caught.value.hints)
        return
    one = explained(case, tmp_path)
    assert one.verdict == case["verdict"]
    screen = render_explanation_text(one, show_events=True)
    assert case.get("says", "") in screen
    assert all(len(line) <= 80 or ":" in line for line in screen.splitlines())
    assert explanation_dict(one)["verdict"] == case["verdict"]


def test_calls_are_counted_once_however_many_resources_they_touch(tmp_path: Path) -> None:
    query = {"source": "dynamodb", "name": "Query", "params": {"tableName": "carts", "indexName": "by-owner"}}
    fails = {
        "source": "dynamodb",
        "name": "Query",
        "params": {"tableName": "carts"},
        "error": "ResourceNotFoundException",
    }
    one = explained({"events": [query, query, fails], "action": "dynamodb:Query"}, tmp_path)
    assert one.use.evidence
    assert one.use.evidence.count == 3
    assert sum(one.use.per_day) == 3
    assert one.use.errors == {"ResourceNotFoundException": 1}
    assert one.granted_by is None


@pytest.mark.parametrize("role", ["orders-api", "deploy-ci"])
def test_every_removed_action_says_by_which_rule_and_source(role: str) -> None:
    gone = [one for one in sample(role, True).suggestion.changes if one.kind == "removed"]
    assert gone
    by = {one.decided_by for one in gone}
    assert all(one is not None and one.rule and one.source and one.confidence for one in by)


def test_explain_names_the_source_where_the_logs_decide(tmp_path: Path) -> None:
    (case,) = (one for one in CASES if one["name"] == "what would have been seen and was not is removed")
    one = explained(case, tmp_path)
    assert "decided by logs, confidence high, CloudTrail" in render_explanation_text(one)


def test_calls_that_todays_policies_do_not_allow_are_told_from_those_that_are_kept(tmp_path: Path) -> None:
    def get(bucket: str) -> dict[str, Any]:
        return {"source": "s3", "name": "GetObject", "params": {"bucketName": bucket, "key": "a.csv"}}

    own = {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::own/*"}
    today = {"policies": [{"Version": "2012-10-17", "Statement": [own]}]}
    events = [get("own"), get("partner"), get("partner")]
    one = explained({"events": events, "today": today, "action": "s3:GetObject"}, tmp_path)
    assert (one.verdict, [name.parent for name in one.names]) == ("kept", ["arn:aws:s3:::own/*"])
    screen = " ".join(render_explanation_text(one).split())
    assert ", but not for 2 calls: not allowed today does" in screen
    assert "on 2 partner/a.csv, not added 1 own/a.csv event" in screen
    assert "not added 2 calls on partner/a.csv: today's policies do not allow them; a resource" in screen
    assert "names own/*: 1 name" in screen
    assert [(x["resource"], x["count"]) for x in explanation_dict(one)["not_added"]] == [
        ("arn:aws:s3:::partner/a.csv", 2)
    ]


GRANTED = {
    "policies": [
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": ["iam:PassRole", "sts:*", "s3:*"], "Resource": "*"}],
        }
    ]
}
WHOAMI = {"source": "sts", "name": "GetCallerIdentity"}
WORK = {"source": "s3", "name": "GetBucketAcl", "params": {"bucketName": "carts"}}


def screen_of(action: str, events: list[dict[str, Any]], folder: Path) -> str:
    one = explained({"events": [WORK, *events], "action": action, "today": GRANTED}, folder)
    return " ".join(render_explanation_text(one).split())


def test_passing_a_role_is_never_called_an_event_of_its_own(tmp_path: Path) -> None:
    said = screen_of("iam:PassRole", [WHOAMI], tmp_path)
    assert "visible never as an event of its own: only in calls that pass a role" in said
    assert "seen 0 calls that pass a role" in said
    assert "a call would have been logged" not in said
    assert "confidence medium" in said


def test_calls_that_need_no_permission_are_counted_and_named_so(tmp_path: Path) -> None:
    denied = WHOAMI | {"error": "ExpiredTokenException"}
    said = screen_of("sts:GetCallerIdentity", [WHOAMI, WHOAMI, WHOAMI, denied], tmp_path)
    assert "seen 3 calls; AWS answers them without a permission" in said
    assert "removing it changes nothing" in said
    assert "0 calls" not in said
    assert "--keep" not in said
    assert "seen 0 calls" in screen_of("sts:GetAccessKeyInfo", [WHOAMI], tmp_path / "other")


def test_an_action_names_the_risks_that_it_is_part_of(tmp_path: Path) -> None:
    said = screen_of("s3:PutBucketPolicy", [WHOAMI], tmp_path)
    assert (
        "risk RE-01 open a bucket by its policy, or that of an access point: the new policy closes it" in said
    )
    one = explained({"events": [WORK], "action": "s3:ListBucket", "today": GRANTED}, tmp_path / "other")
    assert "risk" not in render_explanation_text(one)
    assert explanation_dict(one)["risks_closed"] == []
