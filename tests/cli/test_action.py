"""The action and the workflows around it: each step as a runner runs it, and the programs that judge such files."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
import yaml

from policygen.cli.action.__main__ import STEPS
from tests.gate import test_provenance as provenance
from tests.judges.actionlint import judge as actionlint
from tests.support import ROOT
from tests.support.command import Done, run
from tests.support.shell import bash, judge, settled, stand_in

ACTION = ROOT / "action.yml"
WORKFLOWS = {
    name: ROOT / "docs" / "examples" / f"{name}.yml" for name in ("nightly", "pull-request", "terraform")
}

Step = dict[str, Any]


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def steps() -> dict[str, Step]:
    return {step["name"]: step for step in loaded(ACTION)["runs"]["steps"]}


INPUTS = {name: one.get("default", "") for name, one in loaded(ACTION)["inputs"].items()}
NIGHT = {
    "roles": "orders-api\nimage-resizer\n",
    "logs": "samples/trail\n\n",
    "snapshot": "samples/account.json",
}
EXPRESSION = re.compile(r"\$\{\{ *([\w.-]+) *\}\}")
SCRIPTS = [name for name, one in steps().items() if "run" in one]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A checkout on a runner, with policygen where the action installs it."""
    settled(tmp_path)
    stand_in(tmp_path, "python", f'exec {shlex.quote(sys.executable)} "$@"')
    (tmp_path / "runner" / "policygen").mkdir(parents=True)
    (tmp_path / "runner" / "policygen" / "bin").symlink_to(tmp_path / "bin")
    return tmp_path


def outputs(place: Path) -> dict[str, str]:
    """What the steps put out."""
    output = place / "output"
    text = output.read_text("utf-8") if output.exists() else ""
    several = re.compile(r"^(\w+)<<(\w+)\n(.*?)\n\2$", re.M | re.S)
    lines = [line.split("=", 1) for line in several.sub("", text).splitlines() if line]
    return {name: value for name, _, value in several.findall(text)} | dict(lines)


def step(
    place: Path,
    name: str,
    *,
    base_ref: str = "",
    queue: str = "",
    own: dict[str, str] | None = None,
    **inputs: str,
) -> Done:
    """A step of the action with inputs; what it puts out is there for the next one."""
    told = outputs(place)
    given = {f"inputs.{key.replace('_', '-')}": value for key, value in (INPUTS | inputs).items()}
    given |= {"github.event.pull_request.number": "7", "github.base_ref": base_ref}
    given |= {"github.event.merge_group.base_sha": queue}
    given["steps.plans.outputs.fetched"] = ""  # the step may be skipped
    given |= {
        f"steps.{one}.outputs.{key}": value
        for one in ("check", "plan", "plans")
        for key, value in told.items()
    }
    found = steps()[name]
    variables = {
        key: EXPRESSION.sub(lambda m: given[m[1]], text) for key, text in found.get("env", {}).items()
    }
    runner = {"GITHUB_STEP_SUMMARY": "summary.md", "GITHUB_OUTPUT": "output", "RUNNER_TEMP": "runner"}
    runner = {key: str(place / value) for key, value in runner.items()} | {"GITHUB_REPOSITORY": "o/r"}
    return bash(place, found["run"], **runner, **variables, **(own or {}))


_PLANS: dict[str, bytes] = {}
"""The plans of a night, made once: most tests are about what becomes of them."""


def planned(place: Path) -> None:
    """What a night leaves: its plans, and nothing that the step put out."""
    folder = place / "policygen-plans"
    if not _PLANS:
        assert step(place, "Plan", **NIGHT).code == 0
        _PLANS.update((one.name, one.read_bytes()) for one in folder.iterdir())
        for name in ("output", "summary.md"):
            (place / name).unlink(missing_ok=True)
        shutil.rmtree(place / "policygen-out")
    folder.mkdir(exist_ok=True)
    for name, content in _PLANS.items():
        (folder / name).write_bytes(content)


# --- What is written -------------------------------------------------------------------------------


def test_the_action_is_a_composite_one_whose_inputs_are_all_used_and_all_told() -> None:
    found = loaded(ACTION)
    assert found["runs"]["using"] == "composite"
    assert all(one["description"] for one in (*found["inputs"].values(), *found["outputs"].values()))
    assert all(one["shell"] == "bash" for one in steps().values() if "run" in one)
    used = {name.removeprefix("inputs.") for name in re.findall(r"inputs\.[\w-]+", ACTION.read_text("utf-8"))}
    assert used == set(INPUTS)


def test_the_scripts_are_short_and_no_expression_stands_in_them() -> None:
    """What a step does is typed and tested: the shell starts it, as Python that looks nowhere in the checkout."""
    scripts = {name: steps()[name]["run"].strip() for name in SCRIPTS}
    assert {name for name, text in scripts.items() if text.count("\n")} == {"Install"}
    assert scripts["Install"].count("\n") == 3
    assert not any("${{" in text for text in scripts.values())
    python = [text for text in scripts.values() if "python" in text and text != scripts["Install"]]
    started = [
        text.removeprefix('"$RUNNER_TEMP/policygen/bin/python" -I -m policygen.cli.action ')
        for text in python
    ]
    assert sorted(started) == sorted(STEPS)
    assert set(scripts) - {name for name, text in scripts.items() if text in python} == {
        "Install",
        "Night",
        "Gate",
    }


def test_what_others_made_is_pinned_to_a_commit() -> None:
    jobs = [job for path in WORKFLOWS.values() for job in loaded(path)["jobs"].values()]
    parts = [*steps().values(), *(one for job in jobs for one in job["steps"])]
    uses = [one["uses"] for one in parts if "uses" in one]
    assert len(uses) == 22
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", one) for one in uses)


def test_the_workflows_give_the_action_what_it_takes_and_ask_for_no_more_rights_than_it_needs() -> None:
    rights = {
        "nightly": {"plan": {"contents", "id-token"}},
        "pull-request": {"check": {"actions", "contents", "pull-requests", "security-events"}},
        "terraform": {
            "plan": {"contents", "id-token"},
            "check": {"actions", "contents", "pull-requests", "security-events"},
        },
    }
    for name, path in WORKFLOWS.items():
        jobs = loaded(path)["jobs"]
        assert loaded(path)["permissions"] == {}
        assert {job: set(one["permissions"]) for job, one in jobs.items()} == rights[name]
        parts = [one for job in jobs.values() for one in job["steps"]]
        (used,) = [one for one in parts if one.get("uses", "").startswith("policygen/policygen@")]
        assert set(used["with"]) <= set(INPUTS)
        named = set(re.findall(r"steps\.policygen\.outputs\.(\w+)", path.read_text("utf-8")))
        assert named <= set(loaded(ACTION)["outputs"])


TRUST = ROOT / "docs" / "examples" / "nightly-trust.json"


@pytest.mark.parametrize("left_out", ["", "aud", "sub"])
def test_the_trust_policy_of_the_night_names_the_audience_and_the_main_branch(
    left_out: str, tmp_path: Path
) -> None:
    """Without one of them the gate has a finding: other audiences or other repositories may take the role."""
    document = json.loads(TRUST.read_text("utf-8"))
    conditions = document["Statement"][0]["Condition"]["StringEquals"]
    issuer = "token.actions.githubusercontent.com"
    assert conditions == {
        f"{issuer}:aud": "sts.amazonaws.com",
        f"{issuer}:sub": "repo:ORG/REPO:ref:refs/heads/main",
    }
    conditions.pop(f"{issuer}:{left_out}", None)
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": document}}
    (tmp_path / "t.json").write_text(json.dumps({"Resources": {"Reader": role}}), "utf-8")
    (tmp_path / "policygen.toml").write_text(
        '[[role]]\nname = "reader"\npolicy = "t.json#Reader"\nplanned = false\n', "utf-8"
    )
    done = run(tmp_path, "check", "--all")
    assert (done.code, "error PG702" in done.stdout) == (bool(left_out), bool(left_out))


def test_with_terraform_the_job_that_checks_has_no_access_and_never_passes_without_a_plan() -> None:
    """A required check that is skipped counts as passed, so that it has to run where Terraform failed."""
    jobs = loaded(WORKFLOWS["terraform"])["jobs"]
    assert not any("aws-actions" in one.get("uses", "") for one in jobs["check"]["steps"])
    assert (jobs["check"]["needs"], jobs["check"]["if"]) == ("plan", "always()")
    first = jobs["check"]["steps"][0]
    assert first["if"] == "needs.plan.result != 'success'"
    assert first["run"].endswith("exit 1\n")
    forks = jobs["plan"]["steps"][0]
    assert forks["if"] == "github.event.pull_request.head.repo.fork"
    assert forks["run"].endswith("exit 1\n")


def test_a_required_check_runs_in_every_pull_request_and_in_the_merge_queue() -> None:
    """A check that a filter of paths skips stays pending, and so does one in the queue without a trigger for it.

    https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/collaborating-on-repositories-with-code-quality-features/troubleshooting-required-status-checks
    """
    for name in ("pull-request", "terraform"):
        assert loaded(WORKFLOWS[name])[True] == {
            "pull_request": None,
            "merge_group": None,
        }  # YAML 1.1 reads `on` as a truth value
    workflow = loaded(WORKFLOWS["pull-request"])
    assert workflow["concurrency"]["group"].endswith("github.event.pull_request.number || github.ref }}")
    assert not any("if" in job for job in workflow["jobs"].values())


def test_zizmor_finds_nothing() -> None:
    judge(
        "zizmor", "--offline", "--persona=auditor", "--no-progress", *map(str, (ACTION, *WORKFLOWS.values()))
    )


@pytest.mark.skipif(not actionlint.available(), reason="actionlint is not installed")
def test_actionlint_finds_nothing_but_planted_faults() -> None:
    workflows = {path.name: path.read_text("utf-8") for path in WORKFLOWS.values()}
    own = {"action.yml": actionlint.job_of(list(steps().values()), INPUTS)}
    assert actionlint.findings(workflows | own) == []
    wrong = {
        name: text.replace("inputs.mode", "inputs.mod").replace("ubuntu-latest", "ubuntu-lates")
        for name, text in (workflows | own).items()
    }
    found = actionlint.findings(wrong)
    assert {one.split(":")[0] for one in found} == set(wrong)
    assert any('property "mod" is not defined' in one for one in found)


@pytest.mark.parametrize("name", SCRIPTS)
def test_shellcheck_finds_nothing(name: str) -> None:
    judge("shellcheck", "--shell=bash", "-", text=steps()[name]["run"])


# --- What the steps do -----------------------------------------------------------------------------


def test_the_action_installs_the_commit_it_belongs_to(place: Path) -> None:
    stand_in(place, "python", 'printf "%s\\n" "$@" >> pip.txt')
    done = bash(
        place, steps()["Install"]["run"], GITHUB_ACTION_PATH=str(ROOT), RUNNER_TEMP=str(place / "runner")
    )
    assert done.code == 0
    words = (place / "runner" / "pip.txt").read_text("utf-8").splitlines()
    assert words[:3] == ["-I", "-m", "venv"]
    assert words[4:9] == ["-I", "-m", "pip", "--isolated", "install"]
    assert words[10].endswith("[yaml]")  # templates in YAML are checked as JSON ones are
    assert (Path(words[10].removesuffix("[yaml]")) / "pyproject.toml").is_file()
    assert Path(words[12]).samefile(ROOT / "constraints.txt")


def test_a_night_keeps_plans_and_a_pull_request_is_checked_by_them_alone(place: Path) -> None:
    night = step(place, "Plan", **NIGHT)
    assert night.code == 0, night.stderr
    first, *screen, last = night.stdout.splitlines()
    stop = re.fullmatch("::stop-commands::([0-9a-f]{32})", first)
    assert stop
    assert last == f"::{stop[1]}::"
    assert screen
    assert kept(place) == {"orders-api", "image-resizer"}

    (place / "samples").unlink()  # a pull request has neither logs nor an account
    (place / "summary.md").unlink()
    policy = json.loads((place / "policygen-plans" / "orders-api.json").read_text("utf-8"))["policies"][0][
        "document"
    ]
    file = place / "-policy.json"  # a name that could be an option
    file.write_text(json.dumps(policy), "utf-8")
    asked = {"roles": "orders-api", "policy": f"{file.name}\n"}
    attached, told = step(place, "Check", **asked).stdout.splitlines()
    assert attached.startswith(
        "::warning title=policygen gate not checked::orders-api: attached today, and not "
    )
    assert told == (
        "policygen orders-api: gate passed, nothing against the policy; plan of 2026-11-24; "
        "not shown: 15 notes and 3 findings that the suggestion has too"
    )
    assert step(place, "Gate").code == 0
    assert outputs(place)["sarif"] == "policygen-out/policygen.sarif"
    policy["Statement"].append({"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"})
    file.write_text(json.dumps(policy), "utf-8")
    for level, code, shown in (
        ("error", 0, "warning"),
        ("warning", 1, "error"),
        (INPUTS["fail-on"], 1, "error"),
    ):
        (place / "output").unlink()
        done = step(place, "Check", **asked, fail_on=level)
        assert (done.stderr, done.code) == ("", 0)
        assert done.stdout.startswith(f"::{shown} file=-policy.json,line=1,")
        assert ("::error title=policygen gate failed::orders-api: 1 warning" in done.stdout) == bool(code)
        assert step(place, "Gate").code == code
    told = outputs(place)
    assert json.loads((place / told["sarif"]).read_text("utf-8"))["version"] == "2.1.0"
    assert Xml.parse(place / told["junit"]).getroot().tag == "testsuites"
    comment = (place / told["comment"]).read_text("utf-8")
    assert comment.startswith("<!-- policygen:check:111122223333:orders-api -->\n")
    assert "gate **failed**" in comment
    assert (place / "summary.md").read_text("utf-8").endswith(comment + "\n")


def test_every_role_of_the_file_is_checked_where_no_policy_is_named(place: Path) -> None:
    planned(place)
    plans = place / "policygen-plans"
    for role in ("orders-api", "image-resizer"):
        document = json.loads((plans / f"{role}.json").read_text("utf-8"))["policies"][0]["document"]
        (place / f"{role}.json").write_text(json.dumps(document), "utf-8")
    tables = (f'[[role]]\nname = "{role.stem}"\npolicy = "{role.name}"\n' for role in place.glob("*.json"))
    (place / "policygen.toml").write_text("".join(tables), "utf-8")
    done = step(place, "Check")
    assert done.code == 0, done.stderr
    assert (place / "policygen-out" / "comment.md").read_text("utf-8").count("**passed**") == 3


def test_a_night_without_a_list_of_roles_plans_the_whole_account(place: Path) -> None:
    assert step(place, "Plan", **NIGHT | {"roles": "\n"}).code == 0
    assert {"orders-api", "image-resizer", "report-monthly"} <= kept(place)


def test_a_night_without_a_list_of_roles_plans_those_of_the_file(place: Path) -> None:
    tables = ("image-resizer", "arn:aws:iam::111122223333:role/service-role/orders-api")
    text = "".join(f'[[role]]\nname = "{one}"\npolicy = "a.json"\n' for one in tables)
    (place / "policygen.toml").write_text(text, "utf-8")
    assert step(place, "Plan", **NIGHT | {"roles": ""}).code == 0
    assert kept(place) == {"orders-api", "image-resizer"}


def test_a_night_with_a_file_that_cannot_be_read_plans_nothing_and_says_why(place: Path) -> None:
    (place / "policygen.toml").write_text("[[role]\n", "utf-8")
    done = step(place, "Plan", **NIGHT | {"roles": ""})
    assert (done.code, kept(place)) == (0, set())
    assert "::error title=policygen plan::policygen.toml " in done.stdout
    assert done.stdout.splitlines()[-1].endswith("PG-E360")
    assert step(place, "Night").code == 2


def kept(place: Path) -> set[str]:
    return {path.name.partition(".")[0] for path in (place / "policygen-plans").iterdir()}


PLANNER = """\
if [ "$1" = config ]; then echo '{"roles": []}'; exit; fi
for word in "$@"; do
  case "$word" in
    --role=*) role=${word#*=};;
    --plans=*) to=${word#*=}/$role.json;;
    --out=*) to=${word#*=}/plans/a.json;;
  esac
done
case "$role $*" in
  "stuck "*) echo "error: 100% of it is damaged  PG-W313, exit 3" >&2; exit 3;;
  *--allow-incomplete*) ;;
  *) if [ -e damaged ]; then code=3; fi;;
esac
if [ -z "$code" ] || [ "$1" = batch ]; then mkdir -p "$(dirname "$to")"; echo '{}' > "$to"; fi
if [ -n "$code" ]; then echo "error: 1 file is damaged  PG-W313, exit 3" >&2; exit 3; fi
"""
"""A policygen that makes a plan without reading anything: all but one of `stuck`, and none of damaged logs."""


def test_a_role_without_calls_is_a_warning_and_one_that_fails_ends_the_night_at_its_end(place: Path) -> None:
    roles = "audit-reader\nno-such\norders-api\n"
    done = step(place, "Plan", **NIGHT | {"roles": roles})
    assert done.code == 0
    assert kept(place) == {"orders-api"}
    *_, end, unused, failed, last = done.stdout.splitlines()
    assert re.fullmatch("::[0-9a-f]{32}::", end)
    assert re.fullmatch("::warning title=policygen plan::audit-reader: no call by .* PG-E301", unused)
    assert re.fullmatch("::error title=policygen plan::no-such: no role named 'no-such' .* PG-E310", failed)
    assert last == "::error title=policygen plan::no plan of 1 of 3 roles: no-such"
    assert "hint: " in done.stderr
    assert outputs(place) == {"kept": "true", "status": "4"}
    assert step(place, "Night").code == 4


def test_every_role_that_fails_is_named_and_the_first_says_how_the_night_ends(place: Path) -> None:
    stand_in(place, "policygen", PLANNER)
    done = step(place, "Plan", roles=" a \r\n\nstuck\nb\nstuck")
    assert kept(place) == {"a", "b"}
    assert "::error title=policygen plan::stuck: 100%25 of it is damaged  PG-W313\n" in done.stdout
    assert done.stdout.endswith("::no plan of 2 of 4 roles: stuck, stuck\n")
    assert step(place, "Night").code == 3


def test_a_night_that_makes_no_plan_at_all_fails(place: Path) -> None:
    stand_in(place, "policygen", "echo 'error: no call by x in 30 days  PG-E301, exit 4' >&2; exit 4")
    done = step(place, "Plan", roles="x")
    assert done.stdout.endswith("PG-E301\n::error title=policygen plan::no plan was made\n")
    assert outputs(place) == {"kept": "false", "status": "4"}
    assert step(place, "Night").code == 4


@pytest.mark.parametrize("roles", ["a", ""], ids=["named roles", "all roles"])
def test_a_damaged_log_fails_the_night_unless_it_is_allowed(roles: str, place: Path) -> None:
    """A batch writes the plans of all other roles before it fails: these are kept."""
    stand_in(place, "policygen", PLANNER)
    (place / "damaged").touch()
    done = step(place, "Plan", roles=roles)
    assert "file is damaged  PG-W313\n" in done.stdout
    assert outputs(place) == {"kept": str(not roles).lower(), "status": "3"}
    assert step(place, "Night").code == 3
    (place / "output").unlink()
    step(place, "Plan", roles=roles, allow_incomplete="true")
    assert outputs(place) == {"kept": "true", "status": "0"}
    assert kept(place) == {"a"}
    assert step(place, "Night").code == 0


def test_without_plans_the_check_fails_and_says_so(place: Path) -> None:
    (place / "p.json").write_text("{}", "utf-8")
    done = step(place, "Check", roles="orders-api", policy="p.json")
    assert done.code == 0
    assert "policygen-plans" in done.stderr
    assert done.stdout.startswith("::error file=p.json,line=1,title=policygen gate not checked::orders-api: ")
    assert "gate **not checked**" in (place / "policygen-out" / "comment.md").read_text("utf-8")
    assert step(place, "Gate").code == 4


def test_a_policy_that_cannot_be_read_is_told_at_its_file_and_in_the_comment(place: Path) -> None:
    planned(place)
    (place / "p.json").write_text('{"Statement": [}', "utf-8")
    policies = "".join(
        f'[[role]]\nname = "{role}"\npolicy = "p.json"\n' for role in ("orders-api", "image-resizer")
    )
    (place / "policygen.toml").write_text(policies, "utf-8")
    done = step(place, "Check", roles=" orders-api\r\n\nimage-resizer \n")
    assert done.stdout.count("::error file=p.json,line=1,title=policygen gate not checked::") == 2
    comment = (place / "policygen-out" / "comment.md").read_text("utf-8")
    assert comment.startswith("<!-- policygen:check:111122223333:%2A -->\n")
    assert comment.count("**not checked**") >= 2
    assert step(place, "Gate").code == 2


def test_an_old_plan_does_not_pass_and_a_baseline_may_come_later(place: Path) -> None:
    planned(place)
    plan = place / "policygen-plans" / "orders-api.json"
    document = json.loads(plan.read_text("utf-8"))
    (place / "p.json").write_text(json.dumps(document["policies"][0]["document"]), "utf-8")
    asked = {"roles": "orders-api\n", "policy": "p.json", "baseline": "known.json"}
    done = step(place, "Check", **asked)
    assert done.stdout.startswith("::notice::there is no baseline yet")
    assert step(place, "Gate").code == 0
    document["window"]["end"] = "2026-10-18T00:00:00Z"
    plan.write_text(json.dumps(document), "utf-8")
    (place / "output").unlink()
    assert "40 days old, and --max-plan-age is 14  PG-E322" in step(place, "Check", **asked).stderr
    assert step(place, "Gate").code == 3
    (place / "output").unlink()
    told = step(place, "Check", **asked, max_plan_age="")
    assert "warning: orders-api: plan of 2026-10-18, 40 days old" in told.stderr
    assert "Plan of 2026-10-18, 40 days old." in (place / "policygen-out" / "comment.md").read_text("utf-8")
    assert step(place, "Gate").code == 0


GH_BASELINE = """\
cd "$(dirname "$0")/.."
printf '%s\\n' "$@" > said
case "$*" in
  *contents/policygen.toml*) file=base.toml;;
  *contents/pyproject.toml*) file=base-pyproject.toml;;
  *) file=base.json;;
esac
if [ -e "$file" ]; then exec cat "$file"; fi
echo '{"message":"Not Found"}'
echo "gh: ${GH_SAYS:-Not Found (HTTP 404)}" >&2
exit 1
"""


def passes_a_role(place: Path) -> dict[str, str]:
    """A change that passes iam:PassRole, and accepts that in the baseline; return what the check is asked."""
    planned(place)
    stand_in(place, "gh", GH_BASELINE)
    plan = json.loads((place / "policygen-plans" / "orders-api.json").read_text("utf-8"))
    policy = plan["policies"][0]["document"]
    policy["Statement"].append({"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"})
    (place / "p.json").write_text(json.dumps(policy), "utf-8")
    script = 'policygen check p.json --plan policygen-plans/orders-api.json -q --write-baseline "k n.json"'
    assert bash(place, script).code == 0
    return {"roles": "orders-api\n", "policy": "p.json", "baseline": "k n.json"}


@pytest.mark.parametrize("base", ["no file", "one that accepts nothing"])
@pytest.mark.parametrize(
    ("event", "asked_for"),
    [({"base_ref": "main"}, "refs/heads/main"), ({"queue": "b" * 40}, "b" * 40)],
    ids=["a pull request", "a merge queue"],
)
def test_a_pull_request_does_not_accept_its_own_finding(
    event: dict[str, Any], asked_for: str, base: str, place: Path
) -> None:
    asked = passes_a_role(place)
    if base != "no file":
        (place / "base.json").write_text('{"policygen_baseline": 1, "accepted": []}', "utf-8")
    read = step(place, "Base branch", **event, **asked)
    assert read.code == 0
    assert read.stdout.startswith("::notice::the base branch has no baseline") == (base == "no file")
    said = (place / "said").read_text("utf-8").splitlines()
    assert said[-1] == f"repos/o/r/contents/k%20n.json?ref={asked_for}"
    done = step(place, "Check", **event, **asked)
    assert (
        "::warning file=k n.json,line=1,title=policygen baseline::orders-api: newly accepted" in done.stdout
    )
    assert "PG101 iam:PassRole on * (1)" in done.stdout
    assert "Newly accepted" in (place / "policygen-out" / "comment.md").read_text("utf-8")
    assert step(place, "Gate").code == 1


def test_a_check_that_fails_writes_the_baseline_that_would_accept_it(place: Path) -> None:
    asked = passes_a_role(place)
    (place / "base.json").write_text('{"policygen_baseline": 1, "accepted": []}', "utf-8")
    own = json.loads((place / "k n.json").read_text("utf-8"))
    other = {"role": "other", "rule": "PG101", "where": "*", "subjects": ["iam:passrole"]}
    (place / "k n.json").write_text(json.dumps({"policygen_baseline": 1, "accepted": [other]}), "utf-8")
    assert step(place, "Check", **asked).code == 0
    made = outputs(place)["baseline"]
    assert made == "policygen-out/policygen-baseline.json"
    rows = json.loads((place / made).read_text("utf-8"))["accepted"]
    assert {row["role"] for row in rows} == {"orders-api", "other"}
    assert [row for row in rows if row["role"] != "other"] == own["accepted"]
    assert json.loads((place / "k n.json").read_text("utf-8"))["accepted"] == [other]
    (place / "k n.json").write_text(json.dumps(own), "utf-8")
    (place / "output").unlink()
    step(place, "Check", **asked)
    assert outputs(place)["baseline"] == ""


def test_a_finding_that_the_base_branch_accepts_passes(place: Path) -> None:
    asked = passes_a_role(place)
    (place / "base.json").write_bytes((place / "k n.json").read_bytes())
    assert step(place, "Base branch", base_ref="main", **asked) == Done("", "", 0)
    assert "newly accepted" not in step(place, "Check", base_ref="main", **asked).stdout
    assert step(place, "Gate").code == 0


def test_on_a_branch_its_own_baseline_counts_and_none_of_an_earlier_step(place: Path) -> None:
    asked = passes_a_role(place)
    assert step(place, "Base branch", base_ref="main", **asked).code == 0
    assert step(place, "Base branch", **asked) == Done("", "", 0)
    assert step(place, "Check", **asked).code == 0
    assert step(place, "Gate").code == 0


def test_a_base_branch_that_cannot_be_read_ends_the_job(place: Path) -> None:
    asked = passes_a_role(place)
    stand_in(place, "gh", f"GH_SAYS='Bad credentials (HTTP 401)'\n{GH_BASELINE}")
    done = step(place, "Base branch", base_ref="main", **asked)
    assert done.code == 1
    told = "policygen.toml of refs/heads/main could not be read: gh: Bad credentials (HTTP 401)"
    assert done.stdout == f"::error title=policygen gate not checked::{told}\n"
    assert (
        (place / "summary.md")
        .read_text("utf-8")
        .endswith(f"### policygen: gate **not checked**\n\n    {told}\n")
    )


def test_an_empty_token_is_told_by_its_name(place: Path) -> None:
    done = step(place, "Base branch", base_ref="main", github_token="", baseline="known.json")
    assert done.code == 1
    assert done.stdout.startswith("::error title=policygen gate not checked::github-token is empty, so what ")
    assert "github-token is empty" in (place / "summary.md").read_text("utf-8")
    assert step(place, "Base branch", github_token="") == Done("", "", 0)  # on a branch nothing is asked


@pytest.mark.parametrize("file", ["base.toml", "base-pyproject.toml"])
def test_a_pull_request_takes_no_role_out_of_the_gate(file: str, place: Path) -> None:
    planned(place)
    stand_in(place, "gh", GH_BASELINE)
    tables = {}
    for role in ("orders-api", "image-resizer"):
        plan = json.loads((place / "policygen-plans" / f"{role}.json").read_text("utf-8"))
        (place / f"{role}.json").write_text(json.dumps(plan["policies"][0]["document"]), "utf-8")
        tables[role] = f'name = "{role}"\npolicy = "{role}.json"\n'
    head = "[[role]]\n" if file == "base.toml" else "[[tool.policygen.role]]\n"
    (place / file).write_text("".join(f"{head}{table}" for table in tables.values()), "utf-8")
    (place / "policygen.toml").write_text(f"[[role]]\n{tables['image-resizer']}", "utf-8")
    assert step(place, "Base branch", base_ref="main").code == 0
    done = step(place, "Check", base_ref="main")
    assert "title=PG110 taken out of the gate::its [[role]]" in done.stdout
    assert step(place, "Gate").code == 1
    made = json.loads((place / outputs(place)["baseline"]).read_text("utf-8"))
    assert {row["rule"] for row in made["accepted"]} == {"PG110", "PG112"}  # the file is still there


# --- The folder of the plans -----------------------------------------------------------------------


def git(place: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=place, check=True, capture_output=True)


def test_the_plans_of_a_pull_request_are_none(place: Path) -> None:
    git(place, "init", "-q")
    forged = place / "policygen-plans" / "plans" / "orders-api.json"
    forged.parent.mkdir(parents=True)
    forged.write_text("{}", "utf-8")
    assert step(place, "Empty plans", workflow="") == Done("", "", 0)  # another step brought them
    assert forged.exists()
    assert step(place, "Empty plans") == Done("", "", 0)
    assert not (place / "policygen-plans").exists()
    forged.parent.mkdir(parents=True)
    forged.write_text("{}", "utf-8")
    git(place, "add", "-f", "policygen-plans")
    for workflow in ("plans.yml", ""):
        done = step(place, "Empty plans", workflow=workflow)
        assert done.code == 1
        assert "the folder of the plans holds a file of the repository" in done.stdout
        assert forged.exists()


@pytest.mark.parametrize("plans", [".", "..", "/", "x/..", "./"])
def test_a_folder_of_plans_that_holds_the_repository_is_left_alone(plans: str, place: Path) -> None:
    (place / "x").mkdir()
    done = step(place, "Empty plans", plans=plans)
    assert done.code == 1
    assert "holds the repository" in done.stdout
    assert (place / "x").exists()


@pytest.mark.parametrize(("mode", "cache", "kept_there"), [("plan", "true", False), ("plan", "false", True)])
def test_at_night_plans_that_another_step_brought_stay(
    mode: str, cache: str, kept_there: bool, place: Path
) -> None:
    (place / "policygen-plans").mkdir()
    assert step(place, "Empty plans", mode=mode, cache=cache).code == 0
    assert (place / "policygen-plans").exists() == kept_there


GH_NIGHT = """\
cd "$(dirname "$0")/.."
case "$2" in
  repos/o/r) cat home;;
  */runs\\?*) cat runs;;
  */compare/*) cat comparison;;
  */artifacts\\?*) cat artifacts;;
  */zip) cat zip;;
  *) echo "gh: Not Found (HTTP 404)" >&2; exit 1;;
esac
"""
"""A gh that answers by the files of a place."""


def tells_of_the_night(place: Path, change: Callable[[provenance.World], None]) -> None:
    """Let gh tell of a night that made the plans of the place, after a change."""
    plans = {path.name: path.read_bytes() for path in (place / "policygen-plans").iterdir()}
    told = provenance.world()
    provenance.of_zip(provenance.packed(plans))(told)
    change(told)
    stand_in(place, "gh", GH_NIGHT)
    for name in ("home", "comparison"):
        (place / name).write_text(json.dumps(told[name]), "utf-8")
    (place / "runs").write_text(json.dumps({"workflow_runs": told["runs"]}), "utf-8")
    (place / "artifacts").write_text(json.dumps({"artifacts": told["artifacts"]}), "utf-8")
    (place / "zip").write_bytes(told["zip"])


def checked_by_the_night(place: Path, change: Callable[[provenance.World], None]) -> Done:
    """The check of a pull request, with the plans of its own run lying there."""
    planned(place)
    plan = json.loads((place / "policygen-plans" / "orders-api.json").read_text("utf-8"))
    (place / "p.json").write_text(json.dumps(plan["policies"][0]["document"]), "utf-8")
    tells_of_the_night(place, change)
    asked = {"roles": "orders-api", "policy": "p.json"}
    for name in ("Empty plans", "Fetch plans"):
        assert step(place, name, **asked).code == 0
    return step(place, "Check", **asked)


def test_the_check_names_the_run_the_commit_and_the_digest_of_the_plans(place: Path) -> None:
    done = checked_by_the_night(place, lambda _: None)
    digest = hashlib.sha256((place / "zip").read_bytes()).hexdigest()
    told = f"from run 7 of policygen-plans.yml on main {provenance.SHA[:12]}, sha256:{digest}"
    assert f"gate passed, nothing against the policy; plan of 2026-11-24, {told}" in done.stdout
    comment = (place / "policygen-out" / "comment.md").read_text("utf-8")
    assert digest in comment
    assert step(place, "Gate").code == 0


@pytest.mark.parametrize("name", provenance.REFUSED)
def test_plans_of_another_origin_are_not_checked_and_never_pass(name: str, place: Path) -> None:
    done = checked_by_the_night(place, provenance.REFUSED[name][0])
    assert "::error title=policygen gate not checked::no plans to check by: " in done.stdout
    assert "gate passed" not in done.stdout
    for file in (place / "policygen-out" / "comment.md", place / "summary.md"):
        assert "gate **not checked**" in file.read_text("utf-8")
    assert outputs(place)["sarif"] == ""
    assert step(place, "Gate").code == 3


def test_a_role_that_fails_keeps_the_plan_of_an_earlier_night(place: Path) -> None:
    stand_in(place, "policygen", PLANNER)
    plans = place / "policygen-plans"
    plans.mkdir()
    for old in ("stuck", "a", "c"):
        (plans / f"{old}.json").write_text("of yesterday", "utf-8")
    assert step(place, "Plan", roles="a\nstuck\n").code == 0
    assert {one.name: one.read_text("utf-8") for one in plans.iterdir()} == {
        "stuck.json": "of yesterday",
        "a.json": "{}\n",
        "c.json": "of yesterday",
    }
    assert outputs(place) == {"kept": "true", "status": "3"}


@pytest.mark.parametrize("roles", ["a", ""], ids=["named roles", "all roles"])
def test_a_new_plan_takes_the_place_of_older_ones_by_other_names(roles: str, place: Path) -> None:
    stand_in(place, "policygen", PLANNER)
    plans = place / "policygen-plans"
    plans.mkdir()
    for old in ("a.json.gz", "a-111122223333.json", "a-444455556666.json.gz", "a-1.json"):
        (plans / old).touch()
    assert step(place, "Plan", roles=roles).code == 0
    assert {one.name for one in plans.iterdir()} == {"a.json", "a-1.json"}


def test_a_night_that_makes_nothing_keeps_what_there_is_and_fails(place: Path) -> None:
    stand_in(place, "policygen", "echo 'error: no call by x in 30 days  PG-E301, exit 4' >&2; exit 4")
    (place / "policygen-plans").mkdir()
    (place / "policygen-plans" / "x.json").touch()
    assert step(place, "Plan", roles="x").stdout.endswith("::no plan was made\n")
    assert kept(place) == {"x"}
    assert outputs(place) == {"kept": "false", "status": "4"}


BROKEN_INPUTS = {
    "a configuration that is not TOML": ("policygen.toml", "[[role\n", "PG-E360"),
    "a configuration with a wrong key": ("policygen.toml", "unverifed = 1\n", "PG-E361"),
    "a role with a wrong key": ("policygen.toml", '[[role]]\nname = "a"\npolcy = "b"\n', "PG-E247"),
    "a baseline that is none": ("known.json", "[]", "PG-E246"),
}


@pytest.mark.parametrize("name", BROKEN_INPUTS)
def test_what_ends_the_check_before_any_role_is_an_annotation_and_a_comment(name: str, place: Path) -> None:
    file, text, code = BROKEN_INPUTS[name]
    (place / file).write_text(text, "utf-8")
    done = step(place, "Check", baseline="known.json" if file == "known.json" else "")
    assert done.code == 0
    (line,) = [one for one in done.stdout.splitlines() if one.startswith("::error")]
    assert line.startswith("::error title=policygen gate not checked::")
    assert line.endswith(f"  {code}")
    assert f"{code}, exit 2" in done.stderr
    comment = (place / "policygen-out" / "comment.md").read_text("utf-8")
    assert comment.startswith(
        "<!-- policygen:check::%2A -->\n\n### policygen: gate **not checked**\n\n    error: "
    )
    assert code in comment
    assert outputs(place)["sarif"] == ""
    assert step(place, "Gate").code == 2


def test_what_policygen_says_of_hostile_names_is_no_command_to_the_runner(place: Path) -> None:
    """A command stands at the start of a line, or in brackets anywhere in it; the runner reads both streams."""
    said = "error: ##[stop-commands]x  PG-E360, exit 2\n::add-mask::x\n  ::stop-commands::x\n"
    stand_in(place, "policygen", f"printf %s {shlex.quote(said)} >&2; exit 2")
    done = step(place, "Check", roles="x", policy="p.json")
    assert (
        done.stderr == "error: # [stop-commands]x  PG-E360, exit 2\n# :add-mask::x\n  # :stop-commands::x\n"
    )
    assert done.stdout == "::error title=policygen gate not checked::##[stop-commands]x  PG-E360\n"
    comment = (place / "policygen-out" / "comment.md").read_text("utf-8")
    assert comment.splitlines()[4:] == [f"    {line}" for line in said.splitlines()]


def test_of_one_role_the_comment_without_a_report_is_still_its_own(place: Path) -> None:
    (place / "policygen.toml").write_text("[[", "utf-8")
    step(place, "Check", roles="arn:aws:iam::111122223333:role/service-role/orders-api", policy="p.json")
    comment = (place / "policygen-out" / "comment.md").read_text("utf-8")
    assert comment.startswith("<!-- policygen:check:111122223333:orders-api -->\n")


HOSTILE = {
    "a command in quotes": 'x"; touch pwned; "',
    "a substitution": "$(touch pwned)`touch pwned`",
    "an option": "--help",
    "a line break": "x\ntouch pwned",
    "a redirection": "x > pwned",
}


@pytest.mark.parametrize(
    "name", ["roles", "logs", "snapshot", "days", "policy", "baseline", "fail_on", "plans", "out"]
)
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_no_input_becomes_a_command_or_an_option(name: str, value: str, place: Path) -> None:
    """The commands are replaced by one that notes its arguments: what reaches it is what counts."""
    stand_in(place, "policygen", 'printf "%s\\0" "$@" >> said')
    if name == "baseline":
        (place / value).write_text("{}", "utf-8")
    stand_in(place, "gh", GH_BASELINE)
    given = f"inputs.{name.replace('_', '-')} }}}}"
    used = [
        one for one in SCRIPTS if any(text.endswith(given) for text in steps()[one].get("env", {}).values())
    ]
    for one in used:
        step(place, one, **({"roles": "x"} | {name: value}))
    said = (place / "said").read_bytes().decode().split("\0")
    assert not list(place.rglob("pwned"))
    assert "--help" not in said[: said.index("--")] if "--" in said else "--help" not in said
    lines = value.split("\n") if name in {"logs", "policy", "roles"} else [value]
    for line in lines:
        assert [word for word in said if line in word]


MARKERS = {
    "its own": ("<!-- policygen:check:1:x -->", 12),
    "the last one of several": ("<!-- policygen:check:2:x -->", 18),
    "none, as only others have one": ("<!-- policygen:check:3:x -->", None),
    "one without an account, of when no plan was there": ("<!-- policygen:check:1:y -->", 13),
}

GH = """\
cd "$(dirname "$0")/.."
for word in "$@"; do
  case "$word" in
    --paginate) cat pages; exit;;
    body=@*) cat -- "${word#body=@}" > written;;
  esac
done
printf '%s\\n' "$@" > said
exit "$REFUSED"
"""
"""A gh that answers with pages of comments, and keeps what it is to write."""


def pages(*ids: tuple[int, str, str | None]) -> str:
    """Pages of comments as `gh api --paginate` writes them: one list after the other."""
    listed = [{"id": one, "user": {"type": user}, "body": body} for one, user, body in ids]
    return "".join(json.dumps(listed[start : start + 2]) for start in range(0, len(listed), 2))


def commented(place: Path, comment: str, existing: str, refused: int = 0) -> tuple[Done, str]:
    """Write the comment of a check; return how the step ended, and where GitHub was asked to write."""
    stand_in(place, "gh", f"REFUSED={refused}\n{GH}")
    (place / "pages").write_text(existing, "utf-8")
    (place / "policygen-out").mkdir()
    (place / "policygen-out" / "comment.md").write_text(comment, "utf-8")
    done = step(place, "Comment")
    _, silent, method, how, where, field, _ = (place / "said").read_text("utf-8").splitlines()
    assert (silent, method, field) == ("--silent", "--method", "--field")
    assert (place / "written").read_text("utf-8") == comment
    return done, f"{how} {where}"


@pytest.mark.parametrize("name", MARKERS)
def test_a_comment_is_found_by_its_role_and_its_account_if_it_is_known(name: str, place: Path) -> None:
    marker, number = MARKERS[name]
    existing = pages(
        (11, "Bot", "<!-- policygen:suggest:1:x -->\n"),
        (12, "Bot", "<!-- policygen:check:1:x -->\r\n\r\nold"),
        (13, "Bot", "<!-- policygen:check::y -->\n"),
        (14, "Bot", "<!-- policygen:check:1:xy -->\n"),
        (15, "User", f"{marker}\n"),
        (16, "Bot", None),
        (17, "Bot", "<!-- policygen:check:2:x -->\n"),
        (18, "Bot", "<!-- policygen:check:2:x -->\n"),
        (19, "Bot", f"quoted: {marker}\n"),
    )
    done, target = commented(place, f"{marker}\n\nnew\n", existing)
    assert done == Done("", "", 0)
    to = f"PATCH repos/o/r/issues/comments/{number}" if number else "POST repos/o/r/issues/7/comments"
    assert target == to


def test_a_comment_without_an_account_takes_the_place_of_any(place: Path) -> None:
    existing = pages((12, "Bot", "<!-- policygen:check:1:x -->\n"))
    _, target = commented(place, "<!-- policygen:check::x -->\n\nnew\n", existing)
    assert target == "PATCH repos/o/r/issues/comments/12"


def test_a_first_comment_is_a_new_one(place: Path) -> None:
    done, target = commented(place, "<!-- policygen:check:1:x -->\n\nrest\n", "")
    assert (done, target) == (Done("", "", 0), "POST repos/o/r/issues/7/comments")


def test_a_token_that_may_not_write_comments_is_a_warning_and_not_the_gate(place: Path) -> None:
    done, _ = commented(place, "<!-- policygen:check:1:x -->\n", "", refused=1)
    assert (done.code, done.stdout[:41]) == (0, "::warning::the comment was not written: t")


# --- What a checkout holds -------------------------------------------------------------------------


def hostile(place: Path) -> Path:
    """Put a module of every name that an interpreter of the job may import into the checkout; return where marks go."""
    marks = place.parent / f"{place.name}-marks"
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    asked = [*pyproject["dependencies"], *pyproject["optional-dependencies"]["yaml"]]
    installed = {name for one in packages_distributions().items() for name in (one[0], *one[1])}
    names = {re.split(r"[^\w-]", one)[0] for one in asked} | installed | set(sys.stdlib_module_names)
    names |= {
        "pip",
        "setuptools",
        "wheel",
        "yaml",
        "policygen",
        "sitecustomize",
        "usercustomize",
        "site",
        "_hooks",
    }
    for name in names:
        module = place / f"{name}.py"
        if module.stem.isidentifier():
            module.write_text(
                f"open({str(marks)!r}, 'a').write({name!r} + '\\n')\nraise ImportError('hostile')\n", "utf-8"
            )
    (place / "pip.conf").write_text("[global]\nrequire-hashes = true\n", "utf-8")
    assert (place / "json.py").exists()
    return marks


@pytest.mark.parametrize("mode", ["plan", "check"])
def test_no_module_of_the_checkout_is_imported(mode: str, place: Path) -> None:
    """A pull request may hold a json.py, and the token of its job may write."""
    git(place, "init", "-q")
    spy = place.parent / f"{place.name}-spy"
    leaves_a_mark = f"touch {shlex.quote(str(spy))}; false"
    for setting, before in (("core.fsmonitor", ""), ("core.pager", ""), ("alias.ls-files", "!")):
        git(place, "config", setting, f"{before}{leaves_a_mark}")
    if mode == "check":
        planned(place)
        tells_of_the_night(place, lambda _: None)
        document = json.loads((place / "policygen-plans" / "orders-api.json").read_text("utf-8"))
        (place / "p.json").write_text(json.dumps(document["policies"][0]["document"]), "utf-8")
    marks = hostile(place)
    installing = place.parent / f"{place.name}-install"
    installing.mkdir()
    own = {"PYTHONPATH": ".", "PIP_CONFIG_FILE": "pip.conf", "PIP_TARGET": str(place)}
    done = bash(place, steps()["Install"]["run"],
                GITHUB_ACTION_PATH=str(place / "none"), RUNNER_TEMP=str(installing), **own)  # fmt: skip
    assert "ERROR: " in done.stderr, done.stderr  # pip itself ran, and has nothing to install
    if mode == "plan":
        assert step(place, "Empty plans").code == 0
        roles = step(place, "Plan", own=own, **NIGHT | {"roles": ""})  # reads policygen.toml, and the account
        assert step(place, "Plan", own=own, **NIGHT).code == 0
        assert {"orders-api", "image-resizer", "report-monthly"} <= kept(place), roles.stderr
        assert step(place, "Night", own=own).code == 0
    else:
        asked = {"roles": "orders-api", "policy": "p.json", "baseline": "known.json"}
        assert step(place, "Empty plans", own=own).code == 0
        assert step(place, "Fetch plans", own=own).code == 0
        stand_in(place, "gh", GH_BASELINE)
        assert step(place, "Base branch", own=own, base_ref="main", **asked).code == 0
        done = step(place, "Check", own=own, base_ref="main", **asked)
        assert "policygen orders-api: gate passed" in done.stdout, done.stderr
        stand_in(place, "gh", f"REFUSED=0\n{GH}")
        (place / "pages").write_text("[]", "utf-8")
        assert step(place, "Comment", own=own).code == 0
        assert step(place, "Gate", own=own).code == 0
    assert not marks.exists(), marks.read_text("utf-8")
    assert not spy.exists()
