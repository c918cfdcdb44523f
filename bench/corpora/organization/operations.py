"""The rare calls of a trail: operations of botocore's models, with parameters and responses made from their shapes.

Members have the names of CloudTrail's records: the first letter in lower case, secrets hidden. Values fit the name of
the member: an ARN, an id, a name. The result depends on botocore's version.
"""

from __future__ import annotations

import gzip
import re
from functools import cache, lru_cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import botocore
import msgspec
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape

SERVICES = """
acm apigateway appconfig application-autoscaling athena autoscaling backup batch budgets cloudformation cloudfront
cloudtrail cloudwatch codebuild codedeploy codepipeline cognito-idp config dynamodb ec2 ecr ecs efs eks elasticache
elbv2 emr events firehose glue guardduty iam inspector2 kinesis kms lambda logs opensearch organizations rds
resourcegroupstaggingapi route53 s3 sagemaker scheduler secretsmanager securityhub service-quotas servicediscovery
ses sns sqs ssm stepfunctions transfer wafv2 xray
""".split()

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
GLOBAL = frozenset({"iam", "cloudfront", "organizations", "route53", "budgets"})
"""Recorded in us-east-1 alone (2.1.4)."""

# Labels of the eventSource that differ from botocore's endpoint prefix; prefixes of the action that differ from it.
_LABELS = {"ecr": "ecr", "sagemaker": "sagemaker", "ses": "ses"}
_ACTIONS = {"monitoring": "cloudwatch", "servicequotas": "servicequotas", "tagging": "tag"}
# The API's date is part of these services' event names (1.8.2).
_DATES = {"lambda": "20150331", "cloudfront": "2020_05_31"}

_READ = re.compile(r"(Get|List|Describe|Head|Lookup|BatchGet|BatchDescribe|Search|Select|Check|Validate)")
# Calls that are data events or are never recorded: a trail of management events does not contain them.
_NOT_MANAGEMENT = re.compile(
    r"(Batch)?(Get|Put|Update|Delete|Write|Transact)\w*(Item|Items|Records?|MetricData|Events|TraceSegments)$"
    r"|Query|Scan|ExecuteStatement|Invoke\w*|(Send|Receive|Delete|ChangeMessageVisibility)Message\w*|Publish\w*"
    r"|\w*(Object|Objects|Part|Parts|PartCopy|MultipartUploads?)(\w*Acl|Tagging|Retention|LegalHold|Attributes|Torrent)?$"
    r"|Subscribe\w*|StartLogging|StopLogging"
)
_DAYS = ("Nov 3, 2026, 8:12:44 AM", "Nov 11, 2026, 2:40:09 PM", "Nov 20, 2026, 11:05:31 PM")


class Operation(NamedTuple):
    """One operation of a service."""

    service: str
    """botocore's name of the service."""
    operation: str
    label: str
    """The eventSource without AWS's domain: ``monitoring`` for CloudWatch."""
    event: str
    """eventName."""
    action: str
    """The IAM action, as error messages name it."""
    read: bool


class Place(NamedTuple):
    """Account and region of a call, and the application, which is part of its resources' names."""

    account: str
    region: str
    app: str


@cache
def _model(service: str) -> ServiceModel:
    # Not read with botocore's loader: it is slow, and also loads models of the user.
    newest = max(Path(botocore.__file__).parent.joinpath("data", service).glob("*/service-2.json.gz"))
    return ServiceModel(msgspec.json.decode(gzip.decompress(newest.read_bytes())), service)


@cache
def operations() -> tuple[Operation, ...]:
    """Return all rare operations, in the order of their names."""
    return tuple(
        _operation(service, name)
        for service in SERVICES
        for name in sorted(_model(service).operation_names)
        if not _NOT_MANAGEMENT.match(name)
    )


def _operation(service: str, name: str) -> Operation:
    model = _model(service)
    label = _LABELS.get(service, model.endpoint_prefix)
    event = name.removesuffix("Configuration") if service == "s3" else name + _DATES.get(service, "")
    action = f"{_ACTIONS.get(label, model.signing_name)}:{name}"
    return Operation(service, name, label, event, action, bool(_READ.match(name)))


@lru_cache(maxsize=200_000)
def variants(one: Operation, place: Place) -> tuple[tuple[dict[str, Any] | None, dict[str, Any] | None], ...]:
    """Return the few variants in which an application calls an operation: requestParameters and responseElements."""
    rng = Random(f"{one.service}/{one.operation}/{place}")
    return tuple(_variant(one, place, rng) for _ in range(rng.choice((1, 1, 2, 3))))


def _variant(
    one: Operation, place: Place, rng: Random
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    model = _model(one.service).operation_model(one.operation)
    make = _Maker(place, one, rng)
    request = make.structure(model.input_shape, 0) if model.input_shape else None
    if one.service == "ec2":  # newer operations are recorded as they are sent, in one object
        request = {f"{one.operation}Request": {k[0].upper() + k[1:]: v for k, v in (request or {}).items()}}
    answer = None
    if not one.read and model.output_shape:  # 1.1.6: operations that only read have no responseElements
        answer = make.structure(model.output_shape, 1) or None
    return request or None, answer


@lru_cache(maxsize=8192)
def failures(one: Operation) -> tuple[str, ...]:
    """Return the error codes of an operation, without denials."""
    shapes = _model(one.service).operation_model(one.operation).error_shapes
    codes = sorted(str(shape.metadata.get("error", {}).get("code", shape.name)) for shape in shapes)
    known = tuple(c for c in codes if not re.search(r"Access|Auth|Forbidden|Permission|Privilege|Token", c))
    return known or ("ValidationException",)


class _Maker:
    """Makes values for the shapes of one call."""

    def __init__(self, place: Place, one: Operation, rng: Random) -> None:
        self.place, self.one, self.rng = place, one, rng

    def structure(self, shape: StructureShape, depth: int) -> dict[str, Any]:
        """Return a value with all required members and some of the others."""
        required = set(shape.required_members)
        made: dict[str, Any] = {}
        for name, member in shape.members.items():
            wanted = name in required or (depth < 2 and self.rng.random() < 0.3 and len(made) < 7)
            if wanted and (value := self.value(name, member, depth + 1)) is not None:
                made[name[:1].lower() + name[1:]] = value
        return made

    def value(self, name: str, shape: Shape, depth: int) -> Any:
        """Return a value, or None to leave the member out."""
        if shape.metadata.get("sensitive"):
            return HIDDEN
        kind = shape.type_name
        if isinstance(shape, StructureShape):
            return self.structure(shape, depth) if depth < 4 else None
        if isinstance(shape, ListShape):
            value = self.value(name.removesuffix("s"), shape.member, depth + 1)
            return None if value is None else [value]
        if isinstance(shape, MapShape):
            value = self.value("value", shape.value, depth + 1)
            return None if value is None else {self.rng.choice(("team", "stage", "owner")): value}
        if kind == "string":
            return self.text(name, list(getattr(shape, "enum", ())))
        if kind in {"integer", "long", "float", "double"}:
            return self.rng.choice((1, 5, 10, 50, 100))
        if kind == "timestamp":
            return self.rng.choice(_DAYS)
        return self.rng.random() < 0.5 if kind == "boolean" else None

    def text(self, name: str, enum: list[str]) -> str:
        """Return a string that fits the name of its member."""
        rng, place = self.rng, self.place
        if enum:
            return rng.choice(enum)
        low = name.lower()
        if low.endswith("rolearn"):
            return f"arn:aws:iam::{place.account}:role/{place.app}-service"
        if low.endswith("arn"):
            thing = low.removesuffix("arn").removesuffix("resource") or "resource"
            prefix = self.one.action.split(":")[0]
            return f"arn:aws:{prefix}:{place.region}:{place.account}:{thing}/{place.app}-{rng.randrange(3)}"
        if low.endswith("token"):
            return f"{rng.getrandbits(256):064x}"
        if low.endswith(("id", "identifier")):
            return (
                f"{low.removesuffix('identifier').removesuffix('id')[-8:] or 'r'}-{rng.getrandbits(68):017x}"
            )
        if low.endswith("region"):
            return place.region
        if "account" in low:
            return place.account
        return f"{place.app}-{low[:16]}-{rng.randrange(4)}"
