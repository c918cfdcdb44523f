"""Check the promises of a suggestion on the finished documents, not on the grants they were made from.

Every run proves that the new policies are sufficient, have nothing spare, are accounted for and never wider than the
current ones. Where a promise does not hold there are counter-examples, and no policy is written. "Accounted for" is
no claim that everything was seen: its finding counts what was, and what is kept unverified.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import product
from typing import NamedTuple

import msgspec

from policygen.account.current import CurrentAccess
from policygen.iam.cover import cover_matrix
from policygen.iam.document import Policy, Statement, allow_statements, deny_statements
from policygen.iam.evaluate import Evaluator
from policygen.iam.grants import Grant, GrantIndex, is_pattern, not_contained
from policygen.iam.request import AccessRequest
from policygen.rightsize.assess.tightness import Tightness
from policygen.rightsize.generate.generalise import Written
from policygen.text import pluralize

_SHOWN = 5


class Check(msgspec.Struct, frozen=True):
    """One promise: whether it holds, what was checked, and counter-examples."""

    promise: str
    """``sufficient``, ``nothing spare``, ``accounted for``, ``never wider``."""
    held: bool
    finding: str
    """One line for people."""
    counter_examples: tuple[str, ...] = ()


class Proof(msgspec.Struct, frozen=True):
    """All checks of one suggestion."""

    checks: tuple[Check, ...]

    @property
    def held(self) -> bool:
        """Whether every promise holds."""
        return all(check.held for check in self.checks)

    def without(self, losses: Sequence[str]) -> Proof:
        """Return the proof of a policy that lacks needed permissions because a decision drops them.

        The documents are what they were asked to be, so this is no fault; but "sufficient" does not hold.

        Args:
            losses: the permissions, a sentence each; () for none.
        """
        if not losses:
            return self
        finding = f"{pluralize(len(losses), 'needed permission')} dropped by decision: calls will fail"
        return Proof(
            tuple(
                Check(check.promise, False, finding, tuple(losses))
                if check.promise == "sufficient"
                else check
                for check in self.checks
            )
        )


class Apart(NamedTuple):
    """Documents apart from the others, and what they are for."""

    policies: Sequence[Policy]
    keeps: Sequence[Grant]


def grants_in(policies: Iterable[Policy]) -> list[Grant]:
    """Return every (action, resource, condition) that the Allow statements of documents write."""
    found: list[Grant] = []
    for statement in allow_statements(policies):
        unless = statement.actions if statement.not_actions else ()
        excluded = statement.resources if statement.not_resources else ()
        for action in ("*",) if unless else statement.actions:
            found += [
                Grant(action, resource, statement.conditions, excluded, unless)
                for resource in (("*",) if excluded else statement.resources)
            ]
    return list(dict.fromkeys(found))


def prove(
    policies: Sequence[Policy],
    requests: Mapping[AccessRequest, int],
    declared: Mapping[AccessRequest, Written],
    keeps: Sequence[Grant],
    tightness: Tightness,
    current: CurrentAccess | None = None,
    added: Sequence[Policy] = (),
    apart: Apart | None = None,
    not_allowed: Sequence[int] = (),
) -> Proof:
    """Check the promises.

    Args:
        policies: the new documents.
        requests: observed requests that must stay allowed -> the number of calls behind each.
        declared: how each request's resource may be written, by the declared generalisations.
        keeps: grants kept without evidence.
        tightness: the policies' actions by what speaks for them, for people.
        current: the current policies, and the bounds that stay in force; None where they are not known: then the
            promise "never wider" cannot be checked.
        added: what the user asked to be granted beyond the current policies.
        apart: policies of their own for what is unverified: the others must suffice without them, and nothing may be
            spare in either.
        not_allowed: of each observed request that no current policy allows and that is not granted, the number of
            calls behind it, for people.
    """
    grants = grants_in(policies)
    beside = grants_in(apart.policies) if apart else []
    every, all_keeps = [*grants, *beside], [*keeps, *(apart.keeps if apart else ())]
    checks = [
        _sufficient(
            policies,
            requests,
            None if current is None else (*current.policies, *added),
            current.evaluator if current else Evaluator,
            not_allowed,
        ),
        _nothing_spare(
            every,
            [
                *redundant_grants(grants, requests, keeps),
                *(redundant_grants(beside, (), apart.keeps) if apart else ()),
            ],
        ),
        _accounted_for(every, declared, all_keeps, tightness),
    ]
    if current is not None:
        documents = (*policies, *(apart.policies if apart else ()))
        checks.append(_never_wider(every, documents, current.policies, added))
    return Proof(tuple(checks))


def _check(promise: str, finding: str, failed: Sequence[str], looked: str) -> Check:
    if not failed:
        return Check(promise, True, finding)
    return Check(promise, False, f"{len(failed)} of {looked}", tuple(failed[:_SHOWN]))


def _sufficient(
    policies: Sequence[Policy],
    requests: Mapping[AccessRequest, int],
    today: Sequence[Policy] | None,
    bounded: Callable[[Sequence[Policy]], Evaluator],
    not_allowed: Sequence[int],
) -> Check:
    """Replay the requests.

    One whose record lacks the whole name is proved for each name that it may stand for, as far as current denies and
    bounds, which stay in force, do not refuse the name. That some are refused says nothing of the call that was made;
    that all are is a promise not kept.
    """
    evaluator, allows = bounded(policies), cache(lambda: Evaluator([_allow_only(policies)]))
    before = None if today is None else cache(partial(bounded, today))
    failed, uncertain, in_part = [], 0, 0
    for request in requests:
        decision = evaluator.evaluate(request)
        if request.wild and decision.outcome != "ALLOWED":
            decision = evaluator.refusal(request) or allows().evaluate(request)
            in_part += 1
        if decision.outcome != "ALLOWED":
            failed.append(f"{request.action} on {request.resource}: {decision.outcome}, {decision.reason}")
        elif not decision.certain:
            uncertain += 1
            if before and not request.wild and before().evaluate(request).certain:
                failed.append(
                    f"{request.action} on {request.resource}: allowed today whatever its conditions"
                )
    events = sum(requests.values())
    asked = f"{len(requests):,}, asked for {pluralize(events, 'time')}"
    finding = f"every permission that the calls asked for is allowed: {asked}"
    if today is None:  # a boundary, an SCP or a Deny of a policy that nobody read may refuse it
        alone = "this policy alone allows" if len(policies) == 1 else "these policies alone allow"
        finding = f"{alone} every permission that the calls asked for: {asked}"
    if not_allowed:
        times = pluralize(sum(not_allowed), "time")
        finding += f"; {len(not_allowed):,} more, asked for {times}, not allowed today and not granted"
    if uncertain:
        finding += f"; {uncertain:,} under conditions carried over from today"
    if in_part:
        finding += f"; {in_part:,} by the part of a pattern that no current Deny or bound refuses"
    return _check(
        "sufficient",
        finding,
        failed,
        f"{len(requests):,} permissions that calls asked for would be denied",
    )


def _allow_only(policies: Iterable[Policy]) -> Policy:
    return Policy(tuple(allow_statements(policies)))


def redundant_grants(
    grants: Sequence[Grant], requests: Iterable[AccessRequest], keeps: Sequence[Grant]
) -> Iterator[Grant]:
    """Yield the grants that can all be left out without denying anything observed or kept.

    Args:
        grants: the grants of a document.
        requests: observed requests that must stay allowed.
        keeps: grants kept without evidence.
    """
    kept, kept_as_written = GrantIndex(keeps), frozenset(keeps)
    table, left = cover_matrix(sorted(grants), requests), set(grants)
    written = table.index
    for grant in grants:
        if grant in kept_as_written and [*written.containing(grant)] == [grant]:  # as nearly all
            continue
        # A keep that no other grant holds, or a request that no other grant allows.
        alone = (
            keep
            for keep in kept.contained_in(grant)
            if all(one == grant or one not in left for one in written.containing(keep))
        )
        if next(alone, None) is None and table.sole_request(grant, left) is None:
            left.remove(grant)
            yield grant


def _nothing_spare(grants: Sequence[Grant], spare: Sequence[Grant]) -> Check:
    failed = [f"{grant.action} on {grant.resource}: nothing is denied without it" for grant in spare]
    finding = f"without any one of its {len(grants):,} permissions something seen or kept is denied"
    return _check("nothing spare", finding, failed, f"{len(grants):,} permissions are spare")


def _accounted_for(
    grants: Sequence[Grant],
    declared: Mapping[AccessRequest, Written],
    keeps: Sequence[Grant],
    tightness: Tightness,
) -> Check:
    failed = []
    as_declared: set[Grant] = set()
    for request, written in declared.items():
        grant = Grant(request.action, written.pattern)
        as_declared.add(grant)
        if not grant.covers(request):
            failed.append(f"{request.action}: {written.pattern} does not hold {request.resource}")
    kept, kept_as_written = GrantIndex(keeps), frozenset(keeps)
    patterns = GrantIndex(as_declared)

    def seen(action: str, grant: Grant) -> bool:
        return not grant.excluded and any(patterns.containing(Grant(action, grant.resource)))

    def accounted_for(grant: Grant) -> bool:
        if grant in kept_as_written and not is_pattern(grant.action):
            return True
        # A pattern of actions stands for each action that IAM knows and it matches.
        single = (Grant(action, *grant[1:4]) for action in grant.known_actions())
        return all(
            one in kept_as_written or any(kept.containing(one)) or seen(one.action, grant) for one in single
        )

    failed += [
        f"{grant.action} on {grant.resource}: neither observed, nor declared, nor kept"
        for grant in grants
        if not accounted_for(grant)
    ]
    return _check(
        "accounted for",
        tightness.words,
        failed,
        f"{len(grants):,} permissions have nothing that speaks for them",
    )


def grants_beyond(grants: Iterable[Grant], policies: Sequence[Policy]) -> list[Grant]:
    """Return the grants that the policies' Allow statements do not contain, neither one nor several together."""
    return not_contained(grants, allow_statements(policies))


def _never_wider(
    grants: Sequence[Grant], policies: Sequence[Policy], today: Sequence[Policy], added: Sequence[Policy]
) -> Check:
    wider = grants_beyond(grants, today)
    failed = [
        f"{grant.action} on {grant.resource}: no statement of today's policies allows all of it"
        for grant in (grants_beyond(grants, (*today, *added)) if added else wider)
    ]
    denies = deny_statements(policies)
    carried = {entry for statement in denies for entry in _entries(statement)}
    failed += [
        f"today's Deny {statement.sid or statement.actions[0]} is not in the new policies"
        for statement in deny_statements(today)
        if not _entries(statement) <= carried and not any(_bars_more(deny, statement) for deny in denies)
    ]
    finding = "allows nothing that the current policies do not allow"
    if wider:
        finding = f"but for {pluralize(len(wider), 'permission')} added as asked, {finding}"
    return _check(
        "never wider", finding, failed, f"{len(grants):,} permissions are wider than today's policies"
    )


def _bars_more(deny: Statement, today: Statement) -> bool:
    """Return whether a Deny denies all that a current one does, because its NotAction has fewer entries."""
    return (
        deny.not_actions
        and today.not_actions
        and set(deny.actions) <= set(today.actions)
        and (deny.resources, deny.not_resources, deny.conditions)
        == (today.resources, today.not_resources, today.conditions)
    )


def _entries(statement: Statement) -> set[tuple[object, ...]]:
    """Return a Deny as (action, resource, conditions), which stay the same when the statement is split."""
    if statement.not_actions or statement.not_resources:
        flags = (statement.not_actions, statement.not_resources)
        return {(frozenset(statement.actions), frozenset(statement.resources), statement.conditions, *flags)}
    pairs = product(statement.actions, statement.resources)
    return {(action, resource, statement.conditions) for action, resource in pairs}
