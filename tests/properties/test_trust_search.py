"""Random trust policies and random assumptions: nothing that came is lost, nothing new is let in.

The evaluator of `trust_world` is the judge; it shares no code with policygen's.
"""

from __future__ import annotations

import json
import random
from itertools import product
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policygen.errors import NothingFoundError
from policygen.report.data.trust import trust_json
from tests.support.effort import THOROUGH
from tests.support.trust_world import (
    ACCOUNT,
    GITHUB,
    TARGET,
    VENDOR,
    accounts_of,
    all_records,
    lets_in,
    suggestion_of,
    unique_id,
)

OWN = f"arn:aws:iam::{ACCOUNT}"
AWS_NAMES = [
    f"{OWN}:root", VENDOR, f"{OWN}:role/ci", f"{OWN}:role/team/deploy", f"{OWN}:user/ana",
    f"arn:aws:iam::{VENDOR}:role/scanner", unique_id("role/ops"), f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/s1", "*",
]  # fmt: skip
SUB = "token.actions.githubusercontent.com:sub"
AWS_CALLERS = [
    "role/ci@s1",
    "role/team/deploy",
    "role/ops",
    "user/ana",
    f"{VENDOR}:role/scanner",
    f"{VENDOR}:role/billing",
]
SUBJECTS = [
    f"repo:acme/{repo}:{rest}" for repo in ("a", "b*") for rest in ("pull_request", "ref:refs/tags/1")
]
SUBJECTS += [f"repo:acme/a:ref:refs/heads/{name}" for name in ("main", "x1", "x2", "${aws:username}")]

PAIRS = st.dictionaries(
    st.sampled_from(["sts:ExternalId", "sts:RoleSessionName", "aws:SourceIp"]), st.integers(0, 3), max_size=2
)
VALUES = {
    "sts:ExternalId": [
        ("StringEquals", ["e1"]), ("StringEquals", ["e1", "e*"]), ("StringLike", ["e*"]), ("StringNotEquals", ["e1"]),
    ],
    "sts:RoleSessionName": [
        ("StringLike", ["s*"]), ("StringEquals", ["s1", "s2"]), ("StringLike", ["${aws:username}"]),
        ("StringLike", ["*2", "s1"]),
    ],
    "aws:SourceIp": [
        ("IpAddress", ["203.0.113.0/24"]), ("IpAddress", ["203.0.113.0/24", "198.51.100.0/24"]),
        ("NotIpAddress", ["198.51.100.0/24"]), ("IpAddress", ["203.0.113.7/32", "203.0.113.8/32"]),
    ],
}  # fmt: skip
SUBJECT_VALUES = [
    ("StringLike", ["repo:acme/*"]), ("StringLike", ["repo:acme/a:*", "repo:*/b*:pull_request"]),
    ("StringEquals", SUBJECTS[:3]), ("StringLike", ["repo:*:ref:refs/heads/x?"]),
]  # fmt: skip


def _conditions(pairs: dict[str, int]) -> dict[str, dict[str, list[str]]]:
    block: dict[str, dict[str, list[str]]] = {}
    for key, number in pairs.items():
        operator, values = VALUES[key][number]
        block.setdefault(operator, {})[key] = values
    return {"Condition": block} if block else {}


@st.composite
def statements(draw: st.DrawFn) -> dict[str, Any]:
    """A statement about IAM principals, or about GitHub's tokens."""
    if draw(st.integers(0, 3)) == 0:
        one: dict[str, Any] = {"Principal": {"Federated": GITHUB}, "Action": "sts:AssumeRoleWithWebIdentity"}
        if number := draw(st.integers(0, len(SUBJECT_VALUES))):
            operator, values = SUBJECT_VALUES[number - 1]
            one["Condition"] = {operator: {SUB: values}}
        return {"Effect": "Allow", **one}
    names = draw(st.lists(st.sampled_from(AWS_NAMES), min_size=1, max_size=3, unique=True))
    actions = draw(st.sampled_from([["sts:AssumeRole"], ["sts:*"], ["sts:AssumeRole", "sts:TagSession"]]))
    effect = draw(st.sampled_from(["Allow", "Allow", "Allow", "Allow", "Deny"]))
    element = "*" if "*" in names else {"AWS": names}
    return {"Effect": effect, "Principal": element, "Action": actions, **_conditions(draw(PAIRS))}


@st.composite
def entries(draw: st.DrawFn) -> dict[str, Any]:
    """An assumption, in the records of one account or of both."""
    by = draw(st.sampled_from(AWS_CALLERS + [f"github:{one}" for one in SUBJECTS]))
    session = draw(st.sampled_from(["s1", "s2", "ana"]))
    address = draw(st.sampled_from(["203.0.113.7", "203.0.113.8", "198.51.100.9"]))
    entry: dict[str, Any] = {
        "by": by,
        "days": draw(st.integers(1, 3)),
        "session": session,
        "address": address,
    }
    if not by.startswith("github:"):
        external = draw(st.sampled_from(["", "e1", "e*", "eX"]))
        entry["parameters"] = {"externalId": external} if external else {}
        entry["copies"] = draw(st.sampled_from(["both", "both", "owner", "caller"]))
        if draw(st.integers(0, 3)) == 0:
            entry["parameters"]["tags"] = [{"key": "t", "value": "v"}]
    return entry


def _asked(entry: dict[str, Any]) -> list[tuple[str, dict[str, Any], str]]:
    context = {"sts:RoleSessionName": entry["session"], "aws:SourceIp": entry["address"]}
    parameters = entry.get("parameters", {})
    if parameters.get("externalId"):
        context["sts:ExternalId"] = parameters["externalId"]
    actions = ["", *(["sts:TagSession"] if "tags" in parameters else [])]
    return [(entry["by"], context, action) for action in actions]


_SHARED_FOLDER = [HealthCheck.function_scoped_fixture]

PROBES = [
    (by, {"sts:ExternalId": external, "sts:RoleSessionName": session, "aws:SourceIp": address}, action)
    for by, external, session, address, action in product(
        [*AWS_CALLERS, "role/zz", "role/ci@other", "user/zz", *(f"github:{one}" for one in SUBJECTS)],
        ("e1", "eX", "zz"),
        ("s1", "zz"),
        ("203.0.113.7", "203.0.113.99", "192.0.2.1"),
        ("", "sts:TagSession", "sts:SetSourceIdentity"),
    )
] + [
    (f"github:repo:acme/{name}", {}, "")
    for name in ("a:ref:refs/heads/x9", "c:pull_request", "bX:pull_request")
]


@pytest.mark.sweep
@settings(
    max_examples=1500 if THOROUGH else 80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(statements(), min_size=1, max_size=3), st.lists(entries(), min_size=1, max_size=5))
def test_nothing_is_lost_and_nothing_is_wider(tmp_path: Path, today: Any, log: Any) -> None:
    case = {"today": today, "log": log}
    document = {"Statement": today}
    came = [asked for entry in log for asked in _asked(entry) if lets_in(document, *asked)]
    try:
        found = suggestion_of(case, tmp_path)
    except NothingFoundError:
        assert not came
        return
    proposed = json.loads(found.policy.to_json())
    for by, context, action in came:
        assert lets_in(proposed, by, context, action), (by, context, action, proposed)
    for by, context, action in PROBES:
        if lets_in(proposed, by, context, action):
            assert lets_in(document, by, context, action), (by, context, action, proposed)


@settings(max_examples=20, deadline=None, suppress_health_check=_SHARED_FOLDER)
@given(st.lists(entries(), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_order_repetition_and_splitting_change_no_byte(
    tmp_path: Path, log: Any, chance: random.Random
) -> None:
    from policygen.evidence.observe import ObserveOptions
    from policygen.evidence.role_assumptions import collect_assumptions
    from policygen.rightsize.trust.suggest import suggest_trust

    case = {"today": [{"Effect": "Allow", "Principal": "*", "Action": "sts:*"}], "log": log}
    accounts = accounts_of(case)
    role = accounts[ACCOUNT].role(TARGET)
    rows = all_records(case)
    texts = []
    for split in (False, True):
        folder = Path(mkdtemp(dir=tmp_path))
        mixed = [*rows, *chance.sample(rows, len(rows) // 2)] if split else rows
        if split:
            chance.shuffle(mixed)
        half = chance.randrange(1, len(mixed)) if split else 0
        for number, part in enumerate((mixed[:half], mixed[half:])):
            content = "\n".join(map(json.dumps, part)) if split else json.dumps({"Records": part})
            (folder / f"{number}.json").write_text(content)
        options = ObserveOptions(until="2026-11-24", allow_incomplete=True)
        evidence = collect_assumptions([folder], role, accounts[ACCOUNT], options)
        texts.append(trust_json(suggest_trust(evidence, accounts[ACCOUNT], accounts)))
    assert texts[0] == texts[1]
