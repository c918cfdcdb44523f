"""Deploys templates, and compares what the roles may do then with what the gate read of them. See README.md."""

from __future__ import annotations

from typing import Any, TypeAlias

Document: TypeAlias = dict[str, Any]
"""A policy document, or any other object of JSON."""

ACCOUNT, REGION = "123456789012", "eu-west-1"
OTHER_ACCOUNT = "210987654321"


def trusting(*principals: str) -> Document:
    """Return a trust policy."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": list(principals)}, "Action": "sts:AssumeRole"}
        ],
    }


def allowing(action: str, resource: str) -> Document:
    """Return a document of one statement."""
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}],
    }


SAM_BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
"""What SAM attaches to the role of every function, whatever its template says."""
ELSEWHERE: dict[str, Document] = {
    f"arn:aws:iam::{ACCOUNT}:policy/reader": allowing("s3:GetObject", "arn:aws:s3:::shared/*"),
    f"arn:aws:iam::{ACCOUNT}:policy/ops/writer": allowing("s3:PutObject", "arn:aws:s3:::shared/*"),
    f"arn:aws:iam::{ACCOUNT}:policy/everything": allowing("*", "*"),
    f"arn:aws:iam::{ACCOUNT}:policy/fence": allowing("s3:*", "*"),
    f"arn:aws:iam::{ACCOUNT}:policy/wall": allowing("sqs:*", "*"),
}
"""Managed policies that are in the account already: no template has their documents."""
KNOWN = frozenset(arn for arn in ELSEWHERE if arn.endswith(("/reader", "/ops/writer")))
"""Those whose documents the gate is given, as policies that the role has today."""
