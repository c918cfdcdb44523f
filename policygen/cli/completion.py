"""What the shell completes: roles with a saved plan, and formats. Nothing is read but file names."""

from __future__ import annotations

from policygen.report.formats import ALIASES, FORMATS


def complete_role(incomplete: str) -> list[str]:
    """Return the roles with a saved plan whose names begin so."""
    from policygen.cli.plans import own_folder

    names = sorted(path.stem for path in own_folder().glob("*.json"))
    return [name for name in names if name.startswith(incomplete)]


def complete_format(incomplete: str) -> list[str]:
    """Return the formats of a plan whose names begin so."""
    return [name for name in (*FORMATS, *ALIASES) if name.startswith(incomplete)]
