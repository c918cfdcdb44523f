"""Every record that was read is in one class; a record that was lost is a bug, and nothing is written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import policygen.logs.chunk
import policygen.logs.reader
from policygen.errors import BugError, IncompleteError
from policygen.evidence.observe import ObserveOptions, collect_evidence
from policygen.evidence.record_audit import COUNTED
from policygen.evidence.role import parse_role
from policygen.logs.audit import ROLES, RecordAudit, audit_reading
from policygen.logs.cache import Cache
from policygen.logs.calls.counts import CallCounts
from policygen.logs.calls.dedup import CrossAccountCopies
from policygen.logs.chunk import ReadRequest
from policygen.logs.events.event import UNDATED
from policygen.logs.read_report import require_complete
from policygen.logs.reader import ReadOptions, read_source
from policygen.logs.registry import open_source
from policygen.logs.source import QuerySource, Scope
from policygen.rightsize.analysis import analyse
from tests.support import ROOT
from tests.support.command import run
from tests.support.golden import rendered
from tests.support.records import ROLE, record

TRAIL = ROOT / "samples" / "trail"
GET = {"source": "dynamodb", "name": "GetItem", "params": {"tableName": "t"}}


def log(folder: Path, *records: dict[str, Any], name: str = "log.json") -> Path:
    path = folder / name
    path.write_text(json.dumps({"Records": records}))
    return path


def mixed() -> list[dict[str, Any]]:
    """A record of each class."""
    own = record(GET | {"time": "2026-11-03T08:00:00Z"}, 1)
    foreign = {
        "type": "AWSAccount",
        "principalId": "AROAEXAMPLE00000000009:s",
        "accountId": "444455556666",
    }
    return [
        own,
        own,
        own | {"eventTime": "2026-09-01T08:00:00Z", "eventID": "before"},
        own | {"eventTime": "2026-12-01T08:00:00Z", "eventID": "after"},
        own | {"errorCode": "ExpiredToken", "eventID": "refused"},
        record(GET | {"role": "other"}, 2),
        record(GET | {"role_id": "AROA00000000000000009", "time": "2026-10-20T08:00:00Z"}, 3),
        record(GET | {"identity": {"type": "IAMUser", "userName": "ann", "accountId": "123456789012"}}, 4),
        record(GET | {"identity": {"type": "AWSService", "invokedBy": "lambda.amazonaws.com"}}, 5),
        record(GET | {"type": "AwsServiceEvent"}, 6),
        record(GET | {"shared": "s", "identity": foreign}, 7),
        {"eventType": "AwsCloudTrailInsight", "insightDetails": {}, "eventName": "n", "eventSource": "s"},
    ]


def test_each_record_is_in_one_class(tmp_path: Path) -> None:
    found = collect_evidence([log(tmp_path, *mixed())], ROLE, ObserveOptions(until="2026-11-03"))
    assert found.audit.classes == {
        COUNTED: 1,
        "of the role, with expired or wrong credentials": 1,
        "of the role, outside the window": 1,
        "of deleted roles of the same name": 1,
        ROLES: 2,
        "calls of other principals (IAMUser)": 1,
        "after the window": 1,
        "an AWS service called with its own rights, not with a role's": 1,
        "service event: AWS acted, no caller was authorised": 1,
        "delivered again: duplicates": 1,
        "passed over: insight": 1,
    }
    assert (found.audit.read, found.audit.remainder) == (12, 0)


def test_the_classes_are_printed_with_details_and_are_in_the_plan(tmp_path: Path) -> None:
    made = analyse([log(tmp_path, *mixed())], ROLE, observe=ObserveOptions(until="2026-11-03"))
    details = rendered("text", made, show_all=True)
    assert "Read: 11 records and 1 other, each in one class" in details
    assert "             1  counted: the role, in the window" in details
    assert "Read: " not in rendered("text", made)
    audit = json.loads(rendered("json", made))["reading"]["audit"]
    assert audit["read"] == sum(one["records"] for one in audit["classes"]) == 12
    assert (audit["remainder"], audit["unknown"]) == (0, [])


def test_details_is_the_name_of_the_full_screen_and_all_still_works(tmp_path: Path) -> None:
    path = log(tmp_path, *mixed())
    asked = ["suggest", "-r", ROLE, "-l", str(path), "--no-plan", "-q"]
    screens = {option: run(tmp_path, *asked, option).stdout for option in ("--details", "--all")}
    assert screens["--details"] == screens["--all"]
    assert "Read: " in screens["--all"]


def test_a_lost_record_is_a_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = log(tmp_path, *mixed())
    add_all = CallCounts.add_all

    def forgetful(self: CallCounts, records: Any) -> None:
        add_all(self, (one for one in records if one.eventID != "before"))

    monkeypatch.setattr(CallCounts, "add_all", forgetful)
    with pytest.raises(BugError) as caught:
        collect_evidence([path], ROLE)
    assert (caught.value.code, caught.value.exit_code) == ("PG-E351", 70)
    assert caught.value.message == "12 records were read, 11 are accounted for"
    assert "remainder 1" in caught.value.hints[0]


def test_lost_evidence_of_the_role_is_a_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = CallCounts.resolve_cross_account_copies

    def forgetful(self: CallCounts, every: Iterable[CrossAccountCopies] | None = None) -> None:
        resolve(self, every)
        for calls in self.calls.values():
            calls.popitem()

    monkeypatch.setattr(CallCounts, "resolve_cross_account_copies", forgetful)
    with pytest.raises(BugError):
        collect_evidence([log(tmp_path, *mixed())], ROLE)


def test_what_an_engine_counted_in_several_queries_is_no_bug() -> None:
    RecordAudit(12, {"counted": 11}, exact=False).check()
    with pytest.raises(BugError):
        RecordAudit(11, {"counted": 12}).check()


def test_the_sum_holds_with_workers_and_with_a_cache_that_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policygen.logs.chunk, "CHUNK_OBJECTS", 3)
    monkeypatch.setattr(policygen.logs.reader, "MIN_CACHED_BYTES", 0)
    monkeypatch.setattr(policygen.logs.reader, "MIN_PARALLEL_BYTES", 0)
    selector = parse_role("orders-api")
    request = ReadRequest(selector.matches, "orders-api")
    files = sorted(TRAIL.rglob("*.json.gz"))
    again = tmp_path / f"{files[-1].name[:-24]}zzzzzzzzzzzzzzzz.json.gz"
    again.write_bytes(files[-1].read_bytes())

    def cache(job: ReadRequest) -> Cache:
        return Cache.open(tmp_path / "cache", job.name, job.select, lambda _: None)

    whole = read_source(open_source([TRAIL, again]), request)
    with ThreadPoolExecutor(2) as executor:
        for part in (files[:50], [*files[:90], again], [*files, again]):
            options = ReadOptions(executor, cache=cache)
            found = read_source(open_source([str(one) for one in part]), request, options=options)
    assert found.read_report.items == whole.read_report.items
    assert found.counts.totals == whole.counts.totals


@pytest.mark.parametrize("time", [None, "", "yesterday", "20233-07-10T11:58:00Z"])
def test_a_call_whose_time_cannot_be_read_is_named_and_stops_the_run(
    time: str | None, tmp_path: Path
) -> None:
    odd = record(GET | {"name": "PutItem"}, 2) | {"eventTime": time}
    path = log(tmp_path, record(GET, 1), odd)
    with pytest.raises(IncompleteError) as caught:
        collect_evidence([path], ROLE)
    assert caught.value.code == "PG-W311"
    assert "dynamodb.amazonaws.com PutItem: its time cannot be read" in caught.value.message
    assert any("log.json" in hint for hint in caught.value.hints)
    found = collect_evidence([path], ROLE, ObserveOptions(allow_incomplete=True))
    assert found.audit.classes == {COUNTED: 1, "its time cannot be read": 1}


def test_a_time_in_another_form_counts(tmp_path: Path) -> None:
    times = ["2026-11-03 08:00:00.000", "2026-11-03T10:00:01+02:00", 1793692802, "1793692803000"]
    odd = [record(GET, n) | {"eventTime": time} for n, time in enumerate(times)]
    found = collect_evidence([log(tmp_path, *odd)], ROLE)
    assert found.usage.events is not None
    assert found.usage.events.count == 4
    assert (found.usage.events.first, found.usage.events.last) == (
        "2026-11-03T08:00:00Z",
        "2026-11-03T08:00:03Z",
    )


class Engine(QuerySource):
    """Counts two records, of which one has no time that it can read."""

    def count_into(
        self, counts: CallCounts, role: str, scope: Scope, on_message: Callable[[str], None]
    ) -> None:
        counts.totals.records = 2
        counts.totals.ignored[UNDATED] = 1


def test_what_an_engine_cannot_place_in_time_stops_the_run_as_well() -> None:
    found = read_source(Engine(), ReadRequest(lambda _: True))
    with pytest.raises(IncompleteError, match="1 record: its time cannot be read"):
        require_complete(found.read_report, allow_incomplete=False)
    audit = audit_reading(found.read_report, found.counts.totals)
    assert (audit.read, audit.remainder, audit.exact) == (2, 1, False)
    assert "an engine counted" in audit.unknown[0]
