"""Reads and writes plans: one role's suggestion as it is saved, with everything that a reader of it needs.

`build` makes it from an analysis; `read_plan` reads it back. Every format is rendered from a plan alone. The shape is
described by ``plan.schema.json`` beside this file. It changes only by addition, so that a plan of today can be read
tomorrow: `SCHEMA_VERSION` stays the same, and readers treat a missing field as not known.
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Mapping
from typing import Any

import msgspec

from policygen.errors import UsageError
from policygen.files import UnreadableJson, unpacked
from policygen.plan.fast_json import indented, line_in_parts, to_bytes
from policygen.plan.model import Plan
from policygen.rightsize.assess.change_groups import RoleChanges
from policygen.text import escape_controls, visible_json

SCHEMA_VERSION = 1

SCHEMAS: Mapping[str, tuple[str, str, str]] = {
    "plan": ("policygen.plan", "plan.schema.json", "plans, and suggest --format json"),
    "batch": ("policygen.plan", "batch.schema.json", "batch.json, the rows of a batch"),
    "trust": ("policygen.plan", "trust.schema.json", "plans of trust policies, and trust --format json"),
    "api": ("policygen.plan", "api.schema.json", "plans of APIs, and api --format json"),
}
"""Name -> package, file, and what the schema describes."""


def parse_plan(document: Mapping[str, Any], file: str = "") -> Plan:
    """Return a plan from its values, plain ones or records of the plan, and where it is saved.

    Older versions stored the rendered ``screen`` as well; it is left out. What they named otherwise gets its name of
    today.

    Raises:
        msgspec.ValidationError: it does not have the shape of a plan.
    """
    document = _renamed(document)
    made = document.get("changes")
    if isinstance(made, RoleChanges):  # just compared: thousands that need no second look
        plan = msgspec.convert(document | {"changes": ()}, Plan)
        plan.changes = made
    else:
        plan = msgspec.convert(document, Plan)
    plan.policies = tuple(
        msgspec.structs.replace(policy, document=_in_order(policy.document)) for policy in plan.policies
    )
    if plan.today is not None:
        plan.today = tuple(
            msgspec.structs.replace(policy, document=_in_order(policy.document)) for policy in plan.today
        )
    plan.stored = {name: value for name, value in document.items() if name != "screen"}
    plan.file = file
    return plan


_PROMISES = {"minimal": "nothing spare", "nothing unseen": "accounted for"}
"""A promise's name in older plans -> its name."""


def _renamed(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a plan with what older versions named otherwise under the names of today."""
    values = dict(document)
    if isinstance(checks := values.get("proof"), list):
        values["proof"] = [_check_renamed(one) for one in checks]
    asked = values.get("questions")
    if isinstance(asked, list) and any(isinstance(one, dict) and "type" in one for one in asked):
        values["questions"], values["open_names"] = [], asked
    return values


def _check_renamed(check: Any) -> Any:
    if not isinstance(check, dict) or not isinstance(check.get("promise"), str):
        return check
    return check | {"promise": _PROMISES.get(check["promise"], check["promise"])}


_ORDER = (
    "Version", "Id", "Statement", "Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition",
)  # fmt: skip


def _in_order(document: dict[str, Any]) -> dict[str, Any]:
    """Return a policy document as IAM's users write it, whatever a writer of JSON did to the order of the elements."""
    document = _sorted(document)
    statements = document.get("Statement")
    if isinstance(statements, list):
        document["Statement"] = [_sorted(one) if isinstance(one, dict) else one for one in statements]
    return document


def _sorted(elements: dict[str, Any]) -> dict[str, Any]:
    known = [name for name in _ORDER if name in elements]
    return {name: elements[name] for name in (*known, *sorted(set(elements) - set(known)))}


def read_plan(data: bytes, name: str) -> Plan:
    """Return a saved plan.

    Args:
        data: the file's bytes, packed with gzip or not.
        name: the file's name, as it was given.

    Raises:
        UsageError: PG-E270, it is no plan, or one of a later version.
    """
    document = plan_document(data, name)
    if kind := document.get("kind"):
        shown = escape_controls(str(kind))[:20]
        raise _no_plan(name, f"it is one of the kind {shown!r}, and a role's is asked for")
    try:
        return parse_plan(document, name)
    except (ValueError, RecursionError) as error:  # msgspec's errors among them
        raise _no_plan(name, escape_controls(str(error))[:120]) from None


def plan_document(data: bytes, name: str) -> dict[str, Any]:
    """Return the values of a saved plan of any kind; `kind` is ``trust`` or ``api``, and not there in a role's.

    Args:
        data: the file's bytes, packed with gzip or not.
        name: the file's name, as it was given.

    Raises:
        UsageError: PG-E270, it is no plan, or one of a later version.
    """
    try:
        document = json.loads(unpacked(io.BytesIO(data)))
    except (ValueError, RecursionError, UnreadableJson) as error:
        raise _no_plan(name, escape_controls(str(error))[:120]) from None
    if not isinstance(document, dict) or "schema_version" not in document:
        raise _no_plan(name, "it has no schema_version")
    if document["schema_version"] != SCHEMA_VERSION:
        version = escape_controls(str(document["schema_version"]))[:20]
        raise _no_plan(name, f"its schema_version is {version}, this policygen reads {SCHEMA_VERSION}")
    return document


def _no_plan(name: str, reason: str) -> UsageError:
    return UsageError(
        f"{escape_controls(name)!r} is not a plan: {reason}",
        "give a plan that suggest or batch saved",
        code="PG-E270",
    )


def plan_to_json(plan: Plan) -> str:
    """Return a plan as one JSON object with sorted keys: the text of its file."""
    return to_bytes(plan.stored).decode()


def plan_to_gzip(plan: Plan) -> bytes:
    """Return a plan as a batch saves it: the same JSON without line breaks, packed: a fifteenth of the size."""
    changes = plan.stored.get("changes")
    if isinstance(changes, RoleChanges):
        parts = line_in_parts(plan.stored, "changes", [one.json for one in changes.services])
    else:
        parts = iter([to_bytes(plan.stored, indent=-1)])
    packer = zlib.compressobj(_LEVEL, wbits=_WITH_HEADER, memLevel=_MEMORY)
    return b"".join([*map(packer.compress, parts), packer.flush()])


_LEVEL, _MEMORY = 5, 7
"""How hard zlib tries: a hundredth less, level 6 with as much memory, takes a third more time."""
_WITH_HEADER = 16 + zlib.MAX_WBITS
"""As a file of gzip, without a time in it."""


def policies_to_json(plan: Plan) -> str:
    """Return what IAM takes: the document, or ``{"policies": [{"name", "document"}]}`` where it had to be split."""
    policies = [{"name": one.name, "document": one.document} for one in plan.policies]
    document = policies[0]["document"] if len(policies) == 1 else {"policies": policies}
    return visible_json(indented(document)) + "\n"
