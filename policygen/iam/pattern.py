"""Wildcard patterns as languages: matching, overlap, intersection.

A pattern is a tuple of tokens: characters, and five kinds of wildcard. Matching and overlap take time in proportion to
the lengths. Containment (`policygen.iam.containment`) and intersection can take exponential time, so that each search
has a `StepBudget`; a search that is given up has a result of its own. `policygen.iam.arn` turns text into tokens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from itertools import pairwise

import msgspec

STEPS = 15_000
"""Steps of one search; one takes about a microsecond."""
_MAX_PARTS = 64  # patterns of one intersection
_LONG = 256  # tokens beyond which a regular expression may take long


class Wild(Enum):
    """The wildcards. A segment is the text between two of the first five colons of an ARN."""

    ONE = "?"
    """One character."""
    SOME = "*"
    """Any number of characters, also none."""
    ONE_INSIDE = "?:"
    """One character that is not a colon."""
    SOME_INSIDE = "*:"
    """Any number of characters that are not colons, also none."""
    VARIABLE = "$"
    """A policy variable with an unknown value."""

    __hash__ = object.__hash__  # Enum's own is slow, and tokens are hashed by the thousand


Token = str | Wild
"""One character, or a wildcard."""

REPEATED = frozenset({Wild.SOME, Wild.SOME_INSIDE, Wild.VARIABLE})
INSIDE = frozenset({Wild.ONE_INSIDE, Wild.SOME_INSIDE})
_UNIT = {Wild.SOME: Wild.ONE, Wild.SOME_INSIDE: Wild.ONE_INSIDE, Wild.VARIABLE: Wild.ONE}


class StepBudget:
    """The steps that one search, or several together, may take."""

    __slots__ = ("left",)

    def __init__(self, steps: int = STEPS) -> None:
        self.left = steps

    def spend(self, steps: int) -> bool:
        """Take steps. False when there were not as many left: the search must be given up."""
        self.left -= steps
        return self.left >= 0


# --- Matching of strings --------------------------------------------------------------------------


def _regex(tokens: Sequence[Token]) -> re.Pattern[str]:
    """Return a regular expression whose cost for each wildcard is linear in the length of the value.

    After a repeated wildcard, the first place where the text up to the next wildcard matches is as good as any later
    place, so that an atomic group may keep it.
    """
    regex, chunk = "", ""
    last = True
    for token in reversed(tokens):
        if isinstance(token, str):
            chunk = re.escape(token) + chunk
        elif token not in REPEATED:
            chunk = ("." if token is Wild.ONE else "[^:]") + chunk
        else:
            some = ".*" if token is Wild.SOME else "[^:]*"
            regex = some + chunk if last else f"(?>{some}?{chunk}){regex}"
            chunk, last = "", False
    return re.compile(chunk + regex, re.DOTALL)


class Glob(msgspec.Struct, frozen=True):
    """A compiled pattern. `literal` is the only string that it matches; None when it may match several."""

    tokens: tuple[Token, ...]
    literal: str | None
    matches: Callable[[str], bool]


def compile_glob(tokens: tuple[Token, ...]) -> Glob:
    """Compile tokens to a pattern that can match strings."""
    wild = [token for token in tokens if isinstance(token, Wild)]
    if not wild:
        literal = "".join(map(str, tokens))
        return Glob(tokens, literal, lambda text: text == literal)
    if Wild.VARIABLE in wild:
        return Glob(tokens, None, lambda _: False)  # 4.3.6
    if (matches := _at_fixed_places(tokens, wild)) is not None:
        return Glob(tokens, None, matches)
    if len(tokens) > _LONG or _passes_first_place(wild):
        return Glob(tokens, None, lambda text: meets(tokens, tuple(text)))
    fullmatch = _regex(tokens).fullmatch
    return Glob(tokens, None, lambda text: fullmatch(text) is not None)


def _at_fixed_places(tokens: Sequence[Token], wild: Sequence[Wild]) -> Callable[[str], bool] | None:
    """Return what matches a pattern each part of whose text has one place: ``2???/x``, ``2???/x*``; else None.

    Most patterns are such, and to compile an expression takes longer than all that is asked of it.
    """
    open_end = tokens[-1] is Wild.SOME
    if any(token is not Wild.ONE for token in (wild[:-1] if open_end else wild)):
        return None
    size = len(tokens) - open_end
    places, start = list[tuple[str, int]](), 0
    for hole in (*(at for at, token in enumerate(tokens) if token is Wild.ONE), size):
        if hole > start:
            places.append(("".join(map(str, tokens[start:hole])), start))
        start = hole + 1
    begins = places.pop(0)[0] if places and not places[0][1] else ""
    if len(begins) == size:
        return lambda text: text.startswith(begins)

    def matches(text: str) -> bool:
        return (
            text.startswith(begins)
            and (len(text) == size or (open_end and len(text) > size))
            and all(text.startswith(part, start) for part, start in places)
        )

    return matches


def _passes_first_place(wild: Iterable[Wild]) -> bool:
    """Whether a repeated wildcard may have to pass the first place that fits: one that stays in its segment follows."""
    repeated = [token for token in wild if token in REPEATED]
    return (Wild.SOME, Wild.SOME_INSIDE) in pairwise(repeated)


# --- Automata: a state is a position in the tokens, or a bit mask of positions -----------------------


def admits(token: Token, character: str) -> bool:
    """Whether a token matches a character; "" stands for any character that occurs in none of the patterns."""
    if isinstance(token, str):
        return token == character
    return character != ":" if token in INSIDE else True


def _common_token(a: Token, b: Token) -> Token | None:
    """Return the token for the single characters that both tokens match; None where there is none."""
    a, b = (_UNIT.get(token, token) if isinstance(token, Wild) else token for token in (a, b))
    if isinstance(a, str) or isinstance(b, str):
        character, other = (a, b) if isinstance(a, str) else (str(b), a)
        return character if admits(other, character) else None
    return a if a is Wild.ONE_INSIDE else b


def common_prefix(a: Sequence[Token], b: Sequence[Token]) -> int:
    """Return how many leading characters both patterns share."""
    for length, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y or isinstance(x, Wild):
            return length
    return min(len(a), len(b))


def position_masks(tokens: Iterable[Token | None]) -> dict[Token | None, int]:
    """Return each token with a bit mask of its positions."""
    positions: dict[Token | None, int] = {}
    for i, token in enumerate(tokens):
        positions[token] = positions.get(token, 0) | 1 << i
    return positions


def positions_of(positions: Mapping[Token | None, int], tokens: Iterable[Token]) -> int:
    """Return the positions of several tokens as a bit mask."""
    mask = 0
    for token in tokens:
        mask |= positions.get(token, 0)
    return mask


def closure(mask: int, skippable: int) -> int:
    """Return the positions of a mask and all positions that follow by stepping over skippable ones.

    The addition carries a position through a run of skippable ones to the place after it.
    """
    return mask | (((mask & skippable) + skippable) ^ skippable)


# --- Overlap and intersection ---------------------------------------------------------------------------


def meets(a: tuple[Token, ...], b: tuple[Token, ...]) -> bool:
    """Whether two patterns match a common string.

    For each token of `a`, a bit mask holds the positions that `b` can be at.
    """
    start = common_prefix(a, b)
    a, b = a[start:], b[start:]
    positions = position_masks(b)
    everywhere = (1 << len(b)) - 1
    repeated = positions_of(positions, REPEATED)
    inside = positions_of(positions, INSIDE)
    wild = repeated | positions.get(Wild.ONE, 0) | inside

    def matching(of: Token) -> int:
        """Return the positions at which `b` has a token that matches a character which the token `of` matches."""
        if isinstance(of, str):
            return positions.get(of, 0) | (wild & ~inside if of == ":" else wild)
        return everywhere & ~positions.get(":", 0) if of in INSIDE else everywhere

    reached = closure(1, repeated)
    for token in a:
        if token in REPEATED:
            reached = closure(reached, matching(token) | repeated)
        else:
            taken = reached & matching(token)
            reached = closure((taken & ~repeated) << 1 | taken & repeated, repeated)
        if not reached:
            return False
    return reached > everywhere


def _product_steps(
    a: Sequence[Token], b: Sequence[Token], i: int, j: int
) -> list[tuple[int, int, Token | None]]:
    """Return the steps of the product automaton from positions `i` and `j`: the next positions, and the token read."""
    x = a[i] if i < len(a) else None
    y = b[j] if j < len(b) else None
    steps: list[tuple[int, int, Token | None]] = []
    loop_x, loop_y = x in REPEATED, y in REPEATED
    if loop_x:
        steps.append((i + 1, j, None))
    if loop_y:
        steps.append((i, j + 1, None))
    if x is not None and y is not None and not (loop_x and loop_y):
        common = _common_token(x, y)
        if common is not None:
            steps.append((i + (not loop_x), j + (not loop_y), common))
    return steps


def intersection(
    a: tuple[Token, ...], b: tuple[Token, ...], budget: StepBudget | None = None
) -> set[tuple[Token, ...]] | None:
    """Return token lists that together match what both patterns match; None when there are too many to find."""
    budget = budget or StepBudget()
    start = common_prefix(a, b)
    reached, agenda = {(start, start)}, [(start, start)]
    while agenda:
        if not budget.spend(2):
            return None
        for to_i, to_j, _ in _product_steps(a, b, *agenda.pop()):
            if (to_i, to_j) not in reached:
                reached.add((to_i, to_j))
                agenda.append((to_i, to_j))
    tails: dict[tuple[int, int], set[tuple[Token, ...]]] = {}
    for i, j in sorted(reached, key=sum, reverse=True):
        tails[i, j] = {()} if i == len(a) and j == len(b) else set()
        both = i < len(a) and j < len(b) and a[i] in REPEATED and b[j] in REPEATED
        # Of the texts that two repeated wildcards match, one is the beginning of the other: that much is common.
        shared = (Wild.SOME_INSIDE if Wild.SOME_INSIDE in (a[i], b[j]) else Wild.SOME,) if both else ()
        for to_i, to_j, taken in _product_steps(a, b, i, j):
            first = shared if taken is None else (taken,)
            following = tails[to_i, to_j]
            if not budget.spend(1 + sum(1 + (len(tail) >> 6) for tail in following)):
                return None
            tails[i, j] |= {(*first, *tail) for tail in following}
        if len(tails[i, j]) > _MAX_PARTS:
            return None
    return {a[:start] + tail for tail in tails[start, start]}
