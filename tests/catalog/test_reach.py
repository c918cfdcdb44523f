"""Data planes that need a resource: the table reach.toml."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from policygen.catalog.reach import DataPlane, creating_events, data_plane, data_planes, services_of
from policygen.iam import reference

NAMES = [f"{prefix}:{name}" for prefix in reference.prefixes() for name in reference.service(prefix).actions]  # type: ignore[union-attr]


@pytest.mark.parametrize("plane", data_planes(), ids=lambda plane: plane.name)
def test_each_row_names_actions_that_exist_types_events_and_a_page(plane: DataPlane) -> None:
    for pattern in plane.actions:
        assert any(fnmatchcase(name.lower(), pattern.lower()) for name in NAMES), pattern
    assert all(one.startswith("AWS::") for one in plane.types)
    assert plane.creates
    assert plane.source.startswith("https://docs.aws.amazon.com/")
    assert plane.reach in {"anywhere", "vpc", "vpc-unless-public"}


def test_no_action_is_in_two_planes() -> None:
    for name in NAMES:
        planes = [
            one.name
            for one in data_planes()
            if any(fnmatchcase(name.lower(), pattern.lower()) for pattern in one.actions)
        ]
        assert len(planes) < 2, name


def test_what_works_without_a_resource_is_in_no_plane() -> None:
    assert data_plane("sns:Publish") is None
    assert data_plane("sqs:ListQueues") is None
    assert data_plane("ssmmessages:CreateDataChannel") is None


def test_an_action_is_found_in_any_letter_case() -> None:
    found = data_plane("KAFKA-CLUSTER:connect")
    assert found is not None
    assert (found.name, found.reach) == ("kafka-cluster", "vpc-unless-public")


def test_what_is_within_a_cluster_is_named_after_it() -> None:
    plane = data_plane("kafka-cluster:ReadData")
    assert plane is not None
    within = plane.patterns_of("arn:aws:kafka:eu-west-1:123456789012:cluster/orders/0a1b-2")
    assert "arn:aws:kafka:eu-west-1:123456789012:topic/orders/0a1b-2/*" in within
    assert plane.patterns_of("orders") == ()


def test_a_database_may_be_reached_by_the_protocols_of_its_types() -> None:
    assert services_of(["AWS::RDS::DBInstance"]) == {"rds-db"}
    assert "CreateDBInstance" in creating_events()["rds.amazonaws.com"]
