"""A call that stands for many names maps to what each of them maps to, with a pattern in place of the name."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from policygen.catalog import mapping
from policygen.catalog.call import ResourceEntry
from policygen.catalog.knowledge import NOTHING_KNOWN
from policygen.catalog.made_up import MadeUpName, made_up_values
from policygen.catalog.name_classes import name_class
from policygen.catalog.projection import project
from policygen.catalog.rule_model import Example
from policygen.catalog.rules import all_rules
from policygen.iam import arn
from policygen.iam.request import AccessRequest
from policygen.logs.calls.call import CallSignature
from policygen.logs.calls.folded import Folded, Name, Value
from policygen.logs.events.outcome import Outcome

ENCODE = msgspec.json.Encoder(order="sorted").encode


def signature_of(example: Example) -> CallSignature:
    return CallSignature(
        example.source,
        example.event,
        example.region,
        "123456789012",
        arn.partition_of(example.region),
        Outcome.USED,
        example.error,
        None,
        example.via,
        "",
        ENCODE(project(example.source, example.event, example.params)),
        tuple(ResourceEntry("", one, "") for one in example.resources),
    )


def pattern_of(name: MadeUpName) -> str:
    return name_class(name.text).pattern if name.learned else "*"


def folded(call: CallSignature) -> tuple[CallSignature, set[MadeUpName]] | None:
    """The call with the class of each of its names; None where it has none."""
    params = msgspec.json.decode(call.params)
    found = made_up_values(call.source, call.name, params, call.resources)
    if not found:
        return None
    names = list(dict.fromkeys(name for one in found for name in one.names))
    values = tuple(
        Value(one.place, one.fixed, tuple(map(names.index, one.names)), one.encoded) for one in found
    )
    classes = tuple(Name(pattern_of(name), name.learned, "class") for name in names)
    template = call.without(values, params)
    return msgspec.structs.replace(template, folded=Folded(values, classes)), set(names)


def expected(request: AccessRequest, names: set[MadeUpName]) -> AccessRequest:
    """A request with the classes of its names, where its resource has such names."""
    entry = ResourceEntry("", request.resource, "")
    found = made_up_values("s3.amazonaws.com", "GetObject", {}, [entry])
    if not found or not any(_has(names, name) for name in found[0].names):
        return request
    (one,) = found
    as_pattern = str if request.wild else arn.escape
    parts = [
        as_pattern(fixed) + (pattern_of(name) if _has(names, name) else as_pattern(name.text))
        for fixed, name in zip(one.fixed, one.names, strict=False)
    ]
    return request._replace(resource="".join(parts) + as_pattern(one.fixed[-1]), wild=True)


def _has(names: set[MadeUpName], name: MadeUpName) -> bool:
    """Whether a name is one of a call, or the beginning of one: a shard iterator begins with the ARN of its stream."""
    return any(one.text == name.text or one.text.startswith(f"{name.text}|") for one in names)


EXAMPLES = [(rules.file, number, one) for rules in all_rules() for number, one in enumerate(rules.examples)]


def with_names() -> Iterator[tuple[str, Example]]:
    for file, number, example in EXAMPLES:
        if folded(signature_of(example)):
            yield f"{file} {number} {example.event}", example


@pytest.mark.parametrize("example", [pytest.param(one, id=name) for name, one in with_names()])
def test_an_example_maps_to_the_same_with_patterns_in_place_of_its_names(example: Example) -> None:
    call = signature_of(example)
    many, names = folded(call) or (call, set())
    known = NOTHING_KNOWN.joined(example.known)
    one, other = (mapping.requests_for(each.call(known)) for each in (call, many))
    assert other.status == one.status
    plain = {expected(request, names)._replace(context=()) for request, _ in one.requests}
    assert {request._replace(context=()) for request, _ in other.requests} == plain
    values = {pair for request, _ in one.requests for pair in request.context}
    for request, _ in other.requests:
        assert set(request.context) <= values  # what is not known is left out, never "*"


def test_examples_show_each_member_that_holds_made_up_names() -> None:
    shown = {
        (value.place[1] if len(value.place) == 2 else f"{value.place[1]}.*").lower()
        for _, _, example in EXAMPLES
        for call in [signature_of(example)]
        for value in made_up_values(call.source, call.name, msgspec.json.decode(call.params), call.resources)
        if value.place[0] == "params"
    }
    declared = {
        member.partition("|")[0].lower()
        for rules in all_rules()
        for member in (*rules.unnamed, *(m for how in rules.generalise.values() for m in how.members))
    }
    assert declared <= shown
