"""What `policygen check` needs of a plan to judge policies without the logs and without the account.

A plan holds what was seen and what is granted. The gate also asks what the logs could have shown of any permission,
what bounds the role, and which calls looked suspicious: `gate_part` saves this, and `basis_from_plan` puts it together
again, so that the findings are those that the logs would give.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec.structs import replace

from policygen.account.current import CurrentAccess
from policygen.account.model import Trail
from policygen.errors import UsageError
from policygen.evidence.coverage.blind_spot import BlindSpot
from policygen.evidence.coverage.coverage import Coverage
from policygen.evidence.coverage.observability import ObservabilityRules
from policygen.iam.document import Policy, conditions_of, parse_policy
from policygen.iam.grants import Grant
from policygen.iam.request import AccessRequest, Grade
from policygen.logs.calls.evidence import Evidence
from policygen.plan.model import Document, Plan, PlanKeep
from policygen.plan.model_evidence import Request
from policygen.rightsize.basis import CheckBasis
from policygen.rightsize.current_access import split_by_current_access
from policygen.rightsize.keep.model import Keep
from policygen.text import escape_controls

if TYPE_CHECKING:
    from policygen.rightsize.suggestion import Suggestion

_UNUSED = ("created", "region_days")
"""What only the suggestion asks of the coverage. It is large: a text for each region and day."""


class _GatePart(msgspec.Struct, frozen=True):
    """The part of a plan that only the gate reads."""

    coverage: ObservabilityRules
    boundary: Policy | None
    guardrails: tuple[tuple[Policy, ...], ...]
    min_days: int
    suspicious: tuple[Request, ...] = ()
    boundary_arn: str = ""
    """"" where the role has no boundary, or the plan is older."""


def gate_part(suggestion: Suggestion, boundary_arn: str = "") -> dict[str, Any]:
    """Return what the gate needs and the rest of a plan does not hold.

    Args:
        suggestion: of the role.
        boundary_arn: of its permissions boundary.
    """
    from policygen.plan.build_evidence import suspicious_part  # heavy, and reading a plan needs none of it

    rules = _compact(suggestion.coverage)
    part = _GatePart(
        rules, suggestion.boundary, suggestion.guardrails, suggestion.min_days, boundary_arn=boundary_arn
    )
    values: dict[str, Any] = msgspec.to_builtins(part, order="sorted")
    for name in _UNUSED:
        del values["coverage"][name]
    apart = suggestion.apart.requests if suggestion.apart else {}
    return values | {"suspicious": [suspicious_part(request, seen) for request, seen in apart.items()]}


def _compact(coverage: Coverage) -> ObservabilityRules:
    """Return the rules without their cache, and the trails without what says nothing of the events that they log."""
    periods = tuple(
        replace(period, trails=tuple(tuple(map(_bare, states)) for states in period.trails))
        for period in coverage.trail_periods
    )
    return ObservabilityRules(
        **_values(coverage) | {"known": tuple(map(_bare, coverage.known)), "trail_periods": periods}
    )


def _values(rules: ObservabilityRules) -> dict[str, Any]:
    return {one.name: getattr(rules, one.name) for one in fields(ObservabilityRules)}


def _bare(trail: Trail) -> Trail:
    return replace(trail, raw={})


def basis_from_plan(plan: Plan) -> CheckBasis:
    """Return what the findings about a role's policies rest on, as `check_basis` makes it of the logs.

    Raises:
        UsageError: PG-E245, the plan does not hold what the gate needs.
    """
    try:
        part = msgspec.convert(plan.gate, _GatePart)
    except msgspec.ValidationError:
        raise _without_gate(plan) from None
    current = _current(plan, part)
    observed = _requests(plan.evidence.observed)
    requests, missing = split_by_current_access(observed, current)
    return CheckBasis(
        observed=observed,
        coverage=Coverage(**_values(part.coverage)),
        min_days=part.min_days,
        requests=requests,
        missing=missing,
        keeps=[_keep(one) for one in (*plan.keeps, *plan.unverified.dropped)],
        attempts={one.action: one.says for one in plan.last_accessed if one.action in plan.unverified.tried},
        suspicious=_requests(part.suspicious),
        current=current,
        barred={one.action: one.by for one in plan.barred},
        attached={one.arn: parse_policy(one.document, one.name) for one in plan.today or () if one.arn},
        attached_unread=plan.today_unread,
        suggested=_policies(plan.policies),
        arn=plan.role.arn,
        boundary_arn=part.boundary_arn,
        trust=plan.trust.document if plan.trust else None,
    )


def _without_gate(plan: Plan) -> UsageError:
    return UsageError(
        f"the plan {escape_controls(plan.file or plan.role.name)!r} does not hold what the gate needs: "
        f"policygen {escape_controls(plan.policygen)} made it",
        "make the plan again with this version: policygen suggest, or policygen batch",
        code="PG-E245",
    )


def _current(plan: Plan, part: _GatePart) -> CurrentAccess | None:
    if plan.today is None:
        return None
    return CurrentAccess(
        _policies(plan.today), part.boundary, guardrails=part.guardrails, account=plan.role.account
    )


def _policies(documents: Iterable[Document]) -> tuple[Policy, ...]:
    return tuple(parse_policy(one.document, one.name) for one in documents)


def _requests(saved: Iterable[Request]) -> dict[AccessRequest, Evidence]:
    """Return access requests and how often they were seen, in the order in which they were saved."""
    return {_request(one): Evidence(one.count, one.first, one.last, frozenset(), ()) for one in saved}


def _request(one: Request) -> AccessRequest:
    context = (
        (key, (values,) if isinstance(values, str) else tuple(values)) for key, values in one.context.items()
    )
    grade = cast("Grade", one.grade)
    return AccessRequest(one.action, one.resource, one.type, tuple(sorted(context)), grade, one.pattern)


def _keep(one: PlanKeep) -> Keep:
    spot = BlindSpot(one.blind_spot, one.action, one.why, one.remedy) if one.blind_spot else None
    grant = Grant(one.action, one.resource, conditions_of(one.condition), one.not_resource)
    return Keep(grant, cast("Any", one.kind), one.why, spot)
