"""The conditions of a statement, with their values narrowed to those that came."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from policygen.iam import arn
from policygen.iam.conditions import ConditionOperator, Truth, parse_operator
from policygen.iam.document import Conditions, conditions_of
from policygen.rightsize.trust.assumptions import Observed
from policygen.rightsize.trust.callers import claim_keys, is_oidc_provider
from policygen.rightsize.trust.subjects import cut_to, patterns_of

EXTERNAL_ID = "sts:ExternalId"
_NARROWED = ("string", "arn", "ipaddress")
"""Beginnings of the operators whose lists of values are narrowed."""

Block = dict[str, dict[str, tuple[str, ...]]]


def narrowed(conditions: Conditions, seen: Sequence[Observed]) -> Conditions:
    """Return conditions that hold for some assumptions, and for no request for which the given ones do not.

    A value stays where an assumption had it, and where the records do not tell.
    """
    block: Block = {}
    for operator, key, values in _entries(conditions):
        block.setdefault(operator, {})[key] = _values(operator, key, values, seen)
    for operator, key, patterns in _of_tokens(conditions, seen):
        block.setdefault(operator, {})[key] = tuple(patterns)
    return conditions_of(block)


def _entries(conditions: Conditions) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    yield from ((operator, key, values) for operator, keys in conditions for key, values in keys)


def _values(operator: str, key: str, values: tuple[str, ...], seen: Sequence[Observed]) -> tuple[str, ...]:
    name = parse_operator(operator)
    if name is None or name.operator.negated or not name.base.startswith(_NARROWED):
        return values
    told = [one.facts.look_up(key) for one in seen]
    came = sorted({value for found in told for value in found or ()})
    if not came or None in told:
        return values
    if name.base == "stringlike" and key.lower() == EXTERNAL_ID.lower():
        return tuple(map(arn.quote, came))
    if name.base == "stringlike" and key.lower() in _subject_keys(seen):
        return tuple(cut_to(patterns_of(came), came, values))
    return tuple(one for one in values if _came(name, key, one, seen)) or values


def _came(name: ConditionOperator, key: str, value: str, seen: Iterable[Observed]) -> bool:
    """Return whether any assumption may have had a value that a value of a condition matches."""
    return any(
        name.operator.test(value, requested, one.facts) is not Truth.FALSE
        for one in seen
        for requested in one.facts.look_up(key) or ()
    )


def _subject_keys(seen: Iterable[Observed]) -> set[str]:
    providers = {one.party.name for one in seen if one.party.kind == "Federated"}
    return {claim_keys(one)[1].lower() for one in providers if is_oidc_provider(one)}


def _of_tokens(conditions: Conditions, seen: Sequence[Observed]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield conditions on the audience and the subject of an OIDC provider where there are none: who came is both."""
    providers = {one.party.name for one in seen}
    if len(providers) != 1 or not is_oidc_provider(provider := providers.pop()):
        return
    asked = {
        key.lower()
        for operator, key, _ in _entries(conditions)
        if (name := parse_operator(operator)) and not name.operator.negated and name.base != "null"
    }
    audience, subject = claim_keys(provider)
    for key in (audience, subject):
        told = [one.facts.look_up(key) for one in seen]
        came = sorted({value for found in told for value in found or ()})
        if key.lower() in asked or not all(told):
            continue
        patterns = patterns_of(came) if key == subject else list(map(arn.quote, came))
        if patterns != ["*"]:
            yield string_condition(key, patterns)


def string_condition(key: str, patterns: Sequence[str]) -> tuple[str, str, list[str]]:
    """Return operator, key and values that match patterns of StringLike, by StringEquals where it can."""
    plain = [arn.unescape(one) for one in patterns]
    exact = [one for one in plain if one is not None and "${" not in one]
    if len(exact) == len(patterns):
        return "StringEquals", key, exact
    return "StringLike", key, list(patterns)
