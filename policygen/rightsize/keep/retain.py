"""What a suggestion keeps without evidence, and why the rest of the current permissions goes.

Permissions are kept for three reasons: AWS's own service needs them (`platform`), the logs could not have shown their
use (`unobservable`), or a person decided so (`decisions`). Each keep stays inside the current policies.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from policygen.account.current import CurrentAccess
from policygen.account.model import unqualified
from policygen.catalog.service_names import label, service_prefix
from policygen.catalog.visibility import visibility_of
from policygen.evidence.anomalies import SET_APART
from policygen.evidence.coverage.coverage import Coverage
from policygen.evidence.coverage.event_set import GLOBAL_LEADERS
from policygen.evidence.coverage.role_report import RoleReport, attempts, unread_regions
from policygen.evidence.coverage.tracked_regions import ANY_REGION
from policygen.evidence.coverage.workplaces import Workplaces, workplaces
from policygen.evidence.usage import Usage
from policygen.iam import arn
from policygen.iam.document import Policy, Statement
from policygen.iam.evaluate import Evaluator
from policygen.iam.grants import Grant, maximal
from policygen.iam.request import AccessRequest
from policygen.rightsize.decisions.apply import (
    DroppedNeed,
    DroppedNeeds,
    RuledOut,
    Spared,
    apply_keeps,
    drop_need,
    dropped,
)
from policygen.rightsize.decisions.model import DecisionRule
from policygen.rightsize.generate.generalise import Mode
from policygen.rightsize.generate.intersect import cut_to_policies
from policygen.rightsize.keep.consumers import with_consumers
from policygen.rightsize.keep.data_events_too import keeps_for_data_events
from policygen.rightsize.keep.event_sources import features, unknown_sources
from policygen.rightsize.keep.model import Keep, KeepResult
from policygen.rightsize.keep.not_in_record import keeps_not_in_record
from policygen.rightsize.keep.platform import needs_if_configured, platform_keeps, warned
from policygen.rightsize.keep.seen_before import seen_before
from policygen.rightsize.keep.service_roles import actions_of_services
from policygen.rightsize.keep.unobservable import keep_unobservable
from policygen.rightsize.keep.witness import RoleFacts, sign_of_use
from policygen.rightsize.keep.witnesses.code import with_calls_of_code
from policygen.rightsize.removal import LOGS, Removal

AGENT_SIGNS = ("ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel")
"""Actions by which an agent on an instance shows itself in the logs."""


def keep_without_evidence(
    usage: Usage,
    coverage: Coverage,
    current: CurrentAccess | None,
    current_actions: Mapping[str, Sequence[Statement]] | None,
    bounds: Sequence[Policy] | None,
    carried_over: Sequence[Keep] = (),
    *,
    rules: Sequence[DecisionRule] = (),
    anomalous_usage: Usage | None = None,
    earlier_usage: Usage | None = None,
    granted: Iterable[Grant] = (),
    mode: Mode = "pattern",
    min_days: int = 0,
) -> KeepResult:
    """Decide what stays without evidence.

    Args:
        usage: the requests that the role made.
        coverage: what the logs could have shown.
        current: the role's policies and configuration; None where they are not known.
        current_actions: action -> the current Allow statements that grant it.
        bounds: the policies that no keep may reach beyond.
        carried_over: keeps for what was used and cannot be written by names.
        rules: decisions in force for the role.
        anomalous_usage: the requests behind calls that do not look like the workload.
        earlier_usage: the requests behind calls before the window.
        granted: grants for what was seen in the window.
        mode: how names before the window are written.
        min_days: days for which a permission must have been visible before its absence means anything.

    Raises:
        NothingToKeepError: PG-E364, a rule keeps what the current policies do not grant.
    """
    role = usage.role.name
    if current is None or current_actions is None or bounds is None:
        # What nothing shows can only stay as today's policies have it.
        shown = [keep for keep in platform_keeps((), (), usage.requests) if keep.kind == "platform"]
        alone = _drop_needs(shown, rules, role)
        return KeepResult(tuple(alone.keeps), needed=alone.actions, dropped=alone.dropped)
    usages = (usage, anomalous_usage) if anomalous_usage else (usage,)
    report = _role_report(usages, coverage, current, earlier_usage)
    platform = _platform_keeps(usages, coverage, current, report)
    platform += _needs_unconfigured(usages, coverage, current, current_actions)
    platform += keeps_not_in_record(usage)
    data_events = keeps_for_data_events(current_actions, coverage, _partition(current))
    platform += [keep for keep in data_events if not _service_is_idle(keep.grant, report, min_days)]
    unobservable = keep_unobservable(
        RoleFacts(
            usages,
            coverage,
            current,
            current_actions,
            report,
            needed=frozenset(keep.grant.action for keep in platform),
            from_console=any(key.user.channel == "console" for one in usages for key in one.daily),
            earlier=seen_before(earlier_usage, granted, mode),
        ),
        _settled_actions(platform, coverage, min_days),
        _unmapped_services(usage, current),
        unread=unread_regions(attempts(current.last), usage.window, coverage.regions) if current.last else {},
        min_days=min_days,
    )
    wanted = [Keep(one.grant, "decision", one.why) for one in apply_keeps(rules, role, current_actions)]
    within = current.evaluator(bounds)
    inside = [part for keep in platform for part in _inside(keep, bounds, within)]
    needed = _drop_needs([keep for keep in inside if keep.kind == "platform"], rules, role)
    # Where nothing shows whether there is such a need, the permission is unverified like any other.
    unverified = [keep for keep in inside if keep.kind != "platform"]
    doubtful = with_calls_of_code((*unverified, *unobservable.keeps), current, current_actions)
    doubtful = with_consumers(doubtful, current, usage, coverage)
    keeps, ruled_out = _drop(doubtful, rules, role, unobservable.tried)
    removed = dict(unobservable.removed)
    if anomalous_usage:
        used = {request.action for request in anomalous_usage.requests}
        apart = Removal(SET_APART, "suspicious", LOGS)
        removed |= {action: apart for action in removed if action in used}
    return replace(
        unobservable,
        # What is carried over was used: `drop_observed` has decided about it before.
        keeps=_maximal_keeps([*wanted, *needed.keeps, *carried_over, *keeps]),
        removed={**removed, **{action: _by_rule(one.rule) for action, one in ruled_out.items()}},
        needed=needed.actions,
        dropped=needed.dropped._replace(ruled_out=ruled_out),
    )


def _platform_keeps(
    usages: Sequence[Usage], coverage: Coverage, current: CurrentAccess, report: RoleReport | None
) -> list[Keep]:
    at_times = actions_of_services(current.role, usages[0].requests)
    # That IAM saw no attempt says as little of what is asked for at times as that the logs show none.
    idle = {action for action in at_times if report and report.find(action).kind == "idle"}
    return platform_keeps(
        current.functions or (),
        current.mappings,
        usages[0].requests,
        invoke_configs=current.invoke_configs,
        role=current.role,
        visible=_visible({*AGENT_SIGNS, *at_times}, coverage) | idle,
    )


def _needs_unconfigured(
    usages: Sequence[Usage], coverage: Coverage, current: CurrentAccess, granted: Collection[str]
) -> list[Keep]:
    """Return what Lambda may need of the role by a configuration that the snapshot does not have."""
    if current.role is None or current.configured:
        return []
    used = [request for usage in usages for request in usage.requests]
    asked = {action for row in features().values() for action in row.actions if action in granted}
    return needs_if_configured(current.role, used, granted, _visible(asked, coverage))


def _visible(actions: Iterable[str], coverage: Coverage) -> frozenset[str]:
    return frozenset(action for action in actions if coverage.observability(action).visible)


def _settled_actions(platform: Iterable[Keep], coverage: Coverage, min_days: int) -> frozenset[str]:
    """Return the actions that are needed for nothing but what the configuration names, though no log shows them.

    The configuration settles only what CloudTrail never shows, and only where the feature's other actions were visible:
    a group of its own that a function writes to would have shown by its streams.
    """
    settled: set[str] = set()
    kept = [keep for keep in platform if keep.feature and features()[keep.feature].whole]
    for name in sorted({keep.feature for keep in kept}):
        shown = [one for one in features()[name].actions if visibility_of(one).kind != "never"]
        if all(coverage.absence(one, "*", min_days).blind_spot is None for one in shown):
            settled |= {keep.grant.action for keep in kept if keep.feature == name} - set(shown)
    return frozenset(settled)


def _role_report(
    usages: Sequence[Usage], coverage: Coverage, current: CurrentAccess, earlier: Usage | None
) -> RoleReport | None:
    """Return what is needed to read IAM's last-accessed report of the role; None where there is none."""
    if current.last is None:
        return None
    seen: dict[str, set[tuple[str, str]]] = {}
    for usage in usages:
        for name, places in usage.seen.items():
            seen.setdefault(name, set()).update(places)
    return RoleReport(
        report=current.last,
        window=usages[0].window,
        seen=seen,
        earlier=earlier.seen if earlier else {},
        created=current.role.create_date if current.role else "",
        workplaces=_workplaces(usages, coverage, current),
        leader=GLOBAL_LEADERS.get(_partition(current), "us-east-1"),
    )


def _service_is_idle(grant: Grant, report: RoleReport | None, min_days: int) -> bool:
    """Return whether IAM saw no attempt at a service, by calls of any kind, where the grant lets the role work."""
    found = report.find(grant.action) if report else None
    return (
        report is not None
        and found is not None
        and (found.kind, found.level) == ("idle", "service")
        and report.is_long_enough(found, min_days)
        and not report.untracked(found, grant.resource)
    )


def _partition(current: CurrentAccess) -> str:
    place = arn.parse(current.role.key.arn) if current.role else None
    return place.partition if place else "aws"


def _workplaces(usages: Sequence[Usage], coverage: Coverage, current: CurrentAccess) -> Workplaces:
    """Return where the role may have worked: anywhere, where no trail logs all regions."""
    seen = (region for usage in usages for region in usage.regions)
    found = workplaces(current, coverage.regions, seen)
    logs_all = any(trail.multi_region for trail in coverage.active_trails)
    return found if logs_all else replace(found, own=found.own | {ANY_REGION})


def _inside(keep: Keep, bounds: Sequence[Policy], within: Evaluator) -> list[Keep]:
    """Cut a platform keep to what the current access allows: nothing is added that was not there, or is barred."""
    return [
        warned(replace(keep, grant=grant))
        for grant in cut_to_policies(keep.grant, bounds)
        if within.refusal(AccessRequest(grant.action, grant.resource, wild=True)) is None
    ]


class _Needs(msgspec.Struct, frozen=True):
    """What AWS's own services need of the role, sorted by the drop rules."""

    keeps: list[Keep]
    dropped: DroppedNeeds

    @property
    def actions(self) -> frozenset[str]:
        """The actions of what is left."""
        return frozenset(keep.grant.action for keep in self.keeps)


def _drop_needs(keeps: Iterable[Keep], rules: Sequence[DecisionRule], role: str) -> _Needs:
    """Drop needs of AWS's own services where a rule names the very action; report the rules that only match them."""
    left: list[Keep] = []
    losses: list[DroppedNeed] = []
    spared: list[Spared] = []
    for keep in keeps:
        grant = keep.grant
        meant, not_meant = drop_need(rules, role, grant.action, grant.resource)
        if meant:
            losses.append(DroppedNeed(grant.action, grant.resource, keep.why, meant))
            continue
        left.append(keep)
        if not_meant and not not_meant.sparing:
            spared.append(Spared(grant.action, grant.resource, not_meant, keep.why))
    return _Needs(left, DroppedNeeds(tuple(losses), tuple(spared)))


def _drop(
    keeps: Iterable[Keep], rules: Sequence[DecisionRule], role: str, tried: Collection[str]
) -> tuple[list[Keep], dict[str, RuledOut]]:
    """Return the keeps that no drop rule drops, and for the actions of the others the rule."""
    left: list[Keep] = []
    ruled_out: dict[str, RuledOut] = {}
    for keep in keeps:
        action = keep.grant.action
        rule = dropped(rules, role, action, keep.grant.resource)
        if rule is None:
            left.append(keep)
        elif action not in ruled_out or not ruled_out[action].sign:
            ruled_out[action] = RuledOut(rule, sign_of_use(keep) or (_TRIED if action in tried else ""))
    return left, ruled_out


_TRIED = "IAM saw the role try it, or its service, and no log shows which"


def _by_rule(rule: DecisionRule) -> Removal:
    return Removal(f"dropped by {rule.where}: {rule.reason}", "decision", rule.where)


def _maximal_keeps(keeps: Sequence[Keep]) -> tuple[Keep, ...]:
    """Return the keeps whose grant no other keep's grant contains; of equal grants the first. Sorted.

    What is needed stays beside what is unverified on more: somebody may drop the latter.
    """
    by_grant = {keep.grant: keep for keep in reversed(keeps)}
    needed = set(maximal(grant for grant, keep in by_grant.items() if keep.kind != "unknown"))
    return tuple(by_grant[grant] for grant in sorted(needed | set(maximal(by_grant))))


def _unmapped_services(usage: Usage, current: CurrentAccess) -> frozenset[str]:
    """Return the IAM prefixes of services with a call that could not be mapped; the label where there is no prefix."""
    own = {function.unqualified for function in current.functions or ()}
    polled = unknown_sources(one for one in current.mappings if unqualified(one.function_arn) in own)
    return frozenset(service_prefix(one.source) or label(one.source) for one in usage.unmapped) | set(polled)
