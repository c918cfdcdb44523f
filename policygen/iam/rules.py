"""Statements prepared for the evaluation of many requests, in layers of policies of one kind."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from policygen.iam.arn import (
    action_glob,
    contains,
    is_name,
    overlaps,
    quote,
    resource_glob,
    service_of,
)
from policygen.iam.conditions import (
    ContextFacts,
    Truth,
    all_of,
    any_of,
    evaluate_conditions,
    negate,
    substitute,
    truth,
    undecided_keys,
    unknown_variables,
)
from policygen.iam.document import Policy, Statement
from policygen.iam.implication import implies
from policygen.iam.name_index import NameIndex
from policygen.iam.pattern import Wild
from policygen.iam.remainder import Constraint, NameSet
from policygen.iam.request import AccessRequest
from policygen.text import sanitize


class PolicyLayer(NamedTuple):
    """Policies of one kind, of which a statement must allow the request."""

    name: str
    rules: list[StatementRule]

    def for_service(self, service: str) -> PolicyLayer:
        """Return the layer with only the rules that may apply to a service's actions."""
        wanted = {service, "*"}
        return PolicyLayer(
            self.name, [r for r in self.rules if r.statement.not_actions or not wanted.isdisjoint(r.services)]
        )


class ActionRules(NamedTuple):
    """The rules of a layer that apply to one action."""

    name: str
    denies: NameIndex[StatementRule]
    allows: NameIndex[StatementRule]


class StatementRule(NamedTuple):
    """A statement with its resource patterns grouped by how they are matched."""

    statement: Statement
    label: str
    policy: str
    names: frozenset[str]
    """The names that patterns without wildcards match."""
    globs: tuple[Callable[[str], bool], ...]
    """What tells whether a name matches, for each pattern with wildcards."""
    patterns: tuple[str, ...]
    """Patterns without variables, with or without wildcards."""
    variables: tuple[str, ...]
    """Patterns with policy variables."""
    services: frozenset[str]
    """Service prefixes of the Action or NotAction element."""

    @property
    def only_names(self) -> frozenset[str] | None:
        """The names that the Resource element lists; None where it matches others too."""
        only = not (self.statement.not_resources or self.globs or self.variables)
        return self.names if only else None

    @property
    def needs_context(self) -> bool:
        """Whether the rule reads condition keys."""
        return bool(self.statement.conditions or self.variables)

    def covers_action(self, action: str) -> bool:
        """Whether the Action or NotAction element covers `action`."""
        patterns, folded = self.statement.actions_about(action), action.lower()
        listed = any(action_glob(pattern).matches(folded) for pattern in patterns)
        return listed != self.statement.not_actions

    def applies(self, request: AccessRequest, facts: ContextFacts, partly: bool = False) -> Truth:
        """Whether Resource and Condition cover the whole request; with `partly`, whether they cover some of it."""
        covered = self.covers(request, facts, partly)
        if covered is Truth.FALSE or not self.statement.conditions:
            return covered
        return all_of((covered, evaluate_conditions(self.statement.conditions, facts)))

    def brings(self, deny: StatementRule) -> bool:
        """Whether the conditions of a Deny hold wherever those of this Allow do, though both are undecided."""
        return implies(self.statement.conditions, deny.statement.conditions)

    def allowed_names(self, facts: ContextFacts, denies: Iterable[StatementRule] = ()) -> NameSet | None:
        """Return the names that an Allow may cover; None where its conditions do not hold.

        Args:
            facts: the known condition keys.
            denies: Deny rules that apply wherever this Allow does.
        """
        if evaluate_conditions(self.statement.conditions, facts) is Truth.FALSE:
            return None
        listed = [(deny.statement.not_resources, deny.resolved(facts)) for deny in denies]
        return NameSet(
            self.resolved(facts),
            self.statement.not_resources,
            outside=tuple(pattern for exempt, patterns in listed if not exempt for pattern in patterns),
            within=tuple(patterns for exempt, patterns in listed if exempt),
        )

    def left_names(self, facts: ContextFacts) -> Constraint | None:
        """Return what a name must meet so that a Deny does not cover it; None where its conditions may not hold."""
        if evaluate_conditions(self.statement.conditions, facts) is not Truth.TRUE:
            return None
        patterns = self.resolved(facts)
        if self.statement.not_resources:
            return Constraint(inside=(NameSet(patterns),))
        return Constraint(outside=patterns)

    def resolved(self, facts: ContextFacts) -> tuple[str, ...]:
        """Return the patterns of the element with the known values of variables."""
        resolved = (substitute(pattern, facts) for pattern in self.variables)
        return (*self.patterns, *(pattern for pattern in resolved if pattern is not None))

    def undecided(self, request: AccessRequest, facts: ContextFacts) -> set[str]:
        """Return the unknown keys that make `applies` UNKNOWN."""
        keys = set(undecided_keys(self.statement.conditions, facts))
        if Truth.UNKNOWN in (self.covers(request, facts, partly) for partly in (False, True)):
            keys.update(key for pattern in self.variables for key in unknown_variables(pattern, facts))
        return keys

    def covers(self, request: AccessRequest, facts: ContextFacts, partly: bool) -> Truth:
        """Whether the Resource or NotResource element covers the request, or some of it; conditions aside."""
        if self.statement.not_resources:
            # NotResource covers the whole request if the list matches no part of it.
            return negate(self._lists_resource(request, facts, request.wild and not partly))
        return self._lists_resource(request, facts, partly)

    def _lists_resource(self, request: AccessRequest, facts: ContextFacts, partly: bool) -> Truth:
        if not request.wild and request.resource in self.names:
            return Truth.TRUE
        if request.wild:
            if any(_matches(pattern, request, partly) for pattern in self.patterns):
                return Truth.TRUE
        else:
            for matches in self.globs:  # a loop, because any() is slower
                if matches(request.resource):
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


def statement_rules(policies: Iterable[Policy]) -> list[StatementRule]:
    """Prepare the statements of policies, in order."""
    return [
        _rule(statement, sanitize(statement.sid) or f"#{number}", sanitize(policy.name))
        for policy in policies
        for number, statement in enumerate(policy.statements, 1)
    ]


@lru_cache(maxsize=4096)  # a statement is asked about several times, and many roles have the same ones
def _rule(statement: Statement, label: str, policy: str) -> StatementRule:
    compiled = {pattern: resource_glob(pattern) for pattern in dict.fromkeys(statement.resources)}
    variables = tuple(pattern for pattern, glob in compiled.items() if Wild.VARIABLE in glob.tokens)
    return StatementRule(
        statement,
        label,
        policy,
        names=frozenset(glob.literal for glob in compiled.values() if glob.literal is not None),
        globs=tuple(g.matches for p, g in compiled.items() if g.literal is None and p not in variables),
        patterns=tuple(pattern for pattern in compiled if pattern not in variables),
        variables=variables,
        services=frozenset(map(service_of, statement.actions)),
    )


class StatementIndex:
    """Looks up statements by resource."""

    def __init__(self, statements: Iterable[Statement]) -> None:
        self._index = NameIndex(statements, _only_names)

    def about(self, pattern: str) -> Sequence[Statement]:
        """Return the statements that may apply to something that a resource pattern matches, in order."""
        return self._index.about(pattern) if is_name(pattern) else self._index.items


def _only_names(statement: Statement) -> Collection[str] | None:
    return statement.resource_names if statement.lists_only_names else None
