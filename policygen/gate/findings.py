"""The rules of `check`, its findings, and the policies it looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, cast

import msgspec

from policygen.errors import no_such
from policygen.gate.sources import Spot
from policygen.iam.locations import Location
from policygen.text import escape_controls

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
        CheckRule("PG101", "warning", "granted, never used", "Remove it, or keep it with a reason."),
        CheckRule("PG102", "warning", "granted on more than was used", "Name the resources that were used."),
        CheckRule("PG103", "warning", "used by suspicious calls only", "Look at who made these calls."),
        CheckRule(
            "PG104",
            "warning",
            "allowed under a condition only",
            "The logs don't show the keys that it tests.",
        ),
        CheckRule(
            "PG105", "error", "wider than today's policies", "A right-sized policy grants nothing new."
        ),
        CheckRule(
            "PG106",
            "warning",
            "removed for a reason other than the logs",
            "IAM's own report, a decision, or a service that was not used at all is the reason.",
        ),
        CheckRule(
            "PG107",
            "error",
            "opens a risk that nothing needs",
            "Remove one of its actions, or narrow it to the resources that were used.",
        ),
        CheckRule(
            "PG108",
            "error",
            "attaches a policy that is not known",
            "What it grants was not checked: take it out, and write what is needed as a policy of its own.",
        ),
        CheckRule(
            "PG109",
            "warning",
            "names an action that AWS does not list",
            "Correct the name, or accept it in a baseline if it is newer than the list.",
        ),
        CheckRule(
            "PG110",
            "error",
            "taken out of the gate",
            "Keep it checked, or accept it in a baseline before the change.",
        ),
        CheckRule(
            "PG111",
            "error",
            "attached today, and not checked",
            "Name the policies that stay attached, by their ARNs.",
        ),
        CheckRule(
            "PG112",
            "warning",
            "a policy that no [[role]] names",
            "Name it in policy of the role that gets it, or accept it in a baseline.",
        ),
        CheckRule(
            "PG113",
            "error",
            "what it may grant is not known",
            "Write it so that the file tells it, or accept this very text in a baseline.",
        ),
        CheckRule(
            "PG114",
            "error",
            "may grant, and is not read",
            "Look at what it grants, and accept it by name in a baseline.",
        ),
        CheckRule("PG201", "error", "observed calls would be denied", "Allow them, or the role breaks."),
        CheckRule(
            "PG202",
            "error",
            "what AWS's own service needs would be denied",
            "CloudTrail never shows it; the configuration does.",
        ),
        CheckRule(
            "PG203",
            "warning",
            "suspicious calls would be denied",
            "Usually what you want. Look at who made these calls.",
        ),
        CheckRule(
            "PG204",
            "warning",
            "what IAM saw attempted would be denied",
            "No event tells whether the role needs it: leave it, or ask the role's owner.",
        ),
        CheckRule(
            "PG301",
            "note",
            "the logs can't tell whether it is used",
            "No action needed. Remove it if you know it is unused.",
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
            "the evidence is incomplete",
            "Give what is missing and make the plan again: a pass must not mean that nothing was known.",
        ),
        CheckRule(
            "PG304",
            "note",
            "what the logs can't show would be denied",
            "No action needed if you know that nothing uses it.",
        ),
        CheckRule(
            "PG401",
            "warning",
            "escalation path",
            "Whoever gets hold of the role can take more rights than it has.",
        ),
        CheckRule(
            "PG402", "warning", "way to exfiltrate data", "Whoever gets hold of the role can carry data away."
        ),
        CheckRule(
            "PG403",
            "warning",
            "way to expose resources",
            "Whoever gets hold of the role can open a resource.",
        ),
        CheckRule(
            "PG601",
            "error",
            "method open to everybody",
            "Ask for a signature or an authorizer, or name the addresses.",
        ),
        CheckRule("PG602", "warning", "a key is the only guard", "A key is no authorization: ask for one."),
        CheckRule(
            "PG603",
            "error",
            "principals of any AWS account are let in",
            "Name the callers, or their organization.",
        ),
        CheckRule(
            "PG604",
            "note",
            "an authorizer's answer is used for several methods",
            "Let its answer be about all of them, or set its TTL to 0.",
        ),
        CheckRule("PG605", "warning", "usage plan without throttle and quota", "Set a throttle or a quota."),
        CheckRule("PG606", "note", "enabled key that nobody used", "Disable it, or ask its owner."),
        CheckRule("PG607", "warning", "one key from many networks", "Give each client a key of its own."),
        CheckRule(
            "PG608", "warning", "private API, open to any VPC endpoint", "Name the endpoints or the VPCs."
        ),
        CheckRule(
            "PG609",
            "note",
            "stage whose log cannot tell who calls",
            "Turn its access log on, in a format that names the caller.",
        ),
        CheckRule(
            "PG610",
            "warning",
            "default endpoint open despite mutual TLS",
            "Disable the default endpoint of the API.",
        ),
        CheckRule("PG611", "note", "method or route that nobody called", "Delete it, or ask its owner."),
        CheckRule(
            "PG612",
            "warning",
            "the resource policy lets in whom a method's guard would leave out",
            "Name the callers, or take the method out of the policy.",
        ),
        CheckRule(
            "PG701",
            "error",
            "any AWS account may assume the role",
            "Name the callers, or their organization.",
        ),
        CheckRule(
            "PG702",
            "error",
            "tokens of any subject or audience may assume the role",
            "Ask for the audience and the subjects that came.",
        ),
        CheckRule(
            "PG703",
            "warning",
            "another account needs no external id",
            "Agree on an external id with whoever acts for several customers.",
        ),
        CheckRule(
            "PG704", "note", "sessions may last longer than anybody asks for", "Lower MaxSessionDuration."
        ),
    )
}
"""All rules by id. PG106, PG303, PG402 and PG403 are findings of plans about today's policies, never of `check`; those
from PG601 on are about APIs, of which a resource policy decides some, and those from PG701 on about trust policies."""


BREAKING = frozenset({"PG111", "PG201", "PG202"})
"""Rules of what the role would break by."""
DEPENDING = frozenset({"PG108", "PG113"})
"""Rules of what is not known: calls of the role may depend on it, which their findings are about too."""


class Finding(msgspec.Struct, frozen=True):
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
    about: tuple[tuple[str, str], ...] = ()
    """All that it is about, each a subject and where it holds; () for its own subject and resource."""
    within: str = ""
    """The part of a template that it points at, and the statement, with which the message ends; "" for another file."""
    against: bool = True
    """Whether it speaks against the policy. If not, the suggestion for the role has it too, and it fails no gate."""

    @property
    def subjects(self) -> tuple[tuple[str, str], ...]:
        """All that it is about, as people spell it, each a subject and where it holds."""
        return self.about or ((self.key or self.subject, self.resource),)

    @property
    def points(self) -> frozenset[tuple[str, str, str]]:
        """Rule, subject and where it holds, for all that it is about: what two findings have in common."""
        return frozenset((self.rule.id, subject.lower(), where) for subject, where in self.subjects)

    @property
    def breaks(self) -> bool:
        """Whether the role would break by it, or may: nobody accepts that along with the rest."""
        return self.rule.id in BREAKING or (self.rule.id in DEPENDING and len(self.subjects) > 1)

    @property
    def level(self) -> Level:
        """error, warning or note."""
        return self.rule.level


def found_at(
    spot: Spot,
    rule: CheckRule,
    subject: str,
    message: str,
    fix: str,
    *,
    resource: str = "",
    key: str = "",
    about: tuple[tuple[str, str], ...] = (),
    against: bool = True,
) -> Finding:
    """Return a finding that points at a spot."""
    seen = f"{message}; in {spot.within}" if spot.within else message
    return Finding(
        rule, subject, seen, fix, spot.file, spot.place, resource, key, about, spot.within, against
    )


def failing(findings: Sequence[Finding], fail_on: Level) -> list[Finding]:
    """Return the findings against the policies at or above a level."""
    least = LEVELS.index(fail_on)
    return [finding for finding in findings if finding.against and LEVELS.index(finding.level) >= least]


def level_named(fail_on: str) -> Level | None:
    """Return the level from which a finding fails the gate; None for never.

    Raises:
        UsageError: PG-E218, there is no such level.
    """
    if fail_on not in {*LEVELS, "never"}:
        known = ("error", "warning", "note", "never")
        raise no_such(f"--fail-on is {escape_controls(fail_on)[:40]!r}", fail_on, known, code="PG-E218")
    return None if fail_on == "never" else cast("Level", fail_on)
