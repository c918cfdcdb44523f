"""Where in a policy's text its elements stand: line and column for people and machines who review it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


class Location(NamedTuple):
    """Counted from 1."""

    line: int
    column: int


Path = tuple[str | int, ...]
"""Keys and positions from the root: ``("Statement", 0, "Action", 2)``."""


def locations(text: str) -> dict[Path, Location]:
    """The place of each value of a JSON text; what is not JSON has none.

    Keys are taken as they are written; a value that stands alone where IAM allows a list has its own path only.
    """
    starts = [0] + [found.end() for found in re.finditer("\n", text)]
    found: dict[Path, Location] = {}
    for path, offset in _walk(text):
        line = _line(starts, offset)
        found[path] = Location(line + 1, offset - starts[line] + 1)
    return found


def _line(starts: list[int], offset: int) -> int:
    from bisect import bisect_right

    return bisect_right(starts, offset) - 1


def _walk(text: str) -> Iterator[tuple[Path, int]]:
    stack: list[str | int] = []
    kinds: list[str] = []
    expect_key = False
    for token in _TOKEN.finditer(text):
        sign = token.group()
        if sign in {"{", "["}:
            yield tuple(stack), token.start()
            kinds.append(sign)
            stack.append("" if sign == "{" else 0)
            expect_key = sign == "{"
        elif sign in {"}", "]"}:
            if kinds:
                kinds.pop()
                stack.pop()
            expect_key = False
        elif sign == ",":
            if kinds and kinds[-1] == "[":
                last = stack[-1]
                stack[-1] = last + 1 if isinstance(last, int) else 0
            expect_key = bool(kinds) and kinds[-1] == "{"
        elif sign == ":":
            expect_key = False
        elif expect_key and stack:
            stack[-1] = _key(sign)
        else:
            yield tuple(stack), token.start()


def _key(sign: str) -> str:
    try:
        return str(json.loads(sign))
    except ValueError:
        return sign
