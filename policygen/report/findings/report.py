"""A report of findings, on policies or of a plan, and the formats in which it is rendered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from policygen.report.formats import FORMATS as PLAN_FORMATS
from policygen.report.formats import Format, require_format
from policygen.text import pluralize
from policygen.version import HOME

if TYPE_CHECKING:
    from policygen.rightsize.check.findings import Finding, Level

FORMATS: Mapping[str, Format] = {
    one.name: one
    for one in (
        Format("text", "policygen.report.findings.text:render", many=True),
        Format("json", "policygen.report.findings.json:render", many=True),
        Format("markdown", "policygen.report.findings.markdown:render", many=True),
        *(one for one in PLAN_FORMATS.values() if one.findings),
    )
}
"""Name -> format of a report, in the order in which help lists them; a plan has other modules for the first three."""

RULES_URL = f"{HOME}/blob/main/docs/reference/rules"


@dataclass(frozen=True, slots=True)
class FindingsReport:
    """The findings about one role, and the evidence behind them."""

    role: str
    account: str
    findings: Sequence[Finding]
    files: Sequence[str]
    fail_on: Level | None
    """The level from which on findings fail; None where none fails."""
    failed: int
    """Findings at or above that level."""
    days: int
    days_with_events: int
    last: str
    """The time of the role's last event, ISO 8601 in UTC."""
    command: Literal["check", "suggest"] = "check"
    """The command that found them: the gate on policies, or a plan on today's policies."""
    notes: bool = True
    """Whether people see notes, and what the suggestion for the role has too. Files for programs hold all findings."""
    baseline: str = ""
    """The file of accepted findings, whose findings are not among these; "" for none."""
    known: int = 0
    """Findings that the baseline accepts."""
    gone: int = 0
    """Entries of the baseline of which nothing was found."""
    rules_url: str = RULES_URL
    """Where the pages of the rules are, ``PG101.md`` and so on."""

    @property
    def shown(self) -> list[Finding]:
        """What people see of the findings."""
        if self.notes or self.fail_on == "note":
            return list(self.findings)
        return [one for one in self.findings if one.against and one.level != "note"]

    @property
    def verdict(self) -> str:
        """How many of the findings that people see are against the policy, by level, and how many fail the gate."""
        counted = by_level([one for one in self.shown if one.against])
        counted = counted or "nothing against the policy"
        return f"{counted}, {self.failed:,} at or above {self.fail_on}" if self.failed else counted

    @property
    def hidden(self) -> str:
        """What people do not see of the findings, in words; "" where they see all."""
        shown = set(map(id, self.shown))
        left = [one for one in self.findings if id(one) not in shown]
        notes = [one for one in left if one.level == "note"]
        rest = len(left) - len(notes)
        parts = [pluralize(len(notes), "note")] * bool(notes)
        parts += [f"{pluralize(rest, 'finding')} that the suggestion for the role has too"] * bool(rest)
        return " and ".join(parts)

    @property
    def accepted(self) -> str:
        """What the baseline did, in words; "" without one."""
        if not self.baseline:
            return ""
        gone = f"; {self.gone:,} of its entries no longer found" if self.gone else ""
        return f"{pluralize(self.known, 'finding')} accepted by {self.baseline}{gone}"


def by_level(findings: Sequence[Finding]) -> str:
    """Count findings by level, the worst first: ``1 error, 2 warnings``; "" for none."""
    counts = Counter(one.level for one in findings)
    levels: tuple[Level, ...] = ("error", "warning", "note")
    return ", ".join(pluralize(counts[level], level) for level in levels if counts[level])


def render(name: str, *reports: FindingsReport) -> str:
    """Return reports in the named format; the text ends with a line break.

    Raises:
        UsageError: PG-E207, no such format; PG-E281, more reports than the format can hold.
    """
    return FORMATS[require_format(name, FORMATS)].render(reports)
