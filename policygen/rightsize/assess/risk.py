"""Named risks of policies: what an attacker with the role could do. Escalation, exfiltration, exposure.

The rules are data, in ``risk.toml``, each with its source; this module decides whether a rule holds. It compares
patterns, not names of existing resources: Deny, NotAction, NotResource, the boundary and the guardrails count. Where a
condition cannot be decided the action counts as allowed, because a risk too many is dismissed by its reader, and a
missing one is never seen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property, lru_cache
from itertools import chain
from typing import Any, Literal, NamedTuple

import msgspec

from policygen.files import read_package_table
from policygen.iam import arn, reference
from policygen.iam.actions import by_service
from policygen.iam.conditions import ContextFacts, Truth, context_facts, evaluate_conditions
from policygen.iam.document import Conditions, Policy, Statement

Family = Literal["escalation", "exfiltration", "exposure"]

PASS_ROLE = "iam:PassRole"  # noqa: S105 an action
_PASSED_TO = "iam:PassedToService"


class RiskRule(msgspec.Struct, frozen=True, dict=True):
    """A named risk: it holds where policies allow at least one action of each of its groups."""

    id: str
    family: Family
    title: str
    source: str
    """URL."""
    needs: tuple[tuple[str, ...], ...] = ()
    """Groups of actions, each on any resource."""
    open: tuple[tuple[str, ...], ...] = ()
    """Groups of actions, each on every resource of its type."""
    pass_to: tuple[str, ...] = ()
    """The rule needs that every role may be passed to one of these services; () where no passing is needed."""

    @cached_property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Groups of actions, of each of which one must be allowed."""
        return (*(((PASS_ROLE,),) if self.pass_to else ()), *self.open, *self.needs)

    @property
    def actions(self) -> tuple[str, ...]:
        """All actions in the rule."""
        return tuple(dict.fromkeys(chain(*self.groups)))


class RiskReach(NamedTuple):
    """An action of a risk, and where it is allowed."""

    action: str
    pattern: str
    excluded: tuple[str, ...]
    conditions: Conditions


class Risk(msgspec.Struct, frozen=True):
    """A rule that holds for some policies."""

    rule: str
    """The rule's id, ``PE-01``."""
    title: str
    family: Family
    actions: tuple[str, ...]
    """The actions of the rule that are allowed."""
    resources: tuple[str, ...]
    """The patterns on which they are allowed, sorted; a leading ``!`` marks an exception of NotResource."""
    source: str
    reaches: tuple[RiskReach, ...]
    """Each action with each of its patterns, sorted."""


@cache
def rules() -> tuple[RiskRule, ...]:
    """Return all rules, in the order of the file."""
    table = read_package_table("policygen.rightsize.assess", "risk.toml")
    return tuple(_rule(raw) for raw in table["rule"])


def _rule(raw: Mapping[str, Any]) -> RiskRule:
    groups = {key: tuple(map(tuple, raw.get(key, ()))) for key in ("needs", "open")}
    return RiskRule(
        id=raw["id"],
        family=raw["family"],
        title=raw["title"],
        source=raw["source"],
        needs=groups["needs"],
        open=groups["open"],
        pass_to=tuple(raw.get("pass_to", ())),
    )


def risks(
    policies: Sequence[Policy],
    boundary: Policy | None = None,
    guardrails: Sequence[Sequence[Policy]] = (),
    account: str = "",
) -> tuple[Risk, ...]:
    """Return the risks of a role, in the order of the rules.

    Args:
        policies: its identity policies.
        boundary: its permissions boundary.
        guardrails: further limits, a sequence of policies per level (the SCPs of one organizational unit); of
            each level one policy has to allow.
        account: the role's account, so that a Deny on the roles of this account is known to be one on all of
            them; "" where it is not known.
    """
    limits = [*guardrails, *([] if boundary is None else [[boundary]])]
    access = _Access([policies, *limits], account)
    return tuple(risk for rule in rules() if (risk := _holds(rule, access)))


def passes_every_role(policies: Sequence[Policy], account: str = "") -> tuple[RiskReach, ...]:
    """Return where policies allow that every role is passed to a service; () where they allow no such thing.

    Whoever may is one call away from the rights of any role, and that call may be another role's.

    Args:
        policies: of a role.
        account: the role's account; "" where it is not known.
    """
    return tuple(
        RiskReach(PASS_ROLE, *reach[:3]) for reach in _Access([policies], account).of(PASS_ROLE) if reach.open
    )


def compare_risks(before: Sequence[Risk], after: Sequence[Risk]) -> tuple[tuple[Risk, ...], tuple[Risk, ...]]:
    """Return the risks of `before` that are not in `after`, and all of `after`."""
    left = {risk.rule for risk in after}
    return tuple(risk for risk in before if risk.rule not in left), tuple(after)


def _holds(rule: RiskRule, access: _Access) -> Risk | None:
    if any(access.named.isdisjoint(group) for group in rule.groups):
        return None
    found: dict[str, list[_Reach]] = {}
    if rule.pass_to:
        passing = [reach for service in rule.pass_to for reach in access.passing(service) if reach.open]
        if not passing:
            return None
        found[PASS_ROLE] = passing
    for group, only_open in (*((g, True) for g in rule.open), *((g, False) for g in rule.needs)):
        reached = {
            action: [reach for reach in access.of(action) if reach.open or not only_open] for action in group
        }
        if not any(reached.values()):
            return None
        found |= {action: reaches for action, reaches in reached.items() if reaches}
    patterns = {text for reaches in found.values() for reach in reaches for text in reach.texts}
    return Risk(
        rule=rule.id,
        title=rule.title,
        family=rule.family,
        actions=tuple(found),
        resources=tuple(sorted(patterns)),
        source=rule.source,
        reaches=tuple(
            sorted({RiskReach(action, *one[:3]) for action, reaches in found.items() for one in reaches})
        ),
    )


# --- What is reached: an action on a pattern, within all layers -----------------------------------


class _Reach(NamedTuple):
    """A pattern on which an action is allowed, with exceptions."""

    pattern: str
    excluded: tuple[str, ...] = ()
    conditions: Conditions = ()
    """Those under which the layers allow it."""
    open: bool = False
    """Whether it matches every resource of some type of the action."""

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.pattern, *(f"!{text}" for text in self.excluded))


_NO_FACTS = context_facts()
_MOST_CUTS = (
    5_000  # of reaches to the resources of a layer; beyond it, the layer is taken to allow all of them
)


class _Access:
    """Layers of policies, each of which has to allow an action."""

    def __init__(self, layers: Sequence[Sequence[Policy]], account: str) -> None:
        statements = [[s for policy in layer for s in policy.statements] for layer in layers]
        self._allows = [_Statements(s for s in layer if s.effect == "Allow") for layer in statements]
        self._denies = _Statements(s for layer in statements for s in layer if s.effect == "Deny")
        self.named = frozenset[str].intersection(*(layer.actions for layer in self._allows))
        """The actions of the rules that some statement of each layer allows somewhere."""
        self._partition = _partition(s for layer in statements for s in layer)
        self._account = account
        self._known: dict[tuple[str, str], list[_Reach]] = {}
        self._cuts: dict[tuple[tuple[int, ...], ...], Collection[_Reach]] = {}
        """Statements of each layer, by their identity -> what they allow together."""

    def passing(self, service: str) -> list[_Reach]:
        """Return the resources for which a role may be passed to a service."""
        # In China some services are called by another name (IAM User Guide, reference_policies_elements_principal).
        names = (service, f"{service}.cn") if self._partition == "aws-cn" else (service,)
        return [reach for name in names for reach in self.of(PASS_ROLE, name)]

    def of(self, action: str, passed_to: str = "") -> list[_Reach]:
        """Return the resources on which an action is allowed; `passed_to` is the service that iam:PassRole is for."""
        key = (action, passed_to)
        if key not in self._known:
            facts = context_facts(((_PASSED_TO, (passed_to,)),)) if passed_to else _NO_FACTS
            self._known[key] = list(self._reached(action, facts))
        return self._known[key]

    def _reached(self, action: str, facts: ContextFacts) -> Iterator[_Reach]:
        concerned = [
            [s for s in layer.about(action) if _truth(s, facts) is not Truth.FALSE] for layer in self._allows
        ]
        if not all(concerned):
            return
        reaches: Iterable[_Reach] = self._within_all(concerned)
        denies = [s for s in self._denies.about(action) if _truth(s, facts) is Truth.TRUE]
        for deny in denies:
            reaches = [left for reach in reaches for left in _less(reach, deny)]
        shapes = _shapes(action, self._partition, self._account)
        for reach in dict.fromkeys(reaches):
            if reach.pattern == "*" and not reach.excluded and not denies:
                yield reach._replace(open=True)  # as most of today's statements have it
                continue
            exceptions = (*reach.excluded, *(r for s in denies if not s.not_resources for r in s.resources))
            left = [shape for shape in shapes if _is_left(reach.pattern, shape, exceptions)]
            if left:
                yield reach._replace(open=any(_is_open(reach.pattern, shape) for shape in left))

    def _within_all(self, layers: Sequence[Sequence[Statement]]) -> Collection[_Reach]:
        """Return what one statement of each layer allows together; most actions have the same few statements."""
        key = tuple(tuple(map(id, layer)) for layer in layers)
        if key not in self._cuts:
            reaches: Collection[_Reach] = [_Reach("*")]
            for layer in layers:
                if len(reaches) * sum(len(s.resources) for s in layer) <= _MOST_CUTS:
                    reaches = dict.fromkeys(
                        cut for reach in reaches for s in layer for cut in _within(reach, s)
                    )
            self._cuts[key] = reaches
        return self._cuts[key]


class _Statements:
    """Statements, by the actions of the rules that they apply to."""

    def __init__(self, statements: Iterable[Statement]) -> None:
        self._of: dict[str, list[Statement]] = {}
        for statement in statements:
            listed = frozenset[str]().union(*map(_matched, statement.actions))
            for action in _asked() - listed if statement.not_actions else listed:
                self._of.setdefault(action, []).append(statement)
        self.actions = frozenset(self._of)

    def about(self, action: str) -> Sequence[Statement]:
        """Return the statements whose Action or NotAction element matches an action of the rules."""
        return self._of.get(action, ())


@cache
def _asked() -> frozenset[str]:
    """Return the actions of all rules."""
    return frozenset(chain([PASS_ROLE], *(rule.actions for rule in rules())))


@lru_cache(maxsize=1 << 14)
def _matched(pattern: str) -> frozenset[str]:
    """Return the actions of the rules that a pattern of actions matches: policies use the same again and again."""
    service = arn.service_of(pattern)
    matches = arn.action_glob(pattern).matches
    near = _asked() if set(service) & set("*?") else _asked_by_service().get(service, ())
    return frozenset(action for action in near if matches(action.lower()))


@cache
def _asked_by_service() -> Mapping[str, Sequence[str]]:
    return by_service(_asked())


def _truth(statement: Statement, facts: ContextFacts) -> Truth:
    return evaluate_conditions(statement.conditions, facts) if statement.conditions else Truth.TRUE


def _within(reach: _Reach, allow: Statement) -> Iterator[_Reach]:
    """Cut a reach to what a statement allows; leave it as it is where the cut cannot be written exactly."""
    conditions = (*reach.conditions, *allow.conditions)
    if allow.not_resources:
        yield _Reach(reach.pattern, tuple(sorted({*reach.excluded, *allow.resources})), conditions)
        return
    for resource in allow.resources:
        for piece in _pieces(reach.pattern, resource):
            yield _Reach(piece, reach.excluded, conditions)


def _less(reach: _Reach, deny: Statement) -> Iterator[_Reach]:
    """Cut a reach to the exceptions of a Deny with NotResource. A Deny with Resource is handled by the caller."""
    if not deny.not_resources:
        yield reach
        return
    for resource in deny.resources:
        for piece in _pieces(reach.pattern, resource):
            yield reach._replace(pattern=piece)


def _pieces(a: str, b: str) -> tuple[str, ...]:
    pieces = arn.intersect(a, b)
    return (a,) if pieces is None else pieces


# --- The resources that an action has: the shapes of their names -----------------------------------


@lru_cache(maxsize=4096)
def _shapes(action: str, partition: str, account: str) -> tuple[str, ...]:
    """Return a pattern for each resource type of an action; ``*`` for an action without types (4.3.8)."""
    known = reference.action(action)
    service = reference.service(action.split(":", 1)[0].lower())
    values = {"Partition": partition}
    if action.startswith("iam:") and account:
        values["Account"] = account  # IAM's calls, PassRole among them, reach no other account
    names = known.types if known else ()
    found = [
        pattern.fill(values)
        for name in names
        if service and (kind := service.types.get(name))
        for pattern in kind.patterns
    ]
    return tuple(dict.fromkeys(found)) or ("*",)


def _is_left(pattern: str, shape: str, exceptions: Sequence[str]) -> bool:
    """Return whether some resource of a shape is allowed: no single exception contains all of the pattern's part."""
    if shape == "*":
        return pattern == "*" and "*" not in exceptions
    if not exceptions:
        return arn.overlaps(pattern, shape)
    parts = arn.intersect(pattern, shape)
    if parts is None:  # no exact form: the pattern itself has to be covered
        parts = (pattern,)
    return any(not any(_covers(exception, part) for exception in exceptions) for part in parts)


def _covers(wide: str, narrow: str) -> bool:
    """As `arn.contains`, but try one name first: a name that does not match makes the full proof unnecessary."""
    if "${" not in narrow and narrow.count(":") >= 5:
        name = narrow.replace("*", "\x01").replace("?", "\x01")
        if "${" not in wide and not arn.resource_matches(wide, name):
            return False
    return arn.contains(wide, narrow)


def _is_open(pattern: str, shape: str) -> bool:
    """Return whether a pattern matches every name of a shape. A single region or account counts as every one.

    No name is empty: ``role/?*`` matches every role.
    """
    own, wide = arn.parse(pattern), arn.parse(shape)
    if own is None or wide is None:
        return _covers(pattern, shape)
    region = own.region if wide.region == "*" else wide.region
    account = own.account if wide.account == "*" else wide.account
    named = wide.resource.replace("*", "?*")
    return _covers(pattern, wide._replace(region=region, account=account, resource=named).format())


def _partition(statements: Iterable[Statement]) -> str:
    """Return the first partition that a resource names; all policies of a role have the same."""
    for statement in statements:
        for resource in statement.resources:
            found = arn.parse(resource)
            if found and found.partition.startswith("aws") and "*" not in found.partition:
                return found.partition
    return "aws"
