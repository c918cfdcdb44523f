"""Calls that differ only in names which the workload made up are counted together past a limit.

A role may read a million objects. A policy writes them by a few patterns (`catalog.name_classes`), so what is known of
each of a million calls would not change it. `fold` replaces calls by fewer that stand for the same:

- Calls with the same *template*, which is all but the names, and with the same user are looked at together. So names
  that somebody else made up say nothing of the workload's.
- Of a class with more than `KEEP` names, `KEEP` stay as they are: those with the smallest hashes, so that the choice
  depends on the names alone. All others become one call a day, whose name is the pattern of the class.
- If there are more than `CLASSES` classes, they are put together by their first folders: by as many of them as leave at
  most `FOLDERS` patterns.

To fold is to forget in a way that no order shows: ``fold(a + b) == fold(fold(a) + b)``. The names that stay in a sum
stay in each part that has them, and a part has no more classes, and no deeper folders, than the sum.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from heapq import nsmallest
from typing import Any, NamedTuple

import msgspec

from policygen.catalog.made_up import MadeUpName, made_up_values, may_make_up_names, usual_member
from policygen.catalog.name_classes import name_class
from policygen.iam.arn import string_glob
from policygen.logs.calls.call import CallBucket, Calls, CallSignature, encode_without
from policygen.logs.calls.distinct import hash_of, union
from policygen.logs.calls.evidence import Evidence, sum_of
from policygen.logs.calls.folded import Folded, Name, Value
from policygen.logs.events.credentials import CredentialUse
from policygen.logs.events.event import parameters

KEEP = 256
"""Names of a class that stay. A class of more than `rightsize.generate.names.LISTED` is written by its pattern."""
CLASSES = 1_000
"""Classes of one template. More patterns than this fit into no role's policies."""
FOLDERS = 250
"""Patterns of one template where there are more classes."""

Names = tuple[Name, ...]
"""The names of one call; its classes, if they are known by nothing else."""

_FOLDERS = "first folders: "
"""Kind of a class of all names below some folders; their number follows."""


def fold(calls: Calls) -> None:
    """Replace calls of one role by fewer that stand for them, past the limits."""
    for group in _groups(calls):
        group.fold(calls)


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


# ---- calls with the same template -----------------------------------------------------------------------


def _groups(calls: Calls) -> Iterator[_SameTemplate]:
    """Give the calls that may be more than stay, by template and user."""
    operations: dict[tuple[str, str, CredentialUse], dict[CallSignature, list[CallBucket]]] = {}
    for bucket in calls:
        call = bucket.call
        operations.setdefault((call.source, call.name, bucket.user), {}).setdefault(call, []).append(bucket)
    for (source, name, user), same in operations.items():
        if len(same) > KEEP and may_make_up_names(source, name):
            templates = _Templates(user)
            for call, buckets in same.items():
                templates.add(call, buckets)
            yield from (group for group in templates.groups.values() if len(group.buckets) > KEEP)


class _SameTemplate(NamedTuple):
    """Calls of one template and user."""

    template: CallSignature
    values: tuple[Value, ...]
    user: CredentialUse
    buckets: dict[Names, list[CallBucket]]

    def fold(self, calls: Calls) -> None:
        """Replace the calls by fewer."""
        for classes, members in _by_class(self.buckets).items():
            many = [_is_many(number, members) for number in range(len(classes))]
            if any(many):
                self._fold_class(calls, classes, members, many)

    def _fold_class(
        self, calls: Calls, classes: Names, members: Sequence[Names], many: Sequence[bool]
    ) -> None:
        exact = {_order(names): names for names in members if not _stands_for_many(names)}
        stay = set(nsmallest(KEEP, exact))
        sums: dict[Names, _Sums] = defaultdict(_Sums)
        for order, names in exact.items():
            if order not in stay:
                known = order[::-1]
                target = sums[classes if all(many) else _target(classes, names, many)]
                for bucket in self.buckets[names]:
                    target.add(bucket.day, calls.pop(bucket), known)
        for names in members:
            if _stands_for_many(names):
                target = sums[_target(classes, names, many)]
                for bucket in self.buckets[names]:
                    evidence = calls.pop(bucket)
                    target.add(bucket.day, evidence, evidence.names)
        for names, target in sums.items():
            call = msgspec.structs.replace(self.template, folded=Folded(self.values, names))
            for day, evidence in target.days():
                calls[CallBucket(call, day, self.user)] = evidence


class _Sums:
    """The evidence of each day for calls that become one, and the names that they had."""

    def __init__(self) -> None:
        self._parts: dict[str, list[Evidence]] = defaultdict(list)
        self._names: dict[str, list[bytes]] = defaultdict(list)

    def add(self, day: str, evidence: Evidence, names: bytes) -> None:
        self._parts[day].append(evidence)
        self._names[day].append(names)

    def days(self) -> Iterator[tuple[str, Evidence]]:
        for day, parts in self._parts.items():
            yield day, msgspec.structs.replace(sum_of(parts), names=union(self._names[day]))


class _Templates:
    """Sorts the calls of one operation and user by template."""

    def __init__(self, user: CredentialUse) -> None:
        self.groups: dict[object, _SameTemplate] = {}
        self._user = user
        self._alike: dict[object, tuple[_SameTemplate, bool]] = {}
        """What calls with one name in the usual places have in common -> their group, and whether it is learned."""

    def add(self, call: CallSignature, buckets: Sequence[CallBucket]) -> None:
        """Add a call and its buckets, a day each; nothing happens to one without made-up names."""
        params = parameters(call.params)
        name, rest = _usual(call, params)
        alike = self._alike.get(rest) if rest else None
        if alike is None:
            values, names = _split(call, params)
            if not values:
                return
            group = self._group(call, values, params)
            if rest and len(names) == 1 and names[0].text == name and _is_usual(call, values, name):
                self._alike[rest] = group, names[0].learned
        else:
            group, learned = alike
            names = (Name(name, learned),)
        group.buckets.setdefault(names, []).extend(buckets)

    def _group(self, call: CallSignature, values: tuple[Value, ...], params: dict[str, Any]) -> _SameTemplate:
        rest = _rest(call, values, params)
        group = self.groups.get(rest)
        if group is None:
            group = self.groups[rest] = _SameTemplate(call.without(values, params), values, self._user, {})
        return group


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


def _usual(call: CallSignature, params: dict[str, Any]) -> tuple[str, object]:
    """Return the name of a call that has one member with a name, and what tells its template; ("", None) for others.

    A million calls have their names in the same places, so these are not looked for in each of them.
    """
    member = usual_member(call.source, call.name, params)
    if not member or call.folded or call.denial:
        return "", None
    name = params[member]
    size = len(name)
    entries = tuple(
        [
            (one.type, one.account, one.arn[:-size], True)
            if one.arn.endswith(name)
            else (one.type, one.account, one.arn, False)
            for one in call.resources
        ]
    )
    return name, (*_fields(call), member, encode_without(params, (("params", member),)), entries)


def _is_usual(call: CallSignature, values: Collection[Value], name: str) -> bool:
    """Return whether a name is in its member and in just the ARNs that end with it."""
    ending = sum(1 for entry in call.resources if entry.arn.endswith(name))
    return len(values) == 1 + ending and all(len(one.fixed) == 2 and not one.fixed[1] for one in values)


def _target(classes: Names, names: Names, many: Sequence[bool]) -> Names:
    return tuple(one if is_many else name for one, name, is_many in zip(classes, names, many, strict=True))


def _stands_for_many(names: Names) -> bool:
    return any(name.kind for name in names)


def _order(names: Names) -> bytes:
    """Return what decides which names stay: a hash, by which `distinct` counts them when it is read backwards."""
    return hash_of(*[name.text for name in names])[::-1]


def _is_many(number: int, members: Collection[Names]) -> bool:
    """Return whether calls of one class have more different names in a place than stay."""
    found = {names[number] for names in members}
    return len(found) > KEEP or any(name.kind for name in found)


# ---- classes of names -----------------------------------------------------------------------------------


def _by_class(every: Iterable[Names]) -> Mapping[Names, list[Names]]:
    """Return names by class, and where there are too many classes by their first folders."""
    classes: dict[Names, list[Names]] = defaultdict(list)
    for names in every:
        classes[tuple([_class_of(name) for name in names])].append(names)
    depths = [_depth(name) for one in classes for name in one if name.kind.startswith(_FOLDERS)]
    if not depths and len(classes) <= CLASSES:
        return classes
    paths = {one: tuple([_path(name) for name in one]) for one in classes}

    def patterns(depth: int) -> int:
        found: set[_Place] = set()
        for one in classes:
            found.add(_at(depth, one, paths[one]))
            if len(found) > FOLDERS:
                break
        return len(found)

    deepest = min(depths) if depths else max(len(path or ()) for one in paths.values() for path in one)
    # The deeper, the more patterns.
    depth = max(0, bisect_right(range(deepest + 1), FOLDERS, key=patterns) - 1)
    fewer: dict[_Place, list[Names]] = defaultdict(list)
    for one, members in classes.items():
        fewer[_at(depth, one, paths[one])] += members
    return {tuple([_class_at(depth, part) for part in place]): members for place, members in fewer.items()}


def _class_of(name: Name) -> Name:
    if name.kind:
        return name
    if not name.learned:
        return Name("*", False, "every")
    kind, pattern = name_class(name.text)
    return Name(pattern, True, kind)


_Place = tuple["Name | tuple[str, ...]", ...]
"""For each name of a call the first folders below which it is put, or its class."""


def _at(depth: int, classes: Names, paths: Sequence[tuple[str, ...] | None]) -> _Place:
    """Return where names go that are put together by so many first folders. Those with fewer stay in their class."""
    return tuple(
        [
            one if path is None or len(path) < depth else path[:depth]
            for one, path in zip(classes, paths, strict=True)
        ]
    )


def _class_at(depth: int, place: Name | tuple[str, ...]) -> Name:
    if isinstance(place, Name):
        return place
    return Name("/".join([*place, "*"]), True, f"{_FOLDERS}{depth}")


def _path(one: Name) -> tuple[str, ...] | None:
    """Return the folders in which all names of a class lie; None for names of which no pattern is learned."""
    if not one.learned:
        return None
    folders = one.text.split("/")[:-1]
    wild = (n for n, folder in enumerate(folders) if "*" in folder.replace("${*}", ""))
    return tuple(folders[: next(wild, len(folders))] if "*" in one.text[:-1] else folders)


def _depth(one: Name) -> int:
    return int(one.kind.removeprefix(_FOLDERS))


# ---- bounding what is held ------------------------------------------------------------------------------

ROOM = 20_000
"""Calls of one role that are held before they are folded for the first time, some 30 MB."""


class Bound:
    """Folds the calls of roles whenever they have doubled, so that the time stays in proportion to their number."""

    def __init__(self) -> None:
        self._room: dict[object, int] = {}

    def keep(self, key: object, calls: Calls) -> None:
        """Fold the calls of a role, known by a key, if they are many."""
        if len(calls) > self._room.get(key, ROOM):
            fold(calls)
            self._room[key] = max(ROOM, 2 * len(calls))
