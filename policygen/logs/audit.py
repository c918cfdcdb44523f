"""The sum of a reading: every record that was read is in exactly one class, or policygen has lost it.

The two sides are counted apart. What was read is counted where a file is decoded (`ReadReport.note`); the classes are
counted where a record is classified, and a role's own where its evidence is added up. A record that gets lost on the
way, in a worker, in the cache or on the disk, therefore leaves a remainder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from policygen.errors import BugError
from policygen.iam.request import RoleKey
from policygen.logs.calls.totals import Totals
from policygen.logs.read_report import ReadReport
from policygen.text import pluralize

ROLES = "calls of other roles"


class RecordAudit(msgspec.Struct, frozen=True):
    """What became of the records that were read.

    Attributes:
        read: records that were read, with those that were passed over by kind.
        classes: name of a class -> its records; classes without records are left out.
        unknown: sentences about records whose number, or whose class, cannot be told.
        exact: whether the sum must hold; an engine that counted in several queries may have met new records meanwhile.
    """

    read: int
    classes: Mapping[str, int]
    unknown: tuple[str, ...] = ()
    exact: bool = True

    @property
    def remainder(self) -> int:
        """Records that were read and are in no class; below zero where some are in two."""
        return self.read - sum(self.classes.values())

    def check(self) -> None:
        """Check that the sum holds.

        Raises:
            BugError: PG-E351, it does not.
        """
        if self.exact and self.remainder:
            parts = ", ".join(f"{count:,} {name}" for name, count in self.classes.items())
            raise BugError(
                f"{self.read:,} records were read, {sum(self.classes.values()):,} are accounted for",
                f"{parts}; remainder {self.remainder:,}",
                "this is a bug of policygen: nothing was written; please report it with these numbers",
                code="PG-E351",
            )


def audit_reading(read_report: ReadReport, totals: Totals) -> RecordAudit:
    """Return what became of all records of a reading, copies from other accounts resolved."""
    return audit_of(read_report, totals, {ROLES: sum(totals.roles.values())})


def audit_of(read_report: ReadReport, totals: Totals, of_roles: Mapping[str, int]) -> RecordAudit:
    """Return what became of all records, where `of_roles` are the classes of roles' calls."""
    classes: Counter[str] = Counter(of_roles)
    for kind, count in sorted(totals.principals.items()):
        classes[f"calls of other principals ({kind})"] += count
    for reason, count in sorted(totals.ignored.items()):
        classes[reason] += count
    classes["delivered again: duplicates"] += totals.duplicates
    for kind, count in sorted(read_report.passed_over.items()):
        classes[f"passed over: {kind}"] += count
    classes["unreadable"] += read_report.malformed
    classes["checked, without the role's name"] += read_report.others
    read = totals.records if read_report.counted_by_engine else read_report.items
    return RecordAudit(
        read,
        {name: count for name, count in classes.items() if count},
        tuple(_unknown(read_report)),
        exact=not read_report.counted_by_engine,
    )


def _unknown(read_report: ReadReport) -> Iterable[str]:
    if read_report.damaged:
        yield f"{pluralize(len(read_report.damaged), 'file')} not read whole: what else is in them is not known"
    if read_report.counted_by_engine:
        yield "an engine counted, in several queries: records that arrived between them are in some of the numbers only"


def events_of(totals: Totals, roles: Iterable[RoleKey]) -> int:
    """Return the events of some roles, as they were classified."""
    return sum(totals.roles[role] for role in roles)
