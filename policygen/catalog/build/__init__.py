"""Maintainers' tools that make the files of ``catalog/data`` anew; nothing else imports them."""

from pathlib import Path

DATA = Path(__file__).parents[1] / "data"
"""The folder of the files that these tools write."""
