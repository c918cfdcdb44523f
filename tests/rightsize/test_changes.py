"""What becomes of each action: in order, in whatever letters it is written, and the same for all roles."""

from __future__ import annotations

import msgspec

from policygen.iam.actions import effective_actions
from policygen.iam.document import Policy, Statement
from policygen.iam.grants import Grant
from policygen.rightsize.assess.change_groups import group_changes
from policygen.rightsize.assess.changes import Change
from policygen.rightsize.assess.compare import compare
from policygen.rightsize.removal import Removal, unseen

TODAY = effective_actions([Policy((Statement("Allow", ("sqs:*", "kms:Decrypt"), ("*",)),))]).allowed
QUEUE = "arn:aws:sqs:eu-west-1:111122223333:orders"


def by_action(*args: object, **more: object) -> dict[str, Change]:
    return {one.action: one for one in compare(*args, **more)}  # type: ignore[arg-type]


def test_each_action_has_one_change_in_order() -> None:
    kept = Grant("kms:Decrypt", "*")
    grants = [Grant("SQS:sendmessage", QUEUE), kept, Grant("s3:GetObject", "arn:aws:s3:::b/*")]
    found = compare(TODAY, grants, {kept: ("unknown", "not logged")}, {"sqs:ReceiveMessage"})
    names = [one.action.lower() for one in found]
    assert names == sorted({*map(str.lower, TODAY), "s3:getobject"})
    told = {one.action: one for one in found}
    assert (told["kms:Decrypt"].kind, told["kms:Decrypt"].why) == ("unknown", "not logged")
    assert told["SQS:sendmessage"].proposed == (QUEUE,)
    assert (told["s3:GetObject"].now, told["s3:GetObject"].kind) == ((), "narrowed")
    assert told["sqs:ReceiveMessage"].kind == "missing"
    assert told["sqs:PurgeQueue"].kind == "removed"


def test_roles_share_the_changes_of_services_where_they_are_alike() -> None:
    other = Removal("retired", "retired", "https://docs.aws.amazon.com/")
    one = by_action(TODAY, [Grant("kms:Decrypt", "*")], {}, removed={"sqs:PurgeQueue": other})
    two = by_action(TODAY, [], {}, removed={"sqs:PurgeQueue": other})
    assert one["sqs:DeleteQueue"] is two["sqs:DeleteQueue"]
    assert (one["kms:Decrypt"].kind, two["kms:Decrypt"].kind) == ("unchanged", "removed")
    three = by_action(TODAY, [Grant("sqs:SendMessage", QUEUE)], {})
    assert (one["sqs:PurgeQueue"].why, three["sqs:PurgeQueue"].why) == ("retired", unseen("").why)
    assert (one["sqs:SendMessage"].kind, three["sqs:SendMessage"].proposed) == ("removed", (QUEUE,))
    narrower = effective_actions([Policy((Statement("Allow", ("sqs:*",), (QUEUE,)),))]).allowed
    assert by_action(narrower, [], {})["sqs:DeleteQueue"].now == (QUEUE,)


def test_the_groups_of_services_are_those_of_all_changes() -> None:
    grants = [Grant("sqs:SendMessage", QUEUE), Grant("kms:Decrypt", "*"), Grant("sns:Publish", QUEUE)]
    changes = compare(TODAY, grants, {grants[0]: ("unknown", "not logged")}, {"sqs:ReceiveMessage"})
    assert [one.service for one in changes][:2] == ["kms", "sns"]
    assert changes.groups == group_changes(changes)
    assert changes.json == msgspec.json.encode(tuple(changes), order="sorted")
    assert sum(one.allowed_today for one in changes.groups) == len(TODAY)


def test_a_grant_in_other_letters_is_beyond_no_action_of_today() -> None:
    found = by_action(TODAY, [Grant("SQS:SENDMESSAGE", QUEUE), Grant("sqs:NotKnown", QUEUE)], {})
    assert len(found) == len(TODAY) + 1
    assert (found["SQS:SENDMESSAGE"].now, found["sqs:NotKnown"].now) == ((), ())
