"""What exists in an account: the resources that `policygen snapshot` lists, of the types that it reads.

The shop has no cluster, no file system and no domain. So nobody need ask whether a role uses the data planes of these,
which no trail of the shop would show.
"""

from __future__ import annotations

from typing import Any

from shop import cast
from shop.cast import PRODUCTION, REGION, STAGING

Json = dict[str, Any]

_TYPES = (
    "AWS::APS::Workspace", "AWS::ApiGateway::RestApi", "AWS::ApiGatewayV2::Api", "AWS::AppSync::GraphQLApi",
    "AWS::DAX::Cluster", "AWS::DynamoDB::Table", "AWS::EFS::FileSystem", "AWS::ElastiCache::ReplicationGroup",
    "AWS::ElastiCache::ServerlessCache", "AWS::Events::ApiDestination", "AWS::Events::Connection",
    "AWS::Kinesis::Stream", "AWS::Lambda::Url", "AWS::MSK::Cluster", "AWS::MSK::ServerlessCluster",
    "AWS::MemoryDB::Cluster", "AWS::Neptune::DBCluster", "AWS::OpenSearchServerless::Collection",
    "AWS::OpenSearchService::Domain", "AWS::RDS::DBCluster", "AWS::RDS::DBInstance", "AWS::SQS::Queue",
    "AWS::StepFunctions::Activity", "AWS::StepFunctions::StateMachine", "AWS::Timestream::Table",
)  # fmt: skip
_TABLES = ("carts", "catalog", "customers", "image-index", "orders", "payments", "stock", "subscribers")


def of_production() -> list[tuple[str, str]]:
    """Return type and ARN of what production has."""
    return [
        ("AWS::ApiGateway::RestApi", f"arn:aws:apigateway:{REGION}::/restapis/{cast.REST_API}"),
        ("AWS::Kinesis::Stream", cast.STREAM),
        ("AWS::SQS::Queue", cast.EVENTS_QUEUE),
        ("AWS::SQS::Queue", cast.FAILURES_QUEUE),
        ("AWS::StepFunctions::StateMachine", cast.STATE_MACHINE),
        *(("AWS::DynamoDB::Table", cast.table_arn(name, PRODUCTION)) for name in _TABLES),
    ]


def of_staging() -> list[tuple[str, str]]:
    """Return type and ARN of what staging has: two tables."""
    return [("AWS::DynamoDB::Table", cast.table_arn(name, STAGING)) for name in ("shipments", "stock")]


def resources(found: list[tuple[str, str]]) -> Json:
    """Return a snapshot's ``resources``: every region was read, and nothing was refused.

    Args:
        found: type and ARN of each.
    """
    return {
        "complete": list(_TYPES),
        "regions": "all",
        "items": [{"type": kind, "arn": arn, "region": REGION} for kind, arn in found],
    }
