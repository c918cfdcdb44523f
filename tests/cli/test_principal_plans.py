"""Saved plans of trust policies and of APIs: where they are, and what report and check make of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from policygen.report.formats import API_FORMATS, TRUST_FORMATS
from tests.cli import test_api, test_resource_gate, test_trust, test_trust_gate
from tests.support.api_world import API
from tests.support.command import run
from tests.support.trust_world import TARGET

KINDS = {
    "trust": (test_trust, "target", TRUST_FORMATS, "trust/target.json"),
    "api": (test_api, "orders", API_FORMATS, f"api/{API}.json"),
}


def saved(folder: Path, kind: str, *more: str, case: dict[str, Any] | None = None) -> Path:
    """Make a plan in the folder ``plans``; return its file."""
    module, _, _, name = KINDS[kind]
    made = run(folder, *module.arguments(folder, case or module.CASE), "--plans", "plans", *more)
    assert made.code == 0, made.stderr
    return folder / "plans" / name


@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_is_for_its_owner_alone_and_no_other_is_replaced_in_silence(kind: str, tmp_path: Path) -> None:
    file = saved(tmp_path, kind)
    assert file.stat().st_mode & 0o777 == 0o600
    assert (file.parent.stat().st_mode & 0o777, file.parent.parent.stat().st_mode & 0o777) == (0o700, 0o700)
    module, name, _, _ = KINDS[kind]
    given = [*module.arguments(tmp_path, module.CASE), "--plans", "plans"]
    assert "warning" not in run(tmp_path, *given).stderr
    asked = run(tmp_path, *given, "--require", "source-ip")
    assert "Plan saved, in place of the one made without these options" in asked.stderr
    again = run(tmp_path, *given)
    assert "Plan saved, in place of the one made with --require source-ip" in again.stderr
    other = run(tmp_path, *given, "--days", "20")
    assert (
        f"{name if kind == 'trust' else API}.json held the plan of 2026-10-26 to 2026-11-24" in other.stderr
    )
    assert "and is replaced" in other.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_is_printed_in_every_format_by_its_name_and_by_its_file(kind: str, tmp_path: Path) -> None:
    module, name, formats, _ = KINDS[kind]
    file = saved(tmp_path, kind)
    given = module.arguments(tmp_path, module.CASE)
    assert run(tmp_path, *given, "-f", "json", "--no-plan").stdout == file.read_text()
    for format_ in formats:
        shown = run(tmp_path, "report", name, "--kind", kind, "--plans", "plans", "-f", format_)
        assert (shown.code, shown.stdout) == (0, run(tmp_path, *given, "-f", format_, "--no-plan").stdout)
        assert run(tmp_path, "report", str(file), "-f", format_).stdout == shown.stdout
    exported = run(tmp_path, "report", str(file), "--export", "x.tf", "--export", "x.csv", "-q")
    assert (exported.code, exported.stdout) == (0, "")
    assert (tmp_path / "x.tf").read_text() == run(tmp_path, "report", str(file), "-f", "terraform").stdout


@pytest.mark.parametrize("kind", KINDS)
def test_no_plan_is_saved_if_none_is_wanted(kind: str, tmp_path: Path) -> None:
    module, name, _, _ = KINDS[kind]
    given = module.arguments(tmp_path, module.CASE)
    assert "Plan saved" not in run(tmp_path, *given, "--no-plan").stderr
    none = run(tmp_path, "report", name, "--kind", kind)
    assert (none.code, "PG-E349" in none.stderr) == (4, True)
    assert (
        f"policygen report {name if kind == 'trust' else API} --kind {kind}" in run(tmp_path, *given).stderr
    )
    assert run(tmp_path, "report", name, "--kind", kind).code == 0
    exported = run(tmp_path, *given, "--export", "x.yaml", "-q", "--no-plan")
    assert (exported.stdout, (tmp_path / "x.yaml").is_file()) == ("", True)


@pytest.mark.parametrize("name", [*test_trust_gate.CASES][::2])
def test_the_gate_says_by_the_plan_of_a_role_what_it_says_by_the_logs(name: str, tmp_path: Path) -> None:
    today, log, policy, _ = test_trust_gate.CASES[name]
    case = {"today": today, "log": log}
    by_logs = test_trust_gate.gate(tmp_path, case, policy)
    saved(tmp_path, "trust", case=case)
    by_plan = run(
        tmp_path,
        "check",
        "trust.json",
        "--kind",
        "trust",
        "--plan",
        "target",
        "--plans",
        "plans",
        "-f",
        "json",
    )
    told = json.loads(by_plan.stdout)
    assert told.pop("plan") == "2026-11-24"
    assert {**told, "code": by_plan.code, "plan": ""} == by_logs


@pytest.mark.parametrize("name", [*test_resource_gate.CASES][::2])
def test_the_gate_says_by_the_plan_of_an_api_what_it_says_by_the_logs(name: str, tmp_path: Path) -> None:
    case, policy, _ = test_resource_gate.CASES[name]
    by_logs = test_resource_gate.gate(tmp_path, case, policy)
    saved(tmp_path, "api", case=case)
    for plan in ("orders", API, f"plans/api/{API}.json"):
        words = ["check", "p.json", "--kind", "resource", "--plan", plan, "--plans", "plans", "-f", "json"]
        by_plan = run(tmp_path, *words)
        told = json.loads(by_plan.stdout)
        assert told.pop("plan") == "2026-11-24"
        assert {**told, "code": by_plan.code, "plan": ""} == by_logs


def test_a_plan_is_as_old_as_its_last_day(tmp_path: Path) -> None:
    saved(tmp_path, "trust")
    (tmp_path / "t.json").write_text(
        json.dumps({"Version": "2012-10-17", "Statement": [test_trust.ROOT_OF_OWN]})
    )
    words = [
        "check",
        "t.json",
        "--kind",
        "trust",
        "--plan",
        "target",
        "--plans",
        "plans",
        "--fail-on",
        "never",
    ]
    old = run(tmp_path, *words, "--max-plan-age", "0")
    assert run(tmp_path, *words).code == 0
    assert "plan of 2026-11-24" in run(tmp_path, *words).stdout
    assert (old.code, "PG-E322" in old.stderr) == (3, True)


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["report", "nobody", "--kind", "trust"], 4, "PG-E349"),
        (["report", "nothing", "--kind", "api"], 4, "PG-E349"),
        (["report", "arn:aws:iam::999999999999:role/target", "--kind", "trust"], 4, "PG-E349"),
        (["report", "plans/trust/target.json", "--kind", "api"], 2, "PG-E270"),
        (["report", "plans/trust/none.json", "--kind", "trust"], 2, "PG-E272"),
        (["report", "plans/trust/target.json", "-f", "html"], 2, "PG-E207"),
        (["report", "target", "orders", "--kind", "trust"], 2, "PG-E271"),
        (["report", "target", "--kind", "resource"], 2, "PG-E248"),
        (["report", "damaged.json"], 2, "PG-E245"),
        (["check", "t.json", "--plan", "plans/trust/target.json"], 2, "PG-E270"),
        (["check", "t.json", "--kind", "trust", "--plan", "target", "-r", "target"], 2, "PG-E248"),
        (["check", "t.json", "--kind", "trust", "--plan", "target", "--plan", "orders"], 2, "PG-E248"),
        (["check", "t.json", "--kind", "resource", "--plan", "orders", "--api", "orders"], 2, "PG-E248"),
        (["check", "t.json", "--kind", "trust", "--plan", "target", "-l", "trail.json"], 2, "PG-E248"),
        (["check", "--kind", "trust", "--plan", "target"], 2, "PG-E248"),
    ],
)
def test_what_is_no_such_plan(words: list[str], code: int, error: str, tmp_path: Path) -> None:
    plan = json.loads(saved(tmp_path, "trust").read_text())
    (tmp_path / "damaged.json").write_text(json.dumps({**plan, "suggestion": {}}))
    (tmp_path / "t.json").write_text(json.dumps(plan["policy"]))
    done = run(tmp_path, *words, *(["--plans", "plans"] if "--plans" not in words else []))
    assert (done.code, done.stdout) == (code, "")
    assert error in done.stderr


def test_arns_tell_accounts_and_ids_tell_apis_of_one_name(tmp_path: Path) -> None:
    saved(tmp_path, "trust")
    assert run(tmp_path, "report", TARGET, "--kind", "trust", "--plans", "plans").code == 0
    file = saved(tmp_path, "api")
    (file.parent / "zzzz.json").write_text(file.read_text())
    several = run(tmp_path, "report", "orders", "--kind", "api", "--plans", "plans")
    assert (several.code, "PG-E249" in several.stderr, f"{API}, zzzz" in several.stderr) == (2, True, True)


def test_the_schemas_are_printed(tmp_path: Path) -> None:
    for name in KINDS:
        assert json.loads(run(tmp_path, "schema", name).stdout)["title"].startswith("policygen ")
        assert f"{name} " in run(tmp_path, "schema").stdout
