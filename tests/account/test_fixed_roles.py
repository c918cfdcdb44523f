"""Roles that nobody can edit: `suggest` says what `batch` says, and makes no policy that cannot be applied."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from policygen.account.fixed_roles import fixed_role
from tests.support.accounts import snapshot
from tests.support.command import READ, run
from tests.support.records import ACCOUNT, crowd, write_logs

SET = "AWSReservedSSO_Billing_0123456789abcdef"
LINKED = "AWSServiceRoleForAutoScaling"
PATHS = {
    SET: "/aws-reserved/sso.amazonaws.com/eu-west-1/",
    LINKED: "/aws-service-role/autoscaling.amazonaws.com/",
}
SAYS = {
    SET: "made by IAM Identity Center: change the permission set, not the role",
    LINKED: "service-linked: IAM lets nobody edit it; its service owns it",
}


@pytest.fixture
def world(tmp_path: Path) -> Path:
    write_logs(
        tmp_path / "logs", crowd([READ | {"role": name, "path": path} for name, path in PATHS.items()])
    )
    made: dict[str, Any] = snapshot({})
    first = made["authorization"]["RoleDetailList"][0]
    made["authorization"]["RoleDetailList"] = [
        first
        | {"RoleName": name, "Path": path, "Arn": f"arn:aws:iam::{ACCOUNT}:role{path}{name}", "RoleId": ""}
        for name, path in PATHS.items()
    ]
    (tmp_path / "account.json").write_text(json.dumps(made))
    return tmp_path


@pytest.mark.parametrize("known", [(), ("-s", "account.json")], ids=["by the logs", "by the account"])
@pytest.mark.parametrize("name", PATHS)
def test_suggest_says_what_batch_says(name: str, known: tuple[str, ...], world: Path) -> None:
    done = run(world, "suggest", "-r", name, "-l", "logs", *known, "-q", "-f", "policy")
    assert (done.code, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {name} cannot be edited: {SAYS[name]}  PG-E481, exit 1\n")
    assert not (world / "plans").exists()
    run(world, "batch", "-l", "logs", *known, "-o", "out", "-q", "-j", 1)
    rows = {row["role"]: row for row in json.loads((world / "out" / "batch.json").read_text())["rows"]}
    assert (rows[name]["verdict"], rows[name]["reason"]) == ("fixed", SAYS[name])


def test_what_to_edit_instead_is_named(world: Path) -> None:
    assert (
        "edit the permission set Billing in IAM Identity Center"
        in run(world, "suggest", "-r", SET, "-l", "logs", "-q").stderr
    )
    assert "autoscaling.amazonaws.com" in run(world, "suggest", "-r", LINKED, "-l", "logs", "-q").stderr


def test_a_role_without_a_call_is_no_less_fixed(world: Path) -> None:
    write_logs(world / "quiet", crowd([READ]))
    done = run(world, "suggest", "-r", SET, "-l", "quiet", "-s", "account.json", "-q")
    assert (done.code, "PG-E481" in done.stderr) == (1, True)


def test_what_such_a_role_did_is_explained_all_the_same(world: Path) -> None:
    known = json.loads((world / "account.json").read_text())
    for role in known["authorization"]["RoleDetailList"]:
        statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        role["RolePolicyList"] = [{"PolicyName": "all", "PolicyDocument": {"Statement": [statement]}}]
    (world / "account.json").write_text(json.dumps(known))
    read = ("-r", SET, "-l", "logs", "-s", "account.json", "-q")
    done = run(world, "explain", "dynamodb:GetItem", "sqs:CreateQueue", *read)
    assert (done.code, done.stderr) == (0, "")
    needed, unneeded = " ".join(done.stdout.split()).split("sqs:CreateQueue for ")
    assert f"dynamodb:GetItem for {SET}: needed does" in needed
    assert f"{SET}: allowed, and not needed does" in unneeded
    for said in (needed, unneeded):
        assert "fixed made by IAM Identity Center: change the permission set, not the role" in said
        assert "instead edit the permission set" in said
        assert not re.search("removed|kept in|--keep", said)  # policygen writes no policy of the role
    told = json.loads(run(world, "explain", "sqs:CreateQueue", *read, "-f", "json").stdout)
    assert set(told["fixed"]) == {"reason", "instead"}


@pytest.mark.parametrize(
    ("name", "arn", "fixed"),
    [
        ("AWSReservedSSO_x_0123456789abcdef", "", True),
        ("AWSReservedSSO_x", f"arn:aws:iam::{ACCOUNT}:role/AWSReservedSSO_x", False),
        ("AWSServiceRoleForX", "", True),
        ("AWSServiceRoleForX", f"arn:aws:iam::{ACCOUNT}:role/AWSServiceRoleForX", False),
        ("x", f"arn:aws-cn:iam::{ACCOUNT}:role/aws-service-role/x.amazonaws.com/x", True),
        ("x", f"arn:aws:iam::{ACCOUNT}:role/mine/aws-service-role/x", False),
        ("orders", "", False),
    ],
)
def test_the_path_tells_and_where_there_is_none_the_name(name: str, arn: str, fixed: bool) -> None:
    assert bool(fixed_role(name, arn)) is fixed
