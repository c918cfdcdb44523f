"""What the plans of policies that name principals share: of trust policies, and of APIs.

Such a plan is what `trust -f json` or `api -f json` prints: typed fields for other programs, described by
``trust.schema.json`` and ``api.schema.json`` beside this file, and in `suggestion` what policygen reads back. Like a
role's plan it changes only by addition, and has the same `SCHEMA_VERSION`.
"""

from __future__ import annotations

import gzip
import io
import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from policygen.errors import UsageError
from policygen.files import UnreadableJson, unpacked
from policygen.plan.model import PlanCheck
from policygen.rightsize.principals.kept import PolicyBlindSpot
from policygen.rightsize.principals.promise import Promise
from policygen.text import escape_controls, visible_json

AnySuggestion = TypeVar("AnySuggestion")


class PlanBlindSpot(msgspec.Struct, frozen=True):
    """What the logs could not have shown, and what would let them."""

    id: str
    about: str
    why: str
    remedy: str
    command: str


class PlanRemoved(msgspec.Struct, frozen=True):
    """What the new policy does not have, and why."""

    what: str
    why: str


class PlanRequirement(msgspec.Struct, frozen=True):
    """A principal, and a name of ``--require``."""

    principal: str
    require: str


class PlanSize(msgspec.Struct, frozen=True):
    """Characters of a policy that count against AWS's quota, and the quota."""

    characters: int
    quota: int


class PlanRuleFinding(msgspec.Struct, frozen=True):
    """A rule that today's state breaks, and whether it still does with the new policy."""

    rule: str
    level: str
    where: str
    text: str
    remains: bool


def plan_blind_spots(spots: Iterable[PolicyBlindSpot]) -> tuple[PlanBlindSpot, ...]:
    """Return blind spots as a plan has them."""
    return tuple(PlanBlindSpot(*one) for one in spots)


def plan_removed(removed: Iterable[tuple[str, str]]) -> tuple[PlanRemoved, ...]:
    """Return what goes as a plan has it."""
    return tuple(PlanRemoved(*one) for one in removed)


def plan_requirements(pairs: Iterable[tuple[str, str]]) -> tuple[PlanRequirement, ...]:
    """Return principals with names of ``--require`` as a plan has them."""
    return tuple(PlanRequirement(*one) for one in pairs)


def plan_checks(promises: Iterable[Promise]) -> tuple[PlanCheck, ...]:
    """Return promises as a plan has them."""
    return tuple(PlanCheck(one.name, one.held, one.finding, one.counter_examples) for one in promises)


def saved_part(suggestion: Any) -> str:
    """Return a suggestion as text that `from_plan` reads: its JSON, packed, since it repeats much of the plan."""
    values = msgspec.to_builtins(suggestion, order="sorted")
    text = json.dumps(values, separators=(",", ":"))
    return b64encode(gzip.compress(text.encode(), 6, mtime=0)).decode()


def plan_text(plan: Any) -> str:
    """Return a plan as one JSON object: the text of its file. It ends with a line break."""
    return visible_json(json.dumps(msgspec.to_builtins(plan), indent=2, ensure_ascii=False)) + "\n"


def from_plan(document: Mapping[str, Any], kind: type[AnySuggestion], name: str) -> AnySuggestion:
    """Return the suggestion of a plan.

    Args:
        document: the plan's values.
        kind: the type of the suggestion.
        name: the file's name, for messages.

    Raises:
        UsageError: PG-E245, it is damaged, or another version made it.
    """
    try:
        packed = b64decode(str(document.get("suggestion", "")), validate=True)
        return msgspec.convert(json.loads(unpacked(io.BytesIO(packed))), kind)
    except (ValueError, RecursionError, UnreadableJson):  # msgspec's errors among them
        version = escape_controls(str(document.get("policygen", "")))[:40]
        raise UsageError(
            f"the plan {escape_controls(name)!r} cannot be read back: it is damaged, or policygen {version} made it",
            "make it again with this version: policygen trust, or policygen api",
            code="PG-E245",
        ) from None


def refuse_edited(document: Mapping[str, Any], name: str, **written: Any) -> None:
    """Raise an error where the policies that people read in a plan are not those that policygen reads back.

    Args:
        document: the plan's values.
        name: the file's name, for messages.
        written: field -> its value by what was read back.

    Raises:
        UsageError: PG-E245.
    """
    for field, value in written.items():
        if document.get(field) != json.loads(msgspec.json.encode(value)):
            raise UsageError(
                f"the plan {escape_controls(name)!r} was edited: {field} is not what was proved",
                "keep what somebody added by a decision (--keep-principal, policygen.toml), and make the plan again",
                code="PG-E245",
            )
