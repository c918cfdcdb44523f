"""The form in which calls are kept: one row a call, day and user, as a Parquet table.

What is kept are sums: no record, and of a call's parameters those that identify what it touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from policygen.access import Denial, ResourceEntry, RoleKey
from policygen.calls import CallId, CallKey, Calls, Evidence
from policygen.events import Outcome
from policygen.user import User

if TYPE_CHECKING:
    import pyarrow as pa

_json = msgspec.json.Encoder(order="deterministic").encode
_denial = msgspec.json.Decoder(Denial | None).decode
_entries = msgspec.json.Decoder(tuple[ResourceEntry, ...]).decode
_samples = msgspec.json.Decoder(tuple[tuple[str, str], ...]).decode
_texts = msgspec.json.Decoder(frozenset[str]).decode


class Row(NamedTuple):
    """One row, in the order of the table's columns. Nested values are JSON."""

    portion: int
    """Which part of the file the row belongs to."""
    role_account: str
    role_id: str
    role_arn: str
    role_name: str
    source: str
    name: str
    region: str
    account: str
    partition: str
    outcome: str
    error: str
    denial: bytes
    via: str
    vpce: str
    params: bytes
    resources: bytes
    day: str
    function: str
    manner: str
    times: int
    first: str
    last: str
    samples: bytes
    sessions: bytes
    agents: bytes
    addresses: bytes
    weak: int


_NUMBERS = {"portion", "times", "weak"}
_JSON = {"denial", "params", "resources", "samples", "sessions", "agents", "addresses"}


def rows_of(portion: int, calls: dict[RoleKey, Calls]) -> Iterable[Row]:
    """The rows of some calls, by role, so that one role's lie together."""
    for role in sorted(calls):
        for key, seen in calls[role].items():
            call, user = key.call, key.user
            yield Row(
                portion,
                role.account,
                role.role_id,
                role.arn,
                role.name,
                call.source,
                call.name,
                call.region,
                call.account,
                call.partition,
                call.outcome.value,
                call.error,
                _json(call.denial),
                call.via,
                call.vpce,
                call.params,
                _json(call.resources),
                key.day,
                user.function,
                user.manner,
                seen.count,
                seen.first,
                seen.last,
                _json(seen.samples),
                _json(sorted(seen.sessions)),
                _json(sorted(seen.agents)),
                _json(sorted(seen.addresses)),
                seen.weak,
            )


def call_of(row: Row) -> tuple[RoleKey, CallKey, Evidence]:
    """The call and the evidence that a row stands for."""
    call = CallId(
        row.source,
        row.name,
        row.region,
        row.account,
        row.partition,
        Outcome(row.outcome),
        row.error,
        _denial(row.denial),
        row.via,
        row.vpce,
        row.params,
        _entries(row.resources),
    )
    evidence = Evidence(
        row.times,
        row.first,
        row.last,
        frozenset((row.day,)),
        _samples(row.samples),
        _texts(row.sessions),
        _texts(row.agents),
        _texts(row.addresses),
        row.weak,
    )
    role = RoleKey(row.role_account, row.role_id, row.role_arn, row.role_name)
    manner: Any = row.manner
    return role, CallKey(call, row.day, User(row.function, manner)), evidence


def table_of(rows: Iterable[Row]) -> pa.Table:
    """Rows as an Arrow table."""
    import pyarrow as pa

    kinds: Callable[[str], Any] = lambda name: (  # noqa: E731
        pa.int64() if name in _NUMBERS else pa.binary() if name in _JSON else pa.string()
    )
    columns: Iterable[Any] = zip(*rows, strict=True)
    schema = pa.schema([(name, kinds(name)) for name in Row._fields])
    listed = [list(column) for column in columns] or [[] for _ in Row._fields]
    return pa.table(dict(zip(Row._fields, listed, strict=True)), schema=schema)


def rows_in(table: pa.Table) -> Iterable[Row]:
    """The rows of an Arrow table.

    Raises:
        KeyError, ValueError: it is no table of calls.
    """
    columns = [table.column(name).to_pylist() for name in Row._fields]
    return map(Row._make, zip(*columns, strict=True))
