"""The gate without logs: by a plan, for the roles of policygen.toml, and against a baseline."""

from __future__ import annotations

import gzip
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from policygen.gate.baseline import baseline_text, parse_baseline
from policygen.gate.findings import LEVELS, RULES, Finding
from policygen.plan.io import read_plan
from tests.support import ROOT
from tests.support.command import environment, run
from tests.support.samples import SAMPLES

ROLES = ("orders-api", "image-resizer")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the suggested policies of two roles, their plans, and the file that maps them."""
    at = tmp_path_factory.mktemp("gate")
    (at / "iam").mkdir()
    for role in ROLES:
        logs = ("-l", SAMPLES / "trail", "-s", SAMPLES / "account.json", "--plans", at / "plans")
        done = run(at, "suggest", "-r", role, *logs, "-q", "-f", "policy")
        assert done.code == 0
        (at / "iam" / f"{role}.json").write_text(done.stdout, "utf-8")
    (at / "policygen.toml").write_text(
        "".join(f'[[role]]\nname = "{role}"\npolicy = "iam/{role}.json"\n' for role in ROLES), "utf-8"
    )
    return at


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    """The same, to change."""
    for name in ("plans", "policygen.toml"):
        (tmp_path / name).symlink_to(made / name)
    (tmp_path / "iam").mkdir()
    for role in ROLES:
        (tmp_path / "iam" / f"{role}.json").write_text((made / "iam" / f"{role}.json").read_text("utf-8"))
    return tmp_path


def allow(place: Path, role: str, *actions: str, on: str = "*", **more: Any) -> None:
    """Add a statement to a role's policy."""
    file = place / "iam" / f"{role}.json"
    document = json.loads(file.read_text("utf-8"))
    document["Statement"].append({"Effect": "Allow", "Action": list(actions), "Resource": on, **more})
    file.write_text(json.dumps(document, indent=2), "utf-8")


OWN = ("check", "iam/orders-api.json", "--plan", "plans/orders-api.json", "-q")
ALL = ("check", "--all", "--plans", "plans", "-q")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("command", [OWN, ALL], ids=["one role", "all roles"])
def test_what_the_tool_suggests_passes_every_level(command: Sequence[str], level: str, made: Path) -> None:
    assert run(made, *command, "--fail-on", level).code == 0


def test_a_check_by_a_plan_starts_without_what_reads_logs(made: Path) -> None:
    words = ["policygen", "check", "iam/orders-api.json", "--plan", "plans/orders-api.json"]
    script = (
        f"import sys; sys.argv = {words!r}\n"
        "from policygen.cli.app import main\n"
        "try: main()\n"
        "except SystemExit: print(*sys.modules, sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=made,
        env=environment(made),
        capture_output=True,
        check=True,
        text=True,
    )
    loaded = set(done.stdout.splitlines())
    assert "policygen.plan.gate" in loaded
    slow = {
        "boto3",
        "botocore",
        "pandas",
        "pydantic",
        "jinja2",
        "policygen.logs.reader",
        "policygen.rightsize.suggest",
    }
    assert loaded.isdisjoint(slow)


def test_a_plan_needs_neither_a_role_nor_logs_and_says_what_it_does_not_show(made: Path) -> None:
    done = run(made, *OWN)
    told, _, attached = done.stdout.partition("  attached today, and not checked:\n")
    assert attached.split()[0] == f"{BASIC},"
    assert told == (
        "gate passed  orders-api: nothing against the policy\n"
        "  1 file, evidence on 30 of 30 days, last call 2026-11-24 22:36\n"
        "  plan of 2026-11-24\n"
        "  not shown: 15 notes and 3 findings that the suggestion has too (--notes shows\n"
        "  them)\n"
    )
    shown = run(made, *OWN, "--notes").stdout
    assert "note PG301 the logs can't tell whether it is used (15)\n" in shown
    assert "not shown" not in shown
    assert run(made, *OWN, "-f", "json").stdout == run(made, *OWN, "-f", "json", "--notes").stdout


def test_the_findings_that_people_see_and_do_not_see_are_all(place: Path) -> None:
    allow(place, "orders-api", "iam:PassRole", "sns:Publish", "ec2:RunInstances")
    found = json.loads(run(place, *OWN, "-f", "json").stdout)["findings"]
    first, _, _, *rest = run(place, *OWN).stdout.splitlines()
    against = [one for one in found if one["against"] and one["level"] != "note"]
    assert len(against) == sum(int(word) for word in first.split(": ")[1].split(" at or")[0].split()[::2][:2])
    notes = sum(one["level"] == "note" for one in found)
    assert f"not shown: {notes} notes and {len(found) - notes - len(against)} findings" in rest[0]


@pytest.mark.parametrize("role", ROLES)
def test_passing_every_role_fails_against_the_baseline(role: str, place: Path) -> None:
    assert run(place, *ALL, "--write-baseline", "known.json").code == 0
    assert run(place, *ALL, "--baseline", "known.json").code == 0
    allow(place, role, "iam:PassRole")
    done = run(place, *ALL, "--baseline", "known.json")
    assert done.code == 1
    assert done.stdout.startswith(f"gate failed for 1 of 2 roles: {role}\n")
    assert f"iam/{role}.json" in done.stdout
    assert "iam:PassRole" in done.stdout


def test_a_baseline_accepts_what_is_there_and_nothing_more(place: Path) -> None:
    allow(place, "orders-api", "s3:DeleteObject", on="arn:aws:s3:::one/*")
    assert run(place, *OWN, "--fail-on", "warning").code == 1
    done = run(place, *OWN[:-1], "--write-baseline", "known.json")
    assert (done.stdout, done.code) == ("", 0)
    assert done.stderr.startswith("known.json accepts ")
    assert run(place, *OWN, "--baseline", "known.json").code == 0
    allow(place, "orders-api", "s3:DeleteObject", on="arn:aws:s3:::other/*")
    again = run(place, *OWN, "--baseline", "known.json")
    assert again.code == 1
    assert re.search(r"\d+ findings? accepted by \d+ entr(y|ies) of known\.json", again.stdout)


# What is accepted first, and what is more than that.
WIDER: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a condition that goes": (
        {"Action": ["ec2:StopInstances"], "Condition": {"StringEquals": {"aws:RequestTag/a": "b"}}},
        {"Action": ["ec2:StopInstances"]},
    ),
    "another action of as many": ({"Action": ["sqs:Tag*"]}, {"Action": ["sqs:Untag*"]}),
    "a wildcard that matches more": ({"Action": ["s3:DeleteObj*Tagging"]}, {"Action": ["s3:DeleteObj*"]}),
    "a wider resource": (
        {"Action": ["sns:Subscribe"], "Resource": "arn:aws:sns:eu-west-1:111122223333:a"},
        {"Action": ["sns:Subscribe"], "Resource": "arn:aws:sns:eu-west-1:111122223333:*"},
    ),
    "fewer resources left out": (
        {"Action": ["sns:Subscribe"], "NotResource": ["arn:aws:sns:*:*:a", "arn:aws:sns:*:*:b"]},
        {"Action": ["sns:Subscribe"], "NotResource": ["arn:aws:sns:*:*:a"]},
    ),
}


@pytest.mark.parametrize("name", WIDER)
def test_nothing_wider_than_a_baseline_passes(name: str, place: Path) -> None:
    file = place / "iam" / "orders-api.json"
    document = json.loads(file.read_text("utf-8"))

    def write(statement: dict[str, Any]) -> None:
        on = {} if "NotResource" in statement else {"Resource": "*"}
        added = [*document["Statement"], {"Effect": "Allow", **on, **statement}]
        file.write_text(json.dumps(document | {"Statement": added}), "utf-8")

    accepted, wider = WIDER[name]
    write(accepted)
    assert run(place, *OWN, "--write-baseline", "known.json").code == 0
    assert run(place, *OWN, "--baseline", "known.json").code == 0
    write(wider)
    assert run(place, *OWN, "--baseline", "known.json").code == 1


def test_a_gate_that_fails_says_how_a_finding_that_is_meant_is_accepted(place: Path) -> None:
    allow(place, "orders-api", "route53:ChangeResourceRecordSets")
    way = "If a finding is meant, accept it, and merge that file before the policy:"
    for compared, seen in (
        (ALL[:-1], ("--fail-on", "note", "-q", "--notes", "--export=c.md")),
        (OWN[:-1], ("--baseline", "policygen-baseline.json")),
    ):
        done = run(place, *compared, *seen)
        command = done.stdout.partition(f"\n{way}\n  ")[2].partition("\n")[0]
        kept = seen if "--baseline" in seen else ()
        assert command == shlex.join(
            ("policygen", *compared, *kept, "--write-baseline", "policygen-baseline.json")
        )
        assert f"{way} `{command}`\n" in run(place, *compared, *seen, "-f", "markdown").stdout
        assert run(place, *shlex.split(command)[1:]).code == 0
        accepted = run(place, *compared, "--baseline", "policygen-baseline.json")
        assert (accepted.code, "is meant" in accepted.stdout) == (0, False)
        allow(place, "orders-api", "route53:DeleteHostedZone")
    assert "if it is meant, accept it in a baseline" in run(place, *OWN, "-f", "github").stdout


def test_what_a_baseline_accepts_is_counted_as_its_lines_are(place: Path) -> None:
    allow(place, "orders-api", "iam:PassRole", "sns:Publish", "ec2:RunInstances")
    told = run(place, *ALL[:-1], "--write-baseline", "known.json").stderr
    lines = (place / "known.json").read_text("utf-8").splitlines()
    levels, counts, last, level = [], Counter[str](), 0, ""
    for number, line in enumerate(lines, 1):
        if head := re.search(r'"level": "(\w+)"', line):
            level = head[1]
            levels.append(level)
        elif line.startswith('      "'):
            counts[level] += 1
            last = number if level == "error" else last
    assert len(set(levels)) == 3
    counted = ", ".join(f"{counts[one]} {one}{'s' * (counts[one] > 1)}" for one in dict.fromkeys(levels))
    entries = f"{counts.total()} entries"
    assert told.startswith(
        f"known.json accepts {counted} of 1 role: {entries}, a line each; errors first, to line {last}"
    )
    assert (
        f" accepted by {entries} of known.json\n" in run(place, *ALL[:-1], "--baseline", "known.json").stdout
    )


def test_a_baseline_of_one_role_leaves_what_it_accepts_of_others(place: Path) -> None:
    for role in ROLES:
        allow(place, role, "iam:PassRole")
        file = ("check", f"iam/{role}.json", "--plan", f"plans/{role}.json")
        done = run(place, *file, "--write-baseline", "known.json")
    assert "; what it accepts of other roles is as it was" in done.stderr
    assert run(place, *ALL, "--baseline", "known.json").code == 0
    other = (place / "policygen.toml").read_text("utf-8")
    (place / "notes.json").write_text(json.dumps({"a": other}), "utf-8")
    assert run(place, *file, "--write-baseline", "notes.json").code == 2
    assert json.loads((place / "notes.json").read_text("utf-8")) == {"a": other}


def test_a_role_that_cannot_be_checked_does_not_hide_the_others(place: Path) -> None:
    allow(place, "orders-api", "iam:PassRole")
    text = (place / "policygen.toml").read_text("utf-8")
    (place / "policygen.toml").unlink()
    (place / "policygen.toml").write_text('[[role]]\nname = "new"\npolicy = "new.json"\n' + text, "utf-8")
    done = run(place, *ALL)
    assert done.code == 4
    assert done.stdout.startswith("gate failed for 1 of 3 roles: orders-api\nnot checked: new\n")
    assert "iam:PassRole" in done.stdout
    assert "for role 'new'  PG-E349, exit 4" in done.stderr
    for kind, shown in (
        ("json", '"error": "no saved plan'),
        ("junit", 'errors="1"'),
        ("markdown", "**not checked**"),
    ):
        assert shown in run(place, *ALL, "-f", kind).stdout


def test_why_a_role_is_not_checked_is_one_line_without_hints(place: Path) -> None:
    (place / "policygen.toml").unlink()
    (place / "policygen.toml").write_text('[[role]]\nname = "new"\npolicy = "new.json"\n', "utf-8")
    told = run(place, *ALL, "-f", "github").stdout
    assert "for role 'new'  PG-E349" in told
    assert "hint" not in told
    assert told.count("PG-E349") == 2  # the annotation, and the line of the verdict


ROLE_ARN = "arn:aws:iam::111122223333:role/service-role/orders-api"


def test_a_role_that_two_tables_name_is_refused(place: Path) -> None:
    """Each table alone would be checked without what the other one grants."""
    tables = "".join(
        f'[[role]]\nname = "{name}"\npolicy = "iam/orders-api.json"\n' for name in ("orders-api", ROLE_ARN)
    )
    (place / "policygen.toml").unlink()
    (place / "policygen.toml").write_text(tables, "utf-8")
    done = run(place, *ALL)
    assert done.code == 2
    assert (
        f"role[1].name {ROLE_ARN[:64]!r} is orders-api, which is there before  PG-E247, exit 2" in done.stderr
    )


OTHER_ACCOUNT = "444455556666"
BOTH_ARNS = tuple(
    f"arn:aws:iam::{account}:role/service-role/orders-api" for account in ("111122223333", OTHER_ACCOUNT)
)


@pytest.fixture
def two_accounts(place: Path) -> Path:
    """Two accounts with a role of one name, as a batch of both names their plans."""
    (place / "all").mkdir()
    for arn in BOTH_ARNS:
        plan = json.loads((place / "plans" / "orders-api.json").read_text("utf-8"))
        plan["role"] |= {"arn": arn, "account": arn.split(":")[4]}
        file = place / "all" / f"orders-api-{plan['role']['account']}.json"
        file.write_text(json.dumps(plan), "utf-8")
    policy = (place / "iam" / "orders-api.json").read_text("utf-8")
    (place / "iam" / "other.json").write_text(policy, "utf-8")
    tables = zip(BOTH_ARNS, ("orders-api", "other"), strict=True)
    write_roles(place, *(f'name = "{arn}"\npolicy = "iam/{file}.json"' for arn, file in tables))
    return place


EACH = ("check", "--all", "--plans", "all", "-q")


@pytest.mark.parametrize("number", [0, 1])
def test_roles_of_one_name_in_two_accounts_are_checked_by_their_arns(number: int, two_accounts: Path) -> None:
    assert run(two_accounts, *EACH).stdout.startswith("gate passed for 2 roles\n")
    file = ("orders-api", "other")[number]
    (two_accounts / "iam" / f"{file}.json").write_text(PASS_ROLE, "utf-8")
    done = run(two_accounts, *EACH)
    assert done.code == 1
    account = BOTH_ARNS[number].split(":")[4]
    assert done.stdout.startswith(f"gate failed for 1 of 2 roles: orders-api in {account}\n")
    assert f"iam/{file}.json:1:" in done.stdout
    one = ("check", "--plan", BOTH_ARNS[number], "--plans", "all", "-q", "-f", "json")
    report = json.loads(run(two_accounts, *one).stdout)
    assert (report["account"], report["files"]) == (account, [f"iam/{file}.json"])


def test_a_name_that_two_accounts_have_is_an_error_that_lists_both(two_accounts: Path) -> None:
    write_roles(two_accounts, 'name = "orders-api"\npolicy = "iam/orders-api.json"')
    for words in (EACH, ("check", "--plan", "orders-api", "--plans", "all", "-q")):
        done = run(two_accounts, *words)
        assert done.code == 2
        assert (
            "error: 2 accounts have a role 'orders-api', each with a plan  PG-E249, exit 2\n" in done.stderr
        )
        assert f"hint: name one of them: {', '.join(BOTH_ARNS)}\n" in done.stderr


def test_an_arn_of_a_third_account_has_no_plan(two_accounts: Path) -> None:
    third = BOTH_ARNS[0].replace("111122223333", "777788889999")
    write_roles(two_accounts, *(f'name = "{one}"\npolicy = "iam/other.json"' for one in (*BOTH_ARNS, third)))
    done = run(two_accounts, *EACH)
    assert done.code == 4
    assert f"is of account 111122223333, 444455556666, not of {third}  PG-E349, exit 4" in done.stderr
    assert done.stdout.startswith("not checked: orders-api in 777788889999\n")


def test_a_baseline_accepts_of_the_role_of_one_account_alone(two_accounts: Path) -> None:
    (two_accounts / "iam" / "other.json").write_text(PASS_ROLE, "utf-8")
    assert run(two_accounts, *EACH, "--write-baseline", "known.json", "--accept-denied").code == 0
    assert run(two_accounts, *EACH, "--baseline", "known.json").code == 0
    (two_accounts / "iam" / "orders-api.json").write_text(PASS_ROLE, "utf-8")
    done = run(two_accounts, *EACH, "--baseline", "known.json")
    assert done.stdout.startswith("gate failed for 1 of 2 roles: orders-api in 111122223333\n")
    # Rows without an account, as written by hand, are about a role of that name in any.
    rows = json.loads((two_accounts / "known.json").read_text("utf-8"))
    for row in rows["accepted"]:
        del row["account"]
    (two_accounts / "any.json").write_text(json.dumps(rows), "utf-8")
    assert run(two_accounts, *EACH, "--baseline", "any.json").code == 0


def test_a_policy_that_iam_could_never_take_is_refused_at_once(place: Path) -> None:
    allow(place, "orders-api", *(f"s3:Get{n}" for n in range(10_000)))
    done = run(place, *OWN)
    assert done.code == 2
    assert "'iam/orders-api.json': it has 1" in done.stderr
    assert "characters, and IAM takes at most 10,240 of a role  PG-E219, exit 2" in done.stderr


def test_white_space_and_a_link_do_no_harm_and_a_link_to_nothing_is_told(place: Path) -> None:
    file = place / "iam" / "orders-api.json"
    file.write_text(file.read_text("utf-8") + " " * 2_000_000, "utf-8")
    (place / "link.json").symlink_to(file)
    own = ("--plan", "plans/orders-api.json", "-q")
    assert run(place, "check", "link.json", *own).code == 0
    (place / "loop.json").symlink_to("loop.json")
    done = run(place, "check", "loop.json", *own)
    assert done.stderr.startswith(
        "error: cannot read 'loop.json': Too many levels of symbolic links  PG-E219, exit 2"
    )


def test_a_baseline_says_what_is_no_longer_found(place: Path) -> None:
    allow(place, "orders-api", "iam:PassRole")
    run(place, *OWN, "--write-baseline", "known.json")
    (place / "iam" / "orders-api.json").write_text((ROOT / "tests/cases/check/orders-api.json").read_text())
    plan = read_plan((place / "plans" / "orders-api.json").read_bytes(), "p")
    (place / "iam" / "orders-api.json").write_text(json.dumps(plan.policies[0].document))
    assert "; 1 of its entries no longer found" in run(place, *OWN, "--baseline", "known.json").stdout


def test_the_suggestion_beside_the_old_policies_passes_with_a_baseline_of_these(place: Path) -> None:
    """The first of two commits makes nothing wider."""
    plan = read_plan((place / "plans" / "orders-api.json").read_bytes(), "p")
    documents = {f"old{n}": one.document for n, one in enumerate(plan.today or ()) if not one.arn}
    documents |= {f"new{n}": one.document for n, one in enumerate(plan.policies)}
    for name, document in documents.items():
        (place / f"{name}.policy").write_text(json.dumps(document), "utf-8")
    arns = [one.arn for one in plan.today or () if one.arn]
    old = [*sorted(f"{name}.policy" for name in documents if name.startswith("old")), *arns]
    new = sorted(f"{name}.policy" for name in documents if name.startswith("new"))
    by = ("--plan", "plans/orders-api.json", "-q")
    assert run(place, "check", *old, *by, "--write-baseline", "known").code == 0
    assert run(place, "check", *old, *new, *by).code == 1
    done = run(place, "check", *old, *new, *by, "--baseline", "known")
    assert done.stdout.startswith("gate passed  orders-api: nothing new against the policy\n")
    assert done.code == 0


SINCE = ("--baseline", "known.json", "--baseline-before", "before.json")


@pytest.fixture
def accepted(place: Path) -> Path:
    """A policy that passes iam:PassRole, and a change that lets the baseline accept it."""
    assert run(place, *ALL, "--write-baseline", "before.json").code == 0
    allow(place, "orders-api", "iam:PassRole")
    assert run(place, *ALL, "--write-baseline", "known.json").code == 0
    assert (
        run(place, *ALL, "--baseline", "known.json").code == 0
    )  # the file of the change accepts its own finding
    return place


def test_a_change_does_not_accept_its_own_finding(accepted: Path) -> None:
    done = run(accepted, *OWN, *SINCE)
    assert done.code == 1
    assert "  newly accepted in this change, counts once the base branch has it:\n" in done.stdout
    assert "    PG101 iam:PassRole on * (1)\n" in done.stdout
    run(accepted, *ALL, "--write-baseline", "before.json")  # merged
    done = run(accepted, *OWN, *SINCE)
    assert done.code == 0
    assert "newly accepted" not in done.stdout


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("github", "::warning file=known.json,line=1,title=policygen baseline::orders-api: newly accepted "),
        ("markdown", "**Newly accepted in this change, counts once the base branch has it**:\n\n- "),
        ("json", '"newly_accepted": [\n'),
        ("junit", '<property name="newly accepted" value="PG1'),
        ("sarif", '"newly_accepted": [\n'),
    ],
)
def test_every_format_names_what_a_change_accepts(kind: str, shown: str, accepted: Path) -> None:
    done = run(accepted, *OWN, *SINCE, "-f", kind)
    assert done.code == 1
    assert shown in done.stdout
    assert "iam:PassRole on * (1)" in done.stdout.replace("`", "")


def test_what_a_change_accepts_is_told_as_it_is_written_and_in_words(place: Path) -> None:
    (place / "before.json").write_text('{"policygen_baseline": 1, "accepted": []}', "utf-8")
    condition = {"StringEquals": {"aws:RequestTag/team": ["a", "b"]}}
    allow(place, "orders-api", "dax:CreateC*", Condition=condition)
    run(place, *OWN, "--write-baseline", "known.json")
    done = run(place, *OWN, "--baseline", "known.json", "--baseline-before", "before.json", "-f", "json")
    newly = json.loads(done.stdout)["baseline"]["newly_accepted"]
    assert "PG101 dax:CreateCluster on * if aws:RequestTag/team StringEquals a or b (1)" in newly


def test_where_a_file_of_a_role_was_deleted_the_error_says_what_to_take_out(place: Path) -> None:
    (place / "iam" / "orders-api.json").unlink()
    assert "if it was deleted, take it out of policygen.toml" in " ".join(run(place, *ALL).stdout.split())


@pytest.mark.parametrize(
    ("file", "way"),
    [
        (
            "tfplan/tfplan.json",
            "terraform show -json PLAN > tfplan/tfplan.json, of what terraform plan -out=PLAN wrote",
        ),
        ("plan.json#module.shop.aws_iam_role.orders", "terraform show -json PLAN > plan.json, "),
        ("infra/shop it.json", "terraform show -json PLAN > 'infra/shop it.json', "),
        ("cdk.out/Shop.template.json", "cdk synth"),
        (".serverless/cloudformation-template-update-stack.json", "serverless package"),
        ("iam/plan-reader.json", ""),
        ("iam", ""),
    ],
)
def test_where_a_file_that_is_made_is_missing_the_error_says_how(file: str, way: str, place: Path) -> None:
    """To take it out of policygen.toml would take its role out of the gate."""
    (place / "infra").mkdir()
    (place / "infra" / "main.tf").write_text("", "utf-8")
    shutil.rmtree(place / "iam")
    write_roles(place, f'name = "orders-api"\npolicy = "{file}"')
    told = run(place, *ALL).stderr
    hint = f"make it: {way}" if way else "if it was deleted, take it out of policygen.toml"
    assert f"PG-E219, exit 2\n  hint: {hint}" in told
    assert ("take it out" in told) is not bool(way)


def test_what_is_accepted_of_a_role_that_is_not_checked_is_named_too(accepted: Path) -> None:
    done = run(
        accepted, "check", "iam/image-resizer.json", "--plan", "plans/image-resizer.json", "-q", *SINCE
    )
    assert done.code == 0
    assert "of orders-api in 111122223333, not checked here: PG101 iam:PassRole on * (1)\n" in done.stdout


def test_what_a_change_takes_out_of_the_baseline_counts_again(accepted: Path) -> None:
    (accepted / "known.json").rename(accepted / "old.json")
    (accepted / "before.json").rename(accepted / "known.json")
    done = run(accepted, *OWN, "--baseline", "known.json", "--baseline-before", "old.json")
    assert done.code == 1
    assert "newly accepted" not in done.stdout


def test_a_baseline_is_read_as_it_was_written() -> None:
    from policygen.iam.locations import Location

    found = [
        Finding(rule, 'x"\x1b\u202e', "", "", "p.json", Location(1, 1), "é\ud800") for rule in RULES.values()
    ]
    text = baseline_text({("a\x1b", ""): found})
    assert "\x1b" not in text
    assert "\u202e" not in text
    baseline = parse_baseline(text, "known.json")
    assert baseline.against(("a\x1b", "1"), found)[:3] == ((), len(found), 0)
    assert baseline.against(("b", ""), found).new == tuple(found)


# Files beside the repository's own, arguments -> exit code, the error and its hints.
IMAGES = "arn:aws:iam::111122223333:role/image-resizer"
SHOW = "terraform plan -out=tfplan && terraform show -json tfplan > tfplan.json, and check tfplan.json"
BROKEN = '{\n "Version": "2012-10-17",\n "Statement": [\n  {"Effect": "Allow" "Action": "*"}\n ]\n}'
NO_ROLES = "policygen.toml does not say which policy a role has"
A_ROW = "accepted[0] needs a role, a rule, where it holds, and subjects"
NO_MAP = 'write into it, for each role: [[role]], name = "orders-api", policy = "iam/orders-api.json"'
WRITE_ONE = "--write-baseline FILE writes one of what is found today"
ROLE_OR_PLAN = (
    "no role given  PG-E248, exit 2",
    "a saved plan needs no logs: --plan ROLE",
    "or name the role and its logs: --role ROLE --logs LOGS --snapshot account.json",
)
WRONG: dict[str, tuple[dict[str, str], Sequence[str], tuple[str, ...]]] = {
    "neither a role nor a plan": ({}, ("check", "iam/orders-api.json"), ROLE_OR_PLAN),
    "a plan and logs": (
        {},
        (*OWN, "-l", "logs"),
        (
            "--plan and --logs cannot be used together: a plan holds what was read and decided  PG-E248, exit 2",
            "leave --logs out to check by the plan, or --plan to read the logs",
        ),
    ),
    "all roles and a policy": (
        {},
        (*ALL, "iam/orders-api.json"),
        (
            "--all and POLICY cannot be used together  PG-E248, exit 2",
            "--all takes every role of policygen.toml, and its plan from --plans DIR",
            "policygen check --all --plans plans -q",
        ),
    ),
    "all roles and a plan": (
        {},
        (*ALL, "--plan", "orders-api"),
        (
            "--all and --plan cannot be used together  PG-E248, exit 2",
            "--all takes every role of policygen.toml, and its plan from --plans DIR",
        ),
    ),
    "an Effect that IAM refuses": (
        {
            "p.json": '{"Version": "2012-10-17", "Statement": [{"Effect": "allow", "Action": "*", "Resource": "*"}]}'
        },
        ("check", "p.json", "--plan", "plans/orders-api.json"),
        (
            "policy 'p.json' cannot be read: Statement[0].Effect must be Allow or Deny, not 'allow'  PG-E210, exit 2",
            "compare Statement[0].Effect with the IAM User Guide, IAM JSON policy elements reference",
        ),
    ),
    "a policy with a comma too few": (
        {"p.json": BROKEN},
        ("check", "p.json", "--plan", "plans/orders-api.json"),
        (
            (
                "policy 'p.json' cannot be read: document is not JSON: "
                "Expecting ',' delimiter: line 4 column 22 (char 65)  PG-E210, exit 2"
            ),
            "look before that place: a comma, a quotation mark or a bracket is missing, or is one too many",
        ),
    ),
    "Terraform's code": (
        {"main.tf": 'resource "aws_iam_role" "orders" {}'},
        ("check", "main.tf", "--plan", "plans/orders-api.json"),
        (
            "cannot read 'main.tf': it is Terraform's code, and only a plan has its values  PG-E219, exit 2",
            SHOW,
        ),
    ),
    "a plan as Terraform saves it": (
        {"tfplan": "PK\x03\x04\x14\x00"},
        ("check", "tfplan", "--plan", "plans/orders-api.json"),
        (
            "cannot read 'tfplan': it is a plan of Terraform as it saves it, or another archive  PG-E219, exit 2",
            SHOW,
        ),
    ),
    "several plans and a policy": (
        {},
        (*OWN, "--plan", "image-resizer"),
        (
            "several --plan and POLICY cannot be used together  PG-E248, exit 2",
            "policygen.toml says which policy each role has: [[role]]",
        ),
    ),
    "a role of the file without a plan": (
        {"policygen.toml": '[[role]]\nname = "orders-apj"\npolicy = "iam"\n'},
        ALL,
        (
            "no saved plan in 'plans' for role 'orders-apj'  PG-E349, exit 4",
            "did you mean orders-api?",
            "no plan can be made of it: planned = false in its [[role]]",
        ),
    ),
    "several plans and no role": (
        {},
        ("check", "iam/orders-api.json", "--plan", "plans/"),
        (
            "plans/ has 2 plans, and --role does not say which  PG-E249, exit 2",
            "--all checks all roles of policygen.toml",
            f"policygen check iam/orders-api.json --plan plans/ --role={IMAGES}",
        ),
    ),
    "a role without a plan": (
        {},
        ("check", "iam/orders-api.json", "--plan", "plans/", "-r", "nobody"),
        (
            "plans/ has no plan of the role 'nobody'  PG-E349, exit 4",
            "it has 2 plans: image-resizer, orders-api",
        ),
    ),
    "a role without a policy": (
        {"policygen.toml": '[[role]]\nname = "other"\npolicy = "x.json"\n'},
        ("check", "--plan", "plans/orders-api.json"),
        (
            "no policy to check for orders-api  PG-E248, exit 2",
            "name its file after the command",
            'or write it into policygen.toml: [[role]], name = "orders-api", policy = "FILE"',
            "from its plan and the files here: policygen check --write-roles --plan orders-api",
        ),
    ),
    "a file without roles": (
        {"policygen.toml": "unverified = 'keep'\n"},
        ALL,
        (
            f"{NO_ROLES}: there is no [[role]]  PG-E247, exit 2",
            NO_MAP,
            "of saved plans: policygen check --write-roles",
        ),
    ),
    "a role with a key too many": (
        {"policygen.toml": '[[role]]\nname = "a"\npolicy = "b"\npath = "c"\n'},
        ALL,
        (
            f"{NO_ROLES}: role[0].path is not a key: there are name, policy, planned  PG-E247, exit 2",
            NO_MAP,
        ),
    ),
    "a role with a misspelt key": (
        {"policygen.toml": '[[role]]\nname = "a"\npolicy = "b"\n[[role]]\nname = "b"\npolcy = "b"\n'},
        ALL,
        (
            f"{NO_ROLES}: role[1].polcy is not a key: did you mean policy?  PG-E247, exit 2",
            NO_MAP,
        ),
    ),
    "a role without a name": (
        {"policygen.toml": '[[role]]\npolicy = "b"\n'},
        ALL,
        (
            f"{NO_ROLES}: role[0].name is missing  PG-E247, exit 2",
            NO_MAP,
        ),
    ),
    "a role that is there twice": (
        {"policygen.toml": '[[role]]\nname = "a"\npolicy = "b"\n' * 2},
        ALL,
        (
            f"{NO_ROLES}: role[1].name 'a' is there twice  PG-E247, exit 2",
            NO_MAP,
        ),
    ),
    "a baseline that is not there": (
        {},
        (*OWN, "--baseline", "nothing.json"),
        (
            "'nothing.json' is no baseline: No such file or directory  PG-E246, exit 2",
            WRITE_ONE,
            "policygen check iam/orders-api.json --plan plans/orders-api.json -q --write-baseline nothing.json",
        ),
    ),
    "an older baseline that is not there": (
        {"known.json": '{"policygen_baseline": 1, "accepted": []}'},
        (*OWN, "--baseline", "known.json", "--baseline-before", "nothing.json"),
        (
            "'nothing.json' is no baseline: No such file or directory  PG-E246, exit 2",
            "git show origin/main:known.json > nothing.json",
            'where that branch has none: echo \'{"policygen_baseline": 1, "accepted": []}\' > nothing.json',
        ),
    ),
    "an older baseline alone": (
        {},
        (*OWN, "--baseline-before", "nothing.json"),
        (
            "--baseline-before needs --baseline, the file of this change  PG-E248, exit 2",
            "policygen check iam/orders-api.json --plan plans/orders-api.json -q --baseline nothing.json",
        ),
    ),
    "a policy as a baseline": (
        {},
        (*OWN, "--baseline", "iam/orders-api.json"),
        (
            "'iam/orders-api.json' is no baseline: it does not begin with \"policygen_baseline\": 1  PG-E246, exit 2",
            WRITE_ONE,
        ),
    ),
    "a baseline with a rule that there is not": (
        {
            "b.json": '{"policygen_baseline": 1, "accepted": [{"role": "a", "rule": "X", "where": "", "subjects": []}]}'
        },
        (*OWN, "--baseline", "b.json"),
        (
            f"'b.json' is no baseline: {A_ROW}  PG-E246, exit 2",
            WRITE_ONE,
        ),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_usage_says_what_and_what_next(name: str, place: Path) -> None:
    files, args, (error, *hints) = WRONG[name]
    for file, text in files.items():
        (place / file).unlink(missing_ok=True)
        (place / file).write_text(text, "utf-8")
    done = run(place, *args)
    assert done.stdout == ""
    is_of_a_file = any(f"'{file}'" in error and args[1] == file for file in files)
    if not (hints[-1].startswith("policygen ") or is_of_a_file):
        hints.append("policygen check --help")
    assert done.stderr == f"error: {error}\n" + "".join(f"  hint: {hint}\n" for hint in hints)
    assert done.code == int(error.rsplit(maxsplit=1)[1])


def test_the_command_after_an_error_runs(place: Path) -> None:
    for args in (
        ("check", "iam/image-resizer.json", "--plan", "plans/"),
        ("check", "iam/image-resizer.json", "--plan", "plans/", "--role", "image-resize"),
        (*OWN, "--baseline", "nothing.json"),
        (*ALL, "iam/orders-api.json"),
    ):
        wrong = run(place, *args)
        assert wrong.code in {2, 4}
        _, *words = shlex.split(wrong.stderr.splitlines()[-1].removeprefix("  hint: "))
        assert run(place, *words).code == 0


@pytest.mark.parametrize("kind", ["json", "markdown", "sarif", "junit", "github", "text"])
def test_every_format_takes_several_roles(kind: str, made: Path) -> None:
    done = run(made, *ALL, "-f", kind)
    assert (done.stderr, done.code) == ("", 0)
    assert all(role in done.stdout for role in ROLES) or kind == "text"
    if kind == "json":
        assert [one["role"] for one in json.loads(done.stdout)["reports"]] == list(ROLES)
    if kind == "markdown":
        assert done.stdout.startswith("<!-- policygen:check:111122223333:%2A -->\n")
        assert done.stdout.count("<!--") == 1


# --- Templates -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "file"), [("cloudformation", "t.yaml"), ("sam", "t.yml#OrdersApiFunctionRole")]
)
def test_what_the_tool_writes_as_a_template_passes_every_level(kind: str, file: str, place: Path) -> None:
    made = run(place, "report", "plans/orders-api.json", "-f", kind)
    name = file.partition("#")[0]
    (place / name).write_text(made.stdout, "utf-8")
    own = ("check", file, "--plan", "plans/orders-api.json", "-q")
    assert run(place, *own, "--fail-on", "note").code == 0
    wider = made.stdout.replace("sns:Publish", "iam:PassRole")
    (place / name).write_text(wider, "utf-8")
    done = run(place, *own, "--fail-on", "warning")
    assert done.code == 1
    line = 1 + wider.splitlines().index(next(one for one in wider.splitlines() if "iam:PassRole" in one))
    assert f"{name}:{line}:" in done.stdout


ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
IN_TEMPLATES: dict[str, Any] = {
    "cloudformation": {
        "Resources": {
            "R": {
                "Type": "AWS::IAM::Role",
                "Properties": {"RoleName": "orders-api", "ManagedPolicyArns": [BASIC, ADMIN]},
            }
        }
    },
    "terraform": {
        "format_version": "1.2",
        "planned_values": {
            "root_module": {
                "resources": [
                    {
                        "address": f"aws_iam_role_policy_attachment.{name}",
                        "type": "aws_iam_role_policy_attachment",
                        "values": {"role": "orders-api", "policy_arn": arn},
                    }
                    for name, arn in (("basic", BASIC), ("admin", ADMIN))
                ]
            }
        },
    },
}


@pytest.mark.parametrize("kind", IN_TEMPLATES)
def test_an_attached_policy_that_nobody_knows_does_not_pass(kind: str, place: Path) -> None:
    text = json.dumps(IN_TEMPLATES[kind], indent=1)
    (place / "t.json").write_text(text, "utf-8")
    own = ("check", "t.json", "--plan", "plans/orders-api.json", "-q")
    done = run(place, *own, "-f", "json", "--fail-on", "error")
    assert done.code == 1
    (line,) = [number for number, one in enumerate(text.splitlines(), 1) if ADMIN in one]
    found = [one for one in json.loads(done.stdout)["findings"] if one["rule"] == "PG108"]
    assert [(one["subject"], one["level"], one["against"], one["line"]) for one in found] == [
        (ADMIN, "error", True, line)
    ]
    # What the role has today is known: its findings stand at its ARN, and name it.
    (line,) = [number for number, one in enumerate(text.splitlines(), 1) if BASIC in one]
    known = [one for one in json.loads(done.stdout)["findings"] if one["line"] == line]
    assert known
    assert all(one["message"].endswith(f"; in {BASIC}") for one in known)
    run(place, *own, "--write-baseline", "known.json", "--accept-denied")
    assert run(place, *own, "--baseline", "known.json").code == 0


def test_a_policy_of_another_account_or_path_is_not_the_one_of_today(place: Path) -> None:
    for arn in (BASIC.replace("service-role/", ""), BASIC.replace("::aws:", "::111122223333:")):
        role = {"RoleName": "orders-api", "ManagedPolicyArns": [arn]}
        template = {"Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": role}}}
        (place / "t.json").write_text(json.dumps(template), "utf-8")
        done = run(place, "check", "t.json", "--plan", "plans/orders-api.json", "-q")
        assert "PG108 attaches a policy that is not known\n  t.json:1:" in done.stdout
        assert arn in done.stdout


def test_a_statement_of_a_terraform_plan_is_named(place: Path) -> None:
    address = "module.orders.aws_iam_role_policy.orders"
    statement = {"Sid": "Pass", "Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}
    values = {"role": "orders-api", "policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}
    resource = {"address": address, "type": "aws_iam_role_policy", "values": values}
    module = {"child_modules": [{"address": "module.orders", "resources": [resource]}]}
    (place / "t.json").write_text(
        json.dumps({"format_version": "1.2", "planned_values": {"root_module": module}}), "utf-8"
    )
    done = run(place, "check", "t.json", "--plan", "plans/orders-api.json", "-q", "-f", "github", "--notes")
    (line,) = [one for one in done.stdout.splitlines() if "::iam:PassRole: " in one]
    assert f"; in {address}, statement Pass. Fix" in line


@pytest.mark.parametrize(
    ("actions", "subject"),
    [(["iam:PassRole"], "iam:PassRole"), (["s3:*"], "EX-01"), (["lambda:*", "iam:PassRole"], "PE-")],
)
def test_what_is_added_to_what_was_suggested_fails_at_its_line(
    actions: list[str], subject: str, place: Path
) -> None:
    allow(place, "orders-api", *actions)
    done = run(place, *OWN, "-f", "json")
    assert done.code == 1
    report = json.loads(done.stdout)
    text = (place / "iam" / "orders-api.json").read_text("utf-8").splitlines()
    first = max(number for number, line in enumerate(text, 1) if '"Effect"' in line)
    found = [one for one in report["findings"] if one["subject"].startswith(subject) and one["against"]]
    assert found
    assert all(one["line"] > first for one in found)
    if subject != "iam:PassRole":
        assert run(place, *OWN, "--fail-on", "error").code == 1


def test_an_action_that_there_is_not_is_a_warning(place: Path) -> None:
    allow(place, "orders-api", "s3:GetObjct")
    done = run(place, *OWN)
    assert done.code == 1
    assert "warning PG109 names an action that AWS does not list\n" in done.stdout
    assert "s3:GetObjct\n      no action of this name is known\n" in done.stdout


def test_a_not_action_is_one_finding_at_its_line(place: Path) -> None:
    file = place / "iam" / "orders-api.json"
    document = json.loads(file.read_text("utf-8"))
    document["Statement"].append({"Effect": "Allow", "NotAction": ["iam:*"], "Resource": "*"})
    file.write_text(json.dumps(document, indent=2), "utf-8")
    found = json.loads(run(place, *OWN, "-f", "json").stdout)["findings"]
    line = next(n for n, one in enumerate(file.read_text("utf-8").splitlines(), 1) if "NotAction" in one)
    (wider,) = [one for one in found if one["rule"] == "PG105"]
    assert wider["line"] == line + 1
    assert wider["subject"].endswith(" actions of a NotAction")
    assert {one["line"] for one in found if one["rule"] == "PG107"} == {line + 1}


# --- The rules' pages ------------------------------------------------------------------------------

PAGES = ROOT / "docs" / "reference" / "rules"


def test_every_rule_has_a_page_and_every_page_a_rule() -> None:
    of_apis = set(re.findall(r'"(PG\d+)"', (ROOT / "policygen/rightsize/api/findings.py").read_text("utf-8")))
    assert {path.stem for path in PAGES.glob("PG*.md")} == set(RULES) | of_apis
    index = (PAGES / "README.md").read_text("utf-8")
    for rule in RULES.values():
        text = (PAGES / f"{rule.id}.md").read_text("utf-8")
        assert text.startswith(f"# {rule.id}: {rule.title}\n\nLevel: **{rule.level}**.")
        assert f"| [{rule.id}]({rule.id}.md) | {rule.level} | {rule.title} |" in index


def test_sarif_links_to_the_pages_or_where_they_were_put(made: Path) -> None:
    def links(**more: str) -> list[str]:
        (run_,) = json.loads(run(made, *OWN, "-f", "sarif", **more).stdout)["runs"]
        return [rule["helpUri"] for rule in run_["tool"]["driver"]["rules"]]

    home = "https://github.com/policygen/policygen/blob/main/"
    assert all((ROOT / link.removeprefix(home)).is_file() for link in links())
    assert links(POLICYGEN_RULES_URL="https://docs.example.org/rules/")[0] == (
        "https://docs.example.org/rules/PG101.md"
    )


def test_a_plan_of_incomplete_logs_says_so(place: Path) -> None:
    plan = json.loads((place / "plans" / "orders-api.json").read_text("utf-8"))
    plan["coverage"]["incomplete"] = ["not read whole: a.json.gz"]
    (place / "plan.json").write_text(json.dumps(plan), "utf-8")
    own = (*OWN[:3], "plan.json", "-q")
    assert "  1 file, evidence on 30 of 30 days with 1 gap, last call 2026-" in run(place, *own).stdout
    assert json.loads(run(place, *own, "-f", "json").stdout)["gaps"] == 1


INLINE = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sns:Publish", "Resource": "*"}],
    }
)
TABLES = "arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess_v2"


def test_calls_that_an_attached_policy_allows_today_say_how_to_name_it(place: Path) -> None:
    (place / "iam" / "orders-api.json").write_text(INLINE, "utf-8")
    found = json.loads(run(place, *OWN, "-f", "json").stdout)["findings"]
    fixes = {one["subject"]: one["fix"] for one in found if one["rule"] in {"PG201", "PG202"}}
    assert fixes["dynamodb:Query"] == (
        f"allow it there; {TABLES} allows it today: if it stays attached, check it too, by its ARN next to the file"
    )
    assert BASIC in fixes["logs:PutLogEvents"]
    # The role's own inline policy allows it, and no attached one does.
    assert fixes["secretsmanager:GetSecretValue"] == "allow it there"


def test_an_attached_policy_is_checked_by_its_arn(place: Path) -> None:
    (place / "iam" / "orders-api.json").write_text(INLINE, "utf-8")
    by_words = run(place, *OWN[:2], TABLES, *OWN[2:], "-f", "json")
    write_roles(place, f'name = "orders-api"\npolicy = [\n  "iam/orders-api.json",\n  "{TABLES}",\n]')
    by_file = run(place, *ALL, "-f", "json")
    for done, file, line in ((by_words, TABLES, 1), (by_file, "policygen.toml", 5)):
        found = json.loads(done.stdout)["findings"]
        assert not [one for one in found if one["rule"] == "PG201" and one["subject"].startswith("dynamodb:")]
        assert {(one["file"], one["line"]) for one in found if f"; in {TABLES}" in one["message"]} == {
            (file, line)
        }


def test_an_attached_policy_that_the_plan_does_not_know_does_not_pass(place: Path) -> None:
    write_roles(place, f'name = "orders-api"\npolicy = ["iam/orders-api.json", "{ADMIN}"]')
    done = run(place, *ALL, "-f", "github")
    assert done.code == 1
    assert "::error file=policygen.toml,line=3,col=1,title=PG108 attaches a policy" in done.stdout
    assert run(place, "diff", ADMIN, "iam/orders-api.json").code == 2


def test_while_an_attached_policy_is_not_known_no_call_that_it_may_allow_is_said_to_be_denied(
    place: Path,
) -> None:
    names = ["iam/orders-api.json", f"{ADMIN.rpartition('/')[0]}/ReadOnlyAccess"]
    (place / "iam" / "orders-api.json").write_text(INLINE, "utf-8")
    write_roles(place, f'name = "orders-api"\npolicy = {json.dumps(names)}')
    found = json.loads(run(place, *ALL, "-f", "json").stdout)["findings"]
    denied = {"PG201", "PG202", "PG203", "PG204", "PG304"}
    assert denied.isdisjoint(one["rule"] for one in found)
    (one,) = [one for one in found if one["rule"] == "PG108"]
    assert (one["level"], "actions of the role depend on what it grants: dynamodb:" in one["message"]) == (
        "error",
        True,
    )
    run(place, *ALL, "--write-baseline", "known.json")
    assert run(place, *ALL, "--baseline", "known.json").code == 1
    run(place, *ALL, "--write-baseline", "known.json", "--accept-denied")
    assert run(place, *ALL, "--baseline", "known.json").code == 0
    # What a Deny forbids, no other policy allows.
    bars = {"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [bars]})
    (place / "iam" / "orders-api.json").write_text(text, "utf-8")
    found = json.loads(run(place, *ALL, "-f", "json").stdout)["findings"]
    assert {one["subject"].partition(":")[0] for one in found if one["rule"] == "PG201"} == {"dynamodb"}


def test_an_attached_policy_is_taken_from_the_plan_of_a_role_that_has_it(place: Path) -> None:
    of_images = next(arn for arn in attached_today(place, "image-resizer") if "Rekognition" in arn)
    write_roles(place, f'name = "orders-api"\npolicy = ["iam/orders-api.json", "{of_images}"]')
    found = against(place)
    assert "PG108" not in {rule for _, rule, _ in found}
    assert ("orders-api", "PG105", "rekognition:*") in found


# --- Where and why a role was not checked ----------------------------------------------------------

NOT_CHECKED: dict[str, tuple[str, dict[str, str], str, str]] = {
    "a file that is damaged": (
        "iam/images.json",
        {"iam/images.json": BROKEN},
        "iam/images.json,line=4",
        "PG-E210",
    ),
    "a file in a folder": (
        "iam/images",
        {"iam/images/a.json": INLINE, "iam/images/b/c.json": BROKEN},
        "iam/images/b/c.json,line=4",
        "PG-E210",
    ),
    "a role that a template does not have": (
        "t.json#Nobody",
        {"t.json": json.dumps({"Resources": {"Own": {"Type": "AWS::IAM::Role"}}})},
        "t.json,line=1",
        "PG-E250",
    ),
    "a file that is not there": ("iam/images.json", {}, "policygen.toml,line=6", "PG-E219"),
    "policies in a file that is a policy too": (
        "iam/images.json",
        {"iam/images.json": json.dumps({"policies": [json.loads(INLINE)], **json.loads(INLINE)})},
        "iam/images.json,line=1",
        "PG-E219",
    ),
    "a policy in one that is another policy": (
        "iam/images.json",
        {
            "iam/images.json": json.dumps(
                {"policies": [{"document": json.loads(INLINE), **json.loads(INLINE)}]}
            )
        },
        "iam/images.json,line=1",
        "PG-E219",
    ),
    "a folder without policies": ("iam/none", {"iam/none/README.md": ""}, "policygen.toml,line=6", "PG-E219"),
}


@pytest.mark.parametrize("name", NOT_CHECKED)
def test_what_cannot_be_checked_is_told_at_the_file_that_is_to_be_mended(name: str, place: Path) -> None:
    policy, files, where, code = NOT_CHECKED[name]
    for file, text in files.items():
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        (place / file).write_text(text, "utf-8")
    own = 'name = "orders-api"\npolicy = "iam/orders-api.json"'
    write_roles(place, own, f'name = "image-resizer"\npolicy = "{policy}"')
    done = run(place, *ALL, "-f", "github", "--export", "comment.md")
    assert done.code == 2
    (line,) = [one for one in done.stdout.splitlines() if one.startswith("::error")]
    assert line.startswith(f"::error file={where},title=policygen gate not checked::image-resizer: ")
    hint = next(one for one in done.stderr.splitlines() if one.startswith("  hint: "))
    assert f"  {code}. Next: {hint.removeprefix('  hint: ')}" in line
    assert f"`{code}`. Next: " in (place / "comment.md").read_text("utf-8")
    assert f"  next: {hint[8:24]}" in run(place, *ALL).stdout
    report = json.loads(run(place, *ALL, "-f", "json").stdout)["reports"][1]
    assert report["next"][0] == hint.removeprefix("  hint: ")


def test_a_role_without_a_plan_is_told_where_the_configuration_names_it(place: Path) -> None:
    write_roles(place, 'name = "new"\npolicy = "iam/orders-api.json"')
    assert run(place, *ALL, "-f", "github").stdout.startswith("::error file=policygen.toml,line=2,title=")


UNUSED = 'name = "audit-reader"\npolicy = "iam/audit-reader.json"\nplanned = false'


def test_a_role_of_which_no_plan_is_expected_is_left_to_people_and_fails_nothing(place: Path) -> None:
    (place / "iam" / "audit-reader.json").write_text(PASS_ROLE, "utf-8")
    own = [f'name = "{role}"\npolicy = "iam/{role}.json"' for role in ROLES]
    write_roles(place, *own, UNUSED)
    done = run(place, *ALL)
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout.startswith("gate passed for 2 roles\nwithout a plan, review by hand: audit-reader\n")
    assert (
        "::warning file=iam/audit-reader.json,line=1,title=policygen gate without a plan::audit-reader: "
        in (run(place, *ALL, "-f", "github").stdout)
    )
    comment = run(place, *ALL, "-f", "markdown").stdout
    assert "### policygen: gate **passed** for 2 roles, 1 without a plan\n" in comment
    assert "| `audit-reader` | **without a plan** |" in comment
    assert 'errors="0" skipped="1"' in run(place, *ALL, "-f", "junit").stdout
    assert run(place, *ALL, "--write-baseline", "known.json").code == 0
    reports = json.loads(run(place, *ALL, "-f", "json").stdout)["reports"]
    assert [one["planned"] for one in reports] == [True, True, False]


def test_planned_false_excuses_no_role_that_has_a_plan_and_no_other_failure(place: Path) -> None:
    allow(place, "orders-api", "iam:PassRole")
    write_roles(place, 'name = "orders-api"\npolicy = "iam/orders-api.json"\nplanned = false')
    assert run(place, *ALL).code == 1
    (place / "iam" / "orders-api.json").write_text(BROKEN, "utf-8")
    assert run(place, *ALL).code == 2
    write_roles(place, UNUSED.replace("false", '"no"'))
    assert "role[0].planned must be true or false  PG-E247" in run(place, *ALL).stderr


def test_a_gate_of_more_roles_than_code_scanning_takes_runs_has_one_run(place: Path) -> None:
    """Each role's results stay apart by their fingerprints, which have the role."""
    allow(place, "orders-api", "iam:PassRole")
    plan = json.loads((place / "plans" / "orders-api.json").read_text("utf-8"))
    (place / "many").mkdir()
    names = [f"orders-{number}" for number in range(21)]
    for name in names:
        plan["role"] |= {"name": name, "arn": f"arn:aws:iam::111122223333:role/{name}"}
        (place / "many" / f"{name}.json").write_text(json.dumps(plan), "utf-8")
    write_roles(place, *(f'name = "{name}"\npolicy = "iam/orders-api.json"' for name in names))
    done = run(place, "check", "--all", "--plans", "many", "-q", "-f", "sarif")
    assert done.code == 1
    (only,) = json.loads(done.stdout)["runs"]
    assert only["automationDetails"] == {"id": "policygen/*/"}
    found = [
        one["partialFingerprints"]["policygen/v1"] for one in only["results"] if one["ruleId"] == "PG101"
    ]
    assert len(found) == len(set(found)) == 21


# --- Folders, and files that no role has -----------------------------------------------------------

PASS_ROLE = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}],
    }
)


def in_folders(place: Path) -> None:
    """Give each role a folder of its own, with its policy in it."""
    for role in ROLES:
        (place / "iam" / role).mkdir()
        (place / "iam" / f"{role}.json").rename(place / "iam" / role / "policy.json")
    write_roles(place, *(f'name = "{role}"\npolicy = "iam/{role}"' for role in ROLES))


def write_roles(place: Path, *tables: str) -> None:
    """Write policygen.toml anew, and put the policies of roles that it does not name where nobody looks."""
    text = "".join(f"[[role]]\n{one}\n" for one in tables)
    (place / "policygen.toml").unlink(missing_ok=True)
    (place / "policygen.toml").write_text(text, "utf-8")
    for role in ROLES:
        if f"iam/{role}.json" not in text and (file := place / "iam" / f"{role}.json").is_file():
            (place / "kept").mkdir(exist_ok=True)
            file.rename(place / "kept" / file.name)


@pytest.mark.parametrize("name", ["a.json", "a.JSON", "sub/a.json", "sub/.b/A.Json", ".a.json"])
def test_a_folder_is_read_with_its_subfolders_and_any_case_of_the_suffix(name: str, place: Path) -> None:
    in_folders(place)
    assert run(place, *ALL).code == 0
    file = place / "iam" / "image-resizer" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(PASS_ROLE, "utf-8")
    done = run(place, *ALL)
    assert done.code == 1
    assert f"iam/image-resizer/{name}:1:" in done.stdout


@pytest.mark.parametrize("name", ["t.yaml", "deep/t.YML"])
def test_a_template_in_a_folder_is_read_too(name: str, place: Path) -> None:
    in_folders(place)
    template = run(place, "report", "plans/image-resizer.json", "-f", "cloudformation").stdout
    file = place / "iam" / "image-resizer" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(template, "utf-8")
    assert run(place, *ALL).code == 0
    file.write_text(re.sub("(?m)^( +- )logs:PutLogEvents$", r"\1iam:PassRole", template), "utf-8")
    assert run(place, *ALL).code == 1
    file.write_text("a: 1\n", "utf-8")
    assert "it is no template of CloudFormation or SAM  PG-E219" in run(place, *ALL).stderr


def test_of_a_folder_a_role_takes_what_there_is_for_it(place: Path) -> None:
    in_folders(place)
    folder = place / "iam" / "orders-api"
    (folder / "other.json").write_text(
        json.dumps(
            {"Resources": {"Other": makes(RoleName="other"), "P": gives(ROLES[1], grants("iam:PassRole"))}}
        ),
        "utf-8",
    )
    assert ("image-resizer", "PG105", "iam:PassRole") in against(place)
    told = " ".join(run(place, *ALL).stdout.split())
    assert "names the file: role other of iam/orders-api/other.json" in told
    admin = {"Other": makes(RoleName="other", ManagedPolicyArns=[ADMIN])}
    (folder / "other.json").write_text(json.dumps({"Resources": admin}), "utf-8")
    assert against(place) == {("other", "PG108", ADMIN)}
    (folder / "policy.json").unlink()
    done = run(place, *ALL)
    assert (done.code, "has no policies of the role 'orders-api'" in " ".join(done.stdout.split())) == (
        2,
        True,
    )


def test_a_folder_that_leads_elsewhere_is_an_error(place: Path) -> None:
    in_folders(place)
    (place / "elsewhere").mkdir()
    (place / "iam" / "image-resizer" / "more").symlink_to(place / "elsewhere")
    done = run(place, *ALL)
    assert done.code == 2
    assert "'iam/image-resizer/more': it is a link to another folder  PG-E219" in done.stderr


UNNAMED = {
    "a document": PASS_ROLE,
    "several documents": json.dumps({"policies": [{"name": "a", "document": json.loads(PASS_ROLE)}]}),
    "one that a tool fills in": PASS_ROLE.replace('"*"', "{{ arn }}"),
    "keys in another spelling": PASS_ROLE.replace("Statement", "\\u0053tatement"),
}


TO_EVERYBODY = {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}
TO_LAMBDA = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}


def trust(statement: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [statement]}


def grants(*actions: str, on: Any = "*") -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": on}],
    }


def gives(role: Any, document: dict[str, Any]) -> dict[str, Any]:
    return {"Type": "AWS::IAM::Policy", "Properties": {"Roles": [role], "PolicyDocument": document}}


def makes(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::IAM::Role", "Properties": properties}


def of_no_role(place: Path, *words: str) -> set[tuple[str, str]]:
    """File and subject of the policies that no role names."""
    document = json.loads(run(place, *ALL, "-f", "json", *words).stdout)
    found = [one for report in document.get("reports", [document]) for one in report["findings"]]
    return {(one["file"], one["subject"]) for one in found if one["rule"] == "PG112"}


@pytest.mark.parametrize("name", UNNAMED)
def test_a_policy_beside_the_named_ones_that_no_role_has_fails(name: str, place: Path) -> None:
    in_folders(place)
    files = ("iam/new.json", "iam/other/deep/new.JSON", "iam/other/new.json")
    for file in files:
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        (place / file).write_text(UNNAMED[name], "utf-8")
    assert {file for file, _ in of_no_role(place)} == set(files)
    done = run(place, *ALL)
    assert done.code == 1
    assert done.stdout.startswith("gate failed for 1 of 3 roles: files of no [[role]]\n")
    assert run(place, *ALL, "--write-baseline", "known.json").code == 0
    known = (*ALL, "--baseline", "known.json")
    assert run(place, *known).code == 0
    told = " ".join(files)
    assert f"not checked, since no [[role]] names them: {', '.join(files)} " in (
        re.sub(r"\s+", " ", run(place, *known).stdout)
    )
    assert json.loads(run(place, *known, "-f", "json").stdout)["unnamed"] == told.split()
    shown = run(place, *known, "-f", "github").stdout
    assert (
        "::warning file=iam/new.json,line=1,title=policygen gate not checked::no [[role]] of policygen.toml "
        "names it" in shown
    )
    assert "**Not checked, since no `[[role]]` names them**:\n\n- `iam/new.json`\n" in (
        run(place, *known, "-f", "markdown").stdout
    )
    assert "iam/other/new.json" in run(place, *known, "-f", "junit").stdout


def test_of_a_policy_of_no_role_what_is_accepted_is_what_it_grants(place: Path) -> None:
    write_roles(place, BOTH_ROLES[0])
    file = place / "iam" / "more.json"

    def passes(*statements: dict[str, Any]) -> bool:
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in statements]}
        file.write_text(json.dumps(document), "utf-8")
        return run(place, *ALL, "--baseline", "known.json").code == 0

    shop = {"Action": "s3:Get*", "Resource": "arn:aws:s3:::shop/*"}
    (place / "known.json").write_text('{"policygen_baseline": 1, "accepted": []}', "utf-8")
    assert not passes(shop)
    assert run(place, *ALL, "--write-baseline", "known.json").code == 0
    assert passes(shop)
    assert passes({**shop, "Action": "s3:GetObject"})
    assert not passes({**shop, "Resource": "*"})
    assert not passes(shop, {"Action": "iam:PassRole", "Resource": "*"})
    assert not passes({"NotAction": "s3:Get*", "Resource": "arn:aws:s3:::shop/*"})
    assert passes(shop)
    file.rename(place / "iam" / "moved.json")
    assert run(place, *ALL, "--baseline", "known.json").code == 1


EXPANDED = {"Fn::ForEach::Roles": ["X", ["a"], {"${X}": {"Type": "AWS::IAM::Role"}}]}

# Resources of a template that no role names -> role, rule and subject of what fails.
LOOPS = ("files of no [[role]]", "PG114", "Fn::ForEach::Roles (not expanded)")
BESIDE: dict[str, tuple[dict[str, Any], set[tuple[str, str, str]]]] = {
    "more for a role of a table": (
        {"P": gives("Image-Resizer", grants("iam:PassRole"))},
        {("image-resizer", "PG105", "iam:PassRole"), ("image-resizer", "PG101", "iam:PassRole")},
    ),
    "a role with AdministratorAccess": (
        {"New": makes(ManagedPolicyArns=[ADMIN])},
        {("New", "PG108", ADMIN)},
    ),
    "a role that may pass every role": (
        {"New": makes(RoleName="ops", Policies=[{"PolicyDocument": grants("iam:PassRole")}])},
        {("ops", "PG401", "iam:PassRole")},
    ),
    "a role that does little": (
        {
            "New": makes(
                Policies=[{"PolicyDocument": grants("sqs:SendMessage", on="arn:aws:sqs:eu-west-1:1:a")}]
            )
        },
        set(),
    ),
    "a managed policy of no role": (
        {
            "M": {
                "Type": "AWS::IAM::ManagedPolicy",
                "Properties": {"PolicyDocument": grants("iam:PassRole", "s3:*")},
            }
        },
        {("files of no [[role]]", "PG112", "iam:PassRole, s3:*")},
    ),
    "a policy of nobody knows which role": (
        {"P": gives({"Fn::ImportValue": "role"}, grants("iam:PassRole"))},
        {("files of no [[role]]", "PG113", "P")},
    ),
    "what nobody knows for a role of a table": (
        {"P": gives("orders-api", grants("s3:GetObject", on={"Fn::ImportValue": "bucket"}))},
        {("orders-api", "PG113", "P.PolicyDocument.Statement.0")},
    ),
    "what CloudFormation puts together": (EXPANDED, {LOOPS}),
    "a role beside what CloudFormation puts together": (
        {"New": makes(ManagedPolicyArns=[ADMIN]), **EXPANDED},
        {LOOPS, ("New", "PG108", ADMIN)},
    ),
    "that grants nothing": ({"B": {"Type": "AWS::S3::Bucket"}}, set()),
}


@pytest.mark.parametrize("name", BESIDE)
def test_a_template_that_no_role_names_counts_for_the_roles_that_it_names(name: str, place: Path) -> None:
    resources, failing = BESIDE[name]
    (place / "iam" / "e\u202ex.json").write_text(json.dumps({"Resources": resources}), "utf-8")
    assert against(place) == failing
    run(place, *ALL, "--write-baseline", "known.json")
    done = run(place, *ALL, "--baseline", "known.json")
    assert (done.code, "\u202e" in done.stdout) == (0, False)


def test_of_one_role_too_a_template_that_no_role_names_counts(place: Path) -> None:
    passes = {"P": gives("orders-api", grants("iam:PassRole"))}
    (place / "iam" / "extra.json").write_text(json.dumps({"Resources": passes}), "utf-8")
    one = ("check", "--plan", "orders-api", "--plans", "plans", "-q")
    assert "iam:PassRole" in run(place, *one).stdout
    assert run(place, *one[:1], "iam/orders-api.json", *one[1:]).code == 0


def test_a_plan_of_terraform_that_no_role_names_counts_too(place: Path) -> None:
    more = "aws_iam_role_policy.m", {"role": ROLES[1], "policy": json.dumps(grants("iam:PassRole"))}
    new = "aws_iam_role.n", {"name": "new", "assume_role_policy": json.dumps(trust(TO_EVERYBODY))}
    (place / "iam" / "t.json").write_text(terraform_plan(more, new), "utf-8")
    found = against(place)
    assert {("image-resizer", "PG105", "iam:PassRole"), ("new", "PG701", "*")} <= found
    unknown = "aws_iam_role_policy.u", {"role": None, "policy": json.dumps(grants("iam:PassRole"))}
    (place / "iam" / "t.json").write_text(terraform_plan(more, new, unknown), "utf-8")
    assert against(place) == found | {("files of no [[role]]", "PG113", "aws_iam_role_policy.u")}


def test_what_holds_no_policy_of_a_role_or_is_named_is_not_told(place: Path) -> None:
    trusting = json.dumps(trust(TO_LAMBDA))
    for name, content in (
        ("trust.json", trusting),
        ("package.json", '{"name": "iam"}'),
        ("list.json", "[1]"),
        ("notes.md", PASS_ROLE),
        ("plan.json", (place / "plans" / "orders-api.json").read_text("utf-8")),
        ("account.json", (SAMPLES / "account.json").read_text("utf-8")),
        ("known.json", '{"policygen_baseline": 1, "accepted": []}'),
    ):
        (place / "iam" / name).write_text(content, "utf-8")
    done = run(place, *ALL)
    assert (done.code, "[[role]]" in done.stdout) == (0, False)
    in_folders(place)
    folder = place / "iam" / "orders-api"
    (folder / "more.json").write_text((folder / "policy.json").read_text("utf-8"), "utf-8")
    write_roles(place, 'name = "orders-api"\npolicy = ["iam/orders-api", "iam/orders-api/policy.json"]')
    assert {file for file, _ in of_no_role(place)} == {"iam/image-resizer/policy.json"}


def test_of_the_configuration_s_own_folder_only_its_own_files_are_looked_at(place: Path) -> None:
    (place / "iam" / "orders-api.json").rename(place / "orders-api.json")
    write_roles(place, 'name = "orders-api"\npolicy = "./orders-api.json"')
    (place / "tests").mkdir()
    for name in ("other.json", "tests/case.json"):
        (place / name).write_text(PASS_ROLE, "utf-8")
    assert of_no_role(place) == {("other.json", "iam:PassRole")}


# --- What a template holds besides the policies of the role ----------------------------------------


def terraform_plan(*resources: tuple[str, dict[str, Any]]) -> str:
    found = [{"address": at, "type": at.split(".")[-2], "values": values} for at, values in resources]
    return json.dumps({"format_version": "1.2", "planned_values": {"root_module": {"resources": found}}})


def own_policy(place: Path, role: str = "orders-api") -> tuple[str, dict[str, Any]]:
    """The suggested policy of a role as a resource of Terraform."""
    text = (place / "iam" / f"{role}.json").read_text("utf-8")
    return f"aws_iam_role_policy.{role}", {"role": role, "policy": text}


@pytest.fixture
def beside(place: Path) -> Path:
    """A plan of Terraform that no role names whole: with a stack, and with roles of others."""
    held = own_policy(place), own_policy(place, "image-resizer")
    rest = ("aws_cloudformation_stack.more", {}), ("aws_iam_role.a", {"name": "New\u202e"})
    (place / "t.json").write_text(terraform_plan(*held, *rest), "utf-8")
    write_roles(
        place,
        'name = "orders-api"\npolicy = "t.json"',
        'name = "image-resizer"\npolicy = "iam/image-resizer.json"',
    )
    return place


OF_OTHERS = "role New\\u202e of t.json"


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("text", "may grant, and is not read"),
        ("github", "PG114 may grant%2C and is not read"),
        ("markdown", "may grant, and is not read"),
        ("junit", "it may grant more, and is not read"),
        ("json", "it may grant more, and is not read"),
    ],
)
def test_every_format_names_what_is_not_read_and_whose_policies_are_not_checked(
    kind: str, shown: str, beside: Path
) -> None:
    done = run(beside, *ALL, "-f", kind)
    assert done.code == 1
    plain = done.stdout.replace("`", "").replace("\\\\u", "\\u")
    assert shown in plain
    assert "aws_cloudformation_stack.more" in plain
    told = " ".join(plain.split())
    assert f"not checked, since no [[role]] of theirs names the file: {OF_OTHERS}" in told
    assert "\u202e" not in done.stdout


def test_a_role_is_not_told_whose_own_table_names_the_file(beside: Path) -> None:
    both = ("orders-api", "image-resizer")
    write_roles(beside, *(f'name = "{role}"\npolicy = "t.json"' for role in both))
    first, second, _ = (
        one["unchecked"] for one in json.loads(run(beside, *ALL, "-f", "json").stdout)["reports"]
    )
    assert first[-1].endswith(": role New\\u202e of t.json")
    assert [one for one in second if "t.json" in one] == []
    done = run(beside, "check", "t.json", "--plan", "plans/orders-api.json", "-q", "-f", "json")
    assert json.loads(done.stdout)["reports"][0]["unchecked"][-1].startswith(
        "not checked by this command: roles "
    )


def test_what_a_template_leaves_open_is_told_of_the_role_that_names_it(place: Path) -> None:
    stack(place, New=makes(RoleName="New"))
    write_roles(place, IMAGES_ROLE, 'name = "orders-api"\npolicy = "stack.json"')
    found = json.loads(run(place, *ALL, "-f", "json").stdout)["reports"]
    assert {one["role"]: "role New" in " ".join(one["unchecked"]) for one in found} == {
        "image-resizer": False,
        "orders-api": True,
    }


# --- What a change takes out of the gate ----------------------------------------------------------

BOTH_ROLES = tuple(f'name = "{role}"\npolicy = "iam/{role}.json"' for role in ROLES)
NEW_ROLE = 'name = "new-one"\npolicy = "iam/orders-api.json"'
IMAGES_ROLE = BOTH_ROLES[1]
UNPLANNED = "planned = false"
BY_ARN = f'name = "{ROLE_ARN}"\npolicy = "iam/orders-api.json"'

# The tables of the base branch, those of the change -> what was taken out, or nothing.
TAKEN: dict[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    "a table": (BOTH_ROLES, (IMAGES_ROLE,), "its [[role]]"),
    "a table of a role without a plan": (
        (*BOTH_ROLES, f"{NEW_ROLE}\nplanned = false"),
        BOTH_ROLES,
        "its [[role]]",
    ),
    "the expectation of a plan": (
        (*BOTH_ROLES, NEW_ROLE),
        (*BOTH_ROLES, f"{NEW_ROLE}\nplanned = false"),
        "planned = false",
    ),
    "the same under the role's ARN": (
        (*BOTH_ROLES, 'name = "new-one"\npolicy = "iam/orders-api.json"'),
        (
            *BOTH_ROLES,
            'name = "arn:aws:iam::111122223333:role/new-one"\npolicy = "iam/orders-api.json"\nplanned = false',
        ),
        "planned = false",
    ),
    "a file that is still there": (
        ('name = "orders-api"\npolicy = ["iam/orders-api.json", "iam/image-resizer.json"]',),
        (BOTH_ROLES[0],),
        "iam/image-resizer.json",
    ),
    "a role of a template that is still there": (
        ('name = "orders-api"\npolicy = ["iam/orders-api.json", "iam/image-resizer.json#Orders"]',),
        (BOTH_ROLES[0],),
        "iam/image-resizer.json#Orders",
    ),
    "nothing, of a file that is deleted": (
        ('name = "orders-api"\npolicy = ["iam/orders-api.json", "iam/more.json"]',),
        (BOTH_ROLES[0],),
        "",
    ),
    "nothing, of a policy that is not attached": (
        (f'name = "orders-api"\npolicy = ["iam/orders-api.json", "{ADMIN}"]',),
        (BOTH_ROLES[0],),
        "",
    ),
    "nothing, of a policy that is attached today": (
        (f'name = "orders-api"\npolicy = ["iam/orders-api.json", "{TABLES}"]',),
        (BOTH_ROLES[0],),
        "",
    ),
    "nothing, as before": (BOTH_ROLES, BOTH_ROLES, ""),
    "nothing, of a new role": (BOTH_ROLES, (*BOTH_ROLES, f"{NEW_ROLE}\nplanned = false"), ""),
    "nothing, as no plan was expected before": (
        (f"{NEW_ROLE}\nplanned = false",),
        (f"{NEW_ROLE}\nplanned = false",),
        "",
    ),
    "nothing, since it has a plan": ((BOTH_ROLES[0],), (f"{BOTH_ROLES[0]}\nplanned = false",), ""),
    "nothing, of a role that is named by its ARN now": ((BOTH_ROLES[0],), (BY_ARN,), ""),
    "a file, for the same in another folder": (
        (IMAGES_ROLE,),
        ('name = "image-resizer"\npolicy = "images"',),
        "iam/image-resizer.json",
    ),
    "nothing, of a file in a folder that is named now": (
        ('name = "image-resizer"\npolicy = "images/image-resizer.json"',),
        ('name = "image-resizer"\npolicy = "./images"',),
        "",
    ),
    "nothing, where the base branch had no tables": ((), BOTH_ROLES, ""),
    "a file of a role of which no plan is expected": (
        (f'name = "new-one"\npolicy = ["iam/orders-api.json", "iam/image-resizer.json"]\n{UNPLANNED}',),
        (f'name = "new-one"\npolicy = "iam/orders-api.json"\n{UNPLANNED}',),
        "iam/image-resizer.json",
    ),
    "a file that the folder does not read": (
        ('name = "image-resizer"\npolicy = ["images/image-resizer.json", "images/more.policy"]',),
        ('name = "image-resizer"\npolicy = "images"',),
        "images/more.policy",
    ),
    "a file of a folder": (
        ('name = "image-resizer"\npolicy = "iam"',),
        (IMAGES_ROLE,),
        "iam/orders-api.json",
    ),
    "nothing, of a folder whose files are all named": (
        ('name = "image-resizer"\npolicy = "images"',),
        ('name = "image-resizer"\npolicy = "images/image-resizer.json"',),
        "",
    ),
}


def older(place: Path, *tables: str) -> None:
    (place / "older.toml").write_text("".join(f"[[role]]\n{table}\n" for table in tables), "utf-8")


@pytest.mark.parametrize("name", TAKEN)
def test_a_change_takes_nothing_out_of_the_gate(name: str, place: Path) -> None:
    before, now, taken = TAKEN[name]
    (place / "images").mkdir()
    shutil.copy(place / "iam" / "image-resizer.json", place / "images")
    (place / "images" / "more.policy").write_text(INLINE, "utf-8")
    older(place, *before)
    write_roles(place, *now)
    if taken and (place / "kept").is_dir():  # the file that the change does not name any more is still there
        shutil.copytree(place / "kept", place / "iam", dirs_exist_ok=True)
    done = run(place, *ALL, "--roles-before", "older.toml")
    assert done.code == bool(taken), done.stderr
    assert ("error PG110 taken out of the gate\n" in done.stdout) == bool(taken)
    assert taken in done.stdout


TAKEN_AND_WIDENED = {
    # The tables of the base branch, those of the change -> the file that it widens, and what is taken out.
    "a table, and its document": (BOTH_ROLES, (IMAGES_ROLE,), "iam/orders-api.json", "its [[role]]"),
    "a table of a folder": (
        ('name = "orders-api"\npolicy = "own"', IMAGES_ROLE),
        (IMAGES_ROLE,),
        "own/deep/orders-api.json",
        "its [[role]]",
    ),
    "a table, and its role in a template": (
        ('name = "orders-api"\npolicy = "own/stack.json"', IMAGES_ROLE),
        (IMAGES_ROLE,),
        "own/stack.json",
        "its [[role]]",
    ),
    "a file of a table": (
        ('name = "orders-api"\npolicy = ["iam/orders-api.json", "own/more.json"]',),
        (BOTH_ROLES[0],),
        "own/more.json",
        "own/more.json",
    ),
}


@pytest.mark.parametrize("name", TAKEN_AND_WIDENED)
def test_what_a_change_takes_out_and_widens_is_told_by_what_it_grants(name: str, place: Path) -> None:
    before, now, file, taken = TAKEN_AND_WIDENED[name]
    own = json.loads((place / "iam" / "orders-api.json").read_text("utf-8"))
    wide = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    for more in ([], [wide]):
        older(place, *before)
        write_roles(place, *now)
        (place / file).parent.mkdir(exist_ok=True, parents=True)
        document = own | {"Statement": [*own["Statement"], *more]}
        if file.endswith("stack.json"):
            policies = [{"PolicyName": "own", "PolicyDocument": document}]
            document = {"Resources": {"Own": makes(RoleName="orders-api", Policies=policies)}}
        (place / file).write_text(json.dumps(document), "utf-8")
        found = against(place, "--roles-before", "older.toml")
        assert ("orders-api", "PG110", taken) in found
        rules = {rule for role, rule, _ in found if role == "orders-api"}
        assert not any(rule.startswith("PG2") for rule in rules)
        assert (not rules.isdisjoint({"PG101", "PG105", "PG107"})) == bool(more)


def test_what_a_file_that_is_taken_out_allows_does_not_hide_what_would_be_denied(place: Path) -> None:
    (place / "own").mkdir()
    shutil.copy(place / "iam" / "orders-api.json", place / "own")
    (place / "iam" / "orders-api.json").write_text(INLINE, "utf-8")
    older(place, 'name = "orders-api"\npolicy = ["iam/orders-api.json", "own/orders-api.json"]')
    write_roles(place, BOTH_ROLES[0])
    rules = {rule for _, rule, _ in against(place, "--roles-before", "older.toml")}
    assert {"PG110", "PG201"} <= rules


def test_of_a_file_that_is_taken_out_and_cannot_be_read_that_is_told(place: Path) -> None:
    (place / "own").mkdir()
    (place / "own" / "more.json").write_text("{", "utf-8")
    older(place, 'name = "orders-api"\npolicy = ["iam/orders-api.json", "own/more.json"]')
    write_roles(place, BOTH_ROLES[0])
    done = run(place, *ALL, "--roles-before", "older.toml")
    assert (done.code, "PG110" in done.stdout) == (1, True)


def test_what_leaves_the_gate_is_accepted_by_the_base_branch_first(place: Path) -> None:
    older(place, *BOTH_ROLES)
    write_roles(place, IMAGES_ROLE)
    since = (*ALL, "--roles-before", "older.toml")
    (place / "before.json").write_text('{"policygen_baseline": 1, "accepted": []}', "utf-8")
    done = run(place, *since[:4], *since[5:], "--write-baseline", "known.json")
    assert (
        done.stderr == "known.json accepts 1 error of 1 role: 1 entry, a line each; errors first, to line 8\n"
    )
    assert json.loads((place / "known.json").read_text("utf-8").splitlines()[7]) == "its [[role]]"
    done = run(place, *since, *SINCE)
    assert done.code == 1
    assert "    PG110 its [[role]] (1)\n" in done.stdout
    (place / "known.json").rename(place / "before.json")
    shutil.copy(place / "before.json", place / "known.json")
    assert run(place, *since, *SINCE).code == 0


def test_of_one_role_only_its_own_table_is_compared(place: Path) -> None:
    older(place, 'name = "orders-api"\npolicy = ["iam/orders-api.json", "iam/more.json"]', IMAGES_ROLE)
    (place / "iam" / "more.json").write_text(INLINE, "utf-8")
    write_roles(place, BOTH_ROLES[0])
    one = ("check", "--plan", "orders-api", "--plans", "plans", "-q", "--roles-before", "older.toml")
    done = run(place, *one)
    assert done.code == 1
    assert "iam/more.json" in done.stdout
    assert "its [[role]]" not in done.stdout
    done = run(place, *one, "iam/orders-api.json")
    assert done.code == 2
    assert "--roles-before and POLICY cannot be used together  PG-E248, exit 2" in done.stderr


def test_the_older_tables_may_stand_in_a_pyproject_toml(place: Path) -> None:
    table = f"[[tool.policygen.role]]\n{BOTH_ROLES[0]}\n"
    (place / "old").mkdir()
    (place / "old" / "pyproject.toml").write_text(table, "utf-8")
    write_roles(place, IMAGES_ROLE)
    assert "its [[role]]" in run(place, *ALL, "--roles-before", "old/pyproject.toml").stdout
    (place / "old" / "pyproject.toml").write_text("[project]\n", "utf-8")
    assert run(place, *ALL, "--roles-before", "old/pyproject.toml").code == 0


# --- Plans -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["orders-api", ROLE_ARN])
@pytest.mark.parametrize("second", ["orders-api-111122223333.json", "orders-api.json.gz"])
def test_two_plans_of_one_role_are_an_error_that_names_both(name: str, second: str, place: Path) -> None:
    (place / "two").mkdir()
    plan = (place / "plans" / "orders-api.json").read_bytes()
    (place / "two" / "orders-api.json").write_bytes(plan)
    (place / "two" / second).write_bytes(gzip.compress(plan) if second.endswith(".gz") else plan)
    write_roles(place, f'name = "{name}"\npolicy = "iam/orders-api.json"')
    done = run(place, "check", "--all", "--plans", "two", "-q")
    assert done.code == 2
    assert f"two plans of role 'orders-api': two/orders-api.json and two/{second}  PG-E249" in done.stderr


def test_a_folder_without_any_plan_is_one_message(place: Path) -> None:
    (place / "none").mkdir()
    done = run(place, "check", "--all", "--plans", "none", "-q")
    assert done.code == 4
    assert done.stdout == ""
    assert done.stderr.startswith(
        "error: 'none' has no plans at all: nothing can be checked  PG-E349, exit 4\n"
    )
    assert "run the workflow with mode: plan: Actions" in done.stderr
    write_roles(place, f"{NEW_ROLE}\nplanned = false")  # of which none is expected
    assert run(place, "check", "--all", "--plans", "none", "-q").code == 0


def test_of_a_plan_that_is_too_old_only_its_age_is_told(place: Path) -> None:
    allow(place, "orders-api", "route53:ChangeResourceRecordSets")
    plan = json.loads((place / "plans" / "orders-api.json").read_text("utf-8"))
    plan["window"]["end"] = "2026-10-18T00:00:00Z"
    (place / "old").mkdir()
    (place / "old" / "orders-api.json").write_text(json.dumps(plan), "utf-8")
    shutil.copy(place / "plans" / "image-resizer.json", place / "old")
    for words, title in (
        (("--plan", "orders-api"), "`orders-api` in `111122223333`: gate **not checked**"),
        (("--all",), "gate **not checked** for 1 of 2 roles"),
    ):
        old = ("check", *words, "--plans", "old", "--max-plan-age", "14", "-q")
        done = run(place, *old, "--export", "comment.md")
        assert done.code == 3
        comment = (place / "comment.md").read_text("utf-8")
        assert f"### policygen: {title}\n" in comment
        assert "If a finding is meant" not in comment
        assert "run the workflow with mode: plan: Actions" in comment
        assert "gate failed" not in done.stdout


# --- What is attached today, and what a baseline keeps --------------------------------------------


def attached_today(place: Path, role: str = "orders-api") -> list[str]:
    """The ARNs of the managed policies of a role, by its plan."""
    plan = read_plan((place / "plans" / f"{role}.json").read_bytes(), "p")
    return [one.arn for one in plan.today or () if one.arn]


def test_a_policy_that_leaves_the_list_and_is_attached_today_passes_and_is_told(place: Path) -> None:
    older(place, f'name = "orders-api"\npolicy = ["iam/orders-api.json", "{TABLES}"]')
    write_roles(place, BOTH_ROLES[0])
    told = "attached today, and not checked: "
    for since in (("--roles-before", "older.toml"), ()):  # the change, and every check until it is detached
        done = run(place, *ALL, *since, "-f", "json")
        assert done.code == 0
        (line,) = [one for one in json.loads(done.stdout)["unchecked"] if one.startswith(told)]
        assert TABLES in line
        assert line.endswith(
            "; detach them when this is merged, or name them by ARN in policygen.toml: "
            "the next plan shows whether they are gone"
        )
        assert f"::warning title=policygen gate not checked::orders-api: {told}" in (
            run(place, *ALL, *since, "-f", "github").stdout
        )
    write_roles(
        place, f'name = "orders-api"\npolicy = {json.dumps(["iam/orders-api.json", *attached_today(place)])}'
    )
    assert told not in run(place, *ALL).stdout


def test_a_file_that_is_deleted_with_its_name_is_told(place: Path) -> None:
    older(place, 'name = "orders-api"\npolicy = ["iam/orders-api.json", "iam/more.json"]')
    write_roles(place, BOTH_ROLES[0])
    done = run(place, *ALL, "--roles-before", "older.toml", "-f", "json")
    assert done.code == 0
    assert (
        "deleted in this change: iam/more.json; take what it granted from the role when this is merged"
        in json.loads(done.stdout)["unchecked"]
    )


def without_snapshot(place: Path) -> None:
    """A plan that does not know what is attached."""
    plans = place / "own"
    logs = ("-l", SAMPLES / "trail", "--plans", plans, "--days", "3")
    assert run(place, "suggest", "-r", "orders-api", *logs, "-q", "-f", "policy").code == 0


def test_what_leaves_the_list_fails_where_nobody_knows_whether_it_is_attached(place: Path) -> None:
    without_snapshot(place)
    older(place, f'name = "orders-api"\npolicy = ["iam/orders-api.json", "{TABLES}"]')
    write_roles(place, BOTH_ROLES[0])
    done = run(place, "check", "--all", "--plans", "own", "-q", "--roles-before", "older.toml")
    assert "error PG110 taken out of the gate\n" in done.stdout
    assert "nothing tells whether it is attached" in " ".join(done.stdout.split())


def test_forgotten_policies_are_one_error_before_what_would_break(place: Path) -> None:
    (place / "iam" / "orders-api.json").write_text(INLINE, "utf-8")
    write_roles(place, BOTH_ROLES[0])
    first, *rest = json.loads(run(place, *ALL, "-f", "json").stdout)["findings"]
    assert (first["rule"], first["file"], first["line"]) == ("PG111", "policygen.toml", 2)
    assert "PG111" not in {one["rule"] for one in rest}
    assert any(one["rule"] == "PG201" for one in rest)
    arns = attached_today(place)
    assert all(arn in first["fix"] for arn in arns)
    assert "dynamodb:" in first["message"]
    line = first["fix"].partition("its [[role]]: ")[2].partition(";")[0]
    write_roles(place, f'name = "orders-api"\n{line}')
    found = json.loads(run(place, *ALL, "-f", "json").stdout)["findings"]
    assert not [one for one in found if one["rule"] in {"PG110", "PG111"}]
    by_words = json.loads(run(place, *OWN, "-f", "json").stdout)["findings"][0]
    assert by_words["rule"] == "PG111"
    assert by_words["fix"].startswith(f"name those that stay next to the file: {arns[0]}")


def test_a_policy_of_the_account_is_what_a_file_of_its_name_or_statements_holds(place: Path) -> None:
    from policygen.gate.judge.attached import unnamed_attachments
    from policygen.gate.sources import policy_source
    from policygen.iam.document import parse_policy
    from policygen.plan.gate import basis_from_plan

    plan = read_plan((place / "plans" / "orders-api.json").read_bytes(), "p")
    own = "arn:aws:iam::111122223333:policy/orders-queue"
    statement = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}
    narrower = json.dumps(
        {"Version": "2012-10-17", "Statement": statement | {"Resource": "arn:aws:sqs:*:*:a"}}
    )
    held = parse_policy(json.dumps({"Version": "2012-10-17", "Statement": [statement]}), "orders-queue")
    basis = replace(basis_from_plan(plan), attached={own: held}, attached_unread=("arn:aws:iam::1:policy/x",))

    def unnamed(name: str, text: str) -> tuple[str, ...]:
        return unnamed_attachments([policy_source(name, text, parse_policy(text, name))], basis)

    assert unnamed("iam/orders-queue.json", narrower) == ("arn:aws:iam::1:policy/x",)
    for other in ("iam/a.json", "iam/queue.json"):
        assert unnamed(other, narrower) == (own, "arn:aws:iam::1:policy/x")
    more = json.dumps(
        {"Version": "2012-10-17", "Statement": [statement, statement | {"Action": "sqs:ReceiveMessage"}]}
    )
    assert unnamed("iam/a.json", more) == ("arn:aws:iam::1:policy/x",)
    # What the change takes out of the list is no file's: it was named beside the file before.
    source = policy_source("iam/orders-queue.json", narrower, parse_policy(narrower, "a"))
    assert own in unnamed_attachments([source], basis, frozenset({own}))


def test_a_policy_that_leaves_the_list_is_told_beside_a_template_of_the_role_too(place: Path) -> None:
    """Who attaches it may be somebody else."""
    role = makes(RoleName="orders-api")
    stack(place, Role=role)
    before = 'name = "orders-api"\npolicy = ["stack.json", '
    older(place, f'{before}"{TABLES}", "{ADMIN}"]', IMAGES_ROLE)
    for now, told in ((role, True), (role | {"Properties": {"ManagedPolicyArns": [TABLES]}}, False)):
        stack(place, Role=role | {"Properties": role["Properties"] | now["Properties"]})
        done = run(place, *ALL, "--roles-before", "older.toml", "-f", "json")
        (lines,) = [
            one["unchecked"] for one in json.loads(done.stdout)["reports"] if one["role"] == "orders-api"
        ]
        line = f"attached today, and not checked: {TABLES}; detach it when this is merged"
        assert any(one.startswith(line) for one in lines) == told


def test_a_baseline_accepts_no_outage_without_a_word(place: Path) -> None:
    (place / "iam" / "orders-api.json").write_text(INLINE, "utf-8")
    found = json.loads(run(place, *OWN, "-f", "json").stdout)["findings"]
    rules = ("PG111", "PG201", "PG202")
    breaking = [one for one in found if one["rule"] in rules and one["against"]]
    done = run(place, *OWN[:-1], "--write-baseline", "known.json")
    left_out = f"; left out: {len(breaking)} findings after which the role would break ({', '.join(rules)}), "
    assert f"{left_out}or may (PG108); --accept-denied takes them too\n" in done.stderr
    assert run(place, *OWN, "--baseline", "known.json").code == 1
    run(place, *OWN, "--write-baseline", "known.json", "--accept-denied")
    assert run(place, *OWN, "--baseline", "known.json").code == 0
    done = run(place, *OWN, "--accept-denied")
    assert "--accept-denied is about what --write-baseline writes" in done.stderr


def test_what_would_break_is_not_offered_to_be_accepted(place: Path) -> None:
    file = place / "iam" / "orders-api.json"
    document = json.loads(file.read_text("utf-8"))
    denied = {"Effect": "Deny", "Action": "dynamodb:Query", "Resource": "*"}
    file.write_text(json.dumps(document | {"Statement": [*document["Statement"], denied]}), "utf-8")
    done = run(place, *OWN)
    assert (done.code, "error PG201 " in done.stdout) == (1, True)
    assert "If a finding is meant" not in done.stdout
    allow(place, "orders-api", "iam:PassRole")
    told = run(place, *OWN, "-f", "markdown").stdout
    command = shlex.join(("policygen", *OWN[:-1], "--write-baseline", "policygen-baseline.json"))
    assert f"If a finding is meant, accept it, and merge that file before the policy: `{command}`\n" in told


def test_a_written_baseline_keeps_every_row_that_is_accepted_already(place: Path) -> None:
    allow(place, "orders-api", "sns:TagResource", on="arn:aws:sns:eu-west-1:111122223333:a")
    run(place, *ALL, "--write-baseline", "before.json")
    shutil.copy(place / "before.json", place / "known.json")
    main = (place / "iam" / "orders-api.json").read_text("utf-8")

    # A change that takes the accepted permission away, and adds another: its baseline serves both branches.
    document = json.loads(main)
    document["Statement"].pop()
    (place / "iam" / "orders-api.json").write_text(json.dumps(document), "utf-8")
    allow(place, "orders-api", "sns:UntagResource", on="arn:aws:sns:eu-west-1:111122223333:a")
    changed = (place / "iam" / "orders-api.json").read_text("utf-8")
    assert run(place, *ALL, *SINCE).code == 1
    done = run(place, *ALL[:-1], *SINCE, "--write-baseline", "artifact.json")
    assert "; all that was accepted before stays" in done.stderr

    # First the file, on the policies of the base branch, then the policy, by the file that is merged.
    (place / "iam" / "orders-api.json").write_text(main, "utf-8")
    shutil.copy(place / "artifact.json", place / "known.json")
    done = run(place, *ALL, *SINCE)
    assert done.code == 0
    assert "newly accepted in this change" in done.stdout
    assert "sns:UntagResource on arn:aws:sns:eu-west-1:111122223333:a (1)\n" in done.stdout
    shutil.copy(place / "artifact.json", place / "before.json")
    (place / "iam" / "orders-api.json").write_text(changed, "utf-8")
    assert run(place, *ALL, *SINCE).code == 0

    # In the other order the policy does not pass, whatever its own file accepts.
    shutil.copy(place / "artifact.json", place / "known.json")
    run(place, *ALL, "--write-baseline", "none.json")
    (place / "before.json").write_text('{"policygen_baseline": 1, "accepted": []}', "utf-8")
    assert run(place, *ALL, *SINCE).code == 1


def test_a_baseline_has_short_lines_and_actions_as_iam_spells_them(place: Path) -> None:
    allow(place, "orders-api", "s3:*", "sns:*")
    run(place, *OWN, "--write-baseline", "known.json")
    lines = (place / "known.json").read_text("utf-8").splitlines()
    assert max(map(len, lines)) <= 240
    assert '      "s3:PutBucketAcl",' in lines
    assert '    "PG101": "granted, never used",' in lines
    first = (place / "known.json").read_bytes()
    run(place, *OWN, "--baseline", "known.json", "--write-baseline", "known.json")
    assert (place / "known.json").read_bytes() == first


# --- Roles that a template of another role names ---------------------------------------------------


def stack(place: Path, **resources: dict[str, Any]) -> None:
    """A template that belongs to orders-api, with more in it; image-resizer has a file of its own."""
    file = next(one for at in ("iam", "kept") if (one := place / at / "orders-api.json").is_file())
    own = json.loads(file.read_text("utf-8"))
    held = {
        "Own": {"Type": "AWS::IAM::Policy", "Properties": {"Roles": ["orders-api"], "PolicyDocument": own}}
    }
    (place / "stack.json").write_text(json.dumps({"Resources": held | resources}), "utf-8")
    write_roles(place, 'name = "orders-api"\npolicy = "stack.json"', IMAGES_ROLE)


def against(place: Path, *words: str) -> set[tuple[str, str, str]]:
    """Role, rule and subject of what fails."""
    document = json.loads(run(place, *ALL, "-f", "json", *words).stdout)
    return {
        (report["role"], one["rule"], one["subject"])
        for report in document.get("reports", [document])
        for one in report["findings"]
        if one["against"] and one["level"] != "note"
    }


def test_a_template_of_one_role_is_checked_for_the_other_roles_that_it_names(place: Path) -> None:
    stack(place, More=gives("Image-Resizer", grants("iam:PassRole")))
    assert ("image-resizer", "PG105", "iam:PassRole") in against(place)
    one = run(place, "check", "--plan", "image-resizer", "--plans", "plans", "-q")
    assert (one.code, "iam:PassRole" in one.stdout) == (1, True)
    stack(
        place,
        More=gives("image-resizer", grants("s3:GetObject", on="arn:aws:s3:::shop-images-111122223333/*")),
    )
    assert {role for role, *_ in against(place)} <= {"image-resizer"}
    # In a template the logical name of another role is no name.
    stack(place, **{"image-resizer": makes(Policies=[{"PolicyDocument": grants("iam:PassRole")}])})
    assert "image-resizer" not in {role for role, *_ in against(place)}


def test_a_plan_of_terraform_of_one_role_is_checked_for_the_others_too(place: Path) -> None:
    passes = (
        "aws_iam_role_policy.more",
        {"role": "image-resizer", "policy": json.dumps(grants("iam:PassRole"))},
    )
    (place / "t.json").write_text(terraform_plan(own_policy(place), passes), "utf-8")
    write_roles(place, 'name = "orders-api"\npolicy = "t.json"', IMAGES_ROLE)
    assert ("image-resizer", "PG105", "iam:PassRole") in against(place)


def test_what_a_template_does_not_tell_of_another_role_is_an_error_of_that_role(place: Path) -> None:
    stack(place, More=gives("image-resizer", grants("s3:GetObject", on={"Fn::ImportValue": "bucket"})))
    assert ("image-resizer", "PG113", "More.PolicyDocument.Statement.0") in against(place)


def test_what_else_a_template_of_a_role_without_a_plan_holds_is_judged(place: Path) -> None:
    """Its role is left to people; what its file gives to others is not."""
    own = makes(
        RoleName="audit-reader",
        Policies=[
            {"PolicyDocument": grants("sqs:SendMessage", on="arn:aws:sqs:eu-west-1:111122223333:jobs")}
        ],
    )
    held = {
        "Own": own,
        "Evil": makes(RoleName="evil", Policies=[{"PolicyDocument": grants("*")}]),
        "U": {
            "Type": "AWS::IAM::User",
            "Properties": {"UserName": "ann", "Policies": [{"PolicyDocument": grants("*")}]},
        },
        "More": {"Type": "AWS::CloudFormation::Stack"},
    }
    (place / "audit.json").write_text(json.dumps({"Resources": held}), "utf-8")
    write_roles(place, *BOTH_ROLES, UNUSED.replace("iam/audit-reader.json", "audit.json"))
    stacked = ("files of no [[role]]", "PG114", "More (AWS::CloudFormation::Stack)")
    assert against(place) == {("evil", "PG107", "all actions"), ("user ann", "PG107", "all actions"), stacked}
    one = run(place, "check", "--plan", "audit-reader", "--plans", "plans", "-q", "-f", "json")
    assert '"PG114"' in one.stdout
    run(place, *ALL, "--write-baseline", "known.json")
    assert run(place, *ALL, "--baseline", "known.json").code == 0


def test_a_role_of_no_table_whose_policy_is_none_is_no_pass(place: Path) -> None:
    broken = grants("*")
    broken["Statement"][0]["Sidd"] = "x"
    stack(place, Evil=makes(RoleName="evil", Policies=[{"PolicyDocument": broken}]))
    assert {one[:2] for one in against(place)} == {("evil", "PG113")}
    run(place, *ALL, "--write-baseline", "known.json")
    assert run(place, *ALL, "--baseline", "known.json").code == 0
    broken["Statement"][0]["Sidd"] = "y"
    stack(place, Evil=makes(RoleName="evil", Policies=[{"PolicyDocument": broken}]))
    assert run(place, *ALL, "--baseline", "known.json").code == 1


def test_a_baseline_accepts_what_is_not_known_by_its_content_and_what_is_not_read_by_its_name(
    place: Path,
) -> None:
    def given(action: str, stacked: str) -> None:
        more = gives("orders-api", grants(action, on={"Fn::ImportValue": "bucket"}))
        stack(place, More=more, **{stacked: {"Type": "AWS::CloudFormation::Stack"}})

    given("s3:GetObject", "Nested")
    assert {rule for _, rule, _ in against(place)} == {"PG113", "PG114"}
    run(place, *ALL, "--write-baseline", "known.json", "--accept-denied")
    assert against(place, "--baseline", "known.json") == set()
    one = ("check", "--plan", "orders-api", "--plans", "plans", "-q", "--baseline", "known.json")
    assert run(place, *one).code == 0
    given("s3:*", "Nested")
    assert {rule for _, rule, _ in against(place, "--baseline", "known.json")} == {"PG113"}
    given("s3:GetObject", "Another")
    assert {rule for _, rule, _ in against(place, "--baseline", "known.json")} == {"PG114"}


def test_whose_grants_are_not_checked_and_which_defaults_counted_is_told(place: Path) -> None:
    stack(place, U={"Type": "AWS::IAM::User", "Properties": {"UserName": {"Ref": "Who"}}})
    file = place / "stack.json"
    file.write_text(
        json.dumps(
            json.loads(file.read_text("utf-8"))
            | {"Parameters": {"Who": {"Type": "String", "Default": "ann"}}}
        ),
        "utf-8",
    )
    told = " ".join(run(place, "check", "--plan", "orders-api", "--plans", "plans", "-q").stdout.split())
    assert "not checked by this command: user ann of stack.json" in told
    assert "not checked in stack.json: other values of its parameters than their defaults: Who" in told
    assert "user ann" not in run(place, *ALL).stdout


def test_a_template_of_another_account_is_about_the_roles_of_that_account(two_accounts: Path) -> None:
    """Its role of the same name is another one."""
    other = "arn:aws:iam::444455556666:role/orders-api"
    passes = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [passes]}
    (two_accounts / "own.json").write_text(
        json.dumps({"Resources": {"P": gives("orders-api", document)}}), "utf-8"
    )
    (two_accounts / "iam" / "other.json").unlink()
    write_roles(
        two_accounts,
        f'name = "{ROLE_ARN}"\npolicy = "iam/orders-api.json"',
        f'name = "{other}"\npolicy = "own.json"',
    )
    done = run(two_accounts, *EACH)
    assert done.stdout.startswith("gate failed for 1 of 2 roles: orders-api in 444455556666\n")


# What a template makes of a role that no table is about -> rule and subject of what fails, none for nothing.
NEW_ROLES: dict[str, tuple[dict[str, Any], set[tuple[str, str]]]] = {
    "that everybody may assume": (
        makes(AssumeRolePolicyDocument=trust(TO_EVERYBODY)),
        {("PG701", "*")},
    ),
    "with AdministratorAccess": (makes(ManagedPolicyArns=[ADMIN]), {("PG108", ADMIN)}),
    "with all of a service": (
        makes(ManagedPolicyArns=["arn:aws:iam::aws:policy/AmazonS3FullAccess"]),
        {("PG108", "arn:aws:iam::aws:policy/AmazonS3FullAccess")},
    ),
    "that may do everything": (
        makes(Policies=[{"PolicyDocument": grants("*")}]),
        {("PG107", "all actions")},
    ),
    "that may do everything, beside what nobody knows": (
        makes(
            RoleName={"Fn::ImportValue": "name"},
            Policies=[
                {"PolicyDocument": grants("s3:PutObject", on={"Fn::ImportValue": "bucket"})},
                {"PolicyDocument": grants("*")},
            ],
        ),
        {("PG107", "all actions"), ("PG113", "New.Policies.0.PolicyDocument.Statement.0")},
    ),
    "that may pass every role": (
        makes(Policies=[{"PolicyDocument": grants("iam:PassRole")}]),
        {("PG401", "iam:PassRole")},
    ),
    "that passes roles by name": (
        makes(Policies=[{"PolicyDocument": grants("iam:PassRole", on="arn:aws:iam::111122223333:role/a")}]),
        set(),
    ),
    "with a risk": (
        makes(Policies=[{"PolicyDocument": grants("iam:AttachRolePolicy")}]),
        {("PG401", "PE-09 attach a managed policy to a role")},
    ),
    "that does little": (
        makes(
            AssumeRolePolicyDocument=trust(TO_LAMBDA),
            ManagedPolicyArns=[BASIC],
            Policies=[{"PolicyDocument": grants("sqs:SendMessage", on="arn:aws:sqs:eu-west-1:1:a")}],
        ),
        set(),
    ),
}


@pytest.mark.parametrize("name", NEW_ROLES)
def test_a_role_that_no_table_is_about_is_judged_without_a_plan(name: str, place: Path) -> None:
    made, rules = NEW_ROLES[name]
    stack(place, New=made)
    assert {(rule, subject) for role, rule, subject in against(place) if role == "New"} == rules
    done = run(place, *ALL)
    assert done.code == bool(rules)
    assert ("judged without a plan, since no [[role]] names it" in done.stdout) == bool(rules)
    assert ("not checked, since no [[role]] of theirs names the" in done.stdout) == (not rules)
    run(place, *ALL, "--write-baseline", "known.json")
    assert run(place, *ALL, "--baseline", "known.json").code == 0


def test_a_new_role_of_terraform_is_judged_though_a_policy_of_it_is_not_known_yet(place: Path) -> None:
    new = "aws_iam_role.new", {"name": "new", "assume_role_policy": json.dumps(trust(TO_EVERYBODY))}
    more = "aws_iam_role_policy.new", {"role": "new", "policy": None}
    (place / "t.json").write_text(terraform_plan(own_policy(place), new, more), "utf-8")
    write_roles(place, 'name = "orders-api"\npolicy = "t.json"')
    assert ("new", "PG701", "*") in against(place)


def test_a_role_of_which_no_plan_is_expected_fails_for_what_needs_none(place: Path) -> None:
    (place / "iam" / "audit-reader.json").write_text(json.dumps(grants("*")), "utf-8")
    write_roles(place, BOTH_ROLES[0], UNUSED)
    assert ("audit-reader", "PG107", "all actions") in against(place)
    done = run(place, *ALL)
    assert "judged without a plan, since planned = false says that none is to be expected" in (
        " ".join(done.stdout.split())
    )


# --- The base branch, by git -----------------------------------------------------------------------


def commit(place: Path) -> None:
    """Make what is there the base branch."""
    for words in (
        ("init", "-q", "-b", "main"),
        ("add", "iam", "policygen.toml", *map(str, place.glob("policygen-*.json"))),
        ("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "base"),
    ):
        subprocess.run(["git", *words], cwd=place, check=True, capture_output=True)


BEFORE = ("--before", "main")


def test_a_change_is_checked_against_the_base_branch_as_the_action_does(place: Path) -> None:
    write_roles(place, *BOTH_ROLES)
    allow(place, "orders-api", "sns:TagResource")
    run(place, *ALL, "--write-baseline", "policygen-baseline.json")
    commit(place)
    assert run(place, *ALL, *BEFORE).code == 0
    allow(place, "orders-api", "iam:PassRole")
    done = run(place, *ALL[:-1], *BEFORE, "--write-baseline", "policygen-baseline.json")
    assert "policygen-baseline.json accepts " in done.stderr
    done = run(place, *ALL, *BEFORE)
    assert done.code == 1
    assert "newly accepted in this change, counts once the base branch has it:\n    " in done.stdout
    assert "PG101 iam:PassRole on * (1)\n" in done.stdout
    subprocess.run(["git", "checkout", "-q", "iam"], cwd=place, check=True)
    # Of policies of the command line the baseline alone is compared.
    assert run(place, *OWN, *BEFORE).code == 0
    write_roles(place, IMAGES_ROLE)
    assert "its [[role]]" in run(place, *ALL, *BEFORE).stdout


def test_a_base_branch_without_a_baseline_accepts_nothing(place: Path) -> None:
    write_roles(place, *BOTH_ROLES)
    commit(place)
    assert run(place, *ALL, *BEFORE).code == 0
    allow(place, "orders-api", "iam:PassRole")
    run(place, *ALL, "--write-baseline", "policygen-baseline.json")
    assert run(place, *ALL, "--baseline", "policygen-baseline.json").code == 0
    assert run(place, *ALL, *BEFORE).code == 1


def test_a_base_branch_of_which_git_lacks_a_file_is_an_error_and_one_without_it_is_told(place: Path) -> None:
    write_roles(place, *BOTH_ROLES)
    commit(place)
    write_roles(place, IMAGES_ROLE)
    (place / "sub").mkdir()
    shutil.copy(place / "policygen.toml", place / "sub")
    shutil.copytree(place / "iam", place / "sub" / "iam")
    done = run(place / "sub", "check", "--all", "--plans", "../plans", "-q", *BEFORE)
    assert done.code == 0
    assert (
        f"warning: main has no policygen.toml in {place / 'sub'}: which roles it has checked " in done.stderr
    )
    words = ("git", "rev-parse", "main:policygen.toml")  # as in a clone with a filter
    blob = subprocess.run(words, cwd=place, check=True, capture_output=True, text=True).stdout.strip()
    (place / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    done = run(place, *ALL, *BEFORE)
    assert (done.code, done.stdout) == (2, "")
    assert "--before 'main': git cannot read 'policygen.toml' of it here  PG-E248, exit 2" in done.stderr


@pytest.mark.parametrize("ref", ["other", "--output=x", "", "no repository"])
def test_a_base_branch_that_git_does_not_know_is_an_error(ref: str, place: Path) -> None:
    write_roles(place, *BOTH_ROLES)
    if ref != "no repository":
        commit(place)
    done = run(place, *ALL, f"--before={ref}")
    assert (done.code, done.stdout) == (2, "")
    assert f"error: --before {ref!r}: git has no such branch or commit here  PG-E248, exit 2\n" in done.stderr
    assert not (place / "x").exists()
    done = run(place, *ALL, *BEFORE, "--roles-before", "policygen.toml")
    assert "--before and --roles-before cannot be used together" in done.stderr


def test_a_machine_without_git_is_told_so(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_roles(place, *BOTH_ROLES)
    monkeypatch.setenv("PATH", str(place))
    done = run(place, *ALL, *BEFORE)
    assert (done.code, done.stdout) == (2, "")
    assert "--before reads the base branch with git, which cannot be run here" in done.stderr
    assert "no such branch" not in done.stderr


# --- Code that lies beside the checked files, and is not read --------------------------------------

ADMIN_TF = f"""resource "aws_iam_role_policy_attachment" "admin" {{
  role       = "orders-api"
  policy_arn = "{ADMIN}"
}}
"""
# Files beside those of the roles -> what is said of them, nothing where their result is checked.
CODE: dict[str, tuple[dict[str, str], str]] = {
    "terraform": ({"iam/main.tf": ADMIN_TF}, f"not read: iam/main.tf; it may grant more: {SHOW}"),
    "terraform in JSON, below": (
        {"iam/more/main.tf.json": '{"resource": {"aws_iam_role": {"a": {}}}}'},
        f"not read: iam/more/main.tf.json; it may grant more: {SHOW}",
    ),
    "a module, beside the configuration": (
        {"main.tofu": 'module "roles" {}'},
        f"not read: main.tofu; it may grant more: {SHOW}",
    ),
    "a CDK app": ({"cdk.json": "{}"}, "not read: cdk.json; it may grant more: cdk synth, and check cdk.out/"),
    "serverless": ({"serverless.yml": "service: a"}, "serverless package, and check .serverless/"),
    "nothing about roles": ({"iam/variables.tf": 'variable "a" {}', "iam/notes.md": ADMIN_TF}, ""),
    "far away": ({"infra/main.tf": ADMIN_TF}, ""),
    "code whose plan is checked": ({"iam/main.tf": ADMIN_TF, "iam/image-resizer.json": ""}, ""),
}


@pytest.mark.parametrize("name", CODE)
def test_code_beside_the_checked_files_is_told(name: str, place: Path) -> None:
    files, told = CODE[name]
    for file, text in files.items():
        (place / file).parent.mkdir(exist_ok=True)
        plan = text or terraform_plan(own_policy(place, "image-resizer"))
        (place / file).write_text(plan, "utf-8")
    write_roles(place, *BOTH_ROLES)
    done = run(place, *ALL, "-f", "github")
    assert done.code == 0
    assert "::warning title=policygen gate not checked::orders-api: not read: " in done.stdout or not told
    assert told in done.stdout
    assert ("not read: " in done.stdout) == bool(told)


def test_code_in_a_folder_that_a_role_names_is_told_too(place: Path) -> None:
    in_folders(place)
    (place / "iam" / "orders-api" / "main.tf").write_text(ADMIN_TF, "utf-8")
    assert (
        f"not read: iam/orders-api/main.tf; it may grant more: {SHOW}"
        in run(place, *ALL, "-f", "json").stdout
    )


# --- What people read --------------------------------------------------------------------------------


def test_a_role_that_failed_is_told_first(place: Path) -> None:
    write_roles(place, *BOTH_ROLES)
    allow(place, "image-resizer", "iam:PassRole")
    done = run(place, *ALL)
    assert done.stdout.index("gate failed  image-resizer") < done.stdout.index("gate passed  orders-api")
    told = run(place, *ALL, "-f", "markdown").stdout
    assert told.startswith("<!-- policygen:check:111122223333:%2A -->")
    assert told.index("| `image-resizer` |") < told.index("| `orders-api` |")
    first = run(place, *ALL, "-f", "github").stdout.splitlines()[0]
    assert first.startswith("::error file=iam/image-resizer.json")


# Statement -> the subject of what is wider, and where, and nothing of an account that is made up.
SAID: dict[str, tuple[dict[str, Any], str, str]] = {
    "everything": ({"Action": "*", "Resource": "*"}, "all actions", "on *: "),
    "a pattern": ({"Action": "ec2:Stop*", "Resource": "*"}, "ec2:Stop*", "on *: "),
    "one action": ({"Action": "iam:PassRole", "Resource": "*"}, "iam:PassRole", "on *: "),
    "roles of any account": (
        {"Action": "iam:PassRole", "Resource": "arn:aws:iam::*:role/ci-*"},
        "iam:PassRole",
        "on arn:aws:iam::*:role/ci-*: ",
    ),
    "a pattern of names": (
        {"Action": "s3:DeleteBucketPolicy", "Resource": "arn:aws:s3:::shop-*"},
        "s3:DeleteBucketPolicy",
        "on arn:aws:s3:::shop-*, for example arn:aws:s3:::shop-",
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_what_is_wider_is_told_as_the_policy_has_it(name: str, place: Path) -> None:
    statement, subject, where = SAID[name]
    allow(place, "image-resizer", statement["Action"], on=statement["Resource"])
    file = ("check", "iam/image-resizer.json", "--plan", "plans/image-resizer.json", "-q", "-f", "json")
    found = json.loads(run(place, *file).stdout)["findings"]
    ((told, message),) = [(one["subject"], one["message"]) for one in found if one["rule"] == "PG105"]
    assert told == subject
    assert message.startswith(where)
    assert "123456789012" not in message


def test_of_a_plan_of_terraform_the_address_comes_first(place: Path) -> None:
    allow(place, "orders-api", "iam:PassRole")
    (place / "t.json").write_text(terraform_plan(own_policy(place)), "utf-8")
    done = run(place, "check", "t.json", "--plan", "plans/orders-api.json", "-q")
    assert "\n  aws_iam_role_policy.orders-api, t.json:1:" in done.stdout
    assert "in aws_iam_role_policy.orders-api" not in done.stdout
    told = run(place, "check", "t.json", "--plan", "plans/orders-api.json", "-q", "-f", "markdown").stdout
    assert "| `aws_iam_role_policy.orders-api, t.json:1:" in told


@pytest.mark.parametrize(
    ("name", "told", "fix"),
    [
        ("AdministratorAccess", "may grant everything", "take it out"),
        ("PowerUserAccess", "may grant a whole service or more", "take it out"),
        ("service-role/AWSLambda_FullAccess", "may grant a whole service or more", "take it out"),
        ("ReadOnlyAccess", "it may grant everything", "write what is needed as a policy of its own; if this"),
    ],
)
def test_an_attached_policy_that_nobody_knows_is_not_to_be_attached_first(
    name: str, told: str, fix: str, place: Path
) -> None:
    write_roles(
        place, f'name = "orders-api"\npolicy = ["iam/orders-api.json", "arn:aws:iam::aws:policy/{name}"]'
    )
    found = json.loads(run(place, *ALL, "-f", "json").stdout)["findings"]
    (one,) = [one for one in found if one["rule"] == "PG108"]
    assert told in one["message"]
    assert one["fix"].startswith(fix)
    assert "once it is attached" not in one["fix"]


def test_after_a_damaged_file_no_command_s_help_is_of_use(place: Path) -> None:
    (place / "iam" / "orders-api.json").write_text(BROKEN, "utf-8")
    done = run(place, *OWN)
    assert "a comma, a quotation mark or a bracket is missing" in done.stderr
    assert "--help" not in done.stderr
