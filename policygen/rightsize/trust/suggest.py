"""suggest_trust(): the smallest trust policy of a role, with what was kept, and the promises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import msgspec

from policygen.account.fixed_roles import refuse_fixed
from policygen.account.model import Account, Accounts, Role
from policygen.errors import GateError, NothingFoundError, UsageError, no_such
from policygen.evidence.role_assumptions import AssumptionEvidence
from policygen.iam.resource_policy import ResourcePolicy, not_inside, parse_resource_policy
from policygen.logs.events.session_use import SessionUse
from policygen.logs.window import Window
from policygen.rightsize.assess.readiness import days_asked
from policygen.rightsize.decisions.model import Decisions, PrincipalRule
from policygen.rightsize.principals.kept import (
    Kept,
    PolicyBlindSpot,
    drops,
    is_trusted,
    kept_by_decision,
)
from policygen.rightsize.principals.letting_in import LetIn, Way, let_in
from policygen.rightsize.principals.options import PrincipalOptions
from policygen.rightsize.principals.owner import NO_OWNER, Owner
from policygen.rightsize.principals.promise import Promise, require_promises
from policygen.rightsize.trust.assumptions import (
    Assumptions,
    AssumptionUse,
    Observed,
    assumptions_of,
    uses_of_assumptions,
)
from policygen.rightsize.trust.callers import directory_of
from policygen.rightsize.trust.findings import TrustFinding, findings_of
from policygen.rightsize.trust.generate import WrittenPrincipal, trust_document_of, written_of
from policygen.rightsize.trust.gone import absent_callers, removed_from
from policygen.rightsize.trust.keep import blind_spot_of, needed_by_configuration
from policygen.rightsize.trust.own_policies import owner_with_callers
from policygen.rightsize.trust.proof import prove_trust
from policygen.rightsize.trust.required import REQUIREMENTS, required
from policygen.rightsize.trust.session_length import SessionLength, session_length
from policygen.text import escape_controls, pluralize

QUOTA = 2048
"""Characters of a trust policy that IAM stores, unless the quota was raised (4.2)."""
RAISE_TRUST_LENGTH = "give several callers one role, or have IAM's quota raised: Role trust policy length"
"""What makes room in a trust policy."""


class AssumptionSight(msgspec.Struct, frozen=True):
    """What was read of a role's assumptions, and what the logs could have shown."""

    window: Window
    until_given: bool
    """Whether the user named the window's end."""
    own_days: frozenset[str]
    """Days on which a record of the role's account was read."""
    trails: tuple[str, ...] | None
    """Names of the trails that log; None where they are not known."""
    incomplete: tuple[str, ...]
    """Files that were not read to the end or not proved genuine, a phrase each."""
    session_uses: tuple[tuple[SessionUse, frozenset[str]], ...]
    """Where sessions of the role were used, and on which days, in order."""
    places_cut: bool
    """Whether there were more than are kept."""


def _sight_of(evidence: AssumptionEvidence) -> AssumptionSight:
    coverage, uses = evidence.coverage, evidence.session_uses
    return AssumptionSight(
        evidence.window,
        evidence.until_given,
        evidence.own_days,
        coverage.trails,
        coverage.incomplete,
        tuple(sorted(uses.days.items())),
        uses.is_cut,
    )


@dataclass(frozen=True, slots=True)
class TrustSuggestion:
    """The trust policy of a role, and what it rests on."""

    role: Role
    evidence: AssumptionSight
    assumptions: Assumptions
    today: ResourcePolicy
    policy: ResourcePolicy
    written: tuple[WrittenPrincipal, ...]
    removed: tuple[tuple[str, str], ...]
    """Principals and actions that go, and why."""
    refused: tuple[AssumptionUse, ...]
    """What was seen and today's policy does not allow."""
    blind_spots: tuple[PolicyBlindSpot, ...]
    promises: tuple[Promise, ...]
    length: SessionLength
    findings: tuple[TrustFinding, ...]
    could_require: tuple[tuple[str, str], ...] = ()
    """Callers, and names of conditions that all of their uses satisfied and today's policy does not ask for."""
    not_required: tuple[tuple[str, str], ...] = ()
    """Callers, and names that were to be required and that not all of their uses satisfied."""
    losses: tuple[tuple[Observed, PrincipalRule], ...] = ()
    """Assumptions that decisions end, and the rules."""
    absent: tuple[str, ...] = ()
    """Callers that the snapshot of their account does not have any more: IAM refuses a policy that names them."""
    inputs: tuple[tuple[str, ...], ...] | None = None
    """The options of the command line that it was made with; None where there was none."""
    owner: Owner = NO_OWNER
    """The role's account."""

    @property
    def quota(self) -> int:
        """Characters that the policy may have: IAM's quota, or those of today's where that was raised."""
        return max(QUOTA, self.today.size)

    @property
    def is_narrower(self) -> bool:
        """Whether today's policy allows something that the new one does not."""
        return bool(not_inside(self.today, self.policy))


def today_of(role: Role) -> ResourcePolicy:
    """Return a role's trust policy.

    Raises:
        UsageError: PG-E383, the snapshot does not have it; PG-E210, it cannot be read.
    """
    if not role.trust:
        raise UsageError(
            f"the snapshot has no trust policy of {escape_controls(role.name)}",
            "make a new one: policygen snapshot",
            code="PG-E383",
        )
    return parse_resource_policy(role.trust, f"trust policy of {role.name}", "trust")


def refuse_role(role: Role, decisions: Decisions) -> None:
    """Raise an error for a role whose trust policy must stay as it is.

    Raises:
        GateError: PG-E365, it is protected; PG-E481, nobody can edit it.
    """
    decisions.refuse_protected(role.name)
    refuse_fixed(role.key)


def check_requirements(names: Sequence[str]) -> None:
    """Raise an error for a condition that cannot be required.

    Raises:
        UsageError: PG-E384.
    """
    for name in names:
        if name not in REQUIREMENTS:
            shown = escape_controls(name)[:60]
            raise no_such(f"--require has no {shown!r}", name, REQUIREMENTS, code="PG-E384")


def suggest_trust(
    evidence: AssumptionEvidence,
    account: Account,
    accounts: Accounts,
    options: PrincipalOptions | None = None,
) -> TrustSuggestion:
    """Suggest the smallest trust policy with which everybody can go on assuming a role who did.

    Args:
        evidence: the assumptions that were read.
        account: the role's account.
        accounts: this and other accounts, which tell who callers are.
        options: what a person asks for.

    Raises:
        UsageError: PG-E364, PG-E383, PG-E384; see the functions.
        NothingFoundError: PG-E385, no assumption counts.
        GateError: PG-E365, PG-E481; PG-E386, the policy is too long; PG-E401, a promise does not hold.
    """
    options = options or PrincipalOptions()
    role = evidence.role
    refuse_role(role, options.decisions)
    check_requirements(options.require)
    today = today_of(role)
    rules = [one for one in options.decisions.principals if one.applies(role.name, _day(evidence, options))]
    kept = _kept_by_people(today, rules, options.keep)
    dropped = tuple(one for one in rules if one.kind == "drop")
    assumptions = _assumptions(evidence, accounts, today)
    going_on = [one for one in assumptions.observed if not _rule_about(dropped, one)]
    uses = uses_of_assumptions(going_on, today)
    owner = owner_with_callers(account, role, uses)
    found = let_in(today, uses, owner)
    if not found.uses:
        raise _nothing(role, evidence, assumptions, found)
    min_days = days_asked(options.decisions.min_days, evidence.window.days)
    blind = blind_spot_of(evidence, min_days)
    if blind or assumptions.untold:
        blind = blind or PolicyBlindSpot(
            "caller-unknown",
            "assumptions",
            f"the records do not tell who made {pluralize(assumptions.untold, 'assumption')}",
            "give the logs of the callers' accounts",
        )
        kept += _all_of(today, blind)
    came = {way for way, _ in found.uses}
    kept += [one for one in needed_by_configuration(today, account, role) if one.way not in came]
    kept = [one for one in kept if not any(drops(rule.principal, one.entry) for rule in dropped)]
    written = _fitting(today, found, kept, owner, options)
    policy = trust_document_of(today, written)
    finished = parse_resource_policy(policy.to_json(), policy.name, "trust")
    promises = prove_trust(finished, today, found, written, owner)
    require_promises(f"the trust policy for {role.name}", promises)
    limit = (account.session_limits or {}).get(role.key.arn)
    length = session_length(limit, assumptions.observed, is_visible=blind is None)
    return TrustSuggestion(
        role,
        _sight_of(evidence),
        assumptions,
        today,
        finished,
        tuple(written),
        tuple(removed_from(today, written, {one.party for one in going_on}, dropped)),
        found.refused,
        tuple(_blind_spots(blind, written)),
        tuple(promises),
        length,
        tuple(findings_of(today, finished, role.key.account, length)),
        tuple(_could_require(written, options)),
        tuple(sorted({(one.entry[1], name) for one in written for name in one.unmet})),
        tuple((one, rule) for one in assumptions.observed if (rule := _rule_about(dropped, one))),
        tuple(absent_callers(today, written, accounts)),
        owner=owner,
    )


def _day(evidence: AssumptionEvidence, options: PrincipalOptions) -> date:
    return options.on or evidence.window.until.day


def _kept_by_people(
    today: ResourcePolicy, rules: Sequence[PrincipalRule], named: Sequence[str]
) -> list[Kept]:
    """Return what the command line and the file of decisions keep; a rule for many roles may be about none of these."""
    kept = [one for name in named for one in kept_by_decision(today, name, "asked for on the command line")]
    for rule in rules:
        if rule.kind == "keep" and not (rule.general and not is_trusted(today, rule.principal)):
            kept += kept_by_decision(today, rule.principal, rule.reason)
    return kept


def _rule_about(rules: Sequence[PrincipalRule], one: Observed) -> PrincipalRule | None:
    """Return the rule that drops the caller of an assumption."""
    entry = (one.party.kind, one.party.name)
    return next((rule for rule in rules if drops(rule.principal, entry)), None)


def _assumptions(evidence: AssumptionEvidence, accounts: Accounts, today: ResourcePolicy) -> Assumptions:
    asked = {
        key.lower() for one in today.statements for _, keys in one.statement.conditions for key, _ in keys
    }
    services = [
        name for one in today.statements for kind, name in one.principals.entries if kind == "Service"
    ]
    directory = directory_of(accounts, evidence.sightings, services)
    return assumptions_of(evidence.sightings, evidence.role, directory, asked)


def _all_of(today: ResourcePolicy, spot: PolicyBlindSpot) -> list[Kept]:
    return [
        Kept(Way(number, entry), entry, "unverified", spot.why)
        for number, one in enumerate(today.statements)
        if one.statement.effect == "Allow"
        for entry in one.principals.entries
    ]


def _fitting(
    today: ResourcePolicy,
    found: LetIn[AssumptionUse],
    kept: Sequence[Kept],
    owner: Owner,
    options: PrincipalOptions,
) -> list[WrittenPrincipal]:
    """Return what to write; where that is too long, the statements with most callers stay as they are.

    Where today's policy is longer than the quota, it was raised: then the new one may be as long.

    Raises:
        GateError: PG-E386, it is too long all the same.
    """
    stay, most = list(kept), max(QUOTA, today.size)
    while True:
        written = written_of(today, found, stay, owner, options.require, options.max_blocks)
        size = trust_document_of(today, written).size
        if size <= most:
            return written
        sizes = [
            (-len(str([one for one in written if one.statement == number and not one.kept])), number)
            for number in {one.statement for one in written if not one.kept}
        ]
        if not sizes:
            raise GateError(
                f"the trust policy has {size:,} characters, and IAM stores {most:,}",
                "fewer conditions of --require make it shorter",
                "IAM's quota can be raised: Role trust policy length",
                code="PG-E386",
            )
        largest = min(sizes)[1]
        why = f"its callers do not fit into {most:,} characters; {RAISE_TRUST_LENGTH}"
        stay += [
            Kept(Way(largest, entry), entry, "size", why)
            for entry in today.statements[largest].principals.entries
        ]


_ASKED_ABOUT = ("external-id", "mfa")
"""Conditions that the screen proposes; the others follow from where a caller happens to work."""


def _could_require(
    written: Sequence[WrittenPrincipal], options: PrincipalOptions
) -> Iterator[tuple[str, str]]:
    for one in written:
        names = [name for name in _ASKED_ABOUT if name not in options.require and one.seen]
        for name in names:
            if required([name], one.seen, one.conditions, options.max_blocks).entries:
                yield one.entry[1], name


def _blind_spots(blind: PolicyBlindSpot | None, written: Sequence[WrittenPrincipal]) -> list[PolicyBlindSpot]:
    spots = [blind] if blind else []
    remedies = {"unverified": "drop it by hand if nobody needs it", "size": RAISE_TRUST_LENGTH}
    spots += [
        PolicyBlindSpot("kept", one.entry[1], one.kept.why, remedies[one.kept.reason])
        for one in written
        if one.kept and one.kept.reason in remedies and not (blind and one.kept.why == blind.why)
    ]
    return spots


def _nothing(
    role: Role, evidence: AssumptionEvidence, assumptions: Assumptions, found: LetIn[AssumptionUse]
) -> NothingFoundError:
    hints = []
    if assumptions.denied:
        hints.append(f"denied: {pluralize(assumptions.denied, 'assumption')}, which are no evidence of need")
    if assumptions.of_namesakes:
        number = pluralize(assumptions.of_namesakes, "assumption")
        hints.append(f"{number} were of a deleted role of the same name")
    if assumptions.untold:
        hints.append(f"{pluralize(assumptions.untold, 'assumption')} by callers that the records do not tell")
    if found.refused:
        hints.append(
            f"today's policy does not allow {found.refused[0].observed.party.name}: is the snapshot new?"
        )
    return NothingFoundError(
        f"nobody assumed {escape_controls(role.name)} in {pluralize(evidence.window.days, 'day')}",
        *map(escape_controls, hints),
        "no trust policy was written: an empty one would be a guess, not a finding",
        code="PG-E385",
    )
