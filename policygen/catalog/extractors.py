"""Named extractors: small pure functions that read parameters of unusual shape.

An extractor takes one value and the argument that follows its name in the service file. It returns any number of
values; none means that the value does not have the expected shape. Service files use them as
``{queueUrl|last_segment}``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from policygen.catalog.call import Call

Extractor = Callable[[Any, str], Iterable[Any]]

_FUNCTION = re.compile(
    r"(?:arn:[^:]+:lambda:(?P<region>[^:]*):)?(?:(?P<account>\d{12}):)?(?:function:)?(?P<name>[^:]+)(?::(?P<qualifier>.+))?"
)
# Quoted text is skipped, a comment may come first, and a name after the table and a dot is an index
# (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.statements.html).
_PARTIQL = r"""(?:\s|--[^\n]*\n|(?>/\*.*?\*/))*+
        (?:(?P<select>select|exists)\b(?:'[^']*'|"[^"]*"|[^'"])*?\bfrom\s*+
          |(?P<insert>insert)\s+into\s*+ | (?P<update>update)\b\s*+ | (?P<delete>delete)\s+from\s*+)
        (?:"(?P<quoted>[^"]+)"|(?P<bare>[A-Za-z0-9_-]+))(?:\.(?:"(?P<index>[^"]+)"|(?P<bare_index>[A-Za-z0-9_-]+)))?"""
_COPY_SOURCE = re.compile(r"/?(?P<bucket>[^/]+)/(?P<key>.+)", re.S)

_SENDER = re.compile(r"(?:.*<)?\s*(?P<address>[^<>\s]{1,64}@(?P<domain>[^<>\s@]{1,255}))\s*(?:>\s*)?")

# Regions to which a Bedrock inference profile of a geography sends requests, besides the caller's own region.
# Source: Bedrock User Guide, inference-profiles-support.
_PROFILE_REGIONS = {
    "us": ("us-east-1", "us-east-2", "us-west-2"),
    "us-gov": ("us-gov-east-1", "us-gov-west-1"),
    "eu": ("eu-central-1", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-3"),
    "apac": (
        "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2", "ap-southeast-1",
        "ap-southeast-2", "ap-southeast-4",
    ),
    "jp": ("ap-northeast-1", "ap-northeast-3"),
    "au": ("ap-southeast-2", "ap-southeast-4"),
    "global": (),
}  # fmt: skip
_PROFILE = re.compile(
    rf"(?:arn:.+:inference-profile/)?(?P<geography>{'|'.join(_PROFILE_REGIONS)})\.(?P<model>[^/]+)"
)


def _texts(value: Any) -> str:
    return value if isinstance(value, str) else ""


def only_arn(value: Any, _: str) -> Iterable[Any]:
    """Return the value if it is an ARN."""
    return [value] if _texts(value).startswith("arn:") else []


def not_arn(value: Any, _: str) -> Iterable[Any]:
    """Return the value if it is not an ARN."""
    return [] if _texts(value).startswith("arn:") else [value]


def last_segment(value: Any, separator: str) -> Iterable[Any]:
    """Return the text after the last ``/`` (or the given separator): the name in a queue URL."""
    return [_texts(value).rsplit(separator or "/", 1)[-1]]


def segment(value: Any, argument: str) -> Iterable[Any]:
    """Return one piece of a value: ``segment:/,3`` splits at ``/`` and takes the fourth piece."""
    separator, _, index = argument.rpartition(",")
    pieces = _texts(value).split(separator or ":")
    at = int(index)
    return [pieces[at]] if -len(pieces) <= at < len(pieces) else []


def no_slash(value: Any, _: str) -> Iterable[Any]:
    """Remove leading slashes: SSM parameters are ``/app/x`` in calls and ``parameter/app/x`` in ARNs."""
    return [_texts(value).lstrip("/")]


def lower(value: Any, _: str) -> Iterable[Any]:
    """Return the value in lower case."""
    return [_texts(value).lower()]


def keys(value: Any, _: str) -> Iterable[Any]:
    """Return the keys of a map: the tables of BatchGetItem's requestItems."""
    return list(value) if isinstance(value, Mapping) else []


def starts(value: Any, prefix: str) -> Iterable[Any]:
    """Return the value if it starts with the argument: ``starts:i-`` selects instance ids from a mixed list."""
    return [value] if _texts(value).startswith(prefix) else []


def not_starts(value: Any, prefix: str) -> Iterable[Any]:
    """Return the value if it does not start with the argument."""
    return [] if _texts(value).startswith(prefix) else [value]


_LONGEST = 10_000
"""Characters. A longer text is not searched, because the time of an expression may grow with the square of the length.

The longest query of CloudTrail Lake is as long; ARNs are shorter."""


@lru_cache(maxsize=8192)
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern once: there are more patterns than the cache of `re` holds."""
    return re.compile(pattern)


def matches(value: Any, pattern: str) -> Iterable[Any]:
    """Search the value for a regular expression; return its first group, or the whole match if it has no group."""
    text = _texts(value)
    found = _compiled(pattern).search(text) if len(text) <= _LONGEST else None
    if not found:
        return []
    return [found.group(1) if found.groups() else found.group()]


def function_name(value: Any, _: str) -> Iterable[Any]:
    """Return the function's name from any form that Lambda accepts.

    The forms are name, ARN and ``account:function:name``, each with or without a qualifier.
    """
    found = _FUNCTION.fullmatch(_texts(value))
    return [found["name"]] if found else []


def function_qualifier(value: Any, _: str) -> Iterable[Any]:
    """Return the alias or version in a function reference, if it has one."""
    found = _FUNCTION.fullmatch(_texts(value))
    return [found["qualifier"]] if found and found["qualifier"] else []


def function_tail(value: Any, _: str) -> Iterable[Any]:
    """Return the end of the function's ARN: its name, and the qualifier if the reference has one."""
    found = _FUNCTION.fullmatch(_texts(value))
    return [f"{found['name']}:{found['qualifier']}" if found["qualifier"] else found["name"]] if found else []


def function_account(value: Any, _: str) -> Iterable[Any]:
    """Return the owner's account in a function reference, if it has one."""
    found = _FUNCTION.fullmatch(_texts(value))
    return [found["account"]] if found and found["account"] else []


def queue_account(value: Any, _: str) -> Iterable[Any]:
    """Return the owner's account in a queue URL. It may differ from the caller's."""
    pieces = _texts(value).rsplit("/", 2)
    return [pieces[1]] if len(pieces) == 3 and re.fullmatch(r"\d{12}", pieces[1]) else []


def custom_bus(value: Any, _: str) -> Iterable[Any]:
    """Return the name of an event bus from its name or ARN; nothing for the default bus, which rule ARNs omit."""
    name = re.sub(r"^arn:[^/]+:event-bus/", "", _texts(value))
    return [name] if name not in {"", "default"} else []


def _statement(value: Any) -> re.Match[str] | None:
    # Few logs have such statements, and the expression takes longer to compile than any other.
    return re.match(_PARTIQL, _texts(value), re.I | re.S | re.X)


def partiql_verb(value: Any, _: str) -> Iterable[Any]:
    """Return Select, Insert, Update or Delete: the IAM action of a PartiQL statement is PartiQL + verb."""
    found = _statement(value)
    verbs = ("select", "insert", "update", "delete")
    return [verb.capitalize() for verb in verbs if found and found[verb]]


def partiql_table(value: Any, _: str) -> Iterable[Any]:
    """Return the table of a PartiQL statement."""
    found = _statement(value)
    return [found["quoted"] or found["bare"]] if found else []


def partiql_index(value: Any, _: str) -> Iterable[Any]:
    """Return the index of a PartiQL statement, written ``"table"."index"``, if it names one."""
    found = _statement(value)
    index = found and (found["index"] or found["bare_index"])
    return [index] if index else []


def copy_source(value: Any, _: str) -> Iterable[Any]:
    """Return ``bucket/key`` of an ``x-amz-copy-source`` header. It is URL-encoded and may have a versionId."""
    # The query is cut off before decoding: a key may contain a "?", which is encoded as %3F.
    found = _COPY_SOURCE.fullmatch(unquote(_texts(value).partition("?versionId=")[0]))
    return [f"{found['bucket']}/{found['key']}"] if found and not found["bucket"].startswith("arn:") else []


def copy_source_access_point(value: Any, _: str) -> Iterable[Any]:
    """Return the source object's ARN if ``x-amz-copy-source`` names an access point."""
    text = unquote(_texts(value).partition("?versionId=")[0])
    return [text] if text.startswith("arn:") else []


def copy_source_version(value: Any, _: str) -> Iterable[Any]:
    """Return the versionId in ``x-amz-copy-source``, if it has one."""
    version = _texts(value).partition("?versionId=")[2]
    return [version] if version else []


def sender_identities(value: Any, _: str) -> Iterable[Any]:
    """Return the SES identities that may cover a sender such as ``Shop <a@b.c>``: the address and its domain."""
    found = _SENDER.fullmatch(_texts(value))
    return [found["address"], found["domain"].lower()] if found else []


def profile_model(value: Any, _: str) -> Iterable[Any]:
    """Return the foundation model of a Bedrock inference profile, ``us.maker.model`` or its ARN."""
    found = _PROFILE.fullmatch(_texts(value))
    return [found["model"]] if found else []


def profile_regions(value: Any, _: str) -> Iterable[Any]:
    """Return the regions to which a Bedrock inference profile's geography routes."""
    found = _PROFILE.fullmatch(_texts(value))
    return list(_PROFILE_REGIONS[found["geography"]]) if found else []


def base_model(value: Any, _: str) -> Iterable[Any]:
    """Return a Bedrock model id that names a foundation model: it is not an ARN and has no profile's prefix."""
    text = _texts(value)
    return [] if text.startswith("arn:") or _PROFILE.fullmatch(text) else [text]


EXTRACTORS: Mapping[str, Extractor] = {
    "arn": only_arn,
    "not_arn": not_arn,
    "last_segment": last_segment,
    "segment": segment,
    "no_slash": no_slash,
    "lower": lower,
    "keys": keys,
    "starts": starts,
    "not_starts": not_starts,
    "matches": matches,
    "function_name": function_name,
    "function_qualifier": function_qualifier,
    "function_tail": function_tail,
    "function_account": function_account,
    "queue_account": queue_account,
    "custom_bus": custom_bus,
    "partiql_verb": partiql_verb,
    "partiql_table": partiql_table,
    "partiql_index": partiql_index,
    "copy_source": copy_source,
    "copy_source_access_point": copy_source_access_point,
    "copy_source_version": copy_source_version,
    "sender_identities": sender_identities,
    "profile_model": profile_model,
    "profile_regions": profile_regions,
    "base_model": base_model,
}

# Member of a KMS encryption context -> the service that writes it (4.5).
_CONTEXT_SERVICES = {
    "aws:s3:arn": "s3",
    "aws:dynamodb:tableName": "dynamodb",
    "aws:lambda:FunctionArn": "lambda",
    "aws:sqs:arn": "sqs",
    "aws:sns:topicArn": "sns",
    "aws:kinesis:arn": "kinesis",
    "aws:ebs:id": "ec2",
    "SecretARN": "secretsmanager",
    "PARAMETER_ARN": "ssm",
}


def via_service(call: Call) -> str:
    """Return the value of ``kms:ViaService``, ``s3.eu-west-1.amazonaws.com``; "" where the record does not tell it.

    `invokedBy` may name a service further back (1.5.12), so the encryption context has to name the same one.
    """
    context = call.params.get("encryptionContext")
    known = context if isinstance(context, Mapping) else {}
    name = call.via.removesuffix(".cn").removesuffix(".amazonaws.com")
    if name not in {service for key, service in _CONTEXT_SERVICES.items() if key in known}:
        return ""
    return f"{name}.{call.region}.amazonaws.com"  # in all partitions


BUILTINS: Mapping[str, Callable[[Call], str]] = {
    "partition": lambda call: call.partition,
    "region": lambda call: call.region,
    "account": lambda call: call.account,
    "@error": lambda call: call.error,
    "@via": lambda call: call.via,
    "@via_service": via_service,
    # For events whose order of `resources` has a meaning: ReEncrypt lists the source key, then the destination key.
    "@first_resource": lambda call: call.resources[0].arn if call.resources else "",
    "@last_resource": lambda call: call.resources[-1].arn if call.resources else "",
}
