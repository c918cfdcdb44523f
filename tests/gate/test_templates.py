"""Policies out of templates: which of them are of the role, where they stand, and what a template does not tell."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from policygen.errors import UsageError
from policygen.gate.repository.files import policies_of
from policygen.gate.sources import PolicySource, TemplateRest, with_certain_denials
from policygen.gate.templates.model import TemplateContext
from policygen.iam.document import Policy, parse_policy

ARN = "arn:aws:dynamodb:eu-west-1:111122223333:table/orders"


def document(action: str = "dynamodb:GetItem", on: Any = ARN) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": [action], "Resource": [on]}],
    }


KNOWN = {"arn:aws:iam::aws:policy/job/ReadOnly": parse_policy(document("s3:ListBucket", "*"), "ReadOnly")}
CONTEXT = TemplateContext("orders", "111122223333", "aws", "eu-west-1", KNOWN)
Read = Callable[..., list[PolicySource]]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Read a template's value, as JSON or as YAML."""
    monkeypatch.chdir(tmp_path)

    def read(value: Any, name: str = "t.json", mark: str = "", context: TemplateContext = CONTEXT) -> Any:
        text = value if isinstance(value, str) else json.dumps(value, indent=1)
        if not isinstance(value, str) and name.endswith("yaml"):
            text = yaml.safe_dump(value, sort_keys=False)
        Path(name).write_text(text, "utf-8")
        return policies_of(Path(name + mark), context)

    return read


def granted(sources: list[PolicySource]) -> list[str]:
    policies: list[Policy] = [source.policy for source in sources]
    return sorted(f"{s.actions[0]} {s.resources[0]}" for policy in policies for s in policy.statements)


def untold(sources: list[PolicySource]) -> list[str]:
    """The grants that are not known, each with its reason."""
    return [f"{unknown.name}: {unknown.reason}" for source in sources for unknown, _ in source.unknown]


# --- Terraform -------------------------------------------------------------------------------------


def resource(address: str, values: dict[str, Any]) -> dict[str, Any]:
    kind = re.sub(r"\[[^]]*\]$", "", address).split(".")[-2]
    return {"address": address, "type": kind, "values": values}


def terraform(*resources: dict[str, Any], refs: dict[str, dict[str, str]] | None = None) -> dict[str, Any]:
    """A plan in JSON; `refs` has the attributes that refer to others, by address."""
    written = [
        {
            "address": address,
            "expressions": {name: {"references": [f"{ref}.id", ref]} for name, ref in own.items()},
        }
        for address, own in (refs or {}).items()
    ]
    return {
        "format_version": "1.2",
        "planned_values": {"root_module": {"resources": list(resources)}},
        "configuration": {"root_module": {"resources": written}},
    }


TEXT = json.dumps(document())
ROLE = resource("aws_iam_role.orders", {"name": "orders"})
OTHER = resource("aws_iam_role.other", {"name": "other"})
INLINE = resource("aws_iam_role_policy.a", {"role": "orders", "policy": TEXT})
ITEM = f"dynamodb:GetItem {ARN}"

TERRAFORM: dict[str, tuple[dict[str, Any], list[str], tuple[str, ...]]] = {
    "an inline policy of a role that is there": (terraform(INLINE), [ITEM], ()),
    "an inline policy of a role that the plan makes": (
        terraform(
            ROLE,
            OTHER,
            resource("aws_iam_role_policy.a", {"policy": TEXT}),
            resource("aws_iam_role_policy.b", {"policy": json.dumps(document("iam:*", "*"))}),
            refs={
                "aws_iam_role_policy.a": {"role": "aws_iam_role.orders"},
                "aws_iam_role_policy.b": {"role": "aws_iam_role.other"},
            },
        ),
        [ITEM],
        (),
    ),
    "a policy within the role": (
        terraform(resource("aws_iam_role.orders", {"name": "orders", "inline_policy": [{"policy": TEXT}]})),
        [ITEM],
        (),
    ),
    "a managed policy that the plan makes and attaches": (
        terraform(
            ROLE,
            resource("aws_iam_policy.p", {"policy": TEXT}),
            resource("aws_iam_role_policy_attachment.x", {"role": "orders"}),
            refs={"aws_iam_role_policy_attachment.x": {"policy_arn": "aws_iam_policy.p"}},
        ),
        [ITEM],
        (),
    ),
    "attached policies of elsewhere, one of them known": (
        terraform(
            resource(
                "aws_iam_role_policy_attachment.x",
                {"role": "orders", "policy_arn": "arn:aws:iam::aws:policy/job/ReadOnly"},
            ),
            resource(
                "aws_iam_role_policy_attachment.y",
                {"role": "orders", "policy_arn": "arn:aws:iam::aws:policy/Unknown"},
            ),
        ),
        ["s3:ListBucket *"],
        ("arn:aws:iam::aws:policy/Unknown",),
    ),
    "a state": (
        {"format_version": "1.0", "values": {"root_module": {"resources": [INLINE]}}},
        [ITEM],
        (),
    ),
}


@pytest.mark.parametrize(
    ("kind", "attribute", "refers"),
    [
        ("aws_iam_role_policy", "role", None),
        ("aws_iam_role_policy", "role", "var.role"),
        ("aws_iam_role_policy_attachment", "role", "module.roles.orders"),
        ("aws_iam_policy_attachment", "roles", "local.roles"),
    ],
)
def test_a_policy_of_a_role_that_the_plan_does_not_tell_is_no_policy_of_another_one(
    kind: str, attribute: str, refers: str | None, read: Read
) -> None:
    unknown = resource(f"{kind}.x", {"policy": json.dumps(document("*", "*"))})
    refs = {f"{kind}.x": {attribute: refers}} if refers else {}
    sources = read(terraform(ROLE, INLINE, unknown, refs=refs))
    assert granted(sources) == [ITEM]
    assert untold(sources) == [f"{kind}.x: which role it is of is known only after apply"]


@pytest.mark.parametrize("alike", [True, False])
def test_which_instance_is_of_which_role_matters_where_they_say_something_else(
    alike: bool, read: Read
) -> None:
    other = TEXT if alike else json.dumps(document("iam:*", "*"))
    plan = terraform(
        resource('aws_iam_role.r["a"]', {"name": "orders"}),
        resource('aws_iam_role.r["b"]', {"name": "other"}),
        resource('aws_iam_role_policy.p["a"]', {"policy": TEXT}),
        resource('aws_iam_role_policy.p["b"]', {"policy": other}),
    )
    refers = {"role": {"references": ["aws_iam_role.r", "each.value"]}}
    plan["configuration"]["root_module"]["resources"] = [
        {"address": "aws_iam_role_policy.p", "expressions": refers}
    ]
    sources = read(plan)
    assert granted(sources) == [ITEM] * alike
    assert len(untold(sources)) == (0 if alike else 2)


@pytest.mark.parametrize("alike", [True, False])
def test_which_instance_is_attached_matters_where_they_say_something_else(alike: bool, read: Read) -> None:
    other = TEXT if alike else json.dumps(document("iam:*", "*"))
    plan = terraform(
        ROLE,
        resource('aws_iam_policy.p["a"]', {"policy": TEXT}),
        resource('aws_iam_policy.p["b"]', {"policy": other}),
        resource('aws_iam_role_policy_attachment.t["a"]', {"role": "orders"}),
    )
    refers = {"policy_arn": {"references": ["aws_iam_policy.p", "each.value"]}}
    plan["configuration"]["root_module"]["resources"] = [
        {"address": "aws_iam_role_policy_attachment.t", "expressions": refers}
    ]
    sources = read(plan)
    assert granted(sources) == [ITEM] * alike
    assert len(untold(sources)) == (0 if alike else 1)


def test_a_role_that_a_plan_defines_twice_is_read_twice(read: Read) -> None:
    trust = {"Version": "2012-10-17", "Statement": []}
    plan = terraform(
        resource("aws_iam_role.here", {"name": "orders", "assume_role_policy": json.dumps(trust)}),
        resource("aws_iam_role.there", {"name": "orders", "inline_policy": [{"name": "x", "policy": TEXT}]}),
        resource("aws_iam_role_policy.a", {"role": "orders", "policy": json.dumps(document("iam:*", "*"))}),
    )
    sources = read(plan)
    assert granted(sources) == [ITEM, "iam:* *"]
    assert [one.name for one in rest_of(sources).definitions] == ["aws_iam_role.here", "aws_iam_role.there"]


def test_an_attachment_to_users_and_an_instance_by_key_are_of_no_unknown_role(read: Read) -> None:
    users = resource(
        "aws_iam_policy_attachment.u", {"users": ["ann"], "policy_arn": "arn:aws:iam::aws:policy/X"}
    )
    other = resource('aws_iam_role_policy.o["b"]', {"policy": json.dumps(document("*", "*"))})
    plan = terraform(ROLE, OTHER, INLINE, users, other)
    refers = {"role": {"references": ["aws_iam_role.other", "each.key"]}}
    plan["configuration"]["root_module"]["resources"] = [
        {"address": "aws_iam_role_policy.o", "expressions": refers}
    ]
    assert granted(read(plan)) == [ITEM]


@pytest.mark.parametrize("name", TERRAFORM)
def test_the_policies_of_a_role_are_found_in_what_terraform_shows(name: str, read: Read) -> None:
    value, expected, unread = TERRAFORM[name]
    sources = read(value)
    assert granted(sources) == expected
    assert tuple(name for source in sources for name, _ in source.unread) == unread


def test_a_role_in_a_module_is_found_by_its_name_and_by_its_address(read: Read) -> None:
    inner = {
        "address": 'module.shop["eu"]',
        "resources": [
            resource('module.shop["eu"].aws_iam_role.orders', {"name": "orders"}),
            resource('module.shop["eu"].aws_iam_role_policy.a', {"policy": TEXT}),
        ],
    }
    written = {
        "address": "aws_iam_role_policy.a",
        "expressions": {"role": {"references": ["aws_iam_role.orders"]}},
    }
    value = {
        "format_version": "1.2",
        "planned_values": {"root_module": {"child_modules": [inner]}},
        "configuration": {"root_module": {"module_calls": {"shop": {"module": {"resources": [written]}}}}},
    }
    (source,) = read(value)
    assert granted([source]) == [ITEM]
    line = source.place(0, "Action", 0).line
    assert '"policy": ' in Path("t.json").read_text().splitlines()[line - 1]
    context = TemplateContext("another")
    assert granted(read(value, mark='#module.shop["eu"].aws_iam_role.orders', context=context)) == [ITEM]


# --- CloudFormation --------------------------------------------------------------------------------

TABLE = {"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": "orders"}}


def role(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "orders"} | properties}


def policy(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": {"PolicyDocument": document()} | properties}


def inline(on: Any = ARN) -> dict[str, Any]:
    return role(Policies=[{"PolicyName": "p", "PolicyDocument": document(on=on)}])


CLOUDFORMATION: dict[str, tuple[dict[str, Any], list[str], tuple[str, ...]]] = {
    "an inline policy": ({"R": inline()}, [ITEM], ()),
    "the ARN of a table with a name": (
        {"T": TABLE, "R": inline({"Fn::GetAtt": ["T", "Arn"]})},
        [ITEM],
        (),
    ),
    "a text with variables": (
        {"T": TABLE, "R": inline({"Fn::Sub": "${T.Arn}/index/*"})},
        [f"dynamodb:GetItem {ARN}/index/*"],
        (),
    ),
    "pseudo parameters, defaults, and a variable of IAM": (
        {
            "R": inline(
                {"Fn::Sub": "arn:${AWS::Partition}:s3:::${Stage}-${AWS::Region}-${AWS::AccountId}/${!aws:username}"}
            )
        },
        ["dynamodb:GetItem arn:aws:s3:::prod-eu-west-1-111122223333/${aws:username}"],
        (),
    ),
    "parts that are joined": (
        {"R": inline({"Fn::Join": ["", ["arn:aws:s3:::", {"Ref": "Stage"}]]})},
        ["dynamodb:GetItem arn:aws:s3:::prod"],
        (),
    ),
    "a policy that names the role": (
        {"R": role(), "P": policy("AWS::IAM::Policy", Roles=[{"Ref": "R"}])},
        [ITEM],
        (),
    ),
    "a policy of a role that is elsewhere": (
        {"P": policy("AWS::IAM::RolePolicy", RoleName="orders")},
        [ITEM],
        (),
    ),
    "attached policies": (
        {
            "R": role(
                ManagedPolicyArns=[
                    {"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/job/ReadOnly"},
                    "arn:aws:iam::aws:policy/Unknown",
                ]
            )
        },
        ["s3:ListBucket *"],
        ("arn:aws:iam::aws:policy/Unknown",),
    ),
    "either branch of a condition, in a list and as the list": (
        {
            "R": role(
                ManagedPolicyArns=[
                    {"Fn::If": ["IsProd", "arn:aws:iam::aws:policy/AdministratorAccess", {"Ref": "AWS::NoValue"}]}
                ],
                Policies={"Fn::If": ["IsProd", [{"PolicyName": "p", "PolicyDocument": document()}], []]},
            )
        },
        [ITEM],
        ("arn:aws:iam::aws:policy/AdministratorAccess",),
    ),
    "a policy that a condition may leave out": (
        {"R": role(), "P": policy("AWS::IAM::Policy", Roles=[{"Ref": "R"}]) | {"Condition": "IsProd"}},
        [ITEM],
        (),
    ),
    "a list of ARNs that is a parameter": (
        {"R": role(ManagedPolicyArns={"Ref": "Arns"})},
        ["s3:ListBucket *"],
        ("arn:aws:iam::aws:policy/Unknown",),
    ),
    "a list of roles that is a parameter": (
        {"P": policy("AWS::IAM::Policy", Roles={"Ref": "Roles"})},
        [ITEM],
        (),
    ),
    "one of a list, parts of a text, and a value of a map": (
        {
            "R": inline(
                {
                    "Fn::Sub": [
                        "arn:aws:s3:::${a}-${b}-${c}",
                        {
                            "a": {"Fn::Select": [1, ["x", "y"]]},
                            "b": {"Fn::Select": ["0", {"Fn::Split": ["/", "z/w"]}]},
                            "c": {"Fn::FindInMap": ["Names", {"Ref": "Stage"}, "bucket"]},
                        },
                    ]
                }
            )
        },
        ["dynamodb:GetItem arn:aws:s3:::y-z-live"],
        (),
    ),
    "the ARN of a log group": (
        {
            "L": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/shop"}},
            "R": inline({"Fn::GetAtt": ["L", "Arn"]}),
        },
        ["dynamodb:GetItem arn:aws:logs:eu-west-1:111122223333:log-group:/shop:*"],
        (),
    ),
    "a role without any policy": ({"R": role()}, [], ()),
    "another role's policy is not taken": (
        {"R": inline(), "O": role(RoleName="other", Policies=[{"PolicyDocument": document("iam:*", "*")}])},
        [ITEM],
        (),
    ),
}  # fmt: skip


@pytest.mark.parametrize("suffix", ["json", "yaml"])
@pytest.mark.parametrize("name", CLOUDFORMATION)
def test_the_policies_of_a_role_are_found_in_a_template(name: str, suffix: str, read: Read) -> None:
    resources, expected, unread = CLOUDFORMATION[name]
    parameters = {
        "Stage": {"Default": "prod"},
        "Arns": {
            "Type": "CommaDelimitedList",
            "Default": "arn:aws:iam::aws:policy/job/ReadOnly, arn:aws:iam::aws:policy/Unknown",
        },
        "Roles": {"Type": "List<String>", "Default": "other, orders"},
    }
    mappings = {"Names": {"prod": {"bucket": "live"}}}
    sources = read({"Parameters": parameters, "Mappings": mappings, "Resources": resources}, f"t.{suffix}")
    assert granted(sources) == expected
    assert tuple(name for source in sources for name, _ in source.unread) == unread


SAM = """\
Transform: AWS::Serverless-2016-10-31
Resources:
  Shop:
    Type: AWS::Serverless::Function
    Properties:
      Policies:
        - ReadOnly
        - S3ReadPolicy:
            BucketName: !Ref Bucket
        - Version: 2012-10-17
          Statement:
            - Effect: Allow
              Action: dynamodb:GetItem
              Resource: !GetAtt Table.Arn
            - Effect: Allow
              Action: [sqs:SendMessage]
              Resource: !Sub arn:aws:sqs:${AWS::Region}:${AWS::AccountId}:q
  Table:
    Type: AWS::Serverless::SimpleTable
    Properties: {TableName: orders}
"""


@pytest.mark.parametrize(("mark", "name"), [("#ShopRole", "orders"), ("", "shop-ShopRole-1A2B3C")])
def test_a_function_of_sam_has_a_role_whose_name_a_deployment_makes(mark: str, name: str, read: Read) -> None:
    context = TemplateContext(name, "111122223333", "aws", "eu-west-1", KNOWN)
    sources = read(SAM, "t.yaml", mark, context)
    assert granted(sources) == [
        ITEM,
        "s3:ListBucket *",
        "sqs:SendMessage arn:aws:sqs:eu-west-1:111122223333:q",
    ]
    assert sources[-1].unread == (("SAM policy template S3ReadPolicy", (8, 11)),)
    assert sources[0].place(0, "Action", 0) == (13, 23)
    assert sources[0].place(1, "Action", 0) == (16, 24)


def test_a_function_of_sam_whose_role_a_condition_may_leave_out_has_one_of_its_own(read: Read) -> None:
    text = SAM.replace(
        "      Policies:\n", "      Role: !If [Own, !Ref Given, !Ref AWS::NoValue]\n      Policies:\n", 1
    )
    sources = read(text, "t.yaml", "#ShopRole", CONTEXT)
    assert ITEM in granted(sources)


@pytest.mark.parametrize("merged", ["<<: *d", "<<: [*d]"])
def test_a_merge_key_hides_nothing_since_the_file_is_refused(merged: str, read: Read) -> None:
    text = SAM.replace("    Properties:\n", f"    Properties:\n      {merged}\n", 1)
    with pytest.raises(UsageError, match=r"t\.yaml:7 has the merge key <<"):
        read(
            text.replace(
                "Resources:\n", "Extra: &d {Policies: [AdministratorAccess]}\nResources:\n", 1
            ).replace("Extra", "Metadata"),
            "t.yaml",
            "#ShopRole",
        )


def test_a_template_without_the_role_names_those_it_has(read: Read) -> None:
    with pytest.raises(UsageError, match=r"t\.yaml has no policies of the role 'orders'") as caught:
        read(SAM, "t.yaml")
    assert caught.value.hints == ("it has roles: ShopRole; name one of them: t.yaml#ShopRole",)
    with pytest.raises(UsageError) as caught:
        read(terraform(OTHER))
    assert caught.value.hints == ("it has roles: other; name one of them: t.json#other",)


DENY = {
    "PolicyName": "d",
    "PolicyDocument": {"Statement": [{"Effect": "Deny", "Action": "iam:*", "Resource": "*"}]},
}
DENYING = {
    "Type": "AWS::IAM::Policy",
    "Condition": "IsProd",
    "Properties": {"Roles": [{"Ref": "R"}], "PolicyDocument": DENY["PolicyDocument"]},
}

UNTOLD: dict[str, tuple[Any, str]] = {
    "an import": (
        {"Resources": {"R": inline({"Fn::ImportValue": "x"})}},
        "R.Policies.0.PolicyDocument.Statement.0: the template does not tell Fn::ImportValue",
    ),
    "functions that are not as they should be": (
        {"Resources": {"R": inline({"Fn::Join": ["", 5]})}},
        "R.Policies.0.PolicyDocument.Statement.0: the template does not tell Fn::Join",
    ),
    "an attribute of nothing": (
        {"Resources": {"R": inline({"Fn::GetAtt": 5})}},
        "R.Policies.0.PolicyDocument.Statement.0: the template does not tell Fn::GetAtt",
    ),
    "the ARN of what has no name": (
        {"Resources": {"T": {"Type": "AWS::DynamoDB::Table"}, "R": inline({"Fn::GetAtt": ["T", "Arn"]})}},
        "R.Policies.0.PolicyDocument.Statement.0: the template does not tell T.Arn",
    ),
    "a parameter whose default is the name of one of Systems Manager": (
        {
            "Parameters": {"S": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/shop/table"}},
            "Resources": {"R": inline({"Ref": "S"})},
        },
        "R.Policies.0.PolicyDocument.Statement.0: the template does not tell S, a parameter of Systems Manager",
    ),
    "a list within a text": (
        {
            "Parameters": {"L": {"Type": "CommaDelimitedList", "Default": "a,b"}},
            "Resources": {"R": inline({"Fn::Sub": "arn:aws:s3:::${L}"})},
        },
        "R.Policies.0.PolicyDocument.Statement.0: the template does not tell L",
    ),
    "one of too short a list": (
        {"Resources": {"R": inline({"Fn::Select": [2, ["a", "b"]]})}},
        "R.Policies.0.PolicyDocument.Statement.0: the template does not tell Fn::Select",
    ),
    "a map that has no such key": (
        {"Mappings": {"M": {"a": {}}}, "Resources": {"R": inline({"Fn::FindInMap": ["M", "a", "b"]})}},
        "R.Policies.0.PolicyDocument.Statement.0: the template does not tell Fn::FindInMap",
    ),
    "a branch of a condition within a value": (
        {"Resources": {"R": inline({"Fn::If": ["IsProd", {"Ref": "Stage"}, ARN]})}},
        "R.Policies.0.PolicyDocument.Statement.0: the template does not tell Stage",
    ),
    "a Deny that a condition may leave out": (
        {"Resources": {"R": inline(), "P": DENYING}},
        "P.PolicyDocument.Statement.0: it has a Deny that a condition may leave out",
    ),
    "a Deny in one branch of a condition": (
        {"Resources": {"R": role(Policies=[{"Fn::If": ["IsProd", DENY, {"Ref": "AWS::NoValue"}]}])}},
        "R.Policies.0.Fn::If.1.PolicyDocument.Statement.0: it has a Deny that a condition may leave out",
    ),
    "a parameter without a default": (
        {"Resources": {"R": inline({"Ref": "Stage"})}},
        "R.Policies.0.PolicyDocument.Statement.0: the template does not tell Stage",
    ),
    "a policy that is known only after apply": (
        terraform(resource("aws_iam_role_policy.a", {"role": "orders"})),
        "aws_iam_role_policy.a: its policy is known only after apply",
    ),
}


@pytest.mark.parametrize("name", UNTOLD)
def test_what_a_template_does_not_tell_is_an_unknown_grant_and_no_guess(name: str, read: Read) -> None:
    value, message = UNTOLD[name]
    assert untold(read(value)) == [message]


@pytest.mark.parametrize("text", ["[", "a: b\n c", "&a [*a]", "- " * 300, "x: !!python/object:os.system {}"])
def test_yaml_that_is_no_template_is_refused(text: str, read: Read) -> None:
    with pytest.raises(UsageError) as caught:
        read(text, "t.yaml")
    assert caught.value.code == "PG-E219"


def test_without_pyyaml_the_install_line_is_named(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(UsageError) as caught:
        read(SAM, "t.yaml")
    assert (caught.value.code, caught.value.hints[0]) == (
        "PG-E252",
        "pip install '.[yaml]' in the checkout, with the Python that runs policygen",
    )


# --- What cannot be read is named ------------------------------------------------------------------

LOOP = {
    "Fn::ForEach::Grants": ["Name", ["a"], {"P${Name}": policy("AWS::IAM::RolePolicy", RoleName="orders")}]
}


@pytest.mark.parametrize("suffix", ["json", "yaml"])
@pytest.mark.parametrize(
    ("key", "value"),
    [*LOOP.items(), ("Fn::Transform", {"Name": "AWS::Include", "Parameters": {"Location": "s3://b/t"}})],
)
def test_what_cloudformation_would_expand_is_not_read(key: str, value: Any, suffix: str, read: Read) -> None:
    template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"R": inline(), key: value}}
    ((name, _),) = rest_of(read(template, f"t.{suffix}")).unread
    assert name == f"{'::'.join(key.split('::')[:3])} (not expanded)"


TWICE = {
    "t.json": '{"Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": {}, "Properties": {"RoleName": "a"}}}}',
    "p.json": '{"Statement": [{"Effect": "Allow", "Action": "s3:*", "Action": "s3:GetObject", "Resource": "*"}]}',
    "t.yaml": "Resources:\n  R:\n    Type: AWS::IAM::Role\n    Properties: {}\n    Properties: {RoleName: a}\n",
}


@pytest.mark.parametrize("name", TWICE)
def test_a_key_that_is_there_twice_is_named(name: str, read: Read) -> None:
    with pytest.raises(UsageError) as caught:
        read(TWICE[name], name)
    key = "Action" if name == "p.json" else "Properties"
    assert f"the key {key!r}" in caught.value.message
    assert caught.value.hints[0].startswith(f"leave one {key!r} out")
    assert "comma" not in caught.value.hints[0]


def with_unknown(plan: dict[str, Any], **unknown: Any) -> dict[str, Any]:
    """The plan with what its resources know only after apply, by the last part of their addresses."""
    resources = plan["planned_values"]["root_module"]["resources"]
    by_name = {one["address"].rpartition(".")[2]: one["address"] for one in resources}
    changes = [
        {
            "address": by_name[name],
            "change": {"actions": ["create"], "after_unknown": dict.fromkeys(keys, True)},
        }
        for name, keys in unknown.items()
    ]
    return plan | {"resource_changes": changes}


def attaching(kind: str, values: dict[str, Any], **refs: str) -> dict[str, Any]:
    address = f"aws_iam_{kind}.x"
    made = resource("aws_iam_policy.p", {"policy": json.dumps(document("iam:*", "*"))})
    own = {"role": "orders", "roles": ["orders"], "role_name": "orders"}
    role_is = {"role_policy_attachment": "role", "policy_attachment": "roles"}.get(kind, "role_name")
    values = {role_is: own[role_is]} | values
    return terraform(ROLE, INLINE, made, resource(address, values), refs={address: refs} if refs else {})


ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
SESSION = "orders-session"


def exclusive(*names: str) -> dict[str, Any]:
    return resource("aws_iam_role_policies_exclusive.x", {"role_name": "orders", "policy_names": list(names)})


def attached_by_the_role(address: str) -> dict[str, Any]:
    return resource(address, {"name": "orders", "managed_policy_arns": [ADMIN]})


STILL = parse_policy(document("sqs:SendMessage", "*"), SESSION)

GRANTING: dict[str, tuple[dict[str, Any], list[str], tuple[str, ...]]] = {
    "the exclusive list of a role's managed policies": (
        attaching("role_policy_attachments_exclusive", {"policy_arns": [ADMIN]}),
        [ITEM],
        (ADMIN,),
    ),
    "an inline policy that stays by its name": (
        terraform(INLINE, exclusive(SESSION)),
        [ITEM, "sqs:SendMessage *"],
        (),
    ),
    "an inline policy that stays and that nobody knows": (
        terraform(INLINE, exclusive("y")),
        [ITEM],
        ("inline policy y",),
    ),
    "the exclusive names of inline policies of the plan": (
        terraform(
            resource("aws_iam_role_policy.a", {"role": "orders", "policy": TEXT, "name": "y"}),
            exclusive("y"),
        ),
        [ITEM],
        (),
    ),
    "an attachment to several roles": (
        attaching("policy_attachment", {"roles": ["other", "orders"], "policy_arn": ADMIN}),
        [ITEM],
        (ADMIN,),
    ),
    "a managed policy that the role names": (
        terraform(INLINE, attached_by_the_role("aws_iam_role.r")),
        [ITEM],
        (ADMIN,),
    ),
    "a role's name in other letters": (
        terraform(INLINE, resource("aws_iam_role_policy_attachment.x", {"role": "OrderS", "policy_arn": ADMIN})),
        [ITEM],
        (ADMIN,),
    ),
    "a role by its ARN": (
        terraform(
            INLINE,
            resource(
                "aws_iam_role_policy.z",
                {"role": "arn:aws:iam::111122223333:role/job/orders", "policy": json.dumps(document("iam:*", "*"))},
            ),
        ),
        [ITEM, "iam:* *"],
        (),
    ),
    "an inline policy of Cloud Control": (
        terraform(resource("awscc_iam_role_policy.x", {"role_name": "orders", "policy_document": TEXT})),
        [ITEM],
        (),
    ),
    "a role of Cloud Control": (
        terraform(
            resource(
                "awscc_iam_role.x",
                {
                    "role_name": "orders",
                    "policies": [{"policy_name": "x", "policy_document": TEXT}],
                    "managed_policy_arns": [ADMIN],
                },
            )
        ),
        [ITEM],
        (ADMIN,),
    ),
    "a managed policy of Cloud Control": (
        terraform(resource("awscc_iam_managed_policy.x", {"roles": ["other", "ORDERS"], "policy_document": TEXT})),
        [ITEM],
        (),
    ),
    "a new role, whose lists the provider computes": (
        with_unknown(
            terraform(ROLE, INLINE, refs={ROLE["address"]: {}}),
            orders=["managed_policy_arns", "inline_policy"],
        ),
        [ITEM],
        (),
    ),
    "what is there already": (
        terraform(INLINE, {"mode": "data"} | attached_by_the_role("data.aws_iam_role.o")),
        [ITEM],
        (),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GRANTING)
def test_every_way_to_grant_counts(name: str, read: Read) -> None:
    value, expected, unread = GRANTING[name]
    context = replace(CONTEXT, inline={SESSION: STILL})
    sources = read(value, context=context)
    assert granted(sources) == expected
    assert tuple(name for source in sources for name, _ in source.unread) == unread


NOT_TOLD: dict[str, tuple[dict[str, Any], str]] = {
    "a role's managed policies, one of them new": (
        with_unknown(
            terraform(ROLE, INLINE, refs={ROLE["address"]: {"managed_policy_arns": "aws_iam_policy.p"}}),
            orders=["managed_policy_arns"],
        ),
        "aws_iam_role.orders.managed_policy_arns: which policy it attaches",
    ),
    "a role's managed policies without a configuration": (
        with_unknown(terraform(ROLE, INLINE), orders=["managed_policy_arns"]),
        "aws_iam_role.orders.managed_policy_arns: which policy it attaches",
    ),
    "roles without a configuration": (
        with_unknown(attaching("policy_attachment", {"roles": None, "policy_arn": ADMIN}), x=["roles"]),
        "aws_iam_policy_attachment.x: which role it is of",
    ),
    "roles that name another one, and perhaps a text beside it": (
        with_unknown(
            attaching("policy_attachment", {"roles": None, "policy_arn": ADMIN}, roles="aws_iam_role.other"),
            x=["roles"],
        ),
        "aws_iam_policy_attachment.x: which role it is of",
    ),
    "one policy of the exclusive list": (
        attaching("role_policy_attachments_exclusive", {"policy_arns": [ADMIN, None]}),
        "aws_iam_role_policy_attachments_exclusive.x.policy_arns: which policy it attaches",
    ),
    "the exclusive list": (
        attaching("role_policy_attachments_exclusive", {}, policy_arns="aws_iam_policy.p"),
        "aws_iam_role_policy_attachments_exclusive.x.policy_arns: which policy it attaches",
    ),
    "the exclusive names of inline policies": (
        terraform(INLINE, resource("aws_iam_role_policies_exclusive.x", {"role_name": "orders"})),
        "aws_iam_role_policies_exclusive.x.policy_names: which policies it keeps",
    ),
    "the role of the exclusive list": (
        attaching("role_policy_attachments_exclusive", {"role_name": None, "policy_arns": [ADMIN]}),
        "aws_iam_role_policy_attachments_exclusive.x: which role it is of",
    ),
    "the role's own inline policies": (
        with_unknown(
            terraform(ROLE, INLINE, refs={ROLE["address"]: {"inline_policy": "aws_sqs_queue.q"}}),
            orders=["inline_policy"],
        ),
        "aws_iam_role.orders.inline_policy: it",
    ),
}


@pytest.mark.parametrize("name", NOT_TOLD)
def test_what_terraform_knows_after_apply_alone_is_an_unknown_grant(name: str, read: Read) -> None:
    value, message = NOT_TOLD[name]
    assert untold(read(value)) == [f"{message} is known only after apply"]


WHOSE: dict[str, tuple[Any, str]] = {
    "a parameter": ({"Ref": "Name"}, "Name"),
    "an import": ({"Fn::ImportValue": "role"}, "Fn::ImportValue"),
    "a parameter of Systems Manager": ("{{resolve:ssm:/orders/role}}", "{{resolve:ssm:/orders/role}}"),
    "a branch of a condition": ({"Fn::If": ["Prod", "x", {"Ref": "Name"}]}, "Name"),
}


@pytest.mark.parametrize("kind", ["AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy"])
@pytest.mark.parametrize("name", WHOSE)
def test_a_policy_of_a_role_that_a_template_does_not_tell_is_an_unknown_grant(
    name: str, kind: str, read: Read
) -> None:
    value, shown = WHOSE[name]
    attribute: dict[str, Any] = (
        {"RoleName": value} if kind.endswith("RolePolicy") else {"Roles": ["x", value]}
    )
    template = {
        "Parameters": {"Name": {"Type": "String"}},
        "Resources": {"R": inline(), "P": policy(kind, **attribute)},
    }
    assert untold(read(template)) == [f"P: which role it is of: the template does not tell {shown}"]


OF_THE_ROLE: dict[str, tuple[dict[str, Any], list[str]]] = {
    "either name of a condition": (
        {"P": policy("AWS::IAM::RolePolicy", RoleName={"Fn::If": ["Prod", "orders", "other"]})},
        [ITEM],
    ),
    "a name in other letters": ({"P": policy("AWS::IAM::RolePolicy", RoleName="OrderS")}, [ITEM]),
    "a parameter with several roles": (
        {"R": role(), "P": policy("AWS::IAM::Policy", Roles={"Ref": "Several"})},
        [ITEM],
    ),
    "another role of the stack": (
        {
            "R": inline(),
            "O": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": {"Ref": "Name"}}},
            "P": policy("AWS::IAM::Policy", Roles=[{"Ref": "O"}], PolicyDocument=document("iam:*", "*")),
        },
        [ITEM],
    ),
    "another role of the stack, where the role is elsewhere": (
        {
            "N": role(RoleName="named"),
            "S": policy("AWS::IAM::Policy", Roles=[{"Ref": "N"}], PolicyDocument=document("iam:*", "*")),
            "O": {"Type": "AWS::IAM::Role"},
            "P": policy("AWS::IAM::Policy", Roles=[{"Ref": "O"}], PolicyDocument=document("iam:*", "*")),
            "Q": policy("AWS::IAM::RolePolicy", RoleName="orders"),
        },
        [ITEM],
    ),
    "what is left out of lists": (
        {
            "R": role(
                Policies=[{"Ref": "AWS::NoValue"}, {"PolicyDocument": document()}],
                ManagedPolicyArns=[{"Ref": "AWS::NoValue"}],
            )
        },
        [ITEM],
    ),
    "no role": (
        {"R": inline(), "P": policy("AWS::IAM::Policy", Roles=[{"Ref": "AWS::NoValue"}], Users=["ann"])},
        [ITEM],
    ),
}


@pytest.mark.parametrize("name", OF_THE_ROLE)
def test_a_template_says_in_many_ways_of_which_role_a_policy_is(name: str, read: Read) -> None:
    resources, expected = OF_THE_ROLE[name]
    parameters = {
        "Name": {"Type": "String"},
        "Several": {"Type": "CommaDelimitedList", "Default": "other, orders"},
    }
    assert granted(read({"Parameters": parameters, "Resources": resources})) == expected


def test_a_role_that_is_named_by_its_part_has_what_names_it_too(read: Read) -> None:
    resources = {
        "R": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": {"Ref": "Name"}}},
        "P": policy("AWS::IAM::RolePolicy", RoleName={"Ref": "R"}),
        "Q": policy("AWS::IAM::RolePolicy", RoleName="orders", PolicyDocument=document("iam:*", "*")),
    }
    template = {"Parameters": {"Name": {"Type": "String"}}, "Resources": resources}
    assert granted(read(template, mark="#R")) == [ITEM, "iam:* *"]
    assert untold(read(template)) == [
        "P: which role it is of: the template does not tell the name of R",
        "R.RoleName: which role it is: the template does not tell its name",
    ]


def test_a_role_whose_name_nothing_tells_may_be_the_one_that_its_pattern_fits(read: Read) -> None:
    """Of a role of the same name the template has a policy by itself."""
    for name, fits in {
        "${AWS::StackName}-billing": False,
        "${AWS::StackName}ders": True,
        "${AWS::StackName}": True,
    }.items():
        named = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": {"Fn::Sub": name}}}
        joined = {"Fn::Join": ["", [{"Ref": "AWS::StackName"}, name.partition("}")[2]]]}
        other = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": joined}}
        own = {"P": policy("AWS::IAM::RolePolicy", RoleName="orders")}
        assert len(untold(read({"Resources": {"N": named, "M": other, **own}}))) == 2 * fits


def test_a_role_of_terraform_whose_name_is_known_after_apply_may_be_any_and_one_with_a_prefix_is_new(
    read: Read,
) -> None:
    named = resource("aws_iam_role.named", {})
    random = resource("aws_iam_role.random", {"name_prefix": "orders"})
    sources = read(
        terraform(INLINE, named, random, refs={"aws_iam_role.named": {"name": "terraform_data.name"}})
    )
    assert untold(sources) == ["aws_iam_role.named.name: which role it is is known only after apply"]


@pytest.mark.parametrize("form", ["terraform", "cloudformation"])
def test_what_one_of_two_definitions_denies_the_other_may_allow(form: str, read: Read) -> None:
    deny = {"Effect": "Deny", "Action": ["s3:*"], "Resource": ["*"]}
    denying = {"Version": "2012-10-17", "Statement": [deny, *document()["Statement"]]}
    bound = "arn:aws:iam::111122223333:policy/fence"
    if form == "terraform":
        inline = [{"name": "x", "policy": json.dumps(denying)}]
        here = resource("aws_iam_role.here", {"name": "orders", "inline_policy": inline})
        there = resource("aws_iam_role.there", {"name": "orders", "permissions_boundary": bound})
        value = terraform(here, there)
    else:
        twice = {
            "A": role(RoleName="orders", Policies=[{"PolicyDocument": denying}]),
            "B": role(RoleName="orders"),
        }
        twice["B"]["Properties"]["PermissionsBoundary"] = bound
        value = {"Resources": twice}
    sources = with_certain_denials(read(value))
    effects = {one.effect for source in sources for one in source.policy.statements}
    assert (granted(sources), effects) == ([ITEM], {"Allow"})
    assert sorted(reason.rpartition("lack ")[2] for reason in untold(sources)) == [
        "its Deny", "its permissions boundary", "its permissions boundary",
    ]  # fmt: skip
    if form == "cloudformation":  # what is left still stands where it stood
        (source,) = (one for one in sources if one.policy.statements)
        lines = Path("t.json").read_text("utf-8").splitlines()
        assert "dynamodb:GetItem" in lines[source.place(0, "Action", 0).line - 1]
    alone = read(terraform(ROLE, INLINE))
    assert with_certain_denials(alone) == alone


def rest_of(sources: list[PolicySource]) -> TemplateRest:
    (found,) = (one.rest for one in sources if one.rest)
    return found


UNREAD: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "the rest of a plan that ended with an error": (
        terraform(ROLE, INLINE) | {"errored": True},
        ("what Terraform had not planned when it ended with an error",),
    ),
    "a program that runs when a resource is made": (
        terraform(INLINE)
        | {
            "configuration": {
                "root_module": {
                    "resources": [{"address": "null_resource.n", "provisioners": [{"type": "local-exec"}]}]
                }
            }
        },
        ("null_resource.n (its provisioner)",),
    ),
    "a membership in a group of elsewhere": (
        terraform(INLINE, resource("aws_iam_group_membership.m", {"group": "admins", "users": ["ann"]})),
        ("aws_iam_group_membership.m",),
    ),
    "who gets a permission set of elsewhere": (
        terraform(
            INLINE, resource("aws_ssoadmin_account_assignment.a", {"permission_set_arn": "arn:aws:sso:::x/y"})
        ),
        ("aws_ssoadmin_account_assignment.a",),
    ),
    "a stack": (
        terraform(INLINE, resource("aws_cloudformation_stack.s", {})),
        ("aws_cloudformation_stack.s",),
    ),
    "a policy by Cloud Control": (
        terraform(INLINE, resource("aws_cloudcontrolapi_resource.c", {"type_name": "AWS::IAM::RolePolicy"})),
        ("aws_cloudcontrolapi_resource.c",),
    ),
    "what Cloud Control makes of no known type": (
        terraform(INLINE, resource("aws_cloudcontrolapi_resource.c", {})),
        ("aws_cloudcontrolapi_resource.c",),
    ),
    "a queue by Cloud Control": (
        terraform(INLINE, resource("aws_cloudcontrolapi_resource.c", {"type_name": "AWS::SQS::Queue"})),
        (),
    ),
    "a resource of roles that is newer": (
        terraform(INLINE, resource("aws_iam_role_policies_anew.n", {})),
        ("aws_iam_role_policies_anew.n",),
    ),
    "a plan that is not whole": (
        terraform(INLINE) | {"complete": False},
        ('what the plan leaves out ("complete" is false, as with -target)',),
    ),
    "what Terraform forgets, and what its planned values lack": (
        terraform(INLINE)
        | {
            "resource_changes": [
                {"address": f"{kind}.{name}", "type": kind, "change": change}
                for kind in ("aws_iam_role_policy", "aws_sqs_queue")
                for name, change in (
                    ("f", {"actions": ["forget"], "after": None}),
                    ("h", {"actions": ["create"], "after": {"role": "orders"}}),
                    ("d", {"actions": ["delete"], "after": None}),
                )
            ]
        },
        (
            "aws_iam_role_policy.f (forgotten, and still there)",
            "aws_iam_role_policy.h (not among the planned values)",
        ),
    ),
    "what the plan defers": (
        terraform(INLINE)
        | {
            "complete": False,
            "deferred_changes": [{"resource_change": {"address": "aws_iam_role_policy.d"}}],
        },
        ("aws_iam_role_policy.d (deferred)",),
    ),
    "a nested stack": (
        {"Resources": {"R": inline(), "S": {"Type": "AWS::CloudFormation::Stack"}}},
        ("S (AWS::CloudFormation::Stack)",),
    ),
    "a module": (
        {"Resources": {"R": inline(), "M": {"Type": "Shop::Roles::Iam::MODULE"}}},
        ("M (Shop::Roles::Iam::MODULE)",),
    ),
    "a function that deploys": (
        {"Resources": {"R": inline(), "C": {"Type": "Custom::Attach"}}},
        ("C (Custom::Attach)",),
    ),
    "a connector, and one within a resource": (
        {
            "Transform": ["AWS::Serverless-2016-10-31"],
            "Resources": {
                "R": inline(),
                "C": {"Type": "AWS::Serverless::Connector"},
                "T": TABLE | {"Connectors": {"Read": {}}},
            },
        },
        ("C (AWS::Serverless::Connector)", "T.Read (a connector)"),
    ),
    "what SAM adds to a function's role": (
        {
            "Transform": "AWS::Serverless-2016-10-31",
            "Globals": {"Function": {"Tracing": "Active"}},
            "Resources": {
                "F": {
                    "Type": "AWS::Serverless::Function",
                    "Properties": {"Events": {"Jobs": {"Type": "SQS"}, "Web": {"Type": "Api"}}},
                },
                "Other": {"Type": "AWS::Serverless::Function", "Properties": {"VpcConfig": {}}},
            },
        },
        (
            "what SAM adds to FRole for Tracing, Events.Jobs",
            "what SAM adds to OtherRole for Tracing, VpcConfig",
        ),
    ),
    "a macro": (
        {"Transform": ["AWS::LanguageExtensions", "Grants"], "Resources": {"R": inline()}},
        ("what the macro Grants makes of it",),
    ),
    "an include": (
        {"Fn::Transform": {"Name": "AWS::Include"}, "Resources": {"R": inline()}},
        ("what the macro AWS::Include makes of it",),
    ),
    "users, groups and tables": (
        {"Resources": {"R": inline(), "T": TABLE, "U": {"Type": "AWS::IAM::UserPolicy"}}},
        (),
    ),
}


@pytest.mark.parametrize("name", UNREAD)
def test_what_may_grant_and_is_not_read_is_named(name: str, read: Read) -> None:
    value, unread = UNREAD[name]
    mark = "#FRole" if "F" in value.get("Resources", ()) else ""
    assert tuple(part for part, _ in rest_of(read(value, mark=mark)).unread) == unread


def test_the_other_roles_of_a_template_are_named(read: Read) -> None:
    plan = terraform(
        ROLE,
        INLINE,
        resource("aws_iam_role.made", {}),
        resource("awscc_iam_role.cc", {"role_name": "Cc"}),
        resource("aws_iam_role_policy.o", {"role": "Elsewhere", "policy": TEXT}),
        resource("aws_iam_role_policy.p", {"role": "ELSEWHERE", "policy": TEXT}),
        resource("aws_iam_policy_attachment.p", {"roles": ["Third", "Orders"], "policy_arn": ADMIN}),
    )
    assert sorted(rest_of(read(plan)).roles.values()) == ["Cc", "Elsewhere", "Third", "aws_iam_role.made"]
    template = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {
            "R": inline(),
            "O": role(RoleName="Other"),
            "Made": {"Type": "AWS::IAM::Role"},
            "Flow": {"Type": "AWS::Serverless::StateMachine", "Properties": {}},
            "P": policy("AWS::IAM::Policy", Roles=["Elsewhere", {"Ref": "R"}, {"Ref": "O"}]),
        },
    }
    assert sorted(rest_of(read(template)).roles.values()) == ["Elsewhere", "FlowRole", "Made", "Other"]
