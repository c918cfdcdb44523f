"""Managed policies that the role has today and that nothing under check names: they may stay attached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath

from policygen.gate.judge.denied import required_and_denied
from policygen.gate.sources import PolicySource, policy_key
from policygen.iam.document import Policy, Statement
from policygen.iam.request import AccessRequest
from policygen.rightsize.basis import CheckBasis


def unnamed_attachments(
    sources: Sequence[PolicySource], basis: CheckBasis, detached: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """Return the ARNs of today's managed policies that nothing under check names.

    A template that has the role says what is attached. Elsewhere a managed policy of the account may be what a file
    under check holds: one that has the name of the file, or half of whose statements are under check, is taken for it.

    Args:
        sources: the policies under check.
        basis: what is known of the role.
        detached: ARNs that somebody named before and does not name any more: nothing else is taken for these.
    """
    told = {name for source in sources for name, _ in source.unread}
    has_role = any(source.rest and source.rest.definitions for source in sources)
    return tuple(
        arn
        for arn in (*basis.attached, *basis.attached_unread)
        if arn not in told
        and not _is_under_check(basis.attached.get(arn), sources)
        and (arn in detached or not (has_role or _seems_held(arn, basis.attached.get(arn), sources)))
    )


def denied_without(
    arns: Sequence[str], sources: Sequence[PolicySource], basis: CheckBasis
) -> tuple[AccessRequest, ...]:
    """Return what the role needs, the policies under check deny, and some of today's managed policies allow."""
    known = [basis.attached[arn] for arn in arns if arn in basis.attached]
    if not known:
        return ()
    with_them = basis.evaluator([*(source.policy for source in sources), *known])
    needed = required_and_denied(sources, basis)
    return tuple(one for one in needed if with_them.evaluate(one).outcome == "ALLOWED")


_TELLING = len("policy")
"""Letters of a file's name that say nothing of which policy it holds, if there are no more."""


def _is_under_check(policy: Policy | None, sources: Sequence[PolicySource]) -> bool:
    return policy is not None and set(policy.statements) <= _statements(sources)


def _seems_held(arn: str, policy: Policy | None, sources: Sequence[PolicySource]) -> bool:
    if policy is None:
        return False
    if any(source.rest and policy_key(arn) in source.rest.managed for source in sources):
        return True
    is_aws_s = arn.split(":", 5)[4:5] == ["aws"]
    shared = _statements(sources).intersection(policy.statements)
    return not is_aws_s and (
        2 * len(shared) >= len(policy.statements) or any(_have_one_name(arn, one) for one in _stems(sources))
    )


def _statements(sources: Sequence[PolicySource]) -> set[Statement]:
    return {statement for source in sources for statement in source.policy.statements}


def _stems(sources: Sequence[PolicySource]) -> Iterator[str]:
    yield from (PurePath(source.name).stem.casefold() for source in sources if not source.part)


def _have_one_name(arn: str, stem: str) -> bool:
    name = arn.rpartition("/")[2].casefold()
    return name in stem or (len(stem) > _TELLING and stem in name)
