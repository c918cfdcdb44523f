"""Calls sorted by template: all that tells a call from others but the names that its workload made up. See `fold`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from policygen.catalog.made_up import MadeUpName, made_up_values, may_make_up_names, usual_member
from policygen.iam.arn import string_glob
from policygen.logs.calls.call import CallSignature, encode_without
from policygen.logs.calls.folded import Name, Value
from policygen.logs.events.credentials import CredentialUse
from policygen.logs.events.event import parameters

Names = tuple[Name, ...]
"""The names of one call; its classes, if they are known by nothing else."""

Part = TypeVar("Part")
"""What stands for something that was counted of a call."""


class SameTemplate(NamedTuple, Generic[Part]):
    """Calls of one template and user."""

    template: CallSignature
    values: tuple[Value, ...]
    user: CredentialUse
    parts: dict[Names, list[Part]]


def by_template(
    counted: Iterable[tuple[CallSignature, CredentialUse, Part]], least: int
) -> Iterator[SameTemplate[Part]]:
    """Give the calls with made-up names by template and user, where these have more than `least` different names."""
    operations: dict[tuple[str, str, CredentialUse], list[tuple[CallSignature, Part]]] = {}
    for call, user, part in counted:
        operations.setdefault((call.source, call.name, user), []).append((call, part))
    for (source, name, user), same in operations.items():
        if len(same) > least and may_make_up_names(source, name):
            templates = _Templates[Part](user)
            for call, part in same:
                templates.add(call, part)
            yield from (group for group in templates.groups.values() if len(group.parts) > least)


def may_be_of(call: CallSignature, folded: CallSignature) -> bool:
    """Return whether a call may be one of those that a folded call stands for."""
    params = parameters(call.params)
    values, names = _split(call, params)
    if not values or not folded.folded or values != folded.folded.values:
        return False
    if _rest(call, values, params) != _rest(folded, values, parameters(folded.params)):
        return False
    return all(
        string_glob(many.pattern).matches(one.text)
        for one, many in zip(names, folded.folded.names, strict=True)
    )


class _Templates(Generic[Part]):
    """Sorts the calls of one operation and user by template."""

    def __init__(self, user: CredentialUse) -> None:
        self.groups: dict[object, SameTemplate[Part]] = {}
        self._user = user
        self._frames: list[_Frame] = []
        self._alike: dict[object, tuple[SameTemplate[Part], bool]] = {}
        """What calls with one name in the usual places have in common -> their group, and whether it is learned."""

    def add(self, call: CallSignature, part: Part) -> None:
        """Add what was counted of a call; nothing happens to one without made-up names."""
        name, frame = self._usual(call)
        rest = _framed(call, name, frame) if frame else None
        alike = self._alike.get(rest) if rest else None
        if alike is None:
            params = parameters(call.params)
            values, names = _split(call, params)
            if not values:
                return
            group = self._group(call, values, params)
            if rest and len(names) == 1 and names[0].text == name and _is_usual(call, values, name):
                self._alike[rest] = group, names[0].learned
        else:
            group, learned = alike
            names = (Name(name, learned),)
        group.parts.setdefault(names, []).append(part)

    def _usual(self, call: CallSignature) -> tuple[str, _Frame | None]:
        """Return the name of a call that has one member with a name, and what is around it; ("", None) for others.

        A million calls have their names in the same places, so these are not looked for in each of them.
        """
        if call.folded or call.denial:
            return "", None
        for frame in self._frames:
            if name := frame.name_in(call.params):
                return name, frame
        params = parameters(call.params)
        member = usual_member(call.source, call.name, params)
        new = _frame_of(call.params, member, params[member]) if member else None
        if new is None:
            return "", None
        if len(self._frames) < _FRAMES:
            self._frames.append(new)
        return params[member], new

    def _group(
        self, call: CallSignature, values: tuple[Value, ...], params: dict[str, Any]
    ) -> SameTemplate[Part]:
        rest = _rest(call, values, params)
        group = self.groups.get(rest)
        if group is None:
            group = self.groups[rest] = SameTemplate(call.without(values, params), values, self._user, {})
        return group


# ---- the usual: one name, in one member and at the end of ARNs -------------------------------------------

_FRAMES = 4
"""Frames of one operation that are known; calls with others are looked at one by one."""

_encode = msgspec.json.Encoder().encode


class _Frame(NamedTuple):
    """The JSON around the name in the parameters of a call."""

    head: bytes
    tail: bytes

    def name_in(self, params: bytes) -> str:
        """Return the name in parameters of this frame; "" for others, and where the name is written in an odd way."""
        if not (params.startswith(self.head) and params.endswith(self.tail)):
            return ""
        name = params[len(self.head) : -len(self.tail)]
        if b'"' in name or b"\\" in name or b"%" in name or name.startswith(b"arn:"):
            return ""
        return name.decode()


def _frame_of(params: bytes, member: str, name: str) -> _Frame | None:
    """Return what is around the name that a member holds; None where the member is not found at once."""
    key, value = _encode(member) + b":", _encode(name)
    head, found, tail = params.partition(key + value)
    return _Frame(head + key + b'"', b'"' + tail) if found and key + value not in tail else None


def _framed(call: CallSignature, name: str, frame: _Frame) -> object:
    """Return what tells the template of a call whose name is in a frame."""
    size = len(name)
    entries = tuple(
        [
            (one.type, one.account, one.arn[:-size], True)
            if one.arn.endswith(name)
            else (one.type, one.account, one.arn, False)
            for one in call.resources
        ]
    )
    return (*_fields(call), frame, entries)


def _is_usual(call: CallSignature, values: Collection[Value], name: str) -> bool:
    """Return whether a name is in its member and in just the ARNs that end with it."""
    ending = sum(1 for entry in call.resources if entry.arn.endswith(name))
    return len(values) == 1 + ending and all(len(one.fixed) == 2 and not one.fixed[1] for one in values)


# ---- any call --------------------------------------------------------------------------------------------


def _split(call: CallSignature, params: dict[str, Any]) -> tuple[tuple[Value, ...], Names]:
    """Return the values of a call that have names, and the names; `params` are its parameters."""
    if call.folded:
        return call.folded.values, call.folded.names
    denied = call.denial.resource if call.denial else ""
    numbers: dict[MadeUpName, int] = {}
    values = tuple(
        Value(place, fixed, tuple(numbers.setdefault(name, len(numbers)) for name in names), encoded)
        for place, fixed, names, encoded in made_up_values(
            call.source, call.name, params, call.resources, denied
        )
    )
    return values, tuple(Name(*name) for name in numbers)


def _rest(call: CallSignature, values: tuple[Value, ...], params: dict[str, Any]) -> object:
    """Return what tells the template of a call from others."""
    places = {value.place for value in values}
    resources = tuple(
        (entry.type, "" if ("resources", str(number)) in places else entry.arn, entry.account)
        for number, entry in enumerate(call.resources)
    )
    denial = call.denial
    if denial and ("denial",) in places:
        denial = replace(denial, resource="")
    return (*_fields(call), denial, values, encode_without(params, places), resources)


def _fields(call: CallSignature) -> tuple[object, ...]:
    return call.region, call.account, call.partition, call.outcome, call.error, call.via, call.vpce
