"""The roles that SAM makes for functions, written out as AWS SAM's specification describes them.

Source: AWS SAM Developer Guide, AWS::Serverless::Function, Generated CloudFormation resources, Policy templates.
"""

from __future__ import annotations

from typing import Any

from tests.judges.deploy import ACCOUNT, REGION, SAM_BASIC, Document, allowing

NO_VALUE = {"Ref": "AWS::NoValue"}


def expanded(template: Document) -> Document:
    """Return a template without functions of SAM: with the roles that they get."""
    of_all = template.pop("Globals", {}).get("Function", {})
    template.pop("Transform", None)
    for logical, one in list(template["Resources"].items()):
        if one["Type"] == "AWS::Serverless::Function":
            del template["Resources"][logical]
            if _makes_role(one["Properties"].get("Role", NO_VALUE)):
                condition = {"Condition": one["Condition"]} if "Condition" in one else {}
                role = {
                    "Type": "AWS::IAM::Role",
                    **condition,
                    "Properties": _role(of_all | one["Properties"]),
                }
                template["Resources"][f"{logical}Role"] = role
    return template


def _makes_role(role: Any) -> bool:
    """Return whether a function gets a role: it names none, or names none under some condition.

    The translator of SAM makes the role then whatever the condition says, and the function uses it or not.
    """
    if isinstance(role, dict) and "Fn::If" in role:
        return NO_VALUE in role["Fn::If"][1:]
    return bool(role == NO_VALUE)


def _role(function: Document) -> Document:
    given = function.get("Policies", [])
    documents, attached = [], [SAM_BASIC]
    for number, one in enumerate(given if isinstance(given, list) else [given]):
        found = _policy(one, f"P{number}")
        if found is None:
            attached.append(one)
        else:
            documents.append(found)
    properties = {
        "AssumeRolePolicyDocument": function.get("AssumeRolePolicyDocument", TRUST),
        "ManagedPolicyArns": attached,
        "Policies": documents,
    }
    if "PermissionsBoundary" in function:
        properties["PermissionsBoundary"] = function["PermissionsBoundary"]
    return properties


def _policy(one: Any, name: str) -> Any:
    """Return an inline policy; None for what is the ARN of a policy."""
    if isinstance(one, dict) and "Statement" in one:
        return {"PolicyName": name, "PolicyDocument": {"Version": "2012-10-17"} | one}
    if isinstance(one, dict) and "Fn::If" in one:
        condition, *branches = one["Fn::If"]
        found = [branch if branch == NO_VALUE else _policy(branch, name) for branch in branches]
        return None if None in found else {"Fn::If": [condition, *found]}
    if isinstance(one, dict) and len(one) == 1 and next(iter(one)) in TEMPLATES:
        ((template, given),) = one.items()
        action, resource = TEMPLATES[template]
        ((_, value),) = given.items()
        document = allowing(action, "")
        document["Statement"][0]["Resource"] = {"Fn::Sub": [resource, {"Name": value}]}
        return {"PolicyName": name, "PolicyDocument": document}
    return None


TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": ["lambda.amazonaws.com"]}, "Action": "sts:AssumeRole"}
    ],
}
TEMPLATES = {
    "S3ReadPolicy": ("s3:GetObject", "arn:aws:s3:::${Name}/*"),
    "SQSSendMessagePolicy": ("sqs:SendMessage", f"arn:aws:sqs:{REGION}:{ACCOUNT}:${{Name}}"),
}
"""Policy template -> an action that it allows, and its resource. Of several actions one is enough to see a loss."""
