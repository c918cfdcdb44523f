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


_SAME_RESULT = frozenset({"--role", "--jobs", "--dask", "--no-cache", "--max-scan"})
"""The options that change no answer."""


def options_lost(before: Sequence[Sequence[str]], after: Sequence[Sequence[str]] | None) -> tuple[str, bool]:
    """Return the options of one plan that another has not, as a shell reads them, and whether any differ at all.

    Args:
        before: the options of the first.
        after: those of the other; None where they are not known.
    """
    theirs, mine = (
        [tuple(words) for words in one or () if words[0] not in _SAME_RESULT] for one in (before, after)
    )
    lost = [words for words in theirs if words not in mine]
    return shlex.join(word for words in lost for word in words), {*theirs} != {*mine}


def choices_of(inputs: Sequence[Sequence[str]] | None) -> str:
    """Return the options that shaped the policy, as a shell reads them: ``--drop 'states:*'``; "" for none.

    Args:
        inputs: those of a plan; None where they are not known.
    """
    return shlex.join(word for words in inputs or () if words[0] not in _READ for word in words)
