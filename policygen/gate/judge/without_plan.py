"""What speaks against a role's policies whatever it does: who may assume it, everything on everything, and risks.

No plan says what the role needs, so nothing is called unused or wider than today.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policygen.gate.findings import RULES, Finding, found_at
from policygen.gate.judge.nearest import nearest
from policygen.gate.judge.own_role import trust_findings
from policygen.gate.judge.principals import worst_first
from policygen.gate.judge.risks import place_of_reach, risk_finding
from policygen.gate.judge.unknown_policies import is_wide_by_name, unknown_policies
from policygen.gate.scope import scopes
from policygen.gate.sources import PolicySource
from policygen.iam.document import Statement
from policygen.rightsize.assess.risk import PASS_ROLE, Family, passes_every_role, risks

_RULE_OF: dict[Family, str] = {"escalation": "PG401", "exfiltration": "PG402", "exposure": "PG403"}
_FIX = "name what the role needs; if it is meant, accept it in a baseline"


def findings_without_plan(sources: Sequence[PolicySource], account: str) -> tuple[Finding, ...]:
    """Return all findings, errors first.

    Args:
        sources: the policies of the role.
        account: the role's account; "" where it is not known.
    """
    found = [*_trust(sources, account), *_of_unknown_policies(sources)]
    everything = list(_everything(sources))
    if not everything:
        policies = [source.policy for source in sources]
        found += [
            risk_finding(_RULE_OF[risk.family], risk, _FIX, sources, frozenset())
            for risk in risks(policies, account=account)
        ]
        found += _of_passed_roles(sources, account)
    return worst_first([*found, *everything])


def untold_without_plan(sources: Sequence[PolicySource]) -> list[str]:
    """Return which attached policies nobody judged, a sentence; [] for none."""
    names = [name for source in sources for name, _ in source.unread if not is_wide_by_name(name)]
    return [f"what it grants is not known: {', '.join(dict.fromkeys(names))}"] * bool(names)


def _trust(sources: Sequence[PolicySource], account: str) -> Iterator[Finding]:
    for source in sources:
        if rest := source.rest:
            for role in rest.definitions:
                yield from trust_findings(source, rest, role, None, account)


def _of_unknown_policies(sources: Sequence[PolicySource]) -> Iterator[Finding]:
    for one in unknown_policies(sources, planned=False):
        if one.rule.id == "PG113" or is_wide_by_name(one.subject):
            yield one


def _of_passed_roles(sources: Sequence[PolicySource], account: str) -> Iterator[Finding]:
    """Find that every role may be passed, which is a risk by itself: no plan says to which service, and what for."""
    if reaches := passes_every_role([source.policy for source in sources], account):
        patterns = [reach.pattern for reach in reaches]
        yield found_at(
            nearest(sources, [PASS_ROLE], patterns),
            RULES["PG401"],
            PASS_ROLE,
            f"it may pass every role to a service, on {', '.join(dict.fromkeys(patterns))}",
            "name the roles that it passes; if it is meant, accept it in a baseline",
            about=tuple((reach.action, place_of_reach(reach)) for reach in reaches),
        )


def _everything(sources: Sequence[PolicySource]) -> Iterator[Finding]:
    """Find statements that allow every action on every resource: of these no risk is told by itself."""
    for source in sources:
        for number, one in enumerate(source.policy.statements):
            if _is_everything(one):
                (where,) = scopes(["*"], (), one.conditions)
                message = "it allows all actions on all resources"
                spot = source.spot(number, "Action", 0)
                yield found_at(spot, RULES["PG107"], "all actions", message, _FIX, about=(("*", where),))


def _is_everything(one: Statement) -> bool:
    is_all = "*" in one.actions or "*:*" in one.actions
    everywhere = "*" in one.resources and not one.not_resources
    return one.effect == "Allow" and is_all and everywhere and not one.not_actions
