"""`check --kind trust`: a trust policy that somebody wrote, against who assumed the role and what today's allows.

It rests on the suggestion for the role: what that keeps, for whatever reason, speaks against nothing. The rules are
those of policies of permissions, where an assumption is a call, and PG701 to PG704.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from msgspec.structs import replace

from policygen.gate.findings import RULES, Finding, found_at
from policygen.gate.judge.principals import (
    broken_rule,
    gone_denies,
    grants_outside,
    untold,
    unused_grant,
    who_stays,
    wider_grant,
    worst_first,
)
from policygen.gate.sources import PolicySource
from policygen.iam.resource_policy import ResourcePolicy
from policygen.rightsize.principals.letting_in import let_in, lost
from policygen.rightsize.principals.owner import NO_OWNER
from policygen.rightsize.trust.assumptions import AssumptionUse, uses_of_assumptions
from policygen.rightsize.trust.findings import findings_of
from policygen.rightsize.trust.session_length import HOUR, SessionLength
from policygen.rightsize.trust.suggest import TrustSuggestion
from policygen.text import pluralize

_COMMAND = "policygen trust -f policy"


def check_trust(
    source: PolicySource, policy: ResourcePolicy, suggestion: TrustSuggestion
) -> tuple[Finding, ...]:
    """Return all findings: errors first, then by line and rule.

    Args:
        source: the file.
        policy: the trust policy in it.
        suggestion: for the role, with the assumptions and today's policy.
    """
    wider = grants_outside(policy, suggestion.today)
    beyond = [one for one in grants_outside(policy, suggestion.policy) if one not in wider]
    never = f"did not assume the role in {pluralize(suggestion.evidence.window.days, 'day')}"
    return worst_first(
        [
            *_denied(source, policy, suggestion),
            *(wider_grant(source, one) for one in wider),
            *gone_denies(source, policy, suggestion.today),
            *(
                unused_grant(source, one, who_stays(one, suggestion.written), never, _COMMAND)
                for one in beyond
            ),
            *_rules(source, policy, suggestion.policy, suggestion.role.key.account, suggestion.length),
            *untold(source, suggestion.blind_spots),
        ]
    )


def _denied(source: PolicySource, policy: ResourcePolicy, suggestion: TrustSuggestion) -> Iterator[Finding]:
    """Find assumptions that were seen, that today's policy allows and this one does not."""
    dropped = {one for one, _ in suggestion.losses}
    going_on = [one for one in suggestion.assumptions.observed if one not in dropped]
    today = suggestion.today
    came = let_in(today, uses_of_assumptions(going_on, today), suggestion.owner)
    uses = {use for several in came.uses.values() for use in several}
    entirely = set(lost(policy, today, uses, NO_OWNER))
    own = [use for use in uses if use.party.name not in suggestion.owner.allowed]
    denied = entirely.union(lost(policy, today, own, suggestion.owner))
    by_caller: dict[tuple[str, str], list[AssumptionUse]] = defaultdict(list)
    for use in sorted(denied, key=lambda use: (use.observed.party, use.action)):
        by_caller[_who(use), use.action].append(use)
    for (who, action), found in by_caller.items():
        number = pluralize(sum(use.observed.evidence.count for use in found), "assumption")
        last = max(use.observed.evidence.last for use in found)[:10]
        by_account = _BY_ACCOUNT if entirely.isdisjoint(found) else ""
        is_gone = found[0].observed.party.name in suggestion.absent
        told = found_at(
            source.spot(0, "Statement", 0),
            RULES["PG201"],
            who,
            f"{number}, last {last}: {action} would be denied{by_account}",
            "none: its account has it no more, and IAM refuses its name"
            if is_gone
            else "let the caller in, with the conditions that its requests meet",
            resource=action,
        )
        yield replace(told, against=not is_gone)


_BY_ACCOUNT = " without a permission of its own, which today's policy does not ask for"


def _who(use: AssumptionUse) -> str:
    return f"{use.observed.party.name} {use.observed.said.subject}".strip()


def trust_beyond_today(
    source: PolicySource, policy: ResourcePolicy, today: ResourcePolicy | None, account: str
) -> Iterator[Finding]:
    """Find what a trust policy lets in beyond today's, and the rules that it breaks and today's does not.

    Args:
        source: where it stands.
        policy: the trust policy.
        today: that of today; None where it is not known.
        account: the role's account.
    """
    if today:
        yield from (wider_grant(source, one) for one in grants_outside(policy, today))
        yield from gone_denies(source, policy, today)
    before = today or ResourcePolicy((), "trust")
    yield from (one for one in _rules(source, policy, before, account, _NO_LENGTH) if one.against)


_NO_LENGTH = SessionLength(None, HOUR)


def _rules(
    source: PolicySource, policy: ResourcePolicy, other: ResourcePolicy, account: str, length: SessionLength
) -> Iterator[Finding]:
    """Find what is wrong whoever comes; what the other policy leaves so too is not against the policy."""
    for one in findings_of(policy, other, account, length):
        yield broken_rule(source, one.rule, one.where, one.text, against=not one.remains)
