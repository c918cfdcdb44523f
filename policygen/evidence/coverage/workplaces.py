"""Where a role may have worked, for the regions of which IAM's last-accessed report says nothing (3.5).

A role's own events, its functions and its policies tell where it works. That others work in a region tells of the role
only as far as nothing contradicts it: the functions of that region, or what exists there at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from policygen.account.current import CurrentAccess
from policygen.account.inventory import Inventory
from policygen.account.model import unqualified
from policygen.catalog.reach import services_of
from policygen.evidence.coverage.tracked_regions import is_tracked_region, regions_of_statements
from policygen.iam.arn import parse, service_of


class Workplaces(msgspec.Struct, frozen=True):
    """The regions in which a role may have worked."""

    own: frozenset[str] = frozenset()
    """By what is known of the role itself; patterns as well."""
    shared: Mapping[str, frozenset[str] | None] = msgspec.field(default_factory=dict)
    """Region untracked by IAM in which others work, and the role may -> the services of which something is there; None
    for any."""
    others: frozenset[str] = frozenset()
    """The regions untracked by IAM in which others work, and the role itself not as far as anything tells."""

    def of(self, action: str) -> frozenset[str]:
        """Return the regions in which an action may have been used."""
        service = service_of(action)
        more = (region for region, there in self.shared.items() if there is None or service in there)
        return self.own.union(more)

    def ruled_out(self, action: str) -> str:
        """Return the first region in which others work and where nothing tells that an action was used; "" for none."""
        return min(self.others - self.of(action), default="")


def workplaces(access: CurrentAccess, busy: Iterable[str], seen: Iterable[str] = ()) -> Workplaces:
    """Return where a role may have worked.

    Args:
        access: its policies, functions and what these send to, and the account's resources.
        busy: the regions of anybody's events.
        seen: the regions of the role's own events.
    """
    own = {*seen, *_regions_of_functions(access)}
    bounds = (access.boundary,) if access.boundary else ()
    statements = (one for policy in (*access.policies, *bounds) for one in policy.statements)
    own |= regions_of_statements(statements)
    others = {region for region in busy if region and region not in own and not is_tracked_region(region)}
    shared = {region: _services_there(access.inventory, region) for region in sorted(others)}
    return Workplaces(
        frozenset(own - {""}),
        {region: there for region, there in shared.items() if _may_run_in(access, region)},
        frozenset(others),
    )


def _regions_of_functions(access: CurrentAccess) -> Iterable[str]:
    """Yield the regions of the role's functions, of what they poll, and of where they send what failed."""
    functions = access.functions or ()
    names = {one.unqualified for one in functions}
    yield from (one.region for one in functions)
    arns = [one.dead_letter for one in functions]
    for mapping in access.mappings:
        if unqualified(mapping.function_arn) in names:
            arns += [mapping.source_arn, mapping.on_failure]
    for config in access.invoke_configs:
        if unqualified(config.function_arn) in names:
            arns += [config.on_success, config.on_failure]
    yield from (place.region for place in map(parse, filter(None, arns)) if place)


def _may_run_in(access: CurrentAccess, region: str) -> bool:
    """Return whether something in a region may run as the role: one of Lambda alone runs where its functions are."""
    role = access.role
    return role is None or not role.only_functions or region not in access.function_regions


def _services_there(inventory: Inventory | None, region: str) -> frozenset[str] | None:
    """Return the services that have something in a region, by IAM prefix; None where its resources were not read."""
    if inventory is None or not inventory.complete or not inventory.has_read(region):
        return None
    there = [item for item in inventory.items if item.region == region]
    places = filter(None, (parse(item.arn) for item in there))
    return services_of(item.type for item in there) | {place.service for place in places}
