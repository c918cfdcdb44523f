"""What an error code proves about the permission that a call needed, and what the message names of a denial."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Literal, cast

import msgspec

from policygen.files import read_package_table
from policygen.text import sanitize

CodeMeaning = Literal["denied", "unauthenticated", "dependency", "used"]


class Denial(msgspec.Struct, frozen=True, gc=False):
    """What an AccessDenied message names (1.11); "" for what it does not name.

    `policy_type` is AWS's term for the policy that denied: ``identity-based``, ``resource-based``,
    ``service control``, ``permissions boundary`` …; `explicit` is true for an explicit deny.
    """

    action: str = ""
    resource: str = ""
    policy_type: str = ""
    explicit: bool = False
    is_dependency: bool = False
    """Whether only a dependent part of the call was refused: then the call itself was authorised (1.10.1)."""


class Outcome(StrEnum):
    """What an event proves about the permission it needed (1.10.5)."""

    USED = "used"
    """The call was authorised: it succeeded, or failed on something that AWS checks after the permission."""
    WEAK = "weak"
    """Unknown whether it was authorised: throttling and validation may come before the permission check (1.10.4)."""
    DENIED = "denied"
    UNAUTHENTICATED = "unauthenticated"
    """The credentials were refused, which proves nothing about permissions (1.10.2)."""


Result = Literal["succeeded", "failed", "denied", "expired", "refused"]
"""How a call ended. ``failed``: with an error that is no denial; ``expired`` and ``refused``: its credentials were."""

UNSUCCESSFUL: frozenset[Result] = frozenset({"denied", "expired", "refused"})
"""Results of calls that AWS did not authorise."""


def result_of(outcome: Outcome, error: str) -> Result:
    """Return how a call ended, in a word for people."""
    if outcome is Outcome.DENIED:
        return "denied"
    if outcome is Outcome.UNAUTHENTICATED:
        return "expired" if "expired" in error.lower() else "refused"
    return "failed" if error else "succeeded"


# Error codes that mean "not authorised", over records and all service models (1.10.1).
_DENIED = re.compile(
    r"(\w*AccessDenied(Exception|Fault|ForDependencyException)?"
    r"|Unauthorized(Operation|Exception|ClientException|OperationException|Error|ResourceAccessException)?"
    r"|(Access)?Forbidden(Exception|Error)?|NotAuthorized(Exception)?|AuthorizationError(Exception)?"
    r"|Insufficient(Permissions|Privileges)(Exception)?)",
    re.I,
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
# A prefix other than "Access" names the part that was refused: KMS, EC2, S3 … (1.10.1).
_DEPENDENCY = re.compile(r"(?P<part>KMS|Kms|EC2|S3|EFS|Dependency)\.?AccessDenied\w*")

_BETWEEN_WORDS = re.compile(r"[\s_-]+")
_FAULT = re.compile(r"(?:Client|Server)\.")


def plain_code(code: str) -> str:
    """Return an error code without what protocols and services write around it.

    EC2 writes ``Client.`` or ``Server.`` before it, Smithy's protocols a namespace (``aws.protocoltests#FooError``) and
    a URI behind it (``FooError:http://amazon.com/smithy/``); clients are told to take both away
    (https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html).
    """
    name = code.strip().rpartition("#")[2].partition(":")[0].strip()
    return _FAULT.sub("", name, count=1) if _FAULT.match(name) else name


TELLING_CODES = "denied|unauthorized|forbidden|authoriz|insufficient|notpermitted|invalidaccess"
"""A pattern for the codes, in any case, whose error message may name what was denied: all that mean a denial."""

# The end of a resource without quotes is told by what follows; the names of objects have spaces.
_MESSAGE = re.compile(
    r"[Nn]ot authorized to perform:?\s+(?P<action>[A-Za-z0-9-]+:[A-Za-z0-9*]+)"
    r'(?:\s+on\s+(?:the\s+)?resource:?\s+(?:"(?P<quoted>[^"]*)"'
    r"|(?P<bare>arn:[^\"]*?(?=\s+because\s+no\s|\s+with\s+an\s+explicit\s+deny)|\S+)))?",
)
_IMPLICIT = re.compile(r"because no (?P<type>[a-zA-Z -]+?) allows the")
_EXPLICIT = re.compile(
    r"with an explicit deny(?: in (?:a|an|the) (?P<type>[a-zA-Z -]+?)(?:\s*[:,.]|\s+with\b|$))?"
)
_LONGEST_MESSAGE = 1024
"""Bytes of an error message after which CloudTrail cuts it (1.1.5)."""
_POLICY_WORD = re.compile(r"\s+polic(?:y|ies)$")


@cache
def _meanings() -> Mapping[tuple[str, str], CodeMeaning]:
    """Return the table of error codes: (event source or "any", code) -> what it means."""
    table = cast(
        "dict[CodeMeaning, dict[str, list[str]]]",
        read_package_table("policygen.logs.events", "error_codes.toml"),
    )
    return {
        (source, code): meaning
        for meaning, by_source in table.items()
        for source, codes in by_source.items()
        for code in codes
    }


def _meaning(code: str, source: str) -> CodeMeaning | None:
    table = _meanings()
    return table.get((source, code)) or table.get(("any", code))


def outcome_of(code: str, source: str = "") -> Outcome:
    """Return what an error code of an event source proves; "" is success. `code` comes without its ``Client.`` prefix.

    Any other error of a service is taken to be raised after the permission check: the call counts as used, because a
    policy that allows too little breaks the workload (1.10.5).
    """
    if not code:
        return Outcome.USED
    if meaning := _meaning(code, source):
        return _OUTCOMES[meaning]
    if _DENIED.fullmatch(_BETWEEN_WORDS.sub("", code)) or code == "VpceAccessDenied":
        return Outcome.DENIED
    if code in _UNAUTHENTICATED:
        return Outcome.UNAUTHENTICATED
    return Outcome.WEAK if _WEAK.fullmatch(code) else Outcome.USED


_OUTCOMES: Mapping[CodeMeaning, Outcome] = {
    "denied": Outcome.DENIED,
    "unauthenticated": Outcome.UNAUTHENTICATED,
    "dependency": Outcome.DENIED,
    "used": Outcome.USED,
}


def denial_of(code: str, message: str, source: str = "") -> Denial:
    """Return what an AccessDenied message of an event source names (1.11); "" for what it does not name."""
    found = _MESSAGE.search(message)
    if found and found.end() == len(message) and len(message.encode(errors="replace")) >= _LONGEST_MESSAGE:
        found = None  # the name may have been cut
    service, _, name = found["action"].partition(":") if found else ("", "", "")
    action = f"{service.lower()}:{name}" if found else ""  # SNS writes its prefix in capitals
    resource = (found["quoted"] or found["bare"] or "") if found else ""
    if not found or found["quoted"] is None:
        resource = resource.rstrip(".,")
    explicit = _EXPLICIT.search(message)
    implicit = _IMPLICIT.search(message)
    kind = explicit or implicit
    policy_type = _POLICY_WORD.sub("", (kind["type"] or "").strip()) if kind else ""
    if code == "VpceAccessDenied" or "due to a VPC endpoint policy" in message:
        policy_type = "VPC endpoint"
    part = _DEPENDENCY.fullmatch(code)
    dependency = part is not None or _meaning(code, source) == "dependency"
    if not policy_type and dependency:
        policy_type = f"dependency ({part['part'].upper()})" if part else "dependency"
    return Denial(
        sanitize(action),
        sanitize(resource, 1024),
        sanitize(policy_type, 64),
        explicit is not None,
        dependency,
    )
