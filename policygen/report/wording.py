"""Resources, times and denials in words, for every format alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from policygen.iam import arn
from policygen.text import pluralize

INFORMATIONAL_GRADES: Mapping[str, str] = {
    "indirect": "Used, as other calls show; no event of their own was read",
    "hint": "May also be needed: calls of this kind often ask for it",
}
"""Grade of a request that is not granted for its own sake -> what that means."""


def list_resources(patterns: Iterable[Sequence[str]]) -> str:
    """Resources in words: short names of a few, the number of many."""
    distinct = sorted({text for one in patterns for text in one})
    if "*" in distinct:
        return "*" if len(distinct) == 1 else f"* and {pluralize(len(distinct) - 1, 'resource')}"
    if len(distinct) <= 2:
        return " and ".join(short(text) for text in distinct)
    return pluralize(len(distinct), "resource")


def where(actions: Iterable[Sequence[str]]) -> str:
    """The resources of some actions in words; what a NotResource leaves out is no place, but all others are."""
    named: set[str] = set()
    broad: set[tuple[str, ...]] = set()
    for patterns in set(map(tuple, actions)):  # thousands of actions have the same
        left_out = tuple(text[1:] for text in patterns if text.startswith("!"))
        broad |= {left_out} if left_out else set()
        # A name beside them is worth a word only where it brings back some of what is left out.
        named |= {
            text
            for text in patterns
            if not text.startswith("!") and (not left_out or any(arn.overlaps(text, one) for one in left_out))
        }
    if not broad:
        return list_resources([sorted(named)])
    some = "some of " if len(broad) > 1 else ""
    lacking = {text for one in broad for text in one}
    words = f"everything but {some}{pluralize(len(lacking), 'resource') if some else list_resources(broad)}"
    parts = ["*"] * ("*" in named) + [words] + [list_resources([sorted(named - {"*"})])] * bool(named - {"*"})
    return ", and ".join(parts)


def short(pattern: str) -> str:
    """The resource part of an ARN pattern."""
    pieces = pattern.split(":", 5)
    return pieces[5] if len(pieces) == 6 else pattern


def minute(time: str) -> str:
    """An ISO time to the minute, without the T."""
    return time[:16].replace("T", " ")


def denied_by(policy_type: str, *, explicit: bool) -> str:
    """What refused a call, as far as its error message says."""
    if not policy_type:
        return "the message names no policy"
    if explicit:
        return f"explicit deny, {policy_type} policy"
    if policy_type == "identity-based":
        return "no identity-based policy allows it"
    return f"{policy_type}: an identity policy would not help"
