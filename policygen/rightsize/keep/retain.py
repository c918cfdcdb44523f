"""What a suggestion keeps without evidence of its own, and why the rest of today's permissions goes.

Three sources of keeps: the platform's needs, what the evidence cannot speak about, and what people decided. Each
stays inside today's policies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from policygen.account.current import CurrentAccess
from policygen.account.model import unqualified
from policygen.catalog.service_names import label, service_prefix
from policygen.evidence.anomalies import SET_APART
from policygen.evidence.coverage.coverage import Coverage
from policygen.evidence.coverage.last_accessed import LastAccessedFinding, last_accessed_finding
from policygen.evidence.usage import Usage
from policygen.iam.document import Policy, Statement
from policygen.iam.grants import maximal
from policygen.iam.request import AccessRequest
from policygen.rightsize.decisions.apply import apply_keeps, dropped
from policygen.rightsize.decisions.model import DecisionRule
from policygen.rightsize.generate.intersect import intersect_grants
from policygen.rightsize.keep.event_sources import features, unknown_sources
from policygen.rightsize.keep.model import Keep
from policygen.rightsize.keep.platform import platform_keeps, warned
from policygen.rightsize.keep.unobservable import keep_unobservable

AGENT_SIGNS = ("ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel")
"""What an agent on an instance would show of itself."""


@dataclass(frozen=True, slots=True)
class KeepResult:
    """Keeps, and the reasons of what is not kept."""

    keeps: tuple[Keep, ...]
    removed: Mapping[str, str] = field(default_factory=dict)
    """Action of today -> why its absence means something, or which decision drops it."""
    seasonal: Mapping[str, str] = field(default_factory=dict)
    """Removed action -> what IAM saw of it before the window."""
    said: Mapping[str, str] = field(default_factory=dict)
    """Action of today -> what IAM's last-accessed report says of it, where it says anything."""


def keep_without_evidence(
    usage: Usage,
    coverage: Coverage,
    today: CurrentAccess | None,
    now: Mapping[str, Sequence[Statement]] | None,
    bounds: Sequence[Policy] | None,
    as_today: Sequence[Keep] = (),
    *,
    rules: Sequence[DecisionRule] = (),
    seen: Sequence[Usage] = (),
    min_days: int = 0,
) -> KeepResult:
    """What stays without evidence.

    Args:
        usage: what the role asked for.
        coverage: what the logs could have shown.
        today: the role as it is; None where unknown.
        now: action -> the Allow statements of today that grant it.
        bounds: the policies that nothing may reach beyond.
        as_today: keeps of what was used and cannot be written by names.
        rules: decisions in force for the role.
        seen: usages whose events were read, besides `usage`: what was set apart.
        min_days: days for which a permission must have been visible before its absence means anything.
    """
    if today is None or now is None or bounds is None:
        return KeepResult(tuple(platform_keeps((), (), usage.requests)))
    name = usage.role.name
    platform = _platform(usage, coverage, today)
    inside = [one for keep in platform for one in _inside(keep, bounds)]
    # What only the platform is needed for is narrowed to what its configuration names, though no log shows it.
    whole = {name for name, feature in features().items() if feature.whole}
    settled = frozenset(keep.grant.action for keep in platform if keep.feature in whole)
    services, actions = _seen_names((usage, *seen))
    created = today.role.create_date if today.role else ""

    def testify(action: str) -> LastAccessedFinding:
        return last_accessed_finding(action, today.last, usage.window, services, actions, created=created)

    judged = keep_unobservable(
        now,
        coverage,
        settled,
        usage.requests,
        _unmapped(usage, today),
        services=services,
        testify=testify if today.last else None,
        min_days=min_days,
    )
    decided = [Keep(one.grant, "decision", one.why) for one in apply_keeps(rules, name, now)]
    removed, found = dict(judged.removed), []
    used_apart = {request.action for one in seen for request in one.requests}
    removed |= {action: SET_APART for action in removed if action in used_apart}
    for keep in (*inside, *as_today, *judged.keeps):
        rule = dropped(rules, name, keep.grant.action, keep.grant.resource)
        if rule:
            removed[keep.grant.action] = f"dropped by {rule.where}: {rule.reason}"
        else:
            found.append(keep)
    distinct = {keep.grant: keep for keep in reversed([*decided, *found])}
    chosen = set(maximal(distinct))
    keeps = tuple(distinct[grant] for grant in sorted(chosen))
    return KeepResult(keeps, removed, judged.seasonal, judged.said)


def _platform(usage: Usage, coverage: Coverage, today: CurrentAccess) -> list[Keep]:
    visible = [action for action in AGENT_SIGNS if coverage.observability(action).visible]
    return platform_keeps(
        today.functions or (),
        today.mappings,
        usage.requests,
        invoke_configs=today.invoke_configs,
        role=today.role,
        visible=visible,
    )


def _inside(keep: Keep, bounds: Sequence[Policy]) -> list[Keep]:
    """A keep cut to what today's policies allow; nothing is added for the platform that was not there."""
    request = AccessRequest(keep.grant.action, keep.grant.resource, wild=True)
    return [warned(replace(keep, grant=grant)) for grant in intersect_grants({keep.grant: [request]}, bounds)]


def _unmapped(usage: Usage, today: CurrentAccess) -> frozenset[str]:
    """IAM prefixes of services of which a call could not be mapped; the label where no prefix is known."""
    mine = {function.unqualified for function in today.functions or ()}
    polled = unknown_sources(one for one in today.mappings if unqualified(one.function_arn) in mine)
    return frozenset(service_prefix(one.source) or label(one.source) for one in usage.unmapped) | set(polled)


def _seen_names(usages: Sequence[Usage]) -> tuple[frozenset[str], frozenset[str]]:
    """Services and actions of which any event was read, refused ones too, since IAM counts attempts."""
    services = {
        service_prefix(key.call.source) or label(key.call.source) for one in usages for key in one.daily
    }
    actions = {request.action for one in usages for request in one.requests}
    actions |= {request.action for one in usages for request in one.denied if request.action}
    services |= {action.split(":", 1)[0].lower() for action in actions}
    return frozenset(services), frozenset(actions)
