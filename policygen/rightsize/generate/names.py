"""Which names a workload fixes, and which it makes up as it goes: decided by the days on which new names appeared.

Names are looked at by action, resource type and parent (bucket, cluster, account and region). They are *open* where new
ones went on appearing, *closed* where the same ones were used again and again, and otherwise a person is asked. How
often a name was used says nothing: one busy day repeats its names a thousand times. No rule sees a change that lies
ahead. What the thresholds mean, and how often they are wrong, is in docs/concepts/replay.md.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, NamedTuple

import msgspec

from policygen.catalog.parameters import normalise
from policygen.iam import reference
from policygen.iam.reference import ArnPattern
from policygen.iam.request import AccessRequest
from policygen.rightsize.generate.generalise import declared_rule, parse_name
from policygen.text import pluralize

Choice = Literal["open", "closed", "ask"]

LEAST_DAYS = 21
"""Days below which nothing is decided: of the names that 14 days show to be fixed, every second one is not."""
LATE_DAYS = 2
"""Days with a new name in the later half that open a type …"""
NEW_DAYS = 3
"""… or one of them, and so many in all."""
FIXED_DAYS = 4
"""Days with a call that are needed to close one."""
LISTED = 50
"""Names that are written one by one; more than these make a policy that nobody reads."""

_ENDING = re.compile(r"(?P<verb>terminate|delete)(?P<noun>.*)")
_MADE = re.compile(
    r"(?:[a-z]+-)*(?:[0-9a-f]{8}|[0-9a-f]{17}|[0-9a-f]{32}"
    r"|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})"
)
"""An id that AWS made: ``i-0a48a9b1b9a7f5b0a``, a UUID."""


class NameUse(msgspec.Struct, frozen=True):
    """How the names of one type below one parent were used by one action."""

    action: str
    resource_type: str
    parent: str
    """The ARN with ``*`` for the name."""
    seen: int
    """Different names; about, where some were counted together."""
    active_days: int
    """Days with a call."""
    new_days: int
    """Days with a name never seen before, the first active day left out."""
    late_days: int
    """Those of them in the later half of the days that were read."""
    choice: Choice
    asked: bool
    """Whether there were days enough to decide, and they do not."""
    declared: bool
    """Whether the service file declares that such names are made up, so that a pattern is written."""
    doubt: str = ""
    """Why there will be other names though no new one was seen, a clause: that of a dead id, or of a date in a name."""

    @property
    def type(self) -> str:
        """The resource type with its service, ``ec2:image``."""
        return f"{self.action.split(':', 1)[0].lower()}:{self.resource_type}"

    @property
    def listed(self) -> bool:
        """Whether the evidence says to write the names as seen, and they are few enough for it."""
        return self.choice == "closed" and self.seen <= LISTED

    @property
    def why(self) -> str:
        """What the choice rests on, a clause: ``the same 3 names on 30 days``."""
        if self.doubt and self.choice != "open":
            return self.doubt
        if self.choice == "closed":
            return f"the same {pluralize(self.seen, 'name')} on {pluralize(self.active_days, 'day')}"
        return f"{pluralize(self.seen, 'name')}, new on {self.new_days:,} of {pluralize(self.active_days, 'day')}"


class _Place(NamedTuple):
    """Where a name stands."""

    action: str
    resource_type: str
    parent: str
    declared: bool


def name_uses(
    requests: Mapping[AccessRequest, Collection[str]],
    dates: Sequence[str],
    together: Mapping[AccessRequest, int] = MappingProxyType({}),
) -> dict[AccessRequest, NameUse]:
    """Return for each request with a name how the names of its kind were used.

    Of names that were counted together, those tell that are known one by one: a sample that is fair to all days.

    Args:
        requests: the observed requests -> the dates on which each was seen.
        dates: the days that were read, in order; others do not count.
        together: requests for names that were counted together -> about how many.
    """
    numbers = {day: number for number, day in enumerate(dates)}
    groups: dict[_Place, _Names] = {}
    unlisted: Counter[_Place] = Counter()
    for request, number in together.items():
        unlisted[_place_of(request)[0]] += number
    for request, days in requests.items():
        if request.wild or request.resource == "*" or not request.resource_type:
            continue
        place, name = _place_of(request)
        group = groups.get(place)
        if group is None:
            group = groups[place] = _Names()
        seen = group.seen.setdefault(request.resource, set())
        seen.update([numbers[day] for day in days if day in numbers])
        group.requests.append(request)
        group.dead = group.dead or (bool(name) and _ends(request, name))
    uses: dict[AccessRequest, NameUse] = {}
    for place, group in groups.items():
        use = _use(place, group.seen, dates, group.dead, unlisted[place])
        uses |= dict.fromkeys(group.requests, use)
    return uses


class _Names(msgspec.Struct):
    """The names at one place."""

    seen: dict[str, set[int]] = msgspec.field(default_factory=dict)
    """Name -> the numbers of the days on which it was seen."""
    requests: list[AccessRequest] = msgspec.field(default_factory=list)
    dead: bool = False
    """Whether a request ended what it named."""


_DEAD = "what is deleted or terminated never has the same id again"


def _use(
    place: _Place, names: Mapping[str, Collection[int]], dates: Sequence[str], dead: bool, unlisted: int
) -> NameUse:
    firsts = {min(seen) for seen in names.values() if seen}
    active = {day for seen in names.values() for day in seen}
    new = firsts - {min(active, default=-1)}
    late = sum(1 for day in new if 2 * day >= len(dates))
    choice, doubt = _choice(active, len(new), late, len(dates)), _DEAD if dead else ""
    if choice == "closed":
        doubt = doubt or _dated(names, dates)
        choice = "ask" if doubt else choice
    return NameUse(
        place.action,
        place.resource_type,
        place.parent,
        seen=len(names) + unlisted,
        active_days=len(active),
        new_days=len(new),
        late_days=late,
        choice=choice,
        asked=choice == "ask" and len(dates) >= LEAST_DAYS,
        declared=place.declared,
        doubt=doubt,
    )


def _choice(active: Collection[int], new: int, late: int, days: int) -> Choice:
    if days < LEAST_DAYS:
        return "ask"
    if late >= LATE_DAYS or (late and new >= NEW_DAYS):
        return "open"
    fixed = len(active) >= FIXED_DAYS and not late and 2 * min(active) < days
    return "closed" if fixed else "ask"


def _dated(names: Iterable[str], dates: Sequence[str]) -> str:
    """Return the doubt about names that hold a month of the window: the next month has a name of its own."""
    months = {day[:7] for day in dates}
    written = {month.replace("-", mark) for month in months for mark in ("-", "", "/", "_", ".")}
    found = [name for name in names if any(month in name.split(":", 5)[-1] for month in written)]
    return f"{pluralize(len(found), 'name')} with a date, which the next days may not have" if found else ""


@lru_cache(maxsize=8192)
def _place_of(request: AccessRequest) -> tuple[_Place, str]:
    """Return where the name of a request stands, and the part of it that varies."""
    how = declared_rule(request)
    found = parse_name(request) if how and not how.ask else None
    if how and found:
        pattern, values = found
        varying = (how.learn,) if how.learn else how.open
        # A rule without either writes all of a parent, whose own name is then what varies.
        if varying:
            return _place(request, pattern, values, varying, declared=True)
    for pattern in _patterns(request):
        named = pattern.match(request.resource)
        if named is not None:
            return _place(request, pattern, named, pattern.name_placeholders, declared=False)
    return _Place(request.action, request.resource_type, "*", False), ""


def parent_of(request: AccessRequest) -> str:
    """Return the resource with ``*`` for the name that varies in it; ``*`` where no type is known."""
    return request.resource if request.wild else _place_of(request)[0].parent


def _place(
    request: AccessRequest,
    pattern: ArnPattern,
    values: Mapping[str, str],
    varying: Sequence[str],
    *,
    declared: bool,
) -> tuple[_Place, str]:
    parent = pattern.fill({name: value for name, value in values.items() if name not in varying})
    last = values[varying[-1]] if varying and varying[-1].endswith(("Id", "UUID")) else ""
    return _Place(request.action, request.resource_type, parent, declared), last


def _patterns(request: AccessRequest) -> tuple[ArnPattern, ...]:
    service = reference.service(request.action.split(":", 1)[0].lower())
    kind = service.types.get(request.resource_type) if service else None
    return kind.patterns if kind else ()


def _ends(request: AccessRequest, name: str) -> bool:
    """Return whether a request ends the thing that it names, by an id that AWS made and will not make again."""
    found = _ENDING.fullmatch(normalise(request.action.partition(":")[2]))
    if not found or not _MADE.fullmatch(name):
        return False
    return found["verb"] == "terminate" or found["noun"].removesuffix("s") == normalise(request.resource_type)


def names_as_seen(
    uses: Mapping[AccessRequest, NameUse], exact: Collection[str] = (), *, decide: bool = True
) -> dict[AccessRequest, str]:
    """Return the requests whose names are written as seen although a pattern is declared -> why.

    Args:
        uses: how the names were used.
        exact: resource types (``s3:object``) that a person wants as seen.
        decide: whether the evidence closes other types too.
    """
    return {
        request: "as seen, as asked" if use.type in exact else use.why
        for request, use in uses.items()
        if use.declared and (use.type in exact or (decide and use.listed))
    }


def growing_types(
    uses: Mapping[AccessRequest, NameUse], decided: Collection[str] = ()
) -> dict[str, tuple[int, str]]:
    """Return named types of which new names are to be expected, which a policy would deny -> (names seen, why).

    A named type is never opened without being asked for.

    Args:
        uses: how the names were used.
        decided: resource types about which a person decided.
    """
    found: dict[str, tuple[int, str]] = {}
    for use in _distinct(uses):
        if not use.declared and use.type not in decided and (use.choice == "open" or use.doubt):
            found[use.type] = max(found.get(use.type, (0, "")), (use.seen, use.why))
    return dict(sorted(found.items()))


def all_uses(uses: Mapping[AccessRequest, NameUse]) -> list[NameUse]:
    """Return each use once, in a stable order."""
    return sorted(_distinct(uses), key=lambda use: (use.action.lower(), use.resource_type, use.parent))


def _distinct(uses: Mapping[AccessRequest, NameUse]) -> Iterator[NameUse]:
    return iter({id(use): use for use in uses.values()}.values())
