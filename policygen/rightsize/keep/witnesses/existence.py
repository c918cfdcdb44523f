"""Nothing of the kind exists in the account, or nothing of it can be reached from where the role runs.

What exists comes from the snapshot's ``resources``, and only of types of which every resource is known. A resource of
another account may be used all the same: where today's statement names one nothing is decided, and where it names none
(``*``) the confidence is medium. Whoever made a resource of the kind within the logs reopens the question: it may be
gone again.
"""

from __future__ import annotations

from policygen.account.current import CurrentAccess
from policygen.account.inventory import Item
from policygen.account.model import unqualified
from policygen.catalog.reach import DataPlane, data_plane
from policygen.catalog.service_names import service_prefix
from policygen.iam import reference
from policygen.iam.arn import parse
from policygen.rightsize.keep.witness import Asked
from policygen.rightsize.removal import Confidence, Removal

ONLY_EXISTING = "kept only on what exists in this account; a resource of another account is not among it"
_FEW = 5
"""Resources that are named one by one in place of ``*``: more would make the policy long."""

_ANY_WRITE = "ec2:RunInstances"
"""Stands for the events that make something, where no action of the event's name is known."""

_POLLED_WITHOUT_VPC = frozenset({"sqs", "kinesis", "dynamodb"})
"""Services whose queues and streams Lambda polls from outside of any VPC."""


def nothing_exists(asked: Asked) -> Removal | None:
    """Decide about an action whose resources do not exist in the account."""
    if asked.facts.current.inventory is None:
        return None
    plane = data_plane(asked.action)
    if plane is None or _was_attempted(asked) or _names_another_account(asked):
        return None
    items = _items(asked, plane)
    if items is None or items or _may_have_been_made(asked, plane):
        return None
    kinds = " nor ".join(type_.removeprefix("AWS::").replace("::", " ") for type_ in plane.types)
    place = _region(asked)
    where = f" in {place}" if place else ""
    return Removal(f"the account has no {kinds}{where}", "nothing-exists", plane.source, _confidence(asked))


def out_of_reach(asked: Asked) -> Removal | None:
    """Decide about an action whose resources only a VPC reaches, for a role of functions that are in none."""
    if not asked.facts.current.functions:
        return None
    plane = data_plane(asked.action)
    if plane is None or plane.reach == "anywhere" or not _runs_outside_of_vpcs(asked):
        return None
    why = f"only a VPC reaches {plane.name}, and no function of the role is in one"
    if plane.reach == "vpc":
        return Removal(why, "out-of-reach", plane.source)
    if _names_another_account(asked) or _may_have_been_made(asked, plane):
        return None
    items = _items(asked, plane)
    if items is None or any(item.public is not False for item in items):
        return None
    return Removal(f"{why}; none is public", "out-of-reach", plane.source, _confidence(asked))


def existing_resources(asked: Asked) -> tuple[str, ...]:
    """Return the Resource patterns of the few resources that an action on ``*`` can be for; () for no answer.

    As for `nothing_exists`, a resource of another account is left out.
    """
    plane = data_plane(asked.action)
    if plane is None or asked.grant.resource != "*" or asked.grant.excluded or _was_attempted(asked):
        return ()
    if _names_another_account(asked):
        return ()
    items = _items(asked, plane) or []
    patterns = [plane.patterns_of(item.arn, _types_of(asked.action)) for item in items[: _FEW + 1]]
    if not 0 < len(items) <= _FEW or not all(patterns) or _may_have_been_made(asked, plane):
        return ()
    return tuple(dict.fromkeys(one for found in patterns for one in found))


def _types_of(action: str) -> tuple[str, ...]:
    """Return the resource types of an action, by IAM's reference."""
    known = reference.action(action)
    return tuple(known.types) if known else ()


# --- What exists -----------------------------------------------------------------------------------


def _items(asked: Asked, plane: DataPlane) -> list[Item] | None:
    """Return all resources of a data plane that a permission may be for; None where they are not all known."""
    inventory = asked.facts.current.inventory
    region = _region(asked)
    if inventory is None or not all(inventory.is_complete(type_, region) for type_ in plane.types):
        return None
    found = [item for type_ in plane.types for item in inventory.of(type_)]
    return [item for item in found if region in ("", item.region)]


def _may_have_been_made(asked: Asked, plane: DataPlane) -> bool:
    """Return whether somebody made such a resource within the logs, or may have done so unseen."""
    coverage = asked.facts.coverage
    if plane.creates & coverage.created:
        return True
    names = {f"{service_prefix(source)}:{name}" for source, name in plane.creates}
    known = sorted(name for name in names if reference.action(name)) or [_ANY_WRITE]
    return any(_may_be_made_unseen(asked, name) for name in known)


def _may_be_made_unseen(asked: Asked, action: str) -> bool:
    """Return whether calls for an action are not in the logs, or IAM saw the role make one that was not read."""
    return asked.was_attempted_unread(action) or not asked.facts.coverage.observability(action).visible


def _was_attempted(asked: Asked) -> bool:
    """Return whether IAM saw an attempt that may be one at this action."""
    report = asked.facts.report
    return report is not None and report.find(asked.action).kind in ("used_unseen", "used_outside")


# --- What today's statement names ------------------------------------------------------------------


def _region(asked: Asked) -> str:
    """Return the one region of the permission; "" where it is not of one."""
    place = parse(asked.grant.resource)
    return place.region if place and not set(place.region) & set("*?$") else ""


def _names_another_account(asked: Asked) -> bool:
    """Return whether the permission is for resources of another account, by its ARN or a condition."""
    own = asked.facts.current.account
    place = parse(asked.grant.resource)
    named = {place.account} if place and place.account.isdigit() else set[str]()
    for operator, keys in asked.grant.conditions:
        for key, values in keys:
            if key.lower() != "aws:resourceaccount":
                continue
            if "not" in operator.lower():
                return True  # all accounts but these
            named.update(values)
    return bool(named - {own})


def _confidence(asked: Asked) -> Confidence:
    place = parse(asked.grant.resource)
    return "high" if place and place.account == asked.facts.current.account else "medium"


# --- Where the role runs ---------------------------------------------------------------------------


def _runs_outside_of_vpcs(asked: Asked) -> bool:
    """Return whether the role is of functions alone, all of which are known, and none of which a VPC reaches."""
    current = asked.facts.current
    role, functions = current.role, current.functions
    if role is None or not role.only_functions or not functions:
        return False
    seen = {region for usage in asked.facts.usages for region in usage.regions}
    if not seen <= current.function_regions or _run_unknown(asked, {one.unqualified for one in functions}):
        return False
    in_vpc = any(one.vpc or one.raw.get("CapacityProviderConfig") for one in functions)
    return not in_vpc and not _polls_in_a_vpc(current)


def _run_unknown(asked: Asked, known: set[str]) -> bool:
    """Return whether the logs show a function of the role that is not among the known ones, as one made since."""
    ran = {bucket.user.function for usage in asked.facts.usages for bucket in usage.daily}
    return any(unqualified(arn) not in known for arn in ran if ":function:" in arn)


def _polls_in_a_vpc(current: CurrentAccess) -> bool:
    """Return whether Lambda polls a broker or a database for the role, in a VPC and with the role's permissions."""
    own = {one.unqualified for one in current.functions or ()}
    polled = [parse(one.source_arn) for one in current.mappings if unqualified(one.function_arn) in own]
    return any(place is None or place.service not in _POLLED_WITHOUT_VPC for place in polled)
