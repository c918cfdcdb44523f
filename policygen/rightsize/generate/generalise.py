"""Declared generalisation: how an observed name is written in a policy.

Named infrastructure stays exact. Names that a workload makes up as it goes (object keys, log streams,
executions, task ids) become a pattern by a rule that the service file declares and that is printed beside
the grant. A learned pattern keeps the constant beginning of what was seen, so that next month's dates and
numbers are allowed and a neighbouring prefix is not.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, get_args

import msgspec

from policygen.catalog.mapping import action_rules
from policygen.catalog.name_classes import learn_patterns
from policygen.catalog.rule_model import Generalisation
from policygen.catalog.rules import rules_for_service
from policygen.iam import arn, reference
from policygen.iam.reference import ArnPattern
from policygen.iam.request import AccessRequest

Mode = Literal["auto", "exact", "pattern", "type"]
"""How to write resources: by the declared rules, but as seen where the evidence closes them (`names`); as seen; by the
declared rules; or as every resource of the type."""

MODES: tuple[Mode, ...] = get_args(Mode)

WHOLE_TYPE = "every resource of the type, as asked"


class Written(msgspec.Struct, frozen=True):
    """How one request's resource is written: an IAM pattern, and the rule that made it ("" = as seen)."""

    pattern: str
    rule: str


def generalise(
    requests: Iterable[AccessRequest],
    mode: Mode = "pattern",
    opened: Collection[str] = (),
    as_seen: Mapping[AccessRequest, str] = MappingProxyType({}),
    together: Collection[AccessRequest] = (),
) -> dict[AccessRequest, Written]:
    """Return how to write the resource of each request.

    Patterns are learned by action and by named parent (bucket, log group), so that reading one prefix never grants
    reading the prefix that is written to.

    Args:
        requests: the observed requests.
        mode: how to write resources.
        opened: types (``ec2:image``) of which every resource is granted, in any mode but `exact`.
        as_seen: requests whose names are written as seen, whatever is declared -> why.
        together: requests for names that were counted together, in any mode by the pattern of their class.
    """
    result: dict[AccessRequest, Written] = {}
    learning: dict[tuple[str, str, str, str], list[tuple[AccessRequest, str]]] = defaultdict(list)
    for request in requests:
        how = declared_rule(request) if mode != "exact" else None
        if request in together and (declared := declared_rule(request)):
            result[request] = Written(request.resource, declared.rule)
        elif request.wild or request.resource == "*":
            result[request] = Written(request.resource, "as far as the record tells" if request.wild else "")
        elif (mode == "type" or (mode != "exact" and opened and type_name(request) in opened)) and (
            whole := _whole_type(request)
        ):
            result[request] = Written(whole, WHOLE_TYPE)
        elif request in as_seen:
            rule = _unwritable(request.resource) or as_seen[request]
            result[request] = Written(arn.escape(request.resource), rule)
        elif how is None or how.ask or (found := parse_name(request)) is None:
            result[request] = Written(arn.escape(request.resource), _unwritable(request.resource))
        elif how.learn:
            _, values = found
            parent = _write(how, *found, {how.learn: "\0"})
            learning[request.action, request.resource_type, how.rule, parent].append(
                (request, values[how.learn])
            )
        else:
            result[request] = Written(_write(how, *found, {}), how.rule)
    for (_, _, rule, parent), members in learning.items():
        patterns = learn_patterns(name for _, name in members)
        for request, name in members:
            pattern = patterns[name]
            exact = pattern == arn.escape(name) and parent == _exact_parent(request, name)
            result[request] = Written(parent.replace("\0", pattern), _unwritable(name) if exact else rule)
    return result


def makes_up_names(action: str, resource_type: str) -> bool:
    """Return whether workloads make up the names of a type as they go, so that a pattern is learned of them."""
    rules = action_rules(action)
    how = rules.generalise.get(resource_type) if rules else None
    return how is not None and bool(how.learn)


def type_name(request: AccessRequest) -> str:
    """Return the resource type with its service, ``ec2:image``."""
    return f"{request.action.split(':', 1)[0].lower()}:{request.resource_type}"


def _whole_type(request: AccessRequest) -> str:
    """Return the pattern of all resources of a request's type in its account and region; "" where IAM has none."""
    service = reference.service(request.action.split(":", 1)[0].lower())
    kind = service.types.get(request.resource_type) if service else None
    for pattern in kind.patterns if kind else ():
        values = pattern.match(request.resource)
        if values is not None:
            return pattern.fill(
                {n: arn.escape(v) for n, v in values.items() if n not in pattern.name_placeholders}
            )
    return ""


def open_names(requests: Iterable[AccessRequest], opened: Collection[str] = ()) -> dict[str, tuple[int, str]]:
    """Return resource types whose names only a person can predict -> (number of names seen, the reason)."""
    names: dict[str, set[str]] = defaultdict(set)
    reasons: dict[str, str] = {}
    for request in requests:
        how = declared_rule(request)
        if how and how.ask and not request.wild and (kind := type_name(request)) not in opened:
            names[kind].add(request.resource)
            reasons[kind] = how.ask
    return {kind: (len(seen), reasons[kind]) for kind, seen in sorted(names.items())}


def _exact_parent(request: AccessRequest, name: str) -> str:
    return arn.escape(request.resource.removesuffix(name)) + "\0"


def _unwritable(name: str) -> str:
    return "characters that IAM cannot store" if arn.needs_wildcard(name) else ""


def declared_rule(request: AccessRequest) -> Generalisation | None:
    """Return what the service file declares of the names of a request's type; None where it declares nothing."""
    rules = action_rules(request.action)
    return rules.generalise.get(request.resource_type) if rules and request.resource_type else None


def parse_name(request: AccessRequest) -> tuple[ArnPattern, Mapping[str, str]] | None:
    """Return the pattern that a request's ARN matches, and the parts of its name; None where its rule is not about it.

    The request has a `declared_rule`.
    """
    return _parsed(request.action.split(":", 1)[0], request.resource_type, request.resource)


@lru_cache(maxsize=8192)  # asked for the same name several times, and for each action on it
def _parsed(prefix: str, resource_type: str, resource: str) -> tuple[ArnPattern, Mapping[str, str]] | None:
    rules = rules_for_service(prefix.lower())
    how = rules.generalise.get(resource_type) if rules else None
    if how is None:
        return None
    if how.match:
        patterns: tuple[ArnPattern, ...] = (reference.compile_pattern(how.match),)
    else:
        service = reference.service(prefix)
        kind = service.types.get(resource_type) if service else None
        patterns = kind.patterns if kind else ()
    for pattern in patterns:
        values = pattern.match(resource)
        if values is not None and (
            not how.only or all(re.fullmatch(how.only, values[name], re.S) for name in how.open)
        ):
            return pattern, values
    return None


def _write(
    how: Generalisation, pattern: ArnPattern, values: Mapping[str, str], own: Mapping[str, str]
) -> str:
    target = reference.compile_pattern(how.write) if how.write else pattern
    written = {name: "*" if name in how.open else arn.escape(value) for name, value in values.items()}
    return target.fill({**written, **own})
