"""What exists in the account: which types are complete, and what is said of those that are not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import boto3
import jmespath
import pytest
from botocore.exceptions import EndpointConnectionError

from policygen.account.aws_reader import AccountReader
from policygen.account.resource_reader import ResourceList, ResourceReader, resource_lists
from policygen.account.snapshot import to_account
from policygen.iam import reference
from tests.support.aws_stubs import client_error

REGIONS = ("eu-west-1", "us-east-1")
BY_TYPE = {one.type: one for one in resource_lists()}
QUEUES, CLUSTERS, BUCKETS = (
    BY_TYPE[name] for name in ("AWS::SQS::Queue", "AWS::MSK::Cluster", "AWS::S3::Bucket")
)


class FakeClient:
    """A client of one service in one region, that answers each operation with pages, or with an error."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers, self.asked = answers, list[dict[str, Any]]()

    def can_paginate(self, operation: str) -> bool:
        return isinstance(self.answers.get(operation), list)

    def get_paginator(self, operation: str) -> Any:
        return SimpleNamespace(paginate=lambda **arguments: self.answer(operation, arguments))

    def answer(self, operation: str, arguments: dict[str, Any]) -> Any:
        self.asked.append(arguments)
        answer = self.answers[operation]
        if isinstance(answer, Exception):
            raise answer
        return answer(**arguments) if callable(answer) else answer

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        return lambda **arguments: self.answer(operation, arguments)


def reader(
    answers: dict[tuple[str, str], dict[str, Any]], offered: Iterable[str] = REGIONS
) -> ResourceReader:
    def client(service: str, region: str) -> FakeClient:
        return FakeClient(answers.get((service, region), answers.get((service, "*"), {})))

    return ResourceReader("aws", "123456789012", client, lambda _: offered)


def read(
    lists: list[ResourceList], answers: dict[tuple[str, str], dict[str, Any]], **more: Any
) -> tuple[dict[str, Any], list[Any]]:
    return reader(answers, **more).read(lists, REGIONS, every=True)


def queue_url(region: str, name: str) -> str:
    return f"https://sqs.{region}.amazonaws.com/123456789012/{name}"


NO_CLUSTERS = {"list_clusters_v2": [{"ClusterInfoList": []}]}
NO_QUEUES: dict[str, Any] = {"list_queues": [{}]}
DENIED = {"list_queues": client_error("AccessDenied", "no", "ListQueues")}


def test_a_type_that_every_region_shows_is_complete() -> None:
    answers = {
        ("sqs", "eu-west-1"): {
            "list_queues": [{"QueueUrls": [queue_url("eu-west-1", "b")]}, {"QueueUrls": [queue_url("", "a")]}]
        },
        ("sqs", "us-east-1"): NO_QUEUES,
        ("kafka", "*"): NO_CLUSTERS,
    }
    found, unknown = read([QUEUES, CLUSTERS], answers)
    assert found == {
        "complete": ["AWS::SQS::Queue", "AWS::MSK::Cluster"],
        "regions": "all",
        "items": [
            {"type": QUEUES.type, "arn": f"arn:aws:sqs:eu-west-1:123456789012:{name}", "region": "eu-west-1"}
            for name in ("a", "b")
        ],
    }
    assert unknown == []


def test_a_type_that_one_region_refuses_is_not_complete_and_its_items_stay() -> None:
    answers = {
        ("sqs", "eu-west-1"): {"list_queues": [{"QueueUrls": [queue_url("eu-west-1", "a")]}]},
        ("sqs", "us-east-1"): DENIED,
        ("kafka", "*"): NO_CLUSTERS,
    }
    found, unknown = read([QUEUES, CLUSTERS], answers)
    assert (found["complete"], found["regions"]) == (["AWS::MSK::Cluster"], "all")
    assert [item["arn"].rpartition(":")[2] for item in found["items"]] == ["a"]
    assert [(one.action, one.code, one.regions) for one in unknown] == [
        ("sqs:ListQueues", "AccessDenied", ("us-east-1",))
    ]


def test_a_region_that_shows_nothing_at_all_is_not_among_those_that_were_read() -> None:
    denied = {"list_clusters_v2": client_error("AccessDenied", "no", "ListClustersV2")}
    answers = {
        ("sqs", "eu-west-1"): NO_QUEUES,
        ("kafka", "eu-west-1"): NO_CLUSTERS,
        ("sqs", "us-east-1"): DENIED,
        ("kafka", "us-east-1"): denied,
    }
    found, unknown = read([QUEUES, CLUSTERS], answers)
    assert (found["complete"], found["regions"]) == (["AWS::SQS::Queue", "AWS::MSK::Cluster"], ["eu-west-1"])
    assert [one.types for one in unknown] == [("AWS::SQS::Queue", "AWS::MSK::Cluster")]


@pytest.mark.parametrize(("offered", "complete"), [(["eu-west-1"], True), (REGIONS, False)])
def test_a_service_without_an_endpoint_is_not_in_a_region_where_the_sdk_knows_none(
    offered: list[str], complete: bool
) -> None:
    gone = {"list_clusters_v2": EndpointConnectionError(endpoint_url="https://kafka.us-east-1.amazonaws.com")}
    answers = {("kafka", "eu-west-1"): NO_CLUSTERS, ("kafka", "us-east-1"): gone, ("sqs", "*"): NO_QUEUES}
    found, unknown = read([QUEUES, CLUSTERS], answers, offered=offered)
    assert (CLUSTERS.type in found["complete"], not unknown) == (complete, complete)


def test_an_absent_service_does_not_make_a_denied_region_one_that_was_read() -> None:
    gone = {"list_clusters_v2": EndpointConnectionError(endpoint_url="https://kafka.us-east-1.amazonaws.com")}
    answers = {
        ("sqs", "eu-west-1"): NO_QUEUES,
        ("kafka", "eu-west-1"): NO_CLUSTERS,
        ("sqs", "us-east-1"): DENIED,
        ("kafka", "us-east-1"): gone,
    }
    found, _ = read([QUEUES, CLUSTERS], answers, offered=["eu-west-1"])
    assert (found["complete"], found["regions"]) == (["AWS::SQS::Queue", "AWS::MSK::Cluster"], ["eu-west-1"])


def test_what_one_call_lists_of_all_regions_is_asked_once() -> None:
    answers = {
        ("s3", ""): {"list_buckets": [{"Buckets": [{"Name": "acme", "BucketRegion": "mx-central-1"}]}]},
        ("sqs", "*"): NO_QUEUES,
    }
    found, _ = read([BUCKETS, QUEUES], answers)
    bucket = {"type": "AWS::S3::Bucket", "arn": "arn:aws:s3:::acme", "region": "mx-central-1"}
    assert found["items"] == [bucket]
    assert found["complete"] == ["AWS::S3::Bucket", "AWS::SQS::Queue"]


def test_pages_without_a_paginator_are_followed_by_their_token() -> None:
    def connections(NextToken: str = "") -> dict[str, Any]:
        arn = f"arn:aws:events:eu-west-1:123456789012:connection/{NextToken or 'first'}/1"
        return {"Connections": [{"ConnectionArn": arn}], **({} if NextToken else {"NextToken": "second"})}

    found, _ = read(
        [BY_TYPE["AWS::Events::Connection"]], {("events", "*"): {"list_connections": connections}}
    )
    assert len(found["items"]) == 4


def test_a_second_call_tells_whether_domains_are_public() -> None:
    def details(DomainNames: list[str]) -> dict[str, Any]:
        assert len(DomainNames) <= 5
        rows = [{"ARN": f"arn:aws:es:eu-west-1:123456789012:domain/{name}"} for name in DomainNames]
        return {"DomainStatusList": [rows[0] | {"VPCOptions": {"VPCId": "vpc-1"}}, *rows[1:]]}

    names = {"DomainNames": [{"DomainName": f"d{number}"} for number in range(7)]}
    one = {"list_domain_names": lambda: names, "describe_domains": details}
    none = {"list_domain_names": lambda: {"DomainNames": []}}
    answers = {("opensearch", "eu-west-1"): one, ("opensearch", "us-east-1"): none}
    found, _ = read([BY_TYPE["AWS::OpenSearchService::Domain"]], answers)
    assert [item["public"] for item in found["items"]] == [False, True, True, True, True, False, True]


def test_a_cluster_of_databases_is_public_if_an_instance_of_it_is_and_neptunes_are_neptunes() -> None:
    arn = "arn:aws:rds:eu-west-1:123456789012:{}"

    def instance(name: str, cluster: str, public: bool, engine: str) -> dict[str, Any]:
        return {
            "DBInstanceArn": arn.format(f"db:{name}"),
            "DBClusterIdentifier": cluster,
            "PubliclyAccessible": public,
            "Engine": engine,
        }

    instances = [
        instance("a", "open", False, "aurora-mysql"),
        instance("b", "open", True, "aurora-mysql"),
        instance("c", "closed", False, "aurora-mysql"),
        instance("n", "graph", False, "neptune"),
    ]
    clusters = [
        {"DBClusterArn": arn.format(f"cluster:{name}"), "DBClusterIdentifier": name, "Engine": engine}
        for name, engine in (("open", "aurora-mysql"), ("closed", "aurora-mysql"), ("graph", "neptune"))
    ]
    databases = {
        "describe_db_instances": [{"DBInstances": instances}],
        "describe_db_clusters": [{"DBClusters": clusters}],
    }
    none = {"describe_db_instances": [{}], "describe_db_clusters": [{}]}
    answers = {
        (service, region): databases if region == "eu-west-1" else none
        for service in ("rds", "neptune")
        for region in REGIONS
    }
    types = ["AWS::RDS::DBInstance", "AWS::RDS::DBCluster", "AWS::Neptune::DBCluster"]
    found, _ = read([BY_TYPE[name] for name in types], answers)
    public = {(item["type"], item["arn"].rpartition(":")[2]): item.get("public") for item in found["items"]}
    assert public == {
        ("AWS::RDS::DBInstance", "a"): False,
        ("AWS::RDS::DBInstance", "b"): True,
        ("AWS::RDS::DBInstance", "c"): False,
        ("AWS::RDS::DBCluster", "open"): True,
        ("AWS::RDS::DBCluster", "closed"): False,
        ("AWS::Neptune::DBCluster", "graph"): False,
    }
    assert all(set(item) <= {"type", "arn", "region", "public", "auth"} for item in found["items"])


def test_the_snapshot_reads_what_the_reader_writes() -> None:
    found, _ = read([QUEUES], {("sqs", "*"): {"list_queues": [{"QueueUrls": [queue_url("x", "a")]}]}})
    empty = {"policygen_snapshot": 1, "authorization": {"RoleDetailList": []}}
    inventory = to_account(empty | {"resources": found}).resources
    assert inventory is not None
    assert inventory.is_complete("AWS::SQS::Queue")
    assert {item.region for item in inventory.of("AWS::SQS::Queue")} == set(REGIONS)


# --- the account ---------------------------------------------------------------------------------


def account_reader(answers: dict[tuple[str, str], dict[str, Any]]) -> tuple[AccountReader, list[str]]:
    said: list[str] = []
    session = SimpleNamespace(get_available_regions=lambda *_, **__: list(REGIONS))
    made = reader(answers)
    aws: Any = SimpleNamespace(
        account="123456789012",
        partition="aws",
        session=session,
        client=lambda service, region="": made.client(service, region),
    )
    return AccountReader(aws, said.append), said


def enabled(*regions: str) -> dict[str, Any]:
    return {"describe_regions": lambda: {"Regions": [{"RegionName": name} for name in regions]}}


def test_an_account_that_shows_nothing_has_one_note_and_no_resources() -> None:
    refused = {"describe_regions": client_error("UnauthorizedOperation", "no", "DescribeRegions")}
    made, said = account_reader({("ec2", ""): refused})
    # Each fake client without answers fails with the same error.
    assert made.resources(["eu-west-1"]) is None
    assert [one["operation"] for one in made.errors] == ["ec2:DescribeRegions", "kafka:ListClustersV2"]
    assert made.errors[1]["message"].startswith("AWS::MSK::Cluster and ")
    assert said[1] == f"reading what exists: {len(resource_lists())} types of resources in 1 region"


def test_where_the_enabled_regions_are_not_shown_only_those_that_were_read_count() -> None:
    refused = {"describe_regions": client_error("UnauthorizedOperation", "no", "DescribeRegions")}
    made, _ = account_reader({("ec2", ""): refused, ("sqs", "eu-west-1"): NO_QUEUES})
    found = made.resources(["eu-west-1"])
    assert found is not None
    assert (found["complete"], found["regions"]) == (["AWS::SQS::Queue"], ["eu-west-1"])


def test_every_enabled_region_is_read() -> None:
    made, _ = account_reader({("ec2", ""): enabled(*REGIONS), ("sqs", "*"): NO_QUEUES})
    found = made.resources(["eu-west-1"])
    assert found is not None
    assert (found["complete"], found["regions"]) == (["AWS::SQS::Queue"], "all")


# --- the table -----------------------------------------------------------------------------------


@pytest.mark.parametrize("listed", resource_lists(), ids=lambda one: one.type)
def test_a_list_is_an_operation_that_only_reads_and_whose_every_page_is_read(listed: ResourceList) -> None:
    make: Any = boto3.client
    client = make(listed.service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    names = client.meta.method_to_api_mapping
    operations = [listed.operation, *([listed.details["operation"]] if listed.details else [])]
    for operation in operations:
        assert operation.startswith(("list_", "describe_", "get_"))
        model = client.meta.service_model.operation_model(names[operation])
        rows = listed.names if listed.details and operation == listed.operation else listed.rows
        first = jmespath.compile(rows).parsed
        while first["children"]:
            first = first["children"][0]
        assert first["value"] in model.output_shape.members
        pages = {"NextToken", "nextToken", "Marker", "position"} & set(model.output_shape.members)
        assert client.can_paginate(operation) or not pages - {"NextToken", "nextToken"}
        assert set(listed.arguments) <= set(model.input_shape.members)
    assert reference.action(listed.action) is not None
    assert listed.source.startswith("https://docs.aws.amazon.com/")
    assert "name:" not in listed.rows or listed.arn.startswith("arn:{partition}:")
