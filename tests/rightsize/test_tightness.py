"""What speaks for each action of a policy, and how the numbers add up."""

from __future__ import annotations

import pytest

from policygen.rightsize.assess.tightness import Support, Tightness, broader_of, support_of, tightness_of


@pytest.mark.parametrize(
    ("seen", "kinds", "support", "broader"),
    [
        (True, (), "seen", False),
        (True, ("unknown",), "seen", True),
        (True, ("platform", "unknown"), "seen", True),
        (False, ("platform",), "required", False),
        (False, ("platform", "unknown"), "required", True),
        (False, ("decision",), "declared", False),
        (False, ("decision", "unknown"), "declared", True),
        (False, ("unknown",), "unverified", False),
        (False, (), "declared", False),
    ],
)
def test_an_action_counts_once_and_needed_comes_first(
    seen: bool, kinds: tuple[str, ...], support: Support, broader: bool
) -> None:
    observed, kept = ["SQS:SendMessage"] * seen, [("sqs:sendmessage", kind) for kind in kinds]
    found = support_of(["sqs:SendMessage"], observed, kept)
    assert found == {"sqs:sendmessage": support}
    assert (broader_of(found, kept) == {"sqs:sendmessage"}) is broader
    expected = Tightness(**{support: 1}, broader=int(broader))  # type: ignore[arg-type]
    assert tightness_of(["sqs:SendMessage"], observed, kept) == expected
    assert expected.needed + expected.unverified == 1


def test_what_the_policy_does_not_allow_is_not_counted() -> None:
    assert tightness_of([], ["s3:GetObject"], [("s3:PutObject", "unknown")]) == Tightness()
