"""Logs as frames: what each has, of which types, and that what no frame can hold is said."""

from __future__ import annotations

import doctest
import gzip
import inspect
import json
import re
import warnings
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import policygen as pg
from policygen.cli.app import program
from policygen.plan.build import plan_from_analysis
from policygen.plan.fast_json import to_bytes
from policygen.plan.io import plan_to_gzip, plan_to_json
from policygen.report.data.log_frames import container_of
from tests.support import ROOT
from tests.support.samples import sample

TRAIL, ACCOUNT = ROOT / "samples" / "trail", ROOT / "samples" / "account.json"

CATEGORY, NUMBER, TIME, FLAG, TEXT = "category", "int64", "datetime64[us, UTC]", "bool", "text"
TYPES = {
    "calls": {"day": TIME, "role": CATEGORY, "account": CATEGORY, "error": CATEGORY, "n": NUMBER, "params": TEXT},
    "requests": {
        "role": CATEGORY, "account": CATEGORY, "service": CATEGORY, "action": CATEGORY, "resource_type": CATEGORY,
        "resource": TEXT, "parent": TEXT, "container": TEXT, "day": TIME, "n": NUMBER, "denied": FLAG,
        "user": CATEGORY,
    },
    "roles": {"role": CATEGORY, "events": NUMBER, "days": NUMBER, "first": TIME, "error": CATEGORY},
    "names": {
        "role": CATEGORY, "account": CATEGORY, "action": CATEGORY, "resource_type": CATEGORY, "parent": TEXT,
        "names": NUMBER, "active_days": NUMBER, "new_days": NUMBER, "late_days": NUMBER, "choice": CATEGORY,
        "declared": FLAG,
    },
    "sessions": {"session": TEXT, "user": CATEGORY, "days": NUMBER, "first_day": TIME, "last_day": TIME},
    "suspects": {"day": TIME, "sign": CATEGORY, "accepted": FLAG, "result": CATEGORY, "n": NUMBER},
    "risks": {"rule": TEXT, "family": CATEGORY, "closed": FLAG},
    "changes": {
        "role": CATEGORY, "action": CATEGORY, "kind": CATEGORY, "why": TEXT, "used": FLAG, "calls": NUMBER,
        "last": TIME, "support": CATEGORY, "reason": CATEGORY,
    },
    "coverage": {"start": TIME, "end": TIME, "days": NUMBER, "days_with_events": NUMBER},
}  # fmt: skip


@cache
def one() -> pg.Log:
    return pg.load(TRAIL, "orders-api", snapshot=ACCOUNT)


@cache
def every() -> pg.Log:
    return pg.load(TRAIL, snapshot=ACCOUNT)


def kind(series: Any) -> str:
    return TEXT if str(series.dtype) in {"object", "str"} else str(series.dtype)


@pytest.mark.parametrize("name", TYPES)
def test_a_frame_has_its_columns_of_their_types(name: str) -> None:
    frame = getattr(one(), name)
    assert len(frame)
    assert {column: kind(frame[column]) for column in TYPES[name]} == TYPES[name]
    assert frame.groupby(list(frame.columns), observed=True, dropna=False).size().sum() == len(frame)
    assert getattr(one(), name) is frame
    text = inspect.getdoc(inspect.getattr_static(pg.Log, name)) or ""
    assert {column for column in frame.columns if f"``{column}``" not in text} == set()


@pytest.mark.parametrize("name", TYPES)
def test_a_frame_without_a_row_has_the_same_types(name: str) -> None:
    unused = pg.load(TRAIL, "bastion", days=1, until="2026-11-20", snapshot=ACCOUNT)
    frame = getattr(unused, name).head(0)
    assert {column: kind(frame[column]) for column in TYPES[name]} == TYPES[name]


def test_the_counts_are_those_of_the_suggestion() -> None:
    found = pg.suggest("orders-api", TRAIL, snapshot=ACCOUNT)
    assert one().calls["n"].sum() == pg.calls_frame(found)["n"].sum()
    assert len(one().suspects) == len(pg.suspicious_frame(found))
    assert len(one().changes) == len(pg.changes_frame(found))
    allowed = (
        one()
        .requests.loc[lambda rows: ~rows["denied"]]
        .groupby(["action", "resource"], observed=True)["n"]
        .sum()
    )
    theirs = pg.requests_frame(found).groupby(["action", "resource"], observed=True)["n"].sum()
    assert allowed.to_dict() == theirs.to_dict()


def test_a_user_agent_is_the_same_whoever_wrote_the_record() -> None:
    """S3 writes user agents in brackets, other services do not."""
    agents = one().suspects.query("sign == 'interactive-agent'")["user_agents"]
    assert set(one().suspects["event_source"]) > {"s3.amazonaws.com"}
    assert agents.nunique() == 1
    assert agents.iloc[0][0].startswith("aws-cli/")
    shown = one().calls["user_agents"].explode().dropna()
    assert not shown.str.startswith("[").any()


def test_what_was_denied_is_a_request_too() -> None:
    denied = every().requests.loc[lambda rows: rows["denied"]]
    assert set(denied["role"]) >= {"legacy-export"}
    put = denied.query("action == 's3:PutObject'").iloc[0]
    assert put["resource"] == "arn:aws:s3:::shop-lake-111122223333/exports/marker"
    assert (put["resource_type"], put["parent"]) == ("object", "arn:aws:s3:::shop-lake-111122223333/*")
    assert put["container"] == "arn:aws:s3:::shop-lake-111122223333"


def test_roles_that_share_a_bucket_or_a_table_are_found_whatever_they_use_in_it() -> None:
    shared = (
        every().requests.query("not denied").iam.alike("container").set_index(["role", "other"])["containers"]
    )
    assert shared["catalog-search", "stock-sync"] == ("arn:aws:s3:::shop-feeds-111122223333",)
    assert ("legacy-export", "report-monthly") not in shared  # one of them was denied
    both = every().requests.iam.alike("container").set_index(["role", "other"])["containers"]
    assert both["legacy-export", "report-monthly"] == ("arn:aws:s3:::shop-lake-111122223333",)
    names = every().requests["container"].dropna()
    assert not names.str.contains("*", regex=False).any()
    assert every().requests.loc[every().requests["resource"] == "*", "container"].isna().all()


def test_a_log_group_is_one_however_its_arn_ends() -> None:
    group = "arn:aws:logs:eu-west-1:111122223333:log-group:/app/prices"
    asked = [f"{group}:log-stream:", f"{group}:log-stream:a", f"{group}:*", group, f"{group}:log-stream:*"]
    found = {container_of(pg.AccessRequest("logs:DescribeLogStreams", one)) for one in asked}
    assert found == {group}
    assert container_of(pg.AccessRequest("s3:GetObject", "arn:aws:s3:::*", wild=True)) is None


def test_one_pass_over_all_roles_finds_what_one_role_alone_has() -> None:
    mine = every().requests.loc[lambda rows: rows["role"] == "orders-api"]
    assert mine["n"].sum() == one().requests["n"].sum()
    assert every().suggest("orders-api").policies == one().suggest().policies
    assert every().backtest("orders-api") == one().backtest()


def test_a_role_without_evidence_says_why_and_is_in_no_other_frame() -> None:
    roles = every().roles.set_index("role")
    assert "PG-E301" in roles.loc["audit-reader", "error"]
    assert roles.loc["audit-reader", "events"] == 0
    assert "audit-reader" not in set(every().calls["role"])
    with pytest.raises(pg.PolicygenError, match="PG-E301"):
        every().suggest("audit-reader")


def test_a_role_that_is_not_there_or_not_named_is_said_with_those_that_are() -> None:
    with pytest.raises(pg.PolicygenError, match=r"PG-E310\n  hint: there are: .*bastion"):
        every().suggest("nobody")
    with pytest.raises(pg.PolicygenError, match="16 roles, and it is not said which"):
        every().suggest()
    with pytest.raises(pg.PolicygenError, match=r"2 roles, .*\n  hint: there are: stock-sync in account 1"):
        every().backtest("stock-sync")
    assert (
        every().backtest("arn:aws:iam::444455556666:role/service-role/stock-sync").role.account
        == "444455556666"
    )


def test_options_change_a_suggestion_and_not_the_one_that_is_kept() -> None:
    wide = one().suggest(resources="type")
    assert wide.policies != one().suggest().policies
    assert one().suggest() is one().suggest("orders-api")


def test_a_function_is_taken_for_its_role() -> None:
    assert pg.load(TRAIL, "image-resizer", snapshot=ACCOUNT).roles["role"].tolist() == ["image-resizer"]


def test_a_log_says_itself_in_short() -> None:
    assert len(repr(every())) <= 2000
    assert "16 roles" in repr(every())
    assert "and 8 more" in repr(every())
    page = every()._repr_html_()
    assert len(page) < 80_000
    assert "&lt;script" not in page
    assert "audit-reader" in page


def test_the_frames_of_a_backtest_have_its_numbers() -> None:
    found = pg.backtest("orders-api", TRAIL, snapshot=ACCOUNT, curve=True)
    frame, denied = pg.backtest_frame(found), pg.denied_frame(found)
    assert {name: kind(frame[name]) for name in frame} == {
        "role": CATEGORY, "account": CATEGORY, "mode": CATEGORY, "learnt": NUMBER, "calls": NUMBER, "denied": "Int64",
        "days_broken": "Int64", "grants": NUMBER, "unused_grants": "Int64", "denied_share": "float64",
    }  # fmt: skip
    assert len(frame) == len(found.curve)
    assert frame["denied"].tolist() == [one.replay.denied for one in found.curve]
    assert {name: kind(denied[name]) for name in denied} == {
        "role": CATEGORY, "account": CATEGORY, "mode": CATEGORY, "learnt": NUMBER, "day": TIME, "action": CATEGORY,
        "resource_type": CATEGORY, "resource": TEXT, "n": NUMBER, "new_name": FLAG,
    }  # fmt: skip
    assert len(denied) == sum(len(use.seen) for one in found.curve for use in one.replay.uses)
    days = {(mode, learnt): set() for mode, learnt in zip(frame["mode"], frame["learnt"], strict=True)}
    for row in denied.itertuples():
        days[row.mode, row.learnt].add(row.day)
    assert [len(one) for one in days.values()] == frame["days_broken"].tolist()
    asked = one().requests.set_index(["day", "action", "resource"]).index
    assert set(denied.set_index(["day", "action", "resource"]).index) <= set(asked)


def test_nothing_replayed_is_no_share_of_0() -> None:
    found = pg.backtest("orders-api", TRAIL, days=5, snapshot=ACCOUNT)
    frame = pg.backtest_frame(found)
    assert frame[["denied", "days_broken", "unused_grants", "denied_share"]].isna().all(axis=None)
    assert frame["calls"].tolist() == [0] * len(frame)


@pytest.mark.parametrize("learn", [30, 40, -3])
def test_days_to_learn_from_leave_some_to_replay(learn: int) -> None:
    said = rf"learn must be 1 to 29 of 30 days, not {learn}  PG-E205\n  hint: for example 20"
    with pytest.raises(pg.PolicygenError, match=said):
        one().backtest(learn=learn)
    with pytest.raises(pg.PolicygenError, match=said):
        one().requests.iam.backtest(learn)


def test_a_window_of_a_day_has_nothing_to_replay() -> None:
    with pytest.raises(pg.PolicygenError, match=r"1 day cannot be split.*PG-E205"):
        one().requests.loc[lambda rows: rows["day"] == rows["day"].min()].iam.backtest()


def test_an_outcome_of_no_mode_is_refused_with_the_modes() -> None:
    found = one().backtest()
    for ask in (found.outcome, found.days_until_none):
        with pytest.raises(
            pg.PolicygenError, match=r"mode is 'exakt'.*PG-E215\n  hint: did you mean exact\?"
        ):
            ask("exakt")  # type: ignore[arg-type]
    with pytest.raises(pg.PolicygenError, match="there are: auto, exact, pattern, type"):
        found.outcome("foo")  # type: ignore[arg-type]


def test_a_row_for_every_role() -> None:
    rows = pg.batch(TRAIL, snapshot=ACCOUNT).set_index(["role", "account"])
    assert len(rows) == 16
    assert rows.loc[("orders-api", "111122223333"), "verdict"] == "review"
    assert str(rows["needed"].dtype) == "Int64"
    assert rows["needed"].isna().any()
    assert {
        name for name in rows.reset_index() if f"``{name}``" not in (inspect.getdoc(pg.batch) or "")
    } == set()
    few = pg.batch(TRAIL, snapshot=ACCOUNT, names=["orders-*"], drop=["s3:GetObjectTagging"])
    assert few["losses"].min() > 0


def test_the_events_of_all_days_are_counted_and_those_of_the_window() -> None:
    counted = {role.name: n for role, n in pg.roles(TRAIL).items()}["orders-api"]
    window = int(one().roles["events"].iloc[0])
    assert (counted, window) == (2914, 1961)
    assert f"{window:,}" in (inspect.getdoc(pg.roles) or "")


def test_what_people_decide_is_an_option() -> None:
    wanted = pg.AccessRequest("dynamodb:ListTables", "*")
    assert pg.evaluate(wanted, one().suggest().policies).outcome == "IMPLICIT_DENY"
    kept = pg.suggest("orders-api", TRAIL, snapshot=ACCOUNT, keep=["dynamodb:ListTables"], policy_name="mine")
    assert pg.evaluate(wanted, kept.policies).outcome == "ALLOWED"
    assert [policy.name for policy in kept.policies] == ["mine"]
    dropped = pg.suggest("orders-api", TRAIL, snapshot=ACCOUNT, drop=["sqs:*"], unverified="drop")
    assert dropped.tightness.unverified < one().suggest().tightness.unverified
    with pytest.raises(pg.PolicygenError, match="PG-E36"):
        pg.suggest("orders-api", TRAIL, snapshot=ACCOUNT, keep=["nonsense"])


OTHERS = {
    "role_given": "role", "open": "opened", "accept": "accepted", "dask": "executor", "jobs": "executor",
}  # fmt: skip
"""Option of the command -> the parameter that is called otherwise."""
NOT_IN_PYTHON = {
    "although_used": "it decides the exit code",
    "no_cache": "Python code reads without one",
    "format": "output", "export": "output", "summary": "output", "details": "output", "plans": "output",
    "no_plan": "output", "color": "output", "quiet": "output",
}  # fmt: skip


def test_the_function_takes_what_the_command_takes() -> None:
    command = get_command(program()).commands["suggest"]  # type: ignore[attr-defined]
    named = {
        max(one.opts, key=len).lstrip("-").replace("-", "_")
        for one in command.params
        if not getattr(one, "hidden", False)
    }
    parameters = set(inspect.signature(pg.suggest).parameters)
    wanted = {OTHERS.get(name, name) for name in named if name not in NOT_IN_PYTHON}
    assert wanted - parameters == set()
    assert NOT_IN_PYTHON.keys() - named == set()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"live": True, "snapshot": ACCOUNT}, "PG-E208"),
        ({"code": "x.json"}, "PG-E266"),
        ({"public_keys": "keys"}, "PG-E234"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options: dict[str, Any], code: str) -> None:
    with pytest.raises(pg.PolicygenError, match=f"{code}\n  hint: "):
        pg.suggest("orders-api", TRAIL, **options)


SOURCES = [
    "s3://bucket",
    "auto",
    "lookup:",
    "logs:trail",
    "athena:db.logs",
    f"lake:{'1' * 8}-1111-1111-1111-{'1' * 12}",
]
READERS: dict[str, Any] = {
    "load": pg.load,
    "batch": pg.batch,
    "roles": pg.roles,
    "suggest": lambda logs, **how: pg.suggest("shop", logs, **how),
    "backtest": lambda logs, **how: pg.backtest("shop", logs, **how),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("logs", SOURCES, ids=lambda one: one.partition(":")[0])
def test_logs_in_aws_are_read_with_the_profile_and_the_region_that_are_given(
    logs: str, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Opened(Exception):
        pass

    def session(**how: Any) -> None:
        raise Opened(how)

    monkeypatch.setenv("AWS_REGION", "us-west-2")
    monkeypatch.setattr("boto3.Session", session)
    with pytest.raises(Opened) as caught:
        READERS[reader](logs, profile="audit", region="ap-south-1")
    assert caught.value.args == ({"profile_name": "audit", "region_name": "ap-south-1"},)


@pytest.mark.parametrize("days", ["14", 1.5, None])
def test_days_are_a_whole_number(days: Any) -> None:
    with pytest.raises(pg.PolicygenError, match=r"--days is .*: a window has 1 to 36,500 days.*PG-E205"):
        pg.load(TRAIL, "orders-api", days=days)


def test_a_saved_plan_is_read_and_checks_policies(tmp_path: Path) -> None:
    plan = plan_from_analysis(sample("orders-api", today=True))
    plain, packed = tmp_path / "plan.json", tmp_path / "plan.json.gz"
    plain.write_text(plan_to_json(plan), "utf-8")
    packed.write_bytes(plan_to_gzip(plan))
    assert pg.read_plan(plain).document == pg.read_plan(packed).document
    assert gzip.decompress(packed.read_bytes()) == to_bytes(plan.stored, indent=-1)
    own = pg.check(sample("orders-api", today=True).suggestion.policies, plan)
    assert [one for one in own if one.against] == []
    nothing = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(nothing), "utf-8")
    assert {one.rule.id for one in pg.check(nothing, plain)} == {one.rule.id for one in pg.check(file, plan)}
    assert pg.check([nothing, file], plan)[0].level == "error"
    with pytest.raises(pg.PolicygenError, match="PG-E219"):
        pg.check(tmp_path / "none.json", plan)


def test_no_public_name_is_that_of_a_package() -> None:
    folders = {path.parent.name for path in (ROOT / "policygen").glob("*/__init__.py")}
    assert folders.isdisjoint(pg.__all__)


READ_ONCE = {"load": cache(pg.load), "suggest": cache(pg.suggest), "backtest": cache(pg.backtest)}


def examples(name: str) -> Iterator[doctest.DocTest]:
    """The examples of a public name, and of what a class has; a class's own are the first of each."""
    thing = getattr(pg, name)
    finder = doctest.DocTestFinder()
    found = {one.name: one for one in finder.find(thing, name, globs={})}
    for own, value in vars(thing).items() if isinstance(thing, type) else ():
        if isinstance(value, cached_property):  # which doctest passes over before Python 3.13
            found |= {one.name: one for one in finder.find(value, f"{name}.{own}", globs={})}
    yield from (found[one] for one in sorted(found) if found[one].examples)


@pytest.mark.parametrize("name", pg.__all__)
def test_the_examples_of_the_docstrings_are_real(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = list(examples(name))
    for function, once in READ_ONCE.items():  # many examples begin with the same reading
        monkeypatch.setattr(pg, function, once, raising=False)
    names: dict[str, Any] = {}
    how = doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
    ran = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for one in found:
            one.globs = names  # an example of a method goes on from those of its class
            ran.append(doctest.DocTestRunner(optionflags=how).run(one, clear_globs=False))
    assert ran
    assert [one.failed for one in ran] == [0] * len(ran)


def public_functions() -> Iterator[tuple[str, Any]]:
    for name in pg.__all__:
        thing = getattr(pg, name)
        if not inspect.isclass(thing):
            yield name, thing
        elif name in {"Backtest", "IamAccessor", "Log"}:
            for member, value in vars(thing).items():
                if not member.startswith("_") and (
                    inspect.isfunction(value) or isinstance(value, cached_property)
                ):
                    yield f"{name}.{member}", value


@pytest.mark.parametrize(("name", "thing"), list(public_functions()))
def test_a_docstring_says_what_goes_in_what_comes_out_and_shows_it(name: str, thing: Any) -> None:
    text = inspect.getdoc(thing) or ""
    assert "Example:" in text
    if isinstance(thing, cached_property):
        assert "Columns: " in text
        return
    signature = inspect.signature(thing)
    given = [one for one in signature.parameters if one != "self"]
    assert [one for one in given if not re.search(rf"^    {one}: ", text, re.M)] == []
    if "DataFrame" in str(signature.return_annotation):
        assert re.search(r"int64|float64|datetime64|categories", text)
