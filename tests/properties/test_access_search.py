"""Access logs are written by strangers: no text of a caller makes an entry another's, and no order changes a count."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from policygen.evidence.observe import ObserveOptions
from policygen.rightsize.api.entries.collect import read_api_usage
from policygen.rightsize.api.usage import ApiUsage
from tests.logs.test_text_lines import WRAPPED
from tests.properties.test_hostile import TEXTS
from tests.support.effort import bounded
from tests.support.gateway_world import (
    ADA,
    ADA_ID,
    BRANCH_ID,
    FORMATS,
    PARTNER,
    SIGNED,
    UNSIGNED,
    entry,
    reader,
    world,
)

STRANGER = {
    **SIGNED,
    "identity.caller": f"{BRANCH_ID}:s",
    "identity.user": f"{BRANCH_ID}:s",
    "identity.userArn": f"arn:aws:sts::{PARTNER}:assumed-role/branch/s",
}
VICTIM = {**SIGNED, "identity.caller": ADA_ID, "identity.user": ADA_ID, "identity.userArn": ADA}
FREE = ("identity.userAgent", "path", "requestId", "authorizer.principalId", "authorizer.claims.sub")
"""What callers may choose."""
NAMES = sorted(FORMATS)
READERS = {name: reader(FORMATS[name]) for name in NAMES}


def _forgeries(name: str) -> st.SearchStrategy[str]:
    """Return texts that hold pieces of a format, with another's values in them."""
    constants = FORMATS[name].replace("$context.", "\0").split("\0")
    pieces = [entry(f"$context.{one}", VICTIM) for one in constants[1:]]
    whole = entry(FORMATS[name], VICTIM)
    parts = st.sampled_from(
        [*pieces, *(one.split("$")[0] for one in constants), whole, "x", "-", "\\", '"', " "]
    )
    tails = st.integers(0, len(whole)).map(lambda n: whole[n:])
    heads = st.integers(0, len(whole)).map(lambda n: whole[:n])
    return st.lists(st.one_of(parts, tails, heads), max_size=6).map("".join)


hostile_entries = st.sampled_from(NAMES).flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.sampled_from([STRANGER, UNSIGNED]),
        st.fixed_dictionaries({}, optional={one: _forgeries(name) for one in FREE}),
    )
)


@bounded(3_000)
@given(hostile_entries)
def test_no_text_of_a_caller_makes_an_entry_anothers(
    made: tuple[str, dict[str, str], dict[str, str]],
) -> None:
    name, honest, chosen = made
    text = entry(FORMATS[name], honest | chosen)
    reading = READERS[name].read(text).reading
    if reading.status in {"mapped", "weak", "denied"}:
        assert reading.invoked.principal in {"*", "", f"arn:aws:iam::{PARTNER}:role/branch"}, text


def test_odd_texts_in_every_field_are_read_or_said() -> None:
    for name in NAMES:
        for text in (one[:4_000] for one in TEXTS.values()):
            for field in SIGNED:
                found = READERS[name].read(entry(FORMATS[name], SIGNED | {field: text})).reading
                assert found.status in {"mapped", "unmapped", "unreadable", "ambiguous", "weak", "anonymous"}
                assert found.invoked.principal in {
                    "",
                    "*",
                    f"arn:aws:iam::{SIGNED_ACCOUNT}:role/services/lender",
                }


SIGNED_ACCOUNT = SIGNED["identity.userArn"].split(":")[4]

Wrap = Callable[[Sequence[str]], str]
some_entries = st.lists(
    st.tuples(
        st.sampled_from([SIGNED, UNSIGNED, STRANGER]),
        st.sampled_from(["GET", "POST"]),
        st.integers(0, 40),
        st.sampled_from(["200", "403"]),
    ),
    min_size=1,
    max_size=12,
)


def _usage(files: Sequence[str], name: str) -> ApiUsage:
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(files):
            (Path(folder) / f"{number}.log").write_text(text)
        return read_api_usage([folder], world(FORMATS[name]), options=ObserveOptions(days=30))


@bounded(60)
@given(some_entries, st.sampled_from(["console", "common", "csv"]), st.data())
def test_order_repetition_splitting_and_wrapping_change_nothing(
    made: list[tuple[dict[str, str], str, int, str]], name: str, data: st.DataObject
) -> None:
    lines = [
        entry(
            FORMATS[name],
            values
            | {
                "httpMethod": verb,
                "status": status,
                "extendedRequestId": f"E{number}=",
                "requestTime": f"{1 + day % 28:02}/Nov/2026:08:15:{day:02} +0000",
            },
        )
        for number, (values, verb, day, status) in enumerate(made)
    ]
    plain = _usage(["\n".join(lines)], name)
    assert plain.entries == len(lines)
    mixed = [*lines, *lines[: data.draw(st.integers(0, len(lines)))]]
    random.Random(len(lines)).shuffle(mixed)
    cut = data.draw(st.integers(0, len(mixed)))
    wraps: list[Wrap] = [WRAPPED[data.draw(st.sampled_from(sorted(WRAPPED)))] for _ in range(2)]
    files = [wrap(part) for wrap, part in zip(wraps, (mixed[:cut], mixed[cut:]), strict=True) if part]
    assert _usage(files, name) == plain


def test_one_chosen_id_is_two_requests_and_one_own_id_is_one_entry() -> None:
    text = [entry(FORMATS["unsure"], SIGNED | {"httpMethod": verb}) for verb in ("GET", "POST")]
    assert _usage(["\n".join([*text, *text])], "unsure").entries == 2
    assert _usage(["\n".join([entry(FORMATS["all"], SIGNED)] * 3)], "all").entries == 1
