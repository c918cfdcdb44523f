"""Random accounts of which it is known what the role needs, to search for needed permissions that are taken away.

One account has one role. The role makes calls: daily, rarely, before the window or after it, in regions that IAM tracks
or does not. The evidence follows AWS's rules (docs/dev/cloudtrail-facts.md, 3.3 to 3.5): the trail's selectors and
regions decide which calls become events, files of regions and days are missing, and IAM's last-accessed report counts
what IAM counts. The tool sees the evidence, the judge the calls.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from policygen.iam import reference
from tests.support.accounts import snapshot
from tests.support.records import ACCOUNT, ROLE, record

END = datetime(2026, 11, 24, 22, 40, tzinfo=UTC)
DAYS = 24
HOME = "eu-west-1"
TRACKED = ("eu-west-1", "us-east-1", "eu-north-1", "il-central-1", "sa-east-1")
UNTRACKED = ("mx-central-1", "ca-west-1", "ap-southeast-5", "ap-southeast-7", "ap-east-2")
NEVER, READ, WRITE = "never", "read", "write"


@dataclass(frozen=True)
class Operation:
    """A call, and what AWS checks for it."""

    source: str
    name: str
    shown: str
    """How CloudTrail shows it: `READ` or `WRITE` management event, a data event type, or `NEVER`."""
    params: str
    asks: tuple[str, ...]
    """``action resource``, first what the call is named after."""
    counted: bool = True
    """Whether IAM counts it."""
    passes_to: str = ""
    """The service to which it passes a role; "" where it passes none."""
    by: str = ""
    """The service that asks for it with a role that trusts it; "" for anyone's code."""


def _ops() -> Iterator[Operation]:
    at = "{region}:{account}"
    queue, topic, table = (
        f"arn:aws:sqs:{at}:{{n}}",
        f"arn:aws:sns:{at}:{{n}}",
        f"arn:aws:dynamodb:{at}:table/{{n}}",
    )
    url = '{{"queueUrl": "https://sqs.{region}.amazonaws.com/{account}/{n}"}}'
    parameter = f"arn:aws:ssm:{at}:parameter/app/{{n}}"
    yield Operation("ssm", "GetParameter", READ, '{{"name": "/app/{n}"}}', (f"ssm:GetParameter {parameter}",))
    yield Operation(
        "ssm", "PutParameter", WRITE, '{{"name": "/app/{n}"}}', (f"ssm:PutParameter {parameter}",)
    )
    yield Operation("ssm", "DescribeParameters", READ, "{{}}", ("ssm:DescribeParameters *",))
    yield Operation("sqs", "SendMessage", "AWS::SQS::Queue", url, (f"sqs:SendMessage {queue}",))
    yield Operation("sqs", "ReceiveMessage", "AWS::SQS::Queue", url, (f"sqs:ReceiveMessage {queue}",))
    tagged = '{{"queueName": "{n}", "tags": {{"team": "x"}}}}'
    yield Operation(
        "sqs", "CreateQueue", WRITE, tagged, (f"sqs:CreateQueue {queue}", f"sqs:TagQueue {queue}")
    )
    yield Operation("sqs", "PurgeQueue", WRITE, url, (f"sqs:PurgeQueue {queue}",))
    named = f'{{{{"topicArn": "{topic}"}}}}'
    yield Operation("sns", "Publish", "AWS::SNS::Topic", named, (f"sns:Publish {topic}",))
    yield Operation("sns", "GetTopicAttributes", READ, named, (f"sns:GetTopicAttributes {topic}",))
    yield Operation(
        "dynamodb",
        "GetItem",
        "AWS::DynamoDB::Table",
        '{{"tableName": "{n}"}}',
        (f"dynamodb:GetItem {table}",),
    )
    yield Operation(
        "dynamodb", "DescribeTable", READ, '{{"tableName": "{n}"}}', (f"dynamodb:DescribeTable {table}",)
    )
    yield Operation("s3", "ListBuckets", READ, "{{}}", ("s3:ListAllMyBuckets *",))
    stored = '{{"bucketName": "{n}", "key": "k"}}'
    yield Operation("s3", "GetObject", "AWS::S3::Object", stored, ("s3:GetObject arn:aws:s3:::{n}/k",))
    yield Operation("glue", "ListJobs", READ, "{{}}", ("glue:ListJobs *",))
    yield Operation(
        "glue", "GetSession", READ, '{{"id": "{n}"}}', (f"glue:GetSession arn:aws:glue:{at}:session/{{n}}",)
    )
    group = f"logs:CreateLogGroup arn:aws:logs:{at}:log-group:/own/{{n}}:log-stream:"
    yield Operation("logs", "CreateLogGroup", WRITE, '{{"logGroupName": "/own/{n}"}}', (group,))
    key = f"arn:aws:kms:{at}:key/11112222-3333-4444-5555-666677778888"
    yield Operation("kms", "Decrypt", READ, f'{{{{"keyId": "{key}"}}}}', (f"kms:Decrypt {key}",))
    passed = "iam:PassRole arn:aws:iam::{account}:role/{n}-exec"
    made = '{{"functionName": "{n}", "role": "arn:aws:iam::{account}:role/{n}-exec"}}'
    yield Operation(
        "lambda",
        "CreateFunction20150331",
        WRITE,
        made,
        (f"lambda:CreateFunction arn:aws:lambda:{at}:function:{{n}}", passed),
        passes_to="lambda",
    )
    task = f"ecs:RunTask arn:aws:ecs:{at}:task-definition/{{n}}:1"
    started = '{{"taskDefinition": "{n}:1", "cluster": "c"}}'
    yield Operation("ecs", "RunTask", WRITE, started, (task, passed), passes_to="ecs-tasks")
    yield Operation("ecs", "ListClusters", READ, "{{}}", ("ecs:ListClusters *",))
    yield Operation("rds", "DescribeAccountAttributes", READ, "{{}}", ("rds:DescribeAccountAttributes *",))
    yield Operation("rds", "", NEVER, "", ("rds:CrossRegionCommunication *",))
    yield Operation("codebuild", "ListProjects", READ, "{{}}", ("codebuild:ListProjects *",))
    cases = f"codebuild:BatchPutTestCases arn:aws:codebuild:{at}:report-group/{{n}}"
    yield Operation("codebuild", "", NEVER, "", (cases,), by="codebuild")
    fields = f"appsync:GraphQL arn:aws:appsync:{at}:apis/{{n}}/types/Query/fields/f"
    yield Operation("appsync", "", "AWS::AppSync::GraphQLApi", "", (fields,), counted=False)
    invoked = f"execute-api:Invoke arn:aws:execute-api:{at}:{{n}}/prod/GET/x"
    yield Operation("execute-api", "", NEVER, "", (invoked,), counted=False)
    yield Operation(
        "rds-db", "", NEVER, "", (f"rds-db:connect arn:aws:rds-db:{at}:dbuser:db-1/{{n}}",), counted=False
    )


OPERATIONS = tuple(_ops())
DATA_TYPES = sorted(
    {one.shown for one in OPERATIONS if one.shown.startswith("AWS::")} - {"AWS::AppSync::GraphQLApi"}
)


@dataclass(frozen=True)
class Use:
    """What the role truly does: one call, again and again."""

    operation: Operation
    name: str
    region: str
    times: tuple[datetime, ...]

    def needs(self) -> list[tuple[str, str]]:
        """What AWS checks: action and resource."""
        filled = (one.format(region=self.region, account=ACCOUNT, n=self.name) for one in self.operation.asks)
        return [(action, resource) for action, _, resource in (one.partition(" ") for one in filled)]

    @property
    def action(self) -> str:
        """The action that the call is named after."""
        return self.needs()[0][0]

    @property
    def service(self) -> str:
        """Its IAM prefix."""
        return self.action.partition(":")[0]


@dataclass
class World:
    """One account with one role, and how much of it is told."""

    seed: str
    uses: list[Use] = field(default_factory=list)
    policy: dict[str, Any] = field(default_factory=dict)
    functions: list[dict[str, Any]] = field(default_factory=list)
    mappings: list[dict[str, Any]] = field(default_factory=list)
    selectors: dict[str, Any] = field(default_factory=dict)
    logged: frozenset[str] = frozenset()
    """`READ`, `WRITE` and data event types that the trail logs."""
    multi_region: bool = True
    lost: frozenset[str] = frozenset()
    """Regions whose files nobody handed over."""
    missing: frozenset[str] = frozenset()
    """Days without files."""
    busy: frozenset[str] = frozenset()
    """Regions in which others are at work every day."""
    until: datetime = END
    reported: datetime | None = None
    """When IAM's report was made."""
    tracked: frozenset[str] = frozenset()
    """Actions that IAM tracks one by one."""
    holes: frozenset[str] = frozenset()
    """``REGION DATE`` of files that nobody handed over, though other days of the region and other regions are there."""
    made: list[tuple[str, str, str, datetime]] = field(default_factory=list)
    """eventSource, name, region and time of calls by which others made what the role connects to."""
    parts: dict[str, Any] = field(default_factory=dict)
    """Further parts of the snapshot: regions, resources."""
    host: str = "ecs-tasks"
    """The service that runs the role's code, where it has no function."""

    # --- What a trail shows ---

    def is_logged(self, use: Use) -> bool:
        """Whether the trail logs the events of a call."""
        return use.operation.shown in self.logged and (self.multi_region or use.region == HOME)

    def is_read(self, use: Use, time: datetime) -> bool:
        """Whether the event of one call is among the files that were handed over, and in the window."""
        return self.is_logged(use) and self.in_window(time) and self.is_handed(use.region, time)

    def is_handed(self, region: str, time: datetime) -> bool:
        """Whether the file of a region and time was handed over."""
        day = f"{time:%Y-%m-%d}"
        return region not in self.lost and day not in self.missing and f"{region} {day}" not in self.holes

    def in_window(self, time: datetime) -> bool:
        """Whether a time is in the window."""
        return (self.until - timedelta(days=DAYS - 1)).date() <= time.date() and time <= self.until

    def events(self) -> Iterator[dict[str, Any]]:
        """The records that were handed over."""
        number = 0
        for use in self.uses:
            for time in use.times:
                recent = time > END - timedelta(days=DAYS + 3) and self.is_handed(use.region, time)
                if use.operation.name and recent and self.is_logged(use):
                    number += 1
                    yield self._event(use, time, number)
        for region in sorted(self.busy - self.lost):
            if not self.multi_region and region != HOME:
                continue
            for day in range(DAYS + 3):
                time = (END - timedelta(days=day)).replace(hour=3)
                for name, shown in (("DescribeInstances", READ), ("CreateTags", WRITE)):
                    if shown in self.logged and self.is_handed(region, time):
                        number += 1
                        short = {
                            "source": "ec2",
                            "name": name,
                            "role": "others",
                            "region": region,
                            "params": {},
                        }
                        yield record(short | {"time": _iso(time), "reads": shown == READ}, number)

        for source, name, region, time in self.made:
            number += 1
            short = {"source": source, "name": name, "role": "others", "region": region, "time": _iso(time)}
            if (
                WRITE in self.logged
                and (self.multi_region or region == HOME)
                and self.is_handed(region, time)
            ):
                yield record(short | {"params": {}, "reads": False}, number)

    def _event(self, use: Use, time: datetime, number: int) -> dict[str, Any]:
        operation = use.operation
        params = json.loads(operation.params.format(region=use.region, account=ACCOUNT, n=use.name))
        resource = use.needs()[0][1]
        short = {
            "source": operation.source,
            "name": operation.name,
            "params": params,
            "region": use.region,
            "time": _iso(time),
            "reads": operation.shown == READ or operation.name.startswith(("Get", "List", "Receive")),
            "resources": [resource] if resource != "*" else [],
            "typed": operation.shown if operation.shown.startswith("AWS::") else "",
        }
        if self.functions:
            short["function"] = "app"
        made = record(short, number)
        data = operation.shown.startswith("AWS::")
        return made | {"managementEvent": not data, "eventCategory": "Data" if data else "Management"}

    # --- What IAM's report shows ---

    def attempts(self) -> Iterator[tuple[datetime, Use]]:
        """The calls that IAM counted before its report."""
        for use in self.uses:
            if use.operation.counted and use.region in TRACKED and self.reported:
                yield from (
                    (time, use) for time in use.times if END - timedelta(days=390) < time <= self.reported
                )

    def report(self) -> dict[str, Any]:
        """The answer of GetServiceLastAccessedDetails with granularity ACTION_LEVEL."""
        if self.reported is None:
            return {}
        services: dict[str, tuple[datetime, str]] = {}
        actions: dict[str, tuple[datetime, str]] = {}
        for time, use in sorted(self.attempts(), key=lambda one: (one[0], one[1].region, one[1].name)):
            services[use.service] = (time, use.region)
            if use.action in self.tracked:
                actions[use.action] = (time, use.region)
        rows = []
        for service in self._services():
            row: dict[str, Any] = {"ServiceName": service, "ServiceNamespace": service}
            if service in services:
                time, region = services[service]
                row |= {"LastAuthenticated": _iso(time), "LastAuthenticatedRegion": region}
            listed = []
            for action in sorted(one for one in self.tracked if one.startswith(f"{service}:")):
                entry = {"ActionName": action.partition(":")[2]}
                if action in actions:
                    time, region = actions[action]
                    entry |= {"LastAccessedTime": _iso(time), "LastAccessedRegion": region}
                listed.append(entry)
            rows.append(row | ({"TrackedActionsLastAccessed": listed} if listed else {}))
        made = _iso(self.reported)
        times = {"JobCreationDate": made, "JobCompletionDate": made}
        return {"JobStatus": "COMPLETED", **times, "ServicesLastAccessed": rows}

    def _services(self) -> list[str]:
        statement, *more = self.policy["Statement"]
        named = {one.partition(":")[0] for each in more for one in each["Action"]}
        if "Action" in statement:
            return sorted({one.partition(":")[0] for one in statement["Action"]} | named)
        return sorted(reference.prefixes() - {one.partition(":")[0] for one in statement["NotAction"]})

    def account(self) -> dict[str, Any]:
        """The snapshot of the account."""
        trail = {
            "Trail": {
                "Name": "main",
                "TrailARN": f"arn:aws:cloudtrail:{HOME}:{ACCOUNT}:trail/main",
                "HomeRegion": HOME,
                "IsMultiRegionTrail": self.multi_region,
                "IncludeGlobalServiceEvents": True,
                "S3BucketName": "logs",
            },
            "Status": {"IsLogging": True, "StartLoggingTime": "2025-01-01T00:00:00Z"},
            **self.selectors,
        }
        told = {"policies": [self.policy], "trails": [trail], "functions": self.functions}
        made = snapshot(told | {"event_source_mappings": self.mappings})
        role = made["authorization"]["RoleDetailList"][0]
        services = {"lambda" if self.functions else self.host, *(use.operation.by for use in self.uses)}
        principal = {"Service": [f"{one}.amazonaws.com" for one in sorted(services - {""})]}
        trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
        role["AssumeRolePolicyDocument"] = {"Version": "2012-10-17", "Statement": [trust]}
        if self.reported:
            made["last_accessed"] = {role["Arn"]: self.report()}
        return made | self.parts


def _iso(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


# --- Random accounts -----------------------------------------------------------------------------


def random_world(seed: str) -> World:
    """An account of chance, the same for the same seed."""
    chance = random.Random(seed)
    world = World(seed)
    _draw_trail(world, chance)
    untracked = chance.choice(UNTRACKED) if chance.random() < 0.35 else ""
    places = [HOME, *chance.sample(TRACKED, chance.randint(0, 2)), *([untracked] if untracked else [])]
    if chance.random() < 0.25:
        world.until = END - timedelta(days=chance.randint(1, 3))
    world.reported = chance.choice(
        [
            None,
            END + timedelta(minutes=4),
            END + timedelta(minutes=4),
            END - timedelta(days=chance.randint(4, 40)),
        ]
    )
    first, length = chance.randint(4, DAYS - 5), chance.choice([0, 0, 1, 3])
    gap = [first + number for number in range(length)]
    world.missing = frozenset(f"{END - timedelta(days=day):%Y-%m-%d}" for day in gap)
    # Few services, so that one call of a service may hide another.
    sources = chance.sample(sorted({one.source for one in OPERATIONS}), 3)
    known = [one for one in OPERATIONS if one.source in sources]
    for number in range(chance.randint(1, 7)):
        operation = chance.choice(known)
        world.uses.append(Use(operation, f"n{number}", chance.choice(places), _times(chance, gap)))
    if chance.random() < 0.4:
        _draw_function(world, chance, places)
    asked = {action for use in world.uses for action, _ in use.needs()}
    busy = {HOME, *chance.sample(places, chance.randint(0, len(places)))}
    world.busy = frozenset(busy)
    worked = {use.region for use in world.uses if world.is_logged(use)} | busy
    # The files of a region may be missing whole, but not those of all of them.
    lost = [region for region in places if region != HOME and region in worked and region in TRACKED]
    if lost and chance.random() < 0.3:
        world.lost = frozenset({chance.choice(lost)})
    # That IAM tracks nothing of a region can be known only where something shows that the role may work there.
    if untracked and not _shows(world, untracked):
        world.busy |= {untracked}
    world.policy = _policy(chance, asked, sorted({use.region for use in world.uses}))
    world.tracked = _tracked(chance)
    return world


def _shows(world: World, region: str) -> bool:
    """Whether events or configuration show that the account works in a region."""
    return any(one["FunctionArn"].split(":")[3] == region for one in world.functions)


def _draw_trail(world: World, chance: random.Random) -> None:
    kind = chance.choice(["all", "all", "all", "reads", "writes", "data", "data", "home"])
    types = chance.sample(DATA_TYPES, chance.randint(1, len(DATA_TYPES))) if kind == "data" else []
    management = {"all": {READ, WRITE}, "reads": {READ}, "writes": {WRITE}}.get(kind, {READ, WRITE})
    world.logged, world.multi_region = frozenset({*management, *types}), kind != "home"
    if kind in {"reads", "writes"}:
        only = {"reads": "ReadOnly", "writes": "WriteOnly"}[kind]
        basic = {"ReadWriteType": only, "IncludeManagementEvents": True, "DataResources": []}
        world.selectors = {"EventSelectors": [basic]}
        return
    fields = [[{"Field": "eventCategory", "Equals": ["Management"]}]]
    fields += [
        [{"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "resources.type", "Equals": [one]}]
        for one in types
    ]
    world.selectors = {"AdvancedEventSelectors": [{"FieldSelectors": one} for one in fields]}


def _times(chance: random.Random, gap: Sequence[int]) -> tuple[datetime, ...]:
    """When a call is made: daily, now and then, on one day, or only before or after the days that are read."""
    kinds = [
        "daily",
        "daily",
        "weekly",
        "ended",
        "once",
        "before",
        "before",
        "late",
        *(["gap"] if gap else []),
    ]
    kind = chance.choice(kinds)
    hour = chance.randint(1, 20)
    days: Sequence[int] = {
        "daily": range(DAYS + 3),
        "weekly": range(chance.randint(0, 6), DAYS + 3, 7),
        "ended": range(chance.randint(5, DAYS - 2), DAYS + 3),
        "once": [chance.randint(0, DAYS - 1)],
        "before": [chance.randint(DAYS + 5, 300)],
        "late": [0],
        "gap": gap[:1],
    }[kind]
    return tuple(
        sorted((END - timedelta(days=day)).replace(hour=hour, minute=chance.randint(0, 59)) for day in days)
    )


def _draw_function(world: World, chance: random.Random, places: Sequence[str]) -> None:
    """Give the role a function, which needs its log group, and perhaps a queue that it polls."""
    region = chance.choice(places)
    arn = f"arn:aws:lambda:{region}:{ACCOUNT}:function:app"
    world.functions = [
        {
            "FunctionName": "app",
            "FunctionArn": arn,
            "Role": f"arn:aws:iam::{ACCOUNT}:role/{ROLE}",
            "LoggingConfig": {"LogGroup": "/aws/lambda/app"},
        }
    ]
    stream = f"arn:aws:logs:{region}:{ACCOUNT}:log-group:/aws/lambda/app:log-stream:x"
    params = '{{"logGroupName": "/aws/lambda/app", "logStreamName": "x"}}'
    daily = tuple((END - timedelta(days=day)).replace(hour=2) for day in range(DAYS + 3))
    made = Operation("logs", "CreateLogStream", WRITE, params, (f"logs:CreateLogStream {stream}",))
    written = Operation("logs", "", NEVER, "", (f"logs:PutLogEvents {stream}",))
    world.uses += [Use(made, "x", region, daily[::7]), Use(written, "x", region, daily)]
    if chance.random() < 0.5:
        queue = f"arn:aws:sqs:{region}:{ACCOUNT}:polled"
        world.mappings = [
            {
                "UUID": "11111111-2222-4333-8444-555555555555",
                "EventSourceArn": queue,
                "FunctionArn": arn,
                "State": "Enabled",
            }
        ]
        for name in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"):
            url = '{{"queueUrl": "https://sqs.{region}.amazonaws.com/{account}/polled"}}'
            polled = Operation("sqs", name, "AWS::SQS::Queue", url, (f"sqs:{name} {queue}",))
            world.uses.append(Use(polled, "polled", region, daily))


def _policy(chance: random.Random, asked: set[str], regions: list[str]) -> dict[str, Any]:
    services = sorted({action.partition(":")[0] for action in asked} | {"logs"})
    services += chance.sample([one for one in _SPARE if one not in services], 2)
    kind = chance.choices(["services", "actions", "region", "except"], [60, 20, 16, 4])[0]
    statement: dict[str, Any] = {"Effect": "Allow", "Resource": "*"}
    if kind == "except":
        statement["NotAction"] = [f"{one}:*" for one in ("organizations", "account") if one not in services]
    elif kind == "actions":
        known = {action for one in OPERATIONS for action in (ask.partition(" ")[0] for ask in one.asks)}
        statement["Action"] = sorted(one for one in {*asked, *known} if one.partition(":")[0] in services)
    else:
        statement["Action"] = [f"{one}:*" for one in sorted(services)]
    if kind == "region":
        statement["Condition"] = {"StringEquals": {"aws:RequestedRegion": regions}}
    return {"Version": "2012-10-17", "Statement": [statement]}


_SPARE = ("sqs", "sns", "glue", "rds", "ecs", "codebuild", "dynamodb", "events", "states", "athena")


def _tracked(chance: random.Random) -> frozenset[str]:
    """Which actions IAM tracks: management events of some services, never tags, data or roles that are passed."""
    services = {one.source for one in OPERATIONS if chance.random() < 0.7}
    found = {one.asks[0].partition(" ")[0] for one in OPERATIONS if one.name and one.shown in (READ, WRITE)}
    found |= {"logs:CreateLogStream", "sqs:DeleteQueue", "sns:CreateTopic", "glue:DeleteJob"}
    return frozenset(
        one for one in sorted(found) if one.partition(":")[0] in services and chance.random() < 0.9
    )
