"""The frame of changes: which permissions a role holds, which of them it used, and what decides about each."""

from __future__ import annotations

import inspect
import re
import warnings
from pathlib import Path
from typing import get_args

import pytest
from msgspec.structs import replace

import policygen as pg
from policygen.all_roles.select import RoleTarget
from policygen.evidence.observe import RoleEvidence
from policygen.rightsize.assess.changes import Change, Kind
from policygen.rightsize.assess.tightness import Support
from tests.api.test_log import ACCOUNT, TRAIL, every, one
from tests.support import ROOT


def test_the_frame_has_the_needed_and_the_unverified_of_the_screen() -> None:
    changes, found = one().changes, one().suggest()
    support = changes["support"].value_counts()
    assert (support["seen"] + support["required"], support["unverified"]) == (26, 13)
    assert found.tightness.needed == 26
    assert found.tightness.unverified == 13
    unknown = changes[changes["kind"] == "unknown"]["support"].value_counts()
    assert unknown["unverified"] == 13
    assert unknown["required"] == found.tightness.broader == 2
    assert changes["support"].isna().equals(changes["proposed"].str.len() == 0)


def test_support_is_that_of_the_plan() -> None:
    assert one().suggest().support == one().plan().support


def test_what_a_person_decided_is_the_reason() -> None:
    found = one().suggest(keep=["dynamodb:ListTables"], drop=["dynamodb:PutItem"])
    changes = pg.changes_frame(found).set_index("action")[["kind", "used", "support", "reason"]]
    assert changes.loc["dynamodb:ListTables"].tolist() == ["kept", False, "declared", "declared"]
    put = changes.loc["dynamodb:PutItem"]
    assert (put["kind"], put["used"], put["reason"]) == ("removed", True, "decision")


def test_what_was_used_is_there_with_its_calls_and_the_last_one() -> None:
    changes = one().changes.set_index("action")
    held = changes[changes["now"].str.len() > 0]
    assert (len(held), held["used"].sum()) == (519, 19)
    allowed = one().requests.query("not denied")
    assert set(held.index[held["used"]]) == set(allowed["action"])
    last = allowed.groupby("action", observed=True)["day"].max()
    assert changes["last"].dropna().dt.normalize().to_dict() == last.to_dict()
    assert (changes["used"] == (changes["calls"] > 0)).all()


def test_a_call_on_several_resources_is_one_call() -> None:
    uses = one().requests.iam.by_action().loc["dynamodb:BatchGetItem", "uses"]
    calls = one().calls.iam.by_action().loc["BatchGetItem", "calls"]
    assert uses == 2 * calls
    assert one().changes.set_index("action").loc["dynamodb:BatchGetItem", "calls"] == calls


def test_suspicious_calls_use_nothing() -> None:
    scan = one().changes.set_index("action").loc["dynamodb:Scan"]
    assert (scan["used"], scan["calls"], scan["reason"]) == (False, 0, "suspicious")


def test_what_is_used_and_not_allowed_today_is_missing() -> None:
    found = one().suggest()
    elsewhere = Change(
        "dynamodb:GetItem", "missing", ("arn:aws:dynamodb:*:*:table/other",), (), "seen elsewhere"
    )
    row = pg.changes_frame(replace(found, changes=(elsewhere,), grants={})).iloc[0]
    assert (row["used"], row["calls"], row["reason"]) == (True, 313, "not-allowed")
    assert row.isna()["support"]


def test_a_warning_names_each_role_of_which_the_frame_does_not_say_all() -> None:
    with pytest.warns(UserWarning, match="2 roles without a suggestion") as caught:
        changes = every().changes
    (said,) = caught
    assert Path(said.filename).name == Path(__file__).name
    first, second = str(said.message).splitlines()
    assert re.search(
        r"audit-reader in account 111122223333 \(no call .* PG-E301\); legacy-export .* PG-E303", first
    )
    assert second == (
        "2 roles whose policies of today are not known: "
        "fulfilment-writer in account 444455556666; stock-sync in account 444455556666"
    )
    there = set(zip(changes["role"], changes["account"], strict=True))
    roles = set(zip(every().roles["role"], every().roles["account"], strict=True))
    assert roles - there == {("fulfilment-writer", "444455556666"), ("stock-sync", "444455556666")}


def test_what_a_role_without_a_suggestion_holds_is_there_and_not_judged() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        changes = every().changes
    unjudged = changes[changes["kind"] == "unjudged"]
    assert unjudged.groupby("role", observed=True).size().to_dict() == {
        "audit-reader": 103,
        "legacy-export": 1,
    }
    assert not unjudged["used"].any()
    assert unjudged["support"].isna().all()
    assert set(unjudged["reason"]) == {"PG-E301", "PG-E303"}
    assert unjudged["now"].str.len().min() > 0
    assert unjudged["proposed"].str.len().max() == 0


def test_a_warning_names_a_few_of_many_roles() -> None:
    roles = [RoleTarget(f"job-{number}", "1" * 12) for number in range(11)]

    def nothing(target: RoleTarget) -> RoleEvidence:
        raise pg.PolicygenError(f"no trail of {target.name}", code="PG-E300")

    with pytest.warns(UserWarning, match=r"11 roles without a suggestion: job-0 .* job-7 .*\); and 3 more$"):
        assert pg.Log(roles, nothing, lambda _: None).changes.empty


def test_what_a_role_used_is_not_known_where_its_evidence_has_gaps() -> None:
    """So its permissions have no rows: "not used" would be a guess."""
    known = pg.load(TRAIL, "bastion", snapshot=ACCOUNT)
    (target,) = known._roles

    def damaged(_: RoleTarget) -> RoleEvidence:
        raise pg.PolicygenError("a file is damaged", code="PG-E320")

    with pytest.warns(UserWarning, match="bastion .*a file is damaged  PG-E320"):
        assert pg.Log([target], damaged, known._access).changes.empty


def test_what_a_role_holds_is_counted_though_nothing_is_suggested() -> None:
    rows = pg.batch(
        TRAIL,
        snapshot=ACCOUNT,
        names=["legacy-export", "audit-reader", "fulfilment-writer", "AWSServiceRole*"],
    )
    assert rows.set_index("role")["actions_now"].dropna().to_dict() == {
        "AWSServiceRoleForApplicationAutoScaling_DynamoDBTable": 3, "audit-reader": 103, "legacy-export": 1,
    }  # fmt: skip


def test_every_value_is_explained() -> None:
    text = inspect.getdoc(pg.changes_frame) or ""
    named = set(re.findall(r"``([\w-]+)``", text))
    assert named >= set(get_args(Kind)) | set(get_args(Support))
    pages = [
        (ROOT / "docs" / "concepts" / f"{page}.md").read_text("utf-8")
        for page in ("blind-spots", "never-used")
    ]
    elsewhere = set(re.findall(r"`([\w-]+)`|^## ([\w-]+)$|\*\*([\w-]+)\.\*\*", "\n".join(pages), re.M))
    known = named | {name for group in elsewhere for name in group}
    assert set(one().changes["reason"]) <= known
