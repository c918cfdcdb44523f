"""Makes tidy pandas frames for notebooks: one row for each observation, one column for each fact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from policygen.evidence.suspicious import suspicious_calls
from policygen.rightsize.suggestion import Suggestion

if TYPE_CHECKING:
    import pandas as pd

_CATEGORIES = (
    "role",
    "region",
    "event_source",
    "event_name",
    "outcome",
    "result",
    "sign",
    "error",
    "via",
    "user",
    "manner",
    "action",
    "service",
    "kind",
)


def calls_frame(suggestion: Suggestion) -> pd.DataFrame:
    """Return one row for each distinct call, day and user of the role's credentials, in the window.

    The suspicious calls that are left out of the policy are not in it: `suspicious_frame` has them.

    Columns: ``day`` (datetime64, UTC), ``role``, ``region``, ``event_source``, ``event_name``, ``outcome`` (``used``;
    ``weak``: it failed, perhaps before AWS checked the permission; ``denied``; ``unauthenticated``), ``error``,
    ``via`` (the service that made the call for the role; categories), ``vpce``, ``user`` (what the credentials were
    issued to), ``manner`` (``runtime``: Lambda's; ``service``: an AWS service; ``platform``: Lambda's own parts;
    ``presigned``: a signed URL; ``console``; ``interactive``: a command line; ``desktop``; ``other``), ``params``
    (JSON text of the identifying parameters, with patterns where calls were counted together), ``n``, ``first``,
    ``last`` (datetime64, UTC).
    """
    name = suggestion.role.name
    rows = [
        {
            "day": key.day,
            "role": name,
            "region": key.call.region,
            "event_source": key.call.source,
            "event_name": key.call.name,
            "outcome": str(key.call.outcome),
            "error": key.call.error or None,
            "via": key.call.via or None,
            "vpce": key.call.vpce or None,
            "user": key.user.function or None,
            "manner": key.user.channel,
            "params": key.call.params_text,
            "n": evidence.count,
            "first": evidence.first,
            "last": evidence.last,
        }
        for key, evidence in sorted(suggestion.usage.daily.items(), key=lambda one: (one[0].day, str(one[0])))
    ]
    columns = [
        "day",
        "role",
        "region",
        "event_source",
        "event_name",
        "outcome",
        "error",
        "via",
        "vpce",
        "user",
        "manner",
        "params",
        "n",
        "first",
        "last",
    ]
    return _frame(rows, columns)


def suspicious_frame(suggestion: Suggestion) -> pd.DataFrame:
    """Return one row for each distinct call, day and user that does not look like the role's workload.

    Accepted ones are in it too, and then in `calls_frame` as well. The records' access keys are not kept: the event
    IDs lead to them.

    Columns: ``day`` (datetime64, UTC), ``role``, ``sign`` (the kind, as `accepted` names it), ``accepted`` (bool),
    ``region``, ``event_source``, ``event_name``, ``action``, ``resource`` (what it asked for first), ``result``
    (``succeeded``; ``failed``: with an error that is no denial; ``denied``; ``expired`` and ``refused``: its
    credentials were), ``error``, ``user``, ``manner`` (as in `calls_frame`), ``n``, ``first``, ``last`` (datetime64,
    UTC), ``addresses``, ``user_agents``, ``sessions``, ``event_ids`` (lists of str, at most five).
    """
    split = suggestion.split
    rows = []
    for one in suspicious_calls(split, suggestion.usage.knowledge):
        call, seen = one.key.call, one.evidence
        action, resource = one.asked[0] if one.asked else (None, None)
        rows.append(
            {
                "day": one.key.day,
                "role": suggestion.role.name,
                "sign": one.sign,
                "accepted": one.sign in split.accepted,
                "region": call.region,
                "event_source": call.source,
                "event_name": call.name,
                "action": action,
                "resource": resource,
                "result": one.result,
                "error": call.error or None,
                "user": one.key.user.function or None,
                "manner": one.key.user.channel,
                "n": seen.count,
                "first": seen.first,
                "last": seen.last,
                "addresses": sorted(seen.addresses),
                "user_agents": sorted(seen.agents),
                "sessions": sorted(seen.sessions),
                "event_ids": list(seen.event_ids),
            }
        )
    columns = (
        "day role sign accepted region event_source event_name action resource result error user manner n "
        "first last addresses user_agents sessions event_ids"
    )
    return _frame(rows, columns.split())


def requests_frame(suggestion: Suggestion, *, asides: bool = False) -> pd.DataFrame:
    """Return one row for each access request.

    Args:
        suggestion: the suggestion of one role.
        asides: include requests that are not granted for their own sake, of the ``grade`` hint or indirect. They come
            from the same events as other rows, so counts must not be added up.

    Columns: ``service``, ``action`` (categories), ``resource``, ``resource_type``, ``grade``, ``written_as``, ``rule``,
    ``granted`` (bool), ``n``, ``days``, ``first``, ``last`` (datetime64, UTC), ``event_ids`` (list of str).
    """
    rows = []
    tables = (
        [suggestion.usage.requests, suggestion.usage.informational] if asides else [suggestion.usage.requests]
    )
    for request, seen in [pair for table in tables for pair in table.items()]:
        written = suggestion.written.get(request)
        rows.append(
            {
                "service": request.action.split(":", 1)[0],
                "action": request.action,
                "resource": request.resource,
                "resource_type": request.resource_type or None,
                "grade": request.grade,
                "written_as": written.pattern if written else None,
                "rule": (written.rule or None) if written else None,
                "granted": written is not None,
                "n": seen.count,
                "days": len(seen.days),
                "first": seen.first,
                "last": seen.last,
                "event_ids": list(seen.event_ids),
            }
        )
    columns = [
        "service",
        "action",
        "resource",
        "resource_type",
        "grade",
        "written_as",
        "rule",
        "granted",
        "n",
        "days",
        "first",
        "last",
        "event_ids",
    ]
    return _frame(rows, columns)


def changes_frame(suggestion: Suggestion) -> pd.DataFrame:
    """Return one row for each action that is allowed today or in the proposal.

    Columns: ``service``, ``action``, ``kind`` (categories: narrowed, unchanged, kept, unknown, removed, added),
    ``now``, ``proposed`` (lists of patterns), ``why``. Empty where today's policies are not known.
    """
    rows = [
        {
            "service": change.service,
            "action": change.action,
            "kind": change.kind,
            "now": list(change.now),
            "proposed": list(change.proposed),
            "why": change.why,
        }
        for change in suggestion.changes
    ]
    return _frame(rows, ["service", "action", "kind", "now", "proposed", "why"])


def _frame(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(rows, columns=columns)
    for name in ("day", "first", "last"):
        if name in frame:
            frame[name] = pd.to_datetime(frame[name], utc=True, format="ISO8601")
    for name in _CATEGORIES:
        if name in frame:
            frame[name] = frame[name].astype("category")
    for name in ("n", "days"):
        if name in frame:
            frame[name] = frame[name].astype("int64")
    return frame
