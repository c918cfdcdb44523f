"""From a record to an event: who called, whether the call was allowed, and what it touched.

`read_event` fails for no record: it returns an `Event`, or a `SkippedRecord` with the reason, so that counts add up.
Counting makes no `Event` of most records: it reads these parts once for a group of like records (`calls/batching.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from policygen.catalog.call import ResourceEntry
from policygen.logs.events.event_time import utc_time
from policygen.logs.events.outcome import Denial, Outcome, denial_of, outcome_of, plain_code
from policygen.logs.events.principal import Principal, principal_of
from policygen.logs.events.record import Record, Resource, UserIdentity
from policygen.logs.events.record_table import CommonFields
from policygen.text import clean_word, sanitize


class EventFields(NamedTuple):
    """The fields of an event that many events share, cleaned, with the outcome that they prove."""

    source: str
    name: str
    region: str
    outcome: Outcome
    error: str
    via: str
    vpce: str


class Event(msgspec.Struct, frozen=True, gc=False):
    """One API call: the caller, the outcome and what it touched. A struct, because a trail has millions."""

    id: str
    shared_id: str
    time: str
    """ISO 8601 in UTC, to the second."""
    fields: EventFields
    principal: Principal
    denial: Denial | None
    params: msgspec.Raw
    resources: tuple[ResourceEntry, ...]
    user_agent: str
    address: str = ""
    """sourceIPAddress: an IP address, or the DNS name of a service."""
    from_ip_address: bool = False
    presigned: bool = False
    """The signature came in the URL, so anybody who was given the link may have used it."""
    from_console: bool = False
    """The session is of the console."""

    @property
    def source(self) -> str:
        """eventSource."""
        return self.fields.source

    @property
    def name(self) -> str:
        """eventName."""
        return self.fields.name

    @property
    def outcome(self) -> Outcome:
        """What the event proves."""
        return self.fields.outcome

    @property
    def error(self) -> str:
        """errorCode without ``Client.`` or ``Server.``; "" for success."""
        return self.fields.error


class SkippedRecord(msgspec.Struct, frozen=True, gc=False):
    """A record from which nothing follows for the permissions of a caller, and why."""

    id: str
    source: str
    name: str
    reason: str


# https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-understanding-s3-entries.html
_QUERY_STRING = re.compile(rb'"AuthenticationMethod"\s*:\s*"QueryString"')
UNDATED = "its time cannot be read"
NO_IDENTITY = "no userIdentity: not a caller's call"
LOST = (UNDATED, NO_IDENTITY)
"""Reasons of skipped records that may be calls: evidence that is missing, and stops the run."""
NO_CALLER = "its userIdentity names no caller"
_NOT_CALLS = {
    "AwsServiceEvent": "service event: AWS acted, no caller was authorised",
    "AwsConsoleSignIn": "sign-in: no IAM action is checked",
    "AwsConsoleAction": "console action: no API call",
    "AwsVpceEvent": "network activity: the endpoint owner's copy of a call",
    "AwsVpceEvents": "network activity: the endpoint owner's copy of a call",
    "AwsAggregatedEvent": "aggregated event: no single caller or outcome",
    "AwsCloudTrailInsight": "insight: a finding about calls, not a call",
}


def read_event(record: Record) -> Event | SkippedRecord:
    """Return the event of a record, or why it has none (1.7)."""
    caller = principal_or_skip(record)
    return caller if isinstance(caller, SkippedRecord) else event_of(record, caller)


def principal_or_skip(record: Record) -> Principal | SkippedRecord:
    """Return the caller of a record, or why the record is no call.

    `event_of` does the rest: most records of a trail need no more than the caller.
    """
    reason = no_call_reason(record)
    if not reason:
        if record.userIdentity is None:
            reason = NO_IDENTITY
        elif not utc_time(record.eventTime or ""):
            reason = UNDATED
    if not reason:
        principal = principal_of(record.userIdentity, record.recipientAccountId)
        reason = no_caller_reason(principal, record.userIdentity)
        if not reason:
            return principal
    return SkippedRecord(
        sanitize(record.eventID, 128), clean_word(record.eventSource), clean_word(record.eventName), reason
    )


def _fields_of(
    source: str | None,
    name: str | None,
    region: str | None,
    code: str | None,
    via: str | None,
    vpce: str | None,
) -> EventFields:
    error = plain_code(clean_word(code)) if code else ""
    plain = clean_word(source)
    outcome = outcome_of(error, plain) if error else Outcome.USED
    return EventFields(
        plain, clean_word(name), clean_word(region), outcome, error, clean_word(via), clean_word(vpce)
    )


_fields_cached = lru_cache(maxsize=8192)(_fields_of)
_LONG = 1024
"""Characters of fields that are not cached: no real ones are as long."""


def normalize(record: Record) -> EventFields:
    """Return the fields of a record that `principal_or_skip` accepted."""
    via = record.userIdentity.invokedBy if record.userIdentity else None
    return fields_of(record, record.awsRegion, record.vpcEndpointId, via)


def fields_of(
    record: Record | CommonFields, region: str | None, vpce: str | None, via: str | None
) -> EventFields:
    """Return the fields of events.

    Args:
        record: a record of them, or its common fields.
        region: awsRegion.
        vpce: vpcEndpointId.
        via: the caller's invokedBy.
    """
    texts = (record.eventSource, record.eventName, region, record.errorCode, via, vpce)
    read = _fields_cached if sum([len(text) for text in texts if text]) < _LONG else _fields_of
    return read(*texts)


def denial_in(record: Record, fields: EventFields) -> Denial | None:
    """Return what the error message names of a denial; None where the call was not denied."""
    return denial_told(fields, record.errorMessage)


def denial_told(fields: EventFields, message: str | None) -> Denial | None:
    """Return what an error message names of a denial; None where the call was not denied."""
    denied = fields.outcome is Outcome.DENIED
    return denial_of(fields.error, (message or "")[:2048], fields.source) if denied else None


def agent_of(record: Record) -> str:
    """Return the user agent, cleaned."""
    return clean_word(record.userAgent, 256)


def event_of(record: Record, principal: Principal) -> Event:
    """Return the event of a record that `principal_or_skip` accepted."""
    fields = normalize(record)
    return Event(
        sanitize(record.eventID, 128),
        sanitize(record.sharedEventID, 128) if record.sharedEventID else "",
        utc_time(record.eventTime or ""),
        fields,
        principal,
        denial_in(record, fields),
        record.requestParameters,
        resources_of(record.resources),
        agent_of(record),
        clean_word(record.sourceIPAddress),
        is_from_ip_address(record),
        is_presigned(record),
        is_from_console(record),
    )


def no_call_reason(record: Record | CommonFields) -> str:
    """Return why no record with these fields is a call; "" where it is one."""
    if record.eventType in _NOT_CALLS:
        return _NOT_CALLS[record.eventType]
    if record.eventCategory in {"Insight", "Aggregated", "NetworkActivity"}:
        return f"{record.eventCategory} record: not a call"
    if not record.eventSource or not record.eventName:
        return "no eventSource or eventName: not an API call"
    return ""


def no_caller_reason(principal: Principal, who: UserIdentity | None) -> str:
    """Return why a record's caller needs no permissions; "" where it does."""
    if principal.role or principal.kind not in {"AWSService", ""}:
        return ""
    service = principal.kind or (who and who.invokedBy)
    return "an AWS service called with its own rights, not with a role's" if service else NO_CALLER


def resources_of(entries: Iterable[Resource] | None) -> tuple[ResourceEntry, ...]:
    """Return a record's resources that have an ARN."""
    if not entries:
        return ()
    return tuple(
        [
            ResourceEntry(
                (entry.type or "")[:128], entry.ARN[:2048], (entry.accountId or entry.accountid or "")[:64]
            )
            for entry in entries
            if entry.ARN
        ]
    )


def is_presigned(record: Record) -> bool:
    """Return whether the signature came in the URL."""
    return says_presigned(record.additionalEventData)


def says_presigned(more: msgspec.Raw) -> bool:
    """Return whether additionalEventData says that the signature came in the URL."""
    return _QUERY_STRING.search(more) is not None


def is_from_console(record: Record | CommonFields) -> bool:
    """Return whether the record says that the session is of the console; it writes so as text (1.6.6)."""
    return record.sessionCredentialFromConsole in {True, "true"}


def is_from_ip_address(record: Record) -> bool:
    """Return whether sourceIPAddress is an IP address, and not the name of a service."""
    return is_ip_address(record.sourceIPAddress)


def is_ip_address(address: str | None) -> bool:
    """Return whether a sourceIPAddress is an IP address, and not the name of a service."""
    return address is not None and (address[-1:].isdigit() or ":" in address)


_decode = msgspec.json.Decoder().decode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode


def sorted_parameters(params: bytes) -> bytes:
    """Return parameters without the white space and in the one order in which all deliveries have them."""
    return read_parameters(params)[0]


def read_parameters(params: bytes) -> tuple[bytes, dict[str, Any]]:
    """Return what `sorted_parameters` and `parameters` return."""
    try:
        value = _decode(params)
        return _encode_sorted(value), value if isinstance(value, dict) else {}
    except (ValueError, RecursionError):  # a lone surrogate, or nesting without end
        return params, parameters(params)


def parameters(params: bytes | msgspec.Raw) -> dict[str, Any]:
    """Return an event's request parameters; empty where there are none, or where they are no JSON object."""
    try:
        value = _decode(params)
    except msgspec.ValidationError:
        value = _with_numbers_as_text(bytes(params))
    except (ValueError, RecursionError):  # a lone surrogate, or nesting without end
        return {}
    return value if isinstance(value, dict) else {}


def _with_numbers_as_text(params: bytes) -> object:
    """Return parameters with a number that is out of range: it must not hide the names beside it."""
    try:
        value = json.loads(params, parse_int=str, parse_float=str)
        _encode_sorted(value)
    except (ValueError, RecursionError):
        return None
    return value
