"""No tags were given at creation: the record of each call that made something would show them.

IAM checks the service's tagging action along with a call that makes something with tags (1.9.16). It is decided only if
each such call of the service is among the records, and each of their operations either takes no tags or has them among
its parameters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from policygen.catalog.action_events import actions_named, event_names
from policygen.catalog.service_names import service_prefix
from policygen.catalog.tag_members import makes_something, operation_names, tags_shown
from policygen.evidence.usage import Usage
from policygen.iam.actions import by_service
from policygen.iam.arn import service_of
from policygen.logs.events.outcome import Outcome
from policygen.rightsize.keep.witness import Asked, RoleFacts
from policygen.rightsize.removal import Removal

SOURCE = "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html"
_TAKES_TAGS_AWAY = re.compile(r"(Untag|Remove|Delete)[A-Z]")


def tags_at_creation(asked: Asked) -> Removal | None:
    """Decide about a tagging action that is kept because calls that make something may have carried tags."""
    if asked.blind_spot.id != "tags-on-create":
        return None
    service, name = asked.action.split(":", 1)
    if not asked.facts.coverage.observability(asked.action, asked.grant.resource).visible or _is_seen(asked):
        return None
    if _TAKES_TAGS_AWAY.match(name):
        return Removal("0 calls; what is made never loses tags at creation", "tags-at-creation", SOURCE)
    if _may_have_made_unseen(asked, service):
        return None
    if not all(_shows_its_tags(usage, service) for usage in asked.facts.usages):
        return None
    why = f"no call of {service} that made something carried tags, and their records would show them"
    return Removal(why, "tags-at-creation", SOURCE)


def _is_seen(asked: Asked) -> bool:
    """Return whether a call asked for the action, or may have done so, as one that made something with tags."""
    tables = (table for usage in asked.facts.usages for table in (usage.requests, usage.informational))
    return any(request.action == asked.action for table in tables for request in table)


def _may_have_made_unseen(asked: Asked, service: str) -> bool:
    """Return whether the role may have made something of the service by a call that was not read."""
    coverage = asked.facts.coverage
    for action in _granted(asked.facts).get(service.lower(), ()):
        if not _may_give_tags(action) or not asked.may_have_been_used(action):
            continue
        statements = asked.facts.current_actions[action]
        if asked.was_attempted_unread(action):
            return True  # its record is not among those that were read
        places = {
            resource for one in statements for resource in (("*",) if one.not_resources else one.resources)
        }
        if any(coverage.absence(action, place, 0).blind_spot for place in places):
            return True
    return False


@lru_cache(maxsize=1)
def _granted(facts: RoleFacts) -> Mapping[str, Sequence[str]]:
    """Return service -> its actions that today's policies allow."""
    return by_service(facts.current_actions)


@lru_cache(maxsize=4096)
def _may_give_tags(action: str) -> bool:
    """Return whether a call for an action makes something of its service, and takes tags or may take them.

    ``ImportTable`` of DynamoDB asks for logs:CreateLogGroup as well, and is no operation of CloudWatch Logs.
    """
    service = service_of(action)
    source = f"{service}.amazonaws.com"
    events = [
        name for name in event_names(action) if makes_something(name) and not is_of_another(service, name)
    ]
    return any(tags_shown(source, name) != "no-tags" for name in events)


def is_of_another(service: str, event: str) -> bool:
    """Return whether a service surely has no such event: not its API, and an action of this name is another's.

    The actions of some services have other names than their operations, as those of API Gateway, so that an action of
    the event's name says nothing of these.
    """
    operations = operation_names(f"{service}.amazonaws.com")
    named = actions_named(event)
    return bool(operations and named) and (
        event.removesuffix("20*") not in operations and service not in map(service_of, named)
    )


def _shows_its_tags(usage: Usage, service: str) -> bool:
    """Return whether each call of the service that made something would show tags, in the records that were read."""
    for bucket in usage.daily:
        call = bucket.call
        if call.outcome is Outcome.UNAUTHENTICATED or not makes_something(call.name):
            continue
        if service_prefix(call.source) != service:
            continue
        shown = tags_shown(call.source, call.name)
        if shown == "unknown" or (shown == "by-parameters" and not call.has_parameters):
            return False
    return True
