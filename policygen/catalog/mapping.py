"""Map a call to the access requests that IAM evaluated for it.

`requests_for` is the entry point of this package. Its result has one of four statuses: *mapped* to access requests, *no
permission needed*, *ignored* (not a call that IAM governs), or *unmapped*, which is reported to the user and never
guessed. Each request carries the rule that gave its action and the step that gave its ARN.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

import msgspec
from msgspec.structs import replace

from policygen.catalog import apigateway
from policygen.catalog.call import Call, MappedRequest, NamePattern, Provenance
from policygen.catalog.known_event import KnownEvent, Status, known_event, service_context
from policygen.catalog.parameters import TAG_MEMBERS, as_api_names, creates, is_left_out, normalise
from policygen.catalog.passed_role import of_own_account
from policygen.catalog.rendered_text import Text
from policygen.catalog.resources import UNRESOLVED, Resolver, role_arns
from policygen.catalog.rule_model import RequiredAction, ServiceRules
from policygen.catalog.rules import rules_for_service
from policygen.catalog.template import FieldScope, Template, lookup, present, scalar
from policygen.iam import reference
from policygen.iam.reference import Action, Service
from policygen.iam.request import GRANTED, AccessRequest, Context, Grade

# An action with more required types than this has them as alternatives: a record rarely names them all.
_ALL_REQUIRED = 3

# What IAM accepts as an ARN in a policy. With anything else it rejects the whole document.
_ARN = re.compile(r"arn:aws[a-z-]*:[a-z0-9-]+:[^:]*:[^:]*:.+", re.S)

_NO_RESOURCE = "it takes no resource"
_STAR = Text("*")
_WILD_STAR = Text("*", wild=True)


_origin = lru_cache(maxsize=8192)(Provenance)
"""Returns the provenance with these fields, the same object for all requests that have it."""


class MappingResult(msgspec.Struct, frozen=True):
    """The access requests of a call; `why` explains a status without requests."""

    status: Status
    requests: tuple[MappedRequest, ...] = ()
    why: str = ""


def requests_for(call: Call) -> MappingResult:
    """Return the access requests that AWS evaluated for a call.

    Args:
        call: with all its parameters, or with those that `projection` keeps.
    """
    event = known_event(call.source, call.name)
    if event.status != "mapped" or event.service is None:
        return MappingResult(event.status, why=event.why)
    params = as_api_names(call.params, event.path_members) if event.path_members else call.params
    if params is not call.params:
        call = replace(call, params=params)
    resolver = Resolver.of(call, event.service, event.rules, event.operation)
    if is_left_out(params) and (event.needs or event.action):
        return MappingResult("mapped", _unique(list(_without_parameters(call, event, resolver))))
    found = _main_requests(call, event, resolver)
    if event.also:
        found += _by_rule(event.also, event, resolver, call)
    if not found:
        why = f"the record of {call.name!r} does not hold the parameters that say what it needs"
        return MappingResult("unmapped", why=why)
    if event.roles and not event.role_roots.isdisjoint(resolver.nested_member_names()):
        found += _pass_role_requests(call, event, found)
    if event.tagging and not TAG_MEMBERS.isdisjoint(resolver.member_names):
        found += _tagging_requests(call, event, resolver, found)
    if event.rules and event.rules.open_resources:
        found = [_without_need(one, event.rules, resolver, call) for one in found]
    if len(found) > 1:
        found = [of_own_account(one, call) for one in found]
    for request, _ in found:
        if len(request.resource) > reference.LONGEST_ARN:
            return MappingResult("unmapped", why="a name in the record is longer than any ARN")
        if not _writable(request):
            return MappingResult("unmapped", why="a name in the record that should be an ARN is none")
    return MappingResult("mapped", tuple(found) if len(found) == 1 else _unique(found))


def _without_need(
    mapped: MappedRequest, rules: ServiceRules, resolver: Resolver, call: Call
) -> MappedRequest:
    """Return a request; only as a hint if the policy of its resource lets every principal of the account in."""
    request, origin = mapped
    rule = rules.open_resources.get(request.resource_type)
    if rule is None or request.grade not in GRANTED or not request.action.startswith(f"{rules.service}:"):
        return mapped
    scope = resolver.scope()
    named = any(test.holds(scope) for test in rule.named)
    known = named or call.knowledge.look_up(rule.known, call.account, request.resource)
    if not known or not all(test.holds(scope) for test in rule.when):
        return mapped
    return MappedRequest(request._replace(grade="hint"), origin._replace(note=rule.note))


def _writable(request: AccessRequest) -> bool:
    """Whether the resource is an ARN, or a ``*`` that does not come from the log's text."""
    if request.resource == "*":
        return request.wild or not request.resource_type
    return _ARN.fullmatch(request.resource) is not None


def _main_requests(call: Call, event: KnownEvent, resolver: Resolver) -> list[MappedRequest]:
    if event.needs:
        return _by_rule(event.needs, event, resolver, call)
    if event.action:
        return _by_event_name(event.action, event, resolver, call)
    if event.verb and (found := apigateway.verb_and_path(call, event.operation)):
        verb, arn = found
        origin = Provenance("API Gateway: the HTTP verb", step="the request's path")
        return [MappedRequest(_request(f"apigateway:{verb}", arn, "", base_context(call)), origin)]
    return []


def _without_parameters(call: Call, event: KnownEvent, resolver: Resolver) -> Iterator[MappedRequest]:
    """Yield requests for all that an event may ask for, where its parameters were too large for CloudTrail.

    What its rules need in some cases only is a hint: nothing shows it, and only a grant of today can stay for it.
    """
    base, scope = base_context(call), resolver.scope()
    origin = Provenance(event.rule, step="parameters that CloudTrail left out")
    asked: list[tuple[str, tuple[str, ...], Context, Grade]] = []
    for need in event.needs + event.also:
        always = need.grade == "required" and not (need.when or need.unless or need.each)
        grade: Grade = "hint" if need.grade in GRANTED and not always else need.grade
        context = _with_need_context(base, need, scope)
        asked += [(text.text, need.on, context, grade) for text in need.action.render(scope)]
    if event.action and not event.needs:
        asked.append((event.action.name, event.action.types, base, "required"))
    if event.roles:
        asked.append(("iam:PassRole", ("role",), _merge_contexts(base, event.passed), "hint"))
    if event.tagging:
        made = tuple(name for name in event.tagging.types if creates(name, event.operation))
        asked += [(event.tagging.name, made, base, "hint")] if made else []
    for action, types, context, grade in asked:
        service = _service_of(action, resolver.service)
        of_record = {name: resolver.of_record(name, service) for name in types}
        known, is_named = reference.action(action), any(of_record.values())
        asked_on = [
            (name, text)
            for name, arns in of_record.items()
            if arns or not is_named or (known and name in known.required)
            for text in arns or resolver.whole_type(name, service).arns
        ]
        for name, text in asked_on or [("", _STAR)]:
            with_owner = resolver.with_owner(context, text)
            yield MappedRequest(_request(action, text, name, with_owner, grade), origin)


def _by_event_name(action: Action, event: KnownEvent, resolver: Resolver, call: Call) -> list[MappedRequest]:
    """Return requests for the action with the event's name, on each of its resource types that the record names."""
    context = _with_service_context(base_context(call), event.rules, action.name, resolver)
    rule = f"action of the same name {action.name}"
    if not action.types:
        return [MappedRequest(_request(action.name, _STAR, "", context), Provenance(rule, step=_NO_RESOURCE))]
    by_type = [(type_name, resolver.find(type_name)) for type_name in action.types]
    named = any(resolved.arns for _, resolved in by_type)
    requests: list[MappedRequest] = []
    for type_name, in_record in by_type:
        resolved = in_record
        if not resolved.arns:
            if type_name not in action.required or (named and len(action.required) > _ALL_REQUIRED):
                continue
            resolved = resolver.whole_type(type_name)
        origin = _origin(rule, "", "", -1, type_name, resolved.step)
        for text in resolved.arns:
            with_owner = resolver.with_owner(context, text)
            requests.append(MappedRequest(_request(action.name, text, type_name, with_owner), origin))
    if not named and not action.required:
        if event.rules and event.operation.startswith(event.rules.whole_type_if_unnamed):
            return list(_whole_types(action, event, resolver, context))
        origin = Provenance(rule, step="nothing in the record names a resource")
        requests.append(MappedRequest(_request(action.name, _WILD_STAR, "", context), origin))
    return requests


def _whole_types(
    action: Action, event: KnownEvent, resolver: Resolver, context: Context
) -> Iterator[MappedRequest]:
    """Yield requests on every resource of an action's types, for certain on those of the type that it is called for."""
    operation = normalise(event.operation).removesuffix("s")
    called_for = [name for name in action.types if operation.endswith(normalise(name))]
    main = max(called_for, key=len, default="")
    for type_name in action.types:
        resolved = resolver.whole_type(type_name)
        origin = Provenance(
            f"action of the same name {action.name}", resource_type=type_name, step=resolved.step
        )
        for text in resolved.arns:
            grade: Grade = "required" if main in {type_name, ""} else "optional"
            yield MappedRequest(_request(action.name, text, type_name, context, grade), origin)


def _by_rule(
    needs: tuple[RequiredAction, ...], event: KnownEvent, resolver: Resolver, call: Call
) -> list[MappedRequest]:
    """Return requests for the needs of a rule: for each element of the list of `each`, if all tests hold."""
    base, request_scope = base_context(call), resolver.scope()
    member_names = resolver.member_names
    requests: list[MappedRequest] = []
    for need in needs:
        if not need.required_members <= member_names:
            continue
        for item in request_scope.values(need.each) if need.each else (None,):
            scope = request_scope if item is None else resolver.scope(item)
            if not _tests_hold(need, scope):
                continue
            context = _with_need_context(base, need, scope) if need.context else base
            for action in need.action.render(scope):
                requests += _requests_for_need(need, action.text, event, resolver, item, context)
    return requests


def _tests_hold(need: RequiredAction, scope: FieldScope) -> bool:
    for test in need.when:  # a loop, because all() is slower: this takes most of a call's time
        if not test.holds(scope):
            return False
    return not (need.unless and any(test.holds(scope) for test in need.unless))


def _requests_for_need(
    need: RequiredAction, action: str, event: KnownEvent, resolver: Resolver, item: object, context: Context
) -> list[MappedRequest]:
    """Return the requests of one need for one of its actions, on each resource type of the need."""
    known = reference.action(action)
    name = known.name if known else action
    context = _with_service_context(context, event.rules, name, resolver)
    note = need.note or event.note
    if not need.on:
        origin = Provenance(event.rule, note, event.file, need.number, step=_NO_RESOURCE)
        return [MappedRequest(_request(name, _STAR, "", context, need.grade), origin)]
    service = _service_of(name, resolver.service)
    requests: list[MappedRequest] = []
    for type_name in need.on:
        found = resolver.find(type_name, item, need.arn, service)
        if not found.arns:
            if len(need.on) > 1 and any(
                resolver.find(other, item, (), service) is not UNRESOLVED for other in need.on
            ):
                continue  # the record names another type of the need, so the call did not touch this one
            found = resolver.whole_type(type_name, service)
        origin = _origin(event.rule, note, event.file, need.number, type_name, found.step)
        for text in found.arns:
            with_owner = resolver.with_owner(context, text)
            requests.append(MappedRequest(_request(name, text, type_name, with_owner, need.grade), origin))
    return requests


def _service_of(action: str, event_service: Service) -> Service:
    """Return the service of a rule's action, which may differ from the event's service."""
    prefix = action.split(":", 1)[0]
    return event_service if prefix == event_service.prefix else reference.service(prefix) or event_service


def _request(
    action: str, text: Text, type_name: str, context: Context, grade: Grade = "required"
) -> AccessRequest:
    if text.alternative and grade in GRANTED:
        grade = "alternative"
    return AccessRequest(action, text.text, type_name, context, grade, text.wild)


def base_context(call: Call) -> Context:
    """Return the condition keys that every record holds."""
    return _base_context(call.region, call.via, call.vpce)


@lru_cache(maxsize=4096)
def _base_context(region: str, via: str, vpce: str) -> Context:
    # A call that a service makes for the caller does not come from the caller's endpoint (1.5.4).
    pairs = [("aws:RequestedRegion", (region,))] if region else []
    if via:
        pairs.append(("aws:ViaAWSService", ("true",)))
    elif vpce:
        pairs.append(("aws:SourceVpce", (vpce,)))
    return tuple(sorted(pairs))


def _with_need_context(base: Context, need: RequiredAction, scope: FieldScope) -> Context:
    """Return the context with the keys of a need."""
    keys: Iterable[tuple[str, Template]] = need.context
    if scope.item is None and scope.member_names is not None:  # as for most: few of many keys have a value
        keys = [one for one in keys if one[1].required_members <= scope.member_names]
    more = tuple((key, (text.text,)) for key, text in _known_values(keys, scope))
    return _merge_contexts(base, more) if more else base


def _known_values(keys: Iterable[tuple[str, Template]], scope: FieldScope) -> Iterator[tuple[str, Text]]:
    """Yield condition keys with the values that the record tells; a pattern stands for values that it does not."""
    return ((key, text) for key, template in keys for text in template.render(scope) if not text.wild)


def _with_service_context(
    base: Context, rules: ServiceRules | None, action: str, resolver: Resolver
) -> Context:
    """Return the context with the keys that the service file reads from every request."""
    if rules is None or not rules.context:
        return base
    scope, more = resolver.scope(), []
    for key, template in service_context(rules, action):
        if not template.required_members <= resolver.member_names:
            continue
        if key.endswith("*"):
            more += [(key[:-1] + name, (value,)) for name, value in _map_entries(scope, template.source)]
        else:
            more += [(key, (text.text,)) for key, text in _known_values([(key, template)], scope)]
    return _merge_contexts(base, tuple(more)) if more else base


def _map_entries(scope: FieldScope, source: str) -> Iterator[tuple[str, str]]:
    """Yield name and value of each entry of the map at ``{path.*}``."""
    for value in scope.values(source.removeprefix("{").removesuffix(".*}")):
        for name, inner in value.items() if isinstance(value, dict) else ():
            if not isinstance(inner, NamePattern) and (text := scalar(inner)):
                yield str(name), text


def _merge_contexts(context: Context, more: Context) -> Context:
    by_key: dict[str, tuple[str, ...]] = dict(context)
    for key, values in more:
        by_key[key] = tuple(sorted({*by_key.get(key, ()), *values}))
    return tuple(sorted(by_key.items()))


def _tagging_requests(
    call: Call, event: KnownEvent, resolver: Resolver, found: list[MappedRequest]
) -> Iterator[MappedRequest]:
    """Yield requests for the tagging action of a call that creates a resource with tags.

    Most services check it on the new resource: AWS's tables list it for nearly every operation that creates and takes
    tags. The record does not say whether the service did, so the grade is ``optional``. A rule of the service file
    that names a tagging action comes first.
    """
    tagging = event.tagging
    known = [reference.action(mapped.request.action) for mapped in found]
    if tagging is None or any(action and "Tagging" in action.access_level for action in known):
        return
    if not any(present(lookup(call.params, name)) for name in TAG_MEMBERS):
        return
    context = _with_service_context(base_context(call), event.rules, tagging.name, resolver)
    creating = f"{tagging.name.split(':')[0]}:CreateAction"
    if tagging.has_key(creating):
        context = _merge_contexts(context, ((creating, (event.operation,)),))
    rule, step = "tags are given on creation", "what the call is about"
    taggable = [mapped.request for mapped in found if mapped.request.resource_type in tagging.types]
    # A call may concern several resources. The tags are for the type that the operation names, at best at its end.
    name = normalise(event.operation)
    created_types = [type_name for type_name in tagging.types if name.endswith(normalise(type_name))]
    created = [request for request in taggable if request.resource_type in created_types]
    if not created and not created_types:
        created = [request for request in taggable if normalise(request.resource_type) in name] or taggable
    for one in created:
        yield MappedRequest(
            AccessRequest(tagging.name, one.resource, one.resource_type, context, "optional", one.wild),
            Provenance(rule, resource_type=one.resource_type, step=step),
        )
    for type_name in () if created else created_types:
        resolved = resolver.whole_type(type_name)
        origin = Provenance(rule, resource_type=type_name, step=resolved.step)
        for text in resolved.arns:
            yield MappedRequest(_request(tagging.name, text, type_name, context, "optional"), origin)


def _pass_role_requests(call: Call, event: KnownEvent, found: list[MappedRequest]) -> Iterator[MappedRequest]:
    """Yield iam:PassRole for each role that a writing call passes to a service; it has no event of its own (1.9.5)."""
    actions = [reference.action(mapped.request.action) for mapped in found]
    if not any(action and action.writes for action in actions):
        return
    if any(mapped.request.action.lower() in {"iam:passrole", "sts:assumerole"} for mapped in found):
        return
    context = _merge_contexts(base_context(call), event.passed)
    rule = "a role among the parameters is passed to the service"
    origin = Provenance(rule, resource_type="role", step="its ARN")
    for arn in role_arns(call.params, event.roles):
        yield MappedRequest(AccessRequest("iam:PassRole", arn, "role", context), origin)


def _unique(requests: list[MappedRequest]) -> tuple[MappedRequest, ...]:
    """Drop later requests that equal an earlier one."""
    return tuple({mapped.request: mapped for mapped in reversed(requests)}.values())[::-1]


@lru_cache(maxsize=4096)
def action_rules(action: str) -> ServiceRules | None:
    """Return the service file of an action's service."""
    return rules_for_service(action.split(":", 1)[0].lower())
