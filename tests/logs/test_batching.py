"""Records counted together give what each of them alone would have given."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from policygen.iam.request import RoleKey
from policygen.logs.calls.call import Calls, call_bucket, count_in
from policygen.logs.calls.counts import CallCounts
from policygen.logs.calls.dedup import key_of
from policygen.logs.calls.evidence import evidence_of
from policygen.logs.events.event import Event, read_event
from policygen.logs.events.record import Record
from policygen.logs.window_end import WindowEnd

ISSUER = {"type": "Role", "principalId": "AROAEXAMPLE1", "accountId": "111122223333", "userName": "orders"}


def who(session: str, **more: Any) -> dict[str, Any]:
    arn = "arn:aws:iam::111122223333:role/orders"
    return {
        "type": "AssumedRole",
        "principalId": f"AROAEXAMPLE1:{session}",
        "accountId": "111122223333",
        "arn": f"arn:aws:sts::111122223333:assumed-role/orders/{session}",
        "sessionContext": {"sessionIssuer": {**ISSUER, "arn": arn}},
        **more,
    }


SAID: dict[str, list[Any]] = {
    "eventID": [f"id-{n}" for n in range(40)] + ["\x1b[31m", None],
    "eventTime": [
        "2026-11-03T08:00:00Z",
        "2026-11-03T08:00:01Z",
        "2026-11-03T23:59:59Z",
        "2026-11-04T00:00:00Z",
        "2026-11-04T25:61:00Z",
        "2026-11-31T08:00:00Z",
        "2026-11-03 08:00:00.000",
        "2026-11-04T01:59:59+02:00",
        "1793692800",
        "no time",
        None,
    ],
    "eventSource": ["dynamodb.amazonaws.com", "lambda.amazonaws.com", "cloudtrail.amazonaws.com", ""],
    "eventName": ["GetItem", "UpdateFunctionCode20150331v2", "StopLogging", "get\x07item"],
    "awsRegion": ["eu-west-1", "us-east-1", None],
    "errorCode": [None, "AccessDenied", "ThrottlingException", "Client.ResourceNotFoundException"],
    "errorMessage": [
        None,
        "User: x is not authorized to perform: dynamodb:GetItem because no identity-based policy allows the",
    ],
    "userAgent": ["aws-sdk exec-env/AWS_Lambda_python3.12", "aws-cli/2", "dynamodb.amazonaws.com", None],
    "sourceIPAddress": ["10.0.0.1", "10.0.0.2", "2001:db8::1", "AWS Internal", "\t", None],
    "requestParameters": [None, {"tableName": "a"}, {"tableName": "b", "limit": 1}, {"tableName": "b"}, "odd"],
    "resources": [None, [{"type": "AWS::DynamoDB::Table", "ARN": "arn:aws:dynamodb:eu-west-1:111122223333:table/a"}]],
    "userIdentity": [
        who("orders"),
        who("someone"),
        who("orders", invokedBy="dynamodb.amazonaws.com"),
        {"type": "AWSAccount", "principalId": "AROAEXAMPLE1:orders", "accountId": "111122223333"},
        {"type": "IAMUser", "userName": "ann", "accountId": "111122223333"},
        {"type": "AWSService", "invokedBy": "lambda.amazonaws.com"},
        None,
    ],
    "eventType": ["AwsApiCall", "AwsServiceEvent"],
    "eventCategory": ["Management", "Data", None],
    "recipientAccountId": ["111122223333", "444455556666", None],
    "readOnly": [True, False, None],
    "vpcEndpointId": [None, "vpce-1"],
    "sharedEventID": [None, None, "shared-1"],
    "additionalEventData": [None, {"AuthenticationMethod": "QueryString"}],
}  # fmt: skip


def made(said: dict[str, Any]) -> Record:
    return msgspec.json.decode(msgspec.json.encode(said), type=Record)


# The first value of each is likely, so that many records say the same.
RECORDS = st.lists(
    st.fixed_dictionaries(
        {name: st.one_of(st.just(values[0]), st.sampled_from(values)) for name, values in SAID.items()}
    ).map(made),
    max_size=25,
)


def everybody(_: RoleKey) -> bool:
    return True


def one_by_one(records: list[Record], until: str) -> dict[RoleKey, Calls]:
    """The calls of own copies, each event on its own."""
    found: dict[RoleKey, Calls] = {}
    seen: set[str] = set()
    for record in records:
        event = read_event(record)
        known, late = key_of(record) in seen, isinstance(event, Event) and event.time[:10] > until
        seen.add(key_of(record))
        if known or late or not isinstance(event, Event) or event.principal.role is None:
            continue
        if not event.principal.is_cross_account_copy:
            key = call_bucket(event)
            count_in(found.setdefault(event.principal.role, {}), key, evidence_of(event, key.day))
    return found


@given(RECORDS)
def test_what_is_counted_together_is_what_each_event_gives(records: list[Record]) -> None:
    counts = CallCounts(everybody, until=WindowEnd.parse("2026-11-03"))
    counts.add_all(records)
    assert counts.calls == one_by_one(records, "2026-11-03")


@given(RECORDS, st.integers(0, 25))
def test_it_does_not_matter_where_the_records_are_parted(records: list[Record], at: int) -> None:
    whole, parts = CallCounts(everybody), CallCounts(everybody)
    whole.add_all(records)
    parts.add_all(records[:at])
    for record in records[at:]:
        parts.add(record)
    for counts in (whole, parts):
        counts.resolve_cross_account_copies()
    assert whole == parts


@given(RECORDS, RECORDS, st.sets(st.integers(0, 24)))
def test_records_that_two_readers_met_are_subtracted_from_one_of_them(
    one: list[Record], more: list[Record], again: set[int]
) -> None:
    other = [*more, *(one[i] for i in again if i < len(one))]
    whole, mine, theirs, both = (CallCounts(everybody) for _ in range(4))
    whole.add_all([*one, *other])
    mine.add_all(one)
    theirs.add_all(other)
    met = mine.duplicates.seen(theirs.duplicates.keys)
    both.add_all(record for record in other if key_of(record) in met)
    theirs.subtract(both)
    mine.merge(theirs)
    for counts in (whole, mine):
        counts.resolve_cross_account_copies()
        totals = counts.totals
        for numbers in (totals.days, totals.roles, totals.regions, totals.ignored, totals.data_types):
            assert all(number > 0 for number in numbers.values())
    assert mine == whole
