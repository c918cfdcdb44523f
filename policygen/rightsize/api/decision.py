"""May this caller invoke this method? What method, resource policy, authorizer, identity and endpoint decide together.

Source: API Gateway Developer Guide, apigateway-authorization-flow (tables A and B), apigateway-private-apis and
apigateway-vpc-endpoint-policies; IAM User Guide, reference_policies_evaluation-logic and access_policies_boundaries
(what a boundary leaves of a resource policy's grant). Every policy is asked by one evaluator, `iam.resource_policy`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from policygen.account.apis import Api
from policygen.iam.arn import contains, overlaps
from policygen.iam.document import Policy, Statement
from policygen.iam.party import EVERYONE, NOBODY, Party
from policygen.iam.resource_policy import ResourcePolicy, Verdict
from policygen.rightsize.api.question import (
    Invocation,
    InvokeQuestion,
    Layer,
    Said,
    World,
    known_caller,
    question_of,
)
from policygen.rightsize.api.routing import method_of, route_pattern


class InvokeDecision(NamedTuple):
    """What is decided. Where it is not certain, the outcome is the one that lets fewer in."""

    outcome: Verdict
    certain: bool
    layer: Layer
    reason: str
    unknown: tuple[str, ...] = ()
    """What it depends on and nobody told."""
    assumed: tuple[str, ...] = ()
    """What is taken for granted, as no snapshot tells it."""


def decide(world: World, api: Api, asked: Invocation) -> InvokeDecision:
    """Return whether an API answers a request, and whose word decides.

    Args:
        world: the accounts that are known; callers and endpoints of others are not.
        api: the API that is asked.
        asked: the request.
    """
    if api.stages and api.stage(asked.stage) is None:
        return InvokeDecision("IMPLICIT_DENY", True, "method", f"the API has no stage {asked.stage}")
    method = method_of(api, asked.verb, asked.path)
    if method is None:
        asked_for = asked.verb if api.protocol == "WEBSOCKET" else f"{asked.verb} {asked.path}"
        return InvokeDecision("IMPLICIT_DENY", True, "method", f"the API has no method for {asked_for}")
    signed = method.authorization == "AWS_IAM"
    if signed and not asked.caller.kind:
        return InvokeDecision("IMPLICIT_DENY", True, "method", f"{method.name} takes signed requests only")
    if api.private and api.policy is None:
        return InvokeDecision(
            "IMPLICIT_DENY", True, "resource policy", "a private API without a resource policy lets nobody in"
        )
    question = question_of(world, api, asked, asked.caller if signed else NOBODY)
    resource = question.say("resource policy", _asked_about(world, api, question.party))
    if signed:
        answer = _signed(world, api, asked, question, resource)
    elif method.authorization == "NONE":
        answer = _open(api, resource)
    else:
        answer = _authorized(api, asked, question, resource, method.authorization)
    found = _result(_through_endpoint(world, api, asked, question, answer))
    if signed and found.outcome == "ALLOWED":
        return found._replace(assumed=_assumed(world, asked.caller))
    return found


def surety(decision: InvokeDecision) -> int:
    """Return how surely a request is answered: 2 for certainly, 1 where it is not known, 0 for certainly not."""
    if not decision.certain:
        return 1
    return 2 if decision.outcome == "ALLOWED" else 0


def _asked_about(world: World, api: Api, party: Party) -> Iterator[ResourcePolicy]:
    """Yield an API's policy as it concerns a party.

    A Deny with NotPrincipal denies whoever has a permissions boundary, named or not (IAM User Guide,
    reference_policies_elements_notprincipal, "Key points").
    """
    if api.policy is None:
        return
    known = known_caller(world, party)
    if known is None or known.boundary is None:
        yield api.policy
        return
    statements = (
        one.with_principals([("AWS", EVERYONE)])
        if one.principals.negated and one in api.policy.denies
        else one
        for one in api.policy.statements
    )
    yield replace(api.policy, statements=tuple(statements))


def _assumed(world: World, caller: Party) -> tuple[str, ...]:
    """Return what an Allow takes for granted of a caller whose organization's policies were not read."""
    known = known_caller(world, caller)
    untold = known is not None and known.levels is None
    return (f"no service control policy of account {caller.account} denies it",) if untold else ()


# ---- what the kinds of methods ask for ----------------------------------------------------------------


class _Outcomes(NamedTuple):
    """Outcome with the layer that decides, at best and at worst."""

    best: tuple[Verdict, Layer]
    worst: tuple[Verdict, Layer]
    unknown: tuple[str, ...] = ()


def _open(api: Api, resource: Said) -> _Outcomes:
    """Decide for a method that asks nothing: its resource policy alone, if there is one."""
    if api.policy is None:
        free: tuple[Verdict, Layer] = ("ALLOWED", "method")
        return _Outcomes(free, free)
    return _Outcomes((resource.best, resource.layer), (resource.worst, resource.layer), resource.unknown)


def _authorized(
    api: Api, asked: Invocation, question: InvokeQuestion, resource: Said, authorization: str
) -> _Outcomes:
    """Decide for a method with an authorizer; without its answer, it may be either."""
    answer = asked.authorized
    if answer is None:
        refused: tuple[Verdict, Layer] = ("IMPLICIT_DENY", "authorizer")
        if resource.best == "EXPLICIT_DENY" == resource.worst:
            refused = ("EXPLICIT_DENY", "resource policy")
            return _Outcomes(refused, refused)
        return _Outcomes(("ALLOWED", "authorizer"), refused, ("what the authorizer answers",))
    passed = answer.outcome == "allow"
    if resource.worst == resource.best == "EXPLICIT_DENY":
        denied: tuple[Verdict, Layer] = ("EXPLICIT_DENY", "resource policy")
        return _Outcomes(denied, denied)
    if not passed:
        refused = ("IMPLICIT_DENY", "authorizer")
        return _Outcomes(refused, refused)
    if authorization in {"COGNITO_USER_POOLS", "JWT"}:
        return _open(api, resource)
    own = (
        question.say_bare("authorizer", [answer.policy])
        if answer.policy
        else Said("ALLOWED", "ALLOWED", "authorizer")
    )
    # Table A, with the authorizer's policy in the place of the identity's.
    return _Outcomes(
        _either(own.best, own.layer, resource.best),
        _either(own.worst, own.layer, resource.worst),
        (*own.unknown, *resource.unknown),
    )


def _either(own: Verdict, layer: Layer, resource: Verdict) -> tuple[Verdict, Layer]:
    """Apply table A: a Deny of either wins, then an Allow of either suffices."""
    if "EXPLICIT_DENY" in (own, resource):
        return "EXPLICIT_DENY", layer if own == "EXPLICIT_DENY" else "resource policy"
    if own == "ALLOWED":
        return "ALLOWED", layer
    return resource, "resource policy" if resource == "ALLOWED" else layer


def _signed(world: World, api: Api, asked: Invocation, question: InvokeQuestion, resource: Said) -> _Outcomes:
    """Decide for a method that asks for IAM's authorization."""
    same = question.party.account == api.account
    if api.protocol != "REST" and not same:
        closed: tuple[Verdict, Layer] = ("IMPLICIT_DENY", "method")
        return _Outcomes(closed, closed)
    if not same and resource.best != "ALLOWED" and known_caller(world, question.party) is None:
        # Table B: both sides must allow, so that the caller's own policies, which nobody knows, cannot help.
        return _Outcomes((resource.best, resource.layer), (resource.worst, resource.layer), resource.unknown)
    layers = _own_layers(world, asked, question)
    unknown = tuple(key for said in (*layers, resource) for key in said.unknown)
    return _Outcomes(
        _signed_outcome(layers, resource, same, question.party, best=True),
        _signed_outcome(layers, resource, same, question.party, best=False),
        unknown,
    )


def _own_layers(world: World, asked: Invocation, question: InvokeQuestion) -> list[Said]:
    """Return what the caller's own side says: identity, boundary, session policy, the levels of its organization."""
    known = known_caller(world, question.party)
    if known is None:
        whose = f"the policies of {question.party.name}"
        said = [Said("ALLOWED", "EXPLICIT_DENY", "identity", unknown=(whose,))]
    else:
        identity = question.say_bare("identity", known.policies)
        at_worst = _of_any_path(question, known.policies)
        if at_worst != identity.worst:
            identity = identity._replace(worst=at_worst, unknown=(*identity.unknown, "the path"))
        if known.missing:
            whose = f"policies of {question.party.name} that were not read"
            best = "ALLOWED" if identity.best == "IMPLICIT_DENY" else identity.best
            identity = identity._replace(best=best, worst="EXPLICIT_DENY", unknown=(*identity.unknown, whose))
        said = [identity]
        if known.boundary:
            said.append(question.say_bare("boundary", [known.boundary]))
        if known.levels is None:
            said.append(Said("ALLOWED", "ALLOWED", "organization"))  # `_assumed` says so
        said += [question.say_bare("organization", level) for level in known.levels or ()]
    if asked.session_policy:
        said.append(question.say_bare("session policy", [asked.session_policy]))
    return said


def _of_any_path(question: InvokeQuestion, policies: Sequence[Policy]) -> Verdict:
    """Return what a caller's policies say of a request at worst, where the log has its route and not its path."""
    route = route_pattern(question.request.resource)

    def is_of_a_part(statement: Statement) -> bool:
        return any(overlaps(one, route) and not contains(one, route) for one in statement.resources)

    parts = {one for policy in policies for one in policy.statements if is_of_a_part(one)}
    if any(one.effect == "Deny" and not one.not_resources for one in parts):
        return "EXPLICIT_DENY"
    whole = [
        replace(
            policy,
            statements=tuple(one for one in policy.statements if not one.not_resources or one not in parts),
        )
        for policy in policies
    ]
    return question.say_bare("identity", whole).worst


def _signed_outcome(
    layers: Sequence[Said], resource: Said, same: bool, party: Party, *, best: bool
) -> tuple[Verdict, Layer]:
    """Apply tables A and B to what the layers say at best or at worst."""

    def of(said: Said) -> Verdict:
        return said.best if best else said.worst

    for said in (*layers, resource):
        if of(said) == "EXPLICIT_DENY":
            return "EXPLICIT_DENY", said.layer
    closed = {said.layer: "IMPLICIT_DENY" for said in layers if of(said) != "ALLOWED"}
    if "organization" in closed:
        return "IMPLICIT_DENY", "organization"
    granted = of(resource) == "ALLOWED"
    if not same:
        first = next(iter(closed), None)
        if first is not None:
            return "IMPLICIT_DENY", first
        return of(resource), "resource policy"
    if not closed:
        return "ALLOWED", "identity"
    if granted and resource.who == "direct" and closed.keys() <= _overruled(resource, party):
        return "ALLOWED", "resource policy"
    return "IMPLICIT_DENY", next(iter(closed))


def _overruled(resource: Said, party: Party) -> set[Layer]:
    """Return the layers whose silence the resource policy's own grant overrules, in the same account.

    A grant to a session, or to a user, is not limited by the silence of a boundary; one to a role is (IAM User Guide,
    access_policies_boundaries, "Evaluating effective permissions with boundaries").
    """
    if resource.names_session:
        return {"identity", "boundary", "session policy"}
    if not party.is_role:
        return {"identity", "boundary"}
    return {"identity"}


def _through_endpoint(
    world: World, api: Api, asked: Invocation, question: InvokeQuestion, answer: _Outcomes
) -> _Outcomes:
    """Add the policy of the VPC endpoint that a request to a private API comes through."""
    if not api.private:
        return answer
    given = asked.endpoint or next(
        (values[0] for key, values in asked.context.items() if key.lower() == "aws:sourcevpce" and values), ""
    )
    endpoint = world.endpoint(given) if given else None
    if endpoint is None or endpoint.policy is None:
        whose = f"the policy of {given}" if given else "the VPC endpoint that the request comes through"
        worst = answer.worst if answer.worst[0] != "ALLOWED" else ("IMPLICIT_DENY", "endpoint")
        return _Outcomes(answer.best, worst, (*answer.unknown, whose))
    said = question.say("endpoint", [endpoint.policy])

    def limited(outcome: tuple[Verdict, Layer], verdict: Verdict) -> tuple[Verdict, Layer]:
        if verdict == "EXPLICIT_DENY" and outcome[0] != "EXPLICIT_DENY":
            return verdict, "endpoint"
        return outcome if verdict == "ALLOWED" or outcome[0] != "ALLOWED" else (verdict, "endpoint")

    return _Outcomes(
        limited(answer.best, said.best), limited(answer.worst, said.worst), (*answer.unknown, *said.unknown)
    )


_REASONS: Mapping[str, str] = {
    "ALLOWED": "{layer} allows it",
    "EXPLICIT_DENY": "{layer} denies it",
    "IMPLICIT_DENY": "{layer} does not allow it",
}
_CALLED: Mapping[Layer, str] = {
    "method": "the method",
    "resource policy": "the resource policy",
    "identity": "the caller's identity policies",
    "boundary": "the permissions boundary",
    "session policy": "the session policy",
    "organization": "a service control policy",
    "authorizer": "the authorizer",
    "endpoint": "the policy of the VPC endpoint",
}


def _result(answer: _Outcomes) -> InvokeDecision:
    certain = answer.best[0] == answer.worst[0]
    outcome, layer = answer.worst
    reason = _REASONS[outcome].format(layer=_CALLED[layer])
    unknown = () if certain else tuple(sorted(set(answer.unknown)))
    if not certain:
        reason = f"not certain; at worst {reason}"
    return InvokeDecision(outcome, certain, layer, reason, unknown)
