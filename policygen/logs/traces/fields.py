"""Reads fields of documents that anybody may have written: a value of another type is as good as none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from policygen.logs.events.event_time import time_text, utc_time


def text_at(table: Mapping[str, Any], *names: str) -> str:
    """Return the first value under these names that is a text with something in it; "" without any."""
    return next((value for name in names if isinstance(value := table.get(name), str) and value), "")


def table_at(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the JSON object under a name; an empty one without any."""
    value = table.get(name)
    return value if isinstance(value, dict) else {}


def list_at(table: Mapping[str, Any], *names: str) -> list[Any]:
    """Return the first list under these names; an empty one without any."""
    return next((value for name in names if isinstance(value := table.get(name), list)), [])


def number_at(table: Mapping[str, Any], *names: str) -> int:
    """Return the first whole number under these names, or a text of digits; 0 without any."""
    for name in names:
        value = table.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20:
            return int(value)
    return 0


def time_of(value: object) -> str:
    """Return a time in ISO 8601 or in seconds, milliseconds or nanoseconds since 1970 as policygen writes times."""
    written = time_text(value)
    return utc_time(written) if isinstance(written, str) else ""


def tables_in(operation: str, names: Iterable[object]) -> dict[str, Any]:
    """Return the parameters of DynamoDB's operation that name these tables."""
    tables = [name for name in names if isinstance(name, str) and name]
    if not tables:
        return {}
    if operation.startswith("Batch"):
        return {"requestItems": {name: {} for name in tables}}
    if operation.startswith("Transact"):
        return {"requestItems": [{"tableName": name} for name in tables]}
    return {"tableName": tables[0]} if len(tables) == 1 else {}
