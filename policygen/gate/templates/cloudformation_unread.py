"""What of a CloudFormation template may change the policies of a role and is not read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policygen.gate.templates.cloudformation_values import mentioned
from policygen.iam.locations import Path

_STACKS = {
    "AWS::CloudFormation::CustomResource",
    "AWS::CloudFormation::Stack",
    "AWS::CloudFormation::StackSet",
    "AWS::Serverless::Application",
    "AWS::Serverless::Connector",
    "AWS::ServiceCatalog::CloudFormationProvisionedProduct",
}
"""Types that hold a template of their own, grant without a policy in it, or run code."""
_OF_NO_ROLE = {
    f"AWS::IAM::{name}"
    for name in (
        "AccessKey", "InstanceProfile", "OIDCProvider", "SAMLProvider", "ServerCertificate", "ServiceLinkedRole",
        "VirtualMFADevice",
    )
}  # fmt: skip
_READ = {
    *(f"AWS::IAM::{name}" for name in ("ManagedPolicy", "Policy", "Role", "User", "Group")),
    *(f"AWS::IAM::{name}Policy" for name in ("Role", "User", "Group")),
}
_GIVING = {
    "AWS::IAM::User": ("Groups", "AWS::IAM::Group"),
    "AWS::IAM::UserToGroupAddition": ("GroupName", "AWS::IAM::Group"),
    "AWS::SSO::Assignment": ("PermissionSetArn", "AWS::SSO::PermissionSet"),
}
"""A resource that gives somebody what a group or a permission set has -> its property that says which, and its type."""
_KNOWN_TRANSFORMS = (
    "AWS::CodeDeployBlueGreen",
    "AWS::LanguageExtensions",
    "AWS::SecretsManager-",
    "AWS::Serverless-",
)
"""Transforms of AWS that change no policy, or whose resources are read."""


def unread_macros(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the macros that rewrite a whole template."""
    written = document.get("Transform")
    found = [*(written if isinstance(written, list) else [written]), document.get("Fn::Transform")]
    for one in found:
        name = one.get("Name") if isinstance(one, dict) else one
        if one is not None and not str(name).startswith(_KNOWN_TRANSFORMS):
            yield f"what the macro {name} makes of it"


def unread_resources(resources: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Path]]:
    """Yield the resources that may grant, each with its type and its place."""
    for logical, one in resources.items():
        kind, place = str(one["Type"]), ("Resources", logical)
        if kind in _GIVING:
            given, wanted = _GIVING[kind]
            properties = one.get("Properties")
            value = properties.get(given) if isinstance(properties, dict) else None
            here = [name for name in mentioned(value) if resources.get(name, {}).get("Type") == wanted]
            if value and not here:
                yield f"{logical}.{given} ({kind})", place
        elif _is_unread(kind):
            yield f"{logical} ({kind})", place
        elif isinstance(connectors := one.get("Connectors"), dict):
            yield from ((f"{logical}.{name} (a connector)", place) for name in connectors)


_ADDING = ("DeadLetterQueue", "EventInvokeConfig", "Tracing", "VpcConfig")
"""Properties of a function for which SAM gives its role more."""
_POLLED = {"DocumentDB", "DynamoDB", "Kinesis", "MQ", "MSK", "SQS", "SelfManagedKafka"}
"""Types of events that Lambda polls with the function's role, for which SAM attaches a policy."""


def added_by_sam(logical: str, properties: Mapping[str, Any]) -> Iterator[str]:
    """Yield what SAM adds by itself to the role that it makes.

    Source: AWS SAM Developer Guide, AWS::Serverless::Function.
    """
    events = properties.get("Events")
    listed = events.items() if isinstance(events, dict) else ()
    polled = [
        f"Events.{name}" for name, one in listed if isinstance(one, dict) and one.get("Type") in _POLLED
    ]
    found = [*(name for name in _ADDING if name in properties), *polled]
    if found:
        yield f"what SAM adds to {logical} for {', '.join(found)}"


def _is_unread(kind: str) -> bool:
    if kind.startswith("AWS::IAM::"):
        return kind not in _OF_NO_ROLE | _READ
    # Of a registry or an account: nobody knows what it makes.
    is_own = not kind.startswith(("AWS::", "Alexa::"))
    return is_own or kind in _STACKS or kind.endswith("::MODULE")
