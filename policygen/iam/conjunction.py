"""Two condition blocks at once: what one statement can say of both.

A statement has one entry per operator and key. Two entries of different operators stand side by side; two of
the same operator are met in one entry where IAM can say it, else the narrower side is taken and the loss named.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from policygen.iam.arn import quote
from policygen.iam.conditions import OPERATORS, ConditionOperator, parse_operator
from policygen.iam.document import Conditions, conditions_of
from policygen.iam.implication import RANGES, comparison_of, names_all, operator_kind
from policygen.iam.pattern import Token, Wild, includes, intersection, meets

# Operators that compare alike, so that a second entry of the same key has a place to stand.
_TWINS = {
    "StringEquals": "StringLike",
    "StringNotEquals": "StringNotLike",
    "ArnEquals": "ArnLike",
    "ArnLike": "ArnEquals",
    "ArnNotEquals": "ArnNotLike",
    "ArnNotLike": "ArnNotEquals",
}


_NEVER = "which contradict each other"


@dataclass(frozen=True, slots=True)
class Joined:
    """Two blocks in one. `lost` says, one line each, what holds under both and not under `conditions`.

    `conditions` is None where nothing holds under both, or where no statement can say what does.
    """

    conditions: Conditions | None
    lost: tuple[str, ...] = ()
    never: bool = False
    """Proven: nothing holds under both."""


def conjoin(own: Conditions, other: Conditions) -> Joined:
    """The block that holds where both hold: exactly there when nothing is lost, else nowhere else."""
    block: dict[str, dict[str, tuple[str, ...]]] = {op: dict(keys) for op, keys in own}
    lost: list[str] = []
    for operator, keys in other:
        for key, values in keys:
            where = _entry(block, operator, key)
            if where is None:
                _mine(block, operator)[key] = values
            elif set(block[where[0]][where[1]]) != set(values):
                why = _add(block, where, values)
                if why and any(not found for keys_ in block.values() for found in keys_.values()):
                    return Joined(None, (why,), never=why.endswith(_NEVER))
                lost += [why] if why else []
    return Joined(conditions_of({op: keys for op, keys in block.items() if keys}), tuple(lost))


def _mine(block: dict[str, dict[str, tuple[str, ...]]], operator: str) -> dict[str, tuple[str, ...]]:
    """The entries of an operator, which IAM reads without regard to case."""
    same = next((op for op in block if op.lower() == operator.lower()), operator)
    return block.setdefault(same, {})


def _entry(block: dict[str, dict[str, tuple[str, ...]]], operator: str, key: str) -> tuple[str, str] | None:
    """Where a block has an entry of this operator and key."""
    return next(
        (
            (op, own)
            for op, keys in block.items()
            if op.lower() == operator.lower()
            for own in keys
            if own.lower() == key.lower()
        ),
        None,
    )


def _add(
    block: dict[str, dict[str, tuple[str, ...]]], where: tuple[str, str], values: tuple[str, ...]
) -> str:
    """Narrows an entry to other values as well. Gives what is lost, or ""; the entry is empty if all is."""
    operator, key = where
    mine = block[operator][key]
    name = parse_operator(operator)
    if name is None:
        block[operator][key] = ()
        return f"{operator} is no operator of IAM"
    met, exact = _meet(name, mine, values)
    twin = _twin(operator)
    if not exact and twin and _entry(block, twin, key) is None:
        # StringLike reads as wildcards what StringEquals takes as they are.
        plain = twin.rpartition(":")[2].startswith("String")
        written = tuple(_plain(value) for value in values) if plain else values
        _mine(block, twin)[key] = written
        return ""
    both = f"{operator} {key}: {_list(mine)} and {_list(values)}"
    if not met and name.when_absent and name.base != "null":
        # No value satisfies both, but a request without the key does.
        del block[operator][key]
        return _only_absent(block, key) or ("" if exact else f"{both} cannot be said in one entry")
    block[operator][key] = met
    if exact and met:
        return ""
    return f"{both} cannot be said in one entry" if not exact else f"{both}, {_NEVER}"


def _only_absent(block: dict[str, dict[str, tuple[str, ...]]], key: str) -> str:
    """Adds that the key is not in the request; what is lost where the block wants it there."""
    where = _entry(block, "Null", key)
    if where is None:
        _mine(block, "Null")[key] = ("true",)
        return ""
    stays = "true" in map(str.lower, block[where[0]][where[1]])
    block[where[0]][where[1]] = ("true",) if stays else ()
    return "" if stays else f"{key} is wanted and barred, {_NEVER}"


def _list(values: Iterable[str]) -> str:
    return " or ".join(values)


def _twin(operator: str) -> str | None:
    quantifier, colon, name = operator.rpartition(":")
    ending = "IfExists" if name.endswith("IfExists") else ""
    twin = _TWINS.get(name.removesuffix("IfExists"))
    return f"{quantifier}{colon}{twin}{ending}" if twin else None


def _plain(value: str) -> str:
    """A value of an operator without wildcards for one that has them; variables stay variables."""
    parts = value.split("${")
    written = [quote(parts[0])]
    for part in parts[1:]:
        inner, brace, rest = part.partition("}")
        written.append("${" + inner + brace + quote(rest))
    return "".join(written)


def _meet(
    name: ConditionOperator, mine: tuple[str, ...], theirs: tuple[str, ...]
) -> tuple[tuple[str, ...], bool]:
    """The values under which both lists hold, and whether they hold nowhere else together."""
    # One value of several may satisfy the one list and another value the other: an entry cannot say that.
    apart = name.quantifier == "foranyvalue"
    if name.operator.negated:
        return tuple(sorted({*mine, *theirs})), not apart
    kind = operator_kind(name)
    if kind in ("numeric", "date") and comparison_of(name) in RANGES:
        bound = _bound(name, mine, theirs)
        return ((bound,), not apart) if bound is not None else ((), False)
    met: set[str] = set()
    exact = not apart
    for a in mine:
        for b in theirs:
            found, whole = _both(name, a, b)
            met.update(found)
            exact &= whole
    return tuple(sorted(met)), exact


def _bound(name: ConditionOperator, mine: tuple[str, ...], theirs: tuple[str, ...]) -> str | None:
    """The bound of both lists, of which any value is enough: the stricter of the two laxest ones."""
    read = name.operator.read
    if read is None or not mine or not theirs:
        return None
    lax, strict = (max, min) if comparison_of(name).startswith("less") else (min, max)

    def key(value: str) -> Any:
        return read(value)

    try:
        return strict(lax(mine, key=key), lax(theirs, key=key), key=key)
    except ValueError:
        return None


def _both(name: ConditionOperator, a: str, b: str) -> tuple[set[str], bool]:
    """Values that name what both values name, and whether they name all of it."""
    if names_all(name, a, name, b):
        return {b}, True
    if names_all(name, b, name, a):
        return {a}, True
    compile_ = OPERATORS[name.base].pattern
    if compile_ is None:
        return set(), _readable(name, a, b)
    one, other = compile_(a), compile_(b)
    if not meets(one.tokens, other.tokens):
        return set(), True
    if Wild.VARIABLE in one.tokens or Wild.VARIABLE in other.tokens:
        return set(), False
    products = intersection(one.tokens, other.tokens)
    texts = {_text(product): product for product in products or ()}
    kept = {text for text, product in texts.items() if compile_(text).tokens == product}
    sound = {t for t in kept if includes(one, compile_(t)) and includes(other, compile_(t))}
    return sound, products is not None and len(sound) == len(products)


def _readable(name: ConditionOperator, a: str, b: str) -> bool:
    """Whether two values that do not include each other are known to have nothing in common."""
    read = name.operator.read
    if read is None:
        return False
    try:
        one, other = read(a), read(b)
    except ValueError:
        return False
    if operator_kind(name) == "ipaddress":
        return isinstance(one, IPv4Network) != isinstance(other, IPv4Network) or not one.overlaps(other)
    return True


def _text(tokens: tuple[Token, ...]) -> str:
    """Tokens as a pattern of a condition value."""
    parts: list[str] = []
    literal: list[str] = []
    for token in tokens:
        if isinstance(token, str):
            literal.append(token)
        else:
            parts += [quote("".join(literal)), token.value[0]]
            literal = []
    return "".join([*parts, quote("".join(literal))])
