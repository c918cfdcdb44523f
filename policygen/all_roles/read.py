"""The one pass over the logs, which stores calls and assumptions on disk, role by role."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import NamedTuple

from msgspec.structs import replace

from policygen.all_roles.select import RoleFilter
from policygen.errors import UsageError
from policygen.evidence.observe import ObserveOptions, no_events_error
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
    """A filter of roles by name and account, which is all that a record has of a role; picklable."""

    names: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()

    def matches(self, role: RoleKey) -> bool:
        """Return whether a role's calls are to be counted."""
        if self.accounts and role.account not in self.accounts:
            return False
        # A record may lack the role's name, which another record of the role has.
        return not (self.names and role.name) or any(
            fnmatchcase(role.name.lower(), glob.lower()) for glob in self.names
        )


class BatchEvidence(NamedTuple):
    """What was read of all roles, except their calls and who assumed them."""

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
    known: Iterable[RoleKey] = (),
) -> BatchEvidence:
    """Read the logs once; calls and assumptions are in `spill` afterwards.

    Args:
        source: the logs.
        spill: stores calls and assumptions.
        choice: the roles whose calls and assumptions are counted.
        options: which part of the logs counts.
        read: how to read the logs.
        known: roles of the account, where it is known.

    Raises:
        UsageError: PG-E202, the source can be queried for one role at a time only.
        PolicygenError: nothing found, or the evidence has gaps.
    """
    if isinstance(source, QuerySource):
        raise UsageError(
            "batch needs the records of all roles, and this source is queried one role at a time",
            "give files, s3://, auto or lookup:",
            code="PG-E202",
        )
    limit = limit_of(options.days, options.until) or end_of(source, options.on)
    query = RoleQuery(tuple(choice.names), tuple(choice.accounts))
    # A cache of all roles grows without bound, so there is one only where reading again would cost requests.
    name = f"every role {query}" if source.remote else ""
    read = replace(read or ReadOptions(), spill=spill)
    request = ReadRequest(query.matches, name, until=limit, known=tuple(known), assumed=query.matches)
    result = read_source(source, request, scope_of(options.days, limit), read)
    require_complete(result.read_report, allow_incomplete=options.allow_incomplete)
    if not (limit or result.counts.totals.last):
        raise no_events_error(result.read_report)
    # Every worker gets the totals. The calls are in `spill`, and the keys of records are needed no more.
    counts = CallCounts(no_role, until=result.counts.until, totals=result.counts.totals)
    return BatchEvidence(result.read_report, counts, limit)
