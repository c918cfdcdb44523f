"""Shows what Python code holds as a small page in a notebook.

The page stands in a frame of its own: its style does not reach the notebook, and no script runs in it. It follows the
reader's colour scheme like every other page.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from policygen.iam.document import Policy
from policygen.plan.model import Plan
from policygen.report.html.templating import display_text, fill_template
from policygen.rightsize.suggestion import Suggestion
from policygen.text import pluralize

if TYPE_CHECKING:
    from markupsafe import Markup

HEIGHT = 24
"""Of the frame, in rem; it scrolls, and its lower edge can be drawn."""
_DOCUMENTS = 20_000
"""Characters of documents that are shown, the first ones first."""

ROWS = 40
"""Most rows of each table; the others are counted."""


class NotebookFigure(NamedTuple):
    """A picture, and a table of the same; either may be empty."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    picture: Markup | str = ""
    folded: bool = False
    """Whether the table is folded away, as it always is below a picture."""
    key: Sequence[str] = ()
    """What the lines of the picture are, in their order."""


Facts = Sequence[tuple[str, str]]


def _of_suggestion(thing: Suggestion) -> str:
    window, tight, strength = thing.usage.window, thing.tightness, thing.strength
    return framed(
        thing.role.name,
        verdict=strength.verdict if strength else "",
        reasons=[reason.sentence for reason in strength.reasons] if strength else (),
        facts=[
            ("Window", f"{window.start} to {window.last_day}, {pluralize(window.days, 'day')}"),
            ("Actions", f"{tight.needed:,} needed + {tight.unverified:,} unverified"),
            ("Actions today", "not known" if thing.now is None else f"{len(thing.now):,}"),
        ],
        checks=thing.proof.checks,
        documents={policy.name: policy.to_dict() for policy in thing.policies},
    )


def _of_plan(thing: Plan) -> str:
    strength = thing.strength
    now = "not known" if thing.actions_now is None else f"{thing.actions_now:,}"
    return framed(
        thing.role.name,
        verdict=thing.verdict,
        reasons=[reason.sentence for reason in strength.reasons] if strength else (),
        facts=[
            (
                "Window",
                f"{thing.window.start} to {thing.window.end}, {pluralize(thing.window.days, 'day')}",
            ),
            ("Actions", f"{thing.actions_proposed:,} proposed"),
            ("Actions today", now),
        ],
        checks=thing.proof,
        documents={policy.name: policy.document for policy in thing.policies},
    )


def _of_policy(thing: Policy) -> str:
    facts = [
        ("Statements", f"{len(thing.statements):,}"),
        ("Size", f"{pluralize(thing.size, 'character')}"),
        ("Kind", thing.kind),
    ]
    return framed(thing.name or "Policy", facts=facts, documents={thing.name: thing.to_dict()}, unfolded=True)


def framed(
    title: str,
    *,
    verdict: str = "",
    reasons: Sequence[str] = (),
    facts: Facts = (),
    checks: Sequence[Any] = (),
    documents: Mapping[str, Mapping[str, Any]] | None = None,
    unfolded: bool = False,
    figures: Sequence[NotebookFigure] = (),
    height: int = HEIGHT,
) -> str:
    """Return a page of these parts in a frame.

    Args:
        title: its head; any text.
        verdict: whether it is safe to apply, as plans have it; "" for no answer.
        reasons: for the verdict, sentences.
        facts: (name, value), any text.
        checks: of the proof: what has `promise`, `held` and `finding`.
        documents: name -> policy.
        unfolded: whether the documents are open from the start.
        figures: pictures, each with its numbers as a table.
        height: of the frame, in rem.
    """
    page = fill_template(
        "notebook.html.j2",
        extra=("notebook.css",),
        title=title,
        verdict=verdict,
        reasons=reasons,
        facts=facts,
        checks=checks,
        documents=list(_that_fit(documents or {})),
        unfolded=unfolded,
        figures=figures,
        limit=ROWS,
    )
    label = html.escape(display_text(title))
    style = f"width: 100%; height: {height}rem; resize: vertical; border: 0"
    return f'<iframe sandbox title="{label}" style="{style}" srcdoc="{html.escape(page)}"></iframe>'


def _that_fit(documents: Mapping[str, Mapping[str, Any]]) -> Sequence[tuple[str, Mapping[str, Any] | None]]:
    """Return the documents, None for those that are too long to be shown."""
    left, found = _DOCUMENTS, []
    for name, document in documents.items():
        left -= len(str(document))
        found.append((name, document if left >= 0 else None))
    return found


_PAGES: Mapping[type, Callable[[Any], str]] = {
    Suggestion: _of_suggestion,
    Plan: _of_plan,
    Policy: _of_policy,
}


def notebook_page(thing: Suggestion | Plan | Policy) -> str:
    """Return a suggestion, a plan or a policy as HTML for a notebook."""
    return _PAGES[type(thing)](thing)
