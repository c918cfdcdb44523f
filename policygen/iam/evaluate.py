"""Evaluate access requests as IAM does: identity policies, permissions boundary, SCPs and RCPs.

The identity policies, the permissions boundary and each level of the organization must allow a request; one Deny in
any of them denies it. A CloudTrail record holds few of the keys that conditions read, so a decision says whether it is
certain, and which unknown keys it depends on. Source: IAM User Guide, reference_policies_evaluation-logic;
Organizations User Guide, orgs_manage_policies_scps_evaluation; 4.1, 4.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from policygen.iam.arn import action_contains, action_overlaps, parse, service_of
from policygen.iam.conditions import ContextFacts, Truth, context_facts
from policygen.iam.document import Conditions, Effect, Policy, Statement
from policygen.iam.implication import implies
from policygen.iam.name_index import NameIndex
from policygen.iam.remainder import Constraint, may_remain
from policygen.iam.request import AccessRequest, Context
from policygen.iam.rules import ActionRules, PolicyLayer, StatementRule, statement_rules
from policygen.text import sanitize

Outcome = Literal["ALLOWED", "EXPLICIT_DENY", "IMPLICIT_DENY"]


class Decision(msgspec.Struct, frozen=True):
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
_RESOURCE_ACCOUNT = "aws:resourceaccount"


def evaluate(
    request: AccessRequest,
    policies: Sequence[Policy],
    boundary: Policy | None = None,
    complete: bool = False,
    base: Context = (),
    guardrails: Guardrails = (),
    account: str = "",
) -> Decision:
    """Evaluate one request against the policies of one role: may the role do it, and which statement decides?

    Args:
        request: one action on one resource, with the condition keys that are known.
        policies: the identity policies of the role.
        boundary: its permissions boundary; it must allow the request too.
        complete: a condition key that neither the request nor `base` has is absent, not unknown.
        base: condition keys besides those of the request; a key without values is absent.
        guardrails: levels of SCPs and RCPs; each must allow the request too. An empty level allows nothing.
        account: the role's account. RCPs limit the resources of this account only.

    Returns:
        A decision; its `outcome` is ``ALLOWED``, ``EXPLICIT_DENY`` or ``IMPLICIT_DENY``.

    Example:
        >>> import policygen as pg
        >>> policy = pg.parse_policy(
        ...     {"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop/*"}]}
        ... )
        >>> pg.evaluate(pg.AccessRequest("s3:GetObject", "arn:aws:s3:::shop/a"), [policy]).outcome
        'ALLOWED'
        >>> pg.evaluate(pg.AccessRequest("s3:PutObject", "arn:aws:s3:::shop/a"), [policy]).outcome
        'IMPLICIT_DENY'
    """
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
        bounds = [] if boundary is None else [PolicyLayer(BOUNDARY, statement_rules([boundary]))]
        levels = [PolicyLayer(level_name(level), statement_rules(level)) for level in guardrails]
        self._layers = [PolicyLayer(IDENTITY, statement_rules(policies)), *bounds, *levels]
        self._limits_resources = bool(account) and any(one.name == RESOURCE_CONTROL for one in levels)
        self._base = base
        self._complete = complete
        self._facts = context_facts(base, complete=complete)
        self._needs_context = any(rule.needs_context for layer in self._layers for rule in layer.rules)
        self._rules_by_action: dict[str, list[ActionRules]] = {}
        self._layers_by_service: dict[str, list[PolicyLayer]] = {}
        self._certain: dict[int, Decision] = {}
        """Identity of a rule of the identity policies -> the decision that it allows for certain."""

    def evaluate(self, request: AccessRequest) -> Decision:
        """Return the decision about a request.

        A literal resource is matched as it is. A pattern (`request.wild`) is allowed if one statement allows all of
        it, and denied if a Deny applies to any part of it: see `refusal` for whether all of it is refused.
        """
        facts, layers = self._facts_of(request), self._layers_of(request)
        uncertain: list[StatementRule] = []
        companions: list[tuple[str, StatementRule]] = []
        for name, denies, _ in layers:
            for rule in denies.items if request.wild else denies.about(request.resource):
                denied = rule.applies(request, facts, partly=request.wild)
                if denied is Truth.TRUE:
                    entirely = not request.wild or rule.applies(request, facts) is Truth.TRUE
                    return _decision("EXPLICIT_DENY", entirely, name, rule)
                if denied is Truth.UNKNOWN:
                    uncertain.append(rule)
                    if rule.covers(request, facts, partly=request.wild) is Truth.TRUE:
                        companions.append((name, rule))
        grants: list[StatementRule] = []
        for name, _, every in layers:
            allows = every.items if request.wild else every.about(request.resource)
            free = allows
            if companions:
                free = [rule for rule in allows if not any(rule.brings(deny) for _, deny in companions)]
            grant, certain = _grant(free, request, facts)
            if grant is None:
                if len(free) < len(allows) and (barred := _grant(allows, request, facts)[0]):
                    return next(
                        _decision("EXPLICIT_DENY", True, n, d) for n, d in companions if barred.brings(d)
                    )
                return _not_allowed(name)
            grants.append(grant)
            if not certain:
                uncertain.append(grant)
        if not uncertain:
            return self._allowed_by(grants[0])
        keys = tuple(sorted({key for rule in uncertain for key in rule.undecided(request, facts)}))
        return _decision("ALLOWED", False, IDENTITY, grants[0], keys)

    def _allowed_by(self, rule: StatementRule) -> Decision:
        """Return the decision that a rule allows a request for certain: the same one for all of them."""
        decision = self._certain.get(id(rule))
        if decision is None:
            decision = self._certain[id(rule)] = _decision("ALLOWED", True, IDENTITY, rule)
        return decision

    def refusal(self, request: AccessRequest) -> Decision | None:
        """Return why no name that a request may stand for is allowed; None where one may be.

        A request that names its resource stands for this name alone. A pattern (`request.wild`) stands for one unknown
        name: it is refused if it is proven that each name is. As for a named resource, undecided conditions favour the
        request.
        """
        if not request.wild:
            decision = self.evaluate(request)
            return None if decision.outcome == "ALLOWED" else decision
        facts, layers = self._facts_of(request), self._layers_of(request, partly=True)
        denies = [
            (_decision("EXPLICIT_DENY", True, name, rule), left)
            for name, rules, _ in layers
            for rule in rules.items
            if (left := rule.left_names(facts)) is not None
        ]
        undecided = [rule for _, rules, _ in layers for rule in rules.items if rule.left_names(facts) is None]
        identity, *bounds = [
            (
                _not_allowed(name),
                Constraint(
                    inside=tuple(
                        names
                        for rule in rules.items
                        if (names := rule.allowed_names(facts, [d for d in undecided if rule.brings(d)]))
                    )
                ),
            )
            for name, _, rules in layers
        ]
        for steps in (denies, [identity, *denies, *bounds]):
            constraints = [constraint for _, constraint in steps]
            if not may_remain(request.resource, constraints):
                return next(
                    decision
                    for number, (decision, _) in enumerate(steps, 1)
                    if not may_remain(request.resource, constraints[:number])
                )
        return None

    def _facts_of(self, request: AccessRequest) -> ContextFacts:
        if request.context and self._needs_context:
            return context_facts(self._base, request.context, complete=self._complete)
        return self._facts

    def _layers_of(self, request: AccessRequest, *, partly: bool = False) -> list[ActionRules]:
        """Return the layers that a request must pass; with `partly`, those that each of its names must.

        RCPs limit the resources of the role's account only (4.1.3).
        """
        layers = self._layers_for(request.action)
        if not self._limits_resources:
            return layers
        owner = _owner(request)
        if owner not in ("", self._account) and (partly or owner.isdigit()):
            return [layer for layer in layers if layer.name != RESOURCE_CONTROL]
        return layers

    def _layers_for(self, action: str) -> list[ActionRules]:
        """Return, for each layer, the Deny and the Allow rules whose Action element covers `action`."""
        layers = self._rules_by_action.get(action)
        if layers is None:
            service = service_of(action)
            if service not in self._layers_by_service:
                self._layers_by_service[service] = [layer.for_service(service) for layer in self._layers]
            layers = [
                ActionRules(name, _covering(rules, "Deny", action), _covering(rules, "Allow", action))
                for name, rules in self._layers_by_service[service]
            ]
            self._rules_by_action[action] = layers
        return layers


def _covering(rules: Iterable[StatementRule], effect: Effect, action: str) -> NameIndex[StatementRule]:
    """Return the rules of an effect whose Action element covers an action."""
    covering = (one for one in rules if one.statement.effect == effect and one.covers_action(action))
    return NameIndex(covering, lambda rule: rule.only_names)


def level_name(level: Sequence[Policy]) -> str:
    """Return what a decision calls the policies of a level: ``a service control policy``."""
    kinds = {policy.kind for policy in level}
    return RESOURCE_CONTROL if kinds == {"resource control"} else SERVICE_CONTROL


def _owner(request: AccessRequest) -> str:
    """Return the account of a request's resource, by its ARN or its context; "" where it is not known.

    For a pattern of accounts it is the pattern: the resource may belong to another account.
    """
    parts = parse(request.resource)
    if parts is None:
        return "*" if request.wild else ""
    if parts.account.isdigit() or (request.wild and parts.account):
        return parts.account
    known = next((values for key, values in request.context if key.lower() == _RESOURCE_ACCOUNT), ())
    return known[0] if len(known) == 1 else ""


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
        and action_contained(action, statement)
        and statement.resource_contains(resource_pattern)
        and implies(conditions, statement.conditions)
    )


def action_contained(action: str, statement: Statement) -> bool:
    """Whether the Action or NotAction element covers everything that an Action pattern matches. True is proven."""
    patterns = statement.actions_about(action)
    if statement.not_actions:
        return not any(action_overlaps(pattern, action) for pattern in patterns)
    return any(action_contains(pattern, action) for pattern in patterns)


def _grant(
    allows: Iterable[StatementRule], request: AccessRequest, facts: ContextFacts
) -> tuple[StatementRule | None, bool]:
    """Return the first rule that allows and True; else the first that may allow, or None, and False."""
    possible: StatementRule | None = None
    for rule in allows:
        allowed = rule.applies(request, facts)
        if allowed is Truth.TRUE:
            return rule, True
        if allowed is Truth.UNKNOWN and possible is None:
            possible = rule
    return possible, False


def _not_allowed(layer: str) -> Decision:
    reason = f"no statement of {layer} allows it"
    return Decision("IMPLICIT_DENY", certain=True, reason=reason, layer=layer)


def _decision(
    outcome: Outcome, certain: bool, layer: str, rule: StatementRule, keys: tuple[str, ...] = ()
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
