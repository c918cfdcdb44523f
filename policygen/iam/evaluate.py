"""What policies decide about an access request: IAM's evaluation of identity policies and what bounds them.

A request must be allowed by the identity policies, by the permissions boundary, and by each level of the
organization; a Deny in any of them ends it. A record tells few of the keys that conditions ask for, so a
decision says whether it is certain and, if not, for want of which keys. Source: IAM User Guide,
reference_policies_evaluation-logic; Organizations User Guide, orgs_manage_policies_scps_evaluation; 4.1, 4.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
    """What policies decide about one access request.

    Attributes:
        outcome: what holds if every condition that cannot be decided favours the request, as it must have
            done for a call that succeeded.
        certain: the outcome does not depend on keys that are not known.
        statement: the statement that decided, None for an implicit deny.
        policy: the name of its policy.
        layer: whose word decided: ``the identity policies``, ``the permissions boundary``, ``a service control
            policy``, ``a resource control policy``.
        unknown_keys: the keys, sorted, that keep the decision from being certain.
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
"""SCPs by level, the root's first, and RCPs as one level: each must allow, and holds at least one Allow.

An RCP level has the Allow of RCPFullAWSAccess, which is always attached (4.1)."""

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
    """What `policies`, all of one role, within its bounds decide about `request`; see `Evaluator`."""
    return Evaluator(policies, boundary, complete, base, guardrails, account).evaluate(request)


class Evaluator:
    """Policies prepared for many requests.

    Args:
        policies: the identity policies of one role.
        boundary: its permissions boundary; it must allow a request as well.
        complete: a condition key that neither the request nor `base` has is absent, not unknown.
        base: condition keys that are the same for all requests; a key without values is absent.
        guardrails: levels of SCPs and RCPs; each must allow a request as well. An empty level allows nothing.
        account: the role's account. RCPs bound its resources only: a resource that names another account is
            not asked of them. "" asks of all.
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
        self._asks = any(rule.asks for layer in self._layers for rule in layer.rules)
        self._concerned: dict[str, list[_Concerned]] = {}
        self._spoken: dict[str, list[_Layer]] = {}

    def evaluate(self, request: AccessRequest) -> Decision:
        """The decision about `request`.

        A literal resource is matched as it is. A pattern (`request.wild`) must be allowed whole by one
        statement, and is denied when a Deny touches any part of it.
        """
        facts = self._facts
        if request.context and self._asks:
            facts = context_facts(self._base, request.context, complete=self._complete)
        layers = self._layers_for(request.action)
        if self._account and _owner(request.resource) not in ("", self._account):
            layers = [layer for layer in layers if layer.name != RESOURCE_CONTROL]
        doubts: list[_Rule] = []
        for name, denies, _ in layers:
            for rule in denies:
                answer = rule.applies(request, facts, partly=request.wild)
                if answer is Truth.TRUE:
                    whole = not request.wild or rule.applies(request, facts) is Truth.TRUE
                    return _decision("EXPLICIT_DENY", whole, name, rule)
                if answer is Truth.UNKNOWN:
                    doubts.append(rule)
        grants: list[_Rule] = []
        for name, _, allows in layers:
            grant, certain = _grant(allows, request, facts)
            if grant is None:
                reason = f"no statement of {name} allows it"
                return Decision("IMPLICIT_DENY", certain=True, reason=reason, layer=name)
            grants.append(grant)
            if not certain:
                doubts.append(grant)
        keys = tuple(sorted({key for rule in doubts for key in rule.undecided(request, facts)}))
        return _decision("ALLOWED", not doubts, IDENTITY, grants[0], keys)

    def _layers_for(self, action: str) -> list[_Concerned]:
        """Per layer, the Deny and the Allow rules whose Action element covers `action`."""
        found = self._concerned.get(action)
        if found is None:
            service = service_of(action)
            if service not in self._spoken:
                self._spoken[service] = [layer.about(service) for layer in self._layers]
            found = [
                _Concerned(
                    name,
                    [r for r in rules if r.statement.effect == "Deny" and r.concerns(action)],
                    [r for r in rules if r.statement.effect == "Allow" and r.concerns(action)],
                )
                for name, rules in self._spoken[service]
            ]
            self._concerned[action] = found
        return found


def level_name(level: Sequence[Policy]) -> str:
    """Whose word a level of an organization is: ``a service control policy``."""
    kinds = {policy.kind for policy in level}
    return RESOURCE_CONTROL if kinds == {"resource control"} else SERVICE_CONTROL


def _owner(resource: str) -> str:
    """The account that an ARN names; "" where it names none, or a pattern of accounts."""
    found = parse(resource)
    return found.account if found and found.account.isdigit() else ""


def grant_contained(action: str, resource_pattern: str, conditions: Conditions, statement: Statement) -> bool:
    """Whether one Allow statement alone allows all that a grant would: True is proven.

    Args:
        action: an Action pattern.
        resource_pattern: a Resource pattern.
        conditions: the conditions of the grant; they must imply those of the statement.
        statement: the statement to look in.
    """
    return (
        statement.effect == "Allow"
        and _lists(
            actions_about(statement.actions, action),
            statement.not_actions,
            action,
            action_contains,
            action_overlaps,
        )
        and _lists(statement.resources, statement.not_resources, resource_pattern, contains, overlaps)
        and implies(conditions, statement.conditions)
    )


def _lists(
    patterns: Iterable[str],
    negated: bool,
    narrow: str,
    containing: Callable[[str, str], bool],
    overlapping: Callable[[str, str], bool],
) -> bool:
    """Whether a list of patterns, or with `negated` all that it leaves out, contains `narrow`."""
    if negated:
        return not any(overlapping(pattern, narrow) for pattern in patterns)
    return any(containing(pattern, narrow) for pattern in patterns)


# --- Rules: statements prepared ------------------------------------------------------------------


class _Layer(NamedTuple):
    """Policies that must allow together."""

    name: str
    rules: list[_Rule]

    def about(self, service: str) -> _Layer:
        """The layer with the rules that may speak about a service's actions."""
        near = {service, "*"}
        return _Layer(
            self.name, [r for r in self.rules if r.statement.not_actions or not near.isdisjoint(r.services)]
        )


class _Concerned(NamedTuple):
    """The rules of a layer that speak about one action."""

    name: str
    denies: list[_Rule]
    allows: list[_Rule]


class _Rule(NamedTuple):
    """A statement with its resources sorted by what it takes to match them."""

    statement: Statement
    label: str
    policy: str
    names: frozenset[str]
    """What the patterns without wildcards match."""
    globs: tuple[str, ...]
    """The patterns with wildcards."""
    patterns: tuple[str, ...]
    """Both, as written."""
    variables: tuple[str, ...]
    """The patterns with policy variables."""
    services: frozenset[str]
    """Of the actions that the statement lists."""

    @property
    def asks(self) -> bool:
        """Whether anything but action and resource is looked at."""
        return bool(self.statement.conditions or self.variables)

    def concerns(self, action: str) -> bool:
        """Whether the Action or NotAction element covers `action`."""
        patterns = actions_about(self.statement.actions, action)
        listed = any(action_matches(pattern, action) for pattern in patterns)
        return listed != self.statement.not_actions

    def applies(self, request: AccessRequest, facts: ContextFacts, partly: bool = False) -> Truth:
        """Whether Resource and Condition cover all that is requested, or with `partly` some of it."""
        covered = self._covers(request, facts, partly)
        if covered is Truth.FALSE or not self.statement.conditions:
            return covered
        return all_of((covered, evaluate_conditions(self.statement.conditions, facts)))

    def undecided(self, request: AccessRequest, facts: ContextFacts) -> set[str]:
        """The keys for want of which `applies` is UNKNOWN."""
        keys = set(undecided_keys(self.statement.conditions, facts))
        if Truth.UNKNOWN in (self._covers(request, facts, partly) for partly in (False, True)):
            keys.update(key for pattern in self.variables for key in unknown_variables(pattern, facts))
        return keys

    def _covers(self, request: AccessRequest, facts: ContextFacts, partly: bool) -> Truth:
        if self.statement.not_resources:
            # What the list leaves out is covered whole when the list touches nothing of it.
            return negate(self._listed(request, facts, request.wild and not partly))
        return self._listed(request, facts, partly)

    def _listed(self, request: AccessRequest, facts: ContextFacts, partly: bool) -> Truth:
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
    # "*", the word for "no resource", has no colons: of all patterns only "*" matches it (4.3.8).
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
    """The first rule that allows, and True; else the first that may allow, and False."""
    perhaps: _Rule | None = None
    for rule in allows:
        answer = rule.applies(request, facts)
        if answer is Truth.TRUE:
            return rule, True
        if answer is Truth.UNKNOWN and perhaps is None:
            perhaps = rule
    return perhaps, False


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
