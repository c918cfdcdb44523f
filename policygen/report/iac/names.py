"""Makes names of resources and classes from a role's name: valid in every language, different for different roles."""

from __future__ import annotations

import re
from hashlib import sha256

_PLAIN = re.compile(r"[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*")
# Words that begin with a letter can be joined and split again, so two plain names never give one identifier.
# All other names get a few digits of their hash, so a number after an identifier always counts parts.
_LONGEST = 64


def snake(name: str) -> str:
    """Return ``orders_api`` for ``orders-api``, ``orders_api_b4d5160e`` for ``Orders.API``."""
    return "_".join(word.lower() for word in _words(name))


def pascal(name: str) -> str:
    """Return ``OrdersApi`` for ``orders-api``, ``OrdersAPIB4d5160e`` for ``Orders.API``."""
    return "".join(word[:1].upper() + word[1:] for word in _words(name))


def kebab(name: str) -> str:
    """Return ``orders-api`` for ``orders-api``, ``orders-api-b4d5160e`` for ``Orders.API``."""
    return "-".join(word.lower() for word in _words(name))


def numbered(stem: str, count: int, between: str = "") -> list[str]:
    """Return a name for each of `count` parts; a single part has the stem itself."""
    return [stem] if count == 1 else [f"{stem}{between}{number}" for number in range(1, count + 1)]


def _words(name: str) -> list[str]:
    words = re.findall("[A-Za-z0-9]+", name[:_LONGEST])
    if not words or not words[0][0].isalpha():
        words = ["role", *words]
    if _PLAIN.fullmatch(name) and len(name) <= _LONGEST:
        return words
    return [*words, sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]]
