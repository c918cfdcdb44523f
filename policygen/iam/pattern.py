"""Languages of wildcard patterns: matching, containment, overlap, intersection.

A pattern is a tuple of tokens: characters, and five kinds of wildcard. Matching is a regular
expression; the rest is decided on the tokens as finite automata, so the answers are about all strings,
not about the strings at hand. What text becomes which tokens is the business of `policygen.arn`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

_MAX_SUBSETS = 20_000  # states of one containment question; beyond it the answer is "not proven"
_MAX_PAIRS = 100_000  # pairs of positions of one intersection
_MAX_PARTS = 64  # patterns of one intersection


class Wild(Enum):
    """The wildcards. A segment is what stands between two of the first five colons of an ARN."""

    ONE = "?"
    """One character."""
    SOME = "*"
    """Any characters, none included."""
    ONE_INSIDE = "?:"
    """One character that is not a colon."""
    SOME_INSIDE = "*:"
    """Any characters without a colon."""
    VARIABLE = "$"
    """A policy variable whose value is not known here."""


Token = str | Wild
"""One character, or a wildcard."""

_REPEATED = frozenset({Wild.SOME, Wild.SOME_INSIDE, Wild.VARIABLE})
_INSIDE = frozenset({Wild.ONE_INSIDE, Wild.SOME_INSIDE})
_UNIT = {Wild.SOME: Wild.ONE, Wild.SOME_INSIDE: Wild.ONE_INSIDE, Wild.VARIABLE: Wild.ONE}


def _regex(tokens: Sequence[Token]) -> re.Pattern[str]:
    """The tokens as an expression whose cost is linear in the value for each wildcard.

    After a repeated wildcard the first place where the characters up to the next one fit is as good as
    any later place, so it is kept (an atomic group). That fails only where the next wildcard reaches
    less far than this one, which a segment's last wildcard can bring about, at most five times.
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
    """A compiled pattern. `literal` is the only string that it matches, or None when it may match more."""

    tokens: tuple[Token, ...]
    literal: str | None
    matches: Callable[[str], bool]


def compile_glob(tokens: tuple[Token, ...]) -> Glob:
    """The pattern of `tokens`, ready to match."""
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
    """`character` is "" for any character that no pattern of the question names."""
    if isinstance(token, str):
        return token == character
    return character != ":" if token in _INSIDE else True


def _meet(a: Token, b: Token) -> Token | None:
    """The characters that one step of both tokens can take, as a token."""
    a, b = (_UNIT.get(token, token) if isinstance(token, Wild) else token for token in (a, b))
    if isinstance(a, str) or isinstance(b, str):
        character, other = (a, b) if isinstance(a, str) else (str(b), a)
        return character if _admits(other, character) else None
    return a if a is Wild.ONE_INSIDE else b


def _common_prefix(a: Sequence[Token], b: Sequence[Token]) -> int:
    """How many characters both begin with."""
    for length, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y or isinstance(x, Wild):
            return length
    return min(len(a), len(b))


def includes(wide: Glob, narrow: Glob) -> bool:
    """Whether everything that `narrow` matches, `wide` matches too.

    True is an exact answer. False also stands for "not proven": a variable in `wide`, or two patterns
    so entangled that the search was cut.
    """
    if narrow.literal is not None:
        return wide.matches(narrow.literal)
    if Wild.VARIABLE in wide.tokens:
        return False
    start = _common_prefix(wide.tokens, narrow.tokens)
    rest, left = wide.tokens[start:], narrow.tokens[start:]
    if rest == (Wild.SOME,):
        return True
    if not rest or (isinstance(rest[0], str) and (not left or isinstance(left[0], str))):
        return False
    return _included(left, rest)


def includes_together(wides: Sequence[Glob], narrow: Glob) -> bool:
    """Whether everything that `narrow` matches, at least one of `wides` matches; as exact as `includes`."""
    if any(includes(wide, narrow) for wide in wides):
        return True
    if narrow.literal is not None:
        return False
    # A pattern that shares no name with `narrow` adds nothing; one alone was asked already.
    concerned = [
        wide.tokens
        for wide in wides
        if Wild.VARIABLE not in wide.tokens and meets(wide.tokens, narrow.tokens)
    ]
    return len(concerned) > 1 and _included(narrow.tokens, *concerned)


def _included(narrow: tuple[Token, ...], *wides: tuple[Token, ...]) -> bool:
    """Language inclusion by subset construction over all `wides` side by side, walked along `narrow`."""
    # Each pattern takes its tokens' bits and one for its end.
    wide: list[Token | None] = [token for tokens in wides for token in (*tokens, None)]
    starts = [sum(len(tokens) + 1 for tokens in wides[:n]) for n in range(len(wides))]
    ends = sum(1 << i for i, token in enumerate(wide) if token is None)
    alphabet = {token for token in (*narrow, *wide) if isinstance(token, str)} | {":", ""}
    places: dict[Token | None, int] = {}
    for i, token in enumerate(wide):
        places[token] = places.get(token, 0) | 1 << i
    repeated = _union(places, _REPEATED)
    inside = _union(places, _INSIDE)
    crossing = _union(places, Wild) & ~inside
    admitting = {c: places.get(c, 0) | crossing | (0 if c == ":" else inside) for c in alphabet}

    def step(mask: int, character: str) -> int:
        mask &= admitting[character]
        return _rippled((mask & ~repeated) << 1 | mask & repeated, repeated)

    agenda = [(0, _rippled(sum(1 << start for start in starts), repeated))]
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


def _union(places: Mapping[Token | None, int], tokens: Iterable[Token]) -> int:
    """Where any of some tokens stands, as a bit mask."""
    found = 0
    for token in tokens:
        found |= places.get(token, 0)
    return found


def _moves(a: Sequence[Token], b: Sequence[Token], i: int, j: int) -> list[tuple[int, int, Token | None]]:
    """Steps of the product of two patterns from positions `i`, `j`: where to, and the token taken."""
    x = a[i] if i < len(a) else None
    y = b[j] if j < len(b) else None
    steps: list[tuple[int, int, Token | None]] = []
    loop_x, loop_y = x in _REPEATED, y in _REPEATED
    if loop_x:
        steps.append((i + 1, j, None))
    if loop_y:
        steps.append((i, j + 1, None))
    if x is not None and y is not None and not (loop_x and loop_y):
        met = _meet(x, y)
        if met is not None:
            steps.append((i + (not loop_x), j + (not loop_y), met))
    return steps


def meets(a: tuple[Token, ...], b: tuple[Token, ...]) -> bool:
    """Whether two patterns share a name: the positions of `b` that go with each position of `a`, as a bit mask."""
    start = _common_prefix(a, b)
    a, b = a[start:], b[start:]
    places: dict[Token | None, int] = {}
    for i, token in enumerate(b):
        places[token] = places.get(token, 0) | 1 << i
    everywhere = (1 << len(b)) - 1
    repeated = _union(places, _REPEATED)
    inside = _union(places, _INSIDE)
    wild = repeated | places.get(Wild.ONE, 0) | inside

    def taking(one: Token) -> int:
        """Where `b` has a token that shares a character with this one."""
        if isinstance(one, str):
            return places.get(one, 0) | (wild & ~inside if one == ":" else wild)
        return everywhere & ~places.get(":", 0) if one in _INSIDE else everywhere

    reached = _rippled(1, repeated)
    for token in a:
        if token in _REPEATED:
            reached = _rippled(reached, taking(token) | repeated)
        else:
            taken = reached & taking(token)
            reached = _rippled((taken & ~repeated) << 1 | taken & repeated, repeated)
    return reached > everywhere


def _rippled(mask: int, through: int) -> int:
    """The positions of a mask, and those that follow them one after the other by way of others."""
    while (grown := mask | (mask & through) << 1) != mask:
        mask = grown
    return mask


def intersection(a: tuple[Token, ...], b: tuple[Token, ...]) -> set[tuple[Token, ...]] | None:
    """The intersection of two patterns as token lists, or None when it takes too many."""
    start = _common_prefix(a, b)
    if (len(a) - start) * (len(b) - start) > _MAX_PAIRS:
        return None
    reached, agenda = {(start, start)}, [(start, start)]
    while agenda:
        for to_i, to_j, _ in _moves(a, b, *agenda.pop()):
            if (to_i, to_j) not in reached:
                reached.add((to_i, to_j))
                agenda.append((to_i, to_j))
    tails: dict[tuple[int, int], set[tuple[Token, ...]]] = {}
    for i, j in sorted(reached, key=sum, reverse=True):
        tails[i, j] = {()} if i == len(a) and j == len(b) else set()
        both = i < len(a) and j < len(b) and a[i] in _REPEATED and b[j] in _REPEATED
        # Two repeated wildcards: the shorter of their two texts is common to both.
        shared = (Wild.SOME_INSIDE if Wild.SOME_INSIDE in (a[i], b[j]) else Wild.SOME,) if both else ()
        for to_i, to_j, taken in _moves(a, b, i, j):
            head = shared if taken is None else (taken,)
            tails[i, j] |= {(*head, *tail) for tail in tails[to_i, to_j]}
        if len(tails[i, j]) > _MAX_PARTS:
            return None
    return {a[:start] + tail for tail in tails[start, start]}
