"""The class of an action that no operation asks for: retired, of a service's role, of an agent, along with others."""

from __future__ import annotations

from functools import lru_cache

from policygen.catalog.action_classes import ActionClass, class_of, parent_actions
from policygen.iam.arn import service_of
from policygen.rightsize.keep.trust import TrustedParties, trusted_parties
from policygen.rightsize.keep.witness import USE_PROVED, Asked, RoleFacts
from policygen.rightsize.removal import Removal

_WITH_RESOURCE_POLICIES = frozenset({"backup", "bedrock-agentcore", "dynamodb", "ecr", "s3"})
"""Services of parents whose resources may allow a role of the account what its own policies do not."""


def action_class_witness(asked: Asked) -> Removal | None:
    """Decide by what asks for the action, and whether that can ask with this role."""
    found = class_of(asked.action)
    why = _why(asked, found) if found else ""
    return Removal(why, found.name, found.source, found.confidence) if found and why else None


def _why(asked: Asked, found: ActionClass) -> str:
    """Return why nothing asks for the action with this role; "" where something may."""
    if found.name == "retired":
        return "AWS has shut down what it belongs to"
    if found.name == "asked-with":
        return _along_with_nothing(asked, found)
    trust = _trust(asked.facts)
    if trust is None:
        return ""
    if found.name == "service-role":
        return _of_no_service(asked, found, trust)
    if found.name == "agent":
        return _of_no_machine(found, trust)
    return _without_console(asked, trust)


@lru_cache(maxsize=1)
def _trust(facts: RoleFacts) -> TrustedParties | None:
    """Return who may assume the role: the same for all that is asked of it."""
    return trusted_parties(facts.current.role)


def _of_no_service(asked: Asked, found: ActionClass, trust: TrustedParties) -> str:
    if not trust.services.isdisjoint(found.callers) or trust.everyone or (found.chained and trust.others):
        return ""
    if _parents_used(asked, found):
        return ""
    why = f"only {_names(found.callers)} asks for it, with a role that trusts it, which this one does not"
    return f"{why}; nor was it needed for {_names(found.parents)}" if found.parents else why


def _of_no_machine(found: ActionClass, trust: TrustedParties) -> str:
    if not trust.programs_only or not trust.services.isdisjoint(found.callers):
        return ""
    return f"only an agent of AWS on a machine asks for it, and no machine works with this role ({_parties(trust)} do)"


def _along_with_nothing(asked: Asked, found: ActionClass) -> str:
    if _parents_used(asked, found):
        return ""
    if not _allowed_parents(asked, found):
        return f"AWS checks it only together with {_names(found.parents)}, which the role may not call"
    return f"AWS checks it only together with {_names(found.parents)}, which the role did not call"


def _without_console(asked: Asked, trust: TrustedParties) -> str:
    # An attempt that no event explains may have been a session of the console that is not in these logs.
    if trust.lets_people_ask(asked.action) or asked.facts.from_console or asked.blind_spot.id in USE_PROVED:
        return ""
    return (
        f"only the AWS console asks for it, no SDK does, and nobody signs in with this role ({_parties(trust)} work"
        " with it); a request signed by hand would not show"
    )


def _allowed_parents(asked: Asked, found: ActionClass) -> list[str]:
    """Return the actions of today along with whose calls AWS checks this one."""
    allowed = asked.facts.current_actions
    return [one for one in parent_actions(found.parents) if one in allowed and one != asked.action]


def _parents_used(asked: Asked, found: ActionClass) -> bool:
    """Return whether the role made a call that asks for the action along with it, or may have made one unseen."""
    parents, shared = _other_parents(found.parents, asked.action)
    return asked.may_have_been_used(*parents) or any(_may_be_allowed_elsewhere(asked, one) for one in shared)


@lru_cache(maxsize=65536)
def _other_parents(names: tuple[str, ...], action: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the parents but for the action itself, and those of them whose resources have policies of their own."""
    parents = tuple(one for one in parent_actions(names) if one != action)
    return parents, tuple(one for one in parents if service_of(one) in _WITH_RESOURCE_POLICIES)


def _may_be_allowed_elsewhere(asked: Asked, action: str) -> bool:
    """Return whether a resource's own policy, which is not read, may allow an action whose calls would not show."""
    if action in asked.facts.current_actions:
        return False
    return asked.facts.coverage.absence(action, "*", 0).blind_spot is not None


def _names(names: tuple[str, ...]) -> str:
    """Return the first few of some names, and how many more there are."""
    shown = [*names] if len(names) <= 3 else [*names[:2], f"{len(names) - 2} more"]
    return " or ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]


def _parties(trust: TrustedParties) -> str:
    return ", ".join([*sorted(trust.services), *sorted(trust.providers)])
