"""A batch of several accounts gives each role what its own account asks for; what fits in two is no one's."""

from __future__ import annotations

import csv
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from policygen.account.function_code import CodeCall, FunctionCode
from policygen.account.model import Account
from policygen.account.snapshot import load_snapshot
from policygen.all_roles.questions import CommandParts, SnapshotFile
from policygen.all_roles.rightsize_role import BatchSettings
from policygen.all_roles.unchanged import shared_digests
from policygen.all_roles.witnesses import SEVERAL, code_of_accounts, traces_of_accounts
from policygen.evidence.observe import ObserveOptions
from policygen.logs.calls.counts import CallCounts, no_role
from policygen.logs.read_report import ReadReport
from policygen.logs.traces.read import Traces, read_traces
from policygen.logs.traces.traced_call import Caller
from policygen.rightsize.suggestion import SuggestOptions
from tests.all_roles.test_batch import (
    ACCOUNT,
    LOGS,
    PRODUCTION,
    SAMPLES,
    STAGING,
    STORY,
    batch,
    changed,
    saved_plan,
    table,
    verdicts,
)
from tests.support.command import run_in_root
from tests.support.decided import with_reasons

SECOND = SAMPLES / "staging.json"
BOTH = ("--snapshot", SECOND)
"""The arguments of a batch that has the snapshot of production already."""
OF_STAGING = {role for role in STORY if role[1] == STAGING}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("both") / "out"
    done = batch(out, *BOTH)
    assert (done.stderr, done.code) == ("", 0)
    return out


def accounts() -> dict[str, Account]:
    return {PRODUCTION: load_snapshot(ACCOUNT), STAGING: load_snapshot(SECOND)}


# --- the roles -----------------------------------------------------------------------------------------


def test_a_snapshot_of_each_account_leaves_no_role_without_todays_policies(made: Path) -> None:
    assert verdicts(made) == STORY | dict.fromkeys(OF_STAGING, "ready")
    assert table(made).accounts == (PRODUCTION, STAGING)
    assert all(row.actions_now for row in table(made).rows if row.plan)


@pytest.mark.parametrize("role", sorted(OF_STAGING), ids="-".join)
def test_each_role_gets_the_policy_that_suggest_gives_it_with_its_own_snapshot(
    role: tuple[str, str], made: Path
) -> None:
    (row,) = (one for one in table(made).rows if (one.role, one.account) == role)
    alone = run_in_root("suggest", "-r", row.arn, "-l", LOGS, "-s", SECOND, "-f", "json", "-q", "--no-plan")
    expected = json.loads(alone.stdout)
    del expected["inputs"]
    expected["trust"]["proposal"] = (plan := saved_plan(made, row.plan))["trust"]["proposal"]
    assert plan == expected


def test_the_order_of_the_snapshots_does_not_matter(made: Path, tmp_path: Path) -> None:
    done = batch(tmp_path / "out", "--snapshot", ACCOUNT, account=SECOND)
    assert done.code == 0
    assert table(tmp_path / "out").rows == table(made).rows


def test_a_role_that_its_account_no_longer_has_is_left_out(tmp_path: Path) -> None:
    content = json.loads(SECOND.read_bytes())
    content["authorization"]["RoleDetailList"].pop(0)
    (tmp_path / "staging.json").write_text(json.dumps(content), "utf-8")
    assert batch(tmp_path / "out", "--snapshot", tmp_path / "staging.json").code == 0
    assert verdicts(tmp_path / "out").keys() == STORY.keys() - {("fulfilment-writer", STAGING)}


@pytest.mark.parametrize("twice", [ACCOUNT, "copy"])
def test_two_snapshots_of_one_account_are_an_error(twice: Path | str, tmp_path: Path) -> None:
    other = changed(tmp_path, "bastion", Path="/other/") if twice == "copy" else twice
    done = batch(tmp_path / "out", "--snapshot", SECOND, "--snapshot", other)
    assert f"are both of account {PRODUCTION}  PG-E285, exit 2" in done.stderr
    assert str(other) in done.stderr
    assert (done.stdout, (tmp_path / "out").exists()) == ("", False)


def test_a_retry_needs_the_same_snapshots(made: Path) -> None:
    done = batch(made, "--retry-failed")
    assert f"accounts {PRODUCTION}, {STAGING}; this one is of" in done.stderr
    assert ("PG-E275, exit 2" in done.stderr, done.code) == (True, 2)


def test_the_screen_says_which_account_a_role_is_of_where_two_have_its_name(
    tmp_path: Path, made: Path
) -> None:
    lines = batch(made, *BOTH, "--details").stdout.splitlines()
    named = [lines[place + 1] for place, line in enumerate(lines) if line.startswith("stock-sync ")]
    assert named == [f"    account {PRODUCTION}", f"    account {STAGING}"]
    assert sum("    account " in line for line in lines) == 2


def test_what_is_different_names_the_account_where_two_have_the_role(tmp_path: Path) -> None:
    assert batch(tmp_path / "out").code == 0
    screen = batch(tmp_path / "out", *BOTH).stdout
    assert f"stock-sync in {STAGING}: look first → yes" in screen
    assert "fulfilment-writer: look first → yes" in screen


def test_a_change_of_one_account_makes_no_role_of_another_again() -> None:
    known = accounts()
    before = shared_digests(settings(known))
    after = shared_digests(settings(known | {STAGING: replace(known[STAGING], trails=())}))
    assert before[PRODUCTION] == after[PRODUCTION]
    assert before[STAGING] != after[STAGING]
    assert len(set(before.values())) == 3


def settings(known: Mapping[str, Account]) -> BatchSettings:
    return BatchSettings(
        ReadReport(), CallCounts(no_role), ObserveOptions(), SuggestOptions(), accounts=known
    )


# --- the commands --------------------------------------------------------------------------------------


def test_each_command_has_the_snapshot_of_the_account_that_it_is_about(made: Path) -> None:
    found = table(made)
    commands = [line for one in found.questions for line in one.command.splitlines()]
    assert commands
    assert all(line.count("--snapshot") == ("probation" not in line) for line in commands)
    (shared,) = found.data_events.splitlines()  # both accounts write into the organization's trail
    assert shared.endswith(f"--snapshot {ACCOUNT}")
    assert run_in_root(*shlex.split(shared)[1:], "-q").code == 0


@pytest.mark.parametrize(
    ("trails", "expected"),
    [
        ({"1": "own", "2": "other"}, {"1": {"s3"}, "2": {"sqs"}}),
        ({"1": "org", "2": "org"}, {"1": {"s3", "sqs"}}),
        ({"1": "", "2": ""}, {"1": {"s3"}, "2": {"sqs"}}),
    ],
    ids=["trails of their own", "one trail", "not known"],
)
def test_a_trail_gets_one_command_for_all_that_its_accounts_ask(
    trails: Mapping[str, str], expected: Mapping[str, set[str]]
) -> None:
    files = {
        name: SnapshotFile(f"{name}.json", frozenset([trail] if trail else []))
        for name, trail in trails.items()
    }
    commands = CommandParts(snapshots=files).doctor({"1": ["s3"], "2": ["sqs"]})
    found = {}
    for words in map(str.split, commands):
        services = {words[place + 1] for place, word in enumerate(words) if word == "--service"}
        found[words[-1].removesuffix(".json")] = services
    assert found == expected


# --- traces and code -----------------------------------------------------------------------------------


def traced(tmp_path: Path, *names: str, **more: Any) -> Traces:
    """Traces of programs that say their names alone."""
    spans = [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": name}}]},
            "scopeSpans": [{"spans": [span()]}],
        }
        for name in names
    ]
    file = tmp_path / "spans.json"
    file.write_text(json.dumps({"resourceSpans": spans}), "utf-8")
    return read_traces([f"{more['role']}={file}" if "role" in more else str(file)])


def span() -> dict[str, Any]:
    said = {"rpc.system": "aws-api", "rpc.service": "SQS", "rpc.method": "SendMessage"}
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in said.items()]
    return {"startTimeUnixNano": "1795000000000000000", "attributes": attributes}


def test_a_program_is_that_of_the_one_account_that_has_its_function(tmp_path: Path) -> None:
    found = traces_of_accounts(traced(tmp_path, "stock-sync", "newsletter", "nobody"), accounts())
    assert set(found.calls) == {
        Caller(name="stock-sync", account=SEVERAL),
        Caller(name="newsletter", account=PRODUCTION),
        Caller(name="nobody"),
    }


def test_a_role_that_a_person_named_is_that_of_the_one_account_that_has_it(tmp_path: Path) -> None:
    found = traces_of_accounts(traced(tmp_path, "x", role="fulfilment-writer"), accounts())
    assert set(found.calls) == {Caller(role="fulfilment-writer", account=STAGING)}
    both = traces_of_accounts(traced(tmp_path, "x", role="stock-sync"), accounts())
    assert set(both.calls) == {Caller(role="stock-sync", account=SEVERAL)}


def test_a_trace_that_fits_in_two_accounts_is_counted_for_nobody_and_said(tmp_path: Path) -> None:
    traced(tmp_path, "stock-sync", "newsletter")
    options = ("--traces", tmp_path / "spans.json", "--name", "stock-sync")
    read = ("batch", "-l", LOGS, "-s", ACCOUNT, "-s", SECOND, "-j", 1, "-o", tmp_path / "out")
    done = run_in_root(*read, *options)
    assert "1 call not counted, because nothing tells which role made them: stock-sync;" in done.stderr
    plans = [saved_plan(tmp_path / "out", row.plan) for row in table(tmp_path / "out").rows]
    assert [plan["traces"]["own"] for plan in plans] == [0, 0]
    assert batch(tmp_path / "alone", *options, "--account", STAGING, account=SECOND).code == 0
    assert saved_plan(tmp_path / "alone", "stock-sync")["traces"]["own"] == 1


def code(**fields: str) -> FunctionCode:
    return FunctionCode("code.json", (CodeCall("GetItem", ("dynamodb",)),), complete=True, **fields)


@pytest.mark.parametrize("fields", [{"function": "stock-sync"}, {"role": "Stock-Sync"}])
def test_code_that_fits_in_two_accounts_counts_for_neither_and_says_so(fields: dict[str, str]) -> None:
    found = code(**fields)
    (name,) = fields.values()
    why = f"code: code.json not counted, because {name} is in 2 accounts; its ARN tells which is meant"
    assert code_of_accounts([found], accounts()) == ((), [why])
    assert code_of_accounts([found], {PRODUCTION: load_snapshot(ACCOUNT)}) == ((found,), [])


def test_code_that_fits_in_one_account_counts() -> None:
    arn = f"arn:aws:lambda:eu-west-1:{STAGING}:function:stock-sync"
    found = (
        code(function=arn),
        code(function="newsletter"),
        code(role="fulfilment-writer"),
        code(function="x"),
    )
    assert code_of_accounts(found, accounts()) == (found, [])


# --- answers and code ----------------------------------------------------------------------------------


def test_an_answer_about_a_role_changes_no_role_of_another_account(made: Path, tmp_path: Path) -> None:
    rows = list(csv.DictReader((made / "questions.csv").read_text("utf-8").splitlines()))
    lines = [row["drop"] for row in rows if (row["role"], row["account"]) == ("stock-sync", STAGING)]
    assert lines
    assert all(line.startswith(f'{{ role = "stock-sync", account = "{STAGING}", ') for line in lines)
    decisions = tmp_path / "policygen.toml"
    decisions.write_text(with_reasons("\n".join(["drop = [", *lines, "]"])), "utf-8")
    out = tmp_path / "out"
    batch(out, *BOTH, "--name", "stock-sync", "--decisions", decisions)
    unverified = {row.account: row.unverified for row in table(out).rows}
    before = {row.account: row.unverified for row in table(made).rows if row.role == "stock-sync"}
    assert unverified[STAGING] < before[STAGING]
    assert unverified[PRODUCTION] == before[PRODUCTION]


def test_the_next_commands_make_code_for_one_account_at_a_time(made: Path) -> None:
    screen = run_in_root("batch", "-l", LOGS, "-s", ACCOUNT, *BOTH, "-o", made, "-q").stdout
    found = [line.split() for line in screen.splitlines() if "--account" in line]
    assert {words[words.index("--account") + 1] for words in found} == {PRODUCTION, STAGING}
    for words in found:
        done = run_in_root(*words[words.index("policygen") + 1 :])
        assert (done.code, done.stdout[:2]) == (0, "#!")


@pytest.mark.parametrize("format_", ["aws-cli", "terraform", "cloudformation"])
def test_code_of_two_accounts_is_refused(format_: str, made: Path) -> None:
    done = run_in_root("report", made, "-f", format_)
    assert (done.code, done.stdout) == (2, "")
    assert "--account" in done.stderr
    assert "PG-E281" in done.stderr


def test_an_account_of_no_plan_is_an_error(made: Path) -> None:
    done = run_in_root("report", made, "--account", "999988887777", "-f", "terraform")
    assert (done.code, done.stdout) == (2, "")
    assert f"the plans are of: {PRODUCTION}, {STAGING}" in done.stderr
