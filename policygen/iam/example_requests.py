"""Example requests: names that a pattern matches, and contexts under which conditions hold or fail.

They are candidates only. The evaluator decides about each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, islice

from policygen.iam import arn
from policygen.iam.conditions import parse_operator
from policygen.iam.document import Conditions
from policygen.iam.implication import comparison_of, operator_kind
from policygen.iam.reference import Action
from policygen.iam.reference import service as service_of

ACCOUNT = "123456789012"
"""The account of examples, where a pattern leaves it open."""
_REGION = "us-east-1"
_CONTEXTS = 24
_NAMES = 16
_CROSSING = 4

Keys = Mapping[str, tuple[str, ...]]

# --- Names ------------------------------------------------------------------------------------------


def example_names(
    pattern: str,
    excluded: Sequence[str],
    others: Iterable[str],
    action: Action | None,
    *,
    most: int = _NAMES,
) -> tuple[str, ...]:
    """Return at most so many names that `pattern` matches and none of `excluded` does.

    Some are simple; some lie inside or just outside the patterns `others`, so that a difference between policies shows.
    """
    found = (
        name
        for text in chain((pattern,), _near_patterns(pattern, others))
        for name in _candidate_names(text, action)
        if arn.resource_matches(pattern, name)
        and not any(arn.resource_matches(out, name) for out in excluded)
    )
    return tuple(islice(_each_once(found), most))


def _each_once(names: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        if name not in seen:
            seen.add(name)
            yield name


def _near_patterns(pattern: str, others: Iterable[str]) -> Iterator[str]:
    """Yield the intersections of `pattern` with other patterns, and patterns just outside them.

    An intersection where neither contains the other takes long: only the first few are looked at.
    """
    crossing = 0
    for other in dict.fromkeys(others):
        if not arn.overlaps(pattern, other):
            continue
        crossing += not (arn.contains(pattern, other) or arn.contains(other, pattern))
        if crossing > _CROSSING:
            continue
        for common in arn.intersect(pattern, other) or ():
            yield common
            if not common.endswith("*"):
                yield f"{common}-other"


def _candidate_names(pattern: str, action: Action | None) -> Iterator[str]:
    """Yield names for a pattern; for ``*``, names of the action's resource types."""
    if pattern == "*":
        yield from _names_of_types(action)
        return
    for star, mark in (("other", "x"), ("", "0"), ("a/b", "z")):
        yield _fill_arn(pattern, star, mark)


def _names_of_types(action: Action | None) -> Iterator[str]:
    known = service_of(action.name.split(":", 1)[0]) if action else None
    for type_name in action.types if action and known else ():
        resource_type = known.types.get(type_name) if known else None
        for arn_pattern in resource_type.patterns if resource_type else ():
            location = {"Partition": "aws", "Region": _REGION, "Account": ACCOUNT}
            values = {name: location.get(name, "other") for name in arn_pattern.placeholders}
            yield arn_pattern.fill(values).replace("*", "other")
    if not action or not action.types:
        yield "*"
    yield f"arn:aws:{action.name.split(':')[0] if action else 'service'}:{_REGION}:{ACCOUNT}:other"


def _fill_arn(pattern: str, star: str, mark: str) -> str:
    """Return a name for a pattern: open regions and accounts are filled, `star` and `mark` replace other wildcards."""
    parts = pattern.split(":", 5)
    defaults = ("arn", "aws", "", _REGION, ACCOUNT)
    location = [
        default if part == "*" and default else _fill(part, "", "a")
        for part, default in zip(parts[:5], defaults, strict=False)
    ]
    return ":".join([*location, *(_fill(part, star, mark) for part in parts[5:])])


def _fill(part: str, star: str, mark: str) -> str:
    """Replace ``*`` by `star`, ``?`` by `mark`, and each variable by its value."""

    def replacement(match: re.Match[str]) -> str:
        inner = match.group(1)
        if inner is not None:
            return inner if inner in ("*", "?", "$") else _VALUE
        return star if match.group().startswith("*") else mark

    return re.sub(r"\$\{([^{}]*)\}|\*+|\?", replacement, part)


_VALUE = "value"
"""The value of every policy variable, in names and in contexts alike."""


# --- Contexts ---------------------------------------------------------------------------------------


def example_contexts(own: Conditions, all_blocks: Iterable[Conditions]) -> tuple[Keys, ...]:
    """Return contexts in which `own` holds, and in which the other blocks hold or fail; the simplest come first.

    The first context has one satisfying value for each key of `own`. The next ones change a single key each: to values
    that other blocks match, to values that they do not match, and to no value.
    """
    blocks = list(dict.fromkeys(all_blocks))
    base = {key: values[0] for key, values in _values_to_try([own]).items()}
    by_key = _values_to_try(blocks)
    contexts: list[Keys] = [base]
    for key, choices in by_key.items():
        for choice in choices:
            changed = {k: v for k, v in base.items() if k != key}
            contexts.append({**changed, key: choice} if choice else changed)
    all_keys = {key: next((c for c in choices if c), ()) for key, choices in by_key.items()}
    contexts += [{**all_keys, **base}, {**base, **{k: v[-1] for k, v in by_key.items() if k not in base}}]
    without_empty = [{key: values for key, values in keys.items() if values} for keys in contexts]
    unique = {tuple(sorted(keys.items())): keys for keys in without_empty}
    return tuple(islice(unique.values(), _CONTEXTS))


def _values_to_try(blocks: Iterable[Conditions]) -> dict[str, list[tuple[str, ...]]]:
    """Return each key in lower case with values to try, satisfying ones first; () is a request without the key."""
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
    """Yield values that satisfy an operator, then values that do not."""
    name = parse_operator(operator)
    if name is None:
        return
    if name.base == "null":
        wanted = {value.lower() for value in values}
        yield from [("other",), ()] if "false" in wanted else [(), ("other",)]
        return
    inside = [
        (example,)
        for value in values
        for example in _matching_values(name.base, operator_kind(name), comparison_of(name), value)
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


def _matching_values(base: str, kind: str, comparison: str, value: str) -> Iterator[str]:
    """Yield values that a policy value matches; for some operators also one that it does not match."""
    if kind in ("numeric", "date"):
        yield from _near_bound(kind, comparison, value)
    elif kind == "ipaddress":
        yield value.split("/", maxsplit=1)[0]
    elif base in ("bool", "binaryequals"):
        yield value
        yield {"true": "false", "false": "true"}.get(value.lower(), value)
    else:
        yield (
            _fill(value, "a", "a")
            if "like" in base or "arn" in base
            else re.sub(r"\$\{([^{}]*)\}", lambda m: m.group(1) if m.group(1) in "*?$" else _VALUE, value)
        )
        if "*" in value:
            yield _fill(value, "", "b")


def _near_bound(kind: str, comparison: str, value: str) -> Iterator[str]:
    """Yield the bound of a numeric or date operator and the values one below and one above, satisfying ones first."""
    step = -1 if comparison.startswith("less") else 1
    order = (step, 0, -step) if comparison in ("lessthan", "greaterthan") else (0, step, -step)
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
