"""The folder of a batch: what others put there stays, and what batches wrote before goes when its role does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from policygen.all_roles.manifest import NAME, is_of_batch, read_manifest
from policygen.all_roles.unchanged import NAME as MADE
from tests.support.accounts import snapshot, trails_of
from tests.support.command import READ, Done, run
from tests.support.records import crowd, write_logs

ALLOW = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["dynamodb:*", "s3:*"], "Resource": "*"}],
}


@pytest.fixture
def world(tmp_path: Path) -> Path:
    write_logs(tmp_path / "logs", crowd([READ, READ | {"role": "gone", "role_id": "AROAGONE"}]))
    account(tmp_path, "orders", "gone")
    return tmp_path


def account(world: Path, *roles: str) -> None:
    """The account as it is, with these roles."""
    made: dict[str, Any] = snapshot({"policies": [ALLOW], "trails": trails_of("all")})
    first = made["authorization"]["RoleDetailList"][0]
    made["authorization"]["RoleDetailList"] = [
        first
        | {
            "RoleName": name,
            "Arn": f"arn:aws:iam::123456789012:role/{name}",
            "RoleId": first["RoleId"] if name == "orders" else f"AROA{name.upper()}",
        }
        for name in roles
    ]
    (world / "account.json").write_text(json.dumps(made))


def batch(world: Path, *more: str) -> Done:
    return run(world, "batch", "-l", "logs", "-s", "account.json", "-o", "out", "-q", "-j", 1, *more)


def files(world: Path) -> set[str]:
    out = world / "out"
    return {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "name",
    [
        "index.html",
        "questions.csv",
        "roles.csv",
        "roles.parquet",
        "plans/orders.json",
        "policies/orders.policy.json",
        "roles/orders.html",
        "trust/orders.json",
    ],
)
def test_a_file_that_no_batch_wrote_is_not_replaced(world: Path, name: str) -> None:
    foreign = world / "out" / name
    foreign.parent.mkdir(parents=True)
    foreign.write_text("mine")
    done = batch(world)
    assert (done.code, "PG-E283, exit 2" in done.stderr) == (2, True)
    assert name in done.stderr
    assert foreign.read_text() == "mine"
    assert files(world) == {name}


def test_other_files_of_the_folder_stay(world: Path) -> None:
    (world / "out" / "policies").mkdir(parents=True)
    for name in ("notes.txt", "policies/by-hand.json"):
        (world / "out" / name).write_text("mine")
    assert batch(world).code == 0
    account(world, "orders")
    assert batch(world).code == 0
    assert {"notes.txt", "policies/by-hand.json"} <= files(world)


def test_a_table_of_one_s_own_is_not_taken_for_an_older_version_s(world: Path) -> None:
    assert batch(world).code == 0
    (world / "out" / NAME).unlink()
    (world / "out" / "questions.csv").write_text("mine")
    done = batch(world)
    assert ("PG-E283" in done.stderr, done.code) == (True, 2)
    assert (world / "out" / "questions.csv").read_text() == "mine"


@pytest.mark.parametrize(
    "how", ["with its manifest", "of an older version", "with another form", "interrupted"]
)
def test_a_role_that_is_gone_leaves_nothing_behind(world: Path, how: str) -> None:
    assert batch(world).code == 0
    assert {"plans/gone.json", "policies/gone.policy.json", "roles/gone.html"} <= files(world)
    if how == "of an older version":
        for name in (NAME, "questions.csv"):  # neither was written then
            (world / "out" / name).unlink()
    if how == "interrupted":
        (world / "out" / "batch.json").unlink()
    account(world, "orders")
    assert batch(world, *(("-f", "terraform") if how == "with another form" else ())).code == 0
    assert not [name for name in files(world) if "gone" in name]
    suffix = ".tf" if how == "with another form" else ".policy.json"
    assert files(world) == {
        NAME,
        MADE,
        "batch.json",
        "index.html",
        "questions.csv",
        "roles.csv",
        "roles.parquet",
        "plans/orders.json",
        "roles/orders.html",
        f"policies/orders{suffix}",
    }


def test_a_role_of_which_there_is_no_answer_any_more_keeps_no_old_policy(world: Path) -> None:
    assert batch(world).code == 0
    (world / "policygen.toml").write_text('[[protect]]\nrole = "gone"\nreason = "audit"\n')
    assert batch(world).code == 0
    assert not [name for name in files(world) if "gone" in name]


def test_a_second_batch_gives_the_same_bytes(world: Path) -> None:
    assert batch(world).code == 0
    before = {name: (world / "out" / name).read_bytes() for name in files(world)}
    assert batch(world).code == 0
    assert {name: (world / "out" / name).read_bytes() for name in files(world)} == before


# --- A folder that somebody prepared --------------------------------------------------------------


@pytest.mark.parametrize("folder", ["plans", "policies", "roles"])
def test_a_folder_that_leads_elsewhere_is_refused(world: Path, folder: str) -> None:
    (world / "elsewhere").mkdir()
    (world / "out").mkdir()
    (world / "out" / folder).symlink_to(world / "elsewhere")
    done = batch(world)
    assert (done.code, "PG-E284, exit 2" in done.stderr) == (2, True)
    assert list((world / "elsewhere").iterdir()) == []


def test_a_lock_that_leads_elsewhere_empties_no_file(world: Path) -> None:
    (world / "precious").write_text("mine")
    (world / "out").mkdir()
    (world / "out" / ".batch-lock").symlink_to(world / "precious")
    done = batch(world)
    assert (done.code, "PG-E220, exit 2" in done.stderr) == (2, True)
    assert (world / "precious").read_text() == "mine"


def test_a_table_that_leads_elsewhere_is_refused(world: Path) -> None:
    (world / "precious").write_text("mine")
    (world / "out").mkdir()
    (world / "out" / "index.html").symlink_to(world / "precious")
    assert "PG-E283" in batch(world).stderr
    assert (world / "precious").read_text() == "mine"


def test_a_manifest_of_somebody_else_removes_nothing_of_theirs(world: Path) -> None:
    (world / "out").mkdir()
    (world / "precious.json").write_text("mine")
    names = ["../precious.json", "/etc/passwd", "plans/../../precious.json", "plans/..", "notes.txt", 7]
    (world / "out" / NAME).write_text(json.dumps(names[:-1]))
    (world / "out" / "notes.txt").write_text("mine")
    assert batch(world).code == 0
    assert (world / "precious.json").read_text() == (world / "out" / "notes.txt").read_text() == "mine"
    for broken in (json.dumps(names), "[" * 100_000, "{}", "\xff"):
        (world / "out" / NAME).write_text(broken)
        assert read_manifest(world / "out") == set()


@pytest.mark.parametrize(
    ("name", "is_own"),
    [
        ("index.html", True),
        ("index-12.html", True),
        ("index-x.html", False),
        ("plans/orders.json", True),
        ("plans/a/b.json", False),
        ("plans\\a", False),
        ("notes/orders.json", False),
        ("", False),
        ("plans/", False),
    ],
)
def test_only_names_that_a_batch_gives_are_taken_from_a_manifest(name: str, is_own: bool) -> None:
    assert is_of_batch(name) is is_own
