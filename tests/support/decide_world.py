"""Random accounts for the rules that decide what no log shows: what exists, what is reached, tags, regions, callers.

An account of `absence_world` gets more that the role does or only may do, and the evidence that these rules read: the
account's resources with the types that are complete, others' calls that made some, functions in a VPC or not, regions
that the snapshot read. What the evidence says is true; what it leaves out may be so, or not. Left out is only what a
rule of medium confidence takes into account: resources of other accounts under ``*``, and calls to a region in which
nothing of the account is.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.support.absence_world import (
    DAYS,
    END,
    NEVER,
    TRACKED,
    WRITE,
    Operation,
    Use,
    World,
    random_world,
)
from tests.support.records import ACCOUNT, ROLE

FOREIGN = "999900001111"


@dataclass(frozen=True)
class Connection:
    """A protocol, and what it needs."""

    asks: str
    """``action resource``."""
    types: tuple[str, ...]
    arn: str
    """Of the resource that there is; the first of the types."""
    made_by: tuple[str, str]
    """eventSource and name of the event that makes one."""
    reach: str = "anywhere"
    """``vpc``: only from within a VPC; ``public``: so, unless it was made public."""

    @property
    def service(self) -> str:
        """Its IAM prefix."""
        return self.asks.partition(":")[0]


_AT = "{region}:{account}"
CONNECTIONS = (
    Connection(
        f"kafka-cluster:Connect arn:aws:kafka:{_AT}:cluster/{{n}}/u-1",
        ("AWS::MSK::Cluster", "AWS::MSK::ServerlessCluster"),
        f"arn:aws:kafka:{_AT}:cluster/{{n}}/u-1",
        ("kafka", "CreateClusterV2"),
        "public",
    ),
    Connection(
        f"dax:GetItem arn:aws:dax:{_AT}:cache/{{n}}",
        ("AWS::DAX::Cluster",),
        f"arn:aws:dax:{_AT}:cache/{{n}}",
        ("dax", "CreateCluster"),
        "vpc",
    ),
    Connection(
        f"rds-db:connect arn:aws:rds-db:{_AT}:dbuser:db-1/{{n}}",
        ("AWS::RDS::DBInstance", "AWS::RDS::DBCluster"),
        f"arn:aws:rds:{_AT}:db:{{n}}",
        ("rds", "CreateDBInstance"),
        "public",
    ),
    Connection(
        f"es:ESHttpGet arn:aws:es:{_AT}:domain/{{n}}/x",
        ("AWS::OpenSearchService::Domain",),
        f"arn:aws:es:{_AT}:domain/{{n}}",
        ("es", "CreateDomain"),
        "public",
    ),
    Connection(
        f"execute-api:Invoke arn:aws:execute-api:{_AT}:{{n}}/prod/GET/x",
        ("AWS::ApiGateway::RestApi", "AWS::ApiGatewayV2::Api"),
        "arn:aws:apigateway:{region}::/restapis/{n}",
        ("apigateway", "CreateRestApi"),
    ),
)
_TASK_TAGS = Operation(
    "ecs",
    "RunTask",
    WRITE,
    '{{"taskDefinition": "{n}:1", "cluster": "c", "propagateTags": "TASK_DEFINITION"}}',
    (
        f"ecs:RunTask arn:aws:ecs:{_AT}:task-definition/{{n}}:1",
        "iam:PassRole arn:aws:iam::{account}:role/{n}-exec",
        f"ecs:TagResource arn:aws:ecs:{_AT}:task/c/{{n}}",
    ),
    passes_to="ecs-tasks",
)
"""Tags that the record does not show: they come from the task's definition."""
_PLAIN_QUEUE = Operation(
    "sqs", "CreateQueue", WRITE, '{{"queueName": "{n}"}}', (f"sqs:CreateQueue arn:aws:sqs:{_AT}:{{n}}",)
)


def decide_world(seed: str) -> World:
    """An account of chance, the same for the same seed: that of `random_world` and more."""
    world = random_world(seed)
    chance = random.Random(f"decide {seed}")
    if not world.functions:
        world.host = chance.choice(["ecs-tasks", "ecs-tasks", "ec2"])
    places = sorted({use.region for use in world.uses} | {"eu-west-1"})
    items: list[dict[str, Any]] = []
    if "Action" in world.policy["Statement"][0]:
        for number, connection in enumerate(chance.sample(CONNECTIONS, chance.randint(0, 3))):
            _connect(world, chance, connection, f"c{number}", chance.choice(places), items)
        _make(world, chance, places)
    if chance.random() < 0.2:
        use = chance.choice(world.uses)
        world.holes = frozenset({f"{use.region} {max(use.times):%Y-%m-%d}"})
    _tell_what_exists(world, chance, items)
    return world


# --- What the role does ----------------------------------------------------------------------------


def _connect(
    world: World,
    chance: random.Random,
    connection: Connection,
    name: str,
    region: str,
    items: list[dict[str, Any]],
) -> None:
    """Allow a protocol, and perhaps let the role use it, on a resource of this account or of another."""
    owner = chance.choice([ACCOUNT, ACCOUNT, ACCOUNT, ACCOUNT, FOREIGN])
    used = chance.random() < 0.5
    resource = (
        "*"
        if owner == ACCOUNT
        else connection.asks.partition(" ")[2].format(region="*", account=FOREIGN, n="*")
    )
    statement = {"Effect": "Allow", "Action": [f"{connection.service}:*"], "Resource": resource}
    world.policy = {**world.policy, "Statement": [*world.policy["Statement"], statement]}
    polled = (
        used and connection.service == "kafka-cluster" and bool(world.functions) and chance.random() < 0.5
    )
    public = _reached(world, chance, connection) if used and not polled else False
    if polled and owner == ACCOUNT:
        world.mappings.append(_poller(world, connection.arn.format(region=region, account=ACCOUNT, n=name)))
    elif polled:
        used = False
    if used:
        asked = connection.asks.replace("{account}", owner)
        operation = Operation(connection.service, "", NEVER, "", (asked,), counted=False)
        times = [END - timedelta(days=day, hours=5) for day in range(1, DAYS + 3)]
        world.uses.append(Use(operation, name, region, tuple(sorted(times))))
    if owner == ACCOUNT and (used or chance.random() < 0.3):
        arn = connection.arn.format(region=region, account=ACCOUNT, n=name)
        kind = chance.choice(connection.types)
        items.append({"type": kind, "arn": arn, "region": region, "public": public})
        if used and chance.random() < 0.3 and _shows_writes(world, region):
            # It was made within the window, and is gone again before the snapshot.
            items.pop()
            time = _day_read(world, chance)
            world.made.append((*connection.made_by, region, time))


def _reached(world: World, chance: random.Random, connection: Connection) -> bool:
    """Give the role a way to what it uses, and return whether that is public."""
    if not world.functions or connection.reach == "anywhere":
        return connection.reach != "vpc" and chance.random() < 0.3
    if connection.reach == "public" and chance.random() < 0.5:
        return True
    world.functions[0]["VpcConfig"] = {"SubnetIds": ["subnet-1"]}
    return False


def _poller(world: World, source: str) -> dict[str, Any]:
    """A mapping by which Lambda polls a broker, in the broker's VPC."""
    arn = world.functions[0]["FunctionArn"]
    return {"UUID": "22222222-2222-4333-8444-555555555555", "EventSourceArn": source, "FunctionArn": arn}


def _shows_writes(world: World, region: str) -> bool:
    return (
        WRITE in world.logged and region not in world.lost and (world.multi_region or region == "eu-west-1")
    )


def _day_read(world: World, chance: random.Random) -> datetime:
    days = [day for day in range(1, DAYS - 2) if f"{END - timedelta(days=day):%Y-%m-%d}" not in world.missing]
    return (END - timedelta(days=chance.choice(days))).replace(hour=4)


def _make(world: World, chance: random.Random, places: list[str]) -> None:
    """Let the role make things with tags that no record shows, or without any."""
    kind = chance.choice(["", "", "tasks", "queue"])
    if not kind:
        return
    operation = {"tasks": _TASK_TAGS, "queue": _PLAIN_QUEUE}[kind]
    actions = sorted({ask.partition(" ")[0] for ask in operation.asks})
    if kind == "queue":
        actions += ["sqs:TagQueue", "sqs:UntagQueue"]
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    world.policy = {**world.policy, "Statement": [*world.policy["Statement"], statement]}
    times = tuple(_day_read(world, chance) for _ in range(3))
    world.uses.append(Use(operation, "made", chance.choice(places), tuple(sorted(set(times)))))


# --- What the snapshot says ------------------------------------------------------------------------


def _tell_what_exists(world: World, chance: random.Random, items: list[dict[str, Any]]) -> None:
    """Write the regions that the snapshot read, and the account's resources: whole, in part, or not at all."""
    used = sorted({use.region for use in world.uses})
    busy = sorted({*used, *world.busy})
    hidden = [place for place in busy if place not in TRACKED and not _shows_itself(world, place)]
    if chance.random() < 0.75:
        # Where the role works and nothing says so, nobody asked for its functions.
        world.parts["regions"] = [place for place in busy if place not in hidden or place not in used]
    if chance.random() < 0.25:
        return
    types = sorted({one for connection in CONNECTIONS for one in connection.types})
    types += ["AWS::SQS::Queue", "AWS::SNS::Topic", "AWS::DynamoDB::Table"]
    complete = [one for one in types if chance.random() < 0.9]
    connected = {one["arn"] for one in items}
    for use in world.uses:
        kind, public = _KINDS.get(use.service, ("", False))
        if kind and not use.name.startswith("c"):
            item = {"type": kind, "arn": use.needs()[0][1], "region": use.region, "public": public}
            items += [item] if item["arn"] not in connected else []
    unnamed = {use.region for use in world.uses if use.region in hidden and use.service not in _KINDS}
    regions: Any = "all"
    if unnamed or chance.random() < 0.3:
        regions = [place for place in busy if place not in unnamed and chance.random() < 0.9]
    world.parts["resources"] = {
        "complete": complete,
        "regions": regions,
        "items": [
            one
            for one in items
            if (one["type"] in complete or chance.random() < 0.5)
            and (regions == "all" or one["region"] in regions)
        ],
    }


_KINDS = {
    "sqs": ("AWS::SQS::Queue", False),
    "sns": ("AWS::SNS::Topic", False),
    "dynamodb": ("AWS::DynamoDB::Table", False),
    "rds-db": ("AWS::RDS::DBInstance", True),
    "execute-api": ("AWS::ApiGateway::RestApi", True),
}
"""Service of what `random_world` uses -> the type of what there is, and whether it is reached from anywhere."""


def _shows_itself(world: World, region: str) -> bool:
    """Return whether a function or an event of the role tells that it works in a region."""
    functions = (one["FunctionArn"].split(":")[3] for one in world.functions if ROLE in one["Role"])
    seen = (use.region for use in world.uses if any(world.is_read(use, time) for time in use.times))
    return region in {*functions, *seen}
