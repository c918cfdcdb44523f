"""The conditions of a statement, with their values narrowed to those that came."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from policygen.iam import arn
from policygen.iam.conditions import parse_operator
from policygen.iam.document import Conditions, conditions_of
from policygen.rightsize.principals.values import string_condition, values_that_came
from policygen.rightsize.trust.assumptions import Observed
from policygen.rightsize.trust.callers import claim_keys, is_oidc_provider
from policygen.rightsize.trust.subjects import cut_to, patterns_of

EXTERNAL_ID = "sts:ExternalId"

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
    if name is None or name.operator.negated:
        return values
    facts = [one.facts for one in seen]
    told = [one.look_up(key) for one in facts]
    found = sorted({value for one in told for value in one or ()})
    if found and None not in told and name.base == "stringlike":
        if key.lower() == EXTERNAL_ID.lower():
            return tuple(map(arn.quote, found))
        if key.lower() in _subject_keys(seen):
            return tuple(cut_to(patterns_of(found), found, values))
    return values_that_came(operator, key, values, facts)


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
