"""What records and the account tell of names in other records."""

from __future__ import annotations

import json

import pytest

from policygen.catalog.call import Call
from policygen.catalog.extractors import via_service
from policygen.catalog.knowledge import NOTHING_KNOWN, Fact, fact_of_arn, facts_in_text
from policygen.catalog.learning import facts_of
from policygen.catalog.rule_model import ServiceRules
from policygen.catalog.rules import all_rules, learning_sources
from policygen.catalog.sent_keys import sent_conditions, sent_keys
from policygen.catalog.service_names import path_members
from policygen.evidence.role import parse_role
from policygen.iam import reference
from policygen.iam.arn import action_matches
from policygen.iam.request import AccessRequest
from policygen.logs.decode.selection import select_records

ACCOUNT = "123456789012"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/apps/web"


def test_an_arn_tells_the_path_of_its_name() -> None:
    assert fact_of_arn(ROLE_ARN) == Fact("role", f"{ACCOUNT}:web", ROLE_ARN)
    assert fact_of_arn(f"arn:aws:iam::{ACCOUNT}:user/web") == Fact(
        "user", f"{ACCOUNT}:web", f"arn:aws:iam::{ACCOUNT}:user/web"
    )
    assert fact_of_arn("arn:aws:s3:::web") is None
    assert fact_of_arn(f"arn:aws:sts::{ACCOUNT}:assumed-role/web/s") is None


def test_arns_that_are_a_part_of_a_text_tell_nothing() -> None:
    quoted = json.dumps({"role": ROLE_ARN, "note": f'{{"arn": "{ROLE_ARN}x"}}', "more": f"see {ROLE_ARN}y"})
    assert list(facts_in_text(quoted.encode())) == [Fact("role", f"{ACCOUNT}:web", ROLE_ARN)]


def test_both_of_two_facts_are_possible_whichever_came_first() -> None:
    first = NOTHING_KNOWN.joined([Fact("role", f"{ACCOUNT}:web", "arn:b")]).joined(
        [Fact("role", f"{ACCOUNT}:web", "arn:a")]
    )
    assert first.look_up("role", ACCOUNT, "web") == ("arn:a", "arn:b")
    assert first.look_up("role", "999988887777", "web") == ()
    assert first.look_up("user", ACCOUNT, "web") == ()


@pytest.mark.parametrize("source", sorted(learning_sources()))
def test_a_search_for_one_role_finds_the_records_that_tell_something(source: str) -> None:
    (rules,) = [one for one in all_rules() if source in one.event_sources]
    wanted = parse_role("orders").record_filter.of("")
    for name in rules.learn:
        event = "Encrypt" if name == "*" else next(e for e in _spelled(rules.service) if e.lower() == name)
        record = {
            "eventVersion": "1.11",
            "userIdentity": {"type": "IAMUser"},
            "eventTime": "2026-11-03T08:00:00Z",
            "eventSource": source,
            "eventName": event,
            "requestParameters": {"keyId": "alias/aws/ssm"} if name == "*" else {},
            "eventID": "0",
        }
        text = json.dumps({"Records": [record]}, separators=(",", ":")).encode()
        found = select_records(text, wanted)
        assert found is not None
        assert [one.eventName for one in found[0]] == [event]


def _spelled(service: str) -> list[str]:
    return [name.split(":")[1] for name in reference.action_names(service)]


def test_what_is_learned_is_looked_up_and_the_other_way_round() -> None:
    texts = {step for rules in all_rules() for step in _templates(rules)}
    looked_up = {
        relation
        for text in texts
        for relation in (
            piece.split(":", 1)[1].split("}")[0]
            for piece in text.split("|")
            if piece.startswith(("known:", "with_path:"))
        )
    }
    learned = {rule.relation for rules in all_rules() for found in rules.learn.values() for rule in found}
    opened = {one.known for rules in all_rules() for one in rules.open_resources.values()}
    assert learned - looked_up - opened == set()
    assert (looked_up | opened) - learned == set()


def _templates(rules: ServiceRules) -> list[str]:
    steps = [one for found in rules.resources.values() for one in found if not isinstance(one, str)]
    needs = [need for event in rules.events.values() for need in event.needs + event.also]
    steps += [one for need in needs for one in need.arn if not isinstance(one, str)]
    return [step.source for step in steps]


def test_a_creation_without_an_answer_tells_the_path_by_its_request() -> None:
    call = Call(
        "iam.amazonaws.com", "CreateRole", "us-east-1", ACCOUNT, params={"roleName": "web", "path": "/apps/"}
    )
    assert list(facts_of(call)) == [Fact("role", f"{ACCOUNT}:web", ROLE_ARN)]


@pytest.mark.parametrize(
    ("source", "operation", "in_path", "elsewhere"),
    [
        ("lambda", "GetFunction", {"functionname"}, {"qualifier"}),
        ("lambda", "CreateFunction", set(), {"functionname"}),
        ("eks", "AssociateAccessPolicy", {"clustername", "principalarn"}, {"policyarn"}),
        ("securityhub", "GetInsightResults", {"insightarn"}, set()),
        ("s3", "GetObject", set(), {"key", "bucket"}),
        ("sns", "CreateTopic", set(), {"name"}),
    ],
)
def test_the_parameters_in_the_path_of_an_operation(
    source: str, operation: str, in_path: set[str], elsewhere: set[str]
) -> None:
    found = path_members(f"{source}.amazonaws.com", operation)
    assert in_path <= found
    assert not elsewhere & found


def test_every_key_that_is_always_sent_is_one_of_its_actions() -> None:
    for sent in sent_keys():
        for pattern in sent.actions:
            names = [
                name
                for name in reference.action_names(pattern.split(":")[0])
                if action_matches(pattern, name)
            ]
            known = [reference.action(name) for name in names]
            assert any(action and action.has_key(sent.key) for action in known), sent.key
        assert sent.reference.startswith("https://docs.aws.amazon.com/")


def test_a_condition_is_left_out_where_one_record_does_not_show_the_key() -> None:
    def request(*values: str) -> AccessRequest:
        context = (("cloudwatch:namespace", values),) if values else ()
        return AccessRequest("cloudwatch:PutMetricData", "*", context=context)

    assert sent_conditions("cloudwatch:PutMetricData", [request("A"), request("B")]) == (
        ("StringEquals", (("cloudwatch:namespace", ("A", "B")),)),
    )
    assert sent_conditions("cloudwatch:PutMetricData", [request("A"), request()]) == ()
    assert sent_conditions("cloudwatch:PutMetricData", [request("A", "B")]) == ()
    assert sent_conditions("cloudwatch:GetMetricData", [request("A")]) == ()


@pytest.mark.parametrize(
    ("via", "region", "member", "expected"),
    [
        ("s3.amazonaws.com", "eu-west-1", "aws:s3:arn", "s3.eu-west-1.amazonaws.com"),
        ("s3.amazonaws.com.cn", "cn-north-1", "aws:s3:arn", "s3.cn-north-1.amazonaws.com"),
        ("secretsmanager.amazonaws.com", "us-east-1", "SecretARN", "secretsmanager.us-east-1.amazonaws.com"),
        ("logs.amazonaws.com", "us-east-1", "aws:kinesis:arn", ""),
        ("AWS Internal", "us-east-1", "aws:s3:arn", ""),
        ("rds.amazonaws.com", "us-east-1", "something", ""),
        ("", "us-east-1", "aws:s3:arn", ""),
    ],
)
def test_kms_sees_a_service_only_where_two_fields_name_it(
    via: str, region: str, member: str, expected: str
) -> None:
    call = Call(
        "kms.amazonaws.com", "Decrypt", region, ACCOUNT, params={"encryptionContext": {member: "x"}}, via=via
    )
    assert via_service(call) == expected
