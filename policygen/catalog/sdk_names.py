"""The names that SDKs, tracers and code analysers give services and operations, in CloudTrail's terms.

A tracer writes ``DynamoDB`` or ``AmazonDynamoDBv2``, a client of boto3 ``stepfunctions``, a model ``SFN``. CloudTrail
calls the service by its event source. The table is made from botocore's models by ``catalog/build/sdk_services.py``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache

from policygen.files import read_package_table

FILE = "sdk_services.json"
_DOMAIN = ".amazonaws.com"
_VENDOR = re.compile(r"^(?:amazon|aws)(?=.)")
_VERSION = re.compile(r"v\d+$")
_IN_JAVA = {"simplesystemsmanagement": "ssm", "identitymanagement": "iam", "cloudwatchevents": "events"}
"""Names of clients of the first SDK for Java, ``AWSSimpleSystemsManagement``, that no model has."""


@cache
def _services() -> Mapping[str, str]:
    return read_package_table("policygen.catalog", f"data/{FILE}")["services"]  # type: ignore[no-any-return]


def plain_name(text: str) -> str:
    """Return a service's name in lower case without the vendor's name, spaces and signs: ``Amazon S3`` is ``s3``."""
    return _VENDOR.sub("", re.sub(r"[^a-z0-9]", "", text.lower()))


@lru_cache(maxsize=4096)
def source_of_service(service: str) -> str:
    """Return the event source of a service by any of its names, ``states.amazonaws.com`` of ``SFN``; "" if unknown."""
    name = plain_name(service)
    for shorter in (name, _VERSION.sub("", name), name.removesuffix("client"), name.removesuffix("service")):
        candidate = _IN_JAVA.get(shorter, shorter)
        if found := _services().get(candidate) or _services().get(f"{candidate}service"):
            return found + _DOMAIN
    return ""


def operation_key(name: str) -> str:
    """Return an operation's name as all spellings have it: ``getitem`` for ``GetItem``, ``get_item``, ``getItem``."""
    return name.replace("_", "").replace("-", "").lower()
