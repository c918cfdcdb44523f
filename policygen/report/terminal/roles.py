"""The list of roles: who called how often in the window, when last, and the functions that run as it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from policygen.account.model import Account
from policygen.evidence.role_calls import RoleCalls
from policygen.iam.request import RoleKey
from policygen.logs.window import Window
from policygen.report.terminal.layout import WIDTH, Layout
from policygen.report.wording import fitted
from policygen.text import escape_controls, pluralize


class RoleRow(NamedTuple):
    """A role; numbers and dates are of the window of the logs and of the accounts as they are."""

    name: str
    account: str
    arn: str
    events: int
    """Events by the role in the window; 0 where it made none."""
    last_used: str
    """The day on which IAM saw it used last; "" where that is not known."""
    functions: tuple[str, ...]
    denied: int | None = 0
    """Events among them that were denied; None where the source tells sums only."""
    last_call: str = ""
    """Time of its last event in the window, ISO 8601 in UTC; "" for none."""
    role_id: str = ""
    """Its id, which tells a role from a deleted one of the same name; "" where it is not known."""


def role_rows(seen: Mapping[RoleKey, RoleCalls], accounts: Sequence[Account] = ()) -> list[RoleRow]:
    """Return the roles of the logs and of the accounts, those with most events first.

    A deleted role of the same name has a row of its own.

    Args:
        seen: what each role did, as the logs have it; records without the role's id count for the only role of its
            name.
        accounts: the accounts as they are, those that are known.
    """
    ids: dict[tuple[str, str], set[str]] = {}
    current = [role.key for account in accounts for role in account.roles]
    for key in (*seen, *current):
        ids.setdefault((key.account, key.name.lower()), set()).update({key.role_id} - {""})

    def place(key: RoleKey) -> tuple[str, str, str]:
        name = (key.account, key.name.lower())
        return (*name, key.role_id or (min(ids[name]) if len(ids[name]) == 1 else ""))

    rows: dict[tuple[str, str, str], RoleRow] = {}
    for key in sorted((one for one in seen if one.name), key=lambda one: not one.arn):
        row = rows.get(place(key)) or RoleRow(
            key.name, key.account, key.arn, 0, "", (), role_id=place(key)[2]
        )
        rows[place(key)] = _added(row, seen[key])
    for account, role in ((one, role) for one in accounts for role in one.roles):
        row = rows.get(place(role.key)) or RoleRow(role.name, role.key.account, "", 0, "", ())
        rows[place(role.key)] = row._replace(
            name=role.name,
            arn=role.key.arn,
            last_used=role.last_used[:10],
            functions=tuple(one.name for one in account.functions_of(role) or ()),
            role_id=role.key.role_id,
        )
    return sorted(rows.values(), key=lambda row: (-row.events, row.name.lower(), row.account, row.role_id))


def _added(row: RoleRow, calls: RoleCalls) -> RoleRow:
    return row._replace(
        events=row.events + calls.events,
        denied=None if row.denied is None or calls.denied is None else row.denied + calls.denied,
        last_call=max(row.last_call, calls.last),
    )


_NUMBERS = 9 + 8 + 2 + 10
"""Columns between the names and the rest."""
_SEEN = 2 + 12
"""Columns of the day on which IAM saw a role last, on a screen that has room for it."""
_FUNCTIONS = 2 + 16
"""Columns of the functions, where names take all the room."""


def render_roles_text(rows: Sequence[RoleRow], window: Window, width: int = WIDTH) -> str:
    """Return the list for a terminal: one role a line.

    Args:
        rows: the roles.
        window: the days whose calls are counted.
        width: columns.
    """
    main = Counter(row.account for row in rows).most_common(1)[0][0] if rows else ""
    names = _names(rows, main)
    seen = _SEEN if width > WIDTH and any(row.last_used for row in rows) else 0
    room = min(max(map(len, [*names, "role"])), width - _NUMBERS - seen - _FUNCTIONS)
    rest = width - room - _NUMBERS - seen - 2

    def line(name: str, calls: str, denied: str, last: str, used: str, functions: str) -> str:
        by_iam = f"  {used:<12}" if seen else ""
        lead = f"{fitted(name, room):<{room}}{calls:>9}{denied:>8}  {last:<10}"
        return f"{lead}{by_iam}  {fitted(functions, rest)}"

    days = f"{pluralize(window.days, 'day')}, {window.start} to {window.end[:10]}"
    lines = [
        *Layout(width).joined("", [*([f"account {main}"] if main else []), days]),
        "",
        line("role", "calls", "denied", "last call", "IAM saw last", "functions"),
    ]
    lines += [
        line(
            name,
            f"{row.events:,}",
            "-" if row.denied is None else f"{row.denied:,}",
            row.last_call[:10] or "-",
            row.last_used or "-",
            ", ".join(row.functions) or "-",
        )
        for name, row in zip(names, rows, strict=True)
    ]
    called = sum(row.events > 0 for row in rows)
    lines += ["", f"{pluralize(len(rows), 'role')}, {called:,} with calls in these days"]
    return "".join(f"{escape_controls(line.rstrip())}\n" for line in lines)


def _names(rows: Sequence[RoleRow], main: str) -> list[str]:
    """Return the names, with what tells roles of one name apart: the account if it is not `main`, or the id."""
    places = Counter((row.name.lower(), row.account) for row in rows)
    names = []
    for row in rows:
        others = [row.account] * (row.account != main)
        others += [f"{row.role_id[:4]}…{row.role_id[-6:]}" if row.role_id else "no id"] * (
            places[row.name.lower(), row.account] > 1
        )
        names.append(f"{row.name} ({', '.join(others)})" if others else row.name)
    return names


def render_roles_json(rows: Sequence[RoleRow]) -> str:
    """Return the list as JSON."""
    return json.dumps([row._asdict() for row in rows], indent=2) + "\n"
