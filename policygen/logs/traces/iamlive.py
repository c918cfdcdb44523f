"""iamlive: the policy that it prints, or writes with ``--output-file``, from the calls that it overheard.

https://github.com/iann0036/iamlive. The policy has the actions of the calls, and in proxy mode their resources. It has
no times, no regions and no program, so it counts for the window that it is given for. Each print is a document of its
own, and a later one holds the earlier ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from policygen.catalog.action_events import event_names
from policygen.catalog.call import Call
from policygen.catalog.mapping import requests_for
from policygen.catalog.sdk_names import source_of_service
from policygen.logs.traces.fields import list_at
from policygen.logs.traces.traced_call import Caller, TracedCall

NAME = "iamlive"


def holds_policy(document: object) -> bool:
    """Return whether a document is a policy."""
    return (
        isinstance(document, dict) and isinstance(document.get("Statement"), list) and "Version" in document
    )


def policy_calls(document: Mapping[str, Any]) -> Iterator[TracedCall]:
    """Yield a call for each action that a policy allows, on the resources that it names for it."""
    for statement in list_at(document, "Statement"):
        if not isinstance(statement, dict) or statement.get("Effect") != "Allow":
            continue
        resources = [
            one for one in _texts(statement.get("Resource")) if one.startswith("arn:") and "*" not in one
        ]
        for action in _texts(statement.get("Action")):
            for resource in resources or [""]:
                yield _call(action, resource)


def _texts(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, str)]


def _call(action: str, resource: str) -> TracedCall:
    prefix = action.partition(":")[0]
    source = source_of_service(prefix)
    return TracedCall(
        caller=Caller(),
        service=prefix,
        operation=_operation(source, action) if source else action.partition(":")[2],
        arns=(resource,) if resource else (),
        reference="iamlive",
    )


@lru_cache(maxsize=4096)
def _operation(source: str, action: str) -> str:
    """Return an operation that needs an action, and if possible no other: the one of its name before all others."""
    own = action.partition(":")[2]
    found = ""
    for name in (own, *event_names(action)):
        answer = requests_for(Call(source, name, "", ""))
        needed = {one.request.action.lower() for one in answer.requests if one.request.grade == "required"}
        if needed == {action.lower()}:
            return name
        if action.lower() in needed:
            found = found or name
    return found or own
