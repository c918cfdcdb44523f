"""policygen in a review: the options, the hook, and the page about them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from policygen.cli.output import STEP_LIMIT, add_to_summary
from policygen.report.formats import FORMATS, SUFFIXES
from tests.support import ROOT
from tests.support.command import READ, SUGGEST, Done, run
from tests.support.records import ROLE, write_logs
from tests.support.shell import bash, settled

HOOKS = ROOT / ".pre-commit-hooks.yaml"
PAGE = ROOT / "docs" / "guides" / "pull-requests.md"
SAMPLE = ("-l", "samples/trail", "-s", "samples/account.json")


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return settled(tmp_path)


# --- The options -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with logs and a saved plan."""
    at = tmp_path_factory.mktemp("plan")
    write_logs(at / "logs", [READ])
    assert run(at, *SUGGEST, "logs", "-q", "--plans", "plans").code == 0
    return at


SUFFIXED = {kind: suffix for suffix, kind in SUFFIXES.items()}


@pytest.mark.parametrize("kind", ["markdown", "csv", "sarif", "junit"])
def test_every_format_goes_to_stdout_and_to_a_file_by_its_suffix(
    kind: str, plan: Path, tmp_path: Path
) -> None:
    file = tmp_path / f"review{SUFFIXED[kind]}"
    done = run(plan, "report", "plans/orders.json", "--export", file, "-f", kind)
    saved = r"plan of orders, saved \d{4}-\d\d-\d\d \d\d:\d\d UTC: read \S+ to \S+ of logs\n"
    warned = "" if kind == "markdown" else "warning: today's policies are not known: .*\n"
    assert re.fullmatch(saved + warned + re.escape(f"wrote {file} ({kind})\n"), done.stderr)
    assert done.code == 0
    assert file.read_bytes().decode() == done.stdout != ""
    again = run(plan, *SUGGEST, "logs", "-q", "-f", kind, "--plans", "plans")
    assert again == Done(done.stdout, "", 0)


def test_help_lists_every_format_and_every_suffix(tmp_path: Path) -> None:
    for name in ("suggest", "report"):
        words = run(tmp_path, name, "--help").stdout.split()
        text = " ".join(words)
        assert f"Print as {', '.join(FORMATS)}; also tf, cfn." in text
        assert f"in the format of its suffix: {', '.join(SUFFIXES)}. Repeatable." in text
    words = run(tmp_path, "check", "--help").stdout.split()
    assert "Print as text, json, markdown, sarif, junit, github." in " ".join(words)


WITH_SUMMARY = ((*SUGGEST, "logs"), ("report", "plans"), ("check", "p.json", "-r", ROLE, "-l", "logs"))


@pytest.mark.parametrize("args", WITH_SUMMARY, ids=lambda args: args[0])
@pytest.mark.parametrize("value", [None, ""], ids=["not set", "empty"])
def test_a_summary_without_a_step_stops_before_the_work(
    args: tuple[str, ...], value: str | None, plan: Path
) -> None:
    more = {} if value is None else {"GITHUB_STEP_SUMMARY": value}
    done = run(plan, *args, "--summary", **more)
    assert done == Done(
        "",
        "error: --summary: GITHUB_STEP_SUMMARY is not set  PG-E282, exit 2\n"
        "  hint: a step of GitHub Actions has it; elsewhere --export FILE.md or -f markdown gives the same text\n"
        f"  hint: {shlex.join(['policygen', *args])}\n",
        2,
    )


def test_a_summary_that_cannot_be_written_stops_before_the_work(plan: Path) -> None:
    done = run(plan, "report", "plans", "--summary", GITHUB_STEP_SUMMARY="no/summary.md")
    assert ("PG-E220" in done.stderr, done.stdout, done.code) == (True, "", 2)


def test_summaries_are_added_one_behind_the_other(plan: Path, tmp_path: Path) -> None:
    step = tmp_path / "summary.md"
    step.write_text("before\n", "utf-8")
    policy = tmp_path / "policy.json"
    policy.write_text(run(plan, *SUGGEST, "logs", "-q", "-f", "policy", "--no-plan").stdout, "utf-8")
    said = "added 1 of 1 to the summary of the step\n"
    for args in ((*SUGGEST, "logs", "-f", "policy", "--plans", "plans"), ("report", "plans", "-f", "csv"),
                 ("check", policy, "-r", ROLE, "-l", "logs")):  # fmt: skip
        done = run(plan, *args, "--summary", GITHUB_STEP_SUMMARY=str(step))
        assert (done.stderr.endswith(said), done.code) == (True, 0)
    comment = run(plan, "report", "plans", "-f", "markdown").stdout
    text = step.read_text("utf-8")
    assert text.startswith(f"before\n{comment}\n{comment}\n<!-- policygen:check:")
    assert "gate **passed**" in text


def test_a_summary_holds_what_github_shows_and_counts_the_rest(tmp_path: Path) -> None:
    step = tmp_path / "summary.md"
    pages = ["é" * 30_000 + "\n"] * 30
    assert add_to_summary(step, pages) == "added 17 of 30 to the summary of the step"
    text = step.read_bytes()
    assert len(text) <= STEP_LIMIT
    assert text.decode().endswith("\n\nAnd 13 more, for which a summary has no room.\n\n")
    assert add_to_summary(step, ["é" * 30_000]) == "added 0 of 1 to the summary of the step"
    assert len(step.read_bytes()) <= STEP_LIMIT


def test_more_plans_than_a_sarif_file_may_hold_are_refused(plan: Path) -> None:
    done = run(plan, "report", *["plans/orders.json"] * 21, "-f", "sarif")
    assert (done.stdout, done.code) == ("", 2)
    assert "PG-E281" in done.stderr


def suggested(place: Path) -> str:
    """The policy that suggest writes for the samples' main role: nothing speaks against it."""
    return run(place, "suggest", "-r", "orders-api", *SAMPLE, "-f", "policy", "--no-plan", "-q").stdout


# --- The hook --------------------------------------------------------------------------------------


def hook_of_the_page() -> Mapping[str, Any]:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    (repo,) = yaml.safe_load(block)["repos"]
    (hook,) = repo["hooks"]
    return dict(hook)


@pytest.mark.parametrize("fits", [True, False])
def test_the_hook_passes_and_fails_as_the_page_says(fits: bool, place: Path) -> None:
    (hook,) = loaded(HOOKS)
    asked = hook_of_the_page()
    assert (hook["id"], hook["language"], hook["require_serial"]) == (asked["id"], "python", True)
    (place / "iam").mkdir()
    other = (ROOT / "tests" / "cases" / "check" / "orders-api.json").read_text("utf-8")
    (place / "iam" / "orders-api.json").write_text(suggested(place) if fits else other, "utf-8")
    assert re.search(asked["files"], "iam/orders-api.json")
    words = [*shlex.split(hook["entry"]), *asked["args"], "iam/orders-api.json"]
    done = bash(place, shlex.join(words))
    assert (done.stderr, done.code) == ("", 0 if fits else 1)
    assert ("gate passed" if fits else "gate failed") in done.stdout


# --- The page --------------------------------------------------------------------------------------


def test_the_page_names_every_format_with_its_suffix_and_every_rule_of_a_plan() -> None:
    text = PAGE.read_text("utf-8")
    table = dict(re.findall(r"^\| `(\w+)` \| `?([.\w]*)`? ?\|", text, re.M))
    ours = {"markdown", "sarif", "junit", "github", "csv"}
    assert table == {kind: SUFFIXED.get(kind, "") for kind in ours}
    from tests.report.test_findings import EXPECTED

    named = set(re.findall(r"PG\d{3}", text.split("| rule |")[1].split("\n\n")[0]))
    assert named == {rule for rule, _ in EXPECTED}
