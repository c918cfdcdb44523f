"""Commands that change a trail: they name it so that the shell of the right account changes that one and no other."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from policygen.account.model import Trail
from policygen.account.snapshot import to_account
from policygen.evidence.coverage.remediation import multi_region_command, put_selectors, start_logging_command
from tests.support import ROOT
from tests.support.accounts import snapshot, trail
from tests.support.records import ACCOUNT

CASES = json.loads((ROOT / "tests/cases/remediation/trails.json").read_text())


def trails(case: Mapping[str, Any]) -> Sequence[Trail]:
    """The trails of a case: short forms as of `accounts.trail`, and `of`, the account that a trail belongs to."""
    made = [trail(one) for one in case["trails"]]
    for whole, short in zip(made, case["trails"], strict=True):
        whole["Trail"]["TrailARN"] = whole["Trail"]["TrailARN"].replace(ACCOUNT, short.get("of", ACCOUNT))
    found = to_account(snapshot({"trails": made})).trails
    assert found is not None
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_case(case: dict[str, Any]) -> None:
    known, account = trails(case), case.get("account", ACCOUNT)
    made = {
        "start": start_logging_command(known, account),
        "widen": multi_region_command(known, account),
        "put": put_selectors(known, account, "Data", "AWS::SQS::Queue"),
    }
    heads = {kind: command.split(" --advanced-event-selectors ")[0] for kind, command in made.items()}
    assert {kind: heads[kind] for kind in ("start", "widen", "put")} == case["commands"]
    assert made["put"].endswith(case["ends"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_shell_sees_the_selectors_whole_and_no_word_of_the_comment(case: dict[str, Any]) -> None:
    command = put_selectors(trails(case), case.get("account", ACCOUNT), "Data", "AWS::SQS::Queue")
    words = shlex.split(command, comments=True)
    assert words == shlex.split(command.split("  # ")[0])
    assert not words or json.loads(words[-1])[-1]["FieldSelectors"]
