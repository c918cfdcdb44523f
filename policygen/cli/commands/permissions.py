"""policygen permissions: prints the IAM permissions that policygen needs, command by command."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from policygen.cli.options import format_option

if TYPE_CHECKING:
    from policygen.account.required_permissions import RequiredPermission


def command(
    name: Annotated[
        str,
        typer.Argument(metavar="COMMAND", help="A command, such as suggest or snapshot; all if not given."),
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
    """
    from policygen.account.required_permissions import NEEDS
    from policygen.cli.output import write_stdout
    from policygen.errors import UsageError, no_such
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
    chosen = {
        key: [need for need in needs if not (required and need.optional)]
        for key, needs in NEEDS.items()
        if not name or key == name or key.split(" ")[0] == name
    }
    if not chosen:
        known = dict.fromkeys(key.split(" ")[0] for key in NEEDS)
        raise no_such(
            f"no command {escape_controls(name)[:40]!r} that calls AWS",
            name,
            known,
            "all others work on files",
            code="PG-E222",
        )
    if format_ == "policy":
        needs = list(dict.fromkeys(need for members in chosen.values() for need in members))
        write_stdout(_policy(needs, account, partition), utf8=True)
    else:
        write_stdout("".join(f"{line}\n" for line in _text(chosen)))


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

    for key, needs in chosen.items():
        yield key
        for need in needs:
            mark = "optional: " if need.optional else ""
            yield from wrapped(f"  {need.action}  ", f"{mark}{need.why}", "      ")
        yield ""
    yield from wrapped(
        "", "-f policy prints a policy document; work on files (--logs, --snapshot) needs none of these", ""
    )
