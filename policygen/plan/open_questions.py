"""What a plan leaves to a person, and what the logs cannot show, in groups that can be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from policygen.plan.change_groups import ChangeGroup, number
from policygen.plan.model import Plan, PlanKeep
from policygen.text import pluralize


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """One decision."""

    about: str
    what: str
    why: str
    option: str
    """Of suggest, to decide otherwise."""


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
    """The decisions that the screen asks for: types of names, seasonal use, services with blind spots, most first."""
    found = [
        OpenQuestion(
            one.type,
            f"{pluralize(one.names, 'name')} written as seen",
            one.reason,
            f"--open {one.type}",
        )
        for one in plan.questions
    ]
    found += _seasonal(plan)
    services: dict[str, list[ChangeGroup]] = {}
    for group in plan.alike:
        if group.kind == "unknown":
            services.setdefault(group.service, []).append(group)
    for service, groups in sorted(services.items(), key=lambda one: (-number(one[1]), one[0])):
        members = number(groups)
        option = f"--drop {groups[0].changes[0].action}" if members == 1 else f"--drop '{service}:*'"
        whys = "; ".join(sorted({one.why for one in groups}))
        found.append(OpenQuestion(service, f"{pluralize(members, 'permission')} kept as today", whys, option))
    return tuple(found)


def seasonal_groups(plan: Plan) -> dict[tuple[str, str], list[str]]:
    """Return what IAM saw before the window, as (service, what it saw) -> the actions that go."""
    groups: dict[tuple[str, str], list[str]] = {}
    for one in plan.seasonal:
        groups.setdefault((one.action.split(":", 1)[0], one.says), []).append(one.action)
    return groups


def _seasonal(plan: Plan) -> list[OpenQuestion]:
    return [
        OpenQuestion(
            service,
            f"{pluralize(len(actions), 'permission')} removed",
            says,
            f"--keep {actions[0]}" if len(actions) == 1 else f"--keep '{service}:*'",
        )
        for (service, says), actions in seasonal_groups(plan).items()
    ]


def kept(plan: Plan, *kinds: str) -> tuple[KeepGroup, ...]:
    """What is kept without evidence, by its reason; the largest group first."""
    groups: dict[tuple[str, str, str, str], list[PlanKeep]] = {}
    for keep in plan.keeps:
        if keep.kind in kinds:
            groups.setdefault((keep.blind_spot or "", keep.why, keep.remedy, keep.command), []).append(keep)
    made = [
        KeepGroup(
            why, remedy, command, _names(members), tuple(sorted({k.note for k in members if k.note})), spot
        )
        for (spot, why, remedy, command), members in groups.items()
    ]
    return tuple(sorted(made, key=lambda group: (-len(group.actions), group.why, group.remedy)))


def _names(keeps: Sequence[PlanKeep]) -> tuple[str, ...]:
    return tuple(sorted({keep.action for keep in keeps}))
