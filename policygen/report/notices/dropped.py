"""Tells what a person dropped of the unverified permissions: with a reason that stands in the file, and without."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from policygen.iam.arn import service_of
from policygen.plan.model import Plan
from policygen.report.figures import grouped
from policygen.report.notices.notice import SHOWN, Detail, Notice, few, listed_notice
from policygen.report.notices.unverified import parted
from policygen.report.wording import counted
from policygen.rightsize.question_rules import exact_drops, rule_text
from policygen.text import pluralize

SETTLE = "To settle it, write why in policygen.toml:"
_LINES = 4
"""Lines of a table for policygen.toml that the short screen has room for; the details have any."""
_TRIED = "IAM saw the role try it, or its service, and no log shows which"


def dropped_notice(plan: Plan) -> Notice | None:
    """Tell of the unverified permissions that were dropped and are not settled; None where there are none."""
    if not (dropped := unsettled(plan)):
        return None
    gone, narrowed = parted(dropped, {one.action.lower() for one in plan.grants})
    how = f"{len(gone):,} go" + (f", {len(narrowed):,} narrow" if narrowed else "")
    doubted = grouped((sign, action) for action, sign in dropped.items() if sign)
    plain = [action for action, sign in dropped.items() if not sign]
    details = [Detail("maybe used", f"{_named(actions)}: {sign}") for sign, actions in doubted.items()]
    if len(details) > SHOWN:
        details = [*details[:SHOWN], Detail("", f"and {len(details) - SHOWN:,} more reasons (--details)")]
    if plain:
        details.append(Detail("no reason", _named(plain)))
    rule = settling_rule(plan).splitlines()
    if rule and len(rule) <= _LINES:
        return Notice("!", "Dropped", _dropped(dropped, how), details, (SETTLE, *rule))
    if rule:
        details.append(
            Detail("To settle it:", "paste the [[drop]] of --details into policygen.toml, with your reason")
        )
    return Notice("!", "Dropped", _dropped(dropped, how), details)


def decided_notice(plan: Plan) -> Notice | None:
    """Tell of the unverified permissions that a rule of the file drops with its reason; None where there are none."""
    settled = [one for one in plan.decisions.ruled_out if one.settled]
    rules = grouped(((one.rule.partition(".")[0], one.reason), one.action) for one in settled)
    what = f"{pluralize(len(settled), 'unverified permission')} dropped, with a reason"
    entries = [Detail(rule, f"{few(actions)}: {reason}") for (rule, reason), actions in rules.items()]
    return listed_notice("=", "Decided", what, entries)


def settling_rule(plan: Plan) -> str:
    """Write the table for policygen.toml that settles what was dropped and of which nothing says that it is used."""
    names = [action for action, sign in unsettled(plan).items() if not sign]
    spared = {action for action, why in plan.support.items() if why != "unverified"}
    patterns = exact_drops(names, spared)
    return rule_text("drop", [plan.role.name], patterns, "why nothing needs them") if patterns else ""


def unsettled(plan: Plan) -> dict[str, str]:
    """Return the dropped actions that nobody decided about for good, each with what says that it is used, or ""."""
    tried = {*plan.unverified.tried}
    ruled = {
        one.action: one.sign or (_TRIED if one.tried else "")
        for one in plan.decisions.ruled_out
        if not one.settled
    }
    chosen = {one.action: _TRIED if one.action in tried else "" for one in plan.unverified.dropped}
    return dict(sorted({**chosen, **ruled}.items()))


def _dropped(actions: Sequence[str] | dict[str, str], how: str) -> str:
    return f"{pluralize(len(actions), 'unverified permission')} dropped: {how}"


_FEW = 2
"""Actions that are named, not counted."""


def _named(actions: Iterable[str]) -> str:
    names = list(actions)
    return ", ".join(names) if len(names) <= _FEW else counted(map(service_of, names))
