"""Tells of calls that do not look like the workload: where from, what they did, and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from policygen.iam import arn
from policygen.logs.events.outcome import UNSUCCESSFUL
from policygen.plan.model import Plan
from policygen.plan.model_evidence import PlanSuspiciousCall
from policygen.report.figures import grouped
from policygen.report.notices.notice import Detail, Notice, few, listed_notice
from policygen.report.suspects import SuspectGroup, call_name, in_the_policy, suspects_by_sign
from policygen.report.wording import day, fitted, short
from policygen.text import pluralize


def suspicious_notice(plan: Plan) -> Notice | None:
    """Tell of the calls that are left out of the policy; None where there are none."""
    groups = [group for group in suspects_by_sign(plan) if group.open]
    groups.sort(key=lambda group: -group.calls)
    if not groups:
        return None
    options = [f"--accept {group.sign}" for group in groups if group.acceptable]
    details = [Detail(_addresses(group), _left_out(plan, group)) for group in groups]
    details.append(
        Detail("If not yours:", f"tell security, revoke sessions, rotate secrets{_then(plan, groups)}")
    )
    details += [Detail("If legitimate:", "", options)] if options else []
    return Notice("!", "Suspicious", f"{_calls_on_days(plan, groups)}, left out of the policy", details)


def reported_notice(plan: Plan) -> Notice | None:
    """Tell of the suspicious calls that a person reported as not the workload's; None where there are none."""
    groups = [group for group in suspects_by_sign(plan) if group.reported]
    if not groups:
        return None
    whys = dict.fromkeys(group.reported for group in groups)
    what = f"{_calls_on_days(plan, groups)}, left out of the policy: {'; '.join(whys)}"
    return Notice(
        "=", "Reported", what, [Detail(_addresses(group), _left_out(plan, group)) for group in groups]
    )


def _calls_on_days(plan: Plan, groups: Sequence[SuspectGroup]) -> str:
    found = [one for group in groups for one in group.members]
    days = sorted({day(one.last) for one in found}, key=[day(one.last) for one in found].index)
    when = f"on {days[0]}" if len(days) == 1 else f"on {pluralize(len(days), 'day')}"
    if all(one.last < plan.window.start for one in found):
        when += ", before the window"
    return f"{pluralize(sum(group.calls for group in groups), 'call')} {when}"


def accepted_notice(plan: Plan) -> Notice | None:
    """Tell of the calls that a person accepted; None where there are none."""
    groups = [group for group in suspects_by_sign(plan) if group.accepted]
    number, entries = _entries(groups)
    return listed_notice("!", "Accepted", f"{number}, {in_the_policy(groups)}", entries)


def unusual_notice(plan: Plan) -> Notice | None:
    """Tell of the calls that are only shown; None where there are none."""
    groups = [group for group in suspects_by_sign(plan) if group.kept and not group.accepted]
    number, entries = _entries(groups)
    return listed_notice("!", "Unusual", f"{number}, {in_the_policy(groups)}", entries)


def _entries(groups: Sequence[SuspectGroup]) -> tuple[str, list[Detail]]:
    """Return the number of calls, and a line for each sign."""
    calls = sum(group.calls for group in groups)
    noun = "suspicious call" if groups and groups[0].accepted else "call"
    return pluralize(calls, noun), [Detail(_addresses(group), _calls(group)) for group in groups]


_NAMED, _ACTIONS = 2, 2
"""Resources of an action, and actions, that are named."""


def _left_out(plan: Plan, group: SuspectGroup) -> str:
    """Say what calls did that are left out: how many succeeded, on what, and whether the new policy grants that.

    ``by hand; 1 expired token, 2 succeeded: s3:GetObject a.csv, b.csv; the new policy grants none``.
    """
    done = [call for one in group.members for call in one.calls if call.result == "succeeded" and call.action]
    if not done:
        return _calls(group)
    results = sum((Counter(one.results) for one in group.members), Counter[str]())
    ended = ", ".join(
        f"{results[one]:,} {ENDS.get(one, one)}" for one in sorted(results, key=_least_harm, reverse=True)
    )
    named = sorted(done, key=lambda call: (call.resource == "*", call.action, call.resource))
    places = grouped((call.action, _name(call.resource)) for call in named)
    did = [_on(action, dict.fromkeys(names)) for action, names in places.items()]
    shown = list(places)[:_ACTIONS]
    # The calls that are not named, those that need no permission among them, so that the numbers add up.
    left = results["succeeded"] - sum(call.count for call in done if call.action in shown)
    more = [f"{left:,} more"] if left > 0 else []
    granted = _granted(plan, done)
    fate = f"the new policy {f'may grant {few(granted)}' if granted else 'grants none'}"
    return f"{SIGNS.get(group.sign, group.sign)}; {ended}: {'; '.join([*did[:_ACTIONS], *more, fate])}"


def _least_harm(result: str) -> tuple[bool, bool, str]:
    return result in UNSUCCESSFUL, result != "succeeded", result


def _on(action: str, names: Collection[str]) -> str:
    """Name an action and the first resources: ``s3:GetObject a.csv, b.csv +1``."""
    shown = ", ".join(name for name in [*names][:_NAMED] if name)
    return f"{action} {shown}".rstrip() + (f" +{len(names) - _NAMED}" if len(names) > _NAMED else "")


def _name(resource: str) -> str:
    """Return the name of a resource; of an object without its bucket; "" where a call names none."""
    name = short(resource)
    if name == "*":
        return ""
    _, _, key = name.partition("/")
    return fitted(key if key and resource.split(":")[2:4] == ["s3", ""] else name, 30)


def _then(plan: Plan, groups: Iterable[SuspectGroup]) -> str:
    """Say that such calls need not hold up the policy, where it grants none of what they did."""
    calls = (call for group in groups for one in group.members for call in one.calls if call.action)
    return "" if _granted(plan, calls) else ", apply"


def _granted(plan: Plan, calls: Iterable[PlanSuspiciousCall]) -> list[str]:
    """Return the actions of those calls that the new policy may grant."""
    return sorted({call.action for call in calls if _may_grant(plan, call)})


def _may_grant(plan: Plan, call: PlanSuspiciousCall) -> bool:
    """Return whether the new policy may grant what a call asked for first, its conditions and denies aside."""
    return any(
        arn.action_matches(grant.action, call.action) and arn.overlaps(grant.resource, call.resource)
        for grant in plan.grants
    )


SIGNS = {
    "interactive-agent": "by hand",
    "not-the-host": "not the workload's machine",
    "not-the-function": "not a function's session",
    "foreign-agent": "not the runtime",
    "after-quiet": "new after weeks without a new call",
}
"""Sign of a suspicious call -> what it means, in few words; the details have a sentence."""


ENDS = {"expired": "expired token", "refused": "wrong signature or key"}
"""How calls ended that AWS refused before it looked at permissions; all other ends have a word of their own."""


def _addresses(group: SuspectGroup) -> str:
    found = sorted({address for one in group.members for address in one.addresses})
    return fitted(found[0], 15) + (f" +{len(found) - 1}" if len(found) > 1 else "") if found else "-"


def _calls(group: SuspectGroup) -> str:
    """Name the sign and its first calls, which succeeded unless their number says more: a line has little room.

    ``by hand: s3:GetObject ×2, dynamodb:Scan +1; 1 expired token``, ``not the runtime; denied: iam:ListUsers``.
    """
    names: dict[str, Counter[str]] = {}
    for one in group.members:
        for result, count in (one.results or {"succeeded": one.count}).items():
            names.setdefault(result, Counter())[call_name(one)] += count
    shown = min(names, key=_least_harm)
    rest = [f"{names[one].total():,} {ENDS.get(one, one)}" for one in sorted(names) if one != shown]
    lead = ": " if shown == "succeeded" else f"; {ENDS.get(shown, shown)}: "
    return "; ".join([SIGNS.get(group.sign, group.sign) + lead + _few_calls(names[shown]), *rest])


def _few_calls(names: Counter[str]) -> str:
    shown = [f"{name} ×{number:,}" if number > 1 else name for name, number in names.most_common(2)]
    return ", ".join(shown) + (f" +{len(names) - 2}" if len(names) > 2 else "")
