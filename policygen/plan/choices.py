"""The options that a plan was made with, beside those that say what was read."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

_READ = frozenset(
    {
        "--role", "--logs", "--snapshot", "--live", "--days", "--until", "--profile", "--region", "--jobs", "--dask",
        "--no-cache", "--max-scan", "--verify-digests", "--public-keys",
    }
)  # fmt: skip
"""The options that say what was read, and how."""


def choices_of(inputs: Sequence[Sequence[str]] | None) -> str:
    """Return the options that shaped the policy, as a shell reads them: ``--drop 'states:*'``; "" for none.

    Args:
        inputs: those of a plan; None where they are not known.
    """
    return shlex.join(word for words in inputs or () if words[0] not in _READ for word in words)
