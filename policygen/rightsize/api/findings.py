"""What is risky about an API, whoever calls it, and what nobody calls.

Source: API Gateway Developer Guide, api-gateway-control-access-to-api, apigateway-authorization-flow,
api-gateway-api-usage-plans, rest-api-disable-default-endpoint and rest-api-mutual-tls.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from msgspec.structs import replace

from policygen.account.apis import Api, ApiKey, Domain, Gateway, Method
from policygen.iam.party import EVERYONE, NOBODY, Party, account_named
from policygen.iam.resource_policy import ResourcePolicy
from policygen.rightsize.api.decision import decide
from policygen.rightsize.api.question import Invocation, World, question_of
from policygen.rightsize.api.routing import example_path, method_named
from policygen.rightsize.api.sight import API_KEY, StageSight
from policygen.rightsize.api.usage import ApiUsage
from policygen.rightsize.principals.values import ONE_NETWORK

API = "api"
"""Where a finding is that is about the whole API."""

_SHARED = 5
"""Networks from which one key comes when more than one client has it."""
_ANYWHERE = ("9.9.9.9", "52.95.110.1", "100.20.30.40", "146.75.1.1", "185.60.216.35", "203.205.254.1")
"""Addresses all over the world: what lets all of them in lets everybody in."""
_STRANGE_ENDPOINT = "vpce-00000000000000000"
_STRANGE_VPC = "vpc-00000000000000000"


class ApiFinding(NamedTuple):
    """A rule that an API breaks today, and whether it still does with the new policy."""

    rule: str
    level: str
    where: str
    text: str
    remains: bool = True


class _Broken(NamedTuple):
    rule: str
    level: str
    where: str
    text: str


def api_findings_of(
    world: World, api: Api, proposed: ResourcePolicy | None, usage: ApiUsage, sights: Mapping[str, StageSight]
) -> list[ApiFinding]:
    """Return the findings about an API, in order.

    Args:
        world: the accounts that are known.
        api: the API as it is.
        proposed: its new resource policy; None where today's stays.
        usage: what was read.
        sights: what the log of each stage shows.
    """
    left = {(one.rule, one.where) for one in policy_findings(world, api, proposed or api.policy)}
    today = policy_findings(world, api, api.policy)
    found = [one._replace(remains=(one.rule, one.where) in left) for one in today]
    gateway = world.accounts[api.account].gateway
    others = [
        *_authorizers(api),
        *_plans(api, gateway),
        *_keys(api, gateway, usage, sights),
        *_endpoint(api, gateway),
    ]
    others += [*_logs(sights), *_uncalled(api, usage, sights)]
    return sorted({*found, *(ApiFinding(*one) for one in others)})


def policy_findings(world: World, api: Api, policy: ResourcePolicy | None) -> list[ApiFinding]:
    """Return the findings that a resource policy decides, in order: PG601, PG602, PG603, PG608 and PG612.

    Args:
        world: the accounts that are known.
        api: the API.
        policy: the resource policy that it would have; None for none.
    """
    openness = _Openness(world, replace(api, policy=policy))
    return sorted({ApiFinding(*one) for one in openness.findings()})


# ---- who is let in ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Openness:
    """An API with a resource policy."""

    world: World
    api: Api

    def findings(self) -> Iterator[_Broken]:
        """Yield what the methods and the policy leave open."""
        for method in self.api.methods:
            if method.verb == "OPTIONS" or self._is_message(method):
                continue
            yield from self._open(method)
            if self._overrules(method):
                text = f"the resource policy lets in whom {_guard(method)} of {method.name} would leave out"
                yield _Broken("PG612", "warning", method.name, text)
        if any(self._lets_strangers_in(one) for one in self.api.methods if one.authorization == "AWS_IAM"):
            yield _Broken("PG603", "error", API, "principals of any AWS account are let in")
        if self.api.private and any(self._from_any_endpoint(one) for one in self.api.methods):
            yield _Broken("PG608", "warning", API, "a private API, open to any VPC endpoint")

    def _is_message(self, method: Method) -> bool:
        """Return whether it is a route of a WebSocket API that only a connection reaches, which was authorized."""
        return self.api.protocol == "WEBSOCKET" and method.path != "$connect"

    def _open(self, method: Method) -> Iterator[_Broken]:
        gateway = self.world.accounts[self.api.account].gateway
        if method.authorization != "NONE" or self.api.private or _asks_for_certificates(self.api, gateway):
            return
        if all(self._answers(method, address) for address in _ANYWHERE):
            if method.needs_key:
                yield _Broken(
                    "PG602", "warning", method.name, f"an API key is the only guard of {method.name}"
                )
            else:
                yield _Broken("PG601", "error", method.name, f"{method.name} is open to everybody")

    def _stages(self) -> list[str]:
        return [one.name for one in self.api.stages] or ["-"]

    def _answers(self, method: Method, address: str) -> bool:
        """Return whether a stage certainly answers an unsigned request from an address."""
        context = {"aws:SourceIp": (address,)}
        for stage in self._stages():
            decision = decide(self.world, self.api, self._request(method, stage, NOBODY, context))
            if decision.certain and decision.outcome == "ALLOWED":
                return True
        return False

    def _request(
        self,
        method: Method,
        stage: str,
        caller: Party,
        context: Mapping[str, tuple[str, ...]],
        endpoint: str = "",
    ) -> Invocation:
        verb = "GET" if method.verb == "ANY" else method.verb or method.path
        if method.path == "$default":
            verb = "GET"
        return Invocation(self.api.id, stage, verb, example_path(method.path), caller, context, endpoint)

    def _policy_says(
        self, method: Method, caller: Party, context: Mapping[str, tuple[str, ...]], endpoint: str = ""
    ) -> list[tuple[str, str, str]]:
        """Return what the resource policy says of a request on each stage: at best, at worst, and how it names it."""
        if self.api.policy is None:
            return []
        said: list[tuple[str, str, str]] = []
        for stage in self._stages():
            asked = self._request(method, stage, caller, context, endpoint)
            one = question_of(self.world, self.api, asked, caller).say("resource policy", [self.api.policy])
            said.append((one.best, one.worst, one.who))
        return said

    def _lets_strangers_in(self, method: Method) -> bool:
        stranger = Party("AWS", f"arn:{self.api.partition}:iam::{self._strange_account()}:role/stranger")
        return all(
            any(
                worst == "ALLOWED"
                for _, worst, _ in self._policy_says(method, stranger, {"aws:SourceIp": (address,)})
            )
            for address in _ANYWHERE
        )

    def _strange_account(self) -> str:
        """Return the number of an account that the policy does not name."""
        text = self.api.policy.to_json() if self.api.policy else ""
        numbers = (f"{number:012d}" for number in range(999_999_999_999, 0, -1))
        return next(one for one in numbers if one not in text and one not in self.world.accounts)

    def _overrules(self, method: Method) -> bool:
        """Return whether the policy alone lets in an unsigned request, or anybody of the API's own account."""
        if method.authorization == "CUSTOM":
            return any(best == "ALLOWED" for best, _, _ in self._policy_says(method, NOBODY, {}))
        if method.authorization != "AWS_IAM":
            return False
        anyone = Party("AWS", f"arn:{self.api.partition}:iam::{self.api.account}:role/-")
        said = self._policy_says(method, anyone, {})
        return any(best == "ALLOWED" and who == "direct" for best, _, who in said)

    def _from_any_endpoint(self, method: Method) -> bool:
        context = {
            "aws:SourceVpc": (_STRANGE_VPC,), "aws:VpcSourceIp": ("10.203.17.9",), "aws:SourceIp": (),
        }  # fmt: skip
        callers = [NOBODY] if method.authorization != "AWS_IAM" else self._named()
        return any(
            worst == "ALLOWED"
            for caller in callers
            for _, worst, _ in self._policy_says(method, caller, context, _STRANGE_ENDPOINT)
        )

    def _named(self) -> list[Party]:
        """Return the principals that the policy lets in, one of each account that it names as a whole."""
        found = []
        for one in self.api.policy.allows if self.api.policy else ():
            for kind, name in one.principals.entries:
                account = self.api.account if name == EVERYONE else account_named(name)
                arn = f"arn:{self.api.partition}:iam::{account}:role/-" if account else name
                found += [Party("AWS", arn)] if kind == "AWS" else []
        return list(dict.fromkeys(found))


def _guard(method: Method) -> str:
    return "the authorizer" if method.authorization == "CUSTOM" else "IAM"


# ---- what guards the API besides ----------------------------------------------------------------------


def _authorizers(api: Api) -> Iterator[_Broken]:
    for one in api.authorizers:
        guarded = [method for method in api.methods if method.authorizer == one.id]
        if one.kind == "TOKEN" and one.ttl > 0 and len(guarded) > 1:
            text = (
                f"the answer of authorizer {one.name or one.id} is used again for {one.ttl} s, "
                f"for each of its {len(guarded)} methods"
            )
            yield _Broken("PG604", "note", one.id, text)


def _plans(api: Api, gateway: Gateway) -> Iterator[_Broken]:
    for plan in gateway.usage_plans or ():
        if any(of == api.id for of, _ in plan.stages) and not (plan.throttled or plan.limited):
            yield _Broken(
                "PG605", "warning", plan.id, f"usage plan {plan.name or plan.id} has no throttle and no quota"
            )


def _keys(api: Api, gateway: Gateway, usage: ApiUsage, sights: Mapping[str, StageSight]) -> Iterator[_Broken]:
    addresses: dict[str, set[str]] = defaultdict(set)
    for one in usage.invoked:
        if one.api == api.id and one.api_key:
            addresses[one.api_key].add(one.address)
    for key, found in sorted(addresses.items()):
        networks = {_network(one) for one in found} - {""}
        if len(networks) >= _SHARED:
            yield _Broken("PG607", "warning", key, f"API key {key} came from {len(networks)} networks")
    for own in gateway.keys or ():
        if own.enabled and own.id not in addresses and _is_key_visible(own, api, gateway, sights):
            yield _Broken(
                "PG606", "note", own.id, f"API key {own.name or own.id} is enabled and nobody used it"
            )


def _network(address: str) -> str:
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    return str(ip_network(f"{found}/{ONE_NETWORK[found.version]}", strict=False))


def _is_key_visible(key: ApiKey, api: Api, gateway: Gateway, sights: Mapping[str, StageSight]) -> bool:
    """Return whether the logs of all stages that a key opens would have shown it."""
    stages = {tuple(one.partition("/")[::2]) for one in key.stages}
    for plan in gateway.usage_plans or ():
        if key.id in plan.keys:
            stages |= set(plan.stages)
    own = [sights.get(stage) for of, stage in stages if of == api.id]
    return (
        bool(own)
        and all(of == api.id for of, _ in stages)
        and all(one is not None and one.visible and API_KEY in one.fields for one in own)
    )


def _domains(api: Api, gateway: Gateway) -> list[Domain]:
    return [one for one in gateway.domains or () if any(of == api.id for _, of, _ in one.mappings)]


def _asks_for_certificates(api: Api, gateway: Gateway) -> bool:
    """Return whether every way to an API asks for a client's certificate."""
    domains = _domains(api, gateway)
    return bool(domains) and not api.default_endpoint and all(one.mutual_tls for one in domains)


def _endpoint(api: Api, gateway: Gateway) -> Iterator[_Broken]:
    domains = [one.name for one in _domains(api, gateway) if one.mutual_tls]
    if domains and api.default_endpoint:
        text = f"{domains[0]} asks for client certificates, and the default endpoint is open without"
        yield _Broken("PG610", "warning", API, text)


# ---- what the logs show -------------------------------------------------------------------------------

_NO_LOG: Collection[str] = ("stage-not-logged", "caller-not-logged", "method-not-logged")


def _logs(sights: Mapping[str, StageSight]) -> Iterator[_Broken]:
    for one in sights.values():
        if one.spot and one.spot.id in _NO_LOG:
            yield _Broken("PG609", "note", one.stage, f"stage {one.stage}: {one.spot.why}")


def _uncalled(api: Api, usage: ApiUsage, sights: Mapping[str, StageSight]) -> Iterator[_Broken]:
    """Yield the methods that no entry names, where the logs of all stages would have."""
    if not sights or not all(one.visible for one in sights.values()):
        return
    called = {method_named(api, one.verb, one.path) for one in usage.invoked if one.api == api.id}
    for method in api.methods:
        if method not in called and method.verb != "OPTIONS":
            yield _Broken("PG611", "note", method.name, f"{method.name} was not called")
