"""Calls, and the evidence of them: what remains of events when all that IAM cannot see is taken away.

Evidence is a sum, so that the order, the splitting and the repetition of files cannot change it.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from policygen.catalog.call import Call, ResourceEntry
from policygen.catalog.projection import project
from policygen.iam.arn import partition_of
from policygen.logs.calls.evidence import Evidence
from policygen.logs.events.credentials import CredentialUse, credential_use_of
from policygen.logs.events.event import Event, EventFields, parameters
from policygen.logs.events.outcome import Denial, Outcome
from policygen.logs.events.principal import Principal, partition_of_arn


class CallSignature(msgspec.Struct, frozen=True, gc=False, array_like=True, cache_hash=True):
    """What makes two events the same for IAM. `params` is canonical JSON of the identifying parameters."""

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
    resources: tuple[ResourceEntry, ...]

    def call(self) -> Call:
        """The call as the catalog reads it."""
        return Call(
            source=self.source,
            name=self.name,
            region=self.region,
            account=self.account,
            partition=self.partition,
            params=msgspec.json.decode(self.params),
            resources=self.resources,
            error=self.error,
            via=self.via,
            vpce=self.vpce,
        )


_encode = msgspec.json.Encoder(order="sorted").encode


def _identifying(source: str, name: str, params: bytes) -> bytes:
    """Canonical JSON of the parameters that identify what a call touched."""
    return _encode(project(source, name, parameters(params), arns=b'"arn:' in params))


_remembered = lru_cache(maxsize=16384)(_identifying)


def call_signature(event: Event) -> CallSignature:
    """The call an event belongs to."""
    return call_of(event.said, event.principal, event.denial, bytes(event.params), event.resources)


def call_of(
    said: EventFields,
    who: Principal,
    denial: Denial | None,
    params: bytes,
    resources: tuple[ResourceEntry, ...],
) -> CallSignature:
    """The call an event belongs to that says this.

    Args:
        said: its words.
        who: its caller.
        denial: what it says of a denial.
        params: its requestParameters, JSON as delivered.
        resources: its resources.
    """
    arn = (who.role.arn if who.role else "") or next((r.arn for r in resources), "")
    # The calls of a workload repeat; what is long seldom does.
    known = (_remembered if len(params) < 512 else _identifying)(said.source, said.name, params)
    return CallSignature(
        said.source,
        said.name,
        said.region,
        who.account,
        partition_of_arn(arn) if arn else partition_of(said.region),
        said.outcome,
        said.error,
        denial,
        said.via,
        said.vpce,
        known,
        resources,
    )


class CallBucket(msgspec.Struct, frozen=True, gc=False, array_like=True, cache_hash=True):
    """What is added up apart: a call, the day in UTC, and who used the role's credentials in what manner."""

    call: CallSignature
    day: str
    user: CredentialUse


Calls = dict[CallBucket, Evidence]


def count_in(calls: Calls, key: CallBucket, evidence: Evidence) -> None:
    """Adds evidence of a call to what there is of it."""
    old = calls.get(key)
    calls[key] = evidence if old is None else old + evidence


def call_bucket(event: Event) -> CallBucket:
    """What an event is added up under."""
    who = event.principal
    user = credential_use_of(
        who.function, who.session, event.user_agent, event.said.via, event.from_ip_address, event.presigned
    )
    return CallBucket(call_signature(event), event.time[:10], user)
