"""Renders the unverified permissions of a role as questions: what each asks, and what answers it."""

from __future__ import annotations

from collections.abc import Iterator

from policygen.plan.model import Plan, PlanQuestion
from policygen.report.terminal.layout import WIDTH, wrapped
from policygen.report.wording import drop_options
from policygen.text import pluralize


def render_questions(plan: Plan, *, show_all: bool) -> Iterator[str]:
    """Render the questions; with `show_all` each has all its permissions and its rules for policygen.toml."""
    if plan.questions:
        unverified = pluralize(plan.tightness.unverified, "unverified permission")
        yield ""
        yield f"Questions ({len(plan.questions)}): {unverified} kept as today; nobody could tell"
        for number, question in enumerate(plan.questions, 1):
            yield from wrapped(f" {number} ? ", question.asks, "     ")
            doctor = f"policygen doctor -r {plan.role.name}"
            yield from _details(question, doctor) if show_all else _short(question, doctor)
        if not show_all:
            yield "   --details lists all permissions, and the rules for policygen.toml"
    yield from _open_names(plan)


def _short(question: PlanQuestion, doctor: str) -> Iterator[str]:
    if len(question.actions) > len(question.riskiest):
        yield from wrapped("     riskiest  ", ", ".join(question.riskiest))
    else:
        yield from wrapped("     namely    ", ", ".join(question.actions))
    yield from _common(question, doctor)
    if option := drop_options(question):
        yield from wrapped("     drop      ", option)


def _common(question: PlanQuestion, doctor: str) -> Iterator[str]:
    yield from wrapped("     why       ", question.why)
    yield from wrapped("     answer    ", question.answer)
    if question.command:
        short = len(question.command) <= WIDTH - 15
        yield from wrapped("               ", question.command if short else doctor)


def _details(question: PlanQuestion, doctor: str) -> Iterator[str]:
    yield from wrapped("     all       ", " ".join(question.actions))
    yield from _common(question, doctor)
    for name, rule in (("to drop", question.drop), ("to keep", question.keep)):
        if rule:
            yield f"     {name}, in policygen.toml:"
            yield from (f"       {line}" for line in rule.splitlines())


def _open_names(plan: Plan) -> Iterator[str]:
    """List the types of names that may be new next time."""
    if not plan.open_names:
        return
    yield ("")
    yield f"Names that may be new next time ({len(plan.open_names)})"
    for one in plan.open_names:
        names = f"{pluralize(one.names, 'name')} written as seen"
        yield from wrapped("  ? ", f"{one.type}: {names}; {one.reason}", "    ")
        kind = one.type.partition(":")[2]
        yield from wrapped("      ", f"--open {one.type} writes every {kind} of the account and region")
