"""Principals that stay without an assumption: because of the configuration, or because the logs cannot tell."""

from __future__ import annotations

from collections.abc import Iterator

from policygen.account.model import Account, Role
from policygen.evidence.coverage.observability import ObservedSince
from policygen.evidence.role_assumptions import AssumptionEvidence
from policygen.iam.resource_policy import ResourcePolicy
from policygen.rightsize.principals.kept import Kept, PolicyBlindSpot
from policygen.rightsize.principals.letting_in import Way

_EVENT = "sts:AssumeRole"
_GLOBAL_ENDPOINT = "us-east-1"


def blind_spot_of(evidence: AssumptionEvidence, min_days: int) -> PolicyBlindSpot | None:
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
        return PolicyBlindSpot(spot.id, "assumptions", spot.why, spot.remedy)
    return _unread(evidence) or _too_few_days(evidence, seen, min_days)


def _unread(evidence: AssumptionEvidence) -> PolicyBlindSpot | None:
    coverage, account = evidence.coverage, evidence.role.key.account
    if evidence.role.key.arn.startswith("arn:aws:") and _GLOBAL_ENDPOINT not in coverage.regions:
        why = f"no event of anyone was read in {_GLOBAL_ENDPOINT}, where STS's global endpoint is"
        return PolicyBlindSpot(
            "region-not-read", "assumptions", why, f"give the files of {_GLOBAL_ENDPOINT} to --logs"
        )
    if not evidence.own_days:
        why = f"no event of account {account} was read"
        return PolicyBlindSpot("trail-not-read", "assumptions", why, "give the log of that account to --logs")
    return None


def _too_few_days(evidence: AssumptionEvidence, seen: ObservedSince, min_days: int) -> PolicyBlindSpot | None:
    coverage = evidence.coverage
    since = max(seen.since, evidence.role.create_date[:10])
    days = sum(1 for day in evidence.own_days if day >= since)
    if coverage.incomplete:
        why, remedy = f"evidence is missing: {coverage.incomplete[0]}", "read the missing files"
        return PolicyBlindSpot("incomplete", "assumptions", why, remedy)
    if days >= min_days:
        return None
    why = f"visible on {days} {'day' if days == 1 else 'days'} only, since {since}"
    return PolicyBlindSpot("window-not-covered", "assumptions", why, f"wait for {min_days} days of it")


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
