"""Tells of what is unverified: why the logs can't tell, and what dropping it would do, or did."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from policygen.plan.model import Plan, PlanKeep
from policygen.report.figures import grouped
from policygen.report.notices.drop_rule import LINES, drop_rule, parted
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
    drop = _how_to_drop(plan, answerable=bool(asked) and len(_for_code(first.values())) == number)
    return Notice("?", "Unverified", sentence, [*details, *asked, *drop.details], drop.paste)


def _for_code(keeps: Iterable[PlanKeep]) -> list[PlanKeep]:
    return [keep for keep in keeps if keep.note.startswith(ONLY_CODE)]


def _asked(keeps: Collection[PlanKeep]) -> list[Detail]:
    """Ask whether the code uses what nothing else could, where that answers most; `--details` always asks."""
    theirs = _for_code(keeps)
    if 2 * len(theirs) <= len(keeps):
        return []
    told = "; ".join(dict.fromkeys(keep.note.removeprefix(f"{ONLY_CODE}: ") for keep in theirs))
    everything = "them" if len(keeps) > 1 else "it"
    some = everything if len(theirs) == len(keeps) else _services(theirs)
    return [Detail("Only your code", f"could use {some}: {told}. Does it?")]


_FEW = 2
"""Actions that are named, not counted."""


def _is_unverified(plan: Plan, keep: PlanKeep) -> bool:
    return keep.kind == "unknown" and plan.support.get(keep.action.lower()) == "unverified"


def _services(keeps: Iterable[PlanKeep]) -> str:
    """Count actions by service, and say when IAM last saw these or the service: ``sqs 4 (last Aug 2), xray 2``.

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
    return f" (last {day(max(days))})" if days else ""


_SEEN = re.compile(r"IAM saw an attempt at \S+ (?:last )?on (\d{4}-\d\d-\d\d)")


class _Drop(NamedTuple):
    """What dropping would do, and how it is done for good."""

    details: Sequence[Detail] = ()
    paste: Sequence[str] = ()


def _how_to_drop(plan: Plan, *, answerable: bool) -> _Drop:
    """Say what dropping would do, of how much of it IAM saw attempts, and what settles it at once.

    Args:
        plan: the plan.
        answerable: whether one answer of a person decides about all of it.
    """
    unverified, number = plan.unverified, plan.tightness.unverified
    if unverified.mode != "keep" or unverified.droppable == ():
        return _Drop()
    if unverified.droppable is None:  # an older plan
        return _Drop([Detail("If dropped", "", ["--unverified drop"])])
    gone, narrowed = parted(unverified.droppable, plan.broader)
    tried = {*unverified.droppable} & {*unverified.tried}
    some = "1 goes" if len(gone) == 1 else f"{len(gone):,} go"
    if narrowed:
        some += ", 1 needed one narrows" if len(narrowed) == 1 else f", {len(narrowed):,} needed ones narrow"
    perhaps = f" ({len(tried):,} maybe used)" if tried else ""
    stay = f"; {number - len(gone):,} stay" if number > len(gone) else ""
    effect = f"{some}{perhaps}{stay}"
    rule = drop_rule(plan, {*unverified.droppable} - tried).splitlines()
    if answerable and not tried and 0 < len(rule) <= LINES:
        return _Drop(
            (), (f"If it does not, {effect} by this in policygen.toml, with a reason for TICKET:", *rule)
        )
    settle = [Detail("To settle it:", "paste the [[drop]]s of --details into policygen.toml")] if rule else []
    return _Drop([Detail("If it does not:" if answerable else "If dropped", effect), *settle])


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
    "not-in-record": "side effect",
    "key-unknown": "side effect",
    "configuration-unknown": "by Lambda",
    "unmapped-call": "calls unknown",
    "does-not-fit": "no room",
    "traced": "names unclear",
    "": "names unclear",
}
"""Blind spot -> why the logs can't tell, in 13 columns: docs/concepts/questions.md explains them. All others are about
logs that were not written or not read."""
