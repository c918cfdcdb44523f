"""policygen may: says whether a caller may invoke a method of an API, and whose word decides."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from policygen.cli.options import QuietOption, SnapshotsOption, format_option

if TYPE_CHECKING:
    from policygen.rightsize.api.decision import InvokeDecision


def command(
    requests: Annotated[
        str,
        typer.Argument(
            metavar="REQUESTS",
            help='File with a JSON object a line, or a sentence: "WHO VERB API/STAGE/PATH", where WHO is an ARN or '
            "anybody.",
            show_default=False,
        ),
    ],
    snapshots: SnapshotsOption = None,
    format_: Annotated[str, format_option("text", "jsonl")] = "text",
    quiet: QuietOption = False,
) -> None:
    """Say whether a caller may invoke a method of an API, and whose word decides.

    Asks the method, the resource policy, the authorizer, the caller's policies and the VPC endpoint, as API Gateway does.
    What no snapshot tells makes the answer uncertain. The exit code is 0, whatever the answer is.

    policygen may "arn:aws:iam::111122223333:role/orders-api GET a1b2c3d4e5/prod/pets/7" --snapshot account.json
    """
    from policygen.cli.inputs import open_snapshots
    from policygen.cli.output import write_stdout
    from policygen.report.formats import require_format
    from policygen.rightsize.api.decision import decide
    from policygen.rightsize.api.invocations import from_object, from_sentence
    from policygen.rightsize.api.question import World

    require_format(format_, ("text", "jsonl"))
    world = World(open_snapshots(snapshots, quiet=quiet))
    lines = []
    if _is_sentence(requests):
        lines.append(_line(requests, decide(world, *from_sentence(requests, world)), format_))
    else:
        for name, row in _rows(Path(requests)):
            lines.append(_line(name, decide(world, *from_object(row, world)), format_))
    write_stdout("\n".join(lines) + "\n", utf8=format_ == "jsonl")


def _is_sentence(text: str) -> bool:
    return len(text.split()) > 1 and not Path(text).exists()
