"""policygen in a review: the options, the example action and workflow, the hook, and the page about them."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
import yaml

from policygen.cli.output import STEP_LIMIT, add_to_summary
from policygen.report.formats import FORMATS, SUFFIXES
from tests.support import ROOT
from tests.support.command import LONG, READ, SUGGEST, Done, environment, run
from tests.support.records import ROLE, write_logs

ACTION = ROOT / "docs" / "examples" / "action" / "action.yml"
WORKFLOW = ROOT / "docs" / "examples" / "pull-request.yml"
HOOKS = ROOT / ".pre-commit-hooks.yaml"
PAGE = ROOT / "docs" / "guides" / "pull-requests.md"
SAMPLE = ("-l", "samples/trail", "-s", "samples/account.json")

Step = dict[str, Any]


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def settled(folder: Path) -> Path:
    """A folder with the samples, and with policygen among the commands."""
    (folder / "samples").symlink_to(ROOT / "samples")
    (folder / "bin").mkdir()
    command(folder, "policygen", f'exec {shlex.quote(sys.executable)} -m policygen "$@"')
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return settled(tmp_path)


def command(place: Path, name: str, script: str) -> None:
    """Puts a command into the place."""
    path = place / "bin" / name
    path.write_text(f"#!/bin/bash\n{script}\n", "utf-8")
    path.chmod(0o755)


def bash(place: Path, script: str, **variables: str) -> Done:
    """A script as GitHub Actions runs it."""
    (place / "script.sh").write_text(script, "utf-8")
    env = environment(place, **variables)
    env["PATH"] = f"{place / 'bin'}:{env['PATH']}"
    made = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", place / "script.sh"],
        cwd=place, env=env, capture_output=True, timeout=LONG, check=False,
    )  # fmt: skip
    return Done(made.stdout.decode(), made.stderr.decode(), made.returncode)


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
    assert (done.stderr, done.code) == (f"wrote {file} ({kind})\n", 0)
    assert file.read_bytes().decode() == done.stdout != ""
    again = run(plan, *SUGGEST, "logs", "-q", "-f", kind)
    assert again == Done(done.stdout, "", 0)


def test_help_lists_every_format_and_every_suffix(tmp_path: Path) -> None:
    for name in ("suggest", "report"):
        words = run(tmp_path, name, "--help").stdout.split()
        text = " ".join(words)
        assert f"What stdout gets: {', '.join(FORMATS)}." in text
        assert f"Also write a file; {', '.join(SUFFIXES)}; repeatable." in text
    words = run(tmp_path, "check", "--help").stdout.split()
    assert "What stdout gets: text, json, markdown, sarif, junit, github." in " ".join(words)


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
        "  hint: a step of GitHub Actions has it; elsewhere --export FILE.md or -f markdown gives the same text\n",
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
    for args in ((*SUGGEST, "logs", "-f", "policy"), ("report", "plans", "-f", "csv"),
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


# --- The action ------------------------------------------------------------------------------------

INPUTS = {
    "role": "orders-api", "logs": "samples/trail\n\n", "snapshot": "samples/account.json", "days": "30", "policy": "",
    "fail-on": "error", "out": "out",
}  # fmt: skip
EXPRESSION = re.compile(r"\$\{\{ *([\w.-]+) *\}\}")


def steps() -> dict[str, Step]:
    return {step["name"]: step for step in loaded(ACTION)["runs"]["steps"]}


def step(place: Path, name: str, **inputs: str) -> Done:
    """A step of the action with inputs."""
    given = {f"inputs.{key}": value for key, value in (INPUTS | inputs).items()}
    found = steps()[name]
    variables = {
        key: EXPRESSION.sub(lambda m: given[m[1]], text) for key, text in found.get("env", {}).items()
    }
    return bash(place, found["run"], GITHUB_STEP_SUMMARY=str(place / "summary.md"), **variables)


def scripts() -> list[str]:
    jobs = loaded(WORKFLOW)["jobs"].values()
    return [
        one["run"]
        for part in [steps().values(), *(job["steps"] for job in jobs)]
        for one in part
        if "run" in one
    ]


def test_the_action_is_a_composite_one_whose_inputs_are_all_used_and_all_told() -> None:
    found = loaded(ACTION)
    assert found["runs"]["using"] == "composite"
    assert set(found["inputs"]) == set(INPUTS)
    assert all(one["description"] for one in (*found["inputs"].values(), *found["outputs"].values()))
    assert all(one["shell"] == "bash" for one in steps().values())
    used = {name.removeprefix("inputs.") for name in re.findall(r"inputs\.[\w-]+", ACTION.read_text("utf-8"))}
    assert used == set(INPUTS)


def test_no_expression_stands_in_a_script() -> None:
    assert len(scripts()) == 5
    assert [script for script in scripts() if "${{" in script] == []


def test_what_others_made_is_pinned_to_a_commit() -> None:
    uses = [one["uses"] for job in loaded(WORKFLOW)["jobs"].values() for one in job["steps"] if "uses" in one]
    assert len(uses) == 5
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", one) for one in uses)


def test_the_action_installs_the_commit_it_belongs_to(place: Path) -> None:
    command(place, "python", 'printf "%s\\n" "$@" > pip.txt')
    assert bash(place, steps()["Install"]["run"], GITHUB_ACTION_PATH=str(ACTION.parent)).code == 0
    words = (place / "pip.txt").read_text("utf-8").splitlines()
    assert words[:3] == ["-m", "pip", "install"]
    assert (Path(words[4]) / "pyproject.toml").samefile(ROOT / "pyproject.toml")
    assert Path(words[6]).samefile(ROOT / "constraints.txt")


def test_the_action_s_steps_make_what_its_outputs_name(place: Path) -> None:
    command(place, "python", f'exec {shlex.quote(sys.executable)} "$@"')
    done = step(place, "Suggest")
    assert done.code == 0, done.stderr
    first, *screen, last = done.stdout.splitlines()
    stop = re.fullmatch("::stop-commands::([0-9a-f]{32})", first)
    assert stop
    assert last == f"::{stop[1]}::"
    assert screen[0].startswith("orders-api  arn:aws:iam::111122223333:role/")
    outputs = {
        key: one["value"].replace("${{ inputs.out }}", "out")
        for key, one in loaded(ACTION)["outputs"].items()
    }
    assert [path.name for path in (place / outputs["plans"]).iterdir()] == ["orders-api.json"]
    assert json.loads((place / outputs["sarif"]).read_text("utf-8"))["version"] == "2.1.0"
    assert Xml.parse(place / outputs["junit"]).getroot().tag == "testsuites"
    comment = (place / outputs["comment"]).read_text("utf-8")
    assert comment.startswith("<!-- policygen:suggest:111122223333:orders-api -->\n")
    assert (place / "summary.md").read_text("utf-8") == comment + "\n"
    done = step(place, "Annotate")
    assert (done.stderr, done.code) == ("", 0)
    assert done.stdout.startswith("::warning file=out/plans/orders-api.json,line=1,col=1,title=PG")


def suggested(place: Path) -> str:
    """The policy that suggest writes for the samples' main role: nothing speaks against it."""
    return run(place, "suggest", "-r", "orders-api", *SAMPLE, "-f", "policy", "--no-plan", "-q").stdout


def widened(policy: str) -> str:
    """The policy with a permission that is neither used nor kept: a warning."""
    document = json.loads(policy)
    document["Statement"].append({"Effect": "Allow", "Action": "dynamodb:DeleteTable", "Resource": "*"})
    return json.dumps(document, indent=2)


@pytest.mark.parametrize(
    ("level", "wide", "code"),
    [("warning", False, 0), ("error", True, 0), ("warning", True, 1)],
    ids=["its own suggestion", "a warning among errors", "a warning"],
)
def test_the_action_s_gate_fails_at_its_level(level: str, wide: bool, code: int, place: Path) -> None:
    policy = place / "-policy.json"  # a name that could be an option
    text = suggested(place)
    policy.write_text(widened(text) if wide else text, "utf-8")
    done = step(place, "Check", policy=policy.name, **{"fail-on": level})
    assert (done.stderr, done.code) == ("", code)
    assert re.match(r"::warning file=-policy\.json,line=\d+,", done.stdout)
    assert "<!-- policygen:check:111122223333:orders-api -->" in (place / "summary.md").read_text("utf-8")


HOSTILE = {
    "a command in quotes": 'x"; touch pwned; "',
    "a substitution": "$(touch pwned)`touch pwned`",
    "an option": "--help",
    "a line break": "x\ntouch pwned",
    "a redirection": "x > pwned",
}


@pytest.mark.parametrize("name", ["role", "logs", "snapshot", "days", "policy", "fail-on", "out"])
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_no_input_becomes_a_command_or_an_option(name: str, value: str, place: Path) -> None:
    """The commands are replaced by one that notes its arguments: what reaches it is what counts."""
    command(place, "policygen", 'printf "%s\\0" "$@" >> said')
    command(place, "python", "echo 0123")
    for one in ("Suggest", "Annotate", "Check"):
        step(place, one, **{name: value})
    said = (place / "said").read_bytes().decode().split("\0")
    assert not list(place.rglob("pwned"))
    assert "--help" not in said[: said.index("--")]
    lines = value.split("\n") if name == "logs" else [value]
    for line in lines:
        assert [word for word in said if line in word]


# --- The workflow ----------------------------------------------------------------------------------

GH = """\
printf '%s\\0' "$@" >> said
case "$*" in *--paginate*) [ -z "$EXISTING" ] || echo "$EXISTING"; printf '%s' "$MARKER" > marker;; esac
"""


@pytest.mark.parametrize("existing", ["", "77\n78"], ids=["no comment yet", "a comment"])
def test_the_workflow_keeps_one_comment(existing: str, place: Path) -> None:
    (one,) = [s for s in loaded(WORKFLOW)["jobs"]["review"]["steps"] if s.get("name") == "Comment"]
    command(place, "gh", GH)
    (place / "comment.md").write_text("<!-- policygen:suggest:1:x -->\n\nrest\n", "utf-8")
    assert set(one["env"]) == {"GH_TOKEN", "NUMBER", "COMMENT"}
    variables = {"NUMBER": "7", "COMMENT": "comment.md", "GITHUB_REPOSITORY": "o/r", "EXISTING": existing}
    done = bash(place, one["run"], **variables)
    assert done == Done("", "", 0)
    assert (place / "marker").read_text("utf-8") == "<!-- policygen:suggest:1:x -->"
    said = (place / "said").read_bytes().decode().split("\0")
    assert said[-2] == "body=@comment.md"
    assert said[:3] == ["api", "--paginate", "repos/o/r/issues/7/comments"]
    expected = (
        ["PATCH", "repos/o/r/issues/comments/78"] if existing else ["POST", "repos/o/r/issues/7/comments"]
    )
    assert said[said.index("--method") + 1 :][:2] == expected


def test_the_workflow_gives_the_action_what_it_takes_and_no_more_rights_than_it_needs() -> None:
    job = loaded(WORKFLOW)["jobs"]["review"]
    assert loaded(WORKFLOW)["permissions"] == {}
    assert set(job["permissions"]) == {"contents", "id-token", "pull-requests", "security-events"}
    (used,) = [one for one in job["steps"] if "policygen" in one.get("uses", "")]
    assert set(used["with"]) <= set(loaded(ACTION)["inputs"])
    assert used["uses"].split("@")[0].endswith(str(ACTION.parent.relative_to(ROOT)))
    named = set(re.findall(r"steps\.policygen\.outputs\.(\w+)", WORKFLOW.read_text("utf-8")))
    assert named <= set(loaded(ACTION)["outputs"])


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
