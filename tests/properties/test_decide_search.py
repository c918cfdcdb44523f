"""The search over random accounts finds a fault in each rule that decides what no log shows.

`tests/support/decide_world.py` makes the accounts, `bench/absence_search.py` searches thousands of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from policygen.account.inventory import Inventory, Item
from policygen.catalog.action_classes import ActionClass
from policygen.evidence.coverage import workplaces
from policygen.evidence.coverage.coverage import Coverage
from policygen.rightsize.keep.witness import Asked
from policygen.rightsize.keep.witnesses import action_class, existence, tags
from tests.support.absence_judge import judged
from tests.support.effort import THOROUGH

Plant = Callable[[pytest.MonkeyPatch], None]


# --- What exists -----------------------------------------------------------------------------------


def _every_type_is_complete(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Inventory, "is_complete", lambda *_: True)


def _nobody_made_anything(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(existence, "_may_have_been_made", lambda *_: False)


def _another_account_has_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(existence, "_names_another_account", lambda *_: False)


# --- What is reached -------------------------------------------------------------------------------


def _nothing_is_public(patch: pytest.MonkeyPatch) -> None:
    def planted(self: Inventory, type_: str) -> tuple[Item, ...]:
        return tuple(replace(item, public=False) for item in self.items if item.type == type_)

    patch.setattr(Inventory, "of", planted)


def _no_function_is_in_a_vpc(patch: pytest.MonkeyPatch) -> None:
    def planted(asked: Asked) -> bool:
        return asked.facts.current.role is not None and asked.facts.current.role.only_functions

    patch.setattr(existence, "_runs_outside_of_vpcs", planted)


def _every_role_is_of_functions(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(existence, "_runs_outside_of_vpcs", lambda _: True)


# --- Regions that IAM does not track ---------------------------------------------------------------


def _no_role_works_where_only_others_are_seen(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(workplaces, "_may_run_in", lambda *_: False)


def _an_unread_region_has_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(workplaces, "_services_there", lambda *_: frozenset())


# --- Attempts that IAM saw -------------------------------------------------------------------------


def _every_region_and_day_was_read(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Coverage, "has_read", lambda *_: True)


# --- Tags, and who asks ----------------------------------------------------------------------------


def _every_record_shows_its_tags(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(tags, "tags_shown", lambda *_: "no-tags")


def _no_service_asks_with_a_role_that_trusts_it(patch: pytest.MonkeyPatch) -> None:
    def planted(_: Asked, found: ActionClass, *__: Any) -> str:
        return f"only {found.callers} asks for it"

    patch.setattr(action_class, "_of_no_service", planted)


FAULTS: Mapping[Plant, str] = {
    _every_type_is_complete: "2",
    _nobody_made_anything: "48",
    _another_account_has_nothing: "102",
    _nothing_is_public: "184",
    _no_function_is_in_a_vpc: "4",
    _every_role_is_of_functions: "4",
    _no_role_works_where_only_others_are_seen: "464",
    _an_unread_region_has_nothing: "464",
    _every_region_and_day_was_read: "170",
    _every_record_shows_its_tags: "2",
    _no_service_asks_with_a_role_that_trusts_it: "5",
}
"""A fault -> the account in which it takes a needed permission away."""


@pytest.mark.parametrize("plant", [pytest.param(one, id=one.__name__.strip("_")) for one in FAULTS])
def test_the_search_finds_a_fault_in_each_rule(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    if THOROUGH:  # the other search judges many accounts without a fault
        assert judged(FAULTS[plant]).losses == []
    plant(monkeypatch)
    assert judged(FAULTS[plant]).losses
