"""`check`: a policy that somebody wrote, against what the role did and what the logs could have shown.

Findings have stable rule ids. An observed call that the policy denies is an error. A permission beyond what was seen is
a warning where the logs would have shown its use, and a note where they could not. A path to more rights that the role
does not need is an error, even if the current policies have it too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from policygen.gate.accepted import Accepted
from policygen.gate.findings import LEVELS, Finding
from policygen.gate.judge.denied import denied, dependent_actions, platform, set_apart, wider
from policygen.gate.judge.own_role import own_role_findings, with_boundary_to_come
from policygen.gate.judge.risks import opened_risks
from policygen.gate.judge.unknown_policies import unknown_policies
from policygen.gate.judge.unused import unused_permissions
from policygen.gate.judge.unverified import removed_unverified
from policygen.gate.sources import PolicySource
from policygen.rightsize.basis import CheckBasis


def check(sources: Sequence[PolicySource], basis: CheckBasis) -> tuple[Finding, ...]:
    """Return all findings: errors first, then by file, line and rule.

    The suggestion for the role is checked too: what is found of it as well, such as suspicious calls that both deny,
    is shown and does not speak against a policy.
    """
    found = list(_findings(sources, with_boundary_to_come(sources, basis)))
    if not _is_suggested(sources, basis):  # the suggestion was proved to be no wider when it was made
        found += wider(sources, basis)
    own = [PolicySource(policy.name, "", policy) for policy in basis.suggested]
    suggested = list(_findings(own, basis)) if own and found else []
    if own and any(finding.rule.id == "PG105" for finding in found):
        suggested += wider(own, basis)
    shared = Accepted(point for finding in suggested for point in finding.points)
    found = [
        replace(one, against=False) if all(map(shared.__contains__, one.points)) else one for one in found
    ]
    found += own_role_findings(sources, basis)
    order = {level: -i for i, level in enumerate(LEVELS)}
    found.sort(key=lambda f: (order[f.level], f.file, f.place, f.rule.id, f.subject, f.resource))
    return tuple(found)


def _is_suggested(sources: Sequence[PolicySource], basis: CheckBasis) -> bool:
    """Return whether the policies say what the suggestion for the role says, in whatever files and order."""
    written = {statement for source in sources for statement in source.policy.statements}
    return bool(basis.suggested) and written == {s for policy in basis.suggested for s in policy.statements}


def _findings(sources: Sequence[PolicySource], basis: CheckBasis) -> Iterator[Finding]:
    """Find everything but what is wider than today's policies, which takes the longest."""
    yield from unknown_policies(sources, dependent_actions(sources, basis))
    yield from denied(sources, basis)
    yield from platform(sources, basis)
    yield from set_apart(sources, basis)
    yield from removed_unverified(sources, basis)
    yield from opened_risks(sources, basis)
    yield from unused_permissions(sources, basis)
