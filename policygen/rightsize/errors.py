"""The errors for which there is no suggestion, each with its cause and the next step."""

from __future__ import annotations

from collections.abc import Sequence

from policygen.errors import GateError, NothingFoundError
from policygen.evidence.usage import Usage
from policygen.iam.request import RoleKey
from policygen.rightsize.assess.proof import Proof
from policygen.rightsize.current_access import NotCurrentlyAllowed
from policygen.rightsize.decisions.apply import Loss
from policygen.text import pluralize


def nothing_to_grant(usage: Usage) -> NothingFoundError:
    """Return the error for a role without an authorised call that needs a permission."""
    denied = sum(e.count for e in usage.denied.values())
    hints = []
    if denied:
        names = sorted({w.action or f"{w.source} {w.event}" for w in usage.denied})
        hints.append(
            f"denied: {pluralize(denied, 'call')}, {', '.join(names[:6])}; a denied call is no evidence of need"
        )
    if usage.no_permission:
        free = sum(e.count for e in usage.no_permission.values())
        hints.append(f"no permission needed: {pluralize(free, 'call')}")
    if usage.unmapped:
        names = sorted({f"{u.source} {u.event}" for u in usage.unmapped})
        hints.append(f"not mapped to IAM actions: {', '.join(names[:6])}")
    hints.append("no policy was written: an empty one would be a guess, not a finding")
    what = (
        "only denied calls"
        if denied and not usage.no_permission and not usage.unmapped
        else "no authorised call"
    )
    return NothingFoundError(
        f"nothing to grant: {what} by {usage.role.name} in {usage.window.days} days", *hints, code="PG-E303"
    )


def all_unverified(usage: Usage, number: int) -> NothingFoundError:
    """Return the error for a role of which a person chose to drop all that could be granted."""
    return NothingFoundError(
        f"nothing to grant: the logs cannot show any of the {pluralize(number, 'permission')} that may stay of "
        f"{usage.role.name}, and what is unverified is dropped",
        "--unverified keep grants them, --unverified split writes them as a policy of its own",
        code="PG-E303",
    )


def all_missing(usage: Usage, missing: Sequence[NotCurrentlyAllowed]) -> NothingFoundError:
    """Return the error for a role whose current policies allow none of its observed calls."""
    first = missing[0] if missing else None
    return NothingFoundError(
        f"nothing to grant: no observed call by {usage.role.name} is allowed today",
        *([f"{first.request.action} on {first.request.resource}: {first.cause}"] if first else []),
        "is the snapshot of the right account and time? --add-observed grants what no Deny or bound forbids",
        code="PG-E304",
    )


def all_dropped(usage: Usage, losses: Sequence[Loss]) -> NothingFoundError:
    """Return the error for a role of which decisions drop everything that it was seen to use."""
    rules = sorted({loss.rule.where for loss in losses})
    return NothingFoundError(
        f"nothing to grant: {', '.join(rules[:3])} drop all that {usage.role.name} was seen to use",
        losses[0].sentence,
        "leave one of them out; a role that is to do nothing needs no policy",
        code="PG-E304",
    )


def proof_failed(role: RoleKey, proof: Proof) -> GateError:
    """Return the error for a suggestion that does not keep its promises."""
    failed = [check for check in proof.checks if not check.held]
    return GateError(
        f"the policy for {role.name} breaks the promise {failed[0].promise!r}: {failed[0].finding}",
        *(example for check in failed for example in check.counter_examples),
        "no policy was written; this is a fault of policygen, please report it with these lines",
        code="PG-E401",
    )
