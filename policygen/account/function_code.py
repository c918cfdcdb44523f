"""What the code of functions calls, as an analyser of source code found it.

Two forms are read. The output of ``iam-policy-autopilot extract-sdk-calls`` (https://github.com/awslabs/iam-policy-autopilot),
a list of calls, tells neither of which function nor whether there are more. The form for a function says it::

    {"function": ARN, "sha256": HEX, "complete": true, "unresolved": [],
     "calls": [{"Service": "s3", "Operation": "GetObject"}]}

``complete`` is the analyser's own word that there is no call besides: no computed name, no library that was not read.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from policygen.errors import UsageError
from policygen.files import UnreadableJson, files_in, json_documents
from policygen.text import clean_word, escape_controls, sanitize

if TYPE_CHECKING:
    from policygen.account.model import Function

_SUFFIXES = (".json", ".jsonl")
_KNOWN = (
    "what is read: a list of calls as iam-policy-autopilot extract-sdk-calls prints it, or an object with "
    "'function', 'complete' and 'calls' for each function"
)


class CodeCall(NamedTuple):
    """One operation that code calls, and the services that it may be of, in an SDK's names."""

    operation: str
    services: tuple[str, ...]


class FunctionCode(msgspec.Struct, frozen=True):
    """What one analysis found."""

    file: str
    """Printable."""
    calls: tuple[CodeCall, ...]
    function: str = ""
    """Its ARN or name; "" where the analysis does not tell it."""
    role: str = ""
    """The role that a person said the code runs with; "" where nobody did."""
    sha256: str = ""
    """Of the deployment package, in hex; "" where unknown."""
    complete: bool = False
    """Whether the analyser says that there is no other call."""

    def is_of(self, function: Function) -> bool:
        """Return whether it is the code of a function, or of a version of it."""
        return self.function in {function.arn, function.unqualified, function.name}

    def is_package(self, function: Function) -> bool | None:
        """Return whether it is of the package that a function runs; None where one of the hashes is not known."""
        theirs = _hex(function.raw.get("CodeSha256"))
        return self.sha256 == theirs if self.sha256 and theirs else None


def read_code(specs: Sequence[str]) -> tuple[FunctionCode, ...]:
    """Read files and folders of analyses.

    Args:
        specs: paths; ``ROLE=PATH`` for those that do not say whose code they are of.

    Raises:
        UsageError: PG-E266, there is no such file, it cannot be read, or it holds something else.
    """
    return tuple(found for spec in specs for found in _read(*_split(spec)))


def _split(spec: str) -> tuple[str, Path]:
    role, mark, rest = spec.partition("=")
    if mark and role and "/" not in role and not os.path.lexists(spec):
        return role, Path(rest)
    return "", Path(spec)


def _read(role: str, path: Path) -> Iterator[FunctionCode]:
    found = files_in(path, _SUFFIXES)
    if not found:
        raise UsageError(f"--code: no file in {escape_controls(str(path))!r}", _KNOWN, code="PG-E266")
    for file in found:
        name = escape_controls(str(file))
        try:
            documents = list(json_documents(file))
            analyses = [_analysis(document, name, role) for document in documents]
        except (UnreadableJson, ValueError) as error:
            raise UsageError(f"--code: {name}: {error}", _KNOWN, code="PG-E266") from None
        if not analyses:
            raise UsageError(f"--code: {name} is empty", _KNOWN, code="PG-E266")
        yield from analyses


def _analysis(document: Any, file: str, role: str) -> FunctionCode:
    """Return what a document says.

    Raises:
        ValueError: it is of neither form.
    """
    if isinstance(document, list):
        return FunctionCode(file, _calls(document), role=role)
    if problem := _problem(document):
        raise ValueError(problem)
    function, package = document["function"], document.get("sha256") or ""
    return FunctionCode(
        file,
        _calls(document["calls"]),
        function=sanitize(function, 512),
        role=role,
        sha256=_hex(package),
        complete=document["complete"] and not document.get("unresolved"),
    )


def _problem(document: object) -> str:
    """Return why a document is not the analysis of a function; "" if it is."""
    if not isinstance(document, dict) or not isinstance(document.get("calls"), list):
        return "neither a list of calls nor an object with 'calls'"
    if not isinstance(document.get("function"), str) or not document["function"]:
        return "'function' is not the ARN or name of a function"
    if not isinstance(document.get("complete"), bool) or not isinstance(document.get("unresolved", []), list):
        return "'complete' is not true or false, or 'unresolved' no list"
    package = document.get("sha256") or ""
    return "'sha256' is no SHA-256, in hex or in base64" if package and not _hex(package) else ""


def _calls(entries: Sequence[object]) -> tuple[CodeCall, ...]:
    return tuple(dict.fromkeys(_call(entry) for entry in entries))


def _call(entry: object) -> CodeCall:
    if not isinstance(entry, Mapping):
        raise ValueError("a call is no object")  # noqa: TRY004 - of the file, not the program
    operation = _text(entry, "Operation", "Name")
    services = entry.get("PossibleServices", [entry.get("Service")])
    if not operation or not isinstance(services, list) or not all(isinstance(one, str) for one in services):
        raise ValueError("a call without 'Name' and 'PossibleServices', or 'Operation' and 'Service'")
    return CodeCall(clean_word(operation), tuple(clean_word(one) for one in services))


def _text(entry: Mapping[str, Any], *names: str) -> str:
    return next((value for name in names if isinstance(value := entry.get(name), str)), "")


def _hex(digest: object) -> str:
    """Return a SHA-256 in hex from hex, or from base64 as Lambda has it; "" for anything else."""
    if not isinstance(digest, str):
        return ""
    if re.fullmatch(r"[0-9a-fA-F]{64}", digest):
        return digest.lower()
    try:
        raw = base64.b64decode(digest, validate=True)
    except (binascii.Error, ValueError):
        return ""
    return raw.hex() if len(raw) == 32 else ""
