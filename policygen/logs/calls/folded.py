"""How a call stands for many: its made-up names are replaced by patterns, each of a class of names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from policygen.catalog.call import NamePattern, ResourceEntry
from policygen.iam import arn


class Name(msgspec.Struct, frozen=True, gc=False, array_like=True, cache_hash=True):
    """A made-up name of a call, or a class of such names."""

    text: str
    """The name; the IAM pattern of a class."""
    learned: bool
    """Whether a pattern is learned of such names; else it is ``*``."""
    kind: str = ""
    """What the names of the class have in common, ``folder``; "" for one name."""

    @property
    def pattern(self) -> str:
        """The name or the class as an IAM pattern."""
        return self.text if self.kind else arn.escape(self.text)


class Value(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A value of a call that has made-up names in it."""

    place: tuple[str, ...]
    """``params`` and the path of a member, ``resources`` and a number, or ``denial``."""
    fixed: tuple[str, ...]
    """The text before, between and behind the names."""
    names: tuple[int, ...]
    """Their numbers among the names of the call."""
    encoded: bool = False
    """Whether names are percent-encoded in it, as in a header."""


class Folded(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The values of a call that have made-up names. The call itself is left without them.

    They are not among its parameters, so that nothing in a log can look like a class of names.
    """

    values: tuple[Value, ...]
    names: tuple[Name, ...] = ()
    """() for the template that calls with different names have in common."""

    def in_parameters(
        self, params: dict[str, Any], form: Callable[[str], str] = NamePattern
    ) -> dict[str, Any]:
        """Return parameters with their names, patterns in some form."""
        for value in self.values:
            if value.place[0] == "params":
                *path, member = value.place[1:]
                below = params
                for name in path:
                    below = below[name]
                below[member] = form(self._pattern(value))
        return params

    def in_resources(self, resources: tuple[ResourceEntry, ...]) -> tuple[ResourceEntry, ...]:
        """Return the entries of `resources` with their names."""
        found = self._patterns("resources")
        return tuple(
            msgspec.structs.replace(entry, arn=found.get(str(number), entry.arn))
            for number, entry in enumerate(resources)
        )

    @property
    def denied(self) -> str:
        """The pattern of the resources that error messages name; "" for none."""
        return next((str(self._pattern(value)) for value in self.values if value.place == ("denial",)), "")

    def _patterns(self, place: str) -> Mapping[str, NamePattern]:
        return {value.place[1]: self._pattern(value) for value in self.values if value.place[0] == place}

    def _pattern(self, value: Value) -> NamePattern:
        *before, after = value.fixed
        text = "".join(
            arn.escape(fixed) + self.names[number].pattern
            for fixed, number in zip(before, value.names, strict=True)
        )
        if value.encoded:
            return NamePattern(text.replace("%", "%25").replace("?", "%3F") + after)
        return NamePattern(text + arn.escape(after))
