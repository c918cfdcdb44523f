"""Who signed a request, by what an access log has of the caller.

Source: API Gateway Developer Guide, api-gateway-variables-for-access-logging; IAM User Guide, reference_identifiers
(unique ids, ARNs of sessions) and reference_policies_variables (``aws:userid`` of each kind of principal).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from policygen.account.model import Accounts
from policygen.rightsize.trust.callers import Directory, directory_of

_IDENTITY = ("identity.userArn", "identity.caller", "identity.user", "identity.accountId")
_UNIQUE_ID = re.compile(r"(A(?:ROA|IDA)[A-Z0-9]{5,32})(?::(.+))?")
_ROOT = re.compile(r"\d{12}")
_FEDERATED = re.compile(r"(\d{12}):(.+)")
_SERVICE = re.compile(r"[a-z0-9.-]+\.amazonaws\.com(?:\.cn)?")
_ARN = re.compile(
    r"arn:(?P<partition>[^:]+):(?:iam|sts)::(?P<account>\d{12}):(?P<kind>assumed-role|user|root|federated-user)"
    r"(?:/(?P<name>.+))?"
)
_SSO = "AWSReservedSSO_"
"""How the names of roles begin that IAM Identity Center makes: their paths are known to their account alone."""


class Signer(NamedTuple):
    """Who signed: the ARN of a role, a user or an account's root, a unique id where no ARN is known."""

    principal: str
    account: str = ""
    gone: bool = False
    """Whether another role or user has that name by now."""


class Contradiction(Exception):  # noqa: N818 - nothing went wrong: the entry was not taken apart as it was put together
    """Two parts of an entry name different callers, which API Gateway never writes."""


@dataclass(frozen=True, slots=True)
class Callers:
    """What is known of callers: unique ids and names from the snapshots."""

    directory: Directory
    ids: Mapping[str, str]
    """ARN -> unique id."""
    users: Mapping[tuple[str, str], str]
    """Account and name of a user -> its ARN."""

    @classmethod
    def of(cls, accounts: Accounts) -> Callers:
        """Return what snapshots tell of callers."""
        directory = directory_of(accounts, ())
        users = {
            (account_id, user.arn.rpartition("/")[2]): user.arn
            for account_id, account in accounts.items()
            for user in account.users
        }
        return cls(directory, {arn: unique_id for unique_id, arn in directory.arns.items()}, users)

    def find(self, values: Mapping[str, str], partition: str) -> Signer | None:
        """Return who signed; None where nobody did, or where the entry does not say who.

        Args:
            values: variable -> value, "" for nothing.
            partition: of the API, for principals of which the entry has no ARN.

        Raises:
            Contradiction: parts of the entry name different callers.
        """
        arn, caller, user, account = (values.get(one, "") for one in _IDENTITY)
        if caller and user and caller != user:
            raise Contradiction
        said = _of_id(caller or user, account, partition)
        named = self._of_arn(arn, said) if arn else None
        if named is None:
            return self._known(said)
        if account and named.account != account:
            raise Contradiction
        return named

    def _known(self, said: _Said | None) -> Signer | None:
        """Return the caller of whom the entry has the id alone."""
        if said is None:
            return None
        arn = self.directory.arns.get(said.id, said.id)
        account = arn.split(":")[4] if arn.startswith("arn:") else said.account
        return Signer(arn, account)

    def _of_arn(self, arn: str, said: _Said | None) -> Signer:
        """Return the caller of whom the entry has the ARN, perhaps without its path, and perhaps the id."""
        found = _ARN.fullmatch(arn)
        if found is None:
            raise Contradiction
        account, kind, name = found["account"], found["kind"], found["name"] or ""
        if kind == "assumed-role":
            name, _, session = name.partition("/")
            if said and said.is_unique and session and said.session != session:
                raise Contradiction
            known = self.directory.names.get((account, name), "")
            unknown = said.id if said and name.startswith(_SSO) else ""
            arn = known or unknown or f"arn:{found['partition']}:iam::{account}:role/{name}"
        elif kind == "user":
            arn = self.users.get((account, name.rpartition("/")[2]), arn)
        if said is None:
            return Signer(arn, account)
        if said.is_unique:
            by_id = self.directory.arns.get(said.id, "")
            if by_id and by_id != arn:
                raise Contradiction
            if self.ids.get(arn, said.id) != said.id:
                return Signer(said.id, account, gone=True)
        elif kind in {"root", "federated-user"} and said.id != arn:
            raise Contradiction
        return Signer(arn, account)


class _Said(NamedTuple):
    """What ``identity.caller`` says: a unique id, or what stands for the root, a federated user or a service."""

    id: str
    session: str
    account: str
    is_unique: bool


def _of_id(text: str, account: str, partition: str) -> _Said | None:
    if found := _UNIQUE_ID.fullmatch(text):
        return _Said(found[1], found[2] or "", account, is_unique=True)
    if _ROOT.fullmatch(text):
        return _Said(f"arn:{partition}:iam::{text}:root", "", text, is_unique=False)
    if found := _FEDERATED.fullmatch(text):
        name = f"arn:{partition}:sts::{found[1]}:federated-user/{found[2]}"
        return _Said(name, "", found[1], is_unique=False)
    if _SERVICE.fullmatch(text):
        return _Said(text, "", "", is_unique=False)
    return None
