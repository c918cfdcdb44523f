"""What is written faster than the standard library writes it is written as it writes it."""

from __future__ import annotations

import json
import textwrap
from hashlib import blake2b
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from policygen.plan.fast_json import digest_without_fractions, indented
from policygen.report.terminal.layout import WIDTH, wrapped
from policygen.text import escape_controls, visible_json

WORDS = st.text(st.sampled_from("ab-→é漢"), min_size=1, max_size=90)
SPACES = st.sampled_from([" ", " ", " ", "  ", "\xa0", "　", "\t"])
TEXTS = st.text(st.sampled_from("ab\"\\/\0\b\f\n\t\x1b\x7f\x85é\u2028\u202e€😀<'"), max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def test_no_text_that_python_prints_as_it_is_has_a_mark_that_is_written_out() -> None:
    """`escape_controls` returns such a text at once."""
    for code in range(0x110000):
        mark = chr(code)
        assert not mark.isprintable() or escape_controls(f"{mark}\0") == f"{mark}\\x00"


@given(
    st.lists(WORDS, max_size=30),
    SPACES,
    st.sampled_from(["", " "]),
    st.text("x ", max_size=90),
    st.text(" ", max_size=90),
)
def test_lines_are_wrapped_as_textwrap_wraps_them(
    words: list[str], space: str, around: str, lead: str, indent: str
) -> None:
    text = around + space.join(words) + around
    if not text.strip():
        assert not list(wrapped(lead, text, indent))
        return
    expected = textwrap.wrap(
        escape_controls(text), WIDTH, initial_indent=lead, subsequent_indent=indent, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
    assert list(wrapped(lead, text, indent)) == expected


@given(st.recursive(VALUES | st.floats(), lambda inner: st.lists(inner, max_size=3)))
def test_a_document_is_laid_out_as_json_lays_it_out(value: Any) -> None:
    assert indented(value) == json.dumps(value, indent=2, ensure_ascii=False)


def test_half_a_pair_of_surrogates_in_a_document_is_written_out() -> None:
    assert visible_json(indented(["\ud800"])) == '[\n  "\\ud800"\n]'


@given(VALUES)
def test_the_digest_of_the_evidence_is_that_of_json(value: Any) -> None:
    expected = blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=16).hexdigest()
    assert digest_without_fractions(value) == expected
