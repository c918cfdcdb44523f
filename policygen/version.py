"""The version of this package, which the build reads from here, and its home."""

VERSION = "0.1.0"

HOME = "https://github.com/policygen/policygen"
"""As `project.urls` of pyproject.toml has it."""
