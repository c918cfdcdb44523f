"""What a service asks for with a role of its own at times only, so that the window need not show it (3.6).

Where a service is at work, the rest of what it needs is not unused for not being seen. The rows of service_roles.toml
say what, and when.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import cache
from typing import NamedTuple

from policygen.account.model import Role
from policygen.files import read_package_table
from policygen.iam.grants import Grant
from policygen.iam.request import AccessRequest
from policygen.rightsize.keep.model import Keep
from policygen.rightsize.keep.trust import trusted_parties


class NeedAtTimes(NamedTuple):
    """One row of service_roles.toml."""

    service: str
    """The service principal that the role trusts."""
    actions: tuple[str, ...]
    when: str
    """When the service asks for them, a clause."""
    source: str
    """URL."""
    signs: tuple[str, ...] = ()
    """Actions of which one shows that the service does this with the role; () for every role of the service."""


@cache
def needs_at_times() -> tuple[NeedAtTimes, ...]:
    """Return the rows of service_roles.toml, in order."""
    rows = read_package_table("policygen.rightsize.keep", "service_roles.toml")
    return tuple(
        NeedAtTimes(
            row["service"], tuple(row["actions"]), row["when"], row["source"], tuple(row.get("with", ()))
        )
        for row in rows.values()
    )


def actions_of_services(role: Role | None) -> frozenset[str]:
    """Return the actions that `needs_of_services` asks about for a role: whether the logs would have shown them."""
    return frozenset(action for row in _rows_of(role) for action in (*row.actions, *row.signs))


def needs_of_services(role: Role, used: Iterable[AccessRequest], visible: Collection[str]) -> Iterator[Keep]:
    """Yield what the services that a role trusts need of it at times, on any resource.

    What was seen is not among it, nor what the logs could not have shown: that stays unverified.

    Args:
        role: the role; its trust policy names the services.
        used: observed requests.
        visible: actions whose use the logs would have shown.
    """
    seen = {request.action for request in used}
    for row in _rows_of(role):
        if row.signs and not any(sign in seen or sign not in visible for sign in row.signs):
            continue
        for action in row.actions:
            if action in visible and action not in seen:
                yield Keep(Grant(action, "*"), "platform", f"{row.when}, which a window need not show")


def _rows_of(role: Role | None) -> list[NeedAtTimes]:
    trust = trusted_parties(role)
    return [row for row in needs_at_times() if trust and row.service in trust.services]
