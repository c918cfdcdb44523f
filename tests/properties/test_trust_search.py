"""Random trust policies and random assumptions: nothing that came is lost, nothing new is let in.

The evaluator of `trust_world` is the judge; it shares no code with policygen's. It knows all of a request, policygen
only what a record has: who carries which tags, or belongs to which organization, is known to the judge alone. Whoever
came without a policy of its own goes on without one, and whoever needed one still needs it.

    POLICYGEN_THOROUGH=1 python -m pytest -m '' tests/properties/test_trust_search.py

tries 2,000 policies.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from policygen.errors import NothingFoundError
from policygen.evidence.observe import ObserveOptions
from policygen.evidence.role_assumptions import collect_assumptions
from policygen.report.formats import TRUST_FORMATS, render_trust
from policygen.rightsize.trust.suggest import suggest_trust
from tests.support.effort import THOROUGH
from tests.support.own_policies import NOTHING, may_assume
from tests.support.trust_world import (
    ACCOUNT,
    GITHUB,
    SAML,
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
    f"{OWN}:root", VENDOR, f"{OWN}:role/ci", f"{OWN}:role/team/deploy", f"{OWN}:user/ana", f"{OWN}:user/people/bob",
    f"arn:aws:iam::{VENDOR}:role/scanner", f"arn:aws:iam::{VENDOR}:user/auditor", unique_id("role/ops"),
    f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/s1", "AROADELETED0000000001", "*",
]  # fmt: skip
SUB = "token.actions.githubusercontent.com:sub"
AUD = "token.actions.githubusercontent.com:aud"
IAM_CALLERS = [
    "role/ci@s1", "role/team/deploy", "role/ops", "user/ana", "user/people/bob", f"{VENDOR}:role/scanner",
    f"{VENDOR}:role/billing", f"{VENDOR}:user/auditor",
]  # fmt: skip
OWN_CALLERS = ("role/ci", "role/team/deploy", "role/ops", "user/ana", "user/people/bob")
TAKES = {"Effect": "Allow", "Action": "sts:*", "Resource": TARGET}
OWN_POLICIES: list[list[dict[str, Any]]] = [
    [], [TAKES], [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    [{**TAKES, "Action": "sts:AssumeRole", "Resource": f"{OWN}:role/app/*"}],
    [{**TAKES, "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}],
    [{**TAKES, "Condition": {"StringEquals": {"sts:ExternalId": "e1"}}}],
    [{**TAKES, "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}],
    [{"Effect": "Allow", "NotAction": "sts:Tag*", "Resource": "*"}],
    [{"Effect": "Allow", "Action": "sts:AssumeRole", "NotResource": f"{OWN}:role/app/*"}],
    [{"Effect": "Allow", "Action": "*", "NotResource": f"{OWN}:role/admin/*"}],
    [TAKES, {"Effect": "Deny", "NotAction": "sts:AssumeRole", "Resource": "*"}],
    [TAKES, {"Effect": "Deny", "Action": "sts:*", "NotResource": f"{OWN}:role/app/*"}],
    [TAKES, {**TAKES, "Effect": "Deny", "Condition": {"StringEquals": {"sts:RoleSessionName": "s2"}}}],
]  # fmt: skip
"""What callers of the role's account have of their own."""
SERVICES = ["lambda.amazonaws.com", "ec2.amazonaws.com", "states.amazonaws.com"]
PEOPLE = ["saml:ana@example.com", "saml:bob@example.com"]
SUBJECTS = [
    f"repo:acme/{repo}:{rest}" for repo in ("a", "b*") for rest in ("pull_request", "ref:refs/tags/1")
]
SUBJECTS += [f"repo:acme/a:ref:refs/heads/{name}" for name in ("main", "x1", "x2", "${aws:username}")]
SUBJECTS += ["repo:acme@12/a@34:ref:refs/heads/main", "repo:acme/a:environment:prod"]
TOKENS = [f"github:{one}" for one in SUBJECTS]

CONDITIONS = {
    "sts:ExternalId": [
        ("StringEquals", ["e1"]), ("StringEquals", ["e1", "e*"]), ("StringLike", ["e*"]), ("StringNotEquals", ["e1"]),
        ("StringEqualsIfExists", ["e1", "eX"]), ("Null", ["false"]), ("Null", ["true"]),
    ],
    "sts:RoleSessionName": [
        ("StringLike", ["s*"]), ("StringEquals", ["s1", "s2"]), ("StringLike", ["${aws:username}"]),
        ("StringLike", ["*2", "s1"]), ("StringNotLike", ["s2*"]),
    ],
    "aws:SourceIp": [
        ("IpAddress", ["203.0.113.0/24"]), ("IpAddress", ["203.0.113.0/24", "198.51.100.0/24"]),
        ("NotIpAddress", ["198.51.100.0/24"]), ("IpAddress", ["203.0.113.7/32", "203.0.113.8/32"]),
        ("IpAddressIfExists", ["203.0.113.0/24"]),
    ],
    "aws:SourceVpce": [
        ("StringEquals", ["vpce-1", "vpce-2"]), ("StringNotEqualsIfExists", ["vpce-1"]), ("Null", ["true"]),
    ],
    "aws:MultiFactorAuthPresent": [("Bool", ["true"]), ("BoolIfExists", ["true"]), ("Null", ["false"])],
    "aws:MultiFactorAuthAge": [("NumericLessThan", ["3600"]), ("NumericLessThanIfExists", ["3600"])],
    "aws:PrincipalOrgID": [
        ("StringEquals", ["o-own"]), ("StringEquals", ["o-own", "o-vendor"]), ("StringNotEquals", ["o-own"]),
    ],
    "aws:PrincipalTag/team": [("StringEquals", ["a"]), ("StringLike", ["*"]), ("StringNotEquals", ["a"])],
    "aws:PrincipalArn": [
        ("ArnLike", [f"{OWN}:role/*"]), ("StringLike", [f"{OWN}:role/ci", f"{OWN}:user/*"]),
        ("ArnNotLike", [f"{OWN}:user/*"]),
        ("ArnEquals", [f"{OWN}:role/team/deploy", f"{OWN}:role/ops"]),
    ],
    "aws:RequestTag/t": [("StringEquals", ["v", "w"]), ("StringLike", ["*"]), ("StringEqualsIfExists", ["v"])],
    "aws:TagKeys": [
        ("ForAllValues:StringEquals", ["t", "u"]), ("ForAnyValue:StringEquals", ["t"]),
        ("ForAllValues:StringEquals", ["u"]),
    ],
    "sts:TransitiveTagKeys": [("ForAllValues:StringEquals", ["t"]), ("ForAnyValue:StringEquals", ["t", "u"])],
    "sts:SourceIdentity": [
        ("StringEquals", ["ana", "bob"]), ("StringLike", ["a*"]), ("Null", ["false"]), ("StringNotLike", ["b*"]),
    ],
    "aws:CurrentTime": [("DateGreaterThan", ["2025-01-01T00:00:00Z"]), ("DateLessThan", ["2026-11-01T00:00:00Z"])],
    "aws:SourceAccount": [("StringEquals", [ACCOUNT]), ("StringEqualsIfExists", [ACCOUNT])],
}  # fmt: skip
"""Key -> operators with values. The judge knows each; of some no record tells."""
TOKEN_CONDITIONS = {
    SUB: [
        ("StringLike", ["repo:acme/*"]), ("StringLike", ["repo:acme/a:*", "repo:*/b*:pull_request"]),
        ("StringEquals", SUBJECTS[:3]), ("StringLike", ["repo:*:ref:refs/heads/x?"]),
        ("ForAnyValue:StringLike", ["repo:acme/a:*", "repo:acme@12/a@34:*"]), ("StringNotLike", ["*:pull_request"]),
        ("StringEqualsIgnoreCase", ["REPO:acme/a:environment:prod", "repo:acme/a:pull_request"]),
    ],
    AUD: [
        ("StringEquals", ["sts.amazonaws.com"]), ("StringLike", ["*"]),
        ("ForAllValues:StringEquals", ["sts.amazonaws.com", "x"]),
    ],
}  # fmt: skip
SAML_CONDITIONS = {
    "saml:aud": [("StringEquals", ["https://signin.aws.amazon.com/saml", "https://x"])],
    "saml:sub": [("StringLike", ["*@example.com"]), ("StringEquals", ["ana@example.com"])],
}
ACTIONS = [
    ["sts:AssumeRole"], ["sts:*"], ["sts:AssumeRole", "sts:TagSession"], ["sts:AssumeRole", "sts:SetSourceIdentity"],
    ["sts:Assume*", "sts:T*"], ["sts:TagSession"],
]  # fmt: skip


@st.composite
def entries(draw: st.DrawFn) -> dict[str, Any]:
    """An assumption, in the records of one account or of both."""
    # As often by an IAM principal as by anybody else.
    by = draw(
        st.sampled_from(draw(st.sampled_from([IAM_CALLERS, IAM_CALLERS, TOKENS, [*SERVICES, *PEOPLE]])))
    )
    address = draw(st.sampled_from(["203.0.113.7", "203.0.113.8", "198.51.100.9"]))
    session = draw(st.sampled_from(["s1", "s2", "ana"]))
    entry: dict[str, Any] = {"by": by, "days": draw(st.integers(1, 3)), "session": session, "parameters": {}}
    entry["address"] = address
    if by in SERVICES:
        return entry
    if draw(st.integers(0, 4)) == 0:
        entry |= {
            "address": "10.0.0.5",
            "record": {"vpcEndpointId": draw(st.sampled_from(["vpce-1", "vpce-2"]))},
        }
    if by in TOKENS or by in PEOPLE:
        return entry
    external = draw(st.sampled_from(["", "e1", "e*", "eX"]))
    given = {"externalId": external} if external else {}
    if draw(st.integers(0, 3)) == 0:
        tags = draw(st.sampled_from([{"t": "v"}, {"t": "w", "u": "x"}]))
        given["tags"] = [{"key": key, "value": value} for key, value in tags.items()]
        given |= {"transitiveTagKeys": ["t"]} if draw(st.booleans()) else {}
    if draw(st.integers(0, 3)) == 0:
        given["sourceIdentity"] = draw(st.sampled_from(["ana", "bob"]))
    copies = draw(st.sampled_from(["both", "both", "owner", "caller"]))
    return entry | {"parameters": given, "copies": copies, "mfa": draw(st.booleans())}


Question = tuple[str, dict[str, Any], str]
"""Who, with which condition keys, and the action; "" for the assumption itself."""


def _of_caller(by: str) -> dict[str, Any]:
    """What is true of a caller, and in no record."""
    if by in SERVICES:
        return {"aws:SourceAccount": ACCOUNT}
    if by.startswith(("github:", "saml:")):
        return {"saml:sub": by.partition(":")[2]} if by.startswith("saml:") else {}
    account = by.partition(":")[0] if by[:12].isdigit() else ACCOUNT
    tags = {"aws:PrincipalTag/team": "a"} if "ci" in by or "scanner" in by else {}
    return {"aws:PrincipalOrgID": "o-own" if account == ACCOUNT else "o-vendor", **tags}


def _context(entry: dict[str, Any]) -> dict[str, Any]:
    given, by = entry["parameters"], entry["by"]
    context: dict[str, Any] = {"aws:CurrentTime": "2026-10-26T09:00:00Z"}
    if by not in SERVICES:
        endpoint = entry.get("record", {}).get("vpcEndpointId")
        context |= {"aws:SourceVpce": endpoint} if endpoint else {"aws:SourceIp": entry["address"]}
        context["sts:RoleSessionName"] = entry["session"]
    if by in IAM_CALLERS:
        if entry["mfa"]:
            context |= {"aws:MultiFactorAuthPresent": "true", "aws:MultiFactorAuthAge": "60"}
        elif "role/" in by:
            context["aws:MultiFactorAuthPresent"] = "false"
    names = {"externalId": "sts:ExternalId", "sourceIdentity": "sts:SourceIdentity"}
    context |= {key: given[name] for name, key in names.items() if name in given}
    if tags := given.get("tags"):
        context |= {f"aws:RequestTag/{one['key']}": one["value"] for one in tags}
        context["aws:TagKeys"] = [one["key"] for one in tags]
    if keys := given.get("transitiveTagKeys"):
        context["sts:TransitiveTagKeys"] = keys
    return context


def _came(log: list[dict[str, Any]]) -> Iterator[Question]:
    for entry in log:
        given = entry["parameters"]
        used = ["", *(["sts:TagSession"] if "tags" in given else [])]
        used += ["sts:SetSourceIdentity"] if "sourceIdentity" in given else []
        yield from ((entry["by"], _context(entry) | _of_caller(entry["by"]), action) for action in used)


@st.composite
def statements(draw: st.DrawFn, log: list[dict[str, Any]]) -> dict[str, Any]:
    """A statement: most let in one of those who came, on conditions that it meets."""
    by, context, action = draw(st.sampled_from(list(_came(log))))
    if draw(st.integers(0, 5)) == 0:
        return {"Effect": "Deny", **draw(_about_iam()), **draw(_block(CONDITIONS, 2))}
    met = by, context, action
    if by in TOKENS:
        one: dict[str, Any] = {"Principal": {"Federated": GITHUB}, "Action": "sts:AssumeRoleWithWebIdentity"}
        return {"Effect": "Allow", **one, **draw(_block(TOKEN_CONDITIONS, 2, met))}
    if by in PEOPLE:
        one = {"Principal": {"Federated": SAML}, "Action": ["sts:AssumeRoleWithSAML", "sts:TagSession"]}
        return {"Effect": "Allow", **one, **draw(_block(SAML_CONDITIONS, 2, met))}
    if by in SERVICES:
        names = sorted({by, draw(st.sampled_from(SERVICES))})
        known = {"aws:SourceAccount": CONDITIONS["aws:SourceAccount"]}
        one = {"Principal": {"Service": names}, "Action": "sts:AssumeRole"}
        return {"Effect": "Allow", **one, **draw(_block(known, 1, met))}
    return {"Effect": "Allow", **draw(_about_iam(by)), **draw(_block(CONDITIONS, 3, met))}


@st.composite
def _about_iam(draw: st.DrawFn, by: str = "") -> dict[str, Any]:
    """Principals and actions; with somebody among them, or without anybody, for a Deny."""
    names = draw(st.lists(st.sampled_from(AWS_NAMES), min_size=0 if by else 1, max_size=2, unique=True))
    if by:
        names = [*names, draw(st.sampled_from([one for one in AWS_NAMES if _names(one, by)]))]
    element: Any = "*" if "*" in names else {"AWS": sorted(set(names))}
    negated = not by and element != "*" and draw(st.booleans())
    action: dict[str, Any] = {"Action": draw(st.sampled_from(ACTIONS))}
    if by and draw(st.integers(0, 7)) == 0:
        action = {"NotAction": "sts:SetSourceIdentity"}
    return {"NotPrincipal" if negated else "Principal": element, **action}


def _names(name: str, by: str) -> bool:
    element = "*" if name == "*" else {"AWS": name}
    return lets_in({"Statement": [{"Effect": "Allow", "Principal": element, "Action": "*"}]}, by, {})


@st.composite
def _block(
    draw: st.DrawFn, known: dict[str, Any], most: int, met: Question | None = None
) -> dict[str, dict[str, Any]]:
    """Conditions; those that a request meets, but for one in ten."""
    block: dict[str, dict[str, list[str]]] = {}
    for key in draw(st.lists(st.sampled_from(sorted(known)), max_size=most, unique=True)):
        options = known[key]
        if met and draw(st.integers(0, 9)):
            options = [one for one in options if _is_met(key, *one, met)]
        if options:
            operator, values = draw(st.sampled_from(options))
            block.setdefault(operator, {})[key] = values
    return {"Condition": block} if block else {}


def _is_met(key: str, operator: str, values: list[str], asked: Question) -> bool:
    kind = "Federated" if asked[0].startswith(("github:", "saml:")) else ""
    principal: Any = (
        {"Federated": [GITHUB, SAML]} if kind else {"Service": SERVICES} if asked[0] in SERVICES else "*"
    )
    one = {"Effect": "Allow", "Principal": principal, "Action": "*", "Condition": {operator: {key: values}}}
    return lets_in({"Statement": [one]}, *asked)


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    """A case: who came, and today's policy."""
    log = draw(st.lists(entries(), min_size=1, max_size=5))
    today = draw(st.lists(statements(log), min_size=1, max_size=3))
    told = draw(st.booleans())
    fields: dict[str, Any] = {"organization": {"id": "o-own"}} if told else {}
    fields["own"] = {name: draw(st.sampled_from(OWN_POLICIES)) for name in OWN_CALLERS}
    fields["bounded"] = {
        name: draw(st.sampled_from(OWN_POLICIES[1:]))
        for name in OWN_CALLERS
        if name.startswith("role/") and draw(st.booleans())
    }
    named = sorted(
        {
            name
            for one in today
            if one["Effect"] == "Allow" and isinstance(one["Principal"], dict)
            for name in one["Principal"].get("AWS", ())
        }
    )
    keep = draw(st.lists(st.sampled_from(named), max_size=1)) if named else []
    return {"today": today, "log": log, "snapshot": fields, "vendor_known": told, "keep": keep}


# None stands for a key that is absent.
OTHERS: dict[str, list[Any]] = {
    "sts:ExternalId": [None, "e1", "eX", "zz"], "sts:RoleSessionName": ["s1", "s2", "zz"],
    "aws:SourceIp": [None, "203.0.113.7", "203.0.113.99", "192.0.2.1"], "aws:SourceVpce": [None, "vpce-1", "vpce-9"],
    "aws:MultiFactorAuthPresent": [None, "true", "false"], "aws:MultiFactorAuthAge": [None, "60", "99999"],
    "aws:PrincipalOrgID": [None, "o-own", "o-zz"], "aws:PrincipalTag/team": [None, "a", "z"],
    "aws:RequestTag/t": [None, "v", "zz"], "aws:TagKeys": [None, ["t"], ["t", "zz"]],
    "sts:TransitiveTagKeys": [None, ["t"], ["zz"]], "sts:SourceIdentity": [None, "ana", "zz"],
    "aws:CurrentTime": ["2024-01-01T00:00:00Z", "2030-01-01T00:00:00Z"], "aws:SourceAccount": [None, VENDOR],
    AUD: [None, "x", "zz"], SUB: [None, "zz"], "saml:sub": [None, "zz@example.com", "zz"], "saml:aud": [None, "https://x"],
}  # fmt: skip
STRANGERS = [
    *IAM_CALLERS, *SERVICES, *PEOPLE, *TOKENS, "role/zz", "role/ci@other", "user/zz", "999988887777:role/ci",
    "glue.amazonaws.com", "github:repo:acme/a:ref:refs/heads/x9", "github:repo:acme/c:pull_request",
    "github:repo:acme/bX:pull_request", "github:repo:acme@13/a@34:ref:refs/heads/main",
]  # fmt: skip
ASKED = ("", "sts:TagSession", "sts:SetSourceIdentity", "sts:SetContext")


def _probes(log: list[dict[str, Any]]) -> Iterator[Question]:
    """Everything that came, by everybody, and with each key of another value or without it."""
    for entry in log:
        context = _context(entry)
        for by in STRANGERS:
            yield from ((by, context | _of_caller(by), action) for action in ASKED[:2])
        own = context | _of_caller(entry["by"])
        for key, values in OTHERS.items():
            for value in values:
                yield from ((entry["by"], own | {key: value}, action) for action in ASKED)


def judge(case: dict[str, Any], folder: Path) -> None:
    """Fail where a suggestion loses what came and today's policy allows, or allows what today's does not."""
    log, document = case["log"], {"Statement": case["today"]}
    came = [asked for asked in _came(log) if lets_in(document, *asked)]
    try:
        found = suggestion_of(case, folder)
    except NothingFoundError:
        assert not came
        return
    proposed = json.loads(found.policy.to_json())
    for asked in came:
        for silent in ((), NOTHING[:1], NOTHING)[: 3 if _is_bounded(asked[0], case) else 2]:
            if lets_in(document, *asked, silent):
                assert lets_in(proposed, *asked, silent), (asked, silent, proposed)
    for asked in _probes(log):
        if lets_in(proposed, *asked):
            assert lets_in(document, *asked), (asked, proposed)
        if may_assume(case, proposed, *asked):
            assert may_assume(case, document, *asked), (asked, case["snapshot"], proposed)


def _is_bounded(by: str, case: dict[str, Any]) -> bool:
    return by.partition("@")[0] in case["snapshot"].get("bounded", {})


@pytest.mark.sweep
@settings(
    max_examples=2000 if THOROUGH else 50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(worlds())
def test_nothing_is_lost_and_nothing_is_wider(tmp_path: Path, case: dict[str, Any]) -> None:
    judge(case, tmp_path)


FAULTS = {
    "conditions go": ("policygen.rightsize.trust.generate.narrowed", lambda *_: ()),
    "one value stays": ("policygen.rightsize.trust.narrow._values", lambda *given: given[2][:1]),
    "an account lets in as firmly as a name": ("policygen.rightsize.principals.owner._hold", lambda *_: 2),
    "a name lets in no more than an account": (
        "policygen.rightsize.principals.owner.Owner.is_as_good",
        lambda *_: True,
    ),
    "whoever came is everyone": ("policygen.rightsize.trust.generate.granted", lambda *_: (("AWS", "*"), ())),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_search_finds_a_fault_that_is_planted(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, planted = FAULTS[fault]
    monkeypatch.setattr(where, planted)
    monkeypatch.setattr("policygen.rightsize.trust.suggest.require_promises", lambda *_: None)

    @settings(max_examples=60, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(worlds())
    def search(case: dict[str, Any]) -> None:
        judge(case, tmp_path)

    with pytest.raises(AssertionError):
        search()


def _as_records(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps({"Records": rows}).encode()


def _as_lines(rows: list[dict[str, Any]]) -> bytes:
    return gzip.compress("\n".join(map(json.dumps, rows)).encode())


def _as_log_events(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps({"events": [{"timestamp": 0, "message": json.dumps(one)} for one in rows]}).encode()


def _as_messages(rows: list[dict[str, Any]]) -> bytes:
    return "\n".join(
        json.dumps({"detail-type": "AWS API Call via CloudTrail", "detail": one}) for one in rows
    ).encode()


GZIP = b"\x1f\x8b"
USES = st.fixed_dictionaries(
    {
        "session": st.sampled_from(["s1", "s2", "zz"]),
        "address": st.sampled_from(["203.0.113.7", "192.0.2.1", "cloudformation.amazonaws.com"]),
    }
)
WRAPPED = (_as_records, _as_lines, _as_log_events, _as_messages)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(worlds(), st.lists(USES, max_size=4), st.randoms(use_true_random=False))
def test_order_repetition_splitting_and_wrapping_change_no_byte(
    tmp_path: Path, case: dict[str, Any], uses: list[dict[str, Any]], chance: random.Random
) -> None:
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "sts:*"}
    case = case | {"today": [everybody, *case["today"]], "uses": uses}
    accounts = accounts_of(case)
    role = accounts[ACCOUNT].role(TARGET)
    rows = all_records(case)
    mixed = [*rows, *chance.sample(rows, len(rows) // 2)]
    chance.shuffle(mixed)
    cut = sorted(chance.sample(range(1, len(mixed)), 2))
    parts = [mixed[begin:end] for begin, end in pairwise([0, *cut, len(mixed)])]
    texts = []
    for contents in ([_as_records(rows)], [chance.choice(WRAPPED)(part) for part in parts]):
        folder = Path(mkdtemp(dir=tmp_path))
        for number, content in enumerate(contents):
            (folder / f"{number}.json{'.gz' if content[:2] == GZIP else ''}").write_bytes(content)
        options = ObserveOptions(until="2026-11-24", allow_incomplete=True)
        evidence = collect_assumptions([folder], role, accounts[ACCOUNT], options)
        try:
            found = suggest_trust(evidence, accounts[ACCOUNT], accounts)
        except NothingFoundError as error:
            texts.append([error.message, *error.hints])
        else:
            texts.append([render_trust(name, found) for name in TRUST_FORMATS])
    assert texts[0] == texts[1]
