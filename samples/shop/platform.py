"""The configuration around the roles on the last day: functions, event source mappings, trail selectors."""

from __future__ import annotations

from typing import Any

from shop import cast
from shop.cast import REGION, Role

Json = dict[str, Any]


def function(name: str, role: Role, **more: Any) -> Json:
    """Return a function's configuration, as ListFunctions has it."""
    return {
        "FunctionName": name,
        "FunctionArn": cast.function_arn(name, role.account),
        "Role": role.arn,
        "PackageType": "Image",
        "Timeout": 30,
        "MemorySize": 512,
        "LastModified": "2026-11-24T15:12:40.000+0000",
        "Version": "$LATEST",
        "TracingConfig": {"Mode": "PassThrough"},
        "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": [], "VpcId": ""},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"},
        "Architectures": ["arm64"],
        **more,
    }


def functions() -> list[Json]:
    """Output of ListFunctions: stock-sync runs in a VPC, orders-api has its own key and is traced."""
    network = {
        "SubnetIds": ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"],
        "SecurityGroupIds": ["sg-0a1b2c3d4e5f60718"],
        "VpcId": "vpc-0a1b2c3d4e5f60718",
    }
    return [
        function("cart-cleanup", cast.CART_CLEANUP),
        function("catalog-search", cast.CATALOG_SEARCH),
        function("image-resizer", cast.IMAGE_RESIZER),
        function("legacy-export", cast.LEGACY_EXPORT, PackageType="Zip", Runtime="python3.9"),
        function("newsletter", cast.NEWSLETTER),
        function("orders-api", cast.ORDERS_API, TracingConfig={"Mode": "Active"}, KMSKeyArn=cast.SECRET_KEY),
        function("payments-webhook", cast.PAYMENTS_WEBHOOK),
        function("report-monthly", cast.REPORT_MONTHLY, PackageType="Zip", Runtime="python3.13"),
        function(
            "stock-sync",
            cast.STOCK_SYNC,
            VpcConfig=network,
            DeadLetterConfig={"TargetArn": cast.FAILURES_QUEUE},
        ),
        function("thumbnail-index", cast.IMAGE_RESIZER),
    ]


def event_source_mappings() -> list[Json]:
    """A queue that invokes orders-api. Lambda polls it with the role's permissions; no event shows this."""
    return [
        {
            "UUID": "5f0b1c7e-2d3a-4b8c-9e6f-7a1d2c3b4e5f",
            "BatchSize": 10,
            "EventSourceArn": cast.EVENTS_QUEUE,
            "FunctionArn": cast.function_arn("orders-api"),
            "LastModified": "2025-08-14T09:00:00Z",
            "State": "Enabled",
            "StateTransitionReason": "USER_INITIATED",
        }
    ]


def event_invoke_configs() -> list[Json]:
    """A schedule invokes stock-sync asynchronously; failed invocations go to the queue of failures."""
    return [
        {
            "LastModified": "2026-10-30T09:20:00Z",
            "FunctionArn": cast.function_arn("stock-sync") + ":$LATEST",
            "MaximumRetryAttempts": 1,
            "DestinationConfig": {"OnSuccess": {}, "OnFailure": {"Destination": cast.FAILURES_QUEUE}},
        }
    ]


def trail() -> Json:
    """The organisation's trail. It logs data events of S3, DynamoDB, Lambda, Kinesis and SES, not SQS, SNS, X-Ray."""
    selectors: list[Json] = [
        {"Name": "management", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}
    ]
    types = (
        "AWS::S3::Object",
        "AWS::DynamoDB::Table",
        "AWS::Lambda::Function",
        "AWS::Kinesis::Stream",
        "AWS::SES::EmailIdentity",
    )
    for kind in types:
        fields = [
            {"Field": "eventCategory", "Equals": ["Data"]},
            {"Field": "resources.type", "Equals": [kind]},
        ]
        selectors.append({"Name": f"data {kind}", "FieldSelectors": fields})
    return {
        "Trail": {
            "Name": "org-trail",
            "S3BucketName": cast.TRAIL_BUCKET,
            "IncludeGlobalServiceEvents": True,
            "IsMultiRegionTrail": True,
            "HomeRegion": REGION,
            "TrailARN": cast.TRAIL_ARN,
            "LogFileValidationEnabled": True,
            "HasCustomEventSelectors": True,
            "HasInsightSelectors": True,
            "IsOrganizationTrail": True,
        },
        "Status": {
            "IsLogging": True,
            "LatestDeliveryTime": "2026-11-24T22:45:00Z",
            "StartLoggingTime": "2025-03-01T08:00:00Z",
            "LatestDigestDeliveryTime": "2026-11-24T22:45:00Z",
        },
        "AdvancedEventSelectors": selectors,
    }
