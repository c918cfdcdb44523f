"""The commands that judge, compare and explain, as a stranger meets them: exit codes, and the whole of stderr."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.accounts import snapshot, trails_of
from tests.support.command import MAKE_ONE, READ, Done, process, run, with_next
from tests.support.records import ACCOUNT, ROLE, crowd, write_logs

TABLE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/carts"


def policy(*allowed: tuple[str | list[str], str]) -> dict[str, object]:
    """A policy that allows actions on a resource, a pair a statement."""
    statements = [{"Effect": "Allow", "Action": actions, "Resource": on} for actions, on in allowed]
    return {"Version": "2012-10-17", "Statement": statements}


GOOD = policy(("dynamodb:GetItem", TABLE))
SPARE = policy((["dynamodb:GetItem", "iam:ListUsers"], "*"))
BROKEN = policy(("iam:ListUsers", "*"))
BLIND = policy(("dynamodb:GetItem", TABLE), ("logs:PutLogEvents", "*"))
MANY = {"policies": [{"name": "a", "document": GOOD}, {"name": "b", "document": BROKEN}]}
ESCAPE = "\x1b[2J\x1b]0;all is well\x07\u202e"
EVIL_FILE = "evil\x1b[31m\x07.json"
EVIL = policy((f"dynamodb:Get{ESCAPE}", f"arn:aws:s3:::b{ESCAPE}/*"))

FILES: dict[str, object] = {
    "good.json": GOOD,
    "spare.json": SPARE,
    "broken.json": BROKEN,
    "blind.json": BLIND,
    "many.json": MANY,
    "both/a.json": GOOD,
    "both/b.json": BROKEN,
    "both/notes.txt": "no policy",
    "none/notes.txt": "no policy",
    "nothing-in-it.json": {"policies": []},
    "list.json": [],
    "account.json": snapshot({"policies": [SPARE], "trails": trails_of("all")}),
    EVIL_FILE: EVIL,
}
TEXTS = {
    "open.toml": "keep = [",
    "key.toml": '[[keep]]\nactoin = "s3:GetObject"\nreason = "x"\n',
    "value.toml": '[[drop]]\naction = "s3:GetObjct"\nreason = "x"\n',
    "protect.toml": '[[protect]]\nrole = "orders"\nreason = "the pager of the shop"\n',
    "conflict.toml": '[[keep]]\naction = "iam:*"\nreason = "x"\n[[drop]]\naction = "iam:Get*"\nreason = "y"\n',
    "evil.toml": '[[protect]]\nrole = "orders"\nreason = "\\u001b[2J\\u202e"\n',
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a log of one call, an account, and policies of every kind."""
    at = tmp_path_factory.mktemp("gates")
    write_logs(at / "logs", crowd([READ | {"resources": [TABLE]}]))
    write_logs(at / "quiet", [])
    names = ("carts", "orders", "stock", "users")
    write_logs(at / "wide", crowd([READ | {"params": {"tableName": name}} for name in names]))
    for name, content in FILES.items():
        (at / name).parent.mkdir(exist_ok=True)
        (at / name).write_text(json.dumps(content))
    for name, text in TEXTS.items():
        (at / name).write_text(text)
    (at / "latin.json").write_bytes(b'{"Sid": "\xe9"}')
    return at


ON = ("-r", ROLE, "-l", "logs")
TODAY = (*ON, "-s", "account.json")
CHECK = ("check", "good.json", *ON)
EXPLAIN = ("explain", "s3:GetObject", *ON)
SUGGEST = ("suggest", *TODAY)
GIVE = "give a policy document in JSON; suggest -f policy prints one"
MANUAL = "docs/reference/configuration.md has the settings, docs/reference/decisions.md the decisions"
BOTH = "error: --snapshot and --live cannot be used together  PG-E208, exit 2\n  hint: give one of them\n"


OWN_LOGS = (
    "or leave --logs out: to read the account's trails needs these permissions:",
    "policygen permissions doctor",
)


def said(error: str, *hints: str) -> str:
    """The whole of stderr."""
    return f"error: {error}\n" + "".join(f"  hint: {hint}\n" for hint in hints)


def no_format(name: str, there_are: str) -> str:
    return said(f"no format {name!r}  PG-E207, exit 2", f"there are: {there_are}")


# What is wrong -> arguments, exit code, the whole of stderr. stdout is empty in each.
FAILURES: dict[str, tuple[Sequence[str], int, str]] = {
    "a kind of suspicious call that does not exist": (
        (*EXPLAIN, "--accept", "everything"),
        2,
        said(
            "no kind of suspicious call 'everything'  PG-E216, exit 2",
            "there are: interactive-agent, not-the-host, not-the-function, foreign-agent, after-quiet",
        ),
    ),
    "an action that IAM does not know": (
        ("explain", "s3:GetObjct", *ON),
        2,
        said(
            "IAM has no action 's3:GetObjct'  PG-E217, exit 2",
            "did you mean s3:GetObject or s3:GetObjectAcl or s3:PutObject?",
            "an action is service:Name, for example s3:GetObject",
            shlex.join(["policygen", "explain", "s3:GetObject", *ON]),
        ),
    ),
    "no action at all, with escapes": (
        ("explain", f"x{ESCAPE}", *ON),
        2,
        said(
            "IAM has no action 'x\\\\x1b[2J\\\\x1b]0;all is well\\\\x07\\\\u202e'  PG-E217, exit 2",
            "an action is service:Name, for example s3:GetObject",
        ),
    ),
    "an unknown format of explain": ((*EXPLAIN, "-f", "yaml"), 2, no_format("yaml", "json, text")),
    "a level that there is not": (
        (*CHECK, "--fail-on", "fatal"),
        2,
        said("--fail-on is 'fatal'  PG-E218, exit 2", "there are: error, warning, note, never"),
    ),
    "an unknown format of check": (
        (*CHECK, "-f", "xml"),
        2,
        no_format("xml", "github, json, junit, markdown, sarif, text"),
    ),
    "a policy that is not there": (
        ("check", "nothing.json", *ON),
        2,
        said("cannot read 'nothing.json': No such file or directory  PG-E219, exit 2", GIVE),
    ),
    "a file whose name has escapes and is not there": (
        ("check", f"a{ESCAPE}.json", *ON),
        2,
        said(
            "cannot read 'a\\\\x1b[2J\\\\x1b]0;all is well\\\\x07\\\\u202e.json': "
            "No such file or directory  PG-E219, exit 2",
            GIVE,
        ),
    ),
    "a folder without a policy": (
        ("check", "none", *ON),
        2,
        said("cannot read 'none': the folder holds no .json and no .yaml file  PG-E219, exit 2", GIVE),
    ),
    "a file with a list of no policies": (
        ("check", "nothing-in-it.json", *ON),
        2,
        said("cannot read 'nothing-in-it.json': it holds no policy  PG-E219, exit 2", GIVE),
    ),
    "a policy that is not UTF-8": (
        ("check", "latin.json", *ON),
        2,
        said("cannot read 'latin.json': it is not UTF-8  PG-E219, exit 2", GIVE),
    ),
    "a policy that is a list": (
        ("check", "list.json", *ON),
        2,
        said(
            "policy 'list.json' cannot be read: document must be an object, not a list  PG-E210, exit 2",
            "compare document with the IAM User Guide, IAM JSON policy elements reference",
        ),
    ),
    "a check with a snapshot and --live": (
        ("check", "good.json", *TODAY, "--live"),
        2,
        f"{BOTH}  hint: {shlex.join(['policygen', 'check', 'good.json', *TODAY])}\n",
    ),
    "a second policy that is not there": (
        ("diff", "good.json", "nothing.json"),
        2,
        said("cannot read 'nothing.json': No such file or directory  PG-E219, exit 2", GIVE),
    ),
    "an unknown format of diff": (
        ("diff", "good.json", "good.json", "-f", "yaml"),
        2,
        no_format("yaml", "json, text"),
    ),
    "an unknown format of doctor": (
        ("doctor", "-l", "logs", "-f", "yaml"),
        2,
        no_format("yaml", "json, text"),
    ),
    "a doctor with a snapshot and --live": (
        ("doctor", "-l", "logs", "-s", "account.json", "--live"),
        2,
        f"{BOTH}  hint: policygen doctor -l logs -s account.json\n",
    ),
    "a doctor on logs without an event": (
        ("doctor", "-l", "quiet"),
        4,
        said(
            "no event of any caller in 1 file  PG-E302, exit 4",
            "give the folder that the trail delivers to: its AWSLogs, or any part of it",
            *OWN_LOGS,
        ),
    ),
    "a doctor without logs": (
        ("doctor", "-l", "none"),
        4,
        said(
            "no CloudTrail log file under 'none' (1 file passed over: 1 not-json)  PG-E302, exit 4",
            "logs are .json.gz files as a trail delivers them, or any JSON that holds their records",
            *OWN_LOGS,
        ),
    ),
    "a doctor with a file that is no snapshot": (
        ("doctor", "-l", "logs", "-s", "list.json"),
        2,
        said(
            "list.json is not an account snapshot: Expected `object` - at `$`  PG-E213, exit 2",
            MAKE_ONE,
            "a folder or file of CloudTrail logs goes to --logs",
        ),
    ),
    "a doctor of a role that the account does not have": (
        ("doctor", "-l", "logs", "-s", "account.json", "-r", "nobody"),
        4,
        said(
            f"no role named 'nobody' in account {ACCOUNT}  PG-E310, exit 4",
            "the account has 1 role",
            "policygen roles -l logs -s account.json",
        ),
    ),
    "an account that is none": (
        ("permissions", "--account", "12"),
        2,
        said("--account is '12'  PG-E221, exit 2", "an account id has 12 digits"),
    ),
    "a partition that is none": (
        ("permissions", "--partition", "moon"),
        2,
        said("--partition is 'moon'  PG-E221, exit 2", "for example aws, aws-cn, aws-us-gov"),
    ),
    "a command that asks nothing of AWS": (
        ("permissions", "map"),
        2,
        said(
            "no command 'map' that calls AWS  PG-E222, exit 2",
            "there are: backtest, batch, check, doctor, explain, probation, roles, snapshot, suggest, trust",
            "all others work on files; map and api need for s3://BUCKET what suggest --logs s3://BUCKET does",
        ),
    ),
    "an unknown format of permissions": (("permissions", "-f", "yaml"), 2, no_format("yaml", "policy, text")),
    "a service that IAM does not know": (
        ("services", "nothing"),
        4,
        said(
            "IAM has no service 'nothing'  PG-E305, exit 4",
            "give the prefix of its actions (s3) or its event source (monitoring.amazonaws.com)",
            "policygen services",
        ),
    ),
    "a way of writing names that there is not": (
        (*SUGGEST, "--resources", "wide"),
        2,
        said("--resources is 'wide'  PG-E215, exit 2", "there are: auto, exact, pattern, type"),
    ),
    "decisions that are not there": (
        (*SUGGEST, "--decisions", "nothing.toml"),
        2,
        said("nothing.toml cannot be read: No such file or directory  PG-E360, exit 2", "check the path"),
    ),
    "decisions that are not TOML": (
        (*SUGGEST, "--decisions", "open.toml"),
        2,
        said("open.toml is not TOML: Invalid value (at end of document)  PG-E360, exit 2", MANUAL),
    ),
    "decisions with a key that is none": (
        (*SUGGEST, "--decisions", "key.toml"),
        2,
        said(
            "key.toml: keep[0].actoin is not a key; there are: role, account, action, resource, reason, expires, "
            "principal  PG-E361, exit 2",
            "did you mean action?",
            MANUAL,
        ),
    ),
    "decisions about an action that is none": (
        (*EXPLAIN, "--decisions", "value.toml"),
        2,
        said(
            "value.toml: drop[0].action: IAM has no action 's3:GetObjct'  PG-E362, exit 2",
            "did you mean s3:GetObject?",
            MANUAL,
        ),
    ),
    "decisions that contradict each other": (
        (*SUGGEST, "--decisions", "conflict.toml"),
        2,
        said(
            "keep[0] keeps what drop[0] drops: iam:* on *, iam:Get* on *  PG-E363, exit 2",
            "narrow one of them, or take one out",
        ),
    ),
    "flags that contradict each other": (
        (*SUGGEST, "--keep", "iam:ListUsers", "--drop", "iam:*"),
        2,
        said(
            "--keep iam:ListUsers keeps what --drop iam:* drops: iam:ListUsers on *, iam:* on *  PG-E363, exit 2",
            "narrow one of them, or take one out",
        ),
    ),
    "a keep that would widen": (
        ("explain", "iam:ListUsers", *TODAY, "--keep", "s3:GetObject"),
        2,
        said(
            "--keep s3:GetObject keeps what today's policies of orders do not grant: s3:GetObject on *  "
            "PG-E364, exit 2",
            "today's policies grant nothing of this service",
            "a keep never widens: what is not granted today has to be added to the role's policies first",
        ),
    ),
    "a protected role": (
        (*SUGGEST, "--decisions", "protect.toml"),
        1,
        said(
            "the role orders is protected: the pager of the shop  PG-E365, exit 1",
            "protect[0] in the file of decisions says so; take it out if that is no longer right",
        ),
    ),
    "a protected role, with escapes in the reason": (
        (*SUGGEST, "--decisions", "evil.toml"),
        1,
        said(
            "the role orders is protected: \\x1b[2J\\u202e  PG-E365, exit 1",
            "protect[0] in the file of decisions says so; take it out if that is no longer right",
        ),
    ),
    "a flag that is no decision": (
        (*SUGGEST, "--drop", "s3:GetObject from bucket"),
        2,
        said(
            "'--drop s3:GetObject from bucket' is neither an action nor an action on a resource  PG-E366, exit 2",
            "--drop s3:DeleteObject",
            "--drop 's3:DeleteObject on arn:aws:s3:::bucket/*'",
        ),
    ),
}


OF_A_FILE = {
    "a file with a list of no policies",
    "a policy that is not UTF-8",
    "a policy that is a list",
}
"""Failures after which no command's help is of use: a file is to be mended."""


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_says_what_where_and_what_next(name: str, world: Path) -> None:
    args, code, stderr = FAILURES[name]
    told = stderr if name in OF_A_FILE else with_next(stderr, args)
    assert run(world, *args) == Done("", told, code)


def test_standard_input_is_read_once_and_only_as_utf_8(world: Path) -> None:
    done = process(world, "check", "-", *ON, text=b'{"Sid": "\xe9"}')
    what = said("cannot read 'standard input': it is not UTF-8  PG-E219, exit 2", GIVE)
    assert done == Done("", with_next(what, ["check"]), 2)


# --- check ---------------------------------------------------------------------------------------

# Policy, --fail-on -> exit code. An error is what breaks the role, a warning what is spare, a note what is unknown.
GATES = [
    ("good.json", "note", 0),
    ("blind.json", "error", 0),
    ("blind.json", "note", 1),
    ("spare.json", "error", 1),  # it reads all tables, which nothing needs
    ("spare.json", "warning", 1),
    ("spare.json", "never", 0),
    ("broken.json", "error", 1),
    ("broken.json", "never", 0),
]


@pytest.mark.parametrize(("name", "level", "code"), GATES)
def test_the_gate_fails_at_its_level_and_above(name: str, level: str, code: int, world: Path) -> None:
    done = run(world, "check", name, *ON, "--fail-on", level, "-q")
    assert (done.stderr, done.code) == ("", code)
    first = done.stdout.splitlines()[0]
    assert first.startswith(f"gate {'failed' if code else 'passed'}  orders: ")
    assert (f"at or above {level}" in first) == bool(code)


def test_today_s_policies_bound_what_is_checked(world: Path) -> None:
    """A policy that asks for more than today grants is an error only where today is known."""
    assert run(world, "check", "blind.json", *ON, "-q").code == 0
    done = run(world, "check", "blind.json", *TODAY, "-q")
    assert done.code == 1
    assert "\nerror PG105 wider than today's policies\n  blind.json:1:189  logs:PutLogEvents\n" in done.stdout


def subjects(done: Done) -> list[tuple[str, str, str]]:
    """Rule, file and subject of each finding of a check in JSON."""
    return [(one["rule"], one["file"], one["subject"]) for one in json.loads(done.stdout)["findings"]]


def test_policies_of_a_folder_hold_together(world: Path) -> None:
    """Neither of the two would do alone: one lacks a call, the other grants what is spare."""
    done = run(world, "check", "both", *ON, "-q", "-f", "json")
    assert (subjects(done), done.code) == ([("PG101", "both/b.json", "iam:ListUsers")], 1)
    assert json.loads(done.stdout)["files"] == ["both/a.json", "both/b.json"]
    assert subjects(run(world, "check", "both/a.json", "both/b.json", *ON, "-q", "-f", "json")) == subjects(
        done
    )


def test_several_documents_of_one_file_hold_together(world: Path) -> None:
    done = run(world, "check", "many.json", *ON, "-q", "-f", "json")
    assert (subjects(done), done.code) == ([("PG101", "many.json", "iam:ListUsers")], 1)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_a_policy_comes_from_standard_input(mark: bytes, world: Path) -> None:
    done = run(world, "check", "-", *ON, "-q", "-f", "json", text=mark + json.dumps(BROKEN).encode())
    assert done.code == 1
    assert subjects(done) == [
        ("PG201", "standard input", "dynamodb:GetItem"),
        ("PG101", "standard input", "iam:ListUsers"),
    ]


def test_what_suggest_writes_passes_its_own_gate(world: Path) -> None:
    made = run(world, *SUGGEST, "-q", "-f", "policy")
    done = run(world, "check", "-", *TODAY, "--fail-on", "note", "-q", text=made.stdout.encode())
    assert (done.stderr, done.code) == ("", 0)
    assert run(world, "diff", "spare.json", "-", "--never-wider", text=made.stdout.encode()).code == 0


# --- diff ----------------------------------------------------------------------------------------

# Old, new -> first line, exit code with --exit-code, with --never-wider.
DIFFS = [
    ("good.json", "good.json", "equal: they allow the same", 0, 0),
    ("good.json", "spare.json", "wider: the new one allows all that the old one does, and more", 1, 1),
    (
        "spare.json",
        "good.json",
        "narrower: the new one allows less, and nothing that the old one does not",
        1,
        0,
    ),
    ("good.json", "broken.json", "different: each allows something that the other does not", 1, 1),
    ("many.json", "both", "equal: they allow the same", 0, 0),
]


@pytest.mark.parametrize(("old", "new", "first", "differs", "wider"), DIFFS)
def test_diff_says_which_way_and_fails_when_asked(
    old: str, new: str, first: str, differs: int, wider: int, world: Path
) -> None:
    done = run(world, "diff", old, new, "--exit-code")
    assert (done.stdout.splitlines()[0], done.stderr, done.code) == (first, "", differs)
    assert run(world, "diff", old, new, "--never-wider") == done._replace(code=wider)
    if (old, new) == ("good.json", "spare.json"):
        assert run(world, "diff", old, new) == done._replace(code=0)


# --- hostile files -------------------------------------------------------------------------------

RAW = ("\x1b", "\x07", "\u202e", "\x9b")


@pytest.mark.parametrize(
    "args",
    [
        *(("check", EVIL_FILE, *TODAY, "-f", kind) for kind in ("text", "json", "sarif", "junit", "github")),
        ("diff", EVIL_FILE, "good.json"),
        ("diff", "good.json", EVIL_FILE, "-f", "json"),
    ],
    ids=lambda args: " ".join((args[0], args[-1] if args[-2] == "-f" else "text")),
)
def test_names_and_contents_of_a_policy_reach_no_terminal_raw(args: Sequence[str], world: Path) -> None:
    done = run(world, *args)
    assert done.code in (0, 1)
    assert done.stdout
    assert [sign for sign in RAW if sign in done.stdout + done.stderr] == []
    assert "all is well" in done.stdout  # it is shown, written out


@pytest.mark.parametrize(
    "args",
    [
        ("check", "broken.json", *TODAY, "-q"),
        ("check", "spare.json", "-r", ROLE, "-l", "wide", "-q"),  # a list that is cut with an ellipsis
        ("diff", "good.json", "spare.json"),
        ("doctor", *TODAY, "-q"),
        ("explain", "dynamodb:GetItem", "iam:ListUsers", *TODAY, "-q"),
        ("permissions",),
    ],
    ids=lambda args: args[0],
)
def test_the_screen_is_ascii_where_the_terminal_knows_no_more(args: Sequence[str], world: Path) -> None:
    done = run(world, *args, PYTHONIOENCODING="ascii")
    assert done.stdout.isascii()
    assert "\\u" not in done.stdout  # a sign has a twin; only what is hostile is written out
    assert done.stdout.count("\n") > 3
    assert (done.stderr, done.code) == ("", 1 if args[0] == "check" else 0)
