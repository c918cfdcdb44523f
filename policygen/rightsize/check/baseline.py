"""The findings that a team knows of and lives with, so that the gate fails for what is new alone.

A baseline lists subjects and where they hold, not findings: "3 actions of s3:Get*" of today are not the three of
tomorrow, and an action that was accepted for one bucket is new on every other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from policygen.errors import UsageError
from policygen.rightsize.check.findings import RULES, Finding
from policygen.text import escape_controls, visible_json

_KEY = "policygen_baseline"
_VERSION = 1

Points = frozenset[tuple[str, str, str]]
"""Rule, subject and where it holds, as `Finding.points` has them."""


class AgainstBaseline(NamedTuple):
    """The findings about a role, seen against a baseline."""

    new: tuple[Finding, ...]
    """Findings of which the baseline does not have all; these keep what it has."""
    known: int
    """Findings of which the baseline has all."""
    gone: int
    """Entries of the baseline about the role that nothing was found of."""


class Baseline(msgspec.Struct, frozen=True):
    """What a file accepts, by role name."""

    accepted: Mapping[str, Points]

    def against(self, role: str, findings: Iterable[Finding]) -> AgainstBaseline:
        """Split findings about a role into new ones and known ones."""
        accepted = self.accepted.get(role, frozenset())
        found = list(findings)
        new = tuple(one for one in found if not one.points <= accepted)
        gone = accepted.difference(*(one.points for one in found))
        return AgainstBaseline(new, len(found) - len(new), len(gone))


def baseline_text(findings: Mapping[str, Sequence[Finding]], before: str = "", name: str = "") -> str:
    """Return the file that accepts findings, by role name: a line for each rule and place, for diffs.

    Args:
        findings: of each role.
        before: a baseline, whose rows about other roles stay as they are; "" for none.
        name: its file, for messages.

    Raises:
        UsageError: PG-E246, `before` is no baseline.
    """
    rows: dict[tuple[str, str, str], set[str]] = {}
    for role, found in findings.items():
        for rule, subject, where in (point for one in found for point in one.points):
            rows.setdefault((role, rule, where), set()).add(subject)
    for row in _rows(before, name) if before else ():
        if row["role"] not in findings:
            rows[row["role"], row["rule"], row["where"]] = set(row["subjects"])
    lines = [
        json.dumps(
            {"role": role, "rule": rule, "where": where, "subjects": sorted(subjects)}, ensure_ascii=False
        )
        for (role, rule, where), subjects in sorted(rows.items())
    ]
    listed = ",\n    ".join(lines)
    return visible_json(f'{{\n  "{_KEY}": {_VERSION},\n  "accepted": [\n    {listed}\n  ]\n}}\n')


def parse_baseline(text: str, name: str) -> Baseline:
    """Read a baseline; `name` is the file's name in messages.

    Raises:
        UsageError: PG-E246, it is no baseline.
    """
    accepted: dict[str, set[tuple[str, str, str]]] = {}
    for row in _rows(text, name):
        points = ((row["rule"], subject.lower(), row["where"]) for subject in row["subjects"])
        accepted.setdefault(row["role"], set()).update(points)
    return Baseline({role: frozenset(points) for role, points in accepted.items()})


def _rows(text: str, name: str) -> list[Any]:
    """Return the rows of a baseline, as they are written.

    Raises:
        UsageError: PG-E246, it is no baseline.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise no_baseline(name, "it is not JSON") from None
    if not isinstance(document, dict) or document.get(_KEY) != _VERSION:
        raise no_baseline(name, f'it does not begin with "{_KEY}": {_VERSION}')
    found = document.get("accepted")
    rows = found if isinstance(found, list) else [None]
    for number, row in enumerate(rows):
        if not _is_row(row):
            raise no_baseline(name, f"accepted[{number}] needs a role, a rule, where it holds, and subjects")
    return rows


def _is_row(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and all(isinstance(row.get(key), str) for key in ("role", "rule", "where"))
        and row["rule"] in RULES
        and isinstance(row.get("subjects"), list)
        and all(isinstance(one, str) for one in row["subjects"])
    )


def no_baseline(name: str, reason: str, *, missing: bool = False) -> UsageError:
    """Return the error for a file that cannot be read as a baseline; the next command writes one that is missing."""
    return UsageError(
        f"{escape_controls(name)!r} is no baseline: {reason}",
        "--write-baseline FILE writes one of what is found today",
        code="PG-E246",
        instead=("--baseline", "--write-baseline") if missing else None,
    )
