"""IAM's last-accessed report of a permission, as a second source beside the logs (3.5).

IAM counts attempts, denied ones too. It knows only the services that identity policies grant, single actions only where
they are management events, and only some regions. What it saw was used; what it did not see was not used only where it
would have seen it. So the report can prove a blind spot and support an absence, never a need.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from policygen.account.model import LastAccessed, ServiceUse
from policygen.catalog.action_events import event_names, has_operations
from policygen.catalog.visibility import visibility_of
from policygen.evidence.coverage.event_set import GLOBAL
from policygen.files import read_package_table
from policygen.iam.arn import action_glob
from policygen.logs.window import Window

LAST_ACCESSED = "https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed.html"
"""AWS's page on what the report counts and for how long."""

LastAccessedKind = Literal["used_unseen", "used_outside", "idle", "silent"]

Sightings = Mapping[str, Collection[tuple[str, str]]]
"""Action or service prefix in lower case -> (day, region) of each event of it that was read."""


class LastAccessedFinding(msgspec.Struct, frozen=True):
    """What IAM's last-accessed report says about a permission.

    ``used_unseen``: there was an attempt within the window, and no event of it was read: the log has a blind
    spot. ``used_outside``: the last attempt, `last`, was before the window or after it: it is used, at another
    time. ``idle``: no attempt since `since`, where IAM looks. ``silent``: nothing can be concluded, `why` says for
    what reason.
    """

    kind: LastAccessedKind
    action: str
    why: str
    """One line for people."""
    level: Literal["action", "service", ""] = ""
    """Whether the report is about the action itself or its service; "" when silent."""
    last: str = ""
    """Time of the last attempt, ISO 8601 in UTC; "" where none is known."""
    since: str = ""
    """The date since which there was no attempt, for `idle`."""
    until: str = ""
    """When the report was made, ISO 8601 in UTC: later days are not in it."""
    region: str = ""
    """The region of the last attempt; "" where unknown."""


def last_accessed_finding(
    action: str,
    last: LastAccessed | None,
    window: Window,
    seen: Sightings,
    *,
    earlier: Sightings = MappingProxyType({}),
    created: str = "",
) -> LastAccessedFinding:
    """Compare IAM's last-accessed report with the logs, for one permission.

    An attempt is explained only by an event of that day and region: older events, or those of other regions, would hide
    that the files of this one are missing.

    Args:
        action: ``service:Name``.
        last: the role's last-accessed report; None where it was not read.
        window: the days of the log.
        seen: the events of the role in the window, denied ones too, since IAM counts attempts.
        earlier: those before the window, as far as they were read.
        created: when the role was made (ISO 8601): it cannot have been idle before.
    """
    prefix, _, name = action.partition(":")
    prefix = prefix.lower()
    if last is None:
        return LastAccessedFinding("silent", action, "IAM's last-accessed information was not read")
    about = LastAccessedFinding("silent", action, "", until=last.generated_at)
    if visibility_of(action).kind == "implied":
        # As iam:PassRole, which IAM leaves out: it is checked within other calls.
        return replace(about, why=f"IAM does not count {action}, which is part of other calls")
    use = last.services.get(prefix)
    if use is None:
        return replace(about, why=f"IAM has no record of {prefix}: no identity policy grants it")
    tracked = _tracked(use, name)
    if tracked is not None and (tracked[0] or is_listing_sure(action)):
        what, level, (when, region) = action, "action", tracked
    else:
        what, level, when, region = prefix, "service", use.last, use.region
    about = replace(about, level=level, last=when, region=region)
    if not when or is_forgotten(when, last.generated_at):
        return _absent(about, what, created)
    places = seen.get(what.lower(), ())
    if _has_event(earlier.get(what.lower(), ()), when, prefix, region):
        return replace(about, why=f"IAM saw {what} last on {when[:10]}, and so does the log")
    if when[:10] < window.start:
        if level == "action" and any(_is_same_region(prefix, region, where) for _, where in places):
            return replace(
                about, why=f"IAM saw {what} last on {when[:10]}, and the log has later events of it"
            )
        if level == "service" and (by := _made_by(use, when)) and visibility_of(action).kind == "management":
            return replace(about, why=f"IAM saw {prefix} last on {when[:10]}, and that was {prefix}:{by}")
        why = f"IAM saw an attempt at {what} last on {when[:10]}, before the window: a seasonal job?"
        return replace(about, kind="used_outside", why=why)
    if _after(when, window):
        why = f"IAM saw an attempt at {what} last on {when[:10]}, after the window"
        if when[:10] == window.last_day:
            ends = f"it ends {window.until.instant[11:16]} UTC"
            why = f"IAM saw an attempt at {what} last on {when[:10]} {when[11:16]}, after the window ({ends})"
        return replace(about, kind="silent" if places else "used_outside", why=why)
    if _has_event(places, when, prefix, region):
        return replace(about, why=f"IAM saw {what} used on {when[:10]}, and so does the log")
    where = f" in {region}" if region else ""
    event = "that day and region" if places else "it"
    why = f"IAM saw an attempt at {what} on {when[:10]}{where}, and no event of {event} was read"
    return replace(about, kind="used_unseen", why=why)


def _made_by(use: ServiceUse, when: str) -> str:
    """Return the action that IAM tells of by itself and that made the last attempt at its service; "" for none.

    It explains the attempt, for actions whose events would show. What no log shows may have come with it: the same job.
    """
    return next((name for name, time in sorted((use.actions or {}).items()) if time == when), "")


def _has_event(places: Collection[tuple[str, str]], when: str, prefix: str, region: str) -> bool:
    """Return whether an event of the day and region of an attempt was read."""
    return any(day == when[:10] and _is_same_region(prefix, region, where) for day, where in places)


def _is_same_region(prefix: str, told: str, logged: str) -> bool:
    """Return whether an attempt and an event may be of one region; global services are recorded elsewhere (2.1.4)."""
    return not told or told == logged or prefix in GLOBAL


def _absent(about: LastAccessedFinding, what: str, created: str) -> LastAccessedFinding:
    """Conclude from no attempt in the tracking period, if IAM would have counted one."""
    if about.last:
        days = last_accessed_facts()["tracking"]["days"]
        why = f"IAM's last attempt at {what} is of {about.last[:10]}, more than {days} days before its report"
        return replace(about, why=why)
    if about.level == "service" and not is_counted(about.action):
        return replace(about, why=f"it is not known whether IAM counts {about.action}")
    if not about.until:
        return replace(about, why="IAM's report does not tell when it was made")
    why, since = _no_attempt(what, about.until, created)
    return replace(about, kind="idle", why=why, since=since)


@lru_cache(maxsize=4096)
def _no_attempt(what: str, until: str, created: str) -> tuple[str, str]:
    """Return why something counts as idle, and since when: the same for thousands of actions of a few services."""
    since = _since(what, until, created)
    return f"IAM saw no attempt at {what} from {since} to {until[:10]}", since


@lru_cache(maxsize=65536)
def is_counted(action: str) -> bool:
    """Return whether AWS says that IAM counts attempts at an action: those "to access an AWS API".

    Protocols, as rds-db:connect, are no calls of an API, nor is what no SDK and no command line can ask for. A
    permission without an operation is taken as counted only in a service that has operations: its use goes along with
    theirs, or is made by the console, which IAM counts. So are requests to an endpoint of AWS's own whose API AWS
    documents, though no SDK of AWS makes them.
    """
    kind = visibility_of(action).kind
    if _is_listed("own_endpoint", action.lower()):
        return True
    if kind == "never" or _is_listed("uncounted", action.lower()):
        return False
    if event_names(action) or kind == "management":
        return True
    return kind in {"no-event", "unknown"} and has_operations(action.partition(":")[0])


def is_listing_sure(action: str) -> bool:
    """Return whether IAM counts an action that a report lists by itself, without a time.

    IAM lists management events. Where the tables here say that an action is a data event, it may have become one, and
    IAM may look no more. In services whose data plane never was a management event, IAM lists what it counts.
    """
    if visibility_of(action).kind != "data":
        return True
    facts = last_accessed_facts()["always_data"]
    return action.partition(":")[0].lower() in facts["services"] and action not in facts["but"]


def _is_listed(part: str, folded: str) -> bool:
    """Return whether a pattern of a part of the facts matches an action in lower case."""
    return any(action_glob(one).matches(folded) for one in last_accessed_facts()[part]["actions"])


@lru_cache(maxsize=65536)
def explains_attempts(action: str) -> bool:
    """Return whether an attempt that IAM saw at a service may be a call for this action alone, by what AWS says.

    What comes along with other calls, and what no known operation asks for, explains none.
    """
    if action.lower() in {name.lower() for name in last_accessed_facts()["api_calls"]["actions"]}:
        return True
    return visibility_of(action).kind not in ("implied", "no-event") and is_counted(action)


# --- Times -----------------------------------------------------------------------------------------


def _since(what: str, until: str, created: str) -> str:
    """Return the first day of the period without an attempt."""
    facts = last_accessed_facts()
    begun = _begun(until)
    prefix, _, name = what.partition(":")
    if name:
        begun = max(begun, facts["actions"]["services"].get(prefix, facts["actions"]["since"]))
    return max(begun, created[:10])


@lru_cache(maxsize=1024)
def _begun(until: str) -> str:
    """Return the first day of which a report certainly tells."""
    return (
        date.fromisoformat(until[:10]) - timedelta(days=int(last_accessed_facts()["tracking"]["days"]))
    ).isoformat()


def is_forgotten(when: str, until: str) -> bool:
    """Return whether an attempt is older than what a report certainly tells."""
    return bool(until) and when[:10] < _begun(until)


def _tracked(use: ServiceUse, name: str) -> tuple[str, str] | None:
    """Return time and region of the last attempt at one action; None where IAM does not track it."""
    actions = use.actions or {}
    found = name if name in actions else next((one for one in actions if one.lower() == name.lower()), None)
    return None if found is None else (actions[found], use.action_regions.get(found, ""))


def _after(when: str, window: Window) -> bool:
    """Return whether a time is after the window, which may end within its last day."""
    instant = window.until.instant
    return when[:10] > window.last_day or (instant != "" and when[:19] > instant[:19])


@cache
def last_accessed_facts() -> Mapping[str, Any]:
    """Return the limits of IAM's report, the table last_accessed.toml."""
    return read_package_table("policygen.evidence.coverage", "last_accessed.toml")  # type: ignore[no-any-return]
