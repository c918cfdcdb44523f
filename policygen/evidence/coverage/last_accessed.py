"""The second witness: what IAM itself says was used last, beside what the log shows (3.5).

It counts attempts, denied ones too; it knows the services that identity policies grant and no others; single
actions only where they are management events. So it can prove a blind spot and support an absence, never a need.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from policygen.account.model import LastAccessed, ServiceUse
from policygen.catalog.visibility import visibility_of
from policygen.logs.window import Window

LastAccessedKind = Literal["used_unseen", "idle", "seasonal", "silent"]


@dataclass(frozen=True, slots=True)
class LastAccessedFinding:
    """What IAM's last-accessed information says about a permission of which the log shows nothing.

    ``used_unseen``: there was an attempt within the window, and no event of it was read: the log has a blind
    spot. ``idle``: no attempt since `since`. ``seasonal``: the last attempt, `last`, was before the window.
    ``silent``: nothing can be concluded, `why` says for what reason.
    """

    kind: LastAccessedKind
    action: str
    why: str
    """One line for people."""
    level: Literal["action", "service", ""] = ""
    """What IAM speaks about: the action itself or its service; "" when silent."""
    last: str = ""
    """The last attempt, ISO 8601 UTC; "" where none is known."""
    since: str = ""
    """The date since which an absence holds, for `idle`."""
    until: str = ""
    """When the report was made, ISO 8601 UTC: it says nothing of later days."""
    region: str = ""
    """Where the last attempt at the service was made, "" where unknown."""


def last_accessed_finding(
    action: str,
    last: LastAccessed | None,
    window: Window,
    seen_services: Collection[str],
    seen_actions: Collection[str] = (),
    *,
    created: str = "",
) -> LastAccessedFinding:
    """What IAM says about a permission that the log does not show as used.

    Args:
        action: ``service:Name``.
        last: the role's last-accessed report; None where it was not read.
        window: the days of the log.
        seen_services: IAM prefixes of which any event of the role was read in the window, denied ones too,
            since IAM counts attempts.
        seen_actions: actions of which any event was read, as `seen_services`.
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
    if tracked is not None:
        what, when, seen = action, tracked, _holds(seen_actions, action)
        about = replace(about, level="action", last=when)
    else:
        what, when, seen = prefix, use.last, _holds(seen_services, prefix)
        about = replace(about, level="service", last=when, region=use.region)
    if not when:
        return _absent(about, what, created)
    if when[:10] < window.start:
        why = f"IAM saw an attempt at {what} last on {when[:10]}, before the window: a seasonal job?"
        return replace(about, kind="seasonal", why=why)
    if _after(when, window):
        return replace(about, why=f"IAM's last attempt at {what} is of {when[:10]}, after the window")
    if seen:
        return replace(about, why=f"IAM saw {what} used on {when[:10]}, and so does the log")
    where = f" in {about.region}" if about.region else ""
    why = f"IAM saw an attempt at {what} on {when[:10]}{where}, and no event of it was read"
    return replace(about, kind="used_unseen", why=why)


def _absent(about: LastAccessedFinding, what: str, created: str) -> LastAccessedFinding:
    """No attempt in the tracking period, as far as IAM would have counted one."""
    if visibility_of(about.action).kind == "never":
        # Protocols, as rds-db:connect, are no calls of an API: that IAM counts them is said nowhere.
        return replace(about, why=f"it is not known whether IAM counts {about.action}")
    if not about.until:
        return replace(about, why="IAM's report does not tell when it was made")
    since = _since(what, about.until, created)
    why = f"IAM saw no attempt at {what} from {since} to {about.until[:10]}"
    return replace(about, kind="idle", why=why, since=since)


def _since(what: str, until: str, created: str) -> str:
    """The first day that the absence covers."""
    facts = _facts()
    begun = (date.fromisoformat(until[:10]) - timedelta(days=int(facts["tracking"]["days"]))).isoformat()
    prefix, _, name = what.partition(":")
    if name:
        begun = max(begun, facts["actions"]["services"].get(prefix, facts["actions"]["since"]))
    return max(begun, created[:10])


def _tracked(use: ServiceUse, name: str) -> str | None:
    """The last attempt at one action; None where IAM does not track it."""
    return next((when for one, when in (use.actions or {}).items() if one.lower() == name.lower()), None)


def _holds(names: Collection[str], name: str) -> bool:
    """Whether a name is among others, compared without regard to case, as IAM does."""
    return name.lower() in map(str.lower, names)


def _after(when: str, window: Window) -> bool:
    """Whether a time lies after the window, whose end may be a time within its last day."""
    instant = window.until.instant
    return when[:10] > window.last_day or (instant != "" and when[:19] > instant[:19])


@cache
def _facts() -> Mapping[str, Any]:
    return tomllib.loads((files("policygen.evidence.coverage") / "last_accessed.toml").read_text("utf-8"))
