"""A trail in a CloudWatch Logs group as a log source."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from policygen.errors import AwsError, NothingFoundError, PolicygenError, UsageError
from policygen.logs.source import EVERYTHING, Batch, LogObject, Scope
from policygen.logs.sources.api.cloudwatch import (
    PER_PAGE,
    LogsReader,
    LogsSource,
    WatchedGroup,
    open_log_groups,
)
from policygen.logs.sources.api.paging import Connection
from tests.support.fake_aws import ACCOUNT, FakeAws, Refused
from tests.support.records import record

NOW = datetime(2026, 11, 24, 18, 30, tzinfo=UTC)
MADE = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
TRAIL = WatchedGroup("trail/events")
DAY = Scope("2026-11-20", "2026-11-20")
THROTTLED = Refused("ThrottlingException", "Rate exceeded")


@pytest.fixture(autouse=True)
def _one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # botocore's own retries wait by the real clock


def milliseconds(time: str) -> int:
    return round(datetime.fromisoformat(time).timestamp() * 1000)


def message(number: int, time: str = "2026-11-20T10:00:00Z", text: str | None = None) -> dict[str, Any]:
    """One log event: a record that happened four minutes before its time stamp."""
    happened = datetime.fromisoformat(time) - timedelta(minutes=4)
    body = record({"source": "s3", "name": "GetObject"}, number)
    body |= {"eventID": f"event-{number}", "eventTime": f"{happened:%Y-%m-%dT%H:%M:%SZ}"}
    return {
        "eventId": f"log-event-{number}",
        "timestamp": milliseconds(time),
        "message": json.dumps(body) if text is None else text,
    }


class Messages:
    """Log events; an answer has those of the time asked for, and an empty page before the last."""

    def __init__(
        self,
        messages: list[dict[str, Any]],
        page: int = PER_PAGE,
        fails: Callable[[int], Refused | None] = lambda _: None,
    ) -> None:
        self.messages, self.page_size, self.fails = messages, page, fails
        self.asked = 0

    def __call__(self, _: str, parameters: dict[str, Any]) -> dict[str, Any]:
        probe = parameters["limit"] == 1
        self.asked += not probe
        if error := self.fails(0 if probe else self.asked):
            raise error
        assert "filterPattern" not in parameters
        same = {key: value for key, value in parameters.items() if key != "nextToken"}
        start, blank = 0, False
        if token := parameters.get("nextToken"):
            start, blank, before = json.loads(token)
            assert before == same, "a token goes with the parameters it was given for"
        found = [one for one in self.messages if same["startTime"] <= one["timestamp"] <= same["endTime"]]
        if blank:
            return {"events": [], "nextToken": json.dumps([start, False, same])}
        end = start + self.page_size
        more = {"nextToken": json.dumps([end, True, same])} if end < len(found) else {}
        return {"events": found[start:end]} | more


def groups(*names: str, days: int = 0) -> Callable[..., dict[str, Any]]:
    """DescribeLogGroups: the groups of these names, made at `MADE`, which keep events for `days`."""
    kept = {"retentionInDays": days} if days else {}

    def answer(_: str, parameters: dict[str, Any]) -> dict[str, Any]:
        prefix = parameters.get("logGroupNamePrefix", "")
        rows = [
            {"logGroupName": name, "creationTime": round(MADE.timestamp() * 1000)} | kept
            for name in names
            if name.startswith(prefix)
        ]
        return {"logGroups": rows}

    return answer


def fake(messages: Callable[..., Any], described: Callable[..., Any] | None = None) -> FakeAws:
    described = described or groups("trail/events-old", "trail/events", "app")
    return FakeAws(FilterLogEvents=messages, DescribeLogGroups=described)


def source(aws: FakeAws, *wanted: WatchedGroup, now: datetime = NOW) -> LogsSource:
    reader = LogsReader(Connection(aws.session), clock=aws.clock, sleep=aws.clock.sleep)
    return LogsSource(reader, now, wanted or (TRAIL,))


def listed(found: Iterator[LogObject | Batch]) -> tuple[list[LogObject], list[Batch]]:
    everything = list(found)
    return (
        [one for one in everything if isinstance(one, LogObject)],
        [one for one in everything if isinstance(one, Batch)],
    )


def ids(batches: list[Batch]) -> list[str]:
    return [one.eventID for batch in batches for one in batch.records]


def damages(batches: list[Batch]) -> list[tuple[str, str]]:
    return [(batch.name, batch.damage.reason) for batch in batches if batch.damage]


def told(error: PolicygenError) -> str:
    return "\n".join((error.message, *error.hints, error.code))


# --- days ----------------------------------------------------------------------------------------


def test_a_window_is_read_with_the_day_after_it() -> None:
    objects, _ = listed(source(fake(Messages([]))).objects(Scope("2026-11-19", "2026-11-20")))
    assert [(one.name, one.version, one.region, one.account) for one in objects] == [
        (f"logs:trail/events@eu-west-1/2026-11-{day}", f"final-{ACCOUNT}", "", "") for day in (19, 20, 21)
    ]


def test_a_call_just_before_midnight_is_found_where_it_was_delivered() -> None:
    aws = fake(Messages([message(1, "2026-11-21T00:01:00Z"), message(2, "2026-11-20T00:01:00Z")]))
    assert ids(list(source(aws).read(DAY))) == ["event-2", "event-1"]


def test_days_end_where_the_next_begins() -> None:
    times = (
        "2026-11-19T23:59:59.999Z",
        "2026-11-20T00:00:00Z",
        "2026-11-20T23:59:59.999Z",
        "2026-11-21T00:00:00Z",
    )
    aws = fake(Messages([message(number, time) for number, time in enumerate(times)]))
    one = source(aws)
    objects, _ = listed(one.objects(Scope("2026-11-19", "2026-11-20")))
    read = [ids(list(one.reader.read(each))) for each in objects]
    assert read == [["event-0"], ["event-1", "event-2"], ["event-3"]]


def test_without_a_window_a_group_is_read_from_the_day_before_its_creation_until_now() -> None:
    objects, batches = listed(source(fake(Messages([]))).objects(EVERYTHING))
    assert (objects[0].day, objects[-1].day, objects[-1].version) == ("2026-10-31", "2026-11-24", "")
    assert damages(batches) == []


def test_before_a_group_was_made_nothing_is_missing() -> None:
    objects, batches = listed(source(fake(Messages([]))).objects(Scope(first="2026-01-01")))
    assert (objects[0].day, damages(batches)) == ("2026-10-31", [])


@pytest.mark.parametrize(
    ("kept", "first", "missing"),
    [
        (7, "2026-11-17", ["logs:trail/events@eu-west-1/2026-11-10 to 2026-11-17"]),
        (30, "2026-11-10", []),
    ],
)
def test_days_older_than_the_group_keeps_are_said_to_be_missing(
    kept: int, first: str, missing: list[str]
) -> None:
    aws = fake(Messages([]), groups("trail/events", days=kept))
    objects, batches = listed(source(aws).objects(Scope(first="2026-11-10")))
    assert (objects[0].day, [name for name, _ in damages(batches)]) == (first, missing)


def test_a_window_in_the_future_is_no_evidence() -> None:
    with pytest.raises(NothingFoundError) as caught:
        list(source(fake(Messages([]))).read(Scope("2027-01-01", "2027-01-31")))
    assert caught.value.code == "PG-E302"


def test_what_a_group_cannot_contain_is_noted() -> None:
    notes = "\n".join(source(fake(Messages([]))).notes)
    assert "256 KB" in notes
    assert "logs:PutLogEvents" in notes


# --- pages ---------------------------------------------------------------------------------------


def test_all_pages_are_read_and_an_empty_one_is_not_the_last() -> None:
    messages = [message(number, f"2026-11-20T10:00:{number:02}Z") for number in range(25)]
    aws = fake(Messages(messages, page=10))
    assert ids(list(source(aws).read(DAY))) == [f"event-{number}" for number in range(25)]
    assert len(aws.asked("FilterLogEvents")) == 1 + 5 + 1  # to see whether it may, the pages, the day after


def test_a_log_event_on_two_pages_counts_once() -> None:
    repeated = [message(1), message(2), message(2), message(1), message(3)]
    assert ids(list(source(fake(Messages(repeated, page=2))).read(DAY))) == ["event-1", "event-2", "event-3"]


@pytest.mark.parametrize(
    "text", ["", "START RequestId: 1", '{"a":1}', "[]x", '{"eventName":"A\\ud800"}', "\x1b[2J"]
)
def test_a_message_that_is_no_record_is_unreadable(text: str) -> None:
    batches = list(source(fake(Messages([message(1), message(2, text=text), message(3)]))).read(DAY))
    assert ids(batches) == ["event-1", "event-3"]
    assert [one.position for batch in batches for one in batch.unreadable] == [2]


def test_no_second_has_more_requests_than_aws_allows() -> None:
    messages = [message(number, f"2026-11-20T10:00:{number:02}Z") for number in range(40)]
    aws = fake(Messages(messages, page=2))
    list(source(aws).read(DAY))
    times = [one.time for one in aws.asked("FilterLogEvents")]
    assert len(times) == 41
    assert max(sum(start <= time < start + 0.999 for time in times) for start in times) == 5


def test_a_throttled_request_is_asked_again() -> None:
    aws = fake(Messages([message(1)], fails=lambda number: THROTTLED if number in (1, 2) else None))
    assert ids(list(source(aws).read(DAY))) == ["event-1"]


def test_a_token_that_expired_begins_the_day_again_and_counts_nothing_twice() -> None:
    stale = Refused("InvalidParameterException", "The specified nextToken is invalid.")
    messages = [message(number, f"2026-11-20T10:00:{number:02}Z") for number in range(30)]
    aws = fake(Messages(messages, page=10, fails=lambda number: stale if number == 4 else None))
    batches = list(source(aws).read(DAY))
    assert (len(ids(batches)), len(set(ids(batches))), damages(batches)) == (30, 30, [])


def test_a_day_that_fails_midway_is_a_gap() -> None:
    error = Refused("ServiceUnavailableException", "later", 503)
    messages = [message(number, f"2026-11-20T10:00:{number:02}Z") for number in range(30)]
    aws = fake(Messages(messages, page=10, fails=lambda number: error if number == 3 else None))
    batches = list(source(aws).read(DAY))
    assert [name for name, _ in damages(batches)] == ["logs:trail/events@eu-west-1/2026-11-20"]
    assert len(ids(batches)) == 10


def test_many_days_are_read_side_by_side() -> None:
    messages = [message(number, f"2026-11-{10 + number % 10}T10:00:00Z") for number in range(50)]
    one = source(fake(Messages(messages, page=3)))
    objects, _ = listed(one.objects(EVERYTHING))
    many = {each.name: ids(list(batches)) for each, batches in one.reader.read_many(objects)}
    assert many == {each.name: ids(list(one.reader.read(each))) for each in objects}
    assert sum(map(len, many.values())) == 50


# --- what can be wrong ---------------------------------------------------------------------------


def test_a_group_that_does_not_exist_is_told_with_names_near_it() -> None:
    with pytest.raises(UsageError) as caught:
        list(source(fake(Messages([])), WatchedGroup("trail/event", "eu-west-3")).objects(DAY))
    assert caught.value.code == "PG-E201"
    assert "no log group 'trail/event' in eu-west-3" in told(caught.value)
    assert "did you mean logs:trail/events@eu-west-3?" in told(caught.value)


def test_who_may_not_read_the_group_is_told_the_exact_permission() -> None:
    arn = f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:trail/events:log-stream:"
    denied = Refused(
        "AccessDeniedException",
        f"User: arn:aws:iam::{ACCOUNT}:user/reader is not authorized to perform: "
        f"logs:FilterLogEvents on resource: {arn}",
    )
    with pytest.raises(AwsError) as caught:
        list(source(fake(Messages([], fails=lambda _: denied))).objects(DAY))
    assert (caught.value.exit_code, caught.value.code) == (5, "PG-E110")
    assert "reader may not call logs:FilterLogEvents" in caught.value.message
    grant = f"grant logs:FilterLogEvents on arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:trail/events:*"
    assert grant in caught.value.hints


def test_who_may_not_list_groups_is_told() -> None:
    def denied(*_: Any) -> Any:
        raise Refused(
            "AccessDeniedException",
            f"User: arn:aws:iam::{ACCOUNT}:user/reader is not authorized to perform: logs:DescribeLogGroups "
            "because no identity-based policy allows the logs:DescribeLogGroups action",
        )

    with pytest.raises(AwsError) as caught:
        list(source(fake(Messages([]), denied)).objects(DAY))
    assert "logs:DescribeLogGroups" in caught.value.message


def test_a_session_that_expires_is_an_error_and_the_same_command_goes_on() -> None:
    expired = Refused("ExpiredTokenException", "expired")
    aws = fake(Messages([message(1)], fails=lambda number: expired if number == 2 else None))
    read: list[Batch] = []
    with pytest.raises(AwsError) as caught:
        read.extend(source(aws).read(DAY))
    assert (caught.value.code, ids(read)) == ("PG-E102", ["event-1"])
    assert "run the same command again" in told(caught.value)


@pytest.mark.parametrize(
    ("spec", "group"),
    [
        ("logs:CloudTrail/logs", WatchedGroup("CloudTrail/logs")),
        ("logs:aws-cloudtrail-logs-123456789012-0a1b@us-gov-west-1",
         WatchedGroup("aws-cloudtrail-logs-123456789012-0a1b", "us-gov-west-1")),
        ("logs:/a.b_c#d", WatchedGroup("/a.b_c#d")),
    ],
)  # fmt: skip
def test_groups_are_named_with_or_without_a_region(spec: str, group: WatchedGroup) -> None:
    assert open_log_groups([spec, spec], now=NOW).groups == (group,)


@pytest.mark.parametrize(
    "spec", ["logs:", "logs:a b", "logs:a@here", "logs:a\x1b[2J", "logs:@eu-west-1", f"logs:{'a' * 513}"]
)
def test_what_is_no_groups_name_is_a_usage_error(spec: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_log_groups([spec])
    assert caught.value.code == "PG-E202"
    assert caught.value.message.isprintable()


def test_a_group_of_moto_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The requests are as a server understands them that was not written here."""
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(key, "testing")
    with mock_aws():
        client = boto3.client("logs", region_name="eu-west-1")
        client.create_log_group(logGroupName="trail/events")
        client.create_log_stream(logGroupName="trail/events", logStreamName="one")
        now = datetime.now(UTC)
        written = [
            {
                "timestamp": round((now - timedelta(minutes=number)).timestamp() * 1000),
                "message": message(number)["message"],
            }
            for number in range(20, 0, -1)
        ]
        client.put_log_events(logGroupName="trail/events", logStreamName="one", logEvents=written)
        connection = Connection(lambda: boto3.Session(region_name="eu-west-1"))
        batches = list(
            LogsSource(LogsReader(connection), now, [TRAIL]).read(
                Scope(first=(now - timedelta(days=1)).date().isoformat())
            )
        )
    assert len(ids(batches)) == 20
