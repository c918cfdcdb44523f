"""A second batch makes only what rests on something else, and the folder is the one that a first batch would write."""

from __future__ import annotations

import csv
import html
import json
import re
import shutil
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

import policygen.all_roles.rightsize_role
from policygen.account.snapshot import load_snapshot
from policygen.all_roles.rightsize_role import BatchSettings
from policygen.all_roles.row import owner_of
from policygen.all_roles.select import RoleFilter, targets
from policygen.all_roles.unchanged import (
    NAME,
    files_digest,
    inputs_digest,
    read_made,
    shared_digests,
    write_made,
)
from policygen.evidence.observe import ObserveOptions
from policygen.iam.request import RoleKey
from policygen.logs.calls.counts import CallCounts, no_role
from policygen.logs.read_report import ReadReport
from policygen.plan.batch_since import since_last, since_retried
from policygen.plan.batch_table import BatchChange, BatchRow, BatchSince, BatchTable
from policygen.report.html.batch_index import render_index
from policygen.report.terminal.batch import render_batch
from policygen.report.wording import transition_words
from policygen.rightsize.decisions.load import parse_decisions
from policygen.rightsize.decisions.model import DecisionRule, Decisions
from policygen.rightsize.suggestion import SuggestOptions
from tests.all_roles.test_batch import (
    ACCOUNT,
    FEW,
    LOGS,
    PRODUCTION,
    account,
    batch,
    bytes_of,
    changed,
    saved_plan,
    unknown_policy,
    without_role,
)
from tests.support.command import run_in_root
from tests.support.pages import batch as batch_table

ROLES = {"bastion", "orders-api"}
MORE = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sns:*", "Resource": "*"}]}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("first") / "out"
    assert batch(out, *FEW).code == 0
    return out


@pytest.fixture
def out(first: Path, tmp_path: Path) -> Path:
    """A copy of the folder of a first batch."""
    shutil.copytree(first, tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the roles that were right-sized, not left alone."""
    names: list[str] = []
    inner = policygen.all_roles.rightsize_role._right_size

    def noted(settings: Any, target: Any, *read: Any) -> Any:
        names.append(target.name)
        return inner(settings, target, *read)

    monkeypatch.setattr(policygen.all_roles.rightsize_role, "_right_size", noted)
    return names


def test_a_second_batch_leaves_alone_what_did_not_change_and_says_so(out: Path, made: list[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in (out / "plans").iterdir()}
    done = batch(out, *FEW)
    assert (done.code, made) == (0, [])
    assert {path: path.stat().st_mtime_ns for path in (out / "plans").iterdir()} == before
    aloud = run_in_root("batch", "--logs", LOGS, "--snapshot", ACCOUNT, "--out", out, "-j", 1, *FEW)
    assert "2 of 2 roles did not change since the last batch in this folder: same calls" in aloud.stderr


def test_only_a_role_whose_policies_changed_is_made_again(out: Path, made: list[str], tmp_path: Path) -> None:
    other = changed(tmp_path, "bastion", RolePolicyList=[{"PolicyName": "more", "PolicyDocument": MORE}])
    assert batch(out, *FEW, account=other).code == 0
    assert made == ["bastion"]
    assert batch(tmp_path / "fresh", *FEW, account=other).code == 0
    assert without_history(out) == without_history(tmp_path / "fresh")


def without_history(out: Path) -> dict[str, bytes]:
    """The files of roles: the index also tells what changed since the last batch."""
    return {name: data for name, data in bytes_of(out).items() if "/" in name}


@pytest.mark.parametrize("folder", ["plans", "roles", "policies"])
def test_a_role_whose_file_was_edited_or_lost_is_made_again(
    folder: str, out: Path, first: Path, made: list[str]
) -> None:
    (file,) = (out / folder).glob("bastion.*")
    file.unlink() if folder == "roles" else file.write_bytes(b"{}")
    assert batch(out, *FEW).code == 0
    assert made == ["bastion"]
    assert bytes_of(out) == bytes_of(first)


@pytest.mark.parametrize(
    "options", [("--days", "20"), ("--keep", "sqs:*"), ("--unverified", "drop"), ("-f", "json")], ids=" ".join
)
def test_other_options_make_every_role_again(options: tuple[str, ...], out: Path, made: list[str]) -> None:
    assert batch(out, *FEW, *options).code == 0
    assert set(made) == ROLES


def test_a_role_that_failed_is_tried_again(tmp_path: Path, made: list[str]) -> None:
    broken = unknown_policy(tmp_path)
    for _ in range(2):
        assert batch(tmp_path / "out", *FEW, account=broken).code == 3
    assert sorted(made) == ["bastion", "bastion", "orders-api"]


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"\x1f\x8b\x08", None], ids=["empty", "not packed", "cut", "gone"]
)
def test_without_the_memory_of_the_last_batch_every_role_is_made_again(
    data: bytes | None, out: Path, first: Path, made: list[str]
) -> None:
    (out / NAME).unlink() if data is None else (out / NAME).write_bytes(data)
    assert batch(out, *FEW).code == 0
    assert set(made) == ROLES
    assert bytes_of(out) == bytes_of(first)


def test_a_row_that_names_files_of_another_role_is_not_believed(out: Path) -> None:
    noted = read_made(out)
    wrong = msgspec.structs.replace(noted["bastion"].row, plan="../../etc/passwd")
    write_made(out, noted | {"bastion": msgspec.structs.replace(noted["bastion"], row=wrong)})
    assert set(read_made(out)) == {"orders-api"}


def test_a_retry_without_the_memory_of_the_last_batch_says_what_to_do(out: Path) -> None:
    (out / NAME).unlink()
    done = batch(out, *FEW, "--retry-failed")
    assert ("PG-E276, exit 2" in done.stderr, "without --retry-failed" in done.stderr) == (True, True)


def test_what_was_made_is_noted_for_every_role(first: Path) -> None:
    noted = read_made(first)
    assert {one.row.role for one in noted.values()} == ROLES
    assert all(one.inputs and one.files and one.topics for one in noted.values())
    assert len({one.inputs for one in noted.values()}) == 2


# --- the digest ------------------------------------------------------------------------------------------


def settings(**fields: Any) -> BatchSettings:
    known = load_snapshot(ACCOUNT)
    plain = BatchSettings(
        ReadReport(),
        CallCounts(no_role),
        ObserveOptions(),
        SuggestOptions(),
        accounts={PRODUCTION: known},
        formats={"plans": "plan"},
    )
    return replace(plain, **fields)


def test_the_digest_does_not_depend_on_the_order_of_counters_and_sets() -> None:
    counts, reverse = CallCounts(no_role), CallCounts(no_role)
    roles = [RoleKey(PRODUCTION, f"AROA{i}", "", f"role-{i}") for i in range(9)]
    counts.totals.roles = Counter(dict.fromkeys(roles, 1))
    reverse.totals.roles = Counter(dict.fromkeys(reversed(roles), 1))
    assert shared_digests(settings(counts=counts)) == shared_digests(settings(counts=reverse))
    reverse.totals.roles[roles[0]] += 1
    assert shared_digests(settings(counts=counts)) != shared_digests(settings(counts=reverse))


def test_today_s_date_counts_only_where_a_decision_expires() -> None:
    def on(day: date) -> dict[str, str]:
        rule = DecisionRule("keep", "sqs:*", "so", expires=date(2026, 12, 1))
        return shared_digests(settings(suggest=SuggestOptions(on=day, decisions=Decisions((rule,)))))

    assert on(date(2026, 11, 28)) == on(date(2026, 11, 29))
    assert on(date(2026, 12, 1)) != on(date(2026, 12, 2))


@pytest.mark.parametrize("field", ["trails", "functions", "scps", "entities"])
def test_what_the_account_is_like_counts(field: str) -> None:
    plain = settings()
    other = replace(
        plain, accounts={PRODUCTION: msgspec.structs.replace(plain.accounts[PRODUCTION], **{field: ()})}
    )
    assert shared_digests(plain) != shared_digests(other)


def test_a_newer_snapshot_of_the_same_is_the_same() -> None:
    plain = settings()
    known = msgspec.structs.replace(plain.accounts[PRODUCTION], generated_at="2027-01-01T00:00:00Z")
    later = replace(plain, accounts={PRODUCTION: known})
    assert shared_digests(plain) == shared_digests(later)


def test_iam_s_report_of_a_role_counts_for_that_role() -> None:
    plain = settings(shared={PRODUCTION: "x"})
    known = plain.accounts[PRODUCTION]
    chosen = targets((), plain.accounts, RoleFilter(["orders-api", "bastion"]))
    reports = dict(known.last_accessed or {})
    del reports[next(one.arn for one in chosen if one.name == "bastion")]
    other = replace(plain, accounts={PRODUCTION: msgspec.structs.replace(known, last_accessed=reports)})
    same = {
        one.name: inputs_digest(plain, one, {}, {}) == inputs_digest(other, one, {}, {}) for one in chosen
    }
    assert same == {"orders-api": True, "bastion": False}


def test_files_that_are_not_there_have_no_digest(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(json.dumps(account()), "utf-8")
    assert files_digest([tmp_path / "a"])
    assert files_digest([tmp_path / "a", tmp_path / "b"]) == ""


# --- what changed since the last batch ---------------------------------------------------------------


def table_of(out: Path) -> BatchTable:
    return msgspec.json.decode((out / "batch.json").read_bytes(), type=BatchTable)


def test_the_table_says_what_changed_since_the_last_batch_until_something_else_does(
    out: Path, tmp_path: Path
) -> None:
    assert table_of(out).since is None
    other = changed(tmp_path, "bastion", RolePolicyList=[{"PolicyName": "more", "PolicyDocument": MORE}])
    assert batch(out, *FEW, account=other).code == 0
    since = table_of(out).since
    assert since is not None
    (one,) = since.changes
    assert (one.role, one.plan, since.roles) == ("bastion", "bastion", 2)
    assert one.more_actions > 0
    index = (out / "index.html").read_text("utf-8")
    assert "Those of 1 role allow more: bastion." in index
    screen = batch(out, *FEW, account=other).stdout
    said = re.search(
        r"^Compared with .* differed, of 2 roles to 2026-11-24 \(1\)\n  (bastion: .*)$", screen, re.M
    )
    assert said
    assert f"allowed {one.actions_before:,} → {one.actions_after:,}" in said[1]
    assert (one.actions_before or 0) > 0
    assert one.actions_before != one.actions_after
    before = bytes_of(out)
    assert batch(out, *FEW, account=other).code == 0
    assert bytes_of(out) == before
    assert batch(out, *FEW, account=without_role(tmp_path, "bastion")).code == 0
    (gone,) = table_of(out).since.changes  # type: ignore[union-attr]
    assert (gone.role, gone.before is None, gone.after) == ("bastion", False, None)


def test_a_decision_that_changes_a_proposal_is_a_change_with_the_rule_and_the_reason(
    out: Path, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[[drop]]\nrole = ["orders-api", "ordres-api"]\naction = ["sqs:SendMessage", "iot:Publish"]\nreason = "so"\n',
        "utf-8",
    )
    assert batch(out, *FEW, "--decisions", rules).code == 0
    since = table_of(out).since
    assert since is not None
    (one,) = since.changes
    assert (one.role, one.rules) == ("orders-api", ("drop[0].action[0]",))
    assert (one.proposed_before or 0) - (one.proposed_after or 0) == 1
    plan = saved_plan(out, "orders-api")
    assert not plan["decisions"].get("unused")  # the table did something


def test_a_rule_about_no_role_is_reported_once(tmp_path: Path) -> None:
    decisions = parse_decisions(
        '[[drop]]\nrole = ["orders-api", "ordres-api"]\naction = ["sqs:SendMessage", "iot:Publish"]\nreason = "so"\n'
    )
    assert list(decisions.about_none(["bastion", "orders-api"])) == [
        "drop[0] of policygen.toml (so) is about none of the roles: ordres-api; did you mean orders-api?"
    ]


def test_a_retry_corrects_what_is_told_of_the_last_batch() -> None:
    before = batch_table([row("a"), row("b", verdict="wait")])
    broken = [row("a", verdict="failed"), row("b", verdict="wait")]
    since = since_last(before, broken, "2026-10-27", "2026-11-25")
    assert since is not None
    last = msgspec.structs.replace(before, rows=tuple(broken), since=since)
    assert since_retried(last, [row("a", verdict="review"), broken[1]]) == msgspec.structs.replace(
        since, changes=(BatchChange(role="a", account=PRODUCTION, before="ready", after="review", why="so"),)
    )
    (mended,) = [since_retried(last, [row("a"), broken[1]])]
    assert mended is not None
    assert mended.changes == ()


def test_what_opens_most_stands_first() -> None:
    then = batch_table(
        [row("a"), row("b", actions_now=3), row("c", escalations_closed=1, escalations_left=0)]
    )
    now = [
        row("a", verdict="wait"),
        row("b", actions_now=9),
        row("c", escalations_closed=5, escalations_left=1),
    ]
    since = since_last(then, now, "2026-10-27", "2026-11-25")
    assert since is not None
    assert [(one.role, one.paths_opened, one.more_actions) for one in since.gravest] == [
        ("c", 5, 0), ("b", 0, 6), ("a", 0, 0),
    ]  # fmt: skip


def test_what_became_yes_and_what_denies_a_replay_stand_before_the_others_and_all_are_counted() -> None:
    names = ("a", "b", "c", "d", "e")
    then = batch_table([row(name, verdict="wait") for name in names])
    now = [
        row("a", verdict="review", reasons=("weak",)),
        row("b", verdict="review", reasons=("weak",), actions_proposed=9),
        row("c", verdict="review", reasons=("replay", "weak")),
        row("d"),
        row("new"),
    ]
    since = since_last(then, now, "2026-10-27", "2026-11-25")
    assert since is not None
    assert [one.role for one in since.gravest] == ["d", "new", "c", "b", "a", "e"]
    assert (
        transition_words(since)
        == "not yet → yes: 1, new → yes: 1, not yet → look first: 3, not yet → gone: 1"
    )
    assert transition_words(since) in render_batch(batch_table(now, since=since), "out", width=200)
    assert transition_words(since) in html.unescape(render_index(batch_table(now, since=since))["index.html"])


def test_files_that_are_no_logs_are_counted_apart(first: Path, tmp_path: Path) -> None:
    before = msgspec.json.decode((first / "batch.json").read_bytes(), type=BatchTable)
    shutil.copytree(LOGS, tmp_path / "logs")
    shutil.copy(ACCOUNT, tmp_path / "logs/account.json")
    assert batch(tmp_path / "out", *FEW, logs=tmp_path / "logs").code == 0
    made = msgspec.json.decode((tmp_path / "out/batch.json").read_bytes(), type=BatchTable)
    assert (made.no_logs, made.files) == (before.no_logs + 1, before.files + 1)
    logs = made.files - made.no_logs
    assert (
        made.read == f"{made.records:,} records in {logs} log files; {made.no_logs} other files are no logs"
    )
    one = msgspec.structs.replace(made, no_logs=1, files=3)
    assert one.read.endswith("in 2 log files; 1 other file is no log")
    assert made.read in (tmp_path / "out/index.html").read_text("utf-8")


def row(role: str, **fields: Any) -> BatchRow:
    return BatchRow(**{"role": role, "account": PRODUCTION, "verdict": "ready", "reason": "so", **fields})


def test_the_difference_has_roles_that_came_went_or_changed_and_no_others() -> None:
    last = batch_table(
        [row("same"), row("gone", actions_now=3), row("other", verdict="wait", unverified=7)],
        end="2026-11-24",
    )
    rows = [row("same", reason="another sentence"), row("other", verdict="review"), row("new", actions_now=9)]
    since = since_last(last, rows, "2026-10-27", "2026-11-25")
    assert since is not None
    assert (since.start, since.end, since.roles, since.unverified) == ("2026-10-26", "2026-11-24", 3, 7)
    assert [
        (one.role, one.before, one.after, one.actions_before, one.actions_after) for one in since.changes
    ] == [
        ("gone", "ready", None, 3, None),
        ("new", None, "ready", None, 9),
        ("other", "wait", "review", None, None),
    ]
    assert since_last(None, rows, "2026-10-27", "2026-11-25") is None
    again = msgspec.structs.replace(batch_table(rows), start="2026-10-27", end="2026-11-25", since=since)
    assert since_last(again, rows, "2026-10-27", "2026-11-25") is since
    assert since_last(again, rows, "2026-10-28", "2026-11-26") == BatchSince(
        start="2026-10-27", end="2026-11-25", roles=3, unverified=0
    )


@pytest.mark.parametrize(
    ("tags", "owner"),
    [
        ({}, ""),
        ({"Name": "orders"}, ""),
        ({"Team": "shop", "Owner": "ana"}, "ana"),
        ({"acme:team": "shop", "contact": "ana@example.com"}, "shop"),
        ({"cost/owner": "shop", "owner": ""}, "shop"),
    ],
)
def test_the_owner_is_the_plainest_of_the_tags_that_name_one(tags: dict[str, str], owner: str) -> None:
    assert owner_of(tags) == owner


def test_a_named_tag_tells_the_owner_before_all_others() -> None:
    tags = {"App": "carts", "acme:unit": "web", "owner": "ana"}
    assert [owner_of(tags, tag) for tag in ("app", "ACME:unit", "unit", "")] == ["carts", "web", "ana", "ana"]


def test_another_tag_of_the_owner_makes_the_rows_again(out: Path) -> None:
    assert batch(out, *FEW, "--owner-tag", "ENV").code == 0
    rows = msgspec.json.decode((out / "batch.json").read_bytes(), type=BatchTable).rows
    assert {row.role: row.owner for row in rows} == {"bastion": "", "orders-api": "prod"}
    with (out / "questions.csv").open(encoding="utf-8", newline="") as file:
        assert {line["owner"] for line in csv.DictReader(file) if line["role"] == "orders-api"} == {"prod"}


def test_a_row_says_which_services_a_role_needs_and_which_it_loses(first: Path) -> None:
    (orders,) = (one for one in table_of(first).rows if one.role == "orders-api")
    assert {"dynamodb", "s3", "kms", "states"} <= {*orders.services}
    assert orders.services_unused
    assert not {*orders.services} & {*orders.services_unused}
    assert orders.trusts == ("lambda.amazonaws.com",)
    assert orders.risks_closed["escalation"] == orders.escalations_closed
    assert orders.risks_left.get("escalation", 0) == orders.escalations_left
    lines = csv.DictReader((first / "roles.csv").read_text("utf-8").splitlines())
    (line,) = (one for one in lines if one["role"] == "orders-api")
    assert line["services"] == ", ".join(orders.services)
    assert line["risks_closed"].startswith(f"escalation={orders.escalations_closed}, ")
