"""Renders a plan for the Serverless Framework: the statements of the role that it makes for a service.

Source: Serverless Framework, IAM ("provider.iam.role.statements") and Variables: ``${aws:…}`` is a variable of its
own. Versions differ in how one is escaped, so none is written: where the document has ``${``, CloudFormation joins
the two characters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from policygen.plan.model import Plan
from policygen.report.iac.cloudformation_common import policy_ids, unattached
from policygen.report.iac.common import boundary_arn, header_comment, listed, moved_comment
from policygen.report.iac.limits import check_documents, reject_cfn_references, reject_js_builtins
from policygen.report.iac.names import kebab
from policygen.report.iac.yaml import dump

_LISTS = ("Action", "NotAction", "Resource", "NotResource")


def render(plan: Plan) -> str:
    """Return a serverless.yml that is valid by itself; users move `iam` into their own service.

    Raises:
        UsageError: PG-E241, a name that CloudFormation would read as something else.
    """
    check_documents(plan, "Serverless", reject_cfn_references, reject_js_builtins)
    role: dict[str, Any]
    more: dict[str, Any] = {}
    if len(plan.policies) == 1:
        role = {"statements": [_statement(one) for one in plan.policies[0].document["Statement"]]}
    else:
        role = {"managedPolicies": [{"Ref": name} for name in policy_ids(plan)]}
        more = {"resources": {"Resources": _joined(unattached(plan))}}
    if bound := boundary_arn(plan):
        role["permissionsBoundary"] = bound
    service = {
        "service": f"{kebab(plan.role.name)}-service",
        "provider": {"name": "aws", "iam": {"role": role}},
    }
    return header_comment(plan, "#", *moved_comment(plan, "iam into your service")) + dump(service | more)


def _statement(statement: Mapping[str, Any]) -> dict[str, Any]:
    """Return the statement with lists where Serverless's own check of the file requires them."""
    lists = {name: listed(statement[name]) for name in _LISTS if name in statement}
    joined: dict[str, Any] = _joined({**statement, **lists})
    return joined


def _joined(value: Any) -> Any:
    """Return the value with ``${`` in texts split, for CloudFormation to join."""
    if isinstance(value, str):
        pieces = re.split(r"(?<=\$)(?=\{)", value)
        return value if len(pieces) == 1 else {"Fn::Join": ["", pieces]}
    if isinstance(value, Mapping):
        return {key: _joined(inner) for key, inner in value.items()}
    return [_joined(inner) for inner in value]
