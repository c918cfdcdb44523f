"""Renders the index of a batch: a sentence, charts, and a table that sorts, filters and leads to each role's page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from policygen.plan.batch_table import (
    VERDICT_MEANINGS,
    BatchRow,
    BatchTable,
    first_to_trust_less,
    totals_by_verdict,
)
from policygen.report.held_back import held_words, reason_words, to_do, without_words
from policygen.report.html import charts
from policygen.report.html.facets import facets_of, question_tokens, tokens_of
from policygen.report.html.templating import fill_template
from policygen.report.wording import transition_words
from policygen.text import pluralize

PAGE = 2_000
"""Most rows of one page, so that a browser filters them without delay."""
_SERVICES = 12
"""Most services in the chart."""
_QUESTIONS = 60
"""Most questions of a page; its script shows a few of those that the shown roles have, and the others when asked."""


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
    groups, facets, sums = totals_by_verdict(rows), facets_of(rows), _sums(rows)
    most, narrower = max((group.roles for group in groups), default=0), first_to_trust_less(rows)
    shared: dict[str, Any] = {
        "batch": batch,
        "pages": names if len(names) > 1 else [],
        "facets": facets,
        "account": accounts[0] if len(accounts) == 1 else "",
        "partition": next((row.arn.split(":")[1] for row in rows if row.arn), "aws"),
        "where": f"account {accounts[0]}" if len(accounts) == 1 else pluralize(len(accounts), "account"),
        "groups": [(group, charts.stack([("used", group.roles)], most)) for group in groups],
        "says": VERDICT_MEANINGS,
        "risks": _risks(rows),
        "unused": _unused(rows),
        "changes": _changes(batch),
        "narrower": narrower,
        "judged": sum(row.trust in ("narrower", "unchanged") for row in rows),
        "asked": batch.questions[:_QUESTIONS],
        "nobody": sum(1 for row in rows if row.questions and not row.owner),
        "held": held_words(batch) if batch.shared_reasons else "",
        "shared": [(reason_words(one, batch), to_do(one)) for one in batch.shared_reasons],
        "without": without_words(batch),
        "freed": f"; nothing but what is named above is known to hold back {batch.ready_without:,}"
        if batch.ready_without
        else "",
        **_sentences(batch, sums),
        **sums,
    }
    tokens = question_tokens(batch.questions[:_QUESTIONS])
    return {
        name: fill_template(
            "index.html.j2",
            extra=("index.css", "index.js"),
            rows=[(row, f"{tokens_of(row, facets)}{tokens.get(row.plan, '')}") for row in part],
            first=number * PAGE + 1,
            here=name,
            **shared,
        )
        for number, (name, part) in enumerate(zip(names, parts, strict=True))
    }


def _sums(rows: Sequence[BatchRow]) -> dict[str, int]:
    """Add up all rows; actions only of rows in which both numbers are known."""
    compared = [row for row in rows if row.actions_now is not None and row.actions_proposed is not None]
    # The same roles as those of today and proposed, so that needed + unverified is what is proposed.
    tight = compared or [row for row in rows if row.needed is not None]
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
        "tight": len(tight),
        "needed": sum(row.needed or 0 for row in tight),
        "unverified": sum(row.unverified or 0 for row in tight),
        "unverified_of_all": sum(row.unverified or 0 for row in rows),
    }


def _sentences(batch: BatchTable, sums: dict[str, int]) -> dict[str, str]:
    """Say in a few sentences what the batch is worth and who acts first, for who reads nothing else."""
    rows = batch.rows
    now, proposed, compared = sums["now"], sums["proposed"], sums["compared"]
    if now > proposed:
        share = f"can do without {100 * (now - proposed) // now} % of {'its' if compared == 1 else 'their'} permissions"
        some = f"{compared:,} of " if compared < len(rows) else ""
        headline = f"{some}{pluralize(len(rows), 'IAM role')} {share}"
    else:
        headline = f"{pluralize(len(rows), 'IAM role')}, right-sized"
    parts = [
        f"{sums['ready']:,} of {pluralize(len(rows), 'role')} can be changed now",
        *([f"{sums['review']:,} after a look"] if sums["review"] else []),
        *([f"{sums['wait']:,} once more days have passed or are read"] if sums["wait"] else []),
    ]
    if 0 < compared < len(rows):
        parts[0] += f" (the {pluralize(compared, 'role')} above have known policies and a proposal)"
    answers = f"{' and '.join(filter(None, [', '.join(parts[:-1]), parts[-1]]))}."
    known = [row for row in rows if row.actions_now is not None]
    closed, left = (
        sum(sum(risks.values()) for risks in some)
        for some in ([row.risks_closed for row in known], [row.risks_left for row in known])
    )
    risks = (
        f" The new policies close {closed:,} of {closed + left:,} known ways to escalate privileges, exfiltrate data, "
        "or expose resources."
    )
    return {"headline": headline, "sentence": answers + _who_acts(batch) + (risks if closed else "")}


def _who_acts(batch: BatchTable) -> str:
    """Say what whoever runs policygen can mend, and how much there is to look at in the first roles; "" for nothing."""
    looks = [row for row in batch.rows if row.verdict == "review" and row.to_look_at]
    parts = []
    if batch.shared_reasons:
        number = len(batch.shared_reasons)
        things = "the 1 thing below, all" if number == 1 else f"the {number:,} things below, all"
        parts.append(
            f" Whoever runs policygen can mend {things} that is known to hold back {batch.ready_without:,} of them."
        )
    if looks:
        least = min(row.to_look_at for row in looks)
        first = sum(1 for row in looks if row.to_look_at == least)
        parts.append(
            f" Whoever knows the roles can begin with {pluralize(first, 'role')} that "
            f"{'has' if first == 1 else 'have'} {pluralize(least, 'reason')} to look at."
        )
    return "".join(parts)


_CLASSES = {
    "escalation": "escalate privileges",
    "exfiltration": "exfiltrate data",
    "exposure": "expose resources",
}
"""Family of risks -> its name on the page."""


def _risks(rows: Sequence[BatchRow]) -> list[tuple[str, int, int, Any]]:
    """Return (class, closed, left, bar) of the roles whose current policies are known."""
    known = [row for row in rows if row.actions_now is not None]
    sums = [
        (
            words,
            sum(row.risks_closed.get(name, 0) for row in known),
            sum(row.risks_left.get(name, 0) for row in known),
        )
        for name, words in _CLASSES.items()
    ]
    top = max((closed + left for _, closed, left in sums), default=0)
    return [
        (words, closed, left, charts.stack([("used", closed), ("left", left)], top))
        for words, closed, left in sums
        if closed + left
    ]


def _unused(rows: Sequence[BatchRow]) -> list[tuple[str, int, int, Any]]:
    """Return (service, roles that need none of it, roles that use it, bar), first what most roles do not use."""
    idle = Counter(service for row in rows for service in row.services_unused)
    users = Counter(service for row in rows for service in row.services)
    most = sorted(idle, key=lambda service: (-idle[service], -users[service], service))[:_SERVICES]
    top = max((idle[service] + users[service] for service in most), default=0)
    return [
        (
            service,
            idle[service],
            users[service],
            charts.stack([("now", idle[service]), ("used", users[service])], top),
        )
        for service in most
    ]


def _changes(batch: BatchTable) -> dict[str, Any]:
    """Count what changed since the batch before, and name the roles whose policies allow more."""
    changes = batch.since.gravest if batch.since else []
    fewer = [-one.more_actions for one in changes]
    return {
        "moves": transition_words(batch.since) if batch.since else "",
        "new": sum(one.before is None for one in changes),
        "gone": sum(one.after is None for one in changes),
        "narrower": sum(number > 0 for number in fewer),
        "fewer": sum(number for number in fewer if number > 0),
        "wider": [one.role for one in changes if one.more_actions > 0],
    }
