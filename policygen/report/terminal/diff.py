"""Renders the comparison of two sets of policies as a screen and as JSON, with requests that prove the difference."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from policygen.iam.compare import Comparison, Counterexample, Verdict
from policygen.report.terminal.layout import in_ascii, more, wrapped
from policygen.text import escape_controls, visible_json

_WORDS: dict[Verdict, str] = {
    "equal": "equal: they allow the same",
    "narrower": "narrower: the new one allows less, and nothing that the old one does not",
    "wider": "wider: the new one allows all that the old one does, and more",
    "different": "different: each allows something that the other does not",
    "unsure": "unsure: no difference was found, and equality is not proved",
}
_LISTED = 20


def render_diff_text(comparison: Comparison, *, show_all: bool = False, ascii_only: bool = False) -> str:
    """Return the screen; with `show_all` it has every request."""
    limit = None if show_all else _LISTED
    lines = [_WORDS[comparison.verdict]]
    lines += _examples(
        f"Gained ({len(comparison.gained)}): the new one allows, the old one does not",
        "+",
        comparison.gained,
        limit,
    )
    lines += _examples(
        f"Lost ({len(comparison.lost)}): the old one allows, the new one does not",
        "-",
        comparison.lost,
        limit,
    )
    if comparison.unsure:
        lines += ["", f"Not decided ({len(comparison.unsure)})"]
        lines += [
            line for grant in comparison.unsure[:limit] for line in wrapped("  ? ", grant.sentence, "    ")
        ]
        lines += more(len(comparison.unsure), limit)
    text = "\n".join(escape_controls(line).rstrip() for line in lines) + "\n"
    return in_ascii(text) if ascii_only else text


def _examples(title: str, sign: str, examples: Sequence[Counterexample], limit: int | None) -> Iterator[str]:
    if not examples:
        return
    yield from ("", title)
    for example in examples[:limit]:
        yield from wrapped(f"  {sign} ", f"{example.request.action} on {example.request.resource}", "    ")
        if example.request.context:
            keys = ", ".join(f"{key}={'|'.join(values)}" for key, values in example.request.context)
            yield from wrapped("      with  ", keys)
        yield from wrapped("      why   ", f"{example.allowed_by}; {example.refused}")
    yield from more(len(examples), limit)


def render_diff_json(comparison: Comparison) -> str:
    """Return the comparison as one JSON object with sorted keys."""
    document = {
        "verdict": comparison.verdict,
        "gained": [_as_dict(example) for example in comparison.gained],
        "lost": [_as_dict(example) for example in comparison.lost],
        "unsure": [grant.sentence for grant in comparison.unsure],
    }
    return visible_json(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False)) + "\n"


def _as_dict(example: Counterexample) -> dict[str, Any]:
    return {
        "action": example.request.action,
        "resource": example.request.resource,
        "context": {key: list(values) for key, values in example.request.context},
        "allowed_by": example.allowed_by,
        "refused": example.refused,
    }
