"""Tools for maintainers that regenerate the files of ``catalog/data``; no other package imports them."""

from pathlib import Path

DATA = Path(__file__).parents[1] / "data"
"""The folder that these tools write to."""
