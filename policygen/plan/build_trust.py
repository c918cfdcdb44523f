"""Says in words what a suggested trust policy rests on and changes: for the screen, the page and the plan."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from policygen.errors import NothingFoundError, PolicygenError
from policygen.iam.document import Conditions
from policygen.logs.calls.evidence import sum_evidence
from policygen.plan.model_trust import (
    TrustAnswer,
    TrustCaller,
    TrustChange,
    TrustPromise,
    TrustProposal,
    TrustRule,
)
from policygen.rightsize.trust.assumptions import Observed
from policygen.rightsize.trust.generate import WrittenPrincipal
from policygen.rightsize.trust.session_length import hours
from policygen.rightsize.trust.suggest import TrustSuggestion
from policygen.text import escape_controls, pluralize

_SHORT = {"token.actions.githubusercontent.com": "GitHub"}
CALLERS = 18
"""Most callers that are named."""


def trust_proposal(suggestion: TrustSuggestion) -> TrustProposal:
    """Return what a suggestion says."""
    seen, length = suggestion.assumptions, suggestion.length
    callers = _callers(seen.observed)
    changes = tuple(_changes(suggestion))
    total = seen.total
    proposal = TrustProposal(
        answer="unchanged",
        reason="",
        document=suggestion.policy.to_dict() if suggestion.is_narrower else None,
        session_now=length.now,
        session_proposed=length.proposed,
        assumptions=seen.count,
        last=total.last if total else "",
        evidence=_evidence(suggestion, len(callers)),
        left_out=_left_out(suggestion),
        coverage=_coverage(suggestion),
        callers=tuple(callers[:CALLERS]),
        more_callers=max(0, len(callers) - CALLERS),
        changes=changes,
        questions=tuple(_questions(suggestion)),
        hints=tuple(
            f"{name} is not required of {who}: not all of its uses had it"
            for who, name in suggestion.not_required
        ),
        findings=tuple(TrustRule(one.rule, one.level, one.text, one.remains) for one in suggestion.findings),
        promises=tuple(TrustPromise(one.name, one.finding) for one in suggestion.promises),
        losses=len({_who(one) for one, _ in suggestion.losses}),
    )
    is_less = proposal.document is not None or proposal.shorter_session is not None
    answer: TrustAnswer = "narrower" if is_less else "unchanged"
    return replace(proposal, answer=answer, reason=_reason(suggestion, changes, is_less=is_less))


def no_trust_proposal(error: PolicygenError) -> TrustProposal:
    """Return why there is no suggestion."""
    answer: TrustAnswer = "refused"
    if isinstance(error, NothingFoundError):
        answer = "unseen"
    elif error.code == "PG-E383":
        answer = "unknown"
    # The last hint says that an empty policy would be a guess.
    reasons = [error.message, *(error.hints[:-1] if answer == "unseen" else ())]
    return TrustProposal(
        answer=answer,
        reason=escape_controls("; ".join(reasons)),
        code=error.code,
        assumptions=0 if answer == "unseen" else None,
    )


def _reason(suggestion: TrustSuggestion, changes: Sequence[TrustChange], *, is_less: bool) -> str:
    if is_less:
        numbers = Counter(one.kind for one in changes)
        told = [f"{numbers[kind]:,} {kind}" for kind in ("removed", "narrowed", "kept") if numbers[kind]]
        return ", ".join(told) or "narrowed"
    spots = _spots(suggestion)
    return f"kept as it is: {spots[0]}" if spots else "today's policy is the smallest"


# ---- what it rests on ---------------------------------------------------------------------------------


def _evidence(suggestion: TrustSuggestion, callers: int) -> str:
    seen, total = suggestion.assumptions, suggestion.assumptions.total
    when = (
        f" on {pluralize(len(total.days), 'day')}, last {total.last[:16].replace('T', ' ')}" if total else ""
    )
    return f"{pluralize(seen.count, 'assumption')} by {pluralize(callers, 'principal')}{when}"


def _left_out(suggestion: TrustSuggestion) -> str:
    seen = suggestion.assumptions
    numbers = (
        (seen.denied, "denied"),
        (seen.of_namesakes, "of a deleted role of the same name"),
        (seen.untold, "by callers that the records do not tell"),
    )
    return ", ".join(f"{number:,} {what}" for number, what in numbers if number)


def _spots(suggestion: TrustSuggestion) -> list[str]:
    return [f"{one.why}: {one.remedy}" for one in suggestion.blind_spots if one.id != "kept"]


def _coverage(suggestion: TrustSuggestion) -> str:
    if spots := _spots(suggestion):
        return "; ".join(spots)
    days = f"{len(suggestion.evidence.own_days)}/{suggestion.evidence.window.days} days"
    trails = suggestion.evidence.trails
    logged = f"trail {', '.join(trails)}: management reads on, all regions" if trails else "trails not known"
    return f"{days}, {logged}"


# ---- who assumes --------------------------------------------------------------------------------------


def _callers(observed: Sequence[Observed]) -> list[TrustCaller]:
    """Return everybody who came, first those who came most."""
    groups: dict[str, list[Observed]] = defaultdict(list)
    for one in observed:
        groups[_who(one)].append(one)
    found = [
        (name, sum_evidence([one.evidence for one in members]), members) for name, members in groups.items()
    ]
    callers = [
        TrustCaller(escape_controls(name), total.count, len(total.days), tuple(_came_with(members)))
        for name, total, members in found
        if total
    ]
    return sorted(callers, key=lambda one: (-one.times, one.name))


def _who(one: Observed) -> str:
    party = one.party
    if party.kind == "AWS":
        name = party.name.split(":", 5)[5]
        return f"{party.account} {name if party.is_named else party.unique_id}"
    if party.kind == "Federated":
        provider = party.name.rpartition("-provider/")[2]
        return f"{_SHORT.get(provider, provider)} {one.said.subject}"
    return party.name


def _came_with(members: Sequence[Observed]) -> Iterator[str]:
    if external := sorted({one.said.external_id for one in members} - {""}):
        yield f"external id {', '.join(external[:3])}"
    mfa = [one.facts.look_up("aws:MultiFactorAuthPresent") == ("true",) for one in members]
    if any(mfa):
        yield "MFA always" if all(mfa) else "MFA at times"
    if tags := sorted({key for one in members for key, _ in one.said.tags}):
        yield f"tags {', '.join(tags[:3])}"
    if any(one.said.source_identity or one.said.inherited_identity for one in members):
        yield "source identity"
    if any(one.said.session_policies or one.said.inline_policy for one in members):
        yield "session policies"


# ---- what changes -------------------------------------------------------------------------------------


def _changes(suggestion: TrustSuggestion) -> Iterator[TrustChange]:
    for one in suggestion.written:
        yield from _change(suggestion, one)
    for what, why in suggestion.removed:
        yield TrustChange("removed", what, why)
    for lost, rule in suggestion.losses:
        yield TrustChange("removed", _who(lost), f"{rule.where}: {rule.reason}")
    length = suggestion.length
    if length.now and length.proposed < length.now:
        lengths = f"{hours(length.now)} → {hours(length.proposed)}"
        yield TrustChange("narrowed", f"session {lengths}", "nobody asked for more")


def _change(suggestion: TrustSuggestion, one: WrittenPrincipal) -> Iterator[TrustChange]:
    if one.kept:
        yield TrustChange("kept", one.entry[1], one.kept.why)
        return
    before = suggestion.today.statements[one.statement]
    if one.entry not in before.principals.entries:
        names = ", ".join(name for _, name in before.principals.entries)
        yield TrustChange("narrowed", f"{names} → {one.entry[1]}")
    wide = [action for action in before.statement.actions if "*" in action and action not in one.actions]
    if before.statement.not_actions:
        wide = [f"everything but {', '.join(before.statement.actions)}"]
    if wide:
        yield TrustChange("narrowed", f"{one.entry[1]}: {', '.join(wide)} → {', '.join(one.actions)}")
    for key, values in _narrowed(before.statement.conditions, one.conditions):
        yield TrustChange("narrowed", f"{one.entry[1]}: {key} → {', '.join(values)}")


def _narrowed(before: Conditions, after: Conditions) -> Iterator[tuple[str, tuple[str, ...]]]:
    known = {(operator, key): values for operator, keys in before for key, values in keys}
    for operator, keys in after:
        for key, values in keys:
            if set(known.get((operator, key), ())) != set(values):
                yield key, values


def _questions(suggestion: TrustSuggestion) -> Iterator[str]:
    for name in suggestion.absent:
        yield f"{name} came, and its account has it no more: IAM refuses its name; [[drop]] it"
    for who, name in suggestion.could_require:
        yield f"{who} always satisfied {name}; --require {name} asks for it"
