"""Every role in one pass: each gets the answer that it would get alone, and the folder is whole whatever happens."""

from __future__ import annotations

import csv
import gzip
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

import policygen.all_roles.folder
import policygen.all_roles.run
from policygen.account.snapshot import load_snapshot
from policygen.all_roles.folder import Folder
from policygen.all_roles.read import read_logs
from policygen.all_roles.rightsize_role import BatchSettings, Result, right_size
from policygen.all_roles.select import RoleFilter, RoleTarget, targets
from policygen.evidence.observe import ObserveOptions
from policygen.iam.request import RoleKey
from policygen.logs.calls.spill import SpillStore
from policygen.logs.registry import open_source
from policygen.plan.batch_table import (
    VERDICT_MEANINGS,
    BatchRow,
    BatchTable,
    RoleQuestion,
    sorted_rows,
    totals_by_verdict,
)
from policygen.plan.io import read_plan
from policygen.report.data.batch import COLUMNS, batch_to_csv, batch_to_parquet, questions_to_csv
from policygen.report.data.cells import plain_cell
from policygen.report.terminal.batch import age
from policygen.rightsize.suggestion import SuggestOptions
from tests.support import ROOT, command
from tests.support.command import Done, heeding_ctrl_c, run_in_root
from tests.support.decided import decided, with_reasons
from tests.support.records import crowd, write_logs

SAMPLES = ROOT / "samples"
LOGS, ACCOUNT = SAMPLES / "trail", SAMPLES / "account.json"
PRODUCTION, STAGING = "111122223333", "444455556666"

# What each role's story in samples/README.md asks for.
STORY = {
    ("orders-api", PRODUCTION): "review",
    ("stock-sync", PRODUCTION): "ready",
    ("report-monthly", PRODUCTION): "review",
    ("image-resizer", PRODUCTION): "ready",
    ("payments-webhook", PRODUCTION): "ready",
    ("catalog-search", PRODUCTION): "ready",
    ("newsletter", PRODUCTION): "ready",
    ("cart-cleanup", PRODUCTION): "ready",
    ("deploy-ci", PRODUCTION): "ready",
    ("bastion", PRODUCTION): "ready",
    ("legacy-export", PRODUCTION): "review",  # everything it tries is denied
    ("audit-reader", PRODUCTION): "unused",
    ("AWSServiceRoleForApplicationAutoScaling_DynamoDBTable", PRODUCTION): "fixed",
    ("AWSReservedSSO_AdministratorAccess_5e1f0a9b8c7d6e3f", PRODUCTION): "fixed",
    ("stock-sync", STAGING): "review",  # of staging there is no snapshot
    ("fulfilment-writer", STAGING): "review",
}


def batch(out: Path, *arguments: object, account: Path | None = ACCOUNT, logs: Path = LOGS) -> Done:
    """A batch in this process, but where the arguments ask for more."""
    known = ("--snapshot", account) if account else ()
    jobs = () if "-j" in arguments else ("-j", 1)
    return run_in_root("batch", "--logs", logs, *known, "--out", out, "-q", *jobs, *arguments)


def table(out: Path) -> BatchTable:
    return msgspec.json.decode((out / "batch.json").read_bytes(), type=BatchTable)


def verdicts(out: Path) -> dict[tuple[str, str], str]:
    return {(row.role, row.account): row.verdict for row in table(out).rows}


def saved_plan(out: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "plans" / f"{name}.json").read_bytes())
    return found


def bytes_of(folder: Path) -> dict[str, bytes]:
    """The files of a folder; none of them names the folder itself."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("batch") / "out"
    done = batch(out, "-j", 0)  # a process a core
    assert (done.stderr, done.code) == ("", 0)
    assert "Nothing in AWS was changed." in done.stdout
    return out


FEW = ("--name", "orders-*", "--name", "bastion")
"""Two roles, where it does not matter which."""


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("few") / "out"
    assert batch(out, *FEW).code == 0
    return out


def test_every_role_of_the_samples_gets_what_its_story_asks_for(made: Path) -> None:
    assert verdicts(made) == STORY
    rows = {row.role: row for row in table(made).rows}
    assert "only denied calls" in rows["legacy-export"].reason
    assert "permission set" in rows["AWSReservedSSO_AdministratorAccess_5e1f0a9b8c7d6e3f"].reason
    assert all(row.reason for row in rows.values())


@pytest.mark.parametrize(
    "role",
    [
        role
        for role, verdict in STORY.items()
        if verdict in {"ready", "review"} and role[0] != "legacy-export"
    ],
    ids="-".join,
)
def test_each_role_gets_the_policy_that_suggest_gives_it_alone(role: tuple[str, str], made: Path) -> None:
    (row,) = (one for one in table(made).rows if (one.role, one.account) == role)
    known = ("--snapshot", ACCOUNT) if row.account == PRODUCTION else ()
    alone = run_in_root("suggest", "-r", row.arn, "-l", LOGS, *known, "-f", "json", "-q", "--no-plan")
    plan = saved_plan(made, row.plan)
    of_one_role = {"inputs"}  # the options of suggest, for the commands on its screen
    if plan["trust"]:
        plan["trust"]["proposal"] = None  # which `policygen trust` makes
    assert plan == {key: value for key, value in json.loads(alone.stdout).items() if key not in of_one_role}
    policies = json.loads((made / "policies" / f"{row.plan}.policy.json").read_text("utf-8"))
    (first, *more) = [{"name": one["name"], "document": one["document"]} for one in plan["policies"]]
    assert policies == ({"policies": [first, *more]} if more else first["document"])


def test_the_offered_drops_take_all_that_is_unverified_and_nothing_that_any_role_needs(
    made: Path, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(with_reasons("\n".join(one.drop for one in table(made).questions)), "utf-8")
    done = batch(tmp_path / "out", "--decisions", rules)
    assert (done.stderr, done.code) == ("", 0)
    before, after = (
        {(row.role, row.account): row for row in table(out).rows} for out in (made, tmp_path / "out")
    )
    assert sum(row.unverified or 0 for row in before.values()) > 0
    for role, row in after.items():
        assert (row.unverified or 0, row.losses) == (left_by_rules(made, before[role].plan), 0), role
        assert (row.needed or 0) >= (before[role].needed or 0), role
        # A drop with its reason in the file is a decision: it holds nothing up, unless something speaks against it.
        ruled_out = saved_plan(tmp_path / "out", row.plan)["decisions"]["ruled_out"] if row.plan else []
        assert row.verdict != "ready" or not [one for one in ruled_out if one["sign"]], role


def test_the_owners_of_roles_get_their_questions_with_commands_and_rules(made: Path, tmp_path: Path) -> None:
    with (made / "questions.csv").open(encoding="utf-8", newline="") as file:
        asked = list(csv.DictReader(file))
    rows = {(row.role, row.account): row for row in table(made).rows}
    joined = {one.id: one for one in table(made).questions}
    assert Counter(one["question"] for one in asked) == {id_: len(one.roles) for id_, one in joined.items()}
    for one in asked:
        row = rows[one["role"], one["account"]]
        assert (one["owner"], row.plan in joined[one["question"]].roles) == (row.owner, True)
        assert int(one["permissions"]) <= len(joined[one["question"]].actions)
        assert one["command"].split(" ")[0] == "policygen"
    owners = [one["owner"] for one in asked]
    assert owners == sorted(owners, key=lambda owner: (not owner, owner.lower()))
    plans = [shlex.split(one["command"])[2] for one in asked if "probation" in one["command"]]
    assert plans
    assert all((made / plan).is_file() for plan in plans)
    # What the lines drop is what the rules of batch.json drop.
    lines = tmp_path / "lines.toml"
    lines.write_text(with_reasons("\n".join(("drop = [", *(one["drop"] for one in asked), "]"))), "utf-8")
    rules = "\n".join(one.drop for one in joined.values())
    assert dropped(lines.read_text("utf-8")) == dropped(rules) != set()
    done = batch(tmp_path / "out", *FEW, "--decisions", lines)
    assert done.code == 0
    for row in table(tmp_path / "out").rows:
        assert row.unverified == left_by_rules(made, row.plan)


def left_by_rules(made: Path, plan: str) -> int:
    """How many unverified actions no rule may drop, because they alone explain what IAM saw."""
    if not plan:
        return 0
    found = read_plan((made / "plans" / f"{plan}.json").read_bytes(), plan)
    unverified = {action for action, support in found.support.items() if support == "unverified"}
    return len(unverified - {action.lower() for action in found.unverified.droppable or ()})


def dropped(text: str) -> set[tuple[str, str]]:
    return {(rule.role, rule.action) for rule in decided(text).rules}


def test_a_role_without_a_suggestion_has_no_files(made: Path) -> None:
    planned = {row.plan for row in table(made).rows if row.plan}
    assert len(planned) == 12
    for place, suffix in (("plans", ".json"), ("policies", ".policy.json"), ("roles", ".html")):
        assert {path.name.removesuffix(suffix) for path in (made / place).iterdir()} == planned


def test_a_batch_s_folder_stands_for_its_plans(few: Path) -> None:
    written = list(csv.DictReader(run_in_root("report", few, "-f", "csv", "-q").stdout.splitlines()))
    assert {(row["role"], row["account"]) for row in written} == set(verdicts(few))


def test_the_same_inputs_give_the_same_bytes_with_any_number_of_processes(made: Path, tmp_path: Path) -> None:
    assert batch(tmp_path / "out", "-j", 1).code == 0
    assert bytes_of(tmp_path / "out") == bytes_of(made)


PUBLIC = re.compile("Batch(Row|Question|Since|Change)|(?<=Batch)Table")
"""Our class names BatchRow, BatchQuestion and BatchTable; in the published schema they have no Batch before them."""


def test_the_table_has_the_shape_that_its_schema_tells(made: Path) -> None:
    schema = json.loads((files("policygen.plan") / "batch.schema.json").read_text("utf-8"))
    assert schema["$defs"] == json.loads(
        PUBLIC.sub(lambda found: found[1] or "", json.dumps(msgspec.json.schema(BatchTable)["$defs"]))
    )
    found = json.loads((made / "batch.json").read_text("utf-8"))
    assert not list(Draft202012Validator(schema).iter_errors(found))
    assert json.loads(run_in_root("schema", "batch").stdout) == schema


def test_a_row_has_all_reasons_of_the_plan_and_says_the_role_s_own(made: Path) -> None:
    every = table(made).rows
    asked = [row for row in every if row.plan and row.verdict in {"review", "wait"}]
    assert asked
    for row in asked:
        strength = read_plan((made / f"plans/{row.plan}.json").read_bytes(), row.plan).strength
        assert strength is not None
        assert list(row.reasons) == list(dict.fromkeys(one.id for one in strength.reasons))
        own = [one.sentence for one in strength.reasons if one.id in row.own_reasons]
        assert row.reason.endswith("; ".join(own or [one.sentence for one in strength.reasons]))
    assert {row.reasons for row in every if row.verdict not in {"review", "wait"}} == {()}
    with (made / "roles.csv").open(encoding="utf-8", newline="") as file:
        written = {line["role"]: line["reasons"] for line in csv.DictReader(file)}
    assert all(written[row.role] == ", ".join(row.reasons) for row in asked)


def test_csv_and_parquet_hold_the_same_rows(made: Path) -> None:
    with (made / "roles.csv").open(encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    stored = pq.read_table(made / "roles.parquet").to_pylist()
    assert [one["role"] for one in written] == [one["role"] for one in stored]
    assert [
        {name: "" if value is None else str(value) for name, value in one.items()} for one in stored
    ] == written


def test_parquet_is_written_without_pandas() -> None:
    code = """
import sys
from policygen.plan.batch_table import BatchRow
from policygen.report.data.batch import batch_to_parquet
batch_to_parquet([BatchRow(role="orders", account="111122223333", verdict="ready", reason="")])
sys.exit("pandas" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_parquet_holds_every_text_and_a_table_without_rows() -> None:
    row = BatchRow(
        role="orders", account="111122223333", verdict="ready", reason='two\nlines, "quoted" \u2028'
    )
    for rows in ([], [row]):
        stored = pq.read_table(BytesIO(batch_to_parquet(rows)))
        assert stored.column_names == list(COLUMNS)
        assert stored["reason"].to_pylist() == [one.reason for one in rows]


def test_without_pyarrow_there_is_no_parquet_and_an_older_one_is_removed(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    out = tmp_path / "out"
    shutil.copytree(made, out)
    folder = Folder(out, table(made).format)
    folder.begin([])
    folder.end(table(made), {})
    assert not (out / "roles.parquet").exists()
    assert (out / "roles.csv").read_bytes() == (made / "roles.csv").read_bytes()


# --- killed, stopped, repeated ---------------------------------------------------------------------------


def half_written(out: Path) -> list[str]:
    """Files that a reader would take for whole and that are not."""
    found = []
    for path in out.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            text = path.read_bytes()
            if path.suffix == ".json":
                try:
                    json.loads(text)
                except ValueError:
                    found.append(path.name)
            elif path.suffix == ".html" and not text.rstrip().endswith(b"</html>"):
                found.append(path.name)
    return found


STOPPED = """
import os, sys
renames = 0
def wait(event, _):
    global renames
    renames += event == "os.rename"
    if event == "os.rename" and renames == 4:
        os.write(1, b"waiting\\n")
        os.read(0, 1)
from policygen.cli.app import main
sys.addaudithook(wait)
main()
"""
"""The command line, which waits before the fourth file takes its name: one role is done, another is not."""


@pytest.mark.system
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed", "Ctrl-C"])
def test_a_batch_that_was_stopped_and_started_again_ends_with_the_same_bytes(
    how: signal.Signals, few: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = ("batch", "--logs", LOGS, "--snapshot", ACCOUNT, "--out", out, "-q", "-j", 1, *FEW)
    with subprocess.Popen(
        [sys.executable, "-c", STOPPED, *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env=command.environment(tmp_path), preexec_fn=heeding_ctrl_c,  # noqa: PLW1509 - no threads here
    ) as process:  # fmt: skip
        assert process.stdout
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(how)
        _, said = process.communicate(timeout=command.LONG)
    assert process.returncode in {130, -how}
    assert "Traceback" not in said
    assert not (out / "index.html").exists()
    assert half_written(out) == []
    assert batch(out, *FEW).code == 0
    left = {path: data for path, data in bytes_of(out).items() if path not in bytes_of(few)}
    assert not left or (how == signal.SIGKILL and [Path(path).name[:1] for path in left] == ["."])
    assert bytes_of(out) == bytes_of(few) | left


def without_role(tmp_path: Path, name: str) -> Path:
    """The account without a role."""
    made = msgspec.json.decode(msgspec.json.encode(account()))
    roles = made["authorization"]["RoleDetailList"]
    made["authorization"]["RoleDetailList"] = [one for one in roles if one["RoleName"] != name]
    path = tmp_path / "account.json"
    path.write_text(json.dumps(made), "utf-8")
    return path


@pytest.mark.parametrize("asked", [("--name", "orders-*"), ("--trust", "lambda"), ("--account", PRODUCTION)])
def test_a_filter_removes_no_file_of_a_role_that_it_leaves_out(
    asked: tuple[str, ...], made: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(made, out)
    done = batch(out, *asked)
    assert ("PG-E279, exit 2" in done.stderr, done.code) == (True, 2)
    assert "of the last batch that the filter leaves out, as" in done.stderr
    assert f"--out {out}-selected" in done.stderr
    assert bytes_of(out) == bytes_of(made)


def test_what_an_earlier_batch_left_is_gone_and_strange_files_stay(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(few, out)
    (out / "plans" / "mine.json").write_text("{}", "utf-8")
    (out / "policies" / "orders-api.md").write_text("my notes", "utf-8")
    gone = without_role(tmp_path, "bastion")
    assert batch(out, *FEW, "-f", "json", account=gone).code == 0
    assert verdicts(out) == {("orders-api", PRODUCTION): "review"}
    assert sorted(one.name for one in (out / "policies").iterdir()) == ["orders-api.json", "orders-api.md"]
    assert sorted(one.name for one in (out / "plans").iterdir()) == ["mine.json", "orders-api.json"]
    assert [one.name for one in (out / "roles").iterdir()] == ["orders-api.html"]


# --- which roles -----------------------------------------------------------------------------------------


SERVICE_ROLES = (
    *("orders-api", "stock-sync", "report-monthly"),
    *("payments-webhook", "catalog-search", "newsletter", "cart-cleanup"),
)


@pytest.mark.parametrize(
    ("asked", "roles"),
    [
        (("--name", "STOCK-*"), {("stock-sync", PRODUCTION), ("stock-sync", STAGING)}),
        (("--name", "stock-*", "--account", STAGING), {("stock-sync", STAGING)}),
        (("--path", "/service-role/"), {(name, PRODUCTION) for name in SERVICE_ROLES}),
        (("--path", "/ci/", "--path", "/security/"), {("deploy-ci", PRODUCTION), ("audit-reader", PRODUCTION)}),
        (("--trust", "ec2"), {("bastion", PRODUCTION)}),
    ],
    ids=["a name", "a name in an account", "a path", "two paths", "a trust"],
)  # fmt: skip
def test_roles_are_chosen(asked: tuple[str, ...], roles: set[tuple[str, str]], tmp_path: Path) -> None:
    assert batch(tmp_path, *asked).code == 0
    assert set(verdicts(tmp_path)) == roles


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (("--name", "nobody"), "none of 16 roles fits --name 'nobody'  PG-E312, exit 4"),
        (("--tag", "owner=nobody"), "PG-E312, exit 4"),
        (("--retry-failed",), "no batch was made in"),
        (("--verify-digests",), "PG-W312, exit 3"),  # the samples' digest is not signed, and vouches for few
        (("--public-keys", "keys"), "PG-E234, exit 2"),
        (("--resources", "some"), "--resources is 'some'  PG-E215, exit 2"),
        (("--policy-name", "a b"), "--policy-name is 'a b'  PG-E215, exit 2"),
        (("-f", "xml"), "no format 'xml'  PG-E207, exit 2"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(
    asked: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    done = batch(tmp_path / "out", *asked)
    assert says in done.stderr
    assert (done.stdout, (tmp_path / "out").exists()) == ("", False)


def test_without_an_account_paths_and_tags_are_not_known(tmp_path: Path) -> None:
    done = batch(tmp_path / "out", "--path", "/ci/", account=None)
    assert ("PG-E274, exit 2" in done.stderr, done.code) == (True, 2)


def test_without_an_account_all_rests_on_the_evidence_alone_and_says_so(tmp_path: Path) -> None:
    done = batch(tmp_path / "out", account=None)
    assert done.code == 0
    assert "Today's policies are not known, so this rests on" in done.stdout
    rows = table(tmp_path / "out").rows
    assert all(row.actions_now is None for row in rows)
    assert {row.verdict for row in rows} == {"review", "fixed"}
    assert all("policies-unknown" in row.reasons for row in rows if row.plan)


# --- what fails ------------------------------------------------------------------------------------------


def changed(tmp_path: Path, role: str, **fields: Any) -> Path:
    """The account with some fields of a role changed."""
    made = msgspec.json.decode(msgspec.json.encode(account()))
    (one,) = (one for one in made["authorization"]["RoleDetailList"] if one["RoleName"] == role)
    one.update(fields)
    path = tmp_path / "account.json"
    path.write_text(json.dumps(made), "utf-8")
    return path


def row_of(out: Path, role: str, account: str = PRODUCTION) -> BatchRow:
    (row,) = (one for one in table(out).rows if (one.role, one.account) == (role, account))
    return row


def made_logs(folder: Path, *events: dict[str, Any]) -> Path:
    return write_logs(folder / "logs", crowd(list(events)))


READ = {"source": "dynamodb", "name": "GetItem", "params": {"tableName": "carts"}}


def test_a_name_from_a_log_is_no_path(tmp_path: Path) -> None:
    logs = made_logs(
        tmp_path, READ | {"role": "../../../pwn"}, READ | {"role": "<script>/x"}, READ | {"role": ".."}
    )
    assert batch(tmp_path / "a" / "b" / "out", account=None, logs=logs).code == 0
    written = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {"a", "logs"}
    assert {row.plan for row in table(tmp_path / "a" / "b" / "out").rows} == {
        "%2e.%2f..%2f..%2fpwn", "%3cscript%3e%2fx", "%2e.", "crowd",
    }  # fmt: skip


def test_no_two_roles_share_a_file() -> None:
    found = targets(
        [
            RoleKey("111122223333", "AROAA", "", "job"),
            RoleKey("444455556666", "AROAB", "", "job"),
            RoleKey("111122223333", "AROAC", "", "job-111122223333"),
            RoleKey("444455556666", "AROAD", "", "Job-111122223333-2"),
        ],
        {},
        RoleFilter(),
    )
    names = [one.file.lower() for one in found]
    assert len(set(names)) == len(names) == 4
    assert {one.name: one.file for one in found}["job-111122223333"] == "job-111122223333"


UNUSED = ("--name", "audit-*", "--name", "legacy-*")


def test_logs_of_another_account_do_not_make_a_role_unused(tmp_path: Path) -> None:
    (staging,) = LOGS.rglob(STAGING)
    assert batch(tmp_path / "out", *UNUSED, "--allow-incomplete", logs=staging).code == 0
    for role in ("audit-reader", "legacy-export"):
        row = row_of(tmp_path / "out", role)
        assert (row.verdict, row.reason) == ("failed", f"no record of account {PRODUCTION} was read")


def test_days_of_another_account_do_not_count_as_read(tmp_path: Path) -> None:
    (staging,) = LOGS.rglob(STAGING)
    logs = tmp_path / "logs"
    shutil.copytree(staging, logs / STAGING)
    (folder,) = LOGS.rglob(f"{PRODUCTION}/CloudTrail/eu-west-1")
    newest = max(folder.rglob("*_20261124T*.json.gz"))
    shutil.copy(newest, logs)
    assert batch(tmp_path / "out", *UNUSED, logs=logs).code in {0, 3}
    row = row_of(tmp_path / "out", "audit-reader")
    assert row.verdict == "wait"
    assert re.fullmatch(
        r"no call on the [12] of 30 days of which records of its account were read", row.reason
    )


def test_unused_asks_for_records_of_every_day(tmp_path: Path) -> None:
    assert batch(tmp_path / "out", "--name", "audit-*", "--days", "90").code == 0
    row = row_of(tmp_path / "out", "audit-reader")
    assert (row.verdict, row.reason) == (
        "wait",
        "no call on the 46 of 90 days of which records of its account were read",
    )


def test_a_protected_role_is_fixed_also_without_calls(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[protect]]\nrole = "audit-*"\nreason = "break glass"\n', "utf-8")
    assert batch(tmp_path / "out", "--name", "audit-*", "--decisions", rules).code == 0
    row = row_of(tmp_path / "out", "audit-reader")
    assert row.verdict == "fixed"
    assert "break glass" in row.reason


def test_a_keep_for_all_roles_fails_none_that_it_does_not_fit(tmp_path: Path) -> None:
    done = batch(tmp_path / "out", *FEW, "--keep", "sqs:DeleteQueue")
    assert (done.stderr, done.code) == ("", 0)
    assert "nothing of it to keep by --keep sqs:DeleteQueue" in row_of(tmp_path / "out", "bastion").reason


def test_rows_of_two_windows_do_not_stand_together(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(few, out)
    done = batch(out, *FEW, "--retry-failed", "--days", "3")
    assert ("PG-E275, exit 2" in done.stderr, done.code) == (True, 2)
    assert bytes_of(out) == bytes_of(few)


def test_a_retry_of_some_keeps_the_failures_of_others(failed: tuple[Path, Done], tmp_path: Path) -> None:
    shutil.copytree(failed[0], tmp_path / "out")
    broken = unknown_policy(tmp_path)
    done = batch(tmp_path / "out", "--name", "orders-*", "--retry-failed", account=broken)
    assert done.code == 3
    assert row_of(tmp_path / "out", "bastion").verdict == "failed"


def test_another_form_of_policies_takes_the_place_of_the_last(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(few, out)
    assert (out / "policies" / "orders-api.policy.json").exists()
    assert batch(out, *FEW, "-f", "terraform").code == 0
    assert {one.name for one in (out / "policies").iterdir()} == {"bastion.tf", "orders-api.tf"}


def test_two_batches_do_not_write_into_one_folder(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    out = tmp_path / "out"
    out.mkdir()
    with (out / ".batch-lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = batch(out, "--name", "orders-*")
        assert ("PG-E277, exit 2" in done.stderr, done.code) == (True, 2)
    assert batch(out, "--name", "orders-*").code == 0


def test_a_plan_that_somebody_edited_is_refused_and_cannot_drive_the_terminal(
    few: Path, tmp_path: Path
) -> None:
    plan = saved_plan(few, "bastion")
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan | {"notes": ["ready\x1b[2J"]}), "utf-8")
    assert "Note      ready\\x1b[2J\n" in run_in_root("report", path, "--details").stdout
    path.write_text(json.dumps(plan | {"policies": [{"name": "a", "size": "9x", "document": {}}]}), "utf-8")
    for form in ("html", "markdown", "serverless"):
        done = run_in_root("report", path, "-f", form)
        assert ("PG-E270, exit 2" in done.stderr or done.code == 0, done.code in {0, 2}) == (True, True)


def test_plans_of_many_roles_are_packed_and_a_damaged_one_is_refused(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    shutil.copytree(few, out)
    monkeypatch.setattr(policygen.all_roles.folder, "PLAIN_PLANS", 1)
    assert batch(out, *FEW).code == 0
    assert sorted(one.name for one in (out / "plans").iterdir()) == ["bastion.json.gz", "orders-api.json.gz"]
    assert "0 of 2" not in batch(out, *FEW).stderr  # the files of the last batch are found by their new names
    packed = out / "plans" / "bastion.json.gz"
    plain = tmp_path / "bastion.json"
    plain.write_bytes(gzip.decompress(packed.read_bytes()))
    assert json.loads(plain.read_bytes()) == saved_plan(few, "bastion")
    said = [run_in_root("report", path, "-f", "json", "-q").stdout for path in (packed, plain)]
    assert said[0] == said[1] != ""
    assert packed.stat().st_mode & 0o077 == 0
    cut = tmp_path / "cut.json.gz"
    cut.write_bytes(packed.read_bytes()[:-200])
    done = run_in_root("report", cut)
    assert ("PG-E270, exit 2" in done.stderr, done.code) == (True, 2)


def sizing_of_the_samples(spill: SpillStore) -> tuple[BatchSettings, list[RoleTarget]]:
    found = read_logs(open_source(LOGS), spill, RoleFilter(), ObserveOptions(days=30))
    known = {PRODUCTION: load_snapshot(ACCOUNT)}
    chosen = targets(found.counts.totals.roles, known, RoleFilter(["orders-*", "bastion", "audit-*"]))
    return BatchSettings(
        found.read_report, found.counts, ObserveOptions(days=30), SuggestOptions(), accounts=known
    ), chosen


def test_a_bug_with_one_role_stops_no_other_and_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(sizing: BatchSettings, target: RoleTarget, calls: Any, sightings: Any) -> Result:
        if target.name == "bastion":
            raise KeyError("what was in the log")
        return right_size(sizing, target, calls, sightings)

    monkeypatch.setattr(policygen.all_roles.run, "right_size", broken)
    with SpillStore() as spill:
        rows = {
            one.row.role: one.row
            for one in policygen.all_roles.run.right_size_all(*sizing_of_the_samples(spill), spill)
        }
    assert {name: row.verdict for name, row in rows.items()} == {
        "orders-api": "review", "bastion": "failed", "audit-reader": "unused",
    }  # fmt: skip
    assert rows["bastion"].code == "PG-E999"
    assert "what was in the log" not in rows["bastion"].reason


class Lost(Executor):
    """Processes that are killed."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(BrokenProcessPool("killed"))
        return future


def test_what_a_killed_process_had_to_do_is_done_all_the_same() -> None:
    said: list[str] = []
    with SpillStore() as spill:
        sizing, chosen = sizing_of_the_samples(spill)
        alone = sorted(one.row.role for one in policygen.all_roles.run.right_size_all(sizing, chosen, spill))
        found = sorted(
            one.row.role
            for one in policygen.all_roles.run.right_size_all(sizing, chosen, spill, Lost(), said.append)
        )
    assert found == alone == ["audit-reader", "bastion", "orders-api"]
    assert said == ["warning: a worker failed (BrokenProcessPool: killed): what it had to do is done here"]


@cache
def account() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ACCOUNT.read_text("utf-8"))
    return found


def unknown_policy(tmp_path: Path) -> Path:
    """The account, of which one managed policy was not read."""
    broken = msgspec.json.decode(msgspec.json.encode(account()))
    (bastion,) = (one for one in broken["authorization"]["RoleDetailList"] if one["RoleName"] == "bastion")
    bastion["AttachedManagedPolicies"] = [
        {"PolicyName": "Lost", "PolicyArn": f"arn:aws:iam::{PRODUCTION}:policy/Lost"}
    ]
    path = tmp_path / "account.json"
    path.write_text(json.dumps(broken), "utf-8")
    return path


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A batch in which bastion fails, and what was said of it."""
    place = tmp_path_factory.mktemp("failed")
    return place / "out", batch(place / "out", *FEW, account=unknown_policy(place))


def test_one_role_that_fails_stops_no_other_and_can_be_tried_again(
    few: Path, failed: tuple[Path, Done], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(failed[0], out)
    done = failed[1]
    assert done.code == 3
    assert "error: 1 role failed: bastion: the document of" in done.stderr
    assert "PG-W313, exit 3" in done.stderr
    assert verdicts(out) == {**verdicts(few), ("bastion", PRODUCTION): "failed"}
    again = batch(out, *FEW, "--retry-failed")
    assert (again.stderr, again.code) == ("", 0)
    assert bytes_of(out) == bytes_of(few)


def test_a_failure_may_be_accepted(tmp_path: Path) -> None:
    done = batch(
        tmp_path / "out", "--name", "bastion", "--allow-incomplete", account=unknown_policy(tmp_path)
    )
    assert (done.stderr, done.code) == ("", 0)


def test_a_role_that_iam_saw_and_the_logs_do_not_is_not_called_unused(tmp_path: Path) -> None:
    used = msgspec.json.decode(msgspec.json.encode(account()))
    (reader,) = (one for one in used["authorization"]["RoleDetailList"] if one["RoleName"] == "audit-reader")
    reader["RoleLastUsed"] = {"LastUsedDate": "2026-11-20T09:00:00+00:00", "Region": "eu-west-1"}
    path = tmp_path / "account.json"
    path.write_text(json.dumps(used), "utf-8")
    done = batch(tmp_path / "out", "--name", "audit-*", account=path)
    assert "IAM saw it used on 2026-11-20, but the logs show no call" in done.stderr
    assert done.code == 3


def with_auditor(path: Path, change: Any) -> Path:
    """The samples' account, with a change to its unused role and to the report of it."""
    found = msgspec.json.decode(msgspec.json.encode(account()))
    (reader,) = (one for one in found["authorization"]["RoleDetailList"] if one["RoleName"] == "audit-reader")
    change(reader, found["last_accessed"][reader["Arn"]])
    path.write_text(json.dumps(found), "utf-8")
    return path


def test_a_role_without_events_that_iam_saw_used_is_judged_by_what_iam_saw(tmp_path: Path) -> None:
    def used(_: Any, report: Any) -> None:
        report["ServicesLastAccessed"][0] |= {
            "LastAuthenticated": "2026-11-24T20:00:00Z",
            "LastAuthenticatedRegion": "eu-west-1",
        }

    path = with_auditor(tmp_path / "account.json", used)
    assert batch(tmp_path / "out", "--name", "audit-*", account=path).code == 0
    row = row_of(tmp_path / "out", "audit-reader")
    assert (row.verdict, row.reasons, row.events) == ("review", ("unread-use", "no-use"), 0)
    assert row.reason.endswith("with no event: a log is missing; no permission was seen in use")
    plan = saved_plan(tmp_path / "out", "audit-reader")
    stays = {keep["action"].partition(":")[0] for keep in plan["keeps"]}
    assert "cloudtrail" in stays
    assert not [keep for keep in plan["keeps"] if keep["action"] == "iam:ListUsers"]
    alone = run_in_root(
        "suggest", "-r", "audit-reader", "--logs", LOGS, "--snapshot", path, "-q", "-f", "json"
    )
    assert json.loads(alone.stdout)["policies"] == plan["policies"]


def test_a_role_that_iam_saw_before_the_window_is_not_called_unused(tmp_path: Path) -> None:
    def used(role: Any, _: Any) -> None:
        role["RoleLastUsed"] = {"LastUsedDate": "2026-08-02T09:00:00+00:00", "Region": "eu-west-1"}

    path = with_auditor(tmp_path / "account.json", used)
    assert batch(tmp_path / "out", "--name", "audit-*", account=path).code == 0
    row = row_of(tmp_path / "out", "audit-reader")
    assert row.verdict == "review"
    assert (
        row.reason == "IAM saw it used last on 2026-08-02, before the window: it is in use, at another time"
    )


def test_a_role_that_may_work_where_iam_does_not_look_is_not_called_unused(tmp_path: Path) -> None:
    def elsewhere(role: Any, _: Any) -> None:
        queue = "arn:aws:sqs:mx-central-1:111122223333:orders"
        allow = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue}
        role["RolePolicyList"] = [{"PolicyName": "mx", "PolicyDocument": {"Statement": [allow]}}]

    path = with_auditor(tmp_path / "account.json", elsewhere)
    assert batch(tmp_path / "out", "--name", "audit-*", account=path).code == 0
    row = row_of(tmp_path / "out", "audit-reader")
    assert (row.verdict, "IAM does not track mx-central-1" in row.reason) == ("wait", True)


def test_a_table_that_no_batch_wrote_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "batch.json").write_text("[]", "utf-8")
    done = batch(tmp_path)
    assert ("PG-E276, exit 2" in done.stderr, done.code) == (True, 2)
    assert (tmp_path / "batch.json").read_text("utf-8") == "[]"


# --- tables ----------------------------------------------------------------------------------------------


def rows() -> Iterator[BatchRow]:
    for verdict in VERDICT_MEANINGS:
        for n in (3, 1, 2):
            yield BatchRow(
                role=f"{verdict}-{n}", account=PRODUCTION, verdict=verdict, reason="so", actions_now=1000 * n,
                actions_proposed=10 if verdict in {"ready", "review"} else None, escalations_closed=n,
            )  # fmt: skip


def test_rows_stand_by_what_can_be_done_and_how_much_goes() -> None:
    ordered = [row.role for row in sorted_rows(rows())]
    assert ordered[:4] == ["ready-3", "ready-2", "ready-1", "review-3"]
    assert [one.verdict for one in totals_by_verdict(rows())] == list(VERDICT_MEANINGS)
    ready = next(iter(totals_by_verdict(rows())))
    assert (ready.roles, ready.actions_now, ready.actions_proposed, ready.escalations_closed) == (
        3,
        6000,
        30,
        6,
    )


@pytest.mark.parametrize(
    ("time", "says"),
    [
        ("", "never"),
        ("2026-11-24T22:00:00Z", "0 min"),
        ("2026-11-24T21:58:30Z", "1 min"),
        ("2026-11-24T10:00:00Z", "12 h"),
        ("2026-10-24T22:00:00Z", "31 d"),
    ],
)
def test_ages_are_in_their_largest_unit(time: str, says: str) -> None:
    assert age(time, "2026-11-24T22:00:00Z") == says


@pytest.mark.parametrize("text", ["=cmd()", "+1", "-1", "@x", "\t=1", "＝1", "=1\r\n=2"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert plain_cell(text).startswith("'")
    asked = RoleQuestion(
        role=text, owner=text, account="", question="", asks=text, permissions=1, riskiest="",
        command=text, drop=text,
    )  # fmt: skip
    (question,) = csv.DictReader(questions_to_csv([asked]).splitlines())
    assert [name for name, value in question.items() if value.startswith("'")] == [
        "role", "owner", "asks", "command", "drop",
    ]  # fmt: skip
    row = BatchRow(role=text, account="", verdict="ready", reason=text)
    (record,) = csv.DictReader(batch_to_csv([row]).splitlines())
    assert record["role"].startswith("'")
    assert (record["events"], record["actions_now"]) == ("0", "")
    assert len(batch_to_parquet([row])) > 0
