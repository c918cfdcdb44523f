"""Observed requests beyond the current policies that a person asks to grant: no wider than what was seen."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from policygen.account.current import CurrentAccess
from policygen.iam.document import Policy
from policygen.iam.request import AccessRequest
from policygen.rightsize.current_access import NotCurrentlyAllowed
from policygen.rightsize.generate.generalise import generalise
from policygen.rightsize.generate.pack import statements_of
from policygen.rightsize.observed_grants import candidate_grants, seen_beyond
from policygen.rightsize.suggestion import SuggestOptions


def split_addable(
    missing: Sequence[NotCurrentlyAllowed], current: CurrentAccess
) -> tuple[list[NotCurrentlyAllowed], list[NotCurrentlyAllowed]]:
    """Split missing requests: those that an identity policy could allow, those that a Deny or a bound forbids."""
    everything = policy_beyond([one.request for one in missing], SuggestOptions())
    evaluator = current.evaluator((*current.policies, everything))
    addable = [one for one in missing if evaluator.refusal(one.request) is None]
    return addable, [one for one in missing if one not in addable]


def policy_beyond(requests: Collection[AccessRequest], options: SuggestOptions) -> Policy:
    """Write requests as a policy, so that what is added stays inside what was observed."""
    written = generalise(requests, options.resources, options.opened, seen_beyond(requests, options))
    candidates = candidate_grants(list(requests), written)
    return Policy(tuple(statements_of(sorted(candidates))), name="observed")
