"""The questions that a plan leaves to a person, and the permissions that it keeps without evidence, in groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from policygen.iam import reference
from policygen.plan.change_groups import ChangeGroup, count_changes
from policygen.plan.model import Plan, PlanKeep
from policygen.text import pluralize


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """One decision that a person must make."""

    about: str
    what: str
    why: str
    option: str
    """The option of `suggest` that decides otherwise; "" where none does."""


@dataclass(frozen=True, slots=True)
class KeepGroup:
    """Permissions that are kept for one reason."""

    why: str
    remedy: str
    command: str
    actions: tuple[str, ...]
    notes: tuple[str, ...]
    blind_spot: str


def open_questions(plan: Plan) -> tuple[OpenQuestion, ...]:
    """List the decisions that the screen asks for: types of names, seasonal use, then services with blind spots."""
    questions = [
        OpenQuestion(
            one.type,
            f"{pluralize(one.names, 'name')} written as seen",
            one.reason,
            f"--open {one.type}",
        )
        for one in plan.questions
    ]
    questions += _seasonal(plan)
    services: dict[str, list[ChangeGroup]] = {}
    seasonal = {one.says for one in plan.seasonal}
    for group in plan.change_groups:
        if group.kind == "unknown" and group.why not in seasonal:
            services.setdefault(group.service, []).append(group)
    for service, groups in sorted(services.items(), key=lambda one: (-count_changes(one[1]), one[0])):
        members = count_changes(groups)
        whys = "; ".join(sorted({one.why for one in groups}))
        options = drop_options(plan, service)
        option = options[-1 if members > 1 else 0].option if options else ""
        questions.append(
            OpenQuestion(service, f"{pluralize(members, 'permission')} kept as today", whys, option)
        )
    return tuple(questions)


class DropOption(NamedTuple):
    """An option of `suggest` that drops unverified permissions, and what it does."""

    option: str
    effect: str


def drop_options(plan: Plan, service: str, among: Sequence[str] = ()) -> tuple[DropOption, ...]:
    """Return options that drop unverified permissions of a service, and nothing that the role needs.

    An option with an action's own name drops also what was seen in use or what AWS needs, so it is offered only for
    an action that is neither; a pattern spares both. The first option drops one action where one can be named, the
    last one the whole service. There is none for a service that IAM's data does not know: a decision cannot name it.

    Args:
        plan: the plan.
        service: IAM prefix of the service.
        among: the actions of which the first option names one; () for all of the service.
    """
    if not reference.action_names(service):
        return ()
    needed = {one.action.lower() for one in plan.evidence.requests}
    needed |= {keep.action.lower() for keep in plan.keeps if keep.kind != "unknown"}
    needed |= {action.lower() for action in plan.needs or ()}
    unverified = among or [
        one.action for one in plan.changes if one.kind == "unknown" and one.service == service
    ]
    nameable = (action for action in unverified if action.lower() not in needed and reference.action(action))
    alone = "" if plan.needs is None else next(nameable, "")  # an older plan does not tell what AWS needs
    # A pattern that meets a decision to keep is an error, and drops nothing.
    kept = any(keep.kind == "decision" and keep.service == service for keep in plan.keeps)
    options = [DropOption(f"--drop {alone}", "removes one")] if alone else []
    if not (kept and alone):
        options.append(DropOption(f"--drop '{service}:*'", "removes the service's unverified ones"))
    return tuple(options)


def seasonal_groups(plan: Plan) -> dict[tuple[str, str], list[str]]:
    """Return what IAM saw outside the window, as (service, what it saw) -> the actions that stay."""
    groups: dict[tuple[str, str], list[str]] = {}
    for one in plan.seasonal:
        groups.setdefault((one.action.split(":", 1)[0], one.says), []).append(one.action)
    return groups


def _seasonal(plan: Plan) -> list[OpenQuestion]:
    return [
        OpenQuestion(
            service,
            f"{pluralize(len(actions), 'permission')} kept as today",
            says,
            next((one.option for one in drop_options(plan, service, actions)), ""),
        )
        for (service, says), actions in seasonal_groups(plan).items()
    ]


def keep_groups(plan: Plan, *kinds: str) -> tuple[KeepGroup, ...]:
    """Group what is kept without evidence by its reason, the largest group first."""
    members_by_reason: dict[tuple[str, str, str, str], list[PlanKeep]] = {}
    for keep in plan.keeps:
        if keep.kind in kinds:
            members_by_reason.setdefault(
                (keep.blind_spot or "", keep.why, keep.remedy, keep.command), []
            ).append(keep)
    groups = [
        KeepGroup(
            why, remedy, command, _names(members), tuple(sorted({k.note for k in members if k.note})), spot
        )
        for (spot, why, remedy, command), members in members_by_reason.items()
    ]
    return tuple(sorted(groups, key=lambda group: (-len(group.actions), group.why, group.remedy)))


def _names(keeps: Sequence[PlanKeep]) -> tuple[str, ...]:
    return tuple(sorted({keep.action for keep in keeps}))
