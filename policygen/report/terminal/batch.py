"""Renders the screen of a batch: what can be done first, then the roles that need a look, then the questions."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from policygen.plan.batch_table import (
    VERDICT_MEANINGS,
    BatchChange,
    BatchQuestion,
    BatchRow,
    BatchTable,
    Verdict,
    VerdictTotals,
    first_to_trust_less,
    sorted_rows,
    totals_by_verdict,
)
from policygen.report.held_back import held_words, reason_words, to_do, without_words
from policygen.report.wording import answer_of, transition_words
from policygen.text import escape_controls, pluralize

_TITLES: Mapping[Verdict, str] = {
    "ready": "Do first",
    "review": "Look first",
    "wait": "Not yet",
    "failed": "Failed",
    "unchanged": "Nothing to do",
    "unused": "Unused",
    "fixed": "Fixed",
}
"""Verdict -> the title of its roles, in the order of the screen: what takes least work first."""

_LISTED: Mapping[Verdict, int] = {"ready": 8, "review": 4, "wait": 2, "failed": 4}
"""Verdict -> most of its roles on the screen; others are only counted."""

_QUESTIONS = 5
"""Most questions on the screen."""

_NARROWEST = 16
"""Columns that a role's name has at least: other columns go before it is shorter."""


class _Column(NamedTuple):
    """A column of figures, right-aligned."""

    title: str
    cell: Callable[[BatchRow, str], str]
    """Takes a row and the end of the window."""


_COLUMNS = (
    _Column("last call", lambda row, end: age(row.last_call, end)),
    _Column("days", lambda row, _: f"{row.days:,}"),
    _Column("today", lambda row, _: _figure(row.actions_now)),
    _Column("needed", lambda row, _: _figure(row.needed)),
    _Column("unver.", lambda row, _: _figure(row.unverified)),
    _Column("escal", lambda row, _: _figure(row.escalations_closed)),
    _Column("reasons", lambda row, _: f"{row.to_look_at:,}" if row.to_look_at else ""),
    _Column("questions", lambda row, _: f"{row.questions:,}" if row.questions else ""),
)
_FIRST_TO_GO = ("last call", "questions", "today", "reasons")
"""Columns that narrow screens leave out, in this order."""


def render_batch(
    batch: BatchTable, out: str, commands: Sequence[str] = (), *, show_all: bool = False, width: int = 80
) -> str:
    """Return the screen of `batch`.

    Args:
        batch: the table, with all rows.
        out: the folder that the batch wrote.
        commands: what to run next.
        show_all: list every role and every question; else the first few.
        width: columns of the screen.
    """
    rows = sorted_rows(batch.rows)
    lines = [
        *_wrapped(_head(batch), width),
        *_warnings(batch, width),
        "",
        "Safe to apply?",
        *_totals(rows, width),
        *_held_back(batch, width),
        *_trust(rows, width),
        *_since(batch, out, width),
        *_roles(rows, batch.end_time, width, show_all=show_all),
        *_hidden(rows, out, show_all=show_all),
        *_questions(batch, out, width, limit=None if show_all else _QUESTIONS),
        "",
        *(("Next", *(f"  {command}" for command in commands)) if commands else ()),
        "Nothing in AWS was changed.",
    ]
    return "\n".join(escape_controls(line).rstrip() for line in lines) + "\n"


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(
        escape_controls(text),
        width,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_on_hyphens=False,
    )


def _head(batch: BatchTable) -> str:
    accounts = sorted({row.account for row in batch.rows})
    where = f"account {accounts[0]}" if len(accounts) == 1 else f"{len(accounts)} accounts"
    return (
        f"{where} · {pluralize(len(batch.rows), 'role')} · {pluralize(batch.days, 'day')} to {batch.end[:10]} · "
        f"{batch.read}"
    )


def _warnings(batch: BatchTable, width: int) -> Iterator[str]:
    if not batch.accounts:
        yield from _wrapped(
            "Today's policies are not known, so this rests on the logs alone: add --snapshot FILE or --live",
            width,
        )
    if batch.incomplete:
        gaps = f"{pluralize(len(batch.incomplete), 'gap')} in the evidence, as {batch.incomplete[0]}"
        yield from _wrapped(gaps, width)


def _totals(rows: Sequence[BatchRow], width: int) -> Iterator[str]:
    """Count the roles of each verdict, and what their policies would change."""
    totals = totals_by_verdict(rows)
    digits = max((len(f"{one.roles:,}") for one in totals), default=1)
    for one in totals:
        lead = f"  {answer_of(one.verdict):<11}{one.roles:>{digits},} {'role' if one.roles == 1 else 'roles':<5}  "
        yield from textwrap.wrap(
            _sum(one), width, initial_indent=lead, subsequent_indent=" " * len(lead), break_on_hyphens=False
        )


def _sum(total: VerdictTotals) -> str:
    if not total.actions_now:
        return VERDICT_MEANINGS[total.verdict]
    cut = 100 * (total.actions_now - total.actions_proposed) / total.actions_now
    closed = total.escalations_closed
    paths = f", {pluralize(closed, 'escalation path')} closed" if closed else ""
    return f"{total.actions_now:,} → {total.actions_proposed:,} actions (−{cut:.1f} %){paths}"


def _held_back(batch: BatchTable, width: int) -> Iterator[str]:
    """Say once what holds back many roles alike, and what takes it away."""
    if not batch.shared_reasons:
        return
    yield ""
    yield from _wrapped(held_words(batch), width)
    for one in batch.shared_reasons:
        yield from _wrapped(f"{reason_words(one, batch)}: {to_do(one)}", width, "  ")
    yield from _wrapped(f"{without_words(batch)}.", width, "  ")


_FIRST = 3
"""Most roles whose trust policy is named."""


def _trust(rows: Sequence[BatchRow], width: int) -> Iterator[str]:
    """Say how many trust policies can be narrowed, and where to begin."""
    judged = [row for row in rows if row.trust in ("narrower", "unchanged")]
    if not judged:
        return
    narrower = first_to_trust_less(rows)
    yield ""
    yield from _wrapped(
        f"Who may assume them? A smaller trust policy is enough for {len(narrower):,} of "
        f"{pluralize(len(judged), 'role')} that somebody assumed",
        width,
    )
    for row in narrower[:_FIRST]:
        found = f" ({', '.join(row.trust_findings)})" if row.trust_findings else ""
        yield _cut(f"  {row.role}{found}: {row.trust_reason}", width)
    if len(narrower) > _FIRST:
        yield f"  and {len(narrower) - _FIRST:,} more"


_CHANGES = 3
"""Most changed roles on the screen."""


def _since(batch: BatchTable, out: str, width: int) -> Iterator[str]:
    """Say how roles differ from the last batch, first where more is allowed than then."""
    if batch.since is None or not batch.since.changes:
        return
    changes = batch.since.gravest
    twice = _names_of_several(batch.rows)
    yield ""
    other = (
        f"the last batch that differed, of {pluralize(batch.since.roles, 'role')} to {batch.since.end[:10]}"
    )
    yield from _wrapped(f"Compared with {other} ({len(changes):,})", width)
    if moves := transition_words(batch.since):
        yield from _wrapped(moves, width, "  ")
    for one in changes[:_CHANGES]:
        where = f" in {one.account}" if one.role.lower() in twice else ""
        yield _cut(f"  {one.role}{where}: {_difference(one, batch.accounts)}", width)
    if len(changes) > _CHANGES:
        yield _cut(f"  {pluralize(len(changes) - _CHANGES, 'more role')}: {out}/index.html", width)


def _difference(one: BatchChange, accounts: Sequence[str]) -> str:
    """Say what is different with a role: its paths, its answer, its policies and why."""
    if one.before is None:
        return f"new, {answer_of(one.after or '')}: {one.why}"
    if one.after is None:
        return "gone" if one.account in accounts else "not in this batch"
    parts = [
        *([f"{pluralize(one.paths_opened, 'escalation path')} opened"] if one.paths_opened > 0 else []),
        *([f"{answer_of(one.before)} → {answer_of(one.after)}"] if one.before != one.after else []),
        *_from_to("allowed", one.actions_before, one.actions_after),
        *_from_to("proposed", one.proposed_before, one.proposed_after),
    ]
    return f"{', '.join(parts) or 'fewer escalation paths'}: {', '.join([one.why, *one.rules[:2]])}"


def _from_to(name: str, then: int | None, now: int | None) -> list[str]:
    return [] if then == now else [f"{name} {_figure(then)} → {_figure(now)}"]


def _roles(rows: Sequence[BatchRow], end: str, width: int, *, show_all: bool) -> Iterator[str]:
    """List the roles of each verdict; those that are not safe to apply with the reason."""
    groups = [
        (title, own, own if show_all else own[: _LISTED.get(verdict, 0)])
        for verdict, title in _TITLES.items()
        if (own := [row for row in rows if row.verdict == verdict])
    ]
    shown = [row for _, _, some in groups for row in some]
    columns = _fitting(shown, end, width)
    twice = _names_of_several(rows)
    room = width - sum(columns.values())
    longest = max((len(row.role) + 1 for row in shown), default=0)
    name_width = min(room, max(_NARROWEST, longest))
    for title, own, some in groups:
        if not some:
            continue
        head = "".join(f"{column.title:>{size}}" for column, size in columns.items())
        yield ""
        yield f"{f'{title} ({len(own):,})':<{name_width}}{head}"
        for row in some:
            cells = "".join(f"{column.cell(row, end):>{size}}" for column, size in columns.items())
            yield f"{_cut(row.role, name_width - 1):<{name_width}}{cells}"
            if row.role.lower() in twice:
                yield f"    account {row.account}"
            if row.verdict != "ready":
                yield from _wrapped(_why(row), width, "    ")
        if len(some) < len(own):
            yield f"  and {len(own) - len(some):,} more" + (
                " like these" if own[0].verdict == "ready" else ""
            )


def _why(row: BatchRow) -> str:
    """Return why a role is not safe to apply; what all roles have in common stands above them."""
    common = bool(row.reasons) and not row.own_reasons and row.verdict in ("review", "wait")
    return f"no reason of its own: {', '.join(row.reasons)}" if common else row.reason


def _names_of_several(rows: Iterable[BatchRow]) -> set[str]:
    """Return the names that several roles have, each in another account, in lower case."""
    return {name for name, times in Counter(row.role.lower() for row in rows).items() if times > 1}


def _fitting(rows: Sequence[BatchRow], end: str, width: int) -> dict[_Column, int]:
    """Return the columns that have room beside the names, and the width of each with the space before it."""
    sizes = {
        column: 2 + max(len(column.title), *(len(column.cell(row, end)) for row in rows), 0)
        for column in _COLUMNS
    }
    for title in _FIRST_TO_GO:
        if sum(sizes.values()) + _NARROWEST <= width:
            break
        sizes = {column: size for column, size in sizes.items() if column.title != title}
    return sizes


def _hidden(rows: Sequence[BatchRow], out: str, *, show_all: bool) -> Iterator[str]:
    """Count the roles that are not on the screen, and name the files that have them."""
    yield ""
    if not show_all:
        hidden = sum(
            max(0, sum(1 for row in rows if row.verdict == verdict) - _LISTED.get(verdict, 0))
            for verdict in _TITLES
        )
        if hidden:
            yield f"{pluralize(hidden, 'more role')}: --details"
    trust = ", trust/" if any(row.trust_policy for row in rows) else ""
    yield f"Files   {out}/index.html, roles.csv, plans/, policies/{trust}"


def _questions(batch: BatchTable, out: str, width: int, *, limit: int | None) -> Iterator[str]:
    """Render the questions about unverified permissions, one line each: those that most roles share come first."""
    if not batch.questions:
        return
    unverified = sum(row.unverified or 0 for row in batch.rows)
    asked = batch.questions[:limit]
    digits = max(len(f"{len(one.roles):,}") for one in asked)
    yield ""
    yield from _wrapped(
        f"Questions ({len(batch.questions):,}) for all roles, about "
        f"{pluralize(unverified, 'unverified permission')} that stay",
        width,
    )
    for one in asked:
        yield _cut(f"  {_roles_asked(one, digits)}  {one.subject}", width)
    if len(asked) < len(batch.questions):
        yield f"  {pluralize(len(batch.questions) - len(asked), 'more question')}: {out}/index.html"
    if any(row.questions for row in batch.rows):
        nobody = sum(1 for row in batch.rows if row.questions and not row.owner)
        if nobody:
            asked_of = pluralize(sum(1 for row in batch.rows if row.questions), "role")
            yield from _wrapped(
                f"questions.csv names no owner of {nobody:,} of {asked_of}: no tag tells. "
                "Where another does: --owner-tag KEY",
                width,
                "  ",
            )
        yield from _wrapped("Each role's row and page join some of these in one question.", width, "  ")


def _roles_asked(one: BatchQuestion, digits: int) -> str:
    return f"{len(one.roles):>{digits},} {'role' if len(one.roles) == 1 else 'roles':<5}"


def _cut(text: str, width: int) -> str:
    shown = escape_controls(text)
    return shown if len(shown) <= width else f"{shown[: width - 1]}…"


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
