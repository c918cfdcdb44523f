"""Open, closed or ask: by the days on which new names appeared."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Collection, Mapping
from datetime import date, timedelta
from typing import Any

import pytest

from policygen.iam.grants import GrantIndex
from policygen.iam.request import AccessRequest
from policygen.rightsize.analysis import analyse
from policygen.rightsize.generate.generalise import generalise
from policygen.rightsize.generate.names import (
    LEAST_DAYS,
    LISTED,
    NameUse,
    all_uses,
    growing_types,
    name_uses,
    names_as_seen,
)
from tests.support import ROOT
from tests.support.options import analysis_options
from tests.support.samples import SAMPLES, SNAPSHOT

INSTANCE = "arn:aws:ec2:eu-west-1:123456789012:instance/"
TABLE = "arn:aws:dynamodb:eu-west-1:123456789012:table/"


def days(number: int = 30) -> list[str]:
    return [(date(2026, 10, 26) + timedelta(days=n)).isoformat() for n in range(number)]


def requests(
    names: Mapping[str, Collection[int]],
    action: str = "dynamodb:GetItem",
    kind: str = "table",
    prefix: str = TABLE,
) -> dict[AccessRequest, set[str]]:
    """Requests by name, with the numbers of the days on which each was seen; the first day is 1."""
    dates = days(90)
    return {
        AccessRequest(action, f"{prefix}{name}", kind): {dates[day - 1] for day in seen}
        for name, seen in names.items()
    }


def use(names: Mapping[str, Collection[int]], window: int = 30, **more: Any) -> NameUse:
    (found,) = all_uses(name_uses(requests(names, **more), days(window)))
    return found


EVERY = range(1, 31)


@pytest.mark.parametrize(
    ("names", "choice", "numbers"),
    [
        pytest.param({"a": EVERY, "b": EVERY}, "closed", (30, 0, 0), id="the same names every day"),
        pytest.param({"a": [1, 8, 15, 22]}, "closed", (4, 0, 0), id="a weekly job"),
        pytest.param({"a": [1, 8, 15]}, "ask", (3, 0, 0), id="too few days with a call"),
        pytest.param({"a": [16, 17, 18, 19]}, "ask", (4, 0, 0), id="begun in the later half"),
        pytest.param(
            {"a": [15, 16, 17, 18]}, "closed", (4, 0, 0), id="begun on the last day of the first half"
        ),
        pytest.param({"a": EVERY, "b": [20]}, "ask", (30, 1, 1), id="one new name, late"),
        pytest.param(
            {"a": EVERY, "b": [20], "c": [25]}, "open", (30, 2, 2), id="two late days with new names"
        ),
        pytest.param(
            {"a": EVERY, "b": [20], "c": [20]}, "ask", (30, 1, 1), id="two new names on one late day"
        ),
        pytest.param(
            {"a": EVERY, "b": [3], "c": [4], "d": [16]}, "open", (30, 3, 1), id="three days, one late"
        ),
        pytest.param(
            {"a": EVERY, "b": [3], "c": [4], "d": [15]}, "closed", (30, 3, 0), id="new names early only"
        ),
        pytest.param({"a": EVERY, "b": [16]}, "ask", (30, 1, 1), id="the later half begins with day 16"),
        pytest.param(
            {f"n{i}": [1] for i in range(40)} | {"a": EVERY}, "closed", (30, 0, 0), id="a burst on day 1"
        ),
        pytest.param({f"n{i}": [i] for i in EVERY}, "open", (30, 29, 15), id="a new name each day"),
        pytest.param({"orders-2026-11": EVERY}, "ask", (30, 0, 0), id="a name with a month of the window"),
        pytest.param({"orders-20261103": EVERY}, "ask", (30, 0, 0), id="a name with a day of the window"),
        pytest.param({"orders-2025-11": EVERY}, "closed", (30, 0, 0), id="a name with another year"),
    ],
)
def test_names_are_open_closed_or_asked_about(
    names: dict[str, list[int]], choice: str, numbers: tuple[int, int, int]
) -> None:
    found = use(names)
    assert (found.choice, (found.active_days, found.new_days, found.late_days)) == (choice, numbers)


def test_nothing_is_decided_on_fewer_than_three_weeks() -> None:
    assert use({"a": range(1, LEAST_DAYS)}, LEAST_DAYS - 1).choice == "ask"
    assert use({f"n{i}": [i] for i in range(1, LEAST_DAYS)}, LEAST_DAYS - 1).choice == "ask"
    assert not use({"a": range(1, LEAST_DAYS)}, LEAST_DAYS - 1).asked  # more days answer it, not a person
    assert use({"a": range(1, LEAST_DAYS + 1)}, LEAST_DAYS).choice == "closed"
    assert use({"a": [1]}).asked


def test_names_are_looked_at_by_parent_and_action() -> None:
    keys = requests({"in/a": EVERY, "in/b": EVERY}, "s3:GetObject", "object", "arn:aws:s3:::fixed/")
    keys |= requests({f"in/{i}": [i] for i in EVERY}, "s3:GetObject", "object", "arn:aws:s3:::made-up/")
    found = {one.parent: (one.choice, one.seen) for one in all_uses(name_uses(keys, days()))}
    assert found == {"arn:aws:s3:::fixed/*": ("closed", 2), "arn:aws:s3:::made-up/*": ("open", 30)}


def test_the_same_name_under_other_conditions_is_one_name() -> None:
    one = AccessRequest("dynamodb:GetItem", f"{TABLE}a", "table")
    keys = {one: {days()[0]}, one._replace(context=(("aws:ViaAWSService", ("true",)),)): {days()[20]}}
    (found,) = all_uses(name_uses(keys, days()))
    assert (found.seen, found.active_days, found.new_days) == (1, 2, 0)


def test_what_has_no_whole_name_is_not_looked_at() -> None:
    secret = "arn:aws:secretsmanager:*:*:secret:a-??????"
    found = [
        AccessRequest("s3:ListAllMyBuckets", "*"),
        AccessRequest("secretsmanager:GetSecretValue", secret, "secret", wild=True),
    ]
    keys = {one: {days()[0]} for one in found}
    assert name_uses(keys, days()) == {}


@pytest.mark.parametrize(
    ("action", "kind", "prefix", "ended"),
    [
        ("ec2:TerminateInstances", "instance", INSTANCE, True),
        ("ec2:StopInstances", "instance", INSTANCE, False),
        ("ec2:DeleteTags", "instance", INSTANCE, False),
        (
            "ec2:DeleteSecurityGroup",
            "security-group",
            "arn:aws:ec2:eu-west-1:123456789012:security-group/",
            True,
        ),
        ("dynamodb:DeleteTable", "table", TABLE, False),
    ],
)
def test_an_id_that_aws_made_and_a_call_ended_does_not_come_again(
    action: str, kind: str, prefix: str, ended: bool
) -> None:
    names = {f"i-{n:017x}": [n] for n in (2, 4, 6, 8)}
    found = use(names, action=action, kind=kind, prefix=prefix)
    assert found.choice == ("ask" if ended else "closed")
    assert bool(found.doubt) is ended


def written(
    names: Mapping[str, Collection[int]], *, exact: Collection[str] = (), decide: bool = True
) -> set[str]:
    keys = requests(names, "ec2:StopInstances", "instance", INSTANCE)
    as_seen = names_as_seen(name_uses(keys, days()), exact, decide=decide)
    return {one.pattern.removeprefix(INSTANCE) for one in generalise(keys, "auto", (), as_seen).values()}


FIXED = {f"i-{n:017x}": EVERY for n in (1, 2)}


def test_closed_names_of_a_declared_type_are_written_as_seen_and_others_as_the_pattern() -> None:
    assert written(FIXED) == set(FIXED)
    assert written(FIXED, decide=False) == {"*"}
    assert written({name: [1, 20] for name in FIXED}) == {"*"}
    assert written({name: [1, 20] for name in FIXED}, exact=["ec2:instance"], decide=False) == set(FIXED)
    assert written({f"i-{n:017x}": EVERY for n in range(LISTED)}) != {"*"}
    assert written({f"i-{n:017x}": EVERY for n in range(LISTED + 1)}) == {"*"}


def test_a_named_type_that_grows_is_a_question_and_is_not_opened() -> None:
    names = {f"n{i}": [i] for i in EVERY}
    uses = name_uses(requests(names), days())
    assert growing_types(uses) == {"dynamodb:table": (30, "30 names, new on 29 of 30 days")}
    assert growing_types(uses, ["dynamodb:table"]) == {}
    assert names_as_seen(uses) == {}
    assert growing_types(name_uses(requests({"a": EVERY}), days())) == {}
    assert growing_types(name_uses(requests(names), days(20))) == {}
    declared = name_uses(requests(names, "ec2:StopInstances", "instance", INSTANCE), days())
    assert growing_types(declared) == {}


@pytest.mark.parametrize("role", ["orders-api", "image-resizer", "deploy-ci"])
def test_what_the_evidence_decides_is_never_wider_than_the_declared_patterns(role: str) -> None:
    by_evidence, declared = (
        analyse(
            [SAMPLES / "trail"], role, account=SNAPSHOT, **analysis_options(days=30, resources=mode)
        ).suggestion
        for mode in ("auto", "pattern")
    )
    index = GrantIndex(declared.grants)
    assert all(any(index.containing(grant)) for grant in by_evidence.grants)
    assert by_evidence.replay.denied <= declared.replay.denied


@pytest.mark.system
def test_at_most_one_in_twenty_choices_is_wrong_on_made_up_workloads() -> None:
    sys.path.append(str(ROOT / "bench"))
    processes: Any = importlib.import_module("name_processes")
    assert len(processes.KINDS) == 11
    found = processes.judged(processes.STREAMS, 30, 1)
    assert {one.choice for one in found} == {"open", "closed", "ask"}
    broken, needless = processes.wrong(found)
    assert 0 < broken <= 0.05
    assert 0 < needless <= 0.05
    assert {one.choice for one in processes.judged(1_100, 14, 1)} == {"ask"}
