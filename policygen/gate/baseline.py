"""The findings that a team knows of and lives with, so that the gate fails for what is new alone.

A baseline lists subjects and where they hold, not findings: "3 actions of s3:Get*" of today are not the three of
tomorrow, and an action that was accepted for one bucket is new on every other. What is less than accepted is accepted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from policygen.errors import UsageError
from policygen.gate.accepted import Accepted, Point
from policygen.gate.findings import LEVELS, RULES, Finding
from policygen.gate.scope import said
from policygen.iam import reference
from policygen.iam.locations import locations
from policygen.text import escape_controls, pluralize, visible_json

_KEY = "policygen_baseline"
_VERSION = 1
EMPTY = json.dumps({_KEY: _VERSION, "accepted": []})
"""A baseline that accepts nothing."""

Whose = tuple[str, str]
"""Name and account of a role; the account is "" where it is not known: it may be any then."""
Points = frozenset[Point]
"""Rule, subject and where it holds, as `Finding.points` has them."""


class AgainstBaseline(NamedTuple):
    """The findings about a role, seen against a baseline."""

    new: tuple[Finding, ...]
    """Findings of which the baseline does not have all; these keep what it has."""
    known: int
    """Findings of which the baseline has all."""
    gone: int
    """Entries of the baseline about the role that nothing was found of."""
    entries: int = 0
    """All other entries of the baseline about the role: they accept the known findings, and parts of new ones."""


class Baseline(msgspec.Struct, frozen=True):
    """What a file accepts, by role, and what it accepts in addition to an older one, which does not count."""

    accepted: Mapping[Whose, Points]
    newly: Mapping[Whose, Points] = msgspec.field(default_factory=dict)
    written: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Subject in lower case -> as the file has it."""

    def since(self, before: Baseline) -> Baseline:
        """Return the baseline that accepts what both accept: a change cannot accept its own findings."""
        both = {}
        for role, points in self.accepted.items():
            older = Accepted(_of_role(before.accepted, role))
            both[role] = frozenset(point for point in points if point in older)
        newly = {role: points - both[role] for role, points in self.accepted.items() if points - both[role]}
        return Baseline(both, newly, self.written)

    def against(self, role: Whose, findings: Iterable[Finding]) -> AgainstBaseline:
        """Split findings about a role into new ones and known ones."""
        points = _of_role(self.accepted, role)
        accepted = Accepted(points)
        found = list(findings)
        new = tuple(one for one in found if not all(point in accepted for point in one.points))
        gone = points.difference(*(one.points for one in found))
        return AgainstBaseline(new, len(found) - len(new), len(gone), len(points) - len(gone))

    def newly_of(self, role: Whose) -> list[str]:
        """Return what is newly accepted of a role, a text for each rule and place."""
        return _listed(_of_role(self.newly, role), self.written)

    def newly_of_others(self, roles: Iterable[Whose]) -> list[str]:
        """Return what is newly accepted of all roles but these, a text for each role, rule and place."""
        known = {one for name, account in roles for one in ((name, account), (name, ""))}
        others = sorted(set(self.newly) - known)
        return [
            f"of {' in '.join(filter(None, role))}, not checked here: {one}"
            for role in others
            for one in _listed(self.newly[role], self.written)
        ]


def _of_role(points: Mapping[Whose, Points], role: Whose) -> Points:
    """Return the points of a role: of its account, and of a role of that name in any."""
    nothing: Points = frozenset()
    return points.get(role, nothing) | points.get((role[0], ""), nothing)


_NAMED = 4
"""Subjects of a rule and place that are named."""


def _worst_first(rule: str) -> int:
    return -LEVELS.index(RULES[rule].level)


def _listed(points: Iterable[Point], written: Mapping[str, str]) -> list[str]:
    """Return a text for each rule and place, errors first: ``PG101 iam:PassRole on * (1)``. Notes are only counted."""
    places: dict[tuple[str, str], list[str]] = {}
    notes = sum(RULES[rule].level == "note" for rule, _, _ in points)
    for rule, subject, where in sorted(points, key=lambda point: (_worst_first(point[0]), point)):
        if RULES[rule].level != "note":
            places.setdefault((rule, where), []).append(subject)
    texts = []
    for (rule, where), subjects in places.items():
        names = ", ".join(written.get(one, one) for one in subjects[:_NAMED])
        more = f" and {len(subjects) - _NAMED:,} more" if len(subjects) > _NAMED else ""
        texts.append(f"{rule} {names}{more}{f' on {said(where)}' if where else ''} ({len(subjects):,})")
    return texts + [f"{pluralize(notes, 'note')}"] * bool(notes)


def _spelled(subject: str) -> str:
    """Return a subject with its actions as IAM spells them."""
    found = ((word, reference.action(word)) for word in subject.split(" "))
    return " ".join(action.name if action else word for word, action in found)


class BaselineFile(NamedTuple):
    """A baseline as it is written."""

    text: str
    name: str
    """For messages."""


def baseline_text(
    findings: Mapping[Whose, Sequence[Finding]],
    before: BaselineFile | None = None,
    kept: Sequence[BaselineFile] = (),
) -> str:
    """Return the file that accepts findings, errors first: a row for each role, rule and place.

    A subject has a line of its own, for diffs. What the suggestion for the role has too needs no acceptance, and is
    left out.

    Args:
        findings: of each role.
        before: a baseline that is replaced: its rows about other roles stay as they are.
        kept: baselines of which every row stays; only what they do not accept is added.

    Raises:
        UsageError: PG-E246, `before` or one of `kept` is no baseline.
    """
    rows: dict[_Row, dict[str, str]] = {}
    for row in (row for file in kept for row in _rows(*file)):
        _add(rows, _whose(row), row["rule"], row["where"], row["subjects"])
    accepted = [parse_baseline(*file).accepted for file in kept]
    for role, found in findings.items():
        known = Accepted(point for one in accepted for point in _of_role(one, role))
        for finding in (one for one in found if one.against):
            for subject, where in finding.subjects:
                if (finding.rule.id, subject.lower(), where) not in known:
                    _add(rows, role, finding.rule.id, where, [subject])
    for row in _rows(*before) if before else ():
        role = _whose(row)
        if role not in findings and (role[1] or role[0] not in {name for name, _ in findings}):
            _add(rows, role, row["rule"], row["where"], row["subjects"])
    ordered = sorted(rows.items(), key=lambda row: (_worst_first(row[0][1]), row[0]))
    listed = ",\n".join(_written(row, subjects.values()) for row, subjects in ordered)
    titles = {rule: RULES[rule].title for rule in sorted({rule for _, rule, _ in rows})}
    return visible_json(
        f'{{\n  "{_KEY}": {_VERSION},\n  "rules": {_object(titles)},\n  "accepted": [\n{listed}\n  ]\n}}\n'
    )


def lines_by_level(text: str, name: str) -> str:
    """Return what a baseline accepts, in numbers that its text has: subjects by level, and where those of errors are.

    Args:
        text: as `baseline_text` writes it, errors first.
        name: of the file, for messages.
    """
    rows = _rows(text, name)
    levels = Counter[str]()
    for row in rows:
        levels[RULES[row["rule"]].level] += len(row["subjects"])
    if not rows:
        return "nothing"
    listed = ", ".join(pluralize(levels[one], one) for one in reversed(LEVELS) if levels[one])
    entries = pluralize(levels.total(), "entry")
    told = f"{listed} of {pluralize(len({_whose(row) for row in rows}), 'role')}: {entries}, a line each"
    errors = [n for n, row in enumerate(rows) if RULES[row["rule"]].level == "error" and row["subjects"]]
    if not errors:
        return told
    places = locations(text)
    last = places["accepted", errors[-1], "subjects", len(rows[errors[-1]]["subjects"]) - 1]
    return f"{told}; errors first, to line {last.line:,}"


def _object(texts: Mapping[str, str]) -> str:
    """Return an object of JSON with a line for each text."""
    lines = ",\n".join(f"    {json.dumps(key)}: {json.dumps(text)}" for key, text in texts.items())
    return f"{{\n{lines}\n  }}" if lines else "{}"


_Row = tuple[Whose, str, str]
"""Role, rule, and where it holds."""


def _add(
    rows: dict[_Row, dict[str, str]], role: Whose, rule: str, where: str, subjects: Iterable[str]
) -> None:
    """Add subjects to a row, each once in whatever letters."""
    row = rows.setdefault((role, rule, where), {})
    for subject in subjects:
        row[subject.lower()] = _spelled(subject)


def _written(row: _Row, subjects: Iterable[str]) -> str:
    """Return a row of the file, with a line for each subject."""
    (role, account), rule, where = row
    head = {"level": RULES[rule].level, "role": role} | ({"account": account} if account else {})
    opening = json.dumps(head | {"rule": rule, "where": where}, ensure_ascii=False).removesuffix("}")
    listed = ",\n".join(f"      {json.dumps(one, ensure_ascii=False)}" for one in sorted(subjects))
    return f'    {opening}, "subjects": [\n{listed}\n    ]}}'


def parse_baseline(text: str, name: str) -> Baseline:
    """Read a baseline; `name` is the file's name in messages.

    Raises:
        UsageError: PG-E246, it is no baseline.
    """
    accepted: dict[Whose, set[Point]] = {}
    written: dict[str, str] = {}
    for row in _rows(text, name):
        written |= {subject.lower(): _spelled(subject) for subject in row["subjects"]}
        points = ((row["rule"], subject.lower(), row["where"]) for subject in row["subjects"])
        accepted.setdefault(_whose(row), set()).update(points)
    return Baseline({role: frozenset(points) for role, points in accepted.items()}, written=written)


def _whose(row: Mapping[str, Any]) -> Whose:
    return row["role"], row.get("account", "")


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
        and isinstance(row.get("account", ""), str)
        and row["rule"] in RULES
        and isinstance(row.get("subjects"), list)
        and all(isinstance(one, str) for one in row["subjects"])
    )


def no_baseline(name: str, reason: str, *hints: str, instead: tuple[str, str] | None = None) -> UsageError:
    """Return the error for a file that cannot be read as a baseline."""
    return UsageError(
        f"{escape_controls(name)!r} is no baseline: {reason}",
        *(hints or ("--write-baseline FILE writes one of what is found today",)),
        code="PG-E246",
        instead=instead,
    )
