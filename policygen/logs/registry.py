"""The log sources by scheme, and how to open one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from policygen.errors import UsageError
from policygen.logs.source import LogSource, QuerySource, Source


class AwsOptions(msgspec.Struct, frozen=True):
    """How to call AWS."""

    profile: str = ""
    """AWS profile; "" for the default one."""
    region: str = ""
    """Where to read, unless the source says it; "" for AWS_REGION, or the profile's."""
    max_scan: int | None = None
    """Bytes that queries may read, where AWS charges for them; None for no limit."""


def _files(specs: Sequence[str], _: AwsOptions) -> LogSource:
    from policygen.logs.sources.files import open_files

    return open_files(specs)


def _s3(specs: Sequence[str], how: AwsOptions) -> LogSource:
    from policygen.logs.sources.s3.source import open_s3

    return open_s3(specs, profile=how.profile, region=how.region)


def _auto(specs: Sequence[str], how: AwsOptions) -> LogSource:
    from policygen.logs.sources.s3.auto import open_auto

    return open_auto(specs, profile=how.profile, region=how.region)


def _lookup(specs: Sequence[str], how: AwsOptions) -> LogSource:
    from policygen.logs.sources.api.event_history import open_lookup

    return open_lookup(specs, profile=how.profile, region=how.region)


def _logs(specs: Sequence[str], how: AwsOptions) -> LogSource:
    from policygen.logs.sources.api.cloudwatch import open_log_groups

    return open_log_groups(specs, profile=how.profile, region=how.region)


def _athena(specs: Sequence[str], how: AwsOptions) -> QuerySource:
    from policygen.logs.sources.athena.source import open_athena

    return open_athena(specs, profile=how.profile, region=how.region, max_scan=how.max_scan)


def _lake(specs: Sequence[str], how: AwsOptions) -> QuerySource:
    from policygen.logs.sources.lake.source import open_lake

    return open_lake(specs, profile=how.profile, region=how.region, max_scan=how.max_scan)


Opener = Callable[[Sequence[str], AwsOptions], Source]


SCHEMES: dict[str, Opener] = {
    "": _files,
    "athena": _athena,
    "auto": _auto,
    "file": _files,
    "lake": _lake,
    "logs": _logs,
    "lookup": _lookup,
    "s3": _s3,
}
"""Name of a source -> the function that opens it, from specs as the user wrote them; "" stands for a plain path.

A spec names its source before the first colon, as in ``s3://BUCKET`` or ``logs:GROUP``, or is its name alone.
"""


_URLS = frozenset({"file", "s3"})
"""Sources whose specs have two slashes after the colon."""


_NAMED = re.compile(r"([a-z][a-z0-9+.-]+)(:/{0,2}|$)", re.IGNORECASE)  # one letter is a Windows drive


def open_source(spec: Source | str | Path | Sequence[str | Path], how: AwsOptions = AwsOptions()) -> Source:  # noqa: B008 - immutable
    """Return the log source that `spec` names: one path or URL, or several of the same kind; or the source itself.

    Args:
        spec: as the user wrote it.
        how: to call AWS, where the source does.

    Raises:
        UsageError: a path does not exist (PG-E201); the source is unknown, or kinds are mixed (PG-E202).
    """
    if isinstance(spec, LogSource | QuerySource):
        return spec
    specs = [spec] if isinstance(spec, str | Path) else list(spec)
    if not specs:
        raise UsageError("no log source given", "name a file or a folder of logs", code="PG-E202")
    if not all(
        map(str, specs)
    ):  # as from a variable of the shell that is not set; as a path it would be this folder
        raise UsageError("a log source is an empty text", "name a file or a folder of logs", code="PG-E202")
    openers = {_opener(str(one)) for one in specs}
    if len(openers) > 1:
        raise UsageError(
            "log sources of different kinds cannot be read together", "run once for each kind", code="PG-E202"
        )
    return openers.pop()([str(one) for one in specs], how)


def _opener(spec: str) -> Opener:
    match = _NAMED.match(spec)
    if match is None:
        return SCHEMES[""]
    name, mark = match.group(1).lower(), match.group(2)
    if mark != "://" and (os.path.lexists(spec) or not (mark or name in SCHEMES)):
        return SCHEMES[""]
    if name not in SCHEMES:
        known = ", ".join(f"{name}://" if name in _URLS else name for name in sorted(SCHEMES) if name)
        raise UsageError(
            f"no log source for {name}{mark}", f"known: a file or folder path, {known}", code="PG-E202"
        )
    return SCHEMES[name]
