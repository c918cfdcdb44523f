"""What people's decisions did to a role's permissions: what they dropped, what they must not drop, what did nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date

import msgspec
from msgspec.structs import replace

from policygen.evidence.usage import Usage
from policygen.iam.document import Statement
from policygen.rightsize.decisions.apply import (
    Dropped,
    DroppedInUse,
    DroppedNeeds,
    Loss,
    RuledOut,
    Spared,
    unused_rules,
)
from policygen.rightsize.decisions.model import DecisionRule, Decisions, ReportedCalls
from policygen.rightsize.removal import Removal


class DecisionEffects(msgspec.Struct, frozen=True):
    """What people's decisions did to a role's permissions."""

    losses: tuple[Loss, ...] = ()
    """Needed permissions that a rule drops."""
    spared: tuple[Spared, ...] = ()
    """Needed permissions that a drop rule matches but must not drop."""
    expired: tuple[DecisionRule, ...] = ()
    """Rules about the role that no longer apply."""
    unused: tuple[DecisionRule | ReportedCalls, ...] = ()
    """Rules in force that match nothing of the role, and reports of no suspicious call: one for each table."""
    ruled_out: Mapping[str, RuledOut] = msgspec.field(default_factory=dict)
    """Unverified action -> the rule that drops it."""
    notes: tuple[str, ...] = ()
    """Where the decisions were read from, a sentence; () where no file was."""

    def count_dropped(self, chosen: Iterable[str]) -> dict[str, int]:
        """Count the unverified actions that are dropped, as `OpenIssues` names them: each is in one of the numbers.

        Args:
            chosen: those that went because all that is unverified goes.
        """
        doubted = sum(1 for one in self.ruled_out.values() if one.sign)
        decided = sum(one.settled for one in self.ruled_out.values())
        every = {*chosen, *self.ruled_out}
        return {"dropped": len(every) - doubted - decided, "doubted": doubted, "decided": decided}

    def reasons(self) -> dict[str, Removal]:
        """Return action -> why it goes although it is needed, so that the reason is not "0 calls"."""
        return {loss.action: _removal(loss) for loss in self.losses}


def _removal(loss: Loss) -> Removal:
    had = "used" if isinstance(loss, DroppedInUse) else "needed"
    return Removal(f"{had}, and dropped by {loss.rule.where}", "decision", loss.rule.where)


def decision_effects(
    decisions: Decisions,
    day: date,
    usage: Usage,
    now: Mapping[str, Sequence[Statement]] | None,
    dropped: Dropped,
    needs: DroppedNeeds,
    reported: Collection[ReportedCalls] = (),
) -> DecisionEffects:
    """Return what decisions did to one role.

    Args:
        decisions: all of them.
        day: the day that decides which rules have expired.
        usage: what the role did.
        now: action -> the current Allow statements that grant it; None where these are not known.
        dropped: what the drop rules did to observed requests.
        needs: what the drop rules did to needs of AWS's own services, and to what is unverified.
        reported: the reports that told of suspicious calls of the role.
    """
    losses: tuple[Loss, ...] = (*dropped.losses, *needs.losses)
    spared = (*dropped.spared, *needs.spared)
    acted = {*(one.rule for one in (*losses, *spared)), *(one.rule for one in needs.ruled_out.values())}
    rules = decisions.for_role(usage.role, day)
    idle = {rule for rule in unused_rules(rules, now, usage.requests) if rule not in acted}
    # A table about many actions and roles did something if one of its rules did.
    busy = {rule.table for rule in rules if rule not in idle}
    unused = {
        rule.table: replace(rule, where=rule.table) for rule in reversed(rules) if rule.table not in busy
    }
    return DecisionEffects(
        losses=losses,
        spared=tuple(dict.fromkeys(spared)),
        expired=decisions.expired(usage.role, day),
        unused=(
            *reversed(unused.values()),
            *(one for one in decisions.reported if one.is_about(usage.role) and one not in reported),
        ),
        ruled_out=dict(needs.ruled_out),
        notes=(decisions.note,) if decisions.note else (),
    )
