"""policygen services: prints what the catalog knows about a service, or lists the services with a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from policygen.catalog.rule_model import ServiceRules
    from policygen.catalog.service_info import ServiceFacts


def command(
    name: Annotated[
        str,
        typer.Argument(
            metavar="SERVICE", help="IAM prefix or event source; all if not given.", show_default=False
        ),
    ] = "",
) -> None:
    """Print what policygen knows about an AWS service.

    policygen services

    policygen services dynamodb

    policygen services monitoring.amazonaws.com
    """
    from policygen.cli.output import write_stdout
    from policygen.text import escape_controls

    lines = _service(name) if name else _services()
    write_stdout("".join(f"{escape_controls(line)}\n" for line in lines))


def _services() -> Iterator[str]:
    from policygen.catalog.service_info import by_prefix, data_facts
    from policygen.report.terminal.layout import wrapped

    yield f"{'service':<26}{'rules':>6}{'ARN ways':>9}{'open names':>11}{'data events':>12}{'examples':>9}"
    for prefix, rules in sorted(by_prefix().items()):
        yield (
            f"{prefix:<26}{len(rules.events):>6}{len(rules.resources):>9}{len(rules.generalise):>11}"
            f"{len(rules.visibility.data):>12}{len(rules.examples):>9}"
        )
    facts = data_facts()
    rest = facts.services - facts.files
    yield ""
    yield from wrapped(
        "",
        f"{facts.files} services have a file. The other {rest} that IAM knows follow the general rule: the action of "
        "the event's name, on the ARN that the record lists, that a parameter is, or that parameters fill.",
        "",
    )


def _service(name: str) -> Iterator[str]:
    from policygen.catalog.service_info import service_facts
    from policygen.errors import NothingFoundError
    from policygen.text import escape_controls

    facts = service_facts(name)
    if facts is None:
        raise NothingFoundError(
            f"IAM has no service {escape_controls(name)[:60]!r}",
            "give the prefix of its actions (s3) or its event source (monitoring.amazonaws.com)",
            "policygen services",
            code="PG-E305",
        )
    yield f"{facts.prefix}  {facts.title}"
    yield (
        f"IAM       {facts.actions:,} actions, {facts.without_resource:,} of them without a resource; "
        f"{facts.types:,} resource types"
    )
    if facts.rules is None:
        yield "File      none: the general rule holds"
        return
    yield from _file(facts, facts.rules)


def _file(facts: ServiceFacts, rules: ServiceRules) -> Iterator[str]:
    from policygen.catalog.service_info import needs_of
    from policygen.report.terminal.layout import wrapped

    yield f"File      services/{rules.file}, {len(rules.examples)} examples"
    yield from wrapped("Events    ", ", ".join(rules.event_sources))
    yield from wrapped("Page      ", rules.reference)
    if rules.passes_roles_to:
        yield f"Roles     are passed to {rules.passes_roles_to}"
    if rules.events:
        yield from ("", "Events that are not simply the action of their name")
        for rule in rules.events.values():
            yield f"  {rule.name}" + ("" if rule.needs else ": the action of its name, and also")
            if rule.note:
                yield from wrapped("      why   ", rule.note)
            for need in needs_of(rule):
                yield from wrapped("    ", need.removeprefix(f"{facts.prefix}:"), "      ")
    for title, table in (
        ("No permission needed", rules.no_permission),
        ("Not governed by IAM", rules.not_iam),
    ):
        if table:
            yield from ("", title)
            for event, reason in table.items():
                yield from wrapped("  ", f"{event}: {reason}", "    ")
    if rules.generalise:
        yield from ("", "Names left open")
        for kind, how in rules.generalise.items():
            opened = ", ".join(
                [*how.open, *([f"{how.learn} after its constant beginning"] if how.learn else [])]
            )
            yield from wrapped("  ", f"{kind}: {how.rule} ({opened})", "    ")
    if rules.visibility.data or rules.visibility.never:
        yield from ("", "What CloudTrail shows (all else is a management event)")
        for data_type, names in rules.visibility.data.items():
            yield from wrapped("  ", f"{data_type}: {' '.join(names)}", "    ")
        if rules.visibility.never:
            yield from wrapped("  ", f"never: {' '.join(rules.visibility.never)}", "    ")
