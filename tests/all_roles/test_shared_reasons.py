"""What holds back many roles alike is found in their plans' own reasons, and so is what would be left of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from policygen.all_roles.shared_reasons import HeldBack, held_back, of_all_roles
from policygen.plan.batch_table import SharedReason
from policygen.report.held_back import held_words, without_words
from policygen.report.terminal.batch import render_batch
from policygen.rightsize.assess.readiness import Reason
from tests.all_roles.test_batch import batch, table
from tests.report.test_batch_screen import ROWS, table_of

QUIET = "no event of anyone on 1 day: 2026-11-01"
GAP = Reason("gaps", QUIET, "review")
OTHER = Reason("gaps", "trail audit did not log from 2026-11-02 to 2026-11-03", "review")
REPLAY = Reason(
    "replay", "1 later call that a policy learnt on the first part of the window denies", "review"
)


def asked(decides: int) -> Reason:
    why = "IAM was not asked what was used before the window: policygen snapshot --output account.json"
    return Reason("no-report", f"{why}; it would also decide about {decides} of the 99 unverified", "review")


def found(*plans: tuple[Reason, ...], **more: Any) -> HeldBack:
    return held_back((((tuple(one.id for one in plan)), of_all_roles(plan)) for plan in plans), **more)


def test_roles_are_counted_by_what_their_plans_say() -> None:
    held = found((GAP, asked(3)), (REPLAY, GAP, asked(4)), (GAP,), (REPLAY,), (asked(5), OTHER))
    assert [(one.id, one.roles) for one in held.shared_reasons] == [("gaps", 3), ("no-report", 3)]
    assert held.shared_reasons[1].sentence == "IAM was not asked what was used before the window"
    assert held.held_back == 4
    assert (
        held.ready_without == 2
    )  # the second has a reason of its own, the last a gap that no other role has


def test_nothing_that_one_role_alone_has_is_shared() -> None:
    assert found((GAP,), (REPLAY,)) == HeldBack()


def test_the_screen_says_it_once_with_what_to_do_and_numbers_that_add_up() -> None:
    shared = (
        SharedReason(id="gaps", sentence=QUIET, roles=5),
        SharedReason(
            id="no-report", sentence="IAM was not asked", roles=4, command="policygen snapshot -o a.json"
        ),
    )
    made = table_of(ROWS, shared_reasons=shared, held_back=5, ready_without=2)
    assert held_words(made) == "2 things hold back 5 of 6 roles to look at or to wait for"
    assert without_words(made) == "Nothing else that is known holds back 2 roles; 3 have reasons of their own"
    screen = " ".join(render_batch(made, "out", width=200).split())
    assert f"{QUIET}: add what is missing" in screen
    assert "--days" not in screen  # a shorter window would forget what was seen before
    assert "IAM was not asked (4 roles): policygen snapshot -o a.json" in screen
    assert "hold back" not in render_batch(table_of(ROWS), "out")


def test_what_a_batch_says_is_what_its_rows_have_and_a_second_one_keeps_it(tmp_path: Path) -> None:
    first = batch(tmp_path / "out", "--days", 9, "--name", "orders-*", "--name", "bastion")
    made = table(tmp_path / "out")
    assert {one.id for one in made.shared_reasons} >= {"few-days"}
    free = [row for row in made.rows if row.reasons and not row.own_reasons]
    assert made.ready_without <= len(free)
    assert made.held_back == sum(1 for row in made.rows if row.reasons)
    again = batch(tmp_path / "out", "--days", 9, "--name", "orders-*", "--name", "bastion")
    assert "did not change" in again.stderr or again.stdout == first.stdout
    assert table(tmp_path / "out").shared_reasons == made.shared_reasons
    commands = re.search(r"^Next\n((?:  .*\n)+)", first.stdout, re.M)
    assert commands
    assert "-f aws-cli" not in commands[1]  # no role is safe to apply
