"""Golden cases: policy and findings are those that the case expects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from policygen.errors import PolicygenError
from policygen.gate.findings import failing
from policygen.gate.judge.check import check
from policygen.gate.judge.from_logs import check_basis
from policygen.gate.sources import policy_source
from policygen.iam.document import Conditions, parse_policy
from tests.support.golden import EVERY, REFUSED, Case, Golden, decisions_of, run


@pytest.mark.parametrize("case", REFUSED)
def test_a_golden_case_that_is_refused(case: Case, tmp_path: Path) -> None:
    expect = case["expect"]
    with pytest.raises(PolicygenError) as caught:
        run(case, tmp_path)
    assert caught.value.code == expect["error"]
    assert expect.get("says", "") in "\n".join((caught.value.message, *caught.value.hints))
    assert caught.value.exit_code == expect.get("exit", caught.value.exit_code)


def test_golden_case(golden: Golden) -> None:
    case, analysis = golden
    expect = case["expect"]
    made = analysis.suggestion
    grants = sorted(f"{g.action} {g.resource}" + _under(g.conditions) for g in made.grants)
    if "grants" in expect:
        assert grants == sorted(expect["grants"])
    assert set(expect.get("holds", ())) <= set(grants)
    assert not [g for g in grants if g.split(" ")[0] in expect.get("lacks", ())]
    assert made.proof.held is not bool(made.decided.losses)
    found = {
        "missing": sorted(f"{m.request.action} {m.request.resource}: {m.cause}" for m in made.missing),
        "wanted": sorted(f"{w.action} {w.resource} {w.policy_type}".strip() for w in made.usage.denied),
        "unmapped": sorted(f"{u.source} {u.event}" for u in made.usage.unmapped),
        "kept": sorted(f"{k.kind} {k.grant.action} {k.grant.resource}" for k in made.keeps),
        "denies": [s.to_dict() for p in made.policies for s in p.statements if s.effect == "Deny"],
        "predecessors": [p.role.role_id for p in made.predecessors],
        "rules": sorted({w.rule for w in made.written.values() if w.rule}),
        "asides": [
            f"{a.request.grade} {a.request.action} {a.request.resource}: {'allowed' if a.allowed else 'not allowed'}"
            for a in made.informational()
        ],
        "suspects": sorted(f"{s.sign} {s.source.split('.')[0]} {s.event}" for s in made.split.anomalies),
        "users": {
            name.split(":")[-1]: sorted({r.action for r in theirs})
            for name, theirs in made.usage.users.items()
        },
        "open_names": sorted(made.open_names),
        "removed": sorted(c.action for c in made.changes if c.kind == "removed"),
        "removed_why": {c.action: c.why for c in made.changes if c.kind == "removed"},
        "kept_why": {f"{k.grant.action} {k.grant.resource}": k.why for k in made.keeps},
        "spots": {k.grant.action: k.blind_spot.id for k in made.keeps if k.blind_spot},
        "commands": sorted({k.blind_spot.command for k in made.keeps if k.blind_spot} - {""}),
        "remedies": sorted({k.blind_spot.remedy for k in made.keeps if k.blind_spot}),
        "seasonal": dict(made.seasonal),
        "barred": dict(made.barred),
        "losses": [loss.sentence for loss in made.decided.losses],
        "spared": [spared.sentence for spared in made.decided.spared],
        "expired": [rule.where for rule in made.decided.expired],
        "unused": [rule.where for rule in made.decided.unused],
        "verdict": made.strength.verdict if made.strength else "",
    }
    for key in set(expect) - {"grants", "holds", "lacks"}:
        assert found[key] == expect[key], key
    if made.today is not None and not case.get("options") and not case.get("drop"):
        texts = [(policy, json.dumps(policy.to_dict(), indent=2)) for policy in made.policies]
        sources = [policy_source(policy.name, text, parse_policy(text)) for policy, text in texts]
        findings = check(sources, check_basis(analysis.observed, decisions_of(case)))
        assert failing(findings, "note") == []  # nothing that suggest proposes fails the gate, at any level


def _under(conditions: Conditions) -> str:
    block = {op: {key: list(values) for key, values in keys} for op, keys in conditions}
    return f" if {json.dumps(block, sort_keys=True)}" if block else ""


def test_what_is_added_when_asked_is_never_called_within_today(tmp_path: Path) -> None:
    (case,) = [case for case in EVERY.values() if case["name"] == "it is added when asked"]
    made = run(case, tmp_path).suggestion
    (check,) = [check for check in made.proof.checks if check.promise == "never wider"]
    assert check.finding == (
        "but for 1 permission added as asked, allows nothing that the current policies do not allow"
    )
    assert [(c.action, c.kind) for c in made.changes if c.proposed] == [
        ("dynamodb:GetItem", "unchanged"),
        ("s3:GetObject", "added"),
    ]
