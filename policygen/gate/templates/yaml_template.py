"""Reads YAML templates, with the place of each value. PyYAML is the extra ``yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policygen.errors import UsageError, missing_extra
from policygen.iam.locations import Location, Path
from policygen.text import escape_controls

_PLAIN = {
    "tag:yaml.org,2002:bool",
    "tag:yaml.org,2002:int",
    "tag:yaml.org,2002:float",
    "tag:yaml.org,2002:null",
}
"""Tags of scalars that are no text. A date is one: policies have a Version that looks like a date."""
_MERGE = "tag:yaml.org,2002:merge"
_DEEPEST = 100


def _repeated_key(file: str, name: str, line: int) -> UsageError:
    """Return the error for a key that is there twice: readers of YAML differ in which one counts."""
    shown = escape_controls(name)[:80]
    error = UsageError(
        f"{file}:{line} has the key {shown!r} for the second time in one object",
        f"leave one {shown!r} out, or write both as one: only one of them would count",
        code="PG-E219",
    )
    error.place = file, line
    return error


def _merge_key(file: str, line: int) -> UsageError:
    """Return the error for ``<<``: tools that upload templates merge it, CloudFormation itself does not.

    Source: AWS CloudFormation User Guide, Template format
    """
    error = UsageError(
        f"{file}:{line} has the merge key <<, which CloudFormation does not know",
        "write out what it merges; a tool that does so before it uploads the template: give that one's output",
        code="PG-E219",
    )
    error.place = file, line
    return error


def parse_yaml_template(text: str, file: str) -> tuple[Any, Mapping[Path, Location]]:
    """Return the value of a YAML text and the places of its parts; ``!Sub x`` is read as ``{"Fn::Sub": x}``.

    Raises:
        UsageError: PG-E219, it is no YAML, or has a key twice or ``<<``; PG-E252, PyYAML is not installed.
    """
    try:
        import yaml
    except ImportError:
        raise missing_extra(
            f"{file} is YAML, which PyYAML reads, and PyYAML is not installed",
            "yaml",
            "PyYAML",
            "or give the template as JSON",
            code="PG-E252",
        ) from None
    loader = yaml.SafeLoader(text)
    places: dict[Path, Location] = {}

    def value_of(node: Any, path: Path) -> Any:
        if len(path) > _DEEPEST:
            raise ValueError("its values are nested too deeply")
        places[path] = Location(node.start_mark.line + 1, node.start_mark.column + 1)
        if isinstance(node, yaml.MappingNode):
            found: Any = {}
            for key, value in node.value:
                name = str(key.value)
                if key.tag == _MERGE:
                    raise _merge_key(file, key.start_mark.line + 1)
                if name in found:
                    raise _repeated_key(file, name, key.start_mark.line + 1)
                found[name] = value_of(value, (*path, name))
        elif isinstance(node, yaml.SequenceNode):
            found = [value_of(one, (*path, number)) for number, one in enumerate(node.value)]
        else:
            found = loader.construct_object(node) if node.tag in _PLAIN else node.value
        tag = node.tag.removeprefix("!") if node.tag.startswith("!") else ""
        return {tag if tag in {"Ref", "Condition"} else f"Fn::{tag}": found} if tag else found

    try:
        root = loader.get_single_node()
        return (value_of(root, ()) if root else None), places
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error).split("\n", 1)[0]
        raise UsageError(
            f"{file} is not YAML: {reason}", "give a template or a policy", code="PG-E219"
        ) from None
    finally:
        loader.dispose()
