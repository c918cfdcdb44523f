"""The same records give the same counts, in whatever order, however often and however wrapped they come."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from policygen.errors import NothingFoundError
from policygen.evidence.observe import ObserveOptions, collect_evidence
from policygen.logs.chunk import ChunkResult, ReadRequest
from policygen.logs.reader import read_source
from policygen.logs.registry import open_source
from policygen.plan.build import build_plan_document as as_dict
from policygen.rightsize.analysis import analyse
from tests.logs.test_batching import SAID, everybody
from tests.support.effort import bounded
from tests.support.golden import rendered
from tests.support.options import analysis_options
from tests.support.records import ROLE, record, spread

Wrap = Callable[[Sequence[Any]], str]


def _texts(records: Sequence[Any], key: str) -> list[dict[str, str]]:
    return [{key: json.dumps(one)} for one in records]


def _envelope(one: Any) -> dict[str, Any]:
    return {"version": "0", "detail-type": "AWS API Call via CloudTrail", "source": "aws.s3", "detail": one}


WRAPS: Sequence[Wrap] = (
    lambda records: json.dumps({"Records": records}, separators=(",", ":")),
    lambda records: json.dumps({"Records": records}, indent=1),
    lambda records: json.dumps({"Records": records}, sort_keys=True),
    json.dumps,
    lambda records: "\n".join(json.dumps(one) for one in records),
    lambda records: "\n".join(json.dumps(_envelope(one)) for one in records),
    lambda records: json.dumps({"messageType": "DATA_MESSAGE", "logEvents": _texts(records, "message")}),
    lambda records: json.dumps({"Events": _texts(records, "CloudTrailEvent")}),
    lambda records: json.dumps({"Messages": _texts(records, "Body")}),
)

# Few ids, so that records of one id often say different things.
HOSTILE = {
    **SAID,
    "eventID": ["id-1", "id-2", "id-3", "\x1b[31m", None],
    "eventSource": SAID["eventSource"][:3],
}
records_of_a_log = st.lists(
    st.fixed_dictionaries(
        {name: st.one_of(st.just(values[0]), st.sampled_from(values)) for name, values in HOSTILE.items()}
    ),
    min_size=1,
    max_size=12,
)


def read(texts: Sequence[str]) -> ChunkResult:
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(texts):
            (Path(folder) / f"{number:02}.json").write_text(text)
        return read_source(open_source(folder), ReadRequest(everybody))


def scattered(records: Sequence[Any], chance: random.Random) -> list[str]:
    """The records, some of them several times, in any order, in files of any form."""
    repeated = [*records, *chance.choices(records, k=chance.randrange(len(records) + 1))]
    chance.shuffle(repeated)
    texts = []
    while repeated:
        size = chance.randint(1, 5)
        part, repeated = repeated[:size], repeated[size:]
        texts.append(chance.choice(WRAPS)(part))
    return texts


@bounded(150)
@given(records=records_of_a_log, chance=st.randoms(use_true_random=False))
def test_order_repetition_splitting_and_wrapping_change_no_count(
    records: list[Any], chance: random.Random
) -> None:
    plain, mixed = read([json.dumps({"Records": records})]), read(scattered(records, chance))
    assert mixed.counts.calls == plain.counts.calls
    one, other = (msgspec.structs.asdict(made.counts.totals) for made in (plain, mixed))
    for made in (one, other):
        del made["records"], made["duplicates"]
    assert other == one


@bounded(150)
@given(
    records=records_of_a_log,
    until=st.sampled_from(["", "2026-11-03", "2026-11-03T08:00:00Z"]),
    days=st.integers(1, 3),
)
def test_every_record_of_any_log_is_in_one_class_of_a_role(records: list[Any], until: str, days: int) -> None:
    options = ObserveOptions(days=days, until=until, allow_incomplete=True)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "log.json").write_text(json.dumps(records))
        try:
            audit = collect_evidence([folder], "orders", options).audit
        except NothingFoundError:
            return
    assert audit.read == len(records) == sum(audit.classes.values())


GET = {
    "source": "dynamodb",
    "name": "GetItem",
    "params": {"tableName": "t"},
    "on": ["2026-11-01", "2026-11-20", 1],
}
SAME = {"id": "one", "time": "2026-11-12T08:50:00Z"}
PAIRS: Sequence[tuple[dict[str, Any], dict[str, Any]]] = (
    (
        {"source": "sqs", "name": "SendMessage", "params": {"queueUrl": "https://sqs/123456789012/real"}},
        {"source": "ec2", "name": "DescribeInstances"},
    ),
    (
        {"source": "dynamodb", "name": "Scan", "params": {"tableName": "a"}},
        {"source": "dynamodb", "name": "Scan", "params": {"tableName": "b"}},
    ),
    (
        {"source": "dynamodb", "name": "Scan", "params": {"tableName": "a"}},
        {"source": "dynamodb", "name": "Scan", "params": {"tableName": "a"}, "error": "AccessDenied"},
    ),
    (
        {"source": "dynamodb", "name": "Scan", "params": {"tableName": "a"}, "error": "AccessDenied"},
        {
            "source": "dynamodb",
            "name": "Scan",
            "params": {"tableName": "a"},
            "error": "AccessDenied",
            "message": "User: x is not authorized to perform: dynamodb:Scan on resource: arn:aws:dynamodb:::y",
        },
    ),
)


def test_two_records_of_one_id_give_the_same_plan_in_either_order(tmp_path: Path) -> None:
    for number, pair in enumerate(PAIRS):
        made = []
        for name, members in (("forth", pair), ("back", pair[::-1])):
            events = [*spread([GET]), *(one | SAME for one in members)]
            path = tmp_path / f"{number}{name}.json"
            path.write_text(json.dumps({"Records": [record(one, n) for n, one in enumerate(events)]}))
            made.append(analyse([path], ROLE, **analysis_options()))
        forth, back = made
        assert forth.counts.totals.duplicates == 0
        assert as_dict(forth) == as_dict(back)
        assert rendered("text", forth, show_all=True) == rendered("text", back, show_all=True)
