"""The CloudTrail record as delivered: the typed wire format, and nothing else.

Only the fields that policygen reads are declared. `requestParameters` and `responseElements` stay raw bytes until a
record is known to matter, because most records of a trail belong to other roles. Every field may be missing (1.2.2,
1.3.2): the decoder accepts that, and `events.event` decides what it means.
"""

from __future__ import annotations

import msgspec

ABSENT = msgspec.Raw(b"null")
"""The value of a raw field that a record does not have."""


class RecordStruct(msgspec.Struct, frozen=True, gc=False):
    """A frozen struct without cycles, so the garbage collector need not visit millions of them."""


class SessionIssuer(RecordStruct, frozen=True, gc=False):
    """userIdentity.sessionContext.sessionIssuer."""

    type: str | None = None
    principalId: str | None = None  # noqa: N815
    arn: str | None = None
    accountId: str | None = None  # noqa: N815
    userName: str | None = None  # noqa: N815


class SessionAttributes(RecordStruct, frozen=True, gc=False):
    """userIdentity.sessionContext.attributes."""

    mfaAuthenticated: bool | str | None = None  # noqa: N815


class SessionContext(RecordStruct, frozen=True, gc=False):
    """userIdentity.sessionContext."""

    sessionIssuer: SessionIssuer | None = None  # noqa: N815
    sourceIdentity: str | None = None  # noqa: N815
    attributes: SessionAttributes | None = None


class InScopeOf(RecordStruct, frozen=True, gc=False):
    """userIdentity.inScopeOf: the function or instance that the credentials were issued to (1.6)."""

    credentialsIssuedTo: str | None = None  # noqa: N815


class UserIdentity(RecordStruct, frozen=True, gc=False, cache_hash=True):
    """userIdentity: who called."""

    type: str | None = None
    principalId: str | None = None  # noqa: N815
    arn: str | None = None
    accountId: str | None = None  # noqa: N815
    userName: str | None = None  # noqa: N815
    invokedBy: str | None = None  # noqa: N815
    sessionContext: SessionContext | None = None  # noqa: N815
    inScopeOf: InScopeOf | None = None  # noqa: N815
    identityProvider: str | None = None  # noqa: N815


class Resource(RecordStruct, frozen=True, gc=False):
    """One entry of `resources`; some carry a prefix instead of an ARN (1.9.1)."""

    ARN: str | None = None
    accountId: str | None = None  # noqa: N815
    accountid: str | None = None
    """As some services spell it."""
    type: str | None = None


class Record(RecordStruct, frozen=True, gc=False):
    """One CloudTrail record (1.1.4)."""

    eventID: str | None = None  # noqa: N815
    eventTime: str | None = None  # noqa: N815
    eventSource: str | None = None  # noqa: N815
    eventName: str | None = None  # noqa: N815
    eventType: str | None = None  # noqa: N815
    eventCategory: str | None = None  # noqa: N815
    awsRegion: str | None = None  # noqa: N815
    userIdentity: UserIdentity | None = None  # noqa: N815
    requestParameters: msgspec.Raw = ABSENT  # noqa: N815
    responseElements: msgspec.Raw = ABSENT  # noqa: N815
    resources: tuple[Resource, ...] | None = None
    errorCode: str | None = None  # noqa: N815
    errorMessage: str | None = None  # noqa: N815
    userAgent: str | None = None  # noqa: N815
    additionalEventData: msgspec.Raw = ABSENT  # noqa: N815
    sourceIPAddress: str | None = None  # noqa: N815
    vpcEndpointId: str | None = None  # noqa: N815
    recipientAccountId: str | None = None  # noqa: N815
    sharedEventID: str | None = None  # noqa: N815
    readOnly: bool | None = None  # noqa: N815
    sessionCredentialFromConsole: bool | str | None = None  # noqa: N815
