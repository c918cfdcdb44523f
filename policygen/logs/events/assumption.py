"""Records of STS that say who assumed a role: AssumeRole, AssumeRoleWithSAML and AssumeRoleWithWebIdentity.

Source: IAM User Guide, cloudtrail-integration. Texts are as delivered: whoever shows one cleans it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from policygen.iam.request import RoleKey
from policygen.logs.events.record import ABSENT, Record, Resource, UserIdentity
from policygen.logs.events.record_table import RawRecord

SOURCE = "sts.amazonaws.com"
EVENTS = frozenset({"AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"})

Tags = tuple[tuple[str, str], ...]


class Assumption(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What one record, or several that differ in time only, say of an assumption. "" for what is not there."""

    event: str
    region: str
    recipient: str
    """The account whose trail delivered the record."""
    address: str
    endpoint: str
    """The VPC endpoint."""
    error: str
    kind: str
    """Type of the caller's identity, as CloudTrail names it."""
    account: str
    principal_id: str
    arn: str
    user: str
    service: str
    provider: str
    """identityProvider of a federated caller; of SAML the ARN in the parameters."""
    issuer_arn: str
    """ARN of the caller's role, with its path."""
    issuer_id: str
    mfa: str
    """``true`` or ``false``; "" where the record does not say it."""
    inherited_identity: str
    """The source identity of the caller's own session."""
    role_arn: str
    role_id: str
    session: str
    external_id: str
    duration: int
    """Seconds; 0 where nobody asked for a length."""
    source_identity: str
    serial_number: str
    tags: Tags
    """Session tags that were passed, sorted."""
    transitive: tuple[str, ...]
    inherited_tags: bool
    """Whether tags of the caller's session were handed on."""
    contexts: bool
    """Whether a trusted context was passed."""
    session_policies: tuple[str, ...]
    inline_policy: bool
    audience: str
    subject: str
    subject_type: str
    name_qualifier: str
    issuer: str
    trust_granted: bool
    """False where AWS says that the trust policy did not allow it."""
    by_idp: str
    """additionalEventData.RoleAuthorizedByIdp."""


class Sighting(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """When an assumption was recorded."""

    time: str
    id: str
    shared_id: str


Sightings = dict[Assumption, dict[str, Sighting]]
"""What was said -> the records that say so, by their keys. Two of them add up, in any order."""


def is_assumption(source: str | None, name: str | None) -> bool:
    """Return whether records of an event are of assumptions."""
    return source == SOURCE and name in EVENTS


@lru_cache(4096)
def role_of_arn(arn: str) -> RoleKey | None:
    """Return the role of an ARN by account and name, whatever its path and its id are; None for no role's ARN."""
    parts = arn.split(":", 5)
    if len(parts) < 6 or not parts[5].startswith("role/"):
        return None
    return RoleKey(parts[4], "", "", parts[5].rpartition("/")[2])


def assumption_of(
    record: Record | RawRecord, who: UserIdentity | None, resources: Sequence[Resource] | None
) -> Assumption:
    """Return what a record of an assumption says.

    Args:
        record: the record.
        who: its caller.
        resources: its resources.
    """
    who = who or _NOBODY
    asked, answer = _object(record.requestParameters), _object(record.responseElements)
    extra = _object(record.additionalEventData)
    context = who.sessionContext
    issuer = context.sessionIssuer if context else None
    mfa = context.attributes.mfaAuthenticated if context and context.attributes else None
    assumed = answer.get("assumedRoleUser")
    assumed_id = _text(assumed.get("assumedRoleId")) if isinstance(assumed, Mapping) else ""
    is_service = who.type == "AWSService"
    target = _text(asked.get("roleArn")) or next((one.ARN for one in resources or () if one.ARN), "")
    is_role = issuer is not None and ":role/" in (issuer.arn or "")
    subject = _text(answer.get("subjectFromWebIdentityToken")) or _text(answer.get("subject"))
    return Assumption(
        event=record.eventName or "",
        region=record.awsRegion or "",
        recipient=record.recipientAccountId or "",
        address=record.sourceIPAddress or "",
        endpoint=record.vpcEndpointId or "",
        error=record.errorCode or ("error" if record.errorMessage else ""),
        kind=who.type or "",
        account=who.accountId or "",
        principal_id=who.principalId or "",
        arn=who.arn or "",
        user=who.userName or "",
        service=(who.invokedBy or "") if is_service else "",
        provider=_text(asked.get("principalArn")) or _provider(who) or _text(answer.get("provider")),
        issuer_arn=(issuer.arn or "") if issuer and is_role else "",
        issuer_id=(issuer.principalId or "") if issuer and is_role else "",
        mfa="" if mfa is None else str(mfa).lower(),
        inherited_identity=(context.sourceIdentity or "") if context else "",
        role_arn=target,
        role_id=assumed_id.partition(":")[0],
        # A service names its sessions itself, and there may be a million of them.
        session="" if is_service else _text(asked.get("roleSessionName")) or assumed_id.partition(":")[2],
        external_id=_text(asked.get("externalId")),
        duration=_number(asked.get("durationSeconds")),
        source_identity=_text(asked.get("sourceIdentity")) or _text(answer.get("sourceIdentity")),
        serial_number=_text(asked.get("serialNumber")),
        tags=_tags(asked.get("tags")) or _tags(asked.get("principalTags")),
        transitive=_texts(asked.get("transitiveTagKeys")),
        inherited_tags=bool(asked.get("incomingTransitiveTags")),
        contexts=bool(asked.get("providedContexts")),
        session_policies=_texts(asked.get("policyArns")),
        inline_policy=bool(asked.get("policy")),
        audience=_text(answer.get("audience")),
        subject=subject or (who.userName or "" if who.type in ("WebIdentityUser", "SAMLUser") else ""),
        subject_type=_text(answer.get("subjectType")),
        name_qualifier=_text(answer.get("nameQualifier")),
        issuer=_text(answer.get("issuer")),
        trust_granted=extra.get("explicitTrustGrant") is not False,
        by_idp=str(extra["RoleAuthorizedByIdp"]).lower() if "RoleAuthorizedByIdp" in extra else "",
    )


_NOBODY = UserIdentity()
_EMPTY: Mapping[str, Any] = {}
_ID_OF_TOKEN = re.compile(r"arn:[^:]+:iam::\d{12}:oidc-provider/[^:]+")


def _provider(who: UserIdentity) -> str:
    """Return the provider of a token: its ARN, which the caller's id begins with, where it is one of IAM."""
    if who.type != "WebIdentityUser":
        return ""
    found = _ID_OF_TOKEN.match(who.principalId or "")
    return found.group() if found else who.identityProvider or ""


def _object(raw: msgspec.Raw) -> Mapping[str, Any]:
    if raw is ABSENT:
        return _EMPTY
    try:
        value = msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return _EMPTY
    return value if isinstance(value, dict) else _EMPTY


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _texts(value: object) -> tuple[str, ...]:
    """Return a list of texts, or the ``arn`` of each of its objects, sorted."""
    if not isinstance(value, list):
        return ()
    return tuple(sorted(_text(one.get("arn")) if isinstance(one, Mapping) else _text(one) for one in value))


def _tags(value: object) -> Tags:
    """Return tags, which are a list of keys with values or an object."""
    if not value:  # as in most records
        return ()
    if isinstance(value, Mapping):
        return tuple(sorted((str(key), _text(one)) for key, one in value.items()))
    rows = [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
    return tuple(sorted((_text(one.get("key")), _text(one.get("value"))) for one in rows))
