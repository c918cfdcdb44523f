"""What other records and the account tell of the names in a call.

A record often names less than IAM checked: a role without its path, a query without its work group, an instance profile
without its role. Another record tells the rest, or the snapshot does. Templates look it up: ``{roleName|known:role}``.
What nothing tells stays unknown, and the template gives no value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec


class Fact(NamedTuple):
    """One thing that a record or the account tells: in a relation, a name stands for a value."""

    relation: str
    """``role``, ``roles-of-profile``, ``workgroup-of-query``: what service files learn and look up."""
    key: str
    """An ARN, or the account and the name: ``123456789012:orders``."""
    value: str


class Knowledge(msgspec.Struct, frozen=True):
    """Facts to look up. Two facts about one name are both possible: a role may have been made anew elsewhere."""

    facts: Mapping[tuple[str, str], frozenset[str]] = msgspec.field(default_factory=dict)
    """(relation, key) -> values."""
    beneath: Knowledge | None = None
    """Knowledge that these facts are added to, without a copy: all roles of an account share it."""

    def look_up(self, relation: str, account: str, name: str) -> tuple[str, ...]:
        """Return what is known of a name or ARN, sorted, () for nothing.

        Args:
            relation: the relation.
            account: the account to which a plain name belongs.
            name: a name, an id or an ARN.
        """
        return tuple(sorted(self._values((relation, fact_key(account, name)))))

    def _values(self, key: tuple[str, str]) -> frozenset[str]:
        found = self.facts.get(key, frozenset())
        return found | self.beneath._values(key) if self.beneath else found

    def joined(self, more: Iterable[Fact]) -> Knowledge:
        """Return the knowledge with more facts."""
        values: dict[tuple[str, str], set[str]] = {}
        for fact in more:
            values.setdefault((fact.relation, fact.key), set()).add(fact.value)
        return Knowledge({key: frozenset(found) for key, found in values.items()}, self) if values else self


NOTHING_KNOWN = Knowledge()


def fact_key(account: str, name: str) -> str:
    """Return the key of a fact about a name, an id or an ARN."""
    return name if name.startswith("arn:") else f"{account}:{name}"


# The types of IAM whose ARN may have a path that requests leave out (1.9.11).
_WITH_PATH = re.compile(
    r"arn:[a-z-]+:iam::(?P<account>\d{12}):(?P<type>role|user|group|instance-profile|server-certificate)/"
    r"(?:[!-.0-~]*/)?(?P<name>[\w+=,.@-]{1,128})",
    re.ASCII,
)
_IN_TEXT = re.compile(rb'"(arn:[a-z-]+:iam::\d{12}:[a-z-]+/[!#-\[\]-~]+)"')


def fact_of_arn(arn: str) -> Fact | None:
    """Return what the ARN of a role, user, group, instance profile or server certificate tells of its name."""
    found = _WITH_PATH.fullmatch(arn)
    return Fact(found["type"], f"{found['account']}:{found['name']}", arn) if found else None


def facts_of_arns(arns: Iterable[str]) -> Iterator[Fact]:
    """Yield what ARNs tell; nothing for an ARN of another kind."""
    return (fact for fact in map(fact_of_arn, arns) if fact)


def facts_in_text(text: bytes) -> Iterable[Fact]:
    """Return what the ARNs of IAM among the values of a JSON text tell."""
    if b":iam::" not in text:
        return ()
    return facts_of_arns(found.decode() for found in _IN_TEXT.findall(text))
