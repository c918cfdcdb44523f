"""policygen config: prints each setting with its value and where it comes from, and the roles of the file."""

from __future__ import annotations

from typing import Annotated

from policygen.cli.options import format_option


def command(
    format_: Annotated[str, format_option("text", "json")] = "text",
) -> None:
    """Print each setting, its value and where it comes from.

    The nearest policygen.toml, or pyproject.toml with [tool.policygen], counts, up to the root of the repository.
    Options come first, then the environment, then the file.

    policygen config
    """
    import json
    import os

    from policygen.cli.output import write_stdout
    from policygen.configuration import SETTINGS, check_variable, read_configuration, text_of
    from policygen.gate.repository.role_map import read_role_map
    from policygen.report.formats import require_format
    from policygen.rightsize.decisions.load import decisions_of
    from policygen.text import escape_controls

    require_format(format_, ("json", "text"))
    found = read_configuration()
    rows: list[tuple[str, str, str]] = []
    for key, setting in SETTINGS.items():
        variable = f"POLICYGEN_{key.upper()}"
        if given := os.environ.get(variable):
            check_variable(variable, given, setting)
            rows.append((key, given, variable))
        elif key in found.settings:
            value = found.settings[key]
            rows.append((key, text_of(value), found.name))
        else:
            rows.append((key, setting.default, "default"))
    roles = [one.name for one in read_role_map()]
    if format_ == "json":
        settings = {key: {"value": value, "from": origin} for key, value, origin in rows}
        document = {"file": found.name, "settings": settings, "roles": roles}
        write_stdout(json.dumps(document, indent=2) + "\n", utf8=True)
        return
    width = max(len(value) for _, value, _ in rows)
    lines = [f"{key:<12} {value:<{width}}  {origin}" for key, value, origin in rows]
    note = decisions_of(found.table, str(found.path)).note if found.decides else ""
    file = (
        f"read: {found.name}"
        if found.path
        else "no policygen.toml in this folder, or above it in the repository"
    )
    told = [file, *([f"roles: {', '.join(roles)}"] if roles else []), *([note] if note else [])]
    write_stdout("".join(f"{escape_controls(line)}\n" for line in [*lines, "", *told]))
