"""The script of AWS CLI commands for several roles, run against roles that are kept in dictionaries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from policygen.errors import GateError, UsageError
from policygen.plan.model import Plan
from policygen.report.formats import render, render_all
from tests.report.test_aws_cli import AWS, BASH, FakeIam, called, stderr
from tests.support.command import run_in_root
from tests.support.reviews import plan
from tests.support.role_policies import changed, document, new, old, proposed, state
from tests.support.shell import judge

pytestmark = pytest.mark.skipif(not BASH, reason="there is no bash")


def role(name: str, *, verdict: str = "ready", account: str = "111122223333", **more: Any) -> Plan:
    """A plan of a role, in which one inline policy takes the place of an inline and a managed one."""
    made = plan("orders-api").document
    arn = f"arn:aws:iam::{account}:role/{name}"
    return changed(
        **{"policies": [new("policygen")], "today": [old("a"), old("b", managed=True)]} | more,
        role=made["role"] | {"name": name, "account": account, "arn": arn},
        strength=made["strength"] | {"verdict": verdict},
    )


THREE = [role("api"), role("batch"), role("cron")]


def roles_of(calls: Sequence[Sequence[str]]) -> list[str]:
    """The roles of some calls, each once as long as the calls are about it."""
    names = [call[call.index("--role-name") + 1] for call in calls if "--role-name" in call]
    return [name for i, name in enumerate(names) if i == 0 or name != names[i - 1]]


def stdout(folder: Path) -> list[str]:
    return (folder / "stdout").read_text().splitlines()


def notes(folder: Path) -> Path:
    """The file in which the script notes what it did."""
    (found,) = folder.glob("script.sh.*.applied")
    return found


def test_each_safe_role_gets_its_proposal_and_the_undo_gives_all_of_them_back(tmp_path: Path) -> None:
    script = render_all("aws-cli", [*THREE, role("later", verdict="wait")])
    iam = {one.role.name: FakeIam(state(one)) for one in THREE}
    names = list(iam)
    for word, order in (("apply", names), ("undo", names[::-1])):
        code, calls = called(tmp_path, script, word)
        assert (code, roles_of(calls)) == (0, order)
        for call in calls:
            at = call.index("--role-name")
            iam[call[at + 1]].take([*call[:at], *call[at + 2 :]])
        for one in THREE:
            assert iam[one.role.name].role == (proposed(one) if word == "apply" else state(one))
        told = [line.split(" ")[0] for line in stdout(tmp_path)]
        assert told == [*order, "applied;" if word == "apply" else "undone:"]
    assert notes(tmp_path).read_text() == ""


REFUSING = f"""{AWS}case "$* " in *detach*"--role-name batch "*)
  [ -e fixed ] || {{ echo "An error occurred (AccessDenied)" >&2; exit 254; }} ;; esac
exit 0
"""


def test_it_stops_at_the_first_failure_and_undoes_what_it_touched_alone(tmp_path: Path) -> None:
    script = render_all("aws-cli", THREE)
    code, calls = called(tmp_path, script, "apply", aws=REFUSING)
    assert (code, roles_of(calls)) == (1, ["api", "batch"])
    assert stdout(tmp_path) == ["api (1 of 3)", "batch (2 of 3)"]  # named before it is touched
    assert "AccessDenied" in stderr(tmp_path)
    assert "stopped at batch, see above; bash script.sh apply goes on from there" in stderr(tmp_path)
    code, calls = called(tmp_path, script, "undo")
    assert (code, roles_of(calls)) == (0, ["batch", "api"])


def test_a_second_run_goes_on_where_the_first_stopped(tmp_path: Path) -> None:
    script = render_all("aws-cli", THREE)
    assert called(tmp_path, script, "apply", aws=REFUSING)[0] == 1
    (tmp_path / "fixed").touch()
    code, calls = called(tmp_path, script, "apply", aws=REFUSING)
    assert (code, roles_of(calls)) == (0, ["batch", "cron"])
    assert stdout(tmp_path)[0] == "api: applied already"
    assert called(tmp_path, script, "apply") == (0, [])
    newer = render_all("aws-cli", [*THREE, role("new")])  # of the next batch, under the same name
    assert roles_of(called(tmp_path, newer, "apply")[1]) == ["api", "batch", "cron", "new"]


def test_roles_can_be_named(tmp_path: Path) -> None:
    script = render_all("aws-cli", THREE)
    assert roles_of(called(tmp_path, script, "apply", "cron")[1]) == ["cron"]
    assert called(tmp_path, script, "apply", "cro") == (2, [])
    assert "this script has no role cro" in stderr(tmp_path)
    assert roles_of(called(tmp_path, script, "undo")[1]) == ["cron"]
    assert called(tmp_path, script, "undo") == (1, [])
    assert "names no role that was applied" in stderr(tmp_path)
    notes(tmp_path).unlink()  # lost
    assert roles_of(called(tmp_path, script, "undo", "api", "cron")[1]) == ["cron", "api"]


def test_it_changes_nothing_without_a_word_or_in_another_account(tmp_path: Path) -> None:
    script = render_all("aws-cli", THREE)
    for words in ((), ("aply",), ("api",)):
        assert called(tmp_path, script, *words) == (2, [])
    assert called(tmp_path, script, "apply", account="999988887777") == (1, [])
    assert "are of account 999988887777; the roles are in account 111122223333" in stderr(tmp_path)
    assert list(tmp_path.glob("*.applied")) == []


def test_roles_that_are_not_safe_are_named_with_the_reason_and_left_out(tmp_path: Path) -> None:
    hostile = role("x\n rm -rf /\u202e", verdict="review")
    idle = role("idle", policies=[], today=[], changes=[])
    script = render_all("aws-cli", [*THREE, hostile, role("later", verdict="wait"), idle])
    head = script[: script.index("\nset -euo")]
    assert "# Left out (3): " in head
    assert {line[:1] for line in head.splitlines()} == {"#"}
    assert r"#   x\x0a rm -rf /\u202e: look first: " in head
    assert "#   later: not yet: " in head
    assert "#   idle: nothing to do" in head
    assert "later" not in script[len(head) :]
    assert render_all("aws-cli", [role("later", verdict="wait")]) == render(
        "aws-cli", role("later", verdict="wait")
    )


def test_roles_that_a_person_chose_are_applied_whatever_the_answer(tmp_path: Path) -> None:
    later = role("later", verdict="wait")
    script = render_all("aws-cli", [role("api"), later], approved=True)
    head = script[: script.index("\nset -euo")]
    assert "# as their plans say. Chosen by name (--role), though not safe to apply unseen (1):" in head
    assert "#   later: not yet: " in head
    assert "yes for each of them" not in head
    iam = {one.role.name: FakeIam(state(one)) for one in (role("api"), later)}
    code, calls = called(tmp_path, script, "apply")
    assert (code, roles_of(calls)) == (0, list(iam))


def test_what_one_script_cannot_hold_is_refused() -> None:
    with pytest.raises(GateError, match="none of 2 plans is safe to apply") as none:
        render_all("aws-cli", [role("a", verdict="wait"), role("b", verdict="review")])
    assert none.value.code == "PG-E482"
    assert none.value.hints[0].startswith("look at this one first: b: look first: ")
    assert none.value.hints[1].startswith("--role b makes the script")
    for other in (role("b", account="999988887777"), role("A")):
        with pytest.raises(UsageError) as caught:
            render_all("aws-cli", [role("a"), other])
        assert caught.value.code == "PG-E281"
    with pytest.raises(UsageError, match="IAM has no such name"):
        render_all("aws-cli", [role("a"), role("$(id)")])


def test_shellcheck_finds_nothing() -> None:
    judge("shellcheck", "-", text=render_all("aws-cli", THREE))


def test_the_folder_of_a_batch_gives_one_script(tmp_path: Path) -> None:
    read = ("--logs", "samples/trail", "--snapshot", "samples/account.json", "-q", "-j", 1)
    assert run_in_root("batch", *read, "--out", tmp_path / "out").code == 0
    rows = json.loads((tmp_path / "out" / "batch.json").read_bytes())["rows"]
    done = run_in_root("report", tmp_path / "out", "-f", "aws-cli")
    ready = sorted(row["role"] for row in rows if row["verdict"] == "ready")
    left = {row["role"] for row in rows if row["plan"]} - {*ready}
    (listed,) = (line for line in done.stdout.splitlines() if line.startswith("roles=("))
    assert listed == f"roles=({' '.join(ready)})"
    assert left
    assert "left out of the script" in done.stderr
    assert all(name in done.stderr for name in left)
    alone = run_in_root("report", tmp_path / "out" / "plans" / "bastion.json", "-f", "aws-cli")
    assert "left out" not in alone.stdout + alone.stderr


def test_a_group_of_a_batch_s_roles_is_chosen_by_name(tmp_path: Path) -> None:
    read = ("--logs", "samples/trail", "--snapshot", "samples/account.json", "-q", "-j", 1)
    few = ("--name", "orders-api", "--name", "bastion")
    assert run_in_root("batch", *read, *few, "--out", tmp_path / "out").code == 0
    script = ("report", tmp_path / "out", "-f", "aws-cli")
    done = run_in_root(*script, "--role", "Orders-API", "--role", "bastion")
    assert (done.code, done.stderr) == (0, "")
    assert "roles=(bastion orders-api)" in done.stdout
    assert "\nrole=bastion\n" in run_in_root(*script, "--role", "bastion").stdout
    wrong = run_in_root(*script, "--role", "bastio")
    assert (wrong.code, "did you mean bastion?" in wrong.stderr) == (2, True)


def test_a_role_that_was_changed_since_is_neither_touched_nor_undone(tmp_path: Path) -> None:
    script = render_all("aws-cli", THREE)
    code, calls = called(tmp_path, script, "apply", has={"batch": "a hotfix"})
    assert (code, roles_of(calls)) == (1, ["api"])
    assert "the policies of batch are not those of the plan any more" in stderr(tmp_path)
    assert "stopped at batch, see above" in stderr(tmp_path)
    assert roles_of(called(tmp_path, script, "undo")[1]) == ["api"]


def test_an_undo_that_stops_at_a_role_names_it_and_undoes_the_others_by_name(tmp_path: Path) -> None:
    script = render_all("aws-cli", THREE)
    assert called(tmp_path, script, "apply")[0] == 0
    edited = {"batch.policygen": document("More")}
    has = {"batch": "policygen"}
    code, calls = called(tmp_path, script, "undo", has=has, documents=edited)
    assert (code, roles_of(calls)) == (1, ["cron"])
    assert "somebody edited the policy policygen of batch" in stderr(tmp_path)
    assert "stopped at batch, see above; bash script.sh undo goes on from there" in stderr(tmp_path)
    assert "name other roles: bash script.sh undo ROLE..." in stderr(tmp_path)
    assert roles_of(called(tmp_path, script, "undo", "api", has=has, documents=edited)[1]) == ["api"]
    code, calls = called(tmp_path, script, "undo")
    assert (code, roles_of(calls)) == (0, ["batch"])
