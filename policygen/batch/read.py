"""The one pass over the logs of a batch: the calls of all roles go to disk, to be read back role by role."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import NamedTuple

from policygen.batch.select import RoleFilter
from policygen.errors import UsageError
from policygen.evidence.observe import ObserveOptions, nobody_seen
from policygen.iam.request import RoleKey
from policygen.logs.calls.counts import CallCounts, no_role
from policygen.logs.calls.spill import SpillStore
from policygen.logs.chunk import ReadRequest
from policygen.logs.read_report import ReadReport, require_complete
from policygen.logs.reader import ReadOptions, read_source
from policygen.logs.source import QuerySource, Source
from policygen.logs.window import end_of, limit_of, scope_of
from policygen.logs.window_end import WindowEnd


class RoleQuery(NamedTuple):
    """Selects roles by name and account. A picklable `Select`."""

    names: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()

    def matches(self, role: RoleKey) -> bool:
        """Return whether a role's calls are kept."""
        if self.accounts and role.account not in self.accounts:
            return False
        # Another record may have the name that this one lacks.
        return not (self.names and role.name) or any(
            fnmatchcase(role.name.lower(), glob.lower()) for glob in self.names
        )


class BatchEvidence(NamedTuple):
    """The evidence of all roles, without their calls, which are on disk."""

    read_report: ReadReport
    counts: CallCounts
    limit: WindowEnd | None
    """The window's end; None for the newest event."""


def read_logs(
    source: Source,
    spill: SpillStore,
    choice: RoleFilter,
    options: ObserveOptions,
    read: ReadOptions | None = None,
) -> BatchEvidence:
    """Read the logs once; the calls are in `spill` afterwards.

    Args:
        source: of the logs.
        spill: holds the calls.
        choice: the roles whose calls are kept.
        options: which part of the logs counts.
        read: how to read the logs.

    Raises:
        UsageError: the source is asked for one role at a time (PG-E202).
        PolicygenError: nothing found, or the evidence has gaps.
    """
    if isinstance(source, QuerySource):
        raise UsageError(
            "batch reads records, and this source is asked for the calls of one role at a time",
            "give files, s3://, auto or lookup:",
            code="PG-E202",
        )
    limit = limit_of(options.days, options.until) or end_of(source, options.on)
    asked = RoleQuery(tuple(choice.names), tuple(choice.accounts))
    # The calls of all roles have no bound, so they are cached only where reading them again would cost requests.
    name = f"every role {asked}" if source.remote else ""
    read = replace(read or ReadOptions(), spill=spill)
    request = ReadRequest(asked.matches, name, until=limit)
    portion = read_source(source, request, scope_of(options.days, limit), read)
    require_complete(portion.read_report, allow_incomplete=options.allow_incomplete)
    if not (limit or portion.counts.totals.last):
        raise nobody_seen(portion.read_report)
    # Every worker of the batch gets the totals; the calls are in `spill`, the keys of records are done with.
    counts = CallCounts(no_role, until=portion.counts.until, totals=portion.counts.totals)
    return BatchEvidence(portion.read_report, counts, limit)
