"""IAM's last-accessed reports on the last day: GetServiceLastAccessedDetails of each role that can be edited.

IAM counts attempts, also denied ones and data events. So its reports show the use of the topic, the queue and the
traces of orders-api, which the trail does not log. A report only lists services that the role's own policies grant;
that of deploy-ci, whose policy is a NotAction, lists nearly all of AWS. services.txt has their prefixes.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from shop import cast
from shop.cast import REGION, Role

Json = dict[str, Any]

MADE = "2026-11-24T22:44:00Z"

_LAST: dict[Role, dict[str, str]] = {
    cast.ORDERS_API: {
        "cloudwatch": "2026-08-02T03:15:00Z",
        "dynamodb": "2026-11-24T22:36:06Z",
        "iam": "2026-11-18T02:41:23Z",
        "kms": "2026-11-24T22:36:02Z",
        "logs": "2026-11-24T22:36:04Z",
        "s3": "2026-11-24T21:38:59Z",
        "secretsmanager": "2026-11-24T22:36:02Z",
        "sns": "2026-11-22T18:04:31Z",
        "sqs": "2026-11-24T22:38:10Z",
        "ssm": "2026-11-24T22:36:02Z",
        "states": "2026-11-24T21:38:58Z",
        "sts": "2026-11-20T10:31:02Z",
        "xray": "2026-11-24T22:36:05Z",
    },
    cast.STOCK_SYNC: {
        "dynamodb": "2026-11-24T22:07:08Z",
        "kinesis": "2026-11-24T22:07:12Z",
        "logs": "2026-11-24T22:07:13Z",
        "s3": "2026-11-24T16:07:11Z",
    },
    cast.REPORT_MONTHLY: {
        "athena": "2026-11-01T05:02:13Z",
        "glue": "2026-11-01T05:02:01Z",
        "logs": "2026-11-01T05:03:02Z",
        "s3": "2026-11-01T05:02:09Z",
        "secretsmanager": "2026-11-01T05:02:59Z",
        "ses": "2026-11-01T05:03:00Z",
    },
    cast.IMAGE_RESIZER: {
        "dynamodb": "2026-11-24T13:47:51Z",
        "lambda": "2026-11-24T13:47:46Z",
        "logs": "2026-11-24T13:47:52Z",
        "rekognition": "2026-11-24T13:47:44Z",
        "s3": "2026-11-24T13:47:45Z",
    },
    cast.PAYMENTS_WEBHOOK: {
        "dynamodb": "2026-11-24T13:35:26Z",
        "logs": "2026-11-24T07:42:54Z",
        "secretsmanager": "2026-11-24T07:42:55Z",
    },
    cast.CATALOG_SEARCH: {
        "dynamodb": "2026-11-24T13:40:35Z",
        "logs": "2026-11-24T13:40:33Z",
        "s3": "2026-11-24T09:01:06Z",
    },
    cast.NEWSLETTER: dict.fromkeys(("dynamodb", "logs", "ses"), "2026-11-19T08:05:44Z"),
    cast.CART_CLEANUP: {"dynamodb": "2026-11-24T02:58:13Z", "logs": "2026-11-24T02:58:11Z"},
    # All its calls are denied. IAM counts them as attempts.
    cast.LEGACY_EXPORT: {"s3": "2026-11-24T02:01:27Z"},
    cast.AUDIT_READER: {},
    cast.DEPLOY_CI: {
        "apigateway": "2026-11-24T10:11:25Z",
        "cloudformation": "2026-10-20T11:26:03Z",
        "cloudfront": "2026-11-24T10:11:32Z",
        "ec2": "2026-11-24T10:10:13Z",
        "ecr": "2026-11-24T10:10:03Z",
        "iam": "2026-11-24T10:10:54Z",
        "lambda": "2026-11-24T10:11:02Z",
    },
    cast.FULFILMENT: {"dynamodb": "2026-11-20T10:31:03Z"},
    cast.STOCK_SYNC_STAGING: {"dynamodb": "2026-11-20T11:07:02Z", "logs": "2026-11-20T11:07:01Z"},
    # The agent of Systems Manager; its messages are in no trail.
    cast.BASTION: {
        "ec2messages": "2026-11-20T09:32:08Z",
        "ssm": "2026-11-20T09:32:06Z",
        "ssmmessages": "2026-11-20T09:32:07Z",
    },
}

# Some of the actions that IAM tracks, with the time of a role's last attempt.
_TRACKED = {
    "cloudwatch": ("DeleteAlarms", "DescribeAlarms", "GetMetricStatistics", "ListMetrics", "PutMetricAlarm"),
    "iam": ("CreateUser", "DeleteRole", "ListUsers"),
    "lambda": ("CreateFunction", "DeleteFunction", "UpdateFunctionCode"),
    "s3": ("CreateBucket", "DeleteBucket", "PutBucketPolicy"),
    "sqs": (
        "AddPermission",
        "CancelMessageMoveTask",
        "CreateQueue",
        "DeleteQueue",
        "GetQueueAttributes",
        "GetQueueUrl",
        "ListDeadLetterSourceQueues",
        "ListMessageMoveTasks",
        "ListQueueTags",
        "ListQueues",
        "PurgeQueue",
        "RemovePermission",
        "SetQueueAttributes",
        "StartMessageMoveTask",
        "TagQueue",
        "UntagQueue",
    ),
    "xray": ("GetSamplingRules",),
}
_TRIED = {
    # Somebody's night watch, in summer.
    (cast.ORDERS_API, "cloudwatch", "DescribeAlarms"): "2026-08-02T03:15:00Z",
    # The pipeline makes a function once, before the last thirty days, and updates them all the time.
    (cast.DEPLOY_CI, "lambda", "CreateFunction"): "2026-10-20T11:25:43Z",
    (cast.DEPLOY_CI, "lambda", "UpdateFunctionCode"): "2026-11-24T10:11:02Z",
    # Calls of the thief, both denied.
    (cast.ORDERS_API, "iam", "ListUsers"): "2026-11-18T02:41:23Z",
    (cast.ORDERS_API, "s3", "DeleteBucket"): "2026-11-18T02:41:20Z",
}


def reports(roles: Iterable[Json], policies: Iterable[Json]) -> dict[str, Json]:
    """Return role ARN -> report, for those of an account's roles that are listed above.

    Args:
        roles: the RoleDetailList of the account.
        policies: its Policies.
    """
    documents = {policy["Arn"]: policy["PolicyVersionList"][0]["Document"] for policy in policies}
    by_arn = {role["Arn"]: role for role in roles}
    return {
        role.arn: _report(role, _granted(by_arn[role.arn], documents))
        for role in sorted(_LAST, key=lambda role: role.arn)
        if role.arn in by_arn
    }


def _report(role: Role, services: list[str]) -> Json:
    return {
        "JobStatus": "COMPLETED",
        "JobType": "ACTION_LEVEL",
        "JobCreationDate": MADE,
        "JobCompletionDate": MADE,
        "ServicesLastAccessed": [_service(role, service) for service in services],
    }


def _service(role: Role, service: str) -> Json:
    last = _LAST[role].get(service)
    row: Json = {"ServiceName": service, "ServiceNamespace": service}
    if last:
        row |= {
            "LastAuthenticated": last,
            "LastAuthenticatedEntity": role.arn,
            "LastAuthenticatedRegion": cast.GLOBAL_REGION if service == "iam" else REGION,
        }
    row["TotalAuthenticatedEntities"] = int(bool(last))
    if service in _TRACKED:
        row["TrackedActionsLastAccessed"] = [_action(role, service, name) for name in _TRACKED[service]]
    return row


def _action(role: Role, service: str, name: str) -> Json:
    tried = _TRIED.get((role, service, name))
    row: Json = {"ActionName": name}
    return row | ({"LastAccessedEntity": role.arn, "LastAccessedTime": tried} if tried else {})


def _granted(detail: Json, documents: dict[str, Json]) -> list[str]:
    """Return the services with actions that a role's own policies allow, sorted."""
    texts = [inline["PolicyDocument"] for inline in detail["RolePolicyList"]]
    texts += [documents[entry["PolicyArn"]] for entry in detail["AttachedManagedPolicies"]]
    allowing = [one for text in texts for one in text["Statement"] if one["Effect"] == "Allow"]
    granted = {action.partition(":")[0] for one in allowing for action in _listed(one.get("Action", []))}
    for one in allowing:
        if "NotAction" in one:
            granted |= _every_service() - {
                action.removesuffix(":*") for action in _listed(one["NotAction"]) if action.endswith(":*")
            }
    return sorted(granted)


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _every_service() -> set[str]:
    """Return the prefixes of AWS's services, as of November 2026."""
    return set((Path(__file__).parent / "services.txt").read_text("utf-8").split())
