"""Reading the JSON of a snapshot as typed shapes, with errors that name the place."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from policygen.errors import UsageError
from policygen.text import sanitize

MAKE_ONE = "make one: policygen snapshot, or: aws iam get-account-authorization-details > account.json"

T = TypeVar("T")


def convert(value: object, shape: type[T], name: str, at: str) -> T:
    """Return a value read as a shape; raises PG-E213 with its place below `at`."""
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        text = str(error)
        problem, _, path = text.partition(" - at `$")
        raise wrong_shape(name, f"{problem} - at `{at}{path.removesuffix('`')}`") from error


def wrong_shape(name: str, problem: str) -> UsageError:
    """Return the error PG-E213 for a file that is no snapshot."""
    hints = (MAKE_ONE, "a folder or file of CloudTrail logs goes to --logs")
    return UsageError(f"{name} is not an account snapshot: {sanitize(problem, 400)}", *hints, code="PG-E213")
