"""Tells of what is unverified: why the logs can't tell, and what dropping it would do, or did."""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Iterable

from policygen.plan.model import Plan, PlanKeep
from policygen.report.figures import grouped
from policygen.report.notices.notice import Detail, Notice
from policygen.report.wording import day
from policygen.rightsize.keep.model import ONLY_CODE
from policygen.text import pluralize


def unverified_notice(plan: Plan) -> Notice | None:
    """Tell of the unverified actions that are kept; None where there are none."""
    number = plan.tightness.unverified
    if not number:
        return None
    first = {keep.action: keep for keep in reversed(plan.keeps) if _is_unverified(plan, keep)}
    causes = grouped((CAUSES.get(keep.blind_spot or "", "logs missing"), keep) for keep in first.values())
    most = sorted(causes.items(), key=lambda one: (-len(one[1]), one[0]))
    details = [Detail(f"{len(keeps):>2} {cause}", _services(keeps)) for cause, keeps in most]
    sentence = f"{pluralize(number, 'action')} kept as today: the logs can't tell if they are used"
    asked = _asked(first.values())
    lead = "If it does not:" if asked and len(_for_code(first.values())) == number else "If dropped"
    return Notice("?", "Unverified", sentence, [*details, *asked, *_how_to_drop(plan, lead)])


def _for_code(keeps: Iterable[PlanKeep]) -> list[PlanKeep]:
    return [keep for keep in keeps if keep.note.startswith(ONLY_CODE)]


def _asked(keeps: Collection[PlanKeep]) -> list[Detail]:
    """Ask whether the code uses what nothing else could, where that answers most; `--details` always asks."""
    theirs = _for_code(keeps)
    if 2 * len(theirs) <= len(keeps):
        return []
    told = "; ".join(dict.fromkeys(keep.note.removeprefix(f"{ONLY_CODE}: ") for keep in theirs))
    some = "them" if len(theirs) == len(keeps) else _services(theirs)
    return [Detail("Only your code", f"could use {some}: {told}. Does it?")]


_FEW = 2
"""Actions that are named, not counted."""


def _is_unverified(plan: Plan, keep: PlanKeep) -> bool:
    return keep.kind == "unknown" and plan.support.get(keep.action.lower()) == "unverified"


def _services(keeps: Iterable[PlanKeep]) -> str:
    """Count actions by service, and say when IAM last saw these or the service: ``sqs 4 (Aug 2), xray 2``.

    A few are named.
    """
    keeps = list(keeps)
    if len(keeps) <= _FEW:
        return ", ".join(f"{keep.action}{_last_seen([keep])}" for keep in keeps)
    groups = grouped((keep.service, keep) for keep in keeps)
    most = sorted(groups.items(), key=lambda one: (-len(one[1]), one[0]))
    return ", ".join(f"{service} {len(some):,}{_last_seen(some)}" for service, some in most)


def _last_seen(keeps: Iterable[PlanKeep]) -> str:
    days = [found[1] for keep in keeps if (found := _SEEN.match(keep.why))]
    return f" ({day(max(days))})" if days else ""


_SEEN = re.compile(r"IAM saw an attempt at \S+ (?:last )?on (\d{4}-\d\d-\d\d)")


def _how_to_drop(plan: Plan, lead: str) -> list[Detail]:
    """Say what ``--unverified drop`` would do, and of how much of it IAM saw attempts, before it is offered."""
    unverified, number = plan.unverified, plan.tightness.unverified
    if unverified.mode != "keep" or unverified.droppable == ():
        return []
    if unverified.droppable is None:  # an older plan
        return [Detail(lead, "", ["--unverified drop"])]
    gone, narrowed = parted(unverified.droppable, plan.broader)
    tried = len({*unverified.droppable} & {*unverified.tried})
    some = f"{len(gone):,} go" + (f", {len(narrowed):,} needed ones narrow" if narrowed else "")
    perhaps = f" ({tried:,} maybe used)" if tried else ""
    stay = f"; {number - len(gone):,} stay" if number > len(gone) else ""
    return [Detail(lead, f"{some}{perhaps}{stay}", ["--unverified drop"])]


def parted(actions: Iterable[str], needed: Container[str]) -> tuple[set[str], set[str]]:
    """Part unverified actions into those that go when they are dropped, and those that are needed, on less."""
    narrowed = {action for action in actions if action.lower() in needed}
    return {*actions} - narrowed, narrowed


CAUSES = {
    "data-events-off": "not logged",
    "data-events-partly": "not logged",
    "used-unseen": "seen by IAM",
    "used-outside-window": "seen by IAM",
    "never-logged": "never logged",
    "agent-unseen": "never logged",
    "no-event": "no API call",
    "no-event-known": "maybe logged",
    "tags-on-create": "side effect",
    "role-passed-by-name": "side effect",
    "comes-along": "side effect",
    "key-unknown": "side effect",
    "unmapped-call": "calls unknown",
    "does-not-fit": "no room",
    "traced": "names unclear",
    "": "names unclear",
}
"""Blind spot -> why the logs can't tell, in 13 columns: docs/concepts/questions.md explains them. All others are about
logs that were not written or not read."""
