"""Calls on disk: what comes back is what was taken, whatever the order and the splitting."""

from __future__ import annotations

from pathlib import Path

import pytest

import policygen.logs.calls.spill
import policygen.logs.chunk
import policygen.logs.reader
from policygen.iam.request import RoleKey
from policygen.logs.calls.call import Calls
from policygen.logs.calls.counts import CallCounts
from policygen.logs.calls.spill import SpillStore, unpack_calls
from policygen.logs.calls.totals import COPIED
from policygen.logs.chunk import ReadRequest
from policygen.logs.reader import ReadOptions, read_source
from policygen.logs.registry import open_source
from tests.logs.test_dedup import copy_of, own
from tests.support import ROOT

TRAIL = ROOT / "samples" / "trail"


def everybody(_: RoleKey) -> bool:
    return True


def spilled(room: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[RoleKey, Calls]]:
    monkeypatch.setattr(policygen.logs.reader, "ROOM", room)
    monkeypatch.setattr(policygen.logs.reader, "ROOM_OF_COPIES", room)
    monkeypatch.setattr(policygen.logs.chunk, "CHUNK_OBJECTS", 5)
    with SpillStore() as spill:
        whole = read_source(open_source(TRAIL), ReadRequest(everybody), options=ReadOptions(spill=spill))
        assert whole.counts.calls == {}
        assert whole.counts.totals == read_source(open_source(TRAIL), ReadRequest(everybody)).counts.totals
        assert whole.counts.totals.ignored[COPIED]
        return {name: unpack_calls(pieces.calls) for name, pieces in spill.by_name()}


@pytest.mark.parametrize("lost", ["", "shared-1", "shared-2"])
def test_copies_that_waited_on_disk_count_as_those_in_memory(lost: str) -> None:
    shared = [f"shared-{number}" for number in range(4)]
    first = [copy_of(one, f"copy of {one}") for one in shared[:3]]
    then = [own(one) for one in shared if one != lost] + [copy_of("shared-3", "last"), copy_of(None, "no id")]
    held, waiting = CallCounts(everybody), CallCounts(everybody)
    held.add_all([*first, *then])
    held.resolve_cross_account_copies()
    with SpillStore() as spill:
        waiting.add_all(first)
        spill.write_copies(waiting.copies)
        assert waiting.copies.size == 0
        waiting.add_all(then)
        waiting.resolve_cross_account_copies(spill.all_copies(waiting.copies))
    assert (waiting.calls, waiting.totals) == (held.calls, held.totals)
    assert held.totals.ignored[COPIED] == 4 - bool(lost)


@pytest.mark.parametrize("room", [0, 50, 1_000_000])
def test_every_role_has_the_calls_that_memory_would_have_held(
    room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = read_source(open_source(TRAIL), ReadRequest(everybody)).counts.calls
    found = spilled(room, monkeypatch)
    assert {role: calls for named in found.values() for role, calls in named.items()} == held
    assert all(role.name.lower() == name for name, named in found.items() for role in named if role.name)


def test_roles_of_one_name_come_together(monkeypatch: pytest.MonkeyPatch) -> None:
    one = RoleKey("111122223333", "AROAONE", "", "Orders")
    two = RoleKey("111122223333", "AROATWO", "", "orders")
    calls = next(iter(read_source(open_source(TRAIL), ReadRequest(everybody)).counts.calls.values()))
    with SpillStore() as spill:
        spill.write({one: dict(calls)}, {})
        spill.write({two: dict(calls), one: dict(calls)}, {})
        ((name, pieces),) = spill.by_name()
        found = unpack_calls(pieces.calls)
        assert (name, set(found)) == ("orders", {one, two})
        assert spill.names() == {"orders": {one, two}}
        assert {key: seen.count for key, seen in found[one].items()} == {
            key: 2 * seen.count for key, seen in calls.items()
        }


def test_what_calls_have_in_common_is_in_memory_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for named in spilled(50, monkeypatch).values():
        for calls in named.values():
            parts = [part for key in calls for part in (key.call, key.user)]
            assert len({*map(id, parts)}) == len({*parts})


def test_what_was_written_is_gone_at_the_end(tmp_path: Path) -> None:
    calls = read_source(open_source(TRAIL), ReadRequest(everybody)).counts.calls
    with SpillStore(tmp_path) as spill:
        spill.write(calls, {})
        assert [one.stat().st_mode & 0o077 for one in tmp_path.iterdir()] == [0]
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_nobody_holds_takes_its_files_with_it(tmp_path: Path) -> None:
    spill = SpillStore(tmp_path)
    spill.write(read_source(open_source(TRAIL), ReadRequest(everybody)).counts.calls, {})
    stored = dict(spill.by_name())
    assert unpack_calls(stored["orders-api"].calls)
    del spill
    assert list(tmp_path.iterdir()) == []
