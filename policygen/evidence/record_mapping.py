"""Map every record of a log, one row each: none is left out, so that the counts add up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from policygen.catalog import mapping
from policygen.catalog.call import MappedRequest
from policygen.catalog.knowledge import NOTHING_KNOWN, Knowledge
from policygen.catalog.provenance import rule_place, step_place
from policygen.evidence.known_names import knowledge_of, with_calls
from policygen.evidence.role import RoleSelector
from policygen.evidence.usage import denied_resources
from policygen.iam.request import OF_RECORD
from policygen.logs.calls.call import CallSignature, call_signature
from policygen.logs.calls.dedup import key_of
from policygen.logs.calls.totals import Totals
from policygen.logs.events.event import Event, SkippedRecord, event_of, principal_or_skip, read_event
from policygen.logs.events.outcome import Denial, Outcome
from policygen.logs.events.record import Record
from policygen.logs.source import Batch
from policygen.text import sanitize


class MappedRecord(msgspec.Struct, frozen=True):
    """One record: its status, the requests behind it, and the reason."""

    event_id: str
    event_source: str
    event_name: str
    role: str | None
    """ARN of the role, or its name where the record has no ARN; None for another caller."""
    status: str
    """``mapped``, ``no-permission-needed``, ``denied``, ``ignored`` or ``unmapped``."""
    requests: tuple[Mapping[str, Any], ...]
    why: str
    time: str = ""
    """ISO 8601 in UTC; "" for a record that is no call."""
    caller: str = ""
    """Who called: the name of the role, user or service, and ``/`` and the session where there is one."""
    address: str = ""
    """sourceIPAddress: an IP address, or the DNS name of a service."""
    outcome: str = ""
    """What the event proves, an `Outcome`; "" for a record that is no call."""
    is_wanted: bool = True
    """Whether it is of the role that was asked for; True where none was."""

    def as_dict(self) -> dict[str, Any]:
        """Return the row as plain values."""
        return {
            "event_id": self.event_id,
            "event_source": self.event_source,
            "event_name": self.event_name,
            "role": self.role,
            "status": self.status,
            "requests": list(self.requests),
            "why": self.why,
            "time": self.time,
            "caller": self.caller,
            "address": self.address,
            "outcome": self.outcome,
        }


def knowledge_in(batches: Iterable[Batch]) -> Knowledge:
    """Return what the records of a log tell of the names in each other."""
    totals, calls = Totals(), set[CallSignature]()
    for record in (record for batch in batches for record in batch.records):
        caller = principal_or_skip(record)
        if isinstance(caller, SkippedRecord):
            continue
        totals.learn(record, caller, bytes(record.requestParameters))
        if caller.role:
            totals.roles[caller.role] += 1
        if b":iam::" in bytes(record.requestParameters):
            calls.add(call_signature(event_of(record, caller)))
    return with_calls(knowledge_of(totals), calls)


def map_batch(
    batch: Batch,
    wanted: RoleSelector | None,
    seen: set[str],
    *,
    why: bool = False,
    knowledge: Knowledge = NOTHING_KNOWN,
) -> Iterator[MappedRecord]:
    """Yield a row for each record of a batch, including records that are unreadable or no record of a call.

    Args:
        batch: the records as read.
        wanted: the role to map; None maps every caller's calls.
        seen: the keys of the records read so far; this batch's are added.
        why: add to each request the rule and the step that made it, with file and line, and add the requests that
            are only often needed or known indirectly.
        knowledge: what other records tell of the names in these.
    """
    for record in batch.records:
        yield _row(record, wanted, seen, knowledge, why=why)
    for one in batch.unreadable:
        yield _no_call("", "", "", f"unreadable: {sanitize(one.reason)}", wanted)
    if batch.kind == "log":
        for kind, count in sorted(batch.passed_over.items()):
            for _ in range(count):
                yield _no_call("", "", "", f"passed over: {kind}", wanted)


def _no_call(event_id: str, source: str, name: str, why: str, wanted: RoleSelector | None) -> MappedRecord:
    return MappedRecord(event_id, source, name, None, "ignored", (), why, is_wanted=wanted is None)


def _row(
    record: Record, wanted: RoleSelector | None, seen: set[str], knowledge: Knowledge, *, why: bool
) -> MappedRecord:
    event = read_event(record)
    if isinstance(event, SkippedRecord):
        return _no_call(event.id, event.source, event.name, event.reason, wanted)
    role = event.principal.role
    name = (role.arn or role.name or role.role_id) if role else None
    of_role = wanted is None or bool(role and wanted.matches(role))
    caller = "/".join(filter(None, [event.principal.name, event.principal.session]))

    def row(status: str, requests: tuple[Mapping[str, Any], ...], reason: str) -> MappedRecord:
        return MappedRecord(
            event.id,
            event.source,
            event.name,
            name,
            status,
            requests,
            reason,
            event.time,
            caller,
            event.address,
            event.outcome.value,
            of_role,
        )

    key = key_of(record)
    if key in seen:
        return row("ignored", (), "a duplicate: this record was read already")
    seen.add(key)
    if not of_role:
        return row("ignored", (), "another principal's call")
    call = call_signature(event)
    answer = mapping.requests_for(call.call(knowledge))
    return row(*_status(event, call, answer, why=why))


def _status(
    event: Event, call: CallSignature, answer: mapping.MappingResult, *, why: bool
) -> tuple[str, tuple[Mapping[str, Any], ...], str]:
    requests = tuple(
        _request(one, call.source, why=why)
        for one in answer.requests
        if why or one.request.grade in OF_RECORD
    )
    reason = "; ".join(dict.fromkeys(one.why for one in answer.requests)) or answer.why
    if open_ := [one.request.resource for one in answer.requests if one.request.grade == "alternative"]:
        reason += (
            f"; the record does not tell which, so {' or '.join(dict.fromkeys(open_))} may be meant as well"
        )
    if event.outcome is Outcome.UNAUTHENTICATED:
        return "ignored", (), f"{event.error}: the credentials were refused, no permission was looked at"
    if event.outcome is Outcome.DENIED:
        denial = call.denial
        said = (
            f"; the message names {denial.action} on {denial.resource or '*'}"
            if denial and denial.action
            else ""
        )
        policy = f" by a {denial.policy_type} policy" if denial and denial.policy_type else ""
        named = _named(denial, answer, why=why) if denial and denial.action else requests
        return "denied", named, f"{event.error}: denied{policy}{said}"
    if event.outcome is Outcome.WEAK:
        reason += f"; weak: {event.error} may precede the permission check"
    return answer.status, requests, reason


def _named(denial: Denial, answer: mapping.MappingResult, *, why: bool) -> tuple[Mapping[str, Any], ...]:
    """Return the request that an error message names; AWS knows better than any rule what it refused."""
    plain = {"context": {}, "grade": "required"}
    told = (
        {"rule": "the error message", "rule_at": "the record", "step": "", "step_at": "the record"}
        if why
        else {}
    )
    return tuple(
        {"action": denial.action, "resource": resource, **plain, **told}
        for resource in denied_resources(denial, answer)
    )


def _request(one: MappedRequest, source: str, *, why: bool) -> dict[str, Any]:
    request, origin = one.request, one.origin
    plain = {
        "action": request.action,
        "resource": request.resource,
        "context": _context(request.context),
        "grade": request.grade,
    }
    if not why:
        return plain
    rule = f"{origin.rule}: {origin.note}" if origin.note else origin.rule
    return plain | {
        "rule": rule,
        "rule_at": rule_place(origin) or "general step",
        "step": origin.step,
        "step_at": step_place(origin, source) or "general step",
    }


def _context(context: tuple[tuple[str, tuple[str, ...]], ...]) -> dict[str, str | list[str]]:
    return {key: values[0] if len(values) == 1 else list(values) for key, values in context}
