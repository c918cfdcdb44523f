"""JSON that is written faster than `json` writes it has the bytes that `json` writes."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from policygen.plan.fast_json import digest_without_fractions, indented, line_in_parts, to_bytes
from policygen.text import visible_json

TEXTS = st.text(st.sampled_from("ab\"\\/\0\b\f\n\t\x1b\x7f\x85é\u2028\u202e€😀<'"), max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(st.recursive(VALUES | st.floats(), lambda inner: st.lists(inner, max_size=3)))
def test_a_document_is_laid_out_as_json_lays_it_out(value: Any) -> None:
    assert indented(value) == json.dumps(value, indent=2, ensure_ascii=False)


def test_half_a_pair_of_surrogates_in_a_document_is_written_out() -> None:
    assert visible_json(indented(["\ud800"])) == '[\n  "\\ud800"\n]'


@given(VALUES)
def test_the_digest_of_the_evidence_is_that_of_json(value: Any) -> None:
    expected = blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=16).hexdigest()
    assert digest_without_fractions(value) == expected


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_a_file_has_the_value_and_no_mark_that_a_terminal_obeys(value: dict[str, Any]) -> None:
    text = to_bytes(value).decode()
    assert json.loads(text) == value
    assert text.endswith("}\n")
    assert visible_json(text) == text
    assert [key for key, _ in json.loads(text, object_pairs_hook=list)] == sorted(value)


@given(st.dictionaries(TEXTS, VALUES, max_size=4), TEXTS, st.lists(st.lists(VALUES, min_size=1), max_size=3))
def test_a_line_in_parts_is_the_same_line(value: dict[str, Any], name: str, some: list[list[Any]]) -> None:
    parts = [msgspec.json.encode(one, order="sorted")[1:-1] for one in some]
    whole = to_bytes(value | {name: [entry for one in some for entry in one]}, indent=-1)
    assert b"".join(line_in_parts(value, name, parts)) == whole
