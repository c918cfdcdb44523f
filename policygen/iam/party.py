"""Who asks, and the Principal elements that name them.

Source: IAM User Guide, reference_policies_elements_principal (what each form names), reference_policies_condition-keys
(the keys of the principal) and reference_identifiers (ARNs of sessions have no path).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from policygen.iam.conditions import ContextFacts, Truth, any_of, context_facts, negate
from policygen.iam.document import document_error

PRINCIPAL_ELEMENTS = ("Principal", "NotPrincipal")

Naming = Literal["", "account", "direct"]
"""How a Principal element names a party: not at all; as one of an account, whose own policies then decide; directly."""

_KINDS = ("AWS", "Service", "Federated", "CanonicalUser")
EVERYONE = "*"
_ACCOUNT = re.compile(r"(?P<number>\d{12})|arn:[^:]+:iam::(?P<root>\d{12}):root")
"""The two forms that name a whole account."""
_SESSION = re.compile(r"arn:([^:]+):sts::(\d{12}):assumed-role/([^/]+)/(.+)")
_UNIQUE_ID = re.compile(r"(?:AROA|AIDA|AGPA|ANPA)[A-Z0-9]{8,}")


class Party(NamedTuple):
    """Who makes a request. A request that nobody signed has no kind."""

    kind: Literal["AWS", "Service", "Federated", ""] = ""
    name: str = ""
    """ARN of the role with its path, of the user, or of the account's root; a service principal; a provider's ARN.

    ``arn:aws:iam::111122223333:role/``, or ``user/``: a role or user of that account whose name is not known.
    """
    session: str = ""
    """Name of the role's session; "" where it is not known."""
    unique_id: str = ""
    """``AROA…`` or ``AIDA…``; "" where it is not known."""

    @property
    def account(self) -> str:
        """The party's account; "" for services and for nobody."""
        return self.name.split(":")[4] if self.kind == "AWS" and self.name.count(":") >= 5 else ""

    @property
    def is_named(self) -> bool:
        """Whether it is known which role or user of its account it is."""
        return not self.name.endswith("/")

    @property
    def is_role(self) -> bool:
        """Whether it is a session of a role."""
        return self.kind == "AWS" and ":role/" in self.name

    @property
    def session_arn(self) -> str:
        """ARN of the role's session, which has no path (1.3.1); "" where its name is not known."""
        if not (self.is_role and self.is_named and self.session):
            return ""
        partition, role = self.name.split(":")[1], self.name.rpartition("/")[2]
        return f"arn:{partition}:sts::{self.account}:assumed-role/{role}/{self.session}"


NOBODY = Party()
"""Who makes a request that is not signed."""


def party_facts(party: Party) -> ContextFacts:
    """Return the condition keys that follow from who asks."""
    absent = ["aws:username", "aws:PrincipalServiceName", "aws:FederatedProvider"]
    known: list[tuple[str, tuple[str, ...]]] = []
    if party.kind == "AWS":
        kind = "AssumedRole" if party.is_role else "User" if ":user/" in party.name else "Account"
        known += [
            *([("aws:PrincipalArn", (party.name,))] if party.is_named else []),
            ("aws:PrincipalAccount", (party.account,)),
            ("aws:PrincipalType", (kind,)),
            ("aws:PrincipalIsAWSService", ("false",)),
        ]
        if kind == "User" and not party.is_named:
            absent.remove("aws:username")
        elif kind == "User":
            known.append(("aws:username", (party.name.rpartition("/")[2],)))
        if party.unique_id and (party.session or not party.is_role):
            known.append(("aws:userid", (":".join(filter(None, [party.unique_id, party.session])),)))
    elif party.kind == "Service":
        known += [("aws:PrincipalIsAWSService", ("true",)), ("aws:PrincipalServiceName", (party.name,))]
        absent += ["aws:PrincipalArn", "aws:PrincipalAccount"]
    else:
        absent += ["aws:PrincipalArn", "aws:PrincipalAccount", "aws:PrincipalType", "aws:userid"]
        absent += ["aws:PrincipalOrgID", "aws:PrincipalOrgPaths"]
        known.append(("aws:PrincipalIsAWSService", ("false",)))
        if party.kind == "Federated":
            known.append(("aws:FederatedProvider", (party.name,)))
    given = {key for key, _ in known}
    return context_facts(tuple(known), absent=[key for key in absent if key not in given])


class Principals(msgspec.Struct, frozen=True):
    """The Principal element of a statement, or NotPrincipal (`negated`): kinds with names, ``("AWS", "arn:…")``.

    ``"*"`` and ``{"AWS": "*"}`` both are ``("AWS", "*")``.
    """

    entries: tuple[tuple[str, str], ...]
    negated: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the element with its key. Names of a kind are one string, or a list in order."""
        key = PRINCIPAL_ELEMENTS[self.negated]
        if self.entries == (("AWS", EVERYONE),):
            return {key: EVERYONE}
        by_kind: dict[str, list[str]] = {}
        for kind in _KINDS:
            if names := [name for of, name in self.entries if of == kind]:
                by_kind[kind] = names
        return {key: {kind: names[0] if len(names) == 1 else names for kind, names in by_kind.items()}}

    @property
    def everyone(self) -> bool:
        """Whether it names everyone, signed or not."""
        return not self.negated and any(name == EVERYONE for _, name in self.entries)

    def names(self, party: Party) -> tuple[Truth, Naming]:
        """Return whether the element is about a party, and how it names it."""
        found = [_names(kind, name, party) for kind, name in self.entries]
        result = any_of(truth for truth, _ in found)
        if self.negated:
            return negate(result), "direct"
        naming = {naming for truth, naming in found if truth is result}
        return result, "direct" if "direct" in naming else "account" if "account" in naming else ""

    def contains(self, other: Principals) -> bool:
        """Whether the element is about everyone that another is about. True is proven, False is not."""
        if other.negated or self.negated:
            return self == other or (self.everyone and not other.negated)
        return all(any(_covers(mine, theirs) for mine in self.entries) for theirs in other.entries)


def account_named(name: str) -> str:
    """Return the account that an AWS principal names as a whole; "" where it names somebody else."""
    found = _ACCOUNT.fullmatch(name)
    return (found["number"] or found["root"]) if found else ""


def _names(kind: str, name: str, party: Party) -> tuple[Truth, Naming]:
    """Return whether one entry names a party, and how."""
    if name == EVERYONE:
        return Truth.TRUE, "direct"
    if kind != party.kind:
        return Truth.FALSE, ""
    if account := account_named(name):
        return (Truth.TRUE, "account") if account == party.account else (Truth.FALSE, "")
    if name in {party.name, party.unique_id, party.session_arn} - {""}:
        return Truth.TRUE, "direct"
    # What is not known of a party may be what the entry names.
    if not party.is_named and kind == "AWS":
        return (Truth.UNKNOWN, "direct") if _may_be(name, party) else (Truth.FALSE, "")
    if kind == "AWS" and _UNIQUE_ID.fullmatch(name) and not party.unique_id:
        return Truth.UNKNOWN, "direct"
    if party.is_role and not party.session and (session := _SESSION.fullmatch(name)):
        is_role = (session[2], session[3]) == (party.account, party.name.rpartition("/")[2])
        return (Truth.UNKNOWN, "direct") if is_role else (Truth.FALSE, "")
    return Truth.FALSE, ""


def _may_be(name: str, party: Party) -> bool:
    """Whether an entry may name a party of which only the account, the kind and the unique id are known."""
    if _UNIQUE_ID.fullmatch(name):
        return not party.unique_id
    if session := _SESSION.fullmatch(name):
        return party.is_role and session[2] == party.account and party.session in {"", session[4]}
    return name.startswith(party.name)


def _covers(wide: tuple[str, str], narrow: tuple[str, str]) -> bool:
    """Whether one entry is about everyone that another is about."""
    if wide == narrow or wide[1] == EVERYONE:
        return True
    if wide[0] != "AWS" or narrow[0] != "AWS":
        return False
    if account := account_named(wide[1]):
        parts = narrow[1].split(":")
        return account in {account_named(narrow[1]), parts[4] if len(parts) > 5 else ""}
    role, session = (
        re.fullmatch(r"arn:[^:]+:iam::(\d{12}):role/(?:.*/)?([^/]+)", wide[1]),
        _SESSION.fullmatch(narrow[1]),
    )
    return bool(role and session and role.groups() == session.groups()[1:3])


def parse_principals(element: Mapping[str, Any], path: str, name: str = "") -> Principals:
    """Read the Principal or NotPrincipal element of a statement.

    Args:
        element: the statement.
        path: of the statement, for messages.
        name: of the policy, for messages.

    Raises:
        UsageError: PG-E210, there is none, or it is not valid.
    """
    present = [key for key in PRINCIPAL_ELEMENTS if key in element]
    if len(present) != 1:
        problem = "and NotPrincipal both stand in one statement" if present else "is missing"
        raise document_error(name, f"{path}.Principal", problem)
    key = present[0]
    value = element[key]
    if value in (EVERYONE, [EVERYONE]):
        return Principals((("AWS", EVERYONE),), key == "NotPrincipal")
    if not isinstance(value, Mapping) or not value:
        raise document_error(name, f"{path}.{key}", 'must be "*" or an object with AWS, Service or Federated')
    entries: list[tuple[str, str]] = []
    for kind, names in value.items():
        listed = names if isinstance(names, list) else [names]
        if kind not in _KINDS or not all(isinstance(one, str) and one for one in listed):
            raise document_error(
                name, f"{path}.{key}.{kind}", f"must be one of {', '.join(_KINDS)}, with strings"
            )
        entries += [(kind, one) for one in listed]
    return Principals(tuple(dict.fromkeys(entries)), key == "NotPrincipal")
