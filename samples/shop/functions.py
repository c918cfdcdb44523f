"""The calls of the Lambda functions. Each scene yields records for the whole window, seeded with its name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from shop import cast
from shop.cast import END, IMAGES_BUCKET, LAKE_BUCKET, ORDERS_BUCKET, REGION, RESULTS_BUCKET, START
from shop.record import Caller, Record, copy_object, dynamodb, kms, lambda_session, log_stream, s3, uid

ODD_KEYS = ("incoming/supplier*.csv", "incoming/what-is-this?.csv", "incoming/${aws:username}.csv")
"""Object keys that IAM would read as patterns or variables. For S3 they are ordinary names."""


def midnights() -> Iterator[datetime]:
    """Yield the beginning of each day of the trail, also of the first and last one."""
    first = START.replace(hour=0, minute=0)
    return (first + timedelta(days=day) for day in range((END - first).days + 1))


def moments(rng: Random, midnight: datetime, count: int, first: int = 0, last: int = 24) -> list[datetime]:
    """Return up to `count` random seconds of a day between two hours, sorted, inside the window of the trail."""
    seconds = sorted(rng.randrange(first * 3600, last * 3600) for _ in range(count))
    return [when for second in seconds if START <= (when := midnight + timedelta(seconds=second)) < END]


def later(when: datetime, seconds: int = 1) -> datetime:
    """Return a time some seconds later."""
    return when + timedelta(seconds=seconds)


def orders_api() -> Iterator[Record]:
    """The back end of the shop: about 50 calls a day, fewer at weekends, in three sessions a day."""
    rng = Random("orders-api")
    order = 100
    for midnight in midnights():
        for shift in (0, 8, 16):
            times = moments(rng, midnight, 4 if midnight.weekday() < 5 else 2, shift, shift + 8)
            if not times:
                continue
            created = times[0] - timedelta(seconds=4)
            caller, assumed = lambda_session(rng, cast.ORDERS_API, "orders-api", created, _address(rng))
            yield assumed
            yield from _cold_start(caller, times[0])
            for when in times:
                order += 1
                yield from _order_flow(caller, later(when, 3), order)
        if midnight.weekday() == 0:
            yield from _import_feed(rng, midnight, ODD_KEYS[midnight.isocalendar().week % 3])
    last = END - timedelta(minutes=4)
    caller, assumed = lambda_session(rng, cast.ORDERS_API, "orders-api", last, _address(rng))
    yield assumed
    yield from _cold_start(caller, later(last))
    yield from _order_flow(caller, later(last, 4), order + 1)
    yield _throttled(rng)
    yield _delivered_late(rng)


def _address(rng: Random) -> str:
    return f"54.170.{rng.randrange(16, 240)}.{rng.randrange(4, 250)}"


def _cold_start(caller: Caller, when: datetime) -> Iterator[Record]:
    environment = {"aws:lambda:FunctionArn": cast.function_arn("orders-api")}
    yield kms(caller.via("lambda"), when, "Decrypt", cast.SECRET_KEY, environment)
    yield log_stream(caller, when, "orders-api")
    secret = {"secretId": cast.SECRET, "versionStage": "AWSCURRENT"}
    yield caller.call(later(when), "secretsmanager", "GetSecretValue", secret, read=True)
    context = {"SecretARN": cast.SECRET, "SecretVersionId": "c1f0d9ae-6b57-4f3b-8e0d-91a2b3c4d5e6"}
    yield kms(caller.via("secretsmanager"), later(when), "Decrypt", cast.SECRET_KEY, context)
    yield _parameter(caller, later(when))


def _parameter(caller: Caller, when: datetime, **more: Any) -> Record:
    name = "/shop/prod/orders/feature-flags"
    arn = f"arn:aws:ssm:{REGION}:{cast.PRODUCTION}:parameter{name}"
    resources = [{"ARN": arn, "accountId": cast.PRODUCTION}]  # SSM gives no type (1.9.1)
    params = {"name": name, "withDecryption": False}
    return caller.call(when, "ssm", "GetParameter", params, resources=resources, read=True, **more)


def _order_flow(caller: Caller, when: datetime, order: int) -> Iterator[Record]:
    """One request of a customer: view, buy, or get an invoice."""
    key = {"orderId": f"o-{order:06d}"}
    kind = caller.rng.random()
    yield dynamodb(caller, when, "GetItem", ["orders"], {"tableName": "orders", "key": key})
    if kind < 0.4:
        yield from _look(caller, later(when), key)
    elif kind < 0.75:
        yield from _buy(caller, later(when), key, order)
    else:
        yield from _fetch_invoice(caller, later(when), order)


def _look(caller: Caller, when: datetime, key: dict[str, str]) -> Iterator[Record]:
    by_order = {"tableName": "orders", "keyConditionExpression": "orderId = :o", "limit": 25}
    yield dynamodb(caller, when, "Query", ["orders"], by_order)
    by_customer = {
        "tableName": "orders",
        "indexName": "by-customer",
        "keyConditionExpression": "customerId = :c",
    }
    yield dynamodb(caller, when, "Query", ["orders"], by_customer)
    items = {
        "orders": {"keys": [key]},
        "customers": {"keys": [{"customerId": f"c-{caller.rng.randrange(4000):05d}"}]},
    }
    yield dynamodb(caller, later(when), "BatchGetItem", ["orders", "customers"], {"requestItems": items})


def _buy(caller: Caller, when: datetime, key: dict[str, str], order: int) -> Iterator[Record]:
    customer = {"customerId": f"c-{caller.rng.randrange(4000):05d}"}
    fields = ["orderId", "customerId", "lines", "total"]
    yield dynamodb(caller, when, "PutItem", ["orders"], {"tableName": "orders", "key": key, "item": fields})
    items = [
        {"operation": "Put", "tableName": "orders", "key": key, "items": fields},
        {
            "operation": "Update",
            "tableName": "customers",
            "key": customer,
            "updateExpression": "SET #n = #n + :one",
        },
        {
            "operation": "ConditionCheck",
            "tableName": "customers",
            "key": customer,
            "conditionExpression": "#s = :ok",
        },
    ]
    yield dynamodb(
        caller, later(when), "TransactWriteItems", ["orders", "customers"], {"requestItems": items}
    )
    name = f"order-{order:06d}"
    execution = cast.STATE_MACHINE.replace(":stateMachine:", ":execution:") + f":{name}"
    start = {"stateMachineArn": cast.STATE_MACHINE, "name": name, "input": "HIDDEN_DUE_TO_SECURITY_REASONS"}
    yield caller.call(later(when, 2), "states", "StartExecution", start, response={"executionArn": execution})
    invoice = f"invoices/{when:%Y/%m/%d}/inv-{order:06d}.pdf"
    yield s3(
        caller,
        later(when, 3),
        "PutObject",
        ORDERS_BUCKET,
        invoice,
        {"x-amz-server-side-encryption": "aws:kms"},
    )
    yield _object_key(caller, later(when, 3), "GenerateDataKey", invoice)
    update = {"tableName": "orders", "key": key, "updateExpression": "SET #s = :paid"}
    clash = ("ConditionalCheckFailedException", "The conditional request failed") if order % 40 == 0 else None
    yield dynamodb(caller, later(when, 4), "UpdateItem", ["orders"], update, error=clash)


def _object_key(caller: Caller, when: datetime, name: str, key: str) -> Record:
    """The KMS call that S3 makes for an object. The record names S3, or hides it as "AWS Internal" (1.5.7)."""
    s3_itself = caller.via("s3" if caller.rng.random() < 0.2 else "AWS Internal")
    return kms(s3_itself, when, name, cast.DATA_KEY, {"aws:s3:arn": f"arn:aws:s3:::{ORDERS_BUCKET}/{key}"})


def _fetch_invoice(caller: Caller, when: datetime, order: int) -> Iterator[Record]:
    day = when - timedelta(days=caller.rng.randrange(1, 20))
    key = f"invoices/{day:%Y/%m/%d}/inv-{order:06d}.pdf"
    chance = caller.rng.random()
    if chance < 0.15:
        missing = ("NoSuchKey", "The specified key does not exist.")
        yield s3(caller, when, "GetObject", ORDERS_BUCKET, key, read=True, error=missing)
        return
    version = {"versionId": caller.rng.randbytes(24).hex()[:32]} if chance < 0.3 else {}
    yield s3(caller, when, "GetObject", ORDERS_BUCKET, key, version, read=True)
    yield _object_key(caller, when, "Decrypt", key)


def _import_feed(rng: Random, midnight: datetime, odd: str) -> Iterator[Record]:
    """Once a week: read the suppliers' files under incoming/, and move them to archive/."""
    for when in moments(rng, midnight, 1, 3, 5):
        caller, assumed = lambda_session(rng, cast.ORDERS_API, "orders-api", when, _address(rng))
        yield assumed
        yield log_stream(caller, when, "orders-api")
        for place, key in enumerate((f"incoming/{when:%Y-%m-%d}.csv", odd)):
            at = later(when, 2 + 2 * place)
            yield s3(caller, at, "GetObject", ORDERS_BUCKET, key, read=True)
            yield _object_key(caller, at, "Decrypt", key)
            yield copy_object(caller, later(at), ORDERS_BUCKET, key, key.replace("incoming/", "archive/"))


def _throttled(rng: Random) -> Record:
    when = datetime.fromisoformat("2026-11-17T11:20:31Z")
    caller, _ = lambda_session(rng, cast.ORDERS_API, "orders-api", when, _address(rng))
    return _parameter(caller, when, error=("ThrottlingException", "Rate exceeded"))


def _delivered_late(rng: Random) -> Record:
    """A record that CloudTrail delivered two days late (1.1.7): its file is under a later day."""
    when = datetime.fromisoformat("2026-11-03T15:42:10Z")
    caller, _ = lambda_session(rng, cast.ORDERS_API, "orders-api", when, _address(rng))
    params = {"tableName": "orders", "key": {"orderId": "o-late"}}
    record = dynamodb(caller, when, "GetItem", ["orders"], params)
    return record | {
        "addendum": {
            "reason": "DELIVERY_DELAY",
            "updatedFields": None,
            "originalRequestID": None,
            "originalEventID": None,
        }
    }


def stock_sync() -> Iterator[Record]:
    """Every hour: compare the stock with the suppliers' figures, from inside the VPC."""
    rng = Random("stock-sync")
    for midnight in midnights():
        caller: Caller | None = None
        for hour in range(24):
            when = midnight + timedelta(hours=hour, minutes=7, seconds=rng.randrange(20))
            if not START <= when < END:
                continue
            role = cast.STOCK_SYNC if when >= cast.RECREATED else cast.STOCK_SYNC_BEFORE
            if caller is None or hour % 12 == 0 or not caller.identity["principalId"].startswith(role.id):
                fresh, assumed = lambda_session(
                    rng, role, "stock-sync", when, f"10.20.{rng.randrange(8)}.{rng.randrange(4, 250)}"
                )
                caller = replace(fresh, endpoint=cast.VPC_ENDPOINT)
                yield assumed
                yield log_stream(caller, when, "stock-sync")
            yield from _sync(caller, later(when, 2), role is cast.STOCK_SYNC_BEFORE)


def _sync(caller: Caller, when: datetime, predecessor: bool) -> Iterator[Record]:
    yield dynamodb(caller, when, "Scan", ["stock"], {"tableName": "stock", "limit": 500})
    if when.hour % 8 == 0:
        prefix = f"feeds/{when:%Y-%m-%d}/"
        listing = {"list-type": "2", "prefix": prefix, "delimiter": "/", "encoding-type": "url"}
        yield s3(caller, later(when), "ListObjects", cast.FEEDS_BUCKET, None, listing, read=True)
        yield s3(caller, later(when, 2), "GetObject", cast.FEEDS_BUCKET, f"{prefix}supplier-a.csv", read=True)
    if predecessor and when.hour % 4 == 0:
        gone = {"tableName": "stock", "key": {"sku": f"sku-{caller.rng.randrange(9000):04d}"}}
        yield dynamodb(caller, later(when, 3), "DeleteItem", ["stock"], gone)
    stream = [{"accountId": cast.PRODUCTION, "type": "AWS::Kinesis::Stream", "ARN": cast.STREAM}]
    yield caller.call(
        later(when, 4), "kinesis", "PutRecords", {"streamARN": cast.STREAM}, resources=stream, data=True
    )


def report_monthly() -> Iterator[Record]:
    """Only on the first of the month: Athena reads the lake with the role's permissions, then a mail is sent."""
    rng = Random("report-monthly")
    for midnight in midnights():
        if midnight.day != 1:
            continue
        when = midnight + timedelta(hours=5)
        caller, assumed = lambda_session(rng, cast.REPORT_MONTHLY, "report-monthly", when, _address(rng))
        yield assumed
        yield log_stream(caller, when, "report-monthly")
        for part in ("orders", "customers", "refunds"):
            when = later(when, 40)
            yield from _query(caller, when, part, midnight.date())
        mail = {"secretId": "shop/prod/report-mail"}
        yield caller.call(later(when, 59), "secretsmanager", "GetSecretValue", mail, read=True)
        sender = f"arn:aws:ses:{REGION}:{cast.PRODUCTION}:identity/shop.example"
        yield caller.call(
            later(when, 60),
            "ses",
            "SendEmail",
            {
                "fromEmailAddress": "reports@shop.example",
                "destination": {"toAddresses": ["HIDDEN_DUE_TO_SECURITY_REASONS"]},
            },
            resources=[{"accountId": cast.PRODUCTION, "type": "AWS::SES::EmailIdentity", "ARN": sender}],
            data=True,
        )


def _query(caller: Caller, when: datetime, table: str, day: date) -> Iterator[Record]:
    query = uid(caller.rng)
    output = f"s3://{RESULTS_BUCKET}/monthly/"
    start = {
        "queryString": "***OMITTED***",
        "workGroup": "reports",
        "queryExecutionContext": {"database": "shop"},
        "resultConfiguration": {"outputLocation": output},
    }
    yield caller.call(when, "athena", "StartQueryExecution", start, response={"queryExecutionId": query})
    athena = caller.via("athena")
    names = {"databaseName": "shop", "name": table}
    yield athena.call(later(when), "glue", "GetTable", names, read=True)
    parts = {"databaseName": "shop", "tableName": table, "expression": f"month='{day:%Y-%m}'"}
    yield athena.call(later(when), "glue", "GetPartitions", parts, read=True)
    prefix = f"lake/{table}/month={day:%Y-%m}/"
    yield s3(
        athena,
        later(when, 2),
        "ListObjects",
        LAKE_BUCKET,
        None,
        {"list-type": "2", "prefix": prefix},
        read=True,
    )
    yield s3(athena, later(when, 3), "GetObject", LAKE_BUCKET, f"{prefix}part-0000.parquet", read=True)
    yield s3(athena, later(when, 9), "PutObject", RESULTS_BUCKET, f"monthly/{query}.csv")
    mine = {"queryExecutionId": query}
    yield caller.call(later(when, 12), "athena", "GetQueryExecution", mine, read=True)
    yield caller.call(later(when, 13), "athena", "GetQueryResults", {**mine, "maxResults": 1000}, read=True)


def image_resizer() -> Iterator[Record]:
    """New images are labelled, resized, and passed to thumbnail-index, which has the same role."""
    rng = Random("image-resizer")
    for midnight in midnights():
        times = moments(rng, midnight, 4 if midnight.weekday() < 5 else 2, 6, 22)
        if not times:
            continue
        resizer, assumed = lambda_session(rng, cast.IMAGE_RESIZER, "image-resizer", times[0], _address(rng))
        yield assumed
        yield log_stream(resizer, times[0], "image-resizer")
        indexer: Caller | None = None
        if midnight.date() > date(2026, 10, 20):  # the day on which deploy-ci made the function
            indexer, assumed = lambda_session(
                rng, cast.IMAGE_RESIZER, "thumbnail-index", later(times[0], 5), _address(rng)
            )
            yield assumed
            yield log_stream(indexer, later(times[0], 5), "thumbnail-index")
        for when in times:
            yield from _resize(resizer, indexer, later(when, 6), rng.randrange(10**6))
        if midnight.weekday() == 2:
            yield s3(
                resizer,
                later(times[0], 30),
                "GetObject",
                cast.PARTNER_BUCKET,
                f"logos/{midnight:%Y-%m}/brand.png",
                read=True,
            )


def _resize(resizer: Caller, indexer: Caller | None, when: datetime, image: int) -> Iterator[Record]:
    name = f"{when:%Y/%m}/{image:06d}"
    original = f"images/original/{name}.jpg"
    yield s3(resizer, when, "GetObject", IMAGES_BUCKET, original, read=True)
    picture = {"image": {"bytes": "HIDDEN_DUE_TO_SECURITY_REASONS"}, "maxLabels": 10}
    yield resizer.call(later(when), "rekognition", "DetectLabels", picture, read=True)
    yield s3(resizer, later(when, 2), "PutObject", IMAGES_BUCKET, f"images/thumb/{name}.webp")
    if indexer is not None:
        yield invoke(resizer, later(when, 3), "thumbnail-index")
        item = {"tableName": "image-index", "key": {"image": f"{image:06d}"}, "item": ["image", "labels"]}
        yield dynamodb(indexer, later(when, 8), "PutItem", ["image-index"], item)


def invoke(caller: Caller, when: datetime, function: str) -> Record:
    """A Lambda data event: `caller` invokes a function of the shop."""
    arn = cast.function_arn(function)
    return caller.call(
        when,
        "lambda",
        "Invoke",
        {"functionName": arn, "invocationType": "Event"},
        resources=[{"accountId": cast.PRODUCTION, "type": "AWS::Lambda::Function", "ARN": arn}],
        data=True,
        extra={"additionalEventData": {"functionVersion": f"{arn}:$LATEST"}},
    )


def legacy_export() -> Iterator[Record]:
    """Every night: since its policies were cut down, all its calls are denied."""
    rng = Random("legacy-export")
    for midnight in midnights():
        for when in moments(rng, midnight, 1, 2, 3):
            caller, assumed = lambda_session(rng, cast.LEGACY_EXPORT, "legacy-export", when, _address(rng))
            yield assumed
            snapshot = f"arn:aws:rds:{REGION}:{cast.PRODUCTION}:snapshot:shop-nightly"
            export = {"exportTaskIdentifier": f"export-{when:%Y%m%d}", "sourceArn": snapshot}
            error = denied(caller, "rds:StartExportTask", snapshot)
            yield caller.call(later(when), "rds", "StartExportTask", export, error=error)
            error = denied(caller, "s3:PutObject", f'"arn:aws:s3:::{LAKE_BUCKET}/exports/marker"')
            yield s3(caller, later(when, 2), "PutObject", LAKE_BUCKET, "exports/marker", error=error)


def denied(caller: Caller, action: str, resource: str, explicit: bool = False) -> tuple[str, str]:
    """Return errorCode and errorMessage of a call that identity policies deny or do not allow (1.11)."""
    cause = f"because no identity-based policy allows the {action} action"
    if explicit:
        cause = "with an explicit deny in an identity-based policy"
    who = caller.identity["arn"]
    return (
        "AccessDenied",
        f"User: {who} is not authorized to perform: {action} on resource: {resource} {cause}",
    )
