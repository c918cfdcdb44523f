"""Whether one condition block implies another. This is the part of "never wider" that concerns conditions.

The decision compares entries, with their values as patterns, ranges and networks. No requests are tried.
"""

from __future__ import annotations

from ipaddress import IPv4Network

from policygen.iam.arn import arn_glob
from policygen.iam.conditions import OPERATORS, ConditionOperator, equals_ignoring_case, parse_operator
from policygen.iam.containment import includes
from policygen.iam.document import Conditions

RANGES = ("lessthan", "lessthanequals", "greaterthan", "greaterthanequals")
"""Names, without ``numeric`` or ``date``, of the operators that compare with a bound."""


def implies(strong: Conditions, weak: Conditions) -> bool:
    """Whether `weak` holds for every request for which `strong` holds. False also stands for "not proven"."""
    given = [(operator, key.lower(), values) for operator, keys in strong for key, values in keys]
    return all(
        any(
            key == key_.lower() and _entry_implies(operator, values, operator_, values_)
            for operator, key, values in given
        )
        for operator_, keys in weak
        for key_, values_ in keys
    )


def _entry_implies(
    operator: str, values: tuple[str, ...], weak_operator: str, weak_values: tuple[str, ...]
) -> bool:
    """`implies` for two entries of the same key."""
    strong, weak = parse_operator(operator), parse_operator(weak_operator)
    if strong is None or weak is None:
        return False
    if weak.base == "null" and strong.base != "null":
        return {value.lower() for value in weak_values} == {"false"} and not strong.when_absent
    if strong.base == "null" and weak.base != "null":
        return {value.lower() for value in values} == {"true"} and weak.when_absent
    if strong.quantifier != weak.quantifier or strong.operator.negated != weak.operator.negated:
        return False
    if strong.when_absent and not weak.when_absent:
        return False
    if strong.operator.negated:
        return all(any(names_all(strong, s, weak, w) for s in values) for w in weak_values)
    return all(any(names_all(weak, w, strong, s) for w in weak_values) for s in values)


def names_all(wide: ConditionOperator, wide_value: str, narrow: ConditionOperator, narrow_value: str) -> bool:
    """Whether `wide_value` of operator `wide` matches every value that `narrow_value` of operator `narrow` matches.

    Negation is ignored: StringNotLike matches what StringLike matches.
    """
    outer, inner = OPERATORS[wide.base].pattern, OPERATORS[narrow.base].pattern
    if outer is None or inner is None:
        return outer is inner and _parsed_names_all(wide, wide_value, narrow, narrow_value)
    if outer is equals_ignoring_case and inner is not arn_glob and not _has_wildcards(narrow):
        inner = equals_ignoring_case
    if (arn_glob in (outer, inner) or equals_ignoring_case in (outer, inner)) and outer is not inner:
        return False
    same = wide_value == narrow_value and outer(wide_value).tokens == inner(narrow_value).tokens
    return same or includes(outer(wide_value), inner(narrow_value))


def _has_wildcards(name: ConditionOperator) -> bool:
    return name.base in ("stringlike", "stringnotlike")


def operator_kind(name: ConditionOperator) -> str:
    """Return the type of the operator's values: ``numeric``, ``date``, ``ipaddress``, ``bool`` …"""
    base = name.base.replace("not", "", 1)
    return next((kind for kind in ("numeric", "date") if base.startswith(kind)), base)


def comparison_of(name: ConditionOperator) -> str:
    """Return how a numeric or date operator compares: ``equals`` or one of `RANGES`."""
    return name.base.replace("not", "", 1).removeprefix(operator_kind(name))


def _parsed_names_all(
    wide: ConditionOperator, wide_value: str, narrow: ConditionOperator, narrow_value: str
) -> bool:
    """`names_all` for values that are parsed: numbers, dates, networks, booleans and binary values."""
    kind = operator_kind(wide)
    read = OPERATORS[wide.base].read
    if kind != operator_kind(narrow) or read is None:
        return False
    try:
        outer, inner = read(wide_value), read(narrow_value)
    except ValueError:
        return wide.base == narrow.base and wide_value == narrow_value
    if kind == "ipaddress":
        if isinstance(inner, IPv4Network) != isinstance(outer, IPv4Network):
            return False
        return bool(inner.subnet_of(outer))
    if kind not in ("numeric", "date"):
        return bool(outer == inner)
    wide_comparison, narrow_comparison = comparison_of(wide), comparison_of(narrow)
    if wide_comparison == "equals":
        return narrow_comparison == "equals" and outer == inner
    below = wide_comparison.startswith("less")
    if narrow_comparison != "equals" and narrow_comparison.startswith("less") != below:
        return False
    # Equal bounds are enough if the wide range includes its bound, or the narrow range excludes it.
    equal_is_enough = wide_comparison.endswith("equals") or narrow_comparison in ("lessthan", "greaterthan")
    return bool(inner == outer and equal_is_enough) or bool(inner < outer if below else inner > outer)
