"""Subjects of OIDC tokens as patterns: exact, but for names that are new each time.

Three or more refs of one kind in one repository become a pattern, and so do three or more subjects that differ in one
part only. Repositories, environments and service accounts stay exact, because each is a decision of its own.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from policygen.iam import arn
from policygen.iam.containment import includes

ENOUGH = 3
"""How many names make a pattern."""

_EXACT_AFTER = frozenset(
    {
        "repo", "repository", "repository_id", "repository_owner", "repository_owner_id", "job_workflow_ref",
        "project_path", "environment", "serviceaccount",
    }
)  # fmt: skip
"""Parts after which a name stands that stays exact; of a service account also the part after its namespace."""
_EXACT_AFTER_SLASH = frozenset({"org", "project"})
"""The same in subjects whose parts stand between slashes, as those of CircleCI."""
_REF = re.compile(r"(refs/[^/*]+/)(.+)")

Parts = tuple[str, ...]


def patterns_of(subjects: Iterable[str]) -> list[str]:
    """Return patterns of StringLike, sorted, that match these subjects."""
    by_separator: dict[str, set[Parts]] = defaultdict(set)
    for one in subjects:
        separator = ":" if ":" in one else "/"
        by_separator[separator].add(tuple(arn.quote(part) for part in one.split(separator)))
    return sorted(
        separator.join(one)
        for separator, found in by_separator.items()
        for one in _merged_all(found, separator)
    )


def _merged_all(found: set[Parts], separator: str) -> set[Parts]:
    exact = _EXACT_AFTER if separator == ":" else _EXACT_AFTER_SLASH
    while (merged := _merged(found, exact)) != found:
        found = merged
    return found


def _merged(found: set[Parts], exact: frozenset[str]) -> set[Parts]:
    """Merge subjects at the last part at which enough of them differ; return the same where there is none."""
    longest = max(map(len, found), default=0)
    for place in reversed(range(longest)):
        groups: dict[tuple[Parts, str, Parts], set[Parts]] = defaultdict(set)
        for one in found:
            if place < len(one) and not _stays_exact(one, place, exact):
                groups[one[:place], _kind(one[place]), one[place + 1 :]].add(one)
        for (before, kind, after), members in sorted(groups.items()):
            if len(members) >= ENOUGH:
                return (found - members) | {(*before, f"{kind}*", *after)}
    return found


def _stays_exact(parts: Parts, place: int, exact: frozenset[str]) -> bool:
    before = parts[:place]
    return bool(before and (before[-1] in exact or (len(before) > 1 and before[-2] == "serviceaccount")))


def _kind(part: str) -> str:
    """Return the part of a ref that says what it is, ``refs/tags/``; "" of anything else."""
    found = _REF.fullmatch(part)
    return found[1] if found else ""


def cut_to(patterns: Iterable[str], subjects: Iterable[str], today: Sequence[str]) -> list[str]:
    """Return patterns that match the subjects, and nothing that today's patterns do not match.

    Args:
        patterns: as `patterns_of` returns them.
        subjects: that were seen.
        today: values of StringLike.
    """
    wide = [arn.string_glob(one) for one in today]
    seen = sorted(set(subjects))
    found: set[str] = set()
    for pattern in patterns:
        glob = arn.string_glob(pattern)
        if any(includes(one, glob) for one in wide):
            found.add(pattern)
            continue
        inside = [part for one in today for part in arn.intersect_strings(one, pattern) or ()]
        inside = [one for one in inside if any(includes(outer, arn.string_glob(one)) for outer in wide)]
        members = [one for one in seen if glob.matches(one)]
        if inside and all(any(arn.string_glob(one).matches(member) for one in inside) for member in members):
            found.update(
                one for one in inside if any(arn.string_glob(one).matches(member) for member in members)
            )
        else:
            found.update(arn.quote(member) for member in members)
    return sorted(found)
