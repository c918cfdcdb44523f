"""What AWS calls things: from a call to the access requests that IAM evaluated for it.

`requests_for` is the only question asked of this package. The answer is one of four: *mapped* to access
requests, *no permission needed*, *ignored* (not a call that IAM governs), or *unmapped*, which is a finding
for the user and never a guess. Each request carries the rule that gave its action and the step that gave its
ARN.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from policygen.catalog import apigateway
from policygen.catalog.call import Call, MappedRequest, Provenance
from policygen.catalog.known_event import KnownEvent, Status, known_event, service_context
from policygen.catalog.parameters import TAG_MEMBERS, normalise
from policygen.catalog.resources import NOTHING, Resolver, role_arns
from policygen.catalog.rules import RequiredAction, ServiceRules, rules_for_service
from policygen.catalog.template import FieldScope, Text, lookup, present, scalar
from policygen.iam import reference
from policygen.iam.reference import Action, Service
from policygen.iam.request import AccessRequest, Context, Grade

# A record rarely names every required type of an action that has many: they are alternatives there.
_ALL_REQUIRED = 3

# What IAM takes for an ARN in a policy; with anything else it refuses the whole document.
_ARN = re.compile(r"arn:aws[a-z-]*:[a-z0-9-]+:[^:]*:[^:]*:.+", re.S)

_NO_RESOURCE = "it takes no resource"
_STAR = Text("*")
_WILD_STAR = Text("*", wild=True)


@dataclass(frozen=True, slots=True)
class MappingResult:
    """What a call stands for; `why` explains a status that has no requests."""

    status: Status
    requests: tuple[MappedRequest, ...] = ()
    why: str = ""


def requests_for(call: Call) -> MappingResult:
    """The access requests that AWS evaluated for a call.

    Args:
        call: with all its parameters, or with those that `projection` keeps.
    """
    plan = known_event(call.source, call.name)
    if plan.status != "mapped" or plan.service is None:
        return MappingResult(plan.status, why=plan.why)
    resolver = Resolver(call, plan.service, plan.rules, plan.operation)
    found = _main(call, plan, resolver)
    if plan.also:
        found += _by_needs(plan.also, plan, resolver, call)
    if not found:
        why = f"the record of {call.name!r} does not hold the parameters that say what it needs"
        return MappingResult("unmapped", why=why)
    if plan.roles and not plan.role_heads.isdisjoint(resolver.role_names()):
        found += _passed_roles(call, plan, found)
    if plan.tagging and not TAG_MEMBERS.isdisjoint(resolver.names):
        found += _tags(call, plan, resolver, found)
    for request, _ in found:
        if len(request.resource) > reference.LONGEST_ARN:
            return MappingResult("unmapped", why="a name in the record is longer than any ARN")
        if not _writable(request):
            return MappingResult("unmapped", why="a name in the record that should be an ARN is none")
    return MappingResult("mapped", tuple(found) if len(found) == 1 else _distinct(found))


def _writable(request: AccessRequest) -> bool:
    """Whether the resource is an ARN, or a star that no text of the log has put there."""
    if request.resource == "*":
        return request.wild or not request.resource_type
    return _ARN.fullmatch(request.resource) is not None


def _main(call: Call, plan: KnownEvent, resolver: Resolver) -> list[MappedRequest]:
    if plan.needs:
        return _by_needs(plan.needs, plan, resolver, call)
    if plan.action:
        return _by_action(plan.action, plan, resolver, call)
    if plan.verb and (found := apigateway.verb_and_path(call, plan.operation)):
        verb, arn = found
        origin = Provenance("API Gateway: the HTTP verb", step="the request's path")
        return [MappedRequest(_request(f"apigateway:{verb}", arn, "", base_context(call)), origin)]
    return []


def _by_action(action: Action, plan: KnownEvent, resolver: Resolver, call: Call) -> list[MappedRequest]:
    """The action of the event's own name, on each of its resource types that the record names."""
    context = _with_service_context(base_context(call), plan.rules, action.name, resolver)
    rule = f"action of the same name {action.name}"
    if not action.types:
        return [MappedRequest(_request(action.name, _STAR, "", context), Provenance(rule, step=_NO_RESOURCE))]
    found = [(kind, resolver.find(kind)) for kind in action.types]
    named = any(place.arns for _, place in found)
    requests: list[MappedRequest] = []
    for kind, place in found:
        resolved = place
        if not place.arns:
            if kind not in action.required or (named and len(action.required) > _ALL_REQUIRED):
                continue
            resolved = resolver.whole_type(kind)
        origin = Provenance(rule, kind=kind, step=resolved.step)
        for text in resolved.arns:
            owned = resolver.with_owner(context, text)
            requests.append(MappedRequest(_request(action.name, text, kind, owned), origin))
    if not named and not action.required:
        origin = Provenance(rule, step="nothing in the record names a resource")
        requests.append(MappedRequest(_request(action.name, _WILD_STAR, "", context), origin))
    return requests


def _by_needs(
    needs: tuple[RequiredAction, ...], plan: KnownEvent, resolver: Resolver, call: Call
) -> list[MappedRequest]:
    base, whole = base_context(call), resolver.scope()
    names = resolver.names
    requests: list[MappedRequest] = []
    for need in needs:
        if not need.heads <= names:
            continue
        for item in whole.values(need.each) if need.each else (None,):
            scope = whole if item is None else resolver.scope(item)
            if not _holds(need, scope):
                continue
            context = _own_context(base, need, scope) if need.context else base
            for action in need.action.render(scope):
                requests += _by_need(need, action.text, plan, resolver, item, context)
    return requests


def _holds(need: RequiredAction, scope: FieldScope) -> bool:
    for test in need.when:  # plainer than all(): this is most of a call's time
        if not test.holds(scope):
            return False
    return not (need.unless and any(test.holds(scope) for test in need.unless))


def _by_need(
    need: RequiredAction, action: str, plan: KnownEvent, resolver: Resolver, item: object, context: Context
) -> list[MappedRequest]:
    known = reference.action(action)
    name = known.name if known else action
    context = _with_service_context(context, plan.rules, name, resolver)
    note = need.note or plan.note
    if not need.on:
        origin = Provenance(plan.rule, note, plan.file, need.number, step=_NO_RESOURCE)
        return [MappedRequest(_request(name, _STAR, "", context, need.grade), origin)]
    service = _service_of(name, resolver.service)
    requests: list[MappedRequest] = []
    for kind in need.on:
        found = resolver.find(kind, item, need.arn, service)
        if not found.arns:
            if len(need.on) > 1 and any(
                resolver.find(one, item, (), service) is not NOTHING for one in need.on
            ):
                continue  # another of the need's types is named, so this one was not touched
            found = resolver.whole_type(kind, service)
        origin = Provenance(plan.rule, note, plan.file, need.number, kind, found.step)
        for text in found.arns:
            owned = resolver.with_owner(context, text)
            requests.append(MappedRequest(_request(name, text, kind, owned, need.grade), origin))
    return requests


def _service_of(action: str, own: Service) -> Service:
    """The service of an action that a rule names, which need not be the event's."""
    prefix = action.split(":", 1)[0]
    return own if prefix == own.prefix else reference.service(prefix) or own


def _request(
    action: str, text: Text, kind: str, context: Context, grade: Grade = "required"
) -> AccessRequest:
    return AccessRequest(action, text.text, kind, context, grade, text.wild)


def base_context(call: Call) -> Context:
    """Condition keys that every record tells."""
    return _base_context(call.region, call.via, call.vpce)


@lru_cache(maxsize=4096)
def _base_context(region: str, via: str, vpce: str) -> Context:
    """The caller's endpoint is not carried into service calls (1.5.4)."""
    pairs = [("aws:RequestedRegion", (region,))] if region else []
    if via:
        pairs.append(("aws:ViaAWSService", ("true",)))
    elif vpce:
        pairs.append(("aws:SourceVpce", (vpce,)))
    return tuple(sorted(pairs))


def _own_context(base: Context, need: RequiredAction, scope: FieldScope) -> Context:
    """The context with the keys that a need names."""
    own = tuple((key, (text.text,)) for key, template in need.context for text in template.render(scope))
    return _merge(base, own) if own else base


def _with_service_context(
    base: Context, rules: ServiceRules | None, action: str, resolver: Resolver
) -> Context:
    """The context with the keys that the service's file takes from every request."""
    if rules is None or not rules.context:
        return base
    scope, own = resolver.scope(), []
    for key, template in service_context(rules, action):
        if not template.heads <= resolver.names:
            continue
        if key.endswith("*"):
            own += [(key[:-1] + name, (value,)) for name, value in _members(scope, template.source)]
        else:
            own += [(key, (text.text,)) for text in template.render(scope)]
    return _merge(base, tuple(own)) if own else base


def _members(scope: FieldScope, source: str) -> Iterator[tuple[str, str]]:
    """The members of the map at ``{path.*}``, by name."""
    for value in scope.values(source.removeprefix("{").removesuffix(".*}")):
        for name, inner in value.items() if isinstance(value, dict) else ():
            if text := scalar(inner):
                yield str(name), text


def _merge(context: Context, own: Context) -> Context:
    values: dict[str, tuple[str, ...]] = dict(context)
    for key, value in own:
        values[key] = tuple(sorted({*values.get(key, ()), *value}))
    return tuple(sorted(values.items()))


def _tags(
    call: Call, plan: KnownEvent, resolver: Resolver, found: list[MappedRequest]
) -> Iterator[MappedRequest]:
    """Tags given on creation: most services check their tagging action for them, on what is created.

    AWS's tables of operations list it for nearly every operation that creates and takes tags; whether a service
    asks is not in the record, so the grade is ``optional``. A rule of the service file comes first.
    """
    tagging = plan.tagging
    known = [reference.action(one.request.action) for one in found]
    if tagging is None or any(action and "Tagging" in action.access_level for action in known):
        return
    if not any(present(lookup(call.params, name)) for name in TAG_MEMBERS):
        return
    context = _with_service_context(base_context(call), plan.rules, tagging.name, resolver)
    rule, step = "tags are given on creation", "what the call is about"
    same = [one.request for one in found if one.request.resource_type in tagging.types]
    # A call may be about more than what it creates: tags go to the type that the operation names.
    name = normalise(plan.operation)
    own = [kind for kind in tagging.types if name.endswith(normalise(kind))]
    ending = [one for one in same if one.resource_type in own]
    same = ending or ([] if own else [one for one in same if normalise(one.resource_type) in name] or same)
    for one in same:
        yield MappedRequest(
            AccessRequest(tagging.name, one.resource, one.resource_type, context, "optional", one.wild),
            Provenance(rule, kind=one.resource_type, step=step),
        )
    for kind in () if same else own:
        place = resolver.whole_type(kind)
        origin = Provenance(rule, kind=kind, step=place.step)
        for text in place.arns:
            yield MappedRequest(_request(tagging.name, text, kind, context, "optional"), origin)


def _passed_roles(call: Call, plan: KnownEvent, found: list[MappedRequest]) -> Iterator[MappedRequest]:
    """iam:PassRole, which CloudTrail never shows: a role handed to a service in a call that writes (1.9.5)."""
    actions = [reference.action(one.request.action) for one in found]
    if not any(action and action.writes for action in actions):
        return
    if any(one.request.action.lower() in {"iam:passrole", "sts:assumerole"} for one in found):
        return
    context = _merge(base_context(call), plan.passed)
    origin = Provenance("a role among the parameters is passed to the service", kind="role", step="its ARN")
    for arn in role_arns(call.params, plan.roles):
        yield MappedRequest(AccessRequest("iam:PassRole", arn, "role", context), origin)


def _distinct(requests: list[MappedRequest]) -> tuple[MappedRequest, ...]:
    return tuple({one.request: one for one in reversed(requests)}.values())[::-1]


@lru_cache(maxsize=4096)
def action_rules(action: str) -> ServiceRules | None:
    """The service file of an action's service."""
    return rules_for_service(action.split(":", 1)[0].lower())
