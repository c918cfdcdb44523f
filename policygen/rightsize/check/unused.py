"""What a policy grants beyond what was seen, where that could have been seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from policygen.evidence.coverage.blind_spot import BlindSpot
from policygen.evidence.usage import Usage
from policygen.iam import arn, reference
from policygen.iam.actions import actions_matching
from policygen.iam.document import Statement
from policygen.iam.locations import Location
from policygen.rightsize.check.basis import CheckBasis
from policygen.rightsize.check.findings import RULES, Finding, PolicySource
from policygen.rightsize.generate.generalise import generalise
from policygen.rightsize.keep.model import Keep
from policygen.text import pluralize


def unused_permissions(sources: Sequence[PolicySource], seen: CheckBasis) -> Iterator[Finding]:
    """What is granted and was not seen: per statement and action pattern."""
    patterns = _patterns(seen.usage)
    apart = {request.action for request in seen.anomalous_usage.requests} if seen.anomalous_usage else set()
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
    source: PolicySource,
    place: Location,
    shown: str,
    names: Sequence[str],
    statement: Statement,
    seen: CheckBasis,
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
        reads = reference.reads_only(name)
        places = ("*",) if statement.not_resources else statement.resources
        answers = [seen.coverage.observability(name, place, reads) for place in places]
        spot = next((one.blind_spot for one in answers if one.blind_spot), None) or doubts.get(
            name.lower(), statement
        )
        shortest = min(one.days for one in answers)
        if not spot and shortest < seen.min_days:
            spot = BlindSpot(
                "window-not-covered", name, f"visible on {pluralize(shortest, 'day')} only", "wait"
            )
        key = ("PG301", spot.why) if spot else ("PG101", f"0 calls in {pluralize(shortest, 'day')}")
        groups.setdefault(key, []).append(name)
    for (rule, why), members in groups.items():
        subject = members[0] if len(members) == 1 else f"{len(members)} actions of {shown}"
        fix = RULES[rule].help[0].lower() + RULES[rule].help[1:].rstrip(".")
        listed = some(members)
        yield Finding(RULES[rule], subject, f"{why}{listed}", fix, source.name, place)


def _beyond(
    source: PolicySource,
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


def _allows(sources: Sequence[PolicySource]) -> Iterator[tuple[PolicySource, int, Statement]]:
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


def some(names: Sequence[str]) -> str:
    """A few of several names in brackets, and how many there are beside them; one stands for itself."""
    if len(names) < 2:
        return ""
    return f" ({', '.join(names[:4])}{f' and {len(names) - 4} more' if len(names) > 4 else ''})"
