"""What applying a plan changes at a role: an order in which it keeps working, within IAM's quotas, with an undo."""

from __future__ import annotations

from typing import Any

import pytest

from policygen.plan.apply_list import PolicyChange
from policygen.report.apply_steps import apply_steps
from policygen.report.terminal.apply_list import apply_lines
from policygen.rightsize.generate.pack import INLINE_LIMIT, MANAGED_COUNT
from tests.support.command import run_in_root
from tests.support.reviews import plan
from tests.support.role_policies import (
    ACCOUNT,
    EVERY_PLAN,
    State,
    changed,
    document,
    new,
    old,
    proposed,
    state,
)
from tests.support.samples import EVERY_SAMPLE, SAMPLES


def applied(before: State, changes: tuple[PolicyChange, ...]) -> list[State]:
    """The states of a role after each of some changes, which must each find what they expect."""
    states = [before]
    for one in changes:
        now = dict(states[-1])
        assert now.pop((one.name, one.arn), None) == one.before
        if one.after is not None:
            now[one.name, one.arn] = one.after
        states.append(now)
    return states


@EVERY_PLAN
def test_the_role_ends_with_the_proposal_and_its_undo_with_what_it_had(
    policies: list[dict[str, Any]], today: list[dict[str, Any]]
) -> None:
    made = changed(policies, today)
    sizes = {one["name"]: one["size"] for one in (*today, *policies)}
    states = applied(state(made), made.apply_list.changes)
    back = applied(states[-1], made.apply_list.undo)
    assert states[-1] == proposed(made)
    assert back[-1] == state(made)
    for one in (*states, *back):
        assert sum(sizes[name] for name, arn in one if not arn) <= INLINE_LIMIT
        assert sum(1 for _, arn in one if arn) <= MANAGED_COUNT


@EVERY_PLAN
def test_nothing_is_taken_away_before_the_new_is_there_but_for_want_of_room(
    policies: list[dict[str, Any]], today: list[dict[str, Any]]
) -> None:
    apply = changed(policies, today).apply_list
    early = {one.name for one in apply.first_off}
    inline = sum(one["size"] for one in (*today, *policies) if not one.get("arn"))
    kept = {one["name"] for one in today} & {one["name"] for one in policies}
    inline -= sum(one["size"] for one in today if one["name"] in kept and not one["arn"])
    assert early == ({"b"} if inline > INLINE_LIMIT else {"m0", "m1"} if len(today) == 19 else set())
    for one in apply.first_off:
        assert one.after is None
    assert all(one.after is not None for one in apply.on)


@EVERY_SAMPLE
def test_a_sample_s_list_names_every_policy_of_today_by_what_it_is(role: str, today: bool) -> None:
    made = plan(role, today)
    apply = made.apply_list
    assert (apply.today_known, apply.unplaced, apply.unread, apply.first_off) == (today, (), (), ())
    assert [one.name for one in apply.on] == ["policygen"]
    assert applied(state(made), apply.changes)[-1] == proposed(made)
    if today and role == "orders-api":
        managed = {one.name: one.arn for one in apply.off if one.arn}
        assert managed["AmazonS3FullAccess"] == "arn:aws:iam::aws:policy/AmazonS3FullAccess"
        assert [one.name for one in apply.off if not one.arn] == ["orders-api-inline"]


def test_a_policy_that_is_already_as_proposed_is_left_alone() -> None:
    same = new("policygen") | {"kind": "inline", "arn": ""}
    made = changed([new("policygen")], [same, old("a")])
    assert [one.name for one in made.apply_list.changes] == ["a"]
    assert apply_steps(made.apply_list) == ["delete the inline policy a"]


def test_nothing_is_to_do_where_no_permission_changes() -> None:
    changes = [one | {"now": one["proposed"]} for one in plan("orders-api").document["changes"]]
    made = changed([new("policygen")], [old("a")], changes=changes)
    assert made.apply_list.changes == ()
    assert apply_steps(made.apply_list) == ["nothing to do: today's policies are what the evidence asks for"]


def test_a_policy_that_was_not_read_stays_and_an_older_plan_says_what_it_does_not_know() -> None:
    bare = {"name": "b", "document": document("b")}
    made = changed([new("policygen")], [bare], today_unread=[f"{ACCOUNT}/secret"])
    assert apply_steps(made.apply_list) == [
        "attach the inline policy policygen (100 of 10,240 characters)",
        "detach or delete b: this plan is older and does not say which is inline",
        f"leave {ACCOUNT}/secret attached until you have read it: its document is not known",
    ]
    assert made.apply_list.off == ()


def test_steps_say_what_replaces_what_and_where_the_role_goes_without() -> None:
    replaced = changed([new("p-1", 6_000), new("p-2")], [old("p-1", managed=True), old("x")])
    assert apply_steps(replaced.apply_list) == [
        "create and attach the managed policy p-2 (100 of 6,144 characters)",
        "write a new version of the managed policy p-1 (6,000 of 6,144 characters)",
        "delete the inline policy x",
    ]
    crowded = changed([new("policygen", 9_000)], [old("a", 2_000)])
    assert apply_steps(crowded.apply_list)[0] == (
        "delete the inline policy a: IAM's quota has no room for both, "
        "so the role lacks them until the next step is done"
    )
    assert apply_steps(changed([new("policygen")], None).apply_list)[-1] == (
        "leave what the role has: its policies of today are not known (--snapshot, --live)"
    )


@pytest.mark.parametrize("width", [60, 80, 160])
def test_the_screen_s_lines_fit_and_hidden_names_are_counted(width: int) -> None:
    made = changed([new("policygen")], [old(f"Access{number}", managed=True) for number in range(9)])
    lines = apply_lines(made, width)
    assert all(len(line) <= width for line in lines)
    assert lines[0].startswith("Apply   1. attach the inline policy policygen")
    steps, by_script = " ".join(" ".join(lines).split()).split(" or by the script below: ")
    assert steps.endswith("Access1 + 7 more")
    assert by_script == f"bash {made.role.name}.sh apply; undo takes it back"
    assert "Access8" in "\n".join(apply_lines(made, width, show_all=True))


def test_a_hostile_name_is_one_visible_line() -> None:
    made = changed([new("policygen")], [old("a\x1b[2J\nb")])
    assert [line for line in apply_lines(made, 80) if not line.isprintable()] == []


def test_the_policy_has_the_name_that_the_user_gives_it() -> None:
    read = ("-r", "bastion", "-l", SAMPLES / "trail", "-s", SAMPLES / "account.json", "-q", "--no-plan")
    done = run_in_root("suggest", *read, "-f", "aws-cli", "--policy-name", "shop+1")
    assert 'put-role-policy --role-name "$role" --policy-name shop+1 ' in done.stdout
    for name in ("", "a b", "é", "x" * 49):
        refused = run_in_root("suggest", *read, "--policy-name", name)
        assert (refused.code, refused.stdout, "PG-E215" in refused.stderr) == (2, "", True)
