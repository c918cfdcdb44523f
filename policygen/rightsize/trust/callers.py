"""Who made an assumption, and what is known of the request.

Source: IAM User Guide, cloudtrail-integration and reference_policies_iam-condition-keys.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from policygen.account.model import Account, Accounts
from policygen.iam.conditions import ContextFacts
from policygen.iam.party import Party, party_facts
from policygen.logs.events.assumption import Assumption

_PROVIDER = re.compile(r"arn:[^:]+:iam::\d{12}:oidc-provider/(?P<url>.+)")
_SESSION = re.compile(
    r"arn:(?P<partition>[^:]+):sts::(?P<account>\d{12}):assumed-role/(?P<name>[^/]+)(?:/.*)?"
)
_CLAIMS = {"graph.facebook.com": ("app_id", "id"), "www.amazon.com": ("app_id", "user_id")}
"""Provider -> the names of its audience and its subject, where they are not ``aud`` and ``sub``."""


@dataclass(frozen=True, slots=True)
class Directory:
    """What is known of callers by their unique ids: from snapshots, and from records that name them."""

    arns: Mapping[str, str]
    """Unique id -> ARN, of roles and users."""
    names: Mapping[tuple[str, str], str]
    """Account and name of a role -> its ARN."""
    organizations: Mapping[str, str]
    """Account -> the id of its organization, where a snapshot has it."""
    services: tuple[str, ...] = ()
    """Service principals that the trust policy names."""


def directory_of(accounts: Accounts, said: Iterable[Assumption], services: Iterable[str] = ()) -> Directory:
    """Return what snapshots and records tell of callers."""
    arns: dict[str, str] = {}
    for one in sorted(said, key=lambda one: (one.issuer_arn, one.arn)):
        if one.issuer_id and one.issuer_arn:
            arns[one.issuer_id] = one.issuer_arn
        elif one.kind == "IAMUser" and ":user/" in one.arn:
            arns[one.principal_id] = one.arn
    # Each role of a batch asks; what the accounts say is the same for all of them.
    known = [*accounts.values()][::-1]
    names = ChainMap(*(one.role_arns for one in known))
    told = ChainMap(*(one.arns for one in known), arns)
    return Directory(told, names, _organizations(accounts.values()), tuple(sorted(set(services))))


def _organizations(accounts: Iterable[Account]) -> dict[str, str]:
    return {one.account_id: one.organization_id for one in accounts if one.organization_id}


# ---- who --------------------------------------------------------------------------------------------


def party_of(said: Assumption, directory: Directory) -> Party | None:
    """Return who made an assumption; None where the record does not tell it."""
    if said.service:
        return Party("Service", _service(said, directory.services))
    if said.event != "AssumeRole":
        return Party("Federated", said.provider) if said.provider else None
    unique_id, _, session = said.principal_id.partition(":")
    if said.kind == "Root" and said.arn:
        return Party("AWS", said.arn)
    if said.kind == "FederatedUser" or ":federated-user/" in said.arn:
        return Party("AWS", said.arn) if said.arn else None
    if said.kind == "IAMUser" or unique_id.startswith("AIDA"):
        return _user(said, unique_id, directory)
    if said.issuer_arn:
        return Party("AWS", said.issuer_arn, session, said.issuer_id or unique_id)
    return _role(said, unique_id, session, directory)


def _user(said: Assumption, unique_id: str, directory: Directory) -> Party | None:
    arn = said.arn if ":user/" in said.arn else directory.arns.get(unique_id, "")
    if not arn and not (said.account and unique_id):
        return None
    return Party("AWS", arn or f"arn:{_partition(said)}:iam::{said.account}:user/", "", unique_id)


def _role(said: Assumption, unique_id: str, session: str, directory: Directory) -> Party | None:
    """Return the session of a role of which the record has no ARN with its path."""
    found = _SESSION.fullmatch(said.arn)
    account = said.account or (found["account"] if found else "")
    arn = directory.arns.get(unique_id, "")
    if not arn and found:
        arn = directory.names.get((account, found["name"]), "")
    if arn:
        return Party("AWS", arn, session, unique_id)
    if not (account and unique_id.startswith("AROA")):
        return None
    return Party("AWS", f"arn:{_partition(said)}:iam::{account}:role/", session, unique_id)


def _partition(said: Assumption) -> str:
    return said.role_arn.split(":")[1] if said.role_arn.count(":") > 1 else "aws"


def _service(said: Assumption, trusted: Iterable[str]) -> str:
    """Return the service principal: as the trust policy writes it, where it may have a region or end in ``.cn``."""
    names = [one for one in trusted if _plain(one) == _plain(said.service)]
    for name in (said.service, f"{_plain(said.service)}.{said.region}"):
        found = [one for one in names if name in {one, one.partition(".amazonaws.com")[0]}]
        if found:
            return found[0]
    return names[0] if len(names) == 1 else said.service


def _plain(service: str) -> str:
    return service.partition(".")[0]


# ---- the condition keys of the request ---------------------------------------------------------------

Known = Iterator[tuple[str, tuple[str, ...]]]
"""Condition keys with their values; () for a key that the request does not have."""


def claim_keys(provider: str) -> tuple[str, str]:
    """Return the condition keys of a provider's audience and subject."""
    found = _PROVIDER.fullmatch(provider)
    prefix = found["url"] if found else provider
    audience, subject = _CLAIMS.get(prefix, ("aud", "sub"))
    return f"{prefix}:{audience}", f"{prefix}:{subject}"


def is_oidc_provider(provider: str) -> bool:
    """Return whether it is an OIDC provider of IAM, whose subjects are workloads as often as people."""
    return _PROVIDER.fullmatch(provider) is not None


def assumption_facts(
    said: Assumption, party: Party, directory: Directory, asked: Iterable[str]
) -> ContextFacts:
    """Return the condition keys of an assumption that are known.

    Args:
        said: the record.
        party: who made it.
        directory: for the caller's organization.
        asked: keys in lower case that today's trust policy asks for.
    """
    values = dict(party_facts(party).values)
    for source in (_place(said), _parameters(said, asked), _factors(said), _token(said)):
        values |= {key.lower(): found for key, found in source}
    if organization := directory.organizations.get(party.account):
        values["aws:principalorgid"] = (organization,)
    return ContextFacts(values)


def _place(said: Assumption) -> Known:
    try:
        ip_address(said.address)
    except ValueError:
        return  # a service, which calls from an address of its own
    if said.endpoint:
        yield "aws:SourceVpce", (said.endpoint,)
        yield "aws:VpcSourceIp", (said.address,)
        yield "aws:SourceIp", ()
        return
    yield "aws:SourceIp", (said.address,)
    for key in ("aws:SourceVpce", "aws:SourceVpc", "aws:VpcSourceIp"):
        yield key, ()


def _parameters(said: Assumption, asked: Iterable[str]) -> Known:
    yield "sts:ExternalId", (said.external_id,) if said.external_id else ()
    if said.session:
        yield "sts:RoleSessionName", (said.session,)
    identity = said.source_identity or said.inherited_identity
    if identity or said.kind != "AWSAccount":
        yield "sts:SourceIdentity", (identity,) if identity else ()
    yield "sts:TransitiveTagKeys", said.transitive
    if said.inherited_tags:
        return
    yield "aws:TagKeys", tuple(key for key, _ in said.tags)
    yield from ((key, ()) for key in asked if key.startswith("aws:requesttag/"))
    yield from ((f"aws:RequestTag/{key}", (value,)) for key, value in said.tags)


def _factors(said: Assumption) -> Known:
    """Yield what is sure of MFA. A record's ``false`` does not tell a key that is false from one that is absent."""
    if said.serial_number or said.mfa == "true":
        yield "aws:MultiFactorAuthPresent", ("true",)
    elif said.event != "AssumeRole" or said.service:
        yield "aws:MultiFactorAuthPresent", ()
        yield "aws:MultiFactorAuthAge", ()


def _token(said: Assumption) -> Known:
    if said.event == "AssumeRoleWithSAML":
        for key, value in (
            ("saml:aud", said.audience),
            ("saml:sub", said.subject),
            ("saml:sub_type", said.subject_type),
            ("saml:iss", said.issuer),
            ("saml:namequalifier", said.name_qualifier),
        ):
            if value:
                yield key, (value,)
    elif said.event == "AssumeRoleWithWebIdentity":
        audience, subject = claim_keys(said.provider)
        aud = said.audience or _audience_of_id(said)
        yield from ([(audience, (aud,))] if aud else [])
        yield from ([(subject, (said.subject,))] if said.subject else [])
        yield from ([("sts:RoleAuthorizedByIdp", (said.by_idp,))] if said.by_idp else [])


def _audience_of_id(said: Assumption) -> str:
    """Return the audience, which the caller's id has between the provider and the subject."""
    start, end = f"{said.provider}:", f":{said.subject}"
    whole = said.principal_id
    if not (whole.startswith(start) and whole.endswith(end) and len(whole) > len(start) + len(end)):
        return ""
    return whole[len(start) : -len(end)]
