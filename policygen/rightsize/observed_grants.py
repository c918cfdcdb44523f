"""How the policy writes what was observed: the second stage of a suggestion."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType

import msgspec

from policygen.catalog.sent_keys import sent_conditions
from policygen.iam.conditions import Truth
from policygen.iam.document import Policy
from policygen.iam.grants import Grant, GrantIndex
from policygen.iam.request import AccessRequest
from policygen.rightsize.assess.replay import Learner
from policygen.rightsize.generate.generalise import Written, generalise, type_name
from policygen.rightsize.generate.intersect import (
    Intersection,
    NarrowedGrant,
    intersect_with_policies,
    statement_grants,
)
from policygen.rightsize.generate.names import NameUse, name_uses, names_as_seen
from policygen.rightsize.keep.model import Keep
from policygen.rightsize.suggestion import SuggestOptions
from policygen.text import about_names

Dates = Mapping[AccessRequest, Collection[str]]
"""Observed request -> the dates on which it was seen."""


_BEYOND = "beyond today's policies: as seen"


def seen_beyond(requests: Collection[AccessRequest], options: SuggestOptions) -> dict[AccessRequest, str]:
    """Return the requests beyond today's policies that are written as seen -> why.

    Nothing of today bounds a pattern of them, so it takes a person who asks for patterns.
    """
    return dict.fromkeys(requests, _BEYOND) if options.resources == "auto" else {}


class WrittenNames(msgspec.Struct, frozen=True):
    """How the resources of requests are written, and how their names were used."""

    written: Mapping[AccessRequest, Written]
    uses: Mapping[AccessRequest, NameUse]


def written_names(
    requests: Dates,
    days: Sequence[str],
    options: SuggestOptions,
    together: Mapping[AccessRequest, int] = MappingProxyType({}),
    beyond: Collection[AccessRequest] = (),
) -> WrittenNames:
    """Return how each request's resource is written.

    Args:
        requests: the observed requests.
        days: the days that were read, in order.
        options: how to write names, and the types about which a person decided.
        together: those of the requests whose names were counted together -> about how many.
        beyond: those of the requests that no current policy allows.
    """
    exact = seen_beyond(beyond, options)
    uses = name_uses({one: seen for one, seen in requests.items() if one not in exact}, days, together)
    as_seen = names_as_seen(uses, options.exact, decide=options.resources == "auto") | exact
    written = generalise(requests, options.resources, options.opened, as_seen, together)
    return WrittenNames(written, uses)


def notes_on_names(together: Mapping[AccessRequest, int], options: SuggestOptions) -> Iterator[str]:
    """Yield what was counted together, for people; and that it cannot be listed, where that was asked for."""
    for request, number in sorted(together.items(), key=lambda one: (-one[1], one[0])):
        asked = options.resources == "exact" or type_name(request) in options.exact
        yield (
            f"{about_names(number)} of {request.action} on {request.resource} were counted together"
            f"{': exact cannot list them' if asked else ''}"
        )


def learner(
    options: SuggestOptions,
    first: str,
    given: Sequence[Grant] = (),
    beyond: Collection[AccessRequest] = (),
) -> Learner:
    """Return how the grants for observed requests would have been written earlier.

    Args:
        options: how to write names.
        first: the first day that was read; on days before it nothing can have been learnt.
        given: grants that rest on no evidence.
        beyond: requests that no current policy allows.
    """

    def learn(requests: Dates, days: Sequence[str]) -> list[Grant]:
        read = [day for day in days if day >= first]
        written = written_names(requests, read, options, beyond=beyond).written
        return [*candidate_grants(list(requests), written), *given]

    return learn


class ObservedGrants(msgspec.Struct, frozen=True):
    """The grants for the observed requests, inside the bounds."""

    grants: Sequence[Grant]
    written: Mapping[AccessRequest, Written]
    """The requests that the grants allow, and how each one's resource is written."""
    carried_over: Sequence[Keep]
    """What the current statements grant of the other requests' actions, as these write it."""
    narrowed: tuple[NarrowedGrant, ...]


def observed_grants(
    written: Mapping[AccessRequest, Written], bounds: Sequence[Policy] | None
) -> ObservedGrants:
    """Return the grants for requests, inside the current policies.

    Args:
        written: how each request's resource is written.
        bounds: the policies to stay inside of; None for none.
    """
    requests = list(written)
    candidates = candidate_grants(requests, written)
    allowed, carried_over = requests, list[Keep]()
    inside = Intersection(list(candidates), ())
    if bounds is not None:
        inside = intersect_with_policies(candidates, bounds)
        allowed, carried_over = _carry_over(requests, inside.grants, bounds)
    return ObservedGrants(
        inside.grants, {request: written[request] for request in allowed}, carried_over, inside.losses
    )


def candidate_grants(
    requests: Sequence[AccessRequest], written: Mapping[AccessRequest, Written]
) -> dict[Grant, list[AccessRequest]]:
    """Return grants by the written patterns -> the requests that each is for.

    A grant is under the conditions that all its requests satisfy, as far as AWS always sends their keys.
    """
    alike: dict[tuple[str, str], list[AccessRequest]] = {}
    for request in requests:
        alike.setdefault((request.action, written[request].pattern), []).append(request)
    return {
        Grant(action, pattern, sent_conditions(action, members)): members
        for (action, pattern), members in alike.items()
    }


def _carry_over(
    requests: Sequence[AccessRequest], observed: Sequence[Grant], bounds: Sequence[Policy]
) -> tuple[list[AccessRequest], list[Keep]]:
    """Return the requests that the grants allow, and keeps for the others as the current statements grant them.

    Some statements cannot be intersected with a pattern of names: they have a policy variable, or NotResource. Where
    the record does not decide whether the grants allowed a request, such a statement may have allowed it.
    """
    index = GrantIndex(observed)
    allowed: list[AccessRequest] = []
    keeps: list[Keep] = []
    why = "used; today's statement has a policy variable or NotResource that names cannot replace"
    for request in requests:
        covering = index.covering(request)
        if covering:
            allowed.append(request)
        if Truth.TRUE not in covering.values():
            known = {grant.conditions for grant in covering}
            keeps += [
                Keep(grant, "unknown", why)
                for grant in statement_grants(request, bounds)
                if grant.conditions not in known
            ]
    return allowed, keeps
