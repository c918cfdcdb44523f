"""What an error code proves about the permission that a call needed, and what the message names of a denial."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from policygen.text import sanitize


@dataclass(frozen=True, slots=True)
class Denial:
    """What an AccessDenied message names (1.11); "" for what it does not name.

    `policy_type` is AWS's term for the policy that denied: ``identity-based``, ``resource-based``,
    ``service control``, ``permissions boundary`` …; `explicit` is true for an explicit deny.
    """

    action: str = ""
    resource: str = ""
    policy_type: str = ""
    explicit: bool = False

    @property
    def is_dependency(self) -> bool:
        """Whether only a dependent part of the call was refused: then the call itself was authorised (1.10.1)."""
        return self.policy_type.startswith(_DEPENDENCY_TYPE)


class Outcome(StrEnum):
    """What an event proves about the permission it needed (1.10.5)."""

    USED = "used"
    """The call was authorised: it succeeded, or failed on something that AWS checks after the permission."""
    WEAK = "weak"
    """Unknown whether it was authorised: throttling and validation may come before the permission check (1.10.4)."""
    DENIED = "denied"
    UNAUTHENTICATED = "unauthenticated"
    """The credentials were refused, which proves nothing about permissions (1.10.2)."""


# Error codes that mean "not authorised", over records and all service models (1.10.1).
_DENIED = re.compile(
    r"(\w*AccessDenied(Exception|Fault|ForDependencyException)?"
    r"|Unauthorized(Operation|Exception|ClientException|OperationException|Error|ResourceAccessException)?"
    r"|(Access)?Forbidden(Exception|Error)?|NotAuthorized(Exception)?|AuthorizationError(Exception)?"
    r"|Insufficient(Permissions|Privileges)(Exception)?)"
)
_UNAUTHENTICATED = frozenset(
    {
        "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException",
        "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure",
        "MissingAuthenticationToken", "MissingAuthenticationTokenException", "IncompleteSignature",
        "RequestExpired", "RequestTimeTooSkewed", "InvalidToken", "TokenRefreshRequired", "AccessKeyIdInvalid",
    }
)  # fmt: skip
_WEAK = re.compile(
    r"(Throttl\w*|\w*Throttled\w*|ThrottlingException|RequestLimitExceeded|TooManyRequests\w*|SlowDown|ServiceUnavailable\w*"
    r"|InternalError\w*|InternalFailure|InternalServer\w*|Validation\w*|InvalidParameter\w*|MissingParameter\w*"
    r"|MalformedQueryString|InvalidRequest\w*|UnknownOperation\w*|UnsupportedOperation|SerializationException)"
)
# User pools return this for a wrong password or token of an end user, after IAM let the caller in; IAM's own refusal is
# AccessDeniedException there (https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/CommonErrors.html).
_END_USER = ("cognito-idp.amazonaws.com", "NotAuthorizedException")
_DEPENDENCY_TYPE = "dependency"
# A prefix other than "Access" names the part that was refused: KMS, EC2, S3 … (1.10.1).
_DEPENDENCY = re.compile(r"(?P<part>KMS|Kms|EC2|S3|EFS|Dependency)AccessDenied\w*")

_MESSAGE = re.compile(
    r"not authorized to perform:?\s+(?P<action>[A-Za-z0-9-]+:[A-Za-z0-9*]+)"
    r'(?:\s+on\s+resource:?\s+(?:"(?P<quoted>[^"]*)"|(?P<bare>\S+)))?',
)
_IMPLICIT = re.compile(r"because no (?P<type>[a-zA-Z -]+?) allows the")
_EXPLICIT = re.compile(
    r"with an explicit deny in (?:a|an|the) (?P<type>[a-zA-Z -]+?)(?:\s*[:,.]|\s+with\b|$)"
)
_POLICY_WORD = re.compile(r"\s+polic(?:y|ies)$")


def outcome_of(code: str, source: str = "") -> Outcome:
    """Return what an error code of an event source proves; "" is success. `code` comes without its ``Client.`` prefix.

    Any other error of a service is taken to be raised after the permission check: the call counts as used, because a
    policy that allows too little breaks the workload (1.10.5).
    """
    if not code or (source, code) == _END_USER:
        return Outcome.USED
    if _DENIED.fullmatch(code) or code == "VpceAccessDenied":
        return Outcome.DENIED
    if code in _UNAUTHENTICATED:
        return Outcome.UNAUTHENTICATED
    return Outcome.WEAK if _WEAK.fullmatch(code) else Outcome.USED


def denial_of(code: str, message: str) -> Denial:
    """Return what an AccessDenied message names (1.11); "" for what it does not name."""
    found = _MESSAGE.search(message)
    action = found["action"] if found else ""
    resource = (found["quoted"] or found["bare"] or "") if found else ""
    if not found or found["quoted"] is None:
        resource = resource.rstrip(".,")
    explicit = _EXPLICIT.search(message)
    implicit = _IMPLICIT.search(message)
    kind = explicit or implicit
    policy_type = _POLICY_WORD.sub("", kind["type"].strip()) if kind else ""
    if code == "VpceAccessDenied" or "due to a VPC endpoint policy" in message:
        policy_type = "VPC endpoint"
    if not policy_type and (part := _DEPENDENCY.fullmatch(code)):
        policy_type = f"{_DEPENDENCY_TYPE} ({part['part'].upper()})"
    return Denial(sanitize(action), sanitize(resource, 1024), sanitize(policy_type, 64), explicit is not None)
