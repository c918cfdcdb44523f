"""Check suggestions for random roles with our evaluator and the outside judge.

A pair is the current access of a random role and a log. A third of the log's calls do not name the whole resource. For
each pair a policy is suggested. Requests are evaluated against the suggested and the current policies: requests of the
log, names that the new policy's patterns match, and similar ones. What must hold:

- never wider: the current policies allow whatever the new policy allows;
- nothing lost: the new policy allows whatever request of the log the current policies allow;
- sufficient: of each request that the proof counts as allowed, the new policy within the role's bounds allows the
  name, or one of the names that its pattern stands for;
- no suggestion ends with a promise that does not hold (PG-E401).

    python -m tests.judges.iam_simulate.pairs 10000 1

checks 10,000 pairs made with seed 1, and prints the number of requests, the time, and the differences. A third number
is the first pair, so that parts of a search can run one after another: ``2500 1 5000``.
"""

from __future__ import annotations

import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from policygen.account.current import CurrentAccess
from policygen.account.model import Trail
from policygen.errors import PolicygenError
from policygen.evidence.coverage.coverage import Coverage, coverage_of
from policygen.evidence.usage import Usage
from policygen.iam import arn, reference
from policygen.iam.document import Policy, parse_policy
from policygen.iam.evaluate import Evaluator
from policygen.iam.example_requests import example_names
from policygen.iam.request import AccessRequest, Context, RoleKey
from policygen.logs.calls.evidence import Evidence
from policygen.logs.window import window_of
from policygen.logs.window_end import WindowEnd
from policygen.rightsize.suggest import suggest
from policygen.rightsize.suggestion import Suggestion
from tests.judges.iam_simulate.cases import context_of, document, guardrails_of
from tests.judges.iam_simulate.judge import available, judge, row
from tests.judges.iam_simulate.names import names_in_common, patterns_about, with_values

ACCOUNT = "123456789012"
Document = dict[str, Any]

# --- What pairs are made from: actions, names for the log, and patterns for current policies --------------------


@dataclass(frozen=True)
class Service:
    """A service with observed calls. `kinds` is resource type -> (actions, names)."""

    patterns: tuple[str, ...]
    kinds: dict[str, tuple[tuple[str, ...], tuple[str, ...]]]
    resources: tuple[str, ...]


def _arns(text: str, *names: str) -> tuple[str, ...]:
    return tuple(text.replace("@", name) for name in names)


SERVICES = {
    "s3": Service(
        ("s3:*", "s3:Get*", "s3:*Object", "S3:getobject", "s3:?etObject", "s3:*Object*"),
        {
            "object": (
                ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
                (
                    *_arns("arn:aws:s3:::shop/@", "in/2026/11/01.json", "in/2026/11/02.json", "cfg.json"),
                    *_arns("arn:aws:s3:::shop/@", "in/a", "b/c"),
                    *_arns("arn:aws:s3:::shop-eu/@", "a", "team/red/1", "ann/1.txt"),
                ),
            ),
            "bucket": (("s3:ListBucket", "s3:GetBucketLocation"), _arns("arn:aws:s3:::@", "shop", "shop-eu")),
        },
        _arns(
            "arn:aws:s3:::@", "*", "shop", "shop/*", "shop*", "shop/in/*", "shop/in/20??/*", "*/in/*", "shop-??/*",
            "*.json", "shop-eu/${aws:username}/*", "shop-eu/team/${aws:PrincipalTag/team}/*", "*/a", "shop-eu",
        ),
    ),
    "sqs": Service(
        ("sqs:*", "sqs:*Message", "SQS:sendmessage", "sqs:*Message*"),
        {
            "queue": (
                ("sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage"),
                _arns(f"arn:aws:sqs:@:{ACCOUNT}:orders", "eu-west-1", "us-east-1")
                + _arns(f"arn:aws:sqs:eu-west-1:{ACCOUNT}:@", "bills", "orders-dlq"),
            )
        },
        (
            f"arn:aws:sqs:*:{ACCOUNT}:orders", f"arn:aws:sqs:eu-*-1:{ACCOUNT}:*", "arn:aws:sqs:eu-west-1:*:orders*",
            f"arn:aws:sqs:*:{ACCOUNT}:*",
        ),
    ),
    "dynamodb": Service(
        ("dynamodb:*", "dynamodb:Get*", "dynamodb:*Item", "dynamodb:Q*"),
        {
            "table": (
                ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:DescribeTable"),
                _arns(f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/@", "carts", "orders", "orders-old"),
            ),
            "index": (("dynamodb:Query",), (f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/orders/index/by-day",)),
        },
        (
            f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/*", f"arn:aws:dynamodb:*:{ACCOUNT}:table/orders*",
            "arn:aws:dynamodb:*:*:table/*/index/*", f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/?????",
        ),
    ),
    "kms": Service(
        ("kms:*", "kms:*crypt", "kms:Decrypt"),
        {"key": (("kms:Decrypt", "kms:Encrypt"), _arns(f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/@", "1111", "2222"))},
        (f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/*", f"arn:aws:kms:*:{ACCOUNT}:key/1111"),
    ),
    "secretsmanager": Service(
        ("secretsmanager:*", "secretsmanager:Get*"),
        {
            "secret": (
                ("secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"),
                _arns(f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:@", "db-AbCdEf", "api-GhIjKl"),
            )
        },
        (
            f"arn:aws:secretsmanager:*:{ACCOUNT}:secret:*",
            f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:db-??????",
        ),
    ),
    "ecr": Service(
        ("ecr:*", "ecr:Get*", "ecr:Describe*"),
        {"": (("ecr:GetAuthorizationToken", "ecr:DescribeRegistry"), ("*",))},
        ("arn:aws:ecr:*:*:repository/*",),
    ),
}  # fmt: skip

KEYS: dict[str, list[str]] = {
    "aws:username": ["ann", "bob"],
    "aws:PrincipalTag/team": ["red", "blue", "Red"],
    "aws:RequestedRegion": ["eu-west-1", "us-east-1"],
    "aws:SourceIp": ["10.1.2.3", "203.0.113.9", "2001:db8::1"],
    "aws:PrincipalArn": [f"arn:aws:iam::{ACCOUNT}:role/app/{name}" for name in ("a", "b")],
    "aws:SecureTransport": ["true", "false"],
    "s3:max-keys": ["1", "10", "200", "10.5"],
    "aws:CurrentTime": ["2026-11-01T00:00:00Z", "2026-12-01T12:30:00+02:00"],
    "aws:TagKeys": ["env", "team", "cost"],
}
MANY = frozenset({"aws:TagKeys"})
"""Keys with several values in a request."""
STRINGS = ["StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"]
STRINGS += ["StringLike", "StringNotLike"]
COMPARISONS = ["Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"]
BLOCKS: list[tuple[list[str], list[str], list[str]]] = [
    (STRINGS, ["aws:PrincipalTag/team"], ["red", "RED", "r*", "?ed", "*", "blue"]),
    (STRINGS, ["aws:RequestedRegion", "AWS:requestedregion"], ["eu-west-1", "eu-*", "us-east-?"]),
    (["StringEquals", "StringLike"], ["aws:PrincipalTag/team"], ["${aws:username}", "${aws:RequestedRegion, 'red'}"]),
    (["IpAddress", "NotIpAddress"], ["aws:SourceIp"], ["10.0.0.0/8", "203.0.113.9/32", "2001:db8::/32"]),
    (
        ["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"],
        ["aws:PrincipalArn"],
        [f"arn:aws:iam::{ACCOUNT}:role/app/a", "arn:aws:iam::*:role/app/*", "arn:aws:iam::*:user/*"],
    ),
    (["Bool"], ["aws:SecureTransport"], ["true", "false", "TRUE"]),
    (["Null"], list(KEYS), ["true", "false"]),
    ([f"Numeric{c}" for c in COMPARISONS], ["s3:max-keys"], ["1", "10", "10.0", "-3", "1000"]),
    ([f"Date{c}" for c in COMPARISONS], ["aws:CurrentTime"], ["2026-11-01T00:00:00Z", "2026-12-01T10:30:00Z"]),
    (
        [f"{q}:{operator}" for q in ("ForAllValues", "ForAnyValue") for operator in STRINGS],
        ["aws:TagKeys"],
        ["env", "ENV", "te*", "*", "cost"],
    ),
]  # fmt: skip
"""Without the operators that disagreements.json lists, so that the judge can evaluate everything."""

# --- A pair -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Observed:
    """A request as the log records it (`told`), and as IAM evaluated it (`whole`)."""

    told: AccessRequest
    whole: AccessRequest


@dataclass(frozen=True)
class Pair:
    """A role: the documents of its current access, and its observed requests."""

    policies: list[Document]
    boundary: Document | None
    scps: list[list[Document]]
    rcps: list[Document]
    observed: tuple[Observed, ...]
    data_events: bool

    def today(self) -> CurrentAccess:
        return CurrentAccess(
            tuple(parse_policy(one, f"p{n}") for n, one in enumerate(self.policies)),
            None if self.boundary is None else parse_policy(self.boundary, "boundary"),
            guardrails=tuple(map(tuple, guardrails_of(self.scps, self.rcps))),
            account=ACCOUNT,
        )


def some(chance: random.Random, choices: Sequence[str], most: int) -> list[str]:
    return chance.sample(list(choices), chance.randint(1, min(most, len(choices))))


def random_conditions(chance: random.Random) -> dict[str, dict[str, list[str]]]:
    block: dict[str, dict[str, list[str]]] = {}
    for operators, keys, values in chance.sample(BLOCKS, chance.choice([0, 0, 0, 1, 1, 2])):
        operator = chance.choice(operators)
        if operator != "Null" and not operator.startswith("ForAnyValue"):
            operator += chance.choice(["", "", "IfExists"])
        key = chance.choice(keys)
        taken = {name.lower() for name in block.get(operator, ())}
        if key.lower() not in taken:
            block.setdefault(operator, {})[key] = some(chance, values, 2)
    return block


def random_statement(chance: random.Random, services: Sequence[Service], deny: float) -> Document:
    kinds = [kind for service in services for kind in service.kinds.values()]
    actions = [
        *(a for service in services for a in service.patterns),
        *(a for kind in kinds for a in kind[0]),
    ]
    resources = [
        "*",
        *(r for service in services for r in service.resources),
        *(n for kind in kinds for n in kind[1]),
    ]
    denies = chance.random() < deny
    element: Document = {"Effect": "Deny" if denies else "Allow"}
    if not denies and chance.random() < 0.4:  # or little would be allowed
        element |= {"Action": [chance.choice(service.patterns) for service in services], "Resource": ["*"]}
    else:
        negated = chance.random() < 0.15
        if negated:
            resources = [resource for resource in resources if "${" not in resource and resource != "*"]
        # A proof about actions of every service takes long, so that such Allow statements are rare.
        everything = chance.random() < (0.15 if denies else 0.006)
        listed = some(chance, [*actions, "*"] if denies or chance.random() < 0.02 else actions, 3)
        element |= {"NotAction": listed} if everything else {"Action": listed}
        element["NotResource" if negated else "Resource"] = some(chance, resources, 3)
    conditions = random_conditions(chance)
    return element | ({"Condition": conditions} if conditions else {})


def random_policy(chance: random.Random, services: Sequence[Service], most: int = 4) -> Document:
    return document([random_statement(chance, services, 0.2) for _ in range(chance.randint(1, most))])


ALLOW_ALL: Document = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def random_level(chance: random.Random, services: Sequence[Service]) -> list[Document]:
    guard = random_policy(chance, services, 2)
    return [document([ALLOW_ALL]), guard] if chance.random() < 0.8 else [guard]


def random_rcp(chance: random.Random, services: Sequence[Service]) -> Document:
    statement = random_statement(chance, services, 1.0)
    # An RCP names its actions, by service.
    listed = statement.pop("NotAction", None) or statement.pop("Action")
    statement["Action"] = [action for action in listed if action != "*"] or list(services[0].patterns[:1])
    return document([statement | {"Principal": "*"}])


def random_context(chance: random.Random) -> dict[str, list[str]]:
    return {
        key: some(chance, values, 2 if key in MANY else 1)
        for key, values in KEYS.items()
        if chance.random() < 0.6
    }


def _known_to_all(context: dict[str, Any]) -> dict[str, Any]:
    """Return the keys that every action has: the judge drops others for a request without a resource."""
    return {key: values for key, values in context.items() if key not in ("s3:max-keys", "aws:TagKeys")}


def random_request(chance: random.Random, services: Sequence[Service]) -> Observed:
    service = chance.choice(list(services))
    kind = chance.choice(list(service.kinds))
    actions, names = service.kinds[kind]
    context = random_context(chance)
    if names == ("*",):
        context = _known_to_all(context)
    told = {key: values for key, values in context.items() if chance.random() < 0.4}
    action, name = chance.choice(actions), chance.choice(names)
    whole = AccessRequest(action, name, kind, context_of(context))
    return Observed(as_told(chance, whole._replace(context=context_of(told))), whole)


def as_told(chance: random.Random, request: AccessRequest) -> AccessRequest:
    """Return a request as a record tells it: in a third of the cases only as a pattern of names."""
    if request.resource == "*" or chance.random() < 2 / 3:
        return request
    place, resource = request.resource.split(":")[:5], request.resource.split(":", 5)[5]
    # The judge knows no wildcard in the resource type (disagreements.json).
    kind = next((len(one) for one in ("table/", "key/", "secret:") if resource.startswith(one)), 0)
    known = max(kind, chance.choice((0, 0, len(resource) // 3, len(resource) // 2, len(resource) - 1)))
    pattern = f"{resource[:known]}*"
    if chance.random() < 0.3:
        known = max(kind, len(resource) - 6)
        pattern = resource[:known] + "?" * (len(resource) - known)
    if place[3] and chance.random() < 0.1:
        place[3] = "*"
    return request._replace(resource=":".join((*place, pattern)), wild=True)


def random_pair(chance: random.Random) -> Pair:
    """Return one role and its log."""
    services = chance.sample(list(SERVICES.values()), 2)
    return Pair(
        policies=[random_policy(chance, services) for _ in range(chance.randint(1, 2))],
        boundary=random_policy(chance, services) if chance.random() < 0.25 else None,
        scps=[random_level(chance, services) for _ in range(chance.choice([0, 0, 0, 1, 2]))],
        rcps=[random_rcp(chance, services)] if chance.random() < 0.15 else [],
        observed=tuple(random_request(chance, services) for _ in range(chance.randint(1, 8))),
        data_events=chance.random() < 0.5,
    )


# --- The suggestion ---------------------------------------------------------------------------------------

WINDOW = window_of(30, WindowEnd.parse("2026-11-24"))
ROLE = RoleKey(ACCOUNT, "AROA00000000000000001", f"arn:aws:iam::{ACCOUNT}:role/subject", "subject")
SEEN = Evidence(1, "2026-11-03T08:00:00Z", "2026-11-03T08:00:00Z", frozenset({"2026-11-03"}), ())


def usage_of_requests(requests: Sequence[AccessRequest]) -> Usage:
    """Return a usage of only these requests."""
    return Usage(
        role=ROLE,
        window=WINDOW,
        requests=dict.fromkeys(requests, SEEN),
        informational={},
        reasons={},
        sources={},
        denied={},
        unmapped={},
        no_permission={},
        unauthenticated=None,
        events=SEEN,
        calls=len(requests),
        regions=("eu-west-1",),
    )


@cache
def coverage(*, data_events: bool) -> Coverage:
    """Return the coverage of a multi-region trail, with or without the services' data events."""
    kinds = ["AWS::S3::Object", "AWS::SQS::Queue", "AWS::DynamoDB::Table"] if data_events else []
    selectors = [
        {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]},
        *(
            {
                "FieldSelectors": [
                    {"Field": "eventCategory", "Equals": ["Data"]},
                    {"Field": "resources.type", "Equals": [kind]},
                ]
            }
            for kind in kinds
        ),
    ]
    trail = Trail(
        name="all",
        arn="arn:aws:cloudtrail:eu-west-1:111122223333:trail/all",
        home_region="eu-west-1",
        multi_region=True,
        organization=False,
        global_events=True,
        bucket="logs",
        prefix="",
        logging=True,
        started="2025-01-01T00:00:00Z",
        stopped="",
        delivery_error="",
        selectors=None,
        advanced=tuple(selectors),
        raw={},
    )
    days = dict.fromkeys(WINDOW.dates(), 1)
    return coverage_of(WINDOW, days, ["eu-west-1"], [trail])


def suggested(pair: Pair) -> Suggestion | None:
    """Return the suggestion; None if nothing is to be granted, or if the policies would be too large (PG-E402).

    An error for a broken promise is raised.
    """
    try:
        return suggest(
            usage_of_requests([one.told for one in pair.observed]),
            coverage(data_events=pair.data_events),
            pair.today(),
        )
    except PolicygenError as error:
        if error.code in ("PG-E304", "PG-E402"):
            return None
        raise


# --- The requests to evaluate -----------------------------------------------------------------------------


def filled(pattern: str, chance: random.Random) -> str:
    """Return a name that a pattern matches if its variables have the values of KEYS."""

    def some_text(found: re.Match[str]) -> str:
        if found.group().startswith("${"):
            inner = found.group()[2:-1]
            return inner if inner in "*?$" else chance.choice(KEYS.get(inner, ["x"]))
        return "".join(chance.choices("ab0/-", k=1 if found.group() == "?" else chance.randrange(4)))

    return re.sub(r"\$\{[^{}]*\}|[*?]", some_text, pattern)


def beside(pair: Pair, made: Suggestion, chance: random.Random, most: int) -> Iterator[AccessRequest]:
    """Yield requests that the new policy's patterns match, and requests with another action, name or context."""
    grants = sorted({(grant.action, grant.resource) for grant in made.grants})
    actions = [
        action for service in SERVICES.values() for kind in service.kinds.values() for action in kind[0]
    ]
    names = [name for service in SERVICES.values() for kind in service.kinds.values() for name in kind[1]]
    contexts = [dict(one.whole.context) for one in pair.observed]
    for action, pattern in chance.sample(grants, min(len(grants), most)):
        name = chance.choice(names) if chance.random() < 0.2 or pattern == "*" else filled(pattern, chance)
        if chance.random() < 0.15 and name != "*":
            name += "x"
        asked = action if "*" not in action and chance.random() < 0.8 else chance.choice(actions)
        if asked.startswith("ecr:") and asked not in actions:
            continue  # the judge's list of actions without a resource is another
        # Requests for actions without a resource have the resource "*". The judge reads it as any name.
        if asked.startswith("ecr:"):
            name = "*"
        elif name == "*":
            name = chance.choice([one for one in names if one != "*"])
        context = dict(chance.choice(contexts)) if chance.random() < 0.5 else random_context(chance)
        if context and chance.random() < 0.3:
            context.pop(chance.choice(list(context)))
        if name == "*":
            context = _known_to_all(context)
        yield AccessRequest(asked, name, context=_context(context))


def _context(keys: dict[str, Any]) -> Context:
    return tuple((key, tuple(values)) for key, values in sorted(keys.items()))


@dataclass
class Verdict:
    """Numbers of evaluated requests, and the broken promises."""

    pairs: int = 0
    suggestions: int = 0
    asked: int = 0
    allowed: int = 0
    losses: int = 0
    unnamed: int = 0
    """Requests that name no whole resource and that a proof counts as allowed."""
    refused: int = 0
    """Requests that name no whole resource and that are reported as not allowed today."""
    wrong: list[str] = field(default_factory=list)
    """Broken promises by our evaluator."""
    judged_wrong: list[str] = field(default_factory=list)
    """Broken promises by the judge."""
    differing: list[str] = field(default_factory=list)
    """Requests about which the judge and our evaluator differ."""
    differences: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Question:
    """One request to evaluate against both sets of policies; `observed` if it is in the log."""

    pair: int
    request: AccessRequest
    observed: bool
    old: str
    new: str
    rows: tuple[dict[str, Any], dict[str, Any]]


def questions(
    number: int, pair: Pair, chance: random.Random, most: int = 6
) -> tuple[list[Question], Suggestion | None]:
    """Return the requests of one pair with our evaluator's outcomes."""
    made = suggested(pair)
    if made is None:
        return [], None
    today = pair.today()
    old, new = within(today, today.policies), within(today, made.policies)
    documents = [policy.to_dict() for policy in made.policies]
    asked = [(one.whole, True) for one in pair.observed]
    asked += [(request, False) for request in beside(pair, made, chance, most)]
    # The judge knows no star that reaches over a colon (disagreements.json).
    asked += [
        (one.request, False)
        for one in witnesses(pair, made)
        if one.told.wild and one.certain and one.request and one.request.resource.count(":") <= 5
    ]
    found = []
    for request, seen in asked:
        context = dict(request.context)

        def ask(
            policies: list[Document], request: AccessRequest = request, context: Any = context
        ) -> dict[str, Any]:
            return row(
                policies, request.action, request.resource, context, pair.boundary, pair.scps, pair.rcps
            )

        answers = old.evaluate(request).outcome, new.evaluate(request).outcome
        found.append(Question(number, request, seen, *answers, (ask(pair.policies), ask(documents))))
    return found, made


def within(today: CurrentAccess, policies: Sequence[Any], *, complete: bool = True) -> Evaluator:
    """Return an evaluator of policies within today's bounds."""
    return Evaluator(
        policies, today.boundary, complete=complete, guardrails=today.guardrails, account=ACCOUNT
    )


class Witness(NamedTuple):
    """A name that the new policy allows, of a request that a proof counts as allowed."""

    told: AccessRequest
    request: AccessRequest | None
    """None where no name was found."""
    certain: bool
    """Whether it is allowed whatever the context."""


def witnesses(pair: Pair, made: Suggestion) -> list[Witness]:
    """Look for an allowed name of each request that the proof counts as allowed.

    Names are evaluated one by one, as IAM evaluates them, so that this shares nothing with the code that judges
    patterns. The names lie inside and beside every pattern of the role's policies; where none of them is allowed, in
    several patterns at once.
    """
    today = pair.today()
    new = within(today, made.policies, complete=False)
    policies = [
        *made.policies,
        *today.policies,
        *filter(None, [today.boundary]),
        *sum(today.guardrails, ()),
    ]
    return [_witness(request, policies, new) for request in made.written]


def _witness(told: AccessRequest, policies: Sequence[Policy], new: Evaluator) -> Witness:
    found: AccessRequest | None = None
    for names in _names_of(told, policies):
        for name in names:
            request = told._replace(resource=name, wild=False)
            decision = new.evaluate(request)
            if decision.outcome == "ALLOWED":
                if decision.certain:
                    return Witness(told, request, certain=True)
                found = found or request
        if found:
            break
    return Witness(told, found, certain=False)


def _names_of(told: AccessRequest, policies: Sequence[Policy]) -> Iterator[Iterable[str]]:
    """Yield names that a request may stand for, those that take long to find last."""
    if not told.wild:
        yield [told.resource]
        return
    values = {key.lower(): value for key, value in told.context}
    pattern, known = with_values(told.resource, values), reference.action(told.action)
    listed = (name for service in SERVICES.values() for kind in service.kinds.values() for name in kind[1])
    fitting = (name for name in listed if arn.resource_matches(pattern, name))
    written = [one for policy in policies for statement in policy.statements for one in statement.resources]
    yield [*fitting, *example_names(pattern, (), written, known, most=200)]
    about = [with_values(one, values) for one in patterns_about(told.action, policies)]
    yield names_in_common(pattern, about, known)


def fault(question: Question, old: str, new: str) -> str:
    """Return the promise that two outcomes break, or ""."""
    asked = question.request
    what = f"pair {question.pair}: {asked.action} on {asked.resource}, {dict(asked.context)}"
    if new == "ALLOWED" and old != "ALLOWED":
        return f"wider: {what}"
    if question.observed and old == "ALLOWED" and new != "ALLOWED":
        return f"lost: {what}"
    return ""


def verdict(numbers: Sequence[int], seed: int, *, judged: bool, batch: int = 400) -> Verdict:
    """Check the pairs with these numbers. The same numbers and seed give the same pairs."""
    result = Verdict()
    waiting: list[Question] = []
    for number in numbers:
        chance = random.Random(f"{seed}/{number}")
        pair = random_pair(chance)
        result.pairs += 1
        try:
            found, made = questions(number, pair, chance)
        except PolicygenError as error:
            result.wrong.append(f"{error.code}: pair {number}: {error.message} {error.hints[:2]}")
            continue
        result.suggestions += made is not None
        if made:
            _look_at_unnamed(number, pair, made, result)
        result.losses += len(made.losses) if made else 0
        result.asked += len(found)
        result.allowed += sum(one.new == "ALLOWED" for one in found)
        result.wrong += [said for one in found if (said := fault(one, one.old, one.new))]
        waiting += found
        if judged and len(waiting) >= batch * 10:
            _ask_judge(waiting, result)
            waiting = []
    if judged and waiting:
        _ask_judge(waiting, result)
    return result


def _look_at_unnamed(number: int, pair: Pair, made: Suggestion, result: Verdict) -> None:
    result.unnamed += sum(request.wild for request in made.written)
    result.refused += sum(one.request.wild for one in made.missing)
    result.wrong += [
        f"sufficient: pair {number}: {one.told.action}, no name of {one.told.resource} is allowed"
        for one in witnesses(pair, made)
        if one.request is None
    ]


def _ask_judge(waiting: Sequence[Question], result: Verdict) -> None:
    answers = judge([each for one in waiting for each in one.rows])
    for one, old, new in zip(waiting, answers[::2], answers[1::2], strict=True):
        if said := fault(one, old, new):
            result.judged_wrong.append(said)
        for mine, theirs, asked in ((one.old, old, one.rows[0]), (one.new, new, one.rows[1])):
            if mine != theirs:
                result.differences[f"ours {mine}, judge {theirs}"] += 1
                result.differing.append(json.dumps(asked | {"pair": one.pair, "ours": mine, "judge": theirs}))


def main(count: int, seed: int = 1, first: int = 0) -> int:
    """Check `count` pairs and print the verdict. Returns 1 if something is wrong or differs."""
    start = time.monotonic()
    found = verdict(range(first, first + count), seed, judged=available())
    if not available():
        print("the judge is not installed: only our evaluator was asked")
    print(
        f"{found.pairs:,} pairs, {found.suggestions:,} suggestions, {found.asked:,} requests, of which "
        f"{found.allowed:,} allowed; {found.losses:,} losses named; of the calls without a whole name "
        f"{found.unnamed:,} proved and {found.refused:,} not allowed today; {time.monotonic() - start:.0f} s"
    )
    print(
        f"against the promises: {len(found.wrong)} by our evaluator, {len(found.judged_wrong)} by the judge; "
        f"the two differ on {len(found.differing)} answers {dict(found.differences)}"
    )
    for line in (*found.wrong[:10], *found.judged_wrong[:10], *found.differing[:5]):
        print(line)
    return int(bool(found.wrong or found.judged_wrong or found.differing))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:] or ["1000"])))
