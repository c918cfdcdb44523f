"""The roles: a few busy ones and many quiet ones, each with its kind, home region and typical calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import accumulate
from random import Random
from typing import NamedTuple

from .calls import DATA, MANAGEMENT, Maker, from_model
from .operations import GLOBAL, Operation, operations

ORGANISATION = "o-b3nchm4rk5"
ACCOUNTS = ("111122223333", "222233334444", "333344445555", "444455556666", "555566667777")
REGIONS = ("eu-west-1", "us-east-1", "eu-central-1")
GLOBAL_REGION = "us-east-1"

HOTTEST = 0.06
"""Share of all events that the busiest role makes."""
NO_ROLE = 0.08
"""Share of events whose caller is not a role: services, users, root."""
DATA_EVENTS = 0.16

_STEEP = 1.3  # of Zipf's law: 400 roles span a factor of about 300
_HOME = 0.85  # share of a role's events in its home region
_KINDS = {"lambda": 58, "ecs": 12, "ec2": 10, "ci": 6, "human": 10, "scanner": 4}
_TAIL = {
    "lambda": (1, 4),
    "ecs": (1, 5),
    "ec2": (2, 6),
    "ci": (10, 30),
    "human": (8, 40),
    "scanner": (120, 260),
}
_PATHS = {
    "lambda": "/service-role/",
    "human": "/aws-reserved/sso.amazonaws.com/eu-west-1/",
    "ci": "/ci/",
}
_THINGS = (
    "orders billing images search mail stock prices reports login audit shipping returns fraud ledger".split()
)
_WORK = "api sync export import resize notify cleanup worker router stream indexer loader".split()


class Shape(NamedTuple):
    """The parameters of a corpus."""

    events: int = 1_000_000
    """Number of records, with duplicates and copies."""
    roles: int = 400
    accounts: int = len(ACCOUNTS)
    """Number of accounts with roles."""
    seed: int = 1


class Habits(NamedTuple):
    """Typical calls of a role, with cumulative weights."""

    makers: tuple[Maker, ...]
    weights: tuple[float, ...]

    def choose(self, rng: Random) -> Maker:
        """Choose one of them at random."""
        return rng.choices(self.makers, cum_weights=self.weights)[0]


class Role(NamedTuple):
    """A role and its typical calls."""

    account: str
    name: str
    path: str
    id: str
    kind: str
    app: str
    home: str
    weight: float
    """Share of the events of all roles."""
    data: float
    """Share of its events that are data events."""
    management: Habits
    worldwide: Habits
    """Management calls in the region that records global services."""
    objects: Habits
    """Data events."""

    @property
    def arn(self) -> str:
        """IAM's ARN, with the path."""
        return f"arn:aws:iam::{self.account}:role{self.path}{self.name}"

    def share(self, region: str) -> float:
        """Return the role's share, in a region, of the events of all roles."""
        return self.weight * (_HOME if region == self.home else (1 - _HOME) / (len(REGIONS) - 1))


@cache
def roles(shape: Shape) -> tuple[Role, ...]:
    """Return all roles, the busiest first."""
    rng, count = Random(f"{shape.seed}/roles"), shape.roles
    accounts = ACCOUNTS[: shape.accounts]
    weights = _zipf(count)
    kinds = ["lambda", *rng.choices(list(_KINDS), list(_KINDS.values()), k=count - 1)]
    appetites = [0.4, *rng.choices((0.0, 0.1, 0.3, 0.7), (40, 25, 20, 15), k=count - 1)]
    factor = _solve(
        lambda f: sum(w * min(0.95, f * a) for w, a in zip(weights, appetites, strict=True)),
        DATA_EVENTS / (1 - NO_ROLE),
        (0.0, 10.0),
    )
    return tuple(
        _role(rng, accounts, number, kind, weight, min(0.95, factor * appetite))
        for number, (kind, weight, appetite) in enumerate(zip(kinds, weights, appetites, strict=True))
    )


@cache
def residents(shape: Shape, account: str, region: str) -> tuple[tuple[Role, ...], tuple[float, ...]]:
    """Return the roles of an account with their cumulative weights in a region."""
    members = tuple(role for role in roles(shape) if role.account == account)
    return members, tuple(accumulate(role.share(region) for role in members))


def _zipf(count: int) -> list[float]:
    """Return weights that add up to 1; the first one gives the busiest role its share of all events."""

    def law(shift: float) -> list[float]:
        raw = [(rank + shift) ** -_STEEP for rank in range(1, count + 1)]
        total = sum(raw)
        return [one / total for one in raw]

    return law(_solve(lambda shift: -law(shift)[0], -HOTTEST / (1 - NO_ROLE), (0.0, 1000.0)))


def _solve(rising: Callable[[float], float], target: float, bounds: tuple[float, float]) -> float:
    """Return where a rising function reaches a value, by bisection."""
    low, high = bounds
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < target else (low, middle)
    return low


def _role(rng: Random, accounts: Sequence[str], number: int, kind: str, weight: float, data: float) -> Role:
    app = f"{rng.choice(_THINGS)}-{rng.choice(_WORK)}"
    name = "orders-api" if number == 0 else f"{app}-{number:04d}"
    if kind == "human":
        name = f"AWSReservedSSO_{app.title().replace('-', '')}_{rng.getrandbits(64):016x}"
    account = ACCOUNTS[0] if number == 0 else rng.choices(accounts, (40, 25, 15, 12, 8)[: len(accounts)])[0]
    home = REGIONS[0] if number == 0 else rng.choices(REGIONS, (60, 25, 15))[0]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    identifier = "AROA" + "".join(rng.choices(alphabet, k=17))
    regular = rng.sample(MANAGEMENT[kind], k=min(len(MANAGEMENT[kind]), rng.randrange(4, 8)))
    tail = _tail(rng, kind)
    regional = [one for one in tail if one.service not in GLOBAL]
    objects = rng.sample(DATA, k=rng.randrange(2, 5))
    return Role(
        account,
        name,
        _PATHS.get(kind, "/"),
        identifier,
        kind,
        app,
        home,
        weight,
        data,
        _habits(kind, regular, regional),
        _habits(kind, regular, tail),
        Habits(tuple(m for m, _ in objects), tuple(accumulate(w for _, w in objects))),
    )


def _tail(rng: Random, kind: str) -> list[Operation]:
    """Choose a few rare operations. A scanner calls hundreds, all of which only read."""
    return rng.sample(_offered(reading=kind == "scanner"), k=rng.randint(*_TAIL[kind]))


@cache
def _offered(*, reading: bool) -> tuple[Operation, ...]:
    return tuple(one for one in operations() if one.read or not reading)


def _habits(kind: str, regular: Sequence[tuple[Maker, int]], tail: Sequence[Operation]) -> Habits:
    """Return regular and rare calls. Rare calls have a small share together, except for scanners."""
    total = sum(weight for _, weight in regular)
    share = {"scanner": 8.0, "human": 0.6, "ci": 0.4}.get(kind, 0.08)
    rare = [(from_model(one), share * total / len(tail)) for one in tail]
    every = [*regular, *rare]
    return Habits(tuple(m for m, _ in every), tuple(accumulate(w for _, w in every)))
