"""Reads the policy files that a command names."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policygen.rightsize.check.findings import PolicySource


def policies_of(path: Path) -> list[PolicySource]:
    """Read the policies of a file, or of the ``.json`` files of a folder by name; ``-`` is standard input.

    A file is one document, or ``{"policies": [{"name", "document"}]}``, as ``policygen suggest -f policy`` writes where
    one document is too small.

    Raises:
        UsageError: PG-E219, a file cannot be read or a folder has none; PG-E210, a document is not a policy.
    """
    if path.is_dir():
        files = sorted(path.glob("*.json"))
        if not files:
            raise _unreadable(str(path), "the folder holds no .json file")
        return [source for file in files for source in policies_of(file)]
    name = "standard input" if str(path) == "-" else str(path)
    try:
        text = sys.stdin.read().removeprefix("\ufeff") if str(path) == "-" else path.read_text("utf-8-sig")
    except OSError as error:
        raise _unreadable(name, error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise _unreadable(name, "it is not UTF-8") from None
    return _sources(name, text)


def _sources(name: str, text: str) -> list[PolicySource]:
    from policygen.iam.document import parse_policy
    from policygen.rightsize.check.findings import PolicySource, policy_source
    from policygen.text import escape_controls

    shown = escape_controls(name)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict) and isinstance(content.get("policies"), list):
        if not content["policies"]:
            raise _unreadable(name, "it holds no policy")
        members = content["policies"]
        documents = [one.get("document", one) if isinstance(one, dict) else one for one in members]
        return [
            PolicySource(shown, "", parse_policy(json.dumps(document), f"{name}, policy {number}"))
            for number, document in enumerate(documents, 1)
        ]
    return [policy_source(shown, text, parse_policy(text, name))]


def _unreadable(name: str, reason: str) -> Exception:
    from policygen.errors import UsageError
    from policygen.text import escape_controls

    return UsageError(
        f"cannot read {escape_controls(name)!r}: {reason}",
        "give a policy document in JSON; suggest -f policy prints one",
        code="PG-E219",
    )
