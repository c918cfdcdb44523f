"""Writes policygen/tables.json when policygen is built: what its TOML files say, in a form that is read quickly.

`policygen/files.py` reads it.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Tables(BuildHookInterface[Any]):
    """The hook that the build calls."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Write the file. It is not in the repository, so hatch is told of it."""
        package = Path(self.root) / "policygen"
        (package / "tables.json").write_text(json.dumps(tables(package)), "utf-8")
        build_data["artifacts"].append("policygen/tables.json")


def tables(package: Path) -> Mapping[str, Any]:
    """Return the digest of a TOML text -> what it says, for each file, and for what stands before its first table.

    The examples of a service file are left out: only tests read them.
    """
    files = [path.read_text("utf-8").split("\n[[example]]", 1)[0] for path in sorted(package.rglob("*.toml"))]
    texts = [*files, *(text.split("\n[", 1)[0] for text in files)]
    return {blake2b(text.encode(), digest_size=16).hexdigest(): tomllib.loads(text) for text in texts}
