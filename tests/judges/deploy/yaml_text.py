"""Writes templates as people write them in YAML: with short tags, aliases and the merge key."""

from __future__ import annotations

import random
from typing import Any

import yaml

_MERGE = yaml.ScalarNode("tag:yaml.org,2002:merge", "<<")
_TAGS = {
    "Ref": "!Ref",
    **{f"Fn::{name}": f"!{name}" for name in ("Sub", "Join", "Select", "Split", "FindInMap")},
}
_TAGS |= {f"Fn::{name}": f"!{name}" for name in ("If", "Equals", "And", "Or", "Not", "ImportValue", "GetAtt")}


def yaml_text(template: Any, chance: random.Random, merging: float) -> str:
    """Return a template as YAML.

    Args:
        merging: how often an object has a part of its keys from `<<`.
    """

    def node(value: Any) -> yaml.Node:
        if isinstance(value, dict):
            return short(value) or merged([(text(str(key)), node(one)) for key, one in value.items()])
        if isinstance(value, list):
            return yaml.SequenceNode("tag:yaml.org,2002:seq", [node(one) for one in value])
        return text(value) if isinstance(value, str) else yaml.ScalarNode(_kind(value), _written(value))

    def short(value: dict[str, Any]) -> yaml.Node | None:
        ((key, argument),) = value.items() if len(value) == 1 else (("", None),)
        if key not in _TAGS or chance.random() < 0.2:
            return None
        if key == "Fn::GetAtt" and isinstance(argument, list):
            argument = ".".join(argument)
        if isinstance(argument, list):
            return yaml.SequenceNode(_TAGS[key], [node(one) for one in argument])
        return yaml.ScalarNode(_TAGS[key], argument, style='"') if isinstance(argument, str) else None

    def merged(pairs: list[Any]) -> yaml.Node:
        if len(pairs) < 2 or chance.random() >= merging:
            return yaml.MappingNode("tag:yaml.org,2002:map", pairs)
        size = chance.randrange(1, len(pairs))
        # What is merged may have keys that the object has as well: those of the object count.
        inner = [*pairs[:size], (pairs[-1][0], text("overridden"))][: size + chance.randint(0, 1)]
        own = [(_MERGE, yaml.MappingNode("tag:yaml.org,2002:map", inner)), *pairs[size:]]
        return yaml.MappingNode("tag:yaml.org,2002:map", own)

    return str(yaml.serialize(node(template), width=100))


def text(value: str) -> yaml.Node:
    """Return a text; a date is quoted, for moto would take it for one."""
    return yaml.ScalarNode("tag:yaml.org,2002:str", value)


def _kind(value: Any) -> str:
    kind = {bool: "bool", int: "int", float: "float", type(None): "null"}[type(value)]
    return f"tag:yaml.org,2002:{kind}"


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)
