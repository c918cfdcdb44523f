"""Last-accessed reports that were read so far, in a file beside the result: an interrupted run goes on from there.

One JSON object a line: account, role, the role's id, and the report. A line that was cut off is no line.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from policygen.account.snapshot_schema import Json

KEPT = timedelta(hours=24)
"""How old a report of an interrupted run may be. A newer one is made of the same tracking period, but for that time."""


class _Line(msgspec.Struct, frozen=True):
    account: str
    role: str
    role_id: str
    report: Json


class ReportJournal(msgspec.Struct):
    """The file of an account's reports. Where it cannot be written, nothing is kept, and the reading goes on."""

    path: Path
    now: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))

    def load(self, account: str, roles: Mapping[str, str]) -> dict[str, Json]:
        """Return the reports of an earlier run by role ARN: of these roles, of this account, and not too old.

        Args:
            account: account id.
            roles: role ARN -> role id; a role that was made anew under its name has another one.
        """
        found: dict[str, Json] = {}
        try:
            lines = self.path.read_bytes().splitlines()
        except OSError:
            return {}
        for text in lines:
            with suppress(msgspec.DecodeError):
                line = msgspec.json.decode(text, type=_Line)
                if line.account == account and roles.get(line.role) == line.role_id and self._is_new(line):
                    found[line.role] = line.report
        return found

    def add(self, account: str, role: str, role_id: str, report: Json) -> None:
        """Keep one report."""
        line = msgspec.json.encode(_Line(account, role, role_id, report)) + b"\n"
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not self.path.exists():
                self.path.touch(mode=0o600)
            with self.path.open("ab") as file:
                file.write(line)

    def clear(self) -> None:
        """Remove the file: the result has all of it."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _is_new(self, line: _Line) -> bool:
        made = line.report.get("JobCompletionDate")
        try:
            when = datetime.fromisoformat(made) if isinstance(made, str) else None
        except ValueError:
            return False
        return when is not None and when.tzinfo is not None and self.now - when <= KEPT
