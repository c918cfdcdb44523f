"""Maps a call to the access requests that IAM evaluated for it.

`requests_for` is the entry of this package. Its result has one of four states: *mapped* to access requests, *no
permission needed*, *ignored* (IAM does not govern the call), or *unmapped*, which becomes a finding for the user and
never a guess. Each request has the rule that gave its action and the step that gave its ARN.
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

# If an action has more required types than this, they are alternatives: a record rarely names all of them.
_ALL_REQUIRED = 3

# The form of an ARN in a policy; IAM rejects the whole document if a resource has another form.
_ARN = re.compile(r"arn:aws[a-z-]*:[a-z0-9-]+:[^:]*:[^:]*:.+", re.S)

_NO_RESOURCE = "it takes no resource"
_STAR = Text("*")
_WILD_STAR = Text("*", wild=True)


@dataclass(frozen=True, slots=True)
class MappingResult:
    """The access requests of a call; `why` explains a status without requests."""

    status: Status
    requests: tuple[MappedRequest, ...] = ()
    why: str = ""


def requests_for(call: Call) -> MappingResult:
    """Return the access requests that AWS evaluated for a call.

    Args:
        call: a call with all its parameters, or with those that `projection` keeps.
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
    """Whether the resource is an ARN, or a ``*`` that does not come from the log."""
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
    """Return the action of the same name as the event, on each of its resource types that the record names."""
    context = _with_service_context(base_context(call), plan.rules, action.name, resolver)
    rule = f"action of the same name {action.name}"
    if not action.types:
        return [MappedRequest(_request(action.name, _STAR, "", context), Provenance(rule, step=_NO_RESOURCE))]
    by_type = [(kind, resolver.find(kind)) for kind in action.types]
    named = any(resolved.arns for _, resolved in by_type)
    requests: list[MappedRequest] = []
    for kind, found in by_type:
        resolved = found
        if not found.arns:
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
    for test in need.when:  # a loop is faster than all(), and mapping a call spends most of its time here
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
                continue  # the record names another type of the rule, so the call did not use this one
            found = resolver.whole_type(kind, service)
        origin = Provenance(plan.rule, note, plan.file, need.number, kind, found.step)
        for text in found.arns:
            owned = resolver.with_owner(context, text)
            requests.append(MappedRequest(_request(name, text, kind, owned, need.grade), origin))
    return requests


def _service_of(action: str, own: Service) -> Service:
    """Return the service of an action; a rule may name one of another service than the event's."""
    prefix = action.split(":", 1)[0]
    return own if prefix == own.prefix else reference.service(prefix) or own


def _request(
    action: str, text: Text, kind: str, context: Context, grade: Grade = "required"
) -> AccessRequest:
    return AccessRequest(action, text.text, kind, context, grade, text.wild)


def base_context(call: Call) -> Context:
    """Return the condition keys that every record gives."""
    return _base_context(call.region, call.via, call.vpce)


@lru_cache(maxsize=4096)
def _base_context(region: str, via: str, vpce: str) -> Context:
    """Return region, and service or VPC endpoint: calls through a service do not carry the endpoint (1.5.4)."""
    pairs = [("aws:RequestedRegion", (region,))] if region else []
    if via:
        pairs.append(("aws:ViaAWSService", ("true",)))
    elif vpce:
        pairs.append(("aws:SourceVpce", (vpce,)))
    return tuple(sorted(pairs))


def _own_context(base: Context, need: RequiredAction, scope: FieldScope) -> Context:
    """Return the context with the keys that a rule adds."""
    own = tuple((key, (text.text,)) for key, template in need.context for text in template.render(scope))
    return _merge(base, own) if own else base


def _with_service_context(
    base: Context, rules: ServiceRules | None, action: str, resolver: Resolver
) -> Context:
    """Return the context with the keys that the service file declares for all requests of the service."""
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
    """Yield the members of the map at ``{path.*}`` as (name, value)."""
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
    """Yield requests for tags given on creation: most services check their tagging action on the created resource.

    AWS's tables list the tagging action for nearly every operation that creates a resource with tags. The record does
    not say whether the service checked it, so the grade is ``optional``. A rule of the service file comes first.
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
    # A call may have resources besides the one it creates: the tags belong to the type that the operation names.
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
        every = resolver.whole_type(kind)
        origin = Provenance(rule, kind=kind, step=every.step)
        for text in every.arns:
            yield MappedRequest(_request(tagging.name, text, kind, context, "optional"), origin)


def _passed_roles(call: Call, plan: KnownEvent, found: list[MappedRequest]) -> Iterator[MappedRequest]:
    """Yield iam:PassRole for roles that a writing call passes to a service; CloudTrail never logs it (1.9.5)."""
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
    """Return the service file of the service of an action."""
    return rules_for_service(action.split(":", 1)[0].lower())
