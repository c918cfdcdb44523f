"""The screen of policygen trust: who assumes a role, what changes, and what is kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from policygen.iam.document import Conditions
from policygen.logs.calls.evidence import sum_evidence
from policygen.report.terminal.layout import LISTED, Layout
from policygen.report.wording import nearly_full
from policygen.rightsize.trust.assumptions import Observed
from policygen.rightsize.trust.generate import WrittenPrincipal
from policygen.rightsize.trust.session_length import hours
from policygen.rightsize.trust.session_places import SessionPlaces
from policygen.rightsize.trust.suggest import RAISE_TRUST_LENGTH, TrustSuggestion
from policygen.text import escape_controls, pluralize

_SHORT = {"token.actions.githubusercontent.com": "GitHub"}
_NAME = 50
"""Columns of a caller's name, at least."""
_NUMBERS = 9 + 6
"""Columns of how often somebody came, and on how many days."""


def trust_screen(suggestion: TrustSuggestion, width: int = 80) -> str:
    """Return the screen, without control characters."""
    layout = Layout(width)
    lines = [
        *_head(suggestion, layout),
        "",
        *_callers(suggestion.assumptions.observed, layout),
        "",
        *_trusted(suggestion, layout),
        "",
        "Changes  ~ narrowed  - removed  = kept without evidence",
        *(list(_changes(suggestion, layout)) or ["  none: today's policy is the smallest"]),
        *_questions(suggestion, layout),
        *_findings(suggestion, layout),
        *_elsewhere(suggestion, layout),
        "",
        *_promises(suggestion, layout),
        "Nothing in AWS was changed.",
    ]
    return "\n".join(escape_controls(line) for line in lines) + "\n"


def _head(suggestion: TrustSuggestion, layout: Layout) -> Iterator[str]:
    window, seen = suggestion.evidence.window, suggestion.assumptions
    newest = "" if suggestion.evidence.until_given else " (the newest event read)"
    until = f"{window.start} to {window.last_day} UTC{newest}"
    yield from layout.wrapped("", f"{suggestion.role.name}  {suggestion.role.key.arn}")
    yield from layout.wrapped("Window    ", f"{pluralize(window.days, 'day')}, {until}")
    total, callers = seen.total, len({_who(one) for one in seen.observed})
    when = (
        f" on {pluralize(len(total.days), 'day')}, last {total.last[:16].replace('T', ' ')}" if total else ""
    )
    yield from layout.wrapped(
        "Evidence  ", f"{pluralize(seen.count, 'assumption')} by {pluralize(callers, 'principal')}{when}"
    )
    left_out = [
        f"{number:,} {what}"
        for number, what in (
            (seen.denied, "denied"),
            (seen.of_namesakes, "of a deleted role of the same name"),
            (seen.untold, "by callers that the records do not tell"),
        )
        if number
    ]
    if left_out:
        yield from layout.wrapped("Left out  ", ", ".join(left_out))
    spots = [f"{one.why}: {one.remedy}" for one in suggestion.blind_spots if one.id != "kept"]
    days = f"{len(suggestion.evidence.own_days)}/{window.days} days"
    trails = suggestion.evidence.trails
    logged = f"trail {', '.join(trails)}: management reads on, all regions" if trails else "trails not known"
    yield from layout.wrapped("Coverage  ", f"{days}, {logged}" if not spots else "; ".join(spots))


# ---- who assumes --------------------------------------------------------------------------------------


def _callers(observed: Sequence[Observed], layout: Layout) -> Iterator[str]:
    groups: dict[str, list[Observed]] = defaultdict(list)
    for one in observed:
        groups[_who(one)].append(one)
    ranked = sorted(groups.items(), key=lambda item: (-_times(item[1]), item[0]))
    shown = [(escape_controls(name), ", ".join(_with(members)), members) for name, members in ranked]
    shown = shown[: 3 * LISTED]
    # What came with the calls may stand below; a name that is cut is no answer.
    with_ = "  with" * any(details for _, details, _ in shown)
    longest = max((len(name) + 2 for name, _, _ in shown), default=0)
    room = max(_NAME, min(longest, layout.width - _NUMBERS - len(with_)))
    yield f"{'Who assumes':<{room}}  {'times':>7}  {'days':>4}{with_}"
    for name, details, members in shown:
        total = sum_evidence([one.evidence for one in members])
        count, days = (total.count, len(total.days)) if total else (0, 0)
        numbers = f"  {count:>7,}  {days:>4}"
        lead = f"  {name:<{room - 2}}{numbers}"
        if len(name) > room - 2:
            yield from layout.wrapped("  ", name, "      ")
            lead = f"{'':<{room}}{numbers}"
        if details and len(lead) + 2 + len(details) > layout.width:
            yield lead
            yield from layout.wrapped("      ", details)
        else:
            yield f"{lead}  {details}".rstrip()
    if len(ranked) > 3 * LISTED:
        yield f"  and {len(ranked) - 3 * LISTED:,} more"


def _trusted(suggestion: TrustSuggestion, layout: Layout) -> Iterator[str]:
    """Say whom today's policy lets in, whether anybody of them came or not."""
    yield "Who may, by today's policy"
    for one in suggestion.today.statements:
        names = ", ".join(name for _, name in one.principals.entries)
        everyone_but = "everyone but " * one.principals.negated
        denied = "never " * (one.statement.effect == "Deny")
        asked = [
            f"{key} {operator} {' or '.join(values)}"
            for operator, keys in one.statement.conditions
            for key, values in keys
        ]
        when = f" if {' and '.join(asked)}" if asked else ""
        yield from layout.wrapped("  ", f"{denied}{everyone_but}{names}{when}", "      ")


def _times(members: Sequence[Observed]) -> int:
    return sum(one.evidence.count for one in members)


def _who(one: Observed) -> str:
    party = one.party
    if party.kind == "AWS":
        name = party.name.split(":", 5)[5]
        return f"{party.account} {name if party.is_named else party.unique_id}"
    if party.kind == "Federated":
        provider = party.name.rpartition("-provider/")[2]
        return f"{_SHORT.get(provider, provider)} {one.said.subject}"
    return party.name


def _with(members: Sequence[Observed]) -> Iterator[str]:
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


def _changes(suggestion: TrustSuggestion, layout: Layout) -> Iterator[str]:
    for one in suggestion.written:
        yield from _change(suggestion, one, layout)
    for what, why in suggestion.removed:
        yield from layout.wrapped("  - ", f"{what}  {why}", "      ")
    for lost, rule in suggestion.losses:
        yield from layout.wrapped("  - ", f"{_who(lost)}  {rule.where}: {rule.reason}", "      ")
    length = suggestion.length
    if length.now and length.proposed < length.now:
        yield f"  ~ session  {hours(length.now)} → {hours(length.proposed)}: nobody asked for more"


def _change(suggestion: TrustSuggestion, one: WrittenPrincipal, layout: Layout) -> Iterator[str]:
    if one.kept:
        yield from layout.wrapped("  = ", f"{one.entry[1]}  {one.kept.why}", "      ")
        return
    before = suggestion.today.statements[one.statement]
    if one.entry not in before.principals.entries:
        names = ", ".join(name for _, name in before.principals.entries)
        yield from layout.wrapped("  ~ ", f"{names} → {one.entry[1]}", "      ")
    for key, values in _narrowed(before.statement.conditions, one.conditions):
        yield from layout.wrapped("  ~ ", f"{one.entry[1]}: {key} → {', '.join(values)}", "      ")


def _narrowed(before: Conditions, after: Conditions) -> Iterator[tuple[str, tuple[str, ...]]]:
    known = {(operator, key): values for operator, keys in before for key, values in keys}
    for operator, keys in after:
        for key, values in keys:
            if set(known.get((operator, key), ())) != set(values):
                yield key, values


def _questions(suggestion: TrustSuggestion, layout: Layout) -> Iterator[str]:
    if number := len(suggestion.could_require) + len(suggestion.absent):
        yield f"Your call ({number})"
    for name in suggestion.absent:
        yield from layout.wrapped(
            "  ? ", f"{name} came, and its account has it no more: IAM refuses its name; [[drop]] it", "    "
        )
    for who, name in suggestion.could_require:
        yield from layout.wrapped(
            "  ? ", f"{who} always satisfied {name}; --require {name} asks for it", "    "
        )
    for who, name in suggestion.not_required:
        yield from layout.wrapped(
            "  ? ", f"{name} is not required of {who}: not all of its uses had it", "    "
        )


def _findings(suggestion: TrustSuggestion, layout: Layout) -> Iterator[str]:
    if suggestion.findings:
        yield "Findings"
    for one in suggestion.findings:
        after = "" if one.remains else "; not with the new policy"
        yield from layout.wrapped("  ! ", f"{one.rule} {one.text}{after}", "    ")


def _elsewhere(suggestion: TrustSuggestion, layout: Layout) -> Iterator[str]:
    """Yield the places where sessions were used and nobody assumes the role."""
    observed = suggestion.assumptions.observed
    found = SessionPlaces(observed, suggestion.evidence.session_uses).elsewhere(observed)
    if found:
        yield "Used from where nobody assumes it"
    for one in found[:LISTED]:
        where = f"{one.endpoint} {one.address}".strip()
        when = f"{pluralize(one.days, 'day')}, last {one.last}"
        yield from layout.wrapped("  ! ", f"session {one.session}: {where}, {when}", "    ")
    if len(found) > LISTED:
        yield f"  and {pluralize(len(found) - LISTED, 'more place')}; -f json lists all"


def _promises(suggestion: TrustSuggestion, layout: Layout) -> Iterator[str]:
    for one in suggestion.promises:
        yield from layout.wrapped("  ✔ ", f"{one.name}: {one.finding}", "    ")
    if full := nearly_full(suggestion.policy.size, suggestion.quota, RAISE_TRUST_LENGTH):
        yield from layout.wrapped("  ! ", full, "    ")
