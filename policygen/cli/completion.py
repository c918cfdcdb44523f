"""What the shell completes: roles with a saved plan, formats, and kinds of suspicious calls."""

from __future__ import annotations

from policygen.report.formats import ALIASES, FORMATS


def complete_role(incomplete: str) -> list[str]:
    """Return the roles with a saved plan whose names begin so."""
    from policygen.plan.saved import own_folder

    names = sorted(path.stem for path in own_folder().glob("*.json"))
    return [name for name in names if name.startswith(incomplete)]


def complete_format(incomplete: str) -> list[str]:
    """Return the formats of a plan whose names begin so."""
    return [name for name in (*FORMATS, *ALIASES) if name.startswith(incomplete)]


def complete_sign(incomplete: str) -> list[str]:
    """Return the kinds of suspicious calls that begin so."""
    from policygen.evidence.anomalies import ANOMALY_RULES  # heavy, and only --accept needs it

    return [name for name in ANOMALY_RULES if name.startswith(incomplete)]
