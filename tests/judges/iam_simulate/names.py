"""Names that several patterns match: a request must be allowed by every kind of policy at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from policygen.iam import arn
from policygen.iam.document import Policy
from policygen.iam.example_requests import example_names
from policygen.iam.reference import Action

_PIECES = 300
"""Intersections of patterns that are looked at for one request."""


def with_values(pattern: str, values: Mapping[str, Sequence[str]]) -> str:
    """Return a pattern with a value for each policy variable: any, where it is not among `values`, by lower case."""
    return re.sub(r"\$\{([^{}*?$,]+)\}", lambda found: (values.get(found[1].lower()) or ("red",))[0], pattern)


def patterns_about(action: str, policies: Iterable[Policy]) -> list[str]:
    """Return the patterns of every statement that may apply to an action, Deny or Allow, listed or left out."""
    found = (
        resource
        for policy in policies
        for statement in policy.statements
        if statement.not_actions or any(arn.action_matches(one, action) for one in statement.actions)
        for resource in statement.resources
    )
    return list(dict.fromkeys(found))


def names_in_common(pattern: str, others: Iterable[str], action: Action | None) -> Iterator[str]:
    """Yield names that a pattern matches together with any of the others, two or more of them included.

    A boundary that allows the one folder and a control policy that spares the one ending leave a name that lies in
    both, and beside none of the two alone.
    """
    pieces = {pattern: None}
    for other in others:
        for piece in tuple(pieces):
            if arn.overlaps(piece, other) and len(pieces) < _PIECES:
                pieces |= dict.fromkeys(arn.intersect(piece, other) or ())
    for piece in pieces:
        yield from example_names(piece, (), (), action)
