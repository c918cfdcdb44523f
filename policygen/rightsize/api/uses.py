"""The calls that are evidence: who called which method from where, as IAM was asked about it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from msgspec.structs import replace

from policygen.account.apis import Api
from policygen.iam.conditions import ContextFacts
from policygen.iam.document import Conditions
from policygen.iam.party import NOBODY, Party
from policygen.iam.request import AccessRequest
from policygen.iam.resource_policy import ResourcePolicy
from policygen.logs.calls.evidence import Evidence, sum_of
from policygen.rightsize.api.question import INVOKE, Invocation, World, question_of
from policygen.rightsize.api.routing import example_path, method_pattern
from policygen.rightsize.api.usage import ApiUsage, EntryStatus, Invoked

LET_IN: frozenset[EntryStatus] = frozenset({"mapped", "anonymous", "authorizer"})
"""What an entry says of a call that was let in. Nothing else is evidence of need."""

_ADDRESSES = frozenset({"aws:sourceip", "aws:vpcsourceip"})


@dataclass(frozen=True, slots=True)
class ApiUse:
    """Calls of one method by one party that differ in time, and in what no policy asks about."""

    invoked: Invoked
    party: Party
    resource: str
    """Resource pattern of the method, or the part of it that today's policy lets in."""
    facts: ContextFacts = field(compare=False)
    evidence: Evidence = field(compare=False)

    @property
    def request(self) -> AccessRequest:
        """What IAM was asked: every path of the template, because the next one has another name."""
        return AccessRequest(INVOKE, self.resource, wild=True)

    @property
    def signed(self) -> bool:
        """Whether somebody signed it."""
        return bool(self.party.kind)

    @property
    def invocation(self) -> Invocation:
        """The calls as `decide` takes them: by their template, or an example of those that no template takes."""
        one, values = self.invoked, self.facts.values
        context = {key: values[key] for key in (*_ADDRESSES, "aws:principalorgid") if key in values}
        verb = one.verb or one.path
        path = one.path if one.path.startswith("/") else example_path(one.path)
        return Invocation(one.api, one.stage, verb, path, self.party, context, one.endpoint)


@dataclass(frozen=True, slots=True)
class ApiUses:
    """The calls of one API, and those that do not count."""

    uses: tuple[ApiUse, ...]
    guessed: frozenset[str] = frozenset()
    """ARNs of roles whose path is not known: the log never has it, and no snapshot has the role."""
    deleted: tuple[str, ...] = ()
    """Callers that the snapshot of their account does not have."""
    untold: Mapping[str, int] = field(default_factory=dict)
    """Stage -> calls whose caller neither the log nor a snapshot tells."""

    @property
    def count(self) -> int:
        """How many calls are evidence."""
        return sum(one.evidence.count for one in self.uses)


def uses_of(usage: ApiUsage, api: Api, world: World, named: Iterable[str], asked: Collection[str]) -> ApiUses:
    """Return the calls of an API that are evidence.

    Args:
        usage: what was read.
        api: the API.
        world: the accounts that are known.
        named: ARNs that today's policy names; they tell the paths of roles.
        asked: condition keys in lower case that policies ask about; calls are told apart by no others.
    """
    directory = _Directory(world, api, named)
    counted: dict[tuple[Invoked, Party], list[Evidence]] = defaultdict(list)
    deleted, untold = set[str](), Counter[str]()
    for one, seen in usage.invoked.items():
        if one.api != api.id or one.status not in LET_IN:
            continue
        party = directory.party(one) if one.status == "mapped" else NOBODY
        if party is None and directory.is_deleted(one):
            deleted.add(one.principal)
        elif party is None:
            untold[one.stage] += seen.count
        else:
            counted[_told_apart(one, asked), party].append(seen)
    uses = [_use(api, world, one, party, sum_of(seen)) for (one, party), seen in counted.items()]
    return ApiUses(
        tuple(sorted(uses, key=lambda use: (use.party, use.resource, _text(use.invoked)))),
        frozenset(directory.guessed),
        tuple(sorted(deleted)),
        dict(sorted(untold.items())),
    )


def named_arns(policy: ResourcePolicy | None) -> Iterator[str]:
    """Yield the ARNs of principals that a policy names, in its conditions too."""
    for one in policy.statements if policy else ():
        yield from (name for _, name in one.principals.entries if name.startswith("arn:"))
        for _, keys in one.statement.conditions:
            for key, values in keys:
                if key.lower() == "aws:principalarn":
                    yield from (value for value in values if not set("*?$") & set(value))


def asked_keys(world: World, policies: Iterable[ResourcePolicy | None]) -> frozenset[str]:
    """Return the condition keys in lower case that policies of an API, of endpoints, roles and users ask about."""
    blocks: list[Conditions] = []
    endpoints = [one for account in world.accounts.values() for one in account.gateway.endpoints or ()]
    for policy in (*policies, *(one.policy for one in endpoints)):
        blocks += [one.statement.conditions for one in (policy.statements if policy else ())]
    for account in world.accounts.values():
        own = [role.identity_policies for role in account.roles] + [one.policies for one in account.users]
        blocks += [one.conditions for several in own for policy in several for one in policy.statements]
    return frozenset(key.lower() for block in blocks for _, keys in block for key, _ in keys)


def _text(one: Invoked) -> str:
    return repr(one)


def _told_apart(one: Invoked, asked: Collection[str]) -> Invoked:
    """Return the kind of call without what no policy asks about."""
    address = one.address if not _ADDRESSES.isdisjoint(asked) and _is_address(one.address) else ""
    return replace(one, address=address, api_key="", subject="")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _use(api: Api, world: World, one: Invoked, party: Party, seen: Evidence) -> ApiUse:
    context: dict[str, tuple[str, ...]] = {}
    if one.organization:
        context["aws:PrincipalOrgID"] = (one.organization,)
    if one.address:
        context["aws:VpcSourceIp" if api.private else "aws:SourceIp"] = (one.address,)
    if api.private:
        context["aws:SourceIp"] = ()  # the endpoint puts its own address in its place
        context |= {"aws:SourceVpc": (one.vpc,)} if one.vpc else {}
    asked = Invocation(api.id, one.stage, one.verb, one.path, party, context, one.endpoint)
    facts = question_of(world, api, asked, party).facts
    return ApiUse(one, party, method_pattern(api, one.stage, one.verb, one.path), facts, seen)


class _Directory:
    """What is known of callers."""

    def __init__(self, world: World, api: Api, named: Iterable[str]) -> None:
        self._accounts = world.accounts
        self._partition = api.partition
        self._known: dict[str, Party] = {}
        for account in world.accounts.values():
            roles = ((one.key.arn, one.key.role_id) for one in account.roles)
            users = ((one.arn, one.unique_id) for one in account.users)
            for arn, unique_id in (*roles, *users):
                self._known[arn] = Party("AWS", arn, "", unique_id)
        self._by_id = {party.unique_id: party for party in self._known.values() if party.unique_id}
        paths: Mapping[tuple[str, str], set[str]] = defaultdict(set)
        for arn in named:
            if ":role/" in arn:
                paths[_account(arn), arn.rpartition("/")[2]].add(arn)
        self._paths = {key: arns.pop() for key, arns in paths.items() if len(arns) == 1}
        self.guessed: set[str] = set()

    def party(self, one: Invoked) -> Party | None:
        """Return who made a call; None where that is not known, or was deleted since."""
        name = one.principal
        if not name.startswith("arn:"):
            return self._by_id.get(name) or self._of_id(name, one.account)
        if _account(name) in self._accounts and (":role/" in name or ":user/" in name):
            return self._known.get(name)
        if ":role/" not in name:
            return Party("AWS", name)
        told = self._paths.get((_account(name), name.rpartition("/")[2]))
        if told is None:
            self.guessed.add(name)
        return Party("AWS", told or name)

    def is_deleted(self, one: Invoked) -> bool:
        """Return whether the account of a caller is known and does not have it."""
        account = _account(one.principal) if one.principal.startswith("arn:") else one.account
        return bool(one.principal) and account in self._accounts

    def _of_id(self, unique_id: str, account: str) -> Party | None:
        if not (unique_id and account) or account in self._accounts:
            return None
        kind = "user" if unique_id.startswith("AIDA") else "role"
        return Party("AWS", f"arn:{self._partition}:iam::{account}:{kind}/", "", unique_id)


def _account(arn: str) -> str:
    return arn.split(":", 5)[4]
