"""policygen map: prints the access requests behind each record of a log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from policygen.cli.console import LINE
from policygen.cli.options import IncompleteOption, QuietOption, SnapshotsOption, format_option

if TYPE_CHECKING:
    from policygen.errors import NothingFoundError
    from policygen.evidence.record_mapping import MappedRecord
    from policygen.evidence.role import RoleSelector
    from policygen.logs.read_report import ReadReport
    from policygen.logs.source import Batch, LogSource


def command(
    logs: Annotated[
        list[str],
        typer.Argument(
            metavar="LOGS", help="Files and folders of CloudTrail logs, or of access logs of API Gateway."
        ),
    ],
    role: Annotated[
        str,
        typer.Option(
            "--role", "-r", metavar="ROLE", help="Only the records of a role.", rich_help_panel="Input"
        ),
    ] = "",
    snapshots: SnapshotsOption = None,
    api: Annotated[
        str,
        typer.Option(
            "--api",
            metavar="API/STAGE",
            help="Read the entries of an API, by its id or name, or of one of its stages.",
            rich_help_panel="Input",
        ),
    ] = "",
    format_: Annotated[str, format_option("jsonl", "text")] = "jsonl",
    why: Annotated[
        bool,
        typer.Option(
            "--why", help="Print the rule behind each request, with file and line.", rich_help_panel="Output"
        ),
    ] = False,
    allow_incomplete: IncompleteOption = False,
    quiet: QuietOption = False,
) -> None:
    """Print the permissions behind each record of a log.

    One JSON object per record; with --role, per record of this role.

    policygen map ./trail --format jsonl

    policygen map event.json --role orders-api -f text --why

    Access logs of API Gateway need a snapshot, which has their formats: one JSON object per entry.

    policygen map access.log --snapshot account.json --api orders/prod
    """
    from msgspec.structs import replace

    from policygen.catalog.knowledge import NOTHING_KNOWN
    from policygen.cli.output import write_stdout
    from policygen.errors import UsageError
    from policygen.evidence.record_mapping import knowledge_in, map_batch
    from policygen.evidence.role import parse_role
    from policygen.logs.read_report import ReadReport, require_complete
    from policygen.logs.registry import open_source
    from policygen.logs.source import QuerySource
    from policygen.report.formats import require_format

    require_format(format_, ("jsonl", "text"))
    wanted = parse_role(role) if role else None
    read_report, counts, unmapped = ReadReport(), Counter[str](), Counter[str]()
    event_ids: set[str] = set()
    others: Counter[str | None] = Counter()
    source = open_source(logs)
    if isinstance(source, QuerySource):
        raise UsageError(
            "map needs single records, and this source returns counts",
            "give files, s3:// or lookup:",
            code="PG-E202",
        )
    if api and not snapshots:
        raise UsageError("--api without --snapshot", "the snapshot says which APIs there are", code="PG-E211")
    LINE.clear()
    if snapshots and not role:
        from policygen.cli.access_rows import map_entries

        if map_entries(source, snapshots, api, format_, quiet=quiet, allow_incomplete=allow_incomplete):
            return
    # Files are read twice; of a source that cannot be, a record is mapped by what it says itself.
    knowledge = NOTHING_KNOWN if source.remote else knowledge_in(_records(source))
    for batch in _records(source):
        read_report.note(batch)
        lines = []
        for row in map_batch(batch, wanted, event_ids, why=why, knowledge=knowledge):
            if not row.is_wanted:
                others[row.role] += 1
                continue
            counts[row.status] += 1
            if row.status == "unmapped":
                unmapped[f"{row.event_source} {row.event_name}"] += 1
            lines.append(_line(row, format_) + "\n")
        if lines:
            write_stdout("".join(lines), utf8=format_ == "jsonl")
    if not quiet:
        _summary(read_report, counts, unmapped, others.total())
    damage = replace(read_report, unreadable=[], unproved=[])  # these have lines of their own above
    require_complete(damage, allow_incomplete=allow_incomplete)
    if wanted and not counts:
        raise _no_role(wanted, others)


def _records(source: LogSource) -> Iterator[Batch]:
    """Read CloudTrail's records; where there are none, say how access logs are read."""
    from policygen.errors import NothingFoundError

    try:
        yield from source.read()
    except NothingFoundError as error:
        hint = "for access logs of API Gateway, add --snapshot account.json"
        raise NothingFoundError(error.message, *error.hints, hint, code=error.code) from None


def _no_role(wanted: RoleSelector, others: Mapping[str | None, int]) -> NothingFoundError:
    """Return the error for a role of which there is no record."""
    import difflib

    from policygen.errors import NothingFoundError

    names = {one.rsplit("/", 1)[-1] for one in others if one}
    close = [] if wanted.account else difflib.get_close_matches(wanted.name, sorted(names), n=3)
    where = f" in account {wanted.account}" if wanted.account else ""
    return NothingFoundError(
        f"no call by a role named {wanted.name!r}{where} in the logs",
        *([f"did you mean {' or '.join(close)}?"] if close else []),
        *([f"there are: {', '.join(sorted(names)[:8])}"] if names and not close else []),
        code="PG-E310",
        instead=(wanted.name, close[0]) if close else None,
    )


def _line(row: MappedRecord, format_: str) -> str:
    import json

    from policygen.text import escape_controls

    if format_ == "jsonl":
        return json.dumps(row.as_dict(), ensure_ascii=True, separators=(",", ":"))
    head = f"{row.status:<21} {row.event_source} {row.event_name}:"
    if any("rule" in one for one in row.requests):
        return "\n".join([escape_controls(head), *(line for one in row.requests for line in _why(one))])
    requests = ", ".join(f"{one['action']} {one['resource']}" for one in row.requests) or row.why
    return escape_controls(f"{head} {requests}")


def _why(request: Mapping[str, str]) -> Iterator[str]:
    """Yield a request, then the rule behind its action and the step behind its ARN, each with file and line."""
    from policygen.text import escape_controls

    yield escape_controls(f"  {request['action']} {request['resource']} ({request['grade']})")
    for kind in ("rule", "step"):
        yield escape_controls(f"    {kind}  {request[kind]}  [{request[kind + '_at']}]")


def _summary(read_report: ReadReport, counts: Counter[str], unmapped: Counter[str], others: int) -> None:
    """Write to stderr how many records have each status, and which events are unmapped."""
    from policygen.cli.console import log_line
    from policygen.text import pluralize

    by_status = ", ".join(f"{n:,} {status}" for status, n in sorted(counts.items()))
    log_line(f"{pluralize(counts.total(), 'record')}: {by_status or 'nothing to map'}")
    if others:
        log_line(f"left out: {pluralize(others, 'record')} of others")
    if read_report.passed_over:
        log_line(
            "passed over: "
            + ", ".join(f"{n:,} {kind}" for kind, n in sorted(read_report.passed_over.items()))
        )
    for name, number in sorted(unmapped.items()):
        log_line(f"unmapped: {name} ({number:,})")
