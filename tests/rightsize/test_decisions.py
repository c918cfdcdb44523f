from __future__ import annotations

import json
import pickle
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from policygen.errors import GateError, UsageError
from policygen.iam import arn
from policygen.iam.actions import effective_actions
from policygen.iam.document import allow_statements, parse_policy
from policygen.iam.grants import Grant
from policygen.iam.request import AccessRequest, RoleKey
from policygen.logs.calls.evidence import Evidence
from policygen.rightsize.decisions.apply import (
    NothingToKeepError,
    apply_keeps,
    drop_observed,
    dropped,
    unused_rules,
)
from policygen.rightsize.decisions.load import load_decisions, parse_decisions, rules_of_flag, with_flags
from policygen.rightsize.decisions.model import DecisionRule, Decisions
from policygen.rightsize.question_rules import rule_line, rule_text
from tests.support import ROOT

CASES = ROOT / "tests/cases/decisions"
PAGE = (ROOT / "docs/reference/decisions.md").read_text()
EXAMPLE = re.search(r"```toml\n(.*?)```", PAGE, re.S).group(1)  # type: ignore[union-attr]
DAY = date(2026, 11, 24)
SEEN = AccessRequest("s3:DeleteObject", "arn:aws:s3:::b/k")
EVIDENCE = Evidence(
    3, "2026-11-01T00:00:00Z", "2026-11-20T00:00:00Z", frozenset({"2026-11-01", "2026-11-20"}), ()
)


def cases(name: str) -> Any:
    found = json.loads((CASES / f"{name}.json").read_text())
    return pytest.mark.parametrize("case", found, ids=lambda case: case["name"])


def now(statements: Any) -> Any:
    policy = parse_policy({"Version": "2012-10-17", "Statement": statements})
    return effective_actions([policy]).allowed


def rule(kind: Any, raw: dict[str, Any], where: str) -> DecisionRule:
    fields = dict(raw)
    if "expires" in fields:
        fields["expires"] = date.fromisoformat(fields["expires"])
    return DecisionRule(kind, where=where, **fields)


def role(name: str, account: str = "111122223333") -> RoleKey:
    return RoleKey(account, "", "", name)


# --- Reading ---


@cases("files")
def test_a_file_that_is_wrong_names_the_key_and_what_is_allowed(case: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        parse_decisions(case["toml"])
    assert (caught.value.code, caught.value.exit_code) == (case["code"], 2)
    assert caught.value.message == case["message"]
    assert case.get("hint", caught.value.hints[0]) == caught.value.hints[0]
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    "table",
    [
        rule_text("drop", ["orders"], ["sqs:SendMessage"], "why nothing needs them"),
        rule_text("keep", ["orders"], ["sqs:SendMessage"], "x" * 100),
        "drop = [" + rule_line("orders", ["sqs:SendMessage"], "uses of sqs", "batch.json") + "]",
        '[[reported]]\nrole = "orders"\nuntil = 2026-11-18\nreason = "not ours: TICKET"\n',
        '[[keep]]\nrole = "orders"\nprincipal = "*"\nreason = "TICKET"\n',
    ],
    ids=["drop", "keep", "a line of a list", "reported", "principal"],
)
def test_the_placeholder_of_a_table_is_no_reason(table: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_decisions(table)
    assert caught.value.code == "PG-E361"
    assert "nobody has written why" in caught.value.message
    written = table.replace("TICKET", "TICKET-118")
    assert parse_decisions(written.replace("x" * 100, "yearly"))


def test_names_that_are_longer_than_a_line_stay_whole() -> None:
    actions = (
        "networkflowmonitor:GetQueryResultsWorkloadInsightsTopContributors",
        "networkflowmonitor:GetQueryResultsWorkloadInsightsTopContributorsData",
        "aws-marketplace-management:GetAdditionalSellerNotificationRecipients",
    )
    table = rule_text("drop", ["orders"], actions, "calls that CloudTrail may not log")
    read = parse_decisions(table.replace("TICKET", "TICKET-118"))
    assert tuple(rule.action for rule in read.rules) == actions


def test_the_example_of_the_page_is_read_as_the_page_says(tmp_path: Path) -> None:
    path = tmp_path / "policygen.toml"
    path.write_text(EXAMPLE)
    found = load_decisions(path)
    keep, drop = found.rules
    assert (keep.kind, keep.role, keep.expires) == ("keep", "orders-*", date(2027, 1, 31))
    assert (keep.action, keep.resource) == ("s3:DeleteObject", "arn:aws:s3:::orders-archive/*")
    assert (drop.kind, drop.role, drop.action, drop.resource) == ("drop", "orders-api", "sns:Publish", "*")
    assert [one.role for one in found.protected] == ["break-glass-*"]
    (reported,) = found.reported
    assert (reported.role, reported.until, reported.reason) == (
        "orders-api", "2026-11-18", "stolen session, SEC-118; keys rotated",
    )  # fmt: skip
    assert (found.min_days, found.quiet_days) == (30, 7)
    assert all(one.reason for one in found.rules)


def test_every_key_of_the_page_is_one_and_every_code_is_there() -> None:
    named = set(re.findall(r"`((?:keep|drop|protect|reported|evidence)\.\w+)`", PAGE))
    keys = {
        f"{kind}.{key}"
        for kind in ("keep", "drop")
        for key in ("role", "account", "action", "resource", "reason", "expires", "principal")
    }
    keys |= {"protect.role", "protect.reason", "evidence.min_days", "evidence.quiet_days"}
    assert named == keys | {f"reported.{key}" for key in ("role", "account", "until", "reason")}
    source = "".join(one.read_text() for one in Path("policygen/rightsize/decisions").glob("*.py"))
    assert set(re.findall(r"PG-E\d+", source)) == set(re.findall(r"PG-E\d+", PAGE))


@pytest.mark.parametrize(
    ("name", "account", "last", "why"),
    [
        ("orders-api", "111122223333", "2026-11-18T23:59:59Z", "stolen"),
        ("Orders-API", "111122223333", "2026-11-03T00:00:00Z", "stolen"),
        ("orders-api", "111122223333", "2026-11-19T00:00:00Z", ""),
        ("orders-api", "444455556666", "2026-11-18T00:00:00Z", ""),
        ("orders", "111122223333", "2026-11-18T00:00:00Z", ""),
    ],
    ids=["on the last day", "before it", "after it", "of another account", "of another role"],
)
def test_a_report_is_about_one_role_until_its_last_day(name: str, account: str, last: str, why: str) -> None:
    table = 'role = "orders-api"\naccount = "111122223333"\nuntil = 2026-11-18\nreason = "stolen"'
    found = parse_decisions(f"[[reported]]\n{table}")
    report = found.report_of(role(name, account), last)
    assert (report.reason if report else "") == why
    assert "1 incident report" in replace(found, file="policygen.toml").note


def test_a_report_may_end_within_a_day() -> None:
    found = parse_decisions(
        '[[reported]]\nrole = "orders-api"\nreason = "stolen"\nuntil = 2026-11-18T16:00:00+01:00'
    )
    assert found.report_of(role("orders-api"), "2026-11-18T15:00:00Z")
    assert not found.report_of(role("orders-api"), "2026-11-18T15:00:01Z")
    found.refuse_reports_to_come("2026-11-18T15:00:00Z")
    with pytest.raises(UsageError, match="yet to come"):
        found.refuse_reports_to_come("2026-11-18T14:59:59Z")


def test_an_empty_file_decides_nothing() -> None:
    assert parse_decisions("") == Decisions()


@pytest.mark.parametrize("content", [b"\xff\xfe", None], ids=["not UTF-8", "missing"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "policygen.toml"
    if content:
        path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        load_decisions(path)
    assert caught.value.code == "PG-E360"
    assert str(path) in caught.value.message


@cases("flags")
def test_a_flag_is_a_rule(case: dict[str, Any]) -> None:
    if "code" in case:
        with pytest.raises(UsageError) as caught:
            rules_of_flag(case["kind"], case["text"])
        assert caught.value.code == case["code"]
        assert case.get("hint", caught.value.hints[0] if caught.value.hints else "") in (
            "",
            *caught.value.hints,
        )
    else:
        found = rules_of_flag(case["kind"], case["text"])
        assert " ".join(rule.action for rule in found) == case["action"]
        assert {(rule.kind, rule.resource) for rule in found} == {(case["kind"], case["resource"])}
        assert all(rule.flag and rule.for_role("any") and rule.reason for rule in found)


# --- Which rules apply ---


@cases("conflicts")
def test_a_keep_and_a_drop_of_one_permission(case: dict[str, Any]) -> None:
    rules = (rule("keep", case["keep"], "keep[0]"), rule("drop", case["drop"], "drop[0]"))
    decisions = Decisions(rules)
    if case["conflict"]:
        with pytest.raises(UsageError, match=r"keep\[0\] keeps what drop\[0\] drops") as caught:
            decisions.for_role(role("orders"), DAY)
        assert caught.value.code == "PG-E363"
    else:
        assert (
            set(decisions.for_role(role("orders"), DAY)) < set(rules)
            or len(decisions.for_role(role("orders"), DAY)) == 2
        )


def test_a_flag_can_contradict_the_file() -> None:
    decisions = with_flags(parse_decisions(EXAMPLE), keep=["sns:Publish"])
    assert len(decisions.for_role(role("orders-batch"), DAY)) == 2
    with pytest.raises(UsageError, match=r"--keep sns:Publish keeps what drop\[0\] drops"):
        decisions.for_role(role("orders-api"), DAY)


def test_a_rule_ends_with_its_last_day_and_is_reported_from_then_on() -> None:
    decisions = parse_decisions(EXAMPLE)
    (keep,) = (one for one in decisions.rules if one.kind == "keep")
    for day, inside in {date(2027, 1, 31): True, date(2027, 2, 1): False}.items():
        assert (keep in decisions.for_role(role("orders-api"), day)) is inside
        assert (keep in decisions.expired(role("orders-api"), day)) is not inside
    assert decisions.expired(role("reports"), date(2027, 2, 1)) == ()


def test_a_rule_about_an_account_is_about_no_role_of_another() -> None:
    text = '[[keep]]\nrole = "orders"\naccount = "444455556666"\naction = "s3:DeleteObject"\nreason = "purge"'
    decisions = parse_decisions(text)
    assert len(decisions.for_role(role("orders", "444455556666"), DAY)) == 1
    assert decisions.for_role(role("orders"), DAY) == ()


@pytest.mark.parametrize(
    ("name", "protected"),
    [("break-glass-admin", True), ("Break-Glass-Admin", True), ("break-glass", False), ("orders-api", False)],
)
def test_a_protected_role_is_refused(name: str, protected: bool) -> None:
    decisions = parse_decisions(EXAMPLE)
    if not protected:
        assert decisions.protection(name) is None
        decisions.refuse_protected(name)
        return
    with pytest.raises(GateError, match="security owns it") as caught:
        decisions.refuse_protected(name)
    assert (caught.value.code, caught.value.exit_code) == ("PG-E365", 1)


# --- Keeping ---


def written(grant: Grant) -> list[Any]:
    conditions = {operator: {key: list(v) for key, v in keys} for operator, keys in grant.conditions}
    if grant.excluded:
        return [grant.action, grant.resource, conditions, list(grant.excluded)]
    return [grant.action, grant.resource, conditions] if conditions else [grant.action, grant.resource]


@cases("keeps")
def test_a_keep_is_cut_to_what_today_grants(case: dict[str, Any]) -> None:
    rules = [rule for text in case["keep"] for rule in rules_of_flag("keep", text)]
    if "code" in case:
        with pytest.raises(UsageError) as caught:
            apply_keeps(rules, "orders", now(case["today"]))
        assert caught.value.code == case["code"]
        assert case.get("hint", caught.value.hints[0]) in caught.value.hints
        return
    kept = apply_keeps(rules, "orders", now(case["today"]))
    if "covers" in case:
        assert any(one.grant.covers(AccessRequest(one.grant.action, case["covers"])) for one in kept)
    assert [written(one.grant) for one in kept] == case["grants"]
    statements = allow_statements([parse_policy({"Version": "2012-10-17", "Statement": case["today"]})])
    assert all(any(one.grant.inside_statement(s) for s in statements) for one in kept)


PATTERNS = [
    "*",
    "arn:aws:s3:::b/*",
    "arn:aws:s3:::*/tmp/*",
    "arn:aws:s3:::b/k",
    "arn:aws:s3:::b",
    "arn:aws:s3:::c*",
]
TODAY = st.lists(
    st.builds(
        lambda action, resources, negated: {
            "Effect": "Allow",
            "Action": action,
            "NotResource" if negated else "Resource": resources,
        },
        st.sampled_from(["s3:*", "s3:DeleteObject", "s3:Delete*", "s3:ListAllMyBuckets"]),
        st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2),
        st.booleans(),
    ),
    min_size=1,
    max_size=3,
)


@settings(deadline=None)  # the first example reads the names of all actions of a service
@given(TODAY, st.sampled_from(["s3:*", "s3:DeleteObject", "s3:DeleteB*"]), st.sampled_from(PATTERNS))
def test_a_keep_is_never_wider_than_today_nor_than_its_rule(today: Any, action: str, resource: str) -> None:
    keep = DecisionRule("keep", action, "x", resource=resource, where="keep[0]")
    statements = allow_statements([parse_policy({"Version": "2012-10-17", "Statement": today})])
    try:
        kept = apply_keeps([keep], "orders", now(today))
    except UsageError:  # nothing is left of it
        return
    for one in kept:
        assert any(one.grant.inside_statement(s) for s in statements)
        assert arn.contains(resource, one.grant.resource)
        assert arn.action_matches(action, one.grant.action)


# --- Dropping ---


@cases("drops")
def test_what_was_seen_is_dropped_by_name_on_the_command_line_only(case: dict[str, Any]) -> None:
    written = Decisions(tuple(rule("drop", raw, f"drop[{i}]") for i, raw in enumerate(case["rules"])))
    rules = with_flags(written, drop=case["flags"]).for_role(role("orders"), DAY)
    other = AccessRequest("s3:GetObject", "arn:aws:s3:::b/k")
    found = drop_observed(
        rules, "orders", {SEEN: EVIDENCE, other: EVIDENCE}, {SEEN: ("s3.amazonaws.com DeleteObject",)}
    )
    assert [one.rule.where for one in found.losses] == case["losses"]
    assert [one.rule.where for one in found.spared if one.action == SEEN.action] == case["spared"]
    assert (SEEN in found.kept) is not bool(case["losses"])
    assert other in found.kept


def test_a_loss_says_which_calls_will_fail() -> None:
    rules = rules_of_flag("drop", "s3:DeleteObject")
    (loss,) = drop_observed(
        rules, "orders", {SEEN: EVIDENCE}, {SEEN: ("s3.amazonaws.com DeleteObject",)}
    ).losses
    assert loss.sentence == (
        "s3:DeleteObject on arn:aws:s3:::b/k: 3 calls of s3.amazonaws.com DeleteObject would have failed"
    )


def test_what_is_spared_says_so_and_offers_no_way_to_lose_it() -> None:
    rules = [DecisionRule("drop", "s3:*", "x", where="drop[0]")]
    (spared,) = drop_observed(rules, "orders", {SEEN: EVIDENCE}, {}).spared
    assert spared.sentence == "drop[0] does not drop s3:DeleteObject: it was seen in use"


@pytest.mark.parametrize(
    ("action", "resource", "drops"),
    [
        ("sns:Publish", "arn:aws:sns:us-east-1:123456789012:alerts", True),
        ("sns:Publish", "*", False),
        ("sns:Subscribe", "arn:aws:sns:us-east-1:123456789012:alerts", False),
        ("SNS:publish", "arn:aws:sns:us-east-1:123456789012:alerts", True),
    ],
)
def test_what_nobody_saw_is_dropped_whole_or_not_at_all(action: str, resource: str, drops: bool) -> None:
    one = DecisionRule(
        "drop", "sns:Pub*", "x", role="orders", resource="arn:aws:sns:*:*:alerts", where="drop[0]"
    )
    assert dropped([one], "orders", action, resource) == (one if drops else None)
    assert dropped([one], "reports", action, resource) is None


def test_a_star_that_was_observed_in_a_name_is_a_character() -> None:
    odd = AccessRequest("s3:DeleteObject", "arn:aws:s3:::b/*")
    rules = rules_of_flag("drop", "s3:DeleteObject on arn:aws:s3:::b/${*}")
    assert drop_observed(rules, "orders", {odd: EVIDENCE, SEEN: EVIDENCE}, {}).kept == {SEEN: EVIDENCE}


def test_rules_that_speak_about_nothing_are_reported() -> None:
    today = now([{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/*"}])
    useless = [
        DecisionRule("drop", "sns:Publish", "x", where="another service"),
        DecisionRule("drop", "s3:DeleteObject", "x", resource="arn:aws:s3:::c/*", where="another resource"),
    ]
    useful = [
        DecisionRule("drop", "s3:PutObject", "x", where="granted"),
        DecisionRule("drop", "s3:Del*", "x", resource="arn:aws:s3:::b/k", where="granted on a part"),
    ]
    assert unused_rules([*useless, *useful], today, []) == tuple(useless)
    assert unused_rules(useful, None, []) == tuple(useful)
    assert unused_rules(useful, None, [SEEN]) == (useful[0],)


def test_what_is_kept_is_told_with_its_reason() -> None:
    rules = parse_decisions(EXAMPLE).for_role(role("orders-batch"), DAY)
    (one,) = apply_keeps(rules, "orders-batch", now([{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]))
    assert one.grant == Grant("s3:DeleteObject", "arn:aws:s3:::orders-archive/*")
    assert one.why == "yearly purge, runs on 2 January"
    assert one.rule.where == "keep[0]"


def test_an_error_of_a_keep_rule_knows_its_rule_in_another_process() -> None:
    keep = rule("keep", {"action": "s3:DeleteObject", "reason": "restores", "role": "orders-*"}, "keep[0]")
    with pytest.raises(NothingToKeepError) as caught:
        apply_keeps([keep], "orders", now([]))
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.rule, again.message, again.hints) == (keep, caught.value.message, caught.value.hints)


def test_a_list_of_roles_is_a_rule_for_each_of_them_and_no_other() -> None:
    text = '[[keep]]\nrole = ["orders", "billing"]\naction = ["sqs:SendMessage", "sqs:ReceiveMessage"]\nreason = "so"\n'
    rules = parse_decisions(text).rules
    assert {(rule.role, rule.action) for rule in rules} == {
        (role, action)
        for role in ("orders", "billing")
        for action in ("sqs:SendMessage", "sqs:ReceiveMessage")
    }
    assert not any(rule.for_role("other") for rule in rules)
    assert all(rule.general for rule in rules)
    assert [rule.where for rule in rules[::2]] == ["keep[0].action[0]", "keep[0].action[1]"]
    with pytest.raises(UsageError, match=r"drop\[0\].role lists no role"):
        parse_decisions('[[drop]]\nrole = []\naction = "sqs:SendMessage"\nreason = "so"\n')


def test_a_list_of_actions_is_a_rule_for_each_with_its_place_in_the_file() -> None:
    text = '[[drop]]\nrole = "orders"\naction = ["sns:Publish", "sqs:*"]\nreason = "moved"\n'
    assert [(rule.action, rule.role, rule.where) for rule in parse_decisions(text).rules] == [
        ("sns:Publish", "orders", "drop[0].action[0]"),
        ("sqs:*", "orders", "drop[0].action[1]"),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            '[[drop]]\naction = ["sqs:SendMessage", "sqs:DeleteMessage"]\nreason = "r"\n',
            "1 [[drop]] table (2 actions)",
        ),
        ('[[drop]]\nrole = ["a", "b"]\naction = "sqs:SendMessage"\nreason = "r"\n', "1 [[drop]] table"),
        ('[[keep]]\naction = "sqs:SendMessage"\nreason = "r"\n' * 2, "2 [[keep]] tables"),
        ('[[keep]]\nrole = "a"\nprincipal = "*"\nreason = "r"\n', "1 [[keep]] table"),
    ],
    ids=["actions", "roles", "tables", "a principal"],
)
def test_the_note_counts_tables_and_their_actions(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "policygen.toml").write_text(text)
    assert load_decisions(tmp_path / "policygen.toml").note.endswith(f" apply: {says}")
