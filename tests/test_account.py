"""The account as it is today: the file, the live account (moto, botocore's stubber), and their errors."""

from __future__ import annotations

import ast
import gzip
import inspect
import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from policygen.account import aws_reader as reader
from policygen.account import last_accessed, live, organization
from policygen.account.aws_errors import is_aws_error, translate, translated
from policygen.account.aws_session import Aws, open_session
from policygen.account.last_accessed import POLL_DELAYS
from policygen.account.live import read_role, take_snapshot
from policygen.account.model import Account
from policygen.account.required_permissions import (
    LAST_ACCESSED_ACTIONS,
    NEEDS,
    ORGANIZATION_ACTIONS,
    ROLE_ACTIONS,
    SNAPSHOT_ACTIONS,
    actions,
)
from policygen.account.snapshot import load_snapshot, snapshot_to_json, to_account
from policygen.account.snapshot_schema import Organization, Snapshot
from policygen.errors import AwsError, NothingFoundError, PolicygenError, UsageError
from policygen.iam import reference

CASES = Path(__file__).parent / "cases" / "account"
NOW = datetime(2026, 11, 24, 22, 31, tzinfo=UTC)
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
LISTING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}],
}
CEILING = "arn:aws:iam::123456789012:policy/ceiling"


def cases(name: str) -> pytest.MarkDecorator:
    rows = json.loads((CASES / name).read_text(encoding="utf-8"))
    return pytest.mark.parametrize("case", [pytest.param(row, id=row["name"]) for row in rows])


def told(error: PolicygenError) -> str:
    return "\n".join((error.message, *error.hints, error.code))


# --- The file ------------------------------------------------------------------------------------


def test_a_snapshot_gives_each_role_whole() -> None:
    account = load_snapshot(CASES / "acme.json")
    role = account.role("orders-api-fn")
    assert (account.account_id, account.partition, account.generated_at) == (
        "123456789012",
        "aws",
        "2026-11-24T22:31:00Z",
    )
    assert role.key == (
        "123456789012",
        "AROAORDERSAPIFN000001",
        "arn:aws:iam::123456789012:role/service-role/orders-api-fn",
        "orders-api-fn",
    )
    assert [policy.name for policy in role.identity_policies] == ["OrdersFnPolicy", "shared"]
    assert role.boundary is not None
    assert (role.boundary.name, role.path, role.tags) == ("ceiling", "/service-role/", {"team": "orders"})
    assert (role.create_date, role.last_used) == ("2025-03-01T09:00:00Z", "2026-11-20T10:00:00Z")
    assert role.trust["Statement"][0]["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_of_a_managed_policy_the_default_version_counts() -> None:
    shared = load_snapshot(CASES / "acme.json").role("orders-api-fn").attached[0]
    assert shared.policy is not None
    assert shared.policy.statements[0].actions == ("s3:GetObject",)


def test_the_default_version_need_not_be_the_newest() -> None:
    content = json.loads((CASES / "acme.json").read_text(encoding="utf-8"))
    newest, older = content["authorization"]["Policies"][0]["PolicyVersionList"]
    newest["IsDefaultVersion"], older["IsDefaultVersion"] = False, True
    shared = to_account(content).role("orders-api-fn").attached[0]
    assert shared.policy is not None
    assert shared.policy.statements[0].actions == ("s3:*",)


def test_policies_and_boundaries_without_a_document_are_named_as_missing() -> None:
    account = load_snapshot(CASES / "acme.json")
    assert account.role("orders-api-fn").missing == ("arn:aws:iam::123456789012:policy/gone",)
    assert account.role("orders-fn-dev").missing == ("arn:aws:iam::aws:policy/PowerUserAccess",)
    assert account.role("AWSServiceRoleForECS").missing == ()


def test_roles_that_nobody_may_edit_are_known_by_name_and_path() -> None:
    roles = load_snapshot(CASES / "acme.json").roles
    assert [role.name for role in roles if role.service_linked] == ["AWSServiceRoleForECS"]
    assert [role.name for role in roles if role.sso_managed] == ["AWSReservedSSO_admin_0123456789abcdef"]


def test_an_ordinary_role_named_like_one_of_sso_is_not_managed_by_it() -> None:
    content = {
        "RoleDetailList": [
            {"RoleName": "AWSReservedSSO_x", "Arn": "arn:aws:iam::123456789012:role/AWSReservedSSO_x"}
        ]
    }
    assert not to_account(content).roles[0].sso_managed


def test_functions_tell_what_the_platform_needs_of_their_role() -> None:
    account = load_snapshot(CASES / "acme.json")
    functions = account.functions_of(account.role("orders-api-fn"))
    assert functions is not None
    (function,) = functions
    assert (function.log_group, function.tracing, function.vpc, function.region) == (
        "/orders",
        True,
        True,
        "eu-west-1",
    )
    assert function.kms_key.endswith("key/k")
    assert function.dead_letter.endswith(":dlq")


def test_a_function_without_extras_logs_to_the_usual_group_and_nothing_else() -> None:
    account = load_snapshot(CASES / "acme.json")
    (function,) = account.functions_of(account.role("orders-fn-dev")) or ()
    assert (function.log_group, function.tracing, function.vpc) == ("/aws/lambda/orders-dev", False, False)
    assert (function.kms_key, function.dead_letter) == ("", "")


def test_a_mapping_to_an_alias_is_the_functions_and_one_of_a_longer_name_is_not() -> None:
    account = load_snapshot(CASES / "acme.json")
    function = next(entry for entry in account.functions or () if entry.name == "orders-api")
    assert [entry.uuid for entry in account.mappings_of(function) or ()] == ["m-1"]


def test_a_trail_whose_state_was_refused_is_unknown_not_off() -> None:
    account = load_snapshot(CASES / "acme.json")
    org, own = account.trails or ()
    assert (org.logging, org.selectors, org.advanced, org.organization) == (None, None, None, True)
    assert (own.logging, len(own.selectors or ()), own.advanced, own.prefix) == (True, 1, (), "p")
    assert account.errors[0].operation == "cloudtrail:GetTrailStatus"


def test_the_bare_output_of_iam_gives_the_same_roles_and_nothing_about_the_rest() -> None:
    bare, whole = load_snapshot(CASES / "acme-authorization.json"), load_snapshot(CASES / "acme.json")
    assert bare.roles == whole.roles
    assert bare.account_id == "123456789012"
    assert (bare.functions, bare.mappings, bare.trails, bare.regions, bare.generated_at) == (
        None,
        None,
        None,
        None,
        "",
    )
    assert bare.functions_of(bare.roles[0]) is None


@pytest.mark.parametrize("page", [{"IsTruncated": True}, {"Marker": "x"}, {"NextToken": "x"}])
def test_one_page_of_several_is_not_taken_for_the_account(page: dict[str, Any]) -> None:
    account = to_account({"RoleDetailList": [], **page})
    assert account.errors[0].code == "Truncated"
    with pytest.raises(NothingFoundError, match="no role named") as caught:
        account.role("x")
    assert "one page of several" in told(caught.value)


@pytest.mark.parametrize(
    "encode",
    [
        pytest.param(lambda text: gzip.compress(text.encode()), id="gzip"),
        pytest.param(lambda text: text.encode("utf-8-sig"), id="utf-8 with a byte order mark"),
        pytest.param(lambda text: text.encode("utf-16"), id="utf-16 as PowerShell writes it"),
    ],
)
def test_files_are_read_however_they_were_saved(encode: Any, tmp_path: Path) -> None:
    file = tmp_path / "account"
    file.write_bytes(encode((CASES / "acme.json").read_text(encoding="utf-8")))
    assert load_snapshot(file) == load_snapshot(CASES / "acme.json")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'{"a": x}', "byte 6"),
        (b'{"a":', "byte 5"),
        (b"", "byte 0"),
        (b'{"policygen_snapshot": "\xff"}', "position"),
        (b"[" * 100_000, "recursion"),
        (gzip.compress(b"{}" * 1000, mtime=0)[:-9], "end-of-stream"),
        (b"\x1f\x8b\x08damaged-beyond-repair", "not JSON"),
    ],
    ids=["a stray character", "cut off", "empty", "not UTF-8", "too deep", "cut gzip", "damaged gzip"],
)
def test_what_is_not_json_is_refused_with_its_place(data: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / "account.json"
    file.write_bytes(data)
    with pytest.raises(UsageError) as caught:
        load_snapshot(file)
    assert caught.value.code == "PG-E212"
    assert says in told(caught.value)


def test_a_file_that_is_not_there_is_refused_with_a_way_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_snapshot(tmp_path / "none.json")
    assert caught.value.code == "PG-E211"
    assert "get-account-authorization-details" in told(caught.value)


@cases("malformed.json")
def test_malformed(case: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        to_account(case["content"])
    assert caught.value.code == case["code"]
    assert [part for part in case["says"] if part not in told(caught.value)] == []


@cases("lookups.json")
def test_lookup(case: dict[str, Any]) -> None:
    account = load_snapshot(CASES / "acme.json")
    if "role" in case:
        assert account.role(case["ask"]).name == case["role"]
        return
    with pytest.raises(NothingFoundError) as caught:
        account.role(case["ask"])
    assert [part for part in case["error"] if part not in told(caught.value)] == []


def test_a_role_named_like_the_id_of_another_is_not_found_in_its_place() -> None:
    arn = "arn:aws:iam::123456789012:role/"
    rows = [
        {"RoleName": "real", "RoleId": "AROA1", "Arn": f"{arn}real"},
        {"RoleName": "aroa1", "RoleId": "AROA2", "Arn": f"{arn}aroa1"},
    ]
    for order in (rows, rows[::-1]):
        assert to_account({"RoleDetailList": order}).role("AROA1").name == "real"


# --- The errors of botocore ----------------------------------------------------------------------


def client_error(code: str, message: str, operation: str = "GetRole") -> botocore.exceptions.ClientError:
    return botocore.exceptions.ClientError({"Error": {"Code": code, "Message": message}}, operation)


@cases("translate.json")
def test_translate(case: dict[str, Any]) -> None:
    if "raise" in case:
        error: Exception = getattr(botocore.exceptions, case["raise"])(**case.get("with", {}))
    else:
        error = client_error(*case["service"])
    answer = translate(error, service="iam", principal="reader", profile="prod")
    assert (answer.code, answer.exit_code) == (case["code"], 5)
    assert [part for part in case["says"] if part not in told(answer)] == []
    assert "\x1b" not in told(answer)


class Anything(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return f"<{key}>"


def botocore_errors() -> list[type[Exception]]:
    found = [
        cls
        for _, cls in inspect.getmembers(botocore.exceptions, inspect.isclass)
        if issubclass(cls, Exception)
    ]
    return [cls for cls in found if cls.__module__ == "botocore.exceptions" and not issubclass(cls, Warning)]


def test_no_class_of_botocore_escapes() -> None:
    walked = botocore_errors()
    assert len(walked) > 90
    for cls in walked:
        error = cls.__new__(cls)
        Exception.__init__(error, getattr(cls, "fmt", "").format_map(Anything()))
        answer = translate(error)
        assert isinstance(answer, AwsError)
        assert answer.hints, cls
        if is_aws_error(error):
            with pytest.raises(AwsError), translated():
                raise error
        else:  # errors of botocore's own data, which no call of ours can bring about
            assert "UndefinedModelAttributeError" in [base.__name__ for base in cls.__mro__]


def test_other_exceptions_are_bugs_and_pass() -> None:
    with pytest.raises(KeyError), translated():
        raise KeyError("x")


# --- The live account ----------------------------------------------------------------------------


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent/config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")
    with mock_aws():
        yield boto3.Session("testing", "testing", "testing", region_name="eu-west-1")


@pytest.fixture
def account(aws: Any) -> Any:
    """An account with one role that has every kind of policy, its function, and a trail."""
    iam, lambda_, s3 = aws.client("iam"), aws.client("lambda"), aws.client("s3")
    trust = json.dumps(TRUST)
    own, shared, _ = (
        iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(LISTING))["Policy"]["Arn"]
        for name in ("own", "shared", "ceiling")
    )
    iam.create_role(
        RoleName="orders-fn",
        Path="/service-role/",
        AssumeRolePolicyDocument=trust,
        PermissionsBoundary=CEILING,
    )
    iam.put_role_policy(RoleName="orders-fn", PolicyName="inline", PolicyDocument=json.dumps(LISTING))
    for arn in (own, shared):
        iam.attach_role_policy(RoleName="orders-fn", PolicyArn=arn)
    for number in range(3):
        iam.create_role(RoleName=f"other-{number:03}", AssumeRolePolicyDocument=trust)
    role = iam.get_role(RoleName="orders-fn")["Role"]["Arn"]
    aws.client("sqs").create_queue(QueueName="orders")
    lambda_.create_function(
        FunctionName="orders",
        Runtime="python3.12",
        Role=role,
        Handler="a.b",
        Code={"ZipFile": b"x"},
        Environment={"Variables": {"TOKEN": "a-secret"}},
    )
    lambda_.create_event_source_mapping(
        EventSourceArn="arn:aws:sqs:eu-west-1:123456789012:orders", FunctionName="orders"
    )
    s3.create_bucket(Bucket="trail", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    cloudtrail = aws.client("cloudtrail")
    cloudtrail.create_trail(Name="all", S3BucketName="trail", IsMultiRegionTrail=True)
    cloudtrail.start_logging(Name="all")
    return aws


def recorded(session: Any) -> list[str]:
    """The calls that are made through `session` from now on, as ``service:Operation``."""
    calls: list[str] = []

    def note(model: Any, **_: Any) -> None:
        calls.append(f"{model.service_model.signing_name}:{model.name}")

    session.events.register("before-call", note)
    return calls


def test_a_snapshot_of_the_live_account_reads_back_as_the_account(account: Any, tmp_path: Path) -> None:
    said: list[str] = []
    snapshot = take_snapshot(account, now=NOW, say=said.append)
    file = tmp_path / "account.json"
    file.write_text(snapshot_to_json(snapshot), encoding="utf-8")
    read = load_snapshot(file)
    role = read.role("orders-fn")
    assert [policy.name for policy in role.identity_policies] == ["inline", "own", "shared"]
    assert (role.missing, role.boundary_arn, read.generated_at) == ((), CEILING, "2026-11-24T22:31:00Z")
    assert role.boundary is not None
    assert len(read.roles) == 4
    (function,) = read.functions_of(role) or ()
    assert [entry.source_arn.rpartition(":")[2] for entry in read.mappings_of(function) or ()] == ["orders"]
    (trail,) = read.trails or ()
    assert (trail.name, trail.logging, trail.multi_region) == ("all", True, True)
    assert trail.selectors is not None
    assert (read.errors, read.regions) == ((), ("eu-west-1",))
    assert said[0].startswith("reading roles and policies of account 123456789012")


def test_a_snapshot_is_the_same_bytes_twice_and_sorted(account: Any) -> None:
    # The mock's trails were delivered to "now", which is none of ours.
    taken = (snapshot_to_json(take_snapshot(account, now=NOW)) for _ in range(2))
    first, second = (
        re.sub(r'("\w*(?:Attempt|Delivery)\w*Time\w*"): "[^"]*"', r'\1: ""', one) for one in taken
    )
    arns = [role["Arn"] for role in json.loads(first)["authorization"]["RoleDetailList"]]
    assert first == second
    assert arns == sorted(arns)


def test_the_variables_of_functions_stay_out_of_the_snapshot(account: Any) -> None:
    assert "a-secret" not in snapshot_to_json(take_snapshot(account, now=NOW))


def test_a_trail_seen_from_several_regions_is_one_trail(account: Any) -> None:
    snapshot = take_snapshot(account, ("eu-west-1", "us-east-1"), now=NOW)
    assert [entry["Trail"]["Name"] for entry in snapshot["trails"]] == ["all"]
    assert snapshot["regions"] == ["eu-west-1", "us-east-1"]


def test_one_role_is_read_as_the_snapshot_has_it(account: Any) -> None:
    whole = to_account(take_snapshot(account, now=NOW)).role("orders-fn")
    alone = read_role("orders-fn", account, now=NOW)
    assert alone.roles == (whole,)
    assert (alone.functions, alone.mappings, alone.trails) == (None, None, None)


@pytest.mark.parametrize(
    "asked",
    [
        "orders-fn",
        "service-role/orders-fn",
        "arn:aws:iam::123456789012:role/service-role/orders-fn",
        "arn:aws:sts::123456789012:assumed-role/orders-fn/session",
    ],
)
def test_one_role_is_found_by_name_path_and_arn(account: Any, asked: str) -> None:
    assert read_role(asked, account, now=NOW).roles[0].name == "orders-fn"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("nobody", "no role named 'nobody' in account 123456789012"),
        ("arn:aws:iam::123456789012:role/orders-fn", "no role named"),
        ("arn:aws:iam::999999999999:role/orders-fn", "of account 999999999999"),
    ],
)
def test_a_role_that_is_not_there_is_no_role(account: Any, asked: str, says: str) -> None:
    with pytest.raises(NothingFoundError) as caught:
        read_role(asked, account, now=NOW)
    assert caught.value.code == "PG-E310"
    assert says in told(caught.value)


def test_the_declared_permissions_are_exactly_the_calls_made(account: Any) -> None:
    calls = recorded(account)
    take_snapshot(account, now=NOW)
    assert set(calls) - {"sts:GetCallerIdentity"} <= set(SNAPSHOT_ACTIONS)
    assert set(SNAPSHOT_ACTIONS) - set(calls) <= {"iam:GetPolicy", "iam:GetPolicyVersion"}
    calls.clear()
    read_role("orders-fn", account, now=NOW)
    assert set(calls) - {"sts:GetCallerIdentity"} == set(ROLE_ACTIONS)


def test_only_read_only_operations_are_called() -> None:
    declared = {need.action for needs in NEEDS.values() for need in needs}
    # Making a report of what was used last changes nothing that anybody else can see, nor does decrypting.
    reports = {"iam:GenerateServiceLastAccessedDetails", "kms:Decrypt"}
    # A query is started, and its results are written where the user says.
    reports |= {"athena:StartQueryExecution", "athena:StopQueryExecution", "s3:PutObject"}
    # Those of CloudTrail Lake stay there, encrypted.
    reports |= {"cloudtrail:StartQuery", "cloudtrail:CancelQuery", "kms:GenerateDataKey"}
    assert [
        action
        for action in declared - reports
        if not action.partition(":")[2].startswith(("Get", "List", "Describe", "Lookup", "Filter"))
    ] == []
    make: Any = boto3.client
    operations = {
        name
        for service in ("iam", "lambda", "cloudtrail", "organizations", "sts")
        for name in dir(make(service, region_name="eu-west-1"))
        if "_" in name
        and not name.startswith(("_", "can_", "get_paginator", "get_waiter", "generate_presigned"))
    }
    used: set[str] = set()
    for module in (live, reader, last_accessed, organization):
        tree = ast.parse(inspect.getsource(module))
        used |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        used |= {
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
    called = used & operations
    assert {"get_role", "list_functions", "describe_trails", "list_parents"} <= called
    assert [name for name in called if not name.startswith(("get_", "list_", "describe_"))] == [
        "generate_service_last_accessed_details"
    ]


def test_every_permission_that_is_needed_exists_and_says_what_for() -> None:
    for command, needs in NEEDS.items():
        assert len({need.action for need in needs}) == len(needs), command
        for need in needs:
            known = reference.action(need.action)
            assert known is not None, need.action
            assert known.name == need.action
            assert need.why
            # An action that takes no resource can be written on "*" only (4.3.8).
            assert known.types or need.resource == "*", need.action


def test_the_commands_need_what_the_readers_say_that_they_call() -> None:
    assert set(ROLE_ACTIONS) | set(LAST_ACCESSED_ACTIONS) == set(actions(NEEDS["suggest --live"]))
    assert set(SNAPSHOT_ACTIONS) == set(actions(NEEDS["snapshot"]))
    assert set(actions(NEEDS["snapshot --last-accessed"])) == {*SNAPSHOT_ACTIONS, *LAST_ACCESSED_ACTIONS}
    assert set(actions(NEEDS["snapshot --organization"])) == {*SNAPSHOT_ACTIONS, *ORGANIZATION_ACTIONS}
    indispensable = [need.action for need in NEEDS["snapshot"] if not need.optional]
    assert indispensable == ["iam:GetAccountAuthorizationDetails"]


def test_the_tools_own_calls_can_be_told_apart_in_the_log(account: Any) -> None:
    agent = Aws.identify(account).client("iam").meta.config.user_agent_extra
    assert agent.startswith("policygen/")


@pytest.mark.parametrize(
    ("environment", "region", "expected"),
    [
        ({"AWS_REGION": "eu-north-1"}, None, "eu-north-1"),
        ({"AWS_REGION": "eu-north-1", "AWS_DEFAULT_REGION": "us-west-2"}, None, "eu-north-1"),
        ({"AWS_DEFAULT_REGION": "us-west-2"}, None, "us-west-2"),
        ({"AWS_REGION": "eu-north-1"}, "ap-south-1", "ap-south-1"),
        ({"AWS_REGION": ""}, None, None),
    ],
)
def test_the_region_is_the_one_that_every_other_sdk_takes(
    aws: Any,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    region: str | None,
    expected: str | None,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert open_session(region=region).region_name == expected


def test_a_profile_that_is_not_there_is_named(aws: Any) -> None:
    with pytest.raises(AwsError, match="prodd") as caught:
        open_session("prodd")
    assert caught.value.code == "PG-E107"


def test_without_a_region_functions_are_not_looked_for_in_a_guessed_one(aws: Any) -> None:
    with pytest.raises(AwsError) as caught:
        take_snapshot(open_session(), now=NOW)
    assert caught.value.code == "PG-E106"


# --- What AWS refuses ----------------------------------------------------------------------------

READER = "arn:aws:sts::123456789012:assumed-role/policygen-reader/me"
DENIED = f"User: {READER} is not authorized to perform: {{}} on resource: *"


class Refusing:
    """A session whose clients answer from moto, but for the operations that are refused."""

    def __init__(self, session: Any, refused: dict[str, str], regions: tuple[str, ...] = ()) -> None:
        self.session, self.refused, self.regions = session, refused, regions
        self.region_name, self.profile_name = session.region_name, "default"

    def client(self, service: str, region_name: str, config: Any) -> Any:
        client = self.session.client(service, region_name=region_name, config=config)
        if self.regions and region_name not in self.regions:
            return client
        for action, code in self.refused.items():
            prefix, _, operation = action.partition(":")
            if prefix == service:
                client.meta.events.register_first(f"before-call.*.{operation}", self.refuse(code, action))
        return client

    @staticmethod
    def refuse(code: str, action: str) -> Any:
        def handler(**_: Any) -> Any:
            raise client_error(code, DENIED.format(action), action.partition(":")[2])

        return handler


@pytest.mark.parametrize(
    ("refused", "unknown"),
    [
        ("lambda:ListFunctions", "functions"),
        ("lambda:ListEventSourceMappings", "mappings"),
        ("cloudtrail:DescribeTrails", "trails"),
    ],
)
def test_a_part_that_aws_refuses_is_unknown_and_named(account: Any, refused: str, unknown: str) -> None:
    said: list[str] = []
    session: Any = Refusing(account, {refused: "AccessDeniedException"})
    read = to_account(take_snapshot(session, now=NOW, say=said.append))
    assert getattr(read, unknown) is None
    assert [(entry.operation, entry.region) for entry in read.errors] == [(refused, "eu-west-1")]
    assert any(refused in line for line in said)


def test_a_part_refused_in_one_region_keeps_the_others_and_names_the_region(account: Any) -> None:
    session: Any = Refusing(account, {"lambda:ListFunctions": "AccessDeniedException"}, ("us-east-1",))
    read = to_account(take_snapshot(session, ("eu-west-1", "us-east-1"), now=NOW))
    assert [function.name for function in read.functions or ()] == ["orders"]
    assert [entry.region for entry in read.errors] == ["us-east-1"]


@pytest.mark.parametrize("code", ["AccessDeniedException", "TrailNotFoundException"])
def test_a_trail_that_hides_its_state_is_kept_with_its_state_unknown(account: Any, code: str) -> None:
    session: Any = Refusing(
        account, {"cloudtrail:GetTrailStatus": code, "cloudtrail:GetEventSelectors": code}
    )
    (trail,) = to_account(take_snapshot(session, now=NOW)).trails or ()
    assert (trail.logging, trail.selectors, trail.advanced) == (None, None, None)


def test_a_snapshot_without_iam_is_none(account: Any) -> None:
    session: Any = Refusing(account, {"iam:GetAccountAuthorizationDetails": "AccessDenied"})
    with pytest.raises(
        AwsError, match="policygen-reader may not call iam:GetAccountAuthorizationDetails"
    ) as caught:
        take_snapshot(session, now=NOW)
    assert (caught.value.code, caught.value.exit_code) == ("PG-E110", 5)


@pytest.mark.parametrize("action", ROLE_ACTIONS)
def test_a_role_is_not_read_in_part(account: Any, action: str) -> None:
    session: Any = Refusing(account, {action: "AccessDenied"})
    with pytest.raises(AwsError, match=f"policygen-reader may not call {action}"):
        read_role("orders-fn", session, now=NOW)


@pytest.mark.parametrize(
    ("code", "expected"),
    [("ExpiredToken", "PG-E102"), ("Throttling", "PG-E104"), ("ServiceFailure", "PG-E105")],
)
def test_failures_that_are_no_refusals_stop_the_snapshot(account: Any, code: str, expected: str) -> None:
    session: Any = Refusing(account, {"cloudtrail:GetTrailStatus": code})
    with pytest.raises(AwsError) as caught:
        take_snapshot(session, now=NOW)
    assert caught.value.code == expected


class Stubbed:
    """A session of stubbed clients, whose answers are checked against AWS's own model."""

    region_name, profile_name = "eu-west-1", "prod"

    def __init__(self, answers: dict[str, list[tuple[str, dict[str, Any] | str]]]) -> None:
        self.asked: list[tuple[str, str]] = []
        self.sent: dict[str, Any] = {}
        make: Any = boto3.client
        self.clients = {service: make(service, region_name="eu-west-1") for service in answers}
        for service, rows in answers.items():
            stub = Stubber(self.clients[service])
            for operation, answer in rows:
                if isinstance(answer, str):
                    stub.add_client_error(operation, answer, "no")
                else:
                    stub.add_response(operation, answer)
            stub.activate()
            self.clients[service].meta.events.register("provide-client-params.*", self.note)

    def note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.sent[model.name] = params

    def client(self, service: str, region_name: str, **_: Any) -> Any:
        self.asked.append((service, region_name))
        return self.clients[service]


IDENTITY = (
    "get_caller_identity",
    {
        "Account": "123456789012",
        "Arn": "arn:aws-cn:sts::123456789012:assumed-role/reader/me",
        "UserId": "AROA:me",
    },
)


def detail(**more: Any) -> dict[str, Any]:
    return {
        "RoleName": "role-name",
        "RoleId": "AROA0123456789012345",
        "Arn": "arn:aws-cn:iam::123456789012:role/role-name",
        "Path": "/",
        "CreateDate": datetime(2026, 1, 1, tzinfo=UTC),
        **more,
    }


def test_a_boundary_that_the_accounts_details_leave_out_is_fetched(aws: Any) -> None:
    boundary = {
        "PermissionsBoundaryType": "Policy",
        "PermissionsBoundaryArn": "arn:aws-cn:iam::aws:policy/PowerUserAccess",
    }
    page = {"RoleDetailList": [detail(PermissionsBoundary=boundary)], "Policies": [], "IsTruncated": False}
    arn = boundary["PermissionsBoundaryArn"]
    answers: Any = {
        "sts": [IDENTITY],
        "iam": [
            ("get_account_authorization_details", page),
            (
                "get_policy",
                {"Policy": {"PolicyName": "PowerUserAccess", "Arn": arn, "DefaultVersionId": "v7"}},
            ),
            (
                "get_policy_version",
                {
                    "PolicyVersion": {
                        "Document": json.dumps(LISTING),
                        "VersionId": "v7",
                        "IsDefaultVersion": True,
                    }
                },
            ),
        ],
        "lambda": [("list_functions", "AccessDeniedException"), ("list_event_source_mappings", {})],
        "cloudtrail": [("describe_trails", {"trailList": []})],
    }
    stubbed: Any = Stubbed(answers)
    read = to_account(take_snapshot(stubbed, now=NOW))
    assert (read.partition, read.functions, read.mappings, read.trails) == ("aws-cn", None, (), ())
    assert read.roles[0].boundary is not None
    assert read.roles[0].missing == ()
    assert read.roles[0].create_date == "2026-01-01T00:00:00Z"


def test_a_policy_that_may_not_be_read_leaves_the_role_with_a_named_hole(aws: Any) -> None:
    attached = [{"PolicyName": "vendor-policy", "PolicyArn": "arn:aws-cn:iam::aws:policy/vendor-policy"}]
    page = {
        "RoleDetailList": [detail(AttachedManagedPolicies=attached)],
        "Policies": [],
        "IsTruncated": False,
    }
    answers: Any = {
        "sts": [IDENTITY],
        "iam": [("get_account_authorization_details", page), ("get_policy", "AccessDenied")],
        "lambda": [("list_functions", {}), ("list_event_source_mappings", {})],
        "cloudtrail": [("describe_trails", {"trailList": []})],
    }
    stubbed: Any = Stubbed(answers)
    read = to_account(take_snapshot(stubbed, now=NOW))
    assert read.roles[0].missing == ("arn:aws-cn:iam::aws:policy/vendor-policy",)
    assert [entry.operation for entry in read.errors] == ["iam:GetPolicy"]
    assert read.functions == ()


def test_every_page_of_the_accounts_details_is_read_and_merged(aws: Any) -> None:
    names = [f"role-{number}" for number in (2, 1, 3)]
    pages = [
        {
            "RoleDetailList": [detail(RoleName=name, Arn=f"arn:aws-cn:iam::123456789012:role/{name}")],
            "IsTruncated": name != names[-1],
            **({} if name == names[-1] else {"Marker": name}),
        }
        for name in names
    ]
    answers: Any = {
        "sts": [IDENTITY],
        "iam": [("get_account_authorization_details", page) for page in pages],
        "lambda": [("list_functions", {}), ("list_event_source_mappings", {})],
        "cloudtrail": [("describe_trails", {"trailList": []})],
    }
    stubbed: Any = Stubbed(answers)
    read = to_account(take_snapshot(stubbed, now=NOW))
    assert [role.name for role in read.roles] == ["role-1", "role-2", "role-3"]
    assert read.errors == ()


def test_a_trail_of_another_region_is_seen_and_asked_where_it_lives(aws: Any) -> None:
    arn = "arn:aws-cn:cloudtrail:cn-north-1:123456789012:trail/org"
    started = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    answers: Any = {
        "sts": [IDENTITY],
        "iam": [("get_account_authorization_details", {"RoleDetailList": [], "IsTruncated": False})],
        "lambda": [("list_functions", {}), ("list_event_source_mappings", {})],
        "cloudtrail": [
            (
                "describe_trails",
                {"trailList": [{"Name": "org", "TrailARN": arn, "HomeRegion": "cn-north-1"}]},
            ),
            ("get_trail_status", {"IsLogging": True, "StartLoggingTime": started}),
            ("get_event_selectors", {"TrailARN": arn, "EventSelectors": []}),
        ],
    }
    stubbed: Any = Stubbed(answers)
    (trail,) = to_account(take_snapshot(stubbed, now=NOW)).trails or ()
    assert [region for service, region in stubbed.asked if service == "cloudtrail"] == [
        "eu-west-1",
        "cn-north-1",
    ]
    assert stubbed.sent["DescribeTrails"] == {"includeShadowTrails": True}
    assert (stubbed.sent["GetTrailStatus"], stubbed.sent["GetEventSelectors"]) == (
        {"Name": arn},
        {"TrailName": arn},
    )
    assert (trail.started, trail.selectors, trail.advanced) == ("2026-01-01T00:00:00Z", (), ())


def test_every_page_of_functions_is_read(aws: Any) -> None:
    arn = "arn:aws-cn:lambda:eu-west-1:123456789012:function:"
    role = "arn:aws-cn:iam::123456789012:role/role-name"
    first, second = ({"FunctionName": name, "FunctionArn": arn + name, "Role": role} for name in ("b", "a"))
    answers: Any = {
        "sts": [IDENTITY],
        "iam": [("get_account_authorization_details", {"RoleDetailList": [], "IsTruncated": False})],
        "lambda": [
            ("list_functions", {"Functions": [first], "NextMarker": "x"}),
            ("list_functions", {"Functions": [second]}),
            ("list_event_source_mappings", {}),
            ("list_function_event_invoke_configs", {}),
            ("list_function_event_invoke_configs", "ResourceNotFoundException"),
        ],
        "cloudtrail": [("describe_trails", {"trailList": []})],
    }
    stubbed: Any = Stubbed(answers)
    read = to_account(take_snapshot(stubbed, now=NOW))
    assert [function.name for function in read.functions or ()] == ["a", "b"]
    assert (read.invoke_configs, read.errors) == ((), ())


def test_versions_that_ask_for_something_else_are_kept_beside_their_function(aws: Any) -> None:
    arn = "arn:aws-cn:lambda:eu-west-1:123456789012:function:orders"
    role = "arn:aws-cn:iam::123456789012:role/"
    rows = [
        {"FunctionName": "orders", "FunctionArn": f"{arn}:{version}", "Version": version, "Role": role + name}
        for version, name in (("$LATEST", "new"), ("1", "old"), ("2", "new"))
    ]
    answers: Any = {
        "sts": [IDENTITY],
        "iam": [
            (
                "get_account_authorization_details",
                {"RoleDetailList": [detail(RoleName="old", Arn=role + "old")], "IsTruncated": False},
            )
        ],
        "lambda": [
            ("list_functions", {"Functions": rows}),
            ("list_event_source_mappings", {}),
            (
                "list_function_event_invoke_configs",
                {
                    "FunctionEventInvokeConfigs": [
                        {
                            "FunctionArn": f"{arn}:1",
                            "DestinationConfig": {
                                "OnSuccess": {},
                                "OnFailure": {"Destination": "arn:aws-cn:sqs:eu-west-1:123456789012:dlq"},
                            },
                        }
                    ]
                },
            ),
        ],
        "cloudtrail": [("describe_trails", {"trailList": []})],
    }
    stubbed: Any = Stubbed(answers)
    read = to_account(take_snapshot(stubbed, now=NOW))
    assert stubbed.sent["ListFunctions"] == {"FunctionVersion": "ALL"}
    assert [function.arn for function in read.functions or ()] == [arn]
    assert [(one.arn, one.unqualified) for one in read.versions or ()] == [(f"{arn}:1", arn)]
    (old,) = read.roles
    assert read.functions_of(old) == ()
    assert [one.arn for one in read.configurations_of(old) or ()] == [f"{arn}:1"]
    assert [(one.on_success, one.on_failure[-4:]) for one in read.invoke_configs or ()] == [("", ":dlq")]


def test_destinations_that_aws_refuses_are_unknown_and_named(account: Any) -> None:
    session: Any = Refusing(account, {"lambda:ListFunctionEventInvokeConfigs": "AccessDeniedException"})
    read = to_account(take_snapshot(session, now=NOW))
    assert read.invoke_configs is None
    assert [function.name for function in read.functions or ()] == ["orders"]
    assert [one.operation for one in read.errors] == ["lambda:ListFunctionEventInvokeConfigs"]


# --- What IAM saw used last ----------------------------------------------------------------------

ROLE = "arn:aws-cn:iam::123456789012:role/role-name"


def finished(*services: dict[str, Any], **more: Any) -> dict[str, Any]:
    rows = [{"ServiceName": "x", **row} for row in services]
    return {
        "JobStatus": "COMPLETED",
        "JobCreationDate": NOW,
        "JobCompletionDate": NOW,
        "ServicesLastAccessed": rows,
        **more,
    }


RUNNING = finished(JobStatus="IN_PROGRESS")
FAILED = finished(JobStatus="FAILED", Error={"Code": "SERVICE_ERROR", "Message": "try again"})


def reports(*answers: dict[str, Any] | str) -> list[tuple[str, Any]]:
    start = ("generate_service_last_accessed_details", {"JobId": "j" * 36})
    return [start, *(("get_service_last_accessed_details", answer) for answer in answers)]


def role_answers() -> list[tuple[str, Any]]:
    role = detail() | {"AssumeRolePolicyDocument": json.dumps(TRUST)}
    return [
        ("get_role", {"Role": role}),
        ("list_role_policies", {"PolicyNames": []}),
        ("list_attached_role_policies", {"AttachedPolicies": []}),
    ]


def read_with(*answers: tuple[str, Any], pauses: list[float] | None = None) -> tuple[Account, Stubbed]:
    stubbed: Any = Stubbed({"sts": [IDENTITY], "iam": [*role_answers(), *answers]})
    pause = (pauses if pauses is not None else []).append
    return read_role("role-name", stubbed, now=NOW, last_accessed=True, pause=pause), stubbed


def test_a_report_is_waited_for_and_read_page_by_page() -> None:
    pages = [
        finished(
            {"ServiceNamespace": "sns", "LastAuthenticated": NOW, "LastAuthenticatedRegion": "cn-north-1"},
            IsTruncated=True,
            Marker="next",
        ),
        finished(
            {
                "ServiceNamespace": "iam",
                "TrackedActionsLastAccessed": [
                    {"ActionName": "GetRole", "LastAccessedTime": NOW},
                    {"ActionName": "DeleteRole"},
                ],
            }
        ),
    ]
    pauses: list[float] = []
    read, stubbed = read_with(*reports(RUNNING, RUNNING, *pages), pauses=pauses)
    found = read.last_accessed_of(read.roles[0])
    assert found is not None
    assert found.generated_at == "2026-11-24T22:31:00Z"
    assert (found.services["sns"].last, found.services["sns"].region) == (
        "2026-11-24T22:31:00Z",
        "cn-north-1",
    )
    assert found.services["sns"].actions is None
    assert found.services["iam"].last == ""
    assert found.services["iam"].actions == {"GetRole": "2026-11-24T22:31:00Z", "DeleteRole": ""}
    assert (read.errors, pauses) == ((), list(POLL_DELAYS[:2]))
    assert stubbed.sent["GenerateServiceLastAccessedDetails"] == {"Arn": ROLE, "Granularity": "ACTION_LEVEL"}
    assert stubbed.sent["GetServiceLastAccessedDetails"] == {"JobId": "j" * 36, "Marker": "next"}


def test_a_report_that_is_never_ready_is_given_up_after_a_minute_and_named() -> None:
    pauses: list[float] = []
    read, _ = read_with(*reports(*[RUNNING] * (len(POLL_DELAYS) + 1)), pauses=pauses)
    assert read.last_accessed is None
    assert [(one.operation, one.code) for one in read.errors] == [
        ("iam:GetServiceLastAccessedDetails", "Timeout")
    ]
    assert 30 <= sum(pauses) <= 90


def test_a_report_that_failed_is_none_and_named() -> None:
    read, _ = read_with(*reports(FAILED))
    assert read.last_accessed is None
    assert [(one.code, one.message) for one in read.errors] == [("SERVICE_ERROR", f"{ROLE}: try again")]


@pytest.mark.parametrize("code", ["AccessDenied", "Throttling", "InvalidInput"])
def test_whatever_iam_answers_to_the_question_the_role_is_read(code: str) -> None:
    read, _ = read_with(("generate_service_last_accessed_details", code))
    assert [role.name for role in read.roles] == ["role-name"]
    assert read.last_accessed is None
    assert [(one.operation, one.code) for one in read.errors] == [
        ("iam:GenerateServiceLastAccessedDetails", code)
    ]


def test_a_report_that_may_be_asked_for_but_not_read_is_named() -> None:
    read, _ = read_with(*reports("AccessDenied"))
    assert [one.operation for one in read.errors] == ["iam:GetServiceLastAccessedDetails"]


def snapshot_of_roles(asked: bool | list[str], *answers: tuple[str, Any]) -> Account:
    rows = [
        detail(RoleName=name, Arn=f"arn:aws-cn:iam::123456789012:role/{name}")
        for name in ("role-b", "role-a")
    ]
    stubbed: Any = Stubbed(
        {
            "sts": [IDENTITY],
            "iam": [
                ("get_account_authorization_details", {"RoleDetailList": rows, "IsTruncated": False}),
                *answers,
            ],
            "lambda": [("list_functions", {}), ("list_event_source_mappings", {})],
            "cloudtrail": [("describe_trails", {"trailList": []})],
        }
    )
    return to_account(take_snapshot(stubbed, now=NOW, last_accessed=asked, pause=lambda _: None))


def test_a_snapshot_asks_for_all_reports_before_it_reads_the_first() -> None:
    start, row = reports(finished({"ServiceNamespace": "s3"}))
    read = snapshot_of_roles(True, start, start, row, row)
    assert [arn.rpartition("/")[2] for arn in read.last_accessed or ()] == ["role-a", "role-b"]


def test_a_snapshot_asks_about_the_roles_that_are_named_only() -> None:
    read = snapshot_of_roles(["role-b"], *reports(finished({"ServiceNamespace": "s3"})))
    assert [arn.rpartition("/")[2] for arn in read.last_accessed or ()] == ["role-b"]


def test_a_refusal_is_noted_once_and_not_asked_for_again() -> None:
    read = snapshot_of_roles(True, ("generate_service_last_accessed_details", "AccessDenied"))
    assert len(read.errors) == 1


def test_a_name_that_no_role_has_is_refused_with_those_that_look_alike() -> None:
    with pytest.raises(NothingFoundError) as caught:
        snapshot_of_roles(["role-c"])
    assert (caught.value.code, "role-a" in told(caught.value)) == ("PG-E310", True)


def with_report(report: dict[str, Any], **more: Any) -> Account:
    content = {"policygen_snapshot": 1, "authorization": {"RoleDetailList": []}, **more}
    return to_account({**content, "last_accessed": {ROLE: report}})


@pytest.mark.parametrize(
    "change", [{"JobStatus": "IN_PROGRESS"}, {"JobStatus": "FAILED"}, {"IsTruncated": True}]
)
def test_a_report_of_the_command_line_that_is_not_whole_says_nothing(change: dict[str, Any]) -> None:
    # As `aws iam get-service-last-accessed-details` prints it.
    report = {
        "JobStatus": "COMPLETED",
        "JobCompletionDate": "2026-11-24T22:31:00+00:00",
        "ServicesLastAccessed": [
            {"ServiceNamespace": "SNS", "LastAuthenticated": "2026-11-22T11:00:00+01:00"}
        ],
    }
    whole = (with_report(report).last_accessed or {})[ROLE]
    assert (whole.generated_at, whole.services["sns"].last) == (
        "2026-11-24T22:31:00Z",
        "2026-11-22T10:00:00Z",
    )
    assert with_report(report | change).last_accessed == {}


def test_a_time_that_cannot_be_read_is_not_taken_for_no_use() -> None:
    report = {"ServicesLastAccessed": [{"ServiceNamespace": "sns", "LastAuthenticated": "last tuesday\x1b"}]}
    with pytest.raises(UsageError) as caught:
        with_report(report)
    assert caught.value.code == "PG-E341"
    assert "last tuesday" in told(caught.value)
    assert "\x1b" not in told(caught.value)


# --- What limits the account from above ----------------------------------------------------------

MANAGER = "999988887777"
FULL = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
)
FULL_RCP = FULL.replace('"Action"', '"Principal": "*", "Action"')


def policy(name: str, kind: str, content: str) -> list[tuple[str, Any]]:
    summary = {"Id": name, "Name": name, "Type": kind}
    return [
        ("list_policies_for_target", {"Policies": [summary]}),
        ("describe_policy", {"Policy": {"PolicySummary": summary, "Content": content}}),
    ]


def roots(*kinds: str) -> tuple[str, Any]:
    types = [{"Type": kind, "Status": "ENABLED"} for kind in kinds]
    return ("list_roots", {"Roots": [{"Id": "r-1", "PolicyTypes": types}]})


PARENTS = [
    ("list_parents", {"Parents": [{"Id": "ou-1", "Type": "ORGANIZATIONAL_UNIT"}]}),
    ("list_parents", {"Parents": [{"Id": "r-1", "Type": "ROOT"}]}),
]


def organized(*answers: tuple[str, Any], manager: str = MANAGER) -> Account:
    described = ("describe_organization", {"Organization": {"MasterAccountId": manager, "FeatureSet": "ALL"}})
    stubbed: Any = Stubbed({"sts": [IDENTITY], "iam": role_answers(), "organizations": [described, *answers]})
    return read_role("role-name", stubbed, now=NOW, organization=True)


def test_policies_of_the_organisation_come_level_by_level_the_root_first() -> None:
    kind = "SERVICE_CONTROL_POLICY"
    only = FULL.replace('"Action": "*"', '"Action": "s3:*"')
    read = organized(
        roots(kind),
        *PARENTS,
        *policy("p-root", kind, FULL),
        *policy("p-unit", kind, FULL),
        *policy("p-account", kind, only),
    )
    assert [[one.name for one in level] for level in read.scps or ()] == [
        ["p-root"],
        ["p-unit"],
        ["p-account"],
    ]
    assert (read.scps or ())[2][0].statements[0].actions == ("s3:*",)
    assert (read.rcps, read.management, read.errors) == ((), False, ())
    assert read.scps_of(read.roles[0]) == read.scps


def test_a_policy_that_is_attached_twice_is_read_once() -> None:
    kind = "RESOURCE_CONTROL_POLICY"
    (listed, described) = policy("p-full", kind, FULL_RCP)
    read = organized(roots(kind), *PARENTS, listed, described, listed, listed)
    assert [len(level) for level in read.rcps or ()] == [1, 1, 1]
    assert read.scps == ()


def test_the_management_account_is_limited_by_no_policy_of_its_organisation() -> None:
    read = organized(manager="123456789012")
    assert (read.management, read.scps_of(read.roles[0]), read.rcps_of(read.roles[0])) == (True, (), ())


def test_an_account_without_an_organisation_is_limited_by_none() -> None:
    stubbed: Any = Stubbed(
        {
            "sts": [IDENTITY],
            "iam": role_answers(),
            "organizations": [("describe_organization", "AWSOrganizationsNotInUseException")],
        }
    )
    read = read_role("role-name", stubbed, now=NOW, organization=True)
    assert (read.scps, read.rcps, read.management, read.errors) == ((), (), False, ())


def test_a_member_account_that_may_not_look_up_knows_nothing_and_says_so() -> None:
    read = organized(("list_roots", "AccessDeniedException"))
    assert (read.scps, read.rcps, read.management) == (None, None, None)
    assert [one.operation for one in read.errors] == ["organizations:ListRoots"]
    assert read.scps_of(read.roles[0]) is None


def test_service_linked_roles_are_limited_by_no_policy_of_the_organisation() -> None:
    content = json.loads((CASES / "acme.json").read_text(encoding="utf-8"))
    content["organization"] = {"management_account": MANAGER, "scps": [[{"Name": "f", "Content": FULL}]]}
    read = to_account(content)
    assert read.scps_of(read.role("AWSServiceRoleForECS")) == ()
    assert len(read.scps_of(read.role("orders-api-fn")) or ()) == 1
    assert read.rcps is None


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (FULL_RCP.replace('"Principal": "*"', '"Principal": {"AWS": "arn:aws:iam::1:root"}'), "PG-E350"),
        (FULL_RCP.replace('"Principal": "*"', '"NotPrincipal": "*"'), "PG-E350"),
        (FULL_RCP.replace('"Principal": "*"', '"Principal": "*", "Principal": "x"'), "PG-E210"),
        ("not JSON", "PG-E210"),
        ("[]", "PG-E210"),
        ({"Version": "2012-10-17"}, "PG-E210"),
        ({"Version": "2012-10-17", "Statement": ["x"]}, "PG-E210"),
    ],
)
def test_a_resource_control_policy_that_aws_would_not_take_is_refused(content: Any, code: str) -> None:
    part = {"rcps": [[{"Name": "odd", "Content": content}]]}
    with pytest.raises(UsageError, match="resource control policy 'odd'") as caught:
        to_account({"policygen_snapshot": 1, "authorization": {"RoleDetailList": []}, "organization": part})
    assert caught.value.code == code


def test_the_page_of_the_format_names_every_field() -> None:
    page = (Path(__file__).parents[1] / "docs" / "snapshot.md").read_text("utf-8")
    named = [
        name for row in re.findall(r"^\| (`.+?`) \|", page, re.M) for name in re.findall(r"`(\w+)`", row)
    ]
    fields = {field for shape in (Snapshot, Organization) for field in shape.__struct_fields__}
    assert sorted(named) == sorted(fields)


def test_a_file_without_the_newer_parts_knows_nothing_of_them() -> None:
    read = load_snapshot(CASES / "acme.json")
    assert (read.invoke_configs, read.versions, read.last_accessed, read.scps, read.management) == (None,) * 5
