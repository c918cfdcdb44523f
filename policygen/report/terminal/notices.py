"""Renders what a person should look at before the policy is applied: numbered, each in a few lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import NamedTuple

from policygen.iam.arn import service_of
from policygen.logs.events.outcome import UNSUCCESSFUL
from policygen.plan.model import Plan, PlanQuestion
from policygen.report.figures import grouped
from policygen.report.fixed_names import FixedNames, fixed_names
from policygen.report.suspects import SuspectGroup, call_name, suspects_by_sign
from policygen.report.terminal.layout import Layout, option_words
from policygen.report.wording import counted, day, denied_by, fitted, list_resources
from policygen.rightsize.current_access import ADDABLE
from policygen.text import pluralize

_SHOWN = 3
"""Lines of details of one kind; `--details` has all of them."""


class Notice(NamedTuple):
    """Something to look at: a mark, what it is, a sentence, and lines of details with what each is about."""

    mark: str
    name: str
    sentence: str
    details: Sequence[tuple[str, str]] = ()


def render_notices(plan: Plan, layout: Layout) -> Iterator[str]:
    """Render all notices of a plan; nothing where there is none."""
    notices = [notice for make in _NOTICES if (notice := make(plan))]
    if not notices:
        return
    yield from ("", "Before you merge")
    for number, notice in enumerate(notices, 1):
        yield from layout.wrapped(f"{number:>2} {notice.mark} {notice.name:<12} ", notice.sentence)
        for name, text in notice.details:
            lead = f"       {name:<15} "
            if " on arn:" in text and text.startswith("--"):
                yield f"       {text}"  # a line that is broken inside quotes could not be pasted
            elif text.startswith("--") and "(" not in text:
                yield from layout.joined(lead, option_words(text), " ")
            elif ": --" in text:
                words, _, options = text.partition(": --")
                yield from layout.joined(lead, [f"{words}:", *option_words(f"--{options}")], " ")
            else:
                yield from layout.wrapped(lead, text, " " * (23 if len(name) < 16 else 9))


def _failing(plan: Plan) -> Notice | None:
    losses = plan.decisions.losses
    what = f"{pluralize(len(losses), 'needed permission')} dropped by a decision: calls will be denied"
    entries = [
        (one.action, f"{one.why or pluralize(one.count, 'call')}, dropped by {one.rule}") for one in losses
    ]
    return _notice("✘", "Will fail", what, entries)


def _suspicious(plan: Plan) -> Notice | None:
    groups = [group for group in suspects_by_sign(plan) if not group.kept]
    groups.sort(key=lambda group: -sum(one.count for one in group.members))
    if not groups:
        return None
    found = [one for group in groups for one in group.members]
    days = sorted({day(one.last) for one in found}, key=[day(one.last) for one in found].index)
    when = f"on {days[0]}" if len(days) == 1 else f"on {pluralize(len(days), 'day')}"
    if all(one.last < plan.window.start for one in found):
        when += ", before the window"
    calls = pluralize(sum(one.count for one in found), "call")
    options = " ".join(f"--accept {group.sign}" for group in groups if group.acceptable)
    _, details = _entries(groups)
    details.append(("If not yours:", "tell security, rotate the credentials; safe to apply"))
    details += [("If legitimate:", options)] if options else []
    return Notice("!", "Suspicious", f"{calls} {when}, left out of the policy", details)


def _accepted(plan: Plan) -> Notice | None:
    groups = [group for group in suspects_by_sign(plan) if group.accepted]
    number, entries = _entries(groups)
    return _notice("!", "Accepted", f"{number}, {_fate(groups)}", entries)


def _unusual(plan: Plan) -> Notice | None:
    groups = [group for group in suspects_by_sign(plan) if group.kept and not group.accepted]
    number, entries = _entries(groups)
    return _notice("!", "Unusual", f"{number}, {_fate(groups)}", entries)


def _fate(groups: Sequence[SuspectGroup]) -> str:
    """Say what became of calls that count as the workload's: what AWS denied is not in the policy either."""
    calls, denied = sum(group.calls for group in groups), sum(group.unsuccessful for group in groups)
    if not denied:
        return "in the policy"
    granted = f"{calls - denied:,} in the policy, " if denied < calls else ""
    return f"{granted}{denied:,} not authorised by AWS: not added"


def _entries(groups: Sequence[SuspectGroup]) -> tuple[str, list[tuple[str, str]]]:
    """Return the number of calls, and a line for each sign."""
    calls = sum(group.calls for group in groups)
    noun = "suspicious call" if groups and groups[0].accepted else "call"
    return pluralize(calls, noun), [(_addresses(group), _calls(group)) for group in groups]


SIGNS = {
    "interactive-agent": "by hand",
    "not-the-host": "not the workload's machine",
    "not-the-function": "not a function's session",
    "foreign-agent": "not the runtime",
    "after-quiet": "new after weeks without a new call",
}
"""Sign of a suspicious call -> what it means, in few words; the details have a sentence."""


def _addresses(group: SuspectGroup) -> str:
    found = sorted({address for one in group.members for address in one.addresses})
    return fitted(found[0], 15) + (f" +{len(found) - 1}" if len(found) > 1 else "") if found else "-"


def _calls(group: SuspectGroup) -> str:
    """Name the sign and its first calls, which succeeded unless their number says more: a line has little room.

    ``by hand: s3:GetObject ×2, dynamodb:Scan +1; 1 expired``, ``not the runtime; denied: iam:ListUsers``.
    """
    names: dict[str, Counter[str]] = {}
    for one in group.members:
        for result, count in (one.results or {"succeeded": one.count}).items():
            names.setdefault(result, Counter())[call_name(one)] += count
    shown = min(names, key=lambda result: (result in UNSUCCESSFUL, result != "succeeded", result))
    rest = [f"{names[one].total():,} {one}" for one in sorted(names) if one != shown]
    lead = ": " if shown == "succeeded" else f"; {shown}: "
    return "; ".join([SIGNS.get(group.sign, group.sign) + lead + _few_calls(names[shown]), *rest])


def _few_calls(names: Counter[str]) -> str:
    shown = [f"{name} ×{number:,}" if number > 1 else name for name, number in names.most_common(2)]
    return ", ".join(shown) + (f" +{len(names) - 2}" if len(names) > 2 else "")


def _not_allowed(plan: Plan) -> Notice | None:
    count = pluralize(len(plan.missing), "permission")
    groups = grouped(((one.action, one.cause), one) for one in plan.missing)
    entries = [
        (action, f"{_calls_on(sum(one.count for one in some), (one.resource for one in some))}: {cause}")
        for (action, cause), some in groups.items()
    ]
    sentence = f"{count} used that today's policies lack: not added, so nothing changes for these calls"
    to_add = (
        ("To grant them:", "--add-observed") if any(one.cause in ADDABLE for one in plan.missing) else None
    )
    return _notice("!", "Not allowed", sentence, entries, to_add)


def _added(plan: Plan) -> Notice | None:
    count = pluralize(len(plan.added), "permission")
    entries = [(one.action, f"on {list_resources([[one.resource]])}") for one in plan.added]
    return _notice(
        "!", "Added", f"{count} beyond today's policies, as you asked with --add-observed", entries
    )


def _denied(plan: Plan) -> Notice | None:
    count = pluralize(len(plan.wanted_but_denied), "permission")
    entries = [
        (
            one.action or one.event.partition(" ")[2],
            f"{_calls_on(one.count, [one.resource])}: {denied_by(one.policy_type, explicit=one.explicit)}",
        )
        for one in plan.wanted_but_denied
    ]
    return _notice("!", "Denied", f"{count} tried and denied by AWS: not added", entries)


def _calls_on(number: int, resources: Iterable[str]) -> str:
    calls, names = pluralize(number, "call"), [one for one in resources if one]
    return f"{calls} on {list_resources([names])}" if names else calls


def _unmapped(plan: Plan) -> Notice | None:
    count = pluralize(len(plan.unmapped), "kind")
    entries = [
        (one.event.partition(" ")[2], f"{pluralize(one.count, 'call')}: {one.why}") for one in plan.unmapped
    ]
    return _notice(
        "?", "Unknown", f"{count} of calls whose permissions are not known: add them by hand", entries
    )


def _new_names(plan: Plan) -> Notice | None:
    types = pluralize(len(plan.open_names), "resource type")
    options = " ".join(f"--open {one.type}" for one in plan.open_names)
    entries = [
        (one.type, f"{pluralize(one.names, 'name')} seen; {one.reason}") for one in plan.open_names[:_SHOWN]
    ]
    return _notice(
        "?", "New names", f"{types} may have other names next time", entries, ("Allow any:", options)
    )


def _fixed(plan: Plan) -> Notice | None:
    """Name the folders in which only names like those seen are allowed, and the options that allow others."""
    found = fixed_names(plan)
    names = _few([one.short for one in found])
    widen = "; to allow any" if plan.today is not None else ""
    entries = [("", one.option) if widen else (one.short, f"only {_names_in(one)}") for one in found]
    sentence = f"new names in {names} will be denied{widen}{':' if widen else ''}"
    return _notice("?", "Names", sentence, entries)


def _names_in(folder: FixedNames) -> str:
    """Name what stands for most names, and count the others."""
    first, *others = sorted(folder.names, key=lambda name: (-name.count("?"), name))
    return first + (f" +{len(others)}" if others else "")


def _unverified(plan: Plan) -> Notice | None:
    number = plan.tightness.unverified
    if not number:
        return None
    left = {action for action, support in plan.support.items() if support == "unverified"}
    causes: dict[str, list[str]] = {}
    for question in plan.questions:
        actions = [one for one in question.actions if one.lower() in left]
        left.difference_update(one.lower() for one in actions)
        causes.setdefault(_cause(question), []).extend(map(service_of, actions))
    details = [(f"{len(services):>2} {cause}", counted(services)) for cause, services in causes.items()]
    sentence = f"{pluralize(number, 'action')} kept as today: the logs can't tell if they are used"
    lines = [("Seasonal", _seasonal(plan)), ("If dropped", _how_to_drop(plan))]
    return Notice("?", "Unverified", sentence, [*details, *((name, text) for name, text in lines if text)])


def _seasonal(plan: Plan) -> str:
    """Say when IAM last saw what stays for a use before the window, and the option that keeps the first of it."""
    told = [(one.action, found) for one in plan.seasonal if (found := _BEFORE.search(one.says))]
    # What IAM says of an action itself comes before what it says of a service.
    told.sort(key=lambda one: (one[1]["what"] != one[0], one[0]))
    if not told:
        return ""
    (action, found), *others = told
    more = f", and {len(others)} more" if others else ""
    return f"on {day(found['day'])}{more}: --keep {action}"


_BEFORE = re.compile(r" at (?P<what>\S+) last on (?P<day>\d{4}-\d\d-\d\d), before the window")


def _how_to_drop(plan: Plan) -> str:
    """Say what ``--unverified drop`` would do, and of how much of it IAM saw attempts, before it is offered."""
    unverified, number = plan.unverified, plan.tightness.unverified
    if unverified.mode != "keep" or unverified.droppable == ():
        return ""
    if unverified.droppable is None:  # an older plan
        return "--unverified drop"
    gone, narrowed = _parted(unverified.droppable, plan.broader)
    tried = len({*unverified.droppable} & {*unverified.tried})
    parts = [
        f"{len(gone):,} go",
        f"{number - len(gone):,} stay" if number > len(gone) else "",
        f"{len(narrowed):,} needed get narrower" if narrowed else "",
        f"{tried:,} perhaps used" if tried else "",
    ]
    return f"{', '.join(filter(None, parts))}: --unverified drop"


def _parted(actions: Iterable[str], needed: Container[str]) -> tuple[set[str], set[str]]:
    """Part unverified actions into those that go when they are dropped, and those that are needed, on less."""
    narrowed = {action for action in actions if action.lower() in needed}
    return {*actions} - narrowed, narrowed


_CAUSES = {
    "data-events": "not logged",
    "older-logs": "seen earlier",
    "logs": "logs missing",
    "protocol": "never logged",
    "no-sdk": "no API call",
    "not-known": "maybe logged",
    "with-others": "side effect",
    "used": "names unclear",
}
"""What answers a question -> why nothing does now, in 13 columns; docs/concepts/questions.md explains them."""


def _cause(question: PlanQuestion) -> str:
    answers = {topic.partition(":")[0] for topic in question.topics}
    return _CAUSES.get(answers.pop(), "others") if len(answers) == 1 else "others"


def _dropped(plan: Plan) -> Notice | None:
    dropped = sorted({one.action for one in plan.unverified.dropped})
    gone, narrowed = _parted(dropped, {one.action.lower() for one in plan.grants})
    how = f"{len(gone):,} go" + (f", {len(narrowed):,} needed get narrower" if narrowed else "")
    what = f"{pluralize(len(dropped), 'unverified permission')} dropped by your choice: {how}"
    return _notice("!", "Dropped", what, [("", counted(map(service_of, dropped)))] if dropped else [])


def _decisions(plan: Plan) -> Notice | None:
    decided = plan.decisions
    entries = [
        *(
            (one.rule, f"does not drop {one.action}: {one.why or 'it was seen in use'}")
            for one in decided.spared
        ),
        *((rule, f"has expired: {decided.reasons.get(rule, '')}".rstrip(": ")) for rule in decided.expired),
        *((rule, _unused(decided.reasons.get(rule, ""))) for rule in decided.unused),
    ]
    return _notice("?", "No effect", f"{pluralize(len(entries), 'decision')} did nothing", entries)


def _unused(reason: str) -> str:
    return f"matches nothing that this role has or does{f': {reason}' if reason else ''}"


def _narrowed(plan: Plan) -> Notice | None:
    what = f"{pluralize(len(plan.losses), 'permission')} narrower than today and the calls might allow"
    return _notice("!", "Narrower", what, [(one.action, one.why) for one in plan.losses])


def _shared(plan: Plan) -> Notice | None:
    names = _function_names(plan)
    if len(names) < 2:
        return None
    return Notice(
        "?", "Shared", f"{len(names)} functions use this role; each could have its own: {_few(names)}"
    )


def _function_names(plan: Plan) -> list[str]:
    """Name the functions that use the role: by ARN where two have the same name."""
    arns = [user.function for user in plan.users if user.function]
    names = [one.rsplit(":function:", 1)[-1] for one in arns]
    return [one if names.count(name) > 1 else name for one, name in zip(arns, names, strict=True)]


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" +{len(names) - _SHOWN}" if len(names) > _SHOWN else "")


def _notice(
    mark: str,
    name: str,
    sentence: str,
    entries: Sequence[tuple[str, str]],
    last: tuple[str, str] | None = None,
) -> Notice | None:
    """Return a notice with its first entries, and the number of the others; None where there is no entry."""
    if not entries:
        return None
    rest = [("", f"and {len(entries) - _SHOWN:,} more (--details)")] if len(entries) > _SHOWN else []
    return Notice(mark, name, sentence, [*entries[:_SHOWN], *rest, *([last] if last else [])])


_NOTICES: Iterable[Callable[[Plan], Notice | None]] = (
    _failing,
    _suspicious,
    _accepted,
    _unusual,
    _not_allowed,
    _added,
    _denied,
    _unmapped,
    _new_names,
    _fixed,
    _unverified,
    _dropped,
    _narrowed,
    _decisions,
    _shared,
)
"""The most serious first."""
