"""Wildcard patterns as languages: matching, containment, overlap, intersection.

A pattern is a tuple of tokens: characters, and five kinds of wildcard. A regular expression matches strings. The other
operations treat the tokens as finite automata, so that their results hold for all strings. `policygen.iam.arn` turns
text into tokens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

_MAX_SUBSETS = 20_000  # states of one containment check; beyond this the result is "not proven"
_MAX_PAIRS = 100_000  # pairs of positions of one intersection
_MAX_PARTS = 64  # patterns of one intersection


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


Token = str | Wild
"""One character, or a wildcard."""

_REPEATED = frozenset({Wild.SOME, Wild.SOME_INSIDE, Wild.VARIABLE})
_INSIDE = frozenset({Wild.ONE_INSIDE, Wild.SOME_INSIDE})
_UNIT = {Wild.SOME: Wild.ONE, Wild.SOME_INSIDE: Wild.ONE_INSIDE, Wild.VARIABLE: Wild.ONE}


def _regex(tokens: Sequence[Token]) -> re.Pattern[str]:
    """Return a regular expression whose cost for each wildcard is linear in the length of the value.

    After a repeated wildcard, the first place where the text up to the next wildcard matches is as good as any later
    place, so that an atomic group may keep it. This is not true where the next wildcard matches fewer characters than
    this one: ``*`` before a wildcard that stays in its segment. That can happen at most five times.
    """
    regex, chunk = "", ""
    following: Wild | None = None
    for token in reversed(tokens):
        if token is Wild.VARIABLE:
            return re.compile(r"(?!)")  # 4.3.6
        if isinstance(token, str):
            chunk = re.escape(token) + chunk
        elif token not in _REPEATED:
            chunk = ("." if token is Wild.ONE else "[^:]") + chunk
        else:
            some = ".*" if token is Wild.SOME else "[^:]*"
            if following is None:
                regex = some + chunk
            elif token is Wild.SOME and following is Wild.SOME_INSIDE:
                regex = f"{some}?{chunk}{regex}"
            else:
                regex = f"(?>{some}?{chunk}){regex}"
            chunk, following = "", token
    return re.compile(chunk + regex, re.DOTALL)


@dataclass(frozen=True, slots=True)
class Glob:
    """A compiled pattern. `literal` is the only string that it matches; None when it may match several."""

    tokens: tuple[Token, ...]
    literal: str | None
    matches: Callable[[str], bool]


def compile_glob(tokens: tuple[Token, ...]) -> Glob:
    """Compile tokens to a pattern that can match strings."""
    if not any(isinstance(token, Wild) for token in tokens):
        literal = "".join(map(str, tokens))
        return Glob(tokens, literal, lambda text: text == literal)
    *head, last = tokens
    if last is Wild.SOME and not any(isinstance(token, Wild) for token in head):
        prefix = "".join(map(str, head))
        return Glob(tokens, None, lambda text: text.startswith(prefix))
    fullmatch = _regex(tokens).fullmatch
    return Glob(tokens, None, lambda text: fullmatch(text) is not None)


# --- Automata: a state is a position in the tokens, or a bit mask of positions -----------------------


def _admits(token: Token, character: str) -> bool:
    """Whether a token matches a character; "" stands for any character that occurs in none of the patterns."""
    if isinstance(token, str):
        return token == character
    return character != ":" if token in _INSIDE else True


def _common_token(a: Token, b: Token) -> Token | None:
    """Return the token for the single characters that both tokens match; None where there is none."""
    a, b = (_UNIT.get(token, token) if isinstance(token, Wild) else token for token in (a, b))
    if isinstance(a, str) or isinstance(b, str):
        character, other = (a, b) if isinstance(a, str) else (str(b), a)
        return character if _admits(other, character) else None
    return a if a is Wild.ONE_INSIDE else b


def _common_prefix(a: Sequence[Token], b: Sequence[Token]) -> int:
    """Return how many leading characters both patterns share."""
    for length, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y or isinstance(x, Wild):
            return length
    return min(len(a), len(b))


def includes(wide: Glob, narrow: Glob) -> bool:
    """Whether `wide` matches every string that `narrow` matches.

    True is proven. False also stands for "not proven": `wide` has a variable, or the search reached its limit.
    """
    if narrow.literal is not None:
        return wide.matches(narrow.literal)
    if Wild.VARIABLE in wide.tokens:
        return False
    start = _common_prefix(wide.tokens, narrow.tokens)
    wide_rest, narrow_rest = wide.tokens[start:], narrow.tokens[start:]
    if wide_rest == (Wild.SOME,):
        return True
    if not wide_rest or (
        isinstance(wide_rest[0], str) and (not narrow_rest or isinstance(narrow_rest[0], str))
    ):
        return False
    return _included(narrow_rest, wide_rest)


def includes_together(wides: Sequence[Glob], narrow: Glob) -> bool:
    """Whether each string that `narrow` matches is matched by at least one of `wides`; as exact as `includes`."""
    if any(includes(wide, narrow) for wide in wides):
        return True
    if narrow.literal is not None:
        return False
    # A pattern that has no string in common with `narrow` adds nothing. A single pattern was checked above.
    overlapping = [
        wide.tokens
        for wide in wides
        if Wild.VARIABLE not in wide.tokens and meets(wide.tokens, narrow.tokens)
    ]
    return len(overlapping) > 1 and _included(narrow.tokens, *overlapping)


def _included(narrow: tuple[Token, ...], *wides: tuple[Token, ...]) -> bool:
    """Decide language inclusion by subset construction over all `wides` at once, along the tokens of `narrow`."""
    # Each pattern has a bit for each of its tokens, and one for its end.
    wide: list[Token | None] = [token for tokens in wides for token in (*tokens, None)]
    starts = [sum(len(tokens) + 1 for tokens in wides[:n]) for n in range(len(wides))]
    ends = sum(1 << i for i, token in enumerate(wide) if token is None)
    alphabet = {token for token in (*narrow, *wide) if isinstance(token, str)} | {":", ""}
    positions: dict[Token | None, int] = {}
    for i, token in enumerate(wide):
        positions[token] = positions.get(token, 0) | 1 << i
    repeated = _positions_of(positions, _REPEATED)
    inside = _positions_of(positions, _INSIDE)
    crossing = _positions_of(positions, Wild) & ~inside
    admitting = {c: positions.get(c, 0) | crossing | (0 if c == ":" else inside) for c in alphabet}

    def step(mask: int, character: str) -> int:
        mask &= admitting[character]
        return _closure((mask & ~repeated) << 1 | mask & repeated, repeated)

    agenda = [(0, _closure(sum(1 << start for start in starts), repeated))]
    seen = set(agenda)
    while agenda:
        position, mask = agenda.pop()
        if not mask or (position == len(narrow) and not mask & ends):
            return False
        if position == len(narrow):
            continue
        token = narrow[position]
        loops = token in _REPEATED
        reached = {(position + (not loops), step(mask, c)) for c in alphabet if _admits(token, c)}
        if loops:
            reached.add((position + 1, mask))
        agenda += reached - seen
        seen |= reached
        if len(seen) > _MAX_SUBSETS:
            return False
    return True


def _positions_of(positions: Mapping[Token | None, int], tokens: Iterable[Token]) -> int:
    """Return the positions of several tokens as a bit mask."""
    mask = 0
    for token in tokens:
        mask |= positions.get(token, 0)
    return mask


def _product_steps(
    a: Sequence[Token], b: Sequence[Token], i: int, j: int
) -> list[tuple[int, int, Token | None]]:
    """Return the steps of the product automaton from positions `i` and `j`: the next positions, and the token read."""
    x = a[i] if i < len(a) else None
    y = b[j] if j < len(b) else None
    steps: list[tuple[int, int, Token | None]] = []
    loop_x, loop_y = x in _REPEATED, y in _REPEATED
    if loop_x:
        steps.append((i + 1, j, None))
    if loop_y:
        steps.append((i, j + 1, None))
    if x is not None and y is not None and not (loop_x and loop_y):
        common = _common_token(x, y)
        if common is not None:
            steps.append((i + (not loop_x), j + (not loop_y), common))
    return steps


def meets(a: tuple[Token, ...], b: tuple[Token, ...]) -> bool:
    """Whether two patterns match a common string.

    For each token of `a`, a bit mask holds the positions that `b` can be at.
    """
    start = _common_prefix(a, b)
    a, b = a[start:], b[start:]
    positions: dict[Token | None, int] = {}
    for i, token in enumerate(b):
        positions[token] = positions.get(token, 0) | 1 << i
    everywhere = (1 << len(b)) - 1
    repeated = _positions_of(positions, _REPEATED)
    inside = _positions_of(positions, _INSIDE)
    wild = repeated | positions.get(Wild.ONE, 0) | inside

    def matching(of: Token) -> int:
        """Return the positions at which `b` has a token that matches a character which the token `of` matches."""
        if isinstance(of, str):
            return positions.get(of, 0) | (wild & ~inside if of == ":" else wild)
        return everywhere & ~positions.get(":", 0) if of in _INSIDE else everywhere

    reached = _closure(1, repeated)
    for token in a:
        if token in _REPEATED:
            reached = _closure(reached, matching(token) | repeated)
        else:
            taken = reached & matching(token)
            reached = _closure((taken & ~repeated) << 1 | taken & repeated, repeated)
    return reached > everywhere


def _closure(mask: int, skippable: int) -> int:
    """Return the positions of a mask and all positions that follow by stepping over skippable ones."""
    while (grown := mask | (mask & skippable) << 1) != mask:
        mask = grown
    return mask


def intersection(a: tuple[Token, ...], b: tuple[Token, ...]) -> set[tuple[Token, ...]] | None:
    """Return token lists that together match what both patterns match; None when there are too many."""
    start = _common_prefix(a, b)
    if (len(a) - start) * (len(b) - start) > _MAX_PAIRS:
        return None
    reached, agenda = {(start, start)}, [(start, start)]
    while agenda:
        for to_i, to_j, _ in _product_steps(a, b, *agenda.pop()):
            if (to_i, to_j) not in reached:
                reached.add((to_i, to_j))
                agenda.append((to_i, to_j))
    tails: dict[tuple[int, int], set[tuple[Token, ...]]] = {}
    for i, j in sorted(reached, key=sum, reverse=True):
        tails[i, j] = {()} if i == len(a) and j == len(b) else set()
        both = i < len(a) and j < len(b) and a[i] in _REPEATED and b[j] in _REPEATED
        # Of the texts that two repeated wildcards match, one is the beginning of the other: that much is common.
        shared = (Wild.SOME_INSIDE if Wild.SOME_INSIDE in (a[i], b[j]) else Wild.SOME,) if both else ()
        for to_i, to_j, taken in _product_steps(a, b, i, j):
            first = shared if taken is None else (taken,)
            tails[i, j] |= {(*first, *tail) for tail in tails[to_i, to_j]}
        if len(tails[i, j]) > _MAX_PARTS:
            return None
    return {a[:start] + tail for tail in tails[start, start]}
