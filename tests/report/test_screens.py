"""The screens of every command on the samples, as they were agreed: 80 columns, and an ASCII twin of each."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path

import pytest

from policygen.account.current import current_access
from policygen.account.snapshot import load_snapshot
from policygen.cli.commands.permissions import command as permissions
from policygen.evidence.coverage.coverage import Coverage
from policygen.evidence.coverage.table import coverage_rows
from policygen.evidence.observe import collect_coverage
from policygen.gate.findings import failing
from policygen.gate.judge.check import check
from policygen.gate.judge.from_logs import check_basis
from policygen.gate.report import FindingsReport
from policygen.gate.repository.files import policies_of
from policygen.iam.compare import compare_policies
from policygen.logs.calls.counts import CallCounts
from policygen.logs.read_report import ReadReport
from policygen.report.findings import report as findings
from policygen.report.terminal import diff as compared
from policygen.report.terminal import doctor as doctored
from policygen.report.terminal import explain as explained
from policygen.report.terminal.layout import in_ascii
from policygen.rightsize.analysis import Analysis, analyse
from policygen.rightsize.decisions.load import parse_decisions, with_flags
from policygen.rightsize.decisions.model import Decisions
from policygen.rightsize.explain import explain
from tests.support import ROOT
from tests.support.golden import rendered as render
from tests.support.options import analysis_options
from tests.support.samples import SCREENS, WIDTH, too_wide

SAMPLES = ROOT / "samples"
POLICIES = ROOT / "tests" / "cases" / "check"
ACCOUNT = load_snapshot(SAMPLES / "account.json")
ORDERS = "orders-api"
DECISIONS = """
[[keep]]
action = "s3:GetObjectVersion"
role = "orders-*"
reason = "restores run by hand, about twice a year; ask the shop's team before it goes"

[[keep]]
action = "sqs:SendMessage"
resource = "arn:aws:sqs:eu-west-1:111122223333:order-events"
reason = "replays after an outage"

[[keep]]
action = "ssm:*"
reason = "the migration"
expires = 2026-11-01

[[drop]]
action = "dax:*"
reason = "there is no cluster"

[[drop]]
action = "dynamodb:GetItem"
reason = "thought to be unused"

[[drop]]
action = "rds:*"
reason = "there is no database"
"""


@cache
def analysis(decided: bool = False) -> Analysis:
    """The suggestion for the samples' main role, with people's decisions or without."""
    decisions = Decisions()
    if decided:
        decisions = with_flags(parse_decisions(DECISIONS), drop=["states:StartExecution"])
    return analyse(
        [SAMPLES / "trail"],
        ORDERS,
        account=ACCOUNT,
        **analysis_options(decisions=decisions, on=date(2026, 11, 24)),
    )


def explain_screen(*actions: str, ascii_only: bool, events: bool = False) -> str:
    made = analysis().suggestion
    return "\n".join(
        explained.render_explanation_text(explain(made, action), show_events=events, ascii_only=ascii_only)
        for action in actions
    )


def check_screen(*, ascii_only: bool) -> str:
    """What `check --fail-on warning` prints."""
    seen = analysis().observed
    sources = policies_of(Path("orders-api.json"))
    found = check(sources, check_basis(seen))
    report = FindingsReport(
        role=seen.usage.role.name,
        account=seen.usage.role.account,
        findings=found,
        files=["orders-api.json"],
        fail_on="warning",
        failed=len(failing(found, "warning")),
        days=seen.usage.window.days,
        days_with_events=seen.coverage.days_with_events,
        last=seen.usage.events.last if seen.usage.events else "",
        notes=False,
    )
    screen = findings.render("text", report)
    return in_ascii(screen) if ascii_only else screen


def diff_screen(*, ascii_only: bool) -> str:
    old, new = (
        [source.policy for source in policies_of(Path(name))]
        for name in ("orders-api.json", "orders-api.new.json")
    )
    return compared.render_diff_text(compare_policies(old, new), ascii_only=ascii_only)


def doctor_screen(role: str = "", *, known: bool, ascii_only: bool, show_all: bool = False) -> str:
    account = ACCOUNT if known else None
    wanted = current_access(ACCOUNT.role(role), ACCOUNT).services() if role else set()
    read_report, counts, coverage = examined(known, role)
    table = coverage_rows(coverage, wanted)
    health = doctored.Health(read_report, counts, coverage, account, table, listed=bool(wanted))
    return doctored.render_doctor_text(health, show_all=show_all, ascii_only=ascii_only)


@cache
def examined(known: bool, role: str) -> tuple[ReadReport, CallCounts, Coverage]:
    return collect_coverage([SAMPLES / "trail"], account=ACCOUNT if known else None, role=role)


def suggest_screen(*, ascii_only: bool) -> str:
    return render("text", analysis(decided=True), ascii_only=ascii_only)


SCREEN: dict[str, Callable[..., str]] = {
    "explain.kept": lambda **o: explain_screen("dynamodb:GetItem", "logs:PutLogEvents", **o),
    "explain.kept-events": lambda **o: explain_screen("sts:AssumeRole", events=True, **o),
    "explain.removed": lambda **o: explain_screen("sqs:DeleteQueue", "states:StopExecution", **o),
    "explain.cannot-tell": lambda **o: explain_screen("dynamodb:GetRecords", "sns:Publish", **o),
    "explain.never-granted": lambda **o: explain_screen("rds:DeleteDBInstance", "s3:DeleteBucket", **o),
    "explain.set-apart": lambda **o: explain_screen("dynamodb:Scan", **o),
    "check": check_screen,
    "diff": diff_screen,
    "doctor": lambda **o: doctor_screen(known=True, **o),
    "doctor.all": lambda **o: doctor_screen(known=True, show_all=True, **o),
    "doctor.no-snapshot": lambda **o: doctor_screen(known=False, **o),
    "doctor.role": lambda **o: doctor_screen(ORDERS, known=True, **o),
    "suggest.decisions": suggest_screen,
}


@pytest.fixture(autouse=True)
def beside_the_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    """File names on the screen are as they were given."""
    monkeypatch.chdir(POLICIES)


def agreed(name: str, screen: str) -> None:
    golden = SCREENS / f"{name}.txt"
    if os.environ.get("POLICYGEN_UPDATE"):
        golden.write_text(screen, "utf-8")
    assert screen == golden.read_text("utf-8"), (
        "if the change is meant: POLICYGEN_UPDATE=1 pytest tests/report/test_screens.py"
    )


def unbroken(screen: str) -> list[str]:
    """Lines that are too wide, without shell commands, which nobody may break."""
    return [line for line in too_wide(screen) if not line.lstrip().startswith("aws ")]


@pytest.mark.parametrize("name", SCREEN)
def test_the_screen_is_as_it_was_agreed_and_fits_eighty_columns(name: str) -> None:
    screen = SCREEN[name](ascii_only=False)
    agreed(name, screen)
    assert unbroken(screen) == []
    assert [line for line in screen.splitlines() if line != line.rstrip()] == []


@pytest.mark.parametrize("name", SCREEN)
def test_the_ascii_twin_says_the_same(name: str) -> None:
    screen, twin = SCREEN[name](ascii_only=False), SCREEN[name](ascii_only=True)
    assert twin.isascii()
    assert [len(line) for line in twin.splitlines()] == [len(line) for line in screen.splitlines()]
    pairs = [(a, b) for a, b in zip(screen, twin, strict=True) if a != b]
    assert [a for a, _ in pairs if a.isascii()] == []
    assert "?" not in {b for _, b in pairs}  # nothing was lost for want of a sign


@pytest.mark.parametrize("required", [False, True], ids=["all", "required"])
def test_the_screen_of_permissions_is_as_it_was_agreed(
    required: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    permissions("", "*", "aws", required, "text")
    screen = capsys.readouterr().out
    agreed(f"permissions{'.required' if required else ''}", screen)
    assert screen.isascii()
    assert [line for line in screen.splitlines() if len(line) > WIDTH] == []


def test_the_samples_show_every_verdict_that_explain_has() -> None:
    """A screen that lost its verdict would go on being agreed with under a wrong name."""
    for name, verdict in (
        ("explain.kept", "kept"),
        ("explain.removed", "removed"),
        ("explain.cannot-tell", "unverified, kept as today"),
        ("explain.never-granted", "not allowed today"),
        ("explain.set-apart", "removed: used only in suspicious"),
    ):
        heads = [line for line in SCREEN[name](ascii_only=True).splitlines() if f" for {ORDERS}: " in line]
        assert heads
        assert all(f": {verdict}" in line for line in heads), name
