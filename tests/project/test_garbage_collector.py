"""The garbage collector is paused for a while, and leaves alone what stays for good."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from policygen import parallel
from policygen.parallel import gc_paused, keep_for_good


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(parallel, "_kept", False)
    yield
    gc.unfreeze()


def test_after_a_pause_the_collector_runs_again_and_nothing_is_frozen() -> None:
    with gc_paused():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert not gc.get_freeze_count()


def test_what_stays_for_good_is_not_counted_and_stays_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_for_good()
    kept = gc.get_freeze_count()

    def count() -> int:
        raise AssertionError("counting takes longer the more is frozen")

    with monkeypatch.context() as counting, gc_paused():
        counting.setattr(gc, "get_freeze_count", count)
    assert gc.isenabled()
    assert gc.get_freeze_count() == kept > 0
