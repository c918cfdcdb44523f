"""The frame of changes: which permissions a role holds, which of them it used, and what decides about each."""

from __future__ import annotations

import inspect
import re
from typing import get_args

from msgspec.structs import replace

import policygen as pg
from policygen.rightsize.assess.changes import Change, Kind
from policygen.rightsize.assess.tightness import Support
from tests.api.test_log import one
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
