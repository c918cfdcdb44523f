"""What a template makes of the role itself: its permissions boundary and its trust policy, beside its policies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from policygen.account.snapshot import to_account
from policygen.evidence.observe import collect_evidence
from policygen.gate.judge.check import check
from policygen.gate.judge.from_logs import check_basis
from policygen.gate.judge.own_role import unchecked_of_role
from policygen.gate.repository.files import policies_of
from policygen.gate.repository.policies import context_of_account
from policygen.rightsize.basis import CheckBasis
from tests.support.accounts import snapshot
from tests.support.records import ROLE, crowd, write_logs


def document(*actions: str, **more: Any) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"} | more],
    }


def trusting(principal: Any, **more: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"} | more
    return {"Version": "2012-10-17", "Statement": [statement]}


ACCOUNT = "123456789012"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
WIDE, NARROW = (f"arn:aws:iam::{ACCOUNT}:policy/{name}" for name in ("wide", "narrow"))
QUEUE = f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/q"
CALL = {"source": "sqs", "name": "ReceiveMessage", "params": {"queueUrl": QUEUE}}
OWN = document("sqs:ReceiveMessage")
TODAY = {
    "policies": [OWN],
    "attached": {WIDE: document("sqs:*", "sns:*"), NARROW: document("sqs:ReceiveMessage")},
    "boundary": document("sqs:*"),
    "trust": ["lambda.amazonaws.com"],
}


class Made(NamedTuple):
    """What a template says: of the role itself, and its managed policies by name."""

    boundary: Any = BOUNDARY
    trust: Any = None
    managed: dict[str, Any] | None = None


UNTOLD, NONE = object(), object()


def in_terraform(made: Made) -> dict[str, Any]:
    values: dict[str, Any] = {"name": ROLE, "inline_policy": [{"name": "own", "policy": json.dumps(OWN)}]}
    unknown = {}
    refers: dict[str, Any] = {}
    for key, value in (("permissions_boundary", made.boundary), ("assume_role_policy", made.trust)):
        if isinstance(value, dict) and "new" in value:
            refers[key] = {
                "references": [f"aws_iam_policy.{value['new']}.arn", f"aws_iam_policy.{value['new']}"]
            }
        elif value is UNTOLD:
            unknown[key] = True
        elif value is None:
            continue
        else:
            values[key] = json.dumps(value) if isinstance(value, dict) else None if value is NONE else value
    resources = [{"address": "aws_iam_role.r", "type": "aws_iam_role", "values": values}]
    for name, policy in (made.managed or {}).items():
        held = {"name": name, "path": "/", "policy": json.dumps(policy)}
        resources.append({"address": f"aws_iam_policy.{name}", "type": "aws_iam_policy", "values": held})
    return {
        "format_version": "1.2",
        "planned_values": {"root_module": {"resources": resources}},
        "resource_changes": [{"address": "aws_iam_role.r", "change": {"after_unknown": unknown}}]
        * bool(unknown),
        "configuration": {
            "root_module": {
                "resources": [{"address": "aws_iam_role.r", "expressions": refers}] * bool(refers)
            }
        },
    }


def in_cloudformation(made: Made) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "RoleName": ROLE,
        "Policies": [{"PolicyName": "own", "PolicyDocument": OWN}],
        "PermissionsBoundary": made.boundary,
        "AssumeRolePolicyDocument": made.trust,
    }
    for key, value in list(properties.items()):
        if isinstance(value, dict) and "new" in value:
            properties[key] = {"Ref": value["new"]}
        elif value is UNTOLD:
            properties[key] = {"Fn::ImportValue": "x"}
        elif value is NONE or value is None:
            del properties[key]
    managed = {
        name: {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {"ManagedPolicyName": name, "PolicyDocument": policy},
        }
        for name, policy in (made.managed or {}).items()
    }
    return {"Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": properties}, **managed}}


@pytest.fixture(scope="module")
def basis(tmp_path_factory: pytest.TempPathFactory) -> CheckBasis:
    logs = write_logs(tmp_path_factory.mktemp("logs"), crowd([CALL]))
    return check_basis(collect_evidence([logs], ROLE, account=to_account(snapshot(TODAY))))


FORMS = {"terraform": in_terraform, "cloudformation": in_cloudformation}


def judged(made: Made, form: str, basis: CheckBasis, place: Path) -> tuple[list[str], list[str]]:
    """The findings about the role itself and of calls that it would lose, and what nobody judged."""
    file = place / "t.json"
    file.write_text(json.dumps(FORMS[form](made), indent=1), "utf-8")
    context = replace(context_of_account(to_account(snapshot(TODAY)), ROLE), account=ACCOUNT)
    sources = policies_of(file, context)
    found = [
        f"{one.rule.id} {one.subject}: {one.message}"
        for one in check(sources, basis)
        if "boundary" in one.subject or "trust policy" in one.message or one.rule.id in {"PG113", "PG201"}
    ]
    for text in ("aws_iam_role.r", "R"):
        found = [one.replace(f"the trust policy of {text}", "its trust policy") for one in found]
    lines = unchecked_of_role(sources, basis)
    return found, [one.removeprefix(f"not checked in {file}: ") for one in lines]


THE = "PG105 permissions boundary boundary: "
BOUNDARIES: dict[str, tuple[Made, list[str]]] = {
    "stays": (Made(), []),
    "stays, in other letters": (Made(BOUNDARY.upper().replace("ARN:AWS:IAM", "arn:aws:iam")), []),
    "stays, on another path": (Made(f"arn:aws:iam::{ACCOUNT}:policy/team/boundary"), []),
    "is no text": (Made(["x"]), [f"{THE}"]),
    "is gone": (Made(NONE), [f"{THE}it is gone: nothing bounds the role any more"]),
    "is empty": (Made(""), [f"{THE}it is gone: nothing bounds the role any more"]),
    "is another that nobody knows": (
        Made("arn:aws:iam::aws:policy/AdministratorAccess"),
        [
            f"{THE}the role gets arn:aws:iam::aws:policy/AdministratorAccess instead, and what it allows is not known"
        ],
    ),
    "has its name in another account": (
        Made("arn:aws:iam::999999999999:policy/boundary"),
        [
            f"{THE}the role gets arn:aws:iam::999999999999:policy/boundary instead, and what it allows is not known"
        ],
    ),
    "is another that the role has attached today, and wider": (
        Made(WIDE),
        [f"{THE}{WIDE} allows more than that of today, for example sns:"],
    ),
    "is another that the role has attached today, and narrower": (Made(NARROW), []),
    "is not told": (Made(UNTOLD), [f"{THE}the role gets one that the template does not tell"]),
    "is made here, and wider": (
        Made({"new": "mine"}, managed={"mine": document("*")}),
        [f"{THE}arn:aws:iam::123456789012:policy/mine allows more than that of today, for example "],
    ),
    "is made here, and the same": (Made({"new": "mine"}, managed={"mine": document("sqs:*")}), []),
    "is made here, and stops a call": (
        Made({"new": "mine"}, managed={"mine": document("sqs:SendMessage")}),
        ["PG201 sqs:ReceiveMessage: "],
    ),
    "has a wider document": (
        Made(managed={"boundary": document("sqs:*", "iam:*")}),
        [f"{THE}{BOUNDARY} allows more than that of today, for example iam:"],
    ),
    "has a narrower document": (Made(managed={"boundary": document("sqs:R*")}), []),
    "gets a condition": (
        Made(managed={"boundary": document("sqs:*", Condition={"Bool": {"aws:SecureTransport": "true"}})}),
        [],
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", BOUNDARIES)
def test_a_boundary_that_bounds_less_is_an_error(
    name: str, form: str, basis: CheckBasis, tmp_path: Path
) -> None:
    made, expected = BOUNDARIES[name]
    found, unchecked = judged(made, form, basis, tmp_path)
    assert len(found) == len(expected)
    assert [one.casefold().startswith(two.casefold()) for one, two in zip(found, expected, strict=True)] == [
        True for _ in expected
    ]
    assert unchecked == []


def test_a_policy_alone_that_is_the_boundary_is_compared_too(basis: CheckBasis, tmp_path: Path) -> None:
    template = in_cloudformation(Made(managed={"boundary": document("*")}))
    template["Resources"]["R"] = {
        "Type": "AWS::IAM::RolePolicy",
        "Properties": {"RoleName": ROLE, "PolicyName": "own", "PolicyDocument": OWN},
    }
    (tmp_path / "t.json").write_text(json.dumps(template), "utf-8")
    context = replace(context_of_account(to_account(snapshot(TODAY)), ROLE), account=ACCOUNT)
    found = check(policies_of(tmp_path / "t.json", context), basis)
    assert "PG105 permissions boundary boundary" in {f"{one.rule.id} {one.subject}" for one in found}


def test_a_path_that_is_not_told_hides_no_boundary(basis: CheckBasis, tmp_path: Path) -> None:
    template = in_cloudformation(Made(managed={"boundary": document("*")}))
    template["Resources"]["boundary"]["Properties"]["Path"] = {"Ref": "Path"}
    (tmp_path / "t.json").write_text(json.dumps(template), "utf-8")
    context = replace(context_of_account(to_account(snapshot(TODAY)), ROLE), account=ACCOUNT)
    found = [one.subject for one in check(policies_of(tmp_path / "t.json", context), basis)]
    assert "permissions boundary boundary" in found


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("made", "line"),
    [
        (Made(NONE), ""),
        (Made({"new": "mine"}, managed={"mine": document("sqs:*")}), ""),
        (Made(WIDE), ""),
        (Made(UNTOLD), "gets, whose document is not known"),
        (Made("arn:aws:iam::aws:policy/X"), "gets, whose document is not known"),
    ],
)
def test_a_first_boundary_is_no_finding_and_told_where_nobody_knows_what_it_stops(
    made: Made, line: str, form: str, basis: CheckBasis, tmp_path: Path
) -> None:
    assert basis.current
    unbounded = replace(basis, boundary_arn="", current=replace(basis.current, boundary=None))
    found, unchecked = judged(made, form, unbounded, tmp_path)
    assert found == []
    assert [one.endswith(line) for one in unchecked] == [True] * bool(line)


TRUSTED = {"Service": "lambda.amazonaws.com"}
FOREIGN = {"AWS": "arn:aws:iam::999999999999:root"}
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/gitlab.com"
CHANGES = ", which changes: policygen check --kind trust"
BEYOND = "today's policy does not allow it: sts:AssumeRole; in its trust policy"
TRUSTS: dict[str, tuple[Any, list[str], str]] = {
    "stays": (trusting(TRUSTED), [], ""),
    "stays, written as a list": (trusting({"Service": ["lambda.amazonaws.com"]}, Action=["sts:AssumeRole"]), [], ""),
    "opens to everybody": (
        trusting("*"),
        [f"PG105 *: {BEYOND}", "PG701 *: any AWS account may assume the role; in its trust policy"],
        CHANGES,
    ),
    "opens to another account": (
        trusting(FOREIGN),
        [
            f"PG105 arn:aws:iam::999999999999:root: {BEYOND}",
            "PG703 999999999999: account 999999999999 needs no external id; in its trust policy",
        ],
        CHANGES,
    ),
    "opens to a service": (
        trusting({"Service": ["lambda.amazonaws.com", "ec2.amazonaws.com"]}),
        [f"PG105 ec2.amazonaws.com: {BEYOND}"],
        CHANGES,
    ),
    "opens to tokens of anybody": (
        trusting({"Federated": PROVIDER}, Action="sts:AssumeRoleWithWebIdentity"),
        [f"PG105 {PROVIDER}: ", f"PG702 {PROVIDER}: "],
        CHANGES,
    ),
    "narrows": (
        trusting(TRUSTED, Condition={"StringEquals": {"aws:SourceAccount": ACCOUNT}}),
        [],
        CHANGES,
    ),
    "is not told": (UNTOLD, ["PG113 "], ""),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", TRUSTS)
def test_a_trust_policy_that_lets_more_in_is_an_error_and_a_change_is_told(
    name: str, form: str, basis: CheckBasis, tmp_path: Path
) -> None:
    trust, expected, line = TRUSTS[name]
    found, unchecked = judged(Made(trust=trust), form, basis, tmp_path)
    assert len(found) == len(expected)
    assert all(one.startswith(two) for one, two in zip(sorted(found), expected, strict=True))
    assert [one.endswith(line) for one in unchecked] == [True] * bool(line)


def test_without_today_s_trust_policy_the_rules_alone_are_judged(basis: CheckBasis, tmp_path: Path) -> None:
    found, unchecked = judged(Made(trust=trusting("*")), "terraform", replace(basis, trust=None), tmp_path)
    assert found == ["PG701 *: any AWS account may assume the role; in its trust policy"]
    assert unchecked == [
        "whether the trust policy of aws_iam_role.r is wider than today's, which is not known"
    ]


def test_a_rule_that_today_s_trust_policy_breaks_too_is_no_finding_of_a_template(
    basis: CheckBasis, tmp_path: Path
) -> None:
    today = trusting({"AWS": ["arn:aws:iam::999999999999:root", f"arn:aws:iam::{ACCOUNT}:root"]})
    found, unchecked = judged(
        Made(trust=trusting(FOREIGN)), "terraform", replace(basis, trust=today), tmp_path
    )
    assert found == []
    assert len(unchecked) == 1


def test_a_function_of_sam_has_the_boundary_of_all_functions(basis: CheckBasis, tmp_path: Path) -> None:
    assert basis.current
    template = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Globals": {"Function": {"PermissionsBoundary": BOUNDARY}},
        "Resources": {"F": {"Type": "AWS::Serverless::Function", "Properties": {"Policies": [OWN]}}},
    }
    file = tmp_path / "t.json"
    context = replace(context_of_account(to_account(snapshot(TODAY)), ROLE), account=ACCOUNT, part="FRole")
    file.write_text(json.dumps(template), "utf-8")
    assert not [one for one in check(policies_of(file, context), basis) if "boundary" in one.subject]
    del template["Globals"]
    file.write_text(json.dumps(template), "utf-8")
    assert [one for one in check(policies_of(file, context), basis) if "boundary" in one.subject]


@pytest.mark.parametrize("form", FORMS)
def test_a_policy_of_the_role_that_changes_and_that_nothing_attaches_here_is_told(
    form: str, basis: CheckBasis, tmp_path: Path
) -> None:
    found, unchecked = judged(Made(managed={"wide": document("*")}), form, basis, tmp_path)
    told = "the role has it today, its document changes, and nothing here attaches or detaches it"
    assert (found, unchecked) == ([f"PG113 {WIDE}: {told}"], [])
    same = Made(managed={"wide": document("sqs:*", "sns:*"), "other": document("*")})
    assert judged(same, form, basis, tmp_path) == ([], [])
