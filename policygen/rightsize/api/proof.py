"""The promises on finished policies of an API: its resource policy, and the policies of its callers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from policygen.account.apis import Api
from policygen.account.model import Account
from policygen.iam.document import Policy, allow_statements, deny_statements
from policygen.iam.evaluate import Evaluator
from policygen.iam.grants import Grant, inside_statements, not_contained
from policygen.iam.request import AccessRequest
from policygen.iam.resource_policy import ResourcePolicy, ResourcePolicyEvaluator, not_inside
from policygen.rightsize.api.callers import CallerPolicy
from policygen.rightsize.api.decision import decide, surety
from policygen.rightsize.api.question import INVOKE, World
from policygen.rightsize.api.resource import KeptPiece, WrittenAccess
from policygen.rightsize.api.uses import ApiUse
from policygen.rightsize.principals.letting_in import Entry, LetIn, SpareParts, lost
from policygen.rightsize.principals.owner import Owner
from policygen.rightsize.principals.promise import Promise, promise, shown_statement
from policygen.text import pluralize


class NewResourcePolicy(NamedTuple):
    """A new resource policy as it was read back, and what it rests on."""

    finished: ResourcePolicy
    today: ResourcePolicy
    found: LetIn[ApiUse]
    written: Sequence[WrittenAccess]
    keeps: Sequence[KeptPiece]
    """What must stay."""

    @property
    def uses(self) -> list[ApiUse]:
        """The calls that today's policy lets in, each once."""
        return list(dict.fromkeys(use for several in self.found.uses.values() for use in several))


def prove_api(
    world: World,
    api: Api,
    policy: NewResourcePolicy | None,
    callers: Sequence[CallerPolicy],
    uses: Sequence[ApiUse],
) -> list[Promise]:
    """Check the promises on documents as they were read back.

    Args:
        world: the accounts as they are.
        api: the API as it is.
        policy: its new resource policy; None where today's stays.
        callers: the new policies of callers.
        uses: the calls.
    """
    documents = [one for one in callers if one.policy]
    count = sum(use.evidence.count for use in uses)
    denied = [*_changed_decisions(world, api, policy, callers, uses)]
    owner = Owner(api.account)
    denied += [*_lost(policy, owner)] if policy else []
    denied += [name for one in documents for name in _lost_to_caller(one)]
    spare = [*_spare(policy, owner)] if policy else []
    spare += [name for one in documents for name in _spare_of_caller(one)]
    strange = [*_strange(policy)] if policy else []
    strange += [name for one in documents for name in _strange_to_caller(one)]
    wider = [shown_statement(one) for one in not_inside(policy.finished, policy.today)] if policy else []
    wider += [name for one in documents for name in _wider(one)]
    gone = [*_gone(policy)] if policy else []
    gone += [name for one in documents for name in _gone_from_caller(one)]
    kept = len(policy.keeps) if policy else 0
    kept += sum(len(one.kept) for one in documents)
    seen = sum(1 for one in policy.written if not one.kept) if policy else 0
    seen += len(documents)
    whole = "the 1 observed request is" if len(uses) == 1 else f"all {len(uses):,} observed requests are"
    return [
        promise(
            "sufficient",
            denied,
            f"{whole} allowed ({count:,} times seen)",
            f"{len(denied)} of {pluralize(len(uses), 'observed request')} would be denied",
        ),
        promise("nothing spare", spare, "without any one grant a request is denied", "a grant is spare"),
        promise(
            "accounted for", strange, f"{seen} seen + {kept} kept with a reason", "a grant rests on nothing"
        ),
        promise(
            "never wider",
            wider,
            "allows nothing that today's policies do not allow",
            f"{pluralize(len(wider), 'grant')} not proven to be inside today's",
        ),
        promise(
            "honest",
            gone,
            f"{pluralize(kept, 'grant')} that the logs cannot show stay",
            "a grant was removed unseen",
        ),
    ]


# ---- every decision, with all new policies in their places ---------------------------------------------


def _changed_decisions(
    world: World,
    api: Api,
    policy: NewResourcePolicy | None,
    callers: Iterable[CallerPolicy],
    uses: Iterable[ApiUse],
) -> Iterator[str]:
    changed = replace(api, policy=policy.finished) if policy else api
    after = _with_policies(world, changed, callers)
    for use in uses:
        asked = use.invocation
        if surety(decide(after, changed, asked)) < surety(decide(world, api, asked)):
            yield _name(use)


def _with_policies(world: World, api: Api, callers: Iterable[CallerPolicy]) -> World:
    """Return the accounts with another state of an API, and new policies of callers."""
    own = {one.party.name: one.policy for one in callers if one.policy and not one.is_proposal}
    return World({number: _changed(account, api, own) for number, account in world.accounts.items()})


def _changed(account: Account, api: Api, own: Mapping[str, Policy]) -> Account:
    gateway = account.gateway
    apis = gateway.apis and tuple(api if one.id == api.id else one for one in gateway.apis)
    roles = tuple(
        replace(one, policies=(own[one.key.arn],), attached=()) if one.key.arn in own else one
        for one in account.roles
    )
    users = tuple(replace(one, policies=(own[one.arn],)) if one.arn in own else one for one in account.users)
    return replace(account, gateway=replace(gateway, apis=apis), roles=roles, users=users)


# ---- the resource policy ------------------------------------------------------------------------------


def _lost(policy: NewResourcePolicy, owner: Owner) -> Iterator[str]:
    yield from map(_name, lost(policy.finished, policy.today, policy.uses, owner))


def _spare(policy: NewResourcePolicy, owner: Owner) -> Iterator[str]:
    """Yield principals and methods without which nothing is denied."""
    by_entry: dict[Entry, list[ApiUse]] = {}
    today = ResourcePolicyEvaluator(policy.today)
    kept = {one.entry for one in policy.written if one.kept or one.shared}
    for one in policy.written:
        by_entry.setdefault(one.entry, []).extend(one.seen)
        if not policy.found.unsure.isdisjoint(one.seen) or any(
            today.decide(use.request, use.party, use.facts).best != "ALLOWED" for use in one.seen
        ):
            kept.add(one.entry)
    parts = SpareParts(policy.today, policy.found.unsure, owner)
    for number, entry, resource in _grants(policy.finished):
        mine = by_entry.get(entry, ())
        left = _without(policy.finished, number, entry, resource)
        if entry not in kept and parts.is_spare(left, mine):
            yield f"{entry[1]} on {resource}"


def _grants(policy: ResourcePolicy) -> Iterator[tuple[int, Entry, str]]:
    for number, one in enumerate(policy.statements):
        if one.statement.effect == "Allow" and not (one.principals.negated or one.statement.not_resources):
            yield from (
                (number, entry, resource)
                for entry in one.principals.entries
                for resource in one.statement.resources
            )


def _without(policy: ResourcePolicy, number: int, entry: Entry, resource: str) -> ResourcePolicy:
    """Return a policy in which one principal lacks one resource."""
    one = policy.statements[number]
    others = [other for other in one.principals.entries if other != entry]
    rest = tuple(other for other in one.statement.resources if other != resource)
    between = [one.with_principals(others)] if others else []
    if rest:
        bare = replace(one.statement, resources=rest)
        between.append(replace(one, statement=bare).with_principals([entry]))
    return replace(
        policy, statements=(*policy.statements[:number], *between, *policy.statements[number + 1 :])
    )


def _strange(policy: NewResourcePolicy) -> Iterator[str]:
    """Yield what the policy grants that was neither seen nor kept."""
    told: set[tuple[Entry, str]] = set()
    for one in policy.written:
        if one.kept:
            told.update((one.entry, resource) for resource in one.resources)
            continue
        seen = (
            [other for other in policy.written if other.statement == one.statement] if one.shared else [one]
        )
        told.update((one.entry, use.resource) for other in seen for use in other.seen)
    for _, entry, resource in _grants(policy.finished):
        if (entry, resource) not in told:
            yield f"{entry[1]} on {resource}"


def _gone(policy: NewResourcePolicy) -> Iterator[str]:
    """Yield what had to stay and did not."""
    allows = ResourcePolicy(tuple(policy.finished.allows))
    for one in policy.keeps:
        before = policy.today.statements[one.statement]
        if before.principals.negated:
            missing = before not in policy.finished.statements
        else:
            bare = replace(
                before.statement,
                resources=one.resources,
                not_resources=before.statement.not_resources and one.resources == before.statement.resources,
            )
            kept = replace(before, statement=bare).with_principals([one.entry])
            missing = bool(not_inside(ResourcePolicy((kept,)), allows))
        if missing:
            yield f"{one.entry[1]} on {', '.join(one.resources)}"


# ---- the callers' policies ----------------------------------------------------------------------------


def _requests(caller: CallerPolicy) -> Iterator[AccessRequest]:
    for use in caller.uses:
        context = tuple(sorted(use.facts.values.items()))
        yield AccessRequest(INVOKE, use.resource, context=context, wild=True)


def _lost_to_caller(caller: CallerPolicy) -> Iterator[str]:
    if caller.policy is None:
        return
    new = Evaluator((caller.policy,))
    old = None if caller.is_proposal else Evaluator(caller.today)
    for request in _requests(caller):
        after = new.evaluate(request)
        if after.outcome == "ALLOWED" and after.certain:
            continue
        before = old.evaluate(request) if old else None
        if before is None or (before.outcome == "ALLOWED" and (before.certain or after.outcome != "ALLOWED")):
            yield f"{request.resource} by {caller.party.name}"


def _own_grants(caller: CallerPolicy) -> list[Grant]:
    statements = allow_statements([caller.policy] if caller.policy else [])
    return [
        Grant(action, resource, one.conditions, one.resources if one.not_resources else ())
        for one in statements
        for action in one.actions
        for resource in (("*",) if one.not_resources else one.resources)
    ]


def _spare_of_caller(caller: CallerPolicy) -> Iterator[str]:
    """Yield grants of which another one grants everything: each other one was seen, or is kept."""
    grants = _own_grants(caller)
    for one in grants:
        others = [other for other in grants if other is not one]
        if any(one.inside(other) for other in others):
            yield f"{one.action} on {one.resource} by {caller.party.name}"


def _strange_to_caller(caller: CallerPolicy) -> Iterator[str]:
    kept = {(one.grant.action, one.grant.resource) for one in caller.kept}
    wanted = [Grant(INVOKE, use.resource) for use in caller.uses]
    for one in _own_grants(caller):
        bare = one._replace(conditions=())
        if (one.action, one.resource) not in kept and not any(
            bare.inside(other) or one.excluded for other in wanted
        ):
            yield f"{one.action} on {one.resource} by {caller.party.name}"


def _wider(caller: CallerPolicy) -> Iterator[str]:
    if caller.policy is None or caller.is_proposal:
        return
    for one in not_contained(_own_grants(caller), allow_statements(caller.today)):
        yield f"{one.action} on {one.resource} by {caller.party.name}"
    standing = set(deny_statements([caller.policy]))
    for deny in caller.denies:
        if deny not in standing:
            yield f"a Deny of {caller.party.name} is missing"


def _gone_from_caller(caller: CallerPolicy) -> Iterator[str]:
    statements = allow_statements([caller.policy] if caller.policy else [])
    for one in caller.kept:
        if not inside_statements(one.grant, statements):
            yield f"{one.grant.action} on {one.grant.resource} by {caller.party.name}"


def _name(use: ApiUse) -> str:
    return f"{use.resource} by {use.party.name or 'anybody'}"
