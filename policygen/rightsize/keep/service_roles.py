"""What a service asks for with a role of its own at times only, so that the window need not show it (3.6).

Where a service is at work, the rest of what it needs is not unused for not being seen. The rows of service_roles.toml
say what, and when.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import cache
from typing import NamedTuple

from policygen.account.model import Role
from policygen.files import read_package_table
from policygen.iam import reference
from policygen.iam.grants import Grant
from policygen.iam.request import AccessRequest
from policygen.rightsize.keep.model import Keep
from policygen.rightsize.keep.trust import trusted_parties

_PODS = "pods.eks.amazonaws.com"
_CLUSTER = "oidc.eks."
"""How the OIDC provider of a cluster of EKS begins; its pods take their roles from it, or from EKS Pod Identity."""

# By what CloudFormation takes back what a call made, by the beginnings of their names; else by the whole name.
_TAKEN_BACK_BY = {
    "Create": "Delete", "Put": "Delete", "Publish": "Delete", "Request": "Delete", "Add": "Remove",
    "Allocate": "Release", "Associate": "Disassociate", "Attach": "Detach", "Authorize": "Revoke",
    "Enable": "Disable", "Register": "Deregister", "Run": "Terminate", "Subscribe": "Unsubscribe", "Tag": "Untag",
}  # fmt: skip
_TAKEN_BACK_OTHERWISE = {
    "apigateway:POST": "apigateway:DELETE",
    "apigateway:PUT": "apigateway:DELETE",
    "cloudwatch:PutDashboard": "cloudwatch:DeleteDashboards",
    "cloudwatch:PutMetricAlarm": "cloudwatch:DeleteAlarms",
    "events:PutTargets": "events:RemoveTargets",
    "iam:AddRoleToInstanceProfile": "iam:RemoveRoleFromInstanceProfile",
    "kms:CreateKey": "kms:ScheduleKeyDeletion",
}


class NeedAtTimes(NamedTuple):
    """One row of service_roles.toml, or what CloudFormation takes back."""

    service: str
    """The service principal that the role trusts."""
    actions: tuple[str, ...]
    when: str
    """When the service asks for them, a clause."""
    source: str
    """URL."""
    signs: tuple[str, ...] = ()
    """Actions of which one shows that the service does this with the role; () for every role of the service."""


@cache
def needs_at_times() -> tuple[NeedAtTimes, ...]:
    """Return the rows of service_roles.toml, in order."""
    rows = read_package_table("policygen.rightsize.keep", "service_roles.toml")
    return tuple(
        NeedAtTimes(
            row["service"], tuple(row["actions"]), row["when"], row["source"], tuple(row.get("with", ()))
        )
        for row in rows.values()
    )


def actions_of_services(role: Role | None, used: Iterable[AccessRequest] = ()) -> frozenset[str]:
    """Return the actions that `needs_of_services` asks about for a role: whether the logs would have shown them."""
    seen = {request.action for request in used}
    return frozenset(action for row in _rows_of(role, seen) for action in (*row.actions, *row.signs))


def needs_of_services(role: Role, used: Iterable[AccessRequest], visible: Collection[str]) -> Iterator[Keep]:
    """Yield what the services that a role trusts need of it at times, on any resource.

    What was seen is not among it, nor what nothing could have shown: that stays unverified.

    Args:
        role: the role; its trust policy names the services.
        used: observed requests.
        visible: actions whose use the logs would have shown, or IAM's report.
    """
    seen = {request.action for request in used}
    for row in _rows_of(role, seen):
        if row.signs and not any(sign in seen or sign not in visible for sign in row.signs):
            continue
        for action in row.actions:
            if action in visible and action not in seen:
                yield Keep(Grant(action, "*"), "platform", f"{row.when}, which a window need not show")


def _rows_of(role: Role | None, seen: Collection[str]) -> list[NeedAtTimes]:
    trust = trusted_parties(role)
    if not trust:
        return []
    services = {*trust.services, *(_PODS for one in trust.providers if one.startswith(_CLUSTER))}
    return [row for row in (*needs_at_times(), _taken_back(seen)) if row.service in services]


def _taken_back(seen: Collection[str]) -> NeedAtTimes:
    """Return what CloudFormation asks for to take back what it was seen to make."""
    undone = (_TAKEN_BACK_OTHERWISE.get(action) or _opposite(action) for action in seen)
    return NeedAtTimes(
        "cloudformation.amazonaws.com",
        tuple(sorted(action for action in set(undone) if reference.action(action))),
        "CloudFormation takes back what it made when an update fails or the stack is deleted",
        "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stack-failure-options.html",
    )


def _opposite(action: str) -> str:
    """Return the action that undoes one, by their names: ``sqs:DeleteQueue`` for ``sqs:CreateQueue``; "" for none."""
    prefix, name = action.split(":", 1)
    ways = (
        f"{prefix}:{by}{name.removeprefix(made)}"
        for made, by in _TAKEN_BACK_BY.items()
        if name.startswith(made)
    )
    return next(ways, "")
