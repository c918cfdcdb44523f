"""Principals that stay without an assumption: by a decision, by the configuration, or because the logs cannot tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from policygen.account.model import Account, Role
from policygen.errors import UsageError
from policygen.evidence.coverage.observability import ObservedSince
from policygen.evidence.role_assumptions import AssumptionEvidence
from policygen.iam.party import EVERYONE, Principals
from policygen.iam.resource_policy import ResourcePolicy
from policygen.rightsize.trust.letting_in import Entry, Way
from policygen.text import escape_controls

Reason = Literal["decision", "configuration", "unverified"]

_EVENT = "sts:AssumeRole"
_GLOBAL_ENDPOINT = "us-east-1"


class Kept(NamedTuple):
    """A principal that stays as today's statement has it."""

    way: Way
    entry: Entry
    """The principal to write; a part of the one of today."""
    reason: Reason
    why: str


class TrustBlindSpot(NamedTuple):
    """What the logs could not have shown."""

    id: str
    about: str
    why: str
    remedy: str


def blind_spot_of(evidence: AssumptionEvidence, min_days: int) -> TrustBlindSpot | None:
    """Return why the logs could not have shown every assumption of a role for long enough; None where they could.

    Assumptions are events that read, in the region of the STS endpoint that was called, which may be any.

    Args:
        evidence: what was read.
        min_days: days for which an assumption must have been visible.
    """
    coverage = evidence.coverage
    seen = coverage.observability(_EVENT, "*", reads_only=True)
    spot = seen.blind_spot
    if spot:
        return TrustBlindSpot(spot.id, "assumptions", spot.why, spot.remedy)
    return _unread(evidence) or _too_few_days(evidence, seen, min_days)


def _unread(evidence: AssumptionEvidence) -> TrustBlindSpot | None:
    coverage, account = evidence.coverage, evidence.role.key.account
    if evidence.role.key.arn.startswith("arn:aws:") and _GLOBAL_ENDPOINT not in coverage.regions:
        why = f"no event of anyone was read in {_GLOBAL_ENDPOINT}, where STS's global endpoint is"
        return TrustBlindSpot(
            "region-not-read", "assumptions", why, f"give the files of {_GLOBAL_ENDPOINT} to --logs"
        )
    if not evidence.own_days:
        why = f"no event of account {account} was read"
        return TrustBlindSpot("trail-not-read", "assumptions", why, "give the log of that account to --logs")
    return None


def _too_few_days(evidence: AssumptionEvidence, seen: ObservedSince, min_days: int) -> TrustBlindSpot | None:
    coverage = evidence.coverage
    since = max(seen.since, evidence.role.create_date[:10])
    days = sum(1 for day in evidence.own_days if day >= since)
    if coverage.incomplete:
        why, remedy = f"evidence is missing: {coverage.incomplete[0]}", "read the missing files"
        return TrustBlindSpot("incomplete", "assumptions", why, remedy)
    if days >= min_days:
        return None
    why = f"visible on {days} {'day' if days == 1 else 'days'} only, since {since}"
    return TrustBlindSpot("window-not-covered", "assumptions", why, f"wait for {min_days} days of it")


# ---- the configuration -------------------------------------------------------------------------------

_FUNCTIONS = ("lambda.amazonaws.com", "edgelambda.amazonaws.com")


def needed_by_configuration(today: ResourcePolicy, account: Account, role: Role) -> Iterator[Kept]:
    """Yield the services that need the role by the account's configuration, or may: the functions are not known."""
    functions = account.configurations_of(role)
    profiles = sorted(arn for arn, roles in account.instance_profiles.items() if role.key.arn in roles)
    for way, service in _services(today):
        if service in _FUNCTIONS and functions is None:
            yield Kept(way, way.entry, "unverified", "the functions of the account are not known")
        elif service in _FUNCTIONS and functions:
            yield Kept(way, way.entry, "configuration", f"function {functions[0].name} has the role")
        elif service.startswith("ec2.amazonaws.com") and profiles:
            yield Kept(way, way.entry, "configuration", f"{profiles[0].rpartition(':')[2]} has the role")


def _services(today: ResourcePolicy) -> Iterator[tuple[Way, str]]:
    for number, one in enumerate(today.statements):
        if one.statement.effect == "Allow":
            for kind, name in one.principals.entries:
                if kind == "Service":
                    yield Way(number, (kind, name)), name


# ---- decisions ----------------------------------------------------------------------------------------


def kept_by_decision(today: ResourcePolicy, name: str, why: str) -> list[Kept]:
    """Return what a person keeps: a principal, in the statements that name it; else in all that hold it.

    Raises:
        UsageError: PG-E364, today's policy does not trust it.
    """
    found = [
        Kept(way, (way.entry[0], name) if way.entry[1] != EVERYONE else entry, "decision", why)
        for entry in _as_entries(name)
        for way in _ways(today, entry)
    ]
    exact = [one for one in found if one.way.entry[1] == name]
    if not found:
        shown = escape_controls(name)[:120]
        trusted = sorted(
            {entry for one in today.allows for _, entry in one.principals.entries if entry != EVERYONE}
        )
        raise UsageError(
            f"today's trust policy does not trust {shown}, so it cannot be kept",
            f"it trusts: {escape_controls(', '.join(trusted))[:300]}",
            code="PG-E364",
        )
    return exact or found


def drops(name: str, entry: Entry) -> bool:
    """Return whether a principal that a person drops is, or holds, another."""
    return any(Principals((one,)).contains(Principals((entry,))) for one in _as_entries(name))


def is_trusted(today: ResourcePolicy, name: str) -> bool:
    """Return whether today's policy trusts a principal."""
    return any(True for entry in _as_entries(name) for _ in _ways(today, entry))


def _as_entries(name: str) -> Iterable[Entry]:
    """Return a name as each kind of principal that it may be."""
    if ":oidc-provider/" in name or ":saml-provider/" in name:
        return [("Federated", name)]
    if name.startswith("arn:") or name.isdigit() or name == EVERYONE:
        return [("AWS", name)]
    return [("Service", name), ("Federated", name), ("AWS", name)]


def _ways(today: ResourcePolicy, entry: Entry) -> Iterator[Way]:
    for number, one in enumerate(today.statements):
        if one.statement.effect != "Allow" or one.principals.negated:
            continue
        for listed in one.principals.entries:
            if Principals((listed,)).contains(Principals((entry,))):
                yield Way(number, listed)
