"""The questions that a plan leaves to a person, and the permissions that it keeps without evidence, in groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    """The option of `suggest` that decides otherwise."""


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
        option = f"--drop {groups[0].changes[0].action}" if members == 1 else f"--drop '{service}:*'"
        whys = "; ".join(sorted({one.why for one in groups}))
        questions.append(
            OpenQuestion(service, f"{pluralize(members, 'permission')} kept as today", whys, option)
        )
    return tuple(questions)


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
            f"--drop {actions[0]}",
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
