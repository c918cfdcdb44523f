"""The script of a plan that was made without a snapshot: it adds policies to a role that nobody looked at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from policygen.report.formats import render
from tests.report.test_aws_cli import AWS, BASH, called, needs_what_it_calls, stderr
from tests.support.role_policies import ACCOUNT, changed, document, new

pytestmark = pytest.mark.skipif(not BASH, reason="there is no bash")

ONE = changed([new("policygen")], None)
TWO = changed([new("p-1"), new("p-2")], None)
INLINE, MANAGED = "orders-api.policygen", "p-2"
"""The places of a policy of each plan."""


def run(
    folder: Path,
    word: str,
    one: bool,
    now: Mapping[str, Any] | str | None,
    aws: str = AWS,
    has: str = "reads policygen",
) -> tuple[int, list[str]]:
    """The exit code and operations of a script where a policy of its name has a document, or is not there.

    `has` are the names and ARNs of the role's policies.
    """
    place, made = (INLINE, ONE) if one else (MANAGED, TWO)
    documents = {} if now is None else {place: now}
    policies = {made.role.name: has}
    code, calls = called(folder, render("aws-cli", made), word, aws=aws, has=policies, documents=documents)
    return code, [call[1] for call in calls]


ON = {True: ["put-role-policy"], False: ["create-policy", "attach-role-policy"] * 2}
OFF = {True: ["delete-role-policy"], False: ["detach-role-policy", "delete-policy"] * 2}
EACH = pytest.mark.parametrize("one", [True, False], ids=["one inline policy", "several managed ones"])


@EACH
def test_it_adds_its_policies_and_its_undo_takes_them_away_alone(one: bool, tmp_path: Path) -> None:
    assert run(tmp_path, "apply", one, None) == (0, ON[one])
    assert run(tmp_path, "undo", one, document("New")) == (0, OFF[one])
    said = (tmp_path / "stdout").read_text()
    assert said == "undone: the role has what it had besides these policies\n"


@EACH
def test_its_undo_does_not_leave_the_role_without_a_policy(one: bool, tmp_path: Path) -> None:
    own = "policygen" if one else f"{ACCOUNT}/p-1 {ACCOUNT}/p-2"
    assert run(tmp_path, "undo", one, document("New"), has=own) == (1, [])
    assert "stopped, nothing was changed: orders-api would have no policy left" in stderr(tmp_path)
    assert run(tmp_path, "undo", one, document("New"), has=f"{own} reads") == (0, OFF[one])
    assert run(tmp_path, "undo", one, document("New"), has=f"{own} {ACCOUNT}/other") == (0, OFF[one])
    assert run(tmp_path, "undo", one, None, has="") == (0, OFF[one])


@EACH
@pytest.mark.parametrize("word", ["apply", "undo"])
def test_another_policy_of_that_name_is_neither_replaced_nor_deleted(
    one: bool, word: str, tmp_path: Path
) -> None:
    assert run(tmp_path, word, one, document("Other")) == (1, [])
    name = "policygen" if one else f"{ACCOUNT}/p-2"
    assert f"stopped, nothing was changed: {name} is there with another document" in stderr(tmp_path)


@EACH
def test_a_run_that_was_stopped_can_be_repeated_and_undone(one: bool, tmp_path: Path) -> None:
    assert run(tmp_path, "apply", one, document("New")) == (0, ON[one])
    (tmp_path / ("doc." + (INLINE if one else MANAGED))).unlink()
    assert run(tmp_path, "undo", one, None) == (0, OFF[one])


@EACH
@pytest.mark.parametrize("word", ["apply", "undo"])
def test_it_stops_where_it_cannot_look(one: bool, word: str, tmp_path: Path) -> None:
    refusing = AWS.replace('case "$2" in', 'case "$2" in get-*) echo "(AccessDenied)" >&2; exit 254 ;;')
    assert run(tmp_path, word, one, document("New"), refusing) == (1, [])
    assert "AccessDenied" in stderr(tmp_path)


@EACH
def test_its_head_says_that_it_adds_and_what_it_needs(one: bool, tmp_path: Path) -> None:
    needs_what_it_calls(tmp_path, ONE if one else TWO)
    head = render("aws-cli", ONE if one else TWO).partition("\nset -euo")[0]
    assert "adds the new policies to what the role has, and removes nothing" in head
    assert "may give back what somebody took away since" in head
    assert "gives the role back" not in head
    assert "detaches and deletes" not in head
