"""The account as it is now, as values: roles with their policies, functions, trails.

A part that was not read is `None` or listed, never empty: an account whose functions are unknown has ``functions is
None``, a role whose managed policy is not in the file has its ARN in `Role.missing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import msgspec

from policygen.account.apis import Gateway
from policygen.account.function_code import FunctionCode
from policygen.account.inventory import Inventory
from policygen.account.role_errors import role_not_found
from policygen.account.users import User
from policygen.iam.document import Policy
from policygen.iam.request import RoleKey
from policygen.text import pluralize, sanitize

_FUNCTIONS = frozenset({"lambda.amazonaws.com", "edgelambda.amazonaws.com"})
SERVICE_LINKED = "/aws-service-role/"
SSO_MANAGED = "/aws-reserved/sso.amazonaws.com/"
"""Paths that IAM gives to roles that cannot be edited there (1.3.10)."""

Levels = tuple[tuple[Policy, ...], ...]
"""Policies of an organisation, by level: the root first, the account last."""


class AttachedPolicy(msgspec.Struct, frozen=True):
    """A managed policy attached to a role; `policy` is None where its document was not read."""

    arn: str
    policy: Policy | None


class Role(msgspec.Struct, frozen=True):
    """One role and everything that decides its access, except session policies and SCPs.

    `policies` are the inline policies, with their plain names as `Policy.name`; `create_date` and `last_used` are ISO
    8601 as AWS gave them, "" where unknown (`last_used` also where IAM never saw a use).
    """

    key: RoleKey
    path: str = "/"
    create_date: str = ""
    policies: tuple[Policy, ...] = ()
    attached: tuple[AttachedPolicy, ...] = ()
    boundary: Policy | None = None
    boundary_arn: str = ""
    trust: Mapping[str, Any] = msgspec.field(default_factory=dict)
    tags: Mapping[str, str] = msgspec.field(default_factory=dict)
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
        """ARNs of attached policies, and of the boundary, whose documents were not read; names of lists likewise.

        While there are any, an action that no known policy of the role grants may still be granted.
        """
        unread = [entry.arn for entry in self.attached if entry.policy is None]
        if self.boundary_arn and self.boundary is None:
            unread.append(self.boundary_arn)
        return tuple(dict.fromkeys(unread))

    @property
    def trusted_services(self) -> tuple[str, ...]:
        """Service principals that the trust policy lets assume the role, ``lambda.amazonaws.com``, sorted."""
        statements = self.trust.get("Statement", ())
        names: set[str] = set()
        for statement in statements if isinstance(statements, list) else [statements]:
            principal = statement.get("Principal") if isinstance(statement, Mapping) else None
            if isinstance(principal, Mapping) and statement.get("Effect") == "Allow":
                names.update(name for name in _as_list(principal.get("Service", ())) if isinstance(name, str))
        return tuple(sorted(names))

    @property
    def only_functions(self) -> bool:
        """Whether only Lambda may assume the role, by its current trust policy."""
        return self._only_trusts(_FUNCTIONS)

    @property
    def only_hosts(self) -> bool:
        """Whether only functions, tasks and instances may assume the role: no person ever does."""
        return self._only_trusts(_FUNCTIONS | {"ecs-tasks.amazonaws.com", "ec2.amazonaws.com"})

    def _only_trusts(self, services: frozenset[str]) -> bool:
        """Return whether the trust policy lets none but some of these services assume the role."""
        statements = self.trust.get("Statement", ())
        allowed = [
            statement.get("Principal")
            for statement in (statements if isinstance(statements, list) else [statements])
            if isinstance(statement, Mapping) and statement.get("Effect") == "Allow"
        ]
        return bool(allowed) and all(
            isinstance(principal, Mapping)
            and set(principal) == {"Service"}
            and all(_service(one) in services for one in _as_list(principal["Service"]))
            for principal in allowed
        )

    @property
    def service_linked(self) -> bool:
        """Whether an AWS service owns the role: IAM does not let anyone edit it (1.3.10)."""
        return self.path.startswith(SERVICE_LINKED)

    @property
    def sso_managed(self) -> bool:
        """Whether IAM Identity Center made the role from a permission set, which would undo an edit (1.3.10)."""
        return self.name.startswith("AWSReservedSSO_") and self.path.startswith(SSO_MANAGED)


class Function(msgspec.Struct, frozen=True):
    """A Lambda function's configuration, which decides what the platform needs of its role (3.6).

    `kms_key` and `dead_letter` are ARNs or ""; `raw` is the whole configuration as AWS gives it. `arn` of a published
    version ends in its number; `layers` and `file_systems` are ARNs.
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
    layers: tuple[str, ...] = ()
    file_systems: tuple[str, ...] = ()
    durable: bool = False
    durable_key: str = ""

    @property
    def unqualified(self) -> str:
        """The ARN without version or alias, which all versions of the function share."""
        return unqualified(self.arn)


class EventSourceMapping(msgspec.Struct, frozen=True):
    """A queue or stream that Lambda polls with the role of `function_arn` (3.6).

    `source_arn` is "" for sources without an ARN, such as self-managed Kafka; `on_failure` is an ARN, ``kafka://TOPIC``
    or ""; `filter_key` encrypts the filters; `access` are (type, URI) of SourceAccessConfigurations, where the URI of a
    secret is its ARN; `registry` is the URI of the schema registry and `registry_access` its (type, URI). The rest is
    in `raw`.
    """

    uuid: str
    source_arn: str
    function_arn: str
    raw: Mapping[str, Any]
    on_failure: str = ""
    filter_key: str = ""
    access: tuple[tuple[str, str], ...] = ()
    topics: tuple[str, ...] = ()
    consumer_group: str = ""
    registry: str = ""
    registry_access: tuple[tuple[str, str], ...] = ()
    state: str = ""


class InvokeConfig(msgspec.Struct, frozen=True):
    """Where Lambda sends the records of a function's asynchronous calls, with the function's role (3.6).

    `function_arn` has a qualifier (``:$LATEST``, a version, an alias); destinations are ARNs or "".
    """

    function_arn: str
    on_success: str
    on_failure: str
    raw: Mapping[str, Any]


class Trail(msgspec.Struct, frozen=True):
    """A CloudTrail trail as it is now: what it logged before may differ (3.4.6).

    `logging` is None where its status was not read. `selectors` (basic) and `advanced` are the event selectors as AWS
    gives them; both are None where they were not read. Dates are ISO 8601 or "".
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


class ServiceUse(msgspec.Struct, frozen=True):
    """IAM's report of a role's last attempt to use one service (3.5).

    `last` is ISO 8601 UTC, "" where IAM saw no attempt in its tracking period; `actions` are the tracked actions, name
    without prefix -> last attempt or "", None where IAM tracks none of this service; `action_regions` are the regions
    of these attempts, by the same names.
    """

    last: str
    region: str = ""
    actions: Mapping[str, str] | None = None
    action_regions: Mapping[str, str] = msgspec.field(default_factory=dict)


class LastAccessed(msgspec.Struct, frozen=True):
    """IAM's last-accessed report of one role (3.5): evidence besides the log, with its own limits.

    It has the services that the role's identity policies grant, by IAM prefix, and counts attempts, denied attempts
    included. `generated_at` is ISO 8601 UTC, "" where the report does not have it.
    """

    generated_at: str
    services: Mapping[str, ServiceUse]


class Refusal(msgspec.Struct, frozen=True):
    """A part of the account that AWS refused: ``cloudtrail:GetTrailStatus``, AWS's code and message.

    `region` is "" where the snapshot does not have it.
    """

    operation: str
    code: str
    message: str
    region: str = ""


class Account(msgspec.Struct, frozen=True, dict=True):
    """The account as it was at `generated_at` (ISO 8601, "" where the file does not have it).

    `functions`, `mappings` and `trails` are None where they were not read at all; `errors` names what AWS refused, so a
    list beside an error may lack the refused region. `regions` are those where functions and trails were read, None
    where unknown.

    `versions` are published versions of functions that need something else of a role than the function itself does.
    `last_accessed` is by role ARN. `scps` and `rcps` are the organisation's policies level by level, the root first and
    the account last, each level of which must allow; () where there are none. `management` says whether this is the
    organisation's management account, which they do not limit (4.1.2). Each of these is None where it was not read.
    `entities` are the ARNs of users and groups that were read; `instance_profiles` has the roles of each, by ARNs.
    `resources` is what exists in the account; None where it was not read.
    `tracked_actions` are those, in lower case, that the report of any role lists one by one.
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
    invoke_configs: tuple[InvokeConfig, ...] | None = None
    versions: tuple[Function, ...] | None = None
    last_accessed: Mapping[str, LastAccessed] | None = None
    scps: Levels | None = None
    rcps: Levels | None = None
    management: bool | None = None
    entities: tuple[str, ...] = ()
    instance_profiles: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    resources: Inventory | None = None
    tracked_actions: frozenset[str] = frozenset()
    users: tuple[User, ...] = ()
    gateway: Gateway = msgspec.field(default_factory=Gateway)
    session_limits: Mapping[str, int] | None = None
    """Role ARN -> seconds that its sessions may last at most; None where it was not read."""
    organization_id: str = ""
    code: tuple[FunctionCode, ...] = ()
    """What was analysed of the functions' code; no part of a snapshot, but handed over beside it."""

    def __repr__(self) -> str:
        """Return whose it is and when it was read, in a line."""
        read = sanitize(self.generated_at, 64) or "an unknown day"
        return (
            f"<Account {sanitize(self.account_id, 64)}: {pluralize(len(self.roles), 'role')}, as of {read}>"
        )

    @cached_property
    def _index(self) -> Mapping[str, Role]:
        """The roles by everything that they are called, in folded case."""
        index = {alias.casefold(): role for role in self.roles for alias in _aliases(role)}
        # Last, so that a role named like the id of another is not found in its place.
        index.update({role.key.role_id.casefold(): role for role in self.roles if role.key.role_id})
        return index

    @cached_property
    def arns(self) -> dict[str, str]:
        """Unique id -> ARN, of roles and users."""
        roles = {one.key.role_id: one.key.arn for one in self.roles if one.key.role_id}
        return roles | {one.unique_id: one.arn for one in self.users if one.unique_id}

    @cached_property
    def role_arns(self) -> dict[tuple[str, str], str]:
        """Account and name of a role -> its ARN."""
        return {(one.key.account, one.name): one.key.arn for one in self.roles}

    def role(self, name_or_arn: str) -> Role:
        """Return the role with a name, path and name, role ARN or its last part, session ARN or role id.

        Letter case does not count (1.3.8).

        Raises:
            NothingFoundError: no such role (PG-E310), with similar names.
        """
        wanted = self._session_role(name_or_arn.strip()).lstrip("/").casefold()
        role = self._index.get(wanted) or self._index.get(wanted.removeprefix("role/"))
        if role is None:
            names = [one.name for one in self.roles]
            raise role_not_found(name_or_arn, self.account_id, names, self._hints())
        return role

    def functions_of(self, role: Role) -> tuple[Function, ...] | None:
        """Return the functions that run as `role`; None where the account's functions are unknown."""
        if self.functions is None:
            return None
        return tuple(function for function in self.functions if function.role_arn == role.key.arn)

    def configurations_of(self, role: Role) -> tuple[Function, ...] | None:
        """Return the functions and published versions that run as `role`; None where the functions are unknown.

        A version keeps the role that it was published with, even after its function was given another.
        """
        functions = self.functions_of(role)
        if functions is None:
            return None
        return functions + tuple(
            version for version in self.versions or () if version.role_arn == role.key.arn
        )

    def last_accessed_of(self, role: Role) -> LastAccessed | None:
        """Return IAM's last-accessed report of `role`; None where it was not read."""
        return (self.last_accessed or {}).get(role.key.arn)

    def scps_of(self, role: Role) -> Levels | None:
        """Return the service control policies that limit `role`: () where none does, None where unknown.

        They limit neither the management account nor service-linked roles (4.1.2).
        """
        return () if self.management or role.service_linked else self.scps

    def rcps_of(self, role: Role) -> Levels | None:
        """Return the resource control policies that limit `role` in its own account, as `scps_of`."""
        return () if self.management or role.service_linked else self.rcps

    def _session_role(self, text: str) -> str:
        """Return the role name of a session ARN of this account, else `text` (a session ARN has no path, 1.3.1)."""
        parts = text.split(":", 5)
        if len(parts) == 6 and parts[2] == "sts" and parts[4] == self.account_id:
            kind, _, rest = parts[5].partition("/")
            return rest.split("/")[0] if kind == "assumed-role" else text
        return text

    def _hints(self) -> tuple[str, ...]:
        unread = [one for one in self.errors if one.operation == "iam:GetAccountAuthorizationDetails"]
        return tuple(f"the roles are not all there: {one.message}" for one in unread)


Accounts = Mapping[str, Account]
"""Account id -> account."""


def _service(principal: object) -> str:
    """Return a service principal as other partitions than China's write it; "" for what is no text."""
    return principal.removesuffix(".cn") if isinstance(principal, str) else ""


def _as_list(value: Any) -> list[Any]:
    """Return a list as it is, and a single value as one; a trust policy may have any JSON in its place."""
    return list(value) if isinstance(value, list | tuple) else [value]


def unqualified(function_arn: str) -> str:
    """Return a function's ARN without version or alias: the first seven of its parts."""
    return ":".join(function_arn.split(":")[:7])


def _aliases(role: Role) -> tuple[str, ...]:
    return (role.name, f"{role.path.lstrip('/')}{role.name}", role.key.arn)
