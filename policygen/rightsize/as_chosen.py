"""Write the documents as a person chose for what is unverified: with the rest, not at all, or apart."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from policygen.iam.grants import Grant
from policygen.rightsize.assess.proof import Apart
from policygen.rightsize.decisions.model import Unverified
from policygen.rightsize.keep.model import Keep, KeepResult
from policygen.rightsize.keep.unverified import UnverifiedChoice, actions_of, drop_unverified, part_unverified
from policygen.rightsize.propose import Demanded, Naming, Proposal, Today, propose, propose_in_parts


class AsChosen(msgspec.Struct, frozen=True):
    """The documents, and what they hold."""

    proposal: Proposal
    """All of them."""
    kept: KeepResult
    """All that they hold without evidence."""
    choice: UnverifiedChoice
    sufficient: Proposal
    """Those that must suffice for what is needed: all, but for those apart."""
    keeps: Sequence[Grant]
    """What these hold without evidence."""
    apart: Apart | None
    """The documents of the unverified part; None where there are none."""


def write_as_chosen(
    demanded: Demanded, kept: KeepResult, today: Today, naming: Naming, mode: Unverified
) -> AsChosen:
    """Write the documents.

    Args:
        demanded: what was observed.
        kept: what is kept without evidence.
        today: what the current policies grant.
        naming: what the documents are called.
        mode: what becomes of what is unverified.

    Raises:
        GateError: PG-E402, they do not fit into IAM's quotas.
    """
    parted = part_unverified(kept)
    droppable = frozenset(keep.grant.action for keep in parted.unverified)
    choice = UnverifiedChoice(mode, tried=kept.tried, droppable=droppable)
    if mode == "drop":
        kept, choice = drop_unverified(kept)
        parted = part_unverified(kept)
    if mode != "split" or not parted.unverified:
        proposal, kept = propose(demanded, kept, today, naming)
        return AsChosen(proposal, kept, choice, proposal, _grants(kept.keeps), None)
    parts = propose_in_parts(demanded, parted, today, naming)
    needed, beside = parts.needed, parts.unverified
    everything = Proposal(
        (*needed.policies, *beside.policies),
        {**beside.grants, **needed.grants},
        (*needed.narrowed, *beside.narrowed),
    )
    named = tuple(policy.name for policy in beside.policies)
    choice = replace(choice, policies=named, permissions=actions_of(parts.unverified_keeps))
    apart = Apart(beside.policies, _grants(parts.unverified_keeps)) if beside.policies else None
    return AsChosen(everything, parts.kept, choice, needed, _grants(parts.needed_keeps.keeps), apart)


def _grants(keeps: Sequence[Keep]) -> list[Grant]:
    return [keep.grant for keep in keeps]
