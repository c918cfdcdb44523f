"""The unverified permissions become a handful of questions, and a rule for policygen.toml answers each."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
import pytest

from policygen.all_roles.questions import CommandParts, account_questions, role_questions
from policygen.evidence.coverage.blind_spot import BlindSpot
from policygen.iam import reference
from policygen.iam.arn import action_matches
from policygen.iam.grants import Grant
from policygen.plan.batch_table import BatchRow
from policygen.plan.build import plan_from_analysis
from policygen.rightsize.assess.action_risk import risk_rank
from policygen.rightsize.keep.model import Keep
from policygen.rightsize.question_rules import exact_drops
from policygen.rightsize.questions import ENOUGH, MOST, questions_about, topics_of_role
from policygen.rightsize.suggestion import Suggestion
from tests.support.decided import decided, with_reasons
from tests.support.golden import Case, Golden, run
from tests.support.samples import EVERY_SAMPLE, sample

QUEUES = ("arn:aws:sqs:eu-west-1:111122223333:new", "arn:aws:sqs:eu-west-1:111122223333:old")


def unverified(action: str, spot: str, resource: str = "*", **more: str) -> Keep:
    remedy = more.pop("remedy", "decide by hand")
    return Keep(
        Grant(action, resource), "unknown", f"{spot} it is", BlindSpot(spot, action, spot, remedy, **more)
    )


def off(action: str, resource: str = "*") -> Keep:
    service = action.partition(":")[0]
    remedy = f"log data events of {service}"
    return unverified(action, "data-events-off", resource, remedy=remedy, command=f"log {service}")


MANY = [
    *(off(f"sqs:{name}", queue) for name in ("ReceiveMessage", "SendMessage") for queue in QUEUES),
    *(off(f"dynamodb:{name}") for name in ("GetItem", "PutItem", "Query")),
    off("sns:Publish"),
    off("lambda:InvokeFunction"),
    *(unverified(name, "never-logged") for name in ("dax:GetItem", "dax:PutItem", "rds-db:connect")),
    *(unverified(name, "no-event") for name in ("s3:InitiateReplication", "kms:SynchronizeMultiRegionKey")),
    unverified("ec2:CreateTags", "tags-on-create"),
    unverified("glue:GetTable", "region-not-read", remedy="give the files of eu-west-3 to --logs"),
]


def test_one_question_for_a_data_plane_counts_its_actions_and_its_resources() -> None:
    (one,) = questions_about(
        [off(f"sqs:{name}", queue) for name in ("ReceiveMessage", "SendMessage") for queue in QUEUES],
        "orders",
    )
    assert one.asks == "reads and writes of sqs on 2 queues: 2 actions"
    assert one.actions == ("sqs:ReceiveMessage", "sqs:SendMessage")
    assert (one.answer, one.command) == ("log data events of sqs", "log sqs")


def large(*topics: tuple[str, str]) -> list[Keep]:
    """Three unverified actions for each (service, blind spot)."""
    return [
        off(name) if spot == "data-events-off" else unverified(name, spot)
        for service, spot in topics
        for name in reference.action_names(service)[:3]
    ]


def test_there_are_never_more_than_five_questions_and_no_permission_is_in_none() -> None:
    planes = [
        (service, "data-events-off") for service in ("sqs", "sns", "kinesis", "lambda", "s3", "dynamodb")
    ]
    for keeps in (MANY, large(*planes), large(*planes, ("dax", "never-logged"), ("kms", "no-event"))):
        found = questions_about(keeps, "orders")
        assert ENOUGH <= len(found) <= MOST
        asked = [action for one in found for action in one.actions]
        assert sorted(asked) == sorted({keep.grant.action for keep in keeps})


def test_the_smallest_that_are_answered_alike_are_put_together_first() -> None:
    planes = large(*((service, "data-events-off") for service in ("sqs", "dynamodb")))
    others = large(("dax", "never-logged"), ("kms", "no-event"))
    small = [off("sns:Publish"), off("lambda:InvokeFunction")]
    found = questions_about([*planes, *others, *small], "orders")
    assert len(found) == MOST
    together = next(one for one in found if "sns:Publish" in one.actions)
    assert together.actions == ("lambda:InvokeFunction", "sns:Publish")
    assert together.command == "policygen doctor -r orders"
    assert all(len({topic.answer for topic in one.topics}) == 1 for one in found)


def test_large_ones_that_are_answered_alike_are_put_together_before_smaller_ones_that_are_not() -> None:
    alike = [off(name) for service in ("sqs", "dynamodb") for name in reference.action_names(service)[:5]]
    spots = (
        ("dax", "never-logged"),
        ("kms", "no-event"),
        ("ec2", "tags-on-create"),
        ("glue", "no-event-known"),
    )
    found = questions_about([*alike, *large(*spots)], "orders")
    assert len(found) == MOST
    (together,) = (one for one in found if len(one.topics) > 1)
    assert together.actions == tuple(sorted((keep.grant.action for keep in alike), key=str.lower))


def test_small_questions_stand_alone_only_where_there_are_few() -> None:
    keeps = [off("sns:Publish"), unverified("rds-db:connect", "never-logged")]
    assert len(questions_about(keeps, "orders")) == len(keeps)
    more = large(("sqs", "data-events-off"), ("dax", "never-logged"), ("kms", "no-event"))
    found = questions_about([*keeps, *more], "orders")
    (rest,) = (one for one in found if "sns:Publish" in one.actions)
    assert rest.asks == "the rest, writes of rds-db and sns: 2 actions"
    assert len(found) == 4


def test_the_riskiest_question_comes_first_and_names_its_riskiest_actions() -> None:
    found = questions_about(MANY, "orders")
    ranks = [min(map(risk_rank, one.actions)) for one in found]
    assert ranks == sorted(ranks)
    for one in found:
        assert list(one.riskiest) == sorted(one.actions, key=lambda name: (risk_rank(name), name))[:3]


def test_what_comes_along_with_a_call_is_asked_about_with_the_calls_of_its_service() -> None:
    along = unverified("dynamodb:TagResource", "comes-along", remedy="decide about dynamodb:PutItem")
    (one,) = questions_about([off("dynamodb:PutItem"), along], "orders")
    assert one.actions == ("dynamodb:PutItem", "dynamodb:TagResource")


def test_a_rule_to_drop_names_nothing_that_is_also_needed_on_another_resource() -> None:
    keeps = [off("sqs:ReceiveMessage"), off("sqs:SendMessage"), unverified("sqs:AddPermission", "no-event")]
    first, second = sorted(
        questions_about(keeps, "orders", needed=["sqs:ReceiveMessage"]), key=lambda one: -len(one.actions)
    )
    dropped = [rule.action for rule in decided(first.drop).rules]
    assert dropped == ["sqs:ReceiveMessag?", "sqs:SendMessage"]
    assert [rule.action for rule in decided(second.drop).rules] == ["sqs:AddPermission"]


@pytest.mark.parametrize("kind", ["platform", "decision", "traced"])
def test_a_rule_to_drop_spares_what_is_kept_for_another_reason(
    kind: Literal["platform", "decision", "traced"],
) -> None:
    other = Keep(Grant("sqs:ReceiveMessage", QUEUES[0]), kind, "it is needed")
    asked = [off("sqs:ReceiveMessage"), off("sqs:SendMessage"), unverified("sqs:AddPermission", "no-event")]
    found = questions_about([*asked, other], "orders")
    patterns = {pattern for one in found for pattern in one.drop_patterns}
    assert patterns == {"sqs:ReceiveMessag?", "sqs:SendMessage", "sqs:AddPermission"}


def test_a_rule_to_drop_names_no_whole_service_of_which_a_decision_keeps_something() -> None:
    names = [name for name in reference.action_names("sqs") if name != "sqs:ListQueues"]
    (one,) = questions_about([off(name) for name in names], "orders")
    assert one.drop_patterns == ("sqs:*",)
    kept = Keep(Grant("sqs:ListQueues", "*"), "decision", "it is declared")
    (one,) = questions_about([*(off(name) for name in names), kept], "orders")
    assert "sqs:*" not in one.drop_patterns


def test_an_action_that_iam_s_data_does_not_know_has_no_rule() -> None:
    (one,) = questions_about([unverified("sqs:NoSuchThing", "no-event-known")], "orders")
    assert (one.actions, one.keep, one.drop) == (("sqs:NoSuchThing",), "", "")


def test_the_same_question_of_many_roles_is_asked_once() -> None:
    names = ("catalog", "checkout", "orders")
    topics = {name: topics_of_role([off("sqs:SendMessage"), off("sns:Publish")]) for name in names}
    topics["orders"] += topics_of_role([unverified("dax:GetItem", "never-logged")])
    parts = CommandParts([("--logs", "my trail"), ("--days", "9")], "plans/{}.json".format)
    found = account_questions([(row_of(name), own) for name, own in topics.items()], parts)
    assert [(one.id, one.roles) for one in found] == [
        ("data-events:sns", names),
        ("data-events:sqs", names),
        ("protocol:dax", ("orders",)),
    ]
    assert found[1].asks == "writes of sqs: 3 roles"
    assert found[1].command == "policygen doctor --service sqs --logs 'my trail' --days 9"
    assert found[2].command == f"policygen probation plans/orders.json --question {found[2].id}"
    rules = decided(found[1].drop).rules
    assert [(rule.role, rule.action) for rule in rules] == [(name, "sqs:SendMessage") for name in names]


def row_of(role: str, account: str = "111122223333") -> BatchRow:
    return BatchRow(role=role, account=account, verdict="ready", reason="", plan=f"{role}")


def rules_of(text: str) -> dict[str, set[str]]:
    """Role -> the actions of its rules; a rule for any other role would be for this one too."""
    found: dict[str, set[str]] = {}
    for rule in decided(text).rules:
        found.setdefault(rule.role, set()).add(rule.action)
    return found


def test_each_role_s_rules_name_its_own_actions_and_spare_what_it_needs() -> None:
    many = [off("sqs:SendMessage"), off("sqs:ReceiveMessage")]
    asked = [
        (row_of("lone"), topics_of_role([off("sqs:SendMessage")])),
        (row_of("orders"), topics_of_role(many)),
        (row_of("polled"), topics_of_role(many, needed=["sqs:ReceiveMessage"])),
        (row_of("silent"), ()),
    ]
    (one,) = account_questions(asked)
    assert rules_of(one.drop) == {
        "lone": {"sqs:SendMessage"},
        "orders": {"sqs:SendMessage", "sqs:ReceiveMessage"},
        "polled": {"sqs:SendMessage", "sqs:ReceiveMessag?"},
    }
    assert rules_of(one.keep)["lone"] == {"sqs:SendMessage"}
    assert "silent" not in rules_of(one.keep) | rules_of(one.drop)


def test_rules_of_many_roles_say_each_action_once_where_that_is_shorter() -> None:
    """Roles that use services in other combinations share no list of actions, but each service has a list of roles."""
    services = ("dynamodb", "kinesis", "sqs", "sns")
    actions = {one: sorted(reference.action_names(one))[:12] for one in services}
    own = {
        f"role-{n:02}": {action for i, one in enumerate(services) if n >> i & 1 for action in actions[one]}
        for n in range(1, 16)
    }
    asked = [
        (row_of(role), topics_of_role([unverified(action, "no-event") for action in sorted(its)]))
        for role, its in own.items()
    ]
    (one,) = account_questions(asked)
    for text in (one.keep, one.drop):
        assert rules_of(text) == own
        assert [text.count(f'"{action}"') for action in one.actions] == [1] * 48


def test_where_two_accounts_have_a_role_of_the_name_a_rule_spares_what_the_other_may_need() -> None:
    topics = topics_of_role([off("sqs:ReceiveMessage")])
    (one,) = account_questions([(row_of("orders"), topics), (row_of("Orders", "444455556666"), ())])
    assert rules_of(one.drop) == {"orders": {"sqs:ReceiveMessag?"}}


def test_a_role_s_part_of_a_question_has_its_own_command_and_rule() -> None:
    row = msgspec.structs.replace(row_of("orders"), owner="shop")
    topics = topics_of_role(
        [off("sqs:SendMessage"), off("sqs:ReceiveMessage")], needed=["sqs:ReceiveMessage"]
    )
    old = topics_of_role([unverified("dax:GetItem", "used-outside-window")])
    parts = CommandParts([("--logs", "trail"), ("--days", "9")])
    one, two = role_questions([(row, (*topics, *old)), (row_of("silent"), ())], parts)
    assert (one.role, one.owner, one.question, one.asks, one.permissions) == (
        "orders", "shop", "data-events:sqs", "reads and writes of sqs", 2,
    )  # fmt: skip
    assert one.command == "policygen doctor --service sqs --logs trail --days 9"
    assert rules_of(f"drop = [\n{one.drop}\n]") == {"orders": {"sqs:ReceiveMessag?", "sqs:SendMessage"}}
    assert (two.question, two.permissions) == ("protocol:dax", 1)


def test_a_rule_too_long_for_a_cell_is_named_in_a_comment() -> None:
    names = [name for service in ("sqs", "ec2") for name in reference.action_names(service)]
    (one,) = role_questions(
        [(row_of("wide"), topics_of_role([unverified(name, "no-event") for name in names]))]
    )
    assert one.drop == f"# {len(names)} actions: batch.json, questions, no-sdk"
    assert rules_of(f"drop = [\n{one.drop}\n]") == {}


def test_a_rule_of_the_file_matches_no_other_action_that_iam_knows() -> None:
    names = [name for name in reference.action_names("sqs") if name != "sqs:ListQueues"]
    (one,) = questions_about([off(name) for name in names], "orders")
    assert one.drop_patterns == ("sqs:*",)
    assert {rule.action for rule in decided(one.drop).rules} == set(names)
    for name in reference.action_names("dynamodb"):
        for pattern in exact_drops([name], {name.lower()}):
            matched = [one for one in reference.action_names("dynamodb") if action_matches(pattern, one)]
            assert (matched, pattern != name) == ([name], True)


# --- The rules answer the questions ----------------------------------------------------------------


def needed_actions(suggestion: Suggestion) -> set[str]:
    """What was seen in use, is required by the configuration, or declared."""
    unknown = {keep.grant.action for keep in suggestion.keeps if keep.kind == "unknown"}
    return {grant.action for grant, requests in suggestion.grants.items() if requests} | (
        {grant.action for grant in suggestion.grants} - unknown
    )


@EVERY_SAMPLE
def test_the_rules_of_a_sample_are_answers(role: str, today: bool) -> None:
    suggestion = sample(role, today).suggestion
    assert len(suggestion.questions) <= MOST
    for one in suggestion.questions:
        droppable = suggestion.unverified.droppable.intersection(one.actions)
        for text, kind in ((one.drop, "drop"), (one.keep, "keep")):
            rules = decided(text).rules
            assert bool(rules) is (kind == "keep" or bool(droppable))
            assert {rule.kind for rule in rules} == {kind}
            assert {rule.role for rule in rules} == {suggestion.role.name}


@pytest.fixture
def asked(golden: Golden) -> tuple[Case, Suggestion]:
    case, analysis = golden
    if case.get("drop") or case.get("keep") or "decisions" in case or "slow" in case:
        pytest.skip("the case has decisions of its own")
    if not analysis.suggestion.questions:
        pytest.skip("nothing is unverified")
    return case, analysis.suggestion


@pytest.mark.parametrize("kind", ["drop", "keep"])
def test_a_rule_answers_its_question_and_takes_nothing_that_is_needed(
    asked: tuple[Case, Suggestion], kind: str, tmp_path: Path
) -> None:
    case, before = asked
    for number, one in enumerate(before.questions):
        text = with_reasons(one.drop if kind == "drop" else one.keep)
        if not text:
            continue
        after = run(case | {"decisions": text.splitlines()}, tmp_path / str(number)).suggestion
        rules = decided(text).rules
        named = {
            action for action in one.actions if any(action_matches(rule.action, action) for rule in rules)
        }
        assert named
        left = {action for question in after.questions for action in question.actions}
        assert not left & named, (one.asks, left & named)
        assert after.decided.losses == ()
        assert needed_actions(before) <= {grant.action for grant in after.grants}
        assert after.proof.held


def test_no_rule_drops_what_alone_explains_what_iam_saw() -> None:
    suggestion = sample("orders-api", today=True).suggestion
    assert "saw an attempt at sns" in suggestion.said["sns:Publish"]
    asking = [one for one in suggestion.questions if "sns:Publish" in one.actions]
    assert [action_matches(pattern, "sns:Publish") for one in asking for pattern in one.drop_patterns] == [
        False
    ]
    assert [rule.action for one in asking for rule in decided(one.drop).rules] == ["xray:GetSamplingTargets"]
    assert [rule.action for one in asking for rule in decided(one.keep).rules if "sns" in rule.action]


def test_a_batch_s_rules_drop_nothing_that_alone_explains_what_iam_saw() -> None:
    topics = topics_of_role(
        [off("sqs:SendMessage"), off("sqs:ReceiveMessage")], droppable={"sqs:SendMessage"}
    )
    asked = [(row_of("orders"), topics)]
    (one,) = account_questions(asked)
    assert rules_of(one.drop) == {"orders": {"sqs:SendMessage"}}
    assert rules_of(one.keep) == {"orders": {"sqs:SendMessage", "sqs:ReceiveMessage"}}
    (row,) = role_questions(asked)
    assert "sqs:SendMessage" in row.drop
    assert "sqs:ReceiveMessage" not in row.drop


def test_the_plan_holds_the_questions(golden: Golden) -> None:
    _, analysis = golden
    plan = plan_from_analysis(analysis)
    unknown = {keep.action for keep in plan.keeps if keep.kind == "unknown"}
    assert {action for one in plan.questions for action in one.actions} == unknown


def test_what_would_show_the_use_answers_a_question_about_what_iam_saw() -> None:
    seen = unverified("sqs:SendMessage", "used-outside-window", remedy="keep it, or more --days")
    (one,) = questions_about([seen], "orders")
    assert (one.answer, one.command) == (
        "log its data events, wait, and run again",
        "policygen doctor -r orders",
    )


def test_logs_that_are_missing_answer_a_question_with_their_own_remedy() -> None:
    missing = unverified("glue:GetTable", "region-not-read", remedy="give the files of eu-west-3 to --logs")
    (one,) = questions_about([missing], "orders")
    assert one.answer == "give the files of eu-west-3 to --logs"
