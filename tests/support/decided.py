"""Printed tables for policygen.toml as a person would write them: with a reason in place of the placeholder."""

from __future__ import annotations

from policygen.rightsize.decisions.load import parse_decisions
from policygen.rightsize.decisions.model import PLACEHOLDER, Decisions


def with_reasons(text: str) -> str:
    """The tables, each with a ticket for a reason."""
    return text.replace(f"{PLACEHOLDER}:", f"{PLACEHOLDER}-7:")


def decided(text: str) -> Decisions:
    """What the tables decide once somebody wrote why."""
    return parse_decisions(with_reasons(text))
