"""Whether one wildcard pattern matches everything that another one matches, alone or together with others.

True is proven. False also stands for "not proven", so that who asks must be on the safe side of a False.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from policygen.iam.pattern import (
    INSIDE,
    REPEATED,
    Budget,
    Glob,
    Token,
    Wild,
    admits,
    closure,
    common_prefix,
    meets,
    position_masks,
    positions_of,
)


def includes(wide: Glob, narrow: Glob, budget: Budget | None = None) -> bool:
    """Whether `wide` matches every string that `narrow` matches.

    True is proven. False also stands for "not proven": `wide` has a variable, or the search was given up.
    """
    if narrow.literal is not None:
        return wide.matches(narrow.literal)
    if Wild.VARIABLE in wide.tokens:
        return False
    start = common_prefix(wide.tokens, narrow.tokens)
    wide_rest, narrow_rest = wide.tokens[start:], narrow.tokens[start:]
    if wide_rest == (Wild.SOME,):
        return True
    if not wide_rest or (
        isinstance(wide_rest[0], str) and (not narrow_rest or isinstance(narrow_rest[0], str))
    ):
        return False
    return _included(narrow_rest, [wide_rest], budget or Budget())


def includes_together(wides: Sequence[Glob], narrow: Glob) -> bool:
    """Whether each string that `narrow` matches is matched by at least one of `wides`; as exact as `includes`."""
    alone = Budget()
    if any(includes(wide, narrow, alone) for wide in wides):
        return True
    if narrow.literal is not None:
        return False
    # A pattern that has no string in common with `narrow` adds nothing. A single pattern was checked above.
    overlapping = [
        wide.tokens
        for wide in wides
        if Wild.VARIABLE not in wide.tokens and meets(wide.tokens, narrow.tokens)
    ]
    return len(overlapping) > 1 and _included(narrow.tokens, overlapping, Budget())


class _Automaton:
    """Several patterns as one automaton. A state is a bit mask of positions: of each token, and of each end."""

    def __init__(self, patterns: Sequence[Sequence[Token]]) -> None:
        tokens: list[Token | None] = [token for one in patterns for token in (*one, None)]
        positions = position_masks(tokens)
        self._positions = positions
        self._repeated = positions_of(positions, REPEATED)
        self._inside = positions_of(positions, INSIDE)
        self._crossing = positions_of(positions, Wild) & ~self._inside
        self.characters = [token for token in positions if isinstance(token, str)]
        self.start = closure(1 | (self.ends << 1) & ~(1 << len(tokens)), self._repeated)
        self.cost = 1 + (len(tokens) >> 10)
        """Steps of a budget that one step costs."""

    @property
    def ends(self) -> int:
        """The positions at which a pattern has matched all."""
        return self._positions[None]

    def step(self, mask: int, character: str) -> int:
        """Return the state after a character."""
        admitting = self._positions.get(character, 0) | self._crossing
        return self._advance(mask & (admitting if character == ":" else admitting | self._inside))

    def follow(self, mask: int, token: Token) -> int:
        """Return positions that are reached whatever a token matches; there may be more."""
        if isinstance(token, str):
            return self.step(mask, token)
        admitting = self._crossing | (self._inside if token in INSIDE else 0)
        return self._advance(mask & admitting & (self._repeated if token in REPEATED else -1))

    def accepts(self, word: Iterable[str]) -> bool:
        """Whether a pattern matches a string."""
        mask = self.start
        for character in word:
            mask = self.step(mask, character)
            if not mask:
                return False
        return bool(mask & self.ends)

    def _advance(self, mask: int) -> int:
        return closure((mask & ~self._repeated) << 1 | mask & self._repeated, self._repeated)


def _included(narrow: Sequence[Token], wides: Sequence[Sequence[Token]], budget: Budget) -> bool:
    """Decide whether several patterns together match all that one matches.

    Nearly every question is answered by one pass along `narrow`, or by a few of its strings. The others take a search.
    """
    narrow = _ordered(narrow)
    automaton = _Automaton([_ordered(wide) for wide in wides])
    mask = automaton.start
    for token in narrow:
        mask = automaton.follow(mask, token)
        if not mask:
            break
    if mask & automaton.ends:
        return True
    if not all(automaton.accepts(word) for word in _some_strings(narrow)):
        return False
    return _search(narrow, automaton, budget)


def _ordered(tokens: Sequence[Token]) -> list[Token]:
    """Write each run of wildcards of one kind in one way: ``*?*`` as ``?*``."""
    ordered: list[Token] = []
    for token in tokens:
        last = ordered[-1] if ordered else None
        if token in (Wild.SOME, Wild.SOME_INSIDE) and last is token:
            continue
        if (last, token) in ((Wild.SOME, Wild.ONE), (Wild.SOME_INSIDE, Wild.ONE_INSIDE)):
            ordered[-1:] = [token, ordered[-1]]
        else:
            ordered.append(token)
    return ordered


def _some_strings(narrow: Sequence[Token]) -> Iterator[Iterator[str]]:
    """Yield strings that a pattern matches: its repeated wildcards are nothing, something long, and a colon."""
    long = ("",) * min(64, 2_000 // (len(narrow) + 1))
    for filling in ((), long, (":", *long)):
        yield (
            character
            for token in narrow
            for character in (
                (token,)
                if isinstance(token, str)
                else ("",)
                if token not in REPEATED
                else [one for one in filling if admits(token, one)]
            )
        )


def _search(narrow: Sequence[Token], automaton: _Automaton, budget: Budget) -> bool:
    """Follow all strings that a pattern matches, as sets of the automaton's positions.

    Of two sets at the same place only the smaller one is followed: what it accepts, the larger one accepts too.
    """
    alphabet = dict.fromkeys((*automaton.characters, ":", ""))
    smallest: dict[int, list[int]] = {}
    agenda = [(0, automaton.start)]
    while agenda:
        position, mask = agenda.pop()
        if not mask or (position == len(narrow) and not mask & automaton.ends):
            return False
        known = smallest.setdefault(position, [])
        if not budget.spend(1 + (automaton.cost * len(known) >> 3)):
            return False
        if position == len(narrow) or any(other & mask == other for other in known):
            continue
        known[:] = [other for other in known if mask & other != mask]
        known.append(mask)
        token = narrow[position]
        characters = [token] if isinstance(token, str) else [c for c in alphabet if admits(token, c)]
        if not budget.spend(automaton.cost * len(characters)):
            return False
        loops = token in REPEATED
        reached = dict.fromkeys(automaton.step(mask, character) for character in characters)
        agenda += [(position + (not loops), state) for state in reached]
        if loops:
            agenda.append((position + 1, mask))
    return True
