"""Random roles of administrators, and near ones: of each a policy must come out, within IAM's quotas and no wider.

Their policies are AdministratorAccess, everything but some services, many managed policies at the size limit, lists of
readers, conditions, NotResource, Deny statements, boundaries. The trail logs all, reads, writes or nothing that is
known, with IAM's last-accessed report or without one.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from policygen.errors import PolicygenError
from policygen.iam import reference
from policygen.iam.document import Policy, parse_policy
from policygen.iam.evaluate import Evaluator
from policygen.iam.request import AccessRequest
from policygen.rightsize.generate.pack import INLINE_LIMIT, MANAGED_COUNT, MANAGED_LIMIT
from policygen.rightsize.suggestion import Suggestion
from tests.judges.iam_simulate.judge import row as judge_row
from tests.support.golden import Case, run

ACCOUNT = "123456789012"
_REGIONS = ("us-east-1", "eu-west-1")
_SERVICES = sorted(reference.prefixes())
_ACTIONS = sorted(name for service in _SERVICES for name in reference.action_names(service))
_QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:jobs"
_EVENTS: list[tuple[dict[str, Any], str, str]] = [
    (
        {"source": "ssm", "name": "GetParameter", "params": {"name": "/app/a"}, "reads": True},
        "ssm:GetParameter",
        f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/app/a",
    ),
    (
        {"source": "ec2", "name": "DescribeInstances", "params": {}, "reads": True},
        "ec2:DescribeInstances",
        "*",
    ),
    (
        {"source": "sqs", "name": "CreateQueue", "params": {"queueName": "jobs"}},
        "sqs:CreateQueue",
        _QUEUE,
    ),
    ({"source": "ecs", "name": "ListClusters", "params": {}, "reads": True}, "ecs:ListClusters", "*"),
]
_IN_REGION = {"StringEquals": {"aws:RequestedRegion": ["us-east-1"]}}
_CONDITIONS: list[dict[str, Any]] = [
    {},
    {},
    _IN_REGION,
    {"Bool": {"aws:SecureTransport": "true"}},
    {"StringEquals": {"aws:ResourceTag/team": ["a", "b"]}},
]


class Judged(NamedTuple):
    """What came of one account."""

    problems: list[str]
    """What a policy must not be; one line each."""
    rows: list[dict[str, Any]]
    """Questions to the outside judge, each with what it must not answer under ``not``."""
    sizes: tuple[int, ...]
    """Characters of each document; () where there is none."""
    besides: int
    """Actions that stay only because the rest does not fit without them."""


def random_case(seed: str, *, with_report: bool = True) -> Case:
    """A golden case of chance, the same for the same seed."""
    chance = random.Random(f"wide {seed}")
    chosen = chance.sample(_EVENTS, chance.randint(1, len(_EVENTS)))
    wanted = [action for _, action, _ in chosen]
    documents = _policies(chance, wanted)
    today: dict[str, Any] = {"trails": _trails(chance)}
    small = [one for one in documents if _size(one) <= 2_000]
    if len(documents) == 1 and _size(documents[0]) < INLINE_LIMIT:
        today["policies"] = documents
    else:
        today["policies"] = small[:1]
        rest = [one for one in documents if one not in small[:1]]
        today["attached"] = {f"arn:aws:iam::{ACCOUNT}:policy/wide-{i}": one for i, one in enumerate(rest)}
    if chance.random() < 0.3:
        today["boundary"] = _boundary(chance, wanted)
    if with_report:
        services = {one.partition(":")[0] for one in wanted}
        rows = {one: None for one in _SERVICES if one not in services and chance.random() < 0.9}
        today["last_accessed"] = rows | dict.fromkeys(services, "2026-11-03T08:00:00Z")
    return {"name": f"seed {seed}", "events": [event for event, _, _ in chosen], "today": today}


def _size(document: dict[str, Any]) -> int:
    return len(json.dumps(document, separators=(",", ":")))


def _document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _policies(chance: random.Random, wanted: Sequence[str]) -> list[dict[str, Any]]:
    kind = chance.choice(
        ["admin", "power", "except", "except", "conditions", "many", "many", "readers", "mixed"]
    )
    condition = chance.choice(_CONDITIONS)
    under = {"Condition": condition} if condition else {}
    used = {one.partition(":")[0] for one in wanted}
    others = [one for one in _SERVICES if one not in used]
    base = {"Effect": "Allow", "Action": sorted(wanted), "Resource": "*"}
    if kind == "admin":
        found = [_document({"Effect": "Allow", "Action": "*", "Resource": "*"})]
    elif kind == "power":
        found = [
            _document(
                {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"},
                {
                    "Effect": "Allow",
                    "Action": [
                        "account:GetAccountInformation",
                        "iam:CreateServiceLinkedRole",
                        "iam:ListRoles",
                    ],
                    "Resource": "*",
                },
            )
        ]
    elif kind == "except":
        left_out = chance.sample([*(f"{one}:*" for one in others), "iam:Create*"], chance.randint(1, 60))
        found = [
            _document({"Effect": "Allow", "NotAction": sorted(left_out), **_where(chance)} | under, base)
        ]
    elif kind == "conditions":
        found = [
            _document(
                {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": _IN_REGION},
                {"Effect": "Allow", "NotAction": ["iam:*"], "Resource": "*"} | under,
                base,
            )
        ]
    elif kind == "readers":
        patterns = [f"{one}:{verb}*" for one in _SERVICES for verb in ("Get", "List", "Describe")]
        found = [
            _document({"Effect": "Allow", "Action": chance.sample(patterns, 800), "Resource": "*"}, base)
        ]
    elif kind == "many":
        number = chance.randint(4, MANAGED_COUNT - 1)
        found = [_filled(chance) for _ in range(number)] + [_document(base)]
    else:
        names = sorted(chance.sample(_ACTIONS, 150))
        services = [f"{one}:*" for one in chance.sample(others, 40)]
        found = [
            _document({"Effect": "Allow", "Action": services, "Resource": "*"} | under, base),
            _document({"Effect": "Allow", "Action": names, **_where(chance)}),
        ]
    if chance.random() < 0.4:
        found.append(_document(*_denies(chance, others)))
    return found


def _where(chance: random.Random) -> dict[str, Any]:
    """Resource or NotResource of a statement."""
    if chance.random() < 0.3:
        return {"NotResource": ["arn:aws:s3:::secret/*", f"arn:aws:iam::{ACCOUNT}:role/admin"]}
    return {"Resource": "*"}


def _filled(chance: random.Random) -> dict[str, Any]:
    """A managed policy at the size limit: names of actions, or services, on names of many services."""
    condition = chance.choice(_CONDITIONS)
    under = {"Condition": condition} if condition else {}
    kind = chance.choice(["names", "services", "mixed", "except"])
    names = [
        f"arn:aws:s3:::bucket-{chance.randint(0, 999)}/*",
        f"arn:aws:sqs:*:{ACCOUNT}:q-{chance.randint(0, 99)}",
    ]
    statement: dict[str, Any] = {"Effect": "Allow", "Resource": chance.choice(["*", names])} | under
    if kind == "except":
        statement = {
            "Effect": "Allow",
            "NotAction": [],
            "Resource": "*",
            "Condition": condition or _IN_REGION,
        }
    element = "NotAction" if kind == "except" else "Action"
    pool = [f"{one}:*" for one in _SERVICES] if kind in ("services", "except") else list(_ACTIONS)
    chance.shuffle(pool)
    room = MANAGED_LIMIT - _size(_document(statement | {element: []}))
    chosen: list[str] = []
    for one in pool:
        if sum(len(name) + 3 for name in chosen) + len(one) + 3 > room:
            break
        chosen.append(one)
    return _document(statement | {element: sorted(chosen)})


def _denies(chance: random.Random, others: Sequence[str]) -> Iterator[dict[str, Any]]:
    yield {"Effect": "Deny", "Action": [f"{one}:*" for one in chance.sample(others, 3)], "Resource": "*"}
    if chance.random() < 0.5:
        spared = ["iam:*", "sts:*", "support:*", "ssm:*", "ec2:*", "sqs:*", "ecs:*"]
        elsewhere = {"StringNotEquals": {"aws:RequestedRegion": list(_REGIONS)}}
        yield {"Effect": "Deny", "NotAction": spared, "Resource": "*", "Condition": elsewhere}


def _boundary(chance: random.Random, wanted: Sequence[str]) -> dict[str, Any]:
    used = sorted({one.partition(":")[0] for one in wanted})
    services = sorted({*used, *chance.sample(_SERVICES, 120)})
    allow: dict[str, Any] = {"Effect": "Allow", "Action": [f"{one}:*" for one in services], "Resource": "*"}
    if chance.random() < 0.5:
        allow = {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*"], "Resource": "*"}
    return _document(allow)


def _trails(chance: random.Random) -> Any:
    kind = chance.choice(["management", "management", "all", "reads", "writes"])
    if kind in ("management", "all"):
        return kind
    fields = [
        {"Field": "eventCategory", "Equals": ["Management"]},
        {"Field": "readOnly", "Equals": ["true" if kind == "reads" else "false"]},
    ]
    return [{"advanced": [{"FieldSelectors": fields}]}]


# --- Judging ---------------------------------------------------------------------------------------


def judged(seed: str, *, with_report: bool = True) -> Judged:
    """Right-size the role of one account, and judge what comes out."""
    case = random_case(seed, with_report=with_report)
    with tempfile.TemporaryDirectory() as folder:
        try:
            made = run(case, Path(folder)).suggestion
        except PolicygenError as error:
            return Judged([f"seed {seed}: no policy, {error.code}: {error.message}"], [], (), 0)
    problems = [f"seed {seed}: {one}" for one in (*_quotas(made.policies), *_needs(made))]
    rows = list(_questions(case, made, random.Random(f"ask {seed}")))
    after = Evaluator(made.policies, made.boundary, complete=True)
    before = Evaluator(made.today or (), made.boundary, complete=True)
    for one in rows:
        request = AccessRequest(one["action"], one["resource"], context=_context(one))
        mine = {"after": after, "before": before}[one["which"]].evaluate(request).outcome
        one["ours"] = mine
    problems += [f"seed {seed}: {one}" for one in objections(rows, [one["ours"] for one in rows])]
    besides = {
        keep.grant.action for keep in made.keeps if keep.blind_spot and keep.blind_spot.id == "does-not-fit"
    }
    return Judged(problems, rows, tuple(policy.size for policy in made.policies), len(besides))


def objections(rows: Sequence[dict[str, Any]], answers: Sequence[str]) -> list[str]:
    """Return what the answers of a judge say against the policies of an account."""
    found = []
    for (after, now), (_, was) in zip(
        zip(rows[::2], answers[::2], strict=True), zip(rows[1::2], answers[1::2], strict=True), strict=True
    ):
        what = f"{after['action']} on {after['resource']}"
        if now == "ALLOWED" != was:
            found.append(f"{what} is allowed, and was not")
        if after["kept"] and was == "ALLOWED" != now:
            found.append(f"{what} is needed or unverified, and is not allowed")
    return found


def _context(row: dict[str, Any]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple(sorted((key, tuple(values)) for key, values in row["context"].items()))


def _quotas(policies: Sequence[Policy]) -> Iterator[str]:
    limit = INLINE_LIMIT if len(policies) == 1 else MANAGED_LIMIT
    if len(policies) > MANAGED_COUNT or any(policy.size > limit for policy in policies):
        yield f"it does not fit: {[policy.size for policy in policies]}"
    for policy in policies:
        parse_policy(policy.to_json())
        sids = [statement.sid for statement in policy.statements if statement.sid]
        if len(sids) != len(set(sids)):
            yield f"{policy.name} has a Sid twice"


def _needs(made: Suggestion) -> Iterator[str]:
    if not made.proof.held:
        yield f"not proved: {[check.finding for check in made.proof.checks if not check.held]}"


def _questions(case: Case, made: Suggestion, chance: random.Random) -> Iterator[dict[str, Any]]:
    """Yield questions in pairs: what the new policies allow, and what today's did."""
    kept = sorted(
        {(keep.grant.action, keep.grant.resource) for keep in made.keeps if keep.grant.conditions == ()}
    )
    unverified = [one for one in kept if one[1] == "*" and not any(sign in one[0] for sign in "*?")]
    seen = [(action, resource) for event, action, resource in _EVENTS if event in case["events"]]
    asked = [(*one, True) for one in seen]
    asked += [(*one, True) for one in chance.sample(unverified, min(25, len(unverified)))]
    known = {action.lower() for action, _ in kept}
    asked += [(one, "*", one.lower() in known and (one, "*") in kept) for one in chance.sample(_ACTIONS, 40)]
    documents = [policy.to_dict() for policy in made.policies]
    today = [policy.to_dict() for policy in made.today or ()]
    boundary = made.boundary.to_dict() if made.boundary else None
    for action, resource, needed in asked:
        context: dict[str, Sequence[str]] = {
            "aws:RequestedRegion": [chance.choice(_REGIONS)],
            "aws:SecureTransport": ["true"],
        }
        for which, policies in (("after", documents), ("before", today)):
            asking = judge_row(policies, action, resource, context, boundary)
            yield asking | {"which": which, "kept": needed}
