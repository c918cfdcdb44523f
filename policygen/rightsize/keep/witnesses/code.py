"""What the code of a role's functions does not call, no function asks for.

Code is a witness of absence only where all of it is known: only Lambda may assume the role, each of its functions was
analysed, the analysis is complete and of the package that runs, and nothing else runs in the function: no layer, no
image, no other version. Even then code says nothing of what others ask for with the role's rights: Lambda itself,
services that forward them, and operations that ask for more than the action of their name. Nor of what is not called by
an SDK.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache, lru_cache

import msgspec
from msgspec.structs import replace

from policygen.account.current import CurrentAccess
from policygen.account.function_code import FunctionCode
from policygen.account.model import Function, unqualified
from policygen.catalog.action_events import all_event_names, operations_of
from policygen.catalog.forwarding import ANY, forwards_to
from policygen.catalog.known_event import known_event
from policygen.catalog.sdk_names import operation_key, source_of_service
from policygen.catalog.service_names import service_prefix
from policygen.evidence.usage import Usage
from policygen.iam.arn import action_glob, service_of
from policygen.rightsize.keep.event_sources import features
from policygen.rightsize.keep.model import CALLED, Keep
from policygen.rightsize.keep.witness import Asked, RoleFacts
from policygen.rightsize.removal import Removal

_CONFIGURED = frozenset(
    {
        "sqs", "kinesis", "dynamodb", "sqs-destination", "sns-destination", "s3-destination", "lambda-destination",
        "events-destination",
    }
)  # fmt: skip
"""Features of Lambda that the configuration shows whole: it keeps their grants, on the resources that it names."""

_OTHER_WAYS = frozenset(
    {"appsync", "execute-api", "iot", "kafka-cluster", "neptune-db", "ssmmessages", "ec2messages"}
)
"""Services with operations that are asked in other ways too, of which an analysis of an SDK's calls knows nothing."""


class CodeReach(msgspec.Struct, frozen=True):
    """What some code calls."""

    operations: frozenset[str]
    """By the keys of their names."""
    actions: frozenset[str]
    """What these ask for by the catalog's rules, even if only now and then; in lower case."""
    forwarded: frozenset[str]
    """Patterns of the actions that services may ask for in turn, in lower case."""
    unknown: bool
    """Whether a name is no operation of AWS: a method that hides others."""

    def asks_for(self, action: str) -> bool:
        """Return whether an operation asks for an action."""
        names = operations_of(action)
        return action.lower() in self.actions or any(operation_key(name) in self.operations for name in names)

    def may_forward(self, action: str) -> bool:
        """Return whether a service may ask for an action for its caller."""
        return any(action_glob(pattern).matches(action.lower()) for pattern in self.forwarded)


@cache
def _operation_keys() -> frozenset[str]:
    return frozenset(map(operation_key, all_event_names()))


@lru_cache(maxsize=1024)
def reach_of(codes: tuple[FunctionCode, ...], granted: frozenset[str]) -> CodeReach:
    """Return what code calls.

    Args:
        codes: the analyses.
        granted: IAM prefixes of the services that its role may use. A call that may be of several services is of one of
            these, for of the others it would be refused.
    """
    operations: set[str] = set()
    actions: set[str] = set()
    forwarded: set[str] = set()
    unknown = False
    for call in (call for code in codes for call in code.calls):
        key = operation_key(call.operation)
        operations.add(key)
        sources = [source_of_service(name) for name in call.services]
        events = [known_event(source, key) for source in sources]
        is_known = key in _operation_keys() or any(event.status != "unmapped" for event in events)
        unknown = unknown or not is_known or not sources or not all(sources)
        for source, event in zip(sources, events, strict=True):
            prefix = service_prefix(source)
            actions |= {need.action.source.lower() for need in (*event.needs, *event.also)}
            if prefix in granted:
                forwarded |= forwards_to(prefix, key, granted)
    return CodeReach(frozenset(operations), frozenset(actions), frozenset(forwarded), unknown)


def code_witness(asked: Asked) -> Removal | None:
    """Decide that an action is not needed because no code of the role asks for it; None where code cannot tell."""
    current = asked.facts.current
    if not current.code or not _is_asked_by_code_alone(asked.action):
        return None
    codes, reach = _role_code(asked.facts)
    if not codes or reach.unknown or reach.may_forward(asked.action) or reach.asks_for(asked.action):
        return None
    files = sorted({code.file for code in codes})
    proved = all(code.sha256 for code in codes) and all(_runs(one, codes) for one in current.functions or ())
    return Removal(
        f"the code of {_names(current)} is analysed whole and does not call it",
        "code",
        files[0] + (f" and {len(files) - 1:,} more" if len(files) > 1 else ""),
        "high" if proved else "medium",
    )


@lru_cache(maxsize=1)
def _role_code(facts: RoleFacts) -> tuple[tuple[FunctionCode, ...], CodeReach]:
    """Return all code that runs with the role, and what it calls: once for the thousands of questions about a role."""
    codes = _all_code(facts.current, facts.usages[0])
    return codes, reach_of(codes, granted_services(facts.current_actions))


def granted_services(actions: Iterable[str]) -> frozenset[str]:
    """Return the IAM prefixes of actions."""
    return frozenset(map(service_of, actions))


def with_calls_of_code(keeps: Iterable[Keep], current: CurrentAccess, actions: Iterable[str]) -> list[Keep]:
    """Return keeps with a note beside those that code asks for, though nothing shows that it was run.

    The note names all of the service's actions that code calls, as they are shown together.
    """
    found = list(keeps)
    if not current.code:
        return found
    reach = reach_of(current.code, granted_services(actions))
    unknown = {keep.grant.action for keep in found if keep.kind == "unknown" and not keep.note}
    called: dict[str, list[str]] = {}
    for action in sorted(unknown):
        if reach.asks_for(action):
            called.setdefault(service_of(action), []).append(action.partition(":")[2])
    return [
        replace(keep, note=f"{CALLED} {_listed(names)}")
        if keep.grant.action in unknown
        and keep.grant.action.partition(":")[2] in (names := called.get(service_of(keep.grant.action), []))
        else keep
        for keep in found
    ]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


_NAMED = 8


def _names(current: CurrentAccess) -> str:
    names = sorted({one.name for one in current.functions or ()})
    return names[0] if len(names) == 1 else f"{len(names)} functions"


def _is_asked_by_code_alone(action: str) -> bool:
    """Return whether an action has operations, and is asked for by nobody but programs that call them."""
    service = service_of(action)
    if service in _OTHER_WAYS or service == "kms" or not operations_of(action):
        return False
    return action not in _asked_by_lambda()


@cache
def _asked_by_lambda() -> frozenset[str]:
    """Return what Lambda and agents ask for besides what the configuration shows whole."""
    return frozenset(
        action for name, one in features().items() if name not in _CONFIGURED for action in one.actions
    )


def _all_code(current: CurrentAccess, usage: Usage) -> tuple[FunctionCode, ...]:
    """Return the code of all that runs with the role; () where some of it is not known."""
    role, functions = current.role, current.functions or ()
    if role is None or not role.only_functions or not functions or not current.configured:
        return ()
    if _other_versions(current, usage) or _forwarders_seen(usage):
        return ()
    found: list[FunctionCode] = []
    for function in functions:
        theirs = [code for code in current.code if code.is_of(function)]
        if not theirs or not all(map(_is_whole, theirs)) or not _runs_alone(function):
            return ()
        if any(code.is_package(function) is False for code in theirs):
            return ()
        if function.arn != function.unqualified and not all(code.is_package(function) for code in theirs):
            return ()  # a version runs the code of its own day
        found += theirs
    return tuple(dict.fromkeys(found))


def _is_whole(code: FunctionCode) -> bool:
    return code.complete


def _runs_alone(function: Function) -> bool:
    """Return whether nothing but the package runs: extensions come in layers, or within an image."""
    return not function.layers and function.raw.get("PackageType", "Zip") == "Zip"


def _runs(function: Function, codes: tuple[FunctionCode, ...]) -> bool:
    """Return whether hashes prove that a function runs the code that was analysed."""
    return any(code.is_of(function) and code.is_package(function) for code in codes)


def _other_versions(current: CurrentAccess, usage: Usage) -> bool:
    """Return whether versions or aliases are called, which may run other code than the function now has."""
    known = {one.arn for one in current.functions or ()}
    own = {one.unqualified for one in current.functions or ()}
    called = [one.function_arn for one in current.mappings]
    called += [
        one.function_arn for one in current.invoke_configs if not one.function_arn.endswith(":$LATEST")
    ]
    called += [bucket.user.function for bucket in usage.daily]
    return any(
        unqualified(arn) in own and arn not in known and not arn.endswith(":$LATEST") for arn in called
    )


def _forwarders_seen(usage: Usage) -> bool:
    """Return whether a service called another with the role's rights of which it is not known what it calls."""
    calls = {bucket.call for bucket in usage.daily if bucket.call.via}
    via = {service_prefix(call.via) for call in calls if service_prefix(call.source) != "kms"}
    return any(ANY in forwards_to(service, "", frozenset()) for service in via)
