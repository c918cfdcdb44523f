"""The conjunction of two condition blocks, as one block that a statement can have.

A block has one entry per operator and key. Entries of different operators stay side by side. Two entries of the same
operator are intersected in one entry where IAM can express it; else the result is narrower than the conjunction, and
`lost` says where.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network
from typing import Any

import msgspec

from policygen.iam.arn import quote
from policygen.iam.conditions import OPERATORS, ConditionOperator, parse_operator
from policygen.iam.containment import includes
from policygen.iam.document import Conditions, conditions_of
from policygen.iam.implication import RANGES, comparison_of, names_all, operator_kind
from policygen.iam.pattern import StepBudget, Token, Wild, intersection, meets

# Operators that compare alike: the second entry of a key can be written with the other operator.
_TWINS = {
    "StringEquals": "StringLike",
    "StringNotEquals": "StringNotLike",
    "ArnEquals": "ArnLike",
    "ArnLike": "ArnEquals",
    "ArnNotEquals": "ArnNotLike",
    "ArnNotLike": "ArnNotEquals",
}


_NEVER = "which contradict each other"


class Conjunction(msgspec.Struct, frozen=True):
    """Two blocks in one."""

    conditions: Conditions | None
    """The block; None where no request satisfies both blocks, or where no block can express it."""
    lost: tuple[str, ...] = ()
    """One line for each pair of entries that `conditions` is narrower than."""
    contradiction: bool = False
    """Whether it is proven that no request satisfies both blocks."""


_Block = dict[str, dict[str, tuple[str, ...]]]
"""Operator -> key -> values."""


def conjoin(first: Conditions, second: Conditions) -> Conjunction:
    """Return the block that holds where both blocks hold; where something is lost, it holds in fewer cases."""
    block: _Block = {op: dict(keys) for op, keys in first}
    lost: list[str] = []
    for operator, keys in second:
        for key, values in keys:
            entry = _find_entry(block, operator, key)
            if entry is None:
                _entries_of(block, operator)[key] = values
            elif set(block[entry[0]][entry[1]]) != set(values):
                loss = _narrow_entry(block, entry, values)
                if loss and any(not remaining for by_key in block.values() for remaining in by_key.values()):
                    return Conjunction(None, (loss,), contradiction=loss.endswith(_NEVER))
                lost += [loss] if loss else []
    return Conjunction(conditions_of({op: keys for op, keys in block.items() if keys}), tuple(lost))


def _entries_of(block: _Block, operator: str) -> dict[str, tuple[str, ...]]:
    """Return the entries of an operator, whose name IAM reads without regard to case."""
    same = next((op for op in block if op.lower() == operator.lower()), operator)
    return block.setdefault(same, {})


def _find_entry(block: _Block, operator: str, key: str) -> tuple[str, str] | None:
    """Return operator and key of the block's entry for an operator and key, as the block writes them."""
    return next(
        (
            (op, written)
            for op, keys in block.items()
            if op.lower() == operator.lower()
            for written in keys
            if written.lower() == key.lower()
        ),
        None,
    )


def _narrow_entry(block: _Block, entry: tuple[str, str], values: tuple[str, ...]) -> str:
    """Narrow an entry to values of another one too.

    Returns:
        What is lost, or "". If everything is lost, the entry has no values.
    """
    operator, key = entry
    present = block[operator][key]
    name = parse_operator(operator)
    if name is None:
        block[operator][key] = ()
        return f"{operator} is no operator of IAM"
    common, exact = _common_values(name, present, values)
    twin = _twin(operator)
    if not exact and twin and _find_entry(block, twin, key) is None:
        # The characters * and ? are literal in StringEquals and wildcards in StringLike.
        escape = twin.rpartition(":")[2].startswith("String")
        _entries_of(block, twin)[key] = tuple(map(_escape, values)) if escape else values
        return ""
    both = f"{operator} {key}: {_list(present)} and {_list(values)}"
    if not common and name.when_absent and name.base != "null":
        # No value satisfies both, but a request without the key does.
        del block[operator][key]
        return _require_absent(block, key) or ("" if exact else f"{both} cannot be said in one entry")
    block[operator][key] = common
    if exact and common:
        return ""
    return f"{both} cannot be said in one entry" if not exact else f"{both}, {_NEVER}"


def _require_absent(block: _Block, key: str) -> str:
    """Require that the request does not have the key. Returns what is lost where the block requires the key."""
    entry = _find_entry(block, "Null", key)
    if entry is None:
        _entries_of(block, "Null")[key] = ("true",)
        return ""
    operator, key_ = entry
    possible = "true" in map(str.lower, block[operator][key_])
    block[operator][key_] = ("true",) if possible else ()
    return "" if possible else f"{key} is wanted and barred, {_NEVER}"


def _list(values: Iterable[str]) -> str:
    return " or ".join(values)


def _twin(operator: str) -> str | None:
    quantifier, colon, name = operator.rpartition(":")
    ending = "IfExists" if name.endswith("IfExists") else ""
    twin = _TWINS.get(name.removesuffix("IfExists"))
    return f"{quantifier}{colon}{twin}{ending}" if twin else None


def _escape(value: str) -> str:
    """Escape the wildcard characters of a value. Variables stay variables."""
    parts = value.split("${")
    written = [quote(parts[0])]
    for part in parts[1:]:
        inner, brace, rest = part.partition("}")
        written.append("${" + inner + brace + quote(rest))
    return "".join(written)


def _common_values(
    name: ConditionOperator, first: tuple[str, ...], second: tuple[str, ...]
) -> tuple[tuple[str, ...], bool]:
    """Return the values of an entry that implies both lists, and whether the two lists imply the entry in turn."""
    # With ForAnyValue one value of the request may satisfy the first list and another the second: no entry says that.
    separable = name.quantifier == "foranyvalue"
    if name.operator.negated:
        return tuple(sorted({*first, *second})), not separable
    kind = operator_kind(name)
    if kind in ("numeric", "date") and comparison_of(name) in RANGES:
        bound = _stricter_bound(name, first, second)
        return ((bound,), not separable) if bound is not None else ((), False)
    common: set[str] = set()
    exact = not separable
    for a in first:
        for b in second:
            values, complete = _intersect_values(name, a, b)
            common.update(values)
            exact &= complete
    return tuple(sorted(common)), exact


def _stricter_bound(name: ConditionOperator, first: tuple[str, ...], second: tuple[str, ...]) -> str | None:
    """Return the bound that satisfies both lists: any bound of a list is enough, so the laxest of each counts."""
    read = name.operator.read
    if read is None or not first or not second:
        return None
    laxest, strictest = (max, min) if comparison_of(name).startswith("less") else (min, max)

    def key(value: str) -> Any:
        return read(value)

    try:
        return strictest(laxest(first, key=key), laxest(second, key=key), key=key)
    except ValueError:
        return None


def _intersect_values(name: ConditionOperator, a: str, b: str) -> tuple[set[str], bool]:
    """Return values that match only what both `a` and `b` match, and whether they match all of it."""
    if names_all(name, a, name, b):
        return {b}, True
    if names_all(name, b, name, a):
        return {a}, True
    compile_ = OPERATORS[name.base].pattern
    if compile_ is None:
        return set(), _provably_disjoint(name, a, b)
    glob_a, glob_b = compile_(a), compile_(b)
    if not meets(glob_a.tokens, glob_b.tokens):
        return set(), True
    if Wild.VARIABLE in glob_a.tokens or Wild.VARIABLE in glob_b.tokens:
        return set(), False
    budget = StepBudget()
    products = intersection(glob_a.tokens, glob_b.tokens, budget)
    texts = {_text(product): product for product in products or ()}
    unchanged = sorted(text for text, product in texts.items() if compile_(text).tokens == product)
    sound = {t for t in unchanged if all(includes(g, compile_(t), budget) for g in (glob_a, glob_b))}
    return sound, products is not None and len(sound) == len(products)


def _provably_disjoint(name: ConditionOperator, a: str, b: str) -> bool:
    """Whether two values, neither of which includes the other, provably match no common value."""
    read = name.operator.read
    if read is None:
        return False
    try:
        value_a, value_b = read(a), read(b)
    except ValueError:
        return False
    if operator_kind(name) == "ipaddress":
        return isinstance(value_a, IPv4Network) != isinstance(value_b, IPv4Network) or not value_a.overlaps(
            value_b
        )
    return True


def _text(tokens: tuple[Token, ...]) -> str:
    """Return tokens as the text of a condition value."""
    parts: list[str] = []
    literal: list[str] = []
    for token in tokens:
        if isinstance(token, str):
            literal.append(token)
        else:
            parts += [quote("".join(literal)), token.value[0]]
            literal = []
    return "".join([*parts, quote("".join(literal))])
