"""Makes tidy pandas frames for notebooks: one row for each observation, one column for each fact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from policygen.evidence.anomalies import SplitCalls
from policygen.evidence.suspicious import suspicious_calls
from policygen.evidence.usage import Usage
from policygen.logs.calls.call import CallSignature
from policygen.logs.calls.evidence import Evidence
from policygen.rightsize.suggestion import Suggestion

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]
"""One observation; a column that it lacks is empty."""

CALLS = (
    "day role region event_source event_name outcome error via vpce user manner params n first last".split()
)
SUSPICIOUS = (
    "day role sign accepted region event_source event_name action resource result error user manner n first last "
    "addresses user_agents sessions event_ids"
).split()
REQUESTS = (
    "service action resource resource_type grade written_as rule granted n days first last event_ids"
).split()
CHANGES = "service action kind now proposed why used calls last support reason".split()

_TIMES = frozenset("day first last start end first_day last_day".split())
_CATEGORIES = frozenset(
    "role account region event_source event_name outcome result sign error via vpce user manner action service kind "
    "choice mode family support reason".split()
)
_NUMBERS = frozenset(
    "n days events calls names active_days new_days late_days learnt grants days_with_events services".split()
)
_FLAGS = frozenset("accepted granted declared closed new_name used".split())


def calls_frame(suggestion: Suggestion) -> pd.DataFrame:
    """Return one row for each distinct call, day and user of the role's credentials, in the window.

    The suspicious calls that are left out of the policy are not in it: `suspicious_frame` has them.

    Args:
        suggestion: the suggestion of one role.

    Columns: ``day`` (datetime64[us, UTC]), ``role``, ``region``, ``event_source``, ``event_name``, ``outcome``
    (``used``; ``weak``: it failed, perhaps before AWS checked the permission; ``denied``; ``unauthenticated``),
    ``error``, ``via`` (the service that made the call for the role), ``vpce``, ``user`` (what the credentials were
    issued to), ``manner`` (``runtime``: Lambda's; ``service``: an AWS service; ``platform``: Lambda's own parts;
    ``presigned``: a signed URL; ``console``; ``interactive``: a command line; ``desktop``; ``other``; all of these are
    categories), ``params`` (str, JSON of the identifying parameters, with patterns where calls were counted together),
    ``n`` (int64, calls), ``first``, ``last`` (datetime64[us, UTC]).

    Example:
        >>> import policygen as pg
        >>> found = pg.suggest("orders-api", "samples/trail", snapshot="samples/account.json")
        >>> pg.calls_frame(found).groupby("outcome", observed=True)["n"].sum().to_dict()
        {'used': 1960, 'weak': 1}
    """
    return tidy(call_rows(suggestion.usage), CALLS)


def call_rows(usage: Usage) -> Iterator[Row]:
    """Yield a row for each distinct call, day and user, by day; the columns are `CALLS` and some more."""
    for key, evidence in sorted(usage.daily.items(), key=lambda one: (one[0].day, str(one[0]))):
        yield {
            "day": key.day,
            "role": usage.role.name,
            "account": usage.role.account,
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
            "sessions": tuple(sorted(evidence.sessions)),
            "addresses": tuple(sorted(evidence.addresses)),
            "user_agents": _user_agents(evidence),
            "event_ids": evidence.event_ids,
        }


def _user_agents(seen: Evidence) -> tuple[str, ...]:
    """Return the user agents as their clients sent them: S3 puts brackets round them, other services do not."""
    return tuple(sorted({one[1:-1] if one[:1] == "[" and one[-1] == "]" else one for one in seen.agents}))


def suspicious_frame(suggestion: Suggestion) -> pd.DataFrame:
    """Return one row for each distinct call, day and user that does not look like the role's workload.

    Accepted ones are in it too, and then in `calls_frame` as well. The records' access keys are not kept: the event
    IDs lead to them.

    Args:
        suggestion: the suggestion of one role.

    Columns: ``day`` (datetime64[us, UTC]), ``role``, ``sign`` (the kind, as `accepted` names it), ``accepted`` (bool),
    ``region``, ``event_source``, ``event_name``, ``action``, ``resource`` (what it asked for first), ``result``
    (``succeeded``; ``failed``: with an error that is no denial; ``denied``; ``expired`` and ``refused``: its
    credentials were), ``error``, ``user``, ``manner`` (as in `calls_frame`), ``n`` (int64, calls), ``first``, ``last``
    (datetime64[us, UTC]), ``addresses``, ``user_agents``, ``sessions``, ``event_ids`` (tuples of str, at most five).
    ``resource`` is str; what is not said otherwise is a category.

    Example:
        >>> import policygen as pg
        >>> found = pg.suggest("orders-api", "samples/trail", snapshot="samples/account.json")
        >>> pg.suspicious_frame(found).groupby("result", observed=True)["n"].sum().to_dict()
        {'denied': 2, 'expired': 1, 'succeeded': 5}
    """
    return tidy(suspicious_rows(suggestion.split, suggestion.usage), SUSPICIOUS)


def suspicious_rows(split: SplitCalls, usage: Usage) -> Iterator[Row]:
    """Yield a row for each call of a role that matches a rule, by time: `SUSPICIOUS`, and the account."""
    for one in suspicious_calls(split, usage.knowledge):
        call, seen = one.key.call, one.evidence
        action, resource = one.asked[0] if one.asked else (None, None)
        yield {
            "day": one.key.day,
            "role": usage.role.name,
            "account": usage.role.account,
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
            "addresses": tuple(sorted(seen.addresses)),
            "user_agents": _user_agents(seen),
            "sessions": tuple(sorted(seen.sessions)),
            "event_ids": tuple(seen.event_ids),
        }


def requests_frame(suggestion: Suggestion, *, asides: bool = False) -> pd.DataFrame:
    """Return one row for each access request in all days together; `Log.requests` has a row for each of its days.

    Here are the ``grade`` of each and what grants it; there, who asked, in which ``container``, and what AWS denied.

    Args:
        suggestion: the suggestion of one role.
        asides: include requests that are not granted for their own sake, of the ``grade`` hint or indirect. They come
            from the same events as other rows, so counts must not be added up.

    Columns: ``service``, ``action`` (categories), ``resource``, ``resource_type``, ``grade``, ``written_as``, ``rule``
    (str), ``granted`` (bool), ``n`` (int64, calls), ``days`` (int64, days with a call), ``first``, ``last``
    (datetime64[us, UTC]), ``event_ids`` (tuple of str).

    ``grade`` says how certain the use is, and all but the last two are granted:

    - ``required``: AWS checked the permission
    - ``optional``: it may have; the record does not tell
    - ``alternative``: it checked this one, or the required one of the same call
    - ``hint``: it often does
    - ``indirect``: another call shows the use

    Example:
        >>> import policygen as pg
        >>> found = pg.suggest("orders-api", "samples/trail", snapshot="samples/account.json")
        >>> int(pg.requests_frame(found).query("action == 'dynamodb:GetItem'")["n"].sum())
        313
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
                "event_ids": tuple(seen.event_ids),
            }
        )
    return tidy(rows, REQUESTS)


def changes_frame(suggestion: Suggestion) -> pd.DataFrame:
    """Return one row for each action that is allowed today or in the proposal.

    Args:
        suggestion: the suggestion of one role.

    Columns: ``service``, ``action``, ``kind`` (categories), ``now``, ``proposed`` (tuples of str, patterns of
    resources), ``why`` (str), ``used`` (bool: a call of the workload needed it, or may have, in the logs or in traces),
    ``calls`` (int64, those in the logs), ``last`` (datetime64[us, UTC], the last of them), ``support``, ``reason``
    (categories). Without a row where today's policies are not known.

    ``kind`` is what becomes of the action; ``used`` says whether it was used:

    - ``narrowed``: it stays on fewer resources, those that calls used
    - ``unchanged``: it stays as it is
    - ``kept``: an AWS service needs it, traces or older logs show it, or a person wants it
    - ``unknown``: the logs cannot show all of its use, so it stays as today; calls may have used it too
    - ``removed``: it goes
    - ``added``: it is granted beyond today's policies, as somebody asked
    - ``missing``: it was used on what today's policies do not allow, and is not granted

    ``support`` is what speaks for an action of the proposal, empty for others: ``seen`` (calls or traces), ``required``
    (by an AWS service) and ``declared`` (by a person) are what the screen counts as needed; ``unverified`` is the rest.

    ``reason`` is the id of what decides, to group by:

    - ``seen``, ``required``, ``declared``: the support of what is needed
    - ``data-events-off``, ``used-outside-window`` and others: unverified; docs/concepts/blind-spots.md explains each
    - ``names-unclear``: unverified: used, but today's statement has a policy variable or NotResource, not names
    - ``logs``: it goes: *visible*, 0 calls. The trails log all its uses, from the window's start or the day in ``why``
    - ``last-accessed``, ``explained-attempt``: it goes: IAM saw no attempt, or one that other calls explain
    - ``suspicious``: it goes: only suspicious calls used it
    - ``decision``, ``unverified-dropped``: it goes: a person dropped it
    - ``retired``, ``service-role``, ``agent``, ``asked-with``, ``console``, ``code``: it goes: this role does not ask
      for it, and docs/concepts/never-used.md explains by which rule
    - ``nothing-exists``, ``out-of-reach``, ``tags-at-creation``: it goes: there is nothing that it could be used on, or
      no use of its own; docs/concepts/blind-spots.md explains each
    - ``not-allowed``: that of ``missing``

    Example:
        >>> import policygen as pg
        >>> found = pg.suggest("orders-api", "samples/trail", snapshot="samples/account.json")
        >>> pg.changes_frame(found)["kind"].value_counts().to_dict()
        {'removed': 480, 'narrowed': 17, 'unknown': 15, 'kept': 6, 'unchanged': 1}
    """
    return tidy(change_rows(suggestion), CHANGES)


def change_rows(suggestion: Suggestion) -> Iterator[Row]:
    """Yield a row for each action that is allowed today or in the proposal, by action: `CHANGES`, and whose it is."""
    role, account = suggestion.role.name, suggestion.role.account
    support, uses = suggestion.support, use_of_actions(suggestion.usage)
    unknown = [keep for keep in suggestion.keeps if keep.kind == "unknown" and keep.blind_spot]
    hidden_by = {
        keep.grant.action.lower(): keep.blind_spot.id for keep in reversed(unknown) if keep.blind_spot
    }
    for change in suggestion.changes:  # an administrator has 22,000
        action = change.action.lower()
        speaks = support.get(action)
        if speaks == "unverified":
            reason = hidden_by.get(action, "names-unclear")
        else:
            reason = speaks or (change.decided_by.rule if change.decided_by else "not-allowed")
        use = uses.get(action, UNUSED)
        yield {
            "role": role,
            "account": account,
            "service": change.service,
            "action": change.action,
            "kind": change.kind,
            "now": change.now,
            "proposed": change.proposed,
            "why": change.why,
            "used": use is not UNUSED,
            "calls": use.calls,
            "last": use.last,
            "support": speaks,
            "reason": reason,
        }


class ActionCalls(NamedTuple):
    """How an action was used: the calls in the logs, and the time of the last one, in the logs or in traces."""

    calls: int
    last: str | None


UNUSED = ActionCalls(0, None)


def use_of_actions(usage: Usage) -> dict[str, ActionCalls]:
    """Return how each used action was used, by its name in lower case."""
    of_call = Counter[CallSignature]()
    for bucket, seen in usage.daily.items():
        of_call[bucket.call] += seen.count
    calls = Counter[str]()
    for call, asked in usage.needs.items():
        for action in {one.action.lower() for one in asked}:
            calls[action] += of_call[call]
    last: dict[str, str] = {}
    for request, seen in usage.requests.items():
        action = request.action.lower()
        last[action] = max(last.get(action, ""), seen.last)
    return {action: ActionCalls(calls[action], time) for action, time in last.items()}


def tidy(rows: Iterable[Row], columns: Sequence[str]) -> pd.DataFrame:
    """Return rows as a frame with these columns, each of its type, also where there is no row."""
    import pandas as pd

    cells: dict[str, list[Any]] = {name: [] for name in columns}
    for row in rows:
        for name, column in cells.items():
            column.append(row.get(name))
    frame = pd.DataFrame(cells)
    for name in frame.columns:
        if name in _TIMES:
            times = pd.to_datetime(frame[name], utc=True, format="ISO8601")
            frame[name] = times.astype("datetime64[us, UTC]")
        elif name in _CATEGORIES:
            # Where every cell is empty, pandas would take them for numbers.
            texts = frame[name].astype(object) if frame[name].isna().all() else frame[name]
            frame[name] = texts.astype("category")
        elif name in _NUMBERS:
            frame[name] = frame[name].astype("int64")
        elif name in _FLAGS:
            frame[name] = frame[name].astype("bool")
    return frame
