"""Who called which method of which stage, from where: what access logs show, counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from policygen.logs.calls.evidence import Evidence
from policygen.logs.window import Window

EntryStatus = Literal[
    "mapped",
    "weak",
    "denied",
    "unauthenticated",
    "anonymous",
    "authorizer",
    "ambiguous",
    "unmapped",
    "unreadable",
]
"""What an access-log entry shows. Only ``mapped`` is evidence that an IAM principal needs to invoke a method;
``anonymous`` and ``authorizer`` are calls that were let in without one."""


class Invoked(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """One kind of call: who called which method of which stage from where, and what became of it. "" is not known."""

    status: EntryStatus
    principal: str
    """ARN of a role, a user or an account's root; a unique id where no ARN is known; ``*`` where nobody signed."""
    account: str
    """Of the principal."""
    api: str
    stage: str
    verb: str
    """The one that came, never ANY; "" for the routes of a WebSocket API."""
    path: str
    """The template of the method, ``/pets/{petId}``, or the route's key, ``$connect``."""
    address: str = ""
    endpoint: str = ""
    """Id of the VPC endpoint."""
    vpc: str = ""
    api_key: str = ""
    """Id of the key."""
    subject: str = ""
    """Who the authorizer says it was."""
    organization: str = ""
    """Id of the organization of the principal's account."""


class ApiUsage(msgspec.Struct, frozen=True):
    """All that the access logs of some APIs show in a window."""

    invoked: Mapping[Invoked, Evidence]
    """Evidence has the entries' ids as samples."""
    days: Mapping[tuple[str, str], frozenset[str]]
    """(API, stage) to the dates, UTC, on which it wrote an entry."""
    entries: int
    """All that were read, each once."""
    unread: Mapping[str, int]
    """Why an entry tells nothing, in words, with how many there are: ``ambiguous``, ``unmapped`` and ``unreadable``."""
    window: Window | None = None
    """The days that count; None where no entry has a time and no end was given."""
    gaps: tuple[str, ...] = ()
    """What of the logs could not be read, a line each."""
    is_cut: bool = False
    """Whether calls from further addresses, of further users and with further keys are counted together."""
