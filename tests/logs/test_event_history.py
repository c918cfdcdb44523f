"""The event history as a log source: every event once, at AWS's rate, and what is missing said."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from policygen.account.aws_session import open_session
from policygen.account.snapshot import load_snapshot
from policygen.errors import AwsError, NothingFoundError, PolicygenError, UsageError
from policygen.evidence.coverage.coverage import coverage_of
from policygen.logs.source import EVERYTHING, Batch, LogObject, Scope
from policygen.logs.sources.api.days import DayRange
from policygen.logs.sources.api.event_history import LookupReader, LookupSource, open_lookup
from policygen.logs.sources.api.paging import DAYS_IN_PARALLEL, Connection, HistoryReader, RateLimiter
from policygen.logs.sources.waiting import RETRY_DELAYS
from policygen.logs.window import window_of
from policygen.logs.window_end import WindowEnd
from policygen.rightsize.analysis import analyse
from tests.support.accounts import snapshot, trails_of
from tests.support.fake_aws import ACCOUNT, Clock, FakeAws, Refused
from tests.support.options import analysis_options
from tests.support.records import ROLE, record

NOW = datetime(2026, 11, 24, 18, 30, tzinfo=UTC)
DAY = Scope(first="2026-11-20", last="2026-11-20")
DENIED = Refused(
    "AccessDeniedException",
    f"User: arn:aws:iam::{ACCOUNT}:user/reader is not authorized to perform: cloudtrail:LookupEvents "
    "because no identity-based policy allows the cloudtrail:LookupEvents action",
)
EXPIRED = Refused("ExpiredTokenException", "The security token included in the request is expired")
THROTTLED = Refused("ThrottlingException", "Rate exceeded")
UNKNOWN_TOKEN = Refused(
    "UnrecognizedClientException", "The security token included in the request is invalid."
)
STALE = Refused("InvalidNextTokenException", "Invalid token")


@pytest.fixture(autouse=True)
def _one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # botocore's own retries wait by the real clock


def event(number: int, time: str = "2026-11-20T10:00:00Z", **changes: Any) -> dict[str, Any]:
    """One event of an answer; the time as AWS sends it, in seconds."""
    body = record({"source": "iam", "name": "GetRole"}, number)
    body |= {"eventID": f"event-{number}", "eventTime": time}
    seconds = datetime.fromisoformat(time).timestamp()
    return {
        "EventId": f"event-{number}",
        "EventTime": seconds,
        "CloudTrailEvent": json.dumps(body),
    } | changes


class History:
    """Events by region; an answer has those of the time asked for, some a page, the newest first.

    `fails` gives the error for the n-th request for a page that is no probe, or None.
    """

    def __init__(
        self,
        events: list[dict[str, Any]],
        page: int = 50,
        fails: Callable[[int, str], Refused | None] = lambda *_: None,
        overlap: int = 0,
    ) -> None:
        self.events, self.page_size, self.fails, self.overlap = events, page, fails, overlap
        self.asked = 0

    def __call__(self, region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        if parameters["MaxResults"] == 1:
            if error := self.fails(0, region):
                raise error
            return {"Events": []}
        self.asked += 1
        if error := self.fails(self.asked, region):
            raise error
        same = {key: value for key, value in parameters.items() if key != "NextToken"}
        start = 0
        if token := parameters.get("NextToken"):
            start, before = json.loads(token)
            assert before == same, "a token goes with the parameters it was given for"
        found = sorted(
            (e for e in self.events if same["StartTime"] <= e["EventTime"] <= same["EndTime"]),
            key=lambda one: -one["EventTime"],
        )
        end = start + self.page_size
        more = {"NextToken": json.dumps([end - self.overlap, same])} if end < len(found) else {}
        return {"Events": found[start:end]} | more


def opted(**regions: str) -> Callable[..., dict[str, str]]:
    names = {name.replace("_", "-"): status for name, status in regions.items()}
    return lambda *_: names


ONE_REGION = opted(eu_west_1="opt-in-not-required")


def fake(history: Callable[..., Any], regions: Callable[..., Any] = ONE_REGION) -> FakeAws:
    return FakeAws(LookupEvents=history, DescribeRegions=regions)


def source(aws: FakeAws, *regions: str, now: datetime = NOW) -> LookupSource:
    reader = LookupReader(Connection(aws.session), now, clock=aws.clock, sleep=aws.clock.sleep)
    return LookupSource(reader, regions)


def listed(found: Iterator[LogObject | Batch]) -> tuple[list[LogObject], list[Batch]]:
    everything = list(found)
    return (
        [one for one in everything if isinstance(one, LogObject)],
        [one for one in everything if isinstance(one, Batch)],
    )


def ids(batches: list[Batch] | tuple[Batch, ...]) -> list[str]:
    return [one.eventID for batch in batches for one in batch.records]


def damages(batches: list[Batch]) -> list[tuple[str, str]]:
    return [(batch.name, batch.damage.reason) for batch in batches if batch.damage]


def told(error: PolicygenError) -> str:
    return "\n".join((error.message, *error.hints, error.code))


def once(error: Refused, at: int) -> Callable[[int, str], Refused | None]:
    return lambda number, _: error if number == at else None


# --- what there is -------------------------------------------------------------------------------


def test_days_come_by_region_then_day_with_all_that_a_cache_needs() -> None:
    regions = opted(us_east_1="opt-in-not-required", af_south_1="opted-in", eu_west_1="opt-in-not-required")
    objects, batches = listed(source(fake(History([]), regions)).objects(Scope("2026-11-22", "2026-11-24")))
    days = ("2026-11-22", "2026-11-23", "2026-11-24")
    assert [one.name for one in objects] == [
        f"lookup:{region}/{day}" for region in ("af-south-1", "eu-west-1", "us-east-1") for day in days
    ]
    assert [(one.version, one.day, one.region, one.account) for one in objects[:3]] == [
        (f"final-{ACCOUNT}", "2026-11-22", "af-south-1", ACCOUNT),
        (f"final-{ACCOUNT}", "2026-11-23", "af-south-1", ACCOUNT),
        ("", "2026-11-24", "af-south-1", ACCOUNT),  # today may still grow
    ]
    assert batches == []


@pytest.mark.parametrize(
    ("now", "version"),
    [
        ("2026-11-21T00:00:01+00:00", ""),
        ("2026-11-21T11:59:59+00:00", ""),
        ("2026-11-21T12:00:00+00:00", f"final-{ACCOUNT}"),
    ],
)
def test_a_day_is_final_when_late_events_have_arrived(now: str, version: str) -> None:
    (one,), _ = listed(source(fake(History([])), now=datetime.fromisoformat(now)).objects(DAY))
    assert one.version == version


def test_without_a_window_all_days_that_are_whole_are_read() -> None:
    objects, batches = listed(source(fake(History([]))).objects(EVERYTHING))
    assert (len(objects), objects[0].day, objects[-1].day) == (90, "2026-08-27", "2026-11-24")
    assert damages(batches) == []


def test_days_older_than_90_are_said_to_be_missing_and_the_rest_is_read() -> None:
    objects, batches = listed(source(fake(History([]))).objects(Scope(first="2026-06-01")))
    assert damages(batches) == [
        ("lookup:*/2026-06-01 to 2026-08-26", "LookupEvents keeps 90 days: nothing before 2026-08-26T18:30Z")
    ]
    assert [(one.day, one.version) for one in objects[:2]] == [
        ("2026-08-26", ""),  # half of it is gone
        ("2026-08-27", f"final-{ACCOUNT}"),
    ]
    assert DayRange.parse(objects[0].locator).start == NOW - timedelta(days=90)


def test_of_a_window_that_is_wholly_too_old_nothing_is_asked() -> None:
    aws = fake(History([]))
    objects, batches = listed(source(aws).objects(Scope("2026-01-01", "2026-01-31")))
    assert (objects, [name for name, _ in damages(batches)]) == ([], ["lookup:*/2026-01-01 to 2026-01-31"])
    assert aws.requests == []


def test_a_window_in_the_future_is_no_evidence() -> None:
    with pytest.raises(NothingFoundError) as caught:
        list(source(fake(History([]))).read(Scope("2027-01-01", "2027-01-31")))
    assert caught.value.code == "PG-E302"


def test_another_accounts_role_has_no_event_here() -> None:
    with pytest.raises(NothingFoundError) as caught:
        list(source(fake(History([]))).objects(Scope(account="999999999999")))
    assert "account 123456789012 has no event of account 999999999999" in told(caught.value)


def test_what_the_history_cannot_contain_is_noted_with_the_time_it_takes() -> None:
    one = source(fake(History([]), opted(eu_west_1="opted-in", us_east_1="opted-in")))
    before = "\n".join(one.notes)
    assert "management events only" in before
    assert "90 days" in before
    list(one.objects(Scope("2026-11-01", "2026-11-20")))
    assert "40 requests at least, 10 seconds or more" in "\n".join(one.notes)


# --- regions -------------------------------------------------------------------------------------


def test_regions_that_are_not_enabled_are_passed_over() -> None:
    regions = opted(eu_west_1="opt-in-not-required", ap_east_1="not-opted-in")
    aws = fake(History([]), regions)
    objects, batches = listed(source(aws).objects(DAY))
    assert [one.region for one in objects] == ["eu-west-1"]
    assert [(one.name, one.kind) for one in batches] == [("lookup:ap-east-1", "region-not-enabled")]
    assert aws.asked("LookupEvents", "ap-east-1") == []


def test_named_regions_are_read_with_the_one_of_global_services() -> None:
    aws = fake(History([]))
    objects, _ = listed(source(aws, "eu-west-3").objects(DAY))
    assert [one.region for one in objects] == ["eu-west-3", "us-east-1"]
    assert aws.asked("DescribeRegions") == []


def in_region(error: Refused, *regions: str) -> Callable[[int, str], Refused | None]:
    return lambda _, region: error if region in regions else None


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (UNKNOWN_TOKEN, "the region refuses the credentials: it is not enabled"),
        (DENIED, "reader may not call cloudtrail:LookupEvents"),
        (Refused("InternalFailure", "\x1b[31mno", 500), "\\x1b[31mno"),
    ],
)
def test_a_region_that_refuses_is_a_gap_and_the_others_are_read(error: Refused, says: str) -> None:
    aws = fake(History([event(1)], fails=in_region(error, "eu-west-3")))
    batches = list(source(aws, "eu-west-3").read(DAY))
    ((name, reason),) = damages(batches)
    assert name == "lookup:eu-west-3"
    assert says in reason
    assert ids(batches) == ["event-1"]


def test_without_describe_regions_all_regions_are_asked() -> None:
    def denied(*_: Any) -> Any:
        raise Refused("UnauthorizedOperation", "You are not authorized to perform this operation.")

    def only_default(number: int, region: str) -> Refused | None:
        return UNKNOWN_TOKEN if region == "af-south-1" else None

    objects, batches = listed(source(fake(History([], fails=only_default), denied)).objects(DAY))
    assert {"eu-west-1", "us-east-1", "us-west-2"} < {one.region for one in objects}
    assert [name for name, _ in damages(batches)] == ["lookup:af-south-1"]


def test_when_every_region_refuses_it_is_an_error_that_names_the_permission() -> None:
    def mixed(_: int, region: str) -> Refused:
        return DENIED if region == "us-east-1" else UNKNOWN_TOKEN

    with pytest.raises(AwsError) as caught:
        list(source(fake(History([], fails=mixed)), "eu-west-1").objects(DAY))
    assert (caught.value.exit_code, caught.value.code) == (5, "PG-E110")
    assert "cloudtrail:LookupEvents" in caught.value.message


def test_a_session_that_expires_while_regions_are_asked_is_an_error_not_a_gap() -> None:
    aws = fake(History([], fails=in_region(EXPIRED, "eu-west-3")))
    with pytest.raises(AwsError) as caught:
        list(source(aws, "eu-west-3").objects(DAY))
    assert caught.value.code == "PG-E102"
    assert "run the same command again" in told(caught.value)


# --- pages ---------------------------------------------------------------------------------------


def read_day(aws: FakeAws) -> list[Batch]:
    return list(source(aws).read(DAY))


def test_all_pages_of_a_day_are_read() -> None:
    events = [event(number, f"2026-11-20T{number // 60:02}:{number % 60:02}:00Z") for number in range(130)]
    aws = fake(History(events))
    assert sorted(ids(read_day(aws))) == sorted(one["EventId"] for one in events)
    assert len(aws.asked("LookupEvents")) == 1 + 3  # one to see whether the region answers


def test_an_event_on_two_pages_counts_once() -> None:
    events = [event(number, f"2026-11-20T00:00:{number:02}Z") for number in range(30)]
    found = ids(read_day(fake(History(events, page=7, overlap=3))))
    assert len(found) == len(set(found)) == 30


def test_an_event_at_midnight_belongs_to_the_day_that_begins() -> None:
    times = ("2026-11-19T23:59:59Z", "2026-11-20T00:00:00Z", "2026-11-20T23:59:59Z", "2026-11-21T00:00:00Z")
    aws = fake(History([event(number, time) for number, time in enumerate(times)]))
    assert sorted(ids(read_day(aws))) == ["event-1", "event-2"]
    both = ids(list(source(aws).read(Scope("2026-11-19", "2026-11-21"))))
    assert sorted(both) == ["event-0", "event-1", "event-2", "event-3"]


def test_a_quiet_day_is_a_log_without_events() -> None:
    (batch,) = read_day(fake(History([])))
    assert (batch.name, batch.kind, batch.records, batch.damage) == (
        "lookup:eu-west-1/2026-11-20",
        "log",
        [],
        None,
    )


def test_insight_events_are_passed_over() -> None:
    insight = event(
        1, CloudTrailEvent=json.dumps({"eventType": "AwsCloudTrailInsight", "insightDetails": {}})
    )
    (batch,) = read_day(fake(History([insight, event(2)])))
    assert (ids([batch]), batch.passed_over) == (["event-2"], {"insight": 1})


HOSTILE = {
    "no text": None,
    "no JSON": "{",
    "two values": '{"eventName":"A","eventSource":"b"},{"eventName":"C","eventSource":"d"}',
    "lines": 'x\n{"eventName":"CreateUser","eventSource":"iam.amazonaws.com"}',
    "end of the list": ']}{"Records":[{"eventName":"CreateUser","eventSource":"iam.amazonaws.com"}]}',
    "half a surrogate pair": '{"eventName":"Get\ud800","eventSource":"iam.amazonaws.com"}',
    "a list": "[1]",
    "escape": '"\x1b[2J"',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_text_that_is_no_record_is_unreadable_and_reaches_no_other(name: str) -> None:
    bad = event(2, "2026-11-20T10:00:01Z", CloudTrailEvent=HOSTILE[name])
    if bad["CloudTrailEvent"] is None:
        del bad["CloudTrailEvent"]
    (batch,) = read_day(fake(History([event(1), bad, event(3, "2026-11-20T10:00:02Z")])))
    assert ids([batch]) == ["event-3", "event-1"]
    ((file, position, reason),) = [(one.file, one.position, one.reason) for one in batch.unreadable]
    assert (file, position) == ("lookup:eu-west-1/2026-11-20", 2)
    assert reason.isprintable()
    assert name != "half a surrogate pair" or "surrogate" in reason


def test_positions_count_on_through_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policygen.logs.sources.api.paging.BATCH", 4)
    bad = event(0, "2026-11-20T00:00:00Z", CloudTrailEvent="?")  # the oldest, which comes last
    events = [event(number, f"2026-11-20T00:00:{number:02}Z") for number in range(1, 10)]
    batches = read_day(fake(History([bad, *events])))
    assert [len(batch.records) for batch in batches] == [4, 4, 1]
    assert [one.position for batch in batches for one in batch.unreadable] == [10]


# --- the rate ------------------------------------------------------------------------------------


def most_in_a_second(times: list[float]) -> int:
    return max(sum(start <= time < start + 1 for time in times) for start in times)


def test_no_second_has_more_than_two_requests_to_a_region() -> None:
    events = [event(number, f"2026-11-{18 + number % 3}T00:00:{number:02}Z") for number in range(60)]
    aws = fake(History(events, page=5))
    assert len(ids(list(source(aws).read(Scope("2026-11-18", "2026-11-20"))))) == 60
    times = [one.time for one in aws.asked("LookupEvents")]
    assert len(times) == 13
    assert most_in_a_second(times) == 2
    assert times[-1] == 6.0  # and no slower than it may be


def test_what_botocore_retries_by_itself_keeps_the_rate_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "4")
    monkeypatch.setattr("time.sleep", lambda _: None)
    aws = fake(History([event(1)], fails=lambda number, _: THROTTLED if 0 < number < 4 else None))
    assert ids(read_day(aws)) == ["event-1"]
    times = [one.time for one in aws.asked("LookupEvents")]
    assert (len(times), most_in_a_second(times)) == (5, 2)


def test_threads_share_a_pace() -> None:
    clock = Clock()
    pace = RateLimiter(2, clock, clock.sleep)
    list(_together(pace.wait, 40))
    assert clock.time == 39 * 0.5


def _together(work: Callable[[], None], times: int) -> Iterator[None]:
    with ThreadPoolExecutor(8) as pool:
        yield from pool.map(lambda _: work(), range(times))


def test_a_throttled_request_is_asked_again_later() -> None:
    aws = fake(History([event(1)], fails=lambda number, _: THROTTLED if 0 < number < 4 else None))
    assert ids(read_day(aws)) == ["event-1"]
    times = [one.time for one in aws.asked("LookupEvents")]
    assert [after - before for before, after in pairwise(times[1:])] == [1, 2, 4]


def test_a_day_that_stays_throttled_is_damaged() -> None:
    aws = fake(History([event(1)], fails=lambda number, _: THROTTLED if number else None))
    ((name, reason),) = damages(read_day(aws))
    assert (name, "limiting the rate" in reason) == ("lookup:eu-west-1/2026-11-20", True)
    assert aws.clock.time >= sum(RETRY_DELAYS)


# --- what goes wrong midway ----------------------------------------------------------------------


def three_days() -> list[dict[str, Any]]:
    return [event(number, f"2026-11-{18 + number % 3}T00:00:{number:02}Z") for number in range(30)]


THREE = Scope("2026-11-18", "2026-11-20")


def test_a_day_that_fails_midway_is_a_gap_and_can_be_read_again() -> None:
    error = Refused("InternalFailure", "try later", 500)
    one = source(fake(History(three_days(), page=5, fails=once(error, 4))))
    batches = list(one.read(THREE))
    assert [name for name, _ in damages(batches)] == ["lookup:eu-west-1/2026-11-19"]
    assert len(ids(batches)) == 25  # the page that came before the failure is used
    objects, _ = listed(one.objects(THREE))
    again = list(one.reader.read(objects[1]))
    assert (len(ids(again)), damages(again)) == (10, [])


def test_a_stale_token_begins_the_day_again_and_counts_nothing_twice() -> None:
    aws = fake(History(three_days(), page=3, fails=once(STALE, 3)))
    batches = list(source(aws).read(THREE))
    found = ids(batches)
    assert (len(found), len(set(found)), damages(batches)) == (30, 30, [])
    tokens = ["NextToken" in one.parameters for one in aws.asked("LookupEvents")[1:5]]
    assert tokens == [False, True, True, False]


def test_tokens_that_are_never_good_end_in_damage() -> None:
    history = History(
        three_days(), page=3, fails=lambda number, _: STALE if number and number % 2 == 0 else None
    )
    batches = list(source(fake(history)).read(DAY))
    ((_, reason),) = damages(batches)
    assert "InvalidNextTokenException" in reason
    assert len(ids(batches)) == 3


def test_the_same_page_for_ever_ends_in_damage() -> None:
    def stuck(_: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return {"Events": [event(1)], "NextToken": "same"}

    batches = read_day(fake(stuck))
    assert (ids(batches), len(damages(batches))) == (["event-1"], 1)


def test_a_session_that_expires_is_an_error_and_the_same_command_goes_on() -> None:
    read = []
    with pytest.raises(AwsError) as caught:
        read.extend(source(fake(History(three_days(), page=5, fails=once(EXPIRED, 4)))).read(THREE))
    assert (caught.value.code, caught.value.exit_code) == ("PG-E102", 5)
    assert "run the same command again" in told(caught.value)


def test_a_network_that_fails_midway_is_a_gap() -> None:
    history = History(three_days(), page=5)
    aws = fake(history)

    def broken(region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        answer = history(region, parameters)
        if history.asked == 2:
            raise EndpointConnectionError(endpoint_url="https://cloudtrail.eu-west-1.amazonaws.com")
        return answer

    aws.answers["LookupEvents"] = broken
    batches = list(source(aws).read(THREE))
    assert [name for name, _ in damages(batches)] == ["lookup:eu-west-1/2026-11-18"]
    assert len(ids(batches)) == 25


def test_a_day_that_aws_forgets_while_others_are_read_is_damaged() -> None:
    aws = fake(History([]))
    one = source(aws)
    objects, _ = listed(one.objects(EVERYTHING))
    aws.clock.sleep(5.4 * 3600)
    assert damages(list(one.reader.read(objects[0]))) == []
    aws.clock.sleep(0.2 * 3600)  # 24:06, while the history goes back to 2026-08-27T00:06
    ((name, reason),) = damages(list(one.reader.read(objects[0])))
    assert (name, "is gone" in reason) == ("lookup:eu-west-1/2026-08-27", True)


# --- many at a time ------------------------------------------------------------------------------


def test_many_days_are_read_whole_each_with_its_object() -> None:
    regions = opted(eu_west_1="opted-in", eu_west_3="opted-in")
    one = source(fake(History(three_days(), page=5), regions))
    objects, _ = listed(one.objects(Scope("2026-11-11", "2026-11-20")))
    alone = {each.name: ids(list(one.reader.read(each))) for each in objects}
    many = {each.name: ids(batches) for each, batches in one.reader.read_many(objects)}
    assert many == alone
    assert (len(many), sum(map(len, many.values()))) == (20, 60)


def test_a_session_that_expires_ends_the_reading_of_many_days() -> None:
    aws = fake(History(three_days(), page=5, fails=lambda number, _: EXPIRED if number > 6 else None))
    one = source(aws)
    objects, _ = listed(one.objects(Scope("2026-10-01", "2026-11-20")))
    read = []
    with pytest.raises(AwsError) as caught:
        read.extend(one.reader.read_many(objects))
    assert caught.value.code == "PG-E102"
    assert len(aws.asked("LookupEvents")) < 6 + 3 * DAYS_IN_PARALLEL
    aws.answers["LookupEvents"] = History(three_days())
    assert len(list(one.reader.read_many(objects))) == len(objects)  # the same reader goes on


def test_who_stops_listening_ends_the_reading() -> None:
    aws = fake(History(three_days(), page=5))
    one = source(aws)
    objects, _ = listed(one.objects(EVERYTHING))
    many = one.reader.read_many(objects)
    next(many)
    many.close()
    asked = len(aws.asked("LookupEvents"))
    assert asked < len(objects)


def test_a_reader_is_serial_and_can_be_pickled() -> None:
    reader = LookupReader(Connection(partial(open_session, "admin")), NOW)
    copy = pickle.loads(pickle.dumps(reader))
    assert (copy.serial, copy.now, copy._limiters) == (True, NOW, {})
    assert isinstance(copy, HistoryReader)


# --- the command line's words --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("specs", "regions"),
    [
        (["lookup:"], ()),
        (["lookup://"], ()),
        (["lookup:eu-west-1,us-gov-west-1"], ("eu-west-1", "us-gov-west-1")),
        (["lookup:eu-west-1", "lookup:ap-southeast-2,eu-west-1"], ("eu-west-1", "ap-southeast-2")),
    ],
)
def test_regions_may_be_named(specs: list[str], regions: tuple[str, ...]) -> None:
    assert open_lookup(specs, now=NOW).regions == regions


@pytest.mark.parametrize(
    "spec", ["lookup:all", "lookup:eu-west-1,", "lookup:../x", "lookup:eu-west-1\x1b[2J"]
)
def test_what_is_no_region_is_a_usage_error(spec: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_lookup([spec])
    assert caught.value.code == "PG-E202"
    assert caught.value.message.isprintable()


def test_nothing_is_asked_of_aws_before_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3, "Session", None)
    assert open_lookup(["lookup:"], profile="admin").now.tzinfo is UTC


# --- what it cannot hold -------------------------------------------------------------------------


def test_what_the_history_cannot_hold_is_not_called_unused_whatever_the_trails_log(tmp_path: Path) -> None:
    allowed = {"Effect": "Allow", "Action": ["iam:GetRole", "iam:ListRoles", "s3:GetObject"], "Resource": "*"}
    role = {"policies": [{"Version": "2012-10-17", "Statement": [allowed]}], "trails": trails_of("all")}
    path = tmp_path / "account.json"
    path.write_text(json.dumps(snapshot(role)))
    events = [event(day, f"2026-11-{day:02}T10:00:00Z") for day in range(1, 24)]
    for one in events:
        one["CloudTrailEvent"] = json.dumps(json.loads(one["CloudTrailEvent"]) | {"readOnly": True})
    aws = fake(History(events), opted(us_east_1="opt-in-not-required"))
    made = analyse(
        source(aws), ROLE, account=load_snapshot(path), **analysis_options(days=20, on=NOW.date())
    ).suggestion
    granted = {action for statement in made.policy.statements for action in statement.actions}
    assert granted == {"iam:GetRole", "s3:GetObject"}
    spot = made.coverage.observability("s3:GetObject").blind_spot
    assert spot is not None
    assert (spot.id, spot.why) == ("trail-not-read", "s3 data events: the event history has none")
    assert made.coverage.observability("iam:ListRoles").visible


def test_of_the_history_of_some_regions_the_others_are_not_seen() -> None:
    held = source(fake(History([])), "eu-west-1").trails
    window = window_of(3, WindowEnd.parse("2026-11-24"))
    days = {f"2026-11-{day}": 1 for day in (22, 23, 24)}
    found = coverage_of(window, days, ("eu-west-1", "us-east-1"), held, management={"read": 1, "write": 1})
    assert found.observability("sqs:CreateQueue", "arn:aws:sqs:eu-west-1:123456789012:q").visible
    assert found.observability("iam:CreateRole").visible
    spot = found.observability("sqs:CreateQueue", "arn:aws:sqs:eu-west-3:123456789012:q").blind_spot
    assert spot is not None
    assert (spot.id, spot.command) == ("region-not-read", "")
