"""policygen permissions: prints the IAM permissions that policygen needs, command by command."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from policygen.cli.options import format_option

if TYPE_CHECKING:
    from policygen.account.required_permissions import ReadingOptions, RequiredPermission


def command(
    name: Annotated[
        str,
        typer.Argument(
            metavar="COMMAND", help="A command, as 'suggest --live --logs s3://BUCKET'; all if not given."
        ),
    ] = "",
    account: Annotated[
        str, typer.Option("--account", metavar="ID", help="Name the resources of this account, 12 digits.")
    ] = "*",
    partition: Annotated[
        str, typer.Option("--partition", metavar="NAME", help="aws, aws-cn, aws-us-gov or another.")
    ] = "aws",
    required: Annotated[
        bool,
        typer.Option("--required", help="Leave out optional permissions."),
    ] = False,
    format_: Annotated[str, format_option("text", "policy")] = "text",
) -> None:
    """Print the IAM permissions that policygen needs.

    They are read-only, except that Athena writes query results. Work on files needs none.

    policygen permissions suggest -f policy

    policygen permissions 'suggest --live --logs s3://BUCKET' -f policy
    """
    from policygen.cli.console import log_line
    from policygen.cli.output import write_stdout
    from policygen.errors import UsageError
    from policygen.report.formats import require_format
    from policygen.text import escape_controls

    require_format(format_, ("policy", "text"))
    if not re.fullmatch(r"\*|[0-9]{12}", account):
        raise UsageError(
            f"--account is {escape_controls(account)[:40]!r}", "an account id has 12 digits", code="PG-E221"
        )
    if not re.fullmatch(r"aws(-[a-z]+)*", partition):
        raise UsageError(
            f"--partition is {escape_controls(partition)[:40]!r}",
            "for example aws, aws-cn, aws-us-gov",
            code="PG-E221",
        )
    found = _needs(name) or {name[:200]: ()}
    # A command by itself is what its policy is for; the screen lists what its options need, too.
    found = {name: found[name]} if format_ == "policy" and name in found else found
    chosen = {
        key: [need for need in needs if not (required and need.optional)] for key, needs in found.items()
    }
    if format_ == "policy":
        needs = list(dict.fromkeys(need for members in chosen.values() for need in members))
        write_stdout(_policy(needs, account, partition), utf8=True)
        if not needs:
            log_line(f"{name} {_NOTHING}")
    else:
        write_stdout("".join(f"{line}\n" for line in _text(chosen)))


def _needs(text: str) -> Mapping[str, Sequence[RequiredPermission]]:
    """Return what a command line needs, by option; of all commands where it is empty, {} where it reads files alone.

    Raises:
        UsageError: PG-E222, the command calls no AWS, or does not have the options.
    """
    from policygen.account.required_permissions import NEEDS, READS_LOGS, permissions_for
    from policygen.errors import no_such
    from policygen.text import escape_controls

    if not text:
        return NEEDS
    if text in NEEDS and "--logs" in text:  # with a name in the place of a bucket, group or store
        return {text: NEEDS[text]}
    command, *words = text.split()
    known = sorted({*READS_LOGS, "snapshot"})
    if command in known:
        return permissions_for(command, _options(command, words))
    raise no_such(
        f"no command {escape_controls(command)[:80]!r} that calls AWS",
        command,
        known,
        "all others work on files; map and api need for s3://BUCKET what suggest --logs s3://BUCKET does",
        code="PG-E222",
    )


def _options(command: str, words: Sequence[str]) -> ReadingOptions:
    """Return what the words of a command line say about AWS, as the command itself reads them."""
    from policygen.account.required_permissions import EVERYTHING, ReadingOptions
    from policygen.cli.app import program
    from policygen.errors import UsageError
    from policygen.text import escape_controls

    group: Any = typer.main.get_command(program([command]))
    around = group.context_class(group)
    made = group.get_command(around, command)
    try:
        context = made.context_class(made, parent=around)
        given, more, _ = made.make_parser(context).parse_args(list(words))
        if more:
            context.fail(f"Got unexpected extra argument ({more[0]})")
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        raise UsageError(
            f"{command}: {escape_controls(error.format_message())}",
            f"policygen {command} --help lists its options",
            code="PG-E222",
        ) from None
    given["snapshot"] = bool(given.get("snapshots"))
    given["logs"] = tuple(given.get("logs", ()))
    return EVERYTHING._replace(**{name: given[name] for name in ReadingOptions._fields if name in given})


_NOTHING = "needs nothing: it reads files alone"


def _policy(needs: Sequence[RequiredPermission], account: str, partition: str) -> str:
    statements: dict[str, list[str]] = {}
    for need in needs:
        resource = need.resource.format(partition=partition, account=account)
        actions = statements.setdefault(resource, [])
        if need.action not in actions:
            actions.append(need.action)
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": sorted(actions), "Resource": resource}
            for resource, actions in sorted(statements.items())
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def _text(chosen: dict[str, list[RequiredPermission]]) -> Iterator[str]:
    from policygen.report.terminal.layout import wrapped
    from policygen.text import escape_controls

    for key, needs in chosen.items():
        yield escape_controls(key)
        if not needs:
            yield f"  {_NOTHING}"
        for need in needs:
            mark = "optional: " if need.optional else ""
            yield from wrapped(f"  {need.action}  ", f"{mark}{need.why}", "      ")
        yield ""
    yield from wrapped(
        "", "-f policy prints a policy document; work on files (--logs, --snapshot) needs none of these", ""
    )
