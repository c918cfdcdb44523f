"""Makes all notices of a plan: what a person should look at before the policy is applied."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from policygen.iam import arn
from policygen.plan.model import Plan
from policygen.plan.model_evidence import PlanNotAllowed
from policygen.report.figures import grouped, spared_actions
from policygen.report.fixed_names import FixedNames, fixed_names
from policygen.report.not_allowed import FATES, Fate, fate_of, not_allowed_words
from policygen.report.notices.dropped import decided_notice, dropped_notice
from policygen.report.notices.notice import SHOWN, Detail, Notice, few, listed_notice
from policygen.report.notices.suspicious import (
    accepted_notice,
    reported_notice,
    suspicious_notice,
    unusual_notice,
)
from policygen.report.notices.unverified import unverified_notice
from policygen.report.wording import CAUTIONS, day, denied_by, list_resources
from policygen.text import pluralize


def notices_of(plan: Plan) -> list[Notice]:
    """Return all notices of a plan, the most serious first."""
    return [notice for make in _NOTICES if (notice := make(plan))]


def _failing(plan: Plan) -> Notice | None:
    losses = plan.decisions.losses
    what = f"{pluralize(len(losses), 'needed permission')} dropped by a decision: calls will be denied"
    entries = [
        Detail(one.action, f"{one.why or pluralize(one.count, 'call')}, dropped by {one.rule}")
        for one in losses
    ]
    return listed_notice("✘", "Will fail", what, entries)


def _not_allowed(plan: Plan, fate: Fate) -> Notice | None:
    missing = [one for one in plan.missing if fate_of(one.cause) is fate]
    groups = grouped(((one.action, one.cause), one) for one in missing)
    if not missing:
        return None
    shown = [one for key, some in [*groups.items()][:SHOWN] for one in _let_through(*key, some)]
    left = sum(one.count for some in [*groups.values()][SHOWN:] for one in some)
    more = f"and {len(groups) - SHOWN:,} more, {pluralize(left, 'call')} (--details)"
    rest = [Detail("", more)] if len(groups) > SHOWN else []
    added = fate.step.startswith("--")
    step = Detail("To grant them:", "", [fate.step]) if added else Detail("If needed:", fate.step)
    sentence = not_allowed_words(fate, missing)
    return Notice(fate.mark, fate.name, sentence, [*shown, *rest, step])


def _let_through(action: str, cause: str, requests: Sequence[PlanNotAllowed]) -> Iterator[Detail]:
    """Yield how often AWS allowed requests, and the ARNs, which are what ``--add-observed`` would grant."""
    number = pluralize(sum(one.count for one in requests), "call")
    last = day(max(one.last for one in requests))
    yield Detail(action, f"{number} that AWS allowed, last {last}: {cause}; on")
    arns = sorted({one.resource for one in requests})
    yield from (Detail("", one) for one in arns[:_ARNS])
    if len(arns) > _ARNS:
        yield Detail("", f"and {len(arns) - _ARNS:,} more (--details)")


_ARNS = 2
"""ARNs that an entry names."""


def _added(plan: Plan) -> Notice | None:
    count = pluralize(len(plan.added), "permission")
    entries = [Detail(one.action, f"on {list_resources([[one.resource]])}") for one in plan.added]
    return listed_notice(
        "!", "Added", f"{count} beyond today's policies, as you asked with --add-observed", entries
    )


def _denied(plan: Plan) -> Notice | None:
    count = pluralize(len(plan.wanted_but_denied), "permission")
    entries = [
        Detail(
            one.action or one.event.partition(" ")[2],
            f"{_calls_on(one.count, [one.resource])}: {denied_by(one.policy_type, explicit=one.explicit)}",
        )
        for one in plan.wanted_but_denied
    ]
    return listed_notice("!", "Denied", f"{count} tried and denied by AWS: not added", entries)


def _calls_on(number: int, resources: Iterable[str]) -> str:
    calls, names = pluralize(number, "call"), [one for one in resources if one]
    return f"{calls} on {list_resources([names])}" if names else calls


def _unmapped(plan: Plan) -> Notice | None:
    count = pluralize(len(plan.unmapped), "kind")
    entries = [
        Detail(one.event.partition(" ")[2], f"{pluralize(one.count, 'call')}: {one.why}")
        for one in plan.unmapped
    ]
    return listed_notice(
        "?", "Unknown", f"{count} of calls whose permissions are not known: add them by hand", entries
    )


def _new_names(plan: Plan) -> Notice | None:
    types = pluralize(len(plan.open_names), "resource type")
    options = [f"--open {one.type}" for one in plan.open_names]
    entries = [
        Detail(one.type, f"{pluralize(one.names, 'name')} seen; {one.reason}")
        for one in plan.open_names[:SHOWN]
    ]
    return listed_notice(
        "?",
        "New names",
        f"{types} may have other names next time",
        entries,
        Detail("Allow any:", "", options),
    )


def _fixed(plan: Plan) -> Notice | None:
    """Name what stands for the only names that are allowed in some folders, and the options that allow others there."""
    found = fixed_names(plan)
    names = {_names_in(one) for one in found}
    if plan.today is None:
        folders = few([one.short for one in found])
        entries = [Detail(one.short, f"only {_names_in(one)}") for one in found]
        return listed_notice("?", "Names", f"{folders}: other names will be denied", entries)
    name = names.pop() if len(names) == 1 else ""
    unlike = "other than" if name and arn.unescape(name) is not None else "unlike"
    options = [Detail("", "", [one.option]) for one in found]
    return listed_notice(
        "?", "Names", f"names {unlike} {name or 'those seen'} will be denied; to allow any:", options
    )


def _names_in(folder: FixedNames) -> str:
    """Name what stands for most names, and count the others."""
    first, *others = sorted(folder.names, key=lambda name: (-name.count("?"), name))
    return first + (f" +{len(others)}" if others else "")


def _caution(plan: Plan, id_: str) -> Notice | None:
    for one in plan.cautions:
        if one.id == id_:
            return Notice("?", CAUTIONS[id_], one.says, [Detail("If code minds:", "", [one.option])])
    return None


def _spared(plan: Plan) -> Notice | None:
    found = spared_actions(plan)
    number = len({action for actions in found.values() for action in actions})
    entries = [Detail(rule, f"does not drop {few(actions)}: {why}") for (rule, why), actions in found.items()]
    return listed_notice(
        "?", "Not dropped", f"{pluralize(number, 'needed action')} that a decision matches", entries
    )


def _decisions(plan: Plan) -> Notice | None:
    decided = plan.decisions
    entries = [
        *(
            Detail(rule, f"has expired: {decided.reasons.get(rule, '')}".rstrip(": "))
            for rule in decided.expired
        ),
        *(Detail(rule, _unused(decided.reasons.get(rule, ""))) for rule in decided.unused),
    ]
    return listed_notice("?", "No effect", f"{pluralize(len(entries), 'decision')} did nothing", entries)


def _unused(reason: str) -> str:
    return f"matches nothing that this role has or does{f': {reason}' if reason else ''}"


def _narrowed(plan: Plan) -> Notice | None:
    what = f"{pluralize(len(plan.losses), 'permission')} narrower than today and the calls might allow"
    return listed_notice("!", "Narrower", what, [Detail(one.action, one.why) for one in plan.losses])


def _shared(plan: Plan) -> Notice | None:
    names = _function_names(plan)
    if len(names) < 2:
        return None
    return Notice("=", "Shared", f"{len(names)} functions use this role: {few(names)}; nothing to do")


def _function_names(plan: Plan) -> list[str]:
    """Name the functions that use the role: by ARN where two have the same name."""
    arns = [user.function for user in plan.users if user.function]
    names = [one.rsplit(":function:", 1)[-1] for one in arns]
    return [one if names.count(name) > 1 else name for one, name in zip(arns, names, strict=True)]


_NOTICES: Iterable[Callable[[Plan], Notice | None]] = (
    _failing,
    suspicious_notice,
    reported_notice,
    accepted_notice,
    unusual_notice,
    *(partial(_not_allowed, fate=fate) for fate in FATES if fate.mark == "!"),
    _added,
    _denied,
    _unmapped,
    _new_names,
    _fixed,
    unverified_notice,
    dropped_notice,
    decided_notice,
    *(partial(_caution, id_=id_) for id_ in CAUTIONS),
    _narrowed,
    _spared,
    _decisions,
    *(partial(_not_allowed, fate=fate) for fate in FATES if fate.mark != "!"),
    _shared,
)
"""The most serious first."""
