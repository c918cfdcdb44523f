"""The report of a reading: what was read, what was passed over, and what could not be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec

from policygen.account.model import Trail
from policygen.errors import IncompleteError
from policygen.logs.source import Batch
from policygen.text import escape_controls, pluralize

UnreadDay = tuple[str, str, str]
"""Account, region, and date of publishing."""


class UnreadAccount(NamedTuple):
    """Logs of an account that were left out."""

    account: str
    regions: list[str]
    days: int
    files: int
    """Files that were listed and not read; 0 where they were not listed."""


class ReadReport(msgspec.Struct):
    """The files that were read, and what of them could not be used."""

    files: int = 0
    logs: int = 0
    """Batches of logs."""
    kinds: Counter[str] = msgspec.field(default_factory=Counter)
    """Kind -> files that are no logs."""
    passed_over: Counter[str] = msgspec.field(default_factory=Counter)
    """Kind -> files or records that are knowingly no evidence."""
    damaged: list[tuple[str, int | None, str]] = msgspec.field(default_factory=list)
    """(file, byte, reason)."""
    unreadable: list[tuple[str, str]] = msgspec.field(default_factory=list)
    """(file, reason) of single records."""
    items: int = 0
    """Records or lines that were met, decoded or not, and what was passed over: counted as the files were decoded."""
    malformed: int = 0
    """Those of them that could not be decoded."""
    others: int = 0
    """Those of them that were only checked, because they do not hold what was searched for."""
    counted_by_engine: bool = False
    """Whether an engine counted the records where they are stored: then `items` is 0."""
    trails: Sequence[Trail] | None = None
    """What decided which events the source holds, where that was not the account's trails; None where it was."""
    unproved: list[tuple[str, str]] = msgspec.field(default_factory=list)
    """(name, reason) of log files and stretches of time that no digest proves, though they were verified."""
    unread: Counter[UnreadDay] = msgspec.field(default_factory=Counter)
    """Days of other accounts' logs that were left out (`other_accounts`) -> files; 0 where they were not listed."""

    def note(self, batch: Batch) -> None:
        """Add one batch."""
        if batch.unproved:
            self.unproved.append((batch.name, batch.unproved))
            return
        self.files += not batch.continued
        if batch.kind == "log":
            self.logs += 1
        else:
            self.kinds[batch.kind] += 1
        if batch.passed_over:
            self.passed_over.update(batch.passed_over)
        others = batch.others.number if batch.others else 0
        self.items += (
            len(batch.records) + len(batch.unreadable) + sum(batch.passed_over.values()) + others
        ) + (len(batch.lines.texts) if batch.lines else 0)
        self.others += others
        self.malformed += len(batch.unreadable)
        if batch.damage:
            self.damaged.append((batch.name, batch.damage.byte, batch.damage.reason))
        self.unreadable += [(batch.name, one.reason) for one in batch.unreadable]

    def merge(self, other: ReadReport) -> None:
        """Add the report of other objects."""
        self.files += other.files
        self.logs += other.logs
        self.kinds.update(other.kinds)
        self.passed_over.update(other.passed_over)
        self.damaged += other.damaged
        self.unreadable += other.unreadable
        self.unproved += other.unproved
        self.items += other.items
        self.malformed += other.malformed
        self.others += other.others
        self.unread.update(other.unread)

    @property
    def unread_accounts(self) -> list[UnreadAccount]:
        """What was left out of each other account's logs, in the order of accounts."""
        by_account = groupby(sorted(self.unread.items()), key=lambda one: one[0][0])
        return [_unread_account(account, dict(days)) for account, days in by_account]

    @property
    def unread_summary(self) -> str:
        """Say in few words which logs of other accounts were left out; "" for none."""
        if not self.unread:
            return ""
        accounts = pluralize(len({account for account, _, _ in self.unread}), "other account")
        files = f"{self.unread.total():,} of the files" if self.unread.total() else "log files"
        return f"left out {files} of {accounts}"

    @property
    def nothing_read(self) -> bool:
        """Whether not one record could be read: then nothing is known of any role, not even that it made no call."""
        read = self.items - self.malformed - sum(self.passed_over.values())
        return not (read or self.counted_by_engine)

    @property
    def gaps(self) -> tuple[str, ...]:
        """All that could not be read or proved, a line each."""
        unread = [*((name, reason) for name, _, reason in self.damaged), *self.unreadable]
        return (
            *(f"not read whole: {name}: {reason}" for name, reason in unread),
            *(f"not proved: {name}: {reason}" for name, reason in self.unproved),
        )


def _unread_account(account: str, days: Mapping[UnreadDay, int]) -> UnreadAccount:
    regions = sorted({region for _, region, _ in days})
    return UnreadAccount(account, regions, len({day for _, _, day in days}), sum(days.values()))


def require_complete(read_report: ReadReport, *, allow_incomplete: bool) -> None:
    """Stop where the evidence has gaps, and where gaps are all that there is, whatever was accepted.

    Raises:
        IncompleteError: PG-W311, a file is damaged or a record unreadable; PG-W312, no digest vouches for something.
    """
    if not read_report.gaps:
        return
    if not allow_incomplete:
        raise _incomplete(
            read_report,
            damaged=("a policy made without them could be too small: fetch them again",),
            unproved=("--until and --days narrow the window to what is proved",),
            accept=True,
        )
    if read_report.nothing_read:
        left = "--allow-incomplete goes on with what is left, and nothing is: no role can be judged"
        raise _incomplete(read_report, damaged=("fetch them again", left), unproved=(left,), accept=False)


def _incomplete(
    read_report: ReadReport, *, damaged: Sequence[str], unproved: Sequence[str], accept: bool
) -> IncompleteError:
    """Return the error for gaps.

    Args:
        read_report: what was read.
        damaged: what to do about files and records that could not be read.
        unproved: what to do about what no digest proves.
        accept: whether gaps can be accepted; else nothing at all was read.
    """
    nothing = "" if accept else "no record was read: "
    instead = ("", "--allow-incomplete") if accept else None
    if not (read_report.damaged or read_report.unreadable):
        gaps = [f"{name}: {reason}" for name, reason in read_report.unproved]
        return IncompleteError(
            f"{nothing}no digest proves {gaps[0]}",
            *_first(gaps[1:], 4),
            *unproved,
            *(["or accept what is not with --allow-incomplete"] if accept else []),
            code="PG-W312",
        )
    what, names = _unread(read_report)
    return IncompleteError(
        f"{nothing}{what}",
        *_first(names, 5),
        *damaged,
        *(["or accept the gap with --allow-incomplete"] if accept else []),
        code="PG-W311",
        instead=instead,
    )


def _unread(read_report: ReadReport) -> tuple[str, list[str]]:
    """Return what could not be read and why, and the names of the files."""
    total = pluralize(read_report.files, "log file")
    if read_report.damaged:
        _, byte, reason = read_report.damaged[0]
        where = f" (byte {byte:,})" if byte is not None and f"{byte:,}" not in reason else ""
        bad = len(read_report.damaged)
        what = f"{bad} of {total} {'is' if bad == 1 else 'are'} damaged: {reason}{where}"
        return what, [escape_controls(one) for one, _, _ in read_report.damaged]
    what = f"{pluralize(len(read_report.unreadable), 'record')} of {total} cannot be read: "
    what += _reasons([reason for _, reason in read_report.unreadable])
    return what, sorted({escape_controls(one) for one, _ in read_report.unreadable})


def _first(names: Sequence[str], number: int) -> list[str]:
    """Return the first names, and how many more there are."""
    return [*names[:number], *([f"and {len(names) - number} more"] if len(names) > number else [])]


def _reasons(reasons: Sequence[str]) -> str:
    """Return why records cannot be read, with the number of each reason where there are several."""
    counts = Counter(reasons).most_common()
    if len(counts) == 1:
        return counts[0][0]
    shown = [f"{count:,} {reason}" for reason, count in counts[:3]]
    more = f"; and {len(counts) - 3:,} more reasons" if len(counts) > 3 else ""
    return f"{'; '.join(shown)}{more}"
