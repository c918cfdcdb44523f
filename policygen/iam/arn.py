"""ARNs, and the pattern language of IAM's Resource and Action elements.

Source: IAM User Guide, reference_policies_elements_resource and reference_policies_variables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from policygen.iam.containment import includes, includes_together
from policygen.iam.pattern import REPEATED, Glob, StepBudget, Token, Wild, compile_glob, intersection, meets

_SEGMENTS = 6
_MAX_PATTERNS = 8  # an intersection of more patterns is not computed

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
    """Split an ARN into its parts; None when `text` is not an ARN. The resource may contain colons."""
    parts = text.split(":", _SEGMENTS - 1)
    return Arn(*parts[1:]) if len(parts) == _SEGMENTS and parts[0] == "arn" else None


def partition_of(region: str) -> str:
    """Return the partition of a region name, ``aws`` for every region with no other partition's prefix (1.3.9)."""
    return next((name for prefix, name in _PARTITIONS if region.startswith(prefix)), "aws")


def is_role(text: str) -> bool:
    """Whether `text` is the ARN of an IAM role, in any partition."""
    return _ROLE.fullmatch(text) is not None


# --- Literal names as patterns -------------------------------------------------------------------

# A "$" is special only before "{". It is also escaped before a character that becomes "${…}", so that the pair cannot
# be misread (4.3.4).
_SPECIAL = re.compile(r"[*?]|\$(?=[{*?$])")
_UNSTORABLE = re.compile("[^\t\n\r\x20-\xff]")  # 4.2.1


def needs_wildcard(text: str) -> bool:
    """Whether `text` has a character that IAM cannot store, so that only a wildcard can match it (4.2.1)."""
    return _UNSTORABLE.search(text) is not None


def is_name(pattern: str) -> bool:
    """Whether a Resource pattern matches only itself: it has no wildcard and no variable, and all six parts."""
    return not ("*" in pattern or "?" in pattern or "$" in pattern) and pattern.count(":") >= _SEGMENTS - 1


def quote(text: str) -> str:
    """Escape the characters of `text` that are special in a pattern (4.3.4)."""
    return _SPECIAL.sub(lambda found: f"${{{found.group()}}}", text)


def escape(text: str) -> str:
    """Return the pattern that matches the observed name `text`, and nothing else unless `needs_wildcard(text)`.

    ``*``, ``?`` and a ``$`` that could start a variable become ``${*}``, ``${?}``, ``${$}`` (4.3.4). Each character
    that IAM cannot store becomes ``?`` (4.2.1).
    """
    if text.isascii() and text.isprintable() and not ("*" in text or "?" in text or "$" in text):
        return text  # as nearly all are, and there are millions
    return _UNSTORABLE.sub("?", quote(text))


def unescape(pattern: str) -> str | None:
    """Return the only name that `pattern` matches; None when it has a wildcard or a policy variable."""
    tokens = _scan(pattern)
    return None if any(isinstance(token, Wild) for token in tokens) else "".join(map(str, tokens))


_ANY_VALUE = re.compile(r"\$\{(?![*?$]\})[^{}]*\}")


def with_any_values(pattern: str) -> str:
    """Return a pattern that matches whatever a Resource pattern does with some values of its policy variables.

    A variable in the first five segments stays: its value may hold colons, which ``*`` does not match there.
    """
    *place, resource = pattern.split(":", _SEGMENTS - 1)
    if len(place) < _SEGMENTS - 1 or any("${" in part for part in place):
        return pattern
    return ":".join((*place, _ANY_VALUE.sub("*", resource)))


# --- Tokens --------------------------------------------------------------------------------------

_NOTHING: tuple[Token, ...] = (Wild.VARIABLE,)  # matches no string, like a variable without a value
_INSIDE: dict[Token, Token] = {Wild.ONE: Wild.ONE_INSIDE, Wild.SOME: Wild.SOME_INSIDE}
_LEXER = re.compile(r"\$\{([^{}]*)\}|\*+|[^$*?]+|.", re.DOTALL)


def _scan(pattern: str) -> list[Token]:
    tokens: list[Token] = []
    for found in _LEXER.finditer(pattern):
        text, inner = found.group(), found.group(1)
        if inner is not None:
            tokens.append(inner if inner in ("*", "?", "$") else Wild.VARIABLE)
        elif text[0] in "*?":
            tokens.append(Wild(text[0]))
        else:
            tokens += text
    return tokens


def _resource_tokens(pattern: str, crossing: bool = True) -> tuple[Token, ...]:
    """Return the tokens of a Resource pattern.

    An ARN with fewer than six parts is padded (4.3.3). A ``*`` may match colons only at the end of a segment, and only
    if `crossing` (4.3.2).
    """
    resource = pattern.split(":", _SEGMENTS - 1)[-1]
    if is_name(pattern[: len(pattern) - len(resource)]):  # as most: no wildcard to bind to a segment
        return (*pattern[: len(pattern) - len(resource)], *_scan(resource))
    tokens = _scan(pattern)
    if tokens == [Wild.SOME]:
        return (Wild.SOME,)
    missing = _SEGMENTS - 1 - tokens.count(":")
    if missing > 0:
        # The value of a variable may contain colons, so that anything may follow.
        tokens += [Wild.SOME] if Wild.VARIABLE in tokens else [":", Wild.SOME] * missing
    return _bind_wildcards(tokens, crossing)


def _arn_tokens(pattern: str) -> tuple[Token, ...]:
    """Return the tokens of an ArnEquals or ArnLike value.

    IAM compares each of the six parts separately; a value with fewer parts is not an ARN.
    """
    tokens = _scan(pattern)
    if tokens.count(":") < _SEGMENTS - 1 and Wild.VARIABLE not in tokens:
        return _NOTHING
    return _bind_wildcards(tokens, crossing=False)


def _bind_wildcards(tokens: list[Token], crossing: bool) -> tuple[Token, ...]:
    """Return the tokens with the wildcards before the fifth colon restricted to their segment."""
    colons = 0
    for i, part in enumerate(tokens):
        colons += part == ":"
        if colons == _SEGMENTS - 1 or part is Wild.VARIABLE:
            break
        if isinstance(part, Wild) and not (crossing and part is Wild.SOME and tokens[i + 1] == ":"):
            tokens[i] = _INSIDE[part]
    return tuple(tokens)


def _action_tokens(pattern: str) -> tuple[Token, ...]:
    """Return the tokens of an Action pattern in lower case. The service part has no wildcard except ``*`` (4.3.1)."""
    service, colon, name = pattern.lower().partition(":")
    wild: tuple[Token, ...] = (Wild.SOME,)
    if not colon:
        return wild if pattern == "*" else tuple(service)
    names: list[Token] = [Wild(c[0]) if c[0] in "*?" else c for c in re.findall(r"\*+|.", name, re.DOTALL)]
    return (*(wild if service == "*" else tuple(service)), ":", *names)


@lru_cache(maxsize=1 << 15)
def resource_glob(pattern: str) -> Glob:
    """Compile a Resource pattern of an identity policy."""
    if is_name(pattern):
        return Glob(tuple(pattern), pattern, lambda text: text == pattern)
    if pattern.endswith("*") and is_name(begins := pattern[:-1]):  # as a folder of objects or log streams
        return Glob((*begins, Wild.SOME), None, lambda text: text.startswith(begins))
    return compile_glob(_resource_tokens(pattern))


@lru_cache(maxsize=1 << 14)
def action_glob(pattern: str) -> Glob:
    """Compile an Action pattern. The result matches actions in lower case."""
    return compile_glob(_action_tokens(pattern))


@lru_cache(maxsize=1 << 12)
def string_glob(pattern: str) -> Glob:
    """Compile a value of StringLike, whose wildcards match any characters."""
    return compile_glob(tuple(_scan(pattern)))


@lru_cache(maxsize=1 << 12)
def arn_glob(pattern: str) -> Glob:
    """Compile a value of ArnLike."""
    return compile_glob(_arn_tokens(pattern))


# --- Questions about patterns --------------------------------------------------------------------


def resource_matches(pattern: str, value: str) -> bool:
    """Whether the Resource `pattern` of an identity policy matches the literal ARN `value`.

    A pattern with a policy variable other than ``${*}``, ``${?}``, ``${$}`` matches nothing: substitute the variable
    first.
    """
    return resource_glob(pattern).matches(value)


def may_match(pattern: str) -> Callable[[str], bool]:
    """Return what tells whether a Resource pattern may match a literal ARN, with some values of its variables."""
    glob = resource_glob(pattern)
    return (lambda _: True) if Wild.VARIABLE in glob.tokens else glob.matches


def action_matches(pattern: str, action: str) -> bool:
    """Whether the Action `pattern` matches `action`, without regard to case (4.3.1)."""
    return action_glob(pattern).matches(action.lower())


@lru_cache(maxsize=1 << 15)
def shortest_name(pattern: str) -> str | None:
    """Return a shortest string that a Resource pattern matches; None where it has a variable without a value.

    What does not match it does not contain the pattern.
    """
    if is_name(pattern):
        return pattern
    tokens = resource_glob(pattern).tokens
    if Wild.VARIABLE in tokens:
        return None
    return "".join(token if isinstance(token, str) else "" if token in REPEATED else "x" for token in tokens)


@lru_cache(maxsize=1 << 16)
def contains(wide: str, narrow: str) -> bool:
    """Whether the Resource pattern `wide` matches everything that `narrow` matches.

    True is proven. False also stands for "not proven": `wide` has a variable, or the search reached its limit.
    """
    if wide in (narrow, "*"):
        return True
    name = shortest_name(narrow)
    if name is not None and not resource_glob(wide).matches(name):
        return False
    return includes(resource_glob(wide), resource_glob(narrow))


@lru_cache(maxsize=1 << 15)
def service_of(action: str) -> str:
    """Return the service prefix of an action or Action pattern, in lower case; ``*`` for a pattern of all services."""
    return action.partition(":")[0].lower()


@lru_cache(maxsize=1 << 10)
def patterns_by_service(patterns: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    """Return, by service, the Action patterns that may match something of it; under ``*`` those for any other one."""
    groups: dict[str, list[str]] = {}
    for pattern in patterns:
        groups.setdefault(service_of(pattern), []).append(pattern)
    wild = groups.pop("*", [])
    return {"*": tuple(wild)} | {service: (*own, *wild) for service, own in groups.items()}


def actions_about(patterns: tuple[str, ...], action: str) -> tuple[str, ...]:
    """Return the Action patterns of the service of an action or Action pattern: no others can match it."""
    service = service_of(action)
    if len(patterns) < 8 or service == "*":
        return patterns
    groups = patterns_by_service(patterns)
    return groups.get(service, groups["*"])


def contained_in_union(narrow: str, wides: Sequence[str]) -> bool:
    """Whether the Resource patterns `wides` together match everything that `narrow` matches; see `contains`."""
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
    """Whether both Resource patterns match some common name. A variable may have any value."""
    if "*" in (a, b):
        return True
    one, two = resource_glob(a), resource_glob(b)
    for name, other in ((one.literal, two), (two.literal, one)):
        if name is not None and Wild.VARIABLE not in other.tokens:
            return other.matches(name)
    return meets(one.tokens, two.tokens)


@lru_cache(maxsize=1 << 16)
def action_overlaps(a: str, b: str) -> bool:
    """`overlaps` for Action patterns."""
    return meets(action_glob(a).tokens, action_glob(b).tokens)


@lru_cache(maxsize=1 << 14)
def intersect(a: str, b: str) -> tuple[str, ...] | None:
    """Return Resource patterns, sorted, that together match exactly the names that both `a` and `b` match.

    () when there is no such name; None when more than a few patterns are needed, or the search for them was given up.
    Wildcards of the first five segments stay within their segments where they can: names in which they would have to
    match a colon are left out, since no service has such names.
    """
    if contains(a, b):
        return (b,)
    if contains(b, a):
        return (a,)
    if not overlaps(a, b):
        return ()
    if Wild.VARIABLE in (*resource_glob(a).tokens, *resource_glob(b).tokens):
        return None
    found = _intersect(a, b, crossing=False)
    if found or all(_resource_tokens(one, crossing=False) == resource_glob(one).tokens for one in (a, b)):
        return found
    return _intersect(a, b, crossing=True)


def intersect_strings(a: str, b: str) -> tuple[str, ...] | None:
    """`intersect` for values of StringLike, whose wildcards match any characters."""
    if Wild.VARIABLE in (*string_glob(a).tokens, *string_glob(b).tokens):
        return None
    products = intersection(string_glob(a).tokens, string_glob(b).tokens)
    patterns = sorted({_write(product) for product in products or ()})
    if products is None or len(patterns) > _MAX_PATTERNS:
        return None
    return tuple(
        one
        for one in patterns
        if not any(
            one != other
            and includes(string_glob(other), string_glob(one))
            and not (includes(string_glob(one), string_glob(other)) and one < other)
            for other in patterns
        )
    )


def _intersect(a: str, b: str, crossing: bool) -> tuple[str, ...] | None:
    products = intersection(_resource_tokens(a, crossing), _resource_tokens(b, crossing))
    patterns = {_write(product): product for product in products or ()}
    if any(_resource_tokens(pattern, crossing) != product for pattern, product in patterns.items()):
        return None  # written as text, a wildcard would match more or less than its token
    widest = _widest(sorted(patterns), StepBudget())
    return tuple(widest) if widest and len(widest) <= _MAX_PATTERNS else None


def _write(tokens: Iterable[Token]) -> str:
    """Return tokens as the text of a pattern. Where a wildcard stands decides whether it matches colons."""
    runs = groupby(tokens, lambda token: isinstance(token, str))
    return "".join(
        quote("".join(map(str, run)))
        if literal
        else "".join(token.value[0] for token in run if isinstance(token, Wild))
        for literal, run in runs
    )


def _widest(patterns: Iterable[str], budget: StepBudget) -> list[str] | None:
    """Return the patterns that no other one contains; None when the comparison was given up."""
    widest: list[str] = []
    for pattern in patterns:
        glob = resource_glob(pattern)
        if not budget.spend(2 * len(glob.tokens) * len(widest)):
            return None
        if not any(includes(resource_glob(other), glob, budget) for other in widest):
            widest = [o for o in widest if not includes(glob, resource_glob(o), budget)] + [pattern]
    return widest
