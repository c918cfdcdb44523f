"""Records of STS that say who assumed a role: AssumeRole, AssumeRoleWithSAML and AssumeRoleWithWebIdentity.

Source: IAM User Guide, cloudtrail-integration. Texts are as delivered: whoever shows one cleans it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from policygen.iam.request import RoleKey
from policygen.logs.events.record import Record, UserIdentity

SOURCE = "sts.amazonaws.com"
EVENTS = frozenset({"AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"})

Tags = tuple[tuple[str, str], ...]


class Assumption(msgspec.Struct, frozen=True, gc=False):
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


class Sighting(msgspec.Struct, frozen=True, gc=False):
    """When an assumption was recorded."""

    time: str
    id: str
    shared_id: str


Sightings = dict[Assumption, dict[str, Sighting]]
"""What was said -> the records that say so, by their keys. Two of them add up, in any order."""


def is_about(record: Record, role: RoleKey) -> bool:
    """Return whether a record is of an assumption of the role, or of one of the same name."""
    if record.eventSource != SOURCE or record.eventName not in EVENTS:
        return False
    name = role.name.lower()
    wanted = _text(_object(record.requestParameters).get("roleArn"))
    target = wanted or next((one.ARN or "" for one in record.resources or () if one.ARN), "")
    parts = target.split(":", 5)
    return (
        len(parts) == 6
        and parts[4] == role.account
        and parts[5].rpartition("/")[2].lower() == name
        and parts[5].startswith("role/")
    )


def assumption_of(record: Record) -> Assumption:
    """Return what a record says of an assumption."""
    who = record.userIdentity or UserIdentity()
    asked, answer = _object(record.requestParameters), _object(record.responseElements)
    extra = _object(record.additionalEventData)
    context = who.sessionContext
    issuer = context.sessionIssuer if context else None
    mfa = context.attributes.mfaAuthenticated if context and context.attributes else None
    assumed = answer.get("assumedRoleUser")
    assumed_id = _text(assumed.get("assumedRoleId")) if isinstance(assumed, Mapping) else ""
    is_service = who.type == "AWSService"
    source = _text(asked.get("roleArn")) or next((one.ARN or "" for one in record.resources or ()), "")
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
        role_arn=source,
        role_id=assumed_id.partition(":")[0],
        # A service names its sessions itself, and there may be a million of them.
        session="" if is_service else _text(asked.get("roleSessionName")) or assumed_id.partition(":")[2],
        external_id=_text(asked.get("externalId")),
        duration=_number(asked.get("durationSeconds")),
        source_identity=_text(asked.get("sourceIdentity")) or _text(answer.get("sourceIdentity")),
        serial_number=_text(asked.get("serialNumber")),
        tags=_tags(asked.get("tags")) or _tags(asked.get("principalTags")),
        transitive=tuple(sorted(_texts(asked.get("transitiveTagKeys")))),
        inherited_tags=bool(asked.get("incomingTransitiveTags")),
        contexts=bool(asked.get("providedContexts")),
        session_policies=tuple(sorted(_texts(asked.get("policyArns")))),
        inline_policy=bool(asked.get("policy")),
        audience=_text(answer.get("audience")),
        subject=subject or (who.userName or "" if who.type in ("WebIdentityUser", "SAMLUser") else ""),
        subject_type=_text(answer.get("subjectType")),
        name_qualifier=_text(answer.get("nameQualifier")),
        issuer=_text(answer.get("issuer")),
        trust_granted=extra.get("explicitTrustGrant") is not False,
        by_idp=str(extra["RoleAuthorizedByIdp"]).lower() if "RoleAuthorizedByIdp" in extra else "",
    )


_ID_OF_TOKEN = re.compile(r"arn:[^:]+:iam::\d{12}:oidc-provider/[^:]+")


def _provider(who: UserIdentity) -> str:
    """Return the provider of a token: its ARN, which the caller's id begins with, where it is one of IAM."""
    if who.type != "WebIdentityUser":
        return ""
    found = _ID_OF_TOKEN.match(who.principalId or "")
    return found.group() if found else who.identityProvider or ""


def _object(raw: msgspec.Raw) -> Mapping[str, Any]:
    try:
        value = msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _texts(value: object) -> list[str]:
    """Return a list of texts, or the ``arn`` of each of its objects."""
    found = value if isinstance(value, list) else []
    return [_text(one.get("arn")) if isinstance(one, Mapping) else _text(one) for one in found]


def _tags(value: object) -> Tags:
    """Return tags, which are a list of keys with values or an object."""
    if isinstance(value, Mapping):
        return tuple(sorted((str(key), _text(one)) for key, one in value.items()))
    rows = [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
    return tuple(sorted((_text(one.get("key")), _text(one.get("value"))) for one in rows))
