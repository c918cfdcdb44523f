"""`check --kind trust`: a trust policy that somebody wrote, against who assumed the role and what today's allows.

It rests on the suggestion for the role: what that keeps, for whatever reason, speaks against nothing. The rules are
those of policies of permissions, where an assumption is a call, and PG701 to PG704.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from policygen.iam.document import Policy
from policygen.iam.locations import locations
from policygen.iam.party import Principals
from policygen.iam.resource_policy import PrincipalStatement, ResourcePolicy, not_inside
from policygen.rightsize.check.findings import LEVELS, RULES, Finding, PolicySource, Spot, found_at
from policygen.rightsize.principals.letting_in import let_in, lost
from policygen.rightsize.trust.assumptions import AssumptionUse, uses_of_assumptions
from policygen.rightsize.trust.findings import findings_of
from policygen.rightsize.trust.suggest import TrustSuggestion
from policygen.text import pluralize


def trust_source(name: str, text: str, policy: ResourcePolicy) -> PolicySource:
    """Return a trust policy with the places of its elements."""
    bare = Policy(tuple(one.statement for one in policy.statements), name=policy.name)
    return PolicySource(name, text, bare, locations(text))


def check_trust(
    source: PolicySource, policy: ResourcePolicy, suggestion: TrustSuggestion
) -> tuple[Finding, ...]:
    """Return all findings: errors first, then by line and rule.

    Args:
        source: the file.
        policy: the trust policy in it.
        suggestion: for the role, with the assumptions and today's policy.
    """
    wider = list(_pieces(policy, suggestion.today))
    beyond = [one for one in _pieces(policy, suggestion.policy) if one not in wider]
    found = [
        *_denied(source, policy, suggestion),
        *(_wider(source, policy, one) for one in wider),
        *(_unused(source, policy, one, suggestion) for one in beyond if one.statement.effect == "Allow"),
        *_rules(source, policy, suggestion),
        *_untold(source, suggestion),
    ]
    order = {level: -place for place, level in enumerate(LEVELS)}
    return tuple(sorted(found, key=lambda one: (order[one.level], one.place, one.rule.id, one.subject)))


def _pieces(policy: ResourcePolicy, inside: ResourcePolicy) -> Iterator[PrincipalStatement]:
    yield from not_inside(policy, inside)


def _denied(source: PolicySource, policy: ResourcePolicy, suggestion: TrustSuggestion) -> Iterator[Finding]:
    """Find assumptions that were seen, that today's policy allows and this one does not."""
    dropped = {one for one, _ in suggestion.losses}
    going_on = [one for one in suggestion.assumptions.observed if one not in dropped]
    today = suggestion.today
    came = let_in(today, uses_of_assumptions(going_on, today), suggestion.role.key.account)
    uses = {use for several in came.uses.values() for use in several}
    denied = sorted(lost(policy, suggestion.today, uses), key=lambda use: (use.observed.party, use.action))
    by_caller: dict[tuple[str, str], list[AssumptionUse]] = defaultdict(list)
    for use in denied:
        by_caller[_who(use), use.action].append(use)
    for (who, action), found in by_caller.items():
        number = pluralize(sum(use.observed.evidence.count for use in found), "assumption")
        last = max(use.observed.evidence.last for use in found)[:10]
        is_gone = found[0].observed.party.name in suggestion.absent
        told = found_at(
            source.spot(0, "Statement", 0),
            RULES["PG201"],
            who,
            f"{number}, last {last}: {action} would be denied",
            "none: its account has it no more, and IAM refuses its name"
            if is_gone
            else "let the caller in, with the conditions that its requests meet",
            resource=action,
        )
        yield replace(told, against=not is_gone)


def _who(use: AssumptionUse) -> str:
    return f"{use.observed.party.name} {use.observed.said.subject}".strip()


def _wider(source: PolicySource, policy: ResourcePolicy, piece: PrincipalStatement) -> Finding:
    if piece.statement.effect == "Deny":
        return found_at(
            source.spot(0, "Statement", 0),
            RULES["PG105"],
            _names(piece),
            f"a Deny of today is gone: {', '.join(piece.statement.actions)}",
            "keep it word for word",
            key=f"Deny {piece.to_dict()}",
        )
    return found_at(
        _spot(source, policy, piece),
        RULES["PG105"],
        _names(piece),
        f"today's policy does not allow it: {_what(piece)}",
        "take it out, or leave the conditions of today in",
        resource=_what(piece),
    )


def _unused(
    source: PolicySource, policy: ResourcePolicy, piece: PrincipalStatement, suggestion: TrustSuggestion
) -> Finding:
    """Return the finding about a principal that goes beyond the suggestion: it never came, or came with less."""
    inside = [
        name
        for one in suggestion.policy.allows
        for kind, name in one.principals.entries
        if piece.principals.contains(Principals(((kind, name),)))
        or Principals(((kind, name),)).contains(piece.principals)
    ]
    days = pluralize(suggestion.evidence.window.days, "day")
    if not inside:
        message, rule = f"did not assume the role in {days}: {_what(piece)}", RULES["PG101"]
        fix = "take it out, or keep it with a reason: [[keep]] in policygen.toml"
    else:
        message, rule = (
            f"{', '.join(dict.fromkeys(inside))} came, and with less than {_what(piece)}",
            RULES["PG102"],
        )
        fix = "name who came, with the values that came: policygen trust -f policy"
    return found_at(_spot(source, policy, piece), rule, _names(piece), message, fix, resource=_what(piece))


def _rules(source: PolicySource, policy: ResourcePolicy, suggestion: TrustSuggestion) -> Iterator[Finding]:
    """Find what is wrong whoever comes; what the suggestion leaves so too is not against the policy."""
    account = suggestion.role.key.account
    for one in findings_of(policy, suggestion.policy, account, suggestion.length):
        fix = RULES[one.rule].help
        found = found_at(
            source.spot(0, "Statement", 0),
            RULES[one.rule],
            one.where,
            one.text,
            f"{fix[0].lower()}{fix[1:-1]}",
        )
        yield replace(found, against=not one.remains)


def _untold(source: PolicySource, suggestion: TrustSuggestion) -> Iterator[Finding]:
    """Say what the logs could not have shown: nothing of today's policy is called unused then."""
    for spot in suggestion.blind_spots:
        found = found_at(source.spot(0, "Statement", 0), RULES["PG301"], spot.about, spot.why, spot.remedy)
        yield replace(found, against=False)


def _spot(source: PolicySource, policy: ResourcePolicy, piece: PrincipalStatement) -> Spot:
    """Return where a statement's principals stand."""
    found = (place for place, one in enumerate(policy.statements) if one.statement is piece.statement)
    return source.spot(next(found, 0), "Principal", 0)


def _names(piece: PrincipalStatement) -> str:
    lead = "all but " if piece.principals.negated else ""
    return lead + ", ".join(name for _, name in piece.principals.entries)


def _what(piece: PrincipalStatement) -> str:
    """Return actions and conditions of a statement, the same in each run."""
    one = piece.statement
    lead = "all but " if one.not_actions else ""
    keys: Iterable[str] = (
        f"{operator} {key} {', '.join(values)}"
        for operator, entries in one.conditions
        for key, values in entries
    )
    when = "; ".join(keys)
    return f"{lead}{', '.join(one.actions)}" + (f" if {when}" if when else "")
