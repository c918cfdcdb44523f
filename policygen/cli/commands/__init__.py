"""The commands, one file each. Their docstrings are the texts of the help."""

from __future__ import annotations

COMMANDS = {
    "suggest": "Right-size",
    "batch": "Right-size",
    "report": "Right-size",
    "explain": "Right-size",
    "backtest": "Right-size",
    "probation": "Right-size",
    "trust": "Right-size",
    "api": "Right-size",
    "check": "Compare",
    "fetch": "Compare",
    "diff": "Compare",
    "roles": "Look",
    "doctor": "Look",
    "map": "Look",
    "may": "Look",
    "snapshot": "Look",
    "permissions": "Look",
    "services": "Look",
    "config": "Tool",
    "schema": "Tool",
    "data": "Tool",
    "cache": "Tool",
    "athena": "Tool",
}
"""Command -> the panel of the help that it stands in."""
