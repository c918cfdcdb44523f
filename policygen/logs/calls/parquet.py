"""Counted calls as a Parquet table: one row for each bucket.

The table holds sums: no record, and only the parameters that identify what a call touched.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from io import BytesIO
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from policygen.catalog.call import ResourceEntry
from policygen.iam.request import RoleKey
from policygen.logs.calls.call import CallBucket, Calls, CallSignature
from policygen.logs.calls.evidence import Evidence
from policygen.logs.events.credentials import CredentialUse
from policygen.logs.events.outcome import Denial, Outcome

if TYPE_CHECKING:
    import pyarrow as pa

_json = msgspec.json.Encoder(order="deterministic").encode
_denial = msgspec.json.Decoder(Denial | None).decode
_entries = msgspec.json.Decoder(tuple[ResourceEntry, ...]).decode
_samples = msgspec.json.Decoder(tuple[tuple[str, str], ...]).decode
_texts = msgspec.json.Decoder(frozenset[str]).decode


class CallRow(NamedTuple):
    """One row, in the order of the table's columns. Nested values are JSON."""

    chunk: int
    """Number of the chunk that the row belongs to."""
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
    channel: str
    times: int
    first: str
    last: str
    samples: bytes
    sessions: bytes
    agents: bytes
    addresses: bytes
    weak: int


_NUMBERS = {"chunk", "times", "weak"}
_JSON = {"denial", "params", "resources", "samples", "sessions", "agents", "addresses"}


def to_rows(chunk: int, calls: dict[RoleKey, Calls]) -> Iterable[CallRow]:
    """Give the rows of some calls, those of one role together."""
    for role in sorted(calls):
        for key, seen in calls[role].items():
            call, user = key.call, key.user
            yield CallRow(
                chunk,
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
                user.channel,
                seen.count,
                seen.first,
                seen.last,
                _json(seen.samples),
                _json(sorted(seen.sessions)),
                _json(sorted(seen.agents)),
                _json(sorted(seen.addresses)),
                seen.weak,
            )


def from_row(row: CallRow) -> tuple[RoleKey, CallBucket, Evidence]:
    """Return the role, the bucket and the evidence of a row."""
    call = CallSignature(
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
    channel: Any = row.channel
    return role, CallBucket(call, row.day, CredentialUse(row.function, channel)), evidence


def calls_to_parquet(rows: Iterable[CallRow]) -> bytes:
    """Return rows as a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: list[Sequence[Any]] = list(zip(*rows, strict=True)) or [() for _ in CallRow._fields]
    arrays = [_column(name, values) for name, values in zip(CallRow._fields, columns, strict=True)]
    out = BytesIO()
    pq.write_table(pa.Table.from_arrays(arrays, list(CallRow._fields)), out, compression="zstd")
    return out.getvalue()


def _column(name: str, values: Sequence[Any]) -> pa.Array[Any]:
    """Return a column made of buffers: `pa.array` would load pandas, which takes longer than reading a small cache."""
    import pyarrow as pa

    if name in _NUMBERS:
        return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(array("q", values))])
    binary = name in _JSON
    texts = values if binary else [value.encode(errors="surrogatepass") for value in values]
    offsets = array("i", accumulate(map(len, texts), initial=0))
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(texts))]
    return pa.Array.from_buffers(pa.binary() if binary else pa.string(), len(values), buffers)


def rows_in(data: bytes) -> Iterable[CallRow]:
    """Give the rows of a Parquet file of calls.

    Raises:
        KeyError, ValueError, OSError: the file is something else.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.ParquetFile(pa.BufferReader(data)).read()
    columns = [table.column(name).to_pylist() for name in CallRow._fields]
    return map(CallRow._make, zip(*columns, strict=True))
