"""The parts of the shop: accounts, roles, functions, buckets, tables, keys. All are invented."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

PRODUCTION = "111122223333"
STAGING = "444455556666"
MANAGEMENT = "999988887777"
ORGANISATION = "o-a1b2c3d4e5"
REGION = "eu-west-1"
GLOBAL_REGION = "us-east-1"

START = datetime(2026, 10, 10, 22, 40, tzinfo=UTC)
"""Begin of the trail. It ends at `END`, 45 days later."""
END = datetime(2026, 11, 24, 22, 40, tzinfo=UTC)
RECREATED = datetime(2026, 10, 30, 9, 12, 4, tzinfo=UTC)
"""When an administrator deleted the role stock-sync and created a new one with the same name."""
TIGHTENED = datetime(2026, 11, 12, 10, 30, 15, tzinfo=UTC)
"""When an administrator took secrets out of the permissions boundary of report-monthly."""


@dataclass(frozen=True, slots=True)
class Role:
    """An IAM role. Two roles that had the same name one after the other differ in `id`."""

    name: str
    id: str
    path: str = "/"
    account: str = PRODUCTION

    @property
    def arn(self) -> str:
        """The role's ARN, with its path."""
        return f"arn:aws:iam::{self.account}:role{self.path}{self.name}"


ORDERS_API = Role("orders-api", "AROAQ3EGRD5ZKX2M7T6WB", "/service-role/")
STOCK_SYNC = Role("stock-sync", "AROAQ3EGRD5ZN4V8YHC2J", "/service-role/")
STOCK_SYNC_BEFORE = Role("stock-sync", "AROAQ3EGRD5Z7P1LKS9DF", "/service-role/")
REPORT_MONTHLY = Role("report-monthly", "AROAQ3EGRD5ZT5J3XRQ8A", "/service-role/")
IMAGE_RESIZER = Role("image-resizer", "AROAQ3EGRD5ZB6U9GMN4E")
DEPLOY_CI = Role("deploy-ci", "AROAQ3EGRD5ZW2F7CVK5P", "/ci/")
LEGACY_EXPORT = Role("legacy-export", "AROAQ3EGRD5ZH8S1ZTL6Y")
AUDIT_READER = Role("audit-reader", "AROAQ3EGRD5ZD3Q6BWJ7N", "/security/")
PAYMENTS_WEBHOOK = Role("payments-webhook", "AROAQ3EGRD5ZK2V8RCX6T", "/service-role/")
CATALOG_SEARCH = Role("catalog-search", "AROAQ3EGRD5ZP5N1GHW9B", "/service-role/")
NEWSLETTER = Role("newsletter", "AROAQ3EGRD5ZE7T4YQJ3M", "/service-role/")
CART_CLEANUP = Role("cart-cleanup", "AROAQ3EGRD5ZS9L6DFU1Z", "/service-role/")
BASTION = Role("bastion", "AROAQ3EGRD5ZM9R4FXU2G")
SCALING = Role(
    "AWSServiceRoleForApplicationAutoScaling_DynamoDBTable",
    "AROAQ3EGRD5ZC1K8PVE3S",
    "/aws-service-role/dynamodb.application-autoscaling.amazonaws.com/",
)
ADMIN = Role(
    "AWSReservedSSO_AdministratorAccess_5e1f0a9b8c7d6e3f",
    "AROAQ3EGRD5ZY7L5DHA4V",
    "/aws-reserved/sso.amazonaws.com/eu-west-1/",
)
FULFILMENT = Role("fulfilment-writer", "AROAV8NTB2HXJ5C9WEK3R", account=STAGING)
STOCK_SYNC_STAGING = Role("stock-sync", "AROAV8NTB2HX4G7QMZY1U", "/service-role/", account=STAGING)

USER_NAME = "orders-api"
"""An IAM user with the name of a role."""
USER_ID = "AIDAQ3EGRD5ZF2X6LNS8T"

ORDERS_BUCKET = f"shop-orders-{PRODUCTION}"
FEEDS_BUCKET = f"shop-feeds-{PRODUCTION}"
IMAGES_BUCKET = f"shop-images-{PRODUCTION}"
LAKE_BUCKET = f"shop-lake-{PRODUCTION}"
RESULTS_BUCKET = f"shop-athena-results-{PRODUCTION}"
PARTNER_BUCKET = "shop-partner-drop"
"""A bucket whose bucket policy grants access to `image-resizer`. No identity policy does."""
TRAIL_BUCKET = f"shop-org-trail-{MANAGEMENT}"

DATA_KEY = f"arn:aws:kms:{REGION}:{PRODUCTION}:key/1f0c2b7e-5d0a-4c1e-9a53-7d7e6a0b9c9a"
SECRET_KEY = f"arn:aws:kms:{REGION}:{PRODUCTION}:key/8b4e17d2-0c63-4f9b-a8d5-2f1e3c5a7b60"
SECRET = f"arn:aws:secretsmanager:{REGION}:{PRODUCTION}:secret:shop/prod/payments-Xy7Qa2"
WEBHOOK_SECRET = f"arn:aws:secretsmanager:{REGION}:{PRODUCTION}:secret:shop/prod/webhook-Kd4Rw9"
STATE_MACHINE = f"arn:aws:states:{REGION}:{PRODUCTION}:stateMachine:order-fulfilment"
STREAM = f"arn:aws:kinesis:{REGION}:{PRODUCTION}:stream/stock-changes"
EVENTS_QUEUE = f"arn:aws:sqs:{REGION}:{PRODUCTION}:order-events"
ORDERS_TOPIC = f"arn:aws:sns:{REGION}:{PRODUCTION}:orders"
FAILURES_QUEUE = f"arn:aws:sqs:{REGION}:{PRODUCTION}:stock-sync-failures"
TRAIL_ARN = f"arn:aws:cloudtrail:{REGION}:{MANAGEMENT}:trail/org-trail"
REST_API = "k3x9f0ab1c"
VPC_ENDPOINT = "vpce-0a1b2c3d4e5f60718"


def function_arn(name: str, account: str = PRODUCTION) -> str:
    """Return the ARN of a Lambda function of the shop."""
    return f"arn:aws:lambda:{REGION}:{account}:function:{name}"


def table_arn(name: str, account: str = PRODUCTION) -> str:
    """Return the ARN of a DynamoDB table of the shop."""
    return f"arn:aws:dynamodb:{REGION}:{account}:table/{name}"
