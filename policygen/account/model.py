"""The account as it is today, as values: roles with their policies, functions, trails.

What was not read is `None` or listed, never an empty answer: an account whose functions are unknown has
``functions is None``, a role whose managed policy is not in the file has its ARN in `Role.missing`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from policygen.access import RoleKey
from policygen.errors import NothingFoundError
from policygen.policy.document import Policy
from policygen.text import clean


@dataclass(frozen=True, slots=True)
class AttachedPolicy:
    """A managed policy attached to a role; `policy` is None where its document was not read."""

    arn: str
    policy: Policy | None


@dataclass(frozen=True, slots=True)
class Role:
    """One role and everything that decides what it may do, session policies and SCPs aside.

    `policies` are the inline ones, `Policy.name` is the plain policy name; `create_date` and `last_used`
    are ISO 8601 as AWS gave them, "" where unknown (`last_used` also where IAM never saw a use).
    """

    key: RoleKey
    path: str = "/"
    create_date: str = ""
    policies: tuple[Policy, ...] = ()
    attached: tuple[AttachedPolicy, ...] = ()
    boundary: Policy | None = None
    boundary_arn: str = ""
    trust: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    last_used: str = ""

    @property
    def name(self) -> str:
        """The role's name, without its path."""
        return self.key.name

    @property
    def identity_policies(self) -> tuple[Policy, ...]:
        """Inline and managed policies whose documents are known, inline first."""
        return self.policies + tuple(entry.policy for entry in self.attached if entry.policy is not None)

    @property
    def missing(self) -> tuple[str, ...]:
        """ARNs of attached policies, and of the boundary, whose documents were not read.

        While it is not empty, nothing can be said to be granted by no policy of this role.
        """
        unread = [entry.arn for entry in self.attached if entry.policy is None]
        if self.boundary_arn and self.boundary is None:
            unread.append(self.boundary_arn)
        return tuple(dict.fromkeys(unread))

    @property
    def trusted_services(self) -> tuple[str, ...]:
        """Service principals that the trust policy lets assume the role, ``lambda.amazonaws.com``, sorted."""
        statements = self.trust.get("Statement", ())
        found: set[str] = set()
        for statement in statements if isinstance(statements, list) else [statements]:
            principal = statement.get("Principal") if isinstance(statement, Mapping) else None
            if isinstance(principal, Mapping) and statement.get("Effect") == "Allow":
                services = principal.get("Service", ())
                found.update([services] if isinstance(services, str) else services)
        return tuple(sorted(found))

    @property
    def only_functions(self) -> bool:
        """Whether Lambda, and nobody else, may assume the role as its trust policy is now."""
        statements = self.trust.get("Statement", ())
        allowed = [
            statement.get("Principal")
            for statement in (statements if isinstance(statements, list) else [statements])
            if isinstance(statement, Mapping) and statement.get("Effect") == "Allow"
        ]
        return bool(allowed) and all(
            isinstance(one, Mapping)
            and set(one) == {"Service"}
            and set(_listed(one["Service"])) <= {"lambda.amazonaws.com", "edgelambda.amazonaws.com"}
            for one in allowed
        )

    @property
    def service_linked(self) -> bool:
        """Owned by an AWS service: IAM lets nobody edit it (1.3.10)."""
        return self.path.startswith("/aws-service-role/")

    @property
    def sso_managed(self) -> bool:
        """Made by IAM Identity Center from a permission set, which would undo an edit (1.3.10)."""
        return self.name.startswith("AWSReservedSSO_") and self.path.startswith(
            "/aws-reserved/sso.amazonaws.com/"
        )


@dataclass(frozen=True, slots=True)
class Function:
    """A Lambda function's configuration: what the platform needs of its role follows from it (3.6).

    `kms_key` and `dead_letter` are ARNs or ""; `raw` is the whole configuration as AWS gives it.
    """

    name: str
    arn: str
    role_arn: str
    region: str
    log_group: str
    tracing: bool
    vpc: bool
    kms_key: str
    dead_letter: str
    raw: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EventSourceMapping:
    """A queue or stream that Lambda polls with the role of `function_arn` (3.6).

    `source_arn` is "" for sources without an ARN, as self-managed Kafka; the rest is in `raw`.
    """

    uuid: str
    source_arn: str
    function_arn: str
    raw: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Trail:
    """A CloudTrail trail as it is now: what it logged before may differ (3.4.6).

    `logging` is None where its status was not read. `selectors` (basic) and `advanced` are the event
    selectors as AWS gives them; both are None where they were not read. Dates are ISO 8601 or "".
    """

    name: str
    arn: str
    home_region: str
    multi_region: bool
    organization: bool
    global_events: bool
    bucket: str
    prefix: str
    logging: bool | None
    started: str
    stopped: str
    delivery_error: str
    selectors: tuple[Mapping[str, Any], ...] | None
    advanced: tuple[Mapping[str, Any], ...] | None
    raw: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A part of the account that AWS did not show: ``cloudtrail:GetTrailStatus``, AWS's code and words.

    `region` is "" where the snapshot does not tell it.
    """

    operation: str
    code: str
    message: str
    region: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """The account as it is at `generated_at` (ISO 8601, "" where the file does not tell).

    `functions`, `mappings` and `trails` are None where they were not read at all; `errors` names what
    AWS refused, so a list beside an error may lack the refused region. `regions` are those that were
    asked for functions and trails, None where unknown.
    """

    account_id: str
    partition: str
    roles: tuple[Role, ...]
    functions: tuple[Function, ...] | None = None
    mappings: tuple[EventSourceMapping, ...] | None = None
    trails: tuple[Trail, ...] | None = None
    regions: tuple[str, ...] | None = None
    generated_at: str = ""
    errors: tuple[Refusal, ...] = ()
    _index: Mapping[str, Role] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index = {alias.casefold(): role for role in self.roles for alias in _aliases(role)}
        # Last, so that a role cannot be named like the id of another and be found in its place.
        index.update({role.key.role_id.casefold(): role for role in self.roles if role.key.role_id})
        object.__setattr__(self, "_index", index)

    def role(self, name_or_arn: str) -> Role:
        """The role of a name, path and name, role ARN, session ARN or role id, in any letter case (1.3.8).

        Raises:
            NothingFoundError: no such role (PG-E310), with the names that look alike.
        """
        wanted = self._session_role(name_or_arn.strip()).lstrip("/").casefold()
        found = self._index.get(wanted)
        if found is None:
            raise no_role(name_or_arn, self.account_id, [role.name for role in self.roles], self._hints())
        return found

    def functions_of(self, role: Role) -> tuple[Function, ...] | None:
        """The functions that run as `role`; None where the account's functions are unknown."""
        if self.functions is None:
            return None
        return tuple(function for function in self.functions if function.role_arn == role.key.arn)

    def mappings_of(self, function: Function) -> tuple[EventSourceMapping, ...] | None:
        """What Lambda polls for `function`, its versions and aliases; None where unknown."""
        if self.mappings is None:
            return None
        qualified = function.arn + ":"
        return tuple(entry for entry in self.mappings if f"{entry.function_arn}:".startswith(qualified))

    def _session_role(self, text: str) -> str:
        """The role name of a session ARN of this account, else `text` (a session ARN has no path, 1.3.1)."""
        parts = text.split(":", 5)
        if len(parts) == 6 and parts[2] == "sts" and parts[4] == self.account_id:
            kind, _, rest = parts[5].partition("/")
            return rest.split("/")[0] if kind == "assumed-role" else text
        return text

    def _hints(self) -> tuple[str, ...]:
        listing = "iam:GetAccountAuthorizationDetails"
        return tuple(
            f"the roles are not all there: {entry.message}"
            for entry in self.errors
            if entry.operation == listing
        )


def _listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, str) else list(value)


def no_role(asked: str, account: str, names: list[str], hints: tuple[str, ...] = ()) -> NothingFoundError:
    """The error for a role that is not there.

    Args:
        asked: what the user wrote: a name or an ARN.
        account: where it was looked for, "" where unknown.
        names: the role names that exist, for "did you mean".
        hints: more hints, put after it.
    """
    by_key = {name.casefold(): name for name in names}
    last = asked.rstrip("/").rpartition("/")[2].casefold()
    near = [by_key[key] for key in difflib.get_close_matches(last, by_key, n=3)]
    meant = (f"did you mean {' or '.join(clean(name) for name in near)}?",) if near else ()
    counted = () if near or not names else (f"the account has {len(names)} role{'s' * (len(names) > 1)}",)
    return NothingFoundError(
        f"no role named '{clean(asked)}' in account {account or '(unknown)'}",
        *meant,
        *counted,
        *hints,
        code="PG-E310",
    )


def _aliases(role: Role) -> tuple[str, ...]:
    return (role.name, f"{role.path.lstrip('/')}{role.name}", role.key.arn)
