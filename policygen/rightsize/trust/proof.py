"""The promises on a finished trust policy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from policygen.iam.resource_policy import ResourcePolicy
from policygen.rightsize.principals.letting_in import Entry, LetIn, SpareParts, lost
from policygen.rightsize.principals.owner import Owner
from policygen.rightsize.principals.promise import SHOWN, Promise, never_wider
from policygen.rightsize.trust.assumptions import AssumptionUse, Observed
from policygen.rightsize.trust.generate import WrittenPrincipal
from policygen.text import pluralize


def prove_trust(
    finished: ResourcePolicy,
    today: ResourcePolicy,
    found: LetIn[AssumptionUse],
    written: Sequence[WrittenPrincipal],
    owner: Owner,
) -> list[Promise]:
    """Check the promises on a document as it was read back.

    Args:
        finished: the new policy.
        today: the policy as it is.
        found: the assumptions that today's policy lets in.
        written: what each principal of the new policy rests on.
        owner: the role's account.
    """
    uses = sorted(
        {use for several in found.uses.values() for use in several}, key=lambda use: (use.action, _name(use))
    )
    return [
        _sufficient(finished, today, uses, owner),
        _minimal(finished, today, uses, written, found, owner),
        _accounted(finished, uses, written),
        never_wider(finished, today),
    ]


def _sufficient(
    finished: ResourcePolicy, today: ResourcePolicy, uses: Sequence[AssumptionUse], owner: Owner
) -> Promise:
    denied = [_name(use) for use in lost(finished, today, uses, owner)]
    seen = pluralize(sum(use.observed.evidence.count for use in uses), "observed request")
    finding = f"all {seen} are allowed" if not denied else f"{len(denied)} observed requests are denied"
    return Promise("sufficient", not denied, finding, tuple(denied[:SHOWN]))


def _minimal(
    finished: ResourcePolicy,
    today: ResourcePolicy,
    uses: Sequence[AssumptionUse],
    written: Sequence[WrittenPrincipal],
    found: LetIn[AssumptionUse],
    owner: Owner,
) -> Promise:
    unsure = {use.observed for use in found.unsure}
    kept = {one.entry for one in written if one.kept or not unsure.isdisjoint(one.seen)}
    through: dict[Entry, set[Observed]] = {}
    for one in written:
        through.setdefault(one.entry, set()).update(one.seen)
    parts = SpareParts(today, found.unsure, owner)
    spare = []
    for number, entry in _principals(finished):
        mine = [use for use in uses if use.observed in through.get(entry, ())]
        less = _without(finished, number, entry)
        if entry not in kept and parts.is_spare(less, mine):
            spare.append(entry[1])
    finding = "without any one principal an assumption is denied" if not spare else "a principal is spare"
    return Promise("nothing spare", not spare, finding, tuple(spare[:SHOWN]))


def _principals(policy: ResourcePolicy) -> Iterator[tuple[int, Entry]]:
    for number, one in enumerate(policy.statements):
        if one.statement.effect == "Allow" and not one.principals.negated:
            yield from ((number, entry) for entry in one.principals.entries)


def _without(policy: ResourcePolicy, number: int, entry: Entry) -> ResourcePolicy:
    statement = policy.statements[number]
    left = [one for one in statement.principals.entries if one != entry]
    between = [statement.with_principals(left)] if left else []
    statements = (*policy.statements[:number], *between, *policy.statements[number + 1 :])
    return replace(policy, statements=statements)


def _accounted(
    finished: ResourcePolicy, uses: Sequence[AssumptionUse], written: Sequence[WrittenPrincipal]
) -> Promise:
    seen = {(one.entry, action) for one in written if not one.kept for action in one.actions}
    kept = {one.entry for one in written if one.kept}
    strange = [
        f"{action} by {entry[1]}"
        for statement in finished.allows
        if not statement.principals.negated
        for entry in statement.principals.entries
        for action in statement.statement.actions
        if entry not in kept and (entry, action) not in seen
    ]
    used = {use.action for use in uses}
    strange += [f"{action}: no use" for _, action in sorted(seen) if action not in used]
    finding = f"{len({one for one, _ in seen})} seen + {len(kept)} kept with a reason"
    return Promise("accounted for", not strange, finding, tuple(strange[:SHOWN]))


def _name(use: AssumptionUse) -> str:
    return f"{use.action} by {use.observed.party.name} {use.observed.said.subject}".strip()
