"""An attempt that IAM saw and no log shows is no hole in the logs where the role may use what no log shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from policygen.account.snapshot import to_account
from policygen.evidence.coverage.last_accessed import explains_attempts
from policygen.rightsize.analysis import analyse
from policygen.rightsize.suggestion import Suggestion
from tests.support.accounts import snapshot, trail
from tests.support.options import analysis_options
from tests.support.records import ROLE, write_logs

DAYS = ["2026-10-26", "2026-11-24", 1]
USED = {"source": "ssm", "name": "GetParameter", "params": {"name": "/a"}, "on": DAYS}
SEEN = "2026-11-20T09:00:00Z"


def suggested(
    folder: Path,
    *actions: str,
    sns: Any = SEEN,
    service: str = "sns",
    region: str = "us-east-1",
    data: tuple[str, ...] = (),
    events: tuple[dict[str, Any], ...] = (USED,),
    resource: str = "*",
) -> Suggestion:
    """`sns`: what IAM saw of `service`; `region`: where; `data`: the types whose data events are logged."""
    places = {"*": ["ssm:*"]}
    places.setdefault(resource, []).extend(actions)
    policy = {
        "Statement": [{"Effect": "Allow", "Action": names, "Resource": one} for one, names in places.items()]
    }
    trails = [trail({"name": "main", "data": data})]
    made = snapshot({"policies": [policy], "trails": trails, "last_accessed": {service: sns, "ssm": SEEN}})
    (report,) = made["last_accessed"].values()
    report["JobCreationDate"] = report["JobCompletionDate"] = "2026-11-24T20:00:00Z"
    for row in report["ServicesLastAccessed"]:
        if "LastAuthenticated" in row:
            row["LastAuthenticatedRegion"] = region
    logs = [write_logs(folder, list(events))]
    return analyse(logs, ROLE, account=to_account(made), **analysis_options(days=20)).suggestion


def kept(made: Suggestion) -> dict[str, str]:
    return {keep.grant.action: keep.blind_spot.id for keep in made.keeps if keep.blind_spot}


def test_what_no_log_shows_explains_an_attempt_and_the_visible_rest_goes(tmp_path: Path) -> None:
    made = suggested(tmp_path, "sns:Publish", "sns:GetTopicAttributes")
    assert kept(made).get("sns:Publish") == "data-events-off"
    assert "sns:GetTopicAttributes" not in kept(made)
    (gone,) = (change for change in made.changes if change.action == "sns:GetTopicAttributes")
    assert gone.decided_by is not None
    assert gone.decided_by.rule == "explained-attempt"
    assert "sns:Publish" in gone.why


@pytest.mark.parametrize(
    ("actions", "more"),
    [
        (["sns:GetTopicAttributes"], {}),
        (
            ["sns:Publish", "sns:GetTopicAttributes"],
            # On topics: a text message to a phone number, which "*" allows, would never have been logged.
            {"data": ("AWS::SNS::Topic", "AWS::SNS::PlatformEndpoint"), "resource": "arn:aws:sns:*:*:*"},
        ),
        (["sns:Publish", "sns:GetTopicAttributes"], {"region": "eu-west-1"}),
        (["sns:Publish", "sns:GetTopicAttributes"], {"sns": [SEEN, {"ListTopics": SEEN}]}),
        (
            ["sns:Publish", "sns:GetTopicAttributes"],
            {
                "events": (
                    USED | {"on": ["2026-11-21", "2026-11-24", 1]},
                    USED | {"on": ["2026-10-26", "2026-11-18", 1]},
                )
            },
        ),
    ],
    ids=[
        "nothing hidden is allowed",
        "what explains it would have been logged",
        "no event of that region was read",
        "IAM tells of one action whose event is missing",
        "no event of that day was read",
    ],
)
def test_a_hole_in_the_logs_is_told_as_before(
    actions: list[str], more: dict[str, Any], tmp_path: Path
) -> None:
    found = kept(suggested(tmp_path, *actions, "sns:ListTopics", **more))
    assert found["sns:GetTopicAttributes"] == "used-unseen"


def test_a_hidden_call_that_iam_does_not_count_explains_no_attempt(tmp_path: Path) -> None:
    found = kept(suggested(tmp_path, "appsync:GraphQL", "appsync:GetGraphqlApi", service="appsync"))
    assert found["appsync:GetGraphqlApi"] == "used-unseen"


@pytest.mark.parametrize(
    ("action", "explains"),
    [
        ("sqs:SendMessage", True),
        ("logs:PutLogEvents", True),
        ("kafka-cluster:Connect", False),
        ("iam:PassRole", False),
        ("appsync:GraphQL", False),
    ],
)
def test_only_calls_that_iam_counts_explain_what_it_saw(action: str, explains: bool) -> None:
    assert explains_attempts(action) is explains
