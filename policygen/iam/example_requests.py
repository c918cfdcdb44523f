"""Concrete requests for patterns: names that a pattern matches, and contexts under which conditions hold or fail.

They are tried, never trusted: the evaluator has the last word on each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

from policygen.iam import arn
from policygen.iam.conditions import parse_operator
from policygen.iam.document import Conditions
from policygen.iam.implication import comparison_of, operator_kind
from policygen.iam.reference import Action
from policygen.iam.reference import service as service_of

_ACCOUNT = "123456789012"
_REGION = "us-east-1"
_CONTEXTS = 24
_NAMES = 16

Keys = Mapping[str, tuple[str, ...]]

# --- Names ------------------------------------------------------------------------------------------


def example_names(
    pattern: str, excluded: Sequence[str], others: Iterable[str], action: Action | None
) -> tuple[str, ...]:
    """Names that `pattern` matches and `excluded` do not: plain ones, and some that `others` tell apart."""
    found: dict[str, None] = {}
    for text in (pattern, *_meeting(pattern, others)):
        for name in _fillings(text, action):
            if arn.resource_matches(pattern, name) and not any(
                arn.resource_matches(out, name) for out in excluded
            ):
                found[name] = None
    return tuple(islice(found, _NAMES))


def _meeting(pattern: str, others: Iterable[str]) -> Iterator[str]:
    """Patterns within `pattern` that another one names, and those just beside them."""
    for other in dict.fromkeys(others):
        for piece in arn.intersect(pattern, other) or ():
            yield piece
            if not piece.endswith("*"):
                yield f"{piece}-other"


def _fillings(pattern: str, action: Action | None) -> Iterator[str]:
    """Names for a pattern: of the action's own resource types where it leaves them open."""
    if pattern == "*":
        yield from _of_types(action)
        return
    for star, mark in (("other", "x"), ("", "0"), ("a/b", "z")):
        yield _filled(pattern, star, mark)


def _of_types(action: Action | None) -> Iterator[str]:
    known = service_of(action.name.split(":", 1)[0]) if action else None
    for kind in action.types if action and known else ():
        resource = known.types.get(kind) if known else None
        for shape in resource.patterns if resource else ():
            values = {"Partition": "aws", "Region": _REGION, "Account": _ACCOUNT}
            yield shape.fill({name: values.get(name, "other") for name in shape.placeholders}).replace(
                "*", "other"
            )
    if not action or not action.types:
        yield "*"
    yield f"arn:aws:{action.name.split(':')[0] if action else 'service'}:{_REGION}:{_ACCOUNT}:other"


def _filled(pattern: str, star: str, mark: str) -> str:
    """A pattern's name: region and account in their places, `star` and `mark` for the wildcards elsewhere."""
    parts = pattern.split(":", 5)
    defaults = ("arn", "aws", "", _REGION, _ACCOUNT)
    head = [
        default if part == "*" and default else _text(part, "", "a")
        for part, default in zip(parts[:5], defaults, strict=False)
    ]
    return ":".join([*head, *(_text(part, star, mark) for part in parts[5:])])


def _text(part: str, star: str, mark: str) -> str:
    def one(found: re.Match[str]) -> str:
        inner = found.group(1)
        if inner is not None:
            return inner if inner in ("*", "?", "$") else _VALUE
        return star if found.group().startswith("*") else mark

    return re.sub(r"\$\{([^{}]*)\}|\*+|\?", one, part)


_VALUE = "value"
"""Of every policy variable, in names and in contexts, so that they fit."""


# --- Contexts ---------------------------------------------------------------------------------------


def example_contexts(own: Conditions, all_blocks: Iterable[Conditions]) -> tuple[Keys, ...]:
    """Contexts in which `own` holds, and in which the other blocks hold or fail, the plainest first.

    One value a key that satisfies `own` where it asks for the key; from there on one key after the other is
    given the values that other blocks name, values beside them, and none.
    """
    blocks = list(dict.fromkeys(all_blocks))
    base = {key: values[0] for key, values in _choices([own]).items()}
    rest = _choices(blocks)
    found: list[Keys] = [base]
    for key, choices in rest.items():
        for choice in choices:
            changed = {k: v for k, v in base.items() if k != key}
            found.append({**changed, key: choice} if choice else changed)
    everything = {key: next((c for c in choices if c), ()) for key, choices in rest.items()}
    found += [{**everything, **base}, {**base, **{k: v[-1] for k, v in rest.items() if k not in base}}]
    plain = [{key: values for key, values in one.items() if values} for one in found]
    return tuple(islice({tuple(sorted(one.items())): one for one in plain}.values(), _CONTEXTS))


def _choices(blocks: Iterable[Conditions]) -> dict[str, list[tuple[str, ...]]]:
    """Key in lower case -> values worth trying, the ones that satisfy first; () for a request without the key."""
    found: dict[str, dict[tuple[str, ...], None]] = {}
    for block in blocks:
        for operator, keys in block:
            for key, values in keys:
                found.setdefault(key.lower(), {}).update(dict.fromkeys(_satisfying(operator, values)))
                for value in values:
                    for variable in re.findall(r"\$\{([^{}*?$,]+)", value):
                        found.setdefault(variable.strip().lower(), {})[(_VALUE,)] = None
    return {key: list(dict.fromkeys([*choices, ("other",), ()])) for key, choices in found.items()}


def _satisfying(operator: str, values: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Values that an operator is satisfied with, then such that it is not."""
    name = parse_operator(operator)
    if name is None:
        return
    if name.base == "null":
        wanted = {value.lower() for value in values}
        yield from [("other",), ()] if "false" in wanted else [(), ("other",)]
        return
    inside = [
        (made,)
        for value in values
        for made in _named_by(name.base, operator_kind(name), comparison_of(name), value)
    ]
    outside = [("other",), ("203.0.113.250",), ("0",)]
    if name.operator.negated:
        yield from (*outside[: 2 if operator_kind(name) == "ipaddress" else 1][::-1], *inside)
        yield ()
    else:
        yield from inside
        if len(inside) > 1 and name.quantifier:
            yield tuple(value for (value,) in inside)
        if inside and name.quantifier:
            yield (*inside[0], "other")
        yield from outside


def _named_by(base: str, kind: str, how: str, value: str) -> Iterator[str]:
    """Values that a policy value names, and one just beside it."""
    if kind in ("numeric", "date"):
        yield from _around(kind, how, value)
    elif kind == "ipaddress":
        yield value.split("/", maxsplit=1)[0]
    elif base in ("bool", "binaryequals"):
        yield value
        yield {"true": "false", "false": "true"}.get(value.lower(), value)
    else:
        yield (
            _text(value, "a", "a")
            if "like" in base or "arn" in base
            else re.sub(r"\$\{([^{}]*)\}", lambda m: m.group(1) if m.group(1) in "*?$" else _VALUE, value)
        )
        if "*" in value:
            yield _text(value, "", "b")


def _around(kind: str, how: str, value: str) -> Iterator[str]:
    step = -1 if how.startswith("less") else 1
    order = (step, 0, -step) if how in ("lessthan", "greaterthan") else (0, step, -step)
    for delta in order:
        if kind == "numeric":
            try:
                yield f"{float(value) + delta:g}"
            except ValueError:
                return
        else:
            try:
                moment = datetime.fromisoformat(value)
            except ValueError:
                return
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            yield (moment + timedelta(days=delta)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
