"""Evaluate condition blocks of IAM statements, with three results: CloudTrail does not record most condition keys.

Source: IAM User Guide, reference_policies_elements_condition_operators, reference_policies_variables and
reference_policies_condition-single-vs-multi-valued-context-keys.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from operator import eq, ge, gt, le, lt
from typing import Any, NamedTuple

import msgspec

from policygen.iam.arn import arn_glob, parse, quote, string_glob
from policygen.iam.document import Conditions
from policygen.iam.pattern import Glob, meets
from policygen.iam.request import Context

# --- Three values --------------------------------------------------------------------------------


class Truth(Enum):
    """The result of a condition."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"


_NOT = {Truth.TRUE: Truth.FALSE, Truth.FALSE: Truth.TRUE, Truth.UNKNOWN: Truth.UNKNOWN}


def truth(result: bool) -> Truth:
    """Return a bool as a Truth."""
    return Truth.TRUE if result else Truth.FALSE


def all_of(truths: Iterable[Truth]) -> Truth:
    """AND: FALSE when any is false, else UNKNOWN when any is unknown, else TRUE."""
    present = set(truths)
    return next((value for value in (Truth.FALSE, Truth.UNKNOWN) if value in present), Truth.TRUE)


def negate(value: Truth) -> Truth:
    """NOT: UNKNOWN stays UNKNOWN."""
    return _NOT[value]


def any_of(truths: Iterable[Truth]) -> Truth:
    """OR: TRUE when any is true, else UNKNOWN when any is unknown, else FALSE."""
    return negate(all_of(map(negate, truths)))


# --- The known condition keys of a request --------------------------------------------------------


class ContextFacts(msgspec.Struct, frozen=True):
    """The condition keys of one request that are known.

    Attributes:
        values: key in lower case -> its values; () for a key that is known to be absent from the request.
        complete: all keys are known: a key that is not in `values` is absent from the request.
        untold: keys in lower case that are unknown all the same; ``aws:principaltag`` stands for all tags.
    """

    values: Mapping[str, tuple[str, ...]]
    complete: bool = False
    untold: frozenset[str] = frozenset()

    def look_up(self, key: str) -> tuple[str, ...] | None:
        """Return the values of `key`, () when it is absent from the request, None when it is unknown."""
        found = self.values.get(key.lower())
        if found is not None or not self.complete:
            return found
        return None if self.untold and key.lower().partition("/")[0] in self.untold else ()

    def without(self, key: str) -> ContextFacts:
        """Return the same facts, with a key that is unknown."""
        rest = {name: values for name, values in self.values.items() if name != key.lower()}
        return ContextFacts(rest, self.complete, self.untold | {key.lower()})


def context_facts(*contexts: Context, absent: Iterable[str] = (), complete: bool = False) -> ContextFacts:
    """Merge contexts: later ones override earlier ones. `absent` are keys that the request does not have."""
    known = {key.lower(): () for key in absent}
    return ContextFacts(
        known | {key.lower(): values for context in contexts for key, values in context}, complete
    )


# --- Policy variables ----------------------------------------------------------------------------

_VARIABLE = re.compile(r"\$\{([^{}*?$,]+)(?:,\s*'([^'{}]*)')?\s*\}")


def unknown_variables(text: str, facts: ContextFacts) -> tuple[str, ...]:
    """Return the keys of the policy variables in `text` whose values are unknown."""
    keys = [match.group(1).strip() for match in _VARIABLE.finditer(text)]
    return tuple(key for key in keys if facts.look_up(key) is None)


def substitute(pattern: str, facts: ContextFacts) -> str | None:
    """Replace the variables of `pattern` by their values, escaped so that no character of a value is a wildcard.

    Unknown variables stay in the pattern. The result is None when a variable has neither a value nor a default: the
    pattern then matches nothing (4.3.6). A key with several values has no value as a variable.
    """
    without_value = False

    def replacement(match: re.Match[str]) -> str:
        nonlocal without_value
        values = facts.look_up(match.group(1).strip())
        if values is None:
            return match.group()
        default = match.group(2)
        without_value |= len(values) != 1 and (bool(values) or default is None)
        return quote(values[0] if values else default or "")

    replaced = _VARIABLE.sub(replacement, pattern)
    return None if without_value else replaced


# --- Operators -----------------------------------------------------------------------------------

Test = Callable[[str, str, ContextFacts], Truth]
"""Policy value, request value, known keys -> whether the policy value matches the request value."""


class Operator(NamedTuple):
    """A condition operator.

    `pattern` compiles a value; only operators that take policy variables have it. `read` parses a value of the other
    operators for comparison, and raises ValueError for a value of the wrong type.
    """

    test: Test
    negated: bool = False
    pattern: Callable[[str], Glob] | None = None
    read: Callable[[str], Any] | None = None


def _exact(text: str) -> str:
    """Return the pattern for a value whose ``*`` and ``?`` are literal. Variables stay variables."""
    return re.sub(
        r"\$\{[^{}]*\}|[*?]", lambda found: found.group() if found.group()[1:] else quote(found.group()), text
    )


def _equals(text: str) -> Glob:
    return string_glob(_exact(text))


def equals_ignoring_case(text: str) -> Glob:
    """Compile a value whose ``*`` and ``?`` are literal, in lower case. It matches request values in lower case."""
    return string_glob(_exact(text).lower())


def _matching(pattern: Callable[[str], Glob]) -> Test:
    fold = pattern is equals_ignoring_case

    def test(policy: str, request: str, facts: ContextFacts) -> Truth:
        request = request.lower() if fold else request
        resolved = substitute(policy, facts)
        if resolved is None:
            return Truth.FALSE
        if unknown_variables(policy, facts):
            return Truth.UNKNOWN if meets(pattern(resolved).tokens, tuple(request)) else Truth.FALSE
        if pattern is arn_glob and not (parse(resolved) and parse(request)):
            return Truth.UNKNOWN  # AWS does not document what happens to a value of the wrong type
        return truth(pattern(resolved).matches(request))

    return test


def _comparing(read: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> Operator:
    def test(policy: str, request: str, facts: ContextFacts) -> Truth:  # noqa: ARG001 - no variables here
        try:
            return truth(compare(read(request), read(policy)))
        except ValueError:
            return Truth.UNKNOWN  # a value of the wrong type, as above

    return Operator(test, read=read)


def _number(text: str) -> Decimal:
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", text.strip(), re.ASCII):
        raise ValueError(text)
    return Decimal(text.strip())


def _date(text: str) -> datetime:
    """Parse a date of W3C's profile of ISO 8601, or seconds of the Unix epoch."""
    if re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII):
        try:
            return datetime.fromtimestamp(float(text), UTC)
        except (OverflowError, OSError) as error:
            raise ValueError(text) from error
    date = datetime.fromisoformat(text)
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()] if text.lower() in ("true", "false") else _fail(text)


def _fail(text: str) -> Any:
    raise ValueError(text)


def _binary(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(text) from error


def _network(text: str) -> IPv4Network | IPv6Network:
    return ip_network(text, strict=False)


def _in_network(request: str, policy: str) -> bool:
    address: IPv4Address | IPv6Address = ip_address(request)
    return address in _network(policy)


def _operators() -> Iterator[tuple[str, Operator]]:
    def pair(name: str, negation: str, operator: Operator) -> Iterator[tuple[str, Operator]]:
        yield name, operator
        yield negation, operator._replace(negated=True)

    for name, negation, pattern in (
        ("stringequals", "stringnotequals", _equals),
        ("stringequalsignorecase", "stringnotequalsignorecase", equals_ignoring_case),
        ("stringlike", "stringnotlike", string_glob),
        ("arnequals", "arnnotequals", arn_glob),
        ("arnlike", "arnnotlike", arn_glob),
    ):
        yield from pair(name, negation, Operator(_matching(pattern), pattern=pattern))
    for kind, read in (("numeric", _number), ("date", _date)):
        yield from pair(f"{kind}equals", f"{kind}notequals", _comparing(read, eq))
        for name, compare in (
            ("lessthan", lt),
            ("lessthanequals", le),
            ("greaterthan", gt),
            ("greaterthanequals", ge),
        ):
            yield f"{kind}{name}", _comparing(read, compare)
    yield from pair("ipaddress", "notipaddress", _comparing(str, _in_network)._replace(read=_network))
    yield "bool", _comparing(_boolean, eq)
    yield "binaryequals", _comparing(_binary, eq)
    yield "null", _comparing(_boolean, eq)


OPERATORS = dict(_operators())


class ConditionOperator(NamedTuple):
    """The parts of an operator such as ``ForAllValues:StringLikeIfExists``, in lower case."""

    quantifier: str
    base: str
    if_exists: bool

    @property
    def operator(self) -> Operator:
        """The operator without quantifier and IfExists."""
        return OPERATORS[self.base]

    @property
    def when_absent(self) -> bool:
        """The result where the request does not have the key."""
        if self.if_exists or self.quantifier:
            return self.if_exists or self.quantifier == "forallvalues"
        return self.operator.negated


def parse_operator(operator: str) -> ConditionOperator | None:
    """Parse an operator; None when IAM has no such operator."""
    quantifier, _, name = operator.lower().rpartition(":")
    base = name.removesuffix("ifexists")
    if base not in OPERATORS or quantifier not in ("", "forallvalues", "foranyvalue"):
        return None
    return ConditionOperator(quantifier, base, base != name)


# --- Evaluation ----------------------------------------------------------------------------------


def evaluate_conditions(conditions: Conditions, facts: ContextFacts) -> Truth:
    """Whether a condition block holds for a request with the known keys `facts`."""
    return all_of(
        evaluate_entry(operator, key, values, facts) for operator, keys in conditions for key, values in keys
    )


def undecided_keys(conditions: Conditions, facts: ContextFacts) -> tuple[str, ...]:
    """Return the unknown condition keys and variables, sorted, that make entries of a block UNKNOWN."""
    keys: set[str] = set()
    for operator, entries in conditions:
        for key, values in entries:
            if evaluate_entry(operator, key, values, facts) is Truth.UNKNOWN:
                missing = {name for value in values for name in unknown_variables(value, facts)}
                keys |= missing if missing and facts.look_up(key) is not None else {key, *missing}
    return tuple(sorted(keys))


def evaluate_entry(operator: str, key: str, values: tuple[str, ...], facts: ContextFacts) -> Truth:
    """Evaluate one key of a condition block. UNKNOWN for an operator that IAM does not have."""
    name, requested = parse_operator(operator), facts.look_up(key)
    if name is None or requested is None:
        return Truth.UNKNOWN
    if name.base == "null":
        return truth(("false" if requested else "true") in map(str.lower, values))
    if not requested:
        return truth(name.when_absent)
    test, negated = name.operator[:2]

    def holds(request: str) -> Truth:
        matched = any_of(test(policy, request, facts) for policy in values)
        return negate(matched) if negated else matched

    if name.quantifier:
        quantify = all_of if name.quantifier == "forallvalues" else any_of
        return quantify(map(holds, requested))
    # Several values need a set operator. Without one the condition is not met.
    return holds(requested[0]) if len(requested) == 1 else Truth.FALSE
