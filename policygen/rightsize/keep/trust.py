"""Who may assume a role, as its trust policy says: what follows from it for who asks with its permissions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from policygen.account.model import Role
from policygen.catalog.action_classes import (
    authenticates_machines,
    may_be_asked_by_tools,
    runs_programs_only,
)

_PROVIDER = ":oidc-provider/"


class TrustedParties(msgspec.Struct, frozen=True):
    """The parties that the Allow statements of a trust policy name; what its conditions and Denies take away stays."""

    services: frozenset[str]
    """Service principals, ``lambda.amazonaws.com``."""
    providers: frozenset[str]
    """OIDC providers, ``token.actions.githubusercontent.com``."""
    others: bool
    """Whether it names anybody else: accounts, roles, users, everyone, SAML or Cognito."""
    everyone: bool = False
    """Whether it names no one in particular: ``*``, or all but some. Services may be among them."""

    @property
    def programs_only(self) -> bool:
        """Whether nobody but programs works with the role: no person, no notebook, no machine of somebody's own."""
        return (
            not self.others
            and all(map(runs_programs_only, self.services))
            and all(map(authenticates_machines, self.providers))
        )

    def lets_people_ask(self, action: str) -> bool:
        """Return whether a person may ask for an action with the role, in a console or with a tool."""
        return (
            self.others
            or any(may_be_asked_by_tools(one, action) for one in self.services)
            or not all(map(authenticates_machines, self.providers))
        )


def trusted_parties(role: Role | None) -> TrustedParties | None:
    """Return who may assume a role; None where the trust policy is not known, or allows nobody."""
    services: set[str] = set()
    providers: set[str] = set()
    others = everyone = False
    for kind, name in _principals(role.trust if role else {}):
        if kind == "Service":
            services.add(_global_name(name))
        elif kind == "Federated" and _PROVIDER in name:
            providers.add(name.partition(_PROVIDER)[2])
        else:
            others = True
            everyone = everyone or kind == "" or name == "*"
    known = services or providers or others
    return TrustedParties(frozenset(services), frozenset(providers), others, everyone) if known else None


def _principals(trust: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield kind and name of each party that a trust policy allows; ("", "") for what has another form."""
    statements = trust.get("Statement", ())
    for statement in statements if isinstance(statements, list) else [statements]:
        if not isinstance(statement, Mapping) or statement.get("Effect") != "Allow":
            continue
        principal = statement.get("Principal")
        if not isinstance(principal, Mapping):
            yield "", ""
            continue
        for kind, names in principal.items():
            for name in names if isinstance(names, list) else [names]:
                yield (kind, name) if isinstance(name, str) else ("", "")


def _global_name(service: str) -> str:
    """Return a service principal without the region that some have: ``states.eu-west-1.amazonaws.com``."""
    pieces = service.removesuffix(".cn").split(".")
    if len(pieces) > 3 and pieces[-3].count("-") >= 2 and pieces[-3][-1].isdigit():
        del pieces[-3]
    return ".".join(pieces)
