"""The gate: a policy that somebody wrote, against what the role did and what the logs could have shown.

Findings have stable rule ids. An observed call that the policy denies is an error; what it grants beyond what was
seen is a warning where the logs would have shown the use, and a note where they could not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from policygen import arn
from policygen.access import AccessRequest
from policygen.blindspot import BlindSpot
from policygen.catalog import reference
from policygen.coverage import Coverage
from policygen.keeps import Keep
from policygen.ledger import Evidence, total
from policygen.policy.compare import compare_policies
from policygen.policy.document import Policy, Statement
from policygen.policy.evaluate import Decision, Evaluator, Guardrails
from policygen.policy.expand import actions_matching
from policygen.policy.generalise import generalise
from policygen.policy.meet import allow_statements, own_grants
from policygen.policy.places import Path, Place, places
from policygen.text import count
from policygen.today import Missing
from policygen.usage import Usage

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("note", "warning", "error")


class Rule(NamedTuple):
    """A kind of finding."""

    id: str
    level: Level
    title: str
    help: str


RULES: Mapping[str, Rule] = {
    rule.id: rule
    for rule in (
        Rule(
            "PG101",
            "warning",
            "granted, visible, never used",
            "Remove it, or list it under keep with a reason.",
        ),
        Rule("PG102", "warning", "reaches beyond what was seen", "Name the resources that were used."),
        Rule("PG103", "warning", "used only in a way unlike the workload", "Look at who made these calls."),
        Rule(
            "PG104", "warning", "allowed under a condition only", "The logs do not tell the keys it asks for."
        ),
        Rule("PG105", "error", "wider than today's policies", "A right-sized policy grants nothing new."),
        Rule("PG201", "error", "observed call would be denied", "Allow it, or deploy and break the role."),
        Rule(
            "PG202",
            "error",
            "the platform's need would be denied",
            "CloudTrail never shows it; configuration does.",
        ),
        Rule(
            "PG203", "warning", "calls that were set apart would be denied", "Look at who made these calls."
        ),
        Rule(
            "PG301",
            "note",
            "no evidence possible",
            "Decide by hand; a note does not fail the gate by default.",
        ),
        Rule(
            "PG302",
            "note",
            "observed, and not allowed today either",
            "Something else allowed it, or the policies changed after the call.",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Source:
    """A policy file: its name for people, its text, and what it says."""

    name: str
    text: str
    policy: Policy
    places: Mapping[Path, Place] = field(default_factory=dict)

    def place(self, statement: int, element: str, item: int) -> Place:
        """Where an item of a statement's element stands; the nearest place that is known."""
        single: Path = ("Statement", element, item)
        path: Path = ("Statement", statement, element, item)
        for wanted in (path, path[:3], single, single[:2], path[:2], ("Statement",)):
            if wanted in self.places:
                return self.places[wanted]
        return Place(1, 1)


def source_of(name: str, text: str, policy: Policy) -> Source:
    """A source with the places of its elements."""
    return Source(name, text, policy, places(text))


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding, where it stands, and what would mend it."""

    rule: Rule
    subject: str
    """An action, or an action pattern."""
    message: str
    """What was seen, in one line."""
    fix: str
    file: str
    place: Place
    resource: str = ""

    @property
    def level(self) -> Level:
        """error, warning or note."""
        return self.rule.level


@dataclass(frozen=True, slots=True)
class Evidenced:
    """What the findings rest on."""

    usage: Usage
    coverage: Coverage
    min_days: int = 0
    """Days for which a permission must have been visible before its absence means anything."""
    requests: Mapping[AccessRequest, Evidence] = field(default_factory=dict)
    """Observed requests that today's policies allow, each cut to what they allow of it; without them, all."""
    missing: Sequence[Missing] = ()
    """Observed requests that today's policies do not allow."""
    keeps: Sequence[Keep] = ()
    """The platform's needs, what people decided to keep, and what nobody can know."""
    apart: Usage | None = None
    today: Sequence[Policy] | None = None
    boundary: Policy | None = None
    guardrails: Guardrails = ()
    account: str = ""


def check(sources: Sequence[Source], seen: Evidenced) -> tuple[Finding, ...]:
    """All findings: errors first, then by file, line and rule."""
    found = [
        *_denied(sources, seen),
        *_platform(sources, seen),
        *_set_apart(sources, seen),
        *_wider(sources, seen),
        *_spare(sources, seen),
    ]
    order = {level: -i for i, level in enumerate(LEVELS)}
    found.sort(key=lambda f: (order[f.level], f.file, f.place, f.rule.id, f.subject, f.resource))
    return tuple(found)


def _denied(sources: Sequence[Source], seen: Evidenced) -> Iterator[Finding]:
    """Replay. What the boundary denies is no fault of the policy, but the call would fail all the same."""
    replay = _Replay(sources, seen)
    groups: dict[tuple[str, str, str], list[tuple[AccessRequest, Evidence]]] = {}
    for request, evidence in seen.requests.items():
        rule, reason = replay.judge(request)
        if rule and request.grade == "required":
            groups.setdefault((rule, request.action, reason), []).append((request, evidence))
    for one in seen.missing:
        if not replay.allows(one.request):
            groups.setdefault(("PG302", one.request.action, one.cause), []).append(
                (one.request, one.evidence)
            )
    for (rule, action, reason), members in groups.items():
        seen_all = total(one for _, one in members)
        where = sorted({request.resource for request, _ in members})
        calls = f"{count(seen_all.count, 'call')}, last {seen_all.last}" if seen_all else ""
        on = where[0] if len(where) == 1 else f"{len(where)} resources, as {where[0]}"
        source, place = _nearest(sources, action)
        yield Finding(RULES[rule], action, f"{calls} on {on}; {reason}", _FIXES[rule], source.name, place, on)


_FIXES = {
    "PG201": "allow it there",
    "PG104": "drop the condition, or make sure that the key is there",
    "PG302": "nothing here; it may need a look at what allowed the call",
}


class _Replay:
    """Judges observed requests by the policies, beside what today's say of them."""

    def __init__(self, sources: Sequence[Source], seen: Evidenced) -> None:
        policies = [source.policy for source in sources]
        self._new = _evaluator(sources, seen)
        self._policies = policies
        self._allows = Evaluator([Policy(tuple(allow_statements(policies)))])
        self._today = None
        if seen.today is not None:
            self._today = Evaluator(
                seen.today, seen.boundary, guardrails=seen.guardrails, account=seen.account
            )

    def allows(self, request: AccessRequest) -> bool:
        """Whether the policies allow a request."""
        return self._new.evaluate(request).outcome == "ALLOWED"

    def judge(self, request: AccessRequest) -> tuple[str, str]:
        """The rule that a request breaks and why; ("", "") for none."""
        decision = self._new.evaluate(request)
        if decision.outcome == "ALLOWED":
            return (
                ("", "")
                if decision.certain or self._as_today(request, decision)
                else ("PG104", decision.reason)
            )
        if not request.wild:
            return "PG201", decision.reason
        # The record does not tell the whole name: of what is barred or not granted the call may have had no part.
        as_today = self._today is not None and self._today.evaluate(request).outcome != "ALLOWED"
        if as_today and (
            self._allows.evaluate(request).outcome == "ALLOWED" or own_grants(request, self._policies)
        ):
            return "", ""
        return "PG201", decision.reason

    def _as_today(self, request: AccessRequest, decision: Decision) -> bool:
        """Whether a request that is allowed under a condition is so under the same one today."""
        if self._today is None or decision.statement is None:
            return False
        found = self._today.evaluate(request)
        return (
            found.outcome == "ALLOWED"
            and found.statement is not None
            and found.statement.conditions == decision.statement.conditions
        )


def _nearest(sources: Sequence[Source], action: str) -> tuple[Source, Place]:
    """The first statement that speaks of the action, else of its service, else the first line."""
    service = action.split(":", 1)[0] + ":"
    for fits in (
        lambda pattern: arn.action_matches(pattern, action),
        lambda pattern: pattern.lower().startswith(service),
    ):
        for source in sources:
            for number, statement in enumerate(source.policy.statements):
                for item, pattern in enumerate(statement.actions):
                    if statement.effect == "Allow" and not statement.not_actions and fits(pattern):
                        return source, source.place(number, "Action", item)
    return sources[0], Place(1, 1)


def _platform(sources: Sequence[Source], seen: Evidenced) -> Iterator[Finding]:
    evaluator = _evaluator(sources, seen)
    for keep in seen.keeps:
        if keep.kind != "platform":
            continue
        request = AccessRequest(keep.grant.action, keep.grant.resource, wild=True)
        if evaluator.evaluate(request).outcome != "ALLOWED":
            source, place = _nearest(sources, keep.grant.action)
            yield Finding(
                RULES["PG202"],
                keep.grant.action,
                f"on {keep.grant.resource}: {keep.why}",
                "allow it there",
                source.name,
                place,
                keep.grant.resource,
            )


def _wider(sources: Sequence[Source], seen: Evidenced) -> Iterator[Finding]:
    """What the policies allow and today's do not, by meaning: a dropped Deny widens as much as an added Allow."""
    if seen.today is None:
        return
    found = compare_policies(seen.today, [source.policy for source in sources])
    for one in found.gained:
        source, place = _nearest(sources, one.request.action)
        yield Finding(
            RULES["PG105"],
            one.request.action,
            f"on {one.request.resource}: {one.allowed_by}; of today's, {one.refused}",
            "grant what today's policies grant, or change them first",
            source.name,
            place,
            one.request.resource,
        )
    for text in found.unsure:
        if text.startswith("new"):
            yield Finding(
                RULES["PG105"],
                text.partition(": ")[2] or text,
                "it is not proved that today's policies allow all of it",
                "write it as today's policies do, or narrower",
                sources[0].name,
                Place(1, 1),
            )


def _set_apart(sources: Sequence[Source], seen: Evidenced) -> Iterator[Finding]:
    """Calls that do not look like the workload, and that the policies would deny: somebody should have looked."""
    evaluator = _evaluator(sources, seen)
    denied: dict[str, list[Evidence]] = {}
    for request, evidence in (seen.apart.requests if seen.apart else {}).items():
        if request.grade == "required" and evaluator.evaluate(request).outcome != "ALLOWED":
            denied.setdefault(request.action, []).append(evidence)
    for action, members in denied.items():
        all_ = total(members)
        source, place = _nearest(sources, action)
        calls = f"{count(all_.count, 'call')}, last {all_.last}" if all_ else ""
        fix = "look at who made them; --accept counts them as the workload's"
        yield Finding(RULES["PG203"], action, calls, fix, source.name, place)


def _evaluator(sources: Sequence[Source], seen: Evidenced) -> Evaluator:
    policies = [source.policy for source in sources]
    return Evaluator(policies, seen.boundary, guardrails=seen.guardrails, account=seen.account)


def _spare(sources: Sequence[Source], seen: Evidenced) -> Iterator[Finding]:
    """What is granted and was not seen: per statement and action pattern."""
    patterns = _patterns(seen.usage)
    apart = {request.action for request in seen.apart.requests} if seen.apart else set()
    needs: dict[str, list[str]] = {}
    doubts = _Doubts(seen.keeps)
    for keep in seen.keeps:
        if keep.kind != "unknown":
            needs.setdefault(keep.grant.action.lower(), []).append(keep.grant.resource)
    for source, number, statement in _allows(sources):
        element = "NotAction" if statement.not_actions else "Action"
        actions = [("*", 0)] if statement.not_actions else [(p, i) for i, p in enumerate(statement.actions)]
        for pattern, item in actions:
            names = [name for name in actions_matching(pattern) if _speaks_of(statement, name)]
            place = source.place(number, element, item)
            shown = (
                pattern if not statement.not_actions else f"everything but {', '.join(statement.actions[:3])}"
            )
            yield from _unused(source, place, shown, names, statement, seen, patterns, needs, doubts, apart)
            if not statement.not_resources:
                yield from _beyond(source, number, shown, names, statement, patterns, needs, doubts)


class _Doubts:
    """What of today is kept because nobody can know, for reasons that the logs alone do not give."""

    def __init__(self, keeps: Iterable[Keep]) -> None:
        self._keeps: dict[str, list[Keep]] = {}
        for keep in keeps:
            if keep.kind == "unknown" and keep.blind_spot:
                self._keeps.setdefault(keep.grant.action.lower(), []).append(keep)

    def get(self, action: str, statement: Statement) -> BlindSpot | None:
        """Why the use of an action on a statement's resources could not be known; None where it could."""
        return next(
            (k.blind_spot for k in self._keeps.get(action, ()) if _meet(statement, k.grant.resource)), None
        )


def _unused(
    source: Source,
    place: Place,
    shown: str,
    names: Sequence[str],
    statement: Statement,
    seen: Evidenced,
    patterns: Mapping[str, Sequence[str]],
    needs: Mapping[str, Sequence[str]],
    doubts: _Doubts,
    apart: set[str],
) -> Iterator[Finding]:
    """Actions without a call, by what the logs could have shown."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name in names:
        touched = (*patterns.get(name.lower(), ()), *needs.get(name.lower(), ()))
        if any(_meet(statement, one) for one in touched):
            continue
        if name in apart:
            groups.setdefault(("PG103", "calls were set apart"), []).append(name)
            continue
        known = reference.action(name)
        reads = known is not None and not known.writes
        places = ("*",) if statement.not_resources else statement.resources
        answers = [seen.coverage.verdict(name, place, reads) for place in places]
        spot = next((one.spot for one in answers if one.spot), None) or doubts.get(name.lower(), statement)
        shortest = min(one.days for one in answers)
        if not spot and shortest < seen.min_days:
            spot = BlindSpot("window-not-covered", name, f"visible on {count(shortest, 'day')} only", "wait")
        key = ("PG301", spot.why) if spot else ("PG101", f"0 calls in {count(shortest, 'day')}")
        groups.setdefault(key, []).append(name)
    for (rule, why), members in groups.items():
        subject = members[0] if len(members) == 1 else f"{len(members)} actions of {shown}"
        fix = RULES[rule].help[0].lower() + RULES[rule].help[1:].rstrip(".")
        listed = "" if len(members) == 1 else _some(members)
        yield Finding(RULES[rule], subject, f"{why}{listed}", fix, source.name, place)


def _beyond(
    source: Source,
    number: int,
    shown: str,
    names: Sequence[str],
    statement: Statement,
    patterns: Mapping[str, Sequence[str]],
    needs: Mapping[str, Sequence[str]],
    doubts: _Doubts,
) -> Iterator[Finding]:
    """Resource patterns wider than every pattern that the declared rules would write for what was seen."""
    for item, resource in enumerate(statement.resources):
        if "${" in resource:
            continue  # each session has one value for a variable, which names cannot replace
        for name in names:
            touched = [*patterns.get(name.lower(), ()), *needs.get(name.lower(), ())]
            inside = [one for one in touched if arn.overlaps(resource, one)]
            if not inside or any(arn.contains(one, resource) for one in touched):
                continue
            if spot := doubts.get(name.lower(), replace(statement, resources=(resource,))):
                where = source.place(number, "Resource", item)
                fix = "decide by hand; a note does not fail the gate by default"
                yield Finding(
                    RULES["PG301"], name, f"on {resource}: {spot.why}", fix, source.name, where, resource
                )
                continue
            better = ", ".join(sorted(set(inside))[:3]) + (" …" if len(set(inside)) > 3 else "")
            yield Finding(
                RULES["PG102"],
                name,
                f"on {resource}, granted by {shown}",
                f"name {better}",
                source.name,
                source.place(number, "Resource", item),
                resource,
            )


def _patterns(usage: Usage) -> dict[str, list[str]]:
    """Action -> the patterns that the declared rules write for what was observed."""
    found: dict[str, list[str]] = {}
    for request, written in generalise(list(usage.requests)).items():
        found.setdefault(request.action.lower(), []).append(written.pattern)
    return found


def _allows(sources: Sequence[Source]) -> Iterator[tuple[Source, int, Statement]]:
    for source in sources:
        for number, statement in enumerate(source.policy.statements):
            if statement.effect == "Allow":
                yield source, number, statement


def _speaks_of(statement: Statement, name: str) -> bool:
    listed = any(arn.action_matches(pattern, name) for pattern in statement.actions)
    return listed != statement.not_actions


def _meet(statement: Statement, pattern: str) -> bool:
    if statement.not_resources:
        return not any(arn.contains(one, pattern) for one in statement.resources)
    return any(arn.overlaps(one, pattern) for one in statement.resources)


def _some(names: Sequence[str]) -> str:
    if not names:
        return ""
    return f" ({', '.join(names[:4])}{f' and {len(names) - 4} more' if len(names) > 4 else ''})"


def gated(findings: Sequence[Finding], fail_on: Level) -> list[Finding]:
    """The findings at or above a level."""
    return [one for one in findings if LEVELS.index(one.level) >= LEVELS.index(fail_on)]
