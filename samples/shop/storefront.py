"""Small functions of the shop with one job each, which their roles may do and a good deal more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from random import Random

from shop import cast
from shop.cast import FEEDS_BUCKET, REGION, Role
from shop.functions import invoke, later, midnights, moments
from shop.record import Caller, Record, dynamodb, lambda_session, log_stream, s3, service, uid


def payments_webhook() -> Iterator[Record]:
    """A payment provider reports payments to the API; each is written down once."""
    rng = Random("payments-webhook")
    for midnight in midnights():
        times = moments(rng, midnight, 3, 6, 23)
        caller: Caller | None = None
        for when in times:
            yield invoke(service(rng, "apigateway"), when, "payments-webhook") | {"sharedEventID": uid(rng)}
            if caller is None:
                caller, started = _start(rng, cast.PAYMENTS_WEBHOOK, when)
                yield from started
                name = {"secretId": cast.WEBHOOK_SECRET}
                yield caller.call(later(when), "secretsmanager", "GetSecretValue", name, read=True)
            key = {"paymentId": f"p-{rng.randrange(10**6):06d}"}
            fields = ["paymentId", "orderId", "state"]
            put = {"tableName": "payments", "key": key, "item": fields}
            yield dynamodb(caller, later(when, 2), "PutItem", ["payments"], put)


def catalog_search() -> Iterator[Record]:
    """Customers search; every morning the catalog is read anew from the suppliers' files."""
    rng = Random("catalog-search")
    for midnight in midnights():
        for number, when in enumerate(moments(rng, midnight, 2, 6, 22)):
            caller, started = _start(rng, cast.CATALOG_SEARCH, when)
            yield from started
            if number == 0:
                feed = f"feeds/{when:%Y-%m-%d}/supplier-a.csv"
                yield s3(caller, later(when), "GetObject", FEEDS_BUCKET, feed, read=True)
            query = {"tableName": "catalog", "keyConditionExpression": "category = :c", "limit": 50}
            yield dynamodb(caller, later(when, 2), "Query", ["catalog"], query)


def newsletter() -> Iterator[Record]:
    """On Thursdays a mail goes to all who asked for it."""
    rng = Random("newsletter")
    for midnight in midnights():
        if midnight.weekday() != 3:
            continue
        for when in moments(rng, midnight, 1, 8, 10):
            caller, started = _start(rng, cast.NEWSLETTER, when)
            yield from started
            yield dynamodb(
                caller, later(when), "Scan", ["subscribers"], {"tableName": "subscribers", "limit": 500}
            )
            sender = f"arn:aws:ses:{REGION}:{cast.PRODUCTION}:identity/shop.example"
            mail = {
                "fromEmailAddress": "news@shop.example",
                "destination": {"toAddresses": ["HIDDEN_DUE_TO_SECURITY_REASONS"]},
            }
            yield caller.call(
                later(when, 4),
                "ses",
                "SendEmail",
                mail,
                resources=[{"accountId": cast.PRODUCTION, "type": "AWS::SES::EmailIdentity", "ARN": sender}],
                data=True,
            )


def cart_cleanup() -> Iterator[Record]:
    """Every night carts that nobody came back to are deleted."""
    rng = Random("cart-cleanup")
    for midnight in midnights():
        for when in moments(rng, midnight, 1, 2, 3):
            caller, started = _start(rng, cast.CART_CLEANUP, when)
            yield from started
            old = {"tableName": "carts", "indexName": "by-age", "keyConditionExpression": "d = :d"}
            yield dynamodb(caller, later(when), "Query", ["carts"], old)
            gone = {"tableName": "carts", "key": {"cartId": f"c-{rng.randrange(10**6):06d}"}}
            yield dynamodb(caller, later(when, 2), "DeleteItem", ["carts"], gone)


def _start(rng: Random, role: Role, when: datetime) -> tuple[Caller, list[Record]]:
    """Return the session of the function that has the role's name, and the records of its start."""
    address = f"54.170.{rng.randrange(16, 240)}.{rng.randrange(4, 250)}"
    caller, assumed = lambda_session(rng, role, role.name, when, address)
    return caller, [assumed, log_stream(caller, when, role.name)]
