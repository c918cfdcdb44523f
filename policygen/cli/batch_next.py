"""The commands that go on from a batch."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policygen.plan.batch_table import BatchTable, SharedReason


def batch_commands(table: BatchTable, out: Path) -> Iterator[str]:
    """Yield commands that go on from here: the failed roles again, what many wait for, the first role, and a script.

    Args:
        table: the table of the batch.
        out: its folder.
    """
    from policygen.plan.batch_table import sorted_rows

    if any(row.verdict == "failed" for row in table.rows):
        words = [word for word in sys.argv[1:] if word != "--retry-failed"]
        yield shlex.join(["policygen", *words, "--retry-failed"])
    ready = Counter(row.account for row in table.rows if row.verdict == "ready")
    if not ready:
        yield from _mending_commands(table.shared_reasons)
    first = next((row.plan for row in sorted_rows(table.rows) if row.plan), "")
    for plan in [path for path in (out / "plans").iterdir() if path.name.partition(".json")[0] == first]:
        yield f"policygen report {shlex.quote(str(plan))}"
        if ready:
            yield f"policygen report {shlex.quote(str(plan))} -f aws-cli"
    for account, roles in sorted(ready.items()):
        if roles > 1:  # one script changes one account
            of = f" --account {account}" if len(ready) > 1 else ""
            yield f"policygen report {shlex.quote(str(out))}{of} -f aws-cli"


def _mending_commands(reasons: Iterable[SharedReason]) -> Iterator[str]:
    """Yield what takes away what holds back many roles: the snapshot, and the batch again."""
    commands = [one.command for one in reasons if one.command]
    yield from commands
    if commands:
        yield shlex.join(["policygen", *sys.argv[1:]])
