"""policygen schema: prints the JSON Schema of a file that policygen writes."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="plan, batch, trust or api; without a name all are listed.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Print the JSON Schema of a file that policygen writes.

    policygen schema

    policygen schema plan > plan.schema.json
    """
    from policygen.cli.output import write_stdout
    from policygen.errors import no_such
    from policygen.files import package_folder
    from policygen.plan.io import SCHEMAS
    from policygen.text import escape_controls

    if not name:
        write_stdout("".join(f"{one:<10}{what}\n" for one, (_, _, what) in sorted(SCHEMAS.items())))
        return
    if name not in SCHEMAS:
        raise no_such(f"no schema {escape_controls(name)[:40]!r}", name, sorted(SCHEMAS), code="PG-E273")
    package, file, _ = SCHEMAS[name]
    write_stdout((package_folder(package) / file).read_text("utf-8"), utf8=True)
