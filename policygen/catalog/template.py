"""The small language of the service files: field paths, named extractors, templates, tests.

A *path* names a field of requestParameters: ``tableName``, ``tags.items[].key`` (``[]`` goes through a list). A
*field* is a path with named extractors: ``{queueUrl|last_segment}``. A *template* is text with fields:
``arn:{partition}:sqs:{region}:{account}:{queueUrl|last_segment}``. There are no expressions: an unusual form gets a
small pure function in `extractors`.

A template renders to every combination of its fields' values, and to nothing if a field has none. Text from a log is
literal. A ``*`` or ``?`` of the template is a wildcard: then the whole result is an IAM pattern, and ``*``, ``?`` and
``${`` from the log are escaped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, groupby, product
from operator import attrgetter
from typing import Any, Literal, NamedTuple

from policygen.catalog import extractors
from policygen.catalog.call import Call
from policygen.iam import arn

_FIELD = re.compile(r"\{([^{}]+)\}")
_MAX_VALUES = 512  # bounds the ARNs that a hostile record can multiply into


class Text(NamedTuple):
    """A rendered value; `wild` if it is an IAM pattern and not literal text."""

    text: str
    wild: bool = False

    @property
    def pattern(self) -> str:
        """The value as an IAM pattern."""
        return self.text if self.wild else arn.escape(self.text)


@dataclass(slots=True, eq=False)
class FieldScope:
    """Where fields are looked up: the item of an `each`, then the parameters of the request, then the call."""

    call: Call
    item: Any = None
    resources: Callable[[str], tuple[Text, ...]] = field(default=lambda _: ())
    """Returns the ARNs of a resource type, for ``{@table}``."""
    names: frozenset[str] | None = None
    """Member names of the request in lower case, to skip absent fields quickly; None if not known."""

    def values(self, path: str) -> list[Any]:
        """Return the values at a path; empty if there are none."""
        if path in extractors.BUILTINS:
            value = extractors.BUILTINS[path](self.call)
            return [value] if value else []
        return self.at(path_steps(path), path_head(path))

    def at(self, steps: Steps, member: str) -> list[Any]:
        """Return the values at the steps of a path; `member` is its first member in lower case."""
        if self.item is not None:
            if found := values_at(self.item, steps):
                return found
        elif self.names is not None and member not in self.names:
            return []
        return values_at(self.call.params, steps)


Steps = tuple[tuple[str, bool], ...]
"""The members of a path, each with whether it goes through the elements of a list."""


@lru_cache(maxsize=8192)
def path_steps(path: str) -> Steps:
    """Return the steps of a path such as ``items[].groupId``."""
    pieces = path.split(".")
    return tuple((piece.removesuffix("[]"), piece.endswith("[]")) for piece in pieces)


@lru_cache(maxsize=8192)
def path_head(path: str) -> str:
    """Return the first member name of a path, in lower case."""
    return path.split(".", 1)[0].removesuffix("[]").lower()


def values_at(value: Any, steps: Steps) -> list[Any]:
    """Return the values at the steps below a value."""
    found = value
    for name, through in steps:
        if through or not name or name == "*":
            return list(walk(value, steps))
        found = lookup(found, name)
        if found is None:
            return []
    return [found]  # the fast case: most paths lead straight to one member


def walk(value: Any, steps: Steps) -> Iterable[Any]:
    """Yield the values at the steps below a value; null and absent fields yield nothing."""
    for i, (name, through) in enumerate(steps):
        if name == "*":
            for one in value.values() if isinstance(value, Mapping) else ():
                yield from walk(one, steps[i + 1 :])
            return
        value = lookup(value, name) if name else value
        if value is None:
            return
        if through:
            for one in value if isinstance(value, list) else ():
                yield from walk(one, steps[i + 1 :])
            return
    if value is not None:
        yield value


def lookup(value: Any, name: str) -> Any:
    """Return a member of a map, or None. Case is ignored, because CloudTrail varies the case of the first letter."""
    if type(value) is not dict and not isinstance(value, Mapping):
        return None
    if name in value:
        return value[name]
    size, folded = len(name), name.lower()
    for key, inner in value.items():
        if len(key) == size and key.lower() == folded:
            return inner
    return None


@dataclass(frozen=True, slots=True)
class Field:
    """A path and its extractors."""

    path: str
    filters: tuple[tuple[extractors.Extractor | None, str], ...]
    """Extractors with their arguments, in order; None is ``or``, with the default value as argument."""
    source: Literal["parameter", "call", "type"]
    """What the path names: a member of the request, a fact about the call, or a resource type (``@table``)."""
    steps: Steps
    member: str
    """The first member of the path, in lower case."""
    head: str
    """The member without which the field has no value, in lower case; "" if it may have one without."""

    def render(self, scope: FieldScope) -> Sequence[Text]:
        """Return the values of the field as text, without duplicates, in order."""
        if self.source == "parameter":
            values = scope.at(self.steps, self.member)
            if not self.filters and len(values) == 1 and type(values[0]) is str:
                return (Text(values[0]),) if values[0] else ()  # the fast case: most fields are so
        elif self.source == "type":
            return scope.resources(self.path[1:])
        else:
            value = extractors.BUILTINS[self.path](scope.call)
            values = [value] if value else []
        wild = False
        for extractor, argument in self.filters:
            if extractor is None:
                if not values:
                    values, wild = [argument], argument == "*"
            elif len(values) == 1:
                values = list(extractor(values[0], argument))
            elif values:
                values = [new for value in values for new in extractor(value, argument)]
        if len(values) == 1:
            text = scalar(values[0])
            return (Text(text, wild),) if text else ()
        texts = [scalar(value) for value in values]
        return [Text(text, wild) for text in dict.fromkeys(texts) if text]


def scalar(value: Any) -> str:
    """Return a JSON scalar as the text that IAM would compare; "" for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else ""


@dataclass(frozen=True, slots=True)
class FieldFacts:
    """A run of text and facts about the call, ``arn:{partition}:sqs:{region}:{account}:``."""

    form: str
    """Format with ``%s`` for each fact."""
    read: Callable[[Call], tuple[str, ...]]

    def render(self, scope: FieldScope) -> Sequence[Text]:
        """Return the text; nothing if a fact is missing."""
        values = self.read(scope.call)
        return (Text(self.form % values),) if all(values) else ()


@dataclass(frozen=True, slots=True)
class Constant:
    """Constant text of a template."""

    texts: tuple[Text, ...]

    def render(self, _: FieldScope) -> Sequence[Text]:
        """Return the text."""
        return self.texts


@dataclass(frozen=True, slots=True)
class Template:
    """Text with fields."""

    source: str
    fields: tuple[Field, ...]
    pieces: tuple[Constant | FieldFacts | Field, ...]
    """The parts to concatenate, in order."""
    heads: frozenset[str]
    """Members of the request without which the template renders to nothing, in lower case."""

    def render(self, scope: FieldScope) -> Sequence[Text]:
        """Return every combination of the fields' values; empty if a field has none."""
        if len(self.pieces) == 1:
            return self.pieces[0].render(scope)
        if self.heads and scope.item is None and scope.names is not None and not self.heads <= scope.names:
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


def join(texts: Sequence[Text]) -> Text:
    """Concatenate texts; one wild part makes the whole a pattern."""
    if len(texts) == 1:
        return texts[0]
    for part in texts:
        if part.wild:
            return Text("".join([part.pattern for part in texts]), wild=True)
    return Text("".join([part.text for part in texts]))


@lru_cache(maxsize=8192)
def parse_template(text: str) -> Template:
    """Parse a template.

    Raises:
        ValueError: an extractor does not exist.
    """
    parts: list[str | Field] = []
    for i, piece in enumerate(_FIELD.split(text)):
        if i % 2:
            parts.append(parse_field(piece))
        elif piece:
            parts.append(piece)
    fields = tuple(part for part in parts if isinstance(part, Field))
    pieces = tuple(chain.from_iterable(_pieces(kind, run) for kind, run in groupby(parts, _kind)))
    return Template(text, fields, pieces, frozenset(field.head for field in fields if field.head))


def _kind(part: str | Field) -> Literal["fixed", "wild", "field"]:
    if isinstance(part, str):
        return "wild" if "*" in part or "?" in part else "fixed"
    return "fixed" if part.path in _FACTS and not part.filters else "field"


# Facts that are attributes of a call.
_FACTS = frozenset({"partition", "region", "account"})


def _pieces(kind: str, run: Iterable[str | Field]) -> Iterator[Constant | FieldFacts | Field]:
    """Yield the pieces that render a run of parts: text and facts about the call as one piece, fields one by one."""
    parts = list(run)
    facts = [part.path for part in parts if isinstance(part, Field)]
    if kind == "field":
        yield from (part for part in parts if isinstance(part, Field))
    elif facts:
        form = "".join("%s" if isinstance(part, Field) else part.replace("%", "%%") for part in parts)
        yield FieldFacts(form, _reader(tuple(facts)))
    else:
        yield Constant(tuple(Text(part, kind == "wild") for part in parts if isinstance(part, str)))


def _reader(names: tuple[str, ...]) -> Callable[[Call], tuple[str, ...]]:
    if len(names) == 1:
        return lambda call: (str(getattr(call, names[0])),)
    return attrgetter(*names)


@lru_cache(maxsize=8192)
def parse_field(text: str) -> Field:
    """Parse a field: ``path|extractor|extractor:argument``."""
    # A "|" in a regular expression is escaped with a backslash.
    path, *filters = (piece.replace("\\|", "|") for piece in re.split(r"(?<!\\)\|", text))
    steps: list[tuple[extractors.Extractor | None, str]] = []
    for one in filters:
        name, _, argument = one.partition(":")
        if name != "or" and name not in extractors.EXTRACTORS:
            raise ValueError(f"no extractor named {name!r} in {text!r}")
        steps.append((extractors.EXTRACTORS.get(name), argument))
    source: Literal["parameter", "call", "type"] = "parameter"
    if path in extractors.BUILTINS:
        source = "call"
    elif path.startswith("@"):
        source = "type"
    sure = source == "parameter" and all(extractor for extractor, _ in steps)
    head = path_head(path)
    return Field(path, tuple(steps), source, path_steps(path), head, head if sure else "")


@dataclass(frozen=True, slots=True)
class Test:
    """A condition of a rule: a field is present, or has one of some values (``field=a,b``)."""

    source: str
    subject: Field
    values: tuple[str, ...]

    def holds(self, scope: FieldScope) -> bool:
        """Whether the field is present, or has one of the values (``false`` and empty lists count as absent)."""
        subject = self.subject
        if self.values:
            return any(text.text in self.values for text in subject.render(scope))
        if subject.filters:
            return bool(subject.render(scope))
        if subject.source == "call":
            return bool(extractors.BUILTINS[subject.path](scope.call))
        return any(map(present, scope.at(subject.steps, subject.member)))


def present(value: Any) -> bool:
    """Whether a value counts as present. Empty text does: S3 writes flags of the query string as ``"acl": ""``."""
    return value == "" or bool(value) or (isinstance(value, int) and not isinstance(value, bool))


@lru_cache(maxsize=8192)
def parse_test(text: str) -> Test:
    """Parse a test: ``field``, ``field|extractor`` or ``field=value,value``."""
    subject, equals, values = text.partition("=")
    return Test(text, parse_field(subject), tuple(values.split(",")) if equals else ())
