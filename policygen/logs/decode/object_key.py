"""Read the name of a file that a trail delivered (2.1): account, region and day, and whether it is a log of calls."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import NamedTuple

_NAME = re.compile(
    r"(?P<account>\d{12})_CloudTrail_(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)_(?P<y>\d{4})(?P<m>\d\d)(?P<d>\d\d)T\d{4}Z_"
)
_PACKED = r"gz|bz2|xz|zst|lz4|snappy|br"
_LOG_NAME = re.compile(rf"\.(json|jsonl|ndjson|zip|tar|tgz|tbz2?|txz|{_PACKED})$", re.IGNORECASE)
_INNER_NAME = re.compile(rf"\.[a-z]+(?=\.({_PACKED})$)", re.IGNORECASE)


_STAMP = re.compile(r"\d{12}_CloudTrail_[a-z0-9-]+_(\d{8}T\d{4}Z)_")
STAMP = "%Y%m%dT%H%MZ"


_ORGANIZATION = re.compile(
    r"(?P<tree>.*[/\\]|)AWSLogs[/\\](?P<id>o-[a-z0-9]+)[/\\](?P<account>\d{12})[/\\]CloudTrail[/\\]"
)


class LogName(NamedTuple):
    """What the name of a log file says; a field is "" where the name does not say it."""

    account: str = ""
    region: str = ""
    day: str = ""
    """The date of publishing, not of the events (2.1.2)."""


def parse_log_name(name: str) -> LogName:
    """Return what the name of a file says, as a trail writes names."""
    match = _NAME.match(name.rsplit("/", 1)[-1])
    return (
        LogName(match["account"], match["region"], f"{match['y']}-{match['m']}-{match['d']}")
        if match
        else LogName()
    )


def published(name: str) -> str:
    """Return when a file was published, to the minute, ``20261124T2235Z`` (`STAMP`); "" where its name does not say."""
    match = _STAMP.match(name.rsplit("/", 1)[-1])
    return match[1] if match else ""


def organization_trail(locator: str, account: str) -> str:
    """Return what tells an organization's trail from other trails, from the place of an account's file (2.1).

    Returns:
        The folder that it delivers to and the organization's id; "" for a file that no organization's trail delivered.
    """
    match = _ORGANIZATION.match(locator)
    return f"{match['tree']}{match['id']}" if match and match["account"] == account else ""


def kind_of_name(name: str) -> str | None:
    """Return the kind of a file that trails keep apart from logs (2.1), digest or insight; None for any other."""
    if "CloudTrail-" not in name:
        return None
    parts = PurePosixPath(name).parts
    for folder, kind in (("CloudTrail-Digest", "digest"), ("CloudTrail-Insight", "insight")):
        if folder in parts or f"_{folder}_" in parts[-1]:
            return kind
    return None


def has_log_suffix(name: str) -> bool:
    """Return whether a name has the suffix of a JSON log, or has it before the suffix of a compression."""
    inner = _INNER_NAME.search(name)
    return bool(_LOG_NAME.search(inner.group() if inner else name))
