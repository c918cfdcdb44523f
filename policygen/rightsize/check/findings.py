"""The rules of `check`, its findings, and the policies it looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from policygen.iam.document import Policy
from policygen.iam.locations import Location, Path, locations

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("note", "warning", "error")


class CheckRule(NamedTuple):
    """One rule of `check`."""

    id: str
    level: Level
    title: str
    help: str


RULES: Mapping[str, CheckRule] = {
    rule.id: rule
    for rule in (
        CheckRule(
            "PG101",
            "warning",
            "granted, visible, never used",
            "Remove it, or list it under keep with a reason.",
        ),
        CheckRule("PG102", "warning", "reaches beyond what was seen", "Name the resources that were used."),
        CheckRule(
            "PG103", "warning", "used only in a way unlike the workload", "Look at who made these calls."
        ),
        CheckRule(
            "PG104", "warning", "allowed under a condition only", "The logs do not tell the keys it asks for."
        ),
        CheckRule(
            "PG105", "error", "wider than today's policies", "A right-sized policy grants nothing new."
        ),
        CheckRule(
            "PG106",
            "warning",
            "granted, and given up for a stated reason",
            "The logs alone do not say so: IAM's own record does, or a person, or the service was not used at all.",
        ),
        CheckRule(
            "PG107",
            "error",
            "opens an escalation path that nothing needs",
            "Remove one of its actions, or narrow it to the resources that were used.",
        ),
        CheckRule(
            "PG201", "error", "observed call would be denied", "Allow it, or deploy and break the role."
        ),
        CheckRule(
            "PG202",
            "error",
            "the platform's need would be denied",
            "CloudTrail never shows it; configuration does.",
        ),
        CheckRule(
            "PG203", "warning", "calls that were set apart would be denied", "Look at who made these calls."
        ),
        CheckRule(
            "PG301",
            "note",
            "no evidence possible",
            "Decide by hand; a note does not fail the gate by default.",
        ),
        CheckRule(
            "PG302",
            "note",
            "observed, and not allowed today either",
            "Something else allowed it, or the policies changed after the call.",
        ),
        CheckRule(
            "PG303",
            "warning",
            "the answer rests on less than it should",
            "Give what is missing and make the plan again: green must not mean that nothing was known.",
        ),
        CheckRule(
            "PG401",
            "warning",
            "escalation path",
            "Whoever gets hold of the role can take more rights than it has.",
        ),
        CheckRule("PG402", "warning", "way to data", "Whoever gets hold of the role can carry data away."),
        CheckRule("PG403", "warning", "way to expose", "Whoever gets hold of the role can open a resource."),
    )
}
"""All rules by id. PG106 and PG303 are findings of a plan about the current policies, never of `check`."""


@dataclass(frozen=True, slots=True)
class PolicySource:
    """A policy file: its name, its text, and the policy in it."""

    name: str
    text: str
    policy: Policy
    places: Mapping[Path, Location] = field(default_factory=dict)

    def place(self, statement: int, element: str, item: int) -> Location:
        """Return the place of an item in a statement's element, or the nearest place that is known."""
        single: Path = ("Statement", element, item)
        path: Path = ("Statement", statement, element, item)
        for wanted in (path, path[:3], single, single[:2], path[:2], ("Statement",)):
            if wanted in self.places:
                return self.places[wanted]
        return Location(1, 1)


def policy_source(name: str, text: str, policy: Policy) -> PolicySource:
    """Return a policy with the places of its elements."""
    return PolicySource(name, text, policy, locations(text))


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding, its place in the file, and how to fix it."""

    rule: CheckRule
    subject: str
    """An action, or an action pattern."""
    message: str
    """What was seen, in one line."""
    fix: str
    file: str
    place: Location
    resource: str = ""
    key: str = ""
    """A text that is the same in the next run, for a subject that is not, as "3 actions"; else ""."""
    against: bool = True
    """Whether it speaks against the policy. If not, the suggestion for the role has it too, and it fails no gate."""

    @property
    def level(self) -> Level:
        """error, warning or note."""
        return self.rule.level
