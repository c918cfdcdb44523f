"""The new resource policy of an API, or why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from policygen.account.apis import Api
from policygen.errors import GateError
from policygen.iam import arn
from policygen.iam.document import Statement
from policygen.iam.party import EVERYONE, Principals
from policygen.iam.resource_policy import (
    PrincipalStatement,
    ResourcePolicy,
    parse_resource_policy,
)
from policygen.rightsize.api.length import (
    NOT_FITTING,
    longest,
    with_principals_of_today,
    with_shared_methods,
    with_statement_of_today,
)
from policygen.rightsize.api.proof import NewResourcePolicy
from policygen.rightsize.api.question import INVOKE
from policygen.rightsize.api.required import SOURCE_IP
from policygen.rightsize.api.resource import (
    KeptPiece,
    WrittenAccess,
    access_written_of,
    cut_to_today,
    kept_on_stages,
    kept_whole,
    narrowed_denies,
    uncut_principals,
    untold_principals,
    widest,
)
from policygen.rightsize.api.routing import method_named, method_pattern
from policygen.rightsize.api.uses import ApiUse
from policygen.rightsize.decisions.model import PrincipalRule
from policygen.rightsize.principals.kept import drops, is_trusted, kept_by_decision
from policygen.rightsize.principals.letting_in import HeldPolicy, LetIn, let_in
from policygen.rightsize.principals.options import PrincipalOptions
from policygen.rightsize.principals.owner import Owner
from policygen.rightsize.principals.pieces import document_of


@dataclass(frozen=True, slots=True)
class ApiDraft:
    """The new resource policy, None where today's stays; then `why` says why."""

    new: NewResourcePolicy | None
    why: str = ""
    refused: tuple[ApiUse, ...] = ()
    """What was seen and today's policy does not let in."""
    written: tuple[WrittenAccess, ...] = ()
    """The parts of the policy, also where they make today's."""


def draft_policy(
    api: Api,
    uses: Sequence[ApiUse],
    guessed: frozenset[str],
    blind: Mapping[str, str],
    rules: Sequence[PrincipalRule],
    options: PrincipalOptions,
) -> ApiDraft:
    """Return the new resource policy of an API, or why there is none.

    Args:
        api: the API.
        uses: the calls that are evidence.
        guessed: ARNs of roles whose path is not known.
        blind: names of stages whose logs cannot tell, with the reason.
        rules: decisions about principals.
        options: what a person asks for.

    Raises:
        UsageError: PG-E364, a principal that is to stay is not let in today.
        GateError: PG-E388, the policy is too long.
    """
    today = api.policy or _of_open_methods(api, uses, blind, options)
    keeps = _keeps(today or ResourcePolicy(()), api, blind, rules, options)
    if api.protocol != "REST":
        return ApiDraft(None, "HTTP and WebSocket APIs have no resource policy")
    if today is None:
        return ApiDraft(None, "there is none today, and callers of other accounts cannot come without one")
    if blind and all(stage.name in blind for stage in api.stages):
        return ApiDraft(None, "no stage's log can tell who calls it")
    visible = [use for use in uses if use.invoked.stage not in blind]
    if api.policy is None:
        visible = [use for use in visible if not use.signed]
    found = _let_in(today, api, visible, guessed, keeps)
    came = {(use.invoked, use.party) for several in found.uses.values() for use in several}
    refused = tuple(use for use in visible if (use.invoked, use.party) not in came) if api.policy else ()
    written = _fitting(today, api, found, keeps, guessed, options)
    # Who comes by policies of their own is stopped by a Deny all the same, so that all calls tell its exceptions.
    seen = [] if keeps or blind else uses
    policy = document_of(today, written, narrowed_denies(today, seen) if seen else {})
    if not policy.statements:
        return ApiDraft(
            None, "nobody comes in by it, and without one its open methods would be public", refused
        )
    finished = parse_resource_policy(policy.to_json(), policy.name)
    if finished.statements == today.statements and api.policy:
        fits = not any(one.kept and one.kept.why == NOT_FITTING for one in written)
        return ApiDraft(None, "it is the smallest already" if fits else NOT_FITTING, refused, tuple(written))
    if api.policy is None and any(one.unmet for one in written):
        return ApiDraft(
            None, "there is none today, and not all calls satisfy what is required", (), tuple(written)
        )
    return ApiDraft(NewResourcePolicy(finished, today, found, written, keeps), "", refused, tuple(written))


def _let_in(
    today: ResourcePolicy, api: Api, uses: Iterable[ApiUse], guessed: frozenset[str], keeps: list[KeptPiece]
) -> LetIn[ApiUse]:
    """Return which statements let the calls in, and add to what stays where that cannot be cut to the calls.

    The ARN that a log has of a role lacks its path: where no snapshot tells it, a condition on the ARN may hold or not.
    """
    facts = {(use.invoked, use.party): use.facts for use in uses}
    doubtful = [
        replace(use, facts=use.facts.without("aws:PrincipalArn")) if use.party.name in guessed else use
        for use in uses
    ]
    owner = Owner(api.account)
    keeps += kept_whole(today, uncut_principals(today, doubtful, owner))
    held = HeldPolicy(today, owner)
    parts = [part for use in doubtful for part in cut_to_today(use, held)]
    found = let_in(today, parts, owner)
    return found.changed(lambda use: replace(use, facts=facts[use.invoked, use.party]))


def _keeps(
    today: ResourcePolicy,
    api: Api,
    blind: Mapping[str, str],
    rules: Sequence[PrincipalRule],
    options: PrincipalOptions,
) -> list[KeptPiece]:
    """Return what stays without having been seen."""
    people = [
        one for name in options.keep for one in kept_by_decision(today, name, "asked for on the command line")
    ]
    for rule in rules:
        if rule.kind == "keep" and is_trusted(today, rule.principal):
            people += kept_by_decision(today, rule.principal, rule.reason)
    found = [*kept_on_stages(today, api, blind), *kept_whole(today, [*untold_principals(today), *people])]
    dropped = [one.principal for one in rules if one.kind == "drop"]
    return [one for one in found if not any(drops(name, one.entry) for name in dropped)]


def _fitting(
    today: ResourcePolicy,
    api: Api,
    found: LetIn[ApiUse],
    keeps: list[KeptPiece],
    guessed: frozenset[str],
    options: PrincipalOptions,
) -> list[WrittenAccess]:
    """Return what to write; where that is too long, the largest statements are written shorter, step by step.

    Where today's policy is longer than the quota, it was raised: then the new one may be as long.
    The last step leaves a statement as it is: so written, today's policy fits.

    Raises:
        GateError: PG-E388, it is too long all the same.
    """
    written: list[WrittenAccess] = []
    for most in range(options.max_blocks, 0, -1):
        written = access_written_of(today, api, found, keeps, guessed, options.require, most)
        if SOURCE_IP not in options.require or _blocks(written) <= options.max_blocks:
            break
    steps: dict[int, int] = {}
    room = longest(api.policy)
    while (size := document_of(today, written).size) > room:
        left = {
            one.statement for one in written if not one.kept and steps.get(one.statement, 0) < len(_SHORTER)
        }
        if not left:
            raise GateError(
                f"the resource policy has {size:,} characters, and API Gateway stores {room:,}",
                "fewer conditions of --require make it shorter",
                "API Gateway's quota can be raised: the length of resource policies",
                code="PG-E388",
            )
        largest = max(sorted(left), key=lambda number: len(str(_parts(written, number))))
        shorter = _SHORTER[steps.get(largest, 0)](today, _parts(written, largest), options.require)
        others = [one for one in written if one.statement != largest or (one.kept and not shorter[0].kept)]
        written = others + shorter
        steps[largest] = steps.get(largest, 0) + 1
    return sorted(written, key=lambda one: (one.statement, one.entry, one.resources, one.conditions))


def _blocks(written: Iterable[WrittenAccess]) -> int:
    """Return how many blocks of addresses the parts that rest on calls list."""
    listed = {one.conditions for one in written if not one.kept}
    return sum(
        len(values)
        for block in listed
        for operator, keys in block
        if operator == "IpAddress"
        for _, values in keys
    )


def _parts(written: Iterable[WrittenAccess], number: int) -> list[WrittenAccess]:
    """Return the parts of one statement that rest on calls."""
    return [one for one in written if one.statement == number and not one.kept]


_SHORTER: tuple[
    Callable[[ResourcePolicy, Sequence[WrittenAccess], Sequence[str]], list[WrittenAccess]], ...
] = (
    lambda _, written, __: with_shared_methods(written),
    with_principals_of_today,
    with_statement_of_today,
)
"""What makes the parts of a statement shorter, from the tightest on."""


# ---- an API without a resource policy -----------------------------------------------------------------


def _of_open_methods(
    api: Api, uses: Sequence[ApiUse], blind: Mapping[str, str], options: PrincipalOptions
) -> ResourcePolicy | None:
    """Return a policy that says what holds without one for the open methods that were called.

    None where nothing is required of callers, or where the policy would let more in: by tables A of the guide, what a
    resource policy allows needs no Allow of IAM or of a Lambda authorizer.
    """
    called = [
        use
        for use in uses
        if not use.signed
        and (method := method_named(api, use.invoked.verb, use.invoked.path))
        and not method.is_overruled
    ]
    if not options.require or blind or api.private or api.protocol != "REST" or not called:
        return None
    patterns = widest(use.resource for use in called)
    guarded = [one for one in api.methods if one.is_overruled]
    for stage in api.stages:
        others = (method_pattern(api, stage.name, one.verb, one.path) for one in guarded)
        if any(arn.overlaps(pattern, other) for other in others for pattern in patterns):
            return None
    statement = Statement("Allow", (INVOKE,), tuple(patterns))
    return ResourcePolicy(
        (PrincipalStatement(Principals((("AWS", EVERYONE),)), statement),), name="resource policy"
    )
