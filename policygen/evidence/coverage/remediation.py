"""The exact command that makes a trail log more, ready to be pasted into a shell.

AWS replaces all selectors of a trail at once, so a command repeats those that the trail has, basic ones written as
advanced ones. Where they are not known there is no command, and the functions return "". A trail of another account,
an organization's, cannot be changed from a member account (3.4.1): a comment says in which account the command runs.
An event data store of CloudTrail Lake has commands of its own.
Source: AWS CLI Command Reference, cloudtrail put-event-selectors, update-trail, create-trail, start-logging,
update-event-data-store, start-event-data-store-ingestion.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from typing import Any

from policygen.account.model import Trail
from policygen.evidence.coverage.selectors import as_advanced, whole_category
from policygen.iam import arn
from policygen.text import escape_controls

NAME, BUCKET = "policygen-trail", "YOUR-LOG-BUCKET"
_ACCOUNT = re.compile("[0-9]{12}")


def put_selectors(trails: Sequence[Trail], account: str, category: str, data_type: str = "") -> str:
    """Return the command that adds one whole category to the best trail; see `enable_events_command`."""
    return enable_events_command(trails, account, [(category, data_type)])


def enable_events_command(trails: Sequence[Trail], account: str, added: Sequence[tuple[str, str]]) -> str:
    """Return the command that adds whole categories to the best trail, all at once, as each command replaces all.

    Args:
        trails: the trails that log.
        account: the account whose trails are preferred: a member cannot change its organization's trail (3.4.1).
        added: (``Management`` or ``Data``, the type of data events or "").
    """
    for trail in sorted(trails, key=lambda one: _rank(one, account)):
        selectors = _existing(trail)
        if selectors is None:
            continue
        text = json.dumps([*selectors, *(whole_category(*one) for one in added)], separators=(",", ":"))
        return _command(
            trail, account, "put-event-selectors", "--trail-name", "--advanced-event-selectors", text
        )
    return ""


def start_logging_command(trails: Sequence[Trail], account: str) -> str:
    """Return the command that starts a stopped trail, or creates one where there is none."""
    for trail in sorted(trails, key=lambda one: _rank(one, account)):
        return _command(trail, account, "start-logging", "--name")
    create = f"aws cloudtrail create-trail --name {NAME} --s3-bucket-name {BUCKET} --is-multi-region-trail"
    return f"{create} && aws cloudtrail start-logging --name {NAME}"


def multi_region_command(trails: Sequence[Trail], account: str) -> str:
    """Return the command that makes a trail log all regions and the events of global services."""
    for trail in sorted(trails, key=lambda one: _rank(one, account)):
        wider = ["--is-multi-region-trail", "--include-global-service-events"]
        flags = ["--multi-region-enabled"] if _is_store(trail) else wider
        return _command(trail, account, "update-trail", "--name", *flags)
    return ""


def _rank(trail: Trail, account: str) -> tuple[bool, bool, str]:
    """Sort the account's own trails first, then trails of all regions, then by name."""
    return bool(_owner(trail, account)), not trail.multi_region, trail.name


def _owner(trail: Trail, account: str) -> str:
    """Return the other account that a trail belongs to; "" for an own trail, or where an account is not known."""
    place = arn.parse(trail.arn)
    return place.account if account and place and place.account != account else ""


def _existing(trail: Trail) -> list[dict[str, Any]] | None:
    if trail.advanced:
        return [_without_empty(selector) for selector in trail.advanced]
    return as_advanced(trail.selectors) if trail.selectors else None


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_empty(inner) for key, inner in value.items() if inner not in (None, [])}
    return [_without_empty(inner) for inner in value] if isinstance(value, list) else value


_OF_STORES = {
    "put-event-selectors": "update-event-data-store",
    "start-logging": "start-event-data-store-ingestion",
    "update-trail": "update-event-data-store",
}


def _is_store(trail: Trail) -> bool:
    return ":eventdatastore/" in trail.arn


def _command(trail: Trail, account: str, operation: str, option: str, *rest: str) -> str:
    if not trail.arn or any(
        escape_controls(text) != text for text in (trail.name, trail.arn, trail.home_region)
    ):
        return ""  # not a real trail, or not a name that AWS allows: it must not be pasted
    owner = _owner(trail, account)
    if owner and not _ACCOUNT.fullmatch(owner):
        return ""  # it would be in a comment, where nothing is quoted
    # AWS takes changes in the trail's home region only, and takes a bare name for one of the caller's account:
    # another account's trail is named by its ARN (CloudTrail API Reference, PutEventSelectors, TrailName).
    region = ["--region", trail.home_region] if trail.home_region else []
    name = trail.arn if owner else trail.name
    if _is_store(trail):
        operation, option, name = _OF_STORES[operation], "--event-data-store", trail.arn
    command = shlex.join(["aws", "cloudtrail", operation, option, name, *region, *rest])
    return f"{command}  # in account {owner}" if owner else command
