"""Makes the frames of a log: of one role or many, one row for each observation, in columns that pandas can group by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from policygen.account.current import CurrentAccess
from policygen.errors import NothingFoundError, PolicygenError
from policygen.evidence.observe import RoleEvidence
from policygen.evidence.suspicious import asked_of
from policygen.evidence.usage import Usage
from policygen.iam import reference
from policygen.iam.arn import service_of
from policygen.iam.request import AccessRequest
from policygen.logs.calls.call import CallBucket, CallSignature
from policygen.logs.events.outcome import Outcome
from policygen.report.data.frames import (
    CALLS,
    CHANGES,
    SUSPICIOUS,
    UNUSED,
    Row,
    call_rows,
    change_rows,
    suspicious_rows,
    tidy,
    use_of_actions,
)
from policygen.rightsize.assess.compare import compare
from policygen.rightsize.backtest import Backtest, ModeResult, names_in_window
from policygen.rightsize.generate.names import parent_of
from policygen.rightsize.suggestion import Suggestion

if TYPE_CHECKING:
    import pandas as pd

_ROLE = ["role", "account"]
REQUESTS = (
    "role account service action resource_type resource parent container day n denied user sessions".split()
)
NAMES = (
    "role account action resource_type parent names active_days new_days late_days choice declared".split()
)
SESSIONS = "role account session user manner days first_day last_day events".split()
ROLES = "role account arn events calls days services first last error".split()
RISKS = "role account rule title family closed actions resources".split()
COVERAGE = "role account start end days days_with_events first_day regions trails data_types gaps".split()
BACKTEST = "role account mode learnt calls denied days_broken grants unused_grants denied_share".split()
DENIED = "role account mode learnt day action resource_type resource n new_name".split()


def calls_of_log(found: Iterable[RoleEvidence]) -> pd.DataFrame:
    """Return the distinct calls of each day and user."""
    columns = [*CALLS[:2], "account", *CALLS[2:], "sessions", "addresses", "user_agents", "event_ids"]
    return tidy((row for one in found for row in call_rows(one.usage)), columns)


def suspects_of_log(found: Iterable[RoleEvidence]) -> pd.DataFrame:
    """Return the calls that do not look like the workload, accepted ones too."""
    columns = [*SUSPICIOUS[:2], "account", *SUSPICIOUS[2:]]
    return tidy((row for one in found for row in suspicious_rows(one.split, one.usage)), columns)


def requests_of_log(found: Iterable[RoleEvidence]) -> pd.DataFrame:
    """Return the access requests of each day and user, and what AWS denied."""
    frame = tidy((row for one in found for row in _request_rows(one.usage)), REQUESTS)
    return frame.astype({"resource_type": "category", "denied": "bool"})


def _request_rows(usage: Usage) -> Iterator[Row]:
    asked: dict[CallSignature, Sequence[AccessRequest]] = {}
    sums: dict[tuple[AccessRequest, str, str, bool], tuple[int, frozenset[str]]] = {}
    for bucket, seen in usage.daily.items():
        if bucket.call not in asked:
            asked[bucket.call] = _asked(bucket, usage)
        denied = bucket.call.outcome is Outcome.DENIED
        for request in asked[bucket.call]:
            key = request, bucket.day, bucket.user.function, denied
            n, sessions = sums.get(key, (0, frozenset()))
            sums[key] = n + seen.count, sessions | seen.sessions
    for (request, day, user, denied), (n, sessions) in sorted(sums.items(), key=lambda one: one[0]):
        yield {
            "role": usage.role.name,
            "account": usage.role.account,
            "service": service_of(request.action),
            "action": request.action,
            "resource_type": request.resource_type or None,
            "resource": request.resource,
            "parent": parent_of(request),
            "container": container_of(request),
            "day": day,
            "n": n,
            "denied": denied,
            "user": user or None,
            "sessions": tuple(sorted(sessions)),
        }


_WHOLE_GROUP = re.compile(r"(?P<name>:log-group:[^:]+)(:log-stream)?:\*?$")
"""How the ARN of a log group may end: without it, it is that by which its streams are named."""


@lru_cache(maxsize=8192)
def container_of(request: AccessRequest) -> str | None:
    """Return the bucket, table or queue that a resource is, or is in; None where its name is not known."""
    service = reference.service(service_of(request.action))
    found = service.container_of(request.resource) if service else request.resource
    found = _WHOLE_GROUP.sub(r"\g<name>", found)
    return None if "*" in found or "?" in found else found


def _asked(bucket: CallBucket, usage: Usage) -> Sequence[AccessRequest]:
    """Return what a call asked for: each action on each resource once, whatever the conditions."""
    if bucket.call.outcome is Outcome.DENIED:
        found = [_typed(*one) for one in asked_of(bucket.call, usage.knowledge)]
    else:
        found = [one._replace(context=()) for one in usage.needs.get(bucket.call, ())]
    return tuple(dict.fromkeys(found))


def _typed(action: str, resource: str) -> AccessRequest:
    service = reference.service(service_of(action))
    return AccessRequest(action, resource, service.type_of(resource) if service else "")


def names_of_log(found: Iterable[RoleEvidence]) -> pd.DataFrame:
    """Return how the names of each type below each parent were used by each action."""
    rows = (
        {
            "role": one.usage.role.name,
            "account": one.usage.role.account,
            "action": use.action,
            "resource_type": use.resource_type,
            "parent": use.parent,
            "names": use.seen,
            "active_days": use.active_days,
            "new_days": use.new_days,
            "late_days": use.late_days,
            "choice": use.choice,
            "declared": use.declared,
        }
        for one in found
        for use in names_in_window(one.usage, one.coverage, one.current_access)
    )
    return tidy(rows, NAMES).astype({"resource_type": "category"})


def sessions_of_log(found: Iterable[RoleEvidence]) -> pd.DataFrame:
    """Return the sessions that were kept with calls."""
    return tidy((row for one in found for row in _session_rows(one.usage)), SESSIONS)


def _session_rows(usage: Usage) -> Iterator[Row]:
    seen: dict[tuple[str, str, str], tuple[set[str], set[tuple[str, str]]]] = {}
    for bucket, evidence in usage.daily.items():
        for session in evidence.sessions:
            key = session, bucket.user.function, str(bucket.user.channel)
            days, events = seen.setdefault(key, (set(), set()))
            days.add(bucket.day)
            events.add((bucket.call.source, bucket.call.name))
    for (session, user, manner), (days, events) in sorted(seen.items()):
        yield {
            "role": usage.role.name,
            "account": usage.role.account,
            "session": session,
            "user": user or None,
            "manner": manner,
            "days": len(days),
            "first_day": min(days),
            "last_day": max(days),
            "events": len(events),
        }


def roles_of_log(found: Iterable[tuple[str, str, str, RoleEvidence | PolicygenError]]) -> pd.DataFrame:
    """Return a row for each role: name, account, ARN, and its evidence or why there is none."""
    return tidy((_role_row(*one) for one in found), ROLES)


def _role_row(name: str, account: str, arn: str, found: RoleEvidence | PolicygenError) -> Row:
    row: Row = {
        "role": name,
        "account": account,
        "arn": arn,
        "events": 0,
        "calls": 0,
        "days": 0,
        "services": 0,
    }
    if isinstance(found, PolicygenError):
        return row | {"error": f"{found.message}  {found.code}"}
    usage, seen = found.usage, found.usage.events
    row |= {"arn": arn or usage.role.arn, "calls": usage.calls}
    if seen:
        services = {service_of(one.action) for one in usage.requests}
        row |= {"events": seen.count, "days": len(seen.days), "first": seen.first, "last": seen.last}
        row["services"] = len(services)
    return row


class Unjudged(NamedTuple):
    """A role for which nothing is suggested."""

    name: str
    account: str
    error: PolicygenError
    access: CurrentAccess | None
    """What it may do today; None where that is not known."""
    usage: Usage | None = None
    """What it did; None where no call counts, or the evidence has gaps."""

    @property
    def why(self) -> str:
        """Why nothing is suggested, with the code of the error."""
        return f"{self.error.message}  {self.error.code}"


def risks_of_log(found: Iterable[Suggestion | Unjudged]) -> pd.DataFrame:
    """Return the named risks of today's policies and of the proposed ones."""
    rows = (
        {
            "role": one.role.name,
            "account": one.role.account,
            "rule": risk.rule,
            "title": risk.title,
            "family": risk.family,
            "closed": closed,
            "actions": risk.actions,
            "resources": risk.resources,
        }
        for one in found
        if isinstance(one, Suggestion)
        for closed, some in ((True, one.risks_removed), (False, one.risks_left))
        for risk in some
    )
    return tidy(rows, RISKS)


def changes_of_log(found: Iterable[Suggestion | Unjudged]) -> pd.DataFrame:
    """Return what becomes of each action that is allowed today or proposed."""
    return tidy((row for one in found for row in _change_rows(one)), [*_ROLE, *CHANGES])


def _change_rows(one: Suggestion | Unjudged) -> Iterator[Row]:
    if isinstance(one, Suggestion):
        yield from change_rows(one)
        return
    if one.access is None or not (one.usage or isinstance(one.error, NothingFoundError)):
        return  # what it holds is not known, or what it used
    uses = use_of_actions(one.usage) if one.usage else {}
    for change in compare(one.access.effective_actions().allowed, (), {}):
        use = uses.get(change.action.lower(), UNUSED)
        yield {
            "role": one.name,
            "account": one.account,
            "service": change.service,
            "action": change.action,
            "kind": "unjudged",
            "now": change.now,
            "proposed": (),
            "why": one.why,
            "used": use is not UNUSED,
            "calls": use.calls,
            "last": use.last,
            "reason": one.error.code,
        }


def coverage_of_log(found: Iterable[RoleEvidence]) -> pd.DataFrame:
    """Return what the logs could show of each role."""
    rows = (
        {
            "role": one.usage.role.name,
            "account": one.usage.role.account,
            "start": one.coverage.window.start,
            "end": one.coverage.window.end,
            "days": one.coverage.window.days,
            "days_with_events": one.coverage.days_with_events,
            "first_day": one.coverage.first_day or None,
            "regions": tuple(one.coverage.regions),
            "trails": one.coverage.trails,
            "data_types": None if one.coverage.data_types is None else tuple(sorted(one.coverage.data_types)),
            "gaps": (*one.coverage.gaps, *one.coverage.incomplete),
        }
        for one in found
    )
    return tidy(rows, COVERAGE)


def backtest_frame(found: Backtest) -> pd.DataFrame:
    """Return one row for each way to write names and each number of days learnt.

    Args:
        found: the back-test of one role.

    Columns: ``role``, ``account``, ``mode`` (categories: auto, exact, pattern, type), ``learnt`` (days), ``calls``,
    ``grants`` (int64), ``denied``, ``days_broken``, ``unused_grants`` (Int64), ``denied_share`` (float64, of 1). Where
    nothing was learnt or replayed, ``calls`` is 0, and what was denied, broken or unused is missing.

    Example:
        >>> import policygen as pg
        >>> found = pg.backtest("orders-api", "samples/trail", snapshot="samples/account.json")
        >>> pg.backtest_frame(found)[["mode", "calls", "denied"]].values.tolist()
        [['auto', 636, 0], ['exact', 636, 94], ['pattern', 636, 0], ['type', 636, 0]]
    """
    rows = (
        {
            "role": found.role.name,
            "account": found.role.account,
            "mode": one.mode,
            "learnt": one.replay.learnt,
            "calls": one.replay.calls if one.replay.made else 0,
            "grants": one.grants,
        }
        | (_replayed(one) if one.replay.made else {})
        for one in found.curve or found.outcomes
    )
    counts = dict.fromkeys(("denied", "days_broken", "unused_grants"), "Int64")
    return tidy(rows, BACKTEST).astype(counts | {"denied_share": "float64"})


def _replayed(one: ModeResult) -> Row:
    return {
        "denied": one.replay.denied,
        "days_broken": len(one.replay.days_broken),
        "unused_grants": one.unused,
        "denied_share": one.replay.share,
    }


def denied_frame(found: Backtest) -> pd.DataFrame:
    """Return what was missing for the calls that the replay denies: one row for each action, resource and day.

    Args:
        found: the back-test of one role.

    Columns: ``role``, ``account``, ``mode`` (categories), ``learnt`` (int64, days), ``day`` (datetime64[us, UTC]),
    ``action``, ``resource_type`` (categories), ``resource`` (str), ``n`` (int64, calls; one that lacks several
    permissions counts for each), ``new_name`` (bool: the action was learnt on other names).

    Example:
        >>> import policygen as pg
        >>> found = pg.backtest("orders-api", "samples/trail", snapshot="samples/account.json")
        >>> pg.denied_frame(found).groupby("mode", observed=True)["n"].sum().to_dict()
        {'exact': 100}
    """
    rows = (
        {
            "role": found.role.name,
            "account": found.role.account,
            "mode": one.mode,
            "learnt": one.replay.learnt,
            "day": day,
            "action": use.action,
            "resource_type": use.resource_type or None,
            "resource": resource,
            "n": n,
            "new_name": not use.new_action,
        }
        for one in found.curve or found.outcomes
        for use in one.replay.uses
        for day, resource, n in use.seen
    )
    return tidy(rows, DENIED).astype({"resource_type": "category"})
