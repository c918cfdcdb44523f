"""Records that name their role by its id alone, or in an unusual way, are the role's all the same."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from policygen.logs.events.event import Event, read_event
from policygen.logs.events.record import Record
from tests.logs.test_event import decode
from tests.support.accounts import snapshot
from tests.support.command import run
from tests.support.records import ACCOUNT, ROLE, ROLE_ID, record, write_logs

OTHER = "210987654321"
ALLOW = {"Effect": "Allow", "Action": ["s3:GetObject", "sqs:SendMessage"], "Resource": "*"}
ACCOUNT_FILE = snapshot({"policies": [{"Version": "2012-10-17", "Statement": [ALLOW]}]})
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE}/session"
SEND = {
    "source": "sqs",
    "name": "SendMessage",
    "params": {"queueUrl": f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/orders"},
}
BY_ID = {"principalId": f"{ROLE_ID}:session", "accountId": ACCOUNT}
COPY = SEND | {"identity": BY_ID | {"type": "AWSAccount"}, "recipient": OTHER}
NAMELESS = SEND | {"identity": BY_ID | {"type": "AssumedRole"}}
NAMED = {"source": "s3", "name": "GetObject", "params": {"bucketName": "shop", "key": "a"}}
OTHERS = {"source": "ec2", "name": "DescribeRegions", "role": "other"}


def granted(folder: Path, *events: dict[str, Any], account: bool = True) -> set[str]:
    """The actions that were observed, as the plan says."""
    write_logs(folder / "logs", events)
    (folder / "account.json").write_text(json.dumps(ACCOUNT_FILE))
    more = ("-s", "account.json") if account else ()
    done = run(
        folder, "suggest", "-r", ROLE, "-l", "logs", *more, "-f", "csv", "--no-plan", "--no-cache", "-q"
    )
    assert done.code == 0, done.stderr
    return {action for action in ("sqs:SendMessage", "s3:GetObject") if f"{action}," in done.stdout}


@pytest.mark.parametrize("event", [COPY, NAMELESS], ids=["another account's copy", "no name"])
def test_the_account_tells_the_name_of_a_role_that_the_log_has_by_id_only(
    event: dict[str, Any], tmp_path: Path
) -> None:
    write_logs(tmp_path / "logs", [event, OTHERS])
    (tmp_path / "account.json").write_text(json.dumps(ACCOUNT_FILE))
    asked = ("explain", "sqs:SendMessage", "-r", ROLE, "-l", "logs", "-s", "account.json", "-q", "--no-cache")
    done = run(tmp_path, *asked)
    assert done.code == 0, done.stderr
    assert "1 call" in done.stdout
    done = run(
        tmp_path, "batch", "-l", "logs", "-s", "account.json", "-o", "out", "-q", "--no-cache", "-j", "1"
    )
    assert done.code == 0, done.stderr
    with (tmp_path / "out" / "roles.csv").open(encoding="utf-8", newline="") as file:
        (row,) = (one for one in csv.DictReader(file) if one["role"] == ROLE)
    assert row["last_call"]


def test_a_record_without_a_name_joins_those_of_the_same_id(tmp_path: Path) -> None:
    assert granted(tmp_path, NAMELESS, NAMED, account=False) == {"sqs:SendMessage", "s3:GetObject"}


@pytest.mark.parametrize("kind", ["AssumedRole", "Role", "Unknown", "assumedRole", None])
def test_the_arn_of_a_session_says_that_a_role_called(kind: str | None) -> None:
    identity = {"type": kind, "arn": SESSION} | BY_ID
    event = read_event(decode(record(SEND | {"identity": identity})))
    assert isinstance(event, Event)
    assert event.principal.role is not None
    assert (event.principal.role.name, event.principal.role.role_id) == (ROLE, ROLE_ID)


def test_an_id_of_no_role_is_none() -> None:
    made: Record = decode(
        record(SEND | {"identity": {"type": "AssumedRole", "principalId": "x", "accountId": ACCOUNT}})
    )
    event = read_event(made)
    assert isinstance(event, Event)
    assert event.principal.role is None
