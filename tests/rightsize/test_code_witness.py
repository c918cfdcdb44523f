"""Code that is known whole and calls no action of a kind decides that it is not needed; in doubt it decides nothing."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from policygen.account.function_code import CodeCall, FunctionCode, read_code
from policygen.account.snapshot import to_account
from policygen.catalog.action_events import operations_of
from policygen.catalog.build import completeness
from policygen.catalog.mapping import requests_for
from policygen.errors import UsageError
from policygen.plan.build import plan_from_analysis
from policygen.rightsize.analysis import Analysis, analyse
from policygen.rightsize.keep.model import CALLED
from policygen.rightsize.keep.witnesses.code import reach_of
from tests.support.accounts import snapshot, trails_of
from tests.support.command import run
from tests.support.options import analysis_options
from tests.support.records import ACCOUNT, ROLE, crowd, write_logs

FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:checkout"
PACKAGE = "5b" * 32
IN_BASE64 = base64.b64encode(bytes.fromhex(PACKAGE)).decode()
ALLOWED = [
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PartiQLSelect",
    "dynamodb:PutItem",
    "lambda:InvokeFunction",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:GetObject",
    "s3:ListBucket",
    "s3:PutObject",
    "sns:Publish",
    "sqs:SendMessage",
    "ssm:GetParameter",
]
LOGGED = {"source": "ssm", "name": "GetParameter", "params": {"name": "/app/key"}, "reads": True}
UNSEEN = {one for one in ALLOWED if one != "ssm:GetParameter"}
"""What no log of this world shows: data events are off."""


def function(**more: Any) -> dict[str, Any]:
    made = {
        "FunctionName": "checkout",
        "FunctionArn": FUNCTION,
        "Role": f"arn:aws:iam::{ACCOUNT}:role/{ROLE}",
    }
    return made | {"PackageType": "Zip"} | more


def code(*calls: str, **more: Any) -> dict[str, Any]:
    """The analysis of the function, with calls as ``service Operation``."""
    found = [dict(zip(("Service", "Operation"), call.split(), strict=True)) for call in calls]
    return {"function": FUNCTION, "complete": True, "unresolved": [], "calls": found} | more


def suggested(folder: Path, *analyses: Any, spec: str = "", **more: Any) -> Analysis:
    """The suggestion for the role of the function, with what was analysed of code."""
    folder.mkdir(exist_ok=True)
    path = folder / "code.json"
    path.write_text("\n".join(map(json.dumps, analyses)), "utf-8")
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ALLOWED, "Resource": "*"}]}
    world = {"policies": [policy], "trails": trails_of("management"), "trust": ["lambda.amazonaws.com"]}
    world |= {"functions": [function()], "event_source_mappings": []}
    extra = {key: more.pop(key) for key in ("event_invoke_configs", "errors") if key in more}
    event = more.pop("event", {})
    account = snapshot(world | more) | {"event_invoke_configs": []} | extra
    known = to_account(account)
    known = replace(known, code=read_code([spec.format(path) or str(path)]))
    log = write_logs(folder / "logs", crowd([LOGGED | {"session": "checkout"} | event]))
    return analyse([log], ROLE, account=known, **analysis_options(days=30))


def unverified(analysis: Analysis) -> set[str]:
    return {keep.grant.action for keep in analysis.suggestion.keeps if keep.kind == "unknown"}


def test_what_whole_code_does_not_call_goes_and_the_plan_says_which_file_tells_it(tmp_path: Path) -> None:
    found = suggested(tmp_path, code("dynamodb GetItem", "sqs SendMessage"))
    assert unverified(found) == {"dynamodb:GetItem", "sqs:SendMessage"}
    change = next(one for one in plan_from_analysis(found).changes if one.action == "dynamodb:PutItem")
    assert change.why == "the code of checkout is analysed whole and does not call it"
    assert change.decided_by
    assert (change.decided_by.rule, change.decided_by.confidence) == ("code", "medium")
    assert change.decided_by.source.endswith("code.json")


def test_presence_in_code_proves_no_use_and_is_said_beside_the_question(tmp_path: Path) -> None:
    found = suggested(tmp_path, code("dynamodb GetItem", complete=False))
    notes = {one.action: one.note for one in plan_from_analysis(found).keeps if one.kind == "unknown"}
    assert notes == dict.fromkeys(UNSEEN, "") | {"dynamodb:GetItem": "the code calls GetItem"}
    asked = next(one for one in found.suggestion.questions if "dynamodb:GetItem" in one.actions)
    assert "the code calls GetItem" in asked.why


def test_hashes_that_agree_make_it_sure_in_hex_and_in_base64(tmp_path: Path) -> None:
    for digest in (PACKAGE, IN_BASE64):
        found = suggested(
            tmp_path, code("dynamodb GetItem", sha256=digest), functions=[function(CodeSha256=IN_BASE64)]
        )
        change = next(one for one in found.suggestion.changes if one.action == "sqs:SendMessage")
        assert change.decided_by
        assert change.decided_by.confidence == "high"


OTHER = function(FunctionName="other", FunctionArn=FUNCTION.replace("checkout", "other"))
ALIAS = {
    "UUID": "1",
    "EventSourceArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:in",
    "FunctionArn": f"{FUNCTION}:live",
}


@pytest.mark.parametrize(
    ("analysis", "world"),
    [
        pytest.param({"complete": False}, {}, id="the analyser says that it is not whole"),
        pytest.param({"unresolved": [{"file": "app.py", "line": 4}]}, {}, id="a name is computed"),
        pytest.param({"function": FUNCTION + "-beta"}, {}, id="another function's code"),
        pytest.param(
            {}, {"functions": [function(Version="7", FunctionArn=f"{FUNCTION}:7")]}, id="a version's code"
        ),
        pytest.param(
            {"sha256": "00" * 32}, {"functions": [function(CodeSha256=IN_BASE64)]}, id="another package"
        ),
        pytest.param(
            {},
            {"functions": [function(Layers=[{"Arn": "arn:aws:lambda:us-east-1:1:layer:x:1"}])]},
            id="layer",
        ),
        pytest.param({}, {"functions": [function(PackageType="Image")]}, id="an image may hold extensions"),
        pytest.param({}, {"functions": [function(), OTHER]}, id="one of two functions was not analysed"),
        pytest.param({}, {"functions": []}, id="no function runs with the role"),
        pytest.param(
            {}, {"trust": ["lambda.amazonaws.com", "ec2.amazonaws.com"]}, id="others may assume the role"
        ),
        pytest.param({}, {"event_source_mappings": [ALIAS]}, id="an alias may run other code"),
        pytest.param({}, {"event_source_mappings": None}, id="what Lambda polls is not known"),
        pytest.param(
            {},
            {
                "errors": [
                    {
                        "operation": "lambda:ListFunctions",
                        "code": "AccessDenied",
                        "message": "no",
                        "region": "eu-west-1",
                    }
                ]
            },
            id="functions of a region were not read",
        ),
        pytest.param(
            {"calls": [{"Service": "s3", "Operation": "upload_file"}]},
            {},
            id="a method that hides operations",
        ),
        pytest.param(
            {"calls": [{"Service": "warehouse", "Operation": "GetItem"}]}, {}, id="an unknown service"
        ),
    ],
)
def test_code_decides_nothing_where_something_else_may_run_or_call(
    tmp_path: Path, analysis: dict[str, Any], world: dict[str, Any]
) -> None:
    assert unverified(suggested(tmp_path, code() | analysis, **world)) == UNSEEN


@pytest.mark.parametrize(
    ("event", "decides"),
    [
        ({"function": "checkout"}, True),
        ({"function": "checkout:live"}, False),
        ({"via": "kms.amazonaws.com"}, True),
        ({"via": "quicksight.amazonaws.com"}, False),
    ],
    ids=[
        "the function called",
        "an alias of it called, which may run other code",
        "a service called that calls nothing else",
        "a service called for the role that may call anything",
    ],
)
def test_the_log_may_show_that_more_than_this_code_calls(
    tmp_path: Path, event: dict[str, Any], decides: bool
) -> None:
    left = unverified(suggested(tmp_path, code(), event=event))
    assert left == (set() if decides else UNSEEN)


def test_code_that_calls_nothing_decides_all_that_only_code_asks_for(tmp_path: Path) -> None:
    assert unverified(suggested(tmp_path, code())) == set()


def test_a_list_of_calls_does_not_say_that_it_is_all_but_what_is_called(tmp_path: Path) -> None:
    autopilot = [
        {"Name": "get_item", "PossibleServices": ["dynamodb"]},
        {"Name": "publish", "PossibleServices": ["iot-data", "sns"]},
    ]
    found = suggested(tmp_path, autopilot, spec=f"{ROLE}={{}}")
    assert unverified(found) == UNSEEN
    notes = {one.action for one in plan_from_analysis(found).keeps if one.note.startswith(CALLED)}
    assert notes == {"dynamodb:GetItem", "sns:Publish"}


def test_the_full_output_of_the_analyser_says_the_same_with_where_each_call_stands(tmp_path: Path) -> None:
    metadata = {
        "Expr": "table.get_item(Key=key)",
        "Location": {"FilePath": "app.py", "StartPosition": [12, 5], "EndPosition": [12, 30]},
        "Parameters": [],
        "Receiver": "table",
    }
    path = tmp_path / "full.json"
    path.write_text(
        json.dumps([{"Name": "get_item", "PossibleServices": ["dynamodb"], "Metadata": metadata}]), "utf-8"
    )
    assert [one.calls for one in read_code([str(path)])] == [(CodeCall("get_item", ("dynamodb",)),)]


def test_operations_ask_for_more_than_the_action_of_their_name(tmp_path: Path) -> None:
    found = suggested(tmp_path, code("s3 DeleteObject", "dynamodb execute_statement"))
    assert unverified(found) == {"s3:DeleteObject", "s3:DeleteObjectVersion", "dynamodb:PartiQLSelect"} | (
        {"s3:ListBucket"} if "DeleteObject" in operations_of("s3:ListBucket") else set()
    )


@pytest.mark.parametrize(
    ("call", "kept"),
    [
        ("athena StartQueryExecution", UNSEEN),
        ("rekognition DetectLabels", {"s3:GetObject", "s3:ListBucket"}),
        ("secretsmanager RotateSecret", {"lambda:InvokeFunction"}),
        ("secretsmanager GetSecretValue", set()),
        ("quicksight DescribeDashboard", UNSEEN),
    ],
)
def test_what_a_service_asks_for_in_turn_is_in_no_code(tmp_path: Path, call: str, kept: set[str]) -> None:
    statement = {"Effect": "Allow", "Resource": "*"}
    statement["Action"] = [*ALLOWED, "athena:*", "rekognition:*", "secretsmanager:*", "quicksight:*"]  # type: ignore[assignment]
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    assert unverified(suggested(tmp_path, code(call), policies=[policy])) & UNSEEN == kept


def test_what_is_only_asked_along_with_an_operation_goes_with_it(tmp_path: Path) -> None:
    """No record of its own shows the action, but the operation is known with which AWS asks for it."""
    along = ["s3:BypassGovernanceRetention", "s3:DeleteObject"]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": along, "Resource": "*"}]}
    assert unverified(suggested(tmp_path, code(), policies=[policy, ALLOW_SSM])) == set()
    deleting = code("s3 DeleteObjects")
    assert unverified(suggested(tmp_path, deleting, policies=[policy, ALLOW_SSM])) == set(along)


def test_a_call_that_may_be_of_a_service_that_the_role_may_not_use_is_not_of_that_service(
    tmp_path: Path,
) -> None:
    found = suggested(
        tmp_path, code() | {"calls": [{"Name": "publish", "PossibleServices": ["iot-data", "sns"]}]}
    )
    assert unverified(found) == {"sns:Publish"}


def test_what_lambda_itself_asks_for_stays_by_the_configuration(tmp_path: Path) -> None:
    letters = f"arn:aws:sqs:us-east-1:{ACCOUNT}:letters"
    found = suggested(tmp_path, code(), functions=[function(DeadLetterConfig={"TargetArn": letters})])
    kept = {(keep.grant.action, keep.grant.resource) for keep in found.suggestion.keeps}
    assert kept == {("sqs:SendMessage", letters)}


def test_what_is_asked_by_other_means_than_an_sdk_is_not_decided(tmp_path: Path) -> None:
    others = [
        "execute-api:Invoke",
        "rds-db:connect",
        "iot:Publish",
        "appsync:GraphQL",
        "kafka-cluster:Connect",
        "xray:PutTraceSegments",
    ]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": others, "Resource": "*"}]}
    left = unverified(suggested(tmp_path, code(), policies=[policy, ALLOW_SSM]))
    assert left == set(others)


ALLOW_SSM = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": "*"}],
}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "{}",
        "7",
        '[{"Name": 7, "PossibleServices": ["s3"]}]',
        '[{"Name": "x", "PossibleServices": "s3"}]',
        '{"function": FN, "complete": "yes", "calls": []}',
        '{"function": FN, "complete": true, "calls": [], "unresolved": 3}',
        '{"function": "", "complete": true, "calls": []}',
        '{"function": FN, "complete": true, "calls": [], "sha256": "zz"}',
        '{"function": FN, "complete": true, "calls": [7]}',
    ],
)
def test_what_is_no_analysis_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "one.json").write_text(content.replace("FN", json.dumps(FUNCTION)), "utf-8")
    with pytest.raises(UsageError) as caught:
        read_code([str(tmp_path)])
    assert caught.value.code == "PG-E266"
    assert "one.json" in caught.value.message


def test_code_needs_a_file_and_an_account(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file in"):
        read_code([str(tmp_path / "gone")])
    (tmp_path / "code.json").write_text(json.dumps(code()), "utf-8")
    log = write_logs(tmp_path / "logs", [LOGGED])
    done = run(tmp_path, "suggest", "-r", ROLE, "-l", str(log), "--code", "code.json", "--no-plan")
    assert (done.code, "PG-E266" in done.stderr, "--snapshot" in done.stderr) == (2, True, True)


MODELS = (
    "athena",
    "bedrock-runtime",
    "dynamodb",
    "events",
    "kinesis",
    "lambda",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "swf",
)


@pytest.mark.parametrize("model", MODELS)
def test_no_action_that_an_operation_asks_for_is_taken_for_one_that_it_does_not_ask_for(model: str) -> None:
    """Each operation of AWS's models, with all parameters that it may have."""
    same_name = other_names = 0
    for operation in completeness.operations(model):
        calls = (CodeCall(operation.name, (model,)),)
        reach = reach_of((FunctionCode("code.json", calls),), frozenset({operation.prefix}))
        for one in requests_for(operation.call).requests:
            action = one.request.action
            assert reach.unknown or reach.asks_for(action) or reach.may_forward(action), (
                operation.name,
                action,
            )
            named_alike = action.lower() == f"{operation.prefix}:{operation.name}".lower()
            same_name += named_alike
            other_names += not named_alike
    assert same_name > 0
    assert model not in {"dynamodb", "lambda", "s3", "sqs", "swf"} or other_names > 0, (
        "a name alone would miss some"
    )


def test_operations_are_known_for_actions_whose_names_their_parameters_make() -> None:
    assert "ExecuteStatement" in operations_of("dynamodb:PartiQLSelect")
    assert operations_of("swf:StartTimer") == ("RespondDecisionTaskCompleted",)
    assert operations_of("s3-object-lambda:PutObjectRetention") == operations_of("s3:PutObjectRetention")
    assert operations_of("dynamodb:InjectError") == ()


def test_what_iam_saw_at_a_service_is_some_action_of_it_whatever_the_code_says(tmp_path: Path) -> None:
    # The events of that day and region were read, so that what no log shows explains the attempt.
    seen = {"dynamodb": "2026-11-02T09:00:00Z", "ssm": "2026-11-03T07:00:00Z"}
    none, one = (
        unverified(suggested(tmp_path / name, code(*calls), last_accessed=seen))
        for name, calls in (("none", ()), ("one", ("dynamodb GetItem",)))
    )
    assert {action for action in none if action.startswith("dynamodb:")} == {
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PartiQLSelect",
        "dynamodb:PutItem",
    }
    assert {action for action in one if action.startswith("dynamodb:")} == {"dynamodb:GetItem"}
