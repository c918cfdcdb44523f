"""Looking up, of thousands of statements, the few that may apply to a name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")


class NameIndex(Generic[Item]):
    """Items by the names that they apply to.

    Attributes:
        items: all of them, in order.
    """

    __slots__ = ("_named", "_other_items", "_others", "items")

    def __init__(self, items: Iterable[Item], names_of: Callable[[Item], Collection[str] | None]) -> None:
        """Index items; `names_of` returns the only names that one applies to, None where there may be others."""
        self.items: Sequence[Item] = tuple(items)
        self._named: dict[str, list[int]] = {}
        self._others: list[int] = []
        for number, item in enumerate(self.items):
            names = names_of(item)
            if names is None:
                self._others.append(number)
            else:
                for name in names:
                    self._named.setdefault(name, []).append(number)
        self._other_items: Sequence[Item] = [self.items[number] for number in self._others]

    def about(self, name: str) -> Sequence[Item]:
        """Return the items that may apply to a name, in order."""
        named = self._named.get(name)
        if named is None:
            return self._other_items
        return [self.items[number] for number in (sorted(named + self._others) if self._others else named)]
