"""Random resource policies and random calls: nothing that came is lost, and nothing becomes wider.

The judge is the tests' own evaluator, `api_world.may_call`.
"""

from __future__ import annotations

import json
import random
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from itertools import product
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from policygen.iam.party import NOBODY, Party
from policygen.iam.resource_policy import ResourcePolicy
from policygen.report.data.api import api_json
from policygen.rightsize.api.decision import decide
from policygen.rightsize.api.question import Authorized, Invocation, World
from policygen.rightsize.principals.pieces import document_of
from policygen.rightsize.principals.values import ONE_NETWORK, address_blocks
from tests.support.api_world import (
    API,
    ENDPOINTS,
    OWNER,
    PARTNER,
    STRANGER,
    accounts_of,
    lines,
    may_call,
    route_of,
    suggestion_from,
    suggestion_of,
    who,
)
from tests.support.effort import THOROUGH

METHODS = {
    "GET /items": "IAM", "POST /items": "IAM", "GET /items/{id}": "IAM", "GET /items/{id}/parts": "IAM",
    "GET /free": "OPEN", "POST /free": "OPEN", "GET /pool": "POOL", "GET /token": "TOKEN", "ANY /any/{rest+}": "IAM",
}  # fmt: skip
CALLS = [
    "prod GET /items", "prod POST /items", "prod GET /items/7", "prod GET /items/9/parts", "prod GET /free",
    "prod POST /free", "prod GET /pool", "prod GET /token", "prod PUT /any/a/b", "dev GET /items", "dev GET /free",
]  # fmt: skip
CALLERS = [
    f"{PARTNER}:role/team/caller",
    f"{PARTNER}:role/other",
    f"{PARTNER}:user/eva",
    "role/orders",
    "user/ana",
]
STRANGERS = [f"{STRANGER}:role/x", f"{PARTNER}:role/elsewhere/caller"]
"""Who never calls, and may by its own policies."""
ADDRESSES = ["203.0.113.7", "203.0.113.8", "198.51.100.9", "2001:db8::7"]
NAMES = [
    "*", *(f"arn:aws:iam::{account}:root" for account in (OWNER, PARTNER)), PARTNER, *(who(one)[0] for one in CALLERS),
    f"arn:aws:iam::{STRANGER}:root",
]  # fmt: skip
RESOURCES = [
    "execute-api:/*", "execute-api:/prod/*", "execute-api:/prod/GET/*", "execute-api:/*/GET/items*",
    "execute-api:/prod/GET/items/7", "execute-api:/*/*/free", "execute-api:/prod/*/any/a*", "execute-api:/dev/*",
]  # fmt: skip
ACTIONS = [{"Action": one} for one in ("execute-api:Invoke", "execute-api:Invoke", "execute-api:*", "*")]
ACTIONS += [{"NotAction": one} for one in ("execute-api:InvalidateCache", "execute-api:Manage*")]
CONDITIONS: list[dict[str, Any]] = [
    {}, {}, {},
    {"IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "192.0.2.0/24"]}},
    {"NotIpAddress": {"aws:SourceIp": ["203.0.113.0/24", "2001:db8::/32"]}},
    {"StringEquals": {"aws:PrincipalAccount": [OWNER, PARTNER]}},
    {"StringNotEquals": {"aws:PrincipalAccount": [PARTNER, STRANGER]}},
    {"ArnLike": {"aws:PrincipalArn": [f"arn:aws:iam::{PARTNER}:role/*", who("role/orders")[0]]}},
    {"ArnNotLike": {"aws:PrincipalArn": [f"arn:aws:iam::{PARTNER}:role/team/*"]}},
    {"ForAnyValue:StringLike": {"aws:PrincipalArn": [f"arn:aws:iam::{PARTNER}:*", "arn:aws:iam::*:role/orders"]}},
    {"StringLike": {"aws:userid": [f"{who(CALLERS[0])[1]}:*", who("user/ana")[1]]}},
    {"Null": {"aws:PrincipalArn": "false"}},
    {"IpAddressIfExists": {"aws:SourceIp": ["203.0.113.7/32", "2001:db8::/32", "198.51.100.0/25"]}},
    {
        "IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "198.51.100.0/24"]},
        "StringEqualsIfExists": {"aws:PrincipalAccount": [OWNER, PARTNER]},
    },
]  # fmt: skip
BEHIND: list[dict[str, Any]] = [
    {}, {},
    {"StringEquals": {"aws:SourceVpce": ["vpce-0aaa0aaa", "vpce-0ccc0ccc"]}},
    {"StringNotEquals": {"aws:SourceVpce": ["vpce-0aaa0aaa", "vpce-0bbb0bbb"]}},
    {"StringLike": {"aws:SourceVpc": ["vpc-0a*", "vpc-0c*"]}},
    {"StringNotEqualsIfExists": {"aws:SourceVpc": ["vpc-0aaa"]}},
    {"IpAddress": {"aws:SourceIp": ["203.0.113.0/24"]}},
]  # fmt: skip
"""Conditions of private APIs."""
OWN = [
    [{"Effect": "Allow", "Action": "execute-api:*", "Resource": "*"}],
    [
        {
            "Effect": "Allow",
            "Action": "execute-api:Invoke",
            "Resource": "arn:aws:execute-api:*:*:*/*/GET/items*",
        }
    ],
    [
        {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "arn:aws:execute-api:*:*:*"},
        {"Effect": "Deny", "Action": "execute-api:*", "Resource": "arn:aws:execute-api:*:*:*/*/POST/*"},
    ],
    [{"Effect": "Allow", "NotAction": ["iam:*", "sts:*"], "Resource": "*"}],
    [
        {
            "Effect": "Allow",
            "Action": "*",
            "NotResource": ["arn:aws:execute-api:*:*:*/*/*/items/7", "arn:aws:s3:::*"],
        }
    ],
    [
        {
            "Effect": "Allow",
            "Action": "execute-api:In*",
            "Resource": "arn:aws:execute-api:*:*:*/prod/*",
            "Condition": {"IpAddressIfExists": {"aws:SourceIp": ["203.0.113.0/24"]}},
        },
        {
            "Effect": "Deny",
            "Action": "*",
            "NotResource": "arn:aws:execute-api:*:*:*/*/GET/*",
            "Condition": {"NotIpAddressIfExists": {"aws:SourceIp": ["203.0.113.7/32"]}},
        },
    ],
]


@st.composite
def statements(draw: st.DrawFn, private: bool = False) -> dict[str, Any]:
    """A statement of a resource policy."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    effect = draw(st.sampled_from(["Allow", "Allow", "Allow", "Allow", "Deny"]))
    negated = effect == "Deny" and "*" not in names and draw(st.booleans())  # IAM takes it of a Deny only
    return {
        "Effect": effect,
        "NotPrincipal" if negated else "Principal": "*" if "*" in names else {"AWS": names},
        **draw(st.sampled_from(ACTIONS)),
        draw(st.sampled_from(["Resource", "Resource", "Resource", "NotResource"])): draw(
            st.lists(st.sampled_from(RESOURCES), min_size=1, max_size=2, unique=True)
        ),
        **(
            {"Condition": block}
            if (block := draw(st.sampled_from(BEHIND if private else CONDITIONS)))
            else {}
        ),
    }


@st.composite
def entries(draw: st.DrawFn, private: bool = False) -> dict[str, Any]:
    """A call on each day."""
    call = draw(st.sampled_from(CALLS))
    signed = any(word in call for word in ("items", "any"))
    return {
        "by": draw(st.sampled_from(CALLERS)) if signed else "",
        "call": call,
        "from": draw(st.sampled_from(ADDRESSES)),
        **({"endpoint": draw(st.sampled_from(sorted(ENDPOINTS)))} if private else {}),
    }


@st.composite
def wide_statements(draw: st.DrawFn) -> dict[str, Any]:
    """A statement that lets in whole accounts, or everybody, so that calls come in."""
    names = draw(st.sampled_from([["*"], [PARTNER], NAMES[1:3], NAMES[2:7]]))
    return {
        "Effect": "Allow",
        "Principal": "*" if names == ["*"] else {"AWS": names},
        "Action": "execute-api:Invoke",
        "Resource": draw(st.sampled_from(RESOURCES[:3])),
    }


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    """An API, its callers, its calls, and what is asked of them."""
    private = draw(st.booleans())
    policy = [
        *draw(st.lists(wide_statements(), max_size=1)),
        *draw(st.lists(statements(private), min_size=1, max_size=2)),
    ]
    is_read = draw(st.booleans())
    log = draw(st.lists(entries(private), min_size=1, max_size=6))
    return {
        "methods": METHODS,
        "private": private,
        "stages": {"prod": None, "dev": None if is_read else {"none": 1}},
        "people": {name: draw(st.sampled_from([OWN[0], OWN[0], *OWN])) for name in CALLERS},
        "known": draw(st.sampled_from([[PARTNER], [PARTNER], []])),
        **({"policy": policy} if draw(st.integers(0, 5)) else {}),
        "log": [one for one in log if is_read or one["call"].startswith("prod")],
        "require": draw(st.sampled_from([[], [], ["source-ip"], ["vpce"], ["org"]])),
        "max_blocks": draw(st.sampled_from([1, 10])),
    }


@pytest.mark.sweep
@settings(
    max_examples=1500 if THOROUGH else 40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(worlds())
def test_no_call_is_lost_and_nothing_is_wider(tmp_path: Path, case: dict[str, Any]) -> None:
    assume(case["log"])
    judge(case, tmp_path)


def test_who_comes_by_a_not_resource_where_the_account_is_let_in_whole_still_comes(tmp_path: Path) -> None:
    """The method has other paths than the one that was called, and the caller's own policies allow only those."""
    account = {
        "Effect": "Allow",
        "Principal": {"AWS": ["arn:aws:iam::111122223333:root"]},
        "Action": "execute-api:Invoke",
        "Resource": "execute-api:/*",
    }
    everyone = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "execute-api:Invoke",
        "NotResource": ["execute-api:/*/GET/items*"],
    }
    own = {
        "Effect": "Allow",
        "Action": "execute-api:Invoke",
        "Resource": "arn:aws:execute-api:*:*:*/*/GET/items*",
    }
    case = {
        "methods": METHODS,
        "private": False,
        "stages": {"prod": None, "dev": None},
        "people": dict.fromkeys(CALLERS, OWN[0]) | {"user/ana": [own]},
        "known": [PARTNER],
        "policy": [account, everyone],
        "log": [
            {"by": "user/ana", "call": "prod PUT /any/a/b", "from": "203.0.113.7"},
            {"by": CALLERS[0], "call": "dev GET /items", "from": "203.0.113.7"},
        ],
        "require": [],
        "max_blocks": 1,
    }
    judge(case, tmp_path)


def test_whom_today_names_stays_named_where_only_the_account_would_be_left(tmp_path: Path) -> None:
    """The log has the route; the caller's own policies allow another path of it than the one that was called."""
    everyone = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "execute-api:Invoke",
        "Resource": ["execute-api:/*"],
    }
    account = {
        "Effect": "Allow",
        "Principal": {"AWS": ["arn:aws:iam::111122223333:root"]},
        "Action": "execute-api:Invoke",
        "NotResource": ["execute-api:/dev/*"],
    }
    others = {"Effect": "Allow", "Action": "*", "NotResource": ["arn:aws:execute-api:*:*:*/*/*/items/7"]}
    call = {
        "by": "role/orders",
        "call": "prod GET /items/7",
        "from": "203.0.113.7",
        "endpoint": "vpce-0aaa0aaa",
    }
    case = {
        "methods": METHODS,
        "private": True,
        "stages": {"prod": None, "dev": {"none": 1}},
        "people": dict.fromkeys(CALLERS, OWN[0]) | {"role/orders": [others]},
        "known": [PARTNER],
        "policy": [everyone, account],
        "log": [call],
        "require": [],
        "max_blocks": 1,
    }
    judge(case, tmp_path)
    found = suggestion_of(case, tmp_path)
    assert found.policy is not None
    assert "arn:aws:iam::111122223333:role/orders" in found.policy.to_json()


def test_a_part_on_which_a_caller_needs_no_policy_of_his_own_stays_beside_the_whole(tmp_path: Path) -> None:
    """The account lets in the whole method; everybody one path of it, and it is just that path that was called."""
    accounts = {
        "Effect": "Allow",
        "Principal": {"AWS": ["arn:aws:iam::111122223333:root"]},
        "Action": "execute-api:Invoke",
        "Resource": "execute-api:/*",
    }
    one_path = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "execute-api:Invoke",
        "Resource": ["execute-api:/prod/GET/items/7"],
    }
    others = {"Effect": "Allow", "Action": "*", "NotResource": ["arn:aws:execute-api:*:*:*/*/*/items/7"]}
    case = {
        "methods": METHODS,
        "private": False,
        "stages": {"prod": None, "dev": {"none": 1}},
        "people": dict.fromkeys(CALLERS, OWN[0]) | {"user/ana": [others]},
        "known": [PARTNER],
        "policy": [accounts, one_path],
        "log": [{"by": "user/ana", "call": "prod GET /items/7", "from": "203.0.113.7"}],
        "require": [],
        "max_blocks": 1,
    }
    judge(case, tmp_path)


@pytest.mark.sweep
@settings(max_examples=600 if THOROUGH else 15, deadline=None)
@given(worlds(), st.randoms(use_true_random=False))
def test_may_lets_nobody_in_whom_the_judge_does_not(case: dict[str, Any], chance: random.Random) -> None:
    world = World(accounts_of(case))
    api = world.api(API)
    assert api
    places = sorted(ENDPOINTS) if case["private"] else [""]
    every = [*product([*CALLERS, ""], CALLS, [*ADDRESSES, "192.0.2.1"], places)]
    for by, call, address, endpoint in chance.sample(every, 25):
        stage, verb, path = call.split(" ")
        arn, unique_id = who(by) if by else ("", "")
        party = Party("AWS", arn, "s1" if ":role/" in arn else "", unique_id) if by else NOBODY
        context = {"aws:VpcSourceIp" if case["private"] else "aws:SourceIp": (address,)}
        passed = Authorized("allow") if METHODS[route_of(case, verb, path)] in {"POOL", "TOKEN"} else None
        asked = Invocation(API, stage, verb, path, party, context, endpoint, authorized=passed)
        found = decide(world, api, asked)
        truth = may_call(
            case, by, call, _context(case, address, endpoint), case.get("policy"), case["people"]
        )
        assert truth or found.outcome != "ALLOWED", (asked, found)
        assert not found.certain or (found.outcome == "ALLOWED") == truth, (asked, found)


FAULTS = {
    "a Deny goes": (
        "policygen.rightsize.api.draft.document_of",
        lambda *given: ResourcePolicy(tuple(document_of(*given).allows)),
    ),
    "a caller is lost": (
        "policygen.rightsize.api.draft.document_of",
        lambda today, parts, *more: document_of(today, parts[:-1], *more),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_search_finds_a_fault_that_is_planted(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(*FAULTS[fault])
    monkeypatch.setattr("policygen.rightsize.api.suggest.require_promises", lambda *_: None)

    @settings(max_examples=150, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(worlds())
    def search(case: dict[str, Any]) -> None:
        assume(case["log"])
        judge(case, tmp_path)

    with pytest.raises(AssertionError):
        search()


def judge(case: dict[str, Any], tmp_path: Path) -> None:
    """Fail where a suggestion loses what came and today's policies allow, or allows what today's do not."""
    today, people = case.get("policy"), case["people"] | dict.fromkeys(STRANGERS, OWN[0])
    came = [
        (one["by"], one["call"], _context(case, one["from"], one.get("endpoint", ""))) for one in case["log"]
    ]
    came = [asked for asked in came if may_call(case, *asked, today, people)]
    found = suggestion_of(case, tmp_path)
    new = json.loads(found.policy.to_json())["Statement"] if found.policy else today
    own = {
        name: json.loads(one.policy.to_json())["Statement"]
        for name in case["people"]
        for one in found.callers
        if one.policy and one.party.name == who(name)[0] and not one.is_proposal
    }
    after = {**people, **own}
    for asked in came:
        assert may_call(case, *asked, new, after), (asked, new, after)
    everybody = [*people, ""]
    places = sorted(ENDPOINTS) if case["private"] else [""]
    addresses = ADDRESSES[:1] if case["private"] else (*ADDRESSES, "203.0.113.99", "192.0.2.1")
    for by, call, address, endpoint in product(everybody, CALLS, addresses, places):
        context = _context(case, address, endpoint)
        if may_call(case, by, call, context, new, after):
            assert may_call(case, by, call, context, today, people), (by, call, context, new, after)


def _context(case: dict[str, Any], address: str, endpoint: str) -> dict[str, str]:
    """Return the condition keys of a request: behind an endpoint, addresses have another one."""
    return (
        {"aws:VpcSourceIp": address, "endpoint": endpoint} if case["private"] else {"aws:SourceIp": address}
    )


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(worlds(), st.randoms(use_true_random=False))
def test_order_repetition_and_splitting_change_no_byte(
    tmp_path: Path, case: dict[str, Any], chance: random.Random
) -> None:
    case["stages"] = {"prod": None, "dev": None}
    assume(case["log"])
    rows, found = lines(case), []
    for mixed in (rows, [*rows, *chance.sample(rows, len(rows) // 2)]):
        folder = Path(mkdtemp(dir=tmp_path))
        if mixed is not rows:
            chance.shuffle(mixed)
        half = chance.randrange(1, len(mixed))
        for number, part in enumerate((mixed[:half], mixed[half:])):
            (folder / f"{number}.log").write_text("\n".join(part) + "\n")
        found.append(api_json(suggestion_from([folder], case)))
    assert found[0] == found[1]


ADDRESS = st.one_of(
    st.builds(
        lambda net, host: str(IPv4Address(net << 24 | host << 4)), st.integers(1, 5), st.integers(0, 63)
    ),
    st.builds(
        lambda net, host: str(IPv6Address(net << 80 | host << 64)), st.integers(1, 3), st.integers(0, 99)
    ),
)


@given(st.sets(ADDRESS, min_size=1, max_size=20), st.integers(1, 8))
def test_blocks_of_addresses_hold_each_of_them_and_are_no_larger_than_a_network(
    addresses: set[str], most: int
) -> None:
    networks = {
        ip_network(f"{one}/{ONE_NETWORK[ip_address(one).version]}", strict=False) for one in addresses
    }
    blocks = [ip_network(one) for one in address_blocks(addresses, most)]
    assert bool(blocks) == (len(networks) <= most)
    assert len(blocks) <= most
    assert all(any(ip_address(one) in block for block in blocks) for one in addresses if blocks)
    assert all(block.prefixlen >= ONE_NETWORK[block.version] for block in blocks)
    assert all(any(ip_address(one) in block for one in addresses) for block in blocks)
