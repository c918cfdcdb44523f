"""Renders the screen of a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from policygen.plan.batch_table import (
    VERDICT_MEANINGS,
    BatchRow,
    BatchTable,
    VerdictTotals,
    sorted_rows,
    totals_by_verdict,
)
from policygen.report.data.batch import SHOWN
from policygen.report.terminal.layout import WIDTH, wrapped
from policygen.report.wording import answer_of
from policygen.text import escape_controls, pluralize

_NAME = 20


_COLUMNS = f"{'last call':>9}{'now':>7}{'needed':>8}{'unverif':>8}{'ask':>4}{'escal':>6}  safe to apply?"
_QUESTIONS = 5
"""Most questions on the screen."""


def render_batch(batch: BatchTable, out: str, *, show_all: bool = False) -> str:
    """Return the screen of `batch`.

    Args:
        batch: the table, with all rows.
        out: the folder that the batch wrote.
        show_all: list every role; else the first few.
    """
    ordered = sorted_rows(batch.rows)
    shown = ordered if show_all else ordered[:SHOWN]
    lines = [*wrapped("", _head(batch)), *_warnings(batch), "", f"{'role':<{_NAME}}{_COLUMNS}"]
    lines += [_line(row, batch.end_time) for row in shown]
    if len(shown) < len(ordered):
        lines.append(f"{len(ordered) - len(shown):,} more: {out}/roles.csv (--details lists them)")
    lines += [*wrapped("", f"report: {out}/index.html   plans: {out}/plans   policies: {out}/policies"), ""]
    for total in totals_by_verdict(ordered):
        lines += wrapped(f"{answer_of(total.verdict):<11}{total.roles:>5,}  ", _sum(total))
    lines += [*_questions(batch, limit=None if show_all else _QUESTIONS), "", *_next(ordered, out)]
    return "\n".join(escape_controls(line).rstrip() for line in lines) + "\n"


def _head(batch: BatchTable) -> str:
    accounts = sorted({row.account for row in batch.rows})
    where = f"account {accounts[0]}" if len(accounts) == 1 else f"{len(accounts)} accounts"
    return (
        f"{where}  {pluralize(len(batch.rows), 'role')}, {pluralize(batch.days, 'day')} to {batch.end[:10]}, "
        f"{pluralize(batch.records, 'record')} in {pluralize(batch.files, 'file')}"
    )


def _warnings(batch: BatchTable) -> Iterator[str]:
    if not batch.account:
        yield "Today's policies are not known: this is the evidence alone (--snapshot, --live)"
    if batch.incomplete:
        yield from wrapped(
            "", f"{pluralize(len(batch.incomplete), 'gap')} in the evidence, as {batch.incomplete[0]}", "  "
        )


def _sum(total: VerdictTotals) -> str:
    if not total.actions_now:
        return VERDICT_MEANINGS[total.verdict]
    cut = 100 * (total.actions_now - total.actions_proposed) / total.actions_now
    paths = (
        f", {pluralize(total.escalations_closed, 'escalation path')} closed"
        if total.escalations_closed
        else ""
    )
    return f"{total.actions_now:,} → {total.actions_proposed:,} actions (−{cut:.1f} %){paths}"


def _questions(batch: BatchTable, *, limit: int | None) -> Iterator[str]:
    """Render the questions about unverified permissions, each once for all roles that it concerns."""
    if not batch.questions:
        return
    unverified = sum(row.unverified or 0 for row in batch.rows)
    yield ""
    yield f"Questions ({len(batch.questions)}): {pluralize(unverified, 'unverified permission')} kept as today"
    for one in batch.questions[:limit]:
        yield from wrapped("  ? ", one.asks, "    ")
        yield from wrapped("      ", f"{one.why}; {one.answer}")
        if one.command:
            yield from wrapped("      ", one.command if len(one.command) <= WIDTH - 6 else "policygen doctor")
    if limit is not None and len(batch.questions) > limit:
        yield f"  {len(batch.questions) - limit} more: batch.json has all, with rules for policygen.toml"


def _next(rows: Sequence[BatchRow], out: str) -> Iterator[str]:
    yield "Next"
    if any(row.verdict == "failed" for row in rows):
        yield f"  policygen batch … --out {out} --retry-failed    only what failed"
    if named := next((row for row in rows if row.plan), None):
        yield f"  policygen report {out}/plans/{named.plan}.json.gz"
    yield "Nothing in AWS was changed."


def _line(row: BatchRow, end: str) -> str:
    name = row.role if len(row.role) <= _NAME - 1 else f"{row.role[: _NAME - 2]}…"
    ask = f"{row.questions:,}" if row.questions else ""
    figures = (
        f"{age(row.last_call, end):>9}{_figure(row.actions_now):>7}{_figure(row.needed):>8}"
        f"{_figure(row.unverified):>8}{ask:>4}{_figure(row.escalations_closed):>6}"
    )
    return f"{name:<{_NAME}}{figures}  {answer_of(row.verdict)}"[:WIDTH]


def _figure(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def age(time: str, end: str) -> str:
    """Return the time from `time` to `end` in its largest unit; both are ISO 8601 in UTC."""
    if not time:
        return "never"
    seconds = int((_moment(end) - _moment(time)).total_seconds())
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return "0 min"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
