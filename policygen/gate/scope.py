"""Where something is granted, as a text that people read in a baseline, and that is read back from it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from policygen.iam.document import Conditions


class GrantedOn(NamedTuple):
    """Where something is granted."""

    resource: str
    """A pattern; ``*`` where there are `excluded` ones."""
    excluded: tuple[str, ...] = ()
    conditions: Conditions = ()
    denies: frozenset[str] = frozenset()
    """Deny statements that hold beside it, as texts."""


def scopes(resources: Sequence[str], excluded: Sequence[str], conditions: Conditions) -> list[str]:
    """Return where an action is granted, a text for each resource. Fewer conditions are another text: more is granted.

    Args:
        resources: patterns; all but `excluded` where there are any of these.
        excluded: the patterns of a NotResource.
        conditions: of the statement.
    """
    when = f"{_IF}{json.dumps(conditions)}" if conditions else ""
    if excluded:
        return [f"{_ALL_BUT}{', '.join(map(_quoted, excluded))}{when}"]
    return [f"{_quoted(one)}{when}" for one in resources]


def beside(denies: Iterable[str]) -> str:
    """Return what stands behind a scope: the Deny statements, as JSON, that hold beside it."""
    return "".join(sorted(f"{_BUT}{one}" for one in denies))


_ALL_BUT, _IF, _BUT = "all but ", " if ", " but "
_SCOPE = re.compile(r"(?P<but>all but )?(?P<on>.+?)(?: if (?P<when>\[\[.*\]\]))?", re.DOTALL)
_UNCLEAR = re.compile(r'"|^!|^all but | if | but |, ')
"""What makes a pattern look like more than one."""


def _quoted(pattern: str) -> str:
    return json.dumps(pattern, ensure_ascii=False) if _UNCLEAR.search(pattern) else pattern


@lru_cache(maxsize=1 << 12)
def read_scope(text: str) -> GrantedOn | None:
    """Read what `scopes` and `beside` write; None for any other text, and for one that could mean two things."""
    granted, *denies = text.split(f"{_BUT}{{")
    found = _SCOPE.fullmatch(granted)
    if found is None:
        return None
    patterns = tuple(found["on"].split(", ") if found["but"] else [found["on"]])
    if any(_UNCLEAR.search(one) for one in patterns):
        return None
    try:
        conditions = _conditions(json.loads(found["when"])) if found["when"] else ()
    except (ValueError, TypeError, RecursionError):
        return None
    resource, excluded = ("*", patterns) if found["but"] else (patterns[0], ())
    return GrantedOn(resource, excluded, conditions, frozenset(denies))


def said(text: str) -> str:
    """Return a scope in the words of a sentence: ``shop if s3:prefix StringLike a/ or b/``; another text as it is."""
    scope = read_scope(text)
    if scope is None:
        return text
    on = f"all but {', '.join(scope.excluded)}" if scope.excluded else scope.resource
    tests = [f"{key} {name} {' or '.join(values)}" for name, keys in scope.conditions for key, values in keys]
    denies = f", beside {len(scope.denies)} Deny" if scope.denies else ""
    return f"{on}{' if ' if tests else ''}{' and '.join(tests)}{denies}"


def _conditions(blocks: list[tuple[str, list[tuple[str, list[str]]]]]) -> Conditions:
    """Return condition blocks as a statement has them.

    Raises:
        ValueError, TypeError: they are none.
    """
    return tuple(
        (name, tuple((key, tuple(map(str, values))) for key, values in keys)) for name, keys in blocks
    )
