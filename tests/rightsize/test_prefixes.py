"""Names and prefixes match all that they must and nothing that they must not, in no more characters than names take."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policygen.iam import arn, reference
from policygen.rightsize.generate.prefixes import MAY, MUST, MUST_NOT, Price, cheapest_patterns
from tests.support.effort import bounded

WORDS = st.lists(
    st.sampled_from(["Get", "List", "Put", "Bucket", "Object", "Acl", "V2", "ACL"]), min_size=1, max_size=4
)
NAMES = st.dictionaries(
    WORDS.map("".join),
    st.sampled_from([MUST, MUST_NOT, MAY, Price(10, 0), Price(0, 10)]),
    min_size=1,
    max_size=25,
)


def matched(patterns: tuple[str, ...], name: str) -> bool:
    return any(arn.action_matches(pattern, f"s3:{name}") for pattern in patterns)


@given(NAMES)
@bounded(300)
def test_patterns_match_what_they_must_and_nothing_that_they_must_not(prices: dict[str, Price]) -> None:
    folded = {name.lower(): price for name, price in prices.items()}
    prices = {name: folded[name.lower()] for name in {one.lower(): one for one in prices}.values()}
    found = cheapest_patterns("s3", prices)
    assert all(matched(found, name) for name, price in prices.items() if price == MUST)
    assert not any(matched(found, name) for name, price in prices.items() if price == MUST_NOT)
    by_name = sum(len(f"s3:{name}") + 3 for name, price in prices.items() if price == MUST)
    spare = sum(price.matched for name, price in prices.items() if matched(found, name))
    left_out = sum(price.left_out for name, price in prices.items() if not matched(found, name))
    most = by_name + sum(price.left_out for price in prices.values() if price == Price(0, 10))
    assert sum(len(pattern) + 3 for pattern in found) + spare + left_out <= most


@pytest.mark.parametrize("service", ["s3", "ec2", "apigateway", "iam", "chime"])
def test_the_patterns_of_a_real_service_are_exact_and_short(service: str) -> None:
    chance = random.Random(service)
    names = [one.partition(":")[2] for one in reference.action_names(service)]
    wanted = {name for name in names if name.startswith(("Get", "List", "Describe")) or chance.random() < 0.2}
    found = cheapest_patterns(service, {name: MUST if name in wanted else MUST_NOT for name in names})
    again = {name for name in names if any(arn.action_matches(one, f"{service}:{name}") for one in found)}
    assert again == wanted
    assert sum(map(len, found)) < sum(len(f"{service}:{name}") for name in wanted)


def test_a_prefix_ends_with_a_word_unless_today_has_none() -> None:
    assert cheapest_patterns("s3", {"GetBucketAcl": MUST, "GetBucketPolicy": MUST, "GetBusy": MUST_NOT}) == (
        "s3:GetBucket*",
    )
    assert cheapest_patterns("s3", {"Get": MUST, "GetObject": MUST}, lambda _: False) == (
        "s3:Get",
        "s3:GetObject",
    )
    assert cheapest_patterns("s3", {"Get": MUST, "GetObject": MUST, "Put": MUST_NOT}) == ("s3:Get*",)
    assert cheapest_patterns("s3", {}) == ()
