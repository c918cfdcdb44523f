"""The organisation's policies that limit an account: service control and resource control policies, by level (4.1).

Each level, from the root down to the account itself, must allow a request; a Deny on any level wins. Source:
Organizations User Guide, orgs_manage_policies_scps_evaluation and orgs_manage_policies_rcps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from policygen.account.model import Levels
from policygen.account.snapshot_schema import Json, OrganizationPolicy
from policygen.errors import UsageError
from policygen.iam.document import Policy, PolicyKind, parse_policy
from policygen.text import escape_controls

SCP = "SERVICE_CONTROL_POLICY"
RCP = "RESOURCE_CONTROL_POLICY"


def read_organization(client: Any, account: str) -> Json:
    """Return the ``organization`` of an account's snapshot.

    Only the management account and a delegated administrator may read it. A kind of policy that the organisation has
    not enabled limits nothing: its levels are [].

    Args:
        client: the Organizations client.
        account: the account's id.
    """
    organization = client.describe_organization()["Organization"]
    manager = organization["MasterAccountId"]
    known = {"id": organization["Id"], "management_account": manager}
    if manager == account or organization.get("FeatureSet") == "CONSOLIDATED_BILLING":
        return known | {"scps": [], "rcps": []}
    enabled = {
        entry["Type"]
        for root in _all(client, "list_roots", "Roots")
        for entry in root.get("PolicyTypes", ())
        if entry["Status"] == "ENABLED"
    }
    targets = _path(client, account)
    return known | {
        "scps": _levels(client, targets, SCP) if SCP in enabled else [],
        "rcps": _levels(client, targets, RCP) if RCP in enabled else [],
    }


def no_organization() -> Json:
    """Return the part ``organization`` of the snapshot for an account that is in no organisation."""
    return {"id": "", "management_account": "", "scps": [], "rcps": []}


def levels_of(
    rows: list[list[OrganizationPolicy]] | None, owner: str, *, resource: bool = False
) -> Levels | None:
    """Convert policies to values, level by level; None stays None.

    Args:
        rows: levels of policies, the root first.
        owner: what to call them in errors.
        resource: they are resource control policies, which name a Principal.

    Raises:
        UsageError: as `parse_policy`; PG-E350, a resource control policy for some principals only.
    """
    if rows is None:
        return None
    return tuple(tuple(_policy(row, owner, resource) for row in level) for level in rows)


def _policy(row: OrganizationPolicy, owner: str, resource: bool) -> Policy:
    kind: PolicyKind = "resource control" if resource else "service control"
    try:
        return parse_policy(row.content, row.name, kind)
    except UsageError as error:
        named = f"{owner} {escape_controls(row.name)!r}"
        raise UsageError(f"{named}: {error.message}", *error.hints, code=error.code) from error


def _path(client: Any, account: str) -> list[str]:
    """Return the ids of the root, the organisational units below it, and the account."""
    path, kind = [account], "ACCOUNT"
    while kind != "ROOT":
        (parent,) = client.list_parents(ChildId=path[0])["Parents"]
        path.insert(0, parent["Id"])
        kind = parent["Type"]
    return path


def _levels(client: Any, targets: Iterable[str], kind: str) -> list[list[Json]]:
    contents: dict[str, str] = {}
    levels = []
    for target in targets:
        rows = _all(client, "list_policies_for_target", "Policies", TargetId=target, Filter=kind)
        for row in rows:
            if row["Id"] not in contents:
                contents[row["Id"]] = client.describe_policy(PolicyId=row["Id"])["Policy"]["Content"]
        named = [{"Id": row["Id"], "Name": row["Name"], "Content": contents[row["Id"]]} for row in rows]
        levels.append(sorted(named, key=lambda row: row["Id"]))
    return levels


def _all(client: Any, operation: str, key: str, **arguments: str) -> list[Any]:
    rows: list[Any] = client.get_paginator(operation).paginate(**arguments).build_full_result().get(key, [])
    return rows
