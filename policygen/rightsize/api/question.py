"""The access request behind a call of an API: who asks, on which ARN, with which condition keys, known or not.

Source: API Gateway Developer Guide, apigateway-resource-policies-aws-condition-keys; IAM User Guide,
reference_policies_condition-keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from policygen.account.apis import Api, Endpoint
from policygen.account.model import Accounts
from policygen.iam.conditions import ContextFacts, context_facts
from policygen.iam.document import Policy
from policygen.iam.party import NOBODY, Party, Principals, party_facts
from policygen.iam.request import AccessRequest
from policygen.iam.resource_policy import (
    PrincipalStatement,
    ResourcePolicy,
    ResourcePolicyEvaluator,
    Verdict,
)
from policygen.rightsize.api.routing import request_arn

INVOKE = "execute-api:Invoke"

Layer = Literal[
    "method",
    "resource policy",
    "identity",
    "boundary",
    "session policy",
    "organization",
    "authorizer",
    "endpoint",
]
"""Whose word decides."""

_LEFT_OPEN = (
    "aws:SourceIp", "aws:VpcSourceIp", "aws:SourceVpc", "aws:SourceVpce", "aws:CurrentTime", "aws:EpochTime",
    "aws:TokenIssueTime", "aws:MultiFactorAuthPresent", "aws:MultiFactorAuthAge", "aws:UserAgent", "aws:Referer",
)  # fmt: skip
"""Keys that a request may have and that nothing but the request itself tells."""
_PRIVATE_ONLY = ("aws:VpcSourceIp", "aws:SourceVpc", "aws:SourceVpce")
_SIGNED_ONLY = ("aws:TokenIssueTime", "aws:MultiFactorAuthPresent", "aws:MultiFactorAuthAge")
_EVERYONE = Principals((("AWS", "*"),))


@dataclass(frozen=True, slots=True)
class World:
    """The accounts that are known, by id."""

    accounts: Accounts

    def api(self, api_id: str) -> Api | None:
        """Return an API by its id."""
        found = (one for account in self.accounts.values() for one in account.gateway.apis or ())
        return next((one for one in found if one.id == api_id), None)

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        """Return a VPC endpoint by its id."""
        found = (one for account in self.accounts.values() for one in account.gateway.endpoints or ())
        return next((one for one in found if one.id == endpoint_id), None)


@dataclass(frozen=True, slots=True)
class Authorized:
    """What an authorizer answered: allow, deny or unauthenticated, and the policy that it returned."""

    outcome: str
    policy: Policy | None = None


@dataclass(frozen=True, slots=True)
class Invocation:
    """A request to an API, as far as it is known.

    `verb` is the route's key for a WebSocket API. `context` are the condition keys that are known of the request.
    """

    api: str
    stage: str
    verb: str
    path: str
    caller: Party = NOBODY
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    endpoint: str = ""
    """Id of the VPC endpoint through which it comes; "" for none, or where it is not known."""
    session_policy: Policy | None = None
    authorized: Authorized | None = None


class Said(NamedTuple):
    """What policies of one kind say at best and at worst, over all values of what is not known."""

    best: Verdict
    worst: Verdict
    layer: Layer
    who: str = ""
    """For the best: how the Allow names the caller; see `Naming`."""
    names_session: bool = False
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InvokeQuestion:
    """The access request behind an invocation, asked of one policy after the other."""

    request: AccessRequest
    party: Party
    facts: ContextFacts

    def say(self, layer: Layer, policies: Iterable[ResourcePolicy]) -> Said:
        """Return what policies of one kind say together: one Deny wins, else one Allow."""
        found = [
            ResourcePolicyEvaluator(one).decide(self.request, self.party, self.facts) for one in policies
        ]
        best = _together(one.best for one in found)
        worst = _together(one.worst for one in found)
        allows = [one for one in found if one.best == "ALLOWED"]
        first = max(allows, key=lambda one: one.naming == "direct", default=None)
        session = self.party.session_arn
        named = first.statement.principals.entries if first and first.statement else ()
        return Said(
            best,
            worst,
            layer,
            first.naming if first else "",
            bool(session) and ("AWS", session) in named,
            tuple(sorted({key for one in found for key in one.unknown_keys})),
        )

    def say_bare(self, layer: Layer, policies: Iterable[Policy]) -> Said:
        """Return what policies without principals say together."""
        return self.say(layer, [_with_everyone(one) for one in policies])


def _with_everyone(policy: Policy) -> ResourcePolicy:
    """Return a policy without principals as one about everyone: it is asked about its own principal only."""
    statements = tuple(PrincipalStatement(_EVERYONE, one) for one in policy.statements)
    return ResourcePolicy(statements, name=policy.name)


def _together(verdicts: Iterable[Verdict]) -> Verdict:
    found = set(verdicts)
    return next((one for one in ("EXPLICIT_DENY", "ALLOWED") if one in found), "IMPLICIT_DENY")


def question_of(world: World, api: Api, asked: Invocation, party: Party) -> InvokeQuestion:
    """Return the access request behind an invocation, as its policies are asked about it.

    Args:
        world: the accounts that are known.
        api: the API that is asked.
        asked: the request.
        party: who asks, as far as API Gateway knows: nobody where the method takes unsigned requests.
    """
    resource = request_arn(api, asked.stage, asked.verb, asked.path)
    known: dict[str, tuple[str, ...]] = {
        **party_facts(party).values,
        **context_facts((("aws:SecureTransport", ("true",)),)).values,  # it has no other transport
    }
    untold = {key.lower() for key in _LEFT_OPEN}
    if not api.private:
        known |= dict.fromkeys(map(str.lower, _PRIVATE_ONLY), ())
    if not party.kind:
        known |= dict.fromkeys(map(str.lower, _SIGNED_ONLY), ())
    elif party.is_role and not party.session:
        untold.add("aws:userid")
    if asked.endpoint:
        known["aws:sourcevpce"] = (asked.endpoint,)
        if endpoint := world.endpoint(asked.endpoint):
            known["aws:sourcevpc"] = (endpoint.vpc,)
    tags = _tags(world, party)
    if tags is None:
        untold.add("aws:principaltag")
    else:
        known |= {f"aws:principaltag/{key}".lower(): (value,) for key, value in tags.items()}
    organization = _organization(world, party)
    if organization is None:
        untold |= {"aws:principalorgid", "aws:principalorgpaths"}
    elif organization:
        known["aws:principalorgid"] = (organization,)
        untold.add("aws:principalorgpaths")
    known |= {key.lower(): values for key, values in asked.context.items()}
    return InvokeQuestion(
        AccessRequest(INVOKE, resource), party, ContextFacts(known, True, frozenset(untold))
    )


def _tags(world: World, party: Party) -> Mapping[str, str] | None:
    """Return the tags of a caller; None where they are not known. A session's own tags are known to nobody."""
    if party.kind != "AWS":
        return {}
    found = known_caller(world, party)
    return found.tags if found else None


def _organization(world: World, party: Party) -> str | None:
    """Return the id of a caller's organization; "" for none, None where it is not known."""
    if party.kind != "AWS":
        return ""
    account = world.accounts.get(party.account)
    if account is None:
        return None
    if account.organization_id:
        return account.organization_id
    return "" if account.management is False and account.scps == () else None


class KnownCaller(NamedTuple):
    """What a snapshot says of a caller."""

    policies: Sequence[Policy]
    missing: bool
    """Whether some documents were not read."""
    boundary: Policy | None
    tags: Mapping[str, str]
    levels: Sequence[Sequence[Policy]] | None


def known_caller(world: World, party: Party) -> KnownCaller | None:
    """Return what a snapshot says of a caller; None where no snapshot has it."""
    account = world.accounts.get(party.account)
    if account is None:
        return None
    if role := next((one for one in account.roles if one.key.arn == party.name), None):
        levels = account.scps_of(role)
        return KnownCaller(role.identity_policies, bool(role.missing), role.boundary, role.tags, levels)
    if user := next((one for one in account.users if one.arn == party.name), None):
        levels = () if account.management else account.scps
        return KnownCaller(user.policies, bool(user.missing), user.boundary, user.tags, levels)
    return None
