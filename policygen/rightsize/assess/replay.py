"""Replay in time: a policy learnt on the first days of the window, asked about the calls of the other days.

The proof says that the proposal allows what was seen. Replay says what a policy that was made the same way, but
earlier, would have done to the calls that came after it. Only the evidence counts, and what a person decided to keep:
neither today's policies and their conditions nor what is kept unverified. Suspicious calls and calls that AWS denied
are in neither part, nor are calls that need no permission, or none that the proposal is meant to grant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from policygen.evidence.usage import Usage
from policygen.iam.conditions import Truth
from policygen.iam.grants import Grant, GrantIndex
from policygen.iam.request import AccessRequest
from policygen.logs.calls.call import CallSignature
from policygen.text import pluralize

SHORTEST = 9
"""Days of the shortest window that is split: a third of less is no test."""

Learner = Callable[[Mapping[AccessRequest, Collection[str]], Sequence[str]], Collection[Grant]]
"""Observed requests, each with the dates on which it was seen, and the days that were read -> the grants for them."""


def split_of(days: int) -> int:
    """Return how many days of a window are learnt from: two thirds; 0 where it is too short to be split."""
    return 2 * days // 3 if days >= SHORTEST else 0


class TimedCall(NamedTuple):
    """Calls that are the same for IAM: what they need, and how many there were on each date."""

    needs: tuple[AccessRequest, ...]
    days: Mapping[str, int]


class DeniedUse(msgspec.Struct, frozen=True):
    """A permission that was missing in the replay, on one type of resources."""

    action: str
    resource_type: str
    seen: tuple[tuple[str, str, int], ...]
    """Date, what the calls named, and how many: by date and name. A call that names several counts for each of them."""
    calls: int
    """Calls that it denied. One that lacks several permissions counts for each of them."""
    new_action: bool
    """Whether the action was not learnt on any resource: other names would not have helped."""

    @property
    def resources(self) -> tuple[str, ...]:
        """What the calls named, sorted."""
        return tuple(sorted({name for _, name, _ in self.seen}))

    @property
    def days(self) -> tuple[str, ...]:
        """The dates of the calls, in order."""
        return tuple(sorted({day for day, _, _ in self.seen}))

    @property
    def why(self) -> str:
        """What was new, a phrase."""
        return (
            "new action" if self.new_action else f"{pluralize(len(self.resources), 'name')} not seen before"
        )


class Replay(msgspec.Struct, frozen=True):
    """What a policy that was learnt on the first days would have denied on the others."""

    days: int
    """Days of the window."""
    learnt: int
    """Days of it that the policy was learnt on; 0 where the window is too short to be split."""
    learnt_calls: int = 0
    calls: int = 0
    """Calls that were replayed."""
    denied: int = 0
    """Those of which at least one permission was missing."""
    days_broken: tuple[str, ...] = ()
    """Dates with a denied call."""
    uses: tuple[DeniedUse, ...] = ()
    """The missing permissions, the most calls first."""

    def __repr__(self) -> str:
        """Return its sentence; the uses may be many."""
        return f"<Replay: {self.sentence}>"

    @property
    def made(self) -> bool:
        """Whether something was learnt and something replayed. Otherwise there is no claim, not even "0 denied"."""
        return bool(self.learnt and self.learnt_calls and self.calls)

    @property
    def share(self) -> float:
        """The share of the replayed calls that were denied; 0 where none was replayed."""
        return self.denied / self.calls if self.calls else 0.0

    @property
    def sentence(self) -> str:
        """What was found: ``learnt on days 1-20: 0 of 636 calls of days 21-30 denied``; or why nothing was."""
        if self.made:
            on = f", on {pluralize(len(self.days_broken), 'day')}" if self.denied else ""
            later = (
                f"{self.denied:,} of {pluralize(self.calls, 'call')} of {_days(self.learnt + 1, self.days)}"
            )
            return f"learnt on {_days(1, self.learnt)}: {later} denied{on}"
        if not self.learnt:
            return f"none: {pluralize(self.days, 'day')} are too few to learn on some and replay the rest"
        if not self.learnt_calls:
            return f"none: no call on {_days(1, self.learnt)}, so nothing was learnt"
        return f"none: no call after day {self.learnt}, so nothing to replay"


def _days(first: int, last: int) -> str:
    return f"day {first}" if first == last else f"days {first}-{last}"


def timed_calls(usage: Usage, meant: Callable[[AccessRequest], bool]) -> list[TimedCall]:
    """Return the authorised calls that need a permission which the policy is meant to grant.

    Args:
        usage: the usage of a role.
        meant: whether the policy is meant to grant a request.
    """
    days: dict[CallSignature, dict[str, int]] = {}
    for bucket, seen in usage.daily.items():
        if bucket.call in usage.needs:
            on = days.setdefault(bucket.call, {})
            on[bucket.day] = on.get(bucket.day, 0) + seen.count
    needs = {call: tuple([one for one in usage.needs[call] if meant(one)]) for call in days}
    return [TimedCall(needs[call], on) for call, on in days.items() if needs[call]]


class WindowParts(msgspec.Struct, frozen=True):
    """The two parts of a window."""

    dates: Sequence[str]
    """The days of the window, in order."""
    learnt: int
    """How many of them are learnt from."""
    known: Mapping[AccessRequest, Collection[str]]
    """What was asked for on these days -> the dates."""
    learnt_calls: int
    later: Sequence[TimedCall]
    """The calls of the other days."""

    def new(self) -> set[AccessRequest]:
        """Return what was asked for on the other days alone."""
        return {need for call in self.later for need in call.needs if need not in self.known}


def parts_of(calls: Iterable[TimedCall], dates: Sequence[str], learnt: int) -> WindowParts:
    """Split the calls of a window by day.

    Args:
        calls: the calls of the role.
        dates: the days of the window, in order.
        learnt: how many of them are learnt from; 0 where the window is not split, so that no part has a call.
    """
    known: dict[AccessRequest, set[str]] = {}
    later: list[TimedCall] = []
    learnt_calls = 0
    if not 0 < learnt < len(dates):
        return WindowParts(dates, learnt, known, learnt_calls, later)
    cut = dates[learnt]
    for call in calls:
        before = [day for day in call.days if day < cut]
        if not before:
            later.append(call)
            continue
        learnt_calls += sum([call.days[day] for day in before])
        for need in call.needs:
            known.setdefault(need, set()).update(before)
        if len(before) < len(call.days):
            later.append(TimedCall(call.needs, {day: n for day, n in call.days.items() if day >= cut}))
    return WindowParts(dates, learnt, known, learnt_calls, later)


def replay(parts: WindowParts, learn: Learner) -> Replay:
    """Learn on the first days of a window, and replay the calls of the others.

    Args:
        parts: the calls.
        learn: writes the grants for what was learnt; not asked where the other days have nothing new.
    """
    new = parts.new()
    lacking = _not_allowed(new, learn(parts.known, parts.dates[: parts.learnt])) if new else set()
    broken = [call for call in parts.later if not lacking.isdisjoint(call.needs)]
    return Replay(
        len(parts.dates),
        parts.learnt,
        parts.learnt_calls,
        _count(parts.later),
        _count(broken),
        tuple(sorted({day for call in broken for day in call.days})),
        _denied_uses(broken, lacking, {need.action for need in parts.known}),
    )


def _count(calls: Iterable[TimedCall]) -> int:
    return sum([n for call in calls for n in call.days.values()])


def unused_grants(parts: WindowParts, grants: Collection[Grant]) -> int:
    """Count the grants that no call of the other days used."""
    index = GrantIndex(grants)
    used = {
        grant
        for need in {one for call in parts.later for one in call.needs}
        for grant in index.covering(need)
    }
    return len(set(grants) - used)


def _not_allowed(requests: Iterable[AccessRequest], grants: Collection[Grant]) -> set[AccessRequest]:
    index = GrantIndex(grants)
    return {one for one in requests if Truth.TRUE not in index.covering(one).values()}


def _denied_uses(
    broken: Iterable[TimedCall], lacking: Collection[AccessRequest], known: Collection[str]
) -> tuple[DeniedUse, ...]:
    groups: defaultdict[tuple[str, str], _Denied] = defaultdict(_Denied)
    for call in broken:
        kinds = set()
        for action, name, kind in {need[:3] for need in call.needs if need in lacking}:
            kinds.add((action, kind))
            by_day = groups[action, kind].by_day_and_name
            for day, n in call.days.items():
                by_day[day, name] = by_day.get((day, name), 0) + n
        for one in kinds:
            groups[one].calls += sum(call.days.values())
    found = [
        DeniedUse(
            action,
            kind,
            tuple([(day, name, n) for (day, name), n in sorted(denied.by_day_and_name.items())]),
            denied.calls,
            action not in known,
        )
        for (action, kind), denied in groups.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.calls, one.action, one.resource_type)))


class _Denied(msgspec.Struct):
    """Calls that lack permissions of one kind."""

    by_day_and_name: dict[tuple[str, str], int] = msgspec.field(default_factory=dict)
    calls: int = 0


NOT_REPLAYED = Replay(0, 0)
"""Of a suggestion that is still being made."""
