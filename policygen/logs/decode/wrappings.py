"""What a record can be wrapped in on its way here: one entry for each wrapping.

A wrapping says where an object keeps what it wraps. To read a new one, add an entry to `WRAPPINGS`; to refuse one by
name, add an entry to `REFUSED`. `envelope` unwraps what the entries find, and judges it again: text is JSON, or bytes
in base64, which may be compressed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

Fields = dict[str, Any]
"""A decoded JSON object."""


class Wrapping(msgspec.Struct, frozen=True):
    """A kind of object that wraps records."""

    name: str
    """What the documentation calls it."""
    key: str
    """A key that such an object has."""
    content: Callable[[Fields], object]
    """Returns what an object with this key wraps; None for another kind of object."""
    of_anything: bool = False
    """Whether such an object often wraps something else: then it is opened only where it surely holds a record."""


class RefusedForm(msgspec.Struct, frozen=True):
    """A kind of object that holds the fields of a record in another form, from which it cannot be made again."""

    name: str
    applies: Callable[[Fields], bool]
    instead: str
    """What to do, for the user."""

    @property
    def reason(self) -> str:
        """Return why such an object cannot be used, for the user."""
        return f"{self.name}: {self.instead}"


@lru_cache(maxsize=4096)
def key_word(key: str) -> str:
    """Return a name without case, spaces and underscores: tables spell the fields of a record in many ways."""
    return _NO_WORD.sub("", key.lower())


_NO_WORD = re.compile(r"[\s_-]+")


def _at(name: str, *path: str, beside: str = "", of_anything: bool = False) -> Wrapping:
    """Return the wrapping of what stands at a path of keys, in an object that has another key as well."""

    def content(value: Fields) -> object:
        if beside and beside not in value:
            return None
        inner: Any = value
        for key in path:
            inner = inner.get(key) if isinstance(inner, dict) else None
        return inner

    return Wrapping(name, path[0], content, of_anything)


def _kafka_records(value: Fields) -> object:
    """Return the records of all partitions of a topic."""
    records = value.get("records")
    return list(records.values()) if "bootstrapServers" in value and isinstance(records, dict) else None


def _lake_rows(value: Fields) -> object:
    """Return the rows of `aws cloudtrail get-query-results`: each is a list of objects with one column."""
    rows = value.get("QueryResultRows")
    if not isinstance(rows, list):
        return None
    return [_joined(row) if isinstance(row, list) else row for row in rows]


def _joined(row: list[Any]) -> object:
    joined: Fields = {}
    for cell in row:
        if not isinstance(cell, dict):
            return row
        joined |= cell
    return joined


def _athena_rows(value: Fields) -> object:
    """Return the rows of `aws athena get-query-results`: the first has the names of the columns."""
    result = value.get("ResultSet")
    rows = result.get("Rows") if isinstance(result, dict) else None
    if not isinstance(rows, list) or not rows:
        return None
    texts = [[cell.get("VarCharValue") for cell in _cells(row)] for row in rows]
    return [dict(zip(map(str, texts[0]), row, strict=False)) for row in texts[1:]]


def _cells(row: object) -> Iterator[Fields]:
    cells = row.get("Data") if isinstance(row, dict) else None
    return (cell for cell in cells if isinstance(cell, dict)) if isinstance(cells, list) else iter(())


ORIGINALS = (
    _at("LookupEvents", "CloudTrailEvent"),
    _at("CloudTrail Lake, eventJson", "eventJson"),
    _at("Splunk, _raw", "_raw"),
    _at("Elastic, event.original", "event", "original"),
    _at("Elastic, event.original", "event.original"),
    _at("OCSF, raw_data", "raw_data"),
    _at("CloudWatch Logs Insights, @message", "@message"),
)
"""Wrappings that hold a record as it was, beside fields that were made of it: the record counts, not the fields."""

WRAPPINGS = (
    _at("EventBridge, detail", "detail"),
    _at("CloudWatch Logs and Logstash, message", "message"),
    _at("SNS, Message", "Message"),
    _at("SQS, body", "body"),
    _at("SQS, Body", "Body"),
    _at("SNS, sent to a function", "Sns"),
    _at("CloudWatch Logs, sent to a function", "awslogs", "data"),
    _at("Kinesis, sent to a function", "kinesis", "data"),
    _at("Kinesis, GetRecords", "Data", beside="SequenceNumber"),
    _at("Firehose, sent to a function", "data", beside="recordId"),
    Wrapping("Kafka, sent to a function", "records", _kafka_records),
    _at("Kafka, sent to a function", "value", beside="topic"),
    _at("Amazon MQ, sent to a function", "messages", beside="eventSourceArn"),
    _at("Amazon MQ, sent to a function", "data", beside="messageID"),
    Wrapping("CloudTrail Lake, GetQueryResults", "QueryResultRows", _lake_rows),
    Wrapping("Athena, GetQueryResults", "ResultSet", _athena_rows),
    _at("Splunk, result", "result", of_anything=True),
    _at("Splunk, results", "results", of_anything=True),
    _at("Splunk HTTP event collector, event", "event", of_anything=True),
    _at("Elastic, hits", "hits", "hits", of_anything=True),
    _at("Elastic, _source", "_source", of_anything=True),
    _at("Elastic, fields", "fields", of_anything=True),
    _at("CloudEvents, data", "data", of_anything=True),
)


class TextWrapping(msgspec.Struct, frozen=True):
    """A kind of object that wraps lines of text.

    It has no other keys than its own: the lines are written by strangers, and a line that is JSON may hold any key.
    """

    name: str
    """What the documentation calls it."""
    keys: frozenset[str]
    content: Callable[[Fields], Iterator[tuple[str, str]]]
    """Yields the lines of such an object: when each came into the log, in any form that `utc_time` reads, and the text.

    Raises:
        KeyError, TypeError: the object is of another kind.
    """


def _log_events(key: str) -> Callable[[Fields], Iterator[tuple[str, str]]]:
    def content(value: Fields) -> Iterator[tuple[str, str]]:
        for event in value[key]:
            if not isinstance(event["timestamp"], int) or not isinstance(event["message"], str):
                raise TypeError
            yield str(event["timestamp"]), event["message"]

    return content


def _insights_rows(value: Fields) -> Iterator[tuple[str, str]]:
    """Yield the messages of the rows of a query; each row is a list of fields with their values."""
    for row in value["results"]:
        fields = {cell["field"]: cell["value"] for cell in row}
        yield str(fields.get("@timestamp", "")), str(fields["@message"])


TEXT_WRAPPINGS = (
    TextWrapping(
        "CloudWatch Logs, FilterLogEvents",
        frozenset({"events", "searchedLogStreams", "nextToken"}),
        _log_events("events"),
    ),
    TextWrapping(
        "CloudWatch Logs, GetLogEvents",
        frozenset({"events", "nextForwardToken", "nextBackwardToken"}),
        _log_events("events"),
    ),
    TextWrapping(
        "CloudWatch Logs Insights, GetQueryResults",
        frozenset({"results", "statistics", "status", "queryLanguage", "encryptionKey"}),
        _insights_rows,
    ),
    TextWrapping(
        "CloudWatch Logs, subscription",
        frozenset(
            {
                "messageType",
                "owner",
                "logGroup",
                "logStream",
                "subscriptionFilters",
                "logEvents",
                "policyLevel",
            }
        ),
        _log_events("logEvents"),
    ),
)

TEXT_WRAPPING_KEYS = frozenset(key for one in TEXT_WRAPPINGS for key in one.keys)


def wrapped_lines(value: Fields) -> list[tuple[str, str]] | None:
    """Return the lines that an object wraps, each with its time; None where it is no wrapping of lines."""
    for one in TEXT_WRAPPINGS:
        if one.keys >= value.keys():
            try:
                return list(one.content(value))
            except (KeyError, TypeError):
                continue
    return None


_ORIGINAL_KEYS = frozenset(one.key for one in ORIGINALS)
_WRAPPING_KEYS = frozenset(one.key for one in WRAPPINGS)


def original_in(value: Fields) -> object:
    """Return the record as it was, where an object keeps it beside other fields; None for any other object."""
    if _ORIGINAL_KEYS.isdisjoint(value):
        return None
    found = (one.content(value) for one in ORIGINALS if one.key in value)
    return next((one for one in found if isinstance(one, dict | list | str)), None)


def wrapped_in(value: Fields) -> object:
    """Return what an object wraps, None where it is no wrapping."""
    if _WRAPPING_KEYS.isdisjoint(value):
        return None
    for one in WRAPPINGS:
        content = one.content(value) if one.key in value else None
        if isinstance(content, dict | list | str) and not (
            one.of_anything and not count_held_records(content)
        ):
            return content
    return None


def _is_ocsf(value: Fields) -> bool:
    if "class_uid" not in value:
        return False
    metadata = value.get("metadata")
    product = metadata.get("product") if isinstance(metadata, dict) else None
    name = product.get("name") if isinstance(product, dict) else None
    return "cloudtrail" in name.lower() if isinstance(name, str) else "api" in value


def _has_fields_of_elastic(value: Fields) -> bool:
    aws = value.get("aws")
    if "message" in value:
        return False
    nested = isinstance(aws, dict) and (
        "cloudtrail" in aws or any(key.startswith("cloudtrail.") for key in aws)
    )
    return nested or any(key.startswith("aws.cloudtrail.") for key in value)


def _is_flattened(value: Fields) -> bool:
    words = {key_word(key) for key in value if key[:1] in {"u", "U"}}
    return any(word != "useridentity" and word.startswith("useridentity") for word in words)


REFUSED = (
    RefusedForm(
        "an event of OCSF, as Security Lake keeps it",
        _is_ocsf,
        "it has not all fields of CloudTrail's record; read the trail's own files, or athena: or lake:",
    ),
    RefusedForm(
        "a document of Elastic without event.original",
        _has_fields_of_elastic,
        "its fields are not those of CloudTrail's record; keep event.original, or read the trail's own files",
    ),
    RefusedForm(
        "a record whose userIdentity is spread over columns",
        _is_flattened,
        "who called is not told exactly; export the record as it was (Splunk: _raw), or read the trail's own files",
    ),
)


def refusal_of(value: Fields) -> RefusedForm | None:
    """Return why the fields of an object cannot be made a record again; None for any other object."""
    return next((one for one in REFUSED if one.applies(value)), None)


def is_row(value: Mapping[str, object]) -> bool:
    """Return whether an object has the fields of a record, perhaps in another spelling."""
    words = {key_word(key): one for key, one in value.items() if key[:1] in {"e", "E"}}
    return all(isinstance(words.get(word), str) for word in ("eventname", "eventsource"))


# A record in JSON text, which may be in a string itself.
_RECORD_TEXT = re.compile(r'"eventName\\*"\s*:')


def text_holds_record(text: str) -> bool:
    """Return whether JSON text holds a record of CloudTrail, in whatever it is wrapped."""
    return "eventSource" in text and "userIdentity" in text and _RECORD_TEXT.search(text) is not None


def count_held_records(value: object, depth: int = 0) -> int:
    """Return how many records, or rows of them, a value holds, in whatever wrapping; a text of many counts as one."""
    if isinstance(value, str):
        return int(text_holds_record(value))
    if depth > _DEPTH:
        return 0
    if isinstance(value, list):
        return sum(count_held_records(one, depth + 1) for one in value)
    if not isinstance(value, dict):
        return 0
    if is_row(value) or refusal_of(value):
        return 1
    return sum(count_held_records(one, depth + 1) for one in value.values())


_DEPTH = 12
