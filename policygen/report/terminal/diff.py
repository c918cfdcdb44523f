"""The screen and the JSON of `diff`: two sets of policies by meaning, with requests as witnesses."""

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


def render_diff_text(one: Comparison, *, show_all: bool = False, ascii_only: bool = False) -> str:
    """The screen; with `show_all` every witness."""
    limit = None if show_all else _LISTED
    lines = [_WORDS[one.verdict]]
    lines += _witnesses(
        f"Gained ({len(one.gained)}): the new one allows, the old one does not", "+", one.gained, limit
    )
    lines += _witnesses(
        f"Lost ({len(one.lost)}): the old one allows, the new one does not", "-", one.lost, limit
    )
    if one.unsure:
        lines += ["", f"Not decided ({len(one.unsure)})"]
        lines += [line for grant in one.unsure[:limit] for line in wrapped("  ? ", grant.sentence, "    ")]
        lines += more(len(one.unsure), limit)
    text = "\n".join(escape_controls(line).rstrip() for line in lines) + "\n"
    return in_ascii(text) if ascii_only else text


def _witnesses(title: str, sign: str, found: Sequence[Counterexample], limit: int | None) -> Iterator[str]:
    if not found:
        return
    yield from ("", title)
    for one in found[:limit]:
        yield from wrapped(f"  {sign} ", f"{one.request.action} on {one.request.resource}", "    ")
        if one.request.context:
            keys = ", ".join(f"{key}={'|'.join(values)}" for key, values in one.request.context)
            yield from wrapped("      with  ", keys)
        yield from wrapped("      why   ", f"{one.allowed_by}; {one.refused}")
    yield from more(len(found), limit)


def render_diff_json(one: Comparison) -> str:
    """The same as one JSON object with sorted keys."""
    found = {
        "verdict": one.verdict,
        "gained": [_as_dict(witness) for witness in one.gained],
        "lost": [_as_dict(witness) for witness in one.lost],
        "unsure": [grant.sentence for grant in one.unsure],
    }
    return visible_json(json.dumps(found, indent=2, sort_keys=True, ensure_ascii=False)) + "\n"


def _as_dict(one: Counterexample) -> dict[str, Any]:
    return {
        "action": one.request.action,
        "resource": one.request.resource,
        "context": {key: list(values) for key, values in one.request.context},
        "allowed_by": one.allowed_by,
        "refused": one.refused,
    }
