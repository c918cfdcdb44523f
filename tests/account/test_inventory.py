"""What exists in the account, as the snapshot tells it."""

from __future__ import annotations

from typing import Any

import pytest

from policygen.account.inventory import Inventory
from policygen.account.snapshot import to_account
from policygen.errors import UsageError
from tests.support.accounts import snapshot

ARN = "arn:aws:kafka:eu-west-1:123456789012:cluster/orders/1"


def read(resources: Any) -> Inventory | None:
    return to_account(snapshot({}) | {"resources": resources}).resources


def test_an_account_of_which_nobody_read_what_exists_has_no_inventory() -> None:
    assert read(None) is None


def test_without_the_types_that_are_complete_nothing_follows_from_what_is_missing() -> None:
    found = read({"regions": "all", "items": []})
    assert found is not None
    assert not found.is_complete("AWS::MSK::Cluster")


@pytest.mark.parametrize(
    ("regions", "everywhere", "ireland", "tokyo"),
    [
        ("all", True, True, True),
        (["eu-west-1"], False, True, False),
        ("eu-west-1", False, True, False),
        ([], False, False, False),
    ],
)
def test_a_type_is_complete_only_where_it_was_read(
    regions: Any, everywhere: bool, ireland: bool, tokyo: bool
) -> None:
    found = read({"complete": ["AWS::MSK::Cluster"], "regions": regions})
    assert found is not None
    told = [found.is_complete("AWS::MSK::Cluster", one) for one in ("", "eu-west-1", "ap-northeast-1")]
    assert told == [everywhere, ireland, tokyo]
    assert not found.is_complete("AWS::DAX::Cluster", "eu-west-1")


def test_an_item_says_where_it_is_and_whether_it_is_known_to_be_public() -> None:
    items = [
        {"type": "AWS::MSK::Cluster", "arn": ARN},
        {"type": "AWS::RDS::DBInstance", "arn": "x", "public": True},
    ]
    found = read({"items": items})
    assert found is not None
    assert [(one.region, one.public) for one in found.items] == [("eu-west-1", None), ("", True)]
    assert [one.arn for one in found.of("AWS::MSK::Cluster")] == [ARN]


def test_an_item_without_an_arn_is_a_mistake_in_the_file() -> None:
    with pytest.raises(UsageError, match=r"resources\.items\[0\]") as caught:
        read({"items": [{"type": "AWS::MSK::Cluster"}]})
    assert caught.value.code == "PG-E213"
