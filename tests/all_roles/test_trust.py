"""Trust beside permissions: each role of a batch gets what `policygen trust` says of it alone."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

import policygen.all_roles.rightsize_role
import policygen.all_roles.role_trust
from policygen.account.model import Account
from policygen.all_roles.read import read_logs
from policygen.all_roles.rightsize_role import BatchSettings
from policygen.all_roles.role_trust import sightings_of, trust_of
from policygen.all_roles.select import RoleFilter, targets
from policygen.errors import PolicygenError
from policygen.evidence.observe import ObserveOptions
from policygen.logs.calls.spill import SpillStore, StoredRoles
from policygen.logs.registry import open_source
from policygen.plan.build_trust import no_trust_proposal, trust_proposal
from policygen.plan.model_trust import TrustProposal
from policygen.rightsize.decisions.model import Decisions, PrincipalRule
from policygen.rightsize.suggestion import SuggestOptions
from tests.rightsize.test_trust import CASES
from tests.support.command import Done, run
from tests.support.effort import THOROUGH
from tests.support.trust_world import (
    ACCOUNT,
    DAYS,
    TARGET,
    VENDOR,
    accounts_of,
    all_records,
    snapshot,
    suggestion_of,
)

Case = dict[str, Any]
PLAIN = [case for case in CASES if not ({"require", "keep"} & case.keys())]


def in_a_batch(case: Case, accounts: dict[str, Account], logs: Path) -> TrustProposal:
    """What a batch says of the trust policy of a case's role."""
    observe = ObserveOptions(days=30, until=DAYS[-1])
    name = case.get("target", TARGET).rpartition("/")[2]
    spill = SpillStore()
    found = read_logs(open_source([logs]), spill, RoleFilter(), observe)
    settings = BatchSettings(
        found.read_report, found.counts, observe, SuggestOptions(), limit=found.limit, accounts=accounts
    )
    (target,) = targets((), accounts, RoleFilter([name], accounts=[ACCOUNT]))
    sightings = sightings_of(target, dict(spill.by_name()).get(name.lower(), StoredRoles({}, {})))
    return trust_of(settings, target, sightings).proposal


@pytest.mark.parametrize("case", PLAIN if THOROUGH else PLAIN[::3], ids=lambda case: case["name"])
def test_a_batch_says_what_trust_says(case: Case, tmp_path: Path) -> None:
    try:
        expected = trust_proposal(suggestion_of(case, tmp_path))
    except PolicygenError as error:
        expected = no_trust_proposal(error)
    assert in_a_batch(case, accounts_of(case), tmp_path / "trail.json") == expected


# --- a batch as a whole ----------------------------------------------------------------------------------

OWNER = f"arn:aws:iam::{ACCOUNT}"
TODAY = [
    {"Effect": "Allow", "Principal": {"AWS": [f"{OWNER}:root", VENDOR]}, "Action": ["sts:AssumeRole"]},
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:*"},
]
WORK = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*"}],
}
LOG: list[Case] = [
    {"by": "role/ci", "mfa": True},
    {"by": f"{VENDOR}:role/scanner", "copies": "owner"},
    {"by": f"{VENDOR}:role/scanner", "copies": "caller", "session": "s2"},
    {"by": "lambda.amazonaws.com"},
    {"by": "role/developer", "record": {"errorCode": "AccessDenied"}},
]
WORLD: Case = {
    "today": TODAY,
    "log": LOG,
    "vendor_known": True,
    "uses": [{"session": "s1", "days": 20}],
    "snapshot": {"role_settings": {TARGET: {"MaxSessionDuration": 14_400}}},
}


def settled(folder: Path, case: Case = WORLD, **fields: Any) -> Path:
    """A folder with the logs and the snapshots of a case; `fields` replace those of the first."""
    (folder / "logs").mkdir(exist_ok=True)
    (folder / "logs" / "trail.json").write_text(json.dumps({"Records": all_records(case)}))
    account = snapshot(case["today"], **case.get("snapshot", {})) | fields
    for one in account["authorization"]["RoleDetailList"]:
        one["RolePolicyList"] = [{"PolicyName": "work", "PolicyDocument": WORK}]
    (folder / "account.json").write_text(json.dumps(account))
    (folder / "vendor.json").write_text(json.dumps(snapshot([], VENDOR)))
    return folder


def batch(folder: Path, *more: object) -> Done:
    given = ("-l", "logs", "-s", "account.json", "-s", "vendor.json", "-o", "out", "-j", 1)
    return run(folder, "batch", *given, "--name", "target", *more)


def row(folder: Path) -> dict[str, Any]:
    (found,) = json.loads((folder / "out" / "batch.json").read_text())["rows"]
    return dict(found)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = settled(tmp_path_factory.mktemp("trust"))
    done = batch(folder)
    assert done.code == 0, done.stderr
    (folder / "screen.txt").write_text(done.stdout)
    return folder


def test_the_row_has_what_trust_says(made: Path) -> None:
    told = {
        name: value
        for name, value in row(made).items()
        if name.startswith(("trust_", "session_", "assum", "last_a"))
    }
    assert told == {
        "trust_reason": "3 removed, 3 narrowed",
        "trust_code": "",
        "trust_policy": "target",
        "trust_changes": 6,
        "trust_findings": ["PG703", "PG704"],
        "trust_losses": 0,
        "assumptions": 80,
        "last_assumed": "2026-11-14T09:03:00Z",
        "session_now": 14_400,
        "session_proposed": 3_600,
    } | {key: told[key] for key in ("trust_reason", "trust_changes")}
    assert row(made)["trust"] == "narrower"
    assert told["trust_changes"] > 3


def test_the_document_is_the_one_of_trust(made: Path) -> None:
    given = ("-l", "logs", "-s", "account.json", "-s", "vendor.json", "-q")
    alone = run(made, "trust", "target", *given, "-f", "policy")
    assert (made / "out/trust/target.json").read_text() == alone.stdout
    proposal = json.loads((made / "out/plans/target.json").read_text())["trust"]["proposal"]
    assert proposal["document"] == json.loads(alone.stdout)
    screen = run(made, "trust", "target", *given).stdout
    for said in (
        proposal["evidence"],
        proposal["left_out"],
        *(one["finding"] for one in proposal["promises"]),
    ):
        assert said in " ".join(screen.split())


def test_the_screen_the_index_the_page_and_the_table_say_so(made: Path) -> None:
    screen = (made / "screen.txt").read_text()
    assert "A smaller trust policy is enough for 1 of 1 role that somebody assumed" in " ".join(
        screen.split()
    )
    assert "\n  target (PG703, PG704): " in screen
    assert ", trust/" in screen
    index = (made / "out/index.html").read_text()
    assert "A smaller trust policy is enough for 1 of 1 role that somebody assumed" in index
    assert '<a href="trust/target.json">' in index
    page = (made / "out/roles/target.html").read_text()
    assert "<h2>Who assumes the role</h2>" in page
    assert "20 times on 20 days" in page
    assert "session 4 h → 1 h" in page
    with (made / "out/roles.csv").open(newline="") as file:
        (cells,) = csv.DictReader(file)
    assert (cells["trust"], cells["trust_findings"], cells["session_now"]) == (
        "narrower",
        "PG703, PG704",
        "14400",
    )


def test_permissions_and_trust_are_steps_of_their_own(made: Path) -> None:
    done = run(made, "report", "out/plans/target.json", "-f", "aws-cli", "-q")
    apply, trust = done.stdout.split("\napply_trust() {")
    assert "update-assume-role-policy" not in apply.partition("\napply() {")[2]
    assert trust.count("update-assume-role-policy") == 2
    assert "--max-session-duration 3600" in trust
    assert "--max-session-duration 14400" in trust
    screen = run(made, "report", "out/plans/target.json", "-q").stdout
    steps = " ".join(screen.split())
    assert (
        "which leave the trust policy alone: replace the trust policy and lower the longest session" in steps
    )


# --- the second batch ------------------------------------------------------------------------------------


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The roles of which somebody asked again who assumes them."""
    found: list[str] = []
    inner = policygen.all_roles.rightsize_role.trust_of

    def noted(settings: Any, target: Any, sightings: Any) -> Any:
        found.append(target.name)
        return inner(settings, target, sightings)

    monkeypatch.setattr(policygen.all_roles.rightsize_role, "trust_of", noted)
    return found


def test_a_role_is_made_again_only_if_somebody_else_came(tmp_path: Path, names: list[str]) -> None:
    settled(tmp_path)
    batch(tmp_path)
    assert "1 of 1 role did not change" in batch(tmp_path).stderr
    assert names == ["target"]
    settled(tmp_path, WORLD | {"log": [*LOG, {"by": "role/ops", "days": 3}]})
    batch(tmp_path)
    assert names == ["target", "target"]
    assert "role/ops" in (tmp_path / "out/trust/target.json").read_text()


def test_what_a_snapshot_tells_of_callers_counts(tmp_path: Path, names: list[str]) -> None:
    settled(tmp_path)
    batch(tmp_path)
    vendor = snapshot([], VENDOR)
    vendor["authorization"]["RoleDetailList"].pop()
    (tmp_path / "vendor.json").write_text(json.dumps(vendor))
    batch(tmp_path)
    assert names == ["target", "target"]


def test_a_trust_policy_that_was_edited_is_made_again_and_one_that_is_not_needed_goes(tmp_path: Path) -> None:
    settled(tmp_path)
    batch(tmp_path)
    file = tmp_path / "out/trust/target.json"
    before = file.read_text()
    file.write_text("edited")
    batch(tmp_path)
    assert file.read_text() == before
    settled(tmp_path, WORLD | {"today": json.loads(before)["Statement"]})
    batch(tmp_path)
    assert not file.exists()
    assert (row(tmp_path)["trust"], row(tmp_path)["trust_policy"]) == ("narrower", "")  # the session alone
    assert row(tmp_path)["trust_findings"] == ["PG703", "PG704"]


# --- what people decide, and what is not known -----------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ('[[keep]]\nprincipal = "444455556666"\nreason = "on call"', 0, {"trust": "narrower", "trust_losses": 0}),
        ('[[drop]]\nprincipal = "lambda.amazonaws.com"\nreason = "over"', 1, {"trust_losses": 1}),
        (
            '[[protect]]\nrole = "tar*"\nreason = "mine"',
            0,
            {"trust": "refused", "trust_code": "PG-E365", "verdict": "fixed", "trust_changes": None},
        ),
        (
            '[[keep]]\nrole = "target"\nprincipal = "999988887777"\nreason = "?"',
            0,
            {"trust": "refused", "trust_code": "PG-E364"},
        ),
    ],
    ids=["keep", "drop", "protect", "keep whom nobody trusts"],
)  # fmt: skip
def test_decisions_hold_for_principals_too(text: str, code: int, says: Case, tmp_path: Path) -> None:
    settled(tmp_path)
    (tmp_path / "policygen.toml").write_text(text)
    done = batch(tmp_path)
    assert done.code == code, done.stderr
    assert row(tmp_path).items() >= says.items()
    assert ("1 caller, named by policygen trust" in done.stderr) == (code == 1)


def test_a_rule_about_principals_of_no_role_is_reported() -> None:
    rule = PrincipalRule("keep", "lambda.amazonaws.com", "so", "order-*", where="keep[0]")
    (said,) = Decisions(principals=(rule,)).about_none(["orders-api"])
    assert said.startswith("keep[0] of policygen.toml (so) is about none of the roles: order-*")


def test_a_role_that_was_assumed_is_not_called_unused(tmp_path: Path) -> None:
    settled(tmp_path, WORLD | {"uses": []})
    done = batch(tmp_path)
    assert done.code == 0, done.stderr
    found = row(tmp_path)
    assert (found["verdict"], found["plan"], found["trust_policy"]) == ("wait", "", "target")
    assert found["reason"] == "no call in 30 days, though somebody assumed the role, last on 2026-11-14"
    assert (tmp_path / "out/trust/target.json").exists()
    assert list((tmp_path / "out/roles").iterdir()) == []


@pytest.mark.parametrize(
    ("log", "verdict"),
    [
        ([], "unused"),
        ([{"by": "role/ci", "record": {"errorCode": "AccessDenied"}}], "unused"),
        ([{"by": "states.amazonaws.com"}], "wait"),  # which today's policy does not let in
    ],
    ids=["nobody", "refused", "somebody else"],
)  # fmt: skip
def test_only_who_was_let_in_speaks_against_unused(log: list[Case], verdict: str, tmp_path: Path) -> None:
    settled(tmp_path, WORLD | {"uses": [], "log": log})
    batch(tmp_path)
    assert (row(tmp_path)["verdict"], row(tmp_path)["trust"]) == (verdict, "unseen")


def test_nobody_who_came_is_no_empty_policy(tmp_path: Path) -> None:
    settled(tmp_path, WORLD | {"log": []})
    assert batch(tmp_path).code == 0
    assert (row(tmp_path)["trust"], row(tmp_path)["trust_code"]) == ("unseen", "PG-E385")
    assert row(tmp_path)["trust_reason"] == "nobody assumed target in 30 days"
    assert list((tmp_path / "out/trust").iterdir()) == []
    assert "Nobody assumed target in 30 days." in (tmp_path / "out/roles/target.html").read_text()


def test_a_role_whose_trust_policy_is_not_known_says_so(tmp_path: Path) -> None:
    made = snapshot(TODAY)
    for one in made["authorization"]["RoleDetailList"]:
        one.pop("AssumeRolePolicyDocument") if one["Arn"] == TARGET else None
    settled(tmp_path, WORLD, authorization=made["authorization"])
    assert batch(tmp_path).code == 0
    assert (row(tmp_path)["trust"], row(tmp_path)["trust_reason"]) == (
        "unknown",
        "the snapshot has no trust policy of target",
    )
    done = run(tmp_path, "batch", "-l", "logs", "-o", "alone", "--name", "target", "-j", 1)
    (alone,) = json.loads((tmp_path / "alone/batch.json").read_text())["rows"]
    assert (done.code, alone["trust"]) == (0, "unknown")
    assert alone["trust_reason"] == "no snapshot has the trust policy of target"


def test_a_bug_with_a_trust_policy_leaves_the_permissions_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise KeyError("what was in the log")

    monkeypatch.setattr(policygen.all_roles.role_trust, "suggest_trust", broken)
    settled(tmp_path)
    assert batch(tmp_path).code == 0
    assert row(tmp_path)["plan"] == "target"
    assert (row(tmp_path)["trust"], row(tmp_path)["trust_code"]) == ("refused", "PG-E999")
    assert "what was in the log" not in (tmp_path / "out/batch.json").read_text()
