"""Classes of the names that a workload makes up as it goes, and the pattern by which a policy writes each class.

A name with a varying part belongs to the class of its shape, any other to that of its folder. The class of a name
follows from the name alone; whether the names of a class are written one by one or by its pattern, from how many there
are.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from string import ascii_letters, digits
from typing import Literal

import msgspec

from policygen.iam import arn

MANY = 5
"""If one folder has more constant names than this, more are expected."""
MANY_AT_TOP = 20
"""The same for names outside any folder, where the pattern would match the whole bucket."""

_FIXED = re.compile(
    r"(?<![0-9A-Za-z])(?:"
    r"(?P<uuid>[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})"
    r"|(?P<digest>[0-9a-fA-F]{64}|[0-9a-fA-F]{40}|[0-9a-fA-F]{32})"
    r"|20(?:\d\d-[01]\d-[0-3]\d|\d\d[01]\d[0-3]\d|\d\d)"  # date, compact date, year of this century
    r")(?![0-9A-Za-z])"
)
# A number by itself, three digits in a row, or a long run with digits in it: a counter or a random part. One or two
# digits at the end of a word belong to its name: v1, s3, data2.
_VARYING = re.compile(
    r"(?<![0-9A-Za-z])\d+(?![0-9A-Za-z])|\d{3,}|(?<![0-9A-Za-z])(?=[a-zA-Z]*\d)[0-9a-zA-Z]{12,}"
)
_DIGIT = re.compile(r"\d")
_MASK = dict.fromkeys(map(ord, ascii_letters + digits), "?")
_HEX = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-")
"""What every digest and UUID has in it: a quick test, since names come by the million."""
_DIGEST = 32
"""Characters of the shortest digest."""
_ENDING = re.compile(r"/[A-Za-z_-]+(?:\.[A-Za-z]+[0-9]?)?$|\.[A-Za-z]+[0-9]?$")

Kind = Literal["shape", "ending", "folder"]
"""What the names of a class have in common: where their varying parts are; how they end, since they begin with a
varying part; the folder of names without varying parts."""


class NameClass(msgspec.Struct, frozen=True, gc=False):
    """A class of names."""

    kind: Kind
    pattern: str
    """An IAM pattern that matches every name of the class."""

    @property
    def most(self) -> int:
        """How many names of the class are written one by one; if there are more, by its pattern."""
        if self.kind == "shape":
            return 0
        return MANY_AT_TOP if self.pattern == "*" else MANY


def name_class(name: str) -> NameClass:
    """Return the class of a name.

    A name with a varying part keeps what comes before that part; parts of fixed width (a year, a date, a UUID, a
    digest) become as many ``?``, and the name goes on after them. A name that begins with a varying part keeps its
    constant end, and one without such parts its folder.
    """
    shape = _shape(name)
    if shape is None:
        folder = name.rpartition("/")[0]
        return NameClass("folder", f"{arn.escape(folder)}/*" if folder else "*")
    if shape == "*":
        found = _ENDING.search(name)
        return NameClass("ending", f"*{arn.escape(found.group())}" if found else "*")
    return NameClass("shape", shape)


def learn_patterns(names: Iterable[str]) -> dict[str, str]:
    """Map path-like names to IAM patterns that keep their constant beginning.

    A name is written by the pattern of its class if that has a varying part behind a constant beginning. Else it stays
    exact, unless the class has more than `MANY` names: the pattern would match more than names that vary alike.
    """
    classes: dict[NameClass, list[str]] = defaultdict(list)
    for name in sorted(set(names)):
        classes[name_class(name)].append(name)
    return {
        name: one.pattern if len(members) > one.most else arn.escape(name)
        for one, members in classes.items()
        for name in members
    }


def _shape(name: str) -> str | None:
    """Return the pattern of a name with varying parts; None without such parts, ``*`` if it begins with one."""
    digit = _DIGIT.search(name)
    if digit is None and not _has_hex(name):
        return None
    end = name.rfind("/") + 1
    # No part goes over a slash, and many names lie in the same folders; those that are words tell nothing.
    begun = _shape_of_folders(name[:end]) if digit and digit.start() < end else None
    if begun is None:
        return _shape_of(name)
    return begun if begun.endswith("*") else _shape_of(name[end:], begun)


def _shape_of(name: str, begun: str = "") -> str | None:
    """Return `_shape` of a name, or of what follows folders that are written already."""
    with_hex = _has_hex(name)
    written = [begun] if begun else []
    at = 0
    while at < len(name):
        varying = _next_varying(name, at)
        if with_hex:
            fixed = _FIXED.search(name, at)
        elif varying and name.startswith(
            "20", varying.start()
        ):  # a date, whose digits would vary by themselves
            fixed = _FIXED.match(name, varying.start())
        else:
            fixed = None
        if fixed and (not varying or fixed.start() <= varying.start()):
            written.append(arn.escape(name[at : fixed.start()]) + _masked(fixed))
            at = fixed.end()
        elif varying:
            return "".join(written) + arn.escape(name[at : varying.start()]) + "*"
        else:
            break
    return "".join(written) + arn.escape(name[at:]) if written else None


def _has_hex(name: str) -> bool:
    """Return whether a name may have a digest or a UUID in it."""
    return (len(name) >= _DIGEST or "-" in name) and _HEX.search(name) is not None


_shape_of_folders = lru_cache(maxsize=1024)(_shape_of)


def _next_varying(name: str, at: int) -> re.Match[str] | None:
    """Return the next varying part; the search begins with the word that has the next digit."""
    digit = _DIGIT.search(name, at)
    if digit is None:
        return None
    begin = digit.start()
    while begin > at and name[begin - 1].isalnum():
        begin -= 1
    return _VARYING.search(name, begin)


def _masked(found: re.Match[str]) -> str:
    """Mask a part of fixed width; a year keeps its century, so that no word of four letters matches."""
    text = found.group()
    kept = "" if found["uuid"] or found["digest"] else text[:2]
    return kept + text[len(kept) :].translate(_MASK)
