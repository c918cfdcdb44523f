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

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from heapq import nsmallest
from math import inf

import msgspec

from policygen.catalog.name_classes import name_class
from policygen.logs.calls.call import CallBucket, Calls, CallSignature
from policygen.logs.calls.distinct import hash_of, union
from policygen.logs.calls.evidence import Evidence, sum_of
from policygen.logs.calls.folded import Folded, Name
from policygen.logs.calls.templates import Names, Part, SameTemplate, by_template, operation_of
from policygen.logs.events.credentials import CredentialUse

KEEP = 256
"""Names of a class that stay. A class of more than `rightsize.generate.names.LISTED` is written by its pattern."""
CLASSES = 1_000
"""Classes of one template. More patterns than this fit into no role's policies."""
FOLDERS = 250
"""Patterns of one template where there are more classes."""

_FOLDERS = "first folders: "
"""Kind of a class of all names below some folders; their number follows."""

Sum = tuple[CallSignature, CredentialUse, list[tuple[Part, bytes]]]
"""A call that stands for many, its user, and each part of it with the count of its names; b"" where that is its own."""


def fold(calls: Calls) -> None:
    """Replace calls of one role by fewer that stand for them, past the limits."""
    operations: defaultdict[object, list[CallBucket]] = defaultdict(list)
    for one in calls:
        operations[operation_of(one.call, one.user)].append(one)
    for same in operations.values():  # one after the other: of many calls, most may have nothing to fold
        if len(same) > KEEP:
            _fold_operation(calls, same)


def _fold_operation(calls: Calls, same: Collection[CallBucket]) -> None:
    for call, user, parts in sums_of([(one.call, one.user, one) for one in same]):
        days: dict[str, list[tuple[Evidence, bytes]]] = defaultdict(list)
        for bucket, names in parts:
            evidence = calls.pop(bucket)
            days[bucket.day].append((evidence, names or evidence.names))
        for day, found in days.items():
            total = sum_of([evidence for evidence, _ in found])
            calls[CallBucket(call, day, user)] = msgspec.structs.replace(
                total, names=union([names for _, names in found])
            )


def sums_of(counted: Collection[tuple[CallSignature, CredentialUse, Part]]) -> Iterator[Sum[Part]]:
    """Give the calls that stand for many, each with the parts that it replaces; all other parts stay.

    Args:
        counted: calls of one role with their user, and what stands for a part of what was counted of them.
    """
    if len(counted) <= KEEP:
        return
    for group in by_template(counted, KEEP):
        for classes, members in _by_class(group.parts).items():
            many = [_is_many(number, members) for number in range(len(classes))]
            if any(many):
                yield from _sums_of_class(group, classes, members, many)


def _sums_of_class(
    group: SameTemplate[Part], classes: Names, members: Sequence[Names], many: Sequence[bool]
) -> Iterator[Sum[Part]]:
    folded = group.folded.intersection(members)
    exact = {_order(names): names for names in members if not folded or names not in folded}
    stay = set(nsmallest(KEEP, exact))
    sums: dict[Names, list[tuple[Part, bytes]]] = defaultdict(list)
    whole = sums[classes] if all(many) and len(exact) > KEEP else None
    for order, names in exact.items():
        if order not in stay:
            known = order[::-1]
            target = sums[_target(classes, names, many)] if whole is None else whole
            target += [(part, known) for part in group.parts[names]]
    for names in folded:
        sums[_target(classes, names, many)] += [(part, b"") for part in group.parts[names]]
    for names, parts in sums.items():
        yield msgspec.structs.replace(group.template, folded=Folded(group.values, names)), group.user, parts


def _target(classes: Names, names: Names, many: Sequence[bool]) -> Names:
    return tuple(one if is_many else name for one, name, is_many in zip(classes, names, many, strict=True))


def _order(names: Names) -> bytes:
    """Return what decides which names stay: a hash, by which `distinct` counts them when it is read backwards."""
    return hash_of("\0".join([name.text for name in names]))[::-1]


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
    paths = [[(name, _path(name)) for name in one] for one in classes]

    @cache
    def together(depth: int, most: float = FOLDERS) -> Mapping[_Place, list[Names]] | None:
        fewer: dict[_Place, list[Names]] = defaultdict(list)
        for members, path in zip(classes.values(), paths, strict=True):
            fewer[_at(depth, path)] += members
            if len(fewer) > most:
                return None
        return fewer

    deepest = min(depths) if depths else max(len(path or ()) for one in paths for _, path in one)
    # The deeper, the more patterns.
    depth = max(0, bisect_left(range(deepest + 1), True, key=lambda depth: together(depth) is None) - 1)
    places = together(depth) or together(depth, inf) or {}
    return {tuple([_class_at(depth, part) for part in place]): members for place, members in places.items()}


def _class_of(name: Name) -> Name:
    if name.kind:
        return name
    if not name.learned:
        return Name("*", False, "every")
    found = name_class(name.text)
    return Name(found.pattern, True, found.kind)


_Place = tuple["Name | tuple[str, ...]", ...]
"""For each name of a call the first folders below which it is put, or its class."""


def _at(depth: int, paths: Iterable[tuple[Name, tuple[str, ...] | None]]) -> _Place:
    """Return where names go that are put together by so many first folders. Those with fewer stay in their class.

    Args:
        depth: number of folders.
        paths: the class of each name of a call, and its folders.
    """
    return tuple([one if path is None or len(path) < depth else path[:depth] for one, path in paths])


def _class_at(depth: int, place: Name | tuple[str, ...]) -> Name:
    if isinstance(place, Name):
        return place
    return Name("/".join([*place, "*"]), True, f"{_FOLDERS}{depth}")


def _path(one: Name) -> tuple[str, ...] | None:
    """Return the folders in which all names of a class lie; None for names of which no pattern is learned."""
    if not one.learned:
        return None
    folders = one.text.split("/")[:-1]
    if "*" in one.text[:-1]:
        wild = (n for n, folder in enumerate(folders) if "*" in folder.replace("${*}", ""))
        folders = folders[: next(wild, len(folders))]
    return tuple(folders)


def _depth(one: Name) -> int:
    return int(one.kind.removeprefix(_FOLDERS))


# ---- bounding what is held ------------------------------------------------------------------------------

ROOM = 16_000
"""Calls of one role that are held before they are folded for the first time, some 20 MB."""


class Bound:
    """Folds the calls of roles whenever they have doubled, so that the time stays in proportion to their number."""

    def __init__(self) -> None:
        self._room: dict[object, int] = {}

    def keep(self, key: object, calls: Calls, times: int = 1) -> bool:
        """Fold the calls of a role, known by a key, if they are many: so many `times` what is held while reading.

        Returns whether they were.
        """
        if len(calls) <= times * self._room.get(key, ROOM):
            return False
        fold(calls)
        self._room[key] = max(ROOM, 2 * len(calls))
        return True
