"""To which service a role was passed, which CloudTrail does not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from policygen.evidence.usage import Usage, request_order
from policygen.iam.request import AccessRequest
from policygen.logs.calls.evidence import Evidence

_PASSED_TO = "iam:PassedToService"


def _without_region(service: str) -> str:
    """Return a service principal without region and partition: ``states`` of ``states.eu-west-1.amazonaws.com``."""
    return service.partition(".")[0]


def with_passed_services(usage: Usage, trusted: Mapping[str, Sequence[str]]) -> Usage:
    """Say to which service a role was passed, ``iam:PassedToService``, by the role's trust policy where that is known.

    CloudTrail does not say it; it can only be a service that the role trusts. Where the role trusts other services than
    the one that the operation is known for, it is left open: a wrong one would deny the call.

    Args:
        usage: the usage of any role.
        trusted: role ARN -> the service principals that its trust policy allows to assume it.
    """

    def with_service(request: AccessRequest) -> AccessRequest:
        services = trusted.get(request.resource, ()) if request.action == "iam:PassRole" else ()
        if not services:
            return request
        known = next((values for key, values in request.context if key == _PASSED_TO), ())
        if {_without_region(one) for one in known} & {_without_region(one) for one in services}:
            return request
        context = tuple(pair for pair in request.context if pair[0] != _PASSED_TO)
        if not known and len(services) == 1:
            context = (*context, (_PASSED_TO, tuple(services)))
        return request._replace(context=tuple(sorted(context)))

    if not any(request.action == "iam:PassRole" for request in usage.requests):
        return usage

    def with_services(table: Mapping[AccessRequest, Evidence]) -> dict[AccessRequest, Evidence]:
        found: dict[AccessRequest, Evidence] = {}
        for request, evidence in table.items():
            named = with_service(request)
            found[named] = found[named] + evidence if named in found else evidence
        return {request: found[request] for request in sorted(found, key=request_order)}

    return replace(
        usage,
        requests=with_services(usage.requests),
        needs={call: tuple(map(with_service, asked)) for call, asked in usage.needs.items()},
        users={name: with_services(theirs) for name, theirs in usage.users.items()},
        reasons={with_service(request): why for request, why in usage.reasons.items()},
        sources={with_service(request): names for request, names in usage.sources.items()},
    )
