"""The assumptions that count as evidence: each once, whichever accounts recorded it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from policygen.account.model import Role
from policygen.iam.conditions import ContextFacts
from policygen.iam.party import Party
from policygen.iam.request import AccessRequest
from policygen.iam.resource_policy import ResourcePolicy, ResourcePolicyEvaluator
from policygen.logs.calls.evidence import Evidence, sum_evidence
from policygen.logs.events.assumption import Assumption, Sighting, Sightings
from policygen.rightsize.trust.callers import Directory, assumption_facts, party_of

_COPY = "AWSAccount"
_PASSED = {
    "pods.eks.amazonaws.com": ("sts:TagSession",),
    "rolesanywhere.amazonaws.com": ("sts:SetSourceIdentity", "sts:TagSession"),
}
"""Service -> what it does with sessions. Sources: EKS User Guide, pod-id-role; Roles Anywhere, trust-model."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Assumptions that differ in time only."""

    said: Assumption
    party: Party
    facts: ContextFacts = field(compare=False)
    evidence: Evidence = field(compare=False)

    @property
    def actions(self) -> tuple[str, ...]:
        """What the trust policy had to allow, the assumption itself first."""
        said = self.said
        used = (
            (said.tags or said.transitive or said.inherited_tags, "sts:TagSession"),
            (said.source_identity or said.inherited_identity, "sts:SetSourceIdentity"),
            (said.contexts, "sts:SetContext"),
        )
        return (f"sts:{said.event}", *(action for passed, action in used if passed))

    @property
    def unseen_actions(self) -> tuple[str, ...]:
        """What a service does with each session, whether or not the record shows it."""
        if self.party.kind != "Service":
            return ()
        return tuple(one for one in _PASSED.get(self.party.name, ()) if one not in self.actions)


class AssumptionUse(NamedTuple):
    """An action of some assumptions."""

    observed: Observed
    action: str

    @property
    def request(self) -> AccessRequest:
        """What IAM was asked; a trust policy is about its own role."""
        return AccessRequest(self.action, "*")

    @property
    def party(self) -> Party:
        """Who made them."""
        return self.observed.party

    @property
    def facts(self) -> ContextFacts:
        """The condition keys that are known."""
        return self.observed.facts


def uses_of_assumptions(observed: Iterable[Observed], today: ResourcePolicy) -> list[AssumptionUse]:
    """Return what assumptions asked for, and what services do unseen as far as today's policy may allow it."""
    listed, evaluator = list(observed), ResourcePolicyEvaluator(today)
    unseen = [AssumptionUse(one, action) for one in listed for action in one.unseen_actions]
    return [
        *(AssumptionUse(one, action) for one in listed for action in one.actions),
        *(use for use in unseen if evaluator.decide(use.request, use.party, use.facts).best == "ALLOWED"),
    ]


@dataclass(frozen=True, slots=True)
class Assumptions:
    """Everything that was read of a role's assumptions."""

    observed: tuple[Observed, ...]
    denied: int = 0
    """Those that AWS refused, or did not count as allowed by the trust policy."""
    of_namesakes: int = 0
    """Those of a deleted role of the same name."""
    untold: int = 0
    """Those whose caller the records do not tell."""

    @property
    def count(self) -> int:
        """How many assumptions are evidence."""
        return sum(one.evidence.count for one in self.observed)

    @property
    def total(self) -> Evidence | None:
        """The evidence of all of them; None without any."""
        return sum_evidence([one.evidence for one in self.observed])


def assumptions_of(
    sightings: Sightings, role: Role, directory: Directory, asked: Iterable[str]
) -> Assumptions:
    """Return the assumptions of a role that count, and how many do not.

    Args:
        sightings: the records, of any role of that name.
        role: as it is today.
        directory: what is known of callers.
        asked: condition keys in lower case that today's trust policy asks for.
    """
    counted: dict[Assumption, list[tuple[Sighting, str]]] = defaultdict(list)
    denied = of_namesakes = untold = 0
    for copies in _calls(sightings).values():
        said, seen = _fullest(copies)
        if any(one.error or not one.trust_granted for one, _ in copies):
            denied += 1
        elif not _is_of(role, [one for one, _ in copies], seen.time):
            of_namesakes += 1
        elif party_of(said, directory) is None:
            untold += 1
        else:
            counted[said].append((seen, said.address))
    keys = sorted(set(asked))
    observed = []
    for said, found in counted.items():
        party = party_of(said, directory)
        if party is not None:
            evidence = _evidence(found, said)
            observed.append(Observed(said, party, assumption_facts(said, party, directory, keys), evidence))
    return Assumptions(tuple(sorted(observed, key=_order)), denied, of_namesakes, untold)


def _calls(sightings: Sightings) -> Mapping[str, list[tuple[Assumption, Sighting]]]:
    """Return the copies of each call, by what they share."""
    calls: dict[str, list[tuple[Assumption, Sighting]]] = defaultdict(list)
    for said, found in sightings.items():
        for key, seen in found.items():
            calls[seen.shared_id or key].append((said, seen))
    return calls


def _fullest(copies: list[tuple[Assumption, Sighting]]) -> tuple[Assumption, Sighting]:
    """Return the caller's own record of a call, else the other account's."""
    return min(copies, key=lambda one: (one[0].kind == _COPY, _text(one[0]), one[1].time, one[1].id))


def _is_of(role: Role, copies: list[Assumption], time: str) -> bool:
    """Return whether the role of today was assumed, and not a deleted one of its name (1.3.6)."""
    ids = {one.role_id for one in copies} - {""}
    if ids and role.key.role_id:
        return ids == {role.key.role_id}
    return not role.create_date or time[:10] >= role.create_date[:10]


def _evidence(found: list[tuple[Sighting, str]], said: Assumption) -> Evidence:
    times = sorted((seen.time, seen.id) for seen, _ in found)
    return Evidence(
        count=len(found),
        first=times[0][0],
        last=times[-1][0],
        days=frozenset(time[:10] for time, _ in times),
        samples=tuple(times[:5]),
        sessions=frozenset({said.session} - {""}),
        addresses=frozenset({said.address} - {""}),
    )


def _order(one: Observed) -> tuple[str, ...]:
    return (one.party.kind, one.party.name, one.party.session, _text(one.said))


def _text(said: Assumption) -> str:
    return repr(said)
