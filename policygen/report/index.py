"""The index of many roles: totals, a table that sorts and filters, and a link to each role's page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from policygen.plan import Plan, Window
from policygen.report.html import escalations
from policygen.report.pages import VERDICTS, fill
from policygen.report.pages.questions import questions_of

PAGE = 2_000
"""Rows of one page; a browser filters them at once."""

Verdict = Literal["ready", "review", "wait", "unused", "unchanged", "failed", "not-editable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One role in the index; None and "" for what is not known."""

    name: str
    arn: str
    path: str = "/"
    last: str = ""
    """Time of the last call, ISO 8601 in UTC; "" for none in the window."""
    now: int | None = None
    """Actions that today's policies allow."""
    proposed: int | None = None
    """Actions that the proposal allows."""
    closed: int = 0
    """Escalation paths of today that the proposal closes."""
    left: int = 0
    """Those of the proposal."""
    days: int = 0
    """Days of the window with events of anyone."""
    verdict: Verdict
    reason: str = ""
    """Why, in one sentence."""
    questions: int = 0
    """Decisions that wait for a person."""
    link: str = ""
    """Address of the role's page, relative to the index; "" without one."""

    @property
    def account(self) -> str:
        """The role's account, "" where the ARN does not tell."""
        pieces = self.arn.split(":")
        return pieces[4] if len(pieces) > 5 else ""

    @property
    def cut(self) -> str:
        """How much less the proposal allows, in percent."""
        if not self.now or self.proposed is None:
            return "–"
        return f"{100 * (self.now - self.proposed) / self.now:.1f}".replace("-", "−")


@dataclass(frozen=True, slots=True)
class Sum:
    """What some roles have together."""

    roles: int
    compared: int
    """Roles of which both numbers of actions are known."""
    now: int
    proposed: int
    """Actions of the compared roles."""
    closed: int
    left: int
    questions: int


def row_of(plan: Plan, link: str = "", verdict: Verdict | None = None) -> Row:
    """The row of a plan.

    Args:
        plan: the role's.
        link: to its page.
        verdict: another than the plan's, as ``unchanged``.
    """
    strength = plan.strength
    resource = plan.role.arn.rsplit(":role", 1)[-1] if plan.role.arn else "/"
    found: Any = verdict or plan.verdict or "review"
    return Row(
        name=plan.role.name,
        arn=plan.role.arn or f"arn:aws:iam::{plan.role.account}:role/{plan.role.name}",
        path=resource[: resource.rfind("/") + 1],
        last=plan.evidence.last,
        now=plan.actions_now,
        proposed=plan.actions_proposed,
        closed=escalations(plan.risks.removed),
        left=escalations(plan.risks.left),
        days=plan.coverage.days_with_events,
        verdict=found,
        reason=strength.reasons[0].sentence if strength and strength.reasons else "",
        questions=len(questions_of(plan)),
        link=link,
    )


def render_index(
    rows: Sequence[Row], account: str, window: Window, *, events: int | None = None, csv: str = ""
) -> dict[str, str]:
    """The index, a page for each `PAGE` rows.

    Args:
        rows: all roles, in the order of the page.
        account: id, or what stands for several accounts.
        window: of the evidence.
        events: that were read, of all roles; None where it was not counted.
        csv: address of the same table as CSV, "" without one.

    Returns:
        File name -> page: ``index.html``, and ``index-2.html`` … where one does not suffice. Totals are of all rows.
    """
    parts = [rows[i : i + PAGE] for i in range(0, max(1, len(rows)), PAGE)]
    names = ["index.html", *(f"index-{i}.html" for i in range(2, len(parts) + 1))]
    there = [verdict for verdict in VERDICTS if any(row.verdict == verdict for row in rows)]
    return {
        name: fill(
            "index.html.j2",
            rows=part,
            first=number * PAGE + 1,
            pages=names if len(names) > 1 else [],
            here=name,
            account=account,
            window=window,
            events=events,
            csv=csv,
            total=_sum(rows),
            ready=sum(1 for row in rows if row.verdict == "ready"),
            groups=[(verdict, _sum(row for row in rows if row.verdict == verdict)) for verdict in there],
            kinds=[(verdict, VERDICTS[verdict][0]) for verdict in there],
        )
        for number, (name, part) in enumerate(zip(names, parts, strict=True))
    }


def _sum(rows: Iterable[Row]) -> Sum:
    every = list(rows)
    compared = [row for row in every if row.now is not None and row.proposed is not None]
    return Sum(
        len(every),
        len(compared),
        sum(row.now or 0 for row in compared),
        sum(row.proposed or 0 for row in compared),
        sum(row.closed for row in every),
        sum(row.left for row in every),
        sum(row.questions for row in every),
    )
