"""Renders the unverified permissions of a role as questions: what each asks, and what answers it."""

from __future__ import annotations

from collections.abc import Iterator

from policygen.plan.model import Plan, PlanQuestion
from policygen.report.commands import answering_command
from policygen.report.fixed_names import fixed_names
from policygen.report.terminal.layout import Layout
from policygen.report.wording import also_needed, drop_options, not_offered, short
from policygen.text import pluralize


def render_questions(plan: Plan, layout: Layout) -> Iterator[str]:
    """Render the questions, each with its permissions, what answers it, and its rules for policygen.toml."""
    if plan.questions:
        actions = f"{plan.tightness.unverified:,} unverified"
        if plan.tightness.broader:
            actions += f" and {plan.tightness.broader:,} needed, unverified on more resources"
        title = f"Questions ({len(plan.questions)}): {actions}: kept as today; the logs can't tell"
        yield from ("", *layout.wrapped("", title, "  "))
        for number, question in enumerate(plan.questions, 1):
            yield from layout.wrapped(
                f" {number} ? ", question.asks + also_needed(plan, question.actions), "     "
            )
            yield from _question(plan, question, layout)
    yield from _open_names(plan, layout)
    yield from _fixed_names(plan, layout)
    yield from _perhaps_fixed(plan, layout)


def _question(plan: Plan, question: PlanQuestion, layout: Layout) -> Iterator[str]:
    yield from layout.wrapped("     all       ", " ".join(question.actions))
    yield from layout.wrapped("     why       ", question.why)
    yield from layout.wrapped("     answer    ", question.answer)
    if question.command:
        yield from layout.command("               ", answering_command(plan, question.command))
    if option := drop_options(question):
        yield from layout.command("     drop      ", option)
    if left := not_offered(plan, question):
        yield from layout.wrapped("     stays     ", left)
    spares = " (a ? spares what is needed of that action)" if "?" in question.drop else ""
    for name, rule in (("to drop", question.drop), ("to keep", question.keep)):
        if rule:
            title = f"{name}, in policygen.toml{spares if name == 'to drop' else ''}:"
            yield from layout.wrapped("     ", title, "       ")
            yield from (f"       {line}" for line in rule.splitlines())


def _open_names(plan: Plan, layout: Layout) -> Iterator[str]:
    """List the types of names that may be new next time."""
    if not plan.open_names:
        return
    yield from ("", f"Names that may be new next time ({len(plan.open_names)})")
    for one in plan.open_names:
        names = f"{pluralize(one.names, 'name')} written as seen"
        yield from layout.wrapped("  ? ", f"{one.type}: {names}; {one.reason}", "    ")
        kind = one.type.partition(":")[2]
        yield from layout.wrapped(
            "      ", f"--open {one.type} writes every {kind} of the account and region"
        )


def _fixed_names(plan: Plan, layout: Layout) -> Iterator[str]:
    """List the folders in which only names like those seen are allowed, and the option that allows any."""
    found = fixed_names(plan)
    if found:
        yield from ("", f"Folders in which other names will be denied ({len(found)})")
        if any("${" in name for one in found for name in one.names):
            yield from layout.wrapped(
                "  ", "${*}, ${?} and ${$} stand for the characters *, ? and $ themselves"
            )
    for one in found:
        yield from layout.wrapped("  ? ", f"{short(one.folder)}: {', '.join(one.names)}", "      ")
        if plan.today is not None:
            yield f"      {one.option}"


def _perhaps_fixed(plan: Plan, layout: Layout) -> Iterator[str]:
    """List the names that are written as a pattern though the evidence does not show that new ones appear."""
    found = [one for one in plan.names if one.asked and one.declared]
    if found:
        title = f"Names that may be fixed ({len(found)}): written as patterns"
        yield from ("", *layout.wrapped("", title, "  "))
    for one in found:
        yield from layout.wrapped("  ? ", f"{one.action} on {short(one.parent)}: {one.why}", "      ")
        yield f"      --exact {one.type} writes them as seen"
