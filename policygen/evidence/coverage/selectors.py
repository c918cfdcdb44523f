"""How much of a set of events a trail's selectors log, basic (3.4.2) and advanced (3.4.3) ones.

A *probe* describes a set of events: those that the use of one permission makes. A trail logs ``all``, ``part`` or
``none`` of them. The answer is decided by containment of patterns, never by example. Where it cannot be decided it is
``part``, which never counts as "it would have been seen".

Source: CloudTrail API Reference, API_AdvancedFieldSelector, API_EventSelector and API_DataResource.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from policygen.iam.arn import resource_glob, string_glob
from policygen.iam.containment import includes
from policygen.iam.pattern import Glob, Wild, compile_glob, meets

Answer = Literal["all", "part", "none"]
"""How much of the events of a probe is logged."""

Selectors = Sequence[Mapping[str, Any]]
"""Event selectors as AWS gives them."""


class Probe(msgspec.Struct, frozen=True):
    """The events that the use of a permission makes. "" and None stand for a field that is not known."""

    category: Literal["Management", "Data"]
    source: str = ""
    """eventSource."""
    name: str = ""
    """eventName; ``*`` and ``?`` are wildcards."""
    read_only: bool | None = None
    data_type: str = ""
    """resources.type of data events, ``AWS::S3::Object``."""
    resource: str = ""
    """resources.ARN as a Resource pattern of a policy."""
    identity: str = ""
    """userIdentity.arn with wildcards: ``arn:aws:sts::123456789012:assumed-role/orders/*``."""
    event_type: str = "AwsApiCall"
    console: bool | None = None
    """Whether the session came from the console."""


def logged(probe: Probe, basic: Selectors | None, advanced: Selectors | None) -> Answer:
    """Return how much of the probe's events a trail logs. An event that any selector matches is logged.

    Args:
        probe: the events.
        basic: ``EventSelectors``, None where the trail has none.
        advanced: ``AdvancedEventSelectors``, None where the trail has none.
    """
    return logged_by_any(probe, ((basic, advanced),))


def logged_by_any(probe: Probe, trails: Iterable[tuple[Selectors | None, Selectors | None]]) -> Answer:
    """Return how much of the probe's events several trails log together."""
    pairs = tuple(trails)
    # One selector may log the reads and one the writes, so each half is decided by itself.
    flags = (True, False) if probe.read_only is None else (probe.read_only,)
    halves = [probe if flag is probe.read_only else replace(probe, read_only=flag) for flag in flags]
    return every(either(_trail(half, basic, advanced) for basic, advanced in pairs) for half in halves)


def either(answers: Iterable[Answer]) -> Answer:
    """Combine the answers of selectors or trails: what one of them logs is logged. Takes as few as it needs."""
    return _decided(answers, "all", "none")


def both(answers: Iterable[Answer]) -> Answer:
    """Combine the answers of conditions that must all hold. Takes as few as it needs."""
    return _decided(answers, "none", "all")


def _decided(answers: Iterable[Answer], by: Answer, otherwise: Answer) -> Answer:
    """Return the answer that decides at once, if there is one; else "part" if there is one."""
    found = otherwise
    for one in answers:
        if one == by:
            return one
        found = one if one == "part" else found
    return found


def every(answers: Iterable[Answer]) -> Answer:
    """Combine the answers for the parts of a set."""
    found = set(answers)
    return found.pop() if len(found) == 1 else "part"


def _trail(probe: Probe, basic: Selectors | None, advanced: Selectors | None) -> Answer:
    if not basic and not advanced:
        return "part"  # AWS always answers with selectors, so these were not read
    of_basic = (_basic(one, probe) for one in basic or ())
    return either(chain(of_basic, (_advanced(one, probe) for one in advanced or ())))


# --- Basic selectors (3.4.2) -----------------------------------------------------------------------

_BASIC = {"ReadWriteType", "IncludeManagementEvents", "DataResources", "ExcludeManagementEventSources"}
_READ_WRITE: Mapping[tuple[str, bool | None], Answer] = {
    ("ReadOnly", True): "all",
    ("ReadOnly", False): "none",
    ("WriteOnly", True): "none",
    ("WriteOnly", False): "all",
    ("All", True): "all",
    ("All", False): "all",
    ("All", None): "all",
}
WHOLE = {
    "AWS::S3::Object": re.compile(r"arn:aws[a-z-]*:s3(:::)?"),
    "AWS::Lambda::Function": re.compile(r"arn:aws[a-z-]*:lambda"),
    "AWS::DynamoDB::Table": re.compile(r"arn:aws[a-z-]*:dynamodb"),
}
"""The types that basic selectors know, and the values that mean every resource of them."""

OBJECTS = "AWS::S3::Object"


def _basic(selector: Mapping[str, Any], probe: Probe) -> Answer:
    if set(selector) - _BASIC:
        return "part"
    kind = selector.get("ReadWriteType") or "All"
    answer = _READ_WRITE.get((kind, probe.read_only), "part") if isinstance(kind, str) else "part"
    if probe.category == "Management":
        return both([answer, _basic_management(selector, probe)])
    return both([answer, _basic_data(selector, probe)])


def _basic_management(selector: Mapping[str, Any], probe: Probe) -> Answer:
    included = selector.get("IncludeManagementEvents")
    if included is False:
        return "none"
    excluded = selector.get("ExcludeManagementEventSources")
    if included not in (None, True) or not _is_texts(excluded or ()):
        return "part"
    if not excluded:
        return "all"
    if not probe.source:
        return "part"
    return "none" if probe.source in excluded else "all"


def _basic_data(selector: Mapping[str, Any], probe: Probe) -> Answer:
    entries = _entries(selector)
    if entries is None:
        return "part"
    return either(
        _basic_value(value, probe) for kind, values in entries if kind == probe.data_type for value in values
    )


def _basic_value(value: str, probe: Probe) -> Answer:
    whole = WHOLE.get(probe.data_type)
    if whole is None:
        return "part"  # AWS takes other types in advanced selectors only
    if whole.fullmatch(value):
        return "all"
    prefix = probe.data_type == OBJECTS
    answer = _select(_resource(probe), [_starts(value) if prefix else _equals(value)])
    # Of a bucket's ARN without the slash AWS does not say whether it means the bucket or all that begins so.
    return "part" if answer == "all" and prefix and "/" not in value else answer


# --- Advanced selectors (3.4.3) --------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _equals(value: str) -> Glob:
    return compile_glob(tuple(value))


@lru_cache(maxsize=4096)
def _starts(value: str) -> Glob:
    return compile_glob((*value, Wild.SOME))


@lru_cache(maxsize=4096)
def _ends(value: str) -> Glob:
    return compile_glob((Wild.SOME, *value))


_SELECT: Mapping[str, Callable[[str], Glob]] = {"Equals": _equals, "StartsWith": _starts, "EndsWith": _ends}
_DESELECT: Mapping[str, Callable[[str], Glob]] = {
    "NotEquals": _equals,
    "NotStartsWith": _starts,
    "NotEndsWith": _ends,
}
_OPERATORS = {*_SELECT, *_DESELECT}


def _advanced(selector: Mapping[str, Any], probe: Probe) -> Answer:
    fields = selector.get("FieldSelectors")
    if not isinstance(fields, Sequence) or not all(isinstance(field, Mapping) for field in fields):
        return "part"
    # AWS takes no selector without a category.
    plain = selector.keys() <= {"Name", "FieldSelectors"} and any(
        field.get("Field") == "eventCategory" for field in fields
    )
    return both(chain(("all" if plain else "part",), (_field(field, probe) for field in fields)))


def _field(field: Mapping[str, Any], probe: Probe) -> Answer:
    operators = {name: values for name, values in field.items() if name != "Field" and values}
    if not operators or not operators.keys() <= _OPERATORS or not all(map(_is_texts, operators.values())):
        return "part"
    if field.get("Field") == "errorCode":
        # Filters refused calls of network activity: no use of a permission (3.4.4).
        return "none" if operators == {"Equals": ["VpceAccessDenied"]} else "part"
    values = _language(str(field.get("Field")), probe)
    chosen = [_SELECT[name](text) for name in operators if name in _SELECT for text in operators[name]]
    deselected = [
        _DESELECT[name](text) for name in operators if name in _DESELECT for text in operators[name]
    ]
    return both([_select(values, chosen) if chosen else "all", _deselect(values, deselected)])


def _language(field: str, probe: Probe) -> Glob | None:
    """Return the values that a field has in the events of a probe; None where they are not known."""
    if field == "resources.ARN":
        return _resource(probe)
    if field == "userIdentity.arn":
        return string_glob(probe.identity) if probe.identity else None
    if field == "eventName":
        wild = "*" in probe.name or "?" in probe.name
        return (string_glob(probe.name) if wild else _equals(probe.name)) if probe.name else None
    text = {
        "eventCategory": probe.category,
        "eventSource": probe.source,
        "eventType": probe.event_type,
        "readOnly": "" if probe.read_only is None else str(probe.read_only).lower(),
        "resources.type": probe.data_type,
        "sessionCredentialFromConsole": "" if probe.console is None else str(probe.console).lower(),
    }.get(field)
    return _equals(text) if text else None


def _resource(probe: Probe) -> Glob | None:
    return resource_glob(probe.resource) if probe.resource else None


def _select(values: Glob | None, chosen: Sequence[Glob]) -> Answer:
    """Return how much of the values the patterns match."""
    if values is None:
        return "part"
    if values.literal is not None:
        return "all" if any(one.matches(values.literal) for one in chosen) else "none"
    if any(includes(one, values) for one in chosen):
        return "all"
    return "part" if any(meets(one.tokens, values.tokens) for one in chosen) else "none"


def _deselect(values: Glob | None, deselected: Sequence[Glob]) -> Answer:
    """Return how much of the values no pattern matches."""
    if not deselected:
        return "all"
    return _OPPOSITE[_select(values, deselected)]


_OPPOSITE: Mapping[Answer, Answer] = {"all": "none", "part": "part", "none": "all"}


def _is_texts(values: object) -> bool:
    return (
        isinstance(values, Sequence)
        and not isinstance(values, str)
        and all(isinstance(v, str) for v in values)
    )


# --- Writing selectors ------------------------------------------------------------------------------


def field(name: str, operator: str, values: Iterable[str]) -> dict[str, Any]:
    """Return one field selector in AWS's form."""
    return {"Field": name, operator: list(values)}


def as_advanced(basic: Selectors) -> list[dict[str, Any]] | None:
    """Return advanced selectors that log what basic ones do; None where a basic one is not understood.

    AWS replaces the basic selectors of a trail when it gets advanced ones, so they have to be among them.
    """
    made: list[dict[str, Any]] = []
    for selector in basic:
        kind = selector.get("ReadWriteType") or "All"
        entries, excluded = _entries(selector), selector.get("ExcludeManagementEventSources") or ()
        if set(selector) - _BASIC or kind not in ("All", "ReadOnly", "WriteOnly"):
            return None
        if entries is None or not _is_texts(excluded):
            return None
        flag = [] if kind == "All" else [field("readOnly", "Equals", [str(kind == "ReadOnly").lower()])]
        if selector.get("IncludeManagementEvents") in (None, True):
            sources = [field("eventSource", "NotEquals", excluded)] if excluded else []
            made.append(_written("Management events", [*_category("Management"), *flag, *sources]))
        for kind, values in entries:
            if values:
                made.append(_written(f"Data events of {kind}", [*_data_fields(kind, values), *flag]))
    return made


def _entries(selector: Mapping[str, Any]) -> list[tuple[str, Sequence[str]]] | None:
    """Return the types and values of a basic selector's data resources; None where they have another shape."""
    entries = selector.get("DataResources") or ()
    if not isinstance(entries, Sequence) or not all(isinstance(entry, Mapping) for entry in entries):
        return None
    found = [(entry.get("Type"), entry.get("Values") or ()) for entry in entries]
    return found if all(isinstance(kind, str) and _is_texts(values) for kind, values in found) else None


def _data_fields(kind: str, values: Sequence[str]) -> list[dict[str, Any]]:
    whole = WHOLE.get(kind)
    fields = [*_category("Data"), field("resources.type", "Equals", [kind])]
    if not (whole and any(whole.fullmatch(value) for value in values)):
        fields.append(field("resources.ARN", "StartsWith" if kind == OBJECTS else "Equals", values))
    return fields


def _category(name: str) -> list[dict[str, Any]]:
    return [field("eventCategory", "Equals", [name])]


def _written(name: str, fields: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Name": name, "FieldSelectors": fields}


def whole_category(category: str, data_type: str = "") -> dict[str, Any]:
    """Return an advanced selector of all management events, or of all data events of one type."""
    if category == "Management":
        return _written("All management events", _category(category))
    fields = [*_category(category), field("resources.type", "Equals", [data_type])]
    return _written(f"All data events of {data_type}", fields)
