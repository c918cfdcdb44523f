"""Parts of records, each read once for all records that have it: callers, operations, parameters, resources."""

from __future__ import annotations

from typing import Protocol

import msgspec

from policygen.catalog.learning import learn_rules
from policygen.catalog.rules import learning_sources
from policygen.iam.request import RoleKey
from policygen.logs.calls.call import identifying
from policygen.logs.calls.dedup import digest_of, digest_of_common, digest_of_params, digest_of_resources
from policygen.logs.calls.totals import is_change
from policygen.logs.events.credentials import CredentialUse, credential_use_of
from policygen.logs.events.event import (
    EventFields,
    fields_of,
    is_from_console,
    is_ip_address,
    no_call_reason,
    no_caller_reason,
    resources_of,
)
from policygen.logs.events.event_time import is_plain_clock, utc_time
from policygen.logs.events.outcome import Outcome
from policygen.logs.events.principal import Principal, principal_of
from policygen.logs.events.record import UserIdentity
from policygen.logs.events.record_table import CommonFields, Memo, ResourceList
from policygen.logs.window_end import WindowEnd
from policygen.text import clean_word


class Selection(Protocol):
    """What decides which records count, and how much of them is kept."""

    until: WindowEnd | None

    def is_selected(self, role: RoleKey) -> bool:
        """Return whether a role's calls are kept."""


class OwnerPart(msgspec.Struct, frozen=True, eq=False):
    """Whose calls are added up together, through which service."""

    role: RoleKey
    principal: Principal
    via: str | None


class CallerPart:
    """A caller, as the records of an account name it.

    Attributes:
        owner: whose calls its calls are; None where they are not kept.
        reason: why its records are no calls that need permissions, or "".
    """

    __slots__ = ("digest", "function", "is_copy", "owner", "principal", "reason", "session", "via")

    def __init__(self, who: UserIdentity | None, recipient: str | None) -> None:
        self.principal = principal_of(who, recipient)
        self.reason = no_caller_reason(self.principal, who)
        self.digest = digest_of(who)
        self.via = who.invokedBy if who else None
        self.session, self.function = self.principal.session, self.principal.function
        self.is_copy = self.principal.role is not None and self.principal.is_cross_account_copy
        self.owner: OwnerPart | None = None


class ParamsPart:
    """The parameters of an operation.

    Attributes:
        tells: whether they may tell something of the names in other records.
        kept: canonical JSON of what identifies the resources; None where it was not asked for.
    """

    __slots__ = ("digest", "kept", "raw", "tells")

    def __init__(self, raw: bytes, digest: str, *, tells: bool) -> None:
        self.raw, self.digest, self.tells = raw, digest, tells
        self.kept: bytes | None = None


class OperationPart:
    """What the common fields of records say."""

    __slots__ = (
        "account", "changes", "denied", "digest", "fields", "from_console", "is_data", "params", "read_only", "reason",
        "recipient", "region", "weak",
    )  # fmt: skip

    def __init__(self, common: CommonFields, params: Memo[bytes, ParamsPart]) -> None:
        self.params = params
        self.recipient = common.recipientAccountId
        self.reason = no_call_reason(common)
        self.digest = digest_of_common(common)
        self.fields: Memo[str | None, EventFields] = Memo(lambda via: fields_of(common, via))
        fields = self.fields[None]
        self.denied, self.weak = fields.outcome is Outcome.DENIED, fields.outcome is Outcome.WEAK
        self.account, self.region = clean_word(self.recipient), fields.region
        self.is_data, self.read_only = common.eventCategory == "Data", bool(common.readOnly)
        self.from_console = is_from_console(common)
        self.changes = is_change(common)

    def kept(self, params: ParamsPart) -> bytes:
        """Return what identifies the resources among parameters."""
        if params.kept is None:
            fields = self.fields[None]
            params.kept = identifying(fields.source, fields.name, params.raw)
        return params.kept


class ResourcesPart:
    """The resources of a record: those with an ARN, and the types of all."""

    __slots__ = ("digest", "entries", "types")

    def __init__(self, resources: ResourceList) -> None:
        self.entries = resources_of(resources.entries)
        self.types = frozenset(one.type for one in resources.entries or () if one.type)
        self.digest = digest_of_resources(resources.entries)


class Parts:
    """All parts that were met, until they are forgotten."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self.held = 0
        self._owners: dict[tuple[object, ...], OwnerPart] = {}
        self._params: dict[tuple[str, str, bool], Memo[bytes, ParamsPart]] = {}
        self.operations = Memo(self._operation)
        self.callers = Memo(self._caller)
        self.resources = Memo(ResourcesPart)
        self.days = Memo(self._day)
        self.is_ip_address = Memo(is_ip_address)
        self.users = Memo(_user)

    def forget(self) -> None:
        """Forget what seldom comes again."""
        self.held = 0
        for memo in (*self._params.values(), self.resources, self.users, self.days):
            memo.clear()

    def _operation(self, common: CommonFields) -> OperationPart:
        source, name, writes = common.eventSource or "", common.eventName or "", common.readOnly is False
        params = self._params.get((source, name, writes))
        if params is None:
            texts = [rule.text for rule in learn_rules(source, name)]
            learns = source in learning_sources()

            def make(raw: bytes) -> ParamsPart:
                self.held += len(raw) // 2048
                passes_role = b":role/" in raw
                tells = (learns or (passes_role and writes)) and (
                    passes_role or any(text in raw for text in texts)
                )
                return ParamsPart(raw, digest_of_params(raw), tells=tells)

            params = self._params[source, name, writes] = Memo(make, size_of=len)
        return OperationPart(common, params)

    def _caller(self, key: tuple[UserIdentity | None, str | None]) -> CallerPart:
        caller = CallerPart(*key)
        principal = caller.principal
        role = principal.role
        if role is not None and not caller.is_copy and self._selection.is_selected(role):
            owner = (role, principal.account, principal.source_identity, caller.via)
            caller.owner = self._owners.get(owner)
            if caller.owner is None:
                caller.owner = self._owners[owner] = OwnerPart(role, principal, caller.via)
        return caller

    def _day(self, time: str | None) -> str:
        """Return the day of a time in the usual form, within the window; "" for any other."""
        until = self._selection.until
        if not time or not is_plain_clock(time, 10) or not utc_time(time) or (until and until.excludes(time)):
            return ""
        return time[:10]


def _user(key: tuple[CallerPart, str | None, bool, bool, bool]) -> CredentialUse:
    caller, agent, from_ip_address, presigned, from_console = key
    return credential_use_of(
        caller.function,
        caller.session,
        clean_word(agent, 256),
        clean_word(caller.via),
        from_ip_address,
        presigned,
        from_console,
    )
