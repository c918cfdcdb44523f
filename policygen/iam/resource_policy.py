"""Policies that name principals: resource policies (API Gateway, VPC endpoints) and the trust policies of roles.

Source: IAM User Guide, reference_policies_elements_principal, reference_policies_elements_notprincipal and
reference_policies_evaluation-logic.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from policygen.iam.arn import action_contains
from policygen.iam.conditions import ContextFacts, Truth, all_of
from policygen.iam.document import CURRENT_VERSION, Policy, Statement, load_document, parse_policy
from policygen.iam.evaluate import grant_contained
from policygen.iam.implication import implies
from policygen.iam.party import PRINCIPAL_ELEMENTS, Naming, Party, Principals, parse_principals
from policygen.iam.request import AccessRequest
from policygen.iam.rules import StatementRule, statement_rules

Kind = Literal["resource", "trust"]

Verdict = Literal["ALLOWED", "EXPLICIT_DENY", "IMPLICIT_DENY"]

_RESOURCES = frozenset({"Resource", "NotResource"})


class PrincipalStatement(msgspec.Struct, frozen=True):
    """A statement with the principals that it is about. That of a trust policy has no Resource element."""

    principals: Principals
    statement: Statement
    """The rest; its `resources` are ``*`` in a trust policy."""
    has_resource: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Return the statement as a JSON object."""
        element = self.statement.to_dict()
        if not self.has_resource:
            element.pop("Resource", None)
        head: dict[str, Any] = {key: element.pop(key) for key in ("Sid", "Effect") if key in element}
        return {**head, **self.principals.to_dict(), **element}

    def with_principals(self, entries: Iterable[tuple[str, str]]) -> PrincipalStatement:
        """Return the statement about other principals."""
        return replace(self, principals=Principals(tuple(entries)))


class ResourcePolicy(msgspec.Struct, frozen=True):
    """A policy that names principals. `name` is for people and not part of the document."""

    statements: tuple[PrincipalStatement, ...]
    kind: Kind = "resource"
    name: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the policy document, its statements in order."""
        return {"Version": CURRENT_VERSION, "Statement": [one.to_dict() for one in self.statements]}

    def to_json(self, indent: Literal[2] | None = None) -> str:
        """Return the policy document as text: minified, or indented for people."""
        separators = (",", ":") if indent is None else None
        return json.dumps(self.to_dict(), indent=indent, separators=separators, ensure_ascii=False)

    @property
    def size(self) -> int:
        """Number of characters that count against AWS's quotas."""
        return len(self.to_json())

    @property
    def allows(self) -> list[PrincipalStatement]:
        """The Allow statements, in order."""
        return [one for one in self.statements if one.statement.effect == "Allow"]

    @property
    def denies(self) -> list[PrincipalStatement]:
        """The Deny statements, in order."""
        return [one for one in self.statements if one.statement.effect == "Deny"]


def parse_resource_policy(
    document: Mapping[str, Any] | str, name: str = "", kind: Kind = "resource"
) -> ResourcePolicy:
    """Parse a resource policy, or the trust policy of a role, whose statements have no Resource element.

    Raises:
        UsageError: PG-E210, an element is not valid; the message has its path.
    """
    loaded = load_document(document, name)
    content = loaded.get("Statement", ())
    found, rest = list[tuple[Principals, bool]](), list[Any]()
    for number, element in enumerate(content if isinstance(content, list) else [content]):
        if not isinstance(element, Mapping):
            rest.append(element)  # the parser of the rest refuses it
            continue
        has_resource = kind == "resource" or not _RESOURCES.isdisjoint(element)
        found.append((parse_principals(element, f"Statement[{number}]", name), has_resource))
        bare = {key: value for key, value in element.items() if key not in PRINCIPAL_ELEMENTS}
        rest.append(bare if has_resource else {**bare, "Resource": "*"})
    policy = parse_policy({**loaded, "Statement": rest} if "Statement" in loaded else loaded, name)
    statements = (
        PrincipalStatement(principals, statement, has_resource)
        for (principals, has_resource), statement in zip(found, policy.statements, strict=True)
    )
    return ResourcePolicy(tuple(statements), kind, name)


# ---- evaluation ---------------------------------------------------------------------------------------


class DocumentDecision(msgspec.Struct, frozen=True):
    """What one policy with principals says of a request.

    Attributes:
        best: the outcome if every undecided condition favours the request.
        worst: the outcome if none does.
        naming: how the Allow that decides names the party: "account" lets in whom the account's own policies let in.
        statement: the deciding statement; None for an implicit deny.
        label: its Sid, or its number.
        unknown_keys: the unknown keys, sorted, that the outcome depends on.
    """

    best: Verdict
    worst: Verdict
    naming: Naming = ""
    statement: PrincipalStatement | None = None
    label: str = ""
    unknown_keys: tuple[str, ...] = ()

    @property
    def certain(self) -> bool:
        """Whether the outcome is the same for all values of what is not known."""
        return self.best == self.worst


class _Applied(msgspec.Struct, frozen=True):
    """A statement that applies to a request, or may."""

    statement: PrincipalStatement
    rule: StatementRule
    truth: Truth
    naming: Naming

    @property
    def strength(self) -> tuple[bool, bool]:
        """What sorts Allow statements: a certain one, then one that names the party itself, says more."""
        return self.truth is Truth.TRUE, self.naming == "direct"


class ResourcePolicyEvaluator:
    """A policy with principals, prepared for many requests."""

    def __init__(self, policy: ResourcePolicy) -> None:
        self.policy = policy
        bare = Policy(tuple(one.statement for one in policy.statements), name=policy.name)
        self._rules = list(zip(policy.statements, statement_rules([bare]), strict=True))

    def decide(self, request: AccessRequest, party: Party, facts: ContextFacts) -> DocumentDecision:
        """Return what the policy says of a request by a party.

        Args:
            request: one action on one resource; ``*`` for the action on a role whose trust policy this is.
            party: who asks.
            facts: condition keys of the request, those of the party among them (`party.party_facts`).
        """
        applied = list(self._applied(request, party, facts))
        denies = [one for one in applied if one.statement.statement.effect == "Deny"]
        allows = [one for one in applied if one.statement.statement.effect == "Allow"]
        if sure := next((one for one in denies if one.truth is Truth.TRUE), None):
            denied: Verdict = "EXPLICIT_DENY"
            return DocumentDecision(denied, denied, sure.naming, sure.statement, sure.rule.label)
        unsure = [one for one in applied if one.truth is Truth.UNKNOWN]
        keys = {key for one in unsure for key in one.rule.undecided(request, facts) or {"aws:PrincipalArn"}}
        if not allows:
            worst: Verdict = "EXPLICIT_DENY" if denies else "IMPLICIT_DENY"
            return DocumentDecision("IMPLICIT_DENY", worst, unknown_keys=tuple(sorted(keys)))
        first = max(allows, key=lambda one: one.strength)
        certain = first.truth is Truth.TRUE
        worst = "EXPLICIT_DENY" if denies else "ALLOWED" if certain else "IMPLICIT_DENY"
        unknown = () if worst == "ALLOWED" else tuple(sorted(keys))
        return DocumentDecision("ALLOWED", worst, first.naming, first.statement, first.rule.label, unknown)

    def _applied(self, request: AccessRequest, party: Party, facts: ContextFacts) -> Iterator[_Applied]:
        for statement, rule in self._rules:
            if not rule.covers_action(request.action):
                continue
            named, naming = statement.principals.names(party)
            if named is Truth.FALSE:
                continue
            truth = all_of((named, rule.applies(request, facts)))
            if truth is not Truth.FALSE:
                yield _Applied(statement, rule, truth, naming)


# ---- containment: the part of "never wider" that concerns policies with principals ---------------------


def not_inside(proposed: ResourcePolicy, today: ResourcePolicy) -> list[PrincipalStatement]:
    """Return the Allow statements of a policy, one a principal, that today's do not contain. Empty is proven.

    Each principal's grant must lie in one statement of today for each of its actions and resources, and every Deny of
    today must still stand, under conditions that hold wherever today's do.
    """
    beyond: list[PrincipalStatement] = []
    for statement in proposed.allows:
        entries = statement.principals.entries
        pieces = [statement] if statement.principals.negated else map(statement.with_principals, zip(entries))
        beyond += [piece for piece in pieces if not _contained(piece, today.allows)]
    beyond += [one for one in today.denies if not any(_as_strict(other, one) for other in proposed.denies)]
    return beyond


def _as_strict(new: PrincipalStatement, old: PrincipalStatement) -> bool:
    """Return whether a Deny is another one, or the same under conditions that hold more often."""
    bare_new, bare_old = (replace(one.statement, sid="", conditions=()) for one in (new, old))
    return (new.principals, bare_new) == (old.principals, bare_old) and (
        new.statement.conditions == old.statement.conditions
        or implies(old.statement.conditions, new.statement.conditions)
    )


def _contained(piece: PrincipalStatement, allows: Iterable[PrincipalStatement]) -> bool:
    about = [one.statement for one in allows if one.principals.contains(piece.principals)]
    inner = piece.statement
    if inner.not_resources:
        return any(replace(one, sid="") == replace(inner, sid="") for one in about)
    actions = inner.actions
    if inner.not_actions:
        actions = ("*",)
        about = [_with_all_actions(one) for one in about if _excludes_no_more(one, inner)]
    return all(
        any(grant_contained(action, resource, inner.conditions, one) for one in about)
        for action in actions
        for resource in inner.resources
    )


def _excludes_no_more(wide: Statement, narrow: Statement) -> bool:
    """Return whether every action that one statement's NotAction excludes is excluded by another's."""
    return not wide.not_actions or all(
        any(action_contains(own, one) for own in narrow.actions) for one in wide.actions
    )


def _with_all_actions(statement: Statement) -> Statement:
    return replace(statement, actions=("*",), not_actions=False) if statement.not_actions else statement
