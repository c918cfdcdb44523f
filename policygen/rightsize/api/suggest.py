"""suggest_api(): the smallest resource policy of an API, the policies of its callers, findings, and the promises."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from policygen.account.apis import Api
from policygen.errors import NothingFoundError, no_such
from policygen.iam.party import EVERYONE, Principals
from policygen.iam.resource_policy import ResourcePolicy
from policygen.logs.window import Window
from policygen.rightsize.api.callers import CallerPolicy, caller_policies
from policygen.rightsize.api.decision import decide
from policygen.rightsize.api.draft import ApiDraft, draft_policy
from policygen.rightsize.api.findings import ApiFinding, api_findings_of
from policygen.rightsize.api.length import RAISE_LENGTH, longest
from policygen.rightsize.api.proof import NewResourcePolicy, prove_api
from policygen.rightsize.api.question import World
from policygen.rightsize.api.required import API_REQUIREMENTS, requirement_key
from policygen.rightsize.api.resource import WrittenAccess
from policygen.rightsize.api.sight import StageSight, sights_of, with_untold
from policygen.rightsize.api.usage import ApiUsage
from policygen.rightsize.api.uses import ApiUse, ApiUses, asked_keys, named_arns, uses_of
from policygen.rightsize.assess.readiness import days_asked
from policygen.rightsize.decisions.model import PrincipalRule
from policygen.rightsize.principals.kept import PolicyBlindSpot, drops
from policygen.rightsize.principals.options import PrincipalOptions
from policygen.rightsize.principals.promise import Promise, require_promises
from policygen.text import escape_controls, pluralize, visible_json


@dataclass(frozen=True, slots=True)
class ApiSuggestion:
    """The policies of an API and of its callers, and what they rest on."""

    api: Api
    world: World
    """The accounts that are known."""
    window: Window
    usage: ApiUsage
    uses: ApiUses
    sights: Mapping[str, StageSight]
    policy: ResourcePolicy | None
    """The new resource policy; None where today's stays as it is."""
    why: str
    """Why there is no new one; "" where there is."""
    written: tuple[WrittenAccess, ...]
    removed: tuple[tuple[str, str], ...]
    """Principals that go, and why."""
    refused: tuple[ApiUse, ...]
    """What was seen and nothing of today allows."""
    callers: tuple[CallerPolicy, ...]
    findings: tuple[ApiFinding, ...]
    blind_spots: tuple[PolicyBlindSpot, ...]
    promises: tuple[Promise, ...]
    not_required: tuple[tuple[str, str], ...] = ()
    """Callers, and names that were to be required and that not all of their calls satisfied."""
    losses: tuple[tuple[ApiUse, PrincipalRule], ...] = ()
    """Calls that decisions end, and the rules."""
    inputs: tuple[tuple[str, ...], ...] | None = None
    """The options of the command line that it was made with; None where there was none."""


def check_api_requirements(names: Sequence[str]) -> None:
    """Raise an error for a condition that cannot be required of an API's callers.

    Raises:
        UsageError: PG-E384.
    """
    for name in names:
        if name not in API_REQUIREMENTS:
            shown = escape_controls(name)[:60]
            raise no_such(f"--require has no {shown!r}", name, API_REQUIREMENTS, code="PG-E384")


def suggest_api(
    usage: ApiUsage, api: Api, world: World, options: PrincipalOptions | None = None
) -> ApiSuggestion:
    """Suggest the smallest policies with which everybody can go on calling an API who did.

    Args:
        usage: what the access logs of the window show.
        api: the API as it is.
        world: the accounts that are known.
        options: what a person asks for.

    Raises:
        UsageError: PG-E364, a principal cannot be kept; PG-E384.
        NothingFoundError: PG-E387, no call counts.
        GateError: PG-E388, the resource policy is too long; PG-E401, a promise does not hold.
    """
    options = options or PrincipalOptions()
    check_api_requirements(options.require)
    window = usage.window
    if window is None:
        raise _without_a_time(usage)
    rules = _rules(api, window, options)
    dropped = tuple(one for one in rules if one.kind == "drop")
    required = {requirement_key(name, api).lower() for name in options.require}
    asked = asked_keys(world, [api.policy]) | required
    uses = uses_of(usage, api, world, named_arns(api.policy), asked)
    sights = sights_of(api, usage, window, days_asked(options.decisions.min_days, window.days))
    sights = with_untold(sights, uses.untold)
    blind = {one.stage: one.spot.why for one in sights.values() if one.spot}
    if not (uses.uses or uses.untold) and not _may_have_been_called(api, usage, sights):
        raise _nothing(api, usage, window, uses)
    losses = tuple((use, rule) for use in uses.uses if (rule := _rule_about(dropped, use)))
    lost = {use for use, _ in losses}
    going_on = [use for use in uses.uses if use not in lost]
    draft = draft_policy(api, going_on, uses.guessed, blind, rules, options)
    callers = caller_policies(api, going_on, world, blind, options.decisions)
    promises = prove_api(world, api, draft.new, callers, going_on)
    require_promises(f"the policies for {api.name or api.id}", promises)
    policy = draft.new.finished if draft.new else None
    return ApiSuggestion(
        api,
        world,
        window,
        usage,
        uses,
        sights,
        policy,
        draft.why,
        tuple(draft.new.written) if draft.new else (),
        tuple(_removed(draft.new)) if draft.new else (),
        tuple(use for use in draft.refused if not _is_let_in(world, api, use)),
        tuple(callers),
        tuple(api_findings_of(world, api, policy, usage, sights)),
        tuple(_blind_spots(sights, usage, uses, callers, draft)),
        tuple(promises),
        tuple(sorted({(one.entry[1], name) for one in draft.written for name in one.unmet})),
        losses,
    )


def resource_policy_text(suggestion: ApiSuggestion) -> str:
    """Return the new resource policy as text.

    Raises:
        NothingFoundError: PG-E390, today's stays as it is.
    """
    if suggestion.policy is None:
        name = escape_controls(suggestion.api.name or suggestion.api.id)
        raise NothingFoundError(
            f"no new resource policy for {name}: {suggestion.why}",
            "-f json has the policies of its callers",
            code="PG-E390",
        )
    return visible_json(suggestion.policy.to_json(2)) + "\n"


# ---- what was asked and seen --------------------------------------------------------------------------


def _rules(api: Api, window: Window, options: PrincipalOptions) -> list[PrincipalRule]:
    day = options.on or window.until.day
    return [one for one in options.decisions.principals if one.applies(api.name, day)]


def _rule_about(rules: Sequence[PrincipalRule], use: ApiUse) -> PrincipalRule | None:
    entry = (use.party.kind, use.party.name)
    return next((rule for rule in rules if use.signed and drops(rule.principal, entry)), None)


def _may_have_been_called(api: Api, usage: ApiUsage, sights: Mapping[str, StageSight]) -> bool:
    """Return whether entries came whose format does not tell who called what."""
    blind = {one.stage for one in sights.values() if one.spot and one.spot.id.endswith("-not-logged")}
    return any(one.api == api.id and one.status == "unmapped" and one.stage in blind for one in usage.invoked)


def _is_let_in(world: World, api: Api, use: ApiUse) -> bool:
    """Return whether something else than the resource policy lets a call in."""
    decision = decide(world, api, use.invocation)
    return decision.outcome == "ALLOWED" or not decision.certain


def _without_a_time(usage: ApiUsage) -> NothingFoundError:
    why = [f"{number:,} not read: {escape_controls(why)}" for why, number in usage.unread.items()]
    if usage.entries and sum(usage.unread.values()) == usage.entries:
        return NothingFoundError(
            "no line of the logs is an entry that the format of a stage can write",
            *why[:3],
            "CloudTrail's records are for suggest and trust; an older format is that of an older snapshot",
            code="PG-E387",
        )
    return NothingFoundError(
        "no entry of the access logs has a time",
        *why[:3],
        "--until says when the window ends",
        code="PG-E387",
    )


def _nothing(api: Api, usage: ApiUsage, window: Window, uses: ApiUses) -> NothingFoundError:
    statuses: dict[str, int] = {}
    for one, seen in usage.invoked.items():
        if one.api == api.id:
            statuses[one.status] = statuses.get(one.status, 0) + seen.count
    hints = [
        f"{number:,} {status}, which are no evidence of need" for status, number in sorted(statuses.items())
    ]
    hints += [f"{number:,} not read: {why}" for why, number in sorted(usage.unread.items())]
    if uses.deleted:
        hints.append(f"by callers that no longer exist: {', '.join(uses.deleted[:3])}")
    return NothingFoundError(
        f"nobody called {escape_controls(api.name or api.id)} in {pluralize(window.days, 'day')}",
        *map(escape_controls, hints),
        "no policy was written: an empty one would be a guess, not a finding",
        code="PG-E387",
    )


# ---- what is said -------------------------------------------------------------------------------------


def _removed(new: NewResourcePolicy) -> list[tuple[str, str]]:
    """Return the principals of today that nobody used: all of them, or on stages whose logs can tell."""
    gone: list[tuple[str, str]] = []
    for number, one in enumerate(new.today.statements):
        if one.statement.effect != "Allow" or one.principals.negated:
            continue
        places = ", ".join(resource.partition("/")[2] or resource for resource in one.statement.resources)
        for entry in one.principals.entries:
            name = f"{'everybody' if entry[1] == EVERYONE else entry[1]} on {places}"
            mine = Principals((entry,))
            stays = [
                piece
                for piece in new.written
                if piece.statement == number and mine.contains(Principals((piece.entry,)))
            ]
            if not stays:
                gone.append((name, "visible, 0 calls"))
            elif all(piece.kept and piece.resources != one.statement.resources for piece in stays):
                gone.append((name, "visible, 0 calls; only what the logs cannot show stays"))
    return list(dict.fromkeys(gone))


def _blind_spots(
    sights: Mapping[str, StageSight],
    usage: ApiUsage,
    uses: ApiUses,
    callers: Iterable[CallerPolicy],
    draft: ApiDraft,
) -> Iterator[PolicyBlindSpot]:
    yield from (one.spot for one in sights.values() if one.spot)
    for why, number in sorted(usage.unread.items()):
        remedy = "not evidence; policygen map shows each"
        yield PolicyBlindSpot("entries-unread", "entries", f"{number:,} {why}", remedy)
    for name in uses.deleted:
        yield PolicyBlindSpot(
            "caller-deleted",
            name,
            "its account's snapshot does not have it",
            "make the snapshot again if it exists",
        )
    for name in sorted(uses.guessed):
        yield PolicyBlindSpot(
            "path-unknown",
            name,
            "a log has no paths of roles",
            f"give a snapshot of account {name.split(':')[4]}",
        )
    if draft.new:
        for keep in dict.fromkeys((one.why.entry[1], one.why.why) for one in draft.new.keeps):
            yield PolicyBlindSpot("kept", keep[0], keep[1], "drop it by hand if nobody needs it")
    room = longest(draft.new.today if draft.new else None)
    for name in sorted({one.entry[1] for one in draft.written if one.shared}):
        why = f"its callers do not fit into {room:,} characters: they share methods, or principals stay"
        yield PolicyBlindSpot("kept", name, why, RAISE_LENGTH)
    for caller in callers:
        for grant in caller.kept:
            about = f"{grant.grant.action} on {grant.grant.resource} of {caller.party.name}"
            yield PolicyBlindSpot("kept", about, grant.why, "drop it by hand if nobody needs it")
