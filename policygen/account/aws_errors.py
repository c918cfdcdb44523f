"""Translate botocore's errors into errors that say what went wrong and what to do next.

The tables are keyed by class name, so that botocore need not be imported to read them, and a class that exists only in
newer versions (``LoginRefreshRequired``) does no harm in older ones. A class that is not in a table is classified by
its parents; any other error is PG-E105, with botocore's own text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple, TypeGuard

from policygen.errors import AwsError
from policygen.text import sanitize

PERMISSIONS_HINT = "what policygen needs is read-only, and printed by: policygen permissions"
_OFFLINE_HINT = "no AWS needed on files: --logs DIR --snapshot FILE"

_Kind = Literal[
    "missing", "invalid", "expired", "unreachable", "throttled", "denied", "region", "config", "other"
]

_CLASSES: Mapping[str, _Kind] = {
    "NoCredentialsError": "missing",
    "NoAuthTokenError": "missing",
    "PartialCredentialsError": "invalid",
    "CredentialRetrievalError": "invalid",
    "MetadataRetrievalError": "invalid",
    "UnknownCredentialError": "invalid",
    "LoginInsufficientPermissions": "invalid",
    "RefreshWithMFAUnsupportedError": "expired",
    "SSOError": "expired",
    "TokenRetrievalError": "expired",
    "LoginError": "expired",
    "ConnectionError": "unreachable",
    "HTTPClientError": "unreachable",
    "NoRegionError": "region",
    "InvalidRegionError": "region",
    "UnknownRegionError": "region",
    "ServiceNotInRegionError": "region",
    "ProfileNotFound": "config",
    "ConfigParseError": "config",
    "ConfigNotFound": "config",
    "InvalidConfigError": "config",
    "InvalidProxiesConfigError": "config",
    "InvalidRetryConfigurationError": "config",
    "InvalidRetryModeError": "config",
    "InvalidDefaultsMode": "config",
    "InvalidSTSRegionalEndpointsConfigError": "config",
    "UnknownTokenProviderError": "config",
    "MissingDependencyException": "config",
    "BotoCoreError": "other",
}

_CODES: Mapping[str, _Kind] = {
    "AccessDenied": "denied",
    "AccessDeniedException": "denied",
    "AuthorizationError": "denied",
    "UnauthorizedOperation": "denied",
    "ExpiredToken": "expired",
    "ExpiredTokenException": "expired",
    "TokenRefreshRequired": "expired",
    "AuthFailure": "invalid",
    "IncompleteSignature": "invalid",
    "InvalidAccessKeyId": "invalid",
    "InvalidClientTokenId": "invalid",
    "InvalidSignatureException": "invalid",
    "InvalidToken": "invalid",
    "RequestExpired": "invalid",
    "RequestTimeTooSkewed": "invalid",
    "SignatureDoesNotMatch": "invalid",
    "UnrecognizedClientException": "invalid",
    "BandwidthLimitExceeded": "throttled",
    "MaxConcurrentQueriesException": "throttled",
    "PriorRequestNotComplete": "throttled",
    "RequestLimitExceeded": "throttled",
    "RequestThrottled": "throttled",
    "RequestThrottledException": "throttled",
    "SlowDown": "throttled",
    "ThrottledException": "throttled",
    "Throttling": "throttled",
    "ThrottlingException": "throttled",
    "TooManyRequestsException": "throttled",
    "TransactionInProgressException": "throttled",
}

# The sentence of an AccessDenied message; each clause after the action may be absent (1.11).
_DENIAL = re.compile(
    r"User: (?P<user>\S+) is not authorized to perform: (?P<action>[\w-]+:\w+)"
    r"(?: on resource: (?P<resource>.+?))?(?: because (?P<reason>.+)| with (?P<deny>an explicit deny.*))?$"
)


class DenialMessage(NamedTuple):
    """The parts of AWS's message about a denied call; "" for a part that it does not have."""

    principal: str
    action: str
    resource: str
    reason: str


def is_aws_error(error: BaseException) -> TypeGuard[Exception]:
    """Return whether botocore raised the error: a ``BotoCoreError`` or a ``ClientError``."""
    return any(
        cls.__name__ in ("BotoCoreError", "ClientError") and cls.__module__ == "botocore.exceptions"
        for cls in type(error).__mro__
    )


def error_code(error: BaseException) -> str:
    """Return the service's error code of a ``ClientError``, "" for any other error."""
    return sanitize(_details(error).get("Code"))


def is_denied(error: BaseException) -> bool:
    """Return whether AWS says that the caller lacks a permission."""
    return _CODES.get(error_code(error)) == "denied"


def is_throttled(error: BaseException) -> bool:
    """Return whether AWS says that there were too many calls, so that the same one may succeed later."""
    return _CODES.get(error_code(error)) == "throttled"


def translate(error: Exception, *, service: str = "", principal: str = "", profile: str = "") -> AwsError:
    """Return the error that the user sees instead of botocore's.

    Args:
        error: any exception of botocore.
        service: IAM prefix of the called service, used where AWS's message does not name the action.
        principal: short name of the caller, used where AWS's message does not name it.
        profile: the profile in use, for the hints.
    """
    kind = _kind(error)
    text = sanitize(" ".join(str(error).split()), 400)
    named = f"profile {sanitize(profile)!r}" if profile else ""
    login = f"aws sso login --profile {sanitize(profile) or 'NAME'} (or: aws login)"
    match kind:
        case "missing":
            return AwsError(
                "no AWS credentials",
                f"looked at: environment, {named or 'default profile'}, container, instance metadata",
                f"{login}, then add --profile {sanitize(profile) or 'NAME'}",
                _OFFLINE_HINT,
                code="PG-E101",
            )
        case "invalid":
            return AwsError(
                f"AWS credentials of {named or 'the environment'} cannot be used: {text}",
                "aws sts get-caller-identity shows whether they work; a wrong clock breaks them too",
                "a region that the account has not enabled answers like this as well",
                code="PG-E101",
            )
        case "expired":
            who = f"session of {named}" if named else "the AWS session"
            return AwsError(f"{who} has expired or was never opened: {text}", login, code="PG-E102")
        case "unreachable":
            return AwsError(
                f"AWS cannot be reached: {text}",
                "check the network, the region's name and HTTPS_PROXY; a company CA goes in AWS_CA_BUNDLE",
                _OFFLINE_HINT,
                code="PG-E103",
            )
        case "throttled":
            return AwsError(
                f"AWS is limiting the rate of calls: {text}",
                "try again in a minute, or set AWS_RETRY_MODE=adaptive and AWS_MAX_ATTEMPTS=10",
                code="PG-E104",
            )
        case "denied":
            return _translate_denial(error, service, principal)
        case "region":
            return AwsError(
                f"no usable AWS region: {text}", "add --region NAME, or set AWS_REGION", code="PG-E106"
            )
        case "config":
            return AwsError(
                f"AWS configuration cannot be used: {text}",
                "aws configure list-profiles shows the profiles; AWS_PROFILE may name another one",
                _OFFLINE_HINT,
                code="PG-E107",
            )
        case "other":
            return AwsError(
                f"AWS call failed: {text}", "try again; if it stays, report it with this line", code="PG-E105"
            )


@contextmanager
def translated(*, service: str = "", principal: str = "", profile: str = "") -> Iterator[None]:
    """Convert botocore's exceptions in the block to `AwsError`; others pass.

    Raises:
        AwsError: as `translate` returns it; the original is its ``__cause__``.
    """
    try:
        yield
    except Exception as error:
        if not is_aws_error(error):
            raise
        raise translate(error, service=service, principal=principal, profile=profile) from error


def read_denial(message: str) -> DenialMessage:
    """Return the parts of AWS's AccessDenied message; all are "" where it has another form."""
    match = _DENIAL.search(message)
    if match is None:
        return DenialMessage("", "", "", "")
    return DenialMessage(
        sanitize(short_name(match["user"])),
        match["action"],
        sanitize(match["resource"] or "", 1600),
        sanitize(match["reason"] or match["deny"] or ""),
    )


def _translate_denial(error: Exception, service: str, principal: str) -> AwsError:
    denied = read_denial(str(_details(error).get("Message") or ""))
    operation = sanitize(getattr(error, "operation_name", ""))
    who = denied.principal or sanitize(principal) or "the caller"
    what = denied.action or (f"{service}:{operation}" if service else operation)
    where = f" on {denied.resource.removeprefix('role ')}" if denied.resource not in ("", "*") else ""
    hints = [PERMISSIONS_HINT]
    if denied.reason:
        hints.append(f"AWS says: {denied.reason}")
    return AwsError(f"{who} may not call {what}{where}", *hints, code="PG-E110")


def _kind(error: Exception) -> _Kind:
    code = error_code(error)
    if code in _CODES:
        return _CODES[code]
    names = (cls.__name__ for cls in type(error).__mro__ if cls.__module__ == "botocore.exceptions")
    return next((_CLASSES[name] for name in names if name in _CLASSES), "other")


def _details(error: BaseException) -> Mapping[str, Any]:
    response = getattr(error, "response", None)
    details = response.get("Error") if isinstance(response, Mapping) else None
    return details if isinstance(details, Mapping) else {}


def short_name(arn: str) -> str:
    """Return ``policygen-reader`` for the ARN of that role, session or user; the ARN itself where it has no name."""
    kind, _, name = arn.rpartition(":")[2].partition("/")
    return name.split("/")[0] if kind == "assumed-role" else name.rpartition("/")[2] or arn
