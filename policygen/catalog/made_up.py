"""Where a call holds names that its workload made up: object keys, executions, session names.

Which types have such names, and in which members of a request, is data of the service files: `generalise` and its
`members`, and `unnamed` for members that no resource depends on. An ARN of such a type has one wherever it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

from policygen.catalog.call import ResourceEntry
from policygen.catalog.known_event import KnownEvent, known_event
from policygen.catalog.parameters import GENERIC, as_api_names, normalise, noun_of
from policygen.catalog.rule_model import Generalisation
from policygen.catalog.rules import rules_for_service
from policygen.iam import reference


class MadeUpName(NamedTuple):
    """A name that a workload made up."""

    text: str
    learned: bool
    """Whether a pattern is learned of such names (`name_classes`); else it is ``*``."""


class MadeUpValue(NamedTuple):
    """A value of a call that consists of made-up names and of text around them."""

    place: tuple[str, ...]
    """``params`` and the path of a member, ``resources`` and a number, or ``denial``."""
    fixed: tuple[str, ...]
    """The text before, between and behind the names: one piece more than there are names."""
    names: tuple[MadeUpName, ...]
    encoded: bool = False
    """Whether it is the value of a header in which names are percent-encoded."""


class _Holder(NamedTuple):
    """A member that holds a made-up name."""

    learned: bool
    split: Callable[[str], tuple[str, str, str] | None]
    """Splits its value into the text before the name, the name, and the text behind it."""


class _Holders(NamedTuple):
    """The members of an event's request that hold made-up names, by their names in lower case."""

    members: Mapping[str, _Holder]
    maps: Collection[str]
    """Maps of which every entry has such a value."""
    path_members: frozenset[str]
    known: dict[str, _Holder | None]
    """Names of members as they were logged: there are few of them, and millions of calls."""

    def member(self, name: str) -> _Holder | None:
        """Return what a member holds, by its name as logged."""
        if name in self.known:
            return self.known[name]
        holder = self.members.get(name.lower())
        if len(self.known) < _CACHED:
            self.known[name] = holder
        return holder


_CACHED = 256


def _whole(value: str) -> tuple[str, str, str]:
    return "", value, ""


_COPY_SOURCE = re.compile(r"(/?[^/]+/)(.+)", re.S)
_VERSION = "?versionId="


def _copy_source(value: str) -> tuple[str, str, str] | None:
    """Split an ``x-amz-copy-source`` header into bucket, key and version; None for that of an access point."""
    path, mark, _ = value.partition(_VERSION)
    found = _COPY_SOURCE.fullmatch(unquote(path))
    if found is None or found[1].lstrip("/").startswith("arn:"):
        return None
    return found[1], found[2], f"{mark}*" if mark else ""


_SPLIT: Mapping[str, Callable[[str], tuple[str, str, str] | None]] = {
    "": _whole,
    "copy_source": _copy_source,
}


@lru_cache(maxsize=8192)
def _holders(source: str, name: str) -> _Holders | None:
    event = known_event(source, name)
    if event.status != "mapped":
        return None
    members = {
        member.lower(): _Holder(bool(how.learn), _SPLIT[split])
        for kind, how in _generalised(event)
        for member, _, split in (one.partition("|") for one in how.members)
        if normalise(member) not in GENERIC or normalise(event.operation).endswith(noun_of(kind))
    }
    unnamed = event.rules.unnamed if event.rules else ()
    members |= {one.lower(): _Holder(False, _whole) for one in unnamed if not one.endswith(".*")}
    maps = {one.removesuffix(".*").lower() for one in unnamed if one.endswith(".*")}
    return _Holders(members, maps, event.path_members, {})


def _generalised(event: KnownEvent) -> Iterator[tuple[str, Generalisation]]:
    """Yield the resource types of an event whose names workloads make up, and how these are written."""
    types = (
        [(event.service.prefix, one) for one in event.action.types] if event.action and event.service else []
    )
    for need in event.needs + event.also:
        types += [(need.action.source.partition(":")[0], one) for one in need.on]
    for prefix, kind in types:
        rules = rules_for_service(prefix)
        how = rules.generalise.get(kind) if rules else None
        if how and how.folds:
            yield kind, how


def may_make_up_names(source: str, name: str) -> bool:
    """Return whether calls of an event may hold made-up names."""
    return _holders(source, name) is not None


def usual_member(source: str, name: str, params: Mapping[str, Any]) -> str:
    """Return the only member of a request that may hold a made-up name, if it holds nothing else; "" for any others."""
    holders = _holders(source, name)
    found = ""
    for key, value in params.items():
        holder = holders.member(key) if holders else None
        if holder is not None:
            if found or holder.split is not _whole or type(value) is not str:
                return ""
            found = key
        if isinstance(value, Mapping) or (type(value) is str and value.startswith("arn:")):
            return ""
    return found if found and params[found] and "%" not in params[found] else ""


def made_up_values(
    source: str,
    name: str,
    params: Mapping[str, Any],
    resources: Sequence[ResourceEntry],
    denied: str = "",
) -> list[MadeUpValue]:
    """Return the values of a call that hold made-up names.

    Args:
        source: eventSource.
        name: eventName as logged.
        params: the identifying requestParameters.
        resources: of the record.
        denied: the resource that an error message names; "" for none.
    """
    holders = _holders(source, name)
    if holders is None:
        return []
    if holders.path_members:
        params = as_api_names(params, holders.path_members)
    found = [*_in_parameters(params, holders)]
    known = [value.names[0].text for value in found]
    for number, entry in enumerate(resources):
        if entry.arn and (split := _split_arn(entry.arn, known)):
            found.append(MadeUpValue(("resources", str(number)), *split))
    if denied and (split := _split_arn(denied, known)):
        found.append(MadeUpValue(("denial",), *split))
    return found


def _in_parameters(params: Mapping[str, Any], holders: _Holders) -> Iterator[MadeUpValue]:
    for key, value in params.items():
        if isinstance(value, str):
            if split := _split_value(value, holders.member(key)):
                yield MadeUpValue(("params", key), *split, encoded=split[0][0] != "")
        elif isinstance(value, Mapping) and key.lower() in holders.maps:
            for inner, text in value.items():
                if isinstance(text, str) and (split := _split_value(text, _UNNAMED)):
                    yield MadeUpValue(("params", key, inner), *split)


_UNNAMED = _Holder(False, _whole)
_Split = tuple[tuple[str, ...], tuple[MadeUpName, ...]]


def _split_value(value: str, holder: _Holder | None) -> _Split | None:
    """Split the value of a member; None where it has no made-up name. An ARN may have one in any member."""
    if value.startswith("arn:"):
        return _split_arn(value)
    if holder is None or not (parts := holder.split(value)):
        return None
    before, name, after = parts
    return ((before, after), (MadeUpName(name, holder.learned),)) if name else None


def _split_arn(text: str, known: Sequence[str] = ()) -> _Split | None:
    """Split an ARN of a type with made-up names; `known` are names that it may end with."""
    for name in known:
        if text.endswith(name) and (learned := _is_begun(text[: -len(name)])) is not None:
            return (text[: -len(name)], ""), (MadeUpName(name, learned),)
    begin = 0
    for found in _SEPARATOR.finditer(text, text.find(":", 12) + 1):
        begin = found.end()
        learned = _is_begun(text[:begin])
        if learned or (learned is False and not _SEPARATOR.search(text, begin)):
            return ((text[:begin], ""), (MadeUpName(text[begin:], learned),)) if text[begin:] else None
        if found.start() > _LONGEST_HEAD:
            break
    return _parsed(text)


_SEPARATOR = re.compile("[/:]")
_LONGEST_HEAD = 256


@lru_cache(maxsize=8192)
def _is_begun(head: str) -> bool | None:
    """Return whether a made-up name follows just behind a text, as the last part of an ARN, and is `learned`."""
    split = _parsed(f"{head}name")
    return split[1][0].learned if split and split[0] == (head, "") else None


@lru_cache(maxsize=8192)
def _parsed(text: str) -> _Split | None:
    """Split an ARN by the pattern of its type; None where it has no made-up name."""
    prefix = text.split(":", 3)[2] if text.startswith("arn:") and text.count(":") > 4 else ""
    rules, service = rules_for_service(prefix), reference.service(prefix)
    how = rules.generalise.get(service.type_of(text)) if rules and rules.generalise and service else None
    if how is None or not how.folds or not service:
        return None
    patterns = (
        [reference.compile_pattern(how.match)] if how.match else service.types[service.type_of(text)].patterns
    )
    for pattern in patterns:
        values = pattern.match(text)
        if values is not None and all(re.fullmatch(how.only or ".*", values[n], re.S) for n in how.open):
            return _cut(text, pattern.pieces, values, how)
    return None


def _cut(text: str, pieces: Sequence[str], values: Mapping[str, str], how: Generalisation) -> _Split | None:
    fixed, names = [""], list[MadeUpName]()
    for number, piece in enumerate(pieces):
        if number % 2 and piece in (how.learn, *how.open):
            names.append(MadeUpName(values[piece], piece == how.learn))
            fixed.append("")
        else:
            fixed[-1] += values[piece] if number % 2 else piece
    whole = "".join(a + name.text for a, name in zip(fixed, names, strict=False)) + fixed[-1]
    return (tuple(fixed), tuple(names)) if names and whole == text else None
