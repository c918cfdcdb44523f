"""Line and column of each element in the text of a policy, for reviewers and review tools."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


class Location(NamedTuple):
    """A place in a text. Lines and columns count from 1."""

    line: int
    column: int


Path = tuple[str | int, ...]
"""Keys and list indexes from the root: ``("Statement", 0, "Action", 2)``."""


def locations(text: str) -> dict[Path, Location]:
    """Return the location of each value of a JSON text, by its path. Text that is not JSON has none.

    Keys are compared as they are written. A single value where IAM also allows a list has a path without an index.
    """
    line_starts = [0] + [newline.end() for newline in re.finditer("\n", text)]
    found: dict[Path, Location] = {}
    for path, offset in _walk(text):
        line = bisect_right(line_starts, offset) - 1
        found[path] = Location(line + 1, offset - line_starts[line] + 1)
    return found


def _walk(text: str) -> Iterator[tuple[Path, int]]:
    """Yield path and offset of each value."""
    path: list[str | int] = []
    brackets: list[str] = []
    expect_key = False
    for match in _TOKEN.finditer(text):
        symbol = match.group()
        if symbol in {"{", "["}:
            yield tuple(path), match.start()
            brackets.append(symbol)
            path.append("" if symbol == "{" else 0)
            expect_key = symbol == "{"
        elif symbol in {"}", "]"}:
            if brackets:
                brackets.pop()
                path.pop()
            expect_key = False
        elif symbol == ",":
            if brackets and brackets[-1] == "[":
                last = path[-1]
                path[-1] = last + 1 if isinstance(last, int) else 0
            expect_key = bool(brackets) and brackets[-1] == "{"
        elif symbol == ":":
            expect_key = False
        elif expect_key and path:
            path[-1] = _key(symbol)
        else:
            yield tuple(path), match.start()


def _key(symbol: str) -> str:
    """Return the key that a token writes; the token itself where it is no JSON string."""
    try:
        return str(json.loads(symbol))
    except ValueError:
        return symbol
