"""The small language of the service files: field paths, named extractors, templates, tests.

A *path* names a field of requestParameters: ``tableName``, ``tags.items[].key`` (``[]`` stands for each element of a
list). A *field* is a path with named extractors: ``{queueUrl|last_segment}``. A *template* is text with fields:
``arn:{partition}:sqs:{region}:{account}:{queueUrl|last_segment}``. There are no expressions: each odd shape has a small
pure function with a name, in `extractors`.

Rendering gives every combination of the fields' values, and nothing when a field has no value. Text from the log is
literal. A ``*`` or ``?`` in the template itself is a wildcard: the whole result is then an IAM pattern, in which ``*``,
``?`` and ``${`` from the log are escaped.

Two steps of a field are not functions of a value. ``{roleName|known:role}`` looks up what other records or the account
tell of it (`knowledge`). ``role/{roleName|with_path:role}`` puts the path that they tell before a name; with no source
it gives two results, the name itself and a pattern for the name below any path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, groupby, product
from operator import attrgetter
from typing import Any, Literal

import msgspec

from policygen.catalog import extractors
from policygen.catalog.call import Call, NamePattern
from policygen.catalog.rendered_text import UNTOLD, Text, join, text_of_pattern

_FIELD = re.compile(r"\{([^{}]+)\}")
_MAX_VALUES = 512  # a hostile record must not multiply into millions of ARNs


class FieldScope(msgspec.Struct, eq=False):
    """Where fields are looked up: first the item of an `each`, then the request's parameters."""

    call: Call
    item: Any = None
    member_names: frozenset[str] | None = None
    """The request's member names in lower case. A field whose first member is not among them has no value."""

    def arns_of_type(self, _: str) -> tuple[Text, ...]:
        """Return the ARNs of a resource type, for ``{@table}``; here none is known."""
        return ()

    def values(self, path: str) -> list[Any]:
        """Return the values at a path; empty when there are none."""
        if path in extractors.BUILTINS:
            value = extractors.BUILTINS[path](self.call)
            return [value] if value else []
        return self.values_at(path_steps(path), first_member(path))

    def values_at(self, steps: Steps, first: str) -> list[Any]:
        """Return the values at the steps of a path; `first` is its first member in lower case."""
        if self.item is not None:
            if found := values_at(self.item, steps):
                return found
        elif self.member_names is not None and first not in self.member_names:
            return []
        return values_at(self.call.params, steps)


Steps = tuple[tuple[str, bool], ...]
"""Member names, each with whether the path goes on with every element of a list."""


@lru_cache(maxsize=8192)
def path_steps(path: str) -> Steps:
    """Split a path such as ``items[].groupId`` into steps."""
    pieces = path.split(".")
    return tuple((piece.removesuffix("[]"), piece.endswith("[]")) for piece in pieces)


@lru_cache(maxsize=8192)
def first_member(path: str) -> str:
    """Return the first member name of a path, in lower case."""
    return path.split(".", 1)[0].removesuffix("[]").lower()


def values_at(value: Any, steps: Steps) -> list[Any]:
    """Return the values at the steps, beginning at `value`."""
    # Most paths lead to one member, without a list: faster without a generator.
    found = value
    for name, is_list in steps:
        if is_list or not name or name == "*":
            return list(walk_path(value, steps))
        found = lookup(found, name)
        if found is None:
            return []
    return [found]


def walk_path(value: Any, steps: Steps) -> Iterable[Any]:
    """Yield the values at the steps, beginning at `value`; null and absent members give none."""
    for i, (name, is_list) in enumerate(steps):
        if name == "*":
            for inner in value.values() if isinstance(value, Mapping) else ():
                yield from walk_path(inner, steps[i + 1 :])
            return
        value = lookup(value, name) if name else value
        if value is None:
            return
        if is_list:
            for element in value if isinstance(value, list) else ():
                yield from walk_path(element, steps[i + 1 :])
            return
    if value is not None:
        yield value


def lookup(value: Any, name: str) -> Any:
    """Return the member `name` of a map, or None. Case is ignored: CloudTrail varies the first letter's case."""
    if type(value) is not dict and not isinstance(value, Mapping):
        return None
    if name in value:
        return value[name]
    size, folded = len(name), name.lower()
    for key, inner in value.items():
        if len(key) == size and key.lower() == folded:
            return inner
    return None


class Field(msgspec.Struct, frozen=True):
    """A path and its extractors."""

    path: str
    filters: tuple[tuple[extractors.Extractor | str, str], ...]
    """Extractors with their arguments, in order, or the names of steps that are none (`_STEPS`)."""
    source: Literal["parameter", "call", "type"]
    """What the path names: a member of the request, an attribute of the call, or a resource type (``@table``)."""
    steps: Steps
    first_member: str
    """The first member of the path, in lower case."""
    required_member: str
    """The member that the request must have for the field to have a value, in lower case; "" for none."""

    def render(self, scope: FieldScope) -> Sequence[Text]:
        """Return the field's values as text, each once, in order."""
        if self.source == "parameter":
            values = scope.values_at(self.steps, self.first_member)
            if not self.filters and len(values) == 1 and type(values[0]) is str:
                return (Text(values[0]),) if values[0] else ()  # the most frequent case, made fast
        elif self.source == "type":
            return scope.arns_of_type(self.path[1:])
        else:
            value = extractors.BUILTINS[self.path](scope.call)
            if not value and self.path in ("region", "account") and not self.filters:
                return (UNTOLD,)
            values = [value] if value else []
        if not values and self.required_member:
            return ()
        wild = False
        many = NamePattern in map(type, values)
        paths = ""
        for extractor, argument in self.filters:
            if not isinstance(extractor, str):
                if len(values) == 1:
                    values = list(extractor(values[0], argument))
                elif values:
                    values = [new for value in values for new in extractor(value, argument)]
            elif extractor == "known":
                values = [new for value in values for new in _known(scope.call, argument, value)]
            elif extractor == "with_path":
                paths = argument
            elif not values:  # "or"
                values, wild = [argument], argument == "*"
        if not values:
            return ()
        if len(values) == 1 and not paths:
            text = scalar(values[0])
            return (text_of_pattern(str(text)) if many else Text(text, wild),) if text else ()
        texts = [
            text_of_pattern(str(text)) if many else Text(text, wild)
            for text in dict.fromkeys(map(scalar, values))
            if text
        ]
        return [full for name in texts for full in _with_path(scope.call, paths, name)] if paths else texts


_STEPS = frozenset({"or", "known", "with_path"})
"""Steps of a field that are no extractors: ``or`` replaces a missing value by its argument; ``known`` looks a name up
in the `Knowledge` of the call; ``with_path``, the last step of a field, gives a name of IAM with its path."""


def _known(call: Call, relation: str, value: Any) -> tuple[str, ...]:
    return call.knowledge.look_up(relation, call.account, value) if isinstance(value, str) else ()


def _with_path(call: Call, type_name: str, name: Text) -> list[Text]:
    """Return a name with each path that is known of it; with none, the name itself and the name below any path."""
    if "/" in name.text:
        return [name]  # with its path
    if known := call.knowledge.look_up(type_name, call.account, name.text):
        return [Text(found.split(f":{type_name}/", 1)[-1]) for found in known]
    return [name, Text(f"*/{name.pattern}", wild=True, alternative=True)]


def scalar(value: Any) -> str:
    """Return a JSON scalar as the text that IAM compares; "" for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else ""


class CallText(msgspec.Struct, frozen=True):
    """Text with attributes of the call: ``arn:{partition}:sqs:{region}:{account}:``."""

    text_format: str
    """The text with ``%s`` for each attribute."""
    read: Callable[[Call], tuple[str, ...]]
    """Returns the attributes of a call."""

    def render(self, scope: FieldScope) -> Sequence[Text]:
        """Return the text, with ``*`` for an attribute that the record does not tell."""
        return _filled(self.text_format, self.read(scope.call))


@lru_cache(maxsize=8192)  # few accounts and regions, and the same texts for many calls
def _filled(text_format: str, values: tuple[str, ...]) -> Sequence[Text]:
    if all(values):
        return (Text(text_format % values),)
    return (Text(text_format % tuple(value or "*" for value in values), wild=True),)


class Constant(msgspec.Struct, frozen=True):
    """Constant text of a template."""

    texts: tuple[Text, ...]

    def render(self, _: FieldScope) -> Sequence[Text]:
        """Return the text."""
        return self.texts


class Template(msgspec.Struct, frozen=True):
    """Text with fields."""

    source: str
    fields: tuple[Field, ...]
    pieces: tuple[Constant | CallText | Field, ...]
    """The parts of the text, in order."""
    required_members: frozenset[str]
    """Members that the request must have for the template to render, in lower case."""

    def render(self, scope: FieldScope) -> Sequence[Text]:
        """Return every combination of the fields' values; empty when a field has none."""
        if len(self.pieces) == 1:
            return self.pieces[0].render(scope)
        if (
            self.required_members
            and scope.item is None
            and scope.member_names is not None
            and not self.required_members <= scope.member_names
        ):
            return ()
        choices = []
        size = 1
        for piece in self.pieces:
            found = piece.render(scope)
            if not found:
                return ()
            choices.append(found)
            size *= len(found)
        if size == 1:
            return (join([found[0] for found in choices]),)
        return [join(combination) for combination in product(*choices)] if size <= _MAX_VALUES else ()


@lru_cache(maxsize=8192)
def parse_template(text: str) -> Template:
    """Parse a template.

    Raises:
        ValueError: an extractor that does not exist.
    """
    parts: list[str | Field] = []
    for i, piece in enumerate(_FIELD.split(text)):
        if i % 2:
            parts.append(parse_field(piece))
        elif piece:
            parts.append(piece)
    fields = tuple(part for part in parts if isinstance(part, Field))
    pieces = tuple(chain.from_iterable(_make_pieces(kind, run) for kind, run in groupby(parts, _piece_kind)))
    return Template(
        text, fields, pieces, frozenset(field.required_member for field in fields if field.required_member)
    )


def _piece_kind(part: str | Field) -> Literal["fixed", "wild", "field"]:
    if isinstance(part, str):
        return "wild" if "*" in part or "?" in part else "fixed"
    return "fixed" if part.path in _CALL_ATTRIBUTES and not part.filters else "field"


# Paths that name an attribute of `Call`.
_CALL_ATTRIBUTES = frozenset({"partition", "region", "account"})


def _make_pieces(kind: str, run: Iterable[str | Field]) -> Iterator[Constant | CallText | Field]:
    """Return the pieces that render a run of parts of one kind: fields one by one, all else as one piece."""
    parts = list(run)
    attributes = [part.path for part in parts if isinstance(part, Field)]
    if kind == "field":
        yield from (part for part in parts if isinstance(part, Field))
    elif attributes:
        text_format = "".join("%s" if isinstance(part, Field) else part.replace("%", "%%") for part in parts)
        yield CallText(text_format, _attribute_reader(tuple(attributes)))
    else:
        yield Constant(tuple(Text(part, kind == "wild") for part in parts if isinstance(part, str)))


def _attribute_reader(member_names: tuple[str, ...]) -> Callable[[Call], tuple[str, ...]]:
    if len(member_names) == 1:
        return lambda call: (str(getattr(call, member_names[0])),)
    return attrgetter(*member_names)


@lru_cache(maxsize=8192)
def parse_field(text: str) -> Field:
    """Parse a field such as ``path|extractor|extractor:argument``."""
    # A "|" of a regular expression is written with a backslash.
    path, *filters = (piece.replace("\\|", "|") for piece in re.split(r"(?<!\\)\|", text))
    parsed: list[tuple[extractors.Extractor | str, str]] = []
    for text_ in filters:
        name, _, argument = text_.partition(":")
        if name not in _STEPS and name not in extractors.EXTRACTORS:
            raise ValueError(f"no extractor named {name!r} in {text!r}")
        parsed.append((extractors.EXTRACTORS.get(name, name), argument))
    source: Literal["parameter", "call", "type"] = "parameter"
    if path in extractors.BUILTINS:
        source = "call"
    elif path.startswith("@"):
        source = "type"
    member = first_member(path)
    required = member if source == "parameter" and all(extractor != "or" for extractor, _ in parsed) else ""
    return Field(path, tuple(parsed), source, path_steps(path), member, required)


class Test(msgspec.Struct, frozen=True):
    """A condition of a rule: a field is present, or has one of the listed values (``field=a,b``)."""

    source: str
    subject: Field
    values: tuple[str, ...]

    def holds(self, scope: FieldScope) -> bool:
        """Whether the test holds. A field that is ``false``, or an empty list or map, counts as absent."""
        subject = self.subject
        if self.values:
            return any(text.text in self.values for text in subject.render(scope))
        if subject.filters:
            return bool(subject.render(scope))
        if subject.source == "call":
            return bool(extractors.BUILTINS[subject.path](scope.call))
        return any(map(present, scope.values_at(subject.steps, subject.first_member)))


def present(value: Any) -> bool:
    """Whether a value counts as present. So does "": S3 records flags of the query string as ``"acl": ""``."""
    return value == "" or bool(value) or (isinstance(value, int) and not isinstance(value, bool))


@lru_cache(maxsize=8192)
def parse_test(text: str) -> Test:
    """Parse a test: ``field``, ``field|extractor`` or ``field=value,value``."""
    subject, equals, values = text.partition("=")
    return Test(text, parse_field(subject), tuple(values.split(",")) if equals else ())
