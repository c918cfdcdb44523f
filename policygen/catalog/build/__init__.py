"""Tools for maintainers that regenerate the files in ``catalog/data``. No other code imports them."""

from pathlib import Path

DATA = Path(__file__).parents[1] / "data"
"""The folder to which these tools write."""
