"""What AWS calls things: from a call to the access requests that IAM evaluated for it.

`requests_for` is the only question asked of this package. The answer is one of four: *mapped* to access
requests, *no permission needed*, *ignored* (not a call that IAM governs), or *unmapped*, which is a finding
for the user and never a guess. Each request carries the rule that gave its action and the step that gave its
ARN.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from policygen.access import AccessRequest, Call, Context, Requested
from policygen.catalog import apigateway, reference
from policygen.catalog.names import (
    botocore_facts,
    label,
    not_iam_sources,
    role_members,
    service_prefix,
    strip_version,
)
from policygen.catalog.reference import Action, Service
from policygen.catalog.resources import NOTHING, Found, Resolver, role_arns
from policygen.catalog.rules import EventRule, Need, ServiceRules, rules_for_service, rules_for_source
from policygen.catalog.template import Text

Status = Literal["mapped", "no-permission-needed", "ignored", "unmapped"]

# A record rarely names every required type of an action that has many: they are alternatives there.
_ALL_REQUIRED = 3

_LONGEST_ARN = 2048

# Services where a role in the parameters is the object of the call and is not handed to a service.
_ROLE_IS_OBJECT = frozenset({"iam", "sts", "kms", "access-analyzer", "organizations", "sso", "tag", "ram"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call stands for; `why` explains a status that has no requests."""

    status: Status
    requests: tuple[Requested, ...] = ()
    why: str = ""


def requests_for(call: Call) -> Answer:
    """The access requests that AWS evaluated for a call.

    Args:
        call: with all its parameters, or with those that `projection` keeps.
    """
    source = label(call.source)
    if source in not_iam_sources():
        return Answer("ignored", why=not_iam_sources()[source])
    rules = rules_for_source(call.source)
    prefix = service_prefix(call.source)
    known = reference.service(prefix) if prefix else None
    if known is None:
        return Answer("unmapped", why=f"no IAM service is known for event source {call.source!r}")
    operation = strip_version(call.name)
    for name in dict.fromkeys((call.name, operation)):
        if rules and (reason := rules.no_permission.get(name.lower())):
            return Answer("no-permission-needed", why=reason)
        if rules and (reason := rules.not_iam.get(name.lower())):
            return Answer("ignored", why=reason)
        if name in botocore_facts()["unsigned"].get(prefix, ()):
            return Answer("no-permission-needed", why="the operation is not signed, so IAM is not asked")
    found = tuple(_requests(call, known, rules, operation))
    if not found:
        return Answer("unmapped", why=_no_request(call, prefix, _event_rule(rules, call.name, operation)))
    if any(len(one.request.resource) > _LONGEST_ARN for one in found):
        return Answer("unmapped", why="a name in the record is longer than any ARN")
    passed = tuple(_passed_roles(call, known, rules, found))
    return Answer("mapped", _distinct(found + passed))


def _no_request(call: Call, prefix: str, rule: EventRule | None) -> str:
    if rule:
        return f"the record of {call.name!r} does not hold the parameters that say what it needs"
    return f"no IAM action of {prefix!r} is known for event {call.name!r}"


def _requests(call: Call, known: Service, rules: ServiceRules | None, operation: str) -> Iterator[Requested]:
    resolver = Resolver(call, known, rules, operation)
    rule = _event_rule(rules, call.name, operation)
    if rule and rule.needs:
        yield from _by_needs(rule.needs, rule, resolver, call)
    elif action := known.action(call.name) or known.action(operation):
        yield from _by_action(action, resolver, call)
    elif known.prefix == "apigateway" and (found := apigateway.verb_and_path(call, operation)):
        verb, arn = found
        why = "API Gateway: the HTTP verb on the request's path"
        yield Requested(_request(f"apigateway:{verb}", arn, "", _context(call)), why)
    if rule:
        yield from _by_needs(rule.also, rule, resolver, call)


def _event_rule(rules: ServiceRules | None, *names: str) -> EventRule | None:
    found = (rules.events.get(name.lower()) for name in names) if rules else ()
    return next((rule for rule in found if rule), None)


def _by_action(action: Action, resolver: Resolver, call: Call) -> Iterator[Requested]:
    """The action of the event's own name, on each of its resource types that the record names."""
    context = _context(call)
    why = f"action of the same name {action.name}"
    if not action.types:
        yield Requested(_request(action.name, Text("*"), "", context), f"{why}; it takes no resource")
        return
    found = {kind: resolver.find(kind) for kind in action.types}
    named = any(place.arns for place in found.values())
    for kind, place in found.items():
        resolved = place
        if not place.arns:
            if kind not in action.required or (named and len(action.required) > _ALL_REQUIRED):
                continue
            resolved = resolver.whole_type(kind)
        yield from _each(action.name, kind, resolved, context, why)
    if not named and not action.required:
        star = Text("*", wild=True)
        yield Requested(
            _request(action.name, star, "", context), f"{why}; nothing in the record names a resource"
        )


def _by_needs(
    needs: tuple[Need, ...], rule: EventRule, resolver: Resolver, call: Call
) -> Iterator[Requested]:
    base, whole = _context(call), resolver.scope()
    for need in needs:
        for item in whole.values(need.each) if need.each else (None,):
            scope = whole if item is None else resolver.scope(item)
            if not all(test.holds(scope) for test in need.when) or any(t.holds(scope) for t in need.unless):
                continue
            own = tuple(
                (key, (text.text,)) for key, template in need.context for text in template.render(scope)
            )
            context = _merge(base, own) if own else base
            note = need.note or rule.note
            why = f"event {rule.name}: {note}" if note else f"event {rule.name}"
            for action in need.action.render(scope):
                yield from _by_need(need, action.text, resolver, item, context, why)


def _by_need(
    need: Need, action: str, resolver: Resolver, item: object, context: Context, why: str
) -> Iterator[Requested]:
    known = reference.action(action)
    name = known.name if known else action
    if not need.on:
        yield Requested(_request(name, Text("*"), "", context, need.grade), f"{why}; it takes no resource")
        return
    for kind in need.on:
        found = resolver.find(kind, item, need.arn)
        if not found.arns and len(need.on) > 1 and _alternatives(need, resolver, item):
            continue
        yield from _each(
            name, kind, found if found.arns else resolver.whole_type(kind), context, why, need.grade
        )


def _alternatives(need: Need, resolver: Resolver, item: object) -> bool:
    """Whether another of the need's types is named, so that one that is not was not touched."""
    return any(resolver.find(kind, item) is not NOTHING for kind in need.on)


def _each(
    action: str, kind: str, found: Found, context: Context, why: str, grade: str = "required"
) -> Iterator[Requested]:
    for text in found.arns:
        yield Requested(_request(action, text, kind, context, grade), f"{why}; {kind}: {found.step}")


def _request(action: str, text: Text, kind: str, context: Context, grade: str = "required") -> AccessRequest:
    return AccessRequest(action, text.text, kind, context, grade, text.wild)  # type: ignore[arg-type]


def _context(call: Call) -> Context:
    """Condition keys that every record tells. The caller's endpoint is not carried into service calls (1.5.4)."""
    pairs = [("aws:RequestedRegion", (call.region,))] if call.region else []
    if call.via:
        pairs.append(("aws:ViaAWSService", ("true",)))
    elif call.vpce:
        pairs.append(("aws:SourceVpce", (call.vpce,)))
    return tuple(sorted(pairs))


def _merge(context: Context, own: Context) -> Context:
    values: dict[str, tuple[str, ...]] = dict(context)
    for key, value in own:
        values[key] = tuple(sorted({*values.get(key, ()), *value}))
    return tuple(sorted(values.items()))


def _passed_roles(
    call: Call, known: Service, rules: ServiceRules | None, found: tuple[Requested, ...]
) -> Iterator[Requested]:
    """iam:PassRole, which CloudTrail never shows: a role handed to a service in a call that writes (1.9.5)."""
    if known.prefix in _ROLE_IS_OBJECT:
        return
    actions = [reference.action(one.request.action) for one in found]
    if not any(action and action.writes for action in actions):
        return
    if any(one.request.action.lower() in {"iam:passrole", "sts:assumerole"} for one in found):
        return
    service = rules.passes_roles_to if rules else ""
    own: Context = (("iam:PassedToService", (service,)),) if service else ()
    for arn in role_arns(call.params, role_members(call.source, strip_version(call.name))):
        request = AccessRequest("iam:PassRole", arn, "role", _merge(_context(call), own))
        yield Requested(request, f"a role among the parameters of {call.name} is passed to the service")


def _distinct(requests: tuple[Requested, ...]) -> tuple[Requested, ...]:
    return tuple({one.request: one for one in reversed(requests)}.values())[::-1]


@lru_cache(maxsize=4096)
def action_rules(action: str) -> ServiceRules | None:
    """The service file of an action's service."""
    return rules_for_service(action.split(":", 1)[0].lower())
