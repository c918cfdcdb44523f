"""The policy that each caller needs for an API: its methods, cut to what its policies of today allow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from policygen.account.apis import Api
from policygen.account.fixed_roles import fixed_role
from policygen.errors import GateError
from policygen.iam import arn
from policygen.iam.document import Policy, Statement, deny_statements
from policygen.iam.grants import Grant, inside_statements, maximal
from policygen.iam.party import Party
from policygen.rightsize.api.question import INVOKE, World, known_caller
from policygen.rightsize.api.resource import widest
from policygen.rightsize.api.uses import ApiUse
from policygen.rightsize.decisions.model import Decisions
from policygen.rightsize.generate.intersect import cut_to_policies
from policygen.rightsize.generate.pack import INLINE_LIMIT, pack, statements_of

SERVICE = "execute-api:*"


class KeptGrant(NamedTuple):
    """A permission that no access log can show, and why it stays."""

    grant: Grant
    why: str


class CallerPolicy(msgspec.Struct, frozen=True):
    """What one caller needs of an API."""

    party: Party
    uses: tuple[ApiUse, ...]
    policy: Policy | None
    """The new policy; None where today's stay."""
    why: str = ""
    """Why there is none, or what it is."""
    today: tuple[Policy, ...] = ()
    kept: tuple[KeptGrant, ...] = ()
    placed: tuple[Policy, ...] = ()
    """The new policy with its name in IAM; several managed ones where it is too long for one."""
    is_managed: bool = False
    """Whether its inline policies leave no room for it, so that it is attached."""

    @property
    def denies(self) -> list[Statement]:
        """The Deny statements of today about API Gateway, each once."""
        return list(dict.fromkeys(one for one in deny_statements(self.today) if _concerns(one)))

    @property
    def is_proposal(self) -> bool:
        """Whether the policies of today are not known, so that it could not be cut to them."""
        return self.policy is not None and not self.today


def caller_policies(
    api: Api, uses: Sequence[ApiUse], world: World, blind: Mapping[str, str], decisions: Decisions
) -> list[CallerPolicy]:
    """Return a policy for each principal that signed its calls.

    Args:
        api: the API.
        uses: its calls.
        world: the accounts that are known.
        blind: names of stages whose logs cannot tell, with the reason.
        decisions: for the roles that are protected.
    """
    by_party: dict[Party, list[ApiUse]] = {}
    for use in uses:
        if use.signed:
            by_party.setdefault(use.party, []).append(use)
    return [
        _caller(api, party, tuple(own), world, blind, decisions) for party, own in sorted(by_party.items())
    ]


def _caller(
    api: Api,
    party: Party,
    uses: tuple[ApiUse, ...],
    world: World,
    blind: Mapping[str, str],
    decisions: Decisions,
) -> CallerPolicy:
    if not party.is_named or party.name.endswith(":root"):
        return CallerPolicy(party, uses, None, "no role or user of that name is known")
    needed = [Grant(INVOKE, resource) for resource in widest(use.resource for use in uses)]
    known = known_caller(world, party)
    if known is None:
        why = "a proposal: no snapshot of its account was given"
        return _placed(api, CallerPolicy(party, uses, Policy(tuple(statements_of(needed))), why), 0)
    if why := _fixed(party, decisions):
        return CallerPolicy(party, uses, None, why)
    if known.missing:
        return CallerPolicy(party, uses, None, "some of its policies were not read")
    policies = tuple(known.policies)
    kept = tuple(_kept(api, blind, policies))
    grants = [piece for grant in needed for piece in cut_to_policies(grant, policies)]
    if not grants:
        return CallerPolicy(party, uses, None, "its own policies do not let it in: the resource policy does")
    stays = [one.grant for one in kept]
    within = statements_of(maximal(stays))
    allows = statements_of(maximal([*stays, *(one for one in grants if not inside_statements(one, within))]))
    caller = CallerPolicy(party, uses, None, today=policies, kept=kept)
    return _placed(api, replace(caller, policy=Policy((*allows, *caller.denies))), _inline(api, world, party))


def _inline(api: Api, world: World, party: Party) -> int:
    """Return the characters of a role's inline policies, without the one that the new policy replaces."""
    account = world.accounts[party.account]
    found = [role.policies for role in account.roles if role.key.arn == party.name]
    return sum(one.size for several in found for one in several if one.name != inline_name(api))


def inline_name(api: Api) -> str:
    """Return the name of a caller's inline policy."""
    return f"invoke-{api.id}"


USER_LIMIT = 2048
"""Characters of all inline policies of a user together (4.2)."""


def _placed(api: Api, caller: CallerPolicy, beside: int) -> CallerPolicy:
    """Return a caller with its policy as IAM takes it: inline, or managed where that has no room.

    Args:
        api: the API.
        caller: with its new policy.
        beside: characters of its other inline policies, as far as they are known.
    """
    if caller.policy is None:
        return caller
    most = INLINE_LIMIT if caller.party.is_role else USER_LIMIT
    if caller.policy.size + beside <= most:
        return replace(caller, placed=(replace(caller.policy, name=inline_name(api)),))
    name = f"{caller.party.name.rpartition('/')[2]}-{inline_name(api)}"
    try:
        parts = pack(caller.policy.statements, name, with_sids=False, inline=False)
    except GateError as error:
        return replace(caller, policy=None, why=f"its new policy fits nowhere: {error.message}")
    full = (
        f"{beside:,} of {most:,} characters of inline policies are taken"
        if beside
        else f"more than {most:,} characters"
    )
    how = "a managed policy" if len(parts) == 1 else f"{len(parts)} managed policies"
    why = "; ".join(filter(None, [caller.why, f"as {how}: {full}"]))
    return replace(caller, placed=parts, is_managed=True, why=why)


def _fixed(party: Party, decisions: Decisions) -> str:
    """Return why a caller cannot be edited; "" where it can."""
    name = party.name.rpartition("/")[2]
    if fixed := fixed_role(name, party.name):
        return fixed.reason
    protection = decisions.protection(name) if party.is_role else None
    return f"protected: {protection.reason}" if protection else ""


def _kept(api: Api, blind: Mapping[str, str], policies: Sequence[Policy]) -> Iterator[KeptGrant]:
    """Yield what the logs could not show and today's policies grant."""
    for wanted in _untold(api, blind):
        for piece in cut_to_policies(wanted.grant, policies):
            yield KeptGrant(piece, wanted.why)


def _untold(api: Api, blind: Mapping[str, str]) -> Iterator[KeptGrant]:
    for stage in api.stages:
        place = f"{api.arn}/{arn.escape(stage.name)}"
        if why := blind.get(stage.name):
            yield KeptGrant(Grant(INVOKE, f"{place}/*"), f"{stage.name}: {why}")
        if stage.caches:
            yield KeptGrant(
                Grant("execute-api:InvalidateCache", f"{place}/*"),
                "no log shows who asks to invalidate a cache",
            )
        if api.protocol == "WEBSOCKET":
            yield KeptGrant(
                Grant("execute-api:ManageConnections", f"{place}/*/@connections/*"),
                "no log shows who sends to connections",
            )


def _concerns(deny: Statement) -> bool:
    if deny.not_actions:
        return not any(arn.action_contains(one, SERVICE) for one in deny.actions)
    return any(arn.action_overlaps(one, SERVICE) for one in deny.actions)
