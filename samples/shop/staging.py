"""The staging account on the last day: two roles, one function, two tables."""

from __future__ import annotations

from typing import Any

from shop import cast, inventory, platform
from shop.account import aws_policy, frame
from shop.cast import STAGING
from shop.documents import allow, document
from shop.roles import role_detail, trusted_by

Json = dict[str, Any]


def snapshot() -> Json:
    """Return the snapshot of staging."""
    return frame(
        STAGING,
        _roles(),
        users=[],
        policies=[aws_policy("AWSLambdaBasicExecutionRole"), aws_policy("AmazonDynamoDBFullAccess_v2")],
        functions=[platform.function("stock-sync", cast.STOCK_SYNC_STAGING)],
        mappings=[],
        invoke_configs=[],
        found=inventory.of_staging(),
    )


def _roles() -> list[Json]:
    return [
        role_detail(
            cast.FULFILMENT,
            "2025-06-18T09:26:40Z",
            _trusted_by_orders_api(),
            inline={"shipments": document(allow("dynamodb:*", f"{cast.table_arn('shipments', STAGING)}*"))},
            used="2026-11-20T10:31:00Z",
            tags={"team": "orders", "env": "staging"},
        ),
        role_detail(
            cast.STOCK_SYNC_STAGING,
            "2025-06-18T09:31:12Z",
            trusted_by("lambda"),
            managed=("AWSLambdaBasicExecutionRole", "AmazonDynamoDBFullAccess_v2"),
            used="2026-11-20T11:07:00Z",
            tags={"team": "stock", "env": "staging"},
        ),
    ]


def _trusted_by_orders_api() -> Json:
    caller = {"Effect": "Allow", "Principal": {"AWS": cast.ORDERS_API.arn}, "Action": "sts:AssumeRole"}
    return document(caller)
