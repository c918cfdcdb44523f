"""Deploys templates in moto, whose CloudFormation has an evaluation of its own, and reads the roles with boto3.

Where moto departs from CloudFormation:
- It leaves `null` in lists where `AWS::NoValue` stands: `_without_null` takes it out, as CloudFormation does.
- It ignores ManagedPolicyArns of a role, and keeps its inline policies as Python prints them: `_with_attached`.
- It has no AWS::IAM::RolePolicy and no SAM: `flattened` and `sam.expanded` write both as what moto has.
- It does not split the default of a list: each parameter is given, also where it has its default.
- In YAML it reads `!Condition`, `!GetAtt [a, b]` and short tags of objects wrongly, takes an unquoted Version for a
  date, and cannot choose the index of Fn::Select by a function: `yaml_text` and the generator do not write them.
- Fn::Equals compares a number with a text as unlike: the generator compares a number with a number.
- It reads AWS::SSM::Parameter::Name as a value of that type: the generator has no such parameter.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import MagicMock, patch

import boto3
import yaml
from moto import mock_aws

from tests.judges.deploy import ACCOUNT, ELSEWHERE, REGION, SAM_BASIC, Document, trusting
from tests.judges.deploy.rights import Rights
from tests.judges.deploy.sam import expanded

for _name in ("", ".validation", ".validation.exceptions"):
    # moto's CloudFormation imports its API Gateway, which wants a package that is used for APIs alone.
    sys.modules.setdefault(f"openapi_spec_validator{_name}", MagicMock())

LEGACY = "legacy"
"""A role that is in the account before any template is deployed, and has no policies."""
EXPORTS = {"BucketArn": "arn:aws:s3:::exported/*", "PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/everything"}
SYSTEMS_MANAGER = {
    "/app/bucket": "arn:aws:s3:::from-ssm/*",
    "/app/other": "arn:aws:s3:::other-from-ssm/*",
    "/app/list": "arn:aws:s3:::ssm-a/*,arn:aws:s3:::ssm-b/*",
}
"""Name of a parameter of Systems Manager -> its value."""
_SERVICES = ("cloudformation", "iam", "s3", "sqs", "sns", "dynamodb", "ssm", "logs")


class _Loader(yaml.CLoader):
    """Reads YAML in a tenth of the time that moto's takes."""


class Account:
    """An account in which one template at a time is deployed."""

    def __init__(self) -> None:
        self._iam = boto3.client("iam", region_name=REGION)
        self._stacks = boto3.client("cloudformation", region_name=REGION)
        self._parameters = boto3.client("ssm", region_name=REGION)

    def deploy(self, text: str, values: Mapping[str, str]) -> dict[str, tuple[str, Rights]]:
        """Return logical name -> name and rights of each role after a template is deployed; `LEGACY` among them."""
        from moto.cloudformation.models import Stack

        self._reset()
        template = flattened(expanded(copy.deepcopy(Stack.parse_template(text))))
        self._stacks.create_stack(
            StackName="stack",
            TemplateBody=json.dumps(template),
            Parameters=[
                {"ParameterKey": name, "ParameterValue": value} for name, value in sorted(values.items())
            ],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        found = {LEGACY: LEGACY}
        for one in self._stacks.describe_stack_resources(StackName="stack")["StackResources"]:
            if one.get("ResourceType") == "AWS::IAM::Role":
                found[one["LogicalResourceId"]] = one["PhysicalResourceId"]
        return {logical: (name, self._rights(name)) for logical, name in found.items()}

    def _reset(self) -> None:
        from moto.backends import get_backend

        for name in _SERVICES:
            get_backend(name).reset()  # type: ignore[call-overload]
        iam = get_backend("iam")[ACCOUNT]["aws"]
        for arn, document in ELSEWHERE.items():
            path, _, name = arn.rpartition(":policy")[2].rpartition("/")
            iam.create_policy("", f"{path}/", json.dumps(document), name, [])
        self._iam.create_role(RoleName=LEGACY, AssumeRolePolicyDocument=json.dumps(trusting(ACCOUNT)))
        for name, value in SYSTEMS_MANAGER.items():
            self._parameters.put_parameter(Name=name, Value=value, Type="String")
        outputs = {name: {"Value": value, "Export": {"Name": name}} for name, value in EXPORTS.items()}
        body = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}, "Outputs": outputs}
        self._stacks.create_stack(StackName="exports", TemplateBody=json.dumps(body))

    def _rights(self, role: str) -> Rights:
        iam = self._iam
        documents: list[Document] = [
            _as_object(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])
            for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
        ]
        attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        documents += [self._document(one["PolicyArn"]) for one in attached]
        found = iam.get_role(RoleName=role)["Role"]
        boundary = found.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        trust = _as_object(found["AssumeRolePolicyDocument"])
        return Rights(documents, self._document(boundary) if boundary else None, trust)

    def _document(self, arn: str) -> Document:
        version = self._iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        return _as_object(
            self._iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
        )


@contextmanager
def account() -> Iterator[Account]:
    """Give an account that reaches no network."""
    with ExitStack() as stack:
        keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
        stack.enter_context(patch.dict("os.environ", keys))
        stack.enter_context(mock_aws())
        from moto.cloudformation import parsing
        from moto.cloudformation.utils import yaml_tag_constructor
        from moto.iam.models import Role
        from moto.moto_api._internal import mock_random

        _Loader.add_multi_constructor("", yaml_tag_constructor)
        stack.enter_context(patch.object(yaml, "Loader", _Loader))
        mock_random.seed(0)  # the names that it makes up are the same in every run
        stack.enter_context(patch.object(parsing, "clean_json", _without_null(parsing.clean_json)))
        create = _with_attached(Role.create_from_cloudformation_json)
        stack.enter_context(patch.object(Role, "create_from_cloudformation_json", create))
        yield Account()


def flattened(template: Document) -> Document:
    """Return a template in which each AWS::IAM::RolePolicy is an AWS::IAM::Policy of one role."""
    for one in template["Resources"].values():
        if one["Type"] == "AWS::IAM::RolePolicy":
            one["Type"] = "AWS::IAM::Policy"
            one["Properties"]["Roles"] = [one["Properties"].pop("RoleName")]
    return template


def _without_null(clean: Any) -> Any:
    def cleaned(value: Any, resources: Any) -> Any:
        found = clean(value, resources)
        return [one for one in found if one is not None] if isinstance(found, list) else found

    return cleaned


def _with_attached(create: Any) -> Any:
    def created(name: str, written: Document, account_id: str, region: str, **more: Any) -> Any:
        from moto.iam.models import iam_backends

        for one in written["Properties"].get("Policies", []):
            one["PolicyDocument"] = json.dumps(one["PolicyDocument"])
        role, backend = create(name, written, account_id, region, **more), iam_backends[account_id]["aws"]
        for arn in written["Properties"].get("ManagedPolicyArns", []):
            if arn != SAM_BASIC:  # every function of SAM has it, and no template says so
                backend.attach_role_policy(arn, role.name)
        return role

    return created


def _as_object(value: Any) -> Document:
    found: Document = json.loads(value) if isinstance(value, str) else value
    return found
