"""The floor plan: few modules at the top, imports one way and without circles, no file too long to read."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

from tests.support import ROOT

HOUSE = ROOT / "policygen"
AT_THE_TOP = 8
FLOORS = 12
LINES = 800


def modules() -> dict[str, Path]:
    """Dotted name, without the package's own, -> file."""
    found = {}
    for path in sorted(HOUSE.rglob("*.py")):
        parts = path.relative_to(HOUSE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(body: Iterable[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Module and name of every import that runs, in functions too: what only types need is left out."""
    for statement in body:
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
            continue
        if isinstance(statement, ast.ImportFrom):
            yield from ((statement.module or "", alias.name) for alias in statement.names)
        elif isinstance(statement, ast.Import):
            yield from ((alias.name, "") for alias in statement.names)
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            yield from imported(getattr(statement, part, ()))


@cache
def imports() -> dict[str, set[str]]:
    """Module -> the modules of policygen that it imports."""
    names = modules()
    graph: dict[str, set[str]] = {}
    for name, path in names.items():
        graph[name] = set()
        for module, what in imported(ast.parse(path.read_text("utf-8")).body):
            if module.partition(".")[0] == "policygen":
                inner = module.partition(".")[2]
                graph[name].add(
                    f"{inner}.{what}".lstrip(".") if f"{inner}.{what}".lstrip(".") in names else inner
                )
        graph[name].discard(name)
    return graph


def test_few_modules_lie_loose_at_the_top() -> None:
    loose = [name for name in modules() if name and "." not in name and (HOUSE / f"{name}.py").is_file()]
    assert len(loose) <= AT_THE_TOP, loose


def test_no_module_imports_itself_by_way_of_others() -> None:
    # A package's __init__ that re-exports is passed through, not lived in: its modules do not import it.
    TopologicalSorter(imports()).prepare()


def test_packages_stand_on_few_floors() -> None:
    rooms: dict[str, set[str]] = {}
    for name, others in imports().items():
        room = name.partition(".")[0]
        if room not in {"", "__main__"}:
            rooms.setdefault(room, set()).update(other.partition(".")[0] for other in others if other)
    for room, others in rooms.items():
        others.discard(room)
    floor: dict[str, int] = {}
    for room in TopologicalSorter(rooms).static_order():
        floor[room] = 1 + max((floor[other] for other in rooms[room]), default=0)
    assert max(floor.values()) <= FLOORS, sorted(floor.items(), key=lambda item: item[1])
    assert len(floor) > 10


def test_no_module_is_too_long_to_read() -> None:
    lengths = {name: len(path.read_text("utf-8").splitlines()) for name, path in modules().items()}
    assert {name: lines for name, lines in lengths.items() if lines > LINES} == {}
