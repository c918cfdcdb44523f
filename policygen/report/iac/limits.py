"""Refuses texts that a language would read as something else and for which it has no escape.

A policy that means something else is worse than none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from policygen.errors import UsageError
from policygen.plan.model import Plan
from policygen.text import escape_controls

Rule = Callable[[str, bool], str]
"""Takes a text and whether it is a key; returns why a language cannot hold it, or ""."""


def check_documents(plan: Plan, language: str, *rules: Rule) -> None:
    """Refuse a plan with texts that a language cannot hold.

    Args:
        plan: the plan; all of its names, keys and values are checked.
        language: the name of the language, for the message.
        rules: the rules of the language; one holds for all.

    Raises:
        UsageError: PG-E241, with the text and the reason.
    """
    refuse_texts(_texts(plan), language, *rules, hints=("--resources type leaves single names out",))


def refuse_texts(
    texts: Iterable[tuple[str, bool]], language: str, *rules: Rule, hints: Sequence[str] = ()
) -> None:
    """Refuse texts, each with whether it is a key, that a language cannot hold; arguments as for `check_documents`.

    Raises:
        UsageError: PG-E241, with the text and the reason.
    """
    for text, is_key in texts:
        for rule in (_lone_surrogate, *rules):
            if why := rule(text, is_key):
                raise UsageError(
                    f"{language} cannot hold {escape_controls(text)[:120]!r}: {why}",
                    "-f policy writes the document itself, with every character",
                    *hints,
                    code="PG-E241",
                )


def _texts(plan: Plan) -> Iterator[tuple[str, bool]]:
    yield plan.role.name, False
    for policy in plan.policies:
        yield policy.name, False
        yield from texts_inside(policy.document)


def texts_inside(value: Any) -> Iterator[tuple[str, bool]]:
    """Yield the texts of a document, and whether each is a key."""
    if isinstance(value, str):
        yield value, False
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield key, True
            yield from texts_inside(inner)
    else:
        for inner in value:
            yield from texts_inside(inner)


def _lone_surrogate(text: str, _: bool) -> str:
    return "half of a character has no place in UTF-8" if re.search("[\ud800-\udfff]", text) else ""


def require_nfc(text: str, _: bool) -> str:
    """Refuse what Terraform would change: it brings all strings into Unicode's normal form C."""
    return "" if unicodedata.is_normalized("NFC", text) else "it would be composed to other characters (NFC)"


def reject_cfn_references(text: str, is_key: bool) -> str:
    """Refuse what CloudFormation would resolve: it does so after its functions, so none can escape a reference.

    Source: CloudFormation User Guide, dynamic-references and intrinsic-function-reference.
    """
    if "{{resolve:" in text:
        return "CloudFormation would put a parameter or a secret in its place"
    if is_key and (text.startswith("Fn::") or text == "Ref"):
        return "as a key it is a function of CloudFormation"
    return ""


def reject_js_builtins(text: str, is_key: bool) -> str:
    """Refuse keys that JavaScript programs lose, because every object has them."""
    objects = ("__proto__", "constructor", "prototype")
    return "as a key it is part of every object of JavaScript" if is_key and text in objects else ""
