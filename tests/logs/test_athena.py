"""Athena gives what reading the files gives: the same calls, the same facts. Its SQL is run by DuckDB (`athena_duck`).

POLICYGEN_UPDATE=1 rewrites the texts under cases/athena.
"""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from policygen.account.aws_session import Aws
from policygen.catalog.rules import all_rules
from policygen.errors import AwsError, GateError, PolicygenError, UsageError
from policygen.iam.request import RoleKey
from policygen.logs.calls.counts import CallCounts
from policygen.logs.events.credentials import credential_use_of
from policygen.logs.events.event import NO_IDENTITY, UNDATED
from policygen.logs.events.outcome import outcome_of
from policygen.logs.registry import open_source
from policygen.logs.source import Batch
from policygen.logs.sources.athena.client import AthenaClient, TableLocation, parse_table_location
from policygen.logs.sources.athena.ddl import ddl
from policygen.logs.sources.athena.source import count_table
from policygen.logs.sources.athena.sql import MAX_QUERY_BYTES, CallsQuery, calls_sql, summary_sql
from policygen.logs.sources.athena.table import Partition, Table, read_table
from policygen.logs.window_end import WindowEnd
from tests.support import ROOT
from tests.support.records import ACCOUNT, ROLE, ROLE_ID, record

duckdb = pytest.importorskip("duckdb")
sqlglot = pytest.importorskip("sqlglot")
pytest.importorskip("pyarrow")
from tests.support.athena_duck import PATHS, Duck  # noqa: E402

CASES = ROOT / "tests" / "cases" / "athena"
TRAIL = ROOT / "samples" / "trail"
FACTS = (
    "calls roles ignored principals days regions data_types management change_events records duplicates first last"
).split()

Records = list[tuple[str, Mapping[str, Any]]]


def named(name: str) -> Callable[[RoleKey], bool]:
    return lambda role: role.name.lower() == name


def read_locally(records: Records, asked: CallsQuery, folder: Path) -> CallCounts:
    """What the files give, in the order of their names."""
    for path in dict.fromkeys(path for path, _ in records):
        held = [one for at, one in records if at == path]
        (folder / path).write_text(json.dumps({"Records": held}, separators=(",", ":")), "utf-8")
    counts = CallCounts(named(asked.role), until=asked.until)
    for batch in open_source(folder).read():
        assert not batch.damage
        assert all(one.reason == "no userIdentity" for one in batch.unreadable)
        counts.add_all(batch.records)
        counts.totals.records += len(batch.unreadable)
        counts.totals.ignored[NO_IDENTITY] += len(batch.unreadable)
    counts.resolve_cross_account_copies()
    return counts


def assert_same(found: CallCounts, expected: CallCounts) -> None:
    if "calls" in FACTS:
        assert found.calls == expected.calls
    totals = [name for name in FACTS if name != "calls"]
    assert [getattr(found.totals, name) for name in totals] == [
        getattr(expected.totals, name) for name in totals
    ]


# ---- the same as reading the files ----------------------------------------------------------------------


@cache
def sample_rows() -> Records:
    return [
        (one.as_posix(), event)
        for one in sorted(TRAIL.rglob("*_CloudTrail_*"))
        for event in json.loads(_unpacked(one))["Records"]
    ]


@cache
def sample_batches() -> list[Batch]:
    return list(open_source(TRAIL).read())


def _unpacked(path: Path) -> bytes:
    import gzip

    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


@pytest.fixture(scope="module")
def sample() -> Duck:
    return Duck(sample_rows())


@pytest.mark.parametrize("role", ["orders-api", "stock-sync", "nobody"])
def test_the_sample_trail_gives_the_same_ledger(sample: Duck, role: str) -> None:
    expected = CallCounts(named(role))
    expected.add_all(one for batch in sample_batches() for one in batch.records)
    expected.resolve_cross_account_copies()
    assert_same(sample.counts(CallsQuery(role), named(role)), expected)


def test_a_group_is_seldom_less_than_a_call(sample: Duck) -> None:
    counts = sample.counts(CallsQuery("orders-api"), named("orders-api"))
    (calls,) = counts.calls.values()
    assert sample.rows[-1] < 1.5 * len(calls)


OTHER = "999988887777"
LAMBDA = "Boto3/1.40.0 exec-env/AWS_Lambda_python3.13"
ODD: list[dict[str, Any]] = [
    short for group in json.loads((CASES / "events.json").read_text("utf-8")).values() for short in group
]
"""Short forms for `support.record`; `file` is where the event lies."""


def odd() -> Records:
    """The odd events, in two files."""
    made: Records = []
    for number, short in enumerate(ODD):
        event = record({k: v for k, v in short.items() if k != "file"}, number)
        if "resources" in event:
            event["resources"] = [one for one in event["resources"] if one["ARN"] or one["type"]]
        made.append((short.get("file", "a.json"), event))
    chained = {"source": "sts", "name": "AssumeRole", "params": {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/x"}}
    for number, name in enumerate(("AssumeRole", "GetCallerIdentity"), len(ODD)):
        event = record(chained | {"name": name}, number)
        event["userIdentity"]["sessionContext"]["sourceIdentity"] = "mia"
        made.append(("b.json", event))
    made.append(("b.json", {k: v for k, v in made[0][1].items() if k != "eventID"}))
    made.append(("b.json", {k: v for k, v in made[0][1].items() if k != "userIdentity"} | {"eventID": "n"}))
    return sorted(made, key=lambda one: one[0])


@pytest.mark.parametrize("until", ["", "2026-11-04", "2026-11-03T08:00:30Z"])
def test_odd_events_give_the_same_ledger(tmp_path: Path, until: str) -> None:
    records, asked = odd(), CallsQuery(ROLE, until=WindowEnd.parse(until) if until else None)
    expected = read_locally(records, asked, tmp_path)
    assert expected.calls
    assert_same(Duck(records).counts(asked, named(ROLE)), expected)


TIMES = (
    "2026-11-0{day}T08:{minute:02}:00Z",
    "2026-11-0{day}T08:{minute:02}:00Z",
    "2026-11-0{day}T08:{minute:02}:00.250Z",
    "2026-11-0{day} 08:{minute:02}:00.000",
    "2026-11-0{day}T08:{minute:02}:99Z",
    "yesterday",
)


def test_events_put_together_at_random_give_the_same_ledger(tmp_path: Path) -> None:
    chance = random.Random(7)
    keys = sorted({key for short in ODD for key in short} - {"file", "identity", "id"})
    shorts: list[dict[str, Any]] = []
    for _ in range(1500):
        short = dict(chance.choice(ODD))
        for key in chance.sample(keys, 3):
            if values := [one[key] for one in ODD if key in one]:
                short[key] = chance.choice(values)
        day, minute = chance.randint(3, 5), chance.randint(0, 59)
        short["time"] = chance.choice(TIMES).format(day=day, minute=minute)
        short["id"] = f"id-{chance.randint(0, 1000)}"  # many of them are of two events
        shorts.append(short)
    records = [
        (
            chance.choice(["a.json", "b.json", "c.json"]),
            record({k: v for k, v in one.items() if k != "file"}, at),
        )
        for at, one in enumerate(shorts)
    ]
    records += chance.sample(records, 200)
    records.sort(key=lambda one: one[0])
    for _, event in records:
        event["resources"] = [one for one in event.get("resources", ()) if one["ARN"]]  # type: ignore[index]
    asked = CallsQuery(ROLE)
    expected = read_locally(records, asked, tmp_path)
    assert sum(map(len, expected.calls.values())) > 300
    assert_same(Duck(records).counts(asked, named(ROLE)), expected)


@pytest.mark.parametrize("time", ["1793692800", "2026-11-03T10:00:00+02:00", "yesterday", ""])
def test_a_time_that_sql_cannot_compare_is_counted_and_not_left_out_in_silence(time: str) -> None:
    records = [("a.json", record({"source": "dynamodb", "name": "GetItem"}, 1) | {"eventTime": time})]
    asked = CallsQuery(ROLE, first="2026-11-01", until=WindowEnd.parse("2026-11-30"))
    assert Duck(records).counts(asked, named(ROLE)).totals.ignored == {UNDATED: 1}


OLD = (
    "useridentity.inscopeof",
    "useridentity.sessioncontext.sourceidentity",
    "vpcendpointid",
    "sharedeventid",
    "additionaleventdata",
)


def test_an_old_table_gives_what_the_records_would_without_its_missing_columns(tmp_path: Path) -> None:
    gone = {"vpcEndpointId", "sharedEventID", "additionalEventData"}
    records = odd()
    stripped: Records = [
        (path, {k: _without_scope(v) for k, v in one.items() if k not in gone}) for path, one in records
    ]
    asked = CallsQuery(ROLE)
    duck = Duck(records, OLD)
    counts = CallCounts(named(ROLE))
    unknown = count_table(counts, duck, asked)  # type: ignore[arg-type]
    assert_same(counts, read_locally(stripped, asked, tmp_path))
    assert len(unknown) == len(OLD)
    assert "which function used the role" in unknown[0]


def _without_scope(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {k: _without_scope(v) for k, v in value.items() if k not in {"inScopeOf", "sourceIdentity"}}


def test_a_table_without_resources_or_categories_is_read_all_the_same() -> None:
    lacking = ("resources", "eventcategory", "readonly", "recipientaccountid")
    counts = Duck(odd(), lacking).counts(CallsQuery(ROLE), named(ROLE))
    assert counts.calls
    assert not counts.totals.data_types
    assert set(counts.totals.management) == {"write"}


def test_nobody_is_asked_for_by_one_query() -> None:
    duck = Duck(odd())
    counts = duck.counts(CallsQuery(), lambda _: False)
    assert len(duck.queries) == 1
    assert counts.totals.records == len(odd())
    assert not counts.calls


def test_a_window_leaves_out_what_is_before_it() -> None:
    counts = Duck(odd()).counts(
        CallsQuery(ROLE, first="2026-11-04", until=WindowEnd.parse("2026-11-04")), named(ROLE)
    )
    assert set(counts.totals.days) == {"2026-11-04"}


EVERY = 8
"""Of the service files' examples each n-th is run: parsing thousands of rows of a query is slow."""
EXAMPLES = [
    {"source": example.source.removesuffix(".amazonaws.com"), "name": example.event, "params": example.params}
    for rules in all_rules()
    for example in rules.examples
][::EVERY]


def test_the_parameters_of_examples_are_cut_to_the_same_calls(tmp_path: Path) -> None:
    """In as many tables as queries have room for, so that each is cut."""
    step = 400
    for at in range(0, len(EXAMPLES), step):
        records: Records = [("a.json", record(one, n)) for n, one in enumerate(EXAMPLES[at : at + step])]
        folder = tmp_path / str(at)
        folder.mkdir()
        asked = CallsQuery(ROLE)
        duck = Duck(records)
        assert_same(duck.counts(asked, named(ROLE)), read_locally(records, asked, folder))
        pairs = {(one["eventSource"], one["eventName"]) for _, one in records}
        assert duck.queries[-1].count("AS ARRAY(VARCHAR)), CAST(") >= 0.98 * len(pairs)


def test_where_a_query_has_no_room_parameters_stay_whole() -> None:
    pairs = [("s3.amazonaws.com", f"GetObject{n}") for n in range(5000)]
    query = calls_sql(TABLE, CallsQuery(ROLE), pairs)
    assert MAX_QUERY_BYTES * 0.9 < len(query.encode()) <= MAX_QUERY_BYTES


# ---- what SQL groups apart is enough --------------------------------------------------------------------


AGENTS = ["app/1", "x", "", "aws-cli/2.1", "[AWSLambda-Worker/1]", LAMBDA, "s3.amazonaws.com", "AWS Internal"]
SESSIONS = ["a", "b", "tracing", "tracing2", "awslambda_1", "xawslambda_1", "i-1"]


@pytest.mark.parametrize("agent", AGENTS)
def test_a_session_that_does_not_group_does_not_decide_who_it_was(agent: str) -> None:
    quiet = [one for one in SESSIONS if not re.match(r"tracing|awslambda_", one)]
    if "lambda" not in agent.lower():
        assert len({credential_use_of("", one, agent, "", from_ip_address=True) for one in quiet}) == 1


def test_every_denial_keeps_its_message() -> None:
    superset = re.compile("denied|unauthorized|forbidden|authoriz|insufficient", re.I)
    codes = (
        "AccessDenied AccessDeniedException KMSAccessDeniedFault UnauthorizedOperation ForbiddenException"
        " AuthorizationError NotAuthorized InsufficientPrivilegesException AccessForbidden"
        " UnauthorizedClientException VpceAccessDenied"
    ).split()
    assert all(outcome_of(code) == "denied" and superset.search(code) for code in codes)


# ---- the text -------------------------------------------------------------------------------------------

TABLE = Table("logs", "trail", PATHS, (Partition("timestamp", "string", "date", "yyyy/MM/dd"),))
MONTHS = tuple(Partition(name, "string") for name in ("account", "region", "year", "month", "day"))
ASKED = CallsQuery(ROLE, ACCOUNT, "2026-10-29", WindowEnd.parse("2026-11-02"))
PAIRS = [
    ("s3.amazonaws.com", "GetObject"),
    ("lambda.amazonaws.com", "CreateFunction20150331"),
    ("it's", "odd'"),
]

TEXTS = {
    "survey.sql": lambda: summary_sql(TABLE, ASKED),
    "survey-of-nobody.sql": lambda: summary_sql(TABLE, CallsQuery()),
    "calls.sql": lambda: calls_sql(TABLE, ASKED, PAIRS, [ROLE_ID]),
    "calls-old-table.sql": lambda: calls_sql(
        Table("logs", "old", frozenset(one for one in PATHS if not one.startswith(OLD)), MONTHS),
        ASKED._replace(until=WindowEnd.parse("2026-11-02T12:00:00Z")),
        [],
    ),
    "account.ddl": lambda: ddl(
        "example-trail", regions=["eu-west-1", "us-east-1"], account=ACCOUNT, first="2026-01-01"
    ),
    "organization.ddl": lambda: ddl(
        "example-trail",
        regions=["eu-west-1"],
        organization="o-a1b2c3d4e5",
        prefix="/logs/",
        table="all_accounts",
    ),
    "organization-members.ddl": lambda: ddl(
        "example-trail", regions=["eu-west-1"], organization="o-a1b2c3d4e5", accounts=[ACCOUNT, OTHER]
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_the_text_is_as_agreed_and_athena_s(name: str) -> None:
    text, golden = TEXTS[name](), CASES / name
    if os.environ.get("POLICYGEN_UPDATE"):
        golden.write_text(text if text.endswith("\n") else f"{text}\n", "utf-8")
    assert text.rstrip() == golden.read_text("utf-8").rstrip(), (
        "if the change is meant: POLICYGEN_UPDATE=1 pytest tests/logs/test_athena.py"
    )
    assert sqlglot.parse_one(text, read="hive" if name.endswith(".ddl") else "athena")
    assert not re.search(r"\{[a-z_.]+\}", text.replace("${", "$"))


@pytest.mark.parametrize("role", ["' OR 1=1 --", "a'b", "{eventname}", "x" * 65])
def test_a_name_that_no_role_has_asks_for_nothing(role: str) -> None:
    query = calls_sql(TABLE, CallsQuery(role), [])
    assert role not in query
    assert "WHERE (FALSE)" in query


@pytest.mark.parametrize(
    ("partitions", "asked", "conditions"),
    [
        ((), ("2026-11-01", "2026-11-02", ACCOUNT), ()),
        ((Partition("timestamp", "string"),), ("2026-11-01", "", ""), ("\"timestamp\" >= '2026/11/01'",)),
        (
            (Partition("date", "string", "date", "yyyy-MM-dd"),),
            ("2026-11-29", "2026-11-30", ""),
            ("\"date\" >= '2026-11-29' AND \"date\" <= '2026-12-02'",),
        ),
        ((Partition("date", "string", "date", "dd.MM.yyyy"),), ("2026-11-01", "2026-11-02", ""), ()),
        ((Partition("account", "string", "injected"),), ("", "", ACCOUNT), (f"\"account\" = '{ACCOUNT}'",)),
        ((Partition("account", "string", "enum"),), ("", "", ""), ()),
        (
            tuple(Partition(name, "int") for name in ("year", "month", "day")),
            ("2026-12-31", "2026-12-31", ""),
            (
                (
                    '(("year" IN (2026) AND "month" IN (12) AND "day" IN (31))'
                    ' OR ("year" IN (2027) AND "month" IN (1) AND "day" IN (1, 2)))'
                ),
            ),
        ),
    ],
)  # fmt: skip
def test_partitions_leave_out_what_is_not_asked_for(
    partitions: tuple[Partition, ...], asked: tuple[str, str, str], conditions: tuple[str, ...]
) -> None:
    assert Table("a", "b", PATHS, partitions).partition_conditions(*asked) == conditions


def test_a_table_that_needs_an_account_says_so() -> None:
    with pytest.raises(UsageError, match="one account at a time"):
        Table("a", "b", PATHS, (Partition("account", "string", "injected"),)).partition_conditions("", "", "")


STRUCT = (
    "struct<type:string,principalid:string,arn:string,accountid:string,invokedby:string,userName:string,sessioncontext:"
    "struct<attributes:struct<mfaauthenticated:string>,sessionIssuer:struct<type:string,principalId:string,arn:string,"
    "accountId:string,userName:string>,webIdFederationData:map<string,string>>>"
)
PLAIN = "eventtime eventsource eventName eventid awsregion requestparameters errorcode".split()


def described(**more: Any) -> dict[str, Any]:
    columns = [{"Name": "useridentity", "Type": STRUCT}, *({"Name": one, "Type": "string"} for one in PLAIN)]
    return {"Name": "old", "TableType": "EXTERNAL_TABLE", "Columns": columns} | more


def test_a_table_is_read_whatever_its_age_and_case() -> None:
    keys = [{"Name": "timestamp", "Type": "string"}]
    parameters = {"projection.timestamp.type": "date", "projection.timestamp.format": "yyyy/MM/dd"}
    table = read_table("logs", described(PartitionKeys=keys, Parameters=parameters))
    assert "useridentity.sessioncontext.sessionissuer.username" in table.columns
    assert "useridentity.inscopeof.credentialsissuedto" not in table.columns
    assert table.partitions == (Partition("timestamp", "string", "date", "yyyy/MM/dd"),)
    assert table.has_day_partitions
    assert len(table.unknowns) == 9


def test_a_view_has_the_columns_of_its_rows_and_no_files() -> None:
    issuer = "row(sessionissuer row(arn varchar))"
    of = f"row(type varchar, principalid varchar, arn varchar, accountid varchar, sessioncontext {issuer})"
    columns = [{"Name": "useridentity", "Type": of}, *({"Name": one, "Type": "varchar"} for one in PLAIN)]
    table = read_table("logs", described(Columns=columns, TableType="VIRTUAL_VIEW"))
    assert not table.has_day_partitions
    assert "$path" not in summary_sql(table, ASKED)


def test_a_table_of_something_else_is_refused() -> None:
    with pytest.raises(UsageError, match=r"is not a table of CloudTrail logs: it has no eventtime") as caught:
        read_table("logs", {"Name": "alb\x1b", "Columns": [{"Name": "time", "Type": "string"}]})
    assert "\x1b" not in caught.value.message


def test_the_table_that_ddl_makes_has_every_column() -> None:
    statement = sqlglot.parse_one(ddl("example-trail", regions=["eu-west-1"], account=ACCOUNT), read="hive")
    columns = [{"Name": one.name, "Type": one.kind.sql("hive")} for one in statement.this.expressions]
    table = read_table("logs", {"Name": "t", "Columns": columns})
    assert table.unknowns == ()
    assert not PATHS - table.columns - {"useridentity.inscopeof"}


HOSTILE: list[dict[str, Any]] = [
    {"bucket": "a'; DROP TABLE x; --"},
    {"bucket": "UPPER"},
    {"prefix": "it's"},
    {"prefix": "${timestamp}"},
    {"prefix": "a\nb"},
    {"table": "a`b"},
    {"database": "x y"},
    {"account": "123"},
    {"account": ""},
    {"organization": "o-a1b2c3d4e5"},
    {"accounts": ["1' OR '1"]},
    {"regions": ["eu-west-1,x"]},
    {"regions": []},
    {"first": "2026/01/01"},
]


@pytest.mark.parametrize("more", HOSTILE)
def test_a_value_that_is_not_of_its_form_makes_no_statement(more: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        ddl(**({"bucket": "example-trail", "regions": ["eu-west-1"], "account": ACCOUNT} | more))
    assert caught.value.code == "PG-E525"


def test_the_command_prints_the_statement() -> None:
    from policygen.cli.commands.athena import command

    app = typer.Typer()
    app.command()(command)
    given = ["ddl", "--bucket", "example-trail", "--account", ACCOUNT, "--first", "2026-01-01"]
    done = CliRunner().invoke(app, [*given, "--region", "eu-west-1", "--region", "us-east-1"])
    assert done.stdout == TEXTS["account.ddl"]()
    assert isinstance(
        CliRunner().invoke(app, ["x", *given[1:], "--region", "eu-west-1"]).exception, UsageError
    )


# ---- Athena itself --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        ("athena:logs.trail", TableLocation("logs", "trail")),
        (
            "athena:logs.trail?workgroup=audit&output=s3://b/p/&catalog=other&region=eu-west-1",
            TableLocation("logs", "trail", "audit", "s3://b/p/", "other", "eu-west-1"),
        ),
    ],
)
def test_a_place_is_read(spec: str, place: TableLocation) -> None:
    assert parse_table_location(spec) == place


@pytest.mark.parametrize(
    "spec", ["athena:trail", "athena:.trail", "athena:a.b?x=1", "athena:a.b?output=/tmp", "athena:"]
)
def test_what_is_no_place_is_refused(spec: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_table_location(spec)
    assert caught.value.code == "PG-E524"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    import boto3

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    session = boto3.Session(region_name="us-east-1")
    return Aws(session, "", "aws", ACCOUNT, "reader")


def columns_of(names: list[str]) -> dict[str, Any]:
    return {"ColumnInfo": [{"Name": name, "Type": "varchar"} for name in names]}


def cells(*values: str | None) -> dict[str, Any]:
    return {"Data": [{} if value is None else {"VarCharValue": value} for value in values]}


class Told:
    """An Athena that says what it is told to, and remembers what it is asked."""

    def __init__(self, aws: Aws) -> None:
        from botocore.stub import ANY, Stubber

        self.client = aws.client("athena")
        self.stub = Stubber(self.client)
        self.any = ANY
        self.slept: list[float] = []
        self.runner = AthenaClient(
            aws, TableLocation("logs", "trail", "audit"), sleep=self.slept.append, token=lambda: "t" * 32
        )

    def group(self, **configuration: Any) -> None:
        answer = {"WorkGroup": {"Name": "audit", "Configuration": configuration}}
        self.stub.add_response("get_work_group", answer, {"WorkGroup": "audit"})

    def start(self, **more: Any) -> None:
        expected = {
            "QueryString": "SELECT 1",
            "ClientRequestToken": "t" * 32,
            "WorkGroup": "audit",
            "QueryExecutionContext": {"Database": "logs", "Catalog": "AwsDataCatalog"},
        }
        self.stub.add_response("start_query_execution", {"QueryExecutionId": "q-1"}, expected | more)

    def state(self, state: str, scanned: int = 0, reason: str = "") -> None:
        status = {"State": state} | ({"StateChangeReason": reason} if reason else {})
        answer = {"QueryExecution": {"Status": status, "Statistics": {"DataScannedInBytes": scanned}}}
        self.stub.add_response("get_query_execution", answer, {"QueryExecutionId": "q-1"})

    def stopped(self) -> None:
        self.stub.add_response("stop_query_execution", {}, {"QueryExecutionId": "q-1"})

    def page(self, rows: list[dict[str, Any]], token: str = "", after: str = "") -> None:
        answer: dict[str, Any] = {"ResultSet": {"Rows": rows, "ResultSetMetadata": columns_of(["a", "b"])}}
        expected = {"QueryExecutionId": "q-1"} | ({"NextToken": after} if after else {})
        self.stub.add_response(
            "get_query_results", answer | ({"NextToken": token} if token else {}), expected
        )

    def rows(self) -> list[Any]:
        with self.stub:
            found = list(self.runner.run("SELECT 1"))
        self.stub.assert_no_pending_responses()
        return found

    def fails(self, kind: type[PolicygenError]) -> PolicygenError:
        with self.stub, pytest.raises(kind) as caught:
            list(self.runner.run("SELECT 1"))
        self.stub.assert_no_pending_responses()
        return caught.value


@pytest.fixture
def told(aws: Aws) -> Told:
    return Told(aws)


KEPT = {"ResultConfiguration": {"OutputLocation": "s3://results/"}}


def test_results_of_many_pages_are_read_whole_and_the_header_once(told: Told) -> None:
    told.group(**KEPT)
    told.start()
    for state in ("QUEUED", "RUNNING", "RUNNING", "SUCCEEDED"):
        told.state(state, 2_000_000)
    told.page([cells("a", "b"), *(cells(str(n), None) for n in range(999))], "p-2")
    told.page([cells("a", "b"), *(cells(str(n), "x") for n in range(999, 1998))], "p-3", "p-2")
    told.page([cells("1998", "")], after="p-3")
    rows = told.rows()
    assert len(rows) == 2000
    assert rows[0] == {"a": "0", "b": None}
    assert rows[999] == {"a": "a", "b": "b"}  # only the first row of all is the header
    assert rows[-1] == {"a": "1998", "b": ""}
    assert told.slept == sorted(told.slept)
    assert len(told.slept) == 3
    assert told.runner.cost_summary == "Athena read 2 MB, about $0.00 at $5 a terabyte"


def test_a_workgroup_that_enforces_its_settings_is_obeyed(told: Told) -> None:
    told.runner.location = told.runner.location._replace(output="s3://mine/")
    told.group(EnforceWorkGroupConfiguration=True, **KEPT)
    told.start()
    told.state("SUCCEEDED")
    told.page([cells("a", "b")])
    assert told.rows() == []


def test_results_go_where_the_user_says(told: Told) -> None:
    told.runner.location = told.runner.location._replace(output="s3://mine/")
    told.group(**KEPT)
    told.start(ResultConfiguration={"OutputLocation": "s3://mine/"})
    told.state("SUCCEEDED")
    told.page([cells("a", "b")])
    assert told.rows() == []


def test_a_workgroup_without_a_place_for_results_is_told_before_the_query(told: Told) -> None:
    told.group()
    error = told.fails(UsageError)
    assert error.code == "PG-E524"
    assert "output=s3://" in error.hints[0]


def test_a_workgroup_that_may_not_be_read_is_used_as_it_is(told: Told) -> None:
    told.stub.add_client_error("get_work_group", "AccessDeniedException")
    told.start()
    told.state("SUCCEEDED")
    told.page([cells("a", "b"), cells("1", "2")])
    assert told.rows() == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED"])
def test_a_failure_has_aws_s_reason(told: Told, state: str) -> None:
    told.group(**KEPT)
    told.start()
    told.state(state, reason="HIVE_CURSOR_ERROR: \x1b[31m incorrect header check")
    told.stopped()
    error = told.fails(AwsError)
    assert error.code == "PG-E521"
    assert "HIVE_CURSOR_ERROR: \\x1b[31m incorrect header check" in error.message
    assert "q-1" in error.hints[0]


def test_a_query_that_reads_too_much_is_stopped(told: Told) -> None:
    told.runner.max_scan = 10**9
    told.group(**KEPT)
    told.start()
    told.state("RUNNING", 10**8)
    told.state("RUNNING", 2 * 10**9)
    told.stopped()
    error = told.fails(GateError)
    assert error.code == "PG-E522"
    assert error.message == "2 GB read, 1 GB allowed: the query was stopped"


def test_the_second_query_is_not_begun_where_the_first_read_more_than_half(told: Told) -> None:
    told.runner.max_scan = 100
    told.runner.scanned = 50
    told.runner.check_scan_budget()
    told.runner.scanned = 51
    with pytest.raises(GateError, match="the next query would read 51 bytes again"):
        told.runner.check_scan_budget()


def test_throttling_while_waiting_stops_the_query_and_says_so(told: Told) -> None:
    told.group(**KEPT)
    told.start()
    told.stub.add_client_error("get_query_execution", "ThrottlingException", "Rate exceeded")
    told.stopped()
    assert told.fails(AwsError).code == "PG-E104"


def test_ctrl_c_stops_the_query(told: Told) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    told.runner.sleep = interrupted
    told.group(**KEPT)
    told.start()
    told.state("RUNNING")
    told.stopped()
    with told.stub, pytest.raises(KeyboardInterrupt):
        list(told.runner.run("SELECT 1"))
    told.stub.assert_no_pending_responses()


def test_a_table_is_described_by_athena(told: Told) -> None:
    asked = {
        "CatalogName": "AwsDataCatalog",
        "DatabaseName": "logs",
        "TableName": "trail",
        "WorkGroup": "audit",
    }
    told.stub.add_response("get_table_metadata", {"TableMetadata": described()}, asked)
    with told.stub:
        assert told.runner.describe().name == "old"


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [("MetadataException", UsageError, "PG-E523"), ("AccessDeniedException", AwsError, "PG-E110")],
)
def test_a_table_that_is_not_there_is_no_fault_of_aws(
    told: Told, code: str, kind: type[PolicygenError], said: str
) -> None:
    told.stub.add_client_error("get_table_metadata", code, "EntityNotFoundException")
    with told.stub, pytest.raises(kind) as caught:
        told.runner.describe()
    assert caught.value.code == said


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[list[dict[str, Any]]], None]]:
    """Puts the rows of the next query's result where moto's Athena takes them from."""
    import boto3
    import requests
    from moto import mock_aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():  # before `aws` makes its clients
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="results")

        def put(rows: list[dict[str, Any]]) -> None:
            names = list(rows[0])
            result = {
                "rows": [cells(*names), *(cells(*row.values()) for row in rows)],
                "column_info": [{"Name": name, "Type": "varchar"} for name in names],
            }
            url = "http://motoapi.amazonaws.com/moto-api/static/athena/query-results"
            answer = requests.post(
                url, json={"account_id": ACCOUNT, "region": "us-east-1", "results": [result]}, timeout=60
            )
            assert answer.status_code == 201

        yield put


def test_the_whole_way_through_athena_s_api(
    queued: Callable[[list[dict[str, Any]]], None], aws: Aws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    records, asked = odd(), CallsQuery(ROLE)
    duck = Duck(records)
    expected = duck.counts(asked, named(ROLE))
    for query in list(duck.queries):
        queued([dict(row) for row in duck.run(query)])
    runner = AthenaClient(aws, parse_table_location("athena:logs.trail?output=s3://results/policygen/"))
    runner.sleep = lambda _: None
    monkeypatch.setattr(AthenaClient, "describe", lambda _: duck.table)
    talk: list[str] = []
    counts = CallCounts(named(ROLE))
    count_table(counts, runner, asked, talk.append)
    assert_same(counts, expected)
    assert talk[0].startswith(f"{len(records)} records surveyed; Athena read")
