"""How often the choice between names and patterns is wrong, on made-up roles whose later calls are known.

    python bench/name_processes.py [STREAMS] [SEED]

Each stream is one action of one role on one type of resources. Eleven kinds of workloads choose the names; the numbers
of each are drawn at random. The choice is made on the first days, as `suggest` makes it, and judged by the 30 days that
follow:

- *broken*: chosen closed, and a new name comes: a call of the role would fail;
- *needless*: chosen open, and no new name comes: the pattern was not needed.

The mixture is ours, and what lies ahead of every rule is not in it: a deployment or a migration in the days that
follow, a name that comes once in months. A stream without a call in the first days is left out, as `suggest` never sees
it; one without a call in the days that follow breaks nothing, and needs no pattern.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from random import Random
from typing import NamedTuple

from policygen.iam.request import AccessRequest
from policygen.rightsize.generate.names import name_uses

LATER = 30
"""Days that follow, by which a choice is judged."""
LEARNT = (14, 30, 45)
STREAMS = 11_000

_FIRST = date(2026, 10, 26)

Calls = Iterable[tuple[int, str]]
"""(day, name), in any order."""


def _day(number: int) -> date:
    return _FIRST + timedelta(days=number)


def fixed(random: Random, days: int) -> Calls:
    """A service and its tables: a few names, each on most days."""
    names = [f"n{i}" for i in range(random.randint(1, 8))]
    share = random.uniform(0.4, 1)
    return [(day, name) for day in range(days) for name in names if random.random() < share]


def seldom(random: Random, days: int) -> Calls:
    """An operator's tool: a few names, each on a day in five to a day in thirty."""
    names = [f"n{i}" for i in range(random.randint(1, 5))]
    share = random.uniform(0.03, 0.2)
    return [(day, name) for day in range(days) for name in names if random.random() < share]


def growth(random: Random, days: int) -> Calls:
    """A platform that gets a customer now and then: all names are used, and new ones come."""
    every, known = random.uniform(1.5, 9), random.randint(1, 6)
    calls = []
    for day in range(days):
        known += random.random() < 1 / every
        calls += [(day, f"n{i}") for i in range(known) if random.random() < 0.7]
    return calls


def made_anew(random: Random, days: int) -> Calls:
    """Tasks and log streams: new names on each working day."""
    number, weekends = random.randint(1, 12), random.random() < 0.5
    return [
        (day, f"n{day}-{i}")
        for day in range(days)
        if weekends or day % 7 < 5
        for i in range(random.randint(1, number))
    ]


def weekly_same(random: Random, days: int) -> Calls:
    """A weekly job about the same things."""
    first, number = random.randrange(7), random.randint(1, 4)
    return [(day, f"n{i}") for day in range(first, days, 7) for i in range(number)]


def weekly_new(random: Random, days: int) -> Calls:
    """A weekly job that names its own output."""
    first, number = random.randrange(7), random.randint(1, 4)
    return [(day, f"n{day}-{i}") for day in range(first, days, 7) for i in range(number)]


def burst(random: Random, days: int) -> Calls:
    """A migration on one day of the first half, beside a few names that stay."""
    at, number, kept = random.randrange(days // 2), random.randint(10, 60), random.randint(1, 3)
    calls = [(at, f"n{i}") for i in range(number)]
    calls += [(day, f"n{i}") for day in range(days) for i in range(kept) if random.random() < 0.8]
    return calls


def one_off(random: Random, days: int) -> Calls:
    """A person who looks at something, on a few days in the two months."""
    return [(random.randrange(days), f"n{random.randrange(1_000)}") for _ in range(random.randint(1, 4))]


def rotation(random: Random, days: int) -> Calls:
    """Blue and green: one name after the other, each for some days, never again."""
    length, start = random.randint(4, 21), random.randrange(21)
    return [(day, f"n{(day + start) // length}") for day in range(days) if random.random() < 0.9]


def monthly(random: Random, days: int) -> Calls:
    """A table for each month, beside a constant one."""
    calls = [(day, f"n-{_day(day):%Y-%m}") for day in range(days) if random.random() < 0.9]
    return calls + [(day, "constant") for day in range(days)]


def pool(random: Random, days: int) -> Calls:
    """Requests of users for a large number of things, some of which are wanted more often."""
    size, number = random.randint(100, 2_000), random.randint(1, 12)
    return [
        (day, f"n{int(size * random.random() ** 3)}")
        for day in range(days)
        for _ in range(random.randint(0, number))
    ]


KINDS: Mapping[str, Callable[[Random, int], Calls]] = {
    one.__name__: one
    for one in (
        fixed,
        seldom,
        growth,
        made_anew,
        weekly_same,
        weekly_new,
        burst,
        one_off,
        rotation,
        monthly,
        pool,
    )
}


class Judged(NamedTuple):
    """What became of one stream."""

    kind: str
    choice: str
    new_later: bool


def judged(streams: int, learnt: int, seed: int) -> list[Judged]:
    """Return the choice about each stream, and whether a new name came in the days that follow.

    Args:
        streams: how many; as many of each kind.
        learnt: the days on which the choice rests.
        seed: of the random numbers.
    """
    dates = [_day(number).isoformat() for number in range(learnt)]
    found = []
    for number in range(streams):
        kind = list(KINDS)[number % len(KINDS)]
        calls = list(KINDS[kind](Random(f"{seed} {number}"), learnt + LATER))
        days: dict[str, set[int]] = {}
        for day, name in calls:
            days.setdefault(name, set()).add(day)
        requests = {
            _request(name): {dates[day] for day in seen if day < learnt}
            for name, seen in days.items()
            if min(seen) < learnt
        }
        if requests:
            choice = next(iter(name_uses(requests, dates).values())).choice
            found.append(Judged(kind, choice, any(min(seen) >= learnt for seen in days.values())))
    return found


def _request(name: str) -> AccessRequest:
    arn = f"arn:aws:dynamodb:eu-west-1:123456789012:table/{name}"
    return AccessRequest("dynamodb:GetItem", arn, "table")


def wrong(found: Iterable[Judged]) -> tuple[float, float]:
    """Return the share of the closed streams that break, and of the open ones that are needless."""
    number = Counter((one.choice, one.new_later) for one in found)

    def share(choice: str, *, new: bool) -> float:
        whole = number[choice, True] + number[choice, False]
        return number[choice, new] / whole if whole else 0.0

    return share("closed", new=True), share("open", new=False)


def main() -> int:
    """Print a table for each number of days."""
    streams = int(sys.argv[1]) if len(sys.argv) > 1 else STREAMS
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    for learnt in LEARNT:
        found = judged(streams, learnt, seed)
        broken, needless = wrong(found)
        choices = Counter(one.choice for one in found)
        print(f"{learnt} days, {len(found):,} streams; judged by the {LATER} days that follow")
        print(f"  {'kind':<14}{'open':>7}{'closed':>8}{'ask':>6}{'broken':>8}{'needless':>10}")
        for kind in KINDS:
            some = [one for one in found if one.kind == kind]
            by = Counter(one.choice for one in some)
            bad = sum(one.choice == "closed" and one.new_later for one in some)
            idle = sum(one.choice == "open" and not one.new_later for one in some)
            print(f"  {kind:<14}{by['open']:>7}{by['closed']:>8}{by['ask']:>6}{bad:>8}{idle:>10}")
        print(
            f"  ask {100 * choices['ask'] / len(found):.1f} %; broken {100 * broken:.1f} % of {choices['closed']:,} "
            f"closed; needless {100 * needless:.1f} % of {choices['open']:,} open"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
