"""The live account: what is asked of AWS, and what is done where AWS refuses."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import msgspec
import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from botocore.parsers import ResponseParserError

from policygen.account import api_reader, live, organization, report_reader
from policygen.account import aws_reader as reader
from policygen.account.aws_session import Aws, open_session
from policygen.account.current import current_access
from policygen.account.live import read_role, take_snapshot
from policygen.account.model import unqualified
from policygen.account.report_reader import ReportOptions
from policygen.account.required_permissions import (
    NEEDS,
    ROLE_ACTIONS,
    SNAPSHOT_ACTIONS,
    actions,
)
from policygen.account.resource_reader import list_actions
from policygen.account.snapshot import load_snapshot, snapshot_to_json, to_account
from policygen.errors import AwsError, NothingFoundError
from policygen.iam import reference
from tests.support.aws_stubs import (
    CEILING,
    IDENTITY,
    LISTING,
    NOW,
    TRUST,
    Stubbed,
    client_error,
    detail,
    told,
)
from tests.support.command import run_in_root

LISTING_ACTIONS = {"ec2:DescribeRegions", *list_actions()}
"""What it takes to read what exists, which has tests of its own."""
CALLER_ACTIONS = {
    "apigateway:GET", "ec2:DescribeVpcEndpoints", "iam:ListRoles", "organizations:DescribeOrganization",
}  # fmt: skip
"""What it takes to read who may call, which has tests of its own."""


def recorded(session: Any) -> list[str]:
    """The calls that are made through `session` from now on, as ``service:Operation``."""
    calls: list[str] = []

    def note(model: Any, **_: Any) -> None:
        calls.append(f"{model.service_model.signing_name}:{model.name}")

    session.events.register("before-call", note)
    return calls


def test_a_snapshot_of_the_live_account_reads_back_as_the_account(account: Any, tmp_path: Path) -> None:
    said: list[str] = []
    snapshot = take_snapshot(account, now=NOW, on_message=said.append)
    file = tmp_path / "account.json"
    file.write_text(snapshot_to_json(snapshot), encoding="utf-8")
    read = load_snapshot(file)
    role = read.role("orders-fn")
    assert [policy.name for policy in role.identity_policies] == ["inline", "own", "shared"]
    assert (role.missing, role.boundary_arn, read.generated_at) == ((), CEILING, "2026-11-24T22:31:00Z")
    assert role.boundary is not None
    assert len(read.roles) == 4
    (function,) = read.functions_of(role) or ()
    (mapping,) = read.mappings or ()
    assert unqualified(mapping.function_arn) == function.unqualified
    assert mapping.source_arn.rpartition(":")[2] == "orders"
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
    whole = to_account(take_snapshot(account, now=NOW), "account 123456789012")
    alone = read_role("orders-fn", account, now=NOW)
    # The mock's trails were delivered to "now", which is none of ours.
    assert msgspec.structs.replace(alone, trails=()) == msgspec.structs.replace(whole, trails=())
    (one,), (other,) = alone.trails or (), whole.trails or ()
    assert (one.name, one.selectors, one.advanced) == (other.name, other.selectors, other.advanced)


def test_where_the_account_is_not_shown_the_role_alone_is_read(account: Any) -> None:
    whole = to_account(take_snapshot(account, now=NOW)).role("orders-fn")
    session: Any = Refusing(account, {"iam:GetAccountAuthorizationDetails": "AccessDenied"})
    alone = read_role("orders-fn", session, now=NOW)
    assert alone.roles == (whole,)
    assert [one.name for one in alone.functions or ()] == ["orders"]
    assert [one.operation for one in alone.errors] == ["iam:GetAccountAuthorizationDetails"]


def test_without_a_region_the_role_is_read_and_its_functions_are_unknown(
    aws: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    trust = json.dumps(TRUST)
    aws.client("iam").create_role(RoleName="orders-fn", AssumeRolePolicyDocument=trust)
    read = read_role("orders-fn", open_session(), now=NOW)
    assert (read.functions, read.trails, read.regions) == (None, None, None)
    assert [(one.operation, one.code) for one in read.errors] == [("lambda:ListFunctions", "NoRegionError")]


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
    assert read_role(asked, account, now=NOW).role(asked).name == "orders-fn"


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
    take_snapshot(account, now=NOW, last_accessed=True, reports=ReportOptions(lambda _: None))
    assert set(calls) - {"sts:GetCallerIdentity"} <= set(SNAPSHOT_ACTIONS)
    # The mock shows every policy at once, and starts no report that could be fetched.
    unasked = {"iam:GetPolicy", "iam:GetPolicyVersion", "iam:GetServiceLastAccessedDetails"}
    assert set(SNAPSHOT_ACTIONS) - set(calls) - LISTING_ACTIONS - CALLER_ACTIONS <= unasked
    calls.clear()
    read_role("orders-fn", account, now=NOW)
    assert set(calls) - {"sts:GetCallerIdentity"} <= set(SNAPSHOT_ACTIONS)
    calls.clear()
    refusing: Any = Refusing(account, {"iam:GetAccountAuthorizationDetails": "AccessDenied"})
    read_role("orders-fn", refusing, now=NOW)
    assert set(calls) - {"sts:GetCallerIdentity", *SNAPSHOT_ACTIONS} <= set(ROLE_ACTIONS)


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
        if not action.partition(":")[2].startswith(("Get", "GET", "List", "Describe", "Lookup", "Filter"))
    ] == []
    make: Any = boto3.client
    operations = {
        name
        for service in ("iam", "lambda", "cloudtrail", "organizations", "sts", "apigateway", "apigatewayv2")
        for name in dir(make(service, region_name="eu-west-1"))
        if "_" in name
        and not name.startswith(("_", "can_", "get_paginator", "get_waiter", "generate_presigned"))
    }
    used: set[str] = set()
    for module in (live, reader, report_reader, organization, api_reader):
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
    last_accessed = {"iam:GenerateServiceLastAccessedDetails", "iam:GetServiceLastAccessedDetails"}
    live = NEEDS["suggest --live"]
    assert set(actions(live)) == {*ROLE_ACTIONS, *SNAPSHOT_ACTIONS} - (CALLER_ACTIONS - LISTING_ACTIONS)
    assert {need.action for need in live if not need.optional} == set(ROLE_ACTIONS)
    assert set(SNAPSHOT_ACTIONS) == set(actions(NEEDS["snapshot"]))
    least = set(actions(NEEDS["snapshot --no-last-accessed --no-inventory"]))
    assert least == set(SNAPSHOT_ACTIONS) - last_accessed - (LISTING_ACTIONS - CALLER_ACTIONS)
    assert set(actions(NEEDS["batch --live"])) == set(SNAPSHOT_ACTIONS) - (CALLER_ACTIONS - LISTING_ACTIONS)
    more = set(actions(NEEDS["snapshot --organization"])) - set(SNAPSHOT_ACTIONS)
    assert {name.split(":")[0] for name in more} == {"organizations"}
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
    read = to_account(take_snapshot(session, now=NOW, on_message=said.append))
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
    session: Any = Refusing(
        account, {action: "AccessDenied", "iam:GetAccountAuthorizationDetails": "AccessDenied"}
    )
    with pytest.raises(AwsError, match=f"policygen-reader may not call {action}"):
        read_role("orders-fn", session, now=NOW)


FAILURES: dict[str, Callable[[], Exception]] = {
    "a refusal": lambda: client_error("AccessDenied", "no", ""),
    "an unknown code": lambda: client_error("ServiceFailure", "no", ""),
    "throttling": lambda: client_error("Throttling", "slow down", ""),
    "expired credentials": lambda: client_error("ExpiredToken", "no", ""),
    "no endpoint": lambda: EndpointConnectionError(endpoint_url="https://lambda.example"),
    "a timeout": lambda: ReadTimeoutError(endpoint_url="https://lambda.example"),
    "an answer that is no JSON": lambda: ResponseParserError("not JSON"),
    "an operation that the mock lacks": lambda: NotImplementedError("no such operation"),
    "a broken connection": lambda: ConnectionResetError("reset"),
}
OPTIONAL = (
    "lambda:ListFunctions",
    "lambda:ListEventSourceMappings",
    "cloudtrail:DescribeTrails",
    "cloudtrail:GetTrailStatus",
    "cloudtrail:GetEventSelectors",
    "iam:GenerateServiceLastAccessedDetails",
)


@pytest.mark.parametrize("operation", OPTIONAL)
def test_however_an_optional_call_fails_it_is_a_warning(account: Any, operation: str) -> None:
    for name, failure in FAILURES.items():
        said: list[str] = []
        session: Any = Failing(account, operation, failure)
        read = read_role(
            "orders-fn",
            session,
            now=NOW,
            last_accessed=operation.startswith("iam"),
            on_message=said.append,
            reports=ReportOptions(lambda _: None),
        )
        assert read.role("orders-fn").policies, name
        assert operation in {one.operation for one in read.errors}, name
        assert any(line.startswith(f"warning: AWS does not show {operation}") for line in said), name
        access = current_access(read.role("orders-fn"), read)
        assert any(note.startswith(f"AWS did not show {operation}") for note in access.notes), name


class Failing:
    """A session whose clients answer from moto, but for one operation, which fails."""

    def __init__(self, session: Any, operation: str, failure: Callable[[], Exception]) -> None:
        self.session, self.operation, self.failure = session, operation, failure
        self.region_name, self.profile_name = session.region_name, "default"

    def client(self, service: str, region_name: str, config: Any) -> Any:
        client = self.session.client(service, region_name=region_name, config=config)
        prefix, _, name = self.operation.partition(":")
        if prefix == service:
            client.meta.events.register_first(f"before-call.*.{name}", self.fail)
        return client

    def fail(self, **_: Any) -> None:
        raise self.failure()


ODD: dict[str, tuple[str, Any]] = {
    "no list": ("lambda:ListFunctions", {"Functions": "none"}),
    "a row without a name": ("lambda:ListFunctions", {"Functions": [{"Role": "x"}]}),
    "a row that is none": ("lambda:ListEventSourceMappings", {"EventSourceMappings": [None]}),
    "a number for a text": (
        "lambda:ListEventSourceMappings",
        {"EventSourceMappings": [{"UUID": "u", "FunctionArn": 7}]},
    ),
    "nothing": ("cloudtrail:DescribeTrails", {}),
    "a trail without a region": ("cloudtrail:DescribeTrails", {"trailList": [{"TrailARN": "x"}]}),
    "selectors of another shape": ("cloudtrail:GetEventSelectors", {"EventSelectors": "all"}),
    "a status of another shape": ("cloudtrail:GetTrailStatus", {"IsLogging": "yes"}),
}


@pytest.mark.parametrize(("operation", "answer"), ODD.values(), ids=ODD)
def test_an_optional_answer_of_another_shape_is_unknown(account: Any, operation: str, answer: Any) -> None:
    session: Any = Answering(account, operation, answer)
    for read in (
        read_role("orders-fn", session, now=NOW),
        to_account(take_snapshot(session, now=NOW)),
    ):
        assert read.role("orders-fn").policies
        assert read.errors


class Answering(Failing):
    """A session whose clients answer from moto, but for one operation, which has an answer of its own."""

    def __init__(self, session: Any, operation: str, answer: Any) -> None:
        super().__init__(session, operation, ValueError)
        self.answer = answer

    def fail(self, **_: Any) -> Any:
        return SimpleNamespace(status_code=200, headers={}), self.answer


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


def test_names_with_their_paths_and_the_roles_of_profiles_are_read(aws: Any) -> None:
    web = "arn:aws-cn:iam::123456789012:role/apps/web"
    profile = "arn:aws-cn:iam::123456789012:instance-profile/apps/web-profile"
    user = "arn:aws-cn:iam::123456789012:user/staff/ines"
    made_of = {"Path": "/apps/", "CreateDate": NOW}
    member = made_of | {"RoleName": "web", "RoleId": "AROAEXAMPLEWEB000001", "Arn": web}
    holding = made_of | {
        "InstanceProfileName": "web-profile",
        "InstanceProfileId": "AIPAEXAMPLEWEB000001",
        "Arn": profile,
        "Roles": [member],
    }
    page = {
        "RoleDetailList": [detail(RoleName="web", Arn=web) | {"InstanceProfileList": [holding]}],
        "UserDetailList": [
            {"Arn": user, "UserName": "ines", "UserPolicyList": [{"PolicyName": "p", "PolicyDocument": "{}"}]}
        ],
        "GroupDetailList": [{"Arn": "arn:aws-cn:iam::123456789012:group/teams/ops", "GroupName": "ops"}],
        "IsTruncated": False,
    }
    answers: Any = {
        "sts": [IDENTITY],
        "iam": [("get_account_authorization_details", page)],
        "lambda": [("list_functions", {}), ("list_event_source_mappings", {})],
        "cloudtrail": [("describe_trails", {"trailList": []})],
    }
    stubbed: Any = Stubbed(answers)
    made = take_snapshot(stubbed, now=NOW)
    assert made["authorization"]["UserDetailList"] == [{"Arn": user}]
    read = to_account(made)
    assert read.entities == ("arn:aws-cn:iam::123456789012:group/teams/ops", user)
    assert read.instance_profiles == {profile: (web,)}


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


def policy_for(line: str) -> dict[str, set[str]]:
    """What ``permissions LINE -f policy`` allows: resource -> actions."""
    done = run_in_root("permissions", line, "-f", "policy", "--account", "111122223333")
    assert done.code == 0, done.stderr
    return {one["Resource"]: set(one["Action"]) for one in json.loads(done.stdout)["Statement"]}


def test_the_policy_of_a_command_line_names_what_the_line_names() -> None:
    both = policy_for("suggest fulfilment --live --logs s3://acme-trail/org/ --days 30")
    assert both["arn:aws:s3:::acme-trail"] == {"s3:ListBucket"}
    assert both["arn:aws:s3:::acme-trail/org/*"] == {"s3:GetObject"}
    assert "iam:GetRole" in both["arn:aws:iam::111122223333:role/*"]
    assert not {"arn:aws:s3:::*", "arn:aws:s3:::*/*"} & set(both)
    store = "arn:aws:cloudtrail:eu-west-1:111122223333:eventdatastore/a1"
    assert store in policy_for(f"trust fulfilment -l lake:{store}")
    group = policy_for("explain s3:GetObject -l logs:/trail/{all}@eu-west-1")
    assert group["arn:aws:logs:*:111122223333:log-group:/trail/{all}:*"] == {"logs:FilterLogEvents"}
    digests = policy_for("batch -l s3://acme-trail --verify-digests")
    assert "arn:aws:s3:::acme-trail/*AWSLogs/*/CloudTrail-Digest/*" in digests


def test_the_policy_of_a_command_has_no_more_than_the_command_calls() -> None:
    organization = {"organizations:DescribePolicy", "organizations:ListRoots"}
    alone = set().union(*policy_for("snapshot").values())
    assert alone == set(SNAPSHOT_ACTIONS)
    assert not organization & alone
    assert "timestream:DescribeEndpoints" in alone
    assert organization < set().union(*policy_for("snapshot --organization").values())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("suggest --lvie", "suggest: No such option: --lvie"),
        ("map ./trail", "no command 'map' that calls AWS"),
    ],
)
def test_a_command_line_without_calls_of_aws_is_refused(line: str, said: str) -> None:
    done = run_in_root("permissions", line)
    assert (done.code, done.stdout) == (2, "")
    assert said in done.stderr
