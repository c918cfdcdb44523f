"""What one statement says, by a small evaluator of the tests' own."""

from __future__ import annotations

import ipaddress
import re
from typing import Any


def listed(value: Any) -> list[Any]:
    """Return a value as a list."""
    return value if isinstance(value, list) else [value]


def named(statement: dict[str, Any], kind: str, names: set[str]) -> bool:
    """Return whether a statement is about somebody who has these names."""
    element = statement.get("Principal", statement.get("NotPrincipal"))
    entries = (
        {("AWS", "*")} if element == "*" else {(of, one) for of, v in element.items() for one in listed(v)}
    )
    found = ("AWS", "*") in entries or any(of == kind and one in names for of, one in entries)
    return found if "Principal" in statement else not found


def like(pattern: str, text: str) -> bool:
    """Return whether a pattern matches a text."""
    parts = re.split(r"(\$\{[*?$]\}|\*|\?)", pattern)
    as_regex = {"*": ".*", "?": "."}
    return bool(
        re.fullmatch(
            "".join(as_regex.get(p) or re.escape(p[2] if p[:2] == "${" else p) for p in parts), text, re.S
        )
    )


def holds(operator: str, key: str, values: list[Any], facts: dict[str, Any]) -> bool:
    """Return whether one key of a condition block holds."""
    have = facts.get(key.lower())
    base = operator.rpartition(":")[2].removesuffix("IfExists")
    if base == "Null":
        return (have is None) == (str(values[0]).lower() == "true")
    if have is None:
        return "Not" in base or operator.endswith("IfExists") or operator.startswith("ForAllValues")
    texts = [re.sub(r"\$\{(aws:\w+)\}", lambda m: facts.get(m[1].lower(), "\0"), str(v)) for v in values]
    test = {
        "StringEquals": lambda want, it: want == it,
        "StringLike": like,
        "ArnLike": like,
        "ArnEquals": like,
        "Bool": lambda want, it: want.lower() == it.lower(),
        "StringEqualsIgnoreCase": lambda want, it: want.lower() == it.lower(),
        "NumericLessThan": lambda want, it: float(it) < float(want),
        "DateLessThan": lambda want, it: it < want,
        "DateGreaterThan": lambda want, it: it > want,
        "IpAddress": lambda want, it: ipaddress.ip_address(it) in ipaddress.ip_network(want, strict=False),
    }[base.replace("Not", "")]
    hits = [any(test(want, it) for want in texts) != ("Not" in base) for it in listed(have)]
    return any(hits) if operator.startswith("ForAnyValue") else all(hits)
