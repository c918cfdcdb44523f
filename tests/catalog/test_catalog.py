"""Every service file: its examples are its tests, and all it names exists in IAM."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from typing import Any

import pytest

from policygen.catalog import mapping
from policygen.catalog.call import Call, ResourceEntry
from policygen.catalog.knowledge import NOTHING_KNOWN
from policygen.catalog.projection import project
from policygen.catalog.provenance import rule_place, step_place
from policygen.catalog.rule_model import Example, ServiceRules
from policygen.catalog.rules import (
    all_rules,
    declared_data_types,
    declared_visibility,
    file_text,
    read_rules,
    without_examples,
)
from policygen.catalog.service_names import aliases, not_iam_sources, service_prefix
from policygen.iam import reference
from tests.support import ROOT

ACCOUNT = "123456789012"
RULES = all_rules()
BY_SERVICE = pytest.mark.parametrize("rules", RULES, ids=[rules.service for rules in RULES])


def call_of(example: Example, *, projected: bool = False) -> Call:
    partition = "aws-cn" if example.region.startswith("cn-") else "aws"
    partition = "aws-us-gov" if example.region.startswith("us-gov") else partition
    params = project(example.source, example.event, example.params) if projected else example.params
    entries = tuple(ResourceEntry("", arn, "") for arn in example.resources)
    return Call(
        example.source,
        example.event,
        example.region,
        ACCOUNT,
        partition,
        params,
        entries,
        example.error,
        example.via,
        knowledge=NOTHING_KNOWN.joined(example.known),
    )


def answer_text(call: Call) -> set[str]:
    answer = mapping.requests_for(call)
    if not answer.requests:
        return {answer.status}
    return {
        f"{one.request.action} {one.request.resource}"
        for one in answer.requests
        if one.request.grade == "required"
    }


def named(rules: ServiceRules) -> list[tuple[str, Example]]:
    """The examples of a file, each by its event and its place in the file."""
    return [(f"{example.event} {i}", example) for i, example in enumerate(rules.examples)]


@BY_SERVICE
def test_the_examples_need_exactly_what_they_say(rules: ServiceRules) -> None:
    answers = {name: (answer_text(call_of(one)), set(one.needs)) for name, one in named(rules)}
    assert {name: pair for name, pair in answers.items() if pair[0] != pair[1]} == {}


@BY_SERVICE
def test_the_examples_show_indirectly_what_they_say(rules: ServiceRules) -> None:
    wrong = {}
    for name, example in named(rules):
        answer = mapping.requests_for(call_of(example))
        shown = {f"{r.action} {r.resource}" for r, _ in answer.requests if r.grade == "indirect"}
        if shown != set(example.indirect):
            wrong[name] = shown, set(example.indirect)
    assert wrong == {}


@BY_SERVICE
def test_the_examples_leave_open_what_they_say(rules: ServiceRules) -> None:
    wrong = {}
    for name, example in named(rules):
        answer = mapping.requests_for(call_of(example))
        shown = {f"{r.action} {r.resource}" for r, _ in answer.requests if r.grade == "alternative"}
        if example.alternatives and shown != set(example.alternatives):
            wrong[name] = shown, set(example.alternatives)
    assert wrong == {}


@BY_SERVICE
def test_the_projected_parameters_give_the_same_answers(rules: ServiceRules) -> None:
    for name, example in named(rules):
        whole, cut = call_of(example), call_of(example, projected=True)
        assert mapping.requests_for(cut) == mapping.requests_for(whole), name
        assert project(example.source, example.event, cut.params) == cut.params, name


# Shapes that a projection may not change: what is left out is neither a name nor absent.
ODD_SHAPES = [
    ("ec2", "CreateCustomerGateway", {"customerGatewayIdentifier": [None, "cgw-1"]}),
    ("emr-serverless", "ListJobRuns", {"applicationId": ["", "00f1"]}),
    ("ec2", "CreateImageUsageReport", {"arn": ["ami-1", {}]}),
    ("es", "DescribeDomains", {"domainNames": [[]]}),
    ("es", "DescribeDomains", {"domainNames": [["a", "b"], {"a": "b"}]}),
    ("bedrock", "CreateKnowledgeBase", {"storageConfiguration": {"mongoDbAtlasConfiguration": {"x": "y"}}}),
    (
        "batch",
        "CancelJobs",
        {"jobs": [["arn:aws:batch:us-east-1:123456789012:job/a", "x"], "b"], "reason": "late"},
    ),
    (
        "comprehend",
        "DetectEntities",
        {"entityRecognizerEndpointId": [True, "arn:aws:comprehend:us-east-1:1:entity-recognizer-endpoint/a"]},
    ),
    ("apigateway", "GetStages", {"apiId": {}}),
    ("apigateway", "GetStages", {"apiId": None}),
]  # fmt: skip


@pytest.mark.parametrize(("source", "event", "params"), ODD_SHAPES)
def test_an_odd_shape_gives_the_same_answer_when_projected(
    source: str, event: str, params: dict[str, Any]
) -> None:
    source = f"{source}.amazonaws.com"
    cut = project(source, event, params)
    whole = mapping.requests_for(Call(source, event, "us-east-1", ACCOUNT, params=params))
    assert mapping.requests_for(Call(source, event, "us-east-1", ACCOUNT, params=cut)) == whole
    assert project(source, event, cut) == cut


@BY_SERVICE
def test_every_request_of_an_example_leads_to_the_line_that_made_it(rules: ServiceRules) -> None:
    lines = file_text(rules.file).splitlines()
    wrong = []
    for example in rules.examples:
        for request, origin in mapping.requests_for(call_of(example)).requests:
            if place := rule_place(origin):
                line = lines[int(place.rsplit(":", 1)[1]) - 1]
                action = request.action.split(":", 1)[1]
                named = re.findall(r'action *= *"(?:[a-z0-9-]+:)?([^"]+)"', line)
                if not any(re.fullmatch(re.sub(r"\{.*?\}", ".*", one), action, re.I) for one in named):
                    wrong.append((example.event, action, place, line))
            if "{" in origin.step and not (place := step_place(origin, example.source)):
                wrong.append((example.event, origin.resource_type, place, origin.step))
    assert wrong == []


@BY_SERVICE
def test_every_action_type_and_condition_key_of_the_file_exists(rules: ServiceRules) -> None:
    service = reference.service(rules.service)
    assert service is not None, rules.service
    wrong = []
    for rule in rules.events.values():
        for need in rule.needs + rule.also:
            if "{" in need.action.source:
                continue
            action = reference.action(need.action.source)
            if action is None:
                wrong.append(f"{rule.name}: no action {need.action.source}")
                continue
            if need.on and not action.types:
                wrong.append(f"{rule.name}: {action.name} takes no resource")
            wrong += [
                f"{rule.name}: {action.name} does not take {kind}"
                for kind in need.on
                if kind not in action.types
            ]
            wrong += [
                f"{rule.name}: {action.name} has no condition key {key}"
                for key, _ in need.context
                if not (
                    key.startswith("aws:")
                    or action.has_key(key)
                    or action.has_key(f"{key.rsplit('/', 1)[0]}/")
                )
            ]
    for key, _ in rules.context:
        if not any(action.has_key(key) for action in service.actions.values()):
            wrong.append(f"no action has the condition key {key}")
    for kind in [*rules.resources, *rules.generalise]:
        if kind not in service.types:
            wrong.append(f"no resource type {kind}")
    for name in [name for names in rules.visibility.data.values() for name in names] + list(
        rules.visibility.never
    ):
        if not fnmatch.filter(service.actions, name.lower()):
            wrong.append(f"visibility: no action {name}")
    assert wrong == []


@BY_SERVICE
def test_every_event_rule_has_an_example(rules: ServiceRules) -> None:
    shown = {name for example in rules.examples for name in (example.event.lower(), strip(example.event))}
    named = {*rules.events, *rules.no_permission, *rules.not_iam}
    assert sorted(named - shown) == []


def strip(name: str) -> str:
    return re.sub(r"(?:\d{4}_\d{2}_\d{2}|20\d{6}(?:v\d+)?)$", "", name).lower()


@BY_SERVICE
def test_generalised_types_name_placeholders_of_their_pattern(rules: ServiceRules) -> None:
    service = reference.service(rules.service)
    assert service is not None
    for kind, how in rules.generalise.items():
        patterns = [reference.compile_pattern(how.match)] if how.match else list(service.types[kind].patterns)
        names = {name for pattern in patterns for name in pattern.placeholders}
        assert {*how.open, *([how.learn] if how.learn else [])} <= names, kind


def test_the_table_of_visibility_speaks_only_of_services_without_a_file() -> None:
    table = tomllib.loads((ROOT / "policygen" / "catalog" / "data" / "visibility.toml").read_text("utf-8"))
    with_file = {rules.service for rules in RULES}
    assert not with_file & {*table["never"], *table["data"]}


def test_each_event_source_belongs_to_one_file() -> None:
    sources = [source for rules in RULES for source in rules.event_sources]
    assert len(sources) == len(set(sources))


def test_every_alias_leads_to_a_service_that_iam_knows() -> None:
    for label, prefix in aliases().items():
        assert prefix in reference.prefixes(), label
        assert service_prefix(f"{label}.amazonaws.com"), label


@pytest.mark.parametrize("source", sorted(not_iam_sources()))
def test_a_source_that_iam_does_not_govern_is_ignored_with_its_reason(source: str) -> None:
    answer = mapping.requests_for(Call(f"{source}.amazonaws.com", "GetThing", "us-east-1", ACCOUNT))
    assert (answer.status, answer.why) == ("ignored", not_iam_sources()[source])


def test_how_actions_are_logged_is_read_alone_as_with_the_whole_file() -> None:
    assert all(declared_visibility(rules.service) == rules.visibility for rules in all_rules())
    assert declared_visibility("no-such") is None


def test_what_maps_calls_is_all_of_a_service_file_but_its_examples() -> None:
    for rules in all_rules():
        text = file_text(rules.file)
        whole = {name: table for name, table in tomllib.loads(text).items() if name != "example"}
        assert tomllib.loads(without_examples(text)) == whole, rules.file
    assert declared_data_types() == {
        data_type: rules.service for rules in all_rules() for data_type in rules.visibility.data
    }


def test_a_service_file_with_an_unknown_key_is_refused_by_name() -> None:
    text = 'service = "s3"\nevent_sources = ["s3.amazonaws.com"]\nreference = "x"\n[event.A]\nneed = []\n'
    with pytest.raises(ValueError, match=r"bad\.toml: A: unknown key 'need'"):
        read_rules(text, "bad.toml")


def test_an_unknown_service_is_a_finding_and_not_a_guess() -> None:
    answer = mapping.requests_for(Call("brandnew.amazonaws.com", "DoThing", "us-east-1", ACCOUNT))
    assert answer.status == "unmapped"
    assert answer.requests == ()
    assert "brandnew.amazonaws.com" in answer.why
