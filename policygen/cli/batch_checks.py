"""The checks of `policygen batch`: before anything is written, and after everything is."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from policygen.errors import BugError, IncompleteError, UsageError
from policygen.text import escape_controls, pluralize

if TYPE_CHECKING:
    from policygen.account.model import Accounts
    from policygen.all_roles.select import RoleFilter
    from policygen.logs.window import Window
    from policygen.plan.batch_table import BatchTable


def refuse_to_leave_out(before: BatchTable, accounts: Accounts, choice: RoleFilter, out: Path) -> None:
    """Check that no role of the last batch is left out by a filter: a folder has all of one choice of roles.

    Raises:
        UsageError: PG-E279, the files of such a role would be removed.
    """
    from policygen.all_roles.select import unselected

    others = unselected([(row.role, row.account) for row in before.rows], accounts, choice)
    if not others:
        return
    elsewhere = f"{out}-selected"
    named = any(word in ("--out", "-o") or word.startswith("--out=") for word in sys.argv)
    raise UsageError(
        f"{escape_controls(str(out))!r} has {pluralize(len(others), 'role')} of the last batch that the filter leaves "
        f"out, as {escape_controls(others[0])}: their files would be removed",
        f"name another folder: --out {shlex.quote(elsewhere)}",
        "or leave the filter out: what did not change is not made again",
        code="PG-E279",
        instead=(str(out), elsewhere) if named else ("", f"--out={elsewhere}"),
    )


def check_same(last: BatchTable, window: Window, accounts: Accounts) -> None:
    """Check that the last batch has the same window and accounts: one table has one heading.

    Raises:
        UsageError: PG-E275, they differ.
    """
    own = tuple(sorted(accounts))
    if (last.start, last.end, last.accounts) != (window.start, window.end, own):
        raise UsageError(
            f"--retry-failed: the last batch here was of {last.start} to {last.end[:10]}, {_named(last.accounts)}; "
            f"this one is of {window.start} to {window.last_day}, {_named(own)}",
            "give the same window and snapshots, or run it without --retry-failed",
            code="PG-E275",
        )


def _named(accounts: tuple[str, ...]) -> str:
    few, more = accounts[:3], len(accounts) - 3
    listed = ", ".join(few) + (f" and {more:,} more" if more > 0 else "")
    return f"account{'s' if len(accounts) > 1 else ''} {listed or 'not known'}"


def check_failed(table: BatchTable, *, allow_incomplete: bool) -> None:
    """Check that no role failed; the files of all others are written by then.

    Raises:
        BugError: PG-E351, records of a role were lost.
        IncompleteError: PG-W313, a role failed.
    """
    failed = [row for row in table.rows if row.verdict == "failed"]
    if lost := [row for row in failed if row.code == "PG-E351"]:
        raise BugError(f"{lost[0].role}: {lost[0].reason}", "please report it", code="PG-E351")
    if failed and not allow_incomplete:
        raise IncompleteError(
            f"{pluralize(len(failed), 'role')} failed: {failed[0].role}: {failed[0].reason}",
            "all others are written; mend the cause and run the same command with --retry-failed",
            "or accept it with --allow-incomplete",
            code="PG-W313",
        )


def check_losses(table: BatchTable, *, although_used: bool) -> None:
    """Check that no decision drops what a role needs, or who assumes it; all files are written by then.

    Args:
        table: the table of the batch.
        although_used: a person wants it so: name the roles, and go on.

    Raises:
        GateError: PG-E480, calls of some role will fail, and nobody said that they are to.
    """
    from policygen.cli.output import warn_or_refuse

    permissions = [(row.role, row.losses) for row in table.rows if row.losses]
    callers = [(row.role, row.trust_losses) for row in table.rows if row.trust_losses]
    kinds = [
        (permissions, "needed permission", "named in its plan"),
        (callers, "caller", "named by policygen trust"),
    ]
    dropped = [pluralize(sum(number for _, number in some), noun) for some, noun, _ in kinds if some]
    lines = [
        f"{role}: {pluralize(number, noun)}, {where}" for some, noun, where in kinds for role, number in some
    ]
    warn_or_refuse(
        f"decisions drop {' and '.join(dropped)}: calls will fail",
        lines,
        "more roles",
        although_used=although_used,
    )
