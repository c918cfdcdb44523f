"""Compares the current policies with the new ones, in permissions and not in text: one change for each action."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from typing import TypeAlias, TypeVar

from policygen.iam import arn
from policygen.iam.actions import by_service
from policygen.iam.arn import service_of
from policygen.iam.document import Statement
from policygen.iam.grants import Grant
from policygen.rightsize.assess.change_groups import RoleChanges, ServiceChanges
from policygen.rightsize.assess.changes import Change, Kind
from policygen.rightsize.removal import Removal, unseen

Value = TypeVar("Value")


def compare(
    today: Mapping[str, Sequence[Statement]],
    grants: Iterable[Grant],
    kept: Mapping[Grant, tuple[Kind, str]],
    missing: Collection[str] = (),
    removed: Mapping[str, Removal] | None = None,
) -> RoleChanges:
    """Return the change of every action that the current or the new policies allow, sorted by action.

    Args:
        today: action -> the current Allow statements that grant it; sorted, whatever the case.
        grants: the grants of the new policies.
        kept: grants without evidence -> why they stay; grants beyond the current policies -> why they were added.
        missing: actions that were seen in use, but not as the current policies allow them.
        removed: action -> what decides that it goes, where there is another reason than no calls.
    """
    proposed: dict[str, list[_Proposed]] = {}
    for grant in grants:
        proposed.setdefault(service_of(grant.action), []).append((grant, kept.get(grant)))
    # Thousands of actions stand in the same few statements.
    statements = list(map(id, today.values()))
    places = {
        identity: _together([(s.resources, s.not_resources) for s in some])
        for identity, some in dict(zip(statements, today.values(), strict=True)).items()
    }
    now, reasons = list(map(places.__getitem__, statements)), list(map((removed or {}).get, today))
    missing_of = by_service(missing)
    services, start = dict[str, ServiceChanges](), 0
    for service, some in groupby(today, service_of):
        actions = tuple(some)
        part = slice(start, start := start + len(actions))
        services[service] = _compare_service(
            actions,
            _alike(now[part]),
            _alike(reasons[part]),
            tuple(proposed.pop(service, ())),
            frozenset(missing_of.get(service, ())),
        )
    for service, rest in proposed.items():
        services[service] = _compare_service((), (), (), tuple(rest), frozenset())
    if proposed:
        services = dict(sorted(services.items(), key=lambda one: f"{one[0]}:"))  # as their actions are sorted
    return RoleChanges.of(services.values())


_Proposed: TypeAlias = tuple[Grant, tuple[Kind, str] | None]
"""A grant of the new policies, and why it stays or was added, where there is another reason than its use."""


def _alike(values: list[Value]) -> tuple[Value, ...]:
    """Return one value where all are the same, as of most services, else all."""
    return tuple(values if len({*map(id, values)}) > 1 else values[:1])


# An administrator has some 400 services, and most are alike in all administrators: those of the roles between two of
# them must not push these out. More room than this gives nothing but memory.
@lru_cache(maxsize=768)
def _compare_service(
    actions: tuple[str, ...],
    now: tuple[tuple[str, ...], ...],
    removed: tuple[Removal | None, ...],
    proposed: tuple[_Proposed, ...],
    missing: frozenset[str],
) -> ServiceChanges:
    """Return the changes of the actions of one service.

    Args:
        actions: those that the current policies allow, sorted.
        now: the current resource patterns of each, or of all of them.
        removed: as `compare` has it, of each or of all of them.
        proposed: the grants of the new policies.
        missing: as `compare` has it.
    """
    today = dict(zip(actions, now * len(actions) if len(now) == 1 else now, strict=True))
    gone = dict(zip(actions, removed * len(actions) if len(removed) == 1 else removed, strict=True))
    members: dict[str, list[_Proposed]] = {}
    for one in proposed:
        members.setdefault(one[0].action.lower(), []).append(one)
    changes: dict[str, Change] = {}
    for action, places in today.items():
        folded = action.lower()
        if folded in members:
            changes[folded] = _stays(members[folded], today)
        elif action in missing:
            changes[folded] = Change(action, "missing", places, (), _MISSING)
        else:
            removal = gone[action] or unseen(action)
            changes[folded] = Change(action, "removed", places, (), removal.why, removal.by)
    beyond = {folded: _stays(some, today) for folded, some in members.items() if folded not in changes}
    if beyond:
        changes = dict(sorted((changes | beyond).items()))
    return ServiceChanges(tuple(changes.values()))


def _stays(members: Sequence[_Proposed], today: Mapping[str, tuple[str, ...]]) -> Change:
    one = members[-1][0]
    now = today.get(one.action, ())
    if len(members) == 1 and not one.excluded:  # as nearly all
        new: tuple[str, ...] = (one.resource,)
    else:
        new = _together([(g.excluded or (g.resource,), bool(g.excluded)) for g, _ in members])
    kind, why = _kind(now, new, [reason for _, reason in members])
    return Change(one.action, kind, now, new, why)


_MISSING = "seen on resources that today's policies do not allow"


_MOST_PAIRS = (
    1_000  # of exceptions that are compared; beyond it, the exceptions of the first statement are shown
)


def _kind(
    now: tuple[str, ...],
    new: tuple[str, ...],
    kept: Sequence[tuple[Kind, str] | None],
) -> tuple[Kind, str]:
    reasons = [reason for reason in kept if reason]
    if len(kept) == len(reasons) == 1:
        return reasons[0]
    if added := next((reason for reason in reasons if reason[0] == "added"), None):
        return added
    unknown = next((reason for reason in reasons if reason[0] == "unknown"), None)
    if unknown:
        return unknown
    if reasons and len(reasons) == len(kept):
        return reasons[0]
    return ("unchanged" if set(new) == set(now) else "narrowed"), "observed"


def _together(places: Sequence[tuple[tuple[str, ...], bool]]) -> tuple[str, ...]:
    """Return what several statements cover together, each given by (its patterns, whether they are its exceptions)."""
    named: set[str] = set()
    left_out: set[str] | None = None
    for patterns, negated in places:
        if not negated:
            named |= set(patterns)
        elif left_out is None:
            left_out = set(patterns)
        elif len(left_out) * len(patterns) <= _MOST_PAIRS:
            # Everything but A, and everything but B: it lacks only what both leave out.
            left_out = {text for a in left_out for b in patterns for text in arn.intersect(a, b) or ()}
    if left_out is None or "*" in named:
        return tuple(sorted(named))
    return tuple(sorted(named | {f"!{text}" for text in left_out})) if left_out else ("*",)
