"""Who made a call."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from policygen.iam.request import RoleKey
from policygen.logs.events.record import UserIdentity
from policygen.text import sanitize


class Principal(msgspec.Struct, frozen=True, gc=False):
    """A caller. `role` is None for users, services and accounts."""

    kind: str
    """userIdentity.type, or "" where the record has none."""
    account: str
    name: str
    role: RoleKey | None
    session: str
    function: str
    """ARN of the Lambda function or instance the credentials were issued to (1.6), or ""."""
    is_cross_account_copy: bool
    """Whether this is the record that the account of the resource received of another account's call (1.4.4).

    So counts every record that names its role by id alone: only other records or the account tell the name."""
    source_identity: str = ""
    """The source identity of the session, which persists where the session assumes other roles."""


_AROA = re.compile(r"(AROA[A-Z0-9]{5,})(?::(.*))?", re.S)


@lru_cache(maxsize=4096)
def partition_of_arn(text: str) -> str:
    """Return the partition of an ARN; ``aws`` where it has none."""
    pieces = text.split(":", 2)
    return pieces[1] if len(pieces) == 3 and pieces[0] == "arn" and pieces[1] else "aws"


def principal_of(who: UserIdentity | None, recipient: str | None) -> Principal:
    """Return the caller of a record (1.3); what the record does not have is "".

    Args:
        who: its userIdentity.
        recipient: its recipientAccountId.
    """
    who = who or UserIdentity()
    # The events of a trail come from few sessions; what is longer than any real one is not cached.
    read = _principal_cached if len(who.principalId or "") + len(who.arn or "") < 1024 else _principal
    return read(who, recipient or "")


def _principal(who: UserIdentity, recipient: str) -> Principal:
    kind = who.type or ""
    issuer = who.sessionContext.sessionIssuer if who.sessionContext else None
    role: RoleKey | None = None
    session = ""
    account = who.accountId or _account_in(who.arn)
    role_id, session_of_id = _split_id(who.principalId)
    if _is_role(kind, who.arn or ""):
        # 1.3.3: some records put a session's ARN where the role's belongs, so ":role/" is asked for.
        if issuer and issuer.type in {None, "Role"} and ":role/" in (issuer.arn or ""):
            name = issuer.userName or (issuer.arn or "").rsplit("/", 1)[-1]
            issuer_id = _split_id(issuer.principalId)[0] or role_id
            account = issuer.accountId or _account_in(issuer.arn) or account
            role = RoleKey(account, issuer_id, issuer.arn or "", name)
        else:
            role = _role_from_session(who, issuer.userName if issuer else None, role_id)
        session = session_of_id or _session_from_arn(who.arn or "")
    elif kind == "AWSAccount" and role_id:
        # The copy that another account received: no ARN, only the id and the session (1.4.3).
        role, session = RoleKey(account, role_id, "", ""), session_of_id
    if role and ":" in role.name:  # 1.3.11: AWS's own role of an instance; no role of IAM has such a name
        role = None
    scope = who.inScopeOf
    in_another_account = bool(role and recipient and account and recipient != account)
    return Principal(
        kind=sanitize(kind, 64),
        account=sanitize(account, 64),
        name=sanitize(
            who.userName or (role.name if role else "") or who.invokedBy or who.principalId or "", 128
        ),
        role=RoleKey(*(sanitize(part, 2048) for part in role)) if role else None,
        session=sanitize(session, 128),
        function=sanitize((scope.credentialsIssuedTo if scope else "") or "", 512),
        is_cross_account_copy=in_another_account or kind == "AWSAccount" or bool(role and not role.name),
        source_identity=sanitize((who.sessionContext.sourceIdentity if who.sessionContext else "") or "", 64),
    )


_principal_cached = lru_cache(maxsize=4096)(_principal)


def _is_role(kind: str, arn: str) -> bool:
    """Return whether a role's session called. Where the type is absent (1.2.2) or does not tell, the ARN does."""
    return kind == "AssumedRole" or ":assumed-role/" in arn or (kind == "Role" and ":role/" in arn)


def _split_id(principal_id: str | None) -> tuple[str, str]:
    found = _AROA.fullmatch(principal_id or "")
    return (found[1], found[2] or "") if found else ("", "")


def _account_in(arn: str | None) -> str:
    """Return the account of an ARN, "" where there is none: any field may be missing, the account's too (1.3)."""
    pieces = (arn or "").split(":", 5)
    return pieces[4] if len(pieces) == 6 and pieces[0] == "arn" else ""


def _session_from_arn(arn: str) -> str:
    pieces = arn.split("/", 2)
    return pieces[2] if len(pieces) == 3 else ""


def _role_from_session(who: UserIdentity, name: str | None, role_id: str) -> RoleKey | None:
    """Return the role of a session's ARN, ``assumed-role/NAME/SESSION``, which has no path (1.3.1), or of its own."""
    account = who.accountId or _account_in(who.arn)
    if ":role/" in (who.arn or ""):
        return RoleKey(account, role_id, who.arn or "", (who.arn or "").rsplit("/", 1)[-1])
    pieces = (who.arn or "").split("/", 2)
    if len(pieces) >= 2 and pieces[0].endswith(":assumed-role"):
        name = pieces[1]
    if not name and not role_id:
        return None
    return RoleKey(account, role_id, "", name or "")
