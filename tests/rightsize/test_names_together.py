"""Names that were counted together: what is written for them, inside what bounds, and what each output says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from policygen.account.snapshot import to_account
from policygen.logs.calls.fold import KEEP
from tests.support.command import run
from tests.support.records import ACCOUNT, ROLE, ROLE_ID, record

MANY = 3 * KEEP
KEYS = "arn:aws:s3:::shop"


def get(key: str, number: int, **more: Any) -> dict[str, Any]:
    day = f"2026-11-{1 + number % 28:02}"
    return {
        "source": "s3",
        "name": "GetObject",
        "params": {"bucketName": "shop", "key": key},
        "time": f"{day}T08:{number // 60 % 60:02}:{number % 60:02}Z",
        **more,
    }


def words(number: int) -> str:
    return "".join("bcdfghjklm"[int(digit)] for digit in f"{number:04}")


def logs(folder: Path, events: Sequence[dict[str, Any]]) -> str:
    records = [record(event, number) for number, event in enumerate(events)]
    (folder / "log.json").write_text(json.dumps({"Records": records}), "utf-8")
    return str(folder / "log.json")


def snapshot(folder: Path, statements: Sequence[dict[str, Any]]) -> str:
    def document(some: Sequence[dict[str, Any]]) -> dict[str, Any]:
        return {"Version": "2012-10-17", "Statement": list(some)}

    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "ecs-tasks.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    role = {
        "Path": "/",
        "RoleName": ROLE,
        "RoleId": ROLE_ID,
        "Arn": f"arn:aws:iam::{ACCOUNT}:role/{ROLE}",
        "CreateDate": "2025-01-01T00:00:00Z",
        "AssumeRolePolicyDocument": document([trust]),
        "InstanceProfileList": [],
        "RolePolicyList": [{"PolicyName": "today", "PolicyDocument": document(statements)}],
        "AttachedManagedPolicies": [],
        "Tags": [],
    }
    file = folder / "account.json"
    lists = {"UserDetailList": [], "GroupDetailList": [], "Policies": []}
    file.write_text(json.dumps({**lists, "RoleDetailList": [role]}), "utf-8")
    to_account(json.loads(file.read_text("utf-8")))
    return str(file)


def suggested(folder: Path, *options: str, today: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    more = ["--snapshot", snapshot(folder, today)] if today else []
    found = run(
        folder, "suggest", "-r", ROLE, "--logs", str(folder / "log.json"), "-f", "json", "-q", *more, *options
    )
    assert found.code == 0, found.stderr
    return dict(json.loads(found.stdout))


def granted(plan: dict[str, Any]) -> set[tuple[str, str]]:
    return {(one["action"], one["resource"]) for one in plan["grants"]}


def allow(*resources: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "s3:*", "Resource": list(resources), **more}


@pytest.mark.parametrize("mode", ["auto", "pattern", "exact"])
def test_the_policy_has_one_pattern_and_says_of_how_many_names(tmp_path: Path, mode: str) -> None:
    logs(tmp_path, [get(f"tenants/{words(n)}", n) for n in range(MANY)])
    plan = suggested(tmp_path, "--resources", mode)
    assert granted(plan) == {("s3:GetObject", f"{KEYS}/tenants/*")}
    (together,) = [one for one in plan["evidence"]["requests"] if one["pattern"]]
    assert abs(together["names"] - (MANY - KEEP)) < 0.25 * (MANY - KEEP)
    assert (together["rule"], together["count"]) == ("object keys", MANY - KEEP)
    (note,) = [one for one in plan["notes"] if "counted together" in one]
    assert note.endswith(": exact cannot list them") is (mode == "exact")


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        # All of the pattern, or more.
        ([allow("*")], {f"{KEYS}/tenants/*"}),
        # A part of it: that part.
        ([allow(f"{KEYS}/tenants/b*")], {f"{KEYS}/tenants/b*"}),
        # Two parts, both.
        ([allow(f"{KEYS}/tenants/b*", f"{KEYS}/tenants/c*")], {f"{KEYS}/tenants/b*", f"{KEYS}/tenants/c*"}),
        # A Deny on a part of the names stays, and takes nothing away.
        (
            [allow("*"), {"Effect": "Deny", "Action": "s3:*", "Resource": f"{KEYS}/tenants/secret*"}],
            {f"{KEYS}/tenants/*"},
        ),
        # A policy variable, and NotResource, stay as today writes them.
        (
            [allow(f"{KEYS}/tenants/${{aws:PrincipalTag/team}}*")],
            {f"{KEYS}/tenants/${{aws:PrincipalTag/team}}*"},
        ),
        ([{"Effect": "Allow", "Action": "s3:*", "NotResource": [f"{KEYS}/tenants/x*"]}], {"*"}),
    ],
)
def test_it_stays_inside_todays_policies(
    tmp_path: Path, today: Sequence[dict[str, Any]], expected: set[str]
) -> None:
    logs(tmp_path, [get(f"tenants/{words(n)}", n) for n in range(MANY)])
    plan = suggested(tmp_path, "--unverified", "drop", today=today)
    found = {resource for action, resource in granted(plan) if action == "s3:GetObject"}
    assert found >= expected
    assert all(check["held"] for check in plan["proof"])


def test_denied_names_are_no_need_however_many(tmp_path: Path) -> None:
    message = (
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE}/x is not authorized to perform: s3:GetObject on resource: "
        '"{0}" because no identity-based policy allows the s3:GetObject action'
    )
    denied = [
        get(
            f"secret/{words(n)}", n, error="AccessDenied", message=message.format(f"{KEYS}/secret/{words(n)}")
        )
        for n in range(MANY)
    ]
    logs(tmp_path, [*denied, *(get("index.html", n) for n in range(5))])
    plan = suggested(tmp_path)
    assert granted(plan) == {("s3:GetObject", f"{KEYS}/index.html")}
    assert len(plan["wanted_but_denied"]) == KEEP + 1
    assert f"{KEYS}/secret/*" in {one["resource"] for one in plan["wanted_but_denied"]}


def test_each_output_counts_names(tmp_path: Path) -> None:
    log = logs(tmp_path, [get(f"tenants/{words(n)}", n) for n in range(MANY)])
    table = run(tmp_path, "suggest", "-r", ROLE, "--logs", log, "-f", "csv", "-q").stdout
    page = run(tmp_path, "suggest", "-r", ROLE, "--logs", log, "-f", "html", "-q").stdout
    explained = run(tmp_path, "explain", "s3:GetObject", "-r", ROLE, "--logs", log, "-q").stdout
    assert all("names" in text for text in (table, page, explained))
    assert "counted together" in table
    assert "counted together" in " ".join(explained.split())
