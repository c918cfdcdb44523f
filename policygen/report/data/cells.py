"""Writes tables that spreadsheets can open, in which no foreign text is a formula.

The encoding is UTF-8 without a byte order mark: other readers would take the mark for a part of the first column's
name. Our own words are ASCII; only old versions of Excel show other letters of a name wrongly.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from policygen.text import escape_controls

# The start of a formula, as a spreadsheet reads it (https://owasp.org/www-community/attacks/CSV_Injection); also after
# a semicolon: where that is the local separator, a cell begins there, quoted or not.
_FORMULA = re.compile("(^|;)(?= *[=+\\-@\t\r\n＝＋－＠])")


Cell: TypeAlias = str | int | float | bool | None
"""The value of a cell."""


def plain_cell(value: Cell) -> str:
    """Return a value as a cell: text in one printable line, with an apostrophe before a possible formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return escape_controls(_FORMULA.sub(r"\1'", str(value)))


def csv_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return a table as CSV (RFC 4180), the names of its columns first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([plain_cell(value) for value in row] for row in rows)
    return text.getvalue()
