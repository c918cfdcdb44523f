"""One call of AWS as the caller's side recorded it, and from it the call that CloudTrail would have logged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from policygen.catalog.call import ResourceEntry
from policygen.catalog.known_event import known_event
from policygen.catalog.sdk_names import source_of_service
from policygen.logs.calls.call import CallBucket, call_of
from policygen.logs.calls.evidence import Evidence
from policygen.logs.events.credentials import CredentialUse
from policygen.logs.events.event import EventFields
from policygen.logs.events.outcome import Outcome, denial_of, outcome_of
from policygen.logs.events.principal import Principal
from policygen.text import clean_word, sanitize


class Caller(NamedTuple):
    """Who made a call, as the trace tells it; "" for what it does not tell."""

    function: str = ""
    """ARN of a Lambda function, with or without version."""
    name: str = ""
    """The name that the program has in traces, ``service.name``."""
    account: str = ""
    role: str = ""
    """The role that a person said the file is of."""


class TracedCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call of AWS, in the words of the trace; "" for what it does not tell."""

    caller: Caller
    service: str
    """As an SDK or a tracer names it: ``DynamoDB``, ``AmazonSQS``, ``stepfunctions``."""
    operation: str
    region: str = ""
    time: str = ""
    """ISO 8601 in UTC, to the second; "" where the format has no times."""
    parameters: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """By CloudTrail's names of them."""
    arns: tuple[str, ...] = ()
    """Resources that it names by ARN."""
    failure: Failure | None = None
    """None for success."""
    reference: str = ""
    """By which it can be looked up, ``trace 1-6a951860-9c59e1988e5649ccd31d5129``."""
    attempt: bool = False
    """Whether it is one attempt of a call that other documents of the file tell of as well."""


class Failure(NamedTuple):
    """How a call failed."""

    code: str = ""
    """AWS's error code; "" where the trace does not have it."""
    message: str = ""
    status: int = 0
    """Of the HTTP response; 0 where there was none, or it is not known."""


_MEANING = {401: "ExpiredToken", 403: "AccessDenied", 404: "NotFound", 429: "Throttling"}
"""HTTP status -> the error code that stands for it where the trace names none."""
_REFUSED = "is not authorized to perform"
_SUFFIX = re.compile(r"(?<=.)(?:Request|Command)$")
_ACCOUNT = re.compile(r"\d{12}")
_LONGEST = 2048
_HALF = re.compile("[\ud800-\udfff]")
"""Half a pair of surrogates, which JSON can say and UTF-8 cannot."""


def call_bucket_of(traced: TracedCall) -> CallBucket | str:
    """Return the call that CloudTrail would have logged, or why it cannot be told."""
    source = source_of_service(clean_word(traced.service))
    if not source:
        return f"service {clean_word(traced.service, 60) or 'without a name'!r} is not known"
    name = _event_name(source, clean_word(traced.operation))
    if not name:
        return f"{clean_word(traced.service, 60)}: an operation without a name"
    region, account = clean_word(traced.region, 32), traced.caller.account
    outcome, code = _outcome(traced.failure, source)
    failure = traced.failure or Failure()
    denied = outcome is Outcome.DENIED
    signature = call_of(
        EventFields(source, name, region, outcome, code, "", ""),
        _principal(account if _ACCOUNT.fullmatch(account) else ""),
        denial_of(code, failure.message[:_LONGEST], source) if denied else None,
        msgspec.json.encode({name: value for name, value in traced.parameters.items() if _is_name(value)}),
        tuple(ResourceEntry("", arn, "") for arn in traced.arns if _is_name(arn)),
    )
    return CallBucket(signature, traced.time[:10], CredentialUse())


def evidence_of_trace(traced: TracedCall) -> Evidence:
    """Return the evidence of one call; without days where its time is not known."""
    day = traced.time[:10]
    return Evidence(
        count=1,
        first=traced.time,
        last=traced.time,
        days=frozenset({day} if day else ()),
        samples=((traced.time, sanitize(traced.reference, 128)),) if traced.reference else (),
        weak=int(_outcome(traced.failure, source_of_service(traced.service))[0] is Outcome.WEAK),
    )


def _event_name(source: str, operation: str) -> str:
    """Return the event's name: an operation's, without what a class of an SDK has behind it."""
    name = operation[:1].upper() + operation[1:]
    shorter = _SUFFIX.sub("", name)
    if shorter != name and known_event(source, name).status == "unmapped":
        return shorter
    return name


def _outcome(failure: Failure | None, source: str) -> tuple[Outcome, str]:
    """Return what a call proves, and its error code; a failure that nothing names may have been a refusal."""
    if failure is None:
        return Outcome.USED, ""
    code = clean_word(failure.code)
    if not code:
        code = "AccessDenied" if _REFUSED in failure.message else _MEANING.get(failure.status, "")
    return (outcome_of(code, source), code) if code else (Outcome.WEAK, "Failed")


def _principal(account: str) -> Principal:
    return Principal("AssumedRole", account, "", None, "", "", is_cross_account_copy=False)


def _is_name(value: object) -> bool:
    """Return whether a parameter can name a resource: it is not too long, and no text is cut within a character."""
    if isinstance(value, str):
        return len(value) <= _LONGEST and not _HALF.search(value)
    if isinstance(value, dict):
        return all(_is_name(one) for pair in value.items() for one in pair)
    return not isinstance(value, list) or all(map(_is_name, value))
