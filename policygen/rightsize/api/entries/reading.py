"""What the values of one entry mean: who invoked which method of which stage, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from policygen.account.apis import Api, Authorization, Domain, Method
from policygen.rightsize.api.entries.callers import Callers, Signer
from policygen.rightsize.api.entries.outcome import EntryOutcome, entry_outcome
from policygen.rightsize.api.entries.paths import Route
from policygen.rightsize.api.usage import EntryStatus, Invoked

ANYBODY = "*"
_CONNECT = "$connect"
_DISCONNECT = "$disconnect"


class LoggedStage(NamedTuple):
    """A stage that writes an access log."""

    api: Api
    stage: str
    domains: Sequence[Domain] = ()
    """The custom domains that may lead to it."""
    asked: bool = True
    """Whether its entries are asked for."""


class Reading(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """What an entry shows."""

    invoked: Invoked
    resource: str = ""
    """ARN that the caller asked for, or the pattern of the method's; "" where it is not known."""
    context: tuple[tuple[str, str], ...] = ()
    """Condition keys with their values."""
    why: str = ""
    """Why it is not `mapped`, for the user."""

    @property
    def status(self) -> EntryStatus:
        """What it shows, in a word."""
        return self.invoked.status


def unknown(status: EntryStatus, why: str) -> Reading:
    """Return the reading of an entry that tells nothing."""
    return Reading(Invoked(status, "", "", "", "", "", ""), why=why)


def read_values(place: LoggedStage, values: Mapping[str, str], callers: Callers) -> Reading:
    """Return what an entry shows.

    Args:
        place: the stage that wrote it.
        values: variable -> value of those that its format has, "" for nothing.
        callers: those that are known.

    Raises:
        Contradiction: the values name two different callers.
    """
    api = place.api
    caller = callers.find(values, api.partition)
    route = Route(api, place.stage, values, place.domains)
    outcome = entry_outcome(values)
    status, why = _status(api, route, caller, values, outcome)
    signed = status in {"mapped", "denied", "unauthenticated", "unmapped"} or (
        status == "weak" and _authorization(api, route.method) == "AWS_IAM"
    )
    who = (caller or Signer("")) if signed else Signer(ANYBODY)
    address, endpoint, vpc = (values.get(f"identity.{one}", "") for one in ("sourceIp", "vpceId", "vpcId"))
    invoked = Invoked(
        status,
        who.principal,
        who.account,
        api.id,
        place.stage,
        "" if api.protocol == "WEBSOCKET" else route.verb,
        route.method.path if route.method else "",
        address,
        endpoint,
        vpc,
        values.get("identity.apiKeyId", ""),
        values.get("authorizer.principalId", "") or values.get("authorizer.claims.sub", ""),
        values.get("identity.principalOrgId", "") if signed else "",
    )
    return Reading(invoked, route.resource, _context(api, invoked), why)


def _authorization(api: Api, method: Method | None) -> Authorization:
    """Return what a request to a method needs; that to ``$connect`` also stands for the messages that follow it.

    Source: apigateway-websocket-api-route-keys-connect-disconnect and apigateway-websocket-control-access-iam.
    """
    if method is None:
        return "NONE"
    if api.protocol == "WEBSOCKET" and method.authorization == "NONE" and method.path != _DISCONNECT:
        return next((one.authorization for one in api.methods if one.path == _CONNECT), "NONE")
    return method.authorization


def _status(
    api: Api, route: Route, caller: Signer | None, values: Mapping[str, str], outcome: EntryOutcome
) -> tuple[EntryStatus, str]:
    """Return what an entry shows, and why not more."""
    method = route.method
    if outcome in {"denied", "unauthenticated"}:
        return outcome, _refusal(values)
    if method is None or not route.resource:
        return "unmapped", "the entry does not say the method, or the API has none for it"
    authorization = _authorization(api, method)
    if authorization == "AWS_IAM":
        if caller is None:
            logged = any(f"identity.{one}" in values for one in ("userArn", "caller", "user"))
            named = f"{method.name} takes signed requests only, and nobody signed"
            return "unmapped", named if logged else "the format does not say who called"
        if caller.gone:
            return "unmapped", f"{caller.principal} is gone: another role or user has its name today"
        return ("weak", _weak(values)) if outcome == "weak" else ("mapped", "")
    if outcome == "weak":
        return "weak", _weak(values)
    return ("anonymous", "") if authorization == "NONE" else ("authorizer", "")


def _refusal(values: Mapping[str, str]) -> str:
    return values.get("error.responseType") or f"status {values.get('status') or 'not known'}"


def _weak(values: Mapping[str, str]) -> str:
    return f"{_refusal(values)}: it may have failed before anybody asked whether the caller may"


def _context(api: Api, invoked: Invoked) -> tuple[tuple[str, str], ...]:
    """Return the condition keys that the entry tells; behind a VPC endpoint the address is another key's."""
    private = api.private or bool(invoked.endpoint)
    known = {
        "aws:VpcSourceIp" if private else "aws:SourceIp": invoked.address,
        "aws:SourceVpce": invoked.endpoint,
        "aws:SourceVpc": invoked.vpc if private else "",
        "aws:PrincipalOrgID": invoked.organization,
    }
    return tuple((key, value) for key, value in known.items() if value)
