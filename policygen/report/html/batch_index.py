"""Renders the index of a batch: totals, a table that sorts and filters, and a link to each role's page."""

from __future__ import annotations

from collections.abc import Sequence

from policygen.plan.batch_table import VERDICT_MEANINGS, BatchRow, BatchTable, totals_by_verdict
from policygen.report.html.templating import fill_template
from policygen.report.wording import answer_of
from policygen.text import pluralize

PAGE = 2_000
"""Most rows of one page, so that a browser filters them without delay."""


def render_index(batch: BatchTable) -> dict[str, str]:
    """Return the index, with a page for each `PAGE` rows.

    Args:
        batch: the rows in the order of the pages.

    Returns:
        File name -> page: ``index.html``, and ``index-2.html`` … where one does not suffice. Totals are of all rows.
    """
    rows = batch.rows
    parts = [rows[i : i + PAGE] for i in range(0, max(1, len(rows)), PAGE)]
    names = ["index.html", *(f"index-{i}.html" for i in range(2, len(parts) + 1))]
    accounts = sorted({row.account for row in rows if row.account})
    groups = totals_by_verdict(rows)
    return {
        name: fill_template(
            "index.html.j2",
            batch=batch,
            rows=part,
            first=number * PAGE + 1,
            pages=names if len(names) > 1 else [],
            here=name,
            account=accounts[0] if len(accounts) == 1 else "",
            where=f"account {accounts[0]}" if len(accounts) == 1 else pluralize(len(accounts), "account"),
            groups=groups,
            says=VERDICT_MEANINGS,
            kinds=[(group.verdict, answer_of(group.verdict)) for group in groups],
            **_sums(rows),
        )
        for number, (name, part) in enumerate(zip(names, parts, strict=True))
    }


def _sums(rows: Sequence[BatchRow]) -> dict[str, int]:
    """Add up all rows; actions only of rows in which both numbers are known."""
    compared = [row for row in rows if row.actions_now is not None and row.actions_proposed is not None]
    return {
        **{
            verdict: sum(1 for row in rows if row.verdict == verdict)
            for verdict in ("ready", "review", "wait")
        },
        "compared": len(compared),
        "now": sum(row.actions_now or 0 for row in compared),
        "proposed": sum(row.actions_proposed or 0 for row in compared),
        "closed": sum(row.escalations_closed or 0 for row in rows),
        "left": sum(row.escalations_left or 0 for row in rows if row.escalations_closed is not None),
        "needed": sum(row.needed or 0 for row in rows),
        "unverified": sum(row.unverified or 0 for row in rows),
    }
