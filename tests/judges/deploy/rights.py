"""Whether one set of policies lets a role do more than another: asked by requests that are drawn from the documents.

The evaluator is the tests' own and shares no code with policygen; `tests/judges/iam_simulate` judges it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar

from tests.judges.deploy import ELSEWHERE, Document
from tests.judges.deploy.reading import Read
from tests.support.policy_judge import holds, like, listed

T = TypeVar("T")
_LIKE = lru_cache(maxsize=100_000)(like)
_MOST = 400
"""Requests that are drawn for one role."""


class Rights(NamedTuple):
    """The policies that a role has."""

    documents: list[Document]
    boundary: Document | None = None
    trust: Document | None = None


class Probe(NamedTuple):
    """A request."""

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()
    """Condition keys of one value."""


def allows(documents: Iterable[Document], probe: Probe) -> bool:
    """Return whether documents allow a request: one statement allows it, and none denies it."""
    facts = {key.lower(): value for key, value in probe.context}
    found = False
    for document in documents:
        for one in listed(document["Statement"]):
            if (found and one["Effect"] == "Allow") or not _is_about(one, probe, facts):
                continue
            if one["Effect"] == "Deny":
                return False
            found = True
    return found


def may(rights: Rights, probe: Probe) -> bool:
    """Return whether a role may make a request."""
    return allows(rights.documents, probe) and (rights.boundary is None or allows([rights.boundary], probe))


def as_read(read: Read) -> Rights:
    """Return the rights that the gate read; of a boundary by its ARN, those that it has in the account."""
    boundary = ELSEWHERE[read.boundary] if isinstance(read.boundary, str) else read.boundary
    return Rights(read.documents, boundary)


def wider(has: Rights, read: Read) -> Probe | str | None:
    """Return a request that a role may make, or a principal that gets in, and that was not read; None without one."""
    known = as_read(read)
    for probe in probes(has, known):
        if may(has, probe) and not may(known, probe):
            return probe
    if has.trust is not None and not read.trust_unknown:
        allowed = set[str]().union(*map(_principals, read.trust))
        return next((f"lets in {one}" for one in sorted(_principals(has.trust) - allowed)), None)
    return None


def probes(has: Rights, known: Rights) -> list[Probe]:
    """Return requests that the allowing statements of a role are about, within and beside what limits them."""
    of_both = [*_statements(has), *_statements(known)]
    every_action = _unique(
        name for one in of_both for text in _of(one, "Action") for name in _instances("Action", text)
    )
    every_resource = _unique(
        name for one in of_both for text in _of(one, "Resource") for name in _instances("Resource", text)
    )
    found: dict[Probe, None] = {}
    for one in _statements(has):
        if one["Effect"] != "Allow":
            continue
        actions = _matching("Action", one, every_action)
        resources = _matching("Resource", one, every_resource)
        asked = itertools.product(_contexts(one, of_both), actions, resources)
        found |= {
            Probe(action, resource, context): None
            for context, action, resource in itertools.islice(asked, _MOST)
        }
    return list(found)


def _statements(rights: Rights) -> Iterator[Document]:
    for document in rights.documents + ([rights.boundary] if rights.boundary else []):
        yield from listed(document["Statement"])


def _of(statement: Document, element: str) -> list[str]:
    return [*listed(statement.get(element, [])), *listed(statement.get(f"Not{element}", []))]


def _matching(element: str, statement: Document, names: Sequence[str]) -> list[str]:
    """Return instances of a statement's patterns, and the names that other statements have and that match them."""
    patterns = _of(statement, element) if element in statement else ["*"]
    own = [name for text in patterns for name in _instances(element, text)]
    wild = [text for text in patterns if "*" in text]
    return _unique(
        [*own, *(name for name in names if any(_LIKE(text.lower(), name.lower()) for text in wild))]
    )


def _instances(element: str, pattern: str) -> list[str]:
    """Return names that a pattern matches; a variable of a policy stands for one value of the contexts."""
    if pattern == "*":
        return ["ec2:RunInstances"] if element == "Action" else ["arn:aws:s3:::anything/at-all"]
    text = re.sub(r"\$\{(aws:[\w/]+)\}", "red", pattern)
    return _unique([text.replace("*", "x"), text.replace("*", "")]) if "*" in text else [text]


def _contexts(statement: Document, others: Sequence[Document]) -> list[tuple[tuple[str, str], ...]]:
    """Return contexts: what a statement asks for, none, and what other statements ask for as well."""
    own = _asked(statement)
    team = {"aws:PrincipalTag/team": "red"}
    found = [{**team, **own}, own, team, {}]
    found += [{**team, **asked, **own} for one in others if (asked := _asked(one))]
    found += [{**dict.fromkeys(asked, "other"), **own} for one in others if (asked := _asked(one))]
    return _unique(tuple(sorted(one.items())) for one in found)


def _asked(statement: Document) -> dict[str, str]:
    return {
        key: "other" if "Not" in operator else str(listed(values)[0]).replace("*", "x")
        for operator, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    }


def _unique(of: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(of))


def _is_about(statement: Document, probe: Probe, facts: dict[str, str]) -> bool:
    for element, asked in (("Action", probe.action.lower()), ("Resource", probe.resource)):
        negated = f"Not{element}" in statement
        texts = map(str, listed(statement[f"Not{element}" if negated else element]))
        patterns = (text.lower() for text in texts) if element == "Action" else _filled(texts, facts)
        if any(_LIKE(text, asked) for text in patterns) == negated:
            return False
    return all(
        holds(operator, key, listed(values), facts)
        for operator, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    )


def _filled(patterns: Iterable[str], facts: dict[str, str]) -> Iterator[str]:
    """Yield patterns with values for their variables; without a value it matches nothing."""
    for text in patterns:
        yield re.sub(r"\$\{(aws:[\w/]+)\}", lambda found: facts.get(found[1].lower(), "\0"), text)


def _principals(document: Document) -> set[str]:
    """Return who may assume a role, without what conditions leave out."""
    return {
        str(name)
        for one in listed(document["Statement"])
        if one["Effect"] == "Allow"
        for names in (one["Principal"].values() if isinstance(one["Principal"], dict) else ["*"])
        for name in listed(names)
    }
