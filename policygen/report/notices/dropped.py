"""Tells what a person dropped of the unverified permissions: with a reason that stands in the file, and without."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from policygen.iam.arn import service_of
from policygen.plan.model import Plan
from policygen.report.figures import grouped
from policygen.report.notices.drop_rule import LINES, drop_rule, parted
from policygen.report.notices.notice import SHOWN, Detail, Notice, few, listed_notice
from policygen.report.wording import counted
from policygen.text import pluralize

SETTLE = "To settle it, put this into policygen.toml, with your reason for TICKET, and run again without the option:"
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
    if doubted:
        names = sorted(action for actions in doubted.values() for action in actions)
        keep = [f"--keep {shlex.quote(','.join(names))}"] if len(names) <= _FEW else []
        details.append(Detail("To settle that:", _DOUBT, keep))
    rule = settling_rule(plan).splitlines()
    if rule and len(rule) <= LINES:
        return Notice("!", "Dropped", _dropped(dropped, how), details, (SETTLE, *rule))
    if rule:
        details.append(Detail("To settle it:", _PASTE))
    return Notice("!", "Dropped", _dropped(dropped, how), details)


_DOUBT = "no reason does: read the logs of that time, or keep it"
_PASTE = "paste the [[drop]] of --details into policygen.toml, with your reason, and run this again without the option"


def decided_notice(plan: Plan) -> Notice | None:
    """Tell of the unverified permissions that a rule of the file drops with its reason; None where there are none."""
    settled = [one for one in plan.decisions.ruled_out if one.settled]
    rules = grouped(((one.rule.partition(".")[0], one.reason), one.action) for one in settled)
    what = f"{pluralize(len(settled), 'unverified permission')} dropped, with a reason"
    entries = [Detail(rule, f"{few(actions)}: {reason}") for (rule, reason), actions in rules.items()]
    return listed_notice("=", "Decided", what, entries)


def settling_rule(plan: Plan) -> str:
    """Write the table for policygen.toml that settles what was dropped and of which nothing says that it is used."""
    return drop_rule(plan, [action for action, sign in unsettled(plan).items() if not sign])


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
