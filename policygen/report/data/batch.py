"""Writes the rows of a batch as CSV, and as Parquet where the extra ``parquet`` is installed."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import msgspec

from policygen.plan.batch_table import BatchRow, RoleQuestion, sorted_rows
from policygen.report.data.cells import Cell, csv_table

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (*BatchRow.__struct_fields__, "cut_percent")
_NUMBERS = {
    "events", "days", "questions", "needed", "unverified", "actions_now", "actions_proposed", "escalations_closed",
    "escalations_left", "losses", "replay_calls", "replay_denied", "trust_changes", "trust_losses", "assumptions",
    "session_now", "session_proposed",
}  # fmt: skip


def records(rows: Sequence[BatchRow]) -> list[dict[str, Cell]]:
    """Return each row as plain values, in the order of the table."""
    return [
        {name: _cell(value) for name, value in msgspec.to_builtins(row).items()}
        | {"cut_percent": None if row.cut is None else round(row.cut, 1)}
        for row in sorted_rows(rows)
    ]


def _cell(value: Any) -> Cell:
    """Return lists and mappings as text: ``a, b`` and ``key=value, key=value``."""
    if isinstance(value, Mapping):
        value = [f"{key}={one}" for key, one in value.items()]
    return ", ".join(value) if isinstance(value, list | tuple) else value


def batch_tables(rows: Sequence[BatchRow]) -> dict[str, str | bytes]:
    """Return the tables that can be written here: file name -> content."""
    tables: dict[str, str | bytes] = {"roles.csv": batch_to_csv(rows)}
    if find_spec("pyarrow"):
        tables["roles.parquet"] = batch_to_parquet(rows)
    return tables


def questions_to_csv(questions: Sequence[RoleQuestion]) -> str:
    """Return each role's part of each question as CSV without formulas, owner by owner."""
    ordered = sorted(
        questions, key=lambda one: (not one.owner, one.owner.lower(), one.role.lower(), one.account)
    )
    columns = RoleQuestion.__struct_fields__
    return csv_table(columns, ([getattr(one, name) for name in columns] for one in ordered))


def batch_to_csv(rows: Sequence[BatchRow]) -> str:
    """Return the rows as CSV (RFC 4180) without formulas."""
    return csv_table(COLUMNS, ([record[name] for name in COLUMNS] for record in records(rows)))


def batch_to_parquet(rows: Sequence[BatchRow]) -> bytes:
    """Return the rows as Parquet, with the types of their fields."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import json

    def kind(name: str) -> pa.DataType:
        if name == "cut_percent":
            return pa.float64()
        return pa.int64() if name in _NUMBERS else pa.string()

    schema = pa.schema([(name, kind(name)) for name in COLUMNS])
    # By JSON, since pyarrow imports pandas to look at values of Python: that takes a second.
    text = b"\n".join(map(msgspec.json.encode, records(rows)))
    whole = json.ReadOptions(use_threads=False, block_size=len(text) + 1)
    typed = json.ParseOptions(schema, unexpected_field_behavior="error")
    table = json.read_json(io.BytesIO(text), whole, typed) if rows else schema.empty_table()
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def batch_frame(rows: Sequence[BatchRow]) -> pd.DataFrame:
    """Return the rows as a frame, with the types of their fields; counts that are not known are missing."""
    import pandas as pd

    frame = pd.DataFrame(records(rows), columns=list(COLUMNS))
    types = dict.fromkeys(_NUMBERS, "Int64") | dict.fromkeys(("role", "account", "verdict"), "category")
    return frame.astype(types | {"cut_percent": "float64"})
