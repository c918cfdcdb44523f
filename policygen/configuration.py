"""The configuration file: settings of the command line, and decisions, from the nearest ``policygen.toml``.

The nearest file counts, from the current folder up to the root of the repository: ``policygen.toml``, or
``pyproject.toml`` with a table ``[tool.policygen]``. Files are not merged. An option on the command line comes first,
then ``POLICYGEN_NAME`` in the environment, then the file, then the default. An option can be configured if it is
declared with ``envvar="POLICYGEN_NAME"``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from policygen.errors import UsageError
from policygen.text import escape_controls

OWN, SHARED = "policygen.toml", "pyproject.toml"


class Setting(NamedTuple):
    """A setting: its kind, and what holds where nobody sets it."""

    kind: type
    default: str
    place: bool = False
    """Whether it is a file or folder: relative to the folder of the file that names it."""


SETTINGS: Mapping[str, Setting] = {
    "logs": Setting(list, "auto", place=True),
    "snapshot": Setting(str, "none", place=True),
    "days": Setting(int, "30"),
    "profile": Setting(str, "AWS's own"),
    "region": Setting(str, "AWS's own"),
    "all_accounts": Setting(bool, "where they may have calls that the own lack"),
    "format": Setting(str, "text"),
    "unverified": Setting(str, "keep"),
    "owner_tag": Setting(str, "owner, team, squad, contact or maintainer"),
    "plans": Setting(str, "policygen's own folder", place=True),
    "decisions": Setting(str, "the configuration file", place=True),
}
"""Key of the file -> the setting; its variable is ``POLICYGEN_KEY``."""


@dataclass(frozen=True)
class Configuration:
    """What the nearest file says."""

    path: Path | None = None
    """The file, from the current folder; None where there is none."""
    table: Mapping[str, Any] = field(default_factory=dict)
    """All of its keys, as they are written there."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The settings among them; files and folders as seen from the current folder."""

    @property
    def name(self) -> str:
        """The file's name for messages; "" where there is none."""
        return escape_controls(str(self.path)) if self.path else ""

    @property
    def decides(self) -> bool:
        """Whether the file has decisions."""
        from policygen.rightsize.decisions.load import DECISIONS

        return any(key in self.table for key in DECISIONS)


def read_configuration() -> Configuration:
    """Find and read the nearest file.

    Raises:
        UsageError: PG-E360, it cannot be read, or is not TOML; PG-E361, a key that does not exist; PG-E238, a setting
            of the wrong kind.
    """
    for folder in _folders():
        for name in (OWN, SHARED):
            if not os.path.lexists(folder / name):
                continue
            path = Path(os.path.relpath(folder / name))
            shared = None if name == OWN else _shared(path)
            if name == OWN or shared is not None:
                return _configuration(path, shared)
    return Configuration()


def _configuration(path: Path, shared: Mapping[str, Any] | None) -> Configuration:
    """Return the configuration of a file; `shared` is its table where it is a pyproject.toml."""
    # Imported late: most runs have no file, and a terminal waits for its first line.
    from policygen.rightsize.decisions.load import check_keys, parse_toml

    table = parse_toml(path) if shared is None else shared
    check_keys(table, str(path))
    return Configuration(path, table, dict(_settings(table, path)))


def table_of(path: Path) -> Mapping[str, Any]:
    """Return what one file says, as it is written there; of a pyproject.toml its table ``[tool.policygen]``.

    Raises:
        UsageError: PG-E360, it cannot be read, or is not TOML.
    """
    from policygen.rightsize.decisions.load import parse_toml

    return (_shared(path) or {}) if path.name == SHARED else parse_toml(path)


def _folders() -> list[Path]:
    """Return the current folder and those above it, up to the root of the repository; it alone outside of one.

    Raises:
        UsageError: PG-E209, the current folder is gone.
    """
    try:
        here = Path.cwd()
    except OSError as error:
        raise UsageError(
            f"the current folder cannot be read: {(error.strerror or str(error)).lower()}",
            "it may have been deleted or moved: cd to a folder that is there, and run it again",
            code="PG-E209",
        ) from error
    above: list[Path] = []
    for folder in (here, *here.parents):
        above.append(folder)
        if (folder / ".git").exists():
            return above
    return [here]


def _shared(path: Path) -> Mapping[str, Any] | None:
    """Return the table ``[tool.policygen]`` of a pyproject.toml; None without one, or where the file is damaged."""
    import tomllib

    try:
        tools = tomllib.loads(path.read_text("utf-8")).get("tool", {})
    except (OSError, ValueError, RecursionError):
        return None
    table = tools.get("policygen") if isinstance(tools, dict) else None
    return table if isinstance(table, dict) else None


def _settings(table: Mapping[str, Any], path: Path) -> Iterable[tuple[str, Any]]:
    for key in (key for key in SETTINGS if key in table):
        setting, value = SETTINGS[key], table[key]
        texts: Any = [value] if setting.kind is list and isinstance(value, str) else value
        if not _fits(texts, setting.kind):
            needed = {
                list: "a text or a list of texts",
                int: "a whole number",
                bool: "true or false",
                str: "a text",
            }[setting.kind]
            raise UsageError(
                f"{escape_controls(str(path))}: {key} is {escape_controls(repr(value))[:60]}, and must be {needed}",
                "policygen config --help",
                code="PG-E238",
            )
        if not setting.place:
            yield key, texts
        elif setting.kind is list:
            yield key, [_seen_from_here(one, path.parent) for one in texts]
        else:
            yield key, _seen_from_here(texts, path.parent)


def text_of(value: Any) -> str:
    """Return the value of a setting as messages show it."""
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


_BOOLEANS = frozenset({"true", "false", "1", "0", "yes", "no", "on", "off", "t", "f", "y", "n"})
"""What an option takes in a variable."""


def check_variable(name: str, text: str, setting: Setting) -> None:
    """Check what a variable of the environment says.

    Raises:
        UsageError: PG-E238, it is no whole number, or neither true nor false, where the setting is one.
    """
    if setting.kind is bool and text.strip().lower() not in _BOOLEANS:
        raise UsageError(
            f"{name} is {escape_controls(repr(text))[:60]}, and must be true or false",
            f"export {name}=true",
            code="PG-E238",
        )
    if setting.kind is int and not re.fullmatch(r"\s*[+-]?\d+\s*", text, re.ASCII):
        raise UsageError(
            f"{name} is {escape_controls(repr(text))[:60]}, and must be a whole number",
            f"export {name}={setting.default}",
            code="PG-E238",
        )


def _fits(value: Any, kind: type) -> bool:
    if kind is list:
        return isinstance(value, list) and bool(value) and all(_fits(one, str) for one in value)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool)) and value != ""


def _seen_from_here(text: str, folder: Path) -> str:
    """Return a file or folder that a file in `folder` names; a log source that is none of them stays."""
    if text == "auto" or ":" in text.split("/", maxsplit=1)[0]:
        return text
    return os.path.normpath(folder / Path(text).expanduser())


def defaults_of(params: Iterable[Any], configuration: Configuration) -> dict[str, Any]:
    """Return the values of a command's options that the file sets: name of the parameter -> value."""
    found = {}
    for param in params:
        key = str(param.envvar or "").removeprefix("POLICYGEN_").lower()
        # The decisions' own reader takes this one: a file of decisions may have it too.
        if key in configuration.settings and key != "unverified":
            value = configuration.settings[key]
            many = getattr(param, "multiple", False)
            found[param.name] = [value] if many and not isinstance(value, list) else value
    return found
