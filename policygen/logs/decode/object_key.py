"""How a trail names what it delivers (2.1): the account, the region and the day, and what is no log of calls."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import NamedTuple

_NAME = re.compile(
    r"(?P<account>\d{12})_CloudTrail_(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)_(?P<y>\d{4})(?P<m>\d\d)(?P<d>\d\d)T\d{4}Z_"
)
_LOG_NAME = re.compile(r"\.(json|jsonl|ndjson|gz|zip)$", re.IGNORECASE)
_INNER_NAME = re.compile(r"\.[a-z]+(?=\.gz$)", re.IGNORECASE)


_STAMP = re.compile(r"\d{12}_CloudTrail_[a-z0-9-]+_(\d{8}T\d{4}Z)_")
STAMP = "%Y%m%dT%H%MZ"


class LogName(NamedTuple):
    """What the name of a log file says; "" where it says nothing."""

    account: str = ""
    region: str = ""
    day: str = ""
    """The date on which it was published, not that of its events (2.1.2)."""


def parse_log_name(name: str) -> LogName:
    """What a trail said of a file by its name."""
    found = _NAME.match(name.rsplit("/", 1)[-1])
    return (
        LogName(found["account"], found["region"], f"{found['y']}-{found['m']}-{found['d']}")
        if found
        else LogName()
    )


def published(name: str) -> str:
    """When a file was published, to the minute: ``20261124T2235Z`` (`STAMP`); "" where its name does not tell."""
    found = _STAMP.match(name.rsplit("/", 1)[-1])
    return found[1] if found else ""


def kind_of_name(name: str) -> str | None:
    """What a trail's own layout says about a file (2.1): digests and insights have folders of their own."""
    parts = PurePosixPath(name).parts
    for mark, kind in (("CloudTrail-Digest", "digest"), ("CloudTrail-Insight", "insight")):
        if mark in parts or f"_{mark}_" in parts[-1]:
            return kind
    return None


def has_log_suffix(name: str) -> bool:
    """Whether a name claims a JSON log: by its suffix, or the one before ``.gz`` if there is one."""
    inner = _INNER_NAME.search(name)
    return bool(_LOG_NAME.search(inner.group() if inner else name))
