"""The fewest characters that match some names of one service and not others: names, and prefixes with a star.

Each name has a price for being matched and one for being left out. A price is in characters; one that must not be paid
is infinite. With infinite prices the patterns match exactly what is asked for; with lower ones they may match a name
too many, or leave one out, where that saves more characters than it costs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from math import inf
from typing import NamedTuple

_FRAME = len('"",')
"""Characters of a name in a JSON list beside its own."""
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^A-Za-z]+")


class Price(NamedTuple):
    """What it costs to match a name, and to leave it out, in characters."""

    matched: float
    left_out: float


MUST = Price(0, inf)
"""A name that the patterns must match."""
MUST_NOT = Price(inf, 0)
"""A name that they must not match."""
MAY = Price(0, 0)
"""A name that they may match or not."""


class _Choice(NamedTuple):
    cost: float
    patterns: tuple[str, ...]


def cheapest_patterns(
    service: str, prices: Mapping[str, Price], may_write: Callable[[str], bool] = lambda _: True
) -> tuple[str, ...]:
    """Return names and prefixes, sorted, that are cheapest by the prices; ``("s3:Get*", "s3:PutObject")``.

    A prefix ends with a word, so that it can be read: ``s3:GetBucket*``, never ``s3:GetBu*``.

    Args:
        service: IAM prefix.
        prices: the service's actions, without the service, by name.
        may_write: whether a prefix may be written, ``s3:Get*``; a name always may.
    """
    names = sorted(prices, key=str.lower)
    return tuple(sorted(_choose(service, names, prices, may_write, -1).patterns)) if names else ()


def _choose(
    service: str,
    names: Sequence[str],
    prices: Mapping[str, Price],
    may_write: Callable[[str], bool],
    above: int,
) -> _Choice:
    """Decide about names that begin alike: one prefix for all, or what is best for each group of them.

    Args:
        above: characters that the names have in common with their neighbours, so that a prefix must be longer; -1 for
            all names of the service, which have no neighbours.
    """
    if len(names) == 1:
        return _single(service, names[0], prices[names[0]])
    if not any(prices[name].left_out for name in names):  # of the many actions of a service few are asked for
        return _Choice(0, ())
    common = _common(names[0], names[-1])
    matched = sum(prices[name].matched for name in names)
    if not matched and prices[names[0]].left_out == prices[names[-1]].left_out == inf:
        # The first and the last have no more in common: to match both costs two patterns, each as long at least.
        for pattern in _prefixes(service, names[0], above, common):
            if may_write(pattern):
                return _Choice(len(pattern) + _FRAME, (pattern,))
    parts = [
        _choose(service, list(members), prices, may_write, common)
        for _, members in groupby(names, lambda name: name[common : common + 1].lower())
    ]
    best = _Choice(sum(part.cost for part in parts), tuple(one for part in parts for one in part.patterns))
    if matched >= best.cost:
        return best
    for pattern in _prefixes(service, names[0], above, common):
        cost = len(pattern) + _FRAME + matched
        if cost < best.cost and may_write(pattern):
            return _Choice(cost, (pattern,))
    return best


def _single(service: str, name: str, price: Price) -> _Choice:
    cost = len(service) + 1 + len(name) + _FRAME + price.matched
    return _Choice(price.left_out, ()) if price.left_out <= cost else _Choice(cost, (f"{service}:{name}",))


def _common(first: str, last: str) -> int:
    """Return how many characters two names have in common at the start, without regard to case."""
    a, b = first.lower(), last.lower()
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _prefixes(service: str, name: str, above: int, common: int) -> Iterator[str]:
    """Yield the prefixes of whole words that stand for a group, as patterns, the shortest first.

    Args:
        service: IAM prefix.
        name: one of the group.
        above: characters that others have in common with the group; -1 where there are no others.
        common: characters that the group has in common.
    """
    if above < 0:
        yield f"{service}:*"
    ends = [found.end() for found in _WORDS.finditer(name)]
    yield from (f"{service}:{name[:end]}*" for end in ends if above < end <= common)
