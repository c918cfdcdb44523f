"""Text that a template renders: a literal name, or a pattern in IAM's language."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from policygen.catalog.call import NamePattern
from policygen.iam import arn


class Text(msgspec.Struct, frozen=True, gc=False):
    """A rendered value. `wild` says that it is an IAM pattern and not literal text."""

    text: str
    wild: bool = False
    alternative: bool = False
    """Whether it stands beside the literal value, because the record does not tell which of the two IAM checked."""

    @property
    def pattern(self) -> str:
        """The value in IAM's pattern language."""
        return self.text if self.wild else arn.escape(self.text)


def literal_text(value: str) -> Text:
    """Return a value of a call as text."""
    return text_of_pattern(str(value)) if isinstance(value, NamePattern) else Text(value)


def text_of_pattern(pattern: str) -> Text:
    """Return an IAM pattern as text, literal where it has no wildcard."""
    literal = arn.unescape(pattern)
    return Text(pattern, wild=True) if literal is None else Text(literal)


UNTOLD = Text("*", wild=True)
"""A region or an account that the record does not tell."""


def join(texts: Sequence[Text]) -> Text:
    """Join texts. If one of them is a pattern, the result is a pattern."""
    if len(texts) == 1:
        return texts[0]
    for part in texts:
        if part.wild:
            alternative = any(part.alternative for part in texts)
            return Text("".join([part.pattern for part in texts]), wild=True, alternative=alternative)
    return Text("".join([part.text for part in texts]))
