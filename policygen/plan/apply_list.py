"""What applying a plan changes at a role: each policy before and after, in an order in which the role keeps working."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from policygen.rightsize.generate.pack import INLINE_LIMIT, MANAGED_COUNT

if TYPE_CHECKING:
    from policygen.plan.model import Plan


class PolicyChange(NamedTuple):
    """One policy of a role that is added, replaced or taken away."""

    name: str
    arn: str
    """Of a managed policy; "" for an inline one."""
    size: int
    """Characters of its document that count against IAM's quotas: of the new one, if there is one."""
    before: Mapping[str, Any] | None
    """The document of today; None where the role does not have the policy."""
    after: Mapping[str, Any] | None
    """The proposed document; None where the policy is taken away."""
    proposed: bool = False
    """Whether the policy is one of the proposal: a managed one is then created, and deleted by the undo."""

    def undone(self) -> PolicyChange:
        """Return the change that takes this one back."""
        return self._replace(before=self.after, after=self.before)


class TrustStep(NamedTuple):
    """What makes the trust policy the smallest. It says nothing of what the role may do."""

    before: Mapping[str, Any]
    """The trust policy of today."""
    after: Mapping[str, Any] | None
    """The new one; None where today's stays."""
    session_before: int
    """Seconds that a session may last; 0 where that stays."""
    session_after: int


class ApplyList(NamedTuple):
    """The changes that replace a role's policies of today by the proposed ones."""

    first_off: tuple[PolicyChange, ...] = ()
    """What has to be taken away first, because IAM's quotas have no room for the new policies beside it."""
    on: tuple[PolicyChange, ...] = ()
    """The new policies, and those that replace one of the same name."""
    in_place: tuple[PolicyChange, ...] = ()
    """Proposed policies that the role has already, as they are proposed."""
    off: tuple[PolicyChange, ...] = ()
    """What is taken away when the new policies are in place."""
    unread: tuple[str, ...] = ()
    """Policies of the role whose documents were not read: they stay."""
    unplaced: tuple[str, ...] = ()
    """Names of policies of which an older plan does not say whether they are inline or managed."""
    today_known: bool = True
    """Whether today's policies are known."""
    trust: TrustStep | None = None
    """What changes who may assume the role: a step of its own, which is no part of `changes`."""

    @property
    def changes(self) -> tuple[PolicyChange, ...]:
        """All changes, in order: the new comes before the old goes, as far as there is room."""
        return (*self.first_off, *self.on, *self.off)

    @property
    def undo(self) -> tuple[PolicyChange, ...]:
        """The changes that give the role back what it had, in order: all of them backwards."""
        return tuple(change.undone() for change in reversed(self.changes))


def apply_list_of(plan: Plan) -> ApplyList:
    """Return what applying a plan changes; no change where today's policies are what the evidence asks for."""
    return _permissions(plan)._replace(trust=_trust_step(plan))


def _trust_step(plan: Plan) -> TrustStep | None:
    proposal = plan.trust.proposal if plan.trust else None
    if plan.trust is None or proposal is None or proposal.answer != "narrower":
        return None
    shorter = proposal.shorter_session
    now = proposal.session_now if shorter else None
    return TrustStep(plan.trust.document, proposal.document, now or 0, shorter or 0)


def _permissions(plan: Plan) -> ApplyList:
    if plan.today is None:
        return ApplyList(on=tuple(_proposed(plan)), today_known=False)
    if not plan.unverified.policies and all(one.now == one.proposed for one in plan.changes):
        return ApplyList(unread=plan.today_unread)
    today = {
        (one.name, one.arn): PolicyChange(one.name, one.arn, one.size, one.document, None)
        for one in plan.today
        if one.kind
    }
    new = [one._replace(before=_before(today, one)) for one in _proposed(plan)]
    on = [one for one in new if one.before != one.after]
    stays = {(one.name, one.arn) for one in new}
    off = [one for key, one in today.items() if key not in stays]
    off.sort(key=lambda one: not one.arn)  # managed ones first, as the steps name them
    attached = len(plan.today_unread) + sum(1 for one in today.values() if one.arn)
    first = _without_room(on, off, attached)
    return ApplyList(
        first_off=tuple(first),
        on=tuple(on),
        in_place=tuple(one for one in new if one.before == one.after),
        off=tuple(one for one in off if one not in first),
        unread=plan.today_unread,
        unplaced=tuple(one.name for one in plan.today if not one.kind),
    )


def _before(today: Mapping[tuple[str, str], PolicyChange], new: PolicyChange) -> Mapping[str, Any] | None:
    same = today.get((new.name, new.arn))
    return same.before if same else None


def _proposed(plan: Plan) -> Iterator[PolicyChange]:
    """Yield the proposed policies as if the role had none of them: a single one is inline, several are managed."""
    partition = plan.role.arn.split(":")[1] if plan.role.arn.startswith("arn:") else "aws"
    account = f"arn:{partition}:iam::{plan.role.account}:policy/"
    for policy in plan.policies:
        arn = "" if len(plan.policies) == 1 else f"{account}{policy.name}"
        yield PolicyChange(policy.name, arn, policy.size, None, policy.document, proposed=True)


def _without_room(
    on: Sequence[PolicyChange], off: Sequence[PolicyChange], attached: int
) -> list[PolicyChange]:
    """Return the policies that have to go before the new ones come: as few as make room for them (4.2)."""
    inline = sorted((one for one in off if not one.arn), key=lambda one: -one.size)
    over = sum(one.size for one in (*on, *inline) if not one.arn) - INLINE_LIMIT
    first = []
    for one in inline:
        if over > 0:
            first.append(one)
            over -= one.size
    more = attached + sum(1 for one in on if one.arn and one.before is None) - MANAGED_COUNT
    return [*first, *[one for one in off if one.arn][: max(0, more)]]
