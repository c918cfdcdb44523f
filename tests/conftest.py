"""Profiles of searches, the marker of all searches, and the golden cases.

Examples are not timed: timings are benchmarks, and a busy machine is no counter-example.
"""

from __future__ import annotations

import gc
from functools import cache

import botocore.loaders
import pytest
from hypothesis import settings

from tests.support.effort import THOROUGH, examples
from tests.support.golden import CASES, Golden, run

gc.set_threshold(1_000_000, 50, 100)
"""As the command line has it: the collector took a quarter of the time, and found next to nothing."""

settings.register_profile("thorough", deadline=None, max_examples=examples(100))
settings.register_profile("fast", deadline=None, max_examples=examples(100), derandomize=True)
settings.load_profile("thorough" if THOROUGH else "fast")

botocore.loaders.create_loader = cache(botocore.loaders.create_loader)
"""AWS's API models are read once, not by each session of each test."""


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    if hasattr(getattr(item, "obj", None), "hypothesis"):
        item.add_marker("sweep")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Searches and sweeps come first: none of them is long enough then to be waited for at the end."""
    items.sort(key=lambda item: item.get_closest_marker("sweep") is None)


@pytest.fixture(scope="session", params=CASES)
def golden(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Golden:
    """A golden case and its analysis. Tests that ask for it run case by case, so that each is analysed once."""
    return Golden(request.param, run(request.param, tmp_path_factory.mktemp("golden")))
