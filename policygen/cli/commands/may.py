"""policygen may: says whether a caller may invoke a method of an API, and whose word decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from policygen.cli.options import SnapshotsOption, format_option

if TYPE_CHECKING:
    from policygen.rightsize.api.decision import InvokeDecision


def command(
    requests: Annotated[
        str,
        typer.Argument(
            metavar="REQUESTS",
            help='File with a JSON object a line, or a sentence: "WHO VERB API/STAGE/PATH", where WHO is an ARN, '
            "a role's name or anybody.",
            show_default=False,
        ),
    ],
    snapshots: SnapshotsOption = None,
    format_: Annotated[str, format_option("text", "jsonl")] = "text",
) -> None:
    """Say whether a caller may invoke a method of an API.

    Names whose word decides: method, resource policy, authorizer, caller's policies or VPC endpoint.
    What no snapshot tells makes the answer uncertain. The exit code is 0, whatever the answer is.

    policygen may "anybody GET a1b2c3d4e5/prod/pets/7" -s account.json

    policygen may requests.jsonl -s prod.json -s partner.json -f jsonl
    """
    from policygen.cli.output import write_stdout
    from policygen.cli.several_accounts import read_snapshots
    from policygen.report.formats import require_format
    from policygen.rightsize.api.decision import decide
    from policygen.rightsize.api.invocations import from_object, from_sentence
    from policygen.rightsize.api.question import World

    require_format(format_, ("text", "jsonl"))
    world = World(read_snapshots(snapshots))
    lines = []
    if _is_sentence(requests):
        lines.append(_line(requests, decide(world, *from_sentence(requests, world)), format_))
    else:
        for name, row in _rows(Path(requests)):
            lines.append(_line(name, decide(world, *from_object(row, world)), format_))
    write_stdout("\n".join(lines) + "\n", utf8=format_ == "jsonl")


def _is_sentence(text: str) -> bool:
    return len(text.split()) != 1 and not (text and Path(text).exists())


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the requests of a file, each with what names it: its id, else the number of its line.

    Raises:
        UsageError: PG-E382, the file cannot be read, or a line is no JSON object.
    """
    import json

    from policygen.errors import UsageError
    from policygen.text import escape_controls

    shown = escape_controls(str(path))[:120]
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeError) as error:
        raise UsageError(
            f"cannot read {shown!r}: {getattr(error, 'strerror', None) or error}",
            'give a file, or a sentence: policygen may "anybody GET API/STAGE/path" --snapshot account.json',
            code="PG-E382",
        ) from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise UsageError(
                f"line {number} of {shown!r} is not a JSON object: {escape_controls(line)[:80]!r}",
                "write one request a line",
                code="PG-E382",
            )
        yield str(row.get("id", number)), row


def _line(name: str, decision: InvokeDecision, format_: str) -> str:
    import json

    from policygen.text import escape_controls

    if format_ == "jsonl":
        answer = {
            "id": name,
            **decision._asdict(),
            "unknown": list(decision.unknown),
            "assumed": list(decision.assumed),
        }
        return json.dumps(answer, separators=(",", ":"))
    outcome = {"ALLOWED": "allowed", "EXPLICIT_DENY": "denied", "IMPLICIT_DENY": "not allowed"}
    words = [escape_controls(f"{outcome[decision.outcome]}: {decision.reason}")]
    if decision.unknown:
        words.append(escape_controls(f"  not known: {', '.join(decision.unknown)}"))
    if decision.assumed:
        words.append(escape_controls(f"  assumed: {', '.join(decision.assumed)}"))
    return "\n".join([escape_controls(name), *(f"  {word.strip()}" for word in words)])
