"""The list of roles: who called how often, when IAM saw the role last, and the functions that run as it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from policygen.account.model import Account
from policygen.iam.request import RoleKey
from policygen.text import escape_controls, pluralize


class RoleRow(NamedTuple):
    """A role; numbers and dates are of the logs that were read and of the account as it is."""

    name: str
    account: str
    arn: str
    events: int
    """Events by the role in the logs; 0 where it made none."""
    last_used: str
    """The day on which IAM saw it used last; "" where that is not known."""
    functions: tuple[str, ...]


def role_rows(seen: Mapping[RoleKey, int], account: Account | None) -> list[RoleRow]:
    """Return the roles of the logs and of the account, those with most events first.

    Args:
        seen: events by role, as the logs have them.
        account: the account as it is; None where it is not known.
    """
    events: dict[tuple[str, str], int] = {}
    arns: dict[tuple[str, str], RoleRow] = {}
    for key, number in seen.items():
        if key.name:
            place = (key.account, key.name.lower())
            events[place] = events.get(place, 0) + number
            arns.setdefault(place, RoleRow(key.name, key.account, key.arn, 0, "", ()))
    for role in account.roles if account else ():
        functions = tuple(one.name for one in (account.functions_of(role) if account else None) or ())
        arns[(role.key.account, role.name.lower())] = RoleRow(
            role.name, role.key.account, role.key.arn, 0, role.last_used[:10], functions
        )
    rows = [row._replace(events=events.get(place, 0)) for place, row in arns.items()]
    return sorted(rows, key=lambda row: (-row.events, row.name.lower(), row.account))


def render_roles_text(rows: Sequence[RoleRow]) -> str:
    """Return the list for a terminal: one role a line, names whole."""
    accounts = {row.account for row in rows}
    names = [f"{row.name} ({row.account})" if len(accounts) > 1 else row.name for row in rows]
    width = max(map(len, [*names, "role"]))
    lines = [f"{'role':<{width}}  {'calls':>9}  {'last used':<10}  functions"]
    lines += [
        f"{name:<{width}}  {row.events:>9,}  {row.last_used or '-':<10}  {_listed(row.functions)}"
        for name, row in zip(names, rows, strict=True)
    ]
    called = sum(row.events > 0 for row in rows)
    lines += [
        "",
        f"{pluralize(len(rows), 'role')}, {called:,} with calls in the logs that were read; last used: by IAM's record",
    ]
    return "".join(f"{escape_controls(line.rstrip())}\n" for line in lines)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "-"


def render_roles_json(rows: Sequence[RoleRow]) -> str:
    """Return the list as JSON."""
    return json.dumps([row._asdict() for row in rows], indent=2) + "\n"
