"""Unverified permissions that the policies take away: the logs cannot show whether the role uses them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policygen.gate.findings import RULES, Finding, found_at
from policygen.gate.judge.denied import PolicyReplay
from policygen.gate.judge.nearest import nearest
from policygen.gate.judge.unused import some
from policygen.gate.scope import scopes
from policygen.gate.sources import PolicySource
from policygen.iam.request import AccessRequest
from policygen.rightsize.basis import CheckBasis
from policygen.rightsize.keep.model import Keep
from policygen.text import pluralize

_FIXES = {
    "PG204": "leave it, or ask the role's owner what uses it; if nothing does, accept it in a baseline",
    "PG304": "no action needed if you know that nothing uses it",
}


def removed_unverified(sources: Sequence[PolicySource], basis: CheckBasis) -> Iterator[Finding]:
    """Find them: a warning for each attempt that IAM saw, and one note for the rest."""
    replay = PolicyReplay(sources, basis)
    groups: dict[str, list[Keep]] = {}
    for keep in basis.keeps:
        action = keep.grant.action
        if keep.kind == "unknown" and replay.denies(AccessRequest(action, keep.grant.resource, wild=True)):
            groups.setdefault(basis.attempts.get(action, ""), []).append(keep)
    for seen, keeps in groups.items():
        rule = "PG204" if seen else "PG304"
        actions = list(dict.fromkeys(keep.grant.action for keep in keeps))
        whys = {keep.why for keep in keeps}
        why = seen or (whys.pop() if len(whys) == 1 else "no event could have shown their use")
        spot = nearest(sources, actions)._replace(within="")  # that it stands in none is what is wrong
        message = f"{why}{some(actions)}"
        about = tuple((keep.grant.action, where) for keep in keeps for where in _places(keep))
        yield found_at(spot, RULES[rule], _subject(actions), message, _FIXES[rule], about=about)


def _subject(actions: Sequence[str]) -> str:
    if len(actions) == 1:
        return actions[0]
    services = {action.partition(":")[0] for action in actions}
    of = services.pop() if len(services) == 1 else pluralize(len(services), "service")
    return f"{len(actions):,} actions of {of}"


def _places(keep: Keep) -> list[str]:
    grant = keep.grant
    return scopes(grant.excluded or [grant.resource], grant.excluded, grant.conditions)
