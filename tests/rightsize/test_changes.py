"""What becomes of each action: in order, in whatever letters it is written, and the same for all roles."""

from __future__ import annotations

from policygen.iam.actions import effective_actions
from policygen.iam.document import Policy, Statement
from policygen.iam.grants import Grant
from policygen.rightsize.assess.changes import Change, compare
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


def test_roles_share_the_changes_of_what_goes() -> None:
    other = Removal("retired", "retired", "https://docs.aws.amazon.com/")
    one = by_action(TODAY, [], {}, removed={"sqs:PurgeQueue": other})
    two = by_action(TODAY, [Grant("sqs:SendMessage", QUEUE)], {})
    assert one["sqs:DeleteQueue"] is two["sqs:DeleteQueue"]
    assert (one["sqs:PurgeQueue"].why, two["sqs:PurgeQueue"].why) == ("retired", unseen("").why)
    narrower = effective_actions([Policy((Statement("Allow", ("sqs:*",), (QUEUE,)),))]).allowed
    assert by_action(narrower, [], {})["sqs:DeleteQueue"].now == (QUEUE,)
