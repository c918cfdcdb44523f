"""Athena's SQL run offline: records as a table of Athena's shape, and sqlglot's translation of a query run by DuckDB.

What sqlglot 30 leaves in Athena's words is said in DuckDB's here; each of the functions means the same in both.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import duckdb
import pyarrow as pa
import sqlglot
from sqlglot import exp

from policygen.logs.calls.counts import CallCounts
from policygen.logs.sources.athena.source import count_table
from policygen.logs.sources.athena.sql import CallsQuery
from policygen.logs.sources.athena.table import Partition, Table
from policygen.logs.sources.sql_rows import Row

TEXT = pa.string()
_ISSUER = pa.struct([(name, TEXT) for name in ("type", "principalid", "arn", "accountid", "username")])
_SCOPE = pa.struct([(name, TEXT) for name in ("issuertype", "credentialsissuedto")])
_IDENTITY = {
    "type": TEXT,
    "principalid": TEXT,
    "arn": TEXT,
    "accountid": TEXT,
    "invokedby": TEXT,
    "username": TEXT,
    "inscopeof": _SCOPE,
    "sessioncontext": pa.struct([("sessionissuer", _ISSUER), ("sourceidentity", pa.string())]),
}
_RESOURCES = pa.list_(pa.struct([(name, TEXT) for name in ("arn", "accountid", "type")]))
_PLAIN = (
    "eventtime eventsource eventname awsregion sourceipaddress useragent errorcode errormessage requestparameters"
    " additionaleventdata eventid readonly eventtype recipientaccountid sharedeventid vpcendpointid eventcategory"
).split()
PATHS = frozenset(
    [
        *_PLAIN,
        "resources",
        *(f"useridentity.{name}" for name in _IDENTITY),
        "useridentity.inscopeof.credentialsissuedto",
        *(f"useridentity.sessioncontext.sessionissuer.{field.name}" for field in _ISSUER),
        "useridentity.sessioncontext.sourceidentity",
    ]
)
_JSON = {"requestparameters", "additionaleventdata"}


class Duck:
    """Stands for Athena: a log's table, and queries over it."""

    def __init__(self, records: Iterable[tuple[str, Mapping[str, Any]]], lacking: Iterable[str] = ()) -> None:
        """Takes (file, record) pairs; the table lacks the given columns."""
        gone = set(lacking)
        identity = pa.struct([(k, v) for k, v in _IDENTITY.items() if f"useridentity.{k}" not in gone])
        columns: list[tuple[str, Any]] = [("useridentity", identity), ("resources", _RESOURCES)]
        columns += [(name, TEXT) for name in _PLAIN]
        columns = [one for one in columns if one[0] not in gone]
        schema = pa.schema([*columns, ("$path", TEXT), ("timestamp", TEXT)])
        rows = [_row(path, one) for path, one in records]
        self.table = Table(
            "logs",
            "trail",
            frozenset(path for path in PATHS if not any(f"{path}.".startswith(f"{one}.") for one in gone)),
            (Partition("timestamp", "string", "date", "yyyy/MM/dd"),),
        )
        self.connection = duckdb.connect()
        self.connection.register("given", pa.Table.from_pylist(rows, schema=schema))
        self.connection.execute("CREATE SCHEMA logs")
        self.connection.execute("CREATE TABLE logs.trail AS SELECT * FROM given")
        self.queries: list[str] = []
        self.rows: list[int] = []
        self.cost_summary = "nothing"

    def describe(self) -> Table:
        return self.table

    def check_scan_budget(self) -> None:
        """There is always room."""

    def run(self, sql: str) -> Iterator[Row]:
        self.queries.append(sql)
        cursor = self.connection.execute(to_duckdb(sql))
        names = [one[0] for one in cursor.description or ()]
        found = cursor.fetchall()
        self.rows.append(len(found))
        for row in found:
            yield dict(zip(names, map(_text, row), strict=True))

    def counts(self, asked: CallsQuery, select: Any) -> CallCounts:
        """What Athena would have made of the log."""
        made = CallCounts(select, until=asked.until)
        count_table(made, self, asked)  # type: ignore[arg-type]
        return made


def _text(value: Any) -> str | None:
    """As GetQueryResults writes it."""
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _row(path: str, record: Mapping[str, Any]) -> dict[str, Any]:
    time = str(record.get("eventTime"))
    delivered = time[:10] if time.startswith("20") else "2026-11-03"
    row: dict[str, Any] = {"$path": path, "timestamp": delivered.replace("-", "/")}
    for name, value in record.items():
        column = name.lower()
        if value is None:
            continue
        if column in _JSON:
            row[column] = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        elif isinstance(value, bool):
            row[column] = str(value).lower()
        else:
            row[column] = _lower(value)
    return row


def _lower(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name.lower(): _lower(inner) for name, inner in value.items()}
    return [_lower(one) for one in value] if isinstance(value, list) else value


def to_duckdb(sql: str) -> str:
    """A query of Athena's in DuckDB's words."""
    tree = sqlglot.parse_one(sql, read="athena")
    for kind, say in _SAID.items():
        for node in reversed(list(tree.find_all(kind))):
            if (said := say(node)) is not None:
                node.replace(said)
    return tree.sql(dialect="duckdb")


def _call(name: str, *arguments: exp.Expression) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _json_format(node: Any) -> exp.Expression:
    """json_format(CAST(x AS JSON)): sqlglot would have a text parsed there."""
    inner = node.this
    if isinstance(inner, exp.Cast) and inner.to.is_type("json"):
        inner = inner.this
    return exp.cast(_call("to_json", inner.copy()), "varchar")


def _map_filter(node: Any) -> exp.Expression | None:
    """map_filter(m, (k, v) -> …): DuckDB filters the entries."""
    if node.name.lower() != "map_filter":
        return None
    given, function = node.expressions
    members = dict(zip((one.name for one in function.expressions), ("key", "value"), strict=True))
    body = function.this.copy()
    for name in list(body.find_all(exp.Identifier)):
        if name.name in members and not isinstance(name.parent, exp.Column):
            name.replace(
                exp.Dot(this=exp.to_identifier("e"), expression=exp.to_identifier(members[name.name]))
            )
    entries = _call("map_entries", given.copy())
    kept = _call("list_filter", entries, exp.Lambda(this=body, expressions=[exp.to_identifier("e")]))
    return _call("map_from_entries", kept)


_SAID: dict[Any, Any] = {
    exp.JSONFormat: _json_format,
    exp.Try: lambda node: exp.TryCast(this=node.this.this.copy(), to=node.this.to.copy()),
    exp.ParseJSON: lambda node: exp.TryCast(this=node.this.copy(), to=exp.DataType.build("json")),
    exp.Anonymous: _map_filter,
}
