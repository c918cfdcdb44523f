"""IAM's last-accessed reports of many roles: in few calls, at the rate that IAM allows, kept one by one."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from typer.testing import CliRunner

from policygen.account import live
from policygen.account.aws_reader import AccountReader
from policygen.account.report_journal import ReportJournal
from policygen.account.report_reader import OPEN_JOBS, ReportOptions
from policygen.cli.app import program
from tests.support.aws_stubs import TRUST, client_error
from tests.support.fake_iam import MADE, FakeIam, role_arn

ROLES = {role_arn(f"role-{number:03}"): f"AROA{number:017}" for number in range(400)}


class Reading:
    """One run over a fake IAM, with what was said and shown meanwhile."""

    def __init__(self, iam: Any, journal: ReportJournal | None = None, stop_after: int = 0) -> None:
        self.said: list[str] = []
        self.shown: list[tuple[int, int]] = []
        self.stop_after = stop_after
        aws: Any = SimpleNamespace(account="123456789012", client=lambda service: iam)
        options = ReportOptions(iam.pause, iam.clock, self.show, journal)
        self.reader = AccountReader(aws, self.said.append, options)

    def show(self, done: int, total: int) -> None:
        self.shown.append((done, total))
        if self.stop_after and done == self.stop_after:
            raise KeyboardInterrupt

    def read(self, roles: dict[str, str] = ROLES) -> dict[str, Any]:
        return self.reader.last_accessed(roles) or {}


def test_400_reports_are_read_from_an_iam_that_throttles_in_at_most_four_calls_a_role() -> None:
    iam = FakeIam(rate=2, burst=10, ready=lambda arn: 1.0 + int(arn[-3:]) % 9)
    reading = Reading(iam)
    found = reading.read()
    assert iam.throttled > 0
    assert set(found) == set(ROLES)
    assert {one["JobStatus"] for one in found.values()} == {"COMPLETED"}
    assert max(iam.calls.values()) <= 4
    assert iam.most_open <= OPEN_JOBS
    assert reading.shown == [(done, 400) for done in range(401)]
    assert reading.reader.errors == []
    # At 2 calls a second, two calls a role take 400 seconds; a third of the jobs need one more.
    assert iam.now < 800


def test_after_a_throttled_call_the_later_ones_are_spread() -> None:
    iam = FakeIam(rate=1, burst=5, ready=lambda _: 0.5)
    assert len(Reading(iam).read()) == 400
    assert 0 < iam.throttled < 50


def test_an_iam_that_does_not_throttle_is_read_in_two_calls_a_role_and_a_second_each() -> None:
    iam = FakeIam(ready=lambda _: 1.0)
    assert len(Reading(iam).read()) == 400
    assert (set(iam.calls.values()), iam.now < 400) == ({2}, True)


def test_what_was_read_before_ctrl_c_is_kept_and_the_next_run_goes_on(tmp_path: Path) -> None:
    journal = ReportJournal(tmp_path / "account.json.reports", now=MADE + timedelta(hours=1))
    first = FakeIam(rate=4, burst=20)
    with pytest.raises(KeyboardInterrupt):
        Reading(first, journal, stop_after=150).read()
    second = FakeIam(rate=4, burst=20)
    reading = Reading(second, journal)
    assert set(reading.read()) == set(ROLES)
    assert len(second.calls) == 250
    assert reading.shown[0] == (150, 400)
    assert "going on after 150 reports of a run that was interrupted" in reading.said
    assert reading.read() == Reading(FakeIam()).read()


def journal_of_one(path: Path, **hours: float) -> ReportJournal:
    journal = ReportJournal(path / "reports", now=MADE + timedelta(**hours))
    journal.add("123456789012", role_arn("a"), "AROAA", {"JobCompletionDate": "2026-11-24T22:31:00Z"})
    return journal


@pytest.mark.parametrize(
    ("account", "role_id", "hours", "kept"),
    [
        ("123456789012", "AROAA", 1, True),
        ("123456789012", "AROAA", 25, False),
        ("123456789012", "AROAB", 1, False),
        ("210987654321", "AROAA", 1, False),
    ],
    ids=["the same", "too old", "a role made anew under the name", "another account"],
)
def test_a_kept_report_counts_for_the_same_role_and_for_a_day(
    tmp_path: Path, account: str, role_id: str, hours: float, kept: bool
) -> None:
    journal = journal_of_one(tmp_path, hours=hours)
    assert bool(journal.load(account, {role_arn("a"): role_id})) is kept


def test_a_line_that_was_cut_off_is_no_report(tmp_path: Path) -> None:
    journal = journal_of_one(tmp_path, hours=1)
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole + whole[: len(whole) // 2])
    assert list(journal.load("123456789012", {role_arn("a"): "AROAA"})) == [role_arn("a")]


def test_where_nothing_can_be_kept_the_reading_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    journal = ReportJournal(tmp_path / "file" / "reports")
    assert len(Reading(FakeIam(), journal).read({role_arn("a"): "AROAA"})) == 1


def test_a_report_that_iam_cuts_into_pages_is_whole() -> None:
    (found,) = Reading(FakeIam(services=455, page=100)).read({role_arn("a"): "AROAA"}).values()
    assert len(found["ServicesLastAccessed"]) == 455
    assert not {"Marker", "IsTruncated"} & set(found)


def test_a_refused_role_is_named_and_the_others_are_read() -> None:
    refused = [role_arn("role-003"), role_arn("role-301")]
    reading = Reading(FakeIam(refused=refused))
    assert len(reading.read()) == 398
    (error,) = reading.reader.errors
    assert (error["operation"], error["code"]) == ("iam:GenerateServiceLastAccessedDetails", "AccessDenied")
    assert error["message"].startswith(f"{refused[0]} and 1 more role: ")
    assert reading.shown[-1] == (400, 400)


def test_many_refusals_in_a_row_end_nothing_where_other_roles_were_shown() -> None:
    refused = [role_arn(f"role-{number:03}") for number in range(100, 100 + 3 * OPEN_JOBS)]
    assert len(Reading(FakeIam(refused=refused)).read()) == 400 - len(refused)


def test_where_every_role_is_refused_iam_is_not_asked_400_times() -> None:
    iam = FakeIam(refused=ROLES)
    reading = Reading(iam)
    assert reading.read() == {}
    assert len(iam.calls) == OPEN_JOBS
    (error,) = reading.reader.errors
    assert "and 399 more roles" in error["message"]
    assert reading.shown[-1] == (400, 400)


def test_an_iam_that_throttles_forever_is_given_up_after_minutes() -> None:
    iam = FakeIam(rate=0, burst=0)
    reading = Reading(iam)
    assert reading.read() == {}
    assert [one["code"] for one in reading.reader.errors] == ["Throttling"]
    assert 60 < iam.now < 600


def test_a_job_that_is_never_ready_is_given_up_and_holds_up_no_other() -> None:
    iam = FakeIam(ready=lambda arn: 1e9 if arn.endswith("7") else 2.0)
    reading = Reading(iam)
    assert len(reading.read()) == 360
    assert [one["code"] for one in reading.reader.errors] == ["Timeout"]
    assert max(iam.calls.values()) <= 4


class Unreachable(FakeIam):
    """An IAM to which the connection is lost after some roles."""

    def generate_service_last_accessed_details(self, *, Arn: str, Granularity: str) -> dict[str, Any]:
        if len(self.calls) >= 20:
            raise EndpointConnectionError(endpoint_url="https://iam.amazonaws.com")
        return super().generate_service_last_accessed_details(Arn=Arn, Granularity=Granularity)


def test_without_a_connection_the_rest_is_unknown_at_once() -> None:
    reading = Reading(Unreachable())
    found = reading.read()
    assert 12 <= len(found) <= 20
    assert [one["code"] for one in reading.reader.errors] == ["EndpointConnectionError"]
    assert reading.shown[-1] == (400, 400)


# --- the command line ----------------------------------------------------------------------------


class FakeAws:
    """The account behind `policygen snapshot`: its roles, and nothing else that is shown."""

    account, partition = "123456789012", "aws"

    def __init__(self, iam: FakeIam, roles: int) -> None:
        self.iam, self.names = iam, [f"role-{number:03}" for number in range(roles)]

    def regions(self) -> tuple[str, ...]:
        return ()

    def client(self, service: str, region: str = "") -> Any:
        return self.iam

    def authorization(self) -> dict[str, Any]:
        rows = [
            {
                "RoleName": name,
                "RoleId": f"AROA{name}",
                "Arn": role_arn(name),
                "AssumeRolePolicyDocument": TRUST,
            }
            for name in self.names
        ]
        return {"RoleDetailList": rows, "Policies": [], "UserDetailList": [], "GroupDetailList": []}


class Stopping(FakeIam):
    """An IAM during whose tenth report the user presses Ctrl-C."""

    def get_service_last_accessed_details(self, **arguments: Any) -> dict[str, Any]:
        if sum(self.calls.values()) > 40:
            raise KeyboardInterrupt
        return super().get_service_last_accessed_details(**arguments)


def snapshot_command(monkeypatch: pytest.MonkeyPatch, iam: FakeIam, *options: str) -> Any:
    aws = FakeAws(iam, 30)
    monkeypatch.setattr("policygen.account.aws_session.open_session", lambda _: None)
    monkeypatch.setattr(live.Aws, "identify", lambda _: aws)
    monkeypatch.setattr(AccountReader, "authorization", lambda _: aws.authorization())
    monkeypatch.setattr("policygen.account.report_reader.time.sleep", iam.pause)
    monkeypatch.setattr(
        "policygen.account.report_reader.ReportOptions",
        lambda **more: ReportOptions(iam.pause, iam.clock, **more),
    )
    return CliRunner().invoke(program(), ["snapshot", "--no-inventory", "--output", "account.json", *options])


def test_snapshot_reads_reports_unless_told_not_to_and_goes_on_after_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stopped = snapshot_command(monkeypatch, Stopping())
    assert stopped.exit_code == 130
    assert not Path("account.json").exists()
    assert "what IAM said so far is kept: the same command goes on from there" in stopped.stderr
    monkeypatch.setattr("policygen.account.report_journal.KEPT", timedelta(days=36500))
    iam = FakeIam()
    done = snapshot_command(monkeypatch, iam)
    assert (done.exit_code, 0 < len(iam.calls) < 30) == (0, True)
    assert len(json.loads(Path("account.json").read_text())["last_accessed"]) == 30
    assert sorted(one.name for one in tmp_path.iterdir()) == ["account.json"]
    old = snapshot_command(monkeypatch, FakeIam(), "--last-accessed")
    assert (old.exit_code, "wrote account.json" in old.stderr) == (0, True)
    without = FakeIam()
    assert snapshot_command(monkeypatch, without, "--no-last-accessed").exit_code == 0
    assert (without.calls, json.loads(Path("account.json").read_text()).get("last_accessed")) == ({}, None)


def test_an_error_that_is_no_throttling_is_not_asked_again() -> None:
    class Failing(FakeIam):
        def generate_service_last_accessed_details(self, *, Arn: str, Granularity: str) -> dict[str, Any]:
            super().generate_service_last_accessed_details(Arn=Arn, Granularity=Granularity)
            raise client_error("NoSuchEntity", "deleted", "GenerateServiceLastAccessedDetails")

    iam = Failing()
    reading = Reading(iam)
    assert reading.read(dict(list(ROLES.items())[:20])) == {}
    assert set(iam.calls.values()) == {1}
    assert len(iam.calls) == 20
