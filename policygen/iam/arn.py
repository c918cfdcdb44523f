"""ARNs, and the pattern language in which IAM's Resource and Action elements name sets of them.

Source: IAM User Guide, reference_policies_elements_resource and reference_policies_variables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from policygen.iam.pattern import (
    Glob,
    Token,
    Wild,
    compile_glob,
    includes,
    includes_together,
    intersection,
    meets,
)

_SEGMENTS = 6
_MAX_PATTERNS = 8  # what still counts as "a few patterns"

_PARTITIONS = (
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("us-isof-", "aws-iso-f"),
    ("eu-isoe-", "aws-iso-e"),
    ("eusc-", "aws-eusc"),
)
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+", re.DOTALL)


class Arn(NamedTuple):
    """The six parts of an ARN; region and account are "" where the service has none."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    def format(self) -> str:
        """The ARN as text."""
        return ":".join(("arn", *self))


def parse(text: str) -> Arn | None:
    """The parts of `text`, or None when it is not an ARN. The resource may hold colons."""
    parts = text.split(":", _SEGMENTS - 1)
    return Arn(*parts[1:]) if len(parts) == _SEGMENTS and parts[0] == "arn" else None


def partition_of(region: str) -> str:
    """The partition of a region name, ``aws`` for every region that no other partition claims (1.3.9)."""
    return next((name for prefix, name in _PARTITIONS if region.startswith(prefix)), "aws")


def is_role(text: str) -> bool:
    """Whether `text` is the ARN of an IAM role, in any partition."""
    return _ROLE.fullmatch(text) is not None


# --- Literal names as patterns -------------------------------------------------------------------

# A "$" is special only before "{"; before a character that becomes "${…}" it is escaped too, so that
# no reader can take the pair for anything else (4.3.4).
_SPECIAL = re.compile(r"[*?]|\$(?=[{*?$])")
_UNSTORABLE = re.compile("[^\t\n\r\x20-\xff]")  # 4.2.1


def needs_wildcard(text: str) -> bool:
    """Whether `text` has a character that IAM cannot store, so that only a wildcard can name it (4.2.1)."""
    return _UNSTORABLE.search(text) is not None


def is_name(pattern: str) -> bool:
    """Whether a Resource pattern is the one name that it matches: no wildcard, no variable, no part left out."""
    return not ("*" in pattern or "?" in pattern or "$" in pattern) and pattern.count(":") >= _SEGMENTS - 1


def quote(text: str) -> str:
    """`text` with the characters that are special in a pattern written so that they are not (4.3.4)."""
    return _SPECIAL.sub(lambda found: f"${{{found.group()}}}", text)


def escape(text: str) -> str:
    """The pattern that matches the observed name `text`, and nothing else unless `needs_wildcard(text)`.

    ``*``, ``?`` and a ``$`` that could start a variable are written ``${*}``, ``${?}``, ``${$}`` (4.3.4);
    each character that IAM cannot store becomes ``?`` (4.2.1).
    """
    return _UNSTORABLE.sub("?", quote(text))


def unescape(pattern: str) -> str | None:
    """The only name that `pattern` matches, or None when it has a wildcard or a policy variable."""
    tokens = _scan(pattern)
    return None if any(isinstance(token, Wild) for token in tokens) else "".join(map(str, tokens))


# --- Tokens --------------------------------------------------------------------------------------

_NOTHING: tuple[Token, ...] = (Wild.VARIABLE,)  # like a variable without a value, it matches no string
_INSIDE: dict[Token, Token] = {Wild.ONE: Wild.ONE_INSIDE, Wild.SOME: Wild.SOME_INSIDE}
_LEXER = re.compile(r"\$\{([^{}]*)\}|\*+|.", re.DOTALL)


def _scan(pattern: str) -> list[Token]:
    tokens: list[Token] = []
    for found in _LEXER.finditer(pattern):
        text, inner = found.group(), found.group(1)
        if inner is not None:
            tokens.append(inner if inner in ("*", "?", "$") else Wild.VARIABLE)
        elif text[0] in "*?":
            tokens.append(Wild(text[0]))
        else:
            tokens.append(text)
    return tokens


def _resource_tokens(pattern: str, crossing: bool = True) -> tuple[Token, ...]:
    """Short ARNs are padded (4.3.3); only a ``*`` that ends a segment leaves it, if `crossing` (4.3.2)."""
    tokens = _scan(pattern)
    if tokens == [Wild.SOME]:
        return (Wild.SOME,)
    missing = _SEGMENTS - 1 - tokens.count(":")
    if missing > 0:
        # The value of a variable may bring its own colons: then anything may follow.
        tokens += [Wild.SOME] if Wild.VARIABLE in tokens else [":", Wild.SOME] * missing
    return _bound(tokens, crossing)


def _arn_tokens(pattern: str) -> tuple[Token, ...]:
    """ArnEquals and ArnLike compare each of the six parts by itself; what has fewer parts is no ARN."""
    tokens = _scan(pattern)
    if tokens.count(":") < _SEGMENTS - 1 and Wild.VARIABLE not in tokens:
        return _NOTHING
    return _bound(tokens, crossing=False)


def _bound(tokens: list[Token], crossing: bool) -> tuple[Token, ...]:
    """Tokens with the wildcards before the fifth colon bound to their segment."""
    colons = 0
    for i, part in enumerate(tokens):
        colons += part == ":"
        if colons == _SEGMENTS - 1 or part is Wild.VARIABLE:
            break
        if isinstance(part, Wild) and not (crossing and part is Wild.SOME and tokens[i + 1] == ":"):
            tokens[i] = _INSIDE[part]
    return tuple(tokens)


def _action_tokens(pattern: str) -> tuple[Token, ...]:
    """Tokens of an Action pattern: case folded; the service part has no wildcard but a bare ``*`` (4.3.1)."""
    service, colon, name = pattern.lower().partition(":")
    wild: tuple[Token, ...] = (Wild.SOME,)
    if not colon:
        return wild if pattern == "*" else tuple(service)
    names: list[Token] = [Wild(c[0]) if c[0] in "*?" else c for c in re.findall(r"\*+|.", name, re.DOTALL)]
    return (*(wild if service == "*" else tuple(service)), ":", *names)


@lru_cache(maxsize=1 << 15)
def resource_glob(pattern: str) -> Glob:
    """A Resource pattern of an identity policy, compiled."""
    return compile_glob(_resource_tokens(pattern))


@lru_cache(maxsize=1 << 14)
def action_glob(pattern: str) -> Glob:
    """An Action pattern, compiled; it matches actions in lower case."""
    return compile_glob(_action_tokens(pattern))


@lru_cache(maxsize=1 << 12)
def string_glob(pattern: str) -> Glob:
    """A value of StringLike, compiled: its wildcards match any characters."""
    return compile_glob(tuple(_scan(pattern)))


@lru_cache(maxsize=1 << 12)
def arn_glob(pattern: str) -> Glob:
    """A value of ArnLike, compiled."""
    return compile_glob(_arn_tokens(pattern))


# --- Questions about patterns --------------------------------------------------------------------


def resource_matches(pattern: str, value: str) -> bool:
    """Whether the Resource `pattern` of an identity policy matches the literal ARN `value`.

    A pattern with a policy variable other than ``${*}``, ``${?}``, ``${$}`` matches nothing: put the
    value in first.
    """
    return resource_glob(pattern).matches(value)


def action_matches(pattern: str, action: str) -> bool:
    """Whether the Action `pattern` matches `action`; neither is case-sensitive (4.3.1)."""
    return action_glob(pattern).matches(action.lower())


@lru_cache(maxsize=1 << 16)
def contains(wide: str, narrow: str) -> bool:
    """Whether everything that the Resource pattern `narrow` matches, `wide` matches too.

    True is an exact answer. False also stands for "not proven": a variable in `wide`, or two patterns
    so entangled that the search was cut.
    """
    return wide in (narrow, "*") or includes(resource_glob(wide), resource_glob(narrow))


@lru_cache(maxsize=1 << 15)
def service_of(action: str) -> str:
    """The service prefix of an action or of a pattern of actions, in lower case; ``*`` for that of all services."""
    return action.partition(":")[0].lower()


@lru_cache(maxsize=1 << 10)
def _by_service(patterns: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    groups: dict[str, list[str]] = {}
    for pattern in patterns:
        groups.setdefault(service_of(pattern), []).append(pattern)
    return {service: tuple(members) for service, members in groups.items()}


def actions_about(patterns: tuple[str, ...], action: str) -> tuple[str, ...]:
    """Those of many Action patterns that can have to do with an action or a pattern of actions: of its service."""
    service = service_of(action)
    if len(patterns) < 8 or service == "*":
        return patterns
    groups = _by_service(patterns)
    return (*groups.get(service, ()), *groups.get("*", ()))


def contained_in_union(narrow: str, wides: Sequence[str]) -> bool:
    """Whether each name that the Resource pattern `narrow` matches is matched by one of `wides`; see `contains`."""
    return narrow in wides or includes_together(
        [resource_glob(wide) for wide in wides], resource_glob(narrow)
    )


def action_contained_in_union(narrow: str, wides: Sequence[str]) -> bool:
    """`contained_in_union` for Action patterns."""
    return narrow in wides or includes_together([action_glob(wide) for wide in wides], action_glob(narrow))


@lru_cache(maxsize=1 << 16)
def action_contains(wide: str, narrow: str) -> bool:
    """`contains` for Action patterns."""
    return wide == narrow or includes(action_glob(wide), action_glob(narrow))


@lru_cache(maxsize=1 << 16)
def overlaps(a: str, b: str) -> bool:
    """Whether some name is matched by both Resource patterns; a variable may have any value."""
    return "*" in (a, b) or meets(resource_glob(a).tokens, resource_glob(b).tokens)


@lru_cache(maxsize=1 << 16)
def action_overlaps(a: str, b: str) -> bool:
    """`overlaps` for Action patterns."""
    return meets(action_glob(a).tokens, action_glob(b).tokens)


@lru_cache(maxsize=1 << 14)
def intersect(a: str, b: str) -> tuple[str, ...] | None:
    """Resource patterns, sorted, that together match the names that both `a` and `b` match, and no others.

    () when there is no such name; None when a few patterns cannot say it. Where the wildcards of the first
    five segments can stay in their segments they do: names that need them to cross a colon there, which no
    service gives, are left out.
    """
    if contains(a, b):
        return (b,)
    if contains(b, a):
        return (a,)
    if not overlaps(a, b):
        return ()
    if Wild.VARIABLE in (*resource_glob(a).tokens, *resource_glob(b).tokens):
        return None
    return _intersect(a, b, crossing=False) or _intersect(a, b, crossing=True)


def _intersect(a: str, b: str, crossing: bool) -> tuple[str, ...] | None:
    products = intersection(_resource_tokens(a, crossing), _resource_tokens(b, crossing))
    patterns = {_write(product): product for product in products or ()}
    if any(_resource_tokens(pattern, crossing) != product for pattern, product in patterns.items()):
        return None  # a wildcard would change its reach where it now stands
    kept = _widest(sorted(patterns))
    return tuple(kept) if 0 < len(kept) <= _MAX_PATTERNS else None


def _write(tokens: Iterable[Token]) -> str:
    """Tokens as a pattern. Only as exact as the place of each wildcard allows."""
    runs = groupby(tokens, lambda part: isinstance(part, str))
    return "".join(
        quote("".join(map(str, run)))
        if literal
        else "".join(part.value[0] for part in run if isinstance(part, Wild))
        for literal, run in runs
    )


def _widest(patterns: Iterable[str]) -> list[str]:
    kept: list[str] = []
    for pattern in patterns:
        if not any(contains(other, pattern) for other in kept):
            kept = [other for other in kept if not contains(pattern, other)] + [pattern]
    return kept
