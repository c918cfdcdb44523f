"""What event selectors log: a table of truth as data, and properties of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from policygen.evidence.coverage.selectors import (
    OBJECTS,
    Answer,
    Probe,
    as_advanced,
    logged,
    logged_by_any,
    whole_category,
)
from policygen.iam.arn import contains
from tests.support import ROOT
from tests.support.records import ACCOUNT

TABLE: Mapping[str, Any] = json.loads(
    (ROOT / "tests" / "cases" / "selectors" / "truth.json").read_text("utf-8")
)
CASES: Sequence[Mapping[str, Any]] = TABLE["cases"]


def probe_of(case: Mapping[str, Any]) -> Probe:
    role = case.get("role")
    return Probe(
        **TABLE["events"][case["event"]],
        resource=case.get("resource", ""),
        identity=f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/*" if role else "",
        console=case.get("console"),
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['ref']} {case['case']}")
def test_a_selector_logs_what_the_table_says(case: Mapping[str, Any]) -> None:
    trails = case.get("trails", [case])
    answer = logged_by_any(probe_of(case), [(one.get("basic"), one.get("advanced")) for one in trails])
    assert answer == case["answer"]


def test_the_table_is_large_and_every_case_has_its_reference() -> None:
    assert len(CASES) >= 70
    assert len({(case["ref"], case["case"]) for case in CASES}) == len(CASES)
    assert all(re.fullmatch(r"[13]\.\d(\.\d)?", case["ref"]) for case in CASES)
    assert {case["answer"] for case in CASES} == {"all", "part", "none"}


BUCKETS = ("a", "b", "b2", "logs")
VALUES = st.lists(
    st.sampled_from(["arn:aws:s3", "arn:aws:s3:::", *(f"arn:aws:s3:::{one}/" for one in BUCKETS)]), max_size=3
)
BASIC = st.builds(
    lambda kind, management, excluded, values: {
        "ReadWriteType": kind,
        "IncludeManagementEvents": management,
        "ExcludeManagementEventSources": excluded,
        "DataResources": [{"Type": OBJECTS, "Values": values}],
    },
    st.sampled_from(["All", "ReadOnly", "WriteOnly"]),
    st.booleans(),
    st.lists(st.sampled_from(["kms.amazonaws.com", "rdsdata.amazonaws.com"]), max_size=2, unique=True),
    VALUES,
)
RESOURCES = st.sampled_from(
    ["*", "arn:aws:s3:::b*", *(f"arn:aws:s3:::{one}/*" for one in BUCKETS), "arn:aws:s3:::b/key"]
)
PROBES = st.one_of(
    st.builds(
        Probe,
        category=st.just("Management"),
        source=st.sampled_from(["kms.amazonaws.com", "iam.amazonaws.com"]),
        read_only=st.sampled_from([True, False, None]),
    ),
    st.builds(
        Probe,
        category=st.just("Data"),
        source=st.just("s3.amazonaws.com"),
        read_only=st.sampled_from([True, False, None]),
        data_type=st.just(OBJECTS),
        resource=RESOURCES,
    ),
)
RANK: Mapping[Answer, int] = {"none": 0, "part": 1, "all": 2}


@given(st.lists(BASIC, min_size=1, max_size=5), PROBES)
def test_basic_selectors_written_as_advanced_ones_log_the_same(
    selectors: list[dict[str, Any]], probe: Probe
) -> None:
    written = as_advanced(selectors)
    assert written is not None
    # A trail whose basic selectors log nothing has no advanced ones to write.
    assert logged(probe, selectors, None) == (logged(probe, None, written) if written else "none")


@given(st.lists(BASIC, min_size=1, max_size=3), BASIC, PROBES)
def test_one_more_selector_never_logs_less(
    some: list[dict[str, Any]], more: dict[str, Any], probe: Probe
) -> None:
    assert RANK[logged(probe, [*some, more], None)] >= RANK[logged(probe, some, None)]


@given(st.lists(BASIC, min_size=1, max_size=3), PROBES)
def test_with_the_whole_category_added_everything_is_logged(
    selectors: list[dict[str, Any]], probe: Probe
) -> None:
    added = whole_category(probe.category, probe.data_type)
    assert logged(probe, None, [*(as_advanced(selectors) or ()), added]) == "all"


@given(st.lists(BASIC, min_size=1, max_size=3), RESOURCES, RESOURCES, PROBES)
def test_what_holds_for_all_resources_holds_for_each(
    selectors: list[dict[str, Any]], wide: str, narrow: str, probe: Probe
) -> None:
    if contains(wide, narrow):
        answer = logged(replace(probe, resource=wide), selectors, None)
        assert answer in ("part", logged(replace(probe, resource=narrow), selectors, None))


LEAF = st.sampled_from(
    [None, True, 7, "All", "Data", "AWS::S3::Object", [], [7], ["Data"], {}, {"Type": OBJECTS}]
)
INNER = st.dictionaries(st.sampled_from(["Field", "Equals", "NotEquals", "Type", "Values"]), LEAF, max_size=3)
ODD = st.lists(
    st.dictionaries(
        st.sampled_from(["FieldSelectors", "DataResources", "ReadWriteType", "IncludeManagementEvents"]),
        LEAF | st.lists(INNER | LEAF, max_size=2),
    ),
    min_size=1,
    max_size=2,
)


@given(ODD, PROBES)
def test_no_shape_of_a_selector_is_an_error(selectors: list[dict[str, Any]], probe: Probe) -> None:
    assert logged(probe, None, selectors) != "all"
    assert logged(probe, selectors, None) in RANK
    as_advanced(selectors)
