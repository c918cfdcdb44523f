"""The class of an action that no operation asks for decides where no log can show its use, and where it is sure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from policygen.account.snapshot import to_account
from policygen.catalog.action_classes import class_of, parent_actions
from policygen.catalog.action_events import event_names
from policygen.iam import reference
from policygen.report.data.explanation import explanation_dict
from policygen.report.terminal.explain import render_explanation_text
from policygen.rightsize.analysis import analyse
from policygen.rightsize.explain import explain
from policygen.rightsize.suggestion import Suggestion
from tests.support.accounts import snapshot, trail
from tests.support.options import analysis_options
from tests.support.records import ROLE, write_logs

TRAIL = trail({"on": {}})
LAMBDA = {"Service": "lambda.amazonaws.com"}
GITHUB = {"Federated": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"}
POD = {"Federated": "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/A1"}
GLUE = {"Service": "glue.amazonaws.com"}
STUDIO = {"Service": "sagemaker.amazonaws.com"}
CODEBUILD = {"Service": "codebuild.amazonaws.com"}
STAFF = {"Federated": "arn:aws:iam::123456789012:oidc-provider/login.example.com"}
SAML = {"Federated": "arn:aws:iam::123456789012:saml-provider/staff"}
DAILY = {
    "source": "ssm",
    "name": "GetParameter",
    "params": {"name": "/a"},
    "on": ["2026-10-26", "2026-11-24", 1],
}
READS = "ssm:GetParameter"


def suggested(
    folder: Path,
    trust: list[Mapping[str, Any]],
    actions: list[str],
    events: list[Mapping[str, Any]],
    functions: tuple[dict[str, Any], ...] = (),
    **report: Any,
) -> Suggestion:
    """What is suggested for a role that these parties may assume; `report` as `last_accessed` of the snapshot."""
    policy = {"Statement": [{"Effect": "Allow", "Action": [READS, *actions], "Resource": "*"}]}
    parts: dict[str, Any] = {"last_accessed": report} if report else {}
    parts |= {"functions": list(functions), "event_source_mappings": []} if functions else {}
    made = snapshot({"policies": [policy], "trails": [TRAIL], **parts})
    statements = [{"Effect": "Allow", "Principal": one, "Action": "sts:AssumeRole"} for one in trust]
    made["authorization"]["RoleDetailList"][0]["AssumeRolePolicyDocument"] = {"Statement": statements}
    logs = [write_logs(folder, [DAILY, *events])]
    return analyse(logs, ROLE, account=to_account(made), **analysis_options(days=20)).suggestion


def decided(made: Suggestion, action: str) -> str:
    """The rule by which an action goes; "" where it stays."""
    change = next(one for one in made.changes if one.action == action)
    return change.decided_by.rule if change.kind == "removed" and change.decided_by else ""


SHARING = {
    "source": "ram",
    "name": "CreateResourceShare",
    "params": {"name": "x"},
    "time": "2026-11-20T09:00:00Z",
}
READING_A_TABLE = {
    "source": "glue",
    "name": "GetTable",
    "params": {"databaseName": "shop", "name": "orders"},
    "time": "2026-11-20T09:00:00Z",
}
PULLING = {
    "source": "ecr",
    "name": "BatchGetImage",
    "params": {"repositoryName": "hub/nginx", "imageIds": [{"imageTag": "1"}]},
    "time": "2026-11-20T09:00:00Z",
}
SELLING = {
    "source": "marketplacecatalog",
    "name": "StartChangeSet",
    "params": {"catalog": "AWSMarketplace"},
    "time": "2026-11-20T09:00:00Z",
}
MAILING = {
    "source": "workmail",
    "name": "CreateOrganization",
    "params": {"alias": "shop"},
    "time": "2026-11-20T09:00:00Z",
}
IN_BROWSER = DAILY | {"agent": "Mozilla/5.0 (X11; Linux x86_64)", "on": ["2026-11-20", "2026-11-20", 1]}
SIGNED_IN = DAILY | {"agent": "aws-sdk-java/2.29", "console": True, "on": ["2026-11-20", "2026-11-20", 1]}
PIECES = {
    "retired goes whoever may assume the role": ("qldb:SendCommand", [{"AWS": "*"}], [], [], "retired"),
    "a service that the role does not trust asks with another role": (
        "s3:ReplicateObject", [LAMBDA], [], [], "service-role"),
    "a service that the role trusts may ask": (
        "s3:ReplicateObject", [LAMBDA, {"Service": ["s3.amazonaws.com"]}], [], [], ""),
    "the name of a regional service principal is the same service": (
        "states:InvokeHTTPEndpoint", [{"Service": "states.eu-west-1.amazonaws.com"}], [], [], ""),
    "a build role puts its test reports": ("codebuild:BatchPutTestCases", [CODEBUILD], [], [], ""),
    "no build role, no test reports": ("codebuild:BatchPutTestCases", [LAMBDA], [], [], "service-role"),
    "a pipeline reaches a repository of another account by a role that trusts its own": (
        "codecommit:UploadArchive", [{"AWS": "arn:aws:iam::210987654321:role/pipeline"}], [], [], ""),
    "an experiment reaches another account by a role that trusts its own": (
        "ec2:InjectApiError", [{"AWS": "arn:aws:iam::210987654321:root"}], [], [], ""),
    "a state machine reaches another account by a role that trusts its own": (
        "states:InvokeHTTPEndpoint", [{"AWS": "arn:aws:iam::210987654321:role/machine"}], [], [], ""),
    "a bucket's copies are made with a role that trusts S3 itself": (
        "s3:ReplicateObject", [{"AWS": "arn:aws:iam::210987654321:root"}], [], [], "service-role"),
    "everyone may be a service": ("s3:ReplicateObject", ["*"], [], [], ""),
    "a rule's role starts a workflow": ("glue:NotifyEvent", [{"Service": "events.amazonaws.com"}], [], [], ""),
    "who tests a state needs what its call needs": (
        "states:InvokeHTTPEndpoint", [LAMBDA], ["states:TestState"],
        [{"source": "states", "name": "TestState", "params": {}, "time": "2026-11-20T09:00:00Z"}], ""),
    "no machine, no agent": ("ec2messages:SendReply", [LAMBDA], [], [], "agent"),
    "an instance may run the agent": ("ec2messages:SendReply", [{"Service": "ec2.amazonaws.com"}], [], [], ""),
    "no machine, no channel of the agent": ("ssmmessages:OpenDataChannel", [LAMBDA], [], [], "agent"),
    "a task may run the agent": ("ec2messages:GetMessages", [{"Service": "ecs-tasks.amazonaws.com"}], [], [], ""),
    "another account may run the agent": (
        "ec2messages:SendReply", [{"AWS": "arn:aws:iam::210987654321:root"}], [], [], ""),
    "without its parents it is never checked": ("appmesh:PutMeshPolicy", [{"AWS": "*"}], [], [], "asked-with"),
    "a parent that was not called": (
        "appmesh:PutMeshPolicy", [{"AWS": "*"}], ["ram:CreateResourceShare"], [], "asked-with"),
    "a parent that was called": ("appmesh:PutMeshPolicy", [LAMBDA], ["ram:CreateResourceShare"], [SHARING], ""),
    "no call of its service, nothing passed within it": (
        "glue:PassConnection", [LAMBDA], ["glue:CreateJob"], [], "asked-with"),
    "any call of its service may pass it": (
        "glue:PassConnection", [LAMBDA], ["glue:GetTable"],
        [READING_A_TABLE], ""),
    "a parent that may have been called unseen": (
        "s3:BypassGovernanceRetention", [LAMBDA], ["s3:DeleteObject"], [], ""),
    "a parent that was called, as the policy of a repository allows it": (
        "ecr:BatchImportUpstreamImage", [LAMBDA], [], [PULLING], ""),
    "a parent that the policy of a bucket may allow, and that no log shows": (
        "s3:BypassGovernanceRetention", [LAMBDA], [], [], ""),
    "a parent that the policy of a repository may allow, and that was not called": (
        "ecr:BatchImportUpstreamImage", [LAMBDA], [], [], "asked-with"),
    "a service writes to a cluster with the rights of a studio's role": (
        "eks:MutateViaKubernetesApi", [STUDIO], [], [], ""),
    "whoever sells data by Marketplace's API publishes it": (
        "dataexchange:PublishDataSet", [LAMBDA], ["aws-marketplace:StartChangeSet"], [SELLING], ""),
    "a mail organization has an alias": ("ds:CheckAlias", [LAMBDA], ["workmail:CreateOrganization"], [MAILING], ""),
    "a function has no console": ("ce:CreateReport", [LAMBDA], [], [], "console"),
    "a build has no console": ("ce:CreateReport", [GITHUB], [], [], "console"),
    "a pod has no console": (
        "ce:CreateReport", [POD], [], [], "console"),
    "people sign in by an own provider": ("ce:CreateReport", [STAFF], [], [], ""),
    "people sign in by SAML": ("ce:CreateReport", [SAML], [], [], ""),
    "people of this account may assume it": ("ce:CreateReport", [LAMBDA, {"AWS": "123456789012"}], [], [], ""),
    "anybody may assume it": ("ce:CreateReport", ["*"], [], [], ""),
    "people work on instances": ("ce:CreateReport", [{"Service": "ec2.amazonaws.com"}], [], [], ""),
    "people work in notebooks": ("glue:StartNotebook", [GLUE], [], [], ""),
    "a notebook is not the page of Spark's stages": ("glue:GetStages", [GLUE], [], [], "console"),
    "no studio has the pages of bills": ("ce:CreateReport", [STUDIO], [], [], "console"),
    "people work in studios": ("sqlworkbench:PutTab", [STUDIO], [], [], ""),
    "people write to the role in chats": ("ce:CreateReport", [{"Service": "chatbot.amazonaws.com"}], [], [], ""),
    "a browser shows that people sign in": ("ce:CreateReport", [LAMBDA], [], [IN_BROWSER], ""),
    "a record says that a session is of the console": ("ce:CreateReport", [LAMBDA], [], [SIGNED_IN], ""),
    "what IAM does not know is of no class": ("sqlworkbench:FlyTab", [LAMBDA], [], [], ""),
    "nothing is known of who may assume it": ("ce:CreateReport", [], [], [], ""),
}  # fmt: skip


@pytest.mark.parametrize("name", PIECES)
def test_a_class_decides_only_where_nothing_else_can_ask(name: str, tmp_path: Path) -> None:
    action, trust, more, events, rule = PIECES[name]
    made = suggested(tmp_path, trust, [action, *more], events)
    assert decided(made, action) == rule
    assert (action in {keep.grant.action for keep in made.keeps}) is (not rule)


def test_an_attempt_at_the_service_was_none_at_what_nobody_can_ask_for(tmp_path: Path) -> None:
    actions = ["rds:CopyCustomDBEngineVersion", "rds:CrossRegionCommunication", "rds:DescribeRecommendations"]
    gone = ["codecommit:UploadArchive", "codecommit:GitPull", "codecommit:GetTree"]
    before = {
        "codecommit": "2026-06-01T09:00:00Z",
        "rds": "2026-06-01T09:00:00Z",
        "ssm": "2026-11-24T08:00:00Z",
    }
    made = suggested(tmp_path, [LAMBDA], [*actions, *gone], [], **before)
    assert decided(made, "codecommit:UploadArchive") == "service-role"
    # What IAM saw before the window may have been a session of the console, or a call that brings others along.
    assert not any(decided(made, one) for one in ("codecommit:GetTree", *actions[1:]))


@pytest.mark.parametrize("day", ["2026-06-01", "2026-11-10"])
@pytest.mark.parametrize("action", ["ssmmessages:OpenDataChannel", "tiros:CreateQuery"])
def test_where_classes_speak_against_all_of_a_service_an_attempt_at_it_speaks_against_them(
    action: str, day: str, tmp_path: Path
) -> None:
    service = action.partition(":")[0]
    report = {service: f"{day}T09:00:00Z", "ssm": "2026-11-24T08:00:00Z"}
    assert not decided(suggested(tmp_path, [LAMBDA], [action], [], **report), action)


def test_what_lambda_writes_to_its_log_group_explains_the_attempt_that_iam_saw(tmp_path: Path) -> None:
    report = {"logs": "2026-11-20T09:00:00Z", "ssm": "2026-11-24T08:00:00Z"}
    function = {
        "FunctionName": "orders",
        "FunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:orders",
        "Role": f"arn:aws:iam::123456789012:role/{ROLE}",
    }
    actions = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:ProcessWithPipeline"]
    made = suggested(tmp_path, [LAMBDA], actions, [], functions=(function,), **report)
    assert decided(made, "logs:ProcessWithPipeline")


def test_what_aws_has_shut_down_goes_whatever_iam_saw_at_it(tmp_path: Path) -> None:
    report = {"qldb": "2026-06-01T09:00:00Z", "ssm": "2026-11-24T08:00:00Z"}
    assert decided(suggested(tmp_path, [LAMBDA], ["qldb:SendCommand"], [], **report), "qldb:SendCommand")


def test_the_screen_names_them_too(tmp_path: Path) -> None:
    told = explain(suggested(tmp_path, [LAMBDA], ["s3:ReplicateObject"], []), "s3:ReplicateObject")
    assert "decided by service-role, confidence high, https://docs.aws.amazon.com/AmazonS3/" in " ".join(
        render_explanation_text(told).split()
    )
    assert explanation_dict(told)["decided_by"]["rule"] == "service-role"
    kept = explain(suggested(tmp_path / "k", [LAMBDA], [], []), READS)
    assert explanation_dict(kept)["decided_by"] is None


def test_what_went_names_rule_source_and_confidence(tmp_path: Path) -> None:
    made = suggested(tmp_path, [LAMBDA], ["s3:ReplicateObject"], [])
    told = explain(made, "s3:ReplicateObject")
    gone = told.decided_by
    assert gone is not None
    assert gone.rule == "service-role"
    assert gone.confidence == "high"
    assert gone.source.startswith("https://docs.aws.amazon.com/AmazonS3/")
    assert "s3.amazonaws.com" in told.why_removed


def test_every_row_is_of_an_action_that_iam_knows_and_names_its_page() -> None:
    decided_actions, uncalled = 0, 0
    for prefix in sorted(reference.prefixes()):
        for action in reference.action_names(prefix):
            found = class_of(action)
            uncalled += not event_names(action)
            if found is None:
                continue
            decided_actions += 1
            assert found.source.startswith("https://"), action
            assert bool(found.callers) == (found.name in {"service-role", "agent"}), action
            assert found.name != "asked-with" or found.parents, action
            assert found.name not in {"console", "service-role"} or not event_names(action), action
    assert decided_actions > uncalled * 3 / 4, "of the actions without a call of their own"


def test_every_parent_is_an_action_that_iam_knows() -> None:
    for prefix in sorted(reference.prefixes()):
        for action in reference.action_names(prefix):
            found = class_of(action)
            for parent in found.parents if found else ():
                assert parent_actions((parent,)), (action, parent)
