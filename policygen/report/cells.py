"""Cells of tables that spreadsheets open: text that is no formula, whoever wrote it."""

from __future__ import annotations

from policygen.text import printable

# What a spreadsheet takes for the start of a formula (https://owasp.org/www-community/attacks/CSV_Injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def plain(value: object) -> str:
    """A value as a cell: text in one printable line, with an apostrophe before what might be a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    text = str(value)
    return printable(f"'{text}" if text.startswith(_FORMULA) else text)
