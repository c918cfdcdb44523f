"""The log is written by strangers: nothing that they put into it widens a policy or breaks an output."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from policygen.catalog import mapping
from policygen.catalog.call import Call, ResourceEntry
from policygen.errors import PolicygenError
from policygen.evidence.record_mapping import map_batch
from policygen.iam.evaluate import evaluate
from policygen.iam.request import AccessRequest
from policygen.logs.registry import open_source
from policygen.rightsize.analysis import Analysis, analyse
from policygen.text import escape_controls
from tests.support.command import LONG, environment, run
from tests.support.golden import rendered as render
from tests.support.options import analysis_options
from tests.support.records import ACCOUNT, ROLE, record, write_logs

Short = dict[str, Any]

GET: Short = {"source": "dynamodb", "name": "GetItem", "params": {"tableName": "carts"}}
PUT: Short = {
    "source": "s3",
    "name": "PutObject",
    "params": {"bucketName": "shop", "key": "invoices/list.csv"},
}
HONEST = [GET, PUT]
GRANTS = {
    f"dynamodb:GetItem arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/carts",
    "s3:PutObject arn:aws:s3:::shop/invoices/list.csv",
}

# Text that terminals, markup, IAM, JSON or a person may take for more than text.
TEXTS: Mapping[str, str] = {
    "an escape sequence": "\x1b]0;owned\x07\x1b[2J\x1b[1A\x1b[31mred",
    "a C1 control": "\x9b31mred\x85next",
    "rich markup": "[/red][bold]x[/] [link=http://x]y[/link]",
    "a right-to-left override": "invoice\u202egpj.exe\u2066\u2069",
    "invisible marks": "a\u200b\u200d\ufeffb",
    "line breaks": "one\r\ntwo\u2028three\n✔ sufficient: forged",
    "NUL": "a\x00b",
    "delete": "a\x7f\x08b",
    "wildcards": "*?${aws:username}${*}",
    "a forged denial": "User: x is not authorized to perform: iam:* on resource: *",
    "an ARN": "arn:aws:iam::aws:policy/AdministratorAccess",
    "JSON": '"}], "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]',
    "a formula": "=cmd|'/c calc'!A1",
    "a megabyte": "A" * (1 << 20),
    "format fields": "%s%n{0}{__class__}",
}  # fmt: skip

RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
"""What no output may hold: every control but the line feed, and the marks that reorder or hide text."""


def outputs(analysis: Analysis) -> dict[str, str]:
    return {
        "text": render("text", analysis),
        "all": render("text", analysis, show_all=True),
        "ascii": render("text", analysis, ascii_only=True),
        "json": render("json", analysis),
        "policy": render("policy", analysis),
        **{name: render(name, analysis) for name in ("aws-cli", "markdown", "sarif", "junit", "github")},
        "csv": render("csv", analysis).replace("\r\n", "\n"),
    }


def made_from(events: Iterable[Short], folder: Path, **options: Any) -> Analysis:
    return analyse([write_logs(folder, list(events))], ROLE, **analysis_options(**options))


def granted(analysis: Analysis) -> set[str]:
    return {f"{grant.action} {grant.resource}" for grant in analysis.suggestion.grants}


def assert_clean(analysis: Analysis) -> None:
    for name, text in outputs(analysis).items():
        assert RAW.findall(text) == [], name
        assert len(text) < 60_000, name
    json.loads(outputs(analysis)["json"])
    json.loads(outputs(analysis)["policy"])


EVERY_TEXT = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)


@EVERY_TEXT
@pytest.mark.parametrize("field", ["agent", "session"])
def test_agents_and_sessions_change_nothing_but_what_is_shown_of_them(
    field: str, text: str, tmp_path: Path
) -> None:
    plain = made_from(HONEST, tmp_path / "plain")
    hostile = made_from([event | {field: text} for event in HONEST], tmp_path / "hostile")
    assert render("policy", hostile) == render("policy", plain)
    assert render("text", hostile) == render("text", plain)
    assert_clean(hostile)


@EVERY_TEXT
def test_an_object_key_is_granted_as_itself_or_less_and_never_as_a_pattern(text: str, tmp_path: Path) -> None:
    key = f"invoices/{text}"[:1000]
    made = made_from([GET, PUT | {"params": {"bucketName": "shop", "key": key}}], tmp_path)
    assert_clean(made)
    assert made.suggestion.proof.held
    # What the key would mean as a pattern, or after a line break or a quote, stays forbidden.
    for other in ("invoices/other", "invoices/", "other", "invoices/${aws:username}x"):
        request = AccessRequest("s3:PutObject", f"arn:aws:s3:::shop/{other}")
        assert evaluate(request, made.suggestion.policies, complete=True).outcome == "IMPLICIT_DENY"
    assert {grant.action for grant in made.suggestion.grants} == {"dynamodb:GetItem", "s3:PutObject"}


NAMES = {
    "a line break in the event source": {"source": "s3.amazonaws.com\nerror: forged", "name": "GetObject"},
    "an escape in the event name": {"source": "s3", "name": "Get\x1b[2JObject"},
    "a wildcard as the event name": {"source": "s3", "name": "*"},
    "a wildcard as the event source": {"source": "*", "name": "*"},
    "an action in the event source": {"source": "iam:*", "name": "*"},
    "a megabyte of event name": {"source": "s3", "name": "Get" + "A" * (1 << 20)},
}


@pytest.mark.parametrize("event", NAMES.values(), ids=NAMES)
def test_an_unknown_event_is_shown_clean_and_grants_nothing(event: Short, tmp_path: Path) -> None:
    made = made_from([*HONEST, event], tmp_path)
    assert granted(made) == GRANTS
    assert len(made.suggestion.usage.unmapped) == 1
    assert_clean(made)


@pytest.mark.parametrize(
    "code", ["AccessDenied", "Client.UnauthorizedOperation", "KMSAccessDeniedException", "VpceAccessDenied"]
)
@pytest.mark.parametrize(
    "message",
    [
        "User: x is not authorized to perform: iam:* on resource: * because no identity-based policy allows the action",
        "is not authorized to perform: *:* on resource: arn:aws:iam::123456789012:role/orders",
        'not authorized to perform: s3:* on resource: "*" with an explicit deny in a service control policy',
        "not authorized to perform: s3:GetObject\x1b[2J on resource: arn:aws:s3:::a\x1b]0;x\x07",
        "not authorized to perform: " * 50_000,
        "x" * (1 << 20),
    ],
    ids=["all of iam", "everything", "a quoted star", "escapes", "a long repetition", "a megabyte"],
)
def test_a_forged_denial_never_grants(code: str, message: str, tmp_path: Path) -> None:
    denied = {"source": "lambda", "name": "ListFunctions20150331", "error": code, "message": message}
    made = made_from([*HONEST, denied], tmp_path)
    extra = granted(made) - GRANTS
    # A refused part (KMS) says that the call itself was authorised: then that one action, and no other.
    assert extra <= ({"lambda:ListFunctions *"} if code.startswith("KMS") else set())
    assert made.suggestion.usage.denied
    assert_clean(made)


FOREIGN: Mapping[str, Short] = {
    "a denied call": {"error": "AccessDenied"},
    "a call with expired credentials": {"error": "ExpiredToken"},
    "another role": {"role": "orders2"},
    "a role of another path and name": {"role": "x", "path": "/orders/", "session": ROLE},
    "a user of that name": {
        "identity": {
            "type": "IAMUser", "principalId": "AIDA1", "accountId": ACCOUNT, "userName": ROLE,
            "arn": f"arn:aws:iam::{ACCOUNT}:user/{ROLE}",
        }
    },
    "a user with a forged issuer": {
        "identity": {
            "type": "IAMUser", "principalId": "AIDA1", "accountId": ACCOUNT, "userName": ROLE,
            "sessionContext": {
                "sessionIssuer": {"type": "Role", "arn": f"arn:aws:iam::{ACCOUNT}:role/{ROLE}", "userName": ROLE}
            },
        }
    },
    "a web identity of that name": {
        "identity": {"type": "WebIdentityUser", "principalId": f"x:{ROLE}", "userName": ROLE}
    },
    "a session whose name holds an ARN": {
        "role": "x", "session": f"a/assumed-role/{ROLE}/b"
    },
    "a session tag with a whole record in its parameters": {
        "role": "x",
        "params": {"Records": [record({"source": "iam", "name": "CreateUser"})], "userName": "mallory"},
    },
}  # fmt: skip


@pytest.mark.parametrize("change", FOREIGN.values(), ids=FOREIGN)
def test_what_is_not_the_role_s_own_success_cannot_widen(change: Short, tmp_path: Path) -> None:
    worst = {
        "source": "iam",
        "name": "CreateUser",
        "params": {"userName": "mallory"},
        "time": "2026-11-03T08:00:30Z",
    }
    own = made_from([*HONEST, worst], tmp_path / "own")
    assert any(
        grant.startswith("iam:CreateUser") for grant in granted(own)
    )  # it would, were it the role's own
    made = made_from([*HONEST, worst | change], tmp_path / "foreign")
    assert granted(made) == GRANTS
    assert render("policy", made) == render("policy", made_from(HONEST, tmp_path / "plain"))


def test_a_session_policy_cannot_be_smuggled_in_by_names_of_parameters(tmp_path: Path) -> None:
    params = {
        "bucketName": "shop",
        "key": "a/b.txt",
        "bucket": "*",
        "Bucket": "*",
        "resource": "*",
        "arn": "arn:aws:s3:::*",
        "host": "*",
    }
    made = made_from([GET, PUT | {"params": params}], tmp_path)
    request = AccessRequest("s3:PutObject", "arn:aws:s3:::other/x")
    assert evaluate(request, made.suggestion.policies, complete=True).outcome == "IMPLICIT_DENY"


NO_ARN: Mapping[str, Short] = {
    f"{name} {where} of {text!r}": {
        "source": source,
        "name": name,
        "params": params(text),
        "error": "ValidationException",
    }
    for source, name, where, params in (
        ("s3", "CreateJob", "roleArn", lambda text: {"roleArn": text}),
        ("secretsmanager", "RotateSecret", "rotationLambdaARN", lambda text: {"rotationLambdaARN": text}),
        ("ecs", "DescribeServiceRevisions", "ARNs", lambda text: {"serviceRevisionArns": [text]}),
        ("acm", "DescribeCertificate", "certificateArn", lambda text: {"certificateArn": text}),
    )
    for text in ("*", "arn:", "arn:aws:acm", "arn:*:*:*:*:*", "arn:aws:iam:::", "shop")
}


@pytest.mark.parametrize("event", NO_ARN.values(), ids=NO_ARN)
def test_what_is_no_arn_where_one_belongs_is_never_a_resource(event: Short, tmp_path: Path) -> None:
    """As `*` it would open everything; as anything else IAM would refuse the whole policy."""
    made = made_from([*HONEST, event], tmp_path)
    for grant in made.suggestion.grants:
        if f"{grant.action} {grant.resource}" not in GRANTS:
            assert grant.resource.startswith("arn:aws:"), grant
            assert grant.resource.count(":") >= 5, grant
            assert not grant.action.startswith("iam:"), grant


@pytest.mark.parametrize("text", ["*", "us-*", "${aws:username}", "us-east-?"])
def test_a_region_of_the_log_is_text_where_the_whole_type_is_granted(text: str, tmp_path: Path) -> None:
    event = {"source": "dynamodb", "name": "DescribeTable", "params": {}, "region": text}
    made = made_from([*HONEST, event], tmp_path)
    request = AccessRequest("dynamodb:DescribeTable", f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/x")
    assert evaluate(request, made.suggestion.policies, complete=True).outcome == "IMPLICIT_DENY"


SIGNS = 60_000
SLOW: Mapping[str, Short] = {
    "spaces in a statement": {
        "source": "dynamodb", "name": "ExecuteStatement", "params": {"statement": "select" + " " * SIGNS + "("},
    },
    "spaces after a sender": {
        "source": "ses", "name": "SendEmail", "params": {"source": "a@b.c" + " " * SIGNS + "x"},
    },
    "the same path over and over": {
        "source": "kms", "name": "Decrypt", "params": {"keyId": "alias/" * (SIGNS // 6) + "\n\n"},
    },
    "many resources": {
        "source": "kms",
        "name": "Decrypt",
        "resources": [f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{i}" for i in range(10_000)],
    },
    "an ARN of slashes": {
        "source": "organizations",
        "name": "DescribePolicy",
        "resources": [f"arn:aws:organizations::{ACCOUNT}:transfer/o-" + "/" * 1900 + ":"],
    },
}  # fmt: skip


@pytest.mark.parametrize("event", SLOW.values(), ids=SLOW)
def test_nothing_takes_the_square_of_its_length_in_time(event: Short) -> None:
    source, name = f"{event['source']}.amazonaws.com", event["name"]
    entries = tuple(ResourceEntry("", arn, ACCOUNT) for arn in event.get("resources", ()))
    call = Call(source, name, "us-east-1", ACCOUNT, "aws", event.get("params", {}), entries)
    mapping.requests_for(Call(source, name, "us-east-1", ACCOUNT))  # reads the files
    begin = time.process_time()
    mapping.requests_for(call)
    assert time.process_time() - begin < 2


# --- odd JSON ------------------------------------------------------------------------------------


def raw_log(folder: Path, *texts: str) -> Path:
    """A log of the honest events and of records given as JSON text."""
    whole = [json.dumps(record(event, i)) for i, event in enumerate(HONEST)]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "log.json"
    path.write_text('{"Records": [' + ", ".join([*whole, *texts]) + "]}", "utf-8")
    return path


def with_params(text: str, name: str = "DeleteItem") -> str:
    made = record({"source": "dynamodb", "name": name, "params": "@", "id": "hostile"})
    return json.dumps(made).replace('"@"', text)


ODD: Mapping[str, str] = {
    "deep nesting": with_params('{"tableName": ' + "[" * 100_000 + "]" * 100_000 + "}"),
    "deep objects": with_params('{"a":' * 50_000 + "1" + "}" * 50_000),
    "giant numbers": with_params('{"tableName": 1' + "0" * 100_000 + ', "x": 1e999999, "y": -1e-999999}'),
    "a lone surrogate": with_params('{"tableName": "a\\ud800b"}'),
    "a pair of surrogates": with_params('{"tableName": "\\ud83d\\ude00"}'),
    "a key given twice": with_params('{"tableName": "carts", "tableName": "*"}'),
    "a list": with_params('["tableName"]'),
    "a string": with_params('"tableName=*"'),
    "a number": with_params("17"),
    "many keys": with_params("{" + ", ".join(f'"k{i}": "{i}"' for i in range(50_000)) + "}"),
    "a name of a megabyte": with_params('{"tableName": "' + "x" * (1 << 20) + '"}'),
    "an ARN of a megabyte": with_params(
        f'{{"tableName": "arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{"x" * (1 << 20)}"}}'
    ),
    "colons": with_params('{"tableName": "' + ":" * 5000 + '"}'),
    "stars": with_params('{"tableName": "' + "*" * 5000 + '"}'),
}  # fmt: skip


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_an_odd_record_is_a_finding_or_a_narrow_grant(text: str, tmp_path: Path) -> None:
    log = raw_log(tmp_path, text)
    made = analyse([log], ROLE, **analysis_options(allow_incomplete=True))
    assert granted(made) >= GRANTS
    assert all(len(grant) < 2048 for grant in granted(made))
    table = AccessRequest("dynamodb:DeleteItem", f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/other")
    usage = made.suggestion.usage
    known = [r.resource for r in usage.requests if r.action == "dynamodb:DeleteItem"]
    # One deleted item is a grant of some table; where the table cannot be told, it is told that it cannot.
    seen = known or usage.unmapped or made.read_report.gaps
    assert seen
    if known and not any(r.wild for r in usage.requests if r.action == "dynamodb:DeleteItem"):
        assert evaluate(table, made.suggestion.policies, complete=True).outcome == "IMPLICIT_DENY"
    assert all(RAW.findall(text) == [] for text in outputs(made).values())
    batches = list(open_source(log).read())
    rows = [row for batch in batches for row in map_batch(batch, None, set())]
    assert len(rows) + sum(batch.damage is not None for batch in batches) == 3


@pytest.mark.parametrize("time", ["yesterday", "zzzz", "", "9999", "2026-13-45T00:00:00Z", "\x1b[2J"])
def test_a_record_whose_time_is_no_time_is_a_finding_and_not_a_bug(time: str, tmp_path: Path) -> None:
    made = made_from([*HONEST, GET | {"name": "PutItem", "time": time}], tmp_path, allow_incomplete=True)
    assert granted(made) == GRANTS
    assert made.suggestion.usage.window.end == "2026-11-03T08:00:01Z"
    assert sum(made.counts.totals.ignored.values()) == 1
    assert_clean(made)


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["[/red]", "orders\x1b[2J", "a b", "", "*", "orders/../x y", "${aws:username}", "x" * 65]
)
def test_a_role_cannot_be_asked_for_by_a_name_that_iam_would_refuse(name: str, tmp_path: Path) -> None:
    log = write_logs(tmp_path, HONEST)
    with pytest.raises(PolicygenError) as caught:
        analyse([log], name)
    assert caught.value.code == "PG-E203"
    assert escape_controls(caught.value.message) == caught.value.message


def test_role_names_of_the_log_are_shown_clean(tmp_path: Path) -> None:
    events = [GET | {"role": f"orders-{text[:100]}"} for text in TEXTS.values()]
    write_logs(tmp_path, events)
    done = run(tmp_path, "suggest", "-r", "orders-", "-l", ".")
    assert (done.stdout, done.code) == ("", 4)
    assert RAW.findall(done.stderr) == []
    assert [line for line in done.stderr.splitlines() if not line.startswith(("error: ", "  hint: "))] == []


def test_file_names_are_shown_clean(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    write_logs(folder, HONEST)
    (folder / "a\x1b[2J\u202e[red].json").write_text("{")
    (folder / "b\nerror: forged.json").write_text("{")
    suggest = ["suggest", "-r", ROLE, "-l", "logs"]
    accepted = [*suggest, "--allow-incomplete"]
    for args in (suggest, accepted, [*accepted, "-f", "json"], ["map", "logs"]):
        done = run(tmp_path, *args)
        assert done.code == (0 if "--allow-incomplete" in args else 3)
        for stream in (done.stdout, done.stderr):
            assert RAW.findall(stream) == []
            assert not any(line.startswith("error: forged") for line in stream.splitlines())


def test_every_row_of_map_is_one_clean_line(tmp_path: Path) -> None:
    events = [
        *(PUT | {"params": {"bucketName": "shop", "key": text[:900]}} for text in TEXTS.values()),
        *(GET | {"error": "AccessDenied", "message": text} for text in TEXTS.values()),
        *NAMES.values(),
    ]
    write_logs(tmp_path, events)
    for kind in ("jsonl", "text"):
        done = run(tmp_path, "map", "log.json", "-f", kind)
        assert done.code == 0
        lines = done.stdout.removesuffix("\n").split("\n")
        assert len(lines) == len(events)
        assert RAW.findall(done.stdout + done.stderr) == []


# --- memory --------------------------------------------------------------------------------------


@pytest.mark.system
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
def test_long_texts_of_strangers_do_not_fill_the_memory(tmp_path: Path) -> None:
    """20 files of 30 MB, nearly all agents and sessions: the peak is that of a few files and not of all."""
    long = dict.fromkeys(("agent", "session"), "A" * (1 << 19))
    for number in range(20):
        events = [GET | {key: f"{number}-{i}{text}" for key, text in long.items()} for i in range(15)]
        write_logs(tmp_path, events, f"{number}.json")
    code = (
        "import re\n"
        "from pathlib import Path\n"
        "from policygen.rightsize.analysis import analyse\n"
        f"made = analyse([{str(tmp_path)!r}], {ROLE!r})\n"
        "assert made.suggestion.usage.events.count == 300\n"
        # Not getrusage: a child begins with its parent's peak.
        "print(re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())[1])\n"
    )
    made = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert int(made.stdout) < 250 * 1024  # KiB
