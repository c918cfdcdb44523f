"""Tables that spreadsheets open: text that is no formula, whoever wrote it.

UTF-8 without a byte order mark: the mark would stand before the first column's name for every other reader, and our
own words are ASCII. Only old versions of Excel then show the other letters of a name wrongly.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from policygen.text import escape_controls

# What a spreadsheet takes for the start of a formula (https://owasp.org/www-community/attacks/CSV_Injection). The same
# behind a semicolon: where that is the local separator, a cell begins there, quotes or not.
_FORMULA = re.compile("(^|;)(?= *[=+\\-@\t\r\n＝＋－＠])")


Cell: TypeAlias = str | int | float | bool | None
"""What stands in a cell."""


def plain_cell(value: Cell) -> str:
    """A value as a cell: text in one printable line, with an apostrophe before what might be a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return escape_controls(_FORMULA.sub(r"\1'", str(value)))


def csv_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A table as CSV (RFC 4180), its columns' names first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([plain_cell(value) for value in row] for row in rows)
    return text.getvalue()
