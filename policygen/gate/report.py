"""What the gate says of one role: the findings, the evidence behind them, and how it ends."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from policygen.gate.findings import Finding, Level, failing
from policygen.text import escape_controls, minute, pluralize
from policygen.version import HOME

OLD_AFTER = 7
"""Days after which people are told the age of a plan."""

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
    gaps: int = 0
    """What is missing of the evidence: log files that could not be read or verified."""
    command: Literal["check", "suggest", "trust", "api"] = "check"
    """The command that found them: the gate on policies, or a suggestion on today's policies."""
    words: str = "policygen check"
    """The line of the gate that says what was compared, without options about the outcome, as a shell takes it."""
    notes: bool = True
    """Whether people see notes, and what the suggestion for the role has too. Files for programs hold all findings."""
    baseline: str = ""
    """The file of accepted findings, whose findings are not among these; "" for none."""
    known: int = 0
    """Findings that the baseline accepts."""
    gone: int = 0
    """Entries of the baseline of which nothing was found."""
    entries: int = 0
    """The other entries of the baseline about the role."""
    before: str = ""
    """The older baseline, which had to accept the known findings too; "" for none."""
    newly: Sequence[str] = ()
    """What the baseline accepts in addition to it, and what does not count for that: rule, subject and place."""
    error: str = ""
    """Why the role was not checked, or not by what it should be; "" where it was."""
    unplanned: bool = False
    """Whether it was not checked since no plan is to be expected, as the configuration says: that fails nothing."""
    next: Sequence[str] = ()
    """What to do next where it was not checked, the most likely first."""
    place: tuple[str, int] = ("", 1)
    """The file that is to be mended where it was not checked, and its line; "" for none."""
    plan: str = ""
    """The last day that the plan knows of by which it was checked, ISO 8601; "" where the logs were read."""
    origin: str = ""
    """Where the plan was fetched from, in words, with its digest; "" where it was not."""
    age: int | None = None
    """Days from then to today; None where nobody asked."""
    unnamed: Sequence[str] = ()
    """Policy files beside the checked ones that no role of the configuration has, and that the baseline accepts."""
    unchecked: Sequence[str] = ()
    """What of the files was not read or not checked, a sentence for each: a pass says nothing of it."""
    shared_name: bool = False
    """Whether another role of the same name, in another account, stands beside it."""
    rules_url: str = RULES_URL
    """Where the pages of the rules are, ``PG101.md`` and so on."""

    @property
    def name(self) -> str:
        """The role's name, with its account where another role beside it has that name."""
        return f"{self.role} in {self.account}" if self.shared_name and self.account else self.role

    @property
    def outcome(self) -> str:
        """What the gate said, in words."""
        if self.unplanned:
            return "without a plan"
        return "not checked" if self.error else "failed" if self.failed else "passed"

    @property
    def is_old(self) -> bool:
        """Whether the plan is so old that people should know it."""
        return self.age is not None and self.age > OLD_AFTER

    @property
    def plan_text(self) -> str:
        """Of when and where the plan is, in words; "" where the logs were read."""
        age = f", {pluralize(self.age or 0, 'day')} old" if self.is_old else ""
        origin = f", from {self.origin}" if self.origin else ""
        return f"plan of {self.plan}{age}{origin}" if self.plan else ""

    @property
    def evidence(self) -> str:
        """What was seen, in words."""
        gaps = f" with {pluralize(self.gaps, 'gap')}" if self.gaps else ""
        days = f"{self.days_with_events} of {pluralize(self.days, 'day')}"
        return f"evidence on {days}{gaps}, last call {minute(self.last)}"

    @property
    def shown(self) -> list[Finding]:
        """What people see of the findings."""
        if self.notes or self.fail_on == "note":
            return list(self.findings)
        return [one for one in self.findings if one.against and one.level != "note"]

    @property
    def failing(self) -> list[Finding]:
        """The findings that fail the gate; none for a plan, which has no gate."""
        return failing(self.findings, self.fail_on) if self.fail_on and self.command == "check" else []

    @property
    def next_steps(self) -> str:
        """What to do next, in words; "" where it was checked."""
        return "; ".join(self.next)

    @property
    def verdict(self) -> str:
        """How many of the findings that people see are against the policy, by level, and how many fail the gate."""
        if self.error:
            return f"{self.error}. Next: {self.next_steps}" if self.next else self.error
        counted = by_level([one for one in self.shown if one.against])
        counted = counted or f"nothing {'new ' * bool(self.known)}against the policy"
        return f"{counted}, {self.failed:,} at or above {self.fail_on}" if self.failed else counted

    @property
    def hidden(self) -> str:
        """What people do not see of the findings, in words; "" where they see all."""
        shown = set(map(id, self.shown))
        left = [one for one in self.findings if id(one) not in shown]
        notes = [one for one in left if one.level == "note"]
        rest = len(left) - len(notes)
        parts = [pluralize(len(notes), "note")] * bool(notes)
        parts += [f"{pluralize(rest, 'finding')} that the suggestion has too"] * bool(rest)
        return " and ".join(parts)

    @property
    def newly_accepted(self) -> str:
        """What stands before the list of newly accepted entries; "" where there is none."""
        return "newly accepted in this change, counts once the base branch has it" if self.newly else ""

    @property
    def accepted(self) -> str:
        """What the baseline did, in words; "" without one."""
        if not self.baseline:
            return ""
        gone = f"; {self.gone:,} of its entries no longer found" if self.gone else ""
        by = f"{pluralize(self.entries, 'entry')} of " if self.entries else ""
        return f"{pluralize(self.known, 'finding')} accepted by {by}{self.baseline}{gone}"


def files_without_role(reports: Sequence[FindingsReport]) -> list[str]:
    """Return the policy files that no role of the configuration has, and that nobody checked for that."""
    return [escape_controls(one) for report in reports for one in report.unnamed]


WAY_TO_ACCEPT = "If a finding is meant, accept it, and merge that file before the policy"
"""What stands before the command of `command_to_accept`."""


def command_to_accept(reports: Sequence[FindingsReport]) -> str:
    """Return the command that accepts the findings of all roles; "" where none fails that a baseline may accept."""
    failing = [one for report in reports if report.outcome == "failed" for one in report.failing]
    if all(one.breaks for one in failing):
        return ""
    first = reports[0]
    kept = f" --baseline {shlex.quote(first.baseline)}" if first.baseline else ""
    file = shlex.quote(first.baseline or "policygen-baseline.json")
    return f"{first.words}{kept} --write-baseline {file}"


UNNAMED = "not checked, since no [[role]] names them"
"""What stands before these files."""


def failed_first(reports: Sequence[FindingsReport]) -> list[FindingsReport]:
    """Return the reports as people read them: those that failed, then those that were not checked."""
    order = ("failed", "not checked")
    return sorted(reports, key=lambda one: order.index(one.outcome) if one.outcome in order else len(order))


def by_level(findings: Sequence[Finding]) -> str:
    """Count findings by level, the worst first: ``1 error, 2 warnings``; "" for none."""
    counts = Counter(one.level for one in findings)
    levels: tuple[Level, ...] = ("error", "warning", "note")
    return ", ".join(pluralize(counts[level], level) for level in levels if counts[level])
