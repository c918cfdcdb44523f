"""Parts of records, each read once for all records that have it: callers, operations, parameters, resources."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol
from zlib import crc32

import msgspec

from policygen.catalog.learning import learn_rules
from policygen.catalog.rules import learning_sources
from policygen.iam.request import RoleKey
from policygen.logs.calls.call import identifying
from policygen.logs.calls.dedup import digest_of, digest_of_common, digest_of_resources
from policygen.logs.calls.evidence import singleton
from policygen.logs.calls.totals import is_change
from policygen.logs.events.assumption import is_assumption
from policygen.logs.events.credentials import CredentialUse, credential_use_of
from policygen.logs.events.event import (
    EventFields,
    fields_of,
    is_from_console,
    is_ip_address,
    no_call_reason,
    no_caller_reason,
    read_parameters,
    resources_of,
)
from policygen.logs.events.event_time import are_plain, utc_time
from policygen.logs.events.outcome import Outcome
from policygen.logs.events.principal import Principal, principal_of
from policygen.logs.events.record import UserIdentity
from policygen.logs.events.record_table import CommonFields, Memo, RawResources
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


class AgentPart:
    """A user agent: as it is shown, alone in a set; and its digest."""

    __slots__ = ("digest", "shown", "text")

    def __init__(self, agent: str | None) -> None:
        self.text = clean_word(agent, 256)
        self.shown = singleton(self.text)
        self.digest = digest_of(agent)


class AddressPart:
    """A sourceIPAddress: as delivered; as it is shown, alone in a set; and whether it is an IP address."""

    __slots__ = ("is_ip_address", "shown", "text")

    def __init__(self, address: str | None) -> None:
        self.text = address
        self.shown = singleton(clean_word(address))
        self.is_ip_address = is_ip_address(address)


class CallerPart:
    """A caller, as the records of an account name it.

    Attributes:
        sessions: the name of its session alone, or the empty set.
        owner: whose calls its calls are; None where they are not kept.
        reason: why its records are no calls that need permissions, or "".
    """

    __slots__ = ("digest", "is_copy", "owner", "principal", "reason", "sessions", "via")

    def __init__(self, who: UserIdentity | None, recipient: str | None) -> None:
        self.principal = principal_of(who, recipient)
        self.reason = no_caller_reason(self.principal, who)
        self.digest = digest_of(who)
        self.via = who.invokedBy if who else None
        self.sessions = singleton(self.principal.session)
        self.is_copy = self.principal.role is not None and self.principal.is_cross_account_copy
        self.owner: OwnerPart | None = None


class ParamsPart:
    """The parameters of an operation.

    Attributes:
        members: what they say, until `kept` is known.
        tells: whether they may tell something of the names in other records.
        kept: canonical JSON of what identifies the resources; b"" where it was not asked for.
    """

    __slots__ = ("digest", "kept", "members", "raw", "tells")

    def __init__(self, raw: bytes, *, tells: bool) -> None:
        self.raw, self.tells = raw, tells
        text, self.members = read_parameters(raw)
        self.digest = f"{crc32(text):08x}"
        self.kept = b""


class PlacePart:
    """The region and the VPC endpoint of a call, and the account that its record was delivered to."""

    __slots__ = ("account", "digest", "region", "vpce")

    def __init__(self, place: tuple[str | None, str | None, str | None]) -> None:
        region, account, self.vpce = place
        self.region, self.account = clean_word(region), clean_word(account)
        self.digest = digest_of(place)


class OperationPart:
    """What the common fields of records say."""

    __slots__ = (
        "_common", "assumes", "changes", "denied", "digest", "from_console", "is_data", "name", "params", "read_only",
        "reason", "source", "weak",
    )  # fmt: skip

    def __init__(self, common: CommonFields, params: Memo[bytes, ParamsPart]) -> None:
        self.params = params
        self.reason = no_call_reason(common)
        self.digest = digest_of_common(common)
        self._common = common
        fields = self.fields("", None, None)
        self.source, self.name = fields.source, fields.name
        self.denied, self.weak = fields.outcome is Outcome.DENIED, fields.outcome is Outcome.WEAK
        self.is_data, self.read_only = common.eventCategory == "Data", bool(common.readOnly)
        self.from_console = is_from_console(common)
        self.changes = is_change(common)
        self.assumes = is_assumption(common.eventSource, common.eventName)

    def fields(self, region: str, vpce: str | None, via: str | None) -> EventFields:
        """Return the fields of its events in a region, through an endpoint, by way of a service."""
        return fields_of(self._common, region, vpce, via)

    def kept(self, params: ParamsPart) -> bytes:
        """Return what identifies the resources among parameters."""
        params.kept = identifying(self.source, self.name, params.raw, params.members)
        params.members = {}
        return params.kept


class ResourcesPart:
    """The resources of a record: those with an ARN, and the type of each."""

    __slots__ = ("digest", "entries", "types")

    def __init__(self, resources: RawResources) -> None:
        self.entries = resources_of(resources.entries)
        self.types = tuple([one.type for one in resources.entries or ()])
        self.digest = digest_of_resources(resources.entries)


KNOWN = 8_192
"""Parameters that stay known, some 10 MB: a workload does the same on another day."""


class Parts:
    """All parts that were met, until they are forgotten."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self.held = 0
        """Long parameters that were met since the last time that some were forgotten."""
        self._owners: dict[tuple[object, ...], OwnerPart] = {}
        self._params: dict[tuple[str, str, bool], Memo[bytes, ParamsPart]] = {}
        self.days = Memo(self._counts_on)
        self.operations = Memo(self._operation)
        self.places = Memo(PlacePart)
        self.callers = Memo(self._caller)
        self.resources = Memo(ResourcesPart)
        self.agents = Memo(AgentPart, size_of=_length)
        self.addresses = Memo(AddressPart, size_of=_length)
        self.users = Memo(_user)

    def days_of(self, times: Sequence[str]) -> list[str] | None:
        """Return the days of eventTimes; None where one is not in the usual form, or is not within the window."""
        if not are_plain(times):
            return None
        days = [time[:10] for time in times]
        return days if all(map(self.days.__getitem__, set(days))) else None

    def forget(self) -> None:
        """Forget what seldom comes again on another day, and many parameters: a workload repeats few."""
        if self.held > KNOWN:
            self._forget_params()
        for memo in (self.resources, self.users, self.callers, self.addresses):
            memo.clear()

    def clear(self) -> None:
        """Forget all of them: the memos refer to their parts, so that nothing else would free them for long."""
        self.forget()
        self._forget_params()
        self._params.clear()
        self._owners.clear()
        for memo in (self.operations, self.places, self.agents):
            memo.clear()

    def _forget_params(self) -> None:
        self.held = 0
        for params in self._params.values():
            params.clear()

    def _counts_on(self, day: str) -> bool:
        """Return whether a day is one of the calendar on which all events count."""
        until = self._selection.until
        return bool(utc_time(f"{day}T23:59:59Z")) and not (until and until.excludes(f"{day}T23:59:59Z"))

    def _operation(self, common: CommonFields) -> OperationPart:
        key = (common.eventSource or "", common.eventName or "", common.readOnly is False)
        params = self._params.get(key)
        if params is None:
            params = self._params[key] = Memo(self._params_reader(*key), size_of=len)
        return OperationPart(common, params)

    def _params_reader(self, source: str, name: str, writes: bool) -> Callable[[bytes], ParamsPart]:
        """Return the function that reads the parameters of an operation."""
        texts = [rule.text for rule in learn_rules(source, name)]
        learns = source in learning_sources()

        def read(raw: bytes) -> ParamsPart:
            self.held += 1 + len(raw) // 2048
            tells = False
            if learns or writes:
                passes_role = b":role/" in raw
                tells = passes_role or (learns and any(text in raw for text in texts))
            return ParamsPart(raw, tells=tells)

        return read

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


def _length(text: str | None) -> int:
    return len(text or "")


def _user(key: tuple[CallerPart, AgentPart, bool, bool, bool]) -> CredentialUse:
    caller, agent, from_ip_address, presigned, from_console = key
    who = caller.principal
    return credential_use_of(
        who.function,
        who.session,
        agent.text,
        clean_word(caller.via),
        from_ip_address,
        presigned,
        from_console,
    )
