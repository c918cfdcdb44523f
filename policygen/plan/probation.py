"""A probation: unverified permissions are denied for some days, to see whether anything asks for them.

The denial is a permissions boundary, or managed policies with Deny statements, that ends by itself on a day. Denied is
only what nothing speaks for: an action that was seen, is required or declared, that a bound or resource policy lets
through, or of which something says that it is used is never matched.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from policygen.errors import GateError, NothingFoundError, no_such
from policygen.iam import arn, reference
from policygen.iam.arn import service_of
from policygen.iam.document import Conditions, Policy, Statement, parse_policy
from policygen.plan.model import Plan, PlanKeep
from policygen.rightsize.generate.pack import MANAGED_LIMIT, name_statements, pack
from policygen.rightsize.generate.prefixes import MAY, MUST, MUST_NOT, cheapest_patterns
from policygen.text import escape_controls

Form = Literal["boundary", "deny"]

_TRIED = "IAM saw the role ask for it or its service, unseen by the logs"
_SPOKEN_FOR = {
    "used-unseen": _TRIED,
    "used-outside-window": "IAM saw the role ask for it or its service at another time",
    "seen-before-window": "the logs show an earlier call of it",
    "unmapped-call": "a call of its service could not be mapped",
    "role-passed-by-name": "a call may pass a role by name",
    "traced": "a trace shows its use",
}
"""Blind spot -> why a permission is left out: something says that it is, or may well be, used."""

_MOST = 10
"""Managed policies that a probation may take; a role has room for twenty with its own."""


class Probation(msgspec.Struct, frozen=True):
    """What is denied, until when, and how."""

    role: str
    form: Form
    policies: tuple[Policy, ...]
    """One boundary, or managed policies to attach."""
    denied: tuple[PlanKeep, ...]
    """The unverified permissions that are denied."""
    left_out: Mapping[str, str]
    """Unverified action -> why it is not denied."""
    until: str
    """The time at which the denial ends, ISO 8601 in UTC."""
    boundary: str
    """The name of today's boundary, which the new one contains; "" where there is none."""


def probation_of(plan: Plan, until: str, form: Form | None = None) -> Probation:
    """Return a probation of a plan's unverified permissions.

    Args:
        plan: the plan of a role, with the unverified permissions kept.
        until: the time at which the denial ends, ISO 8601 in UTC.
        form: a boundary, or Deny policies to attach; None for a boundary if it fits.

    Raises:
        NothingFoundError: PG-E371, nothing that could be denied.
        GateError: PG-E370, the denial does not fit into IAM's quotas.
    """
    denied, left_out = on_probation(plan)
    if not denied:
        raise NothingFoundError(
            f"nothing to put on probation: {escape_controls(plan.role.name)} has no unverified permission of which "
            "nothing says that it is used",
            *(f"{action}: {why}" for action, why in list(left_out.items())[:3]),
            code="PG-E371",
        )
    statements = _denials(plan, denied, until)
    name = f"policygen-probation-{plan.role.name}"
    boundary = _boundary(plan, statements, name)
    found: tuple[Policy, ...] = ()
    chosen: Form = form or ("boundary" if boundary.size <= MANAGED_LIMIT else "deny")
    if chosen == "boundary" and boundary.size <= MANAGED_LIMIT:
        found = (boundary,)
    elif chosen == "deny":
        found = _attachable(statements, name)
    if not found:
        raise GateError(
            f"the boundary has {boundary.size:,} characters, a managed policy takes {MANAGED_LIMIT:,}",
            "--as deny writes policies to attach in its place",
            code="PG-E370",
        )
    return Probation(
        plan.role.name, chosen, found, denied, left_out, until, plan.boundary.name if plan.boundary else ""
    )


def _boundary(plan: Plan, denials: Sequence[Statement], name: str) -> Policy:
    """Return today's boundary with the denials; where there is none, one that bounds nothing else."""
    allows: tuple[Statement, ...] = (Statement("Allow", ("*",), ("*",), sid="NoOtherBound"),)
    if plan.boundary:
        allows = parse_policy(plan.boundary.document, plan.boundary.name).statements
    return Policy(tuple(name_statements([*allows, *denials])), name=name)


def _attachable(denials: Sequence[Statement], name: str) -> tuple[Policy, ...]:
    try:
        return pack(name_statements(denials), name, name, inline=False, most=_MOST)
    except GateError as error:
        raise GateError(
            f"the denials do not fit into {_MOST} managed policies",
            "decide about some services first: --drop, or [[drop]] in policygen.toml",
            code="PG-E370",
        ) from error


def of_question(plan: Plan, topic: str) -> Plan:
    """Return the plan with no unverified permissions but those of one question; the others count as granted.

    Args:
        plan: the plan of a role.
        topic: the id of one of the question's topics, ``protocol:kinesis``.

    Raises:
        UsageError: PG-E372, the plan has no such question.
    """
    asked = next((one for one in plan.questions if topic in one.topics), None)
    if asked is None:
        raise no_such(
            f"no question {escape_controls(topic)[:80]!r} in the plan of {escape_controls(plan.role.name)}",
            topic,
            [one for question in plan.questions for one in question.topics],
            code="PG-E372",
        )
    keeps = tuple(keep for keep in plan.keeps if keep.kind != "unknown" or keep.action in asked.actions)
    return msgspec.structs.replace(plan, keeps=keeps)


# --- What is denied --------------------------------------------------------------------------------


def on_probation(plan: Plan) -> tuple[tuple[PlanKeep, ...], Mapping[str, str]]:
    """Return the unverified permissions that a probation denies, and why it leaves others out, by action."""
    needed, tried = _needed(plan), set(plan.unverified.tried)
    denied: list[PlanKeep] = []
    left_out: dict[str, str] = {}
    for keep in plan.keeps:
        if keep.kind != "unknown":
            continue
        if keep.action in tried:
            left_out[keep.action] = _TRIED
            continue
        used_on = needed.get(keep.action.lower(), [])
        if why := _SPOKEN_FOR.get(keep.blind_spot or "", "" if keep.blind_spot else "it was used"):
            left_out[keep.action] = why
        elif any(arn.overlaps(keep.resource, resource) for resource in used_on):
            left_out[keep.action] = f"it is needed on {used_on[0]}"
        else:
            denied.append(keep)
    chosen = [keep for keep in denied if keep.action not in left_out]
    return tuple(chosen), dict(sorted(left_out.items()))


def _needed(plan: Plan) -> dict[str, list[str]]:
    """Return action in lower case -> the resources on which it is needed, whoever lets it through."""
    unverified = {(keep.action, keep.resource) for keep in plan.keeps if keep.kind == "unknown"}
    found: dict[str, list[str]] = {}
    for action, resource in _spoken_for(plan, unverified):
        found.setdefault(action.lower(), []).append(resource)
    return found


def _spoken_for(plan: Plan, unverified: Collection[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield what was seen, also beside today's policies or along with other calls, is required or declared."""
    yield from ((one.action, one.resource) for one in plan.evidence.requests)
    yield from ((one.action, one.resource) for one in plan.missing)
    yield from ((one.action, one.resource) for one in plan.asides)
    yield from ((keep.action, keep.resource) for keep in plan.keeps if keep.kind != "unknown")
    yield from ((action, "*") for action in plan.needs or ())
    granted = ((one.action, one.resource) for one in plan.grants)
    yield from (one for one in granted if one not in unverified)


class _Sorted(NamedTuple):
    """Actions in lower case, by what a pattern may do with them."""

    deny: frozenset[str]
    spare: frozenset[str]
    """Denied or not: today's policies grant them, and by the evidence they can go."""


def _denials(plan: Plan, denied: Sequence[PlanKeep], until: str) -> list[Statement]:
    """Return the Deny statements: by patterns on every resource, by name where an action is needed elsewhere."""
    needed = _needed(plan)
    left_out = {action.lower() for action in on_probation(plan)[1]}
    partly = [keep for keep in denied if keep.action.lower() in needed]
    chosen = {keep.action.lower() for keep in denied} - needed.keys()
    gone = {change.action.lower() for change in plan.changes if change.kind == "removed" and change.now}
    sorted_ = _Sorted(frozenset(chosen), frozenset(gone - needed.keys() - left_out))
    conditions: Conditions = (("DateLessThan", (("aws:CurrentTime", (until,)),)),)
    patterns = tuple(_patterns(sorted_, [keep.action for keep in denied]))
    statements = (
        [Statement("Deny", patterns, ("*",), conditions=conditions, sid="Probation")] if patterns else []
    )
    by_place: dict[str, set[str]] = {}
    for keep in partly:
        by_place.setdefault(keep.resource, set()).add(keep.action)
    groups: dict[tuple[str, ...], list[str]] = {}
    for resource, actions in by_place.items():
        groups.setdefault(tuple(sorted(actions)), []).append(resource)
    statements += [
        Statement("Deny", actions, tuple(sorted(resources)), conditions=conditions, sid="ProbationElsewhere")
        for actions, resources in sorted(groups.items())
    ]
    return statements


def _patterns(sorted_: _Sorted, actions: Sequence[str]) -> Iterator[str]:
    """Yield the patterns that match all that is denied, and besides only what can go."""
    services: dict[str, set[str]] = {}
    for action in actions:
        if action.lower() in sorted_.deny:
            services.setdefault(service_of(action), set()).add(action)
    for service, members in sorted(services.items()):
        prices = {
            _bare(one): MAY if one.lower() in sorted_.spare else MUST_NOT
            for one in reference.action_names(service)
        }
        yield from cheapest_patterns(service, prices | {_bare(one): MUST for one in members})


def _bare(action: str) -> str:
    return action.partition(":")[2]


def documents(probation: Probation) -> list[dict[str, Any]]:
    """Return the documents by name, as IAM takes them."""
    return [{"name": policy.name, "document": policy.to_dict()} for policy in probation.policies]
