"""Evaluate access requests as IAM does: identity policies, permissions boundary, SCPs and RCPs.

The identity policies, the permissions boundary and each level of the organization must allow a request; one Deny in
any of them denies it. A CloudTrail record holds few of the keys that conditions read, so a decision says whether it is
certain, and which unknown keys it depends on. Source: IAM User Guide, reference_policies_evaluation-logic;
Organizations User Guide, orgs_manage_policies_scps_evaluation; 4.1, 4.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from policygen.iam.arn import (
    action_contains,
    action_matches,
    action_overlaps,
    actions_about,
    contains,
    overlaps,
    parse,
    quote,
    resource_glob,
    service_of,
)
from policygen.iam.conditions import (
    ContextFacts,
    Truth,
    all_of,
    any_of,
    context_facts,
    evaluate_conditions,
    negate,
    substitute,
    truth,
    undecided_keys,
    unknown_variables,
)
from policygen.iam.document import Conditions, Policy, Statement
from policygen.iam.implication import implies
from policygen.iam.pattern import Wild
from policygen.iam.request import AccessRequest, Context
from policygen.text import sanitize

Outcome = Literal["ALLOWED", "EXPLICIT_DENY", "IMPLICIT_DENY"]


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision of policies about one access request.

    Attributes:
        outcome: the outcome if every undecided condition favours the request, as it must have done for a call that
            succeeded.
        certain: whether the outcome is the same for all values of unknown keys.
        statement: the deciding statement, None for an implicit deny.
        policy: the name of its policy.
        layer: which kind of policy decided: ``the identity policies``, ``the permissions boundary``, ``a service
            control policy``, ``a resource control policy``.
        unknown_keys: the unknown keys, sorted, that the outcome depends on.
        reason: one line for people.
    """

    outcome: Outcome
    certain: bool
    statement: Statement | None = None
    policy: str = ""
    unknown_keys: tuple[str, ...] = ()
    reason: str = ""
    layer: str = ""


Guardrails = Sequence[Sequence[Policy]]
"""Levels of SCPs, the root's first, and RCPs as one level. Each level must allow a request.

The RCP level includes RCPFullAWSAccess, which is always attached (4.1)."""

IDENTITY = "the identity policies"
BOUNDARY = "the permissions boundary"
SERVICE_CONTROL = "a service control policy"
RESOURCE_CONTROL = "a resource control policy"


def evaluate(
    request: AccessRequest,
    policies: Sequence[Policy],
    boundary: Policy | None = None,
    complete: bool = False,
    base: Context = (),
    guardrails: Guardrails = (),
    account: str = "",
) -> Decision:
    """Evaluate one request against the policies of one role; see `Evaluator` for the arguments."""
    return Evaluator(policies, boundary, complete, base, guardrails, account).evaluate(request)


class Evaluator:
    """Policies prepared for many requests.

    Args:
        policies: the identity policies of one role.
        boundary: its permissions boundary; it must allow a request too.
        complete: a condition key that neither the request nor `base` has is absent, not unknown.
        base: condition keys that are the same for all requests; a key without values is absent.
        guardrails: levels of SCPs and RCPs; each must allow a request too. An empty level allows nothing.
        account: the role's account. RCPs limit the resources of this account only: they are skipped for a resource of
            another account. With "" they apply to all resources.
    """

    def __init__(
        self,
        policies: Sequence[Policy],
        boundary: Policy | None = None,
        complete: bool = False,
        base: Context = (),
        guardrails: Guardrails = (),
        account: str = "",
    ) -> None:
        self._account = account
        bounds = [] if boundary is None else [_Layer(BOUNDARY, _rules([boundary]))]
        levels = [_Layer(level_name(level), _rules(level)) for level in guardrails]
        self._layers = [_Layer(IDENTITY, _rules(policies)), *bounds, *levels]
        self._base = base
        self._complete = complete
        self._facts = context_facts(base, complete=complete)
        self._needs_context = any(rule.needs_context for layer in self._layers for rule in layer.rules)
        self._rules_by_action: dict[str, list[_ActionRules]] = {}
        self._layers_by_service: dict[str, list[_Layer]] = {}

    def evaluate(self, request: AccessRequest) -> Decision:
        """Return the decision about a request.

        A literal resource is matched as it is. A pattern (`request.wild`) is allowed if one statement allows all of
        it, and denied if a Deny applies to any part of it.
        """
        facts = self._facts
        if request.context and self._needs_context:
            facts = context_facts(self._base, request.context, complete=self._complete)
        layers = self._layers_for(request.action)
        if self._account and _owner(request.resource) not in ("", self._account):
            layers = [layer for layer in layers if layer.name != RESOURCE_CONTROL]
        uncertain: list[_Rule] = []
        for name, denies, _ in layers:
            for rule in denies:
                denied = rule.applies(request, facts, partly=request.wild)
                if denied is Truth.TRUE:
                    entirely = not request.wild or rule.applies(request, facts) is Truth.TRUE
                    return _decision("EXPLICIT_DENY", entirely, name, rule)
                if denied is Truth.UNKNOWN:
                    uncertain.append(rule)
        grants: list[_Rule] = []
        for name, _, allows in layers:
            grant, certain = _grant(allows, request, facts)
            if grant is None:
                reason = f"no statement of {name} allows it"
                return Decision("IMPLICIT_DENY", certain=True, reason=reason, layer=name)
            grants.append(grant)
            if not certain:
                uncertain.append(grant)
        keys = tuple(sorted({key for rule in uncertain for key in rule.undecided(request, facts)}))
        return _decision("ALLOWED", not uncertain, IDENTITY, grants[0], keys)

    def _layers_for(self, action: str) -> list[_ActionRules]:
        """Return, for each layer, the Deny and the Allow rules whose Action element covers `action`."""
        layers = self._rules_by_action.get(action)
        if layers is None:
            service = service_of(action)
            if service not in self._layers_by_service:
                self._layers_by_service[service] = [layer.for_service(service) for layer in self._layers]
            layers = [
                _ActionRules(
                    name,
                    [r for r in rules if r.statement.effect == "Deny" and r.covers_action(action)],
                    [r for r in rules if r.statement.effect == "Allow" and r.covers_action(action)],
                )
                for name, rules in self._layers_by_service[service]
            ]
            self._rules_by_action[action] = layers
        return layers


def level_name(level: Sequence[Policy]) -> str:
    """Return what a decision calls the policies of a level: ``a service control policy``."""
    kinds = {policy.kind for policy in level}
    return RESOURCE_CONTROL if kinds == {"resource control"} else SERVICE_CONTROL


def _owner(resource: str) -> str:
    """Return the account in an ARN; "" where it has none, or a pattern of accounts."""
    parts = parse(resource)
    return parts.account if parts and parts.account.isdigit() else ""


def grant_contained(action: str, resource_pattern: str, conditions: Conditions, statement: Statement) -> bool:
    """Whether one Allow statement alone allows everything that a grant allows. True is proven, False is not.

    Args:
        action: an Action pattern.
        resource_pattern: a Resource pattern.
        conditions: the conditions of the grant; they must imply those of the statement.
        statement: the statement that may contain the grant.
    """
    return (
        statement.effect == "Allow"
        and _action_contained(action, statement)
        and statement.resource_contains(resource_pattern)
        and implies(conditions, statement.conditions)
    )


def _action_contained(action: str, statement: Statement) -> bool:
    """Whether the Action or NotAction element covers everything that an Action pattern matches."""
    patterns = actions_about(statement.actions, action)
    if statement.not_actions:
        return not any(action_overlaps(pattern, action) for pattern in patterns)
    return any(action_contains(pattern, action) for pattern in patterns)


# --- Rules: statements prepared for evaluation ----------------------------------------------------


class _Layer(NamedTuple):
    """Policies of one kind, of which a statement must allow the request."""

    name: str
    rules: list[_Rule]

    def for_service(self, service: str) -> _Layer:
        """Return the layer with only the rules that may apply to a service's actions."""
        wanted = {service, "*"}
        return _Layer(
            self.name, [r for r in self.rules if r.statement.not_actions or not wanted.isdisjoint(r.services)]
        )


class _ActionRules(NamedTuple):
    """The rules of a layer that apply to one action."""

    name: str
    denies: list[_Rule]
    allows: list[_Rule]


class _Rule(NamedTuple):
    """A statement with its resource patterns grouped by how they are matched."""

    statement: Statement
    label: str
    policy: str
    names: frozenset[str]
    """The names that patterns without wildcards match."""
    globs: tuple[str, ...]
    """Patterns with wildcards."""
    patterns: tuple[str, ...]
    """Patterns without variables, with or without wildcards."""
    variables: tuple[str, ...]
    """Patterns with policy variables."""
    services: frozenset[str]
    """Service prefixes of the Action or NotAction element."""

    @property
    def needs_context(self) -> bool:
        """Whether the rule reads condition keys."""
        return bool(self.statement.conditions or self.variables)

    def covers_action(self, action: str) -> bool:
        """Whether the Action or NotAction element covers `action`."""
        patterns = actions_about(self.statement.actions, action)
        listed = any(action_matches(pattern, action) for pattern in patterns)
        return listed != self.statement.not_actions

    def applies(self, request: AccessRequest, facts: ContextFacts, partly: bool = False) -> Truth:
        """Whether Resource and Condition cover the whole request; with `partly`, whether they cover some of it."""
        covered = self._covers(request, facts, partly)
        if covered is Truth.FALSE or not self.statement.conditions:
            return covered
        return all_of((covered, evaluate_conditions(self.statement.conditions, facts)))

    def undecided(self, request: AccessRequest, facts: ContextFacts) -> set[str]:
        """Return the unknown keys that make `applies` UNKNOWN."""
        keys = set(undecided_keys(self.statement.conditions, facts))
        if Truth.UNKNOWN in (self._covers(request, facts, partly) for partly in (False, True)):
            keys.update(key for pattern in self.variables for key in unknown_variables(pattern, facts))
        return keys

    def _covers(self, request: AccessRequest, facts: ContextFacts, partly: bool) -> Truth:
        if self.statement.not_resources:
            # NotResource covers the whole request if the list matches no part of it.
            return negate(self._lists_resource(request, facts, request.wild and not partly))
        return self._lists_resource(request, facts, partly)

    def _lists_resource(self, request: AccessRequest, facts: ContextFacts, partly: bool) -> Truth:
        if not request.wild and request.resource in self.names:
            return Truth.TRUE
        patterns = self.patterns if request.wild else self.globs
        if any(_matches(pattern, request, partly) for pattern in patterns):
            return Truth.TRUE
        if not self.variables:
            return Truth.FALSE
        return any_of(_variable_matches(pattern, request, facts, partly) for pattern in self.variables)


def _matches(pattern: str, request: AccessRequest, partly: bool) -> bool:
    if request.wild:
        return overlaps(pattern, request.resource) if partly else contains(pattern, request.resource)
    # The resource "*" stands for "no resource". It has no colons, so that only the pattern "*" matches it (4.3.8).
    return resource_glob(pattern).matches(request.resource)


def _variable_matches(pattern: str, request: AccessRequest, facts: ContextFacts, partly: bool) -> Truth:
    resolved = substitute(pattern, facts)
    if resolved is None:
        return Truth.FALSE
    if unknown_variables(pattern, facts):
        requested = request.resource if request.wild else quote(request.resource)
        return Truth.UNKNOWN if overlaps(resolved, requested) else Truth.FALSE
    return truth(_matches(resolved, request, partly))


def _rules(policies: Iterable[Policy]) -> list[_Rule]:
    return [
        _rule(statement, sanitize(statement.sid) or f"#{number}", sanitize(policy.name))
        for policy in policies
        for number, statement in enumerate(policy.statements, 1)
    ]


def _rule(statement: Statement, label: str, policy: str) -> _Rule:
    compiled = {pattern: resource_glob(pattern) for pattern in dict.fromkeys(statement.resources)}
    variables = tuple(pattern for pattern, glob in compiled.items() if Wild.VARIABLE in glob.tokens)
    return _Rule(
        statement,
        label,
        policy,
        names=frozenset(glob.literal for glob in compiled.values() if glob.literal is not None),
        globs=tuple(p for p, glob in compiled.items() if glob.literal is None and p not in variables),
        patterns=tuple(pattern for pattern in compiled if pattern not in variables),
        variables=variables,
        services=frozenset(map(service_of, statement.actions)),
    )


def _grant(allows: Iterable[_Rule], request: AccessRequest, facts: ContextFacts) -> tuple[_Rule | None, bool]:
    """Return the first rule that allows and True; else the first that may allow, or None, and False."""
    possible: _Rule | None = None
    for rule in allows:
        allowed = rule.applies(request, facts)
        if allowed is Truth.TRUE:
            return rule, True
        if allowed is Truth.UNKNOWN and possible is None:
            possible = rule
    return possible, False


def _decision(
    outcome: Outcome, certain: bool, layer: str, rule: _Rule, keys: tuple[str, ...] = ()
) -> Decision:
    verb = "allows" if outcome == "ALLOWED" else "denies"
    where = f" of {rule.policy}" if rule.policy else "" if layer == IDENTITY else f" of {layer}"
    unless = f", unless {', '.join(map(sanitize, keys))} had a value that forbids it" if keys else ""
    return Decision(
        outcome,
        certain,
        rule.statement,
        rule.policy,
        keys,
        f"statement {rule.label}{where} {verb} it{unless}",
        layer,
    )
