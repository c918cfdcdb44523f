"""Writes HCL, Terraform's language, spaced as `terraform fmt` spaces it.

Source: HCL Native Syntax Specification, Template Expressions: ``${`` and ``%{`` open a template, ``$${`` and
``%%{`` are those characters themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from policygen.report.iac.common import quoted
from policygen.report.iac.layout import array, block

Attribute = tuple[str, str]
"""A name and an expression; the expression may have several lines."""


def hcl_string(value: str) -> str:
    """Return a string literal without templates."""
    return quoted(value).replace("${", "$${").replace("%{", "%%{")


def expression(value: Any) -> str:
    """Return a value of a JSON document as an expression."""
    if isinstance(value, str):
        return hcl_string(value)
    if isinstance(value, Mapping):
        return block("{", attributes((_key(key), expression(inner)) for key, inner in value.items()), "}")
    return array([expression(inner) for inner in value])


def _key(key: str) -> str:
    # Words in lower case may be keywords, as `for` is at the start of an object.
    return key if re.fullmatch("[A-Z][A-Za-z]*", key) else hcl_string(key)


def attributes(pairs: Iterable[Attribute]) -> Iterator[str]:
    """Yield assignments; those of one line have their equals signs aligned."""
    for several, group in groupby(pairs, key=lambda pair: "\n" in pair[1]):
        run = list(group)
        width = 0 if several else max(len(name) for name, _ in run)
        for name, value in run:
            yield f"{name.ljust(width)} = {value}"
