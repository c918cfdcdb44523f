"""CloudTrail Lake gives what reading the files gives. Its SQL is run by DuckDB, behind CloudTrail's own API."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from policygen.account.aws_session import Aws
from policygen.account.required_permissions import NEEDS
from policygen.account.snapshot import load_snapshot
from policygen.all_roles.read import read_logs as batch_read
from policygen.all_roles.select import RoleFilter
from policygen.cli.app import program
from policygen.errors import AwsError, IncompleteError, NothingFoundError, PolicygenError, UsageError
from policygen.evidence.coverage.remediation import (
    enable_events_command,
    multi_region_command,
    start_logging_command,
)
from policygen.evidence.observe import ObserveOptions
from policygen.iam.request import RoleKey
from policygen.logs.calls.counts import CallCounts, no_role
from policygen.logs.calls.spill import SpillStore
from policygen.logs.events.event import NO_IDENTITY
from policygen.logs.registry import AwsOptions, open_source
from policygen.logs.source import Scope
from policygen.logs.sources.athena.sql import CallsQuery
from policygen.logs.sources.lake.client import EventDataStore, LakeClient, parse_store
from policygen.logs.sources.lake.source import LakeSource
from policygen.logs.sources.lake.sql import GROUPINGS_BY_STATEMENT, lake_summary_sql, records_sql
from policygen.logs.sources.waiting import RETRY_DELAYS
from policygen.logs.window_end import WindowEnd
from policygen.rightsize.analysis import analyse
from tests.logs.test_athena import odd, sample_rows
from tests.support import ROOT
from tests.support.accounts import snapshot, trails_of
from tests.support.fake_aws import ACCOUNT, FakeAws, Refused
from tests.support.options import analysis_options
from tests.support.records import ROLE, record

duckdb = pytest.importorskip("duckdb")
pytest.importorskip("sqlglot")
pa = pytest.importorskip("pyarrow")
from tests.support.athena_duck import to_duckdb  # noqa: E402

ID = "0a1b2c3d-1111-2222-3333-0123456789ab"
ARN = f"arn:aws:cloudtrail:eu-west-1:{ACCOUNT}:eventdatastore/{ID}"
QUERY = "00000000-0000-0000-0000-00000000000{}"
NOW = datetime(2026, 11, 24, 18, 30, tzinfo=UTC)
OLD = datetime(2024, 1, 1, tzinfo=UTC)
FACTS = (
    "calls principals days regions data_types management change_events records duplicates first last".split()
)

TEXT = pa.string()
_STRUCTS = {
    "useridentity": {
        **dict.fromkeys(("type", "principalid", "arn", "accountid", "invokedby", "username"), TEXT),
        "sessioncontext": pa.struct(
            [
                (
                    "sessionissuer",
                    pa.struct([(n, TEXT) for n in ("type", "principalid", "arn", "accountid", "username")]),
                )
            ]
        ),
    }
}
_RESOURCE = pa.struct([(name, TEXT) for name in ("accountid", "type", "arn", "arnprefix")])
SCHEMA = pa.schema(
    [
        ("useridentity", pa.struct(list(_STRUCTS["useridentity"].items()))),
        ("eventtime", pa.timestamp("s")),
        *(
            (name, TEXT)
            for name in (
                "eventsource eventname awsregion eventtype recipientaccountid sharedeventid eventcategory eventid"
            ).split()
        ),
        ("readonly", pa.bool_()),
        ("resources", pa.list_(_RESOURCE)),
        ("eventjson", TEXT),
    ]
)
"""A store's columns as AWS lists them, those of records that policygen asks for."""


def lowered(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name.lower(): lowered(inner) for name, inner in value.items()}
    return [lowered(one) for one in value] if isinstance(value, list) else value


def row_of(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event as a store has it."""
    time_ = datetime.fromisoformat(event["eventTime"]).replace(tzinfo=None)
    return lowered(event) | {"eventtime": time_, "eventjson": json.dumps(event, separators=(",", ":"))}


class FakeLake(FakeAws):
    """CloudTrail with one event data store; statements are run when they are started."""

    def __init__(self, events: Iterable[Mapping[str, Any]] = (), **settings: Any) -> None:
        super().__init__(
            GetEventDataStore=self._describe,
            StartQuery=self._start,
            DescribeQuery=self._state,
            GetQueryResults=self._page,
            CancelQuery=lambda _, asked: {"QueryId": asked["QueryId"], "QueryStatus": "CANCELLED"},
        )
        self.settings = settings
        self.states: list[str] = []
        """Of the next queries, before they are done."""
        self.per_page = 1000
        self.lost = 0
        """Rows that the pages leave out."""
        self.results: dict[str, list[list[dict[str, str]]]] = {}
        self.statements: list[str] = []
        self.connection = duckdb.connect()
        rows = pa.Table.from_pylist([row_of(one) for one in events], schema=SCHEMA)
        self.connection.register("given", rows)
        self.connection.execute("CREATE TABLE store AS SELECT * FROM given")

    def source(self, spec: str = f"lake:{ARN}") -> LakeSource:
        aws = Aws(self.session(), "", "aws", ACCOUNT, "reader")
        return LakeSource(LakeClient(aws, parse_store(spec), sleep=self.clock.sleep), NOW)

    def _describe(self, _: str, asked: dict[str, Any]) -> dict[str, Any]:
        assert asked["EventDataStore"] in (ID, ARN)
        categories = [
            {"FieldSelectors": [{"Field": "eventCategory", "Equals": [one]}]} for one in ("Management",)
        ]
        return {
            "EventDataStoreArn": ARN,
            "Name": "audit",
            "Status": "ENABLED",
            "AdvancedEventSelectors": categories,
            "MultiRegionEnabled": True,
            "OrganizationEnabled": False,
            "RetentionPeriod": 366,
            "CreatedTimestamp": OLD.timestamp(),
            "UpdatedTimestamp": OLD.timestamp(),
        } | self.settings

    def _start(self, _: str, asked: dict[str, Any]) -> dict[str, Any]:
        statement = asked["QueryStatement"]
        assert len(statement) <= 10_000
        self.statements.append(statement)
        assert statement.count(f"FROM {ID}") == 1
        cursor = self.connection.execute(to_duckdb(statement.replace(f"FROM {ID}", "FROM store")))
        names = [one[0] for one in cursor.description or ()]
        query = QUERY.format(len(self.results))
        self.results[query] = [
            [{name: str(value)} for name, value in zip(names, row, strict=True)] for row in cursor.fetchall()
        ]
        return {"QueryId": query}

    def _state(self, _: str, asked: dict[str, Any]) -> dict[str, Any]:
        state = self.states.pop(0) if self.states else "FINISHED"
        said = {"ErrorMessage": "Query exhausted resources"} if state == "FAILED" else {}
        return {
            "QueryId": asked["QueryId"],
            "QueryStatus": state,
            "QueryStatistics": {"BytesScanned": 1_500_000_000},
        } | said

    def _page(self, _: str, asked: dict[str, Any]) -> dict[str, Any]:
        assert asked["MaxQueryResults"] == 1000
        rows = self.results[asked["QueryId"]]
        begin = int(asked.get("NextToken", "page 0")[5:])
        end = begin + self.per_page
        more = {"NextToken": f"page {end}"} if end < len(rows) else {}
        return {
            "QueryStatus": "FINISHED",
            "QueryStatistics": {"TotalResultsCount": len(rows)},
            "QueryResultRows": rows[begin : end - self.lost],
        } | more


def named(name: str) -> Callable[[RoleKey], bool]:
    return lambda role: role.name.lower() == name.lower()


def filled(aws: FakeLake, role: str, scope: Scope = Scope(), until: str = "") -> CallCounts:  # noqa: B008 - immutable
    counts = CallCounts(named(role), until=WindowEnd.parse(until) if until else None)
    aws.source().count_into(counts, role, scope, lambda _: None)
    return counts


def read(events: Iterable[Mapping[str, Any]], role: str, until: str, tmp_path: Path) -> CallCounts:
    """What the same events give as files."""
    (tmp_path / "a.json").write_text(json.dumps({"Records": list(events)}, separators=(",", ":")))
    counts = CallCounts(named(role), until=WindowEnd.parse(until) if until else None)
    for batch in open_source(tmp_path).read():
        counts.add_all(batch.records)
        counts.totals.records += len(batch.unreadable)
        counts.totals.ignored[NO_IDENTITY] += len(batch.unreadable)
    counts.resolve_cross_account_copies()
    return counts


def assert_same(found: CallCounts, expected: CallCounts, facts: Iterable[str] = FACTS) -> None:
    if "calls" in facts:
        assert found.calls == expected.calls
    totals = [name for name in facts if name != "calls"]
    assert [getattr(found.totals, name) for name in totals] == [
        getattr(expected.totals, name) for name in totals
    ]


def dated(events: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Events of which a store can know the time; what has no id is told apart there by nothing."""
    for one in events:
        if re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", str(one.get("eventTime"))) and one.get(
            "eventID"
        ):
            yield one


@cache
def sample() -> list[Mapping[str, Any]]:
    """The sample trail without what it delivers twice."""
    return list({event["eventID"]: event for _, event in sample_rows()}.values())


FEW = [record({"source": "s3", "name": "GetObject"}, 1)]


# --- the same as reading the files -----------------------------------------------------------------------


@pytest.mark.parametrize("role", ["orders-api", "stock-sync"])
def test_the_sample_trail_gives_the_same_ledger(role: str, tmp_path: Path) -> None:
    expected = read(sample(), role, "", tmp_path)
    found = filled(FakeLake(sample()), role)
    assert_same(found, expected)
    assert found.totals.roles[next(iter(found.calls))] == expected.totals.roles[next(iter(expected.calls))]
    assert expected.calls


@pytest.mark.parametrize("until", ["", "2026-11-04", "2026-11-03T08:00:30Z"])
def test_odd_events_of_an_organisation_give_the_same_calls(until: str, tmp_path: Path) -> None:
    events = list({one["eventID"]: one for one in dated(event for _, event in odd())}.values())
    expected = read(events, ROLE, until, tmp_path)
    found = filled(FakeLake(events, OrganizationEnabled=True), ROLE, until=until)
    # Events after the end are not read, nor what they tell.
    facts = [name for name in FACTS if name not in ("records", "change_events")]
    assert_same(found, expected, facts)
    assert expected.calls
    if not until:
        assert (found.totals.records, found.totals.change_events) == (
            expected.totals.records,
            expected.totals.change_events,
        )


def test_a_window_leaves_out_what_is_before_it_and_another_account_s_events() -> None:
    events = [
        record({"source": "s3", "name": "GetObject", "time": f"2026-11-{day:02}T23:59:59Z"}, day)
        for day in range(1, 9)
    ]
    events.append(
        record(
            {"source": "s3", "name": "PutObject", "account": "999988887777", "time": "2026-11-04T00:00:00Z"},
            20,
        )
    )
    events[-1]["recipientAccountId"] = "999988887777"
    found = filled(FakeLake(events), ROLE, Scope("2026-11-03", "2026-11-05", ACCOUNT), "2026-11-05")
    assert found.totals.days == {"2026-11-03": 1, "2026-11-04": 1, "2026-11-05": 1}
    assert sum(one.count for calls in found.calls.values() for one in calls.values()) == 3


def test_an_event_that_was_copied_into_the_store_again_counts_once() -> None:
    events = [record({"source": "s3", "name": "GetObject"}, 1)] * 2 + [
        record({"source": "s3", "name": "GetObject"}, 2)
    ]
    found = filled(FakeLake(events), ROLE)
    assert (found.totals.records, found.totals.duplicates) == (3, 1)
    assert [one.count for calls in found.calls.values() for one in calls.values()] == [2]


def test_nobody_s_calls_cost_no_look_at_whole_records() -> None:
    aws = FakeLake(sample())
    counts = CallCounts(no_role)
    aws.source().count_into(counts, "", Scope(), lambda _: None)
    assert counts.totals.days
    assert [statement for statement in aws.statements if "eventjson" in statement] == []


def test_results_of_many_pages_are_read_whole(tmp_path: Path) -> None:
    aws = FakeLake(sample())
    aws.per_page = 7
    assert_same(filled(aws, "orders-api"), read(sample(), "orders-api", "", tmp_path))
    assert len(aws.asked("GetQueryResults")) > 200


def test_statements_fit_and_quote_what_they_are_given() -> None:
    asked = CallsQuery("+=,.@_-" * 9 + "x", ACCOUNT, "2026-10-26", WindowEnd.parse("2026-11-24T10:00:00Z"))
    statements = [lake_summary_sql(ID, asked, marks) for marks in GROUPINGS_BY_STATEMENT]
    statements += [records_sql(ID, asked), records_sql(ID, asked, [f"AROA{n:017}" for n in range(20)])]
    assert max(map(len, statements)) < 6_000
    assert all("eventtime <= '2026-11-24 10:00:00'" in one for one in statements)
    assert "DROP" not in records_sql(ID, CallsQuery("x' OR 1=1; DROP --"))


# --- what the store is -----------------------------------------------------------------------------------


def verdicts(tmp_path: Path, now: datetime = NOW, **settings: Any) -> dict[str, Any]:
    """What is said of permissions that were not used, from a store beside a trail that logs everything."""
    allowed = {"Effect": "Allow", "Action": ["iam:GetRole", "iam:ListRoles", "s3:GetObject"], "Resource": "*"}
    role = {"policies": [{"Version": "2012-10-17", "Statement": [allowed]}], "trails": trails_of("all")}
    path = tmp_path / "account.json"
    path.write_text(json.dumps(snapshot(role)))
    days = [date(2026, 11, 24) - timedelta(days=n) for n in range(20)]
    events = [
        record({"source": "iam", "name": "GetRole", "time": f"{day}T10:00:00Z", "region": "us-east-1"}, n)
        | {"readOnly": True}
        for n, day in enumerate(days)
    ]
    source = FakeLake(events, **settings).source()
    made = analyse(
        source, ROLE, account=load_snapshot(path), **analysis_options(days=20, on=now.date())
    ).suggestion
    found = {name: made.coverage.observability(name) for name in ("iam:ListRoles", "s3:GetObject")}
    return {name: one.since or (one.blind_spot and one.blind_spot.id) for name, one in found.items()} | {
        "command": (found["s3:GetObject"].blind_spot and found["s3:GetObject"].blind_spot.command) or "",
        "notes": made.coverage.stopped,
        "trails": made.coverage.trails,
    }


def selecting(*kinds: str) -> dict[str, Any]:
    data = [
        {
            "FieldSelectors": [
                {"Field": "eventCategory", "Equals": ["Data"]},
                {"Field": "resources.type", "Equals": [kind]},
            ]
        }
        for kind in kinds
    ]
    management = {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}
    return {"AdvancedEventSelectors": [management, *data]}


def test_the_store_s_selectors_decide_and_not_the_trails(tmp_path: Path) -> None:
    found = verdicts(tmp_path)
    assert (found["iam:ListRoles"], found["s3:GetObject"]) == ("2026-11-05", "data-events-off")
    assert found["trails"] == ("event data store audit",)
    words = found["command"].split(" --advanced-event-selectors ")
    assert words[0] == f"aws cloudtrail update-event-data-store --event-data-store {ARN} --region eu-west-1"
    assert verdicts(tmp_path, **selecting("AWS::S3::Object"))["s3:GetObject"] == "2026-11-05"


def test_before_its_last_change_a_store_may_have_been_another(tmp_path: Path) -> None:
    changed = datetime(2026, 11, 10, 12, tzinfo=UTC)
    found = verdicts(tmp_path, UpdatedTimestamp=changed.timestamp())
    assert found["iam:ListRoles"] == "2026-11-11"
    assert found["trails"] == ("event data store audit, as it is since 2026-11-10",)
    assert [(gap.start, gap.end) for gap in found["notes"]] == [
        ("2026-11-05T00:00:00Z", "2026-11-10T12:00:00Z")
    ]


def test_what_a_store_no_longer_keeps_was_not_seen(tmp_path: Path) -> None:
    assert verdicts(tmp_path, RetentionPeriod=7)["iam:ListRoles"] == "2026-11-18"


def test_a_store_that_takes_nothing_in_shows_nothing_unused(tmp_path: Path) -> None:
    found = verdicts(tmp_path, Status="STOPPED_INGESTION")
    assert found["iam:ListRoles"] == "writes-not-logged"
    assert found["command"] == (
        f"aws cloudtrail start-event-data-store-ingestion --event-data-store {ARN} --region eu-west-1"
    )


def test_a_store_of_one_region_is_made_one_of_all_by_its_own_command() -> None:
    aws = FakeLake(sample(), MultiRegionEnabled=False)
    source = aws.source()
    source.count_into(CallCounts(no_role), "", Scope(), lambda _: None)
    (trail,) = source.trails or ()
    assert multi_region_command([trail], ACCOUNT).endswith(
        f"--event-data-store {ARN} --region eu-west-1 --multi-region-enabled"
    )
    assert start_logging_command([trail], ACCOUNT).split()[2] == "start-event-data-store-ingestion"
    assert enable_events_command([trail], "999988887777", [("Data", "AWS::S3::Object")]).endswith(
        f"# in account {ACCOUNT}"
    )


# --- asking ----------------------------------------------------------------------------------------------


def test_what_is_read_is_told() -> None:
    said: list[str] = []
    aws = FakeLake(sample())
    aws.states = ["QUEUED", "RUNNING"]
    aws.source().count_into(CallCounts(named("orders-api")), "orders-api", Scope(), said.append)
    assert said[0] == f"asking event data store {ID}"
    assert said[1].endswith(" records surveyed; CloudTrail Lake read 3 GB, and charges for what it reads")
    assert said[2].startswith("records of orders-api read one by one; CloudTrail Lake read 4.5 GB")
    assert len(aws.asked("DescribeQuery")) == 5


def fails(aws: FakeLake, kind: type[PolicygenError], spec: str = f"lake:{ARN}") -> PolicygenError:
    with pytest.raises(kind) as caught:
        aws.source(spec).count_into(CallCounts(named(ROLE)), ROLE, Scope("2026-11-01"), lambda _: None)
    return caught.value


@pytest.mark.parametrize(
    ("state", "says"),
    [("FAILED", "failed: Query exhausted"), ("CANCELLED", "was cancelled"), ("TIMED_OUT", "ran too long")],
)
def test_a_query_that_does_not_end_well_is_an_error(state: str, says: str) -> None:
    aws = FakeLake(FEW)
    aws.states = ["RUNNING", state]
    error = fails(aws, AwsError)
    assert (error.code, error.exit_code) == ("PG-E531", 5)
    assert says in error.message


def test_rows_that_do_not_come_are_not_taken_for_none() -> None:
    aws = FakeLake(FEW)
    aws.lost = 1000
    assert fails(aws, AwsError).message.endswith("it gave 0 of 1 rows")


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("GetEventDataStore", "EventDataStoreNotFoundException"),
        ("GetEventDataStore", "EventDataStoreARNInvalidException"),
        ("StartQuery", "InactiveEventDataStoreException"),
        ("StartQuery", "InvalidQueryStatementException"),
    ],
)
def test_a_store_that_cannot_be_asked_is_named(operation: str, code: str) -> None:
    def refuse(*_: Any) -> dict[str, Any]:
        raise Refused(code, "The event data store is not what it should be.")

    aws = FakeLake(FEW)
    aws.answers[operation] = refuse
    error = fails(aws, UsageError)
    assert (error.code, error.exit_code) == ("PG-E532", 2)
    assert error.message.startswith(f"event data store {ID} cannot be asked: ")
    assert "--region eu-west-1" in error.hints[0]


@pytest.mark.parametrize(
    "settings",
    [
        {"Status": "PENDING_DELETION"},
        {
            "AdvancedEventSelectors": [
                {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["ConfigurationItem"]}]}
            ]
        },
    ],
)
def test_a_store_without_calls_is_not_asked(settings: dict[str, Any]) -> None:
    aws = FakeLake(FEW, **settings)
    assert fails(aws, UsageError).code == "PG-E532"
    assert aws.asked("StartQuery") == []


def test_a_refusal_names_the_action() -> None:
    def refuse(*_: Any) -> dict[str, Any]:
        raise Refused(
            "AccessDeniedException",
            f"User: arn:aws:iam::{ACCOUNT}:user/reader is not authorized to perform: cloudtrail:StartQuery on "
            f"resource: {ARN} because no identity-based policy allows the cloudtrail:StartQuery action",
        )

    aws = FakeLake(FEW)
    aws.answers["StartQuery"] = refuse
    error = fails(aws, AwsError)
    assert (error.code, error.message) == ("PG-E110", f"reader may not call cloudtrail:StartQuery on {ARN}")


def test_more_queries_than_aws_runs_at_once_are_waited_for() -> None:
    aws, times = FakeLake(FEW), [0]
    started = aws.answers["StartQuery"]

    def busy(region: str, asked: dict[str, Any]) -> dict[str, Any]:
        times[0] += 1
        if times[0] < 4:
            raise Refused("MaxConcurrentQueriesException", "You are already running 10 queries")
        return started(region, asked)

    aws.answers["StartQuery"] = busy
    assert filled(aws, ROLE).calls
    assert aws.clock.time == sum(RETRY_DELAYS[:3])
    times[0] = -1_000
    assert fails(aws, AwsError).code == "PG-E104"


def test_ctrl_c_stops_the_query() -> None:
    aws = FakeLake(FEW)

    def stop(*_: Any) -> dict[str, Any]:
        raise KeyboardInterrupt

    aws.answers["DescribeQuery"] = stop
    with pytest.raises(KeyboardInterrupt):
        filled(aws, ROLE)
    assert len(aws.asked("CancelQuery")) == 1


def test_a_record_that_cannot_be_read_stops_the_run() -> None:
    aws = FakeLake(FEW)
    aws.connection.execute("UPDATE store SET eventjson = NULL")
    error = fails(aws, IncompleteError)
    assert (error.code, error.exit_code) == ("PG-E534", 3)


def test_a_record_whose_time_cannot_be_read_stops_the_run() -> None:
    aws = FakeLake(FEW)
    aws.connection.execute("UPDATE store SET eventjson = replace(eventjson, '2026-', '20266-')")
    error = fails(aws, IncompleteError)
    assert (error.code, error.exit_code) == ("PG-E534", 3)
    assert "its time cannot be read" in error.message


def test_a_store_without_an_event_of_the_window_says_so() -> None:
    error = fails(
        FakeLake([record({"source": "s3", "name": "GetObject", "time": "2026-01-03T00:00:00Z"}, 1)]),
        NothingFoundError,
    )
    assert (error.code, error.message.split(" from ")[1]) == ("PG-E302", "2026-11-01 to now")


# --- naming it -------------------------------------------------------------------------------------------


def test_a_store_is_named_by_its_arn_or_its_id() -> None:
    assert parse_store(f"lake:{ID}") == EventDataStore(ID)
    assert parse_store(f"lake:{ARN}") == EventDataStore(ID, ARN, "eu-west-1", ACCOUNT)


@pytest.mark.parametrize(
    "spec", ["lake:", "lake:audit", f"lake:{ID} UNION SELECT 1", f"lake:{ARN}/x", "lake:\x1b[2J"]
)
def test_what_names_no_store_is_refused(spec: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_store(spec)
    assert caught.value.code == "PG-E533"
    assert "\x1b" not in caught.value.message


def test_another_account_s_store_is_asked_with_its_owner() -> None:
    aws = FakeLake(FEW)
    aws.answers["GetEventDataStore"] = lambda *_: aws._describe("", {"EventDataStore": ID})
    aws.source(f"lake:{ARN.replace(ACCOUNT, '999988887777')}").count_into(
        CallCounts(no_role), "", Scope(), lambda _: None
    )
    asked = [one for one in aws.requests if one.operation != "GetEventDataStore"]
    assert {one.parameters.get("EventDataStoreOwnerAccountId") for one in asked} == {"999988887777"}
    aws.requests.clear()
    aws.source().count_into(CallCounts(no_role), "", Scope(), lambda _: None)
    assert [one for one in aws.requests if "EventDataStoreOwnerAccountId" in one.parameters] == []


def test_only_the_permissions_that_are_listed_are_used() -> None:
    aws = FakeLake(FEW, OrganizationEnabled=True)
    filled(aws, ROLE)
    needed = {need.action for need in NEEDS["suggest --logs lake:ARN"] if not need.optional}
    assert {f"cloudtrail:{one.operation}" for one in aws.requests} == needed
    assert len(aws.asked("StartQuery")) == 4


def test_a_store_is_not_asked_for_every_role() -> None:
    aws = FakeLake(FEW)
    with SpillStore() as spill, pytest.raises(UsageError) as caught:
        batch_read(aws.source(), spill, RoleFilter(), ObserveOptions(days=30))
    assert (caught.value.code, aws.requests) == ("PG-E202", [])


def test_a_limit_that_cannot_be_kept_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        open_source(f"lake:{ARN}", AwsOptions(max_scan=1))
    assert caught.value.code == "PG-E208"
    with pytest.raises(UsageError) as caught:
        open_source([f"lake:{ARN}", f"lake:{ID}"])
    assert caught.value.code == "PG-E533"


def test_the_command_line_reads_a_store(monkeypatch: pytest.MonkeyPatch) -> None:
    aws = FakeLake(sample())
    monkeypatch.setattr("policygen.logs.sources.lake.source.open_session", lambda *_: aws.session())
    monkeypatch.setattr("policygen.logs.sources.lake.client.time.sleep", aws.clock.sleep)
    made = CliRunner().invoke(
        program(),
        [
            "suggest",
            "-r",
            "orders-api",
            "-l",
            f"lake:{ARN}",
            "-s",
            str(ROOT / "samples" / "account.json"),
            "--until",
            "2026-11-24",
        ],
    )
    assert made.exit_code == 0, made.output
    assert "30 days to 2026-11-24" in made.stdout
    assert "CloudTrail Lake are paid for" in made.stderr
