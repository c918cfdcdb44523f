"""Resources, times and denials in words, the same in every format."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from policygen.iam import arn
from policygen.plan.batch_table import BatchSince
from policygen.plan.model import Plan, PlanQuestion
from policygen.rightsize.assess.changes import Change
from policygen.rightsize.assess.readiness import ANSWERS
from policygen.text import pluralize

INFORMATIONAL_GRADES: Mapping[str, str] = {
    "indirect": "Used, as other calls show; no event of their own was read",
    "hint": "May also be needed: calls of this kind often ask for it",
}
"""Grade of a request that is not granted for its own sake -> what that means."""


CAUTIONS: Mapping[str, str] = {"missing-keys": "Missing keys"}
"""Id of a caution -> its name, of at most 12 columns."""


DO = {
    "few-days": "read more days, or wait",
    "role-new": "wait, or add the logs from before",
    "still-learning": "wait",
    "no-use": "ask its owner whether it is still needed",
    "gaps": "add what is missing",
    "few-active-days": "read more of its runs, --days {days}",
    "no-older-logs": "run this again after its next run",
    "silent": "ask its owner whether it is still needed",
    "late-start": "add older logs, or ask for fewer days",
    "weak": "fine, if you know why",
    "unread-use": "policygen doctor says what was read",
}
"""Reasons that no notice explains -> what to do; docs/reference/reasons.md says more. Others name their command."""


def answer_of(verdict: str) -> str:
    """Return the answer to "Safe to apply?" that a verdict stands for; any other verdict as it is."""
    return ANSWERS.get(verdict, verdict)


def transition_words(since: BatchSince) -> str:
    """Count the roles with another answer than in the last batch: ``look first → yes: 3, new → not yet: 1``."""
    return ", ".join(
        f"{answer_of(before) if before else 'new'} → {answer_of(after) if after else 'gone'}: {number:,}"
        for before, after, number in since.transitions
    )


def how_tight(plan: Plan) -> str:
    """Answer "How tight is it?": ``26 needed + 60 unverified = 86 of today's 519 actions``."""
    tight = plan.tightness
    total = f"{tight.needed:,} needed + {tight.unverified:,} unverified = {plan.actions_proposed:,}"
    if plan.actions_now is None:
        return f"{total} actions; today's policies are not known"
    return f"{total} of today's {pluralize(plan.actions_now, 'action')}"


def broader(plan: Plan) -> str:
    """Say how many needed actions reach, unverified, further than they were seen to; "" for none."""
    tight = plan.tightness
    if not tight.broader:
        return ""
    return (
        f"of the {tight.needed:,} needed, {tight.broader:,} also unverified on more resources than were seen"
    )


def also_needed(plan: Plan, actions: Iterable[str]) -> str:
    """Say how many of some unverified actions are needed on fewer resources, a clause; "" for none."""
    number = sum(1 for action in actions if action.lower() in plan.broader)
    return f", {number:,} of them needed, and unverified on more resources" if number else ""


class CautionWords(Protocol):
    """What changes for the role's code though no call that was seen is denied."""

    @property
    def says(self) -> str:
        """What changes, a clause."""

    @property
    def option(self) -> str:
        """The option of `suggest` that leaves it as it is."""


def caution_words(one: CautionWords) -> str:
    """Say what changes, and what leaves it as it is, a sentence without its full stop."""
    return f"{one.says}; if the code minds: {one.option}"


def dropped_words(actions: Sequence[str]) -> str:
    """Say how many unverified actions a person dropped, and that no log shows their use; "" for none."""
    if not actions:
        return ""
    some = pluralize(len(actions), "unverified permission")
    them = "it" if len(actions) == 1 else "them"
    return f"{some} dropped by a decision: the logs cannot show whether the role uses {them}"


def why_and_confidence(changes: Iterable[Change]) -> str:
    """Return why some actions of one reason go or stay, with how sure that is: ``…: no call (confidence: high)``."""
    members = list(changes)
    sure = sorted({one.decided_by.confidence for one in members if one.decided_by})
    return with_confidence(members[0].why, sure)


def with_confidence(why: str, sure: Sequence[str]) -> str:
    """Return a reason with how sure it is, each answer once: none for what stays."""
    return f"{why} (confidence: {' or '.join(sure)})" if sure else why


_FEW = 4
"""Patterns that options on a command line have room for."""


def drop_options(question: PlanQuestion) -> str:
    """Return the options of `suggest` that drop what a question is about; "" where they are many."""
    patterns = question.drop_patterns
    return "" if len(patterns) > _FEW else " ".join(f"--drop {shlex.quote(one)}" for one in patterns)


def not_offered(plan: Plan, question: PlanQuestion) -> str:
    """Say which of a question's actions its drop rules leave out, and why, a clause; "" for none."""
    left = [
        action
        for action in question.actions
        if not any(arn.action_matches(pattern, action) for pattern in question.drop_patterns)
    ]
    droppable = plan.unverified.droppable
    used = {keep.action for keep in plan.keeps if keep.kind == "unknown" and not keep.blind_spot}
    seen = [one for one in left if droppable is not None and one not in droppable and one not in used]
    others = [action for action in left if action not in seen]
    parts = [
        f"{', '.join(seen)}: IAM saw an attempt that nothing else explains" if seen else "",
        f"{', '.join(others)}: used, or no rule drops it and spares what is needed" if others else "",
    ]
    return "; ".join(filter(None, parts))


def list_resources(patterns: Iterable[Sequence[str]]) -> str:
    """Name a few resources by their short names, and count many."""
    distinct = sorted({text for one in patterns for text in one})
    if "*" in distinct:
        return "*" if len(distinct) == 1 else f"* and {pluralize(len(distinct) - 1, 'resource')}"
    if len(distinct) <= 2:
        return " and ".join(short(text) for text in distinct)
    return pluralize(len(distinct), "resource")


def where(actions: Iterable[Sequence[str]]) -> str:
    """Name the resources of some actions; a NotResource stands for everything but what it leaves out."""
    named: set[str] = set()
    broad: set[tuple[str, ...]] = set()
    for patterns in set(map(tuple, actions)):  # thousands of actions have the same patterns
        left_out = tuple(text[1:] for text in patterns if text.startswith("!"))
        broad |= {left_out} if left_out else set()
        # A name is worth a word only where it grants some of what a NotResource leaves out.
        named |= {
            text
            for text in patterns
            if not text.startswith("!") and (not left_out or any(arn.overlaps(text, one) for one in left_out))
        }
    if not broad:
        return list_resources([sorted(named)])
    some = "some of " if len(broad) > 1 else ""
    lacking = {text for one in broad for text in one}
    words = f"everything but {some}{pluralize(len(lacking), 'resource') if some else list_resources(broad)}"
    parts = ["*"] * ("*" in named) + [words] + [list_resources([sorted(named - {"*"})])] * bool(named - {"*"})
    return ", and ".join(parts)


def short(pattern: str) -> str:
    """Return the resource part of an ARN pattern."""
    pieces = pattern.split(":", 5)
    return pieces[5] if len(pieces) == 6 else pattern


def places(patterns: Iterable[str], room: int, account: str = "") -> str:
    """Name as many resources as there is room for, and count the others: ``table customers, orders +1``.

    Args:
        patterns: ARN patterns; ``!`` before what a NotResource leaves out.
        room: columns.
        account: the role's account, which names need not repeat.
    """
    names = sorted({_place(one, account) for one in patterns})
    kind = _KIND.match(names[0]) if len(names) > 1 else None
    if kind and all(name.startswith(kind.group()) for name in names):
        names = [name[kind.end() :] for name in names]
        names[0] = f"{kind.group()[:-1]} {names[0]}"
    for shown in range(len(names), 1, -1):
        text = ", ".join(names[:shown]) + _others(len(names) - shown)
        if len(text) <= room:
            return text
    others = _others(len(names) - 1)
    return _ended(names[0], room - len(others)) + others if names else ""


def _ended(name: str, room: int) -> str:
    """Return a name, cut to so many columns: where it has parts, the last ones, which tell it from others."""
    if len(name) <= room:
        return name
    ends = (name[at.start() :] for at in re.finditer("/.", name))
    return next((f"…{end}" for end in ends if len(end) < room), fitted(name, room))


_KIND = re.compile(r"[a-zA-Z-]+[/:]")


def _place(pattern: str, account: str) -> str:
    name = short(pattern.removeprefix("!"))
    name = name.replace(account, "…") if account else name
    return f"all but {name}" if pattern.startswith("!") else name


def _others(number: int) -> str:
    return f" +{number}" if number else ""


def fitted(text: str, room: int) -> str:
    """Return a text, cut to so many columns."""
    return text if len(text) <= room else f"{text[: max(0, room - 1)]}…"


def percent(share: float) -> str:
    """Return a share of 1 with one decimal: ``14.8 %``; a small one is never nothing."""
    return "<0.1 %" if 0 < share < 0.001 else f"{100 * share:.1f} %"


def counted(services: Iterable[str]) -> str:
    """Count names, the most frequent first: ``sqs 4, xray 2``."""
    counts = Counter(services)
    return ", ".join(
        f"{name} {counts[name]:,}" for name in sorted(counts, key=lambda one: (-counts[one], one))
    )


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def day(time: str) -> str:
    """Return the day of an ISO time as ``Nov 24``; any other text, "" for none among them, as it is."""
    found = _DAY.match(time)
    return f"{_MONTHS[int(found[1]) - 1]} {int(found[2])}" if found else time


_DAY = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-([0-3][0-9])")


def denied_by(policy_type: str, *, explicit: bool) -> str:
    """Say which policy denied a call, as far as its error message tells."""
    if not policy_type:
        return "the message names no policy"
    if explicit:
        return f"explicit deny, {policy_type} policy"
    if policy_type == "identity-based":
        return "no identity-based policy allows it"
    return f"{policy_type}: an identity policy would not help"


def nearly_full(size: int, quota: int, remedy: str) -> str:
    """Return what to say of a policy with little room left, in words; "" where there is room.

    Args:
        size: characters that it has.
        quota: characters that it may have.
        remedy: what makes room.
    """
    if size * 10 < quota * 9:
        return ""
    return f"{size:,} of {quota:,} characters: the next caller may not fit; {remedy}"
