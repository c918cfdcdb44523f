"""Make records of the rows of tables: Athena, CloudTrail Lake, Parquet and CSV spell the fields of a record anew.

A row is read where it says exactly what the record said, and is refused by name where it does not: a call without its
errorCode would look like a success.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from policygen.logs.decode.json_window import BadRecord
from policygen.logs.decode.wrappings import Fields, key_word
from policygen.logs.events.record import (
    InScopeOf,
    Record,
    SessionContext,
    SessionIssuer,
    UserIdentity,
)

_DECODE = msgspec.json.Decoder().decode
_NESTED = (UserIdentity, SessionContext, SessionIssuer, InScopeOf)
_FIELDS = {
    key_word(name): name
    for kind in (*_NESTED, Record)
    for name in (field.name for field in msgspec.structs.fields(kind))
} | {"eventversion": "eventVersion", "attributes": "attributes"}
_RESOURCE_FIELDS = {"arn": "ARN", "accountid": "accountId", "type": "type"}
_OBJECTS = ("userIdentity", "requestParameters", "additionalEventData")
_NEEDED = ("eventVersion", "userIdentity", "eventTime", "eventSource", "eventName", "awsRegion")
_NEEDED_COLUMNS = (*_NEEDED, "errorCode", "errorMessage", "requestParameters", "resources", "eventID")
"""Columns without which a table says less than its records: all that decide, or that name what a call touched."""

NO_CALLER = (
    "a row of the event history without who called: "
    "read it with lookup:, or keep CloudTrailEvent, which is the record"
)
_AS_TEXT = (
    "as text that is not JSON, which cannot be read exactly: select eventJson, or read athena: or lake:"
)


def record_of_row(row: Mapping[str, object], columns: Collection[str] = ()) -> Fields | BadRecord:
    """Return a row as the fields of a record, or why it is none.

    Args:
        row: column to value; a value that has fields of its own may be JSON text.
        columns: of the table, where it has the same for all rows; "" for an object that may leave out what is null.
    """
    fields: Fields = {}
    for name, value in row.items():
        field = _FIELDS.get(key_word(name))
        if field and value is not None and value != "":
            fields[field] = _value(field, value)
    present = {_FIELDS.get(key_word(name)) for name in (columns or row)}
    needed = _NEEDED_COLUMNS if columns else _NEEDED
    missing = [name for name in needed if name not in present]
    if "userIdentity" in missing:
        return BadRecord(NO_CALLER)
    odd = next((name for name in (*_OBJECTS, "resources") if _is_odd(name, fields.get(name))), None)
    if odd:
        return BadRecord(f"a row that has {odd} {_AS_TEXT}")
    return BadRecord(f"a row without {', '.join(missing)}: select all columns") if missing else fields


def _value(field: str, value: object) -> object:
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str) and (field in _OBJECTS or field == "resources"):
        try:
            value = _DECODE(value)
        except (ValueError, RecursionError):
            return value
    if field == "userIdentity":
        return _respelled(value, _FIELDS)
    if field == "resources" and isinstance(value, list):
        return [_respelled(one, _RESOURCE_FIELDS) for one in value]
    return value


def _respelled(value: object, names: Mapping[str, str]) -> object:
    if not isinstance(value, dict):
        return value
    return {names.get(key_word(key), key): _respelled(inner, names) for key, inner in value.items()}


def _is_odd(field: str, value: Any) -> bool:
    """Return whether the value of a field is not what a record has there."""
    return value is not None and not isinstance(value, dict if field in _OBJECTS else list)
