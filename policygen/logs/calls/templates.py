"""Calls sorted by template: all that tells a call from others but the names that its workload made up. See `fold`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from operator import attrgetter
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

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
    folded: set[Names]
    """Those of calls that stand for many."""


def operation_of(call: CallSignature, user: CredentialUse) -> object:
    """Return what calls of one template and user have in common with others of their operation."""
    return (user, *_fields(call))


def by_template(
    counted: Iterable[tuple[CallSignature, CredentialUse, Part]], least: int
) -> Iterator[SameTemplate[Part]]:
    """Give the calls with made-up names by template and user, where these have more than `least` different names."""
    operations: dict[object, list[tuple[CallSignature, CredentialUse, Part]]] = {}
    for one in counted:
        operations.setdefault(operation_of(one[0], one[1]), []).append(one)
    for same in operations.values():
        call, user, _ = same[0]
        if len(same) > least and may_make_up_names(call.source, call.name):
            templates = _Templates[Part](user)
            for call, _, part in same:
                templates.add(call, part)
            yield from (group for group in templates.groups.values() if len(group.parts) > least)


def may_be_of(call: CallSignature, folded: CallSignature) -> bool:
    """Return whether a call may be one of those that a folded call stands for."""
    params = parameters(call.params)
    values, names = _split(call, params)
    if not values or not folded.folded or values != folded.folded.values:
        return False
    if _fields(call) != _fields(folded):
        return False
    if _rest(call, values, params) != _rest(folded, values, parameters(folded.params)):
        return False
    return all(
        string_glob(many.pattern).matches(one.text)
        for one, many in zip(names, folded.folded.names, strict=True)
    )


class _Templates(Generic[Part]):
    """Sorts the calls of one user by template; they agree in `_fields`."""

    def __init__(self, user: CredentialUse) -> None:
        self.groups: dict[object, SameTemplate[Part]] = {}
        self._user = user
        self._members: list[bytes] = []
        """What is written before the name in the parameters of usual calls, ``"key":"``."""
        self._alike: dict[object, tuple[SameTemplate[Part], bool]] = {}
        """What calls with one name in the usual places have in common -> their group, and whether it is learned."""

    def add(self, call: CallSignature, part: Part) -> None:
        """Add what was counted of a call; nothing happens to one without made-up names."""
        name, rest = self._usual(call)
        alike = self._alike.get(rest) if rest else None
        if alike is None:
            params = parameters(call.params)
            values, names = _split(call, params)
            if not values:
                return
            group = self._group(call, values, params)
            if call.folded:
                group.folded.add(names)
            if rest and len(names) == 1 and names[0].text == name and _is_usual(call, values, name):
                self._alike[rest] = group, names[0].learned
        else:
            group, learned = alike
            names = (Name(name, learned),)
        group.parts.setdefault(names, []).append(part)

    def _usual(self, call: CallSignature) -> tuple[str, object]:
        """Return the name of a call that has one member with a name, and all else of it; ("", None) for others.

        A million calls have their names in the same places, so these are not looked for in each of them.
        """
        if call.folded or call.denial:
            return "", None
        for member in self._members:
            head, found, value = call.params.rpartition(member)
            if found:
                raw, _, tail = value.partition(b'"')
                if b"\\" in raw or b"%" in raw or raw.startswith(b"arn:") or member in head:
                    return "", None
                name = raw.decode()
                return name, _without_name(call, name, (head, member, tail))
        if len(self._members) < _MEMBERS:
            usual = usual_member(call.source, call.name, parameters(call.params))
            if usual:
                self._members.append(_encode(usual) + b':"')
        return "", None

    def _group(
        self, call: CallSignature, values: tuple[Value, ...], params: dict[str, Any]
    ) -> SameTemplate[Part]:
        rest = _rest(call, values, params)
        group = self.groups.get(rest)
        if group is None:
            group = self.groups[rest] = SameTemplate(
                call.without(values, params), values, self._user, {}, set()
            )
        return group


# ---- the usual: one name, in one member and at the end of ARNs -------------------------------------------

_MEMBERS = 4
"""Members of one operation that are known to hold names; calls with others are looked at one by one."""

_encode = msgspec.json.Encoder().encode


def _without_name(call: CallSignature, name: str, params: tuple[bytes, ...]) -> object:
    """Return all of a call but a name that is cut out of its parameters, and may be the end of ARNs."""
    rest: tuple[object, ...] = params
    for one in call.resources:
        arn = one.arn
        rest += (one.type, one.account, arn.removesuffix(name), arn.endswith(name))
    return rest


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
    """Return what tells the template of a call from others of the same `_fields`."""
    places = {value.place for value in values}
    resources = tuple(
        (entry.type, "" if ("resources", str(number)) in places else entry.arn, entry.account)
        for number, entry in enumerate(call.resources)
    )
    denial = call.denial
    if denial and ("denial",) in places:
        denial = replace(denial, resource="")
    return (denial, values, encode_without(params, places), resources)


_fields = attrgetter("source", "name", "region", "account", "partition", "outcome", "error", "via", "vpce")
