"""The choices by which the rows of an index are filtered: a token of each row for each value that it has.

A row has a token for each of its questions too, so that these follow the rows that are shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from string import ascii_lowercase

import msgspec

from policygen.plan.batch_table import BatchQuestion, BatchRow
from policygen.plan.model_trust import TrustAnswer
from policygen.report.wording import answer_of

MOST = 150
"""Most values of one choice: those that most rows have."""


NOBODY = "(none)"
"""The choice of the roles of which no tag names an owner."""


class Facet(msgspec.Struct, frozen=True):
    """One choice: its name, and its values in the order in which they are offered."""

    name: str
    label: str
    tokens: Mapping[str, str]
    """Value -> the token that its rows carry."""
    omitted: int = 0
    """Values that are not offered."""


def _service(principal: str) -> str:
    return principal.removesuffix(".cn").removesuffix(".amazonaws.com")


_TRUST: Mapping[TrustAnswer, str] = {
    "narrower": "smaller is enough",
    "unchanged": "stays as today",
    "unseen": "nobody came",
    "unknown": "not known",
    "refused": "none made",
}
"""What is suggested for a trust policy -> how the page says it."""

_VALUES: Mapping[str, tuple[str, Callable[[BatchRow], Iterable[str]]]] = {
    "answer": ("Safe to apply?", lambda row: [answer_of(row.verdict)]),
    "reason": ("Reason", lambda row: row.reasons),
    "trust": ("Trust policy", lambda row: [_TRUST[row.trust]] if row.trust else ()),
    "rule": ("Trust rule", lambda row: row.trust_findings),
    "owner": ("Owner", lambda row: [row.owner or NOBODY]),
    "tag": ("Tag", lambda row: [f"{key}={value}" for key, value in row.tags.items()]),
    "service": ("Uses", lambda row: row.services),
    "runs": ("Used by", lambda row: map(_service, row.trusts)),
    "path": ("Path", lambda row: filter(None, [row.path])),
    "account": ("Account", lambda row: filter(None, [row.account])),
}
"""Name of a choice in addresses -> what the page calls it, and the values of a row."""


def facets_of(rows: Sequence[BatchRow]) -> tuple[Facet, ...]:
    """Return the choices that tell some of the rows from others; the answers always."""
    found = []
    for letter, (name, (label, values)) in zip(ascii_lowercase, _VALUES.items(), strict=False):
        numbers = Counter(value for row in rows for value in dict.fromkeys(values(row)))
        if name == "answer" or any(number < len(rows) for number in numbers.values()):
            most = [value for value, _ in numbers.most_common(MOST)]
            # Answers stand as the rows do, with the best first.
            order = list(numbers) if name == "answer" else sorted(most, key=str.casefold)
            tokens = {value: f"{letter}{i}" for i, value in enumerate(order)}
            found.append(Facet(name, label, tokens, len(numbers) - len(order)))
    return tuple(found)


def tokens_of(row: BatchRow, facets: Iterable[Facet]) -> str:
    """Return the tokens of a row, with spaces between."""
    return " ".join(
        facet.tokens[value]
        for facet in facets
        for value in dict.fromkeys(_VALUES[facet.name][1](row))
        if value in facet.tokens
    )


def question_tokens(questions: Iterable[BatchQuestion]) -> dict[str, str]:
    """Return the tokens of each role's questions, each with a space before it: ``q`` and the question's place, from 0.

    Args:
        questions: in the order of the page.

    Returns:
        `BatchRow.plan` -> its tokens; roles without a question are left out.
    """
    tokens: dict[str, str] = {}
    for place, one in enumerate(questions):
        for plan in one.roles:
            tokens[plan] = f"{tokens.get(plan, '')} q{place}"
    return tokens
