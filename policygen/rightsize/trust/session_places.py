"""From where the sessions of each assumption were used, and which of them from a place where nobody assumes the role.

A session is known by the role's id and its name: callers that use one name share what is known of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from policygen.iam.party import Party
from policygen.logs.events.assumption import Assumption
from policygen.logs.events.session_use import SessionUse
from policygen.rightsize.trust.assumptions import Observed

_WIDTH = {4: 24, 6: 48}
"""Bits of the network that counts as one place."""


class SessionPlace(NamedTuple):
    """A place that sessions of one name were used from."""

    session: str
    address: str
    """As delivered; the name of an AWS service where that called with the session."""
    endpoint: str
    days: int
    last: str
    """Date of the last day."""
    is_elsewhere: bool
    """Whether nobody assumes the role from there."""
    is_of_many: bool
    """Whether several callers use the session's name."""


class SessionPlaces:
    """The places of all sessions of a role."""

    def __init__(
        self, observed: Sequence[Observed], uses: Iterable[tuple[SessionUse, frozenset[str]]]
    ) -> None:
        """Join assumptions and uses.

        Args:
            observed: the assumptions that count.
            uses: of all sessions of the role, with their days.
        """
        self._homes = {_place(one.said.address, one.said.endpoint) for one in observed}
        callers: dict[str, set[Party]] = defaultdict(set)
        for one in observed:
            callers[one.said.session].add(one.party._replace(session=""))
        self._shared = {session for session, parties in callers.items() if len(parties) > 1}
        self._uses: dict[str, list[tuple[SessionUse, frozenset[str]]]] = defaultdict(list)
        for use, days in uses:
            self._uses[use.principal_id].append((use, days))

    def of(self, said: Assumption) -> tuple[SessionPlace, ...]:
        """Return from where the sessions of an assumption were used; none where its session has no known name."""
        found = self._uses.get(f"{said.role_id}:{said.session}", ()) if said.session else ()
        return tuple(self._seen(said.session, use, days) for use, days in found)

    def elsewhere(self, observed: Iterable[Observed]) -> list[SessionPlace]:
        """Return the places where sessions were used and nobody assumes the role, each once."""
        return sorted({place for one in observed for place in self.of(one.said) if place.is_elsewhere})

    def _seen(self, session: str, use: SessionUse, days: frozenset[str]) -> SessionPlace:
        place = _place(use.address, use.endpoint)
        away = bool(place) and place not in self._homes
        shared = session in self._shared
        return SessionPlace(session, use.address, use.endpoint, len(days), max(days), away, shared)


def _place(address: str, endpoint: str) -> str:
    """Return the endpoint, else the network of the address; "" for a service, which calls from its own."""
    if endpoint:
        return endpoint
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    return str(ip_network((found, _WIDTH[found.version]), strict=False))
