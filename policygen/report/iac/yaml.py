"""Writes YAML that readers of versions 1.1 and 1.2 understand alike: blocks, and only strings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from policygen.report.iac.common import quoted

_PLAIN = re.compile(r"[A-Za-z](?:[A-Za-z0-9_./:@*-]*[A-Za-z0-9_/*-])?")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""Words that YAML 1.1 reads as a boolean or as null."""


_LONGEST = 1000
"""Readers look no further for the colon of a key, unless a question mark announces a long one."""


def yaml_string(value: str) -> str:
    """Return a string, without quotes where every reader reads a string."""
    return value if _PLAIN.fullmatch(value) and value.lower() not in _WORDS else quoted(value)


def lines(value: Mapping[str, Any] | list[Any]) -> Iterator[str]:
    """Yield a mapping or a list of strings, mappings and lists, as lines."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _entry(yaml_string(key), inner)
    else:
        for inner in value:
            first, *others = _nested(inner)
            yield f"- {first}"
            yield from (f"  {line}" for line in others)


def _entry(key: str, value: Any) -> Iterator[str]:
    lead = f"{key}:"
    if len(key) > _LONGEST:
        yield f"? {key}"
        lead = ":"
    first, *others = _nested(value)
    if not value or isinstance(value, str):
        yield f"{lead} {first}"
        return
    yield lead
    yield from (f"  {line}" for line in (first, *others))


def _nested(value: Any) -> list[str]:
    if isinstance(value, str):
        return [yaml_string(value)]
    return list(lines(value)) or ["{}" if isinstance(value, Mapping) else "[]"]


def dump(value: Mapping[str, Any]) -> str:
    """Return a mapping as a YAML document; it ends with a line break."""
    return "\n".join(lines(value)) + "\n"
