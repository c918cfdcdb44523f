"""Calls: what remains of events when all that IAM cannot see is taken away."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from msgspec.structs import replace

from policygen.catalog.call import Call, ResourceEntry
from policygen.catalog.knowledge import NOTHING_KNOWN, Knowledge
from policygen.catalog.parameters import LEFT_OUT
from policygen.catalog.projection import project, reads_member
from policygen.iam.arn import partition_of
from policygen.logs.calls.evidence import Evidence
from policygen.logs.calls.folded import Folded, Value
from policygen.logs.events.credentials import CredentialUse, credential_use_of
from policygen.logs.events.event import Event, EventFields, parameters
from policygen.logs.events.outcome import Denial, Outcome
from policygen.logs.events.principal import Principal, partition_of_arn


class CallSignature(msgspec.Struct, frozen=True, gc=False, array_like=True, cache_hash=True):
    """A call. Two events with the same signature are the same for IAM."""

    source: str
    name: str
    region: str
    account: str
    partition: str
    outcome: Outcome
    error: str
    denial: Denial | None
    via: str
    vpce: str
    params: bytes
    """Canonical JSON of the parameters that identify what the call touched."""
    resources: tuple[ResourceEntry, ...]
    folded: Folded | None = None
    """Its values with made-up names, if it stands for many calls."""

    def call(self, knowledge: Knowledge = NOTHING_KNOWN) -> Call:
        """Return the call in the form that the catalog takes, with what is known of the names in it."""
        params = msgspec.json.decode(self.params)
        return Call(
            source=self.source,
            name=self.name,
            region=self.region,
            account=self.account,
            partition=self.partition,
            params=self.folded.in_parameters(params) if self.folded else params,
            resources=self.folded.in_resources(self.resources) if self.folded else self.resources,
            error=self.error,
            via=self.via,
            vpce=self.vpce,
            knowledge=knowledge,
        )

    @property
    def is_left_out(self) -> bool:
        """Whether CloudTrail left its parameters out, as too large."""
        return self.params == _LEFT_OUT

    @property
    def has_parameters(self) -> bool:
        """Whether its record says which parameters it had."""
        return self.params != b"{}" and not self.is_left_out

    @property
    def params_text(self) -> str:
        """The identifying parameters as JSON, with patterns where it stands for many."""
        if self.folded is None:
            return self.params.decode()
        return _encode(self.folded.in_parameters(msgspec.json.decode(self.params), str)).decode()

    @property
    def named_denial(self) -> Denial | None:
        """The denial with the resource that its error message names: a pattern, where it stands for many."""
        named = self.folded.denied if self.folded else ""
        return replace(self.denial, resource=named) if self.denial and named else self.denial

    def without(self, values: tuple[Value, ...], params: dict[str, Any]) -> CallSignature:
        """Return the template of the call: all but the names in some of its values; `params` are its parameters."""
        places = {value.place for value in values}
        return replace(
            self,
            params=encode_without(params, places),
            resources=tuple(
                replace(entry, arn="") if ("resources", str(number)) in places else entry
                for number, entry in enumerate(self.resources)
            ),
            denial=replace(self.denial, resource="")
            if self.denial and ("denial",) in places
            else self.denial,
            folded=Folded(values),
        )


_encode = msgspec.json.Encoder(order="sorted").encode
_LEFT_OUT = _encode(LEFT_OUT)


def encode_without(params: dict[str, Any], places: Collection[tuple[str, ...]]) -> bytes:
    """Return canonical JSON of parameters without the members at some places, ``("params", "key")``."""
    left = params.copy()
    for place in places:
        if place[0] == "params" and len(place) == 2:
            left.pop(place[1], None)
        elif place[0] == "params":
            _, name, inner = place
            left[name] = {key: value for key, value in left[name].items() if key != inner}
    return _encode(left)


def identifying(source: str, name: str, params: bytes, members: Mapping[str, Any]) -> bytes:
    """Return canonical JSON of the parameters that identify what a call touched; `members` is what `params` says."""
    arns = b'"arn' in params and (b'"arn:' in params or b'"arn%3' in params)
    return _encode(project(source, name, members, arns=arns))


def _identifying(source: str, name: str, params: bytes) -> bytes:
    return identifying(source, name, params, parameters(params))


_identifying_cached = lru_cache(maxsize=16384)(_identifying)


def call_signature(event: Event) -> CallSignature:
    """Return the call that an event belongs to."""
    return call_of(event.fields, event.principal, event.denial, bytes(event.params), event.resources)


def call_of(
    fields: EventFields,
    caller: Principal,
    denial: Denial | None,
    params: bytes,
    resources: tuple[ResourceEntry, ...],
) -> CallSignature:
    """Return the call that an event belongs to.

    Args:
        fields: the event's fields.
        caller: who made it.
        denial: what its error message says of a denial.
        params: its requestParameters, JSON as delivered.
        resources: its resources.
    """
    # A workload repeats its calls, but seldom those with long parameters.
    read = (_identifying_cached if len(params) < 512 else _identifying)(fields.source, fields.name, params)
    return signature_of(fields, caller, denial, read, resources)


def signature_of(
    fields: EventFields,
    caller: Principal,
    denial: Denial | None,
    read: bytes,
    resources: tuple[ResourceEntry, ...],
) -> CallSignature:
    """Return the call that an event belongs to, where `read` is what `identifying` returns of its parameters."""
    arn = (caller.role.arn if caller.role else "") or next((r.arn for r in resources), "")
    if caller.source_identity and reads_member(fields.source, fields.name, _IDENTITY.lower()):
        read = _with_source_identity(read, caller.source_identity)
    return CallSignature(
        fields.source,
        fields.name,
        fields.region,
        caller.account,
        partition_of_arn(arn) if arn else partition_of(fields.region),
        fields.outcome,
        fields.error,
        denial,
        fields.via,
        fields.vpce,
        read,
        resources,
    )


_IDENTITY = "sourceIdentity"


def _with_source_identity(params: bytes, identity: str) -> bytes:
    """Return parameters with the source identity of the session, where they do not set one themselves.

    It persists where a session assumes another role, and has to be allowed there as if it was set (1.4.9).
    """
    members = msgspec.json.decode(params)
    return params if members.get(_IDENTITY) else _encode({**members, _IDENTITY: identity})


class CallBucket(msgspec.Struct, frozen=True, gc=False, array_like=True, cache_hash=True):
    """Evidence is added up for each bucket: a call, the day in UTC, and how the role's credentials were used."""

    call: CallSignature
    day: str
    user: CredentialUse


Calls = dict[CallBucket, Evidence]


def count_in(calls: Calls, bucket: CallBucket, evidence: Evidence) -> None:
    """Add evidence to that of a bucket."""
    old = calls.get(bucket)
    calls[bucket] = evidence if old is None else old + evidence


def call_bucket(event: Event) -> CallBucket:
    """Return the bucket of an event."""
    caller = event.principal
    user = credential_use_of(
        caller.function,
        caller.session,
        event.user_agent,
        event.fields.via,
        event.from_ip_address,
        event.presigned,
        event.from_console,
    )
    return CallBucket(call_signature(event), event.time[:10], user)
