"""Named risks that policies open: ways to take more rights, carry data away, or expose resources."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from policygen.gate.findings import RULES, Finding, found_at
from policygen.gate.judge.nearest import nearest
from policygen.gate.scope import scopes
from policygen.gate.sources import PolicySource
from policygen.iam.document import Policy, Statement
from policygen.rightsize.assess.risk import Risk, RiskReach, risks
from policygen.rightsize.basis import CheckBasis


def opened_risks(sources: Sequence[PolicySource], basis: CheckBasis) -> Iterator[Finding]:
    """Find risks that the policies have within the role's bounds, whatever the current policies allow.

    One that the suggestion has too is part of what the role needs: of these only escalation paths are shown.
    """
    needed = {risk.rule for risk in _within(basis.suggested, basis)} if basis.suggested else set()
    known = basis.known_statements()
    for risk in _within([source.policy for source in sources], basis):
        if risk.rule not in needed:
            yield risk_finding(
                "PG107", risk, "remove one of its actions, or name what was used", sources, known
            )
        elif risk.family == "escalation":
            yield risk_finding(
                "PG401",
                risk,
                "no action needed: the role uses these permissions, or the logs can't tell",
                sources,
                known,
            )


def _within(policies: Sequence[Policy], basis: CheckBasis) -> tuple[Risk, ...]:
    """Return the risks of policies within the role's bounds, as far as these are known."""
    current = basis.current
    if current is None:
        return risks(policies)
    return risks(policies, current.boundary, current.guardrails, current.account)


def risk_finding(
    rule: str, risk: Risk, fix: str, sources: Sequence[PolicySource], known: Collection[Statement]
) -> Finding:
    """Return the finding about a risk, at the statement that opens it.

    Args:
        rule: its id.
        risk: what the policies open.
        fix: what to do.
        sources: the policies.
        known: statements that nobody added.
    """
    spot = nearest(sources, risk.actions[::-1], risk.resources, known)
    names = ", ".join(risk.actions[:4]) + (
        f" and {len(risk.actions) - 4} more" if len(risk.actions) > 4 else ""
    )
    shown = ", ".join(risk.resources[:3]) + (" …" if len(risk.resources) > 3 else "")
    return found_at(
        spot,
        RULES[rule],
        f"{risk.rule} {risk.title}",
        f"by {names} on {shown}",
        fix,
        key=risk.rule,
        about=tuple((f"{risk.rule} {one.action}", place_of_reach(one)) for one in risk.reaches),
    )


def place_of_reach(reach: RiskReach) -> str:
    """Return where an action of a risk is allowed."""
    pattern, excluded = reach.pattern, reach.excluded
    if pattern != "*" and excluded:
        pattern, excluded = f"{pattern} but not {', '.join(excluded)}", ()
    (place,) = scopes([pattern], excluded, reach.conditions)
    return place
