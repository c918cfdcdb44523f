"""IAM documents and ARNs of policies, as the account writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shop.cast import PRODUCTION

Json = dict[str, Any]

AWS_MANAGED: Json = json.loads((Path(__file__).parent / "aws_managed.json").read_text("utf-8"))
"""Default versions of the AWS managed policies in use, by name."""


def allow(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> Json:
    """Return a statement that allows actions."""
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def document(*statements: Json) -> Json:
    """Return a policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def customer_arn(name: str) -> str:
    """Return the ARN of a policy of the account."""
    return f"arn:aws:iam::{PRODUCTION}:policy/{name}"


def aws_arn(name: str) -> str:
    """Return the ARN of an AWS managed policy."""
    return f"arn:aws:iam::aws:policy{AWS_MANAGED[name]['Path']}{name}"
