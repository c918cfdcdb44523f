"""The format of a stage's access log, and how an entry is taken apart again.

A format is any text with variables in it, ``$context.status``; an entry is that text with values in their places. JSON,
XML, CSV and the common log format are no different: a value is what stands between the constant pieces, whether quoted
or not. A value may hold what looks like a constant piece, for callers choose some of them. So all ways to take an entry
apart are found, and who reads it decides whether they agree.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, permutations

from policygen.rightsize.api.entries.variables import FORMS, is_valid

Values = tuple[str, ...]
"""What stands in the places of a format's variables, in their order."""

Matcher = Callable[[str], re.Match[str] | None]

_NAME = re.compile(r"\$context\.(authorizer\.[\w-]+(?:\.[\w-]+(?::\w+)?)*|\w+(?:\.\w+)*)")
_SPACE = re.compile(r'("[^"]*")|\s+')
_MARKS = '"<,;|\t'
_SEPARATORS = (*_MARKS, *map("".join, permutations(f"{_MARKS} ", 2)), " ")
"""One that stands in every piece between variables, or two of which one does: the first holds together what it ends."""
WAYS = 8
"""Ways to take an entry apart that are looked at."""
STEPS = 4_000
"""Steps that the search for them takes: a hostile text could make it as long as the square of the text."""
_STEP = 256
"""Characters of a value that are looked at in a step."""


class TooManyWaysError(Exception):
    """An entry could be taken apart in too many ways to look at all."""


class EntryFormat:
    """A format.

    Attributes:
        text: as the stage has it.
        variables: their names without ``$context.``, in order.
        constants: the pieces before, between and behind them; one more than there are variables.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        parts = _NAME.split(text.strip("\r\n"))
        self.constants = tuple(parts[::2])
        self.variables = tuple(parts[1::2])

    def match_only_way(self, kept: Iterable[range] | None = None) -> Matcher:
        """Return what matches an entry that can be taken apart in one way only.

        The values may have other forms than those of their variables. There is such a pattern where a separator stands
        in every piece between variables, and in no value: then each separator of the entry is one of the format's, and
        says where a value ends. Where it stands in some pieces only, as quotes do in the common log format, what is
        between two of these is taken apart by another one in the same way.

        Args:
            kept: numbers of variables that follow one another, for each group of the match; by default a group each.
        """
        count = len(self.variables)
        groups = [range(n, n + 1) for n in range(count)] if kept is None else list(kept)
        opens, ends = {one[0] for one in groups}, {one[-1] for one in groups}
        separators = next(filter(self._separated_by, _SEPARATORS), None) if count else None
        if separators is None:
            return _no_match
        text = re.escape(self.constants[0])
        for n, variable in enumerate(self.variables):
            beside = self.constants[max(n, 1) : min(n + 2, count)]
            alone = all(separators[0] in one for one in beside)
            text += "(" * (n in opens) + _value(variable, separators[:1] if alone else separators)
            text += ")" * (n in ends) + re.escape(self.constants[n + 1])
        return re.compile(text, re.ASCII).fullmatch

    def _separated_by(self, separators: str) -> bool:
        """Return whether one of some separators stands in every piece between variables, and each in some."""
        inner = self.constants[1:-1]
        return all(not set(separators).isdisjoint(one) for one in inner) and (
            len(separators) == 1 or all(any(separator in one for one in inner) for separator in separators)
        )

    def ways(self, entry: str) -> list[Values]:
        """Return the ways to take an entry apart into values of their variables' forms; at most `WAYS`.

        Raises:
            TooManyWaysError: there are more, or the search would take too long.
        """
        found = list(islice(_Search(self, entry).ways(), WAYS + 1))
        if len(found) > WAYS:
            raise TooManyWaysError
        return found


def compact(text: str) -> str:
    """Return JSON without the white space between its strings; every quote in it has to be the end of a string."""
    return _SPACE.sub(lambda found: found[1] or "", text)


def _value(variable: str, separators: str) -> str:
    """Return the pattern of a value that holds separators as often as each value of its variable does."""
    return FORMS[variable] if variable == "requestTime" else f"[^{separators}]*"


def _no_match(_: str) -> None:
    return None


class _Search:
    """Looks for the ways to take one entry apart."""

    def __init__(self, entry_format: EntryFormat, entry: str) -> None:
        self._format = entry_format
        self._entry = entry
        self._dead: set[tuple[int, int]] = set()
        self._steps = 0

    def ways(self) -> Iterator[Values]:
        """Yield them, those with the shorter first values first."""
        if self._entry.startswith(self._format.constants[0]):
            yield from self._after(0, len(self._format.constants[0]))

    def _after(self, number: int, start: int) -> Iterator[Values]:
        """Yield the ways to take apart what begins with a variable's value."""
        if number == len(self._format.variables):
            if start == len(self._entry):
                yield ()
            return
        if (number, start) in self._dead:
            return
        variable, constant = self._format.variables[number], self._format.constants[number + 1]
        alive = False
        for end in self._ends(number, constant, start):
            value = self._entry[start:end]
            if not is_valid(variable, value):
                continue
            for rest in self._after(number + 1, end + len(constant)):
                alive = True
                yield (value, *rest)
        if not alive:
            self._dead.add((number, start))

    def _ends(self, number: int, constant: str, start: int) -> Iterator[int]:
        """Yield where a value may end: before each place of the constant that follows it."""
        if number == len(self._format.variables) - 1:
            end = len(self._entry) - len(constant)
            if end >= start and self._entry.endswith(constant):
                yield end
            return
        end = self._entry.find(constant, start)
        while end >= 0:
            self._steps += 1 + (end - start) // _STEP
            if self._steps > STEPS:
                raise TooManyWaysError
            yield end
            end = self._entry.find(constant, end + 1)
